"""The notebooks: each runs and gives what is committed, and each is as it is meant to be."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
#: Which would be those of the machine that ran it, and nobody else's.
MACHINE_PATH = re.compile(
    re.escape(f"{ROOT}/") + r"|/(?:home|root|Users|tmp|usr)/|[A-Z]:\\\\?Users|ipykernel_\d"
)
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def texts(output):
    """Return the texts of an output; a picture has none."""
    data = output.get("data", {})
    return ["".join(output.get("text", "")), "".join(output.get("traceback", []))] + [
        "".join(value) for kind, value in data.items() if kind.startswith("text/")
    ]


def test_all_are_there():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07", "08"]


@pytest.mark.thorough
@each
def test_it_runs_and_gives_what_is_committed(path):
    for package in ("nbclient", "ipykernel", "matplotlib", "pandas", "sklearn"):
        pytest.importorskip(package)
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), "--check", str(path)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert run.returncode == 0, run.stderr


@each
def test_it_names_no_machine(path):
    metadata = json.loads(path.read_text("utf-8"))["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert set(metadata) == {"kernelspec", "language_info"}
    assert not any("execution" in cell["metadata"] for cell in cells(path, "code"))
    said = [text for cell in cells(path, "code") for output in cell["outputs"] for text in texts(output)]
    said += ["".join(cell["source"]) for kind in ("code", "markdown") for cell in cells(path, kind)]
    assert [found[0] for text in said if (found := MACHINE_PATH.search(text))] == []


@each
def test_all_cells_were_run_in_their_order_and_none_complains(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell["outputs"]) for cell in code) > len(code) / 2
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", cell["source"]
            assert output.get("name") != "stderr", cell["source"]
            # What an object is called when it has no words of its own is of no use to a reader.
            assert not re.search(r"<Axes|<Figure| at 0x", "".join(texts(output)[:1])), cell["source"]


@each
def test_it_begins_with_a_heading_and_is_not_too_large(path):
    first = json.loads(path.read_text("utf-8"))["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]).startswith("# ")
    assert path.stat().st_size < 1_500_000


@each
def test_links_lead_to_files(path):
    for cell in cells(path, "markdown"):
        for link in re.findall(r"\]\(([^)\s#]+)", "".join(cell["source"])):
            assert "://" in link or (path.parent / link).exists(), link


def answers(path):
    """Return the folded answers of a notebook."""
    folded = re.compile(r'<details markdown="1"><summary>.+?</summary>\n\n(.+?)\n\n</details>', re.DOTALL)
    return [answer for cell in cells(path, "markdown") for answer in folded.findall("".join(cell["source"]))]


@each
def test_it_asks_and_every_answer_is_folded(path):
    said = "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    assert len(answers(path)) >= 3
    assert len(answers(path)) == said.count("<details") == said.count("</details>")
    assert not any("answer" in cell["metadata"].get("tags", []) for cell in cells(path, "code"))


@each
def test_the_reader_sees_a_picture_every_few_cells(path):
    since = 0
    for cell in cells(path, "code"):
        pictures = ("image/png", "text/html")
        since = 0 if any(set(pictures) & set(o.get("data", {})) for o in cell["outputs"]) else since + 1
        assert since <= 4, cell["source"]


def test_the_first_has_short_cells():
    for cell in cells(NOTEBOOKS[0], "code"):
        assert len([line for line in "".join(cell["source"]).splitlines() if line.strip()]) <= 10


def test_a_notebook_that_is_no_longer_true_fails_by_the_name_of_its_cell(tmp_path):
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package)
    path = tmp_path / "tiny.ipynb"
    cell = {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "source": "print(1.25)"}
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1.75\n"}]
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    command = [sys.executable, str(ROOT / "tools" / "run_notebooks.py"), str(path)]

    def complaint():
        return subprocess.run(
            [*command, "--check"], capture_output=True, encoding="utf-8", check=False
        ).stderr

    assert "tiny.ipynb, cell 0, which begins with 'print(1.25)'" in complaint()
    assert "1.75" in path.read_text("utf-8")

    subprocess.run(command, check=True, capture_output=True)
    assert "".join(cells(path, "code")[0]["outputs"][0]["text"]) == "1.25\n"
    assert complaint() == ""

    # The code of an answer runs behind the cells before it, and leaves their numbers alone.
    answer = "How much?\n```python\nprint(_ + 1)\n```\n\n```text\n7.5\n```"
    notebook["cells"][0]["source"] = "1.25"
    notebook["cells"].append({"cell_type": "markdown", "id": "b", "metadata": {}, "source": answer})
    notebook["cells"].append({**cell, "id": "c", "source": "print(2.5)"})
    path.write_text(json.dumps(notebook), encoding="utf-8")
    subprocess.run(command, check=True, capture_output=True)
    assert "".join(cells(path, "markdown")[0]["source"]) == answer.replace("7.5", "2.25")
    assert [one["execution_count"] for one in cells(path, "code")] == [1, 2]
    path.write_text(path.read_text("utf-8").replace("2.25", "7.5"), encoding="utf-8")
    assert "tiny.ipynb, cell 1, which begins with 'How much?'" in complaint()
