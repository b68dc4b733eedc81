"""The data: features and targets that no net learns well from, and validation rows that mislead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.data.conversion import is_sparse
from nnlite.data.moments import Moments
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import Patient, Skip, reaching
from nnlite.layers import Embedding, Standardize, TokenEmbedding
from nnlite.layers.normalization import BatchNorm
from nnlite.losses import GaussianNLL, PoissonNLL
from nnlite.training.inside import first_weights, what_reaches

__all__ = ["classes", "features", "leaks", "repeats", "targets", "validation"]

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
HALF_SIZE = 0.5
#: Targets of the surface plus 10: R^2 falls from 0.96 to 0.68 with Adam(0.01), from 0.84 to -6.8 with
#: Adam(0.001).
LARGE_TARGET = 10.0
#: Plus 30: -3.4, and SGD(0.1) diverges.
HUGE_TARGET = 30.0
#: Times 0.03: R^2 is -2.3 on the surface with Adam(0.01), and -0.9 on a sine with Adam(0.001).
TINY_TARGET = 0.03
#: A share of errors that no model can avoid. Below it is what coarse tables have by nature: iris has none.
CONFLICTS = 0.05
#: A share of leaked rows above which the validation loss is not to be trusted, and a count below which it may
#: be chance: of iris, with its one pair of equal rows, a random split leaks one row of 30 at most.
LEAKED = 0.05
LEAKED_ROWS = 3
#: From half on, validation measures memory.
MOST_LEAKED = 0.5
#: So many times rarer than the most frequent class; only a note.
RARE = 0.1
#: Rows of one source differ by far less in size; pixels that were divided in one half only by 16 or 255.
SCALE_RATIO = 3.0
#: Standard deviations that the median column has moved by. Random halves of 20 rows stay below 0.5.
SHIFT = 1.0
#: Share of rows that would have to change their class, and how many times more than chance. The last 30 rows
#: of iris, which is sorted, come to 0.67.
CLASS_SHIFT = 0.4
CHANCES = 3.0
#: As many columns or classes are named in a message; the evidence has them all.
SHOWN = 5
#: So few rows say nothing of where they lie.
FEW_ROWS = 10


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
    sizes = _sizes(x)
    if sparse:
        means = spreads = None
    else:
        means, spreads = _moments(x)
        constant = spreads == 0
        yield from _constant(p, constant)
        if constant.all():
            return
    if isinstance(first, BatchNorm):  # which brings all columns to one size
        return
    # Behind the first weights it brings their sums to one size: no column is too large, but beside others.
    normed = any(
        one.layer is first and isinstance(two.layer, BatchNorm) for one, two in pairwise(p.way_through)
    )
    worst = int(sizes.argmax())
    largest = float(sizes[worst])
    typical = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0
    evidence: dict[str, Any] = {"column": worst, "size": largest, "median_size": typical}
    name = _column(p, worst)
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
    elif largest < TINY_FEATURE:
        yield finding(
            "NN101",
            "warning",
            f"No column that reaches the first weights is larger than {largest:.3g}; a net learns from "
            "numbers near 1, and would have to grow its weights first.",
            fix,
            **evidence,
        )
    elif means is not None and spreads is not None:
        off = np.where(constant | (sizes < HALF_SIZE), 0.0, np.abs(means) / spreads)
        worst = int(off.argmax())
        if off[worst] >= OFF_CENTRE:
            yield finding(
                "NN101",
                "warning",
                f"{_column(p, worst)} lies around {means[worst]:.4g} and varies by {spreads[worst]:.3g} "
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
    if p.kind != "numbers" or isinstance(
        p.loss, PoissonNLL
    ):  # class ids have no scale; counts are predicted by their logarithm
        return
    there = np.where(np.isnan(y), 0, y).astype(np.float64).reshape(rows, -1)
    sizes = _sizes(there)
    worst = int(sizes.argmax())
    largest, spread = float(sizes[worst]), float(there[:, worst].std())
    fix = "Train on (y - y.mean(0)) / y.std(0), and undo it after predict."
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


def repeats(p: Patient) -> Iterator[Finding]:
    """Look for equal rows with different labels."""
    ids = p.class_ids
    groups: dict[bytes, Counter[int]] = {}
    for key, label in zip(row_keys(p.all.x), ids.tolist(), strict=True):
        groups.setdefault(key, Counter())[label] += 1
    wrong = sum(counts.total() - max(counts.values()) for counts in groups.values())
    if not wrong:
        return
    rows = len(ids)
    where = sum(counts.total() for counts in groups.values() if len(counts) > 1)
    share = wrong / rows
    yield finding(
        "NN107",
        "warning" if share >= CONFLICTS else "note",
        f"{where} of {rows:,} rows have the same features as a row with another label; no model can be "
        f"right about more than {1 - share:.2%} of them.",
        "Look at these rows: labels that got out of order, or a feature that is missing.",
        rows=where,
        unavoidable_errors=wrong,
        share=share,
    )


def classes(p: Patient) -> Iterator[Finding]:
    """Look at how often each class occurs."""
    ids = p.class_ids
    count = p.outputs if p.kind == "classes" else 2
    sizes = np.bincount(ids, minlength=count)
    missing = np.flatnonzero(sizes == 0).tolist()
    if missing:
        shown = ", ".join(map(str, missing[:SHOWN])) + (", ..." if len(missing) > SHOWN else "")
        counted = " Labels that count from 1 would look like this." if missing == [0] else ""
        yield finding(
            "NN111",
            "note",
            f"{len(missing)} of {count} classes never occur in y ({shown}).{counted}",
            "Give the last layer one output for each class, and count ids from 0.",
            missing=missing,
            classes=count,
        )
    there = sizes[sizes > 0]
    if len(there) > 1 and there.min() < RARE * there.max():
        rare = int(np.flatnonzero(sizes == there.min())[0])
        yield finding(
            "NN109",
            "note",
            f"Class {rare} has {int(there.min()):,} rows, class {int(sizes.argmax())} has "
            f"{int(there.max()):,}; always saying the latter would be right for "
            f"{there.max() / len(ids):.1%} of all.",
            "Judge by the confusion matrix"
            + (
                ', and give rare classes more weight: fit(..., class_weight="balanced").'
                if p.all.weight is None
                else "."
            ),
            sizes=sizes.tolist(),
            rarest=rare,
        )


def leaks(p: Patient) -> Iterator[Finding]:
    """Look for validation rows that are among the training rows."""
    if p.held_out is None:
        raise Skip("no validation rows were given")
    seen = Counter(row_keys(p.all.x))
    keys = list(row_keys(p.held_out.x))
    leaked = sum(key in seen for key in keys)
    if not leaked:
        return
    share = leaked / len(keys)
    # Of data with few possible rows some are equal by nature; then rows of the training are equal too.
    own = sum(count for count in seen.values() if count > 1) / seen.total()
    serious = share >= LEAKED and leaked >= LEAKED_ROWS and share > 2 * own
    yield finding(
        "NN108",
        ("error" if share >= MOST_LEAKED else "warning") if serious else "note",
        f"{leaked} of {len(keys):,} validation rows ({share:.1%}) are also training rows; of these "
        f"{own:.1%} occur more than once.",
        "Drop repeated rows, np.unique(X, axis=0), before you split."
        if share < 1
        else "Validate on other rows.",
        leaked=leaked,
        rows=len(keys),
        share=share,
        repeated_in_training=own,
    )


def validation(p: Patient) -> Iterator[Finding]:
    """Compare the validation rows with the training rows: scale, place, and classes."""
    if p.held_out is None:
        raise Skip("no validation rows were given")
    train, other = reaching(p.model, p.all.x), reaching(p.model, p.held_out.x)
    if train.shape[1] == 0:  # ids of categories alone
        train = other = np.ones((1, 1))
    a, b = float(np.sqrt(np.mean(_sizes(train) ** 2))), float(np.sqrt(np.mean(_sizes(other) ** 2)))
    ratio = b / a if a > 0 else 1.0
    if not 1 / SCALE_RATIO < ratio < SCALE_RATIO:
        yield finding(
            "NN110",
            "error",
            f"The validation features are of size {b:.3g}, the training features of {a:.3g}.",
            "Prepare both in the same way, or put Standardize first in the model.",
            training_size=a,
            validation_size=b,
        )
        return
    if p.held_out.y is not None:
        try:
            ids = p.class_ids
        except Skip:
            pass
        else:
            theirs = p.ids_of(p.held_out.y)
            count = int(max(ids.max(), theirs.max())) + 1
            shares = np.bincount(ids, minlength=count) / len(ids)
            others = np.bincount(theirs, minlength=count) / len(theirs)
            distance = float(np.abs(shares - others).sum() / 2)
            # Two small samples of the same classes differ by chance, by about this much.
            chance = float(np.sqrt(shares * (1 - shares) / len(theirs)).sum() / 2)
            if distance >= CLASS_SHIFT and distance > CHANCES * chance:
                yield finding(
                    "NN110",
                    "warning",
                    "The classes of the validation rows are others than those of the training rows: "
                    f"{distance:.0%} of them would have to change.",
                    "Shuffle before you split: nnlite.train_test_split(X, y, stratify=True).",
                    training_shares=shares.tolist(),
                    validation_shares=others.tolist(),
                    distance=distance,
                )
                return
    if is_sparse(train):
        return
    mean, spread = _moments(train)
    usual = spread > 0
    shift = np.abs(mean - _moments(other)[0])[usual] / spread[usual]
    if not len(shift):
        return
    typical = float(np.median(shift))
    if typical >= SHIFT and len(other) >= FEW_ROWS:
        yield finding(
            "NN110",
            "warning",
            f"The validation features lie elsewhere: the median column has moved by {typical:.2g} of its "
            "standard deviations.",
            "Shuffle before you split: nnlite.train_test_split(X, y).",
            shift=typical,
        )


def row_keys(x: Any) -> Iterator[bytes]:
    """Give for each row what is the same for equal rows.

    Parameters
    ----------
    x : ndarray or CSR matrix of shape (rows, ...)
        The rows.

    Yields
    ------
    bytes

    Examples
    --------
    >>> len(set(row_keys(np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))))
    2
    """
    if is_sparse(x):
        for start, stop in zip(x.indptr[:-1], x.indptr[1:], strict=True):
            yield x.indices[start:stop].tobytes() + x.data[start:stop].tobytes()
        return
    for row in x + 0.0:  # which makes 0.0 of -0.0
        yield row.tobytes()


def _moments(x: AnyArray) -> tuple[Array, Array]:
    """Return the mean and the standard deviation of each column."""
    moments = Moments(x.shape[1])
    moments.add(x)
    return moments.mean, moments.spread


def _sizes(x: Any) -> Array:
    """Return the root mean square of each column."""
    if is_sparse(x):
        squares = np.asarray(x.multiply(x).sum(axis=0), dtype=np.float64).ravel()
    else:
        squares = np.einsum("ij,ij->j", x, x, dtype=np.float64)
    sizes: Array = np.sqrt(squares / x.shape[0])
    return sizes


def _column(p: Patient, index: int) -> str:
    names = p.model.feature_names
    if names is not None and p.model.input_shape == (len(names),) and index < len(names):
        return f"Column {index} ({names[index]})"
    return f"Column {index}"


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
