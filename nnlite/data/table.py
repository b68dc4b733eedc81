"""From a table of numbers and categories to the rows of numbers that a net takes."""

from __future__ import annotations

import math
import re
import reprlib
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from nnlite.core.config import Configured
from nnlite.data.columns import (
    KINDS,
    Category,
    Typed,
    read_categories,
    read_columns,
    read_numbers,
    sees_categories,
)
from nnlite.data.moments import Moments
from nnlite.errors import ArgumentError, ArgumentTypeError, DataWarning, NotFittedError, calls_to_user
from nnlite.errors.checks import check_bool, check_integer, check_number
from nnlite.layers.embedding import Embedding

__all__ = [
    "CategoricalColumn",
    "NumericColumn",
    "TableEncoder",
    "day_first",
    "kind_of_text",
    "looks_like_dates",
]

#: So many rows, and the half of those that hold something, with values that `fit` has not seen are no chance.
UNSEEN_ROWS = 5
#: Beyond so many standard deviations lies at most a hundredth of any data (Chebyshev): the middle one of some
#: rows is there where the unit is another one.
FAR = 10.0
#: Text of so many categories with fewer rows each than this is taken for names of rows, or for dates.
MANY_CATEGORIES = ((50, 3), (1000, 10))
#: So many categories, all of which look like dates, are dates; and nine tenths of which are numbers, numbers.
DATES, NUMBERS = 10, 0.9
#: Not "007" or "01234": a code that begins with 0 is a name.
_NUMBER = re.compile(r"\s*[-+]?(?!0\d)(\d+|\d{1,3}(,\d{3})+)(\.\d*)?(e[-+]?\d+)?\s*", re.IGNORECASE)
_DATE = re.compile(
    r"(\d{4}([-./])\d{1,2}\2\d{1,2}|\d{1,2}([-./])\d{1,2}\3\d{4}|\d{1,2}/\d{1,2}/\d{2})([ T]\d{1,2}:.*)?",
    re.DOTALL,
)


class NumericColumn(NamedTuple):
    """What an encoder knows of a column of numbers.

    Parameters
    ----------
    name : str
        Its name in the table.
    mean, scale : float
        What is subtracted, and what is divided by then.
    missing : bool
        Whether numbers were missing in `fit`, so that missing ones are marked.

    Examples
    --------
    >>> NumericColumn("age", mean=40.0, scale=10.0, missing=False).kind
    'numeric'
    """

    name: str
    mean: float
    scale: float
    missing: bool

    @property
    def kind(self) -> str:
        """The word for such a column."""
        return "numeric"


class CategoricalColumn(NamedTuple):
    """What an encoder knows of a column of categories.

    Parameters
    ----------
    name : str
        Its name in the table.
    categories : tuple of bool, int or str
        The categories. Their ids count from 1; 0 is any other one.
    missing : bool
        Whether categories were missing in `fit`: that is then the last id.

    Examples
    --------
    >>> CategoricalColumn("city", categories=("Bern", "Genf"), missing=True).id_count
    4
    """

    name: str
    categories: tuple[Category, ...]
    missing: bool

    @property
    def kind(self) -> str:
        """The word for such a column."""
        return "categorical"

    @property
    def id_count(self) -> int:
        """How many ids there are."""
        return 1 + len(self.categories) + self.missing

    @property
    def missing_id(self) -> int:
        """The id of a missing category: the last one, or 0 if `fit` saw none."""
        return self.id_count - 1 if self.missing else 0


class _Found(NamedTuple):
    """What `TableEncoder.fit` has found."""

    columns: tuple[NumericColumn | CategoricalColumn, ...]
    embedding_features: int


