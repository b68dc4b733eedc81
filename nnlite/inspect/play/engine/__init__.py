"""The engine of the playground, in JavaScript: the mathematics, order and random start of nnlite."""
