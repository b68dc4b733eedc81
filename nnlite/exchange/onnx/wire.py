"""How much a file of Protocol Buffers becomes when it is parsed, counted before it is.

An empty message takes two bytes in a file and a hundred and more in memory, so that a file of some
megabytes could fill gigabytes. Numbers take about as much in memory as in the file.
"""

from __future__ import annotations

__all__ = ["count_entries"]

#: Of each message the fields that hold other messages. What is not named here is one entry, whatever
#: its length: text, and the numbers of a tensor.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "any", 25: "any"},
    "graph": {1: "node", 5: "tensor", 11: "input", 12: "input", 13: "input", 14: "any", 15: "any"},
    "input": {2: "any"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 8: "integers", 10: "tensor", 11: "graph", 14: "any", 15: "any", 22: "any",
        23: "any",
    },
    "tensor": {5: "integers", 7: "integers"},
}  # fmt: skip
#: How many bytes count as an entry: an empty message takes two, and sixteen small integers as much memory.
_SMALLEST = {"any": 2, "integers": 16}

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def count_entries(content: bytes, *, limit: int) -> int:
    """Count the messages, texts and numbers that an ONNX file consists of.

    Parameters
    ----------
    content : bytes
        The file.
    limit : int
        Where to stop counting.

    Returns
    -------
    int
        More than `limit` if there are more; each tensor counts as a few.

    Raises
    ------
    ValueError
        If it does not consist of such entries.

    Examples
    --------
    >>> count_entries(bytes([0x08, 8, 0x3A, 4, 0x0A, 0, 0x0A, 0]), limit=100)  # version; graph of two nodes
    4
    """
    count = 0
    waiting = [("model", 0, len(content))]
    while waiting and count <= limit:
        kind, place, stop = waiting.pop()
        fields = _FIELDS[kind]
        while place < stop and count <= limit:
            count += 1
            tag, place = _varint(content, place)
            form = tag & 7
            if form == _VARINT:
                _, place = _varint(content, place)
                continue
            length = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(form)
            if form == _LENGTH:
                length, place = _varint(content, place)
            if length is None or length > stop - place:
                raise ValueError(f"no entry of Protocol Buffers at byte {place}")
            inner = fields.get(tag >> 3) if form == _LENGTH else None
            if inner in _FIELDS:
                waiting.append((inner, place, place + length))
            elif inner is not None:
                count += length // _SMALLEST[inner]
            place += length
    return count


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Read a number of variable length; return it and the place behind it."""
    number = shift = 0
    while shift < 70:
        if place >= len(content):
            raise ValueError("the file ends in the middle of an entry")
        byte = content[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
        shift += 7
    raise ValueError(f"no number of Protocol Buffers before byte {place}")
