"""The training loops of several ranks: each does its share, and all come to the same numbers."""

from __future__ import annotations

import hashlib
import json
import math
import time
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.context import Context
from nnlite.core.loop import Epoch
from nnlite.core.losses import Loss
from nnlite.distributed.all_reduce import LayerwiseSum, Sum
from nnlite.distributed.cuts import PartOfSame
from nnlite.distributed.settings import DataParallel
from nnlite.distributed.world import World
from nnlite.errors import DivergenceError, RankError
from nnlite.model import PREDICT_ROWS
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.checkpoint import Checkpoint
from nnlite.training.evaluation import Outputs, score
from nnlite.training.full_batch_loop import FullBatchLoop
from nnlite.training.loop import Hooks, Loop, finite_nets
from nnlite.training.pieces import PiecewiseBatchLoop, count_rows
from nnlite.training.random_states import get_states
from nnlite.training.sources import Arrays, Batch, Rows, Source, Stream, share

__all__ = ["SharedBatchLoop", "SharedFullBatchLoop", "SharedLoop"]

#: Ctrl-C that comes again within so many seconds is the same one: a terminal sends it to every process, and
#: `mpiexec` passes it on to the ranks once more.
SAME_CTRL_C = 1.0
#: What to do about streams that differ.
SAME_BATCHES = (
    "Give all ranks the same batches, of which each takes its part, and seed what draws them; for rows that "
    "only one rank has write nnlite.distributed.Shard(X)."
)


