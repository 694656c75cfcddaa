"""A run whose own generators judge free text, through real Ray: one dies over a verdict, and no verdict is lost."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE, Command
from tests.fakes.deadlines import deadlines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_generators_judge_by_the_weights_they_hold_and_one_that_dies_is_asked_again(
    tiny_config: dict[str, Any], tmp_path: Path, rayrl: Callable[..., Command]
) -> None:
    for name in ("train", "eval"):
        rows = ({"question": f"What of {name} {n}?", "answer": "It makes planes and engines"} for n in range(8))
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rubric = tmp_path / "rubric.md"
    rubric.write_text("Judge.")
    judge = {"generators": True, "rubric": str(rubric), "prompt_tokens": 200, "max_tokens": 50, "deadline_s": 110}
    config = tiny_config | {
        "run": tiny_config["run"] | {"deadlines": deadlines(120 * PATIENCE)},  # one started again imports for long
        "rewards": [{"function": "finance", "options": {"judge": judge}}],
        "verifier": {"deadline_s": 120, "processes_per_actor": 2},
        "generator": {"engine": "tests.fakes.judges:JudgingEngine", "options": {"died": str(tmp_path / "died")}},
        "max_staleness": 1,  # so that verdicts are asked for while new weights are on their way
    }
    run = rayrl("grpo", config)
    assert run.wait(400) == 0, (run.stdout, run.stderr)
    assert (tmp_path / "died").exists()
    assert "actor_lost" in {record["event"] for record in run.records("event")}
    assert not [record for record in run.records("event") if record["event"] == "no_reward"]
    files = sorted((run.run_dir / "rollouts").glob("*.jsonl"))
    judged = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    reasons = {row["reason"] for row in judged if row["status"] in ("correct", "incorrect")}
    versions = {int(found[1]) for reason in reasons if (found := re.fullmatch(r"version (\d)", reason))}
    assert len(versions) == len(reasons) > 2, reasons
    assert {row["decided_by"] for row in judged if row["reason"] in reasons} == {"judge"}
    assert {row["status"] for row in judged} <= {"correct", "incorrect", "refusal", "unparseable"}
    for row in judged:
        if row["status"] in ("correct", "incorrect"):
            assert (row["status"] == "correct") == ("1" in row["completion"]), row
    assert not run.left_running()
