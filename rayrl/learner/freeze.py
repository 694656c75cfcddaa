"""The freeze spec: which parameters train. The single truth for gradients, optimizer state, sync and drift."""

import difflib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from rayrl.config import FreezeRule, FreezeSettings
from rayrl.errors import FreezeError
from rayrl.plugins import is_import_path, load

_LAYER = re.compile(r"\.(\d+)\.")


def _only(*patterns: str) -> list[FreezeRule]:
    return [FreezeRule(train=False), *(FreezeRule(match=pattern, train=True) for pattern in patterns)]


PRESETS: dict[str, list[FreezeRule]] = {
    "none": [],
    "qk_only": _only("*.q_proj.*", "*.k_proj.*"),
    "qk_and_head": _only("*.q_proj.*", "*.k_proj.*", "lm_head.*"),
    "attention_only": _only("*.self_attn.*"),
    "mlp_only": _only("*.mlp.*"),
    # arXiv:2507.10616 freezes layers 19-25 of 32: those whose middle lies in this share of the depth.
    "freeze_mid_mlps": [FreezeRule(match="*.mlp.*", layers="0.6-0.8", train=False)],
    "embeddings_frozen": [FreezeRule(match="*embed_tokens*", train=False)],
}


def layer_of(name: str) -> int | None:
    """The decoder layer that a parameter belongs to; None for embeddings, final norm and head."""
    match = _LAYER.search(name)
    return int(match[1]) if match else None


def _preset_rules(preset: str, num_layers: int) -> list[FreezeRule]:
    if preset in PRESETS:
        return PRESETS[preset]
    last = re.fullmatch(r"last_(\d+)", preset)
    if last:
        count = int(last[1])
        if not 1 <= count <= num_layers:
            raise FreezeError(f"freeze.preset {preset!r}: the model has {num_layers} layers; take last_1..{num_layers}")
        return [
            FreezeRule(train=False),
            FreezeRule(layers=f"{num_layers - count}-{num_layers - 1}", train=True),
        ]
    if is_import_path(preset):
        return [FreezeRule.model_validate(rule) for rule in load(preset, "freeze.preset")()]
    close = difflib.get_close_matches(preset, PRESETS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(PRESETS)}, last_N, package.module:function"
    raise FreezeError(f"freeze.preset: no preset {preset!r}; {hint}")


def select_layers(text: str, num_layers: int, where: str) -> set[int]:
    """`19-25`, `3,5` (inclusive indices from 0) or `0.6-0.8` (layers whose middle lies in that share of the depth).

    Raises:
        FreezeError: Not of these forms, no such layer, or no layer in that share.
    """
    chosen: set[int] = set()
    for part in text.replace(" ", "").split(","):
        if re.fullmatch(r"\d+(-\d+)?", part):
            first, _, last = part.partition("-")
            picked = set(range(int(first), int(last or first) + 1))
        elif re.fullmatch(r"\d*\.\d+-\d*\.?\d+", part):
            low, high = (float(number) for number in part.split("-"))
            picked = {layer for layer in range(num_layers) if low <= (layer + 0.5) / num_layers < high}
        else:
            raise FreezeError(f"{where}: layers {text!r} is not of the form '19-25', '3,5' or '0.6-0.8'")
        if not picked or max(picked) >= num_layers:
            raise FreezeError(
                f"{where}: layers {text!r} names none or absent ones; the model has {num_layers} layers, "
                f"0-{num_layers - 1}"
            )
        chosen |= picked
    return chosen


def resolve(
    settings: FreezeSettings, names: list[str], num_layers: int, tied: Mapping[str, str] | None = None
) -> dict[str, bool]:
    """Whether each parameter trains.

    Args:
        settings: Preset, then rules; the later wins. What no rule speaks of trains.
        names: Parameter names as transformers gives them, each tensor once.
        num_layers: Decoder layers.
        tied: Second names of tensors: {"lm_head.weight": "model.embed_tokens.weight"}. A rule on either name
            speaks of the one tensor.

    Raises:
        FreezeError: A rule matches nothing (names rule, value and the closest fix), or nothing is left to train.
    """
    trainable = dict.fromkeys(names, True)
    for _, rule, matched in matches(settings, names, num_layers, tied):
        for name in matched:
            trainable[name] = rule.train
    if not any(trainable.values()):
        raise FreezeError(f"freeze: preset {settings.preset!r} and its rules leave nothing to train")
    return trainable


def matches(
    settings: FreezeSettings, names: list[str], num_layers: int, tied: Mapping[str, str] | None = None
) -> Iterator[tuple[str, FreezeRule, list[str]]]:
    """(where it stands, rule, names that it speaks of) of the preset's rules, then one's own. As in `resolve`."""
    aliases = {**{name: name for name in names}, **(tied or {})}
    preset = [(f"freeze.preset {settings.preset!r}", rule) for rule in _preset_rules(settings.preset, num_layers)]
    own = [(f"freeze.rules.{index}", rule) for index, rule in enumerate(settings.rules)]
    for where, rule in preset + own:
        named = [alias for alias in aliases if fnmatchcase(alias, rule.match)]
        if not named:
            raise FreezeError(f"{where}: match {rule.match!r} matches no parameter; {_closest(rule.match, aliases)}")
        if rule.layers is not None:
            layers = select_layers(rule.layers, num_layers, where)
            named = [alias for alias in named if layer_of(alias) in layers]
            if not named:
                raise FreezeError(f"{where}: match {rule.match!r} matches nothing in layers {rule.layers!r}")
        yield where, rule, [aliases[alias] for alias in named]


def _closest(pattern: str, names: Mapping[str, str]) -> str:
    kinds = sorted({part for name in names for part in name.split(".") if not part.isdigit()})
    wanted = [part for part in re.split(r"[.*?\[\]]", pattern) if part]
    close = [kind for part in wanted for kind in difflib.get_close_matches(part, kinds, n=1)]
    return f"did you mean '*.{close[-1]}.*'?" if close else f"names are made of: {', '.join(kinds)}"
