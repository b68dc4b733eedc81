"""All the numbers that a model learns, in one flat array, and their gradients in another.

One flat buffer makes an optimizer a few lines of array arithmetic for the whole
model, and clipping, checkpoints or a sum over machines one line each. Layers see
named views: writing to the view writes to the buffer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.types import Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import Explained
from nnlite.errors.checks import check_dtype, check_integer

__all__ = ["Parameter", "ParameterSpec", "Parameters"]


class ParameterSpec(NamedTuple):
    """One named parameter: how large it is and whether weight decay acts on it.

    Parameters
    ----------
    name : str
        Unique within one `Parameters`, such as ``"0.W"``.
    shape : tuple of int
        Its shape, without the replica axis.
    decay : bool
        True for weights, False for biases and gains.

    Examples
    --------
    >>> ParameterSpec("0.W", (2, 8)).size
    16
    """

    name: str
    shape: tuple[int, ...]
    decay: bool = True

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
        if replicas is None:
            return self.shape
        return (replicas, *(1,) * (2 - len(self.shape)), *self.shape)


class Parameters:
    """A flat buffer of values, a flat buffer of gradients, and named views of both.

    Parameters that decay come first, then the others: ``[weights | biases, gains]``.

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
        The two buffers. They are written in place and never replaced.
    size : int
        How many parameters one net has.
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

    def __init__(
        self, specs: Iterable[ParameterSpec], *, dtype: Any = np.float32, replicas: int | None = None
    ) -> None:
        self.dtype = check_dtype("Parameters(dtype=)", dtype)
        self.replicas = None if replicas is None else check_integer("Parameters(replicas=)", replicas, low=1)
        # A stable sort: within each part the order is that of the layers.
        self.specs = tuple(sorted(specs, key=lambda spec: not spec.decay))
        names = [spec.name for spec in self.specs]
        if len(set(names)) < len(names):
            raise ArgumentError(
                "Parameters", "names that differ", f"{sorted(names)}", "Give every parameter its own name."
            )
        self.size = sum(spec.size for spec in self.specs)
        self.decayed = sum(spec.size for spec in self.specs if spec.decay)
        self._flat_values, self._flat_grads = self._allocate(), self._allocate()
        self._frozen: frozenset[str] = frozenset()
        self._make_views()

    def _allocate(self) -> Array:
        shape = (self.size,) if self.replicas is None else (self.replicas, self.size)
        try:
            return np.zeros(shape, self.dtype)
        except (MemoryError, ValueError, OverflowError):
            raise ArgumentError(
                "Parameters",
                "a size that fits into memory",
                f"{math.prod(shape):,} numbers of {self.dtype.name}",
                "Make the layers smaller.",
            ) from None

    @property
    def values(self) -> Array:
        """The buffer of values."""
        return self._flat_values

    @values.setter
    def values(self, array: Array) -> None:
        _refuse_new_array("params.values", array, self._flat_values)

    @property
    def grads(self) -> Array:
        """The buffer of gradients."""
        return self._flat_grads

    @grads.setter
    def grads(self, array: Array) -> None:
        _refuse_new_array("params.grads", array, self._flat_grads)

    def _make_views(self) -> None:
        views = self.split(self.values)
        self._values = {
            spec.name: views[spec.name].reshape(spec.view_shape(self.replicas)) for spec in self.specs
        }
        self._grads = self.split(self.grads)
        self.trainable_slices = self._trainable_slices()

    def split(self, buffer: Array) -> dict[str, Array]:
        """Cut a buffer into named views.

        Parameters
        ----------
        buffer : ndarray of shape (..., size)
            A buffer laid out as `values` is: gradients, one row an example, or the
            state of an optimizer.

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
        views = {}
        start = 0
        for spec in self.specs:
            stop = start + spec.size
            views[spec.name] = buffer[..., start:stop].reshape((*buffer.shape[:-1], *spec.shape))
            start = stop
        return views

    def __getitem__(self, name: str) -> Array:
        """Return the view of one parameter's values."""
        return self._values[self._known(name)]

    def __setitem__(self, name: str, array: Array) -> None:
        _refuse_new_array(f"params[{name!r}]", array, self[name])

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
        return self._grads[self._known(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self.specs)

    def _known(self, name: str) -> str:
        if name not in self._values:
            known = ", ".join(self._values) or "no parameters"
            raise ArgumentError("Parameters", f"one of {known}", f"{name!r}", "Use a name from that list.")
        return name

    @property
    def frozen(self) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        return self._frozen

    @frozen.setter
    def frozen(self, names: Iterable[str]) -> None:
        if isinstance(names, str) or not isinstance(names, Iterable):
            fix = "Write {'0.W'}, for instance."
            raise ArgumentTypeError("Parameters.frozen", "names of parameters", f"{names!r}", fix)
        self._frozen = frozenset(self._known(name) for name in names)
        self.trainable_slices = self._trainable_slices()

    def _trainable_slices(self) -> tuple[slice, ...]:
        """Find the runs of neighbouring trainable values, as few and as long as can be."""
        runs: list[slice] = []
        start = 0
        for spec in self.specs:
            stop = start + spec.size
            if spec.name not in self._frozen and spec.size:
                if runs and runs[-1].stop == start:
                    runs[-1] = slice(runs[-1].start, stop)
                else:
                    runs.append(slice(start, stop))
            start = stop
        return tuple(runs)

    # Copying or pickling an array copies its numbers but not what it is a view of, so the
    # buffers travel alone and the views are made again.
    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_values", "_grads", "trainable_slices"}
        if not self._flat_grads.any():
            left_out.add("_flat_grads")  # as many bytes as the values, which say nothing
        return {k: v for k, v in self.__dict__.items() if k not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.dtype = np.dtype(
            self.dtype.type
        )  # NumPy's own object again, which it handles faster than its copies
        if "_flat_grads" not in state:
            self._flat_grads = self._allocate()
        self._make_views()

    def __repr__(self) -> str:
        copies = "" if self.replicas is None else f", replicas={self.replicas}"
        return f"Parameters({self.size} in {len(self)} arrays, dtype={self.dtype.name}{copies})"


class Parameter(Explained):
    """A class attribute that says: instances have a parameter of this name.

    Reading it gives a view into the flat buffer, ``layer.W``. Assigning to it would
    cut the layer off from the buffer, so ``layer.W = a`` is refused; write
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

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        try:
            return layer._views[self.name]
        except KeyError:
            return layer._materialize(self.name)

    def __set__(self, layer: Any, value: Any) -> None:
        if value is not layer._views.get(self.name):  # `layer.W *= 2` sets the same view again
            raise ArgumentError(
                f"{layer}.{self.name}",
                "to be written in place",
                "a new array",
                f"Write layer.{self.name}[...] = a.",
            )


def _refuse_new_array(where: str, new: object, present: Array) -> None:
    """Let ``params.values -= a`` pass, which sets the same array again, and nothing else."""
    if new is not present:
        fix = f"Write {where}[...] = a."
        raise ArgumentError(where, "to be written in place", "a new array", fix)


def join_specs(parts: Sequence[tuple[str, Iterable[ParameterSpec]]]) -> list[ParameterSpec]:
    """Put the specs of several layers into one list, each name behind its prefix.

    Parameters
    ----------
    parts : sequence of (str, iterable of ParameterSpec)
        A prefix such as ``"0."`` and the specs that get it.

    Returns
    -------
    list of ParameterSpec

    Examples
    --------
    >>> [spec.name for spec in join_specs([("0.", [ParameterSpec("W", (2, 3))])])]
    ['0.W']
    """
    return [
        ParameterSpec(prefix + spec.name, spec.shape, spec.decay) for prefix, specs in parts for spec in specs
    ]
