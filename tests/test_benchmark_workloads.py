"""The logic of the workloads of the benchmarks: what is computed, fitted, counted and left out."""

import time
from importlib import import_module
from importlib.util import find_spec
from inspect import signature

import numpy as np
import pytest

import nnlite as nn
from benchmarks import anchor as simple_chains
from benchmarks import levenberg_marquardt as methods
from benchmarks import rounds, tables
from benchmarks.epochs import Epochs
from benchmarks.job import Training, losses_by_sums
from benchmarks.libraries import bare, nnlite, reference
from benchmarks.many import InTurn, kind_of
from benchmarks.memory import forget_peak, peak, resident
from benchmarks.nets import GROWTH, GRU, NETS, SHAPED, Conv, Pool, find_net
from benchmarks.peers import LIBRARIES
from benchmarks.report import number
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session, Settings
from benchmarks.stats import relative_error
from benchmarks.tables import TABLES, Table
from benchmarks.targets import TARGETS
from benchmarks.worker import Worker, WorkerError
from benchmarks.workloads import accuracy, anchor, estimators, growth, process, sparse_text, whole_fit
from benchmarks.workloads import levenberg_marquardt as least_squares


class Answering(Session):
    """A session whose workers answer what a test says."""

    def __init__(self, answers, **settings):
        super().__init__(Settings(**settings), lambda line: None)
        self.answers, self.asked = answers, []

    def present(self, contenders):
        return [c for c in contenders if c.name in self.answers]

    def collect(self, workload, case, threads, contenders, requests, *, reference=None):
        names = [c.name for c in contenders if c.name in self.answers]
        self.asked.append((case, names, list(requests)))
        roles = {c.name: c.role for c in contenders if c.name in names}
        libraries = {c.name: c.library for c in contenders if c.name in names}
        result = Result(workload, case, threads, roles=roles, libraries=libraries)
        return result, {name: [self.answers[name](request) for request in requests] for name in names}


# Compiled by jit.


@pytest.fixture
def jit_stand_in(monkeypatch):
    """Let `fit` and `predict` have the argument, whether they have it already or not, and do without it."""
    seen = []

    def let(name):
        plain = getattr(nn.Sequential, name)

        def call(self, *given, jit=False, **options):
            seen.append((name, jit))
            found = plain(self, *given, **options)
            if name == "fit":
                found.engine = "a stand-in"
            return found

        monkeypatch.setattr(nn.Sequential, name, call)

    let("fit")
    let("predict")
    return seen


@pytest.mark.parametrize(
    ("job", "expected", "case"),
    [
        (nnlite.Fit, reference.Step, "2-8-1"),
        (nnlite.Fit, reference.Step, "64-128-10"),
        (nnlite.Fit, reference.Step, "batch 4"),
        (nnlite.ManyFit, reference.Many, "3 x 2-8-1"),
        (nnlite.FitEpochs, reference.ShortEpochs, "digits"),
        (nnlite.WholeFits, reference.ShortEpochs, "2-8-1, 10,000 rows"),
        (nnlite.Predict, reference.Predict, "64-128-10, 100 rows"),
        (simple_chains.Fit, simple_chains.Reference, "24-8-2"),
    ],
)
def test_jit_is_asked_for_and_checked_in_the_form_that_is_timed(jit_stand_in, job, expected, case):
    work = job(case, 1, jit=True)
    assert relative_error(work.check(), expected(case, 1).check()) < 1e-5
    checked = len(jit_stand_in)
    work.run(work.multiple)
    assert len(jit_stand_in) > checked > 0
    assert {jit for _, jit in jit_stand_in} == {True}
    assert work.remark == ("" if job is nnlite.Predict else "engine: a stand-in")


def test_without_jit_nothing_is_asked_for(jit_stand_in):
    for job, case in ((nnlite.Fit, "2-8-1"), (nnlite.Predict, "64-128-10, 10 rows")):
        work = job(case, 1)
        work.check()
        assert work.remark == ""
    assert {jit for _, jit in jit_stand_in} == {False}


def test_who_cannot_be_asked_for_jit_says_so(monkeypatch):
    def fit(self, X, y, *, loss): ...

    monkeypatch.setattr(nn.Sequential, "fit", fit)
    with pytest.raises(NotImplementedError, match="fit has no argument jit yet"):
        nnlite.Fit("2-8-1", 1, jit=True)
    nnlite.Fit("2-8-1", 1)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_losses_are_the_differences_of_sums(rng, shape):
    losses = rng.random((5, *shape))
    assert losses_by_sums(lambda steps: losses[:steps].mean(axis=0), 5) == pytest.approx(losses.ravel())


