// What every part of the page of a step uses: its numbers, and what its neurons and weights are called.

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
// Which row of the batch each of them is.
const rowAt = r => (DATA.data.rows ? DATA.data.rows[r] : r);

// Whether a target is the number of a class, and not a number for each output.
const CLASSES = !Array.isArray(DATA.data.y[0]) && STAGES[LAST].width > 1;

// The names of the classes that the outputs stand for; one output alone stands for the higher of two.
const classNames = outputs => {
  const names = DATA.data.class_names;
  return names && outputs === 1 ? names.slice(1) : names;
};
// What a target is called that is the number of a class; of one output the lower class is 0, or -1.
const classOf = target =>
  DATA.data.class_names && [-1, 0, 1].includes(target) && !CLASSES
    ? String(DATA.data.class_names[Math.max(target, 0)])
    : CLASSES && DATA.data.class_names
      ? String(DATA.data.class_names[target])
      : null;

// What a neuron is called, by its stage and its place among the neurons of that stage that are here.
const nameOf = (stage, place) => nameOfUnit(stage, STAGES[stage].units[place]);
const nameOfUnit = (stage, unit) => {
  const given =
    stage === 0
      ? DATA.data.width === STAGES[0].width
        ? DATA.data.feature_names
        : null
      : stage === LAST
        ? classNames(STAGES[LAST].width)
        : null;
  if (given && given.length > unit) return String(given[unit]);
  // What an embedding answers is not what was read.
  if (stage === 0) return `${DATA.data.width === STAGES[0].width ? "x" : "e"}${unit}`;
  if (stage === LAST && CLASSES) return say("class_name", { unit });
  if (stage === LAST) return `o${unit}`;
  return LAST === 2 ? `h${unit}` : `h${stage}.${unit}`;
};

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
    frozen: parameter.frozen,
    decay: parameter.decay,
    // What the optimizer keeps for it, before and after the step; and its gradient as it was clipped.
    kept: Object.entries(parameter.kept || {}).map(([slot, both]) => [
      slot,
      ...both.map(values => (kind === "W" ? values[i][j] : values[j])),
    ]),
    clipped: parameter.clipped ? at("clipped") : null,
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
