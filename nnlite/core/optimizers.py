"""Optimizers: how the parameters move, once it is known which way is downhill.

Each update rule is written once, for flat arrays, and so serves every model. To
write your own, subclass `Optimizer` and write ``update``;
`nnlite.testing.check_optimizer` tests it.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import Array
from nnlite.core.blocks import Block, blocks_of, clip_to_norm
from nnlite.core.parameters import Parameters
from nnlite.core.quiet import quiet
from nnlite.core.sums import constant
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import Declared, explained
from nnlite.errors.checks import check_bool, check_each, check_numbers, check_rate, check_share
from nnlite.errors.habits import answering
from nnlite.errors.state import check_belongs, check_clipping, check_state

__all__ = ["SGD", "Optimizer", "Rate", "acts"]

#: One number, or one for each replica.
Rate = float | ArrayLike


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

    #: When the training began and how long it is; whom the state belongs to.
    _time: tuple[int, int | None, int | None] | None = None
    _owner: weakref.ref[Parameters] | None = None

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate],
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        weight_decay: Rate = 0.0,
    ) -> None:
        self.learning_rate = learning_rate
        self.clip_norm, self.clip_value = check_clipping(type(self).__name__, clip_norm, clip_value)
        self.reset()
        self.weight_decay = weight_decay

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
            check_each(f"{type(self).__name__}(learning_rate=)", rate, params.replicas)
        if params.trainable_slices is not self._slices or self.slots != self._attached:
            self._attach(params)
        if self.clip_norm is not None:
            clip_to_norm(params, self.clip_norm)
        elif self.clip_value is not None:
            np.clip(params.grads, -self.clip_value, self.clip_value, out=params.grads)
        object.__setattr__(self, "steps", self.steps + 1)  # not through the checks of `Declared`
        column = None if isinstance(rate, float) else rate.astype(params.dtype)[:, None]
        for w, g, decay, nets, state in self._blocks:
            self.update(w, g, rate if column is None else column[nets], decay, *state)

    @property
    def learning_rate(self) -> float | Array | Callable[[int], Rate]:
        """The rate, the rates of all replicas, or the schedule."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Rate | Callable[[int], Rate]) -> None:
        self._learning_rate = check_rate(f"{type(self).__name__}(learning_rate)", value)
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
        return self._schedule.over if hasattr(type(self._schedule), "settle_from") else None

    def _settle(self) -> None:
        """Give the schedule lengths in steps, if it has none and they are known."""
        self._schedule: Any = self._learning_rate
        if self._time is not None and hasattr(type(self._schedule), "settle_from"):
            self._schedule = self._schedule.settle_from(*self._time)  # type: ignore[union-attr]

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
        now: float | Array = rate * self.rate_factor
        return now

    def reset(self) -> None:
        """Forget the state and the parameters it belonged to; go back to step 0 and the full rate.

        Examples
        --------
        >>> optimizer = SGD(0.1)
        >>> optimizer.reset()
        >>> optimizer.steps
        0
        """
        self.steps = 0
        self.rate_factor = 1.0
        self.state = {}
        self._owner = self._time = None
        self._settle()
        self._release()

    def _release(self) -> None:
        """Drop what is derived from the parameters."""
        self._slices: tuple[slice, ...] | None = None
        self._blocks: list[Block] = []

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
        for key, numbers in (("learning_rate", self._learning_rate), ("weight_decay", self._weight_decay)):
            if isinstance(numbers, np.ndarray):
                check_each(f"{name}({key}=)", numbers, params.replicas)
        others = self._owner is not None and self._owner() is not params
        if others or self.state:
            check_belongs(name, self.state, params.values, others=others)

    def _attach(self, params: Parameters) -> None:
        """Tie what is kept to the parameters, and cut all into the blocks that are updated in one go."""
        self.check(params)
        kept = self.state  # less what a slot that is no longer used has left behind
        shape, dtype = params.values.shape, params.dtype
        self.state = {slot: kept[slot] if slot in kept else np.zeros(shape, dtype) for slot in self.slots}
        self._owner = weakref.ref(params)
        self._slices = params.trainable_slices
        self._attached = self.slots  # another one, as when momentum is switched on, needs other blocks
        self._blocks = blocks_of(params, self._weight_decay, list(self.state.values()))

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
        return copy.deepcopy(self._kept())

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
        taken = check_state(f"{type(self).__name__}.load_state_dict", state, self.slots)
        self.reset()
        self.steps, self.rate_factor, self.state = taken

    # The tie to the parameters is one to an object, not to its copy: a copy ties itself anew.
    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_owner", "_slices", "_attached", "_blocks"}
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._release()

    def __repr__(self) -> str:
        rate = self.learning_rate
        shown = f"{len(rate)} rates" if isinstance(rate, np.ndarray) else f"{rate!r}"
        return f"{type(self).__name__}(learning_rate={shown}, steps={self.steps})"


def acts(decay: float | Array) -> bool:
    """Tell whether there is weight decay."""
    return isinstance(decay, np.ndarray) or decay != 0.0


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
        self.momentum = check_share("SGD(momentum=)", momentum)
        self.nesterov = check_bool("SGD(nesterov=)", nesterov)
        if self.nesterov and not self.momentum:
            raise ArgumentError("SGD(nesterov=True)", "a momentum above 0", "momentum=0", "Add momentum=0.9.")

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step against the gradient, or along the velocity."""
        if acts(decay):
            g = g + decay * w
        if state:
            (velocity,) = state  # v = momentum * v + g
            kept = constant(float(self.momentum), w.dtype.char)
            velocity *= kept
            velocity += g
            g = g + kept * velocity if self.nesterov else velocity
        w -= (constant(rate, w.dtype.char) if isinstance(rate, float) else rate) * g
