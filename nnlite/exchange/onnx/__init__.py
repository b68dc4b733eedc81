"""ONNX files: graphs that are written, and formulas found in them; `nnlite.onnx` is the door."""
