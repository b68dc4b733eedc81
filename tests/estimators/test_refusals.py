"""What was refused has changed nothing: attributes, weights, calibration, draws and answers are as before."""

import pickle
from contextlib import nullcontext as no_error
from functools import cache

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
each = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
rng = np.random.default_rng(0)
X, NEW = rng.normal(size=(40, 3)), rng.normal(size=(5, 3))
NARROW = X[:, :2]
Y = {
    MLPClassifier: np.array(["no", "yes"])[(X[:, 0] + rng.normal(size=40) > 0).astype(int)],
    MLPRegressor: X[:, 0],
}


class Fails(nn.Callback):
    """Raises an error of its own in the first epoch, behind so many batches."""

    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, state):
        self.left -= 1
        if not self.left:
            raise RuntimeError("disk full")


def spoiled(array, value, place=3):
    array = np.array(array, dtype=object if isinstance(value, str) or value is None else None)
    array.flat[place] = value
    return array


def bad_rows(kind):
    """Return what `fit`, `partial_fit`, `calibrate` and `score` refuse, as (X, y, sample_weight)."""
    y = Y[kind]
    ones = np.ones(40)
    found = [(one, y, None) for one in bad_inputs() if one is not NARROW]
    found += [(X[:9], y, None), (X, y[:9], None), (X, None, None), (X, spoiled(y, None), None)]
    found += [(X, y, ones[:9]), (X, y, spoiled(ones, np.nan)), (X, y, np.ma.array(ones, mask=X[:, 0] > 0))]
    found += [(X, np.ma.array(np.arange(40.0), mask=X[:, 0] > 0), None)]
    if kind is MLPClassifier:
        return [*found, (X, spoiled(y.astype(object), 3.5), None)]
    return found + [(X, spoiled(y, value), None) for value in (np.nan, np.inf, "a")]


def bad_inputs():
    """Return what `predict` refuses, and `fit` too but for the first."""
    masked = np.ma.array(X, mask=X > 1.5)
    strange = [spoiled(X, value) for value in (np.nan, np.inf, "west", None)]
    return [NARROW, X[0], X[:0], *strange, masked, list(masked), "text", None]


BAD_PARAMETERS = [
    {"alpha": -1},
    {"solver": "ghost"},
    {"loss": "ghost"},
    {"dtype": "int8"},
    {"max_iter": 0},
    {"random_state": "seed"},
    {"calibration_fraction": 2.0},
    {"hidden_layer_sizes": (3, 0)},
    {"activation": "swish"},
    {"activation": ["relu"] * 4},
    {"dropout": [0.5, 0.5, 0.5]},
    {"dropout": 0.5, "solver": "lbfgs"},
    {"layers": [nn.Dense(9, 1)]},
    {"layers": []},
    {"callbacks": [print]},
    {"callbacks": nn.EarlyStopping()},
    {"callbacks": [nn.EarlyStopping(monitor="ghost")]},
    {"scoring": "ghost"},
    {"scoring": lambda *_: "good", "early_stopping": True},
    {"validation_fraction": 0.001, "early_stopping": True},
]


def state(net):
    """Return all there is to know about an estimator, in a form that can be compared."""
    found = {}
    for name, value in vars(net).items():
        if name == "model_":
            layers = [
                {key: array.tobytes() for key, array in layer.buffers.items()} for layer in value.layers
            ]
            found[name] = (id(value), value.params.values.tobytes(), repr(value), layers, value.feature_names)
        elif name == "_optimizer":
            moments = {key: array.tobytes() for key, array in value.state.items()}
            found[name] = (repr(value), moments)
        elif name == "history_":
            found[name] = repr(value.to_dict())
        elif name == "random_state" and isinstance(value, np.random.RandomState):
            found[name] = repr(value.get_state())
        elif isinstance(value, np.ndarray):
            found[name] = (
                value.dtype,
                value.shape,
                value.tobytes() if value.dtype != object else value.tolist(),
            )
        elif isinstance(value, list):
            found[name] = (id(value), repr(value))
        else:
            found[name] = value
    return found


@cache
def pickled(kind, seed, warm):
    random_state = np.random.RandomState(3) if seed is None else seed
    net = kind(hidden_layer_sizes=4, max_iter=3, batch_size=16, random_state=random_state, warm_start=warm)
    net.fit(X, Y[kind])
    return pickle.dumps(net.calibrate(X[::-1] + 0.3, Y[kind][::-1]))


def fitted(kind, seed=0, *, warm=False):
    """Return an estimator that is trained, and calibrated."""
    return pickle.loads(pickled(kind, seed, warm))


