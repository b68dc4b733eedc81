// What each optimizer does with a gradient: its sentence, and its arithmetic with the numbers of one weight.

const { settings: SETTINGS, learning_rate: RATE } = DATA.optimizer;
const T = DATA.optimizer.step + 1;
const RULE =
  DATA.optimizer.name === "SGD" && SETTINGS && SETTINGS.momentum
    ? SETTINGS.nesterov
      ? "nesterov"
      : "momentum"
    : DATA.optimizer.name;

// The lines of each rule, as keys of words.json with their numbers. `g` is the gradient as the rule gets it,
// `slots` what is kept, each before and after the step; the last line has the change itself.
const ratio = (way, square, scale = 1) => [
  "line_ratio",
  { way, second: square, epsilon: SETTINGS.epsilon * scale },
];
const mean = (key, share, [old, now], g) => [key, { share, rest: 1 - share, old, gradient: g, new: now }];
const moments = (g, [first, second, largest]) => {
  const { beta1, beta2 } = SETTINGS;
  // They are kept without the factor that makes them means.
  const [m, v] = [first.map(value => (1 - beta1) * value), second.map(value => (1 - beta2) * value)];
  const square = largest ? (1 - beta2) * largest[1] : v[1];
  return {
    lines: [
      mean("line_first", beta1, m, g),
      mean("line_second", beta2, v, g),
      ...(largest ? [["line_largest", { new: square }]] : []),
    ],
    first: m[1],
    second: square,
    mean: m[1] / (1 - beta1 ** T),
    square: square / (1 - beta2 ** T),
  };
};
const adam = (g, slots) => {
  const { lines, ...found } = moments(g, slots);
  const start = ["line_start", { ...found, beta1: SETTINGS.beta1, beta2: SETTINGS.beta2, step: String(T) }];
  return [...lines, start, ratio(found.mean, found.square)];
};
const velocity = (g, [[old, now]]) => [
  "line_velocity",
  { share: SETTINGS.momentum, old, gradient: g, new: now },
];
const RULES = {
  SGD: g => [["line_step", { way: g }]],
  momentum: (g, slots) => [velocity(g, slots), ["line_step", { way: slots[0][1] }]],
  nesterov: (g, slots) => [
    velocity(g, slots),
    ["line_ahead", { gradient: g, share: SETTINGS.momentum, way: slots[0][1] }],
  ],
  Adam: adam,
  AdamW: adam,
  NAdam: (g, slots) => moments(g, slots).lines,
  RMSProp: (g, [square, speed]) => {
    const line = mean("line_second", SETTINGS.rho, square, g);
    const { epsilon } = SETTINGS;
    if (!speed) return [line, ratio(g, square[1])];
    const [old, now] = speed;
    const blanks = { share: SETTINGS.momentum, old, gradient: g, second: square[1], epsilon, new: now };
    return [line, ["line_velocity_of", blanks], ["line_step", { way: now }]];
  },
  Adagrad: (g, [[old, now]]) => [["line_squares", { old, gradient: g, new: now }], ratio(g, now)],
  Lion: (g, [[old, now]]) => {
    const { beta1, beta2 } = SETTINGS;
    const mixed = beta1 * old + (1 - beta1) * g;
    return [
      mean("line_mix", beta1, [old, mixed], g),
      mean("line_mean", beta2, [old, now], g),
      ["line_sign", { way: mixed }],
    ];
  },
};
// Optimizers whose decay stands apart from the gradient.
const APART = ["AdamW", "Lion"];

// The arithmetic of one weight's step: lines of words and numbers, or none where it is not known.
const stepLines = weight => {
  if (!SETTINGS || weight.frozen) return [];
  const lines = [];
  const change = weight.after - weight.before;
  let g = weight.grad;
  if (weight.clipped !== null) {
    g = weight.clipped;
    lines.push(["line_clipped", { gradient: weight.grad, new: g }]);
  }
  const decay = weight.decay ? SETTINGS.weight_decay || 0 : 0;
  const apart = APART.includes(RULE);
  if (decay && !apart) {
    const blanks = { gradient: g, decay, before: weight.before };
    g += decay * weight.before;
    lines.push(["line_decay", { ...blanks, new: g }]);
  }
  const slots = weight.kept.map(([, ...both]) => both);
  const rule = Object.hasOwn(RULES, RULE) ? RULES[RULE](g, slots) : null;
  if (!rule) for (const [slot, old, now] of weight.kept) lines.push(["line_kept", { slot, old, new: now }]);
  const drawn = decay && apart ? -RATE * decay * weight.before : 0;
  const last = rule && rule[rule.length - 1];
  if (last && /step|ahead|ratio|sign/.test(last[0]))
    Object.assign(last[1], { rate: RATE, new: change - drawn });
  if (drawn) lines.push(["line_shrink", { rate: RATE, decay, before: weight.before, new: drawn }]);
  lines.push(...(rule || []));
  if (drawn) lines.push(["line_both", { new: change }]);
  return lines;
};
const arithmetic = weight => {
  const lines = stepLines(weight).map(([key, { slot, ...numbers }]) => {
    const blanks = Object.entries(numbers).map(([name, value]) => [
      name,
      ["new", "mean", "square"].includes(name)
        ? res(value)
        : typeof value === "string"
          ? value // it may stand in a line twice, which a node cannot
          : ["rate", "share", "rest", "epsilon"].includes(name)
            ? num(value)
            : within(value),
    ]);
    return el("li", { class: "sum" }, tell(key, { slot, ...Object.fromEntries(blanks) }));
  });
  return lines.length ? el("ol", { class: "lines" }, lines) : null;
};