# Images and sequences.


SMALL = {
    "images": SHAPED["LeNet-5"]._replace(
        sizes=(3 * 2 * 4, 5, 3),
        batch=6,
        activation="tanh",
        shape=(7, 5, 2),
        front=(Conv(2, 3, 3, padding=1), Conv(3, 4, 2), Pool(2)),
    ),
    "sequences": SHAPED["GRU"]._replace(sizes=(5, 3), batch=6, shape=(4, 2), front=(GRU(2, 5),)),
}


@pytest.fixture(params=SMALL)
def shaped(request, monkeypatch):
    monkeypatch.setitem(SHAPED, request.param, SMALL[request.param])
    return request.param


@pytest.mark.parametrize(
    ("name", "options"), [("Step", {}), ("Step", {"channels_last": True}), ("CompiledStep", {})]
)
def test_torch_trains_nets_of_images_and_of_sequences_as_the_reference(shaped, name, options, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)  # takes many seconds
    work = getattr(import_module("benchmarks.libraries.torch"), name)(shaped, 1, **options)
    assert relative_error(work.check(), reference.Step(shaped, 1).check()) < 1e-5


# FANN and a compiled step of PyTorch.


def test_fann_makes_the_same_steps_of_the_one_net_that_it_can_train():
    fann = import_module("benchmarks.libraries.fann")
    with pytest.raises(NotImplementedError, match="no ReLU"):
        fann.Step("64-128-10", 1)
    if LIBRARIES["fann"].missing:
        return  # a package of the system, which pip cannot install
    expected = reference.Step("2-8-1", 1)
    work = fann.Step("2-8-1", 1)
    assert relative_error(work.check(), expected.check()) < 1e-5
    work.run(5)
    assert relative_error(work.check(), expected.check()) < 1e-5
    # Where it holds tanh to its end is beyond the outputs of the steps that are compared.
    expected.reset()
    for x, y in expected.batches[: expected.checked]:
        assert np.abs(expected.forward(x)[1]).max() < fann.END
        expected.step(x, y)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_whole_step_that_torch_compiles_is_that_of_the_reference(optimizer, monkeypatch):
    torch = pytest.importorskip("torch")
    job = import_module("benchmarks.libraries.torch").CompiledStep
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)  # takes many seconds
    monkeypatch.setitem(NETS, "small", NETS["64-128-10"]._replace(optimizer=optimizer))
    expected = reference.Step("small", 1).check()
    work = job("small", 1)
    assert relative_error(work.check(), expected) < 1e-5
    work.run(3)
    assert relative_error(work.check(), expected) < 1e-5


# Products alone.


def cost(products):
    return sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in products)


def test_floors_have_the_products_of_their_work():
    one = 4 * (2 * 8 * 2 + 8 * 3)  # no gradient for the input
    assert cost(bare.Floor("2-8-1", 1).products) == one
    many = bare.ManyFloor("3 x 2-8-1", 1)
    assert cost(many.products) == 3 * one
    assert len({id(out) for *_, out in many.products}) == len(many.products) == 15
    assert cost(bare.PredictFloor("64-128-10, 7 rows", 1).products) == 7 * (64 * 128 + 128 * 10)
    anchored = simple_chains.Floor("24-8-2", 1)
    assert cost(anchored.products) == 200 * (2 * 24 * 8 + 3 * 8 * 2)
    assert {str(out.dtype) for *_, out in anchored.products} == {"float64"}
    for floor in (many, anchored):
        floor.run(1)
        assert floor.check() == []


# The net of SimpleChains.jl.


@pytest.mark.parametrize("job", [simple_chains.Gradient, simple_chains.Fit])
def test_the_anchor_drops_units_where_it_is_timed_only(job):
    expected = simple_chains.Reference("24-8-2", 1).check()
    work = job("24-8-2", 1)
    assert relative_error(work.check(), expected) < 1e-12
    work.run(work.multiple)
    assert work.model[2].rate == simple_chains.DROPPED
    assert work.model.params.values.dtype == np.float64
    assert work.model.params.values.size == 24 * 8 + 8 + 8 * 2


def test_the_anchor_names_the_figures_that_are_not_measured():
    result = Result("anchor", "24-8-2", 1, values={"nnlite jit": [1e-6]}, roles={"nnlite jit": "ours"})
    for tables_of in (anchor.WORKLOAD.tables, anchor.WORKLOAD.overview):
        (table,) = tables_of([result])
        assert "not measured" in table.notes[-1]
        assert "SimpleChains.jl 5.7 µs" in table.notes[-1]


