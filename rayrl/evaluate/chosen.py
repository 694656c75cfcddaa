"""Some benchmarks of a config: `--only` and `--without`, and the message that names them where one cannot be had."""

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from rayrl.config import EvalConfig
from rayrl.config.evaluation import HELD_OUT
from rayrl.data.registry import check_options
from rayrl.errors import ConfigError, DataError


def choose(config: EvalConfig, only: Sequence[str], without: Sequence[str]) -> EvalConfig:
    """The settings with some of their benchmarks.

    Args:
        config: The settings.
        only: Names of those that are wanted, `*` stands for any text; none: all. `held_out` is `eval_data`.
        without: Names of those that are not.

    Raises:
        ConfigError: An unknown name, or nothing is left.
    """
    names = config.evaluated_names
    wanted = _named("--only", only, names) if only else set(names)
    kept = wanted - _named("--without", without, names)
    if not kept:
        raise ConfigError(f"--without {','.join(without)}: nothing is left to evaluate; known are {', '.join(names)}")
    benchmarks = {name: one for name, one in config.benchmarks.items() if name in kept}
    return config.model_copy(
        update={"benchmarks": benchmarks, "eval_data": config.eval_data if HELD_OUT in kept else None}
    )


def _named(option: str, given: Sequence[str], names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for one in given:
        own = {name for name in names if fnmatchcase(name, one)}
        if not own:
            close = difflib.get_close_matches(one, names, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(f"{option} {one}: no such benchmark; {hint}known are {', '.join(names)}")
        found |= own
    return found


def check_set_options(config: EvalConfig) -> None:
    """What is wrong with the options of all sets, at once and before any is read (a folder that is not there).

    Raises:
        ConfigError: With a line for each.
    """
    problems = []
    for one in config.evaluation_sets:
        try:
            check_options(one.data, one.field)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))


@contextmanager
def saying_what_to_leave_out(config: EvalConfig) -> Iterator[None]:
    """Adds to an error that is of some benchmarks the option that leaves them out."""
    try:
        yield
    except (ConfigError, DataError) as error:
        fields = {re.escape(f"benchmarks.{name}"): name for name in config.benchmarks} | {"eval_data": HELD_OUT}
        at_fault = [name for field, name in fields.items() if re.search(rf"^{field}\b(?!-)", str(error), re.MULTILINE)]
        others = set(config.evaluated_names) - set(at_fault)
        if not at_fault or not others:
            raise
        what = "it" if len(at_fault) == 1 else "them"
        raise type(error)(f"{error}\nor leave {what} out: --without {','.join(at_fault)}") from error
