"""Weights to and from PyTorch and Keras, under the names and in the layout that they have there.

Neither package is needed to import this module. What is handed over is numbers: the other side
makes a net of the same shape, layer for layer, and the numbers fit. docs/other_frameworks.md has
the twin of each layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np

from nnlite.core import model as core
from nnlite.core.aliases import Array
from nnlite.core.chain import Chain
from nnlite.core.parameters import Parameters
from nnlite.data.checks import check_rows
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError, ShapeError
from nnlite.errors.checks import check_bool
from nnlite.exchange.checks import check_single, warn_of_rounding
from nnlite.exchange.description import AS_HERE, Description, Layout
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.layers import Dense, Flatten, Input, Layer, ParameterGroup, Permute, Reshape, Standardize
from nnlite.layers.composition import Branches
from nnlite.layers.pooling import GlobalPooling
from nnlite.layers.windows import Sliding
from nnlite.model import Sequential

__all__ = ["from_keras_weights", "from_torch_state_dict", "to_keras_weights", "to_torch_state_dict"]


def to_torch_state_dict(
    model: Sequential, *, fold_standardize: bool | None = None, as_numpy: bool = False
) -> dict[str, Any]:
    """Return the weights as the state dict of a ``torch.nn.Sequential`` of the same shape.

    Each layer has the same place there: `Dense` is ``torch.nn.Linear``, `Embedding` is
    ``torch.nn.Embedding`` with all its rows, `BatchNorm` is ``torch.nn.BatchNorm1d`` with its running
    statistics, an activation or `Dropout` is PyTorch's own and has no entries. A layer of your own
    keeps the names and shapes of its parameters. `Conv2D` is ``torch.nn.Conv2d``, whose images have their
    channels in front: the net there takes ``x.transpose(0, 3, 1, 2)``, and a Dense layer behind its
    ``torch.nn.Flatten`` has its rows in that order. Layers inside of `Residual`, or of another
    `Sequential`, have their places in that one: ``"1.0.weight"``. `Input` has a place too, which
    ``torch.nn.Identity()`` takes there.

    Parameters
    ----------
    model : Sequential
        A single net.
    fold_standardize : bool, optional
        What becomes of `Standardize`, which PyTorch has not. True puts it into the weights of
        the Dense layer right behind it, and ``torch.nn.Identity()`` takes its place. False
        leaves it out: whatever stands in its place there must do the same. It must be given
        if there is one.
    as_numpy : bool
        Whether the values are NumPy arrays, for which PyTorch need not be installed.

    Returns
    -------
    dict of str to torch.Tensor, or to ndarray
        Copies, in the dtype of the model, in the order of PyTorch: ``"0.weight"`` of shape
        (out_features, in_features), ``"0.bias"`` of shape (out_features,), and so on.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If that is no model, it has replicas, `fold_standardize` is needed and not given, or
        there is no Dense layer with a bias behind a layer that is to be folded.
    NotFittedError
        If a layer is to be folded that has seen no data.
    ModuleNotFoundError
        If PyTorch is needed and not installed.

    Notes
    -----
    ``num_batches_tracked`` of ``torch.nn.BatchNorm1d`` is not given: nothing here counts batches. In a
    plain dict, as this one is, ``load_state_dict(strict=True)`` does not ask for it.

    Folding is exact but for rounding: ``(x - mean) / scale @ W + b`` is
    ``x @ (W / scale) + (b - mean / scale @ W)``. Where the mean is a thousand times the scale, as
    in years, three digits of float32 are lost in the difference.

    Examples
    --------
    >>> from nnlite import Dense, Sequential, Tanh
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
    >>> {key: value.shape for key, value in to_torch_state_dict(model, as_numpy=True).items()}
    {'0.weight': (8, 2), '0.bias': (8,), '2.weight': (1, 8), '2.bias': (1,)}
    """
    where = "to_torch_state_dict"
    numbers = _take(where, model, fold_standardize)
    numbers |= {name: _rows_turned(numbers[name], shape) for name, shape in _flattened(where, model).items()}
    arrays = {
        own.place + key: np.ascontiguousarray(array)
        for own in _layers(model, "torch")
        for key, array in own.there(numbers).items()
    }
    if check_bool(f"{where}(as_numpy=)", as_numpy):
        return arrays
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{where}: expected torch to be installed, got no such package. "
            "Install PyTorch, or write as_numpy=True for NumPy arrays.",
            name=error.name,
        ) from error
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def from_torch_state_dict(
    model: Sequential, state_dict: Mapping[str, Any], *, fold_standardize: bool | None = None
) -> None:
    """Fill a model with the weights of a ``torch.nn.Sequential`` of the same shape.

    Everything is checked before the first number is written.

    Parameters
    ----------
    model : Sequential
        A single net, layer for layer of the same shape.
    state_dict : mapping of str to torch.Tensor or ndarray
        What ``state_dict()`` gives there, with the keys of `to_torch_state_dict`; what is called
        ``num_batches_tracked`` is passed over. Of a model that begins with `Input` the keys may also be those
        of a net that has nothing in its place, each one lower. Numbers of a narrower dtype than the model's
        are taken, those of a wider one are not: cast them.
    fold_standardize : bool, optional
        Whether the weights behind a `Standardize` of the model were made for numbers that are
        not standardised, so that it has to be taken out of them: True for what
        `to_torch_state_dict` gave with True. It must be given if there is such a layer.

    Raises
    ------
    ArgumentTypeError, ArgumentError, NotFittedError
        As `to_torch_state_dict`; also if keys are missing or unknown, or a dtype is too wide.
    ShapeError
        If a tensor has another shape.

    Examples
    --------
    >>> from nnlite import Dense, Sequential
    >>> model, other = Sequential([Dense(2, 1)], rng=0), Sequential([Dense(2, 1)], rng=1)
    >>> from_torch_state_dict(other, to_torch_state_dict(model, as_numpy=True))
    >>> bool((other.params.values == model.params.values).all())
    True
    """
    where = "from_torch_state_dict"
    folded = _check_model(where, model, fold_standardize)
    place = f"{where}(state_dict)"
    if not isinstance(state_dict, Mapping):
        is_module = hasattr(state_dict, "state_dict")
        fix = "Write module.state_dict()." if is_module else "Give what state_dict() of a module returns."
        raise ArgumentTypeError(place, "a dict of tensors", type(state_dict).__name__, fix)
    every = [(own, own.there(model.params)) for own in _layers(model, "torch")]
    wanted = [own.place + key for own, theirs in every for key in theirs]
    unused = _torch_only(model)
    given = [str(key) for key in state_dict]
    names = {key: key for key in wanted}
    if type(model[0]) is Input and {*given} - {*map(_one_lower, unused)} == {*map(_one_lower, wanted)}:
        names = {key: _one_lower(key) for key in wanted}  # nothing stands in its place there
    else:
        _check_keys(place, wanted, given, unused)
    found = {}
    for own, theirs in every:
        read = {
            key: _read(
                f"{where}(state_dict[{(name := names[own.place + key])!r}])", state_dict[name], like, own
            )
            for key, like in theirs.items()
        }
        found.update(own.back(read))
    for name, shape in _flattened(where, model).items():
        found[name] = _rows_turned(found[name], shape, back=True)
    _put(where, model, found, folded)


def to_keras_weights(model: Sequential, *, fold_standardize: bool | None = None) -> list[Array]:
    """Return the weights as ``set_weights`` of a ``keras.Sequential`` of the same shape takes them.

    `Dense` is ``keras.layers.Dense``, whose kernel and bias have nnlite's layout, and `Embedding`
    is ``keras.layers.Embedding`` with all its rows. `BatchNorm` is ``keras.layers.BatchNormalization``,
    which keeps its running statistics behind gamma and beta. Layers without parameters have no entries,
    and those inside of others follow each other as they do here.

    Parameters
    ----------
    model : Sequential
        A single net.
    fold_standardize : bool, optional
        What becomes of `Standardize`. True puts it into the weights of the Dense layer right
        behind it, and nothing takes its place. False leaves it out:
        ``keras.layers.Normalization(mean=layer.mean, variance=layer.scale**2)``, which has no
        weights either, does the same. It must be given if there is one.

    Returns
    -------
    list of ndarray
        Copies, in the dtype of the model: kernel of shape (in_features, out_features) and bias
        of shape (out_features,) of each Dense layer, from input to output.

    Raises
    ------
    ArgumentTypeError, ArgumentError, NotFittedError
        As `to_torch_state_dict`.

    Examples
    --------
    >>> from nnlite import Dense, Sequential, Tanh
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
    >>> [weight.shape for weight in to_keras_weights(model)]
    [(2, 8), (8,), (8, 1), (1,)]
    """
    numbers = _take("to_keras_weights", model, fold_standardize)
    every = (own.there(numbers).values() for own in _layers(model, "keras"))
    return [np.ascontiguousarray(array) for arrays in every for array in arrays]


def from_keras_weights(
    model: Sequential, weights: Sequence[Any], *, fold_standardize: bool | None = None
) -> None:
    """Fill a model with the weights of a ``keras.Sequential`` of the same shape.

    Everything is checked before the first number is written.

    Parameters
    ----------
    model : Sequential
        A single net, layer for layer of the same shape.
    weights : list of ndarray
        What ``get_weights()`` gives there. Numbers of a narrower dtype than the model's are
        taken, those of a wider one are not: cast them.
    fold_standardize : bool, optional
        As for `from_torch_state_dict`.

    Raises
    ------
    ArgumentTypeError, ArgumentError, NotFittedError
        As `to_torch_state_dict`; also if a dtype is too wide.
    ShapeError
        If there are more or fewer arrays, or one has another shape.

    Examples
    --------
    >>> from nnlite import Dense, Sequential
    >>> model, other = Sequential([Dense(2, 1)], rng=0), Sequential([Dense(2, 1)], rng=1)
    >>> from_keras_weights(other, to_keras_weights(model))
    >>> bool((other.params.values == model.params.values).all())
    True
    """
    where = "from_keras_weights"
    folded = _check_model(where, model, fold_standardize)
    place = f"{where}(weights)"
    if not isinstance(weights, list | tuple):
        is_model = hasattr(weights, "get_weights")
        fix = "Write model.get_weights()." if is_model else "Give what get_weights() of a model returns."
        raise ArgumentTypeError(place, "a list of arrays", type(weights).__name__, fix)
    every = [(own, own.there(model.params)) for own in _layers(model, "keras")]
    shapes = [array.shape for _, theirs in every for array in theirs.values()]
    if len(weights) != len(shapes):
        expected = f"{len(shapes)} arrays, of shapes {shapes}"
        given = [getattr(weight, "shape", type(weight).__name__) for weight in weights]
        got = f"{len(weights)}, of shapes {given}"
        raise ShapeError(place, expected, got, "Give the weights of a net of the same layers.")
    found, number = {}, count()
    for own, theirs in every:
        read = {
            key: _read(f"{where}(weights[{(n := next(number))}])", weights[n], like, own)
            for key, like in theirs.items()
        }
        found.update(own.back(read))
    _put(where, model, found, folded)


class _Own(NamedTuple):
    """What a layer has itself, beside those that it is made of, and how a library has it."""

    place: str
    layer: Layer
    layout: Layout

    def ours(self, numbers: Parameters | Mapping[str, Array]) -> dict[str, Array]:
        """Return its numbers, of those of all, by the names that it has for them."""
        return {name: numbers[self.place + name] for name in self.layer._own()}

    def there(self, numbers: Parameters | Mapping[str, Array]) -> dict[str, Array]:
        """Return its numbers as the library has them."""
        return self.layout.there(self.layer, self.ours(numbers))

    def back(self, numbers: dict[str, Array]) -> dict[str, Array]:
        """Return its numbers by their names in the model, from what the library has."""
        found = self.layout.back(self.layer, numbers)
        return {self.place + name: array for name, array in found.items()}


def _known(layer: Layer) -> Description | None:
    """Return what the layer is, or what it inherits from; of one of the user's own nothing is known."""
    return next((DESCRIPTIONS[kind] for kind in type(layer).__mro__ if kind in DESCRIPTIONS), None)


