"""From a wrong gradient to its usual cause: try the usual slips on the right one, and see which fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.errors import GradientCheckError
from nnlite.testing.differences import Slopes, relative_error

__all__ = ["Suspects", "compare", "shape_hint"]

#: What a slip would give, and how to say that it is the one.
Suspects = Iterable[tuple[Array, str]]

#: Two gradients closer than this are the same slip.
CLOSE = 1e-5


def compare(
    where: str,
    name: str,
    gradient: Array,
    slopes: Slopes,
    *,
    tolerance: float,
    factors: Mapping[float, str],
    suspects: Callable[[], Suspects],
    regions: Mapping[str, AnyArray] | None = None,
) -> float:
    """Compare a gradient with measured slopes; if it is wrong, say where and why.

    Parameters
    ----------
    where : str
        The method that computed the gradient.
    name : str
        What the gradient is called, such as ``"dL/dx"``.
    gradient : ndarray
        What it computed.
    slopes : Slopes of the same shape
        What central differences say.
    tolerance : float
        The largest relative error that passes.
    factors : mapping of float to str
        What it means if the gradient is that many times the slope.
    suspects : callable () -> iterable of (ndarray, str)
        What certain slips would give, and what to say then. Called only if it is wrong.
    regions : mapping of str to ndarray of bool, optional
        Places to name if the gradient is wrong there only.

    Returns
    -------
    float
        The relative error.

    Raises
    ------
    GradientCheckError
        If the error is larger than `tolerance`.
    """
    right = slopes.nearest(gradient)
    error = relative_error(gradient, right, floor=slopes.floor)
    if error <= tolerance:
        return error
    gap = np.abs(gradient - right)
    worst = tuple(int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
    wrong = gap > tolerance * np.abs(right).max()
    cause = _cause(gradient, right, factors, suspects) or _place(wrong, regions or {})
    raise GradientCheckError(
        where,
        f"{name} to be {right[worst]:.6g} at index {worst}, as central differences say",
        f"{gradient[worst] + 0.0:.6g}, off by {error:.2g} of the largest entry "
        f"({wrong.sum()} of {wrong.size} entries are wrong)",
        cause,
    )


def _cause(
    gradient: Array, right: Array, factors: Mapping[float, str], suspects: Callable[[], Suspects]
) -> str:
    """Return the slip that turns the right gradient into the wrong one, or nothing."""
    if not gradient.any():
        return "It is zero everywhere: is it computed at all, and from dy?"
    for candidate, meaning in suspects():
        if _same(gradient, candidate):
            return meaning
    if right.ndim >= 2 and _same(gradient, right.mT):
        return "It is transposed: swap the factors of the product, or take .mT of it."
    factor = float(np.sum(gradient * right) / max(np.sum(right * right), np.finfo(right.dtype).tiny))
    if not _same(gradient, factor * right):
        return ""
    if np.isclose(factor, -1):
        return "The sign is wrong: a minus is lost, or there is one too many."
    for known, meaning in factors.items():
        if np.isclose(factor, known):
            return meaning
    if np.isclose(factor, 2):
        return "It is twice the slope: a factor of 2 too many, or a missing 1/2."
    if np.isclose(factor, 0.5):
        return "It is half the slope: a missing factor of 2, as in the derivative 2 * x of x**2."
    return f"It is {factor:.4g} times the slope everywhere: a constant factor is wrong."


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and relative_error(a, b) < CLOSE


def _place(wrong: AnyArray, regions: Mapping[str, AnyArray]) -> str:
    """Say where the gradient is wrong, if it is right elsewhere."""
    if not wrong.all():
        for name, region in regions.items():
            if not (wrong & ~region).any():
                return f"It is wrong only where {name}: derive that case of forward again."
        for axis, kind in ((-2, "row"), (-1, "column")):
            if wrong.ndim >= -axis:
                others = tuple(i for i in range(wrong.ndim) if i != wrong.ndim + axis)
                hit = np.flatnonzero(wrong.any(axis=others))
                if len(hit) == 1 and wrong.shape[axis] > 1:
                    return f"It is wrong only in {kind} {hit[0]}: look at what is special there."
    return "No usual slip gives these numbers: derive the gradient from forward again, line by line."


def shape_hint(batch: int) -> Callable[[str], str]:
    """Make the function that explains NumPy's complaint about shapes in a ``backward``.

    Parameters
    ----------
    batch : int
        The number of rows.

    Returns
    -------
    callable (str) -> str

    Examples
    --------
    >>> shape_hint(5)("could not broadcast input array from shape (2,3) into shape (3,2)")
    'It is transposed: for y = x @ W, dL/dW is x.mT @ dy, not dy.mT @ x, and dL/dx is dy @ W.mT.'
    """

    def hint(message: str) -> str:
        found = re.search(r"from shape \(([\d, ]*)\) into shape \(([\d, ]*)\)", message)
        if found:
            given, wanted = (tuple(map(int, re.findall(r"\d+", part))) for part in found.groups())
            said = explain_shape(given, wanted, batch)
            if said:
                return said
        if re.search(r"not enough values to unpack \(expected \d+, got 0\)", message):
            return "Did forward save what backward unpacks? Write ctx.save(x) there."
        if not re.search("shape|dimension|broadcast|size", message):
            return "The traceback above shows the line."
        return (
            "Every gradient has the shape of what it belongs to. For y = x @ W + b: dL/dW is x.mT @ dy, "
            "dL/db is np.sum(dy, axis=-2), and dL/dx is dy @ W.mT."
        )

    return hint


def explain_shape(given: tuple[int, ...], wanted: tuple[int, ...], batch: int) -> str:
    """Say which slip gives a gradient of this wrong shape.

    Parameters
    ----------
    given, wanted : tuple of int
        The shape that the gradient has, and the one that it should have.
    batch : int
        The number of rows.

    Returns
    -------
    str
        Empty if it looks like none.

    Examples
    --------
    >>> explain_shape((5,), (3,), 5)
    'The sum runs over the wrong axis: sum over the batch, np.sum(dy, axis=-2).'
    """
    if len(given) >= 2 and given == (*wanted[:-2], *wanted[:-3:-1]):
        return "It is transposed: for y = x @ W, dL/dW is x.mT @ dy, not dy.mT @ x, and dL/dx is dy @ W.mT."
    if given in {(batch,), (batch, 1)}:
        return "The sum runs over the wrong axis: sum over the batch, np.sum(dy, axis=-2)."
    if given == (1, *wanted):
        return "ctx.saved is a tuple: unpack it, (x,) = ctx.saved."
    if len(given) > len(wanted) and batch in given:
        return "There is one for each row: sum over the batch, np.sum(dy, axis=-2)."
    return ""
