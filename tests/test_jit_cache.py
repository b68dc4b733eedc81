"""Where compiled kernels are kept: found again, never trusted unseen, one process at a time."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nnlite.jit import cache

ROOT = Path(__file__).parent.parent
NEEDED = ("numba", "filelock", "platformdirs")

LOAD = """
import json, sys
from tests.toy_kernels import load
said = []
print(json.dumps({**vars(load(said.append)), "said": said}))
"""


def environment(folder: Path, **changes) -> dict[str, str]:
    """Return an environment in which all that is written goes below a folder, and nothing of numba is set."""
    (folder / "temporary").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    places = {"NNLITE_CACHE_DIR": folder / "cache", "TMPDIR": folder / "temporary", "PYTHONPATH": ROOT}
    given = {name: str(value) for name, value in {**places, **changes}.items() if value is not None}
    return {name: value for name, value in {**kept, **given}.items() if name in given or name not in changes}


def start(folder, code=LOAD, **changes) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment(folder, **changes), cwd=folder, **pipes)


def finish(process: subprocess.Popen) -> str:
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()  # which does nothing to one that has ended
    assert process.returncode == 0, err
    assert not err
    return out


def load(folder, **changes) -> dict:
    """Load the two toy kernels in a process of its own."""
    found = json.loads(finish(start(folder, **changes)))
    assert found["answer"] == 42
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Return a folder with a finished build in its `cache`."""
    for name in NEEDED:
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("built")
    assert load(folder)["compiled"] == 2
    return folder


@pytest.fixture
def copy(built, tmp_path) -> Path:
    """Return a copy of it, to be spoilt."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return tmp_path


def build_in(folder: Path) -> Path:
    (found,) = (folder / "cache").glob("build-*[!k]")
    return found


def files(folder: Path, kind: str = "*.nb?") -> list[Path]:
    return sorted(folder.rglob(kind))


# In one process, without numba


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Return a folder that builds of this process go to, and let no other be found."""
    for name in NEEDED:
        pytest.importorskip(name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(cache, "_own", None)
    monkeypatch.setenv("NNLITE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder: Path) -> None:
    """Write what could be numba's."""
    (folder / "kernels_1a").mkdir(exist_ok=True)
    (folder / "kernels_1a" / "f.nbi").write_bytes(b"index")
    (folder / "kernels_1a" / "f.1.nbc").write_bytes(b"machine code" * 1000)


def test_what_was_written_is_there_the_next_time(home):
    with cache.building() as folder:
        assert folder.parent == home
        write(folder)
    with cache.building() as again:
        assert again == folder
        assert (folder / "kernels_1a" / "f.nbi").read_bytes() == b"index"


def test_what_is_added_later_is_kept_too(home):
    with cache.building() as folder:
        write(folder)
    with cache.building():
        (folder / "kernels_1a" / "g.nbi").write_bytes(b"another")
    with cache.building():
        assert len(files(folder)) == 3


def test_what_was_written_before_an_error_is_kept(home):
    def stopped():
        with cache.building() as folder:
            write(folder)
            (folder / "kernels_1a" / "g.nbi.tmp.0123456789abcdef").write_bytes(b"hal")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with cache.building() as folder:
        assert [path.name for path in files(folder, "*.*")] == ["f.1.nbc", "f.nbi", "manifest.json"]


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def changed(path):
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def garbage(path):
    path.write_bytes(b"\x80garbage")


def gone(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def beside(path):
    path.with_name("more.nbi").write_bytes(b"foreign")


def elsewhere(path):
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [truncated, changed, garbage, gone, empty, beside, elsewhere, a_folder])
@pytest.mark.parametrize("name", ["kernels_1a/f.nbi", "kernels_1a/f.1.nbc", "manifest.json"])
def test_a_build_that_is_not_as_it_was_written_is_made_anew(name, damage, home):
    with cache.building() as folder:
        write(folder)
    damage(folder / name)
    with cache.building() as again:
        assert again == folder
        assert not [*folder.iterdir()]
        write(folder)
    with cache.building():
        assert len(files(folder)) == 2


@pytest.mark.parametrize("text", ["[]", "null", "1", '"text"', "[" * 100_000, "{}", '{"f": null}'])
def test_a_manifest_of_another_kind_is_none(text, home):
    with cache.building() as folder:
        write(folder)
    (folder / "manifest.json").write_text(text)
    with cache.building():
        assert not [*folder.iterdir()]


def test_a_file_or_a_link_in_the_place_of_a_build_is_replaced(home, tmp_path):
    with cache.building() as folder:
        write(folder)
    folder.rename(tmp_path / "other")
    folder.symlink_to(tmp_path / "other")
    with cache.building():
        assert not folder.is_symlink()
        assert not [*folder.iterdir()]
    assert len(files(tmp_path / "other")) == 2
    folder.rmdir()
    folder.write_bytes(b"")
    with cache.building():
        assert folder.is_dir()


needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")


@needs_owners
def test_a_build_that_others_can_write_to_is_made_anew(home):
    with cache.building() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        write(folder)
    folder.chmod(0o777)
    with cache.building():
        assert not [*folder.iterdir()]
        assert folder.stat().st_mode & 0o777 == 0o700


def open_to_others(home, monkeypatch):
    home.mkdir()
    home.chmod(0o770)


def of_somebody_else(home, monkeypatch):
    home.mkdir()
    seen = Path.lstat

    def lstat(path):
        found = seen(path)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:]]) if path == home else found

    monkeypatch.setattr(Path, "lstat", lstat)


