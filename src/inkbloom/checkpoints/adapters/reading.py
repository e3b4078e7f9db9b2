"""Adapter files: which tensors there are, under which of the spellings, and what changes they make together.

A tensor's name is a module's, in some spelling (`targets` knows them), and a leaf, which says what it is in its kind
of adapter: "lora_unet_mid_block_attentions_0_proj_in" + "lora_up.weight". A leaf has several spellings, too.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from inkbloom.checkpoints.adapters.embeddings import Embedding, as_vectors
from inkbloom.checkpoints.adapters.kinds import (
    Butterfly,
    Change,
    Decomposed,
    Difference,
    GeneralLowRank,
    Hadamard,
    InputRotation,
    Kronecker,
    LowRank,
    Replacement,
    Rotation,
    Scale,
)
from inkbloom.checkpoints.foreign import kind_by_names
from inkbloom.checkpoints.loading import file_hash
from inkbloom.checkpoints.tensors import TensorFile, open_tensors
from inkbloom.core.errors import CheckpointError

ADAPTER_METADATA = "lora_adapter_metadata"
"""Where diffusers keeps PEFT's configurations, as JSON, in a file's metadata."""

_FOLDER_STEMS = ("adapter_model", "pytorch_lora_weights")
"""PEFT's and diffusers' names of the file in a folder."""

# kohya; PEFT, perhaps with an adapter's name; diffusers, of three ages
_SPELLINGS = {
    "up_bias": r"lora_up\.bias|lora_B(?:\.\w+)?\.bias",
    "up": r"lora_up\.weight|lora_B(?:\.\w+)?\.weight|lora(?:_linear_layer)?\.up\.weight",
    "down": r"lora_down\.weight|lora_A(?:\.\w+)?\.weight|lora(?:_linear_layer)?\.down\.weight",
    "mid": r"lora_mid\.weight",
    "magnitude": r"lora_magnitude_vector(?:\.\w+)?(?:\.weight)?",
    **{f"hada_{part}": rf"hada_{part}" for part in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f"lokr_{part}": rf"lokr_{part}" for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **{part: rf"{part}\.weight" for part in ("a1", "a2", "b1", "b2", "bm")},
    "ia3": r"ia3_l(?:\.\w+)?",
    "bias": r"(?:base_layer\.)?bias",
    "oft_upper": r"oft_R(?:\.\w+)?\.weight",
    **{
        leaf: leaf
        for leaf in (
            *("alpha", "dora_scale", "weight", "on_input", "diff", "diff_b", "w_norm", "b_norm"),
            *("oft_blocks", "oft_diag", "rescale", "set_weight"),
        )
    },
}
_NAME = re.compile(rf"(.+?)\.(?:{'|'.join(f'(?P<{leaf}>{spelling})' for leaf, spelling in _SPELLINGS.items())})")
_ATTENTION_PROCESSOR = re.compile(r"(?:\.processor)?\.(to_(?:q|k|v|out))_lora\.(up|down)\.weight$")
_BUNDLED = re.compile(r"bundle_emb\.(.+)\.(?:string_to_param\.\*|clip_l|emb_params)")


@dataclass(frozen=True)
class Layer:
    """What an adapter does to one module."""

    names: tuple[str, ...]
    """Its tensors in the file."""
    weight: Change | None
    bias: Change | None


@dataclass(frozen=True)
class AdapterFile:
    """An adapter in memory, under the names of its file."""

    path: Path
    """The file of its tensors."""
    layers: dict[str, Layer]
    """By the module's name as the file spells it."""
    embeddings: tuple[Embedding, ...]
    """Bundled with it, to be asked for in a prompt."""
    unread: tuple[str, ...]
    """Tensors of no kind that is known here."""
    metadata: dict[str, str]

    @property
    def name(self) -> str:
        """The file's without its ending; the folder's, where the file has the same name in every folder."""
        return self.path.parent.name if self.path.stem in _FOLDER_STEMS else self.path.stem

    @cached_property
    def sha256(self) -> str:
        return file_hash(self.path)


def read_adapter(path: str | Path) -> AdapterFile:
    """Read a LoRA, or another adapter, from a `.safetensors` file, a pickle, or a folder of PEFT's or diffusers'.

    Raises `CheckpointError` where it is missing, damaged, or something else; `UnsafeCheckpointError` where it could
    run code.
    """
    path, config = _locate(Path(path))
    file = open_tensors(path)
    leaves: dict[str, dict[str, str]] = {}  # module, leaf: name
    bundled: dict[str, str] = {}
    unread = []
    for name in file.shapes:
        found = _NAME.fullmatch(_ATTENTION_PROCESSOR.sub(r".\1.lora.\2.weight", name))
        embedding = _BUNDLED.fullmatch(name)
        if embedding:
            bundled[name] = embedding[1]
        elif found and found.lastgroup and found.lastgroup not in leaves.setdefault(found[1], {}):
            leaves[found[1]][found.lastgroup] = name
        else:
            unread.append(name)
    configs = _Configs(config, file)
    layers = {}
    for module, named in leaves.items():
        try:
            layer = _read_layer(_Leaves(file, named), module, configs)
        except IndexError as error:
            raise CheckpointError(f'{path} is damaged: the tensors of "{module}" lack dimensions.') from error
        if layer is None:
            unread += named.values()
        else:
            layers[module] = layer
            unread += [name for name in named.values() if name not in layer.names]
    embeddings = tuple(Embedding(short, as_vectors(file.take(name), path)) for name, short in bundled.items())
    if not layers and not embeddings:
        kind = kind_by_names(dict.fromkeys((*file.shapes, *file.top_level)))
        what = kind if kind and "LoRA" not in kind else "a file without one tensor of a known kind of adapter"
        raise CheckpointError(f"{path} is {what}; an adapter is a LoRA, or of LyCORIS's or PEFT's kinds.")
    return AdapterFile(path, layers, embeddings, tuple(unread), file.metadata)


