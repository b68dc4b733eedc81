"""How much memory a process takes: now, and at most."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident() -> float:
    """Return the megabytes that the process holds now; where the system does not say, the most so far."""
    return _read("VmRSS")


def peak() -> float:
    """Return the most megabytes that the process has held since it began or since `forget_peak`."""
    return _read("VmHWM")


def forget_peak() -> None:
    """Begin anew to look for the peak, where the system can do that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _read(key: str) -> float:
    # Not getrusage where it can be helped: a child also counts what its parent held when it was made.
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
