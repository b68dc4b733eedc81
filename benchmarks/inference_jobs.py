"""Ways to predict for many rows: what the processes of ``python -m benchmarks.inference`` run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.job import Job, Prediction
from benchmarks.libraries.nnlite import make_model
from benchmarks.memory import forget_peak, peak, resident
from benchmarks.nets import SEED, Array, Net, make_weights


class Inference(Prediction):
    """Predictions for all rows; the case is "sizes of the net, rows".

    A subclass writes `parts`, which gives the predictions in pieces of any size, in order. They are
    looked at only where they are checked: what becomes of them is not part of the work.

    Parameters
    ----------
    case : str
        Such as "64-128-10, 50,000 rows".
    threads : int
        How many may be used.
    block : int, optional
        Rows of a block, where it comes in blocks.
    checked : bool
        False for one that has nothing to do before its `memory` is measured.
    """

    def __init__(self, case: str, threads: int, block: int = 0, checked: bool = True) -> None:
        Job.__init__(self, case, threads)
        sizes, rows = case.split(", ")
        self.net = Net(tuple(map(int, sizes.split("-"))), 1, "sgd", 0.0)
        self.weights = make_weights(self.net)
        count = int(rows.split()[0].replace(",", ""))
        self.X = np.random.default_rng(SEED).standard_normal((count, self.net.sizes[0]), np.float32)
        self.x: Any = self.X
        self.block = block
        self.checked = checked
        self.model = make_model(self.net, self.weights)

    def blocks(self) -> Iterable[Array]:
        """Cut the rows."""
        return (self.X[start : start + self.block] for start in range(0, len(self.X), self.block))

    def parts(self) -> Iterable[Any]:
        """Predict for all rows."""
        raise NotImplementedError

    def run(self, count: int) -> None:
        for _ in range(count):
            for _ in self.parts():
                pass

    def predict(self, x: Any) -> Any:
        return np.concatenate(list(self.parts()))

    def check(self) -> list[float]:
        return super().check() if self.checked else []

    def memory(self) -> float:
        """Return by how many megabytes a run raises the peak of this process."""
        forget_peak()
        before = resident()
        self.run(1)
        return peak() - before


class Reference(Inference):
    """The net in float64, to compare with."""

    def parts(self) -> Iterable[Any]:
        x: Any = self.X.astype(np.float64)
        for number, (W, b) in enumerate(self.weights, start=1):
            x = x @ W + b
            if number < len(self.weights):
                x = np.maximum(x, 0)
        return [x]


class Whole(Inference):
    """`predict` of an array."""

    def parts(self) -> Iterable[Any]:
        return [self.model.predict(self.X)]


class Files(Inference):
    """`predict` from a memory-mapped file into another."""

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        shape = (len(self.X), self.net.sizes[-1])
        # The files are there for as long as they are mapped, where the system can do that.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            np.save(f"{folder}/X.npy", self.X)
            self.X = np.load(f"{folder}/X.npy", mmap_mode="r")
            self.out = np.lib.format.open_memmap(f"{folder}/y.npy", "w+", np.float32, shape)

    def parts(self) -> Iterable[Any]:
        return [self.model.predict(self.X, out=self.out)]


class Blocks(Inference):
    """`predict_blocks` of an iterator."""

    def parts(self) -> Iterable[Any]:
        return self.model.predict_blocks(self.blocks())


class DaskBlocks(Inference):
    """`predict_blocks` of a dask array."""

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        import dask.array

        self.rows = dask.array.from_array(self.X, chunks=(self.block, -1))

    def parts(self) -> Iterable[Any]:
        return self.model.predict_blocks(self.rows)


class DaskThreads(DaskBlocks):
    """`map_blocks` of a dask array, on as many threads, each with a BLAS of one."""

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        import threadpoolctl

        threadpoolctl.threadpool_limits(1)

    def parts(self) -> Iterable[Any]:
        chunks = (self.rows.chunks[0], self.net.sizes[-1:])
        pred = self.rows.map_blocks(self.model.predict, dtype=np.float32, chunks=chunks)
        return [pred.compute(scheduler="threads", num_workers=self.threads)]


class Onnx(Inference):
    """onnxruntime with the exported net: all rows in one call."""

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        import onnxruntime

        from nnlite import onnx

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.onnx"
            onnx.export(self.model, path)
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def parts(self) -> Iterable[Any]:
        return self.session.run(None, {"input": self.X})[:1]


class OnnxBlocks(Onnx):
    """onnxruntime: one call for each block."""

    def parts(self) -> Iterable[Any]:
        return (self.session.run(None, {"input": block})[0] for block in self.blocks())
