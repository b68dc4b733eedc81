// What is chosen, with its arithmetic: a row, a neuron, a weight. All of it can be dragged and typed.

// A number to drag and to type. The slider spans what is around the value; `change(value, last)` is told of it.
const slider = ({ name, value, low, high, change, key, step = null }) => {
  const span = high - low || 1;
  const range = el("input", {
    type: "range",
    min: low,
    max: high,
    step: step || span / 500,
    value,
    "aria-label": name,
    "data-key": key && `${key}:range`,
    oninput: () => change(Number(range.value)),
  });
  const field = el("input", {
    type: "number",
    step: "any",
    class: "typed",
    value: Number(value.toPrecision(6)),
    "aria-label": name,
    "data-key": key && `${key}:typed`,
    onchange: () => field.value !== "" && Number.isFinite(Number(field.value)) && change(Number(field.value)),
  });
  return el("span", { class: "slider" }, range, field);
};

const around = value => {
  const reach = Math.max(1, 2 ** Math.ceil(Math.log2(Math.abs(value) || 1)));
  return [-2 * reach, 2 * reach];
};

// Where the reader began to turn: what the gradient foretold from there.
let anchor = null;
const sameThing = (one, other) =>
  sameAs([one.kind, one.stage, one.from, one.unit], [other.kind, other.stage, other.from, other.unit]);
const valueOf = chosen => (chosen.kind === "input" ? play.input[chosen.unit] : net.values[placeOf(chosen)]);
const lossNow = chosen => (chosen.kind === "input" || rowOnly() ? through().loss : measure(data).loss);
// Of a large net the loss of all rows takes too long to be drawn against a weight: then it is that of the row.
const rowOnly = () => net.values.length * data.rows > 4e6;
const slopeNow = chosen => {
  if (chosen.kind !== "input")
    return rowOnly() ? through().grads[placeOf(chosen)] : blameNow().grads[placeOf(chosen)];
  if (!plainFeatures()) {
    const step = 1e-4 * (1 + Math.abs(play.input[chosen.unit]));
    const lossAt = value =>
      through(Float64Array.from(play.input, (old, c) => (c === chosen.unit ? value : old))).loss;
    return (lossAt(play.input[chosen.unit] + step) - lossAt(play.input[chosen.unit] - step)) / (2 * step);
  }
  return through().inputs[chosen.unit];
};
const setAnchor = chosen => {
  anchor = {
    chosen,
    value: valueOf(chosen),
    loss: lossNow(chosen),
    slope: slopeNow(chosen),
    steps: optimizer.steps,
  };
};
const turn = (chosen, value) => {
  if (!anchor || !sameThing(anchor.chosen, chosen)) setAnchor(chosen);
  if (chosen.kind === "input") play.input[chosen.unit] = value;
  else net.values[placeOf(chosen)] = value;
  touched();
};

// The true loss against the one number that is turned, and the straight line that its gradient foretold.
const SLICES = 41;
const drawSlice = (canvas, chosen) => {
  const pen = penOf(canvas);
  const width = parseFloat(canvas.style.width);
  const now = valueOf(chosen);
  const lowHigh =
    chosen.kind === "input"
      ? ground.ends[chosen.unit]
      : [Math.min(anchor.value, now) - 2, Math.max(anchor.value, now) + 2];
  const losses = [];
  for (let n = 0; n < SLICES; n++) {
    const value = lowHigh[0] + ((lowHigh[1] - lowHigh[0]) * n) / (SLICES - 1);
    if (chosen.kind === "input")
      losses.push([
        value,
        through(Float64Array.from(play.input, (old, c) => (c === chosen.unit ? value : old))).loss,
      ]);
    else {
      const place = placeOf(chosen);
      net.values[place] = value;
      losses.push([value, lossNow(chosen)]);
      net.values[place] = now;
    }
  }
  const here = lossNow(chosen);
  const seen = losses.map(([, loss]) => loss).filter(Number.isFinite);
  const [low, high] = [Math.min(...seen, here), Math.max(...seen, here)];
  const more = 0.08 * (high - low) || 0.1;
  const box = { left: 48, right: width - 10, top: 20, bottom: 150 };
  const { x, y } = axes(pen, box, lowHigh, [low - more, high + more], {
    xName: WORDS.its_value,
    yName: WORDS.loss,
  });
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top - 4, box.right - box.left, box.bottom - box.top + 8);
  pen.clip();
  polyline(
    pen,
    lowHigh.map(value => [x(value), y(anchor.loss + anchor.slope * (value - anchor.value))]),
    COLOURS.soft,
    { width: 2, dash: [3, 4] },
  );
  polyline(
    pen,
    losses.map(([value, loss]) => [x(value), y(loss)]),
    COLOURS.ink,
    { width: 2.4 },
  );
  pen.restore();
  const mark = (value, loss, colour, ring) => {
    pen.beginPath();
    pen.arc(x(value), Math.min(Math.max(y(loss), box.top), box.bottom), 5, 0, 2 * Math.PI);
    pen.fillStyle = ring ? COLOURS.paper : colour;
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.fill();
    pen.stroke();
  };
  if (now !== anchor.value) mark(now, anchor.loss + anchor.slope * (now - anchor.value), COLOURS.soft, true);
  mark(now, here, COLOURS.up, false);
  return here;
};

