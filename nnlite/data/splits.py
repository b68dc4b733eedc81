"""Which rows are kept apart: a held-out part, the folds of a cross-validation, by classes and by groups."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.core.aliases import RNG, AnyArray
from nnlite.data.checks import check_labels, check_rows
from nnlite.data.conversion import is_frame, is_missing, is_sparse, take_rows
from nnlite.data.lazy import as_csr
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer, check_number, check_rng

__all__ = [
    "HeldOut",
    "check_same_rows",
    "classes_of",
    "encode_labels",
    "held_out_rows",
    "k_folds",
    "train_test_split",
]


class HeldOut:
    """A part of the rows to hold out: which ones, is drawn when training begins.

    Parameters
    ----------
    fraction : float
        How large a part, in (0, 1).
    in_order : bool
        Whether the last rows are held out, and none is drawn.
    classes : ndarray of int of shape (rows,) or (replicas, rows), optional
        Of which both parts keep the proportions, as nearly as whole rows allow. Of a class, one row at
        least stays in training.
    groups : ndarray of int of shape (rows,), optional
        Rows of one number stay together.

    Examples
    --------
    >>> train, test = HeldOut(0.25, in_order=True).split(np.arange(4))
    >>> train, test
    (array([0, 1, 2]), array([3]))
    >>> half = HeldOut(0.5, classes=np.array([0, 0, 0, 0, 1, 1]))
    >>> [part.tolist() for part in half.split(np.arange(6))]
    [[2, 3, 5], [0, 1, 4]]
    """

    def __init__(
        self,
        fraction: float,
        *,
        in_order: bool = False,
        classes: AnyArray | None = None,
        groups: AnyArray | None = None,
    ) -> None:
        self.fraction = fraction
        self.in_order = in_order
        self.classes = None if in_order else classes
        self.groups = groups

    def split(self, order: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Part the rows.

        Parameters
        ----------
        order : ndarray of int of shape (rows,) or (replicas, rows)
            In which they were drawn; the row numbers in order, if none is drawn.

        Returns
        -------
        training, held_out : ndarray of int
            The rows of each, or those of each replica.

        Raises
        ------
        ArgumentError
            If one side would be empty.
        """
        rows = order.shape[-1]
        count = held_out_rows("fit(validation=)", self.fraction, rows)
        classes, groups = self.classes, self.groups
        if classes is None and groups is None:
            cut = rows - count
            return (order[:cut], order[cut:]) if self.in_order else (order[..., count:], order[..., :count])
        if groups is not None and self.in_order:
            marked = _last_groups(groups, count)
            return np.flatnonzero(~marked), np.flatnonzero(marked)
        if classes is not None and classes.ndim > order.ndim:
            order = np.broadcast_to(order, classes.shape)
        nets = order.reshape(-1, rows)
        kinds: list[AnyArray | None] = [None] * len(nets)
        if classes is not None:
            kinds = list(np.broadcast_to(classes, nets.shape))
        mark = _mark_each_class if groups is None else partial(_mark_each_group, groups)
        marks = np.stack(mark(nets, kinds, count))
        shape = (*order.shape[:-1], -1)
        return nets[~marks].reshape(shape), nets[marks].reshape(shape)

    def describe(self) -> Any:
        """Return what two trainings must have in common to hold out the same rows.

        Returns
        -------
        float or dict
            The fraction alone where rows are drawn regardless of what they are.
        """
        import zlib

        more: dict[str, Any] = {}
        if self.in_order:
            more["rows"] = "the last"
        if self.classes is not None:
            more["rows"] = "of each class"
        if self.groups is not None:
            more["checksum of groups"] = f"{zlib.crc32(self.groups.tobytes()):08x}"
        return {"fraction": self.fraction, **more} if more else self.fraction


