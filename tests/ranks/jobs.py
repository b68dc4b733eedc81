"""What the ranks of the tests do: ``mpiexec -n N python jobs.py JOB FOLDER OPTIONS``, or without mpiexec.

Each rank leaves what its job returns in a file of its own.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from platform import node
from typing import Any

import numpy as np

import nnlite as nn
from nnlite import distributed
from nnlite.distributed import DataParallel, Shard, all_reduce, shard
from nnlite.errors import DivergenceError, RankError


def data(rows: int = 103, features: int = 5, seed: int = 0) -> tuple[Any, Any]:
    """Make a regression problem with a row count that no number of ranks divides."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features)) * np.arange(1, features + 1)
    return X, np.sin(X[:, :1]) + 0.3 * X[:, 1:2]


def net(*, rng: Any = 0, width: int = 8, dtype: Any = np.float64, noise: float = 0.0) -> nn.Sequential:
    """Make a small net; it standardizes its inputs."""
    layers = [nn.Standardize(5), nn.Dense(5, width), nn.Tanh(), nn.Dense(width, 1)]
    if noise:
        layers.insert(3, nn.Dropout(noise))
    return nn.Sequential(layers, rng=rng, dtype=dtype)


def mixing_net(*, noise: float = 0.0, first: bool = False) -> nn.Sequential:
    """Make a net that looks from row to row, also inside of blocks."""
    block = [nn.Dense(8, 8, bias=False), nn.BatchNorm(8), nn.Tanh(), *([nn.Dropout(noise)] if noise else [])]
    inner = nn.Sequential([nn.BatchNorm(8), nn.Dense(8, 1)])
    ahead = nn.BatchNorm(5) if first else nn.Standardize(5)
    return nn.Sequential([ahead, nn.Dense(5, 8), nn.Residual(block), inner], rng=0, dtype=np.float64)


def outcome(model: nn.Sequential, history: nn.History, optimizer: Any = None) -> dict[str, Any]:
    """Gather all that must be the same."""
    return {
        "values": model.params.numbers.copy(),
        "rows": [{key: value for key, value in row.items() if key != "seconds"} for row in history.rows],
        "seconds": [row["seconds"] for row in history.rows],
        "stop_reason": history.stop_reason,
        "interrupted": history.interrupted,
        "best_epoch": history.best_epoch,
        "steps": getattr(optimizer, "steps", None),
        "next_draw": int(model.rng.integers(2**62)),
        "host": node(),
        "sent": _bytes_sent(),
    }


def _bytes_sent() -> int:
    """Return how many bytes this host has sent over its first network card; 0 if it has none."""
    counter = Path("/sys/class/net/eth0/statistics/tx_bytes")
    return int(counter.read_text()) if counter.exists() else 0


