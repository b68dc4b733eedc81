"""Dense, compiled."""

from __future__ import annotations

from nnlite.core.aliases import Array
from nnlite.jit.kernel import TEAM, THREAD, every, rows, whole
from nnlite.jit.native import gemm, in_rows, loops, pointer, share, sums
from nnlite.jit.program import Backward, Program, SparseBatch
from nnlite.layers import Dense

__all__ = ["WRITERS"]

#: Products of fewer multiplications are made by loops: a call of the BLAS takes as long as some thousand.
SMALL = 4096
#: Neurons from which on a loop over them is long enough to be vectorised.
NARROW = 16
#: Weights up to which OpenBLAS makes a product with a transposed matrix more slowly than one with a copy, and
#: the copy: with 32 rows and 64 x 64 weights 4.9 us against 1.2 and 2.4.
TURNED = 2**14


@sums
def _place(array, column):
    return pointer(array.ctypes.data + column * array.itemsize)


@sums
def _part(rows, columns, thread, team):
    """Return which rows and columns of a product a thread makes: of what there are more of, its share.

    For what it has all of, each thread copies what that is multiplied by into the order that a BLAS wants.
    """
    if rows < columns:
        return 0, rows, share(columns, thread, team), share(columns, thread + 1, team)
    return rows * thread // team, rows * (thread + 1) // team, 0, columns


@sums
def forward(x, W, b, y, product, turned, thread, team):
    """Compute ``y = x @ W + b``; `b` is empty if there is none, `product` 0 for loops alone.

    Of few neurons the loops go over the inputs, with a transpose of W in `turned`, which is empty otherwise.
    """
    n, inputs = x.shape
    outputs = W.shape[1]
    one, zero = W.dtype.type(1), W.dtype.type(0)
    if product != 0 and outputs > 1 and n * inputs * outputs > SMALL:
        top, bottom, left, right = _part(n, outputs, thread, team)
        bias = b[left:right] if b.size else b
        for i in range(top, bottom):
            row = y[i][left:right]
            for j in range(bias.size):
                row[j] = bias[j]
        gemm(
            product, 0, bottom - top, right - left, inputs, _place(x, top * inputs), inputs,
            _place(W, left), outputs, one if b.size else zero, _place(y, top * outputs + left), outputs,
        )  # fmt: skip
        return
    top, bottom = n * thread // team, n * (thread + 1) // team
    if outputs == 1:
        for i in range(top, bottom):
            total = b[0] if b.size else zero
            for k in range(inputs):
                total += x[i, k] * W[k, 0]
            y[i, 0] = total
        return
    if turned.size:
        W_T = in_rows(turned, inputs)
        for j in range(outputs):
            for k in range(inputs):
                W_T[j, k] = W[k, j]
        for i in range(top, bottom):
            for j in range(outputs):
                total = b[j] if b.size else zero
                for k in range(inputs):
                    total += x[i, k] * W_T[j, k]
                y[i, j] = total
        return
    for i in range(top, bottom):
        row = y[i]
        for j in range(outputs):
            row[j] = b[j] if b.size else zero
        for k in range(inputs):
            value = x[i, k]
            for j in range(outputs):
                row[j] += value * W[k, j]


@sums
def gradients(x, dy, dW, db, product, turned, thread, team):
    """Compute ``dW = x.T @ dy`` and ``db``, the sum of dy over the rows; each thread some rows of dW.

    Of few neurons dW is made in `turned`, where it is transposed.
    """
    n, outputs = dy.shape
    zero = dW.dtype.type(0)
    # Of slices, not from `first` to `last`: numba takes a number that does not begin at 0 for one that may be
    # negative, and counts from the end then, which is not vectorised.
    first, last = share(db.size, thread, team), share(db.size, thread + 1, team)
    part = db[first:last]
    for j in range(part.size):
        part[j] = zero
    for i in range(n):
        row = dy[i][first:last]
        for j in range(part.size):
            part[j] += row[j]
    inputs = x.shape[1]
    first, last = share(inputs, thread, team), share(inputs, thread + 1, team)
    mine = dW[first:last]
    if product != 0 and n * mine.size > SMALL:
        gemm(
            product, 1, len(mine), outputs, n, _place(x, first), inputs, _place(dy, 0), outputs,
            zero, _place(mine, 0), outputs,
        )  # fmt: skip
        return
    flat = mine.reshape(-1)
    if outputs == 1:
        for k in range(flat.size):
            flat[k] = zero
        for i in range(n):
            row, value = x[i][first:last], dy[i, 0]
            for k in range(flat.size):
                flat[k] += row[k] * value
        return
    if turned.size:
        dW_T = in_rows(turned, inputs)
        for j in range(outputs):
            found = dW_T[j][first:last]
            for k in range(found.size):
                found[k] = zero
            for i in range(n):
                row, value = x[i][first:last], dy[i, j]
                for k in range(found.size):
                    found[k] += row[k] * value
            for k in range(found.size):
                mine[k, j] = found[k]
        return
    for k in range(flat.size):
        flat[k] = zero
    for i in range(n):
        row = x[i][first:last]
        for k in range(len(mine)):
            value = row[k]
            for j in range(outputs):
                mine[k, j] += value * dy[i, j]


