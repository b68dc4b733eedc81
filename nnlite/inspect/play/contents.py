"""What of a net, its data and its training goes into a playground's page; what it cannot do is refused."""

from __future__ import annotations

import base64
import copy
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.aliases import AnyArray
from nnlite.core.dense import Dense
from nnlite.core.initializers import GlorotUniform, HeNormal, Zeros
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.data.conversion import is_sparse
from nnlite.data.splits import classes_of, held_out_rows
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_instance, check_integer
from nnlite.initializers import Constant, GlorotNormal, HeUniform, LeCunNormal, LeCunUniform
from nnlite.layers import (
    ELU,
    GELU,
    SELU,
    Clip,
    Dropout,
    Flatten,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Standardize,
    Step,
    Tanh,
)  # fmt: skip
from nnlite.losses import BinaryCrossEntropy, Hinge, Huber, MeanAbsoluteError, Quantile, SoftmaxCrossEntropy
from nnlite.model import Sequential
from nnlite.optimizers import Adagrad, Adam, AdamW, Lion, NAdam, RMSProp
from nnlite.training.identity import arguments

__all__ = ["LAYERS", "LOSSES", "MOST_PARAMETERS", "MOST_ROWS", "OPTIMIZERS", "contents"]

#: What the engine of the page has, in `engine/layers.js`, `losses.js` and `optimizers.js`.
LAYERS = (
    Dense, Standardize, Flatten, Dropout, Softmax, ReLU, LeakyReLU, ELU, SELU, GELU, SiLU, Mish, Softplus,
    Tanh, Sigmoid, HardSigmoid, HardSwish, Clip, ReLU6, Step,
)  # fmt: skip
LOSSES = (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    Quantile,
    Hinge,
    BinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
OPTIMIZERS = (SGD, Adam, AdamW, NAdam, RMSProp, Adagrad, Lion)
INITIALIZERS = (
    HeNormal, HeUniform, GlorotNormal, GlorotUniform, LeCunNormal, LeCunUniform, Zeros, Constant,
)  # fmt: skip
#: So many rows are in a page, drawn from more: the answers to all of them are drawn again and again.
MOST_ROWS = 2000
#: A step with more weights takes so long that nothing in the page would seem alive.
MOST_PARAMETERS = 50_000
#: Arrays of so few different numbers are written as places in a list of them.
FEW = 256


def contents(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer,
    *,
    validation: Any = None,
    batch_size: int = 32,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Put together what a page needs to go on where Python has stopped.

    Parameters
    ----------
    model, X, y, loss, optimizer, validation, batch_size, class_names
        See `nnlite.inspect.playground`.

    Returns
    -------
    dict
        Plain data, ready for JSON; arrays are packed.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        If something does not fit, or the page cannot do it.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.xor()
    >>> model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
    >>> page = contents(model, X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.5))
    >>> [layer["kind"] for layer in page["layers"]], page["targets"]["kind"], page["drawn"]
    (['Dense', 'Tanh', 'Dense'], 'classes', True)
    """
    where = "playground"
    _check_net(where, model)
    _check_training(where, model, loss, optimizer)
    batch_size = check_integer(f"{where}(batch_size=)", batch_size, low=1)
    if is_sparse(X):
        raise ArgumentTypeError(
            f"{where}(X)", "a dense array", f"a sparse {type(X).__name__}", "Write X.toarray()."
        )
    names = model.feature_names or column_names(X)
    edge = model.boundary
    edge.check_loss(loss)
    x = edge.check_input(X, where=f"{where}(X)", finite=True)
    target, _ = edge.check_targets(y, None, loss, x)
    whole = len(x)
    held: dict[str, Any] | None = None
    apart: tuple[AnyArray, AnyArray] | None = None
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            what = "(X, y) or a share of the rows"
            raise ArgumentError(
                f"{where}(validation=)", what, f"{len(validation)} items", "Give the pair (X, y)."
            )
        other = edge.check_input(validation[0], where=f"{where}(validation=)", finite=True)
        apart = other, edge.check_targets(validation[1], None, loss, other)[0]
    elif validation is not None:
        held_out_rows(f"{where}(validation=)", validation, whole)
        held = {"share": float(validation) if validation < 1 else float(validation) / whole}
    x, target = _drawn(x, target, MOST_ROWS)
    if apart is not None:
        total = len(apart[0])
        held = {"of": total, **_rows(*_drawn(*apart, MOST_ROWS // 4))}
    generator = model.rng.bit_generator
    state = generator.state
    seeds: Any = generator.seed_seq
    width = math.prod(x.shape[1:])
    return {
        "format": 1,
        "dtype": model.dtype.name,
        "inputs": width,
        "outputs": math.prod(edge.pred_shape(x)[1:]),
        "feature_names": list(map(str, names)) if names is not None and len(names) == width else None,
        "image": _image(x, names),
        "layers": [_layer(layer) for layer in model.layers],
        "values": pack(model.params.values),
        "drawn": _is_drawn(model, seeds),
        "seed": {"entropy": str(seeds.entropy), "key": list(seeds.spawn_key)},
        "order": {
            **{name: str(number) for name, number in state["state"].items()},
            "half": state["uinteger"] if state["has_uint32"] else None,
        },
        "loss": {"kind": type(loss).__name__, **_plain(loss.config())},
        "optimizer": {
            "kind": type(optimizer).__name__,
            **_plain(dict(arguments(optimizer))),
            "learning_rate": float(optimizer.rate),
        },
        "steps": optimizer.steps,
        "kept": {name: pack(array) for name, array in optimizer.state.items()},
        "batch": batch_size,
        "rows": whole,
        "data": _rows(x, target),
        "validation": held,
        "targets": _targets(target, loss, class_names, math.prod(edge.pred_shape(x)[1:])),
    }


def _check_net(where: str, model: Any) -> None:
    if not isinstance(model, Sequential):
        fix = "Write Sequential([...layers...])."
        raise ArgumentTypeError(f"{where}(model)", "a Sequential", f"{model!r}", fix)
    check_net(where, model)
    for layer in model.layers:
        if type(layer) not in LAYERS:
            known = ", ".join(kind.__name__ for kind in LAYERS)
            fix = "explain_step shows one step of any layer."
            raise ArgumentError(f"{where}(model)", f"layers that its page has: {known}", f"{layer}", fix)
        if isinstance(layer, Dense):
            for initializer in (layer.weight_initializer, layer.bias_initializer):
                if initializer is not None and type(initializer) not in INITIALIZERS:
                    fix = "Leave it out, and write the weights that you want: model[0].W[...] = ..."
                    raise ArgumentError(f"{where}(model)", "initializers of nnlite", f"{initializer!r}", fix)
    size = model.params.size
    if size > MOST_PARAMETERS:
        fix = "Take fewer neurons; explain_step shows one step of any net."
        raise ArgumentError(f"{where}(model)", f"at most {MOST_PARAMETERS:,} parameters", f"{size:,}", fix)
    if not isinstance(model.rng.bit_generator, np.random.PCG64):
        got = type(model.rng.bit_generator).__name__
        fix = "Write Sequential([...], rng=0)."
        raise ArgumentError(f"{where}(model)", "a generator that draws by PCG64", got, fix)


def _check_training(where: str, model: Sequential, loss: Any, optimizer: Any) -> None:
    if type(loss) not in LOSSES:
        check_instance(f"{where}(loss)", loss, Loss, "a Loss instance", fix="Use one of nnlite.losses.")
        known = ", ".join(kind.__name__ for kind in LOSSES)
        fix = "explain_step shows one step of any loss."
        raise ArgumentError(f"{where}(loss)", f"a loss that its page has: {known}", f"{loss}", fix)
    if type(optimizer) not in OPTIMIZERS:
        known = ", ".join(kind.__name__ for kind in OPTIMIZERS)
        raise ArgumentTypeError(
            f"{where}(optimizer)", f"one of {known}", f"{optimizer!r}", "Use SGD or Adam."
        )
    for name, value in (("learning_rate", optimizer.learning_rate), ("weight_decay", optimizer.weight_decay)):
        if callable(value) or isinstance(value, np.ndarray):
            fix = "Give a number; the page has a slider for it."
            raise ArgumentError(f"{where}(optimizer)", f"a {name} that is one number", f"{value!r}", fix)
    optimizer.check(model.params)
    if not model.params.trainable_slices:
        fix = "Call unfreeze() on a layer." if model.params.size else "Add a Dense layer."
        raise ArgumentError(f"{where}(model)", "a model with something to train", "none", fix)


def _drawn(x: AnyArray, target: AnyArray, most: int) -> tuple[AnyArray, AnyArray]:
    """Draw rows from more, in their order."""
    if len(x) <= most:
        return x, target
    rows = np.sort(np.random.default_rng(0).permutation(len(x))[:most])
    return x[rows], target[rows]


def _rows(x: AnyArray, target: AnyArray) -> dict[str, Any]:
    return {"count": len(x), "x": pack(x.reshape(len(x), -1)), "y": pack(target.reshape(len(x), -1))}


def _layer(layer: Any) -> dict[str, Any]:
    """Write down a layer by the names of its arguments."""
    found = {"kind": type(layer).__name__, **_plain(layer.config())}
    for name in ("weight_initializer", "bias_initializer"):
        if found.get(name) is not None:
            own = getattr(layer, name)
            found[name] = {"kind": type(own).__name__, **own.config()}
    if isinstance(layer, Standardize) and layer.adapted:
        found.update({name: np.float64(layer.buffers[name]).tolist() for name in ("mean", "scale")})
    if layer.parameter_names and layer.frozen:
        found["frozen"] = True
    return found


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Make numbers of NumPy's, and tuples, plain."""
    return {
        name: list(value) if isinstance(value, tuple) else getattr(value, "item", lambda value=value: value)()
        for name, value in settings.items()
    }


def _is_drawn(model: Sequential, seeds: Any) -> bool:
    """Tell whether the weights are those that the seed of the model gives."""
    again = copy.deepcopy(model)
    fresh = np.random.SeedSequence(seeds.entropy, spawn_key=seeds.spawn_key)
    again.initialize(np.random.Generator(np.random.PCG64(fresh)))
    return bool(np.array_equal(again.params.values, model.params.values))


def _image(x: AnyArray, names: Any) -> list[int] | None:
    """Return height and width if rows are images of one channel: square, of numbers that are not negative."""
    if x.ndim == 3 or (x.ndim == 4 and x.shape[-1] == 1):
        return list(map(int, x.shape[1:3]))
    side = math.isqrt(x.shape[1]) if x.ndim == 2 else 0
    square = side >= 5 and side * side == x.shape[1] and names is None and x.min() >= 0
    return [side, side] if square else None


def _targets(target: AnyArray, loss: Loss, names: Any, outputs: int) -> dict[str, Any]:
    """Say what the targets are: classes, two of them by one output, or numbers."""
    classes = classes_of(target, logits=True)
    two = np.unique(target) if target.size == len(target) else np.empty(0)
    if outputs > 1 and classes is not None:
        kind = "classes"
    elif outputs == 1 and len(two) == 2:
        kind = "two"
    else:
        kind = "numbers"
    count = {"classes": outputs, "two": 2}.get(kind, outputs)
    if names is not None and len(names) != count:
        what = f"{count} names, one for each {'class' if kind != 'numbers' else 'output'}"
        raise ArgumentError("playground(class_names=)", what, f"{len(names)}", "Give as many.")
    found: dict[str, Any] = {
        "kind": kind,
        "names": None if names is None else list(map(str, names)),
        # Whether a part that is held out has its share of each class, as in `fit`.
        "shared": classes_of(target, logits=loss.from_logits) is not None,
    }
    if kind == "two":
        low, high = map(float, two)
        found.update(low=low, high=high, border=0.0 if loss.from_logits else (low + high) / 2)
    return found


def pack(array: AnyArray) -> dict[str, Any]:
    """Write an array in few characters, to the bit.

    Parameters
    ----------
    array : ndarray
        Of numbers.

    Returns
    -------
    dict
        ``"data"`` is base64 of deflated bytes, byte 0 of all numbers first; ``"kind"`` is how to read
        them: ``"u1"``, ``"i4"``, ``"f4"`` or ``"f8"``. With ``"table"`` they are places in that list.

    Examples
    --------
    >>> import numpy as np
    >>> pack(np.array([0.5, 2.0, 0.5, 2.0]))["table"]
    [0.5, 2.0]
    """
    flat = np.ascontiguousarray(array).ravel()
    distinct = np.unique(flat)
    table = None
    if len(distinct) <= min(FEW, len(flat) // 2):
        table = [float(value) for value in distinct]
        flat = np.searchsorted(distinct, flat).astype(np.uint8)
    elif flat.dtype.kind in "iub":
        flat = flat.astype(np.int32)
    elif flat.dtype == np.float64 and (flat.astype(np.float32) == flat).all():
        flat = flat.astype(np.float32)
    flat = flat.astype(flat.dtype.newbyteorder("<"))
    # Bytes that mean the same side by side: those of the exponents pack well.
    planes = flat.view(np.uint8).reshape(len(flat), flat.itemsize).T.tobytes()
    packed = {"kind": flat.dtype.str[1:], "data": base64.b64encode(zlib.compress(planes, 9)).decode("ascii")}
    return packed if table is None else {**packed, "table": table}
