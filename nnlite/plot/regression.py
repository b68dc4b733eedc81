"""Pictures of a regression: the curve that was fitted, predictions beside the truth, and residuals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.aliases import Array
from nnlite.data.checks import check_rows
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer
from nnlite.metrics import r2, root_mean_squared_error
from nnlite.metrics.inputs import check_pairs
from nnlite.model import Sequential
from nnlite.plot.estimators import from_estimator, numbers
from nnlite.plot.style import GREY, SMALL, class_marker, curve, legend, new_axes, open_frame, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fit_curve", "prediction_error"]

KINDS = ("actual_vs_predicted", "residual_vs_predicted")
#: The curve goes so far beyond the data, as a part of their range.
MARGIN = 0.05
#: Dots of so many rows are as strong as one; of more each is paler.
CLEAR = 100


def _asks(where: str, estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    numbers(where, estimator, X, 0 if y is None else y)  # says so if it cannot be asked
    return {"model": estimator.predict, "X": X, "y": y}


@from_estimator(_asks)
@explained
def fit_curve(
    model: Sequential | Callable[[Any], Any],
    X: Any,
    y: Any = None,
    *,
    points: int = 300,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a model with one feature answers, as a curve, and the data, as dots.

    Parameters
    ----------
    model : Sequential, or function of X
        One net with one feature, or a function such as the ``predict`` of an estimator.
    X : array-like of shape (rows, 1) or (rows,)
        The curve goes a little beyond them.
    y : array-like of shape (rows, outputs) or (rows,), optional
        The targets.
    points : int
        At how many places the model is asked.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If the model has other than one feature, or the data do not fit.

    Notes
    -----
    ``fit_curve.from_estimator(estimator, X, y)`` draws an estimator with scikit-learn's interface.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> ax = fit_curve(model, [0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> [len(line.get_xdata()) for line in ax.lines]  # the dots, and the curve
    [3, 300]
    >>> ax.figure.clear()
    """
    where = "plot.fit_curve"
    points = check_integer(f"{where}(points=)", points, low=2)
    names = column_names(X)
    given = check_rows(f"{where}(X)", X if names is None or isinstance(X, np.ndarray) else _column(where, X))
    if given.ndim > 2 or (given.ndim == 2 and given.shape[1] != 1):
        fix = "Use plot.decision_boundary for two features, and plot.prediction_error for more."
        raise ShapeError(f"{where}(X)", "one feature", f"shape {given.shape}", fix)
    x = given.reshape(-1).astype(np.float64)
    if not np.isfinite(x).all():
        raise ArgumentError(f"{where}(X)", "finite numbers", "NaN or infinity", "Leave such rows out.")
    low, high = float(x.min()), float(x.max())
    room = MARGIN * (high - low) or 1.0
    places = np.linspace(low - room, high + room, points)
    asked: Any = places[:, None]
    if names is not None:  # a table of the same kind
        asked = {names[0]: places} if isinstance(X, dict) else type(X)({names[0]: places})
    if isinstance(model, Sequential):
        answers = check_net(where, model).predict(asked)
    elif callable(model):
        answers = model(asked)
    else:
        fix = "Give a Sequential, or estimator.predict."
        raise ArgumentTypeError(f"{where}(model)", "a net or a function", type(model).__name__, fix)
    answers = _columns(f"{where}(model)", answers, points)
    targets = None if y is None else _columns(f"{where}(y)", y, len(x))
    ax = new_axes(where, ax)
    for place, line in enumerate(answers.T):
        colour = curve(place)["color"]
        if targets is not None and place < targets.shape[1]:
            ax.plot(
                x, targets[:, place], class_marker(place), ms=4, mew=0, color=colour, alpha=_alpha(len(x))
            )
        ax.plot(
            places, line, lw=1.8, color="black" if answers.shape[1] == 1 else colour, label=f"output {place}"
        )
    ax.set_xlabel((names or getattr(model, "feature_names", None) or ["feature"])[0], parse_math=False)
    ax.set_ylabel("answer")
    open_frame(ax)
    if answers.shape[1] > 1:
        legend(ax)
    return ax


