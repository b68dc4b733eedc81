"""Small data sets to learn on: six that are generated and two real ones that ship inside nnlite.

Each function returns a `Dataset`, which unpacks into inputs and targets:
``X, y = datasets.digits()``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer, check_number, check_rng
from nnlite.errors.habits import missing_names

__all__ = ["Dataset", "blobs", "circles", "digits", "iris", "moons", "sine", "spirals", "xor"]


class Dataset:
    """Inputs and targets, and what they mean.

    Parameters
    ----------
    name : str
        What the data set is called.
    X : ndarray of shape (rows, features)
        The inputs, float32.
    y : ndarray of shape (rows,) or (rows, 1)
        Class ids of dtype int64 and shape (rows,), or for regression float32 targets of
        shape (rows, 1).
    feature_names : tuple of str
        One name for each column of `X`.
    class_names : tuple of str
        The name of each class id; empty for regression.
    source : str
        Where the data come from and under which licence, or "generated".

    Examples
    --------
    >>> from nnlite import datasets
    >>> data = datasets.iris()
    >>> data
    Dataset(iris: 150 rows of 4 features, 3 classes)
    >>> X, y = data
    >>> X.shape, data.class_names[y[0]]
    ((150, 4), 'setosa')
    """

    def __init__(
        self,
        name: str,
        X: Array,
        y: AnyArray,
        feature_names: tuple[str, ...],
        class_names: tuple[str, ...] = (),
        source: str = "generated",
    ) -> None:
        self.name = name
        self.X = X
        self.y = y
        self.feature_names = feature_names
        self.class_names = class_names
        self.source = source

    def __iter__(self) -> Iterator[AnyArray]:
        yield self.X
        yield self.y

    def __getitem__(self, index: int) -> AnyArray:
        """Return the inputs for 0, the targets for 1."""
        if index not in (0, 1, -1, -2):
            fix = "Write X, y = data, and then X[i] and y[i]."
            raise ArgumentError(
                f"{self.name}()[{index!r}]", "0 for the inputs or 1 for the targets", "another", fix
            )
        return (self.X, self.y)[index]

    def __repr__(self) -> str:
        rows, features = self.X.shape
        columns = "1 feature" if features == 1 else f"{features} features"
        target = f"{len(self.class_names)} classes" if self.class_names else "a number to predict"
        return f"Dataset({self.name}: {rows} rows of {columns}, {target})"


@explained
def xor() -> Dataset:
    """Return the four rows of "one or the other, but not both".

    No straight line separates the two classes, so a net without a hidden layer fails.

    Returns
    -------
    Dataset
        4 rows of 2 features, 2 classes.

    References
    ----------
    Minsky, Papert: Perceptrons, MIT Press 1969.

    Examples
    --------
    >>> from nnlite import datasets
    >>> X, y = datasets.xor()
    >>> X.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    x1, x2 = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    return _plane("xor", x1, x2, x1 ^ x2, class_names=("equal", "different"))


@explained
def spirals(samples: int = 300, *, classes: int = 3, noise: float = 0.03, rng: RNG = None) -> Dataset:
    """Return spiral arms that make one full turn around a common centre.

    Parameters
    ----------
    samples : int
        The number of rows, at least `classes`; split between the arms as evenly as possible.
    classes : int
        The number of arms, at least 2.
    noise : float
        The standard deviation of the Gaussian noise on each coordinate, at least 0. The
        arms reach from 0.1 to 1 away from the centre and lie ``1 / classes`` apart.
    rng : int, numpy.random.Generator or None
        Draws the points.

    Returns
    -------
    Dataset
        2 features; the rows in random order.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite import datasets
    >>> datasets.spirals(500, classes=2, rng=0)
    Dataset(spirals: 500 rows of 2 features, 2 classes)
    """
    classes = check_integer("spirals(classes=)", classes, low=2)
    ids, generator = _shuffled_ids("spirals", samples, classes, rng)
    radius = generator.uniform(0.1, 1.0, len(ids))
    angle = 2.0 * np.pi * (radius + ids / classes)
    x1, x2 = radius * np.cos(angle), radius * np.sin(angle)
    return _plane("spirals", x1, x2, ids, noise=noise, rng=generator, class_names=_numbered(classes))


