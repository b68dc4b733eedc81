"""Network namespaces as separate hosts: each with an address, a host name and shared memory of its own.

What goes from one to the other goes over a network of virtual cables, and over nothing else. It takes
the rights of root, and the commands `ip` and `unshare` of Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["hosts", "why_not"]

#: Stands in for ssh: leaves out its options, and runs the command in the namespace of the host.
LAUNCHER = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
exec ip netns exec "PREFIX${host##*.}" unshare --uts --ipc --mount sh -c "
    hostname host-${host##*.}
    mount -t tmpfs none /dev/shm
    $*"
"""


def why_not() -> str:
    """Say why there can be no such hosts here; empty if there can."""
    missing = [name for name in ("ip", "unshare", "hostname", "mount") if shutil.which(name) is None]
    if missing:
        return f"needs the commands {', '.join(missing)}"
    if os.geteuid():
        return "needs the rights of root"
    name = f"nn{os.getpid() % 10_000}try"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


@contextmanager
def hosts(count: int, folder: Path, *, rate: str = "") -> Iterator[list[str]]:
    """Make hosts; give the options of `mpiexec` that start one rank on each, in turn.

    Parameters
    ----------
    count : int
        How many hosts.
    folder : pathlib.Path
        Where the stand-in for ssh is written to.
    rate : str
        What each cable carries, in the words of `tc`, such as "1gbit"; as much as it can by default.
    """
    # Addresses of the block that is kept for measurements of networks (RFC 2544), which no real one uses.
    prefix, net = f"nn{os.getpid() % 10_000}h", f"198.18.{os.getpid() % 250}"
    bridge = f"{prefix}b"
    launcher = folder / "launch"
    launcher.write_text(LAUNCHER.replace("PREFIX", prefix))
    launcher.chmod(0o755)
    numbers = range(1, count + 1)
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{net}.254/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number in numbers:
            space, cable = f"{prefix}{number}", f"{prefix}v{number}"
            _ip("netns", "add", space)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", cable, "master", bridge, "up")
            _ip("-n", space, "addr", "add", f"{net}.{number}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", space, "link", "set", device, "up")
            if rate:
                limit = ["tbf", "rate", rate, "burst", "1mb", "latency", "50ms"]
                _run("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "eth0", "root", *limit)
        names = ",".join(f"{net}.{number}" for number in numbers)
        yield [
            "-launcher",
            "ssh",
            "-launcher-exec",
            str(launcher),
            "-iface",
            bridge,
            "-hosts",
            names,
            "-ppn",
            "1",
        ]
    finally:
        for number in numbers:
            with suppress(subprocess.CalledProcessError):
                _ip("link", "del", f"{prefix}v{number}")
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", f"{prefix}{number}")
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", bridge)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
