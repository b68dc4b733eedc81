"""What every layer has in common, and what single layers promise beyond their gradients."""

import copy
import pickle
import re

import numpy as np
import pytest

import nnlite as nn
from nnlite.core.context import Gradients
from nnlite.core.initializers import default_initializer
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError, ShapeError
from nnlite.initializers import Constant, GlorotUniform, HeNormal


def context(layer, **options):
    layer._materialized()
    return nn.Context(layer._grads, **options)


class Gain(nn.Layer):
    gain = nn.Parameter()

    def __init__(self, features, start=1.0):
        self.features = features
        self.start = start
        self.declare("gain", (features,), initializer=Constant(start), decay=False)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x * self.gain

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        np.sum(dy * x, axis=-2, out=ctx.grads.gain)
        return dy * self.gain


def test_a_layer_works_on_its_own():
    layer = nn.Dense(3, 2)
    x = np.ones((4, 3), np.float32)
    ctx = context(layer)
    y = layer.forward(x, ctx)
    dx = layer.backward(np.ones_like(y), ctx)
    assert y.shape == (4, 2)
    assert dx.shape == (4, 3)
    np.testing.assert_array_equal(ctx.grads.b, [4, 4])


def test_parameters_are_written_in_place_only():
    layer = nn.Dense(2, 2)
    before = layer.W
    with pytest.raises(ArgumentError, match=r"Write layer\.W\[\.\.\.\] = a"):
        layer.W = np.zeros((2, 2))
    assert layer.W is before
    layer.W[...] = 1
    layer.W *= 3  # in place: the same view is set again
    np.testing.assert_array_equal(layer._params.values[:4], 3)
    ctx = context(layer)
    with pytest.raises(ArgumentError, match=r"Write ctx\.grads\.W\[\.\.\.\] = a"):
        ctx.grads.W = np.zeros((2, 2))
    ctx.grads.W += 1
    np.testing.assert_array_equal(layer._params.grads[:4], 1)


class Undeclared(nn.Layer):
    def __init__(self):
        self.declare("width", (1,))


class Twice(nn.Layer):
    gain = nn.Parameter()

    def __init__(self):
        self.declare("gain", (1,))
        self.declare("gain", (1,))


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: nn.Dense(2, 2, bias=False).b, AttributeError, "has no parameter 'b'"),
        (lambda: context(nn.Dense(2, 2)).grads.c, AttributeError, "are W, b"),
        (Undeclared, ArgumentTypeError, r"`width = Parameter\(\)`"),
        (Twice, ArgumentError, "twice"),
        (lambda: nn.Tanh(3), TypeError, "no arguments"),
    ],
)
def test_what_is_not_there_says_so(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_an_own_layer_needs_two_methods_and_no_more():
    class Negate(nn.Layer):
        def forward(self, x, ctx=None):
            return -x

        def backward(self, dy, ctx):
            return -dy

    model = nn.Sequential([nn.Dense(2, 3), Negate(), Gain(3), nn.Dense(3, 1)], rng=0)
    assert model.params.size == 9 + 3 + 4
    assert [spec.name for spec in model.params.specs] == ["0.W", "3.W", "0.b", "2.gain", "3.b"]
    np.testing.assert_array_equal(model[2].gain, 1)
    for method in ("forward", "backward"):
        with pytest.raises(NotImplementedError, match=method):
            getattr(nn.Layer(), method)(np.ones((1, 1)), None)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Dense(2, 3), "Dense(2, 3)"),
        (nn.Dense(2, 3, bias=False), "Dense(2, 3, bias=False)"),
        (
            nn.Dense(2, 3, weight_initializer=HeNormal()),
            "Dense(2, 3, weight_initializer=HeNormal())",
        ),
        (nn.LeakyReLU(), "LeakyReLU()"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.GELU(approximate=True), "GELU(approximate=True)"),
        (nn.Flatten((8, 8)), "Flatten((8, 8))"),
        (nn.Standardize(5), "Standardize(5)"),
        (Gain(3, start=2.0), "Gain(3, start=2.0)"),
    ],
)
def test_repr_and_config_make_the_layer_again(layer, text):
    assert repr(layer) == text
    assert repr(type(layer)(**layer.config())) == text


