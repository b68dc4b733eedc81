"""The blame ledger: what every single row adds to every gradient, and which rows look mislabelled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer
from nnlite.inspect.neighbours import TOO_FEW, Opinion, ask_neighbours
from nnlite.inspect.numbers import plain, weight_name
from nnlite.model import Sequential
from nnlite.training.per_example import LARGEST_RESULT
from nnlite.training.work import takes_replicas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Blame", "Pull", "Suspect", "blame"]

#: Bytes of gradients that are held at a time where only their sums, lengths or columns are needed.
BLOCK = 2**26
#: How many rows `print` and the pictures show.
SHOWN = 5
#: What is said where no row is suspicious.
NONE = "No row looks like a wrong one."
#: What rows can be sorted by to find those that look mislabelled.
WAYS = ("neighbours", "loss", "gradient")


class Suspect(NamedTuple):
    """A row that may be mislabelled; see `Blame.suspects`.

    Parameters
    ----------
    row : int
        Its number.
    score : float
        How suspicious it is; what that counts depends on what was asked for.
    target : int, float or list
        What it is said to be.
    expected : int, float or list
        What the rows that the net finds most alike are said to be.
    predicted : int, float or list
        What the net says.
    loss : float
        Its loss.

    Examples
    --------
    >>> print(Suspect(row=7, score=1.0, target=3, expected=8, predicted=3, loss=0.1))
    row 7 is said to be 3; the rows most like it are 8, and the net says 3 (loss 0.1, score 1)
    """

    row: int
    score: float
    target: Any
    expected: Any
    predicted: Any
    loss: float

    def __str__(self) -> str:
        return (
            f"row {self.row} is said to be {_short(self.target)}; the rows most like it are "
            f"{_short(self.expected)}, and the net says {_short(self.predicted)} "
            f"(loss {self.loss:.3g}, score {self.score:.3g})"
        )


class Pull:
    """Which rows pull one weight up, and which down; `Blame.rows` makes it.

    Parameters
    ----------
    name : str
        The parameter, such as ``"0.W"``.
    index : tuple of int
        The place in it.
    value : float
        What the weight is.
    terms : ndarray of shape (rows,)
        What each row says the gradient of the weight is; their mean is the gradient of the batch.

    Attributes
    ----------
    name, index, value, terms
        What was given.

    Examples
    --------
    >>> pull = Pull("0.W", (1, 0), 0.5, np.array([-4.0, 1.0, 0.0, -1.0]))
    >>> pull.up.tolist(), pull.down.tolist(), pull.gradient
    ([0, 3], [1], -1.0)
    """

    def __init__(self, name: str, index: tuple[int, ...], value: float, terms: Array) -> None:
        self.name = name
        self.index = index
        self.value = value
        self.terms = terms

    @property
    def gradient(self) -> float:
        """The gradient of the batch: the mean of what the rows say."""
        return float(self.terms.mean(dtype=np.float64))

    @property
    def up(self) -> AnyArray:
        """Rows whose term is negative: a step downhill makes the weight larger. The strongest first."""
        order: AnyArray = np.argsort(self.terms, kind="stable")
        return order[: int((self.terms < 0).sum())]

    @property
    def down(self) -> AnyArray:
        """Rows whose term is positive: a step downhill makes the weight smaller. The strongest first."""
        order: AnyArray = np.argsort(-self.terms, kind="stable")
        return order[: int((self.terms > 0).sum())]

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain data, which ``json.dumps`` takes.

        Returns
        -------
        dict
            With the attributes, ``gradient``, ``up`` and ``down`` as entries.
        """
        names = ("name", "index", "value", "gradient", "terms", "up", "down")
        return {name: plain(getattr(self, name)) for name in names}

    def __str__(self) -> str:
        count, gradient = len(self.terms), self.gradient
        # Shown is minus the part of the gradient: the way that the weight is to go.
        lines = [f"{weight_name(self.name, self.index)} is {self.value:.4g}, its gradient {gradient:.4g}: "]
        lines[0] += "nobody moves it" if not self.terms.any() else _direction(gradient)
        for word, rows in (("up", self.up), ("down", self.down)):
            if not len(rows):
                lines.append(f"no row pulls it {word}")
                continue
            total = float(self.terms[rows].sum(dtype=np.float64)) / count
            named = [f"row {row} ({-self.terms[row] / count:.3g})" for row in rows[:SHOWN]]
            more = ", ..." if len(rows) > SHOWN else ""
            pulls = "row pulls" if len(rows) == 1 else "rows pull"
            lines.append(
                f"{len(rows):,} {pulls} it {word}, together by {-total:.3g}: {', '.join(named)}{more}"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what the strongest rows on either side add to the gradient.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ArgumentTypeError
            If `ax` is no Axes.
        """
        from nnlite.plot.style import BLUE, GREY, VERMILION, name_axis, new_axes, open_frame

        ax = new_axes("Pull.plot", ax)
        rows = [*self.up[:SHOWN].tolist(), *self.down[:SHOWN][::-1].tolist()]
        shares = self.terms[rows] / len(self.terms)
        # What pulls up goes to the right, as the weight does: against the gradient.
        ax.barh(range(len(rows)), -shares, color=[BLUE if share < 0 else VERMILION for share in shares])
        ax.set_yticks(range(len(rows)), [f"row {row}" for row in rows], fontsize=8)
        ax.invert_yaxis()
        ax.ticklabel_format(axis="x", scilimits=(-2, 4))
        ax.axvline(0, color=GREY, lw=0.8)
        name_axis(ax, "x", "minus the row's part of the gradient: left pulls down, right up", "down, or up")
        ax.set_title(weight_name(self.name, self.index), fontsize="medium")
        open_frame(ax)
        return ax


class Blame:
    """Who is to blame: what each row adds to the loss and to every gradient; `blame` makes it.

    Parameters
    ----------
    model : Sequential
        A copy of the net, which is not changed any more.
    x, y : ndarray
        The data, checked and cast.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    loss : Loss
        What the rows are measured by.

    Attributes
    ----------
    model, x, y, weight
        What was given.
    loss_function : Loss
        What was given as `loss`.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1, weight_initializer=lambda rng, shape: np.zeros(shape))])
    >>> found = blame(model, [[0.0], [1.0], [2.0]], [[0.0], [1.0], [-3.0]], MeanSquaredError())
    >>> found.losses
    array([0., 1., 9.], dtype=float32)
    >>> found.gradients  # of each row, with respect to weight and bias
    array([[ 0.,  0.],
           [-2., -2.],
           [12.,  6.]], dtype=float32)
    >>> found.rows("0.W", (0, 0))
    0.W[0, 0] is 0, its gradient 3.333: the step makes it smaller
    1 row pulls it up, together by 0.667: row 1 (0.667)
    1 row pulls it down, together by -4: row 2 (-4)
    """

    def __init__(self, model: Sequential, x: Array, y: AnyArray, weight: Array | None, loss: Loss) -> None:
        self.model = model
        self.x = x
        self.y = y
        self.weight = weight
        self.loss_function = loss

    def __len__(self) -> int:
        return int(self.x.shape[0])

    # What each row adds.

    @cached_property
    def losses(self) -> Array:
        """The loss of each row alone, an ndarray of shape (rows,). Their weighted mean is `loss`."""
        values = row_losses(self.loss_function, self.model._predict(self.x, 512), self.y)
        return np.asarray(values, self.model.params.dtype)

    @property
    def loss(self) -> float:
        """The loss of the batch."""
        shares = self._shares()
        counts = shares > 0  # of a row of weight 0 the loss may be no number
        return float(np.average(self.losses[counts], weights=shares[counts])) if counts.any() else 0.0

    @cached_property
    def gradients(self) -> Array:
        """The gradient of each row, an ndarray of shape (rows, size), laid out as ``params.values``.

        With weights it is multiplied by ``weight[i] / weight.mean()``. The mean over the rows is
        `gradient`. An ArgumentError says so if it would need more than 4 GiB; nothing else here
        needs it as a whole.
        """
        params = self.model.params
        needed = len(self) * params.size * params.dtype.itemsize
        if needed > LARGEST_RESULT:
            raise ArgumentError(
                "Blame.gradients",
                f"a result of at most {LARGEST_RESULT / 2**30:g} GiB",
                f"{len(self):,} x {params.size:,} numbers of {params.dtype}, {needed / 2**30:.1f} GiB",
                "Use rows(name, index) for one weight, and gradient, lengths and suspects for all of "
                "them: these never hold more than a block of rows. Or blame fewer rows.",
            )
        gradients = np.empty((len(self), params.size), params.dtype)
        for rows, block in self._blocks():
            gradients[rows] = block
        return gradients

    @property
    def gradient(self) -> Array:
        """The gradient of the batch, an ndarray of shape (size,), added up from those of the rows."""
        return self._totals[0]

    @property
    def lengths(self) -> Array:
        """The Euclidean norm of the gradient of each row, an ndarray of shape (rows,)."""
        return self._totals[1]

    def rows(self, name: str, index: int | tuple[int, ...] = ()) -> Pull:
        """Say which rows pull a weight up, and which down.

        Parameters
        ----------
        name : str
            The parameter, such as ``"0.W"``; `model.params` names them all.
        index : int or tuple of int
            The place in it, such as ``(0, 1)`` for what input 0 says to neuron 1.

        Returns
        -------
        Pull
            With ``up`` and ``down``, the row numbers, and ``terms``, what each row says.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If there is no such weight.
        """
        params = self.model.params
        if not isinstance(name, str) or name not in params:
            known = ", ".join(params) or "no parameters"
            raise ArgumentError("Blame.rows(name)", f"one of {known}", f"{name!r}", "Use one of these names.")
        shape = params[name].shape
        place = _check_place(name, index, shape)
        # Where the weight is in the flat buffer.
        flat = int(params.split(np.arange(params.size, dtype=np.float64))[name][place])
        terms = np.empty(len(self), params.dtype)
        for rows, block in self._blocks():
            terms[rows] = block[:, flat]
        return Pull(name, place, float(params[name][place]), terms)

    # Who looks mislabelled.

    def scores(self, by: str = "neighbours") -> Array:
        """Compute how suspicious each row is.

        Parameters
        ----------
        by : {"neighbours", "loss", "gradient"}
            What to go by; see `suspects`.

        Returns
        -------
        ndarray of shape (rows,)
            The higher, the more likely is the row mislabelled.

        Raises
        ------
        ArgumentError
            If there is no such way, or there are too few rows.
        """
        if by not in WAYS:
            fix = "Use one of these, or leave it out."
            raise ArgumentError("Blame.suspects(by=)", f"one of {', '.join(WAYS)}", f"{by!r}", fix)
        if by == "neighbours":
            return self._opinion.scores
        return self.losses if by == "loss" else self.lengths

    def suspects(self, count: int = 10, *, by: str = "neighbours") -> list[Suspect]:
        """Return the rows that are most likely mislabelled.

        Parameters
        ----------
        count : int
            How many at most: a row whose score is not above 0 is none.
        by : {"neighbours", "loss", "gradient"}
            What to go by. ``"neighbours"``: how far its label is from those of the ten rows that
            the net finds most alike. ``"loss"`` and ``"gradient"`` (its length): how hard the row is
            for the net, which tells little once a net has learned its rows by heart.

        Returns
        -------
        list of Suspect
            The most suspicious first; of equal ones the one with the higher loss.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If `count` is no number from 1, or there are too few rows.

        Notes
        -----
        A net that has been trained for long enough fits wrong labels too, and then neither the
        loss nor the gradient of such a row stands out. But what its layers say of the row is still
        close to what they say of rows that truly are like it. So all that comes into a layer
        with weights is taken, each layer's part scaled to the same spread, and the
        ten nearest rows are asked.

        For classes, the score is the share of them with the commonest other label, less the share
        with the row's own: from -1 to 1. For answers of yes and no it is the share of them that say
        otherwise. For numbers it is the distance to their median, in units of the
        distance of the middle row. With more than 20,000 rows, so many are asked.

        Examples
        --------
        Eleven rows near 0 and eleven near 1, one of which has the wrong label:

        >>> from nnlite import Dense, SoftmaxCrossEntropy
        >>> x = np.repeat([0.0, 1.0], 11)[:, None] + np.linspace(0, 0.1, 22)[:, None]
        >>> y = np.repeat([0, 1], 11)
        >>> y[3] = 1
        >>> model = Sequential([Dense(1, 2)], rng=0)
        >>> print(blame(model, x, y, SoftmaxCrossEntropy()).suspects(1)[0].row)
        3
        """
        count = check_integer("Blame.suspects(count)", count, low=1)
        scores = self.scores(by)
        opinion = self._opinion
        order = np.lexsort((-self.losses, -scores))[: min(count, int((scores > 0).sum()))]
        return [
            Suspect(
                row=int(row),
                score=float(scores[row]),
                target=opinion.targets[row].tolist(),
                expected=opinion.expected[row].tolist(),
                predicted=opinion.predicted[row].tolist(),
                loss=float(self.losses[row]),
            )
            for row in order
        ]

    # As text, plain data and a picture.

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of each row and of each parameter as plain data, for ``json.dumps``.

        Returns
        -------
        dict
            With ``loss``, ``gradient`` (by parameter), and one entry a row in ``losses``, ``lengths``
            and ``scores``. `scores` is None if there are too few rows for neighbours.
        """
        return {
            "rows": len(self),
            "loss": self.loss,
            "gradient": {n: part.tolist() for n, part in self.model.params.split(self.gradient).items()},
            "losses": self.losses.tolist(),
            "lengths": self.lengths.tolist(),
            "scores": self.scores().tolist() if self._enough() else None,
        }

    def _enough(self) -> bool:
        """Tell whether there are rows enough that count, to ask neighbours."""
        return (len(self) if self.weight is None else int((self.weight > 0).sum())) >= TOO_FEW

    def _head(self) -> list[str]:
        length = float(np.linalg.norm(self.gradient.astype(np.float64)))
        longest = np.argsort(-self.lengths, kind="stable")[:SHOWN]
        named = ", ".join(f"row {row} ({self.lengths[row]:.3g})" for row in longest)
        return [
            f"{len(self):,} rows and {self.model.params.size:,} weights, loss {self.loss:.4g}",
            f"The gradient of the batch, of length {length:.3g}, is the mean of the gradients of the rows.",
            f"The longest of these: {named}.",
        ]

    def __str__(self) -> str:
        lines = self._head()
        if self._enough():
            found = self.suspects(SHOWN)
            lines.append("Most likely mislabelled:" if found else NONE)
            lines += [f"  {suspect}" for suspect in found]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        head = "<br>".join(map(escape, self._head()))
        found = self.suspects(2 * SHOWN) if self._enough() else []
        if not found:
            return f"<p>{head}{f'<br>{NONE}' if self._enough() else ''}</p>"
        names = ("row", "said to be", "rows like it are", "net says", "loss", "score")
        body = ""
        for suspect in found:
            cells = (
                f"{suspect.row}",
                *(_short(value) for value in (suspect.target, suspect.expected, suspect.predicted)),
                f"{suspect.loss:.3g}",
                f"{suspect.score:.3g}",
            )
            body += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        titles = "".join(f"<th>{name}</th>" for name in names)
        return (
            f"<p>{head}</p><table><caption>most likely mislabelled</caption>"
            f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
        )

    def plot(self, ax: Axes | None = None, *, count: int = 10, by: str = "neighbours") -> Axes:
        """Draw the rows that are most likely mislabelled, with what they are said to be.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.
        count : int
            How many rows at most.
        by : {"neighbours", "loss", "gradient"}
            What to go by; see `suspects`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ArgumentTypeError, ArgumentError
            If an argument cannot be used.
        """
        from nnlite.plot.style import BLUE, VERMILION, name_axis, new_axes, open_frame

        ax = new_axes("Blame.plot", ax)
        found = self.suspects(count, by=by)
        names = [
            f"row {one.row}: {_short(one.target)}, those like it {_short(one.expected)}" for one in found
        ]
        scores = [one.score for one in found]
        doubtful = [_short(one.target) != _short(one.expected) for one in found]
        ax.barh(range(len(found)), scores, color=[VERMILION if doubt else BLUE for doubt in doubtful])
        ax.set_yticks(range(len(found)), names, fontsize=8)
        ax.invert_yaxis()
        words = {"neighbours": ("disagreement with the rows like it", "disagreement"), "loss": ("loss",)}
        name_axis(ax, "x", *words.get(by, ("length of the gradient", "gradient")))
        ax.set_title("Most likely mislabelled" if found else NONE, fontsize="medium")
        open_frame(ax)
        return ax

    # How it is computed.

    @cached_property
    def _opinion(self) -> Opinion:
        return ask_neighbours(self.model, self.x, self.y, self.weight, self.loss_function)

    def _shares(self) -> Array:
        """Return how often each row counts; 1 on average."""
        if self.weight is None:
            return np.ones(len(self), self.model.params.dtype)
        shares: Array = self.weight / float(self.weight.mean(dtype=np.float64))
        return shares

    @cached_property
    def _totals(self) -> tuple[Array, Array]:
        """The mean of the gradients and their lengths, from one pass over blocks of rows."""
        total = np.zeros(self.model.params.size)
        lengths = np.empty(len(self), self.model.params.dtype)
        for rows, block in self._blocks():
            total += block.sum(axis=0, dtype=np.float64)
            lengths[rows] = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
        return (total / len(self)).astype(self.model.params.dtype), lengths

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        """Give the gradients of all rows, as many at a time as fit into a block."""
        if "gradients" in vars(self):
            yield slice(None), self.gradients
            return
        params = self.model.params
        size = max(1, BLOCK // max(1, params.size * params.dtype.itemsize))
        shares = self._shares()
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            block = self.model.per_example_gradients(self.x[rows], self.y[rows], self.loss_function)
            if self.weight is not None:
                block *= shares[rows, None]
                np.copyto(block, 0, where=shares[rows, None] == 0)
            yield rows, block


def row_losses(loss: Loss, pred: Array, y: AnyArray) -> Array:
    """Compute the loss of each row alone.

    Parameters
    ----------
    loss : Loss
        Any.
    pred : ndarray of shape (rows, outputs)
        The predictions.
    y : ndarray
        The targets, as the loss takes them.

    Returns
    -------
    ndarray of shape (rows,)

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> row_losses(MeanSquaredError(), np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]]))
    array([1., 4.])
    """
    if takes_replicas(loss):
        # Rows in the place of replicas, each a batch of one.
        return np.asarray(loss.value_and_grad(pred[:, None], y[:, None])[0])
    # A loss of the user's own need not know replicas.
    pairs = zip(pred, y, strict=True)
    return np.array([loss.value_and_grad(one[None], own[None], None)[0] for one, own in pairs])


@explained
def blame(model: Sequential, X: Any, y: Any, loss: Loss, *, weight: Any = None) -> Blame:
    """Trace the loss back to the rows: what each adds to every gradient, and which look mislabelled.

    Parameters
    ----------
    model : Sequential
        One net, trained or not. It is copied, so it may be trained on.
    X : array-like of shape (rows, features)
        The input.
    y : array-like
        The targets, as the loss takes them.
    loss : Loss
        What is traced back.
    weight : array-like of shape (rows,), optional
        How much each row counts.

    Returns
    -------
    Blame
        With ``rows(name, index)``, who pulls a weight where; ``suspects(count)``, rows that are likely
        mislabelled; ``gradients``, ``gradient``, ``lengths``, ``losses``. All are computed when they are
        first asked for, as in prediction: without dropout, and by the running statistics of `BatchNorm`.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit, or no row counts.

    Notes
    -----
    Nothing but ``gradients`` needs memory for all rows times all weights: the others go over
    the rows in blocks.

    References
    ----------
    C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
    Labels", JAIR 70, 2021 (mislabelled rows).
    D. Bahri, H. Jiang and M. Gupta, "Deep k-NN for Noisy Labels", ICML 2020 (neighbours by what a
    layer of the net says).

    Examples
    --------
    >>> from nnlite import Adam, Dense, ReLU, SoftmaxCrossEntropy, Standardize, datasets
    >>> X, y = datasets.iris()
    >>> y[[10, 30]] = [2, 1]  # two wrong labels
    >>> model = Sequential([Standardize(4), Dense(4, 16), ReLU(), Dense(16, 3)], rng=0)
    >>> history = model.fit(X, y, loss=SoftmaxCrossEntropy(), optimizer=Adam(0.01), epochs=50)
    >>> found = blame(model, X, y, SoftmaxCrossEntropy())
    >>> sorted(suspect.row for suspect in found.suspects(2))
    [10, 30]
    """
    check_net("blame", model)
    model.boundary.check_loss(loss)
    x = model.boundary.check_input(X, where="blame(X)", finite=True)
    target, checked = model.boundary.check_targets(y, weight, loss, x)
    # What is computed later must not change with what the user writes to.
    own = copy.deepcopy(model)
    own.takes_encoded = True  # as `x` is
    return Blame(
        own,
        x.copy(),
        target.copy(),
        None if checked is None else checked.copy(),
        copy.deepcopy(loss),
    )


def _check_place(name: str, index: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    where = f"Blame.rows({name!r}, index)"
    places = tuple(index) if isinstance(index, tuple | list) else (index,)
    if len(places) != len(shape):
        fix = f"Write {tuple([0] * len(shape))}, for instance."
        raise ArgumentError(where, f"an index into {name} of shape {shape}", f"{index!r}", fix)
    found = []
    for place, size in zip(places, shape, strict=True):
        number = check_integer(where, place)
        if number >= size:
            raise ArgumentError(
                where, f"a number from 0 to {size - 1}", f"{number}", f"{name} has shape {shape}."
            )
        found.append(number)
    return tuple(found)


def _direction(gradient: float) -> str:
    if not gradient:
        return "the rows cancel out"
    return f"the step makes it {'larger' if gradient < 0 else 'smaller'}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(map(_short, value[:4]))
        return f"[{shown}, ...]" if len(value) > 4 else f"[{shown}]"
    return f"{value:.3g}" if isinstance(value, float) else f"{value}"
