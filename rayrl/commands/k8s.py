"""`rayrl k8s`: prints a KubeRay manifest that is sized from a config."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from rayrl.config import load_config, parse_overrides
from rayrl.k8s.manifest import RUNS, render
from rayrl.k8s.options import Options
from rayrl.k8s.plan import SettingsPlan, kind_of, of_other_machines
from rayrl.models import resolve_model


def run_k8s(options: Options, node: dict[str, Any], rest: Sequence[str], words: Sequence[str]) -> int:
    """Prints it.

    Args:
        options: Those of the manifest.
        node: Settings of `estimate` that other options have given.
        rest: Settings as they were typed.
        words: All that was typed behind `rayrl`.

    Raises:
        RayrlError: A setting or an option cannot be; the model is too large for the GPUs, or a part for a node.
    """
    kind = kind_of(options.config)
    given = {"run.dir": RUNS} | parse_overrides(list(rest), kind) | node
    config, fixed = of_other_machines(load_config(options.config, given, kind))
    with ExitStack() as drafts:
        plan = SettingsPlan(config, drafts)
        if options.model is not None:
            plan.model = resolve_model(options.model)
        print(render(options, plan, [*rest, *fixed], shlex.join(["rayrl", *words])), end="")
    return 0
