"""Weights to and from PyTorch and Keras: twins give the same outputs, and what does not fit is refused."""

from __future__ import annotations

import copy
import os
import re
import sys

import numpy as np
import pytest
from samples import LAYERS, again

import nnlite as nn
from nnlite import layers
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError, ShapeError
from nnlite.exchange import table
from nnlite.interop import (
    from_keras_weights,
    from_torch_state_dict,
    to_keras_weights,
    to_torch_state_dict,
)

#: Layers that PyTorch and Keras have, and that take rows of 4 numbers, or ids.
WITH_TWIN = [
    layer
    for layer in LAYERS
    if table.twin(layer, "torch")
    and layer.input_shape in (None, (1,) if isinstance(layer, layers.Embedding) else (4,))
]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")  # before the fixtures of a test: its import draws random numbers
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("keras")


def net(layer, dtype=np.float32):
    """Make a net around a layer, with biases that are not zero."""
    first = [] if isinstance(layer, layers.Embedding) else [layers.Dense(4, 4)]
    width = layer.shape_after(layer.input_shape or (4,))[0]
    model = nn.Sequential([*first, again(layer), layers.Dense(width, 2)], dtype=dtype, rng=0)
    model.params.values[...] = np.random.default_rng(1).normal(size=model.params.size)
    return model


def rows_for(layer, rng):
    """Draw what the net takes, and the same as the twin takes it."""
    if isinstance(layer, layers.Embedding):
        ids = rng.integers(0, 5, (20, 1))
        return ids, ids[:, 0]
    x = rng.normal(size=(20, 4)).astype(np.float32)
    return x, x


def assert_same(found, expected):
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.abs(np.asarray(found) - expected).max() <= 1e-6 * scale


def torch_net(torch, layer, model):
    t = torch.nn
    theirs = eval(table.twin(layer, "torch"), {"t": t})
    first = [] if isinstance(layer, layers.Embedding) else [t.Linear(4, 4)]
    return t.Sequential(*first, theirs, t.Linear(model[-1].in_features, 2)).eval()


@pytest.mark.parametrize("layer", WITH_TWIN, ids=repr)
def test_a_torch_net_of_the_same_shape_says_the_same(layer, torch, rng):
    model, (x, theirs) = net(layer), rows_for(layer, rng)
    twin = torch_net(torch, layer, model)
    twin.load_state_dict(to_torch_state_dict(model))
    with torch.no_grad():
        found = twin(torch.from_numpy(theirs)).numpy()
    assert_same(found, model.predict(x))


@pytest.mark.parametrize("layer", WITH_TWIN, ids=repr)
def test_the_weights_of_a_torch_net(layer, torch, rng):
    model, (x, theirs) = net(layer), rows_for(layer, rng)
    torch.manual_seed(0)
    twin = torch_net(torch, layer, model)
    from_torch_state_dict(model, twin.state_dict())
    with torch.no_grad():
        expected = twin(torch.from_numpy(theirs)).numpy()
    assert_same(model.predict(x), expected)


def keras_net(keras, layer, model):
    k = keras.layers
    theirs = eval(table.twin(layer, "keras"), {"k": k, "keras": keras})
    is_table = isinstance(layer, layers.Embedding)
    first = [keras.Input(())] if is_table else [keras.Input((4,)), k.Dense(4)]
    return keras.Sequential([*first, theirs, k.Dense(2)])


@pytest.mark.filterwarnings("ignore")  # what Keras warns of is its own affair
@pytest.mark.parametrize("layer", WITH_TWIN, ids=repr)
def test_a_keras_net_of_the_same_shape_says_the_same(layer, keras, rng):
    model, (x, theirs) = net(layer), rows_for(layer, rng)
    twin = keras_net(keras, layer, model)
    twin.set_weights(to_keras_weights(model))
    assert_same(keras.ops.convert_to_numpy(twin(theirs)), model.predict(x))
    back = net(layer)
    back.params.numbers[...] = 0
    from_keras_weights(back, twin.get_weights())
    assert (back.params.numbers == model.params.numbers).all()


