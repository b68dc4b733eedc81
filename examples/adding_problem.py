"""The adding problem: two of 50 numbers are marked, and a recurrent net answers their sum at the end.

Half of them passes between the two, and whoever forgets the first answers 1, with an error of 1/6. Each kind
is trained from five seeds, all five at once.
"""

import numpy as np

import nnlite as nn

STEPS, UNITS, SEEDS = 50, 16, range(5)


def draw(rows, rng):
    """Draw sequences of numbers and marks, one mark in the first half and one in the second."""
    rng = np.random.default_rng(rng)
    x = np.zeros((rows, STEPS, 2), np.float32)
    x[:, :, 0] = rng.uniform(size=(rows, STEPS))
    row = np.arange(rows)
    first, second = rng.integers(0, STEPS // 2, rows), rng.integers(STEPS // 2, STEPS, rows)
    x[row, first, 1] = x[row, second, 1] = 1
    return x, (x[row, first, 0] + x[row, second, 0])[:, None]


X, y = draw(4000, rng=0)
X_test, y_test = draw(1000, rng=1)

print(f"mean squared error on {len(X_test)} new sequences of {STEPS} steps; the answer 1 has 0.167\n")
print("       epochs  of five seeds                          median")
for kind, epochs in ((nn.GRU, 3), (nn.LSTM, 6)):
    layers = [nn.Input((STEPS, 2)), kind(2, UNITS), nn.Dense(UNITS, 1)]
    nets = nn.Sequential(layers, replicas=len(SEEDS), rng=list(SEEDS))
    nets.fit(
        X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.02, clip_norm=1.0), epochs=epochs, batch_size=50
    )
    errors = np.mean((nets.predict(X_test) - y_test) ** 2, axis=(1, 2))
    numbers = "  ".join(f"{error:.4f}" for error in errors)
    print(f"{kind.__name__:6} {epochs:6}  {numbers} {np.median(errors):8.4f}")
