"""The command line. Imports nothing heavy before it knows what is asked for: `rayrl --help` is instant."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rayrl.errors import ConfigError, RayrlError

DEMO = Path("configs") / "demo" / "grpo.yaml"


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
    demo.add_argument(
        "--dry-run", action="store_true", help="print settings, what trains and the placement; start nothing"
    )

    grpo = commands.add_parser("grpo", help="train by GRPO", epilog=overrides)
    grpo.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, such as configs/demo/grpo.yaml")
    grpo.add_argument(
        "--dry-run", action="store_true", help="print settings, what trains and the placement; start nothing"
    )

    sft = commands.add_parser("sft", help="train on examples (supervised fine-tuning)", epilog=overrides)
    sft.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, such as configs/demo/sft.yaml")
    sft.add_argument(
        "--dry-run", action="store_true", help="print settings, what trains and the placement; start nothing"
    )

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


def _report(run: Path) -> int:
    from rayrl.report.page import write_report

    if not (run / "metrics.jsonl").is_file():
        raise ConfigError(f"{str(run)!r} is no run directory: it has no metrics.jsonl")
    print(write_report(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
