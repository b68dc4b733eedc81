"""The result of a sweep: a table, plain data, a picture, and the best net."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError
from nnlite.model import Sequential
from nnlite.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["StabilityLimit", "SweepResult"]

#: What every row has, and what shows in the table; anything else in a row is a metric.
_COMMON = (
    "learning_rate", "label", "loss", "progress", "rises", "climb", "diverged", "diverged_epochs",
    "of_limit", "seed_labels", "seed_losses",
)  # fmt: skip
#: A climb above this is shown as that.
_FAR_UP = 1000.0


class StabilityLimit(NamedTuple):
    """The largest rate at which gradient descent is stable, as far as curvature tells; see `sweep`.

    Parameters
    ----------
    formula : str
        What it is, such as ``"2/lambda_max"``; empty if it does not apply.
    reason : str
        Why it does not apply; empty if it does.
    start : float or None
        The limit at the start, of the middle seed.
    end : float or None
        The limit where the best run ended.
    sharpness_start : list of float
        lambda_max at the start, for each seed.
    sharpness_end : float or None
        lambda_max where the best run ended.

    Examples
    --------
    >>> StabilityLimit(formula="2/lambda_max", start=0.5, sharpness_start=[4.0]).start
    0.5
    """

    formula: str = ""
    reason: str = ""
    start: float | None = None
    end: float | None = None
    sharpness_start: Sequence[float] = ()
    sharpness_end: float | None = None


class SweepResult:
    """What became of each learning rate; `sweep` makes it.

    It prints as a table, shows as one in notebooks, and `plot` draws it.

    Parameters
    ----------
    rows : list of dict
        One for each rate, by rising rate.
    seeds : sequence of int
        The seeds of the runs at each rate.
    limit : StabilityLimit
        The theory's limit, or why there is none.
    best_replica : int or None
        The best run at the best rate; None if most runs diverged at every rate.
    curves : ndarray of shape (1 + epochs, rates, seeds)
        The loss at the start and of every epoch; NaN once a run is over.
    history : History
        That of all runs; replica ``rate * len(seeds) + seed`` is the one of that rate and seed.
    model : Sequential
        All trained nets as replicas, in the same order.

    Attributes
    ----------
    rows : list of dict
        ``learning_rate``, ``label``, and the evidence. These numbers are those of the middle
        seed: ``loss`` at the end, ``progress`` (the part of the way to the best rate's loss
        that it went), ``rises`` (the share of the epochs in which the loss rose), ``climb``
        (all its rises together, in such ways), and ``validation_loss``, if there is one.
        Metrics are medians over the seeds that stayed finite. ``diverged`` is the share of the
        seeds that did not, and ``diverged_epochs`` says when, for each seed. ``of_limit`` is
        the rate as a part of the limit at the start, None where that does not apply.
        ``seed_labels`` and ``seed_losses`` tell the seeds apart. What is not finite is None.
    seeds, limit, best_replica, curves, history, model
        What was given.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import Dense, sweep
    >>> X = np.array([[-1.0], [1.0]])
    >>> result = sweep(Sequential([Dense(1, 1)]), X, 3 * X, learning_rate=[0.0001, 0.3, 3.0])
    >>> result.labels
    ['crawls', 'learns', 'diverges']
    >>> result.best_rate
    0.3
    """

    def __init__(
        self,
        *,
        rows: list[dict[str, Any]],
        seeds: Sequence[int],
        limit: StabilityLimit,
        best_replica: int | None,
        curves: Array,
        history: History,
        model: Sequential,
    ) -> None:
        self.rows = rows
        self.seeds = tuple(seeds)
        self.limit = limit
        self.best_replica = best_replica
        self.curves = curves
        self.history = history
        self.model = model

    @property
    def rates(self) -> list[float]:
        """The learning rates, rising."""
        return [row["learning_rate"] for row in self.rows]

    @property
    def labels(self) -> list[str]:
        """The label of each rate."""
        return [row["label"] for row in self.rows]

    @property
    def best_index(self) -> int | None:
        """The index of the best rate."""
        return None if self.best_replica is None else self.best_replica // len(self.seeds)

    @property
    def best_rate(self) -> float | None:
        """Of the rates that learn, that of the lowest loss at the end; of validation, if there is one."""
        return None if self.best_index is None else self.rates[self.best_index]

    @property
    def best(self) -> Sequential:
        """A plain model: the best of the nets that were trained with the best rate."""
        if self.best_replica is None:
            raise ArgumentError(
                "SweepResult.best", "a rate at which most runs stay finite", "none", "Sweep smaller rates."
            )
        return self.model.replica(self.best_replica)

    def zones(self) -> list[tuple[str, int, int]]:
        """Return the stretches of neighbouring rates with one label.

        Returns
        -------
        list of (str, int, int)
            The label, and the indices of the first rate and of the last.

        Examples
        --------
        >>> import numpy as np
        >>> from nnlite import Dense, sweep
        >>> X = np.array([[-1.0], [1.0]])
        >>> rates = [0.0001, 0.1, 0.3, 3.0]
        >>> sweep(Sequential([Dense(1, 1)]), X, 3 * X, learning_rate=rates).zones()
        [('crawls', 0, 0), ('learns', 1, 2), ('diverges', 3, 3)]
        """
        stretches = [[*run] for _, run in groupby(range(len(self.rows)), key=self.labels.__getitem__)]
        return [(self.labels[stretch[0]], stretch[0], stretch[-1]) for stretch in stretches]

    def to_dict(self) -> dict[str, Any]:
        """Return the table, the seeds and the limit as plain data, which ``json.dumps`` takes.

        Returns
        -------
        dict
            With the entries ``rows``, ``seeds``, ``limit`` and ``best_rate``.
        """
        limit = self.limit._asdict() | {"sharpness_start": list(self.limit.sharpness_start)}
        return {
            "rows": copy.deepcopy(self.rows),
            "seeds": list(self.seeds),
            "limit": limit,
            "best_rate": self.best_rate,
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the loss at the end over the rate, on a ground that shows the labels.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. By default in a new figure, with a loss curve of each label below.

        Returns
        -------
        matplotlib.axes.Axes
            The one with the loss over the rate.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ArgumentTypeError
            If `ax` is no Axes.
        """
        from nnlite.plot.sweep import sweep

        return sweep(self, ax=ax)

    # As a table.

    def _table(self) -> tuple[list[str], list[list[str]]]:
        metrics = [name for name in self.rows[0] if name not in _COMMON]
        head = ["learning rate  ", "label", "loss", "progress", "rises", "climb", "diverged"]
        head += [] if self.limit.reason else ["of limit"]
        head += [name.replace("_", " ") for name in metrics]
        lines = []
        for index, row in enumerate(self.rows):
            epochs = sorted(epoch for epoch in row["diverged_epochs"] if epoch is not None)
            line = [
                f"{row['learning_rate']:.3g} {'*' if index == self.best_index else ' '}",
                row["label"],
                _short(row["loss"]),
                _percent(row["progress"]),
                _percent(row["rises"]),
                _ways(row["climb"]),
                f"{len(epochs)} of {len(self.seeds)}, epoch {epochs[len(epochs) // 2]}" if epochs else "-",
            ]
            line += [] if self.limit.reason else [_short(row["of_limit"])]
            lines.append(line + [_short(row[name]) for name in metrics])
        return head, lines

    def _foot(self) -> list[str]:
        count = len(self.seeds)
        lines = [f"middle of {count} seeds"] if count > 1 else ["one seed"]
        lines.insert(0, "progress: from knowing nothing (0%) to the lowest loss (100%); climb: in such ways")
        lines[-1] += "; * is the best rate" if self.best_rate else "; most runs diverged at every rate"
        limit = self.limit
        if limit.reason:
            lines.append(f"no limit from curvature: {limit.reason}")
        else:
            ends = ((limit.start, "at the start"), (limit.end, "where the best run ended"))
            shown = ", ".join(f"{value:.3g} {where}" for value, where in ends if value is not None)
            lines.append(f"limit from curvature, {limit.formula}: {shown}")
        hint = self._hint()
        return [*lines, hint] if hint else lines

    def _hint(self) -> str:
        """Say what the rates leave open."""
        if self.best_index is None:
            return "Sweep smaller rates."
        if set(self.labels) == {"crawls"}:
            return "No rate has learned: sweep larger rates, or train for more epochs."
        if self.best_index == len(self.rows) - 1:
            return "The best rate is the largest one: sweep larger rates too."
        if self.best_index == 0:
            return "The best rate is the smallest one: sweep smaller rates too."
        return ""

    def __str__(self) -> str:
        head, lines = self._table()
        widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]

        def padded(cells: Sequence[str]) -> str:
            pairs = list(zip(cells, widths, strict=True))
            return "  ".join(
                cell.ljust(width) if index == 1 else cell.rjust(width)
                for index, (cell, width) in enumerate(pairs)
            ).rstrip()

        rule = "-" * (sum(widths) + 2 * len(widths) - 2)
        return "\n".join([padded(head), rule, *map(padded, lines), rule, *self._foot()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        def row(cells: Sequence[str], tag: str) -> str:
            inner = "".join(f"<{tag} style='text-align:right'>{escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inner}</tr>"

        head, lines = self._table()
        foot = "<br>".join(map(escape, self._foot()))
        return (
            f"<table><caption style='caption-side:bottom'>{foot}</caption>"
            f"<thead>{row(head, 'th')}</thead>"
            f"<tbody>{''.join(row(line, 'td') for line in lines)}</tbody></table>"
        )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if value >= 0 else "<0%"


def _ways(value: float | None) -> str:
    if value is None or value > _FAR_UP:
        return f">{_FAR_UP:.0f}"
    return f"{value:.1f}"
