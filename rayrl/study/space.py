"""The search space of a sweep: what is chosen, and put into a run's config."""

import copy
import itertools
import math
import random
from collections.abc import Mapping
from typing import Any

from rayrl.errors import ConfigError
from rayrl.study.settings import RangeSettings, SweepSettings

Chosen = dict[str, Any]
"""Dotted setting -> value."""


def candidates(settings: SweepSettings) -> list[Chosen]:
    """All trials of a grid, or those that a random search draws; each combination once."""
    space = settings.space
    if settings.search == "grid":
        lists = [values for values in space.values() if isinstance(values, list)]
        return [dict(zip(space, values, strict=True)) for values in itertools.product(*lists)]
    draw = random.Random(settings.seed)
    found: dict[str, Chosen] = {}
    for _ in range(100 * (settings.trials or 1)):
        chosen = {name: _drawn(values, draw) for name, values in space.items()}
        found.setdefault(repr(chosen), chosen)
        if len(found) == settings.trials:
            break
    return list(found.values())


def _drawn(values: list[Any] | RangeSettings, draw: random.Random) -> Any:
    if isinstance(values, list):
        return draw.choice(values)
    if values.integer and not values.log:
        return draw.randint(math.ceil(values.low), math.floor(values.high))
    if not values.log:
        return draw.uniform(values.low, values.high)
    number = math.exp(draw.uniform(math.log(values.low), math.log(values.high)))
    return round(number) if values.integer else number


def apply_choice(tree: Mapping[str, Any], chosen: Chosen) -> dict[str, Any]:
    """A copy of a run's settings with the chosen values put in.

    Raises:
        ConfigError: A name leads into something that is no mapping, or past the end of a list.
    """
    result = copy.deepcopy(dict(tree))
    for name, value in chosen.items():
        *parents, leaf = name.split(".")
        node: Any = result
        for part in parents:
            node = node.setdefault(part, {}) if isinstance(node, dict) else _item(node, part, name)
        if isinstance(node, list):
            _item(node, leaf, name)
            node[int(leaf)] = value
        elif isinstance(node, dict):
            node[leaf] = value
        else:
            raise ConfigError(f"sweep.space: {name!r} leads into {node!r}, which has no settings below it")
    return result


def _item(node: Any, part: str, name: str) -> Any:
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return node[int(part)]
    raise ConfigError(
        f"sweep.space: {name!r}: there is no {part!r} in {node!r}; write it into the run's settings first"
    )
