"""`confusion_matrix`: which classes are taken for which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite import metrics
from nnlite.errors.arguments import explained
from nnlite.plot.estimators import from_estimator, predicted_classes
from nnlite.plot.given import check_names
from nnlite.plot.style import (
    NEGATIVE,
    SMALL,
    ink_on,
    new_axes,
    sequential,
    short,
    shortened,
    size_of,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_matrix"]

_WHERE = "plot.confusion_matrix"
#: What part of the Axes names may take; what is longer is cut.
NAMES = 0.45
#: Above this number of classes fields are smaller, and a 0 is not written.
MANY = 10
#: The darkest mistake stands for at least this part of its class.
SEEN = 0.1


@from_estimator(predicted_classes)
@explained
def confusion_matrix(
    pred: Any,
    target: Any,
    weight: Any = None,
    *,
    classes: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often each class was taken for each other.

    A line of the picture is a true class. The numbers count rows, and the darker a field, the
    larger its part of that class: blue what is right, vermilion what is not, on a scale of its own that ends
    at the largest mistake, so that rare ones are seen too. Numbers that would not fit into the fields are
    left out, and so is 0 where there are many classes.

    Parameters
    ----------
    pred : array-like of shape (rows, classes) or (rows,)
        Scores, such as those of `Sequential.predict`, or the ids of the predicted classes.
    target : array-like of shape (rows,), or (rows, classes) if `pred` is
        The ids of the true classes, or one-hot targets.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    classes : sequence of str, optional
        Their names; by default 0, 1, ...
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
    nnlite.metrics.confusion_matrix : The numbers alone.

    Notes
    -----
    ``confusion_matrix.from_estimator(estimator, X, y)`` asks a classifier with scikit-learn's interface.

    Examples
    --------
    >>> ax = confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2], classes=["cat", "dog", "fox"])
    >>> [text.get_text() for text in ax.texts]
    ['1', '0', '0', '0', '1', '0', '0', '1', '1']
    >>> ax.figure.clear()
    """
    counts = metrics.confusion_matrix(pred, target, weight, classes=None if classes is None else len(classes))
    count = len(counts)
    names = [f"{index}" for index in range(count)]
    if classes is not None:
        names = check_names(f"{_WHERE}(classes=)", classes, count, "classes")
    many = count > MANY
    side = min(max(3.2, 1.4 + (0.34 if many else 0.55) * count), 12.0)
    given = ax is not None
    ax = new_axes(_WHERE, ax, figsize=(side + 0.6, side))
    # A class that never comes up stays white.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    right = np.eye(count, dtype=bool)
    largest = max(float(shares[~right].max(initial=0.0)), SEEN)
    images = [
        ax.imshow(np.ma.masked_array(shares, hidden), cmap=colours, vmin=0.0, vmax=top)
        for hidden, top, colours in ((~right, 1.0, sequential()), (right, largest, sequential(NEGATIVE)))
    ]
    texts = [f"{value}" if counts.dtype.kind == "i" else short(float(value)) for value in counts.ravel()]
    if many:
        texts = ["" if value == 0 else text for value, text in zip(counts.ravel(), texts, strict=True)]
    width, height = size_of(ax)
    side = 72 * min(width, height)
    long = max(text_width(name, SMALL + 2) for name in names) + 4 > side / count
    # A dollar sign in a name begins no formula.
    style: dict[str, Any] = {"size": SMALL if long else SMALL + 2, "parse_math": False}
    if long:
        names = [shortened(name, NAMES * side) for name in names]
        if given:  # a figure of our own is made as large as its classes need
            side -= max(text_width(name) for name in names)
    cell = side / count
    size = SMALL if count > 6 else SMALL + 2
    if max(text_width(text, size) for text in texts) + 2 <= cell:
        for (truth, guess), text in zip(np.ndindex(counts.shape), texts, strict=True):
            ax.text(
                guess,
                truth,
                text,
                ha="center",
                va="center",
                size=size,
                color=ink_on(images[truth != guess].to_rgba(shares[truth, guess])),
            )
    shown = np.arange(count)[:: math.ceil(1.5 * SMALL / cell)]  # as many as there is room for
    labels = [names[place] for place in shown]
    ax.set_xticks(shown, labels, rotation=90 if long else 0, **style)
    ax.set_yticks(shown, labels, **style)
    ax.tick_params(length=0)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.set_title(f"{np.trace(counts) / counts.sum():.1%} right")
    return ax
