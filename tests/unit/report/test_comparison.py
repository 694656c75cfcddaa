"""What is compared with what, and over which items."""

import json
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_study import ARMS, FakeArm, Shape, write_study

from rayrl.errors import DataError
from rayrl.report.benchmark_table import benchmark_changes
from rayrl.report.comparison import KNOWLEDGE, Benchmarks
from rayrl.report.plot import DASHED, SOLID
from rayrl.report.results import benchmark_scores, read_rows
from rayrl.report.study_directory import Study, read_study
from rayrl.rollout_row import identity
from rayrl.train.writer import Writer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study") / "miniature")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(folder)


def accuracy(folder: Path, trial: str, benchmark: str, step: int, items: Collection[int]) -> float:
    """Straight from the file."""
    rows = [json.loads(line) for line in (folder / f"trials/{trial}/benchmarks.jsonl").read_text().splitlines()]
    chosen = [r for r in rows if r["benchmark"] == benchmark and r["step"] == step and r["index"] in items]
    return sum(row["score"] for row in chosen) / len(chosen)


def test_arms_know_what_they_are(study: Study) -> None:
    assert [arm.name for arm in study.arms] == list(ARMS)
    assert {arm.name: arm.method for arm in study.arms} == {name: arm.method for name, arm in ARMS.items()}
    assert [arm.name for arm in study.arms if arm.series.dash == DASHED] == ["grpo_qk", "sft_mid_mlps"]
    assert len({arm.color for arm in study.arms}) == 6


def test_shares_and_differences_are_means_over_seeds(folder: Path, study: Study) -> None:
    benchmarks = Benchmarks(study)
    assert benchmarks.names == ["held_out", "gsm8k", "mmlu_stem"]
    sft = [accuracy(folder, f"sft-seed{seed}", "gsm8k", 20, range(120)) for seed in (1, 2)]
    base = accuracy(folder, "base-seed1", "gsm8k", 0, range(120))
    arm = next(arm for arm in study.arms if arm.name == "sft")
    cell = benchmarks.cell(arm, "gsm8k")
    assert cell is not None
    assert cell.seeds == pytest.approx(sft)
    assert cell.share.mean == pytest.approx(sum(sft) / 2)
    one = next(one for one in benchmarks.to_base() if one.arm == "sft" and one.benchmark == "gsm8k")
    assert one.difference.mean == pytest.approx(sum(sft) / 2 - base)
    assert one.seeds == pytest.approx([share - base for share in sft])
    assert one.adjusted >= one.p


def test_items_without_a_score_are_left_out_on_both_sides_and_counted(folder: Path, study: Study) -> None:
    one = next(one for one in Benchmarks(study).to_base() if one.arm == "sft" and one.benchmark == "mmlu_stem")
    assert (one.difference.items, one.left_out) == (119, 1)
    scored = [item for item in range(120) if item != 3]
    sft = sum(accuracy(folder, f"sft-seed{seed}", "mmlu_stem", 20, scored) for seed in (1, 2)) / 2
    assert one.difference.mean == pytest.approx(sft - accuracy(folder, "base-seed1", "mmlu_stem", 0, scored))


def test_knowledge_is_the_mean_of_its_benchmarks(study: Study) -> None:
    benchmarks = Benchmarks(study)
    arm = next(arm for arm in study.arms if arm.name == "sft")
    parts = {one.benchmark: one.difference.mean for one in benchmarks.to_base() if one.arm == "sft"}
    change = benchmarks.change(arm, KNOWLEDGE)
    assert change is not None
    assert change.mean == pytest.approx((parts["gsm8k"] + parts["mmlu_stem"]) / 2)
    trials = [benchmarks.change(arm, KNOWLEDGE, trial) for trial in arm.finished]
    assert sum(trial.mean for trial in trials if trial) / 2 == pytest.approx(change.mean)


def test_grpo_meets_sft_only_where_both_freeze_the_same(study: Study) -> None:
    assert {(one.arm, one.other) for one in Benchmarks(study).grpo_to_sft()} == {
        ("grpo", "sft"),
        ("grpo", "sft_matched"),
    }


