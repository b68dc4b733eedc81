// The drawing of the net: a column of neurons for each stage, each with a picture of what it answers.

const MOST_DRAWN = 12;
const isImage = Boolean(C.image);
// What a neuron's picture is over: the plane of two columns, the line of one, or all rows.
const MODE = C.inputs === 2 ? "map" : C.inputs === 1 ? "curve" : "rows";
const GRID = MODE === "map" ? 40 : 120;

// What the reader looks at: a row, with inputs that can be changed, and something that is chosen.
const play = {
  running: false,
  speed: 3,
  lines: "weights",
  row: null, // { of: "data" or "test", r }
  input: null, // its columns, as they came or as the reader has changed them
  chosen: null, // { kind: "neuron", stage, unit }, { kind: "weight", stage, from, unit }, ...
};
const partOf = row => (row.of === "test" ? test : data);
const rowNumber = row => partOf(row).numbers[row.r];
const lookAt = row => {
  play.row = row;
  play.input = partOf(row).raw.slice(row.r * C.inputs, (row.r + 1) * C.inputs);
};
const targetOf = row => partOf(row).y.slice(row.r * WANTED, (row.r + 1) * WANTED);

// The row through the net and back: what each neuron answered, and what it is to blame for.
const through = (input = play.input) => {
  const { answers, each, slopes } = training.look(asInputs(input, 1), targetOf(play.row), 1);
  const stages = stageEnds.map((_, stage) => Float64Array.from(answersAt(stage).subarray(0, widthAt(stage))));
  const sums = stageEnds.map((place, stage) =>
    stage ? Float64Array.from(net.passed[stageEnds[stage - 1] + 1].subarray(0, widthAt(stage))) : null,
  );
  const kept = net.grads.slice();
  net.backward(slopes, 1, true);
  const grads = net.grads.slice();
  net.grads.set(kept);
  const blames = stageEnds.map((place, stage) =>
    Float64Array.from(net.blamed[place].subarray(0, widthAt(stage))),
  );
  // In front of what stands behind the Dense of a stage.
  const sumBlames = stageEnds.map((place, stage) =>
    stage ? Float64Array.from(net.blamed[stageEnds[stage - 1] + 1].subarray(0, widthAt(stage))) : null,
  );
  return {
    answers: Float64Array.from(answers.subarray(0, net.outputs)),
    loss: each[0],
    stages,
    sums,
    blames,
    sumBlames,
    grads,
    inputs: Float64Array.from(net.blamed[0].subarray(0, data.inputs)),
  };
};

// Points all over the plane, or the line, of the data, a little beyond its edges.
let ground = null;
const groundOf = () => {
  const ends = Array.from({ length: C.inputs }, (_, c) => {
    let [low, high] = [Infinity, -Infinity];
    for (const one of [data, test])
      for (let r = 0; r < one.rows; r++) {
        low = Math.min(low, one.raw[r * C.inputs + c]);
        high = Math.max(high, one.raw[r * C.inputs + c]);
      }
    const more = 0.12 * (high - low) || 1;
    return [low - more, high + more];
  });
  if (MODE === "rows") return { ends };
  const count = MODE === "map" ? GRID * GRID : GRID;
  const raw = new Float64Array(count * C.inputs);
  const at = ([low, high], n) => low + ((high - low) * (n + 0.5)) / GRID;
  for (let n = 0; n < count; n++)
    if (MODE === "curve") raw[n] = at(ends[0], n);
    else {
      raw[2 * n] = at(ends[0], n % GRID);
      raw[2 * n + 1] = at(ends[1], GRID - 1 - Math.floor(n / GRID)); // the second column points up
    }
  return { ends, raw, count, x: asInputs(raw, count) };
};

// What all neurons answer over the ground, or to the training rows.
const survey = () => {
  const [x, count] = MODE === "rows" ? [data.x, data.rows] : [ground.x, ground.count];
  const answers = net.forward(x, count);
  return {
    count,
    stages: stageEnds.map((_, stage) => answersAt(stage).slice(0, count * widthAt(stage))),
    answers: answers.slice(0, count * net.outputs),
  };
};

const nameOf = (stage, unit) => {
  if (stage === 0) return inputNames()[unit];
  if (stage < LASTLY()) return LASTLY() === 2 ? `h${unit}` : `h${stage}.${unit}`;
  if (C.targets.kind === "classes") return className(unit);
  return C.targets.names && C.targets.kind === "numbers"
    ? C.targets.names[unit]
    : net.outputs > 1
      ? `o${unit}`
      : WORDS.output;
};

