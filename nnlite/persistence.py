"""Files: a model in one safetensors file, numbers as tensors and architecture as JSON.

Reading a file makes arrays and nnlite's own layers, and nothing else: no code in a
file can run.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import nnlite.initializers
import nnlite.layers
from nnlite._typing import AnyArray
from nnlite._version import __version__
from nnlite.checks import check_dtype
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.initializers import Initializer
from nnlite.layers import Layer
from nnlite.model import Sequential

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load", "save"]

# json and pathlib are imported where they are used: a tenth of the time that `import nnlite` takes.

#: Raised by one when a file of the new kind cannot be read by the old code.
FORMAT = 1

_DAMAGED = "The file is damaged, or was made by something else."

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
    import json

    from safetensors.numpy import save as to_bytes

    if not isinstance(model, Sequential):
        raise ArgumentTypeError("save", "a Sequential", f"{model!r}", "Give a model.")
    target = _check_path("save(path)", path)
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
    tensors: dict[str, AnyArray] = {name: np.asarray(model.params[name], order="C") for name in model.params}
    for index, layer in enumerate(model.layers):
        _check_buffers(index, layer, model.params.replicas)
        for name, array in layer.buffers.items():
            tensors[f"{index}.{name}"] = np.asarray(array, model.params.dtype, order="C")
    _write(target, to_bytes(tensors, metadata={"nnlite": json.dumps(architecture)}))


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
    from safetensors import SafetensorError, safe_open

    source = _check_path("load(path)", path)
    custom = _check_custom_objects(custom_objects)
    name = f"load({source.name!r})"
    with source.open("rb"):  # a missing or unreadable file is an OSError, whatever the reader makes of it
        pass
    try:
        with safe_open(source, framework="numpy") as file:
            metadata = file.metadata() or {}
            if "nnlite" not in metadata:
                raise ModelFileError(
                    name,
                    "an architecture in the metadata",
                    f"{sorted(metadata) or 'no metadata'}",
                    "Use a file that model.save wrote.",
                )
            return _build(name, metadata["nnlite"], file, custom)
    except SafetensorError as error:
        raise ModelFileError(
            name, "a safetensors file", f"another ({error})", "Copy the whole file again."
        ) from None


def _build(name: str, metadata: str, file: Any, custom: dict[str, type[Layer]]) -> Sequential:
    """Make the model, once it is certain that the tensors in the file fit its layers."""
    import json

    try:
        architecture = json.loads(metadata)
        _check_format(name, architecture)
        layers = [_layer(name, entry, custom) for entry in architecture["layers"]]
        dtype, replicas = architecture["dtype"], architecture["replicas"]
        # Before any memory is taken: a few bytes can declare layers of any size.
        _check_tensors(name, file, layers, check_dtype("dtype", dtype), replicas)
        model = Sequential._blank(layers, dtype=dtype, replicas=replicas)
        model.params.frozen = frozenset(architecture["frozen"])
    except ModelFileError:
        raise
    except Exception as error:  # whatever a layer makes of arguments that it did not expect
        raise ModelFileError(
            name,
            "an architecture that can be built",
            f"one that fails with {type(error).__name__}: {str(error).rstrip('.')}",
            _DAMAGED,
        ) from error
    for key in file.keys():  # noqa: SIM118 - it is no dict
        place, _, own_name = key.partition(".")
        if key in model.params:
            model.params[key][...] = file.get_tensor(key)
        else:
            model.layers[int(place)].buffers[own_name] = file.get_tensor(key)
    return model


def _check_format(name: str, architecture: Any) -> None:
    if not isinstance(architecture, dict):
        raise ModelFileError(
            name, "an architecture with entries", f"a {type(architecture).__name__}", _DAMAGED
        )
    found = architecture["format"]
    if type(found) is not int or found != FORMAT:
        newer = type(found) is int and found > FORMAT
        raise ModelFileError(
            name,
            f"format {FORMAT}",
            f"format {found!r}, written by nnlite {architecture.get('version')}",
            "Update nnlite." if newer else _DAMAGED,
        )


def _check_tensors(
    name: str, file: Any, layers: list[Layer], dtype: np.dtype[Any], replicas: int | None
) -> None:
    """Compare what the header of the file lists with what the layers need."""
    listed = set(file.keys())
    wanted = {
        f"{index}.{spec.name}": spec.view_shape(replicas)
        for index, layer in enumerate(layers)
        for spec in layer._specs.values()
    }
    for index, layer in enumerate(layers):
        buffers = {f"{index}.{key}": shape for key, shape in layer.buffer_shapes().items()}
        if listed & buffers.keys():  # a layer that has seen no data has none of its buffers
            wanted |= buffers
            for key in listed & buffers.keys():  # measured for each replica, if that is the shape in the file
                own = _own_shape(buffers[key], replicas)
                if tuple(file.get_slice(key).get_shape()) == own:
                    wanted[key] = own
    code = {"float32": "F32", "float64": "F64"}[dtype.name]
    for key in sorted(listed | wanted.keys()):
        expected = f"{key} as {dtype} of shape {wanted[key]}" if key in wanted else f"no tensor {key!r}"
        if key not in listed:
            raise ModelFileError(name, expected, "no such tensor", _DAMAGED)
        entry = file.get_slice(key)
        shape, kind = tuple(entry.get_shape()), entry.get_dtype()
        if (shape, kind) != (wanted.get(key), code):
            raise ModelFileError(name, expected, f"{kind} of shape {shape}", _DAMAGED)


def _check_path(where: str, path: Any) -> Path:
    from pathlib import Path

    try:
        return Path(path)
    except TypeError:
        raise ArgumentTypeError(where, "a path", f"{path!r}", "Give a string or a pathlib.Path.") from None


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
        json.dumps(config, allow_nan=False)
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
        raise ModelFileError(
            name,
            "layers of nnlite",
            f"{entry['class']!r}",
            f"For a layer of your own write load(path, custom_objects={{{entry['class']!r}: its_class}}).",
        )
    return cls(**{key: _argument(name, value) for key, value in entry["config"].items()})


def _argument(name: str, value: Any) -> Any:
    if not (isinstance(value, dict) and value.keys() == {"initializer", "config"}):
        return value
    if value["initializer"] not in _INITIALIZERS:
        raise ModelFileError(name, "initializers of nnlite", f"{value['initializer']!r}", _DAMAGED)
    return _INITIALIZERS[value["initializer"]](**value["config"])


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step, once the new one is complete on the disk."""
    from pathlib import Path

    target = Path(os.path.realpath(path))  # what a link points to, so that the link stays one
    if target.exists() and not (target.is_file() or target.is_dir()):
        # Replacing a device or a pipe would remove it; a folder the system refuses by itself.
        raise ArgumentError(
            "save(path)", "the path of a file", f"{path}, which is no file", "Add the name of a file."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(target.parent))
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    file = temporary.open("xb")  # with the rights that the umask leaves, as for any new file
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
