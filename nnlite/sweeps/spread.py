"""The nets of a sweep over several processes or machines, by the engines that joblib knows."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing, nullcontext
from functools import partial
from importlib import import_module
from itertools import islice
from traceback import format_exc
from typing import Any

from nnlite._threads import Limit
from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_integer
from nnlite.model import Sequential
from nnlite.sweeps.replicas import Part, ScheduleMaker, train
from nnlite.training.checkpoint import Checkpoint

__all__ = ["check_engine", "pack_size", "spread"]

Pack = Sequence[tuple[float, int]]
NumberedPack = tuple[int, Pack]
NumberedPart = tuple[int, Part | StopIteration]

#: What each engine needs to be installed.
ENGINES: dict[str, list[str]] = {"loky": [], "dask": ["distributed"], "ray": ["ray"]}
NEEDED = ["joblib", "cloudpickle"]

#: Nets that need more bytes than this together are two packs. They fill a processor's cache: a step of a
#: 64-128-10 net at batch 32 took 125 us alone, 54 as one of 8 nets, 47 of 16, and 89 of 96.
PACK_BYTES = 2**22
#: Packs there are at least, if there are as many nets, so that a few workers have something to do. Those of
#: small nets must not be small: a step of 20-32-5 took 11 us as one of 24 nets, 19 as one of 12.
PACKS = 4

#: Bytes that dask sends as they are; it warns of ten million and more.
PIECE = 2**22

#: How often the work of a worker that died is given to another one.
RETRIES = 3


def pack_size(nets: int, need: int) -> int:
    """Choose how many nets are trained as one.

    It depends on neither workers nor engine, so neither do the results.

    Parameters
    ----------
    nets : int
        How many there are.
    need : int
        Bytes that one of them needs.

    Returns
    -------
    int

    Examples
    --------
    >>> pack_size(96, 2_000), pack_size(96, 500_000), pack_size(96, 10**8)
    (24, 8, 1)
    """
    return max(1, min(PACK_BYTES // need, -(-nets // PACKS)))


def check_engine(backend: Any, workers: Any) -> None:
    """Refuse an engine that is not known, not installed, or not running.

    Parameters
    ----------
    backend, workers : object
        What `sweep` was given.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If they cannot be used.
    ModuleNotFoundError
        If a package is missing.

    Examples
    --------
    >>> check_engine("slurm", None)
    Traceback (most recent call last):
    nnlite.errors.ArgumentError: sweep(backend=): expected one of 'loky', 'dask', 'ray', got 'slurm'.
    Write backend="loky" for the cores of this machine.
    """
    if workers is not None:
        check_integer("sweep(workers=)", workers, low=1)
    if backend is None and workers is None:
        return
    fix = 'Write backend="loky" for the cores of this machine.'
    if backend is not None and not isinstance(backend, str):
        raise ArgumentTypeError("sweep(backend=)", "a name", f"{type(backend).__name__}", fix)
    if backend is not None and backend not in ENGINES:
        known = ", ".join(map(repr, ENGINES))
        raise ArgumentError("sweep(backend=)", f"one of {known}", f"{backend!r}", fix)
    for name in [*ENGINES.get(backend or "", []), *NEEDED]:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"sweep(backend=): expected {name} to be installed, got no such package. "
                'Run python -m pip install ".[engines]" where nnlite is checked out.',
                name=error.name,
            ) from error
    if backend == "dask":
        from distributed import get_client

        try:
            get_client()
        except ValueError as error:
            raise ArgumentError(
                "sweep(backend='dask')",
                "a client of a dask cluster",
                "none",
                "Write client = distributed.Client() before, for one on this machine, or "
                'distributed.Client("tcp://scheduler:8786").',
            ) from error


def spread(
    model: Sequential,
    packs: Sequence[Pack],
    template: Optimizer,
    schedule: ScheduleMaker | None,
    X: Any,
    y: Any,
    options: Mapping[str, Any],
    *,
    backend: str | None,
    workers: int | None,
) -> list[Part]:
    """Train packs of nets in worker processes, each with one thread of the BLAS.

    Parameters
    ----------
    model, template, schedule, X, y, options
        See `nnlite.sweeps.replicas.train`.
    packs : sequence of sequence of (float, int)
        Rates and seeds of the nets that are trained as one.
    backend : str or None
        The engine; None for the one that joblib is set to use.
    workers : int or None
        How many packs are trained at a time; None for as many as the engine has processors.

    Returns
    -------
    list of Part
        In the order of `packs`.

    Raises
    ------
    ArgumentError
        If something cannot be sent to a worker.
    KeyboardInterrupt
        At Ctrl-C.
    """
    _check_callbacks(options["callbacks"])
    small = {name: options[name] for name in ("loss", "metrics", "callbacks")}
    _check_sendable({"model": model, "optimizer": template, "schedule": schedule, **small})
    given = dict(options)
    weight, validation = given.pop("weight"), given["validation"]
    # Arrays go as arguments of their own: those the engines send once, or share.
    held_out = validation if isinstance(validation, tuple) else ()
    if held_out:
        del given["validation"]
    shared = (model, template, schedule, given, X, y, weight, *held_out)
    done: dict[int, Part] = {}
    for tried in range(RETRIES + 1):
        left = [(number, pairs) for number, pairs in enumerate(packs) if number not in done]
        try:
            engine = {"ray": _by_ray, "dask": _by_dask}.get(backend or "", partial(_by_joblib, backend))
            found = engine(left, shared, workers)
            with closing(found) if isinstance(found, Generator) else nullcontext():
                for number, part in found:
                    if isinstance(part, StopIteration):
                        raise part
                    if part.history.interrupted:
                        raise KeyboardInterrupt
                    done[number] = part
            break
        except BrokenExecutor as error:
            # When a worker dies, loky ends the others too. Dask and ray begin its work anew on their own.
            if type(error).__name__ != "TerminatedWorkerError":
                raise
            if tried == RETRIES:
                error.add_note(
                    f"sweep: {len(done)} of {len(packs)} packs of nets were trained, and workers died "
                    f"{tried + 1} times. If it was for want of memory, take fewer workers."
                )
                raise
    return [done[number] for number in range(len(packs))]


def _by_joblib(
    backend: str | None, left: Iterable[NumberedPack], shared: Sequence[Any], workers: int | None
) -> Iterable[NumberedPart]:
    """Give the packs to joblib, and return what comes back, where the engine can do that as it comes."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.parallel import get_active_backend

    with nullcontext() if backend is None else parallel_config(backend=backend):
        engine, _ = get_active_backend()
        parallel = Parallel(
            n_jobs=-1 if workers is None else workers,
            batch_size=1,
            return_as="generator_unordered" if engine.supports_return_generator else "list",
        )
    found: Iterable[NumberedPart] = parallel(
        delayed(_train_pack)(number, pairs, *shared) for number, pairs in left
    )
    return found


