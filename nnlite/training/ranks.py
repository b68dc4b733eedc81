"""The processes that train together; here a process that trains alone, which most do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from nnlite.core.optimizers import Optimizer
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.batch_loop import BatchLoop
from nnlite.training.full_batch_loop import FullBatchLoop
from nnlite.training.loop import Loop

__all__ = ["SingleProcess", "launched"]

T = TypeVar("T")

#: Where launchers tell a process of how many it is one, and which of them.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
#: The same by Slurm; but the processes of another launcher may have it too, of the step that started that.
_SLURM = "SLURM_STEP_NUM_TASKS"
NUMBERS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK")


class SingleProcess:
    """A process that trains on its own: nothing is to be agreed on.

    `nnlite.distributed` has the subclass for several. `fit` calls these methods in this order; `given` and
    `share` only where it was told of other processes, by `distributed`.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and how many there are.

    Examples
    --------
    >>> SingleProcess().from_first(lambda: 3)
    3
    """

    rank = 0
    size = 1

    #: Makes what goes around checks: it raises an error on all ranks if there is one on any of them. What is
    #: inside must not wait for other ranks.
    agreeing: Callable[[], AbstractContextManager[None]] = nullcontext
    #: Makes what goes around the training itself: it lets no rank wait for one that has failed.
    running: Callable[[], AbstractContextManager[None]] = nullcontext

    def given(self, *data: Any) -> tuple[Any, ...]:
        """Take data out of what says that they are only a part.

        Parameters
        ----------
        *data : object
            Inputs, targets and weights, or a tuple of them.

        Returns
        -------
        tuple
            The same, as `Sequential.fit` takes them.
        """
        return data

    def loop(self, optimizer: Optimizer | FullBatchOptimizer) -> type[Loop] | Callable[..., Loop]:
        """Return what makes the loop for an optimizer.

        Parameters
        ----------
        optimizer : Optimizer, LBFGS or LevenbergMarquardt
            How it steps.

        Returns
        -------
        callable
        """
        return FullBatchLoop if isinstance(optimizer, FullBatchOptimizer) else BatchLoop

    def share(self, loop: Any) -> None:
        """Leave a loop its part of the data.

        Parameters
        ----------
        loop : Loop
            Made by `loop`.
        """

    def start(self, loop: Any, training: dict[str, Any]) -> None:
        """Make sure that all train the same, and give all what the first one starts from.

        Parameters
        ----------
        loop : Loop
            About to run.
        training : dict
            What `describe` returned.
        """

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first rank has made, to all.

        Parameters
        ----------
        make : callable () -> object
            Called on the first rank.

        Returns
        -------
        object
        """
        return make()


def launched(environment: Mapping[str, str]) -> int | None:
    """Return how many processes a launcher has started, as far as its variables tell.

    Parameters
    ----------
    environment : mapping of str to str
        Such as ``os.environ``.

    Returns
    -------
    int or None
        1 if there is no launcher; None if there is one that does not say.

    Examples
    --------
    >>> launched({"PMI_SIZE": "4"}), launched({}), launched({"PMIX_RANK": "0"})
    (4, 1, None)
    >>> launched({"SLURM_STEP_NUM_TASKS": "4"}), launched({"SLURM_STEP_NUM_TASKS": "2", "PMI_SIZE": "8"})
    (4, 8)
    """
    found = [environment[name] for name in _SIZES if environment.get(name, "").isdigit()]
    if found:
        return max(map(int, found))
    if any(name in environment for name in NUMBERS):
        return None
    tasks = environment.get(_SLURM, "")
    return int(tasks) if tasks.isdigit() else 1
