"""An engine that answers every prompt of `rayrl synth` with one question on its first figure."""

import asyncio
import json
import os
import re
from pathlib import Path

from tokenizers import Tokenizer

from rayrl.generate.engine import EngineSettings
from rayrl.types import Rollout, Sampling


class Questioner:
    """Options: `died`, a file that it makes before it takes its process down in the first call."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.version = 0

    async def start(self) -> None:
        self.tokenizer = Tokenizer.from_file(f"{self.settings.model}/tokenizer.json")

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        died = Path(self.settings.options["died"])
        if not died.exists():
            died.touch()
            os._exit(1)
        await asyncio.sleep(0)
        assert sampling.json_schema is not None
        assert "questions" in json.loads(sampling.json_schema)["properties"]
        prompt = "".join(map(self.tokenizer.id_to_token, prompt_token_ids))
        found = re.search(r"Measure (\w+) is (\d+)\.", prompt)
        assert found is not None
        question = {
            "class": "extraction",
            "question": f"What was measure {found[1]} of this company?",
            "steps": "",
            "answer": found[2],
            "evidence": [found[0]],
        }
        return [Rollout(json.dumps({"questions": [question]}), [1], [0.0], [0], "stop")]

    async def close(self) -> None:
        pass
