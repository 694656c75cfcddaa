"""lm-evaluation-harness on the run's generators beside its own Hugging Face back end: same answers, and how fast.

    python -m tests.benchmarks.against_lm_eval --mmlu test.jsonl --gsm8k test.jsonl [--shots 5]

Both read the same tasks, written here as YAML files: the published form of MMLU (letters after `Answer:`) and its
options whole (`continuation`), and GSM8K. Time is that of lm-eval's `evaluate`, without loading models. Both compute
in `--dtype`. With `--read` the Hugging Face back end generates nothing of GSM8K that it can read: one forward over each
completion says whether every token of it is its own most probable one, which takes minutes instead of hours.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rayrl.config import HarnessSettings
from rayrl.models import EMBEDDED, load_tokenizer, resolve_model
from rayrl.types import Rollout, Sampling, Score

MAX_LENGTH = 2048
IN_FLIGHT = 64
ACCURACY = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
EXACT = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
FORM = "{{question.strip()}}\n" + "".join(f"{'ABCD'[n]}. {{{{choices[{n}]}}}}\n" for n in range(4)) + "Answer:"
TASKS = ("letters", "options", "gsm8k")
TIE = 1e-3
"""Nats within which two choices count as alike."""


def task_files(folder: Path, mmlu: Path, gsm8k: Path | None, shots: int = 0) -> dict[str, str]:
    """Name -> YAML file of a task on rows of these files; `shots`: examples before each question of multiple choice,
    the first of the file, as MMLU's are the same for all questions of a subject."""

    def data(path: Path) -> dict[str, Any]:
        files = {"test": str(path.absolute())}
        return {"dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test"}

    choices = {**data(mmlu), "output_type": "multiple_choice", "doc_to_target": "answer", "metric_list": ACCURACY}
    choices |= {"num_fewshot": shots, "fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}}
    tasks: dict[str, dict[str, Any]] = {
        "letters": {**choices, "doc_to_text": FORM, "doc_to_choice": ["A", "B", "C", "D"]},
        "options": {
            **choices,
            "doc_to_text": "Question: {{question.strip()}}\nAnswer:",
            "doc_to_choice": "{{choices}}",
        },
    }
    if gsm8k:
        tasks["gsm8k"] = {
            **data(gsm8k),
            "num_fewshot": 0,
            "output_type": "generate_until",
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False},
            "metric_list": [{**EXACT, "ignore_case": True, "regexes_to_ignore": [",", r"\$", "(?s).*#### ", r"\.$"]}],
            "filter_list": [
                {
                    "name": "flexible-extract",
                    "filter": [
                        {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                        {"function": "take_first"},
                    ],
                }
            ],
        }
    for name, task in tasks.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **task}))
    return {name: str(folder / f"{name}.yaml") for name in tasks}


