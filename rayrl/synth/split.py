"""Train and test by document: what belongs together (a group, or documents that share text) lands on one side."""

import random
import re
from collections.abc import Iterable, Set

from rayrl.errors import DataError
from rayrl.synth.settings import SplitSettings


def held_out(
    documents: Iterable[str], asked: Set[str], alike: Iterable[tuple[str, str]], settings: SplitSettings, seed: int
) -> set[str]:
    """Names of the documents whose questions are held out.

    Args:
        documents: All names; one without questions ties together those that share text with it.
        asked: The documents with questions.
        alike: Pairs of documents that share text.
        settings: Share and grouping.
        seed: Draws the groups.

    Raises:
        DataError: A test set is asked for, and all documents belong together.
    """
    names = sorted(documents)
    home = {name: name for name in names}

    def root(name: str) -> str:
        while home[name] != name:
            home[name] = name = home[home[name]]
        return name

    by_group: dict[str, str] = {}
    for name in names:
        home[root(name)] = root(by_group.setdefault(_group(name, settings.group), name))
    for first, second in alike:
        home[root(first)] = root(second)
    if not settings.test_fraction:
        return set()
    groups: dict[str, list[str]] = {}
    for name in names:
        if name in asked:
            groups.setdefault(root(name), []).append(name)
    if len(groups) < 2:
        raise DataError(
            f"split.test_fraction: all {len(asked)} documents belong together (split.group, or shared text), so none "
            "can be held out; set it to 0, or add documents"
        )
    order = sorted(groups.values())
    random.Random(f"{seed}/split").shuffle(order)
    wanted, chosen = settings.test_fraction * len(asked), set[str]()
    for group in order[:-1]:
        if chosen and len(chosen) + len(group) / 2 > wanted:
            break
        chosen.update(group)
    return chosen


def _group(name: str, pattern: str | None) -> str:
    match = re.search(pattern, name) if pattern else None
    if match is None:
        return f"document {name}"
    return f"group {match[1] if match.re.groups else match[0]}"
