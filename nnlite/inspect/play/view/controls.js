// The bars at the top: playing, and all that can be set.

const choice = (label, options, chosen, change, key) =>
  el(
    "label",
    { class: "control" },
    el("span", {}, WORDS[label]),
    el(
      "select",
      { "data-key": key || label, onchange: event => change(event.target.value) },
      options.map(([value, text]) =>
        el("option", { value, selected: String(value) === String(chosen) }, text),
      ),
    ),
  );

// A slider over some values, with the value beside it.
const dial = (label, values, chosen, change, text = value => short(value, 3)) => {
  const nearest = values.reduce(
    (best, value, n) => (Math.abs(value - chosen) < Math.abs(values[best] - chosen) ? n : best),
    0,
  );
  const shown = el("output", {}, text(chosen));
  const range = el("input", {
    type: "range",
    min: 0,
    max: values.length - 1,
    step: 1,
    value: nearest,
    "aria-label": WORDS[label],
    "aria-valuetext": text(chosen),
    "data-key": label,
    oninput: () => {
      const value = values[Number(range.value)];
      shown.textContent = text(value);
      range.setAttribute("aria-valuetext", text(value));
      change(value);
    },
  });
  return el("label", { class: "control" }, el("span", {}, WORDS[label], " ", shown), range);
};

const RATES = Array.from({ length: 61 }, (_, n) => Number((10 ** (-5 + n / 10)).toPrecision(2)));
const PENALTIES = [0, 1e-5, 3e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
const SHARES = Array.from({ length: 17 }, (_, n) => n * 0.05);
const percent = value => `${Math.round(100 * value)} %`;
const SPEEDS = [1, 5, 60, 600, Infinity]; // steps a second

// The settings of each optimizer that are not set by sliders, as nnlite has them at first.
const OPTIMIZER_DEFAULTS = {
  SGD: { momentum: 0, nesterov: false },
  "SGD momentum": { kind: "SGD", momentum: 0.9, nesterov: false },
  Adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false },
  AdamW: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false, weight_decay: 0.01 },
  NAdam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 0.004 },
  RMSProp: { rho: 0.99, momentum: 0, epsilon: 1e-8 },
  Adagrad: { epsilon: 1e-10 },
  Lion: { beta1: 0.9, beta2: 0.99 },
};
const optimizerName = ({ kind, momentum }) => (kind === "SGD" && momentum ? "SGD momentum" : kind);
const setOptimizer = name => {
  settings.optimizer =
    name === optimizerName(C.optimizer)
      ? { ...C.optimizer, learning_rate: settings.optimizer.learning_rate }
      : {
          kind: name,
          weight_decay: 0,
          clip_norm: null,
          clip_value: null,
          ...OPTIMIZER_DEFAULTS[name],
          learning_rate: settings.optimizer.learning_rate,
        };
  // What the old one kept is of no use to another.
  optimizer = training.optimizer = new Optimizer(settings.optimizer);
};
// The activations that can be chosen, with what they are made with.
const ACTIVATION_CHOICES = {
  ReLU: {},
  LeakyReLU: { negative_slope: 0.01 },
  ELU: { alpha: 1 },
  GELU: { approximate: false },
  SiLU: {},
  Softplus: {},
  Tanh: {},
  Sigmoid: {},
  Step: {},
};

const restart = () => {
  begin();
  ground = groundOf();
  plan = null;
  anchor = null;
  if (
    play.chosen &&
    (play.chosen.stage > LASTLY() ||
      play.chosen.unit >= widthAt(play.chosen.stage) ||
      (play.chosen.from || 0) >= widthAt(play.chosen.stage - 1 > 0 ? play.chosen.stage - 1 : 0))
  )
    play.chosen = null;
  if (play.row === null || play.row.r >= partOf(play.row).rows) lookAt(worst());
  else lookAt(play.row);
  renderControls();
  touched();
};

const run = on => {
  play.running = on;
  renderControls();
  touched();
};
const oneStep = () => {
  if (!training.step()) return diverged();
  note();
  touched();
};
const oneEpoch = () => {
  const epoch = training.at >= data.rows ? training.epoch + 1 : training.epoch;
  do if (!training.step()) return diverged();
  while (training.epoch < epoch || training.at < data.rows);
  note();
  touched();
};
const diverged = () => {
  play.running = false;
  play.broken = true;
  renderControls();
  touched();
};

