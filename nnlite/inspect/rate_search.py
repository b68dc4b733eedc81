"""A learning rate for a net and its data: a range test, and short trials of the rates that it leaves."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.data.splits import HeldOut
from nnlite.errors import ArgumentError, DivergenceError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer, check_number, check_rng
from nnlite.inspect.rate_result import RateSearch
from nnlite.model import PREDICT_ROWS, Sequential
from nnlite.sweeps.evidence import average_loss
from nnlite.sweeps.run import check_optimizer
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.evaluation import score
from nnlite.training.random_states import get_states, set_states
from nnlite.training.sources import Arrays, Batch, training_source, validation_source

__all__ = ["find_learning_rate"]

#: Rows on which the loss is measured after every step: always the same, so that it does not jump from one
#: batch to the next.
PROBE_ROWS = 1024
#: How much of the past the smoothed loss keeps at every step.
KEPT = 0.7
#: The range test ends when the smoothed loss has risen from its lowest so many times as far as it had fallen,
#: or, after a short fall, by the size of the loss at the start.
BLOW_UP = 4.0
#: Each rate that is tried is so many times smaller than the one before: four in each power of ten.
RATIO = 10**0.25
#: Trials end when so many rates in a row have brought nothing better, and the last is not near the best; but
#: so many are tried in any case, since a rate that is far too large may end low by luck.
WORSE = 6
FEWEST = 9
#: What a trial comes to is the average of so many losses or fewer, over its last three quarters: a rate that
#: jumps to and fro is low now and then, and one that only just arrives would be late in a shorter training.
#: They are measured behind whole epochs, where trainings end: the last batch of an epoch may be a small one,
#: whose step goes astray. With 225 rows in batches of 32 it is one row, and SGD(0.16) on a sine was at 0.069
#: behind it, and at 0.027 elsewhere.
LOOKS = 15
LAST_PART = 0.75
#: A loss that has fallen by less than this part of its size has not fallen.
SLIGHT = 1e-3
#: Of the rates that come so near to the best, in parts of its way down from a constant answer, the smallest
#: is taken. What trainings come to is in docs/learning_rate.md.
WITHIN = 0.04
#: Rates beyond one that is worse by this part of the way than smaller ones are low by luck if they are: on 45
#: rows that were held out Adam(0.7) came to 0.0001, Adam(0.4) to 1.3 and Adam(0.04) to 0.05.
RIDGE = 0.2
#: Without trials, the suggestion is so many times smaller than the rate at which the range test was lowest.
BELOW_LOWEST = 10.0


@explained
def find_learning_rate(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer | None = None,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    trials: int = 400,
    batch_size: int = 32,
    weight: Any = None,
    validation: Any = None,
    rng: int | np.random.Generator | None = None,
) -> RateSearch:
    """Suggest a learning rate, by a range test and by short trainings with the rates that it leaves.

    Parameters
    ----------
    model : Sequential
        One net, as it is before training. It is left as it is.
    X : array-like of shape (rows, features), or re-iterable of batches
        What `Sequential.fit` takes.
    y : array-like or None
        The targets; None for batches.
    loss : Loss
        What is to be lowered.
    optimizer : Optimizer, optional
        Is left as it is; a copy is given the rates in place of its own. `SGD` by default.
    low, high : float
        The smallest and the largest rate of the range test.
    steps : int
        Steps of the range test, at least 10.
    trials : int
        Steps of each trial; 0 for a range test alone. A training that will be shorter than 400 steps is
        served best with as many as it will have.
    batch_size : int
        Rows in a batch, as in `fit`.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    validation : tuple, float, re-iterable of batches or function that makes them, optional
        On what the losses are measured, as in `fit`: ``(X, y)``, ``(X, y, weight)``, or a part of the
        training rows. By default on training rows, which say nothing of a net that learns them by heart.
    rng : int, Generator or None
        Draws the order of the rows, dropout, and the rows on which the loss is measured. By default
        what the model's own generator would give. A generator is copied, not drawn from.

    Returns
    -------
    RateSearch
        With ``rate`` and ``reason``; ``print`` shows the trials, ``plot`` draws it all.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If an argument cannot be used, or the loss falls at no rate.
    DivergenceError
        If the loss is not finite before the first step.
    KeyboardInterrupt
        If Ctrl-C comes.

    Notes
    -----
    The range test trains a copy by `fit`, while the rate rises from `low` to `high` in equal ratios.
    The loss is measured behind every step on the same rows, at most 1,024 or little more, and
    without dropout, not read from the batches: so a batch that happens to be hard is no spike, and
    where nothing is learned the curve is flat. The test ends when its smoothed loss blows up.

    A rate that lasts for one step only says little about one that stays. So the rate at which
    the test ended, and every fourth root of ten below it, train a copy each for `trials` steps, from
    the same weights and with the same batches. They end once six rates in a row have brought
    nothing better and the last is not near the best. The best that can be had is the lowest loss that two
    neighbouring rates come to, since one alone may be low by luck, on this side of rates that are clearly
    worse; and the suggestion is the smallest rate that comes near it. Near is 0.04 of the way down from
    the best constant answer.

    A trial is judged behind whole epochs over its last three quarters, and ends with one if there is time
    for any.

    All this costs about ``steps + 12 * trials`` steps of training.

    References
    ----------
    L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3 (the
    range test).

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError, SGD, Tanh, datasets
    >>> X, y = datasets.xor()
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
    >>> found = find_learning_rate(model, X, y[:, None], MeanSquaredError())
    >>> history = model.fit(X, y[:, None], loss=MeanSquaredError(), optimizer=SGD(found.rate), epochs=500)
    >>> history["loss"][-1] < 0.01
    True
    """
    where = "find_learning_rate"
    fix = "Give model.replica(0), or use nnlite.sweep, which makes replicas of one net."
    check_net(where, model, fix=fix)
    fix = "Leave the schedule out, and give the rate that is found to it, as the highest one."
    chosen = SGD() if optimizer is None else optimizer
    check_optimizer(f"{where}(optimizer)", chosen, others="others are put", fix=fix)
    low = check_number(f"{where}(low=)", low, low=0, low_open=True)
    high = check_number(f"{where}(high=)", high, low=low, low_open=True)
    steps = check_integer(f"{where}(steps=)", steps, low=10)
    trials = check_integer(f"{where}(trials=)", trials)
    batch_size = check_integer(f"{where}(batch_size=)", batch_size, low=1)
    seed = copy.deepcopy(model.rng if rng is None else check_rng(f"{where}(rng=)", rng))
    model.boundary.check_loss(loss)
    source: Any = training_source(model, X, y, weight, loss)
    watched: Any = validation_source(model, validation, loss, source)
    share, training = None, source
    if watched is None:
        watched = source
    elif isinstance(watched, HeldOut):  # the rows that fit will hold out
        share = validation
        training, watched = source.split(watched, copy.deepcopy(seed))
    if isinstance(training, Arrays):
        training.cut(batch_size, None)
    epoch = training.batches_in_epoch or 1
    drawn_by = [*source.drawn_by, *watched.drawn_by]
    before = get_states(drawn_by)
    if isinstance(watched, Arrays):
        watched.cut(min(PROBE_ROWS, watched.rows), copy.deepcopy(seed))
    probe = _first_rows(watched)

    def train(watch: _Watch, rate: Callable[[int], float] | float) -> list[float]:
        """Train a copy until the callback ends it; return the losses that it has measured."""
        set_states(drawn_by, before)
        net, stepper = copy.deepcopy((model, chosen))
        stepper.rate_factor, stepper.learning_rate = 1.0, rate
        try:
            history = net.fit(
                X, y, loss=loss, optimizer=stepper, epochs=max(watch.looks), batch_size=batch_size,
                weight=weight, validation=share, callbacks=[watch], rng=copy.deepcopy(seed),
            )  # fmt: skip
        except DivergenceError:
            if not watch.losses:  # not a matter of the rate
                raise
        else:
            if history.interrupted:
                raise KeyboardInterrupt
        return watch.losses

    ramp = np.geomspace(low, high, steps)
    late = {max(1, round(trials * (1 - LAST_PART * look / LOOKS))) for look in range(LOOKS)}
    late = {step - step % epoch for step in late} - {0} or late

    def trial(rate: float) -> float:
        """Return what the loss comes to at one rate; of a training that diverges, infinity."""
        losses = train(_Watch(probe, late), rate)
        level = float(np.mean(losses[1:])) if len(losses) > len(late) else math.inf
        return level if math.isfinite(level) else math.inf

    try:
        found = train(
            _Watch(probe, range(1, steps + 1), _blown_up),
            lambda step: float(ramp[min(max(step - chosen.steps, 0), steps - 1)]),
        )
        start, losses = found[0], np.array(found[1:])
        rates, smoothed = ramp[: len(losses)], smooth(losses)
        tried: list[float] = []
        ends: list[float] = []
        if trials:
            x, target, counts = probe[0]
            constant = average_loss(loss, target, counts, model.boundary.pred_shape(x))
            origin = min(start, constant)
            tried, ends = _try_rates(trial, float(rates[-1]), low, start, origin)
            rate, reason = _choose(tried, ends, start, origin, max(late), at_the_edge=len(rates) == steps)
        else:
            rate, reason = _from_range_test(start, rates, smoothed)
    finally:
        set_states(drawn_by, before)
    return RateSearch(
        rate=rate,
        reason=reason,
        start=start,
        rates=rates,
        losses=losses,
        smoothed=smoothed,
        trial_rates=np.array(tried),
        trial_losses=np.array(ends),
        trial_steps=max(late) if trials else 0,
    )


def smooth(losses: AnyArray | list[float]) -> Array:
    """Average each loss with those before it, ever less with their age, without a bias to the first one.

    What follows a loss that is not finite is infinite.
    """
    average, smoothed = 0.0, []
    for number, value in enumerate(losses, start=1):
        average = KEPT * average + (1 - KEPT) * value if math.isfinite(value) else math.inf
        smoothed.append(average / (1 - KEPT**number))
    return np.array(smoothed)


# What looks at a copy that is trained.


class _Watch(Callback):
    """Measures the loss before the first step and behind some, and ends the training behind the last."""

    losses: list[float]
    made: int

    def __init__(
        self,
        probe: list[Batch],
        looks: Collection[int],
        over: Callable[[list[float]], bool] | None = None,
    ) -> None:
        self.probe, self.looks, self.over = probe, looks, over
        self.losses = []
        self.made = 0

    def measure(self, state: TrainingState) -> float:
        """Compute the loss on the same rows as ever, without dropout.

        Where there is `BatchNorm`, with the statistics of these rows: the running ones lag behind.
        """
        model = state.model
        parts = [
            (
                model._quiet_forward(x, weight) if model._mixes_rows else model._predict(x, PREDICT_ROWS),
                y,
                weight,
            )
            for x, y, weight in self.probe
        ]
        return float(score(model, parts, loss=state.loss, metrics={})["loss"])

    def on_batch_begin(self, state: TrainingState) -> None:
        if not self.losses and math.isfinite(value := self.measure(state)):
            self.losses.append(value)

    def on_batch_end(self, state: TrainingState) -> None:
        self.made += 1
        if self.made in self.looks:
            self.losses.append(self.measure(state))
            if self.made == max(self.looks) or (self.over and self.over(self.losses)):
                state.stop("the search has seen enough")


def _blown_up(losses: list[float]) -> bool:
    """Tell whether the smoothed loss has risen far above its lowest."""
    start, smoothed = losses[0], smooth(losses[1:])
    lowest = min(start, float(smoothed.min()))
    return not smoothed[-1] <= lowest + max(BLOW_UP * (start - lowest), abs(start))


def _first_rows(source: Any) -> list[Batch]:
    """Take batches until there are rows enough to measure a loss on."""
    probe, rows = [], 0
    for batch in source:
        probe.append(batch)
        rows += batch[0].shape[0]
        if rows >= PROBE_ROWS:
            break
    return probe


# From losses to a suggestion.


def _try_rates(
    trial: Callable[[float], float], top: float, low: float, start: float, origin: float
) -> tuple[list[float], list[float]]:
    """Try rates from the top down, until several in a row bring nothing better and come nowhere near."""
    tried: list[float] = []
    ends: list[float] = []
    best, worse, near = math.inf, 0, False
    rate = top
    while rate >= low * (1 - 1e-9) and (worse < WORSE or len(tried) < FEWEST or near):
        tried.append(rate)
        ends.append(trial(rate))
        worst_of_two = max(ends[-2:])
        if worst_of_two < min(best, start):
            best, worse = worst_of_two, 0
        elif best < math.inf:
            worse += 1
        near = best < math.inf and ends[-1] <= best + WITHIN * (origin - best)
        rate /= RATIO
    return tried, ends


def _choose(
    tried: list[float], ends: list[float], start: float, origin: float, steps: int,
    *, at_the_edge: bool,
) -> tuple[float, str]:  # fmt: skip
    """Choose the smallest rate whose loss is hardly above the lowest that two neighbours share."""
    # One rate alone may be low by luck, so each counts as the worse of its own loss and that of the next
    # larger one. The largest has none above it; where nothing has blown up, it counts.
    above = [ends[0] if at_the_edge else math.inf, *ends[:-1]]
    best = math.inf
    for loss in map(max, reversed(above), reversed(ends)):  # from the smallest rate
        if best < origin and loss > best + RIDGE * (origin - best):
            break
        best = min(best, loss)
    if not best < start - SLIGHT * abs(start):
        best = min(ends)
        if not best < start - SLIGHT * abs(start):
            raise _falls_nowhere(tried[-1], tried[0], start)
    slack = WITHIN * max(origin - best, 0.0)
    near = [place for place, end in enumerate(ends) if end <= best + slack]
    index = near[-1]
    reason = f"In {steps} steps it lowered the loss from {start:.4g} to {ends[index]:.4g}"
    if index == 0 and at_the_edge:
        return tried[0], f"{reason}; it is the largest rate of the test, and nothing blew up: larger may do."
    if len(near) == 1:
        return tried[index], f"{reason}: of {len(tried)} rates tried, no other one came near that."
    return tried[index], (
        f"{reason}: of {len(tried)} rates tried, {len(near)} came as far, and the smallest of them is taken."
    )


def _from_range_test(start: float, rates: Array, smoothed: Array) -> tuple[float, str]:
    """Choose a rate from the range test alone."""
    index = int(np.argmin(smoothed))
    if not smoothed[index] < start - SLIGHT * abs(start):
        raise _falls_nowhere(float(rates[0]), float(rates[-1]), start)
    reason = (
        f"In the range test the loss was lowest, {smoothed[index]:.4g}, at a rate of {rates[index]:.2g}; "
        f"a tenth of that is taken. It was {start:.4g} at the start."
    )
    return max(float(rates[index]) / BELOW_LOWEST, float(rates[0])), reason


def _falls_nowhere(low: float, high: float, start: float) -> ArgumentError:
    return ArgumentError(
        "find_learning_rate",
        f"a loss that falls from {start:.4g} at some rate from {low:.2g} to {high:.2g}",
        "one that does not",
        "Give a smaller low= if even the smallest rate is too large, more trials=, or more rows to watch; "
        "nnlite.inspect.doctor says what else may be wrong."
        if start
        else "It is 0 before the first step, so there is nothing to learn: look at the targets.",
    )
