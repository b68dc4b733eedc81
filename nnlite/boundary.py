"""The edge of a model: whatever comes in is checked and cast here, once, and trusted behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.checks import check_finite, check_rows, check_weight
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.layers.base import Layer
from nnlite.losses import Loss

__all__ = ["Boundary", "check_feature_names", "check_preprocessing", "column_names"]


class Boundary:
    """What a model takes: its input, and with a loss its targets and weights.

    Parameters
    ----------
    layers : tuple of Layer
        Those of the model.
    input_shape, output_shape : tuple of int or None
        Shape of one sample; None if any will do.
    dtype : dtype
        What inputs, targets and weights are cast to.
    replicas : int or None
        How many nets are trained as one.
    preprocessing : TableEncoder, optional
        Makes rows of numbers of tables.
    feature_names : tuple of str, optional
        The columns that a table must have if nothing encodes it.

    Attributes
    ----------
    output_rank : int
        Number of axes of one output sample.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> edge = Boundary((Dense(2, 1),), (2,), (1,), np.dtype("float32"), None)
    >>> edge.check_input([[1, 2]], where="here")
    array([[1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        input_shape: tuple[int, ...] | None,
        output_shape: tuple[int, ...] | None,
        dtype: np.dtype[np.floating[Any]],
        replicas: int | None,
        *,
        preprocessing: Any = None,
        feature_names: tuple[str, ...] | None = None,
    ) -> None:
        self.layers = layers
        self.preprocessing = preprocessing
        self.feature_names = feature_names
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.dtype = dtype
        self.replicas = replicas
        self.output_rank = len(output_shape or (1,))

    def row_axis(self, x: Array) -> int:
        """Return which axis of an input counts its rows.

        Parameters
        ----------
        x : ndarray
            A checked input.

        Returns
        -------
        int
        """
        return x.ndim - 1 - len(self.input_shape or (1,))

    def rows(self, x: Array) -> tuple[int, ...]:
        """Return the shape of one number a row.

        Parameters
        ----------
        x : ndarray
            A checked input.

        Returns
        -------
        tuple of int
            ``(rows,)`` or ``(replicas, rows)``.
        """
        rows = x.shape[self.row_axis(x)]
        return (rows,) if self.replicas is None else (self.replicas, rows)

    def pred_shape(self, x: Array) -> tuple[int, ...]:
        """Return the shape of the predictions for an input.

        Parameters
        ----------
        x : ndarray
            A checked input.

        Returns
        -------
        tuple of int
            ``(rows, outputs)`` or ``(replicas, rows, outputs)``.
        """
        outputs = x.shape[self.row_axis(x) + 1 :] if self.output_shape is None else self.output_shape
        return (*self.rows(x), *outputs)

    def check_input(self, x: Any, *, where: str, finite: bool = False) -> Array:
        """Cast an input and check its shape.

        Parameters
        ----------
        x : array-like
            The candidate.
        where : str
            Names it in the message.
        finite : bool
            Whether NaN and infinity are refused too.

        Returns
        -------
        ndarray
            The input itself if nothing had to be changed.

        Raises
        ------
        ArgumentTypeError
            If it holds no numbers.
        ShapeError
            If its shape does not fit.
        ArgumentError
            If it is empty, or not finite.
        """
        array: Array = x
        if type(x) is not np.ndarray or x.dtype != self.dtype:
            array = self._cast(self._from_table(x, where), where)
        shape = self.input_shape
        if shape is not None:
            leading = array.shape[: array.ndim - len(shape)]
            if array.shape[len(leading) :] != shape or not self._may_lead(leading):
                raise ShapeError(where, *self._expected_input(array))
        elif array.ndim < 2:
            raise ShapeError(where, "shape (batch, features)", f"{array.shape}", "Add the batch axis.")
        if not array.size:
            raise ArgumentError(where, "at least one row", f"shape {array.shape}", "Give some data.")
        if finite:
            check_finite(where, array)
        return array

    def _from_table(self, x: Any, where: str) -> Any:
        """Encode a table, or check that it has the columns that the model knows."""
        names = column_names(x)
        if names is None:
            return x
        if self.preprocessing is not None:
            return self.preprocessing.transform(x)
        if self.feature_names is not None and names != self.feature_names:
            raise ArgumentError(
                where,
                f"the columns {list(self.feature_names)}, on which the model was trained",
                f"{list(names)}",
                "Write X[list(model.feature_names)].",
            )
        return x

    def _cast(self, array: Any, where: str) -> Array:
        with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, which can be refused
            cast: Array = check_rows(where, array).astype(self.dtype, copy=False)
        return cast

    def _may_lead(self, leading: tuple[int, ...]) -> bool:
        """Tell whether the axes before a sample are a batch, behind replicas if there are any."""
        return len(leading) == 1 or (self.replicas is not None and leading[:-1] == (self.replicas,))

    def _expected_input(self, x: Array) -> tuple[str, str, str]:
        shape = self.input_shape or ()
        sizes = ", ".join(map(str, shape))
        if self.replicas != x.shape[0] and x.ndim == len(shape) + 2 and x.shape[2:] == shape:
            fix = f"For other data for each replica write Sequential(..., replicas={x.shape[0]})."
        elif x.shape == shape:
            fix = "For one row write x[None]."
        elif shape == (1,) and x.ndim == 1:
            fix = "For one feature write x[:, None]."
        elif x.ndim == 2 and x.shape[:1] == shape:
            fix = "Write x.T if each column is a sample."
        else:
            fix = f"The first layer, {self.layers[0]}, fixes the shape of a sample."
        return f"shape (batch, {sizes})", f"{x.shape}", fix

    def check_loss(self, loss: Any) -> None:
        """Refuse what is no loss, and a logits loss behind a layer that gives probabilities.

        Parameters
        ----------
        loss : Loss
            The candidate.

        Raises
        ------
        ArgumentTypeError
            If it is no loss.
        ArgumentError
            If the last layer applies what the loss applies itself.
        ShapeError
            If an output sample is no row of numbers.
        """
        if isinstance(loss, type):
            raise ArgumentTypeError(
                "loss", "a Loss instance", f"the class {loss.__name__}", f"Write {loss.__name__}()."
            )
        if not isinstance(loss, Loss):
            fix = "Use one of nnlite.losses, or subclass nnlite.Loss."
            raise ArgumentTypeError("loss", "a Loss instance", f"{loss!r}", fix)
        last = self.layers[-1]
        if self.output_rank > 1:  # a loss would take the first of these axes for the batch
            raise ShapeError(
                f"layer {len(self.layers) - 1} {last}",
                "output of shape (batch, outputs), as losses take it",
                f"samples of shape {self.output_shape}",
                f"End the model with Flatten({self.output_shape}).",
            )
        if loss.from_logits and last.gives_probabilities:
            raise ArgumentError(
                f"layer {len(self.layers) - 1} {last}",
                f"logits for {loss}, scores that are no probabilities yet",
                "probabilities",
                "Leave that layer out of the model; where you want probabilities, write "
                f"{last}.forward(model.predict(X)).",
            )

    def check_targets(
        self, y: Any, weight: Any, loss: Loss, x: Array, *, part: bool = False
    ) -> tuple[AnyArray, Array | None]:
        """Check targets and weights against the input, and cast them.

        Parameters
        ----------
        y : array-like
            The targets.
        weight : array-like or None
            How much each row counts.
        loss : Loss
            Knows what targets it takes.
        x : ndarray
            The input, checked.
        part : bool
            Whether this is a batch of more rows, in which none need count.

        Returns
        -------
        y : ndarray
        weight : ndarray or None

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they do not fit.
        """
        target = loss.prepare(self.check_target_rows(y, x), self.pred_shape(x), self.dtype)
        return target, None if weight is None else self.check_weight(weight, self.rows(x), part=part)

    def check_target_rows(self, y: Any, x: Array) -> AnyArray:
        """Check that there is one target for each row; what a target must be only a loss knows.

        Parameters
        ----------
        y : array-like
            The targets.
        x : ndarray
            The input, checked.

        Returns
        -------
        ndarray

        Raises
        ------
        ShapeError, ArgumentTypeError
            If there are more or fewer, or they are no numbers.
        """
        array = check_rows("y", y)
        rows = self.rows(x)
        if rows[-1] not in array.shape[: len(rows)]:
            flipped = array.ndim == 2 and array.shape[1] == rows[-1]
            fix = "Write y.T, which has a row for each of X." if flipped else "Give one target for each row."
            raise ShapeError("y", f"{rows[-1]} rows, as many as X", f"shape {array.shape}", fix)
        return array

    def check_weight(self, weight: Any, rows: tuple[int, ...], *, part: bool = False) -> Array:
        """Check and cast the weights of rows.

        Parameters
        ----------
        weight : array-like of shape `rows`
            The candidate. The axis of replicas may be missing.
        rows : tuple of int
            What `rows` gives.
        part : bool
            Whether this is a batch of more rows, in which none need count.

        Returns
        -------
        ndarray

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they do not fit, or are negative or not finite.
        """
        cast = self._cast(weight, "weight")
        check_weight("weight", cast, rows=rows, part=part)
        return cast


def column_names(x: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of a table, or None for what is no table.

    Parameters
    ----------
    x : object
        A pandas or polars frame, a dict of columns, or anything else.

    Returns
    -------
    tuple of str or None

    Examples
    --------
    >>> column_names({"age": [31, 44], "height": [1.7, 1.8]})
    ('age', 'height')
    >>> column_names([[31, 1.7]]) is None
    True
    """
    if type(x) is np.ndarray:
        return None
    columns = x.keys() if isinstance(x, dict) else getattr(x, "columns", None)
    return None if columns is None else tuple(map(str, columns))


def check_feature_names(names: Any, input_shape: tuple[int, ...] | None) -> tuple[str, ...] | None:
    """Check the names of the columns that a model takes.

    Parameters
    ----------
    names : sequence of str or None
        The candidate.
    input_shape : tuple of int or None
        Shape of one sample.

    Returns
    -------
    tuple of str or None

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If they are no names, one is there twice, or there are not as many as features.

    Examples
    --------
    >>> check_feature_names(["age", "height"], (2,))
    ('age', 'height')
    """
    if names is None:
        return None
    where = "Sequential.feature_names"
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(where, "a list of names", f"{names!r}", "Write list(X.columns).")
    if len(set(names)) < len(names):
        raise ArgumentError(where, "names that differ", f"{names}", "Rename a column.")
    if input_shape is not None and input_shape != (len(names),):
        raise ArgumentError(
            where,
            f"a name for each feature of a sample of shape {input_shape}",
            f"{len(names)} names",
            "Give one name a column.",
        )
    return tuple(names)


def check_preprocessing(candidate: Any, input_shape: tuple[int, ...] | None) -> Any:
    """Check that what encodes tables gives as many numbers a row as the first layer takes.

    Parameters
    ----------
    candidate : TableEncoder or None
        The candidate.
    input_shape : tuple of int or None
        Shape of one sample.

    Returns
    -------
    TableEncoder or None

    Raises
    ------
    ArgumentTypeError, ArgumentError, NotFittedError
        If it is no encoder, has seen no table, or does not fit.

    Examples
    --------
    >>> check_preprocessing(None, (2,)) is None
    True
    """
    if candidate is None:
        return None
    where = "Sequential(preprocessing=)"
    if isinstance(candidate, type) or not hasattr(candidate, "transform"):
        raise ArgumentTypeError(
            where, "a fitted TableEncoder", f"{candidate!r}", "Write TableEncoder().fit(frame)."
        )
    if input_shape is not None and input_shape != (candidate.features,):
        raise ArgumentError(
            where,
            f"an encoder that gives samples of shape {input_shape}, as the first layer takes them",
            f"{candidate.features} numbers a row",
            "Begin the model with encoder.layer().",
        )
    return candidate
