"""The door: what is given is checked, and the parts of a run card are put together."""

from __future__ import annotations

import copy
import hashlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnlite._threads import allowed, blas
from nnlite._version import __version__
from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.data.conversion import is_dask, is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained, is_ours
from nnlite.errors.checks import check_instance, check_integer
from nnlite.inspect.checkup.admission import check_pair
from nnlite.inspect.checkup.callback import Doctor
from nnlite.inspect.numbers import number
from nnlite.inspect.run_card.measured import (
    CONSTANT,
    LEVEL,
    LINEAR,
    NET,
    Measure,
    Rows,
    answerers,
    differences,
    over_seeds,
)
from nnlite.inspect.run_card.shown import Card
from nnlite.losses import Hinge, Masked, MultiTaskLoss, SequenceLoss
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.metrics import Metric, named_metrics
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import Callback
from nnlite.training.checkpoint import Checkpoint
from nnlite.training.class_weights import ClassWeights, balanced
from nnlite.training.fit import _check_callbacks, _check_optimizer
from nnlite.training.history import History
from nnlite.training.settings import call_text

__all__ = ["card"]

#: Callbacks that change nothing of what is learned.
ONLOOKERS = ("Checkpoint(", "Doctor(", "LivePlot(", "ProgressBar(")


@explained
def card(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer | FullBatchOptimizer,
    *,
    validation: Any = None,
    history: History | None = None,
    weight: Any = None,
    class_weight: Any = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callback] | None = None,
    seeds: int | Sequence[int] = 5,
    classes: Sequence[str] | None = None,
) -> Card:
    """Say what was trained on what, how good it is beside simpler answers, and how sure that is.

    Call it after `fit`, with what `fit` was given. Nothing of it is changed.

    Parameters
    ----------
    model : Sequential
        One net, trained.
    X : array-like of shape (rows, features)
        The input that it was trained on.
    y : array-like
        The targets.
    loss : Loss
        What was lowered.
    optimizer : Optimizer or FullBatchOptimizer
        How it stepped.
    validation : tuple, optional
        ``(X, y)`` or ``(X, y, weight)``: rows that it was not trained on, by which it is judged. Without
        them, or with a part of the training rows such as 0.2, which nobody can name afterwards, it is judged
        by the training rows, and the card says so.
    history : History, optional
        What `fit` returned. It says how the net was trained, and without it no other is.
    weight : array-like of shape (rows,), optional
        How much each row counts, as for `fit`.
    class_weight : "balanced" or dict, optional
        How much the rows of each class count in the loss, as for `fit`; by default as the history says.
    metrics : list or dict of functions, optional
        What is measured beside the loss. The first that says which way is up decides; by default `accuracy`,
        `binary_accuracy` or `r2`, as goes with the loss. Where the net gives probabilities,
        `brier_score` and `expected_calibration_error` are added.
    callbacks : sequence of Callback, optional
        As for `fit`. A history knows them by name only, and the nets of other seeds are to have them too.
    seeds : int or sequence of int
        How many more nets are trained from other weights, counted from 0, or their seeds themselves; 0 for
        none. They are replicas of one model: five small ones take less than five times as long as one.
    classes : sequence of str, optional
        What the classes are called, by their ids.

    Returns
    -------
    Card
        Prints, shows in notebooks, and is written by ``to_html``, ``to_json``, ``to_markdown`` and
        ``model.save(path, card=...)``.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If an argument cannot be used: replicas, several tasks, batches and files are not for a card.

    Notes
    -----
    The linear model has the loss of the net, standardized columns, or a number for each category where the
    net begins with an `Embedding`, and is trained by L-BFGS; with fewer than ten rows for each of its
    weights only for as many iterations as are best in a cross-validation over the training rows.

    The interval of a difference is that between the 2.5 % and the 97.5 % of 1,000 samples of the rows,
    drawn with replacement, in which the net and the other are measured on the same rows; with fewer than six
    rows there is none, since that all speak for one side is no rare chance then. It says how
    far other rows of the same kind might have led, for this net. How far other seeds might have led, the
    spread over seeds says, and the t interval of its mean. Both take rows to be independent of each other.

    References
    ----------
    M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
    B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993.

    Examples
    --------
    >>> import nnlite as nn
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> y = 3 * X + 1
    >>> model = nn.Sequential([nn.Dense(1, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    >>> loss, optimizer = nn.MeanSquaredError(), nn.Adam(0.01)
    >>> history = model.fit(X[::2], y[::2], loss=loss, optimizer=optimizer, epochs=30)
    >>> rest = X[1::2], y[1::2]
    >>> found = card(model, X[::2], y[::2], loss, optimizer, validation=rest, history=history, seeds=0)
    >>> print(found.verdict[0].partition(":")[0])
    A straight line does better
    """
    check_net("card", model)
    model.boundary.check_loss(loss)
    if isinstance(loss, MultiTaskLoss):
        fix = "Make a card of a net that ends in the head of one task, with the loss of that task."
        raise ArgumentError("card(loss)", "the loss of one task", "a MultiTaskLoss", fix)
    _check_optimizer(model, optimizer, loss)
    if history is not None:
        check_instance("card(history=)", history, History, "a History", fix="Give what fit returned.")
    settings = {} if history is None else history.settings
    chosen_seeds = _check_seeds(seeds)
    named = None if metrics is None else named_metrics(metrics, loss)
    hooks = None if callbacks is None else _check_callbacks(callbacks)
    held_out = check_pair("card(validation=)", validation)
    if settings.get("weight") and weight is None:
        fix = "Give them here too."
        raise ArgumentError("card(weight=)", "the weights of rows that fit was given", "None", fix)
    class_weight = settings.get("class_weight") if class_weight is None else class_weight

    x, target, shares = _checked(model, X, y, weight, loss)
    if settings.get("rows") not in (None, len(target)):
        what, fix = f"the {settings['rows']:,} rows that fit was given", "Give these."
        raise ArgumentError("card(X)", what, f"{len(target):,}", fix)
    of_classes = None
    if class_weight is not None:
        of_classes = ClassWeights(class_weight, loss, model.boundary.pred_shape(x)[-1])
        if of_classes.balanced:
            of_classes.table = balanced(of_classes.sums(target, shares))
    parts = {"training": _rows(x, target, shares, of_classes, model.dtype)}
    if held_out is not None:
        try:
            checked = _checked(model, *held_out, loss)
            parts = {"validation": _rows(*checked, of_classes, model.dtype), **parts}
        except (ArgumentError, ArgumentTypeError) as error:
            raise error.within("card(validation=)") from None
    judged = next(iter(parts))
    names = model.feature_names or column_names(X)
    of_rows = {part: _described(rows, model, loss, classes) for part, rows in parts.items()}

    measure = Measure(model, loss, named, of_classes, target)
    answers, left_out = answerers(model, loss, parts["training"])
    preds = {part: {who: say(rows.x) for who, say in answers.items()} for part, rows in parts.items()}
    spread, options = None, _options(settings, hooks)
    if isinstance(options, dict):
        options |= {"loss": loss, "weight": weight, "class_weight": class_weight}
        if isinstance(settings["validation"], float):  # a part of X, on which they are not trained either
            options["validation"] = settings["validation"]
        elif options["callbacks"]:
            options["validation"] = validation
        if chosen_seeds:
            spread = over_seeds(model, optimizer, (X, y), options, chosen_seeds, measure, parts[judged])
    elif chosen_seeds:
        left_out["other seeds"] = options
    data: dict[str, Any] = {
        "model": {
            "layers": [repr(layer) for layer in model.layers],
            "weights": model.params.size,
            "frozen": sorted(model.params.frozen),
            "dtype": model.dtype.name,
            "input_shape": list(x.shape[1:]),
            "columns": None if names is None else list(map(str, names)),
            "predicts": _predicts(loss, of_rows[judged]["classes"]),
        },
        "data": of_rows,
        "training": _training(model, loss, optimizer, history, hooks),
        "judged": judged,
        "main": measure.main,
        "scores": {
            part: {who: measure.scores(pred, parts[part]) for who, pred in found.items()}
            for part, found in preds.items()
        },
        "differences": differences(measure, preds[judged], parts[judged]),
        "spread": spread,
        "left_out": left_out,
        "environment": _environment(),
    }
    return Card(data | {"verdict": _verdict(data, measure, settings)})


