"""Modules that stood elsewhere once are found by their old names too."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from nnlite._moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_leads_to_the_module(old):
    if ".onnx." in old and not find_spec("onnx"):
        pytest.skip("needs onnx")
    module, there = import_module(old), import_module(MOVED[old])
    assert module is there
    assert there.__name__ == there.__spec__.name == MOVED[old]


def test_names_of_packages_lead_there_without_an_import():
    code = "import nnlite; print(nnlite.parameters.Parameters.__name__, nnlite.layers.dense.Dense.__name__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["Parameters", "Dense"]
