"""A training that is killed at random moments, again and again, comes to the bits of one that was not.

A process that has imported everything forks a child for each run, which costs a few milliseconds. The
children are killed by SIGKILL after random times, drawn so that the kills spread over all their life. Behind
each kill a reader opens the checkpoint. NNLITE_KILLS sets how often; 20 by default.
"""

import json
import os
import subprocess
import sys

import pytest

KILLS = int(os.environ.get("NNLITE_KILLS", "20"))

BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

#: What the forking process runs. Its BLAS has one thread, since threads do not survive a fork.
PARENT = r'''
import json, os, random, signal, sys, time, traceback
from pathlib import Path

import numpy as np

import nnlite as nn
from nnlite.training.checkpoint import Checkpoint
from nnlite.files.safetensors import open_tensors
from nnlite.files import safetensors as files

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
path, result, mark = folder / "run.checkpoint", folder / "result.json", folder / "mark"
rng = np.random.default_rng(0)
X = rng.normal(size=(128, 4))
y = (X[:, :1] * X[:, 1:2] > 0).astype(int).ravel()


def train(checkpoint):
    model = nn.Sequential([nn.Dense(4, 16), nn.Tanh(), nn.Dropout(0.2), nn.Dense(16, 2)], rng=1)
    optimizer = nn.Adam(nn.schedules.CosineDecay(0.05, steps=80))
    history = model.fit(
        X,
        y,
        loss=nn.SoftmaxCrossEntropy(),
        optimizer=optimizer,
        epochs=12,
        batch_size=16,
        validation=0.25,
        metrics=[nn.accuracy],
        callbacks=[
            Checkpoint(checkpoint, every=1, unit="steps"),
            nn.EarlyStopping(patience=4),
            nn.ReduceOnPlateau(patience=3, factor=0.7),
        ],
        resume=checkpoint if checkpoint.exists() else None,
    )
    rows = [{key: row[key] for key in row if key != "seconds"} for row in history.rows]
    state = {name: np.asarray(array).tolist() for name, array in optimizer.state_dict().items()}
    return json.dumps(
        {
            "values": model.params.values.tolist(),
            "rows": rows,
            "ends": [history.stop_reason, history.best_epoch],
            "optimizer": state,
            "rng": model.rng.bit_generator.state,
        }
    )


def child():
    """Train, or go on; leave a mark while a checkpoint is being written."""
    write = files.write_atomically

    def marked(*arguments, **options):
        os.pwrite(board, b"1", 0)
        write(*arguments, **options)
        os.pwrite(board, b"0", 0)

    files.write_atomically = marked
    try:
        result.write_text(train(path))
        code = 0
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


def whole():
    """Open what is there, as a reader would: all of it, with its checksum."""
    with open_tensors(path, key="nnlite_checkpoint", where="reader", made_by="Checkpoint") as file:
        for name in file.entries:
            file.read(name)
        state = file.document["state"]
        return state["done"], state["batch"]


expected = train(folder / "not stopped")
board = os.open(mark, os.O_RDWR | os.O_CREAT)
os.pwrite(board, b"0", 0)
draw = random.Random(0)
report = {"kills": 0, "while writing": 0, "runs": 0, "wrong": 0, "backwards": 0}
report["epochs"] = len(json.loads(expected)["rows"])
begun = time.monotonic()
train(folder / "again")
life = time.monotonic() - begun  # about how long a child lives that is not killed
latest = (0, 0)
while report["kills"] < kills:
    begun = time.monotonic()
    pid = os.fork()
    if not pid:
        child()
    # Over a part of the life, so that a run is killed several times before it is done.
    delay = draw.uniform(0.0, 0.5 * life)
    over = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while time.monotonic() - begun < delay and not os.waitid(os.P_PID, pid, over):
        time.sleep(0.0002)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        report["kills"] += 1
        report["while writing"] += os.pread(board, 1, 0) == b"1"
        os.pwrite(board, b"0", 0)
        if path.exists():
            now = whole()
            report["backwards"] += now < latest
            latest = now
        life *= 1.05
        continue
    if os.WEXITSTATUS(status):
        sys.exit("a child failed")
    report["runs"] += 1
    report["wrong"] += result.read_text() != expected
    path.unlink()
    latest = (0, 0)
    life *= 0.8  # together with the 1.05 above: some five kills to each run that comes to its end
    for left in folder.glob(".*.tmp"):  # what a kill in the middle of writing leaves
        left.unlink()
print(json.dumps(report))
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_killed_at_random_moments(tmp_path):
    environment = os.environ | dict.fromkeys(BLAS, "1")
    run = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    print(report)
    assert report["kills"] == KILLS
    assert report["wrong"] == report["backwards"] == 0
    assert report["epochs"] > 8  # so that there is something to kill
    if KILLS >= 20:
        assert report["while writing"] > 0
        assert report["runs"] > 0
