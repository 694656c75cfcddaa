"""What each command of the command line starts. Imports what it needs when it is called, so that help is instant.

Every function takes the parsed arguments and the settings that follow them, and returns the exit code.
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rayrl.errors import ConfigError
from rayrl.imports import uncollected
from rayrl.template.client import template

if TYPE_CHECKING:
    from rayrl.config import Settings, TrainingConfig

C = TypeVar("C", bound="Settings")
DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo" / "grpo.yaml"


def _load(path: Path, rest: list[str], settings: "type[C]") -> C:
    from rayrl.config import load_config, parse_overrides

    return load_config(path, parse_overrides(rest, settings), settings)


def grpo(known: Namespace, rest: list[str]) -> int:
    from rayrl.config import GRPOConfig

    return _train(known, rest, GRPOConfig)


def sft(known: Namespace, rest: list[str]) -> int:
    from rayrl.config import SFTConfig

    return _train(known, rest, SFTConfig)


def _train(known: Namespace, rest: list[str], settings: "type[TrainingConfig]") -> int:
    from rayrl.config import on_gpus
    from rayrl.gpus import gpus_here

    config = on_gpus(_load(known.config, rest, settings), gpus_here())
    if known.dry_run:
        with uncollected():
            from rayrl.train.dry_run import print_plan

        return print_plan(config)
    with template():
        with uncollected():
            from rayrl.train.driver import train

        return train(config)


def evaluate(known: Namespace, rest: list[str]) -> int:
    with template(not known.dry_run):
        with uncollected():
            from rayrl.commands.eval import print_request, run_eval
            from rayrl.evaluate.chosen import choose
            from rayrl.evaluate.request import read_request

        config, models = read_request(known.models, rest)
        chosen = choose(config, known.only, known.without)
        return print_request(chosen, models) if known.dry_run else run_eval(chosen, models)


def study(known: Namespace, rest: list[str]) -> int:
    with template(not known.dry_run):
        with uncollected():
            from rayrl.commands.study import run_study
            from rayrl.study.settings import StudyConfig

        return run_study(_load(known.config, rest, StudyConfig), known.dry_run)


def sweep(known: Namespace, rest: list[str]) -> int:
    with template(not known.dry_run):
        with uncollected():
            from rayrl.commands.sweep import run_sweep
            from rayrl.study.settings import SweepConfig

        return run_sweep(_load(known.config, rest, SweepConfig), known.dry_run)


def synth(known: Namespace, rest: list[str]) -> int:
    from rayrl.commands.synth import print_inputs, run_synth
    from rayrl.config import on_gpus
    from rayrl.gpus import gpus_here
    from rayrl.synth.settings import SynthConfig

    config = _load(known.config, rest, SynthConfig)
    if config.questions.writer == "generators":
        config = on_gpus(config, gpus_here())
    if known.dry_run:
        return print_inputs(config)
    with template(config.questions.writer == "generators"):
        return run_synth(config)


def verify(known: Namespace, rest: list[str]) -> int:
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


def drift(known: Namespace, rest: list[str]) -> int:
    from rayrl.commands.device import parse_device
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
            device=parse_device(known.device),
        )
    )


def divergence(known: Namespace, rest: list[str]) -> int:
    from rayrl.commands.device import parse_device
    from rayrl.commands.divergence import DivergenceOptions, run_divergence
    from rayrl.config import TextSettings, parse_overrides, with_overrides

    data = {"data": {"source": known.texts}}
    settings = with_overrides(TextSettings, "rayrl divergence", data, parse_overrides(rest, TextSettings))
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
            device=parse_device(known.device),
            microbatch_tokens=known.microbatch_tokens,
        )
    )


def k8s(known: Namespace, rest: list[str]) -> int:
    from rayrl.commands.k8s import run_k8s
    from rayrl.k8s.options import Options

    node = {"estimate.gpus_per_node": known.gpus_per_node, "estimate.hbm_gb": known.gpu_memory}
    options = Options(
        config=known.config,
        kind=known.kind,
        name=known.name,
        namespace=known.namespace,
        image=known.image,
        claim=known.claim,
        secret=known.secret,
        nodes=known.nodes,
        model=known.model,
        autoscale=known.autoscale_generators,
    )
    given = {name: value for name, value in node.items() if value is not None}
    return run_k8s(options, given, rest, known.words)


def top(known: Namespace, rest: list[str]) -> int:
    from rayrl.commands.top import run_top

    return run_top(known.folder, known.every)


def report(known: Namespace, rest: list[str]) -> int:
    from rayrl.folders import require_writable

    folder: Path = known.folder
    is_study = (folder / "trials.json").is_file()
    if not is_study and not (folder / "metrics.jsonl").is_file():
        raise ConfigError(f"{str(folder)!r} is no run or study directory: it has no metrics.jsonl and no trials.json")
    require_writable(folder, "RUN")
    if is_study:
        from rayrl.report.study_page import write_study_report

        print(write_study_report(folder))
    else:
        from rayrl.report.run_page import write_report

        print(write_report(folder, figures=True))
    return 0
