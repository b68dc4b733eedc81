"""The door of the playground in Python: what goes into the page, what is refused, what comes back."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite as nn
from nnlite.__main__ import main
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.inspect import Playground, playground
from nnlite.inspect.numbers import result
from nnlite.inspect.page import read_words
from nnlite.inspect.play.contents import MOST_ROWS, contents, pack
from nnlite.inspect.play.saved import unpack
from nnlite.inspect.play.worksheet import ACTIVATIONS


def given(**other: Any) -> dict[str, Any]:
    X, y = nn.datasets.spirals(60, rng=0)
    model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 3)], rng=0)
    usual = {"model": model, "X": X, "y": y, "loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.SGD(0.1)}
    return {**usual, **other}


def saved(layers: list[Any], values: Any, version: int = 1) -> str:
    """Write what a page would save."""
    return json.dumps({"format": version, "layers": layers, "dtype": "float32", "values": pack(values)})


def net(*layers: Any) -> nn.Sequential:
    return nn.Sequential([nn.Dense(2, 4), *layers, nn.Dense(4, 3)], rng=0)


class Own(nn.Layer):
    def forward(self, x: Any, ctx: Any = None) -> Any:
        return x

    def backward(self, dy: Any, ctx: Any) -> Any:
        return dy


REFUSED = {
    "a layer of one's own": (
        {"model": net(Own())},
        "playground(model): expected layers that its page has: Dense",
        "explain_step",
    ),
    "a norm": ({"model": net(nn.LayerNorm(4))}, "got LayerNorm(4)", "explain_step"),
    "no model": ({"model": "net"}, "playground(model): expected a Sequential", "Write Sequential"),
    "replicas": ({"model": nn.Sequential([nn.Dense(2, 3)], replicas=2)}, "playground", "replica(0)"),
    "too many weights": (
        {"model": nn.Sequential([nn.Dense(2, 20_000), nn.ReLU(), nn.Dense(20_000, 3)])},
        "at most 50,000 parameters, got 120,003",
        "Take fewer neurons",
    ),
    "another loss": (
        {"loss": nn.PoissonNLL()},
        "playground(loss): expected a loss that its page has",
        "explain_step",
    ),
    "another optimizer": (
        {"optimizer": nn.LBFGS()},
        "playground(optimizer): expected one of SGD",
        "Use SGD or Adam.",
    ),
    "a schedule": (
        {"optimizer": nn.SGD(nn.CosineDecay(0.1))},
        "playground(optimizer): expected a learning_rate that is one number",
        "slider",
    ),
    "an initializer of one's own": (
        {"model": nn.Sequential([nn.Dense(2, 3, weight_initializer=lambda rng, shape: np.ones(shape))])},
        "expected initializers of nnlite",
        "write the weights",
    ),
    "another generator": (
        {"model": nn.Sequential([nn.Dense(2, 3)], rng=np.random.Generator(np.random.MT19937(0)))},
        "expected a generator that draws by PCG64, got MT19937",
        "rng=0",
    ),
    "all frozen": ({"model": None}, "expected a model with something to train, got none", "unfreeze()"),
    "names that do not fit": (
        {"class_names": ["a", "b"]},
        "playground(class_names=): expected 3 names, one for each class, got 2",
        "as many",
    ),
    "a part of validation": (
        {"validation": (1, 2, 3)},
        "expected (X, y) or a share of the rows, got 3 items",
        "pair",
    ),
    "a share": ({"validation": 1.5}, "playground(validation=)", ""),
    "a batch": ({"batch_size": 0}, "playground(batch_size=)", ""),
    "rows of another width": ({"X": np.zeros((60, 3))}, "playground(X)", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_page_cannot_do_is_refused_by_name(name: str) -> None:
    other, what, fix = REFUSED[name]
    arguments = given(**other)
    if arguments["model"] is None:
        arguments["model"] = net(nn.Tanh())
        arguments["model"].freeze()
    with pytest.raises((ValueError, TypeError)) as refused:
        playground(**arguments)
    assert what in str(refused.value)
    assert fix in str(refused.value)


def test_nothing_is_changed() -> None:
    arguments = given(validation=0.2)
    model = arguments["model"]
    before = model.params.values.copy(), model.rng.bit_generator.state
    playground(**arguments).to_html()
    assert (model.params.values == before[0]).all()
    assert model.rng.bit_generator.state == before[1]
    assert arguments["optimizer"].state_dict() == {"steps": 0, "rate_factor": 1.0}


def test_of_many_rows_some_are_drawn_and_that_is_said() -> None:
    X, y = nn.datasets.blobs(5000, rng=0)
    found = contents(**given(X=X, y=y))
    assert (found["data"]["count"], found["rows"]) == (MOST_ROWS, 5000)
    rows = np.sort(np.random.default_rng(0).permutation(5000)[:MOST_ROWS])
    assert (unpack(found["data"]["y"]) == y[rows]).all()
    assert (unpack(found["data"]["x"]).reshape(-1, 2).astype("f4") == X[rows].astype("f4")).all()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(500.0) / 7,
        np.float32(np.random.default_rng(0).normal(size=300)),
        np.array([0, 1, 1, 0, 2, 2]),
        np.arange(1000),
        np.array([True, False, True, True]),
        np.full(9, 1e300),
    ],
)
def test_arrays_come_back_to_the_bit(array: Any) -> None:
    again = unpack(json.loads(json.dumps(pack(array))))
    assert (np.asarray(again, dtype=float) == np.asarray(array, dtype=float)).all()


def test_pages_are_small_beside_their_data() -> None:
    page = playground(**given()).to_html()
    data = page.partition('<script type="application/json">')[2].partition("</script>")[0]
    assert len(page) - len(data) < 200_000


def test_a_page_comes_back_as_a_model(tmp_path: Path) -> None:
    layers = [
        nn.Standardize(2),
        nn.Dense(2, 4, weight_initializer=nn.initializers.HeUniform()),
        nn.LeakyReLU(0.2),
    ]
    model = nn.Sequential([*layers, nn.Dropout(0.1), nn.Dense(4, 3, bias=False)], rng=0)
    arguments = given(model=model)
    model.fit(
        arguments["X"], arguments["y"], loss=arguments["loss"], optimizer=arguments["optimizer"], epochs=2
    )  # fmt: skip
    model[1].freeze()
    path = tmp_path / "net.html"
    playground(**arguments).to_html(path)
    again = Playground.read(path)
    assert repr(again.layers) == repr(model.layers)
    assert again[1].frozen == model[1].frozen
    assert (again.predict(arguments["X"]) == model.predict(arguments["X"])).all()


ONE = {"kind": "Dense", "in_features": 1, "out_features": 1}
BROKEN = {
    "empty": "",
    "no JSON": "hello",
    "another JSON": "[1, 2]",
    "a later format": saved([ONE], np.zeros(2), 9),
    "no layers": saved([], np.zeros(2)),
    "another layer": saved([{"kind": "Own"}], np.zeros(2)),
    "too few weights": saved([ONE], np.zeros(1)),
    "no numbers": saved([ONE], np.array([np.nan, 1.0])),
    "other bytes": saved([ONE], np.zeros(2)).replace("eN", "zz"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "saved.json"
    path.write_text(BROKEN[name], encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"Playground\.read\(path\), 'saved.json': expected"):
        Playground.read(path)


def test_the_command_line_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("spirals", "digits", "sine"):
        path = tmp_path / f"{name}.html"
        assert main(["playground", "--data", name, "--save", str(path)]) == 0
        assert capsys.readouterr().out == f"written to {path}\n"
        assert Playground.read(path).layers


def test_it_opens_in_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = playground(**given()).open()
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


# The worksheet.


def by_hand(**other: Any) -> Any:
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 1)], rng=0)
    usual = {"model": model, "X": X, "y": y[:, None], "loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.5)}
    return playground(**{**usual, **other})


def bold(page: str) -> list[str]:
    """Read what the solution fills in."""
    return re.findall(r"<b>(.*?)</b>", page)


def test_every_number_of_the_solution_is_one_of_the_step() -> None:
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 1)], rng=0, dtype="float64")
    loss = nn.MeanSquaredError()
    costs = [
        float(loss.value_and_grad(model.predict(X[n : n + 1]), y[n : n + 1, None], None)[0]) for n in range(4)
    ]
    row = int(np.argmax(costs))
    trace = nn.inspect.explain_step(model, X[row : row + 1], y[row : row + 1, None], loss, nn.SGD(0.5))
    page = by_hand(model=model).worksheet()
    task, solution = page.split('<section class="solution">')
    assert f"Row {row} " in task
    data = trace.to_dict()
    neurons = [trace.neuron(1, 0), trace.neuron(1, 1), trace.neuron(2, 0)]
    expected = [
        result(each[key]) for each in neurons for key in ("sum", "answer") if key == "sum" or each["steps"]
    ]
    expected.append(data["loss"]["filled"])
    hidden, last = data["stages"][1]["steps"], data["stages"][2]["steps"]
    expected += 2 * [result(last[0]["blame"][0][0])]
    for unit in range(2):
        whole = hidden[1]["blame"][0][unit], hidden[1]["slope"][0][unit], hidden[0]["blame"][0][unit]
        expected += map(result, whole)
        assert whole[0] * whole[1] == pytest.approx(whole[2])
    for step in (hidden[0], last[0]):
        for parameter in step["parameters"].values():
            for grad, after in zip(np.ravel(parameter["grad"]), np.ravel(parameter["after"]), strict=True):
                expected += [result(grad), result(after)]
    expected.append(result(data["update"]["loss_after"]))
    assert bold(solution) == expected
    # The task has a blank for each of them, one more for each sum written out, and no number of the solution.
    assert task.count('class="blank') == len(expected) + 3
    assert bold(task) == []


HAND_LOSSES = {
    "MeanAbsoluteError": (nn.MeanAbsoluteError(), 1),
    "Huber": (nn.Huber(0.3), 1),
    "Quantile": (nn.Quantile(0.9), 1),
    "Hinge": (nn.Hinge(), 1),
    "BinaryCrossEntropy": (nn.BinaryCrossEntropy(), 1),
    "SoftmaxCrossEntropy": (nn.SoftmaxCrossEntropy(), 3),
}


@pytest.mark.parametrize("name", HAND_LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_worksheet_of_each_loss_and_activation(name: str, activation: str) -> None:
    loss, outputs = HAND_LOSSES[name]
    X, y = nn.datasets.blobs(30, rng=0)
    target = y if outputs == 3 else np.where(y[:, None] > 0, 1.0, -1.0 if name == "Hinge" else 0.0)
    layers = [nn.Standardize(2), nn.Dense(2, 3), getattr(nn, activation)(), nn.Dropout(0.5)]
    model = nn.Sequential([*layers, nn.Dense(3, outputs, bias=False)], rng=0)
    page = by_hand(model=model, X=X, y=target, loss=loss, optimizer=nn.Adam(0.1)).worksheet()
    words = read_words("nnlite.inspect.play")
    keys = [f"slope_{name}", f"formula_{activation}", "standardize", "dropout"]
    for text in (*(words[f"sheet_{key}"] for key in keys), "Adam would step otherwise"):
        assert text in html.unescape(page)
    assert "not finite" not in page
    assert not model[0].adapted  # the model stays as it is


def dense(units: int, *layers: Any) -> nn.Sequential:
    return nn.Sequential([nn.Dense(2, units), *layers, nn.Dense(units, 1)], rng=0)


NOT_BY_HAND = {
    "too many": ({"model": dense(20)}, "at most 40 parameters, for a step by hand, got 81"),
    "an activation": ({"model": dense(2, nn.Mish())}, "got Mish()"),
    "softmax inside": ({"model": dense(2, nn.Softmax())}, "got Softmax()"),
    "a smoothed loss": ({"loss": nn.BinaryCrossEntropy(label_smoothing=0.1)}, "expected a plain loss"),
}


@pytest.mark.parametrize("name", NOT_BY_HAND)
def test_what_is_no_step_by_hand_is_refused(name: str) -> None:
    other, what = NOT_BY_HAND[name]
    with pytest.raises(ArgumentError, match=r"^Playground\.worksheet: expected") as refused:
        by_hand(**other).worksheet()
    assert what in str(refused.value)


def test_a_worksheet_is_written_and_names_are_only_text(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Dense(2, 2), nn.ReLU(), nn.Dense(2, 2)], rng=0)
    _, y = nn.datasets.xor()
    page = by_hand(model=model, y=y, loss=nn.SoftmaxCrossEntropy(), class_names=["<i>no", "a & b"])
    text = page.worksheet(tmp_path / "sheet.html")
    assert (tmp_path / "sheet.html").read_text(encoding="utf-8") == text
    assert "<i>no" not in text
    assert {"&lt;i&gt;no", "a &amp; b"} <= set(re.findall("&lt;i&gt;no|a &amp; b", text))
    assert re.findall(r"https?://", text) == []
