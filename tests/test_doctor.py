"""The doctor: broken set-ups are named by their code, healthy ones are left alone, and nothing is changed."""

import ast
import copy
import json
import math
import pickle
import re
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from workpieces import Sum, net_of_blocks

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.inspect.checkup import Diagnosis, Doctor, DoctorWarning, doctor, labels, last_layer, structure
from nnlite.inspect.checkup.admission import admit
from nnlite.inspect.checkup.codes import CODES, SEVERITIES, page_of, rank
from nnlite.inspect.checkup.patient import measured_loss
from nnlite.sweeps.evidence import least

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nnlite" / "inspect" / "checkup"
FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)


def load_clinic():
    """Import the example, which is in no package, with all that its parts define."""
    sys.path.append(f"{ROOT / 'examples'}")
    try:
        modules = [import_module(f"clinic_cases.{name}") for name in ("common", "broken", "healthy")]
    finally:
        sys.path.pop()
    return SimpleNamespace(**{name: value for module in modules for name, value in vars(module).items()})


clinic = load_clinic()


def small_net(features=4, outputs=3, *, seed=0, first=(), **options):
    return nn.Sequential(
        [*first, nn.Dense(features, 16), nn.Tanh(), nn.Dense(16, outputs)], rng=seed, **options
    )


def iris():
    X, y = clinic.iris(0)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def state_of(model, optimizer):
    """Return all that an examination could change, as bytes."""
    buffers = [{name: array.tobytes() for name, array in layer.buffers.items()} for layer in model.layers]
    return pickle.dumps(
        (
            model.params.values.tobytes(),
            model.params.grads.tobytes(),
            sorted(model.params.frozen),
            buffers,
            model.rng.bit_generator.state,
            model.rng.bit_generator.seed_seq.n_children_spawned,
            model.feature_names,
            optimizer.state_dict(),
            getattr(optimizer, "learning_rate", None),
        )
    )


# The clinic.


def chosen(builds, ordinary):
    """Give set-ups: some, and where it may take long all."""
    return [
        pytest.param(build, marks=() if build in ordinary else pytest.mark.thorough, id=build.__name__)
        for build in builds
    ]


def built(build):
    """Build a set-up, or skip where the package that brings its data is not there."""
    try:
        return build(0)
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing}")


#: The first of each code.
KINDS = list({code: build for build, (code, _) in reversed(clinic.BROKEN.items())}.values())


def test_the_clinic_is_large_enough():
    assert len(clinic.BROKEN) >= 60
    assert len(clinic.HEALTHY) >= 40


@pytest.mark.parametrize("build", chosen(clinic.BROKEN, KINDS))
def test_broken_set_ups_are_named_by_the_right_code_and_line_first(build):
    set_up = built(build)
    before = state_of(set_up.model, set_up.optimizer)
    diagnosis = set_up.examine()
    code, fix = clinic.BROKEN[build]
    assert diagnosis.codes[0] == code, f"{diagnosis}"
    assert re.search(fix, diagnosis[0].fix), f"{diagnosis[0]}"
    assert diagnosis[0].severity in ("error", "warning")
    assert not diagnosis.healthy
    assert state_of(set_up.model, set_up.optimizer) == before
    for one in diagnosis:
        assert one.name == CODES[one.code]
        assert one.severity in SEVERITIES
        assert one.evidence
        assert one.message.endswith(".")
        assert one.fix.endswith(".")
        assert "\n" not in one.message + one.fix
        assert f"{one.code} {one.name}" in f"{diagnosis}"
        assert one.code in diagnosis._repr_html_()
    json.dumps(diagnosis.to_dict(), allow_nan=False)


@pytest.mark.parametrize("build", chosen(clinic.HEALTHY, clinic.HEALTHY[::3]))
def test_healthy_set_ups_have_nothing_above_a_note_before_during_and_after_training(build):
    set_up = built(build)
    assert set_up.examine().healthy, f"{set_up.examine()}"
    during = set_up.watch()
    assert during.healthy, f"{during}"
    before = state_of(set_up.model, set_up.optimizer)
    diagnosis = set_up.examine()
    assert diagnosis.healthy, f"{diagnosis}"
    assert diagnosis.trained
    assert state_of(set_up.model, set_up.optimizer) == before


def test_an_examination_does_not_change_the_training_that_follows():
    one, other = clinic.digits_with_dropout(0), clinic.digits_with_dropout(0)
    one.epochs = other.epochs = 2
    one.examine()
    one.train()
    other.train()
    assert (one.model.params.values == other.model.params.values).all()


def test_the_data_are_left_alone():
    X, y = iris()
    kept_X, kept_y = X.copy(), y.copy()
    doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), validation=(X, y))
    assert (kept_X == X).all()
    assert (y == kept_y).all()


# Codes, pages and thresholds.


def test_every_code_has_a_page_and_every_page_a_code():
    pages = {path.stem for path in (ROOT / "docs" / "doctor").glob("*.md")}
    assert pages == set(CODES)
    overview = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    for code, name in CODES.items():
        path = ROOT / page_of(code)
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {code}: {name.replace('-', ' ')}\n")
        assert "```python" in text
        assert "## What to do" in text
        assert f"[{code}](doctor/{code}.md) | {name} |" in overview


def test_every_code_that_is_more_than_a_note_is_in_the_clinic():
    # Notes, and what has a cause, of which it is the evidence.
    never_alone = {"NN111", "NN307", "NN403"}
    named = {code for code, _ in clinic.BROKEN.values()}
    assert named == set(CODES) - never_alone


