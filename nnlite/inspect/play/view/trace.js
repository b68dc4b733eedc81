// The next step with every number of it, in the form that the page of a step is made of: see payload.py.

const ROWS_SHOWN = 8;
const COLUMN_SHOWN = 12;
const LARGE_NET = 400;
const CHECKED = 20;

const layerText = layer => layerCode(layer.given).slice(3);
const rowsOf = (numbers, rows, width) =>
  rows.map(r => Array.from(numbers.subarray(r * width, (r + 1) * width)));
const partOfParameter = (numbers, { shape, start, end }) => {
  const flat = Array.from(numbers.subarray(start, end));
  return shape.length === 1
    ? flat
    : Array.from({ length: shape[0] }, (_, i) => flat.slice(i * shape[1], (i + 1) * shape[1]));
};

const copies = (kept, Real = net.Real) =>
  Object.fromEntries(Object.entries(kept).map(([name, numbers]) => [name, Real.from(numbers)]));

// Everything that a step changes, so that it can be looked at and taken back.
const remember = () => ({
  values: net.values.slice(),
  kept: copies(optimizer.kept),
  steps: optimizer.steps,
  order: training.order.state,
  epoch: training.epoch,
  at: training.at,
  orderNow: training.orderNow,
  sum: training.sum,
  losses: training.losses.slice(),
});
const recall = then => {
  net.values.set(then.values);
  optimizer.kept = copies(then.kept);
  optimizer.steps = then.steps;
  training.order.state = then.order;
  for (const name of ["epoch", "at", "orderNow", "sum"]) training[name] = then[name];
  training.losses = then.losses.slice();
};

// The loss of the batch as a function of the weights, in float64 and without dropout.
const lossFunction = (x, y, rows) => {
  const exact = new Net(
    net.layers.map(layer => ({ ...layer.given })),
    net.inputs,
    "float64",
  );
  const judge = new Training(exact, data, C.loss, optimizer, {
    batch: rows,
    order: training.order,
    penalties: training.penalties,
  });
  const at = values => {
    exact.values.set(values);
    return judge.look(x, y, rows).loss;
  };
  const gradient = values => {
    exact.values.set(values);
    exact.backward(judge.look(x, y, rows).slopes, rows);
    judge.penalize();
    return exact.grads.slice();
  };
  return { exact, at, gradient };
};

