"""What the doctor makes of causes that show late: trials, lengths, widths, and what hides behind others."""

import numpy as np
import pytest

import nnlite as nn
from nnlite.inspect import doctor
from nnlite.inspect.checkup.admission import admit
from nnlite.inspect.checkup.causes import settle
from nnlite.inspect.checkup.diagnosis import finding
from nnlite.inspect.checkup.given import batches
from nnlite.inspect.checkup.trials import AS_IS, Course, Variant, race, worth


def rings(rows=300, *, seed=0):
    """Return points of the plane, and whether they are far from its middle, which no straight line tells."""
    X = np.random.default_rng(seed).normal(size=(rows, 2))
    return X, (np.hypot(*X.T) > 1.18).astype(int)


def ring_net(width=32, *, rng=0):
    return nn.Sequential([nn.Dense(2, width), nn.ReLU(), nn.Dense(width, 2)], rng=rng)


def patient(model, X, y, loss, optimizer, **asked):
    options = {"weight": None, "class_weight": None, "validation": None, "trained": None}
    return admit(model, X, y, loss, optimizer, **options, asked=asked)[0]


class TestTrials:
    @pytest.mark.parametrize("steps", range(1, 13))
    def test_those_of_few_steps_have_all_their_looks(self, steps):
        X, y = rings(40)
        course = race(patient(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1)), steps=steps)
        assert len(course.losses) == 11
        assert np.isfinite(course.losses).all()
        assert course.losses[-1] != course.losses[0]

    def test_changes_of_unlike_settings_are_not_taken_for_each_other(self):
        X, y = rings()
        optimizer = nn.SGD(0.3, momentum=0.9, clip_norm=1e-6, weight_decay=1e-9)
        found = doctor(ring_net(), X, y, nn.SoftmaxCrossEntropy(), optimizer, epochs=30)
        assert found.codes[0] == "NN310"
        assert "NN312" not in found.codes

    def test_a_gain_that_may_be_luck_must_come_twice(self, monkeypatch):
        X, y = rings(40)
        p = patient(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
        falls = {("as it is", 0): 0.5, ("other", 0): 0.4, ("as it is", 1): 0.4, ("other", 1): 0.4}
        asked = []

        def known(p, variant, *, steps, seed):
            asked.append(seed)
            return Course([falls[variant.name, seed]] * 11, [])

        monkeypatch.setattr("nnlite.inspect.checkup.trials.race", known)
        assert worth(p, Variant("other"), 0.05, steps=10) == pytest.approx(0.0)
        assert asked == [0, 0, 1, 1]
        falls["other", 0] = 0.1  # which is too much for luck
        assert worth(p, Variant("other"), 0.05, steps=10, base=AS_IS) == pytest.approx(
            0.4 / np.log(2), rel=0.01
        )
        assert asked == [0, 0, 1, 1, 0, 0]

    def test_another_seed_is_another_order(self):
        data = patient(ring_net(), *rings(40), nn.SoftmaxCrossEntropy(), nn.SGD(0.1)).all
        one, two = ([batch.x.tolist() for batch in batches(data, 8, 5, seed)] for seed in (0, 1))
        assert one != two


class TestLength:
    def test_a_full_batch_of_three_steps_is_one_cause(self):
        X, y = rings()
        model = ring_net()
        optimizer = nn.Adam(0.01)
        history = model.fit(
            X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=3, batch_size=300
        )
        found = doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer, history=history)
        assert [one.code for one in found.problems] == ["NN314"]
        assert "one batch of 300 rows" in found[0].message

    def test_a_batch_has_no_more_rows_than_there_are(self):
        X, y = rings(20)
        found = doctor(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), epochs=3)
        assert "one batch of 20 rows" in found[0].message

    def test_an_average_of_weights_that_looks_back_too_far(self):
        X, y = rings()
        told = []
        for decay in (0.9999, 0.9):
            model, optimizer = ring_net(), nn.Adam(0.02)
            history = model.fit(
                X,
                y,
                loss=nn.SoftmaxCrossEntropy(),
                optimizer=optimizer,
                epochs=30,
                callbacks=[nn.AveragedWeights(decay)],
            )
            told.append(doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer, history=history))
        assert told[0].codes[0] == "NN314"
        assert "Write AveragedWeights(0.9" in told[0][0].fix
        assert told[1].healthy

    def test_a_warm_up_that_ends_long_after_the_training(self):
        X, y = rings()
        rate = nn.WarmUp(0.3, steps=100_000)
        found = doctor(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(rate), epochs=60)
        assert found.codes[0] == "NN309"
        assert "Write SGD(0.3)" in found[0].fix
        short = nn.WarmUp(0.3, steps=50)
        assert doctor(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(short), epochs=60).healthy