def numbers(node):
    return [
        child.value
        for child in ast.walk(node)
        if isinstance(child, ast.Constant) and type(child.value) in (int, float)
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_no_threshold_is_unexplained(path):
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    tree = ast.parse(source)
    explained = False
    for node in tree.body:
        if isinstance(node, ast.Assign) and numbers(node.value):
            # A comment that explains stands above it, or above its neighbour, without an empty line between.
            explained = lines[node.lineno - 2].startswith("#:") or (
                explained and lines[node.lineno - 2] != ""
            )
            assert explained, f"line {node.lineno}: {lines[node.lineno - 1]}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            unnamed = [value for value in numbers(node) if value not in (0, 1, 2, 3, 1e-30)]
            assert not unnamed, f"line {node.lineno}: {unnamed} is compared with, and has no name"


def test_causes_come_before_what_follows_from_them():
    assert rank("NN101", trained=False) < rank("NN301", trained=False) < rank("NN402", trained=False)
    assert rank("NN303", trained=False) < rank("NN301", trained=False)
    assert rank("NN301", trained=True) < rank("NN303", trained=True)
    assert sorted(rank(code, trained=True) for code in CODES) == list(range(len(CODES)))


def test_notes_come_last_and_pages_are_named():
    diagnosis = clinic.rate_of_adam_absurd_and_loss_finite(0).examine()
    kinds = [one.severity == "note" for one in diagnosis]
    assert kinds == sorted(kinds)
    assert len(diagnosis) == len(list(diagnosis)) > len(diagnosis.problems)
    assert all((ROOT / one.page).exists() for one in diagnosis)


def test_nothing_found_says_what_was_checked():
    text = f"{clinic.spirals_with_adam(0).examine()}"
    assert text.startswith("doctor: nothing found (500 rows, before training)")
    for what in ("features", "learning rate", "one batch by heart", "gradient against differences"):
        assert what in text.split("not checked")[0]
    assert "not checked, no validation rows were given: rows in training and validation" in text


def test_html_is_escaped():
    X, y = iris()

    class Angle(nn.Tanh):
        def __repr__(self):
            return "<script>"

        def backward(self, dy, ctx):
            return 2 * super().backward(dy, ctx)

    model = nn.Sequential([nn.Dense(4, 16), Angle(), nn.Dense(16, 3)], rng=0)
    html = doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    shown, _, folded = html.partition("<details>")
    assert "not checked" in folded
    assert "checked" not in shown


# Single findings.


def found(code, diagnosis):
    assert code in diagnosis.codes, f"{diagnosis}"
    return diagnosis[diagnosis.codes.index(code)]


def test_the_limit_of_the_rate_is_that_of_the_curvature():
    # The loss (w * x)**2 with x = 3 curves by 18 everywhere.
    model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0, dtype=np.float64)
    X, y = np.array([[3.0], [3.0], [-3.0]]), np.array([[2.0], [2.0], [-2.1]])
    diagnosis = doctor(model, X, y, nn.MeanSquaredError(), nn.SGD(0.15), batch_size=3)
    one = found("NN301", diagnosis)
    assert one.evidence["limit"] == pytest.approx(2 / 18, rel=1e-4)
    assert "0.111" in one.message
    assert doctor(model, X, y, nn.MeanSquaredError(), nn.SGD(0.1), batch_size=3).healthy
    momentum = doctor(model, X, y, nn.MeanSquaredError(), nn.SGD(0.3, momentum=0.5), batch_size=3)
    assert found("NN301", momentum).evidence["limit"] == pytest.approx(3 / 18, rel=1e-4)


@pytest.mark.parametrize(("rate", "code"), [(0.112, "NN301"), (0.1, None), (1e-6, "NN302")])
def test_a_rate_beyond_the_curvature_that_does_no_harm_is_a_note(rate, code):
    X, y = np.array([[3.0], [3.0], [-3.0]]), np.array([[2.0], [2.1], [-2.2]])
    model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0, dtype=np.float64)
    model[0].W[...] = (X * y).sum() / (X * X).sum()  # at the minimum, where no step leads away
    diagnosis = doctor(model, X, y, nn.MeanSquaredError(), nn.SGD(rate), batch_size=3)
    assert diagnosis.codes == ((code,) if code else ())
    assert diagnosis.healthy


@pytest.mark.parametrize("optimizer", [nn.Adam, nn.AdamW, nn.NAdam, nn.RMSProp, nn.Adagrad, nn.Lion, nn.SGD])
def test_absurd_rates_of_every_optimizer_are_found(optimizer):
    X, y = clinic.digits(0, 500)
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    found("NN301", doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer(30.0)))
    found("NN302", doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer(1e-7)))


def test_the_rate_of_a_schedule_is_the_one_that_counts():
    X, y = clinic.digits(0, 500)
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    rising = nn.schedules.WarmUp(nn.schedules.ConstantRate(0.003), steps=1000)
    assert doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(rising)).healthy


WAITING = [
    nn.CosineDecay(0.01),
    nn.schedules.OneCycle(0.01),
    nn.schedules.StepDecay(0.01, every=30, unit="epochs"),
    nn.schedules.PolynomialDecay(0.01),
    nn.schedules.CosineRestarts(0.01, epochs=2),
    nn.WarmUp(nn.CosineDecay(0.01), epochs=2, start=0.1),
]


@pytest.mark.parametrize("schedule", WAITING, ids=repr)
def test_schedules_that_fit_tells_their_length_are_examined_before_and_after(schedule):
    X, y = clinic.digits(0, 500)
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    loss, adam = nn.SoftmaxCrossEntropy(), nn.Adam(schedule)
    kept = state_of(model, adam)
    before = doctor(model, X, y, loss, adam)
    assert before.healthy, before
    assert "learning rate" in before.checked
    assert state_of(model, adam) == kept
    with pytest.raises(ArgumentError, match="steps to count in"):
        _ = adam.rate  # still waits
    history = model.fit(X, y, loss=loss, optimizer=adam, epochs=20)
    after = doctor(model, X, y, loss, adam, history=history)
    assert after.healthy, after
    assert after.skipped["learning rate"] == "the training went well"


@pytest.mark.parametrize(
    ("schedule", "code", "fix"),
    [
        (nn.CosineDecay(300.0), "NN301", r"Try 0\.\d+ times its rates;"),
        (nn.schedules.OneCycle(1e-7), "NN302", r"Try 10+ times its rates;"),
    ],
    ids=repr,
)
def test_rates_of_schedules_that_wait_for_fit_are_judged(schedule, code, fix):
    X, y = clinic.digits(0, 500)
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    loss, adam = nn.SoftmaxCrossEntropy(), nn.Adam(schedule)
    one = found(code, doctor(model, X, y, loss, adam))
    assert f"by {schedule}" in one.message
    assert re.match(fix, one.fix)
    # And behind a training in which nothing was learned, from new weights, though its schedule is over.
    history = model.fit(X, y, loss=loss, optimizer=adam, epochs=5)
    after = found(code, doctor(model, X, y, loss, adam, history=history))
    assert after.message.startswith("From new weights, ")


def test_a_schedule_that_still_rises_is_not_too_slow():
    X, y = clinic.digits(0, 500)
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    rising = nn.Adam(nn.schedules.OneCycle(0.01, steps=10_000))
    assert doctor(model, X, y, nn.SoftmaxCrossEntropy(), rising).healthy


def test_bouncing_under_a_schedule_is_not_answered_by_a_schedule():
    X, y = nn.datasets.blobs(300, classes=5, noise=0.3, rng=0)
    fixes = []
    for rate in (1.0, nn.schedules.StepDecay(1.0, every=200, unit="epochs")):
        model = nn.Sequential([nn.Dense(2, 32), nn.Tanh(), nn.Dense(32, 5)], rng=0)
        loss, sgd = nn.SoftmaxCrossEntropy(), nn.SGD(rate, momentum=0.9)
        history = model.fit(X, y, loss=loss, optimizer=sgd, epochs=40)
        fixes.append(found("NN405", doctor(model, X, y, loss, sgd, history=history)).fix)
    assert ["CosineDecay" in fix for fix in fixes] == [True, False]


