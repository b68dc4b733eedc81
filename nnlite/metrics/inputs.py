"""What metrics are given: checked here, cast once, and never broadcast."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.core.aliases import AnyArray
from nnlite.core.weights import stand_ins
from nnlite.data.checks import check_ids, check_rows, check_weight
from nnlite.errors import ArgumentError, DataWarning, ShapeError, calls_to_user
from nnlite.errors.checks import check_integer

#: Of fewer rows it may be chance that logits look like probabilities.
ENOUGH_ROWS = 10


def counting(
    where: str, pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None
) -> tuple[AnyArray, AnyArray, NDArray[np.float64] | None]:
    """Give arrays in which a row that counts stands for each of weight 0, whose numbers may be anything."""
    guess, truth = check_rows(f"{where}(pred=)", pred), check_rows(f"{where}(target=)", target)
    if weight is None:
        return guess, truth, None
    weights = check_weight(f"{where}(weight=)", weight, rows=(len(guess),)).astype(np.float64)
    rows = stand_ins(weights)  # so that messages name the right row
    if rows is None or len(truth) != len(guess):
        return guess, truth, weights
    return guess[rows], truth[rows], weights


def kept(weights: NDArray[np.float64] | None, *arrays: Any) -> tuple[Any, ...]:
    """Give the weights and the rows of those that count; to the same numbers as without the others."""
    if weights is None:
        return (None, *arrays)
    # By a power of two, which changes no digit: no sum of weights overflows or vanishes.
    weights = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    if (counts := weights > 0).all():
        return (weights, *arrays)
    return tuple(array[counts] for array in (weights, *arrays))


def row_mean(value: AnyArray, weights: NDArray[np.float64] | None) -> float:
    """Average one value for each row."""
    weights, value = kept(weights, value)
    return float(np.average(value, weights=weights))


def check_no_nan(where: str, pred: AnyArray) -> None:
    """Refuse NaN, which would pass for a guess."""
    wrong = np.isnan(pred)
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise ArgumentError(where, "no NaN", f"NaN in row {row}", "Find the layer or the data it comes from.")


def check_same_shape(where: str, pred: AnyArray, target: AnyArray) -> None:
    """Refuse targets of another shape, and say what to write."""
    if pred.shape == target.shape:
        return
    if target.ndim == 1 and pred.shape == (len(target), 1):
        fix = "Write target[:, None] to make a column of the targets."
    elif pred.ndim == 1 and target.shape == (len(pred), 1):
        fix = "Write target[:, 0] to make the column of targets flat."
    else:
        fix = "Give one target for each prediction."
    raise ShapeError(where, f"a target of shape {pred.shape}, the shape of pred", f"{target.shape}", fix)


def check_scores(where: str, scores: AnyArray) -> AnyArray:
    """Give the scores of at least two classes."""
    if scores.ndim != 2 or scores.shape[1] < 2:
        fix = "With one score for each row, use binary_accuracy."
        if scores.dtype.kind in "iu" and scores.ndim == 1:
            fix = "Give the scores and not their argmax; of two arrays of ids it is (ids == target).mean()."
        what = "scores of shape (rows, classes), at least two classes"
        raise ShapeError(f"{where}(pred=)", what, f"shape {scores.shape}", fix)
    check_no_nan(f"{where}(pred=)", scores)
    return scores


def check_class_ids(where: str, truth: AnyArray, scores: AnyArray) -> NDArray[np.int64]:
    """Give the true class of each row, from class ids or from one-hot or soft targets."""
    rows, classes = scores.shape
    if truth.shape == scores.shape:
        check_no_nan(f"{where}(target=)", truth)
        highest: NDArray[np.int64] = truth.argmax(axis=1)
        return highest
    ids = check_ids(f"{where}(target=)", truth, classes=classes)
    if len(ids) != rows:
        fix = "Take both from the same rows of the data."
        raise ShapeError(
            f"{where}(target=)", f"{rows} class ids, one for each row of pred", f"{len(ids)}", fix
        )
    return ids


def check_binary(where: str, scores: AnyArray, truth: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Give the scores and the zeros and ones of yes-or-no questions, of the same shape."""
    if scores.ndim != 2:
        fix = (
            "Write pred[:, None] for a single column." if scores.ndim == 1 else "Give one row for each case."
        )
        raise ShapeError(f"{where}(pred=)", "shape (rows, labels)", f"shape {scores.shape}", fix)
    if truth.ndim == 1 and scores.shape[1] == 1:
        truth = truth[:, None]
    check_same_shape(where, scores, truth)
    check_no_nan(f"{where}(pred=)", scores)
    if not (yes_or_no := np.isin(truth, (0, 1))).all():
        fix = "Write target > 0 for labels of -1 and 1."
        if np.isin(scores, (0, 1)).all():
            fix = f"Predictions come first: write {where}(pred, target)."
        raise ArgumentError(f"{where}(target=)", "zeros and ones", f"{truth[~yes_or_no][0]}", fix)
    return scores, truth


