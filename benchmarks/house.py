"""How much there is to read, and what hangs together: counted from the source, by `ast`.

``python -m benchmarks.promises`` prints these numbers with their budgets.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["circles", "code_lines", "imports", "modules"]

#: What no line of code consists of.
_BLANK = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
)


def code_lines(source: str) -> int:
    """Count the lines that hold more than a comment or a part of a docstring."""
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _BLANK
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(source)):
        # Also a string that stands alone behind an attribute or a name: it says something to readers only.
        alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if alone and isinstance(node.value.value, str):
            code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def modules(package: Path) -> dict[str, Path]:
    """Return the files of a package by the names of their modules."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """Return what each module imports of its own package, in functions and for annotations too.

    That the `__init__` of a package runs before its modules do is left out.
    """
    files = modules(package)
    return {name: set(_imported(name, path, files)) - {name} for name, path in files.items()}


def _imported(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                above = name.split(".")[: None if path.name == "__init__.py" else -1]
                above = above[: len(above) - node.level + 1]
                source = ".".join([*above, source] if source else above)
            for alias in node.names:
                inside = f"{source}.{alias.name}"  # a module, or something that one has
                found = inside if inside in files else source
                if found in files:
                    yield found


def circles(graph: Mapping[str, set[str]], *, without: str | None = None) -> list[list[str]]:
    """Return the circles: modules each of which leads to all others; those that share one are one circle.

    `without` is a module that is looked at as if it were not there.
    """
    leads_to: dict[str, set[str]] = {}
    for name in graph:
        waiting, seen = [name], set[str]()
        while waiting:
            for other in graph[waiting.pop()] - seen - {without}:
                seen.add(other)
                waiting.append(other)
        leads_to[name] = seen if name != without else set()
    found = {
        frozenset(other for other in seen if name in leads_to[other])
        for name, seen in leads_to.items()
        if name in seen
    }
    return sorted(map(sorted, found))
