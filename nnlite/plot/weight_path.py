"""WeightPath: the weights that descent went through, kept during training for a picture of its way."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.data.checks import check_rows
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_integer
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import Callback, TrainingState

__all__ = ["WeightPath"]

#: A path never takes more memory than this, in bytes, however large the net is.
MOST_BYTES = 200_000_000

_UNITS = ("epochs", "steps")


class _Point(NamedTuple):
    """One place on the way: when, the weights, and the loss that training measured."""

    number: int
    values: Array
    loss: Any


class WeightPath(Callback):
    """Keep the weights during training: the way that descent took, for `loss_surface` and `animate`.

    The first point is the weights before the first step, the last those after the last. `values`
    can be put back into the model by ``model.params.values[...] = path.values[3]``.

    Parameters
    ----------
    every : int
        How often a point is kept.
    unit : {"epochs", "steps"}
        What `every` counts. A step is one batch; with `LBFGS` and `LevenbergMarquardt`, an
        iteration, as an epoch is.
    limit : int
        The most points. When there would be more, every second one goes, and from then on half as
        many are kept. A large net keeps fewer, so that they take no more than 200 MB.

    Attributes
    ----------
    every : int
        How often a point is kept now.
    values : ndarray of shape (points, size) or (points, replicas, size)
        The weights, laid out as ``model.params.values``.
    losses : ndarray of shape (points,) or (points, replicas)
        The training loss as it was measured on the way: with ``unit="epochs"`` that of the epoch that
        ends there, with ``unit="steps"`` that of the batch whose step ends there, and at the start
        that of the first batch. NaN where none was measured. `loss_surface` and `animate` compute
        the loss on all data at each point instead.
    numbers : ndarray of int of shape (points,)
        After how many epochs, or steps, each point was kept; 0 at the start.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    A second `fit` with the same object starts a new path, and one that goes on from a checkpoint
    goes on with the path.

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> model = Sequential([Dense(1, 1)], rng=0)
    >>> path = WeightPath()
    >>> history = model.fit(
    ...     [[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=5, callbacks=[path]
    ... )
    >>> path
    WeightPath(6 points, every epoch)
    >>> path.values.shape, path.numbers.tolist()
    ((6, 2), [0, 1, 2, 3, 4, 5])
    >>> bool((path.values[-1] == model.params.values).all())
    True
    """

    #: How many of the numbers of a point are weights; None until there are any.
    _size: int | None = None

    def __init__(self, every: int = 1, unit: str = "epochs", *, limit: int = 500) -> None:
        if unit not in _UNITS:
            fix = "Write one of them."
            raise ArgumentError("WeightPath(unit)", "'epochs' or 'steps'", f"{unit!r}", fix)
        self.unit = unit
        self.every = self._every = check_integer("WeightPath(every)", every, low=1)
        self.limit = check_integer("WeightPath(limit=)", limit, low=3)
        self._points: list[_Point] = []
        self._last: _Point | None = None  # what came behind the last point, if there was no point at it
        self._steps = 0

    @property
    def values(self) -> Array:
        """The weights at each point."""
        return self._whole[..., : self._size]

    @property
    def _whole(self) -> Array:
        """The weights, and what is kept with them, such as the running statistics of `BatchNorm`."""
        return np.array([point.values for point in self._points])

    @property
    def losses(self) -> Array:
        """The training loss at each point, as it was measured on the way."""
        return np.array([point.loss for point in self._points], np.float64)

    @property
    def numbers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """After how many epochs or steps each point was kept."""
        return np.array([point.number for point in self._points], np.int64)

    def replica(self, index: int) -> WeightPath:
        """Return the path of one replica, as if it had been trained on its own.

        Parameters
        ----------
        index : int
            Which, from 0.

        Returns
        -------
        WeightPath

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If there is no such replica.

        Examples
        --------
        >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
        >>> path = WeightPath()
        >>> model = Sequential([Dense(1, 1)], replicas=3, rng=0)
        >>> rates = SGD([0.01, 0.1, 0.2])
        >>> history = model.fit(
        ...     [[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=rates, epochs=5, callbacks=[path]
        ... )
        >>> path.values.shape, path.replica(2).values.shape
        ((6, 3, 2), (6, 2))
        """
        where = "WeightPath.replica(index)"
        shape = self._points[0].values.shape if self._points else ()
        number = check_integer(where, index)
        if len(shape) < 2 or number >= shape[0]:
            many = len(shape) > 1
            raise ArgumentError(
                where,
                f"a replica from 0 to {shape[0] - 1}" if many else "the path of replicas",
                f"{number}" if many else "that of one net" if shape else "an empty path",
                "They count from 0."
                if many
                else "Use the path itself."
                if shape
                else "Give it to fit first.",
            )
        one = WeightPath(self._every, self.unit, limit=self.limit)
        one.every, one._size = self.every, self._size
        for point in self._points:
            loss = point.loss[number] if np.ndim(point.loss) else point.loss
            # The numbers of a replica are None from where its training was over.
            loss = np.nan if loss is None else float(loss)
            one._points.append(_Point(point.number, point.values[number].copy(), loss))
        return one

    # Acting.

    def on_train_begin(self, state: TrainingState) -> None:
        """Start afresh."""
        self._points.clear()
        self._last = None
        self._steps = 0
        self.every = self._every
        self._size = state.model.params.size
        nbytes = max(1, state.model.params.numbers.nbytes)
        self._most = max(3, min(self.limit, MOST_BYTES // nbytes))

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Keep the start."""
        if not self._points:
            self._keep(self._point(0, state, _like_loss(state)))

    def on_grad_computed(self, state: TrainingState) -> None:
        """Note the loss at the start."""
        if self._steps == 0 and len(self._points) == 1 and np.isnan(self._points[0].loss).any():
            self._points[0] = self._points[0]._replace(loss=np.array(state.batch_loss, np.float64))

    def on_batch_end(self, state: TrainingState) -> None:
        """Keep the weights behind a step."""
        self._steps += 1
        if self.unit == "steps":
            self._pass(self._steps, state, state.batch_loss)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Keep the weights behind an epoch."""
        if self.unit == "epochs" or isinstance(state.optimizer, FullBatchOptimizer):
            self._pass(state.epoch, state, state.history[-1]["loss"])

    def on_train_end(self, state: TrainingState) -> None:
        """Keep the end."""
        if self._last is not None and np.isfinite(self._last.values).all():
            self._keep(self._last)
        self._last = None

    def _pass(self, number: int, state: TrainingState, loss: Any) -> None:
        """Come to a place that becomes a point if it is due, or if nothing comes behind it."""
        point = self._point(number, state, loss)
        self._last = point
        if number % self.every == 0:
            self._keep(point)
            self._last = None

    def _point(self, number: int, state: TrainingState, loss: Any) -> _Point:
        losses = np.array(loss, np.float64)  # None, of a replica whose training is over, becomes NaN
        return _Point(number, state.model.params.numbers.copy(), losses)

    def _keep(self, point: _Point) -> None:
        self._points.append(point)
        if len(self._points) > self._most:
            self.every *= 2
            # The last one goes too if it is not due any more; on_train_end brings the end back.
            kept = [point for point in self._points if point.number % self.every == 0]
            if kept[-1] is not point:
                self._last = point
            self._points[:] = kept

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Return the path so far."""
        return {
            "values": self._whole,
            "losses": self.losses,
            "numbers": self.numbers,
            "every": self.every,
            "steps": self._steps,
        }

    def load_state_dict(self, saved: dict[str, Any], state: TrainingState) -> None:
        """Go on with the path."""
        where = "WeightPath.load_state_dict"
        values, losses, numbers = (
            check_rows(f"{where}, {name}", saved.get(name, ())) for name in ("values", "losses", "numbers")
        )
        params = state.model.params
        if values.shape[1:] != params.numbers.shape or len({len(values), len(losses), len(numbers)}) > 1:
            raise ArgumentError(
                where,
                f"points of shape {params.numbers.shape}, each with a loss and a number",
                f"{values.shape}, {losses.shape} and {numbers.shape}",
                "Give what state_dict() of the same training returned.",
            )
        self.every = check_integer(f"{where}, every", saved.get("every"), low=1)
        self._steps = check_integer(f"{where}, steps", saved.get("steps"))
        self._points[:] = [
            _Point(int(number), row.astype(params.dtype), loss)
            for number, row, loss in zip(numbers, values, losses, strict=True)
        ]
        self._size = params.size

    def __len__(self) -> int:
        return len(self._points)

    def __repr__(self) -> str:
        one = self.unit.removesuffix("s")
        how_often = f"every {one}" if self.every == 1 else f"every {self.every} {self.unit}"
        return f"WeightPath({len(self)} points, {how_often})"


def _like_loss(state: TrainingState) -> Any:
    """Return NaN in the place of a loss that nobody has measured."""
    replicas = state.model.params.replicas
    return np.nan if replicas is None else np.full(replicas, np.nan)


def check_path(where: str, path: Any, *, size: int) -> WeightPath:
    """Refuse what is no path of one net with so many parameters.

    Parameters
    ----------
    where : str
        Names it in the message.
    path : object
        The candidate.
    size : int
        How many parameters the net has.

    Returns
    -------
    WeightPath

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is none, has no points, or is that of another net or of replicas.

    Examples
    --------
    >>> check_path("here", WeightPath(), size=3)
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentError: here: expected a path with points, got an empty one.
        Give it to fit(..., callbacks=[path]) first.
    """
    if not isinstance(path, WeightPath):
        fix = "Write path = nnlite.plot.WeightPath(), and fit(..., callbacks=[path])."
        raise ArgumentTypeError(where, "a WeightPath", type(path).__name__, fix)
    if not len(path):
        fix = "Give it to fit(..., callbacks=[path]) first."
        raise ArgumentError(where, "a path with points", "an empty one", fix)
    shape = path._points[0].values.shape
    if len(shape) > 1:
        raise ArgumentError(
            where, "the path of one net", f"that of {shape[0]} replicas", "Write path.replica(0)."
        )
    if path._size != size:
        raise ArgumentError(
            where,
            f"the path of a net of {size} parameters",
            f"one of {path._size}",
            "Give the path of this model.",
        )
    return path
