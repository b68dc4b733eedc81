"""Branches, columns, and the same layers for each part: gradients, replicas, padding, tools and files."""

from __future__ import annotations

import contextlib
import copy

import numpy as np
import pytest

import nnlite as nn
from nnlite import (
    Add,
    BatchNorm,
    Columns,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Input,
    Multiply,
    PositionEmbedding,
    ReLU,
    Residual,
    SelfAttention,
    Sequential,
    Sigmoid,
    Standardize,
    Tanh,
    TimeDistributed,
)
from nnlite.core.initializers import LAST, GlorotUniform, HeNormal
from nnlite.errors import ArgumentError, ShapeError
from nnlite.testing import check_layer
from nnlite.training.inside import check_chosen_names, inside, starts, weighed_reaching

#: Of rows of 4 numbers.
BLOCKS = {
    "beside the input": lambda: Concatenate([Input((4,)), Dense(4, 3)]),
    "what replicas share beside what they do not": lambda: Concatenate(
        [Sequential([Tanh()]), Sequential([Dense(4, 3), BatchNorm(3), Tanh()]), Columns([2, 0], of=4)]
    ),
    "without weights": lambda: Concatenate([Tanh(), ReLU()]),
    "a gate": lambda: Multiply([Input((4,)), Sequential([Dense(4, 4), Sigmoid()])]),
    "a product of three": lambda: Multiply(
        [Dense(4, 2), Sequential([Columns(slice(1, 3), of=4), Dense(2, 2)]), Sequential([Dense(4, 2)])]
    ),
    "a square": lambda: Multiply([Input((4,)), Input((4,))]),
    "a skip that changes the width": lambda: Add([Dense(4, 3), Sequential([Dense(4, 8), Dense(8, 3)])]),
    "a sum with what replicas share": lambda: Add([Sequential([Tanh()]), Residual([Dense(4, 4)])]),
    "columns by name": lambda: Columns(["b", "d"], of=list("abcd")),
    "one branch": lambda: Concatenate([Dense(4, 2)]),
    "deep in each other": lambda: Concatenate(
        [
            Add([Tanh(), Concatenate([Columns(slice(0, 2), of=4), Dense(4, 2)])]),
            Residual([Multiply([Tanh(), Dense(4, 4)])]),
        ]
    ),
    "parts inside": lambda: Concatenate([Input((4,)), Sequential([Columns([0, 1], of=4), Dense(2, 2)])]),
}
#: And of samples of these shapes.
PARTS = {
    "steps": (lambda: TimeDistributed([Dense(3, 2), BatchNorm(2), Tanh()]), (6, 3)),
    "steps without weights": (lambda: TimeDistributed([Tanh()]), (6, 3)),
    "branches for each step": (lambda: TimeDistributed([Concatenate([Input((3,)), Dense(3, 2)])]), (6, 3)),
    "steps of steps": (lambda: TimeDistributed([TimeDistributed([Dense(3, 2)]), Flatten((2, 2))]), (3, 2, 3)),
    "images": (lambda: TimeDistributed([Flatten((2, 2)), Dense(4, 2)]), (3, 2, 2)),
    "padded": (lambda: TimeDistributed([Dense(3, 2), BatchNorm(2), Tanh()], padding=0.0), (6, 3)),
    "padded, without weights": (lambda: TimeDistributed([Tanh()], padding=0.0), (6, 3)),
    "branches of sequences": (
        lambda: Concatenate([Input((6, 3)), TimeDistributed([Dense(3, 2)], padding=0.0), Tanh()]),
        (6, 3),
    ),
}
EVERY = {name: (make, (4,)) for name, make in BLOCKS.items()} | PARTS
every = pytest.mark.parametrize("name", EVERY)


def samples(name, rng, *leading, rows=5):
    """Draw rows; the ends of some sequences are padding."""
    _, shape = EVERY[name]
    x = rng.normal(size=(*leading, rows, *shape))
    if len(shape) > 1:
        ahead = (slice(None),) * len(leading)
        x[*ahead, 0, 1:], x[*ahead, 2], x[*ahead, 3, 1] = 0, 0, 0
    return x


