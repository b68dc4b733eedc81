"""Files of a package, and the words of a page: one table, so that they can be translated."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

__all__ = ["read", "read_words"]


def read(package: str, name: str) -> str:
    """Read a file of a package.

    Examples
    --------
    >>> read("nnlite.inspect.page", "unpack.js")[:10]
    '// Unpacks'
    """
    return files(package).joinpath(name).read_text(encoding="utf-8")


@cache
def read_words(package: str) -> dict[str, str]:
    """Read every word of a page.

    Examples
    --------
    >>> read_words("nnlite.inspect.page")["language"]
    'en'
    """
    words: dict[str, str] = json.loads(read(package, "words.json"))
    return words
