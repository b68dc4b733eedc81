"""The HTML face of a training step: one file with its drawing, its words and its numbers, and no network."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from nnlite.files.safetensors import check_path, write_atomically
from nnlite.inspect.page.payload import payload, to_json
from nnlite.inspect.texts import read, read_words

__all__ = [
    "COMMON",
    "FRAME",
    "START",
    "STEP",
    "File",
    "document",
    "fragment",
    "in_frame",
    "read",
    "read_words",
    "render",
    "written",
]

#: A file by its package and its name.
File = tuple[str, str]

#: The parts of the script, in the order in which they build on each other. Those of a step are one function,
#: of its numbers and of where it is shown: a playground shows many.
_PARTS = ("base", "net", "sums", "charts", "rules", "questions", "beats", "player")
STEP = tuple((__package__, f"{name}.js") for name in _PARTS)
COMMON, START, FRAME = ((__package__, f"{name}.js") for name in ("common", "start", "frame"))
SCRIPTS = (COMMON, STEP, START, FRAME)
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
    words = read_words(__package__)
    heading = words["title"] if title is None else title
    return document(
        to_json({**payload(trace.to_dict()), "title": heading}),
        SCRIPTS,
        words,
        [(__package__, "page.css")],
        heading=heading,
        text=str(trace),
    )


def document(
    data: str,
    scripts: Sequence[File | Sequence[File]],
    words: dict[str, str],
    styles: Sequence[File],
    *,
    heading: str,
    text: str,
) -> str:
    """Write one HTML document that needs nothing else: style, script, words and numbers stand in it.

    Parameters
    ----------
    data : str
        JSON that may stand inside a ``<script>``.
    scripts, styles : list of (package, name)
        Files, in the order in which they build on each other. A list of scripts among them becomes the
        function ``showStep``.
    words : dict of str to str
        Every word of the page.
    heading : str
        The title of the window.
    text : str
        What is seen where scripts may not run.

    Returns
    -------
    str
        The document, from ``<!doctype html>`` on.

    Examples
    --------
    >>> page = document("{}", [], {"language": "en"}, [], heading="A page", text="no scripts here")
    >>> "<title>A page</title>" in page, "<pre>no scripts here</pre>" in page
    (True, True)
    """
    return (
        f'<!doctype html>\n<html lang="{html.escape(words["language"])}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(heading)}</title>\n<style>:root{{color-scheme:light dark}}</style></head>\n"
        f"<body><main><pre>{html.escape(text, quote=False)}</pre></main>\n"
        f'<script type="application/json">{data}</script>\n'
        "<!-- The style, scripts and words of nnlite/inspect, deflated. -->\n"
        f'<script type="text/plain" class="packed">{_packed(scripts, words, styles)}</script>\n'
        f"<script>\n{_tight(read(__package__, 'unpack.js'))}\n</script></body></html>\n"
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
    return in_frame(render(trace), title=read_words(__package__)["title"], height=HEIGHT)


def written(where: str, path: str | PathLike[str] | None, make: Callable[[], str]) -> str:
    """Make a page, and write it if there is a path, which is looked at first.

    Parameters
    ----------
    where : str
        Names the path in messages.
    path : str or path-like or None
        Where to write it; an old file is replaced once the new one is complete.
    make : callable () -> str
        Makes the page.

    Returns
    -------
    str
        The page.

    Examples
    --------
    >>> written("here", None, lambda: "<p>")
    '<p>'
    """
    target = None if path is None else check_path(where, path)
    page = make()
    if target is not None:
        write_atomically(target, page.encode("utf-8"), where=where)
    return page


def in_frame(page: str, *, title: str, height: int) -> str:
    """Put a document into a piece of HTML for notebooks and other pages.

    Parameters
    ----------
    page : str
        The document.
    title : str
        What it is called by screen readers.
    height : int
        How high it is until its own script has measured it, in pixels.

    Returns
    -------
    str
        One ``<iframe>``.

    Examples
    --------
    >>> in_frame("<p>it's</p>", title="A page", height=100)[:23]
    '<iframe title="A page" '
    """
    # A frame and not a shadow root: the page around it may catch keys (a notebook moves between cells with
    # the arrows, a site searches with letters), set styles, exchange its content without running the
    # scripts in it, or hold ten of these. None of that reaches into a document of its own.
    inside = page.replace("&", "&amp;").replace("'", "&#39;")
    return (
        f'<iframe title="{html.escape(title)}" style="width:100%;height:{height}px;border:0" '
        f"srcdoc='{inside}'></iframe>"
    )


def _packed(scripts: Sequence[File | Sequence[File]], words: dict[str, str], styles: Sequence[File]) -> str:
    """Pack the style, the script and its words.

    They are the same in every page, and most of it: packed they are a quarter of that.
    """
    style = json.dumps("\n".join(_tight_style(read(*file)) for file in styles))
    parts = [
        f'document.head.append(Object.assign(document.createElement("style"), {{ textContent: {style} }}));',
        f"const WORDS = {json.dumps(words)};",
    ]
    for file in scripts:
        if isinstance(file[0], str):
            parts.append(_tight(read(*file)))
            continue
        inside = "\n".join(_tight(read(*one)) for one in file)
        parts.append(f"const showStep = (DATA, main, HOST = {{}}) => {{\n{inside}\n}};")
    # A function of its own, so that no name in it is seen from outside, and what is packed can be waited for.
    block = "(async () => {\n" + "\n".join(parts) + "\n})();"
    return base64.b64encode(zlib.compress(block.encode(), 9)).decode("ascii")


def _tight_style(source: str) -> str:
    """Write a style without the spaces that only people need."""
    return re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", _tight(source))


def _tight(source: str) -> str:
    """Leave out indentation, empty lines, and the lines that are comments."""
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))