def classes_of(target: Any, *, logits: bool, own: bool = False) -> NDArray[np.int64] | None:
    """Return the class of each row, if the targets of a loss are classes.

    Parameters
    ----------
    target : ndarray, or rows that are read block by block
        As the loss prepared them: class ids, or numbers.
    logits : bool
        Whether the loss is one of classes. Then a column of two numbers (0 and 1, or -1 and 1) is
        classes too, and so are one-hot rows.
    own : bool
        Whether they have an axis of replicas.

    Returns
    -------
    ndarray of int of shape (rows,) or (replicas, rows), or None

    Examples
    --------
    >>> classes_of(np.array([2, 0]), logits=False), classes_of(np.eye(2)[[1, 0, 1]], logits=True)
    (array([2, 0]), array([1, 0, 1]))
    >>> classes_of(np.array([[0.5], [1.0]]), logits=True) is None
    True
    """
    if isinstance(target, np.ndarray):
        if target.dtype.kind in "iub":
            return target.astype(np.int64, copy=False) if target.ndim == 1 + own else None
        if not logits or target.ndim != 2 + own:
            return None
        if target.shape[-1] > 1:
            return target.argmax(axis=-1) if _is_bits(target) and (target.sum(axis=-1) == 1).all() else None
        column = target[..., 0]
        return column.astype(np.int64) if (np.abs(column) == 1).all() or _is_bits(column) else None
    found = []
    for block in target if logits else ():
        ids = classes_of(block, logits=True)
        if ids is None:
            return None
        found.append(ids)
    return np.concatenate(found) if found else None


def _is_bits(array: AnyArray) -> bool:
    return bool(((array == 0) | (array == 1)).all())


def encode_labels(where: str, labels: Any, rows: int) -> NDArray[np.int64]:
    """Give labels of any kind numbers, from 0 in the order in which they come.

    Parameters
    ----------
    where : str
        Names the argument in messages.
    labels : sequence or series of hashable
        One for each row.
    rows : int
        How many there must be.

    Returns
    -------
    ndarray of shape (rows,)

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If they are no labels, not one for each row, or one is missing.

    Examples
    --------
    >>> encode_labels("here", ["ann", "bob", "ann"], 3)
    array([0, 1, 0])
    """
    what = f"one label for each of {rows} rows"
    fix = "Give a list, an array or a column of a frame."
    if is_frame(labels) or isinstance(labels, str | bytes | dict | set | frozenset) or is_sparse(labels):
        raise ArgumentTypeError(where, what, type(labels).__name__, fix)
    if hasattr(labels, "compute"):  # a column of dask
        labels = labels.compute()
    if not isinstance(labels, Iterable) or isinstance(labels, type):
        got = f"the class {labels.__name__}" if isinstance(labels, type) else repr(labels)
        raise ArgumentTypeError(where, what, got, fix)
    shape = getattr(labels, "shape", None)
    if shape is not None and len(shape) != 1:
        fix = "Write [:, 0] behind the column." if tuple(shape[1:]) == (1,) else fix
        raise ShapeError(where, what, f"shape {tuple(shape)}", fix)
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iubUSMm" and type(labels) is np.ndarray:
        if len(labels) == rows and not (labels.dtype.kind in "Mm" and np.isnat(labels).any()):
            return _by_appearance(labels).astype(np.int64)
        labels = labels.tolist() if labels.dtype.kind not in "Mm" else list(labels)
    elif hasattr(labels, "tolist"):  # Python's own numbers: as many hashes for less
        labels = labels.tolist()
    known: dict[Any, int] = {}
    codes_found = []
    for row, label in enumerate(labels):
        if is_missing(label):
            fix = "Give that row a group or class of its own, or leave it out."
            raise ArgumentError(where, what, f"a missing one in row {row}", fix)
        try:
            codes_found.append(known.setdefault(label, len(known)))
        except TypeError:
            fix = "Give numbers, words or tuples."
            raise ArgumentTypeError(
                where, "labels that can be told apart", f"a {type(label).__name__} in row {row}", fix
            ) from None
    if len(codes_found) != rows:
        raise ShapeError(where, what, f"{len(codes_found)}", "Take them from the rows of the data.")
    return np.array(codes_found, np.int64)


