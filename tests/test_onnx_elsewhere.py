"""ONNX files as others write them: preprocessing, sizes that are computed, numbers in other files."""

import os
import stat
import subprocess
import sys
import tracemalloc
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from nnlite import PReLU
from nnlite.errors import DataWarning, ModelFileError
from nnlite.exchange.onnx.external import Folder
from nnlite.onnx import export, load

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

helper = onnx.helper
FLOAT, DOUBLE, INT64, STRING = (
    getattr(onnx.TensorProto, name) for name in ("FLOAT", "DOUBLE", "INT64", "STRING")
)
rng = np.random.default_rng(0)
W = rng.normal(size=(4, 3)).astype(np.float32)
B = rng.normal(size=3).astype(np.float32)
V = np.array([0.5, -1.5, 2.0, 3.0], np.float32)


def node(op, *inputs, to="y", domain="", **attributes):
    to = [to] if isinstance(to, str) else to
    name = f"the {op}" if to == ["y"] else f"{to[0]} of {op}"
    return helper.make_node(op, inputs, to, name=name, domain=domain, **attributes)


def ml(op, *inputs, to="y", **attributes):
    return node(op, *inputs, to=to, domain="ai.onnx.ml", **attributes)


def graph(nodes, constants=(), *, shape=("n", 4), kind=FLOAT, opset=17, outputs=(("y", FLOAT),)):
    """Make the bytes of a file."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, output, None) for name, output in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()],
    )
    versions = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(made, opset_imports=versions, ir_version=8).SerializeToString()


def run(path, x):
    """Compute all outputs with onnxruntime, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = ort.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def both(content, path, x, **arguments):
    """Load a file, and compare what it gives with onnxruntime."""
    path.write_bytes(content)
    model = load(path, **arguments)
    found = run(path, x)[-1]
    if isinstance(found, list):  # of ZipMap
        found = np.array([list(row.values()) for row in found])
    np.testing.assert_allclose(model.predict(x), found, rtol=1e-6, atol=1e-6)
    return model