def _by_dask(
    left: Iterable[NumberedPack], shared: Sequence[Any], workers: int | None
) -> Iterator[NumberedPart]:
    """Give the packs to dask as tasks.

    joblib would do it with two flaws: it puts the data on one worker, with which they die, and of a
    cluster with one processor it makes no use.
    """
    import cloudpickle

    distributed: Any = import_module("distributed")  # as Any, since it is typed in part
    client = distributed.get_client()
    content = cloudpickle.dumps(shared)
    # Dask warns of large tasks, wherever they come from, so it gets the data in pieces. As results of tasks
    # they are there again if the worker that has them dies.
    pieces = [content[begin : begin + PIECE] for begin in range(0, len(content), PIECE)]
    place = client.submit(b"".join, [client.submit(bytes, piece, pure=False) for piece in pieces], pure=False)
    waiting = iter(left)

    def begin(count: int | None) -> list[Any]:
        some = islice(waiting, count)
        return [client.submit(_train_pickled, number, pairs, place, pure=False) for number, pairs in some]

    pending = set(begin(workers))
    running = distributed.as_completed(pending)
    try:
        for future in running:
            found = future.result()
            pending.discard(future)
            future.release()  # or it would be computed anew if the worker that has it died
            new = begin(1)
            pending.update(new)
            running.update(new)
            yield found
    finally:  # at an error or Ctrl-C
        client.cancel(list(pending))


