"""Markdown pages taken apart: links, headings, code blocks, code in lines, commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "k8s/README.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and what it holds."""

    language: str
    text: str


@cache
def tokens(page: Path) -> list[Token]:
    """Of the page, those in lines included."""
    flat: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        flat += [token, *(token.children or ())]
    return flat


def blocks(page: Path, *languages: str) -> list[Block]:
    found = (Block(token.info, token.content) for token in tokens(page) if token.type == "fence")
    return [block for block in found if not languages or block.language in languages]


def codes(page: Path) -> list[str]:
    """What stands in backticks in a line."""
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def links(page: Path) -> list[str]:
    """Where links and pictures of the page lead."""
    found = (token.attrs.get("href") or token.attrs.get("src") for token in tokens(page))
    return [str(link) for link in found if link]


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    listed = tokens(page)
    titles = [after.content for token, after in pairwise(listed) if token.type == "heading_open"]
    shown = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in shown}


def commands(page: Path) -> Iterator[list[str]]:
    """Each command of the page's shell blocks, in words; without assignments before it, `&` and `> FILE` behind it."""
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words = words[1:]
            if words:
                yield [word for word in words[: words.index(">") if ">" in words else None] if word != "&"]
