"""Compiled loops come to the same bits again: for one seed, however an epoch is made, after a stop."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from compiled import assert_close, bits, train

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.jit.layers import dropout
from nnlite.jit.native import loops
from nnlite.jit.optimizers import Rates

ROWS = 70


def data(*, own=None):
    rng = np.random.default_rng(5)
    ahead = () if own is None else (own,)
    return rng.normal(size=(*ahead, ROWS, 3)), rng.normal(size=(*ahead, ROWS, 2))


def net(**options):
    """Make a net with everything in it that can be."""
    layers = [nn.Standardize(3), nn.Dense(3, 10), nn.BatchNorm(10), nn.Tanh(), nn.Dropout(0.3)]
    layers += [nn.Residual([nn.Dense(10, 10), nn.Dropout(0.2), nn.LayerNorm(10)]), nn.Dense(10, 2)]
    return nn.Sequential(layers, **{"rng": 0, **options})


def tiny(**options):
    return nn.Sequential([nn.Dense(3, 6), nn.Tanh(), nn.Dense(6, 2)], **{"rng": 0, **options})


#: A net of so many multiplications that threads share it.
LARGE = "large enough for threads"
KINDS = {
    "one net": lambda: (net(), {}),
    "float64": lambda: (net(dtype=np.float64), {"optimizer": nn.SGD(0.05, momentum=0.9, clip_norm=0.5)}),
    "weights": lambda: (net(), {"weight": np.linspace(0.5, 2, ROWS) ** 3}),
    "metrics and validation": lambda: (net(), {"metrics": [nn.r2], "validation": 0.2}),
    "in order": lambda: (net(), {"shuffle": False}),
    "larger than a small product": lambda: (
        nn.Sequential([nn.Dense(3, 96), nn.ReLU(), nn.Dense(96, 96), nn.Tanh(), nn.Dense(96, 2)], rng=0),
        {"batch_size": 14},
    ),
    LARGE: lambda: (
        nn.Sequential(
            [nn.Dense(3, 300), nn.ReLU(), nn.Dropout(0.2), nn.Dense(300, 100), nn.Dense(100, 2)], rng=0
        ),
        {"batch_size": 64, "optimizer": nn.Adam(0.01, clip_norm=0.1)},
    ),
    "replicas": lambda: (net(replicas=3), {}),
    "replicas with a seed for each": lambda: (net(replicas=3, rng=[1, 2, 3]), {"rng": [4, 5, 6]}),
    "replicas with data of their own": lambda: (net(replicas=3), {"data": data(own=3)}),
    "rates": lambda: (net(replicas=3), {"optimizer": nn.Adam([0.1, 0.01, 0.02])}),
    "tiny replicas": lambda: (tiny(replicas=20), {}),
    "tiny replicas with weights": lambda: (tiny(replicas=20), {"weight": np.linspace(0.1, 3, ROWS) ** 2}),
    "tiny replicas with rates": lambda: (
        tiny(replicas=20),
        {"optimizer": nn.AdamW(np.geomspace(0.1, 1e-3, 20))},
    ),
    "tiny replicas with a seed for each": lambda: (
        tiny(replicas=20, rng=range(20)),
        {"rng": range(20), "metrics": [nn.r2]},
    ),
    "tiny replicas of which some diverge": lambda: (
        tiny(replicas=40),
        {"optimizer": nn.SGD(np.geomspace(1e-3, 1e15, 40)), "validation": 0.2},
    ),
}
#: Nets that stand side by side in whole epochs, where sums go another way.
TINY = {kind for kind in KINDS if kind.startswith("tiny")}


def run(kind, **more):
    model, options = KINDS[kind]()
    X, y = options.pop("data", None) or data()
    given = {"optimizer": nn.Adam(0.01), "epochs": 3, "batch_size": 8, "rng": 3} | options | more
    return train(model, X, y, jit=True, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bits(kind):
    *found, history = run(kind)
    assert history.engine == "jit"
    assert bits(*found, history) == bits(*run(kind))
    seeds = {
        "replicas with a seed for each": range(7, 10),
        "tiny replicas with a seed for each": range(7, 27),
    }
    other = run(kind, rng=seeds.get(kind, 7))
    if kind != "in order":
        assert (other[0].params.values != found[0].params.values).any()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in TINY])
def test_a_step_at_a_time_gives_the_same_bits(kind):
    found = run(kind, by_step=True)
    assert found[2].engine == "jit by the step: Look looks at each batch"
    assert bits(*found) == bits(*run(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calls", [(1, 0.0), (3, 1e9)], ids=["one step a call", "more and more"])
def test_how_many_steps_there_are_in_a_call_changes_nothing(kind, calls, monkeypatch):
    expected = bits(*run(kind))
    monkeypatch.setattr("nnlite.jit.loop.FIRST", calls[0])
    monkeypatch.setattr("nnlite.jit.loop.CALL", calls[1])
    assert bits(*run(kind)) == expected


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != LARGE])
def test_any_number_of_threads(kind, monkeypatch):
    """Replicas are shared out, and a net is one thread's unless it is large."""
    found = []
    for threads in (1, 2, 3, 16):
        monkeypatch.setattr("nnlite.jit.steps.allowed", lambda threads=threads: threads)
        found.append(bits(*run(kind)))
    assert all(one == found[0] for one in found)


