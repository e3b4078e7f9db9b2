import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.checkpoints import LoadedModel, file_hash
from inkbloom.checkpoints.autoencoders import save_autoencoder
from inkbloom.core.errors import CheckpointError, InkbloomError, MemoryNeededError, RequestError, Stopped
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.pipelines.stable_diffusion import Progress
from inkbloom.sampling.registry import all_samplers


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def test_the_same_request_gives_the_same_picture(model: StableDiffusion) -> None:
    first, second = (model.generate("a dog", seed=7) for _ in range(2))
    assert first.images[0].size == (64, 64)
    assert first.images[0].mode == "RGB"
    assert torch.equal(first.latents, second.latents)
    assert first.images[0].tobytes() == second.images[0].tobytes()
    assert not torch.equal(first.latents, model.generate("a dog", seed=8).latents)
    assert not torch.equal(first.latents, model.generate("a cat", seed=7).latents)


def test_files_and_folders_give_the_same_picture(model: StableDiffusion, tiny_folder: Path) -> None:
    folder = StableDiffusion.load(tiny_folder, device="cpu")
    assert torch.equal(folder.generate("a dog", seed=7).latents, model.generate("a dog", seed=7).latents)


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ SDE"])
def test_a_picture_does_not_depend_on_its_batch(model: StableDiffusion, sampler: str) -> None:
    settings = {"sampler": sampler, "steps": 3}
    batch = model.generate("a dog", seed=5, num_images=3, batch_size=2, **settings)
    assert batch.seeds == [5, 6, 7]
    for i, seed in enumerate(batch.seeds):
        alone = model.generate("a dog", seed=seed, **settings)
        assert (alone.latents[0] - batch.latents[i]).norm() / alone.latents.norm() < 1e-5
        assert batch.requests[i].model_dump(exclude={"batch_size"}) == alone.request.model_dump(exclude={"batch_size"})


def test_the_result_can_be_painted_again_from_its_json(model: StableDiffusion) -> None:
    result = model.generate("a dog", sampler="Euler a")
    again = model.generate(GenerationRequest.from_json(result.request.model_dump_json()))
    assert torch.equal(again.latents, result.latents)
    assert again.request == result.request


def test_provenance(model: StableDiffusion, tiny_file: Path) -> None:
    request = model.generate("a dog", steps=1).request
    assert (request.model, request.model_hash) == ("tiny", file_hash(tiny_file)[:10])
    assert (request.device, request.dtype) == ("cpu", "float32")


def test_compvis_ddim(model: StableDiffusion) -> None:
    """CompVis's formula in its own variance-preserving frame, in NumPy float64, written out (their ddim.py, eta 0)."""
    result = model.generate("a dog", negative_prompt="rain", seed=7, steps=5, guidance_scale=7.5)
    betas = np.linspace(math.sqrt(0.00085), math.sqrt(0.012), 1000) ** 2
    alphas = np.cumprod(1 - betas)
    steps = np.arange(0, 1000, 200) + 1
    previous = np.concatenate([alphas[:1], alphas[steps[:-1]]])
    tokens = model.tokenizer.encode_padded(["rain", "a dog"]).ids
    with torch.no_grad():
        context = model.text(tokens)
        x = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(7))[None].double()
        for t, alpha_previous in zip(steps[::-1], previous[::-1], strict=True):
            uncond, cond = model.unet(x.float().repeat(2, 1, 1, 1), torch.tensor([t, t]), context).double().chunk(2)
            eps = uncond + 7.5 * (cond - uncond)
            x0 = (x - math.sqrt(1 - alphas[t]) * eps) / math.sqrt(alphas[t])
            x = math.sqrt(alpha_previous) * x0 + math.sqrt(1 - alpha_previous) * eps
    assert (result.latents - x).norm() / x.norm() < 1e-5


def test_guidance_1_ignores_the_negative_prompt(model: StableDiffusion) -> None:
    latents = [
        model.generate("a dog", negative_prompt=text, seed=7, guidance_scale=1.0, steps=2).latents
        for text in ("", "rain")
    ]
    assert torch.equal(*latents)


