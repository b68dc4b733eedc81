"""Constants that are computed from constants, as far as exporters leave that to the reader.

Sizes count as such too: ``Shape`` of a result whose shape is known gives them. If the number of rows is among
them they are an array of Python's integers, which holds `nnlite.exchange.onnx.noops.ROWS` for it and can do
nothing but say a shape: what is computed for a row depends on no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.onnx.noops import ROWS

__all__ = ["Step", "fold", "holds_rows", "settled"]


class Step(NamedTuple):
    """A node whose inputs are constants.

    Parameters
    ----------
    arguments : list of ndarray or None
        The constants.
    attributes : dict
        Of the node.
    spend : callable (int)
        Is told how many bytes a step takes before it takes them; it raises where that are too many.
    """

    arguments: list[Any]
    attributes: dict[str, Any]
    spend: Callable[[int], None]

    def option(self, place: int, name: str) -> Any:
        """Return what is an input in newer versions of an operator, and was an attribute before."""
        given = self.arguments[place] if len(self.arguments) > place else None
        return self.attributes.get(name) if given is None else given


def holds_rows(array: Any) -> bool:
    """Tell whether a constant is sizes, with the number of rows among them.

    Examples
    --------
    >>> holds_rows(np.array([ROWS, 3], object)), holds_rows(np.array([2, 3]))
    (True, False)
    """
    return isinstance(array, np.ndarray) and array.dtype == object


def settled(sizes: AnyArray) -> AnyArray:
    """Make an array of int64 of sizes, unless the number of rows is among them.

    Examples
    --------
    >>> settled(np.array([3, 4], object)).dtype
    dtype('int64')
    """
    if any(abs(int(size)) >= ROWS for size in sizes.reshape(-1)):
        return sizes
    whole: AnyArray = sizes.astype(np.int64)
    return whole


def fold(op: str, step: Step) -> AnyArray | None:
    """Compute a constant of constants.

    Parameters
    ----------
    op : str
        The operator.
    step : Step
        The rest.

    Returns
    -------
    ndarray or None
        None of an operator that is not known here.

    Examples
    --------
    >>> fold("Concat", Step([np.array([2]), np.array([3])], {"axis": 0}, print))
    16
    array([2, 3])
    """
    compute = _FOLDED.get(op)
    if compute is None:
        return None
    folded = compute(step)
    return settled(folded) if holds_rows(folded) else folded


def _transpose(step: Step) -> AnyArray:
    return np.transpose(step.arguments[0], step.attributes.get("perm"))


def _squeeze(step: Step) -> AnyArray:
    axes = step.option(1, "axes")
    array: AnyArray = step.arguments[0].squeeze(None if axes is None else tuple(map(int, axes)))
    return array


def _unsqueeze(step: Step) -> AnyArray:
    return np.expand_dims(step.arguments[0], tuple(map(int, step.option(1, "axes"))))


def _reshape(step: Step) -> AnyArray:
    array, sizes = step.arguments
    zero_is_zero = step.attributes.get("allowzero", 0)
    kept = [
        array.shape[axis] if size == 0 and not zero_is_zero else size
        for axis, size in enumerate(map(int, sizes))
    ]
    shaped: AnyArray = array.reshape(kept)
    if not np.may_share_memory(shaped, array):  # as after Transpose
        step.spend(shaped.nbytes)
    return shaped


def _gather(step: Step) -> AnyArray:
    array, places = step.arguments
    axis = step.attributes.get("axis", 0)
    step.spend(array.nbytes // max(array.shape[axis], 1) * places.size)
    return np.asarray(np.take(array, places, axis=axis), array.dtype)  # of one it is a number


def _concat(step: Step) -> AnyArray:
    step.spend(sum(array.nbytes for array in step.arguments))
    return np.concatenate(step.arguments, axis=step.attributes["axis"])


def _slice(step: Step) -> AnyArray:
    array = step.arguments[0]
    starts, ends = (list(map(int, step.option(place, name))) for place, name in ((1, "starts"), (2, "ends")))
    axes, steps = step.option(3, "axes"), step.option(4, "steps")
    cut = [slice(None)] * array.ndim
    for place, start in enumerate(starts):
        axis = place if axes is None else int(axes[place])
        stride = 1 if steps is None else int(steps[place])
        end: int | None = ends[place]
        if stride < 0 and ends[place] < -array.shape[axis]:  # down to the first
            end = None
        cut[axis] = slice(start, end, stride)
    found: AnyArray = array[tuple(cut)]
    return found


def _expand(step: Step) -> AnyArray:
    array, sizes = step.arguments
    return _of_all_rows(step, array, np.broadcast_shapes(array.shape, _sizes(sizes)))


def _constant_of_shape(step: Step) -> AnyArray:
    value = step.attributes.get("value", np.zeros(1, np.float32))
    return _of_all_rows(step, value.reshape(()), _sizes(step.arguments[0]))


def _sizes(sizes: AnyArray) -> tuple[int, ...]:
    """Return a shape in which one row stands for all, if they are counted in it."""
    return tuple([1 if size == ROWS else int(size) for size in sizes])


def _of_all_rows(step: Step, array: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    step.spend(math.prod(shape) * array.itemsize)
    return np.broadcast_to(array, shape)


def _of_two(compute: Any) -> Callable[[Step], AnyArray]:
    def fold_two(step: Step) -> AnyArray:
        left, right = step.arguments
        shape = np.broadcast_shapes(left.shape, right.shape)
        step.spend(math.prod(shape) * max(left.itemsize, right.itemsize))
        return np.asarray(compute(left, right), np.result_type(left, right))

    return fold_two


def _divided(left: AnyArray, right: AnyArray) -> AnyArray:
    if "f" in (left.dtype.kind, right.dtype.kind):
        quotient: AnyArray = left / right
    else:  # sizes, which are none below 0
        quotient = left // right
    return quotient


def _of_one(compute: Any) -> Callable[[Step], AnyArray]:
    def fold_one(step: Step) -> AnyArray:
        (array,) = step.arguments
        step.spend(array.nbytes)
        return np.asarray(compute(array), array.dtype)

    return fold_one


_FOLDED: Mapping[str, Callable[[Step], AnyArray]] = {
    "Add": _of_two(np.add),
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Div": _of_two(_divided),
    "Expand": _expand,
    "Gather": _gather,
    "Identity": lambda step: step.arguments[0],
    "Mul": _of_two(np.multiply),
    "Neg": _of_one(np.negative),
    "Pow": _of_two(np.power),
    "Reciprocal": _of_one(lambda array: 1 / array),
    "Reshape": _reshape,
    "Shape": lambda step: np.array(step.arguments[0].shape, np.int64),
    "Slice": _slice,
    "Sqrt": _of_one(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _of_two(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
