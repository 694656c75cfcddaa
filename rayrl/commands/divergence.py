"""`rayrl divergence`: KL divergence of one or several checkpoints from the base, on texts with reference answers."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from rayrl.commands.output import open_output
from rayrl.config import PromptSettings, TextSettings
from rayrl.divergence.base_states import BaseStates
from rayrl.divergence.policies import load_base, load_tuned
from rayrl.divergence.summary import divergence_row, token_rows
from rayrl.divergence.text_set import build_texts
from rayrl.drift.model_paths import find_model
from rayrl.errors import ModelError


@dataclass(frozen=True, slots=True)
class DivergenceOptions:
    """What `rayrl divergence` was asked for. tokens: file for the figures of each token."""

    base: str
    checkpoints: list[str]
    texts: TextSettings
    output: Path | None
    tokens: Path | None
    overwrite: bool
    device: torch.device
    microbatch_tokens: int


def run_divergence(asked: DivergenceOptions) -> int:
    """Runs the base once and each checkpoint once, one model in memory at a time.

    Raises:
        ConfigError: An output exists and `overwrite` is off, or bad settings.
        DataError: No usable texts.
        ModelError: A path that is no model, does not fit the base, or has no chat template.
    """
    row_output = open_output(asked.output, asked.overwrite)
    token_output = open_output(asked.tokens, asked.overwrite, "--tokens")
    base, found = find_model(asked.base).folder, [find_model(path) for path in asked.checkpoints]
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    if tokenizer.chat_template is None:
        raise ModelError(f"BASE: the tokenizer of {asked.base!r} has no chat template; put one into its folder")
    name = asked.texts.data.source
    made = build_texts(asked.texts, PromptSettings(), tokenizer, "texts")
    console, progress = Console(width=120), Console(stderr=True)
    for reason, names in made.left_out.items():
        console.print(f"left out: {len(names)} texts: {reason}")
    progress.print(f"{len(made.texts)} texts; the base runs first", highlight=False)
    states = BaseStates(load_base(base, asked.device), made.texts, asked.microbatch_tokens, asked.device)
    with row_output as write_row, token_output as write_token:
        for checkpoint in found:
            gc.collect()
            progress.print(checkpoint.path, highlight=False, markup=False)
            by_index = states.compare(load_tuned(base, checkpoint, asked.device))
            items = [by_index[index] for index in range(len(made.texts))]
            row = divergence_row(checkpoint.path, checkpoint.step, name, made.texts, items)
            write_row(row)
            for token_row in token_rows(checkpoint.path, checkpoint.step, name, made.texts, items):
                write_token(token_row)
            _show(console, row)
    return 0


def _show(console: Console, row: dict[str, Any]) -> None:
    console.print(
        f"\n{row['checkpoint']}: {row['items']} texts, {row['tokens']} tokens, nats a token\n"
        f"KL(base || tuned) {row['forward_kl']:.5f}, KL(tuned || base) {row['reverse_kl']:.5f}, "
        f"entropy {row['entropy']:.4f} (base {row['base_entropy']:.4f})",
        markup=False,
        highlight=False,
    )
    parts = [(name, part) for name, part in row["by_part"].items()]
    tenths = [(f"{part['from']:.0%}-{part['to']:.0%}", part) for part in row["by_position"]]
    tokens = [(f"token {part['from']}-{part['to'] - 1}", part) for part in row["by_token"]]
    console.print(_table(parts + tenths + tokens))


def _table(parts: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    table = Table("where", "tokens", "KL(base || tuned)")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, part in parts:
        kl = "-" if part["forward_kl"] is None else f"{part['forward_kl']:.5f}"
        table.add_row(name, str(part["tokens"]), kl)
    return table
