"""The run card: its numbers beside those of other programs, what it says, and the forms that it takes."""

from __future__ import annotations

import copy
import hashlib
import json
import re

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.inspect import Card, card
from nnlite.inspect.run_card import measured

LOSS = nn.SoftmaxCrossEntropy()


def blobs(rows, rng, *, classes=3, noise=1.2):
    """Return points around some centres, which a linear model can tell apart as well as any."""
    y = np.arange(rows) % classes
    angle = 2 * np.pi * y / classes
    return 2 * np.c_[np.cos(angle), np.sin(angle)] + noise * rng.normal(size=(rows, 2)), y


def rings(rows, rng):
    """Return points of two classes, one around the other, of which no straight line knows anything."""
    y = np.arange(rows) % 2
    angle, radius = rng.uniform(0, 2 * np.pi, rows), 1 + 2 * y + 0.1 * rng.normal(size=rows)
    return np.c_[radius * np.cos(angle), radius * np.sin(angle)], y


def net(inputs, outputs, *, rng=0):
    return nn.Sequential([nn.Dense(inputs, 8), nn.Tanh(), nn.Dense(8, outputs)], rng=rng)


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """Draw fewer samples, but for `made`, which is made before."""
    monkeypatch.setattr(measured, "RESAMPLES", 100)


@pytest.fixture(scope="module")
def trained():
    """A net on three blobs: what it was trained on, and rows that it was not."""
    rng = np.random.default_rng(0)
    X, y = blobs(150, rng)
    weight = rng.uniform(0.5, 2, 150)
    weight[:7] = 0
    X_new, y_new = blobs(90, rng)
    weight_new = rng.uniform(0.5, 2, 90)
    model, optimizer = net(2, 3), nn.Adam(0.02)
    history = model.fit(X, y, loss=LOSS, optimizer=optimizer, epochs=15, weight=weight, batch_size=16)
    given = {"weight": weight, "validation": (X_new, y_new, weight_new), "history": history}
    return (model, X, y, LOSS, optimizer), given


@pytest.fixture(scope="module")
def made(trained):
    args, given = trained
    return card(*args, **given, seeds=3, classes=["red", "green", "blue"])


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


# The numbers.


def test_scores_are_those_of_scikit_learn(trained, made):
    theirs = pytest.importorskip("sklearn.metrics")
    (model, *_), given = trained
    X, y, weight = given["validation"]
    chances = softmax(model.predict(X).astype(float))
    found = made.to_dict()["scores"]["validation"]["net"]
    options = {"sample_weight": weight}
    assert found["loss"] == pytest.approx(theirs.log_loss(y, chances, **options), rel=1e-4)
    assert found["accuracy"] == pytest.approx(theirs.accuracy_score(y, chances.argmax(1), **options))
    # Of several classes it is the sum of the squares, which older versions know of two classes only.
    brier = sum(theirs.brier_score_loss(y == one, chances[:, one], **options) for one in range(3))
    assert found["brier_score"] == pytest.approx(brier, rel=1e-5)


def test_the_constant_answer_says_how_often_each_class_is(trained, made):
    (_, _, y, *_), given = trained
    counts = np.bincount(y, given["weight"])
    shares = counts / counts.sum()
    _, y_new, weight = given["validation"]
    found = made.to_dict()["scores"]["validation"]["constant answer"]
    assert found["loss"] == pytest.approx(np.average(-np.log(shares[y_new]), weights=weight), rel=1e-3)
    assert found["accuracy"] == pytest.approx(np.average(y_new == shares.argmax(), weights=weight))


def test_the_linear_model_is_that_of_least_squares(rng):
    linear = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(3, 2, (300, 4))
    y = X @ [1.0, -2.0, 0.5, 0.0] + X[:, 0] ** 2 + rng.normal(size=300)
    model, optimizer = net(4, 1), nn.Adam(0.01)
    args = model, X[:200], y[:200, None], nn.MeanSquaredError(), optimizer
    found = card(*args, validation=(X[200:], y[200:, None]), seeds=0).to_dict()["scores"]
    theirs = linear.LinearRegression().fit(X[:200], y[:200])
    for part, rows in {"training": slice(200), "validation": slice(200, None)}.items():
        assert found[part]["linear model"]["r2"] == pytest.approx(theirs.score(X[rows], y[rows]), abs=2e-3)
    assert found["training"]["constant answer"]["r2"] == pytest.approx(0, abs=1e-6)


