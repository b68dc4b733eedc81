"""From the parameters of an estimator to the layers of its net, and their first weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.checks import check_integer, check_number
from nnlite.layers import (
    ELU,
    GELU,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Standardize,
    Tanh,
)
from nnlite.model import Sequential

__all__ = ["ACTIVATIONS", "NumberViews", "build", "dense_layers", "draw", "hidden_sizes"]

#: Names that `activation` takes. The first four are those of scikit-learn.
ACTIVATIONS: dict[str, type[Layer] | None] = {
    "identity": None,
    "logistic": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "elu": ELU,
    "gelu": GELU,
    "leaky_relu": LeakyReLU,
    "silu": SiLU,
    "softplus": Softplus,
}


class NumberViews(list[Any]):
    """A list of views of a net's parameters, in which an item cannot be replaced, only overwritten.

    ``views[0] = a`` writes the numbers of `a` into the net, as ``views[0][...] = a`` does.

    Examples
    --------
    >>> weights = np.zeros(2)
    >>> views = NumberViews([weights])
    >>> views[0] = [1, 2]
    >>> weights
    array([1., 2.])
    """

    def __setitem__(self, index: Any, value: Any) -> None:
        place = self[index]
        if not isinstance(index, Integral):
            raise ArgumentTypeError("coefs_", "the number of a layer", f"{index!r}", "Set one at a time.")
        numbers = np.asarray(value)
        if numbers.shape != place.shape:
            raise ShapeError(
                "coefs_", f"an array of shape {place.shape}", f"{numbers.shape}", "Fit anew for another net."
            )
        place[...] = numbers


def hidden_sizes(sizes: Any) -> list[int]:
    """Return the numbers of hidden neurons as a list.

    Parameters
    ----------
    sizes : int or sequence of int
        The candidate.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If one is not above 0.

    Examples
    --------
    >>> hidden_sizes(8), hidden_sizes((8, 4))
    ([8], [8, 4])
    """
    listed = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if any(isinstance(size, Real) and size <= 0 for size in listed):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {listed}.")
    return [check_integer("hidden_layer_sizes", size, low=1) for size in listed]


def _for_each(what: str, given: Any, hidden: int) -> list[Any]:
    """Give one item to each hidden layer, or to all the same."""
    if not isinstance(given, list | tuple):
        return [given] * hidden
    if len(given) != hidden:
        raise ArgumentError(
            f"{what}=",
            f"one for each of {hidden} hidden layers",
            f"{len(given)}",
            "Give as many, or only one.",
        )
    return list(given)


def _activation(given: Any) -> Layer | None:
    """Make a layer of a name; of a layer a copy, since each belongs to one place in one net."""
    if isinstance(given, Layer):
        return copy.deepcopy(given)
    if isinstance(given, type) and issubclass(given, Layer):
        raise ArgumentTypeError(
            "activation=", "a layer or a name", f"the class {given.__name__}", f"Write {given.__name__}()."
        )
    if not isinstance(given, str) or given not in ACTIVATIONS:
        raise ArgumentError(
            "activation=", f"a layer, or one of {', '.join(ACTIVATIONS)}", f"{given!r}", "Use one of these."
        )
    kind = ACTIVATIONS[given]
    return None if kind is None else kind()


def build(
    features: int,
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: Any,
    dropout: Any,
    scale_inputs: bool,
    layers: Sequence[Layer] | None,
    where: str,
) -> list[Layer]:
    """Make the layers of the net that an estimator describes.

    Parameters
    ----------
    features, outputs : int
        How many numbers go in and come out.
    hidden : sequence of int
        Neurons of the hidden layers.
    activation : str or Layer, or a list of them
        One for all hidden layers, or one for each.
    dropout : float or None, or a list of them
        Likewise.
    scale_inputs : bool
        Whether the net begins with `Standardize`.
    layers : sequence of Layer, optional
        A net of the user's own, in the place of the hidden layers and the last one.
    where : str
        Names the estimator in messages.

    Returns
    -------
    list of Layer

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an item cannot be used, or the sizes do not fit.

    Examples
    --------
    >>> build(2, [8], 1, activation="tanh", dropout=0.5, scale_inputs=False, layers=None, where="here")
    [Dense(2, 8), Tanh(), Dropout(0.5), Dense(8, 1)]
    """
    first: list[Layer] = [Standardize(features)] if scale_inputs else []
    if layers is not None:
        own = copy.deepcopy(list(layers))
        if not own or not all(isinstance(layer, Layer) for layer in own):
            raise ArgumentTypeError(
                f"{where}(layers=)", "a list of layers", f"{layers!r}", "Write layers=[nn.Dense(...), ...]."
            )
        return first + own
    chosen = _for_each("activation", activation, len(hidden))
    rates = _for_each("dropout", dropout, len(hidden))
    made = first
    for before, size, name, rate in zip([features, *hidden], hidden, chosen, rates, strict=False):
        made.append(Dense(before, size))
        layer = _activation(name)
        if layer is not None:
            made.append(layer)
        if rate is not None and check_number("dropout=", rate, low=0, high=1, high_open=True):
            made.append(Dropout(rate))
    made.append(Dense(hidden[-1] if hidden else features, outputs))
    return made


def check_sizes(model: Sequential, features: int, outputs: int, where: str) -> None:
    """Refuse a net of the user's own that does not fit the data.

    Parameters
    ----------
    model : Sequential
        The net.
    features, outputs : int
        What the data have, and what the loss wants.
    where : str
        Names the estimator in messages.

    Raises
    ------
    ShapeError
        If a width differs.
    """
    for shape, number, place, what in (
        (model.input_shape, features, 0, "inputs, the columns of X"),
        (model.output_shape, outputs, -1, "outputs, as the targets need them"),
    ):
        if shape is not None and shape != (number,):
            raise ShapeError(
                f"{where}(layers=)",
                f"a net with {number} {what}",
                f"{model.layers[place]}, for samples of shape {shape}",
                f"Give that layer {number} instead.",
            )


def dense_layers(model: Sequential) -> Iterator[Dense]:
    """Give the layers whose numbers are the coefficients of an estimator, from input to output."""
    return (layer for _, layer in model.walk() if isinstance(layer, Dense))


def draw(model: Sequential, activation: Any, random_state: np.random.RandomState) -> None:
    """Fill in first weights by Glorot's uniform rule, drawn in the order in which scikit-learn draws.

    Weights and biases of a layer are drawn between plus and minus ``sqrt(6 / (inputs + outputs))``, or
    ``sqrt(2 / ...)`` in front of the logistic function.

    Parameters
    ----------
    model : Sequential
        What is filled in.
    activation : str or Layer, or a list of them
        That of the hidden layers.
    random_state : numpy.random.RandomState
        Draws the numbers.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010.
    """
    dense = list(dense_layers(model))
    # The last layer takes its rule from the hidden layer before it.
    names = _for_each("activation", activation, len(dense) - 1)
    names.append(names[-1] if names else activation)
    for layer, name in zip(dense, names, strict=True):
        logistic = name == "logistic" if isinstance(name, str) else isinstance(name, Sigmoid)
        bound = np.sqrt((2.0 if logistic else 6.0) / (layer.in_features + layer.out_features))
        layer.W[...] = random_state.uniform(-bound, bound, layer.W.shape)
        layer.b[...] = random_state.uniform(-bound, bound, layer.out_features)
