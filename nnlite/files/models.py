"""Model files: a model in one safetensors file, numbers as tensors and architecture as JSON.

Reading a file makes arrays and nnlite's own layers, and nothing else: no code in a
file can run. docs/files.md describes the format.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

import nnlite.initializers
import nnlite.layers
from nnlite._version import __version__
from nnlite.checks.undeclared import check_declared
from nnlite.core.aliases import AnyArray
from nnlite.core.chain import Chain
from nnlite.core.initializers import Initializer
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_dtype, check_integer
from nnlite.files.safetensors import TensorFile, check_path, open_tensors, parse_json, short, write_tensors
from nnlite.layers import BatchNorm, Embedding, Layer, Standardize
from nnlite.model import Sequential, without_numbers

__all__ = ["load", "read_card", "save"]

# json is imported where it is used: a part of the time that `import nnlite` takes.

#: Raised by one when a file of the new kind cannot be read by the old code. In the third layers are
#: arguments of others, and there are tensors of what is kept and not learned; in the fourth there is a card.
FORMAT = 4
BLOCKS_FORMAT = 3
#: That of a net without any of these, which older versions read.
PLAIN_FORMAT = 2

#: What the architecture consists of, in each format that can be read.
_PARTS = {1: {"format", "version", "dtype", "replicas", "frozen", "layers"}}
_PARTS[2] = _PARTS[1] | {"feature_names", "preprocessing"}
_PARTS[3] = _PARTS[2]
_PARTS[4] = _PARTS[3] | {"card"}

#: More layers than any net has; objects of that number still take little memory. One inside of others counts
#: as often as it is deep, since each of those keeps the names of its parameters.
_MAX_LAYERS = 10_000
#: How deep layers may be: reading goes down from one to the next.
_MAX_DEPTH = 32
#: Axes of a sample: NumPy has no arrays of more than 64, and two are for replicas and rows.
_MAX_AXES = 62

_DAMAGED = "The file is damaged, or was made by something else."

_LAYERS = {
    cls.__name__: cls
    for cls in (*vars(nnlite.layers).values(), Sequential)
    if isinstance(cls, type) and issubclass(cls, Layer) and cls is not Layer
}
#: The keys of what stands for an object among the arguments of a layer.
_LAYER_KEYS, _INITIALIZER_KEYS = {"class", "config"}, {"initializer", "config"}
_INITIALIZERS = {
    cls.__name__: cls
    for cls in vars(nnlite.initializers).values()
    if isinstance(cls, type) and issubclass(cls, Initializer)
    if cls is not Initializer and not cls.__name__.startswith("_")
}


def save(model: Sequential, path: str | os.PathLike[str], *, card: Any = None) -> None:
    """Write a model to a file; `Sequential.save` calls this.

    Parameters
    ----------
    model : Sequential
        What is written: architecture, numbers, and what is frozen.
    path : str or path-like
        Where to; an old file is replaced once the new one is complete.
    card : nnlite.inspect.Card, optional
        Is written too.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If that is no model, path or card, or a layer's arguments or buffers cannot be stored.
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
    described = None if card is None else _described(card)
    params = model.params
    every = model.walk()[1:]
    check_declared("save, layer {}", every)
    depths = [prefix.count(".") for prefix, _ in every]
    for what, most, found in ("layers", _MAX_LAYERS, sum(depths)), ("levels", _MAX_DEPTH, max(depths)):
        if found > most:
            fix = "Join layers into one of your own, or put fewer into others."
            raise ArgumentError("save", f"at most {most:,} {what}", f"{found:,}", fix)
    preprocessing = _preprocessing_to_json(model.preprocessing)
    if misfit := _misfit(model.preprocessing, model):
        raise ArgumentError("save", *misfit, "Begin the model with encoder.layer().")
    names = model.feature_names
    in_blocks = bool(params.state_specs) or any(layer.children for _, layer in every)
    architecture = {
        "format": FORMAT if card is not None else BLOCKS_FORMAT if in_blocks else PLAIN_FORMAT,
        "version": __version__,
        "dtype": params.dtype.name,
        "replicas": params.replicas,
        "frozen": sorted(params.frozen),
        "feature_names": None if names is None else list(names),
        "preprocessing": preprocessing,
        "layers": [
            _entry(f"{index}", layer, in_blocks or card is not None)
            for index, layer in enumerate(model.layers)
        ],
        **({} if described is None else {"card": described}),
    }
    tensors: dict[str, AnyArray] = {
        spec.name: params[spec.name] for spec in (*params.specs, *params.state_specs)
    }
    for prefix, layer in every:
        _check_buffers(f"save, layer {prefix[:-1]} {layer}", layer, params.replicas)
        for name, array in layer.buffers.items():
            tensors[prefix + name] = layer._buffer_as(name, np.asarray(array), params.dtype)
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


