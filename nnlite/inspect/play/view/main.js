// The page itself: what stands where, and the loop that trains and draws.

readColours();
const main = document.querySelector("main");
const counters = el("dl", { class: "counters" });
const netCanvas = el("canvas", { class: "net-canvas", "aria-hidden": "true" });
const neuronButtons = el("div", { class: "neuron-buttons" });
const netBox = el("div", { class: "net-box" }, netCanvas, neuronButtons);
const outputCanvas = el("canvas", { class: "output-canvas" });
const lossCanvas = el("canvas", { role: "img" });
const rightCanvas = el("canvas", { role: "img" });
const inspector = el("div", { class: "inspector" });
const wrongRows = el("p", { class: "wrong" });
const aloud = el("p", { class: "said", role: "status", "aria-live": "polite" });
const linesChoice = el("span", { class: "switch", role: "group", "aria-label": WORDS.lines_show });

const choose = chosen => {
  play.chosen = chosen;
  anchor = null;
  touched();
  aloud.textContent = [...inspector.querySelectorAll("h3")].map(node => node.textContent).join(". ");
};

// Something has changed: draw at the next occasion; `light` leaves the cards as they are, under the reader's hand.
let stale = false;
let light = true;
const touched = (keepCards = false) => {
  stale = true;
  if (!keepCards) light = false;
};

const note = () => {
  const found = {
    epoch: Math.max(training.epoch - 1, 0) + (training.epoch ? training.at / data.rows : 0),
    data: measure(data),
    test: measure(test),
  };
  for (const kind of ["data", "test"])
    if (found[kind]) found[kind] = { loss: found[kind].loss, right: found[kind].right };
  if (!curve.length || curve[curve.length - 1].epoch < found.epoch) curve.push(found);
  if (curve.length > 600) curve = curve.filter((_, n) => n % 2 === 0 || n === curve.length - 1);
};

const buttonsOf = () => {
  const all = plan.columns.flatMap(column => [...column.nodes.values()]);
  neuronButtons.replaceChildren(
    ...all.map((node, n) =>
      el("button", {
        type: "button",
        class: "neuron",
        tabindex: n ? -1 : 0,
        "data-node": `${node.stage}:${node.unit}`,
        style: `left:${node.x - node.size / 2}px;top:${node.y - node.size / 2}px;width:${node.size}px;height:${node.size}px`,
        onclick: () =>
          choose(
            node.stage
              ? { kind: "neuron", stage: node.stage, unit: node.unit }
              : MODE === "rows" && isImage
                ? null
                : { kind: "input", stage: 0, unit: node.unit },
          ),
        onkeydown: event => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          const across = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!step && !across) return;
          event.preventDefault();
          event.stopPropagation();
          let next = all[(n + (step || 0) + all.length) % all.length];
          if (across) {
            const column = plan.columns[node.stage + across];
            if (!column || !column.nodes.size) return;
            next = [...column.nodes.values()].reduce((best, one) =>
              Math.abs(one.y - node.y) < Math.abs(best.y - node.y) ? one : best,
            );
          }
          const target = [...neuronButtons.children].find(
            one => one.dataset.node === `${next.stage}:${next.unit}`,
          );
          for (const one of neuronButtons.children) one.tabIndex = one === target ? 0 : -1;
          target.focus();
        },
      }),
    ),
  );
};

