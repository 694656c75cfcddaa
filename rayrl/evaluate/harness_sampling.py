"""lm-evaluation-harness's `generation_kwargs` as a `Sampling`."""

from collections.abc import Mapping
from typing import Any

from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs

from rayrl.errors import ConfigError
from rayrl.types import Sampling

DEFAULT_MAX_GEN_TOKS = 256
"""lm-eval's own, where a task names no length."""
_READ = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k"}
_ALIKE = {"num_beams": 1, "repetition_penalty": 1.0, "min_p": 0.0}
"""Values at which these change nothing."""


def harness_sampling(gen_kwargs: Mapping[str, Any], eos: str, task: str) -> Sampling:
    """How a task's completions are drawn, as lm-eval's own models read it: greedy unless `do_sample` or a temperature
    says otherwise, ended by each text of `until` and by the end of sequence.

    Args:
        gen_kwargs: Of a request, or of a task's settings.
        eos: Text of the end-of-sequence token.
        task: For messages.

    Raises:
        ConfigError: One that generators here do not know.
    """
    given = dict(normalize_gen_kwargs(dict(gen_kwargs), DEFAULT_MAX_GEN_TOKS))
    unknown = {name: value for name, value in given.items() if name not in _READ and _ALIKE.get(name) != value}
    if unknown:
        raise ConfigError(
            f"lm_eval: task {task} has generation_kwargs that are not known here ({unknown!r}); known are "
            f"{', '.join(sorted(_READ))}: write the task's YAML file anew without them"
        )
    sampled = bool(given["do_sample"])
    return Sampling(
        temperature=float(given.get("temperature", 1.0)) if sampled else 0.0,
        top_p=float(given.get("top_p", 1.0)),
        max_tokens=given["max_gen_toks"],
        stop=tuple(stop for stop in handle_stop_sequences(given["until"], eos) if stop),
        top_k=max(0, int(given.get("top_k", 0))),
    )
