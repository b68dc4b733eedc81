"""Pictures: what is drawn are the model's own numbers, nothing overlaps, and nothing is changed."""

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.training.inside import what_reaches

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from readable import check_readable  # noqa: E402
from workpieces import net_of_blocks  # noqa: E402

from nnlite import plot  # noqa: E402
from nnlite.inspect import Importance, LearningCurve  # noqa: E402
from nnlite.plot.network import columns_of  # noqa: E402
from nnlite.plot.style import CLASSES, ink_on  # noqa: E402

X, Y = nn.datasets.moons(60, noise=0.1, rng=0)
LOSS = nn.SoftmaxCrossEntropy()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def make_net(*layers, **options):
    return nn.Sequential(list(layers) or [nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 2)], rng=0, **options)


@pytest.fixture
def net():
    return make_net()


@pytest.fixture
def trained(net):
    options = {"loss": LOSS, "optimizer": nn.Adam(0.05), "metrics": [nn.accuracy]}
    return net, net.fit(X, Y, epochs=12, validation=0.3, **options)


def make_history():
    options = {"loss": LOSS, "optimizer": nn.SGD(0.1), "epochs": 5, "validation": 0.2}
    return make_net().fit(X, Y, metrics=[nn.accuracy], **options)


NINE = [
    nn.ReLU(),
    nn.Tanh(),
    nn.GELU(),
    nn.ELU(),
    nn.SiLU(),
    nn.Mish(),
    nn.SELU(),
    nn.Sigmoid(),
    nn.Softplus(),
]
#: Scores of twenty classes, and the true ones.
SEVERAL = (
    np.random.default_rng(0).normal(size=(60, 20)) + 2 * np.eye(20)[np.arange(60) % 20],
    np.arange(60) % 20,
)


def make_sweep():
    return nn.sweep(make_net(), X, Y, loss=LOSS, learning_rate=[1e-4, 0.1, 1.0], epochs=5)