class TableEncoder(Configured):
    """Turn a table of numbers and categories into rows of numbers, and say how the net begins.

    A table is a pandas or polars frame, or a dict of columns. Columns of numbers and of truth
    values are standardised. Each other column holds categories, text or whole numbers, and each
    category gets an id, for which the `Embedding` that `layer` makes learns a few numbers.

    Parameters
    ----------
    numeric, categorical : sequence of str, optional
        Columns to be taken for numbers, or for categories. Other columns are told apart by what
        they hold: text and what a frame itself calls categories are categories. Text in a column
        named in `numeric` is read as numbers.
    min_count : int
        A category with fewer rows than this in `fit` is taken for one that was never seen, of
        which the net then has something to learn.
    embedding : int, optional
        How many numbers stand for a category. By default the fourth root of the largest number
        of ids in a column, rounded up.

    Attributes
    ----------
    columns : tuple of NumericColumn or CategoricalColumn
        What `fit` has found, in the order of the table.
    features : int
        Width of what `transform` gives.
    width : int
        Width of what the layer makes of that.
    embedding_features : int
        How many numbers stand for a category.
    feature_names : tuple of str
        A name for each column of what `transform` gives.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.
    NotFittedError
        If anything but `fit` is asked for before it.

    Warns
    -----
    DataWarning
        In `fit`, if text that `categorical` does not name has 50 categories and more with fewer than
        3 rows each, or 1,000 with fewer than 10, as names of rows have; or 10 and more, all of them
        dates, or nine tenths of them numbers. In `transform`, and wherever a model encodes a table, if
        5 rows and more, and half of those of a column, have categories that `fit` has not seen (all of
        them with a `min_count`), or numbers more than 10 standard deviations from its mean, as in
        another unit; of fewer rows nothing is said, since a row may well have a new category.

    Notes
    -----
    A missing value is None, NaN, or what pandas and polars have for it. A missing number becomes
    the mean, which is 0; if numbers were missing in `fit` too, a column of its own marks such rows
    with 1. A missing category is one of its own if `fit` saw one, otherwise it is one never seen.

    References
    ----------
    Guo, Berkhahn: Entity Embeddings of Categorical Variables, 2016. https://arxiv.org/abs/1604.06737
    The fourth root: Introducing TensorFlow Feature Columns, Google Developers Blog, 2017.
    https://developers.googleblog.com/en/introducing-tensorflow-feature-columns/

    Examples
    --------
    >>> table = {"age": [20, 40, None], "city": ["Bern", "Genf", "Bern"]}
    >>> encoder = TableEncoder().fit(table)
    >>> encoder
    TableEncoder, fitted: 2 columns -> 3 features -> 4 inputs
      age   numeric      mean 30, scale 10; missing values are marked
      city  categorical  2 categories: 'Bern', 'Genf'
    >>> encoder.transform(table)
    array([[-1.,  0.,  1.],
           [ 1.,  0.,  2.],
           [ 0.,  1.,  1.]])
    >>> encoder.transform({"age": [50], "city": ["Basel"]})
    array([[2., 0., 0.]])
    >>> encoder.layer()
    Embedding((3,), 2, numeric=2)
    """

    def __init__(
        self,
        *,
        numeric: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        min_count: int = 1,
        embedding: int | None = None,
    ) -> None:
        self.numeric = _check_names("TableEncoder(numeric=)", numeric)
        self.categorical = _check_names("TableEncoder(categorical=)", categorical)
        both = sorted(set(self.numeric or ()) & set(self.categorical or ()))
        if both:
            raise ArgumentError(
                "TableEncoder(categorical=)",
                "other columns than in numeric=",
                f"{both[0]!r} in both",
                "Name it in one of them.",
            )
        self.min_count = check_integer("TableEncoder(min_count=)", min_count, low=1)
        if embedding is not None:
            embedding = check_integer("TableEncoder(embedding=)", embedding, low=1)
        self.embedding = embedding
        self._found: _Found | None = None

    # Fitting and encoding.

    def fit(self, frame: Any, y: Any = None) -> Self:
        """Measure the numbers and collect the categories, replacing what was known.

        Parameters
        ----------
        frame : pandas or polars frame, or dict of columns
            The training data, without the target. All its columns are used.
        y : object
            Not used: what a Pipeline of scikit-learn gives to each of its steps.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        ArgumentTypeError
            If it is no table, or a column holds something else than numbers, text and truth values.
        ShapeError
            If there are no rows, or columns of different lengths.
        ArgumentError
            If a column that was named is missing, or a number is infinite.
        """
        where = "TableEncoder.fit"
        table = read_columns(where, frame)
        absent = [name for name in (*(self.numeric or ()), *(self.categorical or ())) if name not in table]
        if absent:
            raise ArgumentError(
                f"{where}(frame)",
                f"the columns named in numeric= and categorical=, {absent[0]!r} among them",
                f"{reprlib.repr(list(table))}",
                "Correct the name.",
            )
        columns = tuple(
            self._fit_numbers(where, name, column)
            if self._holds_numbers(where, name, column)
            else self._fit_categories(where, name, column)
            for name, column in table.items()
        )
        self._found = _Found(columns, self.embedding or _rule_of_thumb(columns))
        return self

    def _holds_numbers(self, where: str, name: str, column: Any) -> bool:
        """Tell whether a column is one of numbers."""
        if name in (self.numeric or ()) or name in (self.categorical or ()):
            return name in (self.numeric or ())
        return not sees_categories(where, name, column)

    def _fit_numbers(self, where: str, name: str, column: Any) -> NumericColumn:
        values = self._numbers(where, name, column)
        known = values[~np.isnan(values)]
        if not known.size:
            return NumericColumn(name, 0.0, 1.0, True)
        moments = Moments(1)
        # A power of two, so that the distance of two numbers of other signs can be held too.
        unit = 4.0 if np.abs(known).max() > 1e307 else 1.0
        moments.add(known[:, None] / unit)
        mean, scale = float(moments.mean[0]) * unit, float(moments.spread[0]) * unit
        if scale < np.finfo(np.float64).tiny:
            scale = 1.0
        return NumericColumn(name, mean, scale, known.size < values.size)

    def _fit_categories(self, where: str, name: str, column: Any) -> CategoricalColumn:
        cells, meaning = read_categories(where, name, column)
        counts: Counter[Typed | None] = Counter()
        for cell, count in Counter(cells).items():
            counts[meaning[cell]] += count
        missing = counts.pop(None, 0) > 0
        kept = [typed for typed, count in counts.items() if typed is not None and count >= self.min_count]
        # Truth values, numbers, text; each kind in its order.
        kept.sort(key=lambda typed: (KINDS.index(typed[0]), typed[1]))
        if name not in (self.categorical or ()):
            _warn_of_many(where, name, [typed[1] for typed in kept if typed[0] is str], counts)
        return CategoricalColumn(name, tuple(value for _, value in kept), missing)

    def transform(self, frame: Any) -> NDArray[np.float64]:
        """Encode a table.

        Parameters
        ----------
        frame : pandas or polars frame, or dict of columns
            It has the columns that `fit` saw, in any order. Others are ignored.

        Returns
        -------
        ndarray of shape (rows, features)
            First the standardised numbers, then the marks of missing ones, then the ids of the
            categories.

        Raises
        ------
        ArgumentTypeError, ShapeError
            As `fit`.
        ArgumentError
            If columns are missing, or a number is infinite.
        """
        return self._encode(frame, set())

    def _encode(self, frame: Any, told: set[str]) -> NDArray[np.float64]:
        """Do so, and add to `told` the columns of which it says, once, that the net knows no such values."""
        where = "TableEncoder.transform"
        columns = self.columns
        table = read_columns(where, frame, [column.name for column in columns])
        numbers, marks, ids = [], [], []
        for column in columns:
            if isinstance(column, CategoricalColumn):
                share = 0.5 if self.min_count == 1 else 1.0
                ids.append(_ids(where, column, table[column.name], told, share))
                continue
            values = self._numbers(where, column.name, table[column.name])
            missing = np.isnan(values)
            if column.missing:
                marks.append(missing)
            values = _standardize(where, column, values, told)
            values[missing] = 0.0
            numbers.append(values)
        return np.column_stack([*numbers, *marks, *ids]).astype(np.float64, copy=False)

    def _numbers(self, where: str, name: str, column: Any) -> NDArray[np.float64]:
        """Return a column of numbers, NaN where one is missing."""
        values = read_numbers(where, name, column, reads_text=name in (self.numeric or ()))
        infinite = np.isinf(values)
        if infinite.any():
            raise ArgumentError(
                f"{where}(frame[{name!r}])",
                "finite numbers",
                f"{values[infinite][0]:g} in row {int(infinite.argmax())}",
                "Put None or NaN where a number is not known.",
            )
        return values

    # What is known after fitting.

    def _known(self) -> _Found:
        if self._found is None:
            fix = "Call its fit(frame) with the training data."
            raise NotFittedError(f"{self}", "a fitted encoder", "one that has seen no table", fix)
        return self._found

    @property
    def columns(self) -> tuple[NumericColumn | CategoricalColumn, ...]:
        """What `fit` has found, in the order of the table."""
        return self._known().columns

    @property
    def embedding_features(self) -> int:
        """How many numbers stand for a category."""
        return self._known().embedding_features

    @property
    def features(self) -> int:
        """Width of what `transform` gives."""
        return len(self.feature_names)

    @property
    def width(self) -> int:
        """Width of what the layer makes of that."""
        counts = self._counts()
        return self.features - len(counts) + len(counts) * self.embedding_features

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each column of what `transform` gives."""
        numeric = [column for column in self.columns if isinstance(column, NumericColumn)]
        return (
            *(column.name for column in numeric),
            *(f"{column.name} is missing" for column in numeric if column.missing),
            *(column.name for column in self.columns if isinstance(column, CategoricalColumn)),
        )

    def _counts(self) -> list[int]:
        """Return the number of ids of each column of categories."""
        return [column.id_count for column in self.columns if isinstance(column, CategoricalColumn)]

    def layer(self) -> Embedding:
        """Make the layer with which a net for this table begins.

        Returns
        -------
        Embedding
            A new one. It takes `features` numbers a row and gives `width`.
        """
        counts = self._counts()
        return Embedding(counts, self.embedding_features, numeric=self.features - len(counts))

    def __repr__(self) -> str:
        if self._found is None:
            return super().__repr__()
        count = len(self.columns)
        lines = [
            f"TableEncoder, fitted: {count} column{'s' if count > 1 else ''} -> {self.features} features -> "
            f"{self.width} inputs"
        ]
        longest = max(len(column.name) for column in self.columns)
        lines += [
            f"  {column.name:{longest}}  {column.kind:11}  {_describe(column)}" for column in self.columns
        ]
        return "\n".join(lines)

    # To a file and back.

    def to_dict(self) -> dict[str, Any]:
        """Return all that is known, as plain data for JSON.

        Returns
        -------
        dict
            What `from_dict` takes.

        Examples
        --------
        >>> TableEncoder().fit({"city": ["Bern", None]}).to_dict()["columns"]
        [{'name': 'city', 'kind': 'categorical', 'categories': ['Bern'], 'missing': True}]
        """
        return {
            **self.config(),
            "embedding_features": self.embedding_features,
            "columns": [_column_to_dict(column) for column in self.columns],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Make the encoder again that `to_dict` described.

        Parameters
        ----------
        state : dict
            What `to_dict` gave.

        Returns
        -------
        TableEncoder
            Fitted.

        Raises
        ------
        ArgumentError
            If it is anything else.

        Examples
        --------
        >>> encoder = TableEncoder().fit({"city": ["Bern", None]})
        >>> TableEncoder.from_dict(encoder.to_dict()).transform({"city": ["Bern", "Genf", None]})
        array([[1.],
               [0.],
               [2.]])
        """
        where = "TableEncoder.from_dict"
        arguments = ("numeric", "categorical", "min_count", "embedding")
        try:
            _check_keys(where, state, (*arguments, "embedding_features", "columns"))
            encoder = cls(**{name: state[name] for name in arguments})
            features = check_integer(f"{where}(embedding_features)", state["embedding_features"], low=1)
            if not isinstance(state["columns"], list) or not state["columns"]:
                raise _not_as_written(f"{where}(columns)", "a list of columns", state["columns"])
            columns = tuple(_column_from_dict(where, column) for column in state["columns"])
            _check_names(f"{where}(columns)", [column.name for column in columns])
        except ArgumentTypeError as error:
            raise ArgumentError(error.where, error.expected, error.got, error.fix) from error
        encoder._found = _Found(columns, features)
        return encoder


