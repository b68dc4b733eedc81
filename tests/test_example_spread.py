"""The example of a sweep over dask's workers, and the code of the page on that: both run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")
pytest.importorskip("ray")
pytest.importorskip("sklearn")

pytestmark = pytest.mark.engines

ROOT = Path(__file__).resolve().parents[1]
#: Not what the engines themselves warn of, nor that a net of the page has not converged.
WARNINGS = ["error", "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore:Stochastic Optimizer"]


def run(*arguments, cwd):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    found = subprocess.run(
        [sys.executable, *(f"-W{one}" for one in WARNINGS), *map(str, arguments)],
        capture_output=True,
        encoding="ascii",
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_on_two_workers_of_its_own(tmp_path):
    text = run(ROOT / "examples" / "spread.py", cwd=tmp_path)
    assert "workers: 2" in text
    assert float(re.search(r"validation accuracy ([\d.]+)%", text)[1]) > 85
    assert re.search(r"^ +0.0\d+ \*  learns", text, flags=re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_on_a_cluster_that_is_there(tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        text = run(ROOT / "examples" / "spread.py", "--scheduler", cluster.scheduler_address, cwd=tmp_path)
    assert "workers: 1" in text
    assert "best rate" in text


BLOCKS = re.findall(
    r"^```py\n(.*?)^```$",
    (ROOT / "docs" / "spread.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)


@pytest.mark.thorough
def test_the_blocks_of_the_page(tmp_path):
    """All in one file, as a reader would have them, so that the processes can import it."""
    assert len(BLOCKS) >= 4
    lines = "".join(BLOCKS).splitlines()
    code = "\n".join(
        ["def main():", *(f"    {line}" for line in lines), "", 'if __name__ == "__main__":', "    main()"]
    )
    file = tmp_path / "page.py"
    file.write_text(code, encoding="utf-8")
    text = run(file, cwd=tmp_path)
    assert text.count("same: True") == "".join(BLOCKS).count("same:") >= 5
