"""From what a user gives to `fit` to a training loop: everything is checked before anything changes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.checks.undeclared import check_declared
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.core.optimizers import Optimizer
from nnlite.data.lazy import SparseRows
from nnlite.data.order import Order
from nnlite.data.splits import HeldOut
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError, calls_to_user
from nnlite.errors.arguments import check_method
from nnlite.errors.checks import check_bool, check_instance, check_integer
from nnlite.errors.habits import one_of
from nnlite.files.documents import PackedRows
from nnlite.files.safetensors import check_path
from nnlite.jit import check_jit
from nnlite.layers import ParameterGroup
from nnlite.metrics import Metric, named_metrics
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.schedules.base import Schedule
from nnlite.training.augmentation import Augmentation, check_augment
from nnlite.training.averages import AveragedWeights
from nnlite.training.batch_loop import BatchLoop
from nnlite.training.callbacks import Callback, ProgressBar, TrainingState
from nnlite.training.checkpoint import Checkpoint, read
from nnlite.training.class_weights import ClassWeights
from nnlite.training.groups import Groups
from nnlite.training.history import History
from nnlite.training.identity import arguments, common, describe
from nnlite.training.in_use import InUse
from nnlite.training.likeness import function_of
from nnlite.training.loop import Loop
from nnlite.training.pieces import PiecewiseBatchLoop
from nnlite.training.random_states import Generators, Seeds, check_rngs
from nnlite.training.ranks import NUMBERS, SingleProcess, launched
from nnlite.training.settings import settings_of
from nnlite.training.snapshot import capture, check, restore
from nnlite.training.sources import Arrays, Source, training_source, validation_source

__all__ = ["fit"]

#: What can be done about a layer that mixes rows.
ALONE = "write LayerNorm in its place, which looks at each row alone"


def fit(
    model: Sequential,
    X: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | FullBatchOptimizer,
    epochs: int,
    batch_size: int | None,
    weight: Any,
    class_weight: Any,
    validation: Any,
    groups: Any,
    metrics: Sequence[Metric] | Mapping[str, Metric],
    callbacks: Sequence[Callback],
    shuffle: bool | Callable[[int], ArrayLike],
    rng: Seeds,
    resume: str | os.PathLike[str] | None,
    distributed: Any,
    jit: bool,
    accumulate: int,
    augment: Any,
) -> History:
    """Train a model; see `Sequential.fit`, which calls this."""
    # All checks come first: an error in them leaves everything as it was.
    ranks = SingleProcess()
    if distributed is not False:
        from nnlite.distributed.parallel import ranks_for

        ranks = ranks_for(distributed)
    with InUse() as marks:
        with ranks.agreeing():
            jit = jit is not False and check_jit("fit", jit)
            marks.take("fit", model, "a model")
            marks.take("fit(optimizer=)", optimizer, "an optimizer")
            if distributed is not False:
                X, y, weight, validation = ranks.given(X, y, weight, validation)
            every = model.walk()[1:]
            check_declared("fit, layer {}", every)
            model.boundary.check_loss(loss)
            check_method(loss, "value_and_grad", Loss, in_short=False)
            _check_optimizer(model, optimizer, loss)
            epochs = check_integer("fit(epochs=)", epochs, low=1)
            if batch_size is not None:
                batch_size = check_integer("fit(batch_size=)", batch_size, low=1)
            if accumulate != 1 or accumulate is True:
                accumulate = check_integer("fit(accumulate=)", accumulate, low=1)
            if accumulate > 1:
                _check_pieces(model, optimizer, distributed)
            if augment is not None:
                augment = check_augment(augment)
            hooks = _check_callbacks(callbacks)
            for callback in hooks:
                marks.take("fit(callbacks=)", callback, "a callback")
            chosen = named_metrics(metrics, loss)
            if not callable(shuffle):
                shuffle = check_bool("fit(shuffle=)", shuffle)
            replicas = model.params.replicas
            generator = model.rng if rng is None else check_rngs("fit(rng=)", rng, replicas=replicas)
            data = training_source(model, X, y, weight, loss)
            held_out = None
            if validation is not None or groups is not None:
                held_out = validation_source(
                    model, validation, loss, data, groups=groups, in_order=shuffle is False
                )
            classes = None
            if class_weight is not None:
                classes = _class_weights(model, class_weight, loss, data, held_out)
            if isinstance(data, Arrays):
                full = isinstance(optimizer, FullBatchOptimizer)
                order: Order | Generators | np.random.Generator | None = generator if shuffle else None
                if callable(shuffle):
                    draw = shuffle
                    order = Order(lambda rows: ranks.from_first(lambda: draw(rows)))
                data.cut(batch_size or (data.rows if full else 32), None if full else order)
                if batch_size == 1:
                    _refuse_rows_alone(model)
            if isinstance(optimizer, Optimizer) and isinstance(optimizer.learning_rate, Schedule):
                # How long it is depends on the part that is held out; that it can be told does not.
                optimizer.learning_rate.settle(data.batches_in_epoch, data.batches_in_epoch)

            columns = ["epoch", "loss", *chosen]
            if held_out is not None:
                columns += [f"validation_{name}" for name in ("loss", *chosen)]
            state = TrainingState(
                model,
                optimizer,
                loss,
                epochs=epochs,
                columns=(*columns, "learning_rate", "seconds"),
                metrics=chosen,
                rng=generator,
            )
            state.rank, state.ranks = ranks.rank, ranks.size
            state.class_weight = class_weight
            for callback in hooks:
                callback.check(state)
            make: Any = ranks.loop(optimizer)
            if accumulate > 1:
                make = partial(PiecewiseBatchLoop, accumulate=accumulate, where="fit(accumulate=)")
            if jit and make is BatchLoop:
                from nnlite.jit.loop import CompiledLoop

                make = CompiledLoop
            elif jit:
                state.history.engine = f"numpy: {_why_not_compiled(optimizer, ranks)}"
            saves = any(isinstance(callback, Checkpoint) for callback in hooks)
            loop: Loop = make(state, data, held_out, chosen, hooks, generator, keep_draws=saves)
            # Written down behind the training, so that who follows a step through does not come by it.
            state.history._settings = partial(
                settings_of,
                loop,
                data.rows if isinstance(data, Arrays) else None,
                held_out,
                weight=weight is not None,
                class_weight=class_weight,
                shuffle=shuffle,
                rng=rng,
                resume=resume is not None,
                jit=jit,
                accumulate=accumulate,
                augment=augment,
                groups=groups is not None,
                processes=ranks.size,
            )
            if any(isinstance(layer, ParameterGroup) for _, layer in every):
                loop.groups = Groups(model)
            if augment is not None:
                _check_augmented(data, optimizer)
                loop.augment = Augmentation(augment, model)  # type: ignore[attr-defined]
            if accumulate > 1:
                loop.refuse_pieces()  # type: ignore[attr-defined]
            if classes is not None:
                loop.class_weights = classes
                if not classes.balanced:  # those wait for the rows that are trained on
                    loop.weigh()
        if distributed is False and hooks:
            _warn_of_others(hooks)
        known = model.boundary.feature_names
        try:
            if distributed is not False:
                ranks.share(loop)
            if saves or resume is not None or ranks.size > 1:
                _prepare_resume(ranks, loop, shuffle, resume, classes)
            if known is None and data.columns is not None:
                model.feature_names = data.columns
            with ranks.running():
                loop.run()
        except DivergenceError:
            raise
        except (ArgumentError, ArgumentTypeError):
            if loop.before is not None:
                loop.before.restore()
                model.feature_names = known
            raise
        finally:
            loop.let_go()
            history: History = loop.state.history
            history.settings = history.settings  # of now: optimizer and callbacks may be changed later
        return history


def _why_not_compiled(optimizer: Optimizer | FullBatchOptimizer, ranks: SingleProcess) -> str:
    """Say why no compiled loop takes a training."""
    if isinstance(optimizer, FullBatchOptimizer):
        return f"{type(optimizer).__name__} has no kernel"
    return "several processes" if ranks.size > 1 else "batches in pieces"


def _class_weights(
    model: Sequential, given: Any, loss: Loss, data: Source, validation: Source | HeldOut | None
) -> ClassWeights:
    """Check `class_weight`, and that the targets are classes."""
    outputs = 1 if model.output_shape is None else model.output_shape[-1]
    if isinstance(data, Arrays) and model.output_shape is None:
        outputs = model.boundary.pred_shape(data.x)[-1]
    classes = ClassWeights(given, loss, outputs, counted=isinstance(data, Arrays))
    for source in (data, validation):
        if isinstance(source, Arrays):
            classes.times(source.y, None, own=source.own[1])
    return classes


def _prepare_resume(
    ranks: SingleProcess,
    loop: Loop,
    shuffle: bool | Callable[[int], ArrayLike],
    resume: str | os.PathLike[str] | None,
    classes: ClassWeights | None,
) -> None:
    """Let checkpoints be taken; check the one to go on from, and let the loop begin there."""
    checkpoints = [callback for callback in loop.callbacks if isinstance(callback, Checkpoint)]
    others = [callback for callback in loop.callbacks if not isinstance(callback, Checkpoint | ProgressBar)]
    training = describe(loop, others, shuffle=shuffle)
    if loop.compiles:  # other last bits, and another noise
        training["jit"] = True
    if isinstance(loop, BatchLoop) and loop.augment is not None:
        training["augment"] = function_of(loop.augment.function)
    if isinstance(loop, PiecewiseBatchLoop) and ranks.size == 1:
        training["accumulate"] = loop.accumulate
    if classes is not None:  # batches from an iterator are not looked at, and arrays by some rows only
        training["class_weight"] = repr(classes)
    ranks.start(loop, common(training))
    given = resume
    resume = ranks.from_first(lambda: given)  # the first one reads the file; the disk of another may lack it
    optimizer = loop.state.optimizer
    if isinstance(optimizer, FullBatchOptimizer) and not optimizer.keeps_all:
        training["Checkpoint"] = [f"every {callback.every} {callback.unit}" for callback in checkpoints]
    if checkpoints:
        loop.state._snapshot = partial(capture, loop, training, others, PackedRows("Checkpoint, history"))
    if resume is None:
        return
    with ranks.agreeing():
        path = check_path("fit(resume=)", resume)
        where = f"fit(resume={path.name!r})"
    saved = ranks.from_first(lambda: read(path, where=where))
    with ranks.agreeing():
        check(loop, training, saved, where=where)
    loop.restore = partial(restore, loop, saved, others, dict(arguments(optimizer)), where)


def _warn_of_others(callbacks: Sequence[Callback]) -> None:
    """Warn if processes that each train alone would all do what one of them should, such as write a file."""
    shared = [one for one in callbacks if one.first_rank_only or isinstance(one, Checkpoint)]
    if not shared or (count := launched(os.environ)) in (None, 1):
        return
    if all(os.environ.get(name, "0") == "0" for name in NUMBERS):  # one of them says it
        warnings.warn(
            f"fit(distributed=): expected True for {shared[0]} in a job of {count} processes, got False: "
            "each trains alone, and they must not write one file. Write distributed=True to train together.",
            stacklevel=calls_to_user(),
        )


def _refuse_rows_alone(model: Sequential) -> None:
    """Refuse batches of one row where a layer looks at how the rows of a batch differ."""
    for _, layer in model.walk():
        if layer.mixes_rows:
            what = f"at least 2, for a model with {layer}, which compares the rows of a batch"
            raise ArgumentError("fit(batch_size=)", what, "1", f"Give larger batches, or {ALONE}.")


def _check_optimizer(model: Sequential, optimizer: Any, loss: Loss) -> None:
    if not isinstance(optimizer, Optimizer | FullBatchOptimizer):
        fix = one_of("optimizers", optimizer, "Use one of nnlite.optimizers.")
        fix = f"Write Adam({optimizer})." if isinstance(optimizer, Schedule) else fix
        check_instance("fit(optimizer=)", optimizer, Optimizer, "an Optimizer instance", fix=fix)
    if not model.params.trainable_slices:
        fix = "Call unfreeze() on a layer." if model.params.size else "Add a Dense layer."
        raise ArgumentError("fit", "a model with something to train", "no trainable parameters", fix)
    if isinstance(optimizer, FullBatchOptimizer):
        name = type(optimizer).__name__
        if model.params.replicas is not None:
            raise ArgumentError(
                "fit(optimizer=)",
                "SGD, Adam or the like for replicas",
                name,
                "Use SGD or Adam, or train each alone: model.replica(0).",
            )
        for _, layer in model.walk():
            what = f"bears noise, for a model with {layer}"
            if layer.mixes_rows:
                what = (
                    f"looks at one point a step, for {layer}, which mixes rows and takes note of all it sees"
                )
            if layer.stochastic or layer.mixes_rows:
                fix = "Use SGD or Adam, or leave that layer out."
                raise ArgumentError("fit(optimizer=)", f"an optimizer that {what}", name, fix)
        Groups(model).check(optimizer)
        # A subclass may compute something else.
        if optimizer.least_squares and type(loss) is not MeanSquaredError:
            raise ArgumentError(
                "fit(optimizer=)",
                f"an optimizer that takes any loss, for {loss}",
                name,
                f"Use LBFGS or Adam; {name} needs a sum of squares, MeanSquaredError().",
            )
    else:
        optimizer.check(model.params)


def _check_augmented(data: Source, optimizer: Any) -> None:
    """Refuse trainings of which ``fit(augment=)`` can make nothing."""
    if isinstance(optimizer, FullBatchOptimizer):
        what, name = "an optimizer that bears noise", type(optimizer).__name__
        raise ArgumentError("fit(augment=)", what, name, "Use SGD or Adam, or leave augment= out.")
    if isinstance(data, Arrays) and isinstance(data.x, SparseRows):
        raise ArgumentTypeError("fit(augment=)", "a dense X", "a sparse one", "Write X.toarray().")


def _check_pieces(model: Sequential, optimizer: Any, distributed: Any) -> None:
    """Refuse trainings whose batches do not come in pieces by ``fit(accumulate=)``."""
    what = fix = got = ""
    if distributed is not False:
        what, got = "distributed=False", f"distributed={distributed!r}"
        fix = "Write distributed=nnlite.distributed.DataParallel(accumulate=4), for instance."
    elif model.params.replicas is not None:
        what, got, fix = "one net", f"{model.params.replicas} replicas", "Give smaller batches."
    elif isinstance(optimizer, FullBatchOptimizer):
        what, got = "an optimizer that makes one step a batch", type(optimizer).__name__
        fix = "Write batch_size=, which are the rows that go through the layers at a time."
    if what:
        raise ArgumentError("fit(accumulate=)", what, got, fix)


def _check_callbacks(callbacks: Any) -> list[Callback]:
    """Return them with checkpoints last, or what the others make of a batch would be missing in the file."""
    items = tuple(callbacks) if isinstance(callbacks, list | tuple) else (callbacks,)
    fix = "Write callbacks=[EarlyStopping()], for instance, or subclass nnlite.Callback."
    for item in items:
        check_instance("fit(callbacks=)", item, Callback, "a list of Callback instances", fix=fix)
    averages = [item for item in items if isinstance(item, AveragedWeights)]
    if len(averages) > 1:
        what = "at most one AveragedWeights, of which validation has the average"
        raise ArgumentError("fit(callbacks=)", what, f"{len(averages)}", "Leave one out.")
    # The average stands in the place of the weights while the others act, but for checkpoints.
    return sorted(items, key=lambda item: (isinstance(item, Checkpoint), isinstance(item, AveragedWeights)))
