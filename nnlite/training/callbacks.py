"""Callbacks: what else to do during training, at fixed moments of the loop."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.loop import Progress
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import Declared
from nnlite.errors.checks import check_bool, check_integer, check_number
from nnlite.errors.habits import closest, missing_names
from nnlite.metrics import Metric, is_better_higher
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.history import History
from nnlite.training.random_states import Generators, get_states, set_states

__all__ = [
    "CTRL_C",
    "NOT_FINITE",
    "Callback",
    "EarlyStopping",
    "ProgressBar",
    "ReduceOnPlateau",
    "TimeLimit",
    "TrainingState",
]


#: The reason for the end of a training that the user has interrupted.
CTRL_C = "Ctrl-C"
#: That of one whose loss was no number.
NOT_FINITE = "the loss was not finite"


class TrainingState(Progress):
    """Where training stands: what every callback is given.

    Parameters
    ----------
    model : Sequential
        What is trained.
    optimizer : Optimizer or FullBatchOptimizer
        How it steps.
    loss : Loss
        What is lowered.
    epochs : int
        How many were asked for.
    columns : tuple of str
        Names of the numbers that each epoch will write down.
    metrics : mapping of str to function, optional
        The metrics among them.
    rng : Generator or Generators, optional
        What training draws from.

    Attributes
    ----------
    history : History
        The rows so far; at ``on_epoch_end`` the last is that of this epoch.
    epoch, batch : int
        Number of the present epoch and batch, from 1.
    batch_loss : float or ndarray of shape (replicas,)
        Loss of the present batch, whose gradient ``params.grads`` is; with weights, its part of the
        average over the data. With L-BFGS that of all data.
    batch_rows : float or ndarray of shape (replicas,)
        What the sum over the rows is divided by in it: their number, with weights times the mean
        weight of the data; see `Sequential.fit`.
    stop_reason : str
        Empty while training goes on.
    active : ndarray of bool of shape (replicas,), or (1,) without replicas
        Which nets are still being trained.
    ended : ndarray of int or None
        Indices of the replicas whose training is over; None until there are any.
    rank, ranks : int
        Number of this process, from 0, and of how many that train together; 0 and 1 alone.
    class_weight : "balanced", dict or None
        As `fit` got it.

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError
    >>> state = TrainingState(
    ...     Sequential([Dense(1, 1)]), SGD(0.1), MeanSquaredError(), epochs=5, columns=("epoch", "loss")
    ... )
    >>> state.stop("seen enough")
    >>> state.stop_reason
    'seen enough'
    """

    def __init__(
        self,
        model: Sequential,
        optimizer: Optimizer | FullBatchOptimizer,
        loss: Loss,
        *,
        epochs: int,
        columns: tuple[str, ...],
        metrics: Mapping[str, Metric] | None = None,
        rng: np.random.Generator | Generators | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.epochs = epochs
        self.columns = columns
        self.metrics = dict(metrics or {})
        self.history = History()
        # More is no better of losses, nor of what is no quality at all; of a metric it may not be known.
        higher: dict[str, bool | None] = dict.fromkeys(columns, False)
        for name, metric in self.metrics.items():
            higher[name] = higher[f"validation_{name}"] = is_better_higher(metric)
        self.history.higher_is_better = {name: is_so for name, is_so in higher.items() if is_so is not None}
        replicas = model.params.replicas
        self.active = np.ones(replicas or 1, bool)
        self.rng = rng
        self.rank, self.ranks = 0, 1
        self.class_weight: Any = None
        self._decide: Callable[[bool], bool] = bool
        # Who says it in his own words sets these to False; filters of warnings are those of all threads.
        self._warns_of_ctrl_c = self._warns_of_replicas = True
        self._interrupted = False  # whether Ctrl-C ends the epoch behind the present batch
        try:
            self._folder = os.getcwd()  # noqa: PTH109 - pathlib takes long to import. For paths that are not absolute; a callback may go elsewhere
        except OSError:  # it is gone
            self._folder = ""
        self._snapshot: Callable[[], dict[str, Any]] | None = None
        self._weights: Array | None = None  # all numbers of training, while an average is in their place
        self._left: dict[int, tuple[dict[str, Array], list[Any]]] = {}
        self.history.replicas = [
            {"stop_reason": "", "best_epoch": None, "diverged": False} for _ in range(replicas or 0)
        ]

    def put_back(self) -> None:
        """Give the replicas whose training ended early what the optimizer and the draws were like then."""
        for index, (kept, draws) in self._left.items():
            if self.history.replicas[index]["diverged"]:
                kept = {}  # it led there
            if isinstance(self.optimizer, Optimizer):
                for slot, array in self.optimizer.state.items():
                    array[index] = kept.get(slot, 0.0)
            if isinstance(self.rng, Generators):
                set_states([self.rng.each[index]], draws)

    def decide(self, wish: bool) -> bool:
        """Come to one decision where several processes train together: that of rank 0.

        What a callback does by the clock, or by anything else that differs between processes, must
        be decided for all of them, or one would wait for another that has gone home. All ranks must
        ask, at the same moment.

        Parameters
        ----------
        wish : bool
            What this process would do.

        Returns
        -------
        bool
            What all of them do; alone, the wish.

        Examples
        --------
        >>> from nnlite import SGD, Dense, MeanSquaredError
        >>> state = TrainingState(
        ...     Sequential([Dense(1, 1)]), SGD(0.1), MeanSquaredError(), epochs=5, columns=("epoch", "loss")
        ... )
        >>> state.decide(True)
        True
        """
        return self._decide(bool(wish))

    def snapshot(self) -> dict[str, Any]:
        """Return all that a later training needs to go on from here; `Checkpoint` writes it to a file.

        Where several processes train together, all must call it, at the same moment.

        Returns
        -------
        dict
            Plain data and arrays, which are those of the training and not copies.

        Raises
        ------
        ArgumentError
            If `fit` has no `Checkpoint` among its callbacks.
        """
        if self._snapshot is None:
            raise ArgumentError(
                "TrainingState.snapshot",
                "a training with a Checkpoint among its callbacks",
                "one without",
                "Add a Checkpoint, which writes it to a file too.",
            )
        return self._snapshot()

    def stop(self, reason: str = "a callback", *, replicas: AnyArray | None = None) -> None:
        """End the training after the present batch, of all nets or of some replicas.

        Parameters
        ----------
        reason : str
            Goes to ``history.stop_reason``, or to those of the replicas; the first one given
            counts.
        replicas : ndarray of bool of shape (replicas,), optional
            Whose training ends. Their weights stay as they are from now on, and so does what
            the optimizer keeps for them, except for its count of steps, which is one for all.
            When all have ended, so has the training.

        Raises
        ------
        ArgumentError
            If `replicas` has another shape.
        """
        if replicas is None:
            self.stop_reason = self.stop_reason or reason
            return
        if not self.history.replicas or np.shape(replicas) != self.active.shape:
            raise ArgumentError(
                "TrainingState.stop(replicas=)",
                f"an array of bool of shape {self.active.shape}"
                if self.history.replicas
                else "None for one net",
                f"{replicas!r}",
                "Leave it out to stop all.",
            )
        for index in np.flatnonzero(replicas & self.active).tolist():
            self.history.replicas[index]["stop_reason"] = reason
            kept = self.optimizer.state if isinstance(self.optimizer, Optimizer) else {}
            rngs = [self.rng.each[index]] if isinstance(self.rng, Generators) else []
            self._left[index] = (
                {slot: array[index].copy() for slot, array in kept.items()},
                get_states(rngs),
            )
        self.active &= ~replicas
        if not self.active.all():
            self.ended = np.flatnonzero(~self.active)
        if not self.active.any():
            self.stop("the training of all replicas has ended")


class Callback(Declared):
    """Base class of callbacks: override the moments that you want to act at.

    Before anything else `check` may refuse the training. `on_train_end` is called however
    training ends, if `on_train_begin` was.

    What a callback remembers from one moment to the next goes into a checkpoint if it says so in
    `state_dict` and takes it back in `load_state_dict`. One without them begins afresh when
    training goes on from a checkpoint.

    Where several processes train together (`nnlite.distributed`) each has the callback, and gives
    it the same numbers.

    Attributes
    ----------
    first_rank_only : bool
        Whether, of several such processes, only the first one calls it: for callbacks that print,
        draw or write files. Set it in the subclass, which then must not call `TrainingState.decide` or
        `TrainingState.snapshot`.
    may_change : frozenset of str
        Arguments of ``__init__`` that may be others when a training goes on from a checkpoint. All
        others that are stored under their own name, or with an underscore in front, must be the same.

    Examples
    --------
    >>> class Print(Callback):
    ...     def on_epoch_end(self, state):
    ...         print(state.epoch, round(state.history[-1]["loss"], 2))
    >>> from nnlite import SGD, Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1, weight_initializer=lambda rng, shape: np.zeros(shape))])
    >>> history = model.fit(
    ...     [[1.0]], [[1.0]], loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=2, callbacks=[Print()]
    ... )
    1 1.0
    2 0.36
    """

    first_rank_only: ClassVar[bool] = False
    may_change: ClassVar[frozenset[str]] = frozenset()
    #: Whether its `on_train_end` is called before that of the others, whatever its place in the list.
    _ends_first: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a method that nobody would call."""
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name.startswith("on_") and not hasattr(Callback, name):
                known = ", ".join(known for known in vars(Callback) if known.startswith("on_"))
                raise ArgumentTypeError(
                    f"{cls.__name__}.{name}", f"one of {known}", f"{name}", "Nothing calls it; rename it."
                )

    def check(self, state: TrainingState) -> None:
        """Raise an error if the callback is of no use in this training; change nothing.

        Parameters
        ----------
        state : TrainingState
            The training that is about to begin.

        Raises
        ------
        ArgumentError
            If a subclass refuses the training.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback remembers, for a checkpoint.

        Returns
        -------
        dict
            Of numbers, texts, truth values, None, arrays of numbers, and lists and dicts of them.
        """
        return {}

    def load_state_dict(self, saved: dict[str, Any], state: TrainingState) -> None:
        """Go on from what another one of this class remembered.

        It is called behind `on_train_begin`, in a training that goes on from a checkpoint.

        Parameters
        ----------
        saved : dict
            What `state_dict` returned. Tuples have become lists.
        state : TrainingState
            Where training stands.

        Raises
        ------
        ArgumentError
            If a subclass cannot use it.
        """

    def _load(self, saved: dict[str, Any], names: dict[str, str]) -> None:
        """Take over arrays of the same shape and kind, by the names of entries and attributes."""
        for name, attribute in names.items():
            array, own = saved.get(name), getattr(self, attribute)
            if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (own.shape, own.dtype):
                raise ArgumentError(
                    f"{type(self).__name__}.load_state_dict",
                    f"an array {name!r} of {own.dtype} of shape {own.shape}",
                    f"{array.dtype} of shape {array.shape}"
                    if isinstance(array, np.ndarray)
                    else type(array).__name__,
                    "Give what state_dict() of the same training returned.",
                )
        for name, attribute in names.items():
            setattr(self, attribute, saved[name].copy())

    def on_train_begin(self, state: TrainingState) -> None:
        """Act before the first epoch, or before the one at which training goes on."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Act before an epoch."""

    def on_batch_begin(self, state: TrainingState) -> None:
        """Act before the forward pass of a batch."""

    def on_grad_computed(self, state: TrainingState) -> None:
        """Act between the backward pass and the step.

        The gradients may be changed here, and ``state.batch_loss``, which the history adds up: a
        penalty on the weights adds to both. With L-BFGS it is called whenever the loss over all
        data has been computed, with Levenberg-Marquardt never.

        Parameters
        ----------
        state : TrainingState
            Where training stands.
        """

    def on_batch_end(self, state: TrainingState) -> None:
        """Act after the step."""

    def on_batches_end(self, state: TrainingState) -> None:
        """Act behind the last batch of an epoch, before validation data are measured."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Act after an epoch, when its row is in the history."""

    def on_train_end(self, state: TrainingState) -> None:
        """Act after the last epoch."""