def x_of(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


# ai.onnx.ml.


OFFSET, SCALE = [0.5, -1.0, 2.0, 0.0], [2.0, 0.5, 1.0, 4.0]


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        ([ml("Scaler", "x", offset=OFFSET, scale=SCALE)], "Standardize(4)"),
        ([ml("Scaler", "x", offset=[0.5], scale=[2.0])], "Standardize(4)"),
        ([ml("Scaler", "x", offset=[0.0] * 4, scale=SCALE)], "Standardize(4)"),
        ([ml("Scaler", "x", offset=OFFSET, scale=SCALE, to="s"), node("Gemm", "s", "W", "b")],
         "Standardize(4), Dense(4, 3)"),
        ([ml("Normalizer", "x", norm="L2")], "RMSNorm(4, epsilon=1e-30)"),
        ([ml("Normalizer", "x", norm="L2", to="s"), node("MatMul", "s", "column", to="z"),
          node("Sigmoid", "z", to="p"), node("Sub", "one", "p", to="q"), node("Concat", "q", "p", axis=1)],
         "RMSNorm(4, epsilon=1e-30), Dense(4, 1, bias=False), Dense(1, 2, bias=False), Softmax()"),
        ([node("Softmax", "x", to="s"), ml("Normalizer", "s", norm="L1")], "Softmax()"),
        ([ml("Binarizer", "x", threshold=0.25)], "Standardize(4), Step()"),
        ([ml("Binarizer", "x")], "Step()"),
        ([ml("FeatureVectorizer", "x", inputdimensions=[4], to="s"), node("Relu", "s")], "ReLU()"),
        ([ml("ArrayFeatureExtractor", "x", "places", to="s"), node("Relu", "s")], "ReLU()"),
        ([ml("ArrayFeatureExtractor", "x", "some")], "Columns([2, 0], of=4)"),
        ([ml("LinearRegressor", "x", coefficients=SCALE, intercepts=[0.5])], "Dense(4, 1)"),
        ([ml("LinearRegressor", "x", coefficients=[*SCALE, *OFFSET], targets=2)], "Dense(4, 2, bias=False)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_operators_of_scikit_learn(nodes, layers, tmp_path):
    constants = {
        "W": W, "b": B, "column": V[:, None], "one": np.float32(1), "places": np.arange(4),
        "some": np.array([2, 0]),
    }  # fmt: skip
    x = x_of(9, 4)
    x[0] = 0
    model = both(graph(nodes, constants), tmp_path / "net.onnx", x)
    assert repr(model) == f"Sequential([{layers}], dtype=float32)"
    export(model, tmp_path / "again.onnx")
    np.testing.assert_allclose(run(tmp_path / "again.onnx", x)[0], model.predict(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [DOUBLE, INT64])
def test_what_comes_out_of_preprocessing_is_float32(kind, tmp_path):
    content = graph([ml("Scaler", "x", offset=OFFSET, scale=SCALE)], kind=kind)
    x = x_of(9, 4).astype(np.float64) if kind == DOUBLE else np.arange(36).reshape(9, 4)
    model = both(content, tmp_path / "net.onnx", x)
    assert repr(model) == "Sequential([Standardize(4)], dtype=float32)"


@pytest.mark.parametrize("post", ["NONE", "SOFTMAX", "LOGISTIC"])
def test_linear_classifiers(post, tmp_path):
    content = graph(
        [ml("LinearClassifier", "x", to=["label", "y"], coefficients=W.T.ravel().tolist(),
            intercepts=B.tolist(), classlabels_ints=[0, 1, 2], post_transform=post)],
        outputs=(("label", INT64), ("y", FLOAT)),
    )  # fmt: skip
    model = both(content, tmp_path / "net.onnx", x_of(9, 4))
    assert model[0].in_features == 4
    with pytest.raises(ModelFileError, match=r"\(LinearClassifier\).*got ArgMax"):
        load(tmp_path / "net.onnx", output="label")


def test_an_imputer_is_left_out_and_said(tmp_path):
    content = graph([ml("Imputer", "x", imputed_value_floats=[1.0, 2.0, 3.0, 4.0],
                        replaced_value_float=float("nan"), to="a"), node("Relu", "a")])  # fmt: skip
    with pytest.warns(DataWarning, match=r"'a of Imputer' \(Imputer\) fills in for NaN.* its numbers are"):
        both(content, tmp_path / "net.onnx", x_of(9, 4))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([ml("Normalizer", "x")], "Normalizer by the MAX norm"),
        ([ml("Normalizer", "x", norm="L1")], "Normalizer by the L1 norm"),
        ([ml("Imputer", "x", imputed_value_floats=[1.0], replaced_value_float=0.0)],
         "Imputer that fills in for 0"),
        ([ml("OneHotEncoder", "x", cats_int64s=[1, 2])], r"OneHotEncoder of ai\.onnx\.ml"),
        ([ml("LinearRegressor", "x", coefficients=SCALE, post_transform="PROBIT")], "with PROBIT"),
        ([ml("LinearClassifier", "x", coefficients=SCALE, intercepts=[1.0], classlabels_ints=[0, 1])],
         "LinearClassifier of 1 classes with NONE"),
        ([ml("Scaler", "x", offset=[1.0, 2.0], scale=[1.0])], r"\(Scaler\): expected floats for 4 features"),
        ([ml("Scaler", "v", offset=[1.0], scale=[1.0], to="s"), node("Mul", "x", "s")],
         "Scaler of constants"),
        ([ml("Scaler", "x", offset=[1.0], scale=[float("inf")])], r"\(Scaler\): expected finite numbers"),
        ([ml("LinearRegressor", "x", coefficients=[1.0, 2.0, 3.0], targets=1)], r"\(LinearRegressor\)"),
        ([ml("LinearRegressor", "x", coefficients=SCALE, targets=3)], "fails with ValueError"),
        ([ml("Nothing", "x")], r"Nothing of ai\.onnx\.ml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_operators_of_scikit_learn_that_are_no_layer_are_named(nodes, message, tmp_path):
    (tmp_path / "net.onnx").write_bytes(graph(nodes, {"v": V}))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "net.onnx")


@pytest.mark.parametrize("labels", ["numbers", "words", "two", "two words"])
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize(
    "scaler", ["StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "Normalizer"]
)
def test_pipelines_of_scikit_learn(scaler, zipmap, labels, tmp_path):
    """A net behind preprocessing, as skl2onnx writes it, with labels and names behind it."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn import preprocessing
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    y = np.arange(60) % (2 if "two" in labels else 3)
    if "words" in labels:
        y = np.array(["a", "b", "c"])[y]
    X = x_of(60, 4) * [1, 10, 0.1, 5]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they have not converged, and that is meant
        net = MLPClassifier((5,), max_iter=20, random_state=0)
        pipe = make_pipeline(getattr(preprocessing, scaler)(), net).fit(X, y)
        content = skl2onnx.to_onnx(pipe, X.astype(np.float32), options={"zipmap": zipmap}).SerializeToString()
    model = both(content, tmp_path / "net.onnx", X.astype(np.float32))
    np.testing.assert_allclose(model.predict(X), pipe.predict_proba(X), atol=2e-6)


def test_columns_that_go_different_ways(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.compose import make_column_transformer
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    X = x_of(60, 4)
    columns = make_column_transformer(
        (StandardScaler(), [0, 2]), (MinMaxScaler(), [3]), remainder="passthrough"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPRegressor(hidden_layer_sizes=(5,), max_iter=20, random_state=0)
        pipe = make_pipeline(columns, net).fit(X, X[:, 0])
        content = skl2onnx.to_onnx(pipe, X).SerializeToString()
    both(content, tmp_path / "net.onnx", X)


def test_what_estimators_are_written_as_comes_back(tmp_path):
    pytest.importorskip("sklearn")
    from nnlite.sklearn import MLPClassifier, MLPRegressor

    X = x_of(60, 4)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for classes in (2, 3):
            net = MLPClassifier(
                (5,), max_iter=20, random_state=0, scale_inputs=True, calibration_fraction=0.3
            )
            net.fit(X, np.arange(60) % classes)
            export(net, path)
            np.testing.assert_allclose(load(path).predict(X), net.predict_proba(X), atol=1e-6)
        net = MLPRegressor(hidden_layer_sizes=(5,), max_iter=20, random_state=0).fit(X, X[:, 0])
        export(net, path)
        np.testing.assert_allclose(load(path).predict(X)[:, 0], net.predict(X), atol=1e-6)


# Activations and norms of several nodes.


C = {
    "zero": np.float32(0), "six": np.float32(6), "three": np.float32(3), "sixth": np.float32(1 / 6),
    "low": np.float32(-0.5), "two": np.float32(2), "slope": V, "one slope": np.float32([0.1]),
    "minus": -V, "largest": np.float32(np.finfo(np.float32).max), "W": W, "b": B, "gain": V,
    "bias": V[::-1].copy(), "epsilon": np.float32(1e-3), "one": np.float32(1), "last": np.array([-1]),
    "first": np.array([0]), "axis 1": np.array([1]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        ([node("Clip", "x", "zero", "six")], "ReLU6()"),
        ([node("Clip", "x", "zero")], "ReLU()"),
        ([node("Clip", "x", "zero", "largest")], "ReLU()"),
        ([node("Clip", "x", "low", "two")], "Clip(low=-0.5, high=2.0)"),
        ([node("Max", "x", "low", to="a"), node("Min", "two", "a")], "Clip(low=-0.5, high=2.0)"),
        ([node("Max", "zero", "x")], "ReLU()"),
        ([node("Relu", "x", to="a"), node("Min", "a", "six")], "ReLU6()"),
        ([node("HardSigmoid", "x", alpha=1 / 6)], "HardSigmoid()"),
        ([node("Add", "x", "three", to="a"), node("Clip", "a", "zero", "six", to="c"),
          node("Mul", "c", "sixth")], "HardSigmoid()"),
        ([node("HardSwish", "x")], "HardSwish()"),
        ([node("HardSigmoid", "x", alpha=1 / 6, to="g"), node("Mul", "g", "x")], "HardSwish()"),
        ([node("Add", "x", "three", to="a"), node("Relu", "a", to="r"), node("Min", "r", "six", to="c"),
          node("Div", "c", "six", to="d"), node("Mul", "x", "d")], "HardSwish()"),
        ([node("Add", "x", "three", to="a"), node("Clip", "a", "zero", "six", to="c"),
          node("Mul", "x", "c", to="m"), node("Div", "m", "six")], "HardSwish()"),
        ([node("Selu", "x")], "SELU()"),
        ([node("PRelu", "x", "slope")], "PReLU(4)"),
        ([node("PRelu", "x", "one slope")], "PReLU(4, shared=True)"),
        ([node("Relu", "x", to="p"), node("Neg", "x", to="m"), node("Relu", "m", to="n"),
          node("Mul", "minus", "n", to="k"), node("Add", "p", "k")], "PReLU(4)"),
    ],
    ids=lambda value: "-".join(one.op_type for one in value) if isinstance(value, list) else "",
)  # fmt: skip
def test_activations_of_others(nodes, layers, tmp_path):
    x = x_of(50, 4) * 4
    x[0] = 0
    model = both(graph(nodes, C), tmp_path / "net.onnx", x)
    assert repr(model) == f"Sequential([{layers}], dtype=float32)"
    if "slope" in nodes[0].input:
        np.testing.assert_array_equal(model[0].slope, V)


def test_limits_were_attributes_once(tmp_path):
    both(graph([node("Clip", "x", min=-1.0, max=0.5)], opset=9), tmp_path / "net.onnx", x_of(9, 4))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("HardSigmoid", "x")], r"HardSigmoid with alpha=0\.2 and beta=0\.5"),
        ([node("HardSigmoid", "x", to="g"), node("Mul", "g", "x")], r"HardSigmoid with alpha=0\.2"),
        ([node("Selu", "x", alpha=2.0)], r"Selu with alpha=2"),
        ([node("Clip", "x", "two", "low")], r"Clip\(high\): expected a number above 2\.0, got -0\.5"),
        ([node("Clip", "x", "two")], r"Clip\(high\): expected a finite number"),
        ([node("Clip", "x")], r"Clip\(low\): expected a finite number"),
        ([node("PRelu", "x", "b")], r"\(PRelu\): expected floats for 4 features"),
    ],
)
def test_activations_that_are_no_layer_are_named(nodes, message, tmp_path):
    (tmp_path / "net.onnx").write_bytes(graph(nodes, C))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "net.onnx")


def means(*, axes=None, keep=1):
    """Write the centre and the variance of each row, of which version 18 has the axes as inputs."""
    given = {"keepdims": keep} | ({} if axes else {"axes": [-1]})
    more = [axes] if axes else []
    return [
        node("ReduceMean", "x", *more, to="mean", **given),
        node("Sub", "x", "mean", to="c"),
        node("Pow", "c", "two", to="s"),
        node("ReduceMean", "s", *more, to="variance", **given),
        node("Add", "variance", "epsilon", to="e"),
        node("Sqrt", "e", to="root"),
    ]


SQUARES = [
    node("Mul", "x", "x", to="s"),
    node("ReduceMean", "s", "last", to="m"),
    node("Add", "m", "epsilon", to="e"),
    node("Sqrt", "e", to="root"),
]


@pytest.mark.parametrize(
    ("nodes", "opset", "layer"),
    [
        ([*means(), node("Div", "c", "root")], 13, "LayerNorm(4, epsilon=0.001)"),
        ([*means(axes="last"), node("Div", "c", "root")], 18, "LayerNorm(4, epsilon=0.001)"),
        ([*means(axes="axis 1"), node("Div", "c", "root", to="z"), node("Mul", "z", "gain")], 18,
         "LayerNorm(4, epsilon=0.001)"),
        ([*means(), node("Reciprocal", "root", to="r"), node("Mul", "c", "r", to="z"),
          node("Mul", "gain", "z", to="k"), node("Add", "k", "bias")], 13, "LayerNorm(4, epsilon=0.001)"),
        ([*SQUARES, node("Div", "x", "root", to="z"), node("Mul", "z", "gain")], 18,
         "RMSNorm(4, epsilon=0.001)"),
        ([*SQUARES, node("Div", "one", "root", to="r"), node("Mul", "x", "r", to="z"),
          node("Mul", "gain", "z")], 18, "RMSNorm(4, epsilon=0.001)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_norms_of_several_nodes(nodes, opset, layer, shape, tmp_path):
    if len(shape) == 2 and any("axis 1" in one.input for one in nodes):
        return  # which is another axis then, see below
    model = both(graph(nodes, C, shape=("n", *shape), opset=opset), tmp_path / "net.onnx", x_of(9, *shape))
    expected = layer if len(shape) == 1 else f"Input((3, 4)), {layer.replace('4,', '4, ndim=2,')}"
    assert repr(model) == f"Sequential([{expected}], dtype=float32)"


@pytest.mark.parametrize(
    ("nodes", "shape", "message"),
    [
        ([*means(axes="first"), node("Div", "c", "root")], (4,), r"ReduceMean over axes \[0\]"),
        ([*means(axes="axis 1"), node("Div", "c", "root")], (3, 4), r"ReduceMean over axes \[1\]"),
        ([*means(axes="last", keep=0), node("Div", "c", "root")], (4,), r"ReduceMean over axes"),
        ([node("ReduceMean", "x", "last")], (4,), r"\(ReduceMean\)"),
    ],
)
def test_norms_over_other_axes_are_named(nodes, shape, message, tmp_path):
    (tmp_path / "net.onnx").write_bytes(graph(nodes, C, shape=("n", *shape), opset=18))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "net.onnx")


# Sizes that are computed.


SIZES = {
    "0": np.array(0), "1": np.array(1), "[0]": np.array([0]), "[1]": np.array([1]), "[2]": np.array([2]),
    "[-1]": np.array([-1]), "12": np.array(12), "4": np.array(4), "W12": rng.normal(size=(12, 2)).astype("f"),
    "[3]": np.array([3]), "[12]": np.array([12]), "half": np.float32(0.5),
}  # fmt: skip
COUNT = [node("Shape", "r", to="shape"), node("Gather", "shape", "0", to="n"),
         node("Unsqueeze", "n", "[0]", to="rows")]  # fmt: skip
END = [node("Reshape", "r", "target", to="flat"), node("MatMul", "flat", "W12")]


@pytest.mark.parametrize(
    "nodes",
    [
        [*COUNT, node("Concat", "rows", "[-1]", axis=0, to="target")],
        [*COUNT, node("Concat", "rows", "[12]", axis=0, to="target")],
        [*COUNT, node("Gather", "shape", "1", to="t"), node("Mul", "t", "4", to="m"),
         node("Unsqueeze", "m", "[0]", to="size"), node("Concat", "rows", "size", axis=0, to="target")],
        [node("Shape", "r", to="shape"), node("Slice", "shape", "[0]", "[1]", to="rows"),
         node("Concat", "rows", "[-1]", axis=0, to="target")],
        [node("Shape", "r", to="shape"), node("Slice", "shape", "[1]", "[3]", "[0]", to="rest"),
         node("Slice", "rest", "[0]", "[1]", to="a"), node("Slice", "rest", "[1]", "[2]", to="b"),
         node("Mul", "a", "b", to="size"), node("Concat", "[-1]", "size", axis=0, to="target")],
        [*COUNT, node("Cast", "rows", to="cast", to_=INT64),
         node("Concat", "cast", "[-1]", axis=0, to="target")],
        [*COUNT, node("Squeeze", "rows", "[0]", to="s"), node("Reshape", "s", "[1]", to="again"),
         node("Concat", "again", "[-1]", axis=0, to="target")],
        [*COUNT, node("Add", "rows", "[0]", to="more"), node("Sub", "more", "[0]", to="less"),
         node("Div", "less", "[1]", to="same"), node("Concat", "same", "[-1]", axis=0, to="target")],
    ],
    ids=lambda nodes: "-".join(one.op_type for one in nodes),
)  # fmt: skip
@pytest.mark.parametrize("shape", [("n", 3, 4), (9, 3, 4)], ids=str)
def test_reshapes_by_sizes_that_are_computed(nodes, shape, tmp_path):
    for one in nodes:
        if one.op_type == "Cast":
            one.attribute[0].name = "to"
    content = graph([node("Relu", "x", to="r"), *nodes, *END], SIZES, shape=shape)
    model = both(content, tmp_path / "net.onnx", x_of(9, 3, 4))
    layers = "ReLU(), Flatten((3, 4)), Dense(12, 2, bias=False)"
    assert repr(model) == f"Sequential([{layers}], dtype=float32)"


@pytest.mark.parametrize(
    ("nodes", "shape", "message"),
    [
        ([node("Relu", "x", to="r"), *COUNT, node("Cast", "n", to="f", to_=FLOAT), node("Mul", "r", "f")],
         (4,), "Cast of the number of rows"),
        ([node("Relu", "x", to="r"), *COUNT, node("Add", "r", "rows")], (4,), "Add by the number of rows"),
        ([node("Relu", "x", to="r"), *COUNT, node("Concat", "[2]", "rows", axis=0, to="target"),
          node("Reshape", "r", "target")], (4,), r"Reshape of samples of shape \(4,\) to \(2, -1\)"),
        ([node("Shape", "x", to="s"), node("Reshape", "x", "s")], ("features",),
         r"\(Shape\): expected a result whose shape is known"),
        ([node("Relu", "x", to="r"), *COUNT, node("Mul", "rows", "[12]", to="m"),
          node("Concat", "m", "[-1]", axis=0, to="target"), node("Reshape", "r", "target")], (4,), "Reshape"),
    ],
)  # fmt: skip
def test_numbers_of_rows_are_no_numbers(nodes, shape, message, tmp_path):
    for one in nodes:
        for entry in one.attribute:
            entry.name = entry.name.removesuffix("_")
    (tmp_path / "net.onnx").write_bytes(graph(nodes, SIZES, shape=("n", *shape)))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "net.onnx")


M = rng.normal(size=(4, 6)).astype(np.float32)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Gather", "M", "places", axis=1, to="K")],
        [node("Slice", "M", "[0]", "[3]", "[1]", to="K")],
        [node("Slice", "M", "[5]", "[-99]", "[1]", "[-2]", to="K")],
        [node("Concat", "v", "v", "v", axis=1, to="K")],
        [node("Neg", "M3", to="K")],
        [node("Mul", "M3", "v", to="K")],
        [node("Div", "M3", "two", to="a"), node("Sub", "a", "v", to="K")],
        [node("Mul", "M3", "M3", to="a"), node("Add", "a", "two", to="s"), node("Sqrt", "s", to="r"),
         node("Reciprocal", "r", to="K")],
        [node("Pow", "M3", "two", to="K")],
        [node("Shape", "M", to="s"), node("Reshape", "M", "s", to="a"),
         node("Slice", "a", "[0]", "[3]", "[1]", to="K")],
    ],
    ids=lambda nodes: "-".join(one.op_type for one in nodes),
)  # fmt: skip
def test_constants_are_computed(nodes, tmp_path):
    constants = {
        "M": M, "M3": W, "places": np.array([5, 0, 2]), "v": V[:, None],
        "two": np.float32(2), "[0]": np.array([0]),
        "[3]": np.array([3]), "[1]": np.array([1]), "[5]": np.array([5]), "[-99]": np.array([-99]),
        "[-2]": np.array([-2]),
    }  # fmt: skip
    both(graph([*nodes, node("MatMul", "x", "K")], constants), tmp_path / "net.onnx", x_of(9, 4))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Add", "row", "column", to="K")],
        [node("Gather", "big", "many", axis=0, to="K")],
        [node("Concat", *["big"] * 1000, axis=0, to="K")],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_constants_that_would_grow_are_refused_before_they_do(nodes, tmp_path):
    constants = {
        "row": np.ones((1, 20_000), np.float32), "column": np.ones((20_000, 1), np.float32),
        "big": np.ones((1, 10_000), np.float32), "many": np.zeros(20_000, np.int64),
    }  # fmt: skip
    path = tmp_path / "net.onnx"
    path.write_bytes(graph([*nodes, node("MatMul", "x", "K")], constants))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="constants that are used as they are, got many that are"):
            load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


# Numbers in other files.


def written(folder, *, location="net.data", **entries):
    """Write a net whose weights are in another file; return its path, and the net of one file."""
    proto = onnx.ModelProto.FromString(graph([node("Gemm", "x", "W", "b")], {"W": W, "b": B}))
    folder.mkdir(exist_ok=True, parents=True)
    onnx.save_model(
        proto, folder / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0
    )
    changed = onnx.load(folder / "net.onnx", load_external_data=False)
    for tensor in changed.graph.initializer:
        known = {entry.key: entry.value for entry in tensor.external_data} | {"location": location} | entries
        del tensor.external_data[:]
        for key, value in known.items():
            if value is not None:
                tensor.external_data.add(key=key, value=value)
    (folder / "net.onnx").write_bytes(changed.SerializeToString())
    return folder / "net.onnx"


def test_numbers_beside_the_model_are_read(tmp_path):
    path = written(tmp_path / "net")
    x = x_of(9, 4)
    np.testing.assert_allclose(load(path).predict(x), x @ W + B, atol=1e-6)
    np.testing.assert_array_equal(load(path)[0].W, W)
    (tmp_path / "net").rename(tmp_path / "moved")  # from wherever the program stands
    np.testing.assert_array_equal(load(tmp_path / "moved" / "net.onnx")[0].b, B)


def test_numbers_in_a_folder_of_the_folder_are_read(tmp_path):
    path = written(tmp_path, location="weights/net.data")
    (tmp_path / "weights").mkdir()
    (tmp_path / "net.data").rename(tmp_path / "weights" / "net.data")
    np.testing.assert_array_equal(load(path)[0].W, W)


def test_what_torch_writes_in_two_files_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.zeros(1, 4),), path, dynamo=True, external_data=True, verbose=False)
    assert len(list(tmp_path.iterdir())) == 2
    x = x_of(9, 4)
    with torch.no_grad():
        np.testing.assert_allclose(load(path).predict(x), net(torch.from_numpy(x)).numpy(), atol=1e-6)


def elsewhere(tmp_path):
    """Put the right numbers where they must not be read."""
    path = written(tmp_path / "other")
    data = path.parent / "net.data"
    data.rename(tmp_path / "secret")
    return tmp_path / "secret"


class Opened:
    """What files were opened while it was looked at (PEP 578)."""

    def __init__(self):
        self.paths = None
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.paths is not None and event == "open":
            self.paths.append(str(arguments[0]))


@pytest.fixture(scope="module")
def opened():
    return Opened()


OUTSIDE = r"the name of a file in the model's own folder, got .*, which is not opened"


@pytest.mark.parametrize(
    "location",
    ["../secret", "sub/../../secret", "{}", "/etc/passwd", "..\\secret", "C:\\secret", "C:secret",
     "\\\\host\\a\\b", "//host/a", "", "\0", "..", "net.data/../../secret"],
)  # fmt: skip
def test_files_outside_are_never_opened(location, opened, tmp_path):
    secret = elsewhere(tmp_path)
    path = written(tmp_path / "net", location=location.format(secret))
    opened.paths = []
    with pytest.raises(ModelFileError, match=OUTSIDE):
        load(path)
    seen, opened.paths = opened.paths, None
    assert not [one for one in seen if "secret" in one or "passwd" in one or "host" in one]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("kind", ["file", "folder", "twice"])
def test_links_that_lead_out_are_never_followed(kind, opened, tmp_path):
    secret = elsewhere(tmp_path)
    path = written(tmp_path / "net", location="sub/secret" if kind == "folder" else "link")
    if kind == "folder":
        (path.parent / "sub").symlink_to(tmp_path)
    elif kind == "file":
        (path.parent / "link").symlink_to(secret)
    else:
        (path.parent / "link").symlink_to(path.parent / "second")
        (path.parent / "second").symlink_to("../secret")
    opened.paths = []
    with pytest.raises(ModelFileError, match="a link that leads out of it and is not opened"):
        load(path)
    seen, opened.paths = opened.paths, None
    assert not [one for one in seen if one.endswith(("secret", "link", "second"))]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_inside_of_the_folder_are_followed(tmp_path):
    path = written(tmp_path / "net", location="link")
    (path.parent / "link").symlink_to("net.data")
    (tmp_path / "way").symlink_to(path.parent)
    np.testing.assert_array_equal(load(tmp_path / "way" / "net.onnx")[0].W, W)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    path = written(tmp_path, location="pipe")
    os.mkfifo(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(ModelFileError, match="numbers in a file, got 'pipe', which is none"):
        load(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "missing"}, "'missing', which is not there"),
        ({"location": "self"}, "'self', which is not there"),
        ({"location": None}, "'', which is not opened"),
        ({"offset": "1000"}, r"at least, got 60 bytes in 'net\.data'"),
        ({"offset": "9" * 18}, r"at least, got 60 bytes"),
        ({"offset": "9" * 30}, "an offset and a length in bytes"),
        ({"offset": "-4"}, "an offset and a length in bytes, got '-4'"),
        ({"offset": "0x4"}, "an offset and a length in bytes"),
        ({"offset": "٤"}, "an offset and a length in bytes"),
        ({"offset": ""}, "an offset and a length in bytes, got ''"),
        ({"length": "47"}, "48 bytes, as its shape says, got 47"),
        ({"length": "1e9"}, "an offset and a length in bytes"),
    ],
)
def test_lies_about_numbers_elsewhere(entries, message, tmp_path):
    path = written(tmp_path, **entries)
    if hasattr(os, "symlink") and sys.platform != "win32":
        (tmp_path / "self").symlink_to("self")
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_a_folder_is_no_file_of_numbers(tmp_path):
    path = written(tmp_path, location="sub")
    (tmp_path / "sub").mkdir()
    with pytest.raises((ModelFileError, OSError)):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dims": [2**40, 2**20]}, "bytes, as its shape says"),
        ({"dims": [-4, -3]}, "as many numbers as its shape says"),
        ({"dims": [1] * 60}, "as many numbers as its shape says"),
        ({"raw_data": b"\0" * 48}, "as many numbers as its shape says"),
        ({"data_type": onnx.TensorProto.FLOAT16}, "expected float32.*got FLOAT16"),
    ],
)
def test_lying_tensors_elsewhere(changes, message, tmp_path):
    path = written(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    tensor = proto.graph.initializer[0]
    for name, value in changes.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, name, value)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_numbers_elsewhere_are_read_once(tmp_path):
    """A few bytes of the net name each the same megabyte."""
    side = 512
    np.eye(side, dtype=np.float32).tofile(tmp_path / "net.data")
    nodes = [node("MatMul", f"h{i}" if i else "x", f"W{i}", to=f"h{i + 1}") for i in range(50)]
    nodes[-1].output[0] = "y"
    proto = onnx.ModelProto.FromString(graph(nodes, shape=("n", side)))
    for i in range(50):
        tensor = proto.graph.initializer.add(
            name=f"W{i}", data_type=FLOAT, dims=[side, side], data_location=1
        )
        tensor.external_data.add(key="location", value="net.data")
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError, match="numbers that are read once"):
        load(path)


@pytest.mark.nonfinite
def test_damaged_nets_with_numbers_elsewhere_give_only_model_file_errors(opened, tmp_path):
    path = written(tmp_path / "net")
    content = path.read_bytes()
    elsewhere(tmp_path)
    source = np.random.default_rng(0)
    refused = 0
    for trial in range(600):
        damaged = bytearray(content)
        place = int(source.integers(len(damaged)))
        if trial % 3 == 0:
            damaged[place] ^= 1 << int(source.integers(8))
        elif trial % 3 == 1:
            damaged[place] = int(source.integers(256))
        else:
            del damaged[place : place + int(source.integers(1, 9))]
        path.write_bytes(damaged)
        opened.paths = []
        try:
            load(path)
        except ModelFileError:
            refused += 1
        seen, opened.paths = opened.paths, None
        assert all(one.startswith(str(tmp_path / "net")) for one in seen if "secret" in one or "data" in one)
    assert 100 < refused < 600


def test_a_folder_counts_what_it_has_read(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(10)))
    folder = Folder(tmp_path / "net.onnx")
    assert folder.read("here", {"location": "a", "offset": "2"}, 3) == bytes([2, 3, 4])
    assert folder.read("here", {"location": "a", "length": "7"}, 7) == bytes(range(7))
    assert folder.read_so_far == 10
    with pytest.raises(ModelFileError, match="read once"):
        folder.read("here", {"location": "a"}, 1)


# Files of exporters.


@pytest.mark.parametrize("dynamo", [False, True])
def test_activations_of_torch(dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    t = torch.nn
    kinds = [t.ReLU6(), t.PReLU(), t.PReLU(5), t.SELU(), t.Hardswish(), t.Hardsigmoid(), t.Hardtanh(),
             t.LayerNorm(5)]  # fmt: skip
    net = t.Sequential(t.Linear(4, 5), *(one for kind in kinds for one in (kind, t.Linear(5, 5)))).eval()
    x = torch.from_numpy(x_of(9, 4))
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"external_data": False, "verbose": False} if dynamo else {}
        torch.onnx.export(net, (x,), path, dynamo=dynamo, **options)
    model = load(path)
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(x.numpy()), net(x).numpy(), rtol=1e-6, atol=1e-6)
    expected = ["ReLU6", "PReLU", "PReLU", "SELU", "HardSwish", "HardSigmoid", "Clip", "LayerNorm"]
    assert [type(layer).__name__ for layer in model[1::2]] == expected


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("kind", ["PReLU", "PReLU of 4", "ReLU6", "Hardswish", "Hardsigmoid", "SELU"])
def test_activations_of_images_of_torch(kind, dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    t = torch.nn
    activation = t.PReLU(4) if kind == "PReLU of 4" else getattr(t, kind)()
    if isinstance(activation, t.PReLU):
        activation.weight = t.Parameter(torch.linspace(-0.5, 0.7, activation.num_parameters))
    net = t.Sequential(t.Conv2d(1, 4, 3), activation, t.Conv2d(4, 2, 2), t.Flatten(), t.Linear(32, 3)).eval()
    x = torch.from_numpy(x_of(5, 1, 7, 7))
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), path, dynamo=dynamo, **({"external_data": False} if dynamo else {}))
    model = load(path)
    with torch.no_grad():
        expected = net(x).numpy()
    np.testing.assert_allclose(model.predict(x.numpy()), expected, rtol=1e-6, atol=1e-6)
    if isinstance(activation, t.PReLU):
        (layer,) = (one for one in model if isinstance(one, PReLU))
        assert layer.ndim == 3
        np.testing.assert_array_equal(layer.slope, activation.weight.detach().numpy())
    export(model, tmp_path / "again.onnx")
    np.testing.assert_allclose(run(tmp_path / "again.onnx", x.numpy())[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dynamo", [False, True])
def test_reshapes_of_torch(dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Linear(4, 5), torch.nn.Linear(15, 2)

        def forward(self, x):
            x = torch.relu(self.first(x))
            x = x.view(x.size(0), -1)
            x = x.unsqueeze(1).squeeze(1)
            return self.last(x.reshape(x.shape[0], 3 * 5))

    net = Net().eval()
    x = torch.from_numpy(x_of(9, 3, 4))
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            rows = torch.export.Dim("rows")
            torch.onnx.export(
                net, (x,), path, dynamo=True, external_data=False, verbose=False, dynamic_shapes=({0: rows},)
            )
        else:
            torch.onnx.export(
                net, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "rows"}}
            )
    model = load(path)
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(x.numpy()), net(x).numpy(), rtol=1e-6, atol=1e-6)


def test_a_net_of_keras(tmp_path):
    """In a process of its own: which backend Keras has is decided when it is imported."""
    if not (find_spec("keras") and find_spec("torch")):
        pytest.skip("no Keras that writes ONNX")

    code = """
import sys, warnings
warnings.simplefilter("ignore")
import keras, numpy as np
k = keras.layers
net = keras.Sequential([
    keras.Input((3, 4)), k.Rescaling(0.5, offset=-1.0), k.Dense(5, activation="relu6"), k.Reshape((15,)),
    k.Dense(5), k.PReLU(), k.Dense(5, activation="selu"), k.Dense(5, activation="hard_silu"),
    k.Dense(5, activation="hard_sigmoid"), k.Dropout(0.1), k.Dense(2, activation="softmax"),
])
x = np.load(sys.argv[1])
np.save(sys.argv[2], net.predict(x, verbose=0))
net.export(sys.argv[3], format="onnx", verbose=False)
"""
    np.save(tmp_path / "x.npy", x_of(9, 3, 4))
    arguments = [str(tmp_path / name) for name in ("x.npy", "y.npy", "net.onnx")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"KERAS_BACKEND": "torch"},
    )  # fmt: skip
    if done.returncode and "onnx" in done.stderr and "ModuleNotFoundError" in done.stderr:
        pytest.skip("Keras has no exporter here")
    assert done.returncode == 0, done.stderr[-2000:]
    model = load(arguments[2])
    np.testing.assert_allclose(model.predict(x_of(9, 3, 4)), np.load(arguments[1]), rtol=1e-5, atol=1e-6)
    kinds = [type(one).__name__ for _, one in model.walk()]
    assert {"ReLU6", "PReLU", "SELU", "HardSwish", "HardSigmoid"} <= set(kinds)
