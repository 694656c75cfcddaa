"""Loss curves of SFT on GSM8K: this learner and TRL's SFTTrainer on the same examples, order, rate, schedule and batch.

    python -m tests.benchmarks.sft_vs_trl [--updates 20] [--examples 8] [--dtype float32]

The embedded model, loss on answers, AdamW at 2e-5 falling linearly to 0, gradients clipped to norm 1. Examples are made
by rayrl's data path and laid out in its order, so that TRL sees the same token ids. One process each, one after the
other. Needs TRL 1.16 (the `benchmark` extra).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings, SFTConfig
from rayrl.data.examples import write_examples
from rayrl.data.order import ExampleOrder
from rayrl.models import EMBEDDED, load_tokenizer, resolve_model
from rayrl.types import Example

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "train.jsonl"
RATE = 2e-5


def examples(count: int) -> list[Example]:
    """The first `count` of an epoch over 1,000 problems."""
    config = SFTConfig.model_validate(
        {
            "model": {"path": EMBEDDED},
            "train_data": {"source": f"gsm8k:{GSM8K}", "size": 1000},
            "target": {"template": "{solution}\n#### {answer}"},
        }
    )
    tokenizer = load_tokenizer(resolve_model(EMBEDDED))
    with tempfile.TemporaryDirectory() as folder:
        file = write_examples(
            config,
            lambda chat, ask: tokenizer.apply_chat_template(chat, add_generation_prompt=ask, tokenize=False),
            lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
            tokenizer.eos_token,
            frozenset(),
            Path(folder) / "examples.arrow",
        )
        order = ExampleOrder(file.groups(), seed=0)
        return [file[order[at]] for at in range(count)]


def rayrl_curve(rows: list[Example], size: int, dtype: str) -> list[tuple[float, float]]:
    """(loss, norm of the gradient) of each update."""
    import torch

    from rayrl.learner.batch import sft_tree
    from rayrl.learner.learner import Learner
    from rayrl.learner.objectives import sft_objective

    model = ModelSettings.model_validate({"path": resolve_model(EMBEDDED), "compute_dtype": dtype})
    settings = LearnerSettings(learning_rate=RATE, schedule="linear", warmup_fraction=0, microbatch_tokens=2048)
    learner = Learner(model, settings, FreezeSettings(), 1.0, len(rows) // size, 0, torch.device("cpu"))
    curve = []
    for at in range(0, len(rows), size):
        metrics = learner.update([sft_tree([row]) for row in rows[at : at + size]], sft_objective())
        curve.append((metrics["train/loss"], metrics["train/grad_norm"]))
    return curve


def trl_curve(rows: list[Example], size: int, dtype: str) -> list[tuple[float, float]]:
    """The same of SFTTrainer: two rows at a time, gradients accumulated to `size`."""
    import torch
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig as Arguments
    from trl import SFTTrainer

    class InOrder(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            return SequentialSampler(self.train_dataset)

    arguments = Arguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=size // 2,
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="linear",
        warmup_steps=0,
        max_grad_norm=1.0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=dtype == "bfloat16",
        gradient_checkpointing=False,
        completion_only_loss=True,
        max_length=None,
        model_init_kwargs={"dtype": torch.float32},
    )
    data = [{"input_ids": row.token_ids, "completion_mask": list(map(int, row.loss_mask))} for row in rows]
    trainer = InOrder(model=resolve_model(EMBEDDED), args=arguments, train_dataset=Dataset.from_list(data))
    trainer.train()
    return [(log["loss"], log["grad_norm"]) for log in trainer.state.log_history if "grad_norm" in log]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--examples", type=int, default=8)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", choices=("rayrl", "trl"))
    arguments = parser.parse_args()
    if arguments.child:
        import torch

        torch.set_num_threads(arguments.threads)
        curve = rayrl_curve if arguments.child == "rayrl" else trl_curve
        found = curve(examples(arguments.updates * arguments.examples), arguments.examples, arguments.dtype)
        print(json.dumps(found))
        return
    curves = {}
    for contender in ("rayrl", "trl"):
        started = time.monotonic()
        command = [sys.executable, "-m", "tests.benchmarks.sft_vs_trl", *sys.argv[1:], "--child", contender]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        curves[contender] = json.loads(done.stdout.strip().splitlines()[-1])
        print(f"{contender}: {time.monotonic() - started:.0f} s", flush=True)
    print("| update | loss, rayrl | loss, TRL | gradient norm, rayrl | TRL |\n|---|---|---|---|---|")
    pairs = list(zip(curves["rayrl"], curves["trl"], strict=True))
    for number, (ours, theirs) in enumerate(pairs, start=1):
        print(f"| {number} | {ours[0]:.5f} | {theirs[0]:.5f} | {ours[1]:.4f} | {theirs[1]:.4f} |")
    print(f"largest difference of a loss: {max(abs(ours[0] - theirs[0]) for ours, theirs in pairs):.2e}")


if __name__ == "__main__":
    main()
