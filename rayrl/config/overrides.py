"""`--section.field value` on the command line: read by the field's type. Text is taken as it was typed."""

import contextlib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from rayrl.errors import ConfigError


@dataclass(frozen=True)
class SettingsOf:
    """Annotation of a mapping whose settings are validated later, as one of these models."""

    models: tuple[type[BaseModel], ...]


def parse_overrides(arguments: list[str], settings: type[BaseModel] | None = None) -> dict[str, Any]:
    """`["--learner.learning_rate", "1e-5", "--run.name=x"]` -> {dotted name: value}.

    A field of `settings` that takes text gets the text exactly as it was typed, whatever YAML would make of it (`null`
    is None where the field can be None); numbers, true and false are what they look like; lists and mappings are YAML.
    Without `settings`, or where they leave the type open (`options`), YAML guesses, and what is no YAML is text.

    Raises:
        ConfigError: A value without name, a name without value, or what is to be a list or mapping and is no YAML.
    """
    overrides: dict[str, Any] = {}
    remaining = list(arguments)
    while remaining:
        name = remaining.pop(0)
        if not name.startswith("--"):
            raise ConfigError(f"{name!r}: overrides are written --section.field value")
        name, equals, text = name[2:].partition("=")
        if not equals:
            if not remaining:
                raise ConfigError(f"--{name}: a value must follow")
            text = remaining.pop(0)
        kinds = set(_kinds(settings, name.split("."))) if settings else set()
        overrides[name] = _read(name, text, kinds)
    return overrides


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Sets `a.b.c` in nested mappings. A key that is there is taken as it is written; else hyphens are underscores, and
    one with `*` stands for all that match it. What a YAML alias shares with other places is changed in this one only.

    Raises:
        ConfigError: Something above the last key holds no settings, or nothing matches a `*`.
    """
    _put(tree, path.split("."), value, path)


def _put(tree: dict[str, Any], keys: list[str], value: Any, path: str) -> None:
    for key in _keys(tree, keys[0], path):
        if len(keys) == 1:
            tree[key] = value
            continue
        child = tree.get(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--{path}: {keys[0]!r} holds {child!r}, which has no settings below it")
        tree[key] = dict(child)
        _put(tree[key], keys[1:], value, path)


def _keys(tree: dict[str, Any], typed: str, path: str) -> list[str]:
    if typed in tree or "*" not in typed:
        return [typed if typed in tree else typed.replace("-", "_")]
    found = [key for key in tree if fnmatchcase(key, typed)]
    if not found:
        raise ConfigError(f"--{path}: nothing matches {typed!r}; known here: {', '.join(tree)}")
    return found


def _read(name: str, text: str, kinds: set[str]) -> Any:
    if not kinds or "open" in kinds:
        return _guessed(text)
    if "null" in kinds and text == "null":
        return None
    if "structure" in kinds:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            if "text" not in kinds:
                raise ConfigError(f"--{name}: {text!r} is no list or mapping in YAML: {error}") from error
            return text
        if isinstance(value, list | dict):
            return value
    return text if "text" in kinds else _number(text)


def _guessed(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, dict) and None in value.values():  # {column} of a template, to YAML a key without a value
        return text
    # YAML 1.1 reads 1e-5 as a string: https://github.com/yaml/pyyaml/issues/173
    return _number(value) if isinstance(value, str) else value


def _number(text: str) -> Any:
    """`text` as a number where it is one; true, false and what is wrong are left to the settings' own reading."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _kinds(annotation: Any, path: list[str]) -> Iterator[str]:
    """What the field at the end of `path` takes: text, number, structure, null, or open for anything.

    Nothing where there is no such field: that is said once settings are validated.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        models = [model for mark in arguments[1:] if isinstance(mark, SettingsOf) for model in mark.models]
        for one in models if models and path else [arguments[0]]:
            yield from _kinds(one, path)
    elif origin in (Union, types.UnionType):
        for one in arguments:
            yield from _kinds(one, path)
    elif not path:
        yield _kind(annotation)
    elif origin is dict:
        yield from _kinds(arguments[1], path[1:])
    elif annotation is Any:
        yield "open"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(path[0].replace("-", "_"))
        if field is not None:
            inner: Any = field.annotation
            for mark in field.metadata:
                inner = Annotated[inner, mark]
            yield from _kinds(inner, path[1:])


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if annotation is Any:
        return "open"
    if annotation is type(None):
        return "null"
    if origin is Literal:
        return "text" if any(isinstance(value, str) for value in get_args(annotation)) else "number"
    kind = origin or annotation
    if kind in (str, Path):
        return "text"
    return "number" if kind in (int, float, bool) else "structure"