const stageEditor = () =>
  el(
    "div",
    { class: "stages" },
    settings.stages.slice(0, -1).map((stage, n) => {
      const { dense, rest } = stage;
      const place = rest.findIndex(layer => layer.kind in ACTIVATIONS || layer.kind === "Softmax");
      const drop = rest.findIndex(layer => layer.kind === "Dropout");
      const units = change => {
        const next = Math.min(Math.max(dense.out_features + change, 1), 128);
        dense.out_features = next;
        settings.stages[n + 1].dense.in_features = next;
        restart();
      };
      const kinds = Object.keys(ACTIVATION_CHOICES);
      const kind = place < 0 ? "" : rest[place].kind;
      if (kind && !kinds.includes(kind)) kinds.push(kind);
      const name = say("hidden", { number: n + 1 });
      return el(
        "fieldset",
        { class: "stage-card" },
        el("legend", {}, name),
        el(
          "span",
          { class: "units" },
          el(
            "button",
            {
              type: "button",
              "aria-label": say("fewer", { name }),
              "data-key": `fewer:${n}`,
              onclick: () => units(-1),
              disabled: dense.out_features <= 1,
            },
            "\u2212",
          ),
          el("output", {}, String(dense.out_features)),
          el(
            "button",
            {
              type: "button",
              "aria-label": say("more_units", { name }),
              "data-key": `more:${n}`,
              onclick: () => units(1),
              disabled: dense.out_features >= 128,
            },
            "+",
          ),
        ),
        el(
          "select",
          {
            "aria-label": say("activation_of", { name }),
            "data-key": `activation:${n}`,
            onchange: event => {
              const given = event.target.value && {
                kind: event.target.value,
                ...(C.layers.find(layer => layer.kind === event.target.value) ||
                  ACTIVATION_CHOICES[event.target.value]),
              };
              if (place >= 0) rest.splice(place, 1, ...(given ? [given] : []));
              else if (given) rest.unshift(given);
              restart();
            },
          },
          [["", WORDS.no_activation], ...kinds.map(one => [one, one])].map(([value, text]) =>
            el("option", { value, selected: value === kind }, text),
          ),
        ),
        el(
          "select",
          {
            "aria-label": say("dropout_of", { name }),
            "data-key": `dropout:${n}`,
            onchange: event => {
              const rate = Number(event.target.value);
              if (drop >= 0) rest.splice(drop, 1, ...(rate ? [{ kind: "Dropout", rate }] : []));
              else if (rate) rest.push({ kind: "Dropout", rate });
              restart();
            },
          },
          [...new Set([0, 0.1, 0.2, 0.3, 0.5, 0.8, drop >= 0 ? rest[drop].rate : 0])]
            .sort((a, b) => a - b)
            .map(rate =>
              el(
                "option",
                { value: rate, selected: rate === (drop >= 0 ? rest[drop].rate : 0) },
                rate ? say("dropout", { rate: percent(rate) }) : WORDS.no_dropout,
              ),
            ),
        ),
        el(
          "button",
          {
            type: "button",
            "aria-label": say("remove", { name }),
            title: say("remove", { name }),
            "data-key": `remove:${n}`,
            onclick: () => {
              settings.stages.splice(n, 1);
              restart();
            },
          },
          "\u00d7",
        ),
      );
    }),
    el(
      "button",
      {
        type: "button",
        "data-key": "add_layer",
        disabled: settings.stages.length > 8,
        onclick: () => {
          const before = settings.stages[settings.stages.length - 2];
          const units = before ? before.dense.out_features : 4;
          const rest = before ? before.rest.map(layer => ({ ...layer })) : [{ kind: "Tanh" }];
          settings.stages.splice(-1, 0, {
            dense: {
              kind: "Dense",
              in_features: units,
              out_features: units,
              bias: true,
              weight_initializer: null,
              bias_initializer: null,
            },
            rest,
          });
          restart();
        },
      },
      WORDS.add_layer,
    ),
  );

