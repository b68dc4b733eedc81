"""One script for one process and for many: python train.py, or mpiexec -n 2 python train.py.

With --checkpoint FILE it can be stopped at any moment, and started again on as many processes or others.
"""

import argparse
from pathlib import Path

import nnlite as nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--checkpoint", type=Path, help="where training is kept, to go on from")
parser.add_argument("--epochs", type=int, default=20, help="how many in all")
chosen = parser.parse_args()

X, y = nn.datasets.digits()
X, X_test, y, y_test = nn.train_test_split(X / 16, y, stratify=True, rng=0)

model = nn.Sequential([nn.Dense(64, 128), nn.ReLU(), nn.Dense(128, 10)], rng=0)
history = model.fit(
    X,
    y,
    loss=nn.SoftmaxCrossEntropy(),
    optimizer=nn.Adam(0.003),
    epochs=chosen.epochs,
    batch_size=64,  # over all processes
    validation=0.2,
    metrics=[nn.accuracy],
    callbacks=[nn.Checkpoint(chosen.checkpoint)] if chosen.checkpoint else [],
    resume=chosen.checkpoint if chosen.checkpoint and chosen.checkpoint.exists() else None,
    distributed=True,
)

if nn.distributed.rank() == 0:  # every process has the same net; one of them is enough to say so
    print(f"processes: {nn.distributed.size()}")
    print(f"loss {history['loss'][-1]:.4f} after {len(history)} epochs")
    print(f"test accuracy: {nn.accuracy(model.predict(X_test), y_test):.1%}")
