"""SimpleRNN, GRU and LSTM, compiled.

A thread takes its share of the rows through all steps, so threads need not meet in between: no row knows of
another one. Inside, what a gate has at a step is one list, in which the rows lie one behind the other: the
order is (gates, steps, rows, units). So a product is one call for each gate, and what happens in a step is a
loop over long lists. Steps are counted as the state sees them, in each row from its own first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nnlite.core.aliases import Array
from nnlite.core.parameters import _zeros
from nnlite.jit.functions import like, sigmoid, tanh
from nnlite.jit.kernel import LOW, TEAM, THREAD, Operand, every, flat, number, rows, whole, word
from nnlite.jit.layers.steps import write_lengths
from nnlite.jit.native import gemm, loops, named, pointer, share
from nnlite.jit.program import Backward, Program
from nnlite.layers import GRU, LSTM, SimpleRNN

__all__ = ["WRITERS"]

#: Numbers of a gate that the product with the inputs makes in one call: few enough to be in the nearest cache
#: when the state comes to them.
AHEAD = 2**13
#: Steps that prediction keeps; training keeps all.
KEPT = 16
#: Rows of states and gates that are multiplied in one call for the gradients, where the product is small. For
#: such ones OpenBLAS has kernels that do not copy: 1,024 rows of 64 x 64 take 57 us in place of 86.
ROWS, SMALL = 64, 2**18


@loops
def _at(array, place):
    return pointer(array.ctypes.data + place * array.itemsize)


@loops
def _part(array, number, size):
    return array[number * size : (number + 1) * size]


# What happens in a step. Given are up to four lists of gates, with their sums in them, which then hold what
# is needed on the way back, where each becomes what it is blamed for; the state before and after; the memory
# before and after, and its tanh. `d` and `e` are the blame on state and memory.


def simple(a, _1, _2, _3, h, after, m, memory, t):
    for j in range(a.size):
        value = tanh(a[j])
        a[j] = value
        after[j] = value


def simple_back(a, _1, _2, _3, h, m, t, d, e):
    for j in range(a.size):
        a[j] = d[j] * (like(1, d[j]) - a[j] * a[j])
        d[j] = 0


def gru(r, z, n, p, h, after, m, memory, t):
    # One loop with all of it would have more places to tell apart than a compiler does.
    for j in range(r.size):
        r[j] = sigmoid(r[j])
    for j in range(r.size):
        z[j] = sigmoid(z[j])
    for j in range(r.size):
        n[j] = tanh(n[j] + r[j] * p[j])
    for j in range(r.size):
        after[j] = n[j] + z[j] * (h[j] - n[j])


def gru_back(r, z, n, p, h, m, t, d, e):
    for j in range(r.size):
        one, blame, reset, stays, new = like(1, d[j]), d[j], r[j], z[j], n[j]
        dn = blame * (one - stays) * (one - new * new)
        r[j] = dn * p[j] * reset * (one - reset)
        z[j] = blame * (h[j] - new) * stays * (one - stays)
        n[j] = dn
        p[j] = dn * reset
        d[j] = blame * stays


def lstm(i, f, g, o, h, after, m, memory, t):
    for j in range(i.size):
        i[j] = sigmoid(i[j])
    for j in range(i.size):
        f[j] = sigmoid(f[j])
    for j in range(i.size):
        o[j] = sigmoid(o[j])
    for j in range(i.size):
        g[j] = tanh(g[j])
    for j in range(i.size):
        memory[j] = f[j] * m[j] + i[j] * g[j]
    for j in range(i.size):
        t[j] = tanh(memory[j])
        after[j] = o[j] * t[j]


def lstm_back(i, f, g, o, h, m, t, d, e):
    for j in range(i.size):
        one, blame, read, out = like(1, d[j]), d[j], t[j], o[j]
        o[j] = blame * read * out * (one - out)
        e[j] += blame * out * (one - read * read)
        d[j] = 0
    for j in range(i.size):
        one, blame, taken, kept, new = like(1, e[j]), e[j], i[j], f[j], g[j]
        i[j] = blame * new * taken * (one - taken)
        f[j] = blame * m[j] * kept * (one - kept)
        g[j] = blame * taken * (one - new * new)
        e[j] = blame * kept


@loops
def _gate(A, gate, place, step, size):
    """Return the list of the numbers of a gate at a step; the thread's rows begin at a place."""
    start = place + step * size
    return A[min(gate, len(A) - 1)].reshape(-1)[start : start + size]


@loops
def _of_state(gate, apart, gates):
    """Return which list the product of the state with a part of U is added to."""
    return gates - 1 if gate == apart else gate