def test_the_linear_model_of_a_table_has_a_number_for_each_category(rng):
    linear = pytest.importorskip("sklearn.linear_model")
    ids = np.c_[rng.integers(0, 3, 300), rng.integers(0, 4, 300)]
    X = np.c_[rng.normal(size=(300, 2)), ids]
    y = X[:, 0] + np.array([0.0, 2.0, -1.0])[ids[:, 0]] * (ids[:, 1] + 1) + 0.1 * rng.normal(size=300)
    layers = [nn.Embedding((3, 4), 2, numeric=2), nn.Dense(6, 8), nn.Tanh(), nn.Dense(8, 1)]
    args = nn.Sequential(layers, rng=0), X, y[:, None], nn.MeanSquaredError(), nn.Adam(0.01)
    found = card(*args, seeds=0).to_dict()["scores"]["training"]["linear model"]
    one_hot = np.c_[X[:, :2], np.eye(3)[ids[:, 0]], np.eye(4)[ids[:, 1]]]
    expected = linear.LinearRegression().fit(one_hot, y).score(one_hot, y)
    assert found["r2"] == pytest.approx(expected, abs=2e-3)
    without = linear.LinearRegression().fit(X, y).score(X, y)
    assert found["r2"] > without + 0.2
    inside = nn.Sequential(
        [nn.Sequential([nn.Embedding((3, 4), 2, numeric=2)]), *[nn.Dense(6, 8), nn.Tanh(), nn.Dense(8, 1)]],
        rng=0,
    )
    reasons = card(inside, *args[1:], seeds=0).to_dict()["left_out"]
    assert reasons["linear model"] == "ids of categories are no numbers for a linear model"


def test_the_linear_model_is_as_good_as_that_of_scikit_learn():
    """One that has learned its rows by heart has a loss of .6, and every net would beat it."""
    linear = pytest.importorskip("sklearn.linear_model")
    X, y = nn.datasets.digits()
    X, X_new, y, y_new = nn.train_test_split(X, y, stratify=True, rng=0)
    args = net(64, 10), X, y, LOSS, nn.Adam(0.01)
    found = card(*args, validation=(X_new, y_new), seeds=0).to_dict()["scores"]["validation"]["linear model"]
    theirs = linear.LogisticRegression(max_iter=200).fit(X, y)
    chances = theirs.predict_proba(X_new)
    assert found["loss"] < 1.3 * -np.log(chances[np.arange(len(y_new)), y_new]).mean()
    assert found["accuracy"] > theirs.score(X_new, y_new) - 0.02


def test_intervals_are_those_of_a_paired_bootstrap(trained, made):
    (model, _, y, *_), given = trained
    X_new, y_new, weight = given["validation"]
    right = model.predict(X_new).argmax(axis=1) == y_new
    most = np.bincount(y, given["weight"]).argmax()
    gaps, draw = [], np.random.default_rng(0)
    for _ in range(1000):
        some = draw.integers(90, size=90)
        gaps.append(np.average(right[some], weights=weight[some]))
        gaps[-1] -= np.average(y_new[some] == most, weights=weight[some])
    found = made.to_dict()["differences"]["constant answer"]["accuracy"]
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(gaps, [0.025, 0.975]).tolist())
    scores = made.to_dict()["scores"]["validation"]
    gap = scores["net"]["accuracy"] - scores["constant answer"]["accuracy"]
    assert found["difference"] == pytest.approx(gap)
    assert found["low"] < gap < found["high"]


def test_an_interval_of_the_loss_is_as_wide_as_the_normal_one(rng, monkeypatch):
    monkeypatch.setattr(measured, "RESAMPLES", 1000)
    X, y = blobs(400, rng)
    model = net(2, 3)
    args = model, X[:200], y[:200], LOSS, nn.Adam(0.01)
    found = card(*args, validation=(X[200:], y[200:]), seeds=0).to_dict()["differences"]["constant answer"]
    paid = -np.log(softmax(model.predict(X[200:]).astype(float))[np.arange(200), y[200:]])
    half = 1.96 * (paid - np.log(3)).std() / np.sqrt(200)
    assert found["loss"]["high"] - found["loss"]["low"] == pytest.approx(2 * half, rel=0.1)


