"""What launch/submit.sh would upload: measured as Ray packs it, refused above Ray's limit."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
EXCLUDES = ["/.git", "/.venv", "/runs", "__pycache__"]
LIMIT = 100 * 1024**2


@pytest.fixture(scope="module")
def upload() -> Any:
    spec = importlib.util.spec_from_file_location("upload", ROOT / "launch" / "upload.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, size)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what Ray leaves out, of far more than its limit."""
    root = tmp_path / "my checkout's (v2) ü"
    sparse(root / "rayrl" / "code.py", 1000)
    for left_out in (
        ".git/pack",
        ".venv/lib.so",
        "runs/a/model.safetensors",
        "rayrl/__pycache__/code.pyc",
        "data/ignored",
    ):
        sparse(root / left_out, LIMIT)
    (root / ".gitignore").write_text("ignored\n")
    return root


def test_the_size_is_that_of_the_package_that_ray_makes(upload: Any, checkout: Path, tmp_path: Path) -> None:
    from ray._private.runtime_env import packaging

    for number in range(30):
        sparse(checkout / "data" / f"ü{number}" / "rows.jsonl", number * 7)
    files = upload.uploaded(checkout, EXCLUDES)
    packaging.create_package(str(checkout), tmp_path / "package.zip", include_gitignore=True, excludes=EXCLUDES)
    assert upload.package_bytes(files) == (tmp_path / "package.zip").stat().st_size
    assert len(files) == 32


def test_what_is_too_large_is_refused_with_what_is_largest(upload: Any, checkout: Path) -> None:
    for number in range(60):
        sparse(checkout / "data" / "pieces" / f"{number}.bin", 9 * 1024**2)
    sparse(checkout / "one.bin", 12 * 1024**2)
    text = upload.refusal(checkout, upload.uploaded(checkout, EXCLUDES))
    assert "is 552.0 MiB in 63 files; Ray takes at most 100.0 MiB" in text
    assert "12.0 MiB  one.bin" in text
    assert "540.0 MiB  data/pieces/ (60 files)" in text
    assert "data/ (" not in text, "the innermost folder with the same files is enough"
    assert "code.py" not in text, "too small to matter"
    assert ".gitignore" in text


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        ([LIMIT - 4000], True),
        ([LIMIT], False),
        ([1024**2] * 99, True),
        ([1024**2] * 101, False),
        ([0] * 10, True),
    ],
)
def test_the_limit_is_rays(
    upload: Any,
    checkout: Path,
    sizes: list[int],
    fits: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, size in enumerate(sizes):
        sparse(checkout / "data" / f"{number}.bin", size)
    monkeypatch.setattr(sys, "argv", ["upload.py", str(checkout), json.dumps(EXCLUDES)])
    assert upload.main() == (0 if fits else 2)
    assert capsys.readouterr().err.startswith("submit: ") != fits


def test_submit_says_it_before_it_looks_for_a_cluster(checkout: Path) -> None:
    for name in ("submit.sh", "upload.py"):
        (checkout / "launch").mkdir(exist_ok=True)
        shutil.copy(ROOT / "launch" / name, checkout / "launch" / name)
    shutil.rmtree(checkout / ".venv")
    (checkout / ".venv").symlink_to(Path(sys.prefix))
    (checkout / "c.yaml").touch()
    sparse(checkout / "data" / "rows.parquet", 2 * LIMIT)
    command = [str(checkout / "launch" / "submit.sh"), str(checkout / "c.yaml")]
    environment = os.environ | {"RAY_ADDRESS": "http://127.0.0.1:1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * PATIENCE, check=False, env=environment)
    assert done.returncode == 2, done.stderr
    assert "200.0 MiB  data/rows.parquet" in done.stderr
    assert done.stderr.endswith("submit: nothing was submitted\n")
    assert "no Ray cluster" not in done.stderr
