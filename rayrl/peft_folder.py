"""A LoRA adapter as PEFT, transformers and vLLM read it from disk: adapter_config.json and one safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_peft_folder(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Writes the folder.

    Args:
        folder: Made where it is missing.
        config: Contents of adapter_config.json.
        tensors: torch tensors by the names of the modules they sit beside:
            `model.layers.0.self_attn.q_proj.lora_A.weight` [rank, inputs], `….lora_B.weight` [outputs, rank].
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(dict(config), indent=2, sort_keys=True))
    named = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})
