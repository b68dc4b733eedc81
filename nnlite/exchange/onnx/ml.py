"""Operators of ai.onnx.ml, which skl2onnx writes, by those of ONNX that do the same.

What is behind the probabilities of a classifier, its labels, is not brought back.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import DataWarning
from nnlite.exchange.onnx.noops import LENGTH_1, ROWS
from nnlite.exchange.onnx.patterns import Value

__all__ = ["MlNode", "rewrite", "two_classes"]

#: Adds a node of ONNX: its operator, its arguments, its attributes.
Follow: TypeAlias = Callable[..., Value]


class MlNode(NamedTuple):
    """A node of ai.onnx.ml.

    Parameters
    ----------
    op : str
        Its operator.
    arguments : tuple of Value, ndarray or None
        What goes in.
    attributes : dict
        Of the node.
    follow : callable (op, *arguments, **attributes) -> Value
        Adds a node of ONNX in its place.
    refused : callable (str) -> Exception
        Makes the error for a form of it that is not known here.
    place : str
        Names it in messages.
    """

    op: str
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]
    follow: Follow
    refused: Callable[[str], Exception]
    place: str

    @property
    def x(self) -> Value:
        """What goes in, as float32: what comes out is of that type, whatever that was."""
        (first, *_) = self.arguments
        return first if first.dtype == np.float32 else self.follow("Cast", first, to=1)

    def floats(self, name: str) -> AnyArray:
        """Return an attribute as an array; it is empty if there is none."""
        return np.array(self.attributes.get(name, ()), np.float32)

    def option(self, name: str, default: str) -> str:
        """Return an attribute that is a word."""
        return str(self.attributes.get(name, default.encode()).decode())


def rewrite(node: MlNode) -> list[Value]:
    """Put operators of ONNX in the place of one of ai.onnx.ml.

    Parameters
    ----------
    node : MlNode
        The node.

    Returns
    -------
    list of Value
        What it gives, as many as are known: of a classifier labels, which are no numbers, and probabilities.

    Raises
    ------
    ModelFileError
        If it is none that is known here.
    """
    if node.op not in _KNOWN:
        raise node.refused(f"{node.op} of ai.onnx.ml")
    if not node.arguments or not isinstance(node.arguments[0], Value):
        raise node.refused(f"{node.op} of constants")
    return _KNOWN[node.op](node)


def _scaler(node: MlNode) -> list[Value]:
    x = node.x
    for op, name in (("Sub", "offset"), ("Mul", "scale")):
        if (numbers := node.floats(name)).size:
            x = node.follow(op, x, numbers)
    return [x]


def _imputer(node: MlNode) -> list[Value]:
    replaced = node.attributes.get("replaced_value_float", 0.0)
    if not np.isnan(replaced):
        raise node.refused(f"Imputer that fills in for {replaced}")
    warnings.warn(
        f"{node.place} fills in for NaN, which models of nnlite refuse: it is left out. Fill in before; its "
        f"numbers are {node.floats('imputed_value_floats')[:10].tolist()}.",
        DataWarning,
        stacklevel=2,
    )
    return [node.x]


def _normalizer(node: MlNode) -> list[Value]:
    x, norm = node.x, node.option("norm", "MAX")
    if norm == "L1" and x.op == "Softmax":
        return [x]  # which sums to 1 already
    if norm == "L2" and x.shape is not None and len(x.shape) == 2:
        return [node.follow(LENGTH_1, x)]
    raise node.refused(f"Normalizer by the {norm} norm")


def _binarizer(node: MlNode) -> list[Value]:
    x = node.follow("Sub", node.x, np.array(node.attributes.get("threshold", 0.0), np.float32))
    return [node.follow("Cast", node.follow("Greater", x, np.float32(0)[...]), to=1)]


def _linear(node: MlNode, outputs: int) -> Value:
    coefficients, intercepts = node.floats("coefficients"), node.floats("intercepts")
    x = node.follow("MatMul", node.x, coefficients.reshape(outputs, -1).T)
    return node.follow("Add", x, intercepts) if intercepts.size else x


def _regressor(node: MlNode) -> list[Value]:
    if (post := node.option("post_transform", "NONE")) != "NONE":
        raise node.refused(f"LinearRegressor with {post}")
    return [_linear(node, node.attributes.get("targets", 1))]


def _classifier(node: MlNode) -> list[Value]:
    post, classes = node.option("post_transform", "NONE"), len(node.floats("intercepts"))
    known = {"NONE": "Identity", "LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}
    if classes < 2 or post not in known:
        raise node.refused(f"LinearClassifier of {classes} classes with {post}")
    scores = _linear(node, classes)
    options = {"axis": -1} if post == "SOFTMAX" else {}
    return [node.follow("ArgMax", scores), node.follow(known[post], scores, **options)]


def _extractor(node: MlNode) -> list[Value]:
    x, columns = node.arguments
    if not isinstance(columns, np.ndarray):
        raise node.refused("ArrayFeatureExtractor of columns that depend on the input")
    if x.shape is not None and columns.reshape(-1).tolist() == list(range(x.shape[-1])):
        return [x]
    return [node.follow("Gather", x, columns.reshape(-1), axis=1)]


def _vectorizer(node: MlNode) -> list[Value]:
    return [node.x] if len(node.arguments) == 1 else [node.follow("Concat", *node.arguments, axis=1)]


_KNOWN: Mapping[str, Callable[[MlNode], list[Value]]] = {
    "ArrayFeatureExtractor": _extractor,
    "Binarizer": _binarizer,
    "FeatureVectorizer": _vectorizer,
    "Imputer": _imputer,
    "LinearClassifier": _classifier,
    "LinearRegressor": _regressor,
    "Normalizer": _normalizer,
    "Scaler": _scaler,
    "ZipMap": lambda node: [node.arguments[0]],  # the same probabilities, with a name each
}


def two_classes(arguments: tuple[Any, ...], attributes: dict[str, Any], follow: Follow) -> Value | None:
    """Recognize a Concat that puts the other of two classes in front of an output that stands for both.

    Parameters
    ----------
    arguments : tuple of Value, ndarray or None
        What it puts side by side.
    attributes : dict
        Of the node.
    follow : callable (op, *arguments, **attributes) -> Value
        Adds a node in its place.

    Returns
    -------
    Value or None
        ``[1 - p, p]`` with ``p = sigmoid(z)`` is the softmax of ``[0, z]``, and ``[-z, z]`` a product; None
        if it is neither.
    """
    if len(arguments) != 2 or attributes.get("axis") not in (1, -1):
        return None
    first, last = arguments
    if not isinstance(first, Value) or not isinstance(last, Value) or last.shape != (ROWS, 1):
        return None
    dtype = last.dtype or np.dtype(np.float32)
    if first.op == "Neg" and first.arguments[0] is last:
        return follow("MatMul", last, np.array([[-1, 1]], dtype))
    if first.op == "Sub" and last.op == "Sigmoid" and first.arguments[1] is last:
        one = first.arguments[0]
        if isinstance(one, np.ndarray) and one.size == 1 and one.reshape(()) == 1:
            both = follow("MatMul", last.arguments[0], np.array([[0, 1]], dtype))
            return follow("Softmax", both, axis=-1)
    return None
