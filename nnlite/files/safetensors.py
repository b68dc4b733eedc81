"""Files: written so that a reader sees the old one or the new one, read so that nothing in one is believed.

Models and checkpoints are safetensors files: eight bytes that say how long the header is, a header
in JSON that names the tensors, and their numbers. The format is described in docs/files.md.

The reader is nnlite's own, since a file may come from anybody. It reads into arrays that are there
already instead of mapping the file into memory, so that it needs the memory once, and a file that
shrinks while it is read is an error and not the end of the process. It checks every length before
it is used and takes no name twice. Tests compare it with the safetensors package.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.files.kinds import HEAD, recognize

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

__all__ = [
    "TensorEntry",
    "TensorFile",
    "check_path",
    "may_replace",
    "open_tensors",
    "parse_json",
    "real_path",
    "short",
    "write_atomically",
    "write_tensors",
]

# json and pathlib are imported where they are used: a tenth of the time that `import nnlite` takes.

#: The kinds of numbers in a safetensors file that NumPy has too; all are stored with the lowest byte first.
_DTYPES = {
    "BOOL": "?",
    "I8": "i1",
    "U8": "u1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "U64": "<u8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
#: The others that safetensors files can hold.
_NOT_IN_NUMPY = {
    "BF16",
    "C64",
    "F4",
    "F6_E2M3",
    "F6_E3M2",
    "F8_E4M3",
    "F8_E4M3FNUZ",
    "F8_E5M2",
    "F8_E5M2FNUZ",
    "F8_E8M0",
}
_CODES = {np.dtype(kind).newbyteorder("="): code for code, kind in _DTYPES.items()}

#: Longest header, in bytes, and the most entries of JSON in it. Together they keep what a header can
#: take, once it is parsed, below 50 MB; a net of a thousand layers needs a tenth of them.
MAX_HEADER = 4_000_000
MAX_ENTRIES = 200_000

#: NumPy has no arrays of more axes.
_MAX_AXES = 64

#: The entry of the metadata that tells a damaged file from a whole one.
_CHECKSUM = "crc32"
_BLOCK = 1 << 20
#: What reads our files, by the entry that they have.
_OURS = {"nnlite": "nnlite.load(path)", "nnlite_checkpoint": "fit(..., resume=path)"}


def check_path(where: str, path: Any) -> Path:
    """Return `path` as a `pathlib.Path`.

    Parameters
    ----------
    where : str
        Names the argument in the message, such as ``"load(path)"``.
    path : str or path-like
        The candidate.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no path, or holds a null character, which no system allows.

    Examples
    --------
    >>> check_path("load(path)", "net.safetensors").suffix
    '.safetensors'
    """
    from pathlib import Path

    try:
        found = Path(path)
    except TypeError:
        raise ArgumentTypeError(where, "a path", f"{path!r}", "Give a string or a pathlib.Path.") from None
    if "\0" in str(found):
        raise ArgumentError(where, "a path without null characters", f"{path!r}", "Leave them out.")
    return found


# Writing.


def write_atomically(path: Path, content: bytes | Sequence[bytes | memoryview], *, where: str) -> None:
    """Replace a file in one step, once the new one is complete on the disk.

    A reader sees the old file or the new one, at any moment and after any failure. A link stays
    a link: what it points to is replaced. The new file has the owner, the group and the rights of
    the old one; where this process may not give it to that group, the group has no rights.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    content : bytes, or sequence of bytes or memoryview
        What it shall hold.
    where : str
        Names the call in the message, such as ``"save(path)"``.

    Raises
    ------
    ArgumentError
        If there is something that is no file, such as a device.
    OSError
        If the system cannot write it, with what to do; the old file is left.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "words"
    ...     write_atomically(path, b"done", where="here")
    ...     path.read_bytes()
    b'done'
    """
    target = real_path(where, path)
    _refuse_devices(where, target, path)
    if target.is_dir():
        raise _explained(where, OSError(errno.EISDIR, os.strerror(errno.EISDIR)), target)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT,
            f"{where}: expected a folder that exists, got none. Make it first.",
            str(target.parent),
        )
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        try:
            with _new_file(temporary, target) as file:
                file.writelines([content] if isinstance(content, bytes) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:  # also Ctrl-C, from before the file is there
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _explained(where, error, target) from error
    _sync_folder(target.parent)


def real_path(where: str, path: Path) -> Path:
    """Return what a link points to, so that it stays one when that is replaced; else the path itself.

    Parameters
    ----------
    where : str
        Names the call in the message.
    path : pathlib.Path
        The path.

    Returns
    -------
    pathlib.Path
        An absolute path, at which there need not be a file.

    Raises
    ------
    ArgumentError
        If links lead around in a circle.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     real_path("here", pathlib.Path(folder) / "net").name
    'net'
    """
    from pathlib import Path

    target = Path(os.path.realpath(path))
    for one in (target, *target.parents):
        if one.is_symlink():  # which is left only where it leads nowhere else
            raise ArgumentError(
                where, "the path of a file", f"{path}, a link that leads back to itself", "Remove the link."
            )
    return target


def may_replace(path: Path) -> bool:
    """Tell whether this process may put another file in the place of one, as far as can be told.

    Parameters
    ----------
    path : pathlib.Path
        A path that is no link, in a folder that exists; there need not be a file.

    Returns
    -------
    bool
        In a sticky folder, such as ``/tmp``, nobody but their owner may replace files.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     may_replace(pathlib.Path(folder) / "net")
    True
    """
    if not os.access(path.parent, os.W_OK):
        return False
    folder = path.parent.stat()
    if not folder.st_mode & stat.S_ISVTX or not path.exists() or not hasattr(os, "geteuid"):
        return True
    return os.geteuid() in (0, folder.st_uid, path.stat().st_uid)


def _refuse_devices(where: str, target: Path, path: Path) -> None:
    """Refuse what is neither a file nor a folder; a folder the system refuses by itself."""
    if target.exists() and not (target.is_file() or target.is_dir()):
        # Replacing a device or a pipe would remove it, and reading one may never end.
        raise ArgumentError(
            where, "the path of a file", f"{path}, which is no file", "Add the name of a file."
        )


def _new_file(new: Path, old: Path) -> BinaryIO:
    """Make a file that belongs to whom an old one does, and that nobody else may read than that one."""
    try:
        before = old.stat()
    except OSError:
        return new.open("xb")  # with the rights that the umask leaves, as for any new file
    # Nobody else may open it before it is known who may.
    file = open(new, "xb", opener=lambda path, flags: os.open(path, flags, 0o600))  # noqa: SIM115
    try:
        rights = stat.S_IMODE(before.st_mode) & 0o777
        if os.name == "nt":  # which could neither rename nor remove it otherwise
            rights |= stat.S_IWUSR
        else:
            own = os.fstat(file.fileno())
            if own.st_gid != before.st_gid and not _give(file, gid=before.st_gid):
                # Other people are the group now, and those who were it are among all others.
                rights &= 0o700 | (rights >> 3 & 0o007)
            if own.st_uid != before.st_uid:
                _give(file, uid=before.st_uid)
        with suppress(OSError):
            new.chmod(rights)
    except BaseException:
        file.close()
        raise
    return file


def _give(file: BinaryIO, *, uid: int = -1, gid: int = -1) -> bool:
    """Change who or whose group a file belongs to; tell whether this process may."""
    try:
        os.fchown(file.fileno(), uid, gid)
    except OSError:
        return False
    return True


def _explained(where: str, error: OSError, target: Path) -> OSError:
    """Return the same kind of error with what was wanted and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        expected, fix = "room for the new file", "Make room, or write to another place"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        expected = "a folder that can be written to"
        fix = "Write to another folder, or ask for the right to"
        if os.name == "nt":  # which refuses for this reason too
            fix = "Write to another folder, ask for the right to, or close what has the old file open"
    elif error.errno == errno.EISDIR:
        expected, fix = "the path of a file", "Add the name of a file"
    else:
        expected, fix = "to write the file", "Look after the disk, or write to another place"
    got = (error.strerror or str(error)).lower()
    kept = "; the old file is as it was." if target.is_file() else "."
    return OSError(error.errno, f"{where}: expected {expected}, got '{got}'. {fix}{kept}", str(target))


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the system can; the file is whole either way."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_tensors(
    path: Path,
    document: Mapping[str, Any],
    tensors: Mapping[str, AnyArray],
    *,
    key: str,
    where: str,
    fix: str = "Use fewer layers, names or categories.",
) -> None:
    """Write arrays, and a JSON object about them, to one safetensors file with a checksum.

    Parameters
    ----------
    path : pathlib.Path
        The file, written by `write_atomically`.
    document : mapping
        What JSON can hold; numbers must be finite.
    tensors : mapping of str to ndarray
        The arrays, of numbers or truth values.
    key : str
        The entry of the metadata that holds the document.
    where : str
        Names the call in the message.
    fix : str
        What to do if the description is too long.

    Raises
    ------
    ArgumentError
        If JSON cannot hold the document, the header would be longer than `open_tensors` reads, or
        an array holds no numbers.
    OSError
        If the system cannot write it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "numbers"
    ...     write_tensors(path, {"unit": "m"}, {"x": np.arange(3.0)}, key="about", where="here")
    ...     with open_tensors(path, key="about", where="here", made_by="this example") as file:
    ...         file.document, file.read("x")
    ({'unit': 'm'}, array([0., 1., 2.]))
    """
    import json

    try:
        text = json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        other = "Use plain numbers, strings and lists."
        raise ArgumentError(where, "a description that JSON can hold", f"one with: {error}", other) from None
    header: dict[str, Any] = {"__metadata__": {key: text, _CHECKSUM: ""}}
    chunks: list[memoryview] = []
    checksum = zlib.crc32(text.encode())
    start = 0
    for name, array in tensors.items():
        if array.dtype.newbyteorder("=") not in _CODES:
            other = "Store numbers or truth values."
            raise ArgumentError(where, f"numbers in {short(name)}", f"dtype {array.dtype}", other)
        stored = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        stop = start + stored.nbytes
        header[name] = {
            "dtype": _CODES[array.dtype.newbyteorder("=")],
            "shape": list(array.shape),
            "data_offsets": [start, stop],
        }
        chunk = stored.reshape(-1).view(np.uint8).data
        checksum = zlib.crc32(chunk, checksum)
        chunks.append(chunk)
        start = stop
    header["__metadata__"][_CHECKSUM] = f"{checksum:08x}"
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)  # so that the numbers begin at a multiple of 8
    if len(head) > MAX_HEADER or max(_entries(head), _entries(text.encode())) > MAX_ENTRIES:
        raise ArgumentError(
            where,
            f"a description of at most {MAX_HEADER:,} bytes and {MAX_ENTRIES:,} entries",
            f"{len(head):,} bytes and {max(_entries(head), _entries(text.encode())):,} entries, "
            f"most of them in {short(_largest(document))}",
            fix,
        )
    write_atomically(path, [len(head).to_bytes(8, "little"), head, *chunks], where=where)


