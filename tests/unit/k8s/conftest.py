"""Models of which config.json is all that there is."""

import json
from pathlib import Path

import pytest

from rayrl.config import FreezeSettings, LoRASettings
from rayrl.learner.structure import Structure, read_structure

OLMO2_7B = {
    "model_type": "olmo2",
    "dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 100352,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
LLAMA_70B = {
    "model_type": "llama",
    "dtype": "bfloat16",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


@pytest.fixture(scope="session")
def olmo2_7b(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _model(tmp_path_factory.mktemp("olmo2"), OLMO2_7B)


@pytest.fixture(scope="session")
def llama_70b(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _model(tmp_path_factory.mktemp("llama"), LLAMA_70B)


def _model(folder: Path, settings: dict[str, object]) -> str:
    (folder / "config.json").write_text(json.dumps(settings))
    return str(folder)


READ: dict[str, Structure] = {}


@pytest.fixture(autouse=True)
def each_structure_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a 70B model with adapters takes ten seconds."""

    def read(path: str, freeze: FreezeSettings, adapter: LoRASettings | None) -> Structure:
        key = f"{path} {freeze!r} {adapter!r}"
        if key not in READ:
            READ[key] = read_structure(path, freeze, adapter)
        return READ[key]

    monkeypatch.setattr("rayrl.train.plan.read_structure", read)
