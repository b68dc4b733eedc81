"""Maps, surfaces, paths and animations: what they show is what the model computes, and it can be read."""

import copy
import io
import itertools
import re
import warnings

import numpy as np
import pytest

import nnlite as nn

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from PIL import Image, ImageSequence  # noqa: E402
from readable import check_readable  # noqa: E402
from workpieces import net_of_blocks  # noqa: E402

from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError, ShapeError  # noqa: E402
from nnlite.plot.animation import Animation, animate  # noqa: E402
from nnlite.plot.regions import decision_boundary, make_grid, neurons, settle  # noqa: E402
from nnlite.plot.style import diverging  # noqa: E402
from nnlite.plot.surface import loss_surface, losses_at, measure  # noqa: E402
from nnlite.plot.weight_path import WeightPath  # noqa: E402


@pytest.fixture(autouse=True)
def no_figures():
    yield
    plt.close("all")


def trained(outputs=3, *, layers=(), rows=120, epochs=20, loss=None, y=None, callbacks=()):
    X, ids = nn.datasets.spirals(rows, rng=0)
    y = ids if y is None else y(X, ids)
    model = nn.Sequential(
        [*layers, nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 5), nn.ReLU(), nn.Dense(5, outputs)], rng=0
    )
    model.fit(
        X,
        y,
        loss=loss or nn.SoftmaxCrossEntropy(),
        optimizer=nn.Adam(0.03),
        epochs=epochs,
        callbacks=callbacks,
    )
    return model, X, y


def state_of(model):
    draws = model.rng.bit_generator.state
    return (model.params.values.tobytes(), model.params.grads.tobytes(), repr(draws))


# Decision boundaries.


def test_regions_are_the_classes_that_the_model_predicts():
    model, X, y = trained(layers=[nn.Standardize(2)])
    before = state_of(model)
    ax = decision_boundary(model, X, y, resolution=40)
    assert state_of(model) == before
    grid = make_grid("here", model, X, resolution=40)
    classes = model.predict(grid.rows).argmax(axis=1).reshape(40, 40)
    image = ax.images[0].get_array()
    colours = np.array([mpl.colors.to_rgb(c) for c in ("#0072B2", "#E69F00", "#009E73")])
    # The hue of a pixel is that of its class, whatever its strength.
    tints = (1 - image) / (1 - image).max(axis=-1, keepdims=True)
    pure = (1 - colours) / (1 - colours).max(axis=1, keepdims=True)
    found = np.abs(tints[..., None, :] - pure).sum(axis=-1).argmin(axis=-1)
    assert (found == classes).all()
    assert len(np.unique(classes)) == 3


def test_strength_is_the_confidence():
    model, X, y = trained()
    ax = decision_boundary(model, X, y, resolution=30)
    grid = make_grid("here", model, X, resolution=30)
    shares = nn.Softmax().forward(model.predict(grid.rows)).max(axis=1)
    strength = (1 - ax.images[0].get_array()).max(axis=-1).ravel()
    own = (1 - np.array([mpl.colors.to_rgb(c) for c in ("#0072B2", "#E69F00", "#009E73")])).max(axis=1)
    strength = strength / own[model.predict(grid.rows).argmax(axis=1)]
    assert np.corrcoef(shares, strength)[0, 1] > 0.9999


def test_every_point_is_drawn_with_the_marker_of_its_class():
    model, X, y = trained()
    ax = decision_boundary(model, X, y, classes=["a", "b", "c"])
    dots = [one for one in ax.collections if isinstance(one, mpl.collections.PathCollection)]
    assert [dot.get_label() for dot in dots] == ["a", "b", "c"]
    for index, dot in enumerate(dots):
        assert np.allclose(dot.get_offsets(), X[y == index], atol=1e-6)
    assert len({dot.get_paths()[0].vertices.tobytes() for dot in dots}) == 3
    right = int((model.predict(X).argmax(axis=1) == y).sum())
    assert ax.get_title() == f"{right} of {len(X)} rows right"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]


def test_boundary_line_is_where_a_logit_is_zero():
    X, y = nn.datasets.moons(100, rng=0)
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    model.fit(X, y[:, None], loss=nn.BinaryCrossEntropy(), optimizer=nn.Adam(0.1), epochs=20)
    ax = decision_boundary(model, X, y)
    (line,) = [one for one in ax.collections if isinstance(one, mpl.contour.ContourSet)]
    places = line.get_paths()[0].vertices
    assert len(places) > 10
    assert np.abs(model.predict(places)).max() < 0.01 * np.abs(model.predict(X)).max()


