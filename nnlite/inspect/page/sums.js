// The arithmetic behind a neuron, a weight and a check, as lines that can be read and copied.

// The terms of a neuron's sum: weight, input, and what they come to.
const termsOf = (stage, place, row) => {
  const dense = denseOf(stage);
  const from = STAGES[stage].from;
  // Of a large net all that the neuron hears may be here, though not all of it can be chosen.
  const { W, x } = dense.hears || { W: dense.parameters.W.before };
  const terms = W.map((line, i) => {
    const input = x ? x[row][i] : answer(from, row, i);
    const who = nameOfUnit(from, x ? i : STAGES[from].units[i]);
    return { who, weight: line[place], input, product: line[place] * input };
  });
  const bias = dense.parameters.b ? dense.parameters.b.before[place] : null;
  const sum = dense.out[row][place];
  const left = STAGES[from].width - terms.length;
  const rest = left ? sum - (bias || 0) - terms.reduce((total, term) => total + term.product, 0) : 0;
  return { terms, bias, sum, left, rest };
};

// The largest first.
const bySize = (terms, value) => [...terms].sort((a, b) => Math.abs(value(b)) - Math.abs(value(a)));
const within = value => (value < 0 ? ["(", num(value), ")"] : num(value));
// A product; a second factor below zero stands in brackets.
const times = (first, factor, value) => [num(first), "*", value < 0 ? ["(", factor, ")"] : factor];
// Terms of a sum in one line; one below zero is taken away. Of many the largest, the largest first, and what
// the others come to, `rest` being that of those that are not here.
const WRITTEN = 8;
const joined = (pairs, left, rest, last) => {
  const cut = left || pairs.length > WRITTEN;
  const sorted = cut ? bySize(pairs, ([a, b]) => a * b) : pairs;
  const parts = sorted
    .slice(0, WRITTEN)
    .map(([a, b]) => [a < 0, el("span", { class: "part" }, times(Math.abs(a), num(b), b))]);
  if (cut) {
    const others = sorted.slice(WRITTEN);
    const value = others.reduce((total, [a, b]) => total + a * b, rest);
    const text = say("others", { count: others.length + left });
    parts.push([value < 0, el("span", { class: "part" }, res(Math.abs(value)), ` (${text})`)]);
  }
  if (last !== null) parts.push([last < 0, el("span", { class: "part" }, num(Math.abs(last)))]);
  return parts.map(([below, part], n) => [n ? (below ? " - " : " + ") : below ? "-" : null, part]);
};
// `0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid -> 0.5933`
const sumLine = (stage, place, row) => {
  const { terms, bias, sum, left, rest } = termsOf(stage, place, row);
  return el(
    "p",
    { class: "sum" },
    joined(
      terms.map(term => [term.weight, term.input]),
      left,
      rest,
      bias,
    ),
    " = ",
    res(sum),
    afterwards(stage, place, row, 1),
  );
};
// `, sigmoid -> 0.5933` for each layer behind the first ones of a stage.
const afterwards = (stage, place, row, skip) =>
  STAGES[stage].steps
    .slice(skip)
    .filter(step => step.out)
    .map(step => [
      ", ",
      el("span", { class: "part" }, called(step, row, place), " \u2192 ", res(step.out[row][place])),
    ]);
// What a step does to a neuron: a layer by its name, and what a block adds by its number.
const called = (step, row, place) =>
  step.came ? tell("came_in", { value: num(step.came[row][place]) }) : spoken(step.text);
const layersOf = stage =>
  BLOCKS && STAGES[stage].text ? el("p", { class: "note" }, STAGES[stage].text) : null;

const largestOf = values => Math.max(...values.map(Math.abs).filter(Number.isFinite), 0);

const table = (caption, head, rows, attributes = {}) =>
  el(
    "div",
    { class: "scroll table", tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      attributes,
      el("caption", {}, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          head.map(text => el("th", { scope: "col" }, text)),
        ),
      ),
      el("tbody", {}, rows),
    ),
  );

// What stands in front of the net and makes columns comparable, if each input is a column.
const STANDARDIZE =
  (DATA.data.width === STAGES[0].width && STAGES[0].steps.find(step => step.mean && step.out)) || null;
const STANDARD = STANDARDIZE && { layer: spoken(STANDARDIZE.text) };
// `(5.1 - 5.84) / 0.83 = -0.89`
const standardized = (row, place) =>
  STANDARDIZE && [
    "(",
    num(DATA.data.x[row][place]),
    " - ",
    within(STANDARDIZE.mean[place]),
    ") / ",
    num(STANDARDIZE.scale[place]),
    " = ",
    res(STANDARDIZE.out[row][place]),
  ];
