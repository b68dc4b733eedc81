"""Where compiled kernels are kept: one folder a build, checked before it is used, written behind a lock.

numba can keep what it compiled in files. By itself it trusts whatever lies there, unpickles it, and lets
processes that start at once write over one another, which is known to end in segmentation faults
(numba#4807, numba#10128). So all that nnlite compiles goes through `building`:

- A **build** is a folder whose name is a hash of all that decides what the machine code is: the sources,
  the versions, the processor, numba's settings. Machines of other processors that share one home folder,
  and two versions of nnlite, have different folders.
- One process at a time is in a build, by a lock of the operating system, which ends with the process,
  however that ends. Of many that start at once one compiles, and the others load what it made.
- A **manifest** with the size and the SHA-256 of every file is written last. A folder without one was never
  finished; one that differs from it in anything is broken, or somebody else wrote there. Either is removed
  and made anew, before numba reads a byte of it. (The manifest is no signature: who may write into the
  folder may write a manifest too. That nobody else may is what owner and mode are looked at for.)
- A folder that others may write to, that belongs to somebody else, that is full, or in which no lock can be
  had, is not used: there is one for this user where temporary files go, and at last one for this process.
- What was not used for 60 days is removed when something new is made.

Threads of one process take turns. A fork waits for a build that another thread is at, as the child of a
fork in the middle of one could never compile itself: numba's own lock would stay taken in it. (What threads
do with numba outside of `building` no fork waits for; processes that are started anew know no such
trouble.) A fork out of a thread that is itself inside leaves the folder to the parent. While one is inside,
functions that other threads give to numba with ``cache=True`` are kept in the same folder, since numba has
one setting for all; they are found again by their own file and line, and do no harm.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["building", "import_numba", "sources"]

MANIFEST = "manifest.json"
#: Days after which a build that nobody used is removed.
KEPT_DAYS = 60
#: Seconds that a function takes, as a user is told.
SECONDS = 0.6
#: Seconds to wait for another process that compiles, before this one does so for itself.
PATIENCE = 120
#: Bytes that a new build must have room for: numba's files come to a few megabytes.
ROOM = 8 * 2**20
#: Settings of numba that change the machine code, and are not in the key that numba itself looks for.
SETTINGS = (
    "BOUNDSCHECK",
    "DEBUGINFO_DEFAULT",
    "ENABLE_AVX",
    "LOOP_VECTORIZE",
    "OPT",
    "SLP_VECTORIZE",
    "USING_SVML",
)
#: Folders of the package in which kernels stand.
ROOMS = ("jit", "exchange/layers", "losses")

#: Held by the thread that is inside `building`.
_turn = threading.RLock()
#: The folder that it has, for when it enters again.
_inside: Path | None = None
#: The folder of this process alone, if one was needed, and the process it was made by.
_own: tuple[int, Path] | None = None
#: Of each thread, whether it has the turn for the time of a fork.
_forking = threading.local()


def import_numba(where: str = "jit=True") -> ModuleType:
    """Import numba and what keeps its files, or say how to get them.

    Parameters
    ----------
    where : str
        Names the argument or function that needs it.

    Returns
    -------
    module
        ``numba``.

    Raises
    ------
    ModuleNotFoundError
        If one of the packages of the extra ``jit`` is not installed.
    """
    missing = []
    for name in ("numba", "filelock", "platformdirs"):
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:  # one that is there, and lacks something itself
                raise
            missing.append(name)
    if missing:
        raise ModuleNotFoundError(
            f"{where}: expected {', '.join(missing)} to be installed, got no such package. "
            'Run python -m pip install ".[jit]" where nnlite is checked out.',
            name=missing[0],
        )
    return sys.modules["numba"]


def sources() -> list[Path]:
    """Return the files that the kernels are made from, or may call: a build belongs to what stands in them.

    Returns
    -------
    list of Path
        Every ``.py`` file of ``nnlite/jit``, and of the layers and losses that bring kernels along.

    Examples
    --------
    >>> "cache.py" in [path.name for path in sources()]
    True
    """
    package = Path(__file__).resolve().parent.parent
    return sorted(path for room in ROOMS for path in (package / room).rglob("*.py"))


@contextmanager
def building(
    announce: Callable[[str], object] | None = None,
    *,
    files: Sequence[str | os.PathLike[str]] = (),
    parts: int = 10,
) -> Iterator[Path]:
    """Let numba keep what is compiled inside, and find what was kept before.

    Enter it to load or compile kernels, and only then: it takes a lock, and the checks take some
    milliseconds. Functions must be given to numba inside, too, with ``cache=True``, since it is then that
    numba decides on the folder. A thread may enter again what it is inside of; others wait.

    Parameters
    ----------
    announce : callable, optional
        Is given one line for the user when the first function must really be compiled; by default the line
        goes to the standard error. If all comes from the folder, nothing is said.
    files : sequence of path, optional
        Further files that kernels are made from, beyond `sources`.
    parts : int
        How many functions there are, which tells the user how long it may take.

    Yields
    ------
    Path
        The folder. Nobody else writes to it until the block ends.

    Raises
    ------
    ModuleNotFoundError
        If one of the packages of the extra ``jit`` is not installed.
    """
    global _inside
    with _turn:
        if _inside is not None:
            yield _inside
            return
        numba = import_numba()
        _mind_forks()
        _start()
        folder, lock, lasting = _take(_name(tuple(os.fspath(path) for path in files)))
        process = os.getpid()
        try:
            before = _listing(folder)
            _inside = folder
            with (
                _pointed(numba.config, folder),
                _only_loading(),
                _heard(_announcer(announce, lasting, parts)),
            ):
                yield folder
        finally:
            _inside = None
            if os.getpid() == process:  # and not the child of a fork in the block
                _seal(folder, before)
                lock.release()


@cache
def _mind_forks() -> None:
    """Let forks wait for a build of another thread, from now on."""
    # After filelock is imported, whose own lock a fork takes too: what was asked for last is done first.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def _before_fork() -> None:
    # Not for ever: a program may fork while it holds what the thread that compiles is waiting for.
    _forking.waited = _turn.acquire(timeout=PATIENCE)


def _in_parent() -> None:
    if _forking.waited:
        _turn.release()


def _in_child() -> None:
    global _inside, _turn
    if _forking.waited:
        _turn.release()
    else:
        _turn = threading.RLock()
    _inside = None  # after a fork out of the block itself the folder is the parent's


def _start() -> None:
    """Let numba get ready to run what it loads, before others have to wait."""
    from numba.core.registry import cpu_target
    from numba.core.runtime.nrt import rtsys

    rtsys.initialize(cpu_target.target_context)


@contextmanager
def _only_loading() -> Iterator[None]:
    """Spare this thread the 0.3 s that numba takes to get ready to compile, where it only loads.

    It does so before each look into its folder, and again, if it finds nothing, before it compiles. To
    find something it needs no more than `_start`. An attribute that some version has not leaves all as it is.
    """
    from numba.core import caching

    Cache: Any = caching.Cache
    thread = threading.get_ident()
    usual = Cache.load_overload
    if not hasattr(Cache, "_load_overload") or not hasattr(Cache, "_guard_against_spurious_io_errors"):
        yield
        return

    def load_overload(self: Any, sig: Any, target_context: Any) -> Any:
        if threading.get_ident() != thread:
            return usual(self, sig, target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    Cache.load_overload = load_overload
    try:
        yield
    finally:
        Cache.load_overload = usual


# Which build


@cache  # what was imported is what counts, whatever becomes of the files
def _digest(path: str | os.PathLike[str]) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


#: Read when this module is, and the kernels with it.
_SOURCES = [(path.as_posix().rpartition("/nnlite/")[2], _digest(path)) for path in sources()]


def _name(files: tuple[str, ...]) -> str:
    """Name the folder of a build by all that decides what the machine code is."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy as np

    config: Any = numba.config
    config.reload_config()  # changes of the environment, which it else reads when it compiles
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot tell on this kind of processor, and numba then uses none
        features = ""
    parts = {
        "sources": _SOURCES,
        "files": [_digest(path) for path in files],
        "versions": [sys.version, numba.__version__, llvmlite.__version__, np.__version__],
        "machine": [sys.platform, platform.machine(), llvm.get_host_cpu_name(), features],
        "asked for": [os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")],
        "settings": [repr(getattr(config, name, None)) for name in SETTINGS],
    }
    return "build-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


# Which folder


def _homes() -> Iterator[tuple[Path, bool]]:
    """Go through the folders that builds may be kept in, best first; the last is gone with the process."""
    from platformdirs import user_cache_dir

    chosen = os.environ.get("NNLITE_CACHE_DIR") or user_cache_dir("nnlite", appauthor=False)
    chosen = os.path.expanduser(chosen)  # noqa: PTH111 - that of Path raises where there is no home folder
    if not chosen.startswith("~"):  # and this one leaves what would be a folder of that name
        yield Path(chosen).resolve(), True
    user = f"-{os.geteuid()}" if hasattr(os, "geteuid") else ""
    yield Path(tempfile.gettempdir(), f"nnlite{user}"), True
    yield _own_home(), False


def _own_home() -> Path:
    """Return the folder of this process alone; it is removed at its end."""
    global _own
    if _own is None or _own[0] != os.getpid():
        _own = os.getpid(), Path(tempfile.mkdtemp(prefix="nnlite-"))
        atexit.register(_remove_own, *_own)
    return _own[1]


def _remove_own(process: int, folder: Path) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _take(name: str) -> tuple[Path, Any, bool]:
    """Return the folder of a build, ready for use, the lock on it, and whether it outlasts the process."""
    trouble: Exception | None = None
    for home, lasting in _homes():
        lock = None
        try:
            _own_folder(home)
            lock = _locked(home / f"{name}.lock", PATIENCE)
            folder = home / name
            if not _is_whole(folder):
                _make_anew(folder)
                _forget_old(home, name)
            os.utime(folder / MANIFEST if (folder / MANIFEST).exists() else folder)
            return folder, lock, lasting
        # A full disk, a file system without locks, a folder of somebody else, a process that stands still.
        except BaseException as error:
            if lock is not None:
                lock.release()
            if not isinstance(error, OSError | NotImplementedError):  # Ctrl-C
                raise
            trouble = error
    raise OSError(
        "jit=True: expected a folder for compiled kernels, got none that can be written to. "
        "Name one in the environment variable NNLITE_CACHE_DIR."
    ) from trouble


def _own_folder(folder: Path) -> None:
    """Make a folder that only this user may write to; raise OSError if there is one, and it is none such."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_own(folder.lstat()):
        raise PermissionError(f"{folder} can be written to by others")


def _is_own(found: os.stat_result) -> bool:
    if not stat.S_ISDIR(found.st_mode):  # a symbolic link in the place of a folder too
        return False
    if not hasattr(os, "geteuid"):  # on Windows the folders that we choose are the user's own
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _locked(path: Path, patience: float) -> Any:
    """Return a lock that is held, or raise OSError or NotImplementedError."""
    from filelock import FileLock

    try:
        # A file that only says "taken" would stay behind a killed process, for ever.
        lock = FileLock(path, timeout=patience, fallback_to_soft=False)
    except TypeError:  # versions that do not fall back, or cannot be asked not to
        lock = FileLock(path, timeout=patience)
    lock.acquire(poll_interval=0.02)
    return lock


# What is in the folder


def _listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells whether a file was written again, for every file but the manifest."""
    found = {}
    for place, folders, names in os.walk(folder, onerror=_raise):
        for name in [*folders, *names]:
            path = Path(place, name)
            seen = path.lstat()
            if stat.S_ISDIR(seen.st_mode):
                continue
            if not stat.S_ISREG(seen.st_mode):
                raise OSError(f"{path} is no file")
            found[path.relative_to(folder).as_posix()] = (seen.st_size, seen.st_mtime_ns, seen.st_ino)
    found.pop(MANIFEST, None)
    return found


def _raise(error: OSError) -> None:
    raise error


def _sums(folder: Path, names: Iterable[str]) -> dict[str, list[Any]]:
    read = ((name, (folder / name).read_bytes()) for name in sorted(names))
    return {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in read}


def _is_whole(folder: Path) -> bool:
    """Tell whether every file is there as it was written, and no other."""
    try:
        if not _is_own(folder.lstat()):
            return False
        written = json.loads((folder / MANIFEST).read_bytes())
        there = _listing(folder)
        return isinstance(written, dict) and set(written) == set(there) and written == _sums(folder, there)
    except (OSError, ValueError, RecursionError):
        return False


def _seal(folder: Path, before: dict[str, tuple[int, int, int]]) -> None:
    """Write the manifest of all that is there, if that has changed; without one it is made anew next time."""
    with suppress(OSError):
        if _listing(folder) == before:
            return
        for name in _listing(folder):
            if re.search(r"\.tmp\.[0-9a-f]{16}$", name):  # where numba was stopped while it wrote
                (folder / name).unlink()
        sums = json.dumps(_sums(folder, _listing(folder)), indent=1)
        new = folder / f"{MANIFEST}.tmp"
        new.write_text(sums, "utf-8")
        new.replace(folder / MANIFEST)


def _make_anew(folder: Path) -> None:
    """Put an empty folder in the place of whatever is there."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    probe = folder / "room"
    try:
        probe.write_bytes(bytes(ROOM))  # or a full disk would stop the training in the middle
    finally:
        probe.unlink(missing_ok=True)


def _forget_old(home: Path, name: str) -> None:
    """Remove what nobody used for long, unless somebody is at it now."""
    oldest = time.time() - KEPT_DAYS * 24 * 60 * 60
    for folder in home.iterdir():
        if folder.name == name or not re.fullmatch(r"build-[0-9a-f]{20}", folder.name):
            continue
        with suppress(OSError, NotImplementedError):
            if _last_use(folder) < oldest:
                lock = _locked(home / f"{folder.name}.lock", 0)
                try:
                    if _last_use(folder) < oldest:
                        shutil.rmtree(folder)
                finally:
                    lock.release()


def _last_use(folder: Path) -> float:
    manifest = folder / MANIFEST
    return (manifest if manifest.exists() else folder).lstat().st_mtime


# What numba is told, and tells


@contextmanager
def _pointed(config: Any, folder: Path) -> Iterator[None]:
    """Let numba keep its files in a folder, whatever the environment says."""
    wanted = {"CACHE_DIR": os.fspath(folder), "CACHE_LOCATOR_CLASSES": ""}
    before = {name: getattr(config, name) for name in wanted if hasattr(config, name)}
    try:
        for name in before:
            setattr(config, name, wanted[name])
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


def _heard(compiling: Callable[[], None]) -> Any:
    """Call a function whenever this thread compiles something and does not load it."""
    try:
        from numba.core import event
    except ImportError:  # it is there since numba 0.53, and is said to be for applications
        return nullcontext()

    thread = threading.get_ident()

    class Ear(event.Listener):  # type: ignore[misc]
        """Hears of every pass of the compiler; the threads of others too."""

        def on_start(self, event: Any) -> None:
            if threading.get_ident() == thread:
                compiling()

        def on_end(self, event: Any) -> None:
            pass

    # The event "numba:compile" does not come for C callbacks.
    return event.install_listener("numba:run_pass", Ear())


def _announcer(announce: Callable[[str], object] | None, lasting: bool, parts: int) -> Callable[[], None]:
    """Return a function that says once that something is compiled."""
    said = False

    def compiling() -> None:
        nonlocal said
        if not said:
            said = True
            how_often = (
                ", kept for the next time" if lasting else " for this process, as no folder can be kept"
            )
            seconds = max(1, round(parts * SECONDS))
            (announce or _say)(f"nnlite: compiling{how_often}; about {seconds} s")

    return compiling


def _say(line: str) -> None:
    """Write a line above the bars that are there; a program without a console has nowhere to."""
    from tqdm import tqdm

    if sys.stderr is not None and not getattr(sys.stderr, "closed", False):
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()
