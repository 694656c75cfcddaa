"""The settings of `rayrl synth`."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from rayrl.config.generator import GeneratorSettings, SamplingSettings
from rayrl.config.model import ModelSettings
from rayrl.config.settings import Name, Settings


class SynthRun(Settings):
    name: Name = "synth"
    """Name of the run; its files go to `dir`/`name`. A run that was cut off goes on when it is started again."""
    dir: Path = Path("runs")
    """Folder of all runs."""
    seed: int = 0
    """Seeds what the rules write, the language model's sampling, and the split."""
    overwrite: bool = False
    """Remove a run of this name first."""
    deadline_s: float = Field(600.0, gt=0)
    """Longest wait for one reply of a language model, or for a generator's start, in seconds."""


class SynthDocuments(Settings):
    paths: list[str] = Field(default_factory=list)
    """Files, folders (searched in depth) and patterns (`filings/**/*.pdf`) of .pdf, .html, .htm, .txt and .md."""
    written: int = Field(0, ge=0)
    """Filings of invented companies that the rules write into the run, beside `paths`. `writer: rules` needs them."""
    bad: Literal["error", "skip"] = "error"
    """What to do about files that cannot be read (encrypted, scanned, broken): end with their list, or leave them out
    and say how many. Either way they are listed in synth_report.json."""
    encoding: str | None = None
    """Of text and HTML files. Default: what a file says itself (its first bytes, a page's `<meta charset>`), else
    UTF-8."""
    deadline_s: float = Field(300.0, gt=0)
    """Longest time to read one PDF, in seconds."""


class ChunkSettings(Settings):
    unit: Literal["characters", "tokens"] = "characters"
    """What `size` and `overlap` count."""
    tokenizer: str | None = None
    """Model whose tokenizer counts tokens, as in `model.path`."""
    size: int = Field(8000, ge=50)
    """Longest chunk. Pages that fit stay whole."""
    overlap: int = Field(400, ge=0)
    """Most that a chunk repeats of the one before it, in whole lines."""
    near_duplicate: float = Field(0.9, gt=0, le=1)
    """A chunk that shares this much (Jaccard similarity of word triples) with an earlier one is asked nothing, and the
    documents of both go to the same side of the split."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.overlap > self.size // 2:
            raise ValueError(f"overlap ({self.overlap}) must be at most half of size ({self.size})")
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("tokenizer goes with unit: tokens; set both or neither")
        return self


QuestionClass = Literal["extraction", "numeric_reasoning", "comparison", "yes_no", "multi_part", "unanswerable"]


class EndpointSettings(Settings):
    url: str
    """Base address of an OpenAI-compatible service, such as http://localhost:8000/v1."""
    model: str
    """Model name that it is asked for."""
    api_key_variable: str | None = None
    """Environment variable that holds the key. None: no key is sent."""
    json_schema: bool = True
    """Ask the service to hold replies to the JSON schema (`response_format`). Switch off where it cannot."""
    tries: int = Field(5, ge=1)
    """Attempts at a request that fails (no connection, status 429 or 5xx), with growing pauses, before the run ends."""


class QuestionSettings(Settings):
    writer: Literal["rules", "endpoint", "generators"] = "rules"
    """Who writes questions: rules (of `documents.written` only, certain answers), an OpenAI-compatible `endpoint`, or
    vLLM `generators` of the run's own."""
    classes: dict[QuestionClass, Annotated[int, Field(ge=0)]] = Field(
        default_factory=lambda: dict.fromkeys(get_args(QuestionClass), 1), min_length=1
    )
    """Questions of each class asked of a chunk. Fewer come where the chunk has no matter for them."""
    template: Path | None = None
    """Jinja file of the prompt. None: rayrl/synth/writers/templates/questions.md.j2."""
    replies: int = Field(2, ge=1)
    """Times that a chunk is asked until a reply can be read; then it counts as failed."""
    concurrency: int = Field(32, ge=1)
    """Chunks asked at once."""


class FilterSettings(Settings):
    languages: list[str] = Field(default_factory=list)
    """Languages that questions may have (en, de, fr, es, it, pt, nl). Empty: any."""
    near_duplicate: float = Field(0.85, gt=0, le=1)
    """Questions of the same numbers that share this much (Jaccard similarity of word triples) are one."""
    figures: bool = True
    """Leave out answers with a figure that neither stands in the chunk nor follows from the evidence by one
    operation."""


class SplitSettings(Settings):
    test_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of documents whose questions are held out. Above 0, at least one document is. Documents that share a chunk,
    or half of the shorter one's text, stay together."""
    group: str | None = None
    """Regular expression on document names: those whose first bracket (or match) is the same stay together, such as
    `^([^_]+)_` for COMPANY_YEAR.pdf. None: each document alone."""

    @field_validator("group")
    @classmethod
    def compiles(cls, group: str | None) -> str | None:
        if group is not None:
            try:
                re.compile(group)
            except re.error as error:
                raise ValueError(f"{group!r} is no regular expression: {error}") from error
        return group


class SynthConfig(Settings):
    """Everything `rayrl synth` needs."""

    run: SynthRun = SynthRun()
    documents: SynthDocuments
    chunks: ChunkSettings = ChunkSettings()
    questions: QuestionSettings = QuestionSettings()
    endpoint: EndpointSettings | None = None
    """The service that `questions.writer: endpoint` asks."""
    model: ModelSettings | None = None
    """The model of `questions.writer: generators`."""
    generator: GeneratorSettings = GeneratorSettings()
    sampling: SamplingSettings = SamplingSettings(temperature=0.7, top_p=0.95, max_tokens=2048)
    prompt_tokens: int = Field(6144, ge=1)
    """Longest prompt (instructions and chunk) of `questions.writer: generators`, in tokens."""
    filters: FilterSettings = FilterSettings()
    split: SplitSettings = SplitSettings()

    @model_validator(mode="after")
    def complete(self) -> Self:
        writer = self.questions.writer
        if not self.documents.paths and not self.documents.written:
            raise ValueError("documents: give paths, or let the rules write some (documents.written: 20)")
        if writer == "rules" and not self.documents.written:
            raise ValueError(
                "questions.writer: rules know only the filings that they wrote: set documents.written, or choose "
                "endpoint or generators"
            )
        if writer == "endpoint" and self.endpoint is None:
            raise ValueError("questions.writer: endpoint needs the section endpoint (url, model)")
        if writer == "generators" and self.model is None:
            raise ValueError("questions.writer: generators need the section model (path)")
        return self
