"""The run card: what was trained on what, how good it is beside simpler answers, and how sure that is."""

from nnlite.inspect.run_card.door import card
from nnlite.inspect.run_card.shown import Card

__all__ = ["Card", "card"]