@explained
def train_test_split(
    X: ArrayLike,
    y: ArrayLike,
    *,
    test: float = 0.2,
    stratify: Any = False,
    groups: Any = None,
    rng: RNG = None,
) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    """Hold out a random part of the rows for a test.

    Parameters
    ----------
    X : array_like of shape (rows, ...), frame or sparse matrix
        The inputs. Both parts of a frame are frames, those of a sparse matrix CSR matrices.
    y : array_like of shape (rows, ...)
        The targets: numbers, or the names of classes.
    test : float or int
        A float between 0 and 1 is the fraction of the rows to hold out, rounded to whole
        rows; an int is their number.
    stratify : bool, or sequence of hashable of shape (rows,)
        Whether both sides keep the proportions of the classes, as nearly as whole rows
        allow. True takes the targets, which must then be integers or names of shape (rows,); else these
        are the classes.
    groups : sequence of hashable of shape (rows,), optional
        Rows of one group, such as those of one patient, stay on one side. The side of the test then
        has as many rows as whole groups allow, and with `stratify` about the proportions of the classes.
    rng : int, numpy.random.Generator or None
        Draws the rows.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray, or frame or CSR matrix
        In random order, with the dtypes of `X` and `y`.

    Raises
    ------
    ShapeError
        If there are no rows, the numbers of rows differ, or `stratify` meets targets
        that are not of shape (rows,).
    ArgumentTypeError, ArgumentError
        If the data are not numbers, an option is outside its range, or a side, or with
        `stratify` a class on one side, would be empty.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.data.batching import train_test_split
    >>> X, y = np.arange(10.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test=0.5, stratify=True, rng=0)
    >>> X_train.shape, np.bincount(y_train), np.bincount(y_test)
    ((5, 1), array([4, 1]), array([4, 1]))
    >>> names = ["ann", "ann", "ann", "bob", "bob", "cleo", "cleo", "cleo", "dora", "dora"]
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test=0.3, groups=names, rng=0)
    >>> sorted({names[int(row)] for row in X_test[:, 0]})
    ['bob']
    """
    where = "train_test_split(X=)"
    data: Any = as_csr(where, X, None) if is_sparse(X) else X if is_frame(X) else check_rows(where, X)
    names = _names(y)
    y = check_rows("train_test_split(y=)", y) if names is None else names
    check_same_rows("train_test_split", data, y)
    rows, held_out = len(y), held_out_rows("train_test_split(test=)", test, len(y))
    generator = check_rng("train_test_split(rng=)", rng)
    classes: AnyArray | None = None
    where = "train_test_split(stratify=)"
    if isinstance(stratify, bool | np.bool_):
        if stratify:
            place = "train_test_split(y=)"
            classes = check_labels(place, y) if names is None else encode_labels(place, y, rows)
    elif stratify is not None:
        classes = encode_labels(where, stratify, rows)
    numbers = None if groups is None else encode_labels("train_test_split(groups=)", groups, rows)
    order = generator.permutation(rows)
    if numbers is not None:
        kinds = None if classes is None else classes[order]
        is_test = _mark_groups("train_test_split(groups=)", numbers[order], kinds, held_out)
    elif classes is not None:
        counts = np.unique(classes, return_counts=True)[1]
        is_test = _mark_classes(classes[order], _shares(counts, held_out, counts))
    else:
        is_test = np.arange(rows) < held_out
    if classes is not None:
        _check_both_sides(where, classes, order[is_test], y if stratify is True else None)
    train_rows, test_rows = order[~is_test], order[is_test]
    return take_rows(data, train_rows), take_rows(data, test_rows), y[train_rows], y[test_rows]


def _names(y: Any) -> AnyArray | None:
    """Return targets that are all text, the names of classes, as an array; of others None."""
    column = y.to_numpy() if hasattr(y, "to_numpy") and not is_frame(y) else y
    if not isinstance(column, np.ndarray | list | tuple) or getattr(column, "ndim", 1) != 1:
        return None
    if isinstance(column, np.ndarray) and column.dtype.kind not in "OUT":
        return None
    return np.asarray(column) if len(column) and all(isinstance(cell, str) for cell in column) else None


def _check_both_sides(where: str, classes: AnyArray, held_out: AnyArray, names: AnyArray | None) -> None:
    """Refuse a split that leaves a class on one side only."""
    ids, first, numbers, counts = np.unique(
        classes, return_index=True, return_inverse=True, return_counts=True
    )
    shares = np.bincount(numbers[held_out], minlength=len(ids))
    one_sided = (shares == 0) | (shares == counts)
    if one_sided.any():
        c = int(one_sided.argmax())
        name = f"class {names[first[c]]}" if names is not None else f"the class of row {first[c]}"
        raise ArgumentError(
            where,
            "at least one row of every class on both sides",
            f"{shares[c]} of the {counts[c]} rows of {name} for the test",
            "Change test=, add rows of that class, or use stratify=False.",
        )


