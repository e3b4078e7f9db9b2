"""The starter: the small model that comes with the package, trained by it on little scenes of emoji.

Its weights lie in `FOLDER`, an ordinary diffusers folder, which says the same facts again for every other program.
"""

import dataclasses
from pathlib import Path

from inkbloom.families.previews import PreviewFacts
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.models.unet import UNetLevel, UNetSpec
from inkbloom.sampling.schedules import NoiseScheduleSpec

FOLDER = Path(__file__).parent / "starter_model"
CONTROLS = Path(__file__).parent / "starter_controls"
"""Its ControlNets, each a file of its own, known to every command by name."""

STARTER = ModelSpec(
    family="starter",
    unet=UNetSpec(
        levels=(
            UNetLevel(channels=64, num_blocks=1, transformer_depth=0, num_heads=1),
            UNetLevel(channels=128, num_blocks=1, transformer_depth=1, num_heads=2),
            UNetLevel(channels=256, num_blocks=1, transformer_depth=1, num_heads=4),
        ),
        context_dim=192,
    ),
    autoencoder=AutoencoderSpec(level_channels=(16, 32, 64, 128), num_blocks=1, norm_groups=16),
    text=ClipTextSpec(width=192, num_layers=2, num_heads=3, vocab_size=1280),
    latent_scale=0.4,
    prediction="v_prediction",
    noise_schedule=NoiseScheduleSpec(kind="scaled_linear", beta_start=0.00085, beta_end=0.012, zero_terminal_snr=True),
    default_size=128,
    default_sampler="DDIM",
    default_schedule="trailing",
    default_steps=30,
    default_guidance_scale=2.0,
)

STARTER_FULL = dataclasses.replace(
    STARTER,
    unet=UNetSpec(
        levels=(
            UNetLevel(channels=128, num_blocks=2, transformer_depth=0, num_heads=2),
            UNetLevel(channels=256, num_blocks=2, transformer_depth=1, num_heads=4),
            UNetLevel(channels=512, num_blocks=2, transformer_depth=1, num_heads=8),
        ),
        context_dim=256,
    ),
    autoencoder=AutoencoderSpec(level_channels=(32, 64, 128, 256), num_blocks=1),
    text=ClipTextSpec(width=256, num_layers=4, num_heads=4, vocab_size=4096),
    default_size=256,
)
"""The same for 256 pixels and the whole catalogue: what a GPU trains in half an hour."""

PREVIEW = PreviewFacts(
    latent_scale=0.862013269602958,
    # Fitted by scripts/starter_previews.py, which trains the decoder too
    colors=(
        (0.3629, 0.1355, -0.1473),
        (-0.1778, 0.0761, 0.1150),
        (0.1307, 0.2324, 0.1973),
        (-0.1740, -0.4444, -0.8148),
    ),
    bias=(0.1434, 0.0808, -0.0188),
    tiny_decoder=Path(__file__).parent / "starter_preview" / "starter_decoder.safetensors",
)