const numberLine = (label, value, extra = {}) =>
  el("div", { class: "line", ...extra }, el("dt", {}, label), el("dd", {}, value));

// The row: what goes in, what comes out, what was wanted, what it costs.
const rowCard = here => {
  const names = inputNames();
  const target = targetOf(play.row);
  const wanted = isClasses
    ? className(wantedClass(target, 0))
    : Array.from(target, value => short(value)).join("  ");
  const shares = isClasses ? chances(here.answers, 0) : null;
  const said = isClasses ? likeliest(shares, 0, shares.length) : null;
  const raw =
    C.feature_names ||
    (C.inputs === 2 ? [FIRST, SECOND] : Array.from({ length: C.inputs }, (_, n) => `x${n}`));
  const sliders = isImage
    ? painter()
    : el(
        "div",
        { class: "inputs" },
        Array.from(play.input)
          .slice(0, 30)
          .map((value, unit) =>
            el(
              "label",
              {},
              el("span", {}, clipped(raw[unit], 16)),
              slider({
                name: raw[unit],
                value,
                low: ground.ends[unit][0],
                high: ground.ends[unit][1],
                key: `input:${unit}`,
                change: next => turn({ kind: "input", stage: 0, unit }, next),
              }),
            ),
          ),
        play.input.length > 30 ? say("more", { count: play.input.length - 30 }) : null,
      );
  return el(
    "section",
    { class: "card row-card" },
    el("h3", {}, tell(play.row.of === "test" ? "row_test" : "row_data", { row: count(rowNumber(play.row)) })),
    sliders,
    el(
      "dl",
      { class: "facts" },
      numberLine(
        WORDS.net_says,
        isClasses
          ? [el("b", {}, className(said)), ` (${(100 * shares[said]).toFixed(0)} %)`]
          : Array.from(here.answers, value => [res(value), " "]),
      ),
      numberLine(WORDS.should_say, el("b", {}, wanted)),
      numberLine(WORDS.loss_of_row, res(here.loss)),
    ),
    el(
      "p",
      { class: "buttons" },
      button("row_before", () => stepRow(-1)),
      button("row_next", () => stepRow(1)),
      button("row_worst", worstRow),
      button("row_back", () => {
        lookAt(play.row);
        anchor = null;
        touched();
      }),
    ),
  );
};

