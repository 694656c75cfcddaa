"""The command line. Imports nothing heavy before it knows what is asked for: `rayrl --help` is instant."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rayrl.errors import ConfigError, RayrlError, ResourceError

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
    synth.add_argument("--dry-run", action="store_true", help="print settings and the files found; write nothing")

    verify = commands.add_parser("verify", help="judge the answers of a file, as training would")
    verify.add_argument("verifier", choices=("maths", "finance"))
    verify.add_argument("--input", type=Path, required=True, metavar="ROWS", help="JSON lines: gold, response, …")
    verify.add_argument("--output", type=Path, required=True, metavar="VERDICTS", help="JSON lines, in the same order")
    verify.add_argument("--overwrite", action="store_true", help="replace an output that is there")
    verify.add_argument(
        "--bad-golds", choices=("error", "skip"), default="error", help="golds that cannot be read: end, or no score"
    )
    verify.add_argument(
        "--label-column", metavar="NAME", help="column of true or false: agreement with these labels is printed"
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

    drift = commands.add_parser("drift", help="how far each matrix of a checkpoint has moved from its base")
    _compared(drift)
    drift.add_argument("--no-spectral", action="store_true", help="nothing that needs singular values: much faster")
    drift.add_argument(
        "--directions", type=int, default=16, metavar="K", help="the base's top K that a change is aligned with (16)"
    )

    divergence = commands.add_parser(
        "divergence",
        help="KL divergence of a checkpoint from its base, on texts with reference answers",
        epilog="settings of the texts may follow, such as --data.answer_column solution",
    )
    _compared(divergence)
    divergence.add_argument("--texts", required=True, metavar="ROWS", help="as train_data.source: a .jsonl file, …")
    divergence.add_argument("--tokens", type=Path, metavar="FILE", help="JSON lines with the figures of each token")
    divergence.add_argument(
        "--microbatch-tokens", type=int, default=4096, metavar="N", help="tokens of one forward (4096)"
    )

    report = commands.add_parser("report", help="write report.html and figures/ of a run or a study again")
    report.add_argument("folder", type=Path, metavar="RUN|STUDY", help="its directory, such as runs/demo")
    return top


def _compared(command: argparse.ArgumentParser) -> None:
    """What drift and divergence take alike."""
    command.add_argument("base", metavar="BASE", help="model folder, hub name or embedded:smollm2-135m")
    command.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="model folder, PEFT folder, run directory or runs/NAME/checkpoints/step_N",
    )
    command.add_argument("--output", type=Path, metavar="ROWS", help="JSON lines")
    command.add_argument("--overwrite", action="store_true", help="replace an output that is there")
    command.add_argument("--device", default="cpu", help="cpu (default) or cuda")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0, the error's own, 130 after Ctrl-C)."""
    known, rest = parser().parse_known_args(arguments)
    try:
        if known.command == "report":
            if rest:
                raise ConfigError(f"rayrl report takes no settings: {' '.join(rest)}")
            return _report(known.folder)
        if known.command == "verify":
            if rest:
                raise ConfigError(f"rayrl verify has no option {rest[0]!r}; rayrl verify --help lists them")
            return _verify(known)
        if known.command == "drift":
            if rest:
                raise ConfigError(f"rayrl drift has no option {rest[0]!r}; rayrl drift --help lists them")
            return _drift(known)
        if known.command == "divergence":
            return _divergence(known, rest)
        if known.command == "synth":
            return _synth(known.config, rest, known.dry_run)
        if known.command == "study":
            return _study(known.config, rest, known.dry_run)
        if known.command == "sweep":
            return _sweep(known.config, rest, known.dry_run)
        path = demo_config() if known.command == "demo" else known.config
        return _train(path, rest, known.dry_run, supervised=known.command == "sft")
    except RayrlError as error:
        print(f"rayrl: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # what no check foresaw: a disk that fills, a file that is taken away
        if os.environ.get("RAYRL_VERBOSE") == "1":
            raise
        print(f"rayrl: {error or type(error).__name__} (RAYRL_VERBOSE=1 shows where)", file=sys.stderr)
        return ResourceError.exit_code
    except KeyboardInterrupt:
        return 130


def demo_config() -> Path:
    """configs/demo/grpo.yaml of this checkout."""
    return Path(__file__).resolve().parent.parent / DEMO


def _train(path: Path, overrides: list[str], dry_run: bool, supervised: bool) -> int:
    from rayrl.config import GRPOConfig, SFTConfig, load_config, parse_overrides

    settings = SFTConfig if supervised else GRPOConfig
    config = load_config(path, parse_overrides(overrides, settings), settings)
    if dry_run:
        from rayrl.train.plan import print_plan

        return print_plan(config)
    from rayrl.train.driver import train

    return train(config)


def _study(path: Path, overrides: list[str], dry_run: bool) -> int:
    from rayrl.commands.study import run_study
    from rayrl.config import load_config, parse_overrides
    from rayrl.study.settings import StudyConfig

    return run_study(load_config(path, parse_overrides(overrides, StudyConfig), StudyConfig), dry_run)


def _sweep(path: Path, overrides: list[str], dry_run: bool) -> int:
    from rayrl.commands.sweep import run_sweep
    from rayrl.config import load_config, parse_overrides
    from rayrl.study.settings import SweepConfig

    return run_sweep(load_config(path, parse_overrides(overrides, SweepConfig), SweepConfig), dry_run)


def _synth(path: Path, overrides: list[str], dry_run: bool) -> int:
    from rayrl.commands.synth import print_plan, run_synth
    from rayrl.config import load_config, parse_overrides
    from rayrl.synth.settings import SynthConfig

    config = load_config(path, parse_overrides(overrides, SynthConfig), SynthConfig)
    return print_plan(config) if dry_run else run_synth(config)


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
            label_column=known.label_column,
        )
    )


