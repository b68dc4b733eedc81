"""The blame ledger: it adds up to the batch gradient, names rows and weights, and finds wrong labels."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from workpieces import net_of_blocks

import nnlite as nn
from nnlite import losses
from nnlite.errors import ArgumentError, ShapeError
from nnlite.inspect import Blame, blame, neighbours, row_attribution

IDS = np.array([0, 2, 1, 1, 0, 2, 0])
ROWS = len(IDS)
TARGETS = {
    "SoftmaxCrossEntropy": IDS,
    "BinaryCrossEntropy": np.eye(3)[IDS],
    "Hinge": 2 * np.eye(3)[IDS] - 1,
    "PoissonNLL": np.arange(21.0).reshape(7, 3),
}
LOSSES = sorted(name for name in losses.__all__ if name not in {"Loss", "PointwiseLoss", "Task"})
WEIGHT = np.array([0.5, 2.0, 0.0, 1.0, 1.5, 0.25, 3.0])


class FourthPower(nn.Loss):
    """A loss that knows no leading axes and no weights."""

    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        return float(np.mean(gap**4)), 4 * gap**3 / gap.size


def net(outputs=3, dtype=np.float64, **options):
    layers = [nn.Dense(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Dense(5, outputs)]
    return nn.Sequential(layers, dtype=dtype, rng=0, **options)


def case(name, rng):
    if name == "Masked":
        target = rng.normal(size=(ROWS, 3))
        target[[0, 3], [1, 2]] = np.nan
        return losses.Masked(nn.Huber()), target
    if name == "MultiTaskLoss":
        target = np.column_stack([rng.normal(size=ROWS), rng.integers(0, 2, ROWS)])
        target[[0, 3, 3], [1, 0, 1]] = np.nan
        squares = nn.Task(nn.MeanSquaredError(), outputs=0, targets=0)
        kind = nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2], targets=1, weight=0.5)
        return losses.MultiTaskLoss({"squares": squares, "kind": kind}), target
    if name == "SequenceLoss":
        target = rng.normal(size=(ROWS, 3))
        target[[0, 3, 3], [2, 1, 2]] = np.nan
        return losses.SequenceLoss(nn.Huber(), 3), target
    return getattr(losses, name)(), TARGETS.get(name, rng.normal(size=(ROWS, 3)))


def batch(model, x, y, loss, weight=None):
    ctx = model.context(training=False)
    value = model.loss_and_grad(x, y, loss, weight=weight, ctx=ctx)
    return value, model.params.grads.copy()


# It adds up.


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_rows_add_up_to_the_batch(name, weight, rng, monkeypatch):
    loss, y = case(name, rng)
    model = net(6 if name == "GaussianNLL" else 3)
    x = rng.normal(size=(ROWS, 4))
    value, gradient = batch(model, x, y, loss, weight)
    whole = blame(model, x, y, loss, weight=weight)
    np.testing.assert_allclose(whole.gradients.mean(axis=0), gradient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(whole.gradient, gradient, rtol=1e-12, atol=1e-15)
    assert whole.loss == pytest.approx(value, rel=1e-12)
    expected = model.per_example_gradients(x, y, loss, weight=weight)
    np.testing.assert_allclose(whole.gradients, expected, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr(row_attribution, "BLOCK", 3 * model.params.size * 8)  # three rows at a time
    parts = blame(model, x, y, loss, weight=weight)
    np.testing.assert_allclose(parts.gradient, gradient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(parts.lengths, np.linalg.norm(expected, axis=1), rtol=1e-12)
    np.testing.assert_allclose(
        parts.rows("3.W", (4, 2)).terms, model.params.split(expected)["3.W"][:, 4, 2], rtol=1e-12, atol=1e-15
    )
    assert "gradients" not in vars(parts)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_a_row_is_that_of_the_row_alone(name, rng):
    loss, y = case(name, rng)
    model = net(6 if name == "GaussianNLL" else 3)
    x = rng.normal(size=(ROWS, 4))
    alone = [batch(model, x[[row]], y[[row]], loss)[0] for row in range(ROWS)]
    np.testing.assert_allclose(blame(model, x, y, loss).losses, alone, rtol=1e-12)


def test_a_loss_of_ones_own(rng):
    model = net()
    x, y = rng.normal(size=(2, ROWS, 4))[0], rng.normal(size=(ROWS, 3))
    found = blame(model, x, y, FourthPower())
    value, gradient = batch(model, x, y, FourthPower())
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12)
    assert found.loss == pytest.approx(value)
    assert len(found.suspects(3)) == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_it_was_given_stays_as_it_is(dtype, rng):
    model = net(dtype=dtype)
    model.params.grads[...] = 7
    values, draws = model.params.values.copy(), model.rng.bit_generator.state
    x, y = rng.normal(size=(ROWS, 4)).astype(dtype), IDS.copy()
    found = blame(model, x, y, nn.SoftmaxCrossEntropy())
    expected = model.per_example_gradients(x, y, nn.SoftmaxCrossEntropy())
    model.params.values[...] += 1  # the ledger is that of the net as it was
    kept, x[...], y[...] = x.copy(), 0, 0
    np.testing.assert_array_equal(found.gradients, expected)
    assert found.gradients.dtype == found.losses.dtype == found.gradient.dtype == dtype
    assert (model.params.grads == 7).all()
    assert model.rng.bit_generator.state == draws
    np.testing.assert_array_equal(model.params.values, values + 1)
    np.testing.assert_array_equal(found.x, kept)


def test_sparse_rows(rng):
    sparse = pytest.importorskip("scipy.sparse")
    x = rng.normal(size=(ROWS, 4)) * (rng.random((ROWS, 4)) < 0.5)
    dense = blame(net(), x, IDS, nn.SoftmaxCrossEntropy())
    found = blame(net(), sparse.csr_matrix(x), IDS, nn.SoftmaxCrossEntropy())
    np.testing.assert_allclose(found.gradients, dense.gradients, rtol=1e-12, atol=1e-15)
    assert len(found.suspects(2)) == 2


def test_embeddings_and_images(rng):
    ids = np.column_stack([rng.normal(size=40), rng.integers(0, 3, 40)])
    model = nn.Sequential([nn.Embedding([3], 2, numeric=1), nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
    assert len(blame(model, ids, rng.integers(0, 2, 40), nn.SoftmaxCrossEntropy()).suspects(4)) == 4
    model = nn.Sequential([nn.Flatten((2, 2)), nn.Dense(4, 2)], rng=0)
    found = blame(model, rng.normal(size=(9, 2, 2)), np.arange(9) % 2, nn.SoftmaxCrossEntropy())
    assert len(found.suspects(4)) == 4


# Who pulls.


def test_who_pulls_a_weight(rng):
    model = net()
    x = rng.normal(size=(ROWS, 4))
    found = blame(model, x, IDS, nn.SoftmaxCrossEntropy())
    gradients = model.params.split(found.gradients)
    for name, place in (("0.W", (3, 1)), ("0.b", 2), ("3.W", (0, 0)), ("3.b", (1,))):
        pull = found.rows(name, place)
        index = place if isinstance(place, tuple) else (place,)
        np.testing.assert_array_equal(pull.terms, gradients[name][(slice(None), *index)])
        assert pull.value == model.params[name][index]
        assert pull.gradient == pytest.approx(model.params.split(found.gradient)[name][index])
        assert set(pull.up) | set(pull.down) == set(np.flatnonzero(pull.terms))
        assert (np.diff(pull.terms[pull.up]) >= 0).all()
        assert (pull.terms[pull.up] < 0).all()
        assert (np.diff(pull.terms[pull.down]) <= 0).all()
        assert (pull.terms[pull.down] > 0).all()
        json.dumps(pull.to_dict(), allow_nan=False)
    up, down = pull.up, pull.down
    text = str(pull)
    assert f"3.b[1] is {pull.value:.4g}, its gradient" in text
    assert f"{len(up)} rows pull it up" in text
    assert f"row {up[0]} ({-pull.terms[up[0]] / ROWS:.3g})" in text
    assert f"row {down[0]} ({-pull.terms[down[0]] / ROWS:.3g})" in text


def test_a_step_moves_the_weight_where_its_rows_pull(rng):
    model = net()
    x = rng.normal(size=(ROWS, 4))
    pull = blame(model, x, IDS, nn.SoftmaxCrossEntropy()).rows("3.b", 0)
    before = float(model.params["3.b"][0])
    row = pull.up[0]  # a step on this row alone makes the weight larger
    batch(model, x[[row]], IDS[[row]], nn.SoftmaxCrossEntropy())
    nn.SGD(0.1).step(model.params)
    assert model.params["3.b"][0] == pytest.approx(before - 0.1 * pull.terms[row])
    assert model.params["3.b"][0] > before


# Who looks mislabelled.


def with_wrong_labels(truth, classes, share, seed):
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(truth), round(share * len(truth)), replace=False)
    y = truth.copy()
    y[wrong] = (y[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return y, wrong


@pytest.mark.parametrize("epochs", [15, 60])
def test_wrong_labels_of_digits(epochs):
    X, truth = nn.datasets.digits()
    X /= 16
    shares = []
    for seed in range(3):
        y, wrong = with_wrong_labels(truth, 10, 0.02, seed)
        model = nn.Sequential([nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 10)], rng=seed)
        model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=epochs)
        suspects = blame(model, X, y, nn.SoftmaxCrossEntropy()).suspects(round(0.05 * len(X)))
        shares.append(np.isin(wrong, [suspect.row for suspect in suspects]).mean())
        of_truth = [one.expected == truth[one.row] for one in suspects if one.row in wrong]
        assert np.mean(of_truth) > 0.9  # what the neighbours say is what the row is
    assert min(shares) >= 0.9


def test_wrong_answers_of_yes_and_no():
    X, truth = nn.datasets.moons(300, noise=0.1, rng=0)
    y, wrong = with_wrong_labels(truth, 2, 0.03, 0)
    for loss, target in (
        (nn.BinaryCrossEntropy(), y[:, None]),
        (nn.Hinge(), 2.0 * y[:, None] - 1),
        (losses.Masked(nn.BinaryCrossEntropy()), np.where(np.arange(300) == 5, np.nan, y)[:, None]),
    ):
        model = nn.Sequential([nn.Dense(2, 16), nn.Tanh(), nn.Dense(16, 1)], rng=0)
        model.fit(X, target, loss=loss, optimizer=nn.Adam(0.02), epochs=60)
        suspects = blame(model, X, target, loss).suspects(15)
        assert np.isin(wrong, [suspect.row for suspect in suspects]).all()
        assert suspects[0].target != suspects[0].expected


@pytest.mark.parametrize("loss", [nn.MeanSquaredError(), nn.GaussianNLL()], ids=str)
def test_wrong_numbers_are_found_even_if_the_net_has_learned_them(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X @ np.array([[1.0], [-2.0], [0.5], [1.5]])
    wrong = rng.choice(200, 8, replace=False)
    y[wrong] += 12
    outputs = 2 if isinstance(loss, nn.GaussianNLL) else 1
    layers = [nn.Dense(4, 64), nn.ReLU(), nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, outputs)]
    model = nn.Sequential(layers, rng=0)
    model.fit(X, y, loss=loss, optimizer=nn.Adam(0.003), epochs=200)
    found = blame(model, X, y, loss)
    suspects = found.suspects(12)
    assert np.isin(wrong, [suspect.row for suspect in suspects]).mean() >= 0.8
    assert isinstance(suspects[0].target, float)
    assert found.suspects(3, by="gradient")[0].score == found.lengths.max()


def test_missing_numbers_are_not_suspicious(rng):
    x = np.linspace(0, 1, 40)[:, None]
    y = np.hstack([x, 2 * x])
    y[7, 0], y[9], y[20, 1] = np.nan, np.nan, 50
    model = nn.Sequential([nn.Dense(1, 2)], rng=0)
    found = blame(model, x, y, losses.Masked(nn.MeanSquaredError()))
    scores = found.scores()
    assert np.isfinite(scores).all()
    assert scores[9] == 0
    assert scores.argmax() == 20


def test_rows_of_weight_zero_are_not_asked():
    x = np.linspace(0, 1, 30)[:, None]
    y, weight = np.zeros(30, int), np.ones(30)
    y[10:16], weight[10:16] = 1, 0  # six wrong neighbours that do not count
    model = nn.Sequential([nn.Dense(1, 2)], rng=0)
    found = blame(model, x, y, nn.SoftmaxCrossEntropy(), weight=weight)
    assert found.scores()[9] == pytest.approx(-1)
    assert blame(model, x, y, nn.SoftmaxCrossEntropy()).scores()[9] > -0.9


def test_order_and_ways(rng):
    x = rng.normal(size=(30, 4))
    found = blame(net(), x, np.arange(30) % 3, nn.SoftmaxCrossEntropy())
    for way in ("neighbours", "loss", "gradient"):
        scores = [suspect.score for suspect in found.suspects(100, by=way)]
        assert len(scores) == (found.scores(way) > 0).sum()
        assert min(scores) > 0
        assert scores == sorted(scores, reverse=True)
    assert found.suspects(1, by="loss")[0].row == found.losses.argmax()


def test_only_some_are_asked_where_rows_are_many(monkeypatch, rng):
    monkeypatch.setattr(neighbours, "ASKED", 50)
    monkeypatch.setattr(neighbours, "BLOCK", 50 * 7)
    x = np.repeat([[0.0], [5.0]], 100, axis=0) + rng.normal(scale=0.1, size=(200, 1))
    y = np.repeat([0, 1], 100)
    y[[3, 150]] = 1, 0
    found = blame(nn.Sequential([nn.Dense(1, 2)], rng=0), x, y, nn.SoftmaxCrossEntropy())
    assert {suspect.row for suspect in found.suspects(2)} == {3, 150}


def test_memory_does_not_grow_with_rows_times_weights(monkeypatch, rng):
    monkeypatch.setattr(row_attribution, "BLOCK", 2**20)
    model = nn.Sequential([nn.Dense(20, 200), nn.ReLU(), nn.Dense(200, 5)], rng=0)
    x, y = rng.normal(size=(1000, 20)), rng.integers(0, 5, 1000)
    everything = 1000 * model.params.size * 4  # 21 MB
    tracemalloc.start()
    try:
        found = blame(model, x, y, nn.SoftmaxCrossEntropy())
        assert len(found.gradient) == model.params.size
        found.rows("0.W", (0, 0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < everything / 2


# What it shows.


def test_faces(rng):
    x = rng.normal(size=(30, 4))
    found = blame(net(), x, np.arange(30) % 3, nn.SoftmaxCrossEntropy())
    assert isinstance(found, Blame)
    text, suspect = str(found), found.suspects(1)[0]
    assert f"30 rows and {net().params.size} weights, loss {found.loss:.4g}" in text
    assert str(suspect) in text
    assert f"row {suspect.row} is said to be {suspect.target}" in text
    html = found._repr_html_()
    assert html.count("<tr>") == 11
    assert f"<td>{suspect.row}</td>" in html
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["scores"][suspect.row] == suspect.score
    assert data["losses"] == found.losses.tolist()
    np.testing.assert_array_equal(data["gradient"]["0.W"], net().params.split(found.gradient)["0.W"])


def test_where_no_row_disagrees_none_is_named():
    x = np.repeat([[0.0], [5.0]], 20, axis=0) + np.linspace(0, 0.1, 40)[:, None]
    found = blame(nn.Sequential([nn.Dense(1, 2)], rng=0), x, np.repeat([0, 1], 20), nn.SoftmaxCrossEntropy())
    assert found.suspects() == []
    assert row_attribution.NONE in str(found)
    assert row_attribution.NONE in found._repr_html_()
    assert "<table>" not in found._repr_html_()


def test_few_rows(rng):
    found = blame(net(), rng.normal(size=(2, 4)), [0, 1], nn.SoftmaxCrossEntropy())
    assert "mislabelled" not in str(found) + found._repr_html_()
    assert found.to_dict()["scores"] is None
    with pytest.raises(ArgumentError, match="at least 3 rows that count"):
        found.suspects()


def test_pictures(rng):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = blame(net(), rng.normal(size=(30, 4)), np.arange(30) % 3, nn.SoftmaxCrossEntropy())
    ax = found.plot(count=4)
    suspects = found.suspects(4)
    assert [bar.get_width() for bar in ax.patches] == [suspect.score for suspect in suspects]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert [label.split(":")[0] for label in labels] == [f"row {suspect.row}" for suspect in suspects]
    pull = found.rows("0.W", (1, 1))
    given = plt.subplots()[1]
    assert pull.plot(given) is given
    widths = [bar.get_width() for bar in given.patches]
    assert widths[0] == pytest.approx(-pull.terms.min() / 30)
    assert widths[-1] == pytest.approx(-pull.terms.max() / 30)
    assert "loss" in found.plot(by="loss").get_xlabel()
    for call in (found.plot, pull.plot):
        with pytest.raises(TypeError, match=r"plot\(ax=\): expected a matplotlib Axes"):
            call(3)
    plt.close("all")


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m, x, y, loss: blame(type(m), x, y, loss),
            TypeError,
            r"blame\(model\): expected a Sequential",
        ),
        (lambda m, x, y, loss: blame(m, x, y, type(loss)), TypeError, r"Write SoftmaxCrossEntropy\(\)"),
        (lambda m, x, y, loss: blame(m, x[:, 1:], y, loss), ShapeError, r"blame\(X\): expected shape"),
        (lambda m, x, y, loss: blame(m, x * np.nan, y, loss), ArgumentError, r"blame\(X\): expected finite"),
        (lambda m, x, y, loss: blame(m, x, y[1:], loss), ShapeError, "7 rows, as many as X"),
        (lambda m, x, y, loss: blame(m, x, y, loss, weight=np.zeros(7)), ArgumentError, "weight"),
        (lambda m, x, y, loss: blame(net(replicas=2), x, y, loss), ArgumentError, r"model\.replica\(0\)"),
        (lambda m, x, y, loss: blame(m, x, y, loss).suspects(0), ArgumentError, r"suspects\(count\)"),
        (
            lambda m, x, y, loss: blame(m, x, y, loss).suspects(by="x"),
            ArgumentError,
            "one of neighbours, loss",
        ),
        (
            lambda m, x, y, loss: blame(m, x, y, loss).rows("1.W", 0),
            ArgumentError,
            "one of 0.W, 3.W, 0.b, 3.b",
        ),
        (
            lambda m, x, y, loss: blame(m, x, y, loss).rows("0.W", 0),
            ArgumentError,
            r"an index into 0\.W of shape \(4, 5\)",
        ),
        (lambda m, x, y, loss: blame(m, x, y, loss).rows("0.W", (4, 0)), ArgumentError, "from 0 to 3, got 4"),
        (lambda m, x, y, loss: blame(m, x, y, loss).rows("0.b", -1), ArgumentError, r"rows\('0.b', index\)"),
        (lambda m, x, y, loss: blame(m, x, y, loss).rows("0.b", 0.5), TypeError, r"rows\('0.b', index\)"),
    ],
)
def test_bad_input(call, error, message, rng):
    with pytest.raises(error, match=message):
        call(net(), rng.normal(size=(ROWS, 4)), IDS, nn.SoftmaxCrossEntropy())


def test_too_few_rows_that_count_for_neighbours(rng):
    weight = np.array([1.0, 2.0, 0, 0, 0, 0, 0])
    found = blame(net(), rng.normal(size=(ROWS, 4)), IDS, nn.SoftmaxCrossEntropy(), weight=weight)
    assert found.to_dict()["scores"] is None
    assert "mislabelled" not in str(found)
    assert "<table>" not in found._repr_html_()
    with pytest.raises(ArgumentError, match=r"at least 3 rows that count, .* got 2") as caught:
        found.suspects()
    # What the message tells to do can be done.
    assert "scores(by='loss')" in str(caught.value)
    np.testing.assert_array_equal(found.scores(by="loss"), found.losses)


def test_a_place_that_does_not_fit_is_told_one_that_does(rng):
    found = blame(net(), rng.normal(size=(ROWS, 4)), IDS, nn.SoftmaxCrossEntropy())
    with pytest.raises(ArgumentError, match=r"shape \(5,\), got \(0, 0\). Write \(0,\), for instance"):
        found.rows("0.b", (0, 0))


def test_neighbours_count_true_and_false_as_classes():
    target, near = np.array([True, False, True]), np.array([[1, 2], [0, 2], [0, 1]])
    pred = np.zeros((3, 2))
    found = neighbours._on_classes(target, pred, near)
    expected = neighbours._on_classes(target.astype(int), pred, near)
    assert found.scores.tolist() == expected.scores.tolist() == [0.0, 1.0, 0.0]


def test_gradients_that_are_too_many(monkeypatch, rng):
    monkeypatch.setattr(row_attribution, "LARGEST_RESULT", 100)
    found = blame(net(), rng.normal(size=(ROWS, 4)), IDS, nn.SoftmaxCrossEntropy())
    with pytest.raises(
        ArgumentError, match=r"Blame\.gradients: .* 7 x 43 numbers .* Use rows\(name, index\)"
    ):
        _ = found.gradients
    assert len(found.suspects(2)) == 2
    assert found.gradient.any()


def test_blocks_are_blamed_row_by_row_and_suspects_are_found(rng):
    X, y = nn.datasets.iris()
    y = y.copy()
    y[[10, 30]] = [2, 1]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = net_of_blocks(dtype=np.float64)
    model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=40)
    found = blame(model, X, y, nn.SoftmaxCrossEntropy())
    assert {suspect.row for suspect in found.suspects(2)} == {10, 30}
    ctx = model.context(training=False)
    value = model.loss_and_grad(X, y, nn.SoftmaxCrossEntropy(), ctx=ctx)
    np.testing.assert_allclose(found.gradient, model.params.grads, rtol=1e-9, atol=1e-13)
    assert found.loss == pytest.approx(value, rel=1e-12)
    pull = found.rows("1.2.0.W", (0, 1))
    flat = model.params.split(np.arange(model.params.size, dtype=float))["1.2.0.W"]
    np.testing.assert_allclose(pull.terms, found.gradients[:, int(flat[0, 1])], rtol=1e-9, atol=1e-13)


def test_each_task_finds_those_that_are_wrong_in_it(rng):
    x = rng.normal(size=(120, 4))
    right = np.column_stack([x[:, 0] + x[:, 1], (x[:, 2] > 0) + (x[:, 3] > 0)])
    y = right.copy()
    y[[3, 50], 0] += 6
    y[[7, 90], 1] = 2 - y[[7, 90], 1] + (y[[7, 90], 1] == 1)
    known = rng.random(y.shape) > 0.2
    known[[3, 50, 7, 90]] = True
    y[~known] = np.nan
    number = nn.Task(nn.MeanSquaredError(), outputs=3, targets=0)
    kind = nn.Task(nn.SoftmaxCrossEntropy(), outputs=[0, 1, 2], targets=1)
    loss = nn.MultiTaskLoss({"number": number, "kind": kind})
    model = nn.Sequential([nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 4)], rng=0)
    model.fit(x, y, loss=loss, optimizer=nn.Adam(0.01), epochs=100)
    suspects = blame(model, x, y, loss).suspects(12)
    assert {3, 50, 7, 90} <= {one.row for one in suspects}
    (seventh,) = (one for one in suspects if one.row == 7)
    assert seventh.expected[1] == right[7, 1]
    assert seventh.target[1] == y[7, 1]