// An image to paint on.
const painter = () => {
  const [rows, columns] = C.image;
  const side = 160;
  const canvas = canvasOf(side, (side * rows) / columns, {
    class: "paint",
    tabindex: 0,
    role: "application",
    "aria-label": WORDS.paint,
  });
  const most = largest(GIVEN.x);
  const cursor = play.cursor || (play.cursor = [0, 0]);
  const show = () => {
    const pen = penOf(canvas);
    drawImage(pen, 0, 0, side, play.input);
    if (document.activeElement === canvas || canvas.dataset.active) {
      pen.strokeStyle = COLOURS.focus;
      pen.lineWidth = 2;
      pen.strokeRect(
        (cursor[0] * side) / columns,
        (cursor[1] * side) / columns,
        side / columns,
        side / columns,
      );
    }
  };
  let ink = most;
  const put = (column, row, value) => {
    if (column < 0 || row < 0 || column >= columns || row >= rows) return;
    play.input[row * columns + column] = value;
    show();
    touched(true);
  };
  const at = event => {
    const box = canvas.getBoundingClientRect();
    return [
      Math.floor(((event.clientX - box.x) / box.width) * columns),
      Math.floor(((event.clientY - box.y) / box.height) * rows),
    ];
  };
  canvas.addEventListener("pointerdown", event => {
    const [column, row] = at(event);
    ink = play.input[row * columns + column] > most / 2 ? 0 : most;
    canvas.setPointerCapture(event.pointerId);
    put(column, row, ink);
  });
  canvas.addEventListener("pointermove", event => event.buttons && put(...at(event), ink));
  canvas.addEventListener("focus", show);
  canvas.addEventListener("blur", show);
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (move) {
      cursor[0] = Math.min(Math.max(cursor[0] + move[0], 0), columns - 1);
      cursor[1] = Math.min(Math.max(cursor[1] + move[1], 0), rows - 1);
      show();
    } else if (event.key === " " || event.key === "Enter") {
      const place = cursor[1] * columns + cursor[0];
      put(cursor[0], cursor[1], play.input[place] > most / 2 ? 0 : most);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  show();
  return el("div", { class: "inputs" }, canvas, el("p", { class: "note" }, WORDS.paint_hint));
};

// A neuron: every input times its weight, the bias, and what the activation makes of the sum. The largest first.
const TERMS = 12;
const neuronCard = ({ stage, unit }, here) => {
  const dense = denseAt(stage);
  const width = widthAt(stage);
  const terms = Array.from({ length: dense.inputs }, (_, from) => ({
    from,
    weight: dense.W[from * width + unit],
    input: here.stages[stage - 1][from],
  }));
  terms.forEach(term => (term.product = term.weight * term.input));
  terms.sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const shown = terms.slice(0, TERMS);
  const rest = terms.slice(TERMS).reduce((sum, term) => sum + term.product, 0);
  const strongest = Math.max(...terms.map(term => Math.abs(term.product)), 1e-300);
  const activation = settings.stages[stage - 1].rest
    .map(layer => layer.kind)
    .filter(kind => kind !== "Dropout");
  const bias = dense.b ? dense.b[unit] : null;
  return el(
    "section",
    { class: "card" },
    el("h3", {}, tell("neuron", { name: nameOf(stage, unit) })),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "terms" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            [WORDS.hears_from, WORDS.weight, "", WORDS.its_answer, WORDS.adds, ""].map(text =>
              el("th", { scope: "col" }, text),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          shown.map(({ from, weight, input, product }) =>
            el(
              "tr",
              {},
              el(
                "th",
                { scope: "row" },
                linkTo({ kind: "weight", stage, from, unit }, nameOf(stage - 1, from)),
              ),
              el(
                "td",
                {},
                slider({
                  name: say("weight_from", { from: nameOf(stage - 1, from), to: nameOf(stage, unit) }),
                  value: weight,
                  low: around(weight)[0],
                  high: around(weight)[1],
                  key: `w:${stage}:${from}:${unit}`,
                  change: next => turn({ kind: "weight", stage, from, unit }, next),
                }),
              ),
              el("td", {}, "\u00d7"),
              el("td", {}, num(input)),
              el("td", {}, res(product)),
              el("td", {}, bar(product, strongest)),
            ),
          ),
          terms.length > TERMS
            ? el(
                "tr",
                {},
                el("th", { scope: "row" }, say("others", { count: terms.length - TERMS })),
                el("td"),
                el("td"),
                el("td"),
                el("td", {}, res(rest)),
                el("td", {}, bar(rest, strongest)),
              )
            : null,
          bias === null
            ? null
            : el(
                "tr",
                {},
                el("th", { scope: "row" }, linkTo({ kind: "bias", stage, unit }, WORDS.bias)),
                el(
                  "td",
                  {},
                  slider({
                    name: say("bias_of", { neuron: nameOf(stage, unit) }),
                    value: bias,
                    low: around(bias)[0],
                    high: around(bias)[1],
                    key: `b:${stage}:${unit}`,
                    change: next => turn({ kind: "bias", stage, unit }, next),
                  }),
                ),
                el("td"),
                el("td"),
                el("td", {}, res(bias)),
                el("td", {}, bar(bias, strongest)),
              ),
        ),
      ),
    ),
    el(
      "p",
      { class: "sum" },
      WORDS.sum,
      " = ",
      res(here.sums[stage][unit]),
      activation.map(kind => [", ", kind.toLowerCase(), " \u2192 "]),
      activation.length ? res(here.stages[stage][unit]) : null,
    ),
    el(
      "p",
      { class: "note" },
      tell("blame_is", { name: nameOf(stage, unit), blame: res(here.blames[stage][unit]) }),
    ),
  );
};

