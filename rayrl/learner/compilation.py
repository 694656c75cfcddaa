"""By torch.compile: a decoder layer, compiled once and shared by all layers, and what the head does to logits."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch

from rayrl.errors import ConfigError
from rayrl.learner import attention
from rayrl.learner.head import Kernels
from rayrl.learner.model import PolicyModule, decoder_layers

BACKEND = "inductor"
VARIANTS = 64
"""Most versions of a layer: with and without gradients, frozen or not, kinds of attention. Past torch's own limit of 8
it would go on uncompiled."""


def require_compiler() -> None:
    """Raises ConfigError where torch.compile finds no C++ compiler, which it needs on CPU and on GPUs."""
    name = os.environ.get("CXX", "g++")
    if shutil.which(name) is None:
        raise ConfigError(f"learner.compile: there is no C++ compiler {name!r} here; install one, or set it to false")


def compile_policy(policy: PolicyModule) -> None:
    """Compiles each decoder layer's forward, and what runs over the logits, when they are first called; after
    activation checkpointing and before `shard`, whose hooks stay outside. Sizes are dynamic: no batch compiles anew.
    Attention, which depends on each batch's segments, is left as it is."""
    from torch._dynamo import config  # seconds to import, and needed by few runs

    config.recompile_limit = VARIANTS
    attention.leave_uncompiled()
    layers = decoder_layers(policy.model)
    if any(value.requires_grad for value in layers[0].parameters()):
        # One version of a layer for all, where embeddings are frozen (LoRA): the first would have its own, half again
        # of all compiling. It costs that layer's gradient of its input.
        policy.model.enable_input_require_grads()  # type: ignore[no-untyped-call]
    for layer in layers:
        layer.forward = _compiled(layer.forward)
    policy.kernels = Kernels(*map(_compiled, policy.kernels))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, backend=BACKEND, dynamic=True)
