"""What the two estimators share: checks, the net, and its training by nnlite's own loop."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from nnlite._typing import AnyArray, Array
from nnlite.arguments import Explained
from nnlite.callbacks import Callback, TimeLimit
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError
from nnlite.history import History
from nnlite.layers import Layer
from nnlite.model import Sequential
from nnlite.optimizers import Optimizer
from nnlite.sklearn.convergence import Convergence, LossCurve, Penalty, RunningOrder
from nnlite.sklearn.networks import NumberViews, build, check_sizes, dense_layers, draw, hidden_sizes
from nnlite.sklearn.objectives import Objective
from nnlite.sklearn.scaling import warn_of_inputs
from nnlite.sklearn.solvers import SklearnAdam, SklearnLBFGS, SklearnSGD

__all__ = ["BaseMLP", "only_if"]

Method = TypeVar("Method", bound=Callable[..., Any])

#: The smallest relative gain of an iteration at which SciPy's L-BFGS goes on, if it is not told another.
LEAST_GAIN = 2.220446049250313e-09

Rows = tuple[Any, AnyArray, AnyArray | None]


def only_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Make a method that an estimator has only if a check of it is true.

    Parameters
    ----------
    check : callable (estimator) -> bool
        It may also raise an AttributeError that says why not.

    Returns
    -------
    decorator

    Examples
    --------
    >>> class Duck:
    ...     @only_if(lambda self: self.loud)
    ...     def quack(self):
    ...         return "quack"
    >>> Duck.loud = False
    >>> hasattr(Duck(), "quack")
    False
    """
    decorator: Callable[[Method], Method] = available_if(check)
    return decorator


