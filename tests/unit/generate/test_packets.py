"""Weights as bytes: what goes in comes out, and damage is found."""

from pathlib import Path

import pytest
import torch

from rayrl.errors import SyncError
from rayrl.generate.packets import pack, read, with_fused_partners


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "a": torch.randn(3, 5).bfloat16(),
        "b": torch.randn(7),
        "c": torch.randn(4, 4).bfloat16().t(),  # not contiguous
        "d": torch.tensor(2.0),
    }


@pytest.mark.parametrize("packet_bytes", [1, 40, 1 << 30])
def test_tensors_survive_packing_whatever_the_packet_size(packet_bytes: int, tmp_path: Path) -> None:
    packets = list(pack(tensors().items(), packet_bytes))
    files = [packet.write(tmp_path / str(number)) for number, packet in enumerate(packets)]
    arrived = {name: tensor for file in files for name, tensor in read(file)}
    assert arrived.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert arrived[name].dtype == tensor.dtype
        assert torch.equal(arrived[name], tensor)


def test_a_flipped_bit_and_a_short_file_are_named(tmp_path: Path) -> None:
    (packet,) = pack(tensors().items())
    file = packet.write(tmp_path / "packet")
    data = bytearray(file.path.read_bytes())
    data[3] ^= 1
    file.path.write_bytes(data)
    with pytest.raises(SyncError, match="a arrived corrupted"):
        list(read(file))
    file.path.write_bytes(data[:-2])
    with pytest.raises(SyncError, match="corrupted"):
        list(read(file))


def test_a_fused_group_travels_whole() -> None:
    layer = "model.layers.{}.self_attn.{}.weight"
    every = [layer.format(n, p) for n in (0, 1) for p in ("q_proj", "k_proj", "v_proj", "o_proj")]
    wanted = with_fused_partners([layer.format(1, "q_proj"), layer.format(1, "k_proj")], every)
    assert wanted == [layer.format(1, p) for p in ("q_proj", "k_proj", "v_proj")]
    assert with_fused_partners([layer.format(0, "o_proj")], every) == [layer.format(0, "o_proj")]
    biased = ["h.0.mlp.gate_proj.bias", "h.0.mlp.up_proj.bias", "h.0.mlp.gate_proj.weight", "h.0.mlp.up_proj.weight"]
    assert with_fused_partners(biased[:1], biased) == biased[:2]
