"""ONNX files whose ways part and meet again: what they come back as, and which are refused."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from test_onnx import assert_same, both, graph, node, run

import nnlite as nn
from nnlite.errors import ModelFileError
from nnlite.onnx import export, load

W = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
V = np.arange(1, 5, dtype=np.float32)
CONSTANTS = {
    "W": W, "v": V, "one": np.array([1]), "three": np.array([3]), "last": np.array([-1]),
    "ids": np.array([3, -4, 1]), "parts": np.array([1, 3]), "two": np.array([2]), "id": np.array(1),
}  # fmt: skip


def tanh(x, to):
    return node("Tanh", x, to=to)


COME_BACK = {
    "a sum of two ways": (
        [tanh("x", "a"), node("Relu", "x", to="b"), node("Add", "a", "b")],
        "Add([Tanh(), ReLU()])",
    ),
    "ways of different lengths": (
        [tanh("x", "a"), node("Relu", "a", to="b"), node("Sigmoid", "x", to="c"), tanh("c", "d"),
         tanh("d", "e"), node("Add", "e", "b")],
        "Add([Sequential([Sigmoid(), Tanh(), Tanh()]), Sequential([Tanh(), ReLU()])])",
    ),
    "the same twice": ([node("Add", "x", "x")], "Add([Input((4,)), Input((4,))])"),
    "a square": ([node("Mul", "x", "x")], "Multiply([Input((4,)), Input((4,))])"),
    "a gate": (
        [tanh("x", "a"), node("Sigmoid", "x", to="b"), node("Mul", "a", "b")],
        "Multiply([Tanh(), Sigmoid()])",
    ),
    "a gate around a residual sum": (
        [tanh("x", "a"), node("Add", "a", "x", to="r"), node("MatMul", "x", "W", to="m"),
         node("Sigmoid", "m", to="g"), node("Mul", "r", "g")],
        "Multiply([Residual([Tanh()]), Sequential([Dense(4, 4, bias=False), Sigmoid()])])",
    ),
    "three sums": (
        [tanh("x", "a"), node("Relu", "x", to="b"), node("Elu", "x", to="c"), node("Add", "a", "b", to="s"),
         node("Add", "s", "c")],
        "Add([Tanh(), ReLU(), ELU()])",
    ),
    "a sum of many": (
        [tanh("x", "a"), node("Relu", "x", to="b"), node("Sum", "a", "b", "x")],
        "Add([Tanh(), ReLU(), Input((4,))])",
    ),
    "side by side": (
        [tanh("x", "a"), node("MatMul", "a", "W", to="b"), node("Concat", "x", "b", axis=1)],
        "Concatenate([Input((4,)), Sequential([Tanh(), Dense(4, 4, bias=False)])])",
    ),
    "ways that part behind a layer": (
        [node("MatMul", "x", "W", to="m"), tanh("m", "a"), node("Relu", "m", to="b"),
         node("Concat", "a", "b", axis=-1)],
        "Dense(4, 4, bias=False), Concatenate([Tanh(), ReLU()])",
    ),
    "inside of each other": (
        [tanh("x", "a"), node("Relu", "a", to="b"), node("Sigmoid", "a", to="c"),
         node("Mul", "b", "c", to="d"), node("Elu", "x", to="e"), node("Concat", "d", "e", axis=1)],
        "Concatenate([Sequential([Tanh(), Multiply([ReLU(), Sigmoid()])]), ELU()])",
    ),
    "dropout of a branch and behind": (
        [tanh("x", "a"), node("Dropout", "a", to="da"), node("Add", "da", "x", to="s"), node("Dropout", "s")],
        "Residual([Tanh(), Dropout(0.5)]), Dropout(0.5)",
    ),
    "columns by Gather": ([node("Gather", "x", "ids", axis=1)], "Columns([3, 0, 1], of=4)"),
    "columns by Slice": (
        [node("Slice", "x", "one", "three", "last")],
        "Columns(slice(1, 3), of=4)",
    ),
    "every other column": (
        [node("Slice", "x", "one", "big", "last", "two")],
        "Columns([1, 3], of=4)",
    ),
    "all columns": ([node("Gather", "x", "all", axis=1, to="g"), tanh("g", "y")], "Tanh()"),
    "wide and deep": (
        [onnx.helper.make_node("Split", ["x", "parts"], ["w", "d"], axis=1), tanh("d", "t"),
         node("Concat", "w", "t", axis=1)],
        "Concatenate([Columns([0], of=4), Sequential([Columns(slice(1, 4), of=4), Tanh()])])",
    ),
    "a gated linear unit, as PyTorch writes it": (
        [onnx.helper.make_node("Split", ["x"], ["u", "g"], axis=-1), node("Sigmoid", "g", to="s"),
         node("Mul", "u", "s")],
        "Multiply([Columns(slice(0, 2), of=4), Sequential([Columns(slice(2, 4), of=4), Sigmoid()])])",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COME_BACK)
def test_ways_that_meet_again_come_back(case, rng, tmp_path):
    nodes, layers = COME_BACK[case]
    constants = CONSTANTS | {"big": np.array([2**31]), "all": np.arange(4)}
    x = rng.normal(size=(9, 4)).astype(np.float32)
    model = both(graph(nodes, constants), tmp_path / "net.onnx", x)
    assert repr(model) == f"Sequential([{layers}], dtype=float32)"
    export(model, tmp_path / "again.onnx")
    assert_same(run(tmp_path / "again.onnx", {"input": x}), model.predict(x))
    if "Dropout" not in layers:  # which is left out
        assert repr(load(tmp_path / "again.onnx")) == repr(model)


REFUSED = {
    "ways that cross": (
        [tanh("x", "a"), node("Relu", "x", to="b"), node("Add", "a", "b", to="s"),
         node("Mul", "a", "b", to="m"), node("Concat", "s", "m", axis=1)],
        r"which two ways lead to that do not begin there",
    ),
    "two of three that share": (
        [tanh("x", "a"), node("Relu", "a", to="b"), node("Elu", "a", to="c"), node("Sigmoid", "x", to="d"),
         node("Sum", "b", "c", "d")],
        r"\(Tanh\).*two ways lead to",
    ),
    "a way out of a formula": (
        [node("MatMul", "x", "W", to="m"), node("Add", "m", "v", to="d"), node("Mul", "d", "m")],
        r"\(MatMul\).*two ways lead to",
    ),
    "rows behind each other": (
        [tanh("x", "a"), node("Concat", "a", "x", axis=0)], r"\(Concat\).*Concat along axis 0"
    ),
    "a row of constants beside": ([node("Concat", "x", "row", axis=1)], r"\(Concat\)"),
    "widths that differ": (
        [node("Gather", "x", "two", axis=1, to="a"), node("Mul", "a", "x")],
        r"\(Mul\): Multiply\(branches\[1\] Input\(\(4,\)\)\): expected output of shape",
    ),
    "rows by Gather": ([node("Gather", "x", "ids", axis=0)], r"\(Gather\).*other things than some places"),
    "one column by Gather": ([node("Gather", "x", "id", axis=1)], r"\(Gather\).*other things than some"),
    "rows by Slice": (
        [node("Slice", "x", "one", "three", "zero")], r"\(Slice\).*other things than some places"
    ),
    "columns that are not there": ([node("Gather", "x", "far", axis=1)], r"\(Gather\)"),
    "a column twice": ([node("Gather", "x", "twice", axis=1)], r"\(Gather\): Columns\(columns\)"),
    "Split into other sizes": (
        [onnx.helper.make_node("Split", ["x", "three"], ["y", "z"], axis=1)], r"\(Split\).*of other sizes"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_ways_are_refused_by_name(case, tmp_path):
    nodes, message = REFUSED[case]
    constants = CONSTANTS | {
        "row": np.ones((1, 4), np.float32), "zero": np.array([0]), "far": np.array([4]),
        "twice": np.array([1, 1]),
    }  # fmt: skip
    (tmp_path / "net.onnx").write_bytes(graph(nodes, constants))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "net.onnx")


@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_writes_of_branches_and_gates(rng, tmp_path):
    torch = pytest.importorskip("torch")
    linear = torch.nn.Linear

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.deep = torch.nn.Sequential(linear(3, 6), torch.nn.GLU(), linear(3, 2), torch.nn.ReLU())
            self.mix, self.gate, self.end = linear(3, 3), linear(3, 3), linear(3, 2)

        def forward(self, x):
            h = torch.cat([x[:, :1], self.deep(x[:, 1:])], 1)
            return self.end(torch.tanh(self.mix(h)) * torch.sigmoid(self.gate(h)) + h)

    net = Net().eval()
    path, names = str(tmp_path / "net.onnx"), {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(net, (torch.zeros(2, 4),), path, dynamo=False, **names)
    model = load(path)
    assert [type(layer).__name__ for layer in model] == ["Concatenate", "Residual", "Dense"]
    x = rng.normal(size=(9, 4)).astype(np.float32)
    with torch.no_grad():
        assert_same(model.predict(x), net(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("op", ["Slice", "Gather", "Split"])
def test_columns_without_end_take_no_memory(op, tmp_path):
    """A few bytes can declare as many as they like."""
    nodes = {
        "Slice": node("Slice", "x", "one", "end", "last"),
        "Gather": node("Gather", "x", "ids", axis=1),
        "Split": onnx.helper.make_node("Split", ["x"], ["y", "z"], axis=1),
    }[op]
    constants = CONSTANTS | {"end": np.array([2**61])}
    (tmp_path / "net.onnx").write_bytes(graph([nodes], constants, shape=("n", 2**60)))
    if op == "Gather":
        assert load(tmp_path / "net.onnx")[0].numbers == [3, 2**60 - 4, 1]
    else:
        with pytest.raises(ModelFileError, match=rf"\({op}\).*more than 65,536 places"):
            load(tmp_path / "net.onnx")


def test_very_many_ways_take_no_time(tmp_path):
    many = 5000
    nodes = [tanh("x", f"a{i}") for i in range(many)]
    nodes += [node("Concat", *(f"a{i}" for i in range(many)), axis=1)]
    (tmp_path / "net.onnx").write_bytes(graph(nodes))
    assert len(load(tmp_path / "net.onnx")[0].branches) == many


@pytest.mark.parametrize("padding", [None, 0.0, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_for_each_step_come_back(padding, dtype, rng, tmp_path):
    inner = nn.TimeDistributed([nn.Dense(2, 3), nn.Tanh()], padding=padding)
    behind = nn.TimeDistributed([nn.Residual([nn.Dense(3, 3)])], padding=padding)
    layers = [nn.Input((5, 2)), inner, nn.ELU(), behind, nn.Flatten((5, 3)), nn.Dense(15, 2)]
    model = nn.Sequential(layers, rng=0, dtype=dtype)
    x = rng.normal(size=(7, 5, 2)).astype(dtype)
    if padding is not None:
        x[0, 2:], x[1, :], x[2, 1], x[3, 4, 1] = padding, padding, padding, padding
    export(model, tmp_path / "net.onnx")
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x))
    back = load(tmp_path / "net.onnx")
    assert repr(back) == repr(model)
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


def test_layers_for_each_step_inside_of_each_other_come_back(rng, tmp_path):
    deep = nn.TimeDistributed([nn.TimeDistributed([nn.Dense(2, 3), nn.ReLU()]), nn.Flatten((4, 3))])
    model = nn.Sequential([nn.Input((5, 4, 2)), deep, nn.Flatten((5, 12)), nn.Dense(60, 1)], rng=0)
    x = rng.normal(size=(3, 5, 4, 2)).astype(np.float32)
    export(model, tmp_path / "net.onnx")
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x))
    assert repr(load(tmp_path / "net.onnx")) == repr(model)


def test_a_product_over_the_last_axis_is_a_layer_for_each_step(rng, tmp_path):
    nodes = [node("MatMul", "x", "W", to="m"), node("Add", "m", "v", to="d"), node("Relu", "d")]
    x = rng.normal(size=(3, 5, 4)).astype(np.float32)
    model = both(graph(nodes, CONSTANTS, shape=("n", 5, 4)), tmp_path / "net.onnx", x)
    expected = "Sequential([Input((5, 4)), TimeDistributed([Dense(4, 4)]), ReLU()], dtype=float32)"
    assert repr(model) == expected