#: One call of every still picture, as a user would make it.
PICTURES = {
    "network": lambda net, ax: plot.network(net, X[0], feature_names=["left", "up"], ax=ax),
    "network, wide": lambda net, ax: plot.network(
        make_net(nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)), ax=ax
    ),
    "activations": lambda net, ax: plot.activations([nn.ReLU(), nn.Tanh(), nn.GELU()], ax=ax),
    "neuron": lambda net, ax: plot.neuron(net, X, layer=0, unit=1, ax=ax),
    "history": lambda net, ax: plot.history(
        net.fit(X, Y, loss=LOSS, optimizer=nn.SGD(0.1), epochs=5, validation=0.2), ax=ax
    ),
    "gradient_flow": lambda net, ax: plot.gradient_flow(net, X, Y, LOSS, ax=ax),
    "confusion_matrix": lambda net, ax: plot.confusion_matrix(
        net.predict(X), Y, classes=["sun", "rain"], ax=ax
    ),
    "confusion of ten": lambda net, ax: plot.confusion_matrix(np.arange(10), np.arange(10)[::-1], ax=ax),
    "weights": lambda net, ax: plot.weights(make_net(nn.Dense(64, 10)), ax=ax),
    "weights, a table": lambda net, ax: plot.weights(
        make_net(nn.Dense(20, 10)), feature_names=["a feature with a name"] * 20, ax=ax
    ),
    "network, names": lambda net, ax: plot.network(
        make_net(nn.Standardize(4), nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 3)),
        feature_names=["sepal length", "sepal width", "petal length", "petal width"],
        target_names=["setosa", "versicolor", "virginica"],
        ax=ax,
    ),
    "network, deep": lambda net, ax: plot.network(
        make_net(*[one for _ in range(6) for one in (nn.Dense(6, 6), nn.LeakyReLU())]), np.arange(6), ax=ax
    ),
    "gradient_flow, deep": lambda net, ax: plot.gradient_flow(
        make_net(*[one for _ in range(6) for one in (nn.Dense(2, 2), nn.ReLU())]),
        X, X, nn.MeanSquaredError(), ax=ax,
    ),
    "sweep": lambda net, ax: plot.sweep(make_sweep(), ax=ax),
    "history, both kinds": lambda net, ax: plot.history(make_history(), columns=["loss", "accuracy"], ax=ax),
    "activations, nine": lambda net, ax: plot.activations(
        NINE,
        ax=ax,
    ),
    "confusion of thirty": lambda net, ax: plot.confusion_matrix(
        np.arange(90) % 30, np.arange(90) % 29, classes=[f"kind {place}" for place in range(30)], ax=ax
    ),
    "weights, many inputs": lambda net, ax: plot.weights(make_net(nn.Dense(130, 10)), ax=ax),
    "roc_curve": lambda net, ax: plot.roc_curve(net.predict(X), Y, ax=ax),
    "roc_curve of twenty": lambda net, ax: plot.roc_curve(*SEVERAL, ax=ax),
    "precision_recall_curve": lambda net, ax: plot.precision_recall_curve(net.predict(X), Y, ax=ax),
    "calibration_curve": lambda net, ax: plot.calibration_curve(*SEVERAL, ax=ax),
    "learning_curve": lambda net, ax: plot.learning_curve(
        LearningCurve(np.array([5, 50]), np.eye(2), np.eye(2)[::-1], "accuracy"), ax=ax
    ),
    "fit_curve": lambda net, ax: plot.fit_curve(make_net(nn.Dense(1, 1)), X[:, :1], X[:, 1], ax=ax),
    "prediction_error": lambda net, ax: plot.prediction_error(X[:, 0], X[:, 1], ax=ax),
    "prediction_error, residuals": lambda net, ax: plot.prediction_error(
        X, X[::-1], kind="residual_vs_predicted", ax=ax
    ),
    "permutation_importance": lambda net, ax: plot.permutation_importance(
        Importance([f"a feature with a name, {place}" for place in range(30)], np.eye(30), 1.0, "loss"), ax=ax
    ),
    "saliency": lambda net, ax: plot.saliency(net, X, ax=ax),
    "saliency of an image": lambda net, ax: plot.saliency(
        make_net(nn.Dense(64, 2)), np.eye(8).ravel(), ax=ax
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
class TestEveryPicture:
    def test_no_text_covers_another_and_all_can_be_read(self, net, name):
        check_readable(PICTURES[name](net, None).figure)

    @pytest.mark.parametrize("size", [(6.4, 4.8), (3.2, 2.4)], ids=["in print", "small"])
    def test_nor_on_axes_of_the_user(self, net, name, size):
        figure, ax = plt.subplots(figsize=size, layout="constrained")
        PICTURES[name](net, ax)
        check_readable(figure)

    def test_nor_among_many(self, net, name):
        figure, axes = plt.subplots(2, 2, figsize=(7, 5.6), layout="constrained")
        for ax in axes.flat:
            PICTURES[name](make_net(), ax)
        check_readable(figure)

    def test_it_draws_where_it_is_told_to_and_changes_nothing_else(self, net, name):
        _, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
        before = dict(mpl.rcParams)
        opened = plt.get_fignums()
        assert PICTURES[name](net, left) is left
        assert left.has_data() or left.patches
        assert not right.has_data()
        assert plt.get_fignums() == opened
        assert dict(mpl.rcParams) == before

    def test_axes_of_another_kind_are_refused(self, net, name):
        with pytest.raises(ArgumentTypeError, match=r"expected a matplotlib Axes, got"):
            PICTURES[name](net, np.array(plt.subplots(1, 2)[1]))


@pytest.mark.parametrize("name", sorted(set(PICTURES) - {"history"}))
def test_the_model_is_left_as_it_is(net, name):
    net.loss_and_grad(X, Y, LOSS)
    before = net.params.values.copy(), net.params.grads.copy()
    PICTURES[name](net, None)
    np.testing.assert_array_equal(net.params.values, before[0])
    np.testing.assert_array_equal(net.params.grads, before[1])


class TestNetwork:
    def lines(self, ax):
        return [found for found in ax.collections if isinstance(found, mpl.collections.LineCollection)]

    def test_lines_are_as_thick_as_the_weights(self, net):
        W = net[0].W
        first = self.lines(plot.network(net))[0]
        widths = np.sort(first.get_linewidths())
        np.testing.assert_allclose(
            widths / widths[-1], np.sort(np.abs(W).ravel()) / np.abs(W).max(), rtol=1e-5
        )

    def test_colour_and_dashes_say_the_sign(self):
        net = make_net(nn.Dense(2, 1))
        net[0].W[...] = [[2.0], [-1.0]]
        lines = self.lines(plot.network(net))[0]
        colours = {mpl.colors.to_hex(colour).upper() for colour in lines.get_colors()}
        assert colours == {plot.style.POSITIVE, plot.style.NEGATIVE}
        # The heavier one is last, and solid.
        assert [dashes is None for _, dashes in lines.get_linestyle()] == [False, True]

    def test_a_neuron_is_a_circle_that_shows_its_answer(self, net):
        ax = plot.network(net, X[0])
        assert len(ax.patches) == 2 + 3 + 2
        shown = {text.get_text() for text in ax.texts}
        hidden = net.activations(X[:1])[1][0]
        assert {plot.style.brief(float(answer)) for answer in hidden} <= shown

    def test_of_wide_layers_some_are_shown(self):
        ax = plot.network(make_net(nn.Dense(100, 3)), max_units=6)
        assert len(ax.patches) < 100
        assert any("of 100" in text.get_text() for text in ax.texts)

    def test_numbers_stand_where_other_lines_are_far(self):
        ax = plot.network(make_net(nn.Dense(2, 4), nn.Sigmoid(), nn.Dense(4, 1)))
        segments = np.concatenate([lines.get_segments() for lines in self.lines(ax)[:2]])
        numbers = [text for text in ax.texts if text.get_text()[0] in "+\N{MINUS SIGN}"]
        assert len(numbers) == 12
        for text in numbers:
            x, y = text.get_position()
            crossed = [
                y - np.interp(x, *segment.T) for segment in segments if segment[0, 0] < x < segment[1, 0]
            ]
            own, other = np.sort(np.abs(crossed))[:2]
            assert own < 1e-6
            assert other > 1.5 * plot.diagram.LINE, "and room for a number on that one"

    def test_names(self, net):
        ax = plot.network(net, feature_names=["left", "up"], target_names=["sun", "rain"])
        assert {"left", "up", "sun", "rain"} <= {text.get_text() for text in ax.texts}

    def test_bad_names(self, net):
        with pytest.raises(ShapeError, match="expected 2 names, got 1"):
            plot.network(net, feature_names=["left"])

    def test_more_than_one_row(self, net):
        with pytest.raises(ShapeError, match="expected one row, got 2"):
            plot.network(net, X[:2])


class TestActivations:
    def test_curve_and_slope(self):
        ax = plot.activations(nn.Sigmoid(), span=(-2, 3))
        curve, slope = ax.lines[2:4]
        assert (curve.get_linestyle(), slope.get_linestyle()) == ("-", "--")
        x = curve.get_xdata()
        assert (x[0], x[-1]) == (-2, 3)
        s = 1 / (1 + np.exp(-x))
        np.testing.assert_allclose(curve.get_ydata(), s, rtol=1e-12)
        np.testing.assert_allclose(slope.get_ydata(), s * (1 - s), rtol=1e-12)

    @pytest.mark.parametrize(
        "layer", [nn.Softmax(), nn.Dense(1, 1), nn.Dropout(0.5), nn.Standardize(1)], ids=repr
    )
    def test_what_is_no_activation_is_refused(self, layer):
        with pytest.raises(ArgumentError, match="work on every number alone"):
            plot.activations(layer)

    def test_bad_arguments(self):
        with pytest.raises(ArgumentTypeError, match="a list of layers"):
            plot.activations("relu")
        with pytest.raises(ArgumentError, match="the smaller number first"):
            plot.activations(nn.ReLU(), span=(1, -1))

    def test_no_two_of_nine_look_alike(self):
        ax = plot.activations(NINE)
        looks = [(line.get_color(), line.get_marker()) for line in ax.lines[2::2][:9]]
        assert len({*looks}) == 9


class TestNeuron:
    def test_dots_are_its_sums_and_answers(self, net):
        ax = plot.neuron(net, X, layer=0, unit=2)
        sums, answers = ax.lines[-1].get_data()
        z, a = (out[:, 2] for out in net.activations(X)[:2])
        np.testing.assert_allclose(sums, z, rtol=1e-6)
        np.testing.assert_array_equal(answers, a)

    def test_the_curve_is_that_of_its_activation(self, net):
        curve = next(line for line in plot.neuron(net, X).lines if line.get_label() == "Tanh()")
        np.testing.assert_allclose(curve.get_ydata(), np.tanh(curve.get_xdata()), rtol=1e-12)

    def test_the_dotted_line_is_its_bias(self, net):
        net[0].b[...] = [0.1, 0.2, 0.3]
        line = next(line for line in plot.neuron(net, X, unit=1).lines if line.get_label().startswith("bias"))
        assert line.get_xdata()[0] == pytest.approx(0.2)

    def test_dropout_does_nothing_in_a_prediction(self):
        ax = plot.neuron(make_net(nn.Dense(2, 3), nn.ReLU(), nn.Dropout(0.5), nn.Dense(3, 2)), X, layer=0)
        curve = next(line for line in ax.lines if line.get_label() == "ReLU()")
        np.testing.assert_allclose(curve.get_ydata(), np.maximum(curve.get_xdata(), 0))

    def test_behind_a_softmax_there_is_no_curve(self):
        ax = plot.neuron(make_net(nn.Dense(2, 3), nn.Softmax()), X, layer=0)
        assert [line.get_label() for line in ax.lines if not line.get_label().startswith(("_", "bias"))] == [
            "60 rows"
        ]

    def test_bad_places(self, net):
        with pytest.raises(ArgumentError, match=r"unit=\): expected one of the 3 neurons, got 3"):
            plot.neuron(net, X, unit=3)
        with pytest.raises(ArgumentError, match="the index of a Dense layer"):
            plot.neuron(net, X, layer=1)


class TestHistory:
    def test_training_solid_and_validation_dashed(self, trained):
        _, history = trained
        training, validation = plot.history(history).lines
        np.testing.assert_array_equal(training.get_ydata(), history["loss"])
        np.testing.assert_array_equal(validation.get_ydata(), history["validation_loss"])
        assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")

    def test_several_columns(self, trained):
        ax = plot.history(trained[1], columns=["loss", "accuracy"])
        lines = [line for one in ax.figure.axes for line in one.lines]
        labels = ["loss", "validation loss", "accuracy", "validation accuracy"]
        assert [line.get_label() for line in lines] == labels
        assert [text.get_text() for text in ax.figure.axes[1].get_legend().get_texts()] == labels
        assert lines[0].get_color() == lines[1].get_color() == CLASSES[0]
        assert lines[2].get_color() == CLASSES[1]

    def test_a_line_for_each_replica(self):
        net = make_net(replicas=3)
        history = net.fit(X, Y, loss=LOSS, optimizer=nn.SGD(0.1), epochs=4)
        lines = plot.history(history).lines
        np.testing.assert_array_equal([line.get_ydata() for line in lines], np.array(history["loss"]).T)

    def test_each_replica_has_a_star_at_its_best_epoch(self):
        net = make_net(replicas=3)
        stop = nn.EarlyStopping(patience=1)
        history = net.fit(X, Y, loss=LOSS, optimizer=nn.SGD(0.5), epochs=6, validation=0.3, callbacks=[stop])
        stars = plot.history(history).lines[-1]
        best = [one["best_epoch"] for one in history.replicas]
        assert list(stars.get_xdata()) == best
        expected = [history["validation_loss"][epoch - 1][index] for index, epoch in enumerate(best)]
        np.testing.assert_array_equal(stars.get_ydata(), expected)

    def test_a_column_of_the_validation_data_alone(self, trained):
        (line,) = plot.history(trained[1], columns=["validation_accuracy"]).lines
        assert line.get_linestyle() == "--"
        np.testing.assert_array_equal(line.get_ydata(), trained[1]["validation_accuracy"])

    def test_a_replica_that_diverged_ends_where_it_did(self):
        history = nn.History()
        history.rows += [{"epoch": 1, "loss": [1.0, 2.0]}, {"epoch": 2, "loss": [0.5, None]}]
        first, second = plot.history(history).lines
        np.testing.assert_array_equal(first.get_ydata(), [1.0, 0.5])
        np.testing.assert_array_equal(second.get_ydata(), [2.0, np.nan])
        assert second.get_marker() == "o", "of a line with one point there is nothing else to see"

    def test_what_is_no_number_is_a_gap(self):
        history = nn.History()
        history.rows += [
            {"epoch": 1, "loss": 1.0, "score": None},
            {"epoch": 2, "loss": 1.0, "score": [1.0, 2.0]},
        ]
        history.rows += [{"epoch": 3, "loss": 1.0, "score": [3.0, "none"]}]
        first, second = plot.history(history, columns=["score"]).lines
        np.testing.assert_array_equal(first.get_ydata(), [np.nan, 1.0, 3.0])
        np.testing.assert_array_equal(second.get_ydata(), [np.nan, 2.0, np.nan])

    def test_one_epoch_has_no_fractions(self):
        history = nn.History()
        history.rows += [{"epoch": 1, "loss": 1.0}]
        ax = plot.history(history)
        low, high = ax.get_xlim()
        assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [1.0]

    def test_a_column_without_numbers(self):
        history = nn.History()
        history.rows += [{"epoch": 1, "loss": 1.0, "learning_rate": None}]
        with pytest.raises(ArgumentError, match="'learning_rate', without any"):
            plot.history(history, columns=["learning_rate"])

    def test_the_best_epoch_is_marked(self, trained):
        _, history = trained
        history.best_epoch = 7
        assert plot.history(history).lines[-1].get_xdata()[0] == 7

    def test_a_logarithmic_scale_where_numbers_span_much(self):
        history = nn.History()
        history.rows += [{"epoch": epoch, "loss": 10.0**-epoch} for epoch in range(1, 6)]
        assert plot.history(history).get_yscale() == "log"
        history.rows[:] = history.rows[:2]
        assert plot.history(history).get_yscale() == "linear"

    def test_losses_and_other_metrics_have_a_scale_each(self):
        history = nn.History()
        history.rows += [{"epoch": e, "loss": 10.0**-e, "accuracy": 1 - 0.5**e} for e in range(1, 6)]
        ax = plot.history(history, columns=["loss", "accuracy"])
        left, right = ax.figure.axes
        assert left is ax
        assert (left.get_yscale(), left.get_ylabel()) == ("log", "loss")
        assert (right.get_yscale(), right.get_ylabel()) == ("linear", "accuracy")
        np.testing.assert_array_equal(right.lines[0].get_ydata(), history["accuracy"])
        assert len(plot.history(history, columns=["accuracy"]).figure.axes) == 1

    def test_what_two_metrics_span_together_is_no_reason_for_a_logarithm(self):
        history = nn.History()
        history.rows += [{"epoch": e, "loss": 1.0, "share": 0.5, "euros": 3000.0 + e} for e in (1, 2)]
        assert plot.history(history, columns=["share", "euros"]).get_yscale() == "linear"

    def test_bad_arguments(self, trained):
        with pytest.raises(ArgumentTypeError, match="a History, got list"):
            plot.history([1.0, 0.5])
        with pytest.raises(ArgumentError, match="at least one epoch"):
            plot.history(nn.History())
        with pytest.raises(ArgumentError, match="'acuracy'"):
            plot.history(trained[1], columns=["acuracy"])
        with pytest.raises(ArgumentTypeError, match="a list of names"):
            plot.history(trained[1], columns="loss")


class TestGradientFlow:
    def test_dots_are_the_mean_sizes_of_the_weights_gradients(self, net):
        ax = plot.gradient_flow(net, X, Y, LOSS)
        net.loss_and_grad(X, Y, LOSS)
        grads = net.params.split(net.params.grads)
        expected = [np.abs(grads[name]).mean() for name in ("0.W", "2.W")]
        np.testing.assert_allclose(ax.lines[0].get_ydata(), expected, rtol=1e-6)

    def test_a_layer_that_gets_nothing_has_a_cross(self):
        net = make_net(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 2))
        net[0].b[...] = -100  # nobody fires
        dots, crosses = plot.gradient_flow(net, X, Y, LOSS).lines
        assert list(crosses.get_xdata()) == [0, 1]
        assert len(dots.get_xdata()) == 0

    def test_how_many_gradients_are_zero_is_written_below(self):
        net = make_net(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 2))
        net[0].b[...] = [0, -100, 0, 0]  # one of four is dead, with two weights in and two out
        ax = plot.gradient_flow(net, X, Y, LOSS)
        assert [text.get_text() for text in ax.texts] == ["25% are 0", "25% are 0"]

    def test_with_an_optimizer_the_next_step_beside_the_weights(self, net):
        optimizer = nn.Adam(0.01)
        net.fit(X, Y, loss=LOSS, optimizer=optimizer, epochs=2)
        ax = plot.gradient_flow(net, X, Y, LOSS, optimizer=optimizer)
        steps, before = optimizer.steps, net.params.values.copy()
        net.loss_and_grad(X, Y, LOSS)
        optimizer.step(net.params)
        assert optimizer.steps == steps + 1, "the picture took a step of its own"
        change, whole = (net.params.split(v) for v in (net.params.values - before, before))
        expected = [np.abs(change[name]).mean() / np.abs(whole[name]).mean() for name in ("0.W", "2.W")]
        np.testing.assert_allclose(ax.lines[0].get_ydata(), expected, rtol=1e-5)
        assert ax.get_ylabel() == "change / weights"

    def test_a_shared_axis_has_room_for_both_pictures(self):
        straight = make_net(nn.Dense(2, 3), nn.Dense(3, 2))
        _, axes = plt.subplots(1, 2, sharey=True)
        for ax, scale in zip(axes, (1, 1000), strict=True):
            plot.gradient_flow(straight, scale * X, Y, LOSS, ax=ax)
        low, high = axes[0].get_ylim()
        dots = np.concatenate([ax.lines[0].get_ydata() for ax in axes])
        assert low < dots.min() < 1e-2 * dots.max()
        assert dots.max() < high

    def test_what_is_nearly_the_same_does_not_fill_the_height(self):
        net = make_net(nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 2))
        net[2].W[...] = net[0].W  # so that Adam's first step is the same part of both
        ax = plot.gradient_flow(net, X, Y, LOSS, optimizer=nn.Adam(0.01))
        dots = ax.lines[0].get_ydata()
        assert dots[1] == pytest.approx(dots[0], rel=1e-2)
        low, high = ax.get_ylim()
        assert high / low >= 9.99
        assert low < dots.min() < dots.max() < high

    def test_an_optimizer_that_needs_all_rows_is_refused(self, net):
        with pytest.raises(ArgumentTypeError, match="an Optimizer, got LBFGS"):
            plot.gradient_flow(net, X, Y, LOSS, optimizer=nn.LBFGS())

    def test_layers_that_must_see_data_are_shown_them_in_a_copy(self):
        net = make_net(nn.Standardize(2), nn.Dense(2, 2))
        plot.gradient_flow(net, X, Y, LOSS)
        assert not net[0].adapted

    def test_a_net_without_weights(self):
        with pytest.raises(ArgumentError, match="a net with weights"):
            plot.gradient_flow(make_net(nn.Tanh()), X, X, nn.MeanSquaredError())

    def test_a_layer_of_ones_own_without_weights_that_decay(self):
        ax = plot.gradient_flow(make_net(nn.Dense(2, 2), Gain(2)), X, X, nn.MeanSquaredError())
        assert [label.get_text() for label in ax.get_xticklabels()] == ["0 Dense(2, 2)", "1 Gain(2)"]


