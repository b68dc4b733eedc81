"""Class ids in a table of numbers: which losses take them, and what is none."""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.losses import Loss
from nnlite.errors.targets import check_each

__all__ = ["asks_for_ids", "check_whole"]


def asks_for_ids(loss: Loss, outputs: int) -> bool:
    """Tell whether one column of targets for several outputs holds class ids, as the loss takes them.

    Parameters
    ----------
    loss : Loss
        Any.
    outputs : int
        How many outputs it looks at.

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnlite import MeanSquaredError, SoftmaxCrossEntropy
    >>> asks_for_ids(SoftmaxCrossEntropy(), 3), asks_for_ids(MeanSquaredError(), 3)
    (True, False)
    """

    def accepted(target: AnyArray) -> bool:
        try:
            loss.prepare(target, (1, outputs), np.dtype(np.float64))
        except (ValueError, TypeError):
            return False
        return True

    return not accepted(np.ones((1, 1))) and accepted(np.zeros(1, np.intp))


def check_whole(where: object, ids: AnyArray) -> None:
    """Refuse class ids that are no whole numbers, or larger ones than there are.

    Parameters
    ----------
    where : object
        Names them in the message.
    ids : ndarray
        The candidates.

    Raises
    ------
    ArgumentError
        If one is none.

    Examples
    --------
    >>> check_whole("here", np.array([0.0, 2.0]))
    """
    fix = "Number the classes from 0; for numbers use MeanSquaredError, with an output for each."
    fits = (ids == np.rint(ids)) & (np.abs(ids) < 2.0**53)
    check_each(where, ids, np.asarray(fits), "class ids that are whole numbers", fix)
