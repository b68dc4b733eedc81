"""What a layer is elsewhere: all that other formats, and those who explain, need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import Layer

__all__ = [
    "AS_HERE", "Description", "Layout", "OnnxReader", "OnnxWriter", "SourceWriter", "each", "float32_only",
    "formula", "lines", "loop", "measured", "node", "renamed",
]  # fmt: skip

#: Takes a layer, the name of its input and the graph; returns the name of its output.
OnnxWriter: TypeAlias = Callable[[Any, str, Graph], str]
#: Takes what was found in a file; returns a layer, alone or with arrays for its parameters, state or
#: buffers, a list of such, or None if nothing needs to be done.
OnnxReader: TypeAlias = Callable[[Found], "Layer | tuple[Layer, dict[str, AnyArray]] | list[Any] | None"]
#: Takes a layer and the source that is being written; returns the lines that compute the layer.
SourceWriter: TypeAlias = Callable[[Any, Any], "str | list[str]"]


class Layout(NamedTuple):
    """How another library has the numbers of a layer.

    Parameters
    ----------
    there : callable (layer, numbers) -> numbers
        Takes what the layer has, by our names, and returns what they have, by theirs, in their order. It is
        asked for shapes too, so it must not depend on the numbers themselves.
    back : callable (layer, numbers) -> numbers
        Does the reverse.
    """

    there: Callable[[Any, dict[str, AnyArray]], dict[str, AnyArray]]
    back: Callable[[Any, dict[str, AnyArray]], dict[str, AnyArray]]


def renamed(names: Mapping[str, str], axes: Mapping[str, tuple[int, ...]] = MappingProxyType({})) -> Layout:
    """Say that a library has the same arrays under other names, some with their axes in another order.

    Parameters
    ----------
    names : dict of str to str
        Theirs, by ours; the others are called as here.
    axes : dict of str to tuple of int
        By our names, which of our axes stands in each place there: ``(1, 0)`` for the transpose.

    Returns
    -------
    Layout

    Examples
    --------
    >>> layout = renamed({"W": "weight"}, {"W": (1, 0)})
    >>> layout.there(None, {"W": np.ones((4, 3))})["weight"].shape
    (3, 4)
    """
    ours = {theirs: name for name, theirs in names.items()}
    turned = {name: tuple(np.argsort(order)) for name, order in axes.items()}

    def there(_layer: Any, numbers: dict[str, AnyArray]) -> dict[str, AnyArray]:
        return {names.get(name, name): _turned(array, axes.get(name)) for name, array in numbers.items()}

    def back(_layer: Any, numbers: dict[str, AnyArray]) -> dict[str, AnyArray]:
        found = {ours.get(theirs, theirs): array for theirs, array in numbers.items()}
        return {name: _turned(array, turned.get(name)) for name, array in found.items()}

    return Layout(there, back)


def _turned(array: AnyArray, order: tuple[int, ...] | None) -> AnyArray:
    return array if order is None else array.transpose(order)


#: Of a library that has the same arrays.
AS_HERE = renamed({})


class Description(NamedTuple):
    """One layer, as it is in other formats and libraries; `nnlite.exchange.table` has those of all layers.

    Parameters
    ----------
    layer : type
        The class. What is said here is true of it alone, not of its subclasses; but these
        keep the names of its parameters.
    words : str
        What it does: the part of a sentence that stands beside it in exported source.
    samples : tuple of callable () -> Layer
        Make one of each kind that is worth a test: with each argument that changes what is computed
        or written. Those that take any width are made for rows of 4.
    onnx : callable (layer, x, graph) -> str
        Adds its nodes to a graph, and returns the name of its output. Of a layer that is made of others,
        it has these written by ``graph.layer``.
    numpy, c : callable (layer, source) -> list of str
        Write the lines that compute it; for layers inside there is ``source.layer``.
    onnx_nodes : dict of str to callable (found) -> Layer, (Layer, dict) or None
        Operators of one result that are this layer, and what makes it of the node.
    onnx_formulas : tuple of (pattern, callable (found) -> Layer, (Layer, dict) or None)
        Nodes with constants, one or several, that are this layer, and what makes it of what was found in
        them. The first that fits is taken, of all layers in the order of `nnlite.exchange.table`.
    onnx_joins : frozenset of str
        Operators that join what several branches, given to its class as a list, make of one result.
    torch, keras : callable (layer, *inner) -> str or None, optional
        Python source of its twin, ``t`` being ``torch.nn`` and ``k`` ``keras.layers``; `inner` is that of
        the layers that it is made of. None if the library has none that does the same.
    torch_layout, keras_layout : Layout
        How PyTorch and Keras have its parameters and its state; their names in Keras are of no account.
    torch_only : frozenset of str
        What PyTorch keeps for it beyond that: taken without use, and not given.
    slope : float, optional
        Of an activation that works on each number alone: its largest slope.
    flat_on_both_sides : bool
        True if its slope comes down to 0 for large numbers of either sign.
    bounds : callable (layer) -> (float, float), optional
        Say the lowest and the highest answer, whatever it is given; None if there is neither.
    """

    layer: type[Layer]
    words: str
    samples: tuple[Callable[[], Layer], ...]
    onnx: OnnxWriter
    numpy: SourceWriter
    c: SourceWriter
    onnx_nodes: Mapping[str, OnnxReader] = {}
    onnx_formulas: tuple[tuple[Pattern, OnnxReader], ...] = ()
    onnx_joins: frozenset[str] = frozenset()
    torch: Callable[..., str | None] | None = None
    keras: Callable[..., str | None] | None = None
    torch_layout: Layout = AS_HERE
    keras_layout: Layout = AS_HERE
    torch_only: frozenset[str] = frozenset()
    slope: float | None = None
    flat_on_both_sides: bool = False
    bounds: Callable[[Any], tuple[float, float]] | None = None


# Ways to say the simple things.


def node(op: str, **attributes: Any) -> OnnxWriter:
    """Say that one node of ONNX, without arguments of the layer, does what the layer does.

    Parameters
    ----------
    op : str
        Its operator.
    **attributes : object
        Of the node.

    Returns
    -------
    callable (layer, x, graph) -> str
    """
    return lambda _layer, x, graph: graph.node(op, x, **attributes)


def formula(pattern: Pattern, **others: Callable[[Any], Any]) -> OnnxWriter:
    """Say that nodes of ONNX compute the layer: those of a formula, of alternatives the first.

    Parameters
    ----------
    pattern : tuple or list
        As it is read, too. Names in it are numbers and arrays of the layer, a Cast is to its dtype.
    **others : callable (layer) -> number or array
        Names that are not.

    Returns
    -------
    callable (layer, x, graph) -> str
    """

    def write(part: Any, layer: Layer, x: str, graph: Graph) -> str:
        if isinstance(part, list):
            return write(part[0], layer, x, graph)
        if isinstance(part, tuple):
            op, *inner = part
            given = [write(one, layer, x, graph) for one in inner]
            if op == "Cast":
                return graph.cast(given[0], graph.dtype)
            if op == "Erf" and graph.dtype != np.float32:  # which programs have for no other type
                return graph.cast(graph.node(op, graph.cast(given[0], np.float32)), graph.dtype)
            return graph.node(op, *given)
        if part == "x" or not isinstance(part, str):
            return x if part == "x" else graph.constant(part)
        name = part.removesuffix("[]")
        return graph.constant(others[name](layer) if name in others else getattr(layer, name), name=name)

    return lambda layer, x, graph: write(pattern, layer, x, graph)


def float32_only(short: OnnxWriter, otherwise: OnnxWriter) -> OnnxWriter:
    """Say that ONNX has an operator, but programs that run it, such as onnxruntime, for float32 only.

    Parameters
    ----------
    short, otherwise : callable (layer, x, graph) -> str
        What writes it, and what writes the layer for float64.

    Returns
    -------
    callable (layer, x, graph) -> str
    """
    return lambda layer, x, graph: (short if graph.dtype == np.float32 else otherwise)(layer, x, graph)


def lines(*code: str) -> SourceWriter:
    """Say that the same lines of NumPy compute every layer of the class; they make of ``x`` the next ``x``.

    Parameters
    ----------
    *code : str
        The lines.

    Returns
    -------
    callable (layer, source) -> list of str
    """
    return lambda _layer, _source: list(code)


def each(expression: str) -> SourceWriter:
    """Say that an expression of C computes every number alone, which is called ``v`` in it.

    Parameters
    ----------
    expression : str
        ``[0.5]`` is a number and ``<exp>`` a function of ``math.h``, each to be written as the
        dtype has it. Comparisons are to be such that NaN stays NaN.

    Returns
    -------
    callable (layer, source) -> list of str
    """
    return lambda _layer, source: source.each(expression)


def loop(index: str, count: int | str, *body: str, start: int | str = 0) -> list[str]:
    """Write a loop of C.

    Parameters
    ----------
    index : str
        What counts in it.
    count : int or str
        Where it ends.
    *body : str
        Its lines.
    start : int or str
        Where it begins.

    Returns
    -------
    list of str

    Examples
    --------
    >>> loop("i", 3, "y[i] = 0;")
    ['for (long i = 0; i < 3; i++) {', '    y[i] = 0;', '}']
    """
    head = f"for (long {index} = {start}; {index} < {count}; {index}++) {{"
    return [head, *(f"    {line}" if line else "" for line in body), "}"]


def measured(layer: Layer) -> tuple[float, float]:
    """Measure the lowest and the highest answer of an activation that works on each number alone.

    Parameters
    ----------
    layer : Layer
        One with a limit on one side at least.

    Returns
    -------
    low, high : float
        `high` is infinite where large numbers pass.

    Examples
    --------
    >>> from nnlite.layers import ELU
    >>> measured(ELU(0.5))
    (-0.5, inf)
    """
    reach = 40.0  # where exp(-reach) is below the accuracy of float64
    answers = layer.forward(np.linspace(-reach, reach, 4001)[:, None])
    low, high = float(answers.min()), float(answers.max())
    return low, float("inf") if high > reach / 2 else high