# Many nets as one.


@pytest.mark.parametrize("kind", ["2-8-1", "64-128-10"])
@pytest.mark.parametrize("job", [nnlite.ManyStep, nnlite.ManyFit])
def test_many_nets_as_one_have_the_losses_of_each_on_its_own(kind, job):
    case = f"3 x {kind}"
    expected = reference.Many(case, 1).check()
    assert len(expected) == 3 * Training.checked
    assert len(set(expected[:3])) == 3  # each has a start of its own
    for options in ({}, {"rates": True}):
        work = job(case, 1, **options)
        assert relative_error(work.check(), expected) < 1e-5
        work.run(work.multiple)
        assert relative_error(work.check(), expected) < 1e-5


def test_nets_in_turn_make_as_many_steps_each():
    steps = []

    class One(Training):
        def step(self, x, y):
            steps.append(tuple(self.weights[0][0].ravel()))
            return float(len(steps))

    class Both(InTurn):
        one = One

    work = Both("2 x 2-8-1", 1)
    work.run(3)
    assert len(steps) == 6
    assert len(set(steps[:3])) == len(set(steps[3:])) == 1
    assert steps[0] != steps[3]
    steps.clear()
    # The losses come step by step, as those of nets that are trained at once do.
    assert work.check()[:4] == [1, 11, 2, 12]


def test_one_of_many_is_the_plain_net():
    work = nnlite.OneOfMany("64 x 2-8-1", 1)
    assert work.net == NETS[kind_of("64 x 2-8-1")]
    assert work.model.params.values.shape == (33,)


# Epochs.


@pytest.fixture
def small_table(monkeypatch):
    def small():
        table = TABLES["digits"]()
        return table._replace(
            net=table.net._replace(sizes=(64, 8, 10), rate=0.01, batches=20),
            X=table.X[:640],
            y=table.y[:640],
        )

    monkeypatch.setitem(TABLES, "small", small)
    return "small"


@pytest.mark.parametrize("name", ["table of 10,000 rows", "digits", "spirals", "5,000 x 784"])
def test_a_table_has_whole_batches_and_keeps_rows_apart(name):
    table = TABLES[name]()
    assert isinstance(table, Table)
    assert len(table.X) == len(table.y) == table.net.rows
    assert table.X.dtype == np.float32
    assert set(table.y.tolist()) == set(range(table.net.sizes[-1]))
    assert table.X.shape[1] == table.net.sizes[0]
    both = np.concatenate([table.X, table.X_val])
    assert len(np.unique(both, axis=0)) == len(both)
    assert np.array_equal(table.X, TABLES[name]().X)


@pytest.mark.parametrize("job", [bare.LoopEpochs, nnlite.FitEpochs])
def test_epochs_compute_what_the_reference_does(small_table, job):
    expected = reference.ShortEpochs(small_table, 1).check()
    assert len(expected) == 2
    work = job(small_table, 1)
    assert relative_error(work.check(), expected) < 1e-5
    work.run(1)
    assert relative_error(work.check(), expected) < 1e-5
    work.reset()
    assert relative_error(work.train(2), expected) > 1e-3  # whole epochs, in another order


@pytest.mark.parametrize("job", [bare.LoopEpochs, nnlite.FitEpochs])
def test_a_goal_is_reached_or_given_up(small_table, job):
    work = job(small_table, 1)
    found = work.reach(seed=3, accuracy=0.8, epochs=50)
    assert found["accuracy"] >= 0.8
    assert 1 <= found["epochs"] < 50
    assert found["seconds"] > 0
    assert work.reach(seed=3, accuracy=0.8, epochs=50)["epochs"] == found["epochs"]
    assert work.reach(seed=3, accuracy=2.0, epochs=2)["epochs"] == 2


def test_training_stops_as_soon_as_it_is_enough():
    class Counting(Epochs):
        def __init__(self):
            self.done = 0

        def new_order(self):
            return None

        def epoch(self, order):
            self.done += 1

    work = Counting()
    work.until(lambda: work.done == 2, 5)
    assert work.done == 2


