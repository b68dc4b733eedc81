"""Layers that are made of layers, elsewhere: these are written one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nnlite.core import model as core
from nnlite.core.chain import Chain
from nnlite.exchange.description import Description, OnnxWriter, SourceWriter, loop
from nnlite.exchange.layers.normalization import measured_before
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.noops import taken_of
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.exchange.onnx.steps import write_real
from nnlite.layers import (
    Add,
    BatchNorm,
    Columns,
    Concatenate,
    Dense,
    Flatten,
    Input,
    Multiply,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    TimeDistributed,
)
from nnlite.layers.composition import Branches
from nnlite.model import Sequential

__all__ = ["DESCRIPTIONS"]

#: Columns that are read one by one from a file.
MOST_COLUMNS = 2**16


def _row_onnx(layer: Chain, x: str, graph: Graph) -> str:
    for inner in layer.layers:
        x = graph.layer(inner, x)
    return x


def _row(layer: Chain, source: Any) -> list[str]:
    return [line for inner in layer.layers for line in source.layer(inner)]


def _residual_onnx(layer: Residual, x: str, graph: Graph) -> str:
    return graph.node("Add", x, _row_onnx(layer, x, graph))


def _residual_numpy(layer: Residual, source: Any) -> list[str]:
    kept = source.name("kept")
    return [f"{kept} = x", *_row(layer, source), "", f"x = {kept} + x  # the end of layer {source.place}"]


def _residual_c(layer: Residual, source: Any) -> list[str]:
    kept = source.array("kept", source.inputs)
    before, row = source.x, _row(layer, source)
    return [
        *loop("i", source.inputs, f"{kept}[i] = {before}[i];"),
        *row,
        "",
        f"/* the end of layer {source.place} */",
        *loop("i", source.inputs, f"{source.x}[i] += {kept}[i];"),
    ]


def _branches_onnx(op: str) -> OnnxWriter:
    """Say which operator joins what the branches give: two and two, or all at once, side by side."""

    def write(layer: Branches, x: str, graph: Graph) -> str:
        shape, parts = graph.shape, []
        for branch in layer.branches:
            graph.shape = shape
            parts.append(graph.layer(branch, x))
        if op == "Concat":
            return graph.node(op, *parts, axis=-1)
        if op == "Add" and len(parts) > 2:
            return graph.node("Sum", *parts)
        y = parts[0]
        for part in parts[1:]:
            y = graph.node(op, y, part)
        return y

    return write


def _branches_numpy(join: Callable[[list[str]], str]) -> SourceWriter:
    """Say how NumPy joins what the branches give, by the names of that."""

    def write(layer: Branches, source: Any) -> list[str]:
        kept, shape = source.name("kept"), source.shape
        lines: list[str] = [f"{kept} = x"]
        parts: list[str] = []
        for branch in layer.branches:
            source.shape = shape
            lines += ([f"x = {kept}"] if parts else []) + source.layer(branch)
            parts.append(source.name("part"))
            lines.append(f"{parts[-1]} = x")
        return [*lines, "", f"x = {join(parts)}  # the end of layer {source.place}"]

    return write


def _branches_c(put: str, first: float | None) -> SourceWriter:
    """Say how C joins what the branches give.

    Parameters
    ----------
    put : str
        The operator that puts a number to what the branches before gave.
    first : float or None
        What stands there before; None if they stand side by side.
    """

    def write(layer: Branches, source: Any) -> list[str]:
        place, inputs, outputs, shape = source.place, source.inputs, source.outputs, source.shape
        kept, joined = source.array("kept", inputs), source.array("joined", outputs)
        lines = loop("i", inputs, f"{kept}[i] = {source.x}[i];")
        if first is not None:
            lines += loop("i", outputs, f"{joined}[i] = {source.number(first)};")
        width, start = layer.output_shape(shape)[-1], 0
        for index, branch in enumerate(layer.branches):
            source.shape = shape
            if index:
                lines += loop("i", inputs, f"{source.x}[i] = {kept}[i];")
            lines += source.layer(branch)
            own = source.shape[-1]
            at = "i"
            if first is None:  # side by side, in each line of a sample
                at = (
                    f"{start} + i" if len(source.shape) == 1 else f"i / {own} * {width} + {start} + i % {own}"
                )
            lines += loop("i", math.prod(source.shape), f"{joined}[{at}] {put} {source.x}[i];")
            start += own
        end = loop("i", outputs, f"{source.into()}[i] = {joined}[i];")
        return [*lines, "", f"/* the end of layer {place} */", *end]

    return write


def _columns_onnx(layer: Columns, x: str, graph: Graph) -> str:
    return graph.node("Gather", x, graph.constant(layer.numbers, name="columns"), axis=-1)


def _read_columns(found: Found) -> Columns | None:
    value, shape = found.value, found.shape
    before: Any = value.arguments[0]
    if shape is None:
        fix = "Give the input of the graph a fixed shape."
        raise found.wrong("a known number of features", "an open one", fix)
    given = (*(1,), *shape) if before.shape is None else before.shape
    taken = taken_of(value.op, value.arguments, value.attributes, given)
    if not taken:
        raise found.refused(f"{value.op} of other things than some places of the last axis")
    if len(taken) > MOST_COLUMNS:  # a few bytes can declare any number
        raise found.refused(f"{value.op} of more than {MOST_COLUMNS:,} places")
    return None if list(taken) == list(range(min(shape[-1], MOST_COLUMNS + 1))) else Columns(taken, shape[-1])


_SLICE: Pattern = [
    ("Slice", "x", "starts[]", "ends[]", "axes[]", "steps[]"),
    ("Slice", "x", "starts[]", "ends[]", "axes[]"),
    ("Slice", "x"),
]


def _columns_c(layer: Columns, source: Any) -> list[str]:
    x, y = source.x, source.into()
    columns = source.constant("column", layer.numbers, integers=True)
    return loop("i", len(layer.numbers), f"{y}[i] = {x}[{columns}[i]];")


def _parts_onnx(layer: TimeDistributed, x: str, graph: Graph) -> str:
    time, *part = graph.shape or ()
    graph.shape = tuple(part)
    y = graph.node("Reshape", x, graph.constant([-1, *part], name="part"))
    y = _row_onnx(layer, y, graph)
    result = graph.shape
    y = graph.node("Reshape", y, graph.constant([-1, time, *result], name="parts"))
    if layer.padding is None:
        return y
    real = write_real(x, tuple(part), time, layer.padding, graph)
    real = graph.node("Reshape", real, graph.constant([-1, time, *(1 for _ in result)], name="real"))
    return graph.node("Where", real, y, graph.constant(layer.padding, name="padding"))


def _parts_numpy(layer: TimeDistributed, source: Any) -> list[str]:
    kept, (time, *part) = source.name("kept"), source.shape
    source.shape = tuple(part)
    lines = [f"{kept} = x", f"x = x.reshape(-1, {', '.join(map(str, part))})", *_row(layer, source), ""]
    result = ", ".join(map(str, source.shape))
    lines.append(f"x = x.reshape(len({kept}), {time}, {result})  # the end of layer {source.place}")
    if layer.padding is not None:
        ones = ", ".join(["1"] * len(source.shape))
        lines += [
            f"real = ({kept} != {layer.padding!r}).reshape(len({kept}), {time}, -1).any(axis=2)",
            "real = np.logical_or.accumulate(real[:, ::-1], axis=1)[:, ::-1]  # all up to the last one",
            f"x = np.where(real.reshape(len(real), {time}, {ones}), x, np.{source.dtype}({layer.padding!r}))",
        ]
    return lines


def _parts_c(layer: TimeDistributed, source: Any) -> list[str]:
    place, inputs, outputs, (time, *part) = source.place, source.inputs, source.outputs, source.shape
    kept, given = source.array("kept", inputs), source.array("joined", outputs)
    size, step = math.prod(part), f"t{place.count('.')}"
    lines = loop("i", inputs, f"{kept}[i] = {source.x}[i];")
    before, source.shape = source.x, tuple(part)
    row = _row(layer, source)
    own = math.prod(source.shape)
    body = [
        *loop("i", size, f"{before}[i] = {kept}[{step} * {size} + i];"),
        *row,
        *loop("i", own, f"{given}[{step} * {own} + i] = {source.x}[i];"),
    ]
    if layer.padding is None:
        lines += loop(step, time, *body)
    else:
        padding, end = source.number(layer.padding), f"end{place.count('.')}"
        lines += [
            f"long {end} = 0;  /* behind the last step that is no padding */",
            *loop("i", inputs, f"if ({kept}[i] != {padding}) {end} = i / {size} + 1;"),
            *loop(step, end, *body),
            *loop("i", outputs, f"{given}[i] = {padding};", start=f"{end} * {own}"),
        ]
    done = loop("i", outputs, f"{source.into()}[i] = {given}[i];")
    lines += ["", f"/* the end of layer {place} */", *done]
    return ["{", *(f"    {line}" if line else "" for line in lines), "}"]


def _parts_keras(layer: TimeDistributed, *inner: str) -> str | None:
    if layer.padding is not None:
        return None  # there it is a mask that goes beside the numbers
    one = inner[0] if len(inner) == 1 else f"keras.Sequential([{', '.join(inner)}])"
    return f"k.TimeDistributed({one})"


_SEQUENTIAL = Description(
    Sequential,
    words="its layers, one after the other",
    samples=(
        lambda: Sequential([Dense(4, 6), Tanh(), Dense(6, 4)]),
        lambda: Sequential([Dense(4, 3), Sequential([measured_before(BatchNorm(3)), ReLU()])]),
        lambda: Sequential([Tanh()]),
    ),
    onnx=_row_onnx,
    numpy=_row,
    c=_row,
    torch=lambda _one, *inner: f"t.Sequential({', '.join(inner)})",
    keras=lambda _one, *inner: f"keras.Sequential([{', '.join(inner)}])",
)

DESCRIPTIONS = [
    Description(
        Residual,
        words="what its layers give, and what comes in added to it",
        samples=(
            lambda: Residual([Dense(4, 4), Tanh()]),
            lambda: Residual([Dense(4, 3), Residual([Tanh(), Residual([Dense(3, 3)])]), Dense(3, 4)]),
            lambda: Residual([measured_before(BatchNorm(3)), Sequential([Dense(3, 5), Tanh(), Dense(5, 3)])]),
            lambda: Residual([Tanh()]),
        ),
        onnx=_residual_onnx,
        numpy=_residual_numpy,
        c=_residual_c,
    ),
    Description(
        Concatenate,
        words="what its branches give, side by side",
        samples=(
            lambda: Concatenate([Input((4,)), Dense(4, 3)]),
            lambda: Concatenate([Columns([2, 0], of=4), Sequential([Dense(4, 3), Tanh(), Dense(3, 2)])]),
            lambda: Concatenate(
                [Tanh(), Concatenate([Sequential([Columns([1], of=4), Dense(1, 3)]), ReLU()])]
            ),
            lambda: Concatenate([Sequential([measured_before(BatchNorm(3)), Tanh()]), Dense(3, 1)]),
        ),
        onnx=_branches_onnx("Concat"),
        onnx_joins=frozenset({"Concat"}),
        numpy=_branches_numpy(lambda parts: f"np.concatenate([{', '.join(parts)}], axis=-1)"),
        c=_branches_c("=", None),
    ),
    Description(
        Add,
        words="what its branches give, added up",
        samples=(
            lambda: Add([Dense(4, 4), Sequential([Dense(4, 6), Tanh(), Dense(6, 4)])]),
            lambda: Add([Dense(4, 3), Dense(4, 3, bias=False), Sequential([Tanh(), Dense(4, 3)])]),
            lambda: Add([Tanh(), Dense(3, 3)]),
        ),
        onnx=_branches_onnx("Add"),
        onnx_joins=frozenset({"Add", "Sum"}),
        numpy=_branches_numpy(" + ".join),
        c=_branches_c("+=", 0.0),
    ),
    Description(
        Multiply,
        words="what its branches give, multiplied: a gate",
        samples=(
            lambda: Multiply([Input((4,)), Sequential([Dense(4, 4), Sigmoid()])]),
            lambda: Multiply(
                [Dense(4, 2), Sequential([Dense(4, 2), Sigmoid()]), Sequential([Dense(4, 2), Tanh()])]
            ),
            lambda: Multiply([Residual([Dense(3, 3)]), Input((3,))]),
        ),
        onnx=_branches_onnx("Mul"),
        onnx_joins=frozenset({"Mul"}),
        numpy=_branches_numpy(" * ".join),
        c=_branches_c("*=", 1.0),
    ),
    Description(
        Columns,
        words="some of its columns",
        samples=(
            lambda: Columns([2, 0, 3, 1], of=4),
            lambda: Columns(slice(1, 3), of=4),
            lambda: Columns([2, 0], of=3),
        ),
        onnx=_columns_onnx,
        onnx_nodes={"Split": _read_columns},
        onnx_formulas=((("Gather", "x", "columns[]"), _read_columns), (_SLICE, _read_columns)),
        numpy=lambda one, _: [f"x = x[..., {one.numbers}]"],
        c=_columns_c,
    ),
    Description(
        TimeDistributed,
        words="its layers, for each part of a sample",
        samples=(
            lambda: TimeDistributed([Dense(3, 2), Tanh()]),
            lambda: TimeDistributed([measured_before(BatchNorm(3)), Residual([Dense(3, 3)])], padding=0.0),
            lambda: TimeDistributed([Flatten((2, 2)), Dense(4, 3)]),
            lambda: TimeDistributed([Concatenate([Input((3,)), Dense(3, 2)])]),
        ),
        onnx=_parts_onnx,
        numpy=_parts_numpy,
        c=_parts_c,
        keras=_parts_keras,
    ),
    _SEQUENTIAL,
    _SEQUENTIAL._replace(layer=core.Sequential, samples=()),  # which is the same without the checks
]
