"""Files that are replaced: whose they are and who may read them, Ctrl-C at any line, links, other users."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.files.safetensors import may_replace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights and links are another matter there")

as_root = pytest.mark.skipif(
    sys.platform != "win32" and os.geteuid() != 0, reason="only the superuser can be somebody else"
)


def net():
    return nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)


def save(path):
    net().save(path)


def save_onnx(path):
    from nnlite.onnx import export

    export(net(), path)


def checkpoint(path, **options):
    X = np.ones((4, 2))
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1} | options
    hooks = options.pop("callbacks", [])
    net().fit(X, X[:, :1], callbacks=[*hooks, nn.Checkpoint(path)], **options)


WRITERS = {"save": save, "checkpoint": checkpoint}
if find_spec("onnx"):
    WRITERS["onnx"] = save_onnx
#: Done once as the superuser, who may read all that is to be imported, then by a child for each user.
CHILDREN = """
import json, os, sys, tempfile
sys.path.insert(0, sys.argv[1])
from test_files import WRITERS
with tempfile.TemporaryDirectory() as folder:
    for name, writer in WRITERS.items():
        writer(os.path.join(folder, name))
for uid, gid, groups, name, path in json.loads(sys.argv[2]):
    child = os.fork()
    if not child:
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
        try:
            WRITERS[name](path)
        except (OSError, ValueError) as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def write_as(*cases):
    """Write files as other users: uid, gid, groups, name of the writer, path."""
    command = [sys.executable, "-c", CHILDREN, str(Path(__file__).parent), json.dumps(cases)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def described(path):
    about = path.stat()
    return f"{about.st_uid}:{about.st_gid} {stat.S_IMODE(about.st_mode):o}"


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, which only its owner may enter
        Path(name).chmod(0o777)
        yield Path(name)


@as_root
def test_whose_it_is_and_who_may_read_it(folder):
    cases = [
        ((65534, 200), 0o660, (65534, 100, [100, 200]), "65534:200 660"),
        ((65534, 200), 0o640, (0, 0, []), "65534:200 640"),
        ((65534, 200), 0o664, (65534, 100, [100]), "65534:100 604"),
        ((65534, 200), 0o604, (65534, 100, [100]), "65534:100 600"),
        ((65534, 200), 0o660, (65533, 100, [100]), "65533:100 600"),
        ((65534, 200), 0o660, (65533, 100, [200]), "65533:200 660"),
        ((65534, 100), 0o400, (65534, 100, []), "65534:100 400"),
    ]
    asked, expected = [], {}
    for writer in WRITERS:
        for number, (owner, rights, who, after) in enumerate(cases):
            path = folder / f"{writer} {number}"
            path.write_bytes(b"old")
            os.chown(path, *owner)
            path.chmod(rights)
            asked.append((*who, writer, str(path)))
            expected[path.name] = after
    assert write_as(*asked) == ""
    assert {path.name: described(path) for path in folder.iterdir()} == expected
    assert all(path.stat().st_size > 100 for path in folder.iterdir())


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("rights", [0o444, 0o400, 0o640, 0o666])
def test_rights_stay(tmp_path, writer, rights):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(rights)
    WRITERS[writer](path)
    assert stat.S_IMODE(path.stat().st_mode) == rights


def test_nobody_may_open_the_new_file_before_it_is_known_who_may(tmp_path, monkeypatch):
    path, seen = tmp_path / "net", []
    save(path)
    path.chmod(0o600)
    fstat = os.fstat

    def look(descriptor):
        seen.extend(stat.S_IMODE(new.stat().st_mode) for new in tmp_path.glob(".*.tmp"))
        return fstat(descriptor)

    before = os.umask(0)
    monkeypatch.setattr("nnlite.files.safetensors.os.fstat", look)
    try:
        save(path)
    finally:
        os.umask(before)
    assert set(seen) == {0o600}


#: Where a file is made, written, and put in its place.
WATCHED = ("files.py", "pathlib.py", "pathlib/_local.py", "contextlib.py")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that is closed late
@pytest.mark.parametrize("exists", [False, True])
def test_ctrl_c_at_any_line_leaves_no_other_file(tmp_path, exists, monkeypatch):
    monkeypatch.setattr("nnlite.files.safetensors.os.fsync", lambda descriptor: None)
    path = tmp_path / "net"
    model = net()
    lines, ends = 0, set()
    while True:
        path.unlink(missing_ok=True)
        if exists:
            path.write_bytes(b"old")
        lines += 1
        left = lines

        def trace(frame, event, argument):
            nonlocal left
            if not frame.f_code.co_filename.endswith(WATCHED):
                return None
            left -= event == "line"
            if not left:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            model.save(path)
        except KeyboardInterrupt:
            done = False
        else:
            done = True
        finally:
            sys.settrace(before)
        assert names(tmp_path) in ([], ["net"])
        if path.exists():
            content = path.read_bytes()
            ends.add(content == b"old")
            assert content == b"old" or nn.load(path)
        if done:
            break
    assert lines > 40
    assert ends == ({True, False} if exists else {False})


# Checkpoints: found at the start, and at the same place all along.


class Go(nn.Callback):
    """Change the working directory."""

    def __init__(self, folder, moment):
        self.folder = folder
        setattr(self, moment, lambda state: os.chdir(folder))

    def on_train_begin(self, state):
        """Do nothing, unless replaced."""

    on_epoch_end = on_batch_end = on_train_begin


@pytest.mark.parametrize("moment", ["on_train_begin", "on_batch_end", "on_epoch_end"])
def test_a_checkpoint_stays_where_training_began(tmp_path, monkeypatch, moment):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    checkpoint("run", callbacks=[Go(tmp_path / "elsewhere", moment)], epochs=3)
    assert names(tmp_path / "elsewhere") == []
    monkeypatch.chdir(tmp_path)
    assert names(tmp_path) == ["elsewhere", "run"]


def test_a_path_is_meant_from_where_fit_is_called(tmp_path, monkeypatch):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    monkeypatch.chdir(one)
    hook = nn.Checkpoint("run")
    monkeypatch.chdir(other)
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1}
    net().fit(np.ones((4, 2)), np.ones((4, 1)), callbacks=[hook], **options)
    assert (names(one), names(other)) == ([], ["run"])
    assert repr(hook) == "Checkpoint('run', every=1, unit='epochs')"


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("inside", ["", "run"])
def test_links_in_a_circle(tmp_path, writer, inside):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ArgumentError, match=r"the path of a file, got .*a link that leads back to itself"):
        WRITERS[writer](tmp_path / "a" / inside)
    assert all((tmp_path / name).is_symlink() for name in "ab")


def test_a_checkpoint_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real" / "run")
    checkpoint(tmp_path / "run")
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "real" / "run").is_file()


@as_root
def test_another_users_file_in_a_sticky_folder_is_refused_at_the_start(folder):
    folder.chmod(0o1777)
    (folder / "run").write_bytes(b"old")
    (folder / "run").chmod(0o666)
    mine = (65534, 100, [100], "checkpoint", str(folder / "mine"))
    said = write_as((*mine[:-1], str(folder / "run")))
    assert said.startswith("ArgumentError: Checkpoint(path): expected a file that may be replaced, got ")
    assert (
        "which is another user's, in a folder where only its owner may do that. Choose another name." in said
    )
    assert (folder / "run").read_bytes() == b"old"
    assert write_as(mine, mine) == ""
    assert may_replace(folder / "run")
