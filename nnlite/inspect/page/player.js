// The page itself: the scrubber, the keys, and what is chosen.

// At first the weight most to blame is looked at; one between two neurons, if there is any.
const topWeight = () => {
  const blamed = DATA.blame.top.map(entry => weightOf(codeOf(entry.parameter, entry.index))).filter(Boolean);
  const first = blamed.find(weight => weight.kind === "W") || blamed[0] || WEIGHTS[0];
  return first ? first.code : null;
};
const NEURONS = STAGES.flatMap((stage, index) => stage.drawn.map(place => [index, place]));
const firstNeuron = () => NEURONS.find(([stage]) => stage > 0) || NEURONS[0];

const state = {
  beat: 0,
  // The row with the largest loss, of which there is most to see.
  row: Math.max(
    Array.from({ length: ROWS_HERE }, (_, r) => rowAt(r)).findIndex(row => row === LOSS.worst),
    0,
  ),
  nudge: DATA.proof.step,
  // Whether questions are asked, and what came of those that were.
  asks: false,
  told: {},
  answered() {
    show();
    stage.querySelector("h2").focus({ preventScroll: true });
    announce(".question .told");
  },
  neuron: firstNeuron(),
  weight: topWeight(),
  rate: FOG.rates.reduce(
    (best, rate, n) =>
      Math.abs(Math.log(rate / FOG.rate)) < Math.abs(Math.log(FOG.rates[best] / FOG.rate)) ? n : best,
    0,
  ),
  pick(code) {
    state.weight = code;
    show();
    announce(".of-weight h3, .of-weight .said-too");
  },
  pickNeuron(key) {
    state.neuron = key.split(":").map(Number);
    show();
    announce(".card h3, .card .sum");
  },
  stepNeuron(step) {
    const now = NEURONS.findIndex(([stage, place]) => stage === state.neuron[0] && place === state.neuron[1]);
    state.pickNeuron(NEURONS[(now + step + NEURONS.length) % NEURONS.length].join(":"));
  },
  pickRate(n) {
    state.rate = n;
    state.tries = true;
    show();
  },
};

// What is chosen is said aloud to those who do not see it.
const said = el("p", { class: "said", role: "status", "aria-live": "polite" });
const announce = selector => {
  said.textContent = [...stage.querySelectorAll(selector)].map(node => node.textContent).join(". ");
};

const scrubber = el("input", {
  type: "range",
  min: 1,
  max: BEATS.length,
  value: 1,
  step: 1,
  "aria-label": WORDS.beats,
  class: "scrubber",
  oninput: () => go(Number(scrubber.value) - 1),
});
const stepper = (step, text, glyph) =>
  el(
    "button",
    { type: "button", class: "step", "aria-label": text, title: text, onclick: () => go(state.beat + step) },
    glyph,
  );
const [back, on] = [stepper(-1, WORDS.beat_before, "\u25c0"), stepper(1, WORDS.beat_next, "\u25b6")];
const chips = BEATS.map((beat, n) =>
  el(
    "button",
    {
      type: "button",
      class: "chip",
      "aria-label": `${n + 1} ${WORDS[`beat_${beat}`]}`,
      onclick: () => go(n),
    },
    el("b", {}, n + 1),
    el("span", {}, WORDS[`beat_${beat}`]),
  ),
);
const rows = el(
  "select",
  {
    onchange: event => {
      state.row = Number(event.target.value);
      show();
    },
  },
  Array.from({ length: ROWS_HERE }, (_, r) =>
    el(
      "option",
      { value: r, selected: r === state.row },
      say(rowAt(r) === LOSS.worst ? "row_of_worst" : "row_of", { row: rowAt(r), rows: ROW_COUNT }),
    ),
  ),
);
const chosenRow = el("label", { class: "chooser rows" }, WORDS.choose_row, rows);
const stage = el("div", { class: "beat" });

const legendOf = beat => {
  if (beat === "data" || beat === "fog") return null;
  const keys = beat === "blame" ? ["blame_up", "blame_down"] : ["listen_up", "listen_down"];
  return el(
    "ul",
    { class: "signs-legend" },
    keys.map((key, n) =>
      el(
        "li",
        {},
        svg(
          "svg",
          { width: 34, height: 12, "aria-hidden": "true", class: "net" },
          svg(
            "g",
            { class: `weight ${n ? "down" : "up"}` },
            svg("line", { class: "line", x1: 1, x2: 33, y1: 6, y2: 6, "stroke-width": 4 }),
          ),
        ),
        el("b", {}, n ? "\u2212" : "+"),
        " ",
        WORDS[key],
      ),
    ),
    el("li", {}, WORDS[beat === "blame" ? "thick_blame" : "thick"]),
  );
};

// One beat: its drawing and its panel. A page on paper has all seven of them.
const beatOf = (beat, width, asks = true) => {
  const { lead: words, panel } = SHOW[beat];
  // Until its question is answered, a beat shows what is known before it.
  const question = asks ? questionOf(beat, state) : null;
  const shown = question ? BEATS[BEATS.indexOf(beat) - 1] : beat;
  const { look, figure } = SHOW[shown];
  const half = width >= 860 ? Math.floor(width * 0.54) : width;
  const picture = figure ? figure(state, half) : drawNet(half, look(state));
  const heading = el(
    "h2",
    { tabindex: -1 },
    say("beat_title", { number: BEATS.indexOf(beat) + 1, name: WORDS[`beat_${beat}`] }),
  );
  return [
    el("div", { class: "head" }, heading, words(state)),
    el(
      "figure",
      { class: "picture" },
      picture,
      legendOf(shown),
      look && look(state).picks
        ? el("figcaption", { class: "note" }, WORDS[`hint_${look(state).picks}`])
        : null,
    ),
    el(
      "section",
      { class: "panel" },
      question ? questionCard(beat, question, state) : [(asks && state.told[beat]) || null, panel(state)],
    ),
  ];
};

