"""Curvature: how sharply a loss bends around the weights, which says how long a step may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.losses import Loss
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_number
from nnlite.model import Sequential

__all__ = ["Sharpness", "sharpness"]

#: Length of the step of the finite differences, for weights of length 1. In float64 rounding then changes a
#: product with the Hessian in about the seventh digit. A step a thousand times longer would be right to
#: ten, but would so often meet the kink of some ReLU that nothing of the answer were left.
STEP = 1e-9
#: The product that measures the error is made with a step so many times longer.
LONGER = 10.0
#: Up to this many parameters the whole Hessian is made, which is exact; above, Lanczos finds what is needed.
DENSE = 40
#: Relative accuracy asked of Lanczos, and the restarts that it may make. It needs some ten as a rule.
TOLERANCE = 1e-5
RESTARTS = 300


class Sharpness(NamedTuple):
    """The largest eigenvalue of a Hessian; see `sharpness`.

    Parameters
    ----------
    value : float
        The eigenvalue, lambda_max. Negative where the loss curves down in every direction.
    error : float
        Length of ``H v - value * v`` for its eigenvector v of length 1, with H v from other
        differences: there is an eigenvalue no farther from `value` than that.

    Examples
    --------
    >>> Sharpness(value=4.0, error=1e-9).value
    4.0
    """

    value: float
    error: float


def sharpness(
    model: Sequential, X: Any, y: Any, loss: Loss, *, weight: Any = None, weight_decay: float = 0.0
) -> Sharpness:
    """Find the largest eigenvalue of the Hessian of the training loss, without dropout.

    Gradient descent on all rows at once is stable along a direction of curvature c while the
    rate is below 2/c. So 2/lambda_max is the largest rate that does not overshoot anywhere near
    these weights.

    Parameters
    ----------
    model : Sequential
        One net. It is left as it is; a copy of it computes in float64.
    X : array-like of shape (rows, features)
        The input.
    y : array-like
        The targets, as the loss takes them.
    loss : Loss
        What is differentiated twice, by the trainable parameters.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    weight_decay : float
        Adds ``weight_decay / 2`` times the squared weights, not biases, to the loss, which is
        what `SGD` with that weight decay goes down.

    Returns
    -------
    Sharpness
        With ``value`` and ``error``.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit, the model has replicas or nothing to train, the gradient is not
        finite, or Lanczos finds no eigenvalue.

    Notes
    -----
    A net with `BatchNorm` is measured with the statistics of these rows, as it trains.

    A product with the Hessian is a central difference of two exact gradients, which leaves
    about six digits of the result right. Of ReLU and its like, and of losses with kinks, it
    is the curvature between the kinks; `error` shows if one was met.

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp", 1998, section 6.
    R. Lehoucq, D. Sorensen and C. Yang, "ARPACK Users' Guide", 1998.

    Examples
    --------
    The loss ``(w * x)**2`` with x = 3 curves by ``2 * 9``:

    >>> from nnlite import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1, bias=False)], rng=0)
    >>> round(sharpness(model, [[3.0]], [[0.0]], MeanSquaredError()).value, 3)
    18.0
    """
    weight_decay = check_number("sharpness(weight_decay=)", weight_decay, low=0)
    if model.params.replicas is not None:
        raise ArgumentError(
            "sharpness(model)", "one net", f"{model.params.replicas} replicas", "Write model.replica(0)."
        )
    gradient, values = _gradient(model, X, y, loss, weight, weight_decay)
    if not values.size:
        fix = "Call unfreeze() on a layer, or add a Dense layer."
        raise ArgumentError("sharpness(model)", "a model with something to train", "none", fix)
    step = STEP * (1.0 + float(np.linalg.norm(values)))

    def product(vector: Array, length: float = step) -> Array:
        """Multiply a vector by the Hessian."""
        vector = np.reshape(vector, -1)
        size = float(np.linalg.norm(vector))
        move = vector * (length / size)
        difference: Array = gradient(values + move) - gradient(values - move)
        return difference * (size / (2.0 * length))

    value, vector = _largest(product, values.size)
    error = float(np.linalg.norm(product(vector, LONGER * step) - value * vector))
    # What is left of two nearly equal gradients after rounding.
    error += float(np.finfo(np.float64).eps * np.linalg.norm(gradient(values))) / step
    return Sharpness(value, error)


def _gradient(
    model: Sequential, X: Any, y: Any, loss: Loss, weight: Any, weight_decay: float
) -> tuple[Callable[[Array], Array], Array]:
    """Return the gradient as a function of the trainable values, and those values."""
    twin = model._in_float64()
    edge, params = twin.boundary, twin.params
    start = params.numbers.copy()
    edge.check_loss(loss)
    x = edge.check_input(X, where="sharpness(X)", finite=True)
    target, weight = edge.check_targets(y, weight, loss, x)
    ctx = twin._quiet_context()
    trainable = np.zeros(params.size, bool)
    for run in params.trainable_slices:
        trainable[run] = True
    decay = np.where(np.arange(params.size) < params.decayed, weight_decay, 0.0)[trainable]

    def gradient(values: Array) -> Array:
        params.numbers[...] = start
        params.values[trainable] = values
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            twin._loss_and_grad(x, target, weight, loss, ctx)
        found: Array = params.grads[trainable] + decay * values
        if not np.isfinite(found).all():
            raise ArgumentError(
                "sharpness",
                "a finite gradient",
                "infinity or NaN",
                "Bring the data to a size of about 1, or start from smaller weights.",
            )
        return found

    return gradient, params.values[trainable]


def _largest(product: Callable[[Array], Array], size: int) -> tuple[float, Array]:
    """Find the largest eigenvalue and its eigenvector of length 1."""
    if size <= DENSE:
        hessian = np.stack([product(unit) for unit in np.eye(size)])
        eigenvalues, eigenvectors = np.linalg.eigh((hessian + hessian.T) / 2)
        return float(eigenvalues[-1]), eigenvectors[:, -1]
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    start = np.random.default_rng(0).normal(size=size)  # the same for every call, so the answer is too
    if not product(start).any():  # nothing bends, as where all inputs are 0; ARPACK calls that an error
        return 0.0, start / np.linalg.norm(start)
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        eigenvalues, eigenvectors = eigsh(
            operator, k=1, which="LA", v0=start, tol=TOLERANCE, maxiter=RESTARTS
        )
    except ArpackError as error:  # not converged, or another failure
        raise ArgumentError(
            "sharpness",
            f"the largest eigenvalue within {RESTARTS} restarts of Lanczos",
            "none",
            "Use a loss that is smooth.",
        ) from error
    return float(eigenvalues[0]), eigenvectors[:, 0]