const draw = () => {
  const width = netBox.clientWidth;
  if (!plan || plan.width !== width) {
    plan = planOf(width);
    resize(netCanvas, plan.width, plan.height);
    neuronButtons.style.height = `${plan.height}px`;
    buttonsOf();
  }
  const seen = survey();
  const here = through();
  drawNet(netCanvas, seen, here, play.lines === "blame" ? blameNow().grads : null);
  for (const node of neuronButtons.children) {
    const [stage, unit] = node.dataset.node.split(":").map(Number);
    node.setAttribute(
      "aria-label",
      say("neuron_said", { name: nameOf(stage, unit), value: short(here.stages[stage][unit]) }),
    );
  }
  const each = { data: measure(data), test: measure(test) };
  const side = outputCanvas.parentElement.clientWidth;
  resize(outputCanvas, side, OUTPUT_HEIGHT);
  drawOutput(outputCanvas, seen, each);
  for (const [canvas, what] of [
    [lossCanvas, "loss"],
    [rightCanvas, "right"],
  ]) {
    if (what === "right" && !isClasses) continue;
    resize(canvas, side, 130);
    drawCurves(canvas, what);
  }
  outputCanvas.setAttribute("aria-label", say("output_said", { loss: short(each.data.loss) }));
  lossCanvas.setAttribute("aria-label", say("loss_said", { loss: short(each.data.loss) }));
  rightCanvas.setAttribute(
    "aria-label",
    isClasses ? say("right_said", { share: percent(each.data.right) }) : "",
  );
  counters.replaceChildren(
    ...[
      [WORDS.epoch, count(Math.max(training.epoch - (training.at < data.rows ? 1 : 0), 0))],
      [WORDS.steps, count(optimizer.steps)],
      [WORDS.loss, res(each.data.loss)],
      each.test ? [WORDS.loss_test, res(each.test.loss)] : null,
      isClasses ? [WORDS.right, percent(each.data.right)] : null,
      isClasses && each.test ? [WORDS.right_test, percent(each.test.right)] : null,
    ]
      .filter(Boolean)
      .map(([label, value]) => numberLine(label, value)),
    play.broken ? el("p", { class: "broken", role: "alert" }, WORDS.diverged) : "",
  );
  if (isClasses) drawWrong(each);
  lookAtExercises(each);
  if (!light) drawCards(here);
  else for (const node of inspector.querySelectorAll("[data-live]")) node.textContent = "";
  light = true;
};

const drawWrong = each => {
  const found = ["data", "test"]
    .flatMap(of => (each[of] ? each[of].wrong.map(r => ({ of, r, loss: each[of].each[r] })) : []))
    .sort((a, b) => b.loss - a.loss);
  wrongRows.replaceChildren(
    tell(found.length ? "wrong_rows" : "none_wrong", { count: count(found.length) })[0] || "",
    ...found.slice(0, 12).map(row =>
      el(
        "button",
        {
          type: "button",
          class: "link",
          onclick: () => {
            lookAt(row);
            anchor = null;
            touched();
          },
        },
        String(rowNumber(row)),
      ),
    ),
  );
};

const drawCards = here => {
  const focused = inspector.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const chosen = play.chosen;
  inspector.replaceChildren(
    ...[
      rowCard(here),
      chosen && chosen.kind === "neuron" ? neuronCard(chosen, here) : null,
      chosen && (chosen.kind === "weight" || chosen.kind === "bias") ? weightCard(chosen, here) : null,
      chosen && chosen.kind === "input" && !isImage && chosen.unit < C.inputs
        ? inputCard(chosen, here)
        : null,
      chosen ? null : el("section", { class: "card" }, el("p", {}, WORDS.choose_hint)),
    ].filter(Boolean),
  );
  if (focused) {
    const again = [...inspector.querySelectorAll("[data-key]")].find(node => node.dataset.key === focused);
    if (again) again.focus({ preventScroll: true });
  }
};

// While a slider is held, the cards must not be exchanged under the pointer.
let held = false;
inspector.addEventListener("pointerdown", event => (held = event.target.matches("input[type=range]")));
addEventListener("pointerup", () => {
  if (held) {
    held = false;
    touched();
  }
});

// Where the pointer is on a canvas, which a projector shows larger.
const onCanvas = (canvas, event) => {
  const box = canvas.getBoundingClientRect();
  const scale = parseFloat(canvas.style.width) / box.width;
  return [(event.clientX - box.x) * scale, (event.clientY - box.y) * scale];
};
netBox.addEventListener("pointermove", event => {
  const [x, y] = onCanvas(netCanvas, event);
  const next = biasNear(x, y) ? null : linkNear(x, y);
  if (!sameAs(next, hovered)) {
    hovered = next;
    netBox.style.cursor = next ? "pointer" : "";
    touched(true);
  }
});
netBox.addEventListener("pointerleave", () => {
  hovered = null;
  touched(true);
});
netBox.addEventListener(
  "click",
  event => {
    const [x, y] = onCanvas(netCanvas, event);
    const bias = biasNear(x, y);
    if (bias) {
      event.stopPropagation();
      return choose(bias);
    }
    if (event.target.closest(".neuron")) return;
    const link = linkNear(x, y);
    if (link) choose(link);
  },
  true,
);
outputCanvas.addEventListener("click", event => {
  const [x, y] = onCanvas(outputCanvas, event);
  const near = spots.reduce(
    (best, spot) => {
      const distance = Math.hypot(spot.x - x, spot.y - y);
      return distance < best.distance ? { distance, spot } : best;
    },
    { distance: 12, spot: null },
  ).spot;
  if (near) {
    lookAt({ of: near.of, r: near.r });
    anchor = null;
    touched();
  }
});

