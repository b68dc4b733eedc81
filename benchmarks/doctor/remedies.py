"""The doctor's advice, followed as its line says: from a finding and a training to the changed training."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.doctor.training import ACTIVATIONS, Training
from nnlite.inspect.checkup.diagnosis import Finding

__all__ = ["follow"]

#: What stands between layers where the advice is to put something there, and does not say what.
USUAL = "relu"
#: A number in a line of advice.
NUMBER = r"([0-9][0-9.]*(?:e[+-]?[0-9]+)?)"
#: Names of losses, as the lines write them.
NAMES = {"BinaryCrossEntropy": "bce", "SoftmaxCrossEntropy": "sce", "MeanSquaredError": "mse"}

Remedy = Callable[[Training, Finding], Training | None]


def follow(training: Training, found: Finding) -> Training | None:
    """Do what the finding says.

    Parameters
    ----------
    training : Training
        The program.
    found : Finding
        What the doctor says of it.

    Returns
    -------
    Training or None
        The changed program; None if the line says nothing that a program could do, or changes nothing.
    """
    remedy = REMEDIES.get(found.code)
    changed = remedy(training, found) if remedy else None
    return None if changed == training else changed


def _net(training: Training, tokens: list[str]) -> Training:
    return replace(training, net=" ".join(tokens))


def _last(training: Training, outputs: int | None = None) -> Training:
    """End the net with Dense, of other outputs perhaps."""
    tokens = training.tokens
    while tokens[-1] in ACTIVATIONS:
        tokens.pop()
    if outputs is not None:
        tokens[-1] = str(outputs)
    return _net(training, tokens)


def _stated(pattern: str, found: Finding) -> float | None:
    """Read a number from the line of advice."""
    match = re.search(pattern.replace("#", NUMBER), found.fix)
    return float(match[1]) if match else None


def _scale(training: Training, found: Finding) -> Training | None:
    if "Divide" in found.fix:
        task = training.task()
        return replace(training, divide=training.divide * float(np.abs(task.X / training.divide).max()))
    if "Standardize" in found.fix:
        return _net(training, ["std", *training.tokens]) if training.tokens[0] != "std" else None
    return None


def _uncast(training: Training, found: Finding) -> Training | None:
    """Go back to the features before they were cast, and scale them, if that is what the line says."""
    before = getattr(training.task, "before", None)
    if before is None or "before it was" not in found.fix:
        return None
    return replace(training, task=before, divide=float(np.abs(before().X).max()))


def _scale_targets(training: Training, _found: Finding) -> Training:
    return replace(training, scale_y=True)


def _loss(training: Training, found: Finding) -> Training | None:
    """Take the loss that the line names first, with outputs that fit it."""
    named = min((found.fix.find(name), key) for name, key in NAMES.items() if name in found.fix) if any(
        name in found.fix for name in NAMES
    ) else None  # fmt: skip
    outputs = _stated(r"Dense\([^()]*, ?#\)", found) or _stated(r"# outputs", found)
    changed = training
    if named:
        changed = replace(changed, loss=named[1])
        if named[1] == "sce" and outputs is None and changed.outputs == 1:
            outputs = training.task().classes or None
    if outputs is not None or _ends_with_activation(changed):
        changed = _last(changed, int(outputs) if outputs else None)
    return changed


def _ends_with_activation(training: Training) -> bool:
    return training.tokens[-1] in ACTIVATIONS


def _drop_last_activation(training: Training, found: Finding) -> Training:
    if "scale the targets" in found.fix and "Leave" not in found.fix:
        return _scale_targets(training, found)
    changed = _loss(training, found)
    return _last(changed or training)


def _between(training: Training, found: Finding) -> Training:
    """Put an activation between Dense layers that follow each other."""
    word = next((name for name in ACTIVATIONS if name in found.fix.lower()), USUAL)
    tokens: list[str] = []
    for token in training.tokens:
        if token.isdecimal() and tokens and tokens[-1].isdecimal():
            tokens.append(word)
        tokens.append(token)
    return _net(training, tokens)


def _replaced(old: set[str], new: str) -> Remedy:
    """Make a remedy that takes another activation inside of the net."""

    def remedy(training: Training, _found: Finding) -> Training:
        tokens = training.tokens
        last = max(place for place, token in enumerate(tokens) if token.isdecimal())
        return _net(
            training, [new if token in old and place < last else token for place, token in enumerate(tokens)]
        )

    return remedy


def _rate(training: Training, found: Finding) -> Training | None:
    """Take the rate, and the optimizer, that the line names."""
    named = re.search(rf"\b(SGD|Adam|AdamW|RMSProp|Adagrad|NAdam)\({NUMBER}", found.fix)
    if named:
        options = training.options if named[1] == training.optimizer else {}
        changed = replace(training, optimizer=named[1], rate=float(named[2]), options=options)
        return _steps(changed, found) or changed
    rate = _stated("(?:Try|rate|rate of|learning_rate=) ?#", found)
    if rate is None:
        for words, factor in (("a tenth", 0.1), ("a third", 0.3), ("ten times", 10.0)):
            if words in found.fix:
                rate = training.rate * factor
                break
    return None if rate is None else replace(training, rate=rate)


def _steps(training: Training, found: Finding) -> Training | None:
    """Take the epochs and the batch size that the line names."""
    epochs, batch = _stated("epochs=#", found), _stated("batch_size=#", found)
    if epochs is None and batch is None:
        return None
    return replace(training, epochs=int(epochs or training.epochs), batch=int(batch or training.batch))


def _units(training: Training, found: Finding) -> Training | None:
    """Wake neurons up: with the rate if that is what the line names first, else as new weights need it."""
    if "rate" in found.fix.split(",")[0]:
        return _rate(training, found)
    if ("initializer" in found.fix or "weights" in found.fix) and training.start:
        return replace(training, start="")
    images = any(token.startswith("conv") for token in training.tokens)
    if "scale the features" in found.fix.lower() and training.tokens[0] != "std" and not images:
        return _net(training, ["std", *training.tokens])
    return _rate(training, found)


def _start(training: Training, _found: Finding) -> Training:
    return replace(training, start="")


def _split(training: Training, found: Finding) -> Training | None:
    if "Shuffle" in found.fix:
        return replace(training, validation=abs(training.validation))
    return _scale(training, found)


def _shuffle(training: Training, _found: Finding) -> Training:
    return replace(training, shuffle=True)


def _balance(training: Training, found: Finding) -> Training | None:
    return replace(training, class_weight="balanced") if "balanced" in found.fix else None


def _dropout(training: Training, found: Finding) -> Training | None:
    """Take the dropout that the line names; without a number, where there is none, some."""
    rate = _stated(r"Dropout\(#", found)
    tokens = [f"drop{rate or 0.2:g}" if token.startswith("drop") else token for token in training.tokens]
    return _net(training, tokens)


def _regularize(training: Training, _found: Finding) -> Training | None:
    tokens: list[str] = []
    last = max(place for place, token in enumerate(training.tokens) if token.isdecimal())
    if any(token.startswith("drop") for token in training.tokens):
        return None
    for place, token in enumerate(training.tokens):
        tokens.append(token)
        if token in ACTIVATIONS and place < last:
            tokens.append("drop0.3")
    return _net(training, tokens)


def _option(name: str, otherwise: float | None) -> Remedy:
    """Make a remedy that sets an argument of the optimizer as the line says."""

    def remedy(training: Training, found: Finding) -> Training:
        value = _stated(rf"{name}=#", found)
        options = {key: one for key, one in training.options.items() if key != name}
        if value is not None or otherwise is not None:
            options[name] = value if value is not None else otherwise
        return replace(training, options=options)

    return remedy


def _no_clipping(training: Training, _found: Finding) -> Training:
    return replace(training, options={k: v for k, v in training.options.items() if not k.startswith("clip")})


def _ids(training: Training, found: Finding) -> Training | None:
    """Give the last layer as many outputs as the classes need."""
    if "output" not in found.fix and "Dense(" not in found.fix:
        return None
    outputs = _stated(r"Dense\([^()]*, ?#\)", found) or _stated("# outputs", found) or training.task().classes
    changed = _loss(training, found) or training
    return _last(changed, int(outputs)) if outputs else None


REMEDIES: dict[str, Remedy] = {
    "NN101": _scale,
    "NN102": _uncast,
    "NN104": _ids,
    "NN105": _scale_targets,
    "NN109": _balance,
    "NN110": _split,
    "NN111": _ids,
    "NN112": _shuffle,
    "NN201": _drop_last_activation,
    "NN202": _loss,
    "NN203": _drop_last_activation,
    "NN204": _drop_last_activation,
    "NN205": _start,
    "NN206": _start,
    "NN210": _drop_last_activation,
    "NN211": _drop_last_activation,
    "NN212": _ids,
    "NN213": _between,
    "NN301": _rate,
    "NN302": _rate,
    "NN303": _units,
    "NN304": _units,
    "NN305": _replaced({"sigmoid"}, USUAL),
    "NN306": _start,
    "NN307": _rate,
    "NN308": _rate,
    "NN310": _no_clipping,
    "NN311": _dropout,
    "NN312": _option("weight_decay", None),
    "NN313": _option("momentum", 0.9),
    "NN314": _steps,
    "NN401": _regularize,
    "NN402": _rate,
    "NN404": _steps,
    "NN405": _rate,
    "NN406": _steps,
}