const traceNow = () => {
  const then = remember();
  const start = Float64Array.from(net.values);
  const { x, y, rows, order } = training.next();
  const { answers, each, slopes, loss } = training.look(x, y, rows, training.order);
  net.backward(slopes, rows, true);
  const prediction = Float64Array.from(answers.subarray(0, rows * net.outputs));
  const passed = net.passed.map((numbers, n) =>
    numbers.slice(0, rows * (n ? net.layers[n - 1].width : net.inputs)),
  );
  const blamed = net.blamed.map((numbers, n) =>
    numbers ? numbers.slice(0, rows * (n ? net.layers[n - 1].width : net.inputs)) : null,
  );
  const layerSlopes = net.layers.map((layer, n) => slopeOf(layer, passed[n], passed[n + 1], rows));
  training.penalize();
  const grads = net.grads.slice();
  const before = net.values.slice();
  const keptBefore = copies(optimizer.kept);
  optimizer.step(net);
  const after = net.values.slice();
  const clipped = grads.some((value, n) => value !== net.grads[n]) ? net.grads.slice() : null;
  const keptAfter = copies(optimizer.kept);
  const step = Float64Array.from(after, (value, n) => value - start[n]);
  const large = before.length > LARGE_NET;

  const ranked = Array.from(grads.keys())
    .sort((a, b) => Math.abs(grads[b]) - Math.abs(grads[a]))
    .slice(0, CHECKED);
  const placeIn = n => {
    const spec = net.specs.find(one => n < one.end);
    const at = n - spec.start;
    return {
      parameter: spec.key,
      index: spec.shape.length === 1 ? [at] : [Math.floor(at / spec.shape[1]), at % spec.shape[1]],
    };
  };
  const worstRow = each.indexOf(Math.max(...each));
  const shown = [...new Set([worstRow, ...each.keys()])].slice(0, ROWS_SHOWN).sort((a, b) => a - b);
  const others = [...each.keys()].filter(r => !shown.includes(r));

  const stages = stageEnds.map((end, stage) => {
    const first = stage ? stageEnds[stage - 1] : 0;
    const width = widthAt(stage);
    const blamedUnits = ranked
      .filter(n => net.specs.find(one => n < one.end).layer === (stage ? denseAt(stage) : null))
      .map(n => placeIn(n).index.at(-1));
    const drawn =
      width <= COLUMN_SHOWN
        ? [...Array(width).keys()]
        : [...new Set([...blamedUnits, ...Array(width).keys()])].slice(0, COLUMN_SHOWN).sort((a, b) => a - b);
    return {
      units: [...Array(width).keys()],
      width,
      drawn,
      text: net.layers.slice(first, end).map(layerText).join(", "),
      from: stage ? stage - 1 : null,
      steps: net.layers.slice(first, end).map((layer, n) => {
        const place = first + n;
        return {
          layer: place,
          place: String(place),
          text: layerText(layer),
          kind: layer.kind === "Dense" ? "dense" : layerSlopes[place] ? "activation" : "other",
          out: rowsOf(passed[place + 1], shown, layer.width),
          blame: rowsOf(blamed[place + 1], shown, layer.width),
          slope: layerSlopes[place] && rowsOf(layerSlopes[place], shown, layer.width),
          parameters: Object.fromEntries(
            layer.parameters.map(({ name }) => {
              const spec = net.specs.find(one => one.layer === layer && one.name === name);
              return [
                name,
                {
                  name: spec.key,
                  shape: spec.shape,
                  decay: spec.decay,
                  frozen: Boolean(layer.frozen),
                  before: partOfParameter(before, spec),
                  grad: partOfParameter(grads, spec),
                  after: partOfParameter(after, spec),
                  ...(clipped ? { clipped: partOfParameter(clipped, spec) } : {}),
                  kept: Object.fromEntries(
                    Object.keys(keptAfter).map(slot => [
                      slot,
                      [
                        partOfParameter(keptBefore[slot] || new net.Real(before.length), spec),
                        partOfParameter(keptAfter[slot], spec),
                      ],
                    ]),
                  ),
                },
              ];
            }),
          ),
          ...(layer.kind === "Standardize" ? { mean: layer.mean, scale: layer.scale } : {}),
        };
      }),
    };
  });
  const rest = stageEnds.map((_, stage) => {
    if (!stage || !others.length) return null;
    const [input, blame] = [passed[stageEnds[stage - 1]], blamed[stageEnds[stage - 1] + 1]];
    const [inputs, width] = [denseAt(stage).inputs, widthAt(stage)];
    const sum = of => others.reduce((total, r) => total + of(r), 0);
    return {
      W: Array.from({ length: inputs }, (_, i) =>
        Array.from({ length: width }, (_, j) => sum(r => input[r * inputs + i] * blame[r * width + j])),
      ),
      b: Array.from({ length: width }, (_, j) => sum(r => blame[r * width + j])),
    };
  });

  const { exact, at, gradient } = lossFunction(x, y, rows);
  const slope64 = gradient(start);
  const fog = fogOf(at, gradient, start, grads, slope64, keptBefore);
  const answersAfter = values => {
    exact.values.set(values);
    return Float64Array.from(exact.forward(x, rows).subarray(0, rows * net.outputs));
  };
  const [oldAnswers, newAnswers] = [answersAfter(start), answersAfter(after)];
  const lossAfter = at(after);
  const checks = (large ? ranked : [...before.keys()]).map(n => {
    const { parameter, index } = placeIn(n);
    const found = nudgeOf(at, start, n, slope64[n]);
    return [
      parameter,
      index,
      start[n],
      found.minus,
      found.plus,
      found.difference,
      slope64[n],
      found.digits,
      found.note,
    ];
  });
  recall(then);

  const moved = step.filter(Boolean).length;
  const most = step.reduce((best, value, n) => (Math.abs(value) > Math.abs(step[best]) ? n : best), 0);
  const lowest = Math.min(...checks.filter(check => !check[8]).map(check => check[7]));
  const wanted = r =>
    WANTED === 1 && C.targets.kind === "classes"
      ? y[r]
      : WANTED === 1
        ? [y[r]]
        : Array.from(y.subarray(r * WANTED, (r + 1) * WANTED));
  const spread = numbers => rowsOf(numbers, shown, net.outputs);
  return {
    beats: ["data", "forward", "loss", "blame", "fog", "update", "proof"],
    large,
    single: [],
    title: say("step_title", { step: optimizer.steps + 1 }),
    model: { text: net.layers.map(layerText).join(", "), parameters: before.length, rows, dtype: C.dtype },
    optimizer: {
      text: optimizerText(),
      name: settings.optimizer.kind,
      learning_rate: optimizer.given.learning_rate,
      step: optimizer.steps,
      schedule: null,
      settings: Object.fromEntries(
        Object.entries(settings.optimizer).filter(
          ([, value]) => typeof value === "number" || typeof value === "boolean",
        ),
      ),
    },
    data: {
      rows: shown,
      x: rowsOf(x, shown, net.inputs),
      y: shown.map(wanted),
      weight: null,
      feature_names: C.feature_names || settings.features ? inputNames() : null,
      class_names: C.targets.names || null,
      width: net.inputs,
      columns: [...Array(net.inputs).keys()],
      numbers: shown.map(r => data.numbers[order[r]]),
    },
    stages,
    rest,
    loss: {
      text: lossCode().slice(3),
      value: loss,
      formula: WORDS[`formula_${C.loss.kind}`],
      filled:
        rows === 1
          ? filledRow(prediction, y, 0, each[0])
          : `(${Array.from(each.slice(0, 4), value => result(value)).join(" + ")}${rows > 4 ? " + ..." : ""}) / ${rows} = ${result(loss)}`,
      filled_rows: shown.map(r => filledRow(prediction, y, r, each[r])),
      rows: shown.map(r => each[r]),
      worst: worstRow,
      clueless: cluelessOf(y, rows),
      prediction: spread(prediction),
      prediction_text: WORDS[C.loss.kind.endsWith("CrossEntropy") ? "meaning_logits" : "meaning_answer"],
      probabilities:
        C.loss.kind === "SoftmaxCrossEntropy"
          ? shown.map(r => chances(prediction, r * net.outputs))
          : C.loss.kind === "BinaryCrossEntropy"
            ? spread(prediction.map(sigmoid))
            : null,
    },
    blame: { top: ranked.map(n => ({ ...placeIn(n), grad: grads[n] })) },
    fog,
    update: {
      loss_before: fog.loss_before,
      loss_after: lossAfter,
      prediction_before: spread(oldAnswers),
      prediction_after: spread(newAnswers),
      text: say("update_says", {
        before: result(fog.loss_before),
        after: result(lossAfter),
        moved,
        all: before.length,
        most: `${placeIn(most).parameter}[${placeIn(most).index.join(", ")}]`,
        change: result(Math.abs(step[most])),
      }),
    },
    state: [],
    proof: {
      step: NUDGE,
      checks,
      all: !large,
      text: Number.isFinite(lowest)
        ? say("proof_says", { count: checks.length, digits: (Math.floor(10 * lowest) / 10).toFixed(1) })
        : WORDS.proof_none,
    },
    histograms: large ? histogramsOf({ value: before, gradient: grads, change: step }) : [],
    // For a nudge of the reader's own.
    nudge: (code, size) => {
      const n = [...before.keys()].find(
        one => `${placeIn(one).parameter}[${placeIn(one).index.join(", ")}]` === code,
      );
      return nudgeOf(at, start, n, slope64[n], size);
    },
  };
};

