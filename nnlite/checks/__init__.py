"""Checks at the edge of a model: its list of layers, what these hold, and what comes in from outside."""
