"""The pinned sets hold all that their packages ask for, but for what is left out on purpose; and the right torch."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError
from types import ModuleType

import pytest
import torch
from packaging.requirements import Requirement

from tests.conftest import PATIENCE, ROOT


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "launch" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock, torch_build = script("lock"), script("torch_build")


def asked(kind: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((ROOT / f"launch/locks/{kind}.needs.json").read_text())
    return found


@pytest.mark.parametrize("kind", lock.KINDS)
def test_a_lock_holds_all_that_its_packages_ask_for(kind: str) -> None:
    """`lock.py --needs` has written it down, because the packages of the other kind are not installed here."""
    assert asked(kind).keys() == lock.pins(kind).keys(), "make lock, or lock.py --needs after a change by hand"
    everything = asked(kind) | {"rayrl": lock.wanted(kind)}
    assert lock.missing(lock.pins(kind), everything, lock.LEFT_OUT[kind]) == []


@pytest.mark.parametrize("kind", lock.KINDS)
def test_the_extra_adds_all_that_a_set_up_lacks_for_it_and_moves_none_of_its_pins(kind: str) -> None:
    added = lock.pins(lock.EXTRA)
    assert asked(lock.EXTRA).keys() == added.keys()
    assert not added.keys() & lock.pins(kind).keys()
    everything = asked(lock.EXTRA) | {"rayrl": lock.wanted(lock.EXTRA)}
    left_out = lock.LEFT_OUT[kind] | lock.LEFT_OUT[lock.EXTRA]
    assert lock.missing(lock.pins(kind) | added, everything, left_out) == []
    assert "lm-eval" in added


def test_make_bench_installs_the_trl_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (trl,) = project["optional-dependencies"]["benchmark"]
    assert f" {trl}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("kind", lock.KINDS)
def test_what_was_written_down_is_what_the_installed_packages_ask_for(kind: str) -> None:
    installed: dict[str, list[str]] = {}
    for name, version in lock.pins(kind).items():
        try:
            found = Distribution.from_name(name)
        except PackageNotFoundError:
            continue
        weights_only = any(text.startswith(name) for text in lock.WEIGHTS_ONLY)
        # What torch asks for is a matter of its build: nothing for the CPU, all of CUDA otherwise.
        if found.version == version and name != "torch" and not weights_only:
            installed[name] = found.requires or []
    assert len(installed) > 150
    written = asked(kind)
    for name, texts in lock.needs(installed, lock.wanted(kind)).items():
        assert set(texts) <= set(written[name]), name


def test_a_package_that_is_missing_or_of_another_version_is_named_with_who_asks_for_it() -> None:
    metadata = {
        "a": ['b[fast]>=2; python_version < "4"', 'c; extra == "more"', 'd; sys_platform == "win32"'],
        "b": ['e==1; extra == "fast"', 'f; extra == "slow"'],
        "e": [],
    }
    needed = lock.needs(metadata, ["a"])
    assert needed == {"a": ["b[fast]>=2"], "b": ["e==1"], "e": []}
    assert lock.needs(metadata, ["a[more]"])["a"] == ["b[fast]>=2", "c"]
    assert lock.missing({"a": "1", "b": "2.1", "e": "1"}, needed, ()) == []
    assert lock.missing({"a": "1", "b": "1.9"}, needed, ()) == [
        "a asks for b[fast]>=2, the lock has 1.9",
        "b asks for e==1, the lock has none",
    ]
    assert lock.missing({"a": "1", "b": "2"}, needed, {"e"}) == []


def test_the_set_for_gpus_takes_no_local_build_of_torch() -> None:
    lines = (ROOT / "launch/locks/cuda.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("torch="))
    pinned = Requirement(line).specifier
    version = lock.pins("cuda")["torch"]
    assert pinned.contains(version)
    assert not pinned.contains(f"{version}+cpu")


def test_a_cpu_build_of_torch_is_refused_beside_cuda_packages() -> None:
    assert torch_build.refusal("cpu", "2.13.0+cpu", None) is None
    assert torch_build.refusal("cuda", "2.13.0+cu130", "13.0") is None
    assert "2.13.0+cpu is a build for the CPU" in torch_build.refusal("cuda", "2.13.0+cpu", None)
    command = [sys.executable, str(ROOT / "launch/torch_build.py"), "cuda"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * PATIENCE, check=False)
    assert f"torch {torch.__version__}" in done.stdout
    assert (done.returncode != 0) == (torch.version.cuda is None)
    setup = (ROOT / "launch" / "setup.sh").read_text()
    assert '.venv/bin/python launch/torch_build.py "$kind"' in setup
