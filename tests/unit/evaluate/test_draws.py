"""Keys of samples: another as soon as anything that decides the answer is, and the same else."""

from typing import Any

from rayrl.config import EvalConfig, validated
from rayrl.evaluate.draws import list_draws
from rayrl.types import Prompt
from tests.fakes.deadlines import deadlines

PROMPTS = {"x": [Prompt(f"x-{n}", "", [1, n], {"question": n, "answer": n}) for n in range(3)]}
SET = {"data": {"source": "s"}, "temperature": 0.6, "samples": 2, "max_tokens": 9}


def keys(prompts: dict[str, list[Prompt]] = PROMPTS, fingerprint: str = "m", **changes: Any) -> list[str]:
    own, rest = SET | changes.pop("own", {}), changes
    config = validated(EvalConfig, "c", {"model": {"path": "p"}, "benchmarks": {"x": own}} | rest)
    return [draw.key for draw in list_draws(config, fingerprint, prompts, {})]


def test_every_sample_has_a_key_of_its_own() -> None:
    assert len(set(keys())) == 6


def test_a_key_changes_with_all_that_decides_the_answer() -> None:
    asked = {"x": [Prompt(one.id, "", [*one.token_ids, 9], one.columns) for one in PROMPTS["x"]]}
    judged = {"x": [Prompt(one.id, "", one.token_ids, one.columns | {"answer": 7}) for one in PROMPTS["x"]]}
    others = [
        keys(fingerprint="other"),
        keys(asked),
        keys(judged),
        keys(own={"temperature": 0.7}),
        keys(own={"top_p": 0.9}),
        keys(own={"max_tokens": 10}),
        keys(own={"rewards": [{"function": "choice"}]}),
        keys(run={"seed": 1}),
        keys(generator={"options": {"dtype": "float32"}}),
    ]
    found = [key for own in [keys(), *others] for key in own]
    assert len(set(found)) == 6 * 10


def test_a_key_stays_where_nothing_that_decides_the_answer_changes() -> None:
    more = keys(own={"samples": 3})
    assert set(keys()) < set(more)
    assert keys(run={"name": "other", "deadlines": deadlines(9)}) == keys(generator={"replicas": 2}) == keys()
    fewer = {"x": PROMPTS["x"][:2]}
    assert set(keys(fewer)) < set(keys())
