"""Files: a model in one safetensors file, numbers as tensors and architecture as JSON.

Reading a file makes arrays and nnlite's own layers, and nothing else: no code in a
file can run.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import nnlite.initializers
import nnlite.layers
from nnlite._typing import AnyArray
from nnlite._version import __version__
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.initializers import Initializer
from nnlite.layers import Layer
from nnlite.model import Sequential

__all__ = ["load", "save"]

#: Raised by one when a file of the new kind cannot be read by the old code.
FORMAT = 1

_LAYERS = {
    cls.__name__: cls
    for cls in vars(nnlite.layers).values()
    if isinstance(cls, type) and issubclass(cls, Layer) and cls is not Layer
}
_INITIALIZERS = {
    cls.__name__: cls
    for cls in vars(nnlite.initializers).values()
    if isinstance(cls, type) and issubclass(cls, Initializer) and not cls.__name__.startswith("_")
}


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a model to a file; see `Sequential.save`, which calls this."""
    from safetensors.numpy import save as to_bytes

    if not isinstance(model, Sequential):
        raise ArgumentTypeError("save", "a Sequential", f"{model!r}", "Give a model.")
    architecture = {
        "format": FORMAT,
        "version": __version__,
        "dtype": model.params.dtype.name,
        "replicas": model.params.replicas,
        "frozen": sorted(model.params.frozen),
        "layers": [
            {"class": type(layer).__name__, "config": _config(index, layer)}
            for index, layer in enumerate(model.layers)
        ],
    }
    tensors: dict[str, AnyArray] = {}
    for name in model.params:
        tensors[name] = np.ascontiguousarray(model.params[name])
    for index, layer in enumerate(model.layers):
        for name, array in layer.buffers.items():
            tensors[f"{index}.{name}"] = np.ascontiguousarray(array)
    _write(Path(path), to_bytes(tensors, metadata={"nnlite": json.dumps(architecture)}))


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
    from safetensors import SafetensorError, safe_open

    name = f"load({Path(path).name!r})"
    with Path(path).open("rb"):  # a missing or unreadable file is an OSError, whatever the reader makes of it
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(
            name, "a safetensors file", f"another ({error})", "Was the file copied whole?"
        ) from None
    if "nnlite" not in metadata:
        raise ModelFileError(
            name,
            "an architecture in the metadata",
            f"{sorted(metadata) or 'no metadata'}",
            "Use a file that model.save wrote.",
        )
    try:
        architecture = json.loads(metadata["nnlite"])
        return _build(name, architecture, tensors, dict(custom_objects or {}))
    except ModelFileError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelFileError(
            name,
            "an architecture that can be built",
            f"one that fails with {type(error).__name__}: {error}",
            "The file is damaged, or was made by something else.",
        ) from error


def _build(
    name: str, architecture: dict[str, Any], tensors: dict[str, AnyArray], custom: dict[str, type[Layer]]
) -> Sequential:
    if architecture["format"] != FORMAT:
        raise ModelFileError(
            name,
            f"format {FORMAT}",
            f"format {architecture['format']}, written by nnlite {architecture.get('version')}",
            "Update nnlite.",
        )
    layers = [_layer(name, entry, custom) for entry in architecture["layers"]]
    model = Sequential(layers, dtype=architecture["dtype"], replicas=architecture["replicas"])
    wanted = {key: model.params[key].shape for key in model.params}
    for index, layer in enumerate(model.layers):
        shapes = layer.buffer_shapes()
        present = {key for key in shapes if f"{index}.{key}" in tensors}
        if present:  # a layer that has seen no data has none of its buffers
            wanted |= {f"{index}.{key}": shape for key, shape in shapes.items()}
    found = {key: array.shape for key, array in tensors.items()}
    if found != wanted:
        odd = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        raise ModelFileError(
            name,
            f"tensors that fit the layers, such as {odd[0]} of shape {wanted.get(odd[0])}",
            f"{found.get(odd[0], 'none')}",
            "The file is damaged, or was made by something else.",
        )
    for key, array in tensors.items():
        if array.dtype != model.params.dtype:
            raise ModelFileError(
                name, f"{key} as {model.params.dtype}", f"{array.dtype}", "The file is damaged."
            )
        if key in model.params:
            model.params[key][...] = array
        else:
            place, _, buffer = key.partition(".")
            model.layers[int(place)].buffers[buffer] = array
    model.params.frozen = frozenset(architecture["frozen"])
    return model


def _config(index: int, layer: Layer) -> dict[str, Any]:
    """Return the arguments of a layer in a form that JSON holds."""
    if getattr(nnlite.layers, type(layer).__name__, type(layer)) is not type(layer):
        raise ArgumentError(
            f"save, layer {index}",
            "a class whose name is not that of a layer of nnlite",
            f"{type(layer).__name__}",
            "Rename your class.",
        )
    config: dict[str, Any] = {}
    for key, value in layer.config().items():
        if isinstance(value, Initializer) and type(value).__name__ in _INITIALIZERS:
            config[key] = {"initializer": type(value).__name__, "config": value.config()}
        elif callable(value):
            config[key] = None  # an initializer of the user's own: the numbers that it drew are stored
        else:
            config[key] = value
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"save, layer {index} {layer}",
            "arguments that JSON can hold",
            f"{config}",
            "Override config() to return plain numbers, strings and lists.",
        ) from None
    return config


def _layer(name: str, entry: dict[str, Any], custom: dict[str, type[Layer]]) -> Layer:
    cls = custom.get(entry["class"]) or _LAYERS.get(entry["class"])
    if cls is None or not (isinstance(cls, type) and issubclass(cls, Layer)):
        raise ModelFileError(
            name,
            "layers of nnlite",
            f"{entry['class']!r}",
            f"For a layer of your own write load(path, custom_objects={{{entry['class']!r}: its_class}}).",
        )
    arguments = {key: _argument(name, value) for key, value in entry["config"].items()}
    return cls(**arguments)


def _argument(name: str, value: Any) -> Any:
    if not (isinstance(value, dict) and value.keys() == {"initializer", "config"}):
        return value
    if value["initializer"] not in _INITIALIZERS:
        raise ModelFileError(
            name, "initializers of nnlite", f"{value['initializer']!r}", "The file is damaged."
        )
    return _INITIALIZERS[value["initializer"]](**value["config"])


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step, once the new one is complete on the disk."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
