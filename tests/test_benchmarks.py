"""The logic of the benchmarks: who takes a turn when, who is left out, and what is said of the numbers."""

import json
from typing import ClassVar

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import peers, rounds
from benchmarks.environment import environment
from benchmarks.libraries import bare, nnlite, reference
from benchmarks.nets import NETS, make_data
from benchmarks.peers import LIBRARIES, Library
from benchmarks.report import Table, comparison, number, overview
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session, Settings, calibrate, interleave
from benchmarks.stats import ratios, relative_error, spread
from benchmarks.targets import TARGETS, Target, Verdict, judge, lead, microseconds, ratio
from benchmarks.worker import Worker, WorkerError
from benchmarks.workload import Workload
from benchmarks.workloads import WORKLOADS

SMALL = ["2-8-1", "2-64-64-3", "64-128-10"]


# Numbers.


def test_spread_is_the_median_between_the_tenths():
    assert spread(range(11)) == (5, 1, 9)
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_ratios_are_taken_round_by_round():
    # Each round is ten times slower than the one before; the ratio does not see that.
    assert ratios([2, 20, 200], [1, 10, 100]) == (2, 2, 2)
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])


@pytest.mark.parametrize("found", [[1.0], [1.0, np.nan], [1.0, np.inf], []])
def test_what_makes_no_sense_is_infinitely_wrong(found):
    assert relative_error(found, [1.0, 2.0]) == np.inf


def test_relative_error_is_the_largest():
    assert relative_error([1.1, -4.0], [1.0, -2.0]) == pytest.approx(1.0)


# Turns.


@pytest.mark.parametrize(("start", "each", "multiple"), [(0, 1e-5, 1), (2e-3, 1e-5, 32), (0, 3.0, 1)])
def test_calibration_finds_a_turn_of_about_the_time(start, each, multiple):
    count = calibrate(lambda count: start + each * count, 0.1, multiple)
    assert count % multiple == 0
    assert count >= multiple
    assert each > 0.1 or 0.05 < start + each * count < 0.2


def test_turns_are_interleaved():
    seen = []

    def turn(name):
        return lambda: seen.append(name) or float(len(seen))

    values, failed = interleave({name: turn(name) for name in "ABC"}, 2, lambda: seen.append("-"))
    assert "".join(seen) == "A-B-C-A-B-C-"
    assert values == {"A": [1, 7], "B": [3, 9], "C": [5, 11]}
    assert not failed


def test_who_fails_has_no_values_and_the_others_go_on():
    answers = iter([1.0])

    def fail():
        try:
            return next(answers)
        except StopIteration:
            raise WorkerError("out of memory") from None

    values, failed = interleave({"A": fail, "B": lambda: 2.0}, 3)
    assert values == {"B": [2, 2, 2]}
    assert failed == {"A": "out of memory"}


class FakeWorker:
    """Answers at once; contenders are told apart by their code."""

    made: ClassVar[list] = []

    def __init__(self, threads):
        self.threads, self.closed = threads, False
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def send(self, do, *, code, case, threads, options):
        self.code = code.rpartition(":")[2]
        assert threads == self.threads

    def receive(self, timeout):
        if self.code == "broken":
            raise WorkerError("ImportError: no such thing")
        return {"multiple": 1, "check": {"wrong": [1.0, 2.1], "floor": []}.get(self.code, [1.0, 2.0])}

    def ask(self, do, *, count, warm):
        return {"seconds": count * (1e-3 if self.code == "right" else 2e-3), "cpu": count * 1e-3}

    def close(self):
        self.closed = True


