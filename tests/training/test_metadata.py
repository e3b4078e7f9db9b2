"""What files say of themselves, for every kind of training."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.hashes import old_hash
from inkbloom.checkpoints.loading import file_hash
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.control import ControlNetSettings
from inkbloom.training.data.buckets import ModelSizes
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.data.survey import Survey, survey
from inkbloom.training.finetune import FinetuneSettings
from inkbloom.training.loop import RunSettings
from inkbloom.training.metadata import CONFIG_KEY, result_metadata
from inkbloom.training.objective import ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.recipes import AutoencoderRecipe, DiffusionRecipe, ModelSettings, TextEncoderRecipe


@pytest.fixture
def seen(tmp_path: Path) -> Survey:
    folder = tmp_path / "pictures" / "2_dog"
    folder.mkdir(parents=True)
    Image.effect_noise((64, 64), 50).convert("RGB").save(folder / "a.png")
    (folder / "a.txt").write_text("a dog, outside")
    return survey(DataSettings(data=(folder.parent,)), ModelSizes(default=64, downscale=8, step=16), seed=0)


KINDS: dict[str, Callable[..., Any]] = {
    "": lambda **fields: DiffusionRecipe(kind="diffusion", own=FinetuneSettings(), **fields),
    "/lora": lambda **fields: DiffusionRecipe(kind="lora", own=LoraSettings(), **fields),
    "/textual-inversion": lambda **fields: DiffusionRecipe(
        kind="embedding", own=EmbeddingSettings(trigger_words={"sks": 2, "style": 1}), **fields
    ),
    "/hypernetwork": lambda **fields: DiffusionRecipe(kind="hypernetwork", own=HypernetworkSettings(), **fields),
    "/controlnet": lambda **fields: DiffusionRecipe(kind="controlnet", own=ControlNetSettings(), **fields),
    "/vae": AutoencoderRecipe,
    "/text-encoder": TextEncoderRecipe,
}


@pytest.mark.parametrize("suffix", KINDS)
def test_every_kind_has_the_keys_that_the_standard_asks_for(seen: Survey, tiny_model: LoadedModel, suffix: str) -> None:
    recipe = KINDS[suffix](model=ModelSettings(name="my dog"))
    facts = result_metadata(recipe, tiny_model if isinstance(recipe, DiffusionRecipe) else None, seen)
    assert all(isinstance(value, str) for value in facts.values())
    assert facts["modelspec.sai_model_spec"] == "1.0.0"
    assert facts["modelspec.architecture"] == f"stable-diffusion-v1{suffix}"
    assert facts["modelspec.implementation"]
    assert facts["modelspec.title"] == facts["ss_output_name"] == "my dog"
    assert facts["modelspec.resolution"] == "64x64"
    assert datetime.fromisoformat(facts["modelspec.date"]).tzinfo is not None
    assert facts.get("modelspec.prediction_type") == ("epsilon" if isinstance(recipe, DiffusionRecipe) else None)
    assert json.loads(facts[CONFIG_KEY])["kind"] == recipe.kind


def test_a_lora_says_what_kohyas_do(seen: Survey, tiny_model: LoadedModel, tiny_file: Path) -> None:
    recipe = DiffusionRecipe(
        kind="lora",
        model=ModelSettings(base=tiny_file),
        own=LoraSettings(rank=8, alpha=4),
        objective=ObjectiveSettings(min_snr_gamma=5.0, noise_offset=0.1, min_timestep=200, max_timestep=600),
        optimizer=OptimizerSettings(optimizer="lion", learning_rate=2e-4, schedule="cosine"),
        run=RunSettings(steps=100, precision="bf16", seed=3),
    )
    facts = result_metadata(recipe, tiny_model, seen)
    expected = {
        "ss_v2": "False",
        "ss_base_model_version": "sd_v1",
        "ss_network_dim": "8",
        "ss_network_alpha": "4.0",
        "ss_learning_rate": "0.0002",
        "ss_optimizer": "lion",
        "ss_lr_scheduler": "cosine",
        "ss_max_train_steps": "100",
        "ss_mixed_precision": "bf16",
        "ss_seed": "3",
        "ss_min_snr_gamma": "5.0",
        "ss_noise_offset": "0.1",
        "ss_v_parameterization": "False",
        "ss_sd_model_name": tiny_file.name,
        "ss_sd_model_hash": old_hash(tiny_file),
        "ss_new_sd_model_hash": file_hash(tiny_file),
        "ss_num_train_images": "2",
        "ss_tag_frequency": '{"2_dog": {"a dog": 1, "outside": 1}}',
        "modelspec.timestep_range": "200,599",
        "modelspec.encoder_layer": "1",
    }
    assert {key: facts.get(key) for key in expected} == expected
    assert "ss_text_encoder_lr" not in facts
    assert "ss_num_epochs" not in facts


def test_ranks_by_block_are_left_to_the_file(seen: Survey, tiny_model: LoadedModel) -> None:
    own = LoraSettings(rank=8, block_ranks={"mid": 4})
    facts = result_metadata(DiffusionRecipe(kind="lora", own=own), tiny_model, seen)
    assert "ss_network_dim" not in facts
    assert "ss_network_alpha" not in facts


def test_trigger_words_and_v_prediction_are_told(seen: Survey, tiny_model: LoadedModel) -> None:
    model = replace(tiny_model, spec=replace(tiny_model.spec, prediction="v_prediction"))
    facts = result_metadata(KINDS["/textual-inversion"](), model, seen)
    assert facts["modelspec.trigger_phrase"] == "sks, style"
    assert facts["modelspec.prediction_type"] == "v"
    assert facts["ss_v_parameterization"] == "True"
    assert facts["ss_sd_model_name"] == "starter"


def test_the_configuration_is_whole_but_names_no_folder(seen: Survey, tiny_model: LoadedModel, tmp_path: Path) -> None:
    base = tmp_path / "model"
    base.mkdir()
    recipe = DiffusionRecipe(
        kind="lora",
        own=LoraSettings(),
        model=ModelSettings(base=base, output=tmp_path / "runs" / "dog"),
        data=DataSettings(data=(tmp_path / "pictures",)),
    )
    facts = result_metadata(recipe, tiny_model, seen)
    assert str(tmp_path) not in str(facts)
    config = json.loads(facts[CONFIG_KEY])
    assert (config["base"], config["output"], config["data"]) == ("model", "dog", ["pictures"])
    assert (config["rank"], config["seed"], config["betas"]) == (16, 0, None)
    assert facts["ss_sd_model_name"] == "model"
    assert "ss_sd_model_hash" not in facts
