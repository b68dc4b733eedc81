"""Layers made of layers: seeds, copies, parts that are models, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

import nnlite as nn
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

COPIES = [copy.deepcopy, copy.copy, lambda thing: pickle.loads(pickle.dumps(thing))]
OPTIONS = {"loss": nn.MeanSquaredError(), "epochs": 2, "batch_size": 6}


def normal(rng, shape):
    return rng.normal(1.0, 0.1, shape)


class Sum(nn.Layer):
    """Two ways side by side, added up, times a number of its own."""

    factor = nn.Parameter()

    def __init__(self, first, second):
        self.first, self.second = self.hold([first, second])
        self.declare("factor", (1,), initializer=normal)

    def forward(self, x, ctx=None):
        (first, a), (second, b) = self.held(ctx)
        y = first.forward(x, a) + second.forward(x, b)
        if ctx is not None:
            ctx.save(y)
        return y * self.factor

    def backward(self, dy, ctx):
        (first, a), (second, b) = self.held(ctx)
        (y,) = ctx.saved
        ctx.grads.factor[...] = (dy * y).sum(axis=(-1, -2))[..., None]
        dy = dy * self.factor
        return first.backward(dy, a) + second.backward(dy, b)


def part(**options):
    return nn.Sequential([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 4)], **options)


def net(inner=None, **options):
    own = Sum(nn.Dense(4, 4), nn.Sequential([nn.Dense(4, 4), nn.Dropout(0.2)]))
    block = nn.Residual([nn.Standardize(4), nn.BatchNorm(4), own])
    layers = [nn.Dense(3, 4), block, part() if inner is None else inner, nn.Dense(4, 2)]
    return nn.Sequential(layers, **{"rng": 0, **options})


def data():
    rng = np.random.default_rng(1)
    return rng.normal(2.0, 3.0, (20, 3)), rng.normal(size=(20, 2))


def trained(**options):
    model = net(**options)
    model[1].freeze("2.0.W")
    model[2].freeze("2.b")
    X, y = data()
    model.fit(X, y, optimizer=nn.SGD(0.01, momentum=0.5), rng=0, **OPTIONS)
    return model


def inputs():
    return np.random.default_rng(2).normal(size=(7, 4)).astype(np.float32)


# Seeds.


def test_the_same_seed_gives_the_same_bits_and_another_one_others():
    a, b, c = net(), net(), net(rng=1)
    assert a.params.numbers.tobytes() == b.params.numbers.tobytes()
    for name in ("1.2.0.W", "1.2.1.0.W", "1.2.factor", "2.0.W", "2.2.W"):
        assert (a.params[name] != c.params[name]).all()
    assert (net(rng=None).params["1.2.0.W"] != a.params["1.2.0.W"]).all()


LOOKS = {
    "its numbers": lambda one: one.params.values.copy(),
    "a layer": lambda one: one[0].W.sum(),
    "predictions": lambda one: one.predict(inputs()),
    "a table": lambda one: one.summary(),
    "what is frozen": lambda one: one.freeze(),
    "nothing": lambda one: None,
}


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("look", LOOKS)
def test_a_part_without_a_seed_is_drawn_anew_also_after_it_was_looked_at(look, replicas):
    inner = part()
    LOOKS[look](inner)
    expected = net(replicas=replicas).params.numbers.tobytes()
    for one in (*(duplicate(inner) for duplicate in COPIES), inner):
        assert net(one, replicas=replicas).params.numbers.tobytes() == expected


def changed(one):
    one[0].W[0, 0] = 5.0


def fitted(one):
    one.fit(inputs(), inputs(), optimizer=nn.SGD(0.1), **OPTIONS)


KEPT = {
    "a seed": lambda: part(rng=3),
    "a generator": lambda: part(rng=np.random.default_rng(3)),
    "a changed number": lambda: after(part(), changed),
    "training": lambda: after(part(), fitted),
    "another draw": lambda: after(part(), lambda one: one.initialize(rng=4)),
    "another draw of its own": lambda: after(part(), lambda one: one.initialize()),
    "a copy of a part of a model": lambda: copy.deepcopy(nn.Sequential([part()])[0]),
    "a seed, in float64": lambda: part(rng=3, dtype="float64"),
}


def after(one, what):
    what(one)
    return one


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("case", KEPT)
def test_a_part_with_numbers_of_its_own_keeps_them(case, replicas):
    inner = KEPT[case]()
    before = inner.params.values.astype(np.float32)
    model = net(inner, replicas=replicas)
    names = [spec.name for spec in model.params.specs if spec.name.startswith("2.")]
    for number in range(replicas or 1):
        found = model if replicas is None else model.replica(number)
        kept = np.concatenate([found.params[name].ravel() for name in names])
        np.testing.assert_array_equal(kept, before)
    # The others are drawn as if it were drawn too.
    np.testing.assert_array_equal(model.params["3.W"], net(replicas=replicas).params["3.W"])
    np.testing.assert_array_equal(model.params["1.2.0.W"], net(replicas=replicas).params["1.2.0.W"])


def test_each_replica_starts_as_a_single_net_of_its_own():
    together = net(replicas=3)
    for replica, stream in enumerate(np.random.default_rng(0).spawn(3)):
        np.testing.assert_array_equal(together.params.numbers[replica], net(rng=stream).params.numbers)
    seeded = net(replicas=2, rng=[5, 6])
    for replica, seed in enumerate([5, 6]):
        np.testing.assert_array_equal(seeded.params.numbers[replica], net(rng=seed).params.numbers)


def test_drawing_anew_draws_the_parts_too_and_resets_the_state():
    model = trained()
    fresh = net()
    model.initialize(rng=0)
    assert model.params.numbers.tobytes() == fresh.params.numbers.tobytes()


def test_parts_of_other_replicas_are_refused_and_free():
    def inner():
        return after(part(replicas=3), lambda one: one[0].W.fill(1.0))

    for replicas in (None, 2):
        for made in (inner(), nn.Residual([inner()])):
            with pytest.raises(ArgumentError, match=r"layers\[2.*\]\): expected a layer with the numbers of"):
                net(made, replicas=replicas)
            assert not made._in_model
    assert (net(inner(), replicas=3).params["2.0.W"] == 1.0).all()


# Copies.


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}, {"replicas": 3}], ids=str)
@pytest.mark.parametrize("duplicate", COPIES)
def test_copies_of_models_with_blocks_are_whole_and_apart(duplicate, options):
    model = trained(**options)
    twin = duplicate(model)
    assert twin.params.numbers.tobytes() == model.params.numbers.tobytes()
    assert twin.params.frozen == model.params.frozen == {"1.2.0.W", "2.2.b"}
    assert repr(twin) == repr(model)
    X, y = data()
    assert twin.predict(X).tobytes() == model.predict(X).tobytes()
    before = model.params.numbers.copy()
    for one in (twin, duplicate(model)):
        one.fit(X, y, optimizer=nn.SGD(0.01), rng=0, **OPTIONS)
    np.testing.assert_array_equal(model.params.numbers, before)
    assert (twin.params.numbers != model.params.numbers).any()
    assert twin[1].layers[2].second[0].W.base is not model[1].layers[2].second[0].W.base
    if duplicate is not copy.copy:
        assert twin[1].layers[2].first is twin[1].layers[2].children[0]


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}, {"replicas": 3}], ids=str)
@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copy_of_a_part_is_a_model_of_its_own(duplicate, options):
    model = trained(**options)
    own = duplicate(model[2])
    assert not own._in_model
    assert own.params.replicas == options.get("replicas")
    assert own.params.dtype == model.params.dtype
    assert own.params.frozen == {"2.b"}
    for name in own.params:
        np.testing.assert_array_equal(own.params[name], model.params[f"2.{name}"])
    x = inputs()
    assert own.predict(x).tobytes() == model[2].predict(x).tobytes()
    before = model.params.numbers.copy()
    own.fit(x, x, optimizer=nn.SGD(0.1), **OPTIONS)
    np.testing.assert_array_equal(model.params.numbers, before)
    assert (own.params["0.W"] != model.params["2.0.W"]).any()


@pytest.mark.parametrize("options", [{}, {"replicas": 2}], ids=str)
@pytest.mark.parametrize("duplicate", COPIES)
def test_copies_of_blocks_go_into_another_model_with_all_that_they_have(duplicate, options):
    model = trained(**options)
    block = duplicate(model[1])
    assert block.frozen == {"2.0.W"}
    again = nn.Sequential([block], rng=7, **options)
    assert again.params.frozen == {"0.2.0.W"}
    for spec in (*again.params.specs, *again.params.state_specs):
        np.testing.assert_array_equal(again.params[spec.name], model.params[spec.name.replace("0.", "1.", 1)])
    hidden = model[0].forward(data()[0].astype(np.float32))
    np.testing.assert_array_equal(again.forward(hidden), model[1].forward(hidden))


def test_a_replica_of_a_net_with_blocks_is_that_net():
    model = trained(replicas=3)
    X, _ = data()
    for number in range(3):
        one = model.replica(number)
        np.testing.assert_array_equal(one.params.numbers, model.params.numbers[number])
        assert one.params.frozen == model.params.frozen
        np.testing.assert_allclose(one.predict(X), model.predict(X)[number], rtol=1e-5, atol=1e-6)
        assert one[2].__class__ is nn.Sequential


def test_a_copy_of_layers_of_a_float64_model_keeps_their_numbers():
    for options in ({"dtype": "float64"}, {"dtype": "float64", "replicas": 3}):
        first = copy.deepcopy(part(**options)[0])
        expected = first.W.copy()
        block = Sum(first, nn.Sequential([nn.Dense(4, 6)], rng=0))
        assert block.factor.dtype == np.float64
        assert block.factor.shape == ((1,) if "replicas" not in options else (3, 1, 1))
        model = nn.Sequential([block], **options)
        np.testing.assert_array_equal(model.params["0.0.W"], expected)


def test_what_needs_a_model_on_its_own_says_so_of_a_part():
    model = nn.Sequential([part()])
    with pytest.raises(
        ArgumentError, match=r"sweep\(model\): expected a model on its own, got one that is a layer"
    ):
        nn.sweep(model[0], inputs(), inputs())


# Layers that are in one place only.


def test_a_construction_that_fails_leaves_the_layers_free():
    dense, inner, block = nn.Dense(3, 4), part(), nn.Residual([nn.Dense(4, 4)])
    for attempt in (
        lambda: nn.Sequential([dense, inner, block, nn.Dense(5, 1)]),
        lambda: nn.Sequential([dense, inner, block, "x"]),
        lambda: nn.Sequential([dense, inner, block], rng="x"),
        lambda: nn.Sequential([dense, inner, block], replicas=0),
        lambda: nn.Sequential([dense, inner, block, nn.Dense(4, 1, weight_initializer=lambda rng, shape: 1)]),
        lambda: nn.Residual([dense, inner, block]),
        lambda: nn.Residual([dense, inner, block, dense]),
        lambda: nn.ParameterGroup([dense, inner, block], l1=-1),
        lambda: nn.TimeDistributed([dense, inner, block], padding="0"),
        lambda: Sum(dense, dense),
        lambda: Sum(dense, 5),
    ):
        with pytest.raises((ArgumentError, ArgumentTypeError, ShapeError)):
            attempt()
        assert not any(layer._in_model for layer in (dense, inner, block))
        assert inner.params.size == 58
    assert len(nn.Sequential([dense, inner, block])) == 3


def test_a_layer_belongs_to_one_place():
    shared = nn.Dense(4, 4)
    block = nn.Residual([shared])
    for attempt in (
        lambda: nn.Residual([shared]),
        lambda: nn.Sequential([shared]),
        lambda: nn.Sequential([block, shared]),
        lambda: Sum(nn.Tanh(), shared),
        lambda: nn.Sequential([nn.Residual([nn.Sequential([shared])])]),
    ):
        with pytest.raises(
            ArgumentError, match=r"in no model and no other layer yet, got Dense\(4, 4\), which"
        ):
            attempt()
    with pytest.raises(
        ArgumentError, match=r"Sum: self\.hold\(layers\[1\]\): expected a layer that is not in the list yet"
    ):
        Sum(block, block)
    model = nn.Sequential([block])
    with pytest.raises(ArgumentError, match=r"got Residual\(\[Dense\(4, 4\)\]\), which belongs to one"):
        nn.Sequential([block])
    inner = part()
    outer = nn.Sequential([inner])
    with pytest.raises(ArgumentError, match="which belongs to one"):
        nn.Sequential([inner])
    assert outer.params.size == 58
    assert model.params.size == 20


def test_a_part_has_no_parameters_of_its_own_and_is_not_trained_or_saved(tmp_path):
    model = trained()
    inner = model[2]
    x = inputs()
    refused = {
        "params": lambda: inner.params,
        "fit": lambda: inner.fit(x, x, optimizer=nn.SGD(0.1), **OPTIONS),
        "save": lambda: inner.save(tmp_path / "part"),
        "context": lambda: inner.context(),
        "initialize": lambda: inner.initialize(rng=0),
        "loss_and_grad": lambda: inner.loss_and_grad(x, x, nn.MeanSquaredError()),
    }
    before = model.params.numbers.copy()
    for name, attempt in refused.items():
        with pytest.raises(ArgumentError, match=r"Sequential.*: expected a model on its own, got .*deepcopy"):
            attempt()
        assert not list(tmp_path.iterdir()), name
    np.testing.assert_array_equal(model.params.numbers, before)
    assert repr(inner) == "Sequential([Dense(4, 6), Tanh(), Dense(6, 4)])"


def test_a_part_predicts_with_the_weights_that_the_model_has_now():
    model = trained()
    x = inputs()
    for _ in range(2):
        expected = np.tanh(x @ model.params["2.0.W"] + model.params["2.0.b"])
        expected = expected @ model.params["2.2.W"] + model.params["2.2.b"]
        np.testing.assert_allclose(model[2].predict(x), expected, rtol=1e-5, atol=1e-6)
        assert [one.shape for one in model[2].activations(x)] == [(7, 6), (7, 6), (7, 4)]
        assert model[2].evaluate(x, x, loss=nn.MeanSquaredError())["loss"] > 0
        X, y = data()
        model.fit(X, y, optimizer=nn.SGD(0.05), rng=0, **OPTIONS)


def test_a_part_with_columns_or_tables_is_refused():
    named = part()
    named.feature_names = ["a", "b", "c", "d"]
    encoder = TableEncoder().fit({"city": ["Bern", "Genf", "Bern"]})
    encoding = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 4)], preprocessing=encoder)
    for inner, name in ((named, "feature_names"), (encoding, "preprocessing")):
        with pytest.raises(ArgumentError, match=rf"layers\[0\]\): expected a model without {name}.*deepcopy"):
            nn.Sequential([inner])
        with pytest.raises(ArgumentError, match=rf"layers\[1\.0\]\): expected a model without {name}"):
            nn.Sequential([nn.Flatten((1,)), Sum(inner, nn.Tanh())])
    model = nn.Sequential([part()])
    with pytest.raises(
        ArgumentError, match=r"feature_names: expected a model on its own.*of the whole model"
    ):
        model[0].feature_names = ["a", "b", "c", "d"]
    model[0].feature_names = None


# What is frozen.


@pytest.mark.parametrize("looked_at", [False, True])
@pytest.mark.parametrize("way", ["leaf", "block", "part", "model"])
def test_freezing_before_and_after_a_layer_is_in_a_model(way, looked_at):
    dense = nn.Dense(4, 4)
    if looked_at:
        assert dense.W.any()
    if way == "leaf":
        dense.freeze("W")
    block = nn.Residual([nn.Tanh(), dense])
    if way == "block":
        block.freeze("1.W")
    inner = nn.Sequential([block])
    if way == "part":
        inner.freeze("0.1.W")
    model = nn.Sequential([nn.Dense(3, 4), inner], rng=0)
    if way == "model":
        model.freeze("1.0.1.W")
    assert (dense.frozen, block.frozen, inner.frozen) == ({"W"}, {"1.W"}, {"0.1.W"})
    assert model.frozen == model.params.frozen == {"1.0.1.W"}
    before = model.params.numbers.copy()
    X = np.ones((4, 3))
    model.fit(X, X[:, :1] * np.ones(4), optimizer=nn.SGD(0.1), **OPTIONS)
    assert (model.params.values != before).sum() > 16
    np.testing.assert_array_equal(model.params["1.0.1.W"].ravel(), before[12:28])
    thing, name = {
        "leaf": (model, "1.0.1.W"), "block": (dense, "W"), "part": (block, "1.W"), "model": (inner, "0.1.W"),
    }[way]  # fmt: skip
    thing.unfreeze(name)
    assert not model.params.frozen
    block.trainable = False
    assert model.params.frozen == {"1.0.1.W", "1.0.1.b"}
    model.params.frozen = {"0.W", "1.0.1.b"}
    assert (model[0].frozen, block.frozen, dense.frozen) == ({"W"}, {"1.b"}, {"b"})
    with pytest.raises(ArgumentError, match=r"expected one of 1\.W, 1\.b, got '0\.W'"):
        block.freeze("0.W")


# What must see data.


@pytest.mark.parametrize("hold", [lambda layers: nn.Sequential(layers), nn.Residual], ids=["part", "block"])
def test_what_must_see_data_inside_sees_what_reaches_it(hold):
    X = data()[0]
    layers = [nn.Dense(3, 3), nn.Standardize(3), hold([nn.Dense(3, 3), hold([nn.Standardize(3)]), nn.Tanh()])]
    model = nn.Sequential(layers, rng=0)
    model.fit(X, X, optimizer=nn.SGD(1e-30), **OPTIONS)  # the weights stay
    hidden = model[1].forward(model[0].forward(X.astype(np.float32)))
    reaching = model[2].layers[0].forward(hidden)
    inner = model[2].layers[1].layers[0]
    np.testing.assert_allclose(inner.mean, reaching.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inner.scale, reaching.std(axis=0), rtol=1e-4)


def test_inside_of_a_layer_that_is_no_chain_it_must_have_seen_them():
    waiting = nn.Standardize(3)
    model = nn.Sequential([nn.Standardize(3), nn.Residual([Sum(nn.Dense(3, 3), waiting)])], rng=0)
    X = data()[0]
    for attempt in (lambda: model.adapt(X), lambda: model.fit(X, X, optimizer=nn.SGD(0.1), **OPTIONS)):
        with pytest.raises(
            ArgumentError, match=r"layer 1\.0\.1 Standardize\(3\): expected to have seen data"
        ):
            attempt()
        assert not model[0].adapted
    waiting.adapt(X)
    mean = waiting.mean.copy()
    model.fit(X, X, optimizer=nn.SGD(0.1), **OPTIONS)
    np.testing.assert_array_equal(waiting.mean, mean)


@pytest.mark.parametrize(
    ("ends", "loss", "y"),
    [
        ([nn.Dense(4, 3), nn.Softmax()], nn.SoftmaxCrossEntropy(), [0, 1, 2]),
        ([nn.Dense(4, 1), nn.Sequential([nn.Sigmoid()])], nn.BinaryCrossEntropy(), [0, 1, 1]),
    ],
)
def test_probabilities_at_the_end_of_a_part_are_no_logits(ends, loss, y, rng):
    model = nn.Sequential([nn.Dense(2, 4), nn.Sequential(ends)], rng=0)
    with pytest.raises(ArgumentError, match="expected logits"):
        model.fit(rng.normal(size=(3, 2)), y, loss=loss, optimizer=nn.SGD(0.1), epochs=1)


def test_what_standardize_takes_off_first_in_a_part_is_not_lost_before():
    X, y = 1.7e9 + np.arange(100.0)[:, None], (np.arange(100.0)[:, None] - 50) / 30
    flat, nested = (
        nn.Sequential(layers, rng=0)
        for layers in (
            [nn.Standardize(1), nn.Dense(1, 1)],
            [nn.Sequential([nn.Sequential([nn.Standardize(1)]), nn.Dense(1, 1)])],
        )
    )
    options = {"loss": nn.MeanSquaredError(), "epochs": 50}
    losses = [model.fit(X, y, optimizer=nn.SGD(0.1), **options)["loss"][-1] for model in (flat, nested)]
    assert max(losses) < 1e-9


def test_a_part_takes_sparse_rows_if_its_first_layer_does(rng):
    X = scipy.sparse.random(20, 3, 0.5, format="csr", random_state=0)
    model = nn.Sequential([nn.Sequential([nn.Dense(3, 2)]), nn.Dense(2, 1)], rng=0)
    np.testing.assert_allclose(model.predict(X), model.predict(X.toarray()), rtol=1e-6)


def test_a_block_with_arguments_of_its_own_is_saved_by_them(tmp_path):
    class Block(nn.Residual):
        def __init__(self, width):
            self.width = width
            super().__init__([nn.Dense(width, width), nn.Tanh()])

    model = nn.Sequential([Block(2), nn.Dense(2, 1)], rng=0)
    model.save(tmp_path / "net")
    again = nn.load(tmp_path / "net", custom_objects={"Block": Block})
    assert again[0].width == 2
    np.testing.assert_array_equal(again.params.numbers, model.params.numbers)
