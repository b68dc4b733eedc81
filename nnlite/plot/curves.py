"""Curves of a classifier over all thresholds, of how sure it is, and of what more rows bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite import metrics
from nnlite.core.aliases import Array
from nnlite.data.checks import check_rows
from nnlite.errors import ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.model import Sequential
from nnlite.plot.estimators import from_estimator, probabilities, scores
from nnlite.plot.given import check_names
from nnlite.plot.style import (
    GREY,
    LIGHT,
    POSITIVE,
    SMALL,
    TRAINING,
    VALIDATION,
    curve,
    legend,
    name_axis,
    new_axes,
    open_frame,
    short,
    size_of,
    text_width,
)
from nnlite.training.learning_curve import LearningCurve
from nnlite.training.learning_curve import learning_curve as train_on_more

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["calibration_curve", "learning_curve", "precision_recall_curve", "roc_curve"]

#: What part of a reliability diagram the counts of rows may take; and the area of the dot of most rows, in
#: square points.
COUNTS, LARGEST = 0.18, 60.0
#: How many standard deviations hold 90 % of a normal distribution.
NINETY = 1.6449
#: Of more curves than this, or than can be named beside them, the worst are named, and the others grey.
NAMED = 10


@from_estimator(scores)
@explained
def roc_curve(
    pred: Any,
    target: Any,
    weight: Any = None,
    *,
    classes: Sequence[str] | None = None,
    logits: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the ROC curve: how many rows of a class are found, over how many others are taken for it.

    Of a yes-or-no question there is one curve, of several classes one for each against the rest. Beside a
    name stands the area under its curve; the dashed diagonal is what guessing comes to. Of more than ten
    classes, or than can be named in a small picture, those with the smallest area are.

    Parameters
    ----------
    pred : array-like of shape (rows, classes), (rows, 1) or (rows,)
        Scores, such as those of `Sequential.predict`: logits of classes, or one score a row.
    target : array-like of shape (rows,)
        The ids of the true classes, or 0 and 1; or one-hot rows.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    classes : sequence of str, optional
        Their names; by default 0, 1, ... Of two the second stands beside its curve.
    logits : bool
        False for probabilities of several classes.
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

    See Also
    --------
    nnlite.metrics.roc_curve : The numbers alone.

    Notes
    -----
    ``roc_curve.from_estimator(estimator, X, y)`` asks a classifier with scikit-learn's interface for its
    probabilities, or for its decision function, by which each class orders the rows as it is.

    Examples
    --------
    >>> ax = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> ax.lines[-1].get_label()
    'area 0.75'
    >>> ax.figure.clear()
    """
    found = _of_each("roc_curve", pred, target, weight, classes, logits)
    ax = new_axes("plot.roc_curve", ax)
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1.0, zorder=0, label="_guessing")
    curves = [(name, false, true, float(np.trapezoid(true, false))) for name, false, true in found]
    _draw_classes(ax, curves, "area", named=classes is not None)
    name_axis(ax, "x", "false positive rate", "false positives")
    name_axis(ax, "y", "true positive rate", "true positives")
    legend(ax)
    return ax


