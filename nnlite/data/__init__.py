"""Data: what users have, made into rows."""

from nnlite.core.batches import WHOLE, Batches, Cut
from nnlite.data.batching import (
    Fresh,
    batches,
    check_reiterable,
    checked_batches,
    held_out_rows,
    is_reiterable,
    k_folds,
    one_hot,
    split_batch,
    train_test_split,
)
from nnlite.data.order import Order
from nnlite.data.series import pad_sequences, windows

__all__ = [
    "WHOLE",
    "Batches",
    "Cut",
    "Fresh",
    "Order",
    "batches",
    "check_reiterable",
    "checked_batches",
    "held_out_rows",
    "is_reiterable",
    "k_folds",
    "one_hot",
    "pad_sequences",
    "split_batch",
    "train_test_split",
    "windows",
]