def test_one_output_trained_on_its_targets_turns_at_one_half():
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    model.fit(X, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=500)
    for loss in (None, nn.MeanSquaredError()):
        question = settle("here", model, X, y, loss=loss, classes=None)
        assert (question.reading, question.classes) == ("values", 2)
        assert question.right(model.predict(X)) == 1.0
    assert settle("here", model, X, y, loss=nn.BinaryCrossEntropy(), classes=None).reading == "logits"


@pytest.mark.parametrize(
    ("last", "outputs", "reading"),
    [
        (nn.Sigmoid(), 1, "probabilities"),
        (nn.Softmax(), 3, "probabilities"),
        (nn.LogSoftmax(), 3, "logarithms"),
    ],
)
def test_a_net_that_gives_probabilities_is_read_as_such(last, outputs, reading):
    model = nn.Sequential([nn.Dense(2, outputs), last], rng=0)
    X = np.random.default_rng(0).normal(size=(20, 2))
    question = settle("here", model, X, None, loss=None, classes=None)
    assert question.reading == reading
    shares = question.shares(model.predict(X))
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-6)
    bare = nn.Sequential([nn.Dense(2, outputs)], rng=0)
    bare.params.values[...] = model.params.values
    same = settle("here", bare, X, None, loss=None, classes=None).shares(bare.predict(X))
    assert np.allclose(shares, same, atol=1e-6)


def test_targets_of_minus_one_and_one_are_two_classes():
    X, y = nn.datasets.moons(60, rng=0)
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    model.fit(X, 2.0 * y[:, None] - 1, loss=nn.Hinge(), optimizer=nn.SGD(0.1), epochs=5)
    ax = decision_boundary(model, X, 2 * y - 1, loss=nn.Hinge())
    right = int(((model.predict(X)[:, 0] > 0) == y).sum())
    assert ax.get_title() == f"{right} of 60 rows right"


def test_regression_is_a_map_of_the_answer():
    model, X, y = trained(1, y=lambda X, ids: X[:, :1] * 2, loss=nn.MeanSquaredError())
    ax = decision_boundary(model, X, y, resolution=20)
    grid = make_grid("here", model, X, resolution=20)
    assert np.array_equal(ax.images[0].get_array(), model.predict(grid.rows).reshape(20, 20))
    (dots,) = [one for one in ax.collections if isinstance(one, mpl.collections.PathCollection)]
    assert np.allclose(dots.get_array(), y[:, 0])
    assert dots.norm.vmin <= y.min()
    assert dots.norm.vmax >= y.max()
    check_readable(ax.figure)


def test_map_of_a_neuron_is_its_answer_and_its_own_zero_line():
    model, X, y = trained()
    grid = make_grid("here", model, X, resolution=50)
    sums, answers = model.activations(grid.rows)[2:4]
    for layer in (2, 3, -3):
        ax = decision_boundary(model, X, y, layer=layer, unit=1, resolution=50)
        assert np.array_equal(ax.images[0].get_array(), answers[:, 1].reshape(50, 50))
    assert ax.get_title() == "unit 1 of Dense(6, 5), ReLU()"
    (line,) = [one for one in ax.collections if isinstance(one, mpl.contour.ContourSet)]
    places = np.concatenate([path.vertices for path in line.get_paths()])
    found = model.activations(places)[2][:, 1]
    assert np.abs(found).max() < 0.05 * np.abs(sums[:, 1]).max()


@pytest.mark.parametrize(("layer", "units"), [(0, 6), (3, 5), (4, 3)])
def test_neurons_has_a_map_for_each_with_titles_apart(layer, units):
    model, X, y = trained()
    before = state_of(model)
    maps = neurons(model, X, y, layer=layer, resolution=15)
    assert state_of(model) == before
    assert [ax.get_title() for ax in maps] == [f"unit {index}" for index in range(units)]
    grid = make_grid("here", model, X, resolution=15)
    answers = model.activations(grid.rows)[{0: 1}.get(layer, layer)]
    for index, ax in enumerate(maps):
        assert np.array_equal(ax.images[0].get_array(), answers[:, index].reshape(15, 15).astype(float))
    assert len({(ax.images[0].norm.vmin, ax.images[0].norm.vmax) for ax in maps}) == 1
    check_readable(maps[0].figure)


def test_dots_on_the_map_of_a_neuron_have_none_of_its_colours():
    model, X, y = trained()
    for ax in (
        neurons(model, X, y, layer=0, resolution=8)[1],
        decision_boundary(model, X, y, layer=0, unit=1),
    ):
        dots = [one for one in ax.collections if isinstance(one, mpl.collections.PathCollection)]
        assert [tuple(dot.get_facecolors()[0][:3]) for dot in dots] == [(1, 1, 1), (0.5, 0.5, 0.5), (0, 0, 0)]
        assert len({dot.get_paths()[0].vertices.tobytes() for dot in dots}) == 3
    model, X, y = trained(1, y=lambda X, ids: X[:, :1] * 2, loss=nn.MeanSquaredError(), epochs=1)
    ax = decision_boundary(model, X, y, layer=0, unit=1)
    (dots,) = [one for one in ax.collections if isinstance(one, mpl.collections.PathCollection)]
    assert {tuple(colour[:3]) for colour in dots.get_facecolors()} == {(1, 1, 1)}