def test_a_large_net_is_close_on_another_number_of_threads(monkeypatch):
    """Each thread has some rows of a product, and a BLAS may add up in another order where those are few."""
    found = []
    for threads in (1, 2, 2, 3, 16, 16):  # more than the machine has, too
        monkeypatch.setattr("nnlite.jit.steps.allowed", lambda threads=threads: threads)
        found.append(run(LARGE, epochs=1))
    for one in found[1:]:
        assert_close(one[0].params.values, found[0][0].params.values, 1e-4)
    assert bits(*found[1]) == bits(*found[2])
    assert bits(*found[4]) == bits(*found[5])


@pytest.mark.parametrize("kind", ["one net", "metrics and validation", "replicas"])
def test_batches_of_a_stream_give_the_bits_of_the_arrays(kind):
    """The same batches: an array in order, cut by hand."""
    model, options = KINDS[kind]()
    options.pop("validation", None)
    X, y = data()
    parts = [(X[i : i + 8], y[i : i + 8]) for i in range(0, ROWS, 8)]
    given = {"optimizer": nn.Adam(0.01), "epochs": 2, "rng": 3, **options}
    stream = train(model, parts, None, jit=True, **given)
    assert stream[2].engine == "jit by the step: the data come batch by batch"
    assert bits(*stream) == bits(*train(model, X, y, jit=True, batch_size=8, shuffle=False, **given))


# Going on.


class Crash(nn.Checkpoint):
    """Ends a training as a crash would, behind an epoch or a batch, with the file written."""

    at = None

    def on_epoch_end(self, state):
        super().on_epoch_end(state)
        if (state.epoch, None) == self.at:
            raise KeyError("crash")

    def on_batch_end(self, state):
        super().on_batch_end(state)
        if (state.epoch, state.batch) == self.at:
            raise KeyError("crash")


def crash(path, at, kind, **more):
    """Train up to a crash."""
    checkpoint = Crash(path, every=1, unit="epochs" if at[1] is None else "steps")
    checkpoint.at = at
    with pytest.raises(KeyError, match="crash"):
        run(kind, callbacks=[checkpoint], **more)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"float64", LARGE}])
@pytest.mark.parametrize("at", [(3, None), (2, 5)], ids=["behind an epoch", "in one"])
def test_a_training_goes_on_to_the_same_bits(kind, at, tmp_path):
    path = tmp_path / "run.checkpoint"
    expected = bits(*run(kind, epochs=4, by_step=kind in TINY))
    for callbacks in ([], [nn.Checkpoint(path, unit="steps")]):
        crash(path, at, kind, epochs=4)
        found = run(kind, epochs=4, resume=path, callbacks=callbacks)
        if callbacks or kind not in TINY:  # or they go on side by side
            assert bits(*found) == expected
    assert found[2].engine == "jit by the step: Checkpoint looks at each batch"


