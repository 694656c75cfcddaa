"""The slow engine that also judges: an answer is correct where it has a 1, and the reason tells by which weights."""

import asyncio
import json
import os
from pathlib import Path

from rayrl.types import Rollout, Sampling
from tests.fakes.engine import TransformersEngine


class JudgingEngine(TransformersEngine):
    """Options: `died`, a file that it makes before it takes its process down in the first verdict after an update."""

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        if sampling.json_schema is None:
            return await super().generate(prompt_token_ids, sampling)
        died = Path(self.settings.options["died"])
        if self.version and not died.exists():
            died.touch()
            os._exit(1)
        await asyncio.sleep(0.05)
        prompt = self.tokenizer.decode(prompt_token_ids).replace(" ", "")
        answer = "".join(prompt.partition("Answer:\n")[2].split("\n")[1:-1])  # without the lines of marks around it
        verdict = {"verdict": "correct" if "1" in answer else "incorrect", "reason": f"version {self.version}"}
        return [Rollout(json.dumps(verdict), [1], [0.0], [self.version], "stop")]
