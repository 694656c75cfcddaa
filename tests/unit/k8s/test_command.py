"""`rayrl k8s`: manifests of all sizes are valid, hold what the estimates say, and say what they do not fit."""

import json
import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from rayrl.config import GRPOConfig, load_config, parse_overrides
from rayrl.k8s.sizes import CUDA, GIB, IN_SHM, IN_STORE, MARGIN
from rayrl.learner.model_files import FILE_BYTES
from rayrl.train.cluster import MOST
from rayrl.train.memory import IMPORTED, RAY, VERIFIER
from rayrl.units import GB
from tests.unit.launch.kuberay import ROOT, errors

DEMO, MATHS, LLAMA = (f"configs/{name}.yaml" for name in ("demo/grpo", "maths/grpo", "finance/llama70b"))
THREADS = ("--generator.threads", "4", "--learner.threads", "4")
SMALL_RANKS = ("--learner.workers", "200", "--learner.microbatch_tokens", "8192")
FOUR_AND_FOUR = ("--learner.workers", "4", "--generator.replicas", "4")
SIXTEEN = ("--learner.workers", "8", "--generator.replicas", "2")
PARAMETERS_7B = 7_298_617_344
LINEAR_70B = 80 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672)
ADAPTER_70B = 80 * 32 * (2 * (8192 + 8192) + 2 * (8192 + 1024) + 3 * (8192 + 28672))

