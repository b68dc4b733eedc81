"""Buffers on huge pages: zeros like any others. Vectors of ones: as few as are of use."""

import copy
import pickle

import numpy as np
import pytest

from nnlite import Dense, Sequential
from nnlite.memory import HUGE_PAGE, zeros
from nnlite.reductions import MOST_KEPT, _ones, sum_over_batch


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0,), (7,), (3, 5), (300_001,), (2, 400_001), (3_000_000,)])
def test_it_is_an_array_of_zeros(shape, dtype):
    found = zeros(shape, np.dtype(dtype))
    assert found.shape == shape
    assert found.dtype == dtype
    assert not found.any()
    assert found.flags.c_contiguous
    assert found.flags.aligned
    assert found.flags.writeable


def test_large_ones_begin_where_a_huge_page_does():
    for count in (HUGE_PAGE // 8 + 1, 10**6):
        found = zeros((count,), np.dtype(np.float32))
        assert found.ctypes.data % HUGE_PAGE == 0


def test_no_more_is_copied_than_the_numbers():
    model = Sequential([Dense(600, 600)], rng=0)
    values = model.params.values
    assert values.ctypes.data % HUGE_PAGE == 0
    assert len(pickle.dumps(values)) < values.nbytes + 1000
    twin = copy.deepcopy(values)
    assert twin.base is None
    assert np.array_equal(twin, values)


def test_what_no_memory_holds_is_still_refused():
    with pytest.raises((MemoryError, ValueError)):
        zeros((2**62,), np.dtype(np.float64))


def test_long_vectors_of_ones_are_not_kept():
    for rows in (*range(100), 10**5, 10**6, 10**6 + 1):
        x = np.ones((rows, 2), np.float32)
        out = np.empty(2, np.float32)
        sum_over_batch(x, out)
        assert out.tolist() == [rows, rows]
    kept = list(_ones.values())
    assert sum(ones.nbytes for ones in kept) <= 2**23
    assert 0 < len(kept) <= MOST_KEPT
    assert not any(ones.flags.writeable for ones in kept)
