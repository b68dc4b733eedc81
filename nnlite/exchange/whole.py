"""What is handed over: a net, or an estimator or a Pipeline with all that is done before and behind its net.

Estimators say themselves what their net is and how it ends, by a method ``_whole``; nothing here imports
scikit-learn, whose classes are known by their names.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.exchange.checks import check_single, check_written
from nnlite.exchange.layers.normalization import of_length_1
from nnlite.layers import Clip, Layer, Standardize
from nnlite.layers.standardize import near
from nnlite.model import Sequential

__all__ = ["Ending", "Whole", "take_whole"]


class Ending(NamedTuple):
    """What an estimator makes of the outputs of its net.

    Parameters
    ----------
    activation : {"softmax", "logistic", "exp", "identity"}
        What is made of them first.
    outputs : int
        How many of them count; others, such as logarithms of variances, are left out.
    temperature : float
        What they are divided by before.
    classes : ndarray or None
        The labels of a classifier. Two labels of one output are told apart by its sign.
    several : bool
        Whether a row may have several labels.
    mean, scale : ndarray of shape (outputs,), or None
        What numbers are brought back to the units of the targets by, in float64.
    """

    activation: Literal["softmax", "logistic", "exp", "identity"]
    outputs: int
    temperature: float = 1.0
    classes: AnyArray | None = None
    several: bool = False
    mean: AnyArray | None = None
    scale: AnyArray | None = None

    @property
    def both(self) -> bool:
        """Whether one output stands for two classes, of which the first has the opposite sign."""
        return self.classes is not None and not self.several and self.outputs == 1

    @property
    def width(self) -> int:
        """How many numbers there are of a row in the end."""
        return 2 if self.both else self.outputs

    @property
    def names(self) -> tuple[str, ...]:
        """What the results are called, as skl2onnx does."""
        if self.classes is None:
            return ("variable",)
        return ("label", "scores" if self.activation == "identity" else "probabilities")

    @property
    def threshold(self) -> float:
        """Above what a label of several is there."""
        return 0.0 if self.activation == "identity" else 0.5


class Whole(NamedTuple):
    """A net with all that is done before it, and what is made of its outputs; None if they are all.

    Parameters
    ----------
    model : Sequential
        The net.
    ending : Ending or None
        The rest.
    """

    model: Sequential
    ending: Ending | None = None


def take_whole(where: str, thing: Any, *, choose: str) -> Whole:
    """Return what can be handed over of a model, an estimator or a Pipeline, or say why nothing can.

    Parameters
    ----------
    where : str
        Names the call in messages.
    thing : object
        The candidate.
    choose : str
        How to hand over one net of many.

    Returns
    -------
    Whole

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is none of these, or a step of the Pipeline has no form outside of scikit-learn. Also as
        `check_written` does.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> take_whole("here", Sequential([Dense(2, 1)]), choose="model.replica(0)").ending is None
    True
    """
    steps = _steps(thing)
    last = steps[-1][1] if steps else thing
    if isinstance(last, Sequential) and last is thing:
        whole = Whole(last)
    elif hasattr(type(last), "_whole"):
        whole = last._whole(where)
        if steps:
            whole = whole._replace(model=_with_steps(where, steps[:-1], whole.model))
    elif hasattr(last, "best_estimator_"):
        fix = "Give its best_estimator_."
        raise ArgumentTypeError(f"{where}(model)", "what was trained", f"{type(last).__name__}", fix)
    elif steps:
        raise ArgumentTypeError(
            f"{where}(model)",
            "a Pipeline that ends in an estimator of nnlite.sklearn",
            f"one that ends in {type(last).__name__}",
            "Use the MLPClassifier or MLPRegressor of nnlite.sklearn; skl2onnx writes those of scikit-learn.",
        )
    else:
        check_single(where, thing, choose=choose)  # which says what it should be
        whole = Whole(thing)
    check_written(where, whole.model, choose=choose)
    return whole


def _is_of_sklearn(thing: Any, name: str) -> bool:
    """Tell whether it is of that very class: a subclass may compute something else."""
    return type(thing).__name__ == name and type(thing).__module__.split(".")[0] == "sklearn"


def _steps(thing: Any) -> list[tuple[str, Any]]:
    """Return the steps of a Pipeline that do something; there are none in what is no Pipeline."""
    if not _is_of_sklearn(thing, "Pipeline"):
        return []
    found: list[tuple[str, Any]] = []
    for name, step in thing.steps:
        inner = [(f"{name}.{place}", one) for place, one in _steps(step)]
        found += inner or [(name, step)]
    kept = [(name, step) for name, step in found[:-1] if step not in (None, "passthrough")]
    return [*kept, found[-1]]


def _with_steps(where: str, steps: Sequence[tuple[str, Any]], model: Sequential) -> Sequential:
    """Put what a Pipeline does before its estimator in front of the net."""
    layers: list[Layer] = []
    encoder = None
    for place, (name, step) in enumerate(steps):
        at = f"{where}: step {name!r}"
        if type(step) is TableEncoder and place == 0:
            encoder = step
            continue
        known = next((make for kind, make in _SCALERS.items() if _is_of_sklearn(step, kind)), None)
        if known is None:
            raise ArgumentError(
                at,
                f"one of {', '.join(_SCALERS)}, or a TableEncoder as the first",
                f"{type(step).__name__}",
                "TableEncoder(...) of nnlite fills and encodes tables; or hand over the rest without this "
                "step, pipe[1:], and do it elsewhere.",
            )
        if not hasattr(step, "n_features_in_"):
            raise ArgumentError(at, "a step that was fitted", "one that was not", "Call fit of the Pipeline.")
        if getattr(step, "norm", "l2") != "l2":
            fix = "Do it elsewhere, and hand over the rest, pipe[1:]."
            raise ArgumentError(at, "a Normalizer by the l2 norm", f"one by the {step.norm} norm", fix)
        layers += known(step, model.params.dtype)
    if not layers and encoder is None:
        return model
    whole = Sequential(
        [*layers, *map(copy.deepcopy, model.layers)], dtype=model.params.dtype, preprocessing=encoder, rng=0
    )
    names = None if encoder is not None else getattr(steps[0][1], "feature_names_in_", None)
    if names is not None and len(set(names)) == len(names):
        whole.feature_names = list(map(str, names))
    return whole


# What scikit-learn's steps are here.


def _standardize(mean: Any, scale: Any, features: int, dtype: np.dtype[Any]) -> list[Layer]:
    layer = Standardize(features)
    means, scales = (np.broadcast_to(np.asarray(one, np.float64), (features,)) for one in (mean, scale))
    layer.buffers = {"mean": near(means, scales, dtype), "scale": scales.astype(dtype)}
    return [layer]


def _standard(step: Any, dtype: np.dtype[Any]) -> list[Layer]:
    mean, scale = step.mean_ if step.with_mean else 0.0, step.scale_ if step.with_std else 1.0
    return _standardize(mean, scale, step.n_features_in_, dtype)


def _min_max(step: Any, dtype: np.dtype[Any]) -> list[Layer]:
    scaled = _standardize(-step.min_ / step.scale_, 1 / step.scale_, step.n_features_in_, dtype)
    return [*scaled, Clip(*step.feature_range)] if step.clip else scaled


def _max_abs(step: Any, dtype: np.dtype[Any]) -> list[Layer]:
    scaled = _standardize(0.0, step.scale_, step.n_features_in_, dtype)
    return [*scaled, Clip(-1.0, 1.0)] if getattr(step, "clip", False) else scaled


def _normalizer(step: Any, _dtype: np.dtype[Any]) -> list[Layer]:
    layer = of_length_1(step.n_features_in_)
    layer.gain[...] = layer.features**-0.5
    return [layer]


def _robust(step: Any, dtype: np.dtype[Any]) -> list[Layer]:
    centre, scale = step.center_ if step.with_centering else 0.0, step.scale_ if step.with_scaling else 1.0
    return _standardize(centre, scale, step.n_features_in_, dtype)


_SCALERS: Mapping[str, Callable[[Any, np.dtype[Any]], list[Layer]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "Normalizer": _normalizer,
}