def test_the_page_of_a_run_and_that_of_its_study_say_the_same_of_the_same_answers(tmp_path: Path) -> None:
    arms = {"base": ARMS["base"], "sft": ARMS["sft"]}
    study = read_study(write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), failing=False)))
    of_run = {row.name: row.change for row in benchmark_changes(study.arms[1].runs[0].benchmarks) if row.change}
    of_study = {one.benchmark: one for one in Benchmarks(study).to_base()}
    assert of_run.keys() == of_study.keys()
    for name, change in of_run.items():
        assert (change.difference, change.p_value) == (of_study[name].difference, of_study[name].p)


LORA: dict[str, object] = {"rank": 16, "targets": ["q_proj", "v_proj"], "quantize": "nf4"}


@pytest.mark.parametrize(
    ("grpo", "sft", "compared"),
    [
        (LORA, None, False),
        (LORA, LORA, True),
        (LORA, LORA | {"targets": ["v_proj", "q_proj"], "alpha": 8, "merge": True}, True),
        (LORA, LORA | {"rank": 8}, False),
        (LORA, LORA | {"targets": "all-linear"}, False),
        (LORA, LORA | {"quantize": None}, False),
    ],
)
def test_an_adapter_is_part_of_what_an_arm_trains(
    tmp_path: Path, grpo: dict[str, object], sft: dict[str, object] | None, compared: bool
) -> None:
    arms = {"grpo": FakeArm("GRPO", adapter=grpo), "sft": FakeArm("SFT", adapter=sft)}
    study = read_study(write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), items=10, failing=False)))
    assert bool(Benchmarks(study).grpo_to_sft()) is compared
    assert [arm.series.dash for arm in study.arms] == [DASHED, DASHED if sft else SOLID]


def test_only_finished_trials_count(study: Study) -> None:
    assert [trial.state for trial in study.trials][-3:] == ["failed", "stopped", "pending"]
    sft = next(arm for arm in study.arms if arm.name == "sft")
    assert [trial.seed for trial in sft.trials] == [1, 2, 3]
    assert [trial.seed for trial in sft.finished] == [1, 2]


def test_a_study_says_which_benchmarks_are_in_domain(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", Shape(arms={"base": ARMS["base"], "grpo": FakeArm("GRPO")}, failing=False))
    (folder / "study.yaml").write_text("study: {in_domain: [held_out, gsm8k], budget: {tokens: 12000, flops: null}}")
    study = read_study(folder)
    assert Benchmarks(study).of_role(KNOWLEDGE) == ["mmlu_stem"]
    assert study.matched_by == "12,000 tokens"
    assert [arm.method for arm in study.arms] == ["base", "GRPO"]  # from the runs' own settings
    (folder / "study.yaml").write_text(
        "study: {in_domain: [], budget: {updates: 9}}\narms: {grpo: {method: grpo, steps: 5}, base: {method: base}}"
    )
    study = read_study(folder)
    assert Benchmarks(study).of_role(KNOWLEDGE) == ["held_out", "gsm8k", "mmlu_stem"]
    assert study.matched_by == "9 updates (grpo: own steps)"


def test_the_base_may_have_any_name(tmp_path: Path) -> None:
    arms = {"sft": ARMS["sft"], "untrained": ARMS["base"]}
    study = read_study(write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), failing=False)))
    assert [arm.name for arm in study.arms] == ["untrained", "sft"]
    assert {one.other for one in Benchmarks(study).to_base()} == {"untrained"}


def test_held_out_answers_come_from_rollouts_where_an_older_run_has_no_benchmarks(tmp_path: Path) -> None:
    arms = {"base": ARMS["base"], "sft": ARMS["sft"]}
    folder = write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), failing=False))
    with_file = Benchmarks(read_study(folder)).to_base()[0]
    for path in folder.glob("trials/*/benchmarks.jsonl"):
        path.unlink()
    (without,) = Benchmarks(read_study(folder)).to_base()
    assert (without.benchmark, without.difference) == ("held_out", with_file.difference)


def test_what_was_measured_before_the_last_step_does_not_stand_for_the_trained_model(tmp_path: Path) -> None:
    arms = {"base": ARMS["base"], "sft": ARMS["sft"]}
    folder = write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), failing=False))
    path = folder / "trials/sft-seed1/benchmarks.jsonl"
    early = [line for line in path.read_text().splitlines() if json.loads(line)["step"] == 0]
    path.write_text("\n".join(early) + "\n")
    (folder / "trials/sft-seed1/rollouts/eval_000020.jsonl").unlink()
    study = read_study(folder)
    assert Benchmarks(study).to_base() == []
    assert [trial.remarks for trial in study.trials] == ["", "no benchmark was measured after its last step"]