// The layers that one is made of, and what each answered or was blamed for.
const insides = (stage, row, what) =>
  STAGES[stage].steps
    .filter(step => Array.isArray(step.holds) && step.holds.length)
    .map(step =>
      table(
        say("inside", { layer: `${step.place} ${step.text.split("(")[0]}`, row: rowAt(row) }),
        [WORDS.inside_layer, WORDS[what === "out" ? "inside_answers" : "inside_blame"]],
        step.holds.map(inner => {
          const values = inner[what] && inner[what][row];
          return el(
            "tr",
            {},
            el("th", { scope: "row" }, inner.place, " ", el("code", {}, inner.text)),
            el(
              "td",
              { class: "several" },
              values
                ? values.map((value, n) => [n ? " " : null, res(value, 3)])
                : el("small", {}, tell("not_heard")),
              values && inner.width > values.length
                ? [" ", say("more", { count: inner.width - values.length })]
                : null,
            ),
          );
        }),
      ),
    );

// What a neuron does, term by term.
const neuronCard = (stage, place, row) => {
  const name = nameOf(stage, place);
  if (!denseOf(stage)) {
    const read = stage === 0 && DATA.data.width === STAGES[0].width ? DATA.data.x[row][place] : null;
    const line =
      read === null
        ? el("p", { class: "sum" }, STAGES[stage].text || WORDS.input)
        : el("p", { class: "sum" }, WORDS.reads, " ", num(read));
    const scaled = standardized(row, place);
    add(line, [
      stage !== 0
        ? [" \u2192 ", num(answer(stage, row, place))]
        : scaled && read !== null
          ? [": ", scaled, afterwards(stage, place, row, STAGES[0].steps.indexOf(STANDARDIZE) + 1)]
          : afterwards(stage, place, row, 0),
    ]);
    return el(
      "section",
      { class: "card" },
      el("h3", {}, say("neuron", { name })),
      line,
      stage === 0 ? layersOf(stage) : null,
      el("p", {}, tell(stage === 0 ? "input_neuron" : "own_layer")),
      insides(stage, row, "out"),
    );
  }
  const { terms, bias, left, rest } = termsOf(stage, place, row);
  const from = STAGES[stage].from;
  const lines = bySize(terms, term => term.product).map(term => [
    term.who,
    [times(term.weight, num(term.input), term.input)],
    term.product,
  ]);
  if (left) lines.push([say("others", { count: left }), "", rest]);
  if (bias !== null) lines.push([WORDS.bias, "", bias]);
  const largest = largestOf(lines.map(line => line[2]));
  return el(
    "section",
    { class: "card" },
    el("h3", {}, say("neuron", { name })),
    sumLine(stage, place, row),
    layersOf(stage),
    STANDARDIZE && from === 0 ? el("p", { class: "note" }, tell("standardized_note", STANDARD)) : null,
    insides(stage, row, "out"),
    table(
      say("hears", { name }),
      [WORDS.hears_from, WORDS.weight_times_answer, WORDS.adds, ""],
      lines.map(([who, how, product]) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, who),
          el("td", {}, how),
          el("td", {}, res(product)),
          el("td", {}, bar(product, largest)),
        ),
      ),
    ),
  );
};