def _layers(model: Sequential, library: Literal["torch", "keras"]) -> list[_Own]:
    """List all layers with numbers of their own from input to output, as PyTorch and Keras do."""
    return [
        _Own(place, layer, getattr(known, f"{library}_layout") if (known := _known(layer)) else AS_HERE)
        for place, layer in model.walk()
        if layer._own()
    ]


def _flattened(where: str, model: Sequential) -> dict[str, tuple[int, ...]]:
    """Find the weights behind flattened images, and the shape of these: PyTorch has other rows there.

    Its convolutions and poolings take channels-first samples, and its Flatten gives all places of the first
    channel, then those of the second. Without such layers before it a Flatten is the same here and there.
    """
    found: dict[str, tuple[int, ...]] = {}
    _flatten(where, model, "", (False, None), found)
    return found


#: Whether the channels are in front there, and of which shape samples were flattened so.
_State = tuple[bool, tuple[int, ...] | None]


def _flatten(where: str, model: Layer, prefix: str, state: _State, found: dict[str, Any]) -> _State:
    """Find those in a layer that holds others; return what is so behind the last one."""
    first, shape = state
    for index, layer in enumerate(model.children):
        if isinstance(model, Branches):  # each gets what comes in
            first, shape = state
        place = f"{prefix}{index}."
        if layer.children:
            first, shape = _flatten(where, layer, place, (first, shape), found)
            if not isinstance(layer, core.Sequential | ParameterGroup):
                first, shape = any(isinstance(one, Sliding) for _, one in layer.walk()), None
        elif isinstance(layer, Sliding):
            first = True
        elif type(layer) is Flatten:
            first, shape = False, layer.shape if first else None
        elif shape is not None and layer.parameter_names:
            if type(layer) is not Dense:
                fix = "Put it in front of Flatten, or behind the Dense layer."
                what = "a Dense layer behind images that are flattened"
                got = "one whose numbers have another order there"
                raise ArgumentError(f"{where}: layer {place[:-1]} {layer}", what, got, fix)
            found[f"{place}W"], shape = shape, None
        elif isinstance(layer, GlobalPooling | Permute | Reshape):
            first = False
    return first, shape


