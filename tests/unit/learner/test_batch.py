import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayrl.learner.attention import dense_mask
from rayrl.learner.batch import Segment, Tree, cut, grpo_tree, make_batch, sft_tree
from rayrl.types import Example, Prompt, Rollout, RolloutGroup


def segment(length: int, parent: int = -1, loss: bool = False, first: int = 0) -> Segment:
    return Segment(list(range(first, first + length)), [loss] * length, parent)


def nested() -> Tree:
    """A context of 3 tokens; two questions (2, 1); two answers (2, 1) to the first, one (2) to the second."""
    return Tree(
        [
            segment(3),
            segment(2, 0, first=10),
            segment(2, 1, True, 20),
            segment(1, 1, True, 30),
            segment(1, 0, first=40),
            segment(2, 4, True, 50),
        ]
    )


def test_mask_lets_a_token_see_its_past_and_its_ancestors_only() -> None:
    trees = [nested(), nested()]
    batch = make_batch(trees, [0, 1])
    mask = dense_mask(batch.subtree_end, batch.position_ids, 0, 22)[0, 0]
    parents = [-1, 0, 1, 1, 0, 4]
    for i in range(22):
        for j in range(22):
            query, key = int(batch.segment_ids[i]), int(batch.segment_ids[j])
            ancestors, node = set(), query % 6
            while node != -1:
                ancestors.add(node + query // 6 * 6)
                node = parents[node]
            assert bool(mask[i, j]) == (key in ancestors and j <= i)


def test_positions_and_sources_follow_the_parent() -> None:
    batch = make_batch([nested()], [0])
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 3, 4, 5]
    assert batch.targets.tolist() == [20, 21, 30, 50, 51]
    assert batch.sources.tolist() == [4, 5, 4, 8, 9]
    assert batch.target_segments.tolist() == [2, 2, 3, 5, 5]


@pytest.mark.parametrize(
    "segments",
    [
        [],
        [segment(0)],
        [segment(2), segment(2)],
        [segment(2, 0)],
        [segment(2), segment(2, 0), segment(1, 0), segment(1, 1)],
        [segment(2, loss=True)],
        [Segment([1, 2], [False])],
        [Segment([1], [False], generator_logprobs=[0.0, 0.0])],
    ],
)
def test_a_tree_that_is_none_is_refused(segments: list[Segment]) -> None:
    with pytest.raises(ValueError, match=r"segment|root"):
        Tree(segments)


def test_group_becomes_a_prompt_with_its_kept_completions() -> None:
    rollouts = [Rollout("x", [7] * n, [-0.5] * n, [0] * n, "stop") for n in (2, 3, 0)]
    group = RolloutGroup(Prompt("p", "", [1, 2], {}), rollouts, [1.0, 0.0, 1.0])
    tree = grpo_tree(group, [0.5, -0.5, 0.5], [True, False, True])
    assert [len(s.token_ids) for s in tree.segments] == [2, 2]
    assert (tree.segments[1].advantage, tree.loss_tokens) == (0.5, 2)


def shape(tree: Tree) -> list[tuple[list[int], list[int], int]]:
    """Tokens, places with a loss, parent of each segment."""
    return [(s.token_ids, [at for at, bears in enumerate(s.loss_mask) if bears], s.parent) for s in tree.segments]


def example(tokens: str, answer: str) -> Example:
    ids = [ord(letter) for letter in tokens + answer]
    return Example("e", ids, [False] * len(tokens) + [True] * len(answer))


def test_an_example_is_a_root_without_loss_on_its_first_token() -> None:
    row = Example("e", [5, 6, 7], [True, True, False])
    assert shape(sft_tree([row])) == [([5, 6, 7], [1], -1)]
    assert shape(sft_tree([row], "all")) == [([5, 6, 7], [1, 2], -1)]


def test_context_questions_and_answers_become_three_levels() -> None:
    rows = [example("ctx q1", "ab"), example("ctx r2", "c"), example("ctx q1", "xyz")]
    spelled = [("".join(map(chr, ids)), loss, parent) for ids, loss, parent in shape(sft_tree(rows))]
    assert spelled == [
        ("ctx ", [], -1),
        ("q1", [], 0),
        ("ab", [0, 1], 1),
        ("xyz", [0, 1, 2], 1),
        ("r2c", [2], 0),
    ]
    assert sft_tree(rows, "all").loss_tokens == 3 + 2 + 2 + 3 + 3


@given(st.lists(st.tuples(st.text("ab", max_size=4), st.text("ab", min_size=1, max_size=3)), min_size=1, max_size=6))
def test_the_rows_of_a_supervised_tree_are_the_examples(texts: list[tuple[str, str]]) -> None:
    rows = [example("^" + prompt, answer) for prompt, answer in texts]
    tree = sft_tree(rows)
    found = []
    for path in tree.rows():
        ids = [token for index in path for token in tree.segments[index].token_ids]
        found.append((ids, [bears for index in path for bears in tree.segments[index].loss_mask]))
    assert sorted(found) == sorted((row.token_ids, row.loss_mask) for row in rows)
    chains = cut(tree, 0)
    assert all(chain.rows() == [list(range(len(chain.segments)))] for chain in chains)
    assert sum(chain.loss_tokens for chain in chains) == tree.loss_tokens


@given(st.lists(st.tuples(st.text("ab", max_size=4), st.text("ab", min_size=1, max_size=3)), min_size=1, max_size=6))
def test_what_is_cut_keeps_every_loss_in_order_and_the_budget(texts: list[tuple[str, str]]) -> None:
    tree = sft_tree([example("^" + prompt, answer) for prompt, answer in texts])
    longest = max(sum(len(tree.segments[at].token_ids) for at in path) for path in tree.rows())
    for budget in range(tree.tokens + 1):
        parts = cut(tree, budget)
        assert all(part.tokens <= max(budget, longest) for part in parts)
        assert [one for part in parts for one in targets(part)] == targets(tree)
        first, *rest = cut(tree, budget, cuts=1)
        assert first == parts[0]
        assert len(rest) == (len(parts) > 1)
        assert [one for part in (first, *rest) for one in targets(part)] == targets(tree)


def targets(tree: Tree) -> list[tuple[int, int]]:
    """Each loss token, with its position."""
    batch = make_batch([tree], [0])
    return list(zip(batch.targets.tolist(), (batch.position_ids[batch.sources] + 1).tolist(), strict=True))


@pytest.mark.parametrize("ids", [[], [[1]], [[1, 2], [2, 1]], [[1, 2], [1]]])
def test_examples_that_make_no_tree_are_refused(ids: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="same token"):
        sft_tree([Example("e", tokens, [True] * len(tokens)) for tokens in ids])


def test_generator_logprobs_are_all_or_none() -> None:
    tree = Tree([segment(1), Segment([1], [True], 0, 0.0, [-1.0]), segment(1, 0, True)])
    with pytest.raises(ValueError, match="generator_logprobs"):
        make_batch([tree], [0])