def test_neurons_says_which_dots_are_which_class():
    X, y = nn.datasets.moons(40, rng=0)
    maps = neurons(nn.Sequential([nn.Dense(2, 3), nn.Dense(3, 2)], rng=0), X, y, layer=0, resolution=8)
    (keys,) = maps[0].figure.legends
    assert [text.get_text() for text in keys.get_texts()] == ["class 0", "class 1"]
    assert not neurons(nn.Sequential([nn.Dense(2, 2)], rng=0), X, layer=0, resolution=8)[0].figure.legends


def test_neurons_shows_some_of_many():
    model = nn.Sequential([nn.Dense(2, 100), nn.Tanh(), nn.Dense(100, 1)], rng=0)
    maps = neurons(model, np.random.default_rng(0).normal(size=(30, 2)), layer=0, max_units=10, resolution=8)
    assert len(maps) == 10
    assert maps[0].figure.get_suptitle() == "10 of 100 units of Dense(2, 100), Tanh()"
    (one,) = neurons(model, np.eye(2), layer=-1, resolution=8)
    check_readable(one.figure)


def test_figures_can_be_read():
    model, X, y = trained(layers=[nn.Standardize(2)])
    check_readable(decision_boundary(model, X, y).figure)
    check_readable(decision_boundary(model, X, y, layer=2, unit=0).figure)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    assert decision_boundary(model, X, y, ax=axes[0]) is axes[0]
    decision_boundary(model, X, ax=axes[1], legend=False)
    assert axes[1].get_legend() is None
    check_readable(figure)


def test_a_dead_neuron_and_a_constant_net_are_drawn():
    model = nn.Sequential([nn.Dense(2, 2), nn.ReLU(), nn.Dense(2, 1)], rng=0)
    model.params.values[...] = 0
    X = np.random.default_rng(0).normal(size=(9, 2))
    neurons(model, X, layer=0, resolution=8)[0].figure.canvas.draw()
    decision_boundary(model, X, np.zeros(9), resolution=8).figure.canvas.draw()
    decision_boundary(model, X, X[:, 0], loss=nn.MeanSquaredError(), resolution=8).figure.canvas.draw()
    decision_boundary(model, np.zeros((3, 2)), resolution=8).figure.canvas.draw()


def test_names_of_a_table_become_those_of_the_axes():
    rng = np.random.default_rng(0)
    table = {"width": rng.normal(50, 9, 80), "height": rng.normal(2, 0.1, 80)}
    y = (table["width"] > 50).astype(int)
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 2)]
    model = nn.Sequential(layers, preprocessing=encoder, rng=0)
    model.fit(table, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.1), epochs=30)
    ax = decision_boundary(model, table, y)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "height")
    low, high = ax.get_xlim()
    assert low < table["width"].min() < table["width"].max() < high
    right = int((model.predict(table).argmax(axis=1) == y).sum())
    assert ax.get_title() == f"{right} of 80 rows right"


# Paths.


def fit_line(path, *, rate=0.1, epochs=10, optimizer=None, **options):
    x = np.random.default_rng(0).normal(size=(24, 1)) + 1
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = model.fit(
            x, 2 * x + 1, loss=nn.MeanSquaredError(), optimizer=optimizer or nn.SGD(rate), epochs=epochs,
            callbacks=[path], **options,
        )  # fmt: skip
    return model, history, x


class Every(nn.Callback):
    """Keep all weights behind each step and epoch, plainly."""

    def on_train_begin(self, state):
        self.start = state.model.params.values.copy()
        self.steps, self.epochs, self.losses = [], [], []

    def on_batch_end(self, state):
        self.steps.append(state.model.params.values.copy())
        self.losses.append(state.batch_loss)

    def on_epoch_end(self, state):
        self.epochs.append(state.model.params.values.copy())


