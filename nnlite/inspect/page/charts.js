// The fog: the true loss along the step, against the rate. And the histograms of large nets.

const FOG = DATA.fog;
const ZONE = { "barely moves": "slow", good: "good", overshoots: "over" };

// What a rate is called, by the rules in the notes of explain_step, and why.
const SHARE = 0.05;
const NOISE = 1e-13;
const verdictAt = (rate, loss) => {
  const { loss_before: before, best_rate, best_loss } = FOG;
  const slack = NOISE * Math.abs(before);
  const [change, most] = [before - loss, before - best_loss];
  const downhill = best_rate !== null && most > slack;
  let label = "barely moves";
  if (!Number.isFinite(loss) || loss > before + slack) label = "overshoots";
  else if (downhill && change >= SHARE * most) label = "good";
  else if (downhill && rate > best_rate) label = "overshoots";
  const kind = !rate
    ? "zero"
    : best_rate !== null
      ? !Number.isFinite(loss)
        ? "burst"
        : loss > before
          ? "rises"
          : "falls"
      : FOG.slope === 0
        ? "flat"
        : !Number.isFinite(loss)
          ? "lost"
          : FOG.slope > 0
            ? "uphill"
            : "none";
  const share = (100 * change) / most;
  const why = tell(`why_${kind}`, {
    rate: written(rate, short(rate, 3)),
    before: res(before),
    after: res(loss),
    change: res(Math.abs(change)),
    best_rate: best_rate === null ? "" : written(best_rate, short(best_rate, 3)),
    best: res(best_loss),
    share: share >= 10 ? share.toFixed(0) : String(Number(share.toPrecision(2))),
  });
  return { label, why: kind === "falls" && label === "overshoots" ? [why, " ", WORDS.why_beyond] : why };
};
const zoneName = label => WORDS[`zone_${ZONE[label]}`] || label;

// The part of the losses that is worth seeing: from the lowest to a little above what the loss is now.
const heights = () => {
  const seen = FOG.losses.filter(Number.isFinite);
  const low = Math.min(...seen, FOG.loss_before);
  const drop = FOG.loss_before - low || Math.abs(FOG.loss_before) * 0.5 || 1;
  const after = Number.isFinite(FOG.loss_after) ? FOG.loss_after : low;
  const high = Math.min(
    Math.max(FOG.loss_before + 0.6 * drop, after + 0.15 * drop),
    FOG.loss_before + 4 * drop,
  );
  return [low - 0.12 * drop, high];
};

