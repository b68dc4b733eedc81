"""Follow one plain `fit` on its way: ``python -m benchmarks.walk``.

A small net learns from arrays by SGD and the mean squared error, without callbacks, and every call of a
function of nnlite is counted: those before the first batch, those of a batch, and those that lie between
`fit` and `Dense.backward`. It is the way of a reader who follows the code, so the numbers have goals.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

import nnlite as nn

#: Parts of the function in which they stand, whether or not this version of Python calls them.
_PARTS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_FOLDER = str(Path(nn.__file__).parent)


class Walk(NamedTuple):
    """The functions of nnlite that a `fit` has called, in their order.

    Parameters
    ----------
    before : list of code objects
        Those before the first batch.
    batch : list of code objects
        Those of a batch.
    way : list of code objects
        Those from `fit` to `Dense.backward`, each called by the one before.
    """

    before: list[CodeType]
    batch: list[CodeType]
    way: list[CodeType]


def follow() -> Walk:
    """Train for one epoch of four batches, and note what is called.

    A batch begins where its rows come to the first layer; what chooses them belongs to the batch before.
    """
    _train(*_given())  # what is imported by the first `fit` is no part of the others
    model, loss, optimizer = _given()
    called: list[CodeType] = []
    begins: list[int] = []
    way: list[CodeType] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not _is_of_package(frame.f_code):
            return
        name, layer = frame.f_code.co_name, frame.f_locals.get("self")
        if name == "forward" and layer is model[0]:
            begins.append(len(called))
        if name == "backward" and layer is model[-1]:
            way[:] = _way_to(frame)
        called.append(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        _train(model, loss, optimizer)
    finally:
        sys.setprofile(before)
    return Walk(called[: begins[0]], called[begins[1] : begins[2]], way)


def _given() -> tuple[nn.Sequential, nn.Loss, nn.Optimizer]:
    model = nn.Sequential([nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    return model, nn.MeanSquaredError(), nn.SGD(0.1)


def _train(model: nn.Sequential, loss: nn.Loss, optimizer: nn.Optimizer) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(128, 3)), rng.normal(size=(128, 1))
    model.fit(X, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=32)


def _is_of_package(code: CodeType) -> bool:
    return code.co_filename.startswith(_FOLDER) and code.co_name not in _PARTS


def _way_to(frame: FrameType | None) -> list[CodeType]:
    found = []
    while frame is not None:
        if _is_of_package(frame.f_code):
            found.append(frame.f_code)
        frame = frame.f_back
    return found[::-1]


def _place(code: CodeType) -> str:
    return f"{Path(code.co_filename).relative_to(_FOLDER).as_posix()}: {code.co_qualname}"


def main() -> None:
    """Print the numbers with their goals, and the way."""
    before, batch, way = follow()
    files = {code.co_filename for code in before}
    print(
        f"before the first batch: {len(before)} calls of {len({*before})} functions in {len(files)} modules"
    )
    print("    goal: 80 calls")
    print(f"a batch: {len(batch)} calls of {len({*batch})} functions\n    goal: 35 calls")
    modules = {code.co_filename for code in way}
    print(f"from fit to Dense.backward: {len(way)} frames in {len(modules)} modules\n    goal: 10 modules")
    print(*(f"    {_place(code)}" for code in way), sep="\n")


if __name__ == "__main__":
    main()
