"""`model`, `adapter` and `freeze`: which model, and what of it trains."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from rayrl import processor
from rayrl.config.settings import Settings


class ModelSettings(Settings):
    path: str
    """Folder of a Hugging Face model, a hub name, or `embedded:smollm2-135m` (needs no download)."""
    chat_template: Path | None = None
    """Jinja file of the chat template, for a tokenizer that has none (base models), or instead of its own. The exported
    model gets it."""
    attention: Literal["auto", "blocks", "varlen", "flash4", "flex"] = "auto"
    """Attention of the learner. blocks: plain matmuls over what each segment sees; varlen: FlashAttention 2 over each
    segment's path (CUDA, bfloat16); flash4: FlashAttention 4 likewise (Hopper or Blackwell, package flash-attn-4),
    not run on a GPU yet; flex: FlexAttention (CUDA), compiled first. auto: varlen on CUDA; blocks on CPU, in float32,
    and for models that cap their scores (Gemma 2)."""
    compute_dtype: Literal["bfloat16", "float32"] = Field(default_factory=processor.compute_dtype)
    """Type of forward and backward. Weights that train, and the optimizer, are float32. Left out: bfloat16, but float32
    on x86 processors without AVX-512, whose bfloat16 is slow (generators on them do likewise)."""

    @field_validator("chat_template")
    @classmethod
    def absolute(cls, path: Path | None) -> Path | None:
        return path and path.absolute()  # actors run in folders of their own


class FreezeRule(Settings):
    match: str = "*"
    """Glob over parameter names (`*.mlp.*`, `*.q_proj.*`), as `transformers` names them."""
    layers: str | None = None
    """Layers it speaks of: `19-25`, `3,5`, or fractions of depth `0.6-0.8`. None: any, and what is in no layer."""
    train: bool
    """True: the matched parameters train. False: they are frozen."""


class FreezeSettings(Settings):
    preset: str = "none"
    """`none`, `qk_only`, `qk_and_head`, `attention_only`, `mlp_only`, `freeze_mid_mlps`, `embeddings_frozen`,
    `last_N` (a number), or `package.module:function` that returns rules."""
    rules: list[FreezeRule] = Field(default_factory=list)
    """Applied after the preset, in order: the later wins. One that matches nothing is an error."""


class LoRASettings(Settings):
    """A low-rank adapter (arXiv:2106.09685) beside frozen base weights; `freeze` then says which modules get one."""

    rank: int = Field(16, ge=1, le=512)
    """Rank of each pair of matrices."""
    alpha: int = Field(32, ge=1)
    """The adapter's output is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter. GRPO takes 0 only: it compares probabilities of one policy."""
    targets: Literal["all-linear"] | list[str] = "all-linear"
    """Linear modules that get an adapter: `all-linear` (all but the head), or names such as `q_proj`."""
    quantize: Literal["nf4"] | None = None
    """nf4: the base's linear weights are held in 4 bits by bitsandbytes (QLoRA, arXiv:2305.14314)."""
    double_quantization: bool = True
    """With nf4: the scales of the blocks are quantized too."""
    base_transfer: Literal["auto", "packets", "recipe"] = "auto"
    """With nf4: how generators come to hold the rounded base. `packets`: its bytes are sent, once. `recipe`: each
    rounds the model's files itself, and holds every matrix against the learner's checksum. auto: recipe where learner
    and generators run on GPUs (on CPU rounding takes longer than the bytes)."""
    merge: bool = False
    """What is exported. False: a PEFT folder. True: a whole model, the adapter added to the base's own weights (with
    nf4 to the original ones, not to those rounded to 4 bits that it was trained on)."""
