"""The words of a training step: its seven beats as text, and the sentences about its numbers."""

from __future__ import annotations

import math
import textwrap
from functools import reduce
from operator import getitem
from typing import Any

from nnlite.inspect.numbers import number, parameters_of, result, row_text, signed, weight_name
from nnlite.inspect.proof import KINKED, TOO_SMALL
from nnlite.inspect.step_scan import OVERSHOOTS
from nnlite.inspect.texts import read_words

__all__ = ["BEATS", "describe_fog", "describe_proof", "describe_update", "tell"]

#: The beats of a step, with their headings.
BEATS = (
    ("data", "Data: what goes in, and what should come out"),
    ("forward", "Forward pass: thinking, not learning"),
    ("loss", "Loss: how wrong? The bigger the mistake, the bigger the sting"),
    ("blame", "Blame: the error is traced backward to every weight"),
    ("fog", "Fog: which way is downhill, and how far to go?"),
    ("update", "Update: every weight takes its step"),
    ("proof", "Proof: nudge a weight, and see whether the blame was right"),
)
#: Characters of a line, rows of the batch, neurons of a column, and weights of the blame that are shown.
WIDTH, ROWS, UNITS, WEIGHTS = 92, 3, 6, 8
#: Of a net with more columns of neurons than both together, the first ones and the last ones are shown.
FIRST, LAST = 3, 2


def tell(trace: Any) -> str:
    """Write a training step as text.

    Parameters
    ----------
    trace : StepTrace
        The step.

    Returns
    -------
    str
        Lines of at most 100 characters; of large nets the most important ones.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> trace = nn.inspect.explain_step(model, [[3.0]], [[5.0]], nn.MeanSquaredError(), nn.SGD(0.01))
    >>> print(tell(trace).splitlines()[4])
    1  Data: what goes in, and what should come out
    """
    data = trace.to_dict()
    model, optimizer = data["model"], data["optimizer"]
    lines = [
        f"One training step of a net with {model['parameters']:,} "
        f"{_plural(model['parameters'], 'parameter')}, on {model['rows']} {_plural(model['rows'], 'row')}",
        *_wrap(" -> ".join(stage["text"] for stage in data["stages"] if stage["text"])),
        *_wrap(f"{data['loss']['text']}, {optimizer['text']}, step {optimizer['step'] + 1}"),
    ]
    beats = {
        "data": _data(data),
        "forward": _forward(trace, data),
        "loss": _loss(data),
        "blame": _blame(trace, data),
        "fog": _fog(data["fog"], noise=data["update"]["noise"]),
        "update": _update(data),
        "proof": _proof(data["proof"]),
    }
    for place, (beat, heading) in enumerate(BEATS, start=1):
        lines += ["", f"{place}  {heading}"]
        lines += [f"   {line}".rstrip() for line in beats[beat]]
    # Not every terminal can write more than ASCII.
    return "\n".join(lines).replace("²", "^2")


def _wrap(text: str, *, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False)


def _plural(count: int, word: str, several: str | None = None) -> str:
    return word if count == 1 else several or f"{word}s"


def _more(count: int, shown: int, what: str) -> list[str]:
    return [f"... and {count - shown:,} more {_plural(count - shown, what)}"] if count > shown else []


def _target(value: Any, names: list[str] | None) -> str:
    if isinstance(value, int):
        return _printable(names[value]) if names else f"class {value}"
    values = value if isinstance(value, list) else [value]
    return "  ".join("missing" if one is None else number(one) for one in values[:UNITS]) + (
        f"  ... ({len(values)} in all)" if len(values) > UNITS else ""
    )


