"""A whole GRPO step, sampled, scored and trained: `rayrl grpo` and TRL's GRPOTrainer, completions of one length.

    python -m tests.benchmarks.grpo_step [--shapes short long] [--contenders rayrl trl] [--repeats 2] [--steps 2]

The bundled model, the same questions in its chat template, the same reward. rayrl as `rayrl grpo` runs it (Ray, vLLM,
learner) with its defaults. TRL in what was fastest of it here: weights in bfloat16 where the processor has it (else
float32), no checkpointing, as many rows at once as fit. The end of a text is ignored, so that both compute the same
tokens. A contender's runs alternate with the other's, in processes of their own; the first step of each run is left
out. Needs TRL 1.16 (the `benchmark` extra).
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from rayrl.generate.vllm_engine import VLLMEngine
from rayrl.jsonl import read_jsonl
from rayrl.models import EMBEDDED, load_tokenizer, resolve_model
from rayrl.processor import compute_dtype
from tests.benchmarks.child import last_line, run
from tests.benchmarks.long_rows import WORDS

MODULE = "tests.benchmarks.grpo_step"
PARTS = ("step", "generate", "verify", "train", "sync")


@dataclass(frozen=True, slots=True)
class Shape:
    """prompts: P; group: G; prompt_tokens: in the chat template; tokens: T; rows: of TRL at once."""

    prompts: int
    group: int
    prompt_tokens: int
    tokens: int
    rows: int

    def __str__(self) -> str:
        return f"{self.prompts} x {self.group} completions of {self.tokens}, prompts of {self.prompt_tokens}"


SHAPES = {"short": Shape(8, 8, 64, 64, 16), "long": Shape(2, 8, 1024, 32, 4)}


class FixedLength(VLLMEngine):
    """Samples on past the end of a text, up to `max_tokens`."""

    def _outputs(self, token_ids: list[int], parameters: Any, priority: int = 0) -> AsyncIterator[Any]:
        parameters.ignore_eos = True
        return super()._outputs(token_ids, parameters, priority)


def uneven(completions: Sequence[Any], **_columns: Any) -> list[float]:
    """Rewards that differ within a group, so that every group is trained on: the share of the letter e."""
    texts = [one if isinstance(one, str) else one[0]["content"] for one in completions]
    return [text.count("e") / (1 + len(text)) for text in texts]


def questions(shape: Shape, count: int) -> list[str]:
    """Texts that take `shape.prompt_tokens` in the chat template, each another."""
    tokenizer: Any = load_tokenizer(resolve_model(EMBEDDED))

    def tokens(words: list[str]) -> int:
        message = [{"role": "user", "content": " ".join(words)}]
        text = tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        return len(tokenizer(text, add_special_tokens=False).input_ids)

    found, draw = [], random.Random(0)
    for _ in range(count):
        words = draw.choices(WORDS, k=shape.prompt_tokens - tokens([]))
        while (over := tokens(words) - shape.prompt_tokens) > 0:
            del words[-over:]
        words += draw.choices(WORDS, k=-over)
        if tokens(words) != shape.prompt_tokens:
            raise ValueError(f"{len(words)} words are {tokens(words)} tokens, not {shape.prompt_tokens}")
        found.append(" ".join(words))
    return found


def rayrl_steps(shape: Shape, steps: int, settings: Sequence[str] = ()) -> list[dict[str, float]]:
    """Seconds of each step after the first, whole and by part. `settings`: over the config, as on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"question": one, "answer": "0"} for one in questions(shape, shape.prompts * (steps + 1))]
        data = Path(folder) / "questions.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = {
            "run": {"dir": folder, "name": "run"},
            "model": {"path": EMBEDDED},
            "train_data": {"source": str(data)},
            "prompt": {"template": "{question}", "max_tokens": shape.prompt_tokens},
            "rewards": [{"function": f"{MODULE}:uneven"}],
            "generator": {"engine": f"{MODULE}:FixedLength"},
            "sampling": {"max_tokens": shape.tokens},
            "objective": {"name": "dr_grpo"},
            "learner": {"learning_rate": 1e-6},
            "steps": steps + 1,
            "prompts_per_step": shape.prompts,
            "group_size": shape.group,
            "drift": False,
        }
        file = Path(folder) / "config.yaml"
        file.write_text(yaml.safe_dump(config))
        run([str(Path(sys.executable).with_name("rayrl")), "grpo", str(file), *settings])
        metrics = list(read_jsonl(Path(folder) / "run" / "metrics.jsonl"))
    found = [row for row in metrics if "time/step_s" in row][1:]
    tokens = shape.prompts * shape.group * shape.tokens
    if len(found) != steps or any(row["generate/completion_tokens"] != tokens for row in found):
        raise ValueError(f"expected {steps} more steps of {tokens} sampled tokens: {found}")
    return [{part: row[f"time/{part}_s"] for part in PARTS} for row in found]


def trl_steps(shape: Shape, steps: int) -> list[dict[str, float]]:
    """Seconds of each of GRPOTrainer's steps after the first."""
    times: list[float] = last_line(MODULE, "--child", json.dumps(asdict(shape)), "--steps", str(steps))
    return [{"step": seconds} for seconds in times]


def train_by_trl(shape: Shape, steps: int) -> list[float]:
    """Seconds of each step after the first, in this process."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_arguments: Any, **_state: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_arguments: Any, **_state: Any) -> None:
            times.append(time.perf_counter() - self.started)

    prompts = [[{"role": "user", "content": one}] for one in questions(shape, shape.prompts * (steps + 1))]
    completions = shape.prompts * shape.group
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder,
            per_device_train_batch_size=shape.rows,
            gradient_accumulation_steps=completions // shape.rows,
            num_generations=shape.group,
            max_completion_length=shape.tokens,
            generation_kwargs={"min_new_tokens": shape.tokens},
            max_steps=steps + 1,
            loss_type="dr_grpo",
            learning_rate=1e-6,
            gradient_checkpointing=False,
            model_init_kwargs={"dtype": compute_dtype()},
            bf16=compute_dtype() == "bfloat16",
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
        )
        data = Dataset.from_list([{"prompt": one} for one in prompts])
        model = resolve_model(EMBEDDED)
        trainer = GRPOTrainer(model, reward_funcs=uneven, args=arguments, train_dataset=data, callbacks=[Clock()])
        trainer.train()
    lengths = {entry["completions/mean_length"] for entry in trainer.state.log_history if "reward" in entry}
    if lengths - {shape.tokens}:
        raise ValueError(f"completions of {lengths} tokens instead of {shape.tokens}")
    return times[1:]


CONTENDERS = {"rayrl": rayrl_steps, "trl": trl_steps}


def measure(
    shapes: Sequence[str], contenders: Sequence[str], repeats: int, steps: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Shape -> contender -> median seconds of the whole step and, of rayrl's, of its parts."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for shape in shapes:
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
        for _, name in product(range(repeats), contenders):
            rows[name] += CONTENDERS[name](SHAPES[shape], steps)
        found[shape] = {
            name: {part: statistics.median(row[part] for row in of) for part in of[0]} for name, of in rows.items()
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(train_by_trl(Shape(**json.loads(asked.child)), asked.steps)))
        return
    for shape, found in measure(asked.shapes, asked.contenders, asked.repeats, asked.steps).items():
        for name, parts in found.items():
            print(f"{shape:6} {name:6} " + "  ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items()))


if __name__ == "__main__":
    main()
