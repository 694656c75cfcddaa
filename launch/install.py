"""Install a complete lock into the environment that runs this: launch/install.py LOCK.

uv installs it in 14 s where pip takes 90. It reads none of pip's configuration, so what names indexes is handed to it
(pip's files and PIP_* variables alike). Where uv is not to be had, or does not get through, pip installs the lock.
"""

import ast
import os
import subprocess
import sys
import tempfile

UV = "uv==0.13.9"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
AS_UV_SAYS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
DEADLINE_S = 3600  # of uv, on a slow line: the CUDA set is several GB


def uv_options(configuration: str) -> list[str]:
    """What `pip config list` says about indexes, as options of uv."""
    said = _settings(configuration)
    options = [
        part for name, option in AS_UV_SAYS.items() for one in said.get(name, "").split() for part in (option, one)
    ]
    return [*options, *(["--no-index"] if said.get("no-index", "").lower() in ("1", "true", "yes", "on") else [])]


def uv_environment(configuration: str) -> dict[str, str]:
    """What `pip config list` says about certificates and proxies, as uv reads it."""
    said = _settings(configuration)
    names = {"cert": ("SSL_CERT_FILE",), "proxy": ("HTTP_PROXY", "HTTPS_PROXY")}
    return {variable: said[name] for name, variables in names.items() if name in said for variable in variables}


def _settings(configuration: str) -> dict[str, str]:
    """Those of `pip install`: its own section counts before the global one, PIP_* variables before both."""
    found = {}
    for section in ("global.", "install.", ":env:."):
        for line in configuration.splitlines():
            name, given, value = line.partition("=")
            if given and name.startswith(section):
                found[name.removeprefix(section)] = str(ast.literal_eval(value))
    return found


def by_uv(lock: str) -> bool:
    """False, and uv's last line is printed, where it did not install the lock."""
    with tempfile.TemporaryDirectory() as folder:  # .venv is to hold what the lock says
        if subprocess.run([*PIP, "install", "-qq", "--no-deps", "--target", folder, UV], check=False).returncode:
            return False
        configuration = subprocess.run([*PIP, "config", "list"], check=True, capture_output=True, text=True).stdout
        # All indexes count alike, as for pip; uv's own rule takes a package from the first that has its name.
        command = [f"{folder}/bin/uv", "pip", "install", "--no-deps", "--index-strategy", "unsafe-best-match"]
        command += ["--python", sys.executable, *uv_options(configuration), "-r", lock]
        environment = os.environ | uv_environment(configuration)
        try:
            done = subprocess.run(
                command, check=False, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
            )
        except subprocess.TimeoutExpired:
            print(f"setup: uv did not install {lock} in {DEADLINE_S} s, pip goes on")
            return False
    if done.returncode:
        why = done.stderr.strip() or "no reason given"
        print(f"setup: uv did not install {lock}, pip goes on: {why.splitlines()[-1].strip()}")
    return not done.returncode


if __name__ == "__main__":
    lock_file = sys.argv[1]
    if not by_uv(lock_file):
        subprocess.run([*PIP, "install", "-qq", "--no-deps", "--no-compile", "-r", lock_file], check=True)