def _rows_turned(W: Array, shape: tuple[int, ...], *, back: bool = False) -> Array:
    """Bring rows for (height, width, channels) into the order of (channels, height, width), or back."""
    *places, channels = shape
    given = (channels, *places) if back else shape
    turned = np.moveaxis(W.reshape(*given, W.shape[-1]), *((0, -2) if back else (-2, 0)))
    return turned.reshape(W.shape)


def _one_lower(key: str) -> str:
    """Return the key that a tensor has in a net without the first layer of ours."""
    index, _, rest = key.partition(".")
    return f"{int(index) - 1}.{rest}"


def _torch_only(model: Sequential) -> set[str]:
    """Return the keys that PyTorch has beyond those, and that nothing needs here."""
    every = ((place, _known(layer)) for place, layer in model.walk())
    return {place + name for place, known in every if known for name in known.torch_only}


# What is checked first.


def _check_model(where: str, model: Any, fold_standardize: bool | None) -> dict[str, Standardize]:
    """Check the model; return the Standardize that is folded into a Dense layer, by the place of that."""
    check_single(where, model)
    if fold_standardize is not None:
        fold_standardize = check_bool(f"{where}(fold_standardize=)", fold_standardize)
    folded = {}
    for prefix, holder in model.walk():
        # Of branches none is behind another, and of layers that a class of the user's own holds nobody knows.
        in_a_row = holder is model or (isinstance(holder, Chain) and _known(holder) is not None)
        for index, layer in enumerate(holder.children):
            place = f"{where}: layer {prefix}{index} {layer}"
            if type(layer) is Standardize:  # a subclass computes something else
                if fold_standardize is None:
                    raise ArgumentError(
                        place,
                        "a layer that the other library has too, or fold_standardize=",
                        "Standardize, which it has not",
                        "Write fold_standardize=True to have it in the weights of the layer behind it, or "
                        "False if something else there does what it does.",
                    )
                if fold_standardize:
                    behind = holder.children[index + 1 : index + 2] if in_a_row else ()
                    folded[f"{prefix}{index + 1}."] = _check_foldable(place, layer, behind)
            elif buffers := {**layer.buffer_shapes(), **layer.buffers}:
                names = ", ".join(buffers)
                fix = "Hand them over yourself, or make them parameters."
                raise ArgumentError(place, "a layer without buffers", f"one with {names}", fix)
    return folded


