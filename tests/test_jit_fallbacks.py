"""What compiled loops do not cover runs through NumPy, and is said; what is refused changes nothing."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from compiled import assert_close, assert_same_numbers, assert_same_rows, bits, train
from workpieces import Momentum, Quartic, Square, Sum

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.jit.engine import uncovered

ROWS = 30


def data():
    rng = np.random.default_rng(2)
    return rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 2))


def net(*between, **options):
    layers = [nn.Dense(4, 6), *between, nn.Dense(6, 2)]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64, **options})


GIVEN = {"epochs": 3, "batch_size": 8}


def both(model, X, y, *, optimizer, exact, **options):
    """Train by both; where NumPy does all, the bits are its own."""
    options = {**GIVEN, **options}
    found, expected = (train(model, X, y, jit=jit, optimizer=optimizer, **options) for jit in (True, False))
    if exact:
        assert bits(*found) == bits(*expected)
    assert_same_numbers(found[:2], expected[:2], 1e-9)
    assert_same_rows(found[2].rows, expected[2].rows, 1e-9)
    assert expected[2].engine == "numpy"
    return found[2].engine


# Layers.


class Own(nn.Tanh):
    """Computes something else than what it inherits from."""

    def forward(self, x, ctx=None):
        return super().forward(x, ctx)


class Quieter(nn.Dropout):
    pass


@pytest.mark.parametrize("replicas", [None, 3, 16])
@pytest.mark.parametrize(
    "make",
    [
        Own,
        Square,
        lambda: Sum(nn.Dense(6, 6), nn.Tanh()),
        lambda: nn.Residual([nn.Tanh(), Own()]),
        lambda: Quieter(0.2),
    ],
    ids=["inherits", "own", "made of layers", "inside", "noise"],
)
def test_a_layer_of_the_users_own_has_all_run_through_numpy(make, replicas):
    model = net(make(), replicas=replicas)
    name = type(
        next(
            one
            for _, one in model[1].walk()
            if type(one).__module__ not in dir(nn) and not type(one).__module__.startswith("nnlite")
        )
    ).__name__
    engine = both(model, *data(), optimizer=nn.Adam(0.01), exact=True)
    assert engine == f"numpy: {name} has no kernel"


def test_a_method_that_a_user_has_put_around_ours_is_called():
    calls = []

    def counted(method):
        @functools.wraps(method)
        def call(*given):
            calls.append(1)
            return method(*given)

        return call

    X, y = data()
    given = {"loss": nn.MeanSquaredError(), "jit": True, **GIVEN}
    model = net(nn.Tanh())
    model[1].forward = counted(model[1].forward)
    assert model.fit(X, y, optimizer=nn.SGD(0.1), **given).engine == "numpy: Tanh has no kernel"
    assert calls
    calls.clear()
    loss = nn.MeanSquaredError()
    loss.value_and_grad = counted(loss.value_and_grad)
    history = net(nn.Tanh()).fit(X, y, optimizer=nn.SGD(0.1), **{**given, "loss": loss})
    assert history.engine == "jit by the step: MeanSquaredError has no kernel"
    assert len(calls) == 12
    calls.clear()
    optimizer = nn.Adam(0.1)
    optimizer.update = counted(optimizer.update)
    history = net(nn.Tanh()).fit(X, y, optimizer=optimizer, **given)
    assert history.engine == "jit by the step: Adam has no kernel"
    assert calls


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("covered", [False, True])
def test_the_blas_has_threads_where_numpy_trains_alone(covered, stream, monkeypatch):
    """Seen once, when callbacks have done what they do to the net beforehand."""

    class Wrap(nn.Callback):
        def on_train_begin(self, state):
            forward = state.model[1].forward
            state.model[1].forward = lambda *given: forward(*given)

    settled, asked = [], []
    monkeypatch.setattr("nnlite.training.loop.STEP_SHARE", 1)
    monkeypatch.setattr("nnlite.training.loop.blas_threads", lambda *given: settled.append(given) or 1)
    monkeypatch.setattr("nnlite.jit.steps.uncovered", lambda model: asked.append(model) or uncovered(model))
    X, y = data()
    history = net(nn.Tanh()).fit(
        *([[(X, y)]] if stream else [X, y]),
        loss=nn.MeanSquaredError(),
        optimizer=nn.SGD(0.1),
        epochs=2,
        callbacks=[] if covered else [Wrap()],
        jit=True,
    )
    assert ("Tanh has no kernel" in history.engine) is not covered
    assert bool(settled) is not covered
    assert len(asked) == 1


def test_a_model_of_a_class_of_the_users_own():
    class Twice(nn.Sequential):
        def forward(self, x, ctx=None):
            return 2 * super().forward(x, ctx)

    X, y = data()
    model = Twice([nn.Dense(4, 2), nn.Tanh()], rng=0)
    assert (model.predict(X, jit=True) == model.predict(X)).all()
    given = {"loss": nn.MeanSquaredError(), "jit": True, **GIVEN}
    assert model.fit(X, y, optimizer=nn.SGD(0.1), **given).engine == "numpy: Twice has no kernel"


def test_an_embedding_behind_something_has_no_kernel():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=ROWS), rng.integers(0, 5, ROWS)])
    layers = [nn.ReLU(), nn.Embedding(5, 1, numeric=1), nn.Dense(2, 2)]
    model = nn.Sequential(layers, rng=0, dtype=np.float64)
    engine = both(model, X, data()[1], optimizer=nn.SGD(0.1), exact=True)
    assert engine == "numpy: Embedding has a kernel at the beginning of a net only"
    for kind in (nn.Sequential, nn.Residual):
        layers = [kind([nn.Embedding(5, 1, numeric=1)]), nn.Dense(2, 2)]
        model = nn.Sequential(layers, rng=0, dtype=np.float64)
        assert both(model, X, data()[1], optimizer=nn.SGD(0.1), exact=False) == "jit"


# Losses and optimizers.


class OwnHuber(nn.Huber):
    pass


@pytest.mark.parametrize("replicas", [None, 3, 16])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "make", [Quartic, OwnHuber, lambda: nn.losses.Masked(OwnHuber())], ids=["own", "inherits", "inside"]
)
def test_a_loss_of_the_users_own_is_computed_by_numpy(make, weighted, replicas):
    X, y = data()
    loss = make()
    weight = np.linspace(0.5, 2, ROWS) if weighted else None
    model = net(nn.Tanh(), replicas=replicas)
    engine = both(model, X, y, loss=loss, weight=weight, optimizer=nn.SGD(0.01), exact=False)
    assert engine == f"jit by the step: {type(loss).__name__} has no kernel"


class OwnSGD(nn.SGD):
    def update(self, w, g, rate, decay, *state):
        w -= 2 * rate * g


@pytest.mark.parametrize("replicas", [None, 3, 16])
@pytest.mark.parametrize(
    "make", [lambda: Momentum(0.05), lambda: OwnSGD(0.02, clip_norm=0.1)], ids=["own", "inherits"]
)
def test_an_optimizer_of_the_users_own_steps_by_numpy(make, replicas):
    optimizer = make()
    model = net(nn.Tanh(), replicas=replicas)
    model[0].freeze()
    engine = both(model, *data(), optimizer=optimizer, exact=False)
    assert engine == f"jit by the step: {type(optimizer).__name__} has no kernel"


@pytest.mark.nonfinite
def test_a_loss_of_the_users_own_that_diverges():
    X, y = data()
    found = []
    for jit in (True, False):
        model = net(nn.Tanh())
        with pytest.raises(nn.errors.DivergenceError) as error:
            model.fit(X, y, loss=Quartic(), optimizer=nn.SGD(30.0), epochs=50, batch_size=8, jit=jit)
        found.append(error.value.where)
        assert np.isfinite(model.params.values).all()
    assert found[0] == found[1]


@pytest.mark.parametrize("make", [nn.LBFGS, nn.LevenbergMarquardt])
def test_second_order_is_numpy(make):
    X, y = data()
    found = [train(net(nn.Tanh()), X, y, jit=jit, optimizer=make(), epochs=3) for jit in (True, False)]
    assert found[0][2].engine == f"numpy: {make.__name__} has no kernel"
    np.testing.assert_array_equal(found[0][0].params.values, found[1][0].params.values)


# Data.


@pytest.mark.parametrize("replicas", [None, 3, 16])
def test_sparse_rows(replicas):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data()
    X = sparse.csr_array(np.where(X > 0.5, X, 0))
    model = net(nn.Tanh(), replicas=replicas)
    optimizer = nn.Adam(0.01, epsilon=0.1)
    for weight in (None, np.linspace(0.5, 2, ROWS)):
        assert both(model, X, y, optimizer=optimizer, exact=False, weight=weight) == "jit"
    engine = both(model, X, y, optimizer=optimizer, exact=True, callbacks=[Looks()])
    assert engine == "numpy: X is sparse"


@pytest.mark.parametrize("replicas", [None, 3, 16])
@pytest.mark.parametrize("looks", [False, True])
def test_batches_of_sparse_rows_are_numpy(replicas, looks):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data()
    X = sparse.csr_array(np.where(X > 0.5, X, 0))
    batches = [(X[i : i + 8], y[i : i + 8]) for i in range(0, ROWS, 8)]
    model, callbacks = net(nn.Tanh(), replicas=replicas), [Looks()] if looks else []
    given = {"optimizer": nn.Adam(0.01), "epochs": 2, "callbacks": callbacks}
    found, expected = (train(model, batches, None, jit=jit, **given) for jit in (True, False))
    assert found[2].engine == "numpy: X is sparse"
    assert bits(*found) == bits(*expected)


class Looks(nn.Callback):
    def on_batch_end(self, state):
        pass


def sources(X, y, folder):
    """Give the same rows in all the ways that come batch by batch."""
    np.save(folder / "X.npy", X)
    yield np.load(folder / "X.npy", mmap_mode="r"), y
    try:
        import dask.array
    except ImportError:
        pass
    else:
        yield dask.array.from_array(X, chunks=(10, 4)), y
    yield [(X[i : i + 8], y[i : i + 8]) for i in range(0, ROWS, 8)], None
    yield (lambda: ((X[i : i + 7], y[i : i + 7]) for i in range(0, ROWS, 7))), None
    # Batches that grow.
    yield [(X[i * i : (i + 1) ** 2], y[i * i : (i + 1) ** 2]) for i in range(5)], None
    yield [(X[:8], y[:8], np.ones(8)), (X[8:], y[8:], np.linspace(0, 2, ROWS - 8))], None


@pytest.mark.parametrize("replicas", [None, 3])
def test_data_that_come_batch_by_batch(replicas, tmp_path):
    model = net(nn.BatchNorm(6), nn.Tanh(), replicas=replicas)
    for X, y in sources(*data(), tmp_path):
        options = {} if y is not None else {"batch_size": None}
        engine = both(
            model, X, y, optimizer=nn.Adam(0.01, epsilon=0.1), exact=False, validation=data(), **options
        )
        assert engine == "jit by the step: the data come batch by batch"


@pytest.mark.parametrize(
    "shuffle", [False, lambda rows: np.arange(rows)[::-1]], ids=["in order", "own order"]
)
def test_orders(shuffle):
    model = net(nn.Tanh())
    assert both(model, *data(), optimizer=nn.Adam(0.01), exact=False, shuffle=shuffle) == "jit"
    engine = both(model, *data(), optimizer=nn.Adam(0.01), exact=False, shuffle=shuffle, callbacks=[Looks()])
    assert engine == "jit by the step: Looks looks at each batch"


def test_orders_that_fail_are_told_as_before():
    X, y = data()
    for order, error in (
        (lambda rows: np.zeros(rows, int), ArgumentError),
        (lambda rows: next(iter(())), StopIteration),
    ):
        said = []
        for jit in (True, False):
            model = net(nn.Tanh())
            before = model.params.values.copy()
            with pytest.raises(Exception) as caught:  # noqa: PT011 - compared below
                model.fit(
                    X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), shuffle=order, jit=jit, **GIVEN
                )
            said.append((type(caught.value), str(caught.value)))
            np.testing.assert_array_equal(model.params.values, before)
        assert said[0] == said[1], error


def test_frames_and_lists_train_as_arrays():
    X, y = data()
    model = net(nn.Tanh())
    expected = bits(*train(model, X, y, jit=True, optimizer=nn.Adam(0.01), **GIVEN))
    assert bits(*train(model, X.tolist(), y.tolist(), jit=True, optimizer=nn.Adam(0.01), **GIVEN)) == expected
    fortran = np.asfortranarray(X), np.asfortranarray(y)
    assert bits(*train(model, *fortran, jit=True, optimizer=nn.Adam(0.01), **GIVEN)) == expected
    backwards = X[::-1][::-1], y[:, ::-1][:, ::-1]
    assert bits(*train(model, *backwards, jit=True, optimizer=nn.Adam(0.01), **GIVEN)) == expected


def test_numbers_that_are_far_off_are_standardized_in_float64():
    rng = np.random.default_rng(0)
    X = 1.7e9 + rng.normal(size=(ROWS, 3))
    model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 2)], rng=0)
    found = [train(model, X, data()[1], jit=jit, optimizer=nn.SGD(0.1), **GIVEN) for jit in (True, False)]
    assert found[0][2].engine == "jit"
    assert_close(found[0][0].params.values, found[1][0].params.values, 1e-5)


# What is refused.


@pytest.mark.parametrize("value", ["yes", 1, None, "numba"])
def test_jit_is_true_or_false(value):
    X, y = data()
    with pytest.raises(ArgumentTypeError, match=r"fit\(jit=\): expected True or False"):
        net().fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), jit=value)


def test_without_numba_there_is_one_clear_error():
    code = """