@pytest.mark.parametrize(
    "fields",
    [
        {"guidance_rescale": 0.7},
        {"guidance_interval": (0.5, 5.0)},
        {"clip_skip": 2},
        {"noise_source": "nv"},
        {"sampler_options": {"eta": 1.0}},
        {"schedule": "karras"},
        {"schedule": "karras", "sigma_max": 10.0},
        {"schedule": "karras", "rho": 3.0},
        {"sampler_options": {"eta": 1.0}, "eta_noise_seed_delta": 31337},
        {"negative_prompt": "rain"},
        {"width": 128},
    ],
    ids=str,
)
def test_each_field_counts(model: StableDiffusion, fields: dict) -> None:
    less = {name: value for name, value in fields.items() if name != list(fields)[-1]}
    with_field, without = (model.generate("a dog", seed=7, steps=3, **given).latents for given in (fields, less))
    assert with_field.shape != without.shape or not torch.allclose(with_field, without, atol=1e-3)


@pytest.mark.parametrize("sampler", [sampler.name for sampler in all_samplers()])
def test_every_sampler_paints(model: StableDiffusion, sampler: str) -> None:
    result = model.generate("a dog", seed=7, steps=2, sampler=sampler)
    assert result.latents.isfinite().all()


def test_progress(model: StableDiffusion) -> None:
    seen: list[Progress] = []
    model.generate("a dog", seed=7, steps=3, sampler="Euler", num_images=3, batch_size=2, on_progress=seen.append)
    assert [(p.step, p.total, p.first, p.num_images) for p in seen] == [
        (step, 3, first, 3) for first in (0, 2) for step in (1, 2, 3)
    ]
    assert [len(p.denoised) for p in seen] == [2, 2, 2, 1, 1, 1]
    assert seen[2].sigma == 0
    assert seen[0].sigma > seen[1].sigma


def test_stopping_keeps_what_was_finished(model: StableDiffusion) -> None:
    def stop(progress: Progress) -> None:
        if progress.first == 2:
            raise Stopped

    result = model.generate("a dog", seed=7, steps=2, num_images=4, batch_size=2, on_progress=stop)
    assert result.stopped
    assert (len(result.images), len(result.latents), result.seeds) == (2, 2, [7, 8])

    def stop_at_once(progress: Progress) -> None:
        raise Stopped

    result = model.generate("a dog", on_progress=stop_at_once)
    assert result.stopped
    assert (result.images, result.latents.shape) == ([], (0, 4, 8, 8))


