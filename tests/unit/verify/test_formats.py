import pytest

from rayrl.verify.formats import think_answer


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
