"""JAX: the whole step as one compiled program that is given its buffers to reuse."""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import sparse

from benchmarks.epochs import Densified, Epochs
from benchmarks.job import Prediction, Training
from benchmarks.many import Many
from benchmarks.nets import BETA1, BETA2, EPSILON, GRU, MOMENTUM, Conv, Net, Part

#: The entries of a sparse batch are a multiple of this.
PADDED = 2_048


class Unrolled(GRU):
    """The same, of which every step of the sequence is compiled for itself."""


def through(part: Part, params: Any, x: Any) -> Any:
    """Compute what a part in front of the dense layers gives, before any activation."""
    if isinstance(part, Conv):
        W, b = params
        edges = 2 * [(part.padding, part.padding)]
        return lax.conv_general_dilated(x, W, (1, 1), edges, dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
    if not isinstance(part, GRU):
        window = (1, part.size, part.size, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    W, U, b, c = params

    def step(h: Any, of_x: Any) -> Any:
        (xu, xr, xn), (hu, hr, hn) = (jnp.split(all_gates, 3, axis=1) for all_gates in (of_x, h @ U + c))
        update, reset = jax.nn.sigmoid(xu + hu), jax.nn.sigmoid(xr + hr)
        return update * h + (1 - update) * jnp.tanh(xn + reset * hn), None

    start = jnp.zeros((len(x), part.units), x.dtype)
    of_all = (x @ W + b).swapaxes(0, 1)  # one product for the inputs of all steps
    return lax.scan(step, start, of_all, unroll=isinstance(part, Unrolled))[0]


def forward(net: Net, params: Any, x: Any) -> Any:
    """Compute the output of the net."""
    activation = jnp.tanh if net.activation == "tanh" else jax.nn.relu
    params = list(params)
    for part in net.front:
        x = through(part, params.pop(0) if part.shapes else (), x)
        x = activation(x) if isinstance(part, Conv) else x
    x = x.reshape(len(x), -1)
    for W, b in params[:-1]:
        x = activation(x @ W + b)
    W, b = params[-1]
    return x @ W + b


def loss_value(net: Net, params: Any, x: Any, y: Any) -> Any:
    """Compute the loss of the net."""
    pred = forward(net, params, x)
    if net.loss == "mse":
        return jnp.mean((pred - y) ** 2)
    log_p = jax.nn.log_softmax(pred)
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))


def start(net: Net, weights: Any) -> Any:
    """Make parameters and optimizer state on the device."""
    params = [tuple(map(jnp.array, layer)) for layer in weights]
    zeros = partial(jax.tree.map, jnp.zeros_like)
    if net.optimizer == "sgd":
        return params, ()
    if net.optimizer == "momentum":
        return params, zeros(params)
    return params, (jnp.zeros(()), zeros(params), zeros(params))


def step(net: Net, state: Any, x: Any, y: Any) -> Any:
    """Make one step: the new state, and the loss before it."""
    params, kept = state
    value, grads = jax.value_and_grad(partial(loss_value, net))(params, x, y)
    apply = jax.tree.map
    if net.optimizer == "sgd":
        return (apply(lambda w, g: w - net.rate * g, params, grads), ()), value
    if net.optimizer == "momentum":
        velocity = apply(lambda v, g: MOMENTUM * v + g, kept, grads)
        return (apply(lambda w, v: w - net.rate * v, params, velocity), velocity), value
    count, first, second = kept
    count += 1
    first = apply(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, grads)
    second = apply(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, grads)
    by_first, by_second = 1 / (1 - BETA1**count), 1 / (1 - BETA2**count)
    params = apply(
        lambda w, m, v: w - net.rate * (m * by_first) / (jnp.sqrt(v * by_second) + EPSILON),
        params,
        first,
        second,
    )
    return (params, (count, first, second)), value