def _locate(path: Path) -> tuple[Path, dict[str, Any]]:
    """The file of tensors, and PEFT's configuration beside it."""
    if not path.is_dir():
        return path, {}
    names = [f"{stem}.{ending}" for stem in _FOLDER_STEMS for ending in ("safetensors", "bin")]
    file = next((path / name for name in names if (path / name).is_file()), None)
    if file is None:
        raise CheckpointError(f"{path} is a folder without an adapter; it would hold {' or '.join(names)}.")
    config = path / "adapter_config.json"
    if not config.is_file() or file.stem != "adapter_model":
        return file, {}
    try:
        return file, _object(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{config} cannot be read: {error}.") from error


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__} instead of an object")
    return value


class _Configs:
    """What PEFT says in configurations and not in tensors."""

    def __init__(self, config: dict[str, Any], file: TensorFile) -> None:
        self._configs = {"": config}
        try:
            stored = _object(file.metadata.get(ADAPTER_METADATA, "{}"))
        except ValueError as error:
            raise CheckpointError(f"{file.path}: its {ADAPTER_METADATA} cannot be read: {error}.") from error
        for key, value in stored.items():  # "unet.lora_alpha": 8
            part, _, field = key.partition(".")
            self._configs.setdefault(f"{part}.", {})[field] = value

    def of(self, module: str) -> dict[str, Any]:
        """The configuration that holds for a module."""
        parts = (self._configs[part] for part in self._configs if part and module.startswith(part))
        return next(parts, self._configs[""])

    def alpha(self, module: str, rank: int | None) -> float | None:
        """The alpha of a module; with rank-stabilised LoRA (Kalajdzievski 2023) one that makes alpha / sqrt(rank)."""
        config = self.of(module)
        alpha = config.get("lora_alpha", config.get("alpha"))
        patterns = config.get("alpha_pattern")
        for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
            if f".{module}".endswith(f".{pattern}"):
                alpha = value
        if not isinstance(alpha, int | float):
            return None
        return alpha * math.sqrt(rank) if config.get("use_rslora") and rank else float(alpha)


class _Leaves:
    """The tensors of one module, which notes those that are used."""

    def __init__(self, file: TensorFile, named: dict[str, str]) -> None:
        self._file, self._named = file, named
        self.used: list[str] = []

    def has(self, *leaves: str) -> bool:
        return all(leaf in self._named for leaf in leaves)

    def take(self, leaf: str) -> Tensor:
        self.used.append(self._named[leaf])
        return self._file.take(self._named[leaf])

    def maybe(self, leaf: str) -> Tensor | None:
        return self.take(leaf) if self.has(leaf) else None

    def number(self, leaf: str) -> float | None:
        tensor = self.maybe(leaf)
        if tensor is None:
            return None
        if tensor.numel() != 1:
            shape = list(tensor.shape)
            raise CheckpointError(f"{self._file.path}: {self._named[leaf]} has the shape {shape}; it is one number.")
        return float(tensor)


def _read_layer(leaves: _Leaves, module: str, configs: _Configs) -> Layer | None:
    change = _read_change(leaves) or _read_pefts(leaves, module, configs.of(module))
    if isinstance(change, LowRank | Hadamard | Kronecker | GeneralLowRank):
        alpha = leaves.number("alpha")
        change = replace(change, alpha=configs.alpha(module, change.rank) if alpha is None else alpha)
        if isinstance(change, Kronecker):
            change = _as_peft_scales(change, configs.of(module))
    elif change is not None and not isinstance(change, Rotation | Butterfly):
        leaves.number("alpha")  # LyCORIS writes one for every kind
    bias = _read_bias(leaves, change, configs.of(module))
    if change is not None:
        change = _decomposed(change, leaves)
    return None if change is None and bias is None else Layer(tuple(leaves.used), change, bias)


def _as_peft_scales(change: Kronecker, config: dict[str, Any]) -> Kronecker:
    """PEFT scales a product of whole factors too, by a rank that only its configuration knows."""
    rank = config.get("r")
    if config.get("peft_type") != "LOKR" or not isinstance(rank, int) or rank < 1:
        return change
    if change.rank is not None or not isinstance(change.w1, Tensor):
        return change
    return replace(change, w1=(change.alpha or rank) / rank * change.w1.float())


