"""The page in a real browser: reached by keys and mouse, equal to the numbers, and fit to be read."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from browser.browser_tools import MAKERS, Page, odd
from nnlite.inspect.page import fragment, render

Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

BEATS = ["Data", "Forward", "Loss", "Blame", "Fog", "Update", "Proof"]
TITLES = [f"{number}. {name}" for number, name in enumerate(BEATS, start=1)]
NETS = list(MAKERS)


def rounded(text: str, value: float) -> bool:
    """Tell whether a text is a number, rounded to the digits that it shows."""
    mantissa, _, power = text.lower().partition("e")
    behind = len(mantissa.partition(".")[2])
    return abs(float(text) - value) <= 0.5000001 * 10.0 ** (int(power or 0) - behind)


def worst(trace: Any) -> int:
    """Return the row on which the page opens."""
    row = trace.to_dict()["loss"]["worst"]
    assert row is not None
    return int(row)


# The beats.


def test_arrows_home_end_and_digits_reach_every_beat(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    seen = [page.beat()]
    for _ in range(6):
        page.press(Keys.ARROW_RIGHT)
        seen.append(page.beat())
    assert seen == TITLES
    page.press(Keys.ARROW_RIGHT)
    assert page.beat() == TITLES[-1]
    page.press(Keys.ARROW_LEFT)
    assert page.beat() == TITLES[-2]
    page.press(Keys.HOME)
    assert page.beat() == TITLES[0]
    page.press(Keys.END)
    assert page.beat() == TITLES[-1]
    for number, title in enumerate(TITLES, start=1):
        page.press(str(number))
        assert page.beat() == title


@pytest.mark.parametrize("width", [360, 1200])
def test_clicks_reach_every_beat(page: Page, traces: dict[str, Any], width: int) -> None:
    page.show(render(traces["2-2-2"]), width=width).ready()
    chips = page.driver.find_elements("css selector", ".chip")
    for chip, title in zip(chips, TITLES, strict=True):
        chip.click()
        assert page.beat() == title
        assert chip.get_attribute("aria-current") == "step"
    back, on = page.driver.find_elements("css selector", ".step")
    assert not on.is_enabled()
    for title in reversed(TITLES[:-1]):
        back.click()
        assert page.beat() == title
    assert not back.is_enabled()
    for title in TITLES[1:]:
        on.click()
        assert page.beat() == title


def test_the_scrubber_reaches_every_beat(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    page.run("document.querySelector('.scrubber').focus()")
    for title in TITLES[1:]:
        page.press(Keys.ARROW_RIGHT)
        assert page.beat() == title
        assert page.run("return document.activeElement.getAttribute('aria-valuetext')") == title
    page.press(Keys.HOME)
    assert page.beat() == TITLES[0]


def test_each_beat_is_said_aloud(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    for title in TITLES[1:]:
        page.press(Keys.ARROW_RIGHT)
        said = page.run(
            "const node = document.querySelector('[role=status][aria-live=polite]'); return node.textContent"
        )
        assert said.startswith(title)
        assert len(said) > 60


# Neurons and weights.


@pytest.mark.parametrize("net", ["2-2-2", "4-8-3", "deep"])
def test_every_neuron_can_be_clicked_and_says_its_sum(page: Page, traces: dict[str, Any], net: str) -> None:
    trace = traces[net]
    page.show(render(trace)).ready().go(2)
    page.whole()
    data = trace.to_dict()
    places = page.probe("spots")
    assert set(places) == {
        f"{s}:{u}" for s, stage in enumerate(data["stages"]) for u in range(stage["units"])
    }
    for key, place in places.items():
        page.click(*place)
        stage, unit = map(int, key.split(":"))
        text = page.run("return document.querySelector('.card .sum').textContent")
        told = trace.neuron(stage, unit, row=worst(trace))["text"].replace("->", "\u2192")
        if not stage and net == "4-8-3":  # the raw number, and what Standardize makes of it
            _, raw, mean, scale, value = page.numbers(".card .sum data")
            assert raw == data["data"]["x"][worst(trace)][unit]
            assert value == data["stages"][0]["steps"][0]["out"][worst(trace)][unit]
            assert (raw - mean) / scale == pytest.approx(value, rel=1e-5)
        else:
            assert text == (told if stage else f"reads {told}")
        assert page.run("return document.querySelector('.picked').dataset.key") == key


def test_the_sum_of_a_neuron_reads_like_one(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready().go(2)
    text = page.run("return document.querySelector('.card .sum').textContent")
    assert text == "0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid \u2192 0.5933"


def test_every_neuron_is_reached_by_keys(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["4-8-3"]
    page.show(render(trace)).ready().go(2)
    page.run("document.querySelector(\".pick[tabindex='0']\").focus()")
    seen = []
    for _ in range(15):
        page.press(Keys.ARROW_DOWN)
        focused = page.run("return document.activeElement.dataset.key")
        assert page.run("return document.querySelector('.picked').dataset.key") == focused
        seen.append(focused)
    assert len(set(seen)) == 15
    page.press(Keys.ARROW_UP)
    assert page.run("return document.activeElement.dataset.key") == seen[-2]
    # The arrows to the side still turn the beats.
    page.press(Keys.ARROW_RIGHT)
    assert page.beat() == TITLES[2]


def test_the_button_walks_through_the_neurons(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready().go(2)
    names = []
    for _ in range(6):
        names.append(page.run("return document.querySelector('.card h3').textContent"))
        page.driver.find_element("css selector", "[data-key=next]").send_keys(Keys.ENTER)
    assert names == [f"Neuron {name}" for name in ("h0", "h1", "o0", "o1", "x0", "x1")]


def codes(trace: Any) -> dict[str, dict[str, float]]:
    """Name every weight of the Dense layers, with its numbers."""
    found = {}
    for stage in trace.to_dict()["stages"]:
        for step in stage["steps"]:
            for parameter in step["parameters"].values():
                for index in np.ndindex(*parameter["shape"]):
                    code = f"{parameter['name']}[{', '.join(map(str, index))}]"
                    found[code] = {
                        n: float(np.array(parameter[n])[index]) for n in ("before", "grad", "after")
                    }
    return found


@pytest.mark.parametrize("net", ["2-2-2", "4-8-3", "deep"])
@pytest.mark.parametrize("width", [390, 1200])
def test_every_weight_can_be_clicked_and_shows_its_chain(
    page: Page, traces: dict[str, Any], net: str, width: int
) -> None:
    trace = traces[net]
    page.show(render(trace), width=width).ready().go(4)
    page.size(width, 3000)
    known = codes(trace)
    places = page.probe("spots")
    assert set(places) == set(known)
    for code, place in places.items() if width == 1200 else list(places.items())[::7]:
        page.click(*place)
        assert page.run("return document.querySelector('.panel .card h3 code').textContent") == code
        *factors, product = page.numbers(".chain data")
        # Where a tanh is saturated, its slope is what float32 leaves of 1 - 1.
        assert np.prod(factors) == pytest.approx(product, rel=1e-3, abs=1e-12)
        name, index = code.rstrip("]").split("[")
        chain = trace.factors(name, tuple(map(int, index.split(", "))))
        assert product == pytest.approx(chain["rows"][worst(trace)]["product"], rel=1e-3, abs=1e-12)
        assert page.numbers(".meaning data") == [known[code]["grad"]]


def test_what_is_chosen_is_said_aloud(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    for beat, words in (
        (2, "Neuron h0. 0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid \u2192 0.5933"),
        (4, "x0 \u2192 h0 0.W[0, 0]. The gradient is 0.0004386, above zero"),
        (6, "x0 \u2192 h0 0.W[0, 0]. 0.15000000 \u2192 0.14978072"),
        (7, "x0 \u2192 h0 0.W[0, 0]. "),
    ):
        page.go(beat)
        page.click(*page.probe("spots")["1:0" if beat == 2 else "0.W[0, 0]"])
        assert page.probe("texts", "[role=status]")[0].startswith(words)


def test_every_weight_is_reached_by_keys(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["4-8-3"]
    page.show(render(trace)).ready().go(7)
    page.run("document.querySelector(\".pick[tabindex='0']\").focus()")
    seen = set()
    for _ in codes(trace):
        page.press(Keys.ARROW_DOWN)
        seen.add(page.run("return document.activeElement.dataset.key"))
        assert page.run("return document.querySelector('.panel .card h3 code').textContent") in seen
    assert seen == set(codes(trace))


@pytest.mark.parametrize("beat", [4, 6, 7])
def test_every_weight_can_be_chosen_from_the_list(page: Page, traces: dict[str, Any], beat: int) -> None:
    page.show(render(traces["2-2-2"])).ready().go(beat)
    known = codes(traces["2-2-2"])
    options = page.run(
        "return [...document.querySelectorAll('[data-key=chooser] option')].map(node => node.value)"
    )
    assert set(options) == set(known)
    for code in options:
        page.run(
            "const list = document.querySelector('[data-key=chooser]'); list.value = arguments[0];"
            "list.dispatchEvent(new Event('change'))",
            code,
        )
        assert code in page.run(
            "return [...document.querySelectorAll('.panel .card h3 code')].map(node => node.textContent)"
        )


def test_the_blame_of_a_hidden_neuron_is_a_sum_over_its_listeners(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["2-2-2"]
    page.show(render(trace)).ready().go(4)
    page.click(*page.probe("spots")["0.W[0, 0]"])
    page.run("document.querySelector('details summary').click()")
    *products, total = page.numbers("details .sum data")
    assert products[0] * products[1] + products[2] * products[3] == pytest.approx(total, rel=1e-12)
    assert total == trace.to_dict()["stages"][1]["steps"][-1]["blame"][0][0]


def test_what_the_rows_add_is_the_gradient(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["4-8-3"]
    page.show(render(trace)).ready().go(4)
    *parts, gradient = page.numbers(".card > .table data")
    assert len(parts) == 9  # eight rows, and the other 24 together
    assert sum(parts) == pytest.approx(gradient, rel=1e-5)
    code = page.run("return document.querySelector('.panel .card h3 code').textContent")
    assert gradient == codes(trace)[code]["grad"]


# The numbers.


@pytest.mark.parametrize("net", NETS)
def test_what_is_shown_is_what_is_meant(page: Page, traces: dict[str, Any], net: str) -> None:
    page.show(render(traces[net])).ready()
    for beat in range(1, 8):
        page.go(beat)
        pairs = page.probe("written")
        if beat != 5:
            assert pairs
        for text, value in pairs:
            # Of some only the sign is written, or the number with its sign or a word in front.
            number = re.search(r"-?\d[\d.]*(e[+-]?\d+)?$", text.replace("\u2212", "-"))
            if number is None:
                assert text.strip("+\u22120") == ""
            else:
                assert rounded(number[0], float(value)), (text, value)


def test_the_numbers_of_every_beat_are_those_of_the_trace(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["4-8-3"]
    data, known = trace.to_dict(), codes(trace)
    page.show(render(trace)).ready()
    # Data
    row = worst(trace)
    shown = page.numbers(".table tr.here data")
    assert shown == [*data["data"]["x"][row], data["data"]["y"][row]]
    # Forward: what stands in the neurons
    page.go(2)
    answers = [value for stage in data["stages"] for value in stage["steps"][-1]["out"][row]]
    assert page.numbers(".neuron .value") == answers
    # Loss
    page.go(3)
    assert page.numbers(".lead data") == [data["loss"]["value"]]
    assert page.numbers(".compare data") == [data["loss"]["value"], data["loss"]["clueless"]["value"]]
    assert data["loss"]["filled"] in page.run("return document.querySelector('.panel').textContent")
    # Blame
    page.go(4)
    assert page.numbers(".top data") == [entry["grad"] for entry in data["blame"]["top"][:10]]
    blame = [
        value
        for stage in data["stages"]
        for step in stage["steps"][-1:]
        for value in (step["blame"][row] if step["blame"] else [])
    ]
    assert page.numbers(".neuron .value") == blame
    # Fog
    page.go(5)
    fog = data["fog"]
    assert page.numbers(".legend dd data") == [
        fog["loss_before"],
        fog["loss_after"],
        fog["forecast"],
        fog["best_loss"],
    ]
    assert page.numbers(".verdict h3 data") == [fog["rate"]]
    assert page.run("return document.querySelector('.verdict strong').textContent") == fog["label"]
    # Update
    page.go(6)
    rows = page.probe("weightRows")
    assert {code for code, *_ in rows} == set(known)
    for code, before, after, change in rows:
        numbers = known[code]
        assert [float(before), float(after)] == [numbers["before"], numbers["after"]]
        assert float(change) == numbers["after"] - numbers["before"]
    update = data["update"]
    assert page.numbers(".compare data") == [update["loss_before"], update["loss_after"], fog["forecast"]]
    # Proof
    page.go(7)
    rows = page.probe("weightRows")
    checks = {f"{c['parameter']}[{', '.join(map(str, c['index']))}]": c for c in data["proof"]["checks"]}
    assert {code for code, *_ in rows} == set(checks)
    for code, difference, gradient, *digits in rows:
        check = checks[code]
        assert [float(difference), float(gradient)] == [check["difference"], check["gradient"]]
        assert [float(value) for value in digits] == ([] if check["note"] else [check["digits"]])


def test_the_lines_carry_weights_and_gradients(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["2-2-2"]
    known = codes(trace)
    page.show(render(trace)).ready()
    for beat, name in ((4, "grad"), (6, "after"), (7, "before")):
        page.go(beat)
        values = page.numbers(".signs text, .badge-sign")
        assert set(values) <= {numbers[name] for numbers in known.values()}
        assert len(values) == len(known)
        # As thick as the number, and dashed below zero, which can be seen without colour.
        widths = page.probe("strokes")
        largest = max(abs(known[code][name]) for code in known)
        for code, width, dashes in widths:
            value = known[code][name]
            assert width == pytest.approx(1 + 6 * abs(value) / largest, abs=0.01)
            assert (dashes != "none") == (value < 0)


def test_another_row_has_other_numbers(page: Page, traces: dict[str, Any]) -> None:
    trace = traces["4-8-3"]
    page.show(render(trace)).ready().go(2)
    rows = page.driver.find_element("css selector", ".rows select")
    assert len(rows.find_elements("css selector", "option")) == 8
    rows.send_keys("row 2")
    expected = [value for stage in trace.to_dict()["stages"] for value in stage["steps"][-1]["out"][2]]
    assert page.numbers(".neuron .value") == expected
    page.go(4)
    code = page.run("return document.querySelector('.panel .card h3 code').textContent")
    name, index = code.rstrip("]").split("[")
    chain = trace.factors(name, tuple(map(int, index.split(", "))))["rows"][2]
    assert page.numbers(".chain .result data")[0] == pytest.approx(chain["product"], rel=1e-5)


def test_trying_a_rate_says_the_loss_there(page: Page, traces: dict[str, Any]) -> None:
    fog = traces["2-2-2"].to_dict()["fog"]
    page.show(render(traces["2-2-2"])).ready().go(5)
    page.run("document.querySelector('.own-keys').focus()")
    at = fog["rates"].index(fog["rate"])
    for step in (1, 2):
        page.press(Keys.ARROW_RIGHT)
        assert page.beat() == TITLES[4]  # the slide has the arrows for itself
        assert page.numbers(".tried data") == [fog["rates"][at + step], fog["losses"][at + step]]
    page.press("6")
    assert page.beat() == TITLES[5]


def test_a_large_net_shows_some_neurons_the_top_and_histograms(page: Page, traces: dict[str, Any]) -> None:
    data = traces["64-32-10"].to_dict()
    page.show(render(traces["64-32-10"])).ready().go(4)
    assert page.run("return document.querySelectorAll('.neuron').length") == 12 + 12 + 10
    assert "+52 more" in page.run("return document.querySelector('.net').textContent")
    assert page.numbers(".top data") == [entry["grad"] for entry in data["blame"]["top"][:10]]
    wanted = [h for h in data["histograms"] if h["what"] == "gradient"]
    assert page.numbers(".histogram rect") == [count for histogram in wanted for count in histogram["counts"]]
    # Every one of the most blamed can be taken apart, drawn or not.
    for entry in data["blame"]["top"][:10]:
        code = f"{entry['parameter']}[{', '.join(map(str, entry['index']))}]"
        page.run("document.querySelector(`[data-key='top:${arguments[0]}']`).click()", code)
        assert page.run("return document.querySelector('.panel .card h3 code').textContent") == code
        assert page.numbers(".meaning data") == [entry["grad"]]
    # What the inputs that are not drawn add is there too.
    page.go(2)
    assert "(the other 56) + 0 =" in page.probe("texts", ".card .sum")[0]
    row = worst(traces["64-32-10"])
    assert page.probe("texts", ".card .sum")[0] == (
        traces["64-32-10"].neuron(1, 0, row=row)["text"].replace("->", "\u2192")
    )
    terms = page.numbers(".card td:nth-child(3) data")
    assert sum(terms) == pytest.approx(data["stages"][1]["steps"][0]["out"][row][0], rel=1e-5)
    assert len(terms) == 65
    assert sorted(terms[:-1], key=abs, reverse=True) == terms[:-1], "the largest first, then the bias"


class Broken:
    """A trace with names that would run and numbers that are not finite."""

    def __init__(self, trace: Any, **parts: Any) -> None:
        self.data = trace.to_dict()
        for name, part in parts.items():
            self.data[name] = {**self.data[name], **part}

    def to_dict(self) -> dict[str, Any]:
        return copy.deepcopy(self.data)

    def __str__(self) -> str:
        return "</pre><script>window.ran = 1</script>"


def test_names_cannot_run(page: Page, traces: dict[str, Any]) -> None:
    names = ["</script><script>window.ran=1</script>", "<img src=x onerror=window.ran=1>", "'\"&amp;", "#NaN"]
    trace = Broken(traces["4-8-3"], data={"feature_names": names}, optimizer={"text": "<b onclick=1>"})
    for document in (render(trace, title=names[1]), f"<body>{fragment(trace)}</body>"):  # type: ignore[arg-type]
        page.show(document)
        if document.startswith("<body>"):
            page.driver.switch_to.frame(0)
        page.ready()
        heads = page.probe("texts", "thead th")
        assert heads[1:5] == names
        for beat in range(1, 8):
            page.go(beat)
            assert page.run("return document.querySelectorAll('img, main script').length") == 0
        assert page.run("return window.ran === undefined && top.ran === undefined")
        page.driver.switch_to.default_content()


def test_what_is_not_finite_is_said(page: Page, traces: dict[str, Any]) -> None:
    fog = dict.fromkeys(("loss_after", "forecast", "best_rate", "best_loss"))
    trace = Broken(traces["4-8-3"], fog=fog, update={"loss_after": None})
    row = trace.data["loss"]["worst"]
    trace.data["stages"][1]["steps"][0]["out"][row][0] = None
    trace.data["stages"][1]["steps"][1]["out"][row][0] = float("inf")
    trace.data["fog"]["losses"][30:] = [None] * len(trace.data["fog"]["losses"][30:])
    trace.data["loss"]["clueless"]["value"] = None
    page.show(render(trace)).ready()  # type: ignore[arg-type]
    page.go(2)
    assert "= not finite, tanh \u2192 infinity" in page.run(
        "return document.querySelector('.card .sum').textContent"
    )
    for beat in range(1, 8):
        page.go(beat)
        assert page.beat() == TITLES[beat - 1]
    page.go(6)
    assert "not finite" in page.run("return document.querySelector('.compare').textContent")


def test_odd_steps_are_shown_too(page: Page) -> None:
    for kind, trace in odd().items():
        page.show(render(trace), width=360).ready()
        for beat in range(1, 8):
            page.go(beat)
            where = (kind, BEATS[beat - 1])
            shown = page.run("return document.querySelector('main').innerText")
            assert not re.search(r"undefined|NaN|null|\[object", shown), where
            assert page.probe("collisions") == [], where
            assert page.run("return document.documentElement.scrollWidth") <= 360, where


# How it looks.


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("width", [360, 768, 1200])
def test_nothing_overlaps_and_nothing_sticks_out(
    page: Page, traces: dict[str, Any], net: str, width: int
) -> None:
    page.show(render(traces[net]), width=width).ready()
    for beat in range(1, 8):
        page.go(beat)
        assert page.probe("collisions") == [], BEATS[beat - 1]
        assert page.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_its_ground(page: Page, traces: dict[str, Any], dark: bool) -> None:
    for net in ("4-8-3", "64-32-10"):
        page.show(render(traces[net]), dark=dark).ready()
        for beat in range(1, 8):
            page.go(beat)
            count, bad = page.probe("pale")
            assert count > 30
            assert bad == [], BEATS[beat - 1]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_as_dark_as_asked_for(page: Page, traces: dict[str, Any], dark: bool) -> None:
    page.show(render(traces["2-2-2"]), dark=dark).ready()
    assert page.probe("isDark") is dark


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_pictures_of_every_beat(
    page: Page, traces: dict[str, Any], screenshot: Callable[[str], None], net: str, width: int, dark: bool
) -> None:
    page.show(render(traces[net]), width=width, dark=dark).ready()
    for beat in range(1, 8):
        page.go(beat)
        screenshot(f"{net}_{width}_{'dark' if dark else 'light'}_{beat}_{BEATS[beat - 1].lower()}")


def test_nothing_moves_for_those_who_ask_for_it(page: Page, traces: dict[str, Any]) -> None:
    for motion in (True, False):
        page.show(render(traces["2-2-2"]), motion=motion).ready().go(2)
        assert (page.run("return document.getAnimations().length") > 0) == motion


# Keyboards and screen readers.


@pytest.mark.parametrize("net", NETS)
def test_everything_that_can_be_used_has_a_name(page: Page, traces: dict[str, Any], net: str) -> None:
    page.show(render(traces[net])).ready()
    assert page.run("return document.documentElement.lang") == "en"
    assert page.run("return document.querySelectorAll('h1').length") == 1
    for beat in range(1, 8):
        page.go(beat)
        for node, name in page.probe("names"):
            assert name, (BEATS[beat - 1], node)
        for role, name in page.probe("pictures"):
            assert role
            assert name
        assert page.probe("doubleIds") == 0


@pytest.mark.parametrize("beat", range(1, 8))
def test_the_tab_key_reaches_everything(page: Page, traces: dict[str, Any], beat: int) -> None:
    page.show(render(traces["2-2-2"])).ready().go(beat)
    count = page.probe("stops")
    assert count >= 9
    reached = []
    for _ in range(count):
        page.press(Keys.TAB)
        place, outlined = page.probe("stop")
        assert outlined
        reached.append(place)
    assert reached == list(range(count)), "the order of the tab key is that of the page"


def test_the_focus_can_be_seen_in_the_drawing(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready()
    for beat, part in ((2, ".body"), (4, ".hit, .badge")):
        page.go(beat)
        page.run("document.querySelector(\".pick[tabindex='0']\").focus()")
        page.press(Keys.ARROW_DOWN)
        here, other = page.probe("outlines", part)
        assert here != other


# Where it stands.


def test_two_pages_in_one_do_not_disturb_each_other(page: Page, traces: dict[str, Any]) -> None:
    first, second = fragment(traces["2-2-2"]), fragment(traces["4-8-3"])
    host = (
        "<!doctype html><style>button, data, text, svg, li { display: none !important; color: red }</style>"
        "<body style='background: #fff'><h2>Host</h2>"
        "<script>addEventListener('keydown', () => { window.keys = 1 })</script>"
        f"{first}{second}</body>"
    )
    page.show(host)
    frames = page.driver.find_elements("css selector", "iframe")

    def beats() -> list[str]:
        found = []
        for frame in frames:
            page.driver.switch_to.frame(frame)
            found.append(page.ready().beat())
            page.driver.switch_to.default_content()
        return found

    assert beats() == [TITLES[0]] * 2
    page.driver.switch_to.frame(frames[1])
    page.driver.find_elements("css selector", ".chip")[3].click()
    page.press(Keys.ARROW_RIGHT)
    assert page.run("return getComputedStyle(document.querySelector('.chip')).display") != "none"
    page.driver.switch_to.default_content()
    assert beats() == [TITLES[0], TITLES[4]]
    assert page.run("return window.keys === undefined && document.querySelector('h2').textContent === 'Host'")
    # Each frame is as high as what it holds.
    for frame in frames:
        page.driver.switch_to.frame(frame)
        content = page.run("return document.querySelector('main').getBoundingClientRect().bottom")
        assert page.run("return innerHeight") == pytest.approx(content, abs=12)
        page.driver.switch_to.default_content()


@pytest.mark.parametrize(("ground", "dark"), [("#111", True), ("rgb(250, 250, 250)", False)])
def test_a_frame_is_dark_where_the_page_around_it_is(
    page: Page, traces: dict[str, Any], ground: str, dark: bool
) -> None:
    # A notebook may be dark while the system is not, and the other way round.
    page.show(
        f"<body style='background: {ground}'><div>{fragment(traces['2-2-2'])}</div></body>", dark=not dark
    )
    page.driver.switch_to.frame(0)
    assert page.ready().probe("isDark") is dark
    page.driver.switch_to.default_content()
    other = "#fff" if dark else "#000"
    page.run("document.body.style.background = arguments[0]", other)
    page.driver.switch_to.frame(0)
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert page.probe("isDark") is not dark
    page.driver.switch_to.default_content()


def test_a_fragment_works_where_its_page_runs_no_scripts_in_it(page: Page, traces: dict[str, Any]) -> None:
    # Notebooks and sites that exchange their content put it in as text, and scripts in that do not run.
    page.show("<body></body>")
    page.run("document.body.innerHTML = arguments[0]", fragment(traces["2-2-2"]))
    page.driver.switch_to.frame(0)
    page.ready()
    page.run("document.querySelector('.chip').focus()")
    page.press(Keys.END)
    assert page.beat() == TITLES[-1]
    page.driver.switch_to.default_content()


def test_a_frame_that_may_not_look_around_still_works(page: Page, traces: dict[str, Any]) -> None:
    framed = fragment(traces["2-2-2"]).replace("<iframe ", '<iframe sandbox="allow-scripts" ', 1)
    page.show(f"<body>{framed}</body>")
    page.driver.switch_to.frame(0)
    assert page.ready().beat() == TITLES[0]
    page.go(4)
    assert page.beat() == TITLES[3]
    page.driver.switch_to.default_content()


def test_without_scripts_the_text_stands_there(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"]), scripts=False)
    tree = page.command("DOM.getDocument", depth=-1)
    found = page.command("DOM.querySelector", nodeId=tree["root"]["nodeId"], selector="main pre")
    text = page.command("DOM.getOuterHTML", nodeId=found["nodeId"])["outerHTML"]
    assert "One training step" in text
    page.command("Emulation.setScriptExecutionDisabled", value=False)


def test_on_paper_all_beats_stand_one_below_the_other(page: Page, traces: dict[str, Any]) -> None:
    page.show(render(traces["2-2-2"])).ready().go(3)
    page.run("""dispatchEvent(new Event("beforeprint"))""")
    page.command("Emulation.setEmulatedMedia", media="print")
    titles = page.probe("seen", "h2")
    assert titles == TITLES
    assert page.run("return document.querySelectorAll('.paper svg.net').length") >= 6
    page.command("Emulation.setEmulatedMedia", media="")
    page.run("""dispatchEvent(new Event("afterprint"))""")
    assert page.run("return document.querySelectorAll('h2').length") == 1
    assert page.command("Page.printToPDF")["data"]