const slopeOf = (layer, x, y, rows) => {
  const made = new Float64Array(rows * layer.width);
  if (layer instanceof Activation) for (let n = 0; n < made.length; n++) made[n] = layer.slope(x[n], y[n]);
  else if (layer.kind === "Dropout")
    made.set(layer.mask ? layer.mask.subarray(0, made.length) : made.fill(1));
  else if (layer.kind === "Standardize")
    for (let n = 0; n < made.length; n++) made[n] = 1 / layer.scale[n % layer.width];
  else return null;
  return made;
};

const optimizerText = () => {
  const { kind, ...given } = settings.optimizer;
  const plain = {
    weight_decay: kind === "AdamW" ? 0.01 : 0,
    clip_norm: null,
    clip_value: null,
    ...OPTIMIZER_DEFAULTS[kind],
  };
  return callOf(kind, given, plain).slice(3);
};

// What a row costs, with its numbers in the formula.
const filledRow = (answers, y, r, cost) => {
  const width = net.outputs;
  const at = c => [answers[r * width + c], WANTED === width ? y[r * width + c] : null];
  const gap = ([p, t]) => `${short(p)} - ${t < 0 ? `(${short(t)})` : short(t)}`;
  const writers = {
    MeanSquaredError: pair => `(${gap(pair)})\u00b2`,
    MeanAbsoluteError: pair => `|${gap(pair)}|`,
  };
  const write = writers[C.loss.kind];
  if (write) {
    const terms = [...Array(width).keys()].slice(0, 4).map(c => write(at(c)));
    return width === 1
      ? `${terms[0]} = ${result(cost)}`
      : `(${terms.join(" + ")}${width > 4 ? " + ..." : ""}) / ${width} = ${result(cost)}`;
  }
  if (C.loss.kind === "SoftmaxCrossEntropy" && WANTED === 1 && !C.loss.label_smoothing)
    return `-ln(${result(chances(answers, r * width)[y[r]])}) = ${result(cost)}`;
  if (
    C.loss.kind === "BinaryCrossEntropy" &&
    width === 1 &&
    C.loss.pos_weight === null &&
    !C.loss.label_smoothing &&
    [0, 1].includes(y[r])
  ) {
    const p = sigmoid(answers[r]);
    return `-ln(${y[r] ? result(p) : `1 - ${result(p)}`}) = ${result(cost)}`;
  }
  return `${lossCode().slice(3)}: ${result(cost)}`;
};

