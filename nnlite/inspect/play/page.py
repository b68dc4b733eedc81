"""The page of a playground: one file with the net, the data, an engine that trains, and no network."""

from __future__ import annotations

from typing import Any

from nnlite.inspect.page import COMMON, FRAME, STEP, File, document, read_words
from nnlite.inspect.page.payload import to_json

__all__ = ["SCRIPTS", "render"]

_HERE = "nnlite.inspect.play"
_ENGINE = "random layers losses optimizers net training"
_VIEW = "contents state draw network output inspector exercises controls away trace main"
#: The parts of the script, in the order in which they build on each other.
SCRIPTS: tuple[File | tuple[File, ...], ...] = (
    COMMON,
    STEP,
    *((f"{_HERE}.engine", f"{name}.js") for name in _ENGINE.split()),
    *((f"{_HERE}.view", f"{name}.js") for name in _VIEW.split()),
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

    Examples
    --------
    >>> render({"format": 1}, text="a net", title="Mine")[:15]
    '<!doctype html>'
    """
    words = {**read_words("nnlite.inspect.page"), **read_words(_HERE)}
    heading = words["title"] if title is None else title
    data = to_json({**contents, "title": heading})
    return document(data, SCRIPTS, words, STYLES, heading=heading, text=text)
