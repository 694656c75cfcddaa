"""How a run ends is told by its error and exit code, whatever its report makes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rayrl.config import GRPOConfig
from rayrl.errors import ResourceError, SyncError
from rayrl.train import driver
from rayrl.train.cluster import Cluster


@pytest.mark.parametrize("ended_by", [SyncError("the run's own error"), KeyboardInterrupt(), None])
def test_a_report_that_cannot_be_written_hides_nothing(
    ended_by: BaseException | None,
    tiny_config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def connect() -> Iterator[Cluster]:
        yield Cluster({"CPU": 8.0}, [{"CPU": 8.0}])

    def end(config: Any, plan: Any, folder: Path, writer: driver.Writer, *_: object) -> None:
        writer.write({"kind": "eval", "step": 0, "rows": {}})
        if ended_by is not None:
            raise ended_by

    def no_report(folder: Path) -> Path:
        raise ValueError("no font")

    monkeypatch.setattr(driver, "connect", connect)
    monkeypatch.setattr(driver, "_train", end)
    monkeypatch.setattr(driver, "write_report", no_report)
    config = GRPOConfig.model_validate(tiny_config)
    if isinstance(ended_by, SyncError):
        with pytest.raises(SyncError, match="the run's own error"):
            driver.train(config)
    else:
        assert driver.train(config) == (130 if ended_by else 0)
    said = capsys.readouterr().out
    assert "no font" in said
    assert f"rayrl report {config.run.dir / config.run.name}" in said


def test_a_process_that_ray_killed_for_memory_is_told_in_two_lines_and_other_errors_as_they_are() -> None:
    said = "Memory on the node was 23 GB\n" + "24718 0.25 python\n" * 40
    said += "Refer to the documentation on how to address the out of memory issue: " + "Consider provisioning " * 80
    told = driver.learner_failure(RuntimeError(said), 13_500_000_000)
    assert isinstance(told, ResourceError)
    assert "memory was nearly full" in str(told)
    assert "13.5 GB" in str(told)
    assert len(str(told)) < 400
    assert str(driver.learner_failure(ValueError("CUDA out of memory"), 1)) == "the learner failed: CUDA out of memory"
