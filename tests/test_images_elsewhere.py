"""Nets of images in other frameworks, and in files of theirs: channels in front there, at the end here."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ModelFileError
from nnlite.exchange import table
from nnlite.layers import HardSwish, RMSNorm

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
t = torch.nn


class Block(t.Module):
    """A block of a residual net."""

    def __init__(self, channels):
        super().__init__()
        self.first = t.Conv2d(channels, channels, 3, padding=1)
        self.second = t.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return t.functional.relu(x + self.second(t.functional.relu(self.first(x))))


class Branches(t.Module):
    """Two ways side by side, as in an Inception net."""

    def __init__(self):
        super().__init__()
        self.narrow, self.wide = t.Conv2d(2, 3, 1), t.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.narrow(x), torch.tanh(self.wide(x))], 1)


class Mean(t.Module):
    def forward(self, x):
        return x.mean((2, 3))


#: Nets of PyTorch, what they take, and what they are here.
NETS = {
    "LeNet": (
        lambda: t.Sequential(
            t.Conv2d(1, 4, 5, padding=2),
            t.ReLU(),
            t.MaxPool2d(2),
            t.Conv2d(4, 6, 3, stride=2),
            t.Tanh(),
            t.Flatten(),
            t.Linear(54, 10),
            t.ReLU(),
            t.Linear(10, 3),
        ),
        (1, 16, 14),
        "Input Permute Conv2D ReLU MaxPool2D Conv2D Tanh Flatten Dense ReLU Dense",
    ),
    "padding": (
        lambda: t.Sequential(
            t.Conv2d(3, 6, 4, padding="same", groups=3, bias=False),
            t.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
            t.Dropout(0.3),
            t.Flatten(),
            t.Linear(96, 2),
        ),
        (3, 8, 8),
        "Input Permute Conv2D AveragePool2D Flatten Dense",
    ),
    "global": (
        lambda: t.Sequential(
            t.Conv2d(3, 5, (3, 2), dilation=(1, 2)),
            t.SiLU(),
            t.AdaptiveAvgPool2d(1),
            t.Flatten(),
            t.Linear(5, 2),
        ),
        (3, 7, 9),
        "Input Permute Conv2D SiLU GlobalAveragePool Dense",
    ),
    "sequence": (
        lambda: t.Sequential(
            t.Conv1d(3, 6, 3, padding=1), t.ReLU(), t.MaxPool1d(2), t.Flatten(), t.Linear(24, 2)
        ),
        (3, 8),
        "Input Permute Conv1D ReLU MaxPool1D Flatten Dense",
    ),
    "norms": (
        lambda: t.Sequential(
            t.Conv2d(1, 4, 3, bias=False),
            t.ReLU(),
            t.BatchNorm2d(4),  # one behind a convolution PyTorch takes into its weights
            t.Conv2d(4, 3, 3),
            t.Sigmoid(),
            t.BatchNorm2d(3),
            t.Flatten(),
            t.Linear(48, 2),
        ),
        (1, 8, 8),
        "Input Permute Conv2D ReLU BatchNorm Conv2D Sigmoid BatchNorm Flatten Dense",
    ),
    "residual": (
        lambda: t.Sequential(t.Conv2d(1, 3, 3), Block(3), Block(3), Mean(), t.Linear(3, 2)),
        (1, 8, 8),
        "Input Permute Conv2D Residual ReLU Residual ReLU GlobalAveragePool Dense",
    ),
    "branches": (
        lambda: t.Sequential(Branches(), t.MaxPool2d(3, stride=2, padding=1), t.Flatten(), t.Linear(80, 2)),
        (2, 8, 8),
        "Input Permute Concatenate MaxPool2D Flatten Dense",
    ),
}


def write(net, x, path, *, dynamo):
    """Let PyTorch write a file, in its new way or its old one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            pytest.importorskip("onnxscript")
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(
                net, (x,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False
            )
        else:
            torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})


