"""The file itself: small, alone, valid, and with nothing of the user's that could run."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from browser.browser_tools import flowers, mazur
from nnlite.inspect.page import COMMON, FRAME, START, STEP, fragment, render
from nnlite.inspect.page.payload import payload, to_json

LIMIT = 80_000


def data_of(document: str) -> dict[str, Any]:
    text = re.search(r'<script type="application/json">(.*?)</script>', document, re.S)
    assert text is not None
    found: dict[str, Any] = json.loads(text[1], parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 32])
def test_a_page_of_a_small_net_is_small(rows: int, dtype: str) -> None:
    trace = flowers(rows, dtype)
    assert len(render(trace).encode()) < LIMIT
    assert len(fragment(trace).encode()) < LIMIT


def test_the_page_asks_for_nothing_from_elsewhere(traces: dict[str, Any]) -> None:
    document = render(traces["4-8-3"])
    assert not re.search(r"""(src|href|@import|url)\s*[=(]""", document)
    assert "http" not in document


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_number_arrives_whole(dtype: str) -> None:
    trace = mazur(dtype)
    given, arrived = trace.to_dict(), data_of(render(trace))
    assert ("stages" in arrived["single"]) == (dtype == "float32")
    for before, after in zip(given["stages"], arrived["stages"], strict=True):
        for old, new in zip(before["steps"], after["steps"], strict=True):
            for name in ("out", "blame"):
                assert np.array_equal(np.array(old[name]), np.array(new[name], dtype=dtype))
            for key, parameter in old["parameters"].items():
                for name in ("before", "grad", "after"):
                    assert np.array_equal(
                        parameter[name], np.array(new["parameters"][key][name], dtype=dtype)
                    )
    assert arrived["fog"]["losses"] == given["fog"]["losses"]


def test_a_batch_of_many_rows_is_cut_and_what_it_adds_is_kept() -> None:
    trace = flowers(32, "float64")
    page = payload(trace.to_dict())
    assert len(page["data"]["x"]) == len(page["data"]["y"]) == len(page["loss"]["rows"]) == 8
    dense = page["stages"][1]["steps"][0]
    inputs = np.array(page["stages"][0]["steps"][-1]["out"])
    added = inputs.T @ np.array(dense["blame"]) + np.array(page["rest"][1]["W"])
    np.testing.assert_allclose(added, dense["parameters"]["W"]["grad"], rtol=1e-12)


def test_what_is_not_finite_is_valid_json() -> None:
    text = to_json({"single": [], "values": [float("nan"), float("inf"), -float("inf"), None, 0.0]})
    assert json.loads(text)["values"] == ["#NaN", "#Infinity", "#-Infinity", None, 0]


@pytest.mark.parametrize("sign", ["<", ">", "&", "'", "\u2028"])
def test_no_sign_of_html_stands_in_the_json(sign: str) -> None:
    text = to_json({sign: f"a{sign}b"})
    assert sign not in text
    assert json.loads(text) == {sign: f"a{sign}b"}


def test_a_title_is_text(traces: dict[str, Any]) -> None:
    title = "</title><script>alert(1)</script> & 'more\""
    document = render(traces["2-2-2"], title=title)
    assert html.escape(title) in document
    assert "<script>alert" not in document
    assert data_of(document)["title"] == title


def test_a_fragment_is_one_frame_that_holds_the_page(traces: dict[str, Any]) -> None:
    found = re.fullmatch(r"<iframe ([^>]*) srcdoc='([^']*)'></iframe>", fragment(traces["2-2-2"]))
    assert found is not None
    assert 'title="' in found[1]
    assert html.unescape(found[2]) == render(traces["2-2-2"])


SCRIPTS = [name for _, name in (COMMON, *STEP, START, FRAME)]


def test_every_word_is_used_and_every_word_is_there() -> None:
    folder = files("nnlite.inspect.page")
    script = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    words = set(json.loads(folder.joinpath("words.json").read_text(encoding="utf-8"))) - {"language", "title"}
    used = set(re.findall(r"WORDS\.(\w+)", script))
    used |= set(re.findall(r'(?:say|tell|lead|weightSaid)\((?:key, )?"(\w+)"', script))
    used |= {
        f"{things}_{count}" for things in re.findall(r'many\("(\w+)"', script) for count in ("one", "many")
    }
    used |= set(re.findall(r'"(\w+)"', script)) & words
    families = ("beat_", "zone_", "what_", "hint_", "key_", "rule_", "why_", "analogy_", "ask_", "told_")
    assert {word for word in words - used if not word.startswith(families)} == set()
    assert {word for word in used - words if not word.startswith(families)} == set()


def test_the_script_holds_no_sentences() -> None:
    folder = files("nnlite.inspect.page")
    for name in SCRIPTS:
        lines = folder.joinpath(name).read_text(encoding="utf-8").splitlines()
        code = "\n".join(line for line in lines if not line.strip().startswith("//"))
        texts = re.findall(r'"([^"\n]*)"', code)
        # Class names and paths have spaces too, but no sentence begins with a capital letter here.
        assert [text for text in texts if re.match(r"[A-Z][a-z]+ [a-z]", text)] == []