class Gain(nn.Layer):
    gain = nn.Parameter()

    def __init__(self, features):
        self.features = features
        self.declare("gain", (features,), initializer=nn.initializers.Constant(1.0), decay=False)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x * self.gain

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grads.gain[...] = np.sum(dy * x, axis=-2)
        return dy * self.gain


class TestConfusionMatrix:
    def test_numbers_are_the_counts(self):
        pred, target = [0, 1, 1, 2, 2, 2], [0, 1, 2, 2, 2, 0]
        ax = plot.confusion_matrix(pred, target)
        expected = nn.confusion_matrix(pred, target)
        assert [int(text.get_text()) for text in ax.texts] == expected.ravel().tolist()
        assert ax.get_title() == f"{4 / 6:.1%} right"
        shares = expected / expected.sum(axis=1, keepdims=True)
        right, wrong = (image.get_array() for image in ax.images)
        np.testing.assert_allclose(right.data, shares)
        assert (right.mask == ~np.eye(3, dtype=bool)).all()
        assert (wrong.mask == np.eye(3, dtype=bool)).all()
        assert ax.images[1].norm.vmax == pytest.approx(shares[~np.eye(3, dtype=bool)].max())

    def test_of_many_classes_a_zero_is_not_written(self):
        ax = plot.confusion_matrix(np.r_[np.arange(25), 3], np.r_[np.arange(25), 7])
        assert {text.get_text() for text in ax.texts} == {"", "1"}
        assert sum(text.get_text() == "1" for text in ax.texts) == 26

    def test_ink_stands_out(self):
        assert (ink_on("#FFFFFF"), ink_on("#0072B2"), ink_on("#000000")) == ("black", "white", "white")

    def test_weights_of_rows(self):
        ax = plot.confusion_matrix([0, 1], [0, 1], [0.5, 2.0])
        assert [text.get_text() for text in ax.texts] == ["0.5", "0", "0", "2"]

    def test_too_few_names(self):
        with pytest.raises(ArgumentError, match="class ids from 0 to 1, got 2"):
            plot.confusion_matrix([0, 2], [0, 1], classes=["a", "b"])

    def test_numbers_that_do_not_fit_are_left_out(self):
        ax = plt.subplots(figsize=(3, 3))[1]
        assert len(plot.confusion_matrix(np.arange(30), np.arange(30), ax=ax).texts) == 0