class Seldom(nn.Checkpoint):
    """Writes behind every call of compiled code, and crashes at one."""

    _seldom = True

    def on_batch_end(self, state):
        self._write(state)
        if (state.epoch, state.batch) == (2, 5):
            raise KeyError("crash")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"float64", LARGE}])
def test_a_whole_epoch_goes_on_in_its_middle(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("nnlite.jit.loop.FIRST", 5)
    monkeypatch.setattr("nnlite.jit.loop.CALL", 0.0)
    path = tmp_path / "run.checkpoint"
    expected = bits(*run(kind, epochs=4))
    with pytest.raises(KeyError, match="crash"):
        run(kind, epochs=4, callbacks=[Seldom(path)])
    found = run(kind, epochs=4, resume=path)
    assert found[2].engine == "jit"
    assert bits(*found) == expected


@pytest.mark.parametrize("then", [True, False])
def test_a_checkpoint_of_the_other_engine_is_refused(then, tmp_path):
    path = tmp_path / "run.checkpoint"
    model, (X, y) = tiny(), data()
    given = {"optimizer": nn.Adam(0.01), "rng": 3}
    train(model, X, y, jit=then, callbacks=[nn.Checkpoint(path)], **given)
    before = model.params.numbers.copy()
    with pytest.raises(ArgumentError, match=f"the same jit .*, {then}, got {not then}"):
        model.fit(X, y, loss=nn.MeanSquaredError(), epochs=2, jit=not then, resume=path, **given)
    np.testing.assert_array_equal(model.params.numbers, before)


# Noise.


@loops
def _block(c0, c1, key, found):
    found[0], found[1], found[2], found[3] = dropout.philox(c0, c1, key)


def block(c0, c1, key):
    found = np.zeros(4, np.uint32)
    _block(np.int64(c0), np.int64(c1), np.uint64(key).astype(np.int64), found)
    return [f"{word:08x}" for word in found.tolist()]


def philox(counter, key):
    """Compute a block of Philox4x32-10, as its paper writes it down."""
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(10):
        one, two = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = two >> 32 ^ b ^ k0, two % 2**32, one >> 32 ^ d ^ k1, one % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [f"{word:08x}" for word in (a, b, c, d)]


def test_philox_gives_the_published_numbers():
    """Those of Random123's kat_vectors: by ours where its counter allows, by the formula for all."""
    ones = 0xFFFFFFFF
    assert philox((0,) * 4, (0, 0)) == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    assert philox((ones,) * 4, (ones, ones)) == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]
    assert philox(
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    ) == ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"]  # fmt: skip
    assert block(0, 0, 0) == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    rng = np.random.default_rng(0)
    for c0, c1, k0, k1 in rng.integers(0, 2**32, (50, 4)).tolist():
        assert block(c0, c1, k1 << 32 | k0) == philox((c0, c1, 0, 0), (k0, k1))


class Masks(nn.Callback):
    """Keep what a net that only drops has let through: the gradient of ones behind it."""

    def __init__(self):
        self.seen = []

    def on_grad_computed(self, state):
        self.seen.append(state.model.params.grads.copy())