@from_estimator(numbers)
@explained
def prediction_error(
    pred: Any,
    target: Any,
    weight: Any = None,
    *,
    kind: str = "actual_vs_predicted",
    ax: Axes | None = None,
) -> Axes:
    """Draw what was predicted beside what is true, or how far it is off: a dot for each row.

    On the dashed line predictions are right. Dots that lie along a curve, or spread like a fan, say that
    there is something left to learn, or that the targets want to be transformed.

    Parameters
    ----------
    pred : array-like of shape (rows,) or (rows, outputs)
        The predictions.
    target : array-like of the same shape, but for an axis of size 1
        The true numbers.
    weight : array-like of shape (rows,), optional
        How much each row counts, in the numbers of the title; rows of weight 0 are left out.
    kind : {"actual_vs_predicted", "residual_vs_predicted"}
        Whether the true numbers or the residuals, true less predicted, go upwards.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If an argument cannot be used.

    Notes
    -----
    ``prediction_error.from_estimator(estimator, X, y)`` asks an estimator with scikit-learn's interface.

    Examples
    --------
    >>> ax = prediction_error([1.0, 2.0, 4.0], [1.0, 2.0, 3.0], kind="residual_vs_predicted")
    >>> ax.lines[-1].get_ydata().tolist()
    [0.0, 0.0, -1.0]
    >>> ax.figure.clear()
    """
    where = "plot.prediction_error"
    if kind not in KINDS:
        fix = "Leave it out for the true numbers."
        raise ArgumentError(f"{where}(kind=)", " or ".join(map(repr, KINDS)), f"{kind!r}", fix)
    guess, truth = (
        array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        for array in (check_rows(f"{where}(pred)", pred), check_rows(f"{where}(target)", target))
    )
    if guess.ndim == 2 and guess.shape[1] == 2 and truth.size == len(truth) == len(guess):
        fix = "Of a net for GaussianNLL draw the means: pred[:, :1]."
        raise ShapeError(f"{where}(pred)", f"shape {truth.shape}, that of target", f"{guess.shape}", fix)
    guess, truth, weights = check_pairs(where, guess, truth, weight)
    ax = new_axes(where, ax)
    residuals = kind == KINDS[1]
    both = np.array([min(guess.min(), truth.min()), max(guess.max(), truth.max())])
    if residuals:
        ax.axhline(0.0, color=GREY, ls="--", lw=1.0, zorder=0)
    else:
        ax.plot(both, both, "--", color=GREY, lw=1.0, zorder=0, label="_right")
    for place, (own, true) in enumerate(zip(guess.T, truth.T, strict=True)):
        ax.plot(
            own, true - own if residuals else true, class_marker(place), ms=4, mew=0,
            color=curve(place)["color"], alpha=_alpha(len(own)), label=f"output {place}",
        )  # fmt: skip
    ax.set(xlabel="predicted", ylabel="true less predicted" if residuals else "true")
    error = root_mean_squared_error(guess, truth, weights)
    share = r2(guess, truth, weights)
    # Of a number near 1 what lacks counts; a large number has signs between its thousands, and no exponent.
    part = short(share, 4) if 0.995 < share < 1 else f"{share:.2f}"
    size = f"{float(f'{error:.3g}'):,g}" if error >= 1000 else short(error)
    ax.set_title(f"R\N{SUPERSCRIPT TWO} {part}, RMSE {size}".replace("-", "\N{MINUS SIGN}"), size=SMALL + 2)
    open_frame(ax)
    if guess.shape[1] > 1:
        legend(ax)
    return ax


def _column(where: str, X: Any) -> Any:
    """Return the one column of a table."""
    columns = list(X) if isinstance(X, dict) else list(X.columns)
    if len(columns) != 1:
        fix = "Give a table with that column alone."
        raise ShapeError(f"{where}(X)", "one feature", f"{len(columns)} columns", fix)
    return X[columns[0]]


def _columns(where: str, values: Any, rows: int) -> Array:
    """Return numbers as columns, one for each output."""
    found = check_rows(where, values)
    if len(found) != rows or found.ndim > 2:
        fix = "Give one for each row."
        raise ShapeError(where, f"shape ({rows},) or ({rows}, outputs)", f"{found.shape}", fix)
    return found.reshape(rows, -1).astype(np.float64)


def _alpha(rows: int) -> float:
    """Return how strong a dot is, so that where many lie is darker than where few do."""
    return float(np.clip((CLEAR / rows) ** 0.5, 0.15, 0.8))