// What a net would pay that knows nothing: an even guess, or the mean of the targets.
const cluelessOf = (y, rows) => {
  const judge = (answer, text) => {
    const [each, slopes] = [new Float64Array(rows), new Float64Array(rows * net.outputs)];
    const answers = Float64Array.from({ length: rows * net.outputs }, (_, n) => answer[n % net.outputs]);
    training.loss.look(answers, y, rows, net.outputs, each, slopes);
    return { value: each.reduce((sum, value) => sum + value, 0) / rows, text };
  };
  const none = new Float64Array(net.outputs);
  if (C.loss.kind === "SoftmaxCrossEntropy")
    return judge(none, say("clueless_classes", { count: net.outputs }));
  if (C.loss.kind === "BinaryCrossEntropy") return judge(none, WORDS.clueless_yes_no);
  if (C.loss.kind !== "MeanSquaredError") return null;
  const mean = Array.from(
    none,
    (_, c) =>
      Array.from({ length: rows }, (_, r) => y[r * net.outputs + c]).reduce((sum, value) => sum + value, 0) /
      rows,
  );
  return judge(
    mean,
    say("clueless_mean", {
      answer: mean
        .slice(0, 4)
        .map(value => short(value))
        .join(", "),
    }),
  );
};

// The fog: the loss along the step of the optimizer, by learning rate; as in step_scan.py.
const NOISE = 1e-12;
const fogOf = (at, gradient, start, grads, slope64, kept) => {
  const rate = optimizer.given.learning_rate;
  const stand = {
    values: Float64Array.from(start),
    grads: Float64Array.from(grads),
    decayed: net.decayed,
    runs: net.runs,
  };
  const walker = new Optimizer(optimizer.given);
  walker.steps = optimizer.steps - 1;
  walker.kept = copies(kept, Float64Array);
  walker.step(stand);
  const direction = stand.values.map((value, n) =>
    Number.isFinite(value - start[n]) ? (value - start[n]) / rate : 0,
  );
  const along = size => start.map((value, n) => value + size * direction[n]);
  const before = at(start);
  const slope = slope64.reduce((sum, value, n) => sum + value * direction[n], 0);
  const length = Math.hypot(...direction);
  const reach = length ? (1e-5 * (1 + Math.hypot(...start))) / length : 0;
  const [ahead, behind] = length ? [gradient(along(reach)), gradient(along(-reach))] : [[], []];
  const bend = length
    ? direction.reduce((sum, value, n) => sum + value * (ahead[n] - behind[n]), 0) / (2 * reach)
    : 0;
  const marks = [rate];
  if (slope < 0 && bend > 0) marks.push(-slope / bend, (-2 * slope) / bend);
  let low = Math.max(Math.min(...marks) / 100, rate / 1e4);
  let high = Math.min(Math.max(...marks) * 10, rate * 1e4);
  const count = 61;
  let [rates, losses] = [[], []];
  for (let again = 0; again < 3; again++) {
    rates = Array.from({ length: count }, (_, n) => low * (high / low) ** (n / (count - 1)));
    rates[
      rates.reduce(
        (best, value, n) =>
          Math.abs(Math.log(value / rate)) < Math.abs(Math.log(rates[best] / rate)) ? n : best,
        0,
      )
    ] = rate;
    losses = rates.map(value => at(along(value)));
    const least = losses.indexOf(Math.min(...losses.filter(Number.isFinite)));
    if (!(slope < 0) || least < count - 1) break;
    high *= 10;
  }
  const least = losses.indexOf(Math.min(...losses.filter(Number.isFinite)));
  const [bestRate, bestLoss] = [rates[least], losses[least]];
  const label = (value, loss) => {
    const slack = NOISE * Math.abs(before);
    if (!Number.isFinite(loss) || loss > before + slack) return "overshoots";
    const [gain, most] = [before - loss, before - bestLoss];
    if (most > slack && gain >= 0.05 * most) return "good";
    return most > slack && value > bestRate ? "overshoots" : "barely moves";
  };
  const zones = [];
  rates.forEach((value, n) => {
    const name = label(value, losses[n]);
    const last = zones[zones.length - 1];
    if (last && last.label === name) last.to = value;
    else {
      if (last) last.to = Math.sqrt(last.to * value);
      zones.push({ label: name, from: last ? last.to : value, to: value });
    }
  });
  const after = at(along(rate));
  const downhill = bestLoss < before - NOISE * Math.abs(before);
  const plain =
    settings.optimizer.kind === "SGD" &&
    !settings.optimizer.momentum &&
    !settings.optimizer.weight_decay &&
    !settings.optimizer.clip_value;
  return {
    direction: plain ? WORDS.along_gradient : say("along_step", { optimizer: settings.optimizer.kind }),
    rates,
    losses,
    rate,
    loss_before: before,
    loss_after: after,
    forecast: before + rate * slope,
    best_rate: downhill ? bestRate : null,
    best_loss: downhill ? bestLoss : null,
    label: label(rate, after),
    slope,
    curvature: length ? bend / length ** 2 : 0,
    zones,
    over: null,
    why: "",
  };
};

