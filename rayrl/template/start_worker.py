"""What a raylet runs in place of Ray's setup_worker.py: a worker that is forked from the template.

Where it cannot be (the worker's environment asks for a program before it, or the template has ended), Ray's own runs.
"""

import json
import os
import sys

OPTIONS = ("--serialized-runtime-env-context=", "--language=")


def forked(arguments: list[str]) -> bool:
    """Whether the worker was started."""
    given = {option: word.removeprefix(option) for word in arguments for option in OPTIONS if word.startswith(option)}
    context = json.loads(given.get(OPTIONS[0]) or "{}")
    if context.get("command_prefix") or context.get("override_worker_entrypoint") or given[OPTIONS[1]] != "PYTHON":
        return False
    if context.get("py_executable", sys.executable) != sys.executable:
        return False
    from rayrl.template.client import fork

    os.environ.update(context.get("env_vars") or {})
    try:
        fork([word for word in arguments if not word.startswith(OPTIONS)], (), 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if not forked(sys.argv[1:]):
        import ray

        setup = os.path.join(os.path.dirname(ray.__file__), "_private", "workers", "setup_worker.py")
        os.execv(sys.executable, [sys.executable, setup, *sys.argv[1:]])
