"""The loss of support vector machines."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import PointwiseLoss
from nnlite.errors.targets import check_each

__all__ = ["Hinge"]


class Hinge(PointwiseLoss):
    """For two classes called -1 and +1: nothing to pay beyond a margin of 1.

    ``max(0, 1 - target * pred)``; the slope is ``-target`` inside the margin, else 0.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-Vector Networks", Machine Learning 20, 1995.

    Examples
    --------
    >>> Hinge().value_and_grad(np.array([[2.0], [0.5]]), np.array([[1.0], [1.0]]))
    (0.25, array([[-0. ],
           [-0.5]]))
    """

    from_logits: ClassVar[bool] = True

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute what is missing to the margin, and the slope."""
        missing = 1 - target * pred
        return np.maximum(missing, 0), -target * (missing > 0)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check also that every target is -1 or +1."""
        array = super().prepare(target, pred_shape, dtype)
        fix = "Write 2 * target - 1 for targets 0 and 1."
        check_each(self, array, np.abs(array) == 1, "targets -1 and +1", fix)
        return array
