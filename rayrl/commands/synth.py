"""`rayrl synth`: documents -> chunks -> questions with answers -> filters -> train.jsonl and test.jsonl."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console

from rayrl.config import dump_config
from rayrl.files import write_whole
from rayrl.folders import require_writable
from rayrl.progress import progress_bars
from rayrl.synth.chunks import Ruler, characters
from rayrl.synth.documents.files import find_files
from rayrl.synth.filters.triplet_filters import check_languages
from rayrl.synth.pipeline import Synthesis
from rayrl.synth.rules.filings import Filing
from rayrl.synth.rules.rule_writer import RuleWriter
from rayrl.synth.settings import ChunkSettings, SynthConfig
from rayrl.synth.writers.endpoint import Endpoint
from rayrl.synth.writers.model_writer import Chat, ModelWriter


def run_synth(config: SynthConfig) -> int:
    """Runs to the end, and resumes where an earlier start of the same run was cut off.

    Raises:
        RayrlError: Bad settings or documents, or a writer that cannot continue; what was made is kept.
    """
    check_languages(config.filters)
    folder = (config.run.dir / config.run.name).resolve()
    require_writable(folder, "run.dir")
    if config.run.overwrite and any((folder / made).exists() for made in ("pages.jsonl", "synth_report.json")):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.yaml", dump_config(config.model_copy(update={"run": _resume_settings(config)})))
    console = Console(stderr=True)
    with _progress(console) as progress:
        synthesis = Synthesis(config, folder, progress)
        filings = synthesis.filings()
        synthesis.cut(synthesis.read(), _ruler(config.chunks))
        with _cluster(config):
            asyncio.run(_write(synthesis, filings))
    report = synthesis.finish()
    shown = Console(width=120)
    shown.print("\n".join(report.lines()), highlight=False, markup=False)
    shown.print(report.table())
    print(folder / "train.jsonl")
    return 0


def print_inputs(config: SynthConfig) -> int:
    """`--dry-run`: the resolved settings and the files that would be read. Writes nothing. Raises as `run_synth`."""
    check_languages(config.filters)
    require_writable((config.run.dir / config.run.name).resolve(), "run.dir")
    files = find_files(config.documents.paths)
    kinds = Counter(file.suffix.lower() for file in files.values())
    shown = Console(highlight=False, soft_wrap=True)
    shown.print(dump_config(config), markup=False)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    shown.print(f"files     {len(files)} ({found or 'none'}), {config.documents.written} to be written by rules")
    shown.print(f"questions by {config.questions.writer}: {sum(config.questions.classes.values())} of each chunk")
    shown.print(f"run       {(config.run.dir / config.run.name).resolve()}")
    return 0


def _resume_settings(config: SynthConfig) -> Any:
    """`run` as the folder's config.yaml has it: starting from that resumes."""
    return config.run.model_copy(update={"overwrite": False})


async def _write(synthesis: Synthesis, filings: list[Filing]) -> None:
    config = synthesis.config
    if config.questions.writer == "rules":
        await synthesis.write(RuleWriter(filings, config.questions.classes, config.run.seed))
        return
    chat = await _chat(config)
    try:
        await synthesis.write(ModelWriter(chat, config.questions, config.run.seed))
    finally:
        await chat.close()


async def _chat(config: SynthConfig) -> Chat:
    if config.endpoint is not None and config.questions.writer == "endpoint":
        return Endpoint(config.endpoint, config.sampling, config.run.deadline_s)
    from rayrl.actors.chat import GeneratorChat

    chat = GeneratorChat(config)
    await chat.start()
    return chat


def _cluster(config: SynthConfig) -> Any:
    """Ray, where generators need it."""
    if config.questions.writer != "generators":
        return nullcontext()
    from rayrl.train.cluster import connect

    return connect()


def _ruler(settings: ChunkSettings) -> Ruler:
    if settings.tokenizer is None:
        return characters
    from transformers import AutoTokenizer

    from rayrl.models import resolve_model

    tokenizer: Any = AutoTokenizer.from_pretrained(resolve_model(settings.tokenizer))

    def tokens(text: str) -> Sequence[int]:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [start for start, _ in encoded["offset_mapping"]]

    return tokens


@contextmanager
def _progress(console: Console) -> Iterator[Any]:
    """A function that shows how far a stage is: a bar on a terminal, nothing elsewhere."""
    with progress_bars(console) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total)

        yield show
