"""Waits until a Ray cluster has as many machines as it should: wait_for_nodes.py ADDRESS NODES SECONDS PID

PID is that of `ray start`: when it ends, so does the waiting. Exit: 0 they are there, else not.
"""

import os
import sys
import time

import ray


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> int:
    address, nodes, seconds, pid = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    deadline = time.monotonic() + seconds
    there = 0
    while time.monotonic() < deadline:
        if not alive(pid):
            print(f"node: ray start ended before the cluster at {address} was up", file=sys.stderr)
            return 1
        try:
            if not ray.is_initialized():
                ray.init(address, logging_level="ERROR", log_to_driver=False)
            there = sum(node["Alive"] for node in ray.nodes())
        except (ConnectionError, RuntimeError):
            pass  # it has not come up yet
        if there >= nodes:
            return 0
        time.sleep(1)
    print(f"node: {there} of {nodes} machines joined {address} within {seconds:g} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
