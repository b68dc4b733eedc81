"""What is said of a layer, a net or its arrays that are put together or used in a way that cannot be."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.habits import layer_for

__all__ = [
    "check_block",
    "check_chosen",
    "check_drawn",
    "check_features",
    "check_frozen",
    "check_initializer",
    "check_known",
    "check_layers",
    "check_names",
    "check_new",
    "check_views",
    "is_part",
    "no_gradients",
    "other_branch",
    "refuse_new_array",
    "token_embedding",
    "too_large",
    "without_inner",
    "wrong_dx",
    "wrong_dy",
    "wrong_features",
    "wrong_width",
]

Array = NDArray[np.floating[Any]]


def check_layers(
    owner: str, call: str, layers: Any, base: type, *, holds: bool, name: str = "layers"
) -> None:
    """Refuse what cannot become the layers of a model, or of a layer that is made of others.

    Parameters
    ----------
    owner, call : str
        The class whose they will be, and the method that takes them, which may be empty.
    layers : object
        The candidates.
    base : type
        What each of them must be.
    holds : bool
        Whether there are some already.
    name : str
        What the argument is called.

    Raises
    ------
    ArgumentTypeError
        If one of them is no layer.
    ArgumentError
        If there is none, or one of them is there twice, or belongs to another layer or model, or if there are
        some already.
    """
    kind = f"{owner}{': ' if call else ''}{call}"
    if not isinstance(layers, list | tuple):
        fix = f"Write {call or kind}([...])."
        raise ArgumentTypeError(f"{kind}({name})", "a list of layers", f"{layers!r}", fix)
    if not layers:
        raise ArgumentError(f"{kind}({name})", "at least one layer", "an empty list", "Add a Dense layer.")
    if holds:
        got = "a second list"
        raise ArgumentError(f"{kind}({name})", "one list of layers", got, "Hold all layers at once.")
    seen: dict[int, int] = {}
    for index, layer in enumerate(layers):
        where = f"{kind}({name}[{index}])"
        if not isinstance(layer, base):
            got = f"the class {layer.__name__}" if isinstance(layer, type) else f"{layer!r}"
            raise ArgumentTypeError(where, "a layer", got, layer_for(layer))
        if id(layer) in seen:
            got, fix = f"the same {layer} as at {seen[id(layer)]}", "Make a new layer for each place."
            raise ArgumentError(where, "a layer that is not in the list yet", got, fix)
        if layer._in_model:  # type: ignore[attr-defined]
            got = f"{layer}, which belongs to one"
            fix = "Make a new layer, or use copy.deepcopy(layer) to take its weights along."
            raise ArgumentError(where, "a layer that is in no model and no other layer yet", got, fix)
        seen[id(layer)] = index


def check_new(cls: type, name: str, kind: type, known: Iterable[str]) -> None:
    """Refuse to declare a parameter that the class body does not name, or one twice.

    Parameters
    ----------
    cls : type
        The class of the layer.
    name : str
        What it declares.
    kind : type
        What stands under that name in the class body.
    known : iterable of str
        What it has declared before.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it cannot.
    """
    where = f"{cls.__name__}.declare"
    if not isinstance(getattr(cls, name, None), kind):
        fix = f"Add the line `{name} = Parameter()` to the class."
        raise ArgumentTypeError(where, f"a Parameter called {name!r} in the class body", "none", fix)
    if name in known:
        raise ArgumentError(where, "a new name", f"{name!r} twice", "Declare it once.")


def check_initializer(cls: type, initializer: Any) -> None:
    """Refuse what cannot be called with a generator and a shape.

    Examples
    --------
    >>> check_initializer(object, None)
    """
    if initializer is not None and (isinstance(initializer, type) or not callable(initializer)):
        got = f"the class {initializer.__name__}" if isinstance(initializer, type) else f"{initializer!r}"
        fix = "Give an instance such as nnlite.initializers.HeNormal()."
        raise ArgumentTypeError(f"{cls.__name__}(initializer)", "a callable (rng, shape) -> array", got, fix)


def check_drawn(layer: object, name: str, drawn: Array, shape: tuple[int, ...]) -> None:
    """Refuse what an initializer gave in another shape than it was asked for.

    Examples
    --------
    >>> check_drawn("here", "W", np.zeros((2, 3)), (2, 3))
    """
    if drawn.shape != shape:
        expected = f"the initializer of {name} to give shape {shape}"
        fix = "An initializer takes (rng, shape) and returns an array of that shape."
        raise ArgumentError(f"{layer}.initialize", expected, f"{drawn.shape}", fix)


def check_known(where: str, name: str, names: Collection[str]) -> str:
    """Return a name if it is one of those, and say which there are if it is not.

    Examples
    --------
    >>> check_known("Parameters", "0.W", ["0.W", "0.b"])
    '0.W'
    """
    if name not in names:
        known = ", ".join(names) or "no parameters"
        raise ArgumentError(where, f"one of {known}", f"{name!r}", "Use a name from that list.")
    return name


def check_names(names: Sequence[str]) -> None:
    """Refuse two parameters of one name.

    Examples
    --------
    >>> check_names(["0.W", "0.b"])
    """
    if len(set(names)) < len(names):
        fix = "Give every parameter its own name."
        raise ArgumentError("Parameters", "names that differ", f"{sorted(names)}", fix)


def check_frozen(names: Any, known: Collection[str]) -> frozenset[str]:
    """Return the names of parameters that training shall leave as they are, or say what is wrong with them.

    Examples
    --------
    >>> check_frozen(["0.W"], ["0.W", "0.b"])
    frozenset({'0.W'})
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        fix = "Write {'0.W'}, for instance."
        raise ArgumentTypeError("Parameters.frozen", "names of parameters", f"{names!r}", fix)
    return frozenset(check_known("Parameters", name, known) for name in names)


