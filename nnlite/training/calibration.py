"""Calibration: what a net's answers are worth, measured on rows that it was not trained on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.checks import check_rows, check_weight
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_finite, check_number

__all__ = ["conformal_radius", "find_temperature", "fit_temperature"]

#: Temperatures beyond these say no more: a net that is always right wants 0, one that knows nothing infinity.
COLDEST, HOTTEST = 0.01, 100.0


def fit_temperature(logits: Any, y: Any, *, weight: Any = None) -> float:
    """Find the temperature by which logits must be divided to be as sure as they are right.

    Nets that were trained for long are too sure. Dividing all logits by one number changes no
    decision, and the number that lowers the cross-entropy of other rows makes the
    probabilities honest on average.

    Parameters
    ----------
    logits : array-like of shape (rows, classes), or (rows, 1) for two classes
        What the net gives for rows that it was not trained on.
    y : array-like of int of shape (rows,)
        Class ids; for logits of shape (rows, outputs) an array of 0 and 1 of that shape takes
        every output for a question of its own.
    weight : array-like of shape (rows,), optional
        How much each row counts.

    Returns
    -------
    float
        Above 1 if the net is too sure, below 1 if it is not sure enough; from 0.01 to 100.

    Warns
    -----
    UserWarning
        If all rows are right, so that they do not tell the temperature.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the arrays do not go together, or hold what is no logit and no class.

    Notes
    -----
    The cross-entropy is convex in 1 / temperature; where its slope is zero, the mean logit of
    the true class is that which the probabilities expect.

    Where every row is right there is no such place: the surer, the better, without end. But n rows that are
    right do not make it certain that the next one is. So the targets are then moved a little, as Platt's are:
    one row in n + 2 is taken to be another class. The temperature that follows makes the net surer at most,
    never less sure than it is by itself.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, section 4.2.

    J. Platt, "Probabilistic outputs for support vector machines", in: Advances in Large Margin
    Classifiers, 2000, section 2.2.

    Examples
    --------
    A net that says 4 : 1 in odds of e**4, and is right three times in four:

    >>> logits = [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]
    >>> round(fit_temperature(logits, [0, 0, 0, 1]), 3)
    3.641
    """
    temperature, doubt = find_temperature(logits, y, weight=weight, where="fit_temperature")
    if doubt:
        warnings.warn(doubt, stacklevel=2)
    return temperature


@np.errstate(under="ignore")
def find_temperature(logits: Any, y: Any, *, weight: Any, where: str) -> tuple[float, str]:
    """Find the temperature, and say what is doubtful about it; see `fit_temperature`.

    Parameters
    ----------
    logits, y, weight : array-like
        As for `fit_temperature`.
    where : str
        Names the caller in messages.

    Returns
    -------
    temperature : float
    doubt : str
        A message for a warning; empty if there is nothing to say.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        As in `fit_temperature`.

    Examples
    --------
    >>> temperature, doubt = find_temperature([[1.0, 0.0]] * 8, [0] * 8, weight=None, where="here")
    >>> round(temperature, 3), doubt[:37]
    (0.455, 'here: all of the 8 rows are right, so')
    """
    from scipy.optimize import brentq
    from scipy.special import expit, softmax

    z, target, weight = _check_rows(where, logits, y, weight)
    share = weight / weight.sum()
    chances: Callable[[AnyArray], AnyArray]
    if target.shape == z.shape:  # a question for each output
        others, chances = 1, expit
        right = ((2 * target - 1) * z >= 0).all()
    else:
        others, chances = max(z.shape[1] - 1, 1), partial(softmax, axis=1)
        target = np.eye(z.shape[1])[target.astype(np.int64)]
        right = ((z * target).sum(axis=1) >= z.max(axis=1)).all()

    def solve(target: AnyArray) -> float:
        observed = (z * target).sum(axis=1)

        def slope(beta: float) -> float:
            expected = (z * chances(beta * z)).sum(axis=1)
            return float(share @ (expected - observed))

        if slope(1 / HOTTEST) >= 0:
            return HOTTEST
        if slope(1 / COLDEST) <= 0:
            return COLDEST
        return 1 / float(brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-12))

    if not right:
        return solve(target), ""
    rows = float(weight.sum())
    wrong = 1 / (rows + 2)
    doubt = (
        f"{where}: all of the {rows:g} rows are right, so they set no limit to how sure the net may be; "
        f"the temperature is that for one in {rows + 2:g} wrong, and at most 1. Add rows, hard ones too."
    )
    return min(1.0, solve(target * (1 - wrong) + (1 - target) * wrong / others)), doubt


def _check_rows(where: str, logits: Any, y: Any, weight: Any) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return logits, targets and weights of the rows that count."""
    z = check_rows(f"{where}(logits)", logits).astype(np.float64, copy=False)
    if z.ndim != 2 or not z.size:
        raise ShapeError(
            f"{where}(logits)", "shape (rows, classes)", f"{z.shape}", "Give what predict returned."
        )
    target = check_rows(f"{where}(y)", y)
    if target.ndim == 1 and z.shape[1] == 1:
        target = target[:, None]
    if target.shape not in (z.shape, (len(z),)):
        raise ShapeError(
            f"{where}(y)",
            f"class ids of shape ({len(z)},), or 0 and 1 of shape {z.shape}",
            f"shape {target.shape}",
            "Give one class a row.",
        )
    shares = np.ones(len(z))
    if weight is not None:
        shares = check_weight(f"{where}(weight=)", weight, rows=(len(z),)).astype(np.float64)
    rows = shares > 0
    z, target, shares = z[rows], target[rows], shares[rows]
    check_finite(f"{where}(logits)", z)
    _check_between(f"{where}(y)", target, 1 if target.ndim == 2 else z.shape[1] - 1)
    return z, target, shares