class TestStart:
    def test_weights_that_were_drawn_too_large_are_named_after_training_too(self):
        X, y = nn.datasets.digits()
        X, y = X[:600] / 16, y[:600]
        large = {"weight_initializer": lambda rng, shape: 3 * rng.standard_normal(shape)}
        layers = [nn.Dense(64, 32, **large), nn.Tanh(), nn.Dense(32, 10, **large)]
        model, optimizer = nn.Sequential(layers, rng=0), nn.Adam(0.0005)
        history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=10)
        found = doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer, history=history)
        assert found.codes[0] in ("NN304", "NN205")
        assert not {"NN404", "NN302"} & {one.code for one in found.problems}

    def test_batches_of_one_row_before_batch_norm_are_refused_as_by_fit(self):
        X, y = rings()
        model = nn.Sequential([nn.Dense(2, 8), nn.BatchNorm(8), nn.ReLU(), nn.Dense(8, 2)], rng=0)
        found = doctor(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), batch_size=1, epochs=60)
        assert found.codes[0] == "NN209"
        assert "at least 2" in found[0].message
        assert len(found.problems) == 1
        assert "features" in found.checked


class TestWidth:
    def test_more_neurons_are_advised_where_they_help(self):
        X, y = rings()
        model, optimizer = ring_net(1), nn.Adam(0.02)
        history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=60)
        found = doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer, history=history)
        assert found.codes[0] == "NN208"
        assert found[0].fix == "Write Dense(2, 32), Dense(32, 2): add neurons."
        assert len(found.problems) == 1

    def test_what_is_narrow_on_purpose_is_left_alone(self):
        X = np.random.default_rng(0).normal(size=(300, 6))
        model = nn.Sequential([nn.Dense(6, 2), nn.Tanh(), nn.Dense(2, 6)], rng=0)
        found = doctor(model, X, X, nn.MeanSquaredError(), nn.Adam(0.01), epochs=60)
        assert "NN208" not in found.codes
        assert found.skipped["more neurons"] == "an autoencoder is narrow inside"


def test_a_small_cost_is_no_cause_beside_a_large_one():
    p = patient(ring_net(), *rings(40), nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
    decay, steps = (finding(code, "warning", "", "", gain=0.1) for code in ("NN312", "NN314"))
    assert [one.code for one in settle([decay, steps], p)] == ["NN312", "NN314"]
    steps.evidence["gain"] = 0.8
    assert [one.code for one in settle([decay, steps], p)] == ["NN314"]


def test_targets_of_several_tasks_are_not_scaled_as_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = np.column_stack([1e5 * X[:, 0], X[:, 1] > 0])
    loss = nn.MultiTaskLoss(
        {
            "grams": nn.Task(nn.MeanSquaredError(), outputs=(0,), targets=(0,)),
            "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=(1, 2), targets=(1,)),
        }
    )
    model = nn.Sequential([nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3)], rng=0)
    found = doctor(model, X, y, loss, nn.Adam(0.01), epochs=20)
    assert found.codes[0] == "NN105"
    assert "NN209" not in found.codes


def trained(*, optimizer=None, epochs=30, **fit):
    """Return what the doctor says of rings after a training with these settings."""
    X, y = rings()
    model, optimizer = ring_net(), optimizer or nn.Adam(0.01)
    history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=epochs, **fit)
    return doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer, history=history)