class TestWeights:
    def test_every_image_holds_the_weights_of_one_neuron(self):
        net = make_net(nn.Dense(9, 5))
        shown = plot.weights(net, shape=(3, 3)).images[0].get_array()
        assert shown.shape == (2 * 3 + 1, 3 * 3 + 2)
        np.testing.assert_array_equal(shown[:3, 4:7], net[0].W[:, 1].reshape(3, 3))
        np.testing.assert_array_equal(shown[4:, :3], net[0].W[:, 3].reshape(3, 3))
        assert shown.mask[3].all(), "an empty line between them"
        assert shown.mask[4:, 8:].all(), "there is no sixth neuron"

    def test_another_shape(self):
        assert plot.weights(make_net(nn.Dense(6, 1)), shape=(2, 3)).images[0].get_array().shape == (2, 3)

    def test_shapes_of_images_are_guessed_where_there_is_a_sign_of_them(self):
        def size(*layers, **options):
            return plot.weights(make_net(*layers), **options).images[0].get_array().shape

        assert size(nn.Dense(64, 1)) == (8, 8)
        assert size(nn.Dense(784, 1)) == (28, 28)
        assert size(nn.Flatten((2, 3)), nn.Dense(6, 1)) == (2, 3)
        assert size(nn.Dense(2, 64), nn.Dense(64, 3), layer=1) == (3, 64), "neurons are no pixels"

    def test_a_table_where_inputs_are_no_pixels(self):
        net = make_net(nn.Dense(4, 3))
        ax = plot.weights(net, feature_names=["a", "b", "c", "d"])
        np.testing.assert_array_equal(ax.images[0].get_array(), net[0].W)
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c", "d"]
        assert [label.get_text() for label in plot.weights(net).get_yticklabels()] == ["0", "1", "2", "3"]
        net.feature_names = ["e", "f", "g", "h"]
        assert [label.get_text() for label in plot.weights(net).get_yticklabels()] == ["e", "f", "g", "h"]
        with pytest.raises(ShapeError, match="expected 4 names, got 1"):
            plot.weights(net, feature_names=["a"])

    def test_many_inputs_without_names_go_to_the_right(self):
        net = make_net(nn.Dense(130, 10))
        ax = plot.weights(net)
        np.testing.assert_array_equal(ax.images[0].get_array(), net[0].W.T)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("input", "neuron")
        ax = plot.weights(net, feature_names=[f"x{place}" for place in range(130)])
        np.testing.assert_array_equal(ax.images[0].get_array(), net[0].W)

    def test_of_many_neurons_some_are_shown(self):
        ax = plot.weights(make_net(nn.Dense(4, 30)), max_units=10)
        assert ax.images[0].get_array().shape == (4, 10)
        assert "10 of 30 neurons" in ax.get_title()

    def test_zero_is_white(self):
        norm = plot.weights(make_net(nn.Dense(9, 4))).images[0].norm
        assert norm.vmin == -norm.vmax

    def test_bad_shapes(self):
        with pytest.raises(ArgumentError, match="an image of the 9 inputs"):
            plot.weights(make_net(nn.Dense(9, 4)), shape=(2, 4))
        with pytest.raises(ArgumentTypeError, match="height and width"):
            plot.weights(make_net(nn.Dense(9, 4)), shape=3)


