"""Sparse inputs: multiplied as they are, with the results of dense ones."""

import copy
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

ROWS, FEATURES = 60, 40
KINDS = {
    "csr_matrix": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc": sp.csc_array,
    "coo": sp.coo_matrix,
    "lil": sp.lil_array,
    "dok": sp.dok_matrix,
    "bsr": sp.bsr_array,
}
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}
FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)


@pytest.fixture
def dense(rng):
    """Give rows of which most entries are 0."""
    X = rng.normal(size=(ROWS, FEATURES))
    X[rng.random(X.shape) < 0.9] = 0
    return X


@pytest.fixture
def targets(rng):
    return rng.normal(size=(ROWS, 2))


def net(dtype=np.float32, **options):
    return nn.Sequential(
        [nn.Dense(FEATURES, 8), nn.Tanh(), nn.Dense(8, 2)], **{"rng": 0, "dtype": dtype} | options
    )


def close(found, expected, dtype):
    """Compare to within a few roundings of the largest number."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_loss_gradient_and_output_of_the_dense_array(kind, dtype, dense, targets):
    model, loss = net(dtype), nn.MeanSquaredError()
    X = KINDS[kind](dense)
    value = model.loss_and_grad(dense, targets, loss)
    expected = model.params.grads.copy()
    model.params.grads[...] = np.nan
    found = model.loss_and_grad(X, targets, loss)
    assert found == pytest.approx(value, rel=TOLERANCE[dtype])
    close(model.params.grads, expected, dtype)
    assert model.params.grads.dtype == dtype
    close(model.predict(X), model.predict(dense), dtype)
    close(model.predict(X, batch_size=7), model.predict(dense), dtype)
    close(model.forward(X), model.predict(dense), dtype)
    for mine, theirs in zip(model.activations(X), model.activations(dense), strict=True):
        close(mine, theirs, dtype)
        assert type(mine) is np.ndarray


def test_nothing_of_the_size_of_the_dense_input_is_made(monkeypatch, dense, targets):
    def refuse(*args, **kwargs):
        raise AssertionError("made dense")

    for kind in (sp.csr_array, sp.csr_matrix, sp.csc_array, sp.csc_matrix):
        monkeypatch.setattr(kind, "toarray", refuse)
        monkeypatch.setattr(kind, "todense", refuse)
    seen = []

    class Watching(nn.Dense):
        def forward(self, x, ctx=None):
            seen.append(type(x))
            return super().forward(x, ctx)

    X = sp.csr_array(dense)
    model = nn.Sequential([Watching(FEATURES, 2)], rng=0)
    model.fit(X, targets, loss=nn.MeanSquaredError(), optimizer=nn.Adam(), epochs=2, validation=0.2)
    model.predict(X)
    model.evaluate(X, targets, loss=nn.MeanSquaredError())
    assert set(seen) == {sp.csr_array}


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": False}, {"validation": 0.25}, {"batch_size": 1000}], ids=str
)
@pytest.mark.parametrize("optimizer", [nn.SGD, nn.Adam, nn.LBFGS])
def test_training_takes_the_steps_of_the_dense_array(options, optimizer, dense, targets):
    def train(X):
        model = net(np.float64)
        weight = np.linspace(0.5, 2, ROWS)
        history = model.fit(
            X, targets, weight=weight, loss=nn.MeanSquaredError(), optimizer=optimizer(), epochs=4,
            **{"batch_size": 16} | options,
        )  # fmt: skip
        return model, history

    (mine, one), (theirs, other) = train(sp.csr_matrix(dense)), train(dense)
    close(mine.params.values, theirs.params.values, np.float64)
    for column in one.columns:
        if column not in ("learning_rate", "seconds"):
            np.testing.assert_allclose(one[column], other[column], rtol=1e-10)


def test_the_kind_of_matrix_that_is_a_dict_trains_too(dense, targets):
    models = [net(), net()]
    for model, X in zip(models, (sp.dok_array(dense), sp.csr_array(dense)), strict=True):
        model.fit(X, targets, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=2)
        assert model.feature_names is None
    np.testing.assert_array_equal(models[0].params.values, models[1].params.values)


def test_levenberg_marquardt_and_derivatives_of_single_rows(dense, targets):
    loss = nn.MeanSquaredError()
    models = [nn.Sequential([nn.Dense(FEATURES, 2)], rng=0, dtype=np.float64) for _ in range(2)]
    X = sp.csr_array(dense)
    np.testing.assert_array_equal(
        models[0].per_example_gradients(X, targets, loss),
        models[1].per_example_gradients(dense, targets, loss),
    )
    np.testing.assert_array_equal(models[0].jacobian(X), models[1].jacobian(dense))
    for model, data in zip(models, (X, dense), strict=True):
        model.fit(data, targets, loss=loss, optimizer=nn.LevenbergMarquardt(), epochs=3)
    close(models[0].params.values, models[1].params.values, np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_replicas_share_a_sparse_input(dtype, dense, targets):
    model, loss = net(dtype, replicas=3), nn.MeanSquaredError()
    X = sp.csr_array(dense)
    values = model.loss_and_grad(dense, targets, loss)
    expected = model.params.grads.copy()
    np.testing.assert_allclose(model.loss_and_grad(X, targets, loss), values, rtol=TOLERANCE[dtype] * 10)
    close(model.params.grads, expected, dtype)
    close(model.predict(X), model.predict(dense), dtype)
    assert model.ensemble(X).members.shape == (3, ROWS, 2)


def test_replicas_train_on_a_sparse_input_and_keep_a_dropout_of_their_own(dense, targets):
    def train(X):
        layers = [nn.Dense(FEATURES, 8), nn.Tanh(), nn.Dropout(0.5), nn.Dense(8, 2)]
        model = nn.Sequential(layers, replicas=2, rng=[1, 2], dtype=np.float64)
        model.fit(X, targets, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=2, shuffle=False)
        return model.params.values

    close(train(sp.csr_array(dense)), train(dense), np.float64)


@pytest.mark.parametrize("replicas", [None, 2])
def test_the_gradient_of_the_input_is_dense(replicas, dense, targets):
    model = net(np.float64, replicas=replicas)

    def dx(X):
        ctx = model.context(input_gradient=True)
        return model.backward(np.ones_like(model.forward(X, ctx)), ctx)

    np.testing.assert_allclose(dx(sp.csr_array(dense)), dx(dense), atol=1e-13)


def test_entries_that_are_there_twice_or_out_of_order_count_as_in_the_dense_array(targets):
    rows, columns = [0, 0, 0, 1], [3, 1, 3, 2]
    coo = sp.coo_array((np.array([1.0, 2.0, 4.0, 8.0]), (rows, columns)), shape=(2, FEATURES))
    csr = sp.csr_array((coo.data, np.array(columns), np.array([0, 3, 4])), shape=coo.shape)
    before = [csr.data.copy(), csr.indices.copy(), csr.indptr.copy()]
    model = net(np.float64)
    for X in (coo, csr):
        np.testing.assert_allclose(model.predict(X), model.predict(coo.toarray()), atol=1e-14)
    for array, kept in zip((csr.data, csr.indices, csr.indptr), before, strict=True):
        np.testing.assert_array_equal(array, kept)
    truth = sp.csr_array((np.array([True, True]), np.array([0, 0]), np.array([0, 2])), shape=(1, FEATURES))
    np.testing.assert_array_equal(model.predict(truth), model.predict(truth.toarray()))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float64])
def test_any_dtype_of_numbers_is_cast(dtype, dense):
    X = sp.csr_array(np.abs(dense * 10).astype(dtype))
    model = net()
    close(model.predict(X), model.predict(X.toarray()), np.float32)


def test_rows_without_entries_are_rows(targets):
    model = net()
    X = sp.csr_array((ROWS, FEATURES))
    np.testing.assert_array_equal(model.predict(X), model.predict(X.toarray()))
    model.fit(X, targets, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1, batch_size=7)


def broken(**changes):
    X = sp.csr_array(np.eye(3, FEATURES))
    for name, value in changes.items():
        setattr(X, name, value)
    return X


def with_entry(value):
    X = sp.csr_array(np.eye(3, FEATURES))
    X.data[1] = value
    return X


def changed(kind, name, value):
    """Let one index of a matrix point beyond it, behind the back of SciPy."""
    X = kind(np.eye(3, FEATURES))
    getattr(X, name)[1] = value
    return X


class Own(nn.Layer):
    def forward(self, x, ctx=None):
        return x

    def backward(self, dy, ctx):
        return dy


y3 = np.zeros((3, FEATURES))
dense_layer = nn.Dense(FEATURES, FEATURES)
# One mistake a line: as a table they can be read, wrapped they cannot.
# fmt: off
# ruff: noqa: E501
MISTAKES = [
    ("NaN", with_entry(np.nan), dense_layer, ArgumentError, r"NaN at index \(1, 1\)"),
    ("infinity", with_entry(np.inf), dense_layer, ArgumentError, r"infinity .* at index \(1, 1\)"),
    ("too large", with_entry(1e300), dense_layer, ArgumentError, r"too large for float32\) at index \(1, 1\)"),
    ("complex", sp.csr_array(np.eye(3, FEATURES) * 1j), dense_layer, ArgumentTypeError, "dtype complex128"),
    ("width", sp.csr_array(np.eye(3, 5)), dense_layer, ShapeError, r"shape \(batch, 40\), got \(3, 5\)"),
    ("one axis", sp.coo_array(np.ones(FEATURES)), dense_layer, ShapeError, r"got \(40,\)"),
    ("no rows", sp.csr_array((0, FEATURES)), dense_layer, ArgumentError, "at least one row"),
    ("index beyond", broken(indices=np.array([0, 1, FEATURES])), dense_layer, ArgumentError, "indices fit its shape"),
    ("index below", broken(indices=np.array([0, -1, 2])), dense_layer, ArgumentError, "indices fit its shape"),
    ("row ends", broken(indptr=np.array([0, 2, 1, 3])), dense_layer, ArgumentError, "indices fit its shape"),
    ("COO row beyond", changed(sp.coo_array, "row", 10**6), dense_layer, ArgumentError, "indices fit its shape"),
    ("COO column below", changed(sp.coo_matrix, "col", -5), dense_layer, ArgumentError, "indices fit its shape"),
    ("LIL column beyond", changed(sp.lil_array, "rows", [FEATURES]), dense_layer, ArgumentError, "indices fit its shape"),
    ("Standardize", with_entry(1.0), nn.Standardize(FEATURES), ArgumentTypeError, "Divide the columns .* fill in every zero"),
    ("Tanh", with_entry(1.0), nn.Tanh(), ArgumentTypeError, r"layer 0 Tanh\(\) .* a sparse csr_array\. Begin the model with Dense"),
    ("Dropout", with_entry(1.0), nn.Dropout(0.5), ArgumentTypeError, r"write X\.toarray\(\)"),
    ("own layer", with_entry(1.0), Own(), ArgumentTypeError, "Set takes_sparse = True in its class"),
]
# fmt: on
CALLS = {
    "fit": lambda model, X: model.fit(X, y3, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1),
    "predict": lambda model, X: model.predict(X),
    "evaluate": lambda model, X: model.evaluate(X, y3, loss=nn.MeanSquaredError()),
    "loss_and_grad": lambda model, X: model.loss_and_grad(X, y3, nn.MeanSquaredError()),
    "adapt": lambda model, X: model.adapt(X),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("X", "first", "error", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_what_cannot_be_used_is_refused(call, X, first, error, message):
    model = nn.Sequential([copy.deepcopy(first), nn.Dense(FEATURES, FEATURES)], rng=0)
    before = model.params.values.copy()
    with pytest.raises(error, match=message) as caught:
        CALLS[call](model, X)
    assert FORM.fullmatch(str(caught.value))
    np.testing.assert_array_equal(model.params.values, before)


def test_replicas_with_orders_of_their_own_are_refused(dense, targets):
    model = net(replicas=2, rng=[0, 1])
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1}
    X = sp.csr_array(dense)
    with pytest.raises(
        ArgumentError, match="one seed for all replicas, with a sparse X, got one for each"
    ) as caught:
        model.fit(X, targets, **options)
    assert FORM.fullmatch(str(caught.value))
    model.fit(X, targets, **options, shuffle=False, validation=0.5)  # nothing is drawn
    model.fit(X, targets, **options, rng=0, validation=0.5)


def test_a_sparse_target_or_weight_is_refused(dense, targets):
    with pytest.raises(
        ArgumentTypeError, match=r"y: expected an array of numbers, got a sparse .*\.toarray\(\)"
    ):
        net().loss_and_grad(dense, sp.csr_array(targets), nn.MeanSquaredError())


def test_batches_streams_and_splits(dense):
    X, y = sp.csc_array(dense), np.arange(ROWS)
    for x, ids in nn.batches(X, y, batch_size=7, rng=0):
        np.testing.assert_array_equal(x.toarray(), dense[ids])
    for x, ids, weight in nn.batches(X, y, y + 1.0, batch_size=7, shuffle=False):
        np.testing.assert_array_equal(x.toarray(), dense[ids])
        np.testing.assert_array_equal(weight, ids + 1.0)
    parts = nn.train_test_split(X, y, rng=0)
    for rows, ids in (parts[::2], parts[1::2]):
        np.testing.assert_array_equal(rows.toarray(), dense[ids])
    model = net()
    options = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.SGD(0.1), "epochs": 2}
    stream = nn.batches(X, y % 2, batch_size=7, rng=0)
    history = model.fit(stream, validation=list(stream), metrics=[nn.accuracy], **options)
    assert len(history) == 2
    assert model.evaluate(stream, metrics=[nn.accuracy])["accuracy"] >= 0


@pytest.mark.nonfinite
def test_a_divergence_on_sparse_rows_is_explained(dense, targets):
    with pytest.raises(nn.errors.DivergenceError, match="learning rate that is too large"):
        net().fit(sp.csr_array(dense), targets, loss=nn.MeanSquaredError(), optimizer=nn.SGD(1e6), epochs=50)


def test_scipy_is_not_imported_for_dense_data():
    code = "import sys, nnlite as n, numpy as np; m = n.Sequential([n.Dense(2, 1)]); X = np.ones((4, 2))\n"
    code += (
        "m.fit(X, X[:, :1], loss=n.MeanSquaredError(), optimizer=n.SGD(0.1), epochs=1); m.predict([[1, 2]])\n"
    )
    code += "print([m for m in ('scipy', 'pandas', 'dask', 'torch', 'mmap') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
