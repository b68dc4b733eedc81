"""Keras on TensorFlow: a compiled step of one's own, and `train_on_batch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.epochs import Epochs
from benchmarks.job import Prediction, Training
from benchmarks.nets import BETA1, BETA2, EPSILON_BEFORE_CORRECTION, GRU, MOMENTUM, Conv, Net, Part, Weights


def limit_threads(threads: int) -> None:
    """Hold TensorFlow's pools to so many threads; only possible before the first operation."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def make_part(part: Part, activation: str) -> Any:
    """Build what stands in front of the dense layers."""
    if isinstance(part, Conv):
        # It has no padding by a number; of windows of an odd size "same" is half of that, on both sides.
        padding = "same" if part.padding else "valid"
        return keras.layers.Conv2D(part.outputs, part.size, padding=padding, activation=activation)
    return keras.layers.GRU(part.units) if isinstance(part, GRU) else keras.layers.MaxPooling2D(part.size)


def make_model(net: Net, weights: Weights) -> Any:
    """Build the net with given weights."""
    layers = [
        keras.Input(net.shape or net.sizes[:1]),
        *(make_part(part, net.activation) for part in net.front),
    ]
    if len(net.shape) == 3:
        layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(width, activation=net.activation) for width in net.sizes[1:-1]]
    model = keras.Sequential([*layers, keras.layers.Dense(net.sizes[-1])])
    set_weights(model, weights)
    return model


def set_weights(model: Any, weights: Weights) -> None:
    """Put given weights in."""
    arrays = []
    for layer in weights:
        biases = [array for array in layer if array.ndim == 1]
        arrays += [array for array in layer if array.ndim > 1]
        arrays.append(biases[0] if len(biases) == 1 else np.stack(biases))
    model.set_weights(arrays)


def make_optimizer(net: Net) -> Any:
    """Build the optimizer of the net."""
    if net.optimizer == "adam":
        return keras.optimizers.Adam(net.rate, BETA1, BETA2, EPSILON_BEFORE_CORRECTION)
    return keras.optimizers.SGD(net.rate, momentum=MOMENTUM if net.optimizer == "momentum" else 0.0)


class _Keras(Training):
    def __init__(self, case: str, threads: int) -> None:
        limit_threads(threads)
        super().__init__(case, threads)
        net = self.net
        self.model = make_model(net, self.weights)
        self.optimizer = make_optimizer(net)
        self.optimizer.build(self.model.trainable_variables)
        if net.loss == "mse":
            self.loss: Any = keras.losses.MeanSquaredError()
        else:
            self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def reset(self) -> None:
        set_weights(self.model, self.weights)
        for variable in self.optimizer.variables:
            if variable is not self.optimizer._learning_rate:
                variable.assign(keras.ops.zeros_like(variable))


class OnBatch(_Keras):
    """`train_on_batch`."""

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        super().__init__(case, threads)
        self.model.compile(self.optimizer, self.loss, jit_compile=jit)
        self.batches = [(tf.constant(x), tf.constant(y)) for x, y in self.batches]

    def step(self, x: Any, y: Any) -> Any:
        return self.model.train_on_batch(x, y)


class Step(_Keras):
    """A step of one's own, compiled as Keras's guide to training loops says."""

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        super().__init__(case, threads)
        self.batches = [(tf.constant(x), tf.constant(y)) for x, y in self.batches]
        model, loss, optimizer = self.model, self.loss, self.optimizer

        @tf.function(jit_compile=jit, reduce_retracing=True)
        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            gradients = tape.gradient(value, model.trainable_weights)
            optimizer.apply(gradients, model.trainable_weights)
            return value

        self.step = step

    def run(self, count: int) -> None:
        """Make so many steps, and wait for the last."""
        super().run(count)
        self.model.trainable_weights[0].numpy()


class Predict(Prediction):
    """The compiled forward pass."""

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        limit_threads(threads)
        super().__init__(case, threads)
        model = make_model(self.net, self.weights)
        self.x = tf.constant(self.X)

        @tf.function(jit_compile=jit)
        def predict(x: Any) -> Any:
            return model(x, training=False)

        self.compiled = predict

    def predict(self, x: Any) -> Any:
        return self.compiled(x).numpy()


class OnBatchPredict(Prediction):
    """`predict_on_batch`."""

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        limit_threads(threads)
        super().__init__(case, threads)
        self.model = make_model(self.net, self.weights)
        self.model.compile(jit_compile=jit)

    def predict(self, x: Any) -> Any:
        return self.model.predict_on_batch(x)


class FitEpochs(Epochs, _Keras):
    """`fit` with validation rows, for several epochs at a time: it makes a data set at the start of each."""

    multiple = 5

    def __init__(self, case: str, threads: int, *, jit: bool | str = "auto", steps: int = 1) -> None:
        super().__init__(case, threads)
        self.model.compile(self.optimizer, self.loss, jit_compile=jit, steps_per_execution=steps)
        self.compiled_scores = tf.function(lambda x: self.model(x, training=False))

    def reset(self) -> None:
        super().reset()
        keras.utils.set_random_seed(self.seed)

    def _fit(self, epochs: int, rows: int | None = None, **options: Any) -> Any:
        return self.model.fit(
            self.X[:rows],
            self.y[:rows],
            batch_size=self.net.batch,
            epochs=epochs,
            shuffle=rows is None,
            verbose=0,
            **options,
        )

    def train(self, epochs: int, *, rows: int | None = None) -> list[float]:
        data, size = (self.X_val, self.y_val), len(self.y_val)
        return self._fit(epochs, rows, validation_data=data, validation_batch_size=size).history["val_loss"]

    def until(self, enough: Callable[[], bool], epochs: int) -> None:
        def stop(epoch: int, logs: Any) -> None:  # noqa: ARG001 - what Keras calls it with
            self.model.stop_training = enough()

        self._fit(epochs, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)])

    def scores(self) -> Any:
        return self.compiled_scores(tf.constant(self.X_val)).numpy()
