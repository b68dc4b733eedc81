"""What `fit` was called with, as plain data that a history keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nnlite.core.config import Configured, arguments_of
from nnlite.data.order import Order
from nnlite.data.splits import HeldOut
from nnlite.training.identity import arguments
from nnlite.training.likeness import text_of
from nnlite.training.loop import Loop
from nnlite.training.sources import Arrays

__all__ = ["call_text", "settings_of", "value_text"]


def settings_of(loop: Loop, rows: int | None, held_out: Any, **given: Any) -> dict[str, Any]:
    """Write down what a training was asked for.

    Parameters
    ----------
    loop : Loop
        What trains.
    rows : int or None
        How many X has; None of batches.
    held_out : Source, HeldOut or None
        The validation data.
    **given : object
        More arguments of `fit`, by their names.

    Returns
    -------
    dict
        What JSON can hold, by the names of the arguments; see `History`.
    """
    state, data = loop.state, loop.data
    if isinstance(data, Arrays) and isinstance(data.rng, Order) and data.rng.sorted:
        given["shuffle"] = False  # as which a function comes out that orders nothing
    classes = given.pop("class_weight")
    return {
        "epochs": state.epochs,
        "rows": rows,
        "batch_size": data.batch_size if isinstance(data, Arrays) else None,
        "validation": held_out.fraction if isinstance(held_out, HeldOut) else getattr(held_out, "rows", None),
        "loss": text_of(state.loss),
        "optimizer": _call(state.optimizer, arguments(state.optimizer)),
        "metrics": list(state.metrics),
        "callbacks": [call_text(one) for one in loop.callbacks],
        "class_weight": {int(key): float(value) for key, value in classes.items()}
        if isinstance(classes, Mapping)
        else classes,
        **{name: _plain(value) for name, value in given.items()},
    }


def call_text(value: Any) -> str:
    """Write how an object was made, as far as it has stored its arguments under their own names.

    Parameters
    ----------
    value : object
        Such as a callback.

    Returns
    -------
    str
        Arrays are named by their shapes.

    Examples
    --------
    >>> from nnlite import EarlyStopping
    >>> call_text(EarlyStopping(patience=3))
    "EarlyStopping(monitor='validation_loss', patience=3, min_delta=0.0, higher_is_better=None)"
    """
    stored, kind = getattr(value, "__dict__", {}), type(value)
    names = arguments_of(kind)  # type: ignore[arg-type]
    return _call(value, ((name, stored[name]) for name in names if name in stored))


def _call(value: Any, pairs: Iterable[tuple[str, Any]]) -> str:
    return f"{type(value).__name__}({', '.join(f'{name}={value_text(one)}' for name, one in pairs)})"


def value_text(value: Any) -> str:
    """Write the value of an argument.

    Parameters
    ----------
    value : object
        Arrays and objects that do not say how they were made are named by their classes.

    Returns
    -------
    str

    Examples
    --------
    >>> value_text(0.5), value_text(len), value_text(np.zeros((2, 3)))
    ('0.5', 'len', '<ndarray of shape (2, 3)>')
    """
    if value is None or isinstance(value, bool | int | float | str | Configured):
        return text_of(value)
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__name__))
    shape = getattr(value, "shape", None)
    return f"<{type(value).__name__}{'' if shape is None else f' of shape {tuple(shape)}'}>"


def _plain(value: Any) -> Any:
    """Return a number or a truth as it is, of anything else a text."""
    if isinstance(value, np.bool_ | np.number):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else value_text(value)