def too_large(numbers: int, dtype: np.dtype[Any]) -> ArgumentError:
    """Make the error for a net that does not fit into memory.

    Examples
    --------
    >>> too_large(10**15, np.dtype("float32")).got
    '1,000,000,000,000,000 numbers of float32'
    """
    got = f"{numbers:,} numbers of {dtype.name}"
    return ArgumentError("Parameters", "a size that fits into memory", got, "Make the layers smaller.")


def check_chosen(layer: object, names: Sequence[str], known: Collection[str]) -> set[str]:
    """Return some parameters of a layer, all that it has if none is named, or say which there are not.

    Examples
    --------
    >>> check_chosen("Dense(2, 3)", ["W"], ["W", "b"])
    {'W'}
    """
    if names and not known:
        raise ArgumentError(f"{layer}", "a layer with parameters", "one without", "Name another layer.")
    return {check_known(f"{layer}", name, known) for name in names or known}


def check_views(where: str, grads: Any, size: int) -> None:
    """Refuse what gradients cannot be written to.

    Examples
    --------
    >>> check_views("here", np.zeros((5, 3)), 3)
    """
    fix = "Write np.zeros_like(model.params.grads)."
    if not isinstance(grads, np.ndarray):
        raise ArgumentTypeError(where, "an ndarray to write to", type(grads).__name__, fix)
    if grads.shape[-1:] != (size,):
        raise ShapeError(where, f"an array of shape (..., {size})", f"{grads.shape}", fix)


def check_features(layer: Any, x: Array) -> None:
    """Refuse rows of another width than a layer has `features`.

    Examples
    --------
    >>> from nnlite import LayerNorm
    >>> check_features(LayerNorm(2), np.zeros((5, 2)))
    """
    if x.ndim < 2 or x.shape[-1] != layer.features:
        raise wrong_features(layer, layer.features, x.shape)


def wrong_features(layer: object, features: int, got: tuple[int, ...]) -> ShapeError:
    """Make the error for an input of another width than a layer takes.

    Examples
    --------
    >>> print(wrong_features("Dense(2, 1)", 2, (5, 3)))
    Dense(2, 1): expected input of shape (batch, 2), got (5, 3). The last axis holds the features, the one
        before it the batch.
    """
    fix = "The last axis holds the features, the one before it the batch."
    return ShapeError(f"{layer}", f"input of shape (batch, {features})", f"{got}", fix)


