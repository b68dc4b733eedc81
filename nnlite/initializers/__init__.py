"""Where the weights start; `nnlite.core.initializers` has them."""

from nnlite.core.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    InitializerLike,
    LeCunNormal,
    LeCunUniform,
    Orthogonal,
    Zeros,
)
from nnlite.errors.habits import missing_names

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerLike",
    "LeCunNormal",
    "LeCunUniform",
    "Orthogonal",
    "Zeros",
]

__getattr__ = missing_names(__name__)