@pytest.fixture
def fake_workers(monkeypatch):
    monkeypatch.setattr(rounds, "Worker", FakeWorker)
    monkeypatch.setattr(rounds.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(FakeWorker, "made", [])
    return FakeWorker.made


def contender(name, role="peer", library="numpy", **options):
    return Contender(name, library, f"m:{name}", role, **options)


def test_who_fails_or_computes_something_else_is_left_out(fake_workers):
    said = []
    everyone = [contender(name) for name in ("right", "wrong", "broken", "floor")]
    with Session(Settings(rounds=3), said.append) as session:
        result = session.measure("w", "c", 1, everyone, reference=contender("reference"))
    assert set(result.values) == set(result.roles) == {"right", "floor"}
    assert result.median("right") == pytest.approx(1e-3)
    assert [len(values) for values in result.values.values()] == [3, 3]
    assert "relative error 5.0e-02" in result.left_out["wrong"]
    assert "no such thing" in result.left_out["broken"]
    assert all(any(name in line for line in said) for name in ("wrong", "broken"))
    assert result.errors["right"] == 0
    assert all(worker.closed for worker in fake_workers)


def test_a_quick_session_keeps_its_processes(fake_workers):
    with Session(Settings(rounds=1, quick=True), lambda line: None) as session:
        for case in "ab":
            session.measure("w", case, 1, [contender("right"), contender("broken")])
            assert [worker.closed for worker in fake_workers if worker.code == "right"] == [False]
        # One that failed may be in any state: it does not come back.
        assert [worker.closed for worker in fake_workers if worker.code == "broken"] == [True, True]
    assert all(worker.closed for worker in fake_workers)


def test_a_missing_library_is_named_once_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(LIBRARIES, "torch", Library(("no_such_module",), ("torch",)))
    said = []
    session = Session(Settings(), said.append)
    for _ in range(2):
        found = session.present([contender("a", library="torch"), contender("b")])
        assert [c.name for c in found] == ["b"]
    assert said == ["torch is not installed and is skipped: python -m pip install torch"]
    assert session.skipped == {"torch": "python -m pip install torch"}


def test_a_library_that_is_no_python_is_found_by_its_name(monkeypatch):
    found = Library((), ("libsome2",), shared="some")
    monkeypatch.setattr(peers, "find_library", {"some": "libsome.so.2"}.get)
    assert not found.missing
    assert found.versions() == {"libsome2": "libsome.so.2"}
    assert found.install == "apt-get install libsome2"
    assert Library((), ("libother2",), shared="other").missing


def test_some_take_part_in_some_cases_only(fake_workers):
    everyone = [contender("right"), contender("floor", cases=("b",))]
    workload = Workload("w", "W", cases={"a": "a", "b": "b"}, contenders=everyone)
    with Session(Settings(rounds=1, threads=(1,)), lambda line: None) as session:
        a, b = workload.run(session)
    assert (set(a.values), set(b.values)) == ({"right"}, {"right", "floor"})


def test_what_a_job_says_stands_below_the_table(fake_workers, monkeypatch):
    answer = {"multiple": 1, "check": [1.0, 2.0], "remark": "engine: compiled"}
    monkeypatch.setattr(FakeWorker, "receive", lambda self, timeout: answer)
    with Session(Settings(rounds=1), lambda line: None) as session:
        result = session.measure("w", "c", 1, [contender("right")])
    assert result.remarks == {"right": "engine: compiled"}
    assert "right: engine: compiled" in comparison(result, "a net", unit="µs", scale=1e6).notes


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (Settings(), ["floor", "ours", "slow", "jax"]),
        (Settings(quick=True), ["floor", "ours", "jax"]),
        (Settings(only=()), ["floor", "ours"]),
        (Settings(only=("jax",)), ["floor", "ours", "jax"]),
    ],
)
def test_only_some_take_part(settings, names, monkeypatch):
    for library in ("jax", "torch"):
        monkeypatch.setitem(LIBRARIES, library, Library(("json",), (library,)))
    everyone = [
        contender("floor", "yardstick"),
        contender("ours", "ours"),
        contender("slow", library="torch", slow=True),
        contender("jax", library="jax"),
    ]
    assert [c.name for c in Session(settings).present(everyone)] == names


# Processes.


def test_a_worker_works_and_says_what_went_wrong():
    with Worker(1) as worker:
        floor = {"code": "benchmarks.libraries.bare:Floor", "threads": 1, "options": {}}
        with pytest.raises(WorkerError, match="KeyError: 'no such net'"):
            worker.ask("make", case="no such net", **floor)
        with pytest.raises(WorkerError, match="RuntimeError: nothing was made"):
            worker.ask("time", count=1, warm=0)
        made = worker.ask("make", case="2-8-1", **floor)
        assert made == {"multiple": 1, "check": []}
        answer = worker.ask("time", count=100, warm=1)
        assert 0 < answer["seconds"] < 10
        with pytest.raises(WorkerError, match="exit code 1: AttributeError"):
            worker.ask("nonsense")