def test_a_wrong_loss_is_told_from_a_wrong_layer():
    class Half(nn.PointwiseLoss):
        def pointwise(self, pred, target):
            gap = pred - target
            return gap**2, gap  # the factor 2 is lost

    X, y = nn.datasets.sine(100, rng=0)
    one = found("NN207", doctor(small_net(1, 1), X, y, Half(), nn.Adam(0.01)))
    assert "Half" in one.message
    assert one.evidence["promised"] == pytest.approx(one.evidence["measured"] / 2, rel=1e-4)
    layer = found("NN207", clinic.own_layer_with_wrong_backward(0).examine())
    assert "ForgetfulTanh" in layer.message
    assert "Dense" not in layer.message


@pytest.mark.parametrize(
    "activation", [nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus]
)
@pytest.mark.parametrize("seed", range(3))
def test_right_gradients_are_not_blamed(activation, seed):
    data = nn.datasets.moons(60, rng=seed)
    set_up = clinic.SetUp(
        clinic.net(2, 8, 8, 2, activation=activation),
        data,
        nn.SoftmaxCrossEntropy(),
        nn.Adam(0.01),
        seed=seed,
    )
    assert "NN207" not in set_up.examine().codes
    set_up.model.params.values[...] *= 100
    assert "NN207" not in set_up.examine().codes


def test_weights_that_are_not_finite():
    X, y = iris()
    model = small_net()
    model[0].W[0, 0] = np.inf
    one = doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))[0]
    assert (one.code, one.severity, one.evidence["weights"]) == ("NN308", "error", 1)


def test_a_loss_that_overflows():
    X, y = nn.datasets.sine(50, rng=0)
    model = small_net(1, 1)
    model[2].W[...] = 3e38
    assert "NN308" in doctor(model, X, y, nn.MeanSquaredError(), nn.Adam(0.01)).codes


def test_twins_are_counted_and_a_zero_head_is_no_fault():
    X, y = iris()
    model = small_net()
    model[0].W[:, :8] = model[0].W[:, :1]
    model[2].W[:8] = model[2].W[:1]
    one = found("NN206", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert (one.evidence["units"], one.evidence["different"]) == (16, 9)
    head = small_net()
    head[2].W[...] = 0
    assert doctor(head, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)).healthy


