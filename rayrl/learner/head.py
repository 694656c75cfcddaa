"""Log-probabilities of chosen tokens, without ever holding [N, V] logits."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.nn.functional import linear

CHUNK_LOGITS = 1 << 25  # logits whose gradient exists at once: 64 MB in bfloat16
CPU_LOGITS = 1 << 22  # logits that exist at once on CPU, near what its caches hold: 16 MB in float32


def chunks(count: int, vocabulary: int, logits: int) -> Iterator[slice]:
    """Rows of [count, vocabulary] of which at most `logits` entries exist at once."""
    step = max(1, logits // vocabulary)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def logits_at_once(tensor: torch.Tensor) -> int:
    """How many logits may exist at once on the tensor's device."""
    return min(CPU_LOGITS, CHUNK_LOGITS) if tensor.device.type == "cpu" else CHUNK_LOGITS


def head_logits(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, temperature: float, softcap: float | None
) -> torch.Tensor:
    """[C, V] in float32 (float64 of float64), divided by the temperature."""
    logits = linear(hidden, weight, bias)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if softcap is not None:
        logits = logits.div_(softcap).tanh_().mul_(softcap)
    return logits if temperature == 1.0 else logits.div_(temperature)


class Head(NamedTuple):
    """An output embedding: logits = softcap(hidden @ weight.T + bias)."""

    weight: torch.Tensor  # [V, H]
    bias: torch.Tensor | None  # [V]
    softcap: float | None


class _Head(torch.autograd.Function):
    """The backward computes each chunk's logits again: one more matmul instead of K x V floats of memory.

    The weight's gradient is added up over the chunks in float32, and rounded to the weight's dtype once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        softcap: float | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        logprobs, entropy, normalizers = (hidden.new_empty(len(hidden), dtype=dtype) for _ in range(3))
        ranks = torch.empty_like(targets)
        for rows in chunks(len(hidden), len(weight), logits_at_once(hidden)):
            logits = head_logits(hidden[rows], weight, bias, temperature, softcap)
            chosen = logits.gather(1, targets[rows, None])
            ranks[rows] = (logits > chosen).sum(-1)
            largest = logits.amax(-1, keepdim=True)
            odds = (logits - largest).exp_()
            total = odds.sum(-1)
            normalizers[rows] = largest[:, 0] + total.log()
            logprobs[rows] = chosen[:, 0] - normalizers[rows]
            entropy[rows] = normalizers[rows] - torch.linalg.vecdot(odds, logits) / total
        ctx.save_for_backward(hidden, weight, bias, targets, normalizers)
        ctx.temperature, ctx.softcap = temperature, softcap
        ctx.mark_non_differentiable(entropy, ranks)
        return logprobs, entropy, ranks

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, normalizers = ctx.saved_tensors
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        hidden_grad = torch.empty_like(hidden) if needs_hidden else None
        dtype = torch.promote_types(weight.dtype, torch.float32)
        weight_grad = torch.zeros_like(weight, dtype=dtype) if needs_weight else None
        bias_grad = torch.zeros_like(bias, dtype=dtype) if needs_bias else None
        for rows in chunks(len(hidden), len(weight), CHUNK_LOGITS):
            inputs = hidden[rows]
            grads = weight.new_empty(len(inputs), len(weight))
            for part in chunks(len(inputs), len(weight), logits_at_once(hidden)):
                logits = head_logits(inputs[part], weight, bias, ctx.temperature, ctx.softcap)
                slope = None if ctx.softcap is None else 1 - (logits * (ctx.temperature / ctx.softcap)).square_()
                upstream = gradients[0][rows][part, None] / ctx.temperature
                grad = logits.sub_(normalizers[rows][part, None]).exp_().mul_(-upstream)
                grad.scatter_add_(1, targets[rows][part, None], upstream)
                grads[part] = grad if slope is None else grad.mul_(slope)
            if hidden_grad is not None:
                hidden_grad[rows] = grads @ weight
            if weight_grad is not None:
                _add_product(weight_grad, grads.T, inputs)
            if bias_grad is not None:
                bias_grad += grads.sum(0, dtype=dtype)
        weight_grad, bias_grad = (None if grad is None else grad.to(weight.dtype) for grad in (weight_grad, bias_grad))
        return hidden_grad, weight_grad, bias_grad, None, None, None


def _add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """total += left @ right, where `total` may be wider than the factors: a slice of the product exists at a time."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
        return
    for rows in chunks(len(left), right.shape[1], logits_at_once(total)):
        total[rows] += left[rows] @ right


class TargetStatistics(NamedTuple):
    """What one pass through the head says of each target. Of these, `logprobs` alone has a gradient."""

    logprobs: torch.Tensor  # [K] float32, nats
    entropy: torch.Tensor  # [K] float32, nats, of the whole distribution
    ranks: torch.Tensor  # [K] int64, tokens more likely than the target; 0: the most likely one


def target_logprobs(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor,
    temperature: float,
    softcap: float | None = None,
    bias: torch.Tensor | None = None,
) -> TargetStatistics:
    """log softmax(head(hidden) / temperature) at the targets, and that distribution's entropy and the target's rank.

    Args:
        hidden: [K, H]
        weight: [V, H] of the output embedding.
        targets: [K]
        temperature: That of the sampler, above 0.
        softcap: Gemma 2's cap of the final logits.
        bias: [V] of the output embedding.
    """
    return TargetStatistics(*_Head.apply(hidden, weight, bias, targets, temperature, softcap))  # type: ignore[no-untyped-call]
