"""What is counted on the way of a plain `fit`."""

import sys

from benchmarks import walk
from nnlite import SGD, Dense
from nnlite.core.model import Sequential as Core
from nnlite.training.fit import fit


def test_what_is_called_before_the_first_batch_in_one_and_on_the_way_to_backward(capsys):
    before, batch, way = walk.follow()
    assert sys.getprofile() is None
    names = [code.co_qualname for code in before]
    assert names.index("Sequential.fit") < names.index("Loop.run") < names.index("Chain.forward")
    assert not {"Dense.forward", "Dense.backward", "SGD.update", "SGD.__init__"} & {*names}
    assert before.count(fit.__code__) == 1
    # Arrays are no tables, and what was not asked for is not looked at.
    assert not {"check_columns", "check_feature_names", "_class_weights", "_prepare_resume"} & {*names}
    assert not {"is_frame", "is_dask", "is_sparse", "is_own", "validation_source"} & {*names}
    assert all(names.count(name) == 1 for name in ("Batches.__init__", "Wired.measured", "Loop.by_moment"))
    # Each is in it as often as a batch has it: two layers of the three are Dense.
    counts = {Dense.forward: 2, Dense.backward: 2, Core.forward: 1, Core.backward: 1, SGD.update: 1}
    assert {method: batch.count(method.__code__) for method in counts} == counts
    assert batch[0] is Dense.forward.__code__
    assert len(before) <= 112
    assert len(batch) <= 35
    assert way[-2:] == [Core.backward.__code__, Dense.backward.__code__]
    assert fit.__code__ in way
    assert not any(code.co_name.startswith("<") for code in (*before, *batch, *way))

    walk.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"before the first batch: {len(before)} calls of ")
    assert printed[1:4:2] == ["    goal: 80 calls", "    goal: 35 calls"]
    assert printed[2].startswith(f"a batch: {len(batch)} calls of ")
    assert printed[-1] == "    core/dense.py: Dense.backward"