@pytest.mark.parametrize("draw", [plot.network, plot.weights], ids=["network", "weights"])
def test_replicas_and_strangers_are_refused(draw):
    with pytest.raises(ArgumentError, match="one net, got 2 replicas"):
        draw(make_net(replicas=2))
    with pytest.raises(ArgumentTypeError, match="a Sequential, got str"):
        draw("net")


def test_every_public_name_has_a_still_picture_here_or_elsewhere():
    elsewhere = {
        "Animation", "LivePlot", "WeightPath", "animate", "decision_boundary", "loss_surface", "neurons",
    }  # fmt: skip
    assert {name.partition(",")[0].partition(" ")[0] for name in PICTURES} - {"confusion"} == (
        set(plot.__all__) - elsewhere
    )


NAMES = ["price_$", "$$", "a name that is longer than there is room for in most pictures"]


@pytest.mark.parametrize("size", [None, (6.4, 4.8), (3, 2)], ids=["own", "in print", "small"])
@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot.confusion_matrix([0, 1, 2], [0, 1, 1], classes=NAMES, ax=ax),
        lambda ax: plot.confusion_matrix(np.arange(9), np.arange(9), classes=3 * NAMES, ax=ax),
        lambda ax: plot.weights(make_net(nn.Dense(3, 4)), feature_names=NAMES, ax=ax),
        lambda ax: plot.weights(make_net(nn.Dense(784, 300)), ax=ax),
        lambda ax: plot.network(make_net(nn.Dense(3, 4)), feature_names=NAMES, ax=ax),
        lambda ax: plot.gradient_flow(make_net(), X, Y, LOSS, optimizer=nn.SGD(0.1), ax=ax),
        lambda ax: plot.decision_boundary(make_net(), X, Y, classes=NAMES[:2], ax=ax),
    ],
    ids=["three classes", "nine classes", "weights", "many weights", "network", "steps", "boundary"],
)
def test_long_names_and_dollar_signs(draw, size):
    ax = None if size is None else plt.subplots(figsize=size, layout="constrained")[1]
    check_readable(draw(ax).figure)


