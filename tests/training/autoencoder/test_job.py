"""The job as a whole: it learns, with and without an adversary; its state goes round exactly; its result opens."""

import copy
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors import safe_open

from inkbloom.checkpoints import load
from inkbloom.checkpoints.autoencoders import load_vq
from inkbloom.core.errors import TrainingError
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.models.vq import VQModel, VQSpec
from inkbloom.training.autoencoder import AutoencoderJob, AutoencoderSettings, Crops, to_image, whole
from inkbloom.training.loop import RunSettings
from inkbloom.training.optimizers import OptimizerName, OptimizerSettings
from inkbloom.training.world import World

TINY = AutoencoderSpec(level_channels=(16, 16), num_blocks=1, norm_groups=4)
TINY_VQ = VQSpec(**vars(TINY), codebook_size=16)


def pictures() -> torch.Tensor:
    """Two of 16 x 16 pixels, with colours, edges and a gradient."""
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    first = torch.stack([16 * rows, 16 * columns, 255 * (rows > columns).int()])
    second = torch.stack([255 * ((rows - 8) ** 2 + (columns - 8) ** 2 < 25).int(), 255 - 16 * rows, 40 + 0 * rows])
    return torch.stack([first, second]).to(torch.uint8)


def job(
    kind: type[Any] = AutoencoderKL,
    *,
    accumulation: int = 1,
    checkpointing: bool = False,
    optimizer: OptimizerName = "adamw",
    **settings: Any,
) -> AutoencoderJob:
    small = {"adversary_weight": 0.0, "adversary_width": 8, "adversary_layers": 1}
    small |= {"latent_kind": "vq" if kind is VQModel else "kl"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderJob(
            kind(TINY if kind is AutoencoderKL else TINY_VQ),
            Crops(pictures(), batch_size=4, size=16),
            AutoencoderSettings(**(small | settings)),
            OptimizerSettings(optimizer=optimizer, weight_decay=0.0, betas=(0.9, 0.99)),
            RunSettings(ema_decay=0.9, accumulation=accumulation, gradient_checkpointing=checkpointing),
            held_out=lambda: whole(pictures(), 1),
        )


@pytest.mark.parametrize("kind", [AutoencoderKL, VQModel])
def test_one_batch_is_overfitted(kind: type[Any]) -> None:
    trained = job(kind)
    before = trained.evaluate()
    losses = [trained.train_step(0, 5e-3 if step < 110 else 1e-3) for step in range(150)]
    assert losses[0]["pixel"] > 0.5
    assert losses[-1]["pixel"] < 0.06
    after = trained.evaluate()
    assert after["psnr"] > 22.0
    assert after["ssim"] > before["ssim"]
    assert after["held_out_edges"] < before["held_out_edges"]
    if kind is VQModel:
        assert losses[-1]["perplexity"] > 6.0


@pytest.mark.parametrize("kind", [AutoencoderKL, VQModel])
def test_with_an_adversary(kind: type[Any]) -> None:
    """It begins at its step, learns to tell the pictures apart, and the autoencoder goes on getting better."""
    trained = job(kind, adversary_weight=0.5, adversary_start=10, adversary_learning_rate=2e-3)
    history = [trained.train_step(step, 4e-3) for step in range(60)]
    assert "adversary_loss" not in history[9]
    assert history[10]["adversary_loss"] == pytest.approx(1.0, abs=0.2)
    assert min(metrics["adversary_loss"] for metrics in history[10:]) < 0.9
    assert all(0.0 <= metrics["adaptive_weight"] <= 0.5e4 for metrics in history[10:])
    assert np.mean([metrics["pixel"] for metrics in history[-5:]]) < 0.75 * history[9]["pixel"]


def test_the_state_goes_round() -> None:
    settings: dict[str, Any] = {"adversary_weight": 0.5, "adversary_start": 1}
    whole, twin = job(**settings), job(**settings)
    for step in range(3):
        whole.train_step(step, 1e-3)
    twin.load_state_dict(copy.deepcopy(whole.state_dict()))
    for step in range(3, 5):
        assert twin.train_step(step, 1e-3) == whole.train_step(step, 1e-3)
    for ours, theirs in [(whole.learner, twin.learner), (whole.adversary_learner, twin.adversary_learner)]:
        for name, value in ours.network.state_dict().items():
            assert torch.equal(value, theirs.network.state_dict()[name])
    for name, value in whole.learner.ema.average.items():
        assert torch.equal(value, twin.learner.ema.average[name])


@pytest.mark.parametrize(
    "saving", [{"accumulation": 2}, {"checkpointing": True}], ids=lambda saving: next(iter(saving))
)
def test_with_less_memory_it_learns_the_same(saving: dict[str, Any]) -> None:
    """Within 1e-6; but for lambda, which is each micro-batch's own."""
    whole, parts = job(optimizer="sgd"), job(optimizer="sgd", **saving)
    first, second = whole.train_step(0, 0.1), parts.train_step(0, 0.1)
    assert first == pytest.approx(second, rel=1e-5)
    for name, parameter in whole.model.named_parameters():
        assert torch.allclose(parameter, parts.model.get_parameter(name), atol=1e-6), name


def test_a_kl_result_opens_here_and_in_diffusers(tmp_path: Path) -> None:
    trained = job()
    trained.train_step(0, 1e-3)
    trained.save(tmp_path / "ae.safetensors", size=16, metadata={"note": "mine"})
    trained.save(tmp_path / "ae", size=16)
    trained.save(tmp_path / "ae", size=16)  # replaces it
    trained.learner.ema.copy_to(trained.model)
    with safe_open(tmp_path / "ae.safetensors", "pt") as file:
        assert "encoder.conv_in.weight" in set(file.keys())
        assert (file.metadata()["note"], file.metadata()["inkbloom.perceptual_loss"]) == ("mine", "edges")
    opened = load(tmp_path / "ae.safetensors", components=["autoencoder"])
    peer = diffusers.AutoencoderKL.from_pretrained(tmp_path / "ae", local_files_only=True)
    assert opened.autoencoder is not None
    image = to_image(pictures())
    with torch.no_grad():
        assert isinstance(trained.model, AutoencoderKL)
        expected = trained.model.encode(image).mean
        latents = [trained.model.encode(trained.batches.batch(step, range(4)).pixels).mean for step in range(16)]
        assert torch.equal(opened.autoencoder.encode(image).mean, expected)
        assert torch.allclose(peer.encode(image).latent_dist.mean, expected, rtol=1e-4, atol=1e-5)
    scale = 1 / torch.cat(latents).std().item()
    assert peer.config.scaling_factor == opened.spec.latent_scale == pytest.approx(scale, rel=1e-5)


def test_a_vq_result_opens_here(tmp_path: Path) -> None:
    trained = job(VQModel)
    trained.save(tmp_path / "vq.safetensors", size=16, dtype=torch.float16)
    opened = load_vq(tmp_path / "vq.safetensors")
    assert opened.spec == TINY_VQ
    assert opened.quantize.embedding.weight.dtype == torch.float16


def test_crops_start_on_the_grid() -> None:
    # A picture whose red value is its row and whose green value is its column.
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    picture = torch.stack([rows, columns, rows]).to(torch.uint8)[None]
    batches = Crops(picture, batch_size=64, size=64)
    pixels = batches.batch(3, range(64)).pixels
    assert pixels is not None
    crops = ((pixels + 1) * 127.5).round()
    corners = crops[:, :2, 0, 0]
    assert (corners % 8 == 0).all()
    assert len(corners.unique(dim=0)) > 20
    assert (crops[:, :2, -1, -1] - corners == 63).all()
    alone = batches.batch(3, [7]).pixels
    assert alone is not None
    assert torch.equal(alone[0], pixels[7])
    with pytest.raises(TrainingError, match=r"^crops of 129 pixels do not fit into pictures of 128 x 128\.$"):
        Crops(picture, batch_size=1, size=129)


def test_nothing_held_out() -> None:
    trained = job()
    trained.held_out = list
    assert trained.evaluate() == {}


def test_pictures_become_images() -> None:
    assert to_image(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_another_kind_is_refused() -> None:
    with pytest.raises(TrainingError, match=r'^latent_kind is "vq"; this autoencoder\'s is "kl"\.$'):
        job(latent_kind="vq")


def test_shards_are_refused() -> None:
    with pytest.raises(
        TrainingError, match=r'^An autoencoder with its adversary is not sharded; take the strategy "ddp"'
    ):
        AutoencoderJob(
            AutoencoderKL(TINY),
            Crops(pictures(), batch_size=4, size=16),
            AutoencoderSettings(),
            OptimizerSettings(),
            RunSettings(),
            held_out=list,
            world=World(0, 2, "fsdp"),
        )
