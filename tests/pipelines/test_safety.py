"""The safety checker against diffusers' on the same random weights."""

import shutil
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image as PILImage
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.checkpoints.safety import load_safety_checker
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.pipelines.safety import Safety

SIDE = 32
IMAGES = torch.randn(24, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def theirs() -> StableDiffusionSafetyChecker:
    vision = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(projection_dim=16, vision_config=vision | {"image_size": SIDE, "patch_size": 8})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        checker = StableDiffusionSafetyChecker(config).eval()
        with torch.no_grad():
            for parameter in checker.vision_model.parameters():
                parameter *= 8  # or all pictures would look alike
            for part, share in (("concept", 0.97), ("special_care", 0.8)):
                embeds = getattr(checker, f"{part}_embeds").normal_()
                vectors = checker.visual_projection(checker.vision_model(IMAGES)[1])
                cosines = torch.nn.functional.cosine_similarity(vectors[:, None], embeds[None], dim=2)
                getattr(checker, f"{part}_embeds_weights").copy_(cosines.quantile(share, dim=0))
    return checker


@pytest.fixture(scope="module")
def folder(theirs: StableDiffusionSafetyChecker, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with the checker in it."""
    model = tmp_path_factory.mktemp("models") / "checked"
    shutil.copytree(tiny_folder, model)
    theirs.save_pretrained(model / "safety_checker")
    return model


def test_scores_and_verdicts_equal_diffusers(theirs: StableDiffusionSafetyChecker, folder: Path) -> None:
    ours = load_safety_checker(folder)
    with torch.no_grad():
        scores = ours(IMAGES)
        vectors = theirs.visual_projection(theirs.vision_model(IMAGES)[1])
        expected = torch.nn.functional.cosine_similarity(vectors[:, None], theirs.concept_embeds[None], dim=2)
        _, unsafe = theirs(IMAGES, torch.zeros(24, 4, 4, 3).numpy())
    found = (scores > 0).any(dim=1)
    assert found.tolist() == unsafe
    assert 0 < found.sum() < 24
    above = scores - (expected - theirs.concept_embeds_weights)
    assert (above.abs() < 6e-4).any()  # rounded to thousandths
    assert ((above - 0.01).abs() < 6e-4).any()  # and 0.01 more where special care is taken
    assert ((above.abs() < 6e-4) | ((above - 0.01).abs() < 6e-4)).all()


def test_the_names_of_older_files(theirs: StableDiffusionSafetyChecker, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "safety_checker", tmp_path / "safety_checker")
    path = tmp_path / "safety_checker/model.safetensors"
    renamed = {name.replace("vision_model.", "vision_model.vision_model."): t for name, t in load_file(path).items()}
    save_file(renamed, path)
    ours, older = (load_safety_checker(place).state_dict() for place in (folder, tmp_path))
    assert all(torch.equal(ours[name], older[name]) for name in ours)


def test_what_is_unsafe_becomes_black_and_is_told(folder: Path) -> None:
    model = StableDiffusion.load(folder, device="cpu")
    asked = {"prompt": "a dog", "seed": 0, "num_images": 6, "batch_size": 6, "steps": 1, "width": 64, "height": 64}
    plain = model.generate(**asked)
    checked = model.generate(**asked, safety_checker=True)
    found = Safety(folder, torch.device("cpu")).unsafe(plain.images)
    wanted = [PILImage.new("RGB", (64, 64)) if bad else one for one, bad in zip(plain.images, found, strict=True)]
    assert [one.tobytes() for one in checked.images] == [one.tobytes() for one in wanted]
    seeds = [seed for seed, bad in enumerate(found) if bad]
    assert checked.warnings == [f"The safety checker blackened the picture with seed {seed}." for seed in seeds]


def test_a_model_without_one_is_refused_before_painting(tiny_file: Path) -> None:
    model = StableDiffusion.load(tiny_file, device="cpu")
    with pytest.raises(RequestError) as error:
        model.resolve(GenerationRequest(prompt="a", safety_checker=True))
    assert str(error.value) == (
        'safety_checker: "tiny.safetensors" has none; only diffusers folders with a part safety_checker do.'
    )
    with pytest.raises(CheckpointError, match="has no safety checker"):
        load_safety_checker(tiny_file)


def test_a_watermark_is_asked_for_in_the_request(tiny_file: Path) -> None:
    from inkbloom.pipelines.watermark import MARK, read_watermark

    model = StableDiffusion.load(tiny_file, device="cpu")
    picture = model.generate("a dog", steps=1, width=256, height=256, watermark=True).images[0]
    assert read_watermark(picture) == MARK
    with pytest.raises(RequestError, match="64 x 64 pixels is too small to carry one"):
        model.resolve(GenerationRequest(prompt="a", watermark=True))