# What is given.


def _check_seeds(value: Any) -> list[int]:
    if not isinstance(value, list | tuple | np.ndarray | range):
        return list(range(check_integer("card(seeds=)", value, low=0)))
    seeds = [check_integer("card(seeds=)", seed) for seed in value]
    if len(set(seeds)) < len(seeds):  # one net counted twice would seem to be two that agree
        raise ArgumentError("card(seeds=)", "seeds that differ", f"{seeds}", "Give each once.")
    return seeds


def _checked(model: Sequential, X: Any, y: Any, weight: Any, loss: Loss) -> tuple[Any, Any, Any]:
    """Check rows and cast them."""
    if y is None or is_dask(X):
        got = "a dask array" if y is not None else "batches" if X is not None else "None"
        fix = "Give arrays: X.compute() of a dask array, or the rows of some batches joined."
        raise ArgumentTypeError("card(X, y)", "rows in memory, and their targets", got, fix)
    x = model.boundary.check_input(X, where="card(X)", finite=True)
    return x, *model.boundary.check_targets(y, weight, loss, x)


def _rows(x: Any, y: Any, weight: Any, classes: ClassWeights | None, dtype: Any) -> Rows:
    """Leave out the rows of weight 0, and multiply the others with the weights of their classes."""
    whole = weight if classes is None else classes.applied(y, weight, dtype)
    if whole is not None and not whole.all():
        some = np.flatnonzero(whole)
        x, y, whole, weight = x[some], y[some], whole[some], None if weight is None else weight[some]
    return Rows(x, y, whole, weight)


