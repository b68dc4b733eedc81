"""Compiled training and prediction: the same mathematics, in loops that numba compiles.

A net becomes a *program* (`program`): a list of operations, each a *kernel* (`kernel`) and where its arrays lie.
A small *machine* (`machine`), compiled once, goes through the list for a whole epoch. So a new net needs no
compiler, only another list. What each layer, loss and optimizer does is in files of their names.
"""