// The factors that lead the blame from a neuron's answer back to its sum. Each is a slope; of a layer that
// mixes neurons there is no single one, and the blame behind it is said instead.
const backward = (stage, row, place) => {
  const steps = STAGES[stage].steps.slice(1).reverse();
  const before = index => STAGES[stage].steps[STAGES[stage].steps.length - 2 - index];
  // So it is too where an answer goes on by two ways, past a block and through it.
  return steps.map((step, index) =>
    step.slope && !before(index).ways
      ? { factor: step.slope[row][place], text: step.text }
      : { through: before(index).blame ? before(index).blame[row][place] : null, text: step.text },
  );
};
// Where the blame at a neuron's answer comes from: the neurons that listened to it.
const listeners = (stage, row, place) => {
  const next = STAGES.findIndex(other => other.from === stage);
  const dense = next < 0 ? null : denseOf(next);
  if (!dense) return null;
  const terms = dense.parameters.W.before[place].map((weight, k) => ({
    k,
    weight,
    blame: dense.blame[row][k],
    product: weight * dense.blame[row][k],
  }));
  return { next, terms, left: STAGES[next].width - terms.length };
};
// The blame of those that add the answer as it is, at the end of a block: of which step, and how much.
const addedBy = (stage, row, place) => {
  const { steps, units } = STAGES[stage];
  return ((steps.length && steps[steps.length - 1].ways) || []).map(([there, at]) => {
    const step = STAGES[there].steps[at];
    const blame = step.blame[row][STAGES[there].units.indexOf(units[place])];
    return { who: `${step.place} ${step.text}`, blame: blame === undefined ? NaN : blame };
  });
};
// The blame at a neuron, taken apart; `follow` shows the weight that leads on.
const sources = (stage, row, place) => {
  const name = nameOf(stage, place);
  const total = blameAt(stage, row, place);
  const found = listeners(stage, row, place);
  if (!found)
    return el(
      "p",
      {},
      tell(stage === LAST ? "blame_from_loss" : "blame_from_own_layer", { name, blame: res(total) }),
    );
  const added = addedBy(stage, row, place);
  const rest =
    total -
    found.terms.reduce((sum, term) => sum + term.product, 0) -
    added.reduce((sum, { blame }) => sum + blame, 0);
  const largest = largestOf(found.terms.map(term => term.product));
  const lines = bySize(found.terms, term => term.product).map(term =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, nameOf(found.next, term.k)),
      el("td", {}, times(term.weight, res(term.blame), term.blame)),
      el("td", {}, res(term.product)),
      el("td", {}, bar(term.product, largest)),
    ),
  );
  for (const { who, blame } of added)
    lines.push(
      el(
        "tr",
        {},
        el("th", { scope: "row" }, who),
        el("td", {}, WORDS.as_it_is),
        el("td", {}, res(blame)),
        el("td", {}, bar(blame, largest)),
      ),
    );
  if (found.left)
    lines.push(
      el(
        "tr",
        {},
        el("th", { scope: "row" }, say("others", { count: found.left })),
        el("td"),
        el("td", {}, res(rest)),
        el("td", {}, bar(rest, largest)),
      ),
    );
  return el(
    "details",
    { class: "sources" },
    el("summary", {}, tell("where_from", { name, blame: res(total) })),
    el(
      "p",
      { class: "sum" },
      joined(
        [...found.terms.map(term => [term.weight, term.blame]), ...added.map(({ blame }) => [1, blame])],
        found.left,
        rest,
        null,
      ),
      " = ",
      res(total),
    ),
    table(say("listeners", { name }), [WORDS.listener, WORDS.weight_times_blame, WORDS.adds, ""], lines),
  );
};

// The chain of factors of a weight, and what each row adds to its gradient.
const chainCard = (weight, row) => {
  const { stage, kind, i, j } = weight;
  const dense = denseOf(stage);
  const input = r => (kind === "W" ? answer(weight.from, r, i) : 1);
  const part = r => input(r) * dense.blame[r][j];
  const name = nameOf(stage, j);
  const factor = (value, text) => el("li", {}, res(value), el("small", {}, text));
  const steps = backward(stage, row, j);
  // Before a layer without slopes the chain begins anew, with the blame that came out of it.
  const lost = steps.map(step => step.factor === undefined).lastIndexOf(true);
  const begin =
    lost < 0
      ? factor(blameAt(stage, row, j), say("blame_of", { name }))
      : factor(steps[lost].through, say("blame_through", { layer: steps[lost].text }));
  const factors = [
    begin,
    ...steps.slice(lost + 1).map(step => factor(step.factor, say("slope_of", { layer: spoken(step.text) }))),
    kind === "W"
      ? factor(input(row), say("answer_of", { name: nameOf(weight.from, i) }))
      : factor(1, WORDS.bias_input),
  ];
  const card = el(
    "section",
    { class: "card of-weight" },
    el("h3", {}, weight.name, " ", el("code", {}, weight.code)),
    el(
      "ol",
      { class: "chain", "aria-label": WORDS.chain },
      factors,
      el(
        "li",
        { class: "result" },
        res(part(row)),
        el("small", {}, ROW_COUNT > 1 ? say("row_part", { row: rowAt(row) }) : WORDS.gradient),
      ),
    ),
    sources(stage, row, j),
  );
  if (ROW_COUNT > 1) {
    const parts = Array.from({ length: ROWS_HERE }, (_, r) => part(r));
    const rest = DATA.rest[stage] ? (kind === "W" ? DATA.rest[stage].W[i][j] : DATA.rest[stage].b[j]) : null;
    const largest = largestOf([...parts, rest || 0]);
    const lines = parts.map((value, r) =>
      el(
        "tr",
        { class: r === row ? "here" : null },
        el("th", { scope: "row" }, say("row", { row: rowAt(r) })),
        el("td", {}, res(value)),
        el("td", {}, bar(value, largest)),
      ),
    );
    if (rest !== null)
      lines.push(
        el(
          "tr",
          {},
          el("th", { scope: "row" }, say("other_rows", { count: ROW_COUNT - ROWS_HERE })),
          el("td", {}, res(rest)),
          el("td", {}, bar(rest, largest)),
        ),
      );
    lines.push(
      el(
        "tr",
        { class: "total" },
        el("th", { scope: "row" }, WORDS.gradient),
        el("td", {}, res(weight.grad)),
        el("td", {}, bar(weight.grad, largest)),
      ),
    );
    card.append(table(WORDS.rows_add_up, [WORDS.row_head, WORDS.adds, ""], lines));
  }
  card.append(
    el(
      "p",
      { class: "meaning said-too" },
      tell(weight.grad > 0 ? "gradient_up" : weight.grad < 0 ? "gradient_down" : "gradient_none", {
        gradient: res(weight.grad),
      }),
    ),
  );
  return card;
};

