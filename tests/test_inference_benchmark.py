"""The benchmark of prediction: every way computes the same, and the tables say what was measured."""

import numpy as np
import pytest

from benchmarks import inference, inference_jobs
from benchmarks.results import Result

CASE = "6-5-4-2, 1,500 rows"


@pytest.mark.parametrize("way", [*inference.WAYS, *inference.BY_SIZE], ids=lambda way: way.name)
def test_every_way_computes_the_same(way):
    for package in ("dask", "threadpoolctl") if way.name.startswith("dask") else ():
        pytest.importorskip(package)
    if way.library == "onnxruntime":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    job = getattr(inference_jobs, way.code.partition(":")[2])(CASE, 1, **way.options)
    found, expected = job.check(), inference_jobs.Reference(CASE, 1).check()
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert len(found) == 4
    job.run(2)
    assert job.memory() >= 0


def test_a_job_whose_memory_is_measured_has_done_nothing_before():
    job = inference_jobs.Blocks(CASE, 1, block=64, checked=False)
    job.parts = lambda: pytest.fail("it has predicted")
    assert job.check() == []


def result(case, threads, **values):
    libraries = {name: "onnxruntime" if name.startswith("onnx") else "nnlite" for name in values}
    roles = {name: "peer" if library == "onnxruntime" else "ours" for name, library in libraries.items()}
    return Result("inference", case, threads, values=values, roles=roles, libraries=libraries)


def test_the_tables_hold_rates_and_ratios():
    found = result("6-5-4-2, 1,500 rows", 1, array=[0.5, 0.25, 1.0], onnxruntime=[0.25, 0.125, 1.0])
    found.errors = {"array": 2e-7}
    found.left_out = {"blocks": "out of memory\nand more"}
    table = inference.rows_table([found], inference.WAYS, "Prediction")
    assert table.header == ["", "array", "onnxruntime"]
    assert table.rows == [["6-5-4-2, 1 thread", "3.00", "6.00"]]
    assert table.notes == [
        "left out: blocks: out of memory",
        "largest relative error of what is compared: 2.0e-07",
    ]
    times = inference.times_table([found], [("array", "onnxruntime"), ("blocks", "onnxruntime")])
    assert times.rows == [["6-5-4-2, 1 thread", "2.00 (1.20 to 2.00)", ""]]


def test_the_command_line():
    assert inference.parse([]).threads == [1, 2]
    assert inference.parse(["--threads", "1", "--tables", "memory"]).tables == ["memory"]
    with pytest.raises(SystemExit):
        inference.parse(["--tables", "everything"])
