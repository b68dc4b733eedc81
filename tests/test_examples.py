"""Every example runs without a warning, and prints what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
NUMBER = r"(-?\d+\.\d+)"


def printed(name, tmp_path, *arguments):
    # From the source tree, installed or not; what the caller has set stays behind it.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments],
        capture_output=True,
        encoding="ascii",  # a learner's terminal may have nothing else
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing behind"
    return run.stdout


def number(pattern, text):
    return float(re.search(pattern.replace("#", NUMBER), text)[1])


def test_every_example_is_tested_here():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    tested.add("spread")  # in test_example_spread.py, since it needs dask
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested


def test_xor(tmp_path):
    text = printed("xor", tmp_path)
    losses = [float(loss) for loss in re.findall(rf"loss {NUMBER}", text)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.1 > 0.001 > losses[-1]
    table = re.findall(rf"^ ([01])   ([01]) +([01]) +{NUMBER}$", text, flags=re.MULTILINE)
    assert [row[:3] for row in table] == [
        ("0", "0", "0"),
        ("0", "1", "1"),
        ("1", "0", "1"),
        ("1", "1", "0"),
    ]
    assert [float(row[3]) for row in table] == pytest.approx([0, 1, 1, 0], abs=0.05)


def test_spirals(tmp_path):
    text = printed("spirals", tmp_path)
    assert number("test accuracy: #%", text) >= 99.0
    picture = re.findall(r"^[.o#]{42}$", text, flags=re.MULTILINE)
    assert len(picture) == 21
    assert set("".join(picture)) == set(".o#"), "all three arms are in the picture"


def test_digits(tmp_path):
    text = printed("digits", tmp_path)
    assert number("test accuracy of the loaded net: #%", text) >= 97.0
    epochs = [int(epoch) for epoch in re.findall(r"^epoch +(\d+):", text, flags=re.MULTILINE)]
    assert epochs == list(range(1, epochs[-1] + 1, 5))
    assert len(epochs) >= 3
    assert int(re.search(r"those of epoch (\d+)", text)[1]) <= epochs[-1] + 5
    assert len(re.findall(r"^[ .:+#]{16}$", text, flags=re.MULTILINE)) == 8
    truth, answer = re.search(r"This is a (\d); the net says (\d)", text).groups()
    assert truth == answer


def test_regression(tmp_path):
    text = printed("regression", tmp_path)
    assert number(r"test R\^2: #", text) >= 0.96
    assert number("mean error: #", text) <= 0.1
    rows = re.findall(rf"^ +{NUMBER} +{NUMBER} +{NUMBER}(.*)$", text, flags=re.MULTILINE)
    assert len(rows) == 13
    for x, truth, net, note in rows:
        assert bool(note) == (abs(float(x)) > 3.15)
        if not note:
            assert float(net) == pytest.approx(float(truth), abs=0.15)


def test_images(tmp_path):
    text = printed("images", tmp_path, "--seeds", "1", "--epochs", "8")
    assert number("convolutional +38,282 weights: test accuracy #%", text) >= 98.0
    assert number("dense +42,282 weights: test accuracy #%", text) >= 96.0


def test_forecast(tmp_path):
    text = printed("forecast", tmp_path, "1")
    assert number("the next number, noise included: #", text) <= 0.165
    assert number("the same number again: +#", text) >= 0.2
    assert number("in a closed loop, against the sine: #", text) <= 0.15


def test_own_layer(tmp_path):
    text = printed("own_layer", tmp_path)
    wrong, right = text.split("\n\n")[:2]
    assert wrong.startswith("Forgetful(3).backward: expected dL/dx to be")
    assert right.startswith("PReLU(3) is right")
    assert number("accuracy on moons: #%", text) >= 98.0
    low, high = map(float, re.search(rf"from {NUMBER} to {NUMBER}", text).groups())
    assert low < 0.2 < 0.3 < high


def test_residual(tmp_path):
    rows = re.findall(
        rf"^([a-z ]+?) +{NUMBER} +{NUMBER} +{NUMBER}%$", printed("residual", tmp_path), re.MULTILINE
    )
    assert [name for name, *_ in rows] == ["in a row", "with skips", "with skips and norm"]
    blame, loss, accuracy = zip(*(map(float, numbers) for _, *numbers in rows), strict=True)
    assert blame[0] < 0.2 < 5 < min(blame[1:])
    assert loss[0] > 1.0 > 0.5 > max(loss[1:])
    assert accuracy[0] < 50 < 80 < min(accuracy[1:])


def test_adding_problem(tmp_path):
    text = printed("adding_problem", tmp_path)
    rows = re.findall(rf"^(\w+) +\d+((?: +{NUMBER}){{6}})$", text, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["GRU", "LSTM"]
    for row in rows:
        *errors, median = map(float, row[1].split())
        assert median == sorted(errors)[2] < 0.01


def test_sweep(tmp_path):
    text = printed("sweep", tmp_path)
    zones = re.findall(r"^  (\w+) +from \S+ to \S+$", text, flags=re.MULTILINE)
    order = ["crawls", "learns", "overshoots", "diverges"]
    assert zones == [name for name in order if name in zones]
    assert {"crawls", "learns", "diverges"} <= set(zones)
    answers = re.findall(rf"= +{NUMBER}   \(truth: (\d)\)", text)
    assert [float(a) for a, _ in answers] == pytest.approx([float(t) for _, t in answers], abs=0.1)
    assert len(answers) == 4


def test_two_heads(tmp_path):
    pytest.importorskip("sklearn")
    rows = re.findall(rf"^(two \w+) +{NUMBER} +{NUMBER}%$", printed("two_heads", tmp_path), re.MULTILINE)
    assert [name for name, *_ in rows] == ["two nets", "two heads"]
    (apart, right), (error, share) = ((float(one), float(other)) for _, one, other in rows)
    assert error <= apart + 0.005  # of rounding, which differs from machine to machine
    assert share >= right - 0.5


def test_mislabelled(tmp_path):
    text = printed("mislabelled", tmp_path)
    assert float(re.search(rf"by neighbours +median .*worst {NUMBER}%", text)[1]) >= 80
    assert len(re.findall(r"^row \d+ is said to be", text, flags=re.MULTILINE)) == 3


def test_learning_rate(tmp_path):
    pytest.importorskip("mlxtend")
    few = printed("learning_rate", tmp_path, "--seeds", "1", "sine, Adam", "iris, SGD")
    assert len(found := re.findall(rf"^by .* rows: .*worst {NUMBER}%", few, flags=re.MULTILINE)) == 2
    assert min(map(float, found)) >= 90


@pytest.mark.thorough
def test_learning_rate_on_all_problems(tmp_path):
    pytest.importorskip("mlxtend")
    text = printed("learning_rate", tmp_path).split("\nOthers")[0]  # of the further ones nothing is promised
    for good, of in re.findall(r"(\d+) of (\d+) at 97%", text):
        assert int(good) >= 16
        assert of == "20"
    assert min(map(float, re.findall(rf"worst {NUMBER}%", text))) >= 85


def test_clinic(tmp_path):  # test_doctor.py examines all of them
    text = printed("clinic", tmp_path, "one_column_in_thousands", "iris_with_standardize")
    assert "1 of 1 named by the right code first" in text
    assert "1 of 1 named first with the right line" in text
    assert "3 of 3 with nothing above a note" in text


def test_one_step(tmp_path):
    text = printed("one_step", tmp_path)
    beats = re.findall(r"^(\d)  (\w+)", text, flags=re.MULTILINE)
    assert [int(number) for number, _ in beats] == list(range(1, 8))
    assert int(re.search(r"The page has (\d+) kB", text)[1]) < 80


def test_train(tmp_path):
    text = printed("train", tmp_path)
    assert "processes: 1" in text
    assert number("test accuracy: #%", text) >= 95.0