def wrong_width(layers: Sequence[object], index: int, wanted: Any, given: Any) -> ShapeError:
    """Make the error for a layer that does not take what the one before it gives.

    Examples
    --------
    >>> print(wrong_width(["Dense(2, 3)", "Dense(4, 1)"], 1, (4,), (3,)))
    layer 1 Dense(4, 1): expected input of shape (batch, 4), got (batch, 3). The layer before, Dense(2, 3),
        gives (batch, 3).
    """
    remedy = _remedy(layers[index], layers[index - 1], wanted, given)
    wanted, given = (f"(batch, {sizes_of(shape)})" for shape in (wanted, given))
    fix = f"The layer before, {layers[index - 1]}, gives {given}.{remedy and ' '}{remedy}"
    return ShapeError(f"layer {index} {layers[index]}", f"input of shape {wanted}", given, fix)


def _remedy(layer: Any, before: Any, wanted: tuple[Any, ...], given: tuple[Any, ...]) -> str:
    """Say what to write so that a layer takes what the one before it gives, where that is known."""
    name, ranks = type(layer).__name__, (len(given), len(wanted))
    same = given[-1] == wanted[-1]
    if name == "Flatten" and None not in given:
        return f"Write Flatten({given})." if ranks[0] > 1 else "Leave Flatten out."
    if name.startswith("Global") and ranks == (2, 3):
        return f"Write {name}(1)."
    if ranks == (1, 1) and (tokens := token_embedding(layer)):
        return f"For sequences of ids write {tokens}."
    if ranks == (1, 2) and (tokens := token_embedding(before)):
        return f"For sequences of ids write {tokens}."
    if ranks == (1, 2) and getattr(before, "sequences", None) is False:
        return f"Write sequences=True in {before}."
    if ranks[1] == 1 < ranks[0]:
        numbers = None if None in given else math.prod(given)
        if hasattr(layer, "ndim") and numbers != wanted[0]:
            return f"Write {name}({given[-1]}, ndim={len(given)})."
        if same and ranks[0] == 2:
            return f"Write TimeDistributed([{layer}]) for each step."
        if numbers is None:
            return "Put Input at the front, with the sizes, and Flatten between."
        if numbers == wanted[0] or not same:
            more = "" if numbers == wanted[0] else f", which gives {numbers} numbers"
            return f"Put Flatten({given}) between{more}."
    if type(before).__name__ == "Input" and wanted[-1] is not None:
        if ranks[0] == ranks[1] and given[0] == wanted[-1]:
            return f"The last axis holds the channels: Input({(*given[1:], given[0])})."
        if ranks == (2, 3) and wanted[-1] == 1:
            return f"Write Input({(*given, 1)})."
    return ""


def token_embedding(layer: Any) -> str:
    """Return the layer for sequences of ids that is meant by an `Embedding` of one column; "" of any other.

    Examples
    --------
    >>> from nnlite import Embedding
    >>> token_embedding(Embedding(21, 8)), token_embedding(Embedding([2, 3], 8))
    ('TokenEmbedding(21, 8)', '')
    """
    if type(layer).__name__ != "Embedding" or layer.numeric or len(layer.categories) != 1:
        return ""
    return f"TokenEmbedding({layer.categories[0]}, {layer.features})"


def sizes_of(shape: Sequence[int | None]) -> str:
    """Write the sizes of a sample; an axis that may have any size is open.

    Examples
    --------
    >>> sizes_of((None, None, 3))
    'any, any, 3'
    """
    return ", ".join("any" if size is None else str(size) for size in shape)


def check_block(before: tuple[int, ...] | None, behind: tuple[int, ...] | None) -> None:
    """Refuse a block whose output cannot be added to its input.

    Examples
    --------
    >>> check_block((3,), (3,))
    """
    if before is not None and behind != before:
        what = f"layers that give the shape that they take, ({sizes_of(before)})"
        fix = "End the block with a layer that gives as many numbers as the first one takes."
        got = "another one" if behind is None else f"({sizes_of(behind)})"
        raise ShapeError("Residual(layers)", what, got, fix)


