"""What an estimator lowers: the loss, the targets that it takes, and what the outputs of the net mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.activations import sigmoid
from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, PointwiseLoss
from nnlite.errors import ArgumentError
from nnlite.layers.activations import log_softmax
from nnlite.losses import GaussianNLL, Hinge, Masked, MultiTaskLoss, PoissonNLL, SequenceLoss
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy

__all__ = [
    "HalfPoissonDeviance",
    "HalfSquaredError",
    "Objective",
    "SumOverOutputs",
    "class_ids",
    "classification",
    "regression",
]


def class_ids(indicator: AnyArray) -> AnyArray:
    """Make class ids of an indicator, which has one column for two classes.

    Parameters
    ----------
    indicator : ndarray of shape (rows, columns)
        Which class each row has.

    Returns
    -------
    ndarray of int of shape (rows,)

    Examples
    --------
    >>> class_ids(np.array([[False], [True]])), class_ids(np.eye(3))
    (array([0, 1]), array([0, 1, 2]))
    """
    ids: AnyArray = indicator.argmax(axis=1) if indicator.shape[1] > 1 else indicator[:, 0].astype(np.intp)
    return ids


class HalfSquaredError(PointwiseLoss):
    """The average of ``(pred - target)**2 / 2``, whose slope is the gap itself.

    Examples
    --------
    >>> HalfSquaredError().value_and_grad(np.array([[3.0]]), np.array([[1.0]]))
    (2.0, array([[2.]]))
    """

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute half the squared gap, and the gap."""
        gap = pred - target
        return 0.5 * gap * gap, gap


