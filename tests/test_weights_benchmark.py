"""The table of `python -m benchmarks.weights`, of two batch sizes and with few steps."""

import re

import pytest

from benchmarks import weights


def test_it_prints_a_table(monkeypatch, capsys):
    monkeypatch.setattr(weights, "SIZES", (32, weights.ROWS))
    monkeypatch.setattr(weights, "COLUMNS", ("one output", "replicas", "a stream", "per batch"))
    code = weights.main(["--epochs", "1"])
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[2].split() == ["batch", "size", "one", "output", "replicas", "a", "stream", "per", "batch"]
    small, whole = ([float(number) for number in re.findall(r"0\.\d+", line)] for line in lines[3:5])
    assert len(small) == len(whole) == 4
    assert small[-1] < min(small[:-1]) - 0.05  # scikit-learn's rule
    gap = max(abs(one - other) for one, other in zip(small[:-1], whole[:-1], strict=True))
    assert gap == pytest.approx(float(re.search(r"at most (0\.\d+)", text)[1]), abs=0.002)
    assert code == (gap > weights.TOLERANCE)
