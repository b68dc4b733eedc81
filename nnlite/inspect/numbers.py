"""How numbers are written for people, and as plain data for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "behind",
    "number",
    "parameters_of",
    "plain",
    "result",
    "row_text",
    "signed",
    "spoken",
    "weight_name",
]


def plain(value: Any) -> Any:
    """Return data as JSON knows them: lists for arrays, and None for numbers that are not finite.

    Parameters
    ----------
    value : object
        Numbers, texts, arrays, and lists, tuples and dicts of these.

    Returns
    -------
    object

    Examples
    --------
    >>> plain({"losses": np.array([0.5, np.inf]), "index": (0, 1)})
    {'losses': [0.5, None], 'index': [0, 1]}
    """
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind != "f" or np.isfinite(value).all():
            return value.tolist()
        value = value.tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


def behind(value: float | None, *, digits: int = 4) -> str:
    """Write a number behind an operator, a negative one in brackets.

    Parameters
    ----------
    value, digits
        As `number` takes them.

    Returns
    -------
    str

    Examples
    --------
    >>> behind(0.5), behind(-0.5)
    ('0.50', '(-0.50)')
    """
    text = number(value, digits=digits)
    return f"({text})" if text.startswith("-") else text


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


def weight_name(parameter: str, index: Sequence[int]) -> str:
    """Name one weight of a parameter.

    Parameters
    ----------
    parameter : str
        The name of the parameter.
    index : sequence of int
        The place in it; none for a parameter without axes.

    Returns
    -------
    str

    Examples
    --------
    >>> weight_name("0.W", (1, 2)), weight_name("scale", ())
    ('0.W[1, 2]', 'scale')
    """
    return f"{parameter}[{', '.join(map(str, index))}]" if index else parameter


def parameters_of(data: dict[str, Any]) -> dict[str, tuple[int, int, dict[str, Any]]]:
    """Return the parameters in the data of a step by their names, each behind its stage and step.

    Parameters
    ----------
    data : dict
        What ``StepTrace.to_dict()`` returns.

    Returns
    -------
    dict of str to (int, int, dict)

    Examples
    --------
    >>> parameters_of({"stages": [{"steps": [{"parameters": {"W": {"name": "0.W"}}}]}]})
    {'0.W': (0, 0, {'name': '0.W'})}
    """
    return {
        parameter["name"]: (stage, at, parameter)
        for stage, column in enumerate(data["stages"])
        for at, step in enumerate(column["steps"])
        for parameter in step["parameters"].values()
    }


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
