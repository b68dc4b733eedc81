"""What a file is that is none of ours, by its first bytes, so that a message can name what reads it."""

from __future__ import annotations

__all__ = ["HEAD", "recognize"]

#: As many bytes from the beginning of a file tell what it is.
HEAD = 128

_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes", "keras"),
    (b"\x93NUMPY", "an array of NumPy", "Write np.load(path)."),
    (b"GGUF", "a GGUF file", "Convert it to ONNX, and write nnlite.onnx.load(path)."),
    (b"\x1f\x8b", "a gzip file", "Unpack it first."),
    (b"BZh", "a bzip2 file", "Unpack it first."),
    (b"7z\xbc\xaf", "a 7z file", "Unpack it first."),
    (b"PAR1", "a Parquet file", "Write pandas.read_parquet(path); that is a table, and no model."),
)
_FIX = {
    "keras": "Load it with Keras, and write nnlite.interop.from_keras_weights(model, net.get_weights()).",
    "torch": "Load it with torch.load, and write nnlite.interop.from_torch_state_dict(model, state).",
}


def recognize(head: bytes) -> tuple[str, str] | None:
    """Tell what a file is from its first bytes, if it is no safetensors file but something that is known.

    Parameters
    ----------
    head : bytes
        The first `HEAD` of them, or all if there are fewer.

    Returns
    -------
    tuple of str, or None
        What it is, and what reads it.

    Examples
    --------
    >>> recognize(b"PK" + bytes(126))[0]
    'a zip file'
    >>> recognize((64).to_bytes(8, "little") + b'{"0.W": ') is None
    True
    """
    if not head:
        return "an empty file", "Copy the whole file again."
    if head[8:9] == b"{":
        return None
    for magic, what, fix in _OTHERS:
        if head.startswith(magic):
            return what, _FIX.get(fix, fix)
    if head.startswith(b"PK"):
        return _zip(head)
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        fix = "Loading it can run code, so only its owner should: pickle.load(file), or joblib or torch.load."
        return "a pickle", fix
    # The version of ONNX, field 1 of the message, and behind it the name of a producer or a graph.
    if head[0] == 0x08 and head[1:2] and head[1] < 0x20 and head[2:3] in (b"\x12", b"\x3a", b"\x42", b"\x1a"):
        return "an ONNX file", "Write nnlite.onnx.load(path)."
    if all(sign in b"\t\r\n" or 0x20 <= sign < 0x7F for sign in head) and head[7:8] != b"\0":
        return "a text", "Give the file that was written, and not a text about it."
    return None


def _zip(head: bytes) -> tuple[str, str]:
    """Tell what a zip file is from the name of the first thing in it."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("ascii", "replace")
    if first.endswith(("data.pkl", ".format_version", "/version", "byteorder")):
        return "a file of PyTorch", _FIX["torch"]
    if first in ("metadata.json", "config.json", "model.weights.h5"):
        return "a file of Keras", _FIX["keras"]
    if first.endswith(".npy"):
        return "arrays of NumPy in an npz file", "Write np.load(path)."
    return "a zip file", "Unpack it first, and give the file that is meant."
