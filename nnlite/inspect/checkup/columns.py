"""Columns that say too much or nothing: the target itself, the number of the row, a name for each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.data.conversion import is_sparse
from nnlite.data.table import CategoricalColumn, TableEncoder, day_first, kind_of_text
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import SAMPLE, Patient, Skip
from nnlite.inspect.checkup.rows import drop, moments, named, row_keys, table
from nnlite.inspect.checkup.sight import what_is_seen

__all__ = ["categories", "row_number", "row_numbers", "target_among_features"]

#: Fewer rows may be in any order, or agree with any column, by chance.
ENOUGH_ROWS = 30
#: Whole numbers, or multiples of one, that fill so much of their range count the rows, shuffled or split too.
#: Of 30 numbers drawn from 60, 1 in 7,000 times none comes twice.
FILLED = 0.5
#: Whole numbers within this range may be years, which say something.
YEARS = (1500, 2200)
#: What an encoder has divided by and multiplied again is whole but for this much.
NEARLY_WHOLE = 1e-2
#: A correlation with the target, of numbers or of ranks. The last value of a series and the next come as
#: near, but there the other columns do so too.
SAME_NUMBERS = 0.999
SAME_RANKS = 0.9999
EXACTLY = 1e-6
#: So many standard deviations within a class lie between neighbouring classes. The label plus noise of a
#: tenth of it comes to 10, of an eighth to 8. All classes of iris come to 3.5, tumours to 2.7, wines to 1.7;
#: two alone to 10 (iris), 8.8 (the digits 0 and 7) and 6.3 (wines), where others say as much, see REST.
APART = 8.0
#: The other columns must leave at least so much of the target unexplained: a table that is as easy without
#: the column has no leak that matters.
REST = 0.1
#: With fewer columns it may be the rule that one looks for.
SEVERAL = 3
#: With fewer different rows it is a table of truths, or one thing told in many columns.
DIFFERENT_ROWS = 8
#: A table with more columns is one of pixels or words; with more targets they are likely the features.
MOST_COLUMNS = 2000
MOST_TARGETS = 20


def row_numbers(p: Patient) -> list[int]:
    """Find columns that number the rows.

    Parameters
    ----------
    p : Patient
        Any.

    Returns
    -------
    list of int
    """
    try:
        x = table(p)
    except Skip:
        return []
    rows, columns = x.shape
    # A single column of numbers in a row is what a function is to be learned of.
    found = [j for j in range(columns) if _whole(x[:, j])] if rows >= ENOUGH_ROWS and columns > 1 else []
    if found:  # copies of a row have the number of the first
        first = dict(zip(reversed(list(row_keys(p.all.x))), reversed(range(rows)), strict=True))
        x = x[sorted(first.values())]
    return [j for j in found if _counts(x[:, j])]


def _whole(values: AnyArray) -> bool:
    return bool(np.isfinite(values).all() and np.abs(values - np.rint(values)).max() <= NEARLY_WHOLE)


def _counts(values: AnyArray) -> bool:
    whole = np.rint(values).astype(np.float64)
    different = np.unique(whole).astype(np.int64)
    steps = np.diff(different)
    if len(different) < ENOUGH_ROWS or (YEARS[0] <= different[0] and different[-1] <= YEARS[1]):
        return False
    # Seconds since 1970 are rounded in float32, so that some become equal.
    rounded = np.spacing(np.abs(values).max()) > 1
    if len(different) < len(whole) and not rounded:
        return False
    if len(different) * np.gcd.reduce(steps) >= FILLED * (different[-1] - different[0]):
        return True
    steps = np.diff(whole)
    return bool((steps > 0).all() or (steps < 0).all())


def row_number(p: Patient) -> Iterator[Finding]:
    """Look for row numbers and ids among the features."""
    for column in row_numbers(p):
        values = np.rint(table(p)[:, column]) + 0.0  # and no -0
        yield finding(
            "NN114",
            "warning",
            f"{named(p, column)} numbers the rows: {len(values):,} of them from {values.min():.0f} to "
            f"{values.max():.0f}, each with a number of its own. A net learns rows by heart from it, and "
            "other rows have other numbers.",
            drop(p, [column]),
            column=column,
            low=float(values.min()),
            high=float(values.max()),
        )


def target_among_features(p: Patient) -> Iterator[Finding]:
    """Look for columns that say the target nearly by themselves, where the others do not."""
    windows = not is_sparse(p.all.x) and p.all.x.ndim == 3
    x, y = p.all.x.reshape(len(p.all.x), -1) if windows else table(p), p.targets
    rows, columns = x.shape
    if rows < ENOUGH_ROWS or not (1 if p.model.preprocessing is not None else 2) <= columns <= MOST_COLUMNS:
        raise Skip("there are too few rows, or too few or too many columns")
    if y.ndim > 1 and y.shape[1] > MOST_TARGETS:
        raise Skip("there are too many columns of targets")
    chosen = np.arange(rows)
    if rows > SAMPLE:
        chosen = np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))
    x, y = x[chosen].astype(np.float64), y[chosen]
    try:
        ids: AnyArray | None = p.class_ids[chosen]
    except Skip:
        ids = None
    targets = y.reshape(len(y), -1).astype(np.float64)
    with np.errstate(all="ignore"):
        found = _same_numbers(x, targets) if ids is None else _same_classes(x, ids)
    marks = {} if ids is None or windows else _marks_of_categories(p.all.x[chosen, x.shape[1] :])
    if ids is not None:
        found |= {x.shape[1] + at: told for at, one in marks.items() if (told := _names_class(one, ids))}
    if not found or (ids is None and _is_reconstruction(found, targets.shape[1])):
        return
    suspects = sorted(found)
    others = np.delete(x, [at for at in suspects if at < x.shape[1]], axis=1)
    others = np.hstack([others, *(one for at, one in marks.items() if x.shape[1] + at not in found)])
    columns += len(marks)
    known = what_is_seen(others, targets if ids is None else ids).skill if others.shape[1] else 0.0
    best = max(suspects, key=lambda column: found[column][0])
    exact = found[best][2]
    # What is exactly the target is no neighbour of it, however near these come; classes may be that plain.
    harmless = (known > 1 - REST and not (exact and ids is None and known < 1 - EXACTLY)) or columns < SEVERAL
    harmless = harmless or len(np.unique(x, axis=0)) < DIFFERENT_ROWS or not (x - x[:, :1]).any()
    nearly = "" if exact else "nearly "
    several, says = "", f"says the target {nearly}by itself"
    if len(suspects) > 1:
        several, says = f", and {len(suspects) - 1} more", f"say the target {nearly}by themselves"
    yield finding(
        "NN113",
        "note" if harmless else "error" if exact else "warning",
        f"{named(p, best)}{several} {says}: {found[best][1]}. All others together explain "
        f"{max(known, 0):.0%} of it." + ("" if harmless else " Whoever predicts will not have it."),
        drop(p, suspects)
        if columns > len(suspects) and not (windows and p.all.x.shape[2] > 1)
        else "Look at how X was made.",
        columns=suspects,
        explained_by_others=known,
    )


def _same_numbers(x: Array, targets: Array) -> dict[int, tuple[float, str, bool]]:
    """Find columns that are a line or a rising curve of a target, by how well they are that."""
    found = {}
    in_order = np.apply_along_axis(_ranks, 0, x)
    for column in targets.T:
        if column.min() == column.max() or np.isnan(column).any():
            continue
        straight, ranks = _correlations(x, column), _correlations(in_order, _ranks(column))
        for at in np.flatnonzero((straight >= SAME_NUMBERS) | (ranks >= SAME_RANKS)).tolist():
            text = f"their correlation is {max(straight[at], ranks[at]):.5g}"
            found[at] = (
                float(max(straight[at], ranks[at])),
                text,
                bool(max(straight[at], ranks[at]) > 1 - EXACTLY),
            )
    return found


def _ranks(column: Array) -> Array:
    """Return the place of each number among all, equal ones sharing the middle of theirs.

    So does `scipy.stats.rankdata`, but importing it takes longer than all other checks together.
    """
    _, which, counts = np.unique(column, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def _correlations(x: Array, y: Array) -> Array:
    mean, spread = moments(x)
    covered = ((x - mean) * (y - y.mean())[:, None]).mean(axis=0)
    found: Array = np.nan_to_num(np.abs(covered) / (spread * y.std()))
    return found


def _is_reconstruction(found: dict[int, Any], targets: int) -> bool:
    """Tell whether the features are the targets, as an autoencoder has it."""
    return targets > 1 and 2 * len(found) >= targets


def _same_classes(x: Array, ids: AnyArray) -> dict[int, tuple[float, str, bool]]:
    """Find columns in which each class has a place of its own, and columns that mark one class each."""
    classes = np.unique(ids)
    if len(classes) < 2:
        return {}
    member = ids[:, None] == classes
    counts = member.sum(axis=0)
    means = member.T.astype(np.float64) @ x / counts[:, None]
    within = np.sqrt(np.square(x - means[np.searchsorted(classes, ids)]).mean(axis=0))
    gap = np.diff(np.sort(means, axis=0), axis=0).min(axis=0)
    apart = np.where(within > EXACTLY * gap, gap / within, np.where(gap > 0, np.inf, 0))
    found = {}
    for at in np.flatnonzero(apart >= APART).tolist():
        exact = bool(np.isinf(apart[at]))
        text = (
            "each class has a value of its own in it"
            if exact
            else f"its classes lie {apart[at]:.3g} standard deviations apart"
        )
        found[at] = (float(apart[at]), text, exact)
    if len(classes) == 2 and counts.min() >= ENOUGH_ROWS // 2:
        for at in range(x.shape[1]):
            for one in (0, 1):
                own, other = x[member[:, one], at], x[~member[:, one], at]
                if own.min() == own.max() and (other != own[0]).all():
                    # What an encoder has scaled is not quite what it was.
                    value = own[0] if abs(own[0]) > EXACTLY * np.ptp(other) else 0.0
                    text = f"it is {value:g} in all rows of one class, and in none of the other"
                    found.setdefault(at, (APART, text, False))
        return found
    return found or _marks(x, member)


def _marks(x: Array, member: AnyArray) -> dict[int, tuple[float, str, bool]]:
    """Find the target as one-hot columns: one that marks a class for each of them but one at most."""
    found = {}
    marked = set()
    for at in range(x.shape[1]):
        values = np.unique(x[:, at])
        if len(values) != 2:
            continue
        same = (member == (x[:, at] == values[1])[:, None]).all(axis=0)
        if same.any():
            marked.add(int(same.argmax()))
            found[at] = (np.inf, "it and others mark one class each", True)
    return found if len(marked) >= member.shape[1] - 1 else {}


def _marks_of_categories(ids: AnyArray) -> dict[int, Array]:
    """Return a column for each category of those columns of ids that have few."""
    found = {}
    for at, column in enumerate(ids.T):
        values, counts = np.unique(column, return_counts=True)
        if 2 <= len(values) <= len(column) / ENOUGH_ROWS and counts.max() < len(column):
            found[at] = (column[:, None] == values).astype(np.float64)
    return found


def _names_class(marks: Array, ids: AnyArray) -> tuple[float, str, bool] | None:
    """Tell categories that have rows of one class only."""
    counts = marks.T @ (ids[:, None] == np.unique(ids))
    alone = counts.max(axis=1).sum() == len(ids)
    return (np.inf, "each of its categories has rows of one class only", True) if alone else None


def categories(p: Patient) -> Iterator[Finding]:
    """Look for categories that nearly every row has one of its own of: names, ids, dates as text."""
    encoder = p.model.preprocessing
    if not isinstance(encoder, TableEncoder):
        raise Skip("the model encodes no table")
    rows = int(p.all.x.shape[0])
    for column in encoder.columns:
        if not isinstance(column, CategoricalColumn):
            continue
        texts = [one for one in column.categories if isinstance(one, str)]
        kind = kind_of_text(texts, rows)
        if kind is None:
            continue
        # Whoever has named it as one may know why, until the result says otherwise.
        meant = column.name in (encoder.categorical or ()) and (not p.trained or p.went_well)
        place = f"frame[{column.name!r}]"
        fix = (
            f"Write d = pandas.to_datetime({place}{day_first(texts)}), and in its place the parts that "
            "matter: frame.assign(year=d.dt.year, month=d.dt.month, weekday=d.dt.dayofweek)"
            f".drop(columns={column.name!r})."
            if kind == "dates"
            else f"Leave it out: TableEncoder().fit(frame.drop(columns={column.name!r}))."
        )
        yield finding(
            "NN116",
            "note" if meant else "warning",
            f"Column {column.name!r} has {len(texts):,} categories in {rows:,} rows, "
            + ("all of them dates as text" if kind == "dates" else "like names of single rows")
            + f", such as {texts[0]!r}: from them nothing is learned about rows that have others.",
            fix,
            column=column.name,
            categories=len(texts),
            rows=rows,
            kind=kind,
        )
