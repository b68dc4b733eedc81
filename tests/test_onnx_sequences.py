"""Layers over time in ONNX: files of PyTorch, any length of padding, and what is refused by name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.onnx import export, load

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT
KINDS = (nn.SimpleRNN, nn.GRU, nn.LSTM)


def run(path, x):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_lengths_are_those_of_the_padding(kind, rng, tmp_path):
    """Rows of no step, of one, and of all, and a step of padding in the middle."""
    layers = [
        nn.Input((7, 2)),
        kind(2, 3, sequences=True, direction="both", padding=-1.0),
        nn.SelfAttention(6, 2, causal=True, padding=-1.0),
        kind(6, 4, direction="backward", padding=-1.0),
        nn.Dense(4, 2),
    ]
    model = nn.Sequential(layers, rng=0)
    x = rng.normal(size=(5, 7, 2)).astype(np.float32)
    for row, length in enumerate((0, 1, 7, 4, 6)):
        x[row, length:] = -1
    x[4, 2] = -1
    export(model, tmp_path / "net.onnx")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), model.predict(x), rtol=1e-6, atol=1e-6)
    back = load(tmp_path / "net.onnx")
    assert repr(back) == repr(model)
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("padding", [None, 0.0])
@pytest.mark.parametrize(
    "behind",
    [
        lambda: [nn.GlobalMaxPool(1)],
        lambda: [nn.Conv1D(6, 2, 2)],
        lambda: [nn.Flatten((4, 6))],
        lambda: [nn.PositionEmbedding(4, 6), nn.Reshape((4, 6), (6, 4))],
    ],
)
def test_states_that_are_turned_or_reshaped(kind, padding, behind, rng, tmp_path):
    layers = [nn.Input((4, 2)), kind(2, 3, sequences=True, direction="both", padding=padding), *behind()]
    model = nn.Sequential(layers, rng=0)
    x = rng.normal(size=(3, 4, 2)).astype(np.float32)
    x[1, 2:] = 0
    export(model, tmp_path / "net.onnx")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), model.predict(x), rtol=1e-6, atol=1e-6)
    back = load(tmp_path / "net.onnx")
    assert repr(back) == repr(model)
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


def test_places_of_sequences_of_one_step(rng, tmp_path):
    model = nn.Sequential([nn.Input((1, 3)), nn.PositionEmbedding(1, 3, padding=0.0)], rng=0)
    x = rng.normal(size=(2, 1, 3)).astype(np.float32)
    x[1] = 0
    export(model, tmp_path / "net.onnx")
    np.testing.assert_array_equal(load(tmp_path / "net.onnx").predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("steps", [1, 6])
def test_a_mean_over_real_steps(steps, dtype, rng, tmp_path):
    layers = [
        nn.Input((steps, 4)),
        nn.SelfAttention(4, 2, padding=-1.0),
        nn.GlobalAveragePool(1, padding=-1.0),
        nn.Dense(4, 2),
    ]
    model = nn.Sequential(layers, rng=0, dtype=dtype)
    x = rng.normal(size=(4, steps, 4)).astype(dtype)
    for row, length in enumerate((0, 1, 6, 3)):
        x[row, length:] = -1
    export(model, tmp_path / "net.onnx")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", x), model.predict(x), rtol=1e-6, atol=1e-6)
    back = load(tmp_path / "net.onnx")
    assert repr(back) == repr(model)
    np.testing.assert_allclose(back.predict(x), model.predict(x), rtol=1e-6, atol=1e-6)


def test_a_net_on_tokens(rng, tmp_path):
    layers = [
        nn.Input((6,)),
        nn.TokenEmbedding(9, 4, padding=0),
        nn.PositionEmbedding(6, 4, padding=0.0),
        nn.Residual([nn.SelfAttention(4, 2, padding=0.0)]),
        nn.GRU(4, 3, padding=0.0),
    ]
    model = nn.Sequential(layers, rng=0)
    ids = nn.pad_sequences([[3, 1, 8], [2], [1, 2, 3, 4, 5, 6]], length=6).astype(np.float32)
    export(model, tmp_path / "net.onnx")
    np.testing.assert_allclose(run(tmp_path / "net.onnx", ids), model.predict(ids), rtol=1e-6, atol=1e-6)
    back = load(tmp_path / "net.onnx")
    assert repr(back) == repr(model)
    np.testing.assert_array_equal(back.predict(ids), model.predict(ids))


@pytest.mark.parametrize("wrong", [9.0, -1.0, np.nan])
def test_a_token_that_is_none_is_refused_there_too(wrong, tmp_path):
    model = nn.Sequential([nn.Input((2,)), nn.TokenEmbedding(9, 4)], rng=0)
    export(model, tmp_path / "net.onnx")
    with pytest.raises(Exception, match="indices element out of data bounds"):
        run(tmp_path / "net.onnx", np.array([[1.0, wrong]], np.float32))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_float64_is_refused(kind, tmp_path):
    model = nn.Sequential([nn.Input((3, 2)), kind(2, 3)], dtype=np.float64)
    message = r"layer 1 .*: expected a model of float32, since no program runs recurrent layers in float64"
    with pytest.raises(ArgumentError, match=message):
        export(model, tmp_path / "net.onnx")


def in_torch(torch, kind, *, both, output):
    names = {nn.SimpleRNN: "RNN", nn.GRU: "GRU", nn.LSTM: "LSTM"}
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            make = getattr(torch.nn, names[kind])
            self.recurrent = make(3, 4, batch_first=True, bidirectional=both)
            self.linear = torch.nn.Linear(8 if both else 4, 2)

        def forward(self, x):
            states, last = self.recurrent(x)
            last = last[0] if isinstance(last, tuple) else last
            picked = {"all": states, "behind": states[:, -1], "state": last[-1]}
            return self.linear(picked[output])

    return Net().eval()


CASES = [(False, "all"), (False, "behind"), (False, "state"), (True, "all"), (True, "behind")]


@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize(("both", "output"), CASES, ids=lambda value: str(value))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_recurrent_nets_of_pytorch(kind, both, output, dynamo, rng, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    if dynamo and (kind is nn.SimpleRNN or both):
        return  # it writes a node for each step, or cuts the directions apart
    net, path = in_torch(torch, kind, both=both, output=output), tmp_path / "net.onnx"
    open_rows = (
        {"dynamic_shapes": ({0: torch.export.Dim("rows")},)}
        if dynamo
        else {"dynamic_axes": {"x": {0: "rows"}}}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        torch.onnx.export(
            net, (torch.zeros(2, 6, 3),), path, input_names=["x"], dynamo=dynamo, external_data=False,
            verbose=False, **open_rows,
        )  # fmt: skip
    if both and output != "all":  # half of what comes out has seen one step only
        with pytest.raises(ModelFileError, match="Gather of another state than the last"):
            load(path)
        return
    model = load(path)
    direction = "both" if both else "forward"
    assert repr(model[1]) == repr(kind(3, 4, sequences=output == "all", direction=direction))
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("between", ["nothing", "Conv1d", "pooling"])
def test_recurrent_nets_of_pytorch_behind_each_other(kind, both, between, rng, tmp_path):
    """Exporters join the Transpose that puts steps in front with others, or leave out two of them."""
    torch = pytest.importorskip("torch")
    make = getattr(torch.nn, kind)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = make(3, 4, batch_first=True, bidirectional=both)
            self.conv = torch.nn.Conv1d(8 if both else 4, 5, 2)
            features = 5 if between == "Conv1d" else 8 if both else 4
            self.second = make(features, 2, num_layers=2, batch_first=True)

        def forward(self, x):
            x = self.first(x)[0]
            if between == "Conv1d":
                x = self.conv(x.transpose(1, 2)).transpose(1, 2)
            if between == "pooling":
                return torch.nn.functional.max_pool1d(x.transpose(1, 2), 2).transpose(1, 2)
            return self.second(x)[0]

    net, path = Net().eval(), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 6, 3),), path, input_names=["x"], dynamo=False,
            dynamic_axes={"x": {0: "rows"}},
        )  # fmt: skip
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(load(path).predict(x), net(torch.from_numpy(x)).numpy(), atol=1e-5)


def test_a_net_of_pytorch_on_tokens(rng, tmp_path):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = torch.nn.Embedding(9, 3, padding_idx=0)
            self.recurrent = torch.nn.GRU(3, 4, batch_first=True)

        def forward(self, ids):
            return self.recurrent(self.tokens(ids))[0]

    net, path = Net().eval(), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.zeros(2, 6, dtype=torch.int64),), path, input_names=["ids"], dynamo=False,
            dynamic_axes={"ids": {0: "rows"}},
        )  # fmt: skip
    model = load(path)
    assert repr(model[1]) == "TokenEmbedding(9, 3, padding=0)"
    ids = rng.integers(0, 9, (5, 6))
    with torch.no_grad():
        np.testing.assert_allclose(
            model.predict(ids), net(torch.from_numpy(ids)).numpy(), rtol=1e-5, atol=1e-6
        )


def graph(op, tmp_path, *, gates, start=None, **attributes):
    """Write a file with one recurrent node, whose last state comes out."""
    rng = np.random.default_rng(0)
    arrays = {
        "W": rng.normal(size=(1, gates * 4, 3)),
        "R": rng.normal(size=(1, gates * 4, 4)),
        "start": np.zeros((1, 1, 4)) if start is None else start,
    }
    constants = [
        onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()
    ]
    constants.append(onnx.numpy_helper.from_array(np.array([-1, 4]), "shape"))
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node(
            op, ["steps", "W", "R", "", "", "start"], ["", "state"], hidden_size=4, **attributes
        ),
        helper.make_node("Transpose", ["state"], ["transposed"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["transposed", "shape"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", FLOAT, ["rows", 6, 3])]
    outputs = [helper.make_tensor_value_info("y", FLOAT, ["rows", 4])]
    made = helper.make_graph(nodes, "g", inputs, outputs, initializer=constants)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_a_node_without_biases(op, rng, tmp_path):
    options = {"linear_before_reset": 1} if op == "GRU" else {}
    path = graph(op, tmp_path, gates={"RNN": 1, "GRU": 3, "LSTM": 4}[op], **options)
    session = onnx.load(path)
    for node in session.graph.node:
        if node.op_type == op:
            del node.input[3:]  # where the state begins is not said
    onnx.save(session, path)
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(load(path).predict(x), run(path, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        ("GRU", {}, "GRU with linear_before_reset=0"),
        ("GRU", {"linear_before_reset": 1, "activations": ["Sigmoid", "Relu"]}, "other activations"),
        ("LSTM", {"clip": 3.0}, "LSTM with clip"),
        ("LSTM", {"input_forget": 1}, "LSTM with input_forget"),
        ("RNN", {"activations": ["Relu"]}, "other activations"),
        ("RNN", {"start": np.ones((1, 1, 4))}, "RNN that begins with another state than 0"),
        ("RNN", {"layout": 1}, "another layout|other axes"),
    ],
)
def test_forms_that_no_layer_has(op, options, message, tmp_path):
    path = graph(op, tmp_path, gates={"RNN": 1, "GRU": 3, "LSTM": 4}[op], **options)
    with pytest.raises(ModelFileError, match=message):
        load(path)
