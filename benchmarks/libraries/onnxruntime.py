"""onnxruntime: the net as a graph of the ONNX standard, put together by hand."""

from __future__ import annotations

from typing import Any

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.job import Prediction
from benchmarks.nets import Net, Weights


def make_graph(net: Net, weights: Weights) -> Any:
    """Write the net as an ONNX model: Gemm, Relu, Gemm ..."""
    nodes, constants, value = [], [], "x"
    for number, (W, b) in enumerate(weights):
        constants += [numpy_helper.from_array(W, f"W{number}"), numpy_helper.from_array(b, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [value, f"W{number}", f"b{number}"], [f"z{number}"]))
        value = f"z{number}"
        if number < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [value], [f"h{number}"]))
            value = f"h{number}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in (("x", net.sizes[0]), (value, net.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


class Predict(Prediction):
    """`run`, NumPy in and NumPy out."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        model = make_graph(self.net, self.weights).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def predict(self, x: Any) -> Any:
        return self.session.run(None, {"x": x})[0]
