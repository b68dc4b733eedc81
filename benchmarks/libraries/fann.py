"""FANN, the C library for small nets that Linux distributions bring, through ctypes.

It can do only one of the nets: a symmetric sigmoid of steepness 1 is tanh, a linear output and
``FANN_ERRORFUNC_LINEAR`` are the squared error, and ``FANN_TRAIN_BATCH`` over the rows of a batch
is a step of SGD. It leaves out the factor 2 of the gradient, so it has twice the rate. One thing
stays different: for the slope of tanh it holds the output to 0.98 at most, which moves the losses
where a neuron is close to its end (`fann_activation_derived`). It has no form for several batches
in one call, so a step is a call.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

import numpy as np

from benchmarks.job import Training

#: The numbers of FANN 2.2's enumerations.
TRAIN_BATCH, ERROR_LINEAR, LINEAR, SIGMOID_SYMMETRIC = 1, 0, 0, 5
#: Where FANN ends the output of tanh before it takes the slope.
END = 0.98

_FILL = ctypes.CFUNCTYPE(
    None,
    ctypes.c_uint,
    ctypes.c_uint,
    ctypes.c_uint,
    ctypes.POINTER(ctypes.c_float),
    ctypes.POINTER(ctypes.c_float),
)


class _Connection(ctypes.Structure):
    _fields_ = (("start", ctypes.c_uint), ("end", ctypes.c_uint), ("weight", ctypes.c_float))


def load() -> Any:
    """Open the library, and say what its functions take."""
    # PyDLL keeps the interpreter's lock, which takes less time than to give it back for a microsecond.
    fann = ctypes.PyDLL(ctypes.util.find_library("floatfann"))
    pointer, count, real = ctypes.c_void_p, ctypes.c_uint, ctypes.c_float
    for name, given, answer in (
        ("create_standard_array", (count, ctypes.POINTER(count)), pointer),
        ("set_activation_function_hidden", (pointer, ctypes.c_int), None),
        ("set_activation_function_output", (pointer, ctypes.c_int), None),
        ("set_activation_steepness_hidden", (pointer, real), None),
        ("set_activation_steepness_output", (pointer, real), None),
        ("set_training_algorithm", (pointer, ctypes.c_int), None),
        ("set_train_error_function", (pointer, ctypes.c_int), None),
        ("set_learning_rate", (pointer, real), None),
        ("create_train_from_callback", (count, count, count, _FILL), pointer),
        ("set_weight_array", (pointer, ctypes.POINTER(_Connection), count), None),
        ("train_epoch", (pointer, pointer), real),
    ):
        function = getattr(fann, f"fann_{name}")
        function.argtypes, function.restype = given, answer
    return fann


class Step(Training):
    """`fann_train_epoch` over the rows of a batch."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        net = self.net
        if (net.activation, net.loss, net.optimizer) != ("tanh", "mse", "sgd"):
            raise NotImplementedError("FANN has no ReLU, softmax cross-entropy, Adam or momentum in batches")
        self.fann = fann = load()
        self.ann = ctypes.c_void_p(
            fann.fann_create_standard_array(len(net.sizes), (ctypes.c_uint * len(net.sizes))(*net.sizes))
        )
        for name, value in (
            ("activation_function_hidden", SIGMOID_SYMMETRIC),
            ("activation_function_output", LINEAR),
            ("activation_steepness_hidden", 1.0),
            ("activation_steepness_output", 1.0),
            ("training_algorithm", TRAIN_BATCH),
            ("train_error_function", ERROR_LINEAR),
            ("learning_rate", 2 * net.rate),
        ):
            getattr(fann, f"fann_set_{name}")(self.ann, value)
        self.connections = self._connect()
        self.batches = [(self._convert(x, y), None) for x, y in self.batches]

    def _convert(self, x: Any, y: Any) -> ctypes.c_void_p:
        """Copy a batch into FANN's own form."""

        def fill(row: int, inputs: int, outputs: int, to_x: Any, to_y: Any) -> None:
            np.ctypeslib.as_array(to_x, (inputs,))[...] = x[row]
            np.ctypeslib.as_array(to_y, (outputs,))[...] = y[row]

        return ctypes.c_void_p(
            self.fann.fann_create_train_from_callback(len(x), x.shape[1], y.shape[1], _FILL(fill))
        )

    def _connect(self) -> Any:
        """List the weights; the neurons are numbered layer by layer, with a bias after each."""
        found, first = [], 0
        for W, b in self.weights:
            rows = np.concatenate([W, b[None]])
            following = first + len(rows)
            found += [
                _Connection(first + start, following + end, weight)
                for (start, end), weight in np.ndenumerate(rows)
            ]
            first = following
        return (_Connection * len(found))(*found)

    def reset(self) -> None:
        self.fann.fann_set_weight_array(self.ann, self.connections, len(self.connections))

    def step(self, x: Any, y: Any) -> float:
        return self.fann.fann_train_epoch(self.ann, x)