def _largest(document: Any) -> str:
    """Name the part of a document that takes most of its room."""
    import json

    name, found = "", document
    while isinstance(found, dict | list) and found:
        parts = found if isinstance(found, dict) else dict(enumerate(found))
        sizes = {key: len(json.dumps(part)) for key, part in parts.items()}
        key = max(sizes, key=sizes.__getitem__)
        if 2 * sizes[key] < sum(sizes.values()):
            break
        name, found = f"{name}.{key}" if name else f"{key}", parts[key]
    return name


def _entries(text: bytes) -> int:
    """Return no less than the number of values and keys in a text of JSON."""
    return sum(text.count(sign) for sign in (b"[", b"{", b",", b":"))


# Reading.


class TensorEntry(NamedTuple):
    """What the header of a file says about one tensor.

    Parameters
    ----------
    code : str
        The kind of its numbers, such as ``"F32"``.
    shape : tuple of int
        Its shape.
    start : int
        Where it begins in the file, in bytes.
    nbytes : int
        How long it is.

    Examples
    --------
    >>> TensorEntry("F32", (2, 3), 80, 24).dtype
    dtype('float32')
    """

    code: str
    shape: tuple[int, ...]
    start: int
    nbytes: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The same as a dtype of NumPy."""
        return np.dtype(_DTYPES[self.code]).newbyteorder("=")


class TensorFile:
    """An open safetensors file whose header, lengths and checksum have been found right.

    Made by `open_tensors`.

    Parameters
    ----------
    file : binary file
        The open file.
    where : str
        Names the call in messages.
    document : dict
        The JSON object in the metadata.
    entries : dict of str to TensorEntry
        What tensors there are. Their sizes are those of the file: none is larger than what is there.

    Examples
    --------
    See `write_tensors`.
    """

    def __init__(
        self, file: BufferedReader, where: str, document: dict[str, Any], entries: dict[str, TensorEntry]
    ) -> None:
        self._file = file
        self._where = where
        self.document = document
        self.entries = entries

    def read(self, name: str, *, out: AnyArray | None = None) -> AnyArray:
        """Read one tensor.

        Parameters
        ----------
        name : str
            Which one, of `entries`.
        out : ndarray, optional
            Where to, of its dtype and shape; a new array by default.

        Returns
        -------
        ndarray

        Raises
        ------
        ModelFileError
            If there is none of that name, `out` does not fit, or the file has become shorter.
        """
        if name not in self.entries:
            raise ModelFileError(self._where, f"a tensor {name!r}", "none of that name", _DAMAGED)
        entry = self.entries[name]
        array: AnyArray = np.empty(entry.shape, entry.dtype) if out is None else out
        if (array.dtype, array.shape) != (entry.dtype, entry.shape):
            raise ModelFileError(
                self._where,
                f"{name} as {array.dtype} of shape {array.shape}",
                f"{entry.code} of shape {entry.shape}",
                _DAMAGED,
            )
        self._file.seek(entry.start)
        self._fill(array)
        if sys.byteorder == "big":
            array.byteswap(inplace=True)
        return array

    def _fill(self, array: AnyArray) -> None:
        """Read into an array that may be a view of some columns of another."""
        if not array.flags.c_contiguous:
            for part in array:
                self._fill(part)
        elif array.size and self._file.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
            raise _no_tensors(self._where, "it became shorter while it was read")


_DAMAGED = "The file is damaged, or was made by something else."


def _no_tensors(where: str, reason: str) -> ModelFileError:
    return ModelFileError(where, "a safetensors file", f"another ({reason})", "Copy the whole file again.")


@contextmanager
def open_tensors(path: Path, *, key: str, where: str, made_by: str) -> Iterator[TensorFile]:
    """Open a safetensors file, and check all that can be checked without its meaning.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    key : str
        The entry of the metadata that holds a JSON object.
    where : str
        Names the call in the message.
    made_by : str
        What writes such files, for the message about a file of something else.

    Yields
    ------
    TensorFile

    Raises
    ------
    ModelFileError
        If it is no safetensors file, is not whole, or has no such entry. At that time no more
        memory has been taken than a header can need.
    OSError
        If it cannot be read.

    Examples
    --------
    See `write_tensors`.
    """
    _refuse_devices(where, path, path)
    with path.open("rb") as file:
        if known := recognize(file.read(HEAD)):
            raise ModelFileError(where, "a safetensors file", *known)
        file.seek(0)
        metadata, entries = _read_header(file, where)
        if key not in metadata:
            found = short(sorted(metadata.keys() - {_CHECKSUM})) if metadata else "no metadata"
            fix = f"Use a file that {made_by} wrote; weights of other programs come in by nnlite.interop."
            for other, reader in _OURS.items():
                fix = f"Write {reader}, which reads such a file." if other in metadata else fix
            raise ModelFileError(where, f"an entry {key!r} in the metadata", found, fix)
        _check_checksum(file, where, metadata[key], metadata.get(_CHECKSUM), _are_sorted(entries))
        document = _read_document(where, key, metadata)
        del metadata  # it can be the largest thing here
        yield TensorFile(file, where, document, entries)


def _read_header(file: BufferedReader, where: str) -> tuple[dict[str, str], dict[str, TensorEntry]]:
    """Read what the file says about itself, and compare it with the length that it has."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise _no_tensors(where, "it ends inside its header")
    if length > MAX_HEADER:
        raise _no_tensors(where, f"a header of {length:,} bytes, of which there can be {MAX_HEADER:,}")
    try:
        header = parse_json(file.read(length).decode())
        if not isinstance(header, dict):
            raise ValueError(f"a header that is a {type(header).__name__}")
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("metadata that are not all texts")
        _refuse_other_numbers(where, header)
        entries = {name: _entry(name, about, 8 + length) for name, about in header.items()}
        stop = 8 + length
        for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].nbytes)):
            if entry.start != stop:
                raise ValueError(f"{short(name)} does not begin where the one before it ends")
            stop += entry.nbytes
        if stop != size:
            raise ValueError(f"{size:,} bytes, where the header speaks of {stop:,}")
    except ModelFileError:
        raise
    except ValueError as error:
        raise _no_tensors(where, str(error)) from None
    return metadata, entries


