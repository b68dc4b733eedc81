"""A run card: as text, as tables in a notebook, as plain data, and as a model card in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

from nnlite.errors import ArgumentTypeError, ModelFileError
from nnlite.errors.checks import check_instance
from nnlite.files.models import read_card
from nnlite.files.safetensors import check_path, write_atomically
from nnlite.inspect.numbers import number, plain
from nnlite.inspect.run_card.measured import LEVEL, NET, RESAMPLES

__all__ = ["Card"]

#: So many entries of a list, and characters of a checksum, are shown.
SHOWN, DIGITS = 12, 16
#: Settings that go without saying.
USUAL = {"shuffle": True, "accumulate": 1, "processes": 1}
#: What the hub calls a task, by the number of axes of a sample and what is predicted.
TASKS = {
    (1, "classes"): "tabular-classification",
    (1, "numbers"): "tabular-regression",
    (3, "classes"): "image-classification",
}

#: A title, the names of columns (none for pairs of a name and what there is to say), and rows of cells.
Section = tuple[str, list[str], list[list[str]]]


class Card:
    """What was trained on what, and how good it is; `nnlite.inspect.card` makes it.

    It can be printed, and shows as tables in notebooks.

    Parameters
    ----------
    data : dict
        What `to_dict` returns.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.iris()
    >>> X, X_new, y, y_new = nn.train_test_split(X, y, stratify=True, rng=0)
    >>> model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 3)], rng=0)
    >>> loss, optimizer = nn.SoftmaxCrossEntropy(), nn.Adam(0.01)
    >>> history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=40)
    >>> found = nn.inspect.card(
    ...     model, X, y, loss, optimizer, validation=(X_new, y_new), history=history, seeds=0
    ... )
    >>> list(found.to_dict()["scores"]["validation"])
    ['net', 'linear model', 'constant answer']
    >>> print(found.to_markdown("iris").splitlines()[1])
    library_name: "nnlite"
    """

    def __init__(self, data: dict[str, Any]) -> None:
        if not isinstance(data, dict):
            fix = "Write nnlite.inspect.card(model, X, y, loss, optimizer), which makes one."
            raise ArgumentTypeError("Card(data)", "a dict", type(data).__name__, fix)
        self._data = plain(data)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Card:
        """Read the card that ``model.save(path, card=card)`` has put into a file.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        Card

        Raises
        ------
        ArgumentTypeError
            If `path` is no path.
        ModelFileError
            If the file is damaged, or has no card.
        OSError
            If it cannot be read.
        """
        name, data = read_card(path)
        card = cls(data)
        try:
            str(card), card._repr_html_(), card.to_markdown("net")
        except Exception as error:  # whatever a file may hold in its place
            said = f"{type(error).__name__}: {error}"[:200]
            fix = "The file is damaged, or was made by something else."
            raise ModelFileError(name, "a run card", f"one that cannot be shown, {said}", fix) from None
        return card

    @property
    def verdict(self) -> tuple[str, ...]:
        """What the numbers come to, in sentences."""
        return tuple(self._data["verdict"])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which ``json.dumps`` takes; None stands for what is not finite.

        Returns
        -------
        dict
            ``verdict``, ``model``, ``data``, ``training``, ``scores``, ``differences``, ``spread``,
            ``left_out`` and ``environment``; docs/card.md says what is in them.
        """
        copied: dict[str, Any] = plain(self._data)
        return copied

    def to_json(self) -> str:
        """Return everything as JSON text.

        Returns
        -------
        str
        """
        return json.dumps(self._data, allow_nan=False)

    def to_html(self, path: str | PathLike[str] | None = None) -> str:
        """Make one HTML page of it, which needs no network.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write it; an old file is replaced once the new one is complete.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ArgumentTypeError
            If the path is none.
        OSError
            If the file cannot be written.
        """
        style = "body{font-family:sans-serif}caption{text-align:left;font-weight:bold;padding-top:1em}"
        style += "th,td{padding:.1em .6em}td,thead th{text-align:right}td:first-child{text-align:left}"
        head = f"<meta charset='utf-8'><title>run card</title><style>{style}</style>"
        page = (
            f"<!doctype html>\n<html lang='en'><head>{head}</head><body>{self._repr_html_()}</body></html>\n"
        )
        if path is not None:
            where = "Card.to_html(path)"
            write_atomically(check_path(where, path), page.encode("utf-8"), where=where)
        return page

    def to_markdown(
        self,
        name: str,
        *,
        dataset: str = "",
        license: str = "",  # noqa: A002
        tags: Sequence[str] = (),
        description: str = "",
        file: str = "model.safetensors",
    ) -> str:
        """Write a model card, as the Hugging Face hub and skops read it: the README.md of a model.

        Parameters
        ----------
        name : str
            What the model is called.
        dataset : str
            What the data are called; by default as the model.
        license : str
            An identifier such as ``"apache-2.0"``.
        tags : sequence of str
            More of them.
        description : str
            What it is for and what it is not for, in Markdown: what nobody can compute.
        file : str
            The name of the model file beside it.

        Returns
        -------
        str
            Markdown, with metadata in YAML at its top.

        Raises
        ------
        ArgumentTypeError
            If one of them is no text, or `tags` no list.

        References
        ----------
        M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
        """
        texts = {
            "name": name,
            "dataset": dataset,
            "license": license,
            "description": description,
            "file": file,
        }
        for key, value in texts.items():
            check_instance(f"Card.to_markdown({key})", value, str, "a text", fix='Write "...".')
        check_instance("Card.to_markdown(tags=)", tags, list | tuple, "a list of texts", fix='Write ["..."].')
        data = self._data
        task = TASKS.get((len(data["model"]["input_shape"]), data["model"]["predicts"]))
        where = data["judged"]
        scores = {key: value for key, value in data["scores"][where][NET].items() if value is not None}
        measured = [
            {"type": key, "value": value, "name": f"{key} of {where} rows"} for key, value in scores.items()
        ]
        about = {"type": "tabular", "name": dataset or name, "split": where}
        results = [{"task": {"type": task or "other"}, "dataset": about, "metrics": measured}]
        metadata = {
            "library_name": "nnlite",
            "license": license,
            "pipeline_tag": task,
            "tags": list(dict.fromkeys(["nnlite", "numpy", *([task] if task else []), *tags])),
            "model_file": file,
            "metrics": [key for key in scores if key != "loss"],
            "model-index": [{"name": name, "results": results}] if scores else [],
        }
        lines = [
            "---",
            *_yaml({key: value for key, value in metadata.items() if value}),
            "---",
            "",
            f"# {_escaped(name)}",
            "",
        ]
        lines += [description, ""] if description else []
        lines += [*(f"- {_escaped(sentence)}" for sentence in self.verdict), ""]
        code = ["import nnlite as nn", "", f"model = nn.load({file!r})", "pred = model.predict(X)"]
        code += self._probabilities()
        lines += ["## How to use it", "", "```python", *code, "```", ""]
        for title, head, rows in self._sections():
            head = head or ["", "value"]  # skops reads no table whose head is empty
            table = [head, ["---"] * len(head), *rows]
            lines += [f"## {title[0].upper()}{_escaped(title[1:])}", ""]
            lines += [f"| {' | '.join(map(_escaped, row))} |" for row in table] + [""]
        return "\n".join(lines)

    # How it is shown.

    def _sections(self) -> list[Section]:
        data = self._data
        about = [row for part in data["data"] for row in self._about(part)]
        sections: list[Section] = [("What was trained", [], _pairs(data["model"]) + about)]
        sections.append(("How", [], _pairs(data["training"])))
        for part, found in data["scores"].items():
            names = list(found[NET])
            rows = [_numbers(who, own.values()) for who, own in found.items()]
            if part == data["judged"] and data["spread"]:
                rows[1:1] = self._spread(names)
            sections.append((f"On {data['data'][part]['rows']:,} {part} rows", ["", *names], rows))
        gaps = [
            [f"{NET} less {who}", *_numbers(name, gap.values())]
            for who, found in data["differences"].items()
            for name, gap in found.items()
        ]
        how = f"with {LEVEL:.0%} intervals (paired bootstrap over rows, {RESAMPLES:,} samples)"
        sections.append((f"Differences, {how}", ["", "", "difference", "from", "to"], gaps))
        sections.append(("Left out", [], _pairs(data["left_out"])))
        sections.append(("Made with", [], _pairs(data["environment"])))
        return [section for section in sections if section[2]]

    def _probabilities(self) -> list[str]:
        """Write how logits become probabilities, where the net gives logits."""
        classes = self._data["data"][self._data["judged"]]["classes"]
        of = "one column for each class, in the order below"
        if self._data["training"]["loss"].startswith("SoftmaxCrossEntropy("):
            return [f"probabilities = nn.Softmax().forward(pred)  # {of}"]
        if self._data["training"]["loss"].startswith("BinaryCrossEntropy("):
            of = "of the second class below" if classes else "one column for each label"
            return [f"probabilities = nn.Sigmoid().forward(pred)  # {of}"]
        return []

    def _about(self, part: str) -> list[list[str]]:
        """Describe some rows."""
        found = self._data["data"][part]
        size = " x ".join(map(str, self._data["model"]["input_shape"]))
        rows = [[f"{part} rows", f"{found['rows']:,} x {size}, SHA-256 {found['sha256'][:DIGITS]}..."]]
        counts = [f"{name}: {count:,}" for name, count in (found["classes"] or {}).items()]
        return rows + ([[f"{part} classes", _text(counts)]] if counts else [])

    def _spread(self, names: list[str]) -> list[list[str]]:
        """Show what nets from some seeds came to."""
        spread = self._data["spread"]
        count, lost = len(spread["seeds"]), spread["diverged"]
        title = f"{NET}, {count} seeds" + (f", of which {lost} diverged" if lost else "")
        if lost == count:
            return [[title, *[""] * len(names)]]
        rows = (("mean", f"{title}: mean"), ("standard_deviation", "standard deviation"))
        return [_numbers(text, (spread["summary"][name][key] for name in names)) for key, text in rows]

    def __str__(self) -> str:
        lines = ["run card", *(f"  {sentence}" for sentence in self.verdict)]
        for title, head, rows in self._sections():
            table = ([head] if head else []) + rows
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            left = 1 if head and head[1] else 2
            lines += ["", title]
            for row in table:
                cells = [
                    f"{cell:<{width}}" if place < left else f"{cell:>{width}}"
                    for place, (cell, width) in enumerate(zip(row, widths, strict=True))
                ]
                lines.append(f"  {'  '.join(cells)}".rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        def row(cells: list[str], kind: str) -> str:
            return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind[:2]}>' for cell in cells)}</tr>"

        parts = [f"<strong>run card</strong><p>{'<br>'.join(map(escape, self.verdict))}</p>"]
        for title, head, rows in self._sections():
            top = f"<thead>{row(head, 'th')}</thead>" if head else ""
            kind = "td" if head else "td style='text-align:left'"
            body = "".join(row(cells, kind) for cells in rows)
            parts.append(f"<table><caption>{escape(title)}</caption>{top}<tbody>{body}</tbody></table>")
        return f"<div>{''.join(parts)}</div>"


