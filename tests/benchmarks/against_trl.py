"""TRL's trainers on rows that are given to them, with nothing generated. Needs the `benchmark` extra."""

import tempfile
import warnings
from typing import Any

import torch

Row = tuple[list[int], list[int]]  # prompt, completion
PACK = 1024
"""Tokens of a pack: TRL's default `max_length`."""


def _arguments(tuned: bool, rows: int) -> dict[str, Any]:
    arguments = {
        "output_dir": tempfile.mkdtemp(),
        "per_device_train_batch_size": rows,
        "use_cpu": True,
        "report_to": "none",
        "learning_rate": 1e-6,
        "disable_tqdm": True,
    }
    return arguments | ({"gradient_checkpointing": False} if tuned else {})


def sft_step(model: str, rows: list[Row], tuned: bool = False, packed: bool = False) -> Any:
    """() -> loss: forward and backward of SFTTrainer over all rows. `tuned`: no checkpointing. `packed`: rows in packs
    of up to PACK tokens, one pack at a time; else all rows at once, padded."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    data = [{"input_ids": p + c, "completion_mask": [0] * len(p) + [1] * len(c)} for p, c in rows]
    arguments = SFTConfig(
        **_arguments(tuned, 1 if packed else len(rows)),
        completion_only_loss=True,
        max_length=PACK if packed else None,
        packing=packed,
    )
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(data))
    batches = list(trainer.get_train_dataloader())
    prepared = trainer.accelerator.prepare(trainer.model)
    trainer.current_gradient_accumulation_steps = len(batches)
    return lambda: sum(float(trainer.training_step(prepared, batch)) for batch in batches)


def grpo_trainer(model: str, rows: list[Row], tuned: bool = False, **settings: Any) -> Any:
    """A GRPOTrainer for one group of `rows`."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    arguments = GRPOConfig(
        **_arguments(tuned, len(rows)),
        num_generations=len(rows),
        max_completion_length=max(len(completion) for _, completion in rows),
        **settings,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GRPOTrainer(
            model=model,
            reward_funcs=lambda completions, **_columns: [0.0] * len(completions),
            args=arguments,
            train_dataset=Dataset.from_list([{"prompt": "x"}]),
        )


def grpo_inputs(rows: list[Row], advantages: list[float]) -> dict[str, torch.Tensor]:
    """The rows as GRPOTrainer lays them out: prompts padded on the left, completions on the right."""
    longest = max(len(prompt) for prompt, _ in rows)
    prompts = [torch.tensor([0] * (longest - len(prompt)) + prompt) for prompt, _ in rows]
    masks = [torch.tensor([0] * (longest - len(prompt)) + [1] * len(prompt)) for prompt, _ in rows]
    completions = [torch.tensor(completion) for _, completion in rows]
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "prompt_ids": torch.stack(prompts),
        "prompt_mask": torch.stack(masks),
        "completion_ids": pad(completions, batch_first=True),
        "completion_mask": pad([torch.ones_like(part) for part in completions], batch_first=True),
        "advantages": torch.tensor(advantages),
        "num_items_in_batch": torch.tensor(sum(len(completion) for _, completion in rows)),
    }


def grpo_step(model: str, rows: list[Row], tuned: bool = False) -> Any:
    """() -> loss: one forward and backward of GRPOTrainer's dr_grpo loss over all rows."""
    trainer = grpo_trainer(model, rows, tuned, loss_type="dr_grpo")
    inputs = grpo_inputs(rows, [(-1.0) ** index for index in range(len(rows))])
    prepared = trainer.accelerator.prepare(trainer.model)
    trainer.current_gradient_accumulation_steps = 1

    def step() -> float:
        loss = trainer.compute_loss(prepared, inputs)
        trainer.accelerator.backward(loss)
        return float(loss)

    return step
