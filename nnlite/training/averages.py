"""Averaged weights: what training walks around in is steadier than where it stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_number
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import NOT_FINITE, Callback, TrainingState

__all__ = ["AveragedWeights"]


class AveragedWeights(Callback):
    """Keep an exponential moving average of the weights, and let validation and the trained model have it.

    Training goes on with the weights themselves. At the end of each epoch the average stands in their place
    while validation data are measured and the other callbacks act, so what `EarlyStopping` keeps as the best
    is an average; then they come back. When training ends, however it does, the model has the average, or
    what `EarlyStopping` has kept of it.

    After each step ``average += (1 - decay) * (weights - average)``; after the first it is the weights.

    Parameters
    ----------
    decay : float
        In [0, 1): how much of the average stays in each step. It looks back over some ``1 / (1 - decay)`` of
        them.

    Attributes
    ----------
    average : ndarray of the shape of ``model.params.numbers``
        The average so far.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `decay` is no such number; in ``fit``, if the optimizer does not make a step a batch, or there are
        two of these.

    Notes
    -----
    Running statistics, such as those of `BatchNorm`, are averaged too, as everything in ``params.numbers``. A
    `Checkpoint` holds the weights and the average, so that training goes on from it to the same bits; it acts
    when the weights are back. After a divergence, which leaves the last weights that gave a finite loss,
    there is no average. In compiled loops, ``fit(jit=True)``, it looks at each batch.

    References
    ----------
    B. Polyak and A. Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control and
    Optimization 30, 1992. It is ``use_ema`` of Keras, and ``AveragedModel`` of ``torch.optim.swa_utils`` with
    ``get_ema_multi_avg_fn`` and ``use_buffers=True``, which begins with the weights after the first step too.

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> model = Sequential([Dense(1, 1, bias=False)], rng=0)
    >>> model[0].W[...] = 0.0
    >>> history = model.fit(
    ...     [[1.0]], [[4.0]], loss=MeanSquaredError(), optimizer=SGD(0.25), epochs=2,
    ...     callbacks=[AveragedWeights(decay=0.5)],
    ... )
    >>> model[0].W  # between the 2 after the first step and the 3 after the second
    array([[2.5]], dtype=float32)
    """

    _ends_first = True  # what early stopping has kept of the average is put back behind it

    average: Array
    going: AnyArray
    count: int

    def __init__(self, decay: float = 0.99) -> None:
        self.decay = check_number("AveragedWeights(decay)", decay, low=0, high=1, high_open=True)

    def check(self, state: TrainingState) -> None:
        """Check that there is a step a batch."""
        if isinstance(state.optimizer, FullBatchOptimizer):
            what, fix = "an optimizer that makes one step a batch", "Leave this callback out."
            raise ArgumentError("AveragedWeights", what, f"{state.optimizer}", fix)

    def on_train_begin(self, state: TrainingState) -> None:
        """Start afresh."""
        self.average = state.model.params.numbers.copy()
        self.going = state.active.copy()
        self.count = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the average, and of how many steps it is."""
        return {"average": self.average, "count": self.count}

    def load_state_dict(self, saved: dict[str, Any], state: TrainingState) -> None:
        """Take them over."""
        count = check_number("AveragedWeights.load_state_dict, count", saved.get("count"), low=0)
        self._load(saved, {"average": "average"})
        self.count = int(count)

    def _rows(self, numbers: Array) -> Array:
        """Give all numbers one row a net."""
        rows: Array = numbers.reshape(len(self.going), -1)
        return rows

    def on_batch_begin(self, state: TrainingState) -> None:
        """See which nets will make the step; the other callbacks have been asked, and may have ended some."""
        self.going = state.active.copy()

    def on_batch_end(self, state: TrainingState) -> None:
        """Take in what the step came to; of nets whose training has ended nothing comes any more."""
        average, now = self._rows(self.average), self._rows(state.model.params.numbers)
        if not self.count:
            average[...] = now
        elif self.going.all():
            average += (1 - self.decay) * (now - average)
        else:
            average[self.going] += (1 - self.decay) * (now - average)[self.going]
        self.count += 1

    def on_batches_end(self, state: TrainingState) -> None:
        """Put the average in the place of the weights."""
        if self.count:
            state._weights = state.model.params.numbers.copy()
            self._put(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Put the weights back."""
        if state._weights is not None:
            kept = ~self._lost(state)
            self._rows(state.model.params.numbers)[kept] = self._rows(state._weights)[kept]
            state._weights = None

    def on_train_end(self, state: TrainingState) -> None:
        """Leave the average in the model."""
        if self.count and state.stop_reason != NOT_FINITE:
            self._put(state)

    def _put(self, state: TrainingState) -> None:
        kept = ~self._lost(state)
        self._rows(state.model.params.numbers)[kept] = self._rows(self.average)[kept]

    def _lost(self, state: TrainingState) -> AnyArray:
        """Tell which nets have diverged: they have the last weights that gave a finite loss."""
        return np.array([one["diverged"] for one in state.history.replicas] or [False])
