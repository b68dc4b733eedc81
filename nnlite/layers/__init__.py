"""The layers: what a network is built from."""

from nnlite.core.activations import ReLU, Sigmoid, Step, Tanh
from nnlite.core.context import Context, Gradients, Watcher
from nnlite.core.dense import Dense
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter, State
from nnlite.errors.habits import missing_names
from nnlite.layers.activations import ELU, GELU, SELU, LeakyReLU, LogSoftmax, Mish, SiLU, Softmax, Softplus
from nnlite.layers.attention import PositionEmbedding, SelfAttention
from nnlite.layers.composition import (
    Add,
    Columns,
    Concatenate,
    Multiply,
    Residual,
    TimeDistributed,
)
from nnlite.layers.convolution import Conv1D, Conv2D
from nnlite.layers.dropout import Dropout
from nnlite.layers.embedding import Embedding, TokenEmbedding
from nnlite.layers.normalization import BatchNorm, LayerNorm, RMSNorm
from nnlite.layers.piecewise import Clip, HardSigmoid, HardSwish, PReLU, ReLU6
from nnlite.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
)
from nnlite.layers.recurrent import GRU, LSTM, SimpleRNN
from nnlite.layers.shapes import Flatten, Input, Permute, Reshape
from nnlite.layers.standardize import Standardize

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "SELU",
    "Add",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Clip",
    "Columns",
    "Concatenate",
    "Context",
    "Conv1D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Gradients",
    "HardSigmoid",
    "HardSwish",
    "Input",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool1D",
    "MaxPool2D",
    "Mish",
    "Multiply",
    "PReLU",
    "Parameter",
    "Permute",
    "PositionEmbedding",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "SelfAttention",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "Softplus",
    "Standardize",
    "State",
    "Step",
    "Tanh",
    "TimeDistributed",
    "TokenEmbedding",
    "Watcher",
]


__getattr__ = missing_names(__name__)