def _printable(text: str) -> str:
    """Leave out what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _looked_at(data: dict[str, Any]) -> int:
    """Choose the row that is looked at: the one with the largest loss, or the first."""
    return data["loss"]["worst"] or 0


def _data(data: dict[str, Any]) -> list[str]:
    found = data["data"]
    lines = []
    if found["feature_names"]:
        names = _printable(", ".join(found["feature_names"][:12]))
        lines += _wrap(f"features: {names}{', ...' if len(found['feature_names']) > 12 else ''}")
    rows = data["model"]["rows"]
    for row in range(min(rows, ROWS)):
        weight = "" if found["weight"] is None else f"  (counts {number(found['weight'][row])} times)"
        lines += _wrap(
            f"row {row}: {row_text(found['x'][row], most=UNITS)}  ->  "
            f"{_target(found['y'][row], found['class_names'])}{weight}",
            indent="    ",
        )
    return lines + _more(rows, ROWS, "row")


def _forward(trace: Any, data: dict[str, Any]) -> list[str]:
    lines, row = [], _looked_at(data)
    if data["model"]["rows"] > 1:
        why = ", which has the largest loss" if data["loss"]["worst"] is not None else ""
        lines.append(f"of row {row}{why}:")
    stages = [(place, stage) for place, stage in enumerate(data["stages"]) if stage["steps"]]
    left_out = len(stages) - FIRST - LAST
    if left_out > 1:
        stages[FIRST:-LAST] = []
    for number_shown, (place, stage) in enumerate(stages):
        if left_out > 1 and number_shown == FIRST:
            lines.append(f"... {left_out} more columns of neurons")
        lines += _wrap(f"{stage['label']}: {stage['text']}", indent="    ")
        for unit in range(min(stage["units"], UNITS)):
            lines += _wrap(f"  neuron {unit}: {trace.neuron(place, unit, row=row)['text']}", indent="      ")
        lines += [f"  {line}" for line in _more(stage["units"], UNITS, "neuron")]
    return lines


def _loss(data: dict[str, Any]) -> list[str]:
    loss, row = data["loss"], _looked_at(data)
    lines = _wrap(f"{loss['text']}: {loss['formula']}", indent="    ")
    prediction = row_text(loss["prediction"][row], most=UNITS, computed=True)
    lines += _wrap(f"the net says {prediction}  ({loss['prediction_text']})", indent="    ")
    if loss["probabilities"] is not None:
        lines += _wrap(
            f"probabilities {row_text(loss['probabilities'][row], most=UNITS, computed=True)}", indent="    "
        )
    if data["model"]["rows"] > 1 and loss["filled_rows"]:
        lines += _wrap(f"row {row}: {loss['filled_rows'][row]}", indent="    ")
    lines += _wrap(f"loss: {loss['filled']}", indent="    ")
    clueless = loss["clueless"]
    if clueless["value"] is None:
        return lines + _wrap(f"a clueless net: {clueless['text']}", indent="    ")
    return lines + _wrap(
        f"a clueless net would score {result(clueless['value'])}: {clueless['text']}", indent="    "
    )


def _blame(trace: Any, data: dict[str, Any]) -> list[str]:
    top = data["blame"]["top"]
    lines = ["weights with the largest gradients; + means that the loss grows with the weight"]
    for entry in top[:WEIGHTS]:
        name = weight_name(entry["parameter"], entry["index"])
        chain = trace.factors(entry["parameter"], entry["index"])
        lines += _wrap(f"{name:14s} {signed(entry['grad']):>10s}   {_factors(chain)}", indent=" " * 28)
    return lines + _more(data["model"]["parameters"], min(WEIGHTS, len(top)), "parameter")


def _factors(chain: dict[str, Any]) -> str:
    """Say of what a gradient is the product."""
    if not chain["rows"]:
        return "added up by the layer's own backward"
    if len(chain["rows"]) > 1:
        most = max(chain["rows"], key=lambda row: abs(row["product"] or 0.0))
        rows = f"the sum over {len(chain['rows'])} rows"
        return f"{rows}, the largest part from row {most['row']}: {signed(most['product'])}"
    factors = chain["rows"][0]["factors"]
    writers = {"input": number}
    return "= " + " * ".join(
        f"{factor['kind']} {writers.get(factor['kind'], result)(factor['value'])}" for factor in factors
    )


def _fog(fog: dict[str, Any], *, noise: bool) -> list[str]:
    lines = [
        f"the true loss {fog['direction']}{', without dropout' if noise else ''}:",
        "",
        "      rate      loss",
    ]
    for rate, loss in _samples(fog):
        mark = f"   <- your rate: {fog['label']}" if rate == fog["rate"] else ""
        mark = mark or ("   <- the lowest" if rate == fog["best_rate"] else "")
        lines.append(f"{rate:10.3g}{result(loss):>12s}{mark}")
    return [*lines, "", *_wrap(fog["why"])]


def _samples(fog: dict[str, Any], count: int = 9) -> list[tuple[float, float | None]]:
    """Choose some rates from small to large, the user's and the best one among them."""
    pairs = list(zip(fog["rates"], fog["losses"], strict=True))
    last = len(pairs) - 1
    kept = {round(place * last / (count - 1)) for place in range(count)}
    kept |= {place for place, (rate, _) in enumerate(pairs) if rate in (fog["rate"], fog["best_rate"])}
    return [pairs[place] for place in sorted(kept)]


