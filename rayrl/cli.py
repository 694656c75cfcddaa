"""The command line. Imports nothing heavy before it knows what is asked for: `rayrl --help` is instant."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rayrl.commands import start
from rayrl.errors import INTERRUPTED, ConfigError, RayrlError, ResourceError

VERIFIERS = ("maths", "finance", "choice")  # those of rayrl.verify.registry, which takes long to import
OVERRIDES = "settings may follow as --section.field value (docs/settings.md lists them)"
DRY_RUN = "print settings, what trains and the placement; start nothing"

Run = Callable[[argparse.Namespace, list[str]], int]


def parser() -> argparse.ArgumentParser:
    """All commands. Each has `run`, which starts it, and `overrides`: whether settings may follow."""
    top = argparse.ArgumentParser(
        prog="rayrl", description="Train language models by reinforcement learning on Ray, and see what it did to them."
    )
    top.add_argument("--version", action=_Version, help="print the version")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Run, help: str, epilog: str | None = None) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(name, help=help, epilog=epilog)
        command.set_defaults(run=run, overrides=epilog is not None)
        return command

    def add_config(name: str, run: Run, example: str, dry_run: str, help: str) -> None:
        command = add(name, run, help, OVERRIDES)
        command.add_argument("config", type=Path, metavar="CONFIG", help=f"YAML file, such as configs/{example}.yaml")
        command.add_argument("--dry-run", action="store_true", help=dry_run)

    demo = add("demo", start.grpo, "GRPO on the bundled model: rayrl grpo configs/demo/grpo.yaml", OVERRIDES)
    demo.set_defaults(config=start.DEMO)
    demo.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    add_config("grpo", start.grpo, "demo/grpo", DRY_RUN, "train by GRPO")
    add_config("sft", start.sft, "demo/sft", DRY_RUN, "train on examples (supervised fine-tuning)")
    _eval_options(add("eval", start.evaluate, "evaluate models on benchmarks, without training", OVERRIDES))
    add_config(
        "study",
        start.study,
        "study/miniature",
        "print the arms with steps and cost; start nothing",
        "arms of one study, with seeds, compared",
    )
    add_config(
        "sweep",
        start.sweep,
        "study/sweep",
        "check and print the trials; start nothing",
        "search over freezes and other settings",
    )
    add_config(
        "synth",
        start.synth,
        "finance/synth",
        "print settings and the files found; write nothing",
        "make questions with answers from documents, to train and test on",
    )
    _k8s_options(add("k8s", start.k8s, "print a KubeRay manifest that is sized from a config", OVERRIDES))
    _verify_options(add("verify", start.verify, "judge the answers of a file, as training would"))
    _drift_options(add("drift", start.drift, "how far each matrix of a checkpoint has moved from its base"))
    _divergence_options(
        add(
            "divergence",
            start.divergence,
            "KL divergence of a checkpoint from its base, on texts with reference answers",
            "settings of the texts may follow, such as --data.answer_column solution",
        )
    )
    watched = add("top", start.top, "what a run is doing: phases, waiting, rewards, groups, events")
    watched.add_argument("folder", type=Path, metavar="RUN", help="its directory, such as runs/demo")
    watched.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between looks (2)")
    report = add("report", start.report, "write report.html and figures/ of a run or a study again")
    report.add_argument("folder", type=Path, metavar="RUN|STUDY", help="its directory, such as runs/demo")
    return top


class _Version(argparse.Action):
    """Prints the version of the package that is installed."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"rayrl {version('rayrl')}")
        parser.exit()


def _eval_options(command: argparse.ArgumentParser) -> None:
    named = (
        "YAML file, such as configs/eval/finance.yaml, and the models for it: model folder, hub name, PEFT folder, run "
        "directory, or samples that lm-evaluation-harness logged. Without a config the first run's settings hold; "
        "without a model the config's own is evaluated"
    )
    command.add_argument("models", nargs="+", metavar="CONFIG|CHECKPOINT", help=named)
    names: dict[str, Any] = {"type": _names, "action": "extend", "default": [], "metavar": "NAME[,NAME]"}
    command.add_argument("--only", "--tasks", **names, help="these benchmarks of the config; * stands for any text")
    command.add_argument("--without", **names, help="all benchmarks but these")
    dry_run = "print settings and what would be sampled; start nothing"
    command.add_argument("--dry-run", action="store_true", help=dry_run)


def _names(text: str) -> list[str]:
    return text.split(",")