def test_imbalance_and_missing_classes_are_notes():
    X, y = nn.datasets.iris()
    model = small_net(outputs=4, first=[nn.Standardize(4)])
    diagnosis = doctor(model, X[:103], y[:103], nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
    assert diagnosis.healthy
    assert found("NN109", diagnosis).evidence["sizes"] == [50, 50, 3, 0]
    assert 'class_weight="balanced"' in found("NN109", diagnosis).fix
    assert found("NN111", diagnosis).evidence["missing"] == [3]
    weighed = doctor(
        model, X[:103], y[:103], nn.SoftmaxCrossEntropy(), nn.Adam(0.01), class_weight="balanced"
    )
    assert found("NN109", weighed).fix == "Judge by the confusion matrix."


def rare():
    """Return rows of which one in ten is positive, and a net for them."""
    rng = np.random.default_rng(0)
    y = np.zeros((1200, 1))
    y[rng.permutation(1200)[:117]] = 1
    X = rng.normal(size=(1200, 6))
    X[:, :2] += 0.8 * y  # as much as a ROC-AUC of 0.8
    return X, y, small_net(6, 1)


@pytest.mark.parametrize("class_weight", ["balanced", {1: 9.0}])
def test_what_was_learned_with_class_weights_is_measured_with_them(class_weight):
    X, y, model = rare()
    validation = X[:300], y[:300]
    X, y = X[300:], y[300:]
    loss, adam = nn.BinaryCrossEntropy(), nn.Adam(0.003)
    watch = Doctor(X, y, validation=validation)
    history = model.fit(
        X,
        y,
        loss=loss,
        optimizer=adam,
        epochs=20,
        validation=validation,
        class_weight=class_weight,
        callbacks=[watch],
    )
    given = {"validation": validation, "history": history}
    told = doctor(model, X, y, loss, adam, class_weight=class_weight, **given)
    for diagnosis in (watch.diagnosis, told):
        assert diagnosis.healthy, diagnosis
    history.settings = {}  # as of a history that does not know them
    alone = found("NN402", doctor(model, X, y, loss, adam, **given))
    assert "class_weight=" in alone.fix
    # What was given to the callback goes before what fit has.
    other = Doctor(X, y, class_weight={}, warn=False)
    model.fit(X, y, loss=loss, optimizer=adam, epochs=1, class_weight=class_weight, callbacks=[other])
    assert "NN402" in other.diagnosis.codes


def test_class_weights_are_those_of_fit():
    X, y, model = rare()
    loss, adam, weight = nn.BinaryCrossEntropy(), nn.Adam(0.003), np.random.default_rng(1).random(1200)
    train, rest = (X[:1000], y[:1000], weight[:1000]), (X[1000:], y[1000:], weight[1000:])
    history = model.fit(
        *train[:2],
        loss=loss,
        optimizer=nn.SGD(1e-30),
        epochs=1,
        weight=train[2],
        validation=rest,
        class_weight="balanced",
    )
    patient, refused = admit(
        model,
        *train[:2],
        loss,
        adam,
        weight=train[2],
        class_weight="balanced",
        validation=rest,
        asked={},
        trained=None,
    )
    assert not refused
    assert patient.start == pytest.approx(history[-1]["loss"], rel=1e-5)
    held_out = measured_loss(model, patient.held_out, loss)
    assert held_out == pytest.approx(history[-1]["validation_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("class_weight", "loss"),
    [
        ("even", nn.BinaryCrossEntropy()),
        ({2: 1.0}, nn.BinaryCrossEntropy()),
        ({0: -1.0}, nn.BinaryCrossEntropy()),
        ({0: 0.0, 1: 0.0}, nn.BinaryCrossEntropy()),
        ("balanced", nn.MeanSquaredError()),
    ],
)
def test_class_weights_that_fit_refuses_are_a_finding(class_weight, loss):
    X, y, model = rare()
    one = found("NN104", doctor(model, X, y, loss, nn.Adam(0.01), class_weight=class_weight))
    with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
        model.fit(X, y, loss=loss, optimizer=nn.Adam(0.01), epochs=1, class_weight=class_weight)
    assert caught.value.got in one.message
    batches = nn.batches(X, y)
    one = found(
        "NN104",
        doctor(model, batches, None, nn.BinaryCrossEntropy(), nn.Adam(0.01), class_weight="balanced"),
    )
    assert "batches" in one.message
    told = doctor(model, batches, None, nn.BinaryCrossEntropy(), nn.Adam(0.01), class_weight={1: 9.0})
    assert told.healthy


def test_leaks_are_counted_and_repeats_in_the_data_excused():
    X, y = nn.datasets.iris()
    X_train, X_test, y_train, y_test = nn.train_test_split(X, y, rng=0)
    net = small_net(first=[nn.Standardize(4)])
    loss = nn.SoftmaxCrossEntropy()
    mixed = np.concatenate([X_test[:20], X_train[:10]]), np.concatenate([y_test[:20], y_train[:10]])
    one = found("NN108", doctor(net, X_train, y_train, loss, nn.Adam(0.01), validation=mixed))
    assert one.evidence["leaked"] >= 10
    assert one.severity == "warning"
    clean = doctor(net, X_train, y_train, loss, nn.Adam(0.01), validation=(X_test, y_test))
    assert clean.healthy
    coarse = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0)
    X, y = (np.tile(part, (25, 1)) for part in (nn.datasets.xor().X, nn.datasets.xor().y[:, None]))
    diagnosis = doctor(coarse, X, y[:, 0], loss, nn.Adam(0.01), validation=(X[:8], y[:8, 0]))
    assert found("NN108", diagnosis).severity == "note"


def test_validation_of_other_classes():
    X, y = nn.datasets.iris()  # sorted
    net = small_net(first=[nn.Standardize(4)])
    sorted_split = doctor(
        net, X[:120], y[:120], nn.SoftmaxCrossEntropy(), nn.Adam(0.01), validation=(X[120:], y[120:])
    )
    one = found("NN110", sorted_split)
    assert one.evidence["distance"] > 0.5
    assert "stratify" in one.fix


def test_column_names_are_used(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = nn.datasets.iris()
    frame = pandas.DataFrame(X * [1, 1, 1, 5000], columns=["a", "b", "c", "width"])
    model = small_net()
    one = doctor(model, frame, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))[0]
    assert "Column 3 (width)" in one.message
    assert model.feature_names is None


def test_a_column_far_from_zero_and_columns_that_are_tiny():
    X, y = iris()
    year = X.copy()
    year[:, 1] = 8 + 0.5 * X[:, 1]
    one = found("NN101", doctor(small_net(), year, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert (one.evidence["column"], one.severity) == (1, "warning")
    found("NN101", doctor(small_net(), X * 0.001, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    scaled = small_net(first=[nn.Standardize(4)])
    assert doctor(scaled, year * 1000, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)).healthy
    assert not scaled.layers[0].adapted


@pytest.mark.parametrize(
    ("last", "loss", "code"),
    [
        (nn.Tanh(), nn.SoftmaxCrossEntropy(), "NN204"),
        (nn.ReLU(), nn.SoftmaxCrossEntropy(), "NN204"),
        (nn.Sigmoid(), nn.SoftmaxCrossEntropy(), "NN201"),
        (nn.LogSoftmax(), nn.SoftmaxCrossEntropy(), "NN201"),
        (nn.LeakyReLU(), nn.SoftmaxCrossEntropy(), None),
    ],
    ids=repr,
)
def test_last_layers_before_logits(last, loss, code):
    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3), last], rng=0)
    codes = doctor(model, X, y, loss, nn.Adam(0.01)).codes
    assert codes[:1] == ((code,) if code else ())


@pytest.mark.parametrize(
    ("last", "low", "wrong"),
    [
        (nn.Sigmoid(), 0.0, True),
        (nn.Sigmoid(), 0.5, False),
        (nn.Tanh(), 0.0, False),
        (nn.Softplus(), 0.0, True),
    ],
    ids=repr,
)
def test_last_layers_for_regression(last, low, wrong):
    X, y = nn.datasets.sine(200, noise=0.0, rng=0)
    y = low + y * (0.4 if low else 1.0)
    model = nn.Sequential([nn.Dense(1, 16), nn.Tanh(), nn.Dense(16, 1), last], rng=0)
    assert ("NN203" in doctor(model, X, y, nn.MeanSquaredError(), nn.Adam(0.01)).codes) is wrong


def test_counts_are_no_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    y = rng.permutation(np.arange(40) % 12)[:, None].astype(float)
    codes = doctor(small_net(outputs=1), X, y / 2, nn.MeanSquaredError(), nn.Adam(0.01)).codes
    assert "NN202" not in codes
    one_hot = np.eye(3)[np.arange(40) % 3]
    diagnosis = doctor(small_net(), X, one_hot, nn.MeanSquaredError(), nn.Adam(0.01))
    assert found("NN202", diagnosis).severity == "note"


def test_refused_validation_is_named():
    X, y = iris()
    diagnosis = doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), validation=(X[:, :3], y))
    assert diagnosis.codes[0] == "NN104"
    assert "validation" in diagnosis[0].message


def test_an_optimizer_of_another_model():
    X, y = iris()
    optimizer = nn.Adam(0.01)
    small_net().fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=1)
    assert doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), optimizer).codes[0] == "NN209"


def test_a_layer_that_fails_is_a_finding():
    class Fails(nn.Tanh):
        def forward(self, x, ctx=None):
            raise ArgumentError("Fails", "luck", "none", "Try again.")

    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 16), Fails(), nn.Dense(16, 3)], rng=0)
    diagnosis = doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
    assert diagnosis.codes.count("NN209") == 1
    assert "Fails: expected luck" in found("NN209", diagnosis).message


# Data and models of all kinds.


def test_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    X = sparse.random(300, 50, density=0.2, random_state=rng, format="csr")
    y = (np.asarray(X[:, :5].sum(axis=1)).ravel() > 0.5).astype(int)
    model = nn.Sequential([nn.Dense(50, 16), nn.ReLU(), nn.Dense(16, 2)], rng=0)
    loss, adam = nn.SoftmaxCrossEntropy(), nn.Adam(0.01)
    validation = X[200:], y[200:]
    assert doctor(model, X[:200], y[:200], loss, adam, validation=validation).healthy
    history = model.fit(X[:200], y[:200], loss=loss, optimizer=adam, epochs=5, validation=validation)
    after = doctor(model, X[:200], y[:200], loss, adam, validation=validation, history=history)
    assert "better than a linear model" in after.checked
    assert doctor(model, X * 1000, y, loss, nn.Adam(0.01)).codes[0] == "NN101"
    assert "NN108" in doctor(model, X, y, loss, nn.Adam(0.01), validation=validation).codes


