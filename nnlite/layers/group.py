"""Layers whose parameters train in a way of their own: penalized, bounded, slower or faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.core.chain import Chain
from nnlite.core.layer import Layer
from nnlite.errors.checks import check_number

__all__ = ["ParameterGroup"]


class ParameterGroup(Chain):
    """Layers in a row whose parameters are penalized, bounded, or trained at a rate of their own.

    It computes what its layers do; what is said of their parameters is heeded by ``fit``, and by all that
    trains through it. Groups may be inside of each other: penalties add up, factors multiply, and of two
    bounds the lower one holds.

    Parameters
    ----------
    layers : list of Layer
        From input to output; they belong to it from now on.
    l1, l2 : float
        ``l1 * sum(abs(W)) + l2 * sum(W**2)`` is added to the loss of each batch, for all weights inside, not
        for biases and gains. It is in the training loss of the history; validation, ``evaluate`` and
        ``loss_and_grad`` give the loss of the data alone.
    max_norm : float, optional
        After each step the columns of a matrix of weights, which are what one neuron or filter hears, are
        scaled down to this Euclidean norm if they are longer. Of more than two axes, a column is all but the
        last one.
    rate_factor : float
        Each step of all parameters inside, biases too, is so many times what the optimizer makes of it.

    Attributes
    ----------
    l1, l2, max_norm, rate_factor : float
        They may be changed, also while it trains.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a number is negative, or it cannot hold one of the layers.
    ShapeError
        If a layer does not take what the one before it gives.

    Notes
    -----
    ``l2`` is counted as in Keras: its slope is ``2 * l2 * W``. The coupled ``weight_decay`` of `SGD`, whose
    slope is ``weight_decay * W``, is half of it. Decay that stands apart from the gradient, as in `AdamW`, is
    multiplied by `rate_factor` too, as the groups of PyTorch do.

    What is frozen is neither penalized nor bounded. With replicas each net has a penalty of its own. `LBFGS`
    heeds the penalties and refuses the rest; `LevenbergMarquardt`, which takes sums of squares, refuses all.

    References
    ----------
    N. Srebro and A. Shraibman, "Rank, Trace-Norm and Max-Norm", COLT 2005; used for neurons by N. Srivastava,
    G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting", JMLR 15, 2014, section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import SGD, Dense, MeanSquaredError, ParameterGroup, Sequential
    >>> model = Sequential([ParameterGroup([Dense(1, 1, bias=False)], l2=0.5)], rng=0)
    >>> model[0][0].W[...] = 2.0
    >>> history = model.fit([[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=1)
    >>> history["loss"], model[0][0].W  # no error, and half of the square of 2; 2 - 0.1 * 2 * 0.5 * 2
    ([2.0], array([[1.8]], dtype=float32))
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
        rate_factor: float = 1.0,
    ) -> None:
        # First, since layers that it holds could be in nothing else if one of them is wrong.
        self.l1, self.l2, self.max_norm, self.rate_factor = l1, l2, max_norm, rate_factor
        super().__init__(layers)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("l1", "l2", "rate_factor") or (name == "max_norm" and value is not None):
            value = check_number(f"ParameterGroup({name}=)", value, low=0, low_open=name == "max_norm")
        super().__setattr__(name, value)

    @property
    def asked(self) -> dict[str, float]:
        """What it asks for, by the names of its arguments; those that change nothing are left out."""
        plain = {"l1": 0.0, "l2": 0.0, "max_norm": None, "rate_factor": 1.0}
        return {name: getattr(self, name) for name in plain if getattr(self, name) != plain[name]}

    def __repr__(self) -> str:
        said = [f"{name}={value!r}" for name, value in self.asked.items()]
        layers = f"[{', '.join(map(repr, self.children))}]"
        return f"ParameterGroup({', '.join([layers, *said])})"