@pytest.mark.parametrize("dynamo", [False, True], ids=["old", "new"])
@pytest.mark.parametrize("name", NETS)
def test_files_of_torch(name, dynamo, rng, tmp_path):
    make, sample, layers = NETS[name]
    net = make()
    x = torch.from_numpy(rng.normal(size=(4, *sample)).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net(x)  # in training, so that norms have seen something
    net.eval()
    write(net, x, tmp_path / "net.onnx", dynamo=dynamo)
    model = nn.onnx.load(tmp_path / "net.onnx")
    assert model.input_shape == sample
    assert " ".join(type(layer).__name__ for layer in model.layers if type(layer) is not nn.Dropout) == layers
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(x.numpy()), net(x).numpy(), rtol=1e-5, atol=1e-6)


def lenet(dtype=np.float32):
    """Make a net whose twins can be made by `nnlite.exchange.table.twin`."""
    return nn.Sequential(
        [
            nn.Input((14, 12, 2)),
            nn.Conv2D(2, 4, (3, 5)),
            nn.BatchNorm(4, ndim=3),
            nn.ReLU(),
            nn.MaxPool2D(2),
            nn.Conv2D(4, 6, 2, stride=2, groups=2, bias=False),
            nn.Flatten((3, 2, 6)),
            nn.Dropout(0.2),
            nn.Dense(36, 5),
            nn.Tanh(),
            nn.Dense(5, 3),
        ],
        rng=0,
        dtype=dtype,
    )


