"""The stages of the starter, a few steps each: they learn, go on where they stopped, and make a model that opens."""

from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import load
from inkbloom.core.errors import TrainingError
from inkbloom.families.starter import STARTER
from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.training.starter import autoencoder_stage, diffusion_stage, text_stage
from inkbloom.training.starter.catalogue import COLOR_NAMES, OBJECT_NAMES, OBJECTS, PLACE_NAMES, SIZES
from inkbloom.training.starter.diffusion_stage import object_weights, train_tokenizer
from inkbloom.training.starter.scenes import Placement, Scene
from inkbloom.training.starter.text_stage import NONE, QUESTIONS, TextJob
from inkbloom.training.starter.train import train_starter

DOG, CAT = OBJECT_NAMES.index("dog"), OBJECT_NAMES.index("cat")
NOBODY = len(OBJECTS)


def answers(scene: Scene) -> list[int]:
    return [question.answer(scene) for question in QUESTIONS]


def test_the_questions_about_a_caption() -> None:
    pair = Scene("beach", None, (Placement(DOG, "normal", "left"), Placement(CAT, "normal", "right")), seed=0)
    normal, big = list(SIZES).index("normal"), list(SIZES).index("big")
    assert answers(pair) == [PLACE_NAMES.index("beach"), NONE, normal, DOG, NOBODY, CAT]
    big_dog = Scene("plain", "blue", (Placement(DOG, "big", "center"),), seed=0)
    assert answers(big_dog) == [PLACE_NAMES.index("plain"), COLOR_NAMES.index("blue"), big, NOBODY, DOG, NOBODY]
    assert answers(Scene("sea", None, (), seed=0)) == [PLACE_NAMES.index("sea"), NONE, NONE, NOBODY, NOBODY, NOBODY]


def test_object_weights_cover_the_boxes() -> None:
    pair = Scene("beach", None, (Placement(DOG, "normal", "left"), Placement(CAT, "normal", "right")), seed=0)
    weights = object_weights([pair, Scene("sea", None, (), seed=0)], downscale=8)
    assert weights.shape == (2, 1, 16, 16)
    assert (weights[0] == diffusion_stage.OBJECT_WEIGHT).sum() == 2 * 8 * 8
    assert (weights[1] == 1).all()


def test_the_text_encoder_learns_what_captions_show() -> None:
    torch.manual_seed(0)
    spec = ClipTextSpec(width=64, num_layers=1, num_heads=1, vocab_size=1280)
    job = TextJob(ClipText(spec), train_tokenizer(spec.vocab_size), batch_size=32)
    losses = [job.train_step(step, 5e-3)["loss"] for step in range(120)]
    assert sum(losses[-5:]) / 5 < 0.7 * losses[0]
    assert 0 <= job.evaluate()["understood"] <= 1


def test_all_of_it_from_nothing_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in (autoencoder_stage, diffusion_stage, text_stage):
        monkeypatch.setattr(stage, "NUM_HELD_OUT", 4)
    monkeypatch.setattr(autoencoder_stage, "NUM_PICTURES", 8)
    monkeypatch.setattr(diffusion_stage, "NUM_SCENES", 8)
    monkeypatch.setattr(text_stage, "NUM_SCENES", 64)

    model = train_starter(tmp_path, steps=2, device=torch.device("cpu"))
    opened = load(tmp_path / "model")
    assert opened.spec == model.spec
    assert opened.spec.family == STARTER.family
    torch.testing.assert_close(opened.unet.conv_in.weight.float(), model.unet.conv_in.weight, atol=1e-3, rtol=1e-3)

    again = train_starter(tmp_path, steps=2, device=torch.device("cpu"))
    assert torch.equal(again.unet.conv_in.weight, model.unet.conv_in.weight)

    with pytest.raises(TrainingError, match=r"^minutes is 0; it must be above 0\.$"):
        train_starter(tmp_path, minutes=0, device=torch.device("cpu"))
    with pytest.raises(TrainingError, match=r"^steps is 0; it must be at least 1\.$"):
        train_starter(tmp_path, steps=0, device=torch.device("cpu"))