def test_config_needs_the_arguments():
    class Forgetful(nn.Layer):
        def __init__(self, size):
            self.width = size

    with pytest.raises(ArgumentError, match=r"Write self\.size = size"):
        Forgetful(3).config()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("replicas", [None, 3])
def test_a_copy_of_a_layer_takes_its_numbers_and_leaves_the_model(duplicate, replicas):
    model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0, replicas=replicas)
    model[2].freeze("b")
    layer = duplicate(model[2])
    np.testing.assert_array_equal(layer.W, model[2].W)
    assert layer.frozen == {"b"}
    assert not np.shares_memory(layer.W, model.params.values)
    if replicas is None:
        other = nn.Sequential([layer], rng=1)  # it belongs to no model, so it can join one
        np.testing.assert_array_equal(other[0].W, model[2].W)
        assert other[0].frozen == {"b"}
        assert np.shares_memory(other[0].W, other.params.values)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Dense(2, 3), nn.ReLU()], HeNormal()),
        ([nn.Dense(2, 3), nn.Dropout(0.5), nn.GELU()], HeNormal()),
        ([nn.Dense(2, 3), nn.LeakyReLU(0.3)], HeNormal(negative_slope=0.3)),
        ([nn.Dense(2, 3), nn.Tanh()], GlorotUniform()),
        ([nn.Dense(2, 3), nn.Sigmoid(), nn.Dense(3, 3), nn.ReLU()], GlorotUniform()),
        ([nn.Dense(2, 3), nn.Dense(3, 3), nn.ReLU()], None),
        ([nn.Dense(2, 3)], HeNormal(negative_slope=3.0)),
        ([nn.Dense(2, 3), nn.Dropout(0.5)], HeNormal(negative_slope=3.0)),
    ],
)
def test_what_follows_chooses_the_initializer(layers, expected):
    layers = [copy.deepcopy(layer) for layer in layers]
    model = nn.Sequential(layers, rng=0)
    assert default_initializer(model.layers, 0) == expected
    drawn = (expected or GlorotUniform())(np.random.default_rng(0).spawn(len(layers))[0], (2, 3))
    np.testing.assert_array_equal(model[0].W, drawn.astype(np.float32))
    np.testing.assert_array_equal(model[0].b, 0)


def test_an_initializer_may_be_a_plain_function():
    layer = nn.Dense(2, 3, weight_initializer=lambda rng, shape: np.full(shape, 7.0))
    np.testing.assert_array_equal(layer.W, 7)
    with pytest.raises(ArgumentError, match=r"to give shape \(2, 3\), got \(3, 2\)"):
        nn.Dense(2, 3, weight_initializer=lambda rng, shape: np.zeros(shape[::-1])).initialize()
    with pytest.raises(ArgumentTypeError, match="callable"):
        nn.Dense(2, 3, weight_initializer="he")


def test_dense_refuses_other_widths():
    with pytest.raises(
        ShapeError, match=r"Dense\(2, 3\): expected input of shape \(batch, 2\), got \(4, 3\)"
    ):
        nn.Dense(2, 3).forward(np.ones((4, 3)))


def test_dropout_is_the_identity_outside_of_training():
    layer, x = nn.Dropout(0.5), np.ones((3, 4))
    assert layer.forward(x) is x
    ctx = context(layer, training=False)
    assert layer.forward(x, ctx) is x
    np.testing.assert_array_equal(layer.backward(2 * x, ctx), 2)
    with pytest.raises(ArgumentError, match="random generator"):
        layer.forward(x, context(layer))


def test_dropout_keeps_the_expectation(rng):
    layer, x = nn.Dropout(0.3), np.ones((1000, 100))
    y = layer.forward(x, context(layer, rng=rng))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7])
    dropped = np.mean(y == 0)
    # Five standard deviations of a binomial share.
    assert abs(dropped - 0.3) < 5 * np.sqrt(0.3 * 0.7 / x.size)


def test_dropout_draws_for_each_replica(rng):
    layer = nn.Dropout(0.5)
    y = layer.forward(np.ones((3, 8, 8)), context(layer, rng=rng))
    assert not np.array_equal(y[0], y[1])


