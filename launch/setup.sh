#!/usr/bin/env bash
# Makes .venv and installs the pinned set and rayrl itself. A second call does nothing and takes a second.
#   PYTHON=python3.12 launch/setup.sh    another interpreter (3.11 or newer)
#   KIND=cuda launch/setup.sh            the set for GPUs, on a machine without one (or cpu, on one with)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-$(command -v python3.11 || command -v python3)}
kind=${KIND:-$(nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)}
lock=launch/locks/$kind.txt
stamp=.venv/.rayrl-setup
wanted="$kind $(cat "$lock" pyproject.toml launch/setup.sh launch/install.py launch/torch_build.py | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then exit 0; fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"rayrl needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Name another with PYTHON=...")'
echo "setup: installing $(grep -c == "$lock") pinned packages ($kind) into .venv"
started=$SECONDS
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check -qq "$@"; }
# --no-deps: the lock is complete, and leaves out on purpose what breaks the set-up (launch/lock.py).
.venv/bin/python launch/install.py "$lock"
# Where no CPU build of torch is to be had, it is the CUDA build: this adds the libraries that it links.
pip install --no-compile -c "$lock" "$(grep '^torch==' "$lock")"
.venv/bin/python launch/torch_build.py "$kind"
pip install --no-deps --no-build-isolation --editable .
.venv/bin/python launch/bytecode.py
echo "$wanted" >"$stamp"
echo "setup: done in $((SECONDS - started)) s"
