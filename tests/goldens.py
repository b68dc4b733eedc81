"""Thirty sets of small trainings, and what came of each: that "nothing changed" may be a fact.

    python -m tests.goldens                     write data/goldens.json anew, with what comes out now
    python -m tests.goldens --against ../before  run them there too, and compare bit for bit

What a training comes to, to the last bit, depends on NumPy and on the processor. So the file says
on which it was written, by what a few sums and functions come to, and `test_goldens.py` compares
bits where these are the same, and numbers everywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import nnlite as nn

FILE = Path(__file__).with_name("data") / "goldens.json"
ROOT = Path(__file__).parents[1]

Run = Callable[[], Any]
RUNS: dict[str, Run] = {}
#: What a run needs that may not be installed.
NEEDS: dict[str, tuple[str, ...]] = {}


def golden(*needs: str) -> Callable[[Run], Run]:
    """Enter a function among the runs."""

    def enter(run: Run) -> Run:
        RUNS[run.__name__] = run
        NEEDS[run.__name__] = needs
        return run

    return enter


def can_run(name: str) -> bool:
    """Tell whether all that a run needs is installed."""
    return all(find_spec(one) for one in NEEDS[name])


def arrays_in(thing: Any) -> Iterator[np.ndarray]:
    """Yield all numbers that a result holds, in its own order."""
    if isinstance(thing, nn.Sequential):
        yield thing.params.values
        for layer in thing.layers:
            yield from arrays_in(layer.buffers)
    elif isinstance(thing, nn.History):
        yield from arrays_in([{k: v for k, v in row.items() if k != "seconds"} for row in thing.rows])
    elif isinstance(thing, nn.Optimizer):
        yield from arrays_in(thing.state)
    elif isinstance(thing, dict):
        for name in sorted(thing):
            yield from arrays_in(thing[name])
    elif isinstance(thing, list | tuple):
        for one in thing:
            yield from arrays_in(one)
    elif thing is not None and not isinstance(thing, str):
        yield np.asarray(thing)


def result_of(name: str) -> dict[str, Any]:
    """Run it, and return a hash of all bits, and a few numbers that sum them up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(arrays_in(RUNS[name]()))
    bits = hashlib.sha256()
    sums = np.zeros(16)
    for number, array in enumerate(found):
        assert array.dtype.kind in "fiub", array.dtype
        bits.update(f"{array.dtype.str}{array.shape}".encode())
        bits.update(np.ascontiguousarray(array).tobytes())
        if array.dtype.kind == "f":
            sums[number % len(sums)] += np.abs(array[np.isfinite(array)].astype(np.float64)).sum()
    numbers = [float(f"{one:.7g}") for one in sums[: len(found)]]
    return {"bits": bits.hexdigest()[:16], "arrays": len(found), "sums": numbers}


def machine() -> str:
    """Return a hash of what some products, sums and functions come to here."""
    bits = hashlib.sha256(f"{np.__version__} {version('scipy')}".encode())
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for rows, inner, columns in ((4, 2, 8), (32, 64, 64), (7, 13, 5), (150, 4, 16)):
            a = rng.normal(size=(rows, inner)).astype(dtype)
            b = rng.normal(size=(inner, columns)).astype(dtype)
            for array in (a @ b, b.T @ a.T, a.sum(axis=0), np.exp(a), np.tanh(a), np.log1p(np.abs(a))):
                bits.update(array.tobytes())
    return bits.hexdigest()[:16]


# The data of all runs.


def flowers(dtype: Any = np.float64) -> tuple[Any, Any]:
    X, ids = nn.datasets.iris()
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(dtype), ids


def curve(rows: int = 60, inputs: int = 2, seed: int = 0) -> tuple[Any, Any]:
    X = np.random.default_rng(seed).normal(size=(rows, inputs))
    return X, np.sin(X[:, :1]) + 0.5 * X[:, 1:2] ** 2


def weights(rows: int) -> Any:
    return np.random.default_rng(7).choice([0.0, 0.5, 1.0, 3.0], size=rows)