def test_each_seed_is_the_net_that_a_user_would_train_with_it(trained, made):
    stats = pytest.importorskip("scipy.stats")
    (_, X, y, loss, _), given = trained
    X_new, y_new, weight_new = given["validation"]
    spread = made.to_dict()["spread"]
    assert spread["seeds"] == [0, 1, 2]
    assert spread["diverged"] == 0
    for seed, value in zip(spread["seeds"], spread["scores"]["loss"], strict=True):
        other = net(2, 3, rng=seed)
        options = {"weight": given["weight"], "batch_size": 16}
        other.fit(X, y, loss=loss, optimizer=nn.Adam(0.02), epochs=15, **options)
        own = other.evaluate(X_new, y_new, loss=loss, weight=weight_new)["loss"]
        assert value == pytest.approx(own, rel=1e-4)
    # The net itself was trained from the first of them.
    assert spread["scores"]["loss"][0] == pytest.approx(
        made.to_dict()["scores"]["validation"]["net"]["loss"], rel=1e-4
    )
    values, summary = spread["scores"]["accuracy"], spread["summary"]["accuracy"]
    assert summary["standard_deviation"] == pytest.approx(np.std(values, ddof=1))
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert [summary["low"], summary["high"]] == pytest.approx([low, high])


def test_weights_of_classes_count_in_the_loss_and_not_in_metrics(rng):
    X, y = blobs(120, rng, noise=2.0)
    y = np.where(y == 2, 2, 0)
    y[5] = 1
    model = net(2, 3)
    options = {
        "loss": LOSS,
        "optimizer": nn.Adam(0.01),
        "epochs": 5,
        "class_weight": {0: 1.0, 1: 9.0, 2: 3.0},
    }
    history = model.fit(X, y, **options, validation=(X, y), metrics=[nn.accuracy])
    found = card(model, X, y, LOSS, nn.Adam(0.01), validation=(X, y), history=history, seeds=2).to_dict()
    assert found["scores"]["validation"]["net"]["loss"] == pytest.approx(
        history["validation_loss"][-1], rel=1e-4
    )
    assert found["scores"]["validation"]["net"]["accuracy"] == pytest.approx(
        history["validation_accuracy"][-1]
    )
    assert found["spread"]["scores"]["loss"][0] == pytest.approx(history["validation_loss"][-1], rel=1e-3)
    balanced = card(model, X, y, LOSS, nn.Adam(0.01), class_weight="balanced", seeds=0).to_dict()["scores"]
    # The best constant answer is then an even guess between the classes.
    assert balanced["training"]["constant answer"]["loss"] == pytest.approx(np.log(3), rel=1e-3)


def test_labels_are_questions_of_their_own(rng):
    X = rng.normal(size=(80, 2))
    Y = (X + 0.3 * rng.normal(size=(80, 2)) > 0).astype(int)
    model = net(2, 2)
    loss, optimizer = nn.BinaryCrossEntropy(), nn.Adam(0.02)
    model.fit(X, Y, loss=loss, optimizer=optimizer, epochs=10)
    found = card(model, X, Y, loss, optimizer, seeds=0).to_dict()["scores"]["training"]["net"]
    chances = 1 / (1 + np.exp(-model.predict(X).astype(float)))
    assert found["brier_score"] == pytest.approx(((chances - Y) ** 2).mean(), rel=1e-5)


def test_the_task_is_that_of_the_loss(rng):
    X = rng.normal(size=(30, 2))
    for loss, outputs, y, task, predicts in (
        (nn.Hinge(), 1, np.sign(X[:, :1]), "tabular-classification", "classes"),
        (nn.BinaryCrossEntropy(), 2, (X > 0) * 1, None, "labels"),
        (nn.MeanAbsoluteError(), 2, X, "tabular-regression", "numbers"),
        (nn.SequenceLoss(LOSS, 2), 4, (X > 0) * 1, None, "a sequence"),
    ):
        found = card(net(2, outputs), X, y, loss, nn.SGD(0.1), seeds=0)
        assert found.to_dict()["model"]["predicts"] == predicts
        tags = f'pipeline_tag: "{task}"' if task else 'type: "other"'
        assert tags in found.to_markdown("net")