const drawFog = (width, tried) => {
  const narrow = width < 480;
  const box = { left: 58, right: width - 12, top: 56, bottom: narrow ? 250 : 330 };
  const [low, high] = heights();
  const { rates, losses } = FOG;
  const ends = [rates[0], rates[rates.length - 1]].map(Math.log10);
  const x = rate =>
    box.left + ((box.right - box.left) * (Math.log10(rate) - ends[0])) / (ends[1] - ends[0] || 1);
  const y = loss =>
    box.bottom - ((box.bottom - box.top) * (Math.min(Math.max(loss, low), high) - low)) / (high - low);
  const chart = svg("svg", {
    class: "chart",
    width: width.toFixed(0),
    height: box.bottom + 54,
    role: "img",
    "aria-label": say("fog_picture", {
      before: short(FOG.loss_before),
      after: short(FOG.loss_after),
      rate: short(FOG.rate),
      best: short(FOG.best_rate === null ? FOG.loss_before : FOG.best_loss),
      best_rate: short(FOG.best_rate === null ? 0 : FOG.best_rate),
    }),
  });
  const text = (tx, ty, words, attributes = {}) => chart.append(label(tx, ty, words, attributes));

  const names = [];
  for (const zone of FOG.zones) {
    const a = Math.max(x(zone.from), box.left);
    const b = Math.min(x(zone.to), box.right);
    if (!(b > a)) continue;
    chart.append(
      svg("rect", {
        class: `zone ${ZONE[zone.label] || ""}`,
        x: a,
        y: box.top,
        width: b - a,
        height: box.bottom - box.top,
      }),
    );
    // A narrow zone may have its name in the line above that of its neighbours.
    const name = zoneName(zone.label);
    const w = textWidth(name, 11) + 6;
    const middle = Math.min(Math.max((a + b) / 2, w / 2), width - w / 2);
    const free = [box.top - 8, box.top - 22].find(
      ty => !names.some(other => overlap(other, { x: middle - w / 2, y: ty - 11, w, h: 13 })),
    );
    if (free === undefined) continue;
    names.push({ x: middle - w / 2, y: free - 11, w, h: 13 });
    text(middle, free, name, { class: `zone-name ${ZONE[zone.label] || ""}` });
  }
  const first = Math.ceil(ends[0] - 1e-9);
  const last = Math.floor(ends[1] + 1e-9);
  const every = Math.ceil((last - first + 1) / Math.max(Math.floor((box.right - box.left) / 62), 1)) || 1;
  for (let power = first; power <= last; power += every) {
    const at = x(10 ** power);
    chart.append(svg("line", { class: "grid", x1: at, x2: at, y1: box.top, y2: box.bottom }));
    if (at > box.left - 1 && at < box.right - 8)
      text(at, box.bottom + 17, short(10 ** power, 1), { class: "tick" });
  }
  const rough = (high - low) / 5;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * [1, 2, 5, 10].find(part => part * ten >= rough);
  for (let n = Math.ceil(low / step); n * step <= high; n++) {
    const loss = Number((n * step).toPrecision(12));
    chart.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(loss), y2: y(loss) }));
    text(box.left - 6, y(loss) + 4, String(loss).length > 7 ? short(loss, 2) : String(loss), {
      class: "tick",
      "text-anchor": "end",
    });
  }
  text((box.left + box.right) / 2, box.bottom + 40, WORDS[narrow ? "axis_rate" : "axis_rate_long"], {
    class: "axis",
  });
  text(4, 14, WORDS.axis_loss, { class: "axis", "text-anchor": "start" });

  // A curve through those of the points that lie in the picture, with one beyond where it leaves.
  const curve = (values, kind) => {
    const points = [];
    let open = false;
    values.forEach((loss, n) => {
      const fits = value => Number.isFinite(value) && value !== null && value <= high && value >= low;
      if (!Number.isFinite(loss) || loss === null) {
        open = false;
        return;
      }
      if (!fits(loss) && !fits(values[n - 1]) && !fits(values[n + 1])) {
        open = false;
        return;
      }
      points.push(
        `${open ? "L" : "M"}${x(rates[n]).toFixed(1)} ${(box.bottom - ((box.bottom - box.top) * (loss - low)) / (high - low)).toFixed(1)}`,
      );
      open = true;
    });
    return svg("path", { class: kind, d: points.join(""), "clip-path": `url(#${clip})` });
  };
  const clip = `clip-${(drawFog.count = (drawFog.count || 0) + 1)}`;
  chart.append(
    svg(
      "clipPath",
      { id: clip },
      svg("rect", {
        x: box.left,
        y: box.top - 3,
        width: box.right - box.left,
        height: box.bottom - box.top + 6,
      }),
    ),
  );
  chart.append(
    svg("line", {
      class: "now",
      x1: box.left,
      x2: box.right,
      y1: y(FOG.loss_before),
      y2: y(FOG.loss_before),
    }),
  );
  chart.append(
    curve(
      rates.map(rate => FOG.loss_before + FOG.slope * rate),
      "promise",
    ),
    curve(losses, "loss"),
  );

  const mark = (rate, loss, kind, size) => {
    if (!(rate >= rates[0] && rate <= rates[rates.length - 1]) || loss === null || !Number.isFinite(loss))
      return;
    const [cx, cy] = [x(rate), y(loss)];
    const shape = {
      own: svg("circle", { cx, cy, r: size }),
      tried: svg("rect", { x: cx - size, y: cy - size, width: 2 * size, height: 2 * size }),
      best: svg("path", { d: `M${cx} ${cy - size - 2}l${size} ${2 * size}h${-2 * size}z` }),
      promised: svg("path", {
        d: `M${cx} ${cy - size - 1}l${size + 1} ${size + 1}l${-size - 1} ${size + 1}l${-size - 1} ${-size - 1}z`,
      }),
    }[kind];
    chart.append(put(shape, { class: `mark ${kind}`, "data-value": String(loss) }));
  };
  // At the start of a warm-up the rate may be 0, which has no place on a scale of powers.
  const placed = FOG.rate > 0;
  if (placed)
    chart.append(
      svg("line", { class: "own", x1: x(FOG.rate), x2: x(FOG.rate), y1: box.top, y2: box.bottom }),
    );
  const own = `${WORDS.your_rate} ${short(FOG.rate)}`;
  const half = textWidth(own, 11) / 2;
  if (placed)
    text(Math.min(Math.max(x(FOG.rate), box.left + half), box.right - half), box.bottom - 7, own, {
      class: "own-name",
    });
  mark(FOG.best_rate, FOG.best_loss, "best", 6);
  mark(FOG.rate, FOG.forecast >= low ? FOG.forecast : null, "promised", 5);
  mark(rates[tried], losses[tried], "tried", 5);
  mark(FOG.rate, FOG.loss_after, "own", 6);
  // Where the loss lies above the picture, it is written beside its mark.
  if (placed && FOG.loss_after > high) {
    const side = x(FOG.rate) > (box.left + box.right) / 2 ? -1 : 1;
    text(x(FOG.rate) + 11 * side, box.top + 15, `\u2191 ${result(FOG.loss_after)}`, {
      class: "own-name",
      "text-anchor": side < 0 ? "end" : "start",
      "data-value": String(FOG.loss_after),
    });
  }
  return chart;
};

