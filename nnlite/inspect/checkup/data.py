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
from nnlite.inspect.checkup.rows import moments, named, sizes, table
from nnlite.inspect.checkup.task import task_of
from nnlite.layers import Embedding, Standardize, TokenEmbedding
from nnlite.layers.normalization import BatchNorm
from nnlite.losses import GaussianNLL, MultiTaskLoss, PoissonNLL, SequenceLoss
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
#: From the other side: up to so much a training that went well has coped with.
COPED_TARGET = 100.0
#: Times 0.03: R^2 is -2.3 on the surface with Adam(0.01), and -0.9 on a sine with Adam(0.001).
TINY_TARGET = 0.03
#: The width of the middle half of a column in standard deviations, 1.35 of a bell. Of exp(s z) it is 0.7 for
#: s of 1, 0.3 for 1.5 and 0.1 for 2; nets that saw these instead of z learned 0.78, 0.52 and 0.24 of a
#: surface in z, and 0.97 of z. One made-up surface, three seeds.
TAIL = 0.15
ENOUGH_ROWS = 100
#: A table with more columns is one of pixels or words.
MOST_COLUMNS = 1000
#: Nines that are so many times as far away as the other numbers from each other, in so many rows.
FAR_OUT = 5.0
FEW = 3
NEARLY_WHOLE = 1e-2
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
    codes = list(_codes(p))
    yield from codes
    if codes:
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
    elif not sparse and spreads is not None and (tailed := _tailed(p, x, spreads)):
        worst = tailed[0]
        yield finding(
            "NN101",
            "warning",
            f"{named(p, worst)}{f', and {len(tailed) - 1} more,' if len(tailed) > 1 else ''} has a long "
            "tail: "
            f"of all rows the middle half lies within {_middle(x)[worst] / spreads[worst]:.2g} of its "
            "standard "
            "deviation, which a few large numbers make.",
            f"Take logarithms of positive numbers before, X[:, {tailed}] = np.log(X[:, {tailed}]).",
            columns=tailed,
        )
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


def _codes(p: Patient) -> Iterator[Finding]:
    """Look for what tables have in the place of numbers that are missing, such as -999."""
    try:
        x = table(p)
    except Skip:
        return
    found: dict[float, list[int]] = {}
    for at, column in enumerate(x.T):
        for end in {float(np.rint(column.min())), float(np.rint(column.max()))}:
            there = np.abs(column - end) <= NEARLY_WHOLE
            rest = column[~there]
            if set(f"{abs(end):.0f}") != {"9"} or there.sum() < FEW or not len(rest):
                continue
            if np.abs(rest - end).min() > FAR_OUT * max(np.ptp(rest), 1.0):
                found.setdefault(end, []).append(at)
    for code, columns in found.items():
        share = float((np.abs(x[:, columns] - code) <= NEARLY_WHOLE).mean())
        several = f", and {len(columns) - 1} more, are" if len(columns) > 1 else " is"
        yield finding(
            "NN101",
            "warning",
            f"{named(p, columns[0])}{several} {code:.0f} in {share:.1%} of the cells and nowhere near "
            "that in "
            "the rest: it seems to stand for what is missing, and makes all else look the same.",
            f"Write X = np.where(X == {code:.0f}, np.nan, X), and give a frame of that to TableEncoder, "
            "which marks "
            "what is missing; or fill the gaps with np.nanmean(X, axis=0).",
            value=code,
            columns=columns,
            share=share,
        )


def _tailed(p: Patient, x: AnyArray, spreads: AnyArray) -> list[int]:
    """Find columns of positive numbers of which a few are so large that the others are nearly the same."""
    raw = p.all.x
    if raw.ndim != 2 or raw.shape != x.shape or len(x) < ENOUGH_ROWS or x.shape[1] > MOST_COLUMNS:
        return []
    middle = _middle(x)
    some = (middle > 0) & (middle < TAIL * spreads) & (raw.min(axis=0) > 0)
    return np.flatnonzero(some).tolist()


def _middle(x: AnyArray) -> AnyArray:
    """Return how wide the middle half of each column is."""
    found: AnyArray = np.subtract(*np.quantile(x, (0.75, 0.25), axis=0))
    return found


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
    if isinstance(p.loss, SequenceLoss) and p.loss._takes_ids and p.loss.padding >= 0:
        left = np.unique(y[~np.isnan(y)])
        if len(left) == 1:
            yield finding(
                "NN106",
                "error",
                f"{p.loss} leaves out all steps of class {p.loss.padding}, and the others are all of class "
                f"{left[0]:g}.",
                "Let padding be no class: SequenceLoss(..., padding=-1), and -1 in y for steps that are "
                "none.",
                value=float(left[0]),
                padding=p.loss.padding,
            )
            return
    if rows > 1:
        flat = y.reshape(rows, -1)
        same = np.array([(column == column[0]).all() for column in flat.T])
        if same.all():
            other = p.held_out.y if p.held_out is not None else None
            cut = other is not None and bool((other.reshape(len(other), -1) != flat[0]).any())
            yield finding(
                "NN106",
                "error",
                f"All {rows:,} targets are the same: {flat[0].tolist()[0]:g}."
                + (" Those of the validation rows are not." if cut else ""),
                "Shuffle before you split: nnlite.train_test_split(X, y, stratify=True)."
                if cut
                else "Look at how y was made; a model of one answer needs no net.",
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
        or (isinstance(p.loss, SequenceLoss) and p.loss._takes_ids)
        or task_of(y, classifies=False).kind == "classes"
    ):
        return
    there = np.where(np.isnan(y), 0, y).astype(np.float64).reshape(rows, -1)
    size = sizes(there)
    if isinstance(p.loss, MultiTaskLoss):
        for task in p.loss.tasks.values():
            if task.loss.from_logits:
                size[task.targets] = 0
    worst = int(size.argmax())
    largest, spread = float(size[worst]), float(there[:, worst].std())
    fix = (
        "Write mean, std = y.mean(0), y.std(0), train on (y - mean) / std, and undo it, "
        "model.predict(X) * std + mean"
        + (
            "; nnlite.sklearn.MLPRegressor(scale_targets=True) does so by itself."
            if p.all.x.ndim == 2
            else "."
        )
    )
    if isinstance(p.loss, MultiTaskLoss):  # the others may be classes
        column = f"y[:, {worst}]"
        fix = (
            f"Write mean, std = {column}.mean(), {column}.std(), and before training {column} = ({column} - "
            "mean) "
            "/ std; the answers of that task times std, plus mean, are the numbers."
        )
    evidence = {"column": worst, "size": largest, "mean": float(there[:, worst].mean()), "spread": spread}
    of = f" in column {worst}" if there.shape[1] > 1 else ""
    if largest >= LARGE_TARGET:
        yield finding(
            "NN105",
            "note"
            if largest <= COPED_TARGET and p.went_well
            else "error"
            if largest >= HUGE_TARGET
            else "warning",
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