@every
def test_gradients_and_rules(name, rng):
    make, shape = EVERY[name]
    # No padding: who moves one of its numbers a little makes a step of it. See below.
    assert check_layer(make(), rng.normal(size=(5, *shape))).largest_error < 1e-7
    assert check_layer(make(), rng.normal(size=(3, 5, *shape)), replicas=3).largest_error < 1e-7


def net(name, **options):
    make, shape = EVERY[name]
    layer = make()
    behind = layer.shape_after(shape)
    flat = [Flatten(behind)] if len(behind) > 1 else []
    layers = [Input(shape), layer, *flat, Dense(int(np.prod(behind)), 2)]
    return Sequential(layers, **{"rng": 0, "dtype": "float64", **options})


@every
@pytest.mark.parametrize("own", [False, True], ids=["shared data", "data of their own"])
def test_replicas_equal_separate_runs(name, own, rng):
    leading = (3,) if own else ()
    x, y = samples(name, rng, *leading, rows=13), rng.normal(size=(*leading, 13, 2))
    weight = rng.uniform(0.5, 2, 13) * (np.arange(13) != 4)
    given = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 13, "shuffle": False, "weight": weight}
    together = net(name, replicas=3)
    alone = [together.replica(number) for number in range(3)]
    together.fit(x, y, optimizer=nn.SGD(0.1, momentum=0.9), **given)
    said = together.predict(x)
    for number, one in enumerate(alone):
        data = (x[number], y[number]) if own else (x, y)
        one.fit(*data, optimizer=nn.SGD(0.1, momentum=0.9), **given)
        np.testing.assert_allclose(together.params.numbers[number], one.params.numbers, rtol=0, atol=1e-8)
        np.testing.assert_allclose(said[number], one.predict(data[0]), rtol=0, atol=1e-8)


@every
@pytest.mark.parametrize("replicas", [None, 3])
def test_gradients_of_single_examples_add_up(name, replicas, rng):
    model = net(name, replicas=replicas)
    x, y = samples(name, rng), rng.normal(size=(5, 2))
    loss = nn.MeanSquaredError()
    each = model.per_example_gradients(x, y, loss)
    ctx = model.context(training=False)
    model.backward(loss.value_and_grad(model.forward(x, ctx), y)[1], ctx)
    np.testing.assert_allclose(each.mean(axis=-2), model.params.grads, rtol=1e-10, atol=1e-13)
    assert model.jacobian(x).shape == (*each.shape[:-1], 2, each.shape[-1])


class Twice(nn.Layer):
    """One of a user's own, which asks what it holds for dL/dx in any case."""

    def __init__(self, inner):
        (self.inner,) = self.hold([inner])

    @property
    def input_shape(self):
        return self.inner.input_shape

    def output_shape(self, input_shape):
        return self.inner.shape_after(input_shape)

    def forward(self, x, ctx=None):
        ((inner, kept),) = self.held(ctx)
        return 2 * inner.forward(x, kept)

    def backward(self, dy, ctx):
        ((inner, kept),) = self.held(ctx)
        return inner.backward(2 * dy, kept)


@pytest.mark.parametrize("name", BLOCKS)
def test_inside_of_a_layer_of_a_users_own(name, rng):
    make, _ = EVERY[name]
    layer = Twice(make())
    x = samples(name, rng)
    assert check_layer(layer, x).largest_error < 1e-7
    assert check_layer(layer, samples(name, rng, 3), replicas=3).largest_error < 1e-7
    model = Sequential([layer, Dense(layer.shape_after((4,))[0], 1)], replicas=3, rng=0, dtype="float64")
    y = rng.normal(size=(5, 1))
    one = model.replica(1)
    loss = nn.MeanSquaredError()
    model.loss_and_grad(x, y, loss)  # an input that they share, without an axis for them
    one.loss_and_grad(x, y, loss)
    np.testing.assert_allclose(model.params.grads[1], one.params.grads, rtol=1e-10, atol=1e-14)


def test_blame_of_an_input_that_replicas_share(rng):
    """Each has a dL/dx of its own, also through a branch that has no weights."""
    layer = Add([Sequential([Tanh()]), Dense(4, 4), Input((4,))])
    model = Sequential([Twice(layer)], replicas=3, rng=0, dtype="float64")
    x = rng.normal(size=(5, 4))
    ctx = layer._context(rng=None, needs_dx=True)
    dy = rng.normal(size=layer.forward(x, ctx).shape)
    dx = layer.backward(dy, ctx)
    assert dx.shape == (3, 5, 4)
    for number in range(3):
        through = dy[number] @ layer.branches[1].W[number].T
        expected = 2 * dy[number] + through - dy[number] * np.tanh(x) ** 2
        np.testing.assert_allclose(dx[number], expected)
    assert model.params.replicas == 3


