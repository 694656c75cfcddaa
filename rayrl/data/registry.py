"""Datasets that have a name here: `gsm8k` comes from the hub, `gsm8k:FILE` from files as its authors publish them.

A new one is a function from a published row to ours, beside those of `maths_sets` and `finance_sets` (whose docstrings
show one whole row each), and a line in `SETS`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rayrl.config import DatasetSettings, validated
from rayrl.data import finance_sets, financebench, maths_sets
from rayrl.data.files import read_files
from rayrl.data.hub import fetch_file, read_hub
from rayrl.data.row import LeftOut, Row
from rayrl.data.set_options import SetOptions
from rayrl.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class NamedSet:
    """How a set's rows are found and mapped."""

    map: Callable[[Row, Any], Iterable[Row | LeftOut]]
    options: type[SetOptions]
    hub: str | None
    """Its name on the hub. None: no copy there can be loaded."""
    split: str = "train"
    configuration: str | None = None
    """Of the hub's set; an option `configuration` counts for more."""
    hub_files: dict[str, str] | None = None
    """Split -> file there, where its rows fit no table of one type for each column."""
    csv_columns: Sequence[str] | None = None
    """Of .csv files without a header."""


_MMLU = NamedSet(
    maths_sets.mmlu, maths_sets.MmluOptions, "cais/mmlu", "test", "all", csv_columns=maths_sets.MMLU_COLUMNS
)
SETS = {
    "openr1_math": NamedSet(maths_sets.openr1_math, maths_sets.OpenR1Options, "open-r1/OpenR1-Math-220k"),
    "gsm8k": NamedSet(maths_sets.gsm8k, maths_sets.Gsm8kOptions, "openai/gsm8k", configuration="main"),
    "mmlu": _MMLU,
    "mmlu_stem": replace(_MMLU, map=maths_sets.mmlu_stem),
    "tatqa": NamedSet(
        finance_sets.tatqa,
        SetOptions,
        "next-tat/TAT-QA",
        hub_files={
            "train": "tatqa_dataset_train.json",
            "validation": "tatqa_dataset_dev.json",
            "test": "tatqa_dataset_test_gold.json",
        },
    ),
    "finqa": NamedSet(finance_sets.finqa, finance_sets.FinqaOptions, None),
    "financebench": NamedSet(financebench.financebench, financebench.FinanceBenchOptions, "PatronusAI/financebench"),
    "finqabench": NamedSet(finance_sets.finqabench, SetOptions, "lighthouzai/finqabench"),
}


def check_options(settings: DatasetSettings, field: str) -> None:
    """Raises ConfigError where the options of a set that has a name here are wrong. Reads no row."""
    known = SETS.get(settings.source.partition(":")[0])
    if known:
        validated(known.options, f"{field}.options of {settings.source.partition(':')[0]}", settings.options)


def read_set(settings: DatasetSettings, field: str) -> Iterator[Row | LeftOut]:
    """Rows of `SETS[name]` or `SETS[name]:file`, with those that its filters remove.

    Raises:
        ConfigError: An unknown or wrong option.
        DataError: No such file, no connection to the hub, or a row that is not of the set's published form.
    """
    name, _, files = settings.source.partition(":")
    known = SETS[name]
    options = validated(known.options, f"{field}.options of {name}", settings.options)
    if files and options.split:
        raise ConfigError(f"{field}.options.split: {options.split!r} goes with the hub; {files!r} is what it is")
    rows = read_files(files, field, known.csv_columns) if files else _hub(name, known, options, field)
    for number, row in enumerate(rows):
        try:
            yield from known.map(row, options)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{field}.source: row {number} is none of {name} as published ({type(error).__name__}: {error}); "
                f"it has {', '.join(map(str, row))}"
            ) from error


def _hub(name: str, known: NamedSet, options: SetOptions, field: str) -> Iterator[Row]:
    split = options.split or known.split
    if known.hub is None:  # https://github.com/huggingface/datasets/pull/7592
        raise DataError(
            f"{field}.source: {name} cannot be loaded from the hub (its copies there are scripts, which `datasets` no "
            f"longer runs); name a file of its authors' repository: {name}:dataset/train.json"
        )
    if known.hub_files is None:
        configuration = getattr(options, "configuration", known.configuration)
        yield from read_hub(known.hub, field, name=configuration, split=split)
        return
    if split not in known.hub_files:
        raise ConfigError(f"{field}.options.split: {split!r} is none of {', '.join(known.hub_files)}")
    yield from read_files(fetch_file(known.hub, known.hub_files[split], field), field)
