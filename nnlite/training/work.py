"""How much a net computes, and on how many threads that is done fastest."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from nnlite._threads import allowed
from nnlite.core.layer import Layer
from nnlite.core.losses import Loss
from nnlite.errors.arguments import is_ours
from nnlite.layers.attention import PositionEmbedding, SelfAttention
from nnlite.layers.composition import TimeDistributed
from nnlite.layers.embedding import Embedding, TokenEmbedding
from nnlite.layers.windows import Sliding
from nnlite.losses import MultiTaskLoss
from nnlite.training.inside import inside

__all__ = [
    "BLOCK_SHARE",
    "SMALL",
    "STEP_SHARE",
    "Work",
    "blas_threads",
    "measure_work",
    "only_ours",
    "takes_replicas",
]

#: Multiplications in the largest product of a step of training from which each thread of the BLAS pays. On
#: two cores with nothing else to do, the three products and the activation of a Dense took with two threads
#: so much of their time with one: 1.1 to 1.2 with 2**21 multiplications, 0.8 to 1.05 with 2**23, 0.55 to 0.75
#: from 2**24 on. A whole step of 784-256-128-10 with 2**24.6 took 0.8 of it, of 784-512-512-10 with 2**26.6
#: 0.57. But with a busy core the first one took 4 to 20 times as long, since one thread of the BLAS
#: waits for the other, and the second one 2 to 4 times: that is too much to lose for a fifth.
STEP_SHARE = 2**25
#: The same for a block of rows in prediction. Blocks of less are spread over threads, which costs nothing
#: where a core is busy: 10,000 rows by 784-256-128-10 took 27 ms so, 28 to 33 with two threads of the BLAS,
#: and with a busy core 30 against 58; 2,000 rows by 784-512-512-10 there 1.8 to 2.7 times as long as with one
#: thread, by those of the BLAS. A single block of less is computed by one thread.
BLOCK_SHARE = 2**27
#: Of so few multiplications OpenBLAS makes one thread's work by itself, so nobody need tell it.
SMALL = 2**18
#: Work on blocks of rows that is worth a thread, in multiplications: about 0.4 ms.
SPREAD_SHARE = 2**24
#: What a number between two layers costs, in multiplications: with this, predictions by 20-64-64-1, 64-128-10
#: and 784-512-512-10 all come to 40 million a millisecond.
NUMBER = 16


class Work(NamedTuple):
    """What one row comes to, in one net.

    Parameters
    ----------
    largest : int
        Multiplications in the largest product.
    total : int
        All multiplications, and what else is done as if it were some.

    Examples
    --------
    >>> Work(largest=8, total=100).threads_for(10**6)
    5
    """

    largest: int
    total: int

    def threads_for(self, rows: int) -> int:
        """Return how many threads it is worth to spread blocks of so many rows over.

        Parameters
        ----------
        rows : int
            How many.

        Returns
        -------
        int
        """
        return max(1, rows * self.total // SPREAD_SHARE)


def measure_work(model: Any) -> Work:
    """Find out what a row comes to; of layers of a user's own only their matrices are known.

    Parameters
    ----------
    model : Sequential
        Whose layers.

    Returns
    -------
    Work

    Examples
    --------
    >>> from nnlite import Dense, ReLU, Sequential
    >>> measure_work(Sequential([Dense(4, 8), ReLU(), Dense(8, 2)]))
    Work(largest=32, total=336)
    """
    products = [0]
    numbers = blocks = 0
    times: dict[str, int] = {}  # how often the layers inside of one are asked for each row
    for place, layer, shape in inside(model, shape=model.input_shape):
        often = times.get(place.rpartition(".")[0], 1)
        times[place] = often * (shape[0] if isinstance(layer, TimeDistributed) and shape else 1)
        numbers += often * math.prod(shape or ())
        if isinstance(layer, Sliding):  # for each window, in products of a size that does not depend on rows
            weights = sum(layer._specs[name].size for name in layer._own() if name == "W")
            blocks += often * math.prod((shape or ())[:-1]) * weights
        elif not isinstance(layer, Embedding | TokenEmbedding | PositionEmbedding):  # these look rows up
            own = [layer._specs[name].shape for name in layer._own()]
            # Attention multiplies all steps at once; recurrent layers have the product of the state at each
            # step, and small products in a loop are slower on several threads.
            steps = shape[0] if isinstance(layer, SelfAttention) and shape else 1
            products += [often * steps * math.prod(one) for one in own if len(one) > 1]
    return Work(max(products), sum(products) + blocks + NUMBER * numbers)


def blas_threads(multiplications: int, share: int) -> int:
    """Return how many threads the BLAS shall use, if its largest product has so many multiplications.

    It depends on neither what else is done nor how long: other threads would make other bits.

    Parameters
    ----------
    multiplications : int
        Rows times columns times what is added up.
    share : int
        How many of them make a thread worth while, such as `STEP_SHARE`.

    Returns
    -------
    int

    Examples
    --------
    >>> blas_threads(32 * 64 * 128, STEP_SHARE)
    1
    """
    wanted = multiplications // share
    return 1 if wanted < 2 else min(wanted, allowed())


def only_ours(model: Any) -> bool:
    """Tell whether all layers are of nnlite, so that nothing is written by a pass forward.

    Parameters
    ----------
    model : Sequential
        Which may be of a class of a user's own.

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnlite import Dense, Sequential
    >>> only_ours(Sequential([Dense(2, 1)]))
    True
    """
    layers: list[Layer] = [layer for _, layer in model.walk()]
    return all(is_ours(type(layer)) and "forward" not in vars(layer) for layer in layers)


def takes_replicas(loss: Loss) -> bool:
    """Tell whether a loss, and all inside of it, is known to take predictions of several replicas.

    Parameters
    ----------
    loss : Loss
        Any.

    Returns
    -------
    bool
        False of one of the user's own, which may do so or not.

    Examples
    --------
    >>> from nnlite import SequenceLoss, SoftmaxCrossEntropy
    >>> takes_replicas(SequenceLoss(SoftmaxCrossEntropy(), 3))
    True
    """
    inside = [one for one in vars(loss).values() if isinstance(one, Loss)]
    if isinstance(loss, MultiTaskLoss):
        inside += [task.loss for task in loss.tasks.values()]
    return is_ours(type(loss).value_and_grad) and all(map(takes_replicas, inside))
