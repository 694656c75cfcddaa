"""The model that lm-evaluation-harness asks, beside lm-eval's own Hugging Face model on the same small weights."""

import asyncio
import random
from typing import Any

import pytest

from rayrl.errors import ConfigError, DataError
from rayrl.generate.engine import EngineSettings
from tests.fakes.engine import TransformersEngine
from tests.fakes.generators import OneEngine
from tests.fakes.model import make_model

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # of lm-eval's dependencies

LONGEST = 48
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "rats", "run", "by"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """(ours, lm-eval's HFLM)."""
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rayrl.evaluate.harness_model import GeneratorLM

    folder = str(make_model(tmp_path_factory.mktemp("model"), width=64))
    engine = TransformersEngine(EngineSettings(folder, LONGEST + 1, 0, 1, 1, 1, 1, 0.5, {}))
    asyncio.run(engine.start())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        max_length=LONGEST,
        batch_size=1,
        device="cpu",
    )
    return GeneratorLM(OneEngine(engine), tokenizer, LONGEST, seed=0), theirs


def instances(kind: str, *arguments: tuple[Any, ...]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, one, at, ("task", at, 1)) for at, one in enumerate(arguments)]


def texts(count: int, longest: int) -> list[str]:
    chosen = random.Random(0)
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) for _ in range(count)]


def test_likelihoods_are_those_of_the_hugging_face_model(pair: tuple[Any, Any]) -> None:
    """Of one token and of many, without a context, with spaces at its end, and longer than the model takes."""
    ours, theirs = pair
    contexts = ["", "the cat ", *texts(8, 5), *texts(2, 30)]
    arguments = [(context, choice) for context in contexts for choice in (" A", " B", " a mat", " a rat", "?")]
    before = ours.truncated
    mine = ours.loglikelihood(instances("loglikelihood", *arguments))
    reference = theirs.loglikelihood(instances("loglikelihood", *arguments), disable_tqdm=True)
    assert [total for total, _ in mine] == pytest.approx([total for total, _ in reference], abs=1e-4)
    assert [greedy for _, greedy in mine] == [greedy for _, greedy in reference]
    encoded = [len(ours.tok_encode(context + choice)) for context, choice in arguments]
    assert ours.truncated - before == sum(length > LONGEST + 1 for length in encoded) > 0


def test_all_choices_of_a_context_are_asked_for_together(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    arguments = [(context, choice) for choice in (" A", " B", " C") for context in texts(4, 5)]
    ours._generators.asked.clear()
    ours.loglikelihood(instances("loglikelihood", *arguments))
    assert ours._generators.asked == [4]


def test_many_continuations_of_one_context_are_more_than_one_request(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    arguments = [("", f"{word} {other}") for word in WORDS for other in WORDS]
    ours._generators.asked.clear()
    mine = ours.loglikelihood(instances("loglikelihood", *arguments))
    assert ours._generators.asked == [-(-len(arguments) // 64)]
    reference = theirs.loglikelihood(instances("loglikelihood", *arguments), disable_tqdm=True)
    assert [total for total, _ in mine] == pytest.approx([total for total, _ in reference], abs=1e-4)


def test_rolling_likelihoods_are_those_of_the_hugging_face_model(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    arguments = [(text,) for text in [*texts(3, 4), *texts(3, 40)]]
    mine = ours.loglikelihood_rolling(instances("loglikelihood_rolling", *arguments))
    reference = theirs.loglikelihood_rolling(instances("loglikelihood_rolling", *arguments), disable_tqdm=True)
    assert mine == pytest.approx(reference, abs=1e-3)


def test_greedy_texts_are_those_of_the_hugging_face_model(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    free = ours.generate_until(instances("generate_until", ("the cat", {"until": [], "max_gen_toks": 12})))[0]
    stop = free[3:5]
    how = {"until": [stop], "max_gen_toks": 12, "do_sample": False}
    arguments = [(text, how) for text in ["the cat", *texts(4, 4), *texts(2, 30)]]
    before = ours.truncated
    mine = ours.generate_until(instances("generate_until", *arguments))
    assert mine == theirs.generate_until(instances("generate_until", *arguments), disable_tqdm=True)
    assert mine[0] == free.split(stop)[0] != free
    assert ours.truncated - before == sum(len(ours.tok_encode(text)) > LONGEST - 12 for text, _ in arguments) > 0
    assert [len(ours.rollouts["task", at]) for at in range(len(arguments))] == [2] + [1] * (len(arguments) - 1)


def test_a_chat_is_written_as_the_hugging_face_model_writes_it(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert ours.apply_chat_template(chat) == theirs.apply_chat_template(chat)
    assert ours.tokenizer_name == theirs.tokenizer_name
    assert ours.chat_template(True) == theirs.chat_template(True)


def test_a_system_message_that_the_template_refuses_is_left_out_as_there(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    refusing = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}"
    refusing += "{% endfor %}"
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    for one in pair:
        one.tokenizer, one.own = one.tokenizer, one.tokenizer.chat_template
        one.tokenizer.chat_template = refusing
    try:
        assert ours.apply_chat_template(chat) == theirs.apply_chat_template(chat) == "u"
    finally:
        for one in pair:
            one.tokenizer.chat_template = one.own


def test_repetitions_of_a_prompt_are_drawn_with_seeds_of_their_own(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    how = {"until": [], "max_gen_toks": 4, "do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 5}
    ours._generators.samplings.clear()
    ours.generate_until(instances("generate_until", ("a", how), ("a", how), ("b", how)))
    drawn = ours._generators.samplings
    assert [one.seed for one in drawn] == [0, 1, 0]
    assert (drawn[0].temperature, drawn[0].top_p, drawn[0].top_k, drawn[0].max_tokens) == (0.7, 0.9, 5, 4)


@pytest.mark.parametrize(
    ("how", "temperature"),
    [
        ({}, 0.0),
        ({"do_sample": False, "temperature": 0.7}, 0.0),
        ({"temperature": 0.7}, 0.7),
        ({"do_sample": True}, 1.0),
    ],
)
def test_greedy_unless_sampling_is_asked_for(how: dict[str, Any], temperature: float) -> None:
    from rayrl.evaluate.harness_sampling import harness_sampling

    drawn = harness_sampling({**how, "until": "\n", "num_beams": 1}, "<end>", "task")
    assert (drawn.temperature, drawn.stop, drawn.max_tokens) == (temperature, ("\n", "<end>"), 256)


def test_what_generators_do_not_know_is_an_error(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    for how, says in [({"num_beams": 4}, "num_beams"), ({"typical_p": 0.9}, "typical_p")]:
        with pytest.raises(ConfigError, match=f"task task has generation_kwargs that are not known here .*{says}"):
            ours.generate_until(instances("generate_until", ("a", how)))
    with pytest.raises(ConfigError, match=r"max_length: 48 leaves no room for a prompt before the 48 tokens"):
        ours.generate_until(instances("generate_until", ("a", {"max_gen_toks": 48})))
    with pytest.raises(DataError, match="a continuation of 58 tokens cannot be scored"):
        ours.loglikelihood(instances("loglikelihood", ("a", " " + "x" * 57)))
