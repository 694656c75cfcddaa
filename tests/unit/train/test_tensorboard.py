"""What is written for TensorBoard is read back from the event files, each record by its checksums."""

import struct
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event, SessionLog

from rayrl.config import GRPOConfig
from rayrl.train.writer import Writer


def events(folder: Path) -> list[Event]:
    """All of the folder, file by file."""
    found = []
    for file in sorted(folder.glob("events.out.tfevents.*")):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            assert struct.unpack("<I", data[8:12]) == (masked(data[:8]),)
            record, (checksum,) = data[12 : 12 + length], struct.unpack("<I", data[12 + length : 16 + length])
            assert checksum == masked(record)
            found.append(Event.FromString(record))
            data = data[16 + length :]
    return found


def masked(data: bytes) -> int:
    """The checksum of TFRecord files."""
    plain = crc32c(data)
    return (((plain >> 15) | (plain << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    return [(event.step, value.tag, value.simple_value) for event in events(folder) for value in event.summary.value]


def test_metrics_are_read_back_and_a_resumed_run_hides_what_it_makes_anew(
    tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    config = GRPOConfig.model_validate(tiny_config | {"run": {"tensorboard": True}})
    writer = Writer(tmp_path, config)
    for step in (1, 2, 3):
        writer.write({"kind": "step", "step": step, "reward/mean": step / 4, "train/loss": None})
    writer.close()
    board = tmp_path / "tensorboard"
    written = scalars(board)
    assert written == [(1, "reward/mean", 0.25), (2, "reward/mean", 0.5), (3, "reward/mean", 0.75)]
    again = Writer(tmp_path, GRPOConfig.model_validate(tiny_config | {"run": {"tensorboard": True, "resume": True}}))
    again.write({"kind": "step", "step": 2, "reward/mean": 1.0})
    again.close()
    assert sorted(scalars(board)) == sorted([*written, (2, "reward/mean", 1.0)])
    starts = [event.step for event in events(board) if event.session_log.status == SessionLog.START]
    assert starts[-1] == 2, "TensorBoard drops what it has of step 2 and later"


@pytest.mark.parametrize("run", [{}, {"tensorboard": False}])
def test_nothing_is_written_unasked(run: dict[str, Any], tiny_config: dict[str, Any], tmp_path: Path) -> None:
    writer = Writer(tmp_path, GRPOConfig.model_validate(tiny_config | {"run": run}))
    writer.write({"kind": "step", "step": 1, "reward/mean": 0.5})
    writer.close()
    assert not (tmp_path / "tensorboard").exists()
