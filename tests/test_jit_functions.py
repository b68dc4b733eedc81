"""Exponential, tanh and their relatives of the compiled loops, against what is true."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from nnlite.jit import functions
from nnlite.jit.native import flush, loops, unflush

pytestmark = pytest.mark.nonfinite

#: The truth, in numbers of twice the digits.
TRUE = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "softplus": lambda v: np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v))),
    "log1p": np.log1p,
}
#: Units in the last place. Sigmoid and softplus round three times.
BOUNDS = {"exp": 2, "expm1": 2, "tanh": 2, "sigmoid": 3, "softplus": 2, "log1p": 2}
#: Every so-manieth of all numbers of float32; a prime, so that all last bits come along.
STEP = 4099


def _loop(function, *, flushed=False):
    if flushed:

        @loops
        def each(x, y):
            before = flush()
            for i in range(x.size):
                y[i] = function(x[i])
            unflush(before)
    else:

        @loops
        def each(x, y):
            for i in range(x.size):
                y[i] = function(x[i])

    return each


LOOPS = {name: _loop(getattr(functions, name)) for name in TRUE}


def computed(name, x):
    y = np.empty_like(x)
    LOOPS[name](x, y)
    return y


def wider(dtype):
    wide = np.float64 if dtype == np.float32 else np.longdouble
    if np.finfo(wide).nmant < np.finfo(dtype).nmant + 8:
        pytest.skip("no wider floats on this machine")
    return wide


def units(y, true, dtype):
    """Return how far y is from the truth, in units of its last place."""
    kind = np.finfo(dtype)
    power = np.maximum(np.frexp(np.abs(true))[1] - 1, kind.minexp)
    return np.abs(y.astype(true.dtype) - true) / np.ldexp(true.dtype.type(1), power - kind.nmant)


def check(name, x):
    """Check all results, of numbers of which none is NaN."""
    dtype, kind = x.dtype, np.finfo(x.dtype)
    if name == "log1p":
        x = x[x > -1]
    y, true = computed(name, x), TRUE[name](x.astype(wider(dtype)))
    assert not np.isnan(y).any()
    normal = (np.abs(true) >= kind.tiny) & (np.abs(true) <= kind.max)
    found = units(y[normal], true[normal], dtype)
    assert found.max(initial=0) <= BOUNDS[name], (name, x[normal][found.argmax()], found.max())
    # Beyond the largest number lies infinity, but for what is rounded to the largest.
    beyond = np.abs(true) > kind.max * (1 + 2.0 ** -(kind.nmant + 1))
    np.testing.assert_array_equal(y[beyond], np.sign(true[beyond]) * np.inf)
    # Nearer to 0 than floats hold in full: as exact as such numbers are, or 0.
    near = np.abs(true) < kind.tiny
    off = np.abs(y[near].astype(true.dtype) - true[near])
    assert (np.minimum(off, np.abs(y[near])) <= 2 * kind.smallest_subnormal).all()


def floats(step, start=0):
    """Return every so-manieth number of float32, by its bits; the finite ones."""
    x = np.arange(start, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", TRUE)
def test_a_grid_of_all_numbers_of_float32(name):
    check(name, floats(STEP))


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["exp", "tanh", "expm1", "sigmoid", "softplus"])
def test_many_more_numbers_of_float32(name):
    for start in range(0, 1024, 64):
        check(name, floats(1024, start))


@pytest.mark.parametrize("name", TRUE)
def test_dense_grids_of_float64(name):
    rng = np.random.default_rng(0)
    size = 100_000
    check(
        name,
        np.concatenate(
            [
                np.linspace(-750, 750, size),
                np.linspace(-1, 1, size),
                rng.uniform(-40, 40, size),
                rng.choice([-1, 1], size) * 10.0 ** rng.uniform(-308, 2.9, size),
            ]
        ),
    )


#: What is true at the edges: of 0, -0, infinity and minus infinity.
EDGES = {
    "exp": (1, 1, np.inf, 0),
    "expm1": (0, -0.0, np.inf, -1),
    "tanh": (0, -0.0, 1, -1),
    "sigmoid": (0.5, 0.5, 1, 0),
    "softplus": (np.log(2), np.log(2), np.inf, 0),
    "log1p": (0, -0.0, np.inf, np.nan),
}


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges(name, dtype):
    y = computed(name, np.array([0, -0.0, np.inf, -np.inf, np.nan], dtype))
    expected = np.array([*EDGES[name], np.nan], dtype)
    np.testing.assert_array_max_ulp(y, expected, maxulp=1)
    assert (y[:2][expected[:2] == 0] == 0).all()
    largest = np.finfo(dtype).max
    ends = np.array([largest, -largest] if name != "log1p" else [largest, largest], dtype)
    check(name, ends)


@pytest.mark.parametrize("name", ["expm1", "tanh", "log1p"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_next_to_0_stays_as_it_is(name, dtype):
    """Down to the smallest number there is: such a function is its argument there."""
    smallest, tiny = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).tiny
    x = np.array([smallest, 7 * smallest, tiny / 2, tiny, 3 * tiny], dtype)
    for side in (x, -x):
        np.testing.assert_array_equal(computed(name, side), side)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_under_flush_what_floats_do_not_hold_in_full_is_0(dtype):
    """Programs run under `flush`, where a processor can: what is below the smallest full number is 0."""
    each = _loop(functions.exp, flushed=True)
    tiny = np.finfo(dtype).tiny
    edge = np.log(tiny)
    x = np.array([edge + 0.5, edge - 0.5, edge - 5, -2000.0], dtype)
    y, full = np.empty_like(x), np.empty_like(x)
    each(x, y)
    assert y[0] >= tiny
    plain = computed("exp", x)  # not flushed: what was set is put back
    np.testing.assert_array_equal(plain[:1], y[:1])
    assert 0 < plain[1] < tiny
    assert (np.isin(y[1:], [0, *plain[1:]])).all()
    _loop(functions.tanh, flushed=True)(np.array([tiny / 4, -tiny / 4, tiny, 0], dtype), full)
    assert abs(full[0]) in {0, tiny / 4}
    assert full[2] == tiny


def test_the_loop_and_one_number_at_a_time_agree():
    """A compiler makes several at a time, and the rest of a list one by one: the bits must not tell."""
    x = np.random.default_rng(1).normal(0, 5, 67).astype(np.float32)
    for name in TRUE:
        together = computed(name, np.abs(x))
        alone = [computed(name, np.abs(x[i : i + 1]))[0] for i in range(len(x))]
        np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_highest_number_of_a_row(dtype):
    @loops
    def highest(x, found):
        for i in range(len(x)):
            found[i] = functions.highest(x[i])

    x = np.random.default_rng(0).normal(size=(50, 37)).astype(dtype)
    x[0], x[1], x[2, 3], x[3, 4], x[4] = -np.inf, -0.0, np.inf, -np.inf, -np.abs(x[4])
    found = np.zeros(50, dtype)
    highest(x, found)
    np.testing.assert_array_equal(found, x.max(axis=1))
    x[5, 6] = np.nan
    highest(x, found)
    assert np.isnan(found[5])