def test_columns_of_numbers_and_several_of_ids(torch, rng):
    """The state dict fits a module that looks the ids up in one table, as docs/other_frameworks.md has it."""
    model = nn.Sequential([layers.Embedding([3, 5], 2, numeric=1), layers.Dense(5, 1)], rng=0)
    x = np.column_stack([rng.normal(size=20), rng.integers(0, 3, 20), rng.integers(0, 5, 20)])

    class Columns(torch.nn.Embedding):
        def forward(self, x):
            rows = x[:, 1:].long() + torch.tensor([0, 3])
            return torch.cat([x[:, :1], super().forward(rows).flatten(1)], dim=1)

    twin = torch.nn.Sequential(Columns(8, 2), torch.nn.Linear(5, 1))
    twin.load_state_dict(to_torch_state_dict(model))
    with torch.no_grad():
        assert_same(twin(torch.from_numpy(x.astype(np.float32))).numpy(), model.predict(x))


def test_names_layout_and_order():
    model = nn.Sequential(
        [
            layers.Embedding((3, 5), 2),
            layers.Dropout(0.1),
            layers.Dense(4, 6, bias=False),
            layers.Tanh(),
            layers.Dense(6, 1),
        ]
    )
    found = to_torch_state_dict(model, as_numpy=True)
    assert [(key, value.shape) for key, value in found.items()] == [
        ("0.weight", (8, 2)),
        ("2.weight", (6, 4)),
        ("4.weight", (1, 6)),
        ("4.bias", (1,)),
    ]
    assert (found["2.weight"] == model[2].W.T).all()
    assert all(value.flags.c_contiguous for value in found.values())
    assert [weight.shape for weight in to_keras_weights(model)] == [(8, 2), (4, 6), (6, 1), (1,)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_in_the_dtype_of_the_model(dtype, torch):
    model = nn.Sequential([layers.Dense(2, 1)], dtype=dtype, rng=0)
    before = model.params.values.copy()
    tensors = to_torch_state_dict(model)
    assert {value.dtype for value in tensors.values()} == {torch.from_numpy(before).dtype}
    for value in (
        *tensors.values(),
        *to_torch_state_dict(model, as_numpy=True).values(),
        *to_keras_weights(model),
    ):
        value[...] = 7.0
    assert (model.params.values == before).all()


def own_gain():
    class Gain(nn.Layer):
        gain = nn.Parameter()

        def __init__(self, features):
            self.features = features
            self.declare("gain", (2, features))

        def forward(self, x, ctx=None):
            return x * self.gain[0] + self.gain[1]

    return Gain(3)


def test_a_layer_of_ones_own_keeps_its_names_and_shapes():
    model = nn.Sequential([layers.Dense(2, 3), own_gain()], rng=0)
    found = to_torch_state_dict(model, as_numpy=True)
    assert list(found) == ["0.weight", "0.bias", "1.gain"]
    assert (found["1.gain"] == model[1].gain).all()
    from_torch_state_dict(model, {**found, "1.gain": np.ones((2, 3), np.float32)})
    assert (model[1].gain == 1).all()


# Layers made of layers, and what is kept and not learned.


def blocks_of(torch):
    """Return a module of PyTorch that is the twin of Residual, as docs/other_frameworks.md has it."""

    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    return Residual


def net_of_blocks():
    inner = layers.Residual([layers.BatchNorm(5), layers.Tanh(), layers.Dense(5, 5)])
    block = layers.Residual([layers.Dense(4, 5), inner, layers.Dense(5, 4, bias=False)])
    model = nn.Sequential([block, nn.Sequential([layers.BatchNorm(4, epsilon=0.01), layers.ReLU()])], rng=0)
    rng = np.random.default_rng(1)
    model.params.numbers[...] = rng.normal(size=model.params.numbers.shape)
    model.params.state[...] = rng.uniform(0.5, 2, size=model.params.state.shape)
    return model


def test_blocks_of_torch_have_what_is_inside_under_its_place(torch, rng):
    model, x = net_of_blocks(), rng.normal(size=(20, 4)).astype(np.float32)
    t, Residual = torch.nn, blocks_of(torch)
    inner = Residual(t.BatchNorm1d(5), t.Tanh(), t.Linear(5, 5))
    twin = t.Sequential(
        Residual(t.Linear(4, 5), inner, t.Linear(5, 4, bias=False)),
        t.Sequential(t.BatchNorm1d(4, eps=0.01), t.ReLU()),
    ).eval()
    handed = to_torch_state_dict(model)
    counts = {"0.1.0.num_batches_tracked", "1.0.num_batches_tracked"}
    assert [key for key in twin.state_dict() if key not in counts] == list(handed)
    assert handed["0.1.0.running_var"].tolist() == model[0].layers[1].layers[0].running_variance.tolist()
    twin.load_state_dict(handed, strict=True)
    with torch.no_grad():
        assert_same(twin(torch.from_numpy(x)).numpy(), model.predict(x))

    twin.train()(torch.from_numpy(3 * x + 1))  # which goes into the running statistics there
    before = model.params.numbers.copy()
    from_torch_state_dict(model, twin.eval().state_dict())
    assert (model.params.values == before[: model.params.size]).all()
    assert (model.params.state != before[model.params.size :]).all()
    with torch.no_grad():
        assert_same(model.predict(x), twin(torch.from_numpy(x)).numpy())


@pytest.mark.filterwarnings("ignore")
def test_blocks_of_keras_in_the_same_order(keras, rng):
    model, x = net_of_blocks(), rng.normal(size=(20, 4)).astype(np.float32)
    k = keras.layers
    start = keras.Input((4,))
    wide = k.Dense(5)(start)
    inner = k.Dense(5)(k.Activation("tanh")(k.BatchNormalization(epsilon=1e-5)(wide)))
    outer = k.Add()([start, k.Dense(4, use_bias=False)(k.Add()([wide, inner]))])
    twin = keras.Model(start, k.ReLU()(k.BatchNormalization(epsilon=0.01)(outer)))
    twin.set_weights(to_keras_weights(model))
    assert_same(keras.ops.convert_to_numpy(twin(x)), model.predict(x))
    before = model.params.numbers.copy()
    model.params.numbers[...] = 0
    from_keras_weights(model, twin.get_weights())
    assert (model.params.numbers == before).all()


def test_keys_inside_of_blocks_that_do_not_fit_change_nothing():
    model = net_of_blocks()
    before, good = model.params.numbers.copy(), to_torch_state_dict(model, as_numpy=True)
    without = {key: value for key, value in good.items() if key != "0.1.0.running_var"}
    refused(ArgumentError, r"got none called '0\.1\.0\.running_var'", from_torch_state_dict, model, without)
    stray = good | {"0.1.2.num_batches_tracked": np.array(3)}
    refused(ArgumentError, r"'0\.1\.2\.num_batches_tracked' too", from_torch_state_dict, model, stray)
    turned = good | {"0.0.weight": good["0.0.weight"].T}
    message = r"It is of layer 0\.0 Dense\(4, 5\)"
    refused(ShapeError, message, from_torch_state_dict, model, turned)
    counted = good | {"0.1.0.num_batches_tracked": 1, "1.0.num_batches_tracked": 1}
    named = {f"net.{key}": value for key, value in counted.items()}
    refused(ArgumentError, r"removeprefix\('net\.'\)", from_torch_state_dict, model, named)
    assert (model.params.numbers == before).all()
    from_torch_state_dict(model, counted)


def test_standardize_inside_of_blocks(rng):
    X = rng.normal(size=(50, 4)) * [1, 10, 0.1, 3] + [0, 20, 0.3, -5]
    block = layers.Residual([layers.Standardize(4), layers.Dense(4, 4), layers.Tanh()])
    model = nn.Sequential([nn.Sequential([block]), layers.Dense(4, 2)], rng=0, dtype=np.float64)
    model.adapt(X)
    handed = to_torch_state_dict(model, fold_standardize=True, as_numpy=True)
    assert list(handed) == ["0.0.1.weight", "0.0.1.bias", "1.weight", "1.bias"]
    plain = X + np.tanh(X @ handed["0.0.1.weight"].T + handed["0.0.1.bias"])
    expected = plain @ handed["1.weight"].T + handed["1.bias"]
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-12)
    before = model.params.values.copy()
    from_torch_state_dict(model, handed, fold_standardize=True)
    np.testing.assert_allclose(model.params.values, before, atol=1e-12)


