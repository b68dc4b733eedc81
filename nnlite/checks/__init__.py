"""Checks at the edge of a model: its layers and what they hold, what comes in, that it is one net."""