def _check_foldable(place: str, layer: Standardize, behind: Sequence[Layer]) -> Standardize:
    if not layer.adapted:
        fix = "Call its adapt(X), or fit the model."
        raise NotFittedError(place, "the mean and scale to be known", "a layer that has seen no data", fix)
    if not behind or type(behind[0]) is not Dense or not behind[0].bias:
        raise ArgumentError(
            place,
            "a Dense layer with a bias right behind it, to be folded into",
            f"{behind[0]}" if behind else "no layer",
            "Write fold_standardize=False, and standardise in the other library.",
        )
    return layer


def _check_keys(place: str, wanted: list[str], given: list[str], unused: set[str]) -> None:
    given = [key for key in given if key not in unused]
    missing = [key for key in wanted if key not in given]
    unknown = [key for key in given if key not in wanted]
    if not missing and not unknown:
        return
    fix = "Each key is the place of the layer in the model, a dot, and weight or bias."
    prefix = given[0][: -len(wanted[0])] if given and wanted and given[0].endswith(wanted[0]) else ""
    if prefix and [key for key in given if key.removeprefix(prefix) not in unused] == [
        prefix + key for key in wanted
    ]:
        fix = f"Write {{key.removeprefix({prefix!r}): value for key, value in state_dict.items()}}."
    got = f"none called {', '.join(map(repr, missing))}" if missing else ""
    if unknown:
        got += f"{' but ' if got else ''}{', '.join(map(repr, unknown))}{'' if missing else ' too'}"
    raise ArgumentError(place, f"the keys {', '.join(wanted) or 'of no parameters'}", got, fix)


