"""Rows and columns as rules look at them: equal rows, sizes and names of columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.data.conversion import is_sparse
from nnlite.data.moments import Moments
from nnlite.data.table import NumericColumn, TableEncoder
from nnlite.inspect.checkup.patient import SAMPLE, Patient, Skip
from nnlite.layers import Embedding, TokenEmbedding
from nnlite.training.inside import first_weights

__all__ = ["BY_NATURE", "drop", "have_neighbours", "moments", "named", "row_keys", "sizes", "table"]

#: Rows that are equal by nature have neighbours that differ in one column, at least this part as many. Of
#: eight real tables, cut to 2 to 6 values a column, it is 1.01 and more where rows are equal; where rows were
#: repeated it is 0 to 0.43.
BY_NATURE = 0.5
#: Wide rows are looked at in so many groups of columns.
GROUPS = 32


def table(p: Patient) -> AnyArray:
    """Return the numbers of a table as the user has them, a column for each.

    Parameters
    ----------
    p : Patient
        Its rows are a table, or the check is skipped.

    Returns
    -------
    ndarray of shape (rows, columns)
    """
    x = p.all.x
    if is_sparse(x) or x.ndim != 2:
        raise Skip("the input is no table of numbers")
    first = first_weights(p.model)[1]
    if isinstance(first, TokenEmbedding):
        raise Skip("the input is ids of tokens")
    if isinstance(first, Embedding):
        x = x[:, : first.numeric]
    encoder = p.model.preprocessing
    if isinstance(encoder, TableEncoder):
        known = [column for column in encoder.columns if isinstance(column, NumericColumn)]
        scale = np.ones(x.shape[1])
        mean = np.zeros(x.shape[1])
        scale[: len(known)] = [column.scale for column in known]
        mean[: len(known)] = [column.mean for column in known]
        x = x * scale + mean
    found: AnyArray = x
    return found


def row_keys(x: Any) -> Iterator[bytes]:
    """Give for each row what is the same for equal rows.

    Parameters
    ----------
    x : ndarray or CSR matrix of shape (rows, ...)
        The rows.

    Yields
    ------
    bytes

    Examples
    --------
    >>> len(set(row_keys(np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))))
    2
    """
    if is_sparse(x):
        for start, stop in zip(x.indptr[:-1], x.indptr[1:], strict=True):
            yield x.indices[start:stop].tobytes() + x.data[start:stop].tobytes()
        return
    for row in x + 0.0:  # which makes 0.0 of -0.0
        yield row.tobytes()


def have_neighbours(x: Any, keys: Iterable[bytes]) -> float:
    """Return the share of different rows that differ from another one in one column only.

    Where columns have few values, rows are equal by chance, and then more of them are nearly so. Of wide rows
    it is one of some groups of columns.

    Parameters
    ----------
    x : ndarray or CSR matrix of shape (rows, ...)
        The rows.
    keys : iterable of bytes
        Of each row that differs from the others, as `row_keys` gives them.

    Returns
    -------
    float

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> have_neighbours(x, row_keys(x))
    0.5
    """
    if is_sparse(x):
        return 0.0
    dtype, shape = x.dtype, x.shape[1:]
    rows = np.stack([np.frombuffer(key, dtype) for key in list(islice(keys, SAMPLE))]).reshape(
        -1, math.prod(shape)
    )
    near = np.zeros(len(rows), np.bool_)
    for group in np.array_split(np.arange(rows.shape[1]), min(rows.shape[1], GROUPS)):
        others = np.delete(rows, group, axis=1)
        inverse, counts = np.unique(others, axis=0, return_inverse=True, return_counts=True)[1:]
        near |= counts[inverse.ravel()] > 1
    return float(near.mean())


def moments(x: AnyArray) -> tuple[Array, Array]:
    """Return the mean and the standard deviation of each column.

    Parameters
    ----------
    x : ndarray of shape (rows, columns)
        The rows.

    Returns
    -------
    mean, spread : ndarray of shape (columns,)

    Examples
    --------
    >>> moments(np.array([[0.0], [2.0]]))
    (array([1.]), array([1.]))
    """
    found = Moments(x.shape[1])
    found.add(x)
    return found.mean, found.spread


def sizes(x: Any) -> Array:
    """Return the root mean square of each column.

    Parameters
    ----------
    x : ndarray or CSR matrix of shape (rows, columns)
        The rows.

    Returns
    -------
    ndarray of shape (columns,)

    Examples
    --------
    >>> sizes(np.array([[3.0], [-3.0]]))
    array([3.])
    """
    if is_sparse(x):
        squares = np.asarray(x.multiply(x).sum(axis=0), dtype=np.float64).ravel()
    else:
        squares = np.einsum("ij,ij->j", x, x, dtype=np.float64)
    found: Array = np.sqrt(squares / x.shape[0])
    return found


def _names(p: Patient, columns: int) -> Sequence[str] | None:
    encoder = p.model.preprocessing
    names = encoder.feature_names if isinstance(encoder, TableEncoder) else p.model.feature_names
    return names if names is not None and len(names) >= columns else None


def named(p: Patient, index: int) -> str:
    """Return what messages call a column of the input.

    Parameters
    ----------
    p : Patient
        Has names of columns or none.
    index : int
        Which.

    Returns
    -------
    str
    """
    names = _names(p, index + 1) if p.all.x.ndim == 2 else None
    return f"Column {index}" if names is None else f"Column {index} ({names[index]})"


def drop(p: Patient, columns: Sequence[int]) -> str:
    """Say how columns of a table are left out.

    Parameters
    ----------
    p : Patient
        Has names of columns or none.
    columns : sequence of int
        Which.

    Returns
    -------
    str
        One sentence.
    """
    names = _names(p, max(columns) + 1)
    if isinstance(p.model.preprocessing, TableEncoder) and names is not None:
        left_out = [names[column] for column in columns]
        return (
            f"Write frame = frame.drop(columns={left_out}) and encoder = TableEncoder().fit(frame), and "
            "begin the model with encoder.layer()."
        )
    left = int(p.all.x.shape[1]) - len(columns)
    them = "it" if len(columns) == 1 else "them"
    if names is None:
        chosen = columns[0] if len(columns) == 1 else list(columns)
        how = f"X = np.delete(X, {chosen}, axis=1)"
    else:
        how = f"X = X.drop(columns={[names[column] for column in columns]})"
    inputs = "input" if left == 1 else "inputs"
    return f"Leave {them} out, {how}, and give the first layer {left} {inputs}."
