"""What the site has besides docs/: the notebooks, and a page for each file elsewhere that a page links to.

`mkdocs.yml` names this file, and mkdocs calls the functions whose names begin with `on_`.
Links in docs/ are those of the repository, such as `../nnlite/model.py`; here they become links of the site.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from nnlite.cli.demo import Options
from nnlite.cli.play import page_for

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = "examples/notebooks/"
#: Where pages of files of the repository stand in the site.
SOURCES = "source/"
#: How a source file is coloured; a file with none of these endings is copied as it is.
LANGUAGES = {
    ".py": "python", ".toml": "toml", ".yml": "yaml", ".sh": "bash", ".txt": "text", "": "text",
}  # fmt: skip
#: A Markdown link or picture, with what stands behind "#"; and code, in which nothing is a link.
LINK = re.compile(r"(\]\()([^)\s#]*)(#[^)\s]*)?(\))")
CODE = re.compile(r"(^(?P<fence>```+|~~~+).*?^(?P=fence)[ \t]*$|`[^`\n]+`)", flags=re.MULTILINE | re.DOTALL)
#: Where the HTML of a cell goes; Markdown would change it.
HTML_OUTPUT = re.compile(r'<div class="output" data-html="([^"]*)"></div>')
#: A picture of the playground that is a link: in the site the playground itself stands there, and plays.
PLAYGROUND = re.compile(r"\[!\[([^]]*)\]\(\S*/playground\.gif\)\]\(\S+\)")
LIVE = "spirals.html"
#: A code of the doctor where a finding is shown: in a table, or with its page.
FINDING = re.compile(r"(?<=<td>)(NN\d{3})(?=<br>)|docs/doctor/(NN\d{3})\.md")


def site_path(path: str) -> str:
    """Return where a file of the repository stands in the sources of the site."""
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    if path.startswith(NOTEBOOKS):
        return f"notebooks/{path.removeprefix(NOTEBOOKS)}".replace(".ipynb", ".md")
    ending = Path(path).suffix
    if ending == ".md":
        return f"{SOURCES}{path}"
    if (ROOT / path).is_dir():
        return f"{SOURCES}{path}/contents.md"
    return f"{SOURCES}{path}.md" if ending in LANGUAGES else f"{SOURCES}{path}"


def link_target(path: str, target: str) -> str | None:
    """Return the file of the repository that a link in the file at `path` leads to, None if it is no file."""
    if not target or ":" in target:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def targets(markdown: str, path: str) -> set[str]:
    """Return the files of the repository that the file at `path` links to."""
    found = (link_target(path, link[2]) for part in CODE.split(markdown)[::3] for link in LINK.finditer(part))
    return {target for target in found if target and (ROOT / target).exists()}


def rewrite(markdown: str, path: str) -> str:
    """Turn the links of the file at `path` of the repository into links of the site.

    Examples
    --------
    >>> rewrite("[Dense](../nnlite/core/dense.py)", "docs/design.md")
    '[Dense](source/nnlite/core/dense.py.md)'
    """
    here = posixpath.dirname(site_path(path))

    def replace(found: re.Match[str]) -> str:
        before, link, anchor, after = found.groups(default="")
        target = link_target(path, link)
        if target is None:
            return found[0]
        return f"{before}{posixpath.relpath(site_path(target), here or '.')}{anchor}{after}"

    parts = CODE.split(markdown)  # three a piece: text, code, and the fence of the code
    parts[::3] = [LINK.sub(replace, part) for part in parts[::3]]
    del parts[2::3]
    return "".join(parts)


def fenced(text: str, language: str) -> str:
    """Return text as a block of code."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def notebook_page(path: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of a notebook, and by name the files that belong to it: its pictures and itself."""
    text = (ROOT / path).read_bytes()
    notebook = json.loads(text)
    stem = Path(path).stem
    parts: list[str] = []
    files = {f"{stem}.ipynb": text}
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(fenced(source, "python"))
        for output in cell["outputs"]:
            data: dict[str, Any] = output.get("data", {})
            if "image/png" in data:
                name = f"{stem}-{number}-{len(files)}.png"
                files[name] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![What the cell above draws]({name})")
            elif "text/html" in data:
                html = base64.b64encode("".join(data["text/html"]).encode()).decode()
                parts.append(f'<div class="output" data-html="{html}"></div>')
            else:
                text = "".join(output.get("text", data.get("text/plain", "")))
                parts.append(fenced(text, " {.text .output}"))
    # Behind the heading, which comes first in a notebook of ours.
    note = f"*This page is a notebook that was run: [{stem}.ipynb]({stem}.ipynb).*"
    head, _, rest = "\n\n".join(parts).partition("\n")
    return f"{head}\n\n{note}\n{rest}", files


def source_page(path: str) -> str:
    """Return the Markdown of a file or folder that a page links to."""
    place = ROOT / path
    if place.suffix == ".md":
        return place.read_text(encoding="utf-8")
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n"
    if not place.is_dir():
        return head + fenced(place.read_text(encoding="utf-8"), LANGUAGES[place.suffix])
    names = sorted(
        entry.name for entry in place.iterdir() if entry.is_file() and entry.suffix in {".py", ".md"}
    )
    return head + "\n".join(f"- [{name}]({posixpath.basename(path)}/{name})" for name in names)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the notebooks, and what the pages link to outside docs/, and what that links to."""

    def add(name: str, content: str | bytes) -> None:
        files.append(File.generated(config, name, content=content))

    notebooks = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / NOTEBOOKS).glob("*.ipynb"))]
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + notebooks
    seen = {f"docs/{file.src_uri}" for file in files if file.inclusion.is_included()} | set(notebooks)
    while waiting:
        path = waiting.pop()
        if not site_path(path).endswith(".md"):
            add(site_path(path), (ROOT / path).read_bytes())
            continue
        if path in notebooks:
            markdown, others = notebook_page(path)
            for name, content in others.items():
                add(f"notebooks/{name}", content)
        else:
            markdown = source_page(path)
        if site_path(path) != path.removeprefix("docs/"):
            add(site_path(path), rewrite(markdown, path))
        new = targets(markdown, path) - seen
        waiting.extend(sorted(new))
        seen |= new
    add(LIVE, page_for(Options(data="spirals")).to_html(title="Three spirals"))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Turn the links of a page of docs/ into links of the site, and a picture of the playground into one."""
    if page.file.generated_by:
        return markdown
    live = posixpath.relpath(LIVE, posixpath.dirname(page.file.src_uri) or ".")
    frame = rf'<iframe class="playground" title="\1" src="{live}?play"></iframe>'
    markdown, found = PLAYGROUND.subn(frame, markdown)
    if found:  # it needs all the width that there is
        page.meta["hide"] = ["navigation", "toc"]
    return rewrite(markdown, f"docs/{page.file.src_uri}")


def on_page_content(html: str, *, page: Page, **_: object) -> str:
    """Put in the HTML of cells, where Markdown can no longer change it, and links from findings to pages."""

    def replace(found: re.Match[str]) -> str:
        return f'<div class="output">{base64.b64decode(found[1]).decode()}</div>'

    def link(found: re.Match[str]) -> str:
        target = posixpath.relpath(
            f"doctor/{found[1] or found[2]}.html", posixpath.dirname(page.file.url) or "."
        )
        return f'<a href="{target}">{found[0]}</a>'

    return FINDING.sub(link, HTML_OUTPUT.sub(replace, html))
