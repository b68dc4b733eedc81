"""Too small and it barely moves, too large and it overshoots: XOR at 24 learning rates, five seeds each."""

import numpy as np

import nnlite as nn

X, y = nn.datasets.xor()
y = y[:, None].astype(float)  # one output neuron, so one column of targets

model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)])
result = nn.sweep(model, X, y, learning_rate=np.geomspace(1e-4, 2, 24), seeds=5, epochs=200)
print(result)  # result.plot() draws it, if matplotlib is there

print("\nIn short:")
for label, first, last in result.zones():
    print(f"  {label:10} from {result.rates[first]:.2g} to {result.rates[last]:.2g}")

print("\nThe net trained with the best rate says")
for (x1, x2), target, output in zip(X, y[:, 0], result.best.predict(X)[:, 0], strict=True):
    print(f"  {x1:.0f} xor {x2:.0f} = {output:6.3f}   (truth: {target:.0f})")
