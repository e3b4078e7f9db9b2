"""Two gloo processes train autoencoder and adversary as one process does."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.vq import VQModel, VQSpec
from inkbloom.training.autoencoder import AutoencoderJob, AutoencoderSettings, Crops
from inkbloom.training.loop import RunSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.world import World, joined

SPEC = VQSpec(**vars(AutoencoderSpec(level_channels=(8, 8), num_blocks=1, norm_groups=4)), codebook_size=8)


def trained(world: World, accumulation: int) -> dict[str, Tensor]:
    """The weights after two steps, the second with the adversary, and the gradient that the adversary had then.

    All rows are the same picture, and a codebook needs no noise: so the adaptive weight is the same in each process.
    """
    torch.manual_seed(0)
    picture = torch.randint(256, (1, 3, 16, 16), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    job = AutoencoderJob(
        VQModel(SPEC),
        Crops(picture, batch_size=4, size=16),
        AutoencoderSettings(latent_kind="vq", adversary_start=1, adversary_width=8, adversary_layers=1),
        OptimizerSettings(optimizer="sgd", learning_rate=1.0, weight_decay=0.0),
        RunSettings(ema_decay=0.0, accumulation=accumulation),
        held_out=list,
        world=world,
    )
    metrics = [job.train_step(step, 0.1) for step in range(2)]
    assert "adaptive_weight" in metrics[-1]
    moments = job.adversary_learner.optimizer.state_dict()["state"]
    return job.model.state_dict() | {f"adversary {i}": each["exp_avg"] / 0.5 for i, each in moments.items()}


def test_they_learn_the_same(tmp_path: Path, in_two_processes: Callable[[str, Path], None]) -> None:
    """Within 1e-5 of numbers up to 1, also with two micro-batches in each."""
    in_two_processes(__file__, tmp_path)
    alone = trained(World(), 1)
    assert alone["adversary 0"].abs().max() > 1e-4
    for accumulation in (1, 2):
        theirs = torch.load(tmp_path / f"{accumulation}.pt", weights_only=True)
        for name, weight in alone.items():
            assert torch.allclose(weight, theirs[name], atol=1e-5), (accumulation, name)


if __name__ == "__main__":
    with joined() as world:
        for accumulation in (1, 2):
            weights = trained(world, accumulation)
            if world.main:
                torch.save(weights, Path(sys.argv[1]) / f"{accumulation}.pt")