@explained
def moons(samples: int = 200, *, noise: float = 0.1, rng: RNG = None) -> Dataset:
    """Return two half circles that reach into each other.

    Parameters
    ----------
    samples : int
        The number of rows, at least 2; split between the classes as evenly as possible.
    noise : float
        The standard deviation of the Gaussian noise on each coordinate, at least 0. The
        half circles have the radius 1.
    rng : int, numpy.random.Generator or None
        Draws the points.

    Returns
    -------
    Dataset
        2 features, 2 classes; the rows in random order.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite import datasets
    >>> datasets.moons(rng=0)
    Dataset(moons: 200 rows of 2 features, 2 classes)
    """
    ids, generator = _shuffled_ids("moons", samples, 2, rng)
    angle = generator.uniform(0.0, np.pi, len(ids))
    # The lower moon is the upper one turned by half a turn around (0.5, 0.25).
    x1 = np.where(ids == 0, np.cos(angle), 1.0 - np.cos(angle))
    x2 = np.where(ids == 0, np.sin(angle), 0.5 - np.sin(angle))
    return _plane("moons", x1, x2, ids, noise=noise, rng=generator, class_names=("upper", "lower"))


@explained
def circles(
    samples: int = 200, *, noise: float = 0.05, inner_radius: float = 0.5, rng: RNG = None
) -> Dataset:
    """Return a small circle inside a circle of radius 1.

    Parameters
    ----------
    samples : int
        The number of rows, at least 2; split between the classes as evenly as possible.
    noise : float
        The standard deviation of the Gaussian noise on each coordinate, at least 0.
    inner_radius : float
        The radius of the small circle, between 0 and 1.
    rng : int, numpy.random.Generator or None
        Draws the points.

    Returns
    -------
    Dataset
        2 features, 2 classes; the rows in random order.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite import datasets
    >>> datasets.circles(rng=0)
    Dataset(circles: 200 rows of 2 features, 2 classes)
    """
    inner = check_number(
        "circles(inner_radius=)", inner_radius, low=0.0, high=1.0, low_open=True, high_open=True
    )
    ids, generator = _shuffled_ids("circles", samples, 2, rng)
    angle = generator.uniform(0.0, 2.0 * np.pi, len(ids))
    radius = np.where(ids == 0, 1.0, inner)
    x1, x2 = radius * np.cos(angle), radius * np.sin(angle)
    return _plane("circles", x1, x2, ids, noise=noise, rng=generator, class_names=("outer", "inner"))


@explained
def blobs(samples: int = 300, *, classes: int = 3, noise: float = 0.2, rng: RNG = None) -> Dataset:
    """Return round clouds, their centres spread evenly over a circle of radius 1.

    Parameters
    ----------
    samples : int
        The number of rows, at least `classes`; split between the clouds as evenly as possible.
    classes : int
        The number of clouds, at least 2.
    noise : float
        The standard deviation of a cloud along each coordinate, at least 0.
    rng : int, numpy.random.Generator or None
        Draws the points.

    Returns
    -------
    Dataset
        2 features; the rows in random order.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite import datasets
    >>> datasets.blobs(100, classes=4, rng=0)
    Dataset(blobs: 100 rows of 2 features, 4 classes)
    """
    classes = check_integer("blobs(classes=)", classes, low=2)
    ids, generator = _shuffled_ids("blobs", samples, classes, rng)
    angle = 2.0 * np.pi * ids / classes
    x1, x2 = np.cos(angle), np.sin(angle)
    return _plane("blobs", x1, x2, ids, noise=noise, rng=generator, class_names=_numbered(classes))


