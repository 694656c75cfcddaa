"""Decoder layers by torch.compile: one small region, compiled once, that all layers share."""

import os
import shutil

import torch
from transformers import PreTrainedModel

from rayrl.errors import ConfigError
from rayrl.learner import attention
from rayrl.learner.model import decoder_layers

BACKEND = "inductor"
VARIANTS = 64
"""Most versions of a layer: with and without gradients, frozen or not, kinds of attention. Past torch's own limit of 8
it would go on uncompiled."""


def require_compiler() -> None:
    """Raises ConfigError where torch.compile finds no C++ compiler, which it needs on CPU and on GPUs."""
    name = os.environ.get("CXX", "g++")
    if shutil.which(name) is None:
        raise ConfigError(f"learner.compile: there is no C++ compiler {name!r} here; install one, or set it to false")


def compile_layers(model: PreTrainedModel) -> None:
    """Compiles each layer's forward when it is first called; after activation checkpointing and before `shard`, whose
    hooks stay outside. Sizes are dynamic: no batch compiles anew. Attention, which depends on each batch's segments,
    is left as it is."""
    from torch._dynamo import config  # seconds to import, and needed by few runs

    config.recompile_limit = VARIANTS
    attention.leave_uncompiled()
    for layer in decoder_layers(model):
        layer.forward = torch.compile(layer.forward, backend=BACKEND, dynamic=True)