def test_a_single_neuron_is_numbered_by_a_whole_number():
    ax = plot.weights(make_net(nn.Dense(1, 1)))
    assert [tick for tick in ax.get_xticks() if -0.5 < tick < 0.5] == [0.0]


# Blocks.


@pytest.fixture
def blocks():
    model = net_of_blocks(2, 2)
    model.params.state[...] = np.random.default_rng(0).uniform(0.5, 1.5, model.params.state.shape)
    return model


def test_a_network_of_blocks_shows_their_inside_and_the_ways_past_it(blocks):
    x = [0.5, -1.0]
    ax = plot.network(blocks, x)
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("+") == 2  # the block, and the one inside of it
    columns = columns_of(blocks, np.array([x], np.float32))
    assert [column.units for column in columns] == [2, 5, 5, 5, 5, 2]
    assert [tuple(column.skips) for column in columns] == [(), (), (1,), (1,), (), ()]
    assert columns[2].layers == ["Dense(5, 5)", "BatchNorm(5)", "Tanh()", "+ input"]
    assert columns[3].layers == ["Dense(5, 5)", "ReLU()", "+ input"]
    assert columns[4].layers == [repr(blocks[2])]  # one column, with an arrow to it
    assert [column.W is None for column in columns] == [True, False, False, False, True, False]
    np.testing.assert_array_equal(columns[3].answers, blocks.activations([x])[1][0])
    np.testing.assert_array_equal(columns[-1].answers, blocks.predict([x])[0])
    check_readable(ax.figure)