@explained
def k_folds(
    rows: int, folds: int, *, stratify: Any = None, groups: Any = None, rng: RNG = None
) -> tuple[Any, Any]:
    """Draw the rows of each fold of a cross-validation, for one replica a fold.

    Parameters
    ----------
    rows : int
        The number of rows of the data.
    folds : int
        How many folds, at least 2.
    stratify : sequence of hashable of shape (rows,), optional
        The class of each row, such as `y`: every fold has of each class as many rows as any other, or one
        more.
    groups : sequence of hashable of shape (rows,), optional
        Rows of one group, such as those of one patient, are in one fold. Then folds are of about one size,
        and with `stratify` of about the same proportions.
    rng : int, numpy.random.Generator or None
        Draws the rows.

    Returns
    -------
    train : ndarray of int of shape (folds, rows - rows // folds)
        For each fold, the rows to train on.
    test : ndarray of int of shape (folds, rows // folds)
        The rows to measure on. No row is in two folds. The ``rows % folds`` rows that are left
        over are in no test part: all folds have the same size, as replicas must.

        With `groups` both are lists of arrays, since folds differ in size, and every row is in the test
        part of one fold. A net a fold trains on them: ``for rows, held_out in zip(train, test)``.

    Raises
    ------
    ArgumentTypeError, ArgumentError, ShapeError
        If there are fewer than 2 folds, fewer rows or groups than folds, a class of a single row, or not
        one label for each row.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = 3 * X + 1
    >>> train, test = k_folds(len(X), 5, rng=0)
    >>> model = Sequential([Dense(1, 1)], replicas=5, rng=0)
    >>> history = model.fit(
    ...     X[train], y[train], validation=(X[test], y[test]),
    ...     loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=100, batch_size=4,
    ... )
    >>> bool(np.mean(history["validation_loss"][-1]) < 1e-6)
    True

    >>> train, test = k_folds(6, 3, groups=["ann", "ann", "bob", "cleo", "cleo", "dora"], rng=0)
    >>> sorted(rows.tolist() for rows in test)
    [[0, 1], [2, 5], [3, 4]]
    """
    count = check_integer("k_folds(rows)", rows, low=2)
    folds = check_integer("k_folds(folds)", folds, low=2)
    if folds > count:
        raise ArgumentError(
            "k_folds(folds)", f"at most one fold for each of {count} rows", f"{folds}", "Give fewer."
        )
    classes = None if stratify is None else _check_classes(stratify, count)
    numbers = None if groups is None else encode_labels("k_folds(groups=)", groups, count)
    order = check_rng("k_folds(rng=)", rng).permutation(count)
    if numbers is not None:
        fold = _deal_groups(numbers[order], None if classes is None else classes[order], folds)
        return [order[fold != i] for i in range(folds)], [order[fold == i] for i in range(folds)]
    if classes is not None:
        order = _deal_classes(order, classes, folds)
    size = count // folds
    starts = range(0, folds * size, size)
    test = np.stack([order[start : start + size] for start in starts])
    train = np.stack([np.delete(order, np.s_[start : start + size]) for start in starts])
    return train, test


def _check_classes(stratify: Any, rows: int) -> NDArray[np.int64]:
    where = "k_folds(stratify=)"
    if isinstance(stratify, bool | np.bool_):
        raise ArgumentTypeError(where, "the class of each row", f"{stratify}", "Write stratify=y.")
    classes = encode_labels(where, stratify, rows)
    counts = np.bincount(classes)
    if (counts < 2).any():
        row = int(np.flatnonzero(classes == counts.argmin())[0])
        fix = "Leave that row out, or join its class with another one."
        raise ArgumentError(where, "two rows of every class", f"one, row {row}, of its class", fix)
    return classes


def _mark_each_class(orders: AnyArray, kinds: list[Any], held_out: int) -> list[NDArray[np.bool_]]:
    """Mark the rows that are held out of each order; a row of each class is not."""
    counts = [np.unique(classes, return_counts=True)[1] for classes in kinds]
    most = min(int((own - 1).sum()) for own in counts)  # of replicas each holds out as many as the others
    if not most:
        what, fix = "two rows of some class, of which one is held out", "Give validation=(X, y)."
        raise ArgumentError("fit(validation=)", what, "one row of each", fix)
    held_out = min(held_out, most)
    return [
        _mark_classes(classes[order], _shares(own, held_out, own - 1))
        for order, classes, own in zip(orders, kinds, counts, strict=True)
    ]


