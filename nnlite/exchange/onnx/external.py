"""Numbers that stand in other files than the net: those in its own folder are read, and no others."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from nnlite.errors import ModelFileError
from nnlite.files.safetensors import short

__all__ = ["Folder"]

#: As of a file of ONNX itself: what is larger is no net that is read here.
LARGEST = 2**31
OUTSIDE = (
    "Put it beside the model, or write the model into one file; torch.onnx.export(external_data=False) does."
)
DAMAGED = "The files do not belong together, or one is damaged."


class Folder:
    """The folder that a model file is in, and what may be read from the files beside it.

    Each byte of them is read once at most: a few bytes of a net can name the same numbers again and again.

    Parameters
    ----------
    model : Path
        The model file.

    Attributes
    ----------
    read_so_far : int
        How many bytes were read.

    Examples
    --------
    >>> Folder(Path("net.onnx")).read_so_far
    0
    """

    def __init__(self, model: Path) -> None:
        self._folder = model.parent
        self._sizes: dict[Path, int] = {}
        self.read_so_far = 0

    def read(self, place: str, entries: dict[str, str], size: int) -> bytes:
        """Read the numbers of one tensor.

        Parameters
        ----------
        place : str
            Names the tensor in messages.
        entries : dict of str to str
            What the net says of them: ``location``, ``offset`` and ``length``.
        size : int
            How many bytes they must be.

        Returns
        -------
        bytes

        Raises
        ------
        ModelFileError
            If the file is not there, lies outside of the folder, is none, or does not hold them.
        """
        path = self._find(place, entries.get("location", ""))
        start = self._whole(place, entries.get("offset", "0"))
        length = self._whole(place, entries["length"]) if "length" in entries else size
        if length != size:
            got = f"{length:,} bytes in {short(path.name)}"
            raise ModelFileError(place, f"{size:,} bytes, as its shape says", got, DAMAGED)
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelFileError(
                    place, "numbers in a file", f"{short(path.name)}, which is none", OUTSIDE
                )
            if start + size > status.st_size:
                got = f"{status.st_size:,} bytes in {short(path.name)}"
                raise ModelFileError(place, f"{start + size:,} bytes at least", got, DAMAGED)
            self._count(place, path, status.st_size, size)
            file.seek(start)
            content = file.read(size)
        if len(content) != size:
            raise ModelFileError(place, f"{size:,} bytes", f"{len(content):,}", DAMAGED)
        return content

    def _count(self, place: str, path: Path, held: int, size: int) -> None:
        self._sizes[path] = held
        self.read_so_far += size
        if self.read_so_far > min(sum(self._sizes.values()), LARGEST):
            expected = f"numbers that are read once, of at most {LARGEST:,} bytes"
            raise ModelFileError(place, expected, "more", DAMAGED)

    def _find(self, place: str, location: str) -> Path:
        """Return where a file really is, if that is in the folder."""
        names = PurePosixPath(location), PureWindowsPath(location)
        outside = any(name.is_absolute() or name.drive or name.root or ".." in name.parts for name in names)
        expected = "the name of a file in the model's own folder"
        if not location or "\0" in location or outside:
            raise ModelFileError(place, expected, f"{short(location)}, which is not opened", OUTSIDE)
        folder = self._folder.resolve()
        try:
            path = (folder / location).resolve(strict=True)
        except (OSError, RuntimeError):  # a link that leads to itself is the second
            raise ModelFileError(place, expected, f"{short(location)}, which is not there", OUTSIDE) from None
        if not path.is_relative_to(folder):
            got = f"{short(location)}, a link that leads out of it and is not opened"
            raise ModelFileError(place, expected, got, OUTSIDE)
        return path

    @staticmethod
    def _whole(place: str, text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > math.ceil(math.log10(2**63)):
            raise ModelFileError(place, "an offset and a length in bytes", short(text), DAMAGED)
        return int(text)
