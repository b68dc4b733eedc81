"""`python -m nnlite playground`: a small net for a data set, live in the browser."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nnlite.cli.demo import Options
from nnlite.cli.recipes import RECIPES
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.inspect import Playground, playground
from nnlite.layers import Dense, Layer, Standardize, Tanh
from nnlite.losses import SoftmaxCrossEntropy
from nnlite.model import Sequential
from nnlite.optimizers import Adam

__all__ = ["page_for", "show"]

#: Neurons of each hidden layer: few enough to look at each of them.
HIDDEN = {"digits": (24,), "xor": (4,), "sine": (8,)}
USUAL = (8, 8)
#: The rate at first; the page has a slider for it.
RATE = 0.01


def page_for(options: Options) -> Playground:
    """Make the playground of a data set.

    Parameters
    ----------
    options : Options
        What was said on the command line.

    Returns
    -------
    Playground

    Examples
    --------
    >>> page_for(Options(data="xor"))
    Playground(Dense(2, 4), Tanh(), Dense(4, 2); 4 rows)
    """
    recipe = RECIPES[options.data]
    data_rng, model_rng = np.random.default_rng(options.seed).spawn(2)
    data = recipe.data(data_rng)
    rows, features = data.X.shape
    sizes = (features, *HIDDEN.get(options.data, USUAL), len(data.class_names) or 1)
    layers: list[Layer] = [] if options.data in ("xor", "digits") else [Standardize(features)]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [Dense(inputs, outputs), Tanh()]
    model = Sequential([*layers, Dense(*sizes[-2:])], rng=int(model_rng.integers(1000)))
    image = options.data == "digits"
    if not image:
        model.feature_names = data.feature_names
    loss: Loss = SoftmaxCrossEntropy() if data.class_names else MeanSquaredError()
    return playground(
        model,
        data.X / 16 if image else data.X,
        data.y,
        loss,
        Adam(options.learning_rate or RATE),
        validation=0.2 if rows >= 10 else None,
        batch_size=options.batch_size or min(recipe.batch_size, rows),
        class_names=data.class_names or None,
    )


def show(options: Options) -> str:
    """Write the page of a data set, or open it in the browser; say where it is.

    Parameters
    ----------
    options : Options
        With `save`, the file to write; otherwise it is opened.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     line = show(Options(data="xor", save=pathlib.Path(folder, "xor.html")))
    >>> line[-8:]
    'xor.html'
    """
    page = page_for(options)
    if options.save is not None:
        page.to_html(options.save, title=options.data)
        return f"written to {options.save}"
    return f"opened in the browser: {page.open()}"
