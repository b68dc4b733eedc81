"""The playground in Chromium: what it trains, what can be set and touched, and that it can be read."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite as nn
from browser.browser_tools import Page
from nnlite.inspect import Playground, explain_step, playground

keys = pytest.importorskip("selenium.webdriver.common.keys").Keys


def xor() -> dict[str, Any]:
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 1)], rng=0)
    return {
        "model": model, "X": X, "y": y[:, None], "loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.3)
    }  # fmt: skip


def spirals() -> dict[str, Any]:
    X, y = nn.datasets.spirals(300, rng=0)
    layers = [
        nn.Standardize(2),
        nn.Dense(2, 8),
        nn.Tanh(),
        nn.Dropout(0.1),
        nn.Dense(8, 8),
        nn.ReLU(),
        nn.Dense(8, 3),
    ]
    model = nn.Sequential(layers, rng=1)
    return {
        "model": model, "X": X, "y": y, "loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.01),
        "validation": 0.2,
    }  # fmt: skip


def iris() -> dict[str, Any]:
    data = nn.datasets.iris()
    model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 3)], rng=0)
    model.feature_names = data.feature_names
    return {
        "model": model, "X": data.X, "y": data.y, "loss": nn.SoftmaxCrossEntropy(),
        "optimizer": nn.Adam(0.02), "validation": 0.2, "class_names": data.class_names,
    }  # fmt: skip


def digits() -> dict[str, Any]:
    X, y = nn.datasets.digits()
    model = nn.Sequential([nn.Dense(64, 24), nn.ReLU(), nn.Dense(24, 10)], rng=0)
    return {
        "model": model, "X": X / 16, "y": y, "loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.003),
        "validation": (X[:100] / 16, y[:100]),
    }  # fmt: skip


def sine() -> dict[str, Any]:
    X, y = nn.datasets.sine(200, rng=0)
    model = nn.Sequential([nn.Dense(1, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    return {"model": model, "X": X, "y": y, "loss": nn.Huber(0.5), "optimizer": nn.Adam(0.02)}


NETS = {make.__name__: make for make in (xor, spirals, iris, digits, sine)}


def shown(page: Page, given: dict[str, Any], **how: Any) -> Page:
    """Open the playground of a net, and wait until it stands."""
    page.show(playground(**given).to_html(), **how)
    page.driver.set_script_timeout(20)
    page.driver.execute_async_script(
        "const done = arguments[0]; const look = () => window.playground && document.querySelector('.card') "
        "? done() : setTimeout(look, 5); look()"
    )
    return page


def press(page: Page, key: str, times: int = 1) -> None:
    for _ in range(times):
        page.run(f"document.querySelector('[data-key=\"{key}\"]').click()")


def set_to(page: Page, key: str, value: Any) -> None:
    page.run(
        'const node = document.querySelector(`[data-key="${arguments[0]}"]`); node.value = arguments[1];'
        "for (const kind of ['input', 'change']) node.dispatchEvent(new Event(kind, { bubbles: true }))",
        key,
        value,
    )


def state(page: Page) -> dict[str, Any]:
    script = "const done = arguments[0]; window.playground.state().then(found => done(JSON.stringify(found)))"
    found: dict[str, Any] = json.loads(page.driver.execute_async_script(script))
    return found


def saved(page: Page, folder: Path) -> Any:
    """Read what the page would save as a model."""
    path = folder / "saved.json"
    path.write_text(json.dumps(state(page)), encoding="utf-8")
    return Playground.read(path)


def drawn(page: Page) -> None:
    """Wait until what was changed is drawn."""
    page.driver.execute_async_script(
        "requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(arguments[0]), 60))"
    )


# What it trains.


@pytest.mark.parametrize("name", NETS)
def test_epochs_in_the_page_are_those_of_fit(page: Page, tmp_path: Path, name: str) -> None:
    given = NETS[name]()
    shown(page, given)
    press(page, "one_epoch", 5)
    there = saved(page, tmp_path)
    model = given["model"]
    model.fit(
        given["X"], given["y"], loss=given["loss"], optimizer=given["optimizer"], epochs=5,
        validation=given.get("validation"),
    )  # fmt: skip
    close = np.abs(there.params.values - model.params.values).max() / np.abs(model.params.values).max()
    assert close < 1e-5
    np.testing.assert_allclose(there.predict(given["X"]), model.predict(given["X"]), rtol=1e-3, atol=1e-5)


CHANGES = {
    "another seed": [("new_start", None), ("new_start", None)],
    "optimizer and rate": [("optimizer", "SGD momentum"), ("learning_rate", 30)],
    "neurons, a layer, an activation": [("more:0", None), ("add_layer", None), ("activation:1", "SiLU")],
    "dropout": [("dropout:0", "0.5")],
    "penalties": [("l1", 5), ("l2", 6)],
    "features, noise": [("feature:2", None), ("feature:5", None), ("noise", 2)],
    "more held out, larger batches": [("held_out", 8), ("batch_size", 6)],
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_code_gives_what_the_page_has_trained(page: Page, tmp_path: Path, name: str) -> None:
    given = spirals()
    shown(page, given)
    for key, value in CHANGES[name]:
        press(page, key) if value is None else set_to(page, key, value)
    press(page, "one_epoch", 4)
    code = page.run("return window.playground.code()")
    scope: dict[str, Any] = {"X": given["X"], "y": given["y"]}
    exec(code.replace("X, y = ...", "pass"), scope)
    there, here = saved(page, tmp_path), scope["model"]
    assert [
        type(layer) for _, layer in here.walk() if not isinstance(layer, nn.Sequential | nn.ParameterGroup)
    ] == [type(layer) for layer in there.layers]
    close = np.abs(there.params.values - here.params.values).max() / np.abs(here.params.values).max()
    assert close < 2e-5


def test_a_link_brings_everything_back(page: Page, tmp_path: Path) -> None:
    shown(page, spirals())
    press(page, "more:0")
    set_to(page, "learning_rate", 35)
    press(page, "step", 7)
    before = state(page)
    link = page.driver.execute_async_script("window.playground.link().then(arguments[0])")
    page.driver.get("about:blank")
    page.driver.get(link)
    page.driver.execute_async_script(
        "const done = arguments[0]; const look = () => window.playground && document.querySelector('.card') "
        "? done() : setTimeout(look, 5); look()"
    )
    after = state(page)
    assert after == before
    press(page, "step", 3)  # and it goes on from there
    assert state(page)["training"]["steps"] == 10


def test_a_step_is_explained_as_python_does(page: Page) -> None:
    given = iris()
    model, X, y = given["model"], given["X"], given["y"]
    del given["validation"]
    shown(page, {**given, "batch_size": 150})
    there = page.run(
        "const { nudge, ...trace } = window.playground.trace(); return JSON.parse(JSON.stringify(trace))"
    )
    model[0].adapt(X)
    order = np.random.default_rng(0).permutation(150)
    here = explain_step(model, X[order], y[order], given["loss"], given["optimizer"]).to_dict()
    assert there["loss"]["value"] == pytest.approx(here["loss"]["value"], rel=1e-6)
    assert there["loss"]["clueless"]["value"] == pytest.approx(here["loss"]["clueless"]["value"], rel=1e-6)
    fog, true = there["fog"], here["fog"]
    assert fog["label"] == true["label"]
    for name in ("loss_before", "loss_after", "slope", "curvature"):
        assert fog[name] == pytest.approx(true[name], rel=1e-3), name
    for name in ("loss_before", "loss_after"):
        assert there["update"][name] == pytest.approx(here["update"][name], rel=1e-5)
    tops = [(entry["parameter"], tuple(entry["index"])) for entry in there["blame"]["top"]]
    assert set(tops[:5]) == {
        (entry["parameter"], tuple(entry["index"])) for entry in here["blame"]["top"][:5]
    }
    ours = {f"{check[0]}{check[1]}": check for check in there["proof"]["checks"]}
    for check in here["proof"]["checks"]:
        mine = ours[f"{check['parameter']}{check['index']}"]
        assert mine[6] == pytest.approx(check["gradient"], rel=1e-4, abs=1e-7)
        assert mine[7] > 5 or mine[8]
    # Looking at a step does not make it.
    assert page.run("return window.playground.counts().steps") == 0


def test_steps_are_explained_one_after_the_other(page: Page) -> None:
    shown(page, xor())
    press(page, "explain")
    title = "return document.querySelector('.step-box h1').textContent"
    assert page.run(title).startswith("Step 1")
    on = page.driver.find_elements("css selector", ".step-bar button")
    on[1].click()
    assert page.run(title).startswith("Step 2")
    assert page.run("return window.playground.counts().steps") == 1
    on[0].click()
    assert page.run(title).startswith("Step 1")
    assert page.run("return window.playground.counts().steps") == 0
    page.press(keys.ARROW_RIGHT)  # the beats keep their keys
    assert page.run("return document.querySelector('.step-box h2').textContent").startswith("2.")
    page.press(keys.ESCAPE)
    assert not page.run("return document.querySelector('.step-box').open")


# What can be touched.


def test_play_trains_and_pause_stops(page: Page) -> None:
    shown(page, spirals())
    steps = "return window.playground.counts().steps"
    press(page, "play")
    page.driver.execute_async_script("setTimeout(arguments[0], 400)")
    press(page, "play")
    made = page.run(steps)
    assert made > 10
    page.driver.execute_async_script("setTimeout(arguments[0], 150)")
    assert page.run(steps) == made
    press(page, "reset")
    assert page.run(steps) == 0


def opening(page: Page, *, motion: bool) -> Page:
    """Open the playground as a page around it does."""
    shown(page, spirals(), motion=motion)
    page.driver.get(f"{page.driver.current_url}?play")
    until(page, "window.playground && playground.counts().frames")
    return page


def until(page: Page, what: str) -> None:
    """Wait for something in the page."""
    page.driver.execute_async_script(
        f"const look = () => {what} ? arguments[0]() : setTimeout(look, 5); look()"
    )


STEPS = "return playground.counts().steps"
PRESSED = "document.querySelector('[data-key=play]').getAttribute('aria-pressed')"


def test_an_opening_plays_by_itself_until_the_reader_does_something(page: Page) -> None:
    opening(page, motion=True)
    until(page, "playground.counts().steps > 3")
    order = page.run("return [...document.querySelectorAll('.stage, .options')].map(node => node.className)")
    assert order == ["stage", "options"]
    # Out of sight it waits, in sight it goes on.
    page.run("document.querySelector('main').style.display = 'none'")
    until(page, f"{PRESSED} === 'false'")
    before = page.run(STEPS)
    page.run("document.querySelector('main').style.display = ''")
    until(page, f"playground.counts().steps > {before}")
    # Paused by the reader, it stays so.
    box = page.run("return document.querySelector('[data-key=play]').getBoundingClientRect().toJSON()")
    page.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(page, f"{PRESSED} === 'false'")
    before = page.run(STEPS)
    for display in ("none", ""):
        page.run("document.querySelector('main').style.display = arguments[0]", display)
        drawn(page)
    assert page.run(STEPS) == before


def test_an_opening_stays_still_for_those_who_want_no_motion(page: Page) -> None:
    opening(page, motion=False)
    drawn(page)
    assert page.run(STEPS) == 0
    assert page.run(f"return {PRESSED}") == "false"


def test_a_weight_turned_moves_the_loss_and_the_gradient_had_foretold_it(page: Page) -> None:
    shown(page, xor())
    page.driver.find_element("css selector", ".neuron[data-node='1:0']").click()
    drawn(page)
    page.driver.find_element("css selector", "[data-key='choose:weight:1:1:0']").click()
    drawn(page)
    start = float(page.run("return document.querySelector('[data-key=\"chosen:typed\"]').value"))
    set_to(page, "chosen:typed", start + 0.001)
    drawn(page)
    told = page.numbers(".foretold data")
    assert told[0] == pytest.approx(0.001, rel=1e-2)
    # So small a turn changes the loss by nearly what the gradient says.
    assert told[2] == pytest.approx(told[1], rel=0.05)


def test_a_row_can_be_moved(page: Page) -> None:
    shown(page, sine())
    loss = page.numbers(".row-card .facts data")[-1]
    set_to(page, "input:0:typed", 2.5)
    drawn(page)
    assert page.numbers(".row-card .facts data")[-1] != loss
    press(page, "row_back")
    drawn(page)
    assert page.numbers(".row-card .facts data")[-1] == loss


def test_an_image_can_be_painted_on_by_keys(page: Page) -> None:
    shown(page, digits())
    before = page.numbers(".row-card .facts data")[-1]
    canvas = page.driver.find_element("css selector", ".paint")
    page.run("arguments[0].focus()", canvas)
    page.press(keys.ARROW_DOWN, keys.ARROW_RIGHT, keys.SPACE)
    page.run("arguments[0].blur()", canvas)
    page.run("document.querySelector('.neuron[data-node=\"2:0\"]').click()")
    drawn(page)
    assert page.numbers(".row-card .facts data")[-1] != before


def test_every_control_is_reached_by_keys_and_has_a_name(page: Page) -> None:
    shown(page, spirals())
    controls = page.run(
        "return [...document.querySelectorAll('main button, main input, main select, main textarea')]"
        ".filter(node => node.getClientRects().length)"
        ".map(node => [node.tagName, node.tabIndex,"
        " (node.labels && [...node.labels].map(label => label.textContent).join(' '))"
        " || node.getAttribute('aria-label') || node.textContent, node.closest('.neuron-buttons') !== null])"
    )
    assert len(controls) > 40
    for tag, stop, name, roving in controls:
        assert (name or "").strip(), tag
        assert stop >= 0 or roving
    # Play by the space bar; the neurons are one stop, and arrows go between them.
    page.run("document.querySelector('.play').focus()")
    page.press(keys.SPACE)
    assert page.run("return document.querySelector('.play').getAttribute('aria-pressed')") == "true"
    page.press(keys.SPACE)
    page.run("document.querySelector('.neuron').focus()")
    page.press(keys.ARROW_RIGHT, keys.ARROW_DOWN, keys.ENTER)
    drawn(page)
    assert page.run("return document.activeElement.dataset.node").startswith("1:")
    assert page.run("return document.querySelectorAll('.inspector .card h3')[1].textContent").startswith(
        "Neuron h1."
    )


# Exercises, and the projector.


def opened(page: Page, given: dict[str, Any], **how: Any) -> None:
    """Open the exercises by the keyboard."""
    shown(page, given, **how)
    page.run("document.querySelector('.exercises > summary').focus()")
    page.press(keys.ENTER)
    drawn(page)


def done(page: Page) -> set[str]:
    drawn(page)
    return set(
        page.run(
            "return [...document.querySelectorAll('[data-done=true]')].map(node => node.dataset.exercise)"
        )
    )


def hushed(page: Page) -> str:
    said: str = page.run("return document.querySelector('[role=status].said').textContent")
    return said


def test_exercises_are_those_that_fit_the_data(page: Page) -> None:
    names = (
        "return [...document.querySelectorAll('[data-exercise]')].filter(node => !node.hidden)"
        ".map(node => node.dataset.exercise)"
    )
    shown(page, xor())
    assert not page.run("return document.querySelector('.exercises').open")
    opened(page, xor())
    assert page.run(names) == ["overshoot", "rate", "separate", "bias", "die", "revive"]
    opened(page, sine())
    assert page.run(names) == ["overshoot", "rate", "die", "revive"]
    opened(page, digits())
    assert page.run(names) == ["overshoot", "rate", "bias", "die", "revive", "overfit"]
    assert done(page) == set()


def test_too_large_a_rate_overshoots_and_a_good_one_learns(page: Page) -> None:
    opened(page, xor())
    press(page, "step", 3)
    assert "overshoot" not in done(page)
    set_to(page, "learning_rate", 60)  # 10
    press(page, "step", 3)
    assert "overshoot" in done(page)
    assert "Overshot" in hushed(page)
    press(page, "new_start")
    assert "overshoot" in done(page)  # kept until Reset
    press(page, "reset")
    assert done(page) == set()
    opened(page, iris())
    press(page, "one_epoch", 20)
    assert done(page) == {"rate"}


def test_a_rate_that_needs_more_epochs_is_not_taken(page: Page) -> None:
    opened(page, {**iris(), "optimizer": nn.Adam(1e-5)})
    press(page, "one_epoch", 21)
    set_to(page, "learning_rate", 40)
    press(page, "one_epoch", 20)
    assert "rate" not in done(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_neuron_dies_and_lives_again(page: Page, screenshot: Any, dark: bool) -> None:
    opened(page, xor(), dark=dark)
    set_to(page, "activation:0", "ReLU")
    assert done(page) == set()
    page.run("document.querySelector(\".neuron[data-node='1:2']\").click()")
    drawn(page)
    set_to(page, "b:1:2:typed", -50)
    found = done(page)
    assert "die" in found
    assert "revive" not in found
    set_to(page, "b:1:2:typed", 0.5)
    assert "revive" in done(page)
    assert "lives again" in hushed(page)
    page.run("for (const hint of document.querySelectorAll('[data-exercise] details')) hint.open = true")
    assert page.probe("pale")[1] == []
    screenshot(f"playground-exercises-{'dark' if dark else 'light'}")


def test_a_bias_alone_changes_an_answer_but_a_weight_is_none(page: Page) -> None:
    opened(page, xor())
    answer = "return document.querySelector('.row-card .facts b, .row-card b').textContent"
    page.run("document.querySelector(\".neuron[data-node='2:0']\").click()")
    drawn(page)
    before = page.run(answer)
    for size in (-9, 9):
        set_to(page, "w:2:0:0:typed", size)
        drawn(page)
    assert "bias" not in done(page)
    found = []
    for size in (-9, 9):
        set_to(page, "b:2:0:typed", size)
        drawn(page)
        found.append(page.run(answer))
    assert done(page) >= {"bias"}
    assert len({before, *found}) > 1


def test_xor_is_separated_by_few_neurons_and_not_by_nine(page: Page) -> None:
    given = {**xor(), "optimizer": nn.Adam(0.05)}
    opened(page, given)
    press(page, "more:0", 5)
    press(page, "one_epoch", 200)
    assert page.run("return [...document.querySelectorAll('.counters dd')].at(-1).textContent") == "100 %"
    assert "separate" not in done(page)
    press(page, "fewer:0", 1)
    press(page, "one_epoch", 200)
    assert "separate" in done(page)


def test_learning_by_heart_is_seen(page: Page) -> None:
    X, y = nn.datasets.spirals(24, noise=0.5, rng=0)
    model = nn.Sequential([nn.Dense(2, 32), nn.ReLU(), nn.Dense(32, 3)], rng=0)
    opened(page, {
        "model": model, "X": X, "y": y, "loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.03),
        "validation": 0.5,
    })  # fmt: skip
    for _ in range(12):
        press(page, "one_epoch", 20)
        drawn(page)
    assert "overfit" in done(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_for_a_projector_all_is_larger_and_there_is_less(
    page: Page, screenshot: Any, width: int, dark: bool
) -> None:
    shown(page, spirals(), width=width, dark=dark)
    count = (
        "return [...document.querySelectorAll('main button, main input, main select')]"
        ".filter(node => node.getClientRects().length).length"
    )
    many = page.run(count)
    page.run("document.querySelector('[data-key=projector]').focus()")
    page.press(keys.SPACE)
    drawn(page)
    assert (
        page.run("return document.querySelector('[data-key=projector]').getAttribute('aria-pressed')")
        == "true"
    )
    assert page.run(count) < many / 2
    assert page.run("return document.documentElement.scrollWidth") <= width
    larger = page.run(
        "const play = document.querySelector('.play');"
        "return play.getBoundingClientRect().height / play.offsetHeight"
    )
    assert larger == pytest.approx(1.4 if width > 900 else 1, rel=0.02)
    page.run("document.querySelector('.exercises > summary').click()")
    press(page, "one_epoch", 2)
    drawn(page)
    number, faint = page.probe("pale")
    assert number > 10
    assert faint == []
    screenshot(f"playground-projector-{width}-{'dark' if dark else 'light'}")
    link = page.driver.execute_async_script("window.playground.link().then(arguments[0])")
    page.driver.get("about:blank")
    page.driver.get(link)
    page.driver.execute_async_script(
        "const done = arguments[0]; const look = () => window.playground && document.querySelector('.card') "
        "? done() : setTimeout(look, 5); look()"
    )
    assert page.run("return document.documentElement.hasAttribute('data-projector')")


def test_a_click_meets_the_bias_where_a_projector_shows_it(page: Page) -> None:
    shown(page, xor(), width=1280)
    press(page, "projector")
    drawn(page)
    box = page.run(
        "const box = document.querySelector(\".neuron[data-node='1:0']\").getBoundingClientRect();"
        "return [box.x, box.y, box.width, box.height]"
    )
    x, y, _, height = box
    page.click(x + 2, y + height - 2)
    drawn(page)
    assert "bias of h0" in page.run("return document.querySelector('.weight-card h3').textContent")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_worksheet_is_black_on_white_and_its_solution_on_another_sheet(
    page: Page, screenshot: Any, dark: bool
) -> None:
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 2), nn.Tanh(), nn.Dense(2, 1)], rng=0)
    sheet = playground(model, X, y[:, None], nn.MeanSquaredError(), nn.SGD(0.5)).worksheet()
    page.show(sheet, width=760, dark=dark, scripts=False)
    colours = (
        "const style = getComputedStyle(document.body);"
        "return [style.color, style.backgroundColor, document.documentElement.scrollWidth]"
    )
    assert page.run(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)", 760]
    screenshot(f"worksheet-{'dark' if dark else 'light'}")

    def sheets(html: str) -> int:
        page.show(html, width=760, scripts=False)
        printed = page.command("Page.printToPDF", preferCSSPageSize=True)["data"]
        return len(re.findall(rb"/Type\s*/Page\b(?!s)", base64.b64decode(printed)))

    task, line, solution = sheet.partition('<section class="solution">')
    alone = f"{task.partition('<section')[0]}{line}{solution}"
    assert sheets(sheet) == sheets(task) + sheets(alone)


# What can be read.


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", NETS)
def test_it_can_be_read(page: Page, screenshot: Any, name: str, width: int, dark: bool) -> None:
    shown(page, NETS[name](), width=width, dark=dark)
    press(page, "one_epoch", 3)
    page.driver.find_element("css selector", ".neuron[data-node='1:1']").click()
    drawn(page)
    assert page.run("return document.documentElement.scrollWidth") <= width
    count, faint = page.probe("pale")
    assert count > 20
    assert faint == []
    screenshot(f"playground-{name}-{width}-{'dark' if dark else 'light'}")


def test_it_asks_no_host_for_anything(page: Page) -> None:
    html = playground(**iris()).to_html()
    assert re.findall(r"https?://[^\s\"'<]+", re.sub(r"http://www.w3.org/[\w/.]+", "", html)) == []
    page.command("Network.enable")
    shown(page, iris())
    press(page, "one_epoch")
    found = page.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert found == []


def test_a_rate_that_is_too_large_is_said(page: Page) -> None:
    given = spirals()
    given["optimizer"] = nn.SGD(1e6)
    shown(page, given)
    press(page, "one_epoch", 5)
    drawn(page)
    assert "learning rate" in page.run("return document.querySelector('[role=alert]').textContent")


def test_in_a_frame_it_is_as_high_as_it_needs(page: Page) -> None:
    page.show(f"<!doctype html><body>{playground(**xor())._repr_html_()}</body>")
    page.driver.execute_async_script("setTimeout(arguments[0], 1500)")
    height = page.run("return document.querySelector('iframe').getBoundingClientRect().height")
    inside = page.run(
        "return document.querySelector('iframe').contentDocument.querySelector('main').scrollHeight"
    )
    assert inside <= height < inside + 60
