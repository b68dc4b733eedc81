// Exercises that check themselves. Each is a row of the table: when there is something to do, and whether the state
// as it stands says that it is done. Its words stand in words.json, by its name.

// What a look must know of the looks before: of this net, the start of its training, and neurons that were dead.
let past = {};
const epochsMade = () => training.epoch - (training.at < data.rows ? 1 : 0);
const hiddenNeurons = () =>
  settings.stages.slice(0, -1).reduce((sum, { dense }) => sum + dense.out_features, 0);

// ReLU neurons that answer 0 to every training row: no gradient reaches them.
const deadNeurons = () => {
  net.forward(data.x, data.rows);
  return settings.stages.slice(0, -1).flatMap(({ dense, rest }, n) => {
    if (!rest.some(layer => layer.kind === "ReLU")) return [];
    const [answers, width] = [answersAt(n + 1), dense.out_features];
    const alive = new Set();
    for (let place = 0; place < data.rows * width; place++)
      if (answers[place] !== 0) alive.add(place % width);
    return Array.from({ length: width }, (_, unit) => unit)
      .filter(unit => !alive.has(unit))
      .map(unit => `${n}:${unit}`);
  });
};

// What the net says of the row with one number of it as it was.
const saidWith = (chosen, value) => {
  const place = placeOf(chosen);
  const now = net.values[place];
  net.values[place] = value;
  const { answers } = through();
  net.values[place] = now;
  return givenClass(answers, 0);
};

const EXERCISES = [
  {
    name: "overshoot",
    when: () => true,
    done: ({ data: { loss }, moved }) => play.broken || (moved && loss > 2 * past.before),
  },
  {
    name: "rate",
    when: () => true,
    done: ({ data: { loss }, moved }) => moved && epochsMade() <= 20 && loss <= past.start / 2,
  },
  {
    name: "separate",
    when: () => isClasses && C.inputs === 2,
    done: ({ data: { right } }) => training.epoch > 0 && hiddenNeurons() <= 8 && right >= 0.95,
  },
  {
    name: "bias",
    when: () => isClasses,
    done: () =>
      anchor?.chosen.kind === "bias" &&
      anchor.steps === optimizer.steps &&
      saidWith(anchor.chosen, anchor.value) !== saidWith(anchor.chosen, valueOf(anchor.chosen)),
  },
  { name: "die", when: () => hiddenNeurons() > 0, done: ({ dead }) => dead().length > 0 },
  {
    name: "revive",
    when: () => hiddenNeurons() > 0,
    done: ({ dead }) => past.dead.some(neuron => !dead().includes(neuron)),
  },
  {
    name: "overfit",
    when: () => test.rows > 0,
    done: ({ data: { loss }, test: held, moved }) =>
      moved && past.best && held.loss > 1.1 * past.best.held && loss < past.best.loss,
  },
];

const finished = new Set();
const exerciseItems = EXERCISES.map(({ name }) => {
  const mark = el("span", { class: "mark-done" });
  const said = el("p", { class: "said-done", hidden: true }, WORDS[`exercise_${name}_done`]);
  const hint = el("details", {}, el("summary", {}, WORDS.hint), el("p", {}, WORDS[`exercise_${name}_hint`]));
  const node = el(
    "li",
    { "data-exercise": name },
    el("p", {}, mark, " ", WORDS[`exercise_${name}_task`]),
    hint,
    said,
  );
  const show = () => {
    const done = finished.has(name);
    node.dataset.done = String(done);
    mark.textContent = WORDS[done ? "exercise_is_done" : "exercise_is_open"];
    said.hidden = !done;
    hint.hidden = done;
  };
  return { node, show };
});
const exerciseCount = el("span", { class: "note" });
const exercises = el(
  "details",
  { class: "exercises", "data-key": "exercises", ontoggle: () => touched(true) },
  el("summary", {}, WORDS.exercises, " ", exerciseCount),
  el(
    "ol",
    {},
    exerciseItems.map(({ node }) => node),
  ),
);
const showExercises = () => {
  const open = EXERCISES.map(({ name, when }, n) => {
    const here = when() || finished.has(name);
    exerciseItems[n].node.hidden = !here;
    exerciseItems[n].show();
    return here;
  });
  exerciseCount.textContent = say("exercises_done", {
    done: finished.size,
    all: open.filter(Boolean).length,
  });
};
const forgetExercises = () => {
  finished.clear();
  past = {};
};

// Look at them, with what was measured for the drawing; while they are folded away only the past is kept.
const lookAtExercises = each => {
  const { loss } = each.data;
  if (past.net !== net)
    past = { net, start: loss, before: loss, dead: [], best: null, steps: optimizer.steps };
  const moved = optimizer.steps !== past.steps;
  if (exercises.open) {
    let found = null;
    const dead = () => (found = found || deadNeurons());
    for (const { name, when, done } of EXERCISES)
      if (!finished.has(name) && when() && done({ ...each, moved, dead })) {
        finished.add(name);
        aloud.textContent = WORDS[`exercise_${name}_done`];
      }
    if (hiddenNeurons()) past.dead = [...new Set([...past.dead, ...dead()])];
    showExercises();
  }
  if (!training.epoch) past.start = loss;
  if (!moved) past.before = loss;
  if (each.test && !(past.best && past.best.held <= each.test.loss))
    past.best = { held: each.test.loss, loss };
  past.steps = optimizer.steps;
};
