"""What lm-evaluation-harness itself left of another evaluation (`--log_samples --output_path`), as rows of this one.

A folder has `results_DATE.json` and, task by task, `samples_TASK_DATE.jsonl`: a line for each document and filter, with
all that is in its arguments and replies as text.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayrl.errors import DataError
from rayrl.evaluate.harness_rows import Sample, harness_rows, is_written
from rayrl.jsonl import Record, read_jsonl

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[^_]+)\.jsonl")
_ALWAYS = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps"}
_HASHES = {"doc_hash", "prompt_hash", "target_hash"}


@dataclass(frozen=True)
class LoggedModel:
    """A model of which only the answers are here: `files` by task, the newest of each."""

    label: str
    files: Mapping[str, Path]
    notes: tuple[str, ...]


def find_logged(path: str, label: str) -> LoggedModel | None:
    """The samples in a folder, in the one folder in it that has any, or in a file. None: it is no such path.

    Raises DataError where several folders in it have samples, each of another model.
    """
    there = Path(path)
    if there.is_dir():
        folders = sorted({file.parent for at in ("*", "*/*") for file in there.glob(at) if _NAME.fullmatch(file.name)})
        if len(folders) > 1 and there not in folders:
            names = ", ".join(one.name for one in folders)
            raise DataError(f"{path!r} has samples of several models ({names}); name one of these folders")
        found = sorted((there if there in folders else folders[0]).iterdir()) if folders else []
    else:
        found = [there] if there.is_file() else []
    named = sorted((match["date"], match["task"], file) for file in found if (match := _NAME.fullmatch(file.name)))
    if not named:
        return None
    files = {task: file for _, task, file in named}
    older = len(named) - len(files)
    notes = (f"{older} older files of samples are not read; name a file to read it",) if older else ()
    return LoggedModel(label, files, notes)


def logged_rows(file: Path, task: str, metric: str | None) -> list[Record]:
    """A row for each document. Length and end of a completion are None: lm-eval does not log them.

    Args:
        file: `samples_TASK_DATE.jsonl`.
        task: Its name.
        metric: As of `harness_rows`.

    Raises:
        DataError: Another file, or a document that is in it twice.
        ConfigError: As `harness_rows`.
    """
    samples = list(_samples(file))
    unknown = {"tokens": None, "finish_reason": None}
    try:
        written = {sample["doc_id"]: is_written(sample) for sample in samples}
        rows = list(harness_rows(task, samples, {}, metric, _results(file)))
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{file}: its arguments and replies are not as lm-eval logs them ({error!r})") from error
    return [{**row, **(unknown if written[number] else {})} for number, row in zip(written, rows, strict=True)]


def _samples(file: Path) -> Iterator[Sample]:
    seen: set[tuple[int, str]] = set()
    for number, line in enumerate(read_jsonl(file), start=1):
        if missing := _ALWAYS - line.keys():
            raise DataError(f"{file}:{number}: no {', '.join(sorted(missing))}; is this a file of lm-eval's samples?")
        try:
            sample = {**line, "filter": line.get("filter", "none"), "arguments": _arguments(line["arguments"])}
            sample["metrics"] = line.get("metrics") or [name for name in line if name not in _ALWAYS | _HASHES]
            sample["doc_id"] = int(line["doc_id"])
            place = (sample["doc_id"], str(sample["filter"]))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise DataError(f"{file}:{number}: not as lm-eval logs a sample ({error!r})") from error
        if place in seen:
            raise DataError(f"{file}:{number}: document {place[0]} is there twice with filter {place[1]!r}")
        seen.add(place)
        yield sample


def _arguments(logged: Any) -> list[tuple[Any, ...]]:
    """`{"gen_args_0": {"arg_0": prompt, "arg_1": …}, …}`; before 0.4.3 a list of lists."""
    requests: Iterable[Any] = logged.values() if isinstance(logged, dict) else logged
    return [tuple(one.values() if isinstance(one, dict) else one) for one in requests]


def _results(file: Path) -> dict[str, Any]:
    """What results_DATE.json of the same date says, beside the samples; empty where it is not there."""
    match = _NAME.fullmatch(file.name)
    beside = file.with_name(f"results_{match['date']}.json") if match else file
    try:
        read = json.loads(beside.read_text(encoding="utf-8")) if beside != file else {}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{beside}: not JSON ({error})") from error
    return read if isinstance(read, dict) else {}
