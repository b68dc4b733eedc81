"""NN216: layers over time that do not agree about padding, found by what padding does to their answers."""

import math

import numpy as np
import pytest

import nnlite as nn
from nnlite.inspect.checkup.admission import admit
from nnlite.inspect.checkup.diagnosis import Finding
from nnlite.inspect.checkup.examination import BEGINNING
from nnlite.inspect.checkup.sequences import padding

TIME, WIDTH = 12, 8


def sentences(*, pad=True):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, TIME + 1, 200) if pad else np.full(200, TIME)
    rows = [rng.integers(1, 9, length) for length in lengths]
    return nn.pad_sequences(rows), np.array([[float(row[-1] > 4)] for row in rows])


def numbers(value=0.0):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(rng.integers(3, TIME + 1), WIDTH)) for _ in range(200)]
    return nn.pad_sequences(rows, value=value), np.array([[float(row.sum() > 0)] for row in rows])


def found(layers, data, *, shape):
    layers, behind = [nn.Input(shape), *layers], shape
    for layer in layers:
        behind = layer.shape_after(behind)
    flat = [nn.Flatten(behind)] if len(behind) > 1 else []
    model = nn.Sequential([*layers, *flat, nn.Dense(math.prod(behind), 1)], rng=0)
    given = {"weight": None, "class_weight": None, "validation": None, "trained": None, "asked": {}}
    patient, refused = admit(model, *data, nn.BinaryCrossEntropy(), nn.Adam(0.01), **given)
    assert not refused
    return list(padding(patient))


def tokens(*layers, empty=0, pad=True):
    return found([nn.TokenEmbedding(9, WIDTH, padding=empty), *layers], sentences(pad=pad), shape=(TIME,))


def gru(**options):
    return nn.GRU(WIDTH, WIDTH, **options)


def each(*layers, **options):
    return nn.TimeDistributed(list(layers), **options)


@pytest.mark.parametrize(
    ("layers", "place", "words", "fix"),
    [
        (lambda: [gru()], "2", "takes the padding", "Write GRU(..., padding=0.0)."),
        (lambda: [nn.SelfAttention(8)], "2", "takes the padding", "Write SelfAttention(..., padding=0.0)."),
        (lambda: [nn.GlobalAveragePool(1)], "2", "takes", "Write GlobalAveragePool(..., padding=0.0)."),
        (lambda: [nn.GlobalMaxPool(1)], "2", "takes", "GlobalMaxPool knows of no padding"),
        (lambda: [nn.Conv1D(8, 8, 3)], "2", "takes", "Conv1D knows of no padding"),
        (
            lambda: [gru(sequences=True, padding=0.0), gru(direction="both")],
            "3",
            "takes",
            "Write GRU(..., padding=0.0).",
        ),
        (
            lambda: [nn.Conv1D(8, 8, 3, padding="causal"), gru(padding=0.0)],
            "3",
            "layer 2 Conv1D(8, 8, 3, padding='causal') has made other numbers of it",
            "Conv1D knows of no padding",
        ),
        (
            lambda: [gru(sequences=True), gru(padding=0.0)],
            "3",
            "layer 2 GRU(8, 8, sequences=True) has made other numbers of it",
            "Write GRU(..., padding=0.0).",
        ),
        (
            lambda: [nn.LayerNorm(8, ndim=2), gru(padding=0.0)],
            "3",
            "layer 2 LayerNorm(8, ndim=2) has made other numbers of it",
            "Put LayerNorm into TimeDistributed([...], padding=0.0)",
        ),
        (
            lambda: [nn.BatchNorm(8, ndim=2), gru(padding=0.0)],
            "3",
            "layer 2 BatchNorm",
            "Put BatchNorm into TimeDistributed([...], padding=0.0)",
        ),
        (
            lambda: [gru(sequences=True, padding=0.0), nn.Sigmoid(), gru(padding=0.0)],
            "4",
            "layer 3 Sigmoid() has made other numbers of it",
            "Put Sigmoid into TimeDistributed([...], padding=0.0)",
        ),
        (
            lambda: [each(nn.Dense(8, 8), nn.Tanh()), gru(padding=0.0)],
            "3",
            "layer 2 TimeDistributed([Dense(8, 8), Tanh()]) has made other numbers of it",
            "Write TimeDistributed(..., padding=0.0).",
        ),
        (
            lambda: [gru(padding=-1.0)],
            "2",
            "looks for padding of -1, and 100% of the padding is none there: it consists of 0",
            "Write GRU(..., padding=0.0).",
        ),
        (
            lambda: [nn.Residual([nn.SelfAttention(8)]), nn.Flatten((TIME, WIDTH))],
            "2.0",
            "takes",
            "Write SelfAttention(..., padding=0.0).",
        ),
        (
            lambda: [nn.Concatenate([gru(padding=0.0), nn.Sequential([nn.Tanh(), gru()])])],
            "2.1.1",
            "takes",
            "Write GRU(..., padding=0.0).",
        ),
    ],
)
def test_the_first_layer_that_disagrees_is_named(layers, place, words, fix):
    (one,) = tokens(*layers())
    assert isinstance(one, Finding)
    assert one.severity == "warning"
    assert one.evidence["layer"] == place
    assert one.message.startswith(f"layer {place} ")
    assert words in one.message
    assert fix in one.fix
    assert 0.2 < one.evidence["padded"] < 0.5