def test_path_holds_the_weights_after_every_epoch_or_step():
    for unit in ("epochs", "steps"):
        for every in (1, 3, 7):
            path, kept = WeightPath(every, unit), Every()
            _model, history, _ = fit_line(path, batch_size=8)
            again = nn.Sequential([nn.Dense(1, 1)], rng=0)
            x = np.random.default_rng(0).normal(size=(24, 1)) + 1
            again.fit(
                x, 2 * x + 1, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=10, batch_size=8,
                callbacks=[kept],
            )  # fmt: skip
            everything = [kept.start, *getattr(kept, unit)]
            last = len(everything) - 1
            numbers = sorted({*range(0, last + 1, every), last})
            assert path.numbers.tolist() == numbers
            assert np.array_equal(path.values, np.array(everything)[numbers])
            losses = history["loss"] if unit == "epochs" else kept.losses
            assert np.allclose(path.losses[1:], np.array([np.nan, *losses])[numbers[1:]])
            assert path.losses[0] == kept.losses[0]


def test_a_long_path_is_thinned_and_keeps_both_ends():
    path = WeightPath(limit=10)
    model, history, _ = fit_line(path, epochs=97)
    assert len(path) <= 11
    assert path.every == 16
    assert path.numbers.tolist() == [*range(0, 97, 16), 97]
    assert np.array_equal(path.values[-1], model.params.values)
    assert path.losses[-1] == history["loss"][-1]


def test_path_goes_on_from_a_checkpoint(tmp_path):
    whole = WeightPath(3, limit=8)
    fit_line(whole, epochs=40)
    file = tmp_path / "run"
    x = np.random.default_rng(0).normal(size=(24, 1)) + 1

    def train(epochs, path, resume=None):
        model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        model.fit(
            x, 2 * x + 1, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=epochs,
            callbacks=[path, nn.Checkpoint(file)], resume=resume,
        )  # fmt: skip

    train(18, WeightPath(3, limit=8))
    parted = WeightPath(3, limit=8)
    train(40, parted, resume=file)
    assert np.array_equal(parted.values, whole.values)
    assert np.array_equal(parted.losses, whole.losses)
    assert np.array_equal(parted.numbers, whole.numbers)


def test_path_of_replicas_and_of_full_batch_optimizers():
    path = WeightPath()
    model = nn.Sequential([nn.Dense(1, 1)], replicas=3, rng=0)
    x = np.ones((4, 1))
    model.fit(
        x, 2 * x, loss=nn.MeanSquaredError(), optimizer=nn.SGD([0.01, 0.1, 0.2]), epochs=4, callbacks=[path]
    )
    assert path.values.shape == (5, 3, 2)
    assert np.array_equal(path.replica(1).values, path.values[:, 1])
    assert np.array_equal(path.replica(1).losses, path.losses[:, 1])
    with pytest.raises(ArgumentError, match="a replica from 0 to 2"):
        path.replica(3)
    with pytest.raises(ArgumentError, match="the path of one net"):
        loss_surface(model.replica(0), x, 2 * x, nn.MeanSquaredError(), path=path)
    for optimizer in (nn.LBFGS(), nn.LevenbergMarquardt()):
        own = WeightPath(unit="steps")
        model, history, _ = fit_line(own, optimizer=optimizer, epochs=5)
        assert len(own) == len(history) + 1
        assert np.array_equal(own.values[-1], model.params.values)


@pytest.mark.nonfinite
def test_path_of_a_training_that_diverges_stays_finite():
    path = WeightPath(unit="steps")
    with pytest.raises(DivergenceError):
        fit_line(path, rate=50.0, epochs=500)
    assert len(path) > 2
    assert np.isfinite(path.values).all()


# Surfaces.


def test_surface_is_the_loss_of_the_model_with_those_weights():
    path = WeightPath()
    loss = nn.SoftmaxCrossEntropy()
    model, X, y = trained(callbacks=[path])
    before = state_of(model)
    surface = measure("here", model, X, y, loss, path=path, resolution=7)
    assert state_of(model) == before
    twin = nn.Sequential([nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 5), nn.ReLU(), nn.Dense(5, 3)], rng=0)
    for row in (0, 3, 6):
        for column in (0, 2, 6):
            place = np.array([surface.horizontal[column], surface.vertical[row]])
            twin.params.values[...] = surface.origin + place @ surface.directions
            assert surface.losses[row, column] == pytest.approx(
                twin.evaluate(X, y, loss=loss)["loss"], rel=1e-5
            )
    (trail,) = surface.trails
    for point in (0, 5, len(path) - 1):
        twin.params.values[...] = path.values[point]
        assert trail.losses[point] == pytest.approx(twin.evaluate(X, y, loss=loss)["loss"], rel=1e-5)
    assert surface.centre_loss == pytest.approx(model.evaluate(X, y, loss=loss)["loss"], rel=1e-5)
    assert np.allclose(trail.places[-1], 0, atol=1e-5)