def _read_bias(leaves: _Leaves, weight: Change | None, config: dict[str, Any]) -> Change | None:
    difference = next((leaf for leaf in ("diff_b", "b_norm") if leaves.has(leaf)), None)
    if difference is not None:
        return Difference(difference=leaves.take(difference))
    if isinstance(weight, LowRank) and leaves.has("up_bias"):
        scale = (weight.alpha or weight.rank) / weight.rank
        return Difference(difference=scale * leaves.take("up_bias").float())
    # Otherwise it is a bias of a plain model
    if leaves.has("bias") and (weight is not None or config.get("bias", "none") != "none"):
        return Replacement(value=leaves.take("bias"))
    if isinstance(weight, Scale) and leaves.has("ia3") and not weight.on_input:
        return weight
    return None


def _read_change(leaves: _Leaves) -> Change | None:
    if leaves.has("up", "down"):
        return LowRank(up=leaves.take("up"), down=leaves.take("down"), mid=leaves.maybe("mid"))
    if leaves.has("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"):
        w1_a, w1_b, w2_a, w2_b = (leaves.take(f"hada_{part}") for part in ("w1_a", "w1_b", "w2_a", "w2_b"))
        t1, t2 = leaves.maybe("hada_t1"), leaves.maybe("hada_t2")
        return Hadamard(w1_a=w1_a, w1_b=w1_b, w2_a=w2_a, w2_b=w2_b, t1=t1, t2=t2)
    if all(leaves.has(f"lokr_{w}") or leaves.has(f"lokr_{w}_a", f"lokr_{w}_b") for w in ("w1", "w2")):
        return Kronecker(w1=_kronecker(leaves, "w1"), w2=_kronecker(leaves, "w2"), t2=leaves.maybe("lokr_t2"))
    if leaves.has("weight", "on_input"):
        return Scale(w=leaves.take("weight"), on_input=bool(leaves.number("on_input")))
    if leaves.has("a1", "a2", "b1", "b2"):
        a1, a2, b1, b2 = (leaves.take(leaf) for leaf in ("a1", "a2", "b1", "b2"))
        if a1.shape[0] < a1.shape[1]:  # (r, in), as before LyCORIS 2
            a1, a2, b1, b2 = a2, a1, b2, b1
        return GeneralLowRank(first=a1, second=a2, up=b1, down=b2, mid=leaves.maybe("bm"))
    if leaves.has("oft_blocks"):
        blocks, constraint = leaves.take("oft_blocks"), leaves.number("alpha") or 0.0
        kind = Butterfly if blocks.ndim == 4 else Rotation
        return kind(blocks=blocks, constraint=constraint, rescale=leaves.maybe("rescale"))
    if leaves.has("oft_diag"):
        return Rotation(blocks=leaves.take("oft_diag"), rescale=leaves.maybe("rescale"), is_rotation=True)
    if leaves.has("set_weight"):
        return Replacement(value=leaves.take("set_weight"))
    difference = next((leaf for leaf in ("diff", "w_norm") if leaves.has(leaf)), None)
    return None if difference is None else Difference(difference=leaves.take(difference))


def _read_pefts(leaves: _Leaves, module: str, config: dict[str, Any]) -> Change | None:
    """The kinds that PEFT spells in its own way, and whose configuration says what their tensors do not."""
    if leaves.has("ia3"):
        vector = leaves.take("ia3")
        inputs = config.get("feedforward_modules")
        is_feedforward = any(f".{module}".endswith(f".{name}") for name in (inputs if isinstance(inputs, list) else ()))
        # A linear layer's vector lies along what it scales; a convolution's is (1, length, 1, 1) in both cases
        on_input = vector.shape[0] == 1 if vector.ndim == 2 else is_feedforward
        return Scale(w=vector.float() - 1, on_input=on_input)
    if leaves.has("oft_upper"):
        terms = config.get("num_cayley_neumann_terms") if config.get("use_cayley_neumann") else None
        return InputRotation(upper=leaves.take("oft_upper"), neumann_terms=terms if isinstance(terms, int) else None)
    return None


def _kronecker(leaves: _Leaves, part: str) -> Tensor | tuple[Tensor, Tensor]:
    if leaves.has(f"lokr_{part}"):
        return leaves.take(f"lokr_{part}")
    return leaves.take(f"lokr_{part}_a"), leaves.take(f"lokr_{part}_b")


def _decomposed(change: Change, leaves: _Leaves) -> Change:
    """The change within DoRA, where the module has magnitudes: PEFT's, or LyCORIS's, whose shape tells the axis."""
    if leaves.has("magnitude"):
        return Decomposed(inner=change, magnitude=leaves.take("magnitude"), per_input=False)
    if leaves.has("dora_scale"):
        magnitude = leaves.take("dora_scale")
        per_input = magnitude.ndim > 1 and magnitude.shape[0] == 1 and magnitude.shape[1] > 1
        return Decomposed(inner=change, magnitude=magnitude, per_input=per_input)
    return change