Command = Callable[..., str]
Print = Callable[..., dict[str, Any]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The text for a config and further words."""
    monkeypatch.chdir(ROOT)

    def run(*words: str) -> str:
        assert main(["k8s", *words]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def manifest(printed: Command) -> Print:
    def run(*words: str) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(printed(*words))
        return found

    return run


def cluster(found: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = found["spec"].get("rayClusterSpec", found["spec"])
    return inner


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    assert only["resources"]["requests"] == only["resources"]["limits"]
    return dict(only)


def amounts(group: dict[str, Any]) -> dict[str, int]:
    """Of one pod: GiB of memory and /dev/shm, bytes of the object store, cores, GPUs."""
    limits = container(group)["resources"]["limits"]
    (shm,) = (one["emptyDir"] for one in group["template"]["spec"]["volumes"] if one["name"] == "shm")
    assert shm["medium"] == "Memory"
    return {
        "memory": int(limits["memory"].removesuffix("Gi")),
        "shm": int(shm["sizeLimit"].removesuffix("Gi")),
        "store": int(group["rayStartParams"]["object-store-memory"]),
        "cpu": int(limits["cpu"]),
        "gpu": int(limits.get("nvidia.com/gpu", 0)),
    }


def gib(size: float) -> int:
    return math.ceil(size / GIB)


def needed(held: float, shared: float) -> int:
    return gib((1 + MARGIN) * (held + shared))


@pytest.mark.parametrize("kind", ["RayJob", "RayCluster"])
@pytest.mark.parametrize(
    ("words", "gpus"),
    [
        ((DEMO, *THREADS), [0]),
        ((MATHS, "--model", "olmo2_7b"), [8]),
        ((MATHS, "--model", "olmo2_7b", *FOUR_AND_FOUR, "--gpus-per-node", "4"), [4, 4]),
        ((MATHS, "--model", "olmo2_7b", *FOUR_AND_FOUR, "--autoscale-generators"), [4, 1, 1, 1, 1]),
        ((LLAMA, "--model", "llama_70b"), [8]),
        ((LLAMA, "--model", "llama_70b", *SIXTEEN, "--nodes", "2", "--namespace", "research"), [8, 8]),
    ],
    ids=["135M", "7B", "7B-two-nodes", "7B-autoscaled", "70B-8", "70B-16"],
)
def test_manifests_of_all_sizes_fit_the_crd(
    words: tuple[str, ...], gpus: list[int], kind: str, manifest: Print, request: pytest.FixtureRequest
) -> None:
    given = [request.getfixturevalue(word) if word in ("olmo2_7b", "llama_70b") else word for word in words]
    found = manifest(*given, "--kind", kind)
    assert found["kind"] == kind
    pods = [amounts(one)["gpu"] for one in cluster(found)["workerGroupSpecs"] for _ in range(one["maxReplicas"])]
    assert pods == gpus
    for group in [cluster(found)["headGroupSpec"], *cluster(found)["workerGroupSpecs"]]:
        size = amounts(group)
        assert size["store"] <= size["shm"] * GIB < size["memory"] * GIB
    assert amounts(cluster(found)["headGroupSpec"])["gpu"] == 0
    assert errors(found) == []


def test_7b_is_sized_by_the_weights_on_their_way(manifest: Print, olmo2_7b: str) -> None:
    """Worked out from the number of parameters: bfloat16, four generators, eight processes with a GPU."""
    (group,) = cluster(manifest(MATHS, "--model", olmo2_7b, *FOUR_AND_FOUR))["workerGroupSpecs"]
    sent = 2 * PARAMETERS_7B
    store = IN_STORE + 2 * sent
    shared = store + 4 * sent + IN_SHM
    held = RAY + IMPORTED * (1 + 4 + 2 * 4) + VERIFIER * 2 + 8 * CUDA + FILE_BYTES
    assert amounts(group) == {
        "memory": needed(held, shared),
        "shm": gib(shared),
        "store": store,
        "cpu": 4 * 2 + 4 * 3 + 2 + 1,
        "gpu": 8,
    }
    assert (needed(held, shared), gib(shared)) == (127, 84)


def test_copies_for_checkpoints_in_the_background_are_host_memory(manifest: Print, olmo2_7b: str) -> None:
    given = (MATHS, "--model", olmo2_7b, *FOUR_AND_FOUR)
    one, other = (
        cluster(manifest(*given, "--checkpoint.background", value))["workerGroupSpecs"][0]
        for value in ("false", "true")
    )
    more = amounts(other)["memory"] - amounts(one)["memory"]
    assert more == pytest.approx((1 + MARGIN) * 12 * PARAMETERS_7B / GIB, abs=1)


@pytest.mark.parametrize(
    ("words", "generators", "held"),
    [
        ((), 1, RAY + IMPORTED * (1 + 4 + 2) + VERIFIER * 2 + 8 * CUDA + 4 * ADAPTER_70B),
        (SIXTEEN, 2, RAY + IMPORTED * (1 + 8) + VERIFIER * 2 + 8 * CUDA + 4 * ADAPTER_70B),
    ],
    ids=["8", "16"],
)
@pytest.mark.parametrize(("transfer", "base"), [("auto", 0), ("packets", 2 * LINEAR_70B)])
def test_70b_with_qlora_is_sized_by_what_generators_are_sent(
    words: tuple[str, ...], generators: int, held: float, transfer: str, base: int, manifest: Print, llama_70b: str
) -> None:
    """The adapter is small, and generators round the base themselves. Where it is sent as packets it goes to them
    whole, and stays in the object store. On the pod that needs most, of two alike, are eight ranks, or room for files
    of two generators."""
    sent = 2 * ADAPTER_70B
    store = IN_STORE + 2 * sent + base
    shared = store + generators * (sent + base) + IN_SHM
    given = (LLAMA, "--model", llama_70b, *words, "--adapter.base_transfer", transfer)
    for group in cluster(manifest(*given))["workerGroupSpecs"]:
        size = amounts(group)
        assert (size["store"], size["shm"]) == (store, gib(shared))
        assert size["memory"] == needed(held, shared)


def test_on_cpu_the_pod_holds_the_run_as_a_dry_run_estimates_it(
    manifest: Print, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (DEMO, *THREADS, "--model.compute_dtype", "float32", "--generator.options.dtype", "float32")
    (group,) = cluster(manifest(*given))["workerGroupSpecs"]
    monkeypatch.setenv("RAY_ADDRESS", "auto")  # this machine's memory is not asked for
    assert main(["grpo", *given, "--run.dir", str(tmp_path), "--dry-run"]) == 0
    (estimate,) = re.findall(r"^memory +about ([\d.]+) GB in all", capsys.readouterr().out, re.MULTILINE)
    assert float(estimate) * GB < amounts(group)["memory"] * GIB
    assert amounts(group)["cpu"] == 4


def test_every_sum_in_the_comments_adds_up(printed: Command, llama_70b: str) -> None:
    text = printed(LLAMA, "--model", llama_70b, *SIXTEEN)
    sums = re.findall(r"# [^\n]*?([\d.]+)(?: GB)?[^\n\d]*=\n((?: *#   [\d.]+[^\n]*\n)+)", text)
    assert len(sums) == 1 + 3 * 4
    for total, parts in sums:
        found = [float(part) for part in re.findall(r"#   ([\d.]+)", parts)]
        assert sum(found) == pytest.approx(float(total), abs=0.06 * len(found))


def test_the_table_of_sizes_is_what_is_printed(printed: Command, olmo2_7b: str, llama_70b: str) -> None:
    text = (ROOT / "k8s/README.md").read_text()
    lines = text[text.index("| | 135M, CPU |") :].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    table = {name: cells for name, *cells in rows}
    given = [
        (DEMO, *THREADS),
        (MATHS, "--model", olmo2_7b, *FOUR_AND_FOUR, "--max_staleness", "1"),
        (LLAMA, "--model", llama_70b),
        (LLAMA, "--model", llama_70b, *SIXTEEN),
    ]
    for column, words in enumerate(given):
        shown = printed(*words)
        groups = cluster(yaml.safe_load(shown))["workerGroupSpecs"]
        size = amounts(groups[0])
        cells = {name: cells[column] for name, cells in table.items()}
        assert cells["worker pods"] == str(sum(group["replicas"] for group in groups))
        assert (cells["GPUs of each"], cells["CPUs of each"]) == (str(size["gpu"]), str(size["cpu"]))
        assert cells["limits: memory, `/dev/shm`"] == f"{size['memory']}Gi, {size['shm']}Gi"
        workers = shown.partition("workerGroupSpecs")[2]
        assert f"# /dev/shm: {cells['= `/dev/shm`']} GB" in workers
        assert f"# memory: {cells['= memory']} GB" in workers
        assert f"#   {cells['+ 10 %']} GB  10% more" in workers
        assert f"comes to hold {cells['comes to lie on the claim']} GB" in shown
        assert cells["of a GPU: a learner rank"] in shown
        adds = [float(cells[name]) for name in cells if name.startswith(("object store", "+ "))]
        assert sum(adds) == pytest.approx(float(cells["= memory"]), abs=0.3)


def test_tokens_come_from_a_secret_that_need_not_be_there(manifest: Print) -> None:
    found = cluster(manifest(DEMO, *THREADS, "--secret", "mine"))
    for group in [found["headGroupSpec"], *found["workerGroupSpecs"]]:
        secrets = {one["name"]: one["valueFrom"] for one in container(group)["env"] if "valueFrom" in one}
        for name in ("HF_TOKEN", "WANDB_API_KEY"):
            assert secrets[name] == {"secretKeyRef": {"name": "mine", "key": name, "optional": True}}


def test_generators_scale_between_none_and_all(manifest: Print, olmo2_7b: str) -> None:
    given = (MATHS, "--model", olmo2_7b, *FOUR_AND_FOUR, "--autoscale-generators", "--kind")
    for kind, first in (("RayJob", 4), ("RayCluster", 0)):
        found = cluster(manifest(*given, kind))
        assert found["enableInTreeAutoscaling"] is True
        (most,) = (one["value"] for one in container(found["headGroupSpec"])["env"] if one["name"] == MOST)
        sizes = [(one["maxReplicas"], amounts(one)) for one in found["workerGroupSpecs"]]
        assert json.loads(most) == {
            "CPU": sum(pods * size["cpu"] for pods, size in sizes),
            "GPU": sum(pods * size["gpu"] for pods, size in sizes),
        }
        assert json.loads(most)["GPU"] == 8
        learners, generators = found["workerGroupSpecs"]
        assert (learners["replicas"], learners["minReplicas"], learners["maxReplicas"]) == (1, 1, 1)
        assert (generators["replicas"], generators["minReplicas"], generators["maxReplicas"]) == (first, 0, 4)
    assert "enableInTreeAutoscaling" not in cluster(manifest(DEMO, *THREADS))


@pytest.mark.parametrize("overwrite", ["true", "false"])
def test_settings_reach_the_run_as_they_were_typed(overwrite: str, manifest: Print, tmp_path: Path) -> None:
    system = 'it\'s "quoted",  a $HOME;\n second line'
    found = manifest(DEMO, *THREADS, "--prompt.system", system, "--run.name", "x", "--run.overwrite", overwrite)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    python.chmod(0o755)
    shell = ["bash", "-c", found["spec"]["entrypoint"]]
    shown = subprocess.run(shell, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True, capture_output=True, text=True)
    *head, config = shown.stdout.split("\0")[:4]
    assert (head, config) == (["-m", "rayrl.cli", "grpo"], "/opt/rayrl/configs/demo/grpo.yaml")
    settings = load_config(ROOT / DEMO, parse_overrides(shown.stdout.split("\0")[4:-1], GRPOConfig), GRPOConfig)
    assert (settings.prompt.system, settings.generator.threads, str(settings.run.dir)) == (system, 4, "/runs")
    assert settings.run.resume is False
    assert found["spec"]["backoffLimit"] == (0 if overwrite == "true" else 2)


def test_a_config_outside_the_checkout_is_looked_for_on_the_claim(manifest: Print, tmp_path: Path) -> None:
    own = tmp_path / "my config.yaml"
    own.write_text((ROOT / DEMO).read_text())
    assert "'/runs/my config.yaml'" in manifest(str(own), *THREADS)["spec"]["entrypoint"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((MATHS, "--generator.gpus", "16", "--generator.tensor_parallel_size", "16"), 2, "fits no node of 8 GPUs"),
        ((MATHS, *FOUR_AND_FOUR, "--gpus-per-node", "2", "--nodes", "3"), 5, "--nodes 3: .* need 4 nodes of 2"),
        ((MATHS, "--gpu-memory", "24"), 4, "a learner rank of .* takes about .* GB of a GPU .*learner.workers"),
        ((MATHS, *SMALL_RANKS, "--gpu-memory", "17"), 4, "a generator of .* takes 14.6 GB for weights"),
        ((MATHS, "--namespace", "Research_1"), 2, "--namespace 'Research_1': Kubernetes takes lower-case letters"),
        ((MATHS, "--name", "a" * 48), 2, "at most 47 characters"),
        ((MATHS, "--image", "rayrl: latest"), 2, "--image 'rayrl: latest': Kubernetes takes an image's name"),
        ((DEMO,), 2, "learner.threads: left out it is all cores"),
        ((DEMO, *THREADS, "--autoscale-generators"), 2, "--autoscale-generators: there are no generators"),
        (("configs/study/olmo2.yaml",), 2, "neither a config of rayrl grpo nor of rayrl sft"),
        ((MATHS, "--learner.worker", "8"), 2, "learner.worker: unknown setting"),
        (("no.yaml",), 2, "config file 'no.yaml' does not exist"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_is_said_before_anything_is_printed(
    words: tuple[str, ...],
    code: int,
    says: str,
    olmo2_7b: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    model = ("--model", olmo2_7b) if words[0] == MATHS else ()
    assert main(["k8s", *words, *model]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert re.search(says, output.err), output.err
