"""Nodes that change nothing in prediction: they are left out before anything is recognized in a graph.

Exporters put them anywhere, also between the product and the sum of a Dense layer. So no formula has to know
of them. What a node gives is followed together with its shape and its type, as far as they are known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np

from nnlite.exchange.onnx.patterns import Value
from nnlite.exchange.onnx.windows import shape_behind

__all__ = ["LENGTH_1", "RECURRENT", "ROWS", "TensorShape", "left_out", "shape_of", "taken_of", "type_of"]

#: Shape of all rows; None if it is not known.
TensorShape: TypeAlias = tuple[int, ...] | None

#: Stands for the number of rows where that is open. It is a prime beyond any size, so that it can be
#: multiplied and divided by like a number, and only all rows are as many.
ROWS = 2**61 - 1

#: Operators that give all states of a recurrent net, and those behind the last step as a second result.
RECURRENT = ("GRU", "LSTM", "RNN")
#: The operator of rows that are divided by their length, for which ONNX itself has several nodes.
LENGTH_1 = "rows of length 1"

#: They change the shape and leave the numbers in their order.
_RESHAPING = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
#: They give a number for each window that slides over what comes in.
_SLIDING = ("AveragePool", "Conv", "MaxPool")
_COMPARING = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "IsNaN")
#: What they give is of the shape of their first input.
_KEEPING = {
    "Abs", "BatchNormalization", "Cast", "Celu", "Clip", "CumSum", "Dropout", "Elu", "Erf", "Exp", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "Mish",
    "Neg", "PRelu", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Softmax", "Softplus", "Softsign",
    "Sqrt", "Tanh", "ThresholdedRelu", LENGTH_1, *_COMPARING,
}  # fmt: skip
#: The number that changes nothing, and whether it may also stand on the left.
_NEUTRAL: dict[str, tuple[float, bool]] = {
    "Add": (0.0, True),
    "Div": (1.0, False),
    "Mul": (1.0, True),
    "Pow": (1.0, False),
    "Sub": (0.0, False),
}


def left_out(
    op: str, arguments: tuple[Any, ...], attributes: dict[str, Any], shape: TensorShape
) -> Value | None:
    """Return the value that a node gives on unchanged.

    Parameters
    ----------
    op : str
        The operator.
    arguments : tuple of Value, ndarray or None
        What goes in.
    attributes : dict
        Of the node; ``to`` of Cast as a dtype, or None if it is none of NumPy's.
    shape : tuple of int or None
        Of what it gives, if that is known.

    Returns
    -------
    Value or None
        None if the node does something, or may do so.

    Examples
    --------
    >>> x = Value("input", (), {}, "input 'x'", shape=(ROWS, 4), dtype=np.dtype("f4"))
    >>> left_out("Mul", (np.float32(1)[None], x), {}, (ROWS, 4)) is x
    True
    >>> left_out("Reshape", (x, np.array([2, -1])), {}, (2, 2 * ROWS)) is None
    True
    """
    if op in _NEUTRAL:
        return _unless_neutral(op, arguments)
    first = arguments[0] if arguments else None
    if not isinstance(first, Value):
        return None
    if op in ("Dropout", "Identity") or (op == "Cast" and attributes.get("to") == first.dtype):
        return first
    if op in _RESHAPING:
        return _same_shape(first, shape)
    if op == "Transpose":
        return _turned_back(first, attributes.get("perm"))
    return None


def _unless_neutral(op: str, arguments: tuple[Any, ...]) -> Value | None:
    number, on_both_sides = _NEUTRAL[op]
    if len(arguments) != 2:
        return None
    left, right = arguments
    if on_both_sides and isinstance(right, Value):
        left, right = right, left
    # One number only: zeros for each feature are a bias, which can be trained.
    if isinstance(left, Value) and isinstance(right, np.ndarray) and right.size == 1:
        fits = right.ndim <= (2 if left.shape is None else len(left.shape))
        if fits and right.reshape(())[()] == number:
            return left
    return None


def _same_shape(value: Value, shape: TensorShape) -> Value | None:
    """Find what had that shape already, and has only been given others since."""
    while shape is not None:
        if value.shape == shape:
            return value
        if value.op not in _RESHAPING or not isinstance(value.arguments[0], Value):
            break
        value = value.arguments[0]
    return None


def _turned_back(value: Value, order: Any) -> Value | None:
    """Follow Transpose nodes back to where all axes were in the same places."""
    while order is not None:
        if list(order) == list(range(len(order))):
            return value
        earlier = value.attributes.get("perm")
        if value.op != "Transpose" or earlier is None or len(earlier) != len(order):
            break
        if not isinstance(value.arguments[0], Value):
            break
        order = [earlier[axis] for axis in order]
        value = value.arguments[0]
    return None


def type_of(op: str, arguments: tuple[Any, ...], attributes: dict[str, Any]) -> np.dtype[Any] | None:
    """Return the type of what a node gives, None if it is not known.

    Parameters
    ----------
    op, arguments, attributes
        As of `left_out`.

    Returns
    -------
    dtype or None
    """
    if op == "Cast":
        to = attributes.get("to")
        return to if isinstance(to, np.dtype) else None
    if op in _COMPARING:
        return np.dtype(bool)
    chosen = arguments[1:] if op == "Where" else arguments
    return next((one.dtype for one in chosen if isinstance(one, Value)), None)


def shape_of(
    op: str, arguments: tuple[Any, ...], attributes: dict[str, Any], rows: int | None
) -> TensorShape:
    """Return the shape of what a node gives, None if it is not known.

    Parameters
    ----------
    op, arguments, attributes
        As of `left_out`.
    rows : int or None
        How many rows the file says there are.

    Returns
    -------
    tuple of int or None

    Examples
    --------
    >>> x = Value("input", (), {}, "input 'x'", shape=(ROWS, 2, 3))
    >>> shape_of("Flatten", (x,), {}, None) == (ROWS, 6)
    True
    >>> shape_of("MatMul", (x, np.ones((3, 5))), {}, None) == (ROWS, 2, 5)
    True
    """
    first = arguments[0] if arguments else None
    shape = first.shape if isinstance(first, Value) else None
    given = arguments[1] if len(arguments) > 1 else None
    if op == "Gemm":
        if not isinstance(given, np.ndarray) or given.ndim != 2 or attributes.get("transA", 0):
            return None
        # It takes matrices only, so that there is one row for each row that goes in.
        return (ROWS if shape is None else shape[0], given.shape[0 if attributes.get("transB", 0) else 1])
    if op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sum", "Where"):
        return _broadcast(arguments)
    if op == "Gather" and isinstance(first, np.ndarray) and isinstance(given, Value):
        of_rows = given.shape is not None and first.ndim == 2 and not attributes.get("axis", 0)
        return (*given.shape, first.shape[1]) if of_rows else None  # type: ignore[misc]
    if op == "Concat":
        return _side_by_side(arguments, attributes.get("axis"))
    if shape is None:
        return None
    if op == "MatMul" and isinstance(given, Value):
        if given.shape is None or len(shape) < 3 or shape[:-2] != given.shape[:-2]:
            return None
        return (*shape[:-1], given.shape[-1])
    if op in ("Gather", "Slice", "Split"):
        taken = taken_of(op, arguments, attributes, shape)
        return None if taken is None else (*shape[:-1], len(taken))
    if op == "MatMul":
        if not isinstance(given, np.ndarray) or given.ndim != 2 or given.shape[0] != shape[-1]:
            return None
        return (*shape[:-1], given.shape[1])
    if op == "Transpose":
        order = attributes.get("perm", range(len(shape))[::-1])
        return tuple(shape[axis] for axis in order) if sorted(order) == list(range(len(shape))) else None
    if (kind := op.partition(":")[0]) in RECURRENT:
        return _states(kind, op, shape, attributes)
    if op in _SLIDING:
        weights = given if isinstance(given, np.ndarray) else None
        sizes = attributes.get("kernel_shape", ()) if weights is None else weights.shape[2:]
        try:
            behind = shape_behind(attributes, sizes, shape[2:])
        except ValueError:  # which its layer says
            return None
        return (shape[0], shape[1] if weights is None else weights.shape[0], *behind)
    if op in ("GlobalAveragePool", "GlobalMaxPool"):
        return (*shape[:2], *(1,) * (len(shape) - 2))
    if op in _RESHAPING:
        return _reshaped(op, shape, given if given is not None else attributes.get("axes"), attributes, rows)
    if op == "ReduceMean":
        return _reduced(shape, given if given is not None else attributes.get("axes"), attributes)
    return shape if op in _KEEPING else None


def _reduced(shape: tuple[int, ...], axes: Any, attributes: dict[str, Any]) -> TensorShape:
    if axes is None or isinstance(axes, Value) or not attributes.get("keepdims", 1):
        return None
    chosen = {int(axis) % len(shape) for axis in np.asarray(axes).reshape(-1)}
    return tuple(1 if axis in chosen else size for axis, size in enumerate(shape))


def _states(kind: str, op: str, shape: tuple[int, ...], attributes: dict[str, Any]) -> TensorShape:
    """Return the shape of all states of a recurrent net, or of the last ones."""
    units, ways = attributes.get("hidden_size"), 1 + (attributes.get("direction") == b"bidirectional")
    if len(shape) != 3 or not isinstance(units, int) or attributes.get("layout", 0):
        return None
    time, rows, _ = shape
    return (time, ways, rows, units) if op == kind else (ways, rows, units)


def taken_of(
    op: str, arguments: tuple[Any, ...], attributes: dict[str, Any], shape: tuple[int, ...]
) -> Sequence[int] | None:
    """Return which places of the last axis a node takes.

    Parameters
    ----------
    op : {"Gather", "Slice", "Split"}
        The operator; of Split one output, with its ``start`` and ``stop`` among the attributes.
    arguments, attributes
        As of `left_out`.
    shape : tuple of int
        Of what goes in.

    Returns
    -------
    sequence of int or None
        None if it takes something of another axis, or what cannot be known or is not there.

    Examples
    --------
    >>> x = Value("input", (), {}, "input 'x'", shape=(ROWS, 4))
    >>> taken_of("Gather", (x, np.array([2, -4])), {"axis": -1}, (ROWS, 4))
    [2, 0]
    """
    given = [np.asarray(one).reshape(-1).tolist() for one in arguments[1:] if isinstance(one, np.ndarray)]
    if len(given) < len(arguments) - 1:
        return None
    size, last = shape[-1], (-1, len(shape) - 1)
    try:
        if op == "Gather":
            if attributes.get("axis", 0) not in last or arguments[1].ndim != 1:
                return None
            return [range(size)[place] for place in given[0]]
        if op == "Split":
            return range(attributes["start"], attributes["stop"])
        starts, ends, axes, steps = [*given, *[[], []][: 4 - len(given)]][:4]
        if "starts" in attributes:  # before opset 10
            starts, ends, axes = (list(attributes.get(name, ())) for name in ("starts", "ends", "axes"))
        if len(starts) != 1 or len(ends) != 1 or len(axes) != 1 or axes[0] not in last:
            return None
        return range(size)[starts[0] : ends[0] : (steps or [1])[0]]
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _side_by_side(arguments: tuple[Any, ...], axis: Any) -> TensorShape:
    shapes = [getattr(one, "shape", None) for one in arguments]
    if any(shape is None for shape in shapes) or len({len(shape) for shape in shapes if shape}) != 1:
        return None
    rank = len(shapes[0])  # type: ignore[arg-type]
    if not isinstance(axis, int) or not -rank <= axis < rank:
        return None
    axis %= rank
    sizes: list[list[int]] = [list(one) for one in zip(*shapes, strict=True)]
    if any(len(set(found)) > 1 for place, found in enumerate(sizes) if place != axis):
        return None
    return tuple(sum(found) if place == axis else found[0] for place, found in enumerate(sizes))


def _broadcast(arguments: tuple[Any, ...]) -> TensorShape:
    if any(one is None or one.shape is None for one in arguments):
        return None
    found = []
    for sizes in zip_longest(*(one.shape[::-1] for one in arguments), fillvalue=1):
        wide = set(sizes) - {1}
        if len(wide) > 1:
            return None
        found.append(wide.pop() if wide else 1)
    return tuple(found[::-1])


def _reshaped(
    op: str, shape: tuple[int, ...], given: Any, attributes: dict[str, Any], rows: int | None
) -> TensorShape:
    if op == "Flatten":
        axis = attributes.get("axis", 1)
        axis = axis + len(shape) if axis < 0 else axis
        return (math.prod(shape[:axis]), math.prod(shape[axis:])) if 0 <= axis <= len(shape) else None
    if given is None or isinstance(given, Value):
        return None  # Squeeze of all axes of size 1: there may be one row
    sizes = [int(size) for size in np.asarray(given).reshape(-1)]
    if op == "Reshape":
        return _target(shape, sizes, rows, zero_is_zero=bool(attributes.get("allowzero", 0)))
    rank = len(shape) + (len(sizes) if op == "Unsqueeze" else 0)
    axes = {size + rank if size < 0 else size for size in sizes}
    if len(axes) < len(sizes) or not axes <= set(range(rank)):
        return None
    if op == "Unsqueeze":
        others = iter(shape)
        return tuple(1 if axis in axes else next(others) for axis in range(rank))
    if any(shape[axis] != 1 for axis in axes):
        return None
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def _target(shape: tuple[int, ...], sizes: list[int], rows: int | None, *, zero_is_zero: bool) -> TensorShape:
    found = []
    for axis, size in enumerate(sizes):
        if size == 0 and not zero_is_zero:
            if axis >= len(shape):
                return None
            size = shape[axis]
        elif size == rows and axis == 0 and shape[0] == ROWS:
            size = ROWS
        found.append(size)
    numbers, known = math.prod(shape), math.prod(size for size in found if size != -1)
    if found.count(-1) == 1 and known > 0 and numbers % known == 0:
        found[found.index(-1)] = numbers // known
    return tuple(found) if min(found, default=0) >= 0 and math.prod(found) == numbers else None
