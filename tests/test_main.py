"""`python -m nnlite`: what it prints, what it refuses, and how it ends."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnlite as nn
import nnlite.cli.demo as demo
from nnlite.__main__ import main
from nnlite.cli.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-W", "error", "-m", "nnlite"]
#: How good a net has to be on each data set with the seed 0.
GOOD = {
    "digits": 97.0,
    "iris": 90.0,
    "spirals": 99.0,
    "moons": 97.0,
    "circles": 99.0,
    "blobs": 99.0,
    "xor": 100.0,
}


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def report(capsys, *argv):
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def score(text):
    return float(re.search(r"test (?:accuracy|R²) (-?\d+\.\d+)", text, flags=re.IGNORECASE)[1])


def without_seconds(text):
    return re.sub(r"\d+\.\d s\b", "# s", text)


def environment(**more):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **more}


# What it prints.


def test_digits(capsys):
    """The main job: every part of the report is there, and its numbers agree."""
    text = report(capsys)
    assert text.startswith(f"nnlite {nn.__version__} learns digits: 1,797 rows of 64 features, 10 classes\n")
    assert "CC BY" in text
    assert re.search(r"^17,226 parameters, float32$", text, flags=re.MULTILINE)
    assert score(text) >= GOOD["digits"]
    right, rows = map(int, re.search(r"(\d+) of (\d+) right", text).groups())
    assert rows == 359
    assert score(text) == pytest.approx(100 * right / rows, abs=0.06)
    classes = re.findall(r"^(\d)  █+ +(\d+\.\d) % +(\d+) of (\d+)(.*)$", text, flags=re.MULTILINE)
    assert [int(name) for name, *_ in classes] == list(range(10))
    assert sum(int(good) for _, _, good, _, _ in classes) == right
    assert sum(int(total) for *_, total, _ in classes) == rows
    for _, percent, good, total, others in classes:
        assert float(percent) == pytest.approx(100 * int(good) / int(total), abs=0.06)
        assert bool(others) == (good != total)
    assert "•" in text
    assert "○" in text
    assert len(re.findall(r"\bis \d\b", text)) == 3
    assert len(re.findall(r"net says \d, wrong", text)) == (1 if right < rows else 0)
    assert len(re.findall(r">?\d+\.\d % sure", text)) == 3
    assert sum("██" in line for line in text.splitlines()) > 10 + 6, "ten bars and the lines of the images"
    assert "the predictions are identical, bit for bit" in text


def test_digits_are_learned_from_most_seeds(capsys):
    scores = []
    for seed in range(5):
        assert main(["--quiet", "--seed", str(seed)]) == 0
        scores.append(score(capsys.readouterr().out))
    assert np.median(scores) >= 97.5


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "digits"])
def test_other_data(name, capsys):
    text = report(capsys, "--data", name)
    assert f"learns {name}: " in text
    assert score(text) >= GOOD.get(name, 0.97)
    assert "identical" in text
    picture = {
        "iris": r"^petal width \(cm\) +\d",
        "xor": r"^ 0   1  different  different +>?\d+\.\d %$",
        "sine": r"^ +\|.*•.*•",
    }.get(name, r"^ +\|[ ░▒01]*░[ ░▒01]*$")
    assert re.search(picture, text, flags=re.MULTILINE)
    assert ("Test accuracy of each class" in text) == (name not in {"xor", "sine"})


def test_the_map_marks_every_test_point_that_is_wrong(capsys):
    text = report(capsys, "--data", "moons", "--epochs", "5")
    drawing = [line for line in text.splitlines() if re.match(r"^ *-?[\d.]* \|.*░", line)]
    right, rows = map(int, re.search(r"(\d+) of (\d+) right", text).groups())
    assert right < rows
    assert 1 <= "".join(drawing).count("X") <= rows - right  # two may share a place


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("name", ["digits", "iris", "spirals", "sine"])
def test_output_is_plain_and_fits(name, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = report(capsys, "--data", name, "--epochs", "2")
    assert not [sign for sign in text if ord(sign) < 32 and sign != "\n"], "no control characters"
    assert not any(line.endswith(" ") for line in text.splitlines())
    body = re.sub(r"(?s)^layer .*?parameters, float32\n", "", text, flags=re.MULTILINE)
    assert max(len(line) for line in body.splitlines() if "://" not in line) <= min(columns, 80)


def test_quiet_is_one_line(capsys):
    for name, pattern in (("iris", r"accuracy \d+\.\d %"), ("sine", r"R² \d\.\d{4}")):
        assert re.fullmatch(
            rf"{name}: test {pattern}, \d+\.\d s\n", report(capsys, "--quiet", "--data", name)
        )


def test_options_reach_the_training(capsys):
    text = report(capsys, "--data", "moons", "--epochs", "3", "--batch-size", "100", "--learning-rate", "0.5")
    assert "3 epochs of 4 steps, Adam, learning rate up to 0.5" in text
    assert re.search(r"epoch 1 +3$", text, flags=re.MULTILINE)


def test_one_epoch_of_one_step(capsys):
    text = report(capsys, "--data", "xor", "--epochs", "1")
    assert "1 epoch of 1 step, Adam" in text
    assert "Loss, on" not in text, "one point is no curve"


def test_the_same_seed_gives_the_same_net(capsys, tmp_path):
    def once(seed):
        text = report(capsys, "--data", "digits", "--epochs", "3", "--seed", str(seed), "--save", "net")
        return without_seconds(text), Path("net").read_bytes()

    with contextlib.chdir(tmp_path):
        first, second, other = once(0), once(0), once(1)
    assert first == second
    assert first[1] != other[1]


def test_every_seed_has_its_own_data_and_split(capsys):
    texts = {
        without_seconds(report(capsys, "--data", "sine", "--epochs", "1", "--seed", str(seed)))
        for seed in range(3)
    }
    assert len(texts) == 3


def test_saved_nets_take_the_data_as_they_are(capsys, tmp_path):
    path = tmp_path / "digits.safetensors"
    text = report(capsys, "--save", str(path))
    assert str(path) in re.sub(r"\s", "", text)
    X, y = nn.datasets.digits()
    assert nn.accuracy(nn.load(path).predict(X), y) >= 0.99
    assert list(tmp_path.iterdir()) == [path]


def test_a_net_that_learned_nothing_gets_a_hint(capsys):
    hint = "no better than the same answer for every row"
    text = report(capsys, "--data", "sine", "--epochs", "1", "--learning-rate", "1e-9")
    assert hint in " ".join(text.split())
    assert hint not in " ".join(report(capsys, "--data", "iris").split())


def test_what_beats_guessing():
    """The best guess is right for a third of the flowers."""
    run = demo._Demo(demo.Options("iris"))
    run.score = 10 / 30
    assert not run.beats_guessing()
    run.score = 11 / 30
    assert run.beats_guessing()


def test_three_rows():
    """The surest error comes last, after right answers from different classes."""
    truth = np.array([0, 0, 1, 1, 2, 2])
    sure = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.95])
    choose = demo._three_rows
    assert choose(truth, truth, sure) == [0, 2, 4]
    assert choose(np.array([0, 1, 1, 0, 2, 1]), truth, sure) == [0, 2, 5]
    assert choose(np.array([1, 1, 0, 1, 0, 0]), truth, sure) == [3, 0, 5]  # one is right
    assert sorted(choose(truth[:2], truth[:2], sure[:2])) == [0, 1]
    assert choose(truth[:4] * 0, truth[:4] * 0, sure[:4]) == [0, 1, 2]  # one class


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100.0 %"),
        (0.99999, ">99.9 %"),
        (0.9994, "99.9 %"),
        (0.5, "50.0 %"),
        (np.float32(0.25), "25.0 %"),
    ],
)
def test_only_certainty_is_called_certainty(share, text):
    assert demo._percent(share) == text


# What it refuses.


@pytest.mark.parametrize(
    ("argv", "where", "fix"),
    [
        (["--data", "digit"], "--data: expected one of digits, iris, ", "Did you mean digits?"),
        (["--data", ""], "--data: expected one of digits, iris, ", "Choose one of them."),
        (["--epochs", "0"], "--epochs: expected a whole number from 1", "Give 1 or more."),
        (["--epochs", "-3"], "--epochs: expected a whole number from 1", "Give 1 or more."),
        (["--epochs", "2.5"], "--epochs: expected a whole number from 1", "Write digits only."),
        (["--epochs", "9" * 30], "--epochs: expected a whole number from 1", "Give a smaller one."),
        (["--batch-size", "none"], "--batch-size: expected a whole number", "Write digits only."),
        (["--batch-size", "0"], "--batch-size: expected a whole number", "Give 1 or more."),
        (["--seed", "-1"], "--seed: expected a whole number from 0", "Give 0 or more."),
        (["--learning-rate", "0"], "--learning-rate: expected a finite number above 0", "such as 0.01."),
        (["--learning-rate", "-0.1"], "--learning-rate: expected a finite number above 0", "such as 0.01."),
        (["--learning-rate", "nan"], "--learning-rate: expected a finite number above 0", "such as 0.01."),
        (["--learning-rate", "inf"], "--learning-rate: expected a finite number above 0", "such as 0.01."),
        (["--learning-rate", "fast"], "--learning-rate: expected a finite number above 0", "0.01 or 1e-2."),
        (["--epochs"], "--epochs: expected one argument", "--help."),
        (["--quiet=1"], "--quiet", "--help."),
        (["--epoch", "3"], "the command line: expected one of --data, --epochs", "Did you mean --epochs?"),
        (["digits"], "the command line: expected one of --data, --epochs", "Write --data digits."),
        (["--save", ""], "--save: expected a file in a folder", "Add the name of a file."),
        (["--save", "."], "--save: expected a file in a folder", "Add the name of a file."),
        (["--save", "no/such/net"], "--save: expected a file in a folder", "make it first."),
        (["--save", os.devnull], "--save: expected a file in a folder", "choose another name."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_get_one_line(argv, where, fix, capsys):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith(f"python -m nnlite: {where}")
    assert captured.err.endswith(f"{fix}\n")
    assert captured.err.count("\n") == 1
    if len(argv) == 2:
        assert "got " + repr(argv[1]) in captured.err or "got " + repr(argv[0]) in captured.err


def test_a_folder_that_must_not_be_written_to_is_refused_before_training(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write anywhere
    with pytest.raises(SystemExit) as ended:
        main(["--save", str(tmp_path / "net")])
    assert ended.value.code == 2
    assert f"You may not write to {tmp_path}" in capsys.readouterr().err


def test_help_names_everything(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    for option in (
        "--data",
        "--epochs",
        "--learning-rate",
        "--batch-size",
        "--seed",
        "--save",
        "--jit",
        "--quiet",
    ):
        assert option in text
    assert all(name in text for name in RECIPES)
    assert "Ctrl-C" in text
    assert text.isascii()


# How it ends when something goes wrong.


def failure(capsys, *argv):
    """Run to an error, and return what went to the output and the one line of the error."""
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("python -m nnlite: ")
    assert captured.err.count("\n") == 1
    return captured.out, captured.err


@pytest.mark.parametrize("name", ["digits", "sine"])
def test_divergence(name, capsys):
    _, error = failure(capsys, "--data", name, "--learning-rate", "1e37", "--quiet")
    assert "expected a finite loss" in error
    assert "learning rate" in error


def test_a_wild_rate_never_ends_in_a_traceback(capsys):
    for rate in ("1e-320", "1e6", "1e12", "1e38", "1e308"):
        code = main(["--data", "sine", "--epochs", "2", "--learning-rate", rate])
        error = capsys.readouterr().err
        assert (code, error.count("\n")) in {(0, 0), (1, 1)}


def test_a_disk_that_is_full_costs_the_file_and_not_the_report(capsys, monkeypatch, tmp_path):
    def full(model, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nn.Sequential, "save", full)
    text, error = failure(capsys, "--data", "iris", "--save", str(tmp_path / "net"))
    assert "Test accuracy" in text
    assert "identical" not in text
    assert "got No space left on device" in error


def test_a_file_that_predicts_something_else_is_noticed(capsys, monkeypatch):
    def other(path):
        model = nn.load(path)
        model.params.values *= 1 + 1e-6
        return model

    monkeypatch.setattr(demo, "load", other)
    text, error = failure(capsys, "--data", "iris")
    assert "identical" not in text
    assert "expected the same predictions from the file" in error


def test_ctrl_c_outside_of_training(capsys, monkeypatch):
    def interrupt(options, screen):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnlite.__main__.run", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "python -m nnlite: stopped by Ctrl-C\n"


def test_no_output_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["--data", "xor", "--epochs", "2"]) == 0


class _Impatient(io.StringIO):
    """A reader that goes away after some lines."""

    def write(self, text):
        if self.tell() > 200:
            raise BrokenPipeError
        return super().write(text)


def test_a_reader_that_goes_away_does_not_cost_the_file(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", _Impatient())
    assert main(["--data", "iris", "--save", str(tmp_path / "net")]) == 1
    assert capsys.readouterr().err == ""


# As a process.


def test_output_in_ascii_goes_without_a_terminal():
    run = subprocess.run(
        [*COMMAND, "--data", "digits", "--epochs", "5"],
        capture_output=True,
        encoding="ascii",
        env=environment(PYTHONIOENCODING="ascii"),
        check=False,
    )
    assert run.returncode == 0
    assert run.stderr == "", "no progress bar where nobody watches"
    assert "\r" not in run.stdout
    assert "\x1b" not in run.stdout
    assert "####" in run.stdout
    assert "@@" in run.stdout


def test_head_gets_its_line_and_no_traceback():
    with subprocess.Popen(
        [*COMMAND, "--data", "spirals", "--epochs", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        first = process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
    assert first.startswith(b"nnlite ")
    assert error == b""
    assert process.returncode == 1


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_ctrl_c_reports_the_net_so_far(tmp_path):
    """The bar, which goes to the terminal only, tells when training runs; then comes Ctrl-C."""
    import fcntl
    import pty
    import struct
    import termios

    # Where tests run in the background, Ctrl-C may be ignored, and the process would inherit that.
    start = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('nnlite', run_name='__main__', alter_sys=True)"
    )
    path = tmp_path / "net"
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", start, "--epochs", "2000", "--save", str(path)],
        stdout=subprocess.PIPE,
        stderr=its_end,
        env=environment(),
    ) as process:
        os.close(its_end)
        shown = ""
        while not re.search("[1-9][0-9]*/2000 epochs", shown):
            shown += os.read(terminal, 4096).decode()
        process.send_signal(signal.SIGINT)
        text = process.stdout.read().decode()
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while more := os.read(terminal, 4096).decode():
            shown += more
    os.close(terminal)
    assert process.returncode == 0
    assert "Traceback" not in shown
    assert "Warning" not in shown
    assert re.search(r"loss \d\.\d+, validation_accuracy 0\.\d+", shown)
    epoch = int(re.search(r"Stopped by Ctrl-C in epoch (\d+) of 2,000; this is the net so far\.", text)[1])
    assert 1 <= epoch < 2000
    assert "Test accuracy" in text
    assert "identical" in text
    assert "\r" not in text
    assert isinstance(nn.load(path), nn.Sequential)


# Compiled loops.


def test_jit(capsys):
    """The same job by compiled loops, and a line that says so."""
    pytest.importorskip("numba")
    argv = "--data", "moons", "--epochs", "20"
    main([*argv, "--jit"])  # which may say that it compiles
    capsys.readouterr()
    plain, compiled = report(capsys, *argv), report(capsys, *argv, "--jit")
    said = "Trained by compiled loops, whole epochs at a time.\n"
    assert said in compiled
    assert said not in plain
    beginning, scores = zip(
        *((text.partition("Done")[0], score(text)) for text in (plain, compiled)), strict=True
    )
    assert beginning[0] == beginning[1]
    assert scores[0] == pytest.approx(scores[1], abs=1)  # of 100 rows
    assert len(compiled.splitlines()) == len(plain.splitlines()) + 1
    assert re.search(r", \d+\.\d s, jit\n$", report(capsys, *argv, "--jit", "--quiet"))


def test_jit_says_what_runs_through_numpy(capsys, monkeypatch):
    pytest.importorskip("numba")

    class Look(nn.Callback):
        def on_batch_end(self, state):
            """See each batch."""

    monkeypatch.setattr(demo, "ProgressBar", Look)
    main(["--data", "xor", "--epochs", "1", "--jit"])
    capsys.readouterr()
    text = report(capsys, "--data", "xor", "--epochs", "20", "--jit")
    assert "Trained through jit by the step: Look looks at each batch.\n" in text


def test_jit_without_numba_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr("nnlite.jit._is_there", False)
    with pytest.raises(SystemExit) as ended:
        main(["--jit"])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(
        r"python -m nnlite: --jit: expected numba.* to be installed, got no such package\. Run .*\n",
        captured.err,
    )
