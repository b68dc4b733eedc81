"""How many threads compute: what the BLAS is held to, what is put back, and blocks of rows over several."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import nnlite as nn
from nnlite import _threads
from nnlite._threads import Hold, Limit, allowed, spread
from nnlite.errors import ArgumentError
from nnlite.training import work

PATIENCE = 30


def count():
    """Return how many threads NumPy's BLAS may use at present."""
    return max(library.get() for found in _threads._libraries() for library in found)


@pytest.fixture(autouse=True)
def two(monkeypatch):
    """Let there be two cores and two threads of the BLAS."""
    monkeypatch.setattr(_threads, "cores", lambda: 2)
    with threadpool_limits(2):
        if count() != 2:
            pytest.skip("a BLAS whose threads cannot be counted")
        yield
        assert count() == 2
    assert not _threads._wishes
    assert not _threads._at_work


class Elsewhere:
    """A thread that is inside of something until it is told to leave."""

    def __init__(self, inside):
        self.inside, self.entered, self.end = inside, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        assert self.entered.wait(PATIENCE)

    def run(self):
        with self.inside:
            self.entered.set()
            self.end.wait(PATIENCE)

    def leave(self):
        self.end.set()
        self.thread.join(PATIENCE)


class TestHold:
    def test_it_is_put_back(self):
        with Hold(1):
            assert count() == 1
        assert count() == 2

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_it_is_put_back_after_an_error(self, error):
        with pytest.raises(error), Hold(1):
            raise error
        assert count() == 2

    def test_the_innermost_counts(self):
        with Hold(1):
            with Hold(2):
                assert count() == 2
                with Hold(1):
                    assert count() == 1
                assert count() == 2
            assert count() == 1

    def test_one_may_be_entered_again(self):
        hold = Hold(1)
        with hold:
            with hold:
                assert count() == 1
            assert count() == 1
        assert count() == 2

    def test_it_is_never_more_than_before(self):
        with threadpool_limits(1), Hold(2):
            assert count() == 1

    def test_it_can_be_changed(self):
        with Hold(1) as hold:
            hold.change(2)
            assert count() == 2
            hold.change(1)
            assert count() == 1

    @pytest.mark.parametrize("first", ["mine", "other"])
    def test_of_two_threads_the_lowest_counts_whoever_leaves_first(self, first):
        mine, other = Hold(2), Elsewhere(Hold(1))
        mine.__enter__()
        assert count() == 1
        if first == "mine":
            mine.__exit__()
            assert count() == 1
            other.leave()
        else:
            other.leave()
            assert count() == 2
            mine.__exit__()
        assert count() == 2

    def test_many_threads_leave_nothing_behind(self):
        def work(number):
            for _ in range(300):
                with Hold(1 + number % 2):
                    assert count() <= 2

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))

    def test_it_works_while_another_thread_uses_threadpoolctl(self):
        other = Elsewhere(threadpool_limits(2))
        with Hold(1):
            assert count() == 1
        assert count() == 2
        other.leave()

    def test_what_was_interrupted_as_it_left_is_put_back_later(self, monkeypatch):
        def interrupted(self, *error):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Hold, "__exit__", interrupted)
            with pytest.raises(KeyboardInterrupt), Hold(1):
                pass
        assert count() == 2

    def test_a_child_keeps_what_its_own_thread_holds(self):
        other = Elsewhere(Hold(1))
        with Hold(2):
            assert count() == 1
            _threads._settle_in_child()
            assert count() == 2
        other.leave()

    def test_numbers_of_each_thread_are_left_to_each(self, monkeypatch):
        numbers = threading.local()
        library = _threads._Library(
            "",
            lambda: getattr(numbers, "count", 2),
            lambda count: setattr(numbers, "count", count),
            per_thread=True,
        )
        monkeypatch.setattr(_threads, "_libraries", lambda: ([], [library]))
        library.set(4)
        other = Elsewhere(Hold(1))
        assert count() == 4
        with Hold(3):
            assert count() == 3
            with Limit(1):
                assert count() == allowed() == 1
            other.leave()
            assert count() == 3
        assert count() == 4
        spread(lambda number: [count()].index(1), 8, most=2)
        monkeypatch.undo()