def _drift(known: argparse.Namespace) -> int:
    from rayrl.commands.device import device
    from rayrl.commands.drift import DriftOptions, run_drift

    if known.directions < 1:
        raise ConfigError(f"--directions {known.directions}: give a number above 0, or --no-spectral")
    return run_drift(
        DriftOptions(
            base=known.base,
            checkpoints=known.checkpoints,
            output=known.output,
            overwrite=known.overwrite,
            directions=0 if known.no_spectral else known.directions,
            device=device(known.device),
        )
    )


def _divergence(known: argparse.Namespace, overrides: list[str]) -> int:
    from rayrl.commands.device import device
    from rayrl.commands.divergence import DivergenceOptions, run_divergence
    from rayrl.config import TextSettings, parse_overrides, with_overrides

    settings = with_overrides(
        TextSettings, "rayrl divergence", {"data": {"source": known.texts}}, parse_overrides(overrides, TextSettings)
    )
    if known.microbatch_tokens < 1:
        raise ConfigError(f"--microbatch-tokens {known.microbatch_tokens}: give a number above 0")
    return run_divergence(
        DivergenceOptions(
            base=known.base,
            checkpoints=known.checkpoints,
            texts=settings,
            output=known.output,
            tokens=known.tokens,
            overwrite=known.overwrite,
            device=device(known.device),
            microbatch_tokens=known.microbatch_tokens,
        )
    )


def _report(folder: Path) -> int:
    from rayrl.folders import require_writable

    if (folder / "trials.json").is_file():
        require_writable(folder, "RUN")
        from rayrl.report.study_page import write_study_report

        print(write_study_report(folder))
        return 0
    if not (folder / "metrics.jsonl").is_file():
        raise ConfigError(f"{str(folder)!r} is no run or study directory: it has no metrics.jsonl and no trials.json")
    require_writable(folder, "RUN")
    from rayrl.report.run_page import write_report

    print(write_report(folder, figures=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