def a_file(home, monkeypatch):
    home.write_bytes(b"")


def in_a_file(home, monkeypatch):
    (home.parent / "file").write_bytes(b"")
    monkeypatch.setenv("NNLITE_CACHE_DIR", str(home.parent / "file" / "cache"))


def of_the_system(home, monkeypatch):
    monkeypatch.setenv("NNLITE_CACHE_DIR", "/proc/nnlite")  # where nobody, not even root, makes a folder


def of_nobody(home, monkeypatch):
    monkeypatch.setenv("NNLITE_CACHE_DIR", "~nobody-of-this-name/cache")


def without_locks(error):
    def spoil(home, monkeypatch):
        import filelock

        acquire = filelock.FileLock.acquire

        def refuse(self, *args, **kwargs):
            if Path(self.lock_file).parent == home:
                raise error
            return acquire(self, *args, **kwargs)

        monkeypatch.setattr(filelock.FileLock, "acquire", refuse)

    spoil.__name__ = f"without_locks_{type(error).__name__}"
    return spoil


def without_room(home, monkeypatch):
    written = Path.write_bytes

    def write_bytes(path, content):
        if home in path.parents:
            written(path, content[:10])
            raise OSError(28, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


CANNOT_BE_USED = [
    open_to_others,
    of_somebody_else,
    a_file,
    in_a_file,
    of_the_system,
    of_nobody,
    without_locks(OSError(37, "No locks available")),
    without_locks(NotImplementedError()),
    without_room,
]


@needs_owners
@pytest.mark.parametrize("spoil", CANNOT_BE_USED, ids=lambda spoil: spoil.__name__)
def test_a_folder_that_cannot_be_used_is_passed_over(spoil, home, monkeypatch):
    spoil(home, monkeypatch)
    with cache.building() as folder:
        assert folder.parent == home.parent / "temporary" / f"nnlite-{os.geteuid()}"
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        write(folder)
    with cache.building() as again:
        assert again == folder
        assert len(files(folder)) == 2


@needs_owners
def test_what_somebody_put_where_temporary_files_go_is_passed_over_too(home, monkeypatch):
    a_file(home, monkeypatch)
    mine = home.parent / "mine"
    mine.mkdir()
    (home.parent / "temporary" / f"nnlite-{os.geteuid()}").symlink_to(mine)
    with cache.building() as folder:
        assert folder.parent.parent == home.parent / "temporary"
        assert not folder.parent.is_symlink()
        write(folder)
    assert not [*mine.iterdir()]
    with cache.building() as again:  # in the same process
        assert again == folder
        assert len(files(folder)) == 2


def test_an_interrupted_start_leaves_no_lock(home, monkeypatch):
    def stop(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_make_anew", stop)
        with pytest.raises(KeyboardInterrupt) as kept, cache.building():  # noqa: F841 - with all that it holds
            pass
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    with cache.building() as folder:
        assert folder.parent == home


def test_no_folder_at_all(home, monkeypatch):
    a_file(home, monkeypatch)
    monkeypatch.setattr(cache, "_homes", lambda: iter([(home, True)]))
    message = r"^jit=True: expected a folder for compiled kernels, got none that can be written to\. Name "
    with pytest.raises(OSError, match=message), cache.building():
        pass


def test_another_process_that_stands_still_is_not_waited_for_without_end(home, monkeypatch):
    import filelock

    with cache.building() as folder:
        write(folder)
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    with filelock.FileLock(f"{folder}.lock"), cache.building() as other:
        assert other.parent != home
    with cache.building() as again:
        assert again == folder


def test_what_nobody_used_for_sixty_days_is_removed_when_something_new_is_made(home):
    import filelock

    def a_build(number, days, whole=True):
        folder = home / f"build-{number:020x}"
        folder.mkdir(parents=True)
        if whole:
            (folder / "manifest.json").write_text("{}")
        used = time.time() - days * 24 * 60 * 60
        for path in [*folder.iterdir(), folder]:
            os.utime(path, (used, used))
        return folder

    home.mkdir(mode=0o700)
    old, unfinished, busy, used = a_build(1, 61), a_build(2, 61, whole=False), a_build(3, 61), a_build(4, 59)
    notes = home / "notes"
    notes.mkdir()
    os.utime(notes, (0, 0))
    with filelock.FileLock(f"{busy}.lock"), cache.building() as new:
        write(new)
    assert [path.exists() for path in (old, unfinished, busy, used, notes, new)] == [0, 0, 1, 1, 1, 1]
    os.utime(new / "manifest.json", (0, 0))
    with cache.building():  # nothing new, and used again
        assert busy.exists()
    assert (new / "manifest.json").stat().st_mtime > time.time() - 60


def test_a_thread_may_enter_again_and_others_wait(home):
    inside = []
    begun = threading.Event()

    def other():
        begun.set()
        with cache.building() as folder:
            inside.append(folder)

    with cache.building() as folder:
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait()
        with cache.building(print) as again:
            assert again == folder
        write(folder)
        time.sleep(0.05)
        assert not inside
    thread.join()
    assert inside == [folder]
    with cache.building():
        assert len(files(folder)) == 2


def test_settings_of_numba_are_put_back(home, monkeypatch):
    from numba import config

    monkeypatch.setattr(config, "CACHE_DIR", "/mine")

    def fail():
        with cache.building() as folder:
            assert str(folder) == config.CACHE_DIR
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert config.CACHE_DIR == "/mine"


def test_the_sources_are_those_of_all_rooms_with_kernels():
    names = {path.relative_to(ROOT / "nnlite").as_posix() for path in cache.sources()}
    assert names >= {"jit/__init__.py", "jit/cache.py", "losses/hinge.py", "exchange/layers/__init__.py"}


def test_other_sources_are_another_build(home, tmp_path, monkeypatch):
    paths = [tmp_path / "a.py", tmp_path / "b.py", tmp_path / "c.py"]
    for path, text in zip(paths, ["x = 1", "x = 2", "x = 1"], strict=True):
        path.write_text(text)
    names = [cache._name((str(path),)) for path in paths]
    assert names[0] == names[2] != names[1]
    os.utime(paths[0], (0, 0))
    assert cache._name((str(paths[0]),)) == names[0]
    monkeypatch.setattr(cache, "_SOURCES", [*cache._SOURCES[:-1], (cache._SOURCES[-1][0], "0")])
    assert cache._name((str(paths[0]),)) != names[0]


@pytest.mark.parametrize("setting", ["BOUNDSCHECK", "OPT"])
def test_other_settings_are_another_build(setting, home, monkeypatch):
    from numba import config

    before = cache._name(())
    monkeypatch.setattr(config, setting, 1)
    assert cache._name(()) != before


@pytest.mark.parametrize("name", NEEDED)
def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(name, monkeypatch):
    for package in ("numba", "filelock", "platformdirs"):
        monkeypatch.setitem(sys.modules, package, sys)
    monkeypatch.setitem(sys.modules, name, None)
    message = (
        f"^jit=True: expected {name} to be installed, got no such package. "
        r'Run python -m pip install "\.\[jit\]" where nnlite is checked out\.$'
    )
    with pytest.raises(ModuleNotFoundError, match=message) as caught, cache.building():
        pass
    assert caught.value.name == name


def test_all_that_is_missing_is_named_at_once(monkeypatch):
    for package in ("numba", "filelock", "platformdirs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match="expected numba, filelock, platformdirs to be installed"):
        cache.import_numba()


def test_nothing_of_it_is_imported_with_nnlite():
    code = f"import sys, nnlite; print({{*{[*NEEDED, 'llvmlite', 'nnlite.jit.cache']}}} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout == "set()\n", run.stderr


# With numba, in processes of their own

MORE = """
import sys
import numba
from nnlite.jit.cache import building
from tests import toy_kernels
found = toy_kernels.load(print)
ready = "numba.np.linalg" in sys.modules
signature = numba.types.float64(numba.types.float64)
with building(print, files=[toy_kernels.__file__]):
    hits = numba.cfunc(signature, cache=True)(toy_kernels.risen).cache_hits
mine = numba.njit(lambda x: x + 1)(1)
print(found.compiled, ready, hits, mine, toy_kernels.load(print).answer)
"""


def test_what_only_loads_need_not_get_ready_to_compile(copy):
    """numba would import all that it compiles with before it looks into the folder."""
    line = "nnlite: compiling, kept for the next time; about 6 s\n"
    assert finish(start(copy, MORE)) == f"{line}0 False 0 2 42.0\n"
    assert finish(start(copy, MORE)) == "0 False 1 2 42.0\n"


def test_the_second_process_compiles_nothing_and_says_nothing(copy):
    before = {path: path.read_bytes() for path in files(copy, "*.*") if path.is_file()}
    found = load(copy)
    assert found["compiled"] == 0
    assert found["said"] == []
    assert found["folder"] == str(build_in(copy))
    assert {path: path.read_bytes() for path in files(copy, "*.*") if path.is_file()} == before


def test_the_first_one_says_so_in_one_line(built, tmp_path):
    assert load(tmp_path)["said"] == ["nnlite: compiling, kept for the next time; about 6 s"]
    code = "from tests.toy_kernels import load; load()"
    process = start(tmp_path, code, NNLITE_CACHE_DIR=tmp_path / "other")
    assert process.communicate() == ("", "nnlite: compiling, kept for the next time; about 6 s\n")
    without = start(tmp_path, f"import sys; sys.stderr = None; {code}", NNLITE_CACHE_DIR=tmp_path / "third")
    assert finish(without) == ""


def test_nothing_is_written_beside_the_sources(copy):
    """A package that may be read only works as well: numba would else write into its __pycache__."""
    assert not files(ROOT / "tests" / "__pycache__")
    package = copy / "package"
    package.mkdir()
    (package / "toys.py").write_bytes((ROOT / "tests" / "toy_kernels.py").read_bytes())
    code = f"import sys; sys.path.insert(0, {str(package)!r}); import toys; print(toys.load(str).compiled)"
    package.chmod(0o500)
    try:
        assert [finish(start(copy, code, PYTHONDONTWRITEBYTECODE=1)) for _ in range(2)] == ["2\n", "0\n"]
        assert [path.name for path in package.iterdir()] == ["toys.py"]
    finally:
        package.chmod(0o700)


def test_numba_is_told_where_whatever_the_environment_says(copy):
    changes = {"NUMBA_CACHE_DIR": copy / "numba", "NUMBA_CACHE_LOCATOR_CLASSES": "InTreeCacheLocator"}
    assert load(copy, **changes)["compiled"] == 0
    assert not (copy / "numba").exists()


def test_by_default_it_is_the_users_cache_folder(built, tmp_path):
    places = {"NNLITE_CACHE_DIR": None, "HOME": tmp_path / "home", "XDG_CACHE_HOME": tmp_path / "xdg"}
    found = load(tmp_path, **places)
    if sys.platform.startswith("linux"):
        assert Path(found["folder"]).parent == tmp_path / "xdg" / "nnlite"
    assert load(tmp_path, **places)["compiled"] == 0


def test_where_no_folder_can_be_kept_it_goes_with_the_process(built, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary" / f"nnlite-{os.geteuid()}").write_bytes(b"")
    found = load(tmp_path, NNLITE_CACHE_DIR=tmp_path / "file")
    assert found["said"] == ["nnlite: compiling for this process, as no folder can be kept; about 6 s"]
    assert not Path(found["folder"]).parent.exists()


def test_another_processor_has_another_build(copy):
    generic = load(copy, NUMBA_CPU_NAME="generic")
    assert generic["compiled"] == 2
    assert load(copy, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")["folder"] != generic["folder"]
    assert load(copy, NUMBA_CPU_NAME="generic")["compiled"] == 0
    assert load(copy)["compiled"] == 0


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
def test_no_file_is_unpickled_that_is_not_as_it_was_written(kind, copy):
    for path in files(copy / "cache", kind):
        path.write_bytes(pickle.dumps(Bomb(copy / "boom")) * 2)
    found = load(copy)
    assert (found["compiled"], len(found["said"])) == (2, 1)
    assert not (copy / "boom").exists()
    assert load(copy)["compiled"] == 0


@pytest.mark.parametrize("damage", [truncated, garbage, gone, empty])
@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
def test_kernels_from_a_broken_build_are_compiled_again(kind, damage, copy):
    damage(files(copy / "cache", kind)[0])
    assert load(copy)["compiled"] == 2
    assert load(copy)["compiled"] == 0


DIE = """
import os, signal
from tests import toy_kernels
def die(line): os.kill(os.getpid(), signal.SIGKILL)
"""
AT_ONCE = DIE + "toy_kernels.load(die)"
BETWEEN = DIE + "import numba; numba.cfunc = lambda *a, **k: die(''); toy_kernels.load(str)"
BEFORE_THE_END = DIE + "import nnlite.jit.cache as c; c._seal = lambda *a: die(''); toy_kernels.load(str)"
HALF = DIE + "import pathlib; pathlib.Path.replace = lambda *a: die(''); toy_kernels.load(str)"
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are not killed so here")


@needs_kill
@pytest.mark.parametrize("code", [AT_ONCE, BETWEEN, BEFORE_THE_END, HALF])
def test_after_a_killed_process_the_next_one_goes_on(code, built, tmp_path):
    process = start(tmp_path, code)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert build_in(tmp_path).exists()
    assert load(tmp_path)["compiled"] == 2
    assert load(tmp_path)["compiled"] == 0


@needs_kill
def test_who_waits_for_a_process_that_is_killed_goes_on(built, tmp_path):
    say = "lambda line: (print(line, flush=True), time.sleep(600))"
    stuck = start(tmp_path, f"import time; from tests import toy_kernels; toy_kernels.load({say})")
    assert stuck.stdout.readline().startswith("nnlite: compiling")
    waiting = start(tmp_path)
    time.sleep(2)
    assert waiting.poll() is None
    stuck.kill()
    stuck.communicate()
    assert json.loads(finish(waiting))["compiled"] == 2


def at_once(folder, count):
    found = [json.loads(finish(process)) for process in [start(folder) for _ in range(count)]]
    assert {one["answer"] for one in found} == {42}
    assert len({one["folder"] for one in found}) == 1
    return sorted(one["compiled"] for one in found)


@pytest.mark.parametrize("count", [4, pytest.param(32, marks=pytest.mark.thorough)])
def test_of_processes_that_start_at_once_one_compiles(count, built, copy):
    assert at_once(copy, count) == [0] * count
    changed(files(copy / "cache", "*.nbi")[0])
    assert at_once(copy, count) == [0] * (count - 1) + [2]
    shutil.rmtree(copy / "cache")
    assert at_once(copy, count) == [0] * (count - 1) + [2]


FORK = """
import os, threading, time
import numba
from nnlite.jit import cache
from tests import toy_kernels

begun = threading.Event()
def say(line):
    begun.set()
    time.sleep(0.5)
signature = numba.types.float64(numba.types.float64)
kernels = []
def compile_one():
    with cache.building(say, files=[toy_kernels.__file__]):
        kernels.append(numba.cfunc(signature, cache=True)(toy_kernels.thrice))
thread = threading.Thread(target=compile_one)
thread.start()
begun.wait()
child = os.fork()  # waits until the other thread is ready
if not child:
    found = toy_kernels.load(lambda line: None)
    os._exit(10 + found.compiled if found.answer == 42 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 11  # the other one
thread.join()
assert kernels[0].cache_hits == 0

with cache.building() as folder:
    child = os.fork()  # out of the block itself
    if not child:
        with cache.building() as again:  # waits for the parent
            os._exit(7 if folder == again and (folder / "late").exists() else 1)
    time.sleep(0.5)
    (folder / "late").write_bytes(b"")
    another = os.fork()
if not another:  # it has left the block, and written nothing
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(another, 0)[1]) == 0
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print(toy_kernels.load(print).compiled)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere a fork of several threads is unsafe"
)
def test_a_fork_waits_for_a_build_and_leaves_the_folder_to_its_parent(built, tmp_path):
    process = start(tmp_path, "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n" + FORK)
    assert finish(process) == "0\n"
