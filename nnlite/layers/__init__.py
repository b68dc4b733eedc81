"""The layers: what a network is built from."""

from nnlite.core.activations import ReLU, Sigmoid, Step, Tanh
from nnlite.core.context import Context, Gradients, Watcher
from nnlite.core.dense import Dense
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter, State
from nnlite.errors.habits import missing_names
from nnlite.layers.activations import ELU, GELU, LeakyReLU, LogSoftmax, Mish, SiLU, Softmax, Softplus
from nnlite.layers.composition import Residual
from nnlite.layers.dropout import Dropout
from nnlite.layers.embedding import Embedding
from nnlite.layers.normalization import BatchNorm, LayerNorm, RMSNorm
from nnlite.layers.shapes import Flatten, Input
from nnlite.layers.standardize import Standardize

__all__ = [
    "ELU",
    "GELU",
    "BatchNorm",
    "Context",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Gradients",
    "Input",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "Mish",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Standardize",
    "State",
    "Step",
    "Tanh",
    "Watcher",
]


__getattr__ = missing_names(__name__)
