"""What the two estimators share: checks, the net, and its training by nnlite's own loop."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn import get_config, neural_network
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.optimizers import Optimizer
from nnlite.data.row_weights import MeanWeight, PerBatch, RowWeights
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError
from nnlite.errors.arguments import Explained
from nnlite.errors.arrays import unmasked
from nnlite.exchange.whole import Ending, Whole
from nnlite.jit import check_jit
from nnlite.layers import Layer
from nnlite.model import Sequential
from nnlite.sklearn.convergence import Convergence, LossCurve, Recorder, RunningOrder
from nnlite.sklearn.given import explain_no_numbers
from nnlite.sklearn.holdout import cut
from nnlite.sklearn.judges import Judge, judge_by
from nnlite.sklearn.networks import NumberViews, build, check_sizes, dense_layers, draw, hidden_sizes
from nnlite.sklearn.objectives import Objective
from nnlite.sklearn.scaling import warn_of_inputs
from nnlite.sklearn.solvers import SklearnAdam, SklearnLBFGS, SklearnSGD
from nnlite.sklearn.undo import Attempt
from nnlite.training.callbacks import Callback, TimeLimit
from nnlite.training.history import History

__all__ = ["BaseMLP", "only_if"]

Method = TypeVar("Method", bound=Callable[..., Any])

#: The smallest relative gain of an iteration at which SciPy's L-BFGS goes on, if it is not told another.
LEAST_GAIN = 2.220446049250313e-09

#: Of so many calls of `partial_fit` the history keeps the rows.
KEPT_ROWS = 100

Rows = tuple[Any, AnyArray, AnyArray | None]
#: Gives the weights of rows in training, from their targets and from `sample_weight`.
Weigh = Callable[[AnyArray, AnyArray | None], AnyArray | None]


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
        **neural_network.MLPClassifier._parameter_constraints,
        "activation": [str, Layer, list, tuple],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
        "dropout": [None, list, tuple, Interval(Real, 0, 1, closed="left")],
        "layers": [None, list, tuple],
        "callbacks": [None, list, tuple, Callback],
        "scale_inputs": ["boolean"],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
        "calibration_fraction": [None, Interval(Real, 0, 1, closed="neither")],
        "dtype": [None, StrOptions({"float32", "float64"}), Options(type, {np.float32, np.float64})],
        "jit": ["boolean"],
    }

    #: That of an estimator in a pickle from before there was such a parameter.
    jit: Any = False

    # Made by the first training.
    model_: Sequential
    history_: History
    callbacks_: list[Callback]
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
    _lowest_loss: float  # since training began anew, or went on with data that may be others

    def _take_arguments(self, given: dict[str, Any]) -> None:
        """Store what `__init__` was given, each under its own name, as scikit-learn wants it."""
        for name, value in given.items():
            if name != "self":
                setattr(self, name, value)

    # What a subclass writes.

    @abstractmethod
    def _check_targets(self, y: Any, *, incremental: bool, reset: bool) -> AnyArray:
        """Return the targets as an array of shape (rows, columns)."""

    @abstractmethod
    def _ending(self, where: str) -> Ending:
        """Say what is made of the outputs of the net."""

    @abstractmethod
    def _objective(self, columns: int) -> Objective:
        """Choose what is lowered, for targets of so many columns."""

    @abstractmethod
    def _scorer(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> Judge:
        """Return a function that measures the present net on validation data."""

    def _stratify(self, Y: AnyArray) -> AnyArray | None:
        """Return what the parts of a split are to have in equal proportions."""
        return None

    def _weigh(self, Y: AnyArray, weight: AnyArray | None) -> Weigh:
        """Return what gives rows their weights in training; given are targets and weights of the training."""
        return lambda _, weight: weight

    @property
    def _judged_by_loss(self) -> bool:
        """Whether the loss is another one than scikit-learn's, so that its score says little about it."""
        return not isinstance(self.loss, str)

    def _labels(self, Y: AnyArray) -> AnyArray:
        """Return checked targets as a scorer takes them."""
        return Y[:, 0] if Y.shape[1] == 1 else Y

    def _note_classes(self, y: Any, classes: Any) -> None:
        """Note the classes that the first call of `partial_fit` names."""

    @abstractmethod
    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Measure on rows that the net was not trained on; a subclass says what."""

    @abstractmethod
    def _measure(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> str:
        """Measure, for `calibrate`, on checked rows; return what is doubtful about it, or nothing."""

    @abstractmethod
    def _forget_calibration(self) -> None:
        """Drop what was measured on the net as it was."""

    def _cut(self, Y: AnyArray, weight: AnyArray | None) -> tuple[AnyArray, AnyArray]:
        """Draw the rows for training and those for calibration."""
        return cut(Y, weight, self.calibration_fraction, check_random_state(self.random_state))

    def _weight_rule(self, *, incremental: bool) -> MeanWeight | None:
        """Return what the loss of a batch is divided by if rows have weights; None for the rule of `fit`."""
        return PerBatch()

    def _warn_of_targets(self, Y: AnyArray) -> None:
        """Warn of targets that are far too large."""

    def _check_known(self, Y: AnyArray, weight: AnyArray | None, *, training: bool) -> None:
        """Refuse targets of which too many are missing, of the training data or of those for validation."""

    def _prepare_targets(self, Y: AnyArray, weight: AnyArray | None, *, reset: bool) -> AnyArray:
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
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation: Any = None,
        incremental: bool = False,
        classes: Any = None,
    ) -> Self:
        with Attempt(self) as attempt:
            self._train(attempt, (X, y, sample_weight), validation, incremental=incremental, classes=classes)
        return self

    def _train(
        self, attempt: Attempt, data: tuple[Any, ...], validation: Any, *, incremental: bool, classes: Any
    ) -> None:
        trained = "model_" in vars(self)
        if not (incremental and trained) and not get_config()["skip_parameter_validation"]:
            self._validate_params()
        if check_jit(type(self).__name__, self.jit):
            from nnlite.sklearn import compiled

            compiled.register()
        hidden = hidden_sizes(self.hidden_layer_sizes)
        continuing = trained and (self.warm_start or incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if incremental:
            self._note_classes(data[1], classes)
        rows = self._check_rows(*data, incremental=incremental, reset=not continuing)
        given = None if validation is None else self._check_validation(validation)
        kept = None
        if not incremental and self.calibration_fraction is not None:
            rows, kept = (_take(rows, part) for part in self._cut(*rows[1:]))
        X, Y, weight = rows
        self._objective_ = self._objective(Y.shape[1])
        random_state = check_random_state(self.random_state)
        self._make_network(X, hidden, random_state, continuing=continuing)
        self._forget_calibration()
        if not continuing:
            self.n_iter_, self.t_ = 0, 0
            self.n_outputs_ = Y.shape[1]
            self.n_layers_ = 1 + len(list(dense_layers(self.model_)))
            self.out_activation_ = self._objective_.activation
            self.loss_curve_ = []
            self.history_ = History()
            for name in ("best_loss_", "validation_scores_", "best_validation_score_"):
                self.__dict__.pop(name, None)  # of another solver
            counting = rows if weight is None else _take(rows, weight > 0)
            if self.layers is None and not self.scale_inputs:
                warn_of_inputs(counting[0], where=type(self).__name__, stacklevel=4)
            self._warn_of_targets(counting[1])
        early = bool(self.early_stopping) and self.solver != "lbfgs"
        if early and given is None:
            parts = cut(Y, weight, self.validation_fraction, random_state, stratify=self._stratify(Y))
            (X, Y, weight), given = (_take(rows, part) for part in parts)
        if not incremental:
            self._check_known(Y, weight, training=True)
        targets = self._prepare_targets(Y, weight, reset=not continuing)
        judge = self._judge(*given) if early and given is not None else None
        weigh = self._weigh(Y, weight)
        training = X, targets, weigh(Y, weight)
        if given is not None:  # its targets in the form of the loss, and its rows weighed likewise
            X, Y, weight = given
            given = X, self._prepare_targets(Y, weight, reset=False), weigh(Y, weight)
        if self.solver == "lbfgs":
            self._fit_lbfgs(attempt, training, given)
        else:
            self._fit_stochastic(attempt, training, given, judge, random_state, incremental=incremental)
        if not np.isfinite(self.model_.params.values).all():
            raise ValueError(_NOT_FINITE)
        if kept is not None and (doubt := self._measure(*kept)):
            warnings.warn(doubt, stacklevel=4)

    def _check_rows(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, reset: bool) -> Rows:
        X, y = self._check_X_y(X, y, reset=reset)
        Y = self._check_targets(y, incremental=incremental, reset=reset)
        weight = None
        if sample_weight is not None:
            sample_weight = unmasked(self._argument("sample_weight"), sample_weight)
            weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return _as_csr(X), Y.reshape(len(Y), -1), weight

    def _argument(self, name: str) -> str:
        """Name an argument of `fit` and the like in a message."""
        return f"{name} of {type(self).__name__}"

    def _check_X_y(self, X: Any, y: Any, *, reset: bool, **options: Any) -> tuple[Any, Any]:
        found: tuple[Any, Any] = self._validated(X, y=y, multi_output=True, reset=reset, **options)
        return found

    def _validated(self, X: Any, **options: Any) -> Any:
        """Let scikit-learn check inputs, and say which column it is if something in it is no number."""
        X = unmasked(self._argument("X"), X)
        try:
            return validate_data(
                self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), **options
            )
        except (TypeError, ValueError) as error:
            found = explain_no_numbers(self._argument("X"), X)
            if found is not None:
                raise found from error
            raise

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
        rows = self._check_rows(X, y, rest[0] if rest else None, incremental=True, reset=False)
        self._check_known(*rows[1:], training=False)
        return rows

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
        if any(layer.stochastic for _, layer in model.walk()):
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
        # `fit` changes no parameter, and other estimators may train with the same one at this moment.
        try:
            self.callbacks_ = copy.deepcopy(users)
        except Exception as error:
            raise ArgumentTypeError(
                f"{type(self).__name__}(callbacks=)",
                "callbacks that copy.deepcopy can copy",
                f"{type(error).__name__}: {error}",
                "Leave files and the like to be opened in on_train_begin.",
            ) from error
        limit = [] if self.max_time is None else [TimeLimit(self.max_time)]
        return [*own, *limit, *self.callbacks_]

    def _fit_stochastic(
        self,
        attempt: Attempt,
        data: Rows,
        validation: Rows | None,
        judge: Judge | None,
        random_state: np.random.RandomState,
        *,
        incremental: bool,
    ) -> None:
        """Train by SGD or Adam."""
        X, targets, weight = data
        if not incremental or vars(self).get("best_loss_") is None:
            self._begin_curves(judge is not None)
        if not incremental or "_optimizer" not in vars(self):
            self._optimizer = self._make_optimizer()
        size = self._batch_size(len(targets))
        if weight is not None and (rule := self._weight_rule(incremental=incremental)) is not None:
            weight = RowWeights(weight, rule)  # type: ignore[assignment]
        convergence = Convergence(self, rows=len(targets), batch_size=size, judge=judge)
        self.n_iter_ = 0
        try:
            self._run(
                attempt,
                convergence,
                (X, targets, weight),
                validation,
                optimizer=self._optimizer,
                epochs=1 if incremental else self.max_iter,
                batch_size=size,
                shuffle=RunningOrder(random_state) if self.shuffle else False,
            )
        except DivergenceError as error:
            if judge is None or self.best_validation_score_ == -np.inf:
                raise ValueError(f"{_NOT_FINITE} ({error})") from error
            convergence.note(float("nan"), 0)
            convergence.note_score(float("nan"))
            warnings.warn(f"The best weights before that are kept: {error}", ConvergenceWarning, stacklevel=5)
        if incremental:
            del self.history_.rows[:-KEPT_ROWS]
        if judge is not None:
            self._put_back_best()
        if convergence.exhausted and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
        self._warn_of_time(convergence.reason)

    def _run(
        self, attempt: Attempt, recorder: Recorder, data: Rows, validation: Rows | None, **options: Any
    ) -> None:
        """Let the model train, and write down how far that came, also if it ends by an error."""
        X, targets, weight = data
        callbacks = self._callbacks(recorder.penalty, recorder)
        more = {"weight": weight, "validation": validation, "callbacks": callbacks, **options}
        try:
            self.model_.fit(X, targets, loss=self._objective_.loss, jit=self.jit, **more)
        except BaseException as error:
            epochs, diverged = len(recorder.history), isinstance(error, DivergenceError)
            # What is wrong with an argument may show in the first epoch, which the model then undoes.
            undone = epochs <= 1 and isinstance(error, ArgumentError | ArgumentTypeError) and not diverged
            begun = recorder.moved and (attempt.continues or diverged)
            attempt.learned = not undone and (epochs > 0 or begun)
            if attempt.learned:
                self._write_down(recorder.history)
            raise
        attempt.learned = True
        self._write_down(recorder.history)

    def _judge(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> Judge:
        """Return what decides, from these validation data, when to stop and which weights are the best."""
        if X.shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        if self.scoring == "loss" or (self.scoring is None and self._judged_by_loss):
            share = self._objective_.share
            return lambda state: -share * float(state.history[-1]["validation_loss"])
        if self.scoring is None:
            return self._scorer(X, Y, weight)
        return judge_by(self, self.scoring, X, self._labels(Y), weight)

    def _begin_curves(self, early: bool) -> None:
        """Start what decides when to stop: the data may be others than those of the last training."""
        self._no_improvement_count = 0
        self._lowest_loss = np.inf
        known = vars(self).get("best_loss_")
        self.best_loss_ = None if early else np.inf if known is None else known
        known = vars(self).get("validation_scores_")
        self.validation_scores_ = (known or []) if early else None
        self.best_validation_score_ = -np.inf if early else None
        self._best_values = self.model_.params.numbers.copy() if early else None

    def _put_back_best(self) -> None:
        """Give the net the weights of the epoch with the best score, if any epoch had one."""
        if self.best_validation_score_ == -np.inf:
            warnings.warn(
                f"{type(self).__name__}: no epoch had a score that is a number; the last weights are kept. "
                'Use other validation data, or scoring="loss".',
                ConvergenceWarning,
                stacklevel=6,
            )
        else:
            self.model_.params.numbers[...] = self._best_values
        del self._best_values

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
                stacklevel=6,
            )
        return int(min(self.batch_size, rows))

    def _fit_lbfgs(self, attempt: Attempt, data: Rows, validation: Rows | None) -> None:
        """Train by L-BFGS."""
        optimizer = SklearnLBFGS(
            gradient_tolerance=self.tol, value_tolerance=LEAST_GAIN, max_evaluations=self.max_fun
        )
        curve = LossCurve(self)
        try:
            self._run(attempt, curve, data, validation, optimizer=optimizer, epochs=self.max_iter)
        except DivergenceError as error:
            if not optimizer.iterations:
                raise ValueError(f"{_NOT_FINITE} ({error})") from error
            optimizer.message = f"ABNORMAL: {error}"  # the last weights that were accepted are kept
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
                stacklevel=5,
            )
        self._warn_of_time(curve.history.stop_reason)

    def _warn_of_time(self, reason: str) -> None:
        if self.max_time is not None and reason.startswith("time limit"):
            warnings.warn(
                f"The {reason} was over after {self.n_iter_} iterations, and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=6,
            )

    def _write_down(self, history: History) -> None:
        """Put the rows of one training behind those of the ones before it."""
        before = self.history_.rows
        done = before[-1]["epoch"] if before else 0
        # A new one: an error may yet bring back the one that was there.
        joined = self.history_ = History()
        joined.rows = before + [row | {"epoch": row["epoch"] + done} for row in history.rows]
        joined.stop_reason = history.stop_reason
        joined.interrupted = history.interrupted
        joined.engine, joined.settings = history.engine, history.settings
        best = history.best_epoch
        joined.best_epoch = None if best is None else best + done

    # Prediction.

    def _raw(self, X: Any) -> Array:
        """Check the input and compute what the net gives for it."""
        check_is_fitted(self)
        return self._outputs(self._check_input(X))

    def _outputs(self, X: Any) -> Array:
        """Compute what the net gives for a checked input."""
        return self.model_.predict(X, jit=self.jit)

    def _check_input(self, X: Any) -> Any:
        """Check the input of a fitted estimator."""
        return _as_csr(self._validated(X, reset=False))

    def _whole(self, where: str) -> Whole:
        """Say what is handed over to other runtimes, see `nnlite.exchange.whole`."""
        check_is_fitted(self)
        return Whole(self.model_, self._ending(where))

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator; all of them, or none if there is no such one.

        Parameters
        ----------
        **params : object
            Their names and values.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If one has no such name.
        """
        with Attempt(self):
            super().set_params(**params)
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop("callbacks_", None)  # each may hold the weights of the best epoch, and files
        return state

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


def _take(data: Rows, rows: AnyArray) -> Rows:
    """Take some of the rows."""
    X, Y, weight = data
    return X[rows], Y[rows], None if weight is None else weight[rows]


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
    shapes, wanted = (
        [spec.shape for spec in (*model.params.specs, *model.params.state_specs)] for model in (old, new)
    )
    if shapes != wanted:
        raise ArgumentError(
            f"{where}.fit",
            f"a net with parameters of shapes {shapes}, as before, since it goes on from there",
            f"{wanted}",
            "Write warm_start=False to begin anew.",
        )
    new.params.numbers[...] = old.params.numbers
    kept = [buffers for buffers in old.measured() if buffers]
    blank = [layer for _, layer in new.walk() if not layer.children and not layer.adapted]
    for layer, buffers in zip(blank, kept, strict=False):
        layer.buffers = buffers
