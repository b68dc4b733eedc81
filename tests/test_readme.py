"""The README: its set-up commands are what `.ci/run` runs, and it leads to every page."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_two_shell_blocks_are_the_set_up():
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert blocks[0] == "python -m pip install . && python -m nnlite\n"
    assert blocks[1] == 'python -m pip install -e ".[test]" && python -m pytest -n auto --dist worksteal\n'


def test_every_page_of_the_documentation_is_linked():
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages - set(re.findall(r"\]\(([^)#]+)\)", TEXT)) == set()
