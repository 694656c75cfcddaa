"""Anything of the user's own is named by import path: `package.module:function`."""

import importlib
from typing import Any

from rayrl.errors import ConfigError


def is_import_path(name: str) -> bool:
    """True for `package.module:attribute`."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def load(path: str, field: str) -> Any:
    """The object that `package.module:attribute` names.

    Args:
        path: The import path.
        field: The config field that holds it, for the error message.

    Raises:
        ConfigError: It is no import path, the module cannot be imported, or lacks the attribute.
    """
    if not is_import_path(path):
        raise ConfigError(f"{field}: {path!r} is not an import path of the form 'package.module:name'")
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        hint = f"is {module_name.split('.')[0]!r} installed, or its folder on PYTHONPATH?"
        raise ConfigError(f"{field}: cannot import {module_name!r} ({error}); {hint}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise ConfigError(f"{field}: module {module_name!r} has no {attribute!r}") from error