import sys
sys.modules["numba"] = None
import numpy as np
import nnlite as nn
model = nn.Sequential([nn.Dense(1, 1)], rng=0)
given = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1}
before = model.params.values.copy()
try:
    model.fit([[1.0]], [[1.0]], jit=True, **given)
except ModuleNotFoundError as error:
    print(error)
assert (model.params.values == before).all()
print(model.fit([[1.0]], [[1.0]], jit=False, **given).engine)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.stderr
    said, engine = done.stdout.strip().splitlines()
    assert said.startswith("fit(jit=True): expected numba to be installed, got no such package.")
    assert "pip install" in said
    assert engine == "numpy"


def test_without_jit_numba_is_not_imported():
    code = """
import sys
import nnlite as nn
model = nn.Sequential([nn.Dense(1, 1)])
model.fit([[1.0]], [[1.0]], loss=nn.MeanSquaredError(), optimizer=nn.SGD(), epochs=1)
print('numba' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def refused(make, **options):
    """Return what is said by both, and see that nothing has changed."""
    said = []
    for jit in (True, False):
        model, X, y = make()
        optimizer = nn.Adam(0.01)
        before, rng = model.params.numbers.copy(), model.rng.bit_generator.state
        with pytest.raises((ArgumentError, ArgumentTypeError, ShapeError)) as caught:
            model.fit(
                X, y, optimizer=optimizer, jit=jit, **{"loss": nn.MeanSquaredError(), "epochs": 2, **options}
            )
        said.append((type(caught.value), str(caught.value)))
        np.testing.assert_array_equal(model.params.numbers, before)
        assert model.rng.bit_generator.state == rng
        assert optimizer.steps == 0
        assert optimizer.state == {}
    assert said[0] == said[1]
    return said[0][1]


@pytest.mark.parametrize("bad", [-1, 5, 1e9])
@pytest.mark.parametrize(("replicas", "own"), [(None, False), (3, False), (3, True)])
@pytest.mark.parametrize("callbacks", [[], [Looks()]], ids=["", "by the step"])
def test_ids_that_are_none_are_named_as_before(bad, replicas, own, callbacks):
    def make():
        X = np.zeros((3, 9, 2) if own else (9, 2))
        X[..., 7, 1] = bad
        layers = [nn.Embedding(5, 3, numeric=1), nn.Dense(4, 2)]
        return nn.Sequential(layers, rng=0, replicas=replicas), X, np.zeros((*X.shape[:-1], 2))

    # The row is that of the data where an epoch is made in one call, and that of the batch otherwise.
    said = refused(make, callbacks=callbacks, batch_size=9, shuffle=False)
    assert (
        f"Embedding((5,), 3, numeric=1): expected ids from 0 to 4 in column 1, got {bad:g} in row 7" in said
    )


def test_targets_that_are_none():
    def make():
        X, y = data()
        y[3, 1] = np.nan
        return net(), X, y

    assert "NaN" in refused(make)
    ids = np.zeros(ROWS, int)
    ids[4] = 2
    assert "2" in refused(lambda: (net(), data()[0], ids), loss=nn.SoftmaxCrossEntropy())


def test_what_does_not_fit():
    refused(lambda: (net(replicas=3), *data()), validation=(data()[0], np.ones((ROWS, 3))))
    for jit in (True, False):
        model = net(replicas=3)
        rates = nn.SGD(lambda step: np.array([0.1, 0.2]))
        with pytest.raises(ShapeError, match="each of 3 replicas, got 2"):
            model.fit(*data(), loss=nn.MeanSquaredError(), optimizer=rates, epochs=1, jit=jit)
