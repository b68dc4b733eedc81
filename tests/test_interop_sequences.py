"""Weights of layers over time to and from PyTorch and Keras: nets of both say the same."""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ShapeError
from nnlite.exchange.table import twin
from nnlite.interop import from_keras_weights, from_torch_state_dict, to_keras_weights, to_torch_state_dict

KINDS = (nn.SimpleRNN, nn.GRU, nn.LSTM)
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@pytest.fixture(scope="module")  # before the fixtures of a test: its import draws random numbers
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("keras")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def net(layer, *shape, seed=0):
    """Make a net of one layer, with numbers that are all different."""
    model = nn.Sequential([nn.Input(shape), layer], rng=0)
    model.params.values[...] = np.random.default_rng(seed).normal(scale=0.5, size=model.params.size)
    return model


def assert_same(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-6)


def in_torch(torch, kind, **options):
    """Make PyTorch's layer, whose output is that of all steps, and the state besides."""
    names = {nn.SimpleRNN: "RNN", nn.GRU: "GRU", nn.LSTM: "LSTM"}

    class Only(getattr(torch.nn, names[kind])):
        def forward(self, x):
            return super().forward(x)[0]

    return torch.nn.Sequential(torch.nn.Identity(), Only(3, 4, batch_first=True, **options))


@pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
@each_kind
def test_recurrent_weights_in_torch(kind, both, torch, rng):
    options = {"sequences": True, "direction": "both" if both else "forward"}
    model, theirs = net(kind(3, 4, **options), 6, 3), in_torch(torch, kind, bidirectional=both)
    theirs.load_state_dict(to_torch_state_dict(model))
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    with torch.no_grad():
        assert_same(theirs(torch.from_numpy(x)), model.predict(x))
    torch.manual_seed(1)
    other = in_torch(torch, kind, bidirectional=both)
    from_torch_state_dict(model, other.state_dict())
    with torch.no_grad():
        assert_same(model.predict(x), other(torch.from_numpy(x)))


def test_a_recurrent_layer_backwards_has_the_weights_of_one_forwards(torch, rng):
    model, theirs = net(nn.GRU(3, 4, direction="backward", sequences=True), 6, 3), in_torch(torch, nn.GRU)
    theirs.load_state_dict(to_torch_state_dict(model))
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    with torch.no_grad():
        assert_same(theirs(torch.from_numpy(x[:, ::-1].copy())).flip(1), model.predict(x))


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_weights_in_torch(heads, torch, rng):
    class Itself(torch.nn.MultiheadAttention):
        def forward(self, x):
            return super().forward(x, x, x, need_weights=False)[0]

    model = net(nn.SelfAttention(4, heads), 6, 4)
    theirs = torch.nn.Sequential(torch.nn.Identity(), Itself(4, heads, batch_first=True))
    theirs.load_state_dict(to_torch_state_dict(model))
    x = rng.normal(size=(5, 6, 4)).astype(np.float32)
    with torch.no_grad():
        assert_same(theirs(torch.from_numpy(x)), model.predict(x))
    back = net(nn.SelfAttention(4, heads), 6, 4, seed=1)
    from_torch_state_dict(back, theirs.state_dict())
    np.testing.assert_array_equal(back.params.values, model.params.values)


@pytest.mark.parametrize("padding", [None, 2])
def test_token_weights_in_torch(padding, torch, rng):
    model = net(nn.TokenEmbedding(5, 3, padding=padding), 6)
    theirs = eval(twin(model[1], "torch"), {"t": torch.nn})
    theirs = torch.nn.Sequential(torch.nn.Identity(), theirs)
    theirs.load_state_dict(to_torch_state_dict(model))
    ids = rng.integers(0, 5, (4, 6))
    with torch.no_grad():
        assert_same(theirs(torch.from_numpy(ids)), model.predict(ids))


KERAS = [
    kind(3, 4, sequences=sequences, direction=direction)
    for kind, sequences, direction in product(KINDS, (False, True), ("forward", "backward", "both"))
    if not (sequences and direction == "backward")
]


