// What the tests ask the page. Each function answers with plain data.

// The whole numbers behind those that are shown.
const numbers = selector =>
  [...document.querySelectorAll(selector)].map(node => node.getAttribute("value") ?? node.dataset.value);

// Every number that is shown, as it is written and as it is.
const written = () =>
  [...document.querySelectorAll("data, svg [data-value]")]
    .filter(node => node.textContent)
    .map(node => [node.textContent, node.getAttribute("value") ?? node.dataset.value]);

// The rows of a table of weights: which weight, and its numbers.
const weightRows = () =>
  [...document.querySelectorAll("tr[data-code]")].map(row => [
    row.dataset.code,
    ...[...row.querySelectorAll("data")].map(node => node.value),
  ]);

// How the lines of the drawing look.
const strokes = () =>
  [...document.querySelectorAll(".weight.pick")].map(node => {
    const line = node.querySelector(".line");
    return [
      node.dataset.key,
      Number(line.getAttribute("stroke-width")),
      getComputedStyle(line).strokeDasharray,
    ];
  });

// For each neuron or weight a place where a click is meant for it: of a line the most lonely one.
const spots = () => {
  const found = {};
  const lines = [...document.querySelectorAll(".net .pick line.line")].map(line => {
    const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map(name => Number(line.getAttribute(name)));
    const length = Math.hypot(x2 - x1, y2 - y1);
    return {
      key: line.parentElement.dataset.key,
      at: t => [x1 + t * (x2 - x1), y1 + t * (y2 - y1)],
      far: (x, y) => Math.abs((y2 - y1) * (x - x1) - (x2 - x1) * (y - y1)) / length,
    };
  });
  const corner = document.querySelector(".net").getBoundingClientRect();
  const free = ([x, y]) => !document.elementFromPoint(corner.x + x, corner.y + y)?.closest(".bias");
  for (const line of lines) {
    const places = [...Array(93).keys()].map(n => line.at((n + 4) / 100)).filter(free);
    const others = lines.filter(other => other !== line);
    const lonely = ([x, y]) => Math.min(99, ...others.map(other => other.far(x, y)));
    const [x, y] = places.reduce((best, place) => (lonely(place) > lonely(best) ? place : best));
    found[line.key] = [corner.x + x, corner.y + y];
  }
  for (const pick of document.querySelectorAll(".net .pick")) {
    const shape = pick.querySelector("circle, rect.badge");
    if (!shape) continue;
    const box = shape.getBoundingClientRect();
    found[pick.dataset.key] = [box.x + box.width / 2, box.y + box.height / 2];
  }
  return found;
};

// Texts in drawings that lie on each other, or reach over the edge of their drawing.
const collisions = () => {
  const found = [];
  for (const drawing of document.querySelectorAll("main svg")) {
    const texts = [...drawing.querySelectorAll("text")].filter(node => node.textContent.trim());
    const boxes = texts.map(node => {
      const { x, y, width, height } = node.getBoundingClientRect();
      // The line of a text is higher than its letters.
      return {
        text: node.textContent,
        left: x + 1,
        right: x + width - 1,
        top: y + 0.2 * height,
        end: y + 0.8 * height,
      };
    });
    boxes.forEach((a, n) => {
      for (const b of boxes.slice(n + 1)) {
        if (a.left < b.right && b.left < a.right && a.top < b.end && b.top < a.end)
          found.push([a.text, b.text]);
      }
    });
    const whole = drawing.getBoundingClientRect();
    for (const box of boxes) {
      const inside = box.left >= whole.x - 2 && box.right <= whole.right + 2 && box.top >= whole.y - 2;
      if (!inside || box.end > whole.bottom + 2) found.push([box.text, "edge"]);
    }
  }
  return found;
};

// How many texts there are, and those that stand out from their ground by less than 4.5, as WCAG computes it.
const pale = () => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, low) => [0, 1, 2].map(n => top[3] * top[n] + (1 - top[3]) * low[n]).concat(1);
  const linear = c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduceRight((low, top) => over(top, low), [255, 255, 255, 1]);
  };
  const found = [];
  let count = 0;
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || node.closest(":disabled, .said, option")) continue;
    if (!node.getClientRects().length) continue;
    count++;
    const style = getComputedStyle(node);
    const drawing = node.ownerSVGElement;
    let ground = behind(drawing || node);
    // Text in a drawing lies on its circle or badge, or has a halo of the colour of the page.
    const shape =
      drawing && node.matches(".value, .badge-sign") && node.parentElement.querySelector(".body, .badge");
    if (shape) ground = over(rgba(getComputedStyle(shape).fill), ground);
    const [a, b] = [light(over(rgba(drawing ? style.fill : style.color), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([node.textContent.slice(0, 30), ratio.toFixed(2)]);
  }
  return [count, found];
};

// Everything that can be used, with what a screen reader calls it.
const USED = "button, select, input, summary, [tabindex], [role=button]";
const names = () =>
  [...document.querySelector("main").querySelectorAll(USED)].map(node => {
    const labels = [...(node.labels || [])].map(label => label.textContent).join(" ");
    return [
      node.outerHTML.slice(0, 80),
      (node.getAttribute("aria-label") || labels || node.textContent).trim(),
    ];
  });
const pictures = () =>
  [...document.querySelectorAll("main svg:not([aria-hidden])")].map(node => [
    node.getAttribute("role"),
    node.getAttribute("aria-label"),
  ]);
const doubleIds = () => {
  const ids = [...document.querySelectorAll("[id]")].map(node => node.id);
  return ids.length - new Set(ids).size;
};

// What the tab key must reach, in the order of the page; then where it is.
const stops = () => {
  document.activeElement.blur();
  window.stops = [...document.querySelector("main").querySelectorAll(USED)].filter(
    node => !node.disabled && node.tabIndex >= 0 && node.getClientRects().length,
  );
  return window.stops.length;
};
const stop = () => {
  const node = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  const outlined = outlineStyle !== "none" && outlineWidth !== "0px";
  return [window.stops.indexOf(node), outlined || Boolean(node.closest("svg"))];
};
// How the neuron or weight that has the focus is outlined, and another one.
const outlines = part => {
  const here = document.activeElement;
  const other = [...document.querySelectorAll(".pick")].find(
    node => node !== here && node.querySelector(part),
  );
  return [here, other].map(node => getComputedStyle(node.querySelector(part)).stroke);
};

const texts = selector => [...document.querySelectorAll(selector)].map(node => node.textContent);
const seen = selector =>
  [...document.querySelectorAll(selector)]
    .filter(node => node.getClientRects().length)
    .map(node => node.textContent);
const isDark = () => Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]) < 60;
