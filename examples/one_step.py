"""One training step of a 4-8-3 net with every number of it: as text, and as a page to click through.

python examples/one_step.py step.html      writes the page, for a browser; it needs no network
"""

import sys

import nnlite as nn

flowers = nn.datasets.iris()
X, y = flowers.X[::5], flowers.y[::5]  # one batch of 30 flowers, ten of each kind

model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 3)], rng=0)
model.feature_names = flowers.feature_names
loss, optimizer = nn.SoftmaxCrossEntropy(), nn.SGD(0.5)
trace = nn.inspect.explain_step(model, X, y, loss, optimizer, class_names=flowers.class_names)
print(trace)

path = sys.argv[1] if len(sys.argv) > 1 else None
page = trace.to_html(path, title="One step on iris flowers")
print(f"\nThe page has {len(page.encode()) / 1000:.0f} kB", end="")
print(f" and is in {path}." if path else "; name a file to have it written.")
