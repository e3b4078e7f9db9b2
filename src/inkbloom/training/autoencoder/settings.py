"""What an autoencoder is, and what it is trained for: the `autoencoder` section of a training's configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from inkbloom.core.errors import TrainingError, nearest
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.vq import VQSpec
from inkbloom.training.noising import check_range

LatentKind = Literal["kl", "vq"]


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    """The paper's objective, with the weights of its released code. `TrainingError` names a bad field."""

    latent_kind: LatentKind = "kl"
    """What keeps latents in bounds: kl (a little of the divergence from a standard normal, as in Stable Diffusion) or
    vq (a codebook)."""
    autoencoder_widths: tuple[int, ...] = (128, 256, 512, 512)
    """Channels at each resolution of an autoencoder from nothing; each next one halves height and width."""
    autoencoder_blocks: int = 2
    """Residual blocks at each resolution."""
    autoencoder_norm_groups: int = 32
    """Groups of the normalisation; must divide all widths."""
    latent_channels: int = 4
    """Numbers a latent has at each place."""
    codebook_size: int = 8192
    """Codes of a vq codebook."""

    pixel_weight: float = 1.0
    """Weight of the mean absolute error of pixels."""
    perceptual_weight: float = 1.0
    """Weight of the perceptual loss: LPIPS where both its files are given, edges over a pyramid otherwise."""
    lpips_vgg: Path | None = None
    """torchvision's weights of VGG16."""
    lpips_heads: Path | None = None
    """LPIPS's own weights for VGG, version 0.1."""
    kl_weight: float = 1e-6
    """Weight of a picture's whole divergence, in nats, against its absolute errors summed over all values."""
    codebook_weight: float = 1.0
    """Weight of the codebook's loss, commitment included."""
    commitment: float = 0.25
    """How strongly latents are drawn to their codes, against codes to latents."""

    adversary_weight: float = 0.5
    """Weight of the adversary, beside the adaptive one that makes it as strong as the rest; 0 trains without."""
    adversary_start: int = 50_000
    """The step from which on there is an adversary."""
    adversary_factor: float = 1.0
    """Another factor of the adversary's part, and of its own loss."""
    adversary_width: int = 64
    """Channels of the adversary's first layer."""
    adversary_layers: int = 3
    """How far the adversary looks: 3 layers see 70 pixels, each more doubles that."""
    adversary_learning_rate: float | None = None
    """The adversary's learning rate, where it is not the autoencoder's; it follows the same schedule."""

    def __post_init__(self) -> None:
        if self.latent_kind not in get_args(LatentKind):
            raise TrainingError(
                f'Unknown latent_kind "{self.latent_kind}".{nearest(self.latent_kind, get_args(LatentKind))}'
            )
        if not self.autoencoder_widths or min(self.autoencoder_widths) < 1:
            raise TrainingError(f"autoencoder_widths is {self.autoencoder_widths}; it must be widths of at least 1.")
        for name in ("autoencoder_blocks", "autoencoder_norm_groups", "latent_channels", "codebook_size"):
            check_range(name, getattr(self, name), 1)
        wrong = [width for width in self.autoencoder_widths if width % self.autoencoder_norm_groups]
        if wrong:
            raise TrainingError(
                f"autoencoder_norm_groups is {self.autoencoder_norm_groups}; it must divide the width {wrong[0]}."
            )
        for name in ("pixel_weight", "perceptual_weight", "kl_weight", "codebook_weight", "commitment"):
            check_range(name, getattr(self, name))
        for name in ("adversary_weight", "adversary_factor", "adversary_start"):
            check_range(name, getattr(self, name))
        for name in ("adversary_width", "adversary_layers"):
            check_range(name, getattr(self, name), 1)
        if self.adversary_learning_rate is not None:
            check_range("adversary_learning_rate", self.adversary_learning_rate, above=True)
        if (self.lpips_vgg is None) != (self.lpips_heads is None):
            given, other = ("lpips_vgg", "lpips_heads") if self.lpips_vgg else ("lpips_heads", "lpips_vgg")
            raise TrainingError(f"{given} is given without {other}; LPIPS needs both files.")

    def spec(self) -> AutoencoderSpec | VQSpec:
        """The autoencoder from nothing that these settings describe."""
        sizes = AutoencoderSpec(
            level_channels=self.autoencoder_widths,
            num_blocks=self.autoencoder_blocks,
            latent_channels=self.latent_channels,
            norm_groups=self.autoencoder_norm_groups,
        )
        return sizes if self.latent_kind == "kl" else VQSpec(**vars(sizes), codebook_size=self.codebook_size)
