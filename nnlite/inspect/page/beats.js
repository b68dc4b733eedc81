// The seven beats: for each, what the drawing shows, and what stands beside it.

const LOSS = DATA.loss;

const lead = (key, blanks) => el("p", { class: "lead" }, tell(key, blanks));
// Which weight is looked at: a list for those who do not click, in all nets.
const chooser = state => {
  const groups = new Map();
  for (const weight of WEIGHTS) {
    if (!groups.has(weight.parameter)) groups.set(weight.parameter, []);
    groups.get(weight.parameter).push(weight);
  }
  return el(
    "label",
    { class: "chooser" },
    WORDS.choose_weight,
    el(
      "select",
      { "data-key": "chooser", onchange: event => state.pick(event.target.value) },
      [...groups].map(([parameter, weights]) =>
        el(
          "optgroup",
          { label: parameter },
          weights.map(weight =>
            el(
              "option",
              { value: weight.code, selected: weight.code === state.weight },
              `${weight.name}   ${weight.code}`,
            ),
          ),
        ),
      ),
    ),
  );
};
const entriesOf = (entries, state) => {
  const largest = largestOf(entries.map(entry => entry.value));
  return el(
    "ol",
    { class: "top" },
    entries.map(({ code, value }) => {
      const weight = weightOf(code);
      const inside = [
        el("span", { class: "who" }, weight ? weight.name : null, " ", el("code", {}, code)),
        res(value),
        bar(value, largest),
      ];
      return el(
        "li",
        {},
        weight
          ? el(
              "button",
              {
                type: "button",
                "data-key": `top:${code}`,
                "aria-pressed": code === state.weight ? "true" : "false",
                onclick: () => state.pick(code),
              },
              inside,
            )
          : el("span", { class: "line" }, inside),
      );
    }),
  );
};
const weightSaid = (key, what, value) =>
  say("weight_said", { name: weightOf(key).name, what: WORDS[what], value: short(value(weightOf(key))) });
const compare = items => {
  const largest = largestOf(items.map(item => item[1]));
  return el(
    "div",
    { class: "compare" },
    items.map(([text, value, kind]) =>
      el(
        "div",
        {},
        el("span", {}, text),
        res(value, 6),
        el(
          "span",
          { class: `bar ${kind}`, "aria-hidden": "true" },
          el("i", {
            style: `width:${largest > 0 && value > 0 && Number.isFinite(value) ? ((100 * value) / largest).toFixed(1) : 0}%`,
          }),
        ),
      ),
    ),
  );
};
const targetUnder = row => (stage, place) => {
  if (stage !== LAST) return null;
  const target = wanted(row, place);
  if (target === null) return { text: "", value: null };
  if (target === true) return { text: WORDS.the_target, value: null };
  return target === false
    ? { text: "", value: null }
    : { text: `${WORDS.want} ${fitting(target, 6)}`, value: String(target) };
};
// How strongly a neuron answered, against the strongest of its column.
const strength = row => {
  const largest = STAGES.map((stage, index) =>
    largestOf(stage.drawn.map(place => answer(index, row, place)).filter(value => value !== null)),
  );
  return (stage, place) =>
    largest[stage] ? Math.min(Math.abs(answer(stage, row, place)) / largest[stage], 1) || 0 : 0;
};
// What an input was before it was standardised.
const rawUnder = row => (stage, place) =>
  stage === 0 && STANDARDIZE
    ? {
        text: say("raw", { value: fitting(DATA.data.x[row][place], 6) }),
        value: String(DATA.data.x[row][place]),
      }
    : null;
const targetText = row => {
  const target = DATA.data.y[row];
  const flat = [target].flat(9);
  const name = flat.length === 1 ? classOf(flat[0]) : null;
  if (name) return [name, " ", el("small", {}, "(", count(flat[0]), ")")];
  if (CLASSES) return count(target);
  const one = value => (Number.isNaN(value) ? WORDS.missing : num(value));
  const shown = flat.slice(0, 12).map((value, n) => [n ? " " : null, one(value)]);
  return flat.length > 12 ? [shown, " \u2026"] : shown;
};

