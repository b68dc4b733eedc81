"""StepTrace: one training step with every number of it, to print, to look at, and to compute with."""

from __future__ import annotations

import copy
import itertools
import math
from functools import reduce
from operator import getitem
from os import PathLike
from typing import TYPE_CHECKING, Any

from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_integer
from nnlite.inspect.numbers import behind, number, parameters_of, result, spoken
from nnlite.model import Sequential

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["StepTrace"]

#: Products of a weighted sum, or rows of a gradient, that are written out.
WRITTEN = 8


class StepTrace:
    """One training step with every number of it, as `explain_step` returns it.

    ``print(trace)`` shows it as text, and a notebook as a page with a drawing to click on.

    Parameters
    ----------
    data : dict
        What `to_dict` returns.
    trained : Sequential
        The model after the step.
    optimizer : Optimizer
        The optimizer after the step, which belongs to `trained`.

    Attributes
    ----------
    trained : Sequential
        A copy of the model, as the step has left it.
    optimizer : Optimizer
        A copy of the optimizer, likewise. ``explain_step(trace.trained, x, y, loss,
        trace.optimizer)`` is the next step.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> model[0].W[...] = 2.0
    >>> trace = nn.inspect.explain_step(model, [[3.0]], [[5.0]], nn.MeanSquaredError(), nn.SGD(0.01))
    >>> trace.to_dict()["loss"]["filled"]
    '(6 - 5)² = 1.000'
    >>> print(trace.factors("0.W", (0, 0))["text"])
    3 * 2.000 = 6.000
    >>> trace.trained[0].W  # 2 - 0.01 * 6
    array([[1.94]], dtype=float32)
    """

    def __init__(self, data: dict[str, Any], trained: Sequential, optimizer: Optimizer) -> None:
        self._data = data
        self.trained = trained
        self.optimizer = optimizer

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as plain data, ready for JSON.

        Returns
        -------
        dict
            Of numbers, texts and lists. What is not finite is None.

        Examples
        --------
        >>> import json, nnlite as nn
        >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        >>> trace = nn.inspect.explain_step(model, [[3.0]], [[5.0]], nn.MeanSquaredError(), nn.SGD(0.01))
        >>> sorted(json.loads(json.dumps(trace.to_dict())))[:4]
        ['beats', 'blame', 'data', 'fog']
        """
        return copy.deepcopy(self._data)

    def neuron(self, stage: int, unit: int, *, row: int = 0) -> dict[str, Any]:
        """Take apart how a neuron comes to its answer.

        Parameters
        ----------
        stage : int
            Which column of neurons, from 0 for the input.
        unit : int
            Which neuron of it, from 0.
        row : int
            Which row of the batch, from 0.

        Returns
        -------
        dict
            ``"terms"``, a list of [weight, input]; ``"bias"`` and ``"sum"``, or None where no `Dense`
            adds up; ``"steps"``, a list of [layer, its answer] for the layers behind the sum; ``"answer"``;
            and ``"text"``, all of that in one line.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If there is no such neuron or row.

        Examples
        --------
        >>> import nnlite as nn
        >>> model = nn.Sequential([nn.Dense(2, 1), nn.Sigmoid()], rng=0)
        >>> model[0].W[...], model[0].b[...] = [[0.15], [0.20]], 0.35
        >>> trace = nn.inspect.explain_step(
        ...     model, [[0.05, 0.10]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.5)
        ... )
        >>> trace.neuron(1, 0)["text"]
        '0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid -> 0.5933'
        """
        stages = self._data["stages"]
        column = stages[_place("StepTrace.neuron(stage)", stage, len(stages), "column")]
        unit = _place("StepTrace.neuron(unit)", unit, column["units"], "neuron")
        row = _place("StepTrace.neuron(row=)", row, self._data["model"]["rows"], "row")
        terms: list[list[Any]] = []
        bias = total = None
        steps = list(column["steps"])
        if steps and steps[0]["kind"] == "dense":
            dense = steps.pop(0)
            weights = dense["parameters"]["W"]["before"]
            terms = [
                [line[unit], value]
                for line, value in zip(weights, self._input(column["from"], row), strict=True)
            ]
            bias = dense["parameters"]["b"]["before"][unit] if "b" in dense["parameters"] else None
            total = dense["out"][row][unit]
        # Of a layer that changes the number of neurons there is no answer of just this one.
        answers = [
            [_called(step, row, unit), step["out"][row][unit]]
            for step in steps
            if len(step["out"][row]) == column["units"]
        ]
        given = self._data["data"]["x"][row]
        start = total if column["from"] is not None or len(given) != column["units"] else given[unit]
        found = {
            "terms": terms,
            "bias": bias,
            "sum": total,
            "steps": answers,
            "answer": answers[-1][1] if answers else start,
        }
        return {**found, "text": _sum_text(found, start)}

    def factors(self, name: str, index: tuple[int, ...] | list[int]) -> dict[str, Any]:
        """Take apart how a weight comes to its gradient: the chain of factors, row by row.

        Parameters
        ----------
        name : str
            Of the parameter, such as ``"0.W"``.
        index : sequence of int
            Which number of it: for a weight the neuron it comes from and the one it goes to, for a
            bias its neuron.

        Returns
        -------
        dict
            ``"parameter"``, ``"index"``, ``"gradient"``, and ``"rows"``: for each row of the batch a
            list of ``"factors"``, each with its ``"kind"`` (input, slope or blame), ``"text"`` and
            ``"value"``, and their ``"product"``. The products add up to the gradient. A factor of kind
            blame has ``"terms"`` where it is itself a sum, over the neurons behind, of weight times
            blame. ``"text"`` says it in one line. Of a layer other than `Dense` there are no rows.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If there is no such parameter.

        Examples
        --------
        >>> import nnlite as nn
        >>> model = nn.Sequential([nn.Dense(1, 1), nn.Sigmoid()], rng=0)
        >>> model[0].W[...] = 0.0
        >>> trace = nn.inspect.explain_step(model, [[3.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.5))
        >>> chain = trace.factors("0.W", (0, 0))["rows"][0]
        >>> [(factor["kind"], factor["value"]) for factor in chain["factors"]]
        [('input', 3.0), ('slope', 0.25), ('blame', -1.0)]
        """
        stage, at, parameter = self._find("StepTrace.factors(name)", name)
        index = _index("StepTrace.factors(index)", index, parameter["shape"])
        gradient = reduce(getitem, index, parameter["grad"])
        column = self._data["stages"][stage]
        found: dict[str, Any] = {"parameter": name, "index": list(index), "gradient": gradient, "rows": []}
        if column["steps"][at]["kind"] == "dense":
            found["rows"] = [self._chain(stage, index, row) for row in range(self._data["model"]["rows"])]
        return {**found, "text": _chain_text(found)}

    def _chain(self, stage: int, index: tuple[int, ...], row: int) -> dict[str, Any]:
        """Return the factors of a weight of the Dense that opens a column, for one row."""
        column, unit = self._data["stages"][stage], index[-1]
        factors: list[dict[str, Any]] = []
        if len(index) == 2:
            value = self._input(column["from"], row)[index[0]]
            factors.append({"kind": "input", "text": f"what comes in from neuron {index[0]}", "value": value})
        steps = column["steps"]
        # Slope upon slope, as far as the layers treat every number alone.
        last = 0
        for before, step in itertools.pairwise(steps):
            if step["slope"] is None or "ways" in before:  # blame comes to it from elsewhere too
                break
            factors.append(
                {"kind": "slope", "text": f"slope of {step['text']}", "value": step["slope"][row][unit]}
            )
            last += 1
        blame = steps[last]["blame"][row][unit]
        factor: dict[str, Any] = {
            "kind": "blame",
            "text": f"blame of what {steps[last]['text']} answers",
            "value": blame,
        }
        if last == len(steps) - 1:
            factor |= self._behind(stage, unit, row)
        factors.append(factor)
        values = [each["value"] for each in factors]
        return {"row": row, "factors": factors, "product": _product(values)}

    def _behind(self, stage: int, unit: int, row: int) -> dict[str, Any]:
        """Say where the blame of a column's last answer comes from."""
        stages = self._data["stages"]
        if stage == len(stages) - 1:
            return {"text": "slope of the loss by this answer"}
        first = stages[stage + 1]["steps"][0]
        if first["kind"] != "dense":
            return {}
        weights = first["parameters"]["W"]["before"][unit]
        terms = [[weight, blame] for weight, blame in zip(weights, first["blame"][row], strict=True)]
        added = [stages[there]["steps"][at] for there, at in stages[stage]["steps"][-1].get("ways", ())]
        return {
            "text": "blame of the neurons behind, each times the weight to it"
            + "".join(f", and of what {step['place']} {step['text']} answers" for step in added),
            "terms": [*terms, *([1.0, step["blame"][row][unit]] for step in added)],
        }

    def _input(self, stage: int, row: int) -> list[float]:
        """Return what a column of neurons answered for a row, which is what the next one gets."""
        steps = self._data["stages"][stage]["steps"]
        values: list[float] = (steps[-1]["out"] if steps else self._data["data"]["x"])[row]
        return values

    def _find(self, where: str, name: str) -> tuple[int, int, dict[str, Any]]:
        known = parameters_of(self._data)
        if not isinstance(name, str) or name not in known:
            fix = "Use a name from that list."
            raise ArgumentError(where, f"one of {', '.join(known)}", f"{name!r}", fix)
        return known[name]

    # The faces.

    def to_html(self, path: str | PathLike[str] | None = None, *, title: str | None = None) -> str:
        """Make one HTML page of it, which needs no network.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write it; an old file is replaced once the new one is complete.
        title : str, optional
            The heading.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ArgumentTypeError
            If the path is none, or the title no text.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import nnlite as nn
        >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        >>> trace = nn.inspect.explain_step(model, [[3.0]], [[5.0]], nn.MeanSquaredError(), nn.SGD(0.01))
        >>> trace.to_html()[:15].lower()
        '<!doctype html>'
        """
        from nnlite.inspect.page import render, written

        if title is not None and not isinstance(title, str):
            raise ArgumentTypeError("StepTrace.to_html(title=)", "a text", f"{title!r}", "Give a str.")
        return written("StepTrace.to_html(path)", path, lambda: render(self, title=title))

    def plot(self, ax: Axes | None = None, *, row: int = 0) -> Axes:
        """Draw the net with the numbers of the step.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.
        row : int
            The row of the batch whose answers are drawn.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ArgumentTypeError, ArgumentError
            If there is no such row, or `ax` is no Axes.
        """
        from nnlite.inspect.trace_figure import draw

        row = _place("StepTrace.plot(row=)", row, self._data["model"]["rows"], "row")
        return draw(self._data, row, ax)

    def _repr_html_(self) -> str:
        from nnlite.inspect.page import fragment

        return fragment(self)

    def __str__(self) -> str:
        from nnlite.inspect.words import tell

        return tell(self)

    def __repr__(self) -> str:
        loss, after = self._data["loss"]["value"], self._data["update"]["loss_after"]
        return (
            f"<StepTrace: {self._data['optimizer']['text']}, loss {result(loss)} -> {result(after)}; "
            "print it, or call to_html, plot or to_dict>"
        )


def _place(where: str, value: Any, count: int, what: str) -> int:
    found = check_integer(where, value)
    if found >= count:
        raise ArgumentError(where, f"a {what} from 0 to {count - 1}", f"{found}", "They count from 0.")
    return found


def _index(where: str, index: Any, shape: list[int]) -> tuple[int, ...]:
    fix = f"Give {len(shape)} numbers, such as {tuple([0] * len(shape))}."
    if not isinstance(index, tuple | list):
        raise ArgumentTypeError(where, f"an index into shape {tuple(shape)}", f"{index!r}", fix)
    if len(index) != len(shape):
        raise ArgumentError(where, f"an index into shape {tuple(shape)}", f"{index!r}", fix)
    return tuple(_place(where, part, size, "place") for part, size in zip(index, shape, strict=True))


def _called(step: dict[str, Any], row: int, unit: int) -> str:
    """Name what a step does to a neuron."""
    return f"+ {behind(step['came'][row][unit])} that came in" if "came" in step else step["text"]


def _product(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.prod(known) if len(known) == len(values) else None


def _sum_text(found: dict[str, Any], start: float | None) -> str:
    """Write a neuron in one line."""
    steps = "".join(f", {spoken(text)} -> {result(value)}" for text, value in found["steps"])
    if not found["terms"]:
        return f"{number(start)}{steps}" if start is not None else steps.removeprefix(", ")
    terms = found["terms"]
    if len(terms) > WRITTEN:  # the largest first, and then what the others come to
        terms = sorted(terms, key=lambda term: -abs(math.prod(part or 0.0 for part in term)))
    parts = [f"{number(weight)}*{behind(value)}" for weight, value in terms[:WRITTEN]]
    if len(terms) > WRITTEN:
        rest = math.fsum(math.prod(part or 0.0 for part in term) for term in terms[WRITTEN:])
        parts.append(f"{result(rest)} (the other {len(terms) - WRITTEN})")
    if found["bias"] is not None:
        parts.append(number(found["bias"]))
    return f"{' + '.join(parts).replace('+ -', '- ')} = {result(found['sum'])}{steps}"


def _factor_text(factor: dict[str, Any]) -> str:
    value = factor["value"]
    return number(value) if factor["kind"] == "input" else result(value)


def _chain_text(found: dict[str, Any]) -> str:
    """Write the chain of a weight in one line."""
    rows = found["rows"]
    if not rows:
        return f"{result(found['gradient'])}, added up by the layer's own backward"
    products = [" * ".join(_factor_text(factor) for factor in row["factors"]) for row in rows[:WRITTEN]]
    if len(rows) == 1:
        return f"{products[0]} = {result(found['gradient'])}"
    parts = " + ".join(products[:2]) + (" + ..." if len(rows) > 2 else "")
    parts = parts.replace("+ -", "- ")
    return f"{parts} = {result(found['gradient'])}" + (f" ({len(rows)} rows)" if len(rows) > 2 else "")