def read_card(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Read the card of a model file; `nnlite.inspect.Card.load` calls this.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    name : str
        Names the call in messages.
    card : dict
        Plain data.

    Raises
    ------
    ArgumentTypeError
        If `path` is no path.
    ModelFileError
        If the file is not whole, or has no card.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nnlite import Dense, Sequential
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "net.safetensors"
    ...     Sequential([Dense(2, 1)], rng=0).save(path)
    ...     read_card(path)
    Traceback (most recent call last):
        ...
    nnlite.errors.ModelFileError: Card.load('net.safetensors'): expected a run card, got none.
    Write model.save(path, card=card).
    """
    source = check_path("Card.load(path)", path)
    name = f"Card.load({source.name!r})"
    with open_tensors(source, key="nnlite", where=name, made_by="model.save") as file:
        _check_parts(name, file.document)
        card = file.document.get("card")
    if not isinstance(card, dict):
        fix = "Write model.save(path, card=card)."
        raise ModelFileError(name, "a run card", "none" if card is None else short(card), fix)
    return name, card


def _described(card: Any) -> dict[str, Any]:
    """Return a card as plain data; what makes cards stands above the files."""
    try:
        found = card.to_dict()
        found["verdict"], found["scores"]
    except (AttributeError, KeyError, TypeError):
        fix = "Write card=nnlite.inspect.card(model, X, y, loss, optimizer)."
        raise ArgumentTypeError("save(card=)", "a Card", type(card).__name__, fix) from None
    return dict(found)


def _build(name: str, file: TensorFile, custom: dict[str, type[Layer]]) -> Sequential:
    """Make the model, once it is certain that the tensors in the file fit its layers."""
    architecture = file.document
    _check_parts(name, architecture)
    try:
        with without_numbers():
            layers = _Maker(name, custom, nested=architecture["format"] >= 3).all_of(architecture["layers"])
        dtype, replicas = check_dtype("dtype", architecture["dtype"]), architecture["replicas"]
        if replicas is not None:
            check_integer("replicas", replicas, low=1)
        preprocessing = _preprocessing_from_json(name, architecture.get("preprocessing"))
        # Before any memory is taken: a few bytes can declare layers of any size.
        buffers = _check_tensors(name, file, layers, dtype, replicas)
        model = Sequential._blank(layers, dtype=dtype, replicas=replicas, preprocessing=preprocessing)
        model.params.frozen = frozenset(architecture["frozen"])
        model.feature_names = architecture.get("feature_names")
        if misfit := _misfit(preprocessing, model):
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
        if key in buffers:
            layer, own_name = buffers[key]
            layer.buffers[own_name] = file.read(key)
        else:
            file.read(key, out=model.params[key])
    for prefix, layer in model.walk():
        if wrong := _wrong_numbers(layer):
            expected, got = wrong
            raise ModelFileError(name, f"layer {prefix[:-1]} {layer} with {expected}", got, _DAMAGED)
    return model


def _check_parts(name: str, architecture: dict[str, Any]) -> None:
    """Check the form of the architecture; what the layers make of it is their affair."""
    found = architecture.get("format")
    if type(found) is not int or found not in _PARTS:
        newer = type(found) is int and found > FORMAT
        raise ModelFileError(
            name,
            f"a format from 1 to {FORMAT}",
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


def _check_tensors(
    name: str, file: TensorFile, layers: list[Layer], dtype: np.dtype[Any], replicas: int | None
) -> dict[str, tuple[Layer, str]]:
    """Compare what the header of the file lists with what the layers need; return whose the buffers are."""
    listed = file.entries.keys()
    wanted = {
        f"{index}.{spec.name}": spec.view_shape(replicas)
        for index, layer in enumerate(layers)
        for spec in layer._specs.values()
    }
    owners: dict[str, tuple[Layer, str]] = {}
    for prefix, layer in _walk(layers):
        buffers = {prefix + key: shape for key, shape in layer.buffer_shapes().items()}
        if listed & buffers.keys():  # a layer that has seen no data has none of its buffers
            wanted |= buffers
            owners.update((key, (layer, key.removeprefix(prefix))) for key in buffers)
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
        exact = key in owners and owners[key][1] in owners[key][0].exact_buffers
        dtypes = (dtype, np.dtype(np.float64)) if exact else (dtype,)
        if entry.shape != wanted.get(key) or entry.dtype not in dtypes:
            raise ModelFileError(name, expected, f"{entry.code} of shape {entry.shape}", _DAMAGED)
    return owners


def _walk(layers: list[Layer]) -> Iterable[tuple[str, Layer]]:
    """Give all layers, those inside of others too, each with what the names of its tensors begin with."""
    return chain.from_iterable(layer.walk(f"{index}.") for index, layer in enumerate(layers))


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


def _check_buffers(where: str, layer: Layer, replicas: int | None) -> None:
    """Refuse buffers that could not be read back."""
    declared = layer.buffer_shapes()
    found = {name: np.shape(array) for name, array in layer.buffers.items()}
    for name, shape in found.items():
        if name in declared and shape == _own_shape(declared[name], replicas):
            declared[name] = shape
    taken = {prefix + name for prefix, inner in layer.walk() if prefix for name in inner.buffers}
    if found and (found != declared or found.keys() & (layer._specs.keys() | taken)):
        raise ArgumentError(
            where,
            f"buffers as buffer_shapes() says, {declared}, with names that no parameter has",
            f"{found}",
            "Override buffer_shapes().",
        )
    if wrong := _wrong_numbers(layer):
        expected, got = wrong
        fix = (
            "Call its adapt(X) again."
            if layer.buffers
            else "Write running_variance[...] = 1, and train it anew."
        )
        raise ArgumentError(where, expected, got, fix)


def _wrong_numbers(layer: Layer) -> tuple[str, str] | None:
    """Return what a layer should hold that it has measured and does not, if so.

    Weights may be anything, also NaN: a model that went wrong can be kept to be looked at.
    """
    if (
        type(layer) is BatchNorm and (layer.running_variance < 0).any()
    ):  # of NaN too, a net may have gone wrong
        return "a running variance that is not below 0", f"{layer.running_variance.min()}"
    if type(layer) is not Standardize or not layer.buffers:
        return None
    if not np.isfinite(layer.mean).all():
        return "means that are finite", "NaN or infinity"
    if not (np.isfinite(layer.scale) & (layer.scale != 0)).all():
        return "scales that are finite and not 0", f"{np.min(layer.scale)} to {np.max(layer.scale)}"
    return None


def _misfit(encoder: Any, layer: Layer) -> tuple[str, str] | None:
    """Return which encoder fits the first layer, and which one there is, if they are of different tables."""
    while isinstance(layer, Chain):
        layer = layer.children[0]
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
    if (
        not isinstance(stored, dict)
        or stored.keys() != {"class", "state"}
        or stored["class"] != "TableEncoder"
    ):
        raise ModelFileError(name, "a TableEncoder as preprocessing", short(stored), _DAMAGED)
    return TableEncoder.from_dict(stored["state"])


def _entry(place: str, layer: Layer, in_blocks: bool) -> dict[str, Any]:
    """Return a layer in a form that JSON holds; `in_blocks` allows layers among its arguments."""
    import json

    cls = type(layer)
    if _LAYERS.get(cls.__name__, cls) is not cls:
        raise ArgumentError(
            f"save, layer {place}",
            "a class whose name is not that of a layer of nnlite",
            f"{cls.__name__}",
            "Rename your class.",
        )
    places = {id(child): f"{place}.{index}" for index, child in enumerate(layer.children)}

    def described(value: Any) -> Any:
        if isinstance(value, Initializer) and _INITIALIZERS.get(type(value).__name__) is type(value):
            return {"initializer": type(value).__name__, "config": value.config()}
        if any(value is used for used in layer._initializers.values()):
            return None  # an initializer of the user's own: the numbers that it drew are stored
        if not in_blocks:
            return value
        if isinstance(value, Layer):
            return _entry(places.get(id(value), place), value, in_blocks)
        if isinstance(value, list | tuple):
            return [described(one) for one in value]
        if isinstance(value, Mapping):
            if value.keys() in (_LAYER_KEYS, _INITIALIZER_KEYS):
                raise TypeError  # it would come back as a layer
            return {key: described(one) for key, one in value.items()}
        return value

    config = layer.config()
    try:
        written = {key: described(value) for key, value in config.items()}
        parse_json(json.dumps(written, allow_nan=False))
    except ArgumentError:  # of a layer inside
        raise
    except (TypeError, ValueError, RecursionError):
        raise ArgumentError(
            f"save, layer {place} {layer}",
            "arguments that JSON can hold",
            f"{config}",
            "Override config() to return plain numbers, strings and lists.",
        ) from None
    return {"class": cls.__name__, "config": written}


class _Maker:
    """Makes the layers of a file, and counts them; with `nested`, also those that are arguments of others."""

    def __init__(self, name: str, custom: dict[str, type[Layer]], *, nested: bool) -> None:
        self.name, self.custom, self.nested = name, custom, nested
        self.count = self.index = 0

    def all_of(self, entries: list[Any]) -> list[Layer]:
        """Make the layers of a model."""
        made = []
        for self.index, entry in enumerate(entries):
            made.append(self._layer(entry, 1))
        return made

    def _layer(self, entry: Any, depth: int) -> Layer:
        if (
            not isinstance(entry, dict)
            or entry.keys() != _LAYER_KEYS
            or not isinstance(entry["class"], str)
            or not isinstance(entry["config"], dict)
        ):
            raise ModelFileError(self.name, f"layer {self.index} as class and config", short(entry), _DAMAGED)
        self.count += depth
        if self.count > _MAX_LAYERS or depth > _MAX_DEPTH:
            most = f"at most {_MAX_LAYERS:,} layers, on {_MAX_DEPTH} levels"
            raise ModelFileError(self.name, most, "more", _DAMAGED)
        cls = self.custom.get(entry["class"]) or _LAYERS.get(entry["class"])
        if cls is None:
            shown = short(entry["class"])
            fix = f"For a layer of your own write load(path, custom_objects={{{shown}: its_class}})."
            raise ModelFileError(self.name, "layers of nnlite", shown, fix)
        if cls is Sequential and entry["config"].keys() != {"layers"}:
            got = short(sorted(entry["config"]))
            raise ModelFileError(self.name, "nothing but layers in a Sequential", got, _DAMAGED)
        made = cls(**{key: self._argument(value, depth) for key, value in entry["config"].items()})
        if len(made.input_shape or ()) > _MAX_AXES:
            most, got = f"samples of at most {_MAX_AXES} axes", f"{len(made.input_shape or ())}"
            raise ModelFileError(self.name, most, got, _DAMAGED)
        return made

    def _argument(self, value: Any, depth: int) -> Any:
        if self.nested and isinstance(value, list):
            return [self._argument(one, depth) for one in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == _INITIALIZER_KEYS:
            initializer = value["initializer"]
            if not isinstance(initializer, str) or initializer not in _INITIALIZERS:
                raise ModelFileError(self.name, "initializers of nnlite", short(initializer), _DAMAGED)
            return _INITIALIZERS[initializer](**value["config"])
        if not self.nested:
            return value
        if value.keys() == _LAYER_KEYS:
            return self._layer(value, depth + 1)
        return {key: self._argument(one, depth) for key, one in value.items()}