def _check_between(where: str, target: AnyArray, highest: int) -> None:
    wrong = (target != np.floor(target)) | (target < 0) | (target > highest)
    if wrong.any():
        raise ArgumentError(
            where, f"whole numbers from 0 to {highest}", f"{target[wrong][0]}", "Give class ids, from 0."
        )


def conformal_radius(errors: Any, coverage: float) -> AnyArray:
    """Find how far around a prediction the truth lies so often, whatever the distribution.

    Split conformal prediction: if new rows come from where these came from, an interval of this
    radius around their predictions holds the truth with at least the asked probability, on
    average over all such data. Nothing is assumed about the net or the noise.

    Parameters
    ----------
    errors : array-like of shape (rows,) or (rows, outputs)
        Truth minus prediction, or its size, on rows that the net was not trained on.
    coverage : float
        In (0, 1), such as 0.9.

    Returns
    -------
    ndarray of shape () or (outputs,)
        The radius, in the units of the errors.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `coverage` is no such number, there are too few rows for it, or an error is not finite.
    ShapeError
        If `errors` has another number of axes.

    Notes
    -----
    It is the k-th smallest absolute error, with k = ceil((rows + 1) * coverage).

    References
    ----------
    H. Papadopoulos, K. Proedrou, V. Vovk and A. Gammerman, "Inductive confidence machines for
    regression", ECML 2002.

    J. Lei, M. G'Sell, A. Rinaldo, R. Tibshirani and L. Wasserman, "Distribution-free predictive
    inference for regression", Journal of the American Statistical Association 113, 2018,
    algorithm 2.

    Examples
    --------
    >>> float(conformal_radius([0.1, -0.4, 0.2, -0.3], 0.6))
    0.3
    """
    where = "conformal_radius"
    share = check_number(f"{where}(coverage)", coverage, low=0.0, high=1.0, low_open=True, high_open=True)
    sizes = np.abs(check_rows(f"{where}(errors)", errors).astype(np.float64, copy=False))
    if sizes.ndim not in (1, 2):
        raise ShapeError(
            f"{where}(errors)", "shape (rows,) or (rows, outputs)", f"{sizes.shape}", "Give one error a row."
        )
    check_finite(f"{where}(errors)", sizes)
    rows = len(sizes)
    # A product such as 20 * 0.95 may lie a rounding error above the whole number that is meant.
    rank = math.ceil((rows + 1) * share * (1 - 1e-12))
    if rank > rows:
        # rank <= rows as soon as rows >= share / (1 - share)
        raise ArgumentError(
            f"{where}(coverage)",
            f"at most {rows / (rows + 1):.3g}, which {rows} rows can vouch for",
            f"{share:g}",
            f"Give at least {math.ceil(share / (1 - share) * (1 - 1e-12))} rows.",
        )
    found: AnyArray = np.partition(sizes, rank - 1, axis=0)[rank - 1]
    return found
