// The losses: what a row pays, and the slope for each of its answers. A loss is the mean over the rows.

// What one answer pays and its slope there, for the losses that look at each answer alone.
const POINTWISE = {
  MeanSquaredError: () => gap => [gap * gap, 2 * gap],
  MeanAbsoluteError: () => gap => [Math.abs(gap), Math.sign(gap)],
  Huber:
    ({ delta }) =>
    gap => {
      const clipped = Math.min(Math.max(gap, -delta), delta);
      return [clipped * (gap - 0.5 * clipped), clipped];
    },
  Quantile:
    ({ q }) =>
    gap => {
      const slope = gap > 0 ? 1 - q : gap < 0 ? -q : 0;
      return [slope * gap, slope];
    },
  Hinge: () => (gap, answer, target) => {
    const missing = 1 - target * answer;
    return missing > 0 ? [missing, -target] : [0, 0];
  },
  BinaryCrossEntropy:
    ({ label_smoothing: smooth, pos_weight: weight }) =>
    (gap, answer, target, column) => {
      const yes = target * (1 - smooth) + smooth / 2;
      const factor = weight === null ? 1 : Array.isArray(weight) ? weight[column] : weight;
      const [chance, other] = [sigmoid(answer), sigmoid(-answer)];
      return [
        factor * yes * softplus(-answer) + (1 - yes) * softplus(answer),
        (1 - yes) * chance - factor * yes * other,
      ];
    },
};

class Pointwise {
  constructor(given) {
    this.of = POINTWISE[given.kind](given);
  }
  // The losses of the rows go to `each`, the slopes of their mean to `slopes`.
  look(answers, targets, rows, width, each, slopes) {
    for (let r = 0, n = 0; r < rows; r++) {
      let sum = 0;
      for (let c = 0; c < width; c++, n++) {
        const [value, slope] = this.of(answers[n] - targets[n], answers[n], targets[n], c);
        sum += value;
        slopes[n] = slope / width / rows;
      }
      each[r] = sum / width;
    }
  }
}

class SoftmaxCrossEntropy {
  constructor({ label_smoothing: smooth }) {
    this.smooth = smooth;
  }
  // A target is the number of a class, or a row of shares.
  look(answers, targets, rows, width, each, slopes) {
    const ids = targets.length < rows * width;
    for (let r = 0; r < rows; r++) {
      const start = r * width;
      let [most, sum, whole] = [-Infinity, 0, 0];
      for (let c = 0; c < width; c++) most = Math.max(most, answers[start + c]);
      for (let c = 0; c < width; c++) sum += Math.exp(answers[start + c] - most);
      const wanted = c =>
        (1 - this.smooth) * (ids ? (targets[r] === c ? 1 : 0) : targets[start + c]) + this.smooth / width;
      let paid = 0;
      for (let c = 0; c < width; c++) {
        whole += wanted(c);
        paid += wanted(c) * (Math.log(sum) - (answers[start + c] - most));
      }
      for (let c = 0; c < width; c++)
        slopes[start + c] = ((whole * Math.exp(answers[start + c] - most)) / sum - wanted(c)) / rows;
      each[r] = paid;
    }
  }
}

const LOSSES = { SoftmaxCrossEntropy };
for (const kind of Object.keys(POINTWISE)) LOSSES[kind] = Pointwise;
