"""The layers: what a network is built from."""

from nnlite.core.activations import LogSoftmax, ReLU, Sigmoid, Softmax, Step, Tanh
from nnlite.core.context import Context, Gradients, Watcher
from nnlite.core.dense import Dense
from nnlite.core.dropout import Dropout
from nnlite.core.layer import Layer
from nnlite.core.normalization import BatchNorm, LayerNorm
from nnlite.core.parameters import Parameter, State
from nnlite.core.residual import Residual
from nnlite.errors.habits import missing_names
from nnlite.layers.activations import ELU, GELU, LeakyReLU, Mish, SiLU, Softplus
from nnlite.layers.embedding import Embedding
from nnlite.layers.flatten import Flatten
from nnlite.layers.normalization import RMSNorm
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
