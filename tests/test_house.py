"""What is counted of the source: lines of code, imports, circles of them."""

import tomllib
from pathlib import Path

import pytest

from benchmarks import promises
from benchmarks.environment import ROOT
from benchmarks.house import circles, code_lines, imports, modules


def test_lines_of_code_are_neither_docstrings_nor_comments_nor_blank():
    source = '''"""A module,

with more to say."""

# A comment.
text = """
not a docstring
"""  # and a comment behind it


class A:
    """A class."""

    x: int = 0
    """An attribute."""

    def f(
        self,  # one a line
    ) -> None:
        """Return."""
'''
    assert code_lines(source) == 3 + 1 + 1 + 3
    assert code_lines("") == 0


def package(folder: Path, **files: str) -> Path:
    """Write a package; two underscores in a name are a folder."""
    for name, text in {"__init__": "", **files}.items():
        path = folder / "p" / f"{name if name == '__init__' else name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "p"


def test_all_imports_are_found_wherever_they_stand(tmp_path):
    root = package(
        tmp_path,
        a="import os\nimport p.b\nfrom p.c import thing\nfrom p import d\n",
        b="def f():\n    from p.sub import e, other\n",
        c="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import x\n",
        d="text = 'import p.a'\n",
        sub__e="from . import f\nfrom ..d import text\n",
        sub__f="from p.sub.f import itself\n",
    )
    (root / "sub" / "__init__.py").write_text("from .e import x\n")
    assert set(modules(root)) == {"p", "p.a", "p.b", "p.c", "p.d", "p.sub", "p.sub.e", "p.sub.f"}
    assert imports(root) == {
        "p": set(),
        "p.a": {"p.b", "p.c", "p.d"},
        "p.b": {"p.sub", "p.sub.e"},
        "p.c": {"p.a"},
        "p.d": set(),
        "p.sub": {"p.sub.e"},
        "p.sub.e": {"p.sub.f", "p.d"},
        "p.sub.f": set(),
    }
    assert circles(imports(root)) == [["p.a", "p.c"]]


def test_circles_that_share_a_module_are_one_which_a_door_may_open():
    graph = {"a": {"b"}, "b": {"door"}, "door": {"a", "c"}, "c": {"door", "d"}, "d": {"e"}, "e": {"d"}}
    assert circles(graph) == [["a", "b", "c", "door"], ["d", "e"]]
    assert circles(graph, without="door") == [["d", "e"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_a_promise_fails_and_a_goal_does_not(monkeypatch, capsys):
    def short():
        return promises.Finding("none", "three", holds=False)

    def whole():
        return promises.Finding("three", "three", holds=True)

    monkeypatch.setattr(promises, "PROMISES", (whole,))
    monkeypatch.setattr(promises, "GOALS", (short,))
    assert promises.main([]) == 0
    assert capsys.readouterr().out == (
        "whole: holds\n    promised: three\n    found:    three\n"
        "short: not yet\n    goal:     none\n    found:    three\n"
    )
    monkeypatch.setattr(promises, "PROMISES", (short,))
    monkeypatch.setattr(promises, "GOALS", (whole,))
    assert promises.main([]) == 1
    assert promises.main(["--only", "whole"]) == 0
    assert capsys.readouterr().out.endswith("whole: reached\n    goal:     three\n    found:    three\n")


@pytest.mark.parametrize("lines", [1600, 1601])
def test_the_budget_of_the_core(lines, tmp_path, monkeypatch):
    root = package(tmp_path, core__a="x = 0\n" * 220, core__b="x = 0\n" * (lines - 220))
    monkeypatch.setattr(promises, "PACKAGE", root)
    assert promises.core().holds == (lines == 1600)
    assert not promises.files_of_core().holds
    assert "too long are b.py" in promises.files_of_core().found
    (root / "core" / "b.py").write_text("x = 0\n" * 220)
    assert promises.files_of_core().holds
    assert promises.files_at_the_top().holds


def test_every_module_has_a_place_in_the_order_of_imports():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    order = next(one for one in settings["contracts"] if one["name"] == "Imports run one way")
    places = [name.strip() for line in order["layers"] for name in line.split("|")]
    for path in (ROOT / "nnlite").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        known = any(name == place or name.startswith(f"{place}.") for place in places)
        is_room = any(place.startswith(f"{name}.") for place in places)
        assert known or is_room, name
