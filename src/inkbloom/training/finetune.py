"""Training whole networks: an existing model on new pictures, DreamBooth, and a U-Net from nothing.

DreamBooth (Ruiz et al. 2023) is the same training on other data: pictures of one subject, and pictures of its class,
made beforehand, whose weights in the batch preserve the prior (their Eq. 2).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.checkpoints.clip_folder import load_text_encoder
from inkbloom.core.errors import TrainingError
from inkbloom.families.sd1 import SD1
from inkbloom.families.starter import STARTER
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet, UNetSpec
from inkbloom.training.denoising import ConditioningSettings, Denoising
from inkbloom.training.noising import check_choice
from inkbloom.training.objective import Objective
from inkbloom.training.optimizers import TEXT_GROUP, Group

UNetSize = Literal["base", "starter", "sd1"]

_SIZES = {"starter": STARTER.unet, "sd1": SD1.unet}


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """`TrainingError` where a value is unknown, or nothing would be trained."""

    train_unet: bool = True
    """Train the U-Net."""
    train_text_encoder: bool = False
    """Train the text encoder too; text_learning_rate is its rate."""
    from_nothing: bool = False
    """Begin with a new U-Net; text encoder and autoencoder are the base's."""
    text_encoder: Path | None = None
    """For a new U-Net: another text encoder than the base's, from the folder that `train text-encoder` wrote, or from a
    model."""
    autoencoder: Path | None = None
    """For a new U-Net: another autoencoder than the base's, from the file or folder that `train autoencoder` wrote, or
    from a model."""
    unet_size: UNetSize = "base"
    """How large a new U-Net is: as the base's, the starter's, or Stable Diffusion 1's (860 million weights)."""

    def __post_init__(self) -> None:
        check_choice("unet_size", self.unet_size, UNetSize)
        if not (self.train_unet or self.train_text_encoder):
            raise TrainingError("train_unet and train_text_encoder are both off; there is nothing to train.")
        for name, usual in (("unet_size", "base"), ("text_encoder", None), ("autoencoder", None)):
            if getattr(self, name) != usual and not self.from_nothing:
                raise TrainingError(f"{name} is {getattr(self, name)}, which is for a new U-Net; set from_nothing too.")


class Finetuning(Denoising):
    """Trains the U-Net, the text encoder, or both; what is trained is turned to float32."""

    def __init__(
        self,
        model: LoadedModel,
        objective: Objective,
        settings: FinetuneSettings,
        conditioning: ConditioningSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """Takes the networks of `model` over; where these come from nothing, `model` is `with_new_unet`'s."""
        super().__init__(model, objective, conditioning, seed=seed)
        parts: dict[str, nn.Module] = {"unet": self.unet} if settings.train_unet else {}
        if settings.train_text_encoder:
            parts[TEXT_GROUP] = _used(self.text, self.settings.clip_skip - 1)
        self.trained = nn.ModuleDict(parts).float().requires_grad_(True)

    def groups(self) -> list[Group]:
        """One group for each network, "unet" and "text"."""
        parts = self.trained.named_children()
        return [Group(name=name, parameters=list(network.parameters())) for name, network in parts]

    def result(self, name: str, path: Path) -> LoadedModel:
        """The model as it is now, which shares the networks with this trainee."""
        return replace(self.base, spec=self.objective.spec, name=name, path=path)


def _used(text: ClipText, skip_layers: int) -> nn.Module:
    """The text encoder without the layers that clip skip leaves out, which get no gradient."""
    if not skip_layers:
        return text
    used = nn.Module()
    used.position_embedding = text.position_embedding
    used.token_embedding, used.final_norm = text.token_embedding, text.final_norm
    used.layers = text.layers[:-skip_layers]
    return used


def with_own_parts(model: LoadedModel, settings: FinetuneSettings) -> LoadedModel:
    """The model with the text encoder and the autoencoder that the settings name; its U-Net then is none of its own.

    Raises `CheckpointError` where one cannot be read.
    """
    if settings.text_encoder is not None:
        text, tokenizer = load_text_encoder(settings.text_encoder)
        unet = replace(model.spec.unet, context_dim=text.spec.width)
        model = replace(
            model, spec=replace(model.spec, text=text.spec, unet=unet), text=text, tokenizer=tokenizer, unet=None
        )
    if settings.autoencoder is not None:
        loaded = load(settings.autoencoder, components=("autoencoder",), dtype=torch.float32)
        channels = loaded.spec.autoencoder.latent_channels
        spec = replace(
            model.spec,
            autoencoder=loaded.spec.autoencoder,
            latent_scale=loaded.spec.latent_scale,
            unet=replace(model.spec.unet, in_channels=channels, out_channels=channels),
        )
        model = replace(model, spec=spec, autoencoder=loaded.autoencoder, unet=None)
    return model


def with_new_unet(model: LoadedModel, size: UNetSize, *, seed: int = 0) -> LoadedModel:
    """The model with an untrained U-Net of `size`, which reads the model's latents and text vectors."""
    latents = model.spec.autoencoder.latent_channels
    spec: UNetSpec = replace(
        model.spec.unet if size == "base" else _SIZES[size],
        context_dim=model.spec.text.width,
        in_channels=latents,
        out_channels=latents,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        unet = UNet(spec)
    start_quiet(unet)
    return replace(model, spec=replace(model.spec, unet=spec), unet=unet)


@torch.no_grad()
def start_quiet(unet: UNet) -> None:
    """Let output and residual branches begin as nothing (Zhang et al. 2019; Ho et al. 2020): first steps are smooth."""
    for name, parameter in unet.named_parameters():
        if name.startswith("conv_out.") or name.endswith(("conv2.weight", "proj_out.weight")):
            parameter.zero_()