def masks(rate, *, jit, seed=3, width=500, epochs=40, replicas=None):
    """Return what gets through in each of some steps, of a row of ones."""
    layers = [nn.Dense(1, width, bias=False), nn.Dropout(rate), nn.Dense(width, 1)]
    model = nn.Sequential(layers, rng=0, replicas=replicas)
    model.params.values[...] = 1
    model.params.frozen = {"2.W", "2.b"}
    keep = Masks()
    X, y = np.ones((1, 1)), np.full((1, 1), 1e4)
    model.fit(
        X, y, loss=nn.MeanAbsoluteError(), optimizer=nn.SGD(1e-30), epochs=epochs, rng=seed, jit=jit,
        callbacks=[keep],
    )  # fmt: skip
    return -np.stack(keep.seen)[..., :width]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_noise_has_the_distribution_of_numpy(rate):
    for jit in (True, False):
        seen = masks(rate, jit=jit)
        assert set(np.unique(seen)) == {0, np.float32(1 / (1 - rate))}
        kept = seen > 0
        deviation = np.sqrt(rate * (1 - rate))
        # 20,000 coins in all: four standard deviations, also of neighbours and of one place in two steps.
        assert abs(kept.mean() - (1 - rate)) < 4 * deviation / np.sqrt(kept.size)
        centred = (kept - (1 - rate)) / deviation
        for one, other in ((centred[:, 1:], centred[:, :-1]), (centred[1:], centred[:-1])):
            assert abs((one * other).mean()) < 4 / np.sqrt(one.size)
        # Rows of one step are as even as coins are: chi-squared over steps.
        squares = ((kept.sum(axis=1) - 500 * (1 - rate)) ** 2 / (500 * deviation**2)).sum()
        assert abs(squares - len(kept)) < 4 * np.sqrt(2 * len(kept))


def test_noise_is_the_same_for_one_seed_and_another_for_others():
    one, again, other = (masks(0.5, jit=True, seed=seed, epochs=3) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert 0.3 < (one != other).mean() < 0.7
    assert 0.3 < (one[0] != one[1]).mean() < 0.7


@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("rates", [(), (0.3,)], ids=["no noise else", "noise of another layer"])
def test_a_rate_of_0_makes_no_noise(rates, replicas, by_step):
    """Nor is anything drawn, on which the order of the next epoch depends."""
    X, y = data()
    found = []
    for nothing in ((), (0.0,)):

        def silent(rates=nothing):
            return map(nn.Dropout, rates)

        inside = nn.Residual([*silent(), nn.Dense(8, 8), *silent()])
        layers = [*silent(), nn.Dense(3, 8), *silent(), inside, *map(nn.Dropout, rates), nn.Dense(8, 2)]
        model = nn.Sequential([*layers, *silent()], rng=0, replicas=replicas)
        model.params.values[...] = np.random.default_rng(1).normal(0, 0.3, model.params.values.shape)
        given = {"optimizer": nn.SGD(0.01), "epochs": 3, "batch_size": 8, "by_step": by_step}
        trained, _, history = train(model, X, y, jit=True, **given)
        found.append((trained.params.numbers.tobytes(), [row["loss"] for row in history.rows]))
    assert found[0] == found[1]


def test_replicas_and_layers_have_noise_of_their_own():
    seen = masks(0.5, jit=True, replicas=3, epochs=2)
    for a in range(3):
        for b in range(a):
            assert 0.3 < (seen[:, a] != seen[:, b]).mean() < 0.7
    X, y = data()
    layers = [nn.Dense(3, 400), nn.Dropout(0.5), nn.Dropout(0.5), nn.Dense(400, 2)]
    model, _, _ = train(
        nn.Sequential(layers, rng=0), X[:1], y[:1], jit=True, optimizer=nn.SGD(0.1), by_step=True
    )
    passed = (model.params.grad("3.W") != 0).all(axis=1).mean()
    assert abs(passed - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 400)


@pytest.mark.parametrize("beta2", [0.999, 0.99, 0.95])
def test_the_rates_of_a_step_do_not_tell_how_many_were_written_with_it(beta2):
    optimizer = nn.Adam(0.01, beta2=beta2)
    together, alone = (Rates(optimizer, None, 1000) for _ in range(2))
    together.write(0, 1000, 0)
    for place in range(1000):
        alone.write(place, place + 1, place)
    for name in ("rate", "move", "scale"):
        assert (getattr(together, name) == getattr(alone, name)).all()
