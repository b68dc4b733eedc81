"""A noisy sine: tell the next number from the last 25, and then go on for four periods without looking.

The last part of each series was never trained on. Printed are root mean squared errors, the median of five
series, or of as many as the argument says.
"""

import sys

import numpy as np

import nnlite as nn

STEPS, NOISE = 25, 0.15
SERIES = int(sys.argv[1]) if len(sys.argv) > 1 else 5
rmse = nn.root_mean_squared_error

next_one, persistence, closed_loop = [], [], []
for seed in range(SERIES):
    time = np.arange(1600)
    clean = np.sin(2 * np.pi * time / 25)
    series = clean + np.random.default_rng(seed).normal(0, NOISE, len(time))
    past, future = series[:1200], series[1200:]  # first cut, then make windows: no row knows the future
    X, y = nn.windows(past, STEPS)
    X_test, y_test = nn.windows(np.concatenate([past[-STEPS:], future]), STEPS)

    model = nn.Sequential([nn.Input((STEPS, 1)), nn.GRU(1, 16), nn.Dense(16, 1)], rng=seed)
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(nn.OneCycle(0.01)), epochs=30)

    next_one.append(rmse(model.predict(X_test), y_test))
    persistence.append(rmse(X_test[:, -1], y_test))
    told = nn.forecast(model, past, 100)  # from its own answers
    closed_loop.append(rmse(told[:, None], clean[1200:1300, None]))

print(f"the next number, noise included: {np.median(next_one):.3f}, where the noise alone is {NOISE}")
print(f"the same number again:           {np.median(persistence):.3f}")
print(f"100 numbers in a closed loop, against the sine: {np.median(closed_loop):.3f}")
