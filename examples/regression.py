"""A noisy curve: fit it, compare it with the truth, and see where the net has no data to learn from."""

import numpy as np

import nnlite as nn

X, X_test, y, y_test = nn.train_test_split(*nn.datasets.sine(500, noise=0.1, rng=0), rng=0)

model = nn.Sequential([nn.Dense(1, 32), nn.Tanh(), nn.Dense(32, 32), nn.Tanh(), nn.Dense(32, 1)], rng=0)
rate = nn.CosineDecay(0.01)  # down to 0 over the training; small steps at the end average the noise out
model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(rate), epochs=100)

pred = model.predict(X_test)
print(f"test R^2: {nn.r2(pred, y_test):.3f}")
print(f"mean error: {nn.mean_absolute_error(pred, y_test):.3f}, with noise of 0.1 in the data\n")

print("    x   sin(x)     net")
for x in np.arange(-6.0, 6.1):
    known = "" if -np.pi <= x <= np.pi else "  <- no data here"
    print(f"{x:5.1f}  {np.sin(x):7.3f} {model.predict([[x]])[0, 0]:7.3f}{known}")
