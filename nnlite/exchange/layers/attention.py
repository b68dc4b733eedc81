"""Attention over time, elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, Layout, loop, renamed
from nnlite.exchange.layers.steps import end_c, fill_numpy, read_padding, real_numpy
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.exchange.onnx.steps import FAR, write_filled, write_real
from nnlite.layers import SelfAttention

__all__ = ["DESCRIPTIONS"]

#: Where the queries, keys and values of our `W` and `b` are.
_PARTS = ("query", "key", "value")
_NAMES = ("W", "b", "W_out", "b_out")


# ONNX.


def _onnx(layer: SelfAttention, x: str, graph: Graph) -> str:
    (time, features), heads = graph.shape or (0, 0), layer.heads
    share = features // heads
    projected = []
    for name, W, b, order in zip(
        _PARTS,
        np.split(layer.W, 3, axis=-1),
        np.split(layer.b, 3),
        ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]),
        strict=True,
    ):
        y = graph.node("MatMul", x, graph.constant(W, name=f"W_{name}"))
        y = graph.node("Add", y, graph.constant(b, name=f"b_{name}"))
        y = graph.node("Reshape", y, graph.constant([-1, time, heads, share], name="heads"))
        projected.append(graph.node("Transpose", y, perm=order))
    query, key, value = projected
    scores = graph.node("MatMul", query, key)
    scores = graph.node("Mul", scores, graph.constant(1 / math.sqrt(share), name="scale"))
    if layer.causal:
        later = np.where(np.tri(time, dtype=bool), 0.0, FAR)
        scores = graph.node("Add", scores, graph.constant(later, name="later"))
    real = ""
    if layer.padding is not None:
        real = write_real(x, (features,), time, layer.padding, graph)
        seen = graph.node("Reshape", real, graph.constant([-1, 1, 1, time], name="seen"))
        scores = graph.node("Where", seen, scores, graph.constant(FAR, name="far"))
    shares = graph.node("Softmax", scores, axis=-1)
    found = graph.node("Transpose", graph.node("MatMul", shares, value), perm=[0, 2, 1, 3])
    found = graph.node("Reshape", found, graph.constant([-1, time, features], name="joined"))
    y = graph.node("MatMul", found, graph.constant(layer.W_out, name="W_out"))
    y = graph.node("Add", y, graph.constant(layer.b_out, name="b_out"))
    return y if layer.padding is None else write_filled(real, y, time, layer.padding, graph)


def _projected(name: str) -> Pattern:
    product = ("Add", ("MatMul", "x", f"W_{name}[]"), f"b_{name}[]")
    return ("Transpose", ("Reshape", product, f"{name}_shape[]"))


_PRODUCT: Pattern = ("MatMul", _projected("query"), _projected("key"))
_SCORES: Pattern = [("Mul", _PRODUCT, "scale"), _PRODUCT]  # of heads of one feature the scale is 1
_CAUSAL: Pattern = [("Add", _SCORES, "later[]"), _SCORES]
_SEEN: Pattern = [("Where", ("Reshape", "real()", "seen[]"), _CAUSAL, "far"), _CAUSAL]
_FOUND: Pattern = ("Transpose", ("MatMul", ("Softmax", _SEEN), _projected("value")))
_Y: Pattern = ("Add", ("MatMul", ("Reshape", _FOUND, "joined[]"), "W_out[]"), "b_out[]")
_ATTENTION: Pattern = [("Where", ("Reshape", "real()", "real_shape[]"), _Y, "padding"), _Y]


def _read(found: Found) -> tuple[SelfAttention, dict[str, AnyArray]]:
    time, heads, share = (int(size) for size in found["query_shape"][1:])
    features = heads * share
    matrices = [found.finite(found[f"W_{name}"]) for name in _PARTS]
    vectors = [found.vector(found[f"b_{name}"], features) for name in _PARTS]
    softmax = next(node for node in found["nodes"] if node.op == "Softmax")
    turned = {tuple(node.attributes.get("perm", ())) for node in found["nodes"] if node.op == "Transpose"}
    shapes = {tuple(found[f"{name}_shape"].tolist()) for name in _PARTS}
    if (
        turned != {(0, 2, 1, 3), (0, 2, 3, 1)}
        or len(shapes) > 1
        or any(W.shape != (features, features) for W in (*matrices, found["W_out"]))
        or not math.isclose(found.get("scale", 1.0), 1 / math.sqrt(share), rel_tol=1e-5)
        or softmax.attributes.get("axis", -1) not in (-1, 3)
    ):
        raise found.refused("attention of another form than softmax(q @ k.T / sqrt(features / heads)) @ v")
    later = found.get("later")
    if later is not None and not _is_causal(later, time):
        raise found.refused(
            "Add of other numbers to the scores of attention than those that hide later steps"
        )
    layer = SelfAttention(features, heads, causal=later is not None, padding=read_padding(found))
    numbers = {
        "W": np.concatenate(matrices, axis=1),
        "b": np.concatenate(vectors),
        "W_out": found.finite(found["W_out"]),
        "b_out": found.vector(found["b_out"], features),
    }
    return layer, numbers


def _is_causal(later: AnyArray, time: int) -> bool:
    hidden = ~np.tri(time, dtype=bool)
    return later.shape == hidden.shape and not later[~hidden].any() and bool((later[hidden] <= FAR / 2).all())


# Source.


def _numpy(layer: SelfAttention, source: Any) -> list[str]:
    (time, features), heads, padding = source.shape, layer.heads, layer.padding
    share = features // heads
    W, b, W_out, b_out = (source.constant(name, getattr(layer, name)) for name in _NAMES)
    cut = f"(x @ {W} + {b}).reshape(len(x), {time}, 3, {heads}, {share})"
    lines = [] if padding is None else real_numpy("x", padding)
    lines += [
        f"q, k, v = {cut}.transpose(2, 0, 3, 1, 4)",
        f"s = q @ k.swapaxes(-1, -2) * np.{source.dtype}({1 / math.sqrt(share)!r})",
    ]
    if layer.causal:
        lines.append(f"s = np.where(np.tri({time}, dtype=bool), s, -np.inf)  # no step sees a later one")
    if padding is not None:
        lines.append("s = np.where(real[:, None, None, :], s, -np.inf)  # nor what fills up")
    lines += [
        "s = np.exp(s - np.maximum(s.max(axis=-1, keepdims=True), np.finfo(s.dtype).min))",
        "s = s / np.maximum(s.sum(axis=-1, keepdims=True), 1)",
        f"x = (s @ v).transpose(0, 2, 1, 3).reshape(len(x), {time}, {features})",
        f"x = x @ {W_out} + {b_out}",
    ]
    return lines if padding is None else [*lines, fill_numpy(padding, source)]


def _c(layer: SelfAttention, source: Any) -> list[str]:
    (time, E), heads, padding, real = source.shape, layer.heads, layer.padding, source.real
    share, x, y = E // heads, source.x, source.into()
    projected, shares = source.array("projected", 3 * time * E), source.array("shares", time)
    found = source.array("found", time * E)
    W, b, W_out, b_out = (source.constant(name, getattr(layer, name)) for name in _NAMES)
    q, k, v = (
        f"const {real} *const {name} = {projected} + {step} * {3 * E} + {part * E} + n * {share};"
        for name, step, part in (("q", "t", 0), ("k", "s", 1), ("v", "s", 2))
    )
    at_step = f"{projected}[t * {3 * E} + j]"
    last, scale = "t + 1" if layer.causal else "end", source.number(1 / math.sqrt(share))
    lines = [
        *end_c(padding, time * E, E, source),
        *loop(
            "t",
            "end",
            *loop("j", 3 * E, f"{at_step} = {b}[j];"),
            *loop("i", E, *loop("j", 3 * E, f"{at_step} += {x}[t * {E} + i] * {W}[i][j];")),
        ),
    ]
    exp = source.call("exp")
    head = [
        q,
        f"{real} *const into = {found} + t * {E} + n * {share};",
        f"{real} top = 0, sum = 0;",
        *loop(
            "s",
            last,
            k,
            f"{real} score = 0;",
            *loop("j", share, "score += q[j] * k[j];"),
            f"{shares}[s] = score * {scale};",
            f"if (s == 0 || {shares}[s] > top) top = {shares}[s];",
        ),
        *loop("s", last, f"{shares}[s] = {exp}({shares}[s] - top);", f"sum += {shares}[s];"),
        *loop("j", share, "into[j] = 0;"),
        *loop("s", last, v, *loop("j", share, f"into[j] += {shares}[s] / sum * v[j];")),
    ]
    lines += loop("t", "end", *loop("n", heads, *head))
    lines += loop(
        "t",
        "end",
        *loop("j", E, f"{y}[t * {E} + j] = {b_out}[j];"),
        *loop("i", E, *loop("j", E, f"{y}[t * {E} + j] += {found}[t * {E} + i] * {W_out}[i][j];")),
    )
    if padding is not None:
        lines += loop("i", time * E, f"{y}[i] = {source.number(padding)};", start=f"end * {E}")
    return ["{", *(f"    {line}" for line in lines), "}"]


# Weights.


def _to_keras(layer: SelfAttention, numbers: dict[str, AnyArray]) -> dict[str, AnyArray]:
    left: dict[str, AnyArray] = dict(numbers)
    found: dict[str, AnyArray] = {}
    cut = (layer.heads, layer.features // layer.heads)
    for name, W, b in zip(
        _PARTS, np.split(left.pop("W"), 3, axis=-1), np.split(left.pop("b"), 3), strict=True
    ):
        found[f"{name}_kernel"], found[f"{name}_bias"] = W.reshape(-1, *cut), b.reshape(cut)
    return found | {"kernel": left.pop("W_out").reshape(*cut, -1), "bias": left.pop("b_out")} | left


def _from_keras(layer: SelfAttention, theirs: dict[str, AnyArray]) -> dict[str, AnyArray]:
    left, features = dict(theirs), layer.features
    W = [left.pop(f"{name}_kernel").reshape(features, features) for name in _PARTS]
    b = [left.pop(f"{name}_bias").reshape(features) for name in _PARTS]
    out = {"W_out": left.pop("kernel").reshape(features, features), "b_out": left.pop("bias")}
    return {"W": np.concatenate(W, axis=1), "b": np.concatenate(b)} | out | left


DESCRIPTIONS = [
    Description(
        SelfAttention,
        words="every step takes up what fits it from all steps",
        samples=(
            lambda: SelfAttention(4),
            lambda: SelfAttention(4, 2, causal=True),
            lambda: SelfAttention(6, 3, padding=0.0),
            lambda: SelfAttention(4, 4, causal=True, padding=-1.0),
        ),
        onnx=_onnx,
        onnx_formulas=((_ATTENTION, _read),),
        numpy=_numpy,
        c=_c,
        torch_layout=renamed(
            {
                "W": "in_proj_weight",
                "b": "in_proj_bias",
                "W_out": "out_proj.weight",
                "b_out": "out_proj.bias",
            },
            {"W": (1, 0), "W_out": (1, 0)},
        ),
        keras_layout=Layout(_to_keras, _from_keras),
    ),
]
