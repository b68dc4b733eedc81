"""History: what training wrote down, one row of plain numbers an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

from nnlite.errors import ArgumentError

__all__ = ["History"]


class History:
    """The record of one ``fit``.

    A name gives a column, ``history["loss"]``; a number gives a row, ``history[-1]``.

    Attributes
    ----------
    rows : list of dict
        One for each epoch, with ``epoch`` (from 1), ``loss``, the metrics, the same of the
        validation data under ``validation_...``, ``learning_rate`` (of its first step; None
        with L-BFGS) and ``seconds`` (the time that the epoch took).
    stop_reason : str
        Why training ended.
    interrupted : bool
        Whether Ctrl-C ended it.
    best_epoch : int or None
        The epoch whose weights the model has, if a callback put them back.

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
            raise ArgumentError(
                "History", f"one of {', '.join(self.columns)}", f"{key!r}", "Use a name from that list."
            )
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
        return f"History({len(self)} epochs: {last}{best})"
