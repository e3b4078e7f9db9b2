"""Where an adapter acts: its modules, in whatever spelling, against the parameters of a model.

The names come from the key maps' table. Between programs they differ by the root (`lora_unet_`, `unet.`,
`base_model.model.`, ...), by whether dots became underscores, and by the layout (diffusers' or LDM's); so a name is
compared with underscores for dots, behind each root, in both layouts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import torch

from inkbloom.checkpoints.adapters.kinds import Change, LowRank, Scale
from inkbloom.checkpoints.adapters.reading import AdapterFile
from inkbloom.checkpoints.keymap import LDM_PREFIX, Component, modern, names
from inkbloom.checkpoints.merging.blocks import block_of
from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.families.spec import ModelSpec
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet

Parameter = tuple[Component, str]
"""A network and the name of one of its parameters, in our words."""

ADAPTED: tuple[Component, ...] = ("text", "unet")

# Longer ones first, so that a root is not taken for part of a name; PEFT's is of either network.
_ROOTS: dict[Component, tuple[str, ...]] = {
    "unet": (
        *("lora_unet_", "oft_unet_", "lycoris_unet_", "lycoris_", "base_model_model_", "unet_"),
        *("model_diffusion_model_", "diffusion_model_", ""),
    ),
    "text": (
        *("lora_te_", "oft_te_", "lycoris_", "base_model_model_", "text_encoder_"),
        *("text_encoders_clip_l_transformer_", "cond_stage_model_transformer_", ""),
    ),
}

_XL_NAMES = re.compile(r"(lora_te2|text_encoder_2)[_.]|(label_emb|add_embedding)[_.]|^lora_te1_")
_TRANSFORMER_NAMES = re.compile(r"^lora_transformer_|(double|single|joint|single_transformer)_blocks[_.]")
_CROSS_ATTENTION = re.compile(r"attn2[_.](processor[_.])?to_k")
_TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "the Stable Diffusion XL refiner"}
_XL_WIDTH = 2048


@dataclass(frozen=True)
class Places:
    """Of a model's adaptable networks all parameters, and how others call their modules."""

    shapes: dict[Parameter, tuple[int, ...]]
    modules: dict[Component, dict[str, str]]
    """Other programs' names of modules, underscores for dots, to ours."""
    diffusers: dict[Parameter, str]
    """The parameters' names in the diffusers layout."""
    blocks: dict[Parameter, str]
    """The block of each parameter, by which weights are tuned: BASE, IN00, ..., M00, OUT00, ..."""

    def find(self, module: str) -> tuple[Component, str] | None:
        """The network and our name of a module, by any spelling of it."""
        flat = module.replace(".", "_")
        for component in ADAPTED:
            for root in _ROOTS[component]:
                ours = self.modules[component].get(flat.removeprefix(root)) if flat.startswith(root) else None
                if ours is not None:
                    return component, ours
        return None


@lru_cache(maxsize=4)
def places(spec: ModelSpec) -> Places:
    """The places in models of this spec, in both networks and all spellings."""
    with torch.device("meta"):
        networks = {"text": ClipText(spec.text), "unet": UNet(spec.unet)}
    found = Places({}, {"text": {}, "unet": {}}, {}, {})
    for component in ADAPTED:
        shapes = {name: tuple(tensor.shape) for name, tensor in networks[component].state_dict().items()}
        ldm, diffusers = (names(component, spec, layout, shapes) for layout in ("ldm", "diffusers"))
        found.shapes.update({(component, name): shape for name, shape in shapes.items()})
        found.diffusers.update({(component, name): theirs for name, theirs in diffusers.items()})
        block = block_of([LDM_PREFIX[component] + theirs for theirs in ldm.values()])
        found.blocks.update({(component, name): block[LDM_PREFIX[component] + theirs] for name, theirs in ldm.items()})
        for name, there in (*ldm.items(), *diffusers.items()):
            if name.endswith(".weight"):
                for alias in _aliases(component, there.removesuffix(".weight")):
                    found.modules[component][alias] = name.removesuffix(".weight")
    return found


