"""What of a training step goes into its page: no more rows and neurons than it shows, in few characters."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

__all__ = ["COLUMN", "ROWS", "payload", "to_json"]

#: How many rows of a batch can be looked at one by one: the one with the largest loss, and the first others.
#: Of the rest the page holds, for each weight, what they add to its gradient.
ROWS = 8
#: How many neurons of a column are drawn.
COLUMN = 12
#: How many of the most blamed weights of a large net can be taken apart, drawn or not.
TAKEN_APART = 12
#: How many numbers of a layer inside of another are listed.
INSIDE = 8
#: Of so many neurons all are in the sums of those that hear them, drawn or not.
WHOLE = 128
#: The numbers of each weight.
NUMBERS = ("before", "grad", "after", "clipped")
#: What is said of each check, in this order.
CHECK = (
    "parameter", "index", "value", "loss_minus", "loss_plus", "difference", "gradient", "digits", "note",
)  # fmt: skip
#: The parts of a trace that hold numbers of the model, and so perhaps of float32.
PARTS = ("data", "stages", "blame", "update", "state")

Data = dict[str, Any]


def payload(trace: Data) -> Data:
    """Cut a trace down to what its page shows.

    Parameters
    ----------
    trace : dict
        What ``StepTrace.to_dict()`` answers.

    Returns
    -------
    dict
        The trace with `ROWS` of its rows, and of a large net with those neurons only that are drawn or
        most to blame. In ``"data"``, ``"rows"`` says which rows these are. In each stage ``"width"`` is how
        many neurons it has, ``"units"`` which of them are there, and ``"drawn"`` the places in that list
        that are drawn. Of a `Dense` that hears more neurons, but at most `WHOLE`, ``"hears"`` has what they
        say and its weights for all of them. ``"rest"`` says for each stage what
        the rows left out add to its gradients. ``"single"`` names the parts whose numbers are all float32,
        for which the short text of a float32 says everything.

    Notes
    -----
    What makes such a page without Python may leave out: of ``"data"`` ``"rows"`` (then they are the first
    ones) and ``"class_names"``; of ``"loss"`` ``"worst"``, the row that is looked at first; of
    ``"optimizer"`` ``"settings"``, its numbers by name, and of parameters ``"kept"``, by slot what the
    optimizer keeps before and after the step, and ``"clipped"``, the gradient where it was clipped (then the
    arithmetic of the update is not shown); of a `Standardize` at the front ``"mean"`` and ``"scale"``; of
    a layer that holds others ``"holds"``, a list with ``"place"``, ``"text"``, ``"out"`` and ``"blame"`` of
    each; of ``"fog"`` ``"why"``, which the page says itself, and ``"over"``.
    """
    drawn = [_drawn(trace, stage) for stage in range(len(trace["stages"]))]
    units = [_units(trace, stage, drawn[stage]) for stage in range(len(drawn))]
    rows = [np.ravel(row).tolist() for row in trace["data"]["x"]]
    here = _rows(trace)
    whole = trace["stages"][0]["units"] == len(rows[0])
    columns = units[0] if whole else list(range(len(rows[0])))[: COLUMN if trace["large"] else None]
    loss, update, proof = trace["loss"], trace["update"], trace["proof"]
    page: Data = {
        **trace,
        "data": {
            **trace["data"],
            "rows": here,
            "x": _part(_some(rows, here), columns),
            "width": len(rows[0]),
            "columns": columns,
            "y": _some(trace["data"]["y"], here),
            "weight": _some(trace["data"]["weight"], here),
        },
        "stages": [_stage(trace, index, units, drawn[index], here) for index in range(len(units))],
        "rest": [_rest(trace, index, units, here) for index in range(len(units))],
        "loss": {
            **{name: loss[name] for name in loss if name != "blame"},  # the last step of all has it
            **{
                name: _some(loss[name], here)
                for name in ("rows", "filled_rows", "prediction", "probabilities")
            },
        },
        "update": {
            **update,
            **{name: _some(update[name], here) for name in ("prediction_before", "prediction_after")},
        },
        "proof": {**proof, "checks": [[check.get(name) for name in CHECK] for check in proof["checks"]]},
        "histograms": trace["histograms"] if trace["large"] else [],
        "state": [
            {**kept, **{when: np.ravel(kept[when])[:COLUMN].tolist() for when in ("before", "after")}}
            for kept in trace["state"]
        ],
    }
    page["single"] = [name for name in PARTS if _is_single(page[name])]
    return page


def to_json(value: Any) -> str:
    r"""Write plain data as JSON that may stand inside a ``<script>``, short and exact.

    What is not finite becomes one of the texts ``"#NaN"``, ``"#Infinity"`` and ``"#-Infinity"``, since JSON
    has no number for it. Numbers of the parts that `payload` names as single are written as float32.

    Parameters
    ----------
    value : dict
        What `payload` answers.

    Returns
    -------
    str
        The JSON.

    Examples
    --------
    >>> from nnlite.inspect.page.payload import to_json
    >>> print(to_json({"name": "</script>", "loss": [1.0, 0.1, float("inf")]}))
    {"name":"\u003c/script\u003e","loss":[1,0.1,"#Infinity"]}
    """
    single = value.get("single", ())
    return (
        "{" + ",".join(f"{_word(name)}:{_json(part, name in single)}" for name, part in value.items()) + "}"
    )


def _json(value: Any, single: bool) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_word(name)}:{_json(part, single)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_json(part, single) for part in value) + "]"
    if isinstance(value, float):
        return _number(value, single)
    return _word(value)


def _number(value: float, single: bool) -> str:
    if not math.isfinite(value):
        return '"#NaN"' if math.isnan(value) else f'"#{"-" if value < 0 else ""}Infinity"'
    text = str(np.float32(value)) if single else repr(value)
    return text.removesuffix(".0") if value else "0"


def _word(value: Any) -> str:
    """Write a text, a whole number, a truth value or nothing, without the signs of HTML."""
    text = json.dumps(value)  # ASCII only, so that no line separator is left either
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("'", "\\u0027")
    )


def _is_single(part: Any) -> bool:
    """Tell whether every number is one of float32."""
    if isinstance(part, dict):
        return all(map(_is_single, part.values()))
    if isinstance(part, list | tuple):
        return all(map(_is_single, part))
    if not isinstance(part, float) or not math.isfinite(part):
        return True
    return bool(abs(part) <= np.finfo(np.float32).max and float(np.float32(part)) == part)


def _rows(trace: Data) -> list[int]:
    """Choose the rows that are in the page."""
    worst = trace["loss"]["worst"]
    first = [row for row in range(trace["model"]["rows"]) if row != worst]
    return sorted([*([] if worst is None else [worst]), *first][:ROWS])


def _some(values: Any, rows: list[int]) -> Any:
    """Take some rows; of texts that are not there for all rows there are none."""
    return [values[row] for row in rows] if values else values


def _part(rows: Any, columns: list[int]) -> Any:
    """Take some columns of each row."""
    return None if rows is None else [[row[column] for column in columns] for row in rows]


def _blamed(trace: Data, stage: int) -> list[int]:
    """Name the neurons of a stage that the most blamed weights touch, the most blamed first."""
    names = _names(trace)
    found: dict[int, None] = {}
    for entry in trace["blame"]["top"][:TAKEN_APART]:
        where, source = names.get(entry["parameter"], (None, None))
        if where == stage:
            found[entry["index"][-1]] = None
        if source == stage and len(entry["index"]) == 2:
            found[entry["index"][0]] = None
    return list(found)


def _names(trace: Data) -> dict[str, tuple[int, int | None]]:
    """Say of each parameter of a Dense to which stage it leads and from which it comes."""
    return {
        parameter["name"]: (index, stage["from"])
        for index, stage in enumerate(trace["stages"])
        for step in stage["steps"]
        if step["kind"] == "dense"
        for parameter in step["parameters"].values()
    }


def _drawn(trace: Data, stage: int) -> list[int]:
    """Choose the neurons of a stage that are drawn: all, or the most blamed and then the first."""
    everyone = range(trace["stages"][stage]["units"])
    if len(everyone) <= COLUMN:
        return list(everyone)
    chosen = dict.fromkeys([*_blamed(trace, stage), *everyone])
    return sorted(list(chosen)[:COLUMN])


def _units(trace: Data, stage: int, drawn: list[int]) -> list[int]:
    """Choose the neurons of a stage whose numbers are in the page."""
    if not trace["large"]:
        return list(range(trace["stages"][stage]["units"]))
    return sorted({*drawn, *_blamed(trace, stage)})


def _stage(trace: Data, index: int, units: list[list[int]], drawn: list[int], rows: list[int]) -> Data:
    """Cut a stage down to some rows and to the neurons that are in the page."""
    stage, own = trace["stages"][index], units[index]
    source = None if stage["from"] is None else units[stage["from"]]
    steps = []
    for step in stage["steps"]:
        # A layer may have answered with more than two axes: then its numbers are not those of neurons.
        flat = len(np.shape(step["out"])) == 2 and len(step["out"][0]) == stage["units"]
        numbers = {
            name: _part(_some(step[name], rows), own) if flat and step[name] is not None else None
            for name in ("out", "blame", "slope", "came")
            if name in step
        }
        dense = step["kind"] == "dense" and source is not None
        parameters = {
            name: _parameter(parameter, own, source)
            for name, parameter in step["parameters"].items()
            if dense and source is not None
        }
        if parameters and source and len(source) < trace["stages"][stage["from"]]["units"] <= WHOLE:
            numbers["hears"] = {
                "W": _part(step["parameters"]["W"]["before"], own),
                "x": _some(_answers(trace, stage["from"]), rows),
            }
        if "holds" in step:
            numbers["holds"] = [_held(inner, rows) for inner in step["holds"]]
        if "mean" in step:
            numbers |= {name: [step[name][unit] for unit in own] for name in ("mean", "scale")}
        steps.append({**step, **numbers, "parameters": parameters})
    places = {unit: place for place, unit in enumerate(own)}
    return {
        **stage,
        "units": own,
        "width": stage["units"],
        "drawn": [places[unit] for unit in drawn],
        "steps": steps,
    }


def _answers(trace: Data, stage: int) -> Any:
    """Return what the neurons of a stage say, row by row."""
    steps = trace["stages"][stage]["steps"]
    return steps[-1]["out"] if steps else [np.ravel(row).tolist() for row in trace["data"]["x"]]


def _held(inner: Data, rows: list[int]) -> Data:
    """Cut what a layer inside of another says down to some rows, and of each to the first numbers."""
    numbers = {name: _some(inner[name], rows) for name in ("out", "blame")}
    width = len(inner["out"][0]) if inner["out"] else 0
    first = {name: values and [row[:INSIDE] for row in values] for name, values in numbers.items()}
    return {**inner, **first, "width": width}


def _parameter(parameter: Data, own: list[int], source: list[int]) -> Data:
    """Cut a parameter of a Dense down to the neurons that are in the page."""

    def cut(values: Any) -> Any:
        if len(parameter["shape"]) == 2:
            return _part([values[unit] for unit in source], own)
        return [values[unit] for unit in own]

    numbers = {name: cut(parameter[name]) for name in NUMBERS if name in parameter}
    kept = {slot: [cut(values) for values in both] for slot, both in parameter["kept"].items()}
    return {**parameter, **numbers, "kept": kept}


def _rest(trace: Data, index: int, units: list[list[int]], here: list[int]) -> Data | None:
    """Add up what the rows that are left out give to the gradients of a stage's Dense."""
    stage = trace["stages"][index]
    if trace["model"]["rows"] <= ROWS or stage["from"] is None or stage["steps"][0]["kind"] != "dense":
        return None
    given, blame = (
        np.delete(np.asarray(values, dtype=np.float64), here, axis=0)[:, columns]
        for values, columns in (
            (_answers(trace, stage["from"]), units[stage["from"]]),
            (stage["steps"][0]["blame"], units[index]),
        )
    )
    return {"W": (given.T @ blame).tolist(), "b": blame.sum(axis=0).tolist()}
