"""A forest's log-probabilities and gradients are those of plain rows run through the unmodified model.

Gradients are compared tensor by tensor: the Frobenius norm of the difference over that of the reference, at most 1e-5
in float32. In float64 it falls to 1e-12, so that what float32 shows is rounding.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings
from rayrl.errors import ConfigError
from rayrl.learner import flash4
from rayrl.learner.attention import blocks, choose, dense_mask
from rayrl.learner.batch import Batch, Segment, Tree, cut, make_batch, sft_tree
from rayrl.learner.head import target_logprobs
from rayrl.learner.learner import Learner
from rayrl.learner.model import PolicyModule, load_model
from rayrl.learner.objectives import sft_objective, weigh
from rayrl.learner.packing import bin_trees
from rayrl.models import EMBEDDED, resolve_model
from rayrl.types import Example

from .conftest import KINDS, PLAIN_KINDS, make_trees

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
Folders = Callable[[str], str]


def uneven_trees() -> list[Tree]:
    """Prompts with completions, a loss at the root, three levels."""
    deep = [
        Segment([3, 4, 5], [False, True, False], generator_logprobs=[0.0] * 3),
        Segment([6], [False], 0),
        Segment([7, 8], [True] * 2, 1, generator_logprobs=[0.0] * 2),
        Segment([9], [True], 0, generator_logprobs=[0.0]),
    ]
    return [*make_trees(), Tree(deep)]


def plain_rows(model: PreTrainedModel, trees: list[Tree], temperature: float) -> torch.Tensor:
    """Log-probabilities of each tree's loss tokens, every path from the root run as a row of its own."""
    values = []
    for tree in trees:
        for segment in tree.segments:
            path, node = list(segment.token_ids), segment.parent
            while node != -1:
                path, node = tree.segments[node].token_ids + path, tree.segments[node].parent
            logits = model(input_ids=torch.tensor([path])).logits[0] / temperature
            # Not log_softmax, which on CPU adds up a row's odds one by one: 1e-5 off over 49,152 of them.
            logprobs = logits - logits.logsumexp(-1, keepdim=True)
            start = len(path) - len(segment.token_ids)
            values += [logprobs[start + o - 1, path[start + o]] for o, m in enumerate(segment.loss_mask) if m]
    return torch.stack(values)