@pytest.mark.filterwarnings("ignore")  # what Keras warns of is its own affair
@pytest.mark.parametrize("layer", KERAS, ids=repr)
def test_recurrent_twins_in_keras(layer, keras, rng):
    model = net(type(layer)(3, 4, sequences=layer.sequences, direction=layer.direction), 6, 3)
    theirs = keras.Sequential([keras.Input((6, 3)), eval(twin(layer, "keras"), {"k": keras.layers})])
    theirs.set_weights(to_keras_weights(model))
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    assert_same(keras.ops.convert_to_numpy(theirs(x)), model.predict(x))
    back = net(type(layer)(3, 4, sequences=layer.sequences, direction=layer.direction), 6, 3, seed=1)
    from_keras_weights(back, theirs.get_weights())
    np.testing.assert_array_equal(back.params.values, model.params.values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("heads", [1, 2])
def test_attention_weights_in_keras(heads, keras, rng):
    model = net(nn.SelfAttention(4, heads), 6, 4)
    x = rng.normal(size=(5, 6, 4)).astype(np.float32)
    theirs = keras.layers.MultiHeadAttention(heads, 4 // heads)
    theirs.build(x.shape, x.shape)
    theirs.set_weights(to_keras_weights(model))
    assert_same(keras.ops.convert_to_numpy(theirs(x, x)), model.predict(x))
    back = net(nn.SelfAttention(4, heads), 6, 4, seed=1)
    from_keras_weights(back, theirs.get_weights())
    np.testing.assert_array_equal(back.params.values, model.params.values)


@pytest.mark.filterwarnings("ignore")
def test_token_twins_in_keras(keras, rng):
    model = net(nn.TokenEmbedding(5, 3), 6)
    theirs = keras.Sequential([keras.Input((6,)), eval(twin(model[1], "keras"), {"k": keras.layers})])
    theirs.set_weights(to_keras_weights(model))
    ids = rng.integers(0, 5, (4, 6))
    assert_same(keras.ops.convert_to_numpy(theirs(ids)), model.predict(ids))


def test_what_has_no_twin():
    for layer in (
        nn.GRU(3, 4, padding=0),
        nn.GRU(3, 4, sequences=True, direction="backward"),
        nn.SelfAttention(4),
        nn.PositionEmbedding(3, 4),
    ):
        assert twin(layer, "keras") is None
    assert twin(nn.GRU(3, 4), "torch") is None  # it gives two things


def test_weights_of_other_shapes_are_refused():
    model = net(nn.GRU(3, 4), 6, 3)
    state = to_torch_state_dict(model, as_numpy=True)
    wrong = state | {"1.weight_hh_l0": np.zeros((4, 12), np.float32)}
    with pytest.raises(ShapeError, match=r"shape \(12, 4\), got shape .* It is of layer 1 GRU\(3, 4\)"):
        from_torch_state_dict(model, wrong)
    del state["1.bias_hh_l0"]
    with pytest.raises(ArgumentError, match=r"none called .1\.bias_hh_l0"):
        from_torch_state_dict(model, state)
    with pytest.raises(ShapeError, match="expected 3 arrays"):
        from_keras_weights(model, to_keras_weights(model)[:2])


def test_a_subclass_keeps_its_own_numbers():
    class Scaled(nn.LSTM):
        gain = nn.Parameter()

        def __init__(self, in_features, units):
            super().__init__(in_features, units)
            self.declare("gain", (units,), decay=False)

    model = net(Scaled(3, 4), 6, 3)
    state = to_torch_state_dict(model, as_numpy=True)
    assert list(state) == [
        "1.weight_ih_l0", "1.weight_hh_l0", "1.bias_ih_l0", "1.bias_hh_l0", "1.gain"
    ]  # fmt: skip
    back = net(Scaled(3, 4), 6, 3, seed=1)
    from_torch_state_dict(back, state)
    np.testing.assert_array_equal(back.params.values, model.params.values)
    back = net(Scaled(3, 4), 6, 3, seed=1)
    from_keras_weights(back, to_keras_weights(model))
    np.testing.assert_array_equal(back.params.values, model.params.values)