def test_ways_past_columns_do_not_lie_upon_each_other():
    from nnlite.plot.diagram import Column, _lanes

    skips = [(), (), (0,), (2, 0), (3,)]
    lanes = _lanes([Column(("",), (), 1, skips=way) for way in skips])
    assert lanes == [[(2, 3), (3, 4), (0, 2)], [(0, 3)]]


def test_gradients_flow_through_places_inside_of_blocks(blocks, rng):
    X, y = rng.normal(size=(9, 2)), rng.integers(0, 2, 9)
    before = blocks.params.numbers.copy()
    ax = plot.gradient_flow(blocks, X, y, nn.SoftmaxCrossEntropy())
    assert (blocks.params.numbers == before).all()
    names = [label.get_text().replace("\n", " ").partition("(")[0] for label in ax.get_xticklabels()]
    assert names == [
        "0 Dense", "1.0 BatchNorm", "1.2.0 Dense", "1.2.1 BatchNorm", "1.3.0 Dense", "2.0 Dense",
        "2.1.0 Dense", "2.1.1 BatchNorm", "3 Dense",
    ]  # fmt: skip
    blocks.loss_and_grad(X, y, nn.SoftmaxCrossEntropy())  # in training, as the step would be
    gains = np.concatenate([blocks.params.grad(f"1.2.1.{name}").ravel() for name in ("gain", "bias")])
    dots = ax.lines[0].get_ydata()
    assert dots[3] == pytest.approx(np.abs(gains).mean(), rel=1e-5)