def test_nobody_asks_a_branch_that_learns_nothing():
    seen = []

    class Seen(nn.Watcher):
        def backward(self, place, layer, dy, ctx):
            seen.append(place)
            return super().backward(place, layer, dy, ctx)

    x = np.ones((2, 4), np.float32)
    first = Concatenate([Tanh(), Sequential([Columns([1], of=4), Dense(1, 2)]), Dropout(0.5)])
    model = Sequential([first, Dense(10, 1)], rng=0)
    model.loss_and_grad(x, np.ones((2, 1)), nn.MeanSquaredError(), ctx=model.context(watch=Seen()))
    assert seen == ["1", "0", "0.1", "0.1.1"]
    seen.clear()
    ctx = model.context(watch=Seen(), input_gradient=True)
    model.loss_and_grad(x, np.ones((2, 1)), nn.MeanSquaredError(), ctx=ctx)
    assert seen == ["1", "0", "0.0", "0.1", "0.1.1", "0.1.0", "0.2"]


def test_dropout_in_branches_draws_for_each(rng):
    layer = Add([Dropout(0.5), Dropout(0.5)])
    y = layer.forward(np.ones((50, 4)), layer._context(rng=rng))
    assert set(np.unique(y)) == {0.0, 2.0, 4.0}
    assert (layer.forward(np.ones((5, 4))) == 2).all()


# Shapes.


def test_open_sizes_are_joined():
    assert Concatenate([TimeDistributed([Dense(3, 2)]), Input((6, 3))]).input_shape == (6, 3)
    assert Concatenate([TimeDistributed([Dense(3, 2)]), Tanh()]).input_shape == (None, 3)
    assert Concatenate([TimeDistributed([Dense(3, 2)]), Tanh()]).output_shape((7, 3)) == (7, 5)
    assert Concatenate([TimeDistributed([Dense(3, 2)]), Tanh()]).output_shape((None, 3)) == (None, 5)
    assert Concatenate([Tanh(), ReLU()]).output_shape((None,)) == (None,)
    assert Add([Tanh(), ReLU()]).input_shape is None
    assert TimeDistributed([Tanh()]).input_shape == (None, None)
    assert TimeDistributed([Input((8, 8, 3))]).output_shape((5, 8, 8, 3)) == (5, 8, 8, 3)


def test_summary_and_inside_know_the_shapes():
    model = Sequential([Input((5, 4)), TimeDistributed([BLOCKS["a gate"]()])])
    assert [(place, shape) for place, _, shape in inside(model, shape=model.input_shape)] == [
        ("0", (5, 4)), ("1", (5, 4)), ("1.0", (4,)), ("1.0.0", (4,)), ("1.0.1", (4,)), ("1.0.1.0", (4,)),
        ("1.0.1.1", (4,)),
    ]  # fmt: skip


def test_each_branch_starts_by_what_follows_behind_all_of_them():
    wide, deep = Dense(4, 3), Sequential([ReLU(), Dense(4, 3)])
    gate = Sequential([Dense(6, 2), Sigmoid()])
    model = Sequential([Dense(4, 4), Concatenate([wide, deep]), Tanh(), Multiply([Dense(6, 2), gate])])
    every = {id(layer) for _, layer in model.walk()}
    found = starts(model, every)
    assert isinstance(found[id(wide)], GlorotUniform)
    assert isinstance(found[id(deep[1])], GlorotUniform)
    assert found[id(model[3].branches[0])] is LAST
    assert isinstance(found[id(gate[0])], GlorotUniform)
    assert found[id(model[0])] is None  # the first branch learns next
    other = Sequential([Dense(4, 4), Concatenate([Sequential([ReLU(), Dense(4, 3)]), Dense(4, 3)])])
    assert isinstance(starts(other, {id(other[0])})[id(other[0])], HeNormal)


# Padding.


