"""nnlite: neural networks on NumPy that you can read, watch and trust."""

from nnlite import _ctrl_c as _ctrl_c  # isort: skip  # before what takes time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnlite import _moved, datasets, initializers, layers, losses, metrics, optimizers, schedules
from nnlite._version import __version__
from nnlite.core.parameters import Parameters
from nnlite.data.batching import batches, k_folds, one_hot, train_test_split
from nnlite.data.series import pad_sequences, windows
from nnlite.data.table import TableEncoder
from nnlite.errors import ReplicaWarning
from nnlite.files.models import load
from nnlite.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    Add,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Columns,
    Concatenate,
    Context,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool,
    GlobalMaxPool,
    Input,
    Layer,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool1D,
    MaxPool2D,
    Mish,
    Multiply,
    Parameter,
    Permute,
    PositionEmbedding,
    ReLU,
    Reshape,
    Residual,
    RMSNorm,
    SelfAttention,
    Sigmoid,
    SiLU,
    SimpleRNN,
    Softmax,
    Softplus,
    Standardize,
    State,
    Step,
    Tanh,
    TimeDistributed,
    TokenEmbedding,
    Watcher,
)
from nnlite.losses import (
    BinaryCrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    Loss,
    Masked,
    MeanAbsoluteError,
    MeanSquaredError,
    PointwiseLoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)
from nnlite.metrics import (
    accuracy,
    average_precision,
    binary_accuracy,
    confusion_matrix,
    f1,
    log_loss,
    mean_absolute_error,
    mean_absolute_percentage_error,
    median_absolute_error,
    precision,
    r2,
    recall,
    roc_auc,
    root_mean_squared_error,
    top_k_accuracy,
)
from nnlite.model import Ensemble, ModelContext, Sequential
from nnlite.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Optimizer, RMSProp
from nnlite.optimizers.second_order import LBFGS, LevenbergMarquardt
from nnlite.schedules import (
    ConstantRate,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    Schedule,
    StepDecay,
    WarmUp,
)
from nnlite.training.callbacks import (
    Callback,
    EarlyStopping,
    ProgressBar,
    ReduceOnPlateau,
    TimeLimit,
    TrainingState,
)
from nnlite.training.checkpoint import Checkpoint
from nnlite.training.forecasting import forecast
from nnlite.training.history import History

if TYPE_CHECKING:
    from nnlite.sweeps import SweepResult, sweep

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LBFGS",
    "LSTM",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Add",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Callback",
    "Checkpoint",
    "Columns",
    "Concatenate",
    "ConstantRate",
    "Context",
    "Conv1D",
    "Conv2D",
    "CosineDecay",
    "CosineRestarts",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Ensemble",
    "ExponentialDecay",
    "Flatten",
    "GaussianNLL",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Hinge",
    "History",
    "Huber",
    "Input",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LevenbergMarquardt",
    "Lion",
    "LogSoftmax",
    "Loss",
    "Masked",
    "MaxPool1D",
    "MaxPool2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Mish",
    "ModelContext",
    "Multiply",
    "OneCycle",
    "Optimizer",
    "Parameter",
    "Parameters",
    "Permute",
    "PiecewiseConstant",
    "PointwiseLoss",
    "PoissonNLL",
    "PolynomialDecay",
    "PositionEmbedding",
    "ProgressBar",
    "Quantile",
    "RMSNorm",
    "RMSProp",
    "ReLU",
    "ReduceOnPlateau",
    "ReplicaWarning",
    "Reshape",
    "Residual",
    "Schedule",
    "SelfAttention",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Standardize",
    "State",
    "Step",
    "StepDecay",
    "SweepResult",
    "TableEncoder",
    "Tanh",
    "TimeDistributed",
    "TimeLimit",
    "TokenEmbedding",
    "TrainingState",
    "WarmUp",
    "Watcher",
    "__version__",
    "accuracy",
    "average_precision",
    "batches",
    "binary_accuracy",
    "confusion_matrix",
    "datasets",
    "f1",
    "forecast",
    "initializers",
    "k_folds",
    "layers",
    "load",
    "log_loss",
    "losses",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "metrics",
    "one_hot",
    "optimizers",
    "pad_sequences",
    "precision",
    "r2",
    "recall",
    "roc_auc",
    "root_mean_squared_error",
    "schedules",
    "sweep",
    "top_k_accuracy",
    "train_test_split",
    "windows",
]


#: Modules that few need, and most of which need more than NumPy: imported when first asked for.
_ON_DEMAND = ("distributed", "export", "inspect", "interop", "onnx", "plot", "sklearn", "testing")


_moved.show()


def __getattr__(name: str) -> Any:
    """Import what few need when it is first asked for."""
    if name in _ON_DEMAND:
        return import_module(f"nnlite.{name}")
    if f"nnlite.{name}" in _moved.MOVED:
        return import_module(f"nnlite.{name}")
    if name in {"SweepResult", "sweep"}:
        return getattr(import_module("nnlite.sweeps"), name)
    raise import_module("nnlite.errors.habits").no_such_name("nnlite", name)
