"""KL divergence from the base against a direct computation in float64."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rayrl.actors.admission import CoordinatorState
from rayrl.cli import main
from rayrl.config import LoRASettings
from rayrl.divergence.token_kl import compare_tokens
from rayrl.learner import head
from rayrl.learner.head import Head
from rayrl.train.checkpoints import Checkpoints
from tests.fakes.model import make_model
from tests.unit.drift.test_drift import export, trained

Rows = list[dict[str, Any]]
Divergence = Callable[..., tuple[Rows, Rows]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, stored in float32 and far from uniform."""
    folder = make_model(tmp_path_factory.mktemp("models") / "base")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def divergence(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Divergence:
    """Runs the command on five texts; its rows, and those of the tokens."""
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"problem": f"{n} + 2 =", "answer": "9" * (n + 1)}) + "\n" for n in range(5)))
    outputs = tmp_path / "divergence.jsonl", tmp_path / "tokens.jsonl"

    def run(*checkpoints: Path, options: tuple[str, ...] = ()) -> tuple[Rows, Rows]:
        arguments = [str(base), *map(str, checkpoints), "--texts", str(texts), "--data.question_column", "problem"]
        files = ["--output", str(outputs[0]), "--tokens", str(outputs[1]), "--overwrite"]
        assert main(["divergence", *arguments, *files, *options]) == 0, capsys.readouterr().err
        first, second = ([json.loads(line) for line in path.read_text().splitlines()] for path in outputs)
        return first, second

    return run


