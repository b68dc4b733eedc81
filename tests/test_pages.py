"""README and docs: the code on each page runs and prints what the page says, and links lead somewhere."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NUMBER = r"-?\d+\.\d*(?:e[-+]\d+)?"

#: Runs the blocks of a page in one namespace, as a reader does, and says what each of them printed.
RUNNER = """
import contextlib, io, json, sys
space = {"__name__": "__main__"}
printed = []
for code in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, f"block {len(printed) + 1}", "exec"), space)
    printed.append(out.getvalue())
sys.stdout.write("\\0" + json.dumps(printed))
"""


def name(page):
    """Name a page by its path in the project."""
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """Return the python blocks of a page, each with the text block behind it, or ""."""
    return re.findall(
        r"^```python\n(.*?)^```$(?:[^`]*?^```text\n(.*?)^```$)?",
        page.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )


def needs(page):
    """Return the packages that the page names in a comment as what its code needs."""
    found = re.search(r"<!-- needs: (.*?) -->", page.read_text(encoding="utf-8"))
    return found[1].split(", ") if found else []


def test_there_are_blocks():
    assert len(PAGES) >= 2
    assert sum(bool(output) for page in PAGES for _, output in blocks(page)) >= 2


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_code_runs_and_prints_what_it_says(page, tmp_path):
    missing = [name for name in needs(page) if find_spec(name) is None]
    if missing:
        message = f"{', '.join(missing)} not installed"
        if os.environ.get("NNLITE_REQUIRE_PARITY") == "1":
            pytest.fail(message)
        pytest.skip(message)
    # What other packages warn of is theirs.
    warnings = ["-W", "ignore"] if needs(page) else ["-W", "error"]
    run = subprocess.run(
        [sys.executable, *warnings, "-c", RUNNER],
        input=json.dumps([code for code, _ in blocks(page)]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for number, (printed, (_, output)) in enumerate(
        zip(json.loads(run.stdout.rpartition("\0")[2]), blocks(page), strict=True), start=1
    ):
        where = f"{name(page)}, block {number}"
        # Float32 results differ in the last digits between processors; the words must be the same.
        assert re.sub(NUMBER, "#", printed) == re.sub(NUMBER, "#", output), where
        found, said = (list(map(float, re.findall(NUMBER, text))) for text in (printed, output))
        assert found == pytest.approx(said, abs=0.03), where


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_sends_a_reader_to_the_other_package(page):
    assert "pip install nnlite" not in page.read_text(encoding="utf-8")
