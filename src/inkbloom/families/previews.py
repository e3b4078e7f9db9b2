"""What is known of a family's latents that gives a picture of them at little cost."""

from dataclasses import dataclass
from pathlib import Path

Color = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class PreviewFacts:
    latent_scale: float
    """Of the autoencoder whose latents these are; where a model has another scale, they are not its own."""
    colors: tuple[Color, ...]
    """RGB for each channel of a scaled latent: a point's colour in [-1, 1] is the channels' values times these, added
    up, and `bias`."""
    bias: Color = (0.0, 0.0, 0.0)
    tiny_decoder: str | Path
    """The file; a plain name is looked for in a library, as kind vae_approx."""
