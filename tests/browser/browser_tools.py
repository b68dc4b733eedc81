"""What the tests of the page share: a page in the browser, and the training steps it is looked at with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import nnlite as nn
from nnlite.inspect import explain_step

PROBES = Path(__file__).with_name("probes.js").read_text(encoding="utf-8")


class Page:
    """One page in the browser."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.folder = driver, folder

    def show(
        self,
        document: str,
        *,
        width: int = 1200,
        dark: bool = False,
        motion: bool = False,
        scripts: bool = True,
    ) -> Page:
        """Open a document from disk."""
        file = self.folder / "page.html"
        file.write_text(document, encoding="utf-8")
        features = {
            "color-scheme": "dark" if dark else "light",
            "reduced-motion": "no-preference" if motion else "reduce",
        }
        self.command(
            "Emulation.setEmulatedMedia",
            media="",
            features=[{"name": f"prefers-{name}", "value": value} for name, value in features.items()],
        )
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.size(width, 900)
        self.driver.get(file.as_uri())
        return self

    def ready(self) -> Page:
        """Wait until the script of the page has run."""
        self.driver.set_script_timeout(20)
        self.driver.execute_async_script(
            "const done = arguments[0]; const look = () => "
            "document.querySelector('h2') ? done() : setTimeout(look, 5); look()"
        )
        return self

    def command(self, name: str, **values: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, values)

    def size(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def probe(self, name: str, *values: Any) -> Any:
        """Ask the page one of the questions of probes.js."""
        return self.run(f"{PROBES}\nreturn {name}(...arguments)", *values)

    def press(self, *keys: str) -> None:
        from selenium import webdriver

        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def click(self, x: float, y: float) -> None:
        """Click where the mouse is, whatever lies there."""
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def beat(self) -> str:
        return self.run("return document.querySelector('h2').textContent")

    def go(self, beat: int) -> None:
        self.run("document.querySelectorAll('.chip')[arguments[0] - 1].click()", beat)

    def whole(self) -> None:
        """Make the window as high as the page, so that all of it is in sight."""
        width = self.run("return innerWidth")
        self.size(width, max(self.run("return document.documentElement.scrollHeight"), 400))

    def numbers(self, selector: str) -> list[float]:
        """Return the whole numbers behind those that are shown."""
        found = self.probe("numbers", selector)
        return [float(value) for value in found]


def mazur(dtype: str = "float64") -> Any:
    """Make the step of Matt Mazur's worked example: two inputs, two hidden neurons, two outputs."""
    model = nn.Sequential([nn.Dense(2, 2), nn.Sigmoid(), nn.Dense(2, 2), nn.Sigmoid()], rng=0, dtype=dtype)
    model[0].W[...], model[0].b[...] = [[0.15, 0.25], [0.2, 0.3]], 0.35
    model[2].W[...], model[2].b[...] = [[0.4, 0.5], [0.45, 0.55]], 0.6
    x, y = np.array([[0.05, 0.1]]), np.array([[0.01, 0.99]])
    return explain_step(model, x, y, nn.MeanSquaredError(), nn.SGD(0.5))


def flowers(rows: int = 32, dtype: str = "float32") -> Any:
    """Make a step of a 4-8-3 net on irises."""
    data = nn.datasets.iris()
    chosen = np.random.default_rng(0).permutation(len(data.X))[:rows]
    model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 3)], rng=0, dtype=dtype)
    model[0].adapt(data.X)
    model.feature_names = data.feature_names
    return explain_step(model, data.X[chosen], data.y[chosen], nn.SoftmaxCrossEntropy(), nn.SGD(0.1))


def digits() -> Any:
    """Make a step of a 64-32-10 net, which is large."""
    data = nn.datasets.digits()
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)
    rows = data.X.reshape(len(data.X), -1)[:32]
    return explain_step(model, rows, data.y[:32], nn.SoftmaxCrossEntropy(), nn.Adam(0.01))


def deep() -> Any:
    """Make a step of a net with three hidden layers and dropout, whose rows have weights."""
    layers = [
        nn.Dense(3, 6),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Dense(6, 5),
        nn.ReLU(),
        nn.Dense(5, 4),
        nn.Tanh(),
    ]
    model = nn.Sequential([*layers, nn.Dense(4, 1)], rng=0)
    x = np.random.default_rng(0).normal(size=(5, 3))
    loss, optimizer = nn.MeanSquaredError(), nn.SGD(3.0, momentum=0.9)
    return explain_step(model, x, 2.0 * x[:, :1], loss, optimizer, weight=[1, 1, 2, 1, 0.5])


MAKERS = {"2-2-2": mazur, "4-8-3": flowers, "64-32-10": digits, "deep": deep}


def odd() -> dict[str, Any]:
    """Make steps with what is rare: missing targets, huge losses, nothing to learn, embeddings, images."""
    rng = np.random.default_rng(0)
    x, loss = rng.normal(size=(6, 3)), nn.MeanSquaredError()
    missing = np.where(x[:, :2] > 0.5, np.nan, x[:, :2])
    ids, yes = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [0.0]])
    image = rng.normal(size=(3, 4, 4)), rng.integers(0, 13, 3)

    def step(layers: list[Any], x: Any, y: Any, loss: Any, optimizer: Any) -> Any:
        return explain_step(nn.Sequential(layers, rng=0), x, y, loss, optimizer)

    def hidden() -> list[Any]:
        return [nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2)]

    embedded = [nn.Embedding((7, 5), 3), nn.Dense(6, 4), nn.Tanh(), nn.Dense(4, 1)]
    flat = [nn.Flatten((4, 4)), nn.Dense(16, 14), nn.ReLU(), nn.Dense(14, 13)]
    mixing = [nn.Dense(3, 4), nn.Softmax(), nn.Dense(4, 2)]
    return {
        "missing targets": step([nn.Dense(3, 2)], x, missing, nn.Masked(loss), nn.SGD(0.1)),
        "huge": step(hidden(), 1e6 * x, 1e6 * x[:, :2], loss, nn.SGD(1e3)),
        "tiny": step([nn.Dense(3, 2)], 1e-6 * x, 1e-6 * x[:, :2], loss, nn.SGD(1e-30)),
        "solved": step([nn.Dense(1, 1, bias=False)], [[0.0]], [[0.0]], loss, nn.SGD(0.1)),
        "embedding": step(embedded, ids, yes, nn.BinaryCrossEntropy(), nn.Adam()),
        "no rate yet": step(hidden(), x, x[:, :2], loss, nn.SGD(nn.WarmUp(0.1, steps=10))),
        "image": step(flat, *image, nn.SoftmaxCrossEntropy(), nn.SGD(0.1)),
        "mixing layer": step(mixing, x, x[:, :2], nn.Huber(), nn.Adam()),
    }