def test_who_misses_a_goal_is_left_out_of_the_times():
    goal = accuracy.GOALS["digits"]

    def reach(request):
        return {"seconds": 1.0 + request["seed"], "epochs": 4, "accuracy": goal}

    def miss(request):
        return {"seconds": 9.0, "epochs": request["epochs"], "accuracy": goal - 0.1 * (request["seed"] == 2)}

    session = Answering({"nnlite fit": reach, "jax": miss})
    first, _ = accuracy.WORKLOAD.run(session)
    assert first.values == {"nnlite fit": [1.0 + seed for seed in range(accuracy.SEEDS)]}
    assert first.left_out == {"jax": f"missed 1 of {accuracy.SEEDS} goals within {accuracy.LIMIT} epochs"}
    assert session.asked[0][2][0]["epochs"] == 1  # the first call does not count
    (table,) = accuracy.WORKLOAD.tables([first])
    assert [row[0] for row in table.rows] == ["nnlite fit"]
    assert table.rows[0][-1] == "4"


@pytest.mark.parametrize("name", tables.PLAIN)
def test_whole_fits_have_ten_thousand_rows(name):
    table = TABLES[f"{name}, 10,000 rows"]()
    assert f"{name}, 10,000 rows" in whole_fit.WORKLOAD.cases
    assert len(table.X) == len(table.y) == table.net.rows
    assert 10_000 - table.net.batch < table.net.rows <= 10_000
    assert len(table.X_val) == len(table.y_val) > 2_000


def test_a_whole_fit_is_a_call_for_each_epoch(monkeypatch):
    work = nnlite.WholeFits("2-8-1, 10,000 rows", 1)
    work.reset()
    trained = []
    monkeypatch.setattr(work, "train", trained.append)
    work.run(3)
    assert trained == [1, 1, 1]


# Growth.


def curve(seconds, sizes=(1, 10, 100)):
    return growth.Curve(list(sizes), list(seconds), None)


def test_who_leads_changes_where_the_lines_cross():
    curves = {
        "BLAS floor": curve([0.1, 0.1, 0.1]),
        "nnlite jit": curve([1.0, 1.0, 100.0]),
        "torch": curve([10.0, 10.0, 10.0]),
        "jax": curve([4.0], [1]),
    }
    first, last = growth.find_leads(curves)
    assert (first.name, first.start, last.name, last.end) == ("nnlite jit", 1, "torch", 100)
    assert first.end == last.start == pytest.approx(10**1.5)
    assert growth.describe_leads([first, last]) == "the fastest: nnlite jit to n = 31.6, then torch"


def test_one_who_leads_everywhere_or_was_not_there_has_no_crossing():
    assert growth.find_leads({"a": curve([1.0, 1.0, 1.0])}) == [("a", 1, 100)]
    leads = growth.find_leads({"a": curve([1.0, 1.0, 1.0]), "b": curve([0.5], [100])})
    assert leads == [("a", 1, 100), ("b", 100, 100)]


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_exponents_are_those_of_the_largest_sizes(power):
    sizes = [1, 2, 4, 8, 16, 32, 64]
    values = [[100.0, 100.0] if n < 8 else [n**power, 3 * n**power] for n in sizes]
    assert growth.fit_exponents(sizes, values) == pytest.approx((power, power, power), abs=1e-12)


def test_one_size_has_no_exponent():
    assert growth.fit_exponents([4], [[1.0]]) is None


def grown(axis, size, **values):
    names = {"nnlite": "nnlite fit"}
    return Result("growth", f"{axis} {size}", 1, values={names.get(k, k): v for k, v in values.items()})


def test_curves_are_sorted_by_size_and_kept_apart_by_axis():
    results = [
        grown("width", 16, nnlite=[2.0, 4.0]),
        grown("width", 8, nnlite=[1.0, 1.0], jax=[5.0, 5.0]),
        grown("depth", 1, nnlite=[9.0]),
    ]
    curves = growth.find_curves("width", results)
    assert curves["nnlite fit"].sizes == [8, 16]
    assert curves["nnlite fit"].seconds == [1, 3]
    assert curves["nnlite fit"].exponent.median == pytest.approx(1.5)
    assert curves["jax"].exponent is None
    results[2].left_out = {"torch": "ImportError: no\nmore"}
    width, depth = growth.WORKLOAD.tables(results)
    assert "the fastest: nnlite fit" in width.notes
    assert "left out: torch: ImportError: no (from n = 1)" in depth.notes
    assert width.header == ["n", "8", "16", "exponent"]
    assert [len(row) for row in width.rows] == [4, 4]
    assert "with depth" in depth.title


def test_of_very_deep_nets_fewer_losses_are_compared():
    assert len(reference.Step("depth 16", 1).check()) == Training.checked
    expected = reference.Step("depth 32", 1).check()
    assert len(expected) == Training.checked_deep
    assert relative_error(nnlite.Fit("depth 32", 1).check(), expected) < 1e-5


