"""One training step to compute by hand, on paper, and behind it the solution."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.optimizers import SGD
from nnlite.errors import ArgumentError
from nnlite.inspect.explain import explain_step
from nnlite.inspect.formulas import row_losses
from nnlite.inspect.numbers import behind, number, result, weight_name
from nnlite.inspect.page import read, read_words
from nnlite.inspect.play.contents import LOSSES
from nnlite.inspect.play.saved import model_of, unpack
from nnlite.layers import Flatten, Standardize

__all__ = ["MOST_BY_HAND", "worksheet"]

#: More weights are no exercise.
MOST_BY_HAND = 40
#: Activations whose formulas stand in ``words.json``.
ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "SiLU", "Softplus", "Tanh", "Sigmoid")
_HERE = "nnlite.inspect.play"
_WHERE = "Playground.worksheet"
#: Between neurons of a column, between columns, and beside them, in the drawing.
PITCH, ACROSS, MARGIN = 92, 210, 140


def worksheet(found: dict[str, Any]) -> str:
    """Write one step of a playground's net as a page to print.

    Parameters
    ----------
    found : dict
        What `contents` returns.

    Returns
    -------
    str
        An HTML document.

    Raises
    ------
    ArgumentError
        If the step cannot be made by hand.

    Examples
    --------
    >>> import nnlite as nn
    >>> from nnlite.inspect.play.contents import contents
    >>> X, y = nn.datasets.xor()
    >>> model = nn.Sequential([nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 1)], rng=0)
    >>> page = worksheet(contents(model, X, y[:, None], nn.MeanSquaredError(), nn.SGD(0.5)))
    >>> page.count("<h1>")  # the task, and its solution
    2
    """
    step, row = _step(found)
    words = read_words(_HERE)
    style, title = read(_HERE, "worksheet.css"), escape(words["sheet_title"])
    sheets = "".join(_Sheet(found, step, row, words, solved).html() for solved in (False, True))
    return (
        f'<!doctype html>\n<html lang="{escape(words["language"])}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n"
        f"<body>{sheets}</body></html>\n"
    )


def _step(found: dict[str, Any]) -> tuple[Any, int]:
    """Make the step that plain gradient descent makes for the row that costs most."""
    layers = [layer for layer in found["layers"] if layer["kind"] != "Dropout"]
    model = model_of(json.dumps({**found, "layers": layers, "dtype": "float64"}), where=_WHERE)
    if model.params.size > MOST_BY_HAND:
        what = f"a net of at most {MOST_BY_HAND} parameters, for a step by hand"
        fix = "Take fewer neurons; explain_step shows a step of any net."
        raise ArgumentError(_WHERE, what, f"{model.params.size:,}", fix)
    settings = dict(found["loss"])
    loss = {kind.__name__: kind for kind in LOSSES}[settings.pop("kind")](**settings)
    if settings.get("label_smoothing") or settings.get("pos_weight") is not None:
        fix = "Leave out label_smoothing and pos_weight."
        raise ArgumentError(_WHERE, "a plain loss, for a step by hand", f"{loss}", fix)
    rows = found["data"]["count"]
    x = np.asarray(unpack(found["data"]["x"]), np.float64).reshape(rows, -1)
    first = model.layers[0]
    if isinstance(first, Flatten):
        x = x.reshape(rows, *np.atleast_1d(first.shape))
    elif isinstance(first, Standardize) and not first.adapted:
        first.adapt(x)
    y = unpack(found["data"]["y"]).reshape(rows, -1)
    target: AnyArray = y if y.shape[1] == found["outputs"] else y[:, 0].astype(np.int64)
    row = int(np.argmax(row_losses(loss, model.predict(x), target) or [0.0]))
    optimizer = SGD(found["optimizer"]["learning_rate"])
    trace = explain_step(model, x[row : row + 1], target[row : row + 1], loss, optimizer)
    for stage in trace.to_dict()["stages"][1:]:
        for step in stage["steps"][1:]:
            if step["text"].partition("(")[0] not in ACTIVATIONS:
                what = f"a Dense, and behind it only {', '.join(ACTIVATIONS)}, for a step by hand"
                raise ArgumentError(_WHERE, what, step["text"], "explain_step shows a step of any layer.")
    return trace, row


class _Sheet:
    """The task, or with `solved` its solution: the same page with the blanks filled in."""

    def __init__(
        self, found: dict[str, Any], trace: Any, row: int, words: dict[str, str], solved: bool
    ) -> None:
        self.found, self.trace, self.row, self.words, self.solved = found, trace, row, words, solved
        self.data = trace.to_dict()
        self.stages = self.data["stages"]
        self.last = len(self.stages) - 1

    def html(self) -> str:
        word = self.words
        title = word["sheet_solution" if self.solved else "sheet_title"]
        rate = self.data["optimizer"]["learning_rate"]
        about = word["sheet_about"].format(row=self.row, rate=number(rate))
        name = "" if self.solved else f'<p class="who">{escape(word["sheet_name"])}</p>'
        parts = [self.given(), self.drawing(), "" if self.solved else self.formulas()]
        parts += [self.forward(), self.loss(), self.blame(), self.update()]
        return (
            f'<section class="{"solution" if self.solved else "task"}"><h1>{escape(title)}</h1>{name}'
            f"<p>{escape(about)} {escape(self.notes())}</p>{''.join(parts)}</section>"
        )

    def notes(self) -> str:
        """Say what is otherwise in the page than on paper."""
        own = self.found["optimizer"]
        plain = own["kind"] == "SGD" and not (own["momentum"] or own["weight_decay"])
        clipped = own["clip_norm"] is not None or own["clip_value"] is not None
        notes = [] if plain and not clipped else [self.words["sheet_descent"].format(optimizer=own["kind"])]
        kinds = {layer["kind"] for layer in self.found["layers"]}
        notes += [self.words[f"sheet_{kind.lower()}"] for kind in ("Standardize", "Dropout") if kind in kinds]
        return " ".join(notes)

    def name(self, stage: int, unit: int) -> str:
        """Name a neuron as the page does."""
        if not stage:
            given = self.found["feature_names"]
            return str(given[unit]) if given else f"x{unit}"
        if stage < self.last:
            return f"h{unit}" if self.last == 2 else f"h{stage}.{unit}"
        kind, names = self.found["targets"]["kind"], self.found["targets"]["names"]
        word = read_words("nnlite.inspect.page")
        if kind == "classes":
            return str(names[unit]) if names else word["class_name"].format(unit=unit)
        if kind == "numbers" and names:
            return str(names[unit])
        return f"o{unit}" if self.stages[stage]["units"] > 1 else word["output"]

    def blank(self, value: float | str | None) -> str:
        """Leave room for a number, or write it."""
        text = value if isinstance(value, str) else result(value)
        return f"<b>{escape(text)}</b>" if self.solved else '<i class="blank"></i>'

    def table(self, heads: list[str], rows: list[list[str]], kind: str) -> str:
        head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
        body = "".join(
            f'<tr><th scope="row">{cells[0]}</th>{"".join(f"<td>{cell}</td>" for cell in cells[1:])}</tr>'
            for cells in rows
        )
        return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def part(self, key: str, inside: str) -> str:
        return f"<h2>{escape(self.words[f'sheet_{key}'])}</h2>{inside}"

    def inputs(self, stage: int) -> list[float]:
        """Return what the neurons of a column have answered."""
        steps = self.stages[stage]["steps"]
        found: list[float] = steps[-1]["out"][0] if steps else self.data["data"]["x"][0]
        return found

    def given(self) -> str:
        inputs = "; ".join(
            f"{escape(self.name(0, unit))} = {number(value)}" for unit, value in enumerate(self.inputs(0))
        )
        target = self.data["data"]["y"][0]
        wanted = (
            self.name(self.last, target)
            if not isinstance(target, list)
            else ", ".join(number(one) for one in target)
        )
        return f'<p class="given">{inputs}; {escape(self.words["sheet_target"])} = {escape(wanted)}</p>'

    def drawing(self) -> str:
        """Draw the net with its weights at the lines, and its biases in the neurons."""
        tall = max(stage["units"] for stage in self.stages) * PITCH
        spots = [
            [
                (MARGIN + ACROSS * column, (tall - stage["units"] * PITCH) / 2 + (unit + 0.5) * PITCH)
                for unit in range(stage["units"])
            ]
            for column, stage in enumerate(self.stages)
        ]
        lines, labels, circles = [], [], []
        for column, stage in enumerate(self.stages):
            parameters = stage["steps"][0]["parameters"] if column else {}
            for unit, (x, y) in enumerate(spots[column]):
                circles.append(f'<circle cx="{x}" cy="{y}" r="21"/>')
                name = escape(self.name(column, unit)[:18])
                side = {0: ("end", x - 26), self.last: ("start", x + 26)}.get(column, ("middle", x))
                labels.append(f'<text x="{side[1]}" y="{y + 4}" text-anchor="{side[0]}">{name}</text>')
                if column and "b" in parameters:
                    bias = number(parameters["b"]["before"][unit])
                    labels.append(f'<text text-anchor="middle" x="{x}" y="{y + 36}">b = {bias}</text>')
                for source, (left, top) in enumerate(spots[column - 1] if column else []):
                    weight = parameters["W"]["before"][source][unit]
                    dash = ' stroke-dasharray="6 3"' if weight < 0 else ""
                    lines.append(f'<line x1="{left}" y1="{top}" x2="{x}" y2="{y}"{dash}/>')
                    at = left + 0.22 * (x - left) + 12, top + 0.22 * (y - top) + 4
                    labels.append(
                        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="middle">{number(weight)}</text>'
                    )
        wide = 2 * MARGIN + ACROSS * self.last
        return (
            f'<svg viewBox="0 0 {wide} {tall:.0f}" role="img" style="max-width:{wide}px" '
            f'aria-label="{escape(self.words["sheet_net"])}">{"".join(lines + circles + labels)}</svg>'
        )

    def formulas(self) -> str:
        found = [step["text"] for stage in self.stages[1:] for step in stage["steps"][1:]]
        texts = [self.words["sheet_formula_sum"]]
        for kind, _, settings in (text.rstrip(")").partition("(") for text in dict.fromkeys(found)):
            texts.append(self.words[f"sheet_formula_{kind}"] + (f"; {settings}" if settings else ""))
        loss = dict(self.found["loss"])
        kind = loss.pop("kind")
        own = [f", {name} = {number(loss[name])}" for name in ("delta", "q") if name in loss]
        texts.append(f"{self.words['sheet_loss_is']} {self.words[f'formula_{kind}']}{''.join(own)}")
        texts.append(self.words[f"sheet_slope_{kind}"])
        texts += [self.words[f"sheet_formula_{key}"] for key in ("blame", "gradient", "update")]
        return self.part("formulas", f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>")

    def forward(self) -> str:
        rows = []
        for stage in range(1, self.last + 1):
            for unit in range(self.stages[stage]["units"]):
                known = self.trace.neuron(stage, unit)
                terms = [f"{number(weight)}*{behind(value)}" for weight, value in known["terms"]]
                terms += [] if known["bias"] is None else [number(known["bias"])]
                rows.append(
                    [
                        escape(self.name(stage, unit)),
                        escape(" + ".join(terms).replace("+ -", "- "))
                        if self.solved
                        else '<i class="blank long"></i>',
                        self.blank(known["sum"]),
                        self.blank(known["answer"]) if known["steps"] else "=",
                    ]
                )
        heads = [self.words[key] for key in ("sheet_neuron", "sheet_terms", "sheet_sum", "sheet_answer")]
        return self.part("forward", self.table(heads, rows, "forward"))

    def loss(self) -> str:
        found = self.data["loss"]
        chances = ""
        if found["probabilities"]:
            chances = "; ".join(
                f"p({escape(self.name(self.last, unit))}) = {self.blank(value)}"
                for unit, value in enumerate(found["probabilities"][0])
            )
            chances = f"<p>{chances}</p>"
        return self.part(
            "loss", f"{chances}<p>{escape(self.words['sheet_loss_is'])} {self.blank(found['filled'])}</p>"
        )

    def blame(self) -> str:
        rows = []
        for stage in range(self.last, 0, -1):
            first, *rest = self.stages[stage]["steps"]
            for unit in range(self.stages[stage]["units"]):
                after = (rest[-1] if rest else first)["blame"][0][unit]
                slope = float(np.prod([step["slope"][0][unit] for step in rest])) if rest else None
                rows.append(
                    [
                        escape(self.name(stage, unit)),
                        self.blank(after),
                        self.blank(slope) if rest else "1",
                        self.blank(first["blame"][0][unit]),
                    ]
                )
        heads = ["sheet_neuron", "sheet_blame_answer", "sheet_slope", "sheet_blame_sum"]
        return self.part("blame", self.table([self.words[key] for key in heads], rows, "blame"))

    def update(self) -> str:
        rows = []
        for stage in range(1, self.last + 1):
            for key, parameter in self.stages[stage]["steps"][0]["parameters"].items():
                if parameter["frozen"]:
                    continue
                for index in np.ndindex(*parameter["shape"]):
                    old, grad, new = (
                        float(np.asarray(parameter[when])[index]) for when in ("before", "grad", "after")
                    )
                    target = self.name(stage, index[-1])
                    source = self.name(stage - 1, index[0]) if key == "W" else self.words["sheet_bias"]
                    rows.append(
                        [
                            f"{escape(source)} → {escape(target)} "
                            f"<small>{escape(weight_name(parameter['name'], index))}</small>",
                            number(old),
                            self.blank(grad),
                            self.blank(new),
                        ]
                    )
        heads = [self.words[key] for key in ("sheet_weight", "sheet_old", "sheet_gradient", "sheet_new")]
        after = self.blank(self.data["update"]["loss_after"])
        end = f"<p>{escape(self.words['sheet_after'])} {after}</p>"
        return self.part("update", self.table(heads, rows, "update") + end)
