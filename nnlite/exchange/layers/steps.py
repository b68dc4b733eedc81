"""What the descriptions of layers over time share: where the steps of a padded sequence end."""

from __future__ import annotations

from typing import Any

from nnlite.exchange.description import loop
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.steps import FAR, padding_of

__all__ = ["end_c", "fill_numpy", "read_padding", "real_numpy"]


def read_padding(found: Found) -> float | None:
    """Return the number that fills up sequences, if what is done where it stands is computed from it.

    In the formula, ``real`` says which steps are real, ``padding`` is what comes out for the others, and
    ``far`` the score that hides them.
    """
    if "real" not in found:
        if "padding" in found:
            raise found.refused("Where with other conditions than which steps are padding")
        return None
    padding = padding_of(found["real"], found["x"])
    if padding is None or found.get("padding", padding) != padding or found.get("far", FAR) > FAR / 2:
        raise found.refused("Where of other things than steps and what pads them")
    return padding


def real_numpy(x: str, padding: float) -> list[str]:
    """Write, in NumPy, which steps are real: ``real``, of shape (batch, time)."""
    return [
        f"real = ({x} != {padding!r}).any(axis=2)",
        "real = np.logical_or.accumulate(real[:, ::-1], axis=1)[:, ::-1]  # all up to the last one",
    ]


def fill_numpy(padding: float, source: Any) -> str:
    """Write, in NumPy, that the others come out as they went in."""
    return f"x = np.where(real[..., None], x, np.{source.dtype}({padding!r}))"


def end_c(padding: float | None, size: int, features: int, source: Any) -> list[str]:
    """Write, in C, where the steps end that are real: ``end``."""
    if padding is None:
        return [f"const long end = {size // features};"]
    other = f"if ({source.x}[i] != {source.number(padding)}) end = i / {features} + 1;"
    return ["long end = 0;  /* behind the last step that is no padding */", *loop("i", size, other)]
