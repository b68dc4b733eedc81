"""Layers, compiled: what each does to a batch, and how blame comes back, one file a family as in `exchange.layers`."""