def _ids(
    where: str, column: CategoricalColumn, cells: Any, told: set[str], share: float
) -> NDArray[np.float64]:
    """Return the id of each cell of a column, and warn of a large share of unseen ones."""
    ids: dict[Typed | None, int] = {
        (type(category), category): number for number, category in enumerate(column.categories, start=1)
    }
    ids[None] = column.missing_id
    given, meaning = read_categories(where, column.name, cells)
    _check_kinds(where, column, meaning.values())
    id_of = {cell: ids.get(category, 0) for cell, category in meaning.items()}
    there = {cell: category[1] for cell, category in meaning.items() if category is not None}
    unseen = {cell: category for cell, category in there.items() if not id_of[cell]}
    if unseen and column.categories and column.name not in told:
        rows, strange = sum(cell in there for cell in given), sum(cell in unseen for cell in given)
        if strange >= max(UNSEEN_ROWS, share * rows):
            told.add(column.name)
            count = (
                f"none of the {rows:,} values is one"
                if strange == rows
                else f"{strange:,} of the {rows:,} values are none"
            )
            _warn_of_unseen(where, column, sorted(set(unseen.values()), key=str), count)
    return np.fromiter(map(id_of.__getitem__, given), np.float64, len(given))


def _warn_of_unseen(where: str, column: CategoricalColumn, unseen: Sequence[Category], count: str) -> None:
    """Warn of values that the net does not know, such as "bern" where `fit` saw "Bern"."""
    warnings.warn(
        f"{where}(frame[{column.name!r}]): {count} that fit has seen: they are "
        f"{_some(unseen)}, and fit saw {_some(column.categories)}. The net has learned nothing about them. "
        "Write them as they were in fit, or fit encoder and model anew.",
        DataWarning,
        stacklevel=calls_to_user(),
    )


