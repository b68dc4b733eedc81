"""`benchmarks.against` and `benchmarks.threads`: processes in turns, each with the nnlite of its folder."""

import re

import pytest

from benchmarks import against, threads


@pytest.mark.parametrize("limit", ["1000", "0"])
def test_it_prints_a_ratio(limit, monkeypatch, capsys):
    monkeypatch.setattr(against, "TURN", 0.01)
    code = against.main([str(against.ROOT), "--rounds", "2", "--nets", "2-8-1", "--limit", limit])
    text = capsys.readouterr().out
    line = re.search(
        r"^2-8-1 tanh MSE, batch 4, SGD +([\d.]+) +([\d.]+) +([\d.]+) ", text, flags=re.MULTILINE
    )
    mine, before, ratio = map(float, line.groups())
    assert min(mine, before, ratio) > 0
    assert code == (limit == "0")


@pytest.mark.parametrize(("kind", "case"), [("replicas", "8 x 2-8-1"), ("predict", "2-8-1, 1,000 rows")])
def test_replicas_and_predictions_are_compared_too(kind, case, monkeypatch, capsys):
    monkeypatch.setattr(against, "TURN", 0.01)
    against.main([str(against.ROOT), "--rounds", "2", "--nets", "2-8-1", "--what", kind])
    assert re.search(rf"^{case} +[\d.]+ +[\d.]+ +[\d.]+ ", capsys.readouterr().out, flags=re.MULTILINE)


def test_a_folder_without_nnlite_is_told(tmp_path, capfd):
    with pytest.raises(SystemExit, match="has ended; see above"):
        against.main([str(tmp_path), "--nets", "2-8-1"])
    assert "AssertionError" in capfd.readouterr().err


def test_numbers_of_threads_are_compared(monkeypatch, capsys):
    monkeypatch.setattr(threads, "TURN", 0.001)
    threads.main(["--rounds", "2", "--cases", "fit; 2-8-1"])
    cell = r" +[\d.]+ \([\d.]+\)"
    assert re.search(rf"^fit 2-8-1 +[\d.,]+{cell}{cell}{cell}$", capsys.readouterr().out, flags=re.MULTILINE)
