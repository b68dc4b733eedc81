"""What was found in an ONNX file, as the description of a layer gets it to make the layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ModelFileError
from nnlite.exchange.onnx.parsing import NOT_SUPPORTED, Parsed, cannot_bring_back
from nnlite.exchange.onnx.patterns import Value, shortest

__all__ = ["Found"]


class Found(dict[str, Any]):
    """A formula, and what stands in the places of the names in it: results, numbers and arrays.

    Parameters
    ----------
    value : Value
        What it gives.
    places : mapping of str to object
        What `nnlite.exchange.onnx.patterns.find` has found in it.
    shape : tuple of int or None
        Of a sample that comes in, if that is known.
    parsed : Parsed
        The whole file.
    """

    def __init__(
        self, value: Value, places: Mapping[str, Any], shape: tuple[int, ...] | None, parsed: Parsed
    ) -> None:
        super().__init__(places)
        self.value = value
        self.attributes = value.attributes
        self.shape = shape
        self.parsed = parsed

    def number(self, name: str, default: float) -> float:
        """Return an attribute, as it was written before it became float32.

        Parameters
        ----------
        name : str
            Which.
        default : float
            That of the operator.

        Returns
        -------
        float
        """
        return shortest(self.attributes.get(name, default))

    def features(self, constants: int) -> int:
        """Return how many features a sample has.

        Parameters
        ----------
        constants : int
            So many numbers go with them: one for each, or one for all.

        Returns
        -------
        int

        Raises
        ------
        ModelFileError
            If that is one number, and the file does not say.
        """
        if self.shape is not None:
            return self.shape[-1]
        if constants == 1:
            fix = "Give the input of the graph a fixed number of features."
            raise self.wrong("a known number of features", "an open one", fix)
        return constants

    def vector(self, array: AnyArray, features: int) -> AnyArray:
        """Return a constant as one number a feature.

        Parameters
        ----------
        array : ndarray
            The constant: one for each already, or one for all.
        features : int
            How many there are.

        Returns
        -------
        ndarray

        Raises
        ------
        ModelFileError
            If it is of another shape, or of no floats.
        """
        fits = array.size == 1 or (array.size == features and array.shape[-1] == features)
        if not fits or array.ndim > 2 or array.dtype.kind != "f":
            raise self.wrong(f"floats for {features} features, or one for all", array)
        return np.broadcast_to(array.reshape(-1), (features,))

    def finite(self, array: AnyArray, *, divisor: AnyArray | float = 1.0) -> AnyArray:
        """Return the numbers of a sum or a product, or refuse them.

        Parameters
        ----------
        array : ndarray
            The numbers.
        divisor : ndarray or float
            What is divided by.

        Returns
        -------
        ndarray

        Raises
        ------
        ModelFileError
            If one is not finite, or a divisor is 0.
        """
        if not (np.isfinite(array).all() and np.isfinite(divisor).all() and np.all(divisor)):
            got = f"{self.value.op} with numbers that are not, or a division by 0"
            raise self.wrong("finite numbers", got)
        return array

    def wrong(self, expected: str, got: str | AnyArray, fix: str = NOT_SUPPORTED) -> ModelFileError:
        """Return the error for constants or shapes that are of no use; it names the node.

        Parameters
        ----------
        expected, fix : str
            What the message says.
        got : str or ndarray
            What is there; of an array, type and shape are named.

        Returns
        -------
        ModelFileError
        """
        if isinstance(got, np.ndarray):
            got = f"{got.dtype} of shape {got.shape[:10]}"
        return ModelFileError(self.value.place, expected, got, fix)

    def refused(self, got: str) -> ModelFileError:
        """Return the error for a form of the operator that no layer has; it names the node.

        Parameters
        ----------
        got : str
            What is there.

        Returns
        -------
        ModelFileError
        """
        return cannot_bring_back(self.value.place, got)
