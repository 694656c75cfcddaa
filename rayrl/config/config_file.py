"""A config file: YAML with dotted overrides from the command line -> settings, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rayrl.config.overrides import put
from rayrl.config.settings import C, Settings, validated
from rayrl.errors import ConfigError


def load_config(path: Path, overrides: dict[str, Any], settings: type[C]) -> C:
    """Reads a YAML file, applies dotted overrides, validates as `settings`.

    Raises:
        ConfigError: No such file, not YAML, an unknown key, a wrong type or value; names field, value and fix.
    """
    return with_overrides(settings, str(path), read_config(path), overrides)


def read_config(path: Path) -> dict[str, Any]:
    """What a YAML file holds. Raises ConfigError where there is none, or it holds no settings."""
    if not path.is_file():
        raise ConfigError(f"config file {str(path)!r} does not exist")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path}: not valid YAML: {error}\n(text with ': ', ' #', '{{' or a special first character needs quotes)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold settings (a mapping), holds {type(tree).__name__}")
    return tree


def with_overrides(settings: type[C], where: str, tree: dict[str, Any], overrides: Mapping[str, Any]) -> C:
    """`tree` as settings, with dotted overrides put in. Raises as `validated` does."""
    for name, value in overrides.items():
        put(tree, name, value)
    return validated(settings, where, tree)


def dump_config(config: Settings) -> str:
    """The resolved settings as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
