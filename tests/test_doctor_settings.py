"""What the doctor makes of settings: what `fit` was called with, and what changes when one of them does."""

import json
import pickle
import re
import warnings

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.inspect import Doctor, doctor
from nnlite.inspect.checkup import settings, trials
from nnlite.training.history import History


def iris_net(*, rng=0):
    return nn.Sequential([nn.Standardize(4), nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3)], rng=rng)


class TestWhatWasAskedFor:
    def test_history_keeps_it_as_plain_data(self):
        X, y = nn.datasets.iris()
        history = iris_net().fit(
            X,
            y,
            loss=nn.SoftmaxCrossEntropy(),
            optimizer=nn.SGD(0.1, momentum=0.9, clip_norm=1.0),
            epochs=3,
            batch_size=16,
            validation=0.2,
            class_weight={0: 2},
            shuffle=False,
            metrics=[nn.accuracy],
            callbacks=[nn.EarlyStopping(patience=7)],
            rng=5,
        )
        settings = history.settings
        assert (settings["epochs"], settings["rows"], settings["batch_size"]) == (3, 150, 16)
        assert (settings["validation"], settings["shuffle"], settings["rng"]) == (0.2, False, 5)
        assert settings["class_weight"] == {0: 2.0}
        assert settings["metrics"] == ["accuracy"]
        assert settings["loss"] == "SoftmaxCrossEntropy()"
        assert settings["optimizer"].startswith("SGD(learning_rate=0.1, ")
        assert "clip_norm=1.0" in settings["optimizer"]
        assert "momentum=0.9" in settings["optimizer"]
        (early,) = settings["callbacks"]
        assert early.startswith("EarlyStopping(")
        assert "patience=7" in early
        assert (settings["accumulate"], settings["jit"], settings["augment"]) == (1, False, None)
        assert json.loads(history.to_json())["settings"]["epochs"] == 3
        assert pickle.loads(pickle.dumps(history)).settings == settings

    def test_functions_and_arrays_are_named_not_kept(self):
        X, y = nn.datasets.iris()

        def turned(rows):
            return np.arange(rows)[::-1]

        history = iris_net().fit(
            X,
            y,
            loss=nn.SoftmaxCrossEntropy(),
            optimizer=nn.SGD(nn.schedules.CosineDecay(0.1)),
            epochs=1,
            validation=(X[:30], y[:30]),
            shuffle=turned,
            callbacks=[Doctor(X, y)],
        )
        assert "turned" in history.settings["shuffle"]
        assert history.settings["validation"] == 30
        assert "CosineDecay(0.1)" in history.settings["optimizer"]
        assert len(history.settings["callbacks"][0]) < 300
        json.dumps(history.settings)

    def test_of_batches_it_says_what_is_known(self):
        X, y = nn.datasets.iris()
        history = iris_net().fit([(X, y)], loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=2)
        assert history.settings["rows"] is None
        assert history.settings["batch_size"] is None
        assert history.settings["epochs"] == 2

    def test_replicas_have_it_too(self):
        X, y = nn.datasets.iris()
        model = nn.Sequential([nn.Dense(4, 3)], replicas=2, rng=0)
        history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=2)
        assert history.replica(1).settings == history.settings
        assert history.settings["epochs"] == 2

    def test_an_old_history_has_none(self):
        history = History()
        history.rows += [{"epoch": 1, "loss": 0.5}]
        state = dict(vars(history))
        del state["_settings"]
        old = History.__new__(History)
        old.__setstate__(state)
        assert old.settings == {}
        assert old["loss"] == [0.5]
        assert "settings" not in old.to_dict()


