"""Peak memory of the data path at 220,000 long rows against 2,000: rows -> examples.arrow -> a shuffled epoch.

    python -m tests.benchmarks.long_rows [--rows 2000 220000] [--words 700] [--folder /tmp] [--tokenizer]

Rows of about 4,000 characters (700 words) come one at a time; every third, twice as long, is over the length limit and
is left out, counted and listed. Without --tokenizer a token is a word. Memory is the process's own (RssAnon; mapped
files are the kernel's to drop), its peak sampled while it runs; the process is new for each count.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from rayrl.config import SFTConfig
from rayrl.data.examples import write_examples
from rayrl.data.order import ExampleOrder
from rayrl.data.row import Row

WORDS = ("revenue", "costs", "assets", "cash", "sales", "debt", "equity", "margin", "tax", "stores")
READ = 5000


def rows(count: int, words: int) -> Iterator[Row]:
    """Every third is twice as long."""
    for number in range(count):
        text = " ".join(WORDS[(number + at) % len(WORDS)] for at in range(2 * words if number % 3 == 2 else words))
        yield {"question": f"Case {number}?", "answer": text}


def anonymous_mb() -> float:
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


class Peak:
    """Most memory seen while it is open, sampled every 20 ms."""

    def __enter__(self) -> "Peak":
        self.mb = anonymous_mb()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.mb = max(self.mb, anonymous_mb())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def child(count: int, words: int, folder: Path, real: bool) -> None:
    data = {"source": "tests.benchmarks.long_rows:rows", "options": {"count": count, "words": words}}
    target = {"max_tokens": words * 3 // 2}
    config = SFTConfig.model_validate({"model": {"path": "m"}, "train_data": data, "target": target})
    if real:
        from rayrl.models import EMBEDDED, load_tokenizer, resolve_model

        tokenizer = load_tokenizer(resolve_model(EMBEDDED))
        encode = lambda text: list(tokenizer.encode(text, add_special_tokens=False))  # noqa: E731
    else:
        numbers = {word: number for number, word in enumerate(WORDS)}
        encode = lambda text: [numbers.get(word, 99) for word in text.split()]  # noqa: E731
    list(map(encode, (row["answer"] for row in rows(3, words))))
    before, started = anonymous_mb(), time.monotonic()
    with Peak() as writing:
        render = lambda messages, ask: " ".join(message["content"] for message in messages) + " "  # noqa: E731
        file = write_examples(config, render, encode, "<end>", frozenset(), folder / "rows.arrow")
    written = time.monotonic() - started
    with Peak() as reading:
        order = ExampleOrder(file.groups(), seed=0)
        tokens = sum(len(file[order[at]].token_ids) for at in range(0, len(file), max(1, len(file) // READ)))
    left_out = {reason: len(ids) for reason, ids in file.left_out.items()}
    result = {
        "rows": count,
        "kept": len(file),
        "left_out": left_out,
        "file_mb": file.path.stat().st_size / 1e6,
        "start_mb": before,
        "writing_mb": writing.mb,
        "reading_mb": reading.mb,
        "seconds": written,
        "tokens_read": tokens,
    }
    print(json.dumps({name: round(value) if isinstance(value, float) else value for name, value in result.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 220_000])
    parser.add_argument("--words", type=int, default=700, help="of an answer; 5.7 characters each")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--tokenizer", action="store_true", help="encode by the embedded model's tokenizer")
    parser.add_argument("--child", type=int)
    arguments = parser.parse_args()
    if arguments.child:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            child(arguments.child, arguments.words, Path(folder), arguments.tokenizer)
        return
    for count in arguments.rows:
        command = [sys.executable, "-m", "tests.benchmarks.long_rows", "--folder", str(arguments.folder)]
        command += ["--tokenizer"] * arguments.tokenizer + ["--words", str(arguments.words), "--child", str(count)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
