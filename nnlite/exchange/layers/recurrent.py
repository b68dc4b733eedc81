"""Recurrent layers, elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError
from nnlite.exchange.description import Description, Layout, loop
from nnlite.exchange.layers.steps import end_c, fill_numpy, read_padding, real_numpy
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern, Value
from nnlite.exchange.onnx.steps import write_filled, write_real
from nnlite.layers import GRU, LSTM, SimpleRNN

__all__ = ["DESCRIPTIONS"]

#: The arrays of one direction, by our names without the end that says which.
Arrays = dict[str, AnyArray]
#: Takes a layer, the end of the names of one direction, and its arrays.
Turn = Callable[[Any, str, Arrays], Arrays]


class Cell(NamedTuple):
    """What happens in a step, in other formats.

    Parameters
    ----------
    op : str
        The operator of ONNX.
    order, keras_order : tuple of int
        Which of our gates stands in each place there.
    numpy : tuple of str
        Lines that make ``new`` of ``a[:, t]`` and ``h``; ``{0}``, ``{1}``, ... are the columns of the gates,
        ``{U}``, ``{c}`` and ``{sigmoid}`` names.
    c : tuple of str
        The same for C, for the unit ``j``: ``gate[0][j]`` is of the first gate, p the product of the state.
    """

    op: str
    order: tuple[int, ...]
    keras_order: tuple[int, ...]
    numpy: tuple[str, ...]
    c: tuple[str, ...]


CELLS: dict[type[Any], Cell] = {
    SimpleRNN: Cell(
        "RNN", (0,), (0,), ("new = np.tanh(a[:, t] + h @ {U})",), ("h[j] = <tanh>(gate[0][j]);",)
    ),
    GRU: Cell(
        "GRU",
        (1, 0, 2),
        (1, 0, 2),
        (
            "p = h @ {U} + {c}",
            "r = {sigmoid}(a[:, t, {0}] + p[:, {0}])",
            "z = {sigmoid}(a[:, t, {1}] + p[:, {1}])",
            "n = np.tanh(a[:, t, {2}] + r * p[:, {2}])",
            "new = (1 - z) * n + z * h",
        ),
        (
            "const {real} r = 1 / (1 + <exp>(-(gate[0][j] + back[0][j])));",
            "const {real} z = 1 / (1 + <exp>(-(gate[1][j] + back[1][j])));",
            "const {real} n = <tanh>(gate[2][j] + r * back[2][j]);",
            "h[j] = (1 - z) * n + z * h[j];",
        ),
    ),
    LSTM: Cell(
        "LSTM",
        (0, 3, 1, 2),
        (0, 1, 2, 3),
        (
            "p = a[:, t] + h @ {U}",
            "i, f, o = {sigmoid}(p[:, {0}]), {sigmoid}(p[:, {1}]), {sigmoid}(p[:, {3}])",
            "memory = f * m + i * np.tanh(p[:, {2}])",
            "new = o * np.tanh(memory)",
        ),
        (
            "const {real} i = 1 / (1 + <exp>(-gate[0][j])), f = 1 / (1 + <exp>(-gate[1][j]));",
            "const {real} o = 1 / (1 + <exp>(-gate[3][j]));",
            "m[j] = f * m[j] + i * <tanh>(gate[2][j]);",
            "h[j] = o * <tanh>(m[j]);",
        ),
    ),
}


def _each_way(layer: Any, numbers: Arrays) -> list[tuple[str, Arrays]]:
    """Return the end of the names of each direction, and its arrays by the rest."""
    return [
        (way.suffix, {name: numbers[name + way.suffix] for name in "WUbc" if name + way.suffix in numbers})
        for way in layer._ways()
    ]


def _numbers(layer: Any) -> Arrays:
    return {name: getattr(layer, name) for name in layer._own()}


def _own(layer: Any) -> list[Arrays]:
    """Return the arrays of the layer, of each direction."""
    return [arrays for _, arrays in _each_way(layer, _numbers(layer))]


def _reordered(array: AnyArray, order: tuple[int, ...]) -> AnyArray:
    """Bring the gates, side by side on the last axis, into another order."""
    gates = np.split(array, len(order), axis=-1)
    return np.concatenate([gates[place] for place in order], axis=-1)


# ONNX.


def _onnx(layer: Any, x: str, graph: Graph) -> str:
    if graph.dtype != np.float32:
        where = f"nnlite.onnx.export: layer {graph.scope[:-1]} {layer}"
        what = "a model of float32, since no program runs recurrent layers in float64"
        raise ArgumentError(
            where, what, f"{graph.dtype}", "Make it with dtype=np.float32 and copy the weights."
        )
    cell, (time, _), ways = CELLS[type(layer)], graph.shape or (0, 0), _own(layer)
    W, U = ([_reordered(arrays[name], cell.order).T for arrays in ways] for name in "WU")
    b = [
        np.concatenate([_reordered(arrays.get(name, 0 * arrays["b"]), cell.order) for name in "bc"])
        for arrays in ways
    ]
    numbers = [graph.constant(np.stack(one), name=name) for name, one in zip("WUb", (W, U, b), strict=True)]
    real, lengths = "", []
    if layer.padding is not None:
        real = write_real(x, (layer.in_features,), time, layer.padding, graph)
        ones = graph.constant(np.ones((time, 1)), name="ones")
        count = graph.node("MatMul", graph.cast(real, graph.dtype), ones)
        flat = graph.node("Reshape", count, graph.constant([-1], name="rows"))
        lengths = [graph.cast(flat, np.int32)]
    turned = graph.node("Transpose", x, perm=[1, 0, 2])
    only_gru: dict[str, Any] = {"linear_before_reset": 1} if cell.op == "GRU" else {}
    direction = {"forward": "forward", "backward": "reverse", "both": "bidirectional"}[layer.direction]
    y = graph.node(
        cell.op if layer.sequences else f"{cell.op}:1",  # all states, or the last
        *(turned, *numbers, *lengths),
        hidden_size=layer.units,
        direction=direction,
        **only_gru,
    )
    wide = len(ways) * layer.units
    if not layer.sequences:
        side_by_side = graph.node("Transpose", y, perm=[1, 0, 2])
        return graph.node("Reshape", side_by_side, graph.constant([-1, wide], name="state"))
    side_by_side = graph.node("Transpose", y, perm=[2, 0, 1, 3])
    y = graph.node("Reshape", side_by_side, graph.constant([-1, time, wide], name="states"))
    if layer.padding is None:
        return y
    return write_filled(real, y, time, layer.padding, graph)


_X: Pattern = ("Transpose", "x")
_FLAT: Pattern = ("MatMul", ("Cast", "real()"), "counted[]")
_LENGTHS: Pattern = ("Cast", ("Reshape", _FLAT, "rows[]"))


def _patterns(op: str) -> Pattern:
    """Return the forms in which the operator is read: of the last state, or of all of them."""
    starts: Any = [(), ("start[]",), ("start[]", "memory[]")]
    options: Any = product(("b[]", None), (_LENGTHS, None), starts)
    known: list[Any] = [("W[]", "U[]", b, lengths, *start) for b, lengths, start in options]
    known += [("W[]", "U[]", "b[]"), ("W[]", "U[]")]
    state: list[Any] = [(f"{op}:1", _X, *more) for more in known]
    every: list[Any] = [(op, _X, *more) for more in known]
    # As it is written here; the order says so, since another Transpose may follow.
    all_states: Any = ("Reshape", ("Transpose by 2 0 1 3", every), "states[]")
    # As PyTorch writes it, in one way or another.
    others: list[Any] = [("Transpose", ("Squeeze", every, "axes[]")), ("Transpose", ("Squeeze", every))]
    others.append(("Transpose", ("Reshape", ("Transpose by 0 2 1 3", every), "states[]")))
    return [
        ("Reshape", ("Transpose", state), "state[]"),
        *(("Squeeze", state, "axes[]"), ("Squeeze", state), ("Reshape", state, "state[]")),
        *(("Gather", state, "place[]"), ("Gather", others, "place[]")),
        ("Where", ("Reshape", "real()", "real_shape[]"), all_states, "padding"),
        *(all_states, *others),
    ]


#: The nodes behind the operator, from the last one on, and the orders of axes that they bring about: of the
#: last state, and of all states.
_LAST: dict[tuple[str, ...], list[list[int]]] = {
    ("Reshape", "Transpose"): [[1, 0, 2]],
    ("Reshape",): [],
    ("Squeeze",): [],
    ("Gather",): [],
}
_ALL: dict[tuple[str, ...], list[list[int]]] = {
    ("Reshape", "Transpose"): [[2, 0, 1, 3]],
    ("Transpose", "Squeeze"): [[1, 0, 2]],
    ("Transpose", "Reshape", "Transpose"): [[1, 0, 2], [0, 2, 1, 3]],
}


def _read(found: Found) -> tuple[Any, Arrays]:
    nodes: list[Value] = list(found["nodes"])
    if nodes[0].op == "Where":
        del nodes[:2]  # it, and what brings the truth values into its shape
    place = next(index for index, node in enumerate(nodes) if node.op.partition(":")[0] in _KINDS)
    node = nodes[place]
    op, _, state = node.op.partition(":")
    kind = _KINDS[op]
    cell = CELLS[kind]
    direction = _direction(found, node)
    W, U = found["W"], found["U"]
    gates = len(cell.order)
    if W.ndim != 3 or U.ndim != 3 or U.shape[1] != gates * U.shape[2] or W.shape[:2] != U.shape[:2]:
        raise found.wrong(f"weights of {gates} gates", W)
    features, units = W.shape[2], U.shape[2]
    b = found.get("b", np.zeros((len(W), 2 * gates * units), W.dtype))
    if b.shape != (len(W), 2 * gates * units):
        raise found.wrong(f"biases of {gates} gates, twice", b)
    if any(np.any(found[name]) for name in ("start", "memory") if name in found):
        raise found.refused(f"{op} that begins with another state than 0")
    if not (found.get("counted", 1) == np.ones(1)).all():
        raise found.refused("lengths of sequences that are not those of padding")
    padding = read_padding(found)
    last = _is_last(
        found, nodes[:place], nodes[place + 1], direction, wide=len(W) * units, of_state=bool(state)
    )
    # Behind the end of a sequence the states are 0, if nothing puts other padding there.
    if not last and padding not in (None, 0.0) and "padding" not in found:
        raise found.refused(f"{op} of padded sequences whose states are not padded")
    layer = kind(features, units, sequences=not last, direction=direction, padding=padding)
    numbers: Arrays = {}
    back = tuple(int(place) for place in np.argsort(cell.order))
    for index, way in enumerate(layer._ways()):
        numbers[f"W{way.suffix}"] = _reordered(W[index].T, back)
        numbers[f"U{way.suffix}"] = _reordered(U[index].T, back)
        of_x, of_h = (_reordered(part, back) for part in np.split(b[index], 2))
        if kind is GRU:
            numbers[f"b{way.suffix}"], numbers[f"c{way.suffix}"] = of_x, of_h
        else:
            numbers[f"b{way.suffix}"] = of_x + of_h
    for array in numbers.values():
        found.finite(array)
    return layer, numbers


def _is_last(
    found: Found, behind: list[Value], before: Value, direction: str, *, wide: int, of_state: bool
) -> bool:
    """Tell whether the last state is what comes out; refuse what is neither that nor all states."""
    chosen = behind[0].op == "Gather" and not of_state
    ops = tuple(one.op for one in behind[1 if chosen else 0 :])
    turned = [one.attributes.get("perm") for one in behind if one.op == "Transpose"]
    if before.attributes.get("perm") != [1, 0, 2] or turned != (_LAST if of_state else _ALL).get(ops):
        raise found.refused("a recurrent net over other axes than (batch, time, features)")
    squeezed = next((one for one in behind if one.op == "Squeeze"), None)
    axes = None if squeezed is None else found.get("axes", squeezed.attributes.get("axes"))
    shape = found.value.shape
    if axes is not None and np.ravel(axes).tolist() != [0 if of_state else 1]:
        raise found.refused("Squeeze of other axes than that of the directions")
    if shape is not None and shape[1:] not in ((wide,), ((before.shape or (0,))[0], wide)):
        raise found.refused(f"a recurrent net whose states are brought into the shape {shape[1:]}")
    if behind[0].op == "Gather":
        place, time = found["place"], (before.shape or (0,))[0]
        ends = {"forward": (-1, time - 1), "backward": (0, -time)}.get(direction, ())
        ends = (0, -1) if of_state and direction != "both" else ends
        axis = 0 if of_state else 1
        if (
            place.ndim
            or behind[0].attributes.get("axis", 0) != axis
            or int(place) not in ends
            or "real" in found
        ):
            raise found.refused("Gather of another state than the last")
        return True
    return of_state


def _direction(found: Found, node: Value) -> str:
    """Return our name of the direction; refuse what other activations and options there are."""
    given = dict(node.attributes)
    text = given.get("direction", b"forward")
    direction = {b"forward": "forward", b"reverse": "backward", b"bidirectional": "both"}.get(text)
    op = node.op.partition(":")[0]
    ways = 2 if direction == "both" else 1
    usual = {"RNN": [b"Tanh"], "GRU": [b"Sigmoid", b"Tanh"], "LSTM": [b"Sigmoid", b"Tanh", b"Tanh"]}[
        op
    ] * ways
    if direction is None or given.get("activations", usual) != usual or given.get("layout", 0):
        raise found.refused(f"{op} with other activations, or another layout")
    others = {"clip", "input_forget", "activation_alpha", "activation_beta"} & {
        k for k, v in given.items() if v
    }
    if others or (op == "GRU" and not given.get("linear_before_reset", 0)):
        what = "linear_before_reset=0" if not others else sorted(others)[0]
        raise found.refused(f"{op} with {what}")
    return direction


_KINDS = {cell.op: kind for kind, cell in CELLS.items()}


# Source.


def _numpy(layer: Any, source: Any) -> list[str]:
    cell, time, H = CELLS[type(layer)], source.shape[0], layer.units
    kept, parts = source.name("steps"), []
    lines = [f"{kept} = x"]
    if layer.padding is not None:
        lines += real_numpy(kept, layer.padding)
    for way, arrays in zip(layer._ways(), _own(layer), strict=True):
        names = {name: source.constant(name, array) for name, array in arrays.items()}
        sigmoid = "" if layer.__class__ is SimpleRNN else source.helper("sigmoid")
        gates = [f"{gate * H}:{(gate + 1) * H}" for gate in range(len(cell.order))]
        parts.append(source.name("part"))
        states = ["h", "m"] if type(layer) is LSTM else ["h"]
        new = ["new", "memory"]
        lines.append(f"a = {kept} @ {names['W']} + {names['b']}")
        lines += [f"{state} = np.zeros((len(x), {H}), x.dtype)" for state in states]
        if layer.sequences:
            lines.append(f"{parts[-1]} = np.empty((len(x), {time}, {H}), x.dtype)")
        lines.append(f"for t in {f'range({time})' if not way.is_back else f'reversed(range({time}))'}:")
        for line in cell.numpy:
            lines.append(f"    {line.format(*gates, sigmoid=sigmoid, **names)}")
        for state, value in zip(states, new, strict=False):
            kept_where = f"np.where(real[:, t, None], {value}, {state})"
            lines.append(f"    {state} = {value if layer.padding is None else kept_where}")
        lines.append(f"    {parts[-1]}[:, t] = h" if layer.sequences else "")
        if not layer.sequences:
            lines[-1] = f"{parts[-1]} = h"
    lines.append(
        f"x = np.concatenate([{', '.join(parts)}], axis=-1)" if len(parts) > 1 else f"x = {parts[0]}"
    )
    if layer.sequences and layer.padding is not None:
        lines.append(fill_numpy(layer.padding, source))
    return lines


def _c(layer: Any, source: Any) -> list[str]:
    cell, (time, F), H = CELLS[type(layer)], source.shape, layer.units
    x, y, real, G = source.x, source.into(), source.real, len(cell.order)
    wide, has_p = H * len(layer._ways()), type(layer) is GRU
    lines = end_c(layer.padding, time * F, F, source)
    body = [line.replace("{real}", real) for line in cell.c]
    body = [line.replace("<exp>", source.call("exp")).replace("<tanh>", source.call("tanh")) for line in body]
    for index, (way, arrays) in enumerate(zip(layer._ways(), _own(layer), strict=True)):
        names = {name: source.constant(name, array) for name, array in arrays.items()}
        at_x, at_h = (f"{name}[k / {H}][k % {H}]" for name in ("gate", "back" if has_p else "gate"))
        sums = [
            *loop("k", G * H, f"{at_x} = {names['b']}[k];"),
            *(loop("k", G * H, f"{at_h} = {names['c']}[k];") if has_p else []),
            *loop("i", F, *loop("k", G * H, f"{at_x} += {x}[t * {F} + i] * {names['W']}[i][k];")),
            *loop("i", H, *loop("k", G * H, f"{at_h} += h[i] * {names['U']}[i][k];")),
        ]
        states = ["h", "m"] if type(layer) is LSTM else ["h"]
        arrays_ = [f"{state}[{H}]" for state in states] + [f"gate[{G}][{H}]"] + [f"back[{G}][{H}]"] * has_p
        put = loop("j", H, f"{y}[t * {wide} + {index * H} + j] = h[j];") if layer.sequences else []
        steps = loop(
            "s",
            "end",
            f"const long t = {'end - 1 - s' if way.is_back else 's'};",
            *sums,
            *loop("j", H, *body),
            *put,
        )
        own = [
            f"{real} {', '.join(arrays_)};",
            *(line for state in states for line in loop("j", H, f"{state}[j] = 0;")),
            *steps,
            *([] if layer.sequences else loop("j", H, f"{y}[{index * H} + j] = h[j];")),
        ]
        lines += ["{", *(f"    {line}" for line in own), "}"]
    if layer.sequences and layer.padding is not None:
        lines += loop("i", time * wide, f"{y}[i] = {source.number(layer.padding)};", start=f"end * {wide}")
    return ["{", *(f"    {line}" for line in lines), "}"]


# Weights.


def _layout(
    there: Callable[[Any, str, Arrays], Arrays], back: Callable[[Any, str, Arrays], Arrays]
) -> Layout:
    """Say of one direction how a library has its arrays; what a subclass adds stays as it is."""

    def go(layer: Any, numbers: Arrays) -> Arrays:
        found: Arrays = {}
        for suffix, arrays in _each_way(layer, numbers):
            found |= there(layer, suffix, arrays)
        known = {name + suffix for suffix, arrays in _each_way(layer, numbers) for name in arrays}
        return found | {name: array for name, array in numbers.items() if name not in known}

    def come(layer: Any, numbers: Arrays) -> Arrays:
        left = dict(numbers)
        found: Arrays = {}
        for way in layer._ways():
            mine = there(layer, way.suffix, _each_name(layer, way.suffix))
            found |= {
                name + way.suffix: array
                for name, array in back(layer, way.suffix, {key: left.pop(key) for key in mine}).items()
            }
        return found | left

    return Layout(go, come)


def _each_name(layer: Any, suffix: str) -> Arrays:
    return next(
        arrays
        for end, arrays in _each_way(layer, {n: getattr(layer, n) for n in layer._own()})
        if end == suffix
    )


def _torch_names(suffix: str) -> dict[str, str]:
    end = "_l0_reverse" if suffix else "_l0"
    return {"W": f"weight_ih{end}", "U": f"weight_hh{end}", "b": f"bias_ih{end}", "c": f"bias_hh{end}"}


def _to_torch(_layer: Any, suffix: str, arrays: Arrays) -> Arrays:
    # Those of PyTorch have two biases in any case, of which one is as good as none.
    every = {"c": np.zeros_like(arrays["b"])} | arrays
    return {theirs: every[name].T for name, theirs in _torch_names(suffix).items()}


def _from_torch(layer: Any, suffix: str, theirs: Arrays) -> Arrays:
    ours = {name: theirs[key].T for name, key in _torch_names(suffix).items()}
    if isinstance(layer, GRU):
        return ours
    return {"W": ours["W"], "U": ours["U"], "b": ours["b"] + ours["c"]}


def _to_keras(layer: Any, suffix: str, arrays: Arrays) -> Arrays:
    order = CELLS[_kind(layer)].keras_order
    W, U, b = (_reordered(arrays[name], order) for name in "WUb")
    if "c" in arrays:
        b = np.stack([b, _reordered(arrays["c"], order)])
    return {f"kernel{suffix}": W, f"recurrent_kernel{suffix}": U, f"bias{suffix}": b}


def _from_keras(layer: Any, _suffix: str, theirs: Arrays) -> Arrays:
    order = tuple(int(place) for place in np.argsort(CELLS[_kind(layer)].keras_order))
    W, U, b = (_reordered(array, order) for array in theirs.values())
    return {"W": W, "U": U, "b": b} if b.ndim == 1 else {"W": W, "U": U, "b": b[0], "c": b[1]}


def _kind(layer: Any) -> type[Any]:
    return next(kind for kind in type(layer).__mro__ if kind in CELLS)


def _keras(layer: Any) -> str | None:
    if layer.padding is not None or (layer.direction == "backward" and layer.sequences):
        return None  # padding is a mask there, beside the numbers; states come in the order of the steps
    name = type(layer).__name__
    back = ", go_backwards=True" if layer.direction == "backward" else ""
    one = f"k.{name}({layer.units}{', return_sequences=True' if layer.sequences else ''}{back})"
    return f"k.Bidirectional({one})" if layer.direction == "both" else one


def _samples(kind: type[Any]) -> tuple[Callable[[], Any], ...]:
    return (
        lambda: kind(3, 4),
        lambda: kind(3, 2, sequences=True, padding=0.0),
        lambda: kind(3, 2, direction="backward", padding=-1.0),
        lambda: kind(3, 2, direction="backward", sequences=True),
        lambda: kind(2, 3, direction="both"),
        lambda: kind(3, 2, direction="both", sequences=True, padding=0.0),
    )


DESCRIPTIONS = [
    Description(
        kind,
        words=words,
        samples=_samples(kind),
        onnx=_onnx,
        onnx_formulas=((_patterns(CELLS[kind].op), _read),),
        numpy=_numpy,
        c=_c,
        keras=_keras,
        torch_layout=_layout(_to_torch, _from_torch),
        keras_layout=_layout(_to_keras, _from_keras),
    )
    for kind, words in (
        (SimpleRNN, "a state that sees one step after the other"),
        (GRU, "a state that sees one step after the other, with gates for what is kept and renewed"),
        (LSTM, "a state and a memory that see one step after the other, with gates for the memory"),
    )
]
