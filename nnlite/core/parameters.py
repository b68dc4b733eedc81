"""All the numbers of a model in one flat array, and the gradients of those that it learns in another.

One flat buffer makes an optimizer a few lines of array arithmetic for the whole
model, and clipping, checkpoints or a sum over machines one line each. Layers see
named views: writing to the view writes to the buffer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import Array
from nnlite.errors.arguments import Explained
from nnlite.errors.checks import check_dtype, check_integer
from nnlite.errors.layers import check_frozen, check_known, check_names, refuse_new_array, too_large

__all__ = ["Parameter", "ParameterSpec", "Parameters", "State"]


def _zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Make an array at the start of a line of the cache: elsewhere, products take up to twice as long."""
    flat = np.zeros(math.prod(shape) + 64, dtype)
    start = -flat.ctypes.data % 64 // flat.itemsize
    return flat[start : start + math.prod(shape)].reshape(shape)


class ParameterSpec(NamedTuple):
    """One named array: how large it is, whether it is learned, and whether weight decay acts on it.

    Parameters
    ----------
    name : str
        Unique within one `Parameters`, such as ``"0.W"``.
    shape : tuple of int
        Its shape, without the replica axis.
    decay : bool
        True for weights, False for biases and gains.
    learned : bool
        False for what is kept and not learned, such as running statistics.

    Examples
    --------
    >>> ParameterSpec("0.W", (2, 8)).size
    16
    """

    name: str
    shape: tuple[int, ...]
    decay: bool = True
    learned: bool = True

    @property
    def size(self) -> int:
        """How many numbers it holds, in one replica."""
        return math.prod(self.shape)

    def view_shape(self, replicas: int | None) -> tuple[int, ...]:
        """Return the shape of its values, which with replicas have an axis for them.

        Parameters
        ----------
        replicas : int or None
            How many there are.

        Returns
        -------
        tuple of int

        Examples
        --------
        >>> ParameterSpec("0.b", (8,)).view_shape(None), ParameterSpec("0.b", (8,)).view_shape(3)
        ((8,), (3, 1, 8))
        """
        return self.shape if replicas is None else (replicas, *(1,) * (2 - len(self.shape)), *self.shape)


#: The flat arrays of `Parameters`, each always the same one.
_BUFFERS = frozenset(("numbers", "values", "state", "grads"))