class BaseMLP(Explained, BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of `MLPClassifier` and `MLPRegressor`, which say what is the parameters' meaning."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, Layer, list, tuple],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [None, list, tuple, Interval(Real, 0, 1, closed="left")],
        "layers": [None, list, tuple],
        "callbacks": [None, list, tuple, Callback],
        "scale_inputs": ["boolean"],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
        "calibration_fraction": [None, Interval(Real, 0, 1, closed="neither")],
        "dtype": [None, StrOptions({"float32", "float64"}), Options(type, {np.float32, np.float64})],
    }

    # Made by the first training.
    model_: Sequential
    history_: History
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    n_iter_: int
    t_: int
    n_outputs_: int
    n_layers_: int
    out_activation_: str
    _objective_: Objective
    _optimizer: Optimizer
    _plan: str  # the net as the parameters described it
    _best_values: Array | None
    _no_improvement_count: int

    # What a subclass writes.

    @abstractmethod
    def _check_targets(self, y: Any, *, incremental: bool, reset: bool) -> AnyArray:
        """Return the targets as an array of shape (rows, columns)."""

    @abstractmethod
    def _objective(self, columns: int) -> Objective:
        """Choose what is lowered, for targets of so many columns."""

    @abstractmethod
    def _scorer(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> Callable[[], float]:
        """Return a function that measures the present net on validation data."""

    def _stratify(self, Y: AnyArray) -> AnyArray | None:
        """Return what the parts of a split are to have in equal proportions."""
        return None

    def _class_weights(self, Y: AnyArray, weight: AnyArray | None) -> AnyArray | None:
        """Return the weights of the rows for training."""
        return weight

    def _warn_of_targets(self, Y: AnyArray) -> None:
        """Warn of targets that are far too large."""

    def _prepare_targets(self, Y: AnyArray, *, reset: bool) -> AnyArray:
        """Return the targets as the loss takes them; with `reset`, these are the first ones."""
        return self._objective_.targets(Y)

    # The numbers of the net.

    @property
    def coefs_(self) -> NumberViews:
        """Weights of each layer, of shape (inputs, outputs): views, so writing to them changes the net."""
        return NumberViews(layer.W for layer in dense_layers(self._trained("coefs_")))

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        _overwrite(self.coefs_, values)

    @property
    def intercepts_(self) -> NumberViews:
        """Biases of each layer, of shape (outputs,): views likewise."""
        model = self._trained("intercepts_")
        return NumberViews(layer.b for layer in dense_layers(model) if layer.bias)

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        _overwrite(self.intercepts_, values)

    def _trained(self, name: str) -> Sequential:
        if "model_" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}; call fit first")
        return self.model_

    # Training.

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation: Any = None, incremental: bool = False
    ) -> Self:
        before = self.__dict__.copy()
        known = before.get("history_")
        done = 0 if known is None else len(known)
        try:
            return self._train(X, y, sample_weight, validation=validation, incremental=incremental)
        except Exception as error:
            # What was refused before anything was learned leaves no half-made net behind.
            now = self.__dict__.get("history_")
            learned = now is not None and len(now) > (done if now is known else 0)
            if not learned and not isinstance(error.__cause__, DivergenceError):
                self.__dict__.clear()
                self.__dict__.update(before)
            raise

    def _train(self, X: Any, y: Any, sample_weight: Any, *, validation: Any, incremental: bool) -> Self:
        trained = "model_" in vars(self)
        if not (incremental and trained) and not get_config()["skip_parameter_validation"]:
            self._validate_params()
        hidden = hidden_sizes(self.hidden_layer_sizes)
        continuing = trained and (self.warm_start or incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        X, Y, weight = self._check_rows(X, y, sample_weight, incremental=incremental, reset=not continuing)
        given = None if validation is None else self._check_validation(validation)
        self._objective_ = self._objective(Y.shape[1])
        random_state = check_random_state(self.random_state)
        self._make_network(X, hidden, random_state, continuing=continuing)
        if not continuing:
            self.n_iter_, self.t_ = 0, 0
            self.n_outputs_ = Y.shape[1]
            self.n_layers_ = 1 + len(list(dense_layers(self.model_)))
            self.out_activation_ = self._objective_.activation
            self.loss_curve_ = []
            self.history_ = History()
            for name in ("best_loss_", "validation_scores_", "best_validation_score_"):
                self.__dict__.pop(name, None)  # of another solver
            if self.layers is None and not self.scale_inputs:
                warn_of_inputs(X, where=type(self).__name__, stacklevel=5)
            self._warn_of_targets(Y)
        training_weight = self._class_weights(Y, weight)
        if self.solver == "lbfgs":
            targets = self._prepare_targets(Y, reset=not continuing)
            self._fit_lbfgs((X, targets, training_weight), self._encode(given))
        else:
            self._fit_stochastic(
                X,
                Y,
                weight,
                training_weight,
                given,
                random_state,
                incremental=incremental,
                reset=not continuing,
            )
        if not np.isfinite(self.model_.params.values).all():
            raise ValueError(_NOT_FINITE)
        return self

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, reset: bool
    ) -> tuple[Any, AnyArray, AnyArray | None]:
        X, y = self._check_X_y(X, y, reset=reset)
        Y = self._check_targets(y, incremental=incremental, reset=reset)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        return _as_csr(X), Y.reshape(len(Y), -1), weight

    def _check_X_y(self, X: Any, y: Any, *, reset: bool, **options: Any) -> tuple[Any, Any]:
        found: tuple[Any, Any] = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
            **options,
        )
        return found

    def _check_validation(self, validation: Any) -> Rows:
        if not isinstance(validation, tuple) or len(validation) not in (2, 3):
            raise ArgumentTypeError(
                f"{type(self).__name__}.fit(validation=)",
                "a tuple (X, y) or (X, y, sample_weight)",
                f"{type(validation).__name__}"
                + (f" of {len(validation)}" if isinstance(validation, tuple) else ""),
                "Write validation=(X_val, y_val).",
            )
        X, y, *rest = validation
        return self._check_rows(X, y, rest[0] if rest else None, incremental=True, reset=False)

    def _encode(self, given: Rows | None) -> Rows | None:
        """Bring the targets of validation data into the form of the loss."""
        if given is None:
            return None
        X, Y, weight = given
        return X, self._prepare_targets(Y, reset=False), weight

    def _make_network(
        self, X: Any, hidden: list[int], random_state: np.random.RandomState, *, continuing: bool
    ) -> None:
        """Make the net, or make it anew with the old numbers if its description has changed since then."""
        objective = self._objective_
        plan = repr(
            (hidden, self.activation, self.dropout, self.scale_inputs, self.layers, objective.outputs)
        )
        if continuing and plan == self._plan:
            return
        name = type(self).__name__
        layers = build(
            X.shape[1],
            hidden,
            objective.outputs,
            activation=self.activation,
            dropout=self.dropout,
            scale_inputs=self.scale_inputs,
            layers=self.layers,
            where=name,
        )
        if continuing:
            dtype = self.model_.params.dtype
        elif self.dtype is not None:
            dtype = np.dtype(self.dtype)
        else:  # SciPy's L-BFGS counts in float64 anyway
            dtype = np.dtype(np.float64 if self.solver == "lbfgs" else X.dtype)
        if self.layers is None:
            model = Sequential._blank(layers, dtype=dtype, replicas=None)
            if not continuing:
                draw(model, self.activation, random_state)
        else:
            model = Sequential(layers, dtype=dtype, rng=_seed(random_state))
            check_sizes(model, X.shape[1], objective.outputs, name)
        if any(layer.stochastic for layer in layers):
            model.rng = np.random.default_rng(_seed(random_state))
        if continuing:
            _take_over(self.model_, model, name)
        names = getattr(self, "feature_names_in_", None)
        if names is not None and len(set(names)) == len(names):
            model.feature_names = list(map(str, names))
        self.model_ = model
        self._plan = plan
        self.__dict__.pop("_optimizer", None)  # it belongs to the numbers of another net

    def _callbacks(self, *own: Callback) -> list[Callback]:
        """Put the callbacks of the estimator before those of the user."""
        given = self.callbacks
        users = [] if given is None else [given] if isinstance(given, Callback) else list(given)
        limit = [] if self.max_time is None else [TimeLimit(self.max_time)]
        return [*own, *limit, *users]

    def _fit_stochastic(
        self,
        X: Any,
        Y: AnyArray,
        weight: AnyArray | None,
        training_weight: AnyArray | None,
        given: Rows | None,
        random_state: np.random.RandomState,
        *,
        incremental: bool,
        reset: bool,
    ) -> None:
        """Train by SGD or Adam."""
        early = bool(self.early_stopping)
        held_out = given
        if early and given is None:
            rows, others = train_test_split(
                np.arange(len(Y)),
                random_state=random_state,
                test_size=self.validation_fraction,
                stratify=self._stratify(Y),
            )
            held_out = X[others], Y[others], None if weight is None else weight[others]
            X, Y = X[rows], Y[rows]
            training_weight = None if training_weight is None else training_weight[rows]
        if early and held_out is not None and held_out[0].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        targets = self._prepare_targets(Y, reset=reset)
        score = self._scorer(*held_out) if early and held_out is not None else None
        self._begin_curves(early, reset=reset)
        if not incremental or "_optimizer" not in vars(self):
            self._optimizer = self._make_optimizer()
        size = self._batch_size(len(Y))
        penalty = Penalty(self.alpha, share=self._objective_.share)
        convergence = Convergence(self, penalty, rows=len(Y), batch_size=size, score=score)
        self.n_iter_ = 0
        epochs = 1 if incremental else self.max_iter
        try:
            self.model_.fit(
                X,
                targets,
                loss=self._objective_.loss,
                optimizer=self._optimizer,
                epochs=epochs,
                batch_size=size,
                weight=training_weight,
                validation=self._encode(held_out),
                callbacks=self._callbacks(penalty, convergence),
                shuffle=RunningOrder(random_state) if self.shuffle else False,
            )
        except DivergenceError as error:
            if score is None:
                raise ValueError(f"{_NOT_FINITE} ({error})") from error
            convergence.note(float("nan"), 0)
            convergence.note_score(float("nan"))
            warnings.warn(f"The best weights before that are kept: {error}", ConvergenceWarning, stacklevel=6)
        finally:
            if hasattr(convergence, "history"):
                self._write_down(convergence.history)
        if score is not None:
            self.model_.params.values[...] = self._best_values
        if convergence.exhausted and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=6,
            )
        self._warn_of_time(convergence.reason)

    def _begin_curves(self, early: bool, *, reset: bool) -> None:
        """Start the records that decide when to stop, unless they go on from the last training."""
        if reset or not hasattr(self, "best_loss_") or early != (self.best_loss_ is None):
            self._no_improvement_count = 0
            self.best_loss_ = None if early else np.inf
            self.validation_scores_ = [] if early else None
            self.best_validation_score_ = -np.inf if early else None
            self._best_values = self.model_.params.values.copy() if early else None

    def _make_optimizer(self) -> Optimizer:
        if self.solver == "sgd":
            return SklearnSGD(
                self.learning_rate_init, momentum=self.momentum, nesterov=self.nesterovs_momentum
            )
        return SklearnAdam(
            self.learning_rate_init, beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon
        )

    def _batch_size(self, rows: int) -> int:
        if isinstance(self.batch_size, str):
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=7,
            )
        return int(min(self.batch_size, rows))

    def _fit_lbfgs(self, data: Rows, validation: Rows | None) -> None:
        """Train by L-BFGS."""
        X, targets, weight = data
        optimizer = SklearnLBFGS(
            gradient_tolerance=self.tol, value_tolerance=LEAST_GAIN, max_evaluations=self.max_fun
        )
        penalty = Penalty(self.alpha, share=self._objective_.share)
        curve = LossCurve(self, penalty)
        try:
            self.model_.fit(
                X,
                targets,
                loss=self._objective_.loss,
                optimizer=optimizer,
                epochs=self.max_iter,
                weight=weight,
                validation=validation,
                callbacks=self._callbacks(penalty, curve),
            )
        except DivergenceError as error:
            if not optimizer.iterations:
                raise ValueError(f"{_NOT_FINITE} ({error})") from error
            optimizer.message = f"ABNORMAL: {error}"  # the last weights that were accepted are kept
        finally:
            if hasattr(curve, "history"):
                self._write_down(curve.history)
        self.n_iter_ = min(optimizer.iterations, self.max_iter)
        if optimizer.message.startswith(("STOP: TOTAL", "ABNORMAL")):
            status = 2 if optimizer.message.startswith("ABNORMAL") else 1
            more = (
                f"\nIncrease the number of iterations to improve the convergence (max_iter={self.max_iter})."
            )
            warnings.warn(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) (status={status}):\n"
                f"{optimizer.message}\n"
                f"{more if self.n_iter_ == self.max_iter else ''}"
                "\nYou might also want to scale the data as shown in:\n"
                "    https://scikit-learn.org/stable/modules/preprocessing.html",
                ConvergenceWarning,
                stacklevel=6,
            )
        self._warn_of_time(curve.history.stop_reason)

    def _warn_of_time(self, reason: str) -> None:
        if self.max_time is not None and reason.startswith("time limit"):
            warnings.warn(
                f"The {reason} was over after {self.n_iter_} iterations, and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=7,
            )

    def _write_down(self, history: History) -> None:
        """Put the rows of one training behind those of the ones before it."""
        done = len(self.history_)
        rows = [row | {"epoch": row["epoch"] + done} for row in history.rows]
        self.history_.rows += rows
        self.history_.stop_reason = history.stop_reason
        self.history_.interrupted = history.interrupted
        best = history.best_epoch
        self.history_.best_epoch = None if best is None else best + done

    # Prediction.

    def _raw(self, X: Any) -> Array:
        """Check the input and compute what the net gives for it."""
        check_is_fitted(self)
        return self.model_.predict(self._check_input(X))

    def _check_input(self, X: Any) -> Any:
        """Check the input of a fitted estimator."""
        return _as_csr(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True


_NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


def _as_csr(X: Any) -> Any:
    """Turn sparse matrices of columns into such of rows, which can be cut into batches."""
    return X.tocsr() if hasattr(X, "tocsr") and X.format != "csr" else X


def _seed(random_state: np.random.RandomState) -> int:
    """Draw a seed for what nnlite draws itself."""
    return int(random_state.randint(2**31 - 1))


def _overwrite(views: NumberViews, values: Any) -> None:
    listed = list(values)
    if len(listed) != len(views):
        raise ArgumentError(
            "coefs_", f"{len(views)} arrays, one for each layer", f"{len(listed)}", "Give as many."
        )
    for index, value in enumerate(listed):
        views[index] = value


def _take_over(old: Sequential, new: Sequential, where: str) -> None:
    """Copy the numbers of one net into another that has as many."""
    shapes, wanted = ([spec.shape for spec in model.params.specs] for model in (old, new))
    if shapes != wanted:
        raise ArgumentError(
            f"{where}.fit",
            f"a net with parameters of shapes {shapes}, as before, since it goes on from there",
            f"{wanted}",
            "Write warm_start=False to begin anew.",
        )
    new.params.values[...] = old.params.values
    kept = [layer.buffers for layer in old.layers if layer.buffers]
    for layer, buffers in zip([layer for layer in new.layers if not layer.adapted], kept, strict=False):
        layer.buffers = buffers
