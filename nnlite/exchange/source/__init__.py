"""Nets as source code of NumPy and C; `nnlite.export` is the door."""