def answers(net):
    found = [net.predict(NEW), net.transform(NEW)]
    found += [net.predict_proba(NEW)] if isinstance(net, MLPClassifier) else net.predict_interval(NEW, 0.8)
    return [one.tolist() for one in found]


BAD_NAMES = [{"ghost": 1}, {"ghost__x": 1}, {"alpha__x": 1}]
WAYS = [
    "fit",
    "partial_fit",
    "calibrate",
    "score",
    "predict",
    "transform",
    "set_params",
    "parameters",
    "validation",
]


@each
@settings(max_examples=50)
@given(data=st.data())
def test_whatever_is_refused(kind, data):
    net = fitted(kind, data.draw(st.sampled_from([0, None])), warm=data.draw(st.booleans()))
    expected = answers(net)
    way = data.draw(st.sampled_from(WAYS))
    rows = [] if way == "fit" else [(NARROW, Y[kind], None)]
    rows = data.draw(st.sampled_from([*rows, *bad_rows(kind)]))
    if way == "parameters":
        net.set_params(**data.draw(st.sampled_from(BAD_PARAMETERS)))
    before = state(net)
    if way in ("predict", "transform"):
        act, given = getattr(net, way), [data.draw(st.sampled_from(bad_inputs()))]
    elif way == "set_params":
        act, given = (lambda bad: net.set_params(alpha=3.0, **bad)), [data.draw(st.sampled_from(BAD_NAMES))]
    elif way == "parameters":
        act, given = net.fit, [X, Y[kind]]
    elif way == "validation":
        act, given = (lambda rows: net.fit(X, Y[kind], validation=rows)), [rows]
    else:
        act, given = getattr(net, way), rows
    with pytest.raises((ValueError, TypeError, AttributeError)):
        act(*given)
    assert state(net) == before
    assert answers(net) == expected


@each
@settings(max_examples=25)
@given(data=st.data())
def test_before_the_first_fit(kind, data):
    net = kind(**data.draw(st.sampled_from([{}, *BAD_PARAMETERS])))
    rows = data.draw(st.sampled_from(bad_rows(kind)))
    before = state(net)
    first = {"classes": ["no", "yes"]} if kind is MLPClassifier else {}
    way = data.draw(st.sampled_from(["fit", "partial_fit"]))
    with pytest.raises((ValueError, TypeError, AttributeError)):
        getattr(net, way)(*rows, **first if way == "partial_fit" else {})
    assert state(net) == before
    assert not hasattr(net, "n_features_in_")


@each
@pytest.mark.parametrize("way", ["fit", "warm_start", "partial_fit"])
@pytest.mark.parametrize("batches", [2, 4])
def test_errors_of_the_users_own(kind, way, batches):
    """In the first epoch of another net they change nothing; what goes on keeps the steps that were made."""
    net = fitted(kind)
    expected, weights = answers(net), net.model_.params.values.copy()
    net.set_params(callbacks=Fails(batches), warm_start=way == "warm_start")
    with (
        pytest.raises(RuntimeError, match="disk full") if (way, batches) != ("partial_fit", 4) else no_error()
    ):
        getattr(net, "partial_fit" if way == "partial_fit" else "fit")(X, Y[kind])
    if way == "fit" and batches == 2:
        assert answers(net) == expected
        return
    assert (net.model_.params.values != weights).any()
    assert getattr(net, "temperature_", 1.0) == 1.0
    assert not hasattr(net, "calibration_errors_")


@each
def test_a_fit_that_is_refused_keeps_the_calibration(kind):
    net = kind(hidden_layer_sizes=4, calibration_fraction=0.5, solver="lbfgs", max_iter=9, random_state=0)
    net.fit(X + 0.5 * X[::-1], Y[kind])
    expected = answers(net)
    for rows in bad_rows(kind):
        with pytest.raises((ValueError, TypeError)):
            net.fit(*rows)
    assert answers(net) == expected
    if kind is MLPClassifier:
        assert net.temperature_ != 1.0
        with pytest.raises(ArgumentError, match="a loss that gives probabilities"):
            net.set_params(loss=nn.Hinge()).fit(X, Y[kind])
        assert answers(net.set_params(loss="log_loss")) == expected


@each
def test_parameters_are_set_all_or_none(kind):
    net = kind()
    for names in BAD_NAMES:
        with pytest.raises((ValueError, AttributeError)):
            net.set_params(alpha=3.0, **names)
        assert net.alpha == 0.0001
    assert net.set_params(alpha=3.0, tol=0.1).get_params()["alpha"] == 3.0
