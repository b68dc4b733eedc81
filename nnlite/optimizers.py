"""Optimizers: how the parameters move, once it is known which way is downhill.

Each update rule is written once, for flat arrays, and so serves every model. To
write your own, subclass `Optimizer` and write ``update``;
`nnlite.testing.check_optimizer` tests it.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.parameters import Parameters
from nnlite.core.quiet import quiet
from nnlite.core.schedules import From, Schedule
from nnlite.core.types import Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import Declared, explained
from nnlite.errors.checks import check_bool, check_integer, check_number, check_numbers
from nnlite.errors.habits import answering, missing_names

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Optimizer", "RMSProp"]

#: One number, or one for each replica.
Rate = float | ArrayLike

#: Values that are updated in one go: few enough that the half-dozen arrays of a rule stay in the cache.
CHUNK = 131_072


@answering
class Optimizer(Declared):
    """Base class of the optimizers that make one step a batch.

    A subclass writes `update` and names the arrays it keeps in `slots`. The first step
    ties the optimizer to the parameters it is given, since what it keeps belongs to them.

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one rate for each replica, or a schedule: a function from the number of
        steps made so far to either. A fraction, and an array or a tensor
        without axes, is a number too.
    clip_norm : float, optional
        Scale the gradient down if its Euclidean norm over all trainable parameters (with
        replicas: of each replica) is larger than this.
    clip_value : float, optional
        Cut every single gradient to ``[-clip_value, clip_value]``.
    weight_decay : float or ndarray of shape (replicas,)
        How strongly weights, not biases, are pulled to zero; what the rule does with it, it says.

    Attributes
    ----------
    steps : int
        Number of steps made.
    rate_factor : float or ndarray of shape (replicas,)
        Multiplies the learning rate; `ReduceOnPlateau` lowers it.
    state : dict of str to ndarray
        One array a slot, laid out as the parameters are. Empty before the first step.

    Raises
    ------
    ArgumentTypeError, ArgumentError, ShapeError
        If an argument cannot be used, or both kinds of clipping are asked for.

    Examples
    --------
    Signed descent, as an optimizer of one's own:

    >>> class SignSGD(Optimizer):
    ...     def update(self, w, g, rate, decay):
    ...         w -= rate * np.sign(g)
    >>> from nnlite.core.parameters import ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))])
    >>> params.grads[...] = [3.0, -0.1]
    >>> SignSGD(0.5).step(params)
    >>> params.values
    array([-0.5,  0.5], dtype=float32)
    """

    steps: int
    rate_factor: float | Array
    state: dict[str, Array]

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate],
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        weight_decay: Rate = 0.0,
    ) -> None:
        name = type(self).__name__
        self._time: tuple[int, int | None, int | None] | None = None
        self.learning_rate = learning_rate
        self.clip_norm = _check_clip(f"{name}(clip_norm=)", clip_norm)
        self.clip_value = _check_clip(f"{name}(clip_value=)", clip_value)
        if clip_norm is not None and clip_value is not None:
            raise ArgumentError(
                name, "clip_norm or clip_value", "both", "Choose one: the first keeps the direction."
            )
        self.reset()
        self.weight_decay = weight_decay

    @property
    def learning_rate(self) -> float | Array | Callable[[int], Rate]:
        """The rate, the rates of all replicas, or the schedule."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Rate | Callable[[int], Rate]) -> None:
        where = f"{type(self).__name__}(learning_rate)"
        if isinstance(value, type):
            raise ArgumentTypeError(
                where,
                "a number or a schedule",
                f"the class {value.__name__}",
                f"Write {value.__name__}(...).",
            )
        self._learning_rate = value if callable(value) else check_numbers(where, value, low_open=True)
        self._settle()

    def take_time(self, start: int, steps: int | None, steps_per_epoch: int | None) -> None:
        """Take note of how long the training is, which schedules go by; `fit` calls it.

        Parameters
        ----------
        start : int
            How many steps were made before it. A schedule that lasts as long as the training counts
            from here, any other one from the first step.
        steps : int or None
            How many steps it has; None if that is not known.
        steps_per_epoch : int or None
            How many an epoch has.

        Raises
        ------
        ArgumentError
            If the schedule needs what is not known.

        Examples
        --------
        >>> from nnlite import CosineDecay
        >>> optimizer = SGD(CosineDecay(0.5))
        >>> optimizer.take_time(0, 100, 10)
        >>> optimizer.rate_at(50)
        0.25
        """
        self._time = start, steps, steps_per_epoch
        self._settle()

    @property
    def over(self) -> int | None:
        """After how many steps the schedule has come down to next to nothing, if that is known."""
        return self._schedule.over if isinstance(self._schedule, Schedule) else None

    def _settle(self) -> None:
        """Give the schedule lengths in steps, if it has none and they are known."""
        self._schedule = self._learning_rate
        if isinstance(self._learning_rate, Schedule) and self._time is not None:
            start, *lengths = self._time
            settled = self._learning_rate.settle(*lengths)
            self._schedule = From(settled, start) if self._learning_rate.lasts and start else settled

    @property
    def weight_decay(self) -> float | Array:
        """How strongly weights are pulled to zero."""
        return self._weight_decay

    @weight_decay.setter
    def weight_decay(self, value: Rate) -> None:
        self._weight_decay = check_numbers(f"{type(self).__name__}(weight_decay=)", value)
        self._release()  # the blocks are cut by it

    @property
    def rate(self) -> float | Array:
        """The learning rate that the next step will use; an array if the replicas differ in it."""
        return self.rate_at(self.steps)

    def rate_at(self, step: int) -> float | Array:
        """Return the learning rate of one step.

        Parameters
        ----------
        step : int
            How many steps were made before it.

        Returns
        -------
        float, or ndarray of shape (replicas,)

        Raises
        ------
        ArgumentTypeError, ArgumentError, ShapeError
            If the schedule gives no usable rate.

        Examples
        --------
        >>> SGD(lambda step: 0.5**step).rate_at(3)
        0.125
        """
        rate = self._schedule
        if callable(rate):
            rate = check_numbers(f"the schedule of {type(self).__name__} at step {step}", rate(step))
        return rate * self.rate_factor

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps, each as large as the parameters."""
        return ()

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Change some of the values in place.

        Parameters
        ----------
        w : ndarray of shape (..., n)
            Values of some parameters, to be changed.
        g : ndarray of shape (..., n)
            Their gradients, not to be changed.
        rate : float, or ndarray of shape (replicas, 1)
            The learning rate of this step.
        decay : float, or ndarray of shape (replicas, 1)
            The weight decay for these parameters; the float 0.0 where none acts.
        *state : ndarray of shape (..., n)
            What is kept for them, in the order of `slots`, to be changed.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__}.update is not written yet")

    @quiet("under")
    @explained
    def step(self, params: Parameters) -> None:
        """Move all trainable parameters once.

        Parameters
        ----------
        params : Parameters
            Values and gradients. Values are changed in place; gradients only by clipping.

        Raises
        ------
        ArgumentError
            If the optimizer has been training other parameters, or the schedule gives no
            usable rate.
        """
        rate = self.rate_at(self.steps)
        if not isinstance(rate, float):
            self._check_count("learning_rate", rate, params)
        if params.trainable_slices is not self._slices or self.slots != self._attached:
            self._attach(params)
        if self.clip_norm is not None:
            self._clip_to_norm(params, self.clip_norm)
        elif self.clip_value is not None:
            np.clip(params.grads, -self.clip_value, self.clip_value, out=params.grads)
        object.__setattr__(self, "steps", self.steps + 1)  # no look at whether the name is known
        if isinstance(rate, float):
            for w, g, decay, _, state in self._blocks:
                self.update(w, g, rate, decay, *state)
        else:
            column = rate.astype(params.dtype)[:, None]
            for w, g, decay, rows, state in self._blocks:
                self.update(w, g, column[rows], decay, *state)

    def _clip_to_norm(self, params: Parameters, limit: float) -> None:
        # In float64, where neither the squares of float32 nor the division overflow. NaN stays and shows.
        squares = [
            np.square(params.grads[..., run], dtype=np.float64).sum(axis=-1)
            for run in params.trainable_slices
        ]
        norm = np.sqrt(np.sum(squares, axis=0))[..., None]
        factor = limit / np.maximum(norm, limit)
        params.grads *= factor.astype(params.dtype)

    def reset(self) -> None:
        """Forget the state and the parameters it belonged to; go back to step 0 and the full rate.

        Examples
        --------
        >>> optimizer = Adam()
        >>> optimizer.reset()
        >>> optimizer.steps
        0
        """
        self.steps = 0
        self.rate_factor = 1.0
        self.state = {}
        self._owner: weakref.ref[Parameters] | None = None
        self._time = None
        self._settle()
        self._release()

    def _release(self) -> None:
        """Drop what is derived from the parameters."""
        self._slices: tuple[slice, ...] | None = None
        self._attached: tuple[str, ...] = ()
        self._blocks: list[tuple[Array, Array, float | Array, slice, list[Array]]] = []

    def check(self, params: Parameters) -> None:
        """Refuse parameters that the optimizer's state does not belong to.

        Parameters
        ----------
        params : Parameters
            What it is to train.

        Raises
        ------
        ArgumentError
            If it has been training others.
        """
        name = type(self).__name__
        self._check_count("learning_rate", self._learning_rate, params)
        self._check_count("weight_decay", self._weight_decay, params)
        if self._owner is not None and self._owner() is not params:
            raise ArgumentError(
                f"{name}.step",
                "the parameters that it has been training, to which its state belongs",
                "those of another model",
                f"Make a new {name} for each model, or call its reset() first.",
            )
        for kept in self.state.values():
            if kept.shape != params.values.shape or kept.dtype != params.dtype:
                raise ArgumentError(
                    f"{name}.step",
                    f"parameters of shape {kept.shape} and dtype {kept.dtype}, like its state",
                    f"{params.values.shape} and {params.dtype}",
                    "The state is that of another model; call reset() first.",
                )

    def _check_count(self, what: str, numbers: Any, params: Parameters) -> None:
        """Refuse an array that does not have one number for each replica."""
        if not isinstance(numbers, np.ndarray) or len(numbers) == params.replicas:
            return
        raise ShapeError(
            f"{type(self).__name__}({what}=)",
            "one number, for a model without replicas"
            if params.replicas is None
            else f"one number, or one for each of {params.replicas} replicas",
            f"{len(numbers)} numbers",
            f"Write Sequential(..., replicas={len(numbers)}) to train one net for each.",
        )

    def _attach(self, params: Parameters) -> None:
        """Cut values, gradients and state into the blocks that are updated in one go."""
        self.check(params)
        kept = self.state  # less what a slot that is no longer used has left behind
        shape, dtype = params.values.shape, params.dtype
        self.state = {slot: kept[slot] if slot in kept else np.zeros(shape, dtype) for slot in self.slots}
        self._owner = weakref.ref(params)
        self._slices = params.trainable_slices
        self._attached = self.slots  # another one, as when momentum is switched on, needs other blocks
        self._blocks = []
        for run in params.trainable_slices:
            # A block lies on one side of the border between weights and biases, if that matters.
            border = min(max(params.decayed, run.start), run.stop) if np.any(self.weight_decay) else run.start
            self._cut(params, run.start, border, self.weight_decay)
            self._cut(params, border, run.stop, 0.0)

    def _cut(self, params: Parameters, low: int, high: int, decay: float | Array) -> None:
        """Cut one run of parameters into blocks: whole replicas if they are small, else parts of one."""
        if isinstance(decay, np.ndarray):
            decay = decay.astype(params.dtype)[:, None]
        replicas = params.replicas or 1
        # Rows that lie far apart in memory get in each other's way in the cache: 64 slices of a
        # row of 4,547 values take four times as long as the same number of values side by side.
        height = max(1, CHUNK // max(1, high - low))
        for top in range(0, replicas, height):
            rows = slice(top, min(top + height, replicas))
            for start in range(low, high, CHUNK):
                columns = slice(start, min(start + CHUNK, high))
                part: Any = columns if params.replicas is None else (rows, columns)
                state = [self.state[slot][part] for slot in self.slots]
                pulled = decay[rows] if isinstance(decay, np.ndarray) else decay
                self._blocks.append((params.values[part], params.grads[part], pulled, rows, state))

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of everything that changes from step to step.

        Returns
        -------
        dict
            ``steps``, ``rate_factor`` (a number, or one a replica), and one array a slot.

        Examples
        --------
        >>> SGD(0.1).state_dict()
        {'steps': 0, 'rate_factor': 1.0}
        """
        return {
            name: kept.copy() if isinstance(kept, np.ndarray) else kept for name, kept in self._kept().items()
        }

    def _kept(self) -> dict[str, Any]:
        """Return what `state_dict` copies."""
        return {"steps": self.steps, "rate_factor": self.rate_factor, **self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what another optimizer of this kind gave as `state_dict`.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.

        Raises
        ------
        ArgumentError
            If an entry is missing or unknown, or no number; nothing is changed then.
        """
        arrays = {key: value for key, value in state.items() if key not in {"steps", "rate_factor"}}
        # Before the first step there are no arrays yet.
        whole = set(arrays) == set(self.slots) if state.get("steps") else set(arrays) <= set(self.slots)
        if not {"steps", "rate_factor"} <= set(state) or not whole:
            raise ArgumentError(
                f"{type(self).__name__}.load_state_dict",
                f"the entries {sorted({'steps', 'rate_factor', *self.slots})}",
                f"{sorted(state)}",
                "Give what state_dict() of the same kind of optimizer returned.",
            )
        where = f"{type(self).__name__}.load_state_dict"
        steps = check_integer(where, state["steps"])
        rate_factor = check_numbers(where, state["rate_factor"])
        kept = {slot: np.array(array) for slot, array in arrays.items()}
        kinds = {(array.dtype.kind, array.shape) for array in kept.values()}
        if len(kinds) > 1 or any(kind != "f" for kind, _ in kinds):
            raise ArgumentError(
                where,
                "floats in all arrays, which are of one shape",
                ", ".join(f"{slot} of {array.dtype} and shape {array.shape}" for slot, array in kept.items()),
                "Give what state_dict() of the same kind of optimizer returned.",
            )
        self.reset()
        self.steps = steps
        self.rate_factor = rate_factor
        self.state = kept

    # The tie to the parameters is one to an object, not to its copy: a copy ties itself anew.
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_owner"] = None
        del state["_slices"], state["_attached"], state["_blocks"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._release()

    def __repr__(self) -> str:
        rate = self.learning_rate
        shown = f"{len(rate)} rates" if isinstance(rate, np.ndarray) else f"{rate!r}"
        return f"{type(self).__name__}(learning_rate={shown}, steps={self.steps})"


#: As pickles of earlier versions call it.
_From = From


def _acts(decay: float | Array) -> bool:
    """Tell whether there is weight decay."""
    return isinstance(decay, np.ndarray) or decay != 0.0


def _check_clip(where: str, value: float | None) -> float | None:
    return None if value is None else check_number(where, value, low=0, low_open=True)


def _check_fraction(where: str, value: float) -> float:
    return check_number(where, value, low=0, high=1, high_open=True)


class SGD(Optimizer):
    """Stochastic gradient descent: the steeper it is, the larger the step.

    ``w -= rate * g``. With momentum ``v = momentum * v + g`` takes the place of g, and with
    Nesterov's variant ``g + momentum * v``.

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    momentum : float
        In [0, 1): how much of the last step goes into this one.
    nesterov : bool
        Look ahead along the momentum; needs `momentum`.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled: ``weight_decay * w`` is added to the gradient of weights, not of biases, before
        the momentum, as in PyTorch.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    I. Sutskever et al., "On the importance of initialization and momentum in deep
    learning", ICML 2013, eqs. 1-4, with the rate outside of v.

    Examples
    --------
    >>> from nnlite.core.parameters import Parameters, ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))])
    >>> params.grads[...] = [1.0, -2.0]
    >>> SGD(0.5).step(params)
    >>> params.values
    array([-0.5,  1. ], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.momentum = _check_fraction("SGD(momentum=)", momentum)
        self.nesterov = check_bool("SGD(nesterov=)", nesterov)
        if self.nesterov and not self.momentum:
            raise ArgumentError("SGD(nesterov=True)", "a momentum above 0", "momentum=0", "Add momentum=0.9.")

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step against the gradient, or along the velocity."""
        if _acts(decay):
            g = g + decay * w
        if state:
            (velocity,) = state
            velocity *= self.momentum
            velocity += g
            g = g + self.momentum * velocity if self.nesterov else velocity
        w -= rate * g


class RMSProp(Optimizer):
    """Divide each gradient by a running root mean square of its own past.

    ``s = rho * s + (1 - rho) * g**2``, ``w -= rate * g / (sqrt(s) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    rho : float
        In [0, 1): how slowly the past is forgotten.
    momentum : float
        In [0, 1): how much of the last step goes into this one.
    epsilon : float
        Keeps the division finite.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled: ``weight_decay * w`` is added to the gradient of weights, not of biases, before
        anything else, as in PyTorch.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine
    Learning, 2012.

    Examples
    --------
    >>> RMSProp(0.001)
    RMSProp(learning_rate=0.001, steps=0)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.01,
        *,
        rho: float = 0.99,
        momentum: float = 0.0,
        epsilon: float = 1e-8,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.rho = _check_fraction("RMSProp(rho=)", rho)
        self.momentum = _check_fraction("RMSProp(momentum=)", momentum)
        self.epsilon = check_number("RMSProp(epsilon=)", epsilon, low=0, low_open=True)

    @property
    def slots(self) -> tuple[str, ...]:
        """The mean square, and the velocity if there is momentum."""
        return ("mean_square", "velocity") if self.momentum else ("mean_square",)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the gradient over its root mean square."""
        if _acts(decay):
            g = g + decay * w
        mean_square = state[0]
        mean_square *= self.rho
        mean_square += (1 - self.rho) * (g * g)
        move = np.sqrt(mean_square)
        move += self.epsilon
        np.divide(g, move, out=move)
        if self.momentum:
            velocity = state[1]
            velocity *= self.momentum
            velocity += move
            move = velocity
        w -= rate * move


class Adagrad(Optimizer):
    """Divide each gradient by the root of the sum of its squares so far.

    ``s += g**2``, ``w -= rate * g / (sqrt(s) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    epsilon : float
        Keeps the division finite.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled: ``weight_decay * w`` is added to the gradient of weights, not of biases, before
        anything else, as in PyTorch.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning
    and Stochastic Optimization", JMLR 12, 2011.

    Examples
    --------
    >>> Adagrad(0.1)
    Adagrad(learning_rate=0.1, steps=0)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.01,
        *,
        epsilon: float = 1e-10,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.epsilon = check_number("Adagrad(epsilon=)", epsilon, low=0, low_open=True)

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum_of_squares",)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the gradient over the root of its summed squares."""
        (squares,) = state
        if _acts(decay):
            g = g + decay * w
        squares += g * g
        move = np.sqrt(squares)
        move += self.epsilon
        np.divide(g, move, out=move)
        move *= rate
        w -= move


class Adam(Optimizer):
    """Momentum over a running root mean square, both corrected for their start at zero.

    ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g**2``,
    ``w -= rate * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    beta1, beta2 : float
        In [0, 1): how slowly the mean gradient and the mean square are forgotten.
    epsilon : float
        Keeps the division finite.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled: ``weight_decay * w`` is added to the gradient of weights, not of biases, before
        anything else, as in PyTorch's Adam. So it goes through the two means, and acts less where
        gradients are large; that of `AdamW` is apart from them.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    The state holds ``m / (1 - beta1)`` and ``v / (1 - beta2)``: the same rule, with three
    passes over the arrays fewer.

    References
    ----------
    D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
    algorithm 1.

    Examples
    --------
    >>> Adam()
    Adam(learning_rate=0.001, steps=0)
    """

    #: Whether weight decay is apart from the gradient.
    _decoupled: ClassVar[bool] = False

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        name = type(self).__name__
        self.beta1 = _check_fraction(f"{name}(beta1=)", beta1)
        self.beta2 = _check_fraction(f"{name}(beta2=)", beta2)
        self.epsilon = check_number(f"{name}(epsilon=)", epsilon, low=0, low_open=True)

    @property
    def slots(self) -> tuple[str, ...]:
        """The two moments, scaled."""
        return ("first_moment", "second_moment")

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the first moment over the root of the second."""
        first, second = state
        if not _acts(decay):
            pass
        elif self._decoupled:
            w *= 1 - rate * decay
        else:
            g = g + decay * w
        first *= self.beta1
        first += g
        second *= self.beta2
        second += g * g
        scale = math.sqrt((1 - self.beta2**self.steps) / (1 - self.beta2))
        move = np.sqrt(second)
        move += self.epsilon * scale
        np.divide(first, move, out=move)
        move *= rate * scale * (1 - self.beta1) / (1 - self.beta1**self.steps)
        w -= move


class AdamW(Adam):
    """Adam with weight decay that is apart from the gradient, on weights only.

    Before each step of Adam, ``w *= 1 - rate * weight_decay`` for weights, not for biases.

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    weight_decay : float or ndarray of shape (replicas,)
        Decoupled: how strongly weights are pulled to zero, apart from the gradient.
    beta1, beta2, epsilon : float
        See `Adam`.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
    algorithm 2.

    Examples
    --------
    >>> AdamW(weight_decay=0.1).weight_decay
    0.1
    """

    _decoupled = True

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.001,
        *,
        weight_decay: Rate = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            clip_value=clip_value,
        )


class Lion(Optimizer):
    """Step by the sign of a mix of momentum and gradient: every parameter moves equally far.

    ``w -= rate * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)``,
    ``m = beta2 * m + (1 - beta2) * g``. Weight decay acts on weights only.

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule; three to ten times smaller than for Adam.
    beta1, beta2 : float
        In [0, 1): the share of the past in the step, and in what is kept.
    weight_decay : float or ndarray of shape (replicas,)
        Decoupled: how strongly weights, not biases, are pulled to zero, apart from the gradient, as
        in the paper.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    X. Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023,
    algorithm 2.

    Examples
    --------
    >>> Lion()
    Lion(learning_rate=0.0001, steps=0)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.0001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.beta1 = _check_fraction("Lion(beta1=)", beta1)
        self.beta2 = _check_fraction("Lion(beta2=)", beta2)

    @property
    def slots(self) -> tuple[str, ...]:
        """The momentum."""
        return ("momentum",)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the sign."""
        (momentum,) = state
        if _acts(decay):
            w *= 1 - rate * decay
        mix = self.beta1 * momentum
        mix += (1 - self.beta1) * g
        w -= rate * np.sign(mix)
        momentum *= self.beta2
        momentum += (1 - self.beta2) * g


__getattr__ = missing_names(__name__)
