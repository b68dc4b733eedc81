"""Exponential, tanh and their relatives, in a form that a compiler makes several of at a time.

The calls of a system's own library take one number each. These are written out: 2 to a whole power, which
is a shift of bits, times a polynomial of what is left. They are within 2 units in the last place
(``tests/test_jit_functions.py``), and 0 where the true value is nearer to 0 than floats hold in full.

References
----------
W. Cody and W. Waite, "Software Manual for the Elementary Functions", Prentice-Hall 1980, chapters 6 and 8:
the reduction by two parts of log(2), of which the first has trailing zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from nnlite.jit.native import OPTIONS, inlined

__all__ = ["erfc", "exp", "expm1", "highest", "like", "log1p", "sigmoid", "softplus", "tanh"]

#: Terms of a polynomial that the compiler writes out; a loop over more is not vectorised.
LONG = 13
_LOG2_E = 1 / math.log(2)
#: log(2) in two parts, for float32 and float64: products of the first with a whole number are exact.
_PARTS4 = (0.693359375, math.log(2) - 0.693359375)
_PARTS8 = (float.fromhex("0x1.62e42feep-1"), 1.90821492927058770002e-10)


def _for_each(function: Any) -> Any:
    """Let a stub stand for what `function` makes for the type of its argument."""
    return overload(function, jit_options={**OPTIONS, "forceinline": True}, strict=False)


def like(number: Any, v: Any) -> Any: ...
def _part(v: Any) -> Any: ...
def _power(k: Any, like: Any) -> Any: ...
def exp(v: Any) -> Any: ...
def expm1(v: Any) -> Any: ...
def tanh(v: Any) -> Any: ...
def sigmoid(v: Any) -> Any: ...
def softplus(v: Any) -> Any: ...
def log1p(v: Any) -> Any: ...
def erfc(v: Any) -> Any: ...
def _turn(v: Any) -> Any: ...


@_for_each(like)
def _make_like(number, v):
    """Return a number in the type of v: one of Python's would make float64 of float32."""
    kind = np.float32 if v == types.float32 else np.float64
    return lambda number, v: kind(number)


def _polynomial(kind: Any, terms: Sequence[float]) -> Any:
    """Make a polynomial by Horner's rule; the terms are those of the powers 0, 1, 2, ..."""
    if len(terms) > LONG:
        even, odd = _polynomial(kind, terms[::2]), _polynomial(kind, terms[1::2])
        return inlined(lambda v: even(v * v) + v * odd(v * v))
    last, *others = (kind(one) for one in reversed(terms))
    behind = tuple(others)

    def polynomial(v):
        p = last
        for term in behind:
            p = p * v + term
        return p

    return inlined(polynomial)


@_for_each(_part)
def _make_part(v):
    """Return k and exp(r) - 1, where v = k * log(2) + r and r is at most log(2) / 2 on either side."""
    small = v == types.float32
    kind = np.float32 if small else np.float64
    log2_e, high, low = (kind(one) for one in (_LOG2_E, *(_PARTS4 if small else _PARTS8)))
    half = kind(0.5)
    series = _polynomial(kind, [1 / math.factorial(power) for power in range(2, 9 if small else 15)])

    def part(v):
        k = np.floor(v * log2_e + half)
        h = v - k * high
        r = h - k * low
        tail = series(r) * (r * r)
        if not small:  # what rounding r has lost; float32 stays within 2 units without it
            tail += (h - r) - k * low
        return k, tail + r

    return part


@_for_each(_power)
def _make_power(k, like):
    """Return 2**k, of a whole k that a float of this type holds in full."""
    if like == types.float32:
        return lambda k, like: np.int32((k + np.int32(127)) << np.int32(23)).view(np.float32)
    return lambda k, like: np.int64((k + np.int64(1023)) << np.int64(52)).view(np.float64)


@_for_each(exp)
def _make_exp(v):
    small = v == types.float32
    kind, whole = (np.float32, np.int32) if small else (np.float64, np.int64)
    one = kind(1)
    low, high = (kind(-105), kind(90)) if small else (kind(-750), kind(711))

    def exp_of(v):
        k, part = _part(min(max(v, low), high))
        i = whole(k)
        half = i >> whole(1)  # in two steps, since 2**k may be more, or less, than a float holds
        y = (part + one) * _power(half, v) * _power(i - half, v)
        return y if v == v else v

    return exp_of


@_for_each(expm1)
def _make_expm1(v):
    small = v == types.float32
    kind, whole = (np.float32, np.int32) if small else (np.float64, np.int64)
    low, high = (kind(-30), kind(90)) if small else (kind(-50), kind(711))

    def expm1_of(v):
        k, part = _part(min(max(v, low), high))
        i = whole(k)
        half = i >> whole(1)
        power = _power(half, v)
        y = (power * part + (power - _power(half - i, v))) * _power(i - half, v)
        return y if v == v else v

    return expm1_of