class TestWhatTheDoctorKnows:
    def test_arguments_are_checked(self):
        X, y = nn.datasets.iris()
        known = (iris_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
        with pytest.raises(ArgumentError, match=r"doctor\(epochs=\)"):
            doctor(*known, epochs=0)
        with pytest.raises(ArgumentTypeError, match=r"doctor\(shuffle=\)"):
            doctor(*known, shuffle="yes")
        with pytest.raises(ArgumentTypeError, match="EarlyStopping"):
            doctor(*known, callbacks=[3])


def digits(rows=600):
    X, y = nn.datasets.digits()
    chosen = np.random.default_rng(0).permutation(len(X))[:rows]
    return X[chosen] / 16, y[chosen]


def digits_net(*, dropout=None, first=lambda layer: layer):
    between = [] if dropout is None else [nn.Dropout(dropout)]
    return nn.Sequential([first(nn.Dense(64, 32)), nn.ReLU(), *between, nn.Dense(32, 10)], rng=0)


def group(**asked):
    return lambda layer: nn.ParameterGroup([layer], **asked)


#: Code, net, optimizer, epochs, and what the line to write begins with; then the same with nothing wrong.
KINDS = {
    "schedule over": ("NN309", {}, lambda: nn.SGD(lambda step: 0.3 * 0.5**step), 20, "Write SGD(0.3)"),
    "decay of fixed length": (
        "NN309",
        {},
        lambda: nn.Adam(nn.CosineDecay(0.01, steps=10)),
        20,
        "Write Adam(0.01)",
    ),
    "clip_norm": (
        "NN310",
        {},
        lambda: nn.SGD(0.1, clip_norm=1e-6),
        20,
        "Leave clip_norm=1e-06 out: write SGD(0.1).",
    ),
    "clip_value": (
        "NN310",
        {},
        lambda: nn.SGD(0.1, momentum=0.9, clip_value=1e-6),
        20,
        "Leave clip_value=1e-06 out: write SGD(0.1, momentum=0.9).",
    ),
    "dropout": ("NN311", {"dropout": 0.95}, lambda: nn.Adam(0.01), 10, "Write Dropout(0.2) for layer 2"),
    "weight_decay": (
        "NN312",
        {},
        lambda: nn.AdamW(0.01, weight_decay=10),
        20,
        "Write AdamW(0.01, weight_decay=0.0)",
    ),
    "penalty": ("NN312", {"first": group(l2=1.0)}, lambda: nn.SGD(0.1), 20, "Leave out l2=1"),
    "bound": ("NN312", {"first": group(max_norm=0.001)}, lambda: nn.SGD(0.1), 20, "Leave out max_norm=0.001"),
    "momentum": ("NN313", {}, lambda: nn.SGD(0.1, momentum=0.9999), 20, "Write SGD(0.1, momentum=0.9)"),
}
SOUND = {
    "schedule": ({}, lambda: nn.Adam(nn.CosineDecay(0.01)), 20),
    "clipping": ({}, lambda: nn.Adam(0.01, clip_norm=1.0), 20),
    "dropout": ({"dropout": 0.3}, lambda: nn.Adam(0.01), 30),
    "decay": ({}, lambda: nn.AdamW(0.01, weight_decay=0.01), 20),
    "penalty": ({"first": group(l2=1e-4, max_norm=3.0)}, lambda: nn.Adam(0.01), 20),
    "momentum": ({}, lambda: nn.SGD(0.05, momentum=0.9), 20),
}


def examined(net, optimizer, epochs, *, trained, batch_size=32, callbacks=(), rows=600):
    """Say what is found before or after a training on digits, of which 200 rows are held out."""
    X, y = digits(rows)
    loss, validation, history = nn.SoftmaxCrossEntropy(), digits(1797), None
    validation = validation[0][1500:], validation[1][1500:]
    asked = {"epochs": epochs, "batch_size": batch_size, "callbacks": callbacks}
    if trained:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # fit warns of a schedule that is over too
            history = net.fit(X, y, loss=loss, optimizer=optimizer, validation=validation, **asked)
        asked = {}
    return doctor(net, X, y, loss, optimizer, validation=validation, history=history, **asked)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_that_holds_training_back_is_named_with_the_line_to_write(kind, trained):
    code, net, optimizer, epochs, line = KINDS[kind]
    found = examined(digits_net(**net), optimizer(), epochs, trained=trained)
    assert found.codes[0] == code, found
    assert found[0].severity in ("error", "warning")
    assert found[0].fix.startswith(line)
    assert found[0].evidence["gain"] > 0.2
    assert found[0].evidence["loss_without"] < found[0].evidence["loss"]
    # What follows from it is told with it, and not beside it.
    assert not {"NN208", "NN302", "NN401", "NN402", "NN403"} & {one.code for one in found.problems}, found
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("kind", SOUND)
def test_the_same_settings_within_reason_are_left_alone(kind, trained):
    net, optimizer, epochs = SOUND[kind]
    found = examined(digits_net(**net), optimizer(), epochs, trained=trained)
    assert found.healthy, found


def test_the_line_that_is_told_does_what_is_said():
    broken = examined(digits_net(), nn.SGD(0.1, clip_norm=1e-6), 20, trained=True)[0]
    assert "it falls" in broken.message
    assert "times as fast" in broken.message
    mended = examined(digits_net(), nn.SGD(0.1), 20, trained=True)
    assert mended.healthy, mended


def test_a_callback_that_lowers_the_rate_to_nothing_is_named():
    plateau = nn.ReduceOnPlateau(monitor="loss", factor=1e-3, patience=1, min_delta=10.0)
    found = examined(digits_net(), nn.SGD(0.1), 20, trained=True, callbacks=[plateau])
    assert found.codes[0] == "NN309"
    assert "ReduceOnPlateau(" in found[0].message
    assert found[0].evidence["last"] < 1e-3


@pytest.mark.parametrize("trained", [False, True])
def test_one_epoch_of_huge_batches_is_too_few_steps(trained):
    found = examined(digits_net(), nn.Adam(0.003), 3, trained=trained, batch_size=600)
    assert found.codes[0] == "NN314"
    assert "epochs=" in found[0].fix
    assert "batch_size=32" in found[0].fix
    assert found[0].evidence["steps"] == 3
    epochs = int(found[0].fix.partition("epochs=")[2].partition(",")[0])
    assert examined(digits_net(), nn.Adam(0.003), epochs, trained=True).healthy


def test_stopping_at_the_first_bad_epoch_is_stopping_too_soon():
    early = nn.EarlyStopping(patience=1, min_delta=0.1)
    found = examined(digits_net(), nn.SGD(0.05), 200, trained=True, callbacks=[early])
    assert found.codes[0] == "NN406"
    assert "patience=" in found[0].fix
    assert found[0].evidence["loss_of_longer"] < found[0].evidence["loss"]
    patient = nn.EarlyStopping(patience=20)
    assert examined(digits_net(), nn.SGD(0.05), 200, trained=True, callbacks=[patient]).healthy


def test_nobody_knows_the_length_before_training_unless_it_is_said():
    X, y = digits()
    found = doctor(digits_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.003))
    assert found.skipped["a longer training"] == "nobody has said for how many epochs"
    assert found.healthy


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("rate", [2.6e-173, 1e-20, 1e-6])
def test_a_rate_of_next_to_nothing_is_an_error_with_the_rate_to_take(rate, trained):
    found = examined(digits_net(), nn.SGD(rate), 20, trained=trained)
    assert (found.codes[0], found[0].severity) == ("NN302", "error"), found
    other = float(found[0].fix.partition("SGD(")[2].partition(")")[0])
    assert 0.01 <= other <= 10
    assert examined(digits_net(), nn.SGD(other), 20, trained=True).healthy


