"""Model files: a model in one safetensors file, numbers as tensors and architecture as JSON.

Reading a file makes arrays and nnlite's own layers, and nothing else: no code in a
file can run. docs/files.md describes the format.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

import nnlite.initializers
import nnlite.layers
from nnlite._version import __version__
from nnlite.checks.undeclared import check_declared
from nnlite.core.initializers import Initializer
from nnlite.core.types import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_dtype, check_integer
from nnlite.files.safetensors import TensorFile, check_path, open_tensors, parse_json, short, write_tensors
from nnlite.layers import Embedding, Layer, Standardize
from nnlite.model import Sequential

__all__ = ["load", "save"]

# json is imported where it is used: a part of the time that `import nnlite` takes.

#: Raised by one when a file of the new kind cannot be read by the old code.
FORMAT = 2

#: What the architecture consists of, in each format that can be read.
_PARTS = {1: {"format", "version", "dtype", "replicas", "frozen", "layers"}}
_PARTS[2] = _PARTS[1] | {"feature_names", "preprocessing"}

#: More layers than any net has; objects of that number still take little memory.
_MAX_LAYERS = 10_000
#: Axes of a sample: NumPy has no arrays of more than 64, and two are for replicas and rows.
_MAX_AXES = 62

_DAMAGED = "The file is damaged, or was made by something else."

_LAYERS = {
    cls.__name__: cls
    for cls in vars(nnlite.layers).values()
    if isinstance(cls, type) and issubclass(cls, Layer) and cls is not Layer
}
_INITIALIZERS = {
    cls.__name__: cls
    for cls in vars(nnlite.initializers).values()
    if isinstance(cls, type) and issubclass(cls, Initializer)
    if cls is not Initializer and not cls.__name__.startswith("_")
}


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a model to a file; `Sequential.save` calls this.

    Parameters
    ----------
    model : Sequential
        What is written: architecture, numbers, and what is frozen.
    path : str or path-like
        Where to; an old file is replaced once the new one is complete.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If that is no model or no path, or a layer's arguments or buffers cannot be stored.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nnlite import Dense, Sequential
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Sequential([Dense(2, 1)], rng=0), pathlib.Path(folder) / "net.safetensors")
    ...     load(pathlib.Path(folder) / "net.safetensors")
    Sequential([Dense(2, 1)], dtype=float32)
    """
    if not isinstance(model, Sequential):
        raise ArgumentTypeError("save", "a Sequential", f"{model!r}", "Give a model.")
    target = check_path("save(path)", path)
    check_declared("save, layer {}", model.layers)
    if len(model) > _MAX_LAYERS:
        fix = "Join layers into one of your own."
        raise ArgumentError("save", f"at most {_MAX_LAYERS:,} layers", f"{len(model):,}", fix)
    preprocessing = _preprocessing_to_json(model.preprocessing)
    if misfit := _misfit(model.preprocessing, model[0]):
        raise ArgumentError("save", *misfit, "Begin the model with encoder.layer().")
    names = model.feature_names
    architecture = {
        "format": FORMAT,
        "version": __version__,
        "dtype": model.params.dtype.name,
        "replicas": model.params.replicas,
        "frozen": sorted(model.params.frozen),
        "feature_names": None if names is None else list(names),
        "preprocessing": preprocessing,
        "layers": [
            {"class": type(layer).__name__, "config": _config(index, layer)}
            for index, layer in enumerate(model.layers)
        ],
    }
    tensors: dict[str, AnyArray] = {name: model.params[name] for name in model.params}
    for index, layer in enumerate(model.layers):
        _check_buffers(index, layer, model.params.replicas)
        for name, array in layer.buffers.items():
            tensors[f"{index}.{name}"] = layer._buffer_as(name, np.asarray(array), model.params.dtype)
    write_tensors(target, architecture, tensors, key="nnlite", where="save(path)")