def test_plane_of_a_path_is_that_of_its_principal_components():
    path = WeightPath()
    model, X, y = trained(callbacks=[path])
    surface = measure("here", model, X, y, nn.SoftmaxCrossEntropy(), path=path, resolution=3)
    values = path.values.astype(float)
    _, sizes, rows = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    assert np.allclose(np.abs(surface.directions @ rows[:2].T), np.eye(2), atol=1e-6)
    shares = sizes**2 / (sizes**2).sum()
    assert surface.labels == (
        f"1st direction: {shares[0]:.1%} of the path's variance",
        f"2nd direction: {shares[1]:.1%} of the path's variance",
    )
    assert np.allclose(surface.trails[0].places, (values - surface.origin) @ surface.directions.T, atol=1e-6)


def test_random_directions_are_filter_normalised():
    model, X, y = trained()
    surface = measure("here", model, X, y, nn.SoftmaxCrossEntropy(), resolution=3)
    for direction in surface.directions:
        for name, part in model.params.split(direction).items():
            if name.endswith(".b"):
                assert not part.any()
            else:
                sizes = np.linalg.norm(model.params[name], axis=0)
                assert np.allclose(np.linalg.norm(part, axis=0), sizes, rtol=1e-5)
    other = measure("here", model, X, y, nn.SoftmaxCrossEntropy(), resolution=3, rng=1)
    assert not np.allclose(other.directions, surface.directions)


def test_two_weights_have_one_plane():
    path = WeightPath()
    model, _, x = fit_line(path)
    surface = measure("here", model, x, 2 * x + 1, nn.MeanSquaredError(), path=path, resolution=5)
    assert surface.labels == ("0.W", "0.b")
    assert np.allclose(surface.trails[0].places, path.values)
    w, b = surface.horizontal[1], surface.vertical[4]
    assert surface.losses[4, 1] == pytest.approx(np.mean((w * x + b - 2 * x - 1) ** 2), rel=1e-5)


def test_frozen_weights_stay_and_weights_of_rows_count():
    model, X, y = trained()
    model[0].freeze()
    surface = measure("here", model, X, y, nn.SoftmaxCrossEntropy(), resolution=3)
    assert not any(model.params.split(direction)["0.W"].any() for direction in surface.directions)
    weight = np.arange(len(X), dtype=float)
    found = losses_at("here", model, model.params.values[None], X, y, nn.SoftmaxCrossEntropy(), weight=weight)
    expected = model.evaluate(X, y, loss=nn.SoftmaxCrossEntropy(), weight=weight)["loss"]
    assert found[0] == pytest.approx(expected, rel=1e-5)


class Halve(nn.Layer):
    """A layer of one's own."""

    def forward(self, x, ctx=None):
        return x * 0.5

    def backward(self, dy, ctx):
        return dy * 0.5


class FourthPower(nn.Loss):
    """A loss of one's own, which gives one number for all replicas."""

    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        return float(np.mean(gap**4)), 4 * gap**3 / gap.size


@pytest.mark.parametrize(
    ("layers", "loss"),
    [([Halve()], nn.MeanSquaredError()), ([], FourthPower()), ([nn.Dropout(0.5)], nn.MeanSquaredError())],
)
def test_layers_and_losses_of_ones_own(layers, loss):
    model = nn.Sequential([nn.Dense(1, 2), *layers, nn.Dense(2, 1)], rng=0)
    x = np.random.default_rng(0).normal(size=(9, 1))
    values = np.random.default_rng(1).normal(size=(6, model.params.size))
    found = losses_at("here", model, values, x, 2 * x, loss)
    for one, expected in zip(values, found, strict=True):
        model.params.values[...] = one
        assert model.evaluate(x, 2 * x, loss=loss)["loss"] == pytest.approx(expected, rel=1e-5)


def test_surface_figures_can_be_read():
    path = WeightPath()
    model, X, y = trained(callbacks=[path])
    ax = loss_surface(model, X, y, nn.SoftmaxCrossEntropy(), path=path, resolution=9)
    check_readable(ax.figure)
    line = next(one for one in ax.lines if one.get_label() == "_path")
    surface = measure("here", model, X, y, nn.SoftmaxCrossEntropy(), path=path, resolution=9)
    assert np.allclose(line.get_xydata(), surface.trails[0].places)
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[0].startswith("start: loss ")
    assert words[1].startswith("after 20 epochs: loss ")
    ax = loss_surface(model, X, y, nn.SoftmaxCrossEntropy(), resolution=9)
    assert ax.get_legend().get_texts()[0].get_text().startswith("trained weights: loss ")
    check_readable(ax.figure)
    _, given = plt.subplots()
    assert loss_surface(model, X, y, nn.SoftmaxCrossEntropy(), span=0.5, resolution=5, ax=given) is given
    assert given.get_xlim() == pytest.approx((-0.5, 0.5))