def direct(base: Path, tuned: Any, token_ids: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(forward, reverse, the tuned model's entropy) of each token but the first, in float64."""
    models = [AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64), tuned]
    with torch.no_grad():
        p, q = (model(torch.tensor([token_ids])).logits[0, :-1].log_softmax(-1) for model in models)
    return (p.exp() * (p - q)).sum(-1), (q.exp() * (q - p)).sum(-1), -(q.exp() * q).sum(-1)


@pytest.mark.parametrize("logits", [100, 1 << 22], ids=["one token at a time", "all at once"])
def test_figures_of_tokens_are_those_of_a_direct_computation_and_means_are_over_tokens_then_items(
    base: Path, divergence: Divergence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logits: int
) -> None:
    monkeypatch.setattr(head, "CPU_LOGITS", logits)
    model = export(trained(base), tmp_path / "model")
    (row,), tokens = divergence(model, options=("--microbatch-tokens", "20"))
    tuned = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float64)
    tokenizer = AutoTokenizer.from_pretrained(base)
    forward = []
    for number, item in enumerate(tokens):
        text = tokenizer.decode(item["token_ids"]).replace(" ", "")
        assert f"{number}+2=" in text
        assert "9" * (number + 1) in text
        expected = direct(base, tuned, item["token_ids"])
        for figure, values in zip(("forward_kl", "reverse_kl", "entropy"), expected, strict=True):
            assert item[figure] == pytest.approx(values.tolist(), rel=1e-4, abs=1e-6)
        forward.append(expected[0])
    assert row["forward_kl"] == pytest.approx(float(torch.stack([v.mean() for v in forward]).mean()), rel=1e-4)
    assert row["forward_kl"] > 0.01
    assert row["forward_kl"] != pytest.approx(row["reverse_kl"], rel=1e-3)
    assert row["per_item"] == pytest.approx([float(values.mean()) for values in forward], rel=1e-4)
    assert (row["items"], row["tokens"]) == (5, sum(len(values) for values in forward))
    for parts in (row["by_position"], row["by_token"], row["by_part"].values()):
        total = sum(part["forward_kl"] * part["tokens"] for part in parts if part["tokens"])
        assert sum(part["tokens"] for part in parts) == row["tokens"]
        assert total == pytest.approx(float(torch.cat(forward).sum()), rel=1e-4)
    last = torch.cat([values[-(len(values) // 10 or 1) :] for values in forward])
    assert row["by_position"][-1]["forward_kl"] == pytest.approx(float(last.mean()), rel=0.5)
    assert row["by_part"]["answer"]["tokens"] == sum(number + 3 for number in range(5)), "nines, end, line feed"


def test_a_model_has_not_diverged_from_itself_at_all(base: Path, divergence: Divergence) -> None:
    rows, tokens = divergence(base, base)
    for row in rows:
        assert row["forward_kl"] == row["reverse_kl"] == 0.0
        assert row["per_item"] == [0.0] * 5
        assert row["entropy"] == row["base_entropy"] > 0.1
    assert not any(value for item in tokens for value in item["forward_kl"])


def test_an_adapter_and_a_checkpoint_are_run_as_what_they_make_of_the_base(
    base: Path, divergence: Divergence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trained(base)
    Checkpoints(tmp_path / "whole" / "checkpoints", keep=1).save(whole, CoordinatorState(4))
    export(whole, tmp_path / "whole" / "model")
    (tmp_path / "whole" / "config.yaml").write_text("{}")
    merging, beside = (LoRASettings(rank=4, merge=merge) for merge in (True, False))
    folders = [export(trained(base, settings), tmp_path / str(settings.merge)) for settings in (merging, beside)]
    checkpoint = tmp_path / "whole" / "checkpoints" / "step_000004"
    rows, _ = divergence(*folders, tmp_path / "whole", checkpoint)
    assert rows[0]["per_item"] == pytest.approx(rows[1]["per_item"], rel=1e-3)
    assert rows[2]["per_item"] == rows[3]["per_item"]
    assert rows[3]["step"] == 4
    assert rows[0]["forward_kl"] > 0.01

    Checkpoints(tmp_path / "run" / "checkpoints", keep=1).save(trained(base, beside), CoordinatorState(4))
    saved = tmp_path / "run" / "checkpoints" / "step_000004"
    arguments = [str(base), str(saved), "--texts", str(tmp_path / "texts.jsonl")]
    assert main(["divergence", *arguments, "--data.question_column", "problem"]) == 4
    assert "name the run's model/ folder" in capsys.readouterr().err


def test_kl_equals_float64_at_once_and_in_chunks_with_bias_and_softcap(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    heads: list[Any] = [Head(torch.randn(50, 8).double(), torch.randn(50).double(), 5.0) for _ in range(2)]
    states = [torch.randn(7, 8).double() for _ in range(2)]
    logits = [(5 * torch.tanh((h @ x.weight.T + x.bias) / 5)) for h, x in zip(states, heads, strict=True)]
    p, q = (values.log_softmax(-1) for values in logits)
    for at_once in (50, 10**6):
        monkeypatch.setattr(head, "CPU_LOGITS", at_once)
        found = compare_tokens(states[0], heads[0], states[1], heads[1])
        assert found.forward_kl.tolist() == pytest.approx((p.exp() * (p - q)).sum(-1).tolist(), rel=1e-12)
        assert found.reverse_kl.tolist() == pytest.approx((q.exp() * (q - p)).sum(-1).tolist(), rel=1e-12)
        assert found.base_entropy.tolist() == pytest.approx((-p.exp() * p).sum(-1).tolist(), rel=1e-12)
        assert found.entropy.tolist() == pytest.approx((-q.exp() * q).sum(-1).tolist(), rel=1e-12)


def test_bad_input_ends_with_one_message(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"question": "1", "answer": "1"}\n{"question": "1", "answer": "' + "1" * 50 + '"}\n')
    wide = make_model(tmp_path / "wide", width=64)
    lora = export(trained(wide, LoRASettings(rank=2)), tmp_path / "lora")
    there = tmp_path / "there.jsonl"
    there.write_text("")
    cases: list[tuple[list[Any], int, list[str]]] = [
        ([base, base, "--texts", tmp_path / "absent.jsonl"], 3, ["texts.data.source", "absent.jsonl"]),
        ([base, base, "--texts", texts, "--data.answer_column", "gold"], 3, ["'gold'", "answer_column"]),
        ([base, base, "--texts", texts, "--max_tokens", 3], 3, ["texts.max_tokens", "none of the 2 rows"]),
        ([base, base, "--texts", texts, "--template", "{gold}"], 2, ["texts.template", "'{gold}'"]),
        ([base, base, "--texts", texts, "--max_token", 9], 2, ["max_token", "did you mean 'max_tokens'"]),
        ([base, lora, "--texts", texts], 4, ["lora", "does not go onto the base"]),
        ([base, tmp_path / "absent", "--texts", texts], 4, ["absent", "does not exist"]),
        ([base, base, "--texts", texts, "--tokens", there], 2, ["there.jsonl", "--overwrite"]),
        ([base, base, "--texts", texts, "--microbatch-tokens", 0], 2, ["--microbatch-tokens 0"]),
    ]
    for arguments, code, says in cases:
        assert main(["divergence", *map(str, arguments)]) == code, arguments
        message = capsys.readouterr().err.replace("\n", " ")
        assert all(part in message for part in ["rayrl: ", *says]), message
    assert main(["divergence", str(base), str(base), "--texts", str(texts), "--max_tokens", "30"]) == 0
    assert "left out: 1 texts: more than 30 tokens" in capsys.readouterr().out
