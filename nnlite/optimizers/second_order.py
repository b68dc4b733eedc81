"""Second-order methods: optimizers that look at all data as one function, and at its curvature.

`LBFGS` estimates the curvature from the gradients of its past steps. `LevenbergMarquardt`
has it from the Jacobian, for small nets and squared errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import Array
from nnlite.core.parameters import Parameters
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import Declared
from nnlite.errors.checks import check_integer, check_number
from nnlite.errors.state import not_given

__all__ = ["LBFGS", "FullBatchOptimizer", "LevenbergMarquardt"]

#: What `LevenbergMarquardt` will hold, in bytes, and compute: multiplications for a step, a few seconds.
LARGEST_JACOBIAN = 2**30
LARGEST_WORK = 1e11
#: The second derivative along a step is measured at this part of it, and may bend it by at most this
#: part of its length: the values of Transtrum and Sethna, section 4.
BEND_AT = 0.1
LARGEST_BEND = 0.375
#: Limits of the damping, as parts of the largest curvature: below the first it is lost in rounding, and
#: a step that does not lower the loss above the second shows that none does.
LEAST_DAMPING = 1e-18
HOPELESS_DAMPING = 1e16


class FullBatchOptimizer(Declared):
    """Base class of the optimizers that look at all data before every step.

    A subclass writes `minimize`. `fit` takes it like the others; an epoch is then one
    iteration, and training ends early when it has converged. It is for one net without
    noise: no replicas, and no dropout.

    Attributes
    ----------
    learning_rate : None
        There is none.
    least_squares : bool
        True if `minimize` asks for residuals and their Jacobian, False if it asks for a loss
        and its gradient.
    keeps_all : bool
        True if `state_dict` has all that the next iteration depends on. Otherwise `fit` ends the
        search at every checkpoint and begins another one there, so that a training that goes on
        from the checkpoint does the same.

    Examples
    --------
    >>> isinstance(LBFGS(), FullBatchOptimizer), LBFGS.least_squares
    (True, False)
    """

    learning_rate: ClassVar[None] = None
    least_squares: ClassVar[bool] = False
    keeps_all: ClassVar[bool] = False

    #: Where the search stands, and where the next one goes on: numbers by name.
    _search: dict[str, float] | None = None
    _go_on: dict[str, float] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return where the search stands; of use while `minimize` calls `on_iteration`.

        Returns
        -------
        dict of str to float
            Empty before the first iteration.

        Examples
        --------
        >>> LBFGS().state_dict()
        {}
        """
        return dict(self._search or {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next `minimize` go on where another one of this kind stood.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If an entry is missing or unknown, or no number; nothing is changed then.

        Examples
        --------
        >>> LBFGS().load_state_dict({})
        """
        where = f"{type(self).__name__}.load_state_dict"
        if state and state.keys() != set(self._entries):
            raise not_given(where, state, self._entries)
        checked = {name: check_number(f"{where}, {name}", value) for name, value in state.items()}
        self._search = self._go_on = checked or None

    #: Names of what `state_dict` has.
    _entries: ClassVar[tuple[str, ...]] = ()

    def _begin(self) -> dict[str, float] | None:
        """Return where the search goes on, which holds for one search only; None if it starts afresh."""
        found, self._go_on = self._go_on, None
        self._search = found
        return found

    def minimize(
        self,
        params: Parameters,
        evaluate: Callable[..., Any],
        *,
        max_iterations: int,
        on_iteration: Callable[[float], bool] | None = None,
    ) -> str:
        """Lower the loss until it has converged or an end is called.

        Parameters
        ----------
        params : Parameters
            Where to start; the trainable values are changed in place.
        evaluate : callable
            Computes what the method needs for the present values.
        max_iterations : int
            Largest number of iterations.
        on_iteration : callable (float) -> bool, optional
            Called with the loss after every iteration, with the values in place; a true
            answer ends the search.

        Returns
        -------
        str
            Why it ended.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__}.minimize is not written yet")

    def check(self, params: Parameters) -> None:
        """Refuse parameters that it cannot train.

        Parameters
        ----------
        params : Parameters
            What it is to train.

        Raises
        ------
        ArgumentError
            If they have replicas, which have no single loss.
        """
        if params.replicas is not None:
            raise ArgumentError(
                f"{type(self).__name__}.minimize",
                "parameters without replicas",
                f"{params}",
                "Use SGD or Adam for replicas: a search is for one net.",
            )


class LBFGS(FullBatchOptimizer):
    """Limited-memory BFGS: full batches, a curvature estimate, and a line search.

    For small and smooth problems it needs far fewer passes over the data than any
    optimizer that steps by batches. `fit` takes it like the others; an epoch is then one
    iteration, and training ends early when it has converged.

    Parameters
    ----------
    memory : int
        Number of past steps from which the curvature is estimated.
    gradient_tolerance : float
        Converged when no single gradient is larger than this.
    value_tolerance : float
        Converged when an iteration lowers the loss by a smaller part than this.
    max_line_search : int
        Largest number of evaluations in one iteration.
    max_evaluations : int, optional
        No new iteration is begun after so many evaluations in all; by default only
        `max_line_search` sets a limit.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    The iterations are `scipy.optimize.minimize`'s L-BFGS-B, in float64; the loss and
    gradient come from the model in its own dtype. The curvature estimate is SciPy's and
    ends with the call: a second ``fit`` goes on from the same parameters and builds a new
    one. So does ``fit`` behind every checkpoint, see `Checkpoint`.

    References
    ----------
    D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale
    optimization", Mathematical Programming 45, 1989.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError, Sequential
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> model = Sequential([Dense(1, 1)], rng=0, dtype=np.float64)
    >>> history = model.fit(X, 3 * X + 1, loss=MeanSquaredError(), optimizer=LBFGS(), epochs=100)
    >>> model[0].W.round(4), model[0].b.round(4)
    (array([[3.]]), array([1.]))

    On a function of one's own:

    >>> from nnlite.core.parameters import Parameters, ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))], dtype=np.float64)
    >>> def bowl():
    ...     params.grads[...] = 2 * (params.values - 3)
    ...     return float(np.sum((params.values - 3) ** 2))
    >>> reason = LBFGS().minimize(params, bowl, max_iterations=20)
    >>> params.values.round(6)
    array([3., 3.])
    """

    def __init__(
        self,
        *,
        memory: int = 10,
        gradient_tolerance: float = 1e-6,
        value_tolerance: float = 1e-12,
        max_line_search: int = 20,
        max_evaluations: int | None = None,
    ) -> None:
        self.memory = check_integer("LBFGS(memory=)", memory, low=1)
        self.gradient_tolerance = check_number("LBFGS(gradient_tolerance=)", gradient_tolerance, low=0)
        self.value_tolerance = check_number("LBFGS(value_tolerance=)", value_tolerance, low=0)
        self.max_line_search = check_integer("LBFGS(max_line_search=)", max_line_search, low=1)
        if max_evaluations is not None:
            max_evaluations = check_integer("LBFGS(max_evaluations=)", max_evaluations, low=1)
        self.max_evaluations = max_evaluations

    def minimize(
        self,
        params: Parameters,
        evaluate: Callable[[], float],
        *,
        max_iterations: int,
        on_iteration: Callable[[float], bool] | None = None,
    ) -> str:
        """Lower the loss until it has converged or an end is called.

        Parameters
        ----------
        params : Parameters
            Where to start; the trainable values are changed in place.
        evaluate : callable () -> float
            Compute the loss for the present values, and fill ``params.grads``.
        max_iterations : int
            Largest number of iterations.
        on_iteration : callable (float) -> bool, optional
            Called with the loss after every iteration, with the values in place; a true
            answer ends the search.

        Returns
        -------
        str
            Why it ended.

        Raises
        ------
        ArgumentError
            If `params` has replicas, which have no single loss.
        """
        from scipy.optimize import minimize

        self.check(params)
        trainable = _trainable(params)
        if not trainable.size:
            return "nothing to train"
        accepted = params.values[trainable].astype(np.float64)
        evaluations, before = 0, math.inf  # what the search has come to, and the loss before this iteration
        went_on = self._begin()
        if went_on is not None:
            evaluations, before = int(went_on["evaluations"]), went_on["loss"]
            # What SciPy looks at behind an iteration, and could not before it was ended there.
            if went_on["before"] - before <= self.value_tolerance * max(
                abs(went_on["before"]), abs(before), 1
            ):
                return f"converged: the loss fell by less than {self.value_tolerance:g} of itself"
            if self.max_evaluations is not None and evaluations > self.max_evaluations:
                return f"more than {self.max_evaluations} evaluations"

        def value_and_grad(flat: Array) -> tuple[float, Array]:
            nonlocal evaluations, before
            params.values[trainable] = flat
            value = evaluate()
            evaluations += 1
            if before == math.inf:
                before = float(value)
            # Copies: SciPy goes on to use them, and must not see the live buffers change.
            return value, params.grads[trainable].astype(np.float64)

        def accept(intermediate_result: Any) -> None:
            nonlocal accepted, before
            accepted = intermediate_result.x.copy()
            params.values[trainable] = accepted  # the last evaluation need not be the point that was accepted
            loss = float(intermediate_result.fun)
            self._search = {"before": before, "loss": loss, "evaluations": evaluations}
            before = loss
            try:
                ends = on_iteration is not None and on_iteration(loss)
            except StopIteration as error:  # SciPy would take it for the end that is asked for below
                raised.append(error)
                ends = True
            if ends:
                raise StopIteration

        raised: list[StopIteration] = []
        try:
            result = minimize(
                value_and_grad,
                accepted,
                jac=True,
                method="L-BFGS-B",
                callback=accept,
                options={
                    "maxcor": self.memory,
                    "gtol": self.gradient_tolerance,
                    "ftol": self.value_tolerance,
                    "maxls": self.max_line_search,
                    "maxiter": max_iterations,
                    "maxfun": (max_iterations + 1) * (self.max_line_search + 1)
                    if self.max_evaluations is None
                    else self.max_evaluations - evaluations,
                },
            )
        finally:
            params.values[trainable] = accepted
        if raised:
            raise raised.pop()  # and is not kept here, where its traceback would keep all that is in sight
        return str(result.message)

    _entries: ClassVar[tuple[str, ...]] = ("before", "evaluations", "loss")

    def __repr__(self) -> str:
        return f"LBFGS(memory={self.memory})"


class LevenbergMarquardt(FullBatchOptimizer):
    """Damped Gauss-Newton steps: for small nets and `MeanSquaredError`, down to rounding.

    The Jacobian J of the residuals r says how every output of every row depends on every
    parameter, so each step solves for all parameters at once. `fit` takes it like the
    others; an epoch is then one iteration, and training ends early when it has converged.

    Each iteration solves ``(J.T @ J + damping * I) v = -J.T @ r``, bends v along the
    curvature of the model, and raises the damping until that lowers the loss. Its work
    grows with rows * outputs * parameters**2, so nets beyond a few thousand parameters are
    refused.

    Parameters
    ----------
    damping : float
        The damping to start from, as a part of the largest diagonal entry of ``J.T @ J``.
    gradient_tolerance : float
        Converged when no single gradient is larger than this.
    value_tolerance : float
        Converged when an iteration lowers the loss by a smaller part than this.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    The step is bent by the second derivative along v, from one evaluation more ("geodesic
    acceleration", Transtrum and Sethna); the damping follows how well the linear model has
    predicted the loss (Madsen, Nielsen and Tingleff, section 3.2).

    ``python -m benchmarks levenberg-marquardt`` compares it with the three methods of
    `scipy.optimize.least_squares`. For sin(3x) and a 1-16-1 tanh net, it was below 1e-8 after
    0.04 s (median of 20 seeds; 0.09 s with dogbox, 0.3 s with lm, 0.4 s with trf). For a
    surface of two outputs and a 2-12-2 net, it stood at 1e-8 after a second, lm and trf at
    1e-7, and dogbox at 0.06. Without the bend it took three times as many iterations.
    Marquardt's scaling by the diagonal of ``J.T @ J`` was 2 to 4 times slower on sines and
    level on surfaces, so the damping is Levenberg's.

    `fit` computes residuals, Jacobians and steps in float64 whatever the dtype of the
    model, with parameters that the model can hold. In float32 their rounding is the end:
    near a mean squared error of 1e-12 for targets of size 1, against 1e-18 in float64.

    References
    ----------
    K. Levenberg, "A method for the solution of certain non-linear problems in least
    squares", Quarterly of Applied Mathematics 2, 1944.

    D. Marquardt, "An algorithm for least-squares estimation of nonlinear parameters",
    SIAM Journal 11, 1963.

    M. Hagan and M. Menhaj, "Training feedforward networks with the Marquardt algorithm",
    IEEE Transactions on Neural Networks 5, 1994.

    K. Madsen, H. Nielsen and O. Tingleff, "Methods for non-linear least squares problems",
    2nd edition, Technical University of Denmark, 2004.

    M. Transtrum and J. Sethna, "Improvements to the Levenberg-Marquardt algorithm for
    nonlinear least-squares minimization", arXiv:1201.5885, 2012.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError, Sequential, Tanh
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = Sequential([Dense(1, 8), Tanh(), Dense(8, 1)], rng=1, dtype=np.float64)
    >>> history = model.fit(
    ...     X, np.sin(3 * X), loss=MeanSquaredError(), optimizer=LevenbergMarquardt(), epochs=100
    ... )
    >>> history["loss"][-1] < 1e-8
    True

    On residuals of one's own, here those of Rosenbrock's valley:

    >>> from nnlite.core.parameters import Parameters, ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))], dtype=np.float64)
    >>> def valley(values, with_jacobian):
    ...     a, b = values
    ...     residuals = np.array([10 * (b - a * a), 1 - a])
    ...     return residuals, np.array([[-20 * a, 10.0], [-1.0, 0.0]]) if with_jacobian else None
    >>> reason = LevenbergMarquardt().minimize(params, valley, max_iterations=50)
    >>> params.values.round(6)
    array([1., 1.])
    """

    least_squares: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = True
    _entries: ClassVar[tuple[str, ...]] = ("before", "damping", "loss")

    def __init__(
        self,
        *,
        damping: float = 1e-3,
        gradient_tolerance: float = 1e-12,
        value_tolerance: float = 1e-10,
    ) -> None:
        self.damping = check_number("LevenbergMarquardt(damping=)", damping, low=0, low_open=True)
        self.gradient_tolerance = check_number(
            "LevenbergMarquardt(gradient_tolerance=)", gradient_tolerance, low=0
        )
        self.value_tolerance = check_number("LevenbergMarquardt(value_tolerance=)", value_tolerance, low=0)

    def minimize(
        self,
        params: Parameters,
        evaluate: Callable[[Array, bool], tuple[Array, Any]],
        *,
        max_iterations: int,
        on_iteration: Callable[[float], bool] | None = None,
    ) -> str:
        """Lower the sum of the squared residuals until it has converged or an end is called.

        Parameters
        ----------
        params : Parameters
            Where to start. The trainable values are changed in place, by each step that
            lowers the sum and by no other.
        evaluate : callable (values, with_jacobian) -> (residuals, jacobian or None)
            Compute the residuals, of shape (residuals,), for values of shape (size,), and if
            asked their Jacobian of shape (residuals, size). All are in float64.
        max_iterations : int
            Largest number of iterations.
        on_iteration : callable (float) -> bool, optional
            Called with the sum after every iteration, with the values in place; a true
            answer ends the search.

        Returns
        -------
        str
            Why it ended.

        Raises
        ------
        ArgumentError
            If `params` has replicas, which have no single loss, there are too many residuals
            and parameters, or squares of them overflow.
        """
        from scipy.linalg.lapack import dpotrf, dpotrs

        self.check(params)
        trainable = _trainable(params)
        if not trainable.size:
            return "nothing to train"
        values = params.values.astype(np.float64)
        residuals, _ = evaluate(values, False)
        self._check_size(len(residuals), params.size, trainable.size)
        damping, growth = 0.0, 2.0
        # As the trial found it: computed anew beside the Jacobian its last digits may be others, and a search
        # that compares the two lowers the loss for ever.
        reached: float | None = None
        went_on = self._begin()
        if went_on is not None:
            damping, reached = went_on["damping"], went_on["loss"]
            if self._has_converged(went_on["before"], went_on["loss"]):
                return self._converged()

        def moved(step: Array) -> Array:
            there = values.copy()
            there[trainable] += step
            return there

        def solve(curvature: Array, jacobian: Array, slope: Array) -> tuple[Array, float] | None:
            """Return a step and how much lower the linear model says it leads; None if it bends too far."""
            damped = curvature.copy()
            damped.flat[:: len(damped) + 1] += damping
            # The transpose, which for a symmetric matrix is the same, has the order that LAPACK wants.
            factor, failed = dpotrf(damped.T, lower=1, overwrite_a=1)
            if failed:
                return None
            velocity = -dpotrs(factor, slope, lower=1)[0]
            ahead, _ = evaluate(moved(BEND_AT * velocity), False)
            second = ((ahead - residuals) / BEND_AT - jacobian @ velocity) * (2 / BEND_AT)
            bend = -0.5 * dpotrs(factor, second @ jacobian, lower=1)[0]
            predicted = float(velocity @ (damping * velocity - slope))
            if np.linalg.norm(bend) <= LARGEST_BEND * np.linalg.norm(velocity) and predicted > 0:
                return velocity + bend, predicted
            return None  # also if something was not finite

        for _ in range(max_iterations):
            residuals, full = evaluate(values, True)
            value = float(residuals @ residuals) if reached is None else reached
            jacobian = full if trainable.size == params.size else full[:, trainable]
            slope = residuals @ jacobian
            if 2 * np.abs(slope).max() <= self.gradient_tolerance:
                return f"converged: no gradient is above {self.gradient_tolerance:g}"
            # A QR factorization of the Jacobian would keep twice the digits of small curvatures. Measured, it
            # reached no lower loss, since the damping hides them, and an iteration took 2 to 5 times as long.
            curvature = jacobian.T @ jacobian
            scale = float(curvature.diagonal().max())
            if not math.isfinite(value + scale):
                raise ArgumentError(
                    "LevenbergMarquardt",
                    "residuals and derivatives with finite squares",
                    f"sums of {value:g} and {scale:g}",
                    "Bring inputs and targets to a size of about 1.",
                )
            damping = max(damping or self.damping * scale, LEAST_DAMPING * scale)
            if not damping:
                return "converged: the squares of all derivatives are 0"
            while True:
                solved = solve(curvature, jacobian, slope)
                if solved is not None:
                    step, predicted = solved
                    # At the values that the parameters can hold, so that the loss is that of the model.
                    there = moved(step).astype(params.dtype).astype(np.float64)
                    trial, _ = evaluate(there, False)
                    lower = float(trial @ trial)
                    if lower < value:
                        break
                damping *= growth
                growth *= 2
                if damping > HOPELESS_DAMPING * scale:
                    return "converged: no step lowers the loss any more"
            values, reached = there, lower
            params.values[...] = values
            # Madsen, Nielsen and Tingleff, eq. 2.21.
            damping *= max(1 / 3, 1 - (2 * (value - lower) / predicted - 1) ** 3)
            damping, growth = max(damping, LEAST_DAMPING * scale), 2.0
            self._search = {"before": value, "loss": lower, "damping": damping}
            if on_iteration is not None and on_iteration(lower):
                return "ended by on_iteration"
            if self._has_converged(value, lower):
                return self._converged()
        return f"all {max_iterations} iterations done"

    def _has_converged(self, before: float, loss: float) -> bool:
        return before - loss <= self.value_tolerance * before

    def _converged(self) -> str:
        return f"converged: the loss fell by less than {self.value_tolerance:g} of itself"

    def _check_size(self, residuals: int, size: int, trainable: int) -> None:
        """Refuse what would take all memory, or minutes for every step."""
        memory = residuals * size * 8
        work = residuals * trainable**2 + trainable**3 / 3
        if memory > LARGEST_JACOBIAN or work > LARGEST_WORK:
            raise ArgumentError(
                "LevenbergMarquardt",
                f"a Jacobian of at most {LARGEST_JACOBIAN / 2**30:g} GiB and at most {LARGEST_WORK:.0e} "
                "multiplications a step",
                f"{residuals:,} residuals x {size:,} parameters, which make {memory / 2**30:.2g} GiB "
                f"and {work:.1e} multiplications",
                "Use LBFGS or Adam for a net of this size, or give fewer rows.",
            )

    def __repr__(self) -> str:
        return f"LevenbergMarquardt(damping={self.damping:g})"


def _trainable(params: Parameters) -> NDArray[np.intp]:
    """Return the places of the values that are trained."""
    return np.r_[params.trainable_slices] if params.trainable_slices else np.zeros(0, np.intp)
