"""Layers, compiled: what each does to a batch, and how blame comes back; a file a family, as in exchange."""
