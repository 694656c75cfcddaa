"""What carries collectives."""


def collectives(gpu: bool) -> str:
    """Backends of a rank's process group. With a GPU: NCCL for what lies there, gloo for objects and what does not."""
    return "cpu:gloo,cuda:nccl" if gpu else "gloo"
