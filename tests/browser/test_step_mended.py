"""The page of a step: optimizers, names, rows, long nets, tried rates, insides, nudges, questions."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pytest

import nnlite as nn
from browser.browser_tools import Page, flowers, mazur
from nnlite.inspect import explain_step
from nnlite.inspect.page import COMMON, STEP, document, read_words, render
from nnlite.inspect.page.payload import payload, to_json
from nnlite.inspect.step_scan import _label

Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

WORDS = read_words("nnlite.inspect.page")
OPTIMIZERS = {
    "SGD": nn.SGD(0.3, weight_decay=0.1),
    "momentum": nn.SGD(0.3, momentum=0.9),
    "nesterov": nn.SGD(0.3, momentum=0.9, nesterov=True, clip_norm=0.01),
    "Adam": nn.Adam(0.01, weight_decay=0.1),
    "amsgrad": nn.Adam(0.01, amsgrad=True),
    "AdamW": nn.AdamW(0.01, weight_decay=0.5),
    "NAdam": nn.NAdam(0.01),
    "RMSProp": nn.RMSProp(0.01),
    "RMSProp with momentum": nn.RMSProp(0.01, momentum=0.9, clip_value=0.01),
    "Adagrad": nn.Adagrad(0.1),
    "Lion": nn.Lion(0.01, weight_decay=0.5),
}


def small(optimizer: Any, steps: int = 3, dtype: str = "float64") -> Any:
    """Make some steps of XOR, and give the last one."""
    data = nn.datasets.xor()
    model: Any = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 2)], rng=0, dtype=dtype)
    for _ in range(steps):
        trace = explain_step(
            model, data.X, data.y, nn.SoftmaxCrossEntropy(), optimizer, class_names=data.class_names
        )
        model, optimizer = trace.trained, trace.optimizer
    return trace


def long() -> Any:
    """Make a step of ten layers, most to blame in the last of them."""
    layers = [layer for _ in range(9) for layer in (nn.Dense(4, 4), nn.Tanh())]
    model = nn.Sequential([*layers, nn.Dense(4, 1)], rng=0)
    x = np.random.default_rng(0).normal(size=(5, 4))
    return explain_step(model, x, x[:, :1], nn.MeanSquaredError(), nn.SGD(0.1))


def joined() -> Any:
    """Make a step of a net with branches, and one layer for all parts of a row."""
    inside = [nn.Dense(3, 2), nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 12)])]
    model = nn.Sequential([nn.Concatenate(inside), nn.Tanh(), nn.Dense(14, 1)], rng=0)
    x = np.random.default_rng(0).normal(size=(6, 3))
    return explain_step(model, x, x[:, :1], nn.MeanSquaredError(), nn.SGD(0.1))


# The update.


def value_of(text: str) -> tuple[float, float]:
    """Compute the left side of a line of arithmetic, and read its right side."""
    left, right = text.rsplit(" = ", 1)
    left = left.rpartition(": ")[2].replace("\u00b2", "**2").replace("^", "**")
    left = re.sub(r"\u221a([\d.e+-]+)", r"np.sqrt(\1)", left).replace("sign", "np.sign")
    return float(eval(left, {"np": np})), float(right)


def chosen(page: Page) -> list[int]:
    """Return the layer and the places of the weight that is looked at."""
    return [int(text) for text in re.findall(r"\d+", page.probe("texts", ".of-weight h3 code")[0])]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_update_says_what_the_optimizer_does_and_computes_it(page: Page, name: str) -> None:
    trace = small(OPTIMIZERS[name])
    page.show(render(trace)).ready().go(6)
    rule = name if f"rule_{name}" in WORDS else name.split()[0].replace("amsgrad", "Adam")
    assert page.probe("texts", ".lead")[0].startswith(WORDS[f"rule_{rule}"])
    lines = page.probe("texts", ".lines li")
    assert lines
    parts = [
        part for line in lines for part in line.replace("too small yet", "").split(", ") if " = " in part
    ]
    for line in parts:
        computed, said = value_of(line)
        # All numbers in a line are rounded to four digits.
        assert computed == pytest.approx(said, rel=5e-3, abs=1e-6), line
    layer, i, j = chosen(page)
    parameter = trace.to_dict()["stages"][layer // 2 + 1]["steps"][0]["parameters"]["W"]
    change = parameter["after"][i][j] - parameter["before"][i][j]
    if name == "NAdam":  # its formula is too long for a line
        assert len(lines) == 2
        return
    last = page.run(
        "return [...document.querySelectorAll('.lines li')].at(-1).querySelector('data:last-of-type').value"
    )
    assert float(last) == pytest.approx(change, rel=1e-12)


def test_an_optimizer_of_ones_own_says_what_it_keeps(page: Page) -> None:
    class Slow(nn.Optimizer):
        @property
        def slots(self) -> tuple[str, ...]:
            return ("seen",)

        def update(self, w: Any, g: Any, rate: Any, decay: Any, *state: Any) -> None:
            state[0][...] += abs(g)
            w -= rate * g

    page.show(render(small(Slow(0.1)))).ready().go(6)
    assert page.probe("texts", ".lead")[0].startswith(WORDS["rule_other"])
    assert [line.partition(":")[0] for line in page.probe("texts", ".lines li")] == ["seen"]


def test_a_frozen_weight_says_so(page: Page) -> None:
    model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    model[0].freeze()
    page.show(render(explain_step(model, [[1.0, 2.0]], [[0.0]], nn.MeanSquaredError(), nn.Adam()))).ready()
    page.go(6)
    page.click(*page.probe("spots")["0.W[0, 0]"])
    assert WORDS["frozen"] in page.probe("texts", ".of-weight p")
    assert page.probe("texts", ".lines") == []


# Rows, columns and classes.


def test_it_opens_on_the_row_with_the_largest_loss(page: Page) -> None:
    trace = flowers()
    losses = trace.to_dict()["loss"]["rows"]
    weight = np.ones(32)
    weight[20:] = 9.0  # so that it is one of the last
    data = nn.datasets.iris()
    rows = np.random.default_rng(0).permutation(150)[:32]
    model = nn.Sequential([nn.Dense(4, 5), nn.Tanh(), nn.Dense(5, 3)], rng=0)
    trace = explain_step(
        model, data.X[rows], data.y[rows], nn.SoftmaxCrossEntropy(), nn.SGD(0.1), weight=weight,
        class_names=data.class_names,
    )  # fmt: skip
    found = trace.to_dict()
    losses = np.array(found["loss"]["rows"]) * weight / weight.mean()
    worst = int(losses.argmax())
    assert worst >= 20
    assert found["loss"]["worst"] == worst
    page.show(render(trace)).ready().go(2)
    options = page.probe("texts", ".rows option")
    assert options == [*(f"row {row} (of 32)" for row in range(7)), f"row {worst} (of 32), the largest loss"]
    assert (
        page.run("return document.querySelector('.rows select').selectedOptions[0].textContent")
        == options[-1]
    )
    answers = [value for stage in found["stages"][1:] for value in stage["steps"][-1]["out"][worst]]
    assert page.numbers(".neuron .value")[4:] == answers
    page.go(3)
    assert f"row {worst}: {found['loss']['filled_rows'][worst]}" in page.probe("texts", ".sum")
    # The rows that are not listed still add up with the others.
    page.go(4)
    *parts, gradient = page.numbers(".card > .table data")
    assert sum(parts) == pytest.approx(gradient, rel=1e-4)
    assert page.probe("texts", ".card > .table tr.here th") == [f"row {worst}"]


def test_classes_and_columns_have_their_names_everywhere(page: Page) -> None:
    data = nn.datasets.iris()
    model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 4), nn.Tanh(), nn.Dense(4, 3)], rng=0)
    model[0].adapt(data.X)
    model.feature_names = data.feature_names
    trace = explain_step(
        model, data.X[::40], data.y[::40], nn.SoftmaxCrossEntropy(), nn.SGD(0.1), class_names=data.class_names
    )
    assert "->  setosa" in str(trace)
    page.show(render(trace)).ready()
    for beat in range(1, 8):
        page.go(beat)
        assert not re.search(r"class \d", page.run("return document.querySelector('main').innerText"))
    page.go(1)
    assert page.probe("texts", "td.target") == ["setosa (0)", "setosa (0)", "versicolor (1)", "virginica (2)"]
    names = page.probe("texts", ".panel .table:nth-of-type(2) tbody th")
    assert names == list(data.feature_names)
    raw = trace.to_dict()["data"]["x"][trace.to_dict()["loss"]["worst"]]
    assert [float(text) for text in page.probe("numbers", ".net .under")[:4]] == raw
    page.go(3)
    assert page.probe("texts", ".panel .table:last-of-type tbody th")
    assert {"setosa", "versicolor", "virginica"} <= set(page.probe("texts", ".net .name"))


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_of_one_output_the_classes_are_the_lower_and_the_higher(page: Page, low: float) -> None:
    X, y = nn.datasets.xor()
    loss: Any = nn.Hinge() if low else nn.BinaryCrossEntropy()
    model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    targets = np.where(y == 1, 1.0, low)[:, None]
    page.show(render(explain_step(model, X, targets, loss, nn.SGD(0.1), class_names=["equal", "different"])))
    assert [text.split()[0] for text in page.ready().probe("texts", "td.target")] == [
        "equal", "different", "different", "equal",
    ]  # fmt: skip
    assert page.probe("texts", ".net .name")[-1] == "different"


# The drawing.


@pytest.mark.parametrize("width", [390, 1100])
def test_ten_layers_scroll_to_what_is_chosen(page: Page, width: int) -> None:
    page.show(render(long()), width=width).ready().go(4)
    seen = """
        const place = document.querySelector(".drawing").getBoundingClientRect();
        const part = document.querySelector(".picked .line, .picked .body, .picked .badge");
        const box = part.getBoundingClientRect();
        return place.left - 1 <= box.left && box.right <= place.right + 1;
    """
    assert page.run(
        "const place = document.querySelector('.drawing'); return place.scrollWidth > place.clientWidth"
    )
    assert page.run(seen)
    left = page.run("return document.querySelector('.drawing').scrollLeft")
    assert left > 0
    for beat in (6, 7):
        page.go(beat)
        assert page.run("return document.querySelector('.drawing').scrollLeft") == left, (
            "it stays where it was"
        )
        assert page.run(seen)
    # By keys from the first weight on, through all layers.
    page.run(
        "const list = document.querySelector('[data-key=chooser]'); list.value = '0.W[0, 0]';"
        "list.dispatchEvent(new Event('change'))"
    )
    assert page.run("return document.querySelector('.drawing').scrollLeft") < left
    page.run("document.querySelector(\".pick[tabindex='0']\").focus()")
    for _ in range(60):
        page.press(Keys.ARROW_DOWN)
        assert page.run(seen)
    page.go(2)
    for _ in range(30):
        page.driver.find_element("css selector", "[data-key=next]").send_keys(Keys.ENTER)
        assert page.run(seen)


@pytest.mark.parametrize("dark", [False, True])
def test_a_label_on_a_thick_line_can_be_read(page: Page, dark: bool) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    for trace in (mazur(), small(nn.SGD(0.1))):
        page.show(render(trace), dark=dark).ready().go(4)
        page.whole()
        boxes = page.run(
            """return [...document.querySelectorAll(".signs .plate")].map(plate => {
              const { x, y, width, height } = plate.getBoundingClientRect();
              const text = plate.nextSibling;
              const box = text.getBoundingClientRect();
              const inside = x <= box.x + 1 && box.right <= x + width + 1;
              return [x, y, width, height, inside, getComputedStyle(text).fill];
            })"""
        )
        assert len(boxes) > 3
        picture = plt.imread(io.BytesIO(page.driver.get_screenshot_as_png()))[..., :3]
        for x, y, width, height, inside, fill in boxes:
            assert inside
            # What lies around the letters, on the plate: just inside of its edges.
            top, bottom, left, right = int(y + 2), int(y + height - 2), int(x + 3), int(x + width - 3)
            ground = picture[[top] * (right - left) + [bottom] * (right - left), [*range(left, right)] * 2]
            ink = np.array([int(part) / 255 for part in re.findall(r"\d+", fill)[:3]])
            assert min(contrast(ink, pixel) for pixel in ground) >= 4.5


def contrast(a: Any, b: Any) -> float:
    """Compute how far two colours stand out from each other, as WCAG does."""
    light = []
    for colour in (a, b):
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(light) + 0.05) / (min(light) + 0.05)


# The fog.


@pytest.mark.parametrize("rate", [0.001, 0.3, 30.0])
def test_a_tried_rate_renews_the_verdict(page: Page, rate: float) -> None:
    fog = small(nn.SGD(rate), steps=1).to_dict()["fog"]
    page.show(render(small(nn.SGD(rate), steps=1))).ready().go(5)
    label = page.probe("texts", ".verdict strong")[0]
    assert label == fog["label"]
    assert page.probe("texts", ".verdict h3")[0].startswith("Your rate")
    numbers = re.findall(r"-?\d[\d.]*(?:e[+-]?\d+)?", fog["why"])
    shown = re.findall(r"-?\d[\d.]*(?:e[+-]?\d+)?", page.probe("texts", ".verdict p")[0])
    assert [float(text.rstrip(".")) for text in shown] == [float(text.rstrip(".")) for text in numbers]
    for n, (tried, loss) in enumerate(zip(fog["rates"], fog["losses"], strict=True)):
        page.run(
            "const slide = document.querySelector('.own-keys'); slide.value = arguments[0];"
            "slide.dispatchEvent(new Event('input'))",
            n,
        )
        expected = _label(
            tried, np.inf if loss is None else loss, fog["loss_before"], fog["best_rate"], fog["best_loss"]
        )
        assert page.probe("texts", ".verdict strong") == [expected]
        assert page.numbers(".verdict h3 data") == [tried]
        assert expected in page.run(
            "return document.querySelector('.own-keys').getAttribute('aria-valuetext')"
        )
        why = page.probe("texts", ".verdict p")[0]
        assert ("rises" in why) == (loss is not None and loss > fog["loss_before"])


# Layers made of others.


def test_a_layer_of_branches_shows_its_inside(page: Page) -> None:
    trace = joined()
    found = trace.to_dict()
    row = found["loss"]["worst"]
    holds = found["stages"][1]["steps"][0]["holds"]
    assert [inner["place"] for inner in holds] == ["0.0", "0.1.0", "0.1.1", "0.1.2"]
    # Side by side the last of each branch are what the whole answers, and so is the blame.
    whole = found["stages"][1]["steps"][0]
    for name in ("out", "blame"):
        np.testing.assert_array_equal(np.hstack([holds[0][name], holds[3][name]]), np.array(whole[name]))
    page.show(render(trace)).ready().go(2)
    rows = page.probe("texts", ".card table th[scope=row]")
    assert rows == [f"{inner['place']} {inner['text']}" for inner in holds]
    shown = page.numbers(".card table data")
    assert shown == [value for inner in holds for value in inner["out"][row][:8]]
    assert "+4 more" in page.probe("texts", ".card table td")[-1]
    page.go(4)
    shown = page.numbers(".panel > .table data")
    assert shown == [value for inner in holds for value in inner["blame"][row][:8]]


# Nudges of one's own.


def played(trace: Any) -> str:
    """Write a page with an engine, of which only the nudges are needed."""
    return document(
        to_json({**payload(trace.to_dict()), "title": "A page that can compute"}),
        (COMMON, STEP, ("browser", "nudging.js")),
        WORDS,
        [("nnlite.inspect.page", "page.css")],
        heading="A page that can compute",
        text="",
    )


def test_a_nudge_of_ones_own_is_made_where_the_page_can_compute(page: Page) -> None:
    page.show(played(mazur())).ready().go(7)
    field = page.driver.find_element("css selector", ".nudge input")
    code = page.probe("texts", ".of-weight h3 code")[0]
    assert page.run("return window.asked.at(-1)") == [code, 1e-5]
    field.clear()
    field.send_keys("0.25")
    assert page.run("return window.asked.at(-1)") == [code, 0.25]
    assert page.beat().startswith("7."), "digits in the field turn no beat"
    assert page.numbers(".of-weight [role=status] data") == [0.25, 1.5, 2.5, 4.0, 3.25]
    # It is kept for the next weight, and nonsense says nothing.
    page.click(*page.probe("spots")["0.W[0, 0]"])
    assert page.run("return window.asked.at(-1)") == ["0.W[0, 0]", 0.25]
    field = page.driver.find_element("css selector", ".nudge input")
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert page.numbers(".of-weight [role=status] data") == []
    for node, name in page.probe("names"):
        assert name, node


def test_without_an_engine_there_is_no_field_for_a_nudge(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready().go(7)
    assert page.run("return document.querySelectorAll('.nudge, input[type=number]').length") == 0


# Questions and analogies.


def ask(page: Page) -> None:
    page.run("document.querySelector('.ask input').focus()")
    page.press(" ")


@pytest.mark.parametrize("width", [390, 1100])
def test_questions_are_asked_before_the_answer_is_shown(page: Page, width: int) -> None:
    trace = small(nn.SGD(0.3), steps=1)
    found = trace.to_dict()
    page.show(render(trace), width=width).ready()
    for beat in range(1, 8):
        page.go(beat)
        assert page.run("return document.querySelectorAll('.question').length") == 0, "they are off at first"
    ask(page)
    asked = 0
    for beat, name in enumerate(found["beats"], start=1):
        page.go(beat)
        answers = page.probe("texts", ".question button")
        if not answers:
            assert name == "data"
            continue
        asked += 1
        # Nothing of the answer is in sight: neither the panel nor the picture of this beat.
        assert page.run("return document.querySelectorAll('.panel > *').length") == 1
        assert page.probe("collisions") == []
        assert page.run("return document.documentElement.scrollWidth") <= width
        for node, label in page.probe("names"):
            assert label, node
        assert page.probe("pale")[1] == []
        page.driver.find_elements("css selector", ".question button")[asked % len(answers)].click()
        told = page.probe("texts", ".question .told")[0]
        chosen = answers[asked % len(answers)]
        assert told.startswith(WORDS["said_right"]) == (f": {chosen}. " in told), told
        assert page.run("return document.querySelectorAll('.panel > *').length") > 1
        assert page.probe("texts", "[role=status]")[0] == told
    assert asked == 6
    page.go(4)
    assert page.probe("texts", ".question button") == [], "not twice"


def test_the_right_answers_are_those_of_the_step(page: Page) -> None:
    trace = small(nn.Adam(0.01))
    found = trace.to_dict()
    page.show(render(trace)).ready()
    ask(page)
    right = {}
    for beat, name in list(enumerate(found["beats"], start=1))[1:]:
        page.go(beat)
        page.driver.find_elements("css selector", ".question button")[0].send_keys(Keys.ENTER)
        right[name] = page.probe("texts", ".question .told")[0]
        if name == "blame":
            layer, i, j = chosen(page)
    weight = found["stages"][layer // 2 + 1]["steps"][0]["parameters"]["W"]
    row = found["loss"]["worst"]
    moved = weight["after"][i][j] - weight["before"][i][j]
    total = found["stages"][1]["steps"][0]["out"][row][0]
    nudged = {f"{c['parameter']}{c['index']}": c["gradient"] for c in found["proof"]["checks"]}[
        f"{layer}.W{[i, j]}"
    ]
    clueless = found["loss"]["clueless"]["value"]
    lower = found["update"]["loss_after"] < found["update"]["loss_before"]
    for name, answer in {
        "forward": "up" if total > 0 else "down",
        "loss": "down" if found["loss"]["value"] < clueless else "up",
        "blame": "up" if moved > 0 else "down",
        "fog": {"barely moves": "slow", "good": "good", "overshoots": "over"}[found["fog"]["label"]],
        "update": "down" if lower else "up",
        "proof": "up" if nudged > 0 else "down",
    }.items():
        assert f": {WORDS[f'ask_{name}_{answer}']}. " in right[name]


def test_on_paper_nothing_is_asked(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    ask(page)
    page.run("""dispatchEvent(new Event("beforeprint"))""")
    assert page.run("return document.querySelectorAll('.paper .question').length") == 0
    assert page.run("return document.querySelectorAll('.paper .chain').length") == 1
    page.run("""dispatchEvent(new Event("afterprint"))""")


def test_analogies_stand_beside_the_beats(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    found = []
    for beat in range(1, 8):
        page.go(beat)
        found += page.probe("texts", ".analogies p")
    assert found == [words for name, words in WORDS.items() if name.startswith("analogy_")]


# What another page leaves out.


def test_numbers_that_only_python_has_may_be_left_out(page: Page) -> None:
    data = payload(flowers(3).to_dict())
    del (
        data["data"]["rows"],
        data["data"]["class_names"],
        data["loss"]["worst"],
        data["optimizer"]["settings"],
    )
    del data["fog"]["why"], data["fog"]["over"]
    for stage in data["stages"]:
        for step in stage["steps"]:
            for name in ("mean", "scale"):
                step.pop(name, None)
            for parameter in step["parameters"].values():
                del parameter["kept"]
    text = json.dumps({**data, "title": "Bare"})
    whole = render(flowers(3))
    page.show(
        re.sub(
            r'(json">).*?(</script>)', lambda found: found[1] + text + found[2], whole, count=1, flags=re.S
        )
    )
    page.ready()
    for beat in range(1, 8):
        page.go(beat)
        shown = page.run("return document.querySelector('main').innerText")
        assert not re.search(r"undefined|NaN|null|\[object", shown)
