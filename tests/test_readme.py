"""The README: its code runs and prints what it says, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$(?:[^`]*?^```text\n(.*?)^```$)?", TEXT, flags=re.MULTILINE | re.DOTALL
)
NUMBER = r"-?\d+\.\d*"


def test_there_are_blocks():
    assert len(BLOCKS) >= 3
    assert sum(bool(output) for _, output in BLOCKS) >= 2


@pytest.mark.parametrize(("code", "output"), BLOCKS)
def test_code_runs_and_prints_what_it_says(code, output, tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stderr
    # Float32 results differ in the last digits between processors; the words must be the same.
    assert re.sub(NUMBER, "#", run.stdout) == re.sub(NUMBER, "#", output)
    found, said = (list(map(float, re.findall(NUMBER, text))) for text in (run.stdout, output))
    assert found == pytest.approx(said, abs=0.03)


def test_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_first_two_shell_blocks_are_the_set_up():
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert blocks[0] == "python -m pip install . && python -m nnlite\n"
    assert blocks[1] == 'python -m pip install -e ".[test]" && python -m pytest\n'


def test_it_never_sends_a_reader_to_the_other_package():
    assert "pip install nnlite" not in TEXT