def net(*layers: Any, rng: Any = 0, **options: Any) -> nn.Sequential:
    """Make a net of two inputs and one output, or of the layers given."""
    if not layers:
        layers = (nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 1))
    return nn.Sequential(list(layers), rng=rng, **options)


def fit_curve(model: nn.Sequential | None = None, optimizer: Any = None, **options: Any) -> Any:
    """Fit a net to `curve`, and return all that came of it."""
    model = net() if model is None else model
    optimizer = nn.SGD(0.05) if optimizer is None else optimizer
    X, y = options.pop("data", None) or curve()
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 8, **options}
    history = model.fit(X, y, optimizer=optimizer, **options)
    replicas = model.params.replicas
    next_draws = model.rng.random((3,) if replicas is None else (replicas, 3))
    return model, history, optimizer, next_draws


def fit_flowers(model: nn.Sequential | None = None, optimizer: Any = None, **options: Any) -> Any:
    """Fit a classifier to `flowers`."""
    model = net(nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 3)) if model is None else model
    options = {"data": flowers(), "loss": nn.SoftmaxCrossEntropy(), "batch_size": 32, **options}
    return fit_curve(model, nn.Adam(0.01) if optimizer is None else optimizer, **options)


# Plain trainings.

golden()(fit_curve)
golden()(fit_flowers)


@golden()
def all_rows_in_one_batch() -> Any:
    return fit_curve(batch_size=None), fit_curve(batch_size=1, epochs=1), fit_curve(shuffle=False)


@golden()
def in_float64() -> Any:
    return fit_curve(net(dtype=np.float64)), fit_flowers(
        net(nn.Dense(4, 8), nn.SiLU(), nn.Dense(8, 3), dtype=np.float64)
    )


@golden()
def every_activation() -> Any:
    kinds = (
        nn.ELU(), nn.GELU(), nn.GELU(approximate=True), nn.LeakyReLU(0.1), nn.LogSoftmax(), nn.ReLU(),
        nn.SiLU(), nn.Sigmoid(), nn.Softmax(), nn.Softplus(), nn.Tanh(),
    )  # fmt: skip
    return [fit_curve(net(nn.Dense(2, 6), kind, nn.Dense(6, 1))) for kind in kinds]


@golden()
def every_optimizer() -> Any:
    return [
        fit_curve(net(), optimizer)
        for optimizer in (
            nn.SGD(0.05, momentum=0.9),
            nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
            nn.RMSProp(0.01),
            nn.RMSProp(0.01, momentum=0.5, weight_decay=0.01),
            nn.Adagrad(0.05, weight_decay=0.01),
            nn.Adam(0.01, weight_decay=0.01),
            nn.AdamW(0.01),
            nn.Lion(0.003, weight_decay=0.1),
        )
    ]


@golden()
def clipped() -> Any:
    return [fit_curve(net(), nn.SGD(0.1, **limit)) for limit in ({"clip_norm": 0.1}, {"clip_value": 0.01})]


@golden()
def every_schedule() -> Any:
    return [
        fit_curve(net(), nn.SGD(schedule))
        for schedule in (
            nn.CosineDecay(0.1),
            nn.CosineRestarts(0.1, epochs=1),
            nn.OneCycle(0.1),
            nn.StepDecay(0.1, every=5, factor=0.5),
            nn.ExponentialDecay(0.1, factor=0.9, every=1),
            nn.PolynomialDecay(0.1),
            nn.PiecewiseConstant([0.1, 0.01], boundaries=[10]),
            nn.WarmUp(nn.CosineDecay(0.1), steps=5),
        )
    ]


