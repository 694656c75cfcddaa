"""Bytecode of what the processes of a run import, made once at the set-up instead of by each of them.

That of vLLM and what it imports takes 20 s. Where PYTHONDONTWRITEBYTECODE is set, each process of each run would
compile it again.
"""

import importlib
import os
import pkgutil
import subprocess
import sys

ENGINE = (
    "vllm.v1.engine.async_llm",
    "vllm.v1.engine.core",
    "vllm.v1.executor.multiproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.model_executor.models.llama",
    "vllm.distributed.weight_transfer.factory",
)
OTHERS = (
    "ray.tune",
    "ray.train.torch",
    "ray.dashboard.dashboard",
    "ray.dashboard.agent",
    "ray.dashboard.head",
    "ray._private.log_monitor",
    "ray._private.runtime_env.agent.main",
    "ray.autoscaler._private.monitor",
    "torch.distributed.checkpoint.state_dict",
    "torch.distributed.fsdp",
    "transformers.models.llama.modeling_llama",
    "transformers.models.llama.tokenization_llama",
    "datasets",
    "compressed_tensors",
    "peft",
    "reasoning_gym",
    "math_verify",
)
"""In a process beside that of `ENGINE`, and after them all of rayrl."""


def import_all(names: tuple[str, ...], packages: tuple[str, ...]) -> None:
    """Imports, and says which could not be; modules that need an extra which is not installed are passed over."""
    found = [name for package in packages for name in _modules(package)]
    for name in (*names, *found):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        except Exception as error:  # it is compiled by the run that needs it
            print(f"setup: no bytecode of {name}: {error!r}")


def _modules(package: str) -> list[str]:
    root = importlib.import_module(package)
    return [module.name for module in pkgutil.walk_packages(root.__path__, package + ".")]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import_all(ENGINE, ()) if sys.argv[1] == "engine" else import_all(OTHERS, ("rayrl",))
    else:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, "-W", "ignore", __file__]
        parts = {
            part: subprocess.Popen([*command, part], env=environment, stderr=subprocess.DEVNULL)  # packages' warnings
            for part in ("engine", "others")
        }
        for part, process in parts.items():
            if code := process.wait():  # a run compiles what it misses
                print(f"setup: bytecode of {part!r} ended with exit code {code}; {' '.join([*command, part])} says why")