def test_a_few_rows_say_nothing_about_others(trained):
    args, given = trained
    X_new, y_new, _ = given["validation"]
    options = {"history": given["history"], "weight": given["weight"], "seeds": 0}
    for rows, sure in ((1, False), (5, False), (6, True)):
        found = card(*args, validation=(X_new[:rows], y_new[:rows]), **options)
        ends = found.to_dict()["differences"]["constant answer"]["loss"]
        assert [ends[name] is not None for name in ("difference", "low", "high")] == [True, sure, sure]
        assert any("of which there is no interval" in one for one in found.verdict) is not sure


def test_a_metric_without_a_number_is_no_warning(trained, recwarn):
    args, given = trained
    X_new, y_new, weight = given["validation"]
    some = y_new == 0

    def undefined(pred, target, weight=None):
        return float("nan")

    undefined.higher_is_better = True
    options = {"history": given["history"], "weight": given["weight"], "seeds": 0, "metrics": [undefined]}
    found = card(*args, validation=(X_new[some], y_new[some], weight[some]), **options)
    assert found.to_dict()["differences"]["constant answer"]["undefined"]["low"] is None
    assert not [one for one in recwarn if "NaN" in str(one.message)]


# What it says.


def verdict_of(X, y, X_new, y_new, *, epochs, seeds=0):
    model, loss, optimizer = net(2, len(set(y))), LOSS, nn.Adam(0.02)
    history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=epochs)
    found = card(model, X, y, loss, optimizer, validation=(X_new, y_new), history=history, seeds=seeds)
    return found.verdict


def test_it_says_whether_a_straight_line_does_as_well(rng):
    plainly = verdict_of(*blobs(300, rng), *blobs(150, rng), epochs=20, seeds=2)
    assert plainly[0].startswith(
        "A straight line does as well, as far as 150 validation rows can tell: accuracy "
    )
    assert "On the same rows nets from 2 seeds have accuracy " in plainly[-2]
    assert plainly[-1].startswith("The net does better than one answer for all rows: accuracy ")
    curved = verdict_of(*rings(300, rng), *rings(150, rng), epochs=40)
    assert curved[0].startswith("The net does better than a straight line: accuracy 1 for the net, ")
    untrained = verdict_of(*blobs(30, rng), *blobs(150, rng), epochs=1)
    assert untrained[0].startswith("A straight line does better: ")


def test_it_says_so_where_metric_and_loss_disagree(rng):
    X, y = blobs(60, rng, noise=1.5)
    X_new, y_new = blobs(300, rng, noise=1.5)
    model = nn.Sequential([nn.Dense(2, 64), nn.ReLU(), nn.Dense(64, 3)], rng=0)
    optimizer = nn.Adam(0.01)
    model.fit(
        X, y, loss=LOSS, optimizer=optimizer, epochs=150
    )  # it learns the rows by heart, and is too sure
    found = card(model, X, y, LOSS, optimizer, validation=(X_new, y_new), seeds=0)
    scores = found.to_dict()["scores"]["validation"]
    assert scores["net"]["loss"] > scores["linear model"]["loss"]
    assert any(one.startswith("By the loss a straight line does better: loss ") for one in found.verdict)


def test_rows_of_training_say_little(trained):
    args, given = trained
    found = card(*args, weight=given["weight"], history=given["history"], seeds=0)
    assert found.verdict[0].endswith(
        "are of the rows that the net was trained on, and says little of others."
    ) or ("and says little of others." in found.verdict[0])
    assert list(found.to_dict()["scores"]) == ["training"]