class Step(Training):
    """A compiled step at a time."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in self.batches]
        self.compiled = jax.jit(self.advance, donate_argnums=0)

    def advance(self, state: Any, x: Any, y: Any) -> Any:
        """Make one step: the new state, and the loss before it."""
        return step(self.net, state, x, y)

    def reset(self) -> None:
        self.state = start(self.net, self.weights)

    def step(self, x: Any, y: Any) -> Any:
        self.state, loss = self.compiled(self.state, x, y)
        return loss

    def run(self, count: int) -> None:
        """Make so many steps, and wait at the end for all of them."""
        compiled, state = self.compiled, self.state
        loss = None
        for x, y in islice(cycle(self.batches), count):
            state, loss = compiled(state, x, y)
        self.state = jax.block_until_ready((state, loss))[0]


class ReadStep(Step):
    """A compiled step at a time, whose loss is read before the next one is made, as `fit` of nnlite does."""

    def run(self, count: int) -> None:
        """Make so many steps."""
        compiled, state = self.compiled, self.state
        for x, y in islice(cycle(self.batches), count):
            state, loss = compiled(state, x, y)
            np.asarray(loss)
        self.state = jax.block_until_ready(state)


class Scan(Step):
    """All batches in one compiled program: nothing can look in between two steps of an epoch."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.multiple = self.net.batches
        self.stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *self.batches)

        def epoch(state: Any, data: Any) -> Any:
            return lax.scan(lambda state, batch: self.advance(state, *batch), state, data)

        self.epoch = jax.jit(epoch, donate_argnums=0)

    def run(self, count: int) -> None:
        """Make whole epochs."""
        state, losses = self.state, None
        for _ in range(max(1, count // self.net.batches)):
            state, losses = self.epoch(state, self.stacked)
        self.state = jax.block_until_ready((state, losses))[0]


class UnrolledScan(Scan):
    """The same, of which every step of a sequence is compiled for itself."""

    def load(self, case: str) -> tuple[Net, Any, Any]:
        """Give the net, its data, and what is compiled otherwise."""
        net, X, y = super().load(case)
        front = tuple(Unrolled(*part) if isinstance(part, GRU) else part for part in net.front)
        return net._replace(front=front), X, y


class Predict(Prediction):
    """The compiled forward pass; NumPy in and NumPy out, as for the others."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        params = [(jnp.array(W), jnp.array(b)) for W, b in self.weights]
        self.compiled = jax.jit(partial(forward, self.net))
        self.params = params

    def predict(self, x: Any) -> Any:
        return self.compiled(self.params, x)

    def run(self, count: int) -> None:
        """Predict, and wait for each: a prediction is made to be looked at."""
        for _ in range(count):
            self.compiled(self.params, self.x).block_until_ready()


class ManyStep(Many, Step):
    """`vmap` of the step over all nets, compiled."""

    def advance(self, state: Any, x: Any, y: Any) -> Any:
        return jax.vmap(partial(step, self.net), in_axes=(0, None, None))(state, x, y)

    def reset(self) -> None:
        self.state = jax.vmap(partial(start, self.net))(self.all_weights)


class ManyReadStep(ManyStep, ReadStep):
    """A compiled step at a time, whose losses are read before the next one is made."""


class ManyScan(ManyStep, Scan):
    """The same with all batches in one compiled program."""


class LoopEpochs(Epochs, Step):
    """A compiled step at a time, on data that is on the device, with rows that NumPy has shuffled.

    A step that takes its rows itself is a fifth faster than one that is given a batch that
    NumPy has put together.
    """

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.prepare()
        self.compiled_step = jax.jit(self.step_on, donate_argnums=(0, 1))
        self.compiled_loss = jax.jit(partial(loss_value, self.net))
        self.compiled_scores = jax.jit(partial(forward, self.net))

    def prepare(self) -> None:
        """Put the data on the device."""
        self.X, self.y = jnp.asarray(self.X), jnp.asarray(self.y)
        self.X_val, self.y_val = jnp.asarray(self.X_val), jnp.asarray(self.y_val)

    def step_on(self, state: Any, total: Any, X: Any, y: Any, rows: Any) -> Any:
        """Make a step with some rows, and add its loss to the total."""
        state, loss = step(self.net, state, X[rows], y[rows])
        return state, total + loss

    def epoch(self, order: Any) -> None:
        X, y, compiled = self.X, self.y, self.compiled_step
        state, total = self.state, jnp.zeros(())
        for rows in order.reshape(-1, self.net.batch):
            state, total = compiled(state, total, X, y, rows)
        self.state = state
        self.mean_loss = float(total) * self.net.batch / len(order)

    def validate(self) -> float:
        return float(self.compiled_loss(self.state[0], self.X_val, self.y_val))

    def scores(self) -> Any:
        return self.compiled_scores(self.state[0], self.X_val)


class ScanEpochs(LoopEpochs):
    """A whole epoch in one compiled program, with the data on the device and shuffled there."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)

        def epoch(state: Any, X: Any, y: Any, order: Any) -> Any:
            def one(state: Any, rows: Any) -> Any:
                return step(self.net, state, X[rows], y[rows])

            state, losses = lax.scan(one, state, order.reshape(-1, self.net.batch))
            return state, jnp.mean(losses)

        self.compiled_epoch = jax.jit(epoch, donate_argnums=0)
        self.shuffle = jax.jit(lambda key: jax.random.permutation(key, len(self.X)))

    def reset(self) -> None:
        super().reset()
        self.key = jax.random.key(self.seed)

    def new_order(self) -> Any:
        self.key, key = jax.random.split(self.key)
        return self.shuffle(key)

    def epoch(self, order: Any) -> None:
        self.state, loss = self.compiled_epoch(self.state, self.X, self.y, order)
        self.mean_loss = float(loss)


class DenseLoopEpochs(Densified, LoopEpochs):
    """A compiled step at a time, on sparse rows that were made dense."""


class SparseLoopEpochs(LoopEpochs):
    """A compiled step at a time, on a sparse matrix of rows that SciPy takes out of its own."""

    def prepare(self) -> None:
        self.X_val = convert(self.X_val)

    def step_on(self, state: Any, total: Any, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Make a step with a batch, and add its loss to the total."""
        state, loss = step(self.net, state, x, y)
        return state, total + loss

    def epoch(self, order: Any) -> None:
        X, y, compiled = self.X, self.y, self.compiled_step
        state, total = self.state, jnp.zeros(())
        for rows in order.reshape(-1, self.net.batch):
            state, total = compiled(state, total, convert(X[rows]), y[rows])
        self.state = state
        self.mean_loss = float(total) * self.net.batch / len(order)


def convert(x: Any) -> Any:
    """Turn rows of SciPy's into a matrix of JAX.

    A step is compiled for each number of entries that it meets. So there are always a multiple
    of a round number of them, and those behind the last row are zeros that nobody looks at.
    """
    more = -x.nnz % PADDED
    parts = np.pad(x.data, (0, more)), np.pad(x.indices, (0, more)), x.indptr
    return sparse.BCSR(tuple(jnp.asarray(part) for part in parts), shape=x.shape)
