"""`objective`: the GRPO loss, as a preset and its parts."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from rayrl.config.settings import Settings

Band = tuple[Annotated[float, Field(ge=0)], float]
"""Least and largest ratio learner / generator that is kept; 1 lies between."""


class ObjectiveSettings(Settings):
    name: Literal["grpo", "dr_grpo", "dapo", "gspo", "rloo", "cispo"] = "dr_grpo"
    """Preset of the parts below: a part left at None takes the preset's value.
    dr_grpo (arXiv:2503.20783): mean, no std, token ratio, constant normalizer, ppo surrogate, clip 0.2.
    grpo (arXiv:2402.03300): the same with std and the sequence normalizer.
    dapo (arXiv:2503.14476): std, token normalizer, clip_high 0.28, truncated completions masked.
    gspo (arXiv:2507.18071): grpo with the sequence ratio, clip 3e-4 and 4e-4.
    rloo (arXiv:2402.14740): dr_grpo with the leave-one-out baseline.
    cispo (arXiv:2506.13585): std, token normalizer, cispo surrogate, clip 1 (no lower bound) and 4 (a ratio of at most
    5, arXiv:2510.13786)."""
    baseline: Literal["mean", "leave_one_out"] | None = None
    """What a reward is compared with: its group's mean, or the mean of the group's other rewards."""
    scale_by_std: bool | None = None
    """Divide a group's advantages by its standard deviation."""
    ratio: Literal["token", "sequence"] | None = None
    """Policy ratio (and importance weight) of each token, or of the sequence: the geometric mean over its tokens."""
    normalizer: Literal["token", "sequence", "constant"] | None = None
    """What the summed loss is divided by: all loss tokens; each sequence's tokens, then sequences; or sequences x
    `sampling.max_tokens` (arXiv:2503.20783)."""
    surrogate: Literal["ppo", "cispo"] | None = None
    """What the clip does. ppo (arXiv:1707.06347, eq. 7): a token whose ratio has left the clip range has no gradient.
    cispo (arXiv:2506.13585): it keeps one, with the clipped ratio as its weight."""
    clip_low: float | None = Field(None, gt=0)
    """Lower clip distance of the policy ratio: 1 - clip_low; from 1 on there is no lower bound. The ratio is exactly 1
    in the first update of a step, so clips act where `updates_per_step` is above 1."""
    clip_high: float | None = Field(None, gt=0)
    """Upper clip distance of the policy ratio: 1 + clip_high."""
    mask_truncated: bool | None = None
    """Leave completions that hit the length limit out of the loss."""
    importance_cap: float | None = Field(2.0, gt=0)
    """Truncated importance sampling: the importance weight learner / generator, at most this (TRL: token_truncate;
    verl: rollout_is). None: no correction. Off where `importance_mask` is set."""
    importance_mask: Band | None = None
    """IcePop (arXiv:2510.18855), instead of the cap: the importance weight within this band, and 0 outside, such as
    [0.5, 5.0] (TRL: token_mask)."""
    geometric_mask: Band | None = None
    """Leave sequences out of the loss whose geometric mean of learner / generator lies outside this band, such as
    [0.99, 1.01] (Liu, Li et al. 2025, richardli.xyz/rl-collapse; verl: rollout_rs seq_mean_k1). Acts beside cap or
    mask."""
    kl_coefficient: float = Field(0.0, ge=0)
    """Weight of the KL divergence to the model that training started from (k3 estimator, arXiv:2402.03300 eq. 4).
    Above 0 it costs a forward pass more and a copy, in `model.compute_dtype`, of the weights that train."""

    @field_validator("importance_mask", "geometric_mask")
    @classmethod
    def holds_one(cls, band: Band | None) -> Band | None:
        if band is not None and not band[0] < 1 < band[1]:
            raise ValueError("a band [low, high] must hold 1, the ratio of equal policies: low < 1 < high")
        return band

    @model_validator(mode="after")
    def one_correction(self) -> Self:
        if self.importance_mask is not None and self.importance_cap is not None:
            if "importance_cap" in self.model_fields_set:
                raise ValueError(
                    f"importance_cap ({self.importance_cap:g}) cannot act beside importance_mask "
                    f"({list(self.importance_mask)}), which takes its place; leave one of them out"
                )
            self.importance_cap = None
        return self

    def resolved(self) -> "ObjectiveSettings":
        """The same with every None replaced by the preset's value."""
        parts = _DR_GRPO | _OBJECTIVES[self.name]
        return self.model_copy(update={key: value for key, value in parts.items() if getattr(self, key) is None})

    def idle(self, updates_per_step: int) -> list[str]:
        """The parts that are set, and that cannot change the gradient at so many updates a step."""
        if updates_per_step > 1:
            return []
        parts = ["surrogate", "clip_low", "clip_high"]
        if self.importance_cap is None and self.importance_mask is None:
            parts.append("ratio")
        return [part for part in parts if part in self.model_fields_set and getattr(self, part) is not None]


_DR_GRPO: dict[str, Any] = {
    "baseline": "mean",
    "scale_by_std": False,
    "ratio": "token",
    "normalizer": "constant",
    "surrogate": "ppo",
    "clip_low": 0.2,
    "clip_high": 0.2,
    "mask_truncated": False,
}
# What each preset changes.
_OBJECTIVES: dict[str, dict[str, Any]] = {
    "dr_grpo": {},
    "grpo": {"scale_by_std": True, "normalizer": "sequence"},
    "dapo": {"scale_by_std": True, "normalizer": "token", "clip_high": 0.28, "mask_truncated": True},
    "gspo": {"scale_by_std": True, "normalizer": "sequence", "ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
    "rloo": {"baseline": "leave_one_out"},
    "cispo": {"scale_by_std": True, "normalizer": "token", "surrogate": "cispo", "clip_low": 1.0, "clip_high": 4.0},
}
