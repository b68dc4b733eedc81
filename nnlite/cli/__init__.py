"""The command line: what `python -m nnlite` does."""
