"""Rows that are no array in memory: sparse ones, those of a file, and blocks computed when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import with_checked_blocks
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arrays import unmasked
from nnlite.errors.checks import not_finite

__all__ = [
    "Blockwise",
    "DaskRows",
    "FileRows",
    "SparseRows",
    "as_csr",
    "check_finite_csr",
    "dask_blocks",
    "is_in_file",
    "join",
]

#: About how much of a file is read at a time where the order of the rows is free.
BLOCK_BYTES = 4 * 2**20
#: A block of more rows than this is a multiple of it. `Sequential.predict` then cuts rows as it cuts those of
#: an array in memory, and gives the same bits.
EVEN_ROWS = 512


def as_csr(where: str, x: Any, dtype: Any) -> Any:
    """Check a sparse matrix, and bring it into the one form in which rows are quick to take.

    Parameters
    ----------
    where : str
        Names it in the message.
    x : sparse matrix or array of SciPy
        The candidate.
    dtype : dtype or None
        What its numbers are cast to; None leaves them.

    Returns
    -------
    CSR matrix or array
        Of rows with sorted indices and no entry twice; `x` itself if it is that already.

    Raises
    ------
    ShapeError
        If it has another number of axes than two.
    ArgumentTypeError
        If it holds no real numbers.
    ArgumentError
        If its indices point outside it.

    Examples
    --------
    >>> import scipy.sparse
    >>> as_csr("here", scipy.sparse.coo_array([[0, 3], [0, 0]]), np.float32).data
    array([3.], dtype=float32)
    """
    if len(x.shape) != 2:
        raise ShapeError(where, "shape (batch, features)", f"{x.shape}", "Give a sparse matrix of two axes.")
    if np.dtype(x.dtype).kind not in "biuf":
        fix = "Write .astype(float) behind it."
        raise ArgumentTypeError(where, "a matrix of numbers", f"dtype {x.dtype}", fix)
    unmasked(where, getattr(x, "data", None))
    try:
        matrix = _checked_csr(x)
    except ValueError as error:
        raise ArgumentError(
            where,
            "a sparse matrix whose indices fit its shape",
            f"one of which SciPy says: {error}",
            "Build it anew, for instance with scipy.sparse.csr_array(dense).",
        ) from None
    if not matrix.has_canonical_format:
        # Before the cast: truth values that are there twice would become a two.
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix if dtype is None else matrix.astype(dtype, copy=False)


def _checked_csr(x: Any) -> Any:
    """Return a CSR matrix whose indices point into it; nothing asks again, and SciPy reads anywhere."""
    for axis, name in enumerate(("row", "col")):  # of a COO matrix, where `tocsr` writes to what they say
        numbers = getattr(x, name, None)
        if numbers is not None and len(numbers) and not 0 <= numbers.min() <= numbers.max() < x.shape[axis]:
            raise ValueError(f"{name} index exceeds matrix dimensions")
    if hasattr(x, "check_format"):
        x.check_format(full_check=True)
    matrix = x.tocsr()
    if matrix is not x:  # the rows of a LIL matrix are lists that nobody has checked
        matrix.check_format(full_check=True)
    return matrix


def check_finite_csr(where: str, matrix: Any) -> None:
    """Refuse NaN and infinity among the entries of a CSR matrix.

    Parameters
    ----------
    where : str
        Names it in the message.
    matrix : CSR matrix or array
        The candidate.

    Raises
    ------
    ArgumentError
        If an entry is not finite.

    Examples
    --------
    >>> import scipy.sparse
    >>> check_finite_csr("here", scipy.sparse.csr_array([[0.0, 3.0]]))
    """
    finite = np.isfinite(matrix.data)
    if finite.all():
        return
    at = int(finite.argmin())
    row = int(np.searchsorted(matrix.indptr, at, side="right")) - 1
    raise not_finite(where, matrix.data[at], (row, int(matrix.indices[at])))


class SparseRows:
    """The rows of a CSR matrix, taken as those of an array are.

    Parameters
    ----------
    matrix : CSR matrix or array of shape (rows, features)
        Checked.

    Attributes
    ----------
    matrix : CSR matrix or array
        What was given.
    shape : tuple of int
    ndim : int

    Examples
    --------
    >>> import scipy.sparse
    >>> rows = SparseRows(scipy.sparse.csr_array([[0.0, 3.0], [4.0, 0.0]]))
    >>> rows.take([1]).toarray()
    array([[4., 0.]])
    """

    ndim = 2

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        self.shape: tuple[int, ...] = matrix.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> Any:
        return self.matrix[part]

    def take(self, rows: AnyArray, axis: int = 0) -> Any:
        """Return some rows.

        Parameters
        ----------
        rows : ndarray of int
            Which.
        axis : int
            That of the rows, 0, as in the method of an array.

        Returns
        -------
        CSR matrix or array
        """
        return self.matrix[rows]

    def pick(self, rows: AnyArray) -> SparseRows:
        """Make the rows of a part.

        Parameters
        ----------
        rows : ndarray of int of shape (rows,)
            Which.

        Returns
        -------
        SparseRows
        """
        return SparseRows(self.matrix[rows])


class Blockwise:
    """Rows that are read a block at a time: iterating gives all of them, in order, checked and cast.

    Attributes
    ----------
    shape : tuple of int
        That of all rows together.
    """

    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__ is not written yet")


class FileRows(Blockwise):
    """The rows of an array that lies in a file; each is read when it is asked for, and then let go.

    Parameters
    ----------
    array : ndarray of shape (rows, ...)
        A view of the file, such as a `numpy.memmap`.
    convert : callable (ndarray, rows) -> ndarray
        Checks and casts what was read. `rows` says which rows these are, by a slice or by their numbers.
    index : ndarray of int, optional
        The rows that take part; all by default. With two axes, those of each replica.

    Examples
    --------
    >>> rows = FileRows(np.arange(4)[:, None], lambda block, rows: block * 0.5)
    >>> rows.take(np.array([3, 1]))
    array([[1.5],
           [0.5]])
    """

    def __init__(
        self, array: AnyArray, convert: Callable[[AnyArray, Any], Any], index: AnyArray | None = None
    ) -> None:
        self.array = np.asarray(array)
        self.convert = convert
        self.index = index
        self.shape = (*(self.array.shape[:1] if index is None else index.shape), *self.array.shape[1:])
        # Of an array in another order, or one that begins at an odd place in the file, `take` would copy
        # the whole file first.
        self._in_order = self.array.flags.c_contiguous and self.array.flags.aligned

    def __getitem__(self, key: Any) -> Any:
        if self.index is not None:
            return self._read(self.index[key])
        return self.convert(self.array[key], key)

    def take(self, rows: AnyArray, axis: int = 0) -> Any:
        """Read some rows.

        Parameters
        ----------
        rows : ndarray of int
            Which.
        axis : int
            That of the rows, 0, as in the method of an array.

        Returns
        -------
        ndarray of shape (*rows.shape, ...)
        """
        return self._read(rows if self.index is None else self.index[rows])

    def pick(self, rows: AnyArray) -> FileRows:
        """Make the rows of a part, which stay in the file.

        Parameters
        ----------
        rows : ndarray of int of shape (rows,) or (replicas, rows)
            Which.

        Returns
        -------
        FileRows

        Examples
        --------
        >>> rows = FileRows(np.arange(5) * 10, lambda block, rows: block)
        >>> rows.pick(np.array([4, 3, 2])).pick(np.array([0, 2]))[0:2]
        array([40, 20])
        """
        return FileRows(self.array, self.convert, rows if self.index is None else self.index[rows])

    def as_one_list(self) -> FileRows:
        """Put the rows of all replicas into one list.

        Returns
        -------
        FileRows
        """
        return self if self.index is None else FileRows(self.array, self.convert, self.index.reshape(-1))

    def _read(self, rows: AnyArray) -> Any:
        return self.convert(self.array.take(rows, 0) if self._in_order else self.array[rows], rows)

    def block_rows(self) -> int:
        """Return how many rows make a block.

        Returns
        -------
        int
        """
        row_bytes = self.array.nbytes // len(self.array)
        rows = BLOCK_BYTES // row_bytes
        return rows - rows % EVEN_ROWS if rows > EVEN_ROWS else max(rows, 1)

    def __iter__(self) -> Iterator[Any]:
        size = self.block_rows()
        for start in range(0, len(self), size):
            yield self[start : start + size]


class DaskRows(Blockwise):
    """The rows of a dask array, computed block by block.

    Parameters
    ----------
    where : str
        Names it in messages.
    array : dask array of shape (rows, ...)
        The data. Blocks that hold parts of rows are joined.
    convert : callable (array, block) -> array
        Checks and casts what was computed. `block` says which block it is.
    sizes : tuple of int, optional
        The rows that each block is to have; by default those that it has.

    Attributes
    ----------
    sizes : tuple of int
        Rows of each block.

    Raises
    ------
    ShapeError, ArgumentError
        If it has no rows, or their number is not known; when a block is computed, if it is not as
        its chunks say.
    """

    def __init__(
        self,
        where: str,
        array: Any,
        convert: Callable[[Any, int], Any],
        *,
        sizes: tuple[int, ...] | None = None,
    ) -> None:
        if not array.ndim:
            raise ShapeError(where, "rows", "a single number", "Write X.compute() to see what it is.")
        if any(np.isnan(size) for size in array.shape):
            raise ArgumentError(
                where,
                "blocks of a known number of rows",
                "a dask array of unknown length",
                "Call its compute_chunk_sizes() before.",
            )
        self.array = _in_whole_rows(with_checked_blocks(where, array))
        if sizes is not None:
            self.array = self.array.rechunk({0: sizes})
        self.convert = convert
        self.shape = self.array.shape
        self.sizes: tuple[int, ...] = self.array.chunks[0]

    def block(self, number: int) -> Any:
        """Compute a block.

        Parameters
        ----------
        number : int
            Which, from 0.

        Returns
        -------
        ndarray or CSR matrix
        """
        return self.convert(self.array.blocks[number].compute(), number)

    def __iter__(self) -> Iterator[Any]:
        for number, size in enumerate(self.sizes):
            if size:
                yield self.block(number)


def _in_whole_rows(array: Any) -> Any:
    """Join the blocks of a dask array that hold parts of rows."""
    return array.rechunk(dict.fromkeys(range(1, array.ndim), -1))


def dask_blocks(where: str, array: Any) -> Iterator[Any]:
    """Compute one block of a dask array after the other, also where nobody knows how many rows they have.

    Parameters
    ----------
    where : str
        Names it in messages.
    array : dask array of shape (rows, ...)
        Blocks that hold parts of rows are joined.

    Yields
    ------
    object
        What a block is: an ndarray, a sparse matrix, ...

    Raises
    ------
    ShapeError
        If a block is not as its chunks say.
    """
    whole = _in_whole_rows(with_checked_blocks(where, array))
    for number in range(whole.numblocks[0]):
        yield whole.blocks[number].compute()


def is_in_file(x: Any) -> bool:
    """Tell whether an array is a view of a memory-mapped file.

    Examples
    --------
    >>> is_in_file(np.zeros(3))
    False
    """
    while isinstance(x, np.ndarray):
        x = x.base
    return type(x).__name__ == "mmap"  # by name: the module is not imported for arrays in memory


def join(parts: list[Any]) -> Any:
    """Put rows behind one another.

    Parameters
    ----------
    parts : list of ndarray, or of CSR matrices
        At least one.

    Returns
    -------
    ndarray or CSR matrix

    Examples
    --------
    >>> join([np.array([1, 2]), np.array([3])])
    array([1, 2, 3])
    """
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csr")
