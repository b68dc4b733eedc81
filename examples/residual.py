"""A way past the layers: 40 in one row hardly learn; where each block adds its input, they do."""

import numpy as np

import nnlite as nn

DEPTH, WIDTH = 40, 16
X, y = nn.datasets.spirals(600, rng=0)
X_test, y_test = nn.datasets.spirals(600, rng=1)
loss = nn.SoftmaxCrossEntropy()


class Blame(nn.Watcher):
    """Notes how much blame reaches each layer."""

    def __init__(self):
        self.sizes = {}

    def backward(self, place, layer, dy, ctx):
        """Note it, and let the layer do its work."""
        self.sizes[place] = np.abs(dy).mean()
        return super().backward(place, layer, dy, ctx)


def in_a_row():
    """Make a block's layers, which give as many numbers as they take."""
    return [nn.Tanh(), nn.Dense(WIDTH, WIDTH)]


def with_skips():
    """Add the input of the block to what they make of it."""
    return [nn.Residual(in_a_row())]


def with_skips_and_norm():
    """Bring each feature to one scale before that."""
    return [nn.Residual([nn.BatchNorm(WIDTH), *in_a_row()])]


print(f"{DEPTH} blocks of Tanh and Dense, on three spirals")
print("blame: how much of it reaches the first layer of the new net, beside the last\n")
print("                           blame   loss   test accuracy")
for block in (in_a_row, with_skips, with_skips_and_norm):
    blocks = [layer for _ in range(DEPTH) for layer in block()]
    model = nn.Sequential([nn.Dense(2, WIDTH), *blocks, nn.Dense(WIDTH, 3)], rng=0)

    blame = Blame()
    model.loss_and_grad(X, y, loss, ctx=model.context(watch=blame))
    reached = blame.sizes["0"] / blame.sizes[f"{len(model) - 1}"]

    history = model.fit(X, y, loss=loss, optimizer=nn.Adam(0.003), epochs=20, batch_size=64)
    accuracy = nn.accuracy(model.predict(X_test), y_test)
    name = block.__name__.replace("_", " ")
    print(f"{name:24} {reached:7.2f} {history['loss'][-1]:6.3f} {accuracy:14.1%}")
