"""Makes known to compiled loops what the estimators train with, and nobody else does."""

from __future__ import annotations

from nnlite.jit import losses, optimizers
from nnlite.jit.estimators import adam_rule, half_squared, poisson_deviance, sgd_rule, summed
from nnlite.sklearn.objectives import HalfPoissonDeviance, HalfSquaredError, SumOverOutputs
from nnlite.sklearn.solvers import SklearnAdam, SklearnSGD

__all__ = ["register"]


def register() -> None:
    """Give solvers and losses their kernels; again does no harm."""
    optimizers.RULES.update({SklearnSGD: sgd_rule, SklearnAdam: adam_rule})
    losses.WRITERS.update(
        {HalfSquaredError: half_squared, HalfPoissonDeviance: poisson_deviance, SumOverOutputs: summed}
    )
    own = {HalfSquaredError, HalfPoissonDeviance, SumOverOutputs}
    losses.KNOWN.update(own)
    losses.ALONE.update(own)
