// What Python has put into the page. Arrays come packed: see `pack` in contents.py.

const C = JSON.parse(document.querySelector("script[type='application/json']").textContent);

const unpack = async ({ kind, data, table }) => {
  const bytes = Uint8Array.from(atob(data), sign => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const [Kind, size] = {
    u1: [Uint8Array, 1],
    i4: [Int32Array, 4],
    f4: [Float32Array, 4],
    f8: [Float64Array, 8],
  }[kind];
  const count = planes.length / size;
  const plain = new Uint8Array(planes.length);
  for (let n = 0; n < count; n++) for (let b = 0; b < size; b++) plain[n * size + b] = planes[b * count + n];
  const numbers = Float64Array.from(new Kind(plain.buffer));
  return table ? numbers.map(place => table[place]) : numbers;
};

const GIVEN = {
  values: await unpack(C.values),
  x: await unpack(C.data.x),
  y: await unpack(C.data.y),
  kept: {},
};
for (const name in C.kept) GIVEN.kept[name] = await unpack(C.kept[name]);
if (C.validation && C.validation.x) {
  GIVEN.testX = await unpack(C.validation.x);
  GIVEN.testY = await unpack(C.validation.y);
}

// How many numbers a target is: one for the number of a class.
const WANTED = GIVEN.y.length / C.data.count;