// Where everything stands.
let plan = null;
const planOf = width => {
  const narrow = width < 520;
  const stages = stageEnds.map((_, stage) => {
    const whole = widthAt(stage);
    const big = stage === 0 && isImage;
    return {
      big,
      units: big ? [] : Array.from({ length: Math.min(whole, MOST_DRAWN) }, (_, n) => n),
      more: big ? 0 : Math.max(whole - MOST_DRAWN, 0),
    };
  });
  const most = Math.max(...stages.map(stage => stage.units.length));
  const size = Math.min(most > 8 ? 30 : most > 5 ? 36 : 44, narrow ? 30 : 44);
  const pitch = size + (most > 8 ? 14 : 20);
  const height = Math.max(most * pitch + 54, narrow ? 220 : 300);
  // Beside the first and the last column stand names, as long as they may be.
  const room = stage =>
    Math.max(...stages[stage].units.map(unit => clipped(nameOf(stage, unit), narrow ? 7 : 15).length), 6) *
      6.1 +
    6 +
    size / 2;
  const left = isImage ? (narrow ? 50 : 76) : room(0);
  const right = room(stages.length - 1);
  const gap = stages.length > 1 ? (width - left - right) / (stages.length - 1) : 0;
  const columns = stages.map((stage, index) => {
    const x = left + index * gap;
    const tall = stage.units.length * pitch;
    const top = 26 + (height - 40 - tall) / 2;
    const nodes = new Map(
      stage.units.map((unit, n) => [unit, { stage: index, unit, x, y: top + (n + 0.5) * pitch, size }]),
    );
    return {
      x,
      nodes,
      more: stage.more,
      big: stage.big ? Math.min(narrow ? 84 : 128, 2 * left - 16) : 0,
      bottom: top + tall,
    };
  });
  return { width, height, size, columns, narrow };
};

const links = stage => {
  const found = [];
  const [before, now] = [plan.columns[stage - 1], plan.columns[stage]];
  for (const b of now.nodes.values())
    for (const a of before.nodes.values()) found.push({ stage, from: a.unit, unit: b.unit, a, b });
  return found;
};
const weightAt = ({ stage, from, unit }) => denseAt(stage).W[from * widthAt(stage) + unit];
const placeOf = ({ kind, stage, from, unit }) => {
  const dense = denseAt(stage);
  const spec = net.specs.find(one => one.layer === dense && one.name === (kind === "bias" ? "b" : "W"));
  return spec.start + (kind === "bias" ? unit : from * widthAt(stage) + unit);
};

