"""The page of a playground: one file with the net, the data, an engine that trains, and no network."""

from __future__ import annotations

from typing import Any

from nnlite.inspect.page import COMMON, FRAME, STEP, document, read_words
from nnlite.inspect.page.payload import to_json

__all__ = ["SCRIPTS", "render"]

_HERE = "nnlite.inspect.playground"
#: The parts of the script, in the order in which they build on each other.
SCRIPTS = (
    COMMON,
    STEP,
    *(
        (f"{_HERE}.engine", f"{name}.js")
        for name in ("random", "layers", "losses", "optimizers", "net", "training")
    ),
    *(
        (f"{_HERE}.view", f"{name}.js")
        for name in ("contents", "state", "draw", "network", "output", "inspector", "controls", "away", "trace", "main")
    ),
    FRAME,
)
STYLES = (("nnlite.inspect.page", "page.css"), (_HERE, "play.css"))


def render(contents: dict[str, Any], *, text: str, title: str | None = None) -> str:
    """Write a playground as one HTML document that needs nothing else.

    Parameters
    ----------
    contents : dict
        What `contents` answers.
    text : str
        What is seen where scripts may not run.
    title : str, optional
        The heading of the page; by default the one in ``words.json``.

    Returns
    -------
    str
        The document, from ``<!doctype html>`` on.
    """
    words = {**read_words("nnlite.inspect.page"), **read_words(_HERE)}
    heading = words["title"] if title is None else title
    data = to_json({**contents, "title": heading})
    return document(data, SCRIPTS, words, STYLES, heading=heading, text=text)