class TestWhatHistoriesKnow:
    def test_too_few_iterations_of_all_rows(self):
        found = trained(optimizer=nn.LBFGS(), epochs=1)
        assert found.codes[0] == "NN314"
        assert "1 step (1 epoch of one batch of 300 rows) is few" in found[0].message
        assert trained(optimizer=nn.LBFGS(), epochs=100).healthy

    def test_a_time_limit_that_came_too_soon(self):
        found = trained(epochs=1000, callbacks=[nn.TimeLimit(1e-9)])
        assert found.codes[0] == "NN314"
        assert found[0].fix.startswith("Give TimeLimit ")

    def test_nearly_all_rows_held_out(self):
        found = trained(validation=0.9)
        assert found.codes[0] == "NN314"
        assert found[0].fix.startswith("Hold out less: write validation=0.2.")

    def test_augmentation_that_drowns_the_rows(self):
        found = trained(epochs=60, augment=nn.augment.Noise(20.0))
        assert found.codes[0] == "NN311"
        assert found[0].fix.startswith("Leave augment=Noise(20.0) out")
        assert trained(epochs=60, augment=nn.augment.Noise(0.05)).healthy


class TestValidation:
    def split(self):
        X, y = rings(600)
        return X[:400], y[:400], X[400:], y[400:]

    @pytest.mark.parametrize("change", ["labels", "columns"])
    def test_rows_that_are_unlike_what_training_rows_say_of_each_other(self, change):
        X, y, X_held, y_held = self.split()
        X, X_held = (np.column_stack([rows, np.square(rows), rows[:, :1] * 0.1]) for rows in (X, X_held))
        if change == "labels":
            y_held = np.random.default_rng(0).permutation(y_held)
        else:
            X_held = X_held[:, [2, 4, 0, 3, 1]]
        model = nn.Sequential([nn.Dense(5, 32), nn.ReLU(), nn.Dense(32, 2)], rng=0)
        optimizer = nn.Adam(0.01)
        history = model.fit(
            X,
            y,
            loss=nn.SoftmaxCrossEntropy(),
            optimizer=optimizer,
            epochs=30,
            validation=(X_held, y_held),
        )
        found = doctor(
            model,
            X,
            y,
            nn.SoftmaxCrossEntropy(),
            optimizer,
            history=history,
            validation=(X_held, y_held),
        )
        assert found.codes[0] == "NN110"
        assert "NN401" not in {one.code for one in found.problems}

    def test_what_is_learned_by_heart_is_still_called_so(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 20))
        y = (X[:, 0] + 0.7 * rng.normal(size=200) > 0).astype(int)
        model = nn.Sequential([nn.Dense(20, 64), nn.ReLU(), nn.Dense(64, 2)], rng=0)
        optimizer = nn.Adam(0.01)
        held = X[100:], y[100:]
        asked = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": optimizer}
        history = model.fit(X[:100], y[:100], epochs=100, validation=held, **asked)
        found = doctor(model, X[:100], y[:100], **asked, history=history, validation=held)
        assert "NN401" in found.codes
        assert "NN110" not in found.codes

    def test_labels_of_training_rows_that_are_worse_than_those_of_validation_rows(self):
        X, y = nn.datasets.digits()
        X, y = X / 16, y.copy()
        held = X[800:], y[800:]
        X, y = X[:800], y[:800]
        rng = np.random.default_rng(0)
        wrong = rng.random(800) < 0.5
        y[wrong] = rng.integers(0, 10, wrong.sum())
        model = nn.Sequential([nn.Dense(64, 128), nn.ReLU(), nn.Dense(128, 10)], rng=0)
        asked = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.003)}
        history = model.fit(X, y, epochs=150, validation=held, **asked)
        found = doctor(model, X, y, **asked, history=history, validation=held)
        assert found.codes[0] == "NN401"
        assert found[0].fix.startswith("Look at the labels of the training rows first")


def test_a_decay_that_no_optimizer_learns_with_is_named_before_another_optimizer():
    X, y = rings()
    found = doctor(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(1e-3, weight_decay=2.0), epochs=100)
    assert found.codes[0] == "NN312"


