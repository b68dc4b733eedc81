"""Estimators and Pipelines that are handed over: files and sources say what they say."""

import json
import os
import shutil
import subprocess
import warnings

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.export import to_c, to_numpy

pytest.importorskip("sklearn")

from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler

from nnlite.sklearn import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4)) * [1, 10, 100, 0.1] + 5
THREE = np.arange(120) % 3

#: Labels of every kind.
LABELS = {
    "two": (X[:, 0] > 5).astype(int),
    "three": THREE * 7 - 3,
    "two words": np.array(["no", 'yes "?? \\ é'])[(X[:, 1] > 5).astype(int)],
    "three words": np.array(["a", "b", "c"], dtype=object)[THREE],
    "truth": X[:, 0] > 5,
    "floats": THREE * 2.0,
    "large": np.array([-(2**63), 2**63 - 1])[(X[:, 0] > 5).astype(int)],
    "several": rng.integers(0, 2, (120, 3)),
}
SCALERS = {
    "nothing": list,
    "StandardScaler": lambda: [StandardScaler()],
    "no mean": lambda: [StandardScaler(with_mean=False), "passthrough"],
    "no scale": lambda: [StandardScaler(with_std=False)],
    "MinMaxScaler": lambda: [MinMaxScaler()],
    "clipped": lambda: [MinMaxScaler((-2, 3), clip=True)],
    "RobustScaler": lambda: [RobustScaler()],
    "no centre": lambda: [RobustScaler(with_centering=False, with_scaling=False), MaxAbsScaler()],
    "Normalizer": lambda: [StandardScaler(), Normalizer()],
    "inside": lambda: [make_pipeline(StandardScaler(), MaxAbsScaler())],
}


def trained(kind, *before, y, rows=X, **arguments):
    """Train a small net, behind other steps if there are any."""
    net = kind(hidden_layer_sizes=(6,), max_iter=20, random_state=0, **arguments)
    whole = make_pipeline(*before, net) if before else net
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 20 epochs are few
        return whole.fit(rows, y)


def net_of(whole):
    return (whole[-1] if isinstance(whole, Pipeline) else whole).model_


def in_onnx(whole, path, feeds=None, rows=X):
    """Compute all outputs with onnxruntime, by name."""
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    nn.onnx.export(whole, path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    feeds = {"input": rows.astype(net_of(whole).params.dtype)} if feeds is None else feeds
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, feeds), strict=True))


def in_numpy(whole):
    space = {}
    exec(to_numpy(whole), space)
    return space


@pytest.fixture(scope="module")
def compiler():
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler")
    return found


PROGRAM = """
#include <stdio.h>
#include "net.h"
int main(void)
{
    %(real)s x[NET_INPUTS], y[NET_OUTPUTS];
    while (fread(x, sizeof x[0], NET_INPUTS, stdin) == NET_INPUTS) {
        %(call)s
        for (long i = 0; i < NET_OUTPUTS; i++) printf(" %%.17g", (double)y[i]);
        printf("\\n");
    }
    return 0;
}
"""
#: How a label is printed, by the kind of its dtype.
PRINTED = {"i": "%lld", "b": "%lld", "f": "%.17g", "U": "%s", "O": "%s"}


