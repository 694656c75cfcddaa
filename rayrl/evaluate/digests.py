"""Keys of what is asked of a model."""

import hashlib
import json
from typing import Any


def digest(parts: list[Any]) -> str:
    """Of all that decides an answer."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
