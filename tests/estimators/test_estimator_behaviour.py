"""The estimators beyond their steps: errors, warnings, states, and what scikit-learn does with them."""

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

import joblib
from estimator_data import quick
from sklearn import config_context
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import PoissonRegressor
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.sklearn import MLPClassifier, MLPRegressor

NOT_CONVERGED = f"{ConvergenceWarning.__module__}.ConvergenceWarning"
ignore_convergence = pytest.mark.filterwarnings(f"ignore::{NOT_CONVERGED}")
each = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
pytestmark = ignore_convergence


# The interface.


@each
def test_every_parameter_of_scikit_learn_is_there_with_its_default(kind):
    assert getattr(theirs, kind.__name__)().get_params().items() <= kind().get_params().items()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("hidden_layer_sizes", 0),
        ("hidden_layer_sizes", (8, -1)),
        ("activation", "ghost"),
        ("solver", "hadoken"),
        ("alpha", -1),
        ("batch_size", 0),
        ("learning_rate", "ghost"),
        ("learning_rate_init", -1),
        ("power_t", -0.1),
        ("max_iter", -1),
        ("shuffle", "true"),
        ("random_state", "seed"),
        ("tol", -1.0),
        ("momentum", 2),
        ("nesterovs_momentum", "yes"),
        ("early_stopping", "true"),
        ("validation_fraction", 1),
        ("beta_1", 1),
        ("beta_2", -0.5),
        ("epsilon", -0.5),
        ("n_iter_no_change", -1),
        ("max_fun", 0),
    ],
)
@each
def test_a_wrong_parameter_is_refused_as_by_scikit_learn(data, kind, setting, value):
    errors = []
    for maker in (kind, getattr(theirs, kind.__name__)):
        with pytest.raises(ValueError, match=setting) as error:
            quick(maker, **{setting: value}).fit(data.X, data.binary)
        errors.append(error.value)
    if setting != "activation":  # ours takes more, and says which
        assert type(errors[0]) is type(errors[1])
        # Up to the choices, whose order changes from run to run.
        assert (
            f"{errors[0]}".split("{")[0].split(". Got")[0] == f"{errors[1]}".split("{")[0].split(". Got")[0]
        )


def test_a_wrong_loss_is_refused(data):
    with pytest.raises(InvalidParameterError, match="loss"):
        quick(MLPRegressor, loss="absolute").fit(data.X, data.y)
    with pytest.raises(ArgumentError, match="counts of at least 0"):
        quick(MLPRegressor, loss="poisson").fit(data.X, data.y - 10)


@each
def test_without_fit_there_are_no_weights(kind):
    net = kind()
    assert not hasattr(net, "coefs_")
    assert not hasattr(net, "intercepts_")
    with pytest.raises(NotFittedError):
        net.predict([[1.0]])
    with pytest.raises(AttributeError, match="coefs_"):
        net.coefs_ = []


