"""The libraries: how to see that one is there, and how to install it."""

from __future__ import annotations

from contextlib import suppress
from ctypes.util import find_library
from importlib import metadata
from importlib.util import find_spec
from typing import NamedTuple


class Library(NamedTuple):
    """A library that takes part.

    Attributes
    ----------
    modules : tuple of str
        What must be there to import.
    packages : tuple of str
        What pip installs.
    also : tuple of str
        Other packages that bring the same modules.
    shared : str
        For what is no Python: the name of its shared library; the packages are then Debian's.
    """

    modules: tuple[str, ...]
    packages: tuple[str, ...]
    also: tuple[str, ...] = ()
    shared: str = ""

    @property
    def missing(self) -> bool:
        """True if one of its modules, or its shared library, is not installed."""
        if self.shared:
            return find_library(self.shared) is None
        return any(find_spec(module) is None for module in self.modules)

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"{'apt-get' if self.shared else 'python -m pip'} install {' '.join(self.packages)}"

    def versions(self) -> dict[str, str]:
        """Say which versions are installed, of those packages that are."""
        if self.shared:
            return {package: str(find_library(self.shared)) for package in self.packages}
        found = {}
        for package in (*self.packages, *self.also):
            with suppress(metadata.PackageNotFoundError):
                found[package] = metadata.version(package)
        return found


LIBRARIES: dict[str, Library] = {
    "nnlite": Library(("nnlite",), ("nnlite",)),
    "numpy": Library(("numpy",), ("numpy",)),
    "jax": Library(("jax",), ("jax",)),
    "torch": Library(("torch",), ("torch",)),
    "thinc": Library(("thinc",), ("thinc",)),
    "scikit-learn": Library(("sklearn",), ("scikit-learn",)),
    "keras": Library(("keras", "tensorflow"), ("keras", "tensorflow-cpu"), ("tensorflow",)),
    "onnxruntime": Library(("onnxruntime", "onnx"), ("onnxruntime", "onnx")),
    "fann": Library((), ("libfann2",), shared="floatfann"),
}
