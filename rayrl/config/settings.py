"""What all settings share: an unknown key is an error, and an error names field, value and fix."""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from rayrl.errors import ConfigError


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, validate_default=True)


def require_name(name: str) -> str:
    """Raises ValueError where `name` is none of a folder within another, such as '' or '..'."""
    if not re.fullmatch(r"\.*[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise ValueError(f"{name!r} holds more than letters, digits, '_', '-' and '.', or none but '.'")
    return name


Name = Annotated[str, AfterValidator(require_name)]

C = TypeVar("C", bound=Settings)


def validated(settings: type[C], where: str, values: Mapping[str, Any]) -> C:
    """`values` as settings, or ConfigError with `where`, field, value and fix."""
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, where, settings)) from error


def _explain(error: ValidationError, where: str, settings: type[Settings]) -> str:
    lines = [f"{where}:"]
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "(top level)"
        if item["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown setting (value {item['input']!r}); {_known(item['loc'], settings)}")
        elif item["type"] == "missing":
            lines.append(f"  {field}: missing, and has no default")
        else:
            fix = "; put text into quotes" if item["type"] == "string_type" else ""
            lines.append(f"  {field}: {item['msg']} (value {item['input']!r}){fix}")
    return "\n".join(lines)


def _known(location: tuple[int | str, ...], settings: type[Settings]) -> str:
    model: Any = settings
    for part in location[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            candidates = [annotation, *getattr(annotation, "__args__", ())]
            models = [c for c in candidates if isinstance(c, type) and issubclass(c, Settings)]
            model = models[0] if models else model
    close = difflib.get_close_matches(str(location[-1]), list(model.model_fields), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(model.model_fields)}"