def test_different_prompts_in_one_batch(model: StableDiffusion) -> None:
    dog, cat = (model.resolve(GenerationRequest(prompt=text, seed=7)) for text in ("a dog", "a cat"))
    both = model.paint([dog, cat])
    for request, latent in zip((dog, cat), both.latents, strict=True):
        alone = model.paint([request]).latents[0]
        assert (alone - latent).norm() / alone.norm() < 1e-5
    with pytest.raises(RequestError, match="The pictures of a batch must agree in steps"):
        model.paint([dog, cat.model_copy(update={"steps": 9})])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "other"}, 'model "other": the loaded model has "tiny"; load the one you mean.'),
        ({"model_hash": "0" * 10}, 'model_hash "0000000000": the loaded model has'),
        ({"dtype": "float16"}, 'dtype "float16": the loaded model has "float32"'),
        ({"device": "tpu"}, 'Device "tpu" is not on this machine'),
        ({"sampler": "DDIM", "steps": 2000}, 'Schedule "leading" has no 2000 different noise levels'),
        ({"rho": 3.0}, 'Schedule "leading" takes no rho'),
    ],
)
def test_requests_that_this_model_refuses(model: StableDiffusion, fields: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        model.generate("a dog", **fields)
    assert str(caught.value).startswith(message)


def test_a_request_and_fields_together_are_refused(model: StableDiffusion) -> None:
    with pytest.raises(RequestError, match="Give a request or fields, not both; beside the request came steps"):
        model.generate(GenerationRequest(prompt="a dog"), steps=3)


def test_too_large_for_memory(model: StableDiffusion) -> None:
    with pytest.raises(MemoryNeededError, match="Painting 1024 of 8192 x 8192 pixels at once needs at least"):
        model.generate("a dog", width=8192, height=8192, num_images=1024, batch_size=1024)


def test_numbers_that_are_not_finite_are_told(tiny_file: Path) -> None:
    model = StableDiffusion.load(tiny_file, device="cpu")
    with torch.no_grad():
        model.unet.conv_out.bias.fill_(torch.nan)
    with pytest.raises(InkbloomError, match="Sampling with DDIM in float32 gave numbers that are not finite; try"):
        model.generate("a dog", steps=1)


def test_half_precision(tiny_file: Path, model: StableDiffusion) -> None:
    half = StableDiffusion.load(tiny_file, device="cpu", dtype="bfloat16")
    assert half.unet.conv_in.weight.dtype is torch.bfloat16
    result = half.generate("a dog", seed=7, guidance_scale=1.0)
    assert result.latents.dtype is torch.float32
    error = (result.latents - model.generate("a dog", seed=7, guidance_scale=1.0).latents).std() / result.latents.std()
    assert error < 0.05


def test_a_model_for_an_unknown_purpose(model: StableDiffusion) -> None:
    wide = copy.copy(model)
    wide.spec = dataclasses.replace(wide.spec, unet=dataclasses.replace(wide.spec.unet, in_channels=7))
    with pytest.raises(RequestError, match=r'Model "tiny" reads 7 channels beside a latent\'s 4; what they are is not'):
        wide.generate("a dog")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        StableDiffusion.load(tmp_path / "model.safetensors")


class TestAnotherAutoencoder:
    @pytest.fixture
    def library(self, tiny_model: LoadedModel, tmp_path: Path) -> Path:
        """A models folder with an autoencoder that makes pictures darker."""
        (tmp_path / "VAE").mkdir()
        assert tiny_model.autoencoder is not None
        other = copy.deepcopy(tiny_model.autoencoder)
        with torch.no_grad():
            other.decoder.conv_out.bias -= 0.5
        save_autoencoder(tmp_path / "VAE" / "dark.safetensors", other, latent_scale=0.5, size=64)
        return tmp_path

    def test_by_name(self, tiny_file: Path, library: Path, model: StableDiffusion) -> None:
        swapped = StableDiffusion.load(tiny_file, device="cpu", vae="dark", library=library)
        dark, own = (each.generate("a dog", seed=7, steps=2) for each in (swapped, model))
        assert torch.equal(dark.latents, own.latents)  # the scale is the model's, whatever the file says
        mean = [np.asarray(result.images[0], float).mean() for result in (dark, own)]
        assert mean[1] - mean[0] > 30
        assert (dark.request.vae, own.request.vae) == ("dark.safetensors", None)
        assert dark.request.vae_hash == file_hash(library / "VAE" / "dark.safetensors")[:10]

    def test_by_file(self, tiny_file: Path, library: Path) -> None:
        loaded = StableDiffusion.load(tiny_file, device="cpu", vae=library / "VAE" / "dark.safetensors")
        assert loaded.vae == library / "VAE" / "dark.safetensors"

    def test_unknown(self, tiny_file: Path, library: Path) -> None:
        with pytest.raises(CheckpointError, match=r"drak.*dark"):
            StableDiffusion.load(tiny_file, device="cpu", vae="drak", library=library)
        with pytest.raises(CheckpointError, match='There is no autoencoder "drak"'):
            StableDiffusion.load(tiny_file, device="cpu", vae="drak")

    def test_of_another_family(self, tiny_file: Path, tmp_path: Path) -> None:
        wide = AutoencoderKL(AutoencoderSpec(level_channels=(32, 32), num_blocks=1))
        save_autoencoder(tmp_path / "wide.safetensors", wide, latent_scale=1.0, size=64)
        with pytest.raises(CheckpointError, match="4 channels at 1/2 of the size, the model's 4 at 1/8"):
            StableDiffusion.load(tiny_file, device="cpu", vae=tmp_path / "wide.safetensors")
