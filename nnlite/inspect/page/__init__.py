"""The HTML face of a training step: one file with its drawing, its words and its numbers, and no network."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from importlib.resources import files
from typing import Any

from nnlite.inspect.page.payload import payload, to_json

__all__ = ["fragment", "render"]

#: The parts of the script, in the order in which they build on each other.
SCRIPTS = ("base.js", "net.js", "sums.js", "charts.js", "beats.js", "player.js")
#: How high a fragment is until its own script has measured it, and where scripts may not run, in pixels.
HEIGHT = 720


def render(trace: Any, *, title: str | None = None) -> str:
    """Write a training step as one HTML document that needs nothing else.

    Style, script, words and numbers stand in the document itself: it can be opened from disk, sent by
    mail, or put on any web server. Where scripts may not run it shows the text face of the step.

    Parameters
    ----------
    trace : StepTrace
        What :func:`nnlite.inspect.explain_step` answers.
    title : str, optional
        The heading of the page; by default the one in ``words.json``.

    Returns
    -------
    str
        The document, from ``<!doctype html>`` on.

    Examples
    --------
    >>> import nnlite as nn
    >>> from nnlite.inspect.page import render
    >>> model = nn.Sequential([nn.Dense(2, 1), nn.Sigmoid()], rng=0)
    >>> trace = nn.inspect.explain_step(
    ...     model, [[0.05, 0.10]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.5)
    ... )
    >>> page = render(trace, title="My net")
    >>> page.startswith("<!doctype html>"), "<title>My net</title>" in page
    (True, True)
    """
    words = _words()
    heading = words["title"] if title is None else title
    data = to_json({**payload(trace.to_dict()), "title": heading})
    return (
        f'<!doctype html>\n<html lang="{html.escape(words["language"])}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(heading)}</title>\n<style>\n{_style()}\n</style></head>\n"
        f"<body><main><pre>{html.escape(str(trace), quote=False)}</pre></main>\n"
        f'<script type="application/json">{data}</script>\n'
        "<!-- The scripts and words of nnlite/inspect/page, deflated. -->\n"
        f'<script type="text/plain" class="packed">{_packed(words)}</script>\n'
        f"<script>\n{_tight(_read('unpack.js'))}\n</script></body></html>\n"
    )


def fragment(trace: Any) -> str:
    """Write a training step as a piece of HTML for notebooks and other pages.

    Parameters
    ----------
    trace : StepTrace
        What :func:`nnlite.inspect.explain_step` answers.

    Returns
    -------
    str
        One ``<iframe>`` that holds the whole document of :func:`render`.

    Examples
    --------
    >>> import nnlite as nn
    >>> from nnlite.inspect.page import fragment
    >>> model = nn.Sequential([nn.Dense(2, 1), nn.Sigmoid()], rng=0)
    >>> trace = nn.inspect.explain_step(
    ...     model, [[0.05, 0.10]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.5)
    ... )
    >>> fragment(trace)[:7]
    '<iframe'
    """
    # A frame and not a shadow root: the page around it may catch keys (a notebook moves between cells with
    # the arrows, a site searches with letters), set styles, exchange its content without running the
    # scripts in it, or hold ten of these. None of that reaches into a document of its own.
    document = render(trace)
    return (
        f'<iframe title="{html.escape(_words()["title"])}" style="width:100%;height:{HEIGHT}px;border:0" '
        f"srcdoc='{document.replace('&', '&amp;').replace(chr(39), '&#39;')}'></iframe>"
    )


def _read(name: str) -> str:
    """Read a file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _words() -> dict[str, str]:
    """Read every word of the page."""
    words: dict[str, str] = json.loads(_read("words.json"))
    return words


def _packed(words: dict[str, str]) -> str:
    """Pack the script and its words.

    They are the same in every page, and two thirds of it: packed they are a quarter of the page.
    """
    parts = [f"const WORDS = {json.dumps(words)};", *(_tight(_read(name)) for name in SCRIPTS)]
    # A block of its own, so that no name in it is seen from outside.
    block = "{\n" + "\n".join(parts) + "\n}"
    return base64.b64encode(zlib.compress(block.encode(), 9)).decode("ascii")


def _style() -> str:
    """Write the style without the spaces that only people need."""
    return re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", _tight(_read("page.css")))


def _tight(source: str) -> str:
    """Leave out indentation, empty lines, and the lines that are comments."""
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))
