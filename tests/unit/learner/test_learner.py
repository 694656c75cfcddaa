from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from transformers import AutoModelForCausalLM

from rayrl.config import FreezeSettings, ObjectiveSettings
from rayrl.errors import FreezeError, ModelError
from rayrl.learner.batch import Segment, Tree, sft_tree, with_logprobs
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import grpo_objective, sft_objective
from rayrl.types import Example

from .conftest import make_learner, make_trees, weights

Folders = Callable[[str], str]
GRPO = grpo_objective(ObjectiveSettings(), max_tokens=8)


def assert_same(left: Learner, right: Learner) -> None:
    other = weights(right)
    for name, value in weights(left).items():
        assert torch.equal(value, other[name]), name


def test_micro_batches_change_nothing(folders: Folders) -> None:
    learners = [make_learner(folders("llama"), microbatch_tokens=tokens) for tokens in (1, 40, 1000)]
    results = [learner.update(make_trees(), GRPO) for learner in learners]
    assert [result["train/microbatches"] for result in results] == [5, 3, 1]
    for result in results[1:]:
        for name in ("train/loss", "train/grad_norm", "policy/entropy_mean", "sync/logprob_diff_mean"):
            assert result[name] == pytest.approx(results[0][name], rel=1e-5), name


@pytest.mark.parametrize("preset", ["qk_only", "mlp_only", "last_2", "embeddings_frozen"])
def test_frozen_weights_do_not_move_and_the_others_do(preset: str, folders: Folders) -> None:
    learner = make_learner(folders("llama_tied"), FreezeSettings(preset=preset))
    before = weights(learner)
    learner.update(make_trees(), GRPO)
    learner.check_frozen()
    for name, value in weights(learner).items():
        assert torch.equal(value, before[name]) != learner.trainable[name], name


def test_check_frozen_sees_a_gradient(folders: Folders) -> None:
    learner = make_learner(folders("llama"), FreezeSettings(preset="qk_only"))
    parameter = learner.policy.model.get_parameter("model.norm.weight")
    parameter.grad = torch.zeros_like(parameter)
    with pytest.raises(FreezeError, match=r"model\.norm\.weight"):
        learner.check_frozen()


def test_resumes_bit_for_bit(folders: Folders, tmp_path: Path) -> None:
    settings = {"schedule": "cosine", "weight_decay": 0.1}
    whole = make_learner(folders("llama_tied"), FreezeSettings(preset="freeze_mid_mlps"), **settings)
    for step in range(2):
        whole.update(make_trees(seed=step), GRPO)
    whole.state(tmp_path / "state")
    resumed = make_learner(folders("llama_tied"), FreezeSettings(preset="freeze_mid_mlps"), **settings)
    resumed.logprobs(make_trees())
    resumed.load(tmp_path / "state")
    assert_same(whole, resumed)
    for step in range(2, 4):
        assert whole.update(make_trees(seed=step), GRPO) == resumed.update(make_trees(seed=step), GRPO)
    assert_same(whole, resumed)
    assert whole.logprobs(make_trees()) == resumed.logprobs(make_trees())


def test_a_state_of_other_frozen_parts_is_refused(folders: Folders, tmp_path: Path) -> None:
    make_learner(folders("llama"), FreezeSettings(preset="qk_only")).state(tmp_path)
    with pytest.raises(FreezeError, match="other parameters trained"):
        make_learner(folders("llama")).load(tmp_path)
    with pytest.raises(ModelError, match="no learner state"):
        make_learner(folders("llama")).load(tmp_path / "nothing")


@pytest.mark.parametrize("kind", ["llama", "llama_tied"])
def test_export_loads_and_holds_the_trained_weights(kind: str, folders: Folders, tmp_path: Path) -> None:
    learner = make_learner(folders(kind))
    learner.update(make_trees(), GRPO)
    learner.export(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    exact = weights(learner)
    for name, value in model.named_parameters():
        assert torch.equal(value, exact[name]), name
    assert model.config.architectures == ["LlamaForCausalLM"]


def test_supervised_loss_falls(folders: Folders) -> None:
    learner = make_learner(folders("llama"), total=10)
    trees = [sft_tree([Example(str(i), list(range(i, i + 9)), [False] * 3 + [True] * 6)]) for i in range(4)]
    losses = [learner.update(trees, sft_objective())["train/loss"] for _ in range(8)]
    assert losses[-1] < losses[0] / 2


def test_several_updates_of_one_step_clip_against_the_first_policy(folders: Folders) -> None:
    learner = make_learner(folders("llama"), learning_rate=0.05)
    trees = make_trees()
    held = with_logprobs(trees, learner.logprobs(trees), "old_logprobs")
    assert learner.update(held, GRPO)["policy/clip_frac"] == 0
    assert learner.update(held, GRPO)["policy/clip_frac"] > 0


def test_an_update_without_loss_moves_nothing(folders: Folders) -> None:
    learner = make_learner(folders("llama"))
    before = weights(learner)
    for trees in ([], [Tree([Segment([1, 2], [False, False])])]):
        assert learner.update(trees, GRPO)["train/skipped_updates"] == 1
    assert learner.updates == 2
    assert all(torch.equal(value, before[name]) for name, value in weights(learner).items())


def run_rank(rank: int, path: str, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    learner = make_learner(path, FreezeSettings(preset="freeze_mid_mlps"), microbatch_tokens=24)
    results = [learner.update(make_trees(), GRPO), learner.update(make_trees()[:1], GRPO)]
    learner.state(Path(folder) / "state")
    logprobs = learner.logprobs(make_trees())
    learner.export(Path(folder) / "export")
    tensors = dict(learner.tensors(list(learner.trainable)))
    if rank == 0:
        torch.save((results, logprobs, tensors), f"{folder}/out.pt")
    torch.distributed.destroy_process_group()


def test_two_ranks_equal_one(folders: Folders, tmp_path: Path) -> None:
    mp.spawn(run_rank, (folders("llama_tied"), str(tmp_path)), nprocs=2)
    results, logprobs, tensors = torch.load(tmp_path / "out.pt", weights_only=False)
    alone = make_learner(folders("llama_tied"), FreezeSettings(preset="freeze_mid_mlps"), microbatch_tokens=24)
    for trees, result in zip((make_trees(), make_trees()[:1]), results, strict=True):
        own = alone.update(trees, GRPO)
        assert own.keys() == result.keys()
        for name in own.keys() - {"train/microbatches"}:
            assert result[name] == pytest.approx(own[name], rel=1e-4, abs=1e-6), name
    exact = weights(alone)
    for name, value in tensors.items():
        torch.testing.assert_close(value, exact[name], rtol=1e-3, atol=1e-4)
    # A state written by two ranks is taken up by one.
    alone.load(tmp_path / "state")
    for tree, mine, theirs in zip(make_trees(), alone.logprobs(make_trees()), logprobs, strict=True):
        assert len(mine) == tree.loss_tokens
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype=torch.float32)
    assert torch.equal(exported.get_parameter("model.norm.weight"), tensors["model.norm.weight"])