def test_where_a_hundred_steps_show_nothing_more_are_made():
    # Sigmoids in three layers: SGD stays on the plateau at any rate for hundreds of steps.
    layers = [nn.Dense(2, 16), nn.Sigmoid(), nn.Dense(16, 16), nn.Sigmoid(), nn.Dense(16, 2)]
    X, y = nn.datasets.moons(400, rng=0)
    model, loss, sgd = nn.Sequential(layers, rng=0), nn.SoftmaxCrossEntropy(), nn.SGD(0.001)
    history = model.fit(X, y, loss=loss, optimizer=sgd, epochs=30)
    found = doctor(model, X, y, loss, sgd, history=history)
    assert found.codes[0] == "NN302", found
    assert found[0].evidence["steps"] > 100
    assert "NN402" not in {one.code for one in found.problems}


def test_a_suggested_rate_and_the_curvature_do_not_contradict_each_other():
    X, y = nn.datasets.sine(200, rng=0)
    for rate in (0.5, 1e-6):
        model = nn.Sequential([nn.Dense(1, 32), nn.Tanh(), nn.Dense(32, 1)], rng=0)
        one = doctor(model, X, y, nn.MeanSquaredError(), nn.SGD(rate), batch_size=200)[0]
        name, other = re.match(r"Write (\w+)\(([^)]+)\)", one.fix).groups()
        if name == "SGD" and "The curvature allows" in one.message:
            assert float(other) <= one.evidence["limit"]


