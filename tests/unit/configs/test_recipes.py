"""The recipes of the two papers: their figures, and that both arms see the same problems."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rayrl.config import EvalConfig, GRPOConfig, SFTConfig, load_config
from rayrl.config.overrides import parse_overrides
from rayrl.data.example_tokenizer import ExampleTokenizer
from rayrl.data.examples import write_examples
from rayrl.data.prompts import build_prompts
from rayrl.errors import ConfigError
from rayrl.models import load_tokenizer
from tests.unit.data.test_registry import openr1, written

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def set_to(config: Any, values: dict[str, Any]) -> None:
    for path, wanted in values.items():
        found = config
        for name in path.split("."):
            found = getattr(found, name)
        assert found == wanted, path


COMMON = {
    "model.path": "allenai/OLMo-2-1124-7B-Instruct",
    "model.compute_dtype": "bfloat16",
    "adapter": None,
    "freeze.preset": "none",
    "run.seed": 42,
    "learner.schedule": "constant",
    "learner.warmup_fraction": 0.1,
    "learner.max_grad_norm": 0.2,
    "learner.weight_decay": 0.0,
    "learner.activation_checkpointing": True,
    "learner.workers": 7,
    "generator.replicas": 1,
    "prompt.max_tokens": 512,
    "target.max_tokens": 4096,
    "target.too_long": "drop",
    "target.messages_column": "messages",
    "train_data.source": "openr1_math",
    "train_data.options": {"configuration": "extended", "sources": ["cn_k12"], "gold": "solution"},
    "evaluation.temperature": 0.6,
}


def test_the_fast_split_of_the_maths_study_changes_no_hyperparameter() -> None:
    path = CONFIGS / "maths/grpo.yaml"
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("# --")]
    slow, fast = (load_config(path, overrides, GRPOConfig) for overrides in ({}, parse_overrides(line[2:].split())))
    assert fast.learner.workers + fast.generator.replicas == slow.learner.workers + slow.generator.replicas == 8
    same = {"learner": slow.learner, "generator": slow.generator, "max_staleness": slow.max_staleness}
    assert fast.model_copy(update=same) == slow
    assert fast.learner.model_copy(update={"workers": slow.learner.workers}) == slow.learner


def test_grpo_of_the_maths_study_has_the_papers_figures() -> None:
    config = load_config(CONFIGS / "maths/grpo.yaml", {}, GRPOConfig)
    set_to(config, COMMON)
    set_to(
        config,
        {
            "learner.learning_rate": 1e-6,
            "prompts_per_step": 16,
            "group_size": 28,
            "steps": 571,
            "updates_per_step": 1,
            "max_staleness": 0,
            "checkpoint.every_steps": 29,
            "sampling.temperature": 0.6,
            "sampling.max_tokens": 1500,
        },
    )
    assert [(r.function, r.weight) for r in config.rewards] == [("maths", 1.0), ("format", 0.2)]
    objective = config.objective.resolved()
    set_to(objective, {"name": "dr_grpo", "kl_coefficient": 0.0, "clip_low": 0.2, "clip_high": 0.2})
    set_to(objective, {"normalizer": "constant", "scale_by_std": False, "mask_truncated": True})


@pytest.mark.parametrize(
    ("name", "rate", "steps", "every"), [("sft", 5e-5, 462, 24), ("sft_matched_rate", 1e-6, 571, 29)]
)
def test_sft_of_the_maths_study_has_the_papers_figures(name: str, rate: float, steps: int, every: int) -> None:
    config = load_config(CONFIGS / f"maths/{name}.yaml", {}, SFTConfig)
    set_to(config, COMMON)
    set_to(config, {"learner.learning_rate": rate, "steps": steps, "checkpoint.every_steps": every})
    assert config.examples_per_step == 448


def test_the_arms_of_the_maths_study_differ_in_nothing_else() -> None:
    grpo = load_config(CONFIGS / "maths/grpo.yaml", {}, GRPOConfig).model_dump()
    sft, matched = (
        load_config(CONFIGS / f"maths/{name}.yaml", {}, SFTConfig).model_dump() for name in ("sft", "sft_matched_rate")
    )
    for section in ("model", "train_data", "eval_data", "prompt", "target", "freeze"):
        assert grpo[section] == sft[section] == matched[section], section
    assert {name for name in sft if sft[name] != matched[name]} == {
        "run",
        "learner",
        "steps",
        "evaluation",
        "checkpoint",
    }
    assert grpo["learner"] == matched["learner"]


@pytest.mark.parametrize("size", ["8b", "70b"])
def test_the_financial_recipes_are_nf4_lora_of_the_base_with_the_loss_on_answers(size: str) -> None:
    config = load_config(CONFIGS / f"finance/llama{size}.yaml", {}, SFTConfig)
    set_to(config, {"model.path": f"meta-llama/Llama-3.1-{size.upper()}", "target.loss": "answers"})
    set_to(config, {"adapter.quantize": "nf4", "target.share_column": "context"})
    set_to(load_config(CONFIGS / "finance/sft.yaml", {}, SFTConfig), {"adapter.quantize": "nf4"})


def test_the_evaluation_of_the_maths_study_has_the_papers_protocol() -> None:
    config = load_config(CONFIGS / "eval/scalpel.yaml", {}, EvalConfig)
    sets = config.evaluation_sets
    assert [one.name for one in sets] == ["aime24", "math500"]
    assert {(one.temperature, one.top_p, one.samples) for one in sets} == {(0.6, 0.95, 1)}
    assert {one.prompt.max_tokens + one.max_tokens for one in sets} == {4096}
    tasks = config.harness_tasks
    assert {name: (one.task, one.num_fewshot) for name, one in tasks.items()} == {
        "gsm8k": ("gsm8k", 5),
        "gpqa_diamond": ("gpqa_diamond_cot_zeroshot", None),
        "mmlu": ("mmlu", 5),
        "mmlu_pro": ("mmlu_pro", 5),
        "ifeval": ("ifeval", None),
    }
    drawn = [one.gen_kwargs for name, one in tasks.items() if name != "mmlu"]
    assert {(own["do_sample"], own["temperature"], own["top_p"]) for own in drawn} == {(True, 0.6, 0.95)}
    assert {one.max_length + 1 for one in tasks.values()} == {config.longest_sample} == {4096}
    study = load_config(CONFIGS / "maths/grpo.yaml", {}, GRPOConfig)
    assert config.model.path == study.model.path


def render_and_encode(tokenizer: Any) -> tuple[Any, Any]:
    def render(messages: list[dict[str, str]], answer_next: bool = True) -> str:
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=answer_next, tokenize=False))

    return render, lambda text: list(tokenizer.encode(text, add_special_tokens=False))


def test_grpo_leaves_out_the_problems_that_sft_leaves_out(tiny_model: Path, tmp_path: Path) -> None:
    chats = [
        [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2" * length}]
        for length in (1, 99, 30, 31)
    ]
    content = [openr1("cn_k12", messages=chat, problem=f"1+{n}?") for n, chat in enumerate(chats)]
    data = {"source": f"openr1_math:{written(tmp_path, 'rows.jsonl', *content, openr1('cn_k12', messages=[]))}"}
    target = {"messages_column": "messages", "max_tokens": 37}
    settings = {"model": {"path": "m"}, "train_data": data | {"bad_golds": "skip"}, "target": target}
    sft = SFTConfig.model_validate(settings)
    grpo = GRPOConfig.model_validate({**settings, "steps": 1, "rewards": [{"function": "maths"}]})
    assert grpo.target is not None
    render, encode = render_and_encode(AutoTokenizer.from_pretrained(tiny_model))
    examples = write_examples(sft, render, encode, "<end>", frozenset(), tmp_path / "examples.arrow")
    select = ExampleTokenizer(grpo.train_data, grpo.prompt, grpo.target, render, encode, "<end>").selected
    prompts = build_prompts(grpo.train_data, grpo.prompt, render, encode, "train_data", select)
    assert [prompt.id for prompt in prompts.prompts] == [examples[index].id for index in range(len(examples))]
    assert [prompt.id for prompt in prompts.prompts] == ["train_data-0", "train_data-2"]
    assert "messages" not in prompts.prompts[0].columns
    assert prompts.left_out == {
        "train_data: example longer than 37 tokens": ["train_data-1", "train_data-3"],
        "train_data: no answer that SFT could learn": ["train_data-4"],
    }


def test_a_chat_template_from_a_file_serves_a_tokenizer_without_one(tiny_model: Path, tmp_path: Path) -> None:
    template = CONFIGS / "finance" / "plain_chat.jinja"
    tokenizer = load_tokenizer(str(tiny_model), template)
    render, _ = render_and_encode(tokenizer)
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    asked = "Be brief.\n\n### Question\n1+1?\n\n### Answer\n"
    assert render(chat) == asked
    assert render([*chat, {"role": "assistant", "content": "2"}], False) == f"{asked}2<end>\n\n"
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == template.read_text()
    with pytest.raises(ConfigError, match=r"model.chat_template: file .* does not exist"):
        load_tokenizer(str(tiny_model), tmp_path / "no.jinja")