// The rate that is looked at: one that is tried, or the own one.
const looked = state => {
  const rate = FOG.rates[state.rate];
  const own = !state.tries || rate === FOG.rate;
  const found = own ? verdictAt(FOG.rate, FOG.loss_after) : verdictAt(rate, FOG.losses[state.rate]);
  return { ...found, own, rate: own ? FOG.rate : rate };
};
const verdictCard = ({ own, rate, label, why }) =>
  el(
    "section",
    { class: `card verdict ${ZONE[label] || ""}` },
    el(
      "h3",
      {},
      tell(own ? "verdict" : "verdict_tried", { rate: num(rate), label: el("strong", {}, zoneName(label)) }),
    ),
    el("p", {}, why, own && FOG.over ? ` ${FOG.over}` : null),
  );
const analogies = (...names) =>
  el(
    "aside",
    { class: "note analogies", "aria-label": WORDS.analogies },
    names.map(name => el("p", {}, WORDS[`analogy_${name}`])),
  );

const SHOW = {
  data: {
    look: state => ({
      value: (stage, place) => (stage === 0 ? answer(0, state.row, place) : null),
      under: (...where) => targetUnder(state.row)(...where) || rawUnder(state.row)(...where),
      weight: () => 0,
      plain: true,
      picks: null,
      title: WORDS.net_data,
    }),
    lead: () =>
      lead(ROW_COUNT > 1 ? "lead_data_rows" : "lead_data", {
        rows: many("rows", ROW_COUNT),
        numbers: many("numbers", DATA.data.width),
      }),
    panel: state => {
      const { x, weight, columns, width } = DATA.data;
      const names = columns.map(column =>
        DATA.data.feature_names ? String(DATA.data.feature_names[column]) : `x${column}`,
      );
      const shown = names.slice(0, 12);
      const more = width - shown.length;
      const rows = x.map((line, r) =>
        el(
          "tr",
          { class: r === state.row && ROW_COUNT > 1 ? "here" : null },
          el("th", { scope: "row" }, rowAt(r)),
          line.slice(0, 12).map(value => el("td", {}, num(value))),
          more > 0 ? el("td", {}, "\u2026") : null,
          el("td", { class: "target" }, targetText(r)),
          weight ? el("td", {}, num(weight[r])) : null,
        ),
      );
      return [
        table(
          WORDS.data_table,
          [
            WORDS.row_head,
            shown,
            more > 0 ? say("more", { count: more }) : [],
            WORDS.target,
            weight ? WORDS.row_weight : [],
          ].flat(),
          rows,
        ),
        ROW_COUNT > ROWS_HERE
          ? el("p", { class: "note" }, tell("rows_left", { shown: ROWS_HERE, rows: ROW_COUNT }))
          : null,
        STANDARDIZE
          ? [
              table(
                say("standardized", { ...STANDARD, row: rowAt(state.row) }),
                [WORDS.column, WORDS.less_mean, WORDS.gets],
                STAGES[0].units.slice(0, 12).map((_, place) => {
                  const parts = standardized(state.row, place);
                  return el(
                    "tr",
                    {},
                    el("th", { scope: "row" }, nameOf(0, place)),
                    el("td", {}, parts.slice(0, -2)),
                    el("td", {}, parts.at(-1)),
                  );
                }),
              ),
              el("p", { class: "note" }, tell("standardized_note", STANDARD)),
            ]
          : null,
        el(
          "dl",
          { class: "facts" },
          el("dt", {}, WORDS.model),
          el("dd", {}, el("code", {}, DATA.model.text)),
          el("dt", {}, WORDS.optimizer),
          el("dd", {}, el("code", {}, DATA.optimizer.text)),
          el("dt", {}, WORDS.parameters),
          el("dd", {}, count(DATA.model.parameters), ` ${DATA.model.dtype}`),
        ),
      ];
    },
  },

  forward: {
    look: state => ({
      value: (stage, place) => answer(stage, state.row, place),
      share: strength(state.row),
      under: rawUnder(state.row),
      weight: weight => weight.before,
      strong: weight => weight.stage === state.neuron[0] && weight.j === state.neuron[1],
      picks: "neurons",
      picked: state.neuron.join(":"),
      pick: state.pickNeuron,
      title: WORDS.net_forward,
      said: key => {
        const [stage, place] = key.split(":").map(Number);
        return say("neuron_said", {
          name: nameOf(stage, place),
          value: short(answer(stage, state.row, place)),
        });
      },
    }),
    lead: () => lead("lead_forward", {}),
    panel: state => [
      neuronCard(...state.neuron, state.row),
      el(
        "p",
        { class: "buttons" },
        el(
          "button",
          { type: "button", "data-key": "before", onclick: () => state.stepNeuron(-1) },
          WORDS.neuron_before,
        ),
        el(
          "button",
          { type: "button", "data-key": "next", onclick: () => state.stepNeuron(1) },
          WORDS.neuron_next,
        ),
      ),
      el("p", { class: "note" }, tell("listen_ignore")),
      analogies("neuron", "weight", "bias", "threshold"),
    ],
  },

  loss: {
    look: state => ({
      value: (stage, place) => answer(stage, state.row, place),
      share: strength(state.row),
      under: targetUnder(state.row),
      weight: weight => weight.before,
      strong: () => false,
      picks: null,
      side: "end",
      title: WORDS.net_loss,
    }),
    lead: () => lead("lead_loss", { loss: res(LOSS.value) }),
    panel: state => {
      const places = STAGES[LAST].units.map((unit, place) => [unit, place]);
      const chances = LOSS.probabilities;
      const target = place => {
        const value = wanted(state.row, place);
        return value === null
          ? ""
          : value === true
            ? WORDS.the_target
            : value === false
              ? ""
              : Number.isNaN(value)
                ? WORDS.missing
                : num(value);
      };
      return [
        el(
          "section",
          { class: "card" },
          el("h3", {}, el("code", {}, LOSS.text)),
          el("p", {}, LOSS.formula),
          el("p", { class: "sum" }, LOSS.filled),
          ROW_COUNT > 1 && LOSS.filled_rows && LOSS.filled_rows.length
            ? el(
                "p",
                { class: "sum" },
                say("row", { row: rowAt(state.row) }),
                ": ",
                LOSS.filled_rows[state.row],
              )
            : null,
          el("p", { class: "big" }, tell("loss_is", { loss: res(LOSS.value, 6) })),
        ),
        LOSS.clueless && LOSS.clueless.value !== null
          ? el(
              "section",
              { class: "card" },
              el("h3", {}, WORDS.clueless_head),
              compare([
                [WORDS.this_net, LOSS.value, "own"],
                [WORDS.clueless_net, LOSS.clueless.value, "other"],
              ]),
              el("p", {}, LOSS.clueless.text),
              el(
                "p",
                {},
                tell(LOSS.value < LOSS.clueless.value ? "better_than_clueless" : "worse_than_clueless"),
              ),
            )
          : null,
        table(
          say("answers", { row: rowAt(state.row) }),
          [WORDS.neuron_head, WORDS.answer, chances ? WORDS.probability : [], WORDS.target].flat(),
          places.map(([unit, place]) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, nameOf(LAST, place)),
              el("td", {}, res(LOSS.prediction[state.row][unit])),
              chances ? el("td", {}, res(chances[state.row][unit])) : null,
              el("td", {}, target(place)),
            ),
          ),
        ),
        LOSS.prediction_text ? el("p", { class: "note" }, LOSS.prediction_text) : null,
        analogies("loss"),
        ROW_COUNT > 1 && LOSS.rows
          ? table(
              WORDS.loss_rows,
              [WORDS.row_head, WORDS.loss, ""],
              LOSS.rows.map((value, r) =>
                el(
                  "tr",
                  { class: r === state.row ? "here" : null },
                  el("th", { scope: "row" }, rowAt(r)),
                  el("td", {}, res(value)),
                  el("td", {}, bar(value, largestOf(LOSS.rows))),
                ),
              ),
            )
          : null,
      ];
    },
  },

  blame: {
    look: state => ({
      value: (stage, place) => blameAt(stage, state.row, place),
      under: null,
      weight: weight => weight.grad,
      strong: null,
      picks: "weights",
      picked: state.weight,
      pick: state.pick,
      back: true,
      title: WORDS.net_blame,
      said: key => weightSaid(key, "gradient", weight => weight.grad),
    }),
    lead: () => lead("lead_blame", {}),
    panel: state => [
      chooser(state),
      weightOf(state.weight) ? chainCard(weightOf(state.weight), state.row) : null,
      el(
        "section",
        { class: "card" },
        el("h3", {}, WORDS.top_head),
        entriesOf(
          DATA.blame.top
            .slice(0, 10)
            .map(entry => ({ code: codeOf(entry.parameter, entry.index), value: entry.grad })),
          state,
        ),
      ),
      analogies("blame"),
      STAGES.map((_, stage) => insides(stage, state.row, "blame")),
      DATA.large ? histograms("gradient") : null,
    ],
  },

  fog: {
    lead: () => lead("lead_fog", { direction: FOG.direction }),
    figure: (state, width) =>
      el(
        "div",
        {},
        drawFog(width, state.rate),
        el(
          "label",
          { class: "chooser" },
          WORDS.try_rate,
          el("input", {
            type: "range",
            class: "own-keys",
            min: 0,
            max: FOG.rates.length - 1,
            value: state.rate,
            "data-key": "rate",
            "aria-valuetext": say("tried", {
              rate: short(FOG.rates[state.rate]),
              loss: short(FOG.losses[state.rate]),
            }).concat(" ", zoneName(looked(state).label)),
            oninput: event => state.pickRate(Number(event.target.value)),
          }),
        ),
        el(
          "p",
          { class: "tried" },
          tell("tried", { rate: num(FOG.rates[state.rate]), loss: res(FOG.losses[state.rate], 5) }),
        ),
      ),
    panel: state => [
      verdictCard(looked(state)),
      el(
        "dl",
        { class: "legend" },
        [
          ["now", FOG.loss_before, null],
          ["own", FOG.loss_after, null],
          ["promised", FOG.forecast, null],
          ...(FOG.best_rate === null ? [] : [["best", FOG.best_loss, FOG.best_rate]]),
        ].map(([kind, loss, rate]) => [
          el(
            "dt",
            {},
            el("span", { class: `key ${kind}`, "aria-hidden": "true" }),
            tell(`key_${kind}`, { rate: num(rate === null ? FOG.rate : rate) }),
          ),
          el("dd", {}, res(loss, 6)),
        ]),
      ),
      el(
        "p",
        { class: "note" },
        tell(FOG.curvature < 0 ? "curvature_down" : "curvature_up", { curvature: res(FOG.curvature) }),
      ),
    ],
  },

  update: {
    look: state => ({
      value: (stage, place) =>
        stage === LAST ? DATA.update.prediction_after[state.row][STAGES[LAST].units[place]] : null,
      under: targetUnder(state.row),
      weight: weight => weight.after,
      strong: null,
      picks: "weights",
      picked: state.weight,
      pick: state.pick,
      title: WORDS.net_update,
      said: key => weightSaid(key, "after", weight => weight.after),
    }),
    lead: () => lead("lead_update", { rule: WORDS[`rule_${RULE}`] || WORDS.rule_other, rate: num(RATE) }),
    panel: state => {
      const change = weight => weight.after - weight.before;
      const largest = largestOf(WEIGHTS.map(change));
      const listed = DATA.large
        ? [...WEIGHTS].sort((a, b) => Math.abs(change(b)) - Math.abs(change(a))).slice(0, 20)
        : WEIGHTS;
      const weight = weightOf(state.weight);
      return [
        el(
          "section",
          { class: "card" },
          el("h3", {}, WORDS.loss),
          compare([
            [WORDS.before, DATA.update.loss_before, "other"],
            [WORDS.after, DATA.update.loss_after, "own"],
            [WORDS.promised, FOG.forecast, "ghost"],
          ]),
          el("p", {}, DATA.update.text),
        ),
        chooser(state),
        weight
          ? el(
              "section",
              { class: "card of-weight" },
              el("h3", {}, weight.name, " ", el("code", {}, weight.code)),
              el("p", { class: "sum said-too" }, res(weight.before, 8), " \u2192 ", res(weight.after, 8)),
              el(
                "p",
                {},
                tell(change(weight) ? "moved" : "not_moved", {
                  change: res(change(weight)),
                  gradient: res(weight.grad),
                }),
              ),
              weight.frozen ? el("p", {}, WORDS.frozen) : arithmetic(weight),
            )
          : null,
        table(
          say("answers", { row: rowAt(state.row) }),
          [WORDS.neuron_head, WORDS.before, WORDS.after, WORDS.target],
          STAGES[LAST].units.map((unit, place) => {
            const target = wanted(state.row, place);
            return el(
              "tr",
              {},
              el("th", { scope: "row" }, nameOf(LAST, place)),
              el("td", {}, res(DATA.update.prediction_before[state.row][unit])),
              el("td", {}, res(DATA.update.prediction_after[state.row][unit])),
              el(
                "td",
                {},
                target === true ? WORDS.the_target : target === false || target === null ? "" : num(target),
              ),
            );
          }),
        ),
        table(
          DATA.large ? WORDS.moved_most : WORDS.all_weights,
          [WORDS.weight, WORDS.before, WORDS.after, WORDS.change, ""],
          listed.map(one =>
            el(
              "tr",
              { class: one.code === state.weight ? "here" : null, "data-code": one.code },
              el("th", { scope: "row" }, one.name, " ", el("code", {}, one.code)),
              el("td", {}, res(one.before)),
              el("td", {}, res(one.after)),
              el("td", {}, res(change(one))),
              el("td", {}, bar(change(one), largest)),
            ),
          ),
        ),
        DATA.state.length
          ? table(
              WORDS.kept,
              [WORDS.kept_name, WORDS.before, WORDS.after],
              DATA.state.flatMap(({ name, before, after }) =>
                before.map((value, n) =>
                  el(
                    "tr",
                    {},
                    el("th", { scope: "row" }, el("code", {}, `${name}[${n}]`)),
                    el("td", {}, res(value)),
                    el("td", {}, res(after[n])),
                  ),
                ),
              ),
            )
          : null,
        DATA.large ? [histograms("change"), histograms("value")] : null,
      ];
    },
  },

  proof: {
    look: state => ({
      value: null,
      under: null,
      weight: weight => weight.before,
      strong: null,
      picks: "weights",
      picked: state.weight,
      pick: state.pick,
      title: WORDS.net_proof,
      said: key => weightSaid(key, "value", weight => weight.before),
    }),
    lead: () => lead("lead_proof", {}),
    panel: state => [
      chooser(state),
      proofCard(state.weight, weightOf(state.weight), state),
      el("p", {}, DATA.proof.text),
      table(
        WORDS.all_checks,
        [WORDS.weight, WORDS.difference, WORDS.backpropagation, WORDS.digits],
        DATA.proof.checks.map(check => {
          const code = codeOf(check[0], check[1]);
          const weight = weightOf(code);
          return el(
            "tr",
            { class: code === state.weight ? "here" : null, "data-code": code },
            el("th", { scope: "row" }, weight ? [weight.name, " "] : null, el("code", {}, code)),
            el("td", {}, res(check[5])),
            el("td", {}, res(check[6])),
            el("td", {}, check[8] ? check[8] : digitsOf(check[7])),
          );
        }),
      ),
    ],
  },
};
