"""MLPRegressor: scikit-learn's estimator of that name, trained by nnlite."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.errors import ArgumentError
from nnlite.errors.arrays import unmasked
from nnlite.errors.checks import check_finite
from nnlite.exchange.whole import Ending
from nnlite.losses import GaussianNLL, PoissonNLL
from nnlite.sklearn.base import BaseMLP, only_if
from nnlite.sklearn.certainty import Intervals
from nnlite.sklearn.given import with_gaps
from nnlite.sklearn.hidden import HiddenFeatures
from nnlite.sklearn.judges import Judge
from nnlite.sklearn.objectives import Objective, regression
from nnlite.sklearn.scaling import TargetScale, warn_of_targets
from nnlite.training.callbacks import TrainingState

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, HiddenFeatures, Intervals):  # type: ignore[misc]
    """A neural network that predicts numbers, with the interface of scikit-learn's `MLPRegressor`.

    Every parameter of scikit-learn's class is here, with its meaning and its default, and for the same
    `random_state` training takes the same steps. Those from `dropout` on are not in scikit-learn.

    Parameters
    ----------
    loss : "squared_error", "poisson" or Loss, default="squared_error"
        What is lowered: half the squared error, half the Poisson deviance of the exponential of the raw
        output, or a loss such as ``nn.Huber()``.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Neurons of each hidden layer.
    activation : str or Layer, or a list of them, default="relu"
        ``"identity"``, ``"logistic"``, ``"tanh"`` or ``"relu"``, as in scikit-learn; also ``"elu"``,
        ``"gelu"``, ``"leaky_relu"``, ``"silu"``, ``"softplus"``, or a layer such as ``nn.ELU(0.5)``. A list
        has one for each hidden layer.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        Adam, gradient descent with momentum, or L-BFGS, which takes all rows for every step.
    alpha : float, default=0.0001
        Penalty: ``alpha / 2`` times the sum of the squared weights, over the number of rows of the batch,
        is added to the loss.
    batch_size : int or "auto", default="auto"
        Rows of a batch; "auto" is 200, or all if there are fewer. Not for L-BFGS.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Of SGD only. After every epoch "invscaling" sets it to ``learning_rate_init / (t_ + 1)**power_t``;
        "adaptive" divides it by 5 whenever training would stop, until it is 1e-6.
    learning_rate_init : float, default=0.001
        The rate at the start.
    power_t : float, default=0.5
        For "invscaling".
    max_iter : int, default=200
        Largest number of epochs, of iterations for L-BFGS.
    shuffle : bool, default=True
        Whether every epoch has a new order of the rows.
    random_state : int, RandomState or None, default=None
        Seed of first weights, orders and the validation part. The numbers drawn are those that
        scikit-learn draws, so the same seed gives the same net.
    tol : float, default=1e-4
        Training stops when the loss, or the validation score, has gained less than this in each of
        `n_iter_no_change` epochs. L-BFGS stops when no gradient is larger.
    verbose : bool, default=False
        Whether to print a line for every epoch.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights it finds.
    momentum : float, default=0.9
        Of SGD: the part of the last step that goes into this one, in [0, 1].
    nesterovs_momentum : bool, default=True
        Of SGD: whether to look ahead along it.
    early_stopping : bool, default=False
        Whether to hold out a part of the rows, measure a score on it after every epoch, see `scoring`, stop
        when it no longer rises, and give the weights of the best epoch back. Not for L-BFGS.
    validation_fraction : float, default=0.1
        How large that part is.
    beta_1, beta_2 : float, default=0.9, 0.999
        Of Adam: how slowly mean gradient and mean square are forgotten, in [0, 1).
    epsilon : float, default=1e-8
        Of Adam: keeps the division finite.
    n_iter_no_change : int or inf, default=10
        See `tol`.
    max_fun : int, default=15000
        Of L-BFGS: largest number of evaluations of the loss.
    dropout : float or None, or a list of them, default=None
        Part of each hidden layer's outputs that is dropped in training; a list has one for each.
    layers : list of Layer or None, default=None
        A net of your own, from the columns of `X` to the raw outputs, in the place of
        `hidden_layer_sizes`, `activation` and `dropout`. It is copied, and its first weights are drawn as
        nnlite draws them.
    callbacks : Callback or list of Callback or None, default=None
        Called during training, as in `nnlite.Sequential.fit`. Each training makes copies of them, see
        ``callbacks_``.
    scale_inputs : bool, default=False
        Whether the net begins with `nnlite.Standardize`, measured on the first training data.
    scale_targets : bool, default=False
        Whether the net learns targets of mean 0 and standard deviation 1, measured on the first training
        data, and ``predict`` undoes that. The losses are then in those units.
    mask_missing_targets : bool, default=False
        Whether a target may be NaN: it then adds nothing to the loss, and ``score`` leaves it out.
    max_time : float or None, default=None
        Seconds after which training stops, with a `ConvergenceWarning`.
    calibration_fraction : float or None, default=None
        Part of the rows that ``fit`` keeps out of training and gives to `calibrate`.
    dtype : {"float32", "float64"} or None, default=None
        What the net computes in. None takes that of `X`, as scikit-learn does: float32 for float32, else
        float64, which L-BFGS always has. float32 takes about half the time.
    scoring : str, callable or None, default=None
        What `early_stopping` judges by. "loss" is the negative loss on the validation data.
        Otherwise the name of one of scikit-learn's scorers, or a function
        ``(estimator, X, y)`` that returns a number, the higher the better; it is given the weights of the
        rows if it takes a `sample_weight`. None is the R^2, as in scikit-learn, if
        `loss` is one of scikit-learn's and no target may be missing;
        else it is "loss", since what is best for another loss need not score best.
    jit : bool, default=False
        Whether training and prediction go through compiled loops, as in `nnlite.Sequential.fit`; it needs the
        extra ``nnlite[jit]``. ``history_.engine`` says what they did not cover in the last training, and why.

    Attributes
    ----------
    model_ : nnlite.Sequential
        The net. It gives raw outputs; `predict` makes numbers of them.
    history_ : nnlite.History
        A row for every epoch, with the loss that training lowered, penalty included, and what was measured
        on validation data. Of calls of ``partial_fit`` it keeps the last 100.
    callbacks_ : list of Callback
        The copies of `callbacks` that the last training called. A pickle leaves them out.
    loss_, best_loss_ : float
        The last and the lowest loss. With `early_stopping` the second is None; L-BFGS has none.
    loss_curve_ : list of float
        The loss of every epoch, or iteration.
    validation_scores_, best_validation_score_ : list of float, float, or None
        With `early_stopping`, the score of every epoch on the validation data, see `scoring`, and the best of
        those of the last training.
    coefs_, intercepts_ : list of ndarray
        Weights of shape (inputs, outputs) and biases of each layer: views of the net's numbers, so
        writing to them changes what is predicted.
    n_iter_, t_ : int
        Epochs of the last training, and rows seen since the first.
    n_layers_, n_outputs_ : int
        Layers, with input and output, and columns of the targets.
    out_activation_ : str
        What makes predictions of the raw outputs.
    calibration_errors_ : ndarray of shape (rows, outputs)
        What `calibrate` has measured for `predict_interval`.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of str
        Their names, if they have any.

    See Also
    --------
    MLPClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 100)[:, None]
    >>> y = np.sin(3 * X[:, 0])
    >>> net = MLPRegressor(hidden_layer_sizes=20, activation="tanh", solver="lbfgs", random_state=0).fit(X, y)
    >>> round(net.score(X, y), 3)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"}), Loss],
        "scale_targets": ["boolean"],
        "mask_missing_targets": ["boolean"],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: Any = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: Any = 0.001,
        power_t: Any = 0.5,
        max_iter: Any = 200,
        shuffle: Any = True,
        random_state: Any = None,
        tol: Any = 1e-4,
        verbose: Any = False,
        warm_start: Any = False,
        momentum: Any = 0.9,
        nesterovs_momentum: Any = True,
        early_stopping: Any = False,
        validation_fraction: Any = 0.1,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: Any = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: Any = 15000,
        dropout: Any = None,
        layers: Any = None,
        callbacks: Any = None,
        scale_inputs: Any = False,
        scale_targets: Any = False,
        mask_missing_targets: Any = False,
        max_time: Any = None,
        calibration_fraction: Any = None,
        dtype: Any = None,
        scoring: Any = None,
        jit: Any = False,
    ) -> None:
        self._take_arguments(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation: Any = None) -> Self:
        """Train the net.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.
        y : array-like of shape (rows,) or (rows, outputs)
            The targets.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.
        validation : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to measure on after every epoch, see ``history_``. With
            `early_stopping` it takes the place of the part that would be held out.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data cannot be used, or the loss stops being finite.

        Warns
        -----
        ConvergenceWarning
            If training ended by `max_iter`, `max_fun` or `max_time`.
        UserWarning
            If Ctrl-C ended it. The estimator can be used.
        """
        return self._fit(X, y, sample_weight, validation=validation)

    @only_if(lambda self: self._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch more.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.
        y : array-like of shape (rows,) or (rows, outputs)
            The targets.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            As in `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _check_X_y(self, X: Any, y: Any, *, reset: bool, **options: Any) -> tuple[Any, Any]:
        y = unmasked(self._argument("y"), y, missing=self.mask_missing_targets)
        if not self.mask_missing_targets:
            X, y = super()._check_X_y(X, y, reset=reset, y_numeric=True, **options)
            # Among objects scikit-learn looks for NaN before it makes numbers of them, and None is one then.
            check_finite(self._argument("y"), np.asarray(y, np.float64))
            return X, y
        y = self._check_gaps(y)
        X, _ = super()._check_X_y(X, np.nan_to_num(y), reset=reset, y_numeric=True, **options)
        return X, y

    @staticmethod
    def _check_gaps(y: Any) -> AnyArray:
        """Check targets of which some may be missing."""
        checked: AnyArray = check_array(
            with_gaps(y), ensure_2d=False, dtype="numeric", ensure_all_finite="allow-nan", input_name="y"
        )
        return checked

    def _check_known(self, Y: AnyArray, weight: AnyArray | None, *, training: bool) -> None:
        if not self.mask_missing_targets:
            return
        known = _known(Y, weight)
        if training and not known.any(axis=0).all():
            raise ArgumentError(
                self._argument("y"),
                f"a target that is there in every column of the {len(Y)} rows that are trained on and count",
                f"none in column {int(known.any(axis=0).argmin())}",
                "Leave that column out, or hold out fewer rows.",
            )
        if not known.any():
            raise ArgumentError(
                f"{type(self).__name__}.fit(validation=)",
                "a target that is there, in a row that counts",
                f"none in {len(Y)} rows",
                "Give others.",
            )

    def _check_targets(self, y: Any, *, incremental: bool, reset: bool) -> AnyArray:
        column = y.ndim == 2 and y.shape[1] == 1
        targets: AnyArray = column_or_1d(y, warn=True) if column else y
        return targets

    @property
    def _judged_by_loss(self) -> bool:
        # R^2 of fewer than two targets that are there is no number.
        return super()._judged_by_loss or self.mask_missing_targets

    @property
    def _scalable(self) -> bool:
        """Whether the outputs are in the units of the targets."""
        return self.loss != "poisson" and not isinstance(self.loss, PoissonNLL | GaussianNLL)

    def _objective(self, columns: int) -> Objective:
        objective = regression(self.loss, columns, masked=self.mask_missing_targets)
        if self.scale_targets and not self._scalable:
            raise ArgumentError(
                "MLPRegressor(scale_targets=True)",
                "a loss whose outputs are in the units of the targets",
                f"loss={self.loss!r}",
                "Write scale_targets=False.",
            )
        return objective

    def _ending(self, where: str) -> Ending:
        scale = self._target_scale
        return Ending(
            self.out_activation_,  # type: ignore[arg-type]
            self.n_outputs_,
            mean=None if scale is None else scale.mean,
            scale=None if scale is None else scale.scale,
        )

    def _warn_of_targets(self, Y: AnyArray) -> None:
        if not self.scale_targets and self._scalable:
            warn_of_targets(Y, where="MLPRegressor", steps=self.solver != "lbfgs", stacklevel=5)

    def _prepare_targets(self, Y: AnyArray, weight: AnyArray | None, *, reset: bool) -> AnyArray:
        if reset:
            self._target_scale = TargetScale(Y, weight) if self.scale_targets else None
        return Y if self._target_scale is None else self._target_scale.apply(Y)

    def _scorer(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> Judge:
        def score(_: TrainingState) -> float:
            pred = self._predictions(self._outputs(X))
            return r2(Y, pred, weight) if np.isfinite(pred).all() else float("nan")

        return score

    def _predictions(self, raw: Array) -> Array:
        """Make numbers of raw outputs, one column for each of the targets."""
        pred = self._objective_.activate(raw)[:, : self.n_outputs_]
        return pred if self._target_scale is None else self._target_scale.undo(pred)

    def predict(self, X: Any) -> Array:
        """Predict the targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.

        Returns
        -------
        ndarray of shape (rows,) or (rows, outputs)
        """
        pred = self._predictions(self._raw(X))
        return pred[:, 0] if pred.shape[1] == 1 else pred

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute R^2, the part of the variance of the targets that is explained.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.
        y : array-like of shape (rows,) or (rows, outputs)
            The targets. With `mask_missing_targets` some may be NaN.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        float
            1 for a perfect fit, 0 for one that is no better than the mean; over several outputs, the mean.
            With `mask_missing_targets` outputs with fewer than two targets are left out; if there are no
            others it is NaN, with an `UndefinedMetricWarning`.
        """
        sample_weight = unmasked(self._argument("sample_weight"), sample_weight)
        y = unmasked(self._argument("y"), y, missing=self.mask_missing_targets)
        if not self.mask_missing_targets:
            return float(super().score(X, y, sample_weight))
        pred = self.predict(X)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, pred)
        Y = self._check_gaps(y)
        return r2(Y.reshape(len(Y), -1), pred.reshape(len(pred), -1), weight)


def _known(Y: AnyArray, weight: AnyArray | None) -> AnyArray:
    """Tell of each target whether it is there, in a row that counts."""
    there: AnyArray = ~np.isnan(Y)
    return there if weight is None else there & (weight > 0)[:, None]


def r2(Y: AnyArray, pred: Array, weight: AnyArray | None) -> float:
    """Compute the mean of R^2 over the columns, each from the targets that are there.

    Parameters
    ----------
    Y, pred : ndarray of shape (rows, columns)
        Targets, NaN where one is missing, and predictions.
    weight : ndarray of shape (rows,) or None
        How much each row counts.

    Returns
    -------
    float
        Columns with fewer than two targets have no R^2 and are left out; NaN if there are no others.

    Warns
    -----
    UndefinedMetricWarning
        If no column has two.

    Examples
    --------
    >>> r2(np.array([[1.0], [2.0], [np.nan]]), np.array([[1.0], [2.0], [3.0]]), None)
    1.0
    """
    if not np.isnan(Y).any():
        return float(r2_score(Y, pred, sample_weight=weight))
    columns = [
        r2_score(truth[rows], guess[rows], sample_weight=None if weight is None else weight[rows])
        for truth, guess, rows in zip(Y.T, pred.T, _known(Y, weight).T, strict=True)
        if rows.sum() > 1
    ]
    if not columns:
        warnings.warn(
            "R^2 score is not well-defined with less than two targets that are there in a column.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
    return float(np.mean(columns)) if columns else float("nan")