def test_nets_grow_in_one_direction():
    for axis, sizes in GROWTH.items():
        if axis == "replicas":
            continue
        nets = [find_net(f"{axis} {size}") for size in sizes]
        cost = [
            net.batch * sum(a * b for a, b in zip(net.sizes, net.sizes[1:], strict=False)) for net in nets
        ]
        assert cost == sorted(set(cost))
    assert find_net("2-8-1") is NETS["2-8-1"]
    with pytest.raises(KeyError, match="no such net"):
        find_net("no such net")


def test_the_chart_of_growth_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    names = {c.name for c in (*growth.ONE, *growth.MANY)}
    results = [
        grown(axis, size, **(dict.fromkeys(names, [1e-6 * size] * 2) | {"torch": [2e-5] * 2}))
        for axis in ("width", "replicas")
        for size in (8, 16, 32)
    ]
    growth.WORKLOAD.draw(results, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


# Processes.


def test_the_peak_of_memory_is_seen():
    forget_peak()
    before = peak()
    held = np.ones(8_000_000)  # 64 MB
    for _ in range(500):  # a system may say it a little later
        if peak() > before + 50:
            break
        time.sleep(0.02)
    assert peak() > before + 50
    assert resident() >= 50
    del held
    assert peak() > before + 50


def test_a_program_is_timed_and_says_a_number():
    taken, printed = process.run_process("print('noise'); print(12.5)", 1)
    assert printed == 12.5
    assert 1 < taken < 60_000
    with pytest.raises(WorkerError, match="ZeroDivisionError"):
        process.run_process("1 / 0", 1)


@pytest.mark.parametrize("name", process.PROGRAMS)
def test_programs_are_python(name):
    compile(process.program_of_import(name), name, "exec")
    if process.PROGRAMS[name][1]:
        assert f"train({process.EPOCHS})" in process.program_of_script(name)
        compile(process.program_of_script(name), name, "exec")
        compile(process.program_of_fit(name), name, "exec")


def test_the_first_round_of_processes_does_not_count(monkeypatch):
    seen = []

    def run(program, threads):
        seen.append(program)
        if "torch" in program:
            raise WorkerError("no")
        return float(len(seen)), 40.0

    monkeypatch.setattr(process, "run_process", run)
    session = Session(Settings(rounds=2, only=("torch",), threads=(1,)), lambda line: None)
    monkeypatch.setattr(session, "present", lambda contenders: [c for c in contenders if c.name in names])
    names = ("nnlite", "torch")
    found = list(process.WORKLOAD.run(session))
    assert [result.case for result in found] == list(process.CASES)
    first = found[0]
    assert first.values == {"nnlite": [3.0, 4.0]}
    assert found[1].values == {"nnlite": [40.0, 40.0]}
    assert found[1].unit == "MB"
    assert first.left_out == {"torch": "no"}


# Least squares.


def test_both_ends_name_the_same_methods():
    assert {least_squares.OURS, least_squares.ADAM} <= set(methods.METHODS)
    assert [c.name for c in least_squares.SECOND_ORDER] == list(methods.METHODS)[:-1]
    assert set(least_squares.WORKLOAD.cases) == set(methods.PROBLEMS)
    assert least_squares.GOAL == methods.TARGET


def test_a_method_trains_and_says_when_it_was_there():
    found = methods.LeastSquares("sine", 1, method=least_squares.OURS).train(seed=0, limit=0.0)
    # Stopped after the first step: it is somewhere, and not yet there.
    assert found["reached"] is None
    assert methods.TARGET < found["loss"] < 10
    assert found["seconds"] > 0


def test_seeds_within_the_time_are_counted():
    def half(request):
        return {"reached": 0.2 if request["seed"] % 2 else None, "loss": 1e-9, "seconds": 1.0}

    def adam(request):
        assert request["limit"] is None
        return {"reached": None, "loss": 2e-6, "seconds": 5.0}

    def late(request):
        return {"reached": 2.0, "loss": 1e-9, "seconds": 2.0}

    names = [c.name for c in least_squares.SECOND_ORDER]
    session = Answering({names[0]: half, names[2]: late, least_squares.ADAM: adam})
    sine, surface = least_squares.WORKLOAD.run(session)
    assert least_squares.share_within(sine, names[0]) == 50
    assert least_squares.share_within(sine, names[2]) == 0
    assert sine.values == {names[2]: [2.0] * least_squares.SEEDS}
    assert least_squares.ADAM not in surface.details
    found = [t.find(sine) for t in TARGETS if t.workload == least_squares.WORKLOAD.name]
    assert found == pytest.approx([50, 200])
    assert [t.find(surface) for t in TARGETS if t.workload == least_squares.WORKLOAD.name][1] is None
    table, _ = least_squares.WORKLOAD.tables([sine, surface])
    rows = {row[0]: row for row in table.rows}
    assert rows[names[0]][1:4] == [f"{least_squares.SEEDS // 2} of {least_squares.SEEDS}", "50 %", "0.20"]
    assert rows[least_squares.ADAM][3] == "never"


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.00"), (2.14e-6, "2.1e-06"), (0.005, "0.01")])
def test_numbers_close_to_zero_have_a_power_of_ten(value, text):
    assert number(value) == text


# Estimators.


def nearest_mean(X, y, X_val):
    """Give each row the class whose mean it is nearest to."""
    means = np.stack([np.asarray(X[y == number].mean(axis=0)).ravel() for number in range(y.max() + 1)])
    return (X_val @ means.T - (means**2).sum(axis=1) / 2).argmax(axis=1)


@pytest.mark.parametrize("name", ["5,000 x 784", "4,000 words"])
def test_drawn_classes_are_neither_trivial_nor_noise(name):
    table = TABLES[name]()
    right = np.mean(nearest_mean(table.X, table.y, table.X_val) == table.y_val)
    assert 0.35 < right < 0.9


@pytest.fixture
def few_digits(monkeypatch):
    digits = TABLES["digits"]()
    monkeypatch.setitem(TABLES, "few", lambda: digits._replace(X=digits.X[:300], y=digits.y[:300]))
    return "few"


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators_make_all_epochs_and_compute_the_same(few_digits):
    pytest.importorskip("sklearn")
    from benchmarks.estimators import CHECKED_EPOCHS, Classifier

    jit = "jit" in signature(nn.sklearn.MLPClassifier).parameters and find_spec("numba") is not None
    everyone = [c for c in estimators.WORKLOAD.contenders if c.role != "yardstick"]
    everyone = [c for c in everyone if jit or "jit" not in c.options]
    works = {c.name: Classifier(few_digits, 1, **c.options) for c in everyone}
    losses = {name: work.check() for name, work in works.items()}
    found = {name: work.fit(seed=1, epochs=12) for name, work in works.items()}
    assert {name for name, work in works.items() if work.X.dtype == np.float32} == {"scikit-learn, float32"}
    assert {str(work.X.dtype) for work in works.values()} == {"float64", "float32"}
    for theirs, ours in [pair for pair in estimators.PAIRS if pair[1] in works]:
        assert len(losses[theirs]) == CHECKED_EPOCHS
        assert relative_error(losses[ours], losses[theirs]) < 1e-5
        assert found[ours]["epochs"] == found[theirs]["epochs"] == 12
        assert found[ours]["score"] == found[theirs]["score"] > 0.5
        assert found[ours]["seconds"] > 0
    assert relative_error(losses["nnlite"], losses["scikit-learn"]) < 1e-10


@pytest.mark.parametrize("data", ["float64", "float32"])
def test_the_floor_has_the_products_of_an_epoch_with_the_default_parameters(few_digits, data):
    neural_network = pytest.importorskip("sklearn.neural_network")
    from benchmarks.estimators import BATCH, HIDDEN, Floor

    default = neural_network.MLPClassifier()
    assert default.hidden_layer_sizes == (HIDDEN,)
    assert min(200, len(TABLES[few_digits]().X)) == BATCH  # what batch_size="auto" means
    floor = Floor(few_digits, 1, data=data)
    work = sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in floor.products)
    assert work == 300 * HIDDEN * (2 * 64 + 3 * 10)  # no product gives a gradient for the input
    assert {str(out.dtype) for *_, out in floor.products} == {data}
    found = floor.fit(seed=0, epochs=2)
    assert found["epochs"] == 2
    assert found["seconds"] > 0
    assert floor.check() == []