def _update(data: dict[str, Any]) -> list[str]:
    update, row = data["update"], _looked_at(data)
    parameters = parameters_of(data)
    lines = [*_wrap(_rule(data["optimizer"])), "", f"{'':14s} {'before':>11s}    {'after':>10s}"]
    for entry in data["blame"]["top"][:WEIGHTS]:
        parameter = parameters[entry["parameter"]][2]
        before, after = (reduce(getitem, entry["index"], parameter[when]) for when in ("before", "after"))
        frozen = "   (frozen)" if parameter["frozen"] else ""
        name = weight_name(entry["parameter"], entry["index"])
        lines.append(f"{name:14s} {_long(before):>11s} -> {_long(after):>10s}{frozen}")
    old, new = (
        row_text(update[f"prediction_{when}"][row], most=UNITS, computed=True) for when in ("before", "after")
    )
    lines += _wrap(f"prediction for row {row}: {old}  ->  {new}", indent="    ")
    return lines + _wrap(update["text"]) + _state(data["state"])


def _rule(optimizer: dict[str, Any]) -> str:
    """Say what an optimizer does."""
    kind = optimizer["name"]
    if kind == "SGD" and optimizer["settings"]["momentum"]:
        kind = "nesterov" if optimizer["settings"]["nesterov"] else "momentum"
    words = read_words("nnlite.inspect.page")
    return words.get(f"rule_{kind}", words["rule_other"])


def _state(state: list[dict[str, Any]]) -> list[str]:
    """Write what is kept and not learned, and how that of `BatchNorm` moves."""
    every = [
        (f"{entry['name']}[{place}]", entry["momentum"], before, after)
        for entry in state
        for place, (before, after) in enumerate(
            zip(_flat(entry["before"]), _flat(entry["after"]), strict=True)
        )
    ]
    lines = ["", "kept, and not learned:"] if every else []
    for name, momentum, before, after in every[:WEIGHTS]:
        how = ""
        if momentum is not None and before is not None and after is not None:
            here = before + (after - before) / momentum
            old, new = (f"({result(one)})" if one < 0 else result(one) for one in (before, here))
            how = f"   = {number(1 - momentum)}*{old} + {number(momentum)}*{new} of this batch"
            how = "   stays" if after == before else how
        lines.append(f"{name:24s} {_long(before):>11s} -> {_long(after):>10s}{how}")
    lines += _more(len(every), WEIGHTS, "number")
    if any(entry["momentum"] is not None for entry in state):
        lines += _wrap(
            "BatchNorm goes by this batch here, as in training; predict goes by the running statistics."
        )
    return lines


def _flat(values: Any) -> list[Any]:
    return [one for value in values for one in _flat(value)] if isinstance(values, list) else [values]


def _long(value: float | None) -> str:
    """Write a number with the digits in which a small step shows."""
    return "not finite" if value is None else f"{value:.8g}"


def _proof(proof: dict[str, Any]) -> list[str]:
    lines = [f"{'':14s} {'nudged':>13s} {'backpropagation':>16s}   digits that agree"]
    shown = sorted(proof["checks"], key=lambda check: -abs(check["gradient"] or 0.0))[:WEIGHTS]
    for check in shown:
        note = f"   ({check['note']})" if check["note"] else ""
        name = weight_name(check["parameter"], check["index"])
        slopes = f"{_eight(check['difference']):>13s} {_eight(check['gradient']):>16s}"
        lines.append(f"{name:14s} {slopes}   {check['digits']:.1f}{note}")
    return lines + _wrap(proof["text"])


def _eight(value: float | None) -> str:
    return "not finite" if value is None else f"{value:+.7g}"


