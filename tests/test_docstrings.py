"""Docstrings: every public object names its parameters and shows an example that runs."""

import importlib
import inspect
import pydoc
import re
from importlib.util import find_spec

import pytest

import nnlite

MODULES = [
    "training.calibration",
    "training.callbacks",
    "core.parameters",
    "training.random_states",
    "training.curvature",
    "data",
    "datasets",
    "distributed",
    "errors",
    "export",
    "training.history",
    "initializers",
    "inspect",
    "interop",
    "layers",
    "losses",
    "metrics",
    "model",
    "optimizers",
    "files.models",
    "schedules",
    "optimizers.second_order",
    "training.summary",
    "sweeps",
    "data.table",
    "testing",
]
MODULES += [
    name
    for name, package in {"onnx": "onnx", "plot": "matplotlib", "sklearn": "sklearn"}.items()
    if find_spec(package)
]


def public_objects():
    found = {f"nnlite.{name}": getattr(nnlite, name) for name in nnlite.__all__}
    for name in MODULES:
        module = importlib.import_module(f"nnlite.{name}")
        found |= {f"nnlite.{name}.{entry}": getattr(module, entry) for entry in module.__all__}
    kinds = (type, type(public_objects))
    unique = {id(thing): (name, thing) for name, thing in found.items() if isinstance(thing, kinds)}
    return sorted(unique.values(), key=lambda pair: pair[0])


def public_methods():
    for name, thing in public_objects():
        if isinstance(thing, type):
            bases = [base for base in thing.__mro__[1:] if base is not object]
            for entry, method in vars(thing).items():
                overrides = any(hasattr(base, entry) for base in bases)
                if callable(method) and not entry.startswith("_") and not overrides:
                    yield f"{name}.{entry}", method


def documented(doc, section):
    """Return the names in a section of a numpydoc docstring."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?:\n\n[A-Z]\w+\n-+\n|\Z)", doc, flags=re.MULTILINE | re.DOTALL)
    if not found:
        return []
    heads = re.findall(r"^(\S.*?)(?: : |$)", found[1], flags=re.MULTILINE)
    return [name.lstrip("*") for head in heads for name in head.split(", ")]


def arguments(thing):
    signature = inspect.signature(thing.__init__ if isinstance(thing, type) else thing)
    names = [name for name, _ in signature.parameters.items() if name not in {"self", "args", "kwargs"}]
    return [name for name in names if not name.startswith("_")]


def is_error(thing):
    return isinstance(thing, type) and issubclass(thing, Exception)


@pytest.mark.parametrize(
    ("name", "thing"), public_objects(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_classes_and_functions(name, thing):
    doc = inspect.getdoc(thing)
    assert doc, name
    assert doc.splitlines()[0].endswith((".", ":")), "the first line is one sentence"
    if is_error(thing):
        return
    assert ">>> " in doc, "an example"
    if "__init__" in vars(thing) or not isinstance(thing, type):
        assert set(arguments(thing)) <= set(documented(doc, "Parameters")), "all parameters"


@pytest.mark.parametrize("name", nnlite.metrics.__all__)
def test_a_metric_explains_itself(name):
    """Who asks for help on one function is not sent to another one."""
    doc = inspect.getdoc(getattr(nnlite.metrics, name)) or ""  # a name of a type has none
    assert not re.search(r"^ +See `", doc, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "thing"),
    [pair for pair in public_objects() if isinstance(pair[1], type)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_help_on_a_class_says_nothing_of_another_ones_arguments(name, thing):
    """What `__init__` inherits as its docstring is about the class it comes from."""
    own = thing.__init__.__doc__
    inherited = [base.__init__.__doc__ for base in thing.__mro__[1:] if base is not object]
    assert own or set(inherited) <= {None, object.__init__.__doc__}, inherited
    if arguments(thing) and thing.__module__.startswith("nnlite"):
        assert not re.search(r"[Nn]o arguments", pydoc.plain(pydoc.render_doc(thing)))


@pytest.mark.parametrize(
    ("name", "method"), list(public_methods()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_methods(name, method):
    doc = inspect.getdoc(method)
    assert doc, name
    if not name.split(".")[-1].startswith("on_"):  # the moments of a callback share their one argument
        assert set(arguments(method)) <= set(documented(doc, "Parameters")), "all parameters"


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        pair
        for pair in public_objects()
        if pair[1].__module__.startswith(("nnlite.lay", "nnlite.los", "nnlite.opt", "nnlite.sec"))
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_raised_is_named(name, thing):
    """A constructor or function that checks its arguments says what it raises."""
    code = thing if not isinstance(thing, type) else vars(thing).get("__init__")
    source = "" if code is None else inspect.getsource(code)
    if "check_" in source or "raise " in source:
        assert "Raises\n------" in inspect.getdoc(thing)
