"""What the doctor examines: copies of model and optimizer with checked data, and what is measured on them."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.data.conversion import is_sparse
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.float64_copy import Float64Copy
from nnlite.inspect.length import give_length
from nnlite.layers import Embedding, TokenEmbedding
from nnlite.losses import Hinge, Masked
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.sweeps.evidence import average_loss, least
from nnlite.sweeps.labels import NAT
from nnlite.training.history import History
from nnlite.training.inside import Passing, Stop, first_weights, stops, what_reaches
from nnlite.training.work import measure_work

__all__ = ["LITTLE", "NO_WAY", "STEPS", "Passage", "Patient", "Skip", "measured_loss", "reaching"]

#: Rows that losses, units and gradients are measured on. Digits, 1,797, are all used; on more, the standard
#: error of a share, 1/sqrt(4 * 2000), is about 1 %, finer than any threshold.
SAMPLE = 2000
#: Of a net that computes more than this for them, in multiplications, fewer are taken, but no less than so
#: many: a pass of 5,000 images of 28 x 28 through two convolutions takes seconds.
SAMPLE_WORK, SMALL_SAMPLE = 3e8, 500
#: A training that went so much of the way, on validation rows too, leaves little to ask for: settings are not
#: tried, and what was found about scale, targets, neurons and rate is a note.
WELL = 0.8
#: What would show in the result, as scale does, is harmless only if it went so much; dead neurons are from
#: here on: a net with 24 of 40 dead came to 0.81.
VERY_WELL, FAIRLY_WELL = 0.9, 0.6
#: One that went less than this part of the way has led nowhere.
LITTLE = 0.2
#: A loss so many times that of new weights, and of a constant answer, is no start.
EXPLODED = 1000.0
#: Steps of a trial.
STEPS = 100
#: Less than this is what rounding leaves.
NO_WAY = 1e-9


class Skip(Exception):
    """A check cannot be made; the message says why."""


class Passage(NamedTuple):
    """One pass forward and backward, in float64 and without dropout.

    Before training `BatchNorm` goes by the rows, since its running statistics are those of none; after it, by
    these.

    Parameters
    ----------
    loss : float
        The loss.
    pred : ndarray
        What the net says.
    blames : dict of str to ndarray
        dL/d(output) of each layer from the first one that learns on, by its place.
    slopes : dict of str to ndarray
        Of each layer without weights, what one unit of blame at its output becomes at its input.
    grads : ndarray of shape (size,)
        The gradient, laid out as ``params.values``.

    Examples
    --------
    >>> Passage(0.5, np.zeros((1, 1)), {}, {}, np.zeros(2)).loss
    0.5
    """

    loss: float
    pred: Array
    blames: dict[str, Array]
    slopes: dict[str, Array]
    grads: Array


class Patient:
    """Copies of what the user has, so that whatever is tried leaves theirs alone.

    Parameters
    ----------
    model : Sequential
        The user's.
    optimizer : Optimizer or FullBatchOptimizer
        The user's.
    loss : Loss
        The user's.
    batch_size : int
        Rows in one step.
    trained : bool
        Whether training has been.
    history : History, optional
        What `fit` returned.
    settings : dict, optional
        What `fit` is or was called with, as `History.settings` has it.
    copied : bool
        Whether model and optimizer are copies already, or will be looked at only.

    Attributes
    ----------
    model, optimizer
        The copies.
    data : Data or None
        All rows; None if the input is refused.
    held_out : Data or None
        The validation rows.
    integers : bool
        Whether the targets were given as integers.
    settings : dict of str to object
        Arguments of `fit` by their names, as far as they are known.

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError
    >>> Patient(Sequential([Dense(1, 1)]), SGD(0.1), MeanSquaredError(), 32, trained=False).kind
    'numbers'
    """

    def __init__(
        self,
        model: Sequential,
        optimizer: Optimizer | FullBatchOptimizer,
        loss: Loss,
        batch_size: int,
        *,
        trained: bool,
        history: History | None = None,
        settings: dict[str, Any] | None = None,
        copied: bool = False,
    ) -> None:
        # Together, or the optimizer would not know that its state belongs to the copy.
        self.model, self.optimizer = (model, optimizer) if copied else copy.deepcopy((model, optimizer))
        self.loss = loss
        self.batch_size = batch_size
        self.trained = trained
        self.history = history if history is not None and history.rows else None
        self.data: Data | None = None
        self.held_out: Data | None = None
        self.integers = False
        self.settings = {} if settings is None else settings
        #: Trials that were made, see `race`; what was found so far; whether a schedule waits for its length.
        self.courses: dict[tuple[str, int, int], Any] = {}
        self.found: list[Any] = []
        self.waits = False
        #: Whether copies may be trained, which takes longer than a look.
        self.trials = True

    def renewed(self) -> Patient:
        """Return the same with newly drawn weights and an optimizer that has made no steps."""
        other = Patient(
            self.model, self.optimizer, self.loss, self.batch_size, trained=False,
            history=self.history, settings=self.settings,
        )  # fmt: skip
        other.data, other.held_out, other.integers = self.data, self.held_out, self.integers
        other.model.initialize(rng=0)
        kept = self.model.params
        for name in kept.frozen:  # such as what was learned elsewhere
            other.model.params[name][...] = kept[name]
        if isinstance(other.optimizer, Optimizer):
            other.optimizer.reset()
        other.settle_schedule()
        return other

    @cached_property
    def fresh(self) -> Patient:
        """The same before its training: settings are judged from new weights."""
        return self.renewed() if self.trained else self

    @property
    def exploded(self) -> bool:
        """Whether a training that diverged left these weights behind: `fit` keeps the last finite ones."""
        fresh, loss = self.renewed(), measured_loss(self.model, self.sample, self.loss)
        grown = np.linalg.norm(self.model.params.values, np.inf) > np.linalg.norm(
            fresh.model.params.values, np.inf
        )
        floor = self.constant - self.way  # likelihoods may be negative
        start = max(measured_loss(fresh.model, self.sample, self.loss), self.constant)
        return bool(grown and loss - floor > EXPLODED * (start - floor))

    def went(self, share: float, *, validated: bool = False) -> bool:
        """Whether there has been a training that went so much of the way, also on validation rows at hand."""
        known = self.trained and self.data is not None and self.data.y is not None  # or all is refused
        parts = [self.sample] if known else []
        if parts and validated and self.held_out is not None and self.held_out.y is not None:
            parts.append(self.held_out)
        return bool(parts) and all(self._well(part, share) for part in parts)

    @cached_property
    def went_well(self) -> bool:
        """Whether there has been a training that leaves little to ask for."""
        return self.went(WELL, validated=True)

    def _well(self, part: Data, share: float) -> bool:
        """Tell whether the model went most of the way, by the loss or, of classes, by right answers."""
        try:
            if self.constant_of(part) - measured_loss(self.model, part, self.loss) >= share * self.way:
                return True
            ids = self.class_ids_of(part)
        except Skip:
            return False
        others = 1 - np.bincount(ids).max() / len(ids)
        return bool(others and self.wrong(part) <= (1 - share) / 2 * others)

    def class_ids_of(self, part: Data) -> AnyArray:
        """Return the classes of some rows, or the reason why they have none."""
        return self.ids_of(part.y) if self.class_ids.size else self.class_ids

    def wrong(self, part: Data) -> float:
        """Return the share of rows that are taken for another class."""
        pred = self.model._predict(part.x, part.x.shape[0])
        said = (pred[:, 0] > 0).astype(int) if self.kind == "labels" else pred.argmax(axis=-1)
        return float((said != self.class_ids_of(part)).mean())

    @property
    def steps_an_epoch(self) -> int:
        """How many steps `fit` makes in an epoch, as far as one can see from the rows at hand."""
        share = self.settings.get("validation")
        kept = 1 - share if isinstance(share, float) else 1.0
        rows: int = self.all.x.shape[0]
        return max(1, math.ceil(kept * rows / self.batch_size))

    @property
    def length(self) -> int | None:
        """How many steps `fit` makes, or has made; None if nobody has said for how many epochs."""
        epochs = len(self.history) if self.history is not None else self.settings.get("epochs")
        return None if epochs is None else epochs * self.steps_an_epoch

    def settle_schedule(self) -> None:
        """Let a schedule that waits for `fit` to tell its length be tried out whole."""
        if isinstance(self.optimizer, Optimizer):
            self.waits = self.optimizer._time is None
            give_length(self.optimizer, self.length or STEPS, self.steps_an_epoch)

    @property
    def kind(self) -> str:
        """What the loss is for: "classes", "labels" (yes or no), or "numbers"."""
        loss = self.loss.loss if isinstance(self.loss, Masked) else self.loss
        if isinstance(loss, SoftmaxCrossEntropy):
            return "classes"
        return "labels" if isinstance(loss, BinaryCrossEntropy | Hinge) else "numbers"

    @property
    def all(self) -> Data:
        """All rows, or the reason why there are none."""
        if self.data is None:
            raise Skip("the input is refused")
        return self.data

    @property
    def targets(self) -> AnyArray:
        """All targets, or the reason why there are none."""
        y: AnyArray | None = self.all.y
        if y is None:
            raise Skip("the targets or the loss are refused")
        return y

    @cached_property
    def class_ids(self) -> AnyArray:
        """The class of each row, counted from 0, where each row is of one."""
        y = self.targets
        if self.kind == "classes":
            one_each = y.ndim == 1 or (y.max(axis=-1) == 1).all()
        else:
            one_each = self.kind == "labels" and y.shape[-1] == 1 and np.isin(y, (-1, 0, 1)).all()
        if not one_each:
            raise Skip("the targets are no classes")
        return self.ids_of(y)

    def ids_of(self, y: AnyArray) -> AnyArray:
        """Return the classes of targets in the form that the patient's have."""
        if self.kind == "labels":
            return (y[:, 0] > 0).astype(np.int64)
        ids: AnyArray = y if y.ndim == 1 else y.argmax(axis=-1)
        return ids

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a row."""
        return int(self.model.boundary.pred_shape(self.all.x)[-1])

    @cached_property
    def sample(self) -> Data:
        """Some of the rows that have targets, or all if they are few, in their order."""
        rows = len(self.targets)
        few = int(np.clip(SAMPLE_WORK / measure_work(self.model).total, SMALL_SAMPLE, SAMPLE))
        if rows <= few:
            return self.all
        return take(self.all, np.sort(np.random.default_rng(0).choice(rows, few, replace=False)))

    @cached_property
    def passage(self) -> Passage:
        """A pass over the sample, with all that lies between the layers."""
        net, seen = Float64Copy(self.model, *self.sample, self.loss), Passing()
        model = net.model
        ctx = model.context(training=False, watch=seen) if self.trained else model._quiet_context(seen)
        ctx.rows.weight = net.weight
        pred = model._forward(net.x, ctx)
        value, blame = self.loss.value_and_grad(pred, net.y, net.weight)
        if not np.isfinite(value):
            raise Skip("the loss is not finite")
        model._backward(blame, ctx)
        grads = model.params.grads.copy()
        slopes = {
            stop.place: np.asarray(stop.layer.backward(np.ones_like(seen.outputs[stop.place]), own))
            for stop in stops(model)[:-1]
            for own in [seen.contexts[stop.place]]
            if own.needs_dx
            and not (stop.layer.parameter_names or stop.layer.children or stop.layer.stochastic)
        }
        return Passage(float(value), pred, seen.blames, slopes, grads)

    @cached_property
    def way_through(self) -> list[Stop]:
        """The layers that one comes by, those inside of others too."""
        return stops(self.model)

    @property
    def learning(self) -> list[Stop]:
        """Those of them that learn."""
        return [stop for stop in self.way_through if stop.learned]

    @property
    def start(self) -> float:
        """The loss of the sample with the present weights, or the reason why there is none."""
        return self.passage.loss

    def constant_of(self, data: Data) -> float:
        """Return the loss, on some rows, of the best answer that is the same for all of them."""
        return average_loss(self.loss, data.y, data.weight, self.model.boundary.pred_shape(data.x))

    @cached_property
    def constant(self) -> float:
        """The loss of the best answer that is the same for every row."""
        found = self.constant_of(self.sample)
        if not np.isfinite(found):
            raise Skip("the loss of the best constant answer is not finite")
        return found

    @cached_property
    def _least(self) -> float | None:
        return least(self.loss, self.sample.y, self.sample.weight, outputs=self.outputs)

    @property
    def least(self) -> float:
        """The loss of answers that are as right as can be."""
        if self._least is None:
            raise Skip(f"{self.loss} has no lower end to measure by")
        return self._least

    @property
    def way(self) -> float:
        """From the loss of the best constant answer to the least one: what other losses are measured in.

        To what was learned if there is no least one, which goes for logarithms of densities only.
        """
        if self._least is None:
            return max(self.constant - self.start, NAT)
        way = self.constant - self.least
        if way <= NO_WAY * max(1.0, abs(self.constant)):
            raise Skip("the best constant answer is right")
        return way


def measured_loss(model: Sequential, data: Data, loss: Loss, *, training: bool = False) -> float:
    """Compute the loss without dropout; infinite if it is no number.

    Parameters
    ----------
    model : Sequential
        What predicts.
    data : Data
        Rows with targets.
    loss : Loss
        What is computed.
    training : bool
        Whether `BatchNorm` goes by the rows, as in training, and not by its running statistics.

    Returns
    -------
    float

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1)], rng=0)
    >>> rows = Data(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32), None)
    >>> measured_loss(model, rows, MeanSquaredError())
    1.0
    """
    with np.errstate(all="ignore"):  # a loss that overflows is what is asked for
        quiet = training and model._mixes_rows
        pred = model._quiet_forward(data.x, data.weight) if quiet else model._predict(data.x, data.x.shape[0])
        value, _ = loss.value_and_grad(pred, data.y, data.weight)
    number = float(value)
    return number if np.isfinite(number) else float("inf")


def reaching(model: Sequential, x: Any) -> Any:
    """Return the numbers that reach the first weights; ids of categories are left out.

    Parameters
    ----------
    model : Sequential
        A `Standardize` at its front has seen data.
    x : ndarray or CSR matrix of shape (rows, ...)
        The input.

    Returns
    -------
    ndarray or CSR matrix of shape (rows, columns)

    Examples
    --------
    >>> from nnlite import Dense, Flatten
    >>> reaching(Sequential([Flatten((2, 2)), Dense(4, 1)]), np.ones((3, 2, 2))).shape
    (3, 4)
    """
    place, first = first_weights(model)
    seen = what_reaches(model, place, x) if first is not None else model._forward(x)
    if isinstance(first, Embedding | TokenEmbedding):
        seen = seen[..., : first.numeric]
    return seen if is_sparse(seen) else seen.reshape(len(seen), -1)
