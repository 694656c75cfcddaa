"""OpenR1-Math-220k, GSM8K and MMLU, from their published rows to ours.

Each function shows one whole row: as published (the texts are made up), and what becomes of it.
"""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from rayrl.data.row import LeftOut, Row
from rayrl.data.set_options import SetOptions


class OpenR1Options(SetOptions):
    configuration: Literal["default", "extended", "all"] = "extended"
    """Part of the set, where it comes from the hub."""
    sources: list[str] | None = Field(None, min_length=1)
    """Rows whose `source` is one of these are kept (`[cn_k12]`: arXiv:2507.10616). None: all."""
    gold: Literal["solution", "answer"] = "solution"
    """Column that the gold answer is read from: the worked solution (its boxed answer), or the short answer."""


def openr1_math(row: Row, options: OpenR1Options) -> Iterator[Row | LeftOut]:
    r"""`question`, `answer` (what the verifier reads), `messages` (the problem and R1's trace), `solution`, `source`.

    >>> trace = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "<think>…</think> 2"}]
    >>> published = {
    ...     "problem": "1+1?", "solution": r"One and one: $\boxed{2}$.", "answer": "2", "messages": trace,
    ...     "problem_type": "Algebra", "question_type": "math-word-problem", "source": "cn_k12", "uuid": "b5d7",
    ...     "is_reasoning_complete": [True], "generations": ["<think>…</think> 2"],
    ...     "correctness_math_verify": [True], "correctness_llama": None, "finish_reasons": None,
    ...     "correctness_count": 1,
    ... }
    >>> next(openr1_math(published, OpenR1Options()))
    {'question': '1+1?',
     'answer': 'One and one: $\\boxed{2}$.',
     'messages': [{'role': 'user', 'content': '1+1?'}, {'role': 'assistant', 'content': '<think>…</think> 2'}],
     'solution': 'One and one: $\\boxed{2}$.',
     'source': 'cn_k12',
     'id': 'b5d7'}
    """
    if options.sources is not None and row["source"] not in options.sources:
        yield LeftOut(f"source is not {' or '.join(options.sources)}")
        return
    yield {
        "question": row["problem"],
        "answer": row[options.gold],
        "messages": row["messages"],
        "solution": row["solution"],
        "source": row["source"],
        "id": row.get("uuid"),
    }


class Gsm8kOptions(SetOptions):
    calculator: bool = False
    """Keep the `<<48/2=24>>` annotations in `solution`."""


_CALCULATOR = re.compile(r"<<[^<>]*>>")


def gsm8k(row: Row, options: Gsm8kOptions) -> Iterator[Row | LeftOut]:
    r"""`question`, `answer` (what stands behind ####; None where nothing does), `solution` (what stands before it).

    >>> published = {
    ...     "question": "Ann buys 2 boxes of 6 eggs and uses 5. How many are left?",
    ...     "answer": "She buys 2 * 6 = <<2*6=12>>12 eggs.\n12 - 5 = <<12-5=7>>7 are left.\n#### 7",
    ... }
    >>> next(gsm8k(published, Gsm8kOptions()))
    {'question': 'Ann buys 2 boxes of 6 eggs and uses 5. How many are left?',
     'answer': '7',
     'solution': 'She buys 2 * 6 = 12 eggs.\n12 - 5 = 7 are left.'}
    """
    solution, marked, answer = row["answer"].rpartition("####")
    yield {
        "question": row["question"],
        "answer": answer.strip() if marked else None,
        "solution": (solution if options.calculator else _CALCULATOR.sub("", solution)).strip(),
    }


STEM = frozenset(
    {
        "abstract_algebra",
        "astronomy",
        "college_biology",
        "college_chemistry",
        "college_computer_science",
        "college_mathematics",
        "college_physics",
        "computer_security",
        "conceptual_physics",
        "electrical_engineering",
        "elementary_mathematics",
        "high_school_biology",
        "high_school_chemistry",
        "high_school_computer_science",
        "high_school_mathematics",
        "high_school_physics",
        "high_school_statistics",
        "machine_learning",
    }
)
LETTERS = "ABCDEFGHIJ"
MMLU_COLUMNS = ("question", "A", "B", "C", "D", "answer")
"""Of the authors' own .csv files, which have no header and are named by subject: `astronomy_test.csv`."""
_SPLIT = re.compile(r"_(?:test|dev|val|train)$")


class MmluOptions(SetOptions):
    subjects: list[str] | None = Field(None, min_length=1)
    """Subjects that are kept, such as `[astronomy, college_physics]`. None: all of the set."""


def mmlu(row: Row, options: MmluOptions) -> Iterator[Row | LeftOut]:
    r"""`question` (with its lettered choices), `answer` (the letter), `stem`, `choices`, `subject`.

    Reads the hub's rows (choices and the number of the right one; `type` as a name of `subject`) and the authors' .csv.

    >>> published = {"question": "H2O?", "subject": "astronomy", "choices": ["ice", "air", "gas", "sun"], "answer": 0}
    >>> next(mmlu(published, MmluOptions()))
    {'question': 'H2O?\nA. ice\nB. air\nC. gas\nD. sun',
     'answer': 'A',
     'stem': 'H2O?',
     'choices': ['ice', 'air', 'gas', 'sun'],
     'subject': 'astronomy'}
    """
    subject = row.get("subject") or row.get("type") or _SPLIT.sub("", row["file"])
    if options.subjects is not None and subject not in options.subjects:
        yield LeftOut("subject is not one of the wanted ones")
        return
    choices = list(row["choices"]) if "choices" in row else [row[letter] for letter in "ABCD"]
    answer = row["answer"]
    yield {
        "question": "\n".join([row["question"], *map("{}. {}".format, LETTERS, choices)]),
        "answer": LETTERS[answer] if isinstance(answer, int) else answer,
        "stem": row["question"],
        "choices": choices,
        "subject": subject,
    }


def mmlu_stem(row: Row, options: MmluOptions) -> Iterator[Row | LeftOut]:
    """Rows as `mmlu` gives them, of the subjects that MMLU's authors count as STEM.

    >>> published = {"question": "Who rules?", "subject": "philosophy", "choices": ["a", "b", "c", "d"], "answer": 0}
    >>> next(mmlu_stem(published, MmluOptions()))
    LeftOut(reason='subject is not of STEM')
    >>> next(mmlu_stem({**published, "subject": "astronomy"}, MmluOptions()))["subject"]
    'astronomy'
    """
    for found in mmlu(row, options):
        if isinstance(found, LeftOut) or found["subject"] in STEM:
            yield found
        else:
            yield LeftOut("subject is not of STEM")
