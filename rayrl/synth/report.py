"""What each stage of `rayrl synth` took in, made and left out: counted, to be printed and kept."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from rayrl.synth.filters.triplet_filters import REASONS, Decision
from rayrl.synth.triplets import CLASSES


@dataclass
class Report:
    """Counts of a run. problems: file -> why it could not be read. left_out: what of the documents
    that were read -> how many. by_class: class -> `written`, `kept` or a reason ->
    questions. asked: chunks that questions were asked of. resumed: those that an earlier start had done."""

    documents: int = 0
    pages: int = 0
    empty_pages: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    duplicate_chunks: int = 0
    asked: int = 0
    resumed: int = 0
    replies: int = 0
    without_questions: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    by_class: dict[str, Counter[str]] = field(default_factory=dict)
    split: dict[str, dict[str, int]] = field(default_factory=dict)

    def reply(self, replies: int, failures: list[str], questions: int) -> None:
        """Counts what became of one chunk."""
        self.asked += 1
        self.replies += replies
        self.failures.update(failures)
        self.without_questions += not questions

    def count(self, judged: list[Decision]) -> None:
        """Counts what the filters did."""
        for one in judged:
            counts = self.by_class.setdefault(one.triplet.kind, Counter())
            counts.update(("written", one.removed or "kept"))

    def tree(self) -> dict[str, Any]:
        """For synth_report.json."""
        classes = {name: self.by_class.get(name, Counter()) for name in CLASSES}
        return {
            "documents": {
                "read": self.documents,
                "pages": self.pages,
                "pages_without_text": self.empty_pages,
                "not_read": self.problems,
                "left_out": dict(self.left_out.most_common()),
            },
            "chunks": {"cut": self.chunks, "near_duplicates": self.duplicate_chunks, "asked": self.asked},
            "writing": {
                "chunks_done_before": self.resumed,
                "replies": self.replies,
                "failures": dict(self.failures.most_common()),
                "chunks_without_questions": self.without_questions,
            },
            "filters": {
                name: {column: counts[column] for column in ("written", *REASONS, "kept")}
                for name, counts in classes.items()
                if counts
            },
            "split": self.split,
        }

    def lines(self) -> list[str]:
        """The report without the filters' table."""
        lines = [
            f"documents: {self.documents} read ({self.pages} pages, {self.empty_pages} without text), "
            f"{len(self.problems)} not read",
            f"chunks: {self.chunks} cut, {self.duplicate_chunks} near-duplicates, {self.asked} asked "
            f"({self.resumed} of them done before), {self.without_questions} gave no question",
        ]
        lines += [f"  left out: {count} x {what}" for what, count in self.left_out.most_common()]
        lines += [f"  not read: {name}: {problem}" for name, problem in self.problems.items()]
        lines += [f"  {count} x {reason}" for reason, count in self.failures.most_common()]
        lines += [f"{name}: {part['rows']} rows of {part['documents']} documents" for name, part in self.split.items()]
        return lines

    def table(self) -> Table:
        """Class by class what was written, what each filter removed, and what is left."""
        shown = [reason for reason in REASONS if any(counts[reason] for counts in self.by_class.values())]
        table = Table("class", "written", *shown, "kept")
        for column in table.columns[1:]:
            column.justify = "right"
        rows: dict[str, Counter[str]] = {name: self.by_class[name] for name in CLASSES if name in self.by_class}
        rows["all"] = sum(rows.values(), Counter())
        for name, counts in rows.items():
            table.add_row(name, *(str(counts[column]) for column in ("written", *shown, "kept")))
        return table
