"""The run's generators as a model of lm-evaluation-harness. Knows neither Ray nor vLLM."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from jinja2 import TemplateError
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import has_bos_prefix, maybe_truncate, postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from rayrl.errors import ConfigError, DataError
from rayrl.evaluate.harness_sampling import harness_sampling
from rayrl.generate.engine import MAX_CONTINUATIONS
from rayrl.types import Rollout, Sampling, Score

Request = tuple[Any, list[int], list[int]]
"""Key, context and continuation, in tokens."""
Place = tuple[str | None, int | None]
"""Task and number of a document."""


class Generators(Protocol):
    """What answers. Each call takes all that is asked, so that it is computed together, and waits for it."""

    def generate(self, prompts: Sequence[tuple[list[int], Sampling]]) -> list[Rollout]:
        """One completion of each prompt."""
        ...

    def score(self, prompts: Sequence[tuple[list[int], list[list[int]]]]) -> list[list[Score]]:
        """How probable each continuation of each prompt is."""
        ...


class GeneratorLM(TemplateLM):  # type: ignore[misc]
    """Tokens, truncation, windows and stops are those of lm-eval's own HFLM.

    Args:
        generators: They answer.
        tokenizer: Of the model, of transformers.
        max_length: Longest input, in tokens; generators take one more, as one is scored or written after it. Contexts
            that are longer are cut at their beginning, and `truncated` counts them.
        seed: Of what is drawn at a temperature.
    """

    def __init__(self, generators: Generators, tokenizer: Any, max_length: int, seed: int) -> None:
        super().__init__()
        self.tokenizer: Any = tokenizer
        self._generators, self._max_length, self._seed = generators, max_length, seed
        self._prefix = str(tokenizer.decode(self.prefix_token_id))
        self.truncated = 0
        self.rollouts: defaultdict[Place, list[Rollout]] = defaultdict(list)
        """What was generated for each document."""

    @property
    def eot_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def max_length(self) -> int:
        return self._max_length

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        if add_special_tokens is None and has_bos_prefix(string, self._prefix):
            add_special_tokens = False
        given = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        return list(self.tokenizer.encode(string, **given))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        how = {
            "tokenize": False,
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": not add_generation_prompt,
        }
        try:
            return str(self.tokenizer.apply_chat_template(chat_history, **how))
        except TemplateError:  # as HFLM: a template that knows no system message
            without = [message for message in chat_history if message["role"] != "system"]
            return str(self.tokenizer.apply_chat_template(without, **how))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return found

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        windows: list[Request] = []
        for number, request in enumerate(requests):
            rolling = get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            windows += [(number, *window) for window in map(make_disjoint_window, rolling)]
        totals = [0.0] * len(requests)
        for (number, _, _), (total, _) in zip(windows, self._loglikelihood_tokens(windows), strict=True):
            totals[number] += total
        return totals

    def _loglikelihood_tokens(self, requests: list[Request], **_: Any) -> list[tuple[float, bool]]:
        """All continuations of one context are asked for together."""
        places: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, (key, context, continuation) in enumerate(requests):
            room = self.max_length + 1 - len(continuation)
            if room < 1 or not continuation:
                raise DataError(
                    f"lm_eval: a continuation of {len(continuation)} tokens cannot be scored (max_length: "
                    f"{self.max_length}): {str(key)[-200:]}"
                )
            self.truncated += len(context) > room
            places[tuple(context[-room:])].append(at)
        parts = [
            (context, all_at[first : first + MAX_CONTINUATIONS])
            for context, all_at in places.items()
            for first in range(0, len(all_at), MAX_CONTINUATIONS)
        ]
        scores = self._generators.score([(list(context), [requests[at][2] for at in own]) for context, own in parts])
        found = {
            at: (score.total, score.greedy)
            for (_, own), scored in zip(parts, scores, strict=True)
            for at, score in zip(own, scored, strict=True)
        }
        return [found[at] for at in range(len(requests))]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        asked = [self._prompt(request) for request in requests]
        rollouts = self._generators.generate(self._with_seeds(asked))
        texts = []
        for request, (_, sampling), rollout in zip(requests, asked, rollouts, strict=True):
            self.rollouts[request.task_name, request.doc_id].append(rollout)
            text = str(self.tokenizer.decode(rollout.token_ids.tolist(), skip_special_tokens=True))
            texts.append(postprocess_generated_text(text, list(sampling.stop), None))
        return texts

    def _prompt(self, request: Instance) -> tuple[list[int], Sampling]:
        context, gen_kwargs = request.args
        eos = str(self.tokenizer.decode(self.eot_token_id))
        sampling = harness_sampling(gen_kwargs, eos, str(request.task_name))
        if sampling.max_tokens >= self.max_length:
            raise ConfigError(
                f"lm_eval.max_length: {self.max_length} leaves no room for a prompt before the {sampling.max_tokens} "
                f"tokens that task {request.task_name} writes (max_gen_toks); raise it"
            )
        tokens = self.tok_encode(context)
        cut, _ = maybe_truncate(tokens, sampling.max_tokens, self.max_length, verbose=False)
        self.truncated += len(cut) < len(tokens)
        return cut, sampling

    def _with_seeds(self, asked: list[tuple[list[int], Sampling]]) -> list[tuple[list[int], Sampling]]:
        """Each repetition of a prompt has a seed of its own."""
        times: Counter[tuple[int, ...]] = Counter()
        seeded = []
        for tokens, sampling in asked:
            seeded.append((tokens, replace(sampling, seed=self._seed + times[tuple(tokens)])))
            times[tuple(tokens)] += 1
        return seeded