@explained
def load(
    path: str | os.PathLike[str], *, custom_objects: Mapping[str, type[Layer]] | None = None
) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.
    custom_objects : mapping of str to class, optional
        Layers of your own, by the name of their class.

    Returns
    -------
    Sequential
        With the same layers and numbers, frozen where it was. Its random generator is
        new.

    Raises
    ------
    ArgumentTypeError
        If `path` is no path, or `custom_objects` holds anything but layers.
    ModelFileError
        If the file is not a whole and valid model, or names a layer that is not known.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nnlite import Dense, Sequential, load
    >>> model = Sequential([Dense(2, 1)], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "net.safetensors"
    ...     model.save(path)
    ...     load(path)
    Sequential([Dense(2, 1)], dtype=float32)
    """
    source = check_path("load(path)", path)
    custom = _check_custom_objects(custom_objects)
    name = f"load({source.name!r})"
    with open_tensors(source, key="nnlite", where=name, made_by="model.save") as file:
        return _build(name, file, custom)


def _build(name: str, file: TensorFile, custom: dict[str, type[Layer]]) -> Sequential:
    """Make the model, once it is certain that the tensors in the file fit its layers."""
    architecture = file.document
    _check_parts(name, architecture)
    try:
        layers = [_layer(name, entry, custom) for entry in architecture["layers"]]
        dtype, replicas = check_dtype("dtype", architecture["dtype"]), architecture["replicas"]
        if replicas is not None:
            check_integer("replicas", replicas, low=1)
        preprocessing = _preprocessing_from_json(name, architecture.get("preprocessing"))
        # Before any memory is taken: a few bytes can declare layers of any size.
        _check_tensors(name, file, layers, dtype, replicas)
        model = Sequential._blank(layers, dtype=dtype, replicas=replicas, preprocessing=preprocessing)
        model.params.frozen = frozenset(architecture["frozen"])
        model.feature_names = architecture.get("feature_names")
        if misfit := _misfit(preprocessing, layers[0]):
            raise ModelFileError(name, *misfit, _DAMAGED)
    except ModelFileError:
        raise
    except Exception as error:  # whatever a layer makes of arguments that it did not expect
        said = str(error).rstrip(".")
        raise ModelFileError(
            name,
            "an architecture that can be built",
            f"one that fails with {type(error).__name__}: {said if len(said) < 400 else short(said)}",
            _DAMAGED,
        ) from error
    for key in file.entries:
        place, _, own_name = key.partition(".")
        if key in model.params:
            file.read(key, out=model.params[key])
        else:
            model.layers[int(place)].buffers[own_name] = file.read(key)
    for index, layer in enumerate(model.layers):
        if wrong := _wrong_numbers(layer):
            expected, got = wrong
            raise ModelFileError(name, f"layer {index} {layer} with {expected}", got, _DAMAGED)
    return model


def _check_parts(name: str, architecture: dict[str, Any]) -> None:
    """Check the form of the architecture; what the layers make of it is their affair."""
    found = architecture.get("format")
    if type(found) is not int or found not in _PARTS:
        newer = type(found) is int and found > FORMAT
        raise ModelFileError(
            name,
            f"format {' or '.join(map(str, _PARTS))}",
            f"format {short(found)}, written by nnlite {short(architecture.get('version'))}",
            "Update nnlite." if newer else _DAMAGED,
        )
    if architecture.keys() != _PARTS[found]:
        parts = ", ".join(sorted(_PARTS[found]))
        raise ModelFileError(name, f"an architecture of {parts}", short(sorted(architecture)), _DAMAGED)
    if architecture["dtype"] not in ("float32", "float64"):
        raise ModelFileError(name, "float32 or float64", short(architecture["dtype"]), _DAMAGED)
    if not isinstance(architecture["frozen"], list):
        raise ModelFileError(name, "frozen as a list of names", short(architecture["frozen"]), _DAMAGED)
    layers = architecture["layers"]
    if not isinstance(layers, list) or not 0 < len(layers) <= _MAX_LAYERS:
        got = f"{len(layers):,}" if isinstance(layers, list) else short(layers)
        raise ModelFileError(name, f"a list of 1 to {_MAX_LAYERS:,} layers", got, _DAMAGED)
    for index, entry in enumerate(layers):
        if (
            not isinstance(entry, dict)
            or entry.keys() != {"class", "config"}
            or not isinstance(entry["class"], str)
            or not isinstance(entry["config"], dict)
        ):
            raise ModelFileError(name, f"layer {index} as class and config", short(entry), _DAMAGED)


def _check_tensors(
    name: str, file: TensorFile, layers: list[Layer], dtype: np.dtype[Any], replicas: int | None
) -> None:
    """Compare what the header of the file lists with what the layers need."""
    listed = file.entries.keys()
    wanted = {
        f"{index}.{spec.name}": spec.view_shape(replicas)
        for index, layer in enumerate(layers)
        for spec in layer._specs.values()
    }
    exact: set[str] = set()
    for index, layer in enumerate(layers):
        exact.update(f"{index}.{key}" for key in layer.exact_buffers)
        buffers = {f"{index}.{key}": shape for key, shape in layer.buffer_shapes().items()}
        if listed & buffers.keys():  # a layer that has seen no data has none of its buffers
            wanted |= buffers
            for key in listed & buffers.keys():  # measured for each replica, if that is the shape in the file
                own = _own_shape(buffers[key], replicas)
                if file.entries[key].shape == own:
                    wanted[key] = own
    for key in sorted(listed | wanted.keys()):
        shown = short(key) if len(key) > 80 or key not in wanted else key
        expected = f"{key} as {dtype} of shape {wanted[key]}" if key in wanted else f"no tensor {shown}"
        if key not in listed:
            raise ModelFileError(name, expected, "no such tensor", _DAMAGED)
        entry = file.entries[key]
        dtypes = (dtype, np.dtype(np.float64)) if key in exact else (dtype,)
        if entry.shape != wanted.get(key) or entry.dtype not in dtypes:
            raise ModelFileError(name, expected, f"{entry.code} of shape {entry.shape}", _DAMAGED)


def _check_custom_objects(custom: Any) -> dict[str, type[Layer]]:
    given = {} if custom is None else custom
    if not isinstance(given, Mapping) or not all(
        isinstance(key, str) and isinstance(cls, type) and issubclass(cls, Layer)
        for key, cls in given.items()
    ):
        raise ArgumentTypeError(
            "load(custom_objects=)",
            "a dict from names to subclasses of Layer",
            f"{custom!r}",
            "Write {'MyLayer': MyLayer}.",
        )
    return dict(given)


def _own_shape(shape: tuple[int, ...], replicas: int | None) -> tuple[int, ...]:
    """Return the shape of a buffer that was measured on other data for each replica."""
    return shape if replicas is None else (replicas, 1, *shape)


def _check_buffers(index: int, layer: Layer, replicas: int | None) -> None:
    """Refuse buffers that could not be read back."""
    declared = layer.buffer_shapes()
    found = {name: np.shape(array) for name, array in layer.buffers.items()}
    for name, shape in found.items():
        if name in declared and shape == _own_shape(declared[name], replicas):
            declared[name] = shape
    if found and (found != declared or found.keys() & layer._specs.keys()):
        raise ArgumentError(
            f"save, layer {index} {layer}",
            f"buffers as buffer_shapes() says, {declared}, with names that no parameter has",
            f"{found}",
            "Override buffer_shapes().",
        )
    if wrong := _wrong_numbers(layer):
        expected, got = wrong
        raise ArgumentError(f"save, layer {index} {layer}", expected, got, "Call its adapt(X) again.")


def _wrong_numbers(layer: Layer) -> tuple[str, str] | None:
    """Return what the buffers of a layer should hold and do not, if so.

    Weights may be anything, also NaN: a model that went wrong can be kept to be looked at.
    """
    if type(layer) is not Standardize or not layer.buffers:
        return None
    if not np.isfinite(layer.mean).all():
        return "means that are finite", "NaN or infinity"
    if not (np.isfinite(layer.scale) & (layer.scale != 0)).all():
        return "scales that are finite and not 0", f"{np.min(layer.scale)} to {np.max(layer.scale)}"
    return None


def _misfit(encoder: Any, layer: Layer) -> tuple[str, str] | None:
    """Return which encoder fits the first layer, and which one there is, if they are of different tables."""
    if encoder is None or type(layer) is not Embedding:
        return None
    counts = tuple(column.id_count for column in encoder.columns if column.kind == "categorical")
    numeric = encoder.features - len(counts)
    if numeric == layer.numeric and all(map(operator.le, counts, layer.categories)):
        return None
    return f"an encoder for {layer}", f"one for Embedding({counts}, {layer.features}, numeric={numeric})"


def _preprocessing_to_json(encoder: Any) -> dict[str, Any] | None:
    if encoder is None:
        return None
    from nnlite.data.table import TableEncoder

    if type(encoder) is not TableEncoder:
        raise ArgumentError(
            "save",
            "a TableEncoder as preprocessing",
            f"{encoder!r}",
            "Prepare the data outside of the model.",
        )
    return {"class": "TableEncoder", "state": encoder.to_dict()}


def _preprocessing_from_json(name: str, stored: Any) -> Any:
    if stored is None:
        return None
    from nnlite.data.table import TableEncoder

    if (
        not isinstance(stored, dict)
        or stored.keys() != {"class", "state"}
        or stored["class"] != "TableEncoder"
    ):
        raise ModelFileError(name, "a TableEncoder as preprocessing", short(stored), _DAMAGED)
    return TableEncoder.from_dict(stored["state"])


def _config(index: int, layer: Layer) -> dict[str, Any]:
    """Return the arguments of a layer in a form that JSON holds."""
    import json

    if getattr(nnlite.layers, type(layer).__name__, type(layer)) is not type(layer):
        raise ArgumentError(
            f"save, layer {index}",
            "a class whose name is not that of a layer of nnlite",
            f"{type(layer).__name__}",
            "Rename your class.",
        )
    config: dict[str, Any] = {}
    for key, value in layer.config().items():
        if isinstance(value, Initializer) and _INITIALIZERS.get(type(value).__name__) is type(value):
            config[key] = {"initializer": type(value).__name__, "config": value.config()}
        elif any(value is used for used in layer._initializers.values()):
            config[key] = None  # an initializer of the user's own: the numbers that it drew are stored
        else:
            config[key] = value
    try:
        parse_json(json.dumps(config, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ArgumentError(
            f"save, layer {index} {layer}",
            "arguments that JSON can hold",
            f"{config}",
            "Override config() to return plain numbers, strings and lists.",
        ) from None
    return config


def _layer(name: str, entry: dict[str, Any], custom: dict[str, type[Layer]]) -> Layer:
    cls = custom.get(entry["class"]) or _LAYERS.get(entry["class"])
    if cls is None:
        shown = short(entry["class"])
        fix = f"For a layer of your own write load(path, custom_objects={{{shown}: its_class}})."
        raise ModelFileError(name, "layers of nnlite", shown, fix)
    layer = cls(**{key: _argument(name, value) for key, value in entry["config"].items()})
    if len(layer.input_shape or ()) > _MAX_AXES:
        raise ModelFileError(
            name, f"samples of at most {_MAX_AXES} axes", f"{len(layer.input_shape or ())}", _DAMAGED
        )
    return layer


def _argument(name: str, value: Any) -> Any:
    if not (isinstance(value, dict) and value.keys() == {"initializer", "config"}):
        return value
    initializer = value["initializer"]
    if not isinstance(initializer, str) or initializer not in _INITIALIZERS:
        raise ModelFileError(name, "initializers of nnlite", short(initializer), _DAMAGED)
    return _INITIALIZERS[initializer](**value["config"])
