from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inkbloom import StableDiffusion
from inkbloom.checkpoints import LoadedModel, save_ldm
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.metadata import read_metadata
from inkbloom.pipelines.saving import save_picture
from inkbloom.pipelines.verification import load_like, paintable, verify
from inkbloom.sampling.registry import all_samplers

SAME = "It is the same, bit for bit."


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def paint(model: StableDiffusion, folder: Path, name: str = "a.png", **fields) -> list[Path]:
    result = model.generate("a dog", **{"seed": 7, "steps": 3} | fields)
    each = zip(result.images, result.requests, result.stages, strict=True)
    paths = (folder / f"{i}-{name}" for i in range(99))
    return [save_picture(image, paths, request, stages=stages) for image, request, stages in each]


@pytest.mark.parametrize("sampler", [sampler.name for sampler in all_samplers()])
def test_every_sampler_paints_the_same_picture_again(model: StableDiffusion, tmp_path: Path, sampler: str) -> None:
    (path,) = paint(model, tmp_path, sampler=sampler)
    verdict = verify(model, path)
    assert (verdict.same, verdict.explanation, verdict.notes) == (True, SAME, [])


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE", "DPM adaptive"])
def test_pictures_of_a_batch(model: StableDiffusion, tmp_path: Path, sampler: str) -> None:
    for path in paint(model, tmp_path, sampler=sampler, num_images=3, batch_size=2):
        assert verify(model, path).explanation == SAME


def test_each_kind_of_setting(model: StableDiffusion, tmp_path: Path) -> None:
    fields = {"negative_prompt": "rain", "schedule": "karras", "sigma_max": 10.0, "rho": 3.0, "clip_skip": 2}
    fields |= {"sampler": "Euler a", "sampler_options": {"eta": 0.5}, "noise_source": "nv", "eta_noise_seed_delta": 9}
    fields |= {"guidance_rescale": 0.5, "guidance_interval": (0.5, 8.0), "width": 128}
    assert verify(model, paint(model, tmp_path, **fields)[0]).explanation == SAME
    assert verify(model, paint(model, tmp_path, guidance_scale=1.0)[0]).explanation == SAME


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".avif"])
def test_lossy_copies(model: StableDiffusion, tmp_path: Path, ending: str) -> None:
    (path,) = paint(model, tmp_path, f"a{ending}")
    verdict = verify(model, path)
    assert verdict.explanation.startswith("It was made again bit for bit; the file is a lossy copy (")
    assert verdict.same


def test_a_picture_that_was_painted_over(model: StableDiffusion, tmp_path: Path) -> None:
    (path,) = paint(model, tmp_path)
    with Image.open(path) as file:
        notes = PngInfo()
        notes.add_text("inkbloom", file.info["inkbloom"])
        picture = file.copy()
    before = picture.getpixel((5, 5))
    picture.putpixel((5, 5), tuple((level + 10) % 256 if level < 240 else level - 10 for level in before))
    picture.save(path, pnginfo=notes)
    verdict = verify(model, path)
    assert not verdict.same
    assert verdict.explanation == (
        "It was made again bit for bit, but the file was changed since. The pixels differ by 10 of 255 at most, "
        f"{10 / 64 / 64:.3g} in the mean."
    )


@pytest.fixture(scope="module")
def parts(tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusion]:
    """Models that differ in one part from the tiny one, yet have its hash: as if a later version was computing them."""
    found = {}
    for part in ("text", "unet", "autoencoder"):
        path = tmp_path_factory.mktemp(part) / "tiny.safetensors"
        save_ldm(path, tiny_model)
        found[part] = StableDiffusion.load(path, device="cpu")
    with torch.no_grad():
        next(found["text"].text.parameters()).add_(0.1)
        found["unet"].unet.conv_out.bias.add_(0.1)
        found["autoencoder"].autoencoder.network.decoder.conv_out.bias.add_(0.1)
    return found


@pytest.mark.parametrize(
    ("part", "stage"),
    [("text", "conditioning"), ("unet", "latent after step 1"), ("autoencoder", "decode")],
)
def test_the_first_stage_that_differs(
    model: StableDiffusion, parts: dict[str, StableDiffusion], tmp_path: Path, part: str, stage: str
) -> None:
    (path,) = paint(model, tmp_path)
    verdict = verify(parts[part], path)
    assert not verdict.same
    assert verdict.explanation.startswith(f"The first stage that differs is: {stage}. The pixels differ by ")


def test_another_environment_is_told(model: StableDiffusion, tmp_path: Path) -> None:
    result = model.generate("a dog", seed=7, steps=2)
    other = result.stages[0].model_copy(
        update={"noise": "0" * 16, "made_with": result.stages[0].made_with | {"torch": "1.0", "threads": "99"}}
    )
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), result.requests[0], stages=other)
    verdict = verify(model, path)
    assert verdict.explanation.startswith("The first stage that differs is: initial noise.")
    assert verdict.notes == [
        f"It was painted with torch 1.0; now with {torch.__version__}.",
        f"It was painted with threads 99; now with {torch.get_num_threads()}.",
    ]


def test_another_model_is_refused(model: StableDiffusion, tmp_path: Path) -> None:
    result = model.generate("a dog", seed=7, steps=2)
    request = result.requests[0].model_copy(update={"model": "other", "model_hash": "aaaaaaaaaa"})
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), request)
    line = rf"It was painted with model other \(aaaaaaaaaa\); now with tiny \({model.hash}\)\. Load the one it was"
    with pytest.raises(RequestError, match=line):
        verify(model, path)


def test_foreign_pictures_are_compared_by_their_pixels(model: StableDiffusion, tmp_path: Path) -> None:
    result = model.generate("a dog", seed=7, steps=2, sampler="Euler")
    notes = PngInfo()
    notes.add_text("parameters", "a dog\nSteps: 2, Sampler: Euler, CFG scale: 7.5, Seed: 7, Size: 64x64, RNG: CPU")
    result.images[0].save(tmp_path / "a.png", pnginfo=notes)
    assert verify(model, tmp_path / "a.png").explanation == SAME
    Image.new("RGB", (32, 32)).save(tmp_path / "b.png", pnginfo=notes)
    assert verify(model, tmp_path / "b.png").explanation == (
        "The pixels differ, and the picture keeps no hashes of its stages. The file has 32 x 32 pixels, the new "
        "picture 64 x 64."
    )


def test_a_device_that_is_not_here_gives_way(model: StableDiffusion, tiny_file: Path, tmp_path: Path) -> None:
    result = model.generate("a dog", seed=7, steps=2)
    request = result.requests[0].model_copy(update={"device": "cuda:77"})
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), request, stages=result.stages[0])
    found = paintable(read_metadata(path))
    loaded = load_like(found, tiny_file)
    verdict = verify(loaded, path)
    if loaded.compute.device.type == "cpu":
        assert (verdict.same, verdict.notes) == (True, ["It was painted with device cuda:77; now with cpu."])


def test_without_a_prompt_there_is_nothing_to_paint(model: StableDiffusion, tmp_path: Path) -> None:
    result = model.generate("a dog", seed=7, steps=1)
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), result.requests[0], privacy="without-prompt")
    with pytest.raises(RequestError, match="saved without its prompt, so it cannot be painted again"):
        verify(model, path)
