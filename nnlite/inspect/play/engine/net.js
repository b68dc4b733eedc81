// A net: layers in a row, with all their parameters in one array, weights before biases as in nnlite.

class Net {
  // `layers` are the settings of each, by the names they have in nnlite, with its `kind`.
  constructor(layers, inputs, dtype) {
    this.Real = dtype === "float64" ? Float64Array : Float32Array;
    this.inputs = inputs;
    this.layers = layers.map(given => new LAYERS[given.kind](given, this.Real));
    let width = inputs;
    for (const layer of this.layers) {
      layer.attach(width);
      width = layer.width;
    }
    this.outputs = width;
    const all = this.layers.flatMap((layer, place) =>
      layer.parameters.map(spec => ({ ...spec, layer, key: `${place}.${spec.name}` })),
    );
    this.specs = [...all.filter(spec => spec.decay), ...all.filter(spec => !spec.decay)];
    let size = 0;
    for (const spec of this.specs) {
      spec.start = size;
      size += spec.shape.reduce((product, side) => product * side, 1);
      spec.end = size;
    }
    this.decayed = Math.max(0, ...this.specs.filter(spec => spec.decay).map(spec => spec.end));
    this.values = new this.Real(size);
    this.grads = new this.Real(size);
    for (const { layer, name, start, end } of this.specs) {
      layer[name] = this.values.subarray(start, end);
      layer.grads = { ...layer.grads, [name]: this.grads.subarray(start, end) };
    }
    this.thaw();
  }

  // The parameters that are trained, as pieces of the array: all but those of frozen layers.
  thaw() {
    this.runs = [];
    for (const { layer, start, end } of this.specs) {
      if (layer.given.frozen) continue;
      const last = this.runs[this.runs.length - 1];
      if (last && last[1] === start) last[1] = end;
      else this.runs.push([start, end]);
    }
  }

  // How the weights of each layer start, by what it feeds.
  startOf(place) {
    for (const layer of this.layers.slice(place + 1)) {
      if (layer.parameters.length) return glorot; // another layer that learns, with nothing between
      if (STARTS[layer.kind]) return STARTS[layer.kind](layer);
    }
    return he(3);
  }
  // Draw all weights anew, as nnlite does from the same generator.
  draw(generator) {
    const streams = generator.spawn(this.layers.length);
    this.layers.forEach((layer, place) => {
      if (!layer.draw) return;
      const drawn = layer.draw(streams[place], this.startOf(place));
      for (const { name } of layer.parameters) layer[name].set(drawn[name]);
    });
  }

  // The answers to some rows; with a generator it is training, and dropout acts. What each layer gave stands in
  // `passed`, behind the rows themselves, until the next rows come.
  forward(x, rows, generator = null) {
    this.passed = [x];
    for (const layer of this.layers) this.passed.push((x = layer.forward(x, rows, generator)));
    return x;
  }
  // From the slopes of the loss for the answers to the gradients of all parameters. What each layer was blamed
  // for stands in `blamed`; what the rows themselves are to blame for, in front of all, only `toData`.
  backward(slopes, rows, toData = false) {
    const first = this.layers.findIndex(layer => layer.parameters.length);
    this.blamed = [];
    this.blamed[this.layers.length] = slopes;
    for (let place = this.layers.length - 1; place >= (toData ? 0 : first); place--)
      this.blamed[place] = slopes = this.layers[place].backward(slopes, rows, !toData && place === first);
  }
}