def test_what_cannot_be_made_is_left_out_with_the_reason(trained, rng):
    X, y = blobs(60, rng)
    line = nn.Sequential([nn.Dense(2, 3)], rng=0)
    optimizer = nn.Adam(0.1)
    options = {"loss": LOSS, "optimizer": optimizer, "epochs": 3}
    history = line.fit(X, y, **options, callbacks=[nn.EarlyStopping(monitor="loss"), nn.ProgressBar()])
    found = card(line, X, y, LOSS, optimizer, history=history)
    reasons = found.to_dict()["left_out"]
    assert reasons["linear model"] == "the model is linear itself"
    assert reasons["other seeds"].startswith("fit had EarlyStopping(monitor='loss', ")
    assert reasons["other seeds"].endswith("by name only: give callbacks= as fit had them")
    assert "ProgressBar" not in reasons["other seeds"]
    assert "There is no linear model beside it: the model is linear itself." in found.verdict
    again = card(line, X, y, LOSS, optimizer, history=history, callbacks=[nn.EarlyStopping(monitor="loss")])
    assert again.to_dict()["spread"]["scores"]["loss"][0] == pytest.approx(history["loss"][-1], rel=0.1)
    loss = nn.MeanSquaredError()
    narrow = nn.Sequential([nn.Dense(2, 1), nn.Dense(1, 2)], rng=0)
    of_itself = card(narrow, X, X, loss, nn.Adam(0.1), seeds=0).to_dict()["left_out"]
    assert of_itself == {"linear model": "the targets are the input, which a linear model repeats"}
    without = card(line, X, y, LOSS, optimizer)
    assert without.to_dict()["left_out"]["other seeds"] == "no history says how the net was trained"


def test_a_part_that_fit_held_out_is_held_out_for_other_seeds_too(rng):
    X, y = blobs(60, rng)
    model, optimizer = net(2, 3), nn.Adam(0.02)
    options = {"loss": LOSS, "optimizer": optimizer, "epochs": 20, "validation": 0.5}
    history = model.fit(X, y, **options, callbacks=[nn.EarlyStopping(patience=3)])
    found = card(
        model, X, y, LOSS, optimizer, history=history, callbacks=[nn.EarlyStopping(patience=3)], seeds=1
    )
    scores = found.to_dict()
    assert scores["spread"]["scores"]["loss"][0] == pytest.approx(
        scores["scores"]["training"]["net"]["loss"], rel=1e-4
    )
    assert "fit held some out of them" in found.verdict[0]


@pytest.mark.nonfinite
def test_seeds_that_diverge_are_counted(rng):
    X, y = blobs(40, rng)
    model = net(2, 1, rng=5)
    loss, optimizer = nn.MeanSquaredError(), nn.SGD(0.01)
    target = y[:, None] * 1.0
    history = model.fit(X, target, loss=loss, optimizer=optimizer, epochs=2)
    found = card(model, X, target, loss, nn.SGD(1e30), history=history, seeds=2)
    assert found.to_dict()["spread"] == {"seeds": [0, 1], "diverged": 2, "scores": {}, "summary": {}}
    assert "net, 2 seeds, of which 2 diverged" in str(found)


class FourthPower(nn.Loss):
    """A loss that knows no replicas."""

    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        weight = np.ones(len(pred)) if weight is None else weight
        shares = weight[:, None] / (weight.sum() * pred.shape[1])
        return float(np.sum(shares * gap**4)), 4 * shares * gap**3


@pytest.mark.parametrize("kind", ["own loss", "L-BFGS", "schedule", "sparse", "masked"])
def test_nets_of_other_seeds_are_trained_as_the_net_was(kind, rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = rng.normal(size=(40, 2))
    y = X.sum(axis=1, keepdims=True)
    loss, optimizer = nn.MeanSquaredError(), nn.Adam(0.02)
    if kind == "own loss":
        loss = FourthPower()
    elif kind == "L-BFGS":
        optimizer = nn.LBFGS()
    elif kind == "schedule":
        optimizer = nn.Adam(nn.CosineDecay(0.02))
    elif kind == "sparse":
        X = sparse.csr_matrix(X)
    else:
        loss = nn.Masked(loss)
        y[::4] = np.nan
    model = net(2, 1)
    history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=5)
    found = card(model, X, y, loss, optimizer, history=history, seeds=[0, 7]).to_dict()
    assert found["spread"]["scores"]["loss"][0] == pytest.approx(
        found["scores"]["training"]["net"]["loss"], rel=1e-3
    )
    assert found["differences"]["constant answer"]["loss"]["high"] < 0
    assert isinstance(found["scores"]["training"]["linear model"]["loss"], float)


