// What can be carried away: a link, a file, the code in nnlite, a picture.

const toBase64 = bytes => {
  let text = "";
  for (let n = 0; n < bytes.length; n += 8192) text += String.fromCharCode(...bytes.subarray(n, n + 8192));
  return btoa(text);
};
const deflated = async bytes =>
  new Uint8Array(
    await new Response(
      new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate")),
    ).arrayBuffer(),
  );
// Numbers as `unpack` reads them; see `pack` in contents.py.
const pack = async numbers => {
  const size = numbers.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(numbers.slice().buffer);
  const planes = new Uint8Array(bytes.length);
  for (let n = 0; n < numbers.length; n++)
    for (let b = 0; b < size; b++) planes[b * numbers.length + n] = bytes[n * size + b];
  return { kind: `f${size}`, data: toBase64(await deflated(planes)) };
};

// The state as it stands: what was set, and the weights with all that training has kept beside them.
const stateNow = async () => {
  const kept = {};
  for (const name in optimizer.kept) kept[name] = await pack(optimizer.kept[name]);
  return {
    format: 1,
    dtype: C.dtype,
    layers: net.layers.map(layer => ({ ...layer.given })),
    feature_names: plainFeatures() ? C.feature_names : inputNames(),
    values: await pack(net.values),
    settings,
    training: {
      steps: optimizer.steps,
      kept,
      order: training.order.state,
      epoch: training.epoch,
      at: training.at,
      orderNow: training.orderNow ? Array.from(training.orderNow) : null,
    },
  };
};
const goTo = async state => {
  settings = state.settings;
  begin();
  net.values.set(await unpack(state.values));
  if (state.training) {
    optimizer.steps = state.training.steps;
    for (const name in state.training.kept)
      optimizer.kept[name] = new net.Real(await unpack(state.training.kept[name]));
    training.order.state = state.training.order;
    training.epoch = state.training.epoch;
    training.at = state.training.at;
    training.orderNow = state.training.orderNow;
  }
};

// A link holds what was set, and the weights where they fit into an address.
const MOST_IN_ADDRESS = 1500;
const linkOf = async () => {
  const state = await stateNow();
  if (net.values.length > MOST_IN_ADDRESS) return null;
  const bytes = await deflated(new TextEncoder().encode(JSON.stringify(state)));
  return `${location.href.split("#")[0]}#${toBase64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "")}`;
};
const fromAddress = async () => {
  const text = location.hash.slice(1);
  if (text.length < 40) return null;
  try {
    const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), sign =>
      sign.charCodeAt(0),
    );
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  } catch {
    return null; // an address that was cut off: the page opens as it is
  }
};

