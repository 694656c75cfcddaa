"""Datasets of the hub, which `datasets` and `huggingface_hub` keep on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rayrl.data.row import Row
from rayrl.errors import DataError


def read_hub(path: str, field: str, **options: Any) -> Iterator[Row]:
    """Rows of a set, loaded with `datasets.load_dataset`'s options. Raises DataError where it cannot be loaded."""
    import datasets

    with _named(path, field):
        dataset = datasets.load_dataset(path, **options)
    yield from map(dict, dataset)


def fetch_file(path: str, file: str, field: str) -> str:
    """One file of a set, as a local path. Raises DataError where it cannot be loaded."""
    import huggingface_hub

    with _named(path, field):
        return str(huggingface_hub.hf_hub_download(path, file, repo_type="dataset"))


@contextmanager
def _named(path: str, field: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the hub client has dozens of its own
        raise DataError(f"{field}.source: cannot load {path!r} from the hub: {error}") from error