def test_a_layer_inside_of_another_is_named_by_its_place(blocks, rng):
    X = rng.normal(size=(9, 2))
    ax = plot.weights(blocks, layer="1.2.0")
    assert ax.get_title() == "layer 1.2.0, Dense(5, 5)"
    np.testing.assert_array_equal(ax.images[0].get_array(), blocks[1].layers[2].layers[0].W)
    assert plot.weights(blocks, layer="2.1.0").get_title() == "layer 2.1.0, Dense(5, 5)"
    ax = plot.neuron(blocks, X, layer="1.3.0", unit=2)
    inside = blocks[1].layers[3]
    given = what_reaches(blocks, (1, 3), X.astype(np.float32))
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), inside.layers[0].forward(given)[:, 2])
    # Up to the end of the block, what is added there left out.
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), inside.forward(given)[:, 2])
    assert ax.get_title() == "neuron 2 of layer 1.3.0, Dense(5, 5)"


@pytest.mark.parametrize("layer", ["1", "1.9", 1, "2"])
def test_a_place_that_is_no_dense_is_refused(layer, blocks):
    with pytest.raises(ArgumentError, match=r"Those are at 0, 1\.2\.0, 1\.3\.0, 2\.0, 2\.1\.0, 3\."):
        plot.weights(blocks, layer=layer)