def lengthen(x, steps, padding):
    return np.concatenate([x, np.full((len(x), steps, *x.shape[2:]), padding)], axis=1)


@pytest.mark.parametrize("padding", [0.0, -3.5, 2.0**100])
def test_padding_changes_nothing(padding, rng):
    """Neither outputs, nor gradients, nor statistics; whatever number it is, and however much of it."""

    def model(steps, **options):
        parts = [Dense(3, 4), BatchNorm(4), Tanh(), BatchNorm(4)]
        layers = [TimeDistributed(parts, padding=padding), TimeDistributed([Dense(4, 2)], padding=padding)]
        return Sequential([Input((steps, 3)), *layers], rng=0, dtype="float64", **options)

    lengths = [4, 1, 0, 3, 2, 4]
    x = rng.normal(size=(6, 4, 3))
    real = np.arange(4) < np.array(lengths)[:, None]
    x[~real] = padding
    x[0, 1] = padding  # in the middle, it is a step
    dy = rng.normal(size=(6, 4, 2))
    short, long = model(4), model(7)
    packed = Sequential([*copy.deepcopy(short[1].layers), copy.deepcopy(short[2].layers[0])], dtype="float64")
    ctx, its_ctx, theirs = (
        short.context(input_gradient=True),
        long.context(),
        packed.context(input_gradient=True),
    )
    y = short.forward(x, ctx)
    assert (y[~real] == padding).all()
    np.testing.assert_allclose(y[real], packed.forward(x[real], theirs), rtol=1e-12)
    dx = short.backward(dy, ctx)
    np.testing.assert_allclose(dx[real], packed.backward(dy[real], theirs), rtol=1e-9, atol=1e-12)
    assert (dx[~real] == 0).all()
    z = long.forward(lengthen(x, 3, padding), its_ctx)
    np.testing.assert_allclose(z[:, :4], y, rtol=1e-12)
    long.backward(lengthen(dy, 3, 5.0), its_ctx)
    for one in (long.params, packed.params):
        np.testing.assert_allclose(one.grads, short.params.grads, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.state, short.params.state, rtol=1e-12)
    np.testing.assert_allclose(short.predict(x)[real], packed.predict(x[real]), rtol=1e-12)


def test_rows_of_padding_only_are_as_if_they_were_not_there(rng):
    model = Sequential(
        [Input((3, 2)), TimeDistributed([Dense(2, 2), BatchNorm(2)], padding=0.0)], dtype="float64"
    )
    nothing = np.zeros((4, 3, 2))
    before = model.params.numbers.copy()
    ctx = model.context()
    assert (model.forward(nothing, ctx) == 0).all()
    model.backward(np.ones((4, 3, 2)), ctx)
    assert (model.params.grads == 0).all()
    np.testing.assert_array_equal(model.params.numbers, before)


@pytest.mark.parametrize("name", EVERY)
def test_no_rows_are_taken_too(name):  # as a rank of a distributed training may have none in a batch
    make, shape = EVERY[name]
    model = Sequential([Input(shape), make()], dtype="float64")
    ctx = model.context()
    y = model._forward(np.zeros((0, *shape)), ctx)
    assert y.shape == (0, *model.output_shape)
    model._backward(y, ctx)
    assert (model.params.grads == 0).all()