@loops
def _multiply_state(h, U, c, A, place, step, size, apart, product):
    """Add ``h @ U`` to the gates, and c to that which is apart; `h` is empty before the first step."""
    units, one = len(U), U.dtype.type(1)
    n, gates = size // units, U.shape[1] // units
    for gate in range(gates):
        a = _gate(A, _of_state(gate, apart, len(A)), place, step, size)
        if gate == apart:
            for i in range(n):
                row = _part(a, i, units)
                for j in range(units):
                    row[j] = c[j]
        if h.size:
            gemm(
                product, 0, n, units, units, _at(h, 0), units, _at(U, gate * units), U.shape[1],
                one, _at(a, 0), units,
            )  # fmt: skip


@loops
def _take_steps(x, lengths, X, begin, count, slot, reverse):
    """Copy some steps, with a 1 behind each, which the bias is multiplied by; 0 where a row is over."""
    n, _, features = x.shape
    for i in range(n):
        for ahead in range(count):
            step = begin + ahead
            row = _part(X, (slot + ahead) * n + i, features + 1)
            if step < lengths[i]:
                given = x[i, lengths[i] - 1 - step if reverse else step]
                for j in range(features):
                    row[j] = given[j]
                row[features] = 1
            else:
                row[:] = 0


@loops
def _live(lengths, step, first):
    """Return where rows begin that have such a step, from `first` on, and where they end."""
    while first < lengths.size and lengths[first] <= step:
        first += 1
    last = first
    while last < lengths.size and lengths[last] > step:
        last += 1
    return first, last


@loops
def _step_of(step, length, reverse):
    """Return which step of a row it is that its state sees as this one."""
    return length - 1 - step if reverse else step


@loops
def pack(W, b, c, packed, apart, thread, team):
    """Put the weights of each gate together, with its bias as those of one more input."""
    gates, wide, units = packed.shape
    first, last = share(units, thread, team), share(units, thread + 1, team)
    for gate in range(gates):
        some = slice(gate * units + first, gate * units + last)
        for k in range(wide - 1):
            row, given = packed[gate, k][first:last], W[k][some]
            for j in range(row.size):
                row[j] = given[j]
        row, bias = packed[gate, wide - 1][first:last], b[some]
        for j in range(row.size):
            row[j] = bias[j]
        if c.size and gate != apart:
            more = c[some]
            for j in range(row.size):
                row[j] += more[j]