def test_images_tables_and_files(tmp_path):
    X, y = clinic.digits(0, 400)
    images = nn.Sequential([nn.Flatten((8, 8)), nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    loss = nn.SoftmaxCrossEntropy()
    assert doctor(images, X.reshape(-1, 8, 8), y, loss, nn.Adam(0.003)).healthy
    history = images.fit(X.reshape(-1, 8, 8), y, loss=loss, optimizer=nn.Adam(0.003), epochs=2)
    assert doctor(images, X.reshape(-1, 8, 8), y, loss, nn.Adam(0.003), history=history).trained

    rng = np.random.default_rng(0)
    table = {"size": rng.normal(80, 20, 300), "kind": rng.choice(["loft", "attic"], 300)}
    rent = np.where(table["kind"] == "loft", 2.5, 1.2) * table["size"] / 100
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 16), nn.Tanh(), nn.Dense(16, 1)]
    model = nn.Sequential(layers, preprocessing=encoder, rng=0)
    assert doctor(model, table, rent[:, None], nn.MeanSquaredError(), nn.Adam(0.01)).healthy

    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    flat = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    assert doctor(flat, mapped, y, loss, nn.Adam(0.003)).healthy


@pytest.mark.parametrize(
    "loss",
    [
        nn.MeanAbsoluteError(),
        nn.Huber(),
        nn.Quantile(0.9),
        nn.GaussianNLL(),
        nn.Masked(nn.MeanSquaredError()),
        nn.PoissonNLL(),
        nn.Hinge(),
        nn.BinaryCrossEntropy(label_smoothing=0.1),
    ],
    ids=repr,
)
def test_every_loss_can_be_examined(loss):
    X, y = nn.datasets.sine(200, rng=0)
    if isinstance(loss, nn.Hinge):
        y = np.where(y > 0, 1.0, -1.0)
    elif isinstance(loss, nn.BinaryCrossEntropy | nn.PoissonNLL):
        y = (y > 0).astype(float)
    elif isinstance(loss, nn.Masked):
        y[::7] = np.nan
    model = small_net(1, 2 if isinstance(loss, nn.GaussianNLL) else 1)
    assert doctor(model, X, y, loss, nn.Adam(0.01)).healthy
    model.fit(X, y, loss=loss, optimizer=nn.Adam(0.01), epochs=3)
    doctor(model, X, y, loss, nn.Adam(0.01), trained=True)


@pytest.mark.parametrize("size", [1.0, 0.05], ids=["losses above 0", "losses below 0"])
def test_losses_without_a_lower_end_are_held_against_what_was_learned(size, rng):
    X = rng.normal(size=(1060, 6))
    y = size * (np.sin(2 * X[:, :1]) + 0.2 * rng.normal(size=(1060, 1)))
    validation, loss = (X[:500], y[:500]), nn.GaussianNLL()
    codes = []
    for rows, epochs in ((slice(500, 1060), 30), (slice(500, 560), 400)):
        model, adam = small_net(6, 2), nn.Adam(0.005)
        history = model.fit(X[rows], y[rows], loss=loss, optimizer=adam, epochs=epochs, validation=validation)
        found = doctor(model, X[rows], y[rows], loss, adam, validation=validation, history=history)
        codes.append({one.code for one in found if one.severity != "note"})
    assert codes[0] == set()
    assert "NN401" in codes[1]


def test_full_batch_optimizers_have_no_rate():
    X, y = nn.datasets.sine(100, rng=0)
    diagnosis = doctor(small_net(1, 1), X, y, nn.MeanSquaredError(), nn.LBFGS())
    assert diagnosis.healthy
    assert diagnosis.skipped["learning rate"] == "LBFGS has no rate"


def test_rows_that_weigh_and_float64():
    X, y = iris()
    model = small_net(dtype=np.float64)
    weight = np.ones(len(y))
    assert doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), weight=weight).healthy
    # Rows of weight 0 are none, however large.
    more = np.vstack([X, 1e5 * X[:30]]), np.r_[y, y[:30]]
    alone = np.r_[weight, np.zeros(30)]
    model = small_net(first=[nn.Standardize(4)])
    assert doctor(model, *more, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), weight=alone).healthy
    weight[0] = -1
    assert doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), weight=weight).codes[0] == "NN104"


def test_one_row_and_a_part_held_out_by_fit():
    model = small_net(1, 1)
    doctor(model, [[1.0]], [[2.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    X, y = iris()
    net, adam = small_net(), nn.Adam(0.01)
    history = net.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=adam, epochs=20, validation=0.2)
    diagnosis = doctor(net, X, y, nn.SoftmaxCrossEntropy(), adam, validation=0.2, history=history)
    assert "training beside validation loss" in diagnosis.checked
    history.rows[-1]["validation_loss"] = 3.0
    one = found("NN401", doctor(net, X, y, nn.SoftmaxCrossEntropy(), adam, history=history))
    assert one.evidence["validation_loss"] == 3.0


# Bad input.


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"model": nn.Dense(4, 3)}, ArgumentTypeError),
        ({"model": nn.Sequential}, ArgumentTypeError),
        ({"model": nn.Sequential([nn.Dense(4, 3)], replicas=2)}, ArgumentError),
        ({"loss": nn.SoftmaxCrossEntropy}, ArgumentTypeError),
        ({"loss": "mse"}, ArgumentTypeError),
        ({"optimizer": nn.Adam}, ArgumentTypeError),
        ({"optimizer": 0.1}, ArgumentTypeError),
        ({"history": [1.0, 0.5]}, ArgumentTypeError),
        ({"validation": np.ones((3, 4))}, ArgumentTypeError),
        ({"validation": (1, 2, 3, 4)}, ArgumentTypeError),
        ({"batch_size": 0}, ArgumentError),
        ({"batch_size": 2.5}, ArgumentTypeError),
        ({"trained": "yes"}, ArgumentTypeError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_gets_one_clear_error(changed, error):
    X, y = iris()
    given = {
        "model": small_net(),
        "X": X,
        "y": y,
        "loss": nn.SoftmaxCrossEntropy(),
        "optimizer": nn.Adam(0.01),
    }
    with pytest.raises(error) as caught:
        doctor(**given | changed)
    assert FORM.fullmatch(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("options", [{"every": 0}, {"every": "often"}, {"warn": 1}, {"validation": [1, 2]}])
def test_bad_options_of_the_callback(options):
    with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
        Doctor([[1.0]], [[1.0]], **options)
    assert FORM.fullmatch(str(caught.value)), str(caught.value)


def test_the_callback_refuses_replicas():
    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 3)], replicas=2, rng=0)
    with pytest.raises(ArgumentError, match="one net"):
        model.fit(
            X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=1, callbacks=[Doctor(X, y)]
        )


