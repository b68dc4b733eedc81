"""MLPClassifier: scikit-learn's estimator of that name, trained by nnlite."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.data.row_weights import MeanWeight, RunningMean
from nnlite.errors import ArgumentError
from nnlite.errors.arrays import unmasked
from nnlite.exchange.whole import Ending
from nnlite.losses import Hinge
from nnlite.sklearn.base import BaseMLP, Weigh, only_if
from nnlite.sklearn.certainty import Temperature
from nnlite.sklearn.class_weights import ClassWeights
from nnlite.sklearn.given import check_class_labels
from nnlite.sklearn.hidden import HiddenFeatures
from nnlite.sklearn.judges import Judge
from nnlite.sklearn.objectives import Objective, class_ids, classification
from nnlite.training.callbacks import TrainingState

__all__ = ["MLPClassifier"]


class MLPClassifier(ClassifierMixin, HiddenFeatures, Temperature):  # type: ignore[misc]
    """A neural network that classifies, with the interface of scikit-learn's `MLPClassifier`.

    Every parameter of scikit-learn's class is here, with its meaning and its default, and for the same
    `random_state` training takes the same steps. Those from `loss` on are not in scikit-learn.

    Parameters
    ----------
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
    loss : "log_loss" or Loss, default="log_loss"
        What is lowered: the cross-entropy, or a loss such as ``nn.SoftmaxCrossEntropy(label_smoothing=0.1)``
        or ``nn.Hinge()``, after which there are no probabilities.
    class_weight : dict, list of dict, "balanced" or None, default=None
        How much the rows of each class count in training, and in the validation loss, besides
        `sample_weight`. "balanced" gives all classes the same weight in sum, over the rows that are not held
        out; in a dict the classes that are left out have weight 1. With several labels a list has a dict
        ``{0: ..., 1: ...}`` for each, and a row the product, as in scikit-learn's forests.
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
    max_time : float or None, default=None
        Seconds after which training stops, with a `ConvergenceWarning`.
    calibration_fraction : float or None, default=None
        Part of the rows that ``fit`` keeps out of training and gives to `calibrate`.
    dtype : {"float32", "float64"} or None, default=None
        What the net computes in. None takes that of `X`, as scikit-learn does: float32 for float32, else
        float64, which L-BFGS always has. float32 takes about half the time.
    scoring : str, callable or None, default=None
        What `early_stopping` judges by. "loss" is the negative loss on the validation data; `class_weight`
        counts in it. Otherwise the name of one of scikit-learn's scorers, or a function
        ``(estimator, X, y)`` that returns a number, the higher the better; it is given the weights of the
        rows if it takes a `sample_weight`. None is the accuracy, as in scikit-learn, if
        `loss` is scikit-learn's and there is no `class_weight`;
        else it is "loss", since what is best for another loss need not score best.
    jit : bool, default=False
        Whether training and prediction go through compiled loops, as in `nnlite.Sequential.fit`; it needs the
        extra ``nnlite[jit]``. ``history_.engine`` says what they did not cover in the last training, and why.

    Attributes
    ----------
    classes_ : ndarray
        The labels.
    model_ : nnlite.Sequential
        The net. It gives raw outputs; `predict_proba` makes probabilities of them.
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
    temperature_ : float
        What the raw outputs are divided by before that; 1 until `calibrate` has found another.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of str
        Their names, if they have any.

    See Also
    --------
    MLPRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnlite.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(max_iter=1000, random_state=0).fit(X, y)
    >>> round(net.score(X, y), 2)
    0.98
    >>> net.predict_proba(X[:1]).round(2)
    array([[1., 0., 0.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"log_loss"}), Loss],
        "class_weight": [None, dict, list, StrOptions({"balanced"})],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        class_weight: Any = None,
        dropout: Any = None,
        layers: Any = None,
        callbacks: Any = None,
        scale_inputs: Any = False,
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
        y : array-like of shape (rows,) or (rows, labels)
            A class for each row, or for each of several labels 0 or 1.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.
        validation : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to measure on after every epoch, see ``history_``. With
            `early_stopping` it takes the place of the part that would be held out.

        Returns
        -------
        MLPClassifier
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch more.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.
        y : array-like of shape (rows,) or (rows, labels)
            The classes.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.
        classes : array-like of shape (classes,), optional
            All classes that any call will bring; needed in the first call.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            As in `fit`; if `classes` is missing in the first call, or `y` has others.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit: one call does not know how many "
                "rows of each class the others bring. Give a dict of weights."
            )
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _note_classes(self, y: Any, classes: Any) -> None:
        self._check_labels(y)
        if classes is not None:
            check_class_labels(self._argument("classes"), classes)
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)

    def _check_X_y(self, X: Any, y: Any, *, reset: bool, **options: Any) -> tuple[Any, Any]:
        self._check_labels(y)
        return super()._check_X_y(X, y, reset=reset, **options)

    def _check_labels(self, y: Any) -> None:
        check_class_labels(self._argument("y"), unmasked(self._argument("y"), y))

    def _check_targets(self, y: Any, *, incremental: bool, reset: bool) -> AnyArray:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        # The first call of partial_fit has set classes_ already.
        if not hasattr(self, "classes_") or (reset and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            found = unique_labels(y)
            if self.warm_start and not incremental:
                if set(found) != set(self.classes_):
                    raise ValueError(
                        "warm_start can only be used where `y` has the same classes as in the previous call "
                        f"to fit. Previously got {self.classes_}, `y` has {found}"
                    )
            elif len(np.setdiff1d(found, self.classes_, assume_unique=True)):
                raise ValueError(
                    "`y` has classes not in `self.classes_`. "
                    f"`self.classes_` has {self.classes_}. 'y' has {found}."
                )
        indicator: AnyArray = self._label_binarizer.transform(y).astype(bool)
        return indicator

    def _objective(self, columns: int) -> Objective:
        return classification(self.loss, self._label_binarizer.y_type_, columns)

    def _ending(self, where: str) -> Ending:
        if len(self.classes_) < 2:
            raise ArgumentError(
                f"{where}(model)",
                "a classifier that knows two classes or more",
                f"one that knows {self.classes_.tolist()}",
                "Fit it on rows of others too.",
            )
        raw = isinstance(self._objective_.loss, Hinge)
        return Ending(
            "identity" if raw else self.out_activation_,  # type: ignore[arg-type]
            self._objective_.outputs,
            temperature=self.temperature_,
            classes=self.classes_,
            several=self._several,
        )

    def _stratify(self, Y: AnyArray) -> AnyArray | None:
        return Y if self.n_outputs_ == 1 else None

    @property
    def _several(self) -> bool:
        """Whether a row may have several labels."""
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    @property
    def _judged_by_loss(self) -> bool:
        return super()._judged_by_loss or self.class_weight is not None

    def _labels(self, Y: AnyArray) -> AnyArray:
        labels: AnyArray = self._label_binarizer.inverse_transform(Y.astype(int))
        return labels

    def _weigh(self, Y: AnyArray, weight: AnyArray | None) -> Weigh:
        if self.class_weight is None:
            return super()._weigh(Y, weight)
        weights = ClassWeights(self.class_weight, self.classes_, Y, weight, several=self._several)

        def weigh(Y: AnyArray, weight: AnyArray | None) -> AnyArray:
            by_class = weights.rows(Y)
            return by_class if weight is None else by_class * weight

        return weigh

    def _weight_rule(self, *, incremental: bool) -> MeanWeight | None:
        """With weights of classes the rule of nnlite; calls of `partial_fit` are batches of a stream."""
        if self.class_weight is None:
            return super()._weight_rule(incremental=incremental)
        if not incremental:
            self.__dict__.pop("_mean_weight", None)
            return None
        known: MeanWeight = self.__dict__.setdefault("_mean_weight", RunningMean())
        return known

    def _scorer(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> Judge:
        one_of_many = self.out_activation_ == "softmax"
        classes = class_ids(Y)

        def score(_: TrainingState) -> float:
            raw = self._outputs(X)
            if not np.isfinite(raw).all():
                return float("nan")
            right = raw.argmax(axis=1) == classes if one_of_many else ((raw > 0) == Y).all(axis=1)
            return float(np.average(right, weights=weight))

        return score

    def predict(self, X: Any) -> AnyArray:
        """Name the most probable class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.

        Returns
        -------
        ndarray of shape (rows,) or (rows, labels)
            Labels, or for each of several labels 0 or 1.
        """
        raw = self._raw(X)
        if isinstance(self._objective_.loss, Hinge):  # no logits, but signs and order count
            chances: Array = raw if self.out_activation_ == "softmax" else (raw > 0).astype(raw.dtype)
        else:
            chances = self._objective_.activate(raw)
        if self.n_outputs_ == 1:
            chances = chances[:, -1]
        labels: AnyArray = self._label_binarizer.inverse_transform(chances)
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy, the part of the rows that is named right.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.
        y : array-like of shape (rows,) or (rows, labels)
            Their classes. With several labels a row is right if all of them are.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        float

        Raises
        ------
        ValueError, TypeError
            If the data do not fit, or a label is missing.
        """
        self._check_labels(y)
        return float(super().score(X, y, unmasked(self._argument("sample_weight"), sample_weight)))

    @only_if(lambda self: self._check_probabilities())
    def predict_proba(self, X: Any) -> Array:
        """Compute the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.

        Returns
        -------
        ndarray of shape (rows, classes)
            In the order of ``classes_``. With several labels, that of each label. None is exactly 0, and with
            several labels none is exactly 1.
        """
        return self._chances(self._logits(X))

    def _logits(self, X: Any) -> Array:
        """Compute the raw outputs, one for each class or label, divided by the temperature."""
        raw = super()._logits(X)  # first of all: it says so if there is no net yet
        # Of two classes that share one output; 1 - p would have no digits left where p is near 1.
        return np.hstack([-raw, raw]) if self.n_outputs_ == raw.shape[1] == 1 else raw

    def _chances(self, logits: Array) -> Array:
        """Make probabilities of logits."""
        chances = self._objective_.activate(logits)
        numbers = np.finfo(chances.dtype)
        if self._several:  # nor is one certain where there may be others
            chances = np.minimum(chances, 1 - numbers.epsneg)
        if not (chances < numbers.tiny).any():
            return chances
        # What is too small for the dtype does not become 0, but a smallest number, in the right order.
        least = math.log(numbers.tiny)
        with np.errstate(under="ignore"):
            small = numbers.tiny * (least / np.minimum(self._logs(logits), least))
        return np.where(chances < numbers.tiny, small, chances)

    def _logs(self, logits: Array) -> Array:
        """Make logarithms of probabilities of logits, exact where those are near 0 and near 1."""
        with np.errstate(under="ignore"):
            logs: Array
            if self.out_activation_ != "softmax":
                logs = -np.logaddexp(0, -logits)
                return logs
            gaps = logits - logits.max(axis=1, keepdims=True)
            others = np.exp(gaps)
            others[np.arange(len(logits)), logits.argmax(axis=1)] = 0  # whose 1 would drown them
            logs = gaps - np.log1p(others.sum(axis=1, keepdims=True))
            return logs

    @only_if(lambda self: self._check_probabilities())
    def predict_log_proba(self, X: Any) -> Array:
        """Compute the logarithm of the probability of each class.

        It is computed from the raw outputs, and so exact where the probability is rounded, near 0 and near 1.
        With several labels those near 1 are the logarithms of the rounded ones, so that both have one order.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.

        Returns
        -------
        ndarray of shape (rows, classes)
            In the order of ``classes_``.
        """
        logits = self._logits(X)
        logs = self._logs(logits)
        # Labels whose probabilities are rounded to the same number, next to 1, are equal here too.
        return np.where(logits > 0, np.log(self._chances(logits)), logs) if self._several else logs

    def _check_probabilities(self) -> bool:
        if isinstance(self.loss, Hinge):
            raise AttributeError("probabilities are not available when loss is Hinge()")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