// A weight or a bias: what it is, what it is to blame for, and what became of the loss where it was turned.
const weightCard = (chosen, here) => {
  if (!anchor || !sameThing(anchor.chosen, chosen) || (play.running && anchor.steps !== optimizer.steps))
    setAnchor(chosen);
  const { stage, from, unit } = chosen;
  const value = valueOf(chosen);
  const name =
    chosen.kind === "bias"
      ? say("bias_of", { neuron: nameOf(stage, unit) })
      : `${nameOf(stage - 1, from)} \u2192 ${nameOf(stage, unit)}`;
  const canvas = canvasOf(300, 186, { role: "img", "aria-label": WORDS.slice_picture });
  const loss = drawSlice(canvas, chosen);
  const change = value - anchor.value;
  const input = chosen.kind === "bias" ? 1 : here.stages[stage - 1][from];
  const blameThere = here.sumBlames[stage][unit];
  return el(
    "section",
    { class: "card weight-card" },
    el("h3", {}, tell("weight_title", { name })),
    el(
      "p",
      {},
      slider({
        name,
        value,
        low: around(anchor.value)[0],
        high: around(anchor.value)[1],
        key: "chosen",
        change: next => turn(chosen, next),
      }),
    ),
    el(
      "p",
      {},
      tell(anchor.slope > 0 ? "slope_up" : anchor.slope < 0 ? "slope_down" : "slope_none", {
        gradient: res(anchor.slope),
        rows: rowOnly() ? WORDS.of_this_row : WORDS.of_all_rows,
      }),
    ),
    el(
      "p",
      { class: "sum" },
      tell("chain_line", { input: num(input), blame: num(blameThere), product: res(input * blameThere) }),
    ),
    canvas,
    change
      ? el(
          "p",
          { class: "foretold" },
          tell("foretold", {
            change: res(change),
            promised: res(anchor.slope * change),
            became: res(loss - anchor.loss),
          }),
        )
      : el("p", { class: "note" }, WORDS.turn_it),
    el(
      "p",
      { class: "buttons" },
      button("begin_here", () => {
        setAnchor(chosen);
        touched();
      }),
    ),
  );
};

const inputCard = (chosen, here) => {
  if (!anchor || !sameThing(anchor.chosen, chosen)) setAnchor(chosen);
  const canvas = canvasOf(300, 186, { role: "img", "aria-label": WORDS.slice_picture });
  const loss = drawSlice(canvas, chosen);
  const change = valueOf(chosen) - anchor.value;
  return el(
    "section",
    { class: "card weight-card" },
    el("h3", {}, tell("input_title", { name: inputNames()[chosen.unit] })),
    canvas,
    el(
      "p",
      { class: "foretold" },
      change
        ? tell("foretold_input", {
            change: res(change),
            promised: res(anchor.slope * change),
            became: res(loss - anchor.loss),
          })
        : WORDS.turn_input,
    ),
  );
};

const linkTo = (chosen, text) =>
  el(
    "button",
    {
      type: "button",
      class: "link",
      "data-key": `choose:${chosen.kind}:${chosen.stage}:${chosen.from}:${chosen.unit}`,
      onclick: () => choose(chosen),
    },
    text,
  );
const button = (key, act, attributes = {}) =>
  el("button", { type: "button", "data-key": key, onclick: act, ...attributes }, WORDS[key]);

const stepRow = step => {
  const rows = [
    ...Array.from({ length: data.rows }, (_, r) => ({ of: "data", r })),
    ...Array.from({ length: test.rows }, (_, r) => ({ of: "test", r })),
  ];
  const sorted = rows.sort((a, b) => rowNumber(a) - rowNumber(b) || a.of.localeCompare(b.of));
  const now = sorted.findIndex(row => row.of === play.row.of && row.r === play.row.r);
  lookAt(sorted[(now + step + sorted.length) % sorted.length]);
  anchor = null;
  touched();
};
// The row that costs most, of all.
const worst = () => {
  let best = null;
  for (const of of ["data", "test"]) {
    const found = measure(of === "test" ? test : data);
    if (found)
      found.each.forEach((loss, r) => (best === null || loss > best.loss) && (best = { of, r, loss }));
  }
  return { of: best.of, r: best.r };
};
const worstRow = () => {
  lookAt(worst());
  anchor = null;
  touched();
};
