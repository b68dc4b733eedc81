// What comes out: the map of the plane, the curve of a line, predicted against true, or the classes of a row.

let spots = []; // where rows stand in the picture, for the pointer
const FRAME = { left: 44, top: 20, bottom: 250 };
const OUTPUT_HEIGHT = 288;

// What the picture is of: it depends on the columns and on the targets.
const pictureOf = () => {
  if (MODE === "map") return "map";
  if (C.targets.kind !== "numbers") return "classes";
  return MODE === "curve" ? "curve" : "against";
};

const rowsIn = (pen, each, place) => {
  for (const of of ["data", "test"]) {
    const found = each[of];
    if (!found) continue;
    const one = of === "test" ? test : data;
    const wrong = new Set(found.wrong || []);
    const crossed = found.wrong && found.wrong.length < one.rows / 3;
    for (let r = 0; r < one.rows; r++) {
      const spot = place(one, r, found);
      if (!spot) continue;
      const [x, y, colour] = spot;
      spots.push({ of, r, x, y });
      const chosen = play.row.of === of && play.row.r === r;
      point(pen, x, y, colour, {
        test: of === "test",
        wrong: crossed && wrong.has(r),
        chosen,
        size: one.rows > 700 ? 2.2 : 3.4,
      });
    }
  }
};

const drawOutput = (canvas, seen, each) => {
  const pen = penOf(canvas);
  const width = parseFloat(canvas.style.width);
  spots = [];
  DRAWN[pictureOf()](pen, { ...FRAME, right: width - 12 }, seen, each, width);
};

// The middle and the spread of targets that are numbers, by which they are coloured.
const targetScale = (() => {
  if (C.targets.kind !== "numbers") return null;
  const sorted = Array.from(GIVEN.y)
    .filter((_, n) => n % WANTED === 0)
    .sort((a, b) => a - b);
  const [low, high] = [sorted[0], sorted[sorted.length - 1]];
  return { low, high, shade: value => (high > low ? (2 * (value - low)) / (high - low) - 1 : 0) };
})();
const shadeColour = share => COLOURS.scale[Math.round(127 + 127 * Math.min(Math.max(share, -1), 1))];

