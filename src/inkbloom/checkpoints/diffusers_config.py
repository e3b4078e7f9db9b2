"""The configuration files that we write into a diffusers folder: a spec in diffusers' words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inkbloom.checkpoints.diffusers_folder import CROSS_DOWN, CROSS_UP, PLAIN_DOWN, PLAIN_UP, SCHEDULES
from inkbloom.core.errors import RequestError
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.models.unet import UNetSpec
from inkbloom.models.vq import VQSpec
from inkbloom.text.tokenizer import Tokenizer

VERSION = "0.30.0"
"""The diffusers release whose fields these are; older ones lack some."""

_PIPELINES = {9: "StableDiffusionInpaintPipeline", 8: "StableDiffusionInstructPix2PixPipeline"}
"""By the U-Net's input channels; all others are plain."""


def folder_configs(spec: ModelSpec, tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    """Every JSON file of the folder but the tokenizer's, by its path. `RequestError` for what diffusers cannot say."""
    latent_size = spec.default_size // spec.autoencoder.downscale
    return {
        "model_index.json": {
            "_class_name": _PIPELINES.get(spec.unet.in_channels, "StableDiffusionPipeline"),
            "_diffusers_version": VERSION,
            "feature_extractor": [None, None],
            "requires_safety_checker": False,
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "DDIMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
        "unet/config.json": unet_config(spec.unet, latent_size),
        "vae/config.json": autoencoder_config(spec.autoencoder, spec.latent_scale, spec.default_size),
        "text_encoder/config.json": text_config(spec.text, tokenizer),
        "scheduler/scheduler_config.json": _scheduler(spec),
    }


def unet_config(spec: UNetSpec, latent_size: int) -> dict[str, Any]:
    levels = spec.levels
    if levels[-1].transformer_depth not in (0, spec.mid_transformer_depth):
        raise RequestError(
            f"A diffusers folder cannot hold a U-Net whose last level and middle differ in transformer depth: "
            f"{levels[-1].transformer_depth} and {spec.mid_transformer_depth}."
        )
    # diffusers ignores the depth of a level without transformers, and reads the middle's off the last level.
    depths = [level.transformer_depth or spec.mid_transformer_depth for level in levels]
    return {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": VERSION,
        "act_fn": "silu",
        "attention_head_dim": _one_or_each([level.num_heads for level in levels]),
        "block_out_channels": [level.channels for level in levels],
        "center_input_sample": False,
        "cross_attention_dim": spec.context_dim,
        "down_block_types": [CROSS_DOWN if level.transformer_depth else PLAIN_DOWN for level in levels],
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "in_channels": spec.in_channels,
        "layers_per_block": _one_or_each([level.num_blocks for level in levels]),
        "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "norm_eps": 1e-5,
        "norm_num_groups": spec.norm_groups,
        "out_channels": spec.out_channels,
        "sample_size": latent_size,
        "transformer_layers_per_block": _one_or_each(depths),
        "up_block_types": [CROSS_UP if level.transformer_depth else PLAIN_UP for level in reversed(levels)],
        "use_linear_projection": spec.linear_projection,
    }


def autoencoder_config(spec: AutoencoderSpec, latent_scale: float, size: int) -> dict[str, Any]:
    """The file of an autoencoder, KL or VQ, that was trained on pictures of `size` pixels."""
    num_levels = len(spec.level_channels)
    codebook = {"num_vq_embeddings": spec.codebook_size} if isinstance(spec, VQSpec) else {}
    return {
        "_class_name": "VQModel" if codebook else "AutoencoderKL",
        "_diffusers_version": VERSION,
        "act_fn": "silu",
        "block_out_channels": list(spec.level_channels),
        "down_block_types": ["DownEncoderBlock2D"] * num_levels,
        "in_channels": 3,
        "latent_channels": spec.latent_channels,
        "layers_per_block": spec.num_blocks,
        "norm_num_groups": spec.norm_groups,
        "out_channels": 3,
        "sample_size": size,
        "scaling_factor": latent_scale,
        "up_block_types": ["UpDecoderBlock2D"] * num_levels,
        **codebook,
    }


def text_config(spec: ClipTextSpec, tokenizer: Tokenizer) -> dict[str, Any]:
    """The file of a text encoder."""
    return {
        "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_id,
        "hidden_act": spec.activation,
        "hidden_size": spec.width,
        "intermediate_size": 4 * spec.width,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": spec.max_tokens,
        "model_type": "clip_text_model",
        "num_attention_heads": spec.num_heads,
        "num_hidden_layers": spec.num_layers,
        "pad_token_id": tokenizer.eos_id,
        "projection_dim": spec.width,
        "vocab_size": spec.vocab_size,
    }


def _scheduler(spec: ModelSpec) -> dict[str, Any]:
    schedule = spec.noise_schedule
    trailing = spec.default_schedule == "trailing"
    return {
        "_class_name": "DDIMScheduler",
        "_diffusers_version": VERSION,
        # The cosine schedule has no betas to choose; diffusers wants its own defaults there.
        "beta_start": 0.0001 if schedule.beta_start is None else schedule.beta_start,
        "beta_end": 0.02 if schedule.beta_end is None else schedule.beta_end,
        "beta_schedule": next(theirs for theirs, ours in SCHEDULES.items() if ours == schedule.kind),
        "clip_sample": False,
        "num_train_timesteps": schedule.timesteps,
        "prediction_type": spec.prediction,
        "rescale_betas_zero_snr": schedule.zero_terminal_snr,
        # A trailing run ends at sigma 0 (alpha 1), a leading one at the first time step, as CompVis does. The offset
        # is of leading steps, but diffusers' pipeline insists on it.
        "set_alpha_to_one": trailing,
        "steps_offset": 1,
        "timestep_spacing": "trailing" if trailing else "leading",
        "trained_betas": None,
    }


def _one_or_each(values: Sequence[int]) -> int | list[int]:
    return values[0] if len(set(values)) == 1 else list(values)
