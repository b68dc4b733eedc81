"""The nets that every library trains: their sizes, their data and their initial weights."""

from __future__ import annotations

from math import prod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
#: The numbers of each layer that has any, in the order of `Part.shapes`; of a dense one, W and b.
Weights = list[tuple[Array, ...]]

SEED = 0
MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
#: For libraries that add epsilon before they correct the second moment for its start at zero. No
#: constant makes the two the same at every step; this one does at the fifth, where we look.
EPSILON_BEFORE_CORRECTION = EPSILON * (1 - BETA2**5) ** 0.5


class Conv(NamedTuple):
    """A convolution of images, with the activation of the net behind it."""

    inputs: int
    outputs: int
    size: int
    padding: int = 0

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Those of W and b."""
        return (self.size, self.size, self.inputs, self.outputs), (self.outputs,)

    def describe(self) -> str:
        """Say in a few words what it is."""
        return f"conv {self.outputs} of {self.size} x {self.size}"


class Pool(NamedTuple):
    """The largest number of each window of images; windows stand side by side."""

    size: int
    shapes: tuple[tuple[int, ...], ...] = ()

    def describe(self) -> str:
        """Say in a few words what it is."""
        return f"pool {self.size}"


class GRU(NamedTuple):
    """Gated recurrent units over sequences, of which the last state counts.

    The columns of all gates stand side by side: of the update gate, the reset gate and the new state. The
    reset gate stands behind the product with U, of which c is the bias.
    """

    inputs: int
    units: int

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Those of W, U, b and c."""
        columns = 3 * self.units
        return (self.inputs, columns), (self.units, columns), (columns,), (columns,)

    def describe(self) -> str:
        """Say in a few words what it is."""
        return f"GRU {self.units}"


#: What may stand in front of dense layers.
Part = Conv | Pool | GRU


class Net(NamedTuple):
    """A net and how it is trained.

    Attributes
    ----------
    sizes : tuple of int
        Features of the input of the first dense layer, of each hidden layer, and of the output.
    batch : int
        Rows in a step.
    optimizer : {"sgd", "momentum", "adam"}
        The update rule; the numbers it needs are constants of this module.
    rate : float
        The learning rate.
    batches : int
        How many different batches there are; they are gone through again and again.
    activation : {"relu", "tanh"}
        What stands between the layers.
    loss : {"cross_entropy", "mse"}
        Softmax cross-entropy of class ids, or the mean squared error.
    shape : tuple of int
        That of a sample, (height, width, channels) or (steps, features); empty for rows of numbers.
    front : tuple of Part
        What stands between such samples and the dense layers, which get what it gives as one row.
    """

    sizes: tuple[int, ...]
    batch: int
    optimizer: Literal["sgd", "momentum", "adam"]
    rate: float
    batches: int = 16
    activation: Literal["relu", "tanh"] = "relu"
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    shape: tuple[int, ...] = ()
    front: tuple[Part, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all batches together."""
        return self.batch * self.batches

    def describe(self) -> str:
        """Say in a line what is trained."""
        rule = {"sgd": "SGD", "momentum": "SGD momentum", "adam": "Adam"}[self.optimizer]
        kind = " tanh MSE" if self.loss == "mse" else ""
        parts = [" x ".join(map(str, self.shape))] if self.shape else []
        parts += [part.describe() for part in self.front]
        return ", ".join([*parts, f"{'-'.join(map(str, self.sizes))}{kind}", f"batch {self.batch}", rule])


NETS: dict[str, Net] = {
    "2-8-1": Net((2, 8, 1), 4, "sgd", 0.1, activation="tanh", loss="mse"),
    "2-64-64-3": Net((2, 64, 64, 3), 32, "adam", 0.001),
    "64-128-10": Net((64, 128, 10), 32, "adam", 0.001),
    "784-256-128-10": Net((784, 256, 128, 10), 128, "adam", 0.001),
    "784-512-512-10": Net((784, 512, 512, 10), 256, "momentum", 0.01),
    "1024-2048-2048-1000": Net((1024, 2048, 2048, 1000), 512, "momentum", 0.01, batches=4),
}
#: Nets of images and of sequences.
SHAPED: dict[str, Net] = {
    "LeNet-5": Net(
        (400, 120, 84, 10),
        64,
        "adam",
        0.001,
        shape=(28, 28, 1),
        front=(Conv(1, 6, 5, padding=2), Pool(2), Conv(6, 16, 5), Pool(2)),
    ),
    "GRU": Net((64, 10), 32, "adam", 0.001, shape=(32, 8), front=(GRU(8, 64),)),
}


#: What grows in the measurement of growth, and how far; replicas are those of the first net above.
GROWTH: dict[str, tuple[int, ...]] = {
    "width": (8, 16, 32, 64, 128, 256, 512, 1024),
    "depth": (1, 2, 4, 8, 16, 32),
    "batch": (1, 4, 16, 64, 256, 1024),
    "replicas": (1, 4, 16, 64, 256, 1024),
}


def find_net(case: str) -> Net:
    """Give one of the nets above by its name, or a net that grows: "width 128", "depth 4", "batch 16"."""
    axis, _, number = case.partition(" ")
    if axis not in GROWTH:
        return (NETS | SHAPED)[case]
    n = int(number)
    net = NETS["64-128-10"]
    if axis == "width":
        return net._replace(sizes=(64, n, n, 10))
    if axis == "depth":
        return net._replace(sizes=(64, *[64] * n, 10))
    return net._replace(sizes=(64, 64, 64, 10), batch=n)


def make_data(net: Net) -> tuple[Array, NDArray[np.generic]]:
    """Draw all rows: the input, and class ids or numbers to hit.

    The targets have nothing to do with the input. The net then has always something left
    to learn, and no library is timed on gradients that have faded away.
    """
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((net.rows, *(net.shape or net.sizes[:1])), dtype=np.float32)
    if net.loss == "mse":
        return X, rng.standard_normal((net.rows, net.sizes[-1]), dtype=np.float32)
    return X, rng.permutation(np.arange(net.rows) % net.sizes[-1])  # every class is there


def make_weights(net: Net, seed: int = SEED + 1) -> Weights:
    """Draw the initial numbers of each layer; those of dense layers are W, of shape (in, out), and b."""
    rng = np.random.default_rng(seed)
    gain = 1.0 if net.activation == "tanh" else 2.0
    dense = zip(net.sizes, net.sizes[1:], strict=False)
    layers = [*(part.shapes for part in net.front if part.shapes), *((wide, wide[1:]) for wide in dense)]

    def draw(shape: tuple[int, ...]) -> Array:
        if len(shape) == 1:
            return np.zeros(shape, np.float32)
        return (rng.standard_normal(shape) * np.sqrt(gain / prod(shape[:-1]))).astype(np.float32)

    return [tuple(draw(shape) for shape in shapes) for shapes in layers]


def one_hot(y: NDArray[np.generic], classes: int) -> Array:
    """Turn class ids into rows, for the libraries that are faster with those."""
    return np.eye(classes, dtype=np.float32)[y]


def batches(net: Net, *arrays: NDArray[np.generic]) -> list[tuple[NDArray[np.generic], ...]]:
    """Cut arrays of all rows into the batches, in order."""
    return [
        tuple(np.ascontiguousarray(array[start : start + net.batch]) for array in arrays)
        for start in range(0, net.rows, net.batch)
    ]