def other_branch(
    kind: str, branches: Sequence[object], index: int, what: str, got: Any, first: Any
) -> ShapeError:
    """Make the error for a branch that takes, or gives, another shape than those before it.

    Examples
    --------
    >>> print(other_branch("Add", ["Dense(2, 3)", "Dense(2, 4)"], 1, "output", (4,), (3,)))
    Add(branches[1] Dense(2, 4)): expected output of shape (batch, 3), as that of the branches before, got
        (batch, 4). Change it, or those before.
    """
    where = f"{kind}(branches[{index}] {branches[index]})"
    expected = f"{what} of shape (batch, {sizes_of(first)}), as that of the branches before"
    return ShapeError(where, expected, f"(batch, {sizes_of(got)})", "Change it, or those before.")


def wrong_dy(chain: object, got: tuple[int, ...], wanted: tuple[int, ...] | None) -> ArgumentError:
    """Make the error for blame of another shape than the output, or where no output has been.

    Examples
    --------
    >>> wrong_dy("Sequential([...])", (5,), (5, 1)).expected
    'the shape of the output, (5, 1)'
    """
    if wanted is None:
        fix = "Give both the same: for layer, kept in self.held(ctx): x = layer.forward(x, kept)."
        what = "the context that its forward got"
        return ArgumentError(f"{chain}.backward", what, "an empty one", fix)
    fix = "Give what the loss returned; a loss of your own must not broadcast (n, 1) against (n,)."
    where = f"{type(chain).__name__}.backward(dy)"
    return ShapeError(where, f"the shape of the output, {wanted}", f"{got}", fix)


def wrong_dx(place: str, layer: object, shape: tuple[int, ...], dx: Any) -> ArgumentTypeError:
    """Make the error for a ``backward`` that gives no dL/dx, or one of another shape than its input.

    Examples
    --------
    >>> print(wrong_dx("1", "Tanh()", (5, 2), None))
    layer 1 Tanh().backward: expected dL/dx of shape (5, 2), that of its input, got None. End it with
        `return dx`.
    """
    where, what = f"layer {place} {layer}.backward", f"dL/dx of shape {shape}, that of its input"
    if dx is None:
        return ArgumentTypeError(where, what, "None", "End it with `return dx`.")
    fix = "nnlite.testing.check_layer says what is wrong with it."
    return ArgumentTypeError(where, what, f"{dx.shape}", fix)


def refuse_new_array(where: str, thing: str = "") -> NoReturn:
    """Refuse an array in the place of one that others look into.

    Parameters
    ----------
    where : str
        The place, as the message names it.
    thing : str
        The place, as a user writes it; the same by default.

    Raises
    ------
    ArgumentError
        Always.
    """
    fix = f"Write {thing or where}[...] = a."
    raise ArgumentError(where, "to be written in place", "a new array", fix)


def is_part(model: str) -> ArgumentError:
    """Make the error for a model whose numbers are those of another one, which it is a part of.

    Examples
    --------
    >>> is_part("Sequential").got
    'one that is a layer of another'
    """
    got = "one that is a layer of another"
    fix = "Train, save and copy the whole model, or take this part out of it: copy.deepcopy(part)."
    return ArgumentError(f"{model}.params", "a model on its own", got, fix)


def no_gradients(name: str, known: Iterable[str]) -> AttributeError:
    """Make the error for the gradient of what is no parameter of a layer.

    Examples
    --------
    >>> print(no_gradients("w", ["W", "b"]))
    ctx.grads.w: the gradients of this layer are W, b.
    """
    names = ", ".join(known) or (
        "none: this layer has no parameters, or it is held by another one, which gives it a context of "
        "its own in self.held(ctx)"
    )
    return AttributeError(f"ctx.grads.{name}: the gradients of this layer are {names}.")


def without_inner(name: str) -> AttributeError:
    """Make the error for what the context of a layer has not, as that of a layer of layers would.

    Examples
    --------
    >>> print(without_inner("spread"))
    ctx.spread: expected the context of a layer of layers, got one without those inside. Write for layer, kept
        in self.held(ctx): layer.forward(x, kept).
    """
    if name not in ("spread", "output_shape", "layers", "forwards", "backwards"):
        return AttributeError(f"a context has no attribute {name!r}")
    what, got = "the context of a layer of layers", "one without those inside"
    fix = "Write for layer, kept in self.held(ctx): layer.forward(x, kept)."
    return AttributeError(f"ctx.{name}: expected {what}, got {got}. {fix}")