def test_what_the_net_was_trained_on_can_be_checked(trained, made):
    (_, X, y, *_), given = trained
    found = made.to_dict()
    assert found["data"]["training"]["rows"] == 143  # of weight above 0
    assert found["data"]["training"]["classes"] == {
        name: int(((y == number) & (given["weight"] > 0)).sum())
        for number, name in enumerate(["red", "green", "blue"])
    }
    own = hashlib.sha256()
    X, y, weight = given["validation"]
    for array in (X.astype("<f4"), y, weight.astype("<f4")):
        own.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    assert found["data"]["validation"]["sha256"] == own.hexdigest()
    assert found["model"]["weights"] == 2 * 8 + 8 + 8 * 3 + 3
    assert found["training"]["seed of the model"] == 0
    assert found["training"]["epochs"] == 15
    assert found["training"]["batch_size"] == 16
    assert found["environment"]["numpy"] == np.__version__
    assert found["environment"]["nnlite"] == nn.__version__


def test_columns_have_the_names_of_the_frame(rng):
    pandas = pytest.importorskip("pandas")
    X, y = blobs(30, rng)
    frame = pandas.DataFrame(X, columns=["east", "north"])
    model = net(2, 3)
    found = card(model, frame, y, LOSS, nn.Adam(0.01), seeds=0).to_dict()
    assert found["model"]["columns"] == ["east", "north"]
    assert model.feature_names is None


def test_nothing_of_the_user_is_changed(trained):
    (model, X, y, loss, optimizer), given = trained
    optimizer_before = copy.deepcopy(optimizer.state_dict())
    before = model.params.numbers.copy(), copy.deepcopy(model.rng.bit_generator.state), X.copy()
    rows = copy.deepcopy(given["history"].rows)
    card(model, X, y, loss, optimizer, **given, seeds=2)
    np.testing.assert_array_equal(model.params.numbers, before[0])
    assert model.rng.bit_generator.state == before[1]
    np.testing.assert_array_equal(X, before[2])
    assert given["history"].rows == rows
    np.testing.assert_equal(optimizer.state_dict(), optimizer_before)
    assert model.feature_names is None


# The forms that it takes.


def test_a_doctor_among_the_callbacks_is_not_asked_about_other_seeds(rng):
    X, y = blobs(60, rng)
    model, optimizer = net(2, 3), nn.Adam(0.1)
    watch = nn.inspect.Doctor(X, y, warn=False)
    history = model.fit(X, y, loss=LOSS, optimizer=optimizer, epochs=3, callbacks=[watch])
    found = card(model, X, y, LOSS, optimizer, history=history, callbacks=[watch], seeds=2)
    assert len(found.to_dict()["spread"]["scores"]["loss"]) == 2


def test_a_page_of_it_is_written(made, tmp_path):
    page = made.to_html(tmp_path / "card.html")
    assert (tmp_path / "card.html").read_text(encoding="utf-8") == page
    assert page.startswith("<!doctype html>")
    assert made._repr_html_() in page
    with pytest.raises(ArgumentTypeError, match=r"Card\.to_html"):
        made.to_html(3)


def test_how_to_use_it_runs_and_gives_probabilities(trained, made, tmp_path, monkeypatch):
    (model, X, *_), _ = trained
    monkeypatch.chdir(tmp_path)
    model.save("net.safetensors")
    code = made.to_markdown("net", file="net.safetensors").split("```python\n")[1].split("```")[0]
    names = {"X": X}
    exec(code, names)
    np.testing.assert_allclose(names["probabilities"].sum(axis=1), 1, atol=1e-6)


def test_what_rounding_has_left_of_0_is_shown_as_0(made):
    data = made.to_dict()
    data["scores"][data["judged"]]["constant answer"]["loss"] = 1.4e-15
    assert "e-15" not in str(Card(data))


def test_text_and_tables_say_the_same(made):
    text, html = str(made), made._repr_html_()
    assert repr(made) == text
    words = re.findall(r"[A-Za-z_]+|\d+\.\d+", text.partition("\n")[2])
    assert len(words) > 150
    assert [one for one in words if one not in html] == []
    assert "  net, 3 seeds: mean" in text
    assert html.count("<table>") == html.count("</table>") == 6


