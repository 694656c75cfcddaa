"""Say which build of torch a set-up took; refuse a CPU build beside packages for CUDA.

Run by launch/setup.sh and k8s/Dockerfile, with the set-up's own Python: python launch/torch_build.py cpu|cuda
"""

import sys

import torch


def refusal(kind: str, version: str, cuda: str | None) -> str | None:
    """Why this build is of no use in a set-up of this kind; None: it is."""
    if kind == "cpu" or cuda is not None:
        return None
    return (
        f"torch {version} is a build for the CPU, and the set of packages is the one for CUDA: vllm and torchvision "
        "would fail. Remove .venv, see what `pip config list` and PIP_* name besides the registry (find-links, "
        "extra-index-url, constraint), and run the set-up again without them"
    )


def main(kind: str) -> None:
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"
    print(f"setup: torch {torch.__version__}, a build for {build}")
    if problem := refusal(kind, torch.__version__, torch.version.cuda):
        sys.exit(f"setup: {problem}")


if __name__ == "__main__":
    main(sys.argv[1])
