"""The labels: how often each class occurs, whether they belong to the rows, and in which order these come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import is_sparse
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.checkup.patient import Patient, Skip, measured_loss
from nnlite.inspect.checkup.rebuilt import halves, scaled, trained
from nnlite.inspect.checkup.rows import BY_NATURE, have_neighbours, row_keys
from nnlite.inspect.checkup.sight import agreement, standardized, what_is_seen
from nnlite.inspect.checkup.task import ROWS_A_CLASS, ending
from nnlite.layers import Embedding, TokenEmbedding
from nnlite.model import Sequential
from nnlite.training.class_weights import balanced
from nnlite.training.inside import first_weights

__all__ = ["classes", "repeats", "sorted_rows", "unrelated"]

#: A share of errors that no model can avoid: iris has none.
CONFLICTS = 0.05
#: With each row so many times on average, a table is coarse by nature: Titanic's three categories come to 64.
#: So it is where rows have neighbours; one-hot columns, of which two change at a time, have none.
COARSE = 5
#: So many times rarer than the most frequent class is worth a note.
RARE = 0.1
#: From here on it is tried out what weights of classes would change.
VERY_RARE = 0.02
#: Weights are the wrong way round where a class with less than this part of the rows of another has less than
#: half of its weight; with so many times the weight that makes both classes count the same, one is all that
#: is said: of 1,200 rows, half of them yes, pos_weight=300 left none for the other class. The limit is a
#: judgment.
UNEVEN = 0.5
MUCH_MORE = 2.0
TOO_MUCH = 10.0
#: Of a class of which a net finds no more than this part, and with weights so many more, the rest costs.
#: Where 3 or 4 rows stand against thousands, seven of eight nets found none, and with weights 0.33 to 0.75 of
#: them; one found half.
FOUND = 0.5
MORE = 0.3
#: Passes over the rows that this takes, and within what limits of steps.
PASSES = 10
STEPS = (300, 1500)
#: Rows of the rare class, and of the others, that are looked at.
LOOKED_AT = 2000
#: So many times as many outputs as classes are a mistake and no reserve.
TOO_WIDE = 2
#: As many classes are named in a message; the evidence has them all.
SHOWN = 5
#: With fewer rows nothing can be said of what simple rules see.
ENOUGH_ROWS = 100
#: So must rows of other classes than the most frequent one.
FEW = 30
#: Correlations of what simple rules say with what is true, in standard errors. With the targets shuffled
#: 1,000 times, tumours come as high 16 times, patients 12 times, iris and wines never; as they are, all come
#: to 11 and more.
NOTHING_SEEN = 3.0
#: A validation loss so near to that of a constant answer, in parts of the way down from it, says that nothing
#: was learned.
NOTHING = 0.02
#: Steps go by so many rows at least: those of small batches are soon forgotten.
MEMORY = 32
#: The part of the variety of all rows that the rows of a batch have, on average, and as many as are in it. Of
#: seven real tables random batches of 32 have 0.95 to 1.05 of it; those sorted by the target 0.01 to 0.28;
#: cars by year and houses by suburb, as they come, 0.58 and 0.6.
MIXED = 0.5


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
    again = sum(counts.total() for counts in groups.values() if counts.total() > 1) / rows
    # Where few different rows are possible, those that are equal say nothing of how labels were given.
    coarse = rows >= COARSE * len(groups) or have_neighbours(p.all.x, groups) >= BY_NATURE * again
    yield finding(
        "NN107",
        "warning" if share >= CONFLICTS and not coarse else "note",
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
        yield _missing(p, sizes, missing)
    there = sizes[sizes > 0]
    wrong = _weighed_wrong(p, sizes) if len(there) > 1 else None
    if wrong is not None:
        yield wrong
        return
    if len(there) < 2 or there.min() >= RARE * there.max():
        return
    rare = int(np.flatnonzero(sizes == there.min())[0])
    message = (
        f"Class {rare} has {int(there.min()):,} rows, class {int(sizes.argmax())} has "
        f"{int(there.max()):,}; always saying the latter would be right for {there.max() / len(ids):.1%} of "
        "all."
    )
    unweighted = p.all.weight is None
    severity = "note"
    found: dict[str, float] = {}
    if p.trials and unweighted and there.min() < VERY_RARE * there.max():
        severity, found, told = _cost(p, rare, int(sizes[rare]))
        message += told
    yield finding(
        "NN109",
        severity,
        message,
        "Judge by the confusion matrix"
        + (', and give rare classes more weight: fit(..., class_weight="balanced").' if unweighted else "."),
        sizes=sizes.tolist(),
        rarest=rare,
        **found,
    )


def _weighed_wrong(p: Patient, sizes: AnyArray) -> Finding | None:
    """Tell weights of classes that make the frequent ones still more frequent, or a yes far too much so."""
    weights = p.settings.get("class_weight")
    often = int(sizes.argmax())
    rare = int(np.where(sizes > 0, sizes, sizes.max()).argmin())
    if isinstance(weights, Mapping) and sizes[rare] < UNEVEN * sizes[often]:
        more, less = (float(weights.get(one, 1.0)) for one in (often, rare))
        if more > MUCH_MORE * less:
            return finding(
                "NN109",
                "warning",
                f"Class {often}, with {sizes[often]:,} rows, has the weight {more:.3g}, and class {rare}, "
                "with "
                f"{sizes[rare]:,}, {less:.3g}: the frequent class counts still more.",
                'Write class_weight="balanced", or turn the weights around.',
                sizes=sizes.tolist(),
                weights={int(one): float(value) for one, value in weights.items()},
            )
    given = getattr(p.loss, "pos_weight", None)
    if p.kind != "labels" or given is None or not sizes.all():
        return None
    even, given = float(sizes[0] / sizes[1]), float(np.max(given))
    if given <= TOO_MUCH * max(even, 1.0):
        return None
    right = "BinaryCrossEntropy()" if even < 2 else f"BinaryCrossEntropy(pos_weight={even:.3g})"
    return finding(
        "NN109",
        "warning",
        f"With pos_weight={given:.3g} a yes counts {given / even:.3g} times as much as all rows of the "
        "other class "
        f"together should: {sizes[1]:,} rows of {sizes.sum():,} are a yes. Nearly every answer will be yes.",
        f"Write {right}.",
        sizes=sizes.tolist(),
        pos_weight=given,
        even=even,
    )


def _missing(p: Patient, sizes: AnyArray, missing: list[int]) -> Finding:
    """Tell of outputs for classes that never occur."""
    count = len(sizes)
    used = count - len(missing)
    shown = ", ".join(map(str, missing[:SHOWN])) + (", ..." if len(missing) > SHOWN else "")
    top = missing == list(range(used, count))
    # Of words and other names that are many, most are rare; a few rows then have few of them.
    enough = len(p.class_ids) >= ROWS_A_CLASS * count
    if count >= TOO_WIDE * used and count - used > 1 and (top or enough) and used > 1:
        tail = ending(p.model)
        inputs = getattr(tail[0].layer, "in_features", None) if tail else None
        end = "one output for each class" if inputs is None else f"Dense({inputs}, {used})"
        numbered = "" if top else " and number the classes from 0, y = np.unique(y, return_inverse=True)[1]"
        return finding(
            "NN212",
            "warning",
            f"The model has {count} outputs for {used} classes; {len(missing)} of them never occur in y "
            f"({shown}).",
            f"End the model with {end}{',' if numbered else ''}{numbered}.",
            outputs=count,
            classes=used,
            missing=missing,
        )
    counted = " Labels that count from 1 would look like this." if missing == [0] else ""
    return finding(
        "NN111",
        "note",
        f"{len(missing)} of {count} classes never occur in y ({shown}).{counted}",
        "Write y - 1, and give the last layer one output less."
        if counted
        else "Give the last layer one output for each class, and count ids from 0.",
        missing=missing,
        classes=count,
    )


def _cost(p: Patient, rare: int, rows: int) -> tuple[str, dict[str, float], str]:
    """Try out how many rows of a rare class are found, as it stands and with weights of classes."""
    ids, data = p.class_ids, scaled(p, p.all)
    factor = balanced(np.bincount(ids))[ids].astype(p.model.params.dtype)
    layers = p.model.layers
    # A moment, and where weights change nothing in it as long as each of the rare rows takes to come up.
    lengths = STEPS[0], int(np.clip(PASSES * len(ids) / p.batch_size, *STEPS))

    def shares(model: Sequential, data: Data) -> tuple[float, float]:
        """Return which part of the rare rows is found, and which part of the others is taken for rare."""
        found = []
        for rows in (np.flatnonzero(ids == rare), np.flatnonzero(ids != rare)):
            part = take(data, rows[:LOOKED_AT])
            pred = model._predict(part.x, part.x.shape[0])
            said = pred.argmax(axis=-1) if p.kind == "classes" else (pred[:, 0] > 0).astype(int)
            found.append(float((said == rare).mean()))
        return found[0], found[1]

    for steps in sorted(set(lengths)):
        model = None if p.trained else trained(p, layers, data, p.loss, steps=steps)
        plain, wrong = shares(p.model, p.all) if model is None else shares(model, data)
        if plain > FOUND:
            return "note", {"found": plain}, ""
        model = trained(p, layers, data._replace(weight=factor), p.loss, steps=steps)
        weighed, mistaken = shares(model, data)
        # Whoever calls more rows rare finds more of these; it must cost less than it brings.
        better = weighed - mistaken >= plain - wrong + MORE
        if better:
            break
    who = "the net" if p.trained else f"a copy that made {steps} steps"
    told = f" Of the {rows:,} rows of class {rare} {who} finds {plain:.0%}"
    found = {"found": plain, "found_with_weights": weighed}
    if not better:
        return "note", found, f"{told}."
    return "warning", found, f"{told}; one that was trained with weights of classes finds {weighed:.0%}."


def unrelated(p: Patient) -> Iterator[Finding]:
    """Look whether anything of the targets can be seen in the features: rows may not belong together."""
    data = p.sample
    first = first_weights(p.model)[1]
    if data.x.shape[0] < ENOUGH_ROWS:
        raise Skip("there are too few rows to say what simple rules see")
    if is_sparse(data.x) or isinstance(first, Embedding | TokenEmbedding):
        raise Skip("ids and sparse rows are not compared")
    failed = _generalizes_not(p)
    if failed is False:
        return
    if failed is None and p.trained and not p.trials:
        raise Skip("the loss fell, and no copy is trained to see what the net knows of other rows")
    try:
        y = p.ids_of(data.y) if p.class_ids is not None else data.y
    except Skip:
        y = data.y
    if np.isnan(y).any():
        raise Skip("targets are missing")
    if y.ndim == 1 and len(y) - np.bincount(y).max() < FEW:
        raise Skip("nearly all rows are of one class")
    if not standardized(data.x).shape[1]:
        raise Skip("all columns are constant")
    sight = what_is_seen(data.x, y)
    if sight.sure >= NOTHING_SEEN:
        return
    if p.trained and failed is None:
        failed = _own_copy(p)
    measured = "" if failed is None else f" {failed}"
    yield finding(
        "NN118",
        "note" if failed is None else "error",
        "Neither the nearest neighbours nor a linear model see anything of y in X: on rows that they have "
        f"not seen, what they say agrees with y by {max(sight.sure, 0):.1f} standard errors.{measured}",
        "See whether row i of y is the answer to row i of X: shuffle both with one "
        "order = rng.permutation(len(X)), X[order], y[order].",
        sure=sight.sure,
        skill=sight.skill,
    )


def _generalizes_not(p: Patient) -> str | bool | None:
    """Say that a net has learned nothing for other rows; False if it has, None if nobody knows."""
    if not p.trained:
        return None
    if p.held_out is not None and p.held_out.y is not None:
        loss, constant = measured_loss(p.model, p.held_out, p.loss), p.constant_of(p.held_out)
        where = "validation"
    elif p.history is not None and "validation_loss" in p.history.columns and not p.history.replicas:
        losses = np.array(p.history["validation_loss"], dtype=np.float64)
        loss, constant, where = float(losses[-1]), p.constant, "validation"
    else:
        loss, constant, where = p.start, p.constant, "training"
    if not constant - loss > NOTHING * p.way:
        return (
            f"The net has learned nothing either: its loss on {where} rows is {loss:.3g}, that of a constant "
            f"answer {constant:.3g}."
        )
    return False if where == "validation" else None


def _own_copy(p: Patient) -> str | None:
    """Train a copy of the net on some of the rows, and say so if it knows nothing of the others."""
    train, judge = halves(p)
    model = trained(p, p.model.layers, train, p.loss)
    pred = model._predict(judge.x, judge.x.shape[0]).astype(np.float64)
    try:
        y = p.ids_of(judge.y) if p.class_ids is not None else judge.y
    except Skip:
        y = judge.y
    true = np.eye(pred.shape[1])[y] if y.ndim == 1 and pred.shape[1] > 1 else y.reshape(len(y), -1)
    if pred.shape != true.shape or not np.isfinite(pred).all() or agreement(pred, true) >= NOTHING_SEEN:
        return None
    return "Nor does a copy of the net that was trained on some of the rows see anything of the others."


def sorted_rows(p: Patient) -> Iterator[Finding]:
    """Look whether batches come in the order of the rows, and these in that of the targets."""
    if p.settings.get("shuffle") is not False:
        raise Skip("rows are shuffled")
    rows, size = len(p.targets), max(p.batch_size, MEMORY)
    if rows < 2 * size:
        raise Skip("all rows are in a batch or two")
    try:
        values = np.eye(int(p.class_ids.max()) + 1)[p.class_ids]
    except Skip:
        values = np.nan_to_num(p.targets.reshape(rows, -1).astype(np.float64))
    count = rows // size
    batches = values[: count * size].reshape(count, size, -1)
    variety = float(batches.var(axis=1).mean(axis=0).sum())
    whole = float(values.var(axis=0).sum())
    if not whole > 0 or variety >= MIXED * whole * (1 - 1 / size):
        return
    yield finding(
        "NN112",
        "warning" if variety > 0 else "error",
        f"With shuffle=False rows come in the order of y, which is sorted: {size} of them in a row have "
        f"{variety / whole:.0%} of the variety of all, and each step unlearns what others have learned.",
        "Leave shuffle=False out, or write order = np.random.default_rng(0).permutation(len(X)) and give "
        "X[order], y[order].",
        variety=variety / whole,
        together=size,
    )