def fitted(seconds, score):
    """Answer as an estimator that takes so long, and gains a hundredth with each seed."""

    def answer(request):
        return {
            "seconds": seconds,
            "epochs": request["epochs"],
            "score": score + request["seed"] / 100,
        }

    return answer


def test_fits_go_through_the_seeds_and_keep_the_scores():
    answers = {
        "reference": fitted(9.0, 0.0),
        "BLAS floor": lambda request: {"seconds": 0.5, "epochs": request["epochs"]},
        "nnlite": fitted(1.0, 0.5),
        "scikit-learn": fitted(2.5, 0.6),
        "scikit-learn, float32": fitted(2.0, 0.6),
    }
    session = Answering(answers, rounds=7, threads=(2,))
    digits, other = estimators.WORKLOAD.run(session)
    assert [digits.case, other.case] == list(estimators.WORKLOAD.cases)
    case, names, requests = session.asked[0]
    assert "reference" not in names
    assert [request["seed"] for request in requests] == [0, 1, 2, 3, 4, 0, 1]
    assert {request["epochs"] for request in requests} == {estimators.EPOCHS[case]}
    assert [result.threads for result in (digits, other)] == [2, 2]
    assert digits.values["nnlite"] == [1.0] * 7
    assert digits.details["nnlite"]["score"] == pytest.approx([0.5, 0.51, 0.52, 0.53, 0.54])
    found = [t.find(digits) for t in TARGETS if (t.workload, t.case) == ("estimators", "digits")]
    assert found == [2.5, pytest.approx(-10), *[None] * 5]
    table, _ = estimators.WORKLOAD.tables([digits, other])
    assert table.header[-2:] == ["times BLAS floor", "score, %"]
    assert [[row[0], *row[-2:]] for row in table.rows[:2]] == [
        ["BLAS floor", "1.00", ""],
        ["nnlite", "2.00", "52.00"],
    ]
    (brief,) = estimators.WORKLOAD.overview([digits])
    assert brief.header[-4:] == [f"{theirs} / {ours}" for theirs, ours in estimators.PAIRS]
    assert brief.rows[0][1:] == [
        *("2,500 (62.00 %)", "1,000 (52.00 %)", "", "", "2,000 (62.00 %)"),
        *("2.50", "", "", ""),
    ]