def _numbers(name: str, values: Iterable[float | None]) -> list[str]:
    # What rounding has left of 0 is 0.
    return [name, *(number(0.0 if value is not None and abs(value) < 1e-12 else value) for value in values)]


def _pairs(found: dict[str, Any]) -> list[list[str]]:
    """Show entries, without those of which there is nothing to say."""
    said = {
        name: value
        for name, value in found.items()
        if value is not None and value is not USUAL.get(name, False) and value not in ([], "")
    }
    return [[name.replace("_", " "), _text(value)] for name, value in said.items()]


def _text(value: Any) -> str:
    if isinstance(value, list):
        more = f", ... ({len(value):,})" if len(value) > SHOWN else ""
        return ", ".join(map(_text, value[:SHOWN])) + more
    if isinstance(value, bool) or not isinstance(value, int | float):
        return " ".join(str(value).split())
    return f"{value:,}" if isinstance(value, int) else number(value)


def _escaped(text: str) -> str:
    """Keep Markdown from reading signs in a text as its own, and a text from ending a row of a table."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def _yaml(value: Any, indent: str = "") -> list[str]:
    """Write dicts and lists of texts and numbers as lines of YAML, which readers of 1.1 and 1.2 take."""
    lines = []
    pairs = value.items() if isinstance(value, dict) else ((None, one) for one in value)
    for key, one in pairs:
        head = f"{indent}-" if key is None else f"{indent}{key}:"
        if not isinstance(one, dict | list):
            lines.append(f"{head} {_scalar(one)}")
        elif key is None:  # the first entry stands behind the dash
            inner = _yaml(one, f"{indent}  ")
            lines += [f"{head} {inner[0].lstrip()}", *inner[1:]]
        else:
            lines += [head, *_yaml(one, indent + "  " * isinstance(one, dict))]
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False)
        # YAML has no pairs of surrogates, and takes no other sign that cannot be printed as it is.
        return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
