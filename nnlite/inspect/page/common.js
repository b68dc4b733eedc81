// How numbers, words (WORDS, of words.json) and elements are written, in every page of nnlite.

const add = (node, children) => {
  for (const child of children.flat(9)) if (child !== null && child !== undefined) node.append(child);
  return node;
};
const put = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  return node;
};
// One element of HTML, and one of SVG. Text only ever becomes a text node, whatever stands in it.
const el = (tag, attributes = {}, ...children) => add(put(document.createElement(tag), attributes), children);
const svg = (tag, attributes = {}, ...children) =>
  add(put(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes), children);

// A sentence of words.json with its blanks filled in: as nodes, and as text.
const tell = (key, blanks = {}) =>
  WORDS[key]
    .split(/[{}]/)
    .map((part, index) => (index % 2 ? blanks[part] : part))
    .filter(part => part !== "");
const say = (key, blanks = {}) => el("p", {}, tell(key, blanks)).textContent;

// A number in a few digits: four that count, and at least two behind the point if there is one.
const short = (value, digits = 4) => {
  if (!Number.isFinite(value))
    return value === Infinity
      ? WORDS.infinite
      : value === -Infinity
        ? WORDS.minus_infinite
        : WORDS.not_finite;
  if (value === 0) return "0";
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const bare = text => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const ten = Number(power);
  if (ten < -4 || ten >= Math.max(digits, 4))
    return `${bare(mantissa)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  const text = bare(value.toFixed(Math.max(digits - 1 - ten, 0)));
  if (!text.includes(".") || digits < ten + 3) return text; // a zero says that the digit is known
  const [whole, behind] = text.split(".");
  return `${whole}.${behind.padEnd(2, "0")}`;
};
// A number that was computed, with the zeros that show how far.
const result = (value, digits = 4) => {
  if (!Number.isFinite(value) || value === 0) return short(value);
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const ten = Number(power);
  if (ten < -4 || ten >= digits) return `${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  return value.toFixed(Math.max(digits - 1 - ten, 0));
};
// A layer as one names it in a sentence.
const spoken = text => {
  const name = text.endsWith("()") ? text.slice(0, -2) : text;
  return /^[A-Z][a-z]+$/.test(name) ? name.toLowerCase() : name;
};
// The most digits that fit into so many characters.
const fitting = (value, characters) => {
  for (let digits = 4; digits > 1; digits--)
    if (short(value, digits).length <= characters) return short(value, digits);
  return short(value, 1);
};
// A number on the page: a few digits to read, and the whole number in `value` and under the mouse.
// A count is not rounded.
const count = value => el("data", { value: String(value) }, String(value));
const written = (value, text) => el("data", { value: String(value), title: String(value) }, text);
const num = value => written(value, short(value));
const res = (value, digits = 4) => written(value, result(value, digits));
const sign = value => (value > 0 ? "+" : value < 0 ? "\u2212" : "0");
const tone = value => (value > 0 ? "up" : value < 0 ? "down" : "none");

// So many of a thing: the words for one, and for more.
const many = (things, number) => say(number === 1 ? `${things}_one` : `${things}_many`, { count: number });

const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}\u2026` : text);

// How large a number is beside the largest one.
const bar = (value, largest) => {
  const share = largest > 0 && Number.isFinite(value) ? Math.min(Math.abs(value) / largest, 1) : 0;
  return el(
    "span",
    { class: `bar ${tone(value)}`, "aria-hidden": "true" },
    el("i", { style: `width:${(100 * share).toFixed(1)}%` }),
  );
};