def three_rates():
    x = np.random.default_rng(0).normal(size=(30, 1)) + 1
    paths = {}
    for name, rate in (("too small", 0.01), ("good", 0.15), ("too large", 0.4)):
        model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        model[0].W[...], model[0].b[...] = -1.5, 4.0
        paths[name] = path = WeightPath()
        model.fit(
            x, 2 * x + 1, loss=nn.MeanSquaredError(), optimizer=nn.SGD(rate), epochs=12, batch_size=30,
            callbacks=[path],
        )  # fmt: skip
    return model, x, 2 * x + 1, paths


def test_several_paths_on_one_surface():
    model, x, y, paths = three_rates()
    ax = loss_surface(model, x, y, nn.MeanSquaredError(), path=paths, resolution=9)
    drawn = [one.get_xydata() for one in ax.lines if one.get_label() == "_path"]
    assert all(np.allclose(line, path.values) for line, path in zip(drawn, paths.values(), strict=True))
    check_readable(ax.figure)


# Animations.


@pytest.fixture(scope="module")
def film():
    path = WeightPath()
    model, X, y = trained(callbacks=[path], epochs=8)
    before = state_of(model)
    made = animate(model, X, y, path, loss=nn.SoftmaxCrossEntropy(), resolution=30, dpi=50)
    assert state_of(model) == before
    return made, path


def test_gif_has_a_different_picture_for_every_point(film, tmp_path):
    made, path = film
    assert len(made) == len(made.frames) == len(path)
    made.save(tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as file:
        pictures = [np.asarray(one.convert("RGB")) for one in ImageSequence.Iterator(file)]
        assert file.info["loop"] == 0
    assert len(pictures) == len(path)
    assert all((a != b).any() for a, b in itertools.pairwise(pictures))
    for picture, frame in zip(pictures, made.frames, strict=True):
        assert np.abs(picture.astype(int) - frame).mean() < 4
    assert (tmp_path / "a.gif").stat().st_size < 400_000


def test_a_slope_has_no_bands():
    frame = (255 * diverging()(np.tile(np.linspace(0, 1, 500), (20, 1)))[..., :3]).astype(np.uint8)
    made = Animation([frame], ["slope"], seconds=0.1)
    with Image.open(io.BytesIO(made.to_gif())) as file:
        shown = np.asarray(file.convert("RGB")).astype(int)
    assert np.abs(shown - frame).max() <= 5, "what the eye sees as a step; a palette of 64 has 8"


def test_page_needs_nothing_else_and_begins_with_a_picture(film, tmp_path):
    made, path = film
    made.save(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=\"(?!data:)|href|@import|url\(", text)
    import base64

    sources = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)\"", text)
    first = np.asarray(Image.open(io.BytesIO(base64.b64decode(sources[0]))).convert("RGB"))
    assert np.abs(first.astype(int) - made.frames[0]).mean() < 4
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 10
    # Each later picture is laid over the first one.
    layers = re.findall(r'data-png="([^"]+)"', text)
    assert len(layers) == len(path)
    for layer, frame in zip(layers, made.frames, strict=True):
        above = Image.open(io.BytesIO(base64.b64decode(layer))).convert("RGBA")
        whole = Image.alpha_composite(Image.fromarray(first).convert("RGBA"), above).convert("RGB")
        assert np.abs(np.asarray(whole).astype(int) - frame).mean() < 4
    shown, again = made._repr_html_(), made._repr_html_()
    assert shown != again, "two on one page must have names of their own"
    assert len(shown) < 1_000_000


@pytest.mark.parametrize("kind", ["loss_surface", "loss_surface_3d"])
def test_balls_roll(kind, tmp_path):
    model, x, y, paths = three_rates()
    before = state_of(model)
    made = animate(model, x, y, paths, loss=nn.MeanSquaredError(), kind=kind, resolution=9, dpi=50, frames=5)
    assert state_of(model) == before
    assert len(made) == 5
    assert all((a != b).any() for a, b in zip(made.frames, made.frames[1:], strict=False))
    assert made.captions[0].startswith("after 0 epochs, too small: loss ")
    assert made.captions[-1].startswith("after 12 epochs, ")
    made.save(tmp_path / "a.gif")


