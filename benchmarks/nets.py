"""The nets that every library trains: their sizes, their data and their initial weights."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SEED = 0
MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
#: For libraries that add epsilon before they correct the second moment for its start at zero. No
#: constant makes the two the same at every step; this one does at the fifth, where we look.
EPSILON_BEFORE_CORRECTION = EPSILON * (1 - BETA2**5) ** 0.5


class Net(NamedTuple):
    """A net and how it is trained.

    Attributes
    ----------
    sizes : tuple of int
        Features of the input, of each hidden layer, and of the output.
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
    """

    sizes: tuple[int, ...]
    batch: int
    optimizer: Literal["sgd", "momentum", "adam"]
    rate: float
    batches: int = 16
    activation: Literal["relu", "tanh"] = "relu"
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"

    @property
    def rows(self) -> int:
        """Rows of all batches together."""
        return self.batch * self.batches

    def describe(self) -> str:
        """Say in a line what is trained."""
        rule = {"sgd": "SGD", "momentum": "SGD momentum", "adam": "Adam"}[self.optimizer]
        kind = " tanh MSE" if self.loss == "mse" else ""
        return f"{'-'.join(map(str, self.sizes))}{kind}, batch {self.batch}, {rule}"


NETS: dict[str, Net] = {
    "2-8-1": Net((2, 8, 1), 4, "sgd", 0.1, activation="tanh", loss="mse"),
    "2-64-64-3": Net((2, 64, 64, 3), 32, "adam", 0.001),
    "64-128-10": Net((64, 128, 10), 32, "adam", 0.001),
    "784-256-128-10": Net((784, 256, 128, 10), 128, "adam", 0.001),
    "784-512-512-10": Net((784, 512, 512, 10), 256, "momentum", 0.01),
    "1024-2048-2048-1000": Net((1024, 2048, 2048, 1000), 512, "momentum", 0.01, batches=4),
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
        return NETS[case]
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
    X = rng.standard_normal((net.rows, net.sizes[0]), dtype=np.float32)
    if net.loss == "mse":
        return X, rng.standard_normal((net.rows, net.sizes[-1]), dtype=np.float32)
    return X, rng.permutation(np.arange(net.rows) % net.sizes[-1])  # every class is there


def make_weights(net: Net, seed: int = SEED + 1) -> list[tuple[Array, Array]]:
    """Draw the initial weights, of shape (in, out), and biases of each layer."""
    rng = np.random.default_rng(seed)
    gain = 1.0 if net.activation == "tanh" else 2.0
    return [
        (
            (rng.standard_normal((fan_in, fan_out)) * np.sqrt(gain / fan_in)).astype(np.float32),
            np.zeros(fan_out, dtype=np.float32),
        )
        for fan_in, fan_out in zip(net.sizes, net.sizes[1:], strict=False)
    ]


def one_hot(y: NDArray[np.generic], classes: int) -> Array:
    """Turn class ids into rows, for the libraries that are faster with those."""
    return np.eye(classes, dtype=np.float32)[y]


def batches(net: Net, *arrays: NDArray[np.generic]) -> list[tuple[NDArray[np.generic], ...]]:
    """Cut arrays of all rows into the batches, in order."""
    return [
        tuple(np.ascontiguousarray(array[start : start + net.batch]) for array in arrays)
        for start in range(0, net.rows, net.batch)
    ]