# The callback.


def test_the_callback_changes_no_bit_of_the_training():
    X, y = clinic.digits(0, 300)

    def train(*callbacks):
        layers = [nn.Standardize(64), nn.Dense(64, 16), nn.ReLU(), nn.Dropout(0.2), nn.Dense(16, 10)]
        model = nn.Sequential(layers, rng=0)
        loss = nn.SoftmaxCrossEntropy()
        history = model.fit(X, y, loss=loss, optimizer=nn.Adam(0.003), epochs=6, callbacks=list(callbacks))
        return model.params.values, history["loss"]

    watch = Doctor(X, y, every=2, warn=False)  # six epochs are too few
    values, losses = train(watch)
    alone, losses_alone = train()
    assert (values == alone).all()
    assert losses == losses_alone
    assert [look["epoch"] for look in watch.looks] == [2, 4, 6]
    assert set(watch.looks[0]["updates"]) == {"1.W", "4.W"}
    assert watch.seconds > 0
    assert isinstance(watch.diagnosis, Diagnosis)


def test_updates_are_those_of_the_last_step():
    X, y = nn.datasets.sine(10, rng=0)
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    seen = []

    class Keep(nn.Callback):
        def on_grad_computed(self, state):
            seen.append(state.model[0].W.copy())

    watch = Doctor(X, y, every=1, warn=False)
    loss = nn.MeanSquaredError()
    model.fit(X, y, loss=loss, optimizer=nn.SGD(0.01), epochs=3, batch_size=5, callbacks=[Keep(), watch])
    expected = abs(model[0].W - seen[-1]).item() / abs(seen[-1]).item()
    assert watch.looks[-1]["updates"]["0.W"] == pytest.approx(expected, rel=1e-5)


def test_the_callback_warns_at_the_end_with_the_first_finding():
    X, y = clinic.digits(0, 300)
    model = nn.Sequential([nn.Dense(64, 16), nn.ReLU(), nn.Dense(16, 10)], rng=0)
    watch = Doctor(X, y, every=1)
    model[0].b[...] = -50
    with pytest.warns(DoctorWarning, match=r"error NN303 dead-units.*\n.*docs/doctor/NN303.md"):
        model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.01), epochs=2, callbacks=[watch])
    assert found("NN303", watch.diagnosis).evidence["epoch"] == 1
    quiet = Doctor(X, y, warn=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.01), epochs=2, callbacks=[quiet])
    assert not quiet.diagnosis.healthy


@pytest.mark.parametrize(
    "build",
    [
        clinic.three_rows_of_a_class_against_three_thousand,
        clinic.squared_error_on_class_ids,
        clinic.nothing_between_the_layers,
        clinic.new_hidden_layers_left_frozen,
        clinic.labels_out_of_order,
    ],
)
def test_the_callback_trains_no_copies(build, monkeypatch):
    def refused(*given, **options):
        pytest.fail("a copy is trained")

    set_up = built(build)
    set_up.epochs, set_up.validation = max(set_up.epochs, 1), None
    for module in (labels, last_layer, structure):
        monkeypatch.setattr(module, "trained", refused)
    assert "loss and last layer" in set_up.watch().checked
    with pytest.raises(pytest.fail.Exception, match="a copy is trained"):
        set_up.examine()


def test_the_callback_is_silent_over_a_healthy_training():
    set_up = clinic.iris_with_standardize(0)
    watch = Doctor(set_up.X, set_up.y)
    set_up.train(watch)  # a warning would be an error
    assert watch.diagnosis.healthy


def test_the_callback_sees_divergence_end_and_checkpoints(tmp_path):
    X, y = nn.datasets.sine(100, rng=0)
    model = small_net(1, 1)
    watch = Doctor(X, y, warn=False)
    with pytest.raises(nn.errors.DivergenceError):
        model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(50.0), epochs=50, callbacks=[watch])
    assert watch.diagnosis is not None
    path = tmp_path / "net.checkpoint"

    def train(epochs):
        net = small_net(1, 1)
        net.fit(
            X,
            y,
            loss=nn.MeanSquaredError(),
            optimizer=nn.Adam(0.01),
            epochs=epochs,
            callbacks=[nn.Checkpoint(path), Doctor(X, y, warn=False, every=1)],
            resume=path if path.exists() else None,
        )
        return net.params.values

    train(2)
    gone_on = train(4)
    path.unlink()
    assert (gone_on == train(4)).all()


def test_even_guesses_are_ln_of_the_classes():
    one = found("NN205", clinic.scores_too_sure_at_the_start(0).examine())
    assert one.evidence["even_guess"] == pytest.approx(math.log(10))


def test_a_rare_class_and_small_batches_are_no_fault_of_the_net():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 6))
    y = (X[:, :1] + X[:, 1:2] > 2.6).astype(float)  # 3 of 100 rows: a batch without one is learned at once
    model = nn.Sequential([nn.Dense(6, 16), nn.ReLU(), nn.Dense(16, 1)], rng=0)
    assert doctor(model, X, y, nn.BinaryCrossEntropy(), nn.Adam(0.01)).healthy
    X, y = iris()
    X = X - X.mean(axis=0)
    assert doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), batch_size=1).healthy
    alone = np.zeros(len(X))
    alone[3] = 1.0  # the one row that counts has one target
    found = doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), weight=alone)
    assert found.skipped["one batch by heart"] == "the rows have the same target"


@pytest.mark.parametrize("seed", range(3))
def test_noisy_labels_take_a_small_net_longer_to_learn_by_heart(seed):
    X, y = nn.datasets.moons(800, noise=0.1, rng=seed)
    y = np.where(np.random.default_rng(seed).random(len(y)) < 0.2, 1 - y, y)
    model = nn.Sequential([nn.Dense(2, 16), nn.Tanh(), nn.Dense(16, 2)], rng=seed)
    assert doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)).healthy


def test_a_sigmoid_reaches_targets_of_zero_and_one():
    X, _ = nn.datasets.digits()
    X = X[:500] / 16
    layers = [nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 64), nn.Sigmoid()]
    assert (X == 0).any()
    assert (X == 1).any()
    model = nn.Sequential(layers, rng=0)
    assert doctor(model, X, X, nn.MeanSquaredError(), nn.Adam(0.005)).healthy