def test_what_must_see_data_sees_real_steps_only(rng):
    x = rng.normal(3.0, 2.0, (30, 5, 2))
    x[::2, 2:] = 0
    weight = rng.uniform(1, 2, 30)
    inner = TimeDistributed([Standardize(2), Dense(2, 3)], padding=0.0)
    wide = Concatenate([Sequential([Columns([1], of=15), Standardize(1)]), Tanh()])
    model = Sequential([Input((5, 2)), inner, Flatten((5, 3)), wide, Dense(16, 1)], rng=0, dtype="float64")
    y = rng.normal(size=(30, 1))
    given = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(1e-30), "epochs": 1}
    model.fit(x, y, weight=weight, **given)
    real = (x != 0).any(axis=-1)
    heavy = np.repeat(weight, 5)[real.ravel()]
    np.testing.assert_allclose(inner.layers[0].mean, np.average(x[real], axis=0, weights=heavy), rtol=1e-6)
    reaching = model.activations(x)[2][:, 1]
    mean = wide.branches[0][1].mean
    np.testing.assert_allclose(mean, np.average(reaching, weights=weight), rtol=1e-5)
    assert weighed_reaching(model, (1, 1), x, None)[0].shape == (150, 2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("replicas", [None, 3])
def test_compiled_loops_know_padding(replicas, weighted, rng):
    pytest.importorskip("numba")

    def model():
        gate = Multiply([Dense(4, 2), Sequential([Dense(4, 2), Sigmoid()])])
        first = TimeDistributed([Dense(3, 4), BatchNorm(4), Tanh()], padding=0.0)
        second = TimeDistributed([Concatenate([Input((4,)), gate])], padding=0.0)
        layers = [Input((5, 3)), first, second, Flatten((5, 6)), Dense(30, 2)]
        return Sequential(layers, rng=0, dtype="float64", replicas=replicas)

    x, y = rng.normal(size=(40, 5, 3)), rng.normal(size=(40, 2))
    x[::3, 2:], x[1], x[5, 1] = 0, 0, 0
    given = {"loss": nn.MeanSquaredError(), "epochs": 4, "batch_size": 16, "rng": 0}
    given["weight"] = rng.uniform(0.5, 2, 40) if weighted else None
    one, other = model(), model()
    assert one.fit(x, y, optimizer=nn.SGD(0.1), jit=True, **given).engine == "jit"
    other.fit(x, y, optimizer=nn.SGD(0.1), **given)
    np.testing.assert_allclose(one.params.numbers, other.params.numbers, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.predict(x), other.predict(x), rtol=1e-10, atol=1e-12)


# Columns.


def test_columns_are_found_once_and_for_all():
    frame = ["height", "age", "weight", "city"]
    assert Columns(["weight", "age"], of=frame).numbers == [2, 1]
    assert Columns("age", of=frame).numbers == [1]
    assert Columns(-1, of=4).columns == [3]
    assert Columns(slice(None, None, 2), of=5).columns == [0, 2, 4]
    assert Columns(np.array([1, 2]), of=tuple(frame)).columns == [1, 2]
    every = (Columns(slice(1, 6), of=6), Columns([4, 1], 6), Columns(["age"], of=frame), Columns(2, of=3))
    for one in every:
        assert repr(eval(repr(one))) == repr(one)


def test_names_of_columns_are_saved_and_held_to_the_table(tmp_path, rng):
    frame = {name: rng.normal(size=20) for name in ("height", "age", "weight")}
    names = list(frame)
    deep = Sequential([Columns(["weight", "age"], of=names), Dense(2, 4), ReLU(), Dense(4, 1)])
    model = Sequential([Concatenate([Columns(["height"], of=names), deep]), Dense(2, 1)], rng=0)
    y = rng.normal(size=(20, 1))
    given = {"loss": nn.MeanSquaredError(), "epochs": 1}
    model.save(tmp_path / "net")
    again = nn.load(tmp_path / "net")
    assert repr(again) == repr(model)
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(frame)
    model.fit(table, y, optimizer=nn.SGD(0.1), **given)
    with pytest.raises(ArgumentError, match=r"the columns that layer 0\.0 chooses from.*\['height', 'age'"):
        again.fit(table[["age", "height", "weight"]], y, optimizer=nn.SGD(0.1), **given)
    assert again.feature_names is None
    check_chosen_names(
        Sequential([Dense(3, 3), Columns(["a"], of=["a", "b", "c"])]), names
    )  # not at the front


@pytest.mark.parametrize(
    ("before", "left"),
    [([Standardize(2)], ["a", "b"]), ([Dropout(0.5)], ["a", "b"]), ([Columns([1, 0], of=2)], ["b", "a"])],
    ids=str,
)
def test_names_are_those_of_the_table_where_columns_are_given_on(before, left):
    for of, fits in ((left, True), (left[::-1], False)):
        model = Sequential(
            [copy.deepcopy(before[0]), nn.ParameterGroup([Columns(["a"], of=of)]), Dense(1, 1)]
        )
        with contextlib.nullcontext() if fits else pytest.raises(ArgumentError, match=r"layer 1\.0 chooses"):
            check_chosen_names(model, ["a", "b"])


def test_ids_of_later_steps_are_looked_at_in_compiled_loops_too(rng):
    pytest.importorskip("numba")
    X = rng.integers(0, 5, (30, 3, 1)).astype(np.float64)
    X[20, 2] = 10**6
    steps = TimeDistributed([Columns([0], of=1), nn.Embedding((5,), 2)])
    model = Sequential([Input((3, 1)), steps, Flatten((3, 2)), Dense(6, 1)], rng=0)
    given = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1}
    with pytest.raises(ArgumentError, match="expected ids from 0 to 4"):
        model.fit(X, np.zeros((30, 1)), jit=True, **given)
    with pytest.raises(ArgumentError, match="expected ids from 0 to 4"):
        model.predict(X, jit=True)