class TestAllowed:
    def test_no_more_than_the_blas_may_use(self):
        assert allowed() == 2
        with threadpool_limits(1):
            assert allowed() == 1

    def test_the_same_while_the_blas_is_held(self):
        with Hold(1):
            assert allowed() == 2

    def test_no_more_than_there_are_cores(self, monkeypatch):
        with threadpool_limits(16):
            assert allowed() == 2
        monkeypatch.setattr(_threads, "cores", lambda: 1)
        assert allowed() == 1

    def test_a_limit_holds_for_all(self):
        with Limit(1):
            assert count() == allowed() == 1
            with Hold(2):
                assert count() == allowed() == 1
        assert allowed() == 2

    def test_a_limit_holds_for_other_threads_and_libraries(self):
        import scipy.linalg.blas  # noqa: F401  # which brings a BLAS of its own
        import threadpoolctl

        def all_counts():
            return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

        before = all_counts()
        first, second = Elsewhere(Limit(1)), Elsewhere(Limit(1))
        assert allowed() == 1
        assert set(all_counts()) == {1}
        first.leave()
        assert set(all_counts()) == {1}
        second.leave()
        assert all_counts() == before

    @pytest.mark.parametrize(
        ("quota", "expected"), [("150000 100000", 1), ("300000 100000", 3), ("50000 100000", 0)]
    )
    def test_whole_cores_of_a_container(self, quota, expected, tmp_path, monkeypatch):
        (tmp_path / "cpu.max").write_text(quota)
        monkeypatch.setattr(_threads, "QUOTAS", [[str(tmp_path / "cpu.max")]])
        assert _threads._quota.__wrapped__() == expected

    @pytest.mark.parametrize("text", ["max 100000", "", "-1 100000"])
    def test_a_container_without_a_limit(self, text, tmp_path, monkeypatch):
        (tmp_path / "cpu.max").write_text(text)
        monkeypatch.setattr(_threads, "QUOTAS", [["/no/such/file"], [str(tmp_path / "cpu.max")]])
        assert _threads._quota.__wrapped__() > 1000


class TestSpread:
    def test_two_pieces_at_a_time_each_with_a_blas_of_one_thread(self):
        both = threading.Barrier(2)

        def piece(number):
            both.wait(PATIENCE)
            assert count() == 1
            seen.append(threading.get_ident())

        seen = []
        spread(piece, 2, most=2)
        assert len(set(seen)) == 2

    def test_each_piece_is_done_once(self):
        done = []
        spread(done.append, 500, most=2)
        assert sorted(done) == list(range(500))

    def test_no_more_than_are_allowed(self, monkeypatch):
        monkeypatch.setattr(_threads, "start_new_thread", None)
        done = []
        with Limit(1):
            spread(done.append, 50, most=2)
        assert len(done) == 50

    def test_who_works_at_the_same_time_shares_the_cores(self, monkeypatch):
        monkeypatch.setattr(_threads, "start_new_thread", None)
        done = []
        with _threads._several(2) as threads:
            assert threads == 2
            spread(done.append, 2, most=2)
        assert done == [0, 1]

    def test_what_numpy_does_at_an_overflow_is_the_same(self):
        both = threading.Barrier(2)
        seen = []

        def piece(number):
            both.wait(PATIENCE)
            seen.append(np.geterr()["over"])

        with np.errstate(over="call"):
            spread(piece, 2, most=2)
        assert seen == ["call", "call"]

    def test_the_first_error_is_raised_and_the_rest_is_left(self):
        both, done = threading.Barrier(2), []

        def piece(number):
            if number < 2:
                both.wait(PATIENCE)
                raise ValueError(number)
            done.append(number)

        with pytest.raises(ValueError, match="0"):
            spread(piece, 100, most=2)
        assert done == []

    def test_ctrl_c_waits_for_what_others_are_at(self):
        both, ended = threading.Barrier(2), []
        main = threading.get_ident()

        def piece(number):
            both.wait(PATIENCE)
            if threading.get_ident() == main:
                raise KeyboardInterrupt
            time.sleep(0.2)
            ended.append(number)

        with pytest.raises(KeyboardInterrupt):
            spread(piece, 1000, most=2)
        assert len(ended) == 1
        assert count() == 2

    def test_without_a_thread_to_be_had(self, monkeypatch):
        def none(*_):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(_threads, "start_new_thread", none)
        done = []
        spread(done.append, 5, most=2)
        assert done == [0, 1, 2, 3, 4]