def looks_like_dates(texts: Sequence[str]) -> bool:
    """Tell whether all of some texts are dates, with a time or without.

    Parameters
    ----------
    texts : sequence of str
        The texts.

    Returns
    -------
    bool

    Examples
    --------
    >>> looks_like_dates(["2024-05-01", "1.6.2024", "1/7/24 12:30"]), looks_like_dates(["12-34"])
    (True, False)
    """
    return all(map(_DATE.fullmatch, texts))


def kind_of_text(texts: Sequence[str], rows: int) -> str | None:
    """Tell whether the categories of a column are dates, or names that hardly two rows have.

    Parameters
    ----------
    texts : sequence of str
        The categories, each once.
    rows : int
        How many rows have one of them.

    Returns
    -------
    {"dates", "names"} or None

    Examples
    --------
    >>> kind_of_text([f"2024-05-{day:02}" for day in range(1, 29)], rows=500)
    'dates'
    >>> kind_of_text([f"house {number}" for number in range(60)], rows=80)
    'names'
    """
    if len(texts) >= DATES and looks_like_dates(texts):
        return "dates"
    many = any(len(texts) >= count and rows < each * len(texts) for count, each in MANY_CATEGORIES)
    return "names" if many else None


def _warn_of_many(where: str, name: str, texts: Sequence[str], counts: Mapping[Typed | None, int]) -> None:
    """Warn of text of which each value is there once or twice, of dates and of numbers as text."""
    rows = sum(counts[str, text] for text in texts)
    column = f"frame[{name!r}]"
    place = f"{where}({column})"
    kind = kind_of_text(texts, rows)
    if kind == "dates":
        said = f"{place}: {len(texts):,} dates as text in {rows:,} rows, such as {texts[0]!r}, become"
        day = f"np.asarray({column}, 'datetime64[D]')"
        if not texts[0][:4].isdigit():  # NumPy reads no others
            first = ", dayfirst=True" if any(int(re.split(r"\D", text)[0]) > 12 for text in texts) else ""
            day = f"pandas.to_datetime({column}{first}).to_numpy('datetime64[D]')"
        fix = (
            "categories, of which other dates know nothing. Count days, "
            f"({day} - np.datetime64('2000-01-01')) / np.timedelta64(1, 'D'), or name"
        )
    elif len(texts) >= DATES and len(found := list(filter(_NUMBER.fullmatch, texts))) >= NUMBERS * len(texts):
        said = f"{place}: {len(texts):,} categories, such as {_some(found)}, are numbers as text"
        others = sorted(set(texts) - set(found))
        commas = ".str.replace(',', '')" if any("," in text for text in found) else ""
        said += f" ({_some(others)} {'is' if len(others) == 1 else 'are'} not)" if others else ""
        fix = f"and larger ones know nothing of smaller ones. Write pandas.to_numeric({column}{commas}, "
        fix += "errors='coerce'), which takes what is no number for missing, or name"
    elif kind == "names":
        said = f"{place}: {len(texts):,} categories in {rows:,} rows, such as {_some(texts)}, are like names"
        fix = "of single rows, from which nothing is learned for others. Leave the column out, or name"
    else:
        return
    fix += f" it in TableEncoder(categorical=[{name!r}]), with a min_count=, if that is meant."
    warnings.warn(f"{said} {fix}", DataWarning, stacklevel=calls_to_user())


