"""The command line. Imports nothing heavy before it knows what is asked for: `rayrl --help` is instant."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rayrl.errors import ConfigError, RayrlError

DEMO = Path("configs") / "demo" / "grpo.yaml"
DRY_RUN = "print settings, what trains and the placement; start nothing"


def parser() -> argparse.ArgumentParser:
    """All commands."""
    top = argparse.ArgumentParser(
        prog="rayrl", description="Train language models by reinforcement learning on Ray, and see what it did to them."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    overrides = "settings may follow as --section.field value (README: Settings)"

    demo = commands.add_parser(
        "demo", help="GRPO on the embedded model: rayrl grpo configs/demo/grpo.yaml", epilog=overrides
    )
    demo.add_argument("--dry-run", action="store_true", help=DRY_RUN)

    for name, what in (("grpo", "train by GRPO"), ("sft", "train on examples (supervised fine-tuning)")):
        training = commands.add_parser(name, help=what, epilog=overrides)
        training.add_argument(
            "config", type=Path, metavar="CONFIG", help=f"YAML file, such as configs/demo/{name}.yaml"
        )
        training.add_argument("--dry-run", action="store_true", help=DRY_RUN)

    study = commands.add_parser("study", help="arms of one study, with seeds, compared", epilog=overrides)
    study.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, such as configs/study/miniature.yaml")
    study.add_argument("--dry-run", action="store_true", help="print the arms with steps and cost; start nothing")

    sweep = commands.add_parser("sweep", help="search over freezes and other settings", epilog=overrides)
    sweep.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, such as configs/study/sweep.yaml")
    sweep.add_argument("--dry-run", action="store_true", help="check and print the trials; start nothing")

    synth = commands.add_parser(
        "synth", help="make questions with answers from documents, to train and test on", epilog=overrides
    )
    synth.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, such as configs/finance/synth.yaml")

    verify = commands.add_parser("verify", help="judge the answers of a file, as training would")
    verify.add_argument("verifier", choices=("maths", "finance"))
    verify.add_argument("--input", type=Path, required=True, metavar="ROWS", help="JSON lines: gold, response, …")
    verify.add_argument("--output", type=Path, required=True, metavar="VERDICTS", help="JSON lines, in the same order")
    verify.add_argument("--overwrite", action="store_true", help="replace an output that is there")
    verify.add_argument(
        "--bad-golds", choices=("error", "skip"), default="error", help="golds that cannot be read: end, or no score"
    )
    verify.add_argument("--strict", action="store_true", help="maths: only a marked answer counts")
    verify.add_argument("--tolerance", type=float, metavar="SHARE", help="finance: relative, such as 0.01")
    verify.add_argument("--judge-url", metavar="URL", help="finance: an OpenAI-compatible endpoint judges free text")
    verify.add_argument("--judge-model", metavar="NAME", help="the model there")
    verify.add_argument("--judge-rubric", type=Path, metavar="FILE", help="default: rayrl/verify/finance/rubric.md")
    verify.add_argument("--judge-cache", type=Path, metavar="DIR", help="keeps its verdicts")
    verify.add_argument("--processes", type=int, metavar="N", help="worker processes; default: one for each core")
    verify.add_argument(
        "--deadline-s", type=float, metavar="S", help="longest time for one answer; default: 5, with a judge 60"
    )
    verify.add_argument("--memory-limit-mb", type=int, default=2048, metavar="MB", help="of one worker process")

    report = commands.add_parser("report", help="write report.html of a run again")
    report.add_argument("run", type=Path, metavar="RUN", help="run directory, such as runs/demo")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0, the error's own, 130 after Ctrl-C)."""
    known, rest = parser().parse_known_args(arguments)
    try:
        if known.command == "report":
            if rest:
                raise ConfigError(f"rayrl report takes no settings: {' '.join(rest)}")
            return _report(known.run)
        if known.command == "verify":
            if rest:
                raise ConfigError(f"rayrl verify has no option {rest[0]!r}; rayrl verify --help lists them")
            return _verify(known)
        if known.command == "synth":
            return _synth(known.config, rest)
        if known.command == "study":
            return _study(known.config, rest, known.dry_run)
        if known.command == "sweep":
            return _sweep(known.config, rest, known.dry_run)
        path = demo_config() if known.command == "demo" else known.config
        return _train(path, rest, known.dry_run, supervised=known.command == "sft")
    except RayrlError as error:
        print(f"rayrl: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def demo_config() -> Path:
    """configs/demo/grpo.yaml of this checkout."""
    return Path(__file__).resolve().parent.parent / DEMO


def _train(path: Path, overrides: list[str], dry_run: bool, supervised: bool) -> int:
    from rayrl.config import GRPOConfig, SFTConfig, load_config, parse_overrides

    config = load_config(path, parse_overrides(overrides), SFTConfig if supervised else GRPOConfig)
    if dry_run:
        from rayrl.train.plan import print_plan

        return print_plan(config)
    from rayrl.train.driver import train

    return train(config)


def _study(path: Path, overrides: list[str], dry_run: bool) -> int:
    from rayrl.commands.study import run_study
    from rayrl.config import load_config, parse_overrides
    from rayrl.study.settings import StudyConfig

    return run_study(load_config(path, parse_overrides(overrides), StudyConfig), dry_run)


def _sweep(path: Path, overrides: list[str], dry_run: bool) -> int:
    from rayrl.commands.sweep import run_sweep
    from rayrl.config import load_config, parse_overrides
    from rayrl.study.settings import SweepConfig

    return run_sweep(load_config(path, parse_overrides(overrides), SweepConfig), dry_run)


def _synth(path: Path, overrides: list[str]) -> int:
    from rayrl.commands.synth import run_synth
    from rayrl.config import SynthConfig, load_config, parse_overrides

    return run_synth(load_config(path, parse_overrides(overrides), SynthConfig))


def _verify(known: argparse.Namespace) -> int:
    from rayrl.commands.verify import VerifyOptions, default_processes, run_verify
    from rayrl.config import VerifierSettings, validated

    settings = {
        "processes_per_actor": default_processes() if known.processes is None else known.processes,
        "deadline_s": (60.0 if known.judge_url else 5.0) if known.deadline_s is None else known.deadline_s,
        "memory_limit_mb": known.memory_limit_mb,
    }
    judge = {
        name.removeprefix("judge_"): str(value)
        for name, value in vars(known).items()
        if name.startswith("judge_") and value is not None
    }
    given = {"strict": known.strict or None, "tolerance": known.tolerance, "judge": judge or None}
    return run_verify(
        VerifyOptions(
            verifier=known.verifier,
            input=known.input,
            output=known.output,
            overwrite=known.overwrite,
            skip_bad_golds=known.bad_golds == "skip",
            settings=validated(VerifierSettings, "rayrl verify", settings),
            options={name: value for name, value in given.items() if value is not None},
        )
    )


def _report(run: Path) -> int:
    from rayrl.report.page import write_report

    if not (run / "metrics.jsonl").is_file():
        raise ConfigError(f"{str(run)!r} is no run directory: it has no metrics.jsonl")
    print(write_report(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
