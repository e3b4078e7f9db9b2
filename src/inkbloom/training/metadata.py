"""What a result's file says of itself: `modelspec.*`, kohya's `ss_*`, and the whole configuration.

The first are Stability's Model Metadata Standard 1.0.0, which programs show and some sort files by; the second are what
kohya's trainer writes, by which A1111 and others know a LoRA's base and its tags. `inkbloom.config` is the recipe as
JSON; of paths it has the names only, since files are given away.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.hashes import old_hash
from inkbloom.checkpoints.loading import file_hash
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.autoencoder.settings import AutoencoderSettings
from inkbloom.training.control import ControlNetSettings
from inkbloom.training.data.buckets import Buckets
from inkbloom.training.data.survey import Survey
from inkbloom.training.recipes import DiffusionRecipe, Recipe, as_config
from inkbloom.training.text_encoder import TextEncoderSettings

CONFIG_KEY = "inkbloom.config"

_ARCHITECTURE = "stable-diffusion-v1"
_SUFFIXES: dict[type, str] = {
    LoraSettings: "/lora",
    EmbeddingSettings: "/textual-inversion",
    HypernetworkSettings: "/hypernetwork",
    ControlNetSettings: "/controlnet",
    AutoencoderSettings: "/vae",
    TextEncoderSettings: "/text-encoder",
}
_LDM, _DIFFUSERS = "https://github.com/Stability-AI/generative-models", "diffusers"

_KOHYA = {
    "ss_learning_rate": "learning_rate",
    "ss_unet_lr": "learning_rate",
    "ss_text_encoder_lr": "text_learning_rate",
    "ss_optimizer": "optimizer",
    "ss_lr_scheduler": "schedule",
    "ss_lr_warmup_steps": "warmup_steps",
    "ss_max_grad_norm": "max_grad_norm",
    "ss_max_train_steps": "steps",
    "ss_num_epochs": "epochs",
    "ss_gradient_accumulation_steps": "accumulation",
    "ss_gradient_checkpointing": "gradient_checkpointing",
    "ss_seed": "seed",
    "ss_clip_skip": "clip_skip",
    "ss_noise_offset": "noise_offset",
    "ss_adaptive_noise_scale": "noise_offset_adaptive",
    "ss_multires_noise_iterations": "pyramid_noise_iterations",
    "ss_multires_noise_discount": "pyramid_noise_discount",
    "ss_ip_noise_gamma": "input_perturbation",
    "ss_zero_terminal_snr": "zero_terminal_snr",
    "ss_min_snr_gamma": "min_snr_gamma",
    "ss_debiased_estimation": "debiased_estimation",
    "ss_loss_type": "loss",
    "ss_huber_schedule": "huber_schedule",
    "ss_huber_c": "huber_c",
    "ss_prior_loss_weight": "prior_weight",
    "ss_scale_weight_norms": "scale_weight_norms",
}
"""kohya's names of our fields."""


def result_metadata(recipe: Recipe, model: LoadedModel | None, survey: Survey) -> dict[str, str]:
    """The metadata of what `recipe` made of `model`, None where it was from nothing, with the data of `survey`."""
    config = as_config(recipe)
    facts = _modelspec(recipe, model, survey) | survey.metadata()
    facts |= {kohya: str(config[ours]) for kohya, ours in _KOHYA.items() if config.get(ours) is not None}
    facts["ss_mixed_precision"] = {"fp32": "no"}.get(recipe.run.precision, recipe.run.precision)
    facts |= {"ss_v2": "False", "ss_base_model_version": "sd_v1", "ss_output_name": recipe.model.name}
    if model is not None:
        facts["ss_v_parameterization"] = str(model.spec.prediction == "v_prediction")
    facts |= _base(recipe.model.base)
    own = recipe.own
    if isinstance(own, LoraSettings) and not own.block_ranks:
        facts["ss_network_dim"] = str(own.rank)
        if not own.block_alphas:
            facts["ss_network_alpha"] = str(float(own.rank if own.alpha is None else own.alpha))
    return facts | {CONFIG_KEY: json.dumps(config, ensure_ascii=False)}


def _modelspec(recipe: Recipe, model: LoadedModel | None, survey: Survey) -> dict[str, str]:
    suffix = _SUFFIXES.get(type(recipe.own), "")
    width, height = Buckets(survey.settings, survey.sizes).resolution
    facts = {
        "sai_model_spec": "1.0.0",
        "architecture": _ARCHITECTURE + suffix,
        "implementation": _LDM if suffix in ("", "/textual-inversion", "/vae") else _DIFFUSERS,
        "implementation_version": f"inkbloom/{version('inkbloom')}",
        "title": recipe.model.name,
        "resolution": f"{width}x{height}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if model is not None:
        facts["prediction_type"] = {"v_prediction": "v"}.get(model.spec.prediction, model.spec.prediction)
    if isinstance(recipe, DiffusionRecipe):
        facts["encoder_layer"] = str(recipe.conditioning.clip_skip)
        if model is not None:
            timesteps = model.spec.noise_schedule.timesteps
            first, end = recipe.objective.timestep_range(timesteps)
            if (first, end) != (0, timesteps):
                facts["timestep_range"] = f"{first},{end - 1}"
        if isinstance(recipe.own, EmbeddingSettings):
            facts["trigger_phrase"] = ", ".join(recipe.own.trigger_words)
    return {f"modelspec.{name}": value for name, value in facts.items()}


def _base(path: Path | None) -> dict[str, str]:
    """By what name and hashes other programs know the model it began with."""
    if path is None:
        return {"ss_sd_model_name": "starter"}
    if path.is_dir():
        return {"ss_sd_model_name": path.name}
    hashes = {"ss_sd_model_hash": old_hash(path), "ss_new_sd_model_hash": file_hash(path)}
    return {"ss_sd_model_name": path.name} | hashes
