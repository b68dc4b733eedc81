"""Checkpoint: a file from which a training that was stopped goes on as if it had not been."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite._version import __version__
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.errors.checks import check_integer, check_number
from nnlite.files.documents import pack, unpack
from nnlite.files.safetensors import check_path, may_replace, open_tensors, real_path, short, write_tensors
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.random_states import check_state, get_states

if TYPE_CHECKING:
    from pathlib import Path

    from nnlite.core.aliases import AnyArray

__all__ = ["Checkpoint", "read"]

#: Raised by one when a file of the new kind cannot be read by the old code. The first format, in which each
#: thing of a list stands on its own, is read as the second one is.
FORMAT = 2

_KEY = "nnlite_checkpoint"
_UNITS = ("epochs", "steps", "seconds")


class Checkpoint(Callback):
    """Write everything that training depends on to a file, again and again.

    ``fit(..., resume=path)`` goes on from the file, to the same bits that the training would have
    come to without a stop.

    There is one file, which is replaced in one step once the new one is complete: a process
    that is killed at any moment leaves the last checkpoint or the new one, and never half of one.
    It is written every so many epochs, steps or seconds, when training ends, and at Ctrl-C. If
    training ends by an error, the last one stays.

    Parameters
    ----------
    path : str or path-like
        The file. Its folder must be there. A path that is not absolute is meant from the working
        directory in which ``fit`` is called, whatever that changes to later.
    every : int, or float with ``unit="seconds"``
        How often.
    unit : {"epochs", "steps", "seconds"}
        What `every` counts. A step is one batch; with `LBFGS` and `LevenbergMarquardt`, an
        iteration, as an epoch is.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used; in ``fit``, if something in the training cannot be stored.
    OSError
        In ``fit``, if the file cannot be written.

    See Also
    --------
    Sequential.save : Write a model on its own, to use it elsewhere.

    Notes
    -----
    Whatever its place in the list, it acts behind all other callbacks. What these remember is in
    the file too, see `Callback.state_dict`.

    `LBFGS` cannot give out the curvature that it has estimated, so it begins a new estimate
    behind every checkpoint: a training with checkpoints takes another way than one without. Let
    some twenty iterations or more pass from one to the next.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nnlite import Adam, Dense, MeanSquaredError, Sequential
    >>> def train(path, epochs, resume=None):
    ...     model = Sequential([Dense(1, 1)], rng=0)
    ...     history = model.fit(
    ...         [[1.0], [2.0]],
    ...         [[3.0], [5.0]],
    ...         loss=MeanSquaredError(),
    ...         optimizer=Adam(),
    ...         epochs=epochs,
    ...         callbacks=[Checkpoint(path)],
    ...         resume=resume,
    ...     )
    ...     return model.params.values.tolist(), history["loss"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "run.checkpoint"
    ...     stopped = train(path, epochs=3)
    ...     resumed = train(path, epochs=5, resume=path)
    ...     resumed == train(path, epochs=5)
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, every: float = 1, unit: str = "epochs") -> None:
        self.path = check_path("Checkpoint(path)", path)
        if unit not in _UNITS:
            raise ArgumentError(
                "Checkpoint(unit=)", "'epochs', 'steps' or 'seconds'", f"{unit!r}", "Write one of them."
            )
        self.unit = unit
        self.every: float
        if unit == "seconds":
            self.every = check_number("Checkpoint(every=)", every, low=0, low_open=True)
        else:
            self.every = check_integer("Checkpoint(every=)", every, low=1)

    @property
    def _seldom(self) -> bool:
        """Whether a few calls in a second of `on_batch_end` are as good as one behind each batch."""
        return self.unit != "steps"

    def check(self, state: TrainingState) -> None:
        """Check that there is a folder, and that what is drawn from can be stored."""
        if state.rank:  # the first one writes, and its disk may be another
            return
        path = self._file(state)
        folder = path.parent
        if not folder.is_dir():
            raise ArgumentError(
                "Checkpoint(path)", "a file in a folder that exists", f"{self.path}", "Make the folder first."
            )
        if path.exists() and not path.is_file():
            kind = "the folder" if path.is_dir() else "the device"
            raise ArgumentError("Checkpoint(path)", "a file", f"{kind} {self.path}", "Add a name.")
        # Found now, and not when an hour of training is to be saved.
        if not may_replace(path):
            expected, got = "a file in a folder that can be written to", f"{self.path}"
            fix = "Write to another folder, or ask for the right to."
            if os.access(folder, os.W_OK):
                expected = "a file that may be replaced"
                got += ", which is another user's, in a folder where only its owner may do that"
                fix = "Choose another name."
            raise ArgumentError("Checkpoint(path)", expected, got, fix)
        if _begins_anew(state) and self.unit == "seconds":
            raise ArgumentError(
                "Checkpoint(unit=)",
                f"'epochs', for {type(state.optimizer).__name__}, which begins anew behind each checkpoint",
                "'seconds', which come to other iterations each time",
                "Write Checkpoint(path, every=20).",
            )
        if state.rng is not None:
            try:
                check_state(state.rng, get_states([state.rng])[0])
            except ValueError as error:
                raise ArgumentError(
                    "Checkpoint", "a generator of NumPy", f"{error}", "Write fit(..., rng=0), for instance."
                ) from None

    def _file(self, state: TrainingState) -> Path:
        """Return where to write: a path that is not absolute is meant from where training has begun."""
        from pathlib import Path

        return real_path("Checkpoint(path)", Path(state._folder, self.path))

    def on_train_begin(self, state: TrainingState) -> None:
        """Begin to count."""
        self._steps = 0
        self._last = time.monotonic()
        # An epoch that a stop has cut short before is gone on with only if something takes the stop back.
        self._cut = bool(state.stop_reason) and state.epoch > len(state.history)

    def on_batch_end(self, state: TrainingState) -> None:
        """Write if it is time, or training is about to end in the middle of the epoch."""
        self._steps += 1
        self._cut = bool(state.stop_reason) or state._interrupted
        if self._cut or (self.unit == "steps" and self._steps >= self.every) or self._is_over(state):
            self._write(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write if it is time, or training has ended."""
        if self._cut:  # it is none to go on behind; where it was cut has been written
            return
        in_epochs = self.unit == "epochs" or isinstance(state.optimizer, FullBatchOptimizer)
        due = in_epochs and self.unit != "seconds" and state.epoch % self.every == 0
        # A search that was not interrupted would not begin anew here.
        ends = state.stop_reason or (state.history.interrupted and not _begins_anew(state))
        if due or ends or state.epoch == state.epochs or self._is_over(state):
            self._write(state)

    def _is_over(self, state: TrainingState) -> bool:
        return self.unit == "seconds" and state.decide(time.monotonic() - self._last >= self.every)

    def _write(self, state: TrainingState) -> None:
        if not np.isfinite(state.model.params.values).all():
            return  # the next batch, or the end of the epoch, finds out; the checkpoint before stays
        snapshot = state.snapshot()
        self._steps, self._last = 0, time.monotonic()
        if state.rank:  # the first one has the same
            return
        document, arrays = pack("Checkpoint", snapshot)
        about = {"format": FORMAT, "version": __version__, "numpy": np.__version__, "state": document}
        where = f"Checkpoint({str(self.path)!r})"
        fix = "Let a callback remember arrays, or lists of things of one kind."
        write_tensors(self._file(state), about, arrays, key=_KEY, where=where, fix=fix)
        self._last = time.monotonic()

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every!r}, unit={self.unit!r})"


def _begins_anew(state: TrainingState) -> bool:
    """Tell whether the optimizer searches, and begins a new search behind every checkpoint."""
    return isinstance(state.optimizer, FullBatchOptimizer) and not state.optimizer.keeps_all


def read(path: Path, *, where: str) -> dict[str, Any]:
    """Read what a `Checkpoint` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    where : str
        Names the file in the message.

    Returns
    -------
    dict
        Plain data and arrays. What they mean has still to be checked.

    Raises
    ------
    ModelFileError
        If it is no whole checkpoint.
    OSError
        If it cannot be read.
    """
    with open_tensors(path, key=_KEY, where=where, made_by="Checkpoint") as file:
        found = file.document.get("format")
        if type(found) is not int or not 1 <= found <= FORMAT:
            raise ModelFileError(
                where,
                f"a format from 1 to {FORMAT}",
                f"format {short(found)}, written by nnlite {short(file.document.get('version'))}",
                "Update nnlite."
                if type(found) is int and found > FORMAT
                else "The file is damaged, or was made by something else.",
            )
        left = set(file.entries)

        def take(name: Any) -> AnyArray:
            left.remove(name)  # each once: a few bytes could ask for the same array many times
            return file.read(name)

        try:
            state = unpack(file.document["state"], take)
            if not isinstance(state, dict):
                raise ValueError(f"a {type(state).__name__}")
        except (LookupError, TypeError, ValueError) as error:
            raise ModelFileError(
                where,
                "a whole checkpoint",
                f"one in which {short(f'{error}')} is wrong",
                "The file is damaged, or was made by something else.",
            ) from error
    return state
