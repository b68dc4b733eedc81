// The loop of gradient descent: order, batches, forward, loss, blame, step.

// Some rows of an array, in the order in which they were drawn.
const gather = (from, order, start, rows, width) => {
  const taken = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++)
    for (let c = 0, at = order[start + r] * width; c < width; c++) taken[r * width + c] = from[at + c];
  return taken;
};

class Training {
  // `data` has x, y, rows, and the widths of their rows; `order` is the generator of orders and of dropout.
  constructor(net, data, loss, optimizer, { batch, order, penalties = null }) {
    Object.assign(this, { net, data, optimizer, batch, order, penalties });
    this.loss = new LOSSES[loss.kind](loss);
    this.epoch = 0;
    this.at = data.rows; // the next step begins an epoch
    this.sum = 0;
    this.losses = [];
  }

  // The loss of some rows, and the slopes for their answers, as the net is now.
  look(x, y, rows, generator = null) {
    const { net } = this;
    const answers = net.forward(x, rows, generator);
    const each = new Float64Array(rows);
    const slopes = new net.Real(rows * net.outputs);
    this.loss.look(answers, y, rows, net.outputs, each, slopes);
    let sum = 0;
    for (const value of each) sum += value;
    return { answers, each, slopes, loss: sum / rows };
  }

  // The rows of the next step, by their places in the data.
  next() {
    const { data } = this;
    if (this.at >= data.rows) {
      this.epoch += 1;
      this.orderNow = this.order.permutation(data.rows);
      this.at = 0;
      this.sum = 0;
    }
    const rows = Math.min(this.batch, data.rows - this.at);
    const x = gather(data.x, this.orderNow, this.at, rows, data.inputs);
    const y = gather(data.y, this.orderNow, this.at, rows, data.outputs);
    return { x, y, rows, order: Array.from(this.orderNow).slice(this.at, this.at + rows) };
  }

  // One step; says whether the loss is still a number.
  step() {
    const { net, data, optimizer } = this;
    const { x, y, rows } = this.next();
    const { slopes, loss } = this.look(x, y, rows, this.order);
    if (!Number.isFinite(loss)) return false;
    net.backward(slopes, rows);
    const paid = loss + this.penalize();
    optimizer.step(net);
    this.at += rows;
    this.sum += paid * rows;
    if (this.at >= data.rows) this.losses.push(this.sum / data.rows);
    return true;
  }

  // Add the slopes of l1 * sum |W| + l2 * sum W^2 to the gradients of the weights; say what they come to.
  penalize() {
    if (!this.penalties) return 0;
    const { l1 = 0, l2 = 0 } = this.penalties;
    const { values, grads, decayed, runs } = this.net;
    let total = 0;
    for (const [low, high] of runs)
      for (let n = low; n < Math.min(high, decayed); n++) {
        total += l1 * Math.abs(values[n]) + l2 * values[n] ** 2;
        grads[n] += l1 * Math.sign(values[n]) + 2 * l2 * values[n];
      }
    return total;
  }
}