def describe_fog(fog: dict[str, Any]) -> str:
    """Say in one sentence why a rate has its label.

    Parameters
    ----------
    fog : dict
        What `look_ahead` returns.

    Returns
    -------
    str

    Examples
    --------
    >>> fog = {"label": "good", "rate": 0.1, "loss_before": 1.0, "loss_after": 0.5, "slope": -6.0,
    ...        "best_rate": 0.2, "best_loss": 0.0, "rates": [0.01, 1.0]}
    >>> describe_fog(fog)
    'At rate 0.1 the loss falls by 0.5000, which is 50 % of what the best rate here, 0.2, would gain.'
    """
    rate, before, after = fog["rate"], fog["loss_before"], fog["loss_after"]
    best_rate, best_loss = fog["best_rate"], fog["best_loss"]
    blanks = {"rate": f"{rate:.3g}", "before": result(before), "after": result(after)}
    if not rate:
        kind = "zero"
    elif best_rate is None:
        slope = fog["slope"] or 0
        kind = "flat" if fog["slope"] == 0 else "lost" if after is None else "uphill" if slope > 0 else "none"
    else:
        blanks |= {"best_rate": f"{best_rate:.3g}", "best": result(best_loss)}
        kind = "burst" if after is None else "rises" if after > before else "falls"
    if kind in ("rises", "falls"):
        share = 100.0 * (before - after) / (before - best_loss)
        blanks["share"] = f"{share:.0f}" if share >= 10.0 else f"{share:.2g}"
        blanks["change"] = result(abs(after - before))
    words = read_words("nnlite.inspect.page")
    beyond = f" {words['why_beyond']}" if kind == "falls" and fog["label"] == OVERSHOOTS else ""
    return words[f"why_{kind}"].format(**blanks) + beyond


def describe_update(update: dict[str, Any], size: int, frozen: int = 0) -> str:
    """Say in a sentence or two what the step has changed.

    Parameters
    ----------
    update : dict
        What `StepTrace.to_dict` has under ``"update"``.
    size : int
        How many parameters there are.
    frozen : int
        How many of them training leaves as they are.

    Returns
    -------
    str

    Examples
    --------
    >>> largest = {"parameter": "0.W", "index": [0, 1], "before": 1.0, "after": 0.5}
    >>> describe_update({"loss_before": 1.0, "loss_after": 0.5, "largest": largest,
    ...                  "largest_change": 0.5, "clipped": False, "moved": 2, "noise": False}, 4, 2)
    'The loss goes from 1.000 to 0.5000. 2 of 4 parameters move (2 are frozen), most of all 0.W[0, 1], by
        0.5000.'
    """
    before, after = update["loss_before"], update["loss_after"]
    old, new = result(before), result(after)
    if before is not None and after is not None and old == new:
        old, new = f"{before:.8g}", f"{after:.8g}"
    first = f"The loss goes from {old} to {new}{', without dropout' if update['noise'] else ''}."
    if not update["moved"]:
        return f"{first} No parameter moves."
    largest = update["largest"]
    moved = (
        f"All {size:,} parameters move"
        if update["moved"] == size
        else f"{update['moved']:,} of {size:,} parameters move"
    )
    if size == 1:
        moved = "The parameter moves"
    if frozen:
        moved += f" ({frozen:,} are frozen)"
    clipped = " The gradient was clipped before the step." if update["clipped"] else ""
    return (
        f"{first} {moved}, most of all {weight_name(largest['parameter'], largest['index'])}, "
        f"by {result(update['largest_change'])}.{clipped}"
    )


def describe_proof(proof: dict[str, Any]) -> str:
    """Say in a sentence or two how well measured and computed gradients agree.

    Parameters
    ----------
    proof : dict
        What `StepTrace.to_dict` has under ``"proof"``.

    Returns
    -------
    str

    Examples
    --------
    >>> check = {"difference": 1.0, "gradient": 1.0, "digits": 9.25, "note": None}
    >>> describe_proof({"checks": [check, check], "all": True})
    'In all 2 parameters the measured slope agrees with backpropagation, in at least 9.2 digits.'
    """
    checks = proof["checks"]
    plain = [check["digits"] for check in checks if check["note"] is None]
    kinks = sum(check["note"] == KINKED for check in checks)
    small = sum(check["note"] == TOO_SMALL for check in checks)
    which = (
        f"all {len(checks):,} parameters" if proof["all"] else f"the {len(checks):,} parameters most to blame"
    )
    if kinks or small:
        which = f"{len(plain):,} of {which}"
    sentences = []
    if plain:
        lowest = math.floor(10.0 * min(plain)) / 10.0
        sentences.append(
            f"In {which} the measured slope agrees with backpropagation, in at least {lowest:.1f} digits."
        )
    if kinks:
        sentences.append(
            f"{kinks:,} {_plural(kinks, 'lies', 'lie')} on a kink, where the slopes to the left and to the "
            "right differ and any number between is right."
        )
    if small:
        sentences.append(
            f"{small:,} {_plural(small, 'is', 'are')} too small to measure: the change drowns in rounding."
        )
    return " ".join(sentences)
