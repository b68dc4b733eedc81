"""Layers made of layers that are no plain row: ways past them, side by side, and once for each part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.chain import Chain, ModelContext, Shape, follow_shapes, joined
from nnlite.core.context import Context, Rows
from nnlite.core.layer import Layer
from nnlite.core.weights import stand_ins, take_rows
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.checks import check_integer
from nnlite.errors.layers import check_block, check_features, check_layers, other_branch, sizes_of, wrong_dx
from nnlite.layers.padding import check_padding, real_steps

__all__ = [
    "Add",
    "Branches",
    "Columns",
    "Concatenate",
    "Multiply",
    "Residual",
    "TimeDistributed",
]


class Residual(Chain):
    """Add the input to the output of some layers: ``y = x + f(x)``.

    Blame comes to the layers before on two ways, through `f` and past it. The second one is never weakened,
    so a net of many such blocks learns where the same layers in one row would not.

    Parameters
    ----------
    layers : list of Layer
        They are `f`, and give the shape that they take.

    Raises
    ------
    ShapeError
        If they give another shape than they take, or a layer does not take what the one before it gives.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them.

    Notes
    -----
    With ``dy = dL/dy``, the chain rule gives ``dL/dx = dy + f'(x) dy``.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.layers import Dense
    >>> block = Residual([Dense(2, 2)])
    >>> block.layers[0].W[...] = [[0.0, 1.0], [0.0, 0.0]]
    >>> block.forward(np.array([[3.0, 5.0]]))
    array([[3., 8.]])
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        try:
            shape, behind = follow_shapes(self._holdable(layers))
        except ShapeError as error:
            raise error.within("Residual(layers)") from None
        check_block(shape, behind[-1])
        super().__init__(layers)

    def shape_after(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that comes in, or refuse one that the layers change."""
        behind = super().shape_after(input_shape)
        check_block(input_shape, behind)
        return behind

    def forward(self, x: Array, ctx: Any = None) -> Array:
        """Compute ``x + f(x)``."""
        return x + super().forward(x, ctx)

    def backward(self, dy: Array, ctx: Any) -> Array | None:
        """Let the blame pass, and add what comes back through the layers."""
        through = super().backward(dy, ctx)
        return None if through is None else dy + through


class Branches(Layer):
    """The base of layers that give one input to several others, and join what these make of it.

    A subclass says how: `_joined` joins the outputs, `_joined_shape` their shapes, and `_blames` gives the
    part of the blame that is each one's.

    Parameters
    ----------
    branches : list of Layer
        Each is a layer, a `Sequential` of several, or `Input` for what comes in as it is.
    """

    #: Axes at the end of a sample in which the outputs may differ.
    _free_axes: ClassVar[int] = 0
    #: Whether the way back needs the outputs, and not their shapes alone.
    _keeps_outputs: ClassVar[bool] = False

    def __init__(self, branches: Sequence[Layer]) -> None:
        kind = type(self).__name__
        check_layers(kind, "", branches, Layer, holds=False, name="branches")
        self._input_shape: Shape = None
        for index, branch in enumerate(branches):
            wanted: Shape = branch.input_shape
            before: Shape = self._input_shape
            agreed = joined(wanted, before) if wanted and before else wanted or before
            if agreed is None and wanted is not None:
                raise other_branch(kind, branches, index, "input", wanted, before)
            self._input_shape = agreed
        if self._input_shape is not None:
            self._shape_behind(branches, self._input_shape)
        self.hold(branches)
        # They get the same input: if nobody asks for its dL/dx, none of them is asked.
        self._first_learning = len(branches)

    @property
    def branches(self) -> tuple[Layer, ...]:
        """What the input is given to."""
        return self.children

    @property
    def input_shape(self) -> Shape:
        """Shape of one input sample; None if any will do."""
        return self._input_shape

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return self._shape_behind(self.children, input_shape)

    def _shape_behind(self, branches: Sequence[Layer], shape: tuple[int, ...]) -> tuple[int, ...]:
        shapes = [branch.shape_after(shape) for branch in branches]
        for index, given in enumerate(shapes):
            fixed, first = (one[: len(one) - self._free_axes] for one in (given, shapes[0]))
            if len(given) != len(shapes[0]) or joined(fixed, first) is None:
                raise other_branch(type(self).__name__, branches, index, "output", given, shapes[0])
        return self._joined_shape(shapes)

    @property
    def adapted(self) -> bool:
        """Whether all of them have seen the data that they need to see."""
        return all(branch.adapted for branch in self.children)

    def _argument(self, name: str, kind: Any) -> Any:
        """Return the value of an argument; the branches are its children."""
        return list(self.children) if name == "branches" else super()._argument(name, kind)

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.children))}])"

    # What a subclass writes.

    def _joined_shape(self, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the shape of a sample that is joined of those."""
        return _agreed(shapes) or shapes[0]

    def _joined(self, outputs: list[Array]) -> Array:
        """Join the outputs."""
        raise NotImplementedError

    def _blames(self, dy: Array, shapes: list[tuple[int, ...]], outputs: list[Array]) -> Iterator[Array]:
        """Give the blame for each output; `outputs` only if they were kept."""
        raise NotImplementedError

    # Forward and backward.

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Give the input to each, and join what they make of it."""
        outputs = []
        for branch, kept in self.held(ctx):
            if kept is not None:
                kept.x_shape = x.shape
            outputs.append(branch.forward(x, kept))
        if ctx is not None:
            ctx.save([y.shape for y in outputs], outputs if self._keeps_outputs else [])
        return self._joined(outputs)

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Give each its part of the blame, and add up what comes back."""
        shapes, outputs = ctx.saved
        dx: Array | None = None
        for index, part in enumerate(self._blames(dy, shapes, outputs)):
            branch, kept = ctx.inner[index]
            if not (ctx.needs_dx or branch.parameter_names):
                continue
            own = _trace(branch, kept, part, shapes[index])
            if ctx.needs_dx and own is None:
                raise wrong_dx(f"{self._prefix}{index}", self.children[index], kept.x_shape, own)
            dx = own if dx is None or own is None else dx + own
        return dx if ctx.needs_dx else None


def _agreed(shapes: Sequence[tuple[int, ...]]) -> Shape:
    """Return what several who know some of the sizes of a sample know together; None if they do not agree."""
    found: Shape = shapes[0]
    for shape in shapes[1:]:
        found = None if found is None else joined(found, shape)
    return found


def _trace(branch: Any, kept: Context, dy: Array, shape: tuple[int, ...]) -> Array | None:
    """Trace the blame back through a branch, also through one whose output replicas share.

    Each of them has a dL/dy of its own for it, so that branch is asked for each.
    """
    if dy.shape == shape:
        return branch.backward(dy, kept)  # type: ignore[no-any-return]
    ahead = dy.ndim - len(shape)
    apart = [axis for axis, size in enumerate((1,) * ahead + shape) if size != dy.shape[axis]]
    sizes = [*(1,) * ahead, *kept.x_shape]
    for axis in apart:
        sizes[axis] = dy.shape[axis]
    dx = np.empty(sizes, dy.dtype)
    for place in np.ndindex(*(dy.shape[axis] for axis in apart)):
        one: list[Any] = [slice(None)] * (apart[-1] + 1)
        for axis, at in zip(apart, place, strict=True):
            one[axis] = slice(at, at + 1)
        own = branch.backward(dy[tuple(one)].reshape(shape), kept)
        if own is None:
            return None
        dx[tuple(one)] = own
    return dx


class Concatenate(Branches):
    """Give the input to several branches, and put what they give side by side, on the last axis.

    Parameters
    ----------
    branches : list of Layer
        Each is a layer, a `Sequential` of several, or `Input` for what comes in as it is. All take the same
        shape; what they give may differ in the last axis.

    Raises
    ------
    ShapeError
        If they do not take the same, or give shapes that do not fit side by side.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them.

    Notes
    -----
    Each branch gets its columns of dL/dy; dL/dx is the sum of what comes back.

    References
    ----------
    H.-T. Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016: a branch that is linear,
    and a deep one beside it.

    Examples
    --------
    What comes in, and beside it what two neurons make of it:

    >>> import numpy as np
    >>> from nnlite import Dense, Input
    >>> layer = Concatenate([Input((3,)), Dense(3, 2)])
    >>> layer.output_shape((3,))
    (5,)
    >>> layer.forward(np.array([[1.0, 2.0, 3.0]]))[:, :3]
    array([[1., 2., 3.]])
    """

    _free_axes: ClassVar[int] = 1

    def _joined_shape(self, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the shape of a sample that is joined of those."""
        last: list[Any] = [shape[-1] for shape in shapes]
        width: Any = None if None in last else sum(last)
        return (*(_agreed([shape[:-1] for shape in shapes]) or ()), width)

    def _joined(self, outputs: list[Array]) -> Array:
        """Put the outputs side by side."""
        if len({y.shape[:-1] for y in outputs}) > 1:  # replicas share some of them
            leading = np.broadcast_shapes(*(y.shape[:-1] for y in outputs))
            outputs = [np.broadcast_to(y, (*leading, y.shape[-1])) for y in outputs]
        return np.concatenate(outputs, axis=-1)

    def _blames(self, dy: Array, shapes: list[tuple[int, ...]], outputs: list[Array]) -> Iterator[Array]:
        """Give the columns of each."""
        start = 0
        for shape in shapes:
            yield dy[..., start : start + shape[-1]]
            start += shape[-1]


class Add(Branches):
    """Give the input to several branches, and add up what they give.

    Where one of them is the input as it is, that is `Residual`.

    Parameters
    ----------
    branches : list of Layer
        Each is a layer, or a `Sequential` of several. All take the same shape, and give the same.

    Raises
    ------
    ShapeError
        If they do not take the same, or give other shapes.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them.

    Examples
    --------
    A skip connection that changes the width:

    >>> import numpy as np
    >>> from nnlite import Dense, Sequential, Tanh
    >>> layer = Add([Dense(2, 3), Sequential([Dense(2, 8), Tanh(), Dense(8, 3)])])
    >>> layer.forward(np.ones((5, 2))).shape
    (5, 3)
    """

    def _joined(self, outputs: list[Array]) -> Array:
        """Add up the outputs."""
        y = outputs[0]
        for other in outputs[1:]:
            y = y + other
        return y

    def _blames(self, dy: Array, shapes: list[tuple[int, ...]], outputs: list[Array]) -> Iterator[Array]:
        """Give all of it to each."""
        for _ in shapes:
            yield dy


class Multiply(Branches):
    """Give the input to several branches, and multiply what they give, number by number: a gate.

    A branch that ends in a `Sigmoid` lets through between nothing and all of what the other gives. That is a
    gated linear unit; beside the input as it is, attention over features.

    Parameters
    ----------
    branches : list of Layer
        Each is a layer, a `Sequential` of several, or `Input` for what comes in as it is. All take the same
        shape, and give the same.

    Raises
    ------
    ShapeError
        If they do not take the same, or give other shapes.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them.

    Notes
    -----
    The product rule: the blame for one of them is dL/dy times what the others give.

    References
    ----------
    Y. Dauphin, A. Fan, M. Auli and D. Grangier, "Language Modeling with Gated Convolutional Networks",
    ICML 2017, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import Dense, Input, Sequential, Sigmoid
    >>> unit = Multiply([Dense(4, 8), Sequential([Dense(4, 8), Sigmoid()])])  # a gated linear unit
    >>> unit.output_shape((4,))
    (8,)
    >>> square = Multiply([Input((1,)), Input((1,))])
    >>> square.forward(np.array([[3.0]]))
    array([[9.]])
    """

    _keeps_outputs: ClassVar[bool] = True

    def _joined(self, outputs: list[Array]) -> Array:
        """Multiply the outputs."""
        y = outputs[0]
        for other in outputs[1:]:
            y = y * other
        return y

    def _blames(self, dy: Array, shapes: list[tuple[int, ...]], outputs: list[Array]) -> Iterator[Array]:
        """Give each the blame times what the others gave."""
        for index in range(len(outputs)):
            blame = dy
            for other in outputs[:index] + outputs[index + 1 :]:
                blame = blame * other
            yield blame


class Columns(Layer):
    """Take some columns of a row, by their numbers or by their names.

    In front of a branch it says what of a table that branch sees. Of each step of a sequence it takes them in
    `TimeDistributed`.

    Parameters
    ----------
    columns : list of int, list of str, slice, int or str
        Which, in the order in which they are given on. Numbers count from 0, negative ones from the end.
    of : int or list of str
        What there is to choose from: how many columns, or their names, such as ``list(frame)``.

    Attributes
    ----------
    columns, of : list, int or list
        What was given; of numbers all are 0 or more, and of a slice those that are in it.
    numbers : list of int
        Where the columns are.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If there is no such column, one is there twice or none is chosen, or names are to be found among none.

    Examples
    --------
    >>> import numpy as np
    >>> Columns([2, 0], of=3).forward(np.array([[5.0, 6.0, 7.0]]))
    array([[7., 5.]])
    >>> Columns(["age", "weight"], of=["height", "age", "weight"]).numbers
    [1, 2]
    >>> Columns(slice(1, None), of=6)
    Columns(slice(1, 6), of=6)
    """

    numbers: list[int]

    def __init__(self, columns: Any, of: Any) -> None:
        self.of = _choice(of)
        names = None if isinstance(self.of, int) else self.of
        self._count: int = self.of if isinstance(self.of, int) else len(self.of)
        if isinstance(columns, slice):
            try:
                columns = list(range(self._count)[columns])
            except (TypeError, ValueError):  # a ValueError where it goes on by 0
                fix = "Write slice(0, 4)."
                raise ArgumentTypeError(
                    "Columns(columns)", "a slice of whole numbers", f"{columns!r}", fix
                ) from None
        given = [columns] if isinstance(columns, str) or not np.iterable(columns) else list(columns)
        self.numbers = [self._find(column, names) for column in given]
        if not given or len(set(self.numbers)) < len(given):
            got = f"{given!r}" if given else "none"
            raise ArgumentError(
                "Columns(columns)", "columns that differ, at least one", got, "Name each once."
            )
        by_name = [isinstance(column, str) for column in given]
        self.columns = [
            str(column) if named else number
            for column, named, number in zip(given, by_name, self.numbers, strict=True)
        ]
        first, steps = self.numbers[0], np.diff(self.numbers)
        in_a_row = len(steps) > 0 and (steps == 1).all()
        #: A slice where they stand next to each other: then nothing has to be copied.
        self._index: Any = slice(first, first + len(given)) if in_a_row or len(given) == 1 else self.numbers

    def _find(self, column: Any, names: list[str] | None) -> int:
        where, count = "Columns(columns)", self._count
        if isinstance(column, str):
            if names is None:
                fix = "Give the names that there are: of=list(frame), or of=model.feature_names."
                raise ArgumentError(where, "numbers of columns, since of= has no names", f"{column!r}", fix)
            if column not in names:
                known = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
                raise ArgumentError(where, f"one of {known}", f"{column!r}", "Use a name from of=.")
            return names.index(column)
        number = check_integer(where, column, low=-count)
        if number >= count:
            fix = "Count them from 0."
            raise ArgumentError(where, f"a column of {count}, from 0 to {count - 1}", f"{number}", fix)
        return number % count

    def __repr__(self) -> str:
        index = self._index
        if isinstance(index, slice) and len(self.columns) > 1 and not isinstance(self.columns[0], str):
            return f"Columns(slice({index.start}, {index.stop}), of={self.of!r})"
        return f"Columns({self.columns!r}, of={self.of!r})"

    @property
    def features(self) -> int:
        """How many columns there are to choose from."""
        return self._count

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self._count,)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (len(self.numbers),)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Take the columns."""
        check_features(self, x)
        return x[..., self._index]

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Blame those columns, and no other."""
        dx = np.zeros((*dy.shape[:-1], self._count), dy.dtype)
        dx[..., self._index] = dy
        return dx


def _choice(of: Any) -> int | list[str]:
    """Return how many columns there are, or their names."""
    if isinstance(of, str) or not np.iterable(of):
        return check_integer("Columns(of=)", of, low=1)
    names = list(of)
    if not names or not all(isinstance(name, str) for name in names):
        fix = "Write of=list(frame), or how many columns there are."
        raise ArgumentTypeError("Columns(of=)", "names of columns, or their number", f"{of!r}", fix)
    if len(set(names)) < len(names):
        raise ArgumentError("Columns(of=)", "names that differ", f"{names}", "Rename a column.")
    return [str(name) for name in names]


#: Shape of a part, if the layers take any: a row of features.
_OPEN: Any = (None,)


class _PartsContext(ModelContext):
    """What `TimeDistributed` keeps of a pass: `rows` are those of the layers inside, `outer` its own."""

    __slots__ = ("outer",)


class TimeDistributed(Chain):
    """Apply the same layers to each part of a sample: to each step of a sequence, or each of several things.

    ``(batch, time, *part)`` becomes ``(batch, time, *result)``. There is one set of weights for all parts,
    which learns from each of them. Of two things to be compared that is a siamese net; of a set of things,
    the part that looks at each.

    Parameters
    ----------
    layers : list of Layer
        Applied to each part in turn. They say how many axes a part has; `Input` in front says it where they
        take any, which otherwise is one axis, features.
    padding : float, optional
        The number that stands for what is not there. Steps at the end of a row all of whose numbers are it
        are no steps: they count for nothing in training, also not in the statistics of a `BatchNorm`, and
        come out as that number again. None: all count.

    Raises
    ------
    ShapeError
        If a layer does not take what the one before it gives.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them, or `padding` is no number.

    Notes
    -----
    The axis of time is joined with that of the batch, so that the layers inside see ``batch * time`` rows; a
    weight of a row counts for each of its parts.

    References
    ----------
    J. Bromley et al., "Signature Verification using a 'Siamese' Time Delay Neural Network", NIPS 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import Dense, ReLU
    >>> layer = TimeDistributed([Dense(3, 8), ReLU()])
    >>> layer.forward(np.ones((5, 2, 3))).shape  # 5 rows of 2 parts
    (5, 2, 8)
    >>> layer.parameter_count
    32
    """

    _context_kind: ClassVar[type[Context]] = _PartsContext

    def __init__(self, layers: Sequence[Layer], *, padding: float | None = None) -> None:
        try:
            follow_shapes(self._holdable(layers))
        except ShapeError as error:
            raise error.within("TimeDistributed(layers)") from None
        self.padding = check_padding("TimeDistributed(padding=)", padding)
        super().__init__(layers)
        #: Shape of a part, as far as it is known, and how many axes it has behind the layers.
        self._part: Any = self._input_shape or _OPEN
        self._axes = len(self._result(self._part))

    def _result(self, part: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a part behind the layers."""
        return Chain.shape_after(self, part)

    @property
    def input_shape(self) -> Shape:
        """Shape of one input sample: any number of parts."""
        return (None, *self._part)

    def shape_after(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (input_shape[0], *self._result(input_shape[1:]))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return self.shape_after(input_shape)

    def __repr__(self) -> str:
        padding = "" if self.padding is None else f", padding={self.padding!r}"
        return f"TimeDistributed([{', '.join(map(repr, self.children))}]{padding})"

    def _context(self, views: Any = None, *, rows: Rows | None = None, **options: Any) -> Any:
        """Make a context; the layers inside have other rows, which weigh as theirs do."""
        ctx = super()._context(views, rows=Rows(), **options)
        ctx.outer = rows or Rows()
        return ctx

    def parts(self, x: Array, weight: Array | None) -> tuple[Array, Array | None, AnyArray | None]:
        """Return what the layers inside get.

        Parameters
        ----------
        x : ndarray of shape (..., batch, time, *part)
            The input.
        weight : ndarray of shape (..., batch), or None
            How much each row counts.

        Returns
        -------
        parts : ndarray of shape (..., batch * time, *part)
            In the place of padding stands what is there, since padding may be any number.
        weight : ndarray of shape (..., batch * time), or None
            That of its row, and 0 of padding.
        real : ndarray of bool, (..., batch * time), or None
            What is no padding; None without any.

        Raises
        ------
        ShapeError
            If `x` has too few axes.
        """
        before = x.ndim - len(self._part) - 2
        if before < 0:
            sizes, fix = sizes_of(self._part), "The first axis is the batch, the second that of the parts."
            raise ShapeError("TimeDistributed", f"input of shape (batch, time, {sizes})", f"{x.shape}", fix)
        ahead, (batch, time), part = x.shape[:before], x.shape[before : before + 2], x.shape[before + 2 :]
        parts = x.reshape(*ahead, batch * time, *part)
        weight = weight if weight is None else np.repeat(weight, time, axis=-1)
        if self.padding is None:
            return parts, weight, None
        lines = x.reshape(*ahead, batch, time, math.prod(part))  # -1 would be refused of no rows
        real = real_steps(lines, self.padding).reshape(*ahead, batch * time)
        instead = stand_ins(real)
        if instead is None:
            return parts, weight, None
        weight = real.astype(x.dtype) if weight is None else weight * real
        return take_rows(parts, instead, before), weight, real

    def forward(self, x: Array, ctx: Any = None) -> Array:
        """Give each part to the layers."""
        weight = None if ctx is None else ctx.outer.weight
        parts, weight, real = self.parts(x, weight)
        before = parts.ndim - len(self._part) - 1  # axes in front of the batch
        batch, time = x.shape[before : before + 2]
        if ctx is not None:
            ctx.rows.add_up, ctx.rows.weight = ctx.outer.add_up, weight
            ctx.save(x.shape, before, real)
        y = super().forward(parts, ctx)
        if real is not None:
            y = _where_real(y, real, self._axes, self.padding)
        return y.reshape(*y.shape[: y.ndim - self._axes - 1], batch, time, *y.shape[y.ndim - self._axes :])

    def backward(self, dy: Array, ctx: Any) -> Array | None:
        """Give the blame for each part to the layers."""
        shape, before, real = ctx.saved
        batch, time = shape[before : before + 2]
        ahead = dy.ndim - self._axes - 2
        blame = dy.reshape(*dy.shape[:ahead], batch * time, *dy.shape[ahead + 2 :])
        if real is not None:
            blame = _where_real(blame, real, self._axes, 0)
        dx = super().backward(blame, ctx)
        if dx is None:
            return None
        if real is not None:
            dx = _where_real(dx, real, len(self._part), 0)
        return dx.reshape(*dx.shape[: dx.ndim - len(self._part) - 1], batch, time, *shape[before + 2 :])


def _where_real(array: Array, real: AnyArray, axes: int, padding: Any) -> Array:
    """Put a number in the place of parts that are padding."""
    return np.where(real.reshape(*real.shape, *(1,) * axes), array, array.dtype.type(padding))
