import pytest

from rayrl.verify.formats import soft_overlong, think_answer


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("<think>\na\n</think>\n<answer>\nb\n</answer>", 1.0),
        ("<think>a</think>\n<answer>b</answer>\n", 1.0),
        ("<think>a</think><answer>b</answer>", 0.0),
        ("<think></think>\n<answer>b</answer>", 0.0),
        ("<think>a</think>\n<answer> </answer>", 0.0),
        ("x<think>a</think>\n<answer>b</answer>", 0.0),
        ("<think>a</think>\n<answer>b</answer> and more", 0.0),
        ("<think>a</think>\n<answer>b", 0.0),
        ("<think>a</think>\n<answer>b</answer><answer>c</answer>", 0.0),
        ("<think>" * 50_000, 0.0),
        ("", 0.0),
    ],
)
def test_think_answer(completion, reward):
    assert think_answer([completion], question=["?"]) == [reward]


def test_soft_overlong_is_dapos_formula():
    lengths = [0, 79, 80, 81, 90, 99, 100, 101, 5000]
    rewards = soft_overlong([""] * 9, lengths, max_tokens=100, cache_tokens=20, question=["?"] * 9)
    assert rewards == [0.0, 0.0, 0.0, -0.05, -0.5, -0.95, -1.0, -1.0, -1.0]


@pytest.mark.parametrize("cache", [0, -1, 101])
def test_a_cache_that_makes_no_sense(cache):
    with pytest.raises(ValueError, match=f"cache_tokens {cache}"):
        soft_overlong([""], [5], max_tokens=100, cache_tokens=cache)
