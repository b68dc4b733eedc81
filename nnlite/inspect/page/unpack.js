// Unpacks the script and runs it. Until then, and where this cannot be done, the page shows the step as text.
{
  const packed = Uint8Array.from(atob(document.querySelector(".packed").textContent), sign =>
    sign.charCodeAt(0),
  );
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  new Response(stream).text().then(text => {
    const script = document.createElement("script");
    script.textContent = text;
    document.body.append(script);
  });
}
