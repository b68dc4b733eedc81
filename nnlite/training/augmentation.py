"""What `fit(augment=)` was given, and what it makes of each training batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.model import Sequential
from nnlite.training.random_states import Generators

__all__ = ["Augmentation", "check_augment"]

WHERE = "fit(augment=)"


def check_augment(augment: Any) -> Callable[..., Any]:
    """Check that it can be called with a batch and a generator.

    Parameters
    ----------
    augment : object
        The candidate.

    Returns
    -------
    callable

    Raises
    ------
    ArgumentTypeError
        If it cannot.

    Examples
    --------
    >>> check_augment(lambda x, rng: -x)(3, None)
    -3
    """
    fix = "Write augment=nnlite.augment.Noise(0.1), or lambda x, rng: ... ."
    what = "a function (x, rng) that gives a batch like x"
    if isinstance(augment, list | tuple):
        fix = "Write augment=nnlite.augment.Compose([...])."
    if not callable(augment) or isinstance(augment, type):
        raise ArgumentTypeError(WHERE, what, f"{augment!r}", fix)
    import inspect  # 5 ms, which few trainings need

    try:
        inspect.signature(augment).bind(None, None)
    except TypeError:
        raise ArgumentTypeError(WHERE, what, f"one of {inspect.signature(augment)}", fix) from None
    except ValueError:  # a built-in function that does not tell
        pass
    return augment  # type: ignore[no-any-return]


class Augmentation:
    """A function of batches, whose answers are looked at.

    Parameters
    ----------
    function : callable (x, rng) -> x
        Gets a batch of shape (batch, ...) that it cannot change, and a generator.
    model : Sequential
        Whom the batches are for.

    Examples
    --------
    >>> from nnlite import Dense
    >>> double = Augmentation(lambda x, rng: 2 * x, Sequential([Dense(1, 1)]))
    >>> double(np.ones((2, 1), np.float32), np.random.default_rng(0))
    array([[2.],
           [2.]], dtype=float32)
    """

    def __init__(self, function: Callable[..., Any], model: Sequential) -> None:
        self.function, self.model = function, model

    def __call__(self, x: Any, rng: np.random.Generator | Generators) -> Array:
        """Return the batch that is trained on.

        Parameters
        ----------
        x : ndarray of shape (batch, ...) or (replicas, batch, ...)
            The batch.
        rng : Generator or Generators
            What training draws from. If each replica has a generator, each gets another batch.

        Returns
        -------
        ndarray

        Raises
        ------
        ArgumentTypeError, ArgumentError, ShapeError
            If the function gives no finite numbers of the shape of its batch, or the batch is sparse.
        """
        if not isinstance(x, np.ndarray):
            raise ArgumentTypeError(WHERE, "batches that are arrays", "sparse ones", "Write X.toarray().")
        own = self.model.boundary.row_axis(x) > 0
        if isinstance(rng, Generators):
            parts = x if own else [x] * len(rng.each)
            return np.stack([self._one(part, each) for part, each in zip(parts, rng.each, strict=True)])
        return np.stack([self._one(part, rng) for part in x]) if own else self._one(x, rng)

    def _one(self, x: Array, rng: np.random.Generator) -> Array:
        if not len(x):
            return x
        shown = x.view()  # of the rows of the user, where they are gone through in order
        shown.flags.writeable = False
        given = self.function(shown, rng)
        try:
            found = np.asarray(given)
        except ValueError:
            what, fix = f"an array of shape {x.shape}, as the batch has", "Leave rows and sizes as they are."
            raise ShapeError(WHERE, what, "rows of different lengths", fix) from None
        if found.dtype.kind not in "fiu":
            what, fix = f"an array of {x.dtype}", "Return the new batch."
            raise ArgumentTypeError(WHERE, what, f"one of {found.dtype}", fix)
        if found.shape != x.shape:
            what, fix = f"an array of shape {x.shape}, as the batch has", "Leave rows and sizes as they are."
            raise ShapeError(WHERE, what, f"{found.shape}", fix)
        with np.errstate(over="ignore"):
            found = np.ascontiguousarray(found, dtype=x.dtype)
        if not np.isfinite(found).all():
            row = int(np.argwhere(~np.isfinite(found))[0][0])
            fix = "Let it give numbers that the net can take."
            raise ArgumentError(WHERE, "finite numbers", f"others in row {row} of a batch", fix)
        return found
