"""What is measured before training: constants, small spreads, far-off numbers, and the memory that takes."""

import copy
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest

import nnlite as nn
from nnlite.data.moments import Moments
from nnlite.errors import ArgumentError, DataWarning

MSE = nn.MeanSquaredError()
F4, F8 = np.dtype(np.float32), np.dtype(np.float64)


def measured(x, parts=1):
    moments = Moments(x.shape[-1])
    for part in np.array_split(x, parts, axis=-2):
        moments.add(part)
    return moments


@pytest.mark.parametrize("rows", [1, 2, 3, 300, 7001])
@pytest.mark.parametrize("parts", [1, 3])
def test_every_constant_is_seen_as_one(rows, parts, rng):
    """The mean of n equal numbers, computed as a sum, is off by up to n units of the last place."""
    constants = rng.normal(size=300) * 10.0 ** rng.integers(-300, 300, 300)
    moments = measured(np.tile(constants, (rows, 1)), parts)
    assert (moments.spread == 0).all()
    assert (moments.scale(F8) == 1).all()
    np.testing.assert_array_equal(moments.mean, constants)


def test_a_million_rows_of_a_constant():
    moments = measured(np.full((1_000_000, 1), 14.62), 5)
    assert moments.spread == 0
    assert moments.mean == 14.62


@pytest.mark.parametrize("base", [1e7, 1e9, -1e12, 1e15])
def test_a_column_that_varies_by_little_is_not_constant(base):
    x = base + np.array([0.0, 1.0, 1.0, 0.0] * 100)[:, None]
    moments = measured(x, 3)
    np.testing.assert_allclose(moments.spread, 0.5, rtol=1e-12)
    np.testing.assert_allclose(moments.mean - base, 0.5, atol=1e-15 * abs(base))
    one = np.full((100_000, 1), 1e9)
    one[77_777] += 1  # in one row of many
    np.testing.assert_allclose(measured(one, 4).spread, np.sqrt(1e-5 * (1 - 1e-5)), rtol=1e-9)


def test_rounding_noise_is_no_spread():
    assert measured(np.array([[0.1 + 0.2], [0.3], [0.3]])).scale(F8) == 1


@pytest.mark.parametrize("size", [2.0**-1000, 2.0**-500, 1.0, 2.0**900])
def test_numbers_of_any_size(size, rng):
    x = rng.normal(3, 2, (500, 2))
    moments = measured(x * size, 7)
    np.testing.assert_allclose(moments.mean / size, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.spread / size, x.std(axis=0), rtol=1e-13)


