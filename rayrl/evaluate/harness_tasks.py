"""Tasks of lm-evaluation-harness: found, with their data, before anything starts, and evaluated."""

import difflib
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rayrl.config import HarnessSettings
from rayrl.errors import ConfigError, DataError, RayrlError
from rayrl.evaluate.harness_rows import HarnessRow, figures, harness_rows

INSTALL = "lm-evaluation-harness is not installed; run `make lm_eval`, or pip install 'rayrl[lm-eval]'"
PYTHON_SEED, NUMPY_SEED, FEWSHOT_SEED = 0, 1234, 1234
"""lm-eval's own: examples and shuffled options are those of others' runs."""
_FILES = ("json", "csv", "parquet", "text", "arrow")
"""Builders of `datasets` that read files."""


class HarnessTask:
    """What one benchmark names: a task, or all tasks of a group or tag, with their data.

    Args:
        settings: Of the benchmark.
        field: Of the config, for messages.

    Raises:
        ConfigError: lm-eval is not installed, has no such task, or the task has no such metric.
        DataError: A task's data cannot be loaded.
    """

    def __init__(self, settings: HarnessSettings, field: str) -> None:
        self.settings, self.field = settings, field
        with _quiet():
            self._found = self._load()
            self.tasks: dict[str, Any] = self._found["tasks"]
            for name, task in self.tasks.items():
                self._require_sound(name, task)

    @property
    def size(self) -> int:
        """Documents that are evaluated."""
        from lm_eval.evaluator_utils import get_sample_size

        sizes = ((len(task.eval_docs), get_sample_size(task, self.settings.limit)) for task in self.tasks.values())
        return sum(size if limit is None else min(size, limit) for size, limit in sizes)

    @property
    def sampled(self) -> bool:
        """Whether any completion is drawn at a temperature, so that another seed gives another."""
        return any(self._sampling(name, task) for name, task in self.tasks.items())

    def evaluate(self, model: Any) -> tuple[list[HarnessRow], dict[str, float]]:
        """A row for each document, task after task, and the metrics as lm-eval aggregates them.

        Args:
            model: A `GeneratorLM`.

        Raises:
            RayrlError: What generators failed with, or lm-eval.
        """
        from lm_eval.evaluator import evaluate

        settings = self.settings
        for task in self.tasks.values():
            _override(task, settings)
        try:
            with _quiet():
                results = evaluate(
                    model,
                    self._found,
                    limit=settings.limit,
                    bootstrap_iters=0,
                    system_instruction=settings.system_instruction,
                    apply_chat_template=settings.apply_chat_template,
                    fewshot_as_multiturn=settings.fewshot_as_multiturn,
                )
        except RayrlError:
            raise
        except Exception as error:  # tasks are programs: they raise what they like
            raise RayrlError(f"{self.field}: lm-eval failed on {settings.task!r}: {error!r}") from error
        rows = [
            row
            for name in self.tasks
            for row in harness_rows(name, results["samples"][name], model.rollouts, settings.metric, results)
        ]
        top = [*self._found.get("groups", {}), *(self.tasks if len(self.tasks) == 1 else [])]
        return rows, figures(results["results"], top[0] if top else "")

    def _load(self) -> Any:
        try:
            from lm_eval.tasks import TaskManager
        except ImportError as error:
            raise ConfigError(f"{self.field}: {INSTALL}") from error
        import numpy

        random.seed(PYTHON_SEED)
        numpy.random.seed(NUMPY_SEED)
        named = self.settings.task
        local = Path(named).is_file()
        if not local and named.endswith((".yaml", ".yml")):
            raise ConfigError(f"{self.field}.task: file {named!r} does not exist")
        manager = TaskManager(include_defaults=not local)  # reading all of lm-eval's own takes a while
        if not local and named not in manager.task_index:
            close = difflib.get_close_matches(named, manager.all_tasks, n=3)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "`lm_eval ls tasks` lists them"
            raise ConfigError(f"{self.field}.task: lm-eval has no task, group or tag {named!r}; {hint}")
        try:
            return manager.load([named])
        except ImportError as error:
            raise ConfigError(
                f"{self.field}.task: {named!r} needs a package that is not here ({error}); `make lm_eval` installs "
                "those of IFEval, pip others"
            ) from error
        except Exception as error:
            raise self._unloaded(error) from error

    def _sampling(self, name: str, task: Any) -> float:
        """The temperature of a task's completions; 0 where likelihoods decide. Raises ConfigError for
        generation_kwargs that generators do not know."""
        from rayrl.evaluate.harness_sampling import harness_sampling

        if task.get_config("output_type") != "generate_until":
            return 0.0
        given = {**(task.get_config("generation_kwargs") or {}), **self.settings.gen_kwargs}
        return harness_sampling(given, "", name).temperature

    def _unloaded(self, error: Exception) -> RayrlError:
        """What is wrong where a task could not be made: most often its data are not to be had."""
        said = str(error).strip()[-600:] or repr(error)
        return DataError(
            f"{self.field}.task: {self.settings.task!r} cannot be loaded ({type(error).__name__}: {said}); where its "
            "data are on the hub, which cannot be reached, copy the task's YAML file, name your files in the copy "
            "(dataset_path: json, dataset_kwargs: {data_files: {test: /absolute/path/test.jsonl}}), and name it here"
        )

    def _require_sound(self, name: str, task: Any) -> None:
        config = task.config
        given = (getattr(config, "dataset_kwargs", None) or {}).get("data_files")
        files = given.values() if isinstance(given, dict) else [given] if isinstance(given, str) else given or []
        for file in files:
            if config.dataset_path in _FILES and not Path(str(file)).is_absolute() and "://" not in str(file):
                raise ConfigError(
                    f"{self.field}.task: data_files of {name} ({str(file)!r}) must be an absolute path: actors run in "
                    "folders of their own"
                )
        self._sampling(name, task)
        if "ifeval" in name:
            _require_sentences(f"{self.field}.task: {name}")
        metric = self.settings.metric
        known = set(task.aggregation())
        if metric and metric.partition(",")[0] not in known:
            raise ConfigError(f"{self.field}.metric: {metric!r} is none of {name}'s ({', '.join(sorted(known))})")


def _override(task: Any, settings: HarnessSettings) -> None:
    """As `lm_eval.evaluator.simple_evaluate` does: a task that is set to no examples has none."""
    if settings.gen_kwargs and task.get_config("output_type") == "generate_until":
        task.set_config(key="generation_kwargs", value=dict(settings.gen_kwargs), update=True)
    default = task.get_config("num_fewshot")
    if settings.num_fewshot is not None and default != 0:
        task.set_config(key="num_fewshot", value=settings.num_fewshot)
    elif default is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=FEWSHOT_SEED)


def _require_sentences(field: str) -> None:
    """Raises DataError where what IFEval's checker splits sentences with is not there: it would fail after sampling."""
    import nltk

    try:
        nltk.data.find("tokenizers/punkt_tab")
    except LookupError as error:
        raise DataError(
            f"{field} splits sentences by nltk's punkt_tab, which is not here and could not be downloaded; where there "
            "is a network run `python -m nltk.downloader -d FOLDER punkt_tab`, copy FOLDER, and set NLTK_DATA to it"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without lm-eval's log and progress bars: a run has its own view."""
    import datasets

    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        datasets.enable_progress_bars()