def test_weights_to_torch_and_back(rng):
    model, x = lenet(), rng.normal(size=(3, 14, 12, 2)).astype(np.float32)
    twin = t.Sequential(*(eval(table.twin(layer, "torch"), {"t": t}) for layer in model.layers)).eval()
    twin.load_state_dict(nn.interop.to_torch_state_dict(model))
    with torch.no_grad():
        found = twin(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(found, model.predict(x), rtol=1e-5, atol=1e-6)
    other = lenet()
    other.initialize(rng=1)
    nn.interop.from_torch_state_dict(other, twin.state_dict())
    np.testing.assert_array_equal(other.params.values, model.params.values)


def test_weights_of_sequences_to_torch(rng):
    model = nn.Sequential(
        [
            nn.Input((9, 2)),
            nn.Conv1D(2, 3, 3, dilation=2),
            nn.MaxPool1D(2),
            nn.Flatten((2, 3)),
            nn.Dense(6, 2),
        ],
        rng=0,
    )
    twin = t.Sequential(*(eval(table.twin(layer, "torch"), {"t": t}) for layer in model.layers)).eval()
    twin.load_state_dict(nn.interop.to_torch_state_dict(model))
    x = rng.normal(size=(3, 9, 2)).astype(np.float32)
    with torch.no_grad():
        found = twin(torch.from_numpy(x.transpose(0, 2, 1).copy())).numpy()
    np.testing.assert_allclose(found, model.predict(x), rtol=1e-5, atol=1e-6)


def test_what_stands_behind_flattened_images_and_is_no_dense_layer_is_named():
    model = nn.Sequential([nn.Input((4, 4, 1)), nn.Conv2D(1, 2, 3), nn.Flatten((2, 2, 2)), nn.LayerNorm(8)])
    with pytest.raises(
        nn.errors.ArgumentError, match=r"layer 3 LayerNorm\(8\): expected a Dense layer behind"
    ):
        nn.interop.to_torch_state_dict(model)


def test_images_that_are_flattened_at_once_keep_their_rows():
    model = nn.Sequential([nn.Flatten((2, 3)), nn.Dense(6, 2)], rng=0)
    weights = nn.interop.to_torch_state_dict(model, as_numpy=True)
    np.testing.assert_array_equal(weights["1.weight"], model[1].W.T)


def test_flattened_images_in_groups_and_branches_have_the_rows_of_the_library(rng):
    def turned(*layers, name):
        model = nn.Sequential([nn.Input((6, 6, 1)), *layers], rng=0)
        for _, layer in model.walk():
            if type(layer) is nn.Dense and layer.in_features == 32:
                layer.W[...] = W
        weights = nn.interop.to_torch_state_dict(model, as_numpy=True)
        again = copy.deepcopy(model)
        again.params.numbers[...] = 0
        nn.interop.from_torch_state_dict(again, weights)
        np.testing.assert_array_equal(again.params.numbers, model.params.numbers)
        return weights[name]

    def image():
        return [nn.Conv2D(1, 2, 3), nn.ReLU(), nn.Flatten((4, 4, 2))]

    W = rng.normal(size=(32, 3)).astype(np.float32)
    expected = turned(*image(), nn.Dense(32, 3), name="4.weight")
    np.testing.assert_array_equal(expected, W.reshape(4, 4, 2, 3).transpose(2, 0, 1, 3).reshape(32, 3).T)
    group = nn.ParameterGroup([*image(), nn.ParameterGroup([nn.Dense(32, 3)])])
    deep = nn.Sequential([*image(), nn.Dense(32, 3)])
    heads = nn.Concatenate([nn.Dense(32, 3), nn.Dense(32, 3)])
    for found in (
        turned(group, name="1.3.0.weight"),
        turned(nn.Concatenate([deep, nn.Flatten((6, 6, 1))]), name="1.0.3.weight"),
        turned(*image(), heads, name="4.1.weight"),
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def answer(net, x):
    """Return what a net of Keras gives, whatever stands behind Keras."""
    y = net(x)
    return y.detach().cpu().numpy() if hasattr(y, "detach") else np.asarray(y)


def test_weights_to_keras_and_back(keras, rng):
    # Groups, which Keras has on a GPU only, are left out.
    model = nn.Sequential(
        [
            nn.Input((9, 8, 2)),
            nn.Conv2D(2, 4, 3, padding="same", stride=2),
            nn.ReLU(),
            nn.Conv2D(4, 3, 2, padding=1, dilation=2),
            nn.AveragePool2D(2, padding="same"),
            nn.GlobalMaxPool(),
            nn.Dense(3, 2),
        ],
        rng=0,
    )
    layers = [eval(table.twin(layer, "keras"), {"k": keras.layers, "keras": keras}) for layer in model.layers]
    twin = keras.Sequential([keras.Input((9, 8, 2)), *layers])
    x = rng.normal(size=(3, 9, 8, 2)).astype(np.float32)
    twin.set_weights(nn.interop.to_keras_weights(model))
    np.testing.assert_allclose(answer(twin, x), model.predict(x), rtol=1e-5, atol=1e-6)
    other = nn.Sequential([nn.Input((9, 8, 2)), *map(_anew, model.layers[1:])], rng=1)
    with warnings.catch_warnings():  # Keras hands parameters of PyTorch to NumPy in a way of before
        warnings.simplefilter("ignore", DeprecationWarning)
        nn.interop.from_keras_weights(other, twin.get_weights())
    np.testing.assert_array_equal(other.params.values, model.params.values)


def _anew(layer):
    return eval(repr(layer), vars(nn))


FILE_OF_KERAS = """
import sys
import numpy as np
import keras
k = keras.layers
net = keras.Sequential([
    keras.Input((8, 8, 2)), k.Conv2D(4, 3, padding="same", activation="relu"), k.MaxPooling2D(2),
    k.Conv2D(3, 3, activation="tanh"), k.Flatten(), k.Dense(3),
])
np.save("y.npy", net.predict(np.load("x.npy"), verbose=0))
net.export("net.onnx", format="onnx", verbose=False)
"""


def test_files_of_keras(rng, tmp_path):
    """In a process of its own: only of PyTorch can Keras write files, and a process has one backend."""
    pytest.importorskip("keras")
    x = rng.normal(size=(4, 8, 8, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = subprocess.run(
        [sys.executable, "-c", FILE_OF_KERAS], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"KERAS_BACKEND": "torch"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    model = nn.onnx.load(tmp_path / "net.onnx")
    np.testing.assert_allclose(model.predict(x), np.load(tmp_path / "y.npy"), rtol=1e-5, atol=1e-6)
    assert "Permute" not in " ".join(type(layer).__name__ for layer in model.layers)


def test_a_net_that_nnlite_wrote_has_two_transposes(tmp_path):
    import onnx

    nn.onnx.export(lenet(), tmp_path / "net.onnx")
    ops = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
    assert ops == [
        "Transpose",
        "Conv",
        "BatchNormalization",
        "Relu",
        "MaxPool",
        "Conv",
        "Transpose",
        "Reshape",
        "Gemm",
        "Tanh",
        "Gemm",
    ]
    back = nn.onnx.load(tmp_path / "net.onnx")
    kept = [repr(layer) for layer in lenet().layers if type(layer) is not nn.Dropout]
    assert list(map(repr, back.layers)) == kept


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: t.AvgPool2d(3, padding=1), "AveragePool that counts its padding"),
        (lambda: t.MaxPool2d(2, dilation=2), "MaxPool of dilated windows"),
        (lambda: t.MaxPool2d(2, ceil_mode=True), "MaxPool with ceil_mode=1"),
        (lambda: t.ConvTranspose2d(1, 2, 3), "ConvTranspose"),
        (lambda: t.Conv3d(1, 2, 3), "weights of shape .out, in, window. of one axis or two"),
    ],
)
def test_what_no_layer_does_is_named(layer, message, tmp_path):
    net = layer().eval()
    x = torch.zeros(2, 1, 7, 7, 7) if isinstance(net, t.Conv3d) else torch.zeros(2, 1, 7, 7)
    write(net, x, tmp_path / "net.onnx", dynamo=False)
    with pytest.raises(ModelFileError, match=message):
        nn.onnx.load(tmp_path / "net.onnx")


#: Nets that come back from a file of ours as they are, in either dtype: shape of a sample, and layers.
OWN = {
    "an activation in front": ((4, 5, 2), lambda: [nn.Tanh(), nn.Conv2D(2, 3, 2)]),
    "only what takes anything": ((4, 5, 2), lambda: [nn.Residual([nn.ReLU()]), nn.GlobalMaxPool()]),
    "branches of anything": (
        (4, 5, 2),
        lambda: [nn.Concatenate([nn.Tanh(), nn.ReLU()]), nn.PReLU(4, ndim=3), nn.GlobalAveragePool()],
    ),
    "branches behind a convolution": (
        (4, 5, 2),
        lambda: [nn.Conv2D(2, 3, 2), nn.Concatenate([HardSwish(), nn.ReLU()]), nn.Flatten((3, 4, 6))],
    ),
    "a norm behind a convolution": ((4, 5, 2), lambda: [nn.Conv2D(2, 3, 2), RMSNorm(3, ndim=3)]),
    "places between windows": (
        (6, 5, 2),
        lambda: [nn.AveragePool2D((2, 1), stride=(2, 3), padding="same")],
    ),
    "one window": ((7, 2), lambda: [nn.AveragePool1D(4, stride=5), nn.Conv1D(2, 3, 1, stride=3)]),
    "one window, uneven": ((2, 2), lambda: [nn.Conv1D(2, 3, 3, stride=2, padding="same")]),
    "one place": ((3, 2), lambda: [nn.Conv1D(2, 3, 3), nn.AveragePool1D(1), nn.GlobalAveragePool(1)]),
    "groups": ((5, 4), lambda: [nn.Conv1D(4, 6, 3, groups=2), nn.Flatten((3, 6))]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OWN)
def test_own_files_come_back(name, dtype, rng, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    shape, layers = OWN[name]
    layers = layers()
    model = nn.Sequential([nn.Input(shape), *layers], rng=0, dtype=dtype)
    X = rng.normal(size=(3, *shape)).astype(dtype)
    nn.onnx.export(model, tmp_path / "net.onnx")
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    there = session.run(None, {session.get_inputs()[0].name: X})[0]
    np.testing.assert_allclose(there, model.predict(X), atol=1e-6)
    back = nn.onnx.load(tmp_path / "net.onnx")
    np.testing.assert_allclose(back.predict(X), model.predict(X), atol=1e-6)


def test_keras_has_no_dilated_windows_with_a_stride():
    for layer in (
        nn.Conv2D(1, 1, 2, stride=(2, 1), dilation=(1, 2)),
        nn.Conv1D(1, 1, 2, stride=2, dilation=2),
    ):
        assert table.DESCRIPTIONS[type(layer)].keras(layer) is None
    assert "strides=2" in table.DESCRIPTIONS[nn.Conv1D].keras(nn.Conv1D(1, 1, 2, stride=2))
