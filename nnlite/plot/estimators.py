"""`from_estimator` of pictures: what an estimator with scikit-learn's interface answers, as they take it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, cast

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.model import Sequential

__all__ = ["Picture", "from_estimator", "numbers", "predicted_classes", "probabilities", "scores"]

P = ParamSpec("P")


class Picture(Protocol[P]):
    """A function that draws, and one that asks an estimator first."""

    from_estimator: Callable[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Draw."""


def from_estimator(read: Callable[..., dict[str, Any]]) -> Callable[[Callable[P, Any]], Picture[P]]:
    """Give a picture a function ``from_estimator(estimator, X, y, ...)``.

    It takes what the picture takes beside, such as `ax` and `weight`; all else goes to `read`.

    Parameters
    ----------
    read : function (where, estimator, X, y, ...) -> dict
        What the picture is to draw, by the names of its arguments.

    Returns
    -------
    function
        A decorator.

    Examples
    --------
    >>> @from_estimator(lambda where, estimator, X, y, times=1: {"value": estimator(X) * times})
    ... def drawn(value, *, ax=None):
    ...     return value, ax
    >>> drawn(3), drawn.from_estimator(abs, -3, None, times=2, ax="there")
    ((3, None), (6, 'there'))
    """

    def attach(draw: Callable[P, Any]) -> Picture[P]:
        name = draw.__name__
        own = inspect.signature(draw).parameters

        def ask(estimator: Any, X: Any, y: Any = None, **options: Any) -> Any:
            """Draw the picture of a fitted estimator.

            Parameters
            ----------
            estimator : object
                With scikit-learn's interface.
            X, y : array-like
                Rows that it is asked about, and what is true of them.
            **options : object
                What the picture takes besides, such as `ax`, and what is measured for it takes.

            Returns
            -------
            matplotlib.axes.Axes
            """
            given = {option: options.pop(option) for option in list(options) if option in own}
            where, more = f"plot.{name}.from_estimator", inspect.signature(read).parameters
            if options and options.keys() - more.keys() and "options" not in more:
                known = [*(key for key, one in own.items() if one.default is not one.empty), *list(more)[4:]]
                what, fix = f"one of {', '.join(known)}", "Write it as it is called there, or leave it out."
                raise ArgumentTypeError(f"{where}(...)", what, ", ".join(options), fix)
            return draw(**(read(where, estimator, X, y, **options) | given))  # type: ignore[call-arg]

        ask.__name__, ask.__qualname__ = "from_estimator", f"{name}.from_estimator"
        picture = cast(Picture[P], draw)
        picture.from_estimator = ask
        return picture

    return attach


def _check(where: str, estimator: Any, *methods: str) -> Callable[[Any], Any]:
    """Return the first of some methods that an estimator has."""
    if isinstance(estimator, Sequential):
        fix = f"Write {where.removesuffix('.from_estimator')}(...) of what the model predicts."
        raise ArgumentTypeError(f"{where}(estimator)", "an estimator", "a Sequential", fix)
    if not isinstance(estimator, type):
        for method in methods:
            if callable(found := getattr(estimator, method, None)):
                return cast(Callable[[Any], Any], found)
    got = f"the class {estimator.__name__}" if isinstance(estimator, type) else type(estimator).__name__
    fix = "Give one that is fitted, such as nnlite.sklearn.MLPClassifier().fit(X, y)."
    what = f"an estimator with {' or '.join(methods)}"
    raise ArgumentTypeError(f"{where}(estimator)", what, got, fix)


def _ids(where: str, estimator: Any, *arrays: Any) -> tuple[list[AnyArray], list[str]]:
    """Return labels as the numbers of classes, and the names of these."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or isinstance(classes, list):
        fix = "Give a classifier of one target."
        got = f"{type(estimator).__name__} without classes_" if classes is None else "several targets"
        raise ArgumentTypeError(f"{where}(estimator)", "a classifier", got, fix)
    known = {label: place for place, label in enumerate(np.asarray(classes).tolist())}
    found = []
    for labels in arrays:
        listed = np.asarray(labels).reshape(-1).tolist()
        if strange := [label for label in listed if label not in known]:
            what = f"labels that the estimator knows, {', '.join(map(str, known))}"
            raise ArgumentError(f"{where}(y)", what, f"{strange[0]!r}", "Leave the others out.")
        found.append(np.array([known[label] for label in listed], dtype=np.int64))
    return found, [f"{label}" for label in known]


def predicted_classes(where: str, estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    """Return the classes that an estimator names, and the true ones.

    Parameters
    ----------
    where : str
        Names the function in messages.
    estimator : object
        A fitted classifier.
    X, y : array-like
        Rows and their labels.

    Returns
    -------
    dict

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no such estimator, or does not know a label.
    """
    predict = _check(where, estimator, "predict")
    (pred, target), names = _ids(where, estimator, predict(X), y)
    return {"pred": pred, "target": target, "classes": names}


def scores(where: str, estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    """Return the probabilities of an estimator, or what else it orders rows by; see `predicted_classes`."""
    answer = np.asarray(_check(where, estimator, "predict_proba", "decision_function")(X))
    (target,), names = _ids(where, estimator, y)
    # What a decision function gives of several classes need be no logits: each orders the rows as it is.
    return {"pred": answer, "target": target, "classes": names, "logits": False}


def probabilities(where: str, estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    """Return the probabilities of an estimator; see `predicted_classes`."""
    _check(where, estimator, "predict_proba")
    return scores(where, estimator, X, y)


def numbers(where: str, estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    """Return the numbers that an estimator predicts; see `predicted_classes`."""
    return {"pred": _check(where, estimator, "predict")(X), "target": np.asarray(y)}
