"""In which order a function takes predictions, targets and weights: the names of its parameters say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from nnlite.errors import ArgumentTypeError

__all__ = ["Order", "find_order"]

#: What the words in a name stand for, the surest first: ``labels_pred`` are predictions, ``expected_output``
#: is a target, and a ``score`` or an ``output`` alone is a prediction.
_WORDS = (
    ("pred", r"y?pred\w*|y?hat|guess(es)?|estimated?|forecast\w*|simulated|sim"),
    ("target", r"y?true|truth|targets?|actuals?|expected|observed|obs|gold|reference|ref|gt"),
    ("pred", r"scores?|prob\w*|logits?|outputs?|out|inputs?|p"),
    ("target", r"labels?|y|t"),
)
_WEIGHT = r"(sample_?|row_?)?weights?|sw|w"


class Order(NamedTuple):
    """How a function is to be called.

    Parameters
    ----------
    slots : tuple of str
        ``"pred"`` and ``"target"`` in the order in which the function takes them.
    names : tuple of (str or None)
        By which each of the two is handed over; None for a place in the row.
    weight : str or None
        The parameter that takes the weights, ``""`` for the third place; None if there is none.
    needs_weight : bool
        Whether it has no default.

    Examples
    --------
    >>> find_order(lambda y_true, y_pred, sample_weight=None: 0.0)
    Order(slots=('target', 'pred'), names=(None, None), weight='sample_weight', needs_weight=False)
    """

    slots: tuple[str, str] = ("pred", "target")
    names: tuple[str | None, str | None] = (None, None)
    weight: str | None = ""
    needs_weight: bool = False

    def call(self, metric: Callable[..., Any], pred: Any, target: Any, weight: Any) -> Any:
        """Call the function so.

        Parameters
        ----------
        metric : function
            The one whose order this is.
        pred, target : ndarray
            What is compared.
        weight : ndarray or None
            Left out if None, unless the function needs one.

        Returns
        -------
        object
            What the function returns.
        """
        given = {"pred": pred, "target": target}
        pairs = list(zip(self.slots, self.names, strict=True))
        places = [given[slot] for slot, name in pairs if name is None]
        named = {name: given[slot] for slot, name in pairs if name is not None}
        if weight is not None or self.needs_weight:
            if self.weight:
                named[self.weight] = weight
            else:
                places.append(weight)
        return metric(*places, **named)


def find_order(metric: Callable[..., Any], *, name: str = "metric") -> Order:
    """Find out how a function is to be called, by the names of its parameters.

    Parameters
    ----------
    metric : callable
        Of predictions and targets. Where its names say nothing, they come in this order.
    name : str
        Names it in the message.

    Returns
    -------
    Order

    Raises
    ------
    ArgumentTypeError
        If it is no function of the two.

    Examples
    --------
    >>> find_order(lambda pred, target: 0.0).slots, find_order(lambda actual, guess: 0.0).slots
    (('pred', 'target'), ('target', 'pred'))
    """
    import inspect  # slow to import, and asked for with metrics only

    where = f"metric {name!r}"
    what = "a function (pred, target), (pred, target, weight) or (y_true, y_pred, sample_weight)"
    inner = getattr(metric, "_score_func", None)
    if inner is not None:  # what make_scorer of scikit-learn makes predicts by itself
        own = getattr(inner, "__name__", "the function")
        fix = f"Give {own} itself, the function inside."
        raise ArgumentTypeError(where, what, "a scorer, which takes an estimator", fix)
    if isinstance(metric, type):
        fix = f"Give a function, or an object that is called with predictions: {metric.__name__}()."
        raise ArgumentTypeError(where, what, f"the class {metric.__name__}", fix)
    if hasattr(metric, "update_state"):
        fix = "Give a function that begins anew at each call."
        raise ArgumentTypeError(where, what, "an object that adds up what it is given from call to call", fix)
    try:
        parameters = list(inspect.signature(metric).parameters.values())
    except (TypeError, ValueError):  # a built-in function that does not tell
        return Order()

    rows = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    named = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    needed = [one for one in named if one.default is one.empty and not _is(_WEIGHT, one.name)]
    open_end = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    slots = (rows[:2] + needed)[:2]
    if len(slots) < 2 and not open_end:
        got = f"one that takes {len(slots) or 'none'} of the two"
        raise ArgumentTypeError(where, what, got, "Write it as a function of two arrays.")
    rest = [one for one in rows + named if one not in slots]
    weights = [one for one in rest if _is(_WEIGHT, one.name)]
    # A third one without a default can be nothing else; one with a default may be any option.
    weights = weights or [one for one in rows[2:3] if one.default is one.empty]
    others = [one.name for one in rest if one.default is one.empty and one not in weights]
    if others:
        own = getattr(metric, "__name__", "function")
        fix = f"Write {{{name!r}: functools.partial({own}, {others[0]}=...)}}."
        raise ArgumentTypeError(where, what, f"one that also needs {', '.join(others)}", fix)
    first, second, *_ = (*(_kind(one.name) for one in slots), None, None)
    backwards = (first == "target" != second) or (second == "pred" != first)
    names = [one.name if one in named else None for one in slots]
    weight, needs_weight = "" if open_end else None, False
    if weights:
        weight = "" if weights[0].kind is weights[0].POSITIONAL_ONLY else weights[0].name
        needs_weight = weights[0].default is weights[0].empty
    return Order(
        ("target", "pred") if backwards else ("pred", "target"),
        (names[0] if names else None, names[1] if len(names) > 1 else None),
        weight,
        needs_weight,
    )


def _is(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern, name.lower()) is not None


def _kind(name: str) -> str | None:
    """Tell what a parameter takes, by the words in its name."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    for kind, pattern in _WORDS:
        if any(re.fullmatch(pattern, word) for word in words):
            return kind
    return None