@pytest.mark.parametrize("replicas", [None, 3])
def test_ids_in_a_branch_are_compiled_and_looked_at(replicas, rng):
    pytest.importorskip("numba")

    def model():
        deep = [
            Columns([3, 1, 2], of=4),
            Columns([1, 0], of=3),
            nn.Embedding((5,), 3, numeric=1),
            Dense(4, 2),
        ]
        branches = [Sequential([Columns([0, 2], of=4), BatchNorm(2)]), Sequential(deep)]
        layers = [Concatenate(branches), Tanh(), Dense(4, 1)]
        return Sequential(layers, rng=0, dtype="float64", replicas=replicas)

    X, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 1))
    X[:, 3] = rng.integers(0, 5, 30)
    given = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 8, "rng": 0}
    one, other = model(), model()
    assert one.fit(X, y, optimizer=nn.SGD(0.1), jit=True, **given).engine == "jit"
    other.fit(X, y, optimizer=nn.SGD(0.1), **given)
    np.testing.assert_allclose(one.params.numbers, other.params.numbers, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-10, atol=1e-12)
    before = one.params.numbers.copy()
    X[7, 3] = 5
    for attempt in (
        lambda: one.fit(X, y, optimizer=nn.SGD(0.1), jit=True, **given),
        lambda: one.fit(X, y, optimizer=nn.SGD(0.1), jit=True, callbacks=[nn.Callback()], **given),
        lambda: one.predict(X),
    ):
        with pytest.raises(ArgumentError, match=r"expected ids from 0 to 4 in column 1, got 5 in row 7"):
            attempt()
        np.testing.assert_array_equal(one.params.numbers, before)
    behind = Sequential([Dense(4, 1), nn.Embedding((5,), 2), Dense(2, 1)], rng=0)
    with pytest.raises(ArgumentError):
        behind.fit(X, y, optimizer=nn.SGD(0.1), jit=True, **given)


def test_wide_and_deep_of_a_table_with_categories(rng):
    frame = {"age": rng.normal(size=60), "city": rng.choice(["Bern", "Genf", "Basel"], 60).tolist()}
    y = (np.array(frame["city"]) == "Genf") * 1.0 + frame["age"]
    encoder = nn.TableEncoder().fit(frame)
    names = encoder.feature_names
    ids = [column.id_count for column in encoder.columns if column.kind == "categorical"]
    deep = [Columns(["city"], of=names), nn.Embedding(ids, 2), Dense(2, 4), ReLU(), Dense(4, 1)]
    both = Add([Sequential([Columns(["age"], of=names), Dense(1, 1)]), Sequential(deep)])
    model = Sequential([both], preprocessing=encoder, rng=0)
    model.fit(frame, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.05), epochs=150)
    assert model.evaluate(frame, y[:, None], metrics=[nn.r2])["r2"] > 0.95


# Tools, on nets with branches.


def trained(rng, kind):
    X, y = nn.datasets.iris()
    if kind == "shared":
        X = X.reshape(-1, 2, 2)
        layers = [Input((2, 2)), TimeDistributed([Dense(2, 5), ReLU()]), Flatten((2, 5)), Dense(10, 3)]
    else:
        deep = Sequential([Columns(slice(1, 4), of=4), Standardize(3), Dense(3, 5), ReLU(), Dense(5, 3)])
        gate = Sequential([Dense(5, 4), Sigmoid()])
        layers = [Concatenate([Columns([0, 1], of=4), deep]), Multiply([Dense(5, 4), gate]), Dense(4, 3)]
    model = Sequential(layers, rng=0)
    loss = nn.SoftmaxCrossEntropy()
    model.fit(X, y, loss=loss, optimizer=nn.Adam(0.01), epochs=20, batch_size=16, rng=0)
    return model, X, y, loss


