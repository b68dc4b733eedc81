"""Another loss, for targets of which some are missing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import PointwiseLoss
from nnlite.errors import ArgumentTypeError
from nnlite.errors.arrays import check_array

__all__ = ["Masked"]


class Masked(PointwiseLoss):
    """Another loss, for targets of which some are missing: a NaN adds nothing to loss and gradient.

    A masked entry, and what frames and series of pandas and polars have for a missing one, is NaN too.
    A row of three targets of which one is missing so counts as if that one were predicted without
    error. What the average divides by stays the same: rows times outputs, or the sum of the weights
    times outputs. A batch may have no target at all; what ``evaluate`` measures, and ``validation=``,
    may not.

    Parameters
    ----------
    loss : PointwiseLoss
        What is paid for the targets that are there.

    Raises
    ------
    ArgumentTypeError
        If `loss` is no loss of single numbers.

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> target = np.array([[1.0, np.nan], [1.0, 1.0]])
    >>> Masked(MeanSquaredError()).value_and_grad(np.array([[3.0, 9.0], [1.0, 1.0]]), target)
    (1.0, array([[1., 0.],
           [0., 0.]]))
    """

    takes_missing: ClassVar[bool] = True

    def __init__(self, loss: PointwiseLoss) -> None:
        if not isinstance(loss, PointwiseLoss):
            raise ArgumentTypeError(
                "Masked(loss)",
                "an instance of a PointwiseLoss",
                f"the class {loss.__name__}" if isinstance(loss, type) else f"{loss!r}",
                "Write Masked(MeanSquaredError()), for instance.",
            )
        self.loss = loss
        vars(self)["from_logits"] = loss.from_logits  # that of the loss it stands for

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the loss and its slope, both 0 where the target is missing."""
        missing = np.isnan(target)
        values, slopes = self.loss.pointwise(pred, self._fill(target, missing))
        return np.where(missing, 0, values), np.where(missing, 0, slopes)

    def _fill(self, target: AnyArray, missing: AnyArray) -> AnyArray:
        """Put a target that every loss takes in the place of those that are missing."""
        return np.where(missing, target.dtype.type(1), target)

    def _arrange(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        return self.loss._arrange(target, pred_shape)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the targets that are there as the loss does."""
        array = check_array(f"{self} target", target, missing=True)
        if array.dtype.kind != "f":
            return self.loss.prepare(array, pred_shape, dtype)
        missing = np.isnan(array)
        prepared = self.loss.prepare(self._fill(array, missing), pred_shape, dtype)
        if not missing.any():
            return prepared
        return np.where(missing.reshape(prepared.shape), prepared.dtype.type(np.nan), prepared)
