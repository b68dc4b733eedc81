"""Standardize, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, formula
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import Dense, Layer, Standardize

__all__ = ["DESCRIPTIONS"]

#: A factor of 0 becomes a Dense layer with one weight for each pair of features.
WIDEST_DIAGONAL = 1024


_CENTRED: Pattern = ("Sub", "x", "mean[]")
_SUM: Pattern = [("Add", "x", "minus mean[]"), _CENTRED]
_QUOTIENT: Pattern = [("Div", _CENTRED, "scale[]"), ("Div", "x", "scale[]")]
_PRODUCT: Pattern = [("Mul", _CENTRED, "factor[]"), ("Mul", "x", "factor[]")]


def _read_sum(found: Found) -> tuple[Layer, dict[str, AnyArray]]:
    mean = -found["minus mean"] if "minus mean" in found else found["mean"]
    return _standardize(found, mean, np.ones_like(mean))


def _read_quotient(found: Found) -> tuple[Layer, dict[str, AnyArray]]:
    return _standardize(found, found.get("mean", np.zeros_like(found["scale"])), found["scale"])


def _read_product(found: Found) -> tuple[Layer, dict[str, AnyArray]]:
    """Make a layer of ``(x - mean) * factor``, also where a factor is 0, which no scale stands for."""
    factor = found["factor"]
    mean = found.get("mean", np.zeros_like(factor))
    shift = -mean * factor
    if (_usable(1 / factor) and _usable(mean)) or not (_usable(factor) and _usable(shift)):
        return _standardize(found, mean, 1 / factor)  # which says what is wrong
    features = found.features(max(factor.size, shift.size))
    if features > WIDEST_DIAGONAL:
        raise found.refused(f"Mul with a factor of 0, of more than {WIDEST_DIAGONAL} features")
    layer = Dense(features, features)
    layer.freeze()
    return layer, {"W": np.diag(found.vector(factor, features)), "b": found.vector(shift, features)}


def _usable(array: AnyArray) -> bool:
    return bool(np.isfinite(array).all())


def _standardize(found: Found, mean: AnyArray, scale: AnyArray) -> tuple[Layer, dict[str, AnyArray]]:
    features = found.features(max(mean.size, scale.size))
    numbers = {"mean": found.vector(mean, features), "scale": found.vector(scale, features)}
    # A single number may stand for a declared shape of any size: looked at as it is in the file.
    found.finite(mean, divisor=scale)
    return Standardize(features), numbers


def _numpy(layer: Standardize, source: Any) -> list[str]:
    mean, scale = source.constant("mean", layer.mean, layer.mean.dtype), source.constant("scale", layer.scale)
    y = f"(x - {mean}) / {scale}"
    return [f"x = {y}" if source.dtype == np.float64 else f"x = ({y}).astype(np.{source.dtype})"]


def _c(layer: Standardize, source: Any) -> list[str]:
    mean, scale = source.constant("mean", layer.mean), source.constant("scale", layer.scale)
    lines: list[str] = source.each(f"(v - {mean}[i]) / {scale}[i]")
    return lines


DESCRIPTIONS = [
    Description(
        Standardize,
        words="each feature to mean 0 and standard deviation 1",
        samples=(lambda: Standardize(4), lambda: Standardize(3)),
        onnx=formula(_QUOTIENT),
        onnx_formulas=((_SUM, _read_sum), (_QUOTIENT, _read_quotient), (_PRODUCT, _read_product)),
        numpy=_numpy,
        c=_c,
    )
]
