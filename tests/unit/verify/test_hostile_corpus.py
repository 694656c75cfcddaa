"""The hostile corpus against both verifiers: in this process, where evaluation is forbidden, and through the pool."""

import builtins
import itertools
import os
import subprocess
import time
from functools import partial

import hostile
import pytest

from rayrl.verify.finance.verdict import verify
from rayrl.verify.workers.jobs import Check
from rayrl.verify.workers.pool import WorkerPool
from tests.clock import lowest_cpu_seconds
from tests.conftest import PATIENCE

DEADLINE_S = 2.0
STATUSES = {"correct", "incorrect", "refusal", "unparseable"}
GOLDS = [("17.98", "What is the ratio?"), ("Yes. It is 17.98", "Does it improve?"), ("3; 17", ""), ("Two deals", "")]
CORPUS = hostile.corpus()


def test_the_corpus_is_large():
    assert len(set(CORPUS)) >= 300


def test_finance_reads_each_quickly_and_evaluates_nothing(monkeypatch):
    def refuse(*arguments, **_):
        raise AssertionError(f"evaluated {arguments[0]!r}")

    verdicts = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "system", refuse)
        patched.setattr(subprocess, "Popen", refuse)
        for name in ("eval", "exec", "compile"):
            patched.setattr(builtins, name, refuse)
        for text, (gold, question) in zip(CORPUS, itertools.cycle(GOLDS), strict=False):
            seconds, verdict = lowest_cpu_seconds(partial(verify, text, gold, question=question), under=2)
            verdicts.append((verdict, seconds, text[:60]))
    assert {verdict.status for verdict, _, _ in verdicts} <= STATUSES
    assert all(len(verdict.extracted or "") <= 200 for verdict, _, _ in verdicts)
    assert [text for _, seconds, text in verdicts if seconds >= 2] == []


@pytest.mark.parametrize("text", hostile.BAIT)
def test_bait_is_never_an_answer(text):
    assert verify(text, "17.98").score == 0.0


@pytest.mark.parametrize("verifier", ["maths", "finance"])
def test_the_pool_survives_all_of_it(verifier):
    checks = [Check(verifier, text, "17.98") for text in CORPUS]
    with WorkerPool(2, deadline_s=DEADLINE_S, memory_limit_mb=1024) as pool:
        started = time.monotonic()
        futures = [pool.submit_all([check]) for check in checks]
        outcomes = [future.result(timeout=2 * len(checks))[0] for future in futures]
        assert {outcome.kind for outcome in outcomes} <= {"done", "timeout"}
        late = sum(outcome.kind == "timeout" for outcome in outcomes)
        assert time.monotonic() - started < PATIENCE * (60 + late * (DEADLINE_S + 1))
        workers = pool.pids()
        assert late or len(set(workers)) == 2
        after = pool.submit_all([Check(verifier, "The answer is 17.98.", "17.98")] * 20).result()
        assert [outcome.value.status for outcome in after] == ["correct"] * 20
        assert set(workers) <= set(pool.pids())
