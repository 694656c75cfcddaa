"""A GRPO run on two learner ranks of which something is killed again and again, against the same run left alone.

    python -m tests.benchmarks.chaos [--kills 20] [--seed 0] [--max_staleness 0] [--vllm]

It runs on a Ray cluster of two nodes, of which the first has room for half of it. Kills by SIGKILL: generators,
verifiers, their worker processes, the coordinator, learner ranks, and the second node's raylet with all that runs on
it (another node joins then), in turn. Then: did the run end by itself, do the books balance, was each step trained
once, are the weights those of the run left alone (without staleness), and does a run resumed from a copy of the folder
end alike. The model is tiny, its engine plain transformers, or vLLM, whose engine processes are killed too; Ray, Ray
Train, verifiers and checkpoints are real. Ends with 1 where any of this is not so.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import load_file

from tests.conftest import PATIENCE, ROOT, Command, commands, tiny
from tests.fakes.model import make_model
from tests.integration.test_submit import free_port

KINDS = ("GeneratorActor", "VerifierActor", "worker", "CoordinatorActor", "RayTrainWorker", "raylet")
ENGINE = "VLLM::EngineCore"
WAIT_S = 300 * PATIENCE
HOST = "--node-ip-address=127.0.0.1"


def authentication() -> dict[str, str]:
    """Ray asks for tokens once its file is there, as it is after any run, and must be told to send them."""
    return {"RAY_AUTH_MODE": "token"} if Path("~/.ray/auth_token").expanduser().exists() else {}


class Nodes:
    """A Ray cluster of two nodes on this machine. The second can be lost and replaced."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        options = ("--include-dashboard=false", f"--temp-dir={folder}", f"--ray-client-server-port={free_port()}")
        self._first = self._start("--head", f"--port={port}", "--num-cpus=1", *options)
        self._wait_for(1)
        self._second = self._join()
        self._wait_for(2)

    def _wait_for(self, nodes: int) -> None:
        script = ROOT / "launch" / "wait_for_nodes.py"
        command = [sys.executable, script, self.address, str(nodes), str(WAIT_S), str(self._first.pid)]
        subprocess.run(command, stdout=subprocess.DEVNULL, env=os.environ | authentication(), check=True)

    def _start(self, *options: str) -> psutil.Popen:
        command = [Path(sys.executable).parent / "ray", "start", "--block", "--disable-usage-stats", HOST, *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        return psutil.Popen(command, env=os.environ | authentication(), **quiet)

    def _join(self) -> psutil.Popen:
        return self._start(f"--address={self.address}", "--num-cpus=2")

    def replace(self) -> None:
        """Another node for the second, whose raylet was killed."""
        self._second.wait(WAIT_S)
        self._second = self._join()

    def processes(self) -> list[psutil.Process]:
        return [child for node in (self._first, self._second) for child in children(node)]

    def raylets(self) -> list[psutil.Process]:
        """The second node's: the first's is the cluster's end."""
        return [child for child in children(self._second) if Path(title(child).partition(" ")[0]).name == "raylet"]

    def close(self) -> None:
        for process in (*self.processes(), self._first, self._second):
            with suppress(psutil.Error):
                process.kill()


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def victims(nodes: Nodes, kind: str) -> list[psutil.Process]:
    """Processes of a kind; `worker`: those that a verifier scores in."""
    if kind == "raylet":
        return nodes.raylets()
    if kind == ENGINE:
        return [process for process in nodes.processes() if ENGINE in title(process)]
    if kind != "worker":
        return [process for process in nodes.processes() if title(process).startswith(f"ray::{kind}")]
    servers = [child for process in victims(nodes, "VerifierActor") for child in process.children()]
    return [worker for server in servers for worker in server.children()]


def disturb(run: Command, nodes: Nodes, kinds: Sequence[str], kills: int, draw: random.Random) -> Counter[str]:
    """Kills one process after the other, each once a step was trained since the one before."""
    done: Counter[str] = Counter()
    while sum(done.values()) < kills:
        seen = len(run.records("step"))
        end = time.monotonic() + WAIT_S
        while len(run.records("step")) == seen:
            if run.process.poll() is not None:
                return done
            if time.monotonic() > end:
                raise SystemExit(f"no step in {WAIT_S} s after {dict(done)}")
            time.sleep(0.1)
        kind = kinds[sum(done.values()) % len(kinds)]
        found = victims(nodes, kind)
        if not found:
            continue
        victim = draw.choice(found)
        lost = [name for child in children(victim) if (name := title(child)).startswith("ray::") and kind == "raylet"]
        try:
            os.kill(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        if kind == "raylet":
            nodes.replace()
        done[kind] += 1
        what = f"a {kind} with {', '.join(lost)}" if lost else f"a {kind}"
        print(f"{time.monotonic() - run.started:5.0f} s  step {seen}: killed {what} ({victim.pid})", flush=True)
    return done


def weights(run: Command) -> dict[str, torch.Tensor]:
    return load_file(run.run_dir / "model" / "model.safetensors")


def same(first: Command, second: Command) -> bool:
    left, right = weights(first), weights(second)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def books(run: Command) -> str:
    """The last step's."""
    figures = {name: int(value) for name, value in run.records("step")[-1].items() if name.startswith("groups/")}
    return ", ".join(f"{name} {value}" for name, value in figures.items())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A run that is killed again and again")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max_staleness", type=int, default=0)
    parser.add_argument("--vllm", action="store_true", help="vLLM's engines, on a model wide enough for them")
    known = parser.parse_args(arguments)
    options: list[Any] = ["--steps", known.steps, "--learner.workers", 2, "--learner.cpus_per_worker", 0.25]
    options += ["--generator.replicas", 2, "--verifier.actors", 2, "--max_staleness", known.max_staleness]
    options += ["--run.max_failures", known.kills, "--generator.cpus", 0.5, "--verifier.cpus", 0.25]
    kinds = (*KINDS, ENGINE) if known.vllm else KINDS
    wrong: list[str] = []
    # In /tmp: Ray's sockets allow 107 characters.
    with tempfile.TemporaryDirectory(dir="/tmp") as name, commands(Path(name)) as start:
        folder = Path(name)
        config = tiny(make_model(folder / "tiny", width=256 if known.vllm else 32), folder)
        if known.vllm:
            config["generator"] = {"threads": 1, "kv_cache_gb": 0.1, "options": {"dtype": "float32"}}
        calm = start("grpo", config | {"run": config["run"] | {"name": "calm"}}, *options)
        if calm.wait(WAIT_S):
            raise SystemExit(f"the run left alone failed: {calm.stderr[-2000:]}")
        print(f"{time.monotonic() - calm.started:.0f} s left alone", flush=True)
        with closing(Nodes(folder / "ray")) as nodes:
            at = {"RAY_ADDRESS": nodes.address} | authentication()
            run = start("grpo", config | {"run": config["run"] | {"name": "chaos"}}, *options, env=at)
            done = disturb(run, nodes, kinds, known.kills, random.Random(known.seed))
            copy = folder / "runs" / "copy"
            shutil.copytree(run.run_dir, copy, ignore=shutil.ignore_patterns("*.tmp"))
            code = run.wait(WAIT_S)
        print(f"{time.monotonic() - run.started:.0f} s with {sum(done.values())} kills: {dict(done)}; exit code {code}")
        if code:
            wrong.append(f"exit code {code}: {run.stderr[-2000:]}")
        steps = [record["step"] for record in run.records("step")]
        if sorted(set(steps)) != list(range(1, known.steps + 1)):
            wrong.append(f"steps {steps}")
        print("books:", books(run))
        resumed = start("grpo", config | {"run": config["run"] | {"name": "copy"}}, *options, "--run.resume", "true")
        if resumed.wait(WAIT_S):
            wrong.append(f"the copy does not resume: {resumed.stderr[-2000:]}")
        elif known.max_staleness == 0:
            wrong += [
                f"{what} ends with other weights"
                for what, one in (("chaos", run), ("copy", resumed))
                if not code and not same(one, calm)
            ]
    print("\n".join(wrong) or "all as it was left alone")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
