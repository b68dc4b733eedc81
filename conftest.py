"""Which modules pytest may import: not those that need a package which is not installed."""

from importlib.util import find_spec

collect_ignore = [
    folder
    for folder, needed in (("nnlite/sklearn", "sklearn"), ("tests/sklearn", "sklearn"))
    if not find_spec(needed)
]