def test_few_classes_may_start_some_times_above_an_even_guess():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) * np.ones(30) + 0.3 * rng.normal(size=(300, 30))  # columns that agree
    y = (X[:, 0] > 0).astype(int)
    model = small_net(30, 2)
    model[-1].W *= 9
    start = model.loss_and_grad(X, y, nn.SoftmaxCrossEntropy())
    assert 4 * np.log(2) < start < 4 + np.log(2)
    assert "NN205" not in doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)).codes


def test_weights_that_are_no_numbers_leave_no_other_finding():
    X, y = iris()
    X = X - X.mean(axis=0)
    model = nn.Sequential([nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 3)], rng=0)
    model[0].W[...] = np.nan  # which a ReLU answers with a slope of 0
    found = doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), trained=True, validation=0.2)
    assert [one.code for one in found.problems] == ["NN308"]


@pytest.mark.parametrize("rate", [1e10, 1e30])
def test_a_rate_that_is_absurd_by_any_measure(rate):
    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 3)], rng=0)
    first = doctor(model, X - X.mean(axis=0), y, nn.SoftmaxCrossEntropy(), nn.SGD(rate))[0]
    assert (first.code, first.severity) == ("NN301", "error")


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.ReLU(), nn.Standardize(4)], ids=repr)
def test_a_model_without_anything_that_learns(layer):
    X, _ = iris()
    found = doctor(nn.Sequential([layer]), X, X, nn.MeanSquaredError(), nn.Adam(0.01))
    assert found.codes[:1] == ("NN209",)


@pytest.mark.parametrize("part", ["forward", "backward"])
def test_what_a_layer_of_ones_own_raises_is_a_finding(part):
    class Fails(nn.Tanh):
        pass

    def fail(*args):
        raise RuntimeError("no such luck.")

    setattr(Fails, part, fail)
    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 8), Fails(), nn.Dense(8, 3)], rng=0)
    found = doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
    assert found[0].message == "A step of fit raises RuntimeError: no such luck."
    assert found.codes[:1] == ("NN209",)


def test_a_mistake_of_the_doctor_is_not_put_down_to_the_model(monkeypatch):
    from nnlite.inspect.checkup import examination

    def fail(patient):
        raise RuntimeError("mine")

    X, y = iris()
    monkeypatch.setattr(examination, "THOROUGH", {"something": fail})
    with pytest.raises(RuntimeError, match="mine"):
        doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))


def test_batches_from_outside_are_examined_as_fit_takes_them():
    X, y = iris()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = (X - X.mean(axis=0))[order].astype(np.float32), y[order]
    batches = [(X[start : start + 20], y[start : start + 20]) for start in range(0, 100, 20)]
    held_out = [(X[100:], y[100:])]
    loss = nn.SoftmaxCrossEntropy()
    found = doctor(small_net(), batches, None, loss, nn.Adam(0.01), validation=held_out)
    whole = doctor(
        small_net(), X[:100], y[:100], loss, nn.Adam(0.01), validation=(X[100:], y[100:]), shuffle=False
    )
    assert found.to_dict() == whole.to_dict()
    assert found.rows == 100
    found = doctor(small_net(), lambda: iter(batches), None, loss, nn.Adam(0.01))
    assert found.rows == 100
    wrong = doctor(small_net(), [(X, y + 1)], None, loss, nn.Adam(0.01))
    assert wrong.codes[:1] == ("NN103",)


def test_plain_data_are_json():
    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 3)], rng=0)
    found = doctor(model, X * 4e37, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
    assert "NN308" in found[0].evidence["explains"]
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "rows",
    [
        [{"epoch": 1, "loss": None, "validation_loss": None}],
        [
            {"epoch": 8, "loss": 1.0, "validation_loss": 1.5},
            {"epoch": 9, "loss": 0.9, "validation_loss": 1.4},
        ],
    ],
    ids=["without numbers", "the end of a longer one"],
)
def test_histories_with_gaps(rows):
    X, y = iris()
    history = nn.History()
    history.rows += rows
    history.best_epoch = rows[-1]["epoch"]
    found = doctor(small_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), history=history)
    assert found.trained


@pytest.mark.parametrize("kind", ["classes", "numbers", "rare"])
@pytest.mark.parametrize("given", ["rows", "history"])
def test_shuffled_targets_are_not_called_healthy(kind, given):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 8))
    outputs, loss, y = 1, nn.MeanSquaredError(), rng.normal(size=(700, 1))  # nothing to do with X
    if kind == "classes":
        outputs, loss, y = 5, nn.SoftmaxCrossEntropy(), rng.integers(0, 5, 700)
    elif kind == "rare":
        loss, y = nn.BinaryCrossEntropy(), (y > 1.3).astype(float)
    model = nn.Sequential([nn.Dense(8, 24), nn.ReLU(), nn.Dense(24, outputs)], rng=0)
    optimizer, validation = nn.Adam(0.005), (X[500:], y[500:])
    history = model.fit(
        X[:500], y[:500], loss=loss, optimizer=optimizer, epochs=40, validation=validation, rng=0
    )
    if given == "history":
        validation = None
    found = doctor(model, X[:500], y[:500], loss, optimizer, validation=validation, history=history)
    assert {"NN118", "NN401", "NN402"} & set(found.codes), found
    assert not found.healthy
    if validation is not None and "NN401" in found.codes:  # and not only what explains it
        (one,) = [one for one in found if one.code == "NN401"]
        assert one.evidence["worse_than_constant"]
        assert "worse than a constant answer" in str(one)
        assert "rows of X and y still belong together" in str(one)


def test_the_least_loss_of_targets_that_are_missing_in_part(rng):
    y = (rng.random((200, 2)) < 0.5).astype(float)
    y[rng.random((200, 2)) < 0.6] = np.nan
    weight = rng.random(200)
    loss = nn.Masked(nn.BinaryCrossEntropy(label_smoothing=0.2))
    chance = np.where(np.isnan(y), 0, y) * 0.8 + 0.1
    value, _ = loss.value_and_grad(np.log(chance / (1 - chance)), y, weight)
    assert least(loss, y, weight, outputs=2) == pytest.approx(value)


# Blocks and BatchNorm.


