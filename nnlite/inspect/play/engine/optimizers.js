// The optimizers, as nnlite.optimizers has them. Each keeps its `slots`, as long as the parameters, and moves
// those numbers of `w` that lie between `low` and `high`; `decay` is 0 for biases.

const corrected = (beta, step) => Math.sqrt((1 - beta ** step) / (1 - beta));

// The momentum of NAdam at a step and at the next one, and the product of all of them up to there.
const momenta = (given, step) => {
  const momentum = at => given.beta1 * (1 - 0.5 * 0.96 ** (at * given.momentum_decay));
  let made = given.made && given.made.step <= step ? given.made : { step: 0, product: 1 };
  for (let at = made.step + 1; at <= step; at++) made = { step: at, product: made.product * momentum(at) };
  given.made = made;
  return [momentum(step), momentum(step + 1), made.product * momentum(step + 1)];
};

const OPTIMIZERS = {
  SGD: {
    slots: given => (given.momentum ? ["velocity"] : []),
    move(w, g, low, high, rate, decay, [velocity], { momentum, nesterov }) {
      for (let n = low; n < high; n++) {
        const slope = g[n] + decay * w[n];
        if (velocity) velocity[n] = momentum * velocity[n] + slope;
        w[n] -= rate * (!velocity ? slope : nesterov ? slope + momentum * velocity[n] : velocity[n]);
      }
    },
  },
  Adam: {
    slots: given => ["first_moment", "second_moment", ...(given.amsgrad ? ["largest_second_moment"] : [])],
    // The moments are kept divided by 1 - beta, as in nnlite.
    move(w, g, low, high, rate, decay, [first, second, largest], { beta1, beta2, epsilon }, step) {
      const scale = corrected(beta2, step);
      const size = (rate * scale * (1 - beta1)) / (1 - beta1 ** step);
      for (let n = low; n < high; n++) {
        const slope = g[n] + decay * w[n];
        first[n] = beta1 * first[n] + slope;
        second[n] = beta2 * second[n] + slope * slope;
        if (largest) largest[n] = Math.max(largest[n], second[n]);
        w[n] -= (size * first[n]) / (Math.sqrt((largest || second)[n]) + epsilon * scale);
      }
    },
  },
  AdamW: {
    slots: given => OPTIMIZERS.Adam.slots(given),
    move(w, g, low, high, rate, decay, slots, given, step) {
      if (decay) for (let n = low; n < high; n++) w[n] *= 1 - rate * decay;
      OPTIMIZERS.Adam.move(w, g, low, high, rate, 0, slots, given, step);
    },
  },
  NAdam: {
    slots: () => ["first_moment", "second_moment"],
    move(w, g, low, high, rate, decay, [first, second], given, step) {
      const { beta1, beta2, epsilon } = given;
      const [present, following, product] = momenta(given, step);
      const scale = corrected(beta2, step);
      const ofMoment = (scale * (1 - beta1) * following) / (1 - product);
      const ofSlope = (scale * (1 - present)) / (1 - product / following);
      for (let n = low; n < high; n++) {
        const slope = g[n] + decay * w[n];
        first[n] = beta1 * first[n] + slope;
        second[n] = beta2 * second[n] + slope * slope;
        w[n] -= (rate * (ofSlope * slope + ofMoment * first[n])) / (Math.sqrt(second[n]) + epsilon * scale);
      }
    },
  },
  RMSProp: {
    slots: given => ["mean_square", ...(given.momentum ? ["velocity"] : [])],
    move(w, g, low, high, rate, decay, [square, velocity], { rho, momentum, epsilon }) {
      for (let n = low; n < high; n++) {
        const slope = g[n] + decay * w[n];
        square[n] = rho * square[n] + (1 - rho) * slope * slope;
        const move = slope / (Math.sqrt(square[n]) + epsilon);
        if (velocity) velocity[n] = momentum * velocity[n] + move;
        w[n] -= rate * (velocity ? velocity[n] : move);
      }
    },
  },
  Adagrad: {
    slots: () => ["sum_of_squares"],
    move(w, g, low, high, rate, decay, [squares], { epsilon }) {
      for (let n = low; n < high; n++) {
        const slope = g[n] + decay * w[n];
        squares[n] += slope * slope;
        w[n] -= (rate * slope) / (Math.sqrt(squares[n]) + epsilon);
      }
    },
  },
  Lion: {
    slots: () => ["momentum"],
    move(w, g, low, high, rate, decay, [momentum], { beta1, beta2 }) {
      for (let n = low; n < high; n++) {
        if (decay) w[n] *= 1 - rate * decay;
        w[n] -= rate * Math.sign(beta1 * momentum[n] + (1 - beta1) * g[n]);
        momentum[n] = beta2 * momentum[n] + (1 - beta2) * g[n];
      }
    },
  },
};

// One optimizer and what it keeps. `given` are its settings by the names they have in nnlite.
class Optimizer {
  constructor(given) {
    this.given = { ...given };
    this.rule = OPTIMIZERS[given.kind];
    this.reset();
  }
  reset() {
    this.steps = 0;
    this.kept = {};
    delete this.given.made;
  }
  // Move all parameters of a net once, by their gradients.
  step({ values, grads, decayed, runs }) {
    const { learning_rate: rate, weight_decay: decay = 0, clip_norm: limit, clip_value: most } = this.given;
    if (limit) {
      let squares = 0;
      for (const [low, high] of runs) for (let n = low; n < high; n++) squares += grads[n] ** 2;
      const factor = limit / Math.max(Math.sqrt(squares), limit);
      for (let n = 0; n < grads.length; n++) grads[n] *= factor;
    } else if (most)
      for (let n = 0; n < grads.length; n++) grads[n] = Math.min(Math.max(grads[n], -most), most);
    const slots = this.rule
      .slots(this.given)
      .map(name => (this.kept[name] ||= new values.constructor(values.length)));
    this.steps += 1;
    for (const [low, high] of runs) {
      const middle = Math.min(Math.max(decayed, low), high);
      this.rule.move(values, grads, low, middle, rate, decay, slots, this.given, this.steps);
      this.rule.move(values, grads, middle, high, rate, 0, slots, this.given, this.steps);
    }
  }
}