def test_standardize_brings_features_to_mean_zero_and_deviation_one(rng):
    X = rng.normal([5.0, -300.0, 0.0], [0.01, 20.0, 3.0], (500, 3))
    layer = nn.Standardize(3)
    layer.adapt(X)
    y = layer.forward(X)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-4)


def test_standardize_by_blocks_equals_all_at_once(rng):
    X = rng.normal(1e4, 1.0, (103, 2))
    whole, parts = (nn.Sequential([nn.Standardize(2)], dtype=np.float64)[0] for _ in range(2))
    whole.adapt(X)
    parts.adapt(iter([X[:1], X[1:50], X[50:50], X[50:]]))
    np.testing.assert_allclose(parts.mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(parts.scale, X.std(axis=0), rtol=1e-10)
    np.testing.assert_allclose(whole.scale, X.std(axis=0), rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e30])
def test_standardize_leaves_constant_features_finite(value):
    X = np.full((10, 1), value)
    X = np.hstack([X, np.arange(10.0)[:, None]])
    layer = nn.Standardize(2)
    layer.adapt(X)
    assert layer.scale[0] == 1
    y = layer.forward(X.astype(np.float32))
    assert np.isfinite(y).all()
    assert abs(y[:, 0]).max() <= abs(np.float32(value)) * np.finfo(np.float32).eps


def test_standardize_must_see_data_first():
    layer = nn.Standardize(2)
    assert not layer.adapted
    for use in (lambda: layer.forward(np.ones((1, 2))), lambda: layer.mean, lambda: layer.scale):
        with pytest.raises(NotFittedError, match="adapt"):
            use()
    layer.adapt(np.ones((3, 2)))
    assert layer.adapted


def test_standardize_refuses_what_it_cannot_measure():
    layer = nn.Standardize(2)
    layer.adapt(np.ones((3, 2)))
    kept = layer.mean.copy()
    with pytest.raises(ArgumentError, match="feature 1"):
        layer.adapt(np.array([[1.0, np.nan]]))
    with pytest.raises(ShapeError, match="one column for each feature"):
        layer.adapt(np.ones((3, 3)))
    with pytest.raises(ArgumentError, match="at least one row"):
        layer.adapt(np.ones((0, 2)))
    np.testing.assert_array_equal(layer.mean, kept)


def test_step_fires_or_does_not():
    layer = nn.Step()
    x = np.array([[-1e4, -0.1, 0.0, 1e-30, 3.0]], np.float32)
    y = layer.forward(x)
    np.testing.assert_array_equal(y, [[0, 0, 0, 1, 1]])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(layer.backward(np.ones_like(x), nn.Context(Gradients({}))), 0)


def test_flatten_there_and_back(rng):
    layer = nn.Flatten((2, 3))
    for leading in ((5,), (4, 5)):
        x = rng.normal(size=(*leading, 2, 3))
        ctx = context(layer)
        y = layer.forward(x, ctx)
        assert y.shape == (*leading, 6)
        np.testing.assert_array_equal(layer.backward(y, ctx), x)
    with pytest.raises(ShapeError, match=r"\(batch, 2, 3\)"):
        layer.forward(np.ones((5, 3, 2)))
    with pytest.raises(ShapeError, match=r"\(batch, 2, 3\)"):
        layer.forward(np.ones((2, 3)))


class Doubled(nn.Layer):
    """Puts the one channel of images of any size side by side, twice."""

    @property
    def input_shape(self):
        return (None, None, 1)

    def output_shape(self, input_shape):
        return (*input_shape[:2], 2)

    def forward(self, x, ctx=None):
        return np.concatenate([x, x], axis=-1)

    def backward(self, dy, ctx):
        return dy[..., :1] + dy[..., 1:]


