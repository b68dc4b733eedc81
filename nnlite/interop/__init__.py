"""Weights to and from PyTorch and Keras, under the names and in the layout that they have there."""

from nnlite.exchange.weights import (
    from_keras_weights,
    from_torch_state_dict,
    to_keras_weights,
    to_torch_state_dict,
)

__all__ = ["from_keras_weights", "from_torch_state_dict", "to_keras_weights", "to_torch_state_dict"]
