"""Data-parallel training: several processes, on one machine or many, that train one net together.

The same script runs alone, as ``python train.py``, and on N processes ("ranks"), as ``mpiexec -n N
python train.py``. Each rank computes the gradient for its share of every batch; one all-reduce adds
them up, and all ranks make the same step. What carries the numbers is MPI, through mpi4py; both come
with the extra ``mpi``: ``python -m pip install ".[mpi]"`` where nnlite is checked out.
"""

from nnlite.distributed.parallel import DataParallel
from nnlite.distributed.shards import Shard, shard
from nnlite.distributed.world import rank, size

__all__ = ["DataParallel", "Shard", "rank", "shard", "size"]