def test_balls_lie_at_the_weights_of_their_time():
    from nnlite.plot.animation import _Balls, _Boundaries

    model, x, y, paths = three_rates()
    film = _Balls(measure("here", model, x, y, nn.MeanSquaredError(), path=paths, resolution=9))
    for point in (0, 4, 12):
        film.draw(point)
        for ball, path in zip(film.balls, paths.values(), strict=True):
            assert np.allclose(ball.get_xydata(), path.values[point])
    check_readable(film.figure)
    path = WeightPath()
    model, X, y = trained(callbacks=[path], epochs=4)
    film = _Boundaries(
        "here",
        model,
        X,
        y,
        {"": path},
        loss=nn.SoftmaxCrossEntropy(),
        classes=None,
        weight=None,
        resolution=20,
    )
    film.draw(2)
    twin = nn.Sequential([nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 5), nn.ReLU(), nn.Dense(5, 3)], rng=1)
    twin.params.values[...] = path.values[2]
    expected = decision_boundary(twin, X, y, resolution=20)
    assert np.allclose(film.maps[0].images[0].get_array(), expected.images[0].get_array())
    assert film.maps[0].get_title() == f"{(twin.predict(X).argmax(axis=1) == y).mean():.0%} right"
    check_readable(film.figure)


def test_animation_of_regression_and_without_a_loss():
    path = WeightPath()
    model, X, y = trained(
        1, y=lambda X, ids: X[:, :1], loss=nn.MeanSquaredError(), epochs=3, callbacks=[path]
    )
    made = animate(model, X, y, {"one": path, "two": path}, resolution=10, dpi=40)
    assert len(made) == 4


# Errors.


def test_errors_say_what_to_do(tmp_path):
    model, X, y = trained(epochs=1)
    loss = nn.SoftmaxCrossEntropy()
    path = WeightPath()
    fit_line(path, epochs=1)
    wide = nn.Sequential([nn.Dense(3, 2)], rng=0)
    many = nn.Sequential([nn.Dense(2, 2)], replicas=2, rng=0)
    cases = [
        (lambda: decision_boundary(wide, np.ones((4, 3))), ShapeError, "two features"),
        (lambda: decision_boundary(many, X), ArgumentError, "replica"),
        (lambda: decision_boundary("model", X), ArgumentTypeError, "a Sequential"),
        (lambda: decision_boundary(model, X, y, layer=0), ArgumentError, "both layer and unit"),
        (lambda: decision_boundary(model, X, y, layer=9, unit=0), ArgumentError, "layer="),
        (lambda: decision_boundary(model, X, y, layer=0, unit=6), ArgumentError, "unit="),
        (lambda: decision_boundary(model, X, y + 1), ArgumentError, "class ids from 0 to 2"),
        (lambda: decision_boundary(model, X, y[:-1]), ShapeError, "rows, as many as X"),
        (lambda: decision_boundary(model, X, np.ones((len(X), 3))), ArgumentError, "layer=-1, unit=0"),
        (lambda: decision_boundary(model, X, y, classes=["a"]), ShapeError, "classes="),
        (lambda: decision_boundary(model, X, y, ax="ax"), ArgumentTypeError, "a matplotlib Axes"),
        (lambda: decision_boundary(model, X, resolution=1), ArgumentError, "resolution="),
        (lambda: decision_boundary(model, X * np.nan), ArgumentError, "finite"),
        (lambda: neurons(nn.Sequential([nn.Tanh()]), X, layer=0), ArgumentError, "Dense"),
        (lambda: loss_surface(model, X, y, "loss"), ArgumentTypeError, "a Loss instance"),
        (lambda: loss_surface(model, X, y, loss, path=path), ArgumentError, "of this model"),
        (lambda: loss_surface(model, X, y, loss, path=WeightPath()), ArgumentError, "callbacks=\\[path\\]"),
        (lambda: loss_surface(model, X, y, loss, path=[1]), ArgumentTypeError, "a WeightPath"),
        (lambda: loss_surface(model, X, y, loss, span=-1), ArgumentError, "span="),
        (lambda: loss_surface(model, X, y, loss, span=(1, 2)), ArgumentError, "span="),
        (lambda: animate(model, X, y, path), ArgumentError, "of this model"),
        (lambda: animate(model, X, y, None), ArgumentTypeError, "a WeightPath"),
        (lambda: animate(model, X, y, path, kind="film"), ArgumentError, "'decision_boundary'"),
        (lambda: WeightPath(0), ArgumentError, "every"),
        (lambda: WeightPath(unit="batches"), ArgumentError, "'epochs' or 'steps'"),
    ]
    for call, kind, words in cases:
        with pytest.raises(kind, match=words) as caught:
            call()
        assert re.fullmatch(r".+: expected .+, got .+\. .+\.", str(caught.value), flags=re.DOTALL), (
            caught.value
        )
    assert plt.get_fignums() == [], "an error leaves no empty figure behind"


def test_animate_needs_a_loss_for_a_surface():
    path = WeightPath()
    model, _, x = fit_line(path, epochs=1)
    with pytest.raises(ArgumentTypeError, match="a Loss instance"):
        animate(model, x, x, path, kind="loss_surface")


