"""`playground`: a net of one's own, live in one page that needs no Python and no network."""

from __future__ import annotations

import re
import tempfile
import webbrowser
from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentTypeError
from nnlite.files.safetensors import check_path
from nnlite.inspect.page import in_frame, read_words, written
from nnlite.inspect.play.contents import contents
from nnlite.inspect.play.page import render
from nnlite.inspect.play.saved import model_of
from nnlite.inspect.play.worksheet import worksheet
from nnlite.model import Sequential

__all__ = ["Playground", "playground"]

#: How high a frame is until the page in it has measured itself, in pixels.
HEIGHT = 900


def playground(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer,
    *,
    validation: Any = None,
    batch_size: int = 32,
    class_names: Sequence[str] | None = None,
) -> Playground:
    """Open a net, as it is now, in a page in which it can be trained, changed and taken apart.

    The page has an engine of its own with the mathematics, the order of the rows and the random start of
    nnlite: what it trains is what ``model.fit(X, y, loss=loss, optimizer=optimizer, batch_size=batch_size,
    validation=validation)`` would train, up to rounding. The model, the optimizer and their generators stay
    as they are.

    Parameters
    ----------
    model : Sequential
        A net of `Dense`, activations, `Softmax`, `Dropout`, `Standardize` and `Flatten`, with at most
        50,000 parameters.
    X : array-like of shape (rows, ...)
        The inputs. Of more than 2,000 rows the page has so many, drawn with a fixed seed, and says so.
        Square images of one channel are shown as images.
    y : array-like
        The targets, as the loss takes them.
    loss : Loss
        `MeanSquaredError`, `MeanAbsoluteError`, `Huber`, `Quantile`, `Hinge`, `BinaryCrossEntropy` or
        `SoftmaxCrossEntropy`.
    optimizer : Optimizer
        Any that makes one step a batch, with a learning rate that is one number. One that has made steps
        before goes on from there.
    validation : float, int or (X, y), optional
        The share or number of the rows to hold out, drawn as `fit` draws them, or rows of their own.
    batch_size : int
        Rows in a step.
    class_names : sequence of str, optional
        What the classes, or several outputs, are called. Columns are called as a frame or
        ``model.feature_names`` has them.

    Returns
    -------
    Playground
        In a notebook it shows itself; ``to_html`` writes the page, ``open`` opens it in the browser.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        If something does not fit, or is of a kind that the page does not have; `explain_step` shows a step
        of any layer and loss.

    See Also
    --------
    explain_step : One step of any net, with every number of it.

    Notes
    -----
    In float32 sums are made in float64 and rounded when they are stored, so that a training of 100 steps
    agrees with `fit` in five digits and more. Random numbers are those of NumPy's PCG64, to the bit.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.spirals(300, rng=0)
    >>> model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 3)], rng=0)
    >>> page = nn.inspect.playground(model, X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), validation=0.2)
    >>> page
    Playground(Dense(2, 8), Tanh(), Dense(8, 3); 300 rows)
    >>> page.to_html().startswith("<!doctype html>")
    True
    """
    found = contents(
        model, X, y, loss, optimizer, validation=validation, batch_size=batch_size, class_names=class_names
    )
    text = f"{', '.join(map(repr, model.layers))}; {found['rows']:,} rows"
    return Playground(found, text)


class Playground:
    """A net live in one page, as `playground` returns it.

    Parameters
    ----------
    data : dict
        What goes into the page.
    text : str
        What it is, in one line.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.xor()
    >>> model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
    >>> page = nn.inspect.playground(model, X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.5))
    >>> len(page.to_html()) < 200_000
    True
    """

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self._data = data
        self._text = text

    def to_html(self, path: str | PathLike[str] | None = None, *, title: str | None = None) -> str:
        """Make one HTML page of it, which needs no network.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write it; an old file is replaced once the new one is complete.
        title : str, optional
            The heading.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ArgumentTypeError
            If the path is none, or the title no text.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import nnlite as nn
        >>> X, y = nn.datasets.xor()
        >>> model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
        >>> page = nn.inspect.playground(model, X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.5))
        >>> "<title>My net</title>" in page.to_html(title="My net")
        True
        """
        if title is not None and not isinstance(title, str):
            raise ArgumentTypeError("Playground.to_html(title=)", "a text", f"{title!r}", "Give a str.")
        make = partial(render, self._data, text=self._text, title=title)
        return written("Playground.to_html(path)", path, make)

    def open(self) -> Path:
        """Write the page to a file for a while, and open it in the browser.

        Returns
        -------
        Path
            The file.

        Examples
        --------
        >>> import nnlite as nn
        >>> X, y = nn.datasets.xor()
        >>> model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
        >>> page = nn.inspect.playground(model, X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.5))
        >>> page.open().suffix  # doctest: +SKIP
        '.html'
        """
        path = Path(tempfile.mkdtemp(prefix="nnlite-")) / "playground.html"
        self.to_html(path)
        webbrowser.open(path.as_uri())
        return path

    def worksheet(self, path: str | PathLike[str] | None = None) -> str:
        """Make a page to print: one training step by hand, and behind it the solution.

        It has the row that costs most, the net with its weights, the formulas, and blanks for each sum,
        answer, blame, gradient and new weight; every number of the solution is one of `explain_step`.
        The step is one of plain gradient descent at the learning rate of the page, without dropout.

        Parameters
        ----------
        path : str or path-like, optional
            Where to write it; an old file is replaced once the new one is complete.

        Returns
        -------
        str
            An HTML document for A4, black on white.

        Raises
        ------
        ArgumentError
            If the net has more than 40 parameters, another activation than ReLU, LeakyReLU, ELU, SiLU,
            Softplus, Tanh and Sigmoid, or a loss that is smoothed or weighted.
        ArgumentTypeError
            If the path is none.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import nnlite as nn
        >>> X, y = nn.datasets.xor()
        >>> model = nn.Sequential([nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 1)], rng=0)
        >>> page = nn.inspect.playground(model, X, y[:, None], nn.MeanSquaredError(), nn.SGD(0.5))
        >>> page.worksheet().count("<section")  # the task, and its solution
        2
        """
        return written("Playground.worksheet(path)", path, lambda: worksheet(self._data))

    @staticmethod
    def read(path: str | PathLike[str]) -> Sequential:
        """Make a model of what the page has saved.

        Parameters
        ----------
        path : str or path-like
            What "Save" of the page has written, or a page, of which it is the net that it opens with.

        Returns
        -------
        Sequential
            With the weights of the page. If the page was told to read other features than the columns
            themselves, ``feature_names`` says which ones it takes.

        Raises
        ------
        ModelFileError
            If the file is none of a playground.
        ArgumentTypeError
            If the path is none.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import nnlite as nn
        >>> X, y = nn.datasets.xor()
        >>> model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 2)], rng=0)
        >>> page = nn.inspect.playground(model, X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "xor.html")
        ...     text = page.to_html(path)
        ...     again = nn.inspect.Playground.read(path)
        >>> (again.params.values == model.params.values).all()
        np.True_
        """
        where = "Playground.read(path)"
        source = check_path(where, path)
        text = source.read_text(encoding="utf-8", errors="replace")
        inside = re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
        return model_of(inside[1] if inside else text, where=f"{where}, {source.name!r}")

    def _repr_html_(self) -> str:
        return in_frame(self.to_html(), title=read_words("nnlite.inspect.play")["title"], height=HEIGHT)

    def __repr__(self) -> str:
        return f"Playground({self._text})"
