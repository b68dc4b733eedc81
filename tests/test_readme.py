"""The README: short, begun by the commands of `.ci/run`, and it leads to every page and file of the core."""

import re
from pathlib import Path

import pytest

import nnlite.core
from benchmarks.house import code_lines

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_two_shell_blocks_are_the_set_up():
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert blocks[0] == "python -m pip install . && python -m nnlite\n"
    assert blocks[1] == 'python -m pip install -e ".[test]" && python -m pytest -n auto --dist worksteal\n'


def test_every_page_of_the_documentation_is_linked():
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages - set(re.findall(r"\]\(([^)#]+)\)", TEXT)) == set()


def test_it_stays_short():
    assert TEXT.count("\n") <= 250


def test_it_leads_through_the_core_and_says_how_long_that_takes():
    rows = re.findall(r"^\|.*\| (\[.*\]\(nnlite/.*\)) \| (\d+) \|$", TEXT, flags=re.MULTILINE)
    files = [re.findall(r"\]\((.*?)\)", links) for links, _ in rows]
    core = {f"nnlite/core/{path.name}" for path in (ROOT / "nnlite/core").glob("[!_]*.py")}
    assert core - {file for row in files for file in row} == set()
    order = re.findall(r"`(\w+)`", nnlite.core.__doc__.partition(" in this order")[0].partition("Read ")[2])
    assert order == [Path(file).stem for row in files for file in row if Path(file).stem in order]
    for row, (_, minutes) in zip(files, rows, strict=True):
        lines = sum(code_lines((ROOT / file).read_text(encoding="utf-8")) for file in row)
        assert int(minutes) == pytest.approx(lines / 8, rel=0.2, abs=2), row
    total = re.search(r"at eight a minute: (\d+) in all", TEXT)
    assert int(total[1]) == sum(int(minutes) for _, minutes in rows)