def test_saving_refuses_other_endings_and_keeps_the_old_file(tmp_path):
    frames = [np.full((4, 6, 3), shade, np.uint8) for shade in (0, 255)]
    made = Animation(frames, ["dark", "light"], seconds=0.1)
    for name in ("a.mp4", "a"):
        with pytest.raises(ArgumentError, match=r"a name that ends in \.gif or \.html"):
            made.save(tmp_path / name)
    old = tmp_path / "a.gif"
    old.write_text("old")
    with pytest.raises(FileNotFoundError):
        made.save(tmp_path / "nowhere" / "a.gif")
    made.save(old)
    assert old.read_bytes()[:3] == b"GIF"
    assert list(tmp_path.iterdir()) == [old]


# Blocks, and running statistics on the way.


@pytest.fixture(scope="module")
def walked():
    """A net of blocks, the path that it has come, and its data."""
    X, y = nn.datasets.moons(60, rng=0)
    model, path = net_of_blocks(2, 2), WeightPath()
    losses = nn.SoftmaxCrossEntropy()
    seen = []

    class Look(nn.Callback):
        def on_epoch_end(self, state):
            seen.append(state.model.evaluate(X, y, loss=losses)["loss"])

    model.fit(X, y, loss=losses, optimizer=nn.Adam(0.02), epochs=6, callbacks=[path, Look()])
    return model, path, X, y, seen


def test_a_path_keeps_running_statistics(walked):
    model, path, X, y, seen = walked
    assert path.values.shape == (7, model.params.size)
    found = losses_at("here", model, path._whole, X, y, nn.SoftmaxCrossEntropy())
    np.testing.assert_allclose(found[1:], seen, rtol=1e-5)
    surface = measure("here", model, X, y, nn.SoftmaxCrossEntropy(), path=path, resolution=5)
    np.testing.assert_allclose(surface.trails[0].losses, found, rtol=1e-6)
    # Of the plane, with those that the model has now.
    alone = losses_at("here", model, path.values[1:2], X, y, nn.SoftmaxCrossEntropy())
    assert abs(alone[0] - seen[0]) > 1e-3


def test_a_path_with_running_statistics_goes_on_from_what_was_saved(walked):
    model, path, _, _, _ = walked
    other = WeightPath()

    class State:
        pass

    State.model = model
    other.load_state_dict(path.state_dict(), State)
    np.testing.assert_array_equal(other.values, path.values)
    np.testing.assert_array_equal(other._whole, path._whole)


def test_a_film_shows_the_net_with_the_statistics_of_the_time(walked):
    model, path, X, y, seen = walked
    film = animate(model, X, y, path, loss=nn.SoftmaxCrossEntropy(), frames=3, resolution=12, dpi=40)
    assert isinstance(film, Animation)
    np.testing.assert_allclose(film_losses(model, path, X, y)[1:], seen, rtol=1e-5)


def film_losses(model, path, X, y):
    """Return the losses that a film writes below its pictures."""
    from nnlite.plot.animation import _Boundaries

    where, loss = "here", nn.SoftmaxCrossEntropy()
    drawn = _Boundaries(where, model, X, y, {"": path}, loss=loss, classes=None, weight=None, resolution=12)
    drawn.draw(1)
    assert (drawn.twin.params.numbers == path._whole[1]).all()
    return drawn.trails[0].losses


def test_surfaces_of_blocks_agree_with_the_net_itself(walked):
    model, _, X, y, _ = walked
    values = model.params.values + np.linspace(0, 0.1, 3)[:, None].astype(np.float32)
    found = losses_at("here", model, values, X, y, nn.SoftmaxCrossEntropy())
    twin = nn.Sequential([*copy.deepcopy(model.layers)])
    for one, loss in zip(values, found, strict=True):
        twin.params.values[...] = one
        assert twin.evaluate(X, y, loss=nn.SoftmaxCrossEntropy())["loss"] == pytest.approx(loss, rel=1e-5)


def test_maps_of_neurons_inside_of_a_block(walked):
    model, _, X, y, _ = walked
    maps = neurons(model, X, y, layer="1.2.0", resolution=20)
    assert len(maps) == 5
    assert maps[0].figure.get_suptitle() == "Dense(5, 5), BatchNorm(5), Tanh()"
    ax = decision_boundary(model, X, y, layer=1, unit=2, resolution=20)
    assert ax.get_title() == "unit 2 of Dense(5, 5), ReLU(), + input"
    grid = make_grid("here", model, X, resolution=20)
    np.testing.assert_allclose(
        ax.images[0].get_array().ravel(), grid.image(model.activations(grid.rows)[1][:, 2]).ravel(), rtol=1e-6
    )
    with pytest.raises(ArgumentError, match=r"expected one of 0, 1\.0, .*, got '1\.7'"):
        decision_boundary(model, X, y, layer="1.7", unit=0)