@pytest.fixture
def started(monkeypatch):
    """Spread all predictions, and count the threads that are started for it."""
    seen = []
    start = _threads.start_new_thread

    def note(*given):
        seen.append(given)
        return start(*given)

    monkeypatch.setattr(_threads, "start_new_thread", note)
    monkeypatch.setattr(work, "SPREAD_SHARE", 1)
    return seen


def rows(count=100, features=6):
    return np.random.default_rng(0).normal(size=(count, features))


NETS = {
    "dense": lambda **options: nn.Sequential(
        [nn.Dense(6, 40), nn.ReLU(), nn.Dense(40, 3), nn.Softmax()], **options
    ),
    "all sorts": lambda **options: nn.Sequential(
        [
            nn.Standardize(6),
            nn.Dense(6, 8),
            nn.BatchNorm(8),
            nn.Residual([nn.Dense(8, 8), nn.GELU()]),
            nn.Dropout(0.5),
        ],
        **options,
    ),
    "no numbers": lambda **options: nn.Sequential([nn.Tanh()], **options),
    "standardized": lambda **options: nn.Sequential([nn.Standardize(6)], **options),
}


class TestPredict:
    @pytest.mark.parametrize("replicas", [None, 3])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("name", NETS)
    def test_the_same_bits(self, name, dtype, replicas, started):
        model = NETS[name](rng=0, dtype=dtype, replicas=replicas)
        x = rows()
        model.adapt(x)
        found = model.predict(x, batch_size=7)
        assert started
        started.clear()
        with Limit(1):
            alone = model.predict(x, batch_size=7)
        assert not started
        assert found.dtype == alone.dtype
        assert found.shape == alone.shape
        np.testing.assert_array_equal(found, alone)
        np.testing.assert_array_equal(
            np.concatenate(list(model.predict_blocks([x[:49], x[49:]], batch_size=7)), axis=-2), alone
        )

    def test_into_a_given_array_and_from_a_file(self, started, tmp_path):
        model, x = NETS["dense"](rng=0), rows().astype(np.float32)
        with Limit(1):
            alone = model.predict(x, batch_size=7)
        out = np.empty((100, 3), np.float32)
        assert model.predict(x, batch_size=7, out=out) is out
        np.testing.assert_array_equal(out, alone)
        np.save(tmp_path / "x.npy", x)
        started.clear()
        np.testing.assert_array_equal(
            model.predict(np.load(tmp_path / "x.npy", mmap_mode="r"), batch_size=7), alone
        )
        assert started

    def test_other_rows_for_each_replica(self, started):
        model, x = NETS["dense"](rng=0, replicas=3), np.random.default_rng(0).normal(size=(3, 50, 6))
        found = model.predict(x, batch_size=7)
        assert started
        with Limit(1):
            np.testing.assert_array_equal(found, model.predict(x, batch_size=7))

    def test_evaluate(self, started):
        model, x = NETS["dense"](rng=0), rows(2000)
        found = model.evaluate(x, np.zeros(2000, int), metrics=[nn.accuracy])
        assert started
        with Limit(1):
            assert found == model.evaluate(x, np.zeros(2000, int), metrics=[nn.accuracy])

    @pytest.mark.parametrize("where", ["layer", "inner layer", "model", "method"])
    def test_what_a_user_wrote_stays_in_one_thread(self, where, started):
        class Own(nn.ReLU):
            pass

        class OwnModel(nn.Sequential):
            pass

        relu = nn.ReLU()
        if where == "method":
            relu.forward = relu.forward
        layers = {"layer": [nn.Dense(6, 2), Own()], "inner layer": [nn.Residual([Own()])]}
        kind = OwnModel if where == "model" else nn.Sequential
        model = kind(layers.get(where, [relu]), rng=0)
        model.predict(rows(), batch_size=7)
        assert not started

    def test_few_rows_and_little_work_stay_in_one_thread(self, started, monkeypatch):
        model = NETS["dense"](rng=0)
        model.predict(rows(), batch_size=100)
        monkeypatch.undo()
        model.predict(rows(), batch_size=7)
        assert not started

    def test_the_first_bad_row_is_named(self, started):
        model = nn.Sequential([nn.Embedding(3, 2)], rng=0)
        ids = np.zeros((100, 1))
        ids[[30, 80]] = 5
        with pytest.raises(ArgumentError, match="got 5 in row 2"):
            model.predict(ids, batch_size=7)
        assert started

    def test_large_products_are_left_to_the_blas(self, started, monkeypatch):
        monkeypatch.setattr("nnlite.model.BLOCK_SHARE", 100)
        monkeypatch.setattr("nnlite.model.SMALL", 0)
        seen = []
        monkeypatch.setattr(nn.Dense, "forward", lambda self, x, ctx=None: (seen.append(count()), x)[1])
        nn.Sequential([nn.Dense(6, 6)], rng=0).predict(rows(40), batch_size=7)
        assert seen == [2] * 5 + [1]  # the last block has 5 rows
        assert not started


