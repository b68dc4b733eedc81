"""Nets elsewhere: ONNX, PyTorch, Keras, NumPy and C; and what each layer is there.

`layers` has a description of each layer, `table` finds it, and all that writes or reads nets for
others goes by that. `nnlite.onnx`, `nnlite.interop` and `nnlite.export` are the doors.
"""
