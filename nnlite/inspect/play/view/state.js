// What the reader can set, and the training that follows from it.

const settingsOf = () => {
  const first = C.layers.findIndex(layer => layer.kind === "Dense");
  const stages = [];
  for (const layer of C.layers.slice(first))
    if (layer.kind === "Dense") stages.push({ dense: { ...layer }, rest: [] });
    else stages[stages.length - 1].rest.push({ ...layer });
  return {
    front: C.layers.slice(0, first),
    stages,
    features: C.inputs === 2 ? [0, 1] : null,
    optimizer: { ...C.optimizer },
    batch: Math.min(C.batch, C.data.count),
    l1: 0,
    l2: 0,
    noise: 0,
    share: C.validation && C.validation.share ? C.validation.share : 0,
    seed: null, // the start that Python gave
    projector: false,
  };
};
let settings = settingsOf();
const sameAs = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// What two columns can be made into.
const [FIRST, SECOND] = C.feature_names || ["x0", "x1"];
const FEATURES = [
  { name: FIRST, of: a => a, code: "X[:, 0]" },
  { name: SECOND, of: (a, b) => b, code: "X[:, 1]" },
  { name: `${FIRST}\u00b2`, of: a => a * a, code: "X[:, 0] ** 2" },
  { name: `${SECOND}\u00b2`, of: (a, b) => b * b, code: "X[:, 1] ** 2" },
  { name: `${FIRST}\u00b7${SECOND}`, of: (a, b) => a * b, code: "X[:, 0] * X[:, 1]" },
  { name: `sin ${FIRST}`, of: a => Math.sin(a), code: "np.sin(X[:, 0])" },
  { name: `sin ${SECOND}`, of: (a, b) => Math.sin(b), code: "np.sin(X[:, 1])" },
];
const plainFeatures = () => !settings.features || sameAs(settings.features, [0, 1]);
const inputNames = () =>
  settings.features
    ? settings.features.map(n => FEATURES[n].name)
    : C.feature_names || Array.from({ length: C.inputs }, (_, n) => `x${n}`);
// From rows as they came to what the net reads.
const asInputs = (x, rows) => {
  if (plainFeatures()) return x;
  const width = settings.features.length;
  const made = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++)
    settings.features.forEach((n, c) => {
      made[r * width + c] = FEATURES[n].of(x[2 * r], x[2 * r + 1]);
      if (C.dtype === "float32") made[r * width + c] = Math.fround(made[r * width + c]);
    });
  return made;
};

const layersOf = () => {
  let width = settings.features ? settings.features.length : C.inputs;
  const front = settings.front.map(layer =>
    layer.kind === "Standardize" && !plainFeatures()
      ? { kind: "Standardize", features: width }
      : { ...layer },
  );
  const hidden = settings.stages.flatMap(({ dense, rest }) => {
    const made = { ...dense, in_features: width };
    width = dense.out_features;
    return [made, ...rest];
  });
  return [...front, ...hidden];
};
// Whether weights that Python gave still fit.
const asGiven = () => settings.seed === null && sameAs(layersOf().map(shapeOf), C.layers.map(shapeOf));
const shapeOf = ({ kind, in_features, out_features, bias }) => [kind, in_features, out_features, bias];

// Means and scales of the training rows, for a Standardize that has none, as its `adapt` measures them.
const measured = (x, rows, width) => {
  const found = { mean: [], scale: [] };
  for (let c = 0; c < width; c++) {
    let [sum, squares] = [0, 0];
    for (let r = 0; r < rows; r++) sum += x[r * width + c];
    const mean = sum / rows;
    for (let r = 0; r < rows; r++) squares += (x[r * width + c] - mean) ** 2;
    const spread = Math.sqrt(squares / rows);
    const scale = spread < 1.2e-38 ? 1 : spread;
    const near = Math.abs(Math.fround(mean) - mean) <= 1e-3 * scale;
    found.mean.push(C.dtype === "float32" && near ? Math.fround(mean) : mean);
    found.scale.push(C.dtype === "float32" ? Math.fround(scale) : scale);
  }
  return found;
};

// Which rows are held out, as `fit(validation=share)` draws them: of each class its part.
const heldOut = (order, share, classes) => {
  const rows = order.length;
  const even = number => (number % 1 === 0.5 ? 2 * Math.round(number / 2) : Math.round(number));
  let count = even(rows * share);
  if (!classes) return [order.slice(count), order.slice(0, count)];
  const kinds = [...new Set(classes)].sort((a, b) => a - b);
  const counts = kinds.map(kind => classes.filter(one => one === kind).length);
  const room = counts.map(own => own - 1);
  count = Math.min(
    count,
    room.reduce((sum, one) => sum + one, 0),
  );
  const shares = counts.map((own, n) => Math.min(Math.floor((own * count) / rows), room[n]));
  for (;;) {
    const left = count - shares.reduce((sum, one) => sum + one, 0);
    if (left <= 0) break;
    const lost = shares.map((part, n) => part * rows - counts[n] * count);
    kinds
      .map((_, n) => n)
      .sort((a, b) => lost[a] - lost[b] || a - b)
      .filter(n => shares[n] < room[n])
      .slice(0, left)
      .forEach(n => (shares[n] += 1));
  }
  const [kept, apart, taken] = [[], [], kinds.map(() => 0)];
  for (const row of order) {
    const n = kinds.indexOf(classes[row]);
    if (taken[n] < shares[n]) {
      taken[n] += 1;
      apart.push(row);
    } else kept.push(row);
  }
  return [kept, apart];
};
const classesOf = () => {
  if (!C.targets.shared) return null;
  if (WANTED === 1) return Array.from(GIVEN.y);
  return Array.from({ length: C.data.count }, (_, r) => likeliest(GIVEN.y, r * WANTED, WANTED));
};
const likeliest = (numbers, start, width) => {
  let best = 0;
  for (let c = 1; c < width; c++) if (numbers[start + c] > numbers[start + best]) best = c;
  return best;
};