def _k8s_options(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    option("config", type=Path, metavar="CONFIG", help="YAML file of rayrl grpo or rayrl sft")
    option(
        "--kind", choices=("RayJob", "RayCluster"), default="RayJob", help="a run (default), or a cluster that stays"
    )
    option("--name", help="of the object; default: rayrl- and the run's name")
    option("--namespace", help="default: that of kubectl")
    option("--image", help="default: rayrl:VERSION-cuda, or -cpu; k8s/Dockerfile makes both")
    option("--claim", default="rayrl-runs", help="persistent volume claim, mounted as /runs (rayrl-runs)")
    secret = "with HF_TOKEN and WANDB_API_KEY, if it is there (rayrl-tokens)"
    option("--secret", default="rayrl-tokens", help=secret)
    option("--nodes", type=int, metavar="N", help="GPU nodes that there are: more are refused")
    option("--gpus-per-node", type=int, metavar="N", help="default: estimate.gpus_per_node (8)")
    option("--gpu-memory", type=float, metavar="GB", help="of one GPU; default: estimate.hbm_gb (80)")
    autoscale = "a pod for each generator, which goes while it is idle and comes when it is asked for"
    option("--autoscale-generators", action="store_true", help=autoscale)
    model = "where config.json of the model is found here, if model.path is a folder of the cluster"
    option("--model", metavar="FOLDER", help=model)


def _verify_options(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    option("verifier", choices=VERIFIERS)
    option("--input", type=Path, required=True, metavar="ROWS", help="JSON lines: gold, response, …")
    option("--output", type=Path, required=True, metavar="VERDICTS", help="JSON lines, in the same order")
    option("--overwrite", action="store_true", help="replace an output that is there")
    bad_golds = "golds that cannot be read: end, or no score"
    option("--bad-golds", choices=("error", "skip"), default="error", help=bad_golds)
    labels = "column of true or false: agreement with these labels is printed"
    option("--label-column", metavar="NAME", help=labels)
    option("--strict", action="store_true", help="maths, choice: only a marked answer counts")
    option("--tolerance", type=float, metavar="SHARE", help="finance: relative, such as 0.01")
    option("--judge-url", metavar="URL", help="finance: an OpenAI-compatible endpoint judges free text")
    option("--judge-model", metavar="NAME", help="the model there")
    option("--judge-rubric", type=Path, metavar="FILE", help="default: rayrl/verify/finance/rubric.md")
    option("--judge-cache", type=Path, metavar="DIR", help="keeps its verdicts")
    option("--processes", type=int, metavar="N", help="worker processes; default: one for each core")
    deadline = "longest time for one answer; default: 5, with a judge 60"
    option("--deadline-s", type=float, metavar="S", help=deadline)
    option("--memory-limit-mb", type=int, default=2048, metavar="MB", help="of one worker process")


def _comparison_options(option: Callable[..., Any]) -> None:
    """What drift and divergence both take."""
    option("base", metavar="BASE", help="model folder, hub name or embedded:smollm2-135m")
    checkpoints = "model folder, PEFT folder, run directory or runs/NAME/checkpoints/step_N"
    option("checkpoints", nargs="+", metavar="CHECKPOINT", help=checkpoints)
    option("--output", type=Path, metavar="ROWS", help="JSON lines")
    option("--overwrite", action="store_true", help="replace an output that is there")
    option("--device", default="cpu", help="cpu (default) or cuda")


def _drift_options(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    _comparison_options(option)
    option("--no-spectral", action="store_true", help="nothing that needs singular values: much faster")
    directions = "the base's top K that a change is aligned with (16)"
    option("--directions", type=int, default=16, metavar="K", help=directions)


def _divergence_options(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    _comparison_options(option)
    option("--texts", required=True, metavar="ROWS", help="as train_data.source: a .jsonl file, …")
    option("--tokens", type=Path, metavar="FILE", help="JSON lines with the figures of each token")
    option("--microbatch-tokens", type=int, default=4096, metavar="N", help="tokens of one forward (4096)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0, the error's own, 130 after Ctrl-C)."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    known, rest = parser().parse_known_args(words, argparse.Namespace(words=words))
    try:
        if rest and not known.overrides:
            raise ConfigError(
                f"rayrl {known.command} has no option {rest[0]!r}; rayrl {known.command} --help lists them"
            )
        code: int = known.run(known, rest)
        return code
    except RayrlError as error:
        print(f"rayrl: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # what no check foresaw: a disk that fills, a file that is taken away
        if os.environ.get("RAYRL_VERBOSE") == "1":
            raise
        print(f"rayrl: {error or type(error).__name__} (RAYRL_VERBOSE=1 shows where)", file=sys.stderr)
        return ResourceError.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def script() -> NoReturn:
    """The `rayrl` command: `main`, then the end of the process.

    At once, without Python's own end: that takes 1.8 s of collecting what torch and transformers made, and waits for
    any library's threads for ever. Whatever must be closed was closed by then, by the `with` it stood in.
    """
    # Or a thread that calls a Ray that has ended starts another.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    script()
