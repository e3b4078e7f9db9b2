"""Training of LoRA, LoCon, LoHa, LoKr and DoRA: which layers learn how much, beside a model that stays as it is."""

import re
from dataclasses import dataclass

import torch
from torch import nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import fit, read_adapter
from inkbloom.checkpoints.adapters.fitting import ADAPTED, Parameter, places
from inkbloom.checkpoints.adapters.kinds import Change, tensors_of, with_tensors
from inkbloom.checkpoints.adapters.live import add_to_output
from inkbloom.checkpoints.merging.blocks import in_order
from inkbloom.core.errors import TrainingError, nearest
from inkbloom.core.types import Float, Tensor
from inkbloom.training.adapters.beginning import beginning, is_trainable
from inkbloom.training.adapters.layers import Dropouts, TrainableChange, draw_seeds
from inkbloom.training.adapters.settings import LoraSettings
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import ConditioningSettings, Denoising
from inkbloom.training.noising import Noised
from inkbloom.training.objective import Objective
from inkbloom.training.optimizers import TEXT_GROUP, Group

_ATTENTION = re.compile(r"(^|[._])attention\.(q|k|v|out)$")
_TRANSFORMER = re.compile(r"(^|\.)transformers?\.|^layers\.")
_ROOT = re.compile(r"(conv_in|conv_out|time_in|time_out)$")


@dataclass(frozen=True)
class Size:
    rank: int
    alpha: float


class LoraTraining(Denoising):
    """Trains a change of the chosen layers, float32; the model's own weights may be of any precision."""

    def __init__(
        self,
        model: LoadedModel,
        objective: Objective,
        settings: LoraSettings,
        conditioning: ConditioningSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """Takes the networks of `model` over; their weights are never touched, and `detach` frees their layers.

        `TrainingError` for blocks that the model has not, settings that leave no layer, or a LoRA to start from that
        cannot be trained; `CheckpointError` where that cannot be read or does not fit.
        """
        super().__init__(model, objective, conditioning, seed=seed)
        self.lora = settings
        dropouts = Dropouts(
            channel=settings.channel_dropout, rank=settings.rank_dropout, module=settings.module_dropout
        )
        if settings.start_from is not None:
            begin = _read(settings, model)
        else:
            begin = _begin(settings, model, self.settings.clip_skip, torch.Generator().manual_seed(seed))
        self._layers: dict[Parameter, TrainableChange] = {}
        self._hooks = []
        for place, change in begin.items():
            layer = _layer(model, place)
            shape, largest = layer.get_parameter("weight").shape, settings.scale_weight_norms
            trainable = TrainableChange(change, shape, dropouts=dropouts, largest=largest).to(self.device)
            self._layers[place] = trainable
            self._hooks.append(add_to_output(layer, trainable))
        # A module's name has no dots
        self.trained = nn.ModuleDict({"/".join(place).replace(".", "/"): one for place, one in self._layers.items()})

    def forward(self, batch: Batch, noised: Noised | None = None) -> Float[Tensor, "batch"]:
        draw_seeds(list(self._layers.values()), self.seed, batch.step, batch.rows)
        return super().forward(batch, noised)

    def groups(self) -> list[Group]:
        """Groups "unet" and "text", with LoRA+ (Hayou et al. 2024) each in two, the second step's apart."""
        found: dict[tuple[str, float], list[nn.Parameter]] = {}
        for (component, _), layer in self._layers.items():
            for name, parameter in layer.named_parameters():
                rate = self.lora.lora_plus_ratio if name == "up" else 1.0
                found.setdefault((TEXT_GROUP if component == "text" else component, rate), []).append(parameter)
        return [Group(name=name, parameters=parameters, rate=rate) for (name, rate), parameters in found.items()]

    @torch.no_grad()
    def changes(self) -> dict[Parameter, Change]:
        """What was learned by now, on the CPU."""
        found = {place: layer.change() for place, layer in self._layers.items()}
        return {
            place: with_tensors(change, {name: tensor.cpu().clone() for name, tensor in tensors_of(change).items()})
            for place, change in found.items()
        }

    def detach(self) -> None:
        """Take the changes from the model, which is then as it was."""
        for hook in self._hooks:
            hook.remove()


def sizes(settings: LoraSettings, model: LoadedModel, clip_skip: int = 1) -> dict[Parameter, Size]:
    """The layers that are trained, by their weights, each with its rank and alpha.

    Layers of the text encoder that clip skip leaves out are none. `TrainingError` as `LoraTraining` says.
    """
    blocks = places(model.spec).blocks
    known = in_order(blocks.values())
    for name in ("block_ranks", "block_alphas"):
        for block in getattr(settings, name):
            if block not in known:
                raise TrainingError(f'{name}: this model has no block "{block}".{nearest(block, known)}')
    used = model.spec.text.num_layers - clip_skip + 1
    found: dict[Parameter, Size] = {}
    for component in ADAPTED:
        if not (settings.adapt_unet if component == "unet" else settings.adapt_text_encoder):
            continue
        for name, layer in getattr(model, component).named_modules():
            if component == "text" and name.startswith("layers.") and int(name.split(".")[1]) >= used:
                continue
            place: Parameter = component, f"{name}.weight"
            size = _size(settings, name, layer, blocks[place]) if isinstance(layer, nn.Linear | nn.Conv2d) else None
            if size is not None:
                found[place] = size
    if not found:
        raise TrainingError("block_ranks leaves all blocks out; there is nothing to train.")
    return found


def _size(settings: LoraSettings, name: str, layer: nn.Linear | nn.Conv2d, block: str) -> Size | None:
    match settings.targets:
        case "attention":
            is_target = _ATTENTION.search(name)
        case "transformer":
            is_target = _TRANSFORMER.search(name) or (settings.conv_rank is not None and not _ROOT.fullmatch(name))
        case "full":
            is_target = True
    rank = settings.block_ranks.get(block, settings.rank)
    if not is_target or not rank:
        return None
    if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
        if settings.conv_rank is not None:
            return Size(settings.conv_rank, settings.conv_alpha or settings.conv_rank)
        if settings.targets != "full":
            return None
    of_all = None if block in settings.block_ranks else settings.alpha
    return Size(rank, settings.block_alphas.get(block, of_all or rank))


def _begin(
    settings: LoraSettings, model: LoadedModel, clip_skip: int, generator: torch.Generator
) -> dict[Parameter, Change]:
    return {
        place: beginning(_layer(model, place).get_parameter("weight"), size.rank, size.alpha, settings, generator)
        for place, size in sizes(settings, model, clip_skip).items()
    }


def _read(settings: LoraSettings, model: LoadedModel) -> dict[Parameter, Change]:
    """The changes of the LoRA to start from, all of it."""
    assert settings.start_from is not None
    fitted = fit(read_adapter(settings.start_from), model.spec)
    lost = [*fitted.not_applied, *(one.name for one in fitted.adapter.embeddings)]
    lost += [".".join(place) for place, change in fitted.changes.items() if not is_trainable(change)]
    if lost:
        raise TrainingError(
            f"start_from: {settings.start_from} holds {len(lost)} parts that training cannot go on with, first "
            f'"{lost[0]}"; it goes on with layers of LoRA, LoCon, LoHa, LoKr and DoRA that have a place in the model.'
        )
    return fitted.changes


def _layer(model: LoadedModel, place: Parameter) -> nn.Module:
    component, name = place
    return getattr(model, component).get_submodule(name.removesuffix(".weight"))