@_for_each(tanh)
def _make_tanh(v):
    """With e = exp(2 |v|) - 1: y = e / (e + 2), and near 0 the same as e / 2 * (1 - y), one rounding less."""
    small = v == types.float32
    kind, whole = (np.float32, np.int32) if small else (np.float64, np.int64)
    half, one, two, end = kind(0.5), kind(1), kind(2), kind(10) if small else kind(20)
    limit = kind(math.log(2) / 2)

    def tanh_of(v):
        a = abs(v)
        a = end if a > end else a
        k, part = _part(a + a)
        power = _power(whole(k), v)
        e = power * part + (power - one)
        y = e / (e + two)
        near = half * e
        y = near - near * y if a < limit else y
        return math.copysign(y, v)

    return tanh_of


@_for_each(sigmoid)
def _make_sigmoid(v):
    return lambda v: like(1, v) / (like(1, v) + exp(-v))


@_for_each(log1p)
def _make_log1p(v):
    """Return ``log(u)`` of ``u = 1 + v``, and what rounding has taken from u.

    With u = 2**k * m, and s = (m - 1) / (m + 1): log(u) = k * log(2) + 2 * (s + s**3 / 3 + s**5 / 5 + ...).
    """
    small = v == types.float32
    kind: Any
    whole: Any
    kind, whole = (np.float32, np.int32) if small else (np.float64, np.int64)
    digits, bias = (whole(23), whole(127)) if small else (whole(52), whole(1023))
    one, two = kind(1), kind(2)
    high, low = (kind(part) for part in (_PARTS4 if small else _PARTS8))
    series = _polynomial(kind, [2 / (2 * place + 3) for place in range(5 if small else 11)])
    # What is added to the bits of u, so that m is from sqrt(1/2) to sqrt(2).
    shift = kind(1).view(whole) - kind(math.sqrt(0.5)).view(whole)
    most, nothing, less = kind(np.inf), kind(np.nan), kind(-np.inf)

    def log1p_of(v):
        u = one + v
        bits = kind(u).view(whole) + shift
        k = (bits >> digits) - bias
        m = whole(bits - shift - (k << digits)).view(kind)
        f = m - one
        s = f / (two + f)
        square = s * s
        lost = (v - (u - one)) / u
        # 2 * s is f - s * f, whose first part is exact.
        y = kind(k) * high + (f - (s * f - (s * square * series(square) + (kind(k) * low + lost))))
        y = v if v == most else y
        y = less if v == -one else y
        return y if v >= -one else nothing

    return log1p_of


@_for_each(softplus)
def _make_softplus(v):
    return lambda v: max(v, like(0, v)) + log1p(exp(-abs(v)))


def _erfc_series(count: int) -> list[float]:
    """Return a polynomial in ``2 * t - 1``: ``erfc(v) * exp(v**2) / t`` with t = 2 / (2 + v), for v >= 0."""
    from scipy.special import erfcx

    def target(place: Any) -> Any:
        t = np.maximum((place + 1) / 2, 1e-9)
        return erfcx(2 / t - 2) / t

    terms = np.polynomial.chebyshev.cheb2poly(np.polynomial.chebyshev.chebinterpolate(target, count))
    return [float(term) for term in terms]


@_for_each(erfc)
def _make_erfc(v):
    small = v == types.float32
    kind = np.float32 if small else np.float64
    one, two = kind(1), kind(2)
    series = _polynomial(kind, _erfc_series(11 if small else 25))

    def erfc_of(v):
        a = abs(v)
        t = two / (two + a)
        y = series(two * t - one) * t * exp(-a * a)
        y = two - y if v < 0 else y
        return y if v == v else v

    return erfc_of


@_for_each(_turn)
def _make_turn(v):
    """Return the whole number that stands among such numbers as v does among floats; or the float of it."""
    small, whole_number = v in (types.float32, types.int32), v in (types.int32, types.int64)
    kind: Any
    whole: Any
    kind, whole = (np.float32, np.int32) if small else (np.float64, np.int64)
    sign, others = (whole(31), whole(2**31 - 1)) if small else (whole(63), whole(2**63 - 1))
    if whole_number:
        return lambda v: whole(v ^ ((v >> sign) & others)).view(kind)

    def turn(v):
        bits = kind(v).view(whole)
        return whole(bits ^ ((bits >> sign) & others))  # numba makes 64 bits of any sum, and so on

    return turn


@inlined
def highest(row):
    """Return the largest number of a list: as whole numbers, of which a compiler compares several at a time.

    Where there is a NaN it is that, or, if its sign is set, one of the others.
    """
    most = _turn(row[0])
    for j in range(1, row.size):
        most = max(most, _turn(row[j]))
    return _turn(most)