def _options(settings: Mapping[str, Any], hooks: list[Callback] | None) -> dict[str, Any] | str:
    """Return with what nets are trained again, or why they cannot be."""
    if not settings:
        return "no history says how the net was trained"
    unknown = [name for name in ("augment", "groups") if settings[name]]
    unknown += ["shuffle"] * isinstance(settings["shuffle"], str)
    known = (
        [] if hooks is not None else [one for one in settings["callbacks"] if not one.startswith(ONLOOKERS)]
    )
    if unknown or known:
        fix = "" if unknown else ": give callbacks= as fit had them"
        return f"fit had {', '.join(unknown + known)}, which a history knows by name only{fix}"
    onlookers = Checkpoint, Doctor  # beside those that print and draw, which are for one process only
    learning = [one for one in hooks or () if not (one.first_rank_only or isinstance(one, onlookers))]
    kept = {name: settings[name] for name in ("epochs", "batch_size", "jit", "accumulate", "shuffle")}
    return {"callbacks": copy.deepcopy(learning), **kept}


# What is said of it.


def _described(rows: Rows, model: Sequential, loss: Loss, classes: Sequence[str] | None) -> dict[str, Any]:
    """Describe rows: how many, of which classes, and a checksum."""
    y, counts = rows.y, None
    if isinstance(loss, SoftmaxCrossEntropy) or (isinstance(loss, BinaryCrossEntropy) and y.shape[1] == 1):
        count = max(2, model.boundary.pred_shape(rows.x)[-1])
        ids = y.astype(int).ravel() if y.size == len(y) else y.argmax(axis=1)
        names = _check_names(classes, count)
        counts = dict(zip(names, np.bincount(ids, minlength=count).tolist(), strict=True))
    weighted = rows.plain is not None
    return {"rows": len(y), "weighted": weighted, "classes": counts, "sha256": _checksum(rows)}


def _predicts(loss: Loss, classes: Any) -> str | None:
    """Say what the net predicts; None where the loss does not say it."""
    if isinstance(loss, SequenceLoss):
        return "a sequence"
    if isinstance(loss, Masked):
        loss = loss.loss
    if classes or isinstance(loss, SoftmaxCrossEntropy | Hinge):
        return "classes"
    return "labels" if isinstance(loss, BinaryCrossEntropy) else "numbers" if is_ours(type(loss)) else None


def _check_names(classes: Any, count: int) -> list[str]:
    names = list(map(str, range(count) if classes is None else classes))
    if len(names) != count or len(set(names)) < count:
        fix = "Name each class, in the order of their ids."
        raise ArgumentError("card(classes=)", f"{count} names that differ", f"{names}", fix)
    return names