@explained
def sine(samples: int = 200, *, noise: float = 0.1, rng: RNG = None) -> Dataset:
    """Return one period of a sine wave, for regression.

    Parameters
    ----------
    samples : int
        The number of rows, at least 1.
    noise : float
        The standard deviation of the Gaussian noise on the target, at least 0.
    rng : int, numpy.random.Generator or None
        Draws the points.

    Returns
    -------
    Dataset
        1 feature, between minus pi and pi in random order, and targets of shape (rows, 1).

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite import datasets
    >>> data = datasets.sine(50, rng=0)
    >>> data
    Dataset(sine: 50 rows of 1 feature, a number to predict)
    >>> data.y.shape
    (50, 1)
    """
    samples = check_integer("sine(samples=)", samples, low=1)
    spread = check_number("sine(noise=)", noise, low=0.0)
    generator = check_rng("sine(rng=)", rng)
    x = generator.uniform(-np.pi, np.pi, (samples, 1))
    y = np.sin(x) + spread * generator.normal(size=x.shape)
    return Dataset("sine", x.astype(np.float32), y.astype(np.float32), feature_names=("x",))


@explained
def digits() -> Dataset:
    """Return 1,797 handwritten digits as images of 8 by 8 pixels.

    A pixel is how many of the 16 dots behind it were inked, from 0 to 16. Each row holds
    the pixels of one image, line by line; ``X[i].reshape(8, 8)`` is the image.

    Returns
    -------
    Dataset
        1,797 rows of 64 features, 10 classes.

    References
    ----------
    Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository 1998, the test part. https://doi.org/10.24432/C50P49

    Examples
    --------
    >>> from nnlite import datasets
    >>> X, y = datasets.digits()
    >>> X[0].reshape(8, 8)[:2].tolist(), int(y[0])
    ([[0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0], [0.0, 0.0, 13.0, 15.0, 10.0, 15.0, 5.0, 0.0]], 0)
    """
    X, y = _shipped("digits")
    return Dataset(
        "digits",
        X.astype(np.float32),
        y.astype(np.int64),
        feature_names=tuple(f"pixel_{line}_{column}" for line in range(8) for column in range(8)),
        class_names=_numbered(10),
        source="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0",
    )


@explained
def iris() -> Dataset:
    """Return the measurements of 150 iris flowers of three species, in centimetres.

    Returns
    -------
    Dataset
        150 rows of 4 features, 3 classes, sorted by class.

    References
    ----------
    Fisher: The Use of Multiple Measurements in Taxonomic Problems, Annals of Eugenics 7,
    1936, 179-188, table I. https://doi.org/10.1111/j.1469-1809.1936.tb02137.x
    UCI Machine Learning Repository: https://doi.org/10.24432/C56C76

    Examples
    --------
    >>> from nnlite import datasets
    >>> X, y = datasets.iris()
    >>> X[0], int(y[0])
    (array([5.1, 3.5, 1.4, 0.2], dtype=float32), 0)
    """
    millimetres, y = _shipped("iris")
    return Dataset(
        "iris",
        (millimetres / 10).astype(np.float32),
        y.astype(np.int64),
        feature_names=("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
        class_names=("setosa", "versicolor", "virginica"),
        source="R. A. Fisher, Iris, 1936, UCI Machine Learning Repository, "
        "https://doi.org/10.24432/C56C76, CC BY 4.0, with two rows corrected to Fisher's paper",
    )


def _shuffled_ids(
    name: str, samples: int, classes: int, rng: RNG
) -> tuple[NDArray[np.int64], np.random.Generator]:
    """Give class ids in random order, each as often as the others or once more."""
    samples = check_integer(f"{name}(samples=)", samples, low=classes)
    generator = check_rng(f"{name}(rng=)", rng)
    return generator.permutation(np.arange(samples) % classes), generator


def _plane(
    name: str,
    x1: AnyArray,
    x2: AnyArray,
    ids: NDArray[np.int64],
    *,
    class_names: tuple[str, ...],
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Dataset:
    """Make a data set of points in the plane."""
    spread = check_number(f"{name}(noise=)", noise, low=0.0)
    X = np.column_stack([x1, x2])
    if rng is not None:
        X = X + spread * rng.normal(size=X.shape)
    return Dataset(name, X.astype(np.float32), ids, ("x1", "x2"), class_names)


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(classes))


def _shipped(name: str) -> tuple[AnyArray, AnyArray]:
    """Read one of the files that tools/make_data_files.py writes."""
    from importlib.resources import files

    path = files("nnlite").joinpath("datasets", "files", f"{name}.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["X"], arrays["y"]


__getattr__ = missing_names(__name__)