class EngineGenerators:
    """One engine in this process, with as many questions in flight as a run has."""

    def __init__(self, engine: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._loop = engine, loop
        self.generated: dict[tuple[int, ...], Rollout] = {}  # by prompt

    def generate(self, prompts: Sequence[tuple[list[int], Sampling]]) -> list[Rollout]:
        found = [one for (one,) in self._together([lambda one=one: self._engine.generate(*one) for one in prompts])]
        self.generated |= {tuple(prompt): one for (prompt, _), one in zip(prompts, found, strict=True)}
        return found

    def score(self, prompts: Sequence[tuple[list[int], list[list[int]]]]) -> list[list[Score]]:
        return self._together([lambda one=one: self._engine.score(*one) for one in prompts])

    def _together(self, calls: list[Any]) -> list[Any]:
        async def run() -> list[Any]:
            free = asyncio.Semaphore(IN_FLIGHT)

            async def one(call: Any) -> Any:
                async with free:
                    return await call()

            return await asyncio.gather(*map(one, calls))

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()


@dataclass(frozen=True, slots=True)
class Outcome:
    """samples: lm-eval's, in order. figures: its metrics."""

    samples: list[dict[str, Any]]
    figures: dict[str, float]
    seconds: float


def run_task(file: str, limit: int, model: Any) -> Outcome:
    """One task by one model, and the time of lm-eval's `evaluate`."""
    from lm_eval.evaluator import evaluate

    from rayrl.evaluate.harness_tasks import HarnessTask

    task = HarnessTask(HarnessSettings(task=file), "benchmark")
    (name,) = task.tasks
    started = time.monotonic()
    found = evaluate(model, {"tasks": task.tasks}, limit=limit, bootstrap_iters=0)
    seconds = time.monotonic() - started
    figures = {key: value for key, value in found["results"][name].items() if "," in key and "stderr" not in key}
    return Outcome(found["samples"][name], figures, seconds)


def chosen(sample: dict[str, Any]) -> tuple[int, float]:
    """The most probable choice, and how far the next is behind, in nats."""
    totals = [reply[0][0] for reply in sample["resps"]]
    order = sorted(range(len(totals)), key=totals.__getitem__, reverse=True)
    return order[0], totals[order[0]] - totals[order[1]]


def compare(name: str, ours: Outcome, theirs: Outcome) -> dict[str, Any]:
    """Counts of equal answers, and of those that differ where two choices are alike."""
    pairs = list(zip(ours.samples, theirs.samples, strict=True))
    found: dict[str, Any] = {"task": name, "items": len(pairs)}
    if isinstance(theirs.samples[0]["resps"][0][0], str):
        found["equal texts"] = sum(one["resps"] == other["resps"] for one, other in pairs)
        found["equal answers"] = sum(one["filtered_resps"] == other["filtered_resps"] for one, other in pairs)
    else:
        found["equal choices"] = sum(chosen(one)[0] == chosen(other)[0] for one, other in pairs)
        found["others, all ties"] = sum(
            chosen(one)[0] != chosen(other)[0] and max(chosen(one)[1], chosen(other)[1]) < TIE for one, other in pairs
        )
        found["equal greedy flags"] = sum(
            [reply[0][1] for reply in one["resps"]] == [reply[0][1] for reply in other["resps"]] for one, other in pairs
        )
        found["largest difference, nats"] = max(
            abs(mine[0][0] - other[0][0])
            for one, reference in pairs
            for mine, other in zip(one["resps"], reference["resps"], strict=True)
        )
    found |= {"ours": ours.figures, "hf": theirs.figures}
    found |= {"ours, s": round(ours.seconds, 1), "hf, s": round(theirs.seconds, 1)}
    return found | {"times as fast": round(theirs.seconds / ours.seconds, 2)}


def read(name: str, ours: Outcome, generated: Mapping[tuple[int, ...], Rollout], reference: Any) -> dict[str, Any]:
    """Counts of our completions that the reference would generate too, to the token, by one forward over each; and of
    the others those whose text it generates all the same. Raises KeyError where it reads a prompt otherwise."""
    from lm_eval.api.instance import Instance

    started = time.monotonic()
    arguments = [sample["arguments"][0] for sample in ours.samples]
    prompts = [tuple(reference.tok_encode(context)) for context, _ in arguments]
    asked = [(None, list(prompt), generated[prompt].token_ids.tolist()) for prompt in prompts]
    greedy = [same for _, same in reference._loglikelihood_tokens(asked)]
    others = [place for place, same in enumerate(greedy) if not same]
    texts = reference.generate_until([Instance("generate_until", {}, arguments[place], 0) for place in others])
    differ = [place for place, text in zip(others, texts, strict=True) if [[text]] != ours.samples[place]["resps"]]
    return {
        "task": name,
        "items": len(asked),
        "greedy to the token": sum(greedy),
        "of the others equal texts": len(others) - len(differ),
        "other texts": differ,
        "ours": ours.figures,
        "ours, s": round(ours.seconds, 1),
        "read, s": round(time.monotonic() - started, 1),
    }


def reference_model(folder: str, dtype: str, batch_size: int) -> Any:
    """lm-eval's own."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=folder, dtype=dtype, batch_size=batch_size, max_length=MAX_LENGTH, device="cpu")


async def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    from rayrl.evaluate.harness_model import GeneratorLM
    from rayrl.generate.engine import EngineSettings
    from rayrl.generate.vllm_engine import VLLMEngine

    folder = resolve_model(options.model)
    limits = {"letters": options.likelihood, "options": options.likelihood, "gsm8k": options.generated}
    with tempfile.TemporaryDirectory() as tasks:
        files = task_files(Path(tasks), options.mmlu, options.gsm8k, options.shots)
        files = {name: file for name, file in files.items() if name in options.only}
        engine = VLLMEngine(
            EngineSettings(folder, MAX_LENGTH + 1, 0, 256, 1, 0, 1 << 30, 0.85, {}, dtype=options.dtype)
        )
        await engine.start()
        try:
            generators = EngineGenerators(engine, asyncio.get_running_loop())
            model = GeneratorLM(generators, load_tokenizer(folder), MAX_LENGTH, 0)
            await engine.generate([1, 2, 3], Sampling(0.0, 1.0, 4))  # what the first request alone pays for
            ours = {name: await asyncio.to_thread(run_task, file, limits[name], model) for name, file in files.items()}
        finally:
            await engine.close()
        reference = reference_model(folder, options.dtype, options.batch_size)
        rows = []
        for name, file in files.items():
            if options.read and name == "gsm8k":
                rows.append(read(name, ours[name], generators.generated, reference))
            else:
                rows.append(compare(name, ours[name], run_task(file, limits[name], reference)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mmlu", type=Path, required=True, help="rows with question, choices and answer (0-3)")
    parser.add_argument("--gsm8k", type=Path)
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--likelihood", type=int, default=500)
    parser.add_argument("--generated", type=int, default=200)
    parser.add_argument(
        "--batch-size", type=int, default=1, help="of the Hugging Face back end; lm-eval's default is 1"
    )
    parser.add_argument("--shots", type=int, default=0, help="examples before each question of multiple choice")
    parser.add_argument("--only", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--read", action="store_true", help="completions of GSM8K instead of generating them")
    for row in asyncio.run(measure(parser.parse_args())):
        print(json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