const toolbar = el("div", { class: "toolbar" });
const options = el("div", { class: "options" });
const renderControls = () => {
  document.documentElement.toggleAttribute("data-projector", Boolean(settings.projector));
  const focused = document.activeElement && document.activeElement.dataset.key;
  toolbar.replaceChildren(
    el(
      "button",
      {
        type: "button",
        class: "play",
        "data-key": "play",
        "aria-pressed": String(play.running),
        onclick: () => run(!play.running),
      },
      play.running ? "\u275a\u275a " : "\u25b6 ",
      WORDS[play.running ? "pause" : "play"],
    ),
    button("step", oneStep),
    button("explain", openStep),
    button("one_epoch", oneEpoch),
    button("reset", () => {
      play.running = play.broken = false;
      forgetExercises();
      restart();
    }),
    button(
      "projector",
      () => {
        settings.projector = !settings.projector;
        renderControls();
        touched();
      },
      { "aria-pressed": String(Boolean(settings.projector)), class: "toggle" },
    ),
    choice(
      "speed",
      [WORDS.speed_slow, WORDS.speed_walk, WORDS.speed_brisk, WORDS.speed_run, WORDS.speed_all].map(
        (text, n) => [n, text],
      ),
      play.speed,
      value => (play.speed = Number(value)),
    ),
    counters,
  );
  options.replaceChildren(
    ...[
      dial(
        "learning_rate",
        RATES,
        settings.optimizer.learning_rate,
        value => {
          settings.optimizer.learning_rate = value;
          optimizer.given.learning_rate = value;
          touched();
        },
        value => short(value, 2),
      ),
      choice(
        "optimizer",
        [...new Set([...Object.keys(OPTIMIZER_DEFAULTS)])].map(name => [name, name]),
        optimizerName(settings.optimizer),
        name => {
          setOptimizer(name);
          renderControls();
          touched();
        },
      ),
      dial(
        "batch_size",
        [
          ...new Set(
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
              .filter(size => size < data.rows)
              .concat(Math.min(C.batch, data.rows), data.rows),
          ),
        ].sort((a, b) => a - b),
        Math.min(settings.batch, data.rows),
        value => {
          settings.batch = training.batch = value;
        },
        value => (value >= data.rows ? say("all_rows", { count: data.rows }) : String(value)),
      ),
      dial("l1", PENALTIES, settings.l1, value => {
        settings.l1 = value;
      }),
      dial("l2", PENALTIES, settings.l2, value => {
        settings.l2 = value;
      }),
      GIVEN.testX
        ? null
        : dial(
            "held_out",
            SHARES,
            settings.share,
            value => {
              settings.share = Number(value.toFixed(2));
              restart();
            },
            percent,
          ),
      dial(
        "noise",
        SHARES,
        settings.noise,
        value => {
          settings.noise = Number(value.toFixed(2));
          restart();
        },
        percent,
      ),
      el(
        "span",
        { class: "control" },
        el(
          "span",
          {},
          WORDS.start,
          " ",
          el(
            "output",
            {},
            settings.seed === null ? WORDS.start_given : say("start_seed", { seed: settings.seed }),
          ),
        ),
        el(
          "span",
          { class: "buttons" },
          button("new_start", () => {
            settings.seed = settings.seed === null ? 1 : settings.seed + 1;
            play.broken = false;
            restart();
          }),
          settings.seed === null
            ? null
            : button("given_start", () => {
                settings.seed = null;
                play.broken = false;
                restart();
              }),
        ),
      ),
      C.inputs === 2
        ? el(
            "fieldset",
            { class: "features" },
            el("legend", {}, WORDS.features),
            FEATURES.map((feature, n) =>
              el(
                "label",
                {},
                el("input", {
                  type: "checkbox",
                  "data-key": `feature:${n}`,
                  checked: settings.features.includes(n),
                  onchange: event => {
                    const next = settings.features
                      .filter(one => one !== n)
                      .concat(event.target.checked ? [n] : [])
                      .sort((a, b) => a - b);
                    if (!next.length) {
                      event.target.checked = true;
                      return;
                    }
                    settings.features = next;
                    settings.stages[0].dense.in_features = next.length;
                    restart();
                  },
                }),
                feature.name,
              ),
            ),
          )
        : null,
      stageEditor(),
    ].filter(Boolean),
  );
  if (focused) {
    const again = [...document.querySelectorAll("[data-key]")].find(node => node.dataset.key === focused);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
  }
};
