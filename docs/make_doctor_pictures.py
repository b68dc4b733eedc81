"""Draw the pictures of the doctor and of its pages: what a mistake looks like, and what comes of mending it.

Run ``python -m pip install ".[plot]" && python docs/make_doctor_pictures.py``; it writes
``docs/images/doctor/*.png``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

import nnlite as nn
from nnlite import plot

FOLDER = Path(__file__).parent / "images" / "doctor"
BROKEN, MENDED = "#D55E00", "#0072B2"


def net(
    *sizes: int,
    activation: type[nn.Layer] = nn.Tanh,
    around: tuple[list[nn.Layer], list[nn.Layer]] = ([], []),
    **options: dict[str, Any],
) -> nn.Sequential:
    """Make a net of dense layers, with layers around it, and options of the `first` and of the `last` one."""
    pairs = list(pairwise(sizes))
    given: list[dict[str, Any]] = [{} for _ in pairs]
    given[0], given[-1] = options.get("first", {}), options.get("last", {})
    layers: list[nn.Layer] = []
    for pair, those in zip(pairs, given, strict=True):
        layers += [nn.Dense(*pair, **those), activation()]
    return nn.Sequential([*around[0], *layers[:-1], *around[1]], rng=0)


def normal(scale: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    """Make an initializer that draws from a normal distribution, however many inputs there are."""
    return lambda rng, shape: scale * rng.standard_normal(shape)


def losses(ax: Any, X: Any, y: Any, epochs: int, cases: dict[str, tuple[nn.Sequential, Any]]) -> None:
    """Train each case, and draw its losses on a logarithmic axis."""
    loss = nn.SoftmaxCrossEntropy() if np.ndim(y) == 1 else nn.MeanSquaredError()
    for (name, (model, optimizer)), colour, style in zip(
        cases.items(), (BROKEN, MENDED), ("--", "-"), strict=True
    ):
        history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=epochs)
        ax.plot(range(1, epochs + 1), history["loss"], style, color=colour, label=name)
    ax.set(xlabel="epoch", ylabel="loss", yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False)


def unscaled(ax: Any) -> None:
    """NN101: a column in other units, and Standardize."""
    X, y = nn.datasets.iris()
    X[:, 0] *= 1000
    scaled = net(4, 16, 3, around=([nn.Standardize(4)], []))
    losses(
        ax,
        X,
        y,
        60,
        {
            "micrometres beside centimetres": (net(4, 16, 3), nn.Adam(0.01)),
            "Standardize first": (scaled, nn.Adam(0.01)),
        },
    )


def high_start(ax: Any) -> None:
    """NN205: weights of the last layer that are too large."""
    X, y = nn.datasets.digits()
    for scale, colour, style, name in (
        (3.0, BROKEN, "--", "last layer drawn too large"),
        (None, MENDED, "-", "as by default"),
    ):
        last = {"weight_initializer": normal(scale)} if scale else {}
        model, optimizer = net(64, 32, 10, activation=nn.ReLU, last=last), nn.Adam(0.003)
        course = []
        for _ in range(80):
            course.append(model.loss_and_grad(X / 16, y, nn.SoftmaxCrossEntropy()))
            optimizer.step(model.params)
        ax.plot(course, style, color=colour, label=name)
    ax.axhline(np.log(10), color="0.6", lw=1)
    ax.annotate("ln 10: knows nothing", (79, np.log(10)), (0, 3), textcoords="offset points", ha="right")
    ax.set(xlabel="step on all rows", ylabel="loss", ylim=(0, None))
    ax.legend(frameon=False)


def identical(ax: Any) -> None:
    """NN206: what neurons draw that are all the same."""
    X, y = nn.datasets.moons(300, noise=0.15, rng=0)
    model = net(2, 16, 2)
    model.params.values[...] = 0.1
    model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.03), epochs=100)
    plot.decision_boundary(model, X, y, ax=ax, legend=False)
    ax.set_title("16 equal neurons draw one straight line", fontsize=10)


def rate_too_large(ax: Any) -> None:
    """NN301: above the limit of the curvature."""
    X, y = nn.datasets.sine(200, rng=0)
    losses(
        ax, X, y, 60, {"rate 0.35": (net(1, 32, 1), nn.SGD(0.35)), "rate 0.05": (net(1, 32, 1), nn.SGD(0.05))}
    )


def rate_too_small(ax: Any) -> None:
    """NN302: hardly a step."""
    X, y = nn.datasets.digits()
    make = lambda: net(64, 32, 10, activation=nn.ReLU)  # noqa: E731
    losses(ax, X / 16, y, 30, {"rate 0.0001": (make(), nn.SGD(0.0001)), "rate 0.1": (make(), nn.SGD(0.1))})


def dead(ax: Any) -> None:
    """NN303: sums of ReLU neurons that all lie below zero."""
    X, _ = nn.datasets.digits()
    for bias, colour, name in ((-5.0, BROKEN, "bias -5"), (0.0, MENDED, "bias 0")):
        layer = net(64, 32, 10, first={"bias_initializer": nn.initializers.Constant(bias)})[0]
        ax.hist(
            layer.forward(np.float32(X / 16)).ravel(),
            bins=60,
            color=colour,
            alpha=0.7,
            density=True,
            label=name,
        )
    ax.axvspan(ax.get_xlim()[0], 0, color="0.9", zorder=0)
    ax.set(xlabel="what a neuron adds up; on grey ReLU answers 0", yticks=[], ylabel="how often")
    ax.legend(frameon=False)


def saturated(ax: Any) -> None:
    """NN304: where the sums lie on the curve of tanh."""
    X, _ = nn.datasets.digits()
    for scale, colour, name in (
        (20.0, BROKEN, "drawn with 20, most outside"),
        (None, MENDED, "as by default"),
    ):
        options = {"weight_initializer": normal(scale)} if scale else {}
        sums = net(64, 32, 10, first=options)[0].forward(np.float32(X[:8] / 16)).ravel()
        ax.plot(sums, np.tanh(sums), "o", ms=4, color=colour, alpha=0.6, label=name)
    ax.set(xlim=(-6, 6), xlabel="what a neuron adds up", ylabel="tanh of it")
    ax.legend(frameon=False)


def deep(activation: type[nn.Layer], scale: float | None = None) -> nn.Sequential:
    """Make a deep net, with weights drawn by default or with a scale."""
    model = net(2, *[16] * 10, 3, activation=activation)
    if scale:
        rng = np.random.default_rng(0)
        for layer in model.layers[::2]:
            layer.W[...] = normal(scale)(rng, layer.W.shape)
    return model


def flow(broken: nn.Sequential, mended: nn.Sequential) -> Callable[[Any], None]:
    """Compare how much of the blame comes through two nets; that of a bias is the blame of its neuron."""

    def draw(ax: Any) -> None:
        X, y = nn.datasets.spirals(300, rng=0)
        for model, colour, style, name in (
            (broken, BROKEN, "o--", "broken"),
            (mended, MENDED, "o-", "mended"),
        ):
            model.loss_and_grad(X, y, nn.SoftmaxCrossEntropy())
            sizes = [
                np.sqrt(np.mean(model.params.grad(f"{place}.b") ** 2))
                for place in range(0, len(model.layers), 2)
            ]
            ax.semilogy(range(1, len(sizes) + 1), sizes, style, color=colour, label=name)
        ax.set(xlabel="layer with weights", ylabel="typical blame of a neuron")
        ax.legend(frameon=False)

    return draw


def out_of_reach(ax: Any) -> None:
    """NN203: ReLU behind the last layer, and targets below zero."""
    X, y = nn.datasets.sine(200, rng=0)
    ax.plot(X, y, ".", color="0.7", label="targets")
    order = X[:, 0].argsort()
    for layers, colour, style, name in (
        ([nn.ReLU()], BROKEN, "--", "ends in ReLU"),
        ([], MENDED, "-", "ends in Dense"),
    ):
        model = net(1, 32, 1, around=([], layers))
        model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.01), epochs=200)
        ax.plot(X[order], model.predict(X[order]), style, color=colour, label=name)
    ax.set(xlabel="input", ylabel="target")
    ax.legend(frameon=False)


def overfitting(ax: Any) -> None:
    """NN401: training and validation loss part."""
    X, y = nn.datasets.moons(440, noise=0.35, rng=0)
    history = net(2, 64, 64, 2, activation=nn.ReLU).fit(
        X[:40],
        y[:40],
        loss=nn.SoftmaxCrossEntropy(),
        optimizer=nn.Adam(0.01),
        epochs=150,
        validation=(X[40:], y[40:]),
    )
    plot.history(history, ax=ax)


def still_falling(ax: Any) -> None:
    """NN404: six epochs, and sixty."""
    X, y = nn.datasets.digits()
    make = lambda: net(64, 32, 10, activation=nn.ReLU)  # noqa: E731
    history = make().fit(X / 16, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.0005), epochs=60)
    ax.plot(range(1, 61), history["loss"], color=MENDED, label="what was still to come")
    ax.plot(range(1, 7), history["loss"][:6], color=BROKEN, lw=3, label="stopped after 6 epochs")
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend(frameon=False)


def bouncing(ax: Any) -> None:
    """NN405: steps from one slope of the valley to the other."""
    X, y = nn.datasets.blobs(300, classes=5, noise=0.3, rng=0)
    losses(
        ax,
        X,
        y,
        40,
        {
            "rate 1": (net(2, 32, 5), nn.SGD(1.0, momentum=0.9)),
            "rate 0.1": (net(2, 32, 5), nn.SGD(0.1, momentum=0.9)),
        },
    )


def unscaled_targets(ax: Any) -> None:
    """NN105: the same net on targets in the hundreds, and on the same targets scaled."""
    X, y = nn.datasets.sine(200, rng=0)
    order = X[:, 0].argsort()
    ax.plot(X, 300 + 100 * y, ".", color="0.7", label="targets")
    for mean, size, colour, style, name in (
        (0, 1, BROKEN, "--", "trained as they are"),
        (300, 100, MENDED, "-", "scaled, and back"),
    ):
        model = net(1, 32, 1)
        targets = (300 + 100 * y - mean) / size
        model.fit(X, targets, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.01), epochs=100)
        ax.plot(X[order], mean + size * model.predict(X[order]), style, color=colour, label=name)
    ax.set(xlabel="input", ylabel="target")
    ax.legend(frameon=False)


def imbalanced(ax: Any) -> None:
    """NN109: three rows of one class."""
    _, y = nn.datasets.iris()
    ax.bar(["class 0", "class 1", "class 2"], np.bincount(y[:103]), color=[MENDED, MENDED, BROKEN])
    ax.set(ylabel="rows")


def other_scale(ax: Any) -> None:
    """NN110: divided in one place, forgotten in the other."""
    X, _ = nn.datasets.digits()
    for values, colour, name in ((X[:1400] / 16, MENDED, "training"), (X[1400:], BROKEN, "validation")):
        ax.hist(
            values.ravel(), bins=np.linspace(0, 16, 49), color=colour, alpha=0.7, density=True, label=name
        )
    ax.set(xlabel="pixel", ylabel="how often", yscale="log", yticks=[])
    ax.legend(frameon=False)


def bounded(ax: Any) -> None:
    """NN204: tanh before a loss that takes scores of any size."""
    X, y = nn.datasets.moons(300, noise=0.1, rng=0)
    cases = {
        "ends in Tanh": (net(2, 16, 2, around=([], [nn.Tanh()])), nn.Adam(0.03)),
        "ends in Dense": (net(2, 16, 2), nn.Adam(0.03)),
    }
    losses(ax, X, y, 100, cases)
    ax.axhline(np.log1p(np.exp(-2)), color="0.6", lw=1)  # scores of 1 and -1


def too_much_decay(ax: Any) -> None:
    """NN403: weights that are held back so much that a straight line does better."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    y = X @ rng.normal(size=(6, 2)) / 2
    cases = {
        f"weight_decay {decay:g}": (net(6, 32, 2), nn.AdamW(0.01, weight_decay=decay)) for decay in (3, 0.01)
    }
    losses(ax, X, y, 40, cases)


