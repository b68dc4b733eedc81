"""Vectors of ones: as few are kept as are of use."""

import numpy as np

from nnlite.core.sums import MOST_KEPT, _ones, sum_over_batch


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