class SharedLoop(Loop):
    """What the loops of several ranks have in common; see `Loop`.

    Parameters
    ----------
    world : World
        The ranks.
    settings : DataParallel
        How they share the work.
    *given, **options : object
        See `Loop`.
    """

    def __init__(self, world: World, settings: DataParallel, *given: Any, **options: Any) -> None:
        self.world = world
        self.comm = world.comm
        self.pressed = 0.0  # when Ctrl-C came to this rank; 0 if it has not
        self.culprit: int | None = None  # the rank with the batch that an error is about, if it is not all
        self.fault = ""  # what is wrong there, if it is not the loss
        self.settings = settings
        super().__init__(*given, **options)
        self.state._decide = self.decide

    # Agreement.

    def decide(self, wish: bool) -> bool:
        """Do what rank 0 does."""
        return bool(self.comm.bcast(wish, root=0))

    def by_moment(self) -> Hooks:
        """Return the callbacks of each moment; in front of checkpoints, all agree on whether to stop."""
        found = super().by_moment()
        others = [one for one in self.callbacks if not isinstance(one, Checkpoint)]
        in_batches = ("on_batch_begin", "on_grad_computed", "on_batch_end")
        agreeing = {
            "on_epoch_begin": any(_acts(one, ("on_epoch_begin",)) for one in self.callbacks),
            "on_batch_end": any(_acts(one, in_batches) for one in others),
            "on_epoch_end": True,
        }
        for moment, hooks in found.items():
            if agreeing.get(moment):
                last = [hook for hook in hooks if isinstance(getattr(hook, "__self__", None), Checkpoint)]
                first = [hook for hook in hooks if hook not in last]
                found[moment] = [*first, self.agree, *last]
        return found

    def agree(self, state: TrainingState) -> None:
        """Stop on all ranks if a callback has stopped one; take note of Ctrl-C on any."""
        mine = (state.stop_reason, self.pressed > 0)
        if self.comm.allreduce(bool(mine[0]) or mine[1]):
            everyone = self.comm.allgather(mine)
            reasons = [reason for reason, _ in everyone if reason]
            if reasons:
                state.stop_reason = reasons[0]
            if any(pressed for _, pressed in everyone):
                state.history.interrupted = True

    def epochs(self) -> range:
        """Return the numbers of the epochs to come, if no rank has stopped before the first."""
        self.agree(self.state)
        return super().epochs()

    def note_interrupt(self) -> bool:
        """Take note of Ctrl-C, which all ranks act on behind the same step."""
        now = time.monotonic()
        again = bool(self.pressed) and now - self.pressed > SAME_CTRL_C
        self.pressed = self.pressed or now
        return again

    def verify(self) -> None:
        """Compare the weights of all ranks by their checksums."""
        mine = zlib.crc32(self.state.model.params.numbers.data)
        everyone = self.comm.allgather(mine)
        if len(set(everyone)) == 1:
            return
        usual = max(everyone, key=everyone.count)
        others = [number for number, one in enumerate(everyone) if one != usual]
        raise RankError(
            f"fit, epoch {self.state.epoch}, batch {self.state.batch}",
            "the same weights on all ranks",
            f"others on rank {', '.join(map(str, others))}",
            "A callback that changes weights must do the same on every rank; if there is none, look at the "
            "memory and the libraries of that machine.",
        )

    # Data.

    def inputs(self) -> Iterator[Rows]:
        """Give the inputs of all shards."""
        return self.everyones(super().inputs()) if self.in_shards else super().inputs()

    def add(self, numbers: Any) -> Any:
        """Add up what each rank has found in its shard."""
        return sum(self.comm.allgather(numbers)) if self.in_shards else numbers

    def everyones(self, blocks: Iterator[Any]) -> Iterator[Any]:
        """Give the blocks of each rank to all."""
        for root in range(self.world.size):
            mine = blocks if root == self.world.rank else iter(())
            while (block := self.comm.bcast(next(mine, None), root=root)) is not None:
                yield block

    def cut_outputs(self, where: str, outputs: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
        """Take the part of this rank out of the predictions for several batches."""
        axis = -1 - self.state.model.boundary.output_rank
        each = np.array(self.comm.allgather([shape[axis] for shape in shapes]))
        whole = [
            (*shape[:axis], int(rows), *shape[axis:][1:])
            for shape, rows in zip(shapes, each.sum(0), strict=True)
        ]
        before = each[: self.world.rank].sum(0)
        mine = each[self.world.rank]
        parts = super().cut_outputs(where, outputs, whole)
        return [part[start : start + rows] for part, start, rows in zip(parts, before, mine, strict=True)]

    def joined_outputs(self, now: Epoch) -> Array | None:
        """Return the predictions of all ranks, batch by batch; rank 0 has them, and it writes them."""
        everyone = self.comm.gather([pred for pred, _, _ in now.outputs], root=0)
        if everyone is None or not everyone[0]:
            return None
        return np.concatenate([pred for batch in zip(*everyone, strict=True) for pred in batch])

    # Numbers.

    def settle_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row of rank 0, whose clock counts."""
        found: dict[str, Any] = self.comm.bcast(row, root=0)
        return found

    def train_metrics(self, outputs: list[Outputs]) -> dict[str, Any]:
        """Compute the metrics from what the batches of all ranks gave."""
        return self.joint_score(outputs, loss=None) if self.metrics else {}

    def measure(self, data: Source, place: str, *, loss: Loss | None) -> dict[str, Any]:
        """Compute loss and metrics without dropout, each rank for its part."""
        model = self.state.model
        outputs: list[Outputs] = []
        first = bad = None
        for batch in data.in_order():
            x, y, weight = share(batch, data.cutter)
            first = first or (x, y)
            pred = model._predict(x, PREDICT_ROWS)
            if bad is None and not finite_nets(pred, weight):
                bad = x, y
            outputs.append((pred, y, weight))
        self.compare_batches(data, f"fit, epoch {self.state.epoch}, {place}")
        self.refuse(bad, place=place)
        found = self.joint_score(outputs, loss=loss)
        if first is not None and loss is not None and not np.isfinite(found["loss"]):
            self.diverged(False, *first, place=place)
        return found

    def compare_batches(self, data: Source, where: str, *, ended: bool = True) -> None:
        """Refuse streams that have not given the same batches to each rank since this was last called."""
        if not isinstance(data.cutter, PartOfSame):
            return
        everyone = self.comm.allgather((not ended, data.cutter.seen))
        data.cutter.seen.clear()
        counts = [(more, len(seen)) for more, seen in everyone]
        if (fewest := min(counts)) != max(counts):
            got = f"fewer on rank {counts.index(fewest)}"
            raise RankError(where, "as many batches on each rank", got, SAME_BATCHES)
        other = next((number for number, one in enumerate(everyone) if one != everyone[0]), None)
        if other is not None:
            raise RankError(f"{where}, rank {other}", "the same batches as on rank 0", "others", SAME_BATCHES)

    def joint_score(self, outputs: list[Outputs], *, loss: Loss | None) -> dict[str, Any]:
        """Bring all predictions to rank 0, which computes loss and metrics of them as one."""
        everyone = self.comm.gather(outputs, root=0)

        def compute() -> dict[str, Any]:
            # Of validation data in files, a longer shard has more blocks.
            parts = [part for batch in zip_longest(*everyone) for part in batch if part and len(part[0])]
            return score(
                self.state.model,
                parts,
                loss=loss,
                metrics=self.metrics,
                active=self.listed,
                classes=self.class_weights,
            )

        return self.world.from_first(compute)

    # When a loss is no number any more.

    def refuse(self, bad: tuple[Array, AnyArray] | None, *, fault: str = "", place: str = "") -> None:
        """Give up on all ranks if one of them had a batch with a loss that is not finite."""
        everyone = self.comm.allgather(None if bad is None else fault)
        wrong = [number for number, found in enumerate(everyone) if found is not None]
        if wrong:
            self.culprit, self.fault = wrong[0], everyone[wrong[0]]
            x, y = (np.zeros(0), np.zeros(0)) if bad is None else bad
            self.diverged(False, x, y, place=place)

    def explain(self, index: int, x: Array, y: AnyArray, where: str, got: str) -> DivergenceError:
        """Let the rank that has the batch say what is wrong with it, to all; or one that has rows of it."""
        rows = self.comm.allgather(x.shape[0])
        speaker = int(np.argmax(rows)) if self.culprit is None else self.culprit
        if self.culprit is not None:
            where = f"{where}, rank {self.culprit}"
        error = None
        if self.world.rank == speaker:
            error = super().explain(index, x, y, where, got)
            if self.fault:
                error = DivergenceError(
                    where,
                    "a finite gradient",
                    f"one with NaN or infinity in {self.fault}; the loss is finite",
                    "Look for a derivative that is infinite there, such as that of a square root or a "
                    "logarithm at 0, or try a smaller rate. The model keeps the last weights that had one.",
                )
        found: DivergenceError = self.comm.bcast(error, root=speaker)
        return found


def _acts(callback: Callback, moments: tuple[str, ...]) -> bool:
    return any(getattr(type(callback), moment) is not getattr(Callback, moment) for moment in moments)


def _inside(ctx: Context) -> Iterator[tuple[Any, Context]]:
    """Give all layers inside of one, each with what it keeps of a pass."""
    for layer, kept in ctx.inner:
        yield layer, kept
        yield from _inside(kept)


class SharedBatchLoop(SharedLoop, PiecewiseBatchLoop):
    """Training by an optimizer that makes one step a batch, on several ranks."""

    def __init__(self, world: World, settings: DataParallel, *given: Any, **options: Any) -> None:
        super().__init__(
            world,
            settings,
            *given,
            accumulate=settings.accumulate,
            where="DataParallel(accumulate=)",
            **options,
        )
        self.steps = 0
        # A sum over the ranks is the mean over the rows of a whole batch, without another pass over it.
        self.whole = float(self.data.batch_size) if isinstance(self.data, Arrays) else 1.0
        self.message = np.zeros(5)
        model = self.state.model
        self.sum = Sum(world, model)
        if settings.overlap:
            self.sum = watch = LayerwiseSum(world, model)
            self.ctx = model.context(rng=self.rng, watch=watch)
        self.ctx.rows.add_up = world.add_up  # what a layer has found in the rows of each rank
        self.noisy = [kept for layer, kept in _inside(self.ctx) if layer.stochastic]
        self.noise_key = 0

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Give the batches of this rank; from the state of the generators follows the noise of the epoch."""
        began = self.go_on.epoch if self.go_on is not None and self.go_on.epoch is not None else None
        states = get_states(self.rngs) if began is None else began
        text = json.dumps(states, sort_keys=True, default=lambda array: array.tolist())
        self.noise_key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        batches = super().batches()
        return self.same_batches(batches) if isinstance(self.data, Stream) else batches

    def rng_of_batch(self, number: int) -> np.random.Generator:
        """Return what draws the augmentation of this rank's rows: what all have in common must not tell."""
        return np.random.default_rng([self.noise_key, self.state.epoch, number, self.world.rank, 1])

    def same_batches(self, batches: Iterator[tuple[int, Batch]]) -> Iterator[tuple[int, Batch]]:
        """Refuse streams that do not give the same batches on each rank."""
        while True:
            found = next(batches, None)
            self.compare_batches(self.data, f"fit, epoch {self.state.epoch}", ended=found is None)
            if found is None:
                return
            yield found

    def gradient(self, x: Array, y: AnyArray, weight: Array | None) -> tuple[Array, Value, Value, Value]:
        """Fill ``params.grads`` with the gradient of the whole batch; see `BatchLoop.gradient`."""
        state, message = self.state, self.message
        if not self.steps % self.settings.check_every:
            self.verify()
        self.steps += 1
        if self.noisy:
            rng = np.random.default_rng([self.noise_key, state.epoch, state.batch, self.world.rank])
            for kept in self.noisy:
                kept.rng = rng
        pred, total = self.add_pieces(x, y, weight, self.whole)
        bad = self.sum.complete()
        finite = math.isfinite(total) and not bad
        fault = ", ".join(bad) if math.isfinite(total) else ""
        counting = x.shape[0] if weight is None else np.count_nonzero(weight)
        message[:] = total, count_rows(x, weight), counting, self.pressed > 0, not finite
        self.world.add_up(message)
        self.sum.finish()
        total, count, counting, pressed, wrong = message.tolist()
        if wrong:
            self.refuse(None if finite else (x, y), fault=fault)
        if pressed:
            state.history.interrupted = True
        rows = count if weight is None else float(self.mean_weight.divisor(count, int(counting)))
        if rows != self.whole:
            state.model.params.grads[...] *= self.whole / rows if rows else 0.0
        value = total / rows if rows else 0.0
        return (pred, value, int(rows), int(rows)) if weight is None else (pred, value, rows, count)


class SharedFullBatchLoop(SharedLoop, FullBatchLoop):
    """Training by L-BFGS or Levenberg-Marquardt, on several ranks."""

    def end_epoch(self, loss: Value, metrics: dict[str, Any], epoch: Epoch) -> None:
        """Compare the weights, write the row of the epoch and call the callbacks."""
        self.verify()
        super().end_epoch(loss, metrics, epoch)

    def add_up(self) -> tuple[Array, float, float]:
        """Return the sums over the rows of all ranks."""
        grads, *sums = super().add_up()
        total, count = self.world.add_up(np.array(sums)).tolist()
        return self.world.add_up(grads), total, count

    def add_weights(self, total: float) -> float:
        """Return the sum of the weights of all rows."""
        return float(self.comm.allreduce(total))

    def join_rows(self, rows: Array) -> Array:
        """Return what all ranks have computed for their rows."""
        return np.concatenate(self.comm.allgather(rows))
