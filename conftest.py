"""Which modules pytest may import: not those that need a package which is not installed."""

from importlib.util import find_spec

NEEDED = {
    "nnlite/onnx": "onnx",
    "nnlite/plot": "matplotlib",
    "nnlite/sklearn": "sklearn",
    "tests/browser": "selenium",
    "tests/estimators": "sklearn",
    "tests/readable.py": "matplotlib",
}

collect_ignore = [folder for folder, package in NEEDED.items() if not find_spec(package)]