@pytest.mark.parametrize("rows", [1, 16])
def test_after_a_training_that_diverged_the_rate_is_named(rows):
    X, y = nn.datasets.sine(100, rng=0)
    model = nn.Sequential([nn.Dense(1, 16), nn.ReLU(), nn.Dense(16, 1)], rng=0)
    loss, sgd = nn.MeanSquaredError(), nn.SGD(5.0)
    with pytest.raises(nn.errors.DivergenceError):  # which leaves huge weights behind, and no history
        model.fit(X, y, loss=loss, optimizer=sgd, epochs=50, batch_size=rows)
    found = doctor(model, X, y, loss, sgd, epochs=50, batch_size=rows)
    assert [one.code for one in found.problems] == ["NN301"], found
    other = float(found[0].fix.partition("SGD(")[2].partition(")")[0])
    model.initialize(rng=0)
    assert model.fit(X, y, loss=loss, optimizer=nn.SGD(other), epochs=50, batch_size=rows)["loss"][-1] < 0.5


def test_an_autoencoder_is_not_held_against_a_linear_model():
    X, _ = digits(800)
    model = nn.Sequential([nn.Dense(64, 16), nn.ReLU(), nn.Dense(16, 64), nn.Sigmoid()], rng=0)
    loss, adam = nn.MeanSquaredError(), nn.Adam(0.003)
    held_out = X[600:], X[600:]
    assert doctor(model, X[:600], X[:600], loss, adam, validation=held_out, epochs=40).healthy
    history = model.fit(X[:600], X[:600], loss=loss, optimizer=adam, epochs=40, validation=held_out)
    found = doctor(model, X[:600], X[:600], loss, adam, validation=held_out, history=history)
    assert found.healthy, found


def test_what_a_training_has_coped_with_is_a_note():
    X, y = digits(1797)
    X = 16 * X  # of sizes up to 13
    model, loss, adam = digits_net(), nn.SoftmaxCrossEntropy(), nn.Adam(0.003)
    assert not doctor(model, X, y, loss, adam).healthy
    history = model.fit(X, y, loss=loss, optimizer=adam, epochs=20)
    found = doctor(model, X, y, loss, adam, history=history)
    assert found.healthy
    assert "NN101" in found.codes


def test_causes_take_their_symptoms_along():
    found = examined(digits_net(), nn.Adam(3.0), 10, trained=True)
    assert [one.code for one in found.problems] == ["NN301"]
    assert "NN402" in found[0].evidence["explains"] or "NN303" in found[0].evidence["explains"]
    assert " So " in found[0].message


class TestTrialsAreFewAndFair:
    def test_a_likelihood_below_0_is_no_explosion(self, monkeypatch):
        """The loss of counts is negative, and no rate has to be lowered until float32 ends."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 3))
        y = rng.poisson(np.exp(3 + 0.3 * X[:, :1])).astype(float)
        tried = []
        run = trials._run
        monkeypatch.setattr(trials, "_run", lambda *asked: tried.append(asked) or run(*asked))
        model = nn.Sequential([nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
        model[-1].b[...] = 3  # the logarithm of a common count
        doctor(model, X, y, nn.PoissonNLL(), nn.Adam(1e-6), epochs=5)
        assert 5 < len(tried) < 20

    def test_where_a_trial_goes_well_no_other_is_made(self, monkeypatch):
        X, y = nn.datasets.iris()
        tried = []
        run = trials._run
        monkeypatch.setattr(trials, "_run", lambda *asked: tried.append(asked) or run(*asked))
        found = doctor(iris_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.05), epochs=30)
        assert len(tried) == 1
        assert not found.problems
        assert settings.WELL_TRIED in found.skipped["a longer training"]

    def test_a_kink_beside_weights_near_0_is_no_wrong_gradient(self):
        found = examined(digits_net(), nn.SGD(0.1, weight_decay=1.0), 20, trained=True, rows=800)
        assert found.codes[0] == "NN312"
        assert "NN207" not in found.codes

    def test_rows_learned_by_heart_show_in_the_right_answers(self):
        found = examined(digits_net(), nn.Adam(0.003), 200, trained=True, rows=40)
        assert [one.code for one in found.problems] == ["NN401"]
        assert found[0].evidence["validation_loss"] < found[0].evidence["constant"] / 2