def test_without_the_class_to_compare_with_there_are_no_estimators():
    assert list(estimators.WORKLOAD.run(Answering({"nnlite": fitted(1.0, 0.5)}))) == []


# Sparse text.


def test_text_is_sparse_and_some_words_are_frequent():
    table = tables.text(2_000, 512)
    assert table.X.format == "csr"
    assert table.X.dtype == np.float32
    assert table.X.shape == (table.net.rows, table.net.sizes[0]) == (512, 2_000)
    assert table.X_val.shape == (128, 2_000)
    assert set(table.y.tolist()) == set(range(table.net.sizes[-1]))
    assert np.diff(table.X.indptr).mean() < 0.1 * 2_000
    assert table.X.multiply(table.X).sum(axis=1) == pytest.approx(1)
    often = np.bincount(table.X.indices, minlength=2_000)
    assert often[:20].mean() > 10 * often[1_000:].mean()
    again = tables.text.__wrapped__(2_000, 512)
    assert (again.X != table.X).nnz == 0
    assert np.array_equal(again.y_val, table.y_val)


@pytest.fixture
def small_text(monkeypatch):
    monkeypatch.setitem(TABLES, "small text", lambda: tables.text(300, 1_280))
    return "small text"


@pytest.mark.parametrize(
    "place",
    [
        "nnlite:FitEpochs",
        "nnlite:DenseFitEpochs",
        "sklearn:PartialFitEpochs",
        "torch:BagEpochs",
        "torch:ProductEpochs",
        "torch:DenseLoopEpochs",
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_epochs_on_sparse_rows_compute_what_the_reference_does(small_text, place):
    module, _, name = place.partition(":")
    pytest.importorskip(module)
    job = getattr(import_module(f"benchmarks.libraries.{module}"), name)
    expected = reference.DenseShortEpochs(small_text, 1).check()
    work = job(small_text, 1)
    assert relative_error(work.check(), expected) < 1e-4
    work.run(1)
    assert relative_error(work.check(), expected) < 1e-4


def test_memory_is_what_is_added_to_sparse_rows():
    found = {}
    for contender in sparse_text.WORKLOAD.contenders[:2]:
        program = sparse_text.program_of_memory(contender, "4,000 words", 1)
        found[contender.name] = process.run_process(program, 1)[1]
    dense = 4e-6 * 4_000 * 1_600
    assert found["nnlite, dense rows"] > found["nnlite fit"] + 0.8 * dense
    for contender in sparse_text.WORKLOAD.contenders:
        compile(sparse_text.program_of_memory(contender, "4,000 words", 1), contender.name, "exec")


def test_epochs_are_timed_and_their_memory_is_measured(monkeypatch):
    measured = []

    def measure(workload, case, threads, contenders, *, reference, rounds):
        measured.append((case, threads, reference.name, rounds))
        roles = {c.name: c.role for c in contenders}
        libraries = {c.name: c.library for c in contenders}
        values = {name: [2e-3] * rounds for name in roles}
        return Result(workload, case, threads, values=values, roles=roles, libraries=libraries)

    def run(program, threads):
        if "torch" in program:
            raise WorkerError("no")
        return 1.0, 40.0 if "Dense" in program else 5.0

    monkeypatch.setattr(sparse_text, "run_process", run)
    names = ("nnlite fit", "nnlite, dense rows", "torch bag")
    session = Answering(dict.fromkeys(names), rounds=9, threads=(1, 2))
    monkeypatch.setattr(session, "measure", measure)
    found = list(sparse_text.WORKLOAD.run(session))
    assert [(result.case, result.threads) for result in found[:4]] == [
        (case, threads) for case in ("4,000 words", "20,000 words") for threads in (1, 2)
    ]
    assert measured[0] == ("4,000 words", 1, "reference", 5)
    (memory,) = found[4:]
    assert memory.unit == "MB"
    assert memory.values == {"nnlite fit": [5.0] * 3, "nnlite, dense rows": [40.0] * 3}
    assert memory.left_out == {"torch bag": "no"}
    assert [t.find(memory) for t in TARGETS if (t.workload, t.case) == ("sparse-text", memory.case)] == [
        None,
        8,
    ]
    *times, last = sparse_text.WORKLOAD.tables(found)
    assert [table.header[1] for table in times] == ["ms"] * 4
    assert last.header[1] == "MB"
    assert last.rows[0][:2] == ["nnlite fit", "5.00"]
    brief = sparse_text.WORKLOAD.overview(found)
    assert [len(table.rows) for table in brief] == [4, 1]
    quick = Answering(dict.fromkeys(names), quick=True, threads=(1,))
    monkeypatch.setattr(quick, "measure", measure)
    assert [result.case for result in sparse_text.WORKLOAD.run(quick)] == ["4,000 words"]


# A session that asks.


class AnsweringWorker:
    """Answers with the name of its job; the bad one fails at the second question."""

    asked = ""

    def __init__(self, threads):
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def send(self, do, *, code, case, threads, options):
        self.name = options["name"]

    def receive(self, timeout):
        return {"multiple": 1, "check": {"reference": [1.0], "wrong": [2.0]}.get(self.name, [])}

    def ask(self, do, *, method, number):
        AnsweringWorker.asked += self.name[0]
        if self.name == "bad" and number == 1:
            raise WorkerError("ValueError: at 1")
        return [do, method, number]

    def close(self):
        self.closed = True


def test_jobs_are_asked_in_turn_and_who_fails_is_asked_no_more(monkeypatch):
    monkeypatch.setattr(rounds, "Worker", AnsweringWorker)
    monkeypatch.setattr(AnsweringWorker, "asked", "")
    everyone = [Contender(name, "numpy", "m:n", options={"name": name}) for name in ("good", "bad")]
    requests = [{"method": "answer", "number": number} for number in range(3)]
    with Session(Settings(), lambda line: None) as session:
        result, answers = session.collect("w", "c", 1, everyone, requests)
    assert AnsweringWorker.asked == "gbgbg"
    assert answers == {"good": [["call", "answer", number] for number in range(3)]}
    assert result.left_out == {"bad": "ValueError: at 1"}


def test_who_computes_something_else_is_not_asked(monkeypatch):
    monkeypatch.setattr(rounds, "Worker", AnsweringWorker)
    monkeypatch.setattr(AnsweringWorker, "asked", "")
    known, *everyone = [
        Contender(name, "numpy", "m:n", options={"name": name}) for name in ("reference", "good", "wrong")
    ]
    with Session(Settings(), lambda line: None) as session:
        requests = [{"method": "answer", "number": 0}]
        result, answers = session.collect("w", "c", 1, everyone, requests, reference=known)
    assert AnsweringWorker.asked == "g"
    assert list(answers) == ["good"]
    assert list(result.roles) == ["good"]
    assert "relative error 1.0e+00" in result.left_out["wrong"]


def test_a_worker_calls_a_method_of_its_job():
    with Worker(1) as worker:
        options = {"method": least_squares.OURS}
        code = "benchmarks.levenberg_marquardt:LeastSquares"
        worker.ask("make", code=code, case="sine", threads=1, options=options)
        found = worker.ask("call", method="train", seed=0, limit=0.0)
        assert set(found) == {"reached", "loss", "seconds"}
