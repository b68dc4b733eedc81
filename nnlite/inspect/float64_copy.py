"""The loss of a net as a function of all its weights, in float64 and without noise.

Layers that mix rows, such as `BatchNorm`, go by the batch, as in training: that loss is what a step lowers.
"""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.model import Sequential

__all__ = ["Float64Copy", "paid"]


class Float64Copy:
    """A copy of a net that computes in float64, without dropout.

    Parameters
    ----------
    model : Sequential
        One net, which is left as it is.
    x : ndarray of shape (rows, features)
        The input, checked.
    y : ndarray
        The targets, checked.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    loss : Loss
        What is measured.

    Attributes
    ----------
    model : Sequential
        The copy.
    start : ndarray of shape (size,)
        The weights as they were.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0)
    >>> net = Float64Copy(model, np.ones((1, 1)), np.zeros((1, 1)), None, nn.MeanSquaredError())
    >>> net.loss(np.array([3.0])), net.gradient(np.array([3.0]))
    (9.0, array([6.]))
    """

    def __init__(self, model: Sequential, x: Array, y: AnyArray, weight: Array | None, loss: Loss) -> None:
        self.model = model._in_float64()
        self.x = x.astype(np.float64)
        self.y = y.astype(np.float64) if y.dtype.kind == "f" else y
        self.weight = None if weight is None else weight.astype(np.float64)
        self._loss = loss
        self._numbers = self.model.params.numbers.copy()
        self.start = self.model.params.values.copy()

    def predict(self, values: Array) -> Array:
        """Compute the prediction at some weights.

        Parameters
        ----------
        values : ndarray of shape (size,)
            The weights.

        Returns
        -------
        ndarray of shape (rows, outputs)
        """
        self._go_to(values)
        return self.model._quiet_forward(self.x, self.weight)

    def _go_to(self, values: Array) -> None:
        """Set the weights; what is kept, such as running statistics, is as it was at the start."""
        self.model.params.numbers[...] = self._numbers
        self.model.params.values[...] = values

    def loss(self, values: Array) -> float:
        """Compute the loss at some weights.

        Parameters
        ----------
        values : ndarray of shape (size,)
            The weights.

        Returns
        -------
        float
            NaN or infinity where it overflows.
        """
        with np.errstate(all="ignore"):
            return paid(self._loss, self.predict(values), self.y, self.weight)

    def gradient(self, values: Array) -> Array:
        """Compute the gradient at some weights by backpropagation.

        Parameters
        ----------
        values : ndarray of shape (size,)
            The weights.

        Returns
        -------
        ndarray of shape (size,)
        """
        self._go_to(values)
        with np.errstate(all="ignore"):
            ctx = self.model._quiet_context()
            self.model._loss_and_grad(self.x, self.y, self.weight, self._loss, ctx)
        found: Array = self.model.params.grads.copy()
        return found


def paid(loss: Loss, pred: Array, y: AnyArray, weight: Array | None) -> float:
    """Compute the loss of some predictions; NaN where it cannot be computed.

    Parameters
    ----------
    loss : Loss
        Any.
    pred : ndarray of shape (rows, outputs)
        The predictions.
    y, weight
        As ``loss.value_and_grad`` takes them.

    Returns
    -------
    float

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> paid(MeanSquaredError(), np.ones((2, 1)), np.zeros((2, 1)), None)
    1.0
    """
    try:
        return float(loss.value_and_grad(pred, y, weight)[0])
    except ArithmeticError:  # a loss of the user's own may use Python's mathematics
        return float("nan")
