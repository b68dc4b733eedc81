"""Data sets: shapes, dtypes, geometry, and that the shipped files are the real data."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from nnlite import datasets
from nnlite.errors import ArgumentError, ArgumentTypeError

PLANE = [datasets.spirals, datasets.moons, datasets.circles, datasets.blobs]
GENERATED = [*PLANE, datasets.sine]
DATA_FILES = files("nnlite").joinpath("datasets", "files")


def by_name(function):
    return function.__name__


@pytest.mark.parametrize("make", [*GENERATED, datasets.xor, datasets.digits, datasets.iris], ids=by_name)
def test_every_data_set_unpacks_and_describes_itself(make):
    data = make()
    X, y = data
    assert X is data.X
    assert y is data.y
    assert data.name == make.__name__
    assert X.dtype == np.float32
    assert X.shape == (len(y), len(data.feature_names))
    assert np.isfinite(X).all()
    if data.class_names:
        assert (y.dtype, y.ndim) == (np.int64, 1)
        assert set(y) == set(range(len(data.class_names)))
    else:
        assert (y.dtype, y.shape) == (np.float32, (len(X), 1))
    assert repr(data).startswith(f"Dataset({data.name}: {len(X)} rows of ")
    assert len(repr(data)) < 80


def test_xor_is_exclusive_or():
    X, y = datasets.xor()
    assert {(*map(int, row), int(c)) for row, c in zip(X, y, strict=True)} == {
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
    }


@pytest.mark.parametrize("make", GENERATED, ids=by_name)
def test_the_seed_decides_the_data(make):
    first, again, other = make(20, rng=1), make(20, rng=1), make(20, rng=2)
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.X, other.X)
    assert first.source == "generated"


@pytest.mark.parametrize("make", PLANE, ids=by_name)
@pytest.mark.parametrize("samples", [3, 10, 11, 100])
def test_classes_are_even_and_rows_are_shuffled(make, samples):
    data = make(samples, rng=0)
    counts = np.bincount(data.y, minlength=len(data.class_names))
    assert counts.sum() == samples
    assert counts.max() - counts.min() <= 1
    if samples == 100:
        first_half = np.bincount(data.y[:50], minlength=len(counts))
        assert 1 < first_half.max() - first_half.min() < 20


@pytest.mark.parametrize("make", [datasets.spirals, datasets.blobs], ids=by_name)
def test_the_number_of_classes_can_be_chosen(make):
    data = make(50, classes=5, rng=0)
    assert data.class_names == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize("make", GENERATED, ids=by_name)
def test_noise_has_the_size_that_is_asked_for(make):
    clean, noisy = make(4000, noise=0.0, rng=3), make(4000, noise=0.25, rng=3)
    if make is datasets.sine:
        np.testing.assert_array_equal(clean.X, noisy.X)
        moved = noisy.y - clean.y
    else:
        np.testing.assert_array_equal(clean.y, noisy.y)
        moved = noisy.X - clean.X
    assert moved.std() == pytest.approx(0.25, rel=0.05)
    assert abs(moved.mean()) < 0.02


def test_spirals_without_noise_are_turned_copies_of_one_arm():
    X, y = datasets.spirals(300, classes=3, noise=0.0, rng=0)
    radius = np.hypot(X[:, 0], X[:, 1])
    assert 0.1 <= radius.min() < 0.15
    assert 0.95 < radius.max() <= 1.0
    turns = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi) - y / 3
    off = (turns - radius + 0.5) % 1.0 - 0.5
    np.testing.assert_allclose(off, 0.0, atol=1e-5)


def test_moons_without_noise_are_half_circles():
    X, y = datasets.moons(200, noise=0.0, rng=0)
    centre = np.where(y[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    np.testing.assert_allclose(np.hypot(*(X - centre).T), 1.0, atol=1e-6)
    assert np.all((X - centre)[y == 0, 1] >= -1e-6)
    assert np.all((X - centre)[y == 1, 1] <= 1e-6)


def test_circles_without_noise_have_their_radii():
    X, y = datasets.circles(100, noise=0.0, inner_radius=0.3, rng=0)
    np.testing.assert_allclose(np.hypot(*X.T), np.where(y == 0, 1.0, 0.3), atol=1e-6)


def test_blobs_lie_around_their_centres():
    X, y = datasets.blobs(4000, classes=4, rng=0)
    means = np.array([X[y == c].mean(axis=0) for c in range(4)])
    np.testing.assert_allclose(means, [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=0.04)


def test_sine_without_noise_is_the_sine_of_one_period():
    X, y = datasets.sine(500, noise=0.0, rng=0)
    np.testing.assert_allclose(y, np.sin(X), atol=1e-6)
    assert X.min() < -3.0
    assert X.max() > 3.0
    assert abs(X).max() <= np.float32(np.pi)


@pytest.mark.parametrize(
    ("call", "kind", "where"),
    [
        (lambda: datasets.spirals(2), ArgumentError, "spirals(samples=)"),
        (lambda: datasets.spirals(classes=1), ArgumentError, "spirals(classes=)"),
        (lambda: datasets.spirals(noise=-0.1), ArgumentError, "spirals(noise=)"),
        (lambda: datasets.moons(1), ArgumentError, "moons(samples=)"),
        (lambda: datasets.moons(10.0), ArgumentTypeError, "moons(samples=)"),
        (lambda: datasets.moons(noise="much"), ArgumentTypeError, "moons(noise=)"),
        (lambda: datasets.circles(inner_radius=1.0), ArgumentError, "circles(inner_radius=)"),
        (lambda: datasets.circles(rng=-1), ArgumentError, "circles(rng=)"),
        (lambda: datasets.blobs(noise=np.nan), ArgumentError, "blobs(noise=)"),
        (lambda: datasets.sine(0), ArgumentError, "sine(samples=)"),
        (lambda: datasets.sine(noise=-1), ArgumentError, "sine(noise=)"),
        (lambda: datasets.sine(rng="x"), ArgumentTypeError, "sine(rng=)"),
    ],
)
def test_settings_are_checked(call, kind, where):
    with pytest.raises(kind) as error:
        call()
    assert error.value.where == where


@pytest.mark.parametrize(("name", "doi"), [("digits", "10.24432/C50P49"), ("iris", "10.24432/C56C76")])
def test_shipped_data_name_their_source_and_licence(name, doi):
    source = getattr(datasets, name)().source
    readme = DATA_FILES.joinpath("README.md").read_text(encoding="utf-8")
    for fact in (doi, "CC BY 4.0"):
        assert fact in source
        assert fact in readme
    assert f"{name}.npz" in readme


def test_shipped_files_are_small():
    sizes = {name: len(DATA_FILES.joinpath(f"{name}.npz").read_bytes()) for name in ("digits", "iris")}
    assert sizes["digits"] < 150_000
    assert sizes["iris"] < 5_000


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_shipped_data_are_those_of_scikit_learn(name):
    theirs = getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")()
    data = getattr(datasets, name)()
    np.testing.assert_array_equal(data.X, theirs.data.astype(np.float32))
    np.testing.assert_array_equal(data.y, theirs.target)
    assert data.class_names == tuple(str(c) for c in theirs.target_names)
    assert data.feature_names == tuple(theirs.feature_names)


def test_iris_is_the_table_of_fishers_paper():
    X, _ = datasets.iris()
    # The two rows in which the UCI file differs from the paper.
    np.testing.assert_array_equal(X[34], np.float32([4.9, 3.1, 1.5, 0.2]))
    np.testing.assert_array_equal(X[37], np.float32([4.9, 3.6, 1.4, 0.1]))


def test_each_call_gives_arrays_of_its_own():
    first = datasets.iris()
    first.X[:] = 0.0
    assert datasets.iris().X.any()


def test_the_tool_writes_the_same_arrays_again(tmp_path, capsys):
    pytest.importorskip("sklearn")
    path = Path(__file__).resolve().parents[1] / "tools" / "make_data_files.py"
    spec = importlib.util.spec_from_file_location("make_data_files", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.FOLDER.is_dir()
    tool.FOLDER = tmp_path
    tool.main()
    assert "digits.npz" in capsys.readouterr().out
    for name in ("digits", "iris"):
        with DATA_FILES.joinpath(f"{name}.npz").open("rb") as file, np.load(file) as shipped:
            again = np.load(tmp_path / f"{name}.npz")
            assert set(again) == set(shipped)
            for key in shipped:
                assert again[key].dtype == np.uint8
                np.testing.assert_array_equal(again[key], shipped[key])
            again.close()
    with pytest.raises(SystemExit, match="do not hold the values exactly"):
        tool.as_bytes(np.array([0.5]))