@pytest.mark.parametrize("kind", ["branches", "shared"])
def test_tools_take_them_as_one_layer_each(kind, rng, tmp_path):
    model, X, y, loss = trained(rng, kind)
    trace = nn.inspect.explain_step(model, X[:8], y[:8], loss, nn.SGD(0.1)).to_dict()
    shown = [step["place"] for stage in trace["stages"] for step in stage["steps"]]
    assert shown == [str(index) for index in range(len(model.layers))]
    holder = trace["stages"][1]["steps"][0]
    learned = [name for name in model.params if name.startswith(f"{holder['place']}.")]
    assert {one["name"] for one in holder["parameters"].values()} == set(learned)
    assert {name for check in trace["proof"]["checks"] for name in [check["parameter"]]} == set(model.params)
    (name, *_) = model.params
    assert "pull" in str(nn.inspect.blame(model, X[:8], y[:8], loss).rows(name, (0, 0)))
    for finding in nn.inspect.doctor(model, X, y, loss, nn.SGD(0.01)):
        assert "None" not in str(finding)
    copied = copy.deepcopy(model)
    copied.save(tmp_path / "net")
    np.testing.assert_array_equal(nn.load(tmp_path / "net").predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["branches", "shared"])
def test_pictures_of_them(kind, rng):
    plt = pytest.importorskip("matplotlib.pyplot")
    model, X, _, _ = trained(rng, kind)
    ax = nn.plot.network(model, X[0])
    assert ax.get_figure() is not None
    plt.close("all")


def test_standardize_in_a_branch_is_not_folded_into_the_one_beside_it(rng):
    X = rng.normal(size=(9, 4))
    model = Sequential([Concatenate([Standardize(4), Dense(4, 4)]), Dense(8, 1)])
    model.adapt(X)
    with pytest.raises(ArgumentError, match=r"expected a Dense layer .*, got no layer"):
        nn.interop.to_torch_state_dict(model, fold_standardize=True, as_numpy=True)


def test_estimators_take_layers_with_branches():
    pytest.importorskip("sklearn")
    from nnlite.sklearn import MLPClassifier

    X, y = nn.datasets.iris()
    both = Concatenate([Columns([0], of=4), Sequential([Dense(4, 5), ReLU()])])
    given = {"solver": "lbfgs", "random_state": 0, "max_iter": 300}
    one = MLPClassifier(layers=[both, Dense(6, 4), Tanh(), Dense(4, 3)], **given).fit(X, y)
    assert one.score(X, y) > 0.95
    assert one.transform(X).shape == (150, 4)
    other = MLPClassifier(layers=[Add([Dense(4, 3), Sequential([Dense(4, 3), Tanh()])])], **given).fit(X, y)
    with pytest.raises(ArgumentError, match=r"MLPClassifier\.transform: expected a net whose last layer"):
        other.transform(X)


def test_work_counts_every_part():
    from nnlite.training.work import measure_work

    one = measure_work(Sequential([Input((1, 50)), TimeDistributed([Dense(50, 40)])]))
    many = measure_work(Sequential([Input((10, 50)), TimeDistributed([Dense(50, 40)])]))
    assert (one.largest, many.largest) == (2000, 20000)
    assert many.total == 10 * one.total
    attention = [measure_work(Sequential([Input((time, 6)), SelfAttention(6)])) for time in (1, 10)]
    assert [work.largest for work in attention] == [6 * 18, 10 * 6 * 18]
    assert measure_work(Sequential([Input((10, 6)), PositionEmbedding(50, 6)])).largest == 0


def test_shapes_that_do_not_fit_are_named_at_the_branch():
    with pytest.raises(ShapeError, match=r"Add\(branches\[1\] Dense\(4, 2\)\): expected output of shape"):
        Sequential([Residual([Add([Dense(4, 3), Dense(4, 2)])])])
    with pytest.raises(ShapeError, match=r"layer 1 Concatenate.*: expected input of shape \(batch, 4\)"):
        Sequential([Dense(2, 3), Concatenate([Dense(4, 3)])])
