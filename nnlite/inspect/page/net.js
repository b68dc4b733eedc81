// The drawing of the net: neurons in columns, lines as thick as what they stand for.

// How wide a text of the drawing is at most, in pixels: enough for wide fonts.
const textWidth = (text, size) => text.length * size * 0.62;
const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
const NAME = 11;
const KEEP = 12;

// Ways past the columns of a block, to where what came in is added: short ones in the upper lanes.
const LANE = 16;
const waysPast = () => {
  const ways = STAGES.flatMap((stage, to) =>
    stage.steps.filter(step => step.came && step.adds < to).map(step => ({ from: step.adds, to })),
  ).sort((a, b) => a.to - a.from - (b.to - b.from));
  ways.forEach((way, n) => {
    const near = ways.slice(0, n).filter(other => other.from < way.to && way.from < other.to);
    way.lane = near.length ? 1 + Math.max(...near.map(other => other.lane)) : 0;
  });
  return ways;
};

// Where everything stands, for a drawing of this width.
const layout = (width, look) => {
  const most = Math.max(
    ...STAGES.map(stage => stage.drawn.length + (stage.drawn.length < stage.width ? 0.5 : 0)),
  );
  const narrow = width < 480;
  const r = most > 8 || (narrow && LAST > 3) ? 17 : narrow ? 22 : most > 4 ? 25 : most > 3 ? 28 : 34;
  const pad = Math.max(r + 12, narrow ? 38 : 52);
  const gap = Math.max((width - 2 * pad) / Math.max(LAST, 1), 2 * r + 36);
  const pitch = stage => 2 * r + 16 + (look.under && look.under(stage, 0) !== null ? 15 : 0) + 8;
  const top = 40;
  const tall = Math.max(
    ...STAGES.map(
      (stage, index) => (stage.drawn.length + (stage.drawn.length < stage.width ? 0.6 : 0)) * pitch(index),
    ),
    narrow ? 190 : 300,
  );
  const columns = STAGES.map((stage, index) => {
    const more = stage.drawn.length < stage.width ? 0.6 : 0;
    const step = Math.min((tall - more * pitch(index)) / stage.drawn.length, pitch(index) * 1.9);
    const start = top + (tall - step * stage.drawn.length - more * pitch(index)) / 2;
    const x = pad + index * gap;
    const lift = (pitch(index) - 2 * r - 16 - 8) / 2;
    return {
      x,
      at: new Map(stage.drawn.map((place, n) => [place, { x, y: start + step * (n + 0.5) + 7 - lift }])),
      more: more ? { x, y: start + step * stage.drawn.length + 16 } : null,
    };
  });
  const ways = waysPast();
  const height = top + tall + 8 + (ways.length ? LANE * (1 + Math.max(...ways.map(way => way.lane))) : 0);
  return { r, gap, columns, narrow, pad, ways, width: 2 * pad + gap * LAST, height, floor: top + tall };
};

// One short text with a halo that keeps it readable over lines.
const label = (x, y, text, attributes = {}) =>
  svg("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": "middle", ...attributes }, text);
const numberAt = (x, y, value, characters, attributes = {}) =>
  label(x, y, fitting(value, characters), { "data-value": String(value), ...attributes });

// A word in at most two lines of so many characters.
const folded = (text, length) => {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line && (line + " " + word).length > length && lines.length < 2) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.map(line => clipped(line, length));
};