@golden()
def losses_of_numbers() -> Any:
    X, y = curve()
    wide = lambda out: net(nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, out))  # noqa: E731
    gaps = np.where(np.arange(60)[:, None] % 3, y, np.nan)
    return [
        fit_curve(loss=nn.MeanAbsoluteError()),
        fit_curve(loss=nn.Huber(0.5)),
        fit_curve(loss=nn.Quantile(0.9)),
        fit_curve(wide(2), loss=nn.GaussianNLL()),
        fit_curve(loss=nn.PoissonNLL(), data=(X, np.round(np.abs(y)))),
        fit_curve(loss=nn.Masked(nn.MeanSquaredError()), data=(X, gaps)),
    ]


@golden()
def losses_of_classes() -> Any:
    X, ids = flowers()
    yes = (ids == 1)[:, None].astype(float)
    one = lambda: net(nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 1))  # noqa: E731
    return [
        fit_flowers(loss=nn.SoftmaxCrossEntropy(label_smoothing=0.1)),
        fit_flowers(data=(X, nn.one_hot(ids, classes=3))),
        fit_flowers(one(), loss=nn.BinaryCrossEntropy(), data=(X, yes)),
        fit_flowers(one(), loss=nn.BinaryCrossEntropy(pos_weight=3.0, label_smoothing=0.1), data=(X, yes)),
        fit_flowers(one(), loss=nn.Hinge(), data=(X, 2 * yes - 1)),
    ]


@golden()
def rows_with_weights() -> Any:
    return [
        fit_curve(weight=weights(60)),
        fit_flowers(weight=weights(150), metrics=[nn.accuracy], validation=0.2),
        fit_flowers(class_weight="balanced"),
        fit_flowers(class_weight={0: 1.0, 1: 5.0, 2: 0.5}, weight=weights(150)),
    ]


@golden()
def every_other_layer() -> Any:
    X, y = curve()
    ids = np.random.default_rng(1).integers(0, 4, size=(60, 1))
    images = np.random.default_rng(1).normal(size=(60, 3, 2))
    return [
        fit_curve(net(nn.Standardize(2), nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 1)), data=(X * 50 + 9, y)),
        fit_curve(net(nn.Dense(2, 6), nn.Dropout(0.3), nn.Tanh(), nn.Dense(6, 1))),
        fit_curve(net(nn.Embedding(4, 3, numeric=2), nn.Dense(5, 1)), data=(np.hstack([X, ids]), y)),
        fit_curve(net(nn.Flatten((3, 2)), nn.Dense(6, 1)), data=(images, y)),
        fit_curve(net(nn.Dense(2, 6, bias=False), nn.ReLU(), nn.Dense(6, 1)), data=(X + ids, y)),
    ]


@golden()
def measured_on_held_out_rows() -> Any:
    X, y = curve(seed=3)
    return [
        fit_curve(validation=(X, y), metrics=[nn.mean_absolute_error, nn.r2]),
        fit_curve(validation=0.25, optimizer=nn.SGD(0.05, momentum=0.9)),
        fit_flowers(validation=0.25, metrics=[nn.accuracy, nn.roc_auc]),
    ]


# Callbacks.


@golden()
def stopped_early() -> Any:
    return fit_curve(
        optimizer=nn.SGD(0.5), epochs=30, validation=0.3, callbacks=[nn.EarlyStopping(patience=2)]
    ), fit_curve(optimizer=nn.SGD(0.2), epochs=12, callbacks=[nn.ReduceOnPlateau(monitor="loss", patience=1)])


@golden()
def a_penalty_and_a_look_at_each_batch() -> Any:
    class Penalty(nn.Callback):
        def on_grad_computed(self, state):
            params = state.model.params
            params.grads += 0.01 * np.sign(params.values)
            state.batch_loss += 0.01 * float(np.abs(params.values).sum())

    class Note(nn.Callback):
        def __init__(self):
            self.seen = []

        def on_batch_end(self, state):
            self.seen.append(state.batch_loss)

    note = Note()
    return fit_curve(callbacks=[Penalty(), note]), note.seen


@golden()
def diverged_and_put_back() -> Any:
    model = net()
    with contextlib.suppress(nn.errors.DivergenceError):
        fit_curve(model, nn.SGD(1e3), epochs=50)
        raise AssertionError("it should have diverged")
    return model


