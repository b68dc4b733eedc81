"""The model behind `benchmarks.scaling`: its formulas, its fit, and what it says of many ranks."""

import numpy as np
import pytest

from benchmarks.scaling import LARGE, Link, Work, fit_line, predict
from tests.ranks.mpi import needs_mpi

LINK = Link(latency=1e-5, bandwidth=1e9)


@pytest.mark.parametrize("ranks", [2, 3, 8, 100, 1024])
def test_the_sum_costs_what_the_better_of_two_algorithms_costs(ranks):
    rounds = int(np.ceil(np.log2(ranks)))
    # Short ones cost a latency a round, long ones twice what a rank has to send.
    assert LINK.all_reduce(ranks, 0) == pytest.approx(rounds * 1e-5)
    size = 10**9
    sent = min(rounds, 2 * (ranks - 1) / ranks)
    assert LINK.all_reduce(ranks, size) == pytest.approx(sent, rel=1e-3)
    assert LINK.all_reduce(1, size) == 0


def test_the_fit_finds_a_line_again():
    x = np.array([10, 1000, 100_000])
    a, b, error = fit_line(x, 3.0 + 0.25 * x)
    assert (a, b) == pytest.approx((3.0, 0.25))
    assert error < 1e-9
    _, _, error = fit_line(x, (3.0 + 0.25 * x) * [1, 1.2, 1])
    assert 0.05 < error < 0.2


def test_the_prediction_stops_paying_where_its_numbers_say_so():
    work = Work(fixed=0.001, row=1e-5, size=4_000_000)
    links = {"slow": Link(1e-5, 1e8), "fast": Link(1e-6, 1e12)}
    table = predict(work, links, 1024, weak=False)
    assert [row[0] for row in table.rows] == ["8", "16", "32", "64", "128", "256", "512", "1,024"]
    alone = 0.001 + 1e-5 * 1024
    for row in table.rows:
        ranks = int(row[0].replace(",", ""))
        for name, (ms, gain, share) in zip(links, (row[1:4], row[4:7]), strict=True):
            seconds = 0.001 + 1e-5 * 1024 / ranks + links[name].all_reduce(ranks, 4_000_000)
            assert float(ms) == pytest.approx(seconds * 1e3, rel=0.01)
            assert float(gain) == pytest.approx(alone / seconds, rel=0.05, abs=0.06)
            assert float(share.rstrip("%")) == pytest.approx(100 * alone / seconds / ranks, abs=0.51)
    # The slow network never wins anything; the fast one stops where the fixed part is half.
    assert table.notes[0] == "slow: at 2 ranks half of the work is waiting; the shortest step is with 1"
    assert table.notes[1].startswith("fast: at 16 ranks")
    weak = predict(work, links, 1024, weak=True)
    assert weak.notes[1] == "fast: never below half"
    assert str(LARGE[0]) in weak.title


@needs_mpi
def test_it_runs(capsys):
    from benchmarks.scaling import run

    trainings = {f"{ranks}": {"sizes": [4, 3, 2], "batch": 8, "steps": 2, "ranks": ranks} for ranks in (1, 2)}
    found = run({"trainings": trainings, "rounds": 2, "all_reduce": {"sizes": [8, 4096], "rounds": 3}})
    assert {name: len(times) for name, times in found["trainings"].items()} == {"1": 2, "2": 2}
    assert {size: len(times) for size, times in found["all_reduce"].items()} == {"8": 3, "4096": 3}
    assert all(time > 0 for times in found["trainings"].values() for time in times)
