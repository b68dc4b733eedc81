"""Three spiral arms around one centre: a small net bends its borders until they fit, and we look at them."""

import numpy as np

import nnlite as nn

X, X_test, y, y_test = nn.train_test_split(*nn.datasets.spirals(1000, rng=0), stratify=True, rng=0)

model = nn.Sequential([nn.Dense(2, 64), nn.Tanh(), nn.Dense(64, 64), nn.Tanh(), nn.Dense(64, 3)], rng=0)
history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=100)

accuracy = nn.accuracy(model.predict(X_test), y_test)
print(f"loss: {history['loss'][0]:.3f} in epoch 1, {history['loss'][-1]:.4f} in epoch {len(history)}")
print(f"test accuracy: {accuracy:.1%}\n")

print("What the net says at each point of the plane:")
for x2 in np.linspace(1, -1, 21):
    row = [(x1, x2) for x1 in np.linspace(-1, 1, 42)]
    print("".join(".o#"[arm] for arm in model.predict(row).argmax(axis=1)))
