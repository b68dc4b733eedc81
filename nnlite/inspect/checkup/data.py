"""The size of features and targets, and columns that are the same in all rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import is_sparse
from nnlite.inspect.checkup.columns import row_numbers
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import Patient, Skip, reaching
from nnlite.inspect.checkup.rows import moments, named, sizes
from nnlite.inspect.checkup.task import task_of
from nnlite.layers import Embedding, Standardize, TokenEmbedding
from nnlite.layers.normalization import BatchNorm
from nnlite.losses import GaussianNLL, PoissonNLL
from nnlite.training.inside import first_weights, what_reaches

__all__ = ["features", "targets"]

# Sizes are root mean squares of a column. The thresholds come from nets of 32 neurons trained 40 epochs with
# Adam(0.01), Adam(0.001) and SGD(0.1) on standardized data times a factor, median of 5 seeds: accuracy or R^2
# on other rows.

#: Times 10 in all columns: a smooth surface falls from 0.95 to 0.45, spirals from 0.95 to 0.82, iris from
#: 0.96 to 0.91 (Adam(0.01)); with SGD(0.1) the surface diverges.
LARGE_FEATURE = 10.0
#: Times 100: SGD(0.1) diverges on digits, iris, spirals and the surface; one column times 100 is enough on
#: iris.
HUGE_FEATURE = 100.0
#: A column so many times the median one, and above 1, drowns the others: one column of iris times 100 is 0.82
#: instead of 0.96.
DROWNING = 100.0
#: Times 0.03: SGD(0.1) reaches 0.65 on digits instead of 0.94, 0.28 on the surface instead of 0.93.
TINY_FEATURE = 0.03
#: A mean so many times the spread, in a column of at least half the usual size. At 3 iris falls from 0.96 to
#: 0.84, at 10 to 0.64, and the surface from 0.95 to 0.27.
OFF_CENTRE = 5.0
#: The squares of such means together, by what all columns vary by: of digits on white paper the border is
#: white in nearly all rows. That of 8 x 8 pixels comes to 2.4 to 3.6 and does little harm, 0.96 instead of
#: 0.97; that of MNIST to 3.7 (300 rows), 4.3 (500) and 5.7 (5,000), and of 2,000 rows nets learn 0.33
#: instead of 0.93 with Adam(0.01), 0.89 instead of 0.92 with Adam(0.001), 0.33 instead of 0.90 with SGD(0.1).
OFF_TOGETHER = 4.0
HALF_SIZE = 0.5
#: Targets of the surface plus 10: R^2 falls from 0.96 to 0.68 with Adam(0.01), from 0.84 to -6.8 with
#: Adam(0.001).
LARGE_TARGET = 10.0
#: Plus 30: -3.4, and SGD(0.1) diverges.
HUGE_TARGET = 30.0
#: Times 0.03: R^2 is -2.3 on the surface with Adam(0.01), and -0.9 on a sine with Adam(0.001).
TINY_TARGET = 0.03
#: As many columns are named in a message; the evidence has them all.
SHOWN = 5


def features(p: Patient) -> Iterator[Finding]:
    """Look at the size of what reaches the first weights."""
    first = first_weights(p.model)[1]
    if first is None:
        raise Skip("no layer learns")
    if first.children and any(isinstance(one, Standardize | BatchNorm) for _, one in first.walk()):
        raise Skip("layers inside of the first one that learns bring columns to one size")
    if first.children and any(isinstance(one, Embedding | TokenEmbedding) for _, one in first.walk()):
        raise Skip("some columns are ids for layers inside of the first one that learns")
    x = reaching(p.model, p.all.x)
    if x.shape[1] == 0:
        raise Skip("there are only ids of categories")
    sparse = is_sparse(x)
    size = sizes(x)
    if sparse:
        means = spreads = None
    else:
        means, spreads = moments(x)
        constant = spreads == 0
        yield from _constant(p, constant)
        if constant.all():
            return
    if x.shape == p.all.x.shape:
        size[row_numbers(p)] = 0  # which are to be left out, not scaled
    if isinstance(first, BatchNorm):  # which brings all columns to one size
        return
    # Behind the first weights it brings their sums to one size: no column is too large, but beside others.
    normed = any(
        one.layer is first and isinstance(two.layer, BatchNorm) for one, two in pairwise(p.way_through)
    )
    worst = int(size.argmax())
    largest = float(size[worst])
    typical = float(np.median(size[size > 0])) if (size > 0).any() else 0.0
    evidence: dict[str, Any] = {"column": worst, "size": largest, "median_size": typical}
    name = named(p, worst)
    fix = _scaling_fix(p)
    drowns = typical > 0 and largest >= DROWNING * typical and largest >= 1
    if drowns or (largest >= LARGE_FEATURE and not normed):
        times = f", {largest / typical:.3g} times the median column" if largest > 2 * typical > 0 else ""
        yield finding(
            "NN101",
            "error" if largest >= HUGE_FEATURE else "warning",
            f"{name} reaches the first weights with a typical size of {largest:.3g}{times}; a net learns "
            "from numbers near 1.",
            fix,
            **evidence,
        )
    elif normed:
        return
    elif 0 < largest < TINY_FEATURE:
        yield finding(
            "NN101",
            "warning",
            f"No column that reaches the first weights is larger than {largest:.3g}; a net learns from "
            "numbers near 1, and would have to grow its weights first.",
            fix,
            **evidence,
        )
    elif means is not None and spreads is not None:
        off = np.where(constant | (size < HALF_SIZE), 0.0, np.abs(means) / spreads)
        beside = np.square(means)[off >= OFF_CENTRE].sum() / np.square(spreads).sum()
        worst = int(off.argmax())
        if off[worst] >= OFF_CENTRE and beside >= OFF_TOGETHER:
            yield finding(
                "NN101",
                "warning",
                f"{named(p, worst)} lies around {means[worst]:.4g} and varies by {spreads[worst]:.3g} "
                f"only: its mean is {off[worst]:.3g} times its spread, so that it says nearly the same for "
                "every row.",
                fix,
                column=worst,
                mean=float(means[worst]),
                spread=float(spreads[worst]),
            )


def _constant(p: Patient, constant: AnyArray) -> Iterator[Finding]:
    """Tell of columns that say nothing."""
    count = int(constant.sum())
    if not count or p.all.x.shape[0] < 2:
        return
    columns = np.flatnonzero(constant)
    every = count == len(constant)
    some = ", ".join(map(str, columns[:SHOWN].tolist())) + (", ..." if count > SHOWN else "")
    yield finding(
        "NN102",
        "error" if every else "note",
        "Every column is the same in all rows: there is nothing to learn from."
        if every
        else f"{count} of {len(constant)} columns {'are' if count > 1 else 'is'} the same in all rows "
        f"({some}).",
        "Look at X before it was scaled or cast; an integer division makes zeros of pixels."
        if every
        else "They do no harm; leave them out if they should not be constant.",
        columns=columns[:100].tolist(),
        count=count,
        of=len(constant),
    )


def targets(p: Patient) -> Iterator[Finding]:
    """Look at the size of the numbers to predict, and whether there is more than one."""
    y = p.targets
    rows = len(y)
    if rows > 1:
        flat = y.reshape(rows, -1)
        same = np.array([(column == column[0]).all() for column in flat.T])
        if same.all():
            yield finding(
                "NN106",
                "error",
                f"All {rows:,} targets are the same: {flat[0].tolist()[0]:g}.",
                "Look at how y was made; a model of one answer needs no net.",
                value=float(flat[0][0]),
                rows=rows,
            )
            return
        if same.any() and p.kind == "numbers":
            yield finding(
                "NN106",
                "note",
                f"{int(same.sum())} of {len(same)} columns of the targets are the same in all rows.",
                "Leave them out.",
                columns=np.flatnonzero(same).tolist(),
            )
    # Class ids have no scale, whatever the loss takes them for; counts are predicted by their logarithm.
    if (
        p.kind != "numbers"
        or isinstance(p.loss, PoissonNLL)
        or task_of(y, classifies=False).kind == "classes"
    ):
        return
    there = np.where(np.isnan(y), 0, y).astype(np.float64).reshape(rows, -1)
    size = sizes(there)
    worst = int(size.argmax())
    largest, spread = float(size[worst]), float(there[:, worst].std())
    fix = (
        "Write mean, std = y.mean(0), y.std(0), train on (y - mean) / std, and undo it, "
        "model.predict(X) * std + mean; nnlite.sklearn.MLPRegressor(scale_targets=True) does so by itself."
    )
    evidence = {"column": worst, "size": largest, "mean": float(there[:, worst].mean()), "spread": spread}
    of = f" in column {worst}" if there.shape[1] > 1 else ""
    if largest >= LARGE_TARGET:
        yield finding(
            "NN105",
            "error" if largest >= HUGE_TARGET else "warning",
            f"The targets{of} have a typical size of {largest:.3g}; a net begins near 0, and its steps are "
            "made for about 1.",
            fix,
            **evidence,
        )
    elif 0 < largest < TINY_TARGET and not isinstance(p.loss, GaussianNLL):
        yield finding(
            "NN105",
            "warning",
            f"The targets have a typical size of {largest:.3g}; the first answers of a net are of about 1, "
            "and the noise of its steps drowns what is to be learned.",
            fix,
            **evidence,
        )


def _scaling_fix(p: Patient) -> str:
    if is_sparse(p.all.x):
        return "Divide each column by its largest size before."
    place, first = first_weights(p.model)
    if isinstance(first, Embedding):
        return "Scale the numeric columns, as TableEncoder does."
    *places, features = what_reaches(p.model, place, p.all.x[:1]).shape[1:]
    if len(places) > 1:
        return "Divide the pixels by their largest before, or by 255."
    scaling = f"TimeDistributed([Standardize({features})])" if places else f"Standardize({features})"
    return f"Put {scaling} before layer {'.'.join(map(str, place))} {first}."
