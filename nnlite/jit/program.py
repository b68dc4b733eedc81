"""Programs: the operations by which a net is trained, or predicts, and the buffers between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.parameters import Parameters, _zeros
from nnlite.jit.blas import product_address
from nnlite.jit.kernel import Operand, addresses, each, part, word

__all__ = ["Backward", "Program", "SparseBatch", "Writer", "in_lines", "is_as_shipped"]

#: Writes the operations that trace the blame from dL/dy, in a buffer, to the gradients and, if that is
#: needed, to dL/dx, whose buffer it returns.
Backward = Callable[[Array, bool], Array]
#: Writes what a layer does: takes the layer, what the names of its parameters begin with, the buffer of its
#: input, and the program; returns the buffer of its output, and what writes the way back.
Writer = Callable[[Any, str, Any, "Program"], tuple[Array, Backward]]


def is_as_shipped(thing: Any, known: Container[type]) -> bool:
    """Tell whether a layer, a loss or an optimizer is one that we know, and computes what its class says.

    Parameters
    ----------
    thing : object
        Any.
    known : container of type
        Of the classes that there are kernels for; a subclass may compute something else.

    Returns
    -------
    bool
        False also if it has a method of its own, such as one that a user has put around ours.
    """
    kind = type(thing)
    return kind in known and not any(callable(getattr(kind, name, None)) for name in vars(thing))


def in_lines(buffer: AnyArray) -> AnyArray:
    """See each sample of a batch as one line of numbers: (nets, batch, numbers)."""
    return buffer.reshape(*buffer.shape[:2], math.prod(buffer.shape[2:]))


class SparseBatch(NamedTuple):
    """A batch of the rows of a CSR matrix, of which a program knows the numbers.

    Parameters
    ----------
    starts, columns, values : ndarray of shape (1, n)
        Where each row of the matrix begins, and the columns and values of its numbers.
    rows : ndarray of int64, (nets, batch)
        Buffer of the numbers of the rows.
    """

    starts: AnyArray
    columns: AnyArray
    values: AnyArray
    rows: AnyArray


class Program:
    """A list of operations under construction.

    All its arrays have an axis of nets in front, which has length 1 where there are no replicas, or where all
    share what is in it.

    Parameters
    ----------
    params : Parameters
        The numbers of the net.
    writers : mapping of type to callable
        What writes each layer.
    batch : int
        Rows that a buffer holds.
    steps : int
        How many there may be in a call.
    threads : int
        How many may go through it together, see `scratch`.
    training : bool
        Whether there will be a way back.

    Attributes
    ----------
    dtype : dtype
        That of the net.
    nets : int
        How many replicas there are, or 1.
    numbers, gradients : ndarray of shape (nets, ...)
        Those of the net, and their gradients, in flat arrays.
    operations : list of list of int
        What was written so far.
    row_weight : ndarray of shape (nets or 1, batch) or None
        Buffer for how much each row of the batch counts; None for all the same.
    keys : ndarray of int64, (nets, steps), or None
        A number of each step that noise is made of; None while nothing makes noise.
    product : Operand
        The BLAS's product of matrices of this dtype.
    ids : list of (layer, buffer)
        Buffers in which a layer finds ids, which are to be looked at.
    work : int
        Multiplications on the way forward, of a batch of one net, in the products that were written.
    joins : bool
        Whether some layers may be written as one.
    """

    joins = True

    def __init__(
        self,
        params: Parameters,
        writers: Mapping[type, Writer],
        batch: int,
        *,
        steps: int = 1,
        threads: int = 1,
        training: bool,
    ) -> None:
        self.params, self.batch, self.steps, self.training = params, batch, steps, training
        self.threads = threads
        self.work = 0
        self.dtype = params.dtype
        self.nets = params.replicas or 1
        self.operations: list[list[int]] = []
        self._kernels: list[Any] = []
        self._own: list[bool] = []
        self.row_weight: Array | None = None
        self.keys: AnyArray | None = None
        self.ids: list[tuple[Any, AnyArray]] = []
        self.product = word(product_address(self.dtype))
        self._writers = writers
        self._noisy = 0
        self._read: list[tuple[Any, str, Any]] = []
        self._had: list[tuple[dict[str, Any], int]] = []
        self._held: list[Any] = []  # an operation knows only where they are
        self.numbers = self.per_net(params.numbers)
        self.gradients = self.per_net(params.grads)
        specs = (*params.specs, *params.state_specs)
        starts = np.cumsum([0, *(spec.size for spec in specs)])
        self._places = {spec.name: (start, spec) for start, spec in zip(starts.tolist(), specs, strict=False)}

    def write(self, layer: Any, prefix: str, x: Any) -> tuple[Array, Backward]:
        """Write what a layer does with a buffer.

        Parameters
        ----------
        layer : Layer
            One that there is a writer for.
        prefix : str
            What the names of its parameters begin with.
        x : ndarray of shape (nets, batch, ...), or SparseBatch
            Its input; sparse if it is the first.

        Returns
        -------
        y : ndarray of shape (nets, batch, ...)
        backward : Backward
        """
        self._had.append((vars(layer), len(vars(layer))))
        return self._writers[type(layer)](layer, prefix, x, self)

    def read(self, layer: Any, name: str) -> Any:
        """Return an attribute that goes into the program, and note that it did: see `is_current`.

        Parameters
        ----------
        layer : Layer
            Whose it is.
        name : str
            Its name.

        Returns
        -------
        object
        """
        value = getattr(layer, name)
        self._read.append((layer, name, value))
        return value

    def is_current(self) -> bool:
        """Tell whether layers still are as they were when the program was written.

        One that has an attribute more may have a method of its own, see `is_as_shipped`.
        """
        for attributes, count in self._had:
            if len(attributes) != count:
                return False
        for layer, name, value in self._read:
            now = getattr(layer, name)
            arrays = isinstance(value, np.ndarray) or isinstance(now, np.ndarray)
            if now is not value and (arrays or now != value):
                return False
        return True

    def noise(self) -> tuple[AnyArray, int]:
        """Return the keys of the steps, and which of all that make noise the caller is."""
        if self.keys is None:
            self.keys = np.zeros((self.nets, self.steps), np.int64)
        self._noisy += 1
        return self.keys, self._noisy - 1

    def per_net(self, array: Array) -> Array:
        """See an array that is laid out as the parameters are with an axis of nets in front."""
        return array if self.params.replicas else array[None]

    def share(self, array: Array, some: slice) -> Operand:
        """Give a kernel of the update the thread's share of some numbers of what `per_net` returned."""
        return part(array[:, some])

    def of_nets(self, numbers: AnyArray) -> Operand:
        """Give a kernel of the update a number that all nets share, or that of each."""
        return each(numbers.reshape(-1, 1))

    def values(self, name: str) -> Array:
        """Return the values of a parameter, or of a state, of all nets: (nets, *shape)."""
        return self._view(self.numbers, name)

    def grads(self, name: str) -> Array:
        """Return the place for the gradient of a parameter: (nets, *shape)."""
        return self._view(self.gradients, name)

    def _view(self, array: Array, name: str) -> Array:
        start, spec = self._places[name]
        return array[:, start : start + spec.size].reshape(len(array), *spec.shape)

    def buffer(self, *sample: int, dtype: Any = None) -> Array:
        """Make room for a batch: (nets, batch, *sample)."""
        return _zeros((self.nets, self.batch, *sample), np.dtype(dtype or self.dtype))

    def like(self, buffer: Array) -> Array:
        """Make room for a batch like another one, of the dtype of the net."""
        return self.buffer(*buffer.shape[2:])

    def array(self, *shape: int, dtype: Any = None) -> Any:
        """Make an array for each net: (nets, *shape)."""
        return np.zeros((self.nets, *shape), dtype or self.dtype)

    def scratch(self, *shape: int) -> Array:
        """Make room for each thread to work in: (nets, threads, *shape); of several nets each has one."""
        return _zeros((self.nets, 1 if self.nets > 1 else self.threads, *shape), self.dtype)

    def add(self, kernel: Any, *operands: Operand) -> None:
        """Write an operation.

        Parameters
        ----------
        kernel : compiled function
            What it does.
        *operands : Operand
            What that is given.
        """
        self._kernels.append((kernel, tuple(operand.form for operand in operands)))
        self._held += [operand.value for operand in operands]
        self.operations.append([one for operand in operands for one in operand.words()])
        self._own.append(all(operand.own for operand in operands))

    def table(self) -> AnyArray:
        """Return the operations as the machine reads them.

        Threads meet behind each, but not between two of which each thread does its share by itself.
        """
        table = np.zeros((len(self.operations), 2 + max(map(len, self.operations))), np.int64)
        table[:, 0] = addresses(self._kernels)
        own = np.array(self._own)
        table[:-1, -1] = own[:-1] & own[1:]
        for row, operation in zip(table, self.operations, strict=True):
            row[1 : 1 + len(operation)] = operation
        return table
