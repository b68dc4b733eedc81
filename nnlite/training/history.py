"""History: what training wrote down, one row of plain numbers an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, overload

from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_bool
from nnlite.errors.habits import answering, closest

__all__ = ["History"]


@answering
class History:
    """The record of one ``fit``.

    A name gives a column, ``history["loss"]``; a number gives a row, ``history[-1]``.

    Attributes
    ----------
    rows : list of dict
        One for each epoch, with ``epoch`` (from 1), ``loss``, the metrics, the same of the
        validation data under ``validation_...``, ``learning_rate`` (of its first step; a list
        where replicas differ in it; None with L-BFGS and Levenberg-Marquardt) and ``seconds``
        (the time that the epoch took).
    stop_reason : str
        Why training ended.
    interrupted : bool
        Whether Ctrl-C ended it.
    best_epoch : int or None
        The epoch whose weights the model has, if a callback put them back.
    replicas : list of dict
        With replicas, one for each: ``stop_reason``, ``best_epoch``, and ``diverged``, whether
        its loss stopped being finite. The numbers of a replica are None in the rows from the
        epoch in which its loss stopped being finite, or after the one at which it stopped early.
    higher_is_better : dict of str to bool
        For the columns of which it is known, whether more is better.
    engine : str
        What trained: ``"numpy"``; or with ``jit=True`` ``"jit"``, or what of it ran through NumPy and why.
    settings : dict of str to object
        What `fit` was called with, by the names of its arguments, as plain data; ``rows``, how many rows X
        has; and ``processes``. Of `validation` it has the part that was held out, or the number of rows; of
        loss, optimizer, callbacks and functions a text; None where batches say nothing of it. Empty of
        trainings before it was kept.

    Examples
    --------
    >>> history = History()
    >>> history.rows += [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    >>> history["loss"]
    [0.5, 0.25]
    >>> history[-1]
    {'epoch': 2, 'loss': 0.25}
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.stop_reason = ""
        self.interrupted = False
        self.best_epoch: int | None = None
        self.replicas: list[dict[str, Any]] = []
        self.higher_is_better: dict[str, bool] = {}
        self.engine = "numpy"
        self._settings: dict[str, Any] | Callable[[], dict[str, Any]] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """What `fit` was called with; written down when it is asked for first, or at the end."""
        if callable(self._settings):
            self._settings = self._settings()
        return self._settings

    @settings.setter
    def settings(self, value: dict[str, Any] | Callable[[], dict[str, Any]]) -> None:
        self._settings = value

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_settings": self.settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]  # what an older one lacks
        vars(self).update(state)

    @property
    def survivors(self) -> list[int]:
        """Indices of the replicas that did not diverge."""
        return [index for index, one in enumerate(self.replicas) if not one["diverged"]]

    def replica(self, index: int) -> History:
        """Return the history of one replica, as if it had been trained on its own.

        Parameters
        ----------
        index : int
            Which, from 0.

        Returns
        -------
        History
            Its rows end where its training ended.

        Raises
        ------
        ArgumentError
            If there is no such replica.

        Examples
        --------
        >>> history = History()
        >>> history.replicas = [{"stop_reason": "", "best_epoch": None, "diverged": False}] * 2
        >>> history.rows += [{"epoch": 1, "loss": [0.5, 0.7]}]
        >>> history.replica(1)["loss"]
        [0.7]
        """
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(self.replicas):
            raise ArgumentError(
                "History.replica(index)",
                f"a replica from 0 to {len(self.replicas) - 1}" if self.replicas else "a history of replicas",
                f"{index}" if self.replicas else "that of one net",
                "They count from 0." if self.replicas else "Use the history itself.",
            )
        one = History()
        kept = self.replicas[index]
        one.stop_reason, one.best_epoch = kept["stop_reason"] or self.stop_reason, kept["best_epoch"]
        one.interrupted, one.higher_is_better = self.interrupted, self.higher_is_better
        one.engine, one.settings = self.engine, self.settings
        for row in self.rows:
            own = {k: v[index] if isinstance(v, list) else v for k, v in row.items()}
            if own["loss"] is None:
                break
            one.rows.append(own)
        return one

    def direction(self, where: str, column: str, *, higher_is_better: bool | None = None) -> bool:
        """Tell whether more is better in a column, or ask for it.

        Parameters
        ----------
        where : str
            Names the call in the message.
        column : str
            Such as ``"validation_accuracy"``.
        higher_is_better : bool, optional
            What the user says, which counts.

        Returns
        -------
        bool

        Raises
        ------
        ArgumentTypeError
            If `higher_is_better` is neither True, False nor None.
        ArgumentError
            If nobody says.
        """
        if higher_is_better is not None:
            return check_bool(f"{where}(higher_is_better=)", higher_is_better)
        if column not in self.higher_is_better:
            raise ArgumentError(
                f"{where}(monitor=)",
                "a column of which it is known whether more is better",
                f"{column!r}",
                "Write higher_is_better=True if more is better, higher_is_better=False if less is.",
            )
        return self.higher_is_better[column]

    def best_replica(self, monitor: str, *, higher_is_better: bool) -> int:
        """Find the replica that ended with the best number.

        Parameters
        ----------
        monitor : str
            The column that decides.
        higher_is_better : bool
            What "best" means.

        Returns
        -------
        int
            Its index. Replicas that diverged do not compete, and one with NaN wins only if all have it.

        Raises
        ------
        ArgumentError
            If there is no such column, or nobody to choose from.
        """
        found: dict[int, float] = {}
        for index in self.survivors:
            one = self.replica(index)
            if len(one):
                found[index] = one[monitor][(one.best_epoch or len(one)) - 1]
        if not found:
            fix = "Train with smaller rates." if self.replicas else "Train a model with replicas."
            raise ArgumentError("History.best_replica", "replicas that trained to the end", "none", fix)
        # NaN, such as the R^2 of a single row, is worse than any number; as it compares it might win.
        sign = -1.0 if higher_is_better else 1.0
        return min(found, key=lambda index: (math.isnan(found[index]), sign * found[index]))

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.rows[0]) if self.rows else []

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    def __getitem__(self, key: str | int) -> Any:
        """Return a column for a name, a row for a number."""
        if not isinstance(key, str):
            return self.rows[key]
        if self.rows and key not in self.rows[0]:
            fix = (
                f"Did you mean {close!r}?"
                if (close := closest(key, self.columns))
                else "Use a name from that list."
            )
            raise ArgumentError("History", f"one of {', '.join(self.columns)}", f"{key!r}", fix)
        return [row[key] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which ``json.dumps`` takes.

        Returns
        -------
        dict
            With the attributes of the history as entries.

        Examples
        --------
        >>> History().to_dict()
        {'rows': [], 'stop_reason': '', 'interrupted': False, 'best_epoch': None}
        """
        return {
            "rows": [dict(row) for row in self.rows],
            "stop_reason": self.stop_reason,
            "interrupted": self.interrupted,
            "best_epoch": self.best_epoch,
            **({} if self.engine == "numpy" else {"engine": self.engine}),
            **({"replicas": [dict(one) for one in self.replicas]} if self.replicas else {}),
            **({"settings": dict(self.settings)} if self.settings else {}),
        }

    def to_json(self) -> str:
        """Return everything as JSON text.

        Returns
        -------
        str

        Examples
        --------
        >>> History().to_json()
        '{"rows": [], "stop_reason": "", "interrupted": false, "best_epoch": null}'
        """
        import json

        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        if not self.rows:
            return "History(0 epochs)"
        last = ", ".join(
            f"{name} {value:.4g}"
            for name, value in self.rows[-1].items()
            if isinstance(value, float) and name != "seconds"
        )
        best = "" if self.best_epoch is None else f"; weights of epoch {self.best_epoch}"
        best += "" if self.engine in ("numpy", "jit") else f"; {self.engine}"
        if not self.replicas:
            return f"History({len(self)} epochs: {last}{best})"
        lost = len(self.replicas) - len(self.survivors)
        diverged = f", {lost} diverged" if lost else ""
        return f"History({len(self)} epochs of {len(self.replicas)} replicas{diverged})"
