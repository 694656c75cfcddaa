"""A forest's log-probabilities and gradients are those of plain rows run through the unmodified model."""

from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForCausalLM

from rayrl.config import ModelSettings
from rayrl.learner.batch import Segment, Tree
from rayrl.learner.head import target_logprobs
from rayrl.learner.model import PolicyModule, load_model
from rayrl.learner.packing import pack

from .conftest import KINDS, make_trees


def plain_rows(model: torch.nn.Module, trees: list[Tree], temperature: float) -> list[torch.Tensor]:
    """Log-probabilities of each tree's loss tokens, every path from the root run as a row of its own."""
    values = []
    for tree in trees:
        for segment in tree.segments:
            path, node = list(segment.token_ids), segment.parent
            while node != -1:
                path, node = tree.segments[node].token_ids + path, tree.segments[node].parent
            ids = torch.tensor([path])
            logprobs = (model(input_ids=ids).logits[0].float() / temperature).log_softmax(-1)
            start = len(path) - len(segment.token_ids)
            values += [logprobs[start + o - 1, path[start + o]] for o, m in enumerate(segment.loss_mask) if m]
    return values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_forest_equals_plain_rows(kind: str, checkpointing: bool, folders: Callable[[str], str]) -> None:
    trees = make_trees()
    trees.append(
        Tree(
            [
                Segment([3, 4, 5], [False, True, False], generator_logprobs=[0.0] * 3),
                Segment([6], [False], 0),
                Segment([7, 8], [True] * 2, 1, generator_logprobs=[0.0] * 2),
                Segment([9], [True], 0, generator_logprobs=[0.0]),
            ]
        )
    )
    reference = AutoModelForCausalLM.from_pretrained(folders(kind), attn_implementation="eager", dtype=torch.float32)
    expected = torch.stack(plain_rows(reference, trees, 0.7))
    factors = torch.linspace(-1, 1, len(expected))
    (expected * factors).sum().backward()

    policy = PolicyModule(load_model(folders(kind)), ModelSettings(path=folders(kind)), checkpointing)
    sizes = [tree.loss_tokens for tree in trees]
    for batch in pack(trees, 48):
        logprobs, entropy, _ = policy(batch, 0.7)
        rows = [index for tree in batch.trees for index in range(sum(sizes[:tree]), sum(sizes[: tree + 1]))]
        torch.testing.assert_close(logprobs, expected[rows].detach(), rtol=1e-5, atol=1e-5)
        assert not entropy.requires_grad
        (logprobs * factors[rows]).sum().backward()
    gradients = dict(policy.model.named_parameters())
    for name, parameter in reference.named_parameters():
        assert parameter.grad is not None
        scale = float(parameter.grad.abs().max())
        torch.testing.assert_close(gradients[name].grad, parameter.grad, rtol=1e-4, atol=1e-5 * max(scale, 1e-3))


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1, 40, 1 << 20])
def test_head_matches_float64(softcap: float | None, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayrl.learner.head.CHUNK_LOGITS", chunk)
    torch.manual_seed(0)
    hidden = torch.randn(7, 5, requires_grad=True)
    weight = torch.randn(11, 5, requires_grad=True)
    targets, upstream = torch.randint(0, 11, (7,)), torch.randn(7)
    exact_hidden, exact_weight = (t.detach().double().requires_grad_() for t in (hidden, weight))
    logits = exact_hidden @ exact_weight.T
    logits = (logits if softcap is None else softcap * torch.tanh(logits / softcap)) / 0.8
    exact = logits.log_softmax(-1)
    (exact[torch.arange(7), targets] * upstream).sum().backward()

    logprobs, entropy, _ = target_logprobs(hidden, weight, targets, 0.8, softcap)
    (logprobs * upstream).sum().backward()
    torch.testing.assert_close(logprobs.double(), exact[torch.arange(7), targets], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropy.double(), -(exact.exp() * exact).sum(-1), rtol=1e-5, atol=1e-5)
    for mine, reference in ((hidden, exact_hidden), (weight, exact_weight)):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad.double(), reference.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_nothing_below_the_lowest_trainable_layer_has_a_backward(
    checkpointing: bool, folders: Callable[[str], str]
) -> None:
    model = load_model(folders("llama"))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".3." in name)
    policy = PolicyModule(model, ModelSettings(path="x"), checkpointing)
    reached: list[int] = []

    def note(index: int, output: torch.Tensor) -> None:
        if output.requires_grad:
            reached.append(index)

    for index, layer in enumerate(model.model.layers):
        layer.register_forward_hook(lambda _module, _input, output, index=index: note(index, output))
    policy(pack(make_trees(1), 999)[0], 1.0)
    assert reached == [3]
