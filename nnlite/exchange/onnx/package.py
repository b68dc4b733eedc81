"""The package ``onnx``, imported when it is first needed."""

from __future__ import annotations

from types import ModuleType

__all__ = ["import_onnx"]


def import_onnx(where: str) -> ModuleType:
    """Import the package, or say how to get it.

    Parameters
    ----------
    where : str
        Names the function that needs it.

    Returns
    -------
    module
        ``onnx``, with its checker, helpers and definitions.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.defs
        import onnx.helper
        import onnx.numpy_helper
        import onnx.shape_inference
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{where}: expected onnx to be installed, got no such package. "
            'Run python -m pip install ".[onnx]" where nnlite is checked out.',
            name=error.name,
        ) from error
    return onnx