@from_estimator(scores)
@explained
def precision_recall_curve(
    pred: Any,
    target: Any,
    weight: Any = None,
    *,
    classes: Sequence[str] | None = None,
    logits: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw precision over recall: how pure what is found is, over how much of a class is found.

    Look at it where a class is rare, since the ROC curve then looks good all too easily. Beside a name
    stands the average precision (AP). Of a yes-or-no question the dashed line is what guessing comes to,
    the share of the class.

    Parameters
    ----------
    pred, target, weight, classes, logits
        As `roc_curve` takes them.
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

    See Also
    --------
    nnlite.metrics.precision_recall_curve : The numbers alone.

    Notes
    -----
    ``precision_recall_curve.from_estimator(estimator, X, y)`` asks a classifier with scikit-learn's
    interface.

    Examples
    --------
    >>> ax = precision_recall_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> ax.lines[0].get_label()
    'average precision 0.833'
    >>> ax.figure.clear()
    """
    found = _of_each("precision_recall_curve", pred, target, weight, classes, logits)
    ax = new_axes("plot.precision_recall_curve", ax)
    curves = [
        (name, recall, precision, float(-np.diff(recall) @ precision[:-1]))
        for name, precision, recall in found
    ]
    words = "average precision" if len(found) == 1 else "AP"
    _draw_classes(ax, curves, words, named=classes is not None, drawstyle="steps-post")
    if len(found) == 1:
        # At the lowest threshold all rows are found, and the precision is the share of the class.
        ax.axhline(float(found[0][1][0]), color=GREY, ls="--", lw=1.0, zorder=0, label="_guessing")
    ax.set(xlabel="recall", ylabel="precision")
    legend(ax)
    return ax


def _draw_classes(
    ax: Axes, curves: list[tuple[str, Array, Array, float]], words: str, *, named: bool, **how: Any
) -> None:
    """Draw a curve for each class, with the area below it; of many, the worst have a label."""
    labels = min(NAMED, max(int(0.5 * 72 * size_of(ax)[1] / (1.6 * SMALL)), 1))
    hidden = max(len(curves) - labels, 0)
    if hidden:
        curves = sorted(curves, key=lambda one: -np.nan_to_num(one[3], nan=-1.0))
    for place, (name, across, along, area) in enumerate(curves):
        lacking = "no others" if np.isfinite(along).all() and words == "area" else "no rows"
        label = f"{name}: {lacking}" if np.isnan(area) else f"{name}, {words} {short(area, 3)}"
        if len(curves) == 1 and not (named or np.isnan(area)):
            label = f"{words} {short(area, 3)}"
        style = curve(place - hidden) if place >= hidden else {"color": LIGHT, "zorder": 1}
        ax.plot(across, along, lw=1.6, label="_" * (place < hidden) + label, **style, **how)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    open_frame(ax)


def _names(where: str, pred: Any, classes: Any) -> list[str]:
    """Return a name for each class; one score a row is that of class 1 of two."""
    answers = check_rows(f"{where}(pred)", pred)
    count = max(answers.shape[1] if answers.ndim == 2 else 1, 2)
    if classes is not None:
        return check_names(f"{where}(classes=)", classes, count, "classes")
    return [f"class {place}" for place in range(count)]


def _of_each(
    name: str, pred: Any, target: Any, weight: Any, classes: Any, logits: bool
) -> list[tuple[str, Array, Array]]:
    """Compute the curve of each class against the rest, or of class 1 of two, with their names."""
    names = _names(f"plot.{name}", pred, classes)
    found = []
    for place in range(len(names)) if len(names) > 2 else (1,):
        points = getattr(metrics, name)(pred, target, weight, class_id=place, logits=logits)
        found.append((names[place], points[0], points[1]))
    return found


@from_estimator(probabilities)
@explained
def calibration_curve(
    pred: Any,
    target: Any,
    weight: Any = None,
    *,
    class_id: int | None = None,
    bins: int = 10,
    classes: Sequence[str] | None = None,
    logits: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often predictions are right over how sure they are: the reliability diagram.

    On the diagonal a model is as sure as it is right. Dots below it are too sure, dots above it not sure
    enough. The bars at the bottom count the rows of each bin: a dot of few rows, a small one, may lie
    anywhere along its upright line, Wilson's interval of 90 % for how often it is right.

    Parameters
    ----------
    pred : array-like of shape (rows, classes), (rows, 1) or (rows,)
        Logits, such as those of `Sequential.predict`.
    target : array-like of shape (rows,)
        The ids of the true classes, or 0 and 1; or one-hot rows.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    class_id : int, optional
        Whose probability; by default that of class 1 of two, and of more that of the class which each row is
        taken for.
    bins : int
        How many, of equal width.
    classes : sequence of str, optional
        Names of the classes.
    logits : bool
        False for probabilities, of a model that ends in Softmax or Sigmoid.
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

    See Also
    --------
    nnlite.metrics.calibration_curve : The numbers alone.
    nnlite.training.calibration.fit_temperature : What makes a net as sure as it is right.

    Notes
    -----
    ``calibration_curve.from_estimator(estimator, X, y)`` asks a classifier with ``predict_proba``. The title
    gives the expected calibration error, the mean distance from the diagonal, each bin weighted by its rows.

    References
    ----------
    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the
    American Statistical Association 22, 1927.

    Examples
    --------
    >>> ax = calibration_curve([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 0], bins=2, logits=False)
    >>> ax.lines[-1].get_ydata().tolist(), [text.get_text() for text in ax.texts]
    ([0.0, 0.5], ['2', '2'])
    >>> ax.figure.clear()
    """
    where = "plot.calibration_curve"
    predicted, observed, rows = metrics.calibration_curve(
        pred, target, weight, class_id=class_id, bins=bins, logits=logits
    )
    names = _names(where, pred, classes)
    ax = new_axes(where, ax)
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1.0, zorder=1, label="_as sure as right")
    # A mean may be rounded to beyond the upper end of its bin, which belongs to it.
    left = np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], predicted * (1 - 1e-12)) / bins
    heights = COUNTS * rows / rows.max()
    ax.bar(left, heights, width=1 / bins, align="edge", color=LIGHT, edgecolor="white", zorder=0)
    texts = [f"{value:.0f}" if value == round(value) else short(float(value)) for value in rows]
    if max(map(text_width, texts)) + 2 < 0.85 * 72 * size_of(ax)[0] / bins:
        for start, height, text in zip(left, heights, texts, strict=True):
            ax.text(start + 0.5 / bins, height, text, size=SMALL, ha="center", va="bottom", color=GREY)
    spread = NINETY**2 / rows
    middle = (observed + spread / 2) / (1 + spread)
    half = np.sqrt(spread * (observed * (1 - observed) + spread / 4)) / (1 + spread)
    ax.vlines(predicted, middle - half, middle + half, color=POSITIVE, lw=1.2, alpha=0.5, zorder=2)
    ax.plot(predicted, observed, color=POSITIVE, lw=0.8, alpha=0.6, clip_on=False, zorder=3)
    sizes = LARGEST * np.maximum(rows / rows.max(), 0.1)
    ax.scatter(predicted, observed, s=sizes, color=POSITIVE, clip_on=False, zorder=3)
    error = float(np.average(np.abs(predicted - observed), weights=rows))
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_title(f"{error:.1%} off on average", size=SMALL + 2)
    sure = len(names) > 2 and class_id is None
    name = "the predicted class" if sure else names[1 if class_id is None else class_id]
    name_axis(ax, "x", f"probability of {name}", "probability")
    name_axis(ax, "y", f"how often it is {'right' if sure else 'that class'}", "how often")
    open_frame(ax)
    return ax