// `look` says what the drawing shows:
//   value(stage, place), under(stage, place): the number in a neuron and the text below it, or null
//   weight(weight): the number a line stands for; strong(weight): whether it stands out
//   picks: "neurons", "weights" or null; picked: the key of the chosen one; pick(key)
//   said(item): how a neuron or a weight is read out; back: whether things run from right to left
const drawNet = (width, look) => {
  const place = layout(width, look);
  const { r, columns } = place;
  const taken = [];
  const lines = svg("g", {});
  const signs = svg("g", { class: "signs", "aria-hidden": "true" });
  const neurons = svg("g", {});
  const order = stage => (look.back ? LAST - stage : stage);

  STAGES.forEach((stage, index) => {
    const { x } = columns[index];
    const side = index === 0 ? 2 * place.pad : index === LAST ? 2 * place.pad : place.gap - 8;
    const named = folded(
      index === 0 ? WORDS.input : index === LAST ? WORDS.output : say("hidden", { number: index }),
      Math.max(Math.floor(side / (NAME * 0.62)), 6),
    );
    named.forEach((line, n) => neurons.append(label(x, 13 + 13 * n, line, { class: "stage" })));
    for (const { x: cx, y } of columns[index].at.values())
      taken.push({ x: cx - r - 4, y: y - r - 18, w: 2 * r + 8, h: 2 * r + 36 });
  });

  for (const { from, to, lane } of place.ways) {
    const low = index => Math.max(...[...columns[index].at.values()].map(({ y }) => y)) + r;
    const [x1, x2] = [columns[from].x + r / 2, columns[to].x - r / 2];
    const y = place.floor + LANE * (lane + 0.5);
    const path = `M${x1} ${low(from)}V${y}H${x2}V${low(to)}`;
    lines.append(svg("path", { d: path, class: "past" }));
    signs.append(label((x1 + x2) / 2, y + 4, "+", { class: "sign none" }));
  }

  // The lines, the thin ones first so that the thick ones lie on top.
  const drawn = WEIGHTS.filter(weight => weight.drawn);
  const sizes = drawn.map(weight => Math.abs(look.weight(weight))).filter(Number.isFinite);
  const largest = Math.max(...sizes, 1e-300);
  const share = weight => Math.min(Math.abs(look.weight(weight)) / largest || 0, 1);
  const chosen = look.picks === "weights" ? look.picked : null;
  const sorted = drawn
    .filter(weight => weight.kind === "W")
    .sort((a, b) => (a.code === chosen) - (b.code === chosen) || share(a) - share(b));
  const buttons = new Map();
  for (const weight of sorted) {
    const a = columns[weight.from].at.get(weight.i);
    const b = columns[weight.stage].at.get(weight.j);
    const value = look.weight(weight);
    const ends = { x1: a.x + r, y1: a.y.toFixed(1), x2: b.x - r, y2: b.y.toFixed(1) };
    const faint = look.strong && !look.strong(weight);
    const group = svg(
      "g",
      {
        class: `weight ${tone(value)}${faint ? " faint" : ""}`,
        style: `--order:${order(weight.stage) - 0.5}`,
      },
      svg("line", { ...ends, class: "hit" }),
      svg("line", { ...ends, class: "line", "stroke-width": (1 + 6 * share(weight)).toFixed(2) }),
    );
    lines.append(group);
    buttons.set(weight.code, group);
  }
  // A sign, or a sign and its number, on as many lines as have room for it, the strongest first.
  const full = sorted.length <= 16 * LAST;
  for (const weight of [...sorted].reverse()) {
    const value = look.weight(weight);
    const faint = look.strong && !look.strong(weight);
    if (!value || (faint && weight.code !== chosen) || signs.childNodes.length > 80) continue;
    const a = columns[weight.from].at.get(weight.i);
    const b = columns[weight.stage].at.get(weight.j);
    const text = full || weight.code === chosen ? sign(value) + fitting(Math.abs(value), 6) : sign(value);
    const w = textWidth(text, NAME) + 4;
    for (const t of [0.3, 0.7, 0.24, 0.76, 0.36, 0.64, 0.18, 0.82, 0.42, 0.58, 0.5]) {
      const x = a.x + r + (b.x - a.x - 2 * r) * t;
      const y = a.y + (b.y - a.y) * t;
      const box = { x: x - w / 2, y: y - 8, w, h: 16 };
      if (taken.some(other => overlap(box, other))) continue;
      taken.push(box);
      // On a plate, since the line below may be as thick as the text is high.
      signs.append(
        svg("rect", {
          class: "plate",
          x: (x - w / 2).toFixed(1),
          y: (y - 7).toFixed(1),
          width: w.toFixed(1),
          height: 14,
          rx: 3,
          style: `--order:${order(weight.stage)}`,
        }),
        label(x, y + 4, text, {
          class: `sign ${tone(value)}`,
          "data-value": String(value),
          style: `--order:${order(weight.stage)}`,
        }),
      );
      break;
    }
  }

  STAGES.forEach((stage, index) => {
    const column = columns[index];
    for (const [unit, { x, y }] of column.at) {
      const key = `${index}:${unit}`;
      const value = look.value ? look.value(index, unit) : null;
      const under = look.under ? look.under(index, unit) : null;
      const name = nameOf(index, unit);
      const characters = Math.floor((2 * r) / (r > 30 ? 9 : 7.6));
      const group = svg(
        "g",
        { class: `neuron ${tone(value || 0)}`, style: `--order:${order(index)}` },
        svg("circle", {
          cx: x,
          cy: y,
          r,
          class: "body",
          style: `--share:${look.share ? Math.round(100 * look.share(index, unit)) : 0}%`,
        }),
        value === null || value === undefined
          ? null
          : numberAt(x, y + 4, value, characters, {
              class: "value",
              style: `font-size:${r > 30 ? 13 : r > 24 ? 11 : 10}px`,
            }),
        label(x, y - r - 5, clipped(name, place.narrow ? 9 : 13), { class: "name" }),
        under ? label(x, y + r + 13, under.text, { class: "under", "data-value": under.value }) : null,
      );
      if (clipped(name, place.narrow ? 9 : 13) !== name) group.append(svg("title", {}, name));
      neurons.append(group);
      if (look.picks === "neurons") buttons.set(key, group);
      const bias = look.plain
        ? null
        : drawn.find(weight => weight.kind === "b" && weight.stage === index && weight.j === unit);
      if (bias) {
        const amount = look.weight(bias);
        const side = r > 20 ? 7.5 : 6.5;
        const bx = x - 0.72 * r;
        const by = y + 0.72 * r;
        const badge = svg(
          "g",
          {
            class: `bias ${tone(amount)}${look.strong && !look.strong(bias) ? " faint" : ""}`,
            style: `--order:${order(index)}`,
          },
          svg("rect", {
            class: "hit",
            x: bx - side - 3,
            y: by - side - 3,
            width: 2 * side + 6,
            height: 2 * side + 6,
          }),
          svg("rect", {
            class: "badge",
            x: bx - side,
            y: by - side,
            width: 2 * side,
            height: 2 * side,
            rx: 3,
          }),
          label(bx, by + 4, sign(amount), { class: "badge-sign", "data-value": String(amount) }),
        );
        neurons.append(badge);
        buttons.set(bias.code, badge);
      }
    }
    if (column.more)
      neurons.append(
        label(column.x, column.more.y, say("more", { count: stage.width - stage.drawn.length }), {
          class: "under",
        }),
      );
  });

  const drawing = svg(
    "svg",
    {
      class: `net${look.back ? " back" : ""}`,
      width: place.width.toFixed(0),
      height: place.height.toFixed(0),
      viewBox: `0 0 ${place.width.toFixed(1)} ${place.height.toFixed(1)}`,
      role: "group",
      "aria-label": look.title,
    },
    lines,
    signs,
    neurons,
  );
  if (look.picks) makeButtons(drawing, buttons, look);
  const scroll = el("div", { class: "scroll drawing" }, drawing);
  // What is chosen is brought into sight where the drawing is wider than its place; else the side that the
  // beat is about. Where the reader has scrolled to is kept, if that will do.
  const from = look.weight && look.picks === "weights" ? weightOf(look.picked) : null;
  const stages = from
    ? [from.from === null || from.kind === "b" ? from.stage : from.from, from.stage]
    : look.picks
      ? [Number(String(look.picked).split(":")[0])]
      : [look.side === "end" ? LAST : 0];
  const [left, right] = [columns[stages[0]].x - place.pad, columns[stages[stages.length - 1]].x + place.pad];
  scroll.bringIn = before => {
    const most = scroll.scrollWidth - scroll.clientWidth;
    const inSight = before <= left && right <= before + scroll.clientWidth;
    scroll.scrollLeft = inSight
      ? before
      : Math.min(Math.max((left + right - scroll.clientWidth) / 2, 0), most);
  };
  return scroll;
};

