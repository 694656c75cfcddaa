from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from rayrl.config import FreezeRule, FreezeSettings, ObjectiveSettings
from rayrl.errors import FreezeError, ModelError
from rayrl.learner.batch import Segment, Tree, sft_tree, with_logprobs
from rayrl.learner.freeze import PRESETS
from rayrl.learner.learner import Learner
from rayrl.learner.model_files import gather
from rayrl.learner.objectives import grpo_objective, sft_objective
from rayrl.types import Example
from tests.fakes.ranks import start_ranks

from .conftest import make_learner, make_trees, weights

Folders = Callable[[str], str]
Weights = dict[str, torch.Tensor]
GRPO = grpo_objective(ObjectiveSettings(), max_tokens=8)
PLAIN = grpo_objective(ObjectiveSettings(importance_cap=None), max_tokens=8)
TO_BASE = grpo_objective(ObjectiveSettings(kl_coefficient=0.1), max_tokens=8)
FREEZE = FreezeSettings(preset="freeze_mid_mlps")


def assert_same(left: Learner, right: Learner) -> None:
    other = weights(right)
    for name, value in weights(left).items():
        assert torch.equal(value, other[name]), name


def moments(learner: Learner) -> Weights:
    """Of each tensor that trains, after one update: a tenth of the gradient that the update was made of."""
    named = dict(learner.policy.model.named_parameters())
    return {
        name: gather(learner.optimizer.state[named[name]]["exp_avg"], torch.float32)
        for name, trains in learner.trainable.items()
        if trains
    }


def assert_same_update(found: Weights, expected: Weights) -> None:
    """Tensor by tensor, the norm of the difference is at most 1e-5 of the norm."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.norm() > 0, name
        assert (found[name] - value).norm() <= 1e-5 * value.norm(), name


def test_micro_batches_change_nothing(folders: Folders) -> None:
    """Nor do the trees that are cut to fit them."""
    learners = [make_learner(folders("llama"), microbatch_tokens=tokens) for tokens in (1000, 60, 22, 12)]
    results = [learner.update(make_trees(), GRPO) for learner in learners]
    assert [result["train/microbatches"] for result in results] == [1, 2, 5, 10]
    assert [result["train/packed_tokens"] for result in results] == [82, 82, 89, 126]
    for learner, result in zip(learners, results, strict=True):
        assert_same_update(moments(learner), moments(learners[0]))
        for name in ("train/loss", "train/grad_norm", "policy/entropy_mean", "sync/logprob_diff_mean"):
            assert result[name] == pytest.approx(results[0][name], rel=1e-5), name


@pytest.mark.parametrize("preset", [*PRESETS, "last_2"])
@pytest.mark.parametrize("kind", ["llama", "llama_tied"])
def test_frozen_weights_do_not_move_and_the_others_do(kind: str, preset: str, folders: Folders) -> None:
    """Bit for bit, from a bfloat16 folder; in bfloat16, as stored, where frozen, float32 where not."""
    learner = make_learner(folders(f"{kind}_bfloat16"), FreezeSettings(preset=preset), compute_dtype="bfloat16")
    before = weights(learner)
    learner.update(make_trees(), GRPO)
    learner.check_frozen()
    for name, value in weights(learner).items():
        assert torch.equal(value, before[name]) != learner.trainable[name], name
        assert value.dtype == (torch.float32 if learner.trainable[name] else torch.bfloat16), name
    held = {id(parameter) for parameter in learner.optimizer.state}
    for name, parameter in learner.policy.model.named_parameters():
        assert (id(parameter) in held) == learner.trainable[name], name


@pytest.mark.parametrize("checkpointing", [False, True])
def test_nothing_below_the_lowest_trainable_layer_has_a_backward(checkpointing: bool, folders: Folders) -> None:
    """Counts the gradients that arrive at each layer's linear outputs."""
    freeze = FreezeSettings(rules=[FreezeRule(train=False), FreezeRule(match="*.q_proj.*", layers="2", train=True)])
    learner = make_learner(folders("llama"), freeze, activation_checkpointing=checkpointing, microbatch_tokens=999)
    calls = [0] * 4

    def count(index: int, output: torch.Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda _gradient: calls.__setitem__(index, calls[index] + 1))

    for index, layer in enumerate(learner.policy.model.model.layers):
        for module in layer.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(lambda _module, _input, output, index=index: count(index, output))
    learner.update(make_trees(), GRPO)
    # In layer 2 no gradient is needed at k and v, whose input and weights are frozen; in layer 3 all seven are.
    assert calls == [0, 0, 5, 7]