@golden()
def frozen() -> Any:
    model = net()
    model.params.frozen = {"0.W"}
    return fit_curve(model, nn.Adam(0.01))


@golden()
def a_second_fit() -> Any:
    model, optimizer = net(), nn.Adam(0.01)
    return fit_curve(model, optimizer), fit_curve(model, optimizer, epochs=2)


class Stopped(nn.Checkpoint):
    """Write behind every batch, and end the training behind the third one of the second epoch."""

    def on_batch_end(self, state):
        super().on_batch_end(state)
        if (state.epoch, state.batch) == (2, 3):
            raise InterruptedError


@golden()
def resumed() -> Any:
    def train(folder: str, callbacks: Any = (), **options: Any) -> Any:
        return fit_curve(
            net(nn.Dense(2, 6), nn.Dropout(0.2), nn.Tanh(), nn.Dense(6, 1)),
            nn.Adam(nn.CosineDecay(0.02)),
            validation=0.2,
            metrics=[nn.r2],
            callbacks=[nn.EarlyStopping(patience=2), *callbacks],
            **options,
        )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.safetensors")
        try:
            train(folder, [Stopped(path, unit="steps")])
        except InterruptedError:
            return train(folder, [nn.Checkpoint(path, unit="steps")], resume=path), train(folder)
    raise AssertionError


# Data of all kinds.


@golden()
def sparse() -> Any:
    import scipy.sparse

    X = scipy.sparse.random_array((60, 9), density=0.3, rng=np.random.default_rng(0), format="csr")
    y = np.asarray(X.sum(axis=1)).reshape(60, 1)
    return fit_curve(net(nn.Dense(9, 4), nn.Tanh(), nn.Dense(4, 1)), data=(X, y))


@golden()
def a_table() -> Any:
    rng = np.random.default_rng(0)
    table = {"size": rng.normal(size=60) * 9, "kind": np.array(["a", "b", "c"])[rng.integers(0, 3, 60)]}
    y = table["size"][:, None] / 9 + (table["kind"] == "a")[:, None]
    encoder = nn.TableEncoder().fit(table)
    model = net(encoder.layer(), nn.Dense(encoder.width, 6), nn.ReLU(), nn.Dense(6, 1), preprocessing=encoder)
    return fit_curve(model, data=(table, y)), model.predict(table)


@golden()
def batches_one_by_one() -> Any:
    X, y = curve()
    stream = [(X[at : at + 7], y[at : at + 7]) for at in range(0, 60, 7)]
    weighted = [(x, y, weights(60)[: len(x)]) for x, y in stream]
    return [fit_curve(data=(given, None), batch_size=None) for given in (stream, weighted)]


# Many nets as one.