const show = () => {
  const focused =
    document.activeElement && stage.contains(document.activeElement)
      ? document.activeElement.dataset.key || ""
      : null;
  const open = [...stage.querySelectorAll("details")].some(node => node.open);
  const drawing = stage.querySelector(".drawing");
  const scrolled = drawing ? drawing.scrollLeft : state.scrolled || 0;
  stage.replaceChildren(...beatOf(BEATS[state.beat], stage.clientWidth).filter(Boolean));
  const drawn = stage.querySelector(".drawing");
  if (drawn) drawn.bringIn(scrolled);
  state.scrolled = drawn ? drawn.scrollLeft : scrolled;
  // The tab key stops at a table only where there is something to scroll.
  for (const node of stage.querySelectorAll(".table")) {
    const scrolls = node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight;
    if (!scrolls) for (const name of ["tabindex", "role", "aria-label"]) node.removeAttribute(name);
  }
  if (open) for (const node of stage.querySelectorAll("details")) node.open = true;
  if (focused !== null) {
    const again =
      focused && [...stage.querySelectorAll("[data-key]")].find(node => node.dataset.key === focused);
    const pressed = stage.querySelector(".pick[tabindex='0']");
    (again && again.getAttribute("tabindex") !== "-1"
      ? again
      : (again && pressed) || stage.querySelector("h2")
    ).focus({ preventScroll: true });
  }
  scrubber.value = state.beat + 1;
  scrubber.setAttribute(
    "aria-valuetext",
    say("beat_title", { number: state.beat + 1, name: WORDS[`beat_${BEATS[state.beat]}`] }),
  );
  // The fog and the proof are about all rows together.
  chosenRow.hidden = ["fog", "proof"].includes(BEATS[state.beat]);
  back.disabled = state.beat === 0;
  on.disabled = state.beat === BEATS.length - 1;
  chips.forEach((chip, n) =>
    n === state.beat ? chip.setAttribute("aria-current", "step") : chip.removeAttribute("aria-current"),
  );
};
const go = beat => {
  const next = Math.min(Math.max(beat, 0), BEATS.length - 1);
  if (next === state.beat) return;
  state.beat = next;
  stage.classList.remove("enter");
  show();
  void stage.offsetWidth;
  stage.classList.add("enter");
  const heading = stage.querySelector("h2");
  said.textContent = `${heading.textContent}. ${stage.querySelector(".lead").textContent}`;
};

// What stands in another page goes away again, and its ears with it.
const { signal } = HOST;
const onKey = event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("select, input[type=number]")) return;
  const steps = { ArrowLeft: state.beat - 1, ArrowRight: state.beat + 1, Home: 0, End: BEATS.length - 1 };
  const number = Number(event.key);
  const moves = event.key in steps;
  // Slides that have keys of their own, and tables too wide for the page, keep the arrows for themselves.
  if (moves && (event.target === scrubber || event.target.matches(".own-keys"))) return;
  if (moves && event.target.matches(".table") && event.target.scrollWidth > event.target.clientWidth) return;
  if (moves) go(steps[event.key]);
  else if (number >= 1 && number <= BEATS.length) go(number - 1);
  else return;
  event.preventDefault();
};
document.addEventListener("keydown", onKey, { signal });

main.replaceChildren(
  el(
    "header",
    {},
    el("h1", {}, DATA.title),
    el(
      "p",
      { class: "about" },
      tell("about", {
        parameters: many("parameters", DATA.model.parameters),
        rows: many("rows", ROW_COUNT),
        optimizer: el("code", {}, DATA.optimizer.text),
      }),
    ),
    el(
      "label",
      { class: "ask" },
      el("input", {
        type: "checkbox",
        onchange: event => {
          state.asks = event.target.checked;
          state.told = {};
          show();
        },
      }),
      WORDS.ask,
    ),
  ),
  el("nav", { "aria-label": WORDS.beats }, back, scrubber, on, el("div", { class: "chips" }, chips)),
  ROWS_HERE > 1 ? chosenRow : "",
  stage,
  said,
);
show();

// The drawing is made for the width that there is.
let wide = stage.clientWidth;
new ResizeObserver(() => {
  if (stage.clientWidth === wide) return;
  wide = stage.clientWidth;
  show();
}).observe(stage);

// On paper there is no scrubber: all beats stand one below the other.
const paper = el("div", { class: "paper" });
const toPaper = () => {
  paper.replaceChildren(...BEATS.map(beat => el("div", { class: "beat" }, beatOf(beat, 680, false))));
  for (const node of paper.querySelectorAll("details")) node.open = true;
  main.append(paper);
};
addEventListener("beforeprint", toPaper, { signal });
addEventListener("afterprint", () => paper.remove(), { signal });
