"""Run the notebooks of examples/notebooks/ and keep what they print and draw, or check that they still do.

`python tools/run_notebooks.py` writes what they give into them: on one machine the same bytes each time.
`python tools/run_notebooks.py --check` leaves them as they are, and fails where a text is not what it was.
Either takes the names of some notebooks.

An answer to the reader is folded Markdown, since a folded cell stands open wherever a notebook is only shown.
Its code is run behind the cells before it, and what it prints is written below it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "examples" / "notebooks"
#: Seconds that a cell may take.
PATIENCE = 120
#: Numbers differ between processors: by this part of themselves, or by this much, and counts by so many.
RELATIVE, ABSOLUTE, COUNT = 0.05, 0.05, 3.0
NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d*)?(?:e[-+]?\d+)?", flags=re.IGNORECASE)

#: The code of a folded answer, and what it prints.
ANSWER = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", flags=re.DOTALL)
#: What makes a traceback coloured in a terminal.
COLOURS = re.compile(r"\x1b\[[\d;]*m")


class DifferentOutput(Exception):
    """A cell gave something else than what is committed."""


def run(path: Path) -> Any:
    """Return a notebook with the outputs that it gives now."""
    notebook = unfold(nbformat.read(path, as_version=4))
    # Without folders of kernels the one that is left is that of this interpreter.
    specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # The bits of a matrix product depend on the number of threads.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as sockets:
        if os.name == "posix":  # else the kernel is talked to through ports, and warns of it
            manager.transport, manager.ip = "ipc", f"{sockets}/kernel"
        where = {"metadata": {"path": folder}}  # for the files that a notebook writes
        client = NotebookClient(
            notebook, km=manager, timeout=PATIENCE, coalesce_streams=True, resources=where
        )
        client.execute(cleanup_kc=True, env={**os.environ, **threads, "PYTHONPATH": python_path})
    return clean(fold(notebook))


def unfold(notebook: Any) -> Any:
    """Put the code of each folded answer into a cell of its own behind it."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            for code, _ in ANSWER.findall(cell.source):
                cells.append(nbformat.v4.new_code_cell(code, metadata={"answer": True}))
    notebook.cells = cells
    return notebook


def fold(notebook: Any) -> Any:
    """Take the cells of answers out again, with what they printed written into the answers."""
    answers = iter([cell for cell in notebook.cells if cell.metadata.get("answer")])
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("answer")]

    def renewed(found: re.Match[str]) -> str:
        printed = "".join(map(text_of, next(answers).outputs)).rstrip("\n")
        return f"```python\n{found[1]}```\n\n```text\n{printed}\n```"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = ANSWER.sub(renewed, cell.source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    return notebook


def clean(notebook: Any) -> Any:
    """Take out what differs from run to run and from machine to machine."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.pop("transient", None)
    return notebook


def kinds_of(cell: Any) -> list[str]:
    """Name the kinds of a cell's outputs."""
    return [" ".join([output.output_type, *sorted(output.get("data", {}))]) for output in cell.outputs]


def text_of(output: Any) -> str:
    """Return what an output says in words."""
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))


def compare(found: Any, committed: Any, name: str) -> None:
    """Raise unless two runs of a notebook gave the same kinds of output and the same texts."""
    for number, (cell, before) in enumerate(zip(found.cells, committed.cells, strict=True)):
        first_line = before.source.partition("\n")[0]
        where = f"{name}, cell {number}, which begins with {first_line!r}"
        if cell.cell_type != "code":
            if not same_text(cell.source, before.source):
                raise DifferentOutput(f"{where}: expected\n{before.source}\ngot\n{cell.source}")
            continue
        kinds, kinds_before = kinds_of(cell), kinds_of(before)
        if kinds != kinds_before:
            raise DifferentOutput(f"{where}: expected the outputs {kinds_before}, got {kinds}")
        for new, old in zip(cell.outputs, before.outputs, strict=True):
            if not same_text(text_of(new), text_of(old)):
                raise DifferentOutput(f"{where}: expected\n{text_of(old)}\ngot\n{text_of(new)}")


def same_text(found: str, committed: str) -> bool:
    """Tell whether two texts have the same words, and nearly the same numbers.

    Examples
    --------
    >>> same_text("loss 0.101 after 20 epochs", "loss 0.1 after 20 epochs")
    True
    >>> same_text("loss 0.5 after 20 epochs", "loss 0.1 after 20 epochs")
    False
    """
    # A number with another count of digits moves the words beside it.
    words, words_before = (re.sub(r"\s+", " ", NUMBER.sub("#", text)) for text in (found, committed))
    if words != words_before:
        return False
    return all(map(near, NUMBER.findall(found), NUMBER.findall(committed)))


def near(found: str, committed: str) -> bool:
    """Tell whether two numbers, as they are written, are nearly the same."""
    new, old = (float(text.replace(",", "")) for text in (found, committed))
    slack = ABSOLUTE if re.search("[.e]", committed) else COUNT
    return abs(new - old) <= max(RELATIVE * abs(old), slack)


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks; return 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="all, if none is named")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args(arguments)
    failed = 0
    for path in options.notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        start = time.perf_counter()
        try:
            found = run(path)
            if options.check:
                compare(found, nbformat.read(path, as_version=4), path.name)
            else:
                nbformat.write(found, path)
        except (CellExecutionError, CellTimeoutError, DifferentOutput) as error:
            failed += 1
            print(f"{path.name}: failed\n{COLOURS.sub('', str(error))}", file=sys.stderr)
        else:
            print(f"{path.name}: {time.perf_counter() - start:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
