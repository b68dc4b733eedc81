// Colours, and what is drawn on a canvas: numbers as colours, curves, rows as points.

const COLOURS = {};
const readColours = () => {
  const probe = el("i", { hidden: true });
  document.body.append(probe);
  for (const name of [
    "paper",
    "card",
    "line",
    "ink",
    "soft",
    "up",
    "down",
    "up-ink",
    "down-ink",
    "focus",
    "good",
  ]) {
    probe.style.color = `var(--${name})`;
    COLOURS[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  const rgb = name =>
    COLOURS[name]
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);
  const [paper, up, down] = ["paper", "up", "down"].map(rgb);
  // 255 steps from the colour of what is negative over that of the paper to that of what is positive.
  COLOURS.scale = Array.from({ length: 255 }, (_, n) => {
    const share = (n - 127) / 127;
    const end = share < 0 ? down : up;
    return paper.map((value, c) => value + (end[c] - value) * Math.abs(share) ** 0.8 * 0.9);
  });
  COLOURS.rgb = { paper, up, down };
  COLOURS.font = getComputedStyle(document.body).fontFamily;
};
// The colours of classes: Okabe and Ito's, and three more; of two classes those of negative and positive.
const CLASS_COLOURS = [
  [0, 114, 178],
  [213, 94, 0],
  [0, 158, 115],
  [204, 121, 167],
  [230, 159, 0],
  [86, 180, 233],
  [148, 103, 60],
  [120, 120, 120],
  [170, 170, 30],
  [100, 60, 170],
];
const classColour = n =>
  C.targets.kind === "two" ? COLOURS.rgb[n ? "up" : "down"] : CLASS_COLOURS[n % CLASS_COLOURS.length];
const css = ([r, g, b], alpha = 1) => `rgba(${r | 0},${g | 0},${b | 0},${alpha})`;
const className = n =>
  C.targets.names
    ? C.targets.names[n]
    : C.targets.kind === "two"
      ? short(n ? C.targets.high : C.targets.low)
      : say("class_name", { unit: n });

// A canvas that is sharp on every screen, and its pen in the units of the page.
const canvasOf = (width, height, attributes = {}) => {
  const canvas = el("canvas", attributes);
  resize(canvas, width, height);
  return canvas;
};
const resize = (canvas, width, height) => {
  const dense = Math.min((window.devicePixelRatio || 1) * (settings.projector ? 1.4 : 1), 2);
  if (canvas.width === Math.round(width * dense) && canvas.height === Math.round(height * dense)) return;
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
};
const penOf = canvas => {
  const pen = canvas.getContext("2d");
  const dense = canvas.width / parseFloat(canvas.style.width);
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  return pen;
};

// A picture of numbers in rows, as colours; `value(n)` lies between -1 and 1, or gives [r, g, b].
const scratch = document.createElement("canvas");
const tile = (pen, x, y, width, height, columns, rows, value, smooth) => {
  scratch.width = columns;
  scratch.height = rows;
  const brush = scratch.getContext("2d");
  const image = brush.createImageData(columns, rows);
  for (let n = 0; n < columns * rows; n++) {
    const v = value(n);
    const colour =
      typeof v === "number" ? COLOURS.scale[Math.round(127 + 127 * Math.min(Math.max(v || 0, -1), 1))] : v;
    for (let c = 0; c < 3; c++) image.data[4 * n + c] = colour[c];
    image.data[4 * n + 3] = 255;
  }
  brush.putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = smooth;
  pen.drawImage(scratch, x, y, width, height);
};
const largest = (numbers, from = 0, step = 1, count = numbers.length) => {
  let most = 0;
  for (let n = 0, at = from; n < count; n++, at += step) {
    const size = Math.abs(numbers[at]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
};

// A frame with two axes, a few round numbers at each, and the functions that place numbers in it.
const roundStep = span => {
  const ten = 10 ** Math.floor(Math.log10(span));
  return ten * [1, 2, 5, 10].find(part => part * ten >= span);
};
const axes = (pen, box, [x0, x1], [y0, y1], { log = false, xName = "", yName = "" } = {}) => {
  const lift = log ? Math.log10 : value => value;
  const x = value => box.left + ((box.right - box.left) * (value - x0)) / (x1 - x0 || 1);
  const y = value =>
    box.bottom - ((box.bottom - box.top) * (lift(value) - lift(y0))) / (lift(y1) - lift(y0) || 1);
  pen.font = `11px ${COLOURS.font}`;
  pen.strokeStyle = COLOURS.line;
  pen.lineWidth = 1;
  pen.fillStyle = COLOURS.soft;
  const ticks = (low, high, count) => {
    const step = roundStep((high - low) / count);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++)
      found.push(Number((n * step).toPrecision(12)));
    return found;
  };
  // Of powers of ten so many that their labels do not meet.
  const powers = log ? [Math.ceil(lift(y0)), Math.floor(lift(y1))] : [0, 0];
  const every = Math.max(Math.ceil((powers[1] - powers[0] + 1) / 4), 1);
  const yTicks = log
    ? Array.from(
        { length: Math.floor((powers[1] - powers[0]) / every) + 1 },
        (_, n) => 10 ** (powers[0] + n * every),
      )
    : ticks(y0, y1, 4);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const value of yTicks) {
    pen.beginPath();
    pen.moveTo(box.left, y(value));
    pen.lineTo(box.right, y(value));
    pen.stroke();
    pen.fillText(short(value, 2), box.left - 5, y(value));
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const value of ticks(x0, x1, Math.max((box.right - box.left) / 70, 2)))
    pen.fillText(short(value, 3), x(value), box.bottom + 4);
  pen.fillText(xName, (box.left + box.right) / 2, box.bottom + 18);
  pen.textAlign = "left";
  pen.fillText(yName, box.left - 34, box.top - 16);
  return { x, y };
};
const polyline = (pen, points, colour, { width = 2, dash = [] } = {}) => {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.beginPath();
  let open = false;
  for (const [x, y] of points) {
    if (Number.isFinite(y)) pen[open ? "lineTo" : "moveTo"](x, y);
    open = Number.isFinite(y);
  }
  pen.stroke();
  pen.setLineDash([]);
};
// A row: a disc if it is for training, a ring if it is held out, crossed out if the answer is wrong.
const point = (pen, x, y, colour, { test = false, wrong = false, chosen = false, size = 3.4 } = {}) => {
  pen.beginPath();
  pen.arc(x, y, size, 0, 2 * Math.PI);
  pen.fillStyle = test ? COLOURS.paper : css(colour);
  pen.fill();
  pen.lineWidth = test ? 1.8 : 1;
  pen.strokeStyle = test ? css(colour) : COLOURS.paper;
  pen.stroke();
  if (wrong) {
    pen.strokeStyle = COLOURS.ink;
    pen.lineWidth = 1.2;
    pen.beginPath();
    pen.moveTo(x - size, y - size);
    pen.lineTo(x + size, y + size);
    pen.moveTo(x - size, y + size);
    pen.lineTo(x + size, y - size);
    pen.stroke();
  }
  if (chosen) {
    pen.strokeStyle = COLOURS.ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, size + 4, 0, 2 * Math.PI);
    pen.stroke();
  }
};