class Beside(nn.Layer):
    """Two ways side by side."""

    def __init__(self, first, second):
        self.first, self.second = self.hold([first, second])

    def forward(self, x, ctx=None):
        (first, a), (second, b) = self.held(ctx)
        return first.forward(x, a) + second.forward(x, b)


def test_standardize_is_not_folded_into_what_is_not_behind_it():
    """In a layer of the user's own the second one need not follow the first."""
    model = nn.Sequential([Beside(layers.Standardize(2), layers.Dense(2, 2))], rng=0)
    model[0].first.adapt(np.array([[1.0, 2], [3, 5]]))
    message = r"layer 0\.0 Standardize\(2\): expected a Dense layer .* right behind it.* got no layer"
    refused(ArgumentError, message, to_torch_state_dict, model, fold_standardize=True, as_numpy=True)
    handed = to_torch_state_dict(model, fold_standardize=False, as_numpy=True)
    assert list(handed) == ["0.1.weight", "0.1.bias"]


# Standardize.


def standardized(rng, dtype=np.float32, **options):
    X = rng.normal(size=(200, 4)) * [1, 10, 0.1, 3] + [0, 20, 0.3, -5]
    model = nn.Sequential(
        [layers.Standardize(4), layers.Dense(4, 8, **options), layers.Tanh(), layers.Dense(8, 2)],
        rng=0,
        dtype=dtype,
    )
    model.adapt(X)
    model.params.values[...] = rng.normal(size=model.params.size)
    return model, X.astype(dtype)


