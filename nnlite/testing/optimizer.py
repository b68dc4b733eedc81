"""`check_optimizer`: proves that an optimizer goes downhill and keeps the rules."""

from __future__ import annotations

from collections.abc import Callable

from nnlite.core.aliases import RNG
from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentTypeError
from nnlite.errors.checks import check_integer, check_rng
from nnlite.testing.optimizer_rules import BLOCKS, DECAY, PICKLE, RATES, RULES, can_be_pickled
from nnlite.testing.report import CheckReport

__all__ = ["check_optimizer"]


def check_optimizer(make: Callable[[], Optimizer], *, replicas: int = 3, rng: RNG = 0) -> CheckReport:
    """Prove that an optimizer goes downhill, and that it keeps the rules of `Optimizer`.

    Parameters
    ----------
    make : callable () -> Optimizer
        Returns a new optimizer at each call, such as ``lambda: Adam(0.01)``.
    replicas : int
        How many nets to train at once, to be compared with each one alone.
    rng : int, Generator or None
        The seed.

    Returns
    -------
    CheckReport

    Raises
    ------
    GradientCheckError
        If something is wrong.
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    The report lists what was tried, and nothing else is certified.

    Examples
    --------
    >>> from nnlite import SGD, Optimizer
    >>> print(check_optimizer(lambda: SGD(0.1, momentum=0.9)).subject)
    SGD(learning_rate=0.1, steps=0)
    >>> class Uphill(Optimizer):
    ...     def update(self, w, g, rate, decay):
    ...         w += rate * g
    >>> check_optimizer(lambda: Uphill(0.1))
    Traceback (most recent call last):
    ...
    nnlite.errors.GradientCheckError: Uphill.step: expected a lower loss after 100 steps on a sum of
        squares, got 8.13489e+15 after 9.375. The sign is wrong: write w -= rate * g.
    """
    replicas = check_integer("check_optimizer(replicas=)", replicas, low=1)
    generator = check_rng("check_optimizer(rng=)", rng)
    first = _made_by(make)
    if first is make():
        raise ArgumentTypeError(
            "check_optimizer(make)",
            "a new optimizer at each call",
            f"the same {first} twice",
            "Write lambda: Adam(0.01).",
        )
    rules = list(RULES)
    if can_be_pickled(first):
        rules.append(PICKLE)
    if type(first).step is Optimizer.step:  # which hands the rates to update one block at a time
        rules.append(RATES)
    if first.clip_norm is None:  # the norm is that of all parameters, so cutting them would change it
        rules.append(BLOCKS)
    rules.append(DECAY)
    for rule in rules:
        rule.check(make, replicas, generator)
    return CheckReport(f"{first}", {}, tuple(rule.sentence.format(replicas) for rule in rules))


def _made_by(make: Callable[[], Optimizer]) -> Optimizer:
    """Return what `make` gives, if that is an optimizer."""
    fix = "Write lambda: Adam(0.01)."
    if not callable(make):
        raise ArgumentTypeError("check_optimizer(make)", "a callable () -> Optimizer", f"{make!r}", fix)
    made = make()
    if not isinstance(made, Optimizer):
        raise ArgumentTypeError(
            "check_optimizer(make)", "a callable () -> Optimizer", f"one that returns {made!r}", fix
        )
    return made
