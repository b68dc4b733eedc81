"""Sweeps in worker processes of loky, dask and ray: the same bits, errors, and workers that are killed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.sweeps import run, spread

pytest.importorskip("joblib")
pytest.importorskip("cloudpickle")
threadpoolctl = pytest.importorskip("threadpoolctl")

pytestmark = [
    pytest.mark.engines,
    pytest.mark.usefixtures("one_blas_thread"),
    # The engines' own: sockets and processes that are closed a moment after the cluster is.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# What is swept. The functions and classes are local ones, which are sent as they are, so that the workers
# need not find this file.


def regression(dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((61, 5))
    model = nn.Sequential([nn.Dense(5, 9), nn.Tanh(), nn.Dense(9, 2)], dtype=dtype)
    return SimpleNamespace(model=model, X=X, y=X[:, :2] * X[:, 2:4], options={"epochs": 6})


def classification(dtype):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((83, 6))
    y = (X[:, 0] > 0) + 2 * (X[:, 1] > 0) + 3 * (X[:, 2] > 1)
    layers = [nn.Standardize(6), nn.Dense(6, 11), nn.ReLU(), nn.Dropout(0.2), nn.Dense(11, 7)]
    options = {
        "optimizer": nn.Adam(),
        "schedule": lambda rate: lambda step: rate / (1 + step / 50),
        "epochs": 8,
        "batch_size": 13,
        "weight": rng.uniform(0.5, 2, 83),
        "validation": (X[:20] + 0.1, y[:20]),
        "metrics": {"accuracy": nn.accuracy, "rows": lambda pred, target, weight=None: float(len(target))},
        "callbacks": [nn.EarlyStopping(patience=1), nn.ReduceOnPlateau(patience=1)],
    }
    return SimpleNamespace(model=nn.Sequential(layers, dtype=dtype), X=X, y=y, options=options)


def full_batches(dtype, rows=40):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((rows, 3))
    model = nn.Sequential([nn.Dense(3, 8), nn.GELU(), nn.Dense(8, 1)], dtype=dtype)
    options = {"batch_size": rows, "epochs": 12, "optimizer": nn.SGD(momentum=0.9), "loss": nn.Huber()}
    return SimpleNamespace(model=model, X=X, y=X[:, :1], options=options)


def table(dtype):
    """Numbers and cities, which the model makes numbers of itself."""
    rng = np.random.default_rng(3)
    X = {
        "age": rng.uniform(20, 80, 50).tolist(),
        "city": rng.choice(["Bern", "Genf", "Basel"], 50).tolist(),
        "income": rng.lognormal(size=50).tolist(),
    }
    encoder = nn.TableEncoder().fit(X)
    layers = [encoder.layer(), nn.Dense(encoder.width, 6), nn.Sigmoid(), nn.Dense(6, 1)]
    model = nn.Sequential(layers, dtype=dtype, preprocessing=encoder)
    y = (np.array(X["age"]) > 50)[:, None].astype(int)
    options = {"epochs": 5, "validation": 0.2, "batch_size": 16, "optimizer": nn.RMSProp()}
    return SimpleNamespace(model=model, X=X, y=y, options=options)


def frame(dtype):
    """Columns with names and no encoder: the model keeps the names."""
    pandas = pytest.importorskip("pandas")
    net = regression(dtype)
    return SimpleNamespace(
        model=net.model,
        X=pandas.DataFrame(net.X, columns=list("abcde")),
        y=net.y,
        options=net.options | {"validation": 0.2},
    )


NETS = [regression, classification, full_batches, table, frame]
RATES = np.geomspace(1e-3, 300, 6)  # the last ones diverge


def sweep(net, **options):
    options = {"learning_rate": RATES, "seeds": 2} | net.options | options
    return nn.sweep(net.model, net.X, net.y, **options)


def everything(result):
    """Name all that a result holds, to the last bit, but the seconds."""
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in result.history]
    return {
        "values": result.model.params.values.tobytes(),
        "dtype": result.model.params.dtype,
        "buffers": [
            {name: array.tobytes() for name, array in layer.buffers.items()} for layer in result.model.layers
        ],
        "names": result.model.feature_names,
        "draws": [rng.bit_generator.state for rng in result.model.rng.each],
        "rows": rows,
        "replicas": result.history.replicas,
        "end": (result.history.stop_reason, result.history.interrupted),
        "curves": result.curves.tobytes(),
        "result": result.to_dict(),
    }


def assert_same(found, expected):
    found, expected = everything(found), everything(expected)
    assert pickle.loads(pickle.dumps(found)) == found  # nothing in it is compared by identity
    for name, value in expected.items():
        assert repr(found[name]) == repr(value), name


@contextmanager
def packs_of(monkeypatch, count):
    """Train so many nets at a time in this process."""
    with monkeypatch.context() as patch:
        patch.setattr(run, "bytes_for_one", lambda *_: 1)
        patch.setattr(run, "LARGEST_FIT", count)
        yield


def test_dask_without_a_client():  # the first test, as the others start one
    pytest.importorskip("distributed")
    with pytest.raises(ArgumentError) as caught:
        sweep(full_batches(np.float32), backend="dask")
    assert str(caught.value) == (
        "sweep(backend='dask'): expected a client of a dask cluster, got none. Write client = "
        'distributed.Client() before, for one on this machine, or distributed.Client("tcp://scheduler:8786").'
    )


class TestSameBits:
    @pytest.mark.nonfinite
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("net", NETS)
    def test_however_they_are_packed(self, net, dtype, monkeypatch):
        expected = sweep(net(dtype))
        assert "diverges" in expected.labels or net is not regression
        for count in (1, 2, 5):
            with packs_of(monkeypatch, count):
                assert_same(sweep(net(dtype)), expected)

    @pytest.mark.nonfinite
    @pytest.mark.parametrize("net", NETS)
    def test_with_every_engine_and_number_of_workers(self, net, engine):
        expected = sweep(net(np.float32))
        for workers in (1, 2, None):
            assert_same(sweep(net(np.float32), backend=engine, workers=workers), expected)

    @pytest.mark.nonfinite
    def test_in_float64(self, engine):
        assert_same(
            sweep(classification(np.float64), backend=engine, workers=2), sweep(classification(np.float64))
        )

    @pytest.mark.nonfinite
    def test_if_all_diverge(self):
        net, rates = regression(np.float32), [1e10, 1e20]
        found = sweep(net, learning_rate=rates, backend="loky", workers=2)
        assert_same(found, sweep(net, learning_rate=rates))
        assert found.labels == ["diverges", "diverges"]

    def test_arrays_that_the_engine_sends_on_its_own(self, engine):
        # loky maps arrays of more than a megabyte from a file, which nobody can write to.
        rng = np.random.default_rng(4)
        X = rng.standard_normal((3000, 50))
        net = SimpleNamespace(
            model=nn.Sequential([nn.Dense(50, 4)]),
            X=X,
            y=X[:, :4],
            options={
                "epochs": 2,
                "batch_size": 500,
                "learning_rate": [0.01, 0.1],
                "validation": (X, X[:, :4]),
            },
        )
        rates = [0.01, 0.1]
        expected = sweep(net, learning_rate=rates)
        assert_same(sweep(net, learning_rate=rates, backend=engine, workers=2), expected)

    def test_joblib_is_asked_where_only_workers_are_given(self):
        from joblib import parallel_config

        net = full_batches(np.float32)
        expected = sweep(net, learning_rate=[0.01, 0.1])
        processes = set()

        class Note(nn.Callback):
            def on_train_begin(self, state):
                processes.add(os.getpid())

        for backend, here in (("threading", True), ("loky", False)):
            processes.clear()
            with parallel_config(backend=backend):
                found = sweep(net, learning_rate=[0.01, 0.1], workers=2, callbacks=[Note()])
            assert_same(found, expected)
            assert processes == ({os.getpid()} if here else set())

    def test_threads_do_not_share_callbacks(self):
        from joblib import parallel_config

        net = classification(np.float32)
        with parallel_config(backend="threading"):
            found = sweep(net, learning_rate=[0.01, 0.1], seeds=3, workers=2)
        assert_same(found, sweep(net, learning_rate=[0.01, 0.1], seeds=3))

    def test_packs_depend_on_the_nets_only(self):
        assert spread.pack_size(96, 1) == 24
        assert spread.pack_size(96, spread.PACK_BYTES // 5) == 5
        assert spread.pack_size(96, 2 * spread.PACK_BYTES) == 1
        assert spread.pack_size(2, 1) == 1


class TestWorkers:
    def test_each_has_one_thread_of_the_blas(self, engine):
        net = full_batches(np.float32)

        class Threads(nn.Callback):
            def on_train_end(self, state):
                import threadpoolctl

                most = max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())
                for one in state.history.replicas:
                    one["stop_reason"] = f"{most} threads in process {os.getpid()}"

        found = sweep(net, learning_rate=[0.01, 0.1], backend=engine, workers=2, callbacks=[Threads()])
        reasons = {one["stop_reason"].split(" in process ")[0] for one in found.history.replicas}
        processes = {int(one["stop_reason"].split()[-1]) for one in found.history.replicas}
        assert reasons == {"1 threads"}
        assert os.getpid() not in processes

    def test_the_limit_is_lifted_by_the_last_one_in_a_process(self):
        def threads():
            return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())

        with threadpoolctl.threadpool_limits(2):
            many = threads()
            limit = spread._OneThread()
            with limit:
                with limit:
                    assert threads() == 1
                assert threads() == 1
            assert threads() == many

    def test_one_that_is_killed_loses_nothing(self, engine, tmp_path):
        net, marker = (
            full_batches(np.float32, rows=400),
            tmp_path / "killed",
        )

        class Dies(nn.Callback):
            """Ends the process that trains the largest rates, once, in the middle."""

            def on_epoch_end(self, state):
                if state.epoch == 6 and state.optimizer.rate.max() > 0.5 and not marker.exists():
                    marker.write_text(f"{os.getpid()}", encoding="ascii")
                    os.kill(os.getpid(), signal.SIGKILL)

        rates = np.geomspace(0.001, 1, 6)
        found = sweep(net, learning_rate=rates, backend=engine, workers=2, callbacks=[Dies()])
        assert int(marker.read_text(encoding="ascii")) != os.getpid()
        assert_same(found, sweep(net, learning_rate=rates))

    def test_the_data_that_died_with_one_are_there_again(self, dask, tmp_path):
        """All workers of dask are killed, so that nobody has the data any more."""
        net = full_batches(np.float32, rows=400)

        class Dies(nn.Callback):
            def on_epoch_end(self, state):
                from distributed import get_worker

                marker = tmp_path / f"{get_worker().name}"  # which the process that takes its place has too
                if state.epoch == 6 and not marker.exists():
                    marker.touch()
                    while len(list(tmp_path.iterdir())) < 2:
                        time.sleep(0.01)
                    os.kill(os.getpid(), signal.SIGKILL)

        rates = np.geomspace(0.001, 1, 6)
        found = sweep(net, learning_rate=rates, backend="dask", callbacks=[Dies()])
        assert len(list(tmp_path.iterdir())) == 2
        assert_same(found, sweep(net, learning_rate=rates))

    def test_dask_does_not_begin_anew_what_has_come(self, dask, tmp_path):
        net = full_batches(np.float32)

        class Counts(nn.Callback):
            """Ends the process that trains the last pack, once the others have come."""

            def on_train_begin(self, state):
                killed = tmp_path / "killed"
                if state.optimizer.rate.max() > 0.09 and not killed.exists():
                    end = time.monotonic() + 30
                    while len([*tmp_path.glob("ended-*")]) < packs - 1 and time.monotonic() < end:
                        time.sleep(0.01)
                    time.sleep(0.5)  # until the results that are on their way have come
                    killed.touch()
                    os.kill(os.getpid(), signal.SIGKILL)

            def on_train_end(self, state):
                number = len([*tmp_path.glob(f"ended-{state.optimizer.rate.min()}-*")])
                (tmp_path / f"ended-{state.optimizer.rate.min()}-{number}").touch()

        packs = 4  # of one net each
        sweep(
            net, learning_rate=np.geomspace(0.001, 0.1, packs), seeds=1, backend="dask", callbacks=[Counts()]
        )
        assert (tmp_path / "killed").exists()
        assert len([*tmp_path.glob("ended-*")]) == packs

    def test_what_was_done_before_is_kept(self, tmp_path):
        # loky ends all workers when one dies: what they had not finished is trained anew, and nothing else.
        net = full_batches(np.float32)

        class Counts(nn.Callback):
            def on_train_end(self, state):
                number = len(list(tmp_path.glob(f"{state.optimizer.rate.min()}-*")))
                (tmp_path / f"{state.optimizer.rate.min()}-{number}").touch()

            def on_epoch_end(self, state):
                ended = len(list(tmp_path.glob("0*")))
                if ended >= 3 and not (tmp_path / "killed").exists():
                    (tmp_path / "killed").touch()
                    time.sleep(0.5)  # until the results that are on their way have come
                    os.kill(os.getpid(), signal.SIGKILL)

        rates = np.geomspace(0.001, 0.1, 6)
        sweep(net, learning_rate=rates, backend="loky", workers=2, callbacks=[Counts()])
        assert (tmp_path / "killed").exists()
        trained = [len(list(tmp_path.glob(f"{rate}-*"))) for rate in rates.astype(float).tolist()]
        assert sum(trained) <= 4 + 1  # that of the other worker at most

    def test_one_that_dies_again_and_again_ends_the_sweep(self):
        class Dies(nn.Callback):
            def on_train_begin(self, state):
                os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(RuntimeError) as caught:
            sweep(full_batches(np.float32), backend="loky", workers=2, callbacks=[Dies()])
        assert "0 of 4 packs of nets were trained, and workers died 4 times" in caught.value.__notes__[0]


class TestErrors:
    def test_those_of_a_worker_are_the_same(self, engine):
        net = regression(np.float32)
        here, there = {}, {}
        for place, options in ((here, {}), (there, {"backend": engine, "workers": 2})):
            with pytest.raises(ShapeError) as caught:
                sweep(net, validation=(net.X, net.y[:-1]), **options)
            place[type(caught.value)] = str(caught.value)
        assert here == there

    def test_those_of_a_callback_too(self, engine):
        class Raises(nn.Callback):
            def on_epoch_end(self, state):
                raise ZeroDivisionError("of the callback")

        with pytest.raises(ZeroDivisionError, match="of the callback") as caught:
            sweep(full_batches(np.float32), backend=engine, workers=2, callbacks=[Raises()])
        assert type(caught.value) is ZeroDivisionError
        # and the engine goes on working
        assert sweep(full_batches(np.float32), backend=engine, workers=2, learning_rate=[0.1, 0.2]).labels

    def test_one_that_cannot_be_sent_is_told_once(self, engine, tmp_path):
        class Odd(Exception):
            def __init__(self, what, why):
                super().__init__(f"{what} {why}")

        class Raises(nn.Callback):
            def on_train_begin(self, state):
                (tmp_path / f"{state.optimizer.rate.min()}").touch(exist_ok=False)
                raise Odd("two words", "are needed")

        with pytest.raises(RuntimeError, match="Odd: two words are needed") as caught:
            sweep(full_batches(np.float32), backend=engine, workers=1, callbacks=[Raises()])
        assert "In a worker, which cannot send the error itself" in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            (
                {"backend": "slurm"},
                ArgumentError,
                "sweep(backend=): expected one of 'loky', 'dask', 'ray', got 'slurm'. "
                'Write backend="loky" for the cores of this machine.',
            ),
            (
                {"backend": 2},
                ArgumentTypeError,
                'sweep(backend=): expected a name, got int. Write backend="loky" for the cores of this '
                "machine.",
            ),
            ({"workers": 0}, ArgumentError, "sweep(workers=): expected an integer of at least 1, got 0."),
            ({"backend": "loky", "workers": 1.5}, ArgumentTypeError, "sweep(workers=): expected an integer"),
            (
                {"backend": "loky", "callbacks": [nn.ProgressBar()]},
                ArgumentError,
                "sweep(callbacks=): expected callbacks that neither print, draw nor write files, as each "
                "worker has its own, got ProgressBar. Leave it out, or leave out backend= and workers=.",
            ),
        ],
        ids=["unknown", "no name", "no worker", "half a worker", "progress bar"],
    )
    def test_what_is_refused(self, options, error, message):
        with pytest.raises(error) as caught:
            sweep(full_batches(np.float32), **options)
        assert message in str(caught.value)

    @pytest.mark.parametrize("name", ["callbacks", "metrics", "schedule"])
    def test_what_cannot_be_sent(self, name):
        lock = threading.Lock()

        class Waits(nn.Callback):
            def __init__(self):
                self.lock = lock

        things = {
            "callbacks": [Waits()],
            "metrics": {"locked": lambda pred, target: float(lock.locked())},
            "schedule": lambda rate: lambda step: rate if lock else 0.0,
        }
        with pytest.raises(ArgumentError) as caught:
            sweep(full_batches(np.float32), backend="loky", **{name: things[name]})
        assert str(caught.value).startswith(
            f"sweep({name}=): expected something that can be sent to another process, got TypeError: cannot "
            "pickle"
        )

    def test_an_engine_that_is_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(ModuleNotFoundError) as caught:
            sweep(full_batches(np.float32), backend="ray")
        assert str(caught.value) == (
            "sweep(backend=): expected ray to be installed, got no such package. "
            'Run python -m pip install ".[engines]" where nnlite is checked out.'
        )
        assert caught.value.name == "ray"


INTERRUPTED = """
import sys
from pathlib import Path