def _trained(where: str, estimator: Any, X: Any, y: Any, **options: Any) -> dict[str, Any]:
    if isinstance(estimator, Sequential):
        fix = "Write plot.learning_curve(nnlite.inspect.learning_curve(model, X, y, ...))."
        raise ArgumentTypeError(f"{where}(estimator)", "an estimator", "a Sequential", fix)
    return {"result": train_on_more(estimator, X, y, **options)}


@from_estimator(_trained)
@explained
def learning_curve(result: LearningCurve, *, ax: Axes | None = None) -> Axes:
    """Draw the score on training rows and on others over the number of rows that were trained on.

    Lines are means, bands go from the lowest to the highest of the trainings. Where the lines have met,
    more rows like these will not help; where they are far apart, they will.

    Parameters
    ----------
    result : LearningCurve
        What `nnlite.inspect.learning_curve` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError
        If an argument is something else.

    Notes
    -----
    ``learning_curve.from_estimator(estimator, X, y, ...)`` trains copies of an estimator first; it takes what
    `nnlite.inspect.learning_curve` takes.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.moons(100, rng=0)
    >>> model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
    >>> options = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.1), "epochs": 5}
    >>> ax = learning_curve(nn.inspect.learning_curve(model, X, y, sizes=[10, 40], **options))
    >>> [line.get_xdata().tolist() for line in ax.lines]
    [[10, 40], [10, 40]]
    >>> ax.figure.clear()
    """
    where = "plot.learning_curve"
    if not isinstance(result, LearningCurve):
        fix = "Give what nnlite.inspect.learning_curve(model, X, y, ...) returned."
        raise ArgumentTypeError(f"{where}(result)", "a LearningCurve", type(result).__name__, fix)
    ax = new_axes(where, ax)
    sides = (("training", "-o", TRAINING), ("validation", "--s", VALIDATION))
    for name, dashes, colour in sides:
        values = getattr(result, name)
        ax.fill_between(result.sizes, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.15, lw=0)
        ax.plot(result.sizes, values.mean(axis=1), dashes, color=colour, lw=1.6, ms=4, label=name)
    ax.set(xlabel="rows", ylabel=result.metric)
    open_frame(ax)
    legend(ax)
    return ax