def warn_of_probabilities(where: str, scores: AnyArray, yes: AnyArray, fix: str) -> None:
    """Warn of scores that are read as logits and look like probabilities: the number would be a wrong one.

    Those of classes lie in [0, 1] and sum to 1. Of a single question they lie there and, read as
    probabilities, make what is true likelier than read as logits, and likelier than its share in all rows.
    """
    if len(scores) < ENOUGH_ROWS or scores.dtype.kind != "f" or scores.min() < 0 or scores.max() > 1:
        return
    if np.isin(scores, (0, 1)).all():
        return
    if scores.ndim == 2 and scores.shape[1] > 1:
        found = np.abs(scores.sum(axis=1, dtype=np.float64) - 1).max() <= 1e-3
    else:
        yes, scores = yes.reshape(-1) > 0, scores.reshape(-1).astype(np.float64)
        shares = np.stack([scores, np.full(len(scores), yes.mean()), 1 / (1 + np.exp(-scores))])
        step = np.finfo(np.float64).eps
        likely = np.log(np.clip(np.where(yes, shares, 1 - shares), step, 1)).mean(axis=1)
        found = likely[0] > likely[1:].max()
    if found:
        said = f"{where}(pred=): the {len(scores):,} scores are read as logits, and look like probabilities. "
        warnings.warn(said + fix, DataWarning, stacklevel=calls_to_user())


def check_one_class(where: str, truth: AnyArray, scores: AnyArray) -> NDArray[np.int64]:
    """Give the true class of each row; a row of several labels has none."""
    ids = check_class_ids(where, truth, scores)
    if truth.shape == scores.shape:
        sums = truth.sum(axis=1, dtype=np.float64)
        wrong = np.abs(sums - 1) > 1e-3
        if wrong.any():
            row = int(wrong.argmax())
            what, fix = "one class a row, class ids or rows that sum to 1", "Measure one label at a time."
            raise ArgumentError(f"{where}(target=)", what, f"a sum of {sums[row]:g} in row {row}", fix)
    return ids


def check_question(where: str, scores: AnyArray, truth: AnyArray) -> tuple[AnyArray, NDArray[np.int64]]:
    """Give the scores in columns, a single one of a yes-or-no question, and the true class of each row."""
    scores = scores[:, None] if scores.ndim == 1 else scores
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores, truth = check_binary(where, scores, truth)
        return scores, truth[:, 0].astype(np.int64)
    scores = check_scores(where, scores)
    return scores, check_one_class(where, truth, scores)


def check_class(where: str, class_id: int | None, columns: int) -> int:
    """Give the class that is told from the rest: by default class 1 of two."""
    count = max(2, columns)
    place = f"{where}(class_id=)"
    if class_id is not None and check_integer(place, class_id) < count:
        return int(class_id)
    if class_id is None and count == 2:
        return 1
    fix = "Write class_id=0 for the first one."
    raise ArgumentError(place, f"one of the {count} classes", f"{class_id}", fix)


def check_pairs(
    where: str, pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Give both as float64 of shape (rows, outputs), and the weights, of the rows that count."""
    guess, truth, weights = counting(where, pred, target, weight)
    check_same_shape(where, guess, truth)
    if guess.ndim > 2:
        fix = "Write .reshape(len(pred), -1) behind both."
        raise ShapeError(where, "shapes (rows,) or (rows, outputs)", f"shape {guess.shape}", fix)
    for name, array in (("pred", guess), ("target", truth)):
        if not np.isfinite(array).all():
            fix = "Find the layer or the data it comes from."
            raise ArgumentError(f"{where}({name}=)", "finite numbers", "NaN or infinity", fix)
    column = (len(guess), -1)
    guess, truth = (array.astype(np.float64).reshape(column) for array in (guess, truth))
    weights, guess, truth = kept(weights, guess, truth)
    return guess, truth, weights