import numpy as np

import nnlite as nn


class Note(nn.Callback):
    def on_epoch_end(self, state):
        (Path(sys.argv[2]) / "begun").touch()


def main(engine):
    X = np.random.default_rng(0).standard_normal((64, 8))
    model = nn.Sequential([nn.Dense(8, 8), nn.Tanh(), nn.Dense(8, 1)])
    nn.sweep(model, X, X[:, :1], epochs=10**7, callbacks=[Note()], backend=engine, workers=2)


if __name__ == "__main__":
    try:
        if sys.argv[1] == "dask":
            from distributed import Client, LocalCluster

            with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as c, Client(c):
                main("dask")
        else:
            main(sys.argv[1])
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends the signals of POSIX")
@pytest.mark.parametrize("name", ["loky", "dask"])
def test_ctrl_c_ends_all(name, tmp_path):
    """As in a terminal, where the signal goes to the workers too."""
    if name == "dask":
        pytest.importorskip("distributed")
    path = os.pathsep.join(filter(None, [str(Path(nn.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, name, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            end = time.monotonic() + 60
            while not (tmp_path / "begun").exists():
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < end
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert output == "interrupted\n", errors
    assert process.returncode == 0
    end = time.monotonic() + 30
    while _living(process.pid):
        assert time.monotonic() < end, "workers are left"
        time.sleep(0.1)


def _living(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
