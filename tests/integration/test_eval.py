"""`rayrl eval` through real Ray: killed and resumed with real vLLM; models side by side, one of them an adapter."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayrl.models import EMBEDDED
from tests.conftest import PATIENCE, Command
from tests.fakes.deadlines import deadlines
from tests.fakes.model import make_model
from tests.integration.test_real_run import kill_generator
from tests.unit.evaluate.test_model import adapter_on

pytestmark = pytest.mark.integration
Start = Callable[..., Command]


def lines(run: Command) -> list[dict[str, Any]]:
    path = run.run_dir / "items.jsonl"
    whole = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in whole if line.endswith(b"\n")]


def results(run: Command, model: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.run_dir / model / "results.json").read_text())
    return found


def answers(run: Command) -> dict[tuple[str, str, int], tuple[str, float | None]]:
    return {(row["benchmark"], row["item"], row["sample"]): (row["completion"], row["score"]) for row in lines(run)}


@pytest.mark.timeout(900)
def test_killed_and_started_again_it_ends_with_the_same_result_to_the_item(rayrl: Start, tmp_path: Path) -> None:
    """A generator dies, the command is killed; one sequence at a time, so that no batch rounds an answer otherwise."""
    config: dict[str, Any] = {
        "run": {"name": "killed", "dir": str(tmp_path), "deadlines": deadlines(200 * PATIENCE)},
        "model": {"path": EMBEDDED},
        "generator": {"threads": 1, "max_sequences": 1, "kv_cache_gb": 0.3},
        "evaluation": {"temperature": 0.7, "max_tokens": 48, "samples": 3},
        "benchmarks": {
            "sums": {"data": {"source": "reasoning_gym:chain_sum", "size": 6, "options": {"max_terms": 2}}},
            "greedy": {
                "data": {"source": "reasoning_gym:chain_sum", "size": 6, "seed": 1, "options": {"max_terms": 2}},
                "temperature": 0,
                "samples": 1,
            },
        },
    }
    run = rayrl("eval", config)
    run.wait_for(lambda: len(lines(run)) >= 3, 300, "three samples")
    kill_generator(run)
    seen = len(lines(run))
    run.wait_for(lambda: len(lines(run)) > seen, 300, "a sample after the generator died")
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait(60)
    before = answers(run)
    assert 3 < len(before) < 24

    again = rayrl("eval", config)
    assert again.wait(400) == 0, again.stderr
    assert f"{len(before)} of 24 samples are there; {24 - len(before)} to go" in again.stderr
    after = answers(again)
    assert len(lines(again)) == len(after) == 24, "nothing is sampled twice"
    assert before.items() <= after.items()
    assert {len({seed for seed in after if seed[1] == item[1]}) for item in after} == {1, 3}

    whole = rayrl("eval", config | {"run": config["run"] | {"name": "whole"}})
    assert whole.wait(400) == 0, whole.stderr
    assert answers(whole) == after
    assert results(whole) == results(again)
    assert {"pass@1", "pass@2", "pass@3", "maj@3", "avg@3"} < set(results(whole)["sums"])
    assert not whole.left_running()

    (whole.run_dir / "results.json").unlink()
    third = rayrl("eval", config | {"run": config["run"] | {"name": "whole"}}, "--generator.engine", "vllm")
    assert third.wait(100) == 0, third.stderr
    assert "24 of 24 samples are there; 0 to go" in third.stderr
    assert results(third) == results(again)


@pytest.mark.timeout(400)
def test_models_side_by_side_get_a_paired_test_and_an_adapter_is_one(
    rayrl: Start, tiny_model: Path, tmp_path: Path
) -> None:
    """Rewards of the tiny model's kind: completions with many digits are right, so that two seeds differ."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": f"{n} + 1 =", "answer": n + 1}) + "\n" for n in range(24)))
    other = make_model(tmp_path / "other", seed=3)
    adapter = adapter_on(tiny_model, tmp_path / "tuned")
    config: dict[str, Any] = {
        "run": {"name": "pair", "dir": str(tmp_path / "out"), "deadlines": deadlines(60 * PATIENCE)},
        "model": {"path": "not/asked-for"},
        "generator": {"engine": "tests.fakes.engine:TransformersEngine"},
        "prompt": {"max_tokens": 100},
        "eval_data": {"source": str(rows)},
        "rewards": [{"function": "tests.fakes.rewards:any_digit"}],
        "evaluation": {"temperature": 1.0, "max_tokens": 6, "samples": 2},
    }
    run = rayrl("eval", config, tiny_model, other, adapter, tiny_model)
    assert run.wait(300) == 0, run.stderr
    assert len(lines(run)) == 3 * 24 * 2, "the model that is named twice is sampled once"
    first, second, tuned, same = (results(run, label)["held_out"] for label in ("tiny", "other", "tuned", "tiny-2"))
    assert same == first
    assert {one["accuracy"]["n"] for one in (first, second, tuned)} == {24}
    compared = {one["model"]: one for one in json.loads((run.run_dir / "comparison.json").read_text())}
    assert list(compared) == ["other", "tuned", "tiny-2"]
    assert compared["other"]["mean"] == pytest.approx(second["accuracy"]["value"] - first["accuracy"]["value"])
    assert (compared["tiny-2"]["mean"], compared["tiny-2"]["p"]) == (0, 1)
    texts = {
        row["model"]: [one["completion"] for one in lines(run) if one["model"] == row["model"]] for row in lines(run)
    }
    assert texts["tuned"] != texts["tiny"], "the adapter was given to the generators"
    assert "other - tiny" in run.stdout
    assert (run.run_dir / "report.html").is_file()
    assert not run.left_running()
