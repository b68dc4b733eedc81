"""Normalization: numbers are brought to one scale, so that the next layer meets the same kind of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context, Rows
from nnlite.core.parameters import Parameter, State
from nnlite.core.sums import row_sum, sum_over_batch
from nnlite.errors.checks import check_number
from nnlite.initializers.others import Constant
from nnlite.layers.places import EachPlace

__all__ = ["SMALLEST", "BatchNorm", "LayerNorm", "RMSNorm"]

#: The smallest `epsilon`: with less, float32 could not hold the scale of a constant row.
SMALLEST = 1e-30


class Norm(EachPlace):
    """What the three have in common."""

    epsilon: float

    def _settle(self, features: int, ndim: int, epsilon: float) -> None:
        """Check and store the arguments."""
        self._take(features, ndim)
        self.epsilon = check_number(f"{type(self).__name__}(epsilon=)", epsilon, low=SMALLEST, high=1.0)


class LayerNorm(Norm):
    """Bring the numbers of each row to mean 0 and variance 1, then give each feature a gain and a bias.

    ``z = (x - mean) / sqrt(variance + epsilon)``, over the features of the row; ``y = gain * z + bias``

    Each row is looked at alone: other rows of the batch, weights of rows, and whether it is training
    or prediction make no difference.

    Parameters
    ----------
    features : int
        Numbers in a row.
    ndim : int
        Number of axes of a sample: 1 for rows of features, 2 for sequences ``(time, features)``, each step of
        which is a row then, 3 for images ``(height, width, channels)``, each point of which is one.
    epsilon : float
        What keeps the root of the variance of a constant row from 0, in [1e-30, 1].

    Attributes
    ----------
    gain, bias : ndarray of shape (features,)
        Learned; 1 and 0 at first. Weight decay does not act on them.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` or `ndim` is no positive integer, or `epsilon` no number in [1e-30, 1].

    Notes
    -----
    With ``g = gain * dL/dy`` and the means over the features of a row, the chain rule gives
    ``dL/dx = (g - mean(g) - z * mean(g * z)) / sqrt(variance + epsilon)``: mean and variance
    move along with x, which takes away what would only shift or stretch the row.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", 2016. arXiv:1607.06450,
    equations 3 and 4.

    Examples
    --------
    >>> LayerNorm(2).forward(np.array([[1.0, 3.0], [10.0, 30.0]])).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    gain = Parameter()
    bias = Parameter()

    def __init__(self, features: int, *, ndim: int = 1, epsilon: float = 1e-5) -> None:
        self._settle(features, ndim, epsilon)
        self.declare("gain", (self.features,), initializer=Constant(1.0), decay=False)
        self.declare("bias", (self.features,), decay=False)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``gain * z + bias``."""
        given, x = x, self._rows(x)
        z: Array = x - row_sum(np.ascontiguousarray(x)) / self.features
        z -= row_sum(z) / self.features  # what rounding has left of a mean that is large beside the spread
        scale = 1 / np.sqrt(row_sum(z * z) / self.features + self.epsilon)
        z *= scale
        if ctx is not None:
            ctx.save(z, scale)
        y: Array = z * self.gain
        y += self.bias
        return self._samples(y, given)

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dgain and dL/dbias, return dL/dx."""
        z, scale = ctx.saved
        given, dy = dy, self._rows(dy)
        sum_over_batch(dy * z, out=ctx.grads.gain)
        sum_over_batch(dy, out=ctx.grads.bias)
        g: Array = np.ascontiguousarray(dy * self.gain)
        dx: Array = g - row_sum(g) / self.features
        dx -= z * (row_sum(g * z) / self.features)
        dx *= scale
        return self._samples(dx, given)


class BatchNorm(Norm):
    """Bring each feature to mean 0 and variance 1 over the batch, then give it a gain and a bias.

    ``z = (x - mean) / sqrt(variance + epsilon)``, over the rows of the batch; ``y = gain * z + bias``

    That is how it trains. What it has seen is kept in running statistics, and prediction, which must not
    depend on what other rows come along, takes those in the place of the batch's own.

    Parameters
    ----------
    features : int
        Numbers in a row.
    ndim : int
        Number of axes of a sample: 1 for rows of features, 2 for sequences ``(time, features)``, 3 for images
        ``(height, width, channels)``. All steps, or points, of all samples are the rows then.
    momentum : float
        In (0, 1]: how much of the running statistics each batch renews, as in PyTorch. (Keras gives the
        name to what it leaves, .99.)
    epsilon : float
        What keeps the root of the variance of a constant feature from 0, in [1e-30, 1].

    Attributes
    ----------
    gain, bias : ndarray of shape (features,)
        Learned; 1 and 0 at first. Weight decay does not act on them.
    running_mean, running_variance : ndarray of shape (features,)
        Kept and not learned; 0 and 1 at first. The variance is that of the batch times ``n / (n - 1)``, for n
        rows that count.
    mixes_rows : bool
        False while all of it is frozen.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` or `ndim` is no positive integer, or another argument no number in its range.

    Notes
    -----
    With ``g = gain * dL/dy`` and means over the batch, the chain rule gives
    ``dL/dx = (g - mean(g) - z * mean(g * z)) / sqrt(variance + epsilon)``.

    - **Weights of rows** count in mean and variance as they count in the loss: a row of weight 2 is that row
      twice, and one of weight 0 is not there. Of the running variance only the second is so, since n counts
      rows, whatever they weigh: weights that are all twice as large are the same weights.
    - **A batch in which one row counts**, or none, has no variance. It is normalized by the running
      statistics, and leaves them. As that is no way to train, ``fit(batch_size=1)`` is refused; batches from
      an iterator, or for ``partial_fit``, are taken as they come, and should have more rows too.
    - **A last batch of few rows**, of 150 by 74 for instance, has a mean and a variance that say little of
      the others, and a step goes by them: take a `batch_size` that leaves none over, or many.
    - **Replicas** each have statistics of their own.
    - **Several processes** that share a batch have the statistics of the whole batch, as one would have.
    - **Frozen**, all of it (`Layer.freeze`), it goes by its running statistics and leaves them, as in a net
      that was trained elsewhere and is a part of another one now.
    - Where gradients of single rows are asked for (`Sequential.per_example_gradients`), it goes by the
      running statistics, as in prediction.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", ICML 2015, algorithms 1 and 2.

    Examples
    --------
    >>> from nnlite.layers import Context, Gradients
    >>> layer = BatchNorm(2)
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> layer.forward(x, Context(Gradients({}))).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean
    array([0.2, 2. ], dtype=float32)
    """

    gain = Parameter()
    bias = Parameter()
    running_mean = State()
    running_variance = State()

    def __init__(self, features: int, *, ndim: int = 1, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self._settle(features, ndim, epsilon)
        self.momentum = check_number("BatchNorm(momentum=)", momentum, low=0, low_open=True, high=1.0)
        self.declare("gain", (self.features,), initializer=Constant(1.0), decay=False)
        self.declare("bias", (self.features,), decay=False)
        self.declare("running_mean", (self.features,))
        self.declare("running_variance", (self.features,), initializer=Constant(1.0))

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``gain * z + bias``."""
        given, x = x, self._rows(x)
        mean, variance = self.running_mean, self.running_variance
        share: Array | None = None
        if ctx is not None and ctx.training and self.mixes_rows:
            weight = ctx.rows.weight
            if weight is not None and weight.shape[-1] != x.shape[-2]:  # all places of a sample count alike
                weight = np.repeat(weight, x.shape[-2] // weight.shape[-1], axis=-1)
            share, few, unbiased = _shares(x, weight, ctx.rows)
        if ctx is None or share is None:
            z: Array = x - mean
        else:
            now = _average(x, share, ctx.rows, few, mean)
            z = x - now
            # What rounding has left of a mean that is large beside the spread.
            left = _average(z, share, ctx.rows, few, 0)
            z -= left
            spread = _average(z * z, share, ctx.rows, few, variance)
            self._renew(mean, now + left)
            self._renew(variance, spread * unbiased)
            variance = spread
        scale = 1 / np.sqrt(variance + self.epsilon)
        z *= scale
        if ctx is not None:
            ctx.save(z, scale, share)
        y: Array = z * self.gain
        y += self.bias
        return self._samples(y, given)

    def _renew(self, running: Array, now: Array) -> None:
        """Let running statistics follow those of a batch."""
        while now.ndim > running.ndim:  # axes ahead that the net has not, such as one of examples
            now = now.mean(axis=0)
        running += self.momentum * (now - running)

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dgain and dL/dbias, return dL/dx."""
        z, scale, share = ctx.saved
        given, dy = dy, self._rows(dy)
        sums = np.empty((2, *dy.shape[:-2], self.features), dy.dtype)
        sum_over_batch(dy, out=sums[0])
        sum_over_batch(dy * z, out=sums[1])
        ctx.grads.bias[...], ctx.grads.gain[...] = sums
        slope: Array = self.gain * scale
        if share is None:
            return self._samples(dy * slope, given)
        bias, gain = ctx.rows.add_up(sums)[..., None, :]
        moved: Array = z * gain  # what mean and variance take away, as they move along with x
        moved += bias
        moved *= share[..., None]
        dx: Array = np.subtract(dy, moved, out=moved)
        dx *= slope
        return self._samples(dx, given)

    @property
    def mixes_rows(self) -> bool:  # type: ignore[override]
        """Whether it compares the rows of a batch in training: not while all of it is frozen."""
        return not (self._params is not None and self._params.frozen) or self.trainable


def _shares(x: Array, weight: Array | None, rows: Rows) -> tuple[Array | None, Array | None, Any]:
    """Return the share of each row in the averages, a mark, and n / (n - 1) of n rows that count.

    The shares, of which there may be some for each replica, add up to 1. Where fewer than two rows count
    there is no telling: then there are none, or that replica has a mark.
    """
    here = x.shape[-2]
    if weight is None or weight.ndim == 1:
        mine = (here, here) if weight is None else (weight.sum(dtype=np.float64), np.count_nonzero(weight))
        total, count = rows.add_up(np.array(mine, np.float64)).tolist()
        if count < 2:
            return None, None, 1.0
        share = np.full(here, 1 / total, x.dtype) if weight is None else (weight / total).astype(x.dtype)
        return share, None, count / (count - 1)
    totals, counts = rows.add_up(
        np.array([weight.sum(axis=-1), np.count_nonzero(weight, axis=-1)], np.float64)
    )
    few = counts[:, None] < 2
    shares = np.where(few, 0, weight / np.where(few, 1, totals[:, None])).astype(x.dtype)
    unbiased = np.maximum(counts, 1) / np.maximum(counts - 1, 1)
    return shares, few[..., None] if few.any() else None, unbiased[:, None, None].astype(x.dtype)


def _average(x: Array, share: Array, rows: Rows, few: Array | None, instead: Any) -> Array:
    """Average over the rows of a batch, of all processes that share it, but for replicas with a mark."""
    one_net = share.ndim == 1 and x.ndim == 2
    found: Array = rows.add_up(share.dot(x) if one_net else np.matmul(share[..., None, :], x))
    return found if few is None else np.where(few, instead, found)


class RMSNorm(Norm):
    """Divide the numbers of each row by the root of their mean square, then give each feature a gain.

    ``z = x / sqrt(mean(x**2) + epsilon)``, over the features of the row; ``y = gain * z``

    It does what `LayerNorm` does for the size of a row, and leaves its mean alone; so there is no bias.

    Parameters
    ----------
    features : int
        Numbers in a row.
    ndim : int
        Number of axes of a sample, see `LayerNorm`.
    epsilon : float
        What keeps the root of a row of zeros from 0, in [1e-30, 1].

    Attributes
    ----------
    gain : ndarray of shape (features,)
        Learned; 1 at first. Weight decay does not act on it.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` or `ndim` is no positive integer, or `epsilon` no number in [1e-30, 1].

    Notes
    -----
    With ``g = gain * dL/dy`` and the mean over the features of a row, the chain rule gives
    ``dL/dx = (g - z * mean(g * z)) / sqrt(mean(x**2) + epsilon)``.

    References
    ----------
    B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019, equation 4.

    Examples
    --------
    >>> RMSNorm(2).forward(np.array([[3.0, 4.0], [30.0, 40.0]])).round(3)
    array([[0.849, 1.131],
           [0.849, 1.131]])
    """

    gain = Parameter()

    def __init__(self, features: int, *, ndim: int = 1, epsilon: float = 1e-5) -> None:
        self._settle(features, ndim, epsilon)
        self.declare("gain", (self.features,), initializer=Constant(1.0), decay=False)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``gain * z``."""
        given, x = x, np.ascontiguousarray(self._rows(x))
        scale = 1 / np.sqrt(row_sum(x * x) / self.features + self.epsilon)
        z: Array = x * scale
        if ctx is not None:
            ctx.save(z, scale)
        y: Array = z * self.gain
        return self._samples(y, given)

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dgain, return dL/dx."""
        z, scale = ctx.saved
        given, dy = dy, self._rows(dy)
        sum_over_batch(dy * z, out=ctx.grads.gain)
        dx: Array = np.ascontiguousarray(dy * self.gain)
        dx -= z * (row_sum(dx * z) / self.features)
        dx *= scale
        return self._samples(dx, given)
