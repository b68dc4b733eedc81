"""The flat buffers and their views."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlite.core.parameters import Parameters, ParameterSpec
from nnlite.errors import ArgumentError

SPECS = [
    ParameterSpec("0.W", (3, 4)),
    ParameterSpec("0.b", (4,), decay=False),
    ParameterSpec("1.W", (4, 2)),
    ParameterSpec("1.b", (2,), decay=False),
    ParameterSpec("2.slope", (), decay=False),
]


def test_weights_come_before_biases():
    params = Parameters(SPECS)
    assert list(params) == ["0.W", "1.W", "0.b", "1.b", "2.slope"]
    assert params.decayed == 12 + 8
    assert params.size == 27


@pytest.mark.parametrize("replicas", [None, 1, 3])
def test_views_are_the_buffers(replicas):
    params = Parameters(SPECS, replicas=replicas)
    for number, name in enumerate(params, start=1):
        params[name][...] = number
        params.grad(name)[...] = -number
    sizes = [spec.size for spec in params.specs]
    expected = np.repeat(np.arange(1, 6), sizes)
    np.testing.assert_array_equal(params.values, np.broadcast_to(expected, params.values.shape))
    np.testing.assert_array_equal(params.grads, np.broadcast_to(-expected, params.grads.shape))


def test_replica_views_have_a_batch_axis_where_vectors_broadcast():
    params = Parameters(SPECS, replicas=5)
    assert params["0.W"].shape == (5, 3, 4)
    assert params["0.b"].shape == (5, 1, 4)
    assert params["2.slope"].shape == (5, 1, 1)
    assert params.grad("0.b").shape == (5, 4)
    assert params.grad("2.slope").shape == (5,)


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_are_whole_and_apart(replicas, duplicate):
    params = Parameters(SPECS, replicas=replicas)
    params.values[...] = np.arange(params.values.size).reshape(params.values.shape)
    params.frozen = {"0.b"}
    other = duplicate(params)
    np.testing.assert_array_equal(other.values, params.values)
    assert other.frozen == {"0.b"}
    assert other.trainable_slices == params.trainable_slices
    for name in other:
        assert np.shares_memory(other[name], other.values)
        assert np.shares_memory(other.grad(name), other.grads)
        assert not np.shares_memory(other[name], params.values)
    other["0.W"][...] = -1
    assert (other.values[..., :12] == -1).all()
    assert (params.values[..., :12] != -1).all()


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_trainable_slices_are_the_trainable_values_in_as_few_runs_as_can_be(entries):
    specs = [ParameterSpec(f"{i}", (size,), decay=decay) for i, (size, decay, _) in enumerate(entries)]
    params = Parameters(specs)
    frozen = {f"{i}" for i, (_, _, is_frozen) in enumerate(entries) if is_frozen}
    params.frozen = frozen
    expected = np.concatenate([np.full(spec.size, spec.name not in frozen) for spec in params.specs])
    marked = np.zeros(params.size, bool)
    for run in params.trainable_slices:
        assert not marked[run].any()
        marked[run] = True
    np.testing.assert_array_equal(marked, expected)
    assert len(params.trainable_slices) == np.count_nonzero(np.diff(np.r_[False, expected]) & expected)


def test_split_serves_other_buffers():
    params = Parameters(SPECS)
    buffer = np.arange(7.0 * 27).reshape(7, 27)
    parts = params.split(buffer)
    assert parts["1.W"].shape == (7, 4, 2)
    np.testing.assert_array_equal(parts["1.W"].reshape(7, 8), buffer[:, 12:20])
    assert np.shares_memory(parts["2.slope"], buffer)


def test_names():
    params = Parameters(SPECS)
    assert "0.W" in params
    assert "0.w" not in params
    assert len(params) == 5
    with pytest.raises(ArgumentError, match=r"expected one of 0\.W.*got '0\.w'"):
        params["0.w"]
    with pytest.raises(ArgumentError, match="names that differ"):
        Parameters([ParameterSpec("a", (1,)), ParameterSpec("a", (2,))])
    with pytest.raises(ArgumentError, match="one of"):
        params.frozen = {"nothing"}
    assert params.frozen == frozenset()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("replicas", [None, 3])
def test_they_begin_where_a_line_of_the_cache_does(dtype, replicas):
    """Products with weights that lie elsewhere take up to twice as long."""
    params = [Parameters(SPECS, dtype=dtype, replicas=replicas) for _ in range(5)]
    params += [copy.deepcopy(params[0]), pickle.loads(pickle.dumps(params[0]))]
    for one in params:
        for array in (one.numbers, one.grads):
            assert array.ctypes.data % 64 == 0
            assert array.flags.c_contiguous
            assert not array.any()