def on_digits(epochs: int, **cases: tuple[str, list[nn.Layer], nn.Optimizer]) -> Callable[[Any], None]:
    """Compare two trainings on digits: their names, layers in front of the last one, and optimizers."""

    def draw(ax: Any) -> None:
        X, y = nn.datasets.digits()
        made = {
            name: (nn.Sequential([nn.Dense(64, 32), nn.ReLU(), *between, nn.Dense(32, 10)], rng=0), optimizer)
            for name, between, optimizer in (cases["broken"], cases["mended"])
        }
        losses(ax, X / 16, y, epochs, made)

    return draw


def sorted_rows(ax: Any) -> None:
    """NN112: the same rows in the order of their classes, and shuffled."""
    X, y = nn.datasets.iris()
    for shuffle, colour, style, name in (
        (False, BROKEN, "--", "sorted by class"),
        (True, MENDED, "-", "shuffled"),
    ):
        model = net(4, 16, 3, around=([nn.Standardize(4)], []))
        history = model.fit(
            X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=30, shuffle=shuffle
        )
        ax.plot(range(1, 31), history["loss"], style, color=colour, label=name)
    ax.set(xlabel="epoch", ylabel="loss", yscale="log")
    ax.legend(frameon=False)


def wrong_gradient(ax: Any) -> None:
    """NN207: what a backward says, over what a nudge shows."""

    class Forgetful(nn.Tanh):
        def backward(self, dy: Any, ctx: Any) -> Any:
            return 1 * dy  # the slope is lost

    X, y = nn.datasets.spirals(300, rng=0)
    loss, nudge = nn.SoftmaxCrossEntropy(), 1e-4
    for layer, colour, marker, name in (
        (Forgetful(), BROKEN, "x", "backward of Forgetful"),
        (nn.Tanh(), MENDED, "o", "backward of Tanh"),
    ):
        model = nn.Sequential([nn.Dense(2, 32), layer, nn.Dense(32, 3)], dtype=np.float64, rng=0)
        model[0].W[...] *= 5  # as they may become in training: sums that reach the bends of tanh
        model.loss_and_grad(X, y, loss)
        said, felt = model.params.grads[:64].copy(), []  # of the weights in front of it
        for place in range(64):
            sides = []
            for change in (nudge, -2 * nudge):
                model.params.values[place] += change
                sides.append(model.evaluate(X, y, loss=loss)["loss"])
            model.params.values[place] += nudge
            felt.append((sides[0] - sides[1]) / (2 * nudge))
        ax.plot(felt, said, marker, ls="", ms=5, color=colour, label=name)
    ax.axline((0, 0), slope=1, color="0.6", lw=1, zorder=0)
    ax.set(xlabel="how the loss changes with a weight", ylabel="what backward says")
    ax.legend(frameon=False)