// A weight moved a little to both sides: the loss there, and in how many digits the two slopes agree.
const NUDGE = 1e-5;
const nudgeOf = (at, start, n, slope, size = null) => {
  const step = size || NUDGE * Math.max(1, Math.abs(start[n]));
  const there = value => at(start.map((old, place) => (place === n ? value : old)));
  const [minus, plus, middle] = [there(start[n] - step), there(start[n] + step), at(start)];
  const difference = (plus - minus) / (start[n] + step - (start[n] - step));
  const gap = Math.abs(difference - slope);
  const whole = Math.max(Math.abs(difference), Math.abs(slope));
  const digits = !whole || !gap ? 15.95 : Math.min(Math.max(-Math.log10(gap / whole), 0), 15.95);
  const noise = (64 * 2.2e-16 * Math.max(Math.abs(minus), Math.abs(plus), Math.abs(middle))) / step;
  const bend = (plus - middle) / step - (middle - minus) / step;
  const kink = Math.abs(bend) > 0.01 * whole + noise && gap > 0.001 * whole;
  return {
    minus,
    plus,
    difference,
    digits,
    note: kink ? WORDS.kink : whole && gap <= noise && whole < 100 * noise ? WORDS.too_small : null,
  };
};

const histogramsOf = kinds =>
  net.specs.flatMap(spec =>
    Object.entries(kinds).map(([what, numbers]) => {
      const own = Array.from(numbers.subarray(spec.start, spec.end)).filter(Number.isFinite);
      let [low, high] = [Math.min(...own), Math.max(...own)];
      const size = Math.max(Math.abs(low), Math.abs(high));
      if (!(high - low > 1e-12 * size)) [low, high] = [low - (size / 2 || 0.5), high + (size / 2 || 0.5)];
      const counts = new Array(24).fill(0);
      for (const value of own) counts[Math.min(Math.floor(((value - low) / (high - low)) * 24), 23)] += 1;
      return {
        parameter: spec.key,
        what,
        counts,
        edges: Array.from({ length: 25 }, (_, n) => low + ((high - low) * n) / 24),
      };
    }),
  );

