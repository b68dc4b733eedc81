"""Checks of what a picture is given: one net, a layer of it, a neuron, a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.dense import Dense
from nnlite.data.checks import check_rows
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.checks import check_integer
from nnlite.layers.embedding import Embedding
from nnlite.model import Sequential
from nnlite.training.inside import Stop, inside, stops

__all__ = [
    "check_dense",
    "check_layer",
    "check_names",
    "check_place",
    "check_row",
    "dense_names",
    "input_names",
]


def check_place(where: str, index: Any, count: int, what: str) -> int:
    """Return an index as one from 0; a negative one counts from the end.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    index : int
        The candidate.
    count : int
        How many there are.
    what : str
        Of what, such as ``"layers"``.

    Returns
    -------
    int

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no integer, or there are not so many.

    Examples
    --------
    >>> check_place("plot.weights(layer=)", -1, 3, "layers")
    2
    """
    place = check_integer(where, index, low=-count)
    if place >= count:
        raise ArgumentError(where, f"one of the {count} {what}", f"{place}", "They count from 0.")
    return place % count


def check_layer(where: str, model: Sequential, layer: Any) -> tuple[list[Stop], int]:
    """Return the layers that one comes by from input to output, and which of them is meant.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    model : Sequential
        Whose.
    layer : int or str
        The index in ``model.layers``, of a block its end; or a place inside, such as ``"1.0"``.

    Returns
    -------
    (list of Stop, int)

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If there is no such layer.

    Examples
    --------
    >>> from nnlite import Residual
    >>> model = Sequential([Dense(2, 2), Residual([Dense(2, 2)])], rng=0)
    >>> [check_layer("plot.neurons(layer=)", model, layer)[1] for layer in (0, "1.0", 1)]
    [0, 1, 2]
    """
    way = stops(model)
    places = [stop.place for stop in way]
    if isinstance(layer, str):
        if layer not in places:
            fix = "Those are the layers, from input to output."
            raise ArgumentError(where, f"one of {', '.join(places)}", f"{layer!r}", fix)
        return way, places.index(layer)
    index = f"{check_place(where, layer, len(model.layers), 'layers')}"
    return way, max(number for number, place in enumerate(places) if place.split(".")[0] == index)


def check_dense(where: str, model: Sequential, layer: Any) -> tuple[str, Dense]:
    """Return the place of a Dense layer, and the layer.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    model : Sequential
        Whose.
    layer : int, str or None
        The index in ``model.layers``, or a place inside of one of these, such as ``"1.0"``; None means the
        first Dense.

    Returns
    -------
    (str, Dense)

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If there is no such layer, or it is no Dense.

    Examples
    --------
    >>> check_dense("plot.neuron(layer=)", Sequential([Dense(2, 1)], rng=0), 0)
    ('0', Dense(2, 1))
    """
    every = {place: one for place, one, _ in inside(model)}
    found = [place for place, one in every.items() if isinstance(one, Dense)]
    if not found:
        raise ArgumentError(where, "a model with a Dense layer", f"{model}", "Give it one.")
    place = found[0] if layer is None else layer
    if not isinstance(place, str):
        place = f"{check_place(where, layer, len(model.layers), 'layers')}"
    chosen = every.get(place)
    if not isinstance(chosen, Dense):
        fix = f"Those are at {', '.join(found)}."
        got = f"{layer!r}" if chosen is None else f"{place}, {chosen}"
        raise ArgumentError(where, "the index of a Dense layer", got, fix)
    return place, chosen


def check_row(where: str, model: Sequential, x: Any) -> Array:
    """Return one row of input, as a batch of one.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    model : Sequential
        Whose input it is.
    x : array-like of shape (features,) or (1, features)
        The candidate.

    Returns
    -------
    ndarray of shape (1, features)

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If it is not one row, or does not fit the model.

    Examples
    --------
    >>> check_row("plot.network(x)", Sequential([Dense(2, 1)], rng=0), [1, 2])
    array([[1., 2.]], dtype=float32)
    """
    if isinstance(x, list | tuple | np.ndarray):
        x = check_rows(where, x)
        if x.ndim == len(model.input_shape or (1,)):
            x = x[None]
    row = model.boundary.check_input(x, where=where, finite=True)
    if row.shape[0] != 1:
        raise ShapeError(where, "one row", f"{row.shape[0]}", "Give one of them, such as x[0].")
    return row.toarray() if is_sparse(row) else row  # type: ignore[attr-defined]


def check_names(where: str, names: Any, count: int, what: str) -> list[str]:
    """Return names as a list, if there is one for each of the things.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    names : sequence
        The candidates.
    count : int
        How many things there are.
    what : str
        What they are, such as ``"inputs"``.

    Returns
    -------
    list of str

    Raises
    ------
    ArgumentTypeError, ShapeError
        If they are no sequence, or too few or too many.

    Examples
    --------
    >>> check_names("plot.network(feature_names=)", ("a", "b"), 2, "inputs")
    ['a', 'b']
    """
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise ArgumentTypeError(where, "a list of names", f"{names!r}", 'Write ["a", "b"].')
    found = [str(name) for name in names]
    if len(found) != count:
        fix = f"There are {count} {what}."
        raise ShapeError(where, f"{count} names", f"{len(found)}", fix)
    return found


def dense_names(model: Sequential, inputs: int) -> tuple[str, ...] | None:
    """Return the names of what the first Dense gets, behind an `Embedding` those of its numbers too.

    Parameters
    ----------
    model : Sequential
        Whose.
    inputs : int
        How many it gets.

    Returns
    -------
    tuple of str, or None
        None if they are not known.

    Examples
    --------
    >>> from nnlite import TableEncoder
    >>> encoder = TableEncoder(embedding=2).fit({"city": ["Bern", "Genf"], "age": [30, 40]})
    >>> model = Sequential([encoder.layer(), Dense(3, 1)], preprocessing=encoder, rng=0)
    >>> dense_names(model, 3)
    ('age', 'city 1', 'city 2')
    """
    names, first = input_names(model), model.layers[0]
    if names is not None and isinstance(first, Embedding) and first.input_shape == (len(names),):
        count = first.features
        learned = [f"{name} {place + 1}" for name in names[first.numeric :] for place in range(count)]
        names = (*names[: first.numeric], *(names[first.numeric :] if count == 1 else learned))
    return names if names is not None and len(names) == inputs else None


def input_names(model: Sequential) -> tuple[str, ...] | None:
    """Return the names of the columns that the first layer gets, if the model knows them.

    Parameters
    ----------
    model : Sequential
        Whose.

    Returns
    -------
    tuple of str, or None

    Examples
    --------
    >>> model = Sequential([Dense(2, 1)], rng=0)
    >>> model.feature_names = ["length", "width"]
    >>> input_names(model)
    ('length', 'width')
    """
    if model.preprocessing is not None:
        names: tuple[str, ...] = model.preprocessing.feature_names
        return names
    return model.feature_names
