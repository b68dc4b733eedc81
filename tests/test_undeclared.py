"""Layers and arrays that a layer holds and has not declared are refused by everything that takes a layer."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque

import numpy as np
import pytest

import nnlite as nn
from nnlite.checks.undeclared import find_undeclared
from nnlite.errors import ArgumentError, GradientCheckError
from nnlite.testing import check_layer


class Plain(nn.Layer):
    """Gives its input; what it holds is put there by a test."""

    def __init__(self, features=4):
        self.features = features

    def forward(self, x, ctx=None):
        return x + 0

    def backward(self, dy, ctx):
        return dy + 0


class Residual(nn.Layer):
    """A skip connection as it is written elsewhere."""

    def __init__(self, features):
        self.features = features
        self.inner = nn.Dense(features, features)
        self.inner.initialize()

    def forward(self, x, ctx=None):
        return x + self.inner.forward(x)

    def backward(self, dy, ctx):
        return dy + dy @ self.inner.W.T


@dataclasses.dataclass
class Box:
    inner: object


class Slots:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


def closing_over(thing):
    return lambda x: (thing, x)


WAYS = {
    "an attribute": (lambda thing: thing, "self.held"),
    "a list": (lambda thing: [nn.Dense, thing], "self.held[1]"),
    "a tuple in a dict in a list": (lambda thing: [{"a": (thing,)}], "self.held[0]['a'][0]"),
    "a deque": (lambda thing: deque([thing]), "self.held[0]"),
    "an object": (Box, "self.held.inner"),
    "an object with slots": (Slots, "self.held.inner"),
    "a list in an object": (lambda thing: Box([thing]), "self.held.inner[0]"),
    "a partial function": (lambda thing: functools.partial(print, thing), "self.held.args[0]"),
    "a named argument": (lambda thing: functools.partial(print, end=thing), "self.held.keywords['end']"),
    "a closure": (closing_over, "thing in self.held"),
}
THINGS = {
    "a layer": (
        lambda: nn.Dense(4, 4),
        r"the layers of .* to be declared, got Dense\(4, 4\)",
        "self.hold([...])",
    ),
    "a layer without parameters": (
        lambda: nn.Tanh(),
        r"the layers of .* to be declared, got Tanh\(\)",
        "self.held(ctx)",
    ),
    "an array": (lambda: np.ones((4, 4)), r"the arrays of .* an array of shape \(4, 4\)", "declare"),
    "float32": (lambda: np.ones(4, np.float32), r"an array of shape \(4,\)", r"self\.buffers\["),
    "an order": (lambda: np.arange(4), r"an array of shape \(4,\)", r"self\.buffers\["),
}


def holding(thing):
    layer = Plain()
    layer.held = thing
    return layer


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_found_wherever_an_attribute_leads(way, thing):
    wrap, path = WAYS[way]
    make, words, fix = THINGS[thing]
    with pytest.raises(ArgumentError, match=words) as error:
        nn.Sequential([nn.Dense(2, 4), holding(wrap(make()))])
    assert error.value.where == "Sequential(layers[1])"
    assert f" as {path}, which is neither trained nor saved" in error.value.got
    assert fix.replace("\\", "") in error.value.fix
    with pytest.raises(GradientCheckError, match=words):
        check_layer(holding(wrap(make())))


OTHERS = {
    "a set": (lambda: {nn.Dense(4, 4)}, "self.held[0]"),
    "a key": (lambda: {nn.Dense(4, 4): 1}, "a key of self.held"),
    "a model": (
        lambda: nn.Sequential([nn.Dense(4, 4)]),
        "Sequential([Dense(4, 4)], dtype=float32) as self.held",
    ),
    "a bound method": (lambda: nn.Dense(4, 4).forward, "self.held.__self__"),
    "an array of objects": (lambda: np.array([nn.Dense(4, 4), None]), "self.held[0]"),
    "a masked array": (lambda: np.ma.ones(3), "self.held"),
    "a Parameter that is in no class": (nn.Parameter, "in the class body"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_forms(case):
    make, words = OTHERS[case]
    with pytest.raises(ArgumentError) as error:
        nn.Sequential([holding(make())])
    assert words in str(error.value)


def test_in_the_class_body_in_a_method_and_in_the_buffers():
    class Shared(Plain):
        inner = nn.Dense(4, 4)

    with pytest.raises(ArgumentError, match=r"as Shared\.inner"):
        nn.Sequential([Shared()])

    def make():
        inner = nn.Dense(4, 4)

        class Skip(Plain):
            def forward(self, x, ctx=None):
                return x + inner.forward(x)

        return Skip()

    with pytest.raises(ArgumentError, match=r"as inner in Skip\.forward"):
        nn.Sequential([make()])
    layer = Plain()
    layer.buffers["inner"] = nn.Dense(4, 4)
    with pytest.raises(ArgumentError, match=r"as self\.buffers\['inner'\]"):
        nn.Sequential([layer])


def test_a_layer_of_ours_with_something_put_on_it():
    layer = nn.Dense(2, 2)
    layer._mask = np.ones(2)
    with pytest.raises(ArgumentError, match=r"as self\._mask"):
        nn.Sequential([layer])
    for extra in (np.zeros(0), np.zeros(3), {}):  # an empty array is one too
        layer._mask = extra
        assert (find_undeclared(layer) is None) == isinstance(extra, dict)


class Prior(nn.Layer):
    """Adds what it was given: an array that is an argument."""

    def __init__(self, prior):
        self.prior = np.asarray(prior, np.float32)

    def config(self):
        return {"prior": self.prior.tolist()}

    def forward(self, x, ctx=None):
        return x + self.prior.astype(x.dtype)

    def backward(self, dy, ctx):
        return dy.copy()


class Basis(nn.Layer):
    """Multiplies by an array that it has made: a buffer."""

    def __init__(self, features):
        self.features = features
        self.buffers["basis"] = np.cos(np.arange(features))

    def buffer_shapes(self):
        return {"basis": (self.features,)}

    def forward(self, x, ctx=None):
        return x * self.buffers["basis"]

    def backward(self, dy, ctx):
        return dy * self.buffers["basis"]


@pytest.mark.parametrize(
    "make", [lambda: Prior([1.0, 2.0, 3.0]), lambda: Basis(3)], ids=["argument", "buffer"]
)
def test_arguments_and_buffers_are_declared_and_saved(make, tmp_path, rng):
    check_layer(make(), rng.normal(size=(5, 3)))
    model = nn.Sequential([nn.Dense(2, 3), make()], rng=0)
    x = rng.normal(size=(4, 2))
    model.fit(x, np.ones((4, 3)), loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=2)
    model.save(tmp_path / "net")
    again = nn.load(tmp_path / "net", custom_objects={"Prior": Prior, "Basis": Basis})
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    many = nn.Sequential([nn.Dense(2, 3), make()], rng=0, replicas=3)
    assert many.replica(1).predict(x).shape == (4, 3)


def test_what_is_no_array_of_numbers_may_be_held(rng):
    layer = Plain()
    layer.held = {
        "names": ["a", "b"],
        "function": np.tanh,
        "rng": np.random.default_rng(0),
        "number": np.float64(3),
        "dtype": np.dtype("f4"),
        "letters": np.array(["a", "b"]),
        "itself": layer,
        "class": nn.Dense,
        "module": np,
        "loss": nn.Huber(),
        "cycle": [],
    }
    layer.held["cycle"].append(layer.held)
    assert find_undeclared(layer) is None
    other = nn.Dense(3, 4)
    drawn = nn.Dense(3, 4, weight_initializer=lambda rng, shape: other.W)  # which is over when they are drawn
    assert find_undeclared(drawn) is None


class Lazy(nn.Layer):
    """Makes its inner layer when it first sees an input."""

    def forward(self, x, ctx=None):
        if not hasattr(self, "inner"):
            self.inner = nn.Dense(4, 4)
            self.inner.initialize(0)
        return x + self.inner.forward(x)

    def backward(self, dy, ctx):
        return dy + dy @ self.inner.W.T


@pytest.mark.parametrize("optimizer", [nn.Adam(0.1), nn.LBFGS()], ids=["Adam", "LBFGS"])
def test_what_comes_with_the_first_batch_ends_fit_and_changes_nothing(optimizer):
    model = nn.Sequential([nn.Dense(2, 4), Lazy()], rng=0)
    before = model.params.values.copy()
    with pytest.raises(ArgumentError, match=r"fit, layer 1: .* as self\.inner"):
        model.fit(np.eye(2), np.ones((2, 4)), loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=3)
    np.testing.assert_array_equal(model.params.values, before)


def test_what_is_put_there_later_is_refused_by_fit_save_and_replica(tmp_path):
    model = nn.Sequential([nn.Dense(4, 4), Plain()], rng=0, replicas=2)
    model[1].scale = np.ones(4)
    with pytest.raises(ArgumentError, match=r"fit, layer 1: .* as self\.scale"):
        model.fit(np.ones((3, 4)), np.ones((3, 4)), loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1))
    with pytest.raises(ArgumentError, match=r"save, layer 1: .* as self\.scale"):
        model.save(tmp_path / "net")
    assert not (tmp_path / "net").exists()
    with pytest.raises(ArgumentError, match=r"layers\[1\]\): .* as self\.scale"):
        model.replica(0)


def test_the_skip_connection_of_elsewhere_is_refused_everywhere():
    with pytest.raises(
        ArgumentError,
        match=r"the layers of Residual\(4\) to be declared, got Dense\(4, 4\) as self\.inner, .*self\.hold",
    ):
        nn.Sequential([nn.Dense(2, 4), Residual(4), nn.Dense(4, 1)])
    with pytest.raises(
        GradientCheckError,
        match=r"the layers of Residual\(4\) to be declared, got Dense\(4, 4\) as self\.inner, .*self\.hold",
    ):
        check_layer(Residual(4), np.ones((5, 4)))
    pytest.importorskip("sklearn")
    from nnlite import sklearn as estimators

    net = estimators.MLPRegressor(layers=[nn.Dense(2, 4), Residual(4), nn.Dense(4, 1)], random_state=0)
    with pytest.raises(
        ArgumentError,
        match=r"the layers of Residual\(4\) to be declared, got Dense\(4, 4\) as self\.inner, .*self\.hold",
    ):
        net.fit(np.ones((30, 2)), np.arange(30.0))


class Pair(nn.Layer):
    """Holds one layer, and may have another that it has not declared."""

    def __init__(self, held, other=None):
        self.held_one = held
        self.other = other
        self.hold([held])

    def forward(self, x, ctx=None):
        ((layer, kept),) = self.held(ctx)
        return layer.forward(x, kept)

    def backward(self, dy, ctx):
        ((layer, kept),) = self.held(ctx)
        return layer.backward(dy, kept)


def test_what_is_declared_is_not_searched_and_what_is_forgotten_beside_it_is_found():
    assert find_undeclared(Pair(nn.Dense(4, 4))) is None
    with pytest.raises(
        ArgumentError, match=r"layers\[0\]\): .* to be declared, got Tanh\(\) as self\.other,"
    ):
        nn.Sequential([Pair(nn.Dense(4, 4), nn.Tanh())])
    with pytest.raises(ArgumentError, match=r"got Tanh\(\) as self\.other\[0\]\.inner,"):
        nn.Sequential([Pair(nn.Dense(4, 4), [Box(nn.Tanh())])])


@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (lambda layer: nn.Residual([nn.Tanh(), layer]), "0.1"),
        (lambda layer: nn.Sequential([layer]), "0.0"),
        (lambda layer: Pair(nn.Residual([nn.Tanh(), nn.Residual([layer])])), "0.0.1.0"),
    ],
    ids=["a block", "a model", "a layer of one's own"],
)
@pytest.mark.parametrize("thing", [nn.Dense(4, 4), np.ones(3)], ids=["a layer", "an array"])
def test_layers_inside_are_searched_too_and_named_by_their_place(wrap, place, thing):
    if not isinstance(wrap(nn.Tanh()), nn.Sequential):  # a model asks its layers as soon as it is made
        with pytest.raises(
            ArgumentError, match=rf"Sequential\(layers\[{place}\]\): .* as self\.held, which is"
        ):
            nn.Sequential([wrap(holding(thing))])
    inner = Plain()
    model = nn.Sequential([wrap(inner), nn.Dense(4, 4)], rng=0)
    inner.held = thing
    with pytest.raises(ArgumentError, match=rf"fit, layer {place}: .* as self\.held, which is neither"):
        model.fit(np.ones((3, 4)), np.ones((3, 4)), loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1))


def test_in_the_class_body_of_a_layer_that_holds_others():
    class Shared(Pair):
        norm = nn.Tanh()

    with pytest.raises(ArgumentError, match=r"layers\[0\.0\]\): .* Tanh\(\) as Shared\.norm"):
        nn.Sequential([nn.Residual([Shared(nn.Dense(4, 4))])])


def test_what_is_put_on_a_block_is_found_and_on_a_model_is_the_users():
    block = nn.Residual([nn.Dense(4, 4)])
    block._more = nn.Tanh()
    with pytest.raises(ArgumentError, match=r"Tanh\(\) as self\._more"):
        nn.Sequential([block])
    inner = nn.Sequential([nn.Dense(4, 4)])
    inner.note = np.ones(3)
    assert nn.Sequential([inner]).params.size == 20


def test_a_model_of_ones_own_kind_is_a_layer():
    class Net(nn.Sequential):
        def __init__(self, width):
            self.width = width
            super().__init__([nn.Dense(4, width), nn.Dropout(0.5), nn.Dense(width, 4)])

    for options in ({}, {"replicas": 2}):
        assert nn.Sequential([Net(3), nn.Residual([Net(2)])], rng=0, **options).params.size == 53
    forgetful = Net(3)
    forgetful.more = [nn.Tanh()]
    with pytest.raises(ArgumentError, match=r"layers\[0\.0\]\): .* Tanh\(\) as self\.more\[0\]"):
        nn.Sequential([nn.Residual([forgetful])])


def test_the_layers_of_a_model_stay():
    model = nn.Sequential([nn.Dense(2, 4)], rng=0)
    kept = model.layers
    with pytest.raises(ArgumentError, match=r"to stay as they are.*Make a new model"):
        model.layers += (nn.Dense(4, 1),)
    assert model.layers is kept


def test_one_layer_at_two_places_is_refused():
    shared = nn.Dense(4, 4)
    with pytest.raises(ArgumentError, match="not in the list yet"):
        nn.Sequential([shared, nn.Tanh(), shared])