const download = (name, blob) => {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

// How Python writes a number, a layer, a loss.
const inPython = value =>
  value === null
    ? "None"
    : value === true
      ? "True"
      : value === false
        ? "False"
        : Array.isArray(value)
          ? `[${value.map(inPython).join(", ")}]`
          : typeof value === "string"
            ? JSON.stringify(value)
            : String(value);
const callOf = (kind, given, plain) => {
  const said = Object.entries(given).filter(
    ([name, value]) =>
      !["kind", "frozen", "mean", "scale"].includes(name) &&
      value !== null &&
      !(name in plain && sameAs(plain[name], value)),
  );
  return `nn.${kind}(${said.map(([name, value]) => `${name}=${inPython(value)}`).join(", ")})`;
};
const startOf = ({ kind, ...given }) => `nn.initializers.${callOf(kind, given, {}).slice(3)}`;
const layerCode = layer => {
  const { kind } = layer;
  if (kind === "Dense") {
    const starts = ["weight_initializer", "bias_initializer"]
      .filter(name => layer[name])
      .map(name => `, ${name}=${startOf(layer[name])}`);
    return `nn.Dense(${layer.in_features}, ${layer.out_features}${layer.bias ? "" : ", bias=False"}${starts.join("")})`;
  }
  if (kind === "Dropout") return `nn.Dropout(${layer.rate})`;
  if (kind === "Standardize") return `nn.Standardize(${layer.features})`;
  if (kind === "Flatten")
    return `nn.Flatten(${Array.isArray(layer.shape) ? `(${layer.shape.join(", ")}${layer.shape.length === 1 ? "," : ""})` : layer.shape})`;
  return callOf(kind, layer, ACTIVATION_CHOICES[kind] || {});
};
// The net, and the training so far, in nnlite: from the same rows it gives the same weights.
const codeNow = () => {
  const layers = layersOf();
  const asLearned =
    C.drawn && settings.seed === null ? (C.seed.key.length ? null : C.seed.entropy) : settings.seed;
  // A group around each Dense and not around all: so each draws from a stream of its own, as without groups.
  const penalties = ["l1", "l2"].filter(name => settings[name]).map(name => `, ${name}=${settings[name]}`);
  const written = layers.map(layer => {
    const code = layerCode(layer);
    return penalties.length && layer.kind === "Dense"
      ? `nn.ParameterGroup([${code}]${penalties.join("")})`
      : code;
  });
  const inside = `[\n${written.map(code => `    ${code},`).join("\n")}\n]`;
  const { kind, ...given } = settings.optimizer;
  const defaults = {
    weight_decay: kind === "AdamW" ? 0.01 : 0,
    clip_norm: null,
    clip_value: null,
    ...OPTIMIZER_DEFAULTS[kind],
  };
  const { learning_rate: rate, ...others } = given;
  const epochs = Math.max(training.epoch - (training.at < data.rows ? 1 : 0), 1);
  const frozen = layers.map((layer, n) => (layer.frozen ? `model[${n}].freeze()\n` : "")).join("");
  const lines = [
    "import numpy as np",
    "import nnlite as nn",
    "",
    WORDS[C.rows > C.data.count ? "code_data_drawn" : "code_data"],
    settings.noise
      ? `X = X + ${settings.noise} * X.std(axis=0) * np.random.default_rng(0).normal(size=X.shape)`
      : null,
    plainFeatures()
      ? null
      : `X = np.column_stack([${settings.features.map(n => FEATURES[n].code).join(", ")}])`,
    asLearned === null ? WORDS.code_start : null,
    `model = nn.Sequential(${inside}${C.dtype === "float64" ? ", dtype=np.float64" : ""}, rng=${asLearned === null ? 0 : asLearned})`,
    frozen ? frozen.trimEnd() : null,
    `history = model.fit(`,
    `    X, y, loss=${lossCode()}, optimizer=nn.${kind}(${[
      rate,
      ...Object.entries(others)
        .filter(([name, value]) => name !== "made" && !(name in defaults && sameAs(defaults[name], value)))
        .map(([name, value]) => `${name}=${inPython(value)}`),
    ].join(", ")}),`,
    `    epochs=${epochs}, batch_size=${Math.min(settings.batch, data.rows)}${GIVEN.testX ? ", validation=(X_validation, y_validation)" : settings.share ? `, validation=${settings.share}` : ""},`,
    ")",
  ];
  return lines.filter(line => line !== null).join("\n");
};
const lossCode = () => {
  const { kind, ...given } = C.loss;
  return callOf(kind, given, { label_smoothing: 0, pos_weight: null });
};

// Net, output and curves side by side as one picture.
const pictureNow = () => {
  const dense = netCanvas.width / parseFloat(netCanvas.style.width);
  const all = [outputCanvas, lossCanvas, rightCanvas].filter(canvas => canvas.width && canvas.isConnected);
  const picture = document.createElement("canvas");
  picture.width = netCanvas.width + Math.max(...all.map(canvas => canvas.width)) + 40 * dense;
  picture.height =
    Math.max(
      netCanvas.height,
      all.reduce((sum, canvas) => sum + canvas.height, 0),
    ) +
    20 * dense;
  const pen = picture.getContext("2d");
  pen.fillStyle = COLOURS.paper;
  pen.fillRect(0, 0, picture.width, picture.height);
  pen.drawImage(netCanvas, 10 * dense, 10 * dense);
  let y = 10 * dense;
  for (const canvas of all) {
    pen.drawImage(canvas, netCanvas.width + 30 * dense, y);
    y += canvas.height;
  }
  return new Promise(done => picture.toBlob(done, "image/png"));
};

const shownText = el("textarea", { readonly: true, rows: 16, spellcheck: "false", "aria-label": WORDS.code });
const codeBox = el(
  "dialog",
  { class: "code-box", "aria-label": WORDS.code },
  shownText,
  el(
    "p",
    { class: "buttons" },
    button("copy", () => copy(shownText.value)),
    button("close", () => codeBox.close()),
  ),
);
const copy = async text => {
  try {
    await navigator.clipboard.writeText(text);
    aloud.textContent = awayNote.textContent = WORDS.copied;
  } catch {
    shownText.value = text; // where a page may not write to the clipboard, the reader may
    if (!codeBox.open) codeBox.showModal();
    shownText.select();
  }
};
const awayNote = el("span", { class: "note", role: "status" });
const opener = el("input", {
  type: "file",
  accept: ".json",
  hidden: true,
  onchange: async () => {
    try {
      const state = JSON.parse(await opener.files[0].text());
      if (state.format !== 1 || !state.settings) throw new Error();
      await goTo(state);
      ground = groundOf();
      plan = anchor = null;
      play.chosen = null;
      lookAt(worst());
      renderControls();
      touched();
      awayNote.textContent = WORDS.opened;
    } catch {
      awayNote.textContent = WORDS.not_opened;
    }
    opener.value = "";
  },
});
const away = el(
  "section",
  { class: "away", "aria-label": WORDS.carry_away },
  el("h2", {}, WORDS.carry_away),
  el(
    "p",
    { class: "buttons" },
    button("copy_link", async () => {
      const link = await linkOf();
      if (link) copy(link);
      else awayNote.textContent = say("too_long", { most: MOST_IN_ADDRESS });
    }),
    button("code", () => {
      shownText.value = codeNow();
      codeBox.showModal();
    }),
    button("save", async () =>
      download("playground.json", new Blob([JSON.stringify(await stateNow())], { type: "application/json" })),
    ),
    button("open", () => opener.click()),
    button("picture", async () => download("playground.png", await pictureNow())),
    awayNote,
    opener,
  ),
  codeBox,
);