def test_dead_neurons_inside_of_a_block_are_named_by_their_place():
    X, y = iris()
    block = nn.Residual([nn.Dense(6, 6), nn.ReLU(), nn.Dense(6, 6)])
    model = nn.Sequential([nn.Dense(4, 6), nn.Tanh(), block, nn.Dense(6, 3)], rng=0)
    block.layers[0].b[...] = -50
    one = found("NN303", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert "6 of 6 neurons of layer 2.1 ReLU() answer 0" in one.message
    assert one.evidence["layers"] == [{"layer": "2.1", "units": 6, "of": 6, "share": 1.0}]


def test_saturated_neurons_inside_of_a_model_in_a_model_are_named_by_their_place():
    X, y = iris()
    part = nn.Sequential([nn.Dense(4, 6), nn.Tanh()])
    model = nn.Sequential([part, nn.Dense(6, 3)], rng=0)
    part.layers[0].W[...] *= 1000
    one = found("NN304", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert "neurons of layer 0.1 Tanh() stand where it is flat" in one.message


def test_blame_that_fades_inside_of_blocks_is_named_by_its_place():
    X, y = iris()
    part = [layer for _ in range(8) for layer in (nn.Dense(6, 6), nn.Sigmoid())]
    model = nn.Sequential([nn.Sequential([nn.Dense(4, 6), nn.Sigmoid(), *part]), nn.Dense(6, 3)], rng=0)
    one = found("NN305", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert "reaches layer 0.0 Dense(4, 6), 9 layers before it" in one.message


def test_equal_neurons_inside_of_a_block_are_named_and_a_block_that_starts_at_nothing_is_not():
    X, y = iris()
    same = nn.initializers.Constant(0.1)
    first, last = (nn.Dense(6, 6, weight_initializer=same) for _ in range(2))
    model = nn.Sequential([nn.Dense(4, 6), nn.Residual([first, nn.Tanh(), last]), nn.Dense(6, 3)], rng=0)
    one = found("NN206", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert one.message.startswith("Of the 6 neurons of layer 1.0 Dense(6, 6")
    # Of each block the last layer at 0, as one starts deep nets: what comes past it tells its neurons apart.
    blocks = [nn.Residual([nn.Dense(6, 6), nn.Tanh(), nn.Dense(6, 6)]) for _ in range(2)]
    model = nn.Sequential([nn.Dense(4, 6), *blocks, nn.Dense(6, 3)], rng=0)
    for block in blocks:
        block.layers[2].W[...] = 0
    assert "NN206" not in doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)).codes


def test_a_wrong_gradient_inside_of_a_block_is_named_by_its_place():
    class Lost(nn.Layer):
        def forward(self, x, ctx=None):
            return 3 * x

        def backward(self, dy, ctx):
            return dy

    X, y = iris()
    inner = nn.Residual([nn.Dense(6, 6), nn.Sequential([Lost(), nn.Tanh()]), nn.Dense(6, 6)])
    model = nn.Sequential([nn.Dense(4, 6), nn.BatchNorm(6), inner, nn.Dense(6, 3)], rng=0)
    one = found("NN207", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert "The gradient of 2.0." in one.message
    assert "The backward of layer 2.1.0 Lost() is to blame" in one.message
    # A layer that holds others is one: nobody knows how its forward joins them.
    model = nn.Sequential([Sum(nn.Dense(4, 3), nn.Sequential([nn.Dense(4, 3), Lost()]))], rng=0)
    one = found("NN207", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert "The gradient of 0.1.0." in one.message
    assert "The backward of layer 0 Sum(" in one.message


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("first", [False, True])
def test_batch_norm_raises_no_false_alarm(first, scale):
    X, y = iris()
    X = scale * (X + 10)
    model = net_of_blocks(4, 3, 8)
    layers = [nn.BatchNorm(4), *model] if first else [nn.Dense(4, 8), nn.BatchNorm(8), nn.ReLU(), *model[1:]]
    model = nn.Sequential(copy.deepcopy(layers), rng=0)
    optimizer, loss = nn.Adam(0.003), nn.SoftmaxCrossEntropy()
    before = (state_of(model, optimizer), model.params.state.tobytes())
    diagnosis = doctor(model, X, y, loss, optimizer)
    assert diagnosis.healthy, f"{diagnosis}"
    assert before == (state_of(model, optimizer), model.params.state.tobytes())
    watch = Doctor(X, y)
    history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=60, callbacks=[watch])
    assert watch.diagnosis.healthy, f"{watch.diagnosis}"
    assert history["loss"][-1] < 0.2
    assert doctor(model, X, y, loss, optimizer, history=history).healthy


def test_a_column_that_drowns_the_others_does_so_in_front_of_batch_norm_too():
    X, y = iris()
    X[:, 2] *= 1e4
    model = nn.Sequential([nn.Dense(4, 8), nn.BatchNorm(8), nn.ReLU(), nn.Dense(8, 3)], rng=0)
    one = found("NN101", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert one.message.startswith("Column 2 reaches the first weights")
    nested = nn.Sequential([nn.Sequential([nn.Dense(4, 8), nn.Tanh()]), nn.Dense(8, 3)], rng=0)
    one = found("NN101", doctor(nested, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert one.fix == "Put Standardize(4) before layer 0.0 Dense(4, 8)."


def test_running_statistics_that_are_not_finite_are_found():
    X, y = iris()
    model = nn.Sequential([nn.Dense(4, 8), nn.BatchNorm(8), nn.Dense(8, 3)], rng=0)
    model[1].running_mean[2] = np.nan
    one = found("NN308", doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert one.evidence["weights"] == 1


def test_ids_of_tokens_have_no_scale(rng):
    ids = rng.integers(1, 21, size=(200, 15))
    y = (ids == 7).any(axis=1).astype(int)
    loss, rate = nn.SoftmaxCrossEntropy(), nn.Adam(0.01)
    inner = [nn.TokenEmbedding(21, 8, padding=0), nn.GRU(8, 8)]
    model = nn.Sequential([nn.Input((15,)), *inner, nn.Dense(8, 2)], rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        said = doctor(model, ids, y, loss, rate, validation=(ids[:50], y[:50]))
    assert not {"NN101", "NN102"} & {*said.codes}
    inside = [nn.Concatenate([nn.Sequential(copy.deepcopy(inner)), nn.Dense(15, 2)]), nn.Dense(10, 2)]
    said = doctor(nn.Sequential(inside, rng=0), ids, y, loss, rate)
    assert "NN101" not in said.codes


@pytest.mark.parametrize(
    ("layers", "fix"),
    [
        (
            [nn.Input((6, 2)), nn.GRU(2, 4), nn.Dense(4, 2)],
            "Put TimeDistributed([Standardize(2)]) before layer",
        ),
        (
            [nn.Input((6, 2, 1)), nn.Conv2D(1, 2, 2), nn.Flatten((5, 1, 2)), nn.Dense(10, 2)],
            "Divide the pixels by",
        ),
    ],
)
def test_what_brings_sequences_and_images_to_size(layers, fix, rng):
    model = nn.Sequential(copy.deepcopy(layers), rng=0)
    X = 200 * rng.normal(size=(60, *model.input_shape))
    one = found("NN101", doctor(model, X, rng.integers(2, size=60), nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))
    assert one.fix.startswith(fix)
