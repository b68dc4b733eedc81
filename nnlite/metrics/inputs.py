"""What metrics are given: checked here, cast once, and never broadcast."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite._typing import AnyArray
from nnlite.checks import check_ids, check_rows, check_weight
from nnlite.errors import ArgumentError, ShapeError


def row_mean(where: str, value: AnyArray, weight: ArrayLike | None) -> float:
    """Average one value for each row."""
    if weight is not None:
        weight = check_weight(f"{where}(weight=)", weight, rows=(len(value),)).astype(np.float64)
    return float(np.average(value, weights=weight))


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


def check_scores(where: str, pred: ArrayLike) -> AnyArray:
    """Give the scores of at least two classes."""
    scores = check_rows(f"{where}(pred=)", pred)
    if scores.ndim != 2 or scores.shape[1] < 2:
        fix = "With one score for each row, use binary_accuracy."
        if scores.dtype.kind in "iu" and scores.ndim == 1:
            fix = "Give the scores and not their argmax; of two arrays of ids it is (ids == target).mean()."
        what = "scores of shape (rows, classes), at least two classes"
        raise ShapeError(f"{where}(pred=)", what, f"shape {scores.shape}", fix)
    check_no_nan(f"{where}(pred=)", scores)
    return scores


def check_class_ids(where: str, target: ArrayLike, scores: AnyArray) -> NDArray[np.int64]:
    """Give the true class of each row, from class ids or from one-hot or soft targets."""
    truth = check_rows(f"{where}(target=)", target)
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


def check_pairs(
    where: str, pred: ArrayLike, target: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give both as float64 of shape (rows, outputs), once their shapes agree."""
    guess, truth = check_rows(f"{where}(pred=)", pred), check_rows(f"{where}(target=)", target)
    check_same_shape(where, guess, truth)
    if guess.ndim > 2:
        fix = "Write .reshape(len(pred), -1) behind both."
        raise ShapeError(where, "shapes (rows,) or (rows, outputs)", f"shape {guess.shape}", fix)
    for name, array in (("pred", guess), ("target", truth)):
        if not np.isfinite(array).all():
            fix = "Find the layer or the data it comes from."
            raise ArgumentError(f"{where}({name}=)", "finite numbers", "NaN or infinity", fix)
    column = (len(guess), -1)
    return guess.astype(np.float64).reshape(column), truth.astype(np.float64).reshape(column)
