"""Where the weights start; `nnlite.core.initializers` has them."""

from nnlite.core.initializers import GlorotUniform, HeNormal, Initializer, InitializerLike, Zeros
from nnlite.errors.habits import missing_names
from nnlite.initializers.others import (
    Constant,
    GlorotNormal,
    HeUniform,
    LeCunNormal,
    LeCunUniform,
    Orthogonal,
)

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