class Parameters:
    """A flat buffer of all numbers, a flat buffer of gradients, and named views of both.

    Parameters that decay come first, then the others, then what is kept and not learned:
    ``[weights | biases, gains || state]``.

    Parameters
    ----------
    specs : sequence of ParameterSpec
        What is stored, in any order.
    dtype : dtype
        float32 or float64.
    replicas : int, optional
        With ``replicas=R`` every array has a leading axis of R: R independent nets
        that are trained by the same array operations.

    Attributes
    ----------
    values, grads : ndarray of shape (size,) or (replicas, size)
        What is learned, and the gradients. They are written in place and never replaced.
    state : ndarray of shape (kept,) or (replicas, kept)
        What training changes and does not learn, such as the running statistics of `BatchNorm`.
    numbers : ndarray of shape (size + kept,) or (replicas, size + kept)
        Both, `values` and then `state`, which are views of it: all that makes two nets of the same
        layers the same. To copy it is to keep a net, and to write it back to go back to that net.
    size : int
        How many parameters one net has.
    specs, state_specs : tuple of ParameterSpec
        What is learned, and what is kept.
    decayed : int
        The first `decayed` of them are weights, on which weight decay acts.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If two specs share a name, `dtype` or `replicas` cannot be used, or the memory is
        too small.

    Notes
    -----
    With replicas, the *value* view of a vector has a batch axis of one,
    ``(replicas, 1, features)``, so that ``y += b`` broadcasts over the batch as it
    does without replicas. The gradient view is ``(replicas, features)``, which is
    what ``np.sum(dy, axis=-2, out=...)`` fills.

    Examples
    --------
    >>> params = Parameters([ParameterSpec("b", (2,), decay=False), ParameterSpec("W", (3, 2))])
    >>> params.values.shape, params.decayed
    ((8,), 6)
    >>> params["W"][...] = 1.0
    >>> params.values
    array([1., 1., 1., 1., 1., 1., 0., 0.], dtype=float32)
    """

    numbers: Array
    values: Array
    state: Array
    grads: Array

    def __init__(
        self, specs: Iterable[ParameterSpec], *, dtype: Any = np.float32, replicas: int | None = None
    ) -> None:
        self.dtype = check_dtype("Parameters(dtype=)", dtype)
        self.replicas = None if replicas is None else check_integer("Parameters(replicas=)", replicas, low=1)
        # A stable sort: within each part the order is that of the layers.
        every = sorted(specs, key=lambda spec: not spec.decay)
        self.specs = tuple(spec for spec in every if spec.learned)
        self.state_specs = tuple(spec for spec in every if not spec.learned)
        check_names([spec.name for spec in every])
        self.size = sum(spec.size for spec in self.specs)
        self.decayed = sum(spec.size for spec in self.specs if spec.decay)
        self._frozen: frozenset[str] = frozenset()
        kept = sum(spec.size for spec in self.state_specs)
        self._make_views(self._allocate(self.size + kept), self._allocate(self.size))

    def _allocate(self, size: int) -> Array:
        shape = (size,) if self.replicas is None else (self.replicas, size)
        try:
            return _zeros(shape, self.dtype)
        except (MemoryError, ValueError, OverflowError):
            raise too_large(math.prod(shape), self.dtype) from None

    def __setattr__(self, name: str, value: Any) -> None:
        # `params.values -= a` sets the same array again, and nothing else may stand there.
        if name in _BUFFERS and value is not vars(self)[name]:
            refuse_new_array(f"params.{name}")
        super().__setattr__(name, value)

    def _make_views(self, numbers: Array, grads: Array) -> None:
        values = numbers[..., : self.size] if self.state_specs else numbers  # without state both are one
        state = numbers[..., self.size :]
        vars(self).update(numbers=numbers, values=values, state=state, grads=grads)
        views = self.split(values) | _split(state, self.state_specs)
        self._values = {
            spec.name: views[spec.name].reshape(spec.view_shape(self.replicas))
            for spec in (*self.specs, *self.state_specs)
        }
        self._grads = self.split(grads)
        self.trainable_slices = self._trainable_slices()

    def split(self, buffer: Array) -> dict[str, Array]:
        """Cut a buffer into named views.

        Parameters
        ----------
        buffer : ndarray of shape (..., size)
            A buffer laid out as `values` is, such as gradients, or the state of an optimizer.

        Returns
        -------
        dict of str to ndarray of shape (..., *shape)
            Views, in the order of the buffer.

        Examples
        --------
        >>> params = Parameters([ParameterSpec("W", (3, 2)), ParameterSpec("b", (2,), decay=False)])
        >>> {name: view.shape for name, view in params.split(np.zeros((5, 8))).items()}
        {'W': (5, 3, 2), 'b': (5, 2)}
        """
        return _split(buffer, self.specs)

    def __getitem__(self, name: str) -> Array:
        """Return the view of one parameter's values, or of an array that is kept."""
        return self._values[check_known("Parameters", name, self._values)]

    def __setitem__(self, name: str, array: Array) -> None:
        if array is not self[name]:
            refuse_new_array(f"params[{name!r}]")

    def grad(self, name: str) -> Array:
        """Return the view of one parameter's gradient.

        Parameters
        ----------
        name : str
            Such as ``"0.W"``.

        Returns
        -------
        ndarray of the parameter's shape, behind the replica axis if there is one

        Raises
        ------
        ArgumentError
            If there is no parameter of this name.
        """
        return self._grads[check_known("Parameters", name, self._grads)]

    def __contains__(self, name: object) -> bool:
        return name in self._grads

    def __iter__(self) -> Iterator[str]:
        return iter(self._grads)

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def frozen(self) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        return self._frozen

    @frozen.setter
    def frozen(self, names: Iterable[str]) -> None:
        self._frozen = check_frozen(names, self._grads)
        self.trainable_slices = self._trainable_slices()

    def _trainable_slices(self) -> tuple[slice, ...]:
        """Find the runs of neighbouring trainable values, as few and as long as can be."""
        runs, stop = [], 0
        for frozen, specs in groupby(self.specs, key=lambda spec: spec.name in self._frozen):
            start, stop = stop, stop + sum(spec.size for spec in specs)
            if not frozen and stop > start:
                runs.append(slice(start, stop))
        return tuple(runs)

    # Copying or pickling an array copies its numbers but not what it is a view of, so the
    # buffers travel alone and the views are made again.
    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_values", "_grads", "values", "state", "trainable_slices"}
        if not self.grads.any():
            left_out.add("grads")  # as many bytes as the values, which say nothing
        return {k: v for k, v in self.__dict__.items() if k not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # As earlier versions have pickled it, when nothing was kept and not learned, two names are others.
        now = {"_flat_values": "numbers", "_flat_grads": "grads"}
        state = {"state_specs": ()} | {now.get(name, name): value for name, value in state.items()}
        numbers, grads = state.pop("numbers"), state.pop("grads", 0)
        vars(self).update(state)
        self.dtype = np.dtype(self.dtype.type)  # NumPy's own again, which it handles faster than its copies
        self._make_views(self._allocate(numbers.shape[-1]), self._allocate(self.size))
        self.numbers[...], self.grads[...] = numbers, grads

    def __repr__(self) -> str:
        copies = "" if self.replicas is None else f", replicas={self.replicas}"
        return f"Parameters({self.size} in {len(self)} arrays, dtype={self.dtype.name}{copies})"


class Parameter(Explained):
    """A class attribute that says: instances have a parameter of this name.

    Reading it gives a view into the flat buffer, ``layer.W``. Assigning to it would
    cut the layer off from the buffer, so ``layer.W = a`` is refused (`Wired.__setattr__`); write
    ``layer.W[...] = a``.

    Examples
    --------
    >>> from nnlite import Layer
    >>> class Gain(Layer):
    ...     gain = Parameter()
    ...     def __init__(self, features):
    ...         self.features = features
    ...         self.declare("gain", (features,), decay=False)
    >>> Gain(3).gain
    array([0., 0., 0.], dtype=float32)
    """

    def __init__(self) -> None:
        """Take no arguments: the shape is given with `Layer.declare`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    # Asked only until the view stands in the layer's own __dict__, put there by `Wired._bind`.
    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else layer._materialize(self.name)


class State(Parameter):
    """A class attribute that says: instances keep an array of this name, and do not learn it.

    It is declared, read and written as a `Parameter` is, and belongs to the net as much as its weights do:
    it is saved with them, and early stopping and a way back from divergence bring both. But it has no
    gradient. It is for what ``forward`` measures in training, such as running means.

    Examples
    --------
    >>> from nnlite import Layer
    >>> class Count(Layer):
    ...     seen = State()
    ...     def __init__(self):
    ...         self.declare("seen", (1,))
    >>> Count().seen, Count().parameter_names
    (array([0.], dtype=float32), ())
    """


def _split(buffer: Array, specs: Sequence[ParameterSpec]) -> dict[str, Array]:
    """Cut a buffer into named views, as the specs follow each other in it."""
    stops = list(accumulate(spec.size for spec in specs))
    parts = zip(specs, np.split(buffer, stops, axis=-1), strict=False)  # there is an empty part at the end
    return {spec.name: part.reshape((*buffer.shape[:-1], *spec.shape)) for spec, part in parts}