class HalfPoissonDeviance(PoissonNLL):
    """The Poisson loss, moved so that a perfect prediction loses nothing.

    ``exp(pred) - target * pred + target * log(target) - target``, from the logarithm of the expected count.

    Examples
    --------
    >>> round(HalfPoissonDeviance().value_and_grad(np.log([[3.0]]), np.array([[3.0]]))[0], 6)
    0.0
    """

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the deviance and its slope."""
        from scipy.special import xlogy

        values, slopes = super().pointwise(pred, target)
        return values + (xlogy(target, target) - target), slopes


class SumOverOutputs(Loss):
    """A loss that is averaged over rows, and added up over the outputs of a row.

    Parameters
    ----------
    loss : PointwiseLoss
        What is averaged over both without this.

    Examples
    --------
    >>> SumOverOutputs(HalfSquaredError()).value_and_grad(np.array([[3.0, 5.0]]), np.array([[1.0, 1.0]]))
    (10.0, array([[2., 4.]]))
    """

    def __init__(self, loss: PointwiseLoss) -> None:
        self.loss = loss
        vars(self)["from_logits"] = loss.from_logits  # of the class there, of each instance here

    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Multiply the average by the number of outputs."""
        value, grad = self.loss.value_and_grad(pred, target, weight)
        outputs = pred.shape[-1]
        grad *= outputs
        return value * outputs, grad

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the targets as the loss does."""
        return self.loss.prepare(target, pred_shape, dtype)


class Objective:
    """A loss, and the way from the raw outputs of the net to what an estimator predicts.

    Parameters
    ----------
    loss : Loss
        What is lowered.
    outputs : int
        How many the net has.
    activation : str
        ``identity``, ``exp``, ``logistic`` or ``softmax``: what makes predictions of the raw outputs.
    share : float
        What scikit-learn's loss is of this one. The half squared error of several outputs is summed over
        them in scikit-learn's gradients and averaged in its loss.

    Examples
    --------
    >>> Objective(SoftmaxCrossEntropy(), 2, "softmax").activate(np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """

    def __init__(self, loss: Loss, outputs: int, activation: str, *, share: float = 1.0) -> None:
        self.loss = loss
        self.outputs = outputs
        self.activation = activation
        self.share = share

    def targets(self, Y: AnyArray) -> AnyArray:
        """Bring targets into the form that the loss takes.

        Parameters
        ----------
        Y : ndarray of shape (rows, columns)
            Numbers, or of classes an indicator for each.

        Returns
        -------
        ndarray
        """
        if isinstance(self.loss, SoftmaxCrossEntropy):
            return class_ids(Y)
        if isinstance(self.loss, Hinge):
            return np.where(Y, 1.0, -1.0)
        return Y

    def activate(self, raw: Array) -> Array:
        """Make predictions of raw outputs.

        Parameters
        ----------
        raw : ndarray of shape (rows, outputs)
            What the net gives.

        Returns
        -------
        ndarray of shape (rows, outputs)
        """
        if self.activation == "softmax":
            return np.exp(log_softmax(raw))
        if self.activation == "logistic":
            return sigmoid(raw)
        return np.exp(raw) if self.activation == "exp" else raw


def classification(loss: str | Loss, kind: str, columns: int) -> Objective:
    """Choose what a classifier lowers.

    Parameters
    ----------
    loss : str or Loss
        ``"log_loss"``, or a loss of nnlite or of the user.
    kind : str
        ``"binary"``, ``"multiclass"``, or the name of a kind of several labels.
    columns : int
        Of the indicator of the classes.

    Returns
    -------
    Objective

    Raises
    ------
    ArgumentError
        If the loss is for something else.

    Examples
    --------
    >>> classification("log_loss", "multiclass", 3).activation
    'softmax'
    """
    several = kind == "multiclass"
    activation = "softmax" if several else "logistic"
    if isinstance(loss, str):
        if several:
            return Objective(SoftmaxCrossEntropy(), columns, activation)
        one = BinaryCrossEntropy()
        return Objective(one if columns == 1 else SumOverOutputs(one), columns, activation)
    softmax = isinstance(loss, SoftmaxCrossEntropy)
    what = ""
    if not loss.from_logits:
        what = "a loss that takes logits, of which classes can be made"
        fix = (
            "Use SoftmaxCrossEntropy(), BinaryCrossEntropy() or Hinge(); set from_logits = True in your own."
        )
    elif isinstance(loss, MultiTaskLoss | SequenceLoss):
        what, fix = "a loss of one class a row", "For several train a Sequential."
    elif softmax and kind not in ("binary", "multiclass"):
        what, fix = "a loss for several labels at a time", "Use BinaryCrossEntropy()."
    elif isinstance(loss, BinaryCrossEntropy) and several:
        what, fix = f"a loss for one of {columns} classes", "Use SoftmaxCrossEntropy()."
    if what:
        raise ArgumentError("MLPClassifier(loss=)", what, f"{loss}", fix)
    return Objective(loss, max(2, columns), "softmax") if softmax else Objective(loss, columns, activation)


def regression(loss: str | Loss, columns: int, *, masked: bool = False) -> Objective:
    """Choose what a regressor lowers.

    Parameters
    ----------
    loss : str or Loss
        ``"squared_error"``, ``"poisson"``, or a loss of nnlite or of the user.
    columns : int
        Of the targets.
    masked : bool
        Whether targets may be missing.

    Returns
    -------
    Objective

    Raises
    ------
    ArgumentTypeError
        If targets may be missing and the loss is none of single numbers.

    Examples
    --------
    >>> regression("poisson", 1).activation
    'exp'
    """
    if isinstance(loss, str):
        one: PointwiseLoss = HalfPoissonDeviance() if loss == "poisson" else HalfSquaredError()
        one = Masked(one) if masked else one
        activation = "exp" if loss == "poisson" else "identity"
        share = 1.0 if loss == "poisson" else 1.0 / columns
        return Objective(one if columns == 1 else SumOverOutputs(one), columns, activation, share=share)
    if isinstance(loss, MultiTaskLoss) and loss.from_logits:
        fix = "For classes beside numbers train a Sequential."
        raise ArgumentError("MLPRegressor(loss=)", "a loss of numbers, in all tasks", f"{loss}", fix)
    activation = "exp" if isinstance(loss, PoissonNLL) else "identity"
    outputs = 2 * columns if isinstance(loss, GaussianNLL) else columns
    # Masked says itself what it cannot mask.
    return Objective(Masked(loss) if masked else loss, outputs, activation)  # type: ignore[arg-type]