// Rows with noise: so many standard deviations of each column, from one seed.
const noisy = x => {
  if (!settings.noise) return x;
  const generator = new Generator(new SeedSequence(0));
  const { scale } = measured(x, C.data.count, C.inputs);
  const made = x.map((value, n) => value + settings.noise * scale[n % C.inputs] * generator.standardNormal());
  return C.dtype === "float32" ? made.map(Math.fround) : made;
};

// The training as it stands: `data` and `test` are its rows, with the numbers they have in what Python gave.
let [net, optimizer, training, data, test] = [];
let curve = []; // of what was measured while it ran

const part = (x, y, rows) => {
  const taken = gather(x, rows, 0, rows.length, C.inputs);
  const inputs = settings.features ? settings.features.length : C.inputs;
  return {
    raw: taken,
    x: asInputs(taken, rows.length),
    y: gather(y, rows, 0, rows.length, WANTED),
    rows: rows.length,
    numbers: rows,
    inputs,
    outputs: WANTED,
  };
};
const begin = () => {
  const given = asGiven();
  const seeds =
    settings.seed === null ? new SeedSequence(C.seed.entropy, C.seed.key) : new SeedSequence(settings.seed);
  const generator = new Generator(seeds);
  if (given) generator.state = C.order;
  const x = noisy(GIVEN.x);
  const all = Array.from({ length: C.data.count }, (_, n) => n);
  const apart = !GIVEN.testX && settings.share > 0;
  const [kept, held] = apart
    ? heldOut(Array.from(generator.permutation(C.data.count)), settings.share, classesOf())
    : [all, []];
  data = part(x, GIVEN.y, kept);
  test = GIVEN.testX
    ? part(
        GIVEN.testX,
        GIVEN.testY,
        Array.from({ length: C.validation.count }, (_, n) => n),
      )
    : part(x, GIVEN.y, held);
  const layers = layersOf();
  for (const layer of layers)
    if (layer.kind === "Standardize" && !layer.mean)
      Object.assign(layer, measured(data.x, data.rows, data.inputs));
  net = new Net(layers, data.inputs, C.dtype);
  if (given) net.values.set(GIVEN.values);
  else net.draw(generator);
  optimizer = new Optimizer(settings.optimizer);
  if (given && C.steps && settings.optimizer.kind === C.optimizer.kind) {
    optimizer.steps = C.steps;
    for (const name in GIVEN.kept) optimizer.kept[name] = new net.Real(GIVEN.kept[name]);
  }
  training = new Training(net, data, C.loss, optimizer, {
    batch: Math.min(settings.batch, data.rows),
    order: generator,
    penalties: settings,
  });
  stageEnds = endsOf();
  curve = [];
};

// Behind which layer each stage of neurons ends; stage 0 is what the first Dense reads.
let stageEnds = [];
const endsOf = () => {
  const dense = net.layers.map((layer, n) => (layer.kind === "Dense" ? n : -1)).filter(n => n >= 0);
  return [...dense, net.layers.length];
};
const denseAt = stage => net.layers[stageEnds[stage - 1]];
// What the neurons of a stage answered to the rows of the last forward pass.
const answersAt = stage => net.passed[stageEnds[stage]];
const widthAt = stage => (stage ? denseAt(stage).width : data.inputs);
const LASTLY = () => stageEnds.length - 1;

// How a row comes out: what was wanted, and whether the answer says so.
const wantedClass = (y, r) =>
  C.targets.kind === "two"
    ? y[r] > (C.targets.low + C.targets.high) / 2
      ? 1
      : 0
    : WANTED === 1
      ? y[r]
      : likeliest(y, r * WANTED, WANTED);
const givenClass = (answers, r) =>
  C.targets.kind === "two"
    ? answers[r] > C.targets.border
      ? 1
      : 0
    : likeliest(answers, r * net.outputs, net.outputs);
const isClasses = C.targets.kind !== "numbers";
// The answers to all rows of a part, their losses, and the share that is right.
const measure = one => {
  if (!one.rows) return null;
  const { answers, each, loss } = training.look(one.x, one.y, one.rows);
  const found = { answers: Float64Array.from(answers.subarray(0, one.rows * net.outputs)), each, loss };
  if (isClasses) {
    found.wrong = [];
    for (let r = 0; r < one.rows; r++)
      if (wantedClass(one.y, r) !== givenClass(answers, r)) found.wrong.push(r);
    found.right = 1 - found.wrong.length / one.rows;
  }
  return found;
};
// The chances of the classes, by the loss.
const chances = (answers, start) => {
  const width = net.outputs;
  if (C.targets.kind === "two") {
    const { low, high } = C.targets;
    const z = answers[start];
    const p =
      C.loss.kind === "BinaryCrossEntropy"
        ? sigmoid(z)
        : C.loss.kind === "Hinge"
          ? (z + 1) / 2
          : (z - low) / (high - low);
    return [1 - p, p];
  }
  const row = Array.from({ length: width }, (_, c) => answers[start + c]);
  if (C.loss.kind !== "SoftmaxCrossEntropy") return row;
  const most = Math.max(...row);
  const powers = row.map(value => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map(value => value / sum);
};

// The gradients of the loss of all training rows, without dropout, as the net stands now.
const blameNow = () => {
  const kept = net.grads.slice();
  const { slopes, loss } = training.look(data.x, data.y, data.rows);
  net.backward(slopes, data.rows);
  const found = net.grads.slice();
  net.grads.set(kept);
  return { grads: found, loss };
};
