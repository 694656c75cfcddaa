"""Weights as bytes: packets of tensors that travel through an object store, checksums included."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from rayrl.errors import SyncError
from rayrl.generate.engine import BaseRecipe, PacketFile, TensorInfo

PACKET_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Packet:
    """Some tensors, each as a flat array, so that an object store copies it once and hands it out without a copy."""

    tensors: list[TensorInfo]
    parts: list[npt.NDArray[np.uint8]]

    def write(self, path: Path) -> PacketFile:
        """Puts the bytes into a file (best on tmpfs), for engine processes that are no Ray workers."""
        with path.open("wb", buffering=0) as file:
            for part in self.parts:
                part.tofile(file)
        return PacketFile(path, self.tensors)


def describe(name: str, tensor: Any, offset: int = 0) -> tuple[TensorInfo, npt.NDArray[np.uint8]]:
    """What a packet says of a torch tensor that lies at `offset`, and its bytes, on the CPU."""
    import torch

    data = tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy()
    dtype = str(tensor.dtype).removeprefix("torch.")
    return TensorInfo(name, dtype, tuple(tensor.shape), offset, data.size, xxh3_64_intdigest(data.data)), data


def pack(tensors: Iterable[tuple[str, Any]], packet_bytes: int = PACKET_BYTES) -> Iterator[Packet]:
    """Packs (name, torch tensor) pairs into packets of about `packet_bytes`; no tensor is split."""
    infos: list[TensorInfo] = []
    parts: list[npt.NDArray[np.uint8]] = []
    offset = 0
    for name, tensor in tensors:
        info, data = describe(name, tensor, offset)
        infos.append(info)
        parts.append(data)
        offset += data.size
        if offset >= packet_bytes:
            yield Packet(infos, parts)
            infos, parts, offset = [], [], 0
    if infos:
        yield Packet(infos, parts)


def read(file: PacketFile) -> Iterator[tuple[str, Any]]:
    """(name, torch tensor) pairs of a packet file, each held against its checksum.

    Raises:
        SyncError: A tensor's bytes are not those that were sent.
    """
    import torch

    data = np.memmap(file.path, dtype=np.uint8, mode="c")
    for info in file.tensors:
        part = data[info.offset : info.offset + info.size]
        if part.size != info.size or xxh3_64_intdigest(part.data) != info.checksum:
            raise SyncError(f"weight sync: {info.name} arrived corrupted (checksum differs from the learner's)")
        yield info.name, torch.from_numpy(part).view(getattr(torch, info.dtype)).reshape(info.shape)


def is_adapter(packet: PacketFile | BaseRecipe) -> bool:
    """Whether a packet holds a LoRA adapter (whose tensors never share a packet with others)."""
    return any(".lora_" in info.name for info in packet.tensors)


FUSED = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


def with_fused_partners(names: Iterable[str], every: Iterable[str]) -> list[str]:
    """`names` and what vLLM fuses with them, in the order of `every`.

    vLLM holds q, k, v (and gate, up) in one tensor. A reload of q and k alone leaves v uninitialized, without an
    error and with garbage as completions: so a fused group travels whole.
    (Reloads that go wrong are tracked in github.com/vllm-project/vllm/issues/48312; no issue of this one known.)
    """
    wanted = set(names)
    known = set(every)
    for name in list(wanted):
        parts = name.split(".")
        for group in FUSED:
            for member in group:
                if member in parts:
                    position = parts.index(member)
                    partners = (".".join([*parts[:position], other, *parts[position + 1 :]]) for other in group)
                    wanted.update(partner for partner in partners if partner in known)
    return [name for name in every if name in wanted]