def test_a_divergence_to_the_base_is_to_what_training_started_from(folders: Folders) -> None:
    """Also after updates; the frozen are shared, and the weights are put back bit for bit."""
    freeze = FreezeSettings(preset="qk_only")
    learner = make_learner(folders("llama"), freeze, keep_reference=True)
    started = learner.logprobs(make_trees())
    assert learner.update(make_trees(), TO_BASE)["policy/kl_to_base_mean"] == pytest.approx(0, abs=1e-9)
    assert learner.update(make_trees(), TO_BASE)["policy/kl_to_base_mean"] > 1e-4
    moved = weights(learner)
    assert learner.reference_logprobs(make_trees()) == started
    assert learner.logprobs(make_trees()) != started
    assert all(torch.equal(value, moved[name]) for name, value in weights(learner).items())


def test_a_divergence_that_is_not_asked_for_is_free(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make_learner(folders("llama"))
    assert learner.reference is None
    monkeypatch.setattr(learner, "logprobs", lambda _trees: pytest.fail("a second forward pass"))
    learner.update(make_trees(), GRPO)
    with pytest.raises(ValueError, match="keep_reference"):
        learner.update(make_trees(), TO_BASE)


def test_a_group_without_advantage_is_skipped_unless_a_divergence_moves_it(folders: Folders) -> None:
    tree = Tree([Segment([1, 2], [False] * 2), Segment([3, 4], [True] * 2, 0, 0.0, [-1.0, -1.0])])
    learner = make_learner(folders("llama"), keep_reference=True)
    assert learner.update([tree], GRPO)["train/skipped_updates"] == 1
    assert learner.update([tree], TO_BASE)["train/packed_tokens"] == 4


def test_a_model_that_takes_no_forest_updates_as_plain_rows_do(folders: Folders) -> None:
    with pytest.warns(UserWarning, match="plain rows"):
        learner = make_learner(folders("lfm2"), microbatch_tokens=1000)
    trees = make_trees()
    logprobs = learner.logprobs(trees)
    assert [len(values) for values in logprobs] == [tree.loss_tokens for tree in trees]
    result = learner.update(with_logprobs(trees, logprobs, "old_logprobs"), GRPO)
    rows = [tree.tokens + (len(tree.segments) - 2) * len(tree.segments[0].token_ids) for tree in trees]
    assert result["train/packed_tokens"] == sum(rows)
    assert result["policy/clip_frac"] == 0


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
    first, *others = updates = [make_trees(seed=seed) for seed in range(4)]
    before = [learner.logprobs(trees) for trees in others]
    held = learner.with_old_logprobs(updates, GRPO)
    assert held[0] == first, "compared with the policy that it updates"
    results = [learner.update(trees, GRPO) for trees in held]
    assert results[0]["policy/clip_frac"] == 0
    assert all(result["policy/clip_frac"] > 0 for result in results[1:])
    for trees, values in zip(held[1:], before, strict=True):
        assert trees == with_logprobs(trees, values, "old_logprobs")


def test_old_logprobs_are_taken_only_where_a_ratio_needs_them(folders: Folders) -> None:
    """Nothing at one update a step, for the first of several, for SFT, or for groups without a gradient."""
    learner = make_learner(folders("llama"))
    seen: list[int] = []
    forward = learner.policy.register_forward_hook(lambda *_: seen.append(1))
    trees = make_trees()
    alike = Tree([Segment([1, 2], [False] * 2), Segment([3, 4], [True] * 2, 0, 0.0, [-1.0, -1.0])])
    assert learner.with_old_logprobs([trees], GRPO) == [trees]
    assert learner.with_old_logprobs([trees, trees], sft_objective()) == [trees, trees]
    assert learner.with_old_logprobs([trees, [alike], []], GRPO) == [trees, [alike], []]
    assert not seen
    held = learner.with_old_logprobs([trees, [alike, *trees]], TO_BASE)
    assert all(tree.segments[1].old_logprobs is not None for tree in held[1])
    assert seen
    forward.remove()


def test_old_logprobs_round_as_those_of_their_update_do(folders: Folders) -> None:
    """In bfloat16 and several micro-batches: with weights that do not move, no ratio differs from 1 by a bit."""
    learner = make_learner(folders("llama"), compute_dtype="bfloat16", learning_rate=1e-30, microbatch_tokens=40)
    narrow = grpo_objective(ObjectiveSettings(clip_low=1e-7, clip_high=1e-7), max_tokens=8)
    for trees in learner.with_old_logprobs([make_trees(seed=seed) for seed in range(3)], narrow):
        result = learner.update(trees, narrow)
        assert result["train/microbatches"] > 1
        assert result["policy/clip_frac"] == 0


def test_a_step_of_four_updates_is_that_of_plain_rows_by_trls_formula(folders: Folders) -> None:
    """GRPOTrainer of TRL 1.16 written out (tests/benchmarks/test_updates_against_trl.py runs the trainer itself)."""
    rate, longest = 0.02, 8
    learner = make_learner(folders("llama"), learning_rate=rate)
    updates = [make_trees(seed=seed) for seed in range(4)]
    held = learner.with_old_logprobs(updates, PLAIN)
    ours = [learner.update(trees, PLAIN) for trees in held]

    model = AutoModelForCausalLM.from_pretrained(folders("llama"), dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)

    def per_token(tree: Tree) -> list[torch.Tensor]:
        prompt = tree.segments[0].token_ids
        found = []
        for segment in tree.segments[1:]:
            ids = torch.tensor([prompt + segment.token_ids])
            logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
            targets = ids[0, len(prompt) :, None]
            found.append(logits.gather(1, targets)[:, 0] - logits.logsumexp(-1))
        return found

    with torch.no_grad():
        olds = [[row for tree in trees for row in per_token(tree)] for trees in updates]
    for trees, old, mine in zip(updates, olds, ours, strict=True):
        rows = [row for tree in trees for row in per_token(tree)]
        advantages = [segment.advantage for tree in trees for segment in tree.segments[1:]]
        loss, clipped = torch.zeros(()), 0
        for new, before, advantage in zip(rows, old, advantages, strict=True):
            ratio = torch.exp(new - before)
            loss = loss - torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).sum()
            clipped += int((((ratio < 0.8) & (advantage < 0)) | ((ratio > 1.2) & (advantage > 0))).sum())
        loss = loss / (len(rows) * longest)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        assert mine["policy/clip_frac"] == pytest.approx(clipped / sum(map(len, rows)))
        assert mine["train/loss"] == pytest.approx(float(loss.detach()), rel=1e-3, abs=1e-5)
    assert ours[-1]["policy/clip_frac"] > 0.1


