"""What each layer does, in the few words that stand beside it in exported source."""

from __future__ import annotations

from nnlite.layers import (
    ELU,
    GELU,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Standardize,
    Step,
    Tanh,
)

__all__ = ["WORDS"]

#: For each layer of nnlite a part of a sentence.
WORDS: dict[type[Layer], str] = {
    Dense: "weighted sums of the inputs",
    Dropout: "does nothing outside of training",
    ELU: "negative sums sink to a smooth floor, positive ones pass",
    Embedding: "a learned row of numbers in the place of each id",
    Flatten: "each sample as one row",
    GELU: "each number times the chance that a normal random one is below it",
    LeakyReLU: "negative sums are made small, positive ones pass",
    LogSoftmax: "logarithms of probabilities",
    ReLU: "negative sums become 0, positive ones pass",
    SiLU: "each number times its own sigmoid",
    Sigmoid: "any number squashed into (0, 1)",
    Softmax: "probabilities that sum to 1",
    Softplus: "a ReLU with a smooth corner",
    Standardize: "each feature to mean 0 and standard deviation 1",
    Step: "1 where positive, else 0",
    Tanh: "any number squashed into (-1, 1)",
}
