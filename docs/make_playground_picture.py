"""Make the moving picture of the playground: three spirals, learned in the page, photographed between epochs.

It needs Chromium and its driver, which Selenium finds or fetches: ``python -m pip install ".[test]" &&
python docs/make_playground_picture.py`` writes ``docs/images/playground.gif``.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver

from nnlite.cli.demo import Options
from nnlite.cli.play import page_for

IMAGE = Path(__file__).parent / "images" / "playground.gif"
#: How many epochs have been made in each frame: close together where much happens.
EPOCHS = (*range(0, 20, 2), *range(20, 61, 5))
#: How long a frame stays, and the last one, in milliseconds.
STAYS, ENDS = 250, 2500
WIDTH, HEIGHT, COLOURS = 900, 810, 96

#: Makes epochs by the button of the page, and answers once the page has drawn them.
TRAIN = """
const [epochs, done] = arguments;
const button = document.querySelector("[data-key=one_epoch]");
for (let n = 0; n < epochs; n++) button.click();
const frames = () => playground.counts().frames;
const before = frames();
const look = () => (frames() > before || !epochs ? done() : requestAnimationFrame(look));
requestAnimationFrame(look);
"""


def browser() -> Any:
    """Start a Chromium without a window, for which nothing moves by itself."""
    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "hide-scrollbars", "force-prefers-reduced-motion"):
        options.add_argument(f"--{flag}")
    driver = shutil.which("chromedriver")
    if driver:
        options.binary_location = shutil.which("chromium") or ""
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def frames(page: Path) -> list[Image.Image]:
    """Train in the page, and take a picture at each number of epochs."""
    driver = browser()
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(f"{page.as_uri()}?play")  # the picture before the settings
        driver.execute_async_script(
            "const look = () => window.playground && playground.counts().frames "
            "? arguments[0]() : setTimeout(look, 5); look()"
        )
        taken = []
        for before, after in pairwise((0, *EPOCHS)):
            driver.execute_async_script(TRAIN, after - before)
            taken.append(Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB"))
        return taken
    finally:
        driver.quit()


def main() -> None:
    """Train, draw, save."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "spirals.html")
        page_for(Options(data="spirals")).to_html(page, title="Three spirals")
        pictures = frames(page)
    # One palette for all, of the last frame, where colours are strongest: what did not change is not stored.
    palette = pictures[-1].quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    first, *others = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    stays = [STAYS] * len(others) + [ENDS]
    first.save(IMAGE, save_all=True, append_images=others, duration=stays, loop=0, optimize=True)
    print(f"{IMAGE} written, {IMAGE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
