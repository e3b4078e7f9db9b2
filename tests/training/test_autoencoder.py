"""The autoencoder's objective against its formula, and that it learns."""

import copy

import numpy as np
import pytest
import torch

from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.training.autoencoder import AutoencoderJob, AutoencoderSettings, reconstruction_loss, to_image
from inkbloom.training.starter.scenes import render, sample_scenes

TINY = AutoencoderSpec(level_channels=(8, 8, 16, 16), num_blocks=1, norm_groups=4)


def test_reconstruction_loss_against_numpy() -> None:
    generator = torch.Generator().manual_seed(0)
    picture, target = torch.rand(2, 2, 3, 8, 8, generator=generator).unbind()
    error = (picture - target).double().numpy()
    expected = 2 * (error**2).mean()
    for _ in range(3):
        sides = np.abs(np.diff(error, axis=2)).mean() + np.abs(np.diff(error, axis=3)).mean()
        expected += (np.abs(error).mean() + sides) / 3
        height = error.shape[2] // 2
        error = error.reshape(2, 3, height, 2, height, 2).mean(axis=(3, 5))
    assert reconstruction_loss(picture, target).item() == pytest.approx(expected, rel=1e-5)
    assert reconstruction_loss(target, target).item() == 0.0


def test_pictures_become_images() -> None:
    assert to_image(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_it_learns_one_picture_and_the_state_goes_round() -> None:
    torch.manual_seed(0)
    pictures = render(sample_scenes(1, seed=0, held_out=False))
    settings = AutoencoderSettings(batch_size=2, crop=64, crop_grid=64)
    job = AutoencoderJob(AutoencoderKL(TINY), pictures, pictures, settings)
    before = job.evaluate()["psnr"]
    losses = [job.train_step(step, 4e-3)["loss"] for step in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert job.evaluate()["psnr"] > before + 3.0

    twin = AutoencoderJob(AutoencoderKL(TINY), pictures, pictures, settings)
    twin.load_state_dict(copy.deepcopy(job.state_dict()))
    assert twin.train_step(60, 1e-3) == job.train_step(60, 1e-3)
    assert torch.equal(twin.model.decoder.conv_out.weight, job.model.decoder.conv_out.weight)


def test_crops_start_on_the_grid() -> None:
    # A picture whose red value is its row and whose green value is its column.
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    picture = torch.stack([rows, columns, rows]).to(torch.uint8)[None]
    job = AutoencoderJob(AutoencoderKL(TINY), picture, picture, AutoencoderSettings(batch_size=64))
    crops = ((job._crops(torch.Generator().manual_seed(0)) + 1) * 127.5).round()
    corners = crops[:, :2, 0, 0]
    assert (corners % 8 == 0).all()
    assert len(corners.unique(dim=0)) > 20
    assert (crops[:, :2, -1, -1] - corners == 63).all()
