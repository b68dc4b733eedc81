"""Check a built site: every link leads somewhere, and nothing is loaded from another host.

`python tools/check_site.py site` prints what is wrong, and fails if anything is. Links that a reader clicks
may lead to other hosts; what a page loads by itself may not.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a browser loads without being asked to.
LOADED = {
    "audio": ("src",), "embed": ("src",), "iframe": ("src",), "img": ("src", "srcset"), "input": ("src",),
    "link": ("href",), "object": ("data",), "script": ("src",), "source": ("src", "srcset"),
    "track": ("src",), "video": ("poster", "src"),
}  # fmt: skip
#: In CSS, alone or in a page.
CSS_LOADS = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])([^"')\s]+)""")
#: The page of servers for what is not there; its links begin at the root, which on a disk is another one.
NOT_FOUND = "404.html"


class Page(HTMLParser):
    """What a page loads, what it links to, and which places in it can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take down what the element loads, where it leads, and what it is called."""
        self._in_style = tag == "style"
        for name, value in attributes:
            if not value:
                continue
            if name in LOADED.get(tag, ()):
                self.loads.append(value)
            elif name in ("href", "xlink:href") and tag in ("a", "area"):
                self.links.append(value)
            elif name == "id" or (tag, name) == ("a", "name"):
                self.places.add(value)
            elif name == "style":
                self.loads.extend(CSS_LOADS.findall(value))
            elif name == "srcdoc":  # a page in the page, whose links within are its own
                inner = Page(value)
                self.loads.extend(inner.loads)
                self.links.extend(link for link in inner.links if not link.startswith("#"))

    def handle_data(self, data: str) -> None:
        """Take down what a style sheet in the page loads."""
        if self._in_style:
            self.loads.extend(CSS_LOADS.findall(data))

    def handle_endtag(self, tag: str) -> None:
        """Notice the end of a style sheet."""
        self._in_style = False


def problems(site: Path) -> list[str]:
    """Say what is wrong with the site, a line for each thing."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site).as_posix()
        if where == NOT_FOUND:
            continue
        found += [f"{where}: loads {load}" for load in page.loads if elsewhere(load)]
        for link in [*page.links, *page.loads]:
            if not elsewhere(link) and not leads_somewhere(link, path, pages):
                found.append(f"{where}: {link} leads nowhere")
    for path in sorted(site.rglob("*.css")):
        loads = CSS_LOADS.findall(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(site).as_posix()}: loads {load}" for load in loads if elsewhere(load)]
    return found


def elsewhere(link: str) -> bool:
    """Tell whether a link leads to another host; ``data:`` is in the page itself."""
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def leads_somewhere(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    """Tell whether a link in the page at `path` has a target."""
    parts = urlsplit(link)
    if parts.scheme == "data":
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    place = unquote(parts.fragment)
    return not place or target.suffix != ".html" or place in pages[target].places


def main() -> int:
    """Check the site that is named, or `site`."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site").resolve()
    found = problems(site)
    print("\n".join(found), file=sys.stderr)
    if not found:
        count = sum(1 for _ in site.rglob("*.html"))
        print(f"{count} pages: every link leads somewhere, and nothing is loaded from another host")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
