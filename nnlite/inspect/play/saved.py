"""From what a playground's page has saved back to a model."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.inspect.play.contents import INITIALIZERS, LAYERS
from nnlite.layers import Standardize
from nnlite.layers.standardize import near
from nnlite.model import Sequential

__all__ = ["model_of", "unpack"]

FORMAT = 1


def model_of(text: str, *, where: str) -> Sequential:
    """Make a model of the JSON of a page.

    Parameters
    ----------
    text : str
        The JSON.
    where : str
        Names the file in messages.

    Returns
    -------
    Sequential

    Raises
    ------
    ModelFileError
        If that is none of a playground.

    Examples
    --------
    >>> import json
    >>> from nnlite.inspect.play.contents import pack
    >>> dense = {"kind": "Dense", "in_features": 1, "out_features": 1}
    >>> saved = {"format": 1, "dtype": "float32", "layers": [dense], "values": pack(np.float32([2, 3]))}
    >>> model_of(json.dumps(saved), where="here").predict([[1.0]])
    array([[5.]], dtype=float32)
    """
    fix = "Give a file that the page has saved, or the page."
    try:
        data = json.loads(text)
        version, layers, dtype = data["format"], data["layers"], data["dtype"]
        values = unpack(data["values"])
    except (KeyError, TypeError, ValueError, zlib.error):
        raise ModelFileError(where, "what a playground has saved", "something else", fix) from None
    if version != FORMAT:
        newer = "Update nnlite, or save it again from a page of this one."
        raise ModelFileError(where, f"format {FORMAT}", f"format {version}", newer)
    try:
        model = Sequential([_layer(settings) for settings in layers], dtype=dtype, rng=0)
        for layer, settings in zip(model.layers, layers, strict=True):
            if isinstance(layer, Standardize) and "mean" in settings:
                mean, scale = (np.asarray(settings[name], np.float64) for name in ("mean", "scale"))
                layer.buffers.update(mean=near(mean, scale, model.dtype), scale=scale.astype(model.dtype))
            if settings.get("frozen"):
                layer.freeze()
        if data.get("feature_names"):
            model.feature_names = data["feature_names"]
        if values.shape != model.params.values.shape or not np.isfinite(values).all():
            raise ValueError
        model.params.values[...] = values
    except (ArgumentError, ArgumentTypeError, KeyError, TypeError, ValueError):
        what, got = "a net of layers and as many finite weights as they have", "another"
        raise ModelFileError(where, what, got, fix) from None
    return model


def _layer(settings: dict[str, Any]) -> Any:
    """Make a layer of its arguments."""
    kinds = {kind.__name__: kind for kind in LAYERS}
    starts = {kind.__name__: kind for kind in INITIALIZERS}
    given = {
        name: value for name, value in settings.items() if name not in ("kind", "mean", "scale", "frozen")
    }
    for name in ("weight_initializer", "bias_initializer"):
        if given.get(name) is not None:
            own = dict(given[name])
            given[name] = starts[own.pop("kind")](**own)
    if "shape" in given:
        given["shape"] = tuple(given["shape"])
    return kinds[settings["kind"]](**given)


def unpack(packed: dict[str, Any]) -> Array:
    """Read what `pack` has written.

    Parameters
    ----------
    packed : dict
        See `nnlite.inspect.play.contents.pack`.

    Returns
    -------
    ndarray of one axis

    Examples
    --------
    >>> from nnlite.inspect.play.contents import pack
    >>> unpack(pack(np.array([0.5, 2.0, 0.5, 2.0])))
    array([0.5, 2. , 0.5, 2. ])
    """
    kind = np.dtype(f"<{packed['kind']}")
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    flat = planes.reshape(kind.itemsize, -1).T.copy().view(kind).ravel()
    return np.asarray(packed["table"])[flat] if "table" in packed else flat