def test_the_environment_limits_threads_and_lets_bytecode_be_written(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    found = environment(2)
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "2"
    assert "PYTHONDONTWRITEBYTECODE" not in found


# The work.


@pytest.mark.parametrize("case", SMALL)
@pytest.mark.parametrize("job", [bare.bare_step, bare.Loop, nnlite.Step, nnlite.Fit])
def test_our_contenders_compute_what_the_reference_does(job, case):
    expected = reference.Step(case, 1).check()
    work = job(case, 1)
    assert relative_error(work.check(), expected) < 1e-5
    # Whatever it did since, a new turn begins at the start.
    work.run(work.multiple)
    assert relative_error(work.check(), expected) < 1e-5


@pytest.mark.parametrize("job", [bare.Predict, nnlite.Predict])
def test_our_predictions_are_those_of_the_reference(job):
    case = "64-128-10, 100 rows"
    assert relative_error(job(case, 1).check(), reference.Predict(case, 1).check()) < 1e-5


@pytest.mark.parametrize("case", SMALL)
def test_every_class_has_a_row(case):
    net = NETS[case]
    X, y = make_data(net)
    assert X.shape == (net.batch * net.batches, net.sizes[0])
    assert net.loss == "mse" or set(y.tolist()) == set(range(net.sizes[-1]))


def test_workloads_are_whole():
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    for workload in WORKLOADS:
        assert set(workload.quick) <= set(workload.cases)
        for c in workload.contenders:
            assert c.library in LIBRARIES
        names = [c.name for c in workload.contenders]
        assert len(set(names)) == len(names)


# What is said.


@pytest.fixture
def result():
    return Result(
        "training-step",
        "2-8-1",
        1,
        values={
            "BLAS floor": [1e-6, 2e-6],
            "nnlite fit": [4e-6, 8e-6],
            "jax": [8e-6, 24e-6],
            "torch": [1.0, 1.0],
        },
        roles={"BLAS floor": "yardstick", "nnlite fit": "ours", "jax": "peer", "torch": "peer"},
        libraries={"BLAS floor": "numpy", "nnlite fit": "nnlite", "jax": "jax", "torch": "torch"},
        left_out={"keras": "ImportError: no\nmore lines"},
        errors={"jax": 3e-7},
    )


def test_a_comparison_has_the_fastest_first_and_names_who_is_left_out(result):
    table = comparison(result, "a net", unit="µs", scale=1e6, floor="BLAS floor", remarks={"jax": "a remark"})
    assert [row[0] for row in table.rows] == ["BLAS floor", "nnlite fit", "jax", "torch"]
    assert table.rows[2] == ["jax", "16.0", "2.50 (2.10 to 2.90)", "10.0"]
    assert "jax: a remark" in table.notes
    assert "left out: keras: ImportError: no" in table.notes
    assert "1 thread" in table.title


def test_a_comparison_names_who_took_more_cores_than_it_was_given(result):
    result.details["jax"] = {"cpu": [12e-6, 36e-6]}
    notes = comparison(result, "a net", unit="µs", scale=1e6).notes
    assert "jax: worked on 1.5 cores" in notes


def test_an_overview_says_where_we_are_behind(result):
    def brief():
        return overview(
            [result], "Step", {"2-8-1": "a net"}, unit="µs", scale=1e6, brief=["nnlite fit", "absent"]
        )

    assert brief().header == ["", "nnlite fit", "jax", "torch"]
    assert brief().rows == [["a net", "**6.00**", "16.0", "1,000,000"]]
    assert not any("behind" in note for note in brief().notes)
    result.values["torch"] = [2e-6, 4e-6]
    assert brief().rows == [["a net", "6.00", "16.0", "**3.00**"]]
    assert "- a net: torch takes 0.50 times as long as nnlite fit." in brief().notes[-1]


def test_an_overview_has_one_column_for_a_library(result):
    result.values["jax scan"] = [1e-6, 1e-6]
    result.roles["jax scan"], result.libraries["jax scan"] = "peer", "jax"
    table = overview([result], "Step", {"2-8-1": "a net"}, unit="µs", scale=1e6, brief=[])
    assert table.header == ["", "jax", "torch"]
    assert table.rows == [["a net", "**1.00**", "1,000,000"]]


def test_an_overview_counts_whole_epochs_and_all_that_is_ours(result):
    scan = {"jax scan": [2e-6, 4e-6], "nnlite jit": [1e-6, 2e-6]}
    result.values |= scan
    result.roles |= {"jax scan": "peer", "nnlite jit": "ours"}
    result.libraries |= {"jax scan": "jax", "nnlite jit": "nnlite"}

    def brief():
        return overview(
            [result], "Step", {"2-8-1": "a net"}, unit="µs", scale=1e6, brief=["nnlite jit", "jax scan"]
        )

    # What has a column of its own is not shown again in that of its library.
    assert brief().header == ["", "nnlite jit", "jax scan", "jax", "torch"]
    assert brief().rows == [["a net", "**1.50**", "3.00", "16.0", "1,000,000"]]
    result.values["nnlite jit"] = [3e-6, 6e-6]
    assert brief().rows == [["a net", "4.50", "**3.00**", "16.0", "1,000,000"]]
    assert "- a net: jax scan takes 0.67 times as long as nnlite jit." in brief().notes[-1]


def test_a_table_is_aligned_and_has_a_markdown_form():
    table = Table("T", ["", "µs"], [["a", "1.00"], ["long name", "1,000"]], ["note"])
    assert table.text().splitlines() == [
        "T",
        "",
        "              µs",
        "----------------",
        "a           1.00",
        "long name  1,000",
        "note",
    ]
    assert "| long name | 1,000 |" in table.markdown().splitlines()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0512, "0.05"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (12345, "12,345")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("sense", "limit", "verdict"),
    [("at most", 2.5, "holds"), ("at most", 2.4, "falls short"), ("at least", 2.6, "falls short")],
)
def test_a_target_holds_or_falls_short(result, sense, limit, verdict):
    target = Target("training-step", "2-8-1", "jax / fit", sense, limit, ratio("jax", "nnlite fit"))
    (found,) = judge([result], [target])
    assert found.value == pytest.approx(2.5)
    assert found.line().endswith(f"measured 2.50: {verdict}")


