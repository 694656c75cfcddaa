"""The manifest as text: `manifest.yaml.j2` filled in."""

import json
import shlex
import textwrap
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rayrl.config import TrainingConfig
from rayrl.k8s.layout import Group, groups, nodes_of, require_nodes
from rayrl.k8s.options import Options
from rayrl.k8s.plan import SettingsPlan, require_gpu_memory
from rayrl.k8s.sizes import GIB, LOGS, Sum, claim_size, counted, head_size, pod_size
from rayrl.train.cluster import MOST
from rayrl.units import GB

ROOT = Path(__file__).resolve().parents[2]
IMAGE_ROOT = "/opt/rayrl"  # the checkout inside the image (k8s/Dockerfile)
RUNS = "/runs"  # where every pod mounts the claim
BREAK = "\0"  # no argument holds it


def render(options: Options, plan: SettingsPlan, settings: list[str], command_line: str) -> str:
    """The manifest.

    Args:
        options: The cluster's side.
        plan: Of the run; its settings have `run.dir` below `RUNS`.
        settings: Words of the command line that the run is to have behind its config.
        command_line: What printed this; becomes the first line.

    Raises:
        ConfigError, ModelError, ResourceError: The run does not fit what the cluster gives.
    """
    config = plan.config
    workers = groups(config, options.autoscale)
    gpus = any(group.gpus for group in workers)
    if options.nodes is not None:
        require_nodes(workers, config.estimate.gpus_per_node, options.nodes)
    require_gpu_memory(plan)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cores": _cores, "gb": _gb, "one_line": _one_line, "sizes": _sizes}
    sizes = [(group, _about(group), pod_size(plan, group)) for group in workers]
    return environment.get_template("manifest.yaml.j2").render(
        options.names(config, gpus),
        command_line=command_line,
        kind=options.kind,
        autoscale=options.autoscale,
        ray=version("ray"),
        entrypoint=_entrypoint(options.config, config, settings),
        again=0 if config.run.overwrite else 2,
        cuda=gpus,
        nodes=counted(nodes_of(workers, config.estimate.gpus_per_node), "node"),
        head=head_size(plan),
        groups=sizes,
        most_name=MOST,
        most={
            "CPU": sum(group.pods * size.cpus.rounded for group, _, size in sizes),
            "GPU": sum(group.pods * group.gpus for group in workers),
        },
        plan=plan,
        claimed=claim_size(plan),
        logs_gib=LOGS // GIB,
    )


def in_image(path: Path) -> str:
    """Where a pod finds a config: in the image's checkout, else on the claim, to which it must be copied."""
    path = path.resolve()
    return f"{IMAGE_ROOT}/{path.relative_to(ROOT)}" if path.is_relative_to(ROOT) else f"{RUNS}/{path.name}"


def _entrypoint(path: Path, config: TrainingConfig, settings: list[str]) -> str:
    """The job's command as a YAML value. A run that is not to be overwritten goes on where one of its name is."""
    words = ["--run.dir", str(config.run.dir), *settings]
    lines = [f"python -m rayrl.cli {config.command} {shlex.quote(in_image(path))}"]
    for word in words:
        if word.startswith("--"):
            lines.append(word)
        else:
            lines[-1] += f" {shlex.quote(word)}"
    if not config.run.overwrite:
        found = shlex.quote(str(config.run.dir / config.run.name / "config.yaml"))
        lines = [f"resume=false; if [ -e {found} ]; then resume=true; fi;", f"exec {lines[0]}", *lines[1:]]
        lines.append("--run.resume $resume")
        lines = f"sh -c {shlex.quote(BREAK.join(lines))}".split(BREAK)
    if not all(line.isprintable() for line in lines):
        return json.dumps(" ".join(lines))
    return ">-\n" + textwrap.indent("\n".join(lines), "    ")


def _about(group: Group) -> str:
    """What the group is, in words."""
    ranks, generators = (max(counts) for counts in zip(*group.mixes, strict=True))
    parts = ((ranks, "learner rank"), (generators, "generator"))
    holds = " and ".join(counted(count, part) for count, part in parts if count)
    gpus = f" with {counted(group.gpus, 'GPU')}{'' if group.pods == 1 else ' each'}" if group.gpus else ""
    return f"{counted(group.pods, 'pod')}{gpus}, for {'at most ' * (len(group.mixes) > 1)}{holds}"


def _one_line(text: str) -> str:
    """For comments, which end with their line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cores(amounts: Sum) -> list[str]:
    """The parts of a number of cores, for comments."""
    return [f"{amount:g}  {what}" for what, amount in amounts.lines.items()]


def _sizes(amounts: Sum) -> list[str]:
    """The parts of a number of bytes, for comments."""
    return [f"{_gb(amount)}  {what}" for what, amount in amounts.lines.items()]


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB"
