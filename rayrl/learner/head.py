"""Log-probabilities of chosen tokens, without ever holding [N, V] logits."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.nn.functional import linear

CPU_LOGITS = 1 << 22  # logits that exist at once on CPU, near what its caches hold: 16 MB in float32
CPU_GRADIENTS = 1 << 25  # of logits, at once on CPU: 64 MB in bfloat16
GPU_LOGITS = 1 << 27  # and their gradients, at once on a GPU: for each the weight is read, and its gradient written


def chunks(count: int, vocabulary: int, logits: int) -> Iterator[slice]:
    """Rows of [count, vocabulary] of which at most `logits` entries exist at once."""
    step = max(1, logits // vocabulary)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def logits_at_once(tensor: torch.Tensor) -> int:
    """How many logits may exist at once on the tensor's device."""
    return CPU_LOGITS if tensor.device.type == "cpu" else GPU_LOGITS


def gradients_at_once(tensor: torch.Tensor) -> int:
    """Of how many logits the gradients may exist at once on the tensor's device."""
    return CPU_GRADIENTS if tensor.device.type == "cpu" else GPU_LOGITS


def head_logits(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, temperature: float, softcap: float | None
) -> torch.Tensor:
    """[C, V] in float32 (float64 of float64), divided by the temperature."""
    return _final(linear(hidden, weight, bias), temperature, softcap)


def _final(logits: torch.Tensor, temperature: float, softcap: float | None) -> torch.Tensor:
    """In float32 (float64 of float64), capped, and divided by the temperature; overwritten where they are that."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if softcap is not None:
        logits = logits.div_(softcap).tanh_().mul_(softcap)
    return logits if temperature == 1.0 else logits.div_(temperature)


class Head(NamedTuple):
    """An output embedding: logits = softcap(hidden @ weight.T + bias)."""

    weight: torch.Tensor  # [V, H]
    bias: torch.Tensor | None  # [V]
    softcap: float | None


def statistics(
    logits: torch.Tensor, targets: torch.Tensor, temperature: float, softcap: float | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probability, entropy and rank of each target, and the log of each row's normalizer, [C] each.

    Args:
        logits: [C, V] before cap and temperature; may be overwritten.
        targets: [C]
    """
    logits = _final(logits, temperature, softcap)
    chosen = logits.gather(1, targets[:, None])
    ranks = (logits > chosen).sum(-1)
    largest = logits.amax(-1, keepdim=True)
    odds = (logits - largest).exp_()
    total = odds.sum(-1)
    normalizers = largest[:, 0] + total.log()
    entropy = normalizers - torch.linalg.vecdot(odds, logits) / total
    return chosen[:, 0] - normalizers, entropy, ranks, normalizers


def logit_gradient(
    out: torch.Tensor,
    logits: torch.Tensor,
    normalizers: torch.Tensor,
    upstream: torch.Tensor,
    temperature: float,
    softcap: float | None,
) -> None:
    """The gradient of the log-probabilities at all logits but their targets.

    Args:
        out: [C, V] that it is written to.
        logits: [C, V] before cap and temperature; may be overwritten.
        normalizers: [C] from `statistics`.
        upstream: [C] of the log-probabilities.
    """
    logits = _final(logits, temperature, softcap)
    slope = None if softcap is None else 1 - (logits * (temperature / softcap)).square_()
    grad = logits.sub_(normalizers[:, None]).exp_().mul_((-upstream / temperature)[:, None])
    out.copy_(grad if slope is None else grad.mul_(slope))


class Kernels(NamedTuple):
    """What runs over each chunk of logits: as written, or compiled (`compilation.compile_policy`)."""

    statistics: Callable[..., tuple[torch.Tensor, ...]] = statistics
    logit_gradient: Callable[..., None] = logit_gradient


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
        kernels: Kernels,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        logprobs, entropy, normalizers = (hidden.new_empty(len(hidden), dtype=dtype) for _ in range(3))
        ranks = torch.empty_like(targets)
        for rows in chunks(len(hidden), len(weight), logits_at_once(hidden)):
            found = kernels.statistics(linear(hidden[rows], weight, bias), targets[rows], temperature, softcap)
            logprobs[rows], entropy[rows], ranks[rows], normalizers[rows] = found
        ctx.save_for_backward(hidden, weight, bias, targets, logprobs, normalizers)
        ctx.temperature, ctx.softcap, ctx.kernels = temperature, softcap, kernels
        ctx.mark_non_differentiable(entropy, ranks)
        return logprobs, entropy, ranks

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, logprobs, normalizers = ctx.saved_tensors
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        hidden_grad = torch.empty_like(hidden) if needs_hidden else None
        dtype = torch.promote_types(weight.dtype, torch.float32)
        weight_grad = torch.zeros_like(weight, dtype=dtype) if needs_weight else None
        bias_grad = torch.zeros_like(bias, dtype=dtype) if needs_bias else None
        upstream = gradients[0]
        of_target = -torch.expm1(logprobs) * upstream / ctx.temperature
        if ctx.softcap is not None:
            of_target *= 1 - ((logprobs + normalizers) * (ctx.temperature / ctx.softcap)).square_()
        for rows in chunks(len(hidden), len(weight), gradients_at_once(hidden)):
            inputs = hidden[rows]
            grads = weight.new_empty(len(inputs), len(weight))
            for part in chunks(len(inputs), len(weight), logits_at_once(hidden)):
                logits = linear(inputs[part], weight, bias)
                given = normalizers[rows][part], upstream[rows][part]
                ctx.kernels.logit_gradient(grads[part], logits, *given, ctx.temperature, ctx.softcap)
            # Not scatter_: of bfloat16 on CPU it copies the whole tensor to float32 and back.
            grads[torch.arange(len(inputs), device=grads.device), targets[rows]] = of_target[rows].to(grads.dtype)
            if hidden_grad is not None:
                hidden_grad[rows] = grads @ weight
            if weight_grad is not None:
                _add_product(weight_grad, grads.T, inputs)
            if bias_grad is not None:
                bias_grad += grads.sum(0, dtype=dtype)
        weight_grad, bias_grad = (None if grad is None else grad.to(weight.dtype) for grad in (weight_grad, bias_grad))
        return hidden_grad, weight_grad, bias_grad, None, None, None, None


def _add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """total += left @ right, where `total` may be wider than the factors: a slice of the product exists at a time."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
        return
    if total.is_cuda:
        torch.addmm(total, left, right, out_dtype=total.dtype, out=total)
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
    kernels: Kernels = Kernels(),  # noqa: B008
) -> TargetStatistics:
    """log softmax(head(hidden) / temperature) at the targets, and that distribution's entropy and the target's rank.

    Args:
        hidden: [K, H]
        weight: [V, H] of the output embedding.
        targets: [K]
        temperature: That of the sampler, above 0.
        softcap: Gemma 2's cap of the final logits.
        bias: [V] of the output embedding.
        kernels: Compiled or not.
    """
    found = _Head.apply(hidden, weight, bias, targets, temperature, softcap, kernels)  # type: ignore[no-untyped-call]
    return TargetStatistics(*found)
