"""Recurrent layers: a state that goes from step to step, and sees one step of a sequence after the other.

They share all but what happens in a step. The inputs of all steps are multiplied in one product before the
loop, and the gradients of the weights are one product over all steps behind it; in the loop is only what
needs the state of the step before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.dense import product
from nnlite.core.initializers import GlorotUniform, InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter
from nnlite.core.quiet import quiet
from nnlite.core.sums import sum_over_batch
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_bool, check_integer
from nnlite.errors.layers import check_initializer
from nnlite.initializers.others import Orthogonal
from nnlite.layers.padding import check_padding, check_sequence, check_sequence_shape, real_steps
from nnlite.layers.places import as_rows

__all__ = ["GRU", "LSTM", "SimpleRNN"]

#: One array for each step, in the order in which the state sees them.
Steps = list[Array]


class _Recurrent(Layer):
    """What the recurrent layers share: all but what happens in a step, `_run` and `_run_back`.

    Inside, the axis of time is in front of that of the batch: (..., time, batch, features). A step is then
    one block of memory, and all steps are the rows of one matrix.
    """

    #: How many times the units `W` and `U` are wide.
    _gates: ClassVar[int] = 1

    W = Parameter()
    U = Parameter()
    b = Parameter()
    W_backward = Parameter()
    U_backward = Parameter()
    b_backward = Parameter()

    def __init__(
        self,
        in_features: int,
        units: int,
        *,
        sequences: bool = False,
        direction: Literal["forward", "backward", "both"] = "forward",
        padding: float | None = None,
        weight_initializer: InitializerLike | None = None,
        recurrent_initializer: InitializerLike | None = None,
        bias_initializer: InitializerLike | None = None,
    ) -> None:
        name = type(self).__name__
        self.in_features = check_integer(f"{name}(in_features)", in_features, low=1)
        self.units = check_integer(f"{name}(units)", units, low=1)
        self.sequences = check_bool(f"{name}(sequences=)", sequences)
        if direction not in ("forward", "backward", "both"):
            known = "'forward', 'backward' or 'both'"
            raise ArgumentError(f"{name}(direction=)", known, f"{direction!r}", "Use one of them.")
        self.direction = direction
        self.padding = check_padding(f"{name}(padding=)", padding)
        self.weight_initializer = weight_initializer
        self.recurrent_initializer = recurrent_initializer
        self.bias_initializer = bias_initializer
        for way in self._ways():
            self._declare(way)

    def _declare(self, way: _Way) -> None:
        """Declare the parameters of one direction."""
        wide = self._gates * self.units
        draw_W = _EachGate(self, self.weight_initializer or GlorotUniform())
        draw_U = _EachGate(self, self.recurrent_initializer or Orthogonal())
        self.declare(f"W{way.suffix}", (self.in_features, wide), initializer=draw_W)
        self.declare(f"U{way.suffix}", (self.units, wide), initializer=draw_U)
        self.declare(f"b{way.suffix}", (wide,), initializer=self._bias_start(), decay=False)

    def _bias_start(self) -> InitializerLike | None:
        return self.bias_initializer

    def _ways(self) -> tuple[_Way, ...]:
        """Return the directions in which the sequence is gone through."""
        first = _Way("", self.direction == "backward")
        return (first, _Way("_backward", True)) if self.direction == "both" else (first,)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample: any number of steps."""
        return (None, self.in_features)  # type: ignore[return-value]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample: the state of all steps, or of the last."""
        check_sequence_shape(self, input_shape, self.in_features)
        wide = self.units * len(self._ways())
        return (input_shape[0], wide) if self.sequences else (wide,)

    @quiet("over", "under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Go through the steps, and return the state behind the last one, or behind each."""
        check_sequence(self, x, self.in_features)
        x = np.ascontiguousarray(x.swapaxes(-3, -2))
        over = None if self.padding is None else ~real_steps(x, self.padding, time=-3)[..., None]
        if over is not None and not over.any():
            over = None
        passes = []
        for way in self._ways():
            a = self._weighted(x, way)
            states, kept = self._run(a, way, _Rest(over, way, a))
            passes.append((states, (a, *kept)))
        if ctx is not None:
            ctx.save(x, over, passes)
        if not self.sequences:
            ends = [way.last(states) for way, (states, _) in zip(self._ways(), passes, strict=True)]
            return ends[0].copy() if len(ends) == 1 else np.concatenate(ends, axis=-1)
        every = [way.after(states) for way, (states, _) in zip(self._ways(), passes, strict=True)]
        y = every[0] if len(every) == 1 else np.concatenate(every, axis=-1)
        if over is not None:
            y = np.where(over, y.dtype.type(self.padding), y)
        return y.swapaxes(-3, -2)

    @quiet("over", "under")
    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Go back through the steps: write the gradients, return dL/dx."""
        x, over, passes = ctx.saved
        if self.sequences:
            dy = dy.swapaxes(-3, -2)
            if over is not None:
                dy = np.where(over, dy.dtype.type(0), dy)
        dx: Array | None = None
        for index, (way, (states, kept)) in enumerate(zip(self._ways(), passes, strict=True)):
            blame = dy[..., index * self.units : (index + 1) * self.units]
            back = way.steps(blame) if self.sequences else [None] * (x.shape[-3] - 1) + [blame]
            da, dp = self._run_back(back, states, kept, way, _Rest(over, way, kept[0]))
            flat = as_rows(da)
            self._write(ctx, way, as_rows(x), as_rows(way.before(states)), flat, as_rows(dp))
            if ctx.needs_dx:
                part = product(flat, np.ascontiguousarray(way.of(self, "W").mT))
                part = part.reshape(*da.shape[:-1], self.in_features)
                dx = part if dx is None else np.add(dx, part, out=dx)
        return None if dx is None else dx.swapaxes(-3, -2)

    def _weighted(self, x: Array, way: _Way) -> Array:
        """Multiply the inputs of all steps: ``x @ W + b``, of shape (..., time, batch, gates * units)."""
        a = product(as_rows(x), way.of(self, "W"))
        a += self._bias(way)
        return a.reshape(*a.shape[:-2], *x.shape[-3:-1], a.shape[-1])

    def _bias(self, way: _Way) -> Array:
        """Return what is added in every step."""
        return way.of(self, "b")

    def _write(self, ctx: Context, way: _Way, x: Array, h: Array, da: Array, dp: Array) -> None:
        """Write the gradients of one direction, of all steps at once.

        `x` are the inputs of all steps, `h` the states before them; `da` is dL/d(x @ W) and `dp` is
        dL/d(h @ U).
        """
        product(x.mT, da, out=way.grad(ctx, "W"))
        product(h.mT, dp, out=way.grad(ctx, "U"))
        sum_over_batch(da, out=way.grad(ctx, "b"))

    def _run(self, a: Array, way: _Way, rest: _Rest) -> tuple[Array, tuple[Array, ...]]:
        """Go through the steps; return all states, the one before the first too, and what to keep.

        `a` is ``x @ W + b``; it may be written over.
        """
        raise NotImplementedError

    def _run_back(
        self, dy: Sequence[Array | None], h: Array, kept: tuple[Array, ...], way: _Way, rest: _Rest
    ) -> tuple[Array, Array]:
        """Go back through the steps, from dL/dy of each; return dL/d(x @ W) and dL/d(h @ U) of all steps."""
        raise NotImplementedError


class SimpleRNN(_Recurrent):
    """Elman's recurrent net: the state is a layer of neurons that see the step, and themselves before it.

    ``h' = tanh(x @ W + h @ U + b)``

    Parameters
    ----------
    in_features : int
        Numbers of a step.
    units : int
        Numbers of the state, which is 0 before the first step.
    sequences : bool
        False gives the state behind the last step, of shape (batch, units), True that behind every step, of
        shape (batch, time, units), for another layer over time.
    direction : {"forward", "backward", "both"}
        The order in which the steps are gone through. The states stand where their steps are, whatever the
        order. "both" has weights for either, and puts the states of both side by side: ``2 * units``.
    padding : float, optional
        Steps at the end of a row all of whose features are this number are none: they change neither
        output nor gradient. Where all states are given, theirs are this number again. By default every
        step counts.
    weight_initializer, recurrent_initializer : callable (rng, shape) -> ndarray, optional
        How `W` and `U` are drawn; by Glorot's uniform rule, and as a rotation.
    bias_initializer : callable (rng, shape) -> ndarray, optional
        How `b` is drawn; zeros by default.

    Attributes
    ----------
    W : ndarray of shape (in_features, units)
        The weights of the step.
    U : ndarray of shape (units, units)
        The weights of the state before.
    b : ndarray of shape (units,)
        The biases.
    W_backward, U_backward, b_backward : ndarray
        The same for the way back, if the direction is "both".

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.
    ShapeError
        In ``forward``, if the input is not of shape (batch, time, in_features).

    Notes
    -----
    Backpropagation through time: with dh = dL/dh' of a step and ``da = dh * (1 - h'**2)``, the step before
    gets ``da @ U.T``. Of all steps together dL/dW is ``x.T @ da``, dL/dU is ``h.T @ da``.

    References
    ----------
    J. L. Elman, "Finding Structure in Time", Cognitive Science 14, 1990.

    Examples
    --------
    >>> layer = SimpleRNN(1, 1)
    >>> layer.W[...], layer.U[...] = 1.0, 0.5
    >>> layer.forward(np.array([[[1.0], [0.0]]])).round(4)  # tanh(0.5 * tanh(1))
    array([[0.3634]])
    """

    def _run(self, a: Array, way: _Way, rest: _Rest) -> tuple[Array, tuple[Array, ...]]:
        U = way.of(self, "U")
        states = way.states(a, self.units)
        h, p = way.steps(states), np.empty_like(rest.like)
        for t, new in enumerate(way.steps(a)):
            np.add(new, product(h[t], U, out=p), out=new)  # a + h @ U
            np.tanh(new, out=h[t + 1])
            rest.keep(t, h)
        return states, ()

    def _run_back(
        self, dy: Sequence[Array | None], h: Array, kept: tuple[Array, ...], way: _Way, rest: _Rest
    ) -> tuple[Array, Array]:
        U_T = np.ascontiguousarray(way.of(self, "U").mT)
        y = way.after(h)
        slope = 1 - y * y
        da = np.empty_like(slope)
        das, slopes = way.steps(da), way.steps(slope)
        dh = np.zeros_like(das[0])
        for t in reversed(range(len(das))):
            if (blame := dy[t]) is not None:
                dh += blame
            past = rest.take(t, dh)
            np.multiply(dh, slopes[t], out=das[t])
            product(das[t], U_T, out=dh)
            rest.give(dh, past)
        return da, da


class GRU(_Recurrent):
    """Gated recurrent unit: two gates say what of the state is forgotten, and what of it is renewed.

    ``r = sigmoid(x @ W_r + b_r + h @ U_r + c_r)``, how much of the state the new one may see
    ``z = sigmoid(x @ W_z + b_z + h @ U_z + c_z)``, how much of the state stays
    ``n = tanh(x @ W_n + b_n + r * (h @ U_n + c_n))``, what is new
    ``h' = (1 - z) * n + z * h``

    Parameters
    ----------
    in_features : int
        Numbers of a step.
    units : int
        Numbers of the state, which is 0 before the first step.
    sequences : bool
        False gives the state behind the last step, of shape (batch, units), True that behind every step, of
        shape (batch, time, units), for another layer over time.
    direction : {"forward", "backward", "both"}
        The order in which the steps are gone through. The states stand where their steps are, whatever the
        order. "both" has weights for either, and puts the states of both side by side: ``2 * units``.
    padding : float, optional
        Steps at the end of a row all of whose features are this number are none: they change neither
        output nor gradient. Where all states are given, theirs are this number again. By default every
        step counts.
    weight_initializer, recurrent_initializer : callable (rng, shape) -> ndarray, optional
        How the part of `W` and of `U` that belongs to a gate is drawn; by Glorot's uniform rule, and as a
        rotation.
    bias_initializer : callable (rng, shape) -> ndarray, optional
        How `b` and `c` are drawn; zeros by default.

    Attributes
    ----------
    W : ndarray of shape (in_features, 3 * units)
        The weights of the step, side by side for r, z and n.
    U : ndarray of shape (units, 3 * units)
        The weights of the state before.
    b, c : ndarray of shape (3 * units,)
        The biases of either product.
    W_backward, U_backward, b_backward, c_backward : ndarray
        The same for the way back, if the direction is "both".

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.
    ShapeError
        In ``forward``, if the input is not of shape (batch, time, in_features).

    Notes
    -----
    It is the form of cuDNN, PyTorch and, with ``reset_after=True``, Keras: r acts on the product of the
    state, which is why that has biases of its own. In the paper r acts on the state.

    With dh = dL/dh' of a step, ``dz = dh * (h - n) * z * (1 - z)``, ``dn = dh * (1 - z) * (1 - n**2)``,
    ``dr = dn * (h @ U_n + c_n) * r * (1 - r)``, and the step before gets
    ``dh * z + [dr, dz, dn * r] @ U.T``.

    References
    ----------
    K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
    Translation", EMNLP 2014, equations 5 to 8. https://arxiv.org/abs/1406.1078

    Examples
    --------
    >>> GRU(3, 8).forward(np.zeros((5, 10, 3))).shape
    (5, 8)
    >>> GRU(3, 8, sequences=True, direction="both").forward(np.zeros((5, 10, 3))).shape
    (5, 10, 16)
    """

    _gates: ClassVar[int] = 3

    c = Parameter()
    c_backward = Parameter()

    def _declare(self, way: _Way) -> None:
        super()._declare(way)
        self.declare(f"c{way.suffix}", (3 * self.units,), initializer=self.bias_initializer, decay=False)

    def _bias(self, way: _Way) -> Array:
        # c_n stays behind: r acts on it.
        b: Array = way.of(self, "b").copy()
        b[..., : 2 * self.units] += way.of(self, "c")[..., : 2 * self.units]
        return b

    def _write(self, ctx: Context, way: _Way, x: Array, h: Array, da: Array, dp: Array) -> None:
        super()._write(ctx, way, x, h, da, dp)
        sum_over_batch(dp, out=way.grad(ctx, "c"))

    def _run(self, a: Array, way: _Way, rest: _Rest) -> tuple[Array, tuple[Array, ...]]:
        H, U, c_n = self.units, way.of(self, "U"), way.of(self, "c")[..., 2 * self.units :]
        states = way.states(a, H)
        recurrent = np.empty((*a.shape[:-1], H), a.dtype)  # h @ U_n + c_n of each step
        both = np.empty((*a.shape[:-1], 2 * H), a.dtype)  # r and z, squashed twice as fast as a part of a
        before_gates, n = way.steps(a[..., : 2 * H]), way.steps(a[..., 2 * H :])
        gates, r, z = (way.steps(both[..., part]) for part in (slice(2 * H), *_parts(H, 2)))
        h, q, p, seen = way.steps(states), way.steps(recurrent), rest.like, np.empty_like(rest.like[..., :H])
        p_gates, p_n = p[..., : 2 * H], p[..., 2 * H :]
        for t in range(len(n)):
            product(h[t], U, out=p)
            _squash(np.add(before_gates[t], p_gates, out=gates[t]))
            np.add(p_n, c_n, out=q[t])
            n[t] += np.multiply(r[t], q[t], out=seen)
            np.tanh(n[t], out=n[t])
            new = np.subtract(h[t], n[t], out=h[t + 1])  # (1 - z) * n + z * h = n + z * (h - n)
            new *= z[t]
            new += n[t]
            rest.keep(t, h)
        return states, (recurrent, both)

    def _run_back(
        self, dy: Sequence[Array | None], h: Array, kept: tuple[Array, ...], way: _Way, rest: _Rest
    ) -> tuple[Array, Array]:
        H, U_T = self.units, np.ascontiguousarray(way.of(self, "U").mT)
        a, q, both = kept
        (r, z), n = (both[..., part] for part in _parts(H, 2)), a[..., 2 * H :]
        # What the blame is multiplied by, of all steps at once.
        new = 1 - z
        for_z = (way.before(h) - n) * z * new
        for_n = new * (1 - n * n)
        for_r = q * r * (1 - r)
        dn = np.empty_like(for_n)
        dp = np.empty_like(a)  # [dr, dz, dn * r]
        dr, dz, dq = (way.steps(dp[..., part]) for part in _parts(H, 3))
        for_r, for_z, for_n, r, z = map(way.steps, (for_r, for_z, for_n, r, z))  # type: ignore[assignment]
        dns, dps = way.steps(dn), way.steps(dp)
        dh, before = np.zeros_like(dns[0]), np.empty_like(dns[0])
        for t in reversed(range(len(dns))):
            if (blame := dy[t]) is not None:
                dh += blame
            past = rest.take(t, dh)
            np.multiply(dh, for_z[t], out=dz[t])
            np.multiply(dh, for_n[t], out=dns[t])
            np.multiply(dns[t], for_r[t], out=dr[t])
            np.multiply(dns[t], r[t], out=dq[t])
            dh *= z[t]
            dh += product(dps[t], U_T, out=before)
            rest.give(dh, past)
        return np.concatenate([dp[..., : 2 * H], dn], axis=-1), dp


class LSTM(_Recurrent):
    """Long short-term memory: beside its state it has a memory that gates write to, wipe out and read.

    ``i, f, o = sigmoid(x @ W + h @ U + b)``, input, forget and output gate
    ``g = tanh(x @ W_g + h @ U_g + b_g)``, what is new
    ``m' = f * m + i * g``, the memory
    ``h' = o * tanh(m')``

    Parameters
    ----------
    in_features : int
        Numbers of a step.
    units : int
        Numbers of the state and of the memory, which are 0 before the first step.
    sequences : bool
        False gives the state behind the last step, of shape (batch, units), True that behind every step, of
        shape (batch, time, units), for another layer over time.
    direction : {"forward", "backward", "both"}
        The order in which the steps are gone through. The states stand where their steps are, whatever the
        order. "both" has weights for either, and puts the states of both side by side: ``2 * units``.
    padding : float, optional
        Steps at the end of a row all of whose features are this number are none: they change neither
        output nor gradient. Where all states are given, theirs are this number again. By default every
        step counts.
    weight_initializer, recurrent_initializer : callable (rng, shape) -> ndarray, optional
        How the part of `W` and of `U` that belongs to a gate is drawn; by Glorot's uniform rule, and as a
        rotation.
    bias_initializer : callable (rng, shape) -> ndarray, optional
        How `b` is drawn. By default it is 1 for the forget gate, as in Keras, so that the memory is kept
        before the net has learned what to forget, and 0 for the others.

    Attributes
    ----------
    W : ndarray of shape (in_features, 4 * units)
        The weights of the step, side by side for i, f, g and o.
    U : ndarray of shape (units, 4 * units)
        The weights of the state before.
    b : ndarray of shape (4 * units,)
        The biases.
    W_backward, U_backward, b_backward : ndarray
        The same for the way back, if the direction is "both".

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.
    ShapeError
        In ``forward``, if the input is not of shape (batch, time, in_features).

    Notes
    -----
    With dh = dL/dh' and dm = dL/dm' of a step, what reaches the memory is
    ``dm + dh * o * (1 - tanh(m')**2)``; times f it is dL/dm of the step before, which nothing else weakens.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997.
    F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget: Continual Prediction with LSTM", Neural
    Computation 12, 2000: the forget gate.
    R. Jozefowicz, W. Zaremba and I. Sutskever, "An Empirical Exploration of Recurrent Network
    Architectures", ICML 2015: the bias of the forget gate starts at 1.

    Examples
    --------
    >>> layer = LSTM(3, 2)
    >>> layer.forward(np.zeros((5, 10, 3))).shape
    (5, 2)
    >>> layer.b
    array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)
    """

    _gates: ClassVar[int] = 4

    def _bias_start(self) -> InitializerLike | None:
        return _forget_gate_open if self.bias_initializer is None else self.bias_initializer

    def _run(self, a: Array, way: _Way, rest: _Rest) -> tuple[Array, tuple[Array, ...]]:
        H, U = self.units, way.of(self, "U")
        states, memory = way.states(a, H), way.states(a, H)
        read = np.empty((*a.shape[:-1], H), a.dtype)  # tanh(m') of each step
        i, f, g, o = (way.steps(a[..., part]) for part in _parts(H, 4))
        h, m, tanh_m, p = way.steps(states), way.steps(memory), way.steps(read), rest.like
        new = np.empty_like(p[..., :H])
        for t, every in enumerate(way.steps(a)):
            every += product(h[t], U, out=p)
            np.tanh(g[t], out=new)
            _squash(every)  # of g for nothing: one call is quicker than one on either side of it
            g[t][...] = new
            new *= i[t]
            np.multiply(f[t], m[t], out=m[t + 1])
            m[t + 1] += new
            np.tanh(m[t + 1], out=tanh_m[t])
            np.multiply(o[t], tanh_m[t], out=h[t + 1])
            rest.keep(t, h, m)
        return states, (memory, read)

    def _run_back(
        self, dy: Sequence[Array | None], h: Array, kept: tuple[Array, ...], way: _Way, rest: _Rest
    ) -> tuple[Array, Array]:
        H, U_T = self.units, np.ascontiguousarray(way.of(self, "U").mT)
        a, memory, read = kept
        i, f, g, o = (a[..., part] for part in _parts(H, 4))
        # What the blame is multiplied by, of all steps at once.
        for_m = o * (1 - read * read)
        for_o = read * o * (1 - o)
        factors = np.empty_like(a)  # of the blame on the memory, for i, f and g
        np.multiply(g * i, 1 - i, out=factors[..., :H])
        np.multiply(way.before(memory) * f, 1 - f, out=factors[..., H : 2 * H])
        np.multiply(i, 1 - g * g, out=factors[..., 2 * H : 3 * H])
        da = np.empty_like(a)
        das, f = way.steps(da), way.steps(f)  # type: ignore[assignment]
        di, df, dg, do = (way.steps(da[..., part]) for part in _parts(H, 4))
        for_i, for_f, for_g, _ = (way.steps(factors[..., part]) for part in _parts(H, 4))
        for_m, for_o = way.steps(for_m), way.steps(for_o)  # type: ignore[assignment]
        dh = np.zeros_like(di[0])
        dm, through = np.zeros_like(dh), np.empty_like(dh)
        for t in reversed(range(len(das))):
            if (blame := dy[t]) is not None:
                dh += blame
            past, past_m = rest.take(t, dh), rest.take(t, dm)
            np.multiply(dh, for_o[t], out=do[t])
            dm += np.multiply(dh, for_m[t], out=through)
            np.multiply(dm, for_i[t], out=di[t])
            np.multiply(dm, for_f[t], out=df[t])
            np.multiply(dm, for_g[t], out=dg[t])
            dm *= f[t]
            product(das[t], U_T, out=dh)
            rest.give(dh, past)
            rest.give(dm, past_m)
        return da, da


class _Way(NamedTuple):
    """One direction: the end of the names of its parameters, and whether it begins with the last step."""

    suffix: str
    is_back: bool

    def of(self, layer: Layer, name: str) -> Array:
        """Return a parameter of the direction."""
        return getattr(layer, name + self.suffix)  # type: ignore[no-any-return]

    def grad(self, ctx: Context, name: str) -> Array:
        """Return the place for the gradient of a parameter."""
        return getattr(ctx.grads, name + self.suffix)  # type: ignore[no-any-return]

    def states(self, a: Array, units: int) -> Array:
        """Make room for the states before, between and behind the steps; the first one is 0."""
        states = np.empty((*a.shape[:-3], a.shape[-3] + 1, a.shape[-2], units), a.dtype)
        states[..., -1 if self.is_back else 0, :, :] = 0
        return states

    def steps(self, array: Array) -> Steps:
        """Return what is at each step, (..., batch, features), in the order of the direction."""
        steps = list(array if array.ndim == 3 else np.moveaxis(array, -3, 0))
        return steps[::-1] if self.is_back else steps

    def before(self, states: Array) -> Array:
        """Return the states before each step, in the order of time."""
        return states[..., 1:, :, :] if self.is_back else states[..., :-1, :, :]

    def after(self, states: Array) -> Array:
        """Return the states behind each step, in the order of time."""
        return states[..., :-1, :, :] if self.is_back else states[..., 1:, :, :]

    def last(self, states: Array) -> Array:
        """Return the state that is left in the end."""
        return states[..., 0 if self.is_back else -1, :, :]


class _Rest:
    """Rows that are over: their state stays as it is, and what is blamed on it goes past the step.

    `over`, of shape (..., time, batch, 1), is True where there is no step; None if every step is one.
    """

    def __init__(self, over: NDArray[np.bool_] | None, way: _Way, a: Array) -> None:
        self.like = np.empty_like(a[..., 0, :, :])  # room for the numbers of one step
        count = a.shape[-3]
        rows: list[Any] = [None] * count if over is None else way.steps(over)  # type: ignore[arg-type]
        self.rows = [None if one is None or not one.any() else one for one in rows]

    def keep(self, t: int, *states: Steps) -> None:
        """Set the states behind a step to those before it, of rows that have no such step."""
        if (rows := self.rows[t]) is not None:
            for state in states:
                np.copyto(state[t + 1], state[t], where=rows)

    def take(self, t: int, blame: Array) -> Array | None:
        """Take out of the blame, in place, what does not concern the step, and return that."""
        if (rows := self.rows[t]) is None:
            return None
        past: Array = blame * rows
        np.copyto(blame, 0, where=rows)
        return past

    def give(self, blame: Array, past: Array | None) -> None:
        """Put it back."""
        if past is not None:
            blame += past


class _EachGate:
    """Draws a matrix for all gates side by side: what a rule says of a matrix is true of each."""

    def __init__(self, layer: _Recurrent, draw: InitializerLike) -> None:
        check_initializer(type(layer), draw)
        self.draw, self.gates = draw, layer._gates

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        one = (shape[0], shape[1] // self.gates)
        return np.concatenate([self.draw(rng, one) for _ in range(self.gates)], axis=-1)


def _forget_gate_open(_rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4)


def _parts(units: int, gates: int) -> Iterator[slice]:
    """Return where each gate is."""
    return (slice(gate * units, (gate + 1) * units) for gate in range(gates))


def _squash(a: Array) -> None:
    """Compute the sigmoid in place."""
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += 1
    np.reciprocal(a, out=a)
