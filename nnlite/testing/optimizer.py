"""`check_optimizer`: proves that an optimizer goes downhill and keeps the rules."""

from __future__ import annotations

from collections.abc import Callable

from nnlite._typing import RNG
from nnlite.checks import check_integer, check_rng
from nnlite.errors import ArgumentTypeError
from nnlite.optimizers import Optimizer
from nnlite.testing.optimizer_rules import (
    DOWNHILL_STEPS,
    check_blocks,
    check_downhill,
    check_in_place,
    check_ownership,
    check_rates,
    check_replicas,
    check_resuming,
)
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
    It is checked that 100 steps lower a sum of squares whose curvatures lie between 1/2 and
    2; that values are written in place and frozen ones keep every bit; that gradients stay
    as they are, unless they are clipped; that replicas are trained as each would be alone;
    that it makes no difference how the parameters are cut into blocks; that training goes
    on to the same bits from a copy, from a pickle and from ``state_dict``; that float32
    stays float32; and that the parameters of another model are refused.

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
    name = f"{first}"
    check_downhill(make)
    check_in_place(first, generator)
    check_replicas(make, replicas, generator)
    checked = [
        f"the loss is lower after {DOWNHILL_STEPS} steps",
        "values change in place; gradients and frozen values do not change",
        "float32 stays float32",
        f"{replicas} replicas are trained as each would be alone",
    ]
    if type(first).step is Optimizer.step:  # which hands the rates to update one block at a time
        check_rates(make, replicas, generator)
        checked.append("so are replicas with learning rates of their own")
    if first.clip_norm is None:  # the norm is that of all parameters, so cutting them would change it
        check_blocks(make, generator)
        checked.append("it makes no difference how the parameters are cut into blocks")
    ways = check_resuming(make, generator)
    checked.append(f"training goes on to the same bits from {ways}")
    check_ownership(make(), generator)
    checked.append("the parameters of another model are refused")
    return CheckReport(name, {}, tuple(checked))


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