def test_an_update_without_loss_moves_nothing(folders: Folders) -> None:
    learner = make_learner(folders("llama"))
    before = weights(learner)
    for trees in ([], [Tree([Segment([1, 2], [False, False])])]):
        assert learner.update(trees, GRPO)["train/skipped_updates"] == 1
    assert learner.updates == 2
    assert all(torch.equal(value, before[name]) for name, value in weights(learner).items())


def one_row() -> list[Tree]:
    """What one rank alone can have."""
    return [Tree(make_trees()[0].segments[:2])]


def run_rank(rank: int, ranks: int, replicate: int, path: str, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    copies = {"workers": ranks, "replicate": replicate}
    learner = make_learner(path, FREEZE, microbatch_tokens=24, keep_reference=True, **copies)
    results, moved, gradients = [], [], []
    for trees in learner.with_old_logprobs([make_trees(), one_row()], TO_BASE):
        results.append(learner.update(trees, TO_BASE))
        moved.append(dict(learner.tensors(list(learner.trainable))))
        gradients.append(moments(learner))
    learner.state(Path(folder) / "state")
    logprobs = learner.logprobs(make_trees())
    learner.export(Path(folder) / "export")
    if rank == 0:
        torch.save((results, logprobs, moved, gradients), f"{folder}/out.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("ranks", "replicate"), [(2, 1), (4, 1), (4, 2)])
def test_ranks_equal_one(ranks: int, replicate: int, folders: Folders, tmp_path: Path) -> None:
    """One step of two updates with a divergence to the base, frozen parts, trees that are cut for micro-batches and
    ranks, and in the second update a rank that has nothing to do; with one copy of the model, and with two (HSDP)."""
    start_ranks(run_rank, (ranks, replicate, folders("llama_tied"), str(tmp_path)), ranks)
    results, logprobs, moved, gradients = torch.load(tmp_path / "out.pt", weights_only=False)
    alone = make_learner(folders("llama_tied"), FREEZE, microbatch_tokens=1000, keep_reference=True)
    for index, trees in enumerate(alone.with_old_logprobs([make_trees(), one_row()], TO_BASE)):
        own = alone.update(trees, TO_BASE)
        result = results[index]
        assert own.keys() == result.keys()
        assert (result["train/packed_tokens"] > own["train/packed_tokens"]) == (index == 0)
        for name in own.keys() - {"train/microbatches", "train/packed_tokens"}:
            assert result[name] == pytest.approx(own[name], rel=1e-4, abs=1e-6), name
        if index == 0:
            assert_same_update(gradients[0], moments(alone))
    exact = weights(alone)
    for name, value in moved[1].items():
        torch.testing.assert_close(value, exact[name], rtol=1e-3, atol=1e-4)
    # A state written by several ranks is taken up by one.
    alone.load(tmp_path / "state")
    for tree, mine, theirs in zip(make_trees(), alone.logprobs(make_trees()), logprobs, strict=True):
        assert len(mine) == tree.loss_tokens
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "export", dtype=torch.float32)
    assert torch.equal(exported.get_parameter("model.norm.weight"), moved[1]["model.norm.weight"])
