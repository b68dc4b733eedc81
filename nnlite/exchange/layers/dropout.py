"""Dropout, elsewhere: in prediction it does nothing."""

from __future__ import annotations

from nnlite.exchange.description import Description, lines
from nnlite.layers import Dropout

__all__ = ["DESCRIPTIONS"]

DESCRIPTIONS = [
    Description(
        Dropout,
        words="does nothing outside of training",
        samples=(lambda: Dropout(0.5), lambda: Dropout(0.0)),
        onnx=lambda _one, x, _graph: x,
        numpy=lines(),
        c=lines(),
        torch=lambda one: f"t.Dropout({one.rate})",
        keras=lambda one: f"k.Dropout({one.rate})",
    )
]
