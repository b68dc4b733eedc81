"""How fast the playground trains while it draws: ``python -m benchmarks.playground``.

A net of 2-8-8-1 on 500 rows, batches of 32, in a headless Chromium: steps and drawings in a second. It
needs selenium, chromium and chromedriver. The page draws as often as the browser shows a frame, 60 times a
second, as long as half of its time is enough for that.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nnlite as nn
from nnlite.inspect import playground

#: Steps a second that are promised.
GOAL = 1000
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


def page() -> str:
    """Make the page that is measured."""
    X, y = nn.datasets.moons(500, rng=0)
    layers = [nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 8), nn.Tanh(), nn.Dense(8, 1)]
    model = nn.Sequential(layers, rng=0)
    return playground(model, X, y[:, None], nn.BinaryCrossEntropy(), nn.SGD(0.1)).to_html()


def main(arguments: Sequence[str] | None = None) -> int:
    """Let it play, and count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playground", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each round plays")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    counts = "const { steps, frames } = window.playground.counts(); return [steps, frames]"
    found = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "playground.html")
        file.write_text(page(), encoding="utf-8")
        for _ in range(chosen.rounds):
            driver.get(file.as_uri())
            time.sleep(1.0)
            driver.execute_script(
                "const speed = document.querySelector('[data-key=speed]'); speed.value = 4;"
                "speed.dispatchEvent(new Event('change')); document.querySelector('.play').click()"
            )
            time.sleep(1.0)
            (before, drawn), start = driver.execute_script(counts), time.perf_counter()
            time.sleep(chosen.seconds)
            (after, then), passed = driver.execute_script(counts), time.perf_counter() - start
            found.append(((after - before) / passed, (then - drawn) / passed))
            print(f"{found[-1][0]:8,.0f} steps and {found[-1][1]:5.1f} drawings a second", flush=True)
    driver.quit()
    middle = sorted(steps for steps, _ in found)[len(found) // 2]
    holds = middle >= GOAL
    verdict = "holds" if holds else "FALLS SHORT"
    print(f"median {middle:,.0f} steps a second (goal: at least {GOAL:,}): {verdict}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
