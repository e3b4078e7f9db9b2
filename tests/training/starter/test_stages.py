"""The stages of the starter, a few steps each: they learn, go on where they stopped, and make a model that opens."""

import dataclasses
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import load
from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.families.starter import STARTER, STARTER_FULL
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.models.unet import UNet
from inkbloom.training.starter import autoencoder_stage, diffusion_stage, text_stage
from inkbloom.training.starter.catalogue import (
    ARRANGEMENTS,
    COLOR_NAMES,
    EDITIONS,
    OBJECT_NAMES,
    PLACE_NAMES,
    SIZES,
    STYLE_NAMES,
)
from inkbloom.training.starter.diffusion_stage import object_weights, train_tokenizer
from inkbloom.training.starter.pieces import join
from inkbloom.training.starter.scenes import Placement, Scene
from inkbloom.training.starter.text_stage import NONE, TextJob, questions
from inkbloom.training.starter.train import train_starter

CPU = torch.device("cpu")
SMALL = EDITIONS["small"]
DOG, CAT, FOX = (OBJECT_NAMES.index(name) for name in ("dog", "cat", "fox"))
NOBODY = len(SMALL.objects)
STYLELESS = len(STYLE_NAMES)


def arranged(name: str, *objects: int) -> tuple[Placement, ...]:
    return tuple(Placement(o, "normal", spot) for o, spot in zip(objects, ARRANGEMENTS[name], strict=True))


def answers(scene: Scene) -> list[int]:
    return [question.answer(scene) for question in questions(SMALL)]


def test_the_questions_about_a_caption() -> None:
    beach, sea = PLACE_NAMES.index("beach"), PLACE_NAMES.index("sea")
    normal, big = list(SIZES).index("normal"), list(SIZES).index("big")
    pair = Scene("beach", None, arranged("pair", DOG, CAT), seed=0)
    assert answers(pair) == [beach, NONE, STYLELESS, normal, DOG, NOBODY, CAT, NOBODY, NOBODY]
    stack = Scene("beach", None, arranged("stack", DOG, CAT), seed=0, style="neon")
    neon = STYLE_NAMES.index("neon")
    assert answers(stack) == [beach, NONE, neon, normal, NOBODY, NOBODY, NOBODY, DOG, CAT]
    row = Scene("beach", None, arranged("row", FOX, FOX, FOX), seed=0)
    assert answers(row) == [beach, NONE, STYLELESS, normal, FOX, FOX, FOX, NOBODY, NOBODY]
    big_dog = Scene("plain", "blue", (Placement(DOG, "big", "center"),), seed=0)
    plain, blue = PLACE_NAMES.index("plain"), COLOR_NAMES.index("blue")
    assert answers(big_dog) == [plain, blue, STYLELESS, big, NOBODY, DOG, NOBODY, NOBODY, NOBODY]
    assert answers(Scene("sea", None, (), seed=0)) == [sea, NONE, STYLELESS, NONE] + [NOBODY] * 5


@pytest.mark.parametrize("side", [16, 32])
def test_object_weights_cover_the_boxes(side: int) -> None:
    pair = Scene("beach", None, arranged("pair", DOG, CAT), seed=0)
    weights = object_weights([pair, Scene("sea", None, (), seed=0)], side)
    assert weights.shape == (2, 1, side, side)
    assert weights.mean().item() == pytest.approx(1)
    heavy = torch.isclose(weights, diffusion_stage.OBJECT_WEIGHT * weights.min())
    assert heavy[0].sum() == heavy.sum() == 2 * (side // 2) ** 2
    assert torch.isclose(weights[~heavy], weights.min()).all()


def test_the_full_editions_networks_fit_a_gpus_half_hour() -> None:
    """Counted without memory: 112 M parameters, most of them the U-Net's, so 224 MB in float16."""
    with torch.device("meta"):
        parts = {
            "unet": UNet(STARTER_FULL.unet),
            "autoencoder": AutoencoderKL(STARTER_FULL.autoencoder),
            "text": ClipText(STARTER_FULL.text),
        }
    counts = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in parts.items()}
    assert counts == pytest.approx({"unet": 96.85, "autoencoder": 10.85, "text": 4.23}, rel=0.01)