def test_without_a_base_nothing_is_compared_with_it(tmp_path: Path) -> None:
    arms = {"grpo": ARMS["grpo"], "sft": ARMS["sft"]}
    study = read_study(write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), failing=False)))
    benchmarks = Benchmarks(study)
    assert study.base is None
    assert benchmarks.to_base() == []
    assert len(benchmarks.grpo_to_sft()) == 3


def test_rows_that_a_resumed_run_wrote_again_count_once(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.jsonl"
    rows = [{"step": 1, "benchmark": "b", "index": 0, "score": score} for score in (0.0, 1.0)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["score"] for row in read_rows(path, ("step", "benchmark", "index"))] == [1.0]


ASKED = {"prompt_id": "gsm8k-7", "prompt": "How many apples?", "gold": "42", "completion": "41"}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"completion": "42", "score": 1.0}, True),
        ({"prompt_id": "gsm8k-8"}, False),
        ({"prompt": "How many pears?"}, False),
        ({"gold": "43"}, False),
    ],
)
def test_a_problem_is_its_row_of_the_data(other: dict[str, str], same: bool) -> None:
    assert (identity(ASKED) == identity(ASKED | other)) is same


def evaluated(folder: Path, asked: list[tuple[str, str]]) -> list[dict[str, object]]:
    """Rows of benchmarks.jsonl as a run writes them for (number, question) of a set; all are answered correctly."""
    settings = SimpleNamespace(run=SimpleNamespace(wandb_project=None, tensorboard=False, resume=False))
    (folder / "rollouts").mkdir(parents=True)
    writer = Writer(folder, settings)
    rows = [
        {
            "prompt_id": f"gsm8k-{number}",
            "prompt": text,
            "gold": "4",
            "score": 1.0,
            "status": "correct",
            "tokens": 3,
            "sample": 0,
            "finish_reason": "stop",
        }
        for number, text in asked
    ]
    writer.write({"kind": "eval", "step": 0, "rows": {"gsm8k": rows}})
    writer.close()
    return read_rows(folder / "benchmarks.jsonl", ("step", "benchmark", "index"))


def test_problems_pair_by_what_they_ask_and_not_by_their_place(tmp_path: Path) -> None:
    whole = evaluated(tmp_path / "whole", [("0", "2 + 2"), ("1", "1 + 3"), ("2", "4 + 0")])
    shorter = evaluated(tmp_path / "shorter", [("0", "2 + 2"), ("2", "4 + 0")])  # a template of its own: 1 is too long
    changed = evaluated(tmp_path / "changed", [("0", "2 + 2"), ("1", "1 + 3"), ("2", "0 + 4")])
    (first, second, third) = (benchmark_scores(rows)["gsm8k"] for rows in (whole, shorter, changed))
    assert [place for place, item in enumerate(first) if item in second] == [0, 2]
    assert [place for place, item in enumerate(first) if item in third] == [0, 1]
    older = [{name: value for name, value in row.items() if name != "item"} for row in whole]
    assert list(benchmark_scores(older)["gsm8k"]) == ["0", "1", "2"]


def test_arms_that_left_out_other_problems_are_compared_over_the_common_ones(tmp_path: Path) -> None:
    arms = {"base": ARMS["base"], "sft": ARMS["sft"]}
    folder = write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), failing=False))
    before = {one.benchmark: one for one in Benchmarks(read_study(folder)).to_base()}
    path = folder / "trials/sft-seed1/benchmarks.jsonl"
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if row["index"] >= 10]
    path.write_text("".join(json.dumps(row | {"index": row["index"] - 10}) + "\n" for row in rows))
    after = {one.benchmark: one for one in Benchmarks(read_study(folder)).to_base()}
    sft = accuracy(folder, "sft-seed1", "gsm8k", 20, range(110))
    base = accuracy(folder, "base-seed1", "gsm8k", 0, range(10, 120))
    assert after["gsm8k"].difference.mean == pytest.approx(sft - base)
    assert (after["gsm8k"].difference.items, after["gsm8k"].left_out) == (110, 10)
    assert before["gsm8k"].left_out == 0


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"trial": "a"}]'])
def test_bad_trials_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "trials.json").write_text(text)
    with pytest.raises(DataError, match=r"trials\.json"):
        read_study(tmp_path)
