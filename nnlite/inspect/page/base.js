// What every part of the page uses: the numbers, the words (WORDS, of words.json), and how either is written.

const DATA = JSON.parse(document.querySelector("script[type='application/json']").textContent);

// Numbers that JSON cannot hold arrive as text, and numbers of float32 in the short form of a float32.
const mend = (value, single) => {
  if (typeof value === "number") return single ? Math.fround(value) : value;
  if (typeof value === "string") return /^#(NaN|-?Infinity)$/.test(value) ? Number(value.slice(1)) : value;
  if (value === null || typeof value !== "object") return value;
  // In a list of numbers, nothing stands for one that is not finite.
  if (Array.isArray(value)) return value.map(part => (part === null ? NaN : mend(part, single)));
  const whole = {};
  // A name may be any text, also one that looks like a number.
  for (const key in value) whole[key] = key.endsWith("_names") ? value[key] : mend(value[key], single);
  return whole;
};
for (const part in DATA) DATA[part] = mend(DATA[part], DATA.single.includes(part));

const STAGES = DATA.stages;
const BEATS = DATA.beats;
const LAST = STAGES.length - 1;
// How many rows the batch has, and how many of them are here.
const ROW_COUNT = DATA.model.rows;
const ROWS_HERE = DATA.data.x.length;

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

// Whether a target is the number of a class, and not a number for each output.
const CLASSES = !Array.isArray(DATA.data.y[0]) && STAGES[LAST].width > 1;

// What a neuron is called, by its stage and its place among the neurons of that stage that are here.
const nameOf = (stage, place) => {
  const unit = STAGES[stage].units[place];
  const given =
    stage === 0
      ? DATA.data.width === STAGES[0].width
        ? DATA.data.feature_names
        : null
      : stage === LAST
        ? DATA.data.target_names
        : null;
  if (given && given.length > unit) return String(given[unit]);
  // What an embedding answers is not what was read.
  if (stage === 0) return `${DATA.data.width === STAGES[0].width ? "x" : "e"}${unit}`;
  if (stage === LAST && CLASSES) return say("class_name", { unit });
  if (stage === LAST) return `o${unit}`;
  return LAST === 2 ? `h${unit}` : `h${stage}.${unit}`;
};
const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}\u2026` : text);

// The steps of a stage: its Dense, if it has one, and what stands behind it.
// A net with blocks: then the layers of a neuron are named, with their places.
const BLOCKS = STAGES.some(stage => stage.steps.some(step => step.place.includes(".") || step.holds));
const denseOf = stage =>
  STAGES[stage].steps.length && STAGES[stage].steps[0].parameters.W ? STAGES[stage].steps[0] : null;
const answer = (stage, row, place) => {
  const steps = STAGES[stage].steps;
  const rows = steps.length ? steps[steps.length - 1].out : stage === 0 ? DATA.data.x : null;
  return rows && rows[row] ? rows[row][place] : null;
};
const blameAt = (stage, row, place) => {
  const steps = STAGES[stage].steps;
  const rows = steps.length ? steps[steps.length - 1].blame : null;
  return rows && rows[row] ? rows[row][place] : null;
};
// What a neuron should have answered: a number, true for the wanted class, or null.
const wanted = (row, place) => {
  const target = DATA.data.y[row];
  const unit = STAGES[LAST].units[place];
  if (CLASSES) return target === unit;
  const flat = [target].flat(9);
  return flat.length === STAGES[LAST].width ? flat[unit] : null;
};

// A weight is named by its stage, "W" or "b", and its places: the neuron it comes from, the one it leads to.
const WEIGHTS = [];
STAGES.forEach((stage, index) => {
  const dense = denseOf(index);
  if (!dense) return;
  const { W, b } = dense.parameters;
  W.before.forEach((line, i) => line.forEach((_, j) => WEIGHTS.push({ stage: index, kind: "W", i, j })));
  if (b) b.before.forEach((_, j) => WEIGHTS.push({ stage: index, kind: "b", i: null, j }));
});
for (const weight of WEIGHTS) {
  const { stage, kind, i, j } = weight;
  const from = STAGES[stage].from;
  const parameter = denseOf(stage).parameters[kind];
  const index = kind === "W" ? [STAGES[from].units[i], STAGES[stage].units[j]] : [STAGES[stage].units[j]];
  const at = name => (kind === "W" ? parameter[name][i][j] : parameter[name][j]);
  Object.assign(weight, {
    from,
    index,
    parameter: parameter.name,
    before: at("before"),
    grad: at("grad"),
    after: at("after"),
    code: `${parameter.name}[${index.join(", ")}]`,
    name:
      kind === "W"
        ? `${nameOf(from, i)} \u2192 ${nameOf(stage, j)}`
        : say("bias_of", { neuron: nameOf(stage, j) }),
    drawn: STAGES[stage].drawn.includes(j) && (kind === "b" || STAGES[from].drawn.includes(i)),
  });
}
const weightOf = code => WEIGHTS.find(weight => weight.code === code) || null;
const codeOf = (parameter, index) => `${parameter}[${index.join(", ")}]`;