def in_c(compiler, whole, folder, *, label=None, rows=X):
    """Compile the header into a program; return what it prints of each row: label and numbers."""
    dtype = net_of(whole).params.dtype
    to_c(whole, folder / "net.h")
    call = "net_predict(x, y);"
    if label:
        call = f'long k = net_classify(x, y); printf("{label}\\n", net_labels[k]);'
    real = "float" if dtype == np.float32 else "double"
    (folder / "main.c").write_text(PROGRAM % {"real": real, "call": call})
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-O1"]
    built = subprocess.run(
        [compiler, *flags, "main.c", "-lm", "-o", "program"], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    done = subprocess.run(
        [folder / "program"], input=rows.astype(dtype).tobytes(), capture_output=True, check=True
    )
    lines = done.stdout.decode().splitlines()
    labels, numbers = (lines[::2], lines[1::2]) if label else (None, lines)
    return labels, np.array([line.split() for line in numbers], float)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", LABELS)
def test_classifiers(labels, dtype, compiler, tmp_path):
    y = LABELS[labels]
    net = trained(MLPClassifier, y=y, dtype=dtype, scale_inputs=True, calibration_fraction=0.3)
    assert net.temperature_ != 1
    expected, chances = net.predict(X), net.predict_proba(X)
    found = in_onnx(net, tmp_path / "net.onnx")
    assert list(found) == ["label", "probabilities"]
    np.testing.assert_array_equal(found["label"], expected)
    kinds = {"O": "O", "U": "O"}  # as onnxruntime gives text
    assert found["label"].dtype.kind == kinds.get(expected.dtype.kind, expected.dtype.kind)
    assert found["probabilities"].dtype == dtype
    np.testing.assert_allclose(found["probabilities"], chances, atol=1e-6)

    source = in_numpy(net)
    np.testing.assert_array_equal(source["predict"](X), expected)
    np.testing.assert_allclose(source["predict_proba"](X), chances, atol=1e-6)

    label = None if labels == "several" else PRINTED[y.dtype.kind]
    said, numbers = in_c(compiler, net, tmp_path, label=label)
    np.testing.assert_allclose(numbers, chances, atol=1e-6)
    if label:
        number = {"i": int, "b": lambda text: bool(int(text)), "f": float}.get(y.dtype.kind, str)
        assert list(map(number, said)) == expected.tolist()


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scalers_in_front(scaler, dtype, compiler, tmp_path):
    pipe = trained(MLPClassifier, *SCALERS[scaler](), y=THREE, dtype=dtype)
    beyond = np.concatenate([X, X * 3, X - 500])
    exact = 1e-6 if dtype == "float64" else 2e-5  # where the rows themselves are rounded
    chances = pipe.predict_proba(beyond)
    found = in_onnx(pipe, tmp_path / "net.onnx", rows=beyond)["probabilities"]
    np.testing.assert_allclose(found, chances, atol=exact)
    np.testing.assert_allclose(in_numpy(pipe)["predict_proba"](beyond), chances, atol=exact)
    _, numbers = in_c(compiler, pipe, tmp_path, label="%lld", rows=beyond)
    np.testing.assert_allclose(numbers, chances, atol=exact)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("loss", ["squared_error", "scaled", "poisson", "gaussian"])
def test_regressors(loss, outputs, dtype, compiler, tmp_path):
    y = np.abs(X[:, :outputs]) if outputs > 1 else np.abs(X[:, 0])
    given = {"gaussian": nn.GaussianNLL(), "scaled": "squared_error"}.get(loss, loss)
    if loss == "scaled":
        y = y * 1000 + 1e6
    pipe = trained(
        MLPRegressor, StandardScaler(), y=y, loss=given, dtype=dtype, scale_targets=loss == "scaled"
    )
    expected = pipe.predict(X)
    found = in_onnx(pipe, tmp_path / "net.onnx")
    assert list(found) == ["variable"]
    assert found["variable"].dtype == expected.dtype
    rtol = 1e-6 if dtype == "float64" else 5e-6
    np.testing.assert_allclose(found["variable"], expected.reshape(120, -1), rtol=rtol, atol=1e-6)
    source = in_numpy(pipe)["predict"](X)
    assert source.dtype == expected.dtype
    np.testing.assert_allclose(source, expected, rtol=rtol, atol=1e-6)
    _, numbers = in_c(compiler, pipe, tmp_path)
    np.testing.assert_allclose(numbers, expected.reshape(120, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("labels", ["two", "three", "several"])
def test_a_hinge_gives_scores(labels, compiler, tmp_path):
    y = LABELS[labels]
    net = trained(MLPClassifier, y=y, loss=nn.Hinge(), scale_inputs=True)
    found = in_onnx(net, tmp_path / "net.onnx")
    assert list(found) == ["label", "scores"]
    np.testing.assert_array_equal(found["label"], net.predict(X))
    np.testing.assert_array_equal(in_numpy(net)["predict"](X), net.predict(X))
    said, numbers = in_c(compiler, net, tmp_path, label=None if labels == "several" else "%lld")
    np.testing.assert_allclose(numbers, found["scores"], rtol=1e-6, atol=1e-6)
    if said:
        assert list(map(int, said)) == net.predict(X).tolist()


def table():
    pd = pytest.importorskip("pandas")
    size = [None if i % 9 == 0 else float(i) for i in range(60)]
    city = [("Bern", "Genf", None, "Chur")[i % 4] for i in range(60)]
    return pd.DataFrame({"size": size, "city": city, "floor": np.arange(60) % 5})


def test_a_table_goes_along(compiler, tmp_path):
    frame = table()
    y = np.array(["cheap", "dear"])[(np.arange(60) > 30).astype(int)]
    encoder = nn.TableEncoder(categorical=["city", "floor"]).fit(frame)
    layers = [encoder.layer(), nn.Dense(encoder.width, 8), nn.ReLU(), nn.Dense(8, 1)]
    before = nn.TableEncoder(categorical=["city", "floor"])
    pipe = trained(MLPClassifier, before, y=y, rows=frame, layers=layers)
    chances = pipe.predict_proba(frame)
    feeds = {
        "size": frame["size"].to_numpy(float),
        "city": frame["city"].fillna("").to_numpy(object),
        "floor": frame["floor"].to_numpy(np.int64),
    }
    found = in_onnx(pipe, tmp_path / "net.onnx", feeds)
    np.testing.assert_allclose(found["probabilities"], chances, atol=1e-6)
    np.testing.assert_array_equal(found["label"], pipe.predict(frame))

    source = in_numpy(pipe)
    np.testing.assert_allclose(source["predict_proba"](frame), chances, atol=1e-6)
    np.testing.assert_array_equal(source["predict"](frame), pipe.predict(frame))

    encoded = pipe[0].transform(frame)
    said, numbers = in_c(compiler, pipe, tmp_path, label="%s", rows=encoded)
    np.testing.assert_allclose(numbers, chances, atol=1e-6)
    assert said == pipe.predict(frame).tolist()


def test_c_has_no_label_where_there_is_no_answer(compiler, tmp_path):
    encoder = nn.TableEncoder(categorical=["city"]).fit(table())
    layers = [encoder.layer(), nn.Dense(encoder.width, 3)]
    pipe = trained(MLPClassifier, encoder, y=np.arange(60) % 3, rows=table(), layers=layers)
    rows = encoder.transform(table())[:2]
    rows[1, -1] = 99  # an id that is none
    to_c(pipe, tmp_path / "net.h")
    said, _ = in_c(compiler, pipe, tmp_path, label="%lld", rows=rows[:1])
    assert len(said) == 1
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "net.h"\nint main(void)\n{\n    const double x[NET_INPUTS] = {'
        + ", ".join(map(repr, rows[1].tolist()))
        + '};\n    double y[NET_OUTPUTS];\n    printf("%ld", net_classify(x, y));\n    return 0;\n}\n'
    )
    subprocess.run([compiler, "-std=c99", "main.c", "-lm", "-o", "none"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "none"], capture_output=True, check=True).stdout == b"-1"


def test_the_file_names_features_and_classes(tmp_path):
    onnx = pytest.importorskip("onnx")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    pipe = trained(MLPClassifier, StandardScaler(), y=LABELS["three words"], rows=frame)
    nn.onnx.export(pipe, tmp_path / "net.onnx")
    notes = {one.key: json.loads(one.value) for one in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert notes["feature_names"] == ["a", "b", "c", "d"]
    assert notes["classes"] == ["a", "b", "c"]
    assert "x[3]  'd'" in to_c(pipe)


def test_what_is_handed_over_changes_nothing(tmp_path):
    pytest.importorskip("onnx")
    pipe = trained(MLPClassifier, StandardScaler(), y=THREE)
    before = pipe.predict_proba(X)
    nn.onnx.export(pipe, tmp_path / "net.onnx")
    to_c(pipe)
    assert len(pipe[-1].model_) == 3
    np.testing.assert_array_equal(pipe.predict_proba(X), before)


def test_times_far_from_0_are_warned_of(tmp_path):
    times = np.column_stack([1.7e9 + np.arange(120.0), X[:, 0]])
    pipe = trained(MLPRegressor, StandardScaler(), y=X[:, 0], rows=times, dtype="float32")
    with pytest.warns(nn.errors.DataWarning, match="takes a mean of about"):
        to_c(pipe)
    np.testing.assert_allclose(in_numpy(pipe)["predict"](times), pipe.predict(times), atol=1e-6)


class Doubled(StandardScaler):
    """A step that does more than the one whose name it has."""


Doubled.__name__ = "StandardScaler"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MLPClassifier(), ValueError, "not fitted"),
        (lambda: make_pipeline(StandardScaler(), MLPClassifier()), ValueError, "not fitted"),
        (lambda: trained(MLPClassifier, PCA(2), y=THREE), ArgumentError,
         r"to_c: step 'pca': expected one of StandardScaler, .* got PCA\. TableEncoder"),
        (lambda: trained(MLPClassifier, Normalizer("max"), y=THREE), ArgumentError,
         r"step 'normalizer': expected a Normalizer by the l2 norm, got one by the max norm"),
        (lambda: trained(MLPClassifier, Doubled(), y=THREE), ArgumentError, "got StandardScaler"),
        (lambda: Pipeline([("a", StandardScaler()), ("b", trained(MLPClassifier, y=THREE))]), ArgumentError,
         r"step 'a': expected a step that was fitted"),
        (lambda: make_pipeline(StandardScaler(), StandardScaler()), ArgumentTypeError,
         r"a Pipeline that ends in an estimator of nnlite\.sklearn, got one that ends in StandardScaler"),
        (lambda: GridSearchCV(MLPClassifier(random_state=0), {"max_iter": [1, 2]}, cv=2).fit(X, THREE),
         ArgumentTypeError, "Give its best_estimator_"),
        (lambda: trained(MLPClassifier, y=np.zeros(120)), ArgumentError, "two classes or more"),
        (lambda: trained(MLPClassifier, y=np.array(["a", "\ud800"])[THREE % 2]), ArgumentError, "UTF-8"),
        (lambda: StandardScaler(), ArgumentTypeError, "expected a Sequential"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_handed_over_is_named(make, error, message):
    with pytest.raises(error, match=message):
        to_c(make())


def test_an_estimator_knows_its_classes(tmp_path):
    pytest.importorskip("onnx")
    net = trained(MLPClassifier, y=THREE)
    with pytest.raises(ArgumentError, match=r"export\(classes=\): expected None, of an estimator"):
        nn.onnx.export(net, tmp_path / "net.onnx", classes=["a", "b", "c"])


@pytest.mark.filterwarnings("ignore")
def test_labels_that_onnx_does_not_hold_are_refused(tmp_path):
    pytest.importorskip("onnx")
    net = trained(MLPClassifier, y=np.array([1, 2**63 + 5], np.uint64)[THREE % 2])
    with pytest.raises(
        ArgumentError, match=r"labels: expected numbers that int64 holds, got 9223372036854775813"
    ):
        nn.onnx.export(net, tmp_path / "net.onnx")
