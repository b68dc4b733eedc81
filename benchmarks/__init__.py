"""What nnlite promises, measured."""
