"""What this machine's processor can compute fast."""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Literal

_INFO = Path("/proc/cpuinfo")
_OPENMP = Path(sys.prefix) / "lib" / "libiomp5.so"


@cache
def compute_dtype() -> Literal["bfloat16", "float32"]:
    """bfloat16 unless this is an x86 processor without AVX-512, where its matmuls take 50 to 200 times as long as
    float32's (8.5 against 75 GFLOP/s were the best that we saw, 0.6 against 40 in small ones).
    """
    flags = next((line for line in _lines() if line.startswith("flags")), "")
    return "float32" if flags and "avx512bw" not in flags.split() else "bfloat16"


def openmp() -> dict[str, str]:
    """Environment of processes that compute: Intel's OpenMP, where it is installed, instead of torch's own (GNU's).

    In a learner GNU's lets a thread sleep between two of an update's many small operations, and waking it takes longer
    than most of them: 86,000 times in the attention of one update, where Intel's does it 260 times (docs/lab_notes.md).
    """
    if not _OPENMP.is_file():
        return {}
    preloaded = os.environ.get("LD_PRELOAD", "")
    if "libiomp" not in preloaded:
        preloaded = ":".join(filter(None, [preloaded, str(_OPENMP)]))
    return {
        "LD_PRELOAD": preloaded,
        "RAY_LD_PRELOAD_ON_WORKERS": "1",  # else Ray takes it from its workers
        "KMP_BLOCKTIME": os.environ.get("KMP_BLOCKTIME", "5"),  # ms until it sleeps
        "KMP_TPAUSE": os.environ.get("KMP_TPAUSE", "0"),
        # Else, in a process that was forked, it binds each thread to a core, and all wait for one whose core has other
        # work: sampling took twenty times as long.
        "OMP_PROC_BIND": os.environ.get("OMP_PROC_BIND", "false"),
    }


def _lines() -> list[str]:
    try:
        return _INFO.read_text().splitlines()
    except OSError:  # no Linux
        return []