def test_standardize_in_the_weights(torch, rng):
    model, X = standardized(rng)
    t = torch.nn
    twin = t.Sequential(t.Identity(), t.Linear(4, 8), t.Tanh(), t.Linear(8, 2))
    twin.load_state_dict(to_torch_state_dict(model, fold_standardize=True))
    with torch.no_grad():
        assert_same(twin(torch.from_numpy(X)).numpy(), model.predict(X))


def test_standardize_in_the_weights_is_exact_in_float64_and_comes_back(rng):
    model, X = standardized(rng, np.float64)
    folded = nn.Sequential([layers.Dense(4, 8), layers.Tanh(), layers.Dense(8, 2)], dtype=np.float64)
    from_keras_weights(folded, to_keras_weights(model, fold_standardize=True))
    np.testing.assert_allclose(folded.predict(X), model.predict(X), atol=1e-12)
    before = model.params.values.copy()
    from_torch_state_dict(
        model, to_torch_state_dict(model, fold_standardize=True, as_numpy=True), fold_standardize=True
    )
    np.testing.assert_allclose(model.params.values, before, atol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_standardize_outside(keras, rng):
    model, X = standardized(rng)
    k, (first, *_) = keras.layers, model
    twin = keras.Sequential(
        [
            keras.Input((4,)),
            k.Normalization(mean=first.mean, variance=first.scale**2),
            k.Dense(8, activation="tanh"),
            k.Dense(2),
        ]
    )
    twin.set_weights(to_keras_weights(model, fold_standardize=False))
    assert_same(keras.ops.convert_to_numpy(twin(X)), model.predict(X))
    before = model.params.values.copy()
    model.params.values[...] = 0
    from_keras_weights(model, twin.get_weights(), fold_standardize=False)
    assert (model.params.values == before).all()


# What is refused.


def refused(error, message, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    assert type(caught.value) is error
    assert re.search(message, str(caught.value)), str(caught.value)


BOTH_WAYS = [
    to_torch_state_dict,
    to_keras_weights,
    lambda model, **options: from_torch_state_dict(model, {}, **options),
    lambda model, **options: from_keras_weights(model, [], **options),
]
each_way = pytest.mark.parametrize(
    "call", BOTH_WAYS, ids=["to torch", "to keras", "from torch", "from keras"]
)


@each_way
def test_what_is_no_single_net(call):
    refused(ArgumentTypeError, r"\(model\): expected a Sequential, got 3\.", call, 3)
    model = nn.Sequential([layers.Dense(2, 1)], replicas=3)
    refused(ArgumentError, r"a single net, got 3 replicas\. Choose one: model\.replica\(0\)", call, model)


@each_way
def test_standardize_that_cannot_be_folded(call, rng):
    model, _ = standardized(rng)
    refused(ArgumentError, r"layer 0 Standardize\(4\): .*Write fold_standardize=True", call, model)
    refused(ArgumentTypeError, "fold_standardize", call, model, fold_standardize="yes")
    model, _ = standardized(rng, bias=False)
    message = r"a Dense layer with a bias .*got Dense\(4, 8, bias=False\)\. Write fold_standardize=False"
    refused(ArgumentError, message, call, model, fold_standardize=True)
    model = nn.Sequential([layers.Standardize(2), layers.Dense(2, 1)])
    refused(NotFittedError, r"Call its adapt\(X\)", call, model, fold_standardize=True)
    model = nn.Sequential([layers.Standardize(2)])
    model.adapt([[1, 2], [3, 5]])
    refused(ArgumentError, "got no layer", call, model, fold_standardize=True)


def test_a_dense_layer_with_a_parameter_more():
    class Scaled(layers.Dense):
        scale = nn.Parameter()

        def __init__(self, in_features, out_features):
            super().__init__(in_features, out_features)
            self.declare("scale", (1, 2), initializer=nn.initializers.Constant(2.0))

    model, other = (nn.Sequential([Scaled(3, 2)], rng=seed) for seed in (0, 1))
    handed = to_torch_state_dict(model, as_numpy=True)
    shapes = {key: array.shape for key, array in handed.items()}
    assert shapes == {"0.weight": (2, 3), "0.bias": (2,), "0.scale": (1, 2)}
    from_torch_state_dict(other, handed)
    assert (other.params.values == model.params.values).all()


@each_way
def test_buffers_of_a_layer_of_ones_own(call):
    layer = own_gain()
    layer.buffers["seen"] = np.zeros(3)
    model = nn.Sequential([layers.Dense(2, 3), layer], rng=0)
    refused(
        ArgumentError, r"layer 1 Gain\(3\): expected a layer without buffers, got one with seen", call, model
    )


@each_way
@pytest.mark.parametrize("adapted", [True, False])
def test_a_standardize_of_ones_own_is_not_folded(call, adapted):
    class Twice(layers.Standardize):
        def forward(self, x, ctx=None):
            return 2 * super().forward(x, ctx)

    model = nn.Sequential([Twice(2), layers.Dense(2, 1)], rng=0)
    if adapted:
        model.adapt([[1, 2], [3, 5]])
    message = r"layer 0 Twice\(2\): expected a layer without buffers, got one with mean, scale"
    refused(ArgumentError, message, call, model, fold_standardize=True)


def test_scales_that_float32_does_not_hold(rng):
    model, _ = standardized(rng)
    model[0].buffers["scale"][0] = 1e-38
    model[1].W[0] = 10
    message = r"weights that float32 holds, .*in 1\.W, .*Write fold_standardize=False"
    refused(ArgumentError, message, to_keras_weights, model, fold_standardize=True)


def a_thing_with(method):
    return type("Net", (), {method: None})()


BAD_STATE_DICTS = {
    "a module": (
        lambda given: a_thing_with("state_dict"),
        ArgumentTypeError,
        r"a dict of tensors, got Net\. Write module\.state_dict\(\)\.",
    ),
    "a list": (list, ArgumentTypeError, "a dict of tensors, got list"),
    "a missing key": (
        lambda given: {key: value for key, value in given.items() if key != "2.bias"},
        ArgumentError,
        r"the keys 0\.weight, 0\.bias, 2\.weight, 2\.bias, got none called '2\.bias'\.",
    ),
    "a key too many": (
        lambda given: given | {"3.weight": given["2.bias"]},
        ArgumentError,
        r"got '3\.weight' too\. Each key",
    ),
    "names of attributes": (
        lambda given: {key.replace("0", "fc1"): value for key, value in given.items()},
        ArgumentError,
        r"none called '0\.weight', '0\.bias' but 'fc1\.weight', 'fc1\.bias'\. Each key",
    ),
    "a prefix": (
        lambda given: {f"net.{key}": value for key, value in given.items()},
        ArgumentError,
        r"Write \{key\.removeprefix\('net\.'\)",
    ),
    "the layout of nnlite": (
        lambda given: given | {"2.weight": given["2.weight"].T},
        ShapeError,
        r"\['2\.weight'\]\): expected shape \(2, 3\), got shape \(3, 2\)\. It is of layer 2 Dense\(3, 2\)",
    ),
    "float64": (
        lambda given: given | {"2.bias": given["2.bias"].astype(np.float64)},
        ArgumentTypeError,
        r"\['2\.bias'\]\): .*float32 holds without loss, got dtype float64\. Cast",
    ),
    "text": (
        lambda given: given | {"2.bias": np.array(["a", "b"])},
        ArgumentTypeError,
        r"\['2\.bias'\]\): expected an array of numbers",
    ),
}


@pytest.mark.parametrize("case", BAD_STATE_DICTS)
def test_state_dicts_that_do_not_fit_change_nothing(case):
    change, error, message = BAD_STATE_DICTS[case]
    model = nn.Sequential([layers.Dense(4, 3), layers.ReLU(), layers.Dense(3, 2)], rng=0)
    before = model.params.values.copy()
    good = {key: value + 1 for key, value in to_torch_state_dict(model, as_numpy=True).items()}
    refused(error, message, from_torch_state_dict, model, change(good))
    assert (model.params.values == before).all()


BAD_LISTS = {
    "a model": (
        lambda given: a_thing_with("get_weights"),
        ArgumentTypeError,
        r"a list of arrays, got Net\. Write model\.get_weights\(\)\.",
    ),
    "an array": (lambda given: given[0], ArgumentTypeError, "a list of arrays, got ndarray"),
    "too few": (
        lambda given: given[:-1],
        ShapeError,
        r"4 arrays, of shapes \[\(4, 3\), \(3,\), \(3, 2\), \(2,\)\], got 3, of shapes \[\(4, 3\)",
    ),
    "lists, too few": (
        lambda given: [[[1], [2, 3]], given[1], 4],
        ShapeError,
        r"got 3, of shapes \['list', \(3,\), 'int'\]",
    ),
    "a wrong shape": (
        lambda given: [*given[:2], given[2].T, given[3]],
        ShapeError,
        r"weights\[2\]\): expected shape \(3, 2\), got shape \(2, 3\)\. It is of layer 2",
    ),
    "float64": (
        lambda given: [given[0].astype(np.float64), *given[1:]],
        ArgumentTypeError,
        r"weights\[0\]\): .*got dtype float64",
    ),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_lists_that_do_not_fit_change_nothing(case):
    change, error, message = BAD_LISTS[case]
    model = nn.Sequential([layers.Dense(4, 3), layers.ReLU(), layers.Dense(3, 2)], rng=0)
    before = model.params.values.copy()
    good = [weight + 1 for weight in to_keras_weights(model)]
    refused(error, message, from_keras_weights, model, change(good))
    assert (model.params.values == before).all()


def test_narrower_numbers_are_taken(torch):
    model = nn.Sequential([layers.Dense(2, 1)], rng=0, dtype=np.float64)
    theirs = torch.nn.Linear(2, 1)  # float32, and its tensors ask for gradients
    from_torch_state_dict(model, {f"0.{name}": value for name, value in theirs.named_parameters()})
    assert (model[0].W == theirs.weight.detach().numpy().T).all()


def test_without_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    model = nn.Sequential([layers.Dense(2, 1)], rng=0)
    with pytest.raises(ModuleNotFoundError, match=r"expected torch to be installed.* write as_numpy=True"):
        to_torch_state_dict(model)
    assert isinstance(to_torch_state_dict(model, as_numpy=True)["0.bias"], np.ndarray)


def test_an_optimizer_goes_on_with_the_new_weights(rng):
    """The weights are written into the buffers that everything else looks at."""
    model = nn.Sequential([layers.Dense(2, 1)], rng=0)
    values = model.params.values
    from_keras_weights(model, [np.full((2, 1), 3, np.float32), np.array([4], np.float32)])
    assert model.params.values is values
    assert values.tolist() == [3, 3, 4]


def answer(theirs, x):
    y = theirs(x)
    return y.detach().cpu().numpy() if hasattr(y, "detach") else np.asarray(y)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, upon PyTorch
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (3, 2, 4)], ids=str)
def test_slopes_of_sequences_and_images_in_keras(shape, shared, keras, rng):
    """Keras has one for each number of a sample, unless it is told which axes share theirs."""
    layer = nn.PReLU(4, ndim=len(shape), shared=shared)
    model = nn.Sequential([nn.Input(shape), layer])
    layer.slope[...] = rng.normal(size=layer.slope.shape)
    k = keras.layers
    theirs = keras.Sequential([keras.Input(shape), eval(table.twin(layer, "keras"), {"k": k})])
    theirs.set_weights(to_keras_weights(model))
    x = rng.normal(size=(6, *shape)).astype(np.float32)
    assert_same(answer(theirs, x), model.predict(x))
    layer.slope[...] = 0
    from_keras_weights(model, theirs.get_weights())
    assert_same(answer(theirs, x), model.predict(x))


def test_a_torch_net_without_anything_in_the_place_of_input(rng):
    """Its keys are one lower; batches that it counts are passed over there too."""
    layers = [nn.Input((8, 8, 1)), nn.Conv2D(1, 2, 3), nn.BatchNorm(2, ndim=3), nn.Flatten((6, 6, 2))]
    model, other = (nn.Sequential([*copy.deepcopy(layers), nn.Dense(72, 3)], rng=seed) for seed in (0, 1))
    whole = to_torch_state_dict(model, as_numpy=True)
    lower = {f"{int(key[0]) - 1}{key[1:]}": array for key, array in whole.items()}
    assert "0.weight" in lower
    assert "3.bias" in lower
    from_torch_state_dict(other, lower | {"1.num_batches_tracked": np.array(3)})
    np.testing.assert_array_equal(other.params.values, model.params.values)
    with pytest.raises(ShapeError, match=r"state_dict\['3.bias'\].*layer 4 Dense"):
        from_torch_state_dict(other, lower | {"3.bias": np.zeros(4, np.float32)})
    with pytest.raises(ArgumentError, match="none called '"):
        from_torch_state_dict(other, lower | {"9.bias": lower["3.bias"]})