// Two numbers as texts of ten digits, with those in which they agree set apart.
const agreeing = (a, b) => {
  const [first, second] = [a, b].map(value =>
    Number.isFinite(value) ? value.toPrecision(10) : short(value),
  );
  let same = 0;
  while (same < first.length && first[same] === second[same]) same++;
  return [
    [a, first],
    [b, second],
  ].map(([value, text]) =>
    el(
      "data",
      { value: String(value), title: String(value), class: "digits" },
      el("b", {}, text.slice(0, same)),
      text.slice(same),
    ),
  );
};
const digitsOf = value => written(value, short(value, 3));
const checkOf = code => {
  const found = DATA.proof.checks.find(check => codeOf(check[0], check[1]) === code);
  if (!found) return null;
  const [parameter, index, value, minus, plus, difference, gradient, digits, note] = found;
  // A large weight is nudged further, in proportion to its size.
  const step = DATA.proof.step * Math.max(1, Math.abs(value));
  return { code: codeOf(parameter, index), value, step, minus, plus, difference, gradient, digits, note };
};
// A nudge as large as the reader wants, where the page can compute: HOST.nudge answers with the losses below
// and above, their difference as a slope, and in how many digits it agrees with the gradient.
const ownNudge = (code, state) => {
  if (!HOST.nudge) return null;
  const text = el("p", { role: "status" });
  const input = el("input", { type: "number", step: "any", value: state.nudge, "data-key": "nudge" });
  const show = () => {
    const step = Number(input.value);
    state.nudge = input.value;
    const found = step > 0 && Number.isFinite(step) ? HOST.nudge(code, step) : null;
    const { minus, plus, difference, digits } = found || {};
    text.replaceChildren(
      ...(found
        ? tell("own_nudged", {
            step: num(step),
            minus: res(minus, 8),
            plus: res(plus, 8),
            difference: res(difference, 8),
            digits: digitsOf(digits),
          })
        : []),
    );
  };
  input.addEventListener("input", show);
  show();
  return [el("label", { class: "chooser nudge" }, WORDS.own_nudge, input), text];
};
const proofCard = (code, weight, state) => {
  const check = checkOf(code);
  const title = el("h3", {}, weight ? [weight.name, " "] : null, el("code", {}, code));
  if (!check)
    return el(
      "section",
      { class: "card of-weight" },
      title,
      el("p", {}, tell("not_checked")),
      weight ? ownNudge(code, state) : null,
    );
  const [nudged, traced] = agreeing(check.difference, check.gradient);
  const line = (text, ...cells) => el("tr", {}, el("th", { scope: "row" }, text), el("td", {}, cells));
  const { step } = check;
  return el(
    "section",
    { class: "card of-weight" },
    title,
    el(
      "table",
      { class: "proof" },
      el("caption", {}, tell("nudge_caption", { step: num(step) })),
      el(
        "tbody",
        {},
        line(tell("nudged_down", { value: res(check.value - step, 8) }), res(check.minus, 12)),
        line(tell("nudged_up", { value: res(check.value + step, 8) }), res(check.plus, 12)),
        line(WORDS.difference, nudged),
        line(WORDS.backpropagation, traced),
      ),
    ),
    el(
      "p",
      { class: "big said-too" },
      check.note ? check.note : tell("digits_agree", { digits: digitsOf(check.digits) }),
    ),
    el(
      "p",
      { class: "sum" },
      "(",
      res(check.plus, 12),
      " - ",
      res(check.minus, 12),
      ") / (2*",
      num(step),
      ") = ",
      res(check.difference, 8),
    ),
    ownNudge(code, state),
  );
};