// `seen` is the survey, `here` the row, `blame` the gradients of all rows if lines show them.
const drawNet = (canvas, seen, here, blame) => {
  const pen = penOf(canvas);
  const values = blame || net.values;
  const chosen = play.chosen;
  for (let stage = 1; stage < plan.columns.length; stage++) {
    const all = links(stage);
    const numbers = all.map(link => values[placeOf({ kind: "weight", ...link })]);
    const most = largest(numbers) || 1;
    all
      .map((link, n) => [link, numbers[n]])
      .sort((one, other) => Math.abs(one[1]) - Math.abs(other[1]))
      .forEach(([{ a, b, from, unit }, value]) => {
        const share = Math.min(Math.abs(value) / most, 1) || 0;
        const mine =
          chosen &&
          chosen.kind === "weight" &&
          chosen.stage === stage &&
          chosen.from === from &&
          chosen.unit === unit;
        const near = hovered && hovered.stage === stage && hovered.from === from && hovered.unit === unit;
        pen.strokeStyle = mine || near ? COLOURS.ink : value < 0 ? COLOURS.down : COLOURS.up;
        pen.globalAlpha = mine || near ? 1 : 0.25 + 0.65 * share;
        pen.lineWidth = 0.6 + 6 * share + (mine || near ? 1.4 : 0);
        pen.setLineDash(value < 0 ? [7, 4] : []);
        const [x0, x1] = [a.x + a.size / 2, b.x - b.size / 2];
        const bend = (x1 - x0) * 0.45;
        pen.beginPath();
        pen.moveTo(x0, a.y);
        pen.bezierCurveTo(x0 + bend, a.y, x1 - bend, b.y, x1, b.y);
        pen.stroke();
      });
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    // Of an image each line would stand for hundreds: one bundle to each neuron, whose picture has the weights.
    const bundle = plan.columns[stage - 1].big;
    if (bundle) {
      pen.strokeStyle = COLOURS.soft;
      pen.globalAlpha = 0.5;
      pen.lineWidth = 1.5;
      for (const b of plan.columns[stage].nodes.values()) {
        pen.beginPath();
        pen.moveTo(plan.columns[stage - 1].x + bundle / 2, plan.height / 2);
        pen.lineTo(b.x - b.size / 2, b.y);
        pen.stroke();
      }
      pen.globalAlpha = 1;
    }
  }
  plan.columns.forEach((column, stage) => {
    pen.fillStyle = COLOURS.soft;
    pen.font = `600 11px ${COLOURS.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    pen.fillText(
      stage === 0
        ? WORDS.input
        : stage === LASTLY()
          ? WORDS.output
          : plan.narrow
            ? `${stage}`
            : say("hidden", { number: stage }),
      Math.min(Math.max(column.x, 30), plan.width - 30),
      12,
    );
    if (column.big)
      drawImage(pen, column.x - column.big / 2, plan.height / 2 - column.big / 2, column.big, play.input);
    for (const node of column.nodes.values()) drawNeuron(pen, node, seen, here, values);
    if (column.more) {
      pen.fillStyle = COLOURS.soft;
      pen.font = `11px ${COLOURS.font}`;
      pen.fillText(say("more", { count: column.more }), column.x, column.bottom + 12);
    }
  });
};

// The input as the picture that it is: dark where the number is large.
const drawImage = (pen, x, y, size, numbers) => {
  const [rows, columns] = C.image;
  const most = largest(GIVEN.x) || 1;
  const { paper } = COLOURS.rgb;
  const ink = COLOURS.ink.match(/[\d.]+/g).map(Number);
  tile(
    pen,
    x,
    y,
    size,
    (size * rows) / columns,
    columns,
    rows,
    n => paper.map((value, c) => value + (ink[c] - value) * Math.min(Math.max(numbers[n] / most, 0), 1)),
    false,
  );
  pen.strokeStyle = COLOURS.soft;
  pen.lineWidth = 1;
  pen.strokeRect(x, y, size, (size * rows) / columns);
};

const drawNeuron = (pen, { stage, unit, x, y, size }, seen, here, values) => {
  const [left, top] = [x - size / 2, y - size / 2];
  const width = widthAt(stage);
  const answers = seen.stages[stage];
  const most = largest(answers, unit, width, seen.count) || 1;
  pen.fillStyle = COLOURS.paper;
  pen.fillRect(left, top, size, size);
  if (stage === 1 && isImage) {
    const { W } = denseAt(1);
    const strongest = largest(W, unit, width, data.inputs) || 1;
    tile(pen, left, top, size, size, C.image[1], C.image[0], n => W[n * width + unit] / strongest, false);
  } else if (MODE === "map")
    tile(pen, left, top, size, size, GRID, GRID, n => answers[n * width + unit] / most, true);
  else if (MODE === "curve") {
    pen.strokeStyle = COLOURS.line;
    pen.lineWidth = 1;
    pen.strokeRect(left, y, size, 0.5);
    polyline(
      pen,
      Array.from({ length: GRID }, (_, n) => [
        left + ((n + 0.5) / GRID) * size,
        y - (answers[n * width + unit] / most) * (size / 2 - 3),
      ]),
      COLOURS.up,
      { width: 1.8 },
    );
  } else drawBars(pen, left, top, size, answers, unit, width, seen.count, here.stages[stage][unit]);
  const mine =
    play.chosen && play.chosen.kind === "neuron" && play.chosen.stage === stage && play.chosen.unit === unit;
  pen.strokeStyle = mine ? COLOURS.ink : COLOURS.soft;
  pen.lineWidth = mine ? 3 : 1.2;
  pen.strokeRect(left, top, size, size);
  const value = here.stages[stage][unit];
  pen.font = `11px ${COLOURS.font}`;
  pen.textBaseline = "alphabetic";
  const label = (text, tx, ty, align, colour) => {
    pen.textAlign = align;
    pen.lineWidth = 3;
    pen.strokeStyle = COLOURS.paper;
    pen.strokeText(text, tx, ty);
    pen.fillStyle = colour;
    pen.fillText(text, tx, ty);
  };
  const text = fitting(value, 6);
  const name = clipped(nameOf(stage, unit), plan.narrow ? 7 : 15);
  if (stage === 0) {
    label(name, left - 4, y - 2, "right", COLOURS.soft);
    label(text, left - 4, y + 11, "right", COLOURS.ink);
  } else if (stage === LASTLY()) {
    label(name, left + size + 4, y - 2, "left", COLOURS.soft);
    label(text, left + size + 4, y + 11, "left", COLOURS.ink);
  } else label(text, x, top + size + 10, "center", COLOURS.ink);
  if (stage && denseAt(stage).b) {
    const bias = values[placeOf({ kind: "bias", stage, unit })];
    const strongest = largest(values) || 1;
    const own =
      play.chosen && play.chosen.kind === "bias" && play.chosen.stage === stage && play.chosen.unit === unit;
    pen.fillStyle = COLOURS.paper;
    pen.fillRect(left - 4, top + size - 7, 11, 11);
    pen.globalAlpha = 0.25 + 0.75 * Math.min(Math.abs(bias) / strongest, 1);
    pen.fillStyle = bias < 0 ? COLOURS.down : COLOURS.up;
    pen.fillRect(left - 4, top + size - 7, 11, 11);
    pen.globalAlpha = 1;
    pen.strokeStyle = own ? COLOURS.ink : COLOURS.soft;
    pen.lineWidth = own ? 2.4 : 1;
    pen.strokeRect(left - 4, top + size - 7, 11, 11);
  }
};

// How often a neuron gives which answer, over the rows; a mark where the chosen row lies.
const drawBars = (pen, left, top, size, answers, unit, width, count, here) => {
  let [low, high] = [Infinity, -Infinity];
  for (let r = 0; r < count; r++) {
    low = Math.min(low, answers[r * width + unit]);
    high = Math.max(high, answers[r * width + unit]);
  }
  const bins = new Int32Array(15);
  const binOf = value => Math.min(Math.max(Math.floor(((value - low) / (high - low || 1)) * 15), 0), 14);
  for (let r = 0; r < count; r++) bins[binOf(answers[r * width + unit])] += 1;
  const most = Math.max(...bins);
  const wide = size / 15;
  bins.forEach((number, n) => {
    const middle = low + ((n + 0.5) / 15) * (high - low);
    pen.fillStyle = middle < 0 ? COLOURS.down : COLOURS.up;
    const tall = (number / most) * (size - 6);
    pen.fillRect(left + n * wide, top + size - tall, wide - 0.5, tall);
  });
  pen.fillStyle = COLOURS.ink;
  pen.fillRect(left + (binOf(here) + 0.5) * wide - 1, top, 2, size);
};

// The link that is nearest to a place, within reach; the bias there, if there is one.
let hovered = null;
const REACH = 9;
const linkNear = (px, py) => {
  let [best, least] = [null, REACH];
  for (let stage = 1; stage < plan.columns.length; stage++)
    for (const link of links(stage)) {
      const { a, b } = link;
      const [x0, x1] = [a.x + a.size / 2, b.x - b.size / 2];
      if (px < x0 || px > x1) continue;
      // The height of the curve there: its x is that of the Bezier with control points at 45 %.
      let [low, high] = [0, 1];
      const bezier = (t, p0, p1, p2, p3) =>
        (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t * t * p2 + t ** 3 * p3;
      const bend = (x1 - x0) * 0.45;
      for (let n = 0; n < 12; n++) {
        const t = (low + high) / 2;
        if (bezier(t, x0, x0 + bend, x1 - bend, x1) < px) low = t;
        else high = t;
      }
      const distance = Math.abs(bezier(low, a.y, a.y, b.y, b.y) - py);
      if (distance < least)
        [best, least] = [{ kind: "weight", stage, from: link.from, unit: link.unit }, distance];
    }
  return best;
};
const biasNear = (px, py) => {
  for (const column of plan.columns.slice(1))
    for (const { stage, unit, x, y, size } of column.nodes.values())
      if (
        denseAt(stage).b &&
        Math.abs(px - (x - size / 2 + 1.5)) < 9 &&
        Math.abs(py - (y + size / 2 - 1.5)) < 9
      )
        return { kind: "bias", stage, unit };
  return null;
};
