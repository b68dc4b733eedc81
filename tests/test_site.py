"""The site of docs/: it can be built without a warning, has every public name, and no link leads nowhere."""

import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import nnlite

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
#: Packages of which single modules stand on pages of the reference.
ROOMS = "(?:core|data|files|optimizers|training)"
#: Modules that stand on pages of the reference, and need a package that may not be there.
NEEDS = {"nnlite.onnx": "onnx", "nnlite.sklearn": "sklearn"}


def documented_modules():
    """Return the modules whose names the pages of the reference give to mkdocstrings."""
    line = re.compile(rf"^::: (nnlite\.(?:{ROOMS}\.)?\w+)$", flags=re.MULTILINE)
    pages = [page.read_text("utf-8") for page in sorted(REFERENCE.glob("*.md"))]
    return [name for page in pages for name in line.findall(page)]


def public_names(modules):
    """Return the public names of modules, such as nnlite.layers.Dense."""
    here = [name for name in modules if find_spec(NEEDS.get(name, "nnlite"))]
    return {f"{name}.{entry}": getattr(importlib.import_module(name), entry)
            for name in here for entry in importlib.import_module(name).__all__}  # fmt: skip


def test_every_public_name_is_in_the_reference():
    names = public_names(documented_modules())
    shown = {id(thing) for thing in names.values()}
    missing = [
        name
        for name in nnlite.__all__
        if name != "__version__"
        and id(getattr(nnlite, name)) not in shown
        and f"nnlite.{name}" not in documented_modules()
    ]
    assert missing == []


def test_every_public_module_is_in_the_reference():
    # The modules whose docstrings are held to what a reference needs, and those that come on demand.
    tested = re.search(
        r"^MODULES = \[(.*?)^\]", (ROOT / "tests/test_docstrings.py").read_text("utf-8"), re.M | re.S
    )
    public = set(re.findall(r'"([\w.]+)"', tested[1])) | set(nnlite._ON_DEMAND)
    assert {f"nnlite.{name}" for name in public} - set(documented_modules()) == set()


def test_every_page_of_the_reference_is_in_its_contents():
    contents = (REFERENCE / "index.md").read_text("utf-8")
    pages = {page.name for page in REFERENCE.glob("*.md")} - {"index.md"}
    assert pages == set(re.findall(r"\]\((\w+\.md)\)", contents))
    for name in documented_modules():
        assert f"`{name}`" in contents


def test_every_picture_is_shown_and_said_in_words():
    docs = ROOT / "docs"
    shown = set()
    for page in [ROOT / "README.md", *docs.rglob("*.md")]:
        for words, link in re.findall(r"!\[([^]]*)\]\(([^)\s]+)\)", page.read_text("utf-8")):
            assert len(words.split()) > 3, f"{page.name}: {link}"
            shown.add((page.parent / link).resolve())
    assert shown >= {path for path in (docs / "images").rglob("*.*") if path.suffix in {".gif", ".png"}}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site without a network."""
    for package in ("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers"):
        if not find_spec(package):
            pytest.skip(f"{package} not installed")
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder


def check(site):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check_site.py"), str(site)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.thorough
def test_no_link_of_the_site_leads_nowhere_and_nothing_comes_from_other_hosts(site):
    run = check(site)
    assert run.returncode == 0, run.stderr


@pytest.mark.thorough
def test_every_public_name_has_a_place_in_the_site(site):
    pages = "".join(page.read_text("utf-8") for page in sorted((site / "reference").glob("*.html")))
    names = {
        name
        for name, thing in public_names(documented_modules()).items()
        if callable(thing) and getattr(thing, "__doc__", None) and not re.search(r"\.[A-Z_]+$", name)
    }
    # A function in a module of its own name has its place under both.
    places = {name: {name, f"{name}.{name.rpartition('.')[2]}"} for name in names}
    found = set(re.findall(r'id="([^"]+)"', pages))
    assert [name for name in sorted(names) if not places[name] & found] == []


@pytest.mark.thorough
def test_notebooks_have_pages_with_their_pictures(site):
    for path in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        page = (site / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        assert page.count("<img") == path.read_text("utf-8").count('"image/png"')
        assert (site / "notebooks" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.thorough
def test_the_first_page_opens_with_the_playground(site):
    first = (site / "index.html").read_text("utf-8")
    frame = re.search(r'<iframe class="playground" title="[^"]+" src="([^"?]+)\?play"></iframe>', first)
    assert frame
    assert frame.start() < first.index("<pre")
    page = (site / frame[1]).read_text("utf-8")
    assert len(page) < 200_000
    assert "<title>Three spirals</title>" in page
    assert not (ROOT / "docs" / frame[1]).exists()  # made with the site, never beside its sources


@pytest.mark.thorough
def test_scripts_of_docs_are_no_part_of_the_site(site):
    assert list(site.glob("*.py")) == []


GOOD = '<html><body><h1 id="top">x</h1><a href="b.html#low">b</a><a href="https://example.org">out</a></body></html>'


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        (GOOD, None),
        (GOOD.replace("#low", "#high"), "index.html: b.html#high leads nowhere"),
        (GOOD.replace("b.html", "c.html"), "index.html: c.html#low leads nowhere"),
        ('<img src="missing.png">', "index.html: missing.png leads nowhere"),
        ('<script src="https://example.org/x.js"></script>', "index.html: loads https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "index.html: loads //example.org/x.css"),
        ("<style>@import 'https://example.org/x.css'</style>", "index.html: loads https://example.org/x.css"),
        ('<p style="background: url(http://example.org/x)">', "index.html: loads http://example.org/x"),
        ("<iframe srcdoc=\"<img src='http://example.org/x'>\">", "index.html: loads http://example.org/x"),
        ('<img src="data:image/png;base64,">', None),
    ],
)
def test_what_the_check_of_the_site_finds(page, complaint, tmp_path):
    tmp_path.joinpath("index.html").write_text(page, encoding="utf-8")
    tmp_path.joinpath("b.html").write_text('<p id="low">', encoding="utf-8")
    run = check(tmp_path)
    assert run.stderr.strip() == (complaint or "")
    assert run.returncode == bool(complaint)
