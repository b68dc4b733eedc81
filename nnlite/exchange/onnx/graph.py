"""A graph of ONNX nodes that is being written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.errors import ArgumentTypeError
from nnlite.exchange.checks import take_name, writer_of
from nnlite.exchange.onnx.package import import_onnx
from nnlite.layers import Layer

__all__ = ["Graph"]


#: Operators that do the same to each number, wherever it stands.
_ALIKE = frozenset(
    [
        *("Abs", "Add", "Cast", "Clip", "Div", "Elu", "Erf", "Exp", "Greater", "HardSigmoid", "HardSwish"),
        *("Identity", "LeakyRelu", "Log", "Max", "Min", "Mul", "Neg", "Relu", "Selu", "Sigmoid", "Softplus"),
        *("Sqrt", "Sub", "Sum", "Tanh"),
    ]
)


class Graph:
    """Nodes and constants, each with a name of its own; functions for `export` write to it.

    Where a Transpose stands in front of an operator that does the same to each number, it is put behind it,
    and two that undo each other are none: images whose channels are in front for one convolution stay so
    until the next. What nothing needs then, `used` leaves out.

    Parameters
    ----------
    dtype : dtype
        That of the model: float32 or float64.
    inputs : sequence of str
        Names that are taken already.
    writers : mapping of class to callable (layer, x, graph) -> str
        What writes each kind of layer.
    where : str
        Names the call in messages.

    Attributes
    ----------
    dtype : dtype
        What was given.
    scope : str
        What new names begin with.
    shape : tuple of int or None
        Shape of a sample as it comes to the next layer; None if any will do.
    nodes, constants : list
        What has been written so far.

    Examples
    --------
    >>> graph = Graph(np.float32, inputs=["input"])
    >>> graph.node("Mul", "input", graph.constant(2.0))
    'Mul'
    >>> graph.node("Mul", "Mul", graph.constant([1.0, 3.0], name="gain"))
    'Mul_1'
    """

    def __init__(
        self,
        dtype: Any,
        inputs: Sequence[str] = (),
        *,
        writers: Mapping[type[Layer], Callable[[Any, str, Graph], str]] | None = None,
        where: str = "Graph",
    ) -> None:
        self._writers = writers or {}
        self._where = where
        self._onnx = import_onnx("Graph")
        self.dtype = np.dtype(dtype)
        self.scope = ""
        self.shape: tuple[int, ...] | None = None
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names = set(inputs)
        self._turned: dict[str, tuple[str, list[int]]] = {}  # of each Transpose what goes in, and the order
        self._single: set[str] = set()  # constants that are one number

    def layer(self, layer: Layer, x: str) -> str:
        """Add the nodes of a layer of the model, such as one that the layer being written is made of.

        Parameters
        ----------
        layer : Layer
            The layer.
        x : str
            The name of its input.

        Returns
        -------
        str
            The name of its output.

        Raises
        ------
        ArgumentError
            If nothing says how layers of its class are written.
        NotFittedError
            If it must see data first.
        ArgumentTypeError
            If the function for its class returns no name of a node.
        """
        outer, self.scope = self.scope, layer._prefix or self.scope
        before = layer.input_shape if self.shape is None else self.shape
        behind = None if before is None else layer.shape_after(before)
        self.shape = before
        where = f"{self._where}: layer {self.scope[:-1]} {layer}"
        takes = "(layer, x, graph) and returns graph.node(...)"
        y = writer_of(where, layer, self._writers, call="export", takes=takes)(layer, x, self)
        if y not in self._names:
            expected = f"the function for {type(layer).__name__} to return the name of a node"
            raise ArgumentTypeError(where, expected, f"{y!r}", "Return what graph.node(...) gives.")
        self.scope, self.shape = outer, behind
        return str(y)

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node, of which one output is used.

        Parameters
        ----------
        op : str
            The operator, such as ``"MatMul"``; ``"GRU:1"`` for the second of its results.
        *inputs : str
            Names that `node` or `constant` gave, or that of an input.
        domain : str
            The set of operators; that of ONNX itself by default.
        **attributes : int, float, str or list
            As the operator has them.

        Returns
        -------
        str
            The name of its output.

        Raises
        ------
        ArgumentTypeError
            If an input is no name.
        """
        for given in inputs:
            if not isinstance(given, str):
                fix = "Write graph.constant(value) for numbers."
                raise ArgumentTypeError("graph.node(inputs)", "names", type(given).__name__, fix)
        turned = [self._turned[given] for given in inputs if given in self._turned]
        if (
            op == "Transpose"
            and turned
            and [turned[0][1][axis] for axis in attributes["perm"]] == sorted(turned[0][1])
        ):
            return turned[0][0]
        if (
            op in _ALIKE
            and turned
            and len(set(inputs)) == len(inputs)  # a square is added up along the last axis by a norm
            and all(given in self._turned or given in self._single for given in inputs)
        ):
            orders = {tuple(order) for _, order in turned}
            if len(orders) == 1:
                before = [self._turned[given][0] if given in self._turned else given for given in inputs]
                return self.node("Transpose", self.node(op, *before, **attributes), perm=[*orders.pop()])
        op, _, result = op.partition(":")
        name = self.name(op)
        if op == "Transpose":
            self._turned[name] = (inputs[0], list(attributes["perm"]))
        outputs = [*[""] * int(result or 0), name]
        self.nodes.append(
            self._onnx.helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes)
        )
        return name

    def used(self, *outputs: str) -> list[Any]:
        """Return the nodes that some results depend on, in their order.

        Parameters
        ----------
        *outputs : str
            The names of the results.

        Returns
        -------
        list
        """
        wanted, found = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                found.append(node)
                wanted.update(node.input)
        return found[::-1]

    def constant(self, value: ArrayLike, *, name: str = "constant", dtype: Any = None) -> str:
        """Add a constant.

        Parameters
        ----------
        value : array-like
            The numbers.
        name : str
            What to call it, if no other thing is called so.
        dtype : dtype, optional
            By default int64 for integers, and that of the model for other numbers.

        Returns
        -------
        str
            Its name.
        """
        array = np.asarray(value)
        if dtype is None:
            dtype = np.int64 if array.dtype.kind in "iu" else self.dtype
        name = self.name(name)
        if array.ndim == 0:
            self._single.add(name)
        self.constants.append(
            self._onnx.numpy_helper.from_array(np.asarray(array, dtype, order="C"), name=name)
        )
        return name

    def cast(self, name: str, dtype: Any) -> str:
        """Add a node that changes the dtype.

        Parameters
        ----------
        name : str
            What to change.
        dtype : dtype
            To what.

        Returns
        -------
        str
            The name of its output.
        """
        return self.node("Cast", name, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def name(self, wanted: str) -> str:
        """Make a name that is not taken, and take it.

        Parameters
        ----------
        wanted : str
            What it shall be like.

        Returns
        -------
        str
        """
        return take_name(self.scope + wanted, self._names)
