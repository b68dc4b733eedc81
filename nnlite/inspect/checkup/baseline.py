"""What losses are held against: the best answer that is the same for every row."""

from __future__ import annotations

import numpy as np

from nnlite.core.losses import Loss
from nnlite.inspect.checkup.given import Data
from nnlite.model import Sequential
from nnlite.sweeps.evidence import average_loss

__all__ = ["best_constant"]


def best_constant(model: Sequential, data: Data, loss: Loss) -> float:
    """Return the loss of the best answer that is the same for every row.

    Parameters
    ----------
    model : Sequential
        Says how many numbers an answer has.
    data : Data
        Rows with targets.
    loss : Loss
        What is computed.

    Returns
    -------
    float
    """
    # The answer does not depend on the input, which may be sparse and have no length.
    row = np.zeros((1, *data.x.shape[1:]), model.params.dtype)
    return average_loss(model, np.broadcast_to(row, data.x.shape), data.y, data.weight, loss)
