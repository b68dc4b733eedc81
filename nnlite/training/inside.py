"""The layers of a net as one comes by them, those inside of others too, and what passes through each."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.chain import Chain, Shape
from nnlite.core.context import Context, Watcher
from nnlite.core.dense import Dense
from nnlite.core.initializers import InitializerLike, default_initializer
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import is_ours
from nnlite.layers.composition import Branches, Columns, Residual, TimeDistributed
from nnlite.layers.dropout import Dropout
from nnlite.layers.embedding import Embedding
from nnlite.layers.shapes import Input
from nnlite.layers.standardize import Standardize

__all__ = [
    "Passing",
    "Stop",
    "at_the_front",
    "check_chosen_names",
    "columns",
    "first_weights",
    "inside",
    "is_row",
    "joins_branches",
    "pass_through",
    "starts",
    "stops",
    "weighed_reaching",
    "what_reaches",
]


class Stop(NamedTuple):
    """A layer on the way from input to output.

    Parameters
    ----------
    place : str
        Where it is; the names of its parameters begin so.
    layer : Layer
        The layer.
    shape : tuple of int or None
        Shape of one sample behind it; None if it is not known.
    block : str
        The place of the innermost `Residual` that it is inside of; empty if there is none.
    joins : bool
        Whether it is the end of a `Residual`, where what came in is added.

    Examples
    --------
    >>> from nnlite import ReLU
    >>> Stop("1.0", ReLU(), (3,)).words
    'layer 1.0 ReLU()'
    """

    place: str
    layer: Layer
    shape: Shape
    block: str = ""
    joins: bool = False

    @property
    def words(self) -> str:
        """Place and layer, as messages name them."""
        return f"layer {self.place} {self.layer}"

    @property
    def mixes(self) -> bool:
        """Whether it makes new neurons of those before: a Dense does, and one that holds others may."""
        return isinstance(self.layer, Dense) or bool(self.layer.children and not self.joins)

    @property
    def learned(self) -> list[str]:
        """Names, in the model, of what it learns itself: without what layers learn that it has stops for."""
        names = self.layer._learned() if _sees_samples(self.layer) else self.layer.parameter_names
        return [f"{self.place}.{name}" for name in names]

    def added(self, way: list[Stop]) -> Stop | None:
        """Return the layer whose answer this end of a `Residual` adds; None for the input of the net."""
        first = next(number for number, stop in enumerate(way) if stop.place.startswith(f"{self.place}."))
        return way[first - 1] if first else None


def is_row(layer: Layer) -> bool:
    """Tell whether a layer is layers in a row and nothing else, but that a `Residual` adds its input.

    Parameters
    ----------
    layer : Layer
        Any; of one of a user's own that holds layers only its ``forward`` knows how they are joined.

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnlite import Dense, Residual
    >>> is_row(Residual([Dense(2, 2)])), is_row(Dense(2, 2))
    (True, False)
    """
    # `TimeDistributed` goes through them once for each part: what comes in is not what they get.
    apart = isinstance(layer, TimeDistributed)
    return isinstance(layer, Chain) and not apart and is_ours(type(layer).forward)


def _sees_samples(layer: Layer) -> bool:
    """Tell whether layers are in a row, and see samples as those around them do, not parts of one."""
    return is_row(layer) and not isinstance(layer, TimeDistributed)


def joins_branches(layer: Layer) -> bool:
    """Tell whether a layer gives one input to several others and joins what they make of it.

    Examples
    --------
    >>> from nnlite import Concatenate, Dense, Sequential
    >>> joins_branches(Concatenate([Dense(2, 1), Dense(2, 3)])), joins_branches(Sequential([Dense(2, 1)]))
    (True, False)
    """
    return isinstance(layer, Branches) and is_ours(type(layer).forward)


def check_chosen_names(model: Any, names: Sequence[str]) -> None:
    """Refuse other names of columns than those from which layers at the front of a net choose some.

    Parameters
    ----------
    model : Sequential
        The net.
    names : sequence of str
        Those of the table.

    Raises
    ------
    ArgumentError
        If there is such a layer, and they are others or in another order.

    Examples
    --------
    >>> from nnlite import Columns, Dense, Sequential
    >>> check_chosen_names(Sequential([Columns(["age"], of=["age", "height"])]), ["age", "height"])
    """
    for place, layer, columns in at_the_front(model, through=(Input, Standardize, Dropout)):
        of = layer.of if isinstance(layer, Columns) else None
        left = list(names) if columns is None else [names[number] for number in columns]
        if isinstance(of, list) and of != left:
            raise ArgumentError(
                "Sequential.feature_names",
                f"the columns that layer {place} chooses from, {of}",
                f"{left}",
                "Give the columns in that order, or make Columns with of=list(frame).",
            )


def at_the_front(
    layer: Any,
    prefix: str = "",
    columns: list[int] | None = None,
    *,
    through: tuple[type[Layer], ...] = (Input,),
) -> Iterator[tuple[str, Layer, list[int] | None]]:
    """Give each layer inside of a net that gets its input as it is, or some columns of that.

    Parameters
    ----------
    layer : Layer
        Such as a model.
    prefix : str
        What the names of its parameters begin with.
    columns : list of int, optional
        Which columns of the input it gets itself; None for all.
    through : tuple of type
        Layers that give on what they get, column by column, beside `Columns`.

    Yields
    ------
    (str, Layer, list of int or None)
        The place, the layer, and which columns it gets.

    Examples
    --------
    >>> from nnlite import Columns, Concatenate, Dense, Sequential
    >>> model = Sequential([Concatenate([Columns([1], of=2), Sequential([Columns([0], of=2), Dense(1, 3)])])])
    >>> [(place, columns) for place, _, columns in at_the_front(model)]
    [('0', None), ('0.0', None), ('0.1', None), ('0.1.0', None), ('0.1.1', [0])]
    """
    apart = joins_branches(layer)
    for index, child in enumerate(layer.children if apart or is_row(layer) else ()):
        place = f"{prefix}{index}"
        yield place, child, columns
        yield from at_the_front(child, f"{place}.", columns, through=through)
        if apart:
            continue
        if isinstance(child, Columns):
            columns = child.numbers if columns is None else [columns[number] for number in child.numbers]
        elif not isinstance(child, through):
            break


def starts(layer: Any, chosen: Container[int]) -> dict[int, InitializerLike | None]:
    """Find out how layers inside of another start if they do not say so, by what follows each of them.

    Parameters
    ----------
    layer : Layer
        Such as a model.
    chosen : container of int
        The `id` of those that it is asked of.

    Returns
    -------
    dict of int to Initializer or None
        By `id`.

    Examples
    --------
    >>> from nnlite import Concatenate, Dense, ReLU, Sequential, Tanh
    >>> wide, deep = Dense(2, 3), Sequential([ReLU(), Dense(2, 3)])
    >>> model = Sequential([Concatenate([wide, deep]), Tanh(), Dense(6, 1)])
    >>> starts(model, {id(wide), id(model[2])})[id(wide)]  # not by the ReLU of the other branch
    GlorotUniform()
    """
    found: dict[int, InitializerLike | None] = {}

    def follow(one: Any, behind: list[Any]) -> list[Any]:
        """Return the layers from this one on, of several branches the first."""
        if not one.children:
            behind = [one, *behind]
        elif joins_branches(one):
            behind, *_ = [follow(branch, behind) for branch in one.children]
        else:
            for child in reversed(one.children):
                behind = follow(child, behind)
        if id(one) in chosen:
            found[id(one)] = None if one.children else default_initializer(behind, 0)
        return behind

    follow(layer, [])
    return found


def inside(layer: Any, prefix: str = "", shape: Shape = None) -> Iterator[tuple[str, Layer, Shape]]:
    """Give each layer inside of another, those that it is made of behind it, with the shape that it gives.

    Parameters
    ----------
    layer : Layer
        Such as a model.
    prefix : str
        What the names of its parameters begin with.
    shape : tuple of int or None
        Shape of one sample that comes in; None if any will do.

    Yields
    ------
    (str, Layer, tuple of int or None)
        The place, the layer, and the shape of one sample behind it.

    Examples
    --------
    >>> from nnlite import Dense, Residual, Sequential
    >>> model = Sequential([Dense(2, 3), Residual([Dense(3, 3)])])
    >>> [(place, shape) for place, _, shape in inside(model)]
    [('0', (3,)), ('1', (3,)), ('1.0', (3,))]
    """
    apart = joins_branches(layer)
    if isinstance(layer, TimeDistributed) and shape is not None:
        shape = shape[1:]  # of a part, of which each of its layers sees one at a time
    for index, child in enumerate(layer.children):
        known = shape is not None and (is_row(layer) or apart or isinstance(layer, TimeDistributed))
        before = shape if known else child.input_shape  # a child may take any size
        behind = None if before is None else child.shape_after(before)
        yield f"{prefix}{index}", child, behind
        yield from inside(child, f"{prefix}{index}.", before)
        shape = shape if apart else behind


def stops(layer: Any, prefix: str = "", shape: Shape = None, block: str = "") -> list[Stop]:
    """Return the layers that one comes by from input to output.

    Of layers in a row that is each of them; behind those of a `Residual` it is the block too, as the
    place where what came in is added. A layer of a user's own that holds others is one.

    Parameters
    ----------
    layer : Layer
        Layers in a row, such as a model.
    prefix, shape
        As in `inside`.
    block : str
        The innermost `Residual` around it.

    Returns
    -------
    list of Stop

    Examples
    --------
    >>> from nnlite import Dense, Residual, Sequential, Tanh
    >>> model = Sequential([Dense(2, 3), Residual([Dense(3, 3), Tanh()])])
    >>> [(stop.place, stop.joins) for stop in stops(model)]
    [('0', False), ('1.0', False), ('1.1', False), ('1', True)]
    """
    found: list[Stop] = []
    shape = shape or layer.input_shape
    for index, child in enumerate(layer.children):
        place = f"{prefix}{index}"
        before = shape or child.input_shape
        shape = None if before is None else child.shape_after(before)
        joins = isinstance(child, Residual)
        if _sees_samples(child):
            found += stops(child, f"{place}.", before, place if joins else block)
        if joins or not _sees_samples(child):
            found.append(Stop(place, child, shape, block, joins and _sees_samples(child)))
    return found


def columns(way: list[Stop], shape: Shape, shapes: Iterable[Shape]) -> list[list[Stop]]:
    """Sort layers into columns of neurons: what makes new neurons begins one.

    Parameters
    ----------
    way : list of Stop
        What `stops` returns.
    shape : tuple of int, or None
        Shape of one sample of the input.
    shapes : iterable of tuple of int, or None
        That of what each layer gives.

    Returns
    -------
    list of list of Stop
        In the first one are the layers in front of all neurons.

    Examples
    --------
    >>> from nnlite import Flatten, Sequential
    >>> way = stops(Sequential([Flatten((2, 2)), Dense(4, 3), Dense(3, 1)]))
    >>> [[stop.place for stop in column] for column in columns(way, (2, 2), [stop.shape for stop in way])]
    [['0'], ['1'], ['2']]
    """
    found: list[list[Stop]] = [[]]
    for stop, behind in zip(way, shapes, strict=True):
        if stop.mixes or (behind != shape and not isinstance(stop.layer, Input | Embedding)):
            found.append([])
        found[-1].append(stop)
        shape = behind
    return found


def first_weights(model: Any) -> tuple[list[int], Any]:
    """Find the first layer that learns, or that one inside of it.

    Parameters
    ----------
    model : Sequential
        Any.

    Returns
    -------
    place : list of int
        Where it is, as `what_reaches` takes it.
    layer : Layer or None
        None if nothing learns.

    Examples
    --------
    >>> from nnlite import Dense, Sequential, Tanh
    >>> first_weights(Sequential([Tanh(), Sequential([Tanh(), Dense(2, 3)])]))
    ([1, 1], Dense(2, 3))
    """
    place: list[int] = []
    layer: Any = model
    while isinstance(layer, Chain) and (layer is model or is_row(layer)):
        if layer._first_learning == len(layer.children):
            return place, None
        place.append(layer._first_learning)
        layer = layer.children[place[-1]]
    return place, layer


def what_reaches(chain: Any, place: Sequence[int], x: Any) -> Any:
    """Compute what reaches a layer.

    Parameters
    ----------
    chain : Sequential or other layers whose order is known
        Has it.
    place : sequence of int
        Where it is: ``(1,)`` for the second layer, ``(1, 0)`` for the first inside of that.
    x : ndarray
        What reaches the first one.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> from nnlite import ReLU, Sequential, Tanh
    >>> what_reaches(Sequential([ReLU(), Tanh()]), (1,), np.array([[-1.0]]))
    array([[0.]])
    """
    return weighed_reaching(chain, place, x, None)[0]


def weighed_reaching(chain: Any, place: Sequence[int], x: Any, weight: Any) -> tuple[Any, Any]:
    """Compute what reaches a layer, and how much each row of that counts.

    Parameters
    ----------
    chain, place, x
        As of `what_reaches`.
    weight : ndarray or None
        How much each row of `x` counts.

    Returns
    -------
    x : ndarray
    weight : ndarray or None

    Examples
    --------
    >>> from nnlite import Dense, Sequential, TimeDistributed
    >>> model = Sequential([TimeDistributed([Dense(1, 1)], padding=0.0)])
    >>> x, weight = weighed_reaching(model, (0, 0), np.array([[[5.0], [0.0]]]), None)
    >>> x, weight
    (array([[5.],
           [5.]]), array([1., 0.]))
    """
    if isinstance(chain, TimeDistributed):
        x, weight = chain.parts(x, weight)[:2]
    for layer in () if joins_branches(chain) else chain.children[: place[0]]:
        x = layer.forward(x)
    return weighed_reaching(chain.children[place[0]], place[1:], x, weight) if place[1:] else (x, weight)


class Passing(Watcher):
    """Keeps what passes through each layer of a net, by its place.

    Attributes
    ----------
    inputs, outputs : dict of str to ndarray
        What came in and what was answered.
    blames : dict of str to ndarray
        dL/d(output), as far back as blame is traced.
    contexts : dict of str to Context
        What each layer keeps.

    Examples
    --------
    >>> from nnlite import ReLU, Sequential
    >>> model, passing = Sequential([ReLU()]), Passing()
    >>> y = model.forward([[-1.0, 2.0]], model.context(watch=passing))
    >>> passing.outputs["0"]
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self) -> None:
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self.blames: dict[str, Array] = {}
        self.contexts: dict[str, Context] = {}

    def forward(self, place: str, layer: Any, x: Array, ctx: Context) -> Array:
        """Let a layer answer."""
        y = super().forward(place, layer, x, ctx)
        self.inputs[place], self.contexts[place] = x, ctx
        self.outputs[place] = np.array(y)  # a copy: a layer behind it may not keep to the rules
        return y

    def backward(self, place: str, layer: Any, dy: Array, ctx: Context) -> Array | None:
        """Let a layer trace the blame back."""
        self.blames[place] = np.array(dy)
        return super().backward(place, layer, dy, ctx)


def pass_through(model: Any, x: Any) -> Passing:
    """Let rows go through a net as in prediction, and return what has passed.

    Parameters
    ----------
    model : Sequential
        One net.
    x : ndarray of shape (rows, features)
        The rows, checked.

    Returns
    -------
    Passing

    Examples
    --------
    >>> from nnlite import ReLU, Sequential
    >>> pass_through(Sequential([ReLU()]), np.array([[-1.0, 2.0]])).outputs["0"]
    array([[0., 2.]])
    """
    passing = Passing()
    model._forward(x, model.context(training=False, watch=passing))
    return passing
