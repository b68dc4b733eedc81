"""What a trained net looks at: features without which it does worse, and the slope of its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.data.checks import check_rows
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer, check_rng
from nnlite.metrics import Metric, call_metric, is_better_higher
from nnlite.model import Sequential

__all__ = ["Importance", "permutation_importance", "saliency", "scorer"]


class Importance(NamedTuple):
    """How much worse a model is without each of its features; made by `permutation_importance`.

    Parameters
    ----------
    names : tuple of str
        Of the features.
    importances : ndarray of shape (features, repeats)
        By how much the score got worse each time that the feature was shuffled.
    score : float
        That of the rows as they are.
    metric : str
        What the score is.

    Examples
    --------
    >>> found = Importance(("age", "height"), np.array([[0.2, 0.4], [0.0, 0.0]]), 0.9, "accuracy")
    >>> found.mean.round(2).tolist(), found.std.round(2).tolist()
    ([0.3, 0.0], [0.1, 0.0])
    """

    names: tuple[str, ...]
    importances: Array
    score: float
    metric: str

    @property
    def mean(self) -> Array:
        """The mean over the repeats, of each feature."""
        return np.asarray(self.importances.mean(axis=1))

    @property
    def std(self) -> Array:
        """The standard deviation over the repeats."""
        return np.asarray(self.importances.std(axis=1))


@explained
def permutation_importance(
    model: Any,
    X: Any,
    y: Any,
    metric: Metric | Loss | None = None,
    *,
    repeats: int = 10,
    weight: Any = None,
    rng: RNG = None,
) -> Importance:
    """Shuffle one feature after the other, and measure how much worse the model is without each.

    Take rows that the model was not trained on. Features that say the same stand in for each other,
    so that each of them may seem to be of no use.

    Parameters
    ----------
    model : Sequential, or estimator with ``predict``
        Is trained already, and left as it is.
    X : array-like of shape (rows, features), or table
        The input. Of a table the columns are shuffled as they are, before they are encoded.
    y : array-like
        The targets.
    metric : function (pred, target) or Loss, optional
        What gets worse: a metric that says which way is up (``higher_is_better``), or a loss. Of an
        estimator it is by default its own ``score``.
    repeats : int
        How many times each feature is shuffled.
    weight : array-like of shape (rows,), optional
        How much each row counts. Those of weight 0 are not shuffled.
    rng : int, Generator or None
        Draws the orders.

    Returns
    -------
    Importance

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit, or there is no metric, or nobody says which way is up.

    References
    ----------
    L. Breiman, "Random Forests", Machine Learning 45, 2001, section 10.

    Examples
    --------
    >>> from nnlite import Dense, LBFGS, MeanSquaredError
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = 2 * X[:, :1] + X[:, 1:2]
    >>> model = Sequential([Dense(3, 1)], rng=0)
    >>> history = model.fit(X, y, loss=MeanSquaredError(), optimizer=LBFGS())
    >>> found = permutation_importance(model, X, y, MeanSquaredError(), rng=0)
    >>> found.mean.round(1).tolist()  # twice the variance of what each adds
    [8.2, 1.9, 0.0]
    """
    where = "permutation_importance"
    score, higher, name = scorer(where, model, metric, y, weight)
    repeats = check_integer(f"{where}(repeats=)", repeats, low=1)
    generator = check_rng(f"{where}(rng=)", rng)
    table = column_names(X)
    if table is None:
        if is_sparse(X):
            raise ArgumentTypeError(f"{where}(X)", "rows in memory", "a sparse matrix", "Give X.toarray().")
        X = check_rows(f"{where}(X)", X)
        if X.ndim != 2:
            fix = "Use saliency for images and sequences."
            raise ShapeError(f"{where}(X)", "shape (rows, features)", f"{X.shape}", fix)
    names = table or getattr(model, "feature_names", None) or [f"x{place}" for place in range(X.shape[1])]
    rows = len(X) if not isinstance(X, dict) else len(next(iter(X.values())))
    start = score(X)
    order = np.arange(rows)
    # A row of weight 0 lends its numbers to none that counts.
    some = order.copy() if weight is None else np.flatnonzero(check_rows(f"{where}(weight=)", weight))
    found = np.empty((len(names), repeats))
    for feature in range(len(names)):
        for repeat in range(repeats):
            order[some] = generator.permutation(some)
            other = score(_shuffled(X, feature, order))
            found[feature, repeat] = start - other if higher else other - start
    return Importance(tuple(names), found, start, name)


def _shuffled(X: Any, feature: int, order: AnyArray) -> Any:
    """Return a copy in which one column is in another order."""
    if isinstance(X, dict):
        name = list(X)[feature]
        return {**X, name: np.asarray(X[name])[order]}
    if isinstance(X, np.ndarray):
        X = X.copy()
        X[:, feature] = X[order, feature]
        return X
    if hasattr(X, "iloc"):
        X = X.copy()
        X.isetitem(feature, X.iloc[order, feature].array)
        return X
    return X.with_columns(X.to_series(feature)[order])


def scorer(
    where: str, model: Any, metric: Any, y: Any, weight: Any = None
) -> tuple[Callable[[Any], float], bool, str]:
    """Return a function from rows to the score of a model there, whether more is better, and its name.

    Parameters
    ----------
    where : str
        Names the function in messages.
    model : Sequential, or estimator with ``predict``
        What is measured.
    metric : function (pred, target), Loss or None
        See `permutation_importance`.
    y : array-like
        The targets.
    weight : array-like, optional
        How much each row counts.

    Returns
    -------
    (function, bool, str)

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is no such score.

    Examples
    --------
    >>> from nnlite import Dense, accuracy
    >>> score, higher, name = scorer("here", Sequential([Dense(1, 2)], rng=0), accuracy, [0, 1])
    >>> higher, name
    (True, 'accuracy')
    """
    if isinstance(model, Sequential):
        check_net(where, model)
    elif isinstance(model, type) or not callable(getattr(model, "predict", None)):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        fix = "Give a Sequential, or a fitted estimator."
        raise ArgumentTypeError(f"{where}(model)", "a model that predicts", got, fix)
    elif metric is None and callable(getattr(model, "score", None)):
        options = {} if weight is None else {"sample_weight": weight}
        return lambda X: float(model.score(X, y, **options)), True, "score"
    if isinstance(metric, Loss) and isinstance(model, Sequential):
        return lambda X: float(model.evaluate(X, y, loss=metric, weight=weight)["loss"]), False, "loss"
    if not callable(metric) or isinstance(metric, type):
        fix = "Write nnlite.accuracy, for instance."
        raise ArgumentTypeError(f"{where}(metric)", "a metric", f"{metric!r}", fix)
    name = getattr(metric, "__name__", "metric").replace("_", " ")
    higher = is_better_higher(metric)
    if higher is None:
        fix = "Write metric.higher_is_better = True, or False."
        raise ArgumentError(f"{where}(metric)", "a metric that says which way is up", name, fix)
    if isinstance(model, Sequential):
        return (
            lambda X: float(model.evaluate(X, y, metrics={"it": metric}, weight=weight)["it"]),
            higher,
            name,
        )
    target = np.asarray(y)
    return lambda X: float(call_metric(metric, np.asarray(model.predict(X)), target, weight)), higher, name


@explained
def saliency(model: Sequential, X: Any, *, output: int | None = None) -> Array:
    """Compute the gradient of an output by the input: which way each input would move the answer.

    Parameters
    ----------
    model : Sequential
        One net. It is left as it is, its gradients too; dropout is off, and `BatchNorm` goes by its running
        statistics.
    X : array-like of shape (rows, ...)
        The input. Of a table, the encoded columns are what the gradient is by.
    output : int, optional
        Which output; by default the largest of each row, the class that the net takes it for.

    Returns
    -------
    ndarray of the shape of the input
        Ids of words, which an `Embedding` reads, have no slope: it is 0.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit, or there is no such output.

    References
    ----------
    K. Simonyan, A. Vedaldi and A. Zisserman, "Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps", ICLR workshop 2014, section 3.

    Examples
    --------
    >>> from nnlite import Dense
    >>> model = Sequential([Dense(2, 1)], rng=0)
    >>> model[0].W[...] = [[3.0], [-1.0]]
    >>> saliency(model, [[0.0, 0.0], [1.0, 2.0]])
    array([[ 3., -1.],
           [ 3., -1.]], dtype=float32)
    """
    where = "saliency"
    check_net(where, model)
    x = model.boundary.check_input(X, where=f"{where}(X)", finite=True)
    x = x.toarray() if is_sparse(x) else x  # type: ignore[attr-defined]
    grads = model.params.grads.copy()
    ctx = model.context(training=False, input_gradient=True)
    try:
        out = model._forward(x, ctx)
        flat = out.reshape(len(out), -1)
        if output is None:
            chosen = flat.argmax(axis=1)
        else:
            place = check_integer(f"{where}(output=)", output)
            if place >= flat.shape[1]:
                fix = "They count from 0."
                raise ArgumentError(f"{where}(output=)", f"one of {flat.shape[1]} outputs", f"{place}", fix)
            chosen = np.full(len(flat), place)
        dy = np.zeros_like(flat)
        dy[np.arange(len(flat)), chosen] = 1.0
        with np.errstate(under="ignore"):
            found = model._backward(dy.reshape(out.shape), ctx)
    finally:
        model.params.grads[...] = grads
    return np.zeros_like(x) if found is None else found