const drawHistogram = (histogram, width) => {
  const { parameter, what, edges, counts } = histogram;
  const high = 70;
  const largest = Math.max(...counts, 1);
  const span = edges[edges.length - 1] - edges[0] || 1;
  const x = value => 4 + ((width - 8) * (value - edges[0])) / span;
  const picture = svg("svg", {
    class: "histogram",
    width,
    height: high + 20,
    role: "img",
    "aria-label": say("histogram_picture", {
      parameter,
      what: WORDS[`what_${what}`] || what,
      low: short(edges[0], 3),
      high: short(edges[edges.length - 1], 3),
      most: largest,
    }),
  });
  counts.forEach((count, n) => {
    const tall = ((high - 6) * count) / largest;
    picture.append(
      svg("rect", {
        x: (x(edges[n]) + 0.5).toFixed(1),
        y: (high - tall).toFixed(1),
        width: Math.max(x(edges[n + 1]) - x(edges[n]) - 1, 0.5).toFixed(1),
        height: tall.toFixed(1),
        class: tone(edges[n] + edges[n + 1]),
        "data-value": String(count),
      }),
    );
  });
  if (edges[0] < 0 && edges[edges.length - 1] > 0)
    picture.append(svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: high }));
  picture.append(
    svg("line", { class: "floor", x1: 0, x2: width, y1: high, y2: high }),
    label(2, high + 15, short(edges[0], 2), { "text-anchor": "start", "data-value": String(edges[0]) }),
    label(width - 2, high + 15, short(edges[edges.length - 1], 2), {
      "text-anchor": "end",
      "data-value": String(edges[edges.length - 1]),
    }),
  );
  return el(
    "figure",
    { class: "small" },
    el("figcaption", {}, el("code", {}, parameter), " ", WORDS[`what_${what}`] || what),
    picture,
  );
};
const histograms = what => {
  const found = DATA.histograms.filter(histogram => histogram.what === what);
  return found.length
    ? el(
        "div",
        { class: "histograms" },
        found.map(histogram => drawHistogram(histogram, 170)),
      )
    : null;
};
