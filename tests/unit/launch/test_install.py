"""What pip is configured with reaches uv (launch/install.py)."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[3] / "launch" / "install.py"


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_indexes_certificates_and_proxies_of_pip_are_handed_on(install: ModuleType) -> None:
    configuration = """:env:.index-url='https://three'
global.cert='/certificates.crt'
global.extra-index-url='file:///one/simple file:///two/simple'
global.index-url='https://one'
global.proxy='http://proxy:3128'
global.trusted-host='mirror'
install.index-url='https://two'
wheel.find-links='/elsewhere'
"""
    assert install.uv_options(configuration) == [
        *("--default-index", "https://three"),
        *("--index", "file:///one/simple", "--index", "file:///two/simple"),
        *("--allow-insecure-host", "mirror"),
    ]
    assert install.uv_environment(configuration) == {
        "SSL_CERT_FILE": "/certificates.crt",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    assert install.uv_options("install.no-index='true'\nglobal.find-links='/wheels'\n") == [
        *("--find-links", "/wheels", "--no-index")
    ]
    assert (install.uv_options(""), install.uv_environment("")) == ([], {})


def test_where_uv_is_not_to_be_had_pip_installs_the_lock(tmp_path: Path) -> None:
    """A folder of wheels without uv in it, and no index."""
    wheels, environment = tmp_path / "wheels", tmp_path / "environment"
    package = tmp_path / "source"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "rayrl-test-package"\nversion = "1.0"\n'
    )
    (package / "rayrl_test_package.py").write_text("")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", wheels, package], check=True, timeout=120)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    (tmp_path / "lock.txt").write_text("rayrl-test-package==1.0\n")
    python = environment / "bin" / "python"
    subprocess.run(
        [python, PATH, tmp_path / "lock.txt"],
        env={
            "PATH": "/usr/bin:/bin",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
        },
        check=True,
        timeout=120,
    )
    found = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True, timeout=120)
    assert "rayrl-test-package 1.0" in found.stdout