def straight(*layers: nn.Layer, title: str, rows: int) -> Callable[[Any], None]:
    """Draw the border of a net that can only draw a straight one."""

    def draw(ax: Any) -> None:
        X, y = nn.datasets.xor() if rows == 4 else nn.datasets.moons(rows, noise=0.1, rng=0)
        model = nn.Sequential(list(layers), rng=0)
        loss = nn.BinaryCrossEntropy() if rows == 4 else nn.SoftmaxCrossEntropy()
        model.fit(X, y, loss=loss, optimizer=nn.Adam(0.01), epochs=100)
        plot.decision_boundary(model, X, y, loss=loss, ax=ax, legend=False)
        ax.set_title(title, fontsize=10)

    return draw


def no_slope(ax: Any) -> None:
    """NN214: a step, and a bend."""
    plot.activations([nn.Step(), nn.Tanh()], span=(-3, 3), ax=ax)


def few_steps(ax: Any) -> None:
    """NN314: three epochs of three batches, and twelve of 57."""
    X, y = nn.datasets.digits()
    for epochs, size, colour, style in ((3, 600, BROKEN, "o--"), (12, 32, MENDED, "o-")):
        history = net(64, 32, 10, activation=nn.ReLU).fit(
            X / 16, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.003), epochs=epochs, batch_size=size
        )
        steps = -(-len(X) // size) * np.arange(1, epochs + 1)
        name = f"{epochs} epochs, batch_size={size}: {steps[-1]} steps"
        ax.plot(steps, history["loss"], style, ms=4, color=colour, label=name)
    ax.set(xlabel="step", ylabel="loss of an epoch", ylim=(0, None))
    ax.legend(frameon=False)


def constant_answer(ax: Any) -> None:
    """NN402: the yardstick for a loss."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 10, (500, 2)), rng.normal(size=(500, 1))
    model = nn.Sequential([nn.Embedding((10, 10), 2), nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    history = model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.003), epochs=10)
    ax.plot(range(1, 11), history["loss"], "--", color=BROKEN, label="the net")
    ax.axhline(float(np.var(y)), color=MENDED, label="one answer for all rows")
    ax.set(xlabel="epoch", ylabel="loss", ylim=(0, 1.1))
    ax.legend(frameon=False, loc="lower right")


def stopped_too_soon(ax: Any) -> None:
    """NN406: where early stopping with little patience ends a training, and what was to come."""
    X, y = nn.datasets.digits()
    given = {"loss": nn.SoftmaxCrossEntropy(), "epochs": 100, "validation": 0.2, "rng": 0}
    for colour, width, name, stop in (
        (MENDED, 1.5, "what was still to come", []),
        (BROKEN, 3, "stopped by patience=1, min_delta=0.1", [nn.EarlyStopping(patience=1, min_delta=0.1)]),
    ):
        model = net(64, 32, 10, activation=nn.ReLU)
        course = model.fit(X / 16, y, optimizer=nn.SGD(0.01), callbacks=stop, **given)["validation_loss"]
        ax.plot(range(1, len(course) + 1), course, color=colour, lw=width, label=name)
    ax.set(xlabel="epoch", ylabel="validation loss", ylim=(0, None))
    ax.legend(frameon=False)


PICTURES: dict[str, Callable[[Any], None]] = {
    "NN101": unscaled,
    "NN105": unscaled_targets,
    "NN109": imbalanced,
    "NN110": other_scale,
    "NN112": sorted_rows,
    "NN203": out_of_reach,
    "NN204": bounded,
    "NN205": high_start,
    "NN206": identical,
    "NN207": wrong_gradient,
    "NN208": straight(nn.Dense(2, 1), title="no straight line parts the four rows of XOR", rows=4),
    "NN213": straight(
        nn.Dense(2, 32), nn.Dense(32, 32), nn.Dense(32, 2), title="three layers, one straight line", rows=400
    ),
    "NN214": no_slope,
    "NN301": rate_too_large,
    "NN302": rate_too_small,
    "NN303": dead,
    "NN304": saturated,
    "NN305": flow(deep(nn.Sigmoid), deep(nn.Tanh)),
    "NN306": flow(deep(nn.ReLU, 1.0), deep(nn.ReLU)),
    "NN309": on_digits(
        20,
        broken=("halved in each step", [], nn.SGD(lambda step: 0.3 * 0.5**step)),
        mended=("CosineDecay", [], nn.SGD(nn.CosineDecay(0.3))),
    ),
    "NN310": on_digits(
        20,
        broken=("clip_norm=1e-6", [], nn.SGD(0.1, clip_norm=1e-6)),
        mended=("without clipping", [], nn.SGD(0.1)),
    ),
    "NN311": on_digits(
        20,
        broken=("Dropout(0.95)", [nn.Dropout(0.95)], nn.Adam(0.01)),
        mended=("Dropout(0.2)", [nn.Dropout(0.2)], nn.Adam(0.01)),
    ),
    "NN312": on_digits(
        20,
        broken=("weight_decay=10", [], nn.AdamW(0.01, weight_decay=10.0)),
        mended=("weight_decay=0.1", [], nn.AdamW(0.01, weight_decay=0.1)),
    ),
    "NN313": on_digits(
        20,
        broken=("momentum=0.999", [], nn.SGD(0.1, momentum=0.999)),
        mended=("momentum=0.9", [], nn.SGD(0.1, momentum=0.9)),
    ),
    "NN314": few_steps,
    "NN401": overfitting,
    "NN402": constant_answer,
    "NN403": too_much_decay,
    "NN404": still_falling,
    "NN405": bouncing,
    "NN406": stopped_too_soon,
}


def overview(axes: Any) -> None:
    """Draw four courses of a loss by which a training is told: on the page of the doctor."""
    for ax, code, title in zip(
        axes.flat,
        ("NN302", "NN405", "NN401", "NN205"),
        (
            "NN302: it barely moves",
            "NN405: it bounces",
            "NN401: the curves part",
            "NN205: it starts far too high",
        ),
        strict=True,
    ):
        PICTURES[code](ax)
        ax.set_title(title, fontsize=10)


def main() -> None:
    """Draw all."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    FOLDER.mkdir(parents=True, exist_ok=True)
    for code, draw in PICTURES.items():
        figure, ax = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
        draw(ax)
        figure.savefig(FOLDER / f"{code}.png", dpi=80)
        plt.close(figure)
        print(f"{FOLDER / code}.png written")
    figure, axes = plt.subplots(2, 2, figsize=(9, 5.6), layout="constrained")
    overview(axes)
    figure.savefig(FOLDER / "overview.png", dpi=80)
    print(f"{FOLDER / 'overview'}.png written")


if __name__ == "__main__":
    main()