@sums
def backward(dy, W, dx, product, thread, team):
    """Compute ``dx = dy @ W.T``."""
    n, outputs = dy.shape
    inputs = W.shape[0]
    zero = W.dtype.type(0)
    if n * inputs * outputs > SMALL:
        top, bottom, left, right = _part(n, inputs, thread, team)
        gemm(
            product, 2, bottom - top, right - left, outputs, _place(dy, top * outputs), outputs,
            _place(W, left * outputs), outputs, zero, _place(dx, top * inputs + left), inputs,
        )  # fmt: skip
        return
    for i in range(n * thread // team, n * (thread + 1) // team):
        if outputs == 1:
            value = dy[i, 0]
            for k in range(inputs):
                dx[i, k] = value * W[k, 0]
            continue
        for k in range(inputs):
            total = zero
            for j in range(outputs):
                total += dy[i, j] * W[k, j]
            dx[i, k] = total


@loops
def turn(W, W_T, thread, team):
    """Copy the transpose; each thread some rows of it."""
    for j in range(share(len(W_T), thread, team), share(len(W_T), thread + 1, team)):
        for k in range(len(W)):
            W_T[j, k] = W[k, j]


@loops
def sparse_forward(starts, columns, values, rows, W, b, y):
    """Compute ``y = x @ W + b`` of some rows of a CSR matrix."""
    outputs = W.shape[1]
    for i in range(rows.size):
        for j in range(outputs):
            y[i, j] = b[j] if b.size else W.dtype.type(0)
        for place in range(starts[rows[i]], starts[rows[i] + 1]):
            k, value = columns[place], values[place]
            for j in range(outputs):
                y[i, j] += value * W[k, j]


@loops
def sparse_gradients(starts, columns, values, rows, dy, dW, db, thread, team):
    """Compute ``dW = x.T @ dy`` and the sum of dy over the rows; each thread some neurons."""
    outputs = dW.shape[1]
    first, last = share(outputs, thread, team), share(outputs, thread + 1, team)
    dW[:, first:last] = 0
    part = db[first:last]
    for j in range(part.size):
        part[j] = 0
    for i in range(rows.size):
        blame = dy[i][first:last]
        for j in range(part.size):
            part[j] += blame[j]
        for place in range(starts[rows[i]], starts[rows[i] + 1]):
            value, row = values[place], dW[columns[place]][first:last]
            for j in range(blame.size):
                row[j] += value * blame[j]


def _sparse(layer: Dense, prefix: str, x: SparseBatch, program: Program) -> tuple[Array, Backward]:
    W, b = program.values(f"{prefix}W"), program.values(f"{prefix}b") if layer.bias else program.array(0)
    program.work += program.batch * W[0].size
    matrix = [whole(array) for array in x[:3]]
    y = program.buffer(layer.out_features)
    program.add(sparse_forward, *matrix, rows(x.rows), whole(W), whole(b), rows(y))

    def back(dy: Array, needed: bool) -> Array:
        dW = program.grads(f"{prefix}W")
        db = program.grads(f"{prefix}b") if layer.bias else program.array(0)
        program.add(sparse_gradients, *matrix, every(x.rows), every(dy), whole(dW), whole(db), THREAD, TEAM)
        return dy  # nobody asks for dL/dx of an input

    return y, back


def _dense(layer: Dense, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    if isinstance(x, SparseBatch):
        return _sparse(layer, prefix, x, program)
    return write_product(*names_of(layer, prefix), x, program)


def names_of(layer: Dense, prefix: str) -> tuple[str, str]:
    """Return the names of its parameters; the second is empty if it has no bias."""
    return f"{prefix}W", f"{prefix}b" if layer.bias else ""


def bias_of(name: str, program: Program) -> Array:
    """Return the bias of all nets, or arrays without numbers if it has no name."""
    return program.values(name) if name else program.array(0)


def write_product(
    weights: str, bias: str, x: Array, program: Program, b: Array | None = None
) -> tuple[Array, Backward]:
    """Write ``y = x @ W + b`` of parameters with these names, and the way back.

    `b` may be arrays without numbers, where somebody else adds the bias.
    """
    W = program.values(weights)
    inputs, outputs = W[0].shape
    program.work += program.batch * W[0].size
    narrow = 1 < outputs < min(NARROW, inputs)
    turned, own = (whole(program.array(W[0].size if narrow else 0)) for _ in range(2))
    y, b = program.buffer(outputs), bias_of(bias, program) if b is None else b
    program.add(forward, every(x), whole(W), whole(b), every(y), program.product, turned, THREAD, TEAM)

    def back(dy: Array, needed: bool) -> Array:
        dW, db = program.grads(weights), program.grads(bias) if bias else program.array(0)
        program.add(gradients, every(x), every(dy), whole(dW), whole(db), program.product, own, THREAD, TEAM)
        if not needed:
            return dy
        dx = program.like(x)
        if W[0].size <= TURNED and program.batch * W[0].size > SMALL:
            W_T, none = whole(program.array(outputs, inputs)), whole(program.array(0))
            program.add(turn, whole(W), W_T, THREAD, TEAM)
            program.add(forward, every(dy), W_T, none, every(dx), program.product, none, THREAD, TEAM)
        else:
            program.add(backward, every(dy), whole(W), every(dx), program.product, THREAD, TEAM)
        return dx

    return y, back


WRITERS = {Dense: _dense}