def _some(values: Sequence[Category]) -> str:
    shown = ", ".join(map(reprlib.repr, values[:3]))
    return shown if len(values) <= 3 else f"{shown}, ..."


def _check_kinds(where: str, column: CategoricalColumn, found: Iterable[Typed | None]) -> None:
    """Refuse whole numbers where `fit` saw only text, and the like: none of them would be known."""
    known = {type(category) for category in column.categories}
    kinds = {typed[0] for typed in found if typed is not None}
    if not known or not kinds or known & kinds:
        return
    kind = min(known, key=KINDS.index)
    words = {bool: "truth values", int: "whole numbers", str: "text"}
    place = f"frame[{column.name!r}]"
    raise ArgumentTypeError(
        f"{where}({place})",
        f"{words[kind]}, like the categories that fit saw",
        f"only {words[min(kinds, key=KINDS.index)]}",
        f"Write [{kind.__name__}(value) for value in {place}], or put None where a category is not known.",
    )


def _standardize(
    where: str, column: NumericColumn, values: NDArray[np.float64], told: set[str]
) -> NDArray[np.float64]:
    """Return numbers in standard deviations from the mean, and warn if most are far from those of `fit`."""
    with np.errstate(over="ignore"):  # refused below
        standardized = (values - column.mean) / column.scale
    infinite = np.isinf(standardized)
    if infinite.any():
        raise ArgumentError(
            f"{where}(frame[{column.name!r}])",
            f"numbers near those that fit saw, {column.mean:g} give or take {column.scale:g}",
            f"{values[infinite][0]:g} in row {int(infinite.argmax())}",
            "Correct it, or put None where a number is not known.",
        )
    there = np.sort(standardized[~np.isnan(standardized)])
    if column.name not in told and len(there) >= UNSEEN_ROWS:
        middle = float(there[len(there) // 2])  # and no mean of two, which may overflow
        if abs(middle) > FAR:
            told.add(column.name)
            warnings.warn(
                f"{where}(frame[{column.name!r}]): the median of {len(there):,} numbers is "
                f"{column.mean + middle * column.scale:.4g}, where fit saw {column.mean:.4g} give or take "
                f"{column.scale:.4g}. The net has learned nothing about such numbers. Give them in the unit "
                "that fit saw, or fit encoder and model anew.",
                DataWarning,
                stacklevel=calls_to_user(),
            )
    return standardized


def _rule_of_thumb(columns: Iterable[NumericColumn | CategoricalColumn]) -> int:
    """Return the fourth root of the largest number of ids, rounded up."""
    largest = max((column.id_count for column in columns if isinstance(column, CategoricalColumn)), default=1)
    return math.ceil(math.sqrt(math.sqrt(largest)))


def _describe(column: NumericColumn | CategoricalColumn) -> str:
    """Say in a line what is known of a column."""
    if isinstance(column, NumericColumn):
        marked = "; missing values are marked" if column.missing else ""
        return f"mean {column.mean:.4g}, scale {column.scale:.4g}{marked}"
    shown = [reprlib.repr(category) for category in column.categories[:4]]
    if len(column.categories) > len(shown):
        shown.append("...")
    count = len(column.categories)
    named = f": {', '.join(shown)}" if shown else ""
    missing = "; missing is one more" if column.missing else ""
    return f"{count} categor{'y' if count == 1 else 'ies'}{named}{missing}"


def _check_names(where: str, names: Any) -> list[str] | None:
    """Check names of columns."""
    if names is None:
        return None
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(
            where, "a list of names of columns", reprlib.repr(names), "Write it as ['age']."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ArgumentError(where, "names that differ", f"{twice[0]!r} twice", "Leave one of them out.")
    return list(names)


def _check_keys(where: str, state: Any, keys: Sequence[str]) -> None:
    if not isinstance(state, Mapping) or set(state) != set(keys):
        got = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
        raise _not_as_written(where, f"a dict of {', '.join(keys)}", got)


def _not_as_written(where: str, expected: str, got: Any) -> ArgumentError:
    return ArgumentError(where, expected, reprlib.repr(got), "Give what to_dict() gave.")


def _column_to_dict(column: NumericColumn | CategoricalColumn) -> dict[str, Any]:
    found = {"name": column.name, "kind": column.kind, **column._asdict()}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _column_from_dict(where: str, state: Any) -> NumericColumn | CategoricalColumn:
    """Check one entry of the columns that `to_dict` gave."""
    place = f"{where}(columns)"
    if not isinstance(state, Mapping) or state.get("kind") not in ("numeric", "categorical"):
        raise _not_as_written(place, "columns of kind numeric or categorical", state)
    numeric = state["kind"] == "numeric"
    _check_keys(
        place, state, ("name", "kind", "missing", *(("mean", "scale") if numeric else ("categories",)))
    )
    name, missing = state["name"], check_bool(f"{place}(missing)", state["missing"])
    if not isinstance(name, str):
        raise _not_as_written(f"{place}(name)", "text", name)
    if numeric:
        mean = check_number(f"{place}(mean)", state["mean"])
        return NumericColumn(
            name, mean, check_number(f"{place}(scale)", state["scale"], low=0, low_open=True), missing
        )
    categories = state["categories"]
    if not isinstance(categories, list) or not all(type(category) in KINDS for category in categories):
        raise _not_as_written(f"{place}(categories)", "a list of text, whole numbers and bools", categories)
    if len({(type(category), category) for category in categories}) < len(categories):
        raise _not_as_written(f"{place}(categories)", "categories that differ", categories)
    return CategoricalColumn(name, tuple(categories), missing)


def day_first(dates: Sequence[str]) -> str:
    """Return what tells pandas that dates begin with the day, where a first number is no month.

    Parameters
    ----------
    dates : sequence of str
        As text.

    Returns
    -------
    str
        An argument more, or nothing.

    Examples
    --------
    >>> day_first(["1/2/2024", "19/9/2023"])
    ', dayfirst=True'
    """
    return ", dayfirst=True" if any(re.match(r"(1[3-9]|[23]\d)[-./]", date) for date in dates) else ""