class Look(nn.Callback):
    """Remember how many threads the BLAS has in training."""

    def __init__(self, error=None):
        self.seen, self.error = set(), error

    def on_batch_end(self, state):
        if state.batch > 1:
            self.seen.add(count())
        if self.error:
            raise self.error


def fit(*layers, X=None, y=None, **options):
    x = rows()
    look = options.pop("look", None) or Look()
    X, y = (x, x[:, :2]) if X is None else (X, y)
    options = {"optimizer": nn.SGD(0.01), "epochs": 1, "batch_size": 10} | options
    model = nn.Sequential(
        [nn.Dense(6, 8), *layers, nn.Dense(8, 2)], rng=0, replicas=options.pop("replicas", None)
    )
    model.fit(X, y, loss=nn.MeanSquaredError(), callbacks=[look], **options)
    return look.seen


class TestFit:
    @pytest.mark.parametrize("replicas", [None, 3])
    def test_one_thread_for_small_products(self, replicas):
        assert fit(replicas=replicas) == {1}

    @pytest.mark.parametrize(("share", "expected"), [(10 * 6 * 8 // 2, {2}), (10 * 6 * 8 // 2 + 1, {1})])
    def test_as_many_as_pay_for_large_ones(self, share, expected, monkeypatch):
        monkeypatch.setattr("nnlite.training.loop.STEP_SHARE", share)
        assert fit() == expected
        assert fit(replicas=3) == expected  # a product for each net
        x = rows()
        stream = [(x[at : at + 10], x[at : at + 10, :2]) for at in range(0, 100, 10)]
        assert fit(X=stream, batch_size=None) == expected
        with threadpool_limits(1):
            assert fit() == {1}
        with Limit(1):
            assert fit() == {1}

    def test_an_embedding_multiplies_nothing(self):
        model = nn.Sequential([nn.Embedding(10**5, 4), nn.Dense(4, 2)], rng=0)
        assert work.measure_work(model).largest == 8

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_it_is_put_back_after_an_error(self, error):
        look = Look(error)
        if error is KeyboardInterrupt:
            with pytest.warns(UserWarning, match="Ctrl-C"):
                fit(look=look)
        else:
            with pytest.raises(error):
                fit(look=look)
        assert count() == 2

    def test_two_at_once(self):
        with ThreadPoolExecutor(2) as pool:
            assert [found.result() for found in [pool.submit(fit, epochs=30) for _ in range(4)]] == [{1}] * 4
        assert count() == 2

    @pytest.mark.parametrize("optimizer", [nn.LBFGS, nn.LevenbergMarquardt])
    def test_optimizers_of_all_rows(self, optimizer):
        class LookAtEpochs(Look):
            def on_epoch_end(self, state):
                self.seen.add(count())

        assert fit(look=LookAtEpochs(), optimizer=optimizer(), epochs=2, batch_size=None) == {1}


def test_an_import_brings_no_threadpoolctl():
    code = "import sys, nnlite; sys.exit('threadpoolctl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
