"""Two questions about one patient: a number and a class from one net with two heads, beside two nets.

The diabetes table of scikit-learn: how far the disease has come in a year, and in which third of all
patients that is.
"""

import numpy as np
from sklearn.datasets import load_diabetes

import nnlite as nn

SEEDS, TEST = 5, 147
X, progress = load_diabetes(return_X_y=True)
number = (progress - progress.mean()) / progress.std()
third = np.digitize(progress, np.quantile(progress, [1 / 3, 2 / 3]))

# Each seed has its own split and its own start; the nets of all of them are trained as one.
order = np.array([np.random.default_rng(seed).permutation(len(X)) for seed in range(SEEDS)])
test, train = order[:, :TEST], order[:, TEST:]

loss = nn.MultiTaskLoss(
    {
        "number": nn.Task(nn.MeanSquaredError(), outputs=0, targets=0),
        "third": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1),
    }
)


def predict(outputs, y, loss):
    """Train a net of each seed, and let it predict the rows that it has not seen."""
    layers = [nn.Standardize(10), nn.Dense(10, 16), nn.Tanh(), nn.Dense(16, outputs)]
    model = nn.Sequential(layers, replicas=SEEDS, rng=list(range(SEEDS)))
    model.fit(X[train], y[train], loss=loss, optimizer=nn.Adam(0.01), epochs=30)
    return model.predict(X[test])


def show(name, numbers, scores):
    """Print the medians over the seeds."""
    errors = nn.metrics.call_metric(nn.root_mean_squared_error, numbers, number[test][..., None], None)
    shares = nn.metrics.call_metric(nn.accuracy, scores, third[test], None)
    print(f"{name:12} {np.median(errors):18.3f} {np.median(shares):14.1%}")


print(f"medians of {SEEDS} seeds, {TEST} patients that the nets have not seen")
print("             error of number   right thirds")
one, other = predict(1, number[:, None], nn.MeanSquaredError()), predict(3, third, nn.SoftmaxCrossEntropy())
show("two nets", one, other)
both = predict(4, np.column_stack([number, third]), loss)
show("two heads", both[..., :1], both[..., 1:])
