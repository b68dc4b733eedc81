"""The doctor's advice, followed as its line says: from a finding and a training to the changed training."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.doctor.training import ACTIVATIONS, Training
from nnlite.inspect.checkup.diagnosis import Finding

__all__ = ["follow"]

#: Names of losses and activations, as the lines write them.
LOSSES = {"BinaryCrossEntropy": "bce", "SoftmaxCrossEntropy": "sce", "MeanSquaredError": "mse"}
LAYERS = {"ReLU": "relu", "Tanh": "tanh", "LeakyReLU": "leaky"}
#: What a line in words means.
FACTORS = {"a tenth": 0.1, "a third": 0.3, "a smaller rate": 0.1}
#: Dropout where the line names no share.
SHARE = 0.3
#: So many times as many neurons where the line says to add some.
WIDER = 4

#: Changes a training by the match of a pattern.
Step = Callable[[Training, re.Match[str]], Training]


def follow(training: Training, found: Finding) -> list[Training]:
    """Do what the finding says.

    Parameters
    ----------
    training : Training
        The program.
    found : Finding
        What the doctor says of it.

    Returns
    -------
    list of Training
        The changed program, for each alternative that the line names (", or"), in its order. Empty if it says
        nothing that a program could do, or changes nothing.
    """
    changed = [_done(training, line) for line in found.fix.split(", or ")]
    return [one for one in changed if one != training]


def _done(training: Training, line: str) -> Training:
    """Do all that stands in a line."""
    for pattern, step in STEPS:
        if match := re.search(pattern, line):
            training = step(training, match)
    return training


def _net(training: Training, tokens: list[str]) -> Training:
    return replace(training, net=" ".join(tokens))


def _last_dense(training: Training) -> int:
    return max(place for place, token in enumerate(training.tokens) if token.isdecimal())


def _look_before(training: Training, _: re.Match[str]) -> Training:
    """Go back to the features before they were cast, and scale them."""
    before = getattr(training.task, "before", None)
    return (
        training if before is None else replace(training, task=before, divide=float(np.abs(before().X).max()))
    )


def _standardize(training: Training, _: re.Match[str]) -> Training:
    images = any(token.startswith("conv") for token in training.tokens)
    return training if training.tokens[0] == "std" or images else _net(training, ["std", *training.tokens])


def _divide(training: Training, _: re.Match[str]) -> Training:
    return replace(training, divide=float(np.abs(training.task().X).max()))


def _scale_targets(training: Training, _: re.Match[str]) -> Training:
    return replace(training, scale_y=True)


def _first_class(training: Training, match: re.Match[str]) -> Training:
    return replace(training, first=int(match[1]))


def _no_last_activation(training: Training, _: re.Match[str]) -> Training:
    return _net(training, training.tokens[: _last_dense(training) + 1])


def _outputs(training: Training, match: re.Match[str]) -> Training:
    """End the net with Dense of other outputs."""
    tokens = training.tokens[: _last_dense(training) + 1]
    return _net(training, [*tokens[:-1], match[1]])


def _loss(training: Training, match: re.Match[str]) -> Training:
    """Take another loss, with the outputs that it needs."""
    changed = replace(training, loss=LOSSES[match[1]])
    classes = training.task().classes - training.first
    if changed.loss == "sce" and training.outputs == 1 and classes > 0:
        changed = _outputs(changed, re.match("(.*)", str(classes)))  # type: ignore[arg-type]
    return changed


def _between(training: Training, match: re.Match[str]) -> Training:
    """Put an activation between Dense layers that follow each other."""
    tokens: list[str] = []
    for token in training.tokens:
        if token.isdecimal() and tokens and tokens[-1].isdecimal():
            tokens.append(LAYERS[match[1]])
        tokens.append(token)
    return _net(training, tokens)


def _in_place_of(training: Training, match: re.Match[str]) -> Training:
    """Take another activation inside of the net."""
    old = {"sigmoid"} if "Sigmoid" in match.string else {"relu"}
    inside = _last_dense(training)
    new = [
        LAYERS[match[1]] if token in old and place < inside else token
        for place, token in enumerate(training.tokens)
    ]
    return _net(training, new)


def _optimizer(training: Training, match: re.Match[str]) -> Training:
    """Take the optimizer that the line writes, with all of its arguments."""
    call: Any = ast.parse(match[0], mode="eval").body
    options = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    rate = ast.literal_eval(call.args[0]) if call.args else options.pop("learning_rate", training.rate)
    return replace(training, optimizer=match[1], rate=float(rate), options=options)


def _rate(training: Training, match: re.Match[str]) -> Training:
    return replace(training, rate=float(match[1]))


def _times_rate(training: Training, match: re.Match[str]) -> Training:
    return replace(training, rate=training.rate * FACTORS[match[0]])


def _epochs(training: Training, match: re.Match[str]) -> Training:
    return replace(training, epochs=int(match[1]))


def _batch(training: Training, match: re.Match[str]) -> Training:
    return replace(training, batch=int(match[1]))


def _own_start(training: Training, _: re.Match[str]) -> Training:
    return replace(training, start="")


def _split(training: Training, _: re.Match[str]) -> Training:
    return replace(training, validation=abs(training.validation))


def _shuffle(training: Training, _: re.Match[str]) -> Training:
    return replace(training, shuffle=True)


def _balance(training: Training, _: re.Match[str]) -> Training:
    return replace(training, class_weight="balanced")


def _dropout(training: Training, match: re.Match[str]) -> Training:
    tokens = [f"drop{match[1]}" if token.startswith("drop") else token for token in training.tokens]
    return _net(training, tokens)


def _widen(training: Training, _: re.Match[str]) -> Training:
    inside = _last_dense(training)
    wider = [
        str(WIDER * int(token)) if token.isdecimal() and place < inside else token
        for place, token in enumerate(training.tokens)
    ]
    return _net(training, wider)


def _regularize(training: Training, _: re.Match[str]) -> Training:
    """Put dropout behind the hidden activations, if there is none."""
    inside = _last_dense(training)
    if any(token.startswith("drop") for token in training.tokens):
        return training
    tokens: list[str] = []
    for place, token in enumerate(training.tokens):
        tokens += [token, f"drop{SHARE}"] if token in ACTIVATIONS and place < inside else [token]
    return _net(training, tokens)


#: Patterns of what a line may say, and what is done. Of two optimizers the first is the one to take.
STEPS: tuple[tuple[str, Step], ...] = (
    (r"before it was scaled or cast", _look_before),
    (r"Put .*Standardize\(|[Ss]cale the features", _standardize),
    (r"Divide the pixels", _divide),
    (r"\(y - (?:mean|y\.mean)", _scale_targets),
    (r"fit with y - (\d+)", _first_class),
    (r"[Ll]eave (?:that layer|the last activation|layer [\d.]+ \w+\(\)) out", _no_last_activation),
    (r"End the model with Dense\(\d+, (\d+)\)", _outputs),
    (r"End the model with Dense\.", _no_last_activation),
    (r"(?:with|Use|use) (BinaryCrossEntropy|SoftmaxCrossEntropy|MeanSquaredError)", _loss),
    (r"Put (ReLU|Tanh)\(\) behind", _between),
    (r"Use (ReLU|Tanh) .*in place of (Sigmoid)", _in_place_of),
    (r"use (LeakyReLU)\(\)", _in_place_of),
    (r"\b(SGD|AdamW|Adam|RMSProp|Adagrad|NAdam|Lion)\([^()]*\)", _optimizer),
    (r"Try (?:a rate of )?([0-9][0-9.]*(?:e[+-]?\d+)?)", _rate),
    ("|".join(FACTORS), _times_rate),
    (r"epochs=(\d+)", _epochs),
    (r"batch_size=(\d+)", _batch),
    (r"initializers?|smaller weights|model\.initialize", _own_start),
    (r"Shuffle before you split", _split),
    (r"shuffle=True|Leave shuffle=False out", _shuffle),
    (r'class_weight="balanced"', _balance),
    (r"Write Dropout\(([0-9.]+)\)", _dropout),
    (r"add neurons", _widen),
    (r"rows, Dropout or", _regularize),
)  # fmt: skip