def _checksum(rows: Rows) -> str:
    """Return the SHA-256 of input, targets and weights as the net takes them, with shapes and dtypes."""
    found = hashlib.sha256()
    x = rows.x
    arrays = [x.data, x.indices, x.indptr] if is_sparse(x) else [x]
    for array in (*arrays, rows.y, rows.plain):
        if array is not None:
            stored = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            found.update(f"{stored.dtype.str} {stored.shape}\n".encode())
            found.update(stored.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _training(
    model: Sequential, loss: Loss, optimizer: Any, history: History | None, hooks: list[Callback] | None
) -> dict[str, Any]:
    """Describe how it was trained."""
    found: dict[str, Any] = {"loss": repr(loss), "optimizer": repr(optimizer)}
    if history is not None:
        seed = getattr(getattr(model.rng, "bit_generator", None), "seed_seq", None)
        found["seed of the model"] = None if seed is None or seed.spawn_key else seed.entropy
        found |= history.settings | {
            "epochs": len(history),
            "stopped": history.stop_reason,
            "weights of epoch": history.best_epoch,
            "seconds": sum(row["seconds"] for row in history.rows),
            "engine": history.engine,
        }
    return found | ({} if hooks is None else {"callbacks": [call_text(one) for one in hooks]})


def _environment() -> dict[str, Any]:
    """Describe what computed it."""
    from importlib.metadata import version
    from importlib.util import find_spec

    return {
        "nnlite": __version__,
        "python": platform.python_version(),
        **{name: version(name) if find_spec(name) else None for name in ("numpy", "scipy", "numba")},
        "BLAS": blas(),
        "threads": allowed(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _verdict(data: Mapping[str, Any], measure: Measure, settings: Mapping[str, Any]) -> list[str]:
    """Say in sentences what the numbers come to."""
    judged, main = data["judged"], measure.main
    rows = f"as far as {data['data'][judged]['rows']:,} {judged} rows can tell"
    sentences = []
    if judged == "training":
        said = "No validation rows were given: what follows is of the rows that the net was trained on"
        hint = "; fit held some out of them, which cannot be told any more: nnlite.train_test_split can"
        held_out = isinstance(settings.get("validation"), float)
        sentences.append(f"{said}, and says little of others{hint if held_out else ''}.")
    for who, name in ((LINEAR, "a straight line"), (CONSTANT, "one answer for all rows")):
        if who not in data["differences"]:
            sentences.append(f"There is no {who} beside it: {data['left_out'][who]}.")
            continue
        openings = {
            1: f"the net does better than {name}",
            0: f"{name} does as well, {rows}",
            -1: f"{name} does better",
            None: f"beside {name}",
        }
        sides = {}
        for key in dict.fromkeys((main, "loss")):
            ours, theirs = (data["scores"][judged][one][key] for one in (NET, who))
            gap = data["differences"][who].get(key, {"low": np.nan, "high": np.nan})
            sides[key] = side = _side(gap["low"], gap["high"], higher=measure.higher and key == main)
            if key == main or (side and side != sides[main]):
                ends = f"{LEVEL:.0%} interval {number(gap['low'])} to {number(gap['high'])}"
                both = f"{key} {number(ours)} for the net, {number(theirs)} for {name}"
                behind = "of which there is no interval" if side is None else f"{ends} of the difference"
                said = openings[side] if key == main else f"by the loss {openings[side]}"
                sentences.append(f"{said[0].upper()}{said[1:]}: {both}, {behind}.")
        if who == LINEAR:
            sentences += _of_seeds(data["spread"], measure, data["scores"][judged][who][main], name)
    return sentences


def _side(low: float, high: float, *, higher: bool) -> int | None:
    """Tell whether an interval lies wholly on the better side, 1, or on the worse one, -1, or holds 0."""
    if not np.isfinite([low, high]).all():
        return None
    return (int(low > 0) - int(high < 0)) * (1 if higher else -1)


def _of_seeds(spread: Any, measure: Measure, theirs: float, name: str) -> list[str]:
    """Compare the mean over seeds with a baseline."""
    found = (spread or {}).get("summary", {}).get(measure.main)
    if not found or found["low"] is None:
        return []
    side = _side(found["low"] - theirs, found["high"] - theirs, higher=measure.higher)
    how = {1: "better than", 0: "no different from", -1: "worse than", None: "beside"}[side]
    mean, low, high = (number(found[one]) for one in ("mean", "low", "high"))
    count, ends = len(spread["scores"][measure.main]), f"{LEVEL:.0%} t interval {low} to {high}"
    said = f"On the same rows nets from {count} seeds have {measure.main} {mean} on average, {ends}"
    return [f"{said}: {how} {name}."]