class InFloat64(TorchFunctionMode):
    """What transformers computes in float32 whatever comes in (norms, softmax, RoPE) stays in float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if args and isinstance(args[0], torch.Tensor) and args[0].dtype == torch.float64:
            if func is torch.Tensor.float or (func is torch.Tensor.to and torch.float32 in args[1:]):
                return args[0]
            if kwargs.get("dtype") == torch.float32:
                kwargs["dtype"] = torch.float64
        return func(*args, **kwargs)


Gradients = dict[str, torch.Tensor]


def pack(trees: Sequence[Tree], microbatch_tokens: int) -> list[Batch]:
    return [make_batch(trees, indices) for indices in bin_trees(trees, microbatch_tokens)]


def errors(found: Gradients, expected: Gradients) -> Gradients:
    """Of each tensor, the norm of the difference over the norm."""
    assert found.keys() == expected.keys()
    return {name: (found[name] - value).norm() / value.norm() for name, value in expected.items()}


def plain_and_forest(
    folder: str, trees: list[Tree], dtype: torch.dtype, checkpointing: bool, kernel: str
) -> tuple[Gradients, Gradients]:
    """Gradients of plain rows and of forest batches; their log-probabilities agree to TOLERANCE."""
    reference = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").to(dtype)
    expected = plain_rows(reference, trees, 0.7)
    factors = torch.linspace(-1, 1, len(expected))
    (expected * factors).sum().backward()

    settings = ModelSettings.model_validate({"path": folder, "attention": kernel})
    policy = PolicyModule(load_model(folder).to(dtype), settings, checkpointing)
    parts = [part for tree in trees for part in ([tree] if policy.forest else cut(tree, 0))]
    sizes = [part.loss_tokens for part in parts]
    batches = pack(parts, 48)
    assert len(batches) > 1 or len(parts) == 1
    for batch in batches:
        logprobs, entropy, _ = policy(batch, 0.7)
        rows = [index for part in batch.trees for index in range(sum(sizes[:part]), sum(sizes[: part + 1]))]
        torch.testing.assert_close(logprobs, expected[rows].detach(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        assert not entropy.requires_grad
        (logprobs * factors[rows]).sum().backward()
    return tuple(  # type: ignore[return-value]
        {name: value.grad.double() for name, value in model.named_parameters() if value.grad is not None}
        for model in (reference, policy.model)
    )


def assert_equal_to_plain_rows(
    folder: str,
    trees: list[Tree],
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    kernel: str = "blocks",
) -> None:
    with InFloat64() if dtype == torch.float64 else nullcontext():
        plain, forest = plain_and_forest(folder, trees, dtype, checkpointing, kernel)
    for name, error in errors(forest, plain).items():
        assert error <= TOLERANCE[dtype], f"{name}: {error:.1e}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("together", [0, 5, 96])
def test_forest_equals_plain_rows(
    kind: str, dtype: torch.dtype, together: int, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayrl.learner.attention.BLOCK", 4)  # several to a segment
    monkeypatch.setattr("rayrl.learner.attention.TOGETHER", together)  # no segments at once; two; all
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_equal_to_plain_rows(folders(kind), uneven_trees(), dtype)


@pytest.mark.parametrize(
    ("together", "sizes"), [(0, [3, 1, 2, 1, 4, 2]), (3, [3, 3, 1, 4, 2]), (5, [4, 2, 5, 2]), (96, [13])]
)
def test_short_neighbours_are_computed_at_once(
    together: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those below one segment, or below one another; two roots as well."""
    monkeypatch.setattr("rayrl.learner.attention.TOGETHER", together)
    tree = [Segment([1] * 3, [False] * 3), Segment([1], [False], 0), Segment([1] * 2, [True] * 2, 1)]
    tree += [Segment([1], [True], 0), Segment([1] * 4, [True] * 4, 0)]
    batch = make_batch([Tree(tree), Tree([Segment([1] * 2, [False, True])])], [0, 1])
    made = blocks(batch, None)
    assert [block.queries.stop - block.queries.start for block in made] == sizes
    seen = torch.zeros(13, 13, dtype=torch.bool)
    for block in made:
        places = torch.cat([torch.arange(part.start, part.stop) for part in block.keys])
        hidden = torch.nn.functional.pad(block.hidden, (block.masked_from, 0))
        seen[block.queries.start : block.queries.stop].index_copy_(1, places, ~hidden)
    assert torch.equal(seen, dense_mask(batch.subtree_end, batch.position_ids, 0, 13)[0, 0])


def flash_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_ends: torch.Tensor,
    key_ends: torch.Tensor,
    longest_query: int,
    longest_keys: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
    softcap: float = 0.0,
) -> torch.Tensor:
    """What FlashAttention's variable lengths mean: each sequence alone, its last query at its last key.

    Its window (w, 0) is the key at the query's place and w before it; -1 is all of them.
    """
    assert query_ends.dtype == key_ends.dtype == torch.int32
    assert enable_gqa == (query.shape[1] != key.shape[1])
    assert longest_query == query_ends.diff().max()
    assert longest_keys == key_ends.diff().max()
    out = []
    for part, ends in zip(pairwise(query_ends.tolist()), pairwise(key_ends.tolist()), strict=True):
        q, (k, v) = query[slice(*part)], (tensor[slice(*ends)] for tensor in (key, value))
        k, v = (tensor.repeat_interleave(q.shape[1] // k.shape[1], 1) for tensor in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
        scores = softcap * torch.tanh(scores / softcap) if softcap else scores
        behind = torch.arange(len(q))[:, None] + len(k) - len(q) - torch.arange(len(k))
        seen = (behind >= 0) & ((behind <= window_size[0]) if window_size[0] >= 0 else True)
        out.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v))
    return torch.cat(out)


def flash_attention_4(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    softmax_scale: float | None,
    causal: bool,
    window_size: tuple[int | None, int | None],
    softcap: float,
) -> tuple[torch.Tensor, None]:
    """What `flash_attn.cute.flash_attn_varlen_func` means by its arguments."""
    left, right = window_size
    assert (causal, left, right) == (True, None, None) or (not causal and left is not None and right == 0)
    ends = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    window, grouped = (-1 if left is None else left, 0), query.shape[1] != key.shape[1]
    how = {"scale": softmax_scale, "window_size": window, "enable_gqa": grouped, "softcap": softcap}
    return flash_attention(query, key, value, *ends, **how), None  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"gemma2"}))
