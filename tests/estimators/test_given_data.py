"""What an estimator cannot take: text, dates, masks, labels missing or mixed, weights of other classes."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from estimator_data import quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_sample_weight

from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.sklearn import MLPClassifier, MLPRegressor
from nnlite.sklearn.class_weights import ClassWeights

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
each = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])


# Inputs.


@each
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_of_text_is_named_with_the_way_to_encode_it(data, kind, library):
    frames = pytest.importorskip(library)
    columns = dict(zip("abcde", data.X.T, strict=True))
    plain, mixed = frames.DataFrame(columns), frames.DataFrame(columns | {"c": ["west", "east"] * 60})
    says = (
        rf"X of {kind.__name__}: expected numbers in every column, got 'west' in column 'c'\. .*TableEncoder"
    )
    with pytest.raises(ArgumentError, match=says):
        quick(kind).fit(mixed, data.binary)
    net = quick(kind).fit(plain, data.binary)
    for ask in (net.predict, net.transform, lambda X: net.score(X, data.binary)):
        with pytest.raises(ArgumentError, match=says):
            ask(mixed)


@each
def test_other_columns_that_hold_no_numbers(data, kind):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(data.X, columns=list("abcde"))
    for column, says in (
        (pandas.to_datetime(["2020-01-01"] * 120), r"datetime64\[.*\] in column 'c'\. Encode it"),
        (pandas.Categorical(["x", "y"] * 60), "'x' in column 'c'"),
        ([pandas.NA] * 120, "<NA> in column 'c'. Fill or drop"),
    ):
        with pytest.raises(ArgumentError, match=says):
            quick(kind).fit(frame.assign(c=column), data.binary)
    with pytest.raises(ArgumentError, match="'west' in column 1"):
        quick(kind).fit([[1.0, "west"], [2.0, "east"]], [0, 1])
    with pytest.raises(ArgumentError, match="'west' in column 0"):
        quick(kind).fit(["west", "east"], [0, 1])  # as a series is
    quick(kind).fit(
        frame.assign(c=["1.5"] * 120), data.binary
    )  # text that says a number is one for scikit-learn


@each
def test_masked_numbers_are_refused(data, kind):
    net = quick(kind).fit(data.X, data.binary)
    masked = np.ma.array(data.X, mask=data.X > 1)
    weight = np.ma.array(data.weight, mask=data.weight > 1)
    for ask in (
        lambda: net.fit(masked, data.binary),
        lambda: net.partial_fit(masked, data.binary),
        lambda: net.predict(list(masked[:5])),
        lambda: net.predict([np.ma.array([999.0, 1, 1, 1, 1], mask=[True, False, False, False, False])]),
        lambda: net.transform(masked),
        lambda: net.score(masked, data.binary),
        lambda: net.score(data.X, data.binary, weight),
        lambda: net.fit(data.X, data.binary, weight),
        lambda: net.fit(data.X, np.ma.array(data.binary, mask=data.X[:, 0] > 0)),
        lambda: net.fit(data.X, data.binary, validation=(masked, data.binary)),
        lambda: net.calibrate(masked, data.binary),
    ):
        with pytest.raises(ArgumentError, match="masked entries"):
            ask()
    whole = quick(kind).fit(np.ma.array(data.X), np.ma.array(data.binary))
    np.testing.assert_array_equal(whole.coefs_[0], net.coefs_[0])


@pytest.mark.parametrize("way", ["masked", "None", "NA", "Float64"])
def test_what_says_that_a_target_is_missing(data, way):
    pandas = pytest.importorskip("pandas")
    gone = data.X[:, 1] > 0.8
    y = {
        "masked": np.ma.array(np.where(gone, 1e9, data.y), mask=gone),
        "None": [None if out else value for out, value in zip(gone, data.y, strict=True)],
        "NA": np.where(gone, pandas.NA, data.y.astype(object)),
        "Float64": pandas.Series(np.where(gone, np.nan, data.y)).astype("Float64"),
    }[way]
    plain = quick(MLPRegressor, mask_missing_targets=True).fit(data.X, np.where(gone, np.nan, data.y))
    other = quick(MLPRegressor, mask_missing_targets=True).fit(data.X, y)
    np.testing.assert_array_equal(other.coefs_[0], plain.coefs_[0])
    assert other.score(data.X, y) == pytest.approx(plain.score(data.X, np.where(gone, np.nan, data.y)))
    with pytest.raises((ValueError, TypeError)):
        quick(MLPRegressor).fit(data.X, y)


# Labels.


def labels_without(library):
    return {
        "list": ["a", None] * 60,
        "objects": np.array(["a", None] * 60, dtype=object),
        "nan": np.array(["a", np.nan] * 60, dtype=object),
        "numbers": np.array([1, None] * 60, dtype=object),
        "string": library.Series(["a", None] * 60, dtype="string"),
        "category": library.Categorical(["a", None] * 60),
        "NA": library.array([1, library.NA] * 60).astype(object),
    }


@pytest.mark.parametrize("way", ["list", "objects", "nan", "numbers", "string", "category", "NA"])
def test_a_label_that_is_missing_is_named_by_its_row(data, way):
    labels = labels_without(pytest.importorskip("pandas"))[way]
    says = r"y of MLPClassifier: expected a label in every row, got .* in row 1, and 59 more\. Drop"
    net = quick(MLPClassifier).fit(data.X, ["a", "b"] * 60)
    for ask in (
        lambda: net.fit(data.X, labels),
        lambda: net.partial_fit(data.X, labels),
        lambda: net.score(data.X, labels),
        lambda: net.calibrate(data.X, labels),
        lambda: net.fit(data.X, ["a", "b"] * 60, validation=(data.X, labels)),
    ):
        with pytest.raises(ArgumentError, match=says):
            ask()
    with pytest.raises(ArgumentError, match="classes of MLPClassifier: expected a label in every row"):
        quick(MLPClassifier).partial_fit(data.X, ["a", "b"] * 60, classes=["a", None])


@pytest.mark.parametrize(
    "labels", [["a", 1] * 60, np.array(["a", 2.0] * 60, dtype=object)], ids=["list", "array"]
)
def test_labels_of_two_kinds_are_refused(data, labels):
    with pytest.raises(ArgumentTypeError, match=r"labels of one kind, got 'a' and .*\. Make text of all"):
        quick(MLPClassifier).fit(data.X, labels)


# Weights of classes.


def test_weights_of_classes_are_those_of_scikit_learn(rng):
    from sklearn.preprocessing import LabelBinarizer

    for classes in (["a", "b"], ["a", "b", "c"]):
        y = rng.choice(classes, 60, p=np.arange(1, len(classes) + 1) / sum(range(len(classes) + 1)))
        indicator = LabelBinarizer().fit(classes).transform(y).astype(bool)
        for given in ("balanced", {"a": 3.0}, {"a": 3.0, "b": 0.5}):
            rows = ClassWeights(given, np.array(classes), indicator, several=False).rows(indicator)
            np.testing.assert_array_equal(rows, compute_sample_weight(given, y))
    labels = rng.integers(0, 2, (60, 3))
    for given in ("balanced", [{0: 1, 1: 5}, {0: 2, 1: 1}, {0: 1, 1: 1}]):
        rows = ClassWeights(given, np.arange(3), labels.astype(bool), several=True).rows(labels.astype(bool))
        np.testing.assert_allclose(rows, compute_sample_weight(given, labels))


@pytest.mark.parametrize("task", ["binary", "species", "labels"])
def test_balanced_takes_a_row_of_weight_2_for_two(data, task):
    X, y = (data.iris, data.species) if task == "species" else (data.X, getattr(data, task))
    weight = np.arange(len(X)) % 3
    copies = np.repeat(np.arange(len(X)), weight)
    one, same = (
        quick(MLPClassifier, class_weight="balanced", solver="lbfgs").fit(*given)
        for given in ((X, y, weight), (X[copies], y[copies]))
    )
    np.testing.assert_allclose(one.coefs_[0], same.coefs_[0], rtol=1e-6, atol=1e-8)


def test_a_batch_may_lack_a_class_that_has_a_weight(data):
    weights = {"a": 1.0, "b": 4.0}
    net, plain = (quick(MLPClassifier, class_weight=w) for w in (weights, None))
    for rows, label in ((slice(0, 30), "a"), (slice(30, 60), "b"), (slice(60, 90), "c")):
        y = [label] * 30
        net.partial_fit(data.X[rows], y, classes=["a", "b", "c"])
        plain.partial_fit(data.X[rows], y, np.full(30, weights.get(label, 1.0)), classes=["a", "b", "c"])
    assert net.classes_.tolist() == ["a", "b", "c"]
    assert np.isfinite(net.loss_curve_).all()


def test_weights_for_each_of_several_labels(data):
    plain = quick(MLPClassifier, max_iter=100).fit(data.X, data.labels)
    net = quick(MLPClassifier, max_iter=100, class_weight=[{1: 30.0}, {}, {}]).fit(data.X, data.labels)
    assert net.predict(data.X)[:, 0].mean() > plain.predict(data.X)[:, 0].mean() + 0.1


@pytest.mark.parametrize(
    ("several", "given", "error", "says"),
    [
        (False, {"z": 2.0, 0: 1.0}, ArgumentError, r"weights of the classes \[0, 1\], got one of 'z'"),
        (False, [{0: 1.0}], ArgumentTypeError, "a dict of weights by class"),
        (False, {0: -1.0}, ArgumentError, "class 0: expected a finite number of at least 0"),
        (False, {0: "heavy"}, ArgumentTypeError, "class 0"),
        (True, {0: 1.0, 1: 2.0}, ArgumentTypeError, "a list with a dict for each of 3 labels"),
        (True, [{0: 1.0}] * 2, ArgumentError, "a dict for each of 3 labels, got 2"),
        (True, [{2: 1.0}] * 3, ArgumentError, r"label 0: expected weights of the classes \[0, 1\]"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_refused(data, several, given, error, says):
    with pytest.raises(error, match=says):
        quick(MLPClassifier, class_weight=given).fit(data.X, data.labels if several else data.binary)


def test_a_fold_may_lack_a_class_if_all_others_have_weights(data):
    quick(MLPClassifier, class_weight={0: 1.0, 1: 2.0, 2: 9.0}).fit(data.X, data.binary)