def _read(where: str, value: Any, like: Array, own: _Own) -> Array:
    """Return one array of the other library as a copy in the dtype of the model."""
    array, dtype = check_rows(where, value), like.dtype
    if array.shape != like.shape:
        what = f"It is of layer {own.place[:-1]} {own.layer}."
        raise ShapeError(where, f"shape {like.shape}", f"shape {array.shape}", what)
    if not np.can_cast(array.dtype, dtype, "safe"):
        raise ArgumentTypeError(
            where,
            f"numbers that {dtype} holds without loss",
            f"dtype {array.dtype}",
            f"Cast them to {dtype} before, or make the model with dtype=np.float64.",
        )
    return array.astype(dtype)


# The numbers, in nnlite's own layout.


def _take(where: str, model: Any, fold_standardize: bool | None) -> dict[str, Array]:
    """Return copies of all parameters, each Standardize that is to be folded in them."""
    folded = _check_model(where, model, fold_standardize)
    if folded:
        warn_of_rounding(where, model)
    numbers = {
        own.place + name: array.copy()
        for own in _layers(model, "torch")
        for name, array in own.ours(model.params).items()
    }
    _change(where, numbers, folded, fold=True)
    return numbers


def _put(where: str, model: Sequential, numbers: dict[str, Array], folded: dict[str, Standardize]) -> None:
    """Write all parameters, after each Standardize that was folded has been taken out of them."""
    _change(where, numbers, folded, fold=False)
    for name, array in numbers.items():
        model.params[name][...] = array


def _change(where: str, numbers: dict[str, Array], folded: dict[str, Standardize], *, fold: bool) -> None:
    """Change the weights behind each Standardize: take it into them, or out of them again."""
    for place, layer in folded.items():
        names = f"{place}W", f"{place}b"
        exact = (numbers[names[0]], numbers[names[1]], layer.mean, layer.scale[:, None])
        W, b, mean, scale = (array.astype(np.float64) for array in exact)
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            new_W = W / scale if fold else W * scale
            new_b = b - mean @ new_W if fold else b + mean @ W
        for name, exactly in zip(names, (new_W, new_b), strict=True):
            old = numbers[name]
            with np.errstate(over="ignore"):
                new = exactly.astype(old.dtype)
            # Weights that are not finite to begin with are nobody's fault here.
            if np.isfinite(old).all() and not np.isfinite(new).all():
                raise ArgumentError(
                    f"{where}(fold_standardize=)",
                    f"weights that {old.dtype} holds",
                    f"larger ones in {name}, from a scale far from 1",
                    "Write fold_standardize=False, and standardise in the other library.",
                )
            numbers[name] = new