def _refuse_other_numbers(where: str, header: dict[str, Any]) -> None:
    """Say so if a file is whole and holds kinds of numbers that NumPy has not."""
    for name, about in header.items():
        code = about.get("dtype") if isinstance(about, dict) else None
        if isinstance(code, str) and code in _NOT_IN_NUMPY:
            raise ModelFileError(
                where,
                "numbers of a kind that NumPy has",
                f"{short(name)} of the kind {code}",
                "Another program has written it. Make float32 of the numbers there, such as by tensor.float()"
                " in PyTorch, and take them by nnlite.interop.",
            )


def _entry(name: str, about: Any, base: int) -> TensorEntry:
    """Check what the header says about one tensor, with nothing but its own numbers."""
    if not isinstance(about, dict) or about.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{short(name)} without a dtype, a shape and offsets")
    code, shape, offsets = about["dtype"], about["shape"], about["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise ValueError(f"{short(name)} of the unknown kind {short(code)}")
    if not _are_sizes(shape) or len(shape) > _MAX_AXES or math.prod(filter(None, shape)) >= 2**60:
        raise ValueError(f"{short(name)} of the shape {short(shape)}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{short(name)} at {short(offsets)}")
    nbytes = math.prod(shape) * np.dtype(_DTYPES[code]).itemsize
    if nbytes != offsets[1] - offsets[0]:
        raise ValueError(f"{short(name)} of the shape {short(shape)} in {offsets[1] - offsets[0]:,} bytes")
    return TensorEntry(code, tuple(shape), base + offsets[0], nbytes)


def _are_sizes(candidate: Any) -> bool:
    """Tell whether it is a list of integers that NumPy can take for sizes."""
    return isinstance(candidate, list) and all(type(size) is int and 0 <= size < 2**60 for size in candidate)


def _are_sorted(entries: Mapping[str, TensorEntry]) -> bool:
    """Tell whether the tensors lie in the order of their names, as the safetensors package writes them."""
    by_place = sorted(entries, key=lambda name: entries[name].start)
    return len(entries) > 2 and by_place == sorted(by_place)


def _check_checksum(
    file: BufferedReader, where: str, text: str, expected: str | None, in_order: bool
) -> None:
    """Compare the document and the numbers with the checksum, which other writers may leave out."""
    if expected is None:
        return
    found = zlib.crc32(text.encode(errors="surrogatepass"))
    while block := file.read(_BLOCK):
        found = zlib.crc32(block, found)
    if expected != f"{found:08x}":
        raise ModelFileError(
            where,
            f"content with the checksum {short(expected)}",
            f"{found:08x}",
            "Another program has written the tensors in another order; use the file as it was before."
            if in_order
            else "Copy the whole file again.",
        )


def _read_document(where: str, key: str, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        document = parse_json(metadata[key])
    except ValueError as error:
        raise ModelFileError(where, f"JSON as {key!r}", f"another text ({error})", _DAMAGED) from None
    if not isinstance(document, dict):
        raise ModelFileError(where, f"a JSON object as {key!r}", f"a {type(document).__name__}", _DAMAGED)
    return document


def parse_json(text: str) -> Any:
    """Read JSON as its standard has it, within limits: no NaN, no infinity, no name twice.

    Parameters
    ----------
    text : str
        The candidate, of at most `MAX_ENTRIES` entries.

    Returns
    -------
    object
        Dicts, lists, texts, finite numbers, truth values and None.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> parse_json('{"sizes": [1, 2]}')
    {'sizes': [1, 2]}
    """
    import json

    if _entries(text.encode(errors="surrogatepass")) > MAX_ENTRIES:
        raise ValueError(f"more than {MAX_ENTRIES:,} entries")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except RecursionError:
        raise ValueError("too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{short(name)} twice")
        found[name] = value
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text}, which JSON has not")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{short(text)}, which no float can hold")
    return number


def short(value: Any, *, length: int = 80) -> str:
    """Show a value from a file, which may be of any size, in a message.

    Parameters
    ----------
    value : object
        A text is shown in quotes, like all other values.
    length : int
        The most characters.

    Returns
    -------
    str

    Examples
    --------
    >>> short(10**99, length=8)
    '1000000…'
    """
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