def test_the_unit_grows_with_the_numbers(rng):
    x = rng.normal(size=(400, 1)) * np.repeat(10.0 ** np.arange(-200, 200, 100), 100)[:, None]
    moments = measured(x, 40)
    unit = np.abs(x).max()
    np.testing.assert_allclose(moments.spread / unit, (x / unit).std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scale_has_a_reciprocal(dtype):
    """A scale of 1e-46 in float32 is 0, and what is divided by it is broken for good."""
    tiny = np.array([[0.0], [np.finfo(dtype).smallest_subnormal], [0.0], [0.0]], dtype)
    model = nn.Sequential([nn.Standardize(1)], dtype=dtype)
    model.adapt(tiny)
    assert model[0].scale == 1
    assert model.predict([[1.0]]) == 1


def test_a_weight_is_a_number_of_copies(rng):
    x, weight = rng.normal(1e6, 1, (200, 2)), rng.integers(0, 4, 200)
    x[weight == 0] = 1e30  # not there
    moments = Moments(2)
    for part in (slice(0, 70), slice(70, 200)):
        moments.add(x[part], weight[part])
    copies = np.repeat(x, weight, axis=0)
    assert moments.rows == weight.sum()
    np.testing.assert_allclose(moments.mean, copies.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.spread, copies.std(axis=0), rtol=1e-9)


def test_replicas_with_data_of_their_own_are_measured_each(rng):
    own = rng.normal(size=(3, 50, 2))
    own[1, :, 0] = 14.62
    layer = nn.Sequential([nn.Standardize(2)], dtype=F8, replicas=3)[0]
    layer.adapt(own)
    assert layer.scale.shape == (3, 1, 2)
    assert layer.scale[1, 0, 0] == 1
    assert layer.mean[1, 0, 0] == 14.62
    np.testing.assert_allclose(layer.mean[0, 0], own[0].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.scale[2, 0], own[2].std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_way_to_fit_sees_a_constant(dtype, tmp_path, rng):
    X = rng.normal(size=(300, 3))
    X[:, 1] = 14.62
    np.save(tmp_path / "x.npy", X)
    given = {"array": X, "file": np.load(tmp_path / "x.npy", mmap_mode="r"), "list": X.tolist()}
    given["batches"] = [(X[i : i + 7], X[i : i + 7, :1]) for i in range(0, 300, 7)]
    for kind, data in given.items():
        net = nn.Sequential([nn.Standardize(3), nn.Dense(3, 1)], dtype=dtype, rng=0)
        y = None if kind == "batches" else X[:, :1]
        net.fit(data, y, loss=MSE, optimizer=nn.SGD(0.01), epochs=1)
        assert net[0].scale[1] == 1, kind
        other = X[:1] + np.array([0, 1, 0])
        assert abs(net.predict(other) - net.predict(X[:1])) < 2, kind


def test_the_encoder_sees_a_constant_too(rng):
    for constant in rng.normal(size=50) * 10.0 ** rng.integers(-9, 9, 50):
        (column,) = nn.TableEncoder().fit({"x": np.full(300, constant)}).columns
        assert (column.mean, column.scale) == (constant, 1.0)
    (column,) = nn.TableEncoder().fit({"x": 1e9 + np.array([0, 1] * 50)}).columns
    assert column.scale == pytest.approx(0.5, rel=1e-12)


def test_scaled_targets_likewise():
    pytest.importorskip("sklearn")
    from nnlite.sklearn.scaling import TargetScale

    Y = np.column_stack([np.full(300, 14.62), 1e14 + np.arange(300) % 2, np.arange(300.0)])
    Y[:5, 2] = np.nan
    scale = TargetScale(Y)
    np.testing.assert_allclose(scale.scale, [1, 0.5, np.arange(5, 300).std()], rtol=1e-12)
    assert scale.mean[0] == 14.62


# Memory.


@pytest.mark.parametrize("given", ["float32", "float64"])
@pytest.mark.parametrize("use", ["adapt", "fit", "replicas"])
def test_measuring_takes_the_memory_of_a_block(given, use):
    """Once float32 data took six times their size on the way, and so did fit."""
    X = np.random.default_rng(0).normal(size=(250_000, 20)).astype(given)
    y = X[:, :1].astype(np.float32)
    model = nn.Sequential(
        [nn.Standardize(20), nn.Dense(20, 1)], rng=0, replicas=2 if use == "replicas" else None
    )
    tracemalloc.start()
    try:
        if use == "fit":
            model.fit(X, y, loss=MSE, optimizer=nn.SGD(0.01), epochs=1, batch_size=4096)
        else:
            model.adapt(X.reshape(2, -1, 20) if use == "replicas" else X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8e6, f"{peak:,} bytes beside {X.nbytes:,} of data"


# Numbers far from 0 in a net of float32.


def times(rows=200):
    """Seconds since 1970 within five minutes, of which float32 holds three."""
    rng = np.random.default_rng(3)
    t = 1.7e9 + np.sort(rng.uniform(0, 300, rows))
    return np.column_stack([t, rng.normal(size=rows)]), ((t - t.mean()) / t.std())[:, None]


def net(**options):
    layers = [nn.Standardize(2), nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)]
    return nn.Sequential(layers, rng=0, **options)


def trained(X, y=None, **options):
    model = net()
    model.fit(X, y, loss=MSE, optimizer=nn.Adam(0.02), epochs=30, **options)
    return model


def test_times_are_learned_from():
    X, y = times()
    model = trained(X, y, validation=0.2)
    pred = model.predict(X)
    assert pred.dtype == np.float32
    assert len(np.unique(pred)) == len(X)
    assert model.evaluate(X, y, metrics=[nn.metrics.r2])["r2"] > 0.98
    model = trained(X, y)
    np.testing.assert_allclose(model[0].mean, X.mean(axis=0), rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(model[0].forward(X).std(axis=0), 1, rtol=1e-5)


def test_times_come_through_every_door(tmp_path):
    X, y = times()
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = trained(X, y)
    pred = model.predict(X)
    np.testing.assert_array_equal(trained(mapped, y).predict(mapped), pred)
    for given in (X.tolist(), np.asfortranarray(X)):
        np.testing.assert_array_equal(model.predict(given), pred)
    np.testing.assert_array_equal(np.concatenate(list(model.predict_blocks([X[:100], X[100:]]))), pred)
    np.testing.assert_allclose(model.forward(X), pred, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.activations(X)[-1], pred, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.safetensors")
    again = nn.load(tmp_path / "model.safetensors")
    for copied in (again, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copied.predict(X), pred)
    batches = [(X[:100], y[:100]), (X[100:], y[100:])]
    assert len(np.unique(trained(batches).predict(X))) == len(X)
    integers = X.copy()
    integers[:, 0] = np.rint(integers[:, 0])
    many = len(np.unique(integers[:, 0]))
    assert len(np.unique(trained(integers.astype(np.int64), y).predict(integers)[:, 0])) >= many


def test_times_in_frames_and_blocks():
    pandas, dask = pytest.importorskip("pandas"), pytest.importorskip("dask.array")
    X, y = times()
    model = trained(X, y)
    np.testing.assert_array_equal(model.predict(pandas.DataFrame(X)), model.predict(X))
    blocks = dask.from_array(X, chunks=(64, 2))
    np.testing.assert_allclose(model.predict(blocks), model.predict(X), rtol=1e-5, atol=1e-6)


def test_times_of_each_replica():
    X, y = times()
    model = net(replicas=2)
    own = np.stack([X, X + np.array([1e5, 0])])
    model.fit(own, y, loss=MSE, optimizer=nn.Adam(0.02), epochs=3)
    np.testing.assert_allclose(model[0].mean[:, 0], own.mean(axis=1), rtol=1e-15, atol=1e-14)
    np.testing.assert_allclose(model.replica(1).predict(own[1]), model.predict(own)[1], rtol=1e-5, atol=1e-6)


def test_times_behind_flatten():
    X, y = times()
    model = nn.Sequential([nn.Flatten((2, 1)), nn.Standardize(2), nn.Dense(2, 1)], rng=0)
    model.fit(X[..., None], y, loss=MSE, optimizer=nn.Adam(0.1), epochs=30)
    assert len(np.unique(model.predict(X[..., None]))) == len(X)


def test_a_checkpoint_keeps_the_mean_of_times(tmp_path):
    X, y = times()
    path = tmp_path / "run.ck"
    options = {"loss": MSE, "rng": 0}
    whole = net()
    whole.fit(X, y, optimizer=nn.Adam(0.02), epochs=4, **options)
    first = net()
    first.fit(X, y, optimizer=nn.Adam(0.02), epochs=2, callbacks=[nn.Checkpoint(path)], **options)
    second = net()
    second.fit(
        X, y, optimizer=nn.Adam(0.02), epochs=4, callbacks=[nn.Checkpoint(path)], resume=path, **options
    )
    assert second[0].mean.dtype == np.float64
    np.testing.assert_array_equal(second.predict(X), whole.predict(X))


def test_ordinary_numbers_keep_the_dtype_of_the_model(rng):
    X = rng.normal(100, 20, (50, 2))
    model = net()
    model.adapt(X)
    assert model[0].mean.dtype == model[0].scale.dtype == np.float32
    assert model.predict(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(model.predict(X.astype(np.float32)), model.predict(X), rtol=1e-4, atol=1e-5)


def test_what_is_too_large_for_the_layers_behind_is_refused():
    X, _ = times(5)
    model = net()
    model.adapt(X)
    X[3, 1] = 1e39
    with pytest.raises(ArgumentError, match=r"too large for float32\) at index \(3, 1\)"):
        model.predict(X)


def test_columns_that_came_collapsed_are_told():
    X, y = times()
    with pytest.warns(
        DataWarning, match=r"feature 0, from 1700000000 to 1700000256, .* Give them in float64"
    ):
        trained(X.astype(np.float32), y)
    alike = np.full((300, 2), 1.7e9, np.float32)
    with pytest.warns(DataWarning, match="feature 0"):
        nn.Standardize(2).adapt(alike)
    nanoseconds = np.array([[1_700_000_000_000_000_000 + 100 * i, i] for i in range(20)])
    with pytest.warns(DataWarning, match="feature 0"):
        nn.Standardize(2).adapt(nanoseconds)


@pytest.mark.parametrize(
    "column",
    [
        np.full(50, 14.62, np.float32),
        np.full(50, 2024, np.float32),
        np.full(50, 1e30),
        np.arange(50, dtype=np.float32) % 2,
        1e7 + np.arange(50, dtype=np.float32) % 2,
        1e9 + np.arange(50) % 2.0,
        1.7e9 + np.arange(50, dtype=np.float32) * 1e4,
    ],
)
def test_of_ordinary_columns_nothing_is_said(column):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Standardize(1).adapt(column[:, None])


def test_source_in_numpy_subtracts_in_float64_and_c_and_onnx_say_that_they_do_not(tmp_path):
    X, y = times()
    model = trained(X, y)
    space = {}
    exec(nn.export.to_numpy(model), space)
    np.testing.assert_allclose(space["predict"](X), model.predict(X), rtol=1e-5, atol=1e-6)
    message = r"takes a mean of about 1\.7e\+09 off .* are 128 apart"
    with pytest.warns(DataWarning, match=message):
        nn.export.to_c(model)
    pytest.importorskip("onnx")
    from nnlite import onnx

    with pytest.warns(DataWarning, match=message):
        onnx.export(model, tmp_path / "net.onnx")
    model = trained(X - [[1.7e9, 0]], y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.export.to_c(model)
