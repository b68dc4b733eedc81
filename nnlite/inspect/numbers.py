"""How the numbers of a training step are written for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["number", "result", "row_text", "signed", "spoken"]


def number(value: float | None, *, digits: int = 4) -> str:
    """Write a number with the digits that count, and at least two behind the point if there is one.

    Parameters
    ----------
    value : float or None
        The number; None stands for one that is not finite.
    digits : int
        How many count.

    Returns
    -------
    str

    Examples
    --------
    >>> [number(value) for value in (0.2, 0.37749999, -1.0, 123456.0, 1e-7, 0.0, None)]
    ['0.20', '0.3775', '-1', '1.235e+05', '1e-07', '0', 'not finite']
    """
    if value is None or not math.isfinite(value):
        return "not finite"
    text = f"{value:.{digits}g}"
    if "e" in text or "." not in text:
        return "0" if text == "-0" else text
    whole, _, behind = text.partition(".")
    return f"{whole}.{behind:0<2}"


def result(value: float | None) -> str:
    """Write a number that was computed, with the zeros that show how far.

    Parameters
    ----------
    value : float or None
        The number; None stands for one that is not finite.

    Returns
    -------
    str

    Examples
    --------
    >>> [result(value) for value in (0.2, 0.37749999, -1.0, 1234.0, 123456.0, 0.0)]
    ['0.2000', '0.3775', '-1.000', '1234', '1.235e+05', '0']
    """
    if not value or not math.isfinite(value):
        return number(value)
    return f"{value:#.4g}".removesuffix(".")


def signed(value: float | None) -> str:
    """Write a number that was computed, with its sign.

    Parameters
    ----------
    value : float or None
        The number.

    Returns
    -------
    str

    Examples
    --------
    >>> signed(0.5), signed(-0.5), signed(0.0)
    ('+0.5000', '-0.5000', '0')
    """
    text = result(value)
    return f"+{text}" if value is not None and math.isfinite(value) and value > 0 else text


def row_text(values: Sequence[float | None], *, most: int = 8, computed: bool = False) -> str:
    """Write some numbers in a row.

    Parameters
    ----------
    values : sequence of float
        The numbers.
    most : int
        How many are written at most.
    computed : bool
        Whether they were computed, and are written as `result` does.

    Returns
    -------
    str

    Examples
    --------
    >>> row_text([0.1, 0.2, 0.3], most=2)
    '0.10  0.20  ... (3 in all)'
    """
    shown = "  ".join(map(result if computed else number, values[:most]))
    return shown if len(values) <= most else f"{shown}  ... ({len(values)} in all)"


def spoken(text: str) -> str:
    """Name a layer as one does in a sentence.

    Parameters
    ----------
    text : str
        Its ``repr``.

    Returns
    -------
    str

    Examples
    --------
    >>> spoken("Sigmoid()"), spoken("ReLU()"), spoken("ELU(alpha=0.5)")
    ('sigmoid', 'ReLU', 'ELU(alpha=0.5)')
    """
    name = text.removesuffix("()")
    return name.lower() if name.istitle() and name.isalpha() else name