@golden()
def replicas() -> Any:
    X, y = flowers()
    hidden = lambda: (nn.Dense(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Dense(8, 3))  # noqa: E731
    return [
        fit_flowers(net(*hidden(), replicas=3)),
        fit_flowers(net(*hidden(), replicas=3, rng=[0, 1, 2]), rng=[3, 4, 5], metrics=[nn.accuracy]),
        fit_flowers(net(*hidden(), replicas=2), nn.SGD([0.1, 0.01], momentum=0.9), validation=0.2),
        fit_flowers(
            net(*hidden(), replicas=2), data=(np.stack([X, X[::-1]]), y), weight=np.stack([weights(150)] * 2)
        ),
    ]


@golden()
def replicas_of_which_some_end() -> Any:
    stopping = nn.EarlyStopping(monitor="loss", patience=1, min_delta=0.02)
    return [
        fit_curve(net(replicas=3, rng=[0, 1, 2]), nn.SGD([0.1, 1e4, 0.01]), epochs=6),
        fit_curve(net(replicas=3), nn.SGD([0.1, 1e-4, 0.02]), epochs=8, callbacks=[stopping]),
    ]


@golden()
def swept() -> Any:
    X, y = curve()
    result = nn.sweep(
        net(),
        X,
        y,
        learning_rate=[0.001, 0.1, 50.0],
        seeds=2,
        loss=nn.MeanSquaredError(),
        epochs=3,
        batch_size=8,
    )
    return {name: value for name, value in result.to_dict().items() if name != "history"}, result.best


# Without batches.


@golden()
def second_order() -> Any:
    return [
        fit_curve(net(dtype=np.float64), optimizer, batch_size=None, epochs=8)[:2]
        for optimizer in (nn.LBFGS(), nn.LevenbergMarquardt())
    ]


# What is asked of a net.


@golden()
def looked_at() -> Any:
    from nnlite.inspect import blame, explain_step, find_learning_rate

    model, *_ = fit_flowers(net(nn.Dense(4, 8), nn.GELU(), nn.Dense(8, 3), dtype=np.float64))
    X, ids = flowers()
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.SGD(0.1, momentum=0.9)
    optimizer.step(model.params)
    trace = explain_step(model, X[:5], ids[:5], loss, optimizer).to_dict()
    for check in trace["proof"]["checks"]:
        del check["digits"]  # of a difference that is all rounding
    found = find_learning_rate(model, X, ids, loss, high=0.1, steps=30, rng=0)
    return [
        model.predict(X),
        model.activations(X),
        model.loss_and_grad(X, ids, loss, weight=weights(150)),
        model.params.grads,
        model.per_example_gradients(X[:9], ids[:9], loss),
        model.jacobian(X[:9]),
        model.evaluate(X, ids, loss=loss, metrics=[nn.accuracy]),
        trace,
        blame(model, X, ids, loss).to_dict(),
        found.to_dict(),
    ]


@golden()
def saved_and_loaded() -> Any:
    model = net(nn.Standardize(2), nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 1))
    fit_curve(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.safetensors")
        model.save(path)
        return nn.load(path)


@golden("sklearn")
def estimators() -> Any:
    from nnlite.sklearn import MLPClassifier, MLPRegressor

    X, ids = flowers()
    options = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    classifier = MLPClassifier(**options, early_stopping=True).fit(X, ids)
    regressor = MLPRegressor(**options, solver="lbfgs").fit(X[:, :3], X[:, 3])
    return classifier.coefs_, classifier.predict_proba(X), regressor.coefs_, regressor.predict(X[:, :3])


@golden("mpi4py")
def two_ranks() -> Any:
    from tests.ranks.mpi import run

    with tempfile.TemporaryDirectory() as folder:
        found, _ = run(2, "optimizers", Path(folder), distributed=True)
    return {name: (one["values"], one["rows"]) for name, one in found[0].items()}


def result_if_known(name: str) -> dict[str, Any]:
    """Run it in an older version, which may not know what it asks for."""
    try:
        return result_of(name)
    except Exception as error:
        return {"error": repr(error)}


def main() -> int:
    """Write the file, or compare with another checkout."""
    parser = argparse.ArgumentParser(prog="python -m tests.goldens", description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="another checkout of nnlite, whose bits are compared")
    parser.add_argument("--print", action="store_true", help="print the results, and write no file")
    chosen = parser.parse_args()
    if chosen.print:
        print(json.dumps({name: result_if_known(name) for name in RUNS if can_run(name)}))
        return 0
    results = {name: result_of(name) for name in RUNS if can_run(name)}
    if chosen.against is None:
        written = {"machine": machine(), "runs": results}
        FILE.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        print(f"{len(results)} runs written to {FILE.name}")
        return 0
    # The runs are those of this checkout, and the library that of the other.
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import nnlite; sys.path.insert(0, sys.argv.pop(1));"
        "from tests.goldens import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, str(chosen.against.resolve()), str(ROOT), "--print"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT.parent)
    theirs = json.loads(answer.stdout)
    other = [name for name in results if results[name] != theirs.get(name)]
    same = len(results) - len(other)
    print(f"{len(results)} runs, of which {same} came to the same bits in {chosen.against}")
    for name in other:
        print(f"  not the same: {name}")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
