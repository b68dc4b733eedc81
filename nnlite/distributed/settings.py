"""How the ranks share the work: what is given as ``fit(distributed=...)``."""

from __future__ import annotations

from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_bool, check_integer

__all__ = ["DataParallel"]


class DataParallel:
    """How the ranks of an MPI job share one training: settings for ``fit(distributed=...)``.

    ``distributed=True`` is the same as ``distributed=DataParallel()``.

    Parameters
    ----------
    accumulate : int
        In how many pieces each rank goes through its share of a batch, before the one all-reduce.
        The result is the same. A batch can then be as much larger in the same memory, and on a
        slow network there is less to send for each row. Layers that compare the rows of a batch, such
        as `BatchNorm`, are refused: each would see a piece only.
    overlap : bool
        Whether to add up the gradients of a layer while blame goes on to the layers before, and not
        all at the end. For slow networks: at 1 Gb/s it was a tenth faster, in shared memory a
        little slower.
    check_every : int
        After how many steps the ranks compare a checksum of their weights. They also do before each
        checkpoint.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    Rank 0 gives the others its weights, optimizer state and generators. Every rank computes the
    gradient of the loss for its share of the batch, weighted by its rows, and one all-reduce in
    place adds up the flat gradient buffers (synchronous stochastic gradient descent). All ranks
    then make the same step, so the weights are the same bits everywhere, and N ranks come to what
    one process comes to, up to rounding. Callbacks run on every rank, with the same numbers, except
    those that are `first_rank_only`.

    `BatchNorm` adds up over the ranks what it measures, so it has the statistics of the whole batch, as
    one process has: five small sums for each such layer in each step.

    Noise, such as that of `Dropout`, is drawn by each rank for its own rows; with another number of
    ranks it is other noise.

    While it trains, each rank uses as many BLAS threads as there are cores for it on its machine,
    unless ``OMP_NUM_THREADS`` or its like is set.

    References
    ----------
    J. Chen, X. Pan, R. Monga, S. Bengio and R. Jozefowicz, "Revisiting Distributed Synchronous
    SGD", arXiv:1604.00981, 2016.

    Examples
    --------
    >>> DataParallel(accumulate=4)
    DataParallel(accumulate=4, overlap=False, check_every=100)
    """

    def __init__(self, *, accumulate: int = 1, overlap: bool = False, check_every: int = 100) -> None:
        self.accumulate = check_integer("DataParallel(accumulate=)", accumulate, low=1)
        self.overlap = check_bool("DataParallel(overlap=)", overlap)
        if self.overlap and self.accumulate > 1:
            raise ArgumentError(
                "DataParallel(overlap=)",
                "False, for a batch in pieces",
                "True",
                "The gradients are complete with the last piece only: leave one of the two out.",
            )
        self.check_every = check_integer("DataParallel(check_every=)", check_every, low=1)

    def __repr__(self) -> str:
        return (
            f"DataParallel(accumulate={self.accumulate}, overlap={self.overlap}, "
            f"check_every={self.check_every})"
        )