class OfSteps(Callback):
    """A callback that compiled loops need not call in each batch, since it is content with numbers of many.

    It is for one net. Its `on_grad_computed` must do the same where batches come one by one.

    """

    @property
    def pull(self) -> float:
        """What times half of ``sum(W**2)`` over the rows of a batch is added to its loss, with the slope."""
        return 0.0

    def take_steps(self, losses: Array, penalties: Array) -> None:
        """Take note of some steps, in the place of that many calls of `on_grad_computed`.

        Parameters
        ----------
        losses, penalties : ndarray of float64, (steps,)
            The loss of each, without and what was added to it.
        """


class _Monitor(Callback):
    """What watches one column of the history for improvement.

    Parameters
    ----------
    monitor : str
        Name of the column.
    patience : int
        How many epochs in a row may bring no improvement.
    min_delta : float
        By how much the number must improve to count, in its own units.
    higher_is_better : bool or None
        None asks the metric, see `nnlite.metrics.is_better_higher`.
    """

    may_change = frozenset({"patience"})

    sign: float
    best: AnyArray
    waited: AnyArray

    def __init__(
        self,
        *,
        monitor: str = "validation_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        higher_is_better: bool | None = None,
    ) -> None:
        name = type(self).__name__
        if not isinstance(monitor, str):
            fix = "Write monitor='validation_loss', for instance."
            raise ArgumentTypeError(f"{name}(monitor=)", "the name of a column", f"{monitor!r}", fix)
        self.monitor = monitor
        self.patience = check_integer(f"{name}(patience=)", patience, low=1)
        self.min_delta = check_number(f"{name}(min_delta=)", min_delta, low=0)
        if higher_is_better is not None:
            higher_is_better = check_bool(f"{name}(higher_is_better=)", higher_is_better)
        self.higher_is_better = higher_is_better

    def check(self, state: TrainingState) -> None:
        """Check that there will be such a column, and that it is known which way is up in it."""
        name = type(self).__name__
        if self.monitor not in state.columns:
            hint = "Give fit a metric of that name"
            here = re.sub("^val_", "validation_", self.monitor)  # as Keras has it
            if here in state.columns:
                hint = f"Write monitor={here!r}"
            elif here.startswith("validation_") and "validation_loss" not in state.columns:
                hint = "Give fit validation data"
            elif close := closest(here, state.columns):
                hint = f"Write monitor={close!r}"
            raise ArgumentError(
                f"{name}(monitor=)",
                f"one of {', '.join(state.columns)}",
                f"{self.monitor!r}",
                f"{hint}, or monitor='loss'.",
            )
        self._direction(state)

    def _direction(self, state: TrainingState) -> bool:
        where = type(self).__name__
        return state.history.direction(where, self.monitor, higher_is_better=self.higher_is_better)

    def on_train_begin(self, state: TrainingState) -> None:
        """Start afresh."""
        self.sign = -1.0 if self._direction(state) else 1.0
        # One of each for every replica; a net on its own is one.
        self.best = np.full(len(state.active), np.inf)
        self.waited = np.zeros(len(state.active), int)

    def state_dict(self) -> dict[str, Any]:
        """Return the best number so far, and for how long there was no better one."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, saved: dict[str, Any], state: TrainingState) -> None:
        """Take them over."""
        self._load(saved, {"best": "best", "waited": "waited"})

    def value(self, state: TrainingState) -> Array:
        """Return the numbers of this epoch, turned so that less is better; infinity if training is over."""
        found = state.history[-1][self.monitor]
        numbers = found if isinstance(found, list) and state.history.replicas else [found]
        for number, active in zip(numbers, state.active, strict=False):
            over = number is None and not active
            if not over and not isinstance(number, int | float):
                where = f"{type(self).__name__}(monitor=)"
                raise ArgumentTypeError(
                    where, "a column of numbers", f"{number!r} in {self.monitor!r}", "Monitor another column."
                )
        return np.array([np.inf if number is None else self.sign * number for number in numbers])

    def margin(self) -> AnyArray | float:
        """Return by how much the best number of each net must be passed."""
        return self.min_delta

    def overdue(self, state: TrainingState) -> AnyArray:
        """Count the epochs without improvement, and tell which nets have had too many."""
        value = self.value(state)
        improved = value < self.best - self.margin()
        self.best = np.where(improved, value, self.best)
        self.waited = np.where(improved, 0, self.waited + 1)
        return ~improved & (self.waited >= self.patience) & state.active


class EarlyStopping(_Monitor):
    """Stop when a number has not improved for a while, and give the best weights back.

    Of replicas each stops, and gets its best weights back, on its own.

    However training ends, by this callback, another, the last epoch or Ctrl-C, the model
    has the weights of the best epoch, and ``history.best_epoch`` names it.

    Parameters
    ----------
    monitor : str
        Column of the history that is watched.
    patience : int
        Stop after so many epochs in a row without improvement. A training that it has ended, and that
        goes on from a checkpoint with more patience, goes on until that is over too; of replicas,
        those that have ended stay as they are.
    min_delta : float
        By how much the number must improve to count, in its own units.
    higher_is_better : bool, optional
        By default the loss and the metrics of nnlite are known, by what they are and not by their
        names, and so is a metric with an attribute ``higher_is_better``; for any other it must be
        said.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used; in ``fit``, before anything changes, if there will be no
        such column, or it is not known whether more is better in it.

    References
    ----------
    L. Prechelt, "Early Stopping - But When?", in: Neural Networks: Tricks of the Trade, 1998.

    Examples
    --------
    >>> EarlyStopping(patience=5).monitor
    'validation_loss'
    """

    best_values: Array

    def on_train_begin(self, state: TrainingState) -> None:
        """Start afresh."""
        super().on_train_begin(state)
        self.best_values = self._rows(state).copy()
        self._lowest = np.full(len(state.active), np.inf)
        self._best_epoch = np.zeros(len(state.active), int)
        self._said = ""

    def state_dict(self) -> dict[str, Any]:
        """Return also the best weights and their epochs."""
        own: dict[str, Any] = {"values": self.best_values, "lowest": self._lowest, "epoch": self._best_epoch}
        own["said"] = self._said
        return super().state_dict() | own

    def load_state_dict(self, saved: dict[str, Any], state: TrainingState) -> None:
        """Take them over, and take back a stop if there is patience left now."""
        super().load_state_dict(saved, state)
        self._load(saved, {"values": "best_values", "lowest": "_lowest", "epoch": "_best_epoch"})
        self._said = f"{saved.get('said', '')}"
        if self._said and state.stop_reason == self._said and (self.waited < self.patience).all():
            state.stop_reason = self._said = ""

    @staticmethod
    def _rows(state: TrainingState) -> Array:
        """Give all numbers one row a net."""
        rows: Array = state.model.params.numbers.reshape(len(state.active), -1)
        return rows

    def on_epoch_end(self, state: TrainingState) -> None:
        """Keep a copy of the best weights; stop when patience is over."""
        # The very best epoch is kept, even if it is better by less than min_delta.
        value = self.value(state)
        better = value < self._lowest
        self._lowest[better] = value[better]
        self.best_values[better] = self._rows(state)[better]
        self._best_epoch[better] = state.epoch
        overdue = self.overdue(state)
        if overdue.any():
            reason = f"no better {self.monitor} for {self.patience} epochs"
            if not state.history.replicas and not self._best_epoch.any():
                reason += ", and none that was a number"
            if not state.history.replicas and not state.stop_reason:
                self._said = reason
            state.stop(reason, replicas=overdue if state.history.replicas else None)

    def on_train_end(self, state: TrainingState) -> None:
        """Put the best weights back."""
        measured = self._best_epoch > 0
        self._rows(state)[measured] = self.best_values[measured]
        best = [int(epoch) if epoch else None for epoch in self._best_epoch]
        if not state.history.replicas:
            (state.history.best_epoch,) = best
        for one, epoch in zip(state.history.replicas, best, strict=False):
            one["best_epoch"] = epoch


class ReduceOnPlateau(_Monitor):
    """Lower the learning rate when a number has not improved for a while.

    Of replicas each has its own rate lowered. A number counts as improved if it is better than the best
    so far by more than `threshold` times the size of that, and by more than `min_delta`.

    Parameters
    ----------
    monitor : str
        Column of the history that is watched.
    factor : float
        In (0, 1): what the rate is multiplied by.
    patience : int
        Lower it after so many epochs in a row without improvement.
    threshold : float
        By how much the number must improve to count, as a part of the best one so far. So it does not
        matter in what units the targets are.
    min_delta : float
        The same in the units of the number.
    min_rate : float
        The rate is not lowered below this. With 0 one that is lowered again and again comes to
        nothing.
    higher_is_better : bool, optional
        By default the loss and the metrics of nnlite are known, by what they are and not by their
        names, and so is a metric with an attribute ``higher_is_better``; for any other it must be
        said.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used; in ``fit``, before anything changes, if there will be no
        such column, it is not known whether more is better in it, or the optimizer has no
        learning rate.

    Notes
    -----
    It is PyTorch's ``ReduceLROnPlateau`` with ``threshold_mode="rel"`` and ``min_lr=1e-8``, but for two
    things. `patience` counts the epochs up to the one that lowers the rate, PyTorch's those before it. And
    a best number b below 0, as of `GaussianNLL`, must be passed by ``threshold * abs(b)``; by PyTorch's
    ``b * (1 - threshold)`` such a number counts as improved though it has become worse.

    Examples
    --------
    >>> ReduceOnPlateau(factor=0.5).factor
    0.5
    """

    def __init__(
        self,
        *,
        monitor: str = "validation_loss",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        min_delta: float = 0.0,
        min_rate: float = 1e-8,
        higher_is_better: bool | None = None,
    ) -> None:
        super().__init__(
            monitor=monitor, patience=patience, min_delta=min_delta, higher_is_better=higher_is_better
        )
        self.factor = check_number(
            "ReduceOnPlateau(factor=)", factor, low=0, high=1, low_open=True, high_open=True
        )
        self.threshold = check_number("ReduceOnPlateau(threshold=)", threshold, low=0)
        self.min_rate = check_number("ReduceOnPlateau(min_rate=)", min_rate, low=0)

    def margin(self) -> AnyArray:
        """Return by how much the best number of each net must be passed."""
        # Before the first epoch it is infinite, and anything is better.
        size = np.where(np.isfinite(self.best), np.abs(self.best), 0.0)
        return np.maximum(self.threshold * size, self.min_delta)

    def check(self, state: TrainingState) -> None:
        """Check also that there is a rate to lower."""
        super().check(state)
        if isinstance(state.optimizer, FullBatchOptimizer):
            raise ArgumentError(
                "ReduceOnPlateau",
                "an optimizer with a learning rate",
                f"{state.optimizer}",
                "Leave this callback out.",
            )

    def on_epoch_end(self, state: TrainingState) -> None:
        """Lower the rate when patience is over."""
        overdue = self.overdue(state)
        self.waited[overdue] = 0
        optimizer = state.optimizer
        if not overdue.any() or not isinstance(optimizer, Optimizer):
            return
        rates = np.broadcast_to(optimizer.rate, overdue.shape)
        lower = overdue & (rates > self.min_rate)
        factors = np.ones(len(rates))
        factors[lower] = np.maximum(self.factor, self.min_rate / rates[lower])
        optimizer.rate_factor = optimizer.rate_factor * (
            factors if state.history.replicas else float(factors[0])
        )


class TimeLimit(Callback):
    """Stop after some time, at the end of a batch.

    Parameters
    ----------
    seconds : float
        How long training may take, measured by the wall clock. In a training that goes on from
        a checkpoint, the time before the checkpoint counts too. Given more seconds than before,
        one that was ended by the limit goes on.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `seconds` is no positive number.

    Examples
    --------
    >>> TimeLimit(60).seconds
    60.0
    """

    may_change = frozenset({"seconds"})

    #: Whether a few calls in a second of what it does behind a batch are as good as one behind each.
    _seldom: ClassVar[bool] = True

    def __init__(self, seconds: float) -> None:
        self.seconds = check_number("TimeLimit(seconds)", seconds, low=0, low_open=True)

    def on_train_begin(self, state: TrainingState) -> None:
        """Look at the clock."""
        self._end = time.monotonic() + self.seconds
        self._said = ""

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far, and whether they were too many."""
        return {"seconds": self.seconds - (self._end - time.monotonic()), "said": self._said}

    def load_state_dict(self, saved: dict[str, Any], state: TrainingState) -> None:
        """Count on, and take back a stop if there is time left now."""
        spent = check_number("TimeLimit.load_state_dict, seconds", saved.get("seconds"), low=0)
        self._end -= spent
        if spent < self.seconds and saved.get("said") and state.stop_reason == saved["said"]:
            state.stop_reason = ""

    def on_batch_end(self, state: TrainingState) -> None:
        """Stop if the time is over."""
        if state.decide(time.monotonic() >= self._end):
            self._said = f"time limit of {self.seconds:g} s"
            state.stop(self._said)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Stop if the time is over; L-BFGS has no batches."""
        self.on_batch_end(state)


class ProgressBar(Callback):
    """Show a bar that grows by the epoch, with numbers of the last one beside it.

    In a terminal and in a notebook; where the output is neither, nothing is shown. In a training by
    compiled loops, ``fit(jit=True)``, it also says so; if a part of it runs through NumPy, a line above
    the bar says which and why, as ``history.engine`` does.

    Parameters
    ----------
    show : sequence of str, optional
        Columns of the history. By default the loss and, if they are there, the validation
        of the first metric or else of the loss.
    disable : bool or None
        True for silence, False for a bar wherever the output goes, None for a bar if
        somebody is there to see it.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used; in ``fit``, if there will be no such column.

    Examples
    --------
    >>> ProgressBar(show=["loss", "validation_loss"]).show
    ('loss', 'validation_loss')
    """

    first_rank_only = True

    def __init__(self, *, show: Sequence[str] | None = None, disable: bool | None = None) -> None:
        if isinstance(show, str):
            raise ArgumentTypeError("ProgressBar(show=)", "a list of names", f"{show!r}", "Write [...].")
        self.show = None if show is None else tuple(show)
        self.disable = None if disable is None else check_bool("ProgressBar(disable=)", disable)

    def check(self, state: TrainingState) -> None:
        """Check that there will be such columns."""
        for name in self.show or ():
            if name not in state.columns:
                raise ArgumentError(
                    "ProgressBar(show=)", f"names of {', '.join(state.columns)}", f"{name!r}", "Use those."
                )

    def on_train_begin(self, state: TrainingState) -> None:
        """Draw the empty bar."""
        from tqdm.auto import tqdm

        validation = [name for name in state.columns if name.startswith("validation_")]
        # The first of them is the loss, the second the first metric.
        self._shown = self.show if self.show is not None else ("loss", *validation[:2][-1:])
        self._width = 0
        self._engine = ""
        disable = not _is_watched() if self.disable is None else self.disable or not _can_be_shown()
        layout = "{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} epochs, {remaining} left{postfix}"
        done = len(state.history)
        self._bar: Any = tqdm(total=state.epochs, initial=done, disable=disable, bar_format=layout)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Let it grow."""
        row = state.history[-1]
        shown = ", ".join([*(f"{name} {_short(row[name])}" for name in self._shown), *self._way(state)])
        # Filled up, so that the bar does not change its length with the number of digits.
        self._width = max(self._width, len(shown))
        self._bar.set_postfix_str(shown.ljust(self._width), refresh=False)
        self._bar.update()

    def _way(self, state: TrainingState) -> list[str]:
        """Say what trains if that is not NumPy alone as always, and, once, why it is not all compiled."""
        engine = state.history.engine
        if engine == "numpy":
            return []
        way, _, why = engine.partition(":")
        if why and engine != self._engine and not self._bar.disable:  # too long to stand beside the numbers
            self._bar.write(f"fit(jit=True): {engine}", file=sys.stderr)
        self._engine = engine
        return [way]

    def on_train_end(self, state: TrainingState) -> None:
        """Leave it as it is, with the reason if training ended early."""
        if state.stop_reason:
            self._bar.bar_format = "{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} epochs{postfix}"
            self._bar.set_postfix_str(state.stop_reason, refresh=False)
        self._bar.close()


def _short(value: Any) -> str:
    """Write a number in few digits; of replicas, the lowest and the highest."""
    if isinstance(value, list):
        numbers = [number for number in value if number is not None]
        return f"{_short(min(numbers))} to {_short(max(numbers))}" if numbers else "none"
    return f"{value:.3g}" if isinstance(value, float) else f"{value}"


def _is_watched() -> bool:
    """Tell whether somebody sees what goes to the standard error: in a terminal or a notebook."""
    # What a program has put in the place of it need not know whether it is a terminal.
    isatty = getattr(sys.stderr, "isatty", bool)
    return _can_be_shown() and ("ipykernel" in sys.modules or isatty())


def _can_be_shown() -> bool:
    """Tell whether there is a standard error: programs without a console, and some services, have none."""
    return sys.stderr is not None and not getattr(sys.stderr, "closed", False)


__getattr__ = missing_names(__name__)