def test_an_embedding_that_does_not_know_what_fills_up():
    (one,) = tokens(gru(padding=0.0), empty=None)
    assert "layer 1 TokenEmbedding(9, 8) has made other numbers of it" in one.message
    assert one.fix == "Write TokenEmbedding(..., padding=0), with the id that fills up."


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [gru(padding=0.0)],
        lambda: [gru(sequences=True, padding=0.0, direction="both"), nn.LSTM(16, 8, padding=0.0)],
        lambda: [nn.GlobalAveragePool(1, padding=0.0)],
        lambda: [
            nn.PositionEmbedding(TIME, WIDTH, padding=0.0),
            nn.Residual([nn.SelfAttention(WIDTH, 2, padding=0.0)]),
            each(nn.LayerNorm(WIDTH), nn.Dense(WIDTH, WIDTH), nn.ReLU(), padding=0.0),
            nn.GlobalAveragePool(1, padding=0.0),
        ],
        lambda: [nn.Tanh(), nn.Dropout(0.5), gru(padding=0.0)],
        # Of a step nothing behind it is seen, and what comes out at padding nobody looks at.
        lambda: [nn.SelfAttention(WIDTH, causal=True)],
        lambda: [nn.Flatten((TIME, WIDTH))],
        lambda: [nn.Concatenate([gru(padding=0.0), nn.GlobalAveragePool(1, padding=0.0)])],
        lambda: [each(nn.Dense(WIDTH, WIDTH))],
    ],
)
def test_nothing_where_they_agree(layers):
    assert tokens(*layers()) == []


def test_nothing_without_padding():
    assert tokens(gru(), pad=False) == []
    assert found([gru()], numbers(), shape=(TIME, WIDTH)) == []  # nobody said that 0 fills up
    assert padding in BEGINNING.values()
    assert found([nn.Dense(WIDTH, 1)], (np.zeros((5, WIDTH)), np.eye(5)[:, :1]), shape=(WIDTH,)) == []


def test_numbers_filled_up_with_another_one():
    shape = (TIME, WIDTH)
    first, second = gru(padding=-1.0, sequences=True), gru(padding=-1.0)
    assert found([again(first), again(second)], numbers(-1.0), shape=shape) == []
    (one,) = found([nn.Tanh(), again(first), again(second)], numbers(-1.0), shape=shape)
    assert "layer 1 Tanh() has made other numbers of it" in one.message
    (one,) = found([nn.Residual([first]), second], numbers(-1.0), shape=shape)
    assert "layer 1 Residual" in one.message  # whose sum is -2


def test_what_is_found_is_what_padding_does():
    """Of a net that is named, more padding changes what it says; of one that is not, it does not."""
    X, _ = sentences()
    longer = np.pad(X, ((0, 0), (0, 5)))
    for layers, same in (([gru()], False), ([gru(padding=0.0)], True)):
        net = [nn.TokenEmbedding(9, WIDTH, padding=0), *layers, nn.Dense(WIDTH, 1)]
        short = nn.Sequential([nn.Input((TIME,)), *net], rng=0)
        wide = nn.Sequential([nn.Input((TIME + 5,)), *(copy for copy in map(again, net))], rng=0)
        wide.params.values[...] = short.params.values
        assert np.allclose(short.predict(X), wide.predict(longer), atol=1e-6) == same


def again(layer):
    return type(layer)(**layer.config())


def test_layers_of_ones_own_and_nets_without_time():
    class Shift(nn.Layer):
        """Mixes steps, and nobody has listed it."""

        def forward(self, x, ctx=None):
            return x + np.roll(x, -1, axis=-2)

        def backward(self, dy, ctx):
            return dy + np.roll(dy, 1, axis=-2)

    (one,) = tokens(Shift(), gru(padding=0.0))
    assert one.evidence["layer"] == "2"
    assert "Shift knows of no padding" in one.fix
    X = np.random.default_rng(0).normal(size=(20, 5, 5, 2))
    assert found([nn.Conv2D(2, 3, 3), nn.GlobalAveragePool()], (X, np.ones((20, 1))), shape=(5, 5, 2)) == []
