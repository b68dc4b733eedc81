"""Write ``checkpoint_<format>.safetensors``, a checkpoint as the present version writes them.

    python tests/data/make_checkpoint.py

A file of a format that has been released must not be written anew: it shows that later versions can
go on from it. `test_checkpoint.py` does, by the same `train`.
"""

from pathlib import Path

import numpy as np
from nnlite.checkpoint import FORMAT

import nnlite as nn

DATA = Path(__file__).parent


class Stopped(nn.Checkpoint):
    """Write behind every batch, and end the training behind the second one of the third epoch."""

    def on_batch_end(self, state):
        super().on_batch_end(state)
        if (state.epoch, state.batch) == (3, 2):
            raise InterruptedError


def train(callbacks=(), **options):
    """Train three replicas, of which the second one ends early."""
    X = np.arange(20.0).reshape(10, 2) / 10
    model = nn.Sequential(
        [nn.Dense(2, 3), nn.Tanh(), nn.Dropout(0.2), nn.Dense(3, 1)], replicas=3, rng=[0, 1, 2]
    )
    history = model.fit(
        X,
        X[:, :1] - X[:, 1:] / 2,
        loss=nn.MeanSquaredError(),
        optimizer=nn.SGD([0.1, 0.0001, 0.05], momentum=0.9),
        epochs=5,
        batch_size=4,
        metrics=[nn.mean_absolute_error],
        callbacks=[nn.EarlyStopping(monitor="loss", patience=1, min_delta=0.01), *callbacks],
        **options,
    )
    return model, history


if __name__ == "__main__":
    path = DATA / f"checkpoint_{FORMAT}.safetensors"
    try:
        train([Stopped(path, unit="steps")])
    except InterruptedError:
        print(path)
