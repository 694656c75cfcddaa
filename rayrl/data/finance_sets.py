"""TAT-QA, FinQA and FinQABench, from their published rows to `context`, `question`, `answer`.

Each function shows one whole row: as published (the texts are made up), and what becomes of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from rayrl.data.row import LeftOut, Row
from rayrl.data.set_options import SetOptions


def tatqa(row: Row, options: SetOptions) -> Iterator[Row | LeftOut]:
    r"""The questions of one table and its paragraphs.

    `answer` and `scale` (thousand, million, billion, percent or empty) are the set's own, `full_answer` has both
    ("1,496.5 million", "12.5%"), `derivation` is the calculation; `answer_type`, `id`.

    >>> published = {
    ...     "table": {"uid": "t1", "table": [["", "2019", "2018"], ["Sales", "$6", "$4"]]},
    ...     "paragraphs": [{"uid": "p1", "order": 1, "text": "Sales are in millions."}],
    ...     "questions": [{
    ...         "uid": "q1", "order": 1, "question": "What were sales in 2019?", "answer": ["$6"], "scale": "million",
    ...         "derivation": "", "answer_type": "span", "answer_from": "table", "rel_paragraphs": [],
    ...         "req_comparison": False,
    ...     }],
    ... }
    >>> next(tatqa(published, SetOptions()))
    {'context': ' | 2019 | 2018\nSales | $6 | $4\n\nSales are in millions.',
     'question': 'What were sales in 2019?',
     'answer': '$6',
     'scale': 'million',
     'full_answer': '$6 million',
     'derivation': '',
     'answer_type': 'span',
     'id': 'q1'}
    """
    paragraphs = sorted(row["paragraphs"], key=lambda paragraph: int(paragraph["order"]))
    context = "\n\n".join([_table(row["table"]["table"]), *(paragraph["text"] for paragraph in paragraphs)])
    for asked in row["questions"]:
        given = asked.get("answer")  # the test split has none
        parts = [str(part) for part in (given if isinstance(given, list) else [given]) if part is not None]
        scale = asked.get("scale", "")
        yield {
            "context": context,
            "question": asked["question"],
            "answer": "; ".join(parts),
            "scale": scale,
            "full_answer": "; ".join(_scaled(part, scale) for part in parts),
            "derivation": asked.get("derivation", ""),
            "answer_type": asked.get("answer_type", ""),
            "id": asked["uid"],
        }


def _scaled(answer: str, scale: str) -> str:
    return answer + ("%" * (not answer.endswith("%")) if scale == "percent" else f" {scale}" if scale else "")


class FinqaOptions(SetOptions):
    gold: Literal["answer", "executed"] = "answer"
    """The annotator's answer (`65.4%`; where it is empty, the executed one), or what the program gives (`0.6543`)."""


def finqa(row: Row, options: FinqaOptions) -> Iterator[Row | LeftOut]:
    r"""`context` (text, table, text), `question`, `answer`, `program`, `id`.

    Reads the authors' files (the question under `qa`) and the flat rows that hub copies have.

    >>> published = {
    ...     "pre_text": ["sales grew ."], "post_text": ["see note 2 ."], "filename": "A/2009/page_1.pdf",
    ...     "table": [["", "2009", "2008"], ["sales", "6", "4"]], "id": "A/2009/page_1.pdf-1",
    ...     "qa": {
    ...         "question": "by how much did sales grow?", "answer": "50%", "exe_ans": 0.5, "explanation": "",
    ...         "program": "subtract(6, 4), divide(#0, 4)", "program_re": "divide(subtract(6, 4), 4)",
    ...         "gold_inds": {"table_1": "the sales of 2009 is 6 ; the sales of 2008 is 4 ;"},
    ...     },
    ... }
    >>> next(finqa(published, FinqaOptions()))
    {'context': 'sales grew .\n\n | 2009 | 2008\nsales | 6 | 4\n\nsee note 2 .',
     'question': 'by how much did sales grow?',
     'answer': '50%',
     'program': 'divide(subtract(6, 4), 4)',
     'id': 'A/2009/page_1.pdf-1'}
    """
    asked = row.get("qa", row)
    executed = asked["exe_ans"] if "exe_ans" in asked else asked["final_result"]
    answer = asked.get("answer")
    yield {
        "context": "\n\n".join(["\n".join(row["pre_text"]), _table(row["table"]), "\n".join(row["post_text"])]),
        "question": asked["question"],
        "answer": str(executed if options.gold == "executed" or not answer else answer),
        "program": asked["program_re"],
        "id": row["id"],
    }


def _table(rows: Iterable[Sequence[Any]]) -> str:
    return "\n".join(" | ".join(" ".join(str(cell).split()) for cell in cells) for cells in rows)


def finqabench(row: Row, options: SetOptions) -> Iterator[Row | LeftOut]:
    """`context`, `question`, `answer`. The set's columns are query, context and (expected_)response, in any case.

    >>> published = {"Query": "Who audits Acme?", "Response": "Smith LLP.", "Context": "Audited by Smith LLP."}
    >>> next(finqabench(published, SetOptions()))
    {'context': 'Audited by Smith LLP.', 'question': 'Who audits Acme?', 'answer': 'Smith LLP.'}
    """
    columns = {name.strip().lower().replace(" ", "_"): value for name, value in row.items()}
    answer = "expected_response" if "expected_response" in columns else "response"
    yield {"context": columns["context"], "question": columns["query"], "answer": columns[answer]}