class Halved(Doubled):
    """Leaves out every second line of an image."""

    def output_shape(self, input_shape):
        return tuple(size and size // 2 for size in input_shape[:1]) + tuple(input_shape[1:])


def test_an_input_in_front_makes_open_sizes_known(rng):
    inside = nn.Sequential([nn.Tanh(), Doubled()])
    assert (inside.input_shape, inside.output_shape) == ((None, None, 1), (None, None, 2))
    model = nn.Sequential([nn.Input((3, 4, 1)), inside, nn.Flatten((3, 4, 2)), nn.Dense(24, 1)], rng=0)
    assert (model.input_shape, model.output_shape) == ((3, 4, 1), (1,))
    shapes = {row.place or str(index): row.output_shape for index, row in enumerate(model.summary().layers)}
    assert shapes["1.1"] == (3, 4, 2)
    assert model.predict(rng.normal(size=(5, 3, 4, 1))).shape == (5, 1)


def test_a_net_of_open_sizes_says_what_to_put_before_it(rng):
    model = nn.Sequential([Doubled(), nn.Flatten((3, 4, 2))])
    with pytest.raises(ShapeError, match=re.escape("Put Input((3, 4, 1)) before it.")):
        model.predict(rng.normal(size=(5, 3, 4, 1)))
    assert "(batch, any, any, 2)" in str(model.summary())


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [nn.Input((3, 4, 2)), Doubled()], "(batch, any, any, 1), got (batch, 3, 4, 2)"),
        (lambda: [nn.Input((3, 1)), Doubled()], "(batch, any, any, 1), got (batch, 3, 1)"),
        (lambda: [Doubled(), nn.Flatten((3, 4, 3))], "(batch, 3, 4, 3), got (batch, any, any, 2)"),
        (lambda: [nn.Residual([Doubled()])], "the shape that they take, (any, any, 1), got (any, any, 2)"),
        (lambda: [nn.Input((4, 4, 1)), nn.Residual([Halved()])], "they take, (4, 4, 1), got (2, 4, 1)"),
    ],
)
def test_sizes_that_do_not_fit_open_ones_are_refused(layers, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        nn.Sequential(layers())


def test_freezing_early_draws_nothing():
    """Weights drawn by `freeze` would come from no seed."""
    early = nn.Dense(2, 3)
    early.freeze("b")
    early.freeze("W")
    early.unfreeze("W")
    assert early.frozen == {"b"}
    assert copy.deepcopy(early).frozen == {"b"}
    model = nn.Sequential([early, nn.ReLU(), nn.Dense(3, 1)], rng=0)
    plain = nn.Sequential([nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 1)], rng=0)
    assert model.params.frozen == {"0.b"}
    assert np.array_equal(model.params.values, plain.params.values)
    model[0].unfreeze()
    assert model.params.frozen == set()
    assert model[0].frozen == set()


def test_freezing_early_counts_for_a_layer_on_its_own():
    layer = nn.Dense(2, 3)
    layer.freeze()
    assert layer.W.shape == (2, 3)
    assert layer.frozen == {"W", "b"}


class Forgetful(nn.Layer):
    def __init__(self, width):
        pass


def test_repr_of_a_layer_that_does_not_keep_its_arguments():
    assert repr(Forgetful(3)) == "Forgetful(...)"


def test_trainable_freezes_and_unfreezes_all():
    layer = nn.Dense(2, 2)
    assert layer.trainable
    layer.trainable = False
    assert layer.frozen == {"W", "b"}
    assert not layer.trainable
    layer.trainable = True
    assert layer.frozen == frozenset()
    layer.freeze("b")
    assert layer.trainable
    with pytest.raises(ArgumentTypeError, match=r"Dense\(2, 2\)\.trainable: expected True or False"):
        layer.trainable = "no"


@pytest.mark.parametrize("mean", [0.0, 1e3, 33333333.3, 1e8])
@pytest.mark.parametrize("features", [1, 7, 100, 784])
def test_rows_of_layer_norm_do_not_depend_on_others_nor_on_their_mean(features, mean, rng):
    x = (mean + rng.normal(size=(64, features)) * max(1.0, 1e-5 * mean)).astype(np.float32)
    x[0] = mean  # constant
    layer = nn.LayerNorm(features)
    found = layer.forward(x)
    exact = nn.LayerNorm(features).forward(x.astype(np.float64))
    np.testing.assert_allclose(found, exact, atol=2e-5)
    np.testing.assert_allclose(np.concatenate([layer.forward(row[None]) for row in x]), found, atol=2e-5)


@pytest.mark.parametrize("epsilon", [0, 1e-40, 2.0, float("nan"), "x"])
def test_an_epsilon_that_float32_does_not_hold_is_refused(epsilon):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=r"LayerNorm\(epsilon=\)"):
        nn.LayerNorm(3, epsilon=epsilon)