def test_gathered_paths_equal_plain_rows(kind: str, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel itself needs a GPU; which sequences it is given, and what comes of their gradients, does not."""
    monkeypatch.setattr("rayrl.learner.attention.varlen_attn", flash_attention)
    assert_equal_to_plain_rows(folders(kind), uneven_trees(), torch.float64, kernel="varlen")


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_gets_the_same_paths_and_the_cap(
    kind: str, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flash_attn", ModuleType("flash_attn"))
    package = ModuleType("flash_attn.cute")
    monkeypatch.setattr(package, "flash_attn_varlen_func", flash_attention_4, raising=False)
    monkeypatch.setitem(sys.modules, "flash_attn.cute", package)
    assert_equal_to_plain_rows(folders(kind), uneven_trees(), torch.float64, kernel="flash4")


def test_a_cap_of_scores_is_no_kernel_of_torch(folders: Folders) -> None:
    with pytest.raises(ValueError, match="use blocks, flex or flash4"):
        assert_equal_to_plain_rows(folders("gemma2"), uneven_trees(), kernel="varlen")


def test_the_kernel_is_chosen_by_device_type_and_cap() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert choose("auto", cpu, torch.bfloat16, None) == "blocks"
    assert choose("auto", gpu, torch.float32, None) == "blocks"
    assert choose("auto", gpu, torch.bfloat16, None) == "varlen"
    assert choose("auto", gpu, torch.bfloat16, 50.0) == "blocks"
    assert choose("blocks", gpu, torch.bfloat16, None) == "blocks"


def test_flash_attention_4_is_asked_for_by_name(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = ModelSettings(path=folders("llama"), attention="flash4")
    with pytest.raises(ConfigError, match=r"model\.attention: flash4 needs the package flash-attn-4.*varlen"):
        Learner(model, LearnerSettings(), FreezeSettings(), 1.0, 1, 0, torch.device("cpu"))
    (tmp_path / "flash_attn" / "cute").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    flash4.require()


def test_forest_equals_plain_rows_with_checkpointing(folders: Folders) -> None:
    assert_equal_to_plain_rows(folders("qwen3"), uneven_trees(), checkpointing=True)


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_a_model_that_takes_no_forest_runs_on_plain_rows_and_says_so(kind: str, folders: Folders) -> None:
    with pytest.warns(UserWarning, match=r"cannot share prompts \(it has (layers of the kind conv|attention sinks)\)"):
        assert_equal_to_plain_rows(folders(kind), uneven_trees())


def test_the_embedded_model_on_a_forest_equals_plain_rows() -> None:
    folder = resolve_model(EMBEDDED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    question = "Natalia sold clips to 48 of her friends in April, and then half as many in May. How many in all?"
    answers = (" In May she sold 48 / 2 = 24, so 48 + 24 = 72 in all.", " 48 + 48 = 96", " 72.")
    prompt, *completions = (tokenizer.encode(text) for text in (question, *answers))
    tree = Tree([Segment(prompt, [False] * len(prompt)), *(Segment(ids, [True] * len(ids), 0) for ids in completions)])
    assert_equal_to_plain_rows(folder, [tree], torch.float64)


@pytest.mark.parametrize("loss", ["answers", "all"])
@pytest.mark.parametrize("normalizer", ["token", "sequence"])
def test_a_supervised_forest_equals_plain_rows(loss: Any, normalizer: Any, folders: Folders) -> None:
    """One context, two questions, three answers: loss and gradients of one tree and of three separate examples."""
    context, ask, tell = list(range(1, 9)), [20, 21, 22], [30, 31]
    rows = [(context + ask, [40, 41]), (context + ask, [42, 43, 44]), (context + tell, [40])]
    examples = [Example("e", prompt + answer, [False] * len(prompt) + [True] * len(answer)) for prompt, answer in rows]
    objective = sft_objective(normalizer)
    results = []
    for trees in ([sft_tree(examples, loss)], [sft_tree([example], loss) for example in examples]):
        policy = PolicyModule(load_model(folders("llama")), ModelSettings(path="x"))
        total = torch.zeros(())
        for batch in pack(weigh(trees, objective.normalizer), 100):
            value, _ = objective.loss(policy(batch, 1.0).logprobs, batch)
            value.backward()
            total += value.detach()
        results.append((total, {name: value.grad for name, value in policy.model.named_parameters()}))
        assert (sum(tree.tokens for tree in trees) == 8 + 3 + 2 + 2 + 3 + 1) == (len(trees) == 1)
    (shared, gradients), (plain, expected) = results
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=0)
    for name, value in expected.items():
        assert value is not None
        assert gradients[name] is not None
        assert float((gradients[name] - value).norm() / value.norm()) <= 1e-5, name


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1, 40, 1 << 20])
@pytest.mark.parametrize("biased", [False, True])
def test_head_matches_float64(softcap: float | None, chunk: int, biased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CPU_LOGITS", "CPU_GRADIENTS"):
        monkeypatch.setattr(f"rayrl.learner.head.{name}", chunk)
    torch.manual_seed(0)
    hidden = torch.randn(7, 5, requires_grad=True)
    weight = torch.randn(11, 5, requires_grad=True)
    bias = torch.randn(11, requires_grad=True) if biased else None
    targets, upstream = torch.randint(0, 11, (7,)), torch.randn(7)
    exact_hidden, exact_weight = (t.detach().double().requires_grad_() for t in (hidden, weight))
    exact_bias = (torch.zeros(11) if bias is None else bias.detach()).double().requires_grad_()
    logits = exact_hidden @ exact_weight.T + exact_bias
    logits = (logits if softcap is None else softcap * torch.tanh(logits / softcap)) / 0.8
    exact = logits.log_softmax(-1)
    (exact[torch.arange(7), targets] * upstream).sum().backward()

    logprobs, entropy, ranks = target_logprobs(hidden, weight, targets, 0.8, softcap, bias)
    (logprobs * upstream).sum().backward()
    torch.testing.assert_close(logprobs.double(), exact[torch.arange(7), targets], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropy.double(), -(exact.exp() * exact).sum(-1), rtol=1e-5, atol=1e-5)
    assert ranks.tolist() == [int((row > row[target]).sum()) for row, target in zip(exact, targets, strict=True)]
    for mine, reference in ((hidden, exact_hidden), (weight, exact_weight), (bias, exact_bias)):
        if mine is None:
            continue
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad.double(), reference.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("biased", [False, True])
def test_the_head_gradient_in_bfloat16_is_rounded_once_whatever_the_chunks(
    biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 512 chunks as near to float64 as in one, where one matmul adds up in float32."""
    torch.manual_seed(0)
    rows, vocabulary, width = 512, 64, 16
    hidden = torch.randn(rows, width).bfloat16()
    weight, bias = torch.randn(vocabulary, width).bfloat16(), torch.randn(vocabulary).bfloat16() if biased else None
    targets, upstream = torch.randint(0, vocabulary, (rows,)), torch.rand(rows)

    def gradients(chunk: int, dtype: torch.dtype) -> list[torch.Tensor]:
        monkeypatch.setattr("rayrl.learner.head.CPU_GRADIENTS", chunk)
        leaves = [one.to(dtype, copy=True).requires_grad_() for one in (weight, bias) if one is not None]
        logprobs = target_logprobs(hidden.to(dtype), leaves[0], targets, 1.0, None, *leaves[1:]).logprobs
        (logprobs * upstream.to(logprobs.dtype)).sum().backward()
        assert all(leaf.grad is not None and leaf.grad.dtype == dtype for leaf in leaves)
        return [leaf.grad.double() for leaf in leaves if leaf.grad is not None]

    exact, whole, cut = (
        gradients(chunk, dtype)
        for chunk, dtype in ((1 << 20, torch.float64), (1 << 20, torch.bfloat16), (1, torch.bfloat16))
    )
    for mine, one, reference in zip(cut, whole, exact, strict=True):
        assert (mine - reference).norm() <= 1.2 * (one - reference).norm()