def _mark_each_group(
    groups: AnyArray, orders: AnyArray, kinds: list[Any], held_out: int
) -> list[NDArray[np.bool_]]:
    """Mark the rows of the groups that are held out of each order."""
    where = "fit(groups=)"
    marks = [
        _mark_groups(where, groups[order], None if classes is None else classes[order], held_out)
        for order, classes in zip(orders, kinds, strict=True)
    ]
    if len({int(mark.sum()) for mark in marks}) > 1:
        what, fix = "parts of one size for all replicas", "Write rng=0, for instance: one order for all."
        raise ArgumentError(where, what, "groups of several sizes, and a seed for each", fix)
    return marks


# Classes.


def _shares(counts: AnyArray, held_out: int, room: AnyArray) -> AnyArray:
    """Say how many rows of each class are held out: its share of them, as far as there is room."""
    whole = int(counts.sum())
    shares: AnyArray = np.minimum(counts * held_out // whole, room)
    # The rows that rounding down leaves over go to the classes that lost the most by it.
    while (left := held_out - int(shares.sum())) > 0:
        lost = shares * whole - counts * held_out
        order = np.argsort(lost, kind="stable")
        shares[order[(shares < room)[order]][:left]] += 1
    return shares


def _mark_classes(ids: AnyArray, shares: AnyArray) -> NDArray[np.bool_]:
    """Mark the first rows of each class, as many as its share."""
    codes = np.unique(ids, return_inverse=True)[1]
    return _rank(codes) < shares[codes]


def _rank(codes: AnyArray) -> AnyArray:
    """Count for each row how many of its class come before it."""
    order = np.argsort(codes, kind="stable")
    starts = np.cumsum(np.bincount(codes)) - np.bincount(codes)
    ranks = np.empty(len(codes), np.int64)
    ranks[order] = np.arange(len(codes)) - starts[codes[order]]
    return ranks


def _deal_classes(order: AnyArray, classes: AnyArray, folds: int) -> AnyArray:
    """Bring the rows into an order that, cut into folds, gives each of them its part of every class."""
    codes = classes[order]
    counts = np.bincount(codes)
    # Who is left over: a row of those classes that do not divide evenly, so that no other fold lacks one.
    over = counts % folds
    left = np.zeros_like(over)
    while left.sum() < len(order) % folds:
        left[(over - left).argmax()] += 1
    stays = np.flatnonzero(_rank(codes) < (counts - left)[codes])
    fold = np.full(len(order), folds)
    fold[stays[np.argsort(codes[stays], kind="stable")]] = (
        np.arange(len(stays)) % folds
    )  # dealt out like cards
    dealt: AnyArray = order[np.argsort(fold, kind="stable")]
    return dealt


# Groups.


def _count(groups: AnyArray, classes: AnyArray | None) -> AnyArray:
    """Count the rows of each class in each group."""
    kinds = np.zeros(len(groups), int) if classes is None else np.unique(classes, return_inverse=True)[1]
    counts = np.zeros((int(groups.max()) + 1, int(kinds.max()) + 1), np.int64)
    np.add.at(counts, (groups, kinds), 1)
    return counts


def _by_appearance(labels: AnyArray) -> AnyArray:
    """Give labels numbers in the order in which they come, whatever sorts them."""
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def _mark_groups(where: str, groups: AnyArray, classes: AnyArray | None, held_out: int) -> NDArray[np.bool_]:
    """Mark the rows of whole groups, in drawn order, to come near to so many rows of the right classes."""
    codes = _by_appearance(groups)
    counts = _count(codes, classes)
    total = counts.sum(axis=0)
    if len(counts) < 2:
        raise ArgumentError(where, "at least two groups", "one", "Leave groups= out, or give others.")
    # Of one class, the smaller side is chosen, which can be met more closely.
    turned = classes is None and 2 * held_out > len(groups)
    wanted = len(groups) - held_out if turned else held_out
    chosen = _choose(counts, total * (wanted / len(groups)))
    if not chosen.any():
        what = "groups that leave some rows of every class on both sides"
        fix = "Leave groups= out, or give validation data of their own."
        raise ArgumentError(where, what, "classes that lie in one group each", fix)
    marked: NDArray[np.bool_] = (chosen != turned)[codes]
    return marked


def _choose(counts: AnyArray, aim: AnyArray) -> NDArray[np.bool_]:
    """Choose groups whose rows come near to an aim, and leave a row of every class."""
    total = counts.sum(axis=0)
    room = np.minimum(np.ceil(aim), total - 1)
    taken = np.zeros_like(total)
    chosen = np.zeros(len(counts), bool)
    for number, own in enumerate(counts):  # first what fits
        if (taken + own <= room).all():
            chosen[number] = True
            taken += own
            if (taken >= room).all():
                break
    while True:  # then what comes nearer, though it is too much
        now = ((taken - aim) ** 2 / total).sum()
        then = ((taken + counts - aim) ** 2 / total).sum(axis=1)
        then[chosen | ((counts > 0) & (taken + counts >= total)).any(axis=1)] = np.inf
        best = int(then.argmin())
        if not np.isfinite(then[best]) or (chosen.any() and then[best] >= now):
            return chosen
        chosen[best] = True
        taken += counts[best]


def _last_groups(groups: AnyArray, held_out: int) -> NDArray[np.bool_]:
    """Mark the rows of the groups that begin last, as many as come nearest to so many rows."""
    sizes = np.cumsum(np.bincount(groups)[::-1])[:-1]  # at least one group stays
    number = int(np.abs(sizes - held_out).argmin()) + 1
    marked: NDArray[np.bool_] = groups > len(sizes) - number
    return marked


def _deal_groups(groups: AnyArray, classes: AnyArray | None, folds: int) -> AnyArray:
    """Give each group, that with most of a class first, to the fold that has the least of what it brings."""
    codes = _by_appearance(groups)
    counts = _count(codes, classes)
    if len(counts) < folds:
        what = f"at most one fold for each of {len(counts)} groups"
        raise ArgumentError("k_folds(folds)", what, f"{folds}", "Give fewer.")
    sizes = counts.sum(axis=1)
    shares = np.concatenate([counts / counts.sum(axis=0), sizes[:, None] / sizes.sum()], axis=1)
    held = np.zeros((folds, shares.shape[1]))
    fold = np.empty(len(counts), np.int64)
    for number in np.argsort(-shares.max(axis=1), kind="stable"):
        fold[number] = (held @ shares[number]).argmin()
        held[fold[number]] += shares[number]
    return fold[codes]


def held_out_rows(where: str, test: float, rows: int) -> int:
    """Return how many rows a fraction, or a number, of rows holds out.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    test : float or int
        A fraction in (0, 1), rounded to whole rows, or a number of rows.
    rows : int
        How many rows there are.

    Returns
    -------
    int

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If that is no number, or leaves one side empty.

    Examples
    --------
    >>> held_out_rows("here", 0.2, 10)
    2
    """
    if isinstance(test, Integral):
        held_out = check_integer(where, test, low=1)
    else:
        held_out = round(rows * check_number(where, test, low=0.0, high=1.0, low_open=True, high_open=True))
    if not 0 < held_out < rows:
        raise ArgumentError(
            where,
            f"a part of the {rows} rows that leaves some on both sides",
            f"{test}, which holds out {held_out}",
            "Give more rows."
            if rows < 2
            else f"Give a number of rows from 1 to {rows - 1}."
            if isinstance(test, Integral)
            else f"Give a fraction from {1 / rows:.2g} to {1 - 1 / rows:.2g}.",
        )
    return held_out


def check_same_rows(where: str, X: Any, y: AnyArray) -> None:
    """Refuse inputs and targets of different numbers of rows.

    Parameters
    ----------
    where : str
        Names the function in the message.
    X : ndarray, frame or sparse matrix
        The inputs.
    y : ndarray
        The targets.

    Raises
    ------
    ShapeError
        If they differ.

    Examples
    --------
    >>> check_same_rows("here", np.ones((2, 3)), np.ones(2))
    """
    if X.shape[0] != len(y):
        raise ShapeError(
            where,
            "X and y with the same number of rows",
            f"{X.shape[0]} and {len(y)} (shapes {X.shape} and {y.shape})",
            "Give one target for each row of X.",
        )
