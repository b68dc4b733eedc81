"""How long a schedule is where no training has told it, and whether it is over."""

from __future__ import annotations

from nnlite.core.optimizers import Optimizer

__all__ = ["end_of_schedule", "give_length"]


def give_length(optimizer: Optimizer, steps: int, steps_per_epoch: int) -> None:
    """Let a schedule without a length last as long as a training that may come, as `fit` would.

    Parameters
    ----------
    optimizer : Optimizer
        A copy. One that has been told how long its training is keeps that.
    steps, steps_per_epoch : int
        Of that training.

    Examples
    --------
    >>> from nnlite import SGD, CosineDecay
    >>> optimizer = SGD(CosineDecay(0.5))
    >>> give_length(optimizer, 100, 10)
    >>> optimizer.rate_at(0), optimizer.rate_at(50)
    (0.5, 0.25)
    """
    if optimizer._time is None:
        optimizer.take_time(optimizer.steps, steps, steps_per_epoch)


def end_of_schedule(optimizer: Optimizer) -> str:
    """Say that the schedule has come to its end, if it has.

    Parameters
    ----------
    optimizer : Optimizer
        It knows how many steps it has made.

    Returns
    -------
    str
        Empty if there is none, or it goes on.

    Examples
    --------
    >>> from nnlite import SGD, CosineDecay
    >>> optimizer = SGD(CosineDecay(0.5, steps=100))
    >>> end_of_schedule(optimizer)
    ''
    >>> optimizer.steps = 100
    >>> end_of_schedule(optimizer)
    'CosineDecay(0.5, steps=100) is over after 100 steps; give a new optimizer'
    """
    over = optimizer.over
    if over is None or optimizer.steps < over:
        return ""
    return f"{optimizer.learning_rate} is over after {over} steps; give a new optimizer"
