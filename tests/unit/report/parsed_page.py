"""A page as a browser reads it."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The elements and attributes that a browser would see, and the text of those that are not scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = ""
        self.feed(str(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._raw = "" if tag == self._raw else self._raw

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def titles(drawn: str) -> str:
    """All text of an SVG."""
    return Page(drawn).text


def values(drawn: str) -> list[str]:
    """What is said of each mark of an SVG that stands for a row."""
    return re.findall(r'<\w+ aria-label="([^"]*)" role="graphics-symbol"', drawn)