def test_the_text_encoder_learns_what_captions_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusion_stage, "NUM_CAPTIONS", 2_000)
    monkeypatch.setattr(text_stage, "NUM_SCENES", 2_000)
    torch.manual_seed(0)
    spec = ClipTextSpec(width=64, num_layers=1, num_heads=1, vocab_size=1280)
    job = TextJob(ClipText(spec), train_tokenizer(spec.vocab_size, SMALL), SMALL, batch_size=32)
    losses = [job.train_step(step, 5e-3)["loss"] for step in range(120)]
    assert sum(losses[-5:]) / 5 < 0.7 * losses[0]
    assert 0 <= job.evaluate()["understood"] <= 1


@pytest.fixture
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in (autoencoder_stage, diffusion_stage, text_stage):
        monkeypatch.setattr(stage, "NUM_HELD_OUT", 4)
    monkeypatch.setattr(autoencoder_stage, "NUM_PICTURES", 8)
    monkeypatch.setattr(diffusion_stage, "NUM_CAPTIONS", 2_000)
    monkeypatch.setattr(text_stage, "NUM_SCENES", 64)
    monkeypatch.setitem(EDITIONS, "small", dataclasses.replace(SMALL, num_scenes=8, batch_size=4))


@pytest.mark.usefixtures("few_scenes")
def test_all_of_it_from_nothing_and_again_and_on(tmp_path: Path) -> None:
    model = train_starter(tmp_path / "first", steps=2, piece_megabytes=16, device=CPU)
    opened = load(tmp_path / "first" / "model")
    assert opened.spec == model.spec
    assert opened.spec.family == STARTER.family
    torch.testing.assert_close(opened.unet.conv_in.weight.float(), model.unet.conv_in.weight, atol=1e-3, rtol=1e-3)
    assert all(piece.stat().st_size <= 2**24 for piece in (tmp_path / "first" / "pieces").iterdir())
    join(tmp_path / "first" / "pieces", tmp_path / "joined")
    assert load(tmp_path / "joined").spec == opened.spec

    again = train_starter(tmp_path / "first", steps=2, device=CPU)
    assert torch.equal(again.unet.conv_in.weight, model.unet.conv_in.weight)

    # Two steps of warm-up move nothing far.
    on = train_starter(tmp_path / "on", steps=2, init=tmp_path / "first" / "model", known_objects=36, device=CPU)
    torch.testing.assert_close(on.unet.conv_in.weight, model.unet.conv_in.weight, atol=1e-3, rtol=1e-3)
    assert on.tokenizer.encode("a red fox") == model.tokenizer.encode("a red fox")


def test_what_cannot_be_trained_is_said(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"^minutes is 0; it must be above 0\.$"):
        train_starter(tmp_path, minutes=0, device=CPU)
    with pytest.raises(TrainingError, match=r"^steps is 0; it must be at least 1\.$"):
        train_starter(tmp_path, steps=0, device=CPU)
    with pytest.raises(TrainingError, match=r"^known_objects is -1; it must be at least 0\.$"):
        train_starter(tmp_path, steps=1, known_objects=-1, device=CPU)
    with pytest.raises(TrainingError, match=r"^The size of pieces is 0 MB; it must be at least 1\.$"):
        train_starter(tmp_path, steps=1, piece_megabytes=0, device=CPU)
    with pytest.raises(RequestError, match=r'^Unknown edition "full2"\. Did you mean "full".*\?$'):
        train_starter(tmp_path, edition="full2", steps=1, device=CPU)
    with pytest.raises(
        RequestError, match=r"tiny cannot be trained on as this edition of the starter: its text has .*\.$"
    ):
        train_starter(tmp_path, steps=1, init=tiny_folder, device=CPU)
