"""The validation rows: whether they are other rows than those of the training, prepared in the same way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import is_sparse
from nnlite.data.table import TableEncoder
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import Patient, Skip, measured_loss, reaching
from nnlite.inspect.checkup.rows import BY_NATURE, have_neighbours, moments, named, row_keys, sizes
from nnlite.inspect.checkup.sight import what_is_seen

__all__ = ["leaks", "validation"]

#: A share of leaked rows above which the validation loss is not to be trusted, and a count below which it may
#: be chance: of iris, with its one pair of equal rows, a random split leaks one row of 30 at most.
LEAKED = 0.05
LEAKED_ROWS = 3
#: From half on, validation measures memory.
MOST_LEAKED = 0.5
#: More targets are likely the features; a spread of less, by the mean, is rounding.
MOST_TARGETS = 20
ROUNDING = 1e-6
#: Where a line explains so much of other rows, little is left to be learned by heart: 0.94 of a noisy wave's
#: next number, and 0.90 of the 15th number behind a window of a random walk, where validation misleads. So
#: near to each other are only these two that were looked at: other series may fall on the wrong side.
PLAIN = 0.92
#: Shorter windows may be the same by chance.
WINDOW = 4
#: Rows of one source differ by far less in size; pixels that were divided in one half only by 16 or 255.
SCALE_RATIO = 3.0
#: Standard deviations that the median column has moved by. Random halves of 20 rows stay below 0.5.
SHIFT = 1.0
#: Standard deviations that one column has moved by. One that grows from row to row has moved by 2.2 in the
#: last fifth of the rows, by 3.5 in their second half. Columns of eight real tables: by 0.9 at most in random
#: tenths to halves of 15 rows and more; by 2.4 in the last quarter of wines as they come, which is by class;
#: by 3.4 in the last half of cars by year, by 4.1 in the last quarter of houses by suburb.
COLUMN_SHIFT = 4.0
#: So many times as wide as in training, or as narrow, by standard deviations and by quartiles. Of a column
#: that grows from row to row the last tenth is a ninth as wide. Random parts of eight real tables were 0.3 to
#: 3.4 times as wide.
COLUMN_RATIO = 15.0
#: Parts that were cut out of sorted rows are as near to each other, by the range of the narrower one: a
#: judgment.
NEXT_TO = 0.1
#: A table with more columns is one of pixels or words, of which some are dark or absent in all training rows.
MOST_COLUMNS = 1000
#: Share of rows that would have to change their class, and how many times more than chance. The last 30 rows
#: of iris, which is sorted, come to 0.67.
CLASS_SHIFT = 0.4
CHANCES = 3.0
#: So few rows say nothing of where they lie.
FEW_ROWS = 10
#: As many columns are named in a message; the evidence has them all.
SHOWN = 3
#: Factors that units differ by are powers of ten, and a few others: minutes and hours, inches, feet, miles,
#: pounds, ounces.
FACTORS = (10.0, 100.0, 1000.0, 1e6, 24.0, 60.0, 3600.0, 2.54, 3.2808, 1.6093, 2.2046, 28.35, 255.0)
#: How near mean and spread must come to what such a unit would make of them, in parts of the spread. Of real
#: columns in such a unit, in a random quarter of the rows, 86 % do; of 300 rows and more half come to 0.1.
NEAR = 0.25
#: Temperatures: each is so many times the other, and so much more.
TEMPERATURES = (
    ("Fahrenheit instead of Celsius", 1.8, 32.0),
    ("Celsius instead of Fahrenheit", 1 / 1.8, -32 / 1.8),
    ("Kelvin instead of Celsius", 1.0, 273.15),
    ("Celsius instead of Kelvin", 1.0, -273.15),
)
#: Standard deviations that a column must have moved by to be taken for one in another unit. Columns that look
#: like one by chance have moved by 0.7 at most in random parts of 15 rows and more, by 1.6 in 10 rows of 20.
UNIT_SHIFT = 1.5
#: In the place of a spread of 0.
TINY = 1e-30


#: What to do about two scales.
SAME_WAY = (
    "Write mean, std = X.mean(0), X.std(0), and give (X - mean) / std and (X_validation - mean) / std; "
    "or give both as they were, with Standardize first in the model."
)


def leaks(p: Patient) -> Iterator[Finding]:
    """Look for validation rows that are among the training rows, or that share nearly all with one."""
    train, other = _two_parts(p)
    seen = Counter(row_keys(train))
    keys = list(row_keys(other))
    leaked = sum(key in seen for key in keys)
    if not leaked:
        yield from _overlap(p, train, other)
        return
    share = leaked / len(keys)
    own = sum(count for count in seen.values() if count > 1) / seen.total()
    # Of data with few possible rows some are equal by nature. Then rows of the training are equal too, and so
    # they are where rows were repeated before the split; but those have no neighbours.
    near = have_neighbours(train, seen) if own > 0 else 1.0
    copied = near < BY_NATURE * own
    by_nature = own * len(keys)
    beyond = leaked > 2 * by_nature + CHANCES * math.sqrt(by_nature)
    serious = share >= LEAKED and leaked >= LEAKED_ROWS and (copied or beyond)
    once = (
        "frame = frame.drop_duplicates() has each row once"
        if isinstance(p.model.preprocessing, TableEncoder)
        else "with rows = np.unique(X, axis=0, return_index=True)[1] X[rows] has each row once"
    )
    yield finding(
        "NN108",
        ("error" if share >= MOST_LEAKED else "warning") if serious else "note",
        f"{leaked} of {len(keys):,} validation rows ({share:.1%}) are also training rows; of these "
        f"{own:.1%} occur more than once"
        + (
            ", as after repeating rows, to balance classes or otherwise, before the split."
            if serious and copied
            else "."
        ),
        "Validate on other rows."
        if share == 1 and not copied
        else f"Split first: {once}"
        + ('; in place of repeated rows give class_weight="balanced".' if copied else "."),
        leaked=leaked,
        rows=len(keys),
        share=share,
        repeated_in_training=own,
        with_neighbours=near,
    )


def _two_parts(p: Patient) -> tuple[Any, Any]:
    """Return the rows of training and validation; of a part that `fit` draws, rows drawn as it does."""
    x = p.all.x
    if p.held_out is not None:
        return x, p.held_out.x
    part = p.settings.get("validation")
    if not isinstance(part, float) or p.settings.get("shuffle") is False or p.settings.get("groups"):
        raise Skip("no validation rows were given")
    rows = np.random.default_rng(0).permutation(x.shape[0])
    cut = round(part * x.shape[0])
    return x[np.sort(rows[cut:])], x[np.sort(rows[:cut])]


def _overlap(p: Patient, train: Any, other: Any) -> Iterator[Finding]:
    """Look for windows of a series of which the next or the last one is in the training."""
    if is_sparse(train) or train.ndim not in (2, 3) or train.shape[1] < WINDOW:
        return

    def shared(reverse: int) -> float:
        found = []
        for ours, theirs in ((other[:, :-1], train[:, 1:]), (other[:, 1:], train[:, :-1])):
            known = set(row_keys(theirs[:, ::reverse]))
            found.append([key in known for key in row_keys(ours)])
        return float(np.any(found, axis=0).mean())

    share = shared(1)
    # Of rows of few different numbers that many look so by chance, and the other way round as well.
    if share < MOST_LEAKED or shared(-1) > share / 2:
        return
    known = p.kind == "numbers" and not np.isnan(p.targets).any()
    plain = known and what_is_seen(p.sample.x, p.sample.y).skill > PLAIN
    yield finding(
        "NN108",
        "note" if plain else "warning",
        f"{share:.0%} of the validation rows are windows of a series moved by one step: the training has all "
        f"of their {train.shape[1]} steps but one.",
        "Split by time before windows are made: the last part of the series for validation, with no window "
        "that reaches across.",
        share=share,
        rows=len(other),
    )


def validation(p: Patient) -> Iterator[Finding]:
    """Compare the validation rows with the training rows: scale, place, and classes."""
    if p.held_out is None:
        raise Skip("no validation rows were given")
    train, other = reaching(p.model, p.all.x), reaching(p.model, p.held_out.x)
    if train.shape[1] == 0:  # ids of categories alone
        train = other = np.ones((1, 1))
    # As the user has them, if layers before do no more than scale each.
    plain = not is_sparse(train) and p.all.x.shape == train.shape
    raw = (p.all.x, p.held_out.x) if plain else (train, other)
    a, b = float(np.sqrt(np.mean(sizes(train) ** 2))), float(np.sqrt(np.mean(sizes(other) ** 2)))
    ratio = b / a if a > 0 else 1.0
    of_all = not 1 / SCALE_RATIO < ratio < SCALE_RATIO
    few = is_sparse(train) or len(other) < FEW_ROWS
    # Rows sorted by class move columns too.
    moved = None if p.held_out.y is None else _other_classes(p, p.held_out.y)
    yield from _other_targets(p)
    single, varying = ([], 0) if few or moved is not None else _moved(*raw)
    if single and not (of_all and 2 * len(single) > varying):
        yield _of_columns(p, *raw, single, plain=plain)
        return
    if of_all:
        yield finding(
            "NN110",
            "error",
            f"The validation features are of size {b:.3g}, the training features of {a:.3g}.",
            SAME_WAY,
            training_size=a,
            validation_size=b,
        )
        return
    if moved is not None:
        yield moved
        return
    if is_sparse(train):
        return
    (mean, spread), (theirs, wide) = moments(train), moments(other)
    usual = spread > 0
    if not usual.any():
        return
    typical = float(np.median(np.abs(mean - theirs)[usual] / spread[usual]))
    width = float(np.median(wide[usual] / spread[usual]))
    if typical < SHIFT and len(other) >= FEW_ROWS and not 1 / SCALE_RATIO < width < SCALE_RATIO:
        yield finding(
            "NN110",
            "error",
            f"The validation features are on another scale: the median column varies by {width:.2g} of what "
            "it does in the training rows.",
            SAME_WAY,
            width=width,
        )
        return
    if typical >= SHIFT and len(other) >= FEW_ROWS:
        yield finding(
            "NN110",
            "warning",
            f"The validation features lie elsewhere: the median column has moved by {typical:.2g} of its "
            "standard deviations.",
            "Shuffle before you split: nnlite.train_test_split(X, y).",
            shift=typical,
        )


def _other_classes(p: Patient, target: AnyArray) -> Finding | None:
    try:
        ids = p.class_ids
    except Skip:
        return None
    theirs = p.ids_of(target)
    count = int(max(ids.max(), theirs.max())) + 1
    shares = np.bincount(ids, minlength=count) / len(ids)
    others = np.bincount(theirs, minlength=count) / len(theirs)
    distance = float(np.abs(shares - others).sum() / 2)
    # Two small samples of the same classes differ by chance, by about this much.
    chance = float(np.sqrt(shares * (1 - shares) / len(theirs)).sum() / 2)
    if distance < CLASS_SHIFT or distance <= CHANCES * chance:
        return None
    return finding(
        "NN110",
        "warning",
        "The classes of the validation rows are others than those of the training rows: "
        f"{distance:.0%} of them would have to change.",
        "Shuffle before you split: nnlite.train_test_split(X, y, stratify=True).",
        training_shares=shares.tolist(),
        validation_shares=others.tolist(),
        distance=distance,
    )


def _other_targets(p: Patient) -> Iterator[Finding]:
    """Compare the numbers to predict: those of one part may have been scaled and those of the other not."""
    held = p.held_out
    if p.kind != "numbers" or held is None or held.y is None or len(held.y) < FEW_ROWS:
        return
    ours, theirs = (y.reshape(len(y), -1).astype(np.float64) for y in (p.targets, held.y))
    if ours.shape[1] != theirs.shape[1] or ours.shape[1] > MOST_TARGETS:
        return
    (mean, spread), (their_mean, wide) = (
        (np.nanmean(y, axis=0), np.nanstd(y, axis=0)) for y in (ours, theirs)
    )
    for at in np.flatnonzero(spread > ROUNDING * np.abs(mean)).tolist():
        shift, ratio = abs(their_mean[at] - mean[at]) / spread[at], wide[at] / spread[at]
        if shift < COLUMN_SHIFT and 1 / COLUMN_RATIO < ratio < COLUMN_RATIO:
            continue
        if _beyond(ours[:, at], theirs[:, at]):
            continue
        yield finding(
            "NN110",
            "error",
            f"The targets of the validation rows are on another scale: their mean and spread are "
            f"{their_mean[at]:.3g} and {wide[at]:.3g}, in the training rows {mean[at]:.3g} and "
            f"{spread[at]:.3g}.",
            "Scale both by the mean and the spread of the training targets, mean, std = y.mean(0), y.std(0) "
            "before they were scaled: validation=(X_validation, (y_validation - mean) / std).",
            column=at,
            training_mean=float(mean[at]),
            training_spread=float(spread[at]),
            validation_mean=float(their_mean[at]),
            validation_spread=float(wide[at]),
        )
        return


def _beyond(train: AnyArray, other: AnyArray) -> bool:
    """Tell rows that were sorted and cut: one part begins where the other ends."""
    train, other = train[np.isfinite(train)], other[np.isfinite(other)]
    gap = max(float(other.min() - train.max()), float(train.min() - other.max()))
    return bool(0 <= gap <= NEXT_TO * min(np.ptp(train), np.ptp(other)))


def _moved(train: AnyArray, other: AnyArray) -> tuple[list[int], int]:
    """Find columns that lie elsewhere, or are far wider or narrower, and count those that are looked at."""
    if train.shape[1] > MOST_COLUMNS:
        return [], 0
    found = []
    mean, spread = moments(train)
    theirs, wide = moments(other)
    middle = np.subtract(*np.quantile(train, (0.75, 0.25), axis=0))
    their_middle = np.subtract(*np.quantile(other, (0.75, 0.25), axis=0))
    looked_at = np.flatnonzero(middle > 0).tolist()  # others are mostly one number
    for column in looked_at:
        shift = abs(theirs[column] - mean[column]) / spread[column]
        ratios = wide[column] / spread[column], their_middle[column] / middle[column]
        four = float(mean[column]), float(spread[column]), float(theirs[column]), float(wide[column])
        other_scale = shift >= UNIT_SHIFT and _unit_of(*four)
        if (
            shift >= COLUMN_SHIFT
            or other_scale
            or min(ratios) > COLUMN_RATIO
            or max(ratios) < 1 / COLUMN_RATIO
        ):
            found.append(column)
    return found, len(looked_at)


def _of_columns(p: Patient, train: AnyArray, other: AnyArray, columns: list[int], *, plain: bool) -> Finding:
    """Say which columns differ, in what unit they may be, and what that costs."""
    mean, spread = moments(train)
    theirs, wide = moments(other)
    moved = np.abs(theirs - mean)[columns] / spread[columns]
    stretched = np.abs(np.log(np.maximum(wide, TINY)[columns] / spread[columns]))
    worst = columns[int((moved + stretched).argmax())]
    four = float(mean[worst]), float(spread[worst]), float(theirs[worst]), float(wide[worst])
    unit = _unit_of(*four)
    if unit is None and all(_beyond(train[:, at], other[:, at]) for at in columns):
        some = ", ".join(named(p, at) for at in columns[:SHOWN]) + (", ..." if len(columns) > SHOWN else "")
        return finding(
            "NN110",
            "warning",
            f"{some} of the validation rows {'begins' if len(columns) == 1 else 'begin'} where the training "
            "rows "
            f"end: mean and spread of column {worst} are {four[2]:.3g} and {four[3]:.3g}, in the training "
            "rows "
            f"{four[0]:.3g} and {four[1]:.3g}. They were sorted by it, and cut.",
            "Shuffle before you split: nnlite.train_test_split(X, y).",
            columns=columns,
        )
    words = "" if unit is None else f": {unit.words}"
    cost = _cost(p, columns) if p.trained and plain else ""
    some = ", ".join(named(p, at) for at in columns[:SHOWN]) + (", ..." if len(columns) > SHOWN else "")
    return finding(
        "NN110",
        "error",
        f"{some} of the validation rows {'is' if len(columns) == 1 else 'are'} on another scale: mean and "
        f"spread of column {worst} are {four[2]:.3g} and {four[3]:.3g}, in the training rows {four[0]:.3g} "
        f"and {four[1]:.3g}{words}.{cost}",
        _way_back(unit, worst),
        columns=columns,
        training_mean=four[0],
        training_spread=four[1],
        validation_mean=four[2],
        validation_spread=four[3],
    )


class Unit(NamedTuple):
    """What columns may have been measured in: one is so many times the other, and so much more."""

    words: str
    factor: float
    offset: float


def _unit_of(mean: float, spread: float, their_mean: float, their_spread: float) -> Unit | None:
    """Say which of the usual units comes nearest to explaining a column, if one comes near."""
    units = [Unit(f"in {words}", factor, offset) for words, factor, offset in TEMPERATURES]
    for factor in FACTORS:
        units.append(Unit(f"{factor:g} times as large", factor, 0.0))
        units.append(Unit(f"{factor:g} times as small", 1 / factor, 0.0))

    def off(unit: Unit) -> float:
        wide = unit.factor * spread
        return max(abs(their_spread / wide - 1), abs(their_mean - unit.factor * mean - unit.offset) / wide)

    best = min(units, key=off)
    return best if off(best) <= NEAR else None


def _way_back(unit: Unit | None, column: int) -> str:
    """Say what brings a column back to the unit of the training rows."""
    place = f"X_validation[:, {column}]"
    if unit is None:
        return f"Bring {place} to the unit of the training rows, or scale both by their mean and spread."
    if not unit.offset:
        large = unit.factor > 1
        return f"Write {place} {'/' if large else '*'}= {unit.factor if large else 1 / unit.factor:g}."
    if unit.factor < 1:
        return f"Write {place} = {place} * {1 / unit.factor:g} {-unit.offset / unit.factor:+g}."
    back = f"{place} {-unit.offset:+g}"
    return f"Write {place} = {back if unit.factor == 1 else f'({back}) / {unit.factor:g}'}."


def _cost(p: Patient, columns: list[int]) -> str:
    """Measure the loss with the columns brought back to where those of the training lie."""
    data = p.held_out
    if data is None or data.y is None:
        return ""
    x = data.x.astype(np.float64)
    mean, spread = moments(p.all.x)
    theirs, wide = moments(data.x)
    for at in columns:
        x[:, at] = (x[:, at] - theirs[at]) / (wide[at] or 1) * spread[at] + mean[at]
    now = measured_loss(p.model, data, p.loss)
    then = measured_loss(p.model, data._replace(x=x.astype(data.x.dtype)), p.loss)
    return f" The loss there is {now:.3g}, and {then:.3g} if they are brought back." if then < now else ""
