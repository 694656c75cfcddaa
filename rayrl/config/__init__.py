"""Every setting of a run: pydantic models of a YAML file with dotted overrides. Unknown keys are errors.

What a setting does is said under its field, in the file of its section:

    run, checkpoint                                 run.py
    model, adapter, freeze                          model.py
    train_data, eval_data, prompt, target           data.py
    rewards, verifier                               rewards.py
    generator, sampling                             generator.py
    objective                                       objective.py
    learner                                         learner.py
    evaluation, benchmarks                          evaluation.py
    estimate                                        estimate.py
    GPUs that are left open                         gpus.py
    divergence                                      data.py (TextSettings)
    steps and other keys without a section          training.py, grpo.py, sft.py
    what `rayrl eval` has in common with runs       eval.py
    all of `rayrl synth`                            ../synth/settings.py

A value is checked where it stands: bounds with the field, several fields together in a validator of their class. What
needs the model, the rows or the disk is checked in rayrl/train/preflight.py. Four words speak of batch sizes and
nothing else does: `prompts_per_step` (P), `group_size` (G), `updates_per_step` and `microbatch_tokens`.
"""

# mypy: implicit-reexport
# ruff: noqa: F401

from rayrl.config.config_file import dump_config, load_config, read_config, with_overrides
from rayrl.config.data import DatasetSettings, PromptSettings, TargetSettings, TextSettings
from rayrl.config.estimate import EstimateSettings
from rayrl.config.eval import EvalConfig, EvaluationConfig
from rayrl.config.evaluation import HELD_OUT, BenchmarkSettings, EvalSettings, EvaluationSet, HarnessSettings
from rayrl.config.generator import PROCESSED, GeneratorSettings, SamplingSettings
from rayrl.config.gpus import on_gpus
from rayrl.config.grpo import GRPOConfig
from rayrl.config.learner import LearnerSettings
from rayrl.config.model import FreezeRule, FreezeSettings, LoRASettings, ModelSettings
from rayrl.config.objective import Band, ObjectiveSettings
from rayrl.config.overrides import SettingsOf, parse_overrides
from rayrl.config.rewards import BUILT_IN_REWARDS, RewardSettings, VerifierSettings
from rayrl.config.run import CheckpointSettings, OutputSettings, RunSettings
from rayrl.config.settings import Settings, validated
from rayrl.config.sft import SFTConfig
from rayrl.config.training import TrainingConfig
