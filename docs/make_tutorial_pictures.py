"""Draw the pictures of docs/tutorial.md, with the nets and numbers of that page.

Run ``python -m pip install ".[plot]" && python docs/make_tutorial_pictures.py``; it writes
``docs/images/tutorial/*.png``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import nnlite as nn
from nnlite import plot

FOLDER = Path(__file__).parent / "images" / "tutorial"
LOSS = nn.SoftmaxCrossEntropy()


def net() -> nn.Sequential:
    """Make the net of the page."""
    return nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0)


def main() -> None:
    """Draw all."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    FOLDER.mkdir(parents=True, exist_ok=True)

    def save(name: str) -> None:
        plt.gcf().savefig(FOLDER / f"{name}.png", dpi=80)
        plt.close()
        print(f"{FOLDER / name}.png written")

    X, X_test, y, y_test = nn.train_test_split(*nn.datasets.moons(500, noise=0.15, rng=0), rng=0)

    def loss_of(model: nn.Sequential) -> float:
        return model.evaluate(X, y, loss=LOSS)["loss"]

    _, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    sums = np.linspace(-6, 6, 200)
    for clouds in (0.9, 0.3):  # 0.2 is the wind
        total = clouds * 3.0 + 0.2 * 0.5 - 2.0
        ax.plot(
            total,
            nn.Sigmoid().forward(np.array([total])),
            "o",
            ms=9,
            label=f"clouds {clouds}: the sum is {total:.1f}",
        )
    ax.plot(sums, nn.Sigmoid().forward(sums), color="0.4", zorder=0)
    ax.set(xlabel="what the neuron adds up", ylabel="how strongly it responds")
    ax.legend(frameon=False)
    save("neuron")

    _, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    plot.network(net(), X[0], feature_names=["left to right", "down to up"], ax=ax)
    save("net")

    _, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    chances = np.linspace(0.005, 1, 300)
    ax.plot(chances, -np.log(chances), color="#D55E00")
    ax.plot(0.5, np.log(2), "o", color="black")
    ax.annotate("cannot tell: ln 2", (0.5, np.log(2)), (8, 8), textcoords="offset points")
    ax.set(xlabel="the chance that the net gave to what was true", ylabel="sting", ylim=(0, 5))
    save("sting")

    # The loss over one weight, with the slope there: the weight that has the largest gradient.
    model = net()
    start = loss_of(model)
    model.loss_and_grad(X, y, LOSS)
    place = int(np.abs(model.params.grads).argmax())
    here, slope = float(model.params.values[place]), float(model.params.grads[place])
    values, heights = np.linspace(here - 3, here + 3, 80), []
    for value in values:
        model.params.values[place] = value
        heights.append(loss_of(model))
    _, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    ax.plot(values, heights, color="#0072B2", label="the hill, without fog")
    ax.axline((here, start), slope=slope, ls="--", color="black", label="its gradient: the slope here")
    ax.plot(here, start, "o", color="#D55E00", ms=9)
    ax.set(
        xlabel="the number with the largest gradient", ylabel="loss", ylim=(min(heights) - 0.05, max(heights))
    )
    ax.legend(frameon=False)
    save("slope")

    _, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    for rate, style in ((0.001, ":"), (0.5, "-"), (50.0, "--")):
        trial, optimizer = net(), nn.SGD(rate)
        course = [loss_of(trial)]
        for _ in range(20):
            trial.loss_and_grad(X, y, LOSS)
            optimizer.step(trial.params)
            course.append(loss_of(trial))
        ax.plot(course, style, label=f"rate {rate:g}")
    ax.set(xlabel="step", ylabel="loss", yscale="log", xticks=range(0, 21, 5))
    ax.legend(frameon=False)
    save("rates")

    model = net()
    _, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    plot.decision_boundary(model, X, y, ax=axes[0], legend=False)
    model.loss_and_grad(X, y, LOSS)  # the one step that the page has made by then
    nn.SGD(0.5).step(model.params)
    history = model.fit(X, y, loss=LOSS, optimizer=nn.Adam(0.02), epochs=100, validation=(X_test, y_test))
    plot.decision_boundary(model, X, y, ax=axes[1], legend=False)
    plot.history(history, ax=axes[2])
    for ax, title in zip(axes, ("the random start", "after 100 epochs", "the loss on the way"), strict=True):
        ax.set_title(title, fontsize=10)
    for ax in axes[:2]:
        ax.set(xlabel="left to right", ylabel="down to up")
    save("learned")


if __name__ == "__main__":
    main()
