"""The Kubernetes manifests: valid by KubeRay's own schemas, unknown fields refused, and in step with the project."""

import copy
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rayrl.cli import main
from rayrl.config import GRPOConfig, load_config, parse_overrides
from tests.unit.launch.kuberay import ROOT, errors, strict

IMAGE_ROOT = "/opt/rayrl"  # the checkout inside the image (k8s/Dockerfile)
MANIFESTS = sorted(path.name for path in (ROOT / "k8s").glob("ray*.yaml"))
JOBS = [name for name in MANIFESTS if name.startswith("rayjob")]


def read(name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((ROOT / "k8s" / name).read_text())
    return manifest


def cluster(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]
    inner: dict[str, Any] = spec.get("rayClusterSpec", spec)
    return inner


def pods(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod spec of the head, of each worker group, and of the submitter."""
    spec = cluster(manifest)
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        yield group["template"]["spec"]
    if "submitterPodTemplate" in manifest["spec"]:
        yield manifest["spec"]["submitterPodTemplate"]["spec"]


def locked(kind: str, package: str) -> str:
    lock = (ROOT / "launch" / "locks" / f"{kind}.txt").read_text()
    versions: list[str] = re.findall(rf"^{re.escape(package)}==(.+)$", lock, re.MULTILINE)
    assert len(versions) == 1
    return versions[0]


def test_manifests_exist() -> None:
    assert MANIFESTS == ["raycluster-cpu.yaml", "rayjob-demo-cpu.yaml", "rayjob-gpu.yaml"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_is_what_the_command_in_its_first_line_prints(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "k8s" / name).read_text()
    program, *words = shlex.split(text.partition("\n")[0].removeprefix("# "))
    assert (program, words[0]) == ("rayrl", "k8s")
    assert main(words) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_fits_the_crd(name: str) -> None:
    assert errors(read(name)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "shutdownAfterJobFinish"), True),
        (("metadata", "lables"), {}),
        (("spec", "rayClusterSpec", "headGroupSpecs"), {}),
        (("spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "volume"), []),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "replica"), 1),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "replicas"), "1"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "rayStartParams", "num-cpus"), 4),
        (
            (
                "spec",
                "rayClusterSpec",
                "workerGroupSpecs",
                0,
                "template",
                "spec",
                "containers",
                0,
                "resources",
                "limit",
            ),
            {},
        ),
        (("spec", "submitterPodTemplate", "spec", "containers", 0, "resources", "limits", "memory"), "1 GB"),
        (("spec", "ttlSecondsAfterFinished"), 1.5),
    ],
    ids=lambda case: ".".join(map(str, case)) if isinstance(case, tuple) else None,
)
def test_a_wrong_field_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    manifest = copy.deepcopy(read("rayjob-gpu.yaml"))
    parent: Any = manifest
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    assert len(errors(manifest)) == 1


def test_a_missing_field_is_refused() -> None:
    manifest = read("raycluster-cpu.yaml")
    del manifest["spec"]["workerGroupSpecs"][0]["groupName"]
    assert len(errors(manifest)) == 1


def test_strict_schema_keeps_kubernetes_extensions() -> None:
    schema = strict(
        {
            "type": "object",
            "properties": {
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "free": {"type": "object", "properties": {}, "x-kubernetes-preserve-unknown-fields": True},
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
                "maybe": {"type": "string", "nullable": True},
                "type": {"type": "string"},
            },
        }
    )
    validate = Draft202012Validator(schema)
    assert validate.is_valid({"port": 1, "free": {"a": 1}, "map": {"a": "b"}, "maybe": None, "type": "x"})
    assert validate.is_valid({"port": "http"})
    for wrong in ({"port": 1.5}, {"map": {"a": 1}}, {"type": None}, {"typo": 1}):
        assert not validate.is_valid(wrong)


@pytest.mark.parametrize("name", MANIFESTS)
def test_images_and_ray_versions_agree_with_the_project(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (ray,) = (d for d in project["dependencies"] if d.startswith("ray["))
    manifest = read(name)
    kind = "cuda" if "gpu" in name else "cpu"
    assert cluster(manifest)["rayVersion"] == ray.split("==")[1] == locked(kind, "ray")
    images = {container["image"] for pod in pods(manifest) for container in pod["containers"]}
    assert images == {f"rayrl:{project['version']}-{kind}"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_pods_are_bounded_and_unprivileged(name: str) -> None:
    claim = read("runs-pvc.yaml")["metadata"]["name"]
    for pod in pods(read(name)):
        assert pod["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["requests"] == container["resources"]["limits"]
            mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", [])}
            if container["name"] != "ray-job-submitter":
                assert mounts["/runs"]["persistentVolumeClaim"] == {"claimName": claim}
                assert mounts["/dev/shm"]["emptyDir"]["medium"] == "Memory"


def settings_of(manifest: dict[str, Any], tmp_path: Path) -> tuple[str, GRPOConfig]:
    """The rayrl command and the settings that a job's entrypoint comes to: run by the shell, with `python` an echo."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    shell = ["bash", "-c", manifest["spec"]["entrypoint"]]  # as the submitter's pod does
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    shown = subprocess.run(shell, env=environment, check=True, capture_output=True, text=True).stdout
    flag, module, command, config, *overrides = shown.splitlines()
    assert (flag, module) == ("-m", "rayrl.cli")
    return command, load_config(ROOT / Path(config).relative_to(IMAGE_ROOT), parse_overrides(overrides), GRPOConfig)


@pytest.mark.parametrize("name", JOBS)
def test_entrypoint_names_a_config_of_the_checkout_and_known_settings(name: str, tmp_path: Path) -> None:
    manifest = read(name)
    command, settings = settings_of(manifest, tmp_path)
    assert command == "grpo"
    assert (str(settings.run.dir), settings.run.resume) == ("/runs", False)
    assert manifest["spec"]["shutdownAfterJobFinishes"] is True


def test_second_attempt_looks_for_the_run_that_the_first_one_made() -> None:
    spec = read("rayjob-gpu.yaml")["spec"]
    assert spec["backoffLimit"] > 0
    name = re.search(r"--run\.name (\S+)", spec["entrypoint"])
    assert name is not None
    assert f"[ -e /runs/{name[1]}/config.yaml ]" in spec["entrypoint"]


def test_gpu_job_asks_for_the_gpus_that_its_groups_have(tmp_path: Path) -> None:
    manifest = read("rayjob-gpu.yaml")
    _, settings = settings_of(manifest, tmp_path)
    generator, learner = settings.generator, settings.learner
    wanted = {
        "generators": generator.replicas * generator.tensor_parallel_size,
        "learners": learner.workers,
    }
    assert (generator.gpus, learner.gpus_per_worker) == (generator.tensor_parallel_size, 1)
    given, cpus = {}, 0
    for group in cluster(manifest)["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == group["maxReplicas"]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        given[group["groupName"]] = group["replicas"] * int(limits["nvidia.com/gpu"])
        cpus += group["replicas"] * int(limits["cpu"])
    assert given == wanted
    assert generator.replicas * generator.cpus + learner.workers * learner.cpus_per_worker <= cpus
    head = cluster(manifest)["headGroupSpec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert "nvidia.com/gpu" not in head


def test_runs_claim_can_be_mounted_by_every_pod() -> None:
    claim = read("runs-pvc.yaml")
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_image_is_made_from_the_locks_as_setup_does() -> None:
    dockerfile = (ROOT / "k8s" / "Dockerfile").read_text()
    python = re.search(r"^FROM python:([\d.]+)-slim$", dockerfile, re.MULTILINE)
    assert python is not None
    assert python[1] == "3.11"
    assert "launch/locks/${KIND}.txt" in dockerfile
    assert f"WORKDIR {IMAGE_ROOT}" in dockerfile
    assert dockerfile.rstrip().endswith("USER 1000")
    setup = (ROOT / "launch" / "setup.sh").read_text()
    for step in ("--no-deps", "--no-build-isolation --editable .", '-c "$lock" "$(grep \'^torch==\' "$lock")"'):
        assert step in setup
        assert step in dockerfile


def test_no_registry_host_is_named() -> None:
    for path in (ROOT / "k8s").iterdir():
        for image in re.findall(r"^\s*(?:image:|FROM) *(\S+)", path.read_text(), re.MULTILINE):
            assert "/" not in image, f"{path.name}: {image}"