def _train_pickled(number: int, pairs: Pack, shared: bytes) -> NumberedPart:
    import cloudpickle

    return _train_pack(number, pairs, *cloudpickle.loads(shared))


def _by_ray(
    left: Iterable[NumberedPack], shared: Sequence[Any], workers: int | None
) -> Iterator[NumberedPart]:
    """Give the packs to ray as tasks, which it begins anew where a worker dies; joblib's actors end there."""
    import ray

    task = ray.remote(max_retries=RETRIES)(_train_pack)
    places = [ray.put(thing) for thing in shared]
    running: list[Any] = []
    try:
        for number, pairs in left:
            if workers is not None and len(running) >= workers:
                yield _next_of_ray(running)
            running.append(task.remote(number, pairs, *places))
        while running:
            yield _next_of_ray(running)
    finally:  # at an error or Ctrl-C
        for one in running:
            ray.cancel(one, force=True)


def _next_of_ray(running: list[Any]) -> NumberedPart:
    """Wait for one of the tasks, and take it off the list."""
    import ray

    (ready,), running[:] = ray.wait(running)
    try:
        found: NumberedPart = ray.get(ready)
    except ray.exceptions.RayTaskError as error:  # what was raised in the worker
        raise error.cause from error
    return found


#: Around a pack. Dask may train several at a time in one process, whose threads share the BLAS.
_OneThread = partial(Limit, 1)


def _train_pack(
    number: int,
    pairs: Pack,
    model: Sequential,
    template: Optimizer,
    schedule: ScheduleMaker | None,
    options: Mapping[str, Any],
    X: Any,
    y: Any,
    weight: Any,
    *held_out: Any,
) -> NumberedPart:
    """Train one pack, in a worker."""
    # Threads of one process would share the callbacks, and what these remember.
    options = {**options, "weight": weight, "callbacks": copy.deepcopy(options["callbacks"])}
    if held_out:
        options["validation"] = held_out
    try:
        with _OneThread():
            return number, train(model, pairs, template, schedule, X, y, options)
    except StopIteration as error:  # no generator lets it through, and the engines' are on the way
        return number, error
    except Exception as error:
        said = format_exc()
        try:
            _send_and_take(error)
        except Exception:
            # Engines that cannot read what comes back take it for a worker's death, or lose it.
            raise RuntimeError(f"In a worker, which cannot send the error itself:\n{said}") from None
        raise


def _send_and_take(thing: Any) -> None:
    """Do what raises, if something cannot be sent to another process or does not arrive as what it was."""
    import cloudpickle

    cloudpickle.dumps(thing)
    # To load that here would make classes anew that the program uses. A copy is built in the same way.
    if type(copy.deepcopy(thing)) is not type(thing):
        raise TypeError(f"a copy of {type(thing).__name__} is something else")


def _check_callbacks(callbacks: Sequence[Any]) -> None:
    for callback in callbacks:
        if isinstance(callback, Checkpoint) or getattr(callback, "first_rank_only", False):
            raise ArgumentError(
                "sweep(callbacks=)",
                "callbacks that neither print, draw nor write files, as each worker has its own",
                f"{type(callback).__name__}",
                "Leave it out, or leave out backend= and workers=.",
            )


def _check_sendable(things: Mapping[str, Any]) -> None:
    """Refuse by name what cannot be sent to a worker."""
    for name, thing in things.items():
        try:
            _send_and_take(thing)
        except Exception as error:  # whatever it raises: it is the thing's own
            raise ArgumentError(
                f"sweep({name})" if name == "model" else f"sweep({name}=)",
                "something that can be sent to another process",
                f"{type(error).__name__}: {error}".rstrip("."),
                "Open files, locks and connections cannot: open them where they are used.",
            ) from error
