"""`train_data`, `eval_data`, `prompt`, `target` and `divergence`: which rows, and what is made of them."""

from typing import Any, Literal

from pydantic import Field

from rayrl.config.settings import Settings


class DatasetSettings(Settings):
    source: str
    """A dataset of rayrl/data/registry.py (`gsm8k` from the hub, `gsm8k:FILE` as its authors publish it),
    `reasoning_gym:TASK`, a .jsonl, .json, .parquet or .csv file or pattern of such, a hub name, or
    `package.module:function` (called with `options`, returns rows)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the source: the dataset's or task's own settings, or `datasets.load_dataset`'s."""
    question_column: str = "question"
    """Column with the problem: text, or a chat (list of role and content) whose last message asks it, with its tools in
    the column `tools`."""
    answer_column: str = "answer"
    """Column with the gold answer."""
    size: int | None = Field(None, ge=1)
    """Rows to use (reasoning_gym: to generate). None: all."""
    seed: int = 0
    """Seed of generated rows. Train and held-out must differ."""
    bad_golds: Literal["error", "skip"] = "error"
    """What to do about rows without a question or an answer, with a gold that no verifier can read, without text for a
    template, or that the chat template refuses: end with their list, or leave them out and say how many."""


class PromptSettings(Settings):
    system: str | None = None
    """System message; None: the chat template's own default."""
    template: str = "{question}"
    r"""User message; `{column}` is replaced by the row's column, `{{` is one brace. Braces around no plain word, as in
    `\boxed{}`, stay."""
    max_tokens: int = Field(512, ge=1)
    """Longest prompt, in tokens. Longer ones are left out, counted and listed."""


class TargetSettings(Settings):
    template: str = "{answer}"
    """Assistant message that is learned; `{column}` is replaced by the row's column."""
    messages_column: str | None = None
    """Column with a chat (list of role and content): every assistant message is learned, with its tool calls, and
    `prompt.template` and `template` are not used. `prompt.system` is put before a chat that has no system message. The
    chat template also gets the column `tools` (JSON schemas of functions)."""
    loss: Literal["answers", "all"] = "answers"
    """Tokens that bear a loss: the assistant's, or all."""
    max_tokens: int = Field(4096, ge=2)
    """Longest example (prompt and answer), in tokens."""
    too_long: Literal["drop", "truncate"] = "drop"
    """What happens to longer ones: left out, or cut at the end. Both are counted and listed."""
    share_column: str | None = None
    """Rows with the same value here (such as `context`) stay together, and what their prompts begin with is computed
    once. None: each row alone."""


class TextSettings(Settings):
    """Texts on which the distribution of each next token is compared with the base's."""

    data: DatasetSettings
    """Rows with a question and a reference answer."""
    prompt: PromptSettings | None = None
    """System message and template. None: the run's own; of `rayrl divergence`, the defaults."""
    template: str = "{answer}"
    """Assistant message; `{column}` is replaced by the row's column."""
    max_tokens: int = Field(2048, ge=2)
    """Longest text (prompt and answer), in tokens. Longer ones are left out and counted."""
