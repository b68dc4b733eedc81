"""What `fit` refuses, as findings: with the whole of what is to be changed, where the data say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.core.aliases import AnyArray
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss
from nnlite.data.conversion import is_missing
from nnlite.data.table import day_first, looks_like_dates
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import is_ours
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.task import task_of, whole_answer
from nnlite.layers import LogSoftmax, Softmax
from nnlite.losses import Hinge, Masked, MultiTaskLoss
from nnlite.model import Sequential

__all__ = [
    "failed",
    "refused",
    "refused_input",
    "refused_loss",
    "refused_optimizer",
    "refused_targets",
]

#: So many entries of a column are looked at to tell dates from other text.
LOOKED_AT = 200


def refused_targets(
    error: ArgumentError | ArgumentTypeError, model: Sequential, loss: Loss, y: AnyArray | None, outputs: int
) -> Finding:
    """Make a finding of targets that are refused: what they are, and the end of a net that is made for them.

    Parameters
    ----------
    error : ArgumentError or ArgumentTypeError
        What `fit` would raise.
    model : Sequential
        The net.
    loss : Loss
        What refuses them.
    y : ndarray or None
        The targets as an array, with as many rows as the input; None if they are no numbers, or too few.
    outputs : int
        Of the net.

    Returns
    -------
    Finding

    Examples
    --------
    >>> from nnlite import Dense, SoftmaxCrossEntropy
    >>> error, y = ArgumentError("SoftmaxCrossEntropy()", "two", "1 output", "Add one."), np.arange(10)
    >>> model = Sequential([Dense(4, 1)])
    >>> print(refused_targets(error, model, SoftmaxCrossEntropy(), y, 1))
    error NN212 wrong-number-of-outputs: fit refuses this: SoftmaxCrossEntropy(): expected two, got
    1 output. The targets are ids of 10 classes, 0 to 9, and the model has 1 output.
      -> End the model with Dense(4, 10). (docs/doctor/NN212.md)
    """
    if not _is_told(y) or isinstance(loss, Hinge | Masked | MultiTaskLoss):
        return refused(error, "NN104")
    if not (is_ours(type(loss).prepare) and error.where.startswith(("y", f"{loss}"))):  # weights, perhaps
        return refused(error, "NN104")
    task = task_of(y, classifies=loss.from_logits)
    if task.kind == "numbers" and not loss.from_logits and task.outputs == outputs:
        return refused(error, "NN104")  # their shape is wrong and nothing else, which the error says
    two_scores = task.kind == "yes or no" and outputs == 2
    if task.kind == "labels" and loss.from_logits and task.loss(loss) != f"{loss}":
        code = "NN211"
    elif (task.outputs != outputs and not two_scores) or (
        outputs == 1 and isinstance(loss, SoftmaxCrossEntropy)
    ):
        code = "NN212"
    else:
        code = "NN202" if task.kind == "classes" and not loss.from_logits else "NN104"
    message = (
        f"{_refusal(error)} The targets are {task.words}, and the model has {outputs} "
        f"output{'' if outputs == 1 else 's'}."
    )
    return finding(
        code,
        "error",
        message,
        whole_answer(model, task, loss),
        error=type(error).__name__,
        targets=task.words,
        outputs=outputs,
        wanted=task.outputs,
    )


def _is_told(y: AnyArray | None) -> TypeGuard[AnyArray]:
    """Tell targets that say what they ask for: rows of numbers, or one name a row."""
    if y is None or y.ndim > 2 or not y.size:
        return False
    return y.size == len(y) if y.dtype.kind in "USO" else bool(np.isfinite(y).all())


def refused_loss(
    error: ArgumentError | ArgumentTypeError, model: Sequential, loss: Loss, y: AnyArray | None, outputs: int
) -> Finding:
    """Make a finding of a loss that is refused, such as one that takes logits behind probabilities.

    Parameters
    ----------
    error, model, loss, y, outputs
        As of `refused_targets`.

    Returns
    -------
    Finding
    """
    if error.got != "probabilities":
        return refused(error, "NN209")
    softmax = isinstance(model.layers[-1], Softmax | LogSoftmax)
    if softmax and _is_told(y):
        task = task_of(y, classifies=True)
        code = "NN211" if task.kind == "labels" else "NN201"
        if outputs == 1:  # of several classes that is the first thing to be changed
            code = "NN212" if task.kind == "classes" else "NN210"
        if code != "NN201":
            why = (
                "A softmax over one output answers 1 for every row."
                if outputs == 1
                else "What a softmax gives sums to 1 in each row: it cannot say two labels at once, nor none."
            )
            return finding(
                code,
                "error",
                f"{_refusal(error)} {why}",
                whole_answer(model, task, loss),
                error=type(error).__name__,
                targets=task.words,
                outputs=outputs,
            )
    return refused(error, "NN201")


def refused_optimizer(error: ArgumentError | ArgumentTypeError, model: Sequential) -> Finding:
    """Make a finding of an optimizer that is refused, such as one that has nothing to train.

    Parameters
    ----------
    error : ArgumentError or ArgumentTypeError
        What `fit` would raise.
    model : Sequential
        The net.

    Returns
    -------
    Finding

    Examples
    --------
    >>> from nnlite import Dense
    >>> model = Sequential([Dense(2, 1)])
    >>> model.freeze()
    >>> refused_optimizer(ArgumentError("fit", "something to train", "nothing", "Thaw."), model).fix
    'Write model.unfreeze().'
    """
    if model.params.size and not model.params.trainable_slices:
        message = f"{_refusal(error)} All of {model.params.size:,} weights are frozen."
        return finding(
            "NN215",
            "error",
            message,
            "Write model.unfreeze().",
            error=type(error).__name__,
            frozen=model.params.size,
        )
    return refused(error, "NN209")


def refused_input(error: ArgumentError | ArgumentTypeError, X: Any) -> Finding:
    """Make a finding of an input that is refused: which columns hold text or dates, and what to do with them.

    Parameters
    ----------
    error : ArgumentError or ArgumentTypeError
        What `fit` would raise.
    X : object
        The input.

    Returns
    -------
    Finding

    Examples
    --------
    >>> error = ArgumentTypeError("X", "numbers", "text", "Turn it into numbers first.")
    >>> X = np.array([[1.0, "2024-05-01"], [2.0, "2024-05-02"]], dtype=object)
    >>> print(refused_input(error, X).fix)
    Column 1 holds dates: write d = pandas.to_datetime(X[:, 1]), and give its parts, d.year, d.month and
    d.dayofweek, as columns of numbers.
    """
    if not isinstance(error, ArgumentTypeError):
        return refused(error, "NN103")
    dates: list[Any] = []
    written: list[str] = []
    texts: list[Any] = []
    for name, column in _columns_of(X):
        cells = [cell for cell in column if not is_missing(cell)]
        if not cells:
            continue
        if all(isinstance(cell, str) for cell in cells):
            told = looks_like_dates([str(cell) for cell in cells])
            (dates if told else texts).append(name)
            if told and len(dates) == 1:
                written = cells
        elif type(cells[0]).__name__ in ("datetime64", "Timestamp", "datetime", "date"):
            dates.append(name)
    if not dates and not texts:
        return refused(error, "NN103")
    frame = column_names(X) is not None

    def place(name: Any) -> str:
        return f"X[{name!r}]" if frame else f"X[:, {name}]"

    fixes = []
    if dates:
        d = "d.dt" if frame else "d"
        what = f"Column {', '.join(f'{name!r}' for name in dates)} holds dates"
        whole = (
            "X = X.assign(year=d.dt.year, month=d.dt.month, weekday=d.dt.dayofweek)"
            f".drop(columns={dates[0]!r})"
            if frame
            else f"give its parts, {d}.year, {d}.month and {d}.dayofweek, as columns of numbers"
        )
        first = f"{place(dates[0])}{day_first(written)}"
        fixes.append(f"{what}: write d = pandas.to_datetime({first}), and {whole}.")
    if texts:
        what = f"Column {', '.join(f'{name!r}' for name in texts)} holds text"
        fixes.append(
            f"{what}: encoder = TableEncoder().fit(X) and Sequential([encoder.layer(), "
            "Dense(encoder.width, ...), ...], preprocessing=encoder) take categories as they are."
            if frame
            else f"{what}: write np.unique({place(texts[0])}, return_inverse=True)[1] for ids of an "
            "Embedding, or give a frame to TableEncoder."
        )
    return finding(
        "NN103",
        "error",
        _refusal(error),
        " ".join(fixes),
        error=type(error).__name__,
        dates=dates,
        texts=texts,
    )


def _columns_of(X: Any) -> list[tuple[Any, Any]]:
    """Return the first entries of each column that may hold something else than numbers."""
    names = column_names(X)
    if names is not None:
        columns = X if isinstance(X, Mapping) or hasattr(X, "columns") else {}
        return [(name, list(columns[name][:LOOKED_AT])) for name in names]
    array = X if isinstance(X, np.ndarray) else np.array(X, dtype=object) if isinstance(X, list) else None
    if array is None or array.ndim != 2 or array.dtype.kind not in "OUSM":
        return []
    return [(number, column.tolist()) for number, column in enumerate(array[:LOOKED_AT].T)]


def _refusal(error: ArgumentError | ArgumentTypeError) -> str:
    return f"fit refuses this: {error.where}: expected {error.expected}, got {error.got}."


def refused(error: ArgumentError | ArgumentTypeError, code: str) -> Finding:
    """Make a finding of what `fit` would raise.

    Parameters
    ----------
    error : ArgumentError or ArgumentTypeError
        What it would raise.
    code : str
        The code of the finding.

    Returns
    -------
    Finding

    Examples
    --------
    >>> refused(ArgumentError("X", "finite numbers", "NaN", "Fill it."), "NN103").message
    'fit refuses this: X: expected finite numbers, got NaN.'
    """
    return finding(code, "error", _refusal(error), error.fix, error=type(error).__name__)


def failed(error: Exception) -> Finding:
    """Make a finding of what a step raises in a layer or a loss of the user's own.

    Parameters
    ----------
    error : Exception
        What it raises.

    Returns
    -------
    Finding

    Examples
    --------
    >>> failed(ValueError("too small")).message
    'A step of fit raises ValueError: too small.'
    """
    if isinstance(error, ArgumentError | ArgumentTypeError):
        return refused(error, "NN209")
    kind = type(error).__name__
    message = f"A step of fit raises {kind}: {f'{error}'.rstrip('.')}."
    fix = "Let nnlite.testing.check_layer or check_loss say what is wrong with those of your own."
    return finding("NN209", "error", message, fix, error=kind)
