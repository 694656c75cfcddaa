"""The stages of `rayrl synth`, each from files to files. What a stage has made is found by its content, so that a run
that was cut off, or whose settings changed, makes only what is missing."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from rayrl.errors import DataError, listed
from rayrl.files import write_whole
from rayrl.jsonl import Journal, Record, read_jsonl, write_jsonl
from rayrl.synth.chunks import Chunk, Ruler, cut
from rayrl.synth.documents.files import Document, find_files, read_all
from rayrl.synth.filters.near_duplicates import NearDuplicates, SharedText
from rayrl.synth.filters.triplet_filters import Decision, review
from rayrl.synth.report import Report
from rayrl.synth.rules.companies import Company
from rayrl.synth.rules.filings import Filing
from rayrl.synth.settings import SynthConfig
from rayrl.synth.split import held_out
from rayrl.synth.triplets import Triplet, Writer


@dataclass
class Synthesis:
    """One run. folder: where its files are. progress: called with a stage, what is done and how much there is."""

    config: SynthConfig
    folder: Path
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None
    report: Report = field(default_factory=Report)

    @property
    def chunks_file(self) -> Path:
        return self.folder / "chunks.jsonl"

    def filings(self) -> list[Filing]:
        """The filings of invented companies, written into `documents/`."""
        seed, count = self.config.run.seed, self.config.documents.written
        filings = [Filing(Company(seed, number)) for number in range(count)]
        folder = self.folder / "documents"
        for filing in filings:
            path = folder / filing.name
            if not path.exists():
                folder.mkdir(exist_ok=True)
                write_whole(path, filing.source)
        return filings

    def read(self) -> list[Document]:
        """Text of all documents.

        Raises:
            DataError: Nothing is found, files cannot be read (unless `documents.bad` is skip), or none can.
        """
        settings = self.config.documents
        paths = [*settings.paths, *([str(self.folder / "documents")] if settings.written else [])]
        files = find_files(paths)
        journal = Journal(self.folder / "pages.jsonl")
        documents: list[Document] = []
        try:
            for done, read in enumerate(read_all(files, settings, journal), 1):
                self.progress("documents", done, len(files))
                if read.problem is not None:
                    self.report.problems[read.name] = read.problem
                    continue
                pages = journal[read.key]["pages"]
                self.report.left_out.update(journal[read.key]["left_out"])
                self.report.pages += len(pages)
                self.report.empty_pages += sum(not page for page in pages)
                documents.append(Document.of(read.name, pages))
        finally:
            journal.close()
        self.report.documents = len(documents)
        problems = self.report.problems
        if problems and (settings.bad == "error" or not documents):
            named = listed([f"{name}: {problem}" for name, problem in problems.items()])
            raise DataError(
                f"documents: {len(problems)} of {len(files)} files cannot be read:\n{named}\n"
                "mend or remove them, or leave them out by documents.bad: skip"
            )
        return documents

    def cut(self, documents: list[Document], ruler: Ruler) -> None:
        """Writes chunks.jsonl; a chunk that nearly repeats an earlier one is marked."""
        settings = self.config.chunks
        near = NearDuplicates(settings.near_duplicate)

        def records() -> Iterator[Record]:
            for done, document in enumerate(documents, 1):
                self.progress("chunks", done, len(documents))
                for chunk in cut(document, settings.size, settings.overlap, ruler):
                    chunk = replace(chunk, duplicate_of=near.add(chunk.id, chunk.text))
                    self.report.chunks += 1
                    self.report.duplicate_chunks += chunk.duplicate_of is not None
                    yield chunk.record()

        write_jsonl(self.chunks_file, records())

    def chunks(self) -> Iterator[Chunk]:
        """The chunks that questions are asked of."""
        chunks = (Chunk(**record) for record in read_jsonl(self.chunks_file))
        return (chunk for chunk in chunks if chunk.duplicate_of is None)

    async def write(self, writer: Writer) -> None:
        """Asks for questions on each chunk that has none yet, into triplets.jsonl.

        Raises:
            RayrlError: The writer cannot go on; what it has written is kept.
        """
        journal = Journal(self.folder / "triplets.jsonl")
        asked = [(chunk, self._key(chunk)) for chunk in self.chunks()]
        missing = [(chunk, key) for chunk, key in asked if key not in journal]
        queue, total, done = iter(missing), len(asked), len(asked) - len(missing)
        self.report.resumed = done

        async def work() -> None:
            nonlocal done
            for chunk, key in queue:
                written = await writer.write(chunk)
                journal.append(
                    {
                        "key": key,
                        "chunk": chunk.id,
                        "replies": written.replies,
                        "failures": written.failures,
                        "triplets": [triplet.record() for triplet in written.triplets],
                    }
                )
                done += 1
                self.progress("questions", done, total)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.config.questions.concurrency):
                    group.create_task(work())
        except* Exception as errors:
            first: BaseException = errors
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None
        finally:
            journal.close()

    @cached_property
    def _settings(self) -> tuple[list[Any], list[str]]:
        """What a chunk's questions depend on beside the chunk: what its key has before it, and after it."""
        config, template = self.config, self.config.questions.template
        who = config.endpoint if config.questions.writer == "endpoint" else config.model
        before = [
            config.questions.model_dump(mode="json", exclude={"concurrency"}),
            who.model_dump(mode="json", exclude={"url", "tries", "api_key_variable"}) if who else None,
            config.sampling.model_dump(mode="json"),
            config.run.seed,
        ]
        return before, [] if template is None else [template.read_text(encoding="utf-8")]

    def _key(self, chunk: Chunk) -> str:
        """Of a chunk's text and everything that its questions depend on."""
        before, after = self._settings
        asked = json.dumps([*before, chunk.document, chunk.text, *after])
        return f"{chunk.id} {hashlib.sha256(asked.encode()).hexdigest()[:16]}"

    def finish(self) -> Report:
        """Filters and splits what was written: train.jsonl, test.jsonl, removed.jsonl, synth_report.json.

        Raises:
            DataError: Nothing was written, or nothing is left.
        """
        report = self.report
        judged = list(review(self._written(), self.config.filters))
        report.count(judged)
        kept = [one for one in judged if one.removed is None]
        if not kept:
            self._write_report()
            raise DataError(
                f"no question is left of {len(judged)} written on {report.asked} chunks; "
                f"{self.folder / 'synth_report.json'} says what was removed and what failed"
            )
        test = self._held_out({one.chunk.document for one in kept})
        for name in ("train", "test"):
            rows = [_row(one) for one in kept if (one.chunk.document in test) == (name == "test")]
            report.split[name] = {"documents": len({row["provenance"]["document"] for row in rows}), "rows": len(rows)}
            write_jsonl(self.folder / f"{name}.jsonl", rows)
        removed = (_row(one) | {"removed": one.removed, "detail": one.detail} for one in judged if one.removed)
        write_jsonl(self.folder / "removed.jsonl", removed)
        self._write_report()
        return report

    def _written(self) -> Iterator[tuple[Chunk, Triplet]]:
        journal = Journal(self.folder / "triplets.jsonl")
        try:
            for chunk in self.chunks():
                record = journal[self._key(chunk)]
                self.report.reply(record["replies"], record["failures"], len(record["triplets"]))
                yield from ((chunk, Triplet.of(triplet)) for triplet in record["triplets"])
        finally:
            journal.close()

    def _held_out(self, asked: set[str]) -> set[str]:
        """Documents whose questions are held out; those that share text stay on one side."""
        home: dict[str, str] = {}
        alike: list[tuple[str, str]] = []
        texts = SharedText()
        for document, records in groupby(read_jsonl(self.chunks_file), itemgetter("document")):
            chunks = list(records)
            home |= dict.fromkeys((chunk["id"] for chunk in chunks), document)
            alike += [(document, home[chunk["duplicate_of"]]) for chunk in chunks if chunk["duplicate_of"] is not None]
            texts.add(document, "\n".join(chunk["text"] for chunk in chunks))
        alike += texts.pairs()
        return held_out(set(home.values()), asked, alike, self.config.split, self.config.run.seed)

    def _write_report(self) -> None:
        written = json.dumps(self.report.tree(), indent=2, ensure_ascii=False)
        write_whole(self.folder / "synth_report.json", f"{written}\n")


def _row(one: Decision) -> Record:
    chunk, triplet = one.chunk, one.triplet
    return {
        "context": chunk.text,
        "question": triplet.question,
        "answer": triplet.answer,
        "class": triplet.kind,
        "answerable": triplet.answerable,
        "steps": triplet.steps,
        "evidence": list(triplet.evidence),
        "provenance": {
            "document": chunk.document,
            "chunk": chunk.id,
            "page_start": chunk.page_start,
            "page_end": chunk.page_end,
            "start": chunk.start,
            "end": chunk.end,
        },
    }
