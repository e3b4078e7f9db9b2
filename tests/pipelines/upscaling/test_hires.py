import pytest
import torch

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.core.rng import ImageNoise
from inkbloom.pipelines.metadata.a1111 import infotext, read_infotext
from inkbloom.pipelines.metadata.own import without_prompt
from inkbloom.pipelines.upscaling.hires import resize_latents
from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS, HiresPass, TiledDiffusion


@pytest.fixture(scope="module")
def model(tiny_file) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu", dtype="float32")


BASE = {"prompt": "a cat", "steps": 3, "seed": 7, "width": 64, "height": 64, "sampler": "Euler", "guidance_scale": 2.0}


def test_sizes_are_a1111s() -> None:
    assert HiresPass(scale=1.5).size(64, 96) == (96, 144)
    assert HiresPass(scale=1.1).size(128, 128) == (136, 136)
    assert HiresPass(width=128).size(64, 96) == (128, 192)
    assert HiresPass(height=192).size(64, 96) == (128, 192)
    both = HiresPass(width=256, height=128)
    assert (both.enlarged(64, 96), both.size(64, 96)) == ((256, 384), (256, 128))


@pytest.mark.parametrize("upscaler", LATENT_UPSCALERS)
def test_second_pass_is_img2img_from_the_same_seeds(model: StableDiffusion, upscaler: str) -> None:
    hires = HiresPass(scale=1.5, upscaler=upscaler, steps=2, strength=0.6)
    result = model.generate(GenerationRequest(**BASE, hires=hires, num_images=2, batch_size=2))
    assert [image.size for image in result.images] == [(96, 96)] * 2
    first = model.generate(GenerationRequest(**BASE, num_images=2, batch_size=2))
    # By hand: noise of the same seeds in the new size at the sigma that 2 of int(2 / 0.6) steps leave, then Euler
    begin = resize_latents(first.latents, upscaler, (12, 12), (12, 12))
    resolved = model.resolve(GenerationRequest(**{**BASE, "steps": 3}))
    sigmas = model.painter.sigmas(resolved)[-3:]
    x = begin + sigmas[0].item() * ImageNoise([7, 8], (4, 12, 12)).initial()
    reads = [model.prompts.read(resolved)] * 2
    guidance = model.painter._guide(resolved, model.prompts.encode(reads), None, sigmas, {})
    for sigma, following in zip(sigmas.tolist(), sigmas.tolist()[1:], strict=False):
        denoised = guidance(x, sigma)
        x = denoised + (x - denoised) * (following / sigma)
    torch.testing.assert_close(result.latents, x, atol=1e-4, rtol=1e-4)


def test_everything_of_the_second_pass_may_be_its_own(model: StableDiffusion) -> None:
    told: list[tuple[int, int | None]] = []
    hires = HiresPass(
        width=128,
        height=96,
        upscaler="Lanczos",
        steps=2,
        sampler="Euler a",
        prompt="a dog",
        negative_prompt="rain",
        guidance_scale=1.0,
        schedule="karras",
    )
    request = GenerationRequest(**BASE, hires=hires)
    result = model.generate(request, on_progress=lambda p: told.append((p.step, p.total)))
    assert result.images[0].size == (128, 96)
    assert told == [(i, 5) for i in range(1, 6)]
    assert model.num_steps(result.request) == 5
    assert sorted(result.stages[0].steps) == [1, 2, 3, 4, 5]
    assert result.request.hires == hires
    again = model.generate(GenerationRequest(**dict(result.requests[0])))
    assert again.stages == result.stages
    (left,) = (read_infotext(infotext(result.requests[0])),)
    assert left is not None
    assert left.request is not None
    assert left.request.hires == hires
    assert left.warnings == []
    assert "a dog" not in without_prompt(result.requests[0])
    assert "rain" not in without_prompt(result.requests[0])


def test_a1111s_text() -> None:
    text = (
        "a cat\nSteps: 25, Sampler: Euler a, CFG scale: 5, Seed: 1, Size: 832x1200, Denoising strength: 0.4, "
        "Hires upscale: 1.5, Hires steps: 14, Hires upscaler: 4x-UltraSharp"
    )
    found = read_infotext(text)
    assert found is not None
    assert found.request is not None
    assert found.request.hires == HiresPass(scale=1.5, steps=14, upscaler="4x-UltraSharp", strength=0.4)
    assert found.request.strength is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"upscaler": "Latent (cubic)"}, 'hires upscaler "Latent (cubic)" is unknown. Did you mean "Latent (bicubic)"'),
        ({"scale": 0.5}, "hires scale 0.5 must be greater than or equal to 1."),
        ({"strenght": 0.5}, 'hires has no field "strenght". Did you mean "strength"'),
        ({"upscaler": "Lanczoz"}, 'Unknown upscaler "Lanczoz". Did you mean "Lanczos"?'),
        ({"sampler": "Euler q"}, 'Unknown sampler "Euler q".'),
        ({"scale": 8, "width": 60}, "hires width 60 must be a multiple of 8."),
    ],
)
def test_bad_input(model: StableDiffusion, fields: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        model.resolve(GenerationRequest(**BASE, hires=fields))
    assert str(caught.value).startswith(message)


def test_tiled_diffusion_of_one_window_is_the_plain_picture(model: StableDiffusion) -> None:
    plain = model.generate(GenerationRequest(**BASE))
    tiled = model.generate(GenerationRequest(**BASE, tiled_diffusion=TiledDiffusion()))
    torch.testing.assert_close(tiled.latents, plain.latents, atol=1e-5, rtol=1e-5)
    large = model.generate(GenerationRequest(**BASE | {"width": 96}, tiled_diffusion={"method": "mixture"}, tiling="x"))
    assert large.images[0].size == (96, 64)
    assert large.latents.isfinite().all()


def test_tiled_diffusion_refuses_what_it_cannot_do(tmp_path) -> None:
    with pytest.raises(RequestError, match="size 100 must be a multiple of 8"):
        TiledDiffusion(size=100)
    control = {"model": "reference_only", "image": str(tmp_path / "a.png")}
    with pytest.raises(RequestError, match="tiled_diffusion: controls see the picture whole"):
        GenerationRequest(prompt="a", controls=[control], tiled_diffusion={})
    with pytest.raises(RequestError, match="hires: a second pass goes over what the first one painted"):
        GenerationRequest(prompt="a", init_image="a.png", hires={})
