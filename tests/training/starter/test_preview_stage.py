from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.checkpoints.tiny_autoencoders import load_tiny_decoder
from inkbloom.families import starter
from inkbloom.models.tiny_autoencoder import TinySpec
from inkbloom.training.loop import Budget, Progress
from inkbloom.training.starter.preview_stage import Decoded, decoded_scenes, fit_colors, train_previews

SPEC = TinySpec(channels=8, blocks=(1, 0, 0, 0))


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load(starter.FOLDER, components=("autoencoder",), dtype=torch.float32)


def test_it_learns_and_goes_on(model: LoadedModel, tmp_path: Path) -> None:
    told: list[Progress] = []

    def train(steps: int) -> Path:
        return train_previews(
            model, tmp_path, Budget(steps=steps), spec=SPEC, num_scenes=8, num_held_out=2, on_progress=told.append
        )

    train(2)
    early = told[-1].metrics["psnr_scenes"]
    path = train(30)
    assert told[-1].step == 30
    assert told[-1].metrics["psnr_scenes"] > early + 1
    assert load_tiny_decoder(path).spec == SPEC


def test_scenes_are_softened_as_asked(model: LoadedModel) -> None:
    plain, some, all_soft = (decoded_scenes(model, 6, soft=soft, seed=4) for soft in (0.0, 0.5, 1.0))
    kept = [torch.equal(a, b) for a, b in zip(plain.latents, some.latents, strict=True)]
    assert 0 < sum(kept) < 6
    assert not any(torch.equal(a, b) for a, b in zip(plain.latents, all_soft.latents, strict=True))
    # and the pictures are those of the latents
    assert model.autoencoder is not None
    with torch.no_grad():
        again = model.autoencoder.decode(all_soft.latents / model.spec.latent_scale).clamp(-1, 1)
    assert ((again + 1) * 127.5 - all_soft.pictures).abs().max() < 0.51


def test_the_matrix_is_found_again() -> None:
    torch.manual_seed(0)
    colors, bias, latents = 0.1 * torch.randn(4, 3), 0.1 * torch.randn(3), torch.randn(16, 4, 8, 8)
    points = torch.einsum("bchw,cr->brhw", latents, colors) + bias[:, None, None]
    pixels = points.clamp(-1, 1).repeat_interleave(8, 2).repeat_interleave(8, 3)
    pictures = ((pixels + 1) * 127.5).round().to(torch.uint8)
    found = fit_colors(Decoded(latents=latents, pictures=pictures))
    torch.testing.assert_close(found, torch.cat([colors, bias[None]]), atol=1e-3, rtol=0)