@loops
def turn(U, U_T, thread, team):
    """Copy the transpose of each gate's part of U; each thread some rows of it."""
    gates, units, _ = U_T.shape
    for gate in range(gates):
        for j in range(units * thread // team, units * (thread + 1) // team):
            row = U_T[gate, j]
            for k in range(units):
                row[k] = U[k, gate * units + j]


def _forward(cell: Any) -> Any:
    """Make the kernel that goes through the steps."""
    cell = loops(cell)

    def steps(
        x, lengths, packed, U, c, X, A, low, H, h_last, M, m_last, T, y, column, every_step, reverse, padding,
        apart, product,
    ):  # fmt: skip
        n, time, features = x.shape
        if n == 0:
            return
        wide, units, zero = features + 1, len(U), U.dtype.type(0)
        size = n * units
        slots = H.size // size
        place = low * slots * units
        ahead = 0  # steps whose inputs are multiplied
        for step in range(time):
            slot = step % slots
            if step == ahead:
                count = min(max(1, AHEAD // size), time - step, slots - slot)
                ahead += count
                _take_steps(x, lengths, X, step, count, slot, reverse)
                for gate in range(len(packed)):
                    gemm(
                        product, 0, count * n, units, wide, _at(X, slot * n * wide), wide,
                        _at(packed, gate * wide * units), units,
                        zero, _at(_gate(A, gate, place, slot, size), 0), units,
                    )  # fmt: skip
            h, m, t = _part(H, slot, size), _part(M, slot, size), _part(T, slot, size)
            if step == 0:
                h[:] = zero
                m[:] = zero
            elif slot == 0:
                h[:] = h_last
                m[:] = m_last
            _multiply_state(h if step else h[:0], U, c, A, place, slot, size, apart, product)
            after = _part(H, slot + 1, size) if slot + 1 < slots else h_last
            memory = _part(M, slot + 1, size) if slot + 1 < slots else m_last
            a = _gate(A, 0, place, slot, size)
            b = _gate(A, 1, place, slot, size)
            d = _gate(A, 2, place, slot, size)
            e = _gate(A, 3, place, slot, size)
            done = 0  # rows
            while done < n:
                first, last = _live(lengths, step, done)
                over, now = slice(done * units, first * units), slice(first * units, last * units)
                after[over] = h[over]
                memory[over] = m[over]
                cell(a[now], b[now], d[now], e[now], h[now], after[now], m[now], memory[now], t[now])
                done = last
            if every_step or step == time - 1:
                for i in range(n):
                    if not every_step or step < lengths[i]:
                        to = y[i, _step_of(step, lengths[i], reverse) if every_step else 0][column:]
                        state = _part(after, i, units)
                        for j in range(units):
                            to[j] = state[j]
        for i in range(n):
            for t_ in range(lengths[i], y.shape[1] if every_step else 0):
                to = y[i, t_][column:]
                for j in range(units):
                    to[j] = padding

    return loops(named(steps, cell))


def _backward(cell: Any) -> Any:
    """Make the kernel that goes back through the steps, and leaves in each gate what it is blamed for."""
    cell = loops(cell)

    def steps_back(
        lengths, dy, U_T, A, low, H, M, T, D, E, column, every_step, reverse, apart, time, product
    ):
        n, units = lengths.size, U_T.shape[1]
        if n == 0:
            return
        size = n * units
        place, one = low * time * units, D.dtype.type(1)
        D[:] = 0
        E[:] = 0
        for step in range(time - 1, -1, -1):
            if every_step or step == time - 1:
                for i in range(n):
                    if not every_step or step < lengths[i]:
                        blame = dy[i, _step_of(step, lengths[i], reverse) if every_step else 0][column:]
                        d = _part(D, i, units)
                        for j in range(units):
                            d[j] += blame[j]
            a0 = _gate(A, 0, place, step, size)
            a1 = _gate(A, 1, place, step, size)
            a2 = _gate(A, 2, place, step, size)
            a3 = _gate(A, 3, place, step, size)
            h, m, t = _part(H, step, size), _part(M, step, size), _part(T, step, size)
            done = 0
            while done < n:
                first, last = _live(lengths, step, done)
                over, now = slice(done * units, first * units), slice(first * units, last * units)
                for a in (a0, a1, a2, a3):
                    a[over] = 0
                cell(a0[now], a1[now], a2[now], a3[now], h[now], m[now], t[now], D[now], E[now])
                done = last
            for gate in range(len(U_T) if step else 0):
                a = _gate(A, _of_state(gate, apart, len(A)), place, step, size)
                gemm(
                    product, 0, n, units, units, _at(a, 0), units, _at(U_T, gate * units * units), units,
                    one, _at(D, 0), units,
                )  # fmt: skip

    return loops(named(steps_back, cell))


@loops
def _products(a, b, out, place, stride, count, columns, top, bottom, product):
    """Compute some rows of ``a.T @ b``, of so many rows of each; those of `out` have a stride."""
    wide, high = a.size // count, bottom - top
    some = ROWS if high * columns * ROWS <= SMALL else count
    for first in range(0, count, some):
        start = a.dtype.type(1 if first else 0)
        gemm(
            product, 1, high, columns, min(some, count - first), _at(a, first * wide + top), wide,
            _at(b, first * columns), columns, start, _at(out, place + top * stride), stride,
        )  # fmt: skip


@loops
def gradients(X, A, H, packed, dW, dU, db, dc, apart, product, thread, team):
    """Add up over all rows and steps; each thread some rows of the products."""
    units = len(dU)
    gates, wide, _ = packed.shape
    count = len(H) * (H.shape[1] // units)
    inputs, states = X.reshape(-1), H.reshape(-1)
    top, bottom = units * thread // team, units * (thread + 1) // team
    for gate in range(dU.shape[1] // units):
        a = A[_of_state(gate, apart, len(A))].reshape(-1)[: count * units]
        _products(states, a, dU, gate * units, dU.shape[1], count, units, top, bottom, product)
        if gate == apart:
            first, last = share(units, thread, team), share(units, thread + 1, team)
            total = dc[gate * units + first : gate * units + last]
            total[:] = 0
            for i in range(count):
                row = _part(a, i, units)[first:last]
                for j in range(total.size):
                    total[j] += row[j]
    top, bottom = wide * thread // team, wide * (thread + 1) // team
    for gate in range(gates):
        a = A[gate].reshape(-1)[: count * units]
        _products(inputs, a, packed, gate * wide * units, units, count, units, top, bottom, product)
        for k in range(top, bottom):
            found, bias = packed[gate, k], k == wide - 1
            row = (db if bias else dW[k])[gate * units : (gate + 1) * units]
            for j in range(units):
                row[j] = found[j]
            if bias and dc.size and gate != apart:
                row = dc[gate * units : (gate + 1) * units]
                for j in range(units):
                    row[j] = found[j]


@loops
def inputs_back(lengths, W, A, low, X, dx, gates, reverse, more, product):
    """Compute dL/dx of the thread's rows, or add it to what is there; `X` is written over."""
    n, time, features = dx.shape
    if n == 0:
        return
    units = W.shape[1] // gates
    size, wide = n * units, features + 1
    for gate in range(gates):
        a = _gate(A, gate, low * time * units, 0, time * size)
        gemm(
            product, 2, time * n, features, units, _at(a, 0), units, _at(W, gate * units), W.shape[1],
            W.dtype.type(1 if gate else 0), _at(X, 0), wide,
        )  # fmt: skip
    for i in range(n):
        for step in range(time):
            t = _step_of(step, lengths[i], reverse) if step < lengths[i] else step
            row, found = dx[i, t], _part(X, step * n + i, wide)
            for j in range(features):
                row[j] = row[j] + found[j] if more else found[j]


class Cell(NamedTuple):
    """What a kind of layer does in a step.

    Parameters
    ----------
    gates : int
        How many lists there are.
    apart : int
        The gate whose product with the state is in a list of its own, the last one; -1 if there is none.
    memory : bool
        Whether there is a memory beside the state.
    forward, backward : compiled function
        The kernels of all steps.
    """

    gates: int
    apart: int
    memory: bool
    forward: Any
    backward: Any


def _writer(cell: Cell) -> Any:
    """Make what writes such a layer."""

    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        time, units, ways = x.shape[2], layer.units, layer._ways()
        every_step, padding = (program.read(layer, name) for name in ("sequences", "padding"))
        program.read(layer, "direction")
        y = program.buffer(*([time] if every_step else []), units * len(ways))
        lengths = write_lengths(x, padding, program)
        backs = []
        for index, way in enumerate(ways):
            given = rows(_in_steps(y)), word(index * units), word(every_step), word(way.is_back)
            names = prefix, way.suffix
            backs.append(_write_way(cell, program, names, x, rows(lengths), given, padding or 0.0))

        def back(dy: Array, needed: bool) -> Array:
            dx = program.like(x) if needed else None
            for index, one in enumerate(backs):
                one(rows(_in_steps(dy)), dx, index > 0)
            return dy if dx is None else dx

        return y, back

    return write


def _in_steps(y: Array) -> Array:
    """See one state of each row as a sequence."""
    return y if y.ndim == 4 else y[:, :, None]


def _write_way(
    cell: Cell,
    program: Program,
    names: tuple[str, str],
    x: Array,
    lengths: Operand,
    given: tuple[Operand, ...],
    padding: float,
) -> Callable[[Operand, Array | None, bool], None]:
    """Write one direction; return what writes the way back."""
    W, U, b = (program.values(name.join(names)) for name in "WUb")
    time, units, features = x.shape[2], U.shape[1], W.shape[1]
    program.work += program.batch * time * (W[0].size + U[0].size)
    apart, slots = word(cell.apart), time if program.training else min(time, KEPT)
    none = whole(program.array(0))
    has_c = cell.apart >= 0
    c = program.values("c".join(names)) if has_c else None
    c_apart = none if c is None else whole(c[:, cell.apart * units :])
    c_all = none if c is None else whole(c)

    def room(*shape: int) -> Array:
        return _zeros((program.nets, *shape), program.dtype)

    packed = whole(room(W.shape[2] // units, features + 1, units))
    X, H = program.buffer(slots * (features + 1)), program.buffer(slots * units)
    h_last, d = program.buffer(units), program.buffer(units)
    A = whole(room(cell.gates, program.batch, slots * units))
    memory = slots if cell.memory else 0
    M, m_last, T = (program.buffer(count * units) for count in (memory, min(memory, 1), memory))
    program.add(pack, whole(W), whole(b), c_all, packed, apart, THREAD, TEAM)
    program.add(
        cell.forward, rows(x), lengths, packed, whole(U), c_apart, flat(X), A, LOW, flat(H), flat(h_last),
        flat(M), flat(m_last), flat(T), *given, number(padding), apart, program.product,
    )  # fmt: skip

    def back(dy: Operand, dx: Array | None, more: bool) -> None:
        dW, dU, db = (whole(program.grads(name.join(names))) for name in "WUb")
        dc = whole(program.grads("c".join(names))) if has_c else none
        U_T = whole(room(U.shape[2] // units, units, units))
        program.add(turn, whole(U), U_T, THREAD, TEAM)
        program.add(
            cell.backward, lengths, dy, U_T, A, LOW, flat(H), flat(M), flat(T), flat(d),
            flat(program.buffer(units if memory else 0)), *given[1:], apart, word(time), program.product,
        )  # fmt: skip
        program.add(
            gradients, every(X), A, every(H), packed, dW, dU, db, dc, apart, program.product, THREAD, TEAM
        )
        if dx is not None:
            program.add(
                inputs_back, lengths, whole(W), A, LOW, flat(X), rows(dx), word(W.shape[2] // units),
                given[3], word(more), program.product,
            )  # fmt: skip

    return back


WRITERS = {
    SimpleRNN: _writer(Cell(1, -1, False, _forward(simple), _backward(simple_back))),
    GRU: _writer(Cell(4, 2, False, _forward(gru), _backward(gru_back))),
    LSTM: _writer(Cell(4, -1, True, _forward(lstm), _backward(lstm_back))),
}