def _aliases(component: Component, module: str) -> list[str]:
    """A module's name, and its older or newer ones, with underscores for dots."""
    flat = modern(component, module).replace(".", "_")
    if component == "unet":
        return [flat, re.sub(r"_to_out_0$", "_to_out", flat)]
    short = flat.removeprefix("text_model_")  # transformers 5
    return [flat, short, *(re.sub(r"_(q|k|v|out)_proj$", r"_to_\1", name) for name in (flat, short))]


@dataclass(frozen=True)
class Fit:
    """What of an adapter acts on a model, and what does not."""

    adapter: AdapterFile
    changes: dict[Parameter, Change]
    applied: tuple[str, ...]
    """Tensors of the file that take part."""
    not_applied: tuple[str, ...]
    """Tensors that the model has no place for, or of no known kind."""


def fit(adapter: AdapterFile, spec: ModelSpec) -> Fit:
    """Find the place of every layer of an adapter in models of this spec.

    Raises `KeyMismatchError` for an adapter of another family (or size) of models, for one with two layers in the same
    place, and `CheckpointError` where not one of its layers has a place (unless it bundles embeddings), or where an
    embedding is of another width.
    """
    table = places(spec)
    _check_family(adapter, spec)
    for embedding in adapter.embeddings:
        embedding.check_width(spec.text.width)
    changes: dict[Parameter, Change] = {}
    applied: list[str] = []
    not_applied = list(adapter.unread)
    for module, layer in adapter.layers.items():
        place = table.find(module)
        parts = {"weight": layer.weight, "bias": layer.bias}
        here: dict[Parameter, Change] = {}
        if place is not None:
            component, ours = place
            here = {(component, f"{ours}.{leaf}"): change for leaf, change in parts.items() if change is not None}
            if isinstance(layer.bias, Scale) and (component, f"{ours}.bias") not in table.shapes:
                del here[component, f"{ours}.bias"]  # there is none to be scaled
        if not here or not here.keys() <= table.shapes.keys():
            not_applied += layer.names
            continue
        for parameter, change in here.items():
            if parameter in changes:
                raise KeyMismatchError(f'{adapter.path}: "{module}" is the second layer in one place of the model.')
            _check_shape(adapter, module, change, table.shapes[parameter])
        changes |= here
        applied += layer.names
    if not changes and not adapter.embeddings:
        first = next(iter(adapter.layers), "nothing")
        raise CheckpointError(
            f"{adapter.path} fits nothing in this model ({spec.family}): none of its {len(adapter.layers)} layers, "
            f'first "{first}", has a place in it.'
        )
    return Fit(adapter, changes, tuple(applied), tuple(not_applied))


def _check_family(adapter: AdapterFile, spec: ModelSpec) -> None:
    def is_for(family: str) -> KeyMismatchError:
        return KeyMismatchError(
            f"{adapter.path} is an adapter for {family}, and cannot be used with this model ({spec.family}, text "
            f"{spec.unet.context_dim} wide)."
        )

    if any(_TRANSFORMER_NAMES.search(module) for module in adapter.layers):
        raise is_for("a transformer model such as Flux or Stable Diffusion 3")
    widths = {
        layer.weight.down.shape[1]
        for module, layer in adapter.layers.items()
        if isinstance(layer.weight, LowRank) and _CROSS_ATTENTION.search(module)
    }
    if _XL_WIDTH in widths or any(_XL_NAMES.search(module) for module in adapter.layers):
        raise is_for("Stable Diffusion XL")
    for width in widths - {spec.unet.context_dim}:
        raise is_for(f"{_TEXT_WIDTHS.get(width, 'another model')} (text {width} wide)")


def _check_shape(adapter: AdapterFile, module: str, change: Change, shape: tuple[int, ...]) -> None:
    try:
        change.delta(torch.empty(shape, device="meta"))  # shapes are worked out, nothing is computed
    except (RuntimeError, IndexError) as error:
        raise KeyMismatchError(
            f'{adapter.path}: "{module}" ({change.kind}) does not fit this model, whose tensor there is {list(shape)}; '
            "the adapter is for another model, or damaged."
        ) from error