def test_finders(result):
    assert lead("nnlite fit")(result) == pytest.approx(2.5)  # jax, the best of the peers
    assert microseconds("jax")(result) == pytest.approx(16)
    assert ratio("thinc", "jax")(result) is None
    assert lead("thinc")(result) is None
    assert lead("nnlite fit", but=("jax",))(result) == pytest.approx((1 / 4e-6 + 1 / 8e-6) / 2)


def test_what_was_not_measured_is_said(result):
    find = ratio("thinc", "jax")
    missing, elsewhere, threads = (
        Target("training-step", "2-8-1", "x", "at most", 1, find),
        Target("predict", "2-8-1", "x", "at most", 1, find),
        Target("training-step", "2-8-1", "x", "at most", 1, find, threads=(2,)),
    )
    assert (verdicts := judge([result], [missing, elsewhere, threads])) == [
        Verdict(missing, 1, None),
        Verdict(elsewhere, None, None),
        Verdict(threads, None, None),
    ]
    assert all(verdict.line().endswith("not measured") for verdict in verdicts)


def test_what_jit_must_reach_depends_on_the_threads():
    wide = [t for t in TARGETS if t.case == "1024-2048-2048-1000" and t.what == "best peer / jit"]
    assert [(t.threads, t.limit) for t in wide] == [((1,), 1.0), ((2,), 0.95)]
    small = [t for t in TARGETS if t.case == "2-8-1" and t.what == "best peer / jit"]
    assert [(t.threads, t.limit) for t in small] == [(None, 5.0)]
    values = {"nnlite jit": [1.0], "nnlite fit": [1.0], "jax scan": [5.0], "jax": [9.0]}
    roles = {"nnlite jit": "ours", "nnlite fit": "ours", "jax scan": "peer", "jax": "peer"}
    found = Result("training-step", "2-8-1", 1, values=values, roles=roles)
    assert small[0].find(found) == 5  # a whole epoch in one call counts
    against_fit = next(t for t in TARGETS if t.case == "2-8-1" and t.what == "best peer / fit")
    assert against_fit.find(found) == 9  # here it does not


def test_every_target_can_be_measured():
    workloads = {workload.name: workload for workload in WORKLOADS}
    for target in TARGETS:
        workload = workloads[target.workload]
        assert target.case in workload.cases
        roles = {c.name: c.role for c in workload.contenders}
        values = {name: [1.0] for name in roles}
        details = {name: {"score": [1.0]} for name in roles}
        whole = Result(target.workload, target.case, 1, values=values, roles=roles, details=details)
        if workload.contenders:
            assert target.find(whole) is not None


# The command.


def test_the_command_measures_writes_and_checks(fake_workers, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "WORKLOADS", WORKLOADS[:2])
    monkeypatch.setattr(
        FakeWorker, "receive", lambda self, timeout: {"multiple": 1, "check": [1.0]}, raising=True
    )
    arguments = ["--quick", "--check", "--markdown", "--only-peers", "", "--output", str(tmp_path / "deep")]
    assert command.main(arguments) == 0
    out = capsys.readouterr().out
    assert "nnlite fit" in out
    assert "holds" in out
    assert "not measured" in out
    written = json.loads((tmp_path / "deep" / "results.json").read_text(encoding="utf-8"))
    assert {found["workload"] for found in written["results"]} == {"training-step", "predict"}
    assert written["machine"]["versions"]["numpy"] == np.__version__
    assert all(len(v) == 3 for found in written["results"] for v in found["values"].values())

    # An earlier run is reported as it was, without anything being measured.
    made = len(fake_workers)
    earlier = ["--from", str(tmp_path / "deep" / "results.json"), "--output", str(tmp_path / "again")]
    assert command.main([*earlier, "--check", "--markdown"]) == 0
    assert len(fake_workers) == made
    assert capsys.readouterr().out.split("\nin ")[0] == out.split("\nin ")[0]


def test_the_chart_is_drawn(result, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "chart.png"
    WORKLOADS[0].draw([result], path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_list_names_workloads_and_libraries(capsys):
    assert command.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(workload.name in out for workload in WORKLOADS)
    assert all(name in out for name in LIBRARIES)


@pytest.mark.parametrize(
    "arguments", [["no-such"], ["--only-peers", "cobol"], ["--rounds", "0"], ["--threads", "0"]]
)
def test_nonsense_on_the_command_line_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2
    assert "expected" in capsys.readouterr().err