OPTIMIZERS = {
    "sgd": lambda: nn.SGD(0.05),
    "momentum": lambda: nn.SGD(0.02, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda: nn.SGD(0.02, momentum=0.9, nesterov=True),
    "rmsprop": lambda: nn.RMSProp(0.003),
    "adagrad": lambda: nn.Adagrad(0.05),
    "adam": lambda: nn.Adam(0.01),
    "adamw": lambda: nn.AdamW(nn.CosineDecay(0.02, steps=200), weight_decay=0.05),
    "lion": lambda: nn.Lion(0.001),
    "clip_norm": lambda: nn.Adam(0.01, clip_norm=0.1),
    "clip_value": lambda: nn.SGD(0.05, clip_value=0.01),
    "lbfgs": lambda: nn.LBFGS(),
    "levenberg_marquardt": lambda: nn.LevenbergMarquardt(),
}


def optimizers(options: dict[str, Any]) -> Any:
    """Train with every optimizer, 200 steps or as many iterations as it takes; 50 epochs of 4 batches."""
    X, y = data()
    found = {}
    for name, make in OPTIMIZERS.items():
        model, optimizer = net(), make()
        full = not isinstance(optimizer, nn.Optimizer)
        history = model.fit(
            X,
            y,
            loss=nn.MeanSquaredError(),
            optimizer=optimizer,
            epochs=12 if full else 50,
            batch_size=None if full else 32,
            metrics=[nn.r2],
            validation=data(41, seed=1),
            distributed=bool(options["distributed"]),
        )
        found[name] = outcome(model, history, optimizer)
    return found


def kinds(options: dict[str, Any]) -> Any:
    """Train on data of all kinds, with all that `fit` can be given."""
    import scipy.sparse

    X, y = data()
    folder = Path(options["folder"])
    weight = np.random.default_rng(2).uniform(0, 2, len(X))
    ids = (y[:, 0] > 0).astype(int) + (y[:, 0] > 1)
    np.save(folder / f"X-{distributed.rank()}.npy", X)
    mapped = np.load(folder / f"X-{distributed.rank()}.npy", mmap_mode="r")
    square = {"loss": nn.MeanSquaredError()}

    def frozen() -> nn.Sequential:
        model = net()
        model[3].freeze()
        model.params.grads[...] = 1e300  # what is left of a training before must not grow
        return model

    def count(pred: Any, target: Any) -> float:
        return float(len(pred))

    def backwards(y_true: Any, y_pred: Any) -> float:
        return nn.r2(y_pred, y_true)

    def batches(*more: Any) -> Any:
        return nn.batches(X, y, *more, batch_size=20, rng=np.random.default_rng(3))

    table = np.column_stack([y[:, 0], ids])
    table[np.random.default_rng(4).random(table.shape) < 0.3] = np.nan
    tasks = nn.MultiTaskLoss(
        {
            "number": nn.Task(nn.MeanSquaredError(), outputs=0, targets=0),
            "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1, weight=0.5),
        }
    )
    plain = [nn.Dense(5, 8), nn.ReLU(), nn.Dense(8, 1)]
    classes = [nn.Dense(5, 8), nn.Tanh(), nn.Dense(8, 3)]
    cases: dict[str, tuple[nn.Sequential, tuple[Any, ...], dict[str, Any]]] = {
        "weights": (net(), (X, y), {"weight": weight, **square, "validation": (X, y, weight)}),
        "fraction": (net(), (X, y), {"validation": 0.3, **square, "metrics": [nn.mean_absolute_error]}),
        "classes": (
            nn.Sequential(classes, rng=0, dtype=np.float64),
            (X, ids),
            {"loss": nn.SoftmaxCrossEntropy(), "metrics": [nn.accuracy], "validation": 0.2},
        ),
        "mapped": (net(), (mapped, y), {**square, "validation": (mapped, y), "metrics": [nn.r2]}),
        "sparse": (
            nn.Sequential(plain, rng=0, dtype=np.float64),
            (scipy.sparse.csr_array(np.where(X > 1, X, 0)), y),
            square,
        ),
        "stream": (net(), (batches(),), {**square, "validation": batches(), "metrics": [nn.r2]}),
        "weighted stream": (net(), (batches(weight),), square),
        "in order": (net(), (X, y), {**square, "shuffle": False, "validation": 0.2}),
        "groups": (
            net(),
            (X, y),
            {**square, "validation": 0.2, "groups": np.arange(len(X)) // 4, "metrics": [backwards]},
        ),
        "own order": (net(), (X, y), {**square, "shuffle": lambda rows: np.arange(rows)[::-1]}),
        "frozen": (frozen(), (X, y), square),
        "few rows": (net(), (X[:10], y[:10]), {**square, "batch_size": 3, "metrics": [nn.r2]}),
        "tasks": (
            nn.Sequential([nn.Dense(5, 8), nn.Tanh(), nn.Dense(8, 4)], rng=0, dtype=np.float64),
            (X, table),
            {"loss": tasks, "weight": weight, "validation": 0.3},
        ),
        "zero weights": (net(), (X, y), {"weight": np.where(np.arange(len(X)) < 90, 0.0, 1.0), **square}),
    }
    if options.get("dask"):
        import dask.array as da

        cases["dask"] = (
            net(),
            (da.from_array(X, chunks=(25, 5)), y),
            {**square, "validation": 0.2, "metrics": {"rows": count}},
        )
    found = {}
    for name, (model, given, more) in cases.items():
        optimizer = nn.Adam(0.01)
        arguments = {"epochs": 8, "batch_size": 32, **more}
        if "stream" in name:
            del arguments["batch_size"]
        how: Any = False
        if options["distributed"]:
            all_reduce.LEAST_BYTES = 1  # or these nets would be too small to send in parts
            overlap = options.get("overlap", False)
            how = DataParallel(accumulate=options.get("accumulate", 1), overlap=overlap)
        history = model.fit(*given, optimizer=optimizer, distributed=how, **arguments)
        found[name] = outcome(model, history, optimizer)
    return found


def groups(options: dict[str, Any]) -> Any:
    """Train with penalties, bounds, averages and augmentation; the noise is another one on each rank."""
    X, y = data()
    found = {}
    for name, augment in (("plain", None), ("moved", lambda x, rng: x + 1), ("noisy", nn.augment.Noise(0.1))):
        layers = [nn.Dense(5, 8), nn.Tanh()]
        group = nn.ParameterGroup(layers, l1=0.01, l2=0.02, max_norm=0.6, rate_factor=0.5)
        model = nn.Sequential([group, nn.Dense(8, 1)], rng=0, dtype=np.float64)
        optimizer = nn.Adam(0.02)
        history = model.fit(
            X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=8, batch_size=32, validation=0.3,
            callbacks=[nn.AveragedWeights(0.9), nn.EarlyStopping()], augment=augment,
            distributed=bool(options["distributed"]),
        )  # fmt: skip
        found[name] = outcome(model, history, optimizer)
    return found


def mixing(options: dict[str, Any]) -> Any:
    """Train nets that look from row to row, on data that leave some ranks without a row that counts."""
    X, y = data()
    numbers = np.arange(len(X))
    square = {"loss": nn.MeanSquaredError()}
    weight = np.random.default_rng(2).uniform(0, 2, len(X))
    # Of batches of 32: no row of the first half counts, then one row, then none, and all but the last of 7.
    sparse = np.select(
        [numbers < 16, numbers < 32, numbers == 40, numbers < 96, numbers < 102], [0.0, 1.5, 2.0, 0.0, 1.0]
    )

    class Thaw(nn.Callback):
        def on_batch_begin(self, state: nn.TrainingState) -> None:
            if (state.epoch, state.batch) == (3, 2):
                state.model.layers[2].layers[1].unfreeze()

    def frozen() -> nn.Sequential:
        model = mixing_net()
        model[2].layers[1].freeze()
        model[3].layers[0].freeze()
        model[3].layers[0].running_mean[...] = 0.1
        return model

    def batches() -> Any:
        return nn.batches(X, y, weight, batch_size=20, rng=np.random.default_rng(3))

    cases: dict[str, tuple[nn.Sequential, tuple[Any, ...], dict[str, Any]]] = {
        "plain": (mixing_net(), (X, y), {**square, "validation": (X, y), "metrics": [nn.r2]}),
        "first": (mixing_net(first=True), (X, y), square),
        "weights": (mixing_net(), (X, y), {**square, "weight": weight, "metrics": [nn.r2]}),
        "sparse weights": (mixing_net(), (X, y), {**square, "weight": sparse, "shuffle": False}),
        "weighted stream": (mixing_net(), (batches(),), square),
        "few rows": (mixing_net(), (X[:10], y[:10]), {**square, "batch_size": 3}),
        "frozen": (frozen(), (X[:10], y[:10]), {**square, "batch_size": 3}),
        "thawed": (frozen(), (X[:10], y[:10]), {**square, "batch_size": 3, "callbacks": [Thaw()]}),
        "early": (
            mixing_net(),
            (X, y),
            {**square, "validation": 0.3, "epochs": 40, "callbacks": [nn.EarlyStopping(patience=3)]},
        ),
    }
    rank, size = distributed.rank(), distributed.size()
    # Other numbers of rows on each rank, in one batch: the first has more than half of all.
    ends = [0, *(60 + 43 * i // max(size - 1, 1) for i in range(size))] if size > 1 else [0, len(X)]
    mine = slice(ends[rank], ends[rank + 1])
    shards = (Shard(X[mine]), Shard(y[mine])) if options["distributed"] else (X, y)
    more = {**square, "weight": Shard(weight[mine]) if options["distributed"] else weight}
    more |= {"batch_size": 103, "shuffle": False}  # shards are shuffled each on its own
    cases["uneven shards"] = (mixing_net(), shards, more)
    found = {}
    for name, (model, given, more) in cases.items():
        optimizer = nn.SGD(0.02, momentum=0.9)
        arguments = {"epochs": 5, "batch_size": 32, **more}
        if "stream" in name:
            del arguments["batch_size"]
        how: Any = False
        if options["distributed"]:
            all_reduce.LEAST_BYTES = 1  # or these nets would be too small to send in parts
            how = DataParallel(overlap=options.get("overlap", False))
        history = model.fit(*given, optimizer=optimizer, distributed=how, **arguments)
        found[name] = outcome(model, history, optimizer)
    return found


def noise_in_blocks(options: dict[str, Any]) -> Any:
    """Return what comes to each rank through a Dropout in a block."""
    masks: list[Any] = []

    class Look(nn.Dropout):
        def forward(self, x: Any, ctx: Any = None) -> Any:
            y = super().forward(x, ctx)
            if ctx is not None and ctx.training:
                masks.append(y != 0)
            return y

    model = nn.Sequential(
        [nn.Dense(5, 8), nn.Residual([nn.Dense(8, 8), Look(0.5)]), nn.Dense(8, 1)], rng=0, dtype=np.float64
    )
    X, y = data(64)
    how = DataParallel(overlap=options.get("overlap", False))
    history = model.fit(
        X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=2, batch_size=32, distributed=how
    )
    return outcome(model, history), np.stack(masks)


def refused(options: dict[str, Any]) -> Any:
    """Ask for what nets that look from row to row cannot do; return what is said, and if all is as it was."""
    X, y = data()
    found = {}
    for name, more in {
        "accumulate": {"distributed": DataParallel(accumulate=3)},
        "batch_size": {"distributed": True, "batch_size": 1},
        "optimizer": {"distributed": True, "optimizer": nn.LBFGS()},
    }.items():
        model = mixing_net()
        before = model.params.numbers.copy()
        try:
            model.fit(X, y, **{"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.01), "epochs": 2, **more})
        except ValueError as error:
            found[name] = f"{error}", bool((model.params.numbers == before).all())
    return found


def callbacks(options: dict[str, Any]) -> Any:
    """Train with callbacks that stop, lower the rate, and speak."""
    X, y = data()
    calls = []

    class Say(nn.Callback):
        first_rank_only = True

        def on_epoch_end(self, state: nn.TrainingState) -> None:
            calls.append(state.epoch)

    class StopOnLastRank(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            if state.rank == state.ranks - 1 and state.epoch == 5 and state.batch == 2:
                state.stop("the last rank has had enough")

    model, optimizer = net(), nn.Adam(0.05)
    history = model.fit(
        X,
        y,
        loss=nn.MeanSquaredError(),
        optimizer=optimizer,
        epochs=60,
        batch_size=32,
        validation=data(41, seed=1),
        callbacks=[nn.EarlyStopping(patience=3), nn.ReduceOnPlateau(patience=2, factor=0.5), Say()],
        distributed=bool(options["distributed"]),
    )
    found = {"early": outcome(model, history, optimizer), "calls": calls}
    if options["distributed"]:
        model = net()
        history = model.fit(
            X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=20, callbacks=[StopOnLastRank()],
            distributed=True,
        )  # fmt: skip
        found["one rank stops"] = outcome(model, history)
        # Clocks differ: were they not to agree, a rank would go home and the others wait for it.
        model = net()
        history = model.fit(
            X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=10**6,
            callbacks=[nn.TimeLimit(0.3 + 0.1 * distributed.rank())], distributed=True,
        )  # fmt: skip
        found["time limit"] = outcome(model, history)
    return found


def shards(options: dict[str, Any]) -> Any:
    """Train on shards of files, in memory, and of different lengths."""
    folder, rank, size = Path(options["folder"]), distributed.rank(), distributed.size()
    found: dict[str, Any] = {}
    X, y = data()

    def train(name: str, model: nn.Sequential, *given: Any, **more: Any) -> None:
        arguments = {"optimizer": nn.Adam(0.01), "epochs": 6, "batch_size": 32, **more}
        history = model.fit(*given, loss=nn.MeanSquaredError(), distributed=True, **arguments)
        found[name] = outcome(model, history)
        found[name]["mean"] = model[0].buffers["mean"]

    from_file = shard(folder / "X.npy"), shard(folder / "y.npy")
    held_out = shard(folder / "X1.npy"), shard(folder / "y1.npy")
    found["mapped"] = isinstance(from_file[0].rows, np.memmap)
    train("files", net(), *from_file, validation=held_out, metrics=[nn.r2])
    train("fraction", net(), *from_file, validation=0.3, metrics=[nn.r2])
    train("full batch", net(), *from_file, optimizer=nn.LBFGS(), batch_size=None, epochs=8)
    train("levenberg-marquardt", net(), *from_file, optimizer=nn.LevenbergMarquardt(), batch_size=None)
    # Other numbers of rows on each rank: the first has half of all.
    ends = [0, *(len(X) // 2 + (len(X) - len(X) // 2) * i // max(size - 1, 1) for i in range(size))]
    mine = slice(ends[rank], ends[rank + 1]) if size > 1 else slice(0, None)
    weight = np.linspace(0, 2, len(X))
    train("uneven", net(), Shard(X[mine]), Shard(y[mine]), weight=Shard(weight[mine]), epochs=3)

    # Which rows come in which batch? All of them, once an epoch, and other ones in the next.
    seen = []

    class Look(nn.MeanSquaredError):
        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            seen.append(target[:, 0].tolist())
            return super().value_and_grad(pred, target, weight)

    numbers = np.arange(103.0)[:, None]
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    given = {"optimizer": nn.SGD(1e-6), "epochs": 2, "batch_size": 32, "rng": 5}
    model.fit(shard(numbers), shard(numbers), loss=Look(), distributed=True, **given)
    found["seen"] = seen
    return found


def class_weights(options: dict[str, Any]) -> Any:
    """Train on shards with balanced weights of classes, whose rows are not spread evenly; in one batch."""
    X, y = data()
    ids = np.sort((y[:, 0] > 0).astype(int) + (y[:, 0] > 1.2))
    model = nn.Sequential([nn.Standardize(5), nn.Dense(5, 3)], rng=0, dtype=np.float64)
    model.fit(
        shard(X), shard(ids), loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=5, batch_size=103,
        class_weight="balanced", distributed=True,
    )  # fmt: skip
    sums: list[Any] = []

    class Look(nn.SoftmaxCrossEntropy):
        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            sums.append(np.bincount(target, weight, minlength=3))
            return super().value_and_grad(pred, target, weight)

    again = nn.Sequential([nn.Dense(5, 3)], rng=0, dtype=np.float64)
    again.fit(
        shard(X), shard(ids), loss=Look(), optimizer=nn.SGD(0.1), epochs=1, batch_size=103, validation=0.25,
        weight=shard(np.linspace(0.5, 2, 103)), class_weight="balanced", distributed=True,
    )  # fmt: skip
    return model.params.values.copy(), X, ids, sums[0]


def uneven_steps(options: dict[str, Any]) -> Any:
    """Train on shards of different lengths, then again in one process, on the rows that each batch had."""
    X, y = data()
    weight = np.linspace(0.5, 2, len(X))
    rank = distributed.rank()
    ends = [0, 70, 80, 103]
    mine = slice(ends[rank], ends[rank + 1])

    class Look(nn.MeanSquaredError):
        def __init__(self) -> None:
            super().__init__()
            self.taken: list[
                list[float]
            ] = []  # of its own: `fit` asks a copy whether it takes note of weights

        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            self.taken.append(target[:, 0].tolist())
            return super().value_and_grad(pred, target, weight)

    model = net()
    model.adapt(X)
    start = model.params.values.copy()
    shards = {"X": Shard(X[mine]), "y": Shard(y[mine]), "weight": Shard(weight[mine])}
    given = {"optimizer": nn.Adam(0.01), "epochs": 3, "batch_size": 32, "rng": 7}
    loss = Look()
    model.fit(**shards, loss=loss, distributed=True, **given)
    from mpi4py import MPI

    everyone = MPI.COMM_WORLD.allgather(loss.taken)
    place = {value: row for row, value in enumerate(y[:, 0].tolist())}
    twin, optimizer = net(), nn.Adam(0.01)
    twin.adapt(X)
    twin.params.values[...] = start
    for batch in zip(*everyone, strict=True):
        rows = [place[value] for part in batch for value in part]
        twin.loss_and_grad(X[rows], y[rows], nn.MeanSquaredError(), weight=weight[rows])
        # Its part of the average over all shards.
        twin.params.grads[...] *= weight[rows].mean() / weight.mean()
        optimizer.step(twin.params)
    return {"values": model.params.values.copy(), "again": twin.params.values.copy()}


def resume(options: dict[str, Any]) -> Any:
    """Train with checkpoints; stop, or go on from one."""
    X, y = data()
    make = mixing_net if options.get("mixing") else net
    model, optimizer = make(noise=options.get("noise", 0.0)), nn.Adam(0.01)
    path = Path(options["folder"], options["path"])

    class Stop(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            if options["stop"] == [state.epoch, state.batch] and state.rank == state.ranks - 1:
                os.kill(os.getpid(), signal.SIGINT)

    checkpoint = nn.Checkpoint(path, every=options.get("every", 3), unit=options.get("unit", "steps"))
    history = model.fit(
        *((shard(X), shard(y)) if options.get("shards") else (X, y)),
        loss=nn.MeanSquaredError(),
        optimizer=optimizer,
        epochs=options.get("epochs", 10),
        batch_size=32,
        validation=0.2,
        metrics=[nn.r2],
        callbacks=[Stop(), checkpoint, nn.ProgressBar(disable=True)],
        # As `path if path.exists() else None` says, where only the disk of the first rank has the file.
        resume=path if options.get("resume") and not distributed.rank() else None,
        distributed=True,
    )
    return outcome(model, history, optimizer)


def shards_in_the_middle(options: dict[str, Any]) -> Any:
    """Stop a training on shards in the middle of an epoch, or go on with it."""
    X, y = data()
    path = Path(options["folder"], "shards.checkpoint")
    model = net()

    class Stop(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            if options["stop"] == [state.epoch, state.batch]:
                os.kill(os.getpid(), signal.SIGINT)

    try:
        history = model.fit(
            shard(X),
            shard(y),
            loss=nn.MeanSquaredError(),
            optimizer=nn.Adam(0.01),
            epochs=6,
            batch_size=32,
            callbacks=[Stop(), nn.Checkpoint(path, every=10**6)],
            resume=path if options.get("resume") else None,
            distributed=True,
        )
    except ValueError as error:
        return f"{error}"
    return outcome(model, history)


def odd_one(options: dict[str, Any]) -> Any:
    """Let the last rank differ in one thing, and return what `fit` says to each."""
    X, y = data()
    last = distributed.rank() == distributed.size() - 1
    what = options["what"] if last else ""
    model = net(width=9 if what == "model" else 8, dtype=np.float32 if what == "dtype" else np.float64)
    if what == "features":
        X = X[:, :4]
    if what == "data":
        X = X + 1e-9
    if what == "nan":
        X[7, 2] = np.nan
    if what == "version":
        from nnlite.distributed import parallel

        parallel.__version__ = "0.0.1"
    before = model.params.values.copy()
    try:
        model.fit(
            X,
            y,
            loss=nn.Huber() if what == "loss" else nn.MeanSquaredError(),
            optimizer=nn.SGD(0.2 if what == "optimizer" else 0.1),
            epochs=4 if what == "epochs" else 3,
            distributed=True,
        )
    except (ValueError, TypeError) as error:
        return type(error).__name__, f"{error}", bool((model.params.values == before).all())
    return None


def not_finite(options: dict[str, Any]) -> Any:
    """Let one rank meet a gradient, a loss or a prediction that is not finite."""
    X, y = data()
    bad = options["rank"]
    values = {}

    class Root(nn.Layer):
        """The square root, with a derivative that is infinite at 0."""

        def forward(self, x: Any, ctx: Any = None) -> Any:
            if ctx is not None:
                ctx.save(x)
            return x

        def backward(self, dy: Any, ctx: Any) -> Any:
            wrong = options["what"] == "gradient" and distributed.rank() == bad and len(values) >= 6
            return dy * np.nan if wrong else dy

    class Broken(nn.MeanSquaredError):
        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            value, grad = super().value_and_grad(pred, target, weight)
            wrong = options["what"] == "loss" and distributed.rank() == bad and len(values) >= 6
            return (np.inf if wrong else value), grad

    class Keep(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            values[len(values)] = state.model.params.values.copy()

    model = nn.Sequential([nn.Dense(5, 8), nn.Tanh(), Root(), nn.Dense(8, 1)], rng=0, dtype=np.float64)
    try:
        model.fit(
            X, y, loss=Broken(), optimizer=nn.SGD(0.01), epochs=4, batch_size=32, callbacks=[Keep()],
            distributed=DataParallel(overlap=options.get("overlap", False)),
        )  # fmt: skip
    except DivergenceError as error:
        return f"{error}", len(values), model.params.values, values[len(values) - 2]
    return None


def different_weights(options: dict[str, Any]) -> Any:
    """Let a callback change a weight on one rank only."""
    X, y = data()

    class Meddle(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            if state.rank == 1 and state.epoch == 2 and state.batch == 1:
                state.model.params.values[0] += 1e-15 + abs(state.model.params.values[0]) * 1e-15

    model = net()
    try:
        model.fit(
            X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=9, batch_size=32,
            callbacks=[Meddle()], distributed=DataParallel(check_every=6),
        )  # fmt: skip
    except ValueError as error:
        return type(error).__name__, f"{error}"
    return None


def fails(options: dict[str, Any]) -> Any:
    """Fail on one rank, at different moments; the others must not wait for it."""
    X, y = data()
    mine = distributed.rank() == 1

    class Fail(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            if mine and state.epoch == 2:
                raise OSError("the disk of rank 1 is full")

    if options["when"] == "before" and mine:
        raise OSError("rank 1 cannot begin")
    net().fit(
        X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=10**6,
        callbacks=[Fail()] if options["when"] == "during" else [], distributed=True,
    )  # fmt: skip


def all_fail(options: dict[str, Any]) -> Any:
    """Fail on all ranks with the same error, which nobody catches."""
    net().fit([[1.0]], [[1.0]], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), distributed=True)


def late(options: dict[str, Any]) -> Any:
    """Let a rank come late to `fit`."""
    from nnlite.distributed import world

    world.LATE = 0.3
    if distributed.rank() == 1:
        time.sleep(1.0)
    X, y = data()
    net().fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=1, distributed=True)


def threads(options: dict[str, Any]) -> Any:
    """Look at how many BLAS threads there are in `fit`, and after it."""
    from threadpoolctl import threadpool_info

    def count() -> int:
        return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    found = []

    class Look(nn.Callback):
        def on_epoch_end(self, state: nn.TrainingState) -> None:
            found.append(count())

    X, y = data()
    if options.get("one_has_said"):  # on one of several machines, say
        os.environ |= {"OMP_NUM_THREADS": "1"} if distributed.rank() else {}
    before = count()
    net().fit(
        X,
        y,
        loss=nn.MeanSquaredError(),
        optimizer=nn.SGD(0.01),
        epochs=1,
        callbacks=[Look()],
        distributed=True,
    )
    return before, found[0], count()


def streams(options: dict[str, Any]) -> Any:
    """Give one rank other batches than the others, and look what they are told."""
    X, y = data(90)
    changes: dict[str, Any] = {
        "none": lambda batches: batches,
        "fewer": lambda batches: batches[:2],
        "shorter": lambda batches: [*batches[:2], (X[60:80], y[60:80])],
        "other order": lambda batches: batches[::-1],
        "other targets": lambda batches: [(x, -y) for x, y in batches],
    }
    told = {}
    for name, change in changes.items():
        for place in ("training", "validation"):
            batches = given = [(X[i : i + 30], y[i : i + 30]) for i in (0, 30, 60)]
            if distributed.rank() == 1:
                given = change(batches)
            chosen = (given, batches) if place == "training" else (batches, given)
            try:
                net().fit(
                    chosen[0],
                    loss=nn.MeanSquaredError(),
                    optimizer=nn.SGD(0.01),
                    epochs=2,
                    validation=chosen[1],
                    distributed=True,
                )
                told[f"{name}, {place}"] = ""
            except ValueError as error:
                told[f"{name}, {place}"] = f"{error}"
    return told


def one_has_nan(options: dict[str, Any]) -> Any:
    """Give one rank a number that is none, and let nobody catch the error."""
    X, y = data()
    if distributed.rank() == 1:
        X[7, 2] = np.nan
    net().fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=1, distributed=True)


def orders(options: dict[str, Any]) -> Any:
    """Let each rank draw another order of the rows, by a function."""
    X, y = data()
    model = net()
    rng = np.random.default_rng(distributed.rank())
    model.fit(
        X,
        y,
        loss=nn.MeanSquaredError(),
        optimizer=nn.SGD(0.01),
        epochs=3,
        batch_size=16,
        shuffle=rng.permutation,
        distributed=True,
    )
    return model.params.values.copy()


def for_ever(options: dict[str, Any]) -> Any:
    """Train until something ends it; say who and where this is."""
    X, y = data(4096)
    Path(options["folder"], f"pid-{distributed.rank()}").write_text(f"{os.getpid()}")
    path = Path(options["folder"], "run.checkpoint")

    class Alive(nn.Callback):
        first_rank_only = True

        def on_epoch_end(self, state: nn.TrainingState) -> None:
            new = Path(options["folder"], "alive.new")
            new.write_text(f"{state.epoch}")
            new.replace(new.with_suffix(""))  # nobody reads half of it
            if options.get("slow"):
                time.sleep(0.01)

    model = net(width=32)
    callbacks = [Alive()]
    if options["checkpoint"]:
        callbacks.append(nn.Checkpoint(path, every=20, unit="steps"))
    history = model.fit(
        X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.001), epochs=10**6, batch_size=512,
        callbacks=callbacks, resume=path if options.get("resume") else None, distributed=True,
    )  # fmt: skip
    return outcome(model, history)


def stops(options: dict[str, Any]) -> Any:
    """Let a callback stop one rank, at each moment; also one that other ranks do not call."""
    X, y = data()
    found = {}
    moments = [name for name in vars(nn.Callback) if name.startswith("on_") and name != "on_train_end"]
    for kind in (nn.SGD, nn.LBFGS):
        for moment in moments:
            for rank in (0, 1):

                def act(self: Any, state: nn.TrainingState, rank: int = rank) -> None:
                    if state.rank == rank:
                        state.stop(f"rank {rank}")

                Stop = type("Stop", (nn.Callback,), {moment: act, "first_rank_only": rank == 0})
                model, optimizer = net(), (nn.SGD(0.01) if kind is nn.SGD else nn.LBFGS())
                history = model.fit(
                    X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=3, callbacks=[Stop()],
                    batch_size=32 if kind is nn.SGD else None, distributed=True,
                )  # fmt: skip
                found[f"{kind.__name__} {moment} {rank}"] = outcome(model, history)
    return found


def own_losses(options: dict[str, Any]) -> Any:
    """Train with losses of one's own, on all ranks and then on each alone; return the largest differences."""
    X, y = data(96)
    kept = {rows: np.full((rows, 1), 1 / rows) for rows in range(1, 33)}

    class Kept(nn.Loss):
        """Gives out an array that it has for each number of rows."""

        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            return np.float32(pred.mean()), kept[len(pred)]

    class ReadOnly(nn.MeanSquaredError):
        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            value, grad = super().value_and_grad(pred, target, weight)
            grad.flags.writeable = False
            return value, grad

    class Undefined(nn.Loss):
        """Divides by the sum of the weights, also if that is 0."""

        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            shares = (weight / weight.sum())[:, None]
            return float((shares * (pred - target) ** 2).sum()), 2 * shares * (pred - target)

    weight = np.where(np.arange(len(X)) % 32 < 16, 1.0, 0.0)
    found = {}
    for loss in (Kept(), ReadOnly(), Undefined()):
        ends = []
        for how in (True, False):
            model = net()
            model.fit(
                X, y, weight=weight if isinstance(loss, Undefined) else None, loss=loss, shuffle=False,
                optimizer=nn.SGD(0.01), epochs=3, batch_size=32, distributed=how,
            )  # fmt: skip
            ends.append(model.params.values)
        found[type(loss).__name__] = float(np.abs(ends[0] - ends[1]).max())
    return found, all((grad == 1 / rows).all() for rows, grad in kept.items())


def shard_batches(options: dict[str, Any]) -> Any:
    """Look at how many rows the batches of shards have."""
    X, y = data(64)
    sizes: list[float] = []

    class Look(nn.Callback):
        def on_batch_end(self, state: nn.TrainingState) -> None:
            sizes.append(state.batch_rows)

    found = {}
    for name, more in {"as many as a shard": {}, "held out": {"validation": 0.5}}.items():
        sizes.clear()
        net().fit(
            shard(X), shard(y), loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=1,
            batch_size=64 // distributed.size(), callbacks=[Look()], distributed=True, **more,
        )  # fmt: skip
        found[name] = list(sizes)
    return found


def blocks(options: dict[str, Any]) -> Any:
    """Measure on shards of a file that are read in different numbers of blocks."""
    from nnlite.data import lazy as rows

    rows.BLOCK_BYTES, rows.EVEN_ROWS = 25 * 5 * 8, 1
    X, y = (shard(Path(options["folder"], f"{name}.npy")) for name in ("X", "y"))
    model = net()
    history = model.fit(
        X, y, loss=nn.MeanSquaredError(), optimizer=nn.LBFGS(), epochs=2, validation=(X, y),
        metrics={"rows": lambda pred, target: float(len(pred))}, distributed=True,
    )  # fmt: skip
    return outcome(model, history)


def empty_share(options: dict[str, Any]) -> Any:
    """Let a loss be infinite where rank 0 has no row: in a last batch of one, or on one row held out."""
    X, y = data(33 if options["broken"] == "weights" else 32)

    class Broken(nn.MeanSquaredError):
        def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
            value, grad = super().value_and_grad(pred, target, weight)
            return (np.inf if len(pred) == 1 and options["broken"] == "validation" else value), grad

    class Huge(nn.Callback):
        def on_grad_computed(self, state: nn.TrainingState) -> None:
            if state.batch == 2 and options["broken"] == "weights":
                state.model.params.grads[...] = np.finfo(float).max

    try:
        net().fit(
            X, y, loss=Broken(), optimizer=nn.SGD(10.0), epochs=1, batch_size=32, callbacks=[Huge()],
            validation=(X[:1], y[:1]), distributed=True,
        )  # fmt: skip
    except DivergenceError as error:
        return f"{error}"
    return None


def odd_shards(options: dict[str, Any]) -> Any:
    """Let the last rank give other kinds of data than the others."""
    import pandas as pd

    X, y = data(60)
    last = distributed.rank() == distributed.size() - 1
    rows, targets = shard(X), shard(y)
    table = pd.DataFrame(rows.rows, columns=list("edcba" if last else "abcde"))
    given: dict[str, dict[str, Any]] = {
        "validation": {"validation": None if last else (rows, targets)},
        "whole": {"X": X if last else rows, "y": y if last else targets},
        "weight": {"weight": None if last else shard(np.ones(60))},
        "columns": {"X": Shard(table)},
        "order": {"shuffle": lambda rows: np.arange(rows)},
        "batch": {"batch_size": 1},
    }
    found = {}
    for name, more in given.items():
        try:
            arguments = {"X": rows, "y": targets, "batch_size": 32, **more}
            optimizer = nn.SGD(0.01)
            net().fit(**arguments, loss=nn.MeanSquaredError(), optimizer=optimizer, distributed=True)
            found[name] = None
        except (ValueError, TypeError) as error:
            found[name] = type(error).__name__, f"{error}"
    return found


def compiled(options: dict[str, Any]) -> Any:
    """Ask for compiled loops; return what trained, and what came of it."""
    X, y = data()
    found = {}
    ways: dict[str, Any] = {"plain": {}, "pieces": {"distributed": DataParallel(accumulate=2)}}
    for name, more in {**ways, "full": {"optimizer": nn.LBFGS()}}.items():
        for jit in (False, True):
            model = net()
            arguments = {"optimizer": nn.Adam(0.01), "epochs": 6, "distributed": True, "jit": jit, **more}
            history = model.fit(X, y, loss=nn.MeanSquaredError(), **arguments)
            found[name, jit] = outcome(model, history), history.engine
    return found


def without_numba(options: dict[str, Any]) -> Any:
    """Ask for compiled loops where the last rank has no numba; return what each is told."""
    if distributed.rank() == distributed.size() - 1:
        sys.modules["numba"] = None  # type: ignore[assignment]
    try:
        arguments = {"optimizer": nn.SGD(0.01), "epochs": 2, "distributed": True, "jit": True}
        net().fit(*data(), loss=nn.MeanSquaredError(), **arguments)
    except (RankError, ModuleNotFoundError) as error:
        return type(error).__name__, f"{error}"
    return None


def main() -> None:
    """Do the job that was named."""
    name, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    found = globals()[name](options | {"folder": str(folder)})
    Path(folder, f"rank-{distributed.rank()}.pickle").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()
