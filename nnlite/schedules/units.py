"""What is counted in steps or in epochs, as the argument `unit` says."""

from __future__ import annotations

from nnlite.errors import ArgumentError
from nnlite.schedules.base import Schedule

__all__ = ["InUnits"]


class InUnits(Schedule):
    """A schedule that counts steps, or epochs until `settle` has made steps of them."""

    unit: str

    def _set_unit(self, unit: str) -> None:
        if unit not in {"steps", "epochs"}:
            where = f"{type(self).__name__}(unit=)"
            raise ArgumentError(where, "'steps' or 'epochs'", f"{unit!r}", "Write one of them.")
        self.unit = unit

    def _check_steps(self) -> None:
        if self.unit != "steps":
            raise self._unsettled("Write unit='steps'.")