const DRAWN = {
  map(pen, box, seen, each) {
    const side = Math.min(box.right - box.left, box.bottom - box.top);
    const square = { left: box.left, right: box.left + side, top: box.bottom - side, bottom: box.bottom };
    const { paper } = COLOURS.rgb;
    const colour = n => {
      if (C.targets.kind === "numbers") return targetScale.shade(seen.answers[n * net.outputs]);
      const shares = chances(seen.answers, n * net.outputs);
      if (C.targets.kind === "two") return Math.min(Math.max(2 * shares[1] - 1, -1), 1) * 0.8;
      let best = likeliest(shares, 0, shares.length);
      const even = 1 / shares.length;
      const sure = Math.min(Math.max((shares[best] - even) / (1 - even), 0), 1);
      return classColour(best).map((value, c) => paper[c] + (value - paper[c]) * (0.12 + 0.5 * sure));
    };
    tile(pen, square.left, square.top, side, side, GRID, GRID, colour, true);
    const { x, y } = axes(pen, square, ground.ends[0], ground.ends[1], { xName: FIRST, yName: SECOND });
    rowsIn(pen, each, (one, r) => {
      const [a, b] = [one.raw[2 * r], one.raw[2 * r + 1]];
      const own =
        C.targets.kind === "numbers"
          ? shadeColour(targetScale.shade(one.y[r * WANTED]))
          : classColour(wantedClass(one.y, r));
      return [x(a), y(b), own];
    });
    moved(pen, x(play.input[0]), y(play.input[1]));
  },

  curve(pen, box, seen, each) {
    let [low, high] = [targetScale.low, targetScale.high];
    for (let n = 0; n < GRID; n++) {
      low = Math.min(low, Math.max(seen.answers[n * net.outputs], 3 * low - 2 * high));
      high = Math.max(high, Math.min(seen.answers[n * net.outputs], 3 * high - 2 * low));
    }
    const more = 0.08 * (high - low) || 1;
    const { x, y } = axes(pen, box, ground.ends[0], [low - more, high + more], {
      xName: inputNames()[0],
      yName: nameOf(LASTLY(), 0),
    });
    rowsIn(pen, each, (one, r) => [x(one.raw[r]), y(one.y[r * WANTED]), COLOURS.rgb.up]);
    polyline(
      pen,
      Array.from({ length: GRID }, (_, n) => [x(ground.raw[n]), y(seen.answers[n * net.outputs])]),
      COLOURS.down,
      { width: 3 },
    );
    moved(pen, x(play.input[0]), y(targetOf(play.row)[0]));
  },

  against(pen, box, seen, each) {
    const { low, high } = targetScale;
    const more = 0.08 * (high - low) || 1;
    const ends = [low - more, high + more];
    const { x, y } = axes(pen, box, ends, ends, { xName: WORDS.true_value, yName: WORDS.predicted });
    polyline(
      pen,
      [
        [x(ends[0]), y(ends[0])],
        [x(ends[1]), y(ends[1])],
      ],
      COLOURS.soft,
      { width: 1.4, dash: [5, 4] },
    );
    const inside = value => Math.min(Math.max(value, ends[0]), ends[1]);
    rowsIn(pen, each, (one, r, { answers }) => [
      x(one.y[r * WANTED]),
      y(inside(answers[r * net.outputs])),
      COLOURS.rgb.up,
    ]);
  },

  // How sure the net is of each class for the chosen row; and how often each class is taken for which.
  classes(pen, box, seen, each, width) {
    const count = C.targets.kind === "two" ? 2 : net.outputs;
    const shares = chances(through().answers, 0);
    const wanted = wantedClass(targetOf(play.row), 0);
    const tall = Math.min(20, 112 / count);
    pen.font = `11px ${COLOURS.font}`;
    pen.textBaseline = "middle";
    for (let n = 0; n < count; n++) {
      const y = 4 + (n + 0.5) * tall;
      pen.fillStyle = COLOURS.ink;
      pen.textAlign = "right";
      pen.font = `${n === wanted ? "700 " : ""}11px ${COLOURS.font}`;
      pen.fillText(`${clipped(className(n), 11)}${n === wanted ? " \u2713" : ""}`, 84, y);
      pen.fillStyle = css(classColour(n));
      pen.fillRect(
        90,
        y - tall * 0.36,
        Math.max((width - 140) * Math.min(Math.max(shares[n], 0), 1), 1),
        tall * 0.72,
      );
      pen.textAlign = "left";
      pen.fillStyle = COLOURS.ink;
      pen.fillText(`${(100 * shares[n]).toFixed(0)} %`, width - 44, y);
    }
    const table = Array.from({ length: count }, () => new Float64Array(count));
    const one = each.test ? test : data;
    const { answers } = each.test || each.data;
    for (let r = 0; r < one.rows; r++) table[wantedClass(one.y, r)][givenClass(answers, r)] += 1;
    const top = 4 + count * tall + 40;
    const cell = Math.min((OUTPUT_HEIGHT - top - 4) / count, (width - 110) / count, 34);
    pen.textAlign = "left";
    pen.fillStyle = COLOURS.soft;
    pen.fillText(WORDS[each.test ? "taken_for_test" : "taken_for"], 4, top - 22);
    for (let i = 0; i < count; i++) {
      const sum = table[i].reduce((total, value) => total + value, 0) || 1;
      pen.fillStyle = COLOURS.soft;
      pen.textAlign = "right";
      pen.fillText(clipped(className(i), 11), 84, top + (i + 0.5) * cell);
      pen.textAlign = "center";
      for (let j = 0; j < count; j++) {
        const share = table[i][j] / sum;
        const [x, y] = [90 + j * cell, top + i * cell];
        pen.fillStyle = css(i === j ? COLOURS.rgb.up : COLOURS.rgb.down, 0.06 + 0.8 * share ** 0.7);
        pen.fillRect(x, y, cell - 1, cell - 1);
        if (cell >= 12 && table[i][j]) {
          pen.fillStyle = share > 0.6 ? COLOURS.paper : COLOURS.ink;
          pen.font = `${cell < 18 ? 8 : 11}px ${COLOURS.font}`;
          pen.fillText(String(table[i][j]), x + cell / 2, y + cell / 2);
          pen.font = `11px ${COLOURS.font}`;
        }
      }
    }
  },
};

// Where the row stands now that the reader has moved it.
const moved = (pen, x, y) => {
  const own = partOf(play.row).raw;
  if (play.input.every((value, c) => value === own[play.row.r * C.inputs + c])) return;
  pen.strokeStyle = COLOURS.ink;
  pen.lineWidth = 2.4;
  pen.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [0, 1],
  ]) {
    pen.moveTo(x - 7 * dx, y - 7 * dy);
    pen.lineTo(x + 7 * dx, y + 7 * dy);
  }
  pen.stroke();
};

// Losses while it trained, of the rows it trains on and of those held out.
const drawCurves = (canvas, what) => {
  const pen = penOf(canvas);
  const width = parseFloat(canvas.style.width);
  const height = parseFloat(canvas.style.height);
  const kinds = test.rows ? ["data", "test"] : ["data"];
  const values = curve
    .flatMap(one => kinds.map(kind => one[kind] && one[kind][what]))
    .filter(Number.isFinite);
  const box = { left: 44, right: width - 10, top: 20, bottom: height - 34 };
  const last = curve.length ? curve[curve.length - 1].epoch : 0;
  if (!values.length) return;
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const log = what === "loss" && low > 0 && high > 20 * low;
  if (what === "right") [low, high] = [Math.min(low, 0.5) === 0.5 ? 0.5 : 0, 1];
  else if (log) [low, high] = [low / 1.2, high * 1.2];
  else [low, high] = [Math.min(0, low), high * 1.05 || 1];
  const { x, y } = axes(pen, box, [0, last || 1], [low, high], {
    log,
    xName: WORDS.epoch,
    yName: WORDS[what === "loss" ? "loss" : "share_right"],
  });
  for (const kind of kinds)
    polyline(
      pen,
      curve.map(one => [x(one.epoch), y(Math.min(one[kind] ? one[kind][what] : NaN, high))]),
      kind === "data" ? COLOURS.up : COLOURS.down,
      { dash: kind === "test" ? [6, 3] : [] },
    );
};
