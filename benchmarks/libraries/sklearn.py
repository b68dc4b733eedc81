"""scikit-learn: its multi-layer perceptrons, by `partial_fit` and by `fit`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.epochs import Epochs
from benchmarks.job import Prediction, Training, losses_by_sums
from benchmarks.nets import BETA1, BETA2, EPSILON_BEFORE_CORRECTION, MOMENTUM

warnings.simplefilter("ignore", ConvergenceWarning)  # it is told to stop after so many epochs


class Step(Training):
    """`partial_fit` with one batch."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        net = self.net
        # Its squared error is half of that of the others.
        self.factor = 2 if net.loss == "mse" else 1
        if net.loss == "mse":
            self.y = self.y.ravel()
            self.batches = [(x, y.ravel()) for x, y in self.batches]
        self.classes = {} if net.loss == "mse" else {"classes": np.arange(net.sizes[-1])}
        self.model = (MLPRegressor if net.loss == "mse" else MLPClassifier)(
            hidden_layer_sizes=net.sizes[1:-1],
            activation=net.activation,
            solver="adam" if net.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=net.batch,
            learning_rate_init=net.rate * self.factor,
            shuffle=False,
            momentum=MOMENTUM if net.optimizer == "momentum" else 0.0,
            nesterovs_momentum=False,
            beta_1=BETA1,
            beta_2=BETA2,
            epsilon=EPSILON_BEFORE_CORRECTION,
            tol=0.0,
            n_iter_no_change=10**9,
            random_state=0,
        )
        self.model.partial_fit(self.X, self.y, **self.classes)  # from here on there are weights to set

    def reset(self) -> None:
        for own, (W, _) in zip(self.model.coefs_, self.weights, strict=True):
            own[...] = W
        for own, (_, b) in zip(self.model.intercepts_, self.weights, strict=True):
            own[...] = b
        if hasattr(self.model, "_optimizer"):
            del self.model._optimizer

    def step(self, x: Any, y: Any) -> Any:
        return self.model.partial_fit(x, y).loss_ * self.factor


class Fit(Step):
    """`fit` for many epochs, shuffled: the checks before it count only once."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.multiple = 2 * self.net.batches

    def run(self, count: int) -> None:
        """Fit for as many epochs as have so many steps."""
        epochs = max(1, count // self.net.batches)
        self.model.set_params(max_iter=epochs, shuffle=True, warm_start=True)
        self.model.fit(self.X, self.y)

    def check(self) -> list[float]:
        """Go over 1, 2, 3 ... batches in one epoch."""
        self.model.set_params(max_iter=1, shuffle=False, warm_start=False)
        X, y = (np.concatenate([array] * 10)[: self.checked * self.net.batch] for array in (self.X, self.y))

        def mean_loss(number: int) -> float:
            self.reset()
            rows = number * self.net.batch
            self.model.partial_fit(X[:rows], y[:rows])
            return self.model.loss_ * self.factor

        return losses_by_sums(mean_loss, self.checked)


class Predict(Prediction):
    """`predict` of a regressor, which gives the outputs as they are."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        net = self.net
        self.model = MLPRegressor(hidden_layer_sizes=net.sizes[1:-1], activation=net.activation, max_iter=1)
        few = np.zeros((2, net.sizes[0]), np.float32), np.zeros((2, net.sizes[-1]), np.float32)
        self.model.partial_fit(*few)
        self.model.coefs_ = [W for W, _ in self.weights]
        self.model.intercepts_ = [b for _, b in self.weights]

    def predict(self, x: Any) -> Any:
        return self.model.predict(x)


class PartialFitEpochs(Epochs, Step):
    """`partial_fit` with all rows is an epoch."""

    def reset(self) -> None:
        super().reset()
        self.model.set_params(
            random_state=np.random.RandomState(self.seed)
        )  # a number would repeat the order

    def epoch(self, order: Any) -> None:
        self.model.set_params(shuffle=True)
        self.model.partial_fit(self.X, self.y)

    def train(self, epochs: int, *, rows: int | None = None) -> list[float]:
        if rows is None:
            return super().train(epochs)
        self.model.set_params(shuffle=False)
        losses = []
        for _ in range(epochs):
            self.model.partial_fit(self.X[:rows], self.y[:rows])
            losses.append(self.validate())
        return losses

    def scores(self) -> Any:
        return self.model.predict_proba(self.X_val)

    def validate(self) -> float:
        return float(log_loss(self.y_val, self.scores()))


class FitEpochs(PartialFitEpochs):
    """`fit` with early stopping that never comes, which looks at the accuracy on rows of its own choice."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        fraction = len(self.X_val) / (len(self.X) + len(self.X_val))
        self.X, self.y = np.concatenate([self.X, self.X_val]), np.concatenate([self.y, self.y_val])
        self.model.set_params(early_stopping=True, validation_fraction=fraction, shuffle=True)

    def check(self) -> list[float]:
        return []

    def train(self, epochs: int, *, rows: int | None = None) -> list[float]:
        self.model.set_params(max_iter=epochs)
        self.model.fit(self.X[:rows], self.y[:rows])
        return []