// Neurons or weights as buttons: one stop of the tab key, up and down between them, Enter or a click to choose.
const makeButtons = (drawing, groups, look) => {
  const weights = look.picks === "weights";
  const keys = weights
    ? WEIGHTS.filter(weight => groups.has(weight.code)).map(weight => weight.code)
    : [...groups.keys()].filter(key => /^\d+:\d+$/.test(key));
  const stop = keys.includes(look.picked) ? look.picked : keys[0];
  keys.forEach((key, n) => {
    const group = groups.get(key);
    const go = step => look.pick(keys[(n + step + keys.length) % keys.length]);
    put(group, {
      role: "button",
      tabindex: key === stop ? 0 : -1,
      "data-key": key,
      "aria-pressed": key === look.picked ? "true" : "false",
      "aria-label": look.said(key),
      // A click on a line goes on to the drawing; one that no pointer made is meant for this very button.
      onclick: event => {
        if (!group.querySelector("line") || !event.detail) {
          event.stopPropagation();
          look.pick(key);
        }
      },
      onkeydown: event => {
        const move = { ArrowDown: 1, ArrowUp: -1, Enter: 0, " ": 0 }[event.key];
        if (move === undefined) return;
        event.preventDefault();
        event.stopPropagation();
        go(move);
      },
    });
    group.classList.add("pick");
    if (key === look.picked) group.classList.add("picked");
  });
  if (weights)
    nearestLine(
      drawing,
      keys.filter(key => groups.get(key).querySelector("line")),
      groups,
      look.pick,
    );
};

// Lines cross and lie close: what counts is which of them is nearest to the pointer, not which lies on top.
const REACH = 12;
const nearestLine = (drawing, keys, groups, pick) => {
  const ends = keys.map(key => {
    const line = groups.get(key).querySelector("line");
    return ["x1", "y1", "x2", "y2"].map(name => Number(line.getAttribute(name)));
  });
  const near = event => {
    if (event.target.closest(".bias")) return null;
    const corner = drawing.getBoundingClientRect();
    const [px, py] = [event.clientX - corner.x, event.clientY - corner.y];
    const distances = ends.map(([x1, y1, x2, y2]) => {
      const t = ((px - x1) * (x2 - x1) + (py - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2);
      return t < 0 || t > 1 ? Infinity : Math.hypot(x1 + t * (x2 - x1) - px, y1 + t * (y2 - y1) - py);
    });
    const least = Math.min(...distances);
    return least <= REACH ? keys[distances.indexOf(least)] : null;
  };
  let marked = null;
  const mark = key => {
    if (key === marked) return;
    if (marked) groups.get(marked).classList.remove("near");
    if (key) groups.get(key).classList.add("near");
    drawing.style.cursor = key ? "pointer" : "";
    marked = key;
  };
  put(drawing, {
    onpointermove: event => mark(near(event)),
    onpointerleave: () => mark(null),
    onclick: event => {
      const key = near(event);
      if (key) pick(key);
    },
  });
};