def test_names_of_rows_cost_where_validation_rows_gain_nothing():
    p = patient(ring_net(), *rings(40), nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
    names = finding("NN116", "note", "", "")
    gap = finding("NN401", "warning", "", "", worse_than_constant=True)
    assert [(one.code, one.severity) for one in settle([names, gap], p)] == [("NN116", "warning")]
    gap.evidence["worse_than_constant"] = False
    assert [one.code for one in settle([names, gap], p)] == ["NN116", "NN401"]


def test_where_a_loss_overflows_and_no_rate_comes_low_the_rate_is_still_too_large():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = 0.1 * X[:, :1] * X[:, 1:2]
    large = {"weight_initializer": lambda rng, shape: 3 * rng.standard_normal(shape)}
    layers = [nn.Dense(4, 30, **large), nn.ReLU(), nn.Dense(30, 30, **large), nn.Dense(30, 1, **large)]
    found = doctor(nn.Sequential(layers, rng=0), X, y, nn.MeanSquaredError(), nn.SGD(3.0), epochs=25)
    assert ("NN301", "error") in [(one.code, one.severity) for one in found]
    assert "NN302" not in found.codes


def test_decay_of_a_small_table_is_not_judged_by_what_is_learned_by_heart():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(32, 8))
    y = X[:, :1] + 0.5 * rng.normal(size=(32, 1))
    model, optimizer = (
        nn.Sequential([nn.Dense(8, 16), nn.Tanh(), nn.Dense(16, 1)], rng=0),
        nn.AdamW(0.01, weight_decay=2.0),
    )
    history = model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=200)
    found = doctor(model, X, y, nn.MeanSquaredError(), optimizer, history=history)
    assert "NN312" not in found.codes


def test_two_distinct_rows_say_nothing_about_neurons():
    X, y = np.repeat([[1.0, 1.0], [0.0, 0.0]], 50, axis=0), np.repeat([0, 1], 50)
    found = doctor(ring_net(), X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
    assert "NN303" not in found.codes
    assert "distinct rows" in found.skipped["dead and saturated neurons"]


def of(diagnosis, code):
    return next(one for one in diagnosis if one.code == code)


class TestSecondCauses:
    def test_a_rate_too_small_is_named_beside_features_out_of_scale(self):
        X, y = nn.datasets.iris()
        X, y = 100 * np.asarray(X, np.float64) + 500, np.asarray(y)

        def said(optimizer):
            model = nn.Sequential([nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3)], rng=0)
            return doctor(model, X, y, nn.SoftmaxCrossEntropy(), optimizer, epochs=20, trained=False)

        slow = said(nn.SGD(1e-5))
        assert slow.codes[:2] == ("NN101", "NN302")
        assert of(slow, "NN302").evidence["beside"]
        assert "NN302" not in said(nn.Adam(0.03)).codes

    def test_a_rate_too_small_is_named_beside_a_softmax_of_several_labels(self):
        X = np.random.default_rng(0).normal(size=(300, 4))
        y = (X[:, :3] > 0).astype(np.float32)
        model = nn.Sequential([nn.Dense(4, 16), nn.ReLU(), nn.Dense(16, 3), nn.Softmax()], rng=0)
        optimizer = nn.SGD(1e-4)
        history = model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=20)
        found = doctor(model, X, y, nn.MeanSquaredError(), optimizer, history=history)
        assert found.codes[:2] == ("NN211", "NN302")


class TestNoAlarms:
    def test_targets_of_some_size_are_a_note_after_a_training_that_went_well(self):
        X = np.linspace(-2, 2, 100)[:, None]
        y = 20 * X + 30 + 9.8 * np.random.default_rng(0).normal(size=X.shape)
        model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        optimizer = nn.SGD(0.1)
        before = doctor(model, X, y, nn.MeanSquaredError(), optimizer)
        history = model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=50)
        after = doctor(model, X, y, nn.MeanSquaredError(), optimizer, history=history)
        assert of(before, "NN105").severity == "error"
        assert of(after, "NN105").severity == "note"

    def test_one_thing_told_in_many_columns_is_no_leak(self):
        y = np.arange(200) % 2
        X = np.repeat(y[:, None].astype(float), 10, axis=1)
        model = nn.Sequential([nn.Dense(10, 8), nn.ReLU(), nn.Dense(8, 1)], rng=0)
        found = doctor(model, X, y, nn.BinaryCrossEntropy(), nn.Adam(0.01))
        assert of(found, "NN113").severity == "note"
        X[:, 1:] = np.random.default_rng(0).normal(size=(200, 9))
        found = doctor(model, X, y, nn.BinaryCrossEntropy(), nn.Adam(0.01))
        assert of(found, "NN113").severity == "error"