// The beats, over the page. Steps that were explained stay in reach; a new one is made when it is asked for.
let explained = []; // { trace, before: what to recall, after }
const openStep = () => {
  run(false);
  explained = [explainNext()];
  showExplained(0);
  if (!stepBox.open) stepBox.showModal();
};
const explainNext = () => {
  const before = remember();
  return { trace: traceNow(), before };
};
let ending = null;
const stepRoot = el("div", { class: "step-root" });
const stepPlace = el("span", { class: "note", role: "status" });
const showExplained = n => {
  if (ending) ending.abort();
  ending = new AbortController();
  recall(explained[n].before);
  // The page of a step mends the numbers that it is given: it gets a copy, to come back to.
  const { nudge, ...plain } = explained[n].trace;
  showStep(structuredClone(plain), stepRoot, { signal: ending.signal, nudge });
  stepPlace.textContent = say("step_of", { step: optimizer.steps + 1 });
  stepBefore.disabled = n === 0;
  stepBefore.onclick = () => showExplained(n - 1);
  stepOn.onclick = () => {
    if (n === explained.length - 1) {
      if (!training.step()) return stepBox.close();
      explained.push(explainNext());
    }
    showExplained(n + 1);
  };
  touched();
};
const stepBefore = el("button", { type: "button" }, WORDS.step_before);
const stepOn = el("button", { type: "button" }, WORDS.step_next);
const stepBox = el(
  "dialog",
  {
    class: "step-box",
    "aria-label": WORDS.explain,
    onclose: () => {
      if (ending) ending.abort();
      note();
      touched();
    },
  },
  el(
    "div",
    { class: "step-bar" },
    stepBefore,
    stepPlace,
    stepOn,
    el("button", { type: "button", class: "close", onclick: () => stepBox.close() }, WORDS.close),
  ),
  stepRoot,
);
