// The layers. Rows lie one behind the other in one array: number c of row r of a layer that gives `width`
// numbers is y[r * width + c]. Sums are made in float64, and stored in the dtype of the net.

const sigmoid = x => 1 / (1 + Math.exp(-x));
const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

// The normal distribution's share below x, by the series of Marsaglia (2004) near 0 and a continued fraction.
const normalShare = x => {
  if (Math.abs(x) > 6) {
    let fraction = Math.abs(x);
    for (let n = 60; n > 0; n--) fraction = Math.abs(x) + n / fraction;
    const beyond = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI) / fraction;
    return x < 0 ? beyond : 1 - beyond;
  }
  let [sum, term] = [x, x];
  for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) sum += term *= (x * x) / n;
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
};

// Each activation by what it makes of one number, and its slope there; y is what it made of x.
const ACTIVATIONS = {
  ReLU: () => [x => (x > 0 ? x : 0), (x, y) => (y > 0 ? 1 : 0)],
  LeakyReLU: ({ negative_slope: a }) => [x => (x > 0 ? x : a * x), x => (x > 0 ? 1 : a)],
  ELU: ({ alpha: a }) => [x => (x > 0 ? x : a * Math.expm1(x)), (x, y) => (y > 0 ? 1 : y + a)],
  SELU: () => {
    const [alpha, scale] = [1.6732632423543772, 1.0507009873554805];
    return [x => scale * (x > 0 ? x : alpha * Math.expm1(x)), (x, y) => (y > 0 ? scale : y + scale * alpha)];
  },
  GELU: ({ approximate }) => {
    if (!approximate)
      return [
        x => x * normalShare(x),
        x => normalShare(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
      ];
    const inside = x => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    const gate = x => 0.5 * (1 + Math.tanh(inside(x)));
    const slope = x => 2 * Math.sqrt(2 / Math.PI) * gate(x) * (1 - gate(x)) * (1 + 3 * 0.044715 * x * x);
    return [x => x * gate(x), x => gate(x) + (Math.abs(x) < 40 ? x * slope(x) : 0)];
  },
  SiLU: () => [x => x * sigmoid(x), (x, y) => sigmoid(x) + y * (1 - sigmoid(x))],
  Mish: () => [
    x => x * Math.tanh(softplus(x)),
    x => Math.tanh(softplus(x)) + Math.max(x, -1e3) * sigmoid(x) * (1 - Math.tanh(softplus(x)) ** 2),
  ],
  Softplus: () => [softplus, x => sigmoid(x)],
  Tanh: () => [Math.tanh, (x, y) => 1 - y * y],
  Sigmoid: () => [sigmoid, (x, y) => y * (1 - y)],
  HardSigmoid: () => [x => Math.min(Math.max(x + 3, 0), 6) / 6, (x, y) => (y > 0 && y < 1 ? 1 / 6 : 0)],
  HardSwish: () => [
    x => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
    x => Math.min(Math.max(x + 3, 0), 6) / 6 + (x > -3 && x < 3 ? x / 6 : 0),
  ],
  Clip: ({ low, high }) => [x => Math.min(Math.max(x, low), high), (x, y) => (y > low && y < high ? 1 : 0)],
  ReLU6: () => ACTIVATIONS.Clip({ low: 0, high: 6 }),
  Step: () => [x => (x > 0 ? 1 : 0), () => 0],
};

// The initializers: each draws around zero, with a variance that goes by the numbers of inputs and outputs.
const VARIANCES = {
  He: ({ negative_slope: slope }, inputs) => 2 / ((1 + slope ** 2) * inputs),
  Glorot: (given, inputs, outputs) => 2 / (inputs + outputs),
  LeCun: (given, inputs) => 1 / inputs,
};
const initializer = ({ kind, ...given }) => {
  if (kind === "Zeros") return () => 0;
  if (kind === "Constant") return () => given.value;
  const [, family, shape] = kind.match(/^(He|Glorot|LeCun)(Normal|Uniform)$/);
  return (draw, inputs, outputs) => {
    const variance = VARIANCES[family](given, inputs, outputs);
    const limit = Math.sqrt(3 * variance);
    return shape === "Normal" ? draw.normal(Math.sqrt(variance)) : draw.uniform(-limit, limit);
  };
};
const he = slope => ({ kind: "HeNormal", negative_slope: slope });
const glorot = { kind: "GlorotUniform" };
// What suits a Dense by the layer that it feeds; the last one, which feeds none, starts small.
const STARTS = { LeakyReLU: layer => he(layer.negative_slope), SELU: () => ({ kind: "LeCunNormal" }) };
for (const kind of ["ReLU", "ELU", "GELU", "SiLU", "Mish", "Softplus", "ReLU6", "HardSwish"])
  STARTS[kind] = () => he(0);
for (const kind of ["Tanh", "Sigmoid", "Step", "Softmax", "Clip", "HardSigmoid"]) STARTS[kind] = () => glorot;

// What all layers share: arrays for their answers that grow with the batch.
class Layer {
  constructor(given, Real) {
    Object.assign(this, given);
    this.given = given;
    this.Real = Real;
    this.parameters = [];
    this.rows = 0;
  }
  // The number of answers for so many inputs.
  outputs(inputs) {
    return inputs;
  }
  attach(inputs) {
    this.inputs = inputs;
    this.width = this.outputs(inputs);
  }
  // Make room for so many rows.
  grow(rows) {
    if (rows <= this.rows) return;
    this.rows = rows;
    this.y = new this.Real(rows * this.width);
    this.dx = new this.Real(rows * this.inputs);
  }
}

class Dense extends Layer {
  outputs() {
    return this.out_features;
  }
  attach() {
    super.attach(this.in_features);
    this.parameters = [{ name: "W", shape: [this.inputs, this.width], decay: true }];
    if (this.bias) this.parameters.push({ name: "b", shape: [this.width], decay: false });
  }
  draw(generator, usual) {
    const fill = (count, start) => {
      const values = new this.Real(count);
      for (let n = 0; n < count; n++) values[n] = start(generator, this.inputs, this.width);
      return values;
    };
    const W = fill(this.inputs * this.width, initializer(this.weight_initializer || usual));
    return { W, b: fill(this.width, initializer(this.bias_initializer || { kind: "Zeros" })) };
  }
  forward(x, rows) {
    this.grow(rows);
    this.x = x;
    const { inputs, width, W, b, y } = this;
    for (let r = 0; r < rows; r++)
      for (let j = 0; j < width; j++) {
        let sum = 0;
        for (let i = 0, at = j; i < inputs; i++, at += width) sum += x[r * inputs + i] * W[at];
        y[r * width + j] = b ? sum + b[j] : sum;
      }
    return y;
  }
  backward(dy, rows, first) {
    const { inputs, width, W, x, dx } = this;
    const { W: dW, b: db } = this.grads;
    for (let i = 0; i < inputs; i++)
      for (let j = 0; j < width; j++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum += x[r * inputs + i] * dy[r * width + j];
        dW[i * width + j] = sum;
      }
    if (db)
      for (let j = 0; j < width; j++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum += dy[r * width + j];
        db[j] = sum;
      }
    if (first) return null; // nobody asks what the data are to blame for
    for (let r = 0; r < rows; r++)
      for (let i = 0; i < inputs; i++) {
        let sum = 0;
        for (let j = 0; j < width; j++) sum += dy[r * width + j] * W[i * width + j];
        dx[r * inputs + i] = sum;
      }
    return dx;
  }
}

class Activation extends Layer {
  attach(inputs) {
    super.attach(inputs);
    [this.of, this.slope] = ACTIVATIONS[this.kind](this);
  }
  forward(x, rows) {
    this.grow(rows);
    this.x = x;
    const { y, of } = this;
    for (let n = rows * this.width - 1; n >= 0; n--) y[n] = of(x[n]);
    return y;
  }
  backward(dy, rows) {
    const { x, y, dx, slope } = this;
    for (let n = rows * this.width - 1; n >= 0; n--) dx[n] = dy[n] * slope(x[n], y[n]);
    return dx;
  }
}

class Softmax extends Layer {
  forward(x, rows) {
    this.grow(rows);
    const { width, y } = this;
    for (let start = 0; start < rows * width; start += width) {
      let [most, sum] = [-Infinity, 0];
      for (let n = start; n < start + width; n++) most = Math.max(most, x[n]);
      for (let n = start; n < start + width; n++) sum += y[n] = Math.exp(x[n] - most);
      for (let n = start; n < start + width; n++) y[n] /= sum;
    }
    return y;
  }
  backward(dy, rows) {
    const { width, y, dx } = this;
    for (let start = 0; start < rows * width; start += width) {
      let sum = 0;
      for (let n = start; n < start + width; n++) sum += y[n] * dy[n];
      for (let n = start; n < start + width; n++) dx[n] = y[n] * (dy[n] - sum);
    }
    return dx;
  }
}

class Dropout extends Layer {
  forward(x, rows, generator) {
    this.grow(rows);
    this.mask = null;
    if (!generator) return x;
    const { y, rate } = this;
    const mask = (this.mask = new this.Real(rows * this.width));
    for (let n = 0; n < mask.length; n++) {
      mask[n] = generator.single() >= Math.fround(rate) ? 1 / (1 - rate) : 0;
      y[n] = x[n] * mask[n];
    }
    return y;
  }
  backward(dy, rows) {
    const { dx, mask } = this;
    if (!mask) return dy;
    for (let n = 0; n < mask.length; n++) dx[n] = dy[n] * mask[n];
    return dx;
  }
}

class Standardize extends Layer {
  forward(x, rows) {
    this.grow(rows);
    const { y, width, mean, scale } = this;
    for (let r = 0, n = 0; r < rows; r++)
      for (let c = 0; c < width; c++, n++) y[n] = (x[n] - mean[c]) / scale[c];
    return y;
  }
  backward(dy, rows) {
    const { dx, width, scale } = this;
    for (let r = 0, n = 0; r < rows; r++) for (let c = 0; c < width; c++, n++) dx[n] = dy[n] / scale[c];
    return dx;
  }
}

// Numbers of a sample stand in one row anyway.
class Flatten extends Layer {
  forward(x) {
    return x;
  }
  backward(dy) {
    return dy;
  }
}

const LAYERS = { Dense, Softmax, Dropout, Standardize, Flatten };
for (const kind of Object.keys(ACTIVATIONS)) LAYERS[kind] = Activation;