@each
def test_writing_to_the_weights_changes_what_is_predicted(data, kind):
    net = quick(kind).fit(data.X, data.binary)
    for one in (net, pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        for views in (one.coefs_, one.intercepts_):
            for array in views:
                array[...] = 0.0
        one.intercepts_[-1] = [3.0]  # in the place of a whole array
        assert one.model_.predict(data.X[:2]).tolist() == [[3.0], [3.0]]
        with pytest.raises(ArgumentError, match=r"shape \(5, 8\)"):
            one.coefs_[0] = np.zeros((2, 2))
        with pytest.raises(ArgumentError, match="2 arrays"):
            one.coefs_ = [np.zeros((5, 8))]


@each
def test_numbers_stay_what_they_are_through_pickle_joblib_and_copy(data, kind, tmp_path):
    net = quick(kind, early_stopping=True, validation_fraction=0.3).fit(data.X, data.binary)
    joblib.dump(net, tmp_path / "net.joblib")
    copies = [pickle.loads(pickle.dumps(net)), copy.deepcopy(net), joblib.load(tmp_path / "net.joblib")]
    for other in copies:
        assert (other.predict(data.X) == net.predict(data.X)).all()
        assert (other.loss_curve_, other.validation_scores_) == (net.loss_curve_, net.validation_scores_)


def test_a_loaded_net_goes_on_as_the_one_that_was_saved(data):
    net = quick(MLPRegressor).fit(data.X, data.y)
    other = pickle.loads(pickle.dumps(net))
    for one in (net, other):
        one.partial_fit(data.X, data.y).partial_fit(data.X, data.y)
    assert (net.coefs_[0] == other.coefs_[0]).all()


@each
@pytest.mark.parametrize(
    ("settings", "times"),
    [({"solver": "lbfgs"}, 1), ({"solver": "sgd"}, 2), ({}, 3), ({"early_stopping": True}, 3)],
    ids=str,
)
def test_a_pickle_has_the_weights_and_what_the_solver_keeps(data, kind, settings, times):
    net = quick(kind, hidden_layer_sizes=(60, 60), **settings).fit(data.X, data.binary)
    assert len(pickle.dumps(net)) < times * net.model_.params.values.nbytes + 12_000


@each
def test_a_pickle_does_not_grow_by_more_than_the_loss_curve(data, kind):
    net = quick(kind, hidden_layer_sizes=4)
    first = {"classes": [0, 1]} if kind is MLPClassifier else {}
    sizes = []
    for _ in range(2):
        for _ in range(150):
            net.partial_fit(data.X[:5], data.binary[:5], **first)
        sizes.append(len(pickle.dumps(net)))
    assert sizes[1] - sizes[0] < 150 * 12
    assert len(net.loss_curve_) == 300
    assert net.history_["epoch"] == list(range(201, 301))
    assert net.history_["loss"][-1] == pytest.approx(net.loss_curve_[-1])


def test_another_process_reads_the_pickle(data, tmp_path):
    net = quick(MLPClassifier).fit(data.X, np.array(["no", "yes"])[data.binary])
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    np.save(tmp_path / "X.npy", data.X)
    code = "import pickle, sys, numpy as np; folder = sys.argv[1]\n"
    code += "net = pickle.load(open(folder + '/net.pickle', 'rb'))\n"
    code += "print(''.join(word[0] for word in net.predict(np.load(folder + '/X.npy'))))"
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.strip() == "".join(word[0] for word in net.predict(data.X))


# The meaning of the parameters.


def test_a_larger_alpha_makes_smaller_weights(data):
    small, large = (quick(MLPClassifier, alpha=a, max_iter=50).fit(data.X, data.binary) for a in (0, 5.0))
    assert all(abs(b).sum() < abs(a).sum() for a, b in zip(small.coefs_, large.coefs_, strict=True))


def test_adaptive_ends_at_a_rate_below_a_millionth(data):
    net = quick(MLPClassifier, tol=0.5, max_iter=3000, solver="sgd", learning_rate="adaptive")
    net.fit(data.X, data.binary)
    assert net.n_iter_ < 3000
    assert net._optimizer.learning_rate < 1e-6


def test_invscaling_goes_on_with_warm_start(data):
    net = quick(MLPClassifier, solver="sgd", learning_rate="invscaling", power_t=0.25, warm_start=True)
    net.set_params(max_iter=1).fit(data.X, data.binary).fit(data.X, data.binary)
    assert net._optimizer.learning_rate == pytest.approx(net.learning_rate_init / (240 + 1) ** 0.25)


@pytest.mark.parametrize("patience", [2, 5])
def test_patience(data, patience):
    net = quick(MLPClassifier, tol=0.01, max_iter=1000, solver="sgd", n_iter_no_change=patience)
    net.fit(data.X, data.binary)
    assert net._no_improvement_count == patience + 1
    assert net.n_iter_ < 1000


def test_patience_without_end(data):
    net = quick(MLPClassifier, tol=1e9, max_iter=40, solver="sgd", n_iter_no_change=np.inf)
    net.fit(data.X, data.binary)
    assert net.n_iter_ == 40
    assert net._no_improvement_count == 39


@each
def test_verbose(data, kind, capsys):
    quick(kind, verbose=True, early_stopping=True).fit(data.X, data.binary)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = 0.")
    assert lines[1].startswith("Validation score: ")
    quick(kind, verbose=True, solver="lbfgs", max_iter=2).fit(data.X, data.binary)
    assert len(capsys.readouterr().out.splitlines()) == 2
    quick(kind).fit(data.X, data.binary)
    assert capsys.readouterr().out == ""


@each
def test_early_stopping_leaves_the_best_weights(data, kind):
    net = quick(kind, early_stopping=True, max_iter=60, tol=0.05, learning_rate_init=0.05).fit(
        data.X, data.binary
    )
    assert net.best_loss_ is None
    assert max(net.validation_scores_) == net.best_validation_score_
    given = {"validation": (data.X[:40], data.binary[:40])}
    own = quick(kind, early_stopping=True, max_iter=30, learning_rate_init=0.1)
    own.fit(data.X[40:], data.binary[40:], **given)
    assert own.score(data.X[:40], data.binary[:40]) == pytest.approx(own.best_validation_score_)


def test_early_stopping_keeps_the_proportions_of_two_classes():
    with pytest.raises(ValueError, match="least populated class"):
        quick(MLPClassifier, early_stopping=True).fit([[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1])
    with pytest.raises(ValueError, match="validation set is too small"):
        quick(MLPRegressor, early_stopping=True).fit([[1.0], [2.0]], [1.0, 2.0])


@each
def test_warm_start_does_all_its_epochs(data, kind):
    net = quick(kind, solver="sgd", warm_start=True, max_iter=3)
    for _ in range(2):
        net.fit(data.X, data.binary)
        assert net.n_iter_ == 3
    assert len(net.loss_curve_) == len(net.history_) == 6
    assert net.history_["epoch"] == [1, 2, 3, 4, 5, 6]


def test_warm_start_wants_the_same_classes(data):
    net = quick(MLPClassifier, warm_start=True).fit(data.iris, data.species)
    with pytest.raises(ValueError, match=r"warm_start can only be used where `y` has the same classes"):
        net.fit(data.iris, np.minimum(data.species, 1))


def test_warm_start_takes_over_weights_into_a_net_that_is_described_anew(data):
    net = quick(MLPRegressor, warm_start=True, activation="identity").fit(data.X, data.y)
    before = net.coefs_[0].copy()
    net.set_params(activation="tanh", max_iter=1, learning_rate_init=1e-9).fit(data.X, data.y)
    assert isinstance(net.model_[1], nn.Tanh)
    np.testing.assert_allclose(net.coefs_[0], before, atol=1e-6)
    with pytest.raises(ArgumentError, match="warm_start=False"):
        net.set_params(hidden_layer_sizes=9).fit(data.X, data.y)
    net.set_params(activation="relu", hidden_layer_sizes=8, solver="lbfgs").fit(data.X, data.y)
    net.set_params(solver="adam", early_stopping=True).fit(data.X, data.y)
    assert len(net.validation_scores_) == net.n_iter_


# partial_fit.


def test_partial_fit_needs_all_classes_first(data):
    net = quick(MLPClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        net.partial_fit(data.X, data.binary)
    net.partial_fit(data.X[:1], data.binary[:1], classes=[0, 1, 2])
    assert net.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"not the same as on last call|`classes=.*` is not the same"):
        net.partial_fit(data.X, data.binary, classes=[1, 2])
    with pytest.raises(ValueError, match="`y` has classes not in"):
        net.partial_fit(data.X, data.binary + 2)


def test_partial_fit_with_words():
    net = quick(MLPClassifier).partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    net.partial_fit([[4]], ["d"])
    assert set(net.predict([[1], [2], [3], [4]])) <= set("abcd")


@each
def test_partial_fit_is_not_for_every_solver(data, kind):
    assert not hasattr(kind(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        quick(kind, early_stopping=True).fit(data.X, data.binary).partial_fit(data.X, data.binary)


# Warnings and bad numbers.


@each
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.filterwarnings("default")
def test_the_end_by_max_iter_draws_the_warning_of_scikit_learn(data, kind, solver):
    messages = []
    for maker in (kind, getattr(theirs, kind.__name__)):
        net = quick(maker, solver=solver, max_iter=3, n_iter_no_change=np.inf)
        with pytest.warns(ConvergenceWarning) as caught:
            net.fit(data.X, data.binary)
        messages.append(f"{caught[0].message}".split("\nYou might")[0])
        assert net.n_iter_ == 3
    assert messages[0] == messages[1]


@pytest.mark.filterwarnings("default")
def test_max_fun_ends_lbfgs(data):
    with pytest.warns(ConvergenceWarning, match="EVALUATIONS EXCEEDS LIMIT"):
        net = MLPRegressor(solver="lbfgs", max_fun=10, tol=0, random_state=0).fit(data.X, data.y)
    assert net.n_iter_ <= 10


@pytest.mark.filterwarnings("error")
def test_no_warning_where_training_converged(data):
    MLPRegressor(solver="lbfgs", tol=0.1, random_state=0).fit(data.X, data.y)
    MLPRegressor(tol=10.0, n_iter_no_change=2, random_state=0).fit(data.X, data.y)


@pytest.mark.filterwarnings("default")
def test_a_batch_larger_than_the_data_is_cut(data):
    with pytest.warns(UserWarning, match="batch_size"):
        quick(MLPClassifier, batch_size=1000).fit(data.X, data.binary)


@pytest.mark.nonfinite
@pytest.mark.filterwarnings("ignore")
def test_numbers_too_large_are_an_error_and_leave_what_was():
    rng = np.random.RandomState(0)
    X = np.finfo(np.float64).max * rng.uniform(size=(10, 2))
    for solver in ("adam", "lbfgs"):
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            MLPRegressor(solver=solver, random_state=0).fit(X, rng.standard_normal(10))


@pytest.mark.nonfinite
@pytest.mark.filterwarnings("default")
def test_divergence_with_early_stopping_keeps_the_best_weights(data):
    net = MLPRegressor(
        activation="identity",
        solver="sgd",
        learning_rate_init=1,
        max_iter=20,
        early_stopping=True,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="best weights before that are kept"):
        net.fit(data.iris, data.species)
    assert np.isnan(net.validation_scores_[-1])
    assert len(net.validation_scores_) == len(net.loss_curve_) == net.n_iter_ < 20
    assert np.isfinite(net.predict(data.iris)).all()


@each
@pytest.mark.filterwarnings("default")
def test_ctrl_c(data, kind):
    class Impatient(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 3:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Ctrl-C"):
        net = quick(kind, max_iter=50, callbacks=Impatient()).fit(data.X, data.binary)
    assert net.n_iter_ == 3
    assert net.history_.interrupted
    assert net.predict(data.X).shape == (120,)


@each
@pytest.mark.filterwarnings("default")
def test_warnings_point_to_the_line_that_called_fit(data, kind):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick(kind, batch_size=1000).fit(data.X * 1000, 1000 * data.binary)  # three, and of targets a fourth
        quick(kind, solver="lbfgs", max_time=1e-9).fit(data.X, data.binary)
        quick(kind, solver="lbfgs").fit(data.X, data.binary)
    assert len(caught) == (5 if kind is MLPClassifier else 6)
    assert {Path(one.filename).name for one in caught} == {Path(__file__).name}


@each
def test_what_is_refused_leaves_the_estimator_as_it_was(data, kind):
    net = quick(kind, dropout=0.5, solver="lbfgs")
    for _ in range(2):
        with pytest.raises(ArgumentError, match="bears noise"):
            net.fit(data.X, data.binary)
        with pytest.raises(NotFittedError):
            net.predict(data.X)
    net.set_params(solver="adam").fit(data.X, data.binary)
    before = net.predict(data.X)
    with pytest.raises(ArgumentTypeError, match="Callback"):
        net.set_params(callbacks=[print]).fit(data.X[:, :3], data.binary)
    assert (net.predict(data.X) == before).all()


@each
def test_an_error_of_the_users_own_keeps_what_was_learned(data, kind):
    class Fails(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 3:
                raise RuntimeError("disk full")

    net = quick(kind, callbacks=Fails())
    with pytest.raises(RuntimeError, match="disk full"):
        net.fit(data.X, data.binary)
    assert len(net.history_) == 3
    assert np.isfinite(net.coefs_[0]).all()


def test_another_solver_leaves_nothing_of_the_last_one(data):
    net = quick(MLPRegressor).fit(data.X, data.y).set_params(solver="lbfgs").fit(data.X, data.y)
    assert not hasattr(net, "best_loss_")


# With the rest of scikit-learn.


@each
def test_clone_and_repr(data, kind):
    net = quick(
        kind, layers=[nn.Dense(5, 4), nn.ReLU(), nn.Dense(4, 1)], callbacks=[nn.TimeLimit(9)], dropout=0.5
    )
    other = clone(net)
    assert other.get_params().keys() == net.get_params().keys()
    assert repr(other.layers) == repr(net.layers)
    assert other.layers[0] is not net.layers[0]
    assert repr(quick(kind)) == f"{kind.__name__}(hidden_layer_sizes=8, max_iter=5, random_state=0)"
    assert kind.__name__ in net._repr_html_()
    assert "fitted" in quick(kind).fit(data.X, data.binary)._repr_html_()


def test_grid_and_random_search(data):
    grid = GridSearchCV(
        quick(MLPClassifier),
        {"alpha": [1e-4, 1.0], "dropout": [None, 0.3], "activation": ["relu", "gelu"]},
        cv=2,
    )
    grid.fit(data.X, data.binary)
    assert len(grid.cv_results_["mean_test_score"]) == 8
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    search = RandomizedSearchCV(
        quick(MLPRegressor, scale_targets=True), {"alpha": [1e-4, 1.0, 10.0]}, n_iter=2, cv=2, random_state=0
    )
    assert search.fit(data.X, data.y).best_estimator_.model_ is not None


def test_cross_validation_in_two_processes(data):
    scores = [
        cross_val_score(quick(MLPClassifier, max_iter=20), data.iris, data.species, cv=3, n_jobs=jobs)
        for jobs in (1, 2)
    ]
    assert scores[0].tolist() == scores[1].tolist()


def test_pipeline_and_multi_output(data):
    pipe = make_pipeline(StandardScaler(), quick(MLPClassifier, max_iter=100, learning_rate_init=0.01))
    assert pipe.fit(data.iris, data.species).score(data.iris, data.species) > 0.8
    many = MultiOutputRegressor(quick(MLPRegressor)).fit(data.X, data.several)
    assert many.predict(data.X).shape == (120, 3)
    assert quick(MLPRegressor).fit(data.X, data.several).predict(data.X).shape == (120, 3)


@each
def test_weights_and_validation_are_routed(data, kind):
    with config_context(enable_metadata_routing=True):
        net = (
            quick(kind)
            .set_fit_request(sample_weight=True, validation=True)
            .set_score_request(sample_weight=True)
        )
        found = cross_validate(
            net,
            data.X,
            data.binary,
            cv=2,
            params={"sample_weight": data.weight, "validation": (data.X, data.binary)},
            return_estimator=True,
        )
    histories = [one.history_ for one in found["estimator"]]
    assert all(len(history["validation_loss"]) == 5 for history in histories)
    plain = cross_validate(quick(kind), data.X, data.binary, cv=2, return_estimator=True)["estimator"]
    assert plain[0].loss_ != found["estimator"][0].loss_


@each
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_and_their_names(data, kind, library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame(dict(zip("abcde", data.X.T, strict=True)))
    target = frames.Series("y", data.binary) if library == "polars" else frames.Series(data.binary)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        net = quick(kind, early_stopping=True).fit(frame, target)
        net.predict(frame)
    assert net.feature_names_in_.tolist() == list("abcde")
    assert net.model_.feature_names == tuple("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame[["b", "a", "c", "d", "e"]])
    with pytest.warns(UserWarning, match="valid feature names"):
        net.predict(data.X)


def test_labels_of_any_kind(data):
    words = np.array(["red", "green", "blue"], dtype=object)[data.species]
    net = MLPClassifier(max_iter=50, learning_rate_init=0.01, random_state=0, early_stopping=True)
    net.fit(data.iris, words)
    assert net.classes_.tolist() == ["blue", "green", "red"]
    assert net.score(data.iris, words) > 0.8
    chances = net.predict_proba(data.iris)
    assert (net.classes_[chances.argmax(axis=1)] == net.predict(data.iris)).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert quick(MLPClassifier).fit(data.X, np.zeros(120)).predict(data.X[:1]).tolist() == [0.0]


def test_several_labels_are_no_alternatives(data):
    net = MLPClassifier(max_iter=300, learning_rate_init=0.01, random_state=0).fit(data.X, data.labels)
    chances = net.predict_proba(data.X)
    assert chances.shape == (120, 3)
    assert ((chances > 0.5) == net.predict(data.X)).all()
    assert abs(chances.sum(axis=1) - 1).max() > 0.5
    assert net.score(data.X, data.labels) > 0.8


def test_poisson_without_hidden_units_is_the_linear_model(data):
    X, counts = data.X[:, :1], data.counts
    linear = PoissonRegressor(alpha=0, tol=1e-8).fit(X, counts)
    net = MLPRegressor(
        loss="poisson", hidden_layer_sizes=(1,), activation="identity", alpha=0, solver="lbfgs", tol=1e-7,
        random_state=0,
    )  # fmt: skip
    np.testing.assert_allclose(net.fit(X, counts).predict(X), linear.predict(X), rtol=1e-4)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_of_the_dtype_of_the_data(data, kind, dtype):
    net = quick(kind).fit(data.X.astype(dtype), data.binary)
    assert {array.dtype for array in [*net.coefs_, *net.intercepts_]} == {np.dtype(dtype)}
    if kind is MLPRegressor:
        assert net.predict(data.X.astype(dtype)).dtype == dtype


def test_validation_must_be_a_tuple(data):
    for wrong in ([data.X, data.binary], (data.X,), 0.2):
        with pytest.raises(ArgumentTypeError, match=r"validation=\(X_val, y_val\)"):
            quick(MLPClassifier).fit(data.X, data.binary, validation=wrong)
    with pytest.raises(ValueError, match="classes not in"):
        quick(MLPClassifier).fit(data.X, data.binary, validation=(data.X, data.binary + 1))


def test_an_unknown_package_is_named():
    code = "import sys; sys.modules['sklearn'] = None\nimport nnlite.sklearn"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert 'pip install -e ".[sklearn]"' in run.stderr


def test_nnlite_alone_does_not_import_scikit_learn():
    code = "import sys, nnlite, nnlite.training; sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