def test_signs_of_html_and_markdown_are_text(trained):
    (model, X, y, loss, optimizer), given = trained
    names = ["<script>", "a | b", "`c`\nd"]
    found = card(model, X, y, loss, optimizer, **given, seeds=0, classes=names)
    assert "<script>" not in found._repr_html_()
    markdown = found.to_markdown("net")
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    row = next(line for line in markdown.splitlines() if "training classes" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "`c` d" in next(line for line in str(found).splitlines() if "training classes" in line)


def test_json_holds_everything(made):
    assert json.loads(made.to_json()) == made.to_dict()
    assert str(Card(made.to_dict())) == str(made)
    made.to_dict()["scores"].clear()
    assert made.to_dict()["scores"]


AWKWARD = 'the "net": \N{SNOWMAN}\N{GRINNING FACE} # \\ \x7f\xa0 - no'


def test_metadata_are_those_of_the_hub(made):
    yaml = pytest.importorskip("yaml")
    tags = ("null", "1.0", "yes: no")
    markdown = made.to_markdown(
        AWKWARD, dataset="blobs", license="mit", tags=tags, description="For **tests**."
    )
    _, head, body = markdown.split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["library_name"] == "nnlite"
    assert found["license"] == "mit"
    assert found["tags"] == ["nnlite", "numpy", "tabular-classification", *tags]
    (entry,) = found["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == AWKWARD
    assert result["task"] == {"type": found["pipeline_tag"]} == {"type": "tabular-classification"}
    assert result["dataset"] == {"type": "tabular", "name": "blobs", "split": "validation"}
    scores = made.to_dict()["scores"]["validation"]["net"]
    assert {one["type"]: one["value"] for one in result["metrics"]} == scores
    assert "For **tests**." in body
    code = re.search(r"```python\n(.*?)```", body, re.DOTALL)
    assert code is not None
    compile(code[1], "card", "exec")


def test_small_numbers_are_numbers_in_yaml(made):
    yaml = pytest.importorskip("yaml")
    data = made.to_dict()
    data["scores"]["validation"]["net"] = {"loss": 1e-07, "accuracy": 1.5e22, "brier_score": None}
    markdown = Card(data).to_markdown("net")
    (entry,) = yaml.safe_load(markdown.split("---\n", 2)[1])["model-index"]
    values = [one["value"] for one in entry["results"][0]["metrics"]]
    assert values == [1e-07, 1.5e22]


def test_the_hub_reads_it(made, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    path = tmp_path / "README.md"
    path.write_text(made.to_markdown(AWKWARD, license="mit"), encoding="utf-8")
    theirs = hub.ModelCard.load(path)
    assert theirs.data.model_name == AWKWARD
    scores = made.to_dict()["scores"]["validation"]["net"]
    assert {one.metric_type: one.metric_value for one in theirs.data.eval_results} == scores
    assert hub.ModelCard(str(theirs)).data.to_dict() == theirs.data.to_dict()


def test_it_is_kept_with_the_model(trained, made, tmp_path):
    (model, X, *_), _ = trained
    path = tmp_path / "net.safetensors"
    model.save(path, card=made)
    assert Card.load(path).to_dict() == made.to_dict()
    again = nn.load(path)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.save(tmp_path / "plain.safetensors")
    with pytest.raises(
        ModelFileError, match=r"Card.load\('plain.safetensors'\): expected a run card, got none"
    ):
        Card.load(tmp_path / "plain.safetensors")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"straight line", b"straight lime", 1))
    for read in (Card.load, nn.load):
        with pytest.raises(ModelFileError, match="checksum"):
            read(path)


def test_whatever_a_file_has_for_a_card_is_a_card_or_an_error(trained, made, tmp_path, rng):
    class Other:
        def to_dict(self):
            return data

    (model, *_), _ = trained
    path, shown, messages = tmp_path / "net", 0, set()
    for _ in range(150):
        data = made.to_dict()
        place = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[rng.integers(len(keys))]
            if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
                break
            place = place[key]
        place[key] = [None, [], {}, "<b>", -1, 1e300, [[["deep"]]], {"a": {}}, True][rng.integers(9)]
        if not {"verdict", "scores"} <= data.keys():
            continue
        model.save(path, card=Other())
        try:
            found = Card.load(path)
        except ModelFileError as error:
            messages.add(error.expected + error.got[:24])
        else:
            shown += 1
            assert str(found)
            assert "<b>" not in found._repr_html_()
            assert found.to_markdown("net")
    assert shown > 20
    assert messages == {"a run cardone that cannot be shown"}
    data = made.to_dict()
    del data["scores"]["validation"]["linear model"]["loss"]  # a row that is shorter than others
    model.save(path, card=Other())
    with pytest.raises(ModelFileError, match="one that cannot be shown"):
        Card.load(path)


# What it refuses.


def refused(error, match, trained, *change, **options):
    args, given = trained
    args = list(args)
    for place, value in change:
        args[place] = value
    with pytest.raises(error, match=match):
        card(*args, **{**given, "seeds": 0, **options})


def test_what_cannot_be_used_is_refused_by_name(trained):
    (model, X, y, *_), given = trained
    replicas = nn.Sequential([nn.Dense(2, 3)], replicas=2, rng=0)
    task = nn.MultiTaskLoss({"class": nn.Task(LOSS, outputs=[0, 1, 2], targets=0)})
    refused(ArgumentTypeError, r"card\(model\): expected a Sequential, got str", trained, (0, "net"))
    refused(ArgumentError, r"card\(model\): expected one net, got 2 replicas", trained, (0, replicas))
    refused(
        ArgumentError, r"card\(loss\): expected the loss of one task, got a MultiTaskLoss", trained, (3, task)
    )
    refused(ArgumentTypeError, "a Loss instance", trained, (3, "softmax"))
    refused(ArgumentTypeError, "an Optimizer instance", trained, (4, "adam"))
    message = r"card\(X, y\): expected rows in memory, and their targets, got batches\. Give arrays"
    refused(ArgumentTypeError, message, trained, (1, [(X, y)]), (2, None))
    refused(
        ArgumentError,
        r"card\(X\): expected the 150 rows that fit was given, got 149",
        trained,
        (1, X[1:]),
        (2, y[1:]),
        weight=given["weight"][1:],
    )
    refused(
        ArgumentError,
        r"card\(weight=\): expected the weights of rows that fit was given",
        trained,
        weight=None,
    )
    refused(ArgumentTypeError, r"card\(history=\): expected a History, got", trained, history=[0.5])
    refused(ArgumentTypeError, r"card\(validation=\): expected \(X, y\)", trained, validation=X)
    refused(ArgumentError, r"^card\(validation=\)", trained, validation=(X * np.nan, y))
    refused(ArgumentTypeError, r"card\(seeds=\): expected an integer", trained, seeds=0.5)
    refused(ArgumentError, r"card\(seeds=\): expected seeds that differ", trained, seeds=[3, 1, 3])
    refused(
        ArgumentError,
        r"card\(classes=\): expected 3 names that differ, got \['a', 'b'\]",
        trained,
        classes=["a", "b"],
    )
    refused(ArgumentTypeError, "a list or dict of functions", trained, metrics=nn.accuracy)
    refused(ArgumentTypeError, r"a list of Callback instances", trained, callbacks=["stop"])
    plain = card(*trained[0][:5], **given, seeds=0)
    with pytest.raises(ArgumentTypeError, match=r"Card\.to_markdown\(name\): expected a text, got"):
        plain.to_markdown(None)
    with pytest.raises(ArgumentTypeError, match=r"Card\.to_markdown\(tags=\): expected a list of texts, got"):
        plain.to_markdown("net", tags="small")
    with pytest.raises(ArgumentTypeError, match=r"Card\(data\): expected a dict, got NoneType"):
        Card(None)
    with pytest.raises(ArgumentTypeError, match=r"save\(card=\): expected a Card, got str"):
        model.save("net.safetensors", card="good")


def test_dask_is_refused(trained):
    array = pytest.importorskip("dask.array")
    (_, X, *_), _ = trained
    refused(ArgumentTypeError, "got a dask array", trained, (1, array.from_array(X)))
