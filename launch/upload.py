"""What `ray job submit --working-dir ROOT` would upload, measured before it does: upload.py ROOT EXCLUDES-AS-JSON

Ray's dashboard takes a package of 100 MiB and answers a larger one with status 413, after it was zipped and sent.
https://github.com/ray-project/ray/blob/master/python/ray/_private/runtime_env/packaging.py

Exit: 0 it fits, 2 it does not (stderr says how large it is and what is largest), or cannot be read.
"""

import json
import logging
import os
import sys
from collections import Counter
from pathlib import Path

from ray._private import ray_constants
from ray._private.runtime_env import packaging

MIB = 1024**2
LIMIT: int = ray_constants.DASHBOARD_CLIENT_MAX_SIZE
SHOWN = 5
ENTRY, END = 76, 22
"""Bytes of the headers that Ray's zip, which does not compress, has for each file beside twice its name, and in all."""


def uploaded(root: Path, excludes: list[str]) -> dict[Path, int]:
    """Files, relative to `root`, that Ray would upload, with their bytes: by Ray's own walk and its ignore files."""
    files: dict[Path, int] = {}

    def add(path: Path) -> None:
        if path.is_file():
            files[path.relative_to(root)] = path.stat().st_size

    ignore = os.environ.get(ray_constants.RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.ERROR)
    packaging._dir_travel(root, [packaging._get_excludes(root, excludes)], add, ignore, quiet)
    return files


def package_bytes(files: dict[Path, int]) -> int:
    """Size of the zip that Ray makes of them."""
    return END + sum(size + ENTRY + 2 * len(os.fsencode(path)) for path, size in files.items())


def refusal(root: Path, files: dict[Path, int]) -> str:
    """What is too large, and what can be done."""
    largest = sorted(files.items(), key=lambda item: -item[1])[:SHOWN]
    named = [
        *((f"{path}", size) for path, size in largest),
        *((f"{path}/ ({count} files)", size) for path, size, count in _largest_folders(files)),
    ]
    shown = [f"  {_mib(size):>11}  {name}" for name, size in named if size >= LIMIT / 100]
    return (
        f"{root} is {_mib(package_bytes(files))} in {len(files)} files; Ray takes at most {_mib(LIMIT)}. The largest:\n"
        + "\n".join(shown)
        + "\nleave them out by .gitignore or .rayignore; put what the job reads into a folder that every machine sees, "
        "and name it by an absolute path"
    )


def _largest_folders(files: dict[Path, int]) -> list[tuple[Path, int, int]]:
    """Folder, bytes and number of files; of folders that hold the same files, the innermost."""
    sizes: Counter[Path] = Counter()
    counts: Counter[Path] = Counter()
    for path, size in files.items():
        for folder in path.parents[:-1]:
            sizes[folder] += size
            counts[folder] += 1
    found: dict[tuple[int, int], Path] = {}
    for folder in sorted(sizes, key=lambda folder: len(folder.parts)):
        found[sizes[folder], counts[folder]] = folder
    by_size = sorted(found.items(), key=lambda item: -item[0][0])
    return [(folder, size, count) for (size, count), folder in by_size[:SHOWN]]


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"


def main() -> int:
    root, excludes = Path(sys.argv[1]), json.loads(sys.argv[2])
    try:
        files = uploaded(root, excludes)
    except OSError as error:
        print(f"submit: {root} cannot be read whole, as its upload must be: {error}", file=sys.stderr)
        return 2
    if package_bytes(files) <= LIMIT:
        return 0
    print(f"submit: {refusal(root, files)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
