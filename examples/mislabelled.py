"""Which rows are mislabelled? 2 % of the labels of the digits are made wrong, and a trained net is asked."""

import numpy as np

import nnlite as nn
from nnlite.inspect import blame

SEEDS = 5
X, truth = nn.datasets.digits()
X /= 16  # pixels from 0 to 16 become numbers from 0 to 1
rows, top = len(X), round(0.05 * len(X))
loss = nn.SoftmaxCrossEntropy()
ways = {"neighbours": [], "loss": [], "gradient": []}

for seed in range(SEEDS):
    rng = np.random.default_rng(seed)
    wrong = rng.choice(rows, round(0.02 * rows), replace=False)
    y = truth.copy()
    y[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10

    model = nn.Sequential([nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 10)], rng=seed)
    model.fit(X, y, loss=loss, optimizer=nn.Adam(0.005), epochs=100)
    found = blame(model, X, y, loss)
    for way, shares in ways.items():
        suspects = [suspect.row for suspect in found.suspects(top, by=way)]
        shares.append(np.isin(wrong, suspects).mean())
    accuracy = nn.accuracy(model.predict(X), y)
    print(f"seed {seed}: {len(wrong)} labels made wrong; the net has learned {accuracy:.1%} of all labels")

print(f"\nOf the wrong labels, so many are among the {top} most suspicious rows (5 % of all):")
for way, shares in ways.items():
    print(f"  by {way:10}  median {np.median(shares):.1%}, worst {min(shares):.1%}")

print(f"\nThe first rows of seed {SEEDS - 1}, by neighbours:")
for suspect in found.suspects(3):
    print(f"\n{suspect}\nBefore, it was called {truth[suspect.row]}.")
    for line in X[suspect.row].reshape(8, 8):
        print("".join(" .:+#"[round(4 * float(ink))] * 2 for ink in line).rstrip())

weight = (20, 1)  # what pixel 20 says to the second hidden neuron
print(f"\nAnd who moves a weight:\n{found.rows('0.W', weight)}")