const renderLines = () =>
  linesChoice.replaceChildren(
    ...["weights", "blame"].map(kind =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": String(play.lines === kind),
          onclick: () => {
            play.lines = kind;
            renderLines();
            touched();
          },
        },
        WORDS[`lines_${kind}`],
      ),
    ),
  );

// Train for as long as a frame allows, then draw; not more often than half of the time goes into it.
let due = 0;
let drawing = 4;
let drawnAt = 0;
let before = 0;
let frames = 0;
const tick = now => {
  const passed = Math.min(now - before, 100);
  before = now;
  if (play.running) {
    due = SPEEDS[play.speed] === Infinity ? Infinity : due + (SPEEDS[play.speed] * passed) / 1000;
    const until = performance.now() + 10;
    let made = 0;
    while (due >= 1 && performance.now() < until) {
      if (!training.step()) {
        diverged();
        break;
      }
      due -= 1;
      made += 1;
    }
    due = Math.min(due, 60);
    if (made) {
      stale = true;
      if (!held)
        light =
          light &&
          now - drawnAt < 200 &&
          document.activeElement &&
          inspector.contains(document.activeElement);
    }
  }
  if (stale && now - drawnAt > 1.5 * drawing) {
    const start = performance.now();
    stale = false;
    if (held) light = true;
    if (play.running) note();
    draw();
    frames += 1;
    drawing = 0.7 * drawing + 0.3 * (performance.now() - start);
    drawnAt = now;
  }
  requestAnimationFrame(tick);
};

// A page around this one may show it as its opening, by "?play": then the picture comes before the settings.
const isOpening = new URLSearchParams(location.search).has("play");
const stage = el(
  "div",
  { class: "stage" },
  el(
    "section",
    { class: "net-part", "aria-label": WORDS.net },
    el("p", { class: "legend" }, linesChoice, WORDS.legend),
    netBox,
  ),
  el(
    "section",
    { class: "output-part", "aria-label": WORDS.output },
    el("h2", {}, WORDS[`picture_${pictureOf()}`]),
    outputCanvas,
    lossCanvas,
    isClasses ? rightCanvas : null,
    isClasses ? wrongRows : null,
  ),
);
main.replaceChildren(
  el("header", {}, el("h1", {}, C.title), el("p", { class: "about" }, aboutText())),
  toolbar,
  ...(isOpening ? [stage, options] : [options, stage]),
  inspector,
  exercises,
  away,
  aloud,
  stepBox,
);
function aboutText() {
  return tell(C.rows > C.data.count ? "intro_drawn" : "intro", {
    parameters: many("parameters", GIVEN.values.length),
    rows: many("rows", C.data.count),
    all: String(C.rows),
  });
}
renderLines();
const linked = await fromAddress();
if (linked)
  try {
    await goTo(linked);
  } catch {
    settings = settingsOf();
  }
if (linked && net) {
  ground = groundOf();
  lookAt(worst());
  renderControls();
  touched();
} else restart();
note();
new ResizeObserver(() => {
  if (plan && plan.width !== netBox.clientWidth) {
    plan = null;
    touched();
  }
}).observe(netBox);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  touched();
});
requestAnimationFrame(tick);
// An opening plays while it is in sight, until the reader does something; not for those who want no motion.
if (isOpening && !linked && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
  play.speed = SPEEDS.indexOf(60); // at which one can watch it learn
  const inSight = new IntersectionObserver(([entry]) => run(entry.isIntersecting));
  inSight.observe(main);
  for (const kind of ["pointerdown", "keydown"])
    main.addEventListener(kind, () => inSight.disconnect(), { once: true, capture: true });
}

// For a page around this one, and for whoever measures it.
window.playground = {
  state: stateNow,
  link: linkOf,
  code: codeNow,
  trace: () => traceNow(),
  counts: () => ({ steps: optimizer.steps, frames, epoch: training.epoch }),
};
