"""A ControlNet learns, alone, and is opened by diffusers."""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import diffusers
import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import load_controlnet
from inkbloom.core.errors import CheckpointError, RequestError, TrainingError
from inkbloom.nn.steering import Steering
from inkbloom.training.batches import Batch
from inkbloom.training.control import ControlNetSettings, ControlNetTraining, save_control
from inkbloom.training.denoising import checkpoint_blocks
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import RunSettings
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings

SETTINGS = ControlNetSettings(hint_channels=(8, 16, 16, 32))


@dataclass
class Hinted:
    """Two pictures with hints, each step with the time steps and noise of the first."""

    size: int = 64
    """Of the pictures, in pixels."""
    hint_size: int | None = None
    without: bool = False
    global_size: int = 2
    steps_per_epoch: int = 1

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        generator = torch.Generator().manual_seed(1)
        latents = torch.randn(2, 4, self.size // 8, self.size // 8, generator=generator)[list(rows)]
        side = self.hint_size or self.size
        hints = torch.rand(2, 3, side, side, generator=generator)[list(rows)]
        captions = tuple(("a cat", "a dog")[row] for row in rows)
        return Batch(
            step=0,
            rows=tuple(rows),
            global_size=2,
            captions=captions,
            latents=latents,
            hints=None if self.without else hints,
        )


def make(model: LoadedModel, settings: ControlNetSettings = SETTINGS) -> ControlNetTraining:
    model = copy.deepcopy(model)
    return ControlNetTraining(model, Objective(ObjectiveSettings(), model.spec), settings, seed=3)


def job_of(trainee: ControlNetTraining, size: int = 64) -> TraineeJob:
    optimizer = OptimizerSettings(learning_rate=3e-3, weight_decay=0.0, betas=(0.9, 0.99))
    return TraineeJob.build("controlnet", trainee, Hinted(size), optimizer, RunSettings(ema_decay=0.9))


def test_one_batch_is_overfitted_to_near_zero(tiny_model: LoadedModel) -> None:
    """The same time steps and noise again and again, with the U-Net frozen."""
    job = job_of(make(tiny_model), size=32)
    losses = [job.train_step(step, 3e-3)["loss"] for step in range(80)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.02, losses[-1]


def test_checkpointing_changes_nothing(tiny_model: LoadedModel) -> None:
    plain, twice = make(tiny_model), make(tiny_model)
    checkpoint_blocks(twice)
    jobs = [job_of(trainee, size=32) for trainee in (plain, twice)]
    losses = [[job.train_step(step, 3e-3)["loss"] for step in range(3)] for job in jobs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_it_starts_as_the_model_and_learns_alone(tiny_model: LoadedModel) -> None:
    trainee = make(tiny_model)
    batch = Hinted().batch(0, (0, 1))
    noised = trainee.objective.noised(batch, 3)
    assert tiny_model.unet is not None
    context = trainee.conditioning(batch.captions)
    with torch.no_grad():
        torch.testing.assert_close(
            trainee.output(noised.x, noised.t, batch), tiny_model.unet(noised.x, noised.t, context)
        )
    before = {name: p.clone() for name, p in trainee.named_parameters()}
    job = job_of(trainee)
    # The zero convolutions go first; behind them gradients come with the second step
    for step in range(3):
        job.train_step(step, 3e-3)
    changed = {name.split(".")[0] for name, p in trainee.named_parameters() if not torch.equal(p, before[name])}
    assert changed <= {"control", "trained"}
    stuck = [name for name, p in trainee.control.named_parameters() if torch.equal(p, before[f"trained.{name}"])]
    assert stuck == []
    assert {id(p) for group in trainee.groups() for p in group.parameters} == set(map(id, trainee.trained.parameters()))


def test_the_loss_is_diffusers(tiny_model: LoadedModel, tmp_path: Path) -> None:
    """The objective of diffusers' train_controlnet.py on the same tensors, to 1e-5."""
    trainee = make(tiny_model)
    with torch.no_grad():
        for conv in (*trainee.control.skips_out, trainee.control.middle_out, trainee.control.hint.convs[-1]):
            conv.weight.normal_(std=0.02, generator=torch.Generator().manual_seed(4))
    save_control(tmp_path / "folder", trainee, dtype=None)
    peer = diffusers.ControlNetModel.from_pretrained(tmp_path / "folder", local_files_only=True)
    batch = Hinted().batch(0, (0, 1))
    noised = trainee.objective.noised(batch, 3)
    with torch.no_grad():
        context = trainee.conditioning(batch.captions)
        down, middle = peer(noised.x, noised.t, context, controlnet_cond=batch.hints, return_dict=False)
        # Our U-Net equals diffusers' with such residuals (tests/models/test_controlnet.py)
        predicted: Tensor = trainee.unet(noised.x, noised.t, context, Steering(skips=tuple(down), middle=middle))
        theirs = (predicted - noised.noise).square().mean(dim=(1, 2, 3))
        torch.testing.assert_close(trainee(batch), theirs, rtol=1e-5, atol=1e-5)


def test_results_are_opened(tiny_model: LoadedModel, tmp_path: Path) -> None:
    trainee = make(tiny_model)
    job_of(trainee).train_step(0, 1e-3)
    save_control(tmp_path / "control.safetensors", trainee, {"modelspec.title": "edges"})
    save_control(tmp_path / "control", trainee)
    peer = diffusers.ControlNetModel.from_pretrained(tmp_path / "control", local_files_only=True)
    theirs = peer.state_dict()
    assert torch.equal(theirs["controlnet_mid_block.weight"], trainee.control.middle_out.weight.half().float())
    for path in (tmp_path / "control.safetensors", tmp_path / "control"):
        ours = load_controlnet(path, tiny_model.spec)
        for a, b in zip(ours.parameters(), trainee.control.parameters(), strict=True):
            assert torch.equal(a, b.half())
    onwards = make(tiny_model, ControlNetSettings(control_init=tmp_path / "control.safetensors"))
    assert onwards.control.control_spec == trainee.control.control_spec
    assert next(onwards.control.parameters()).dtype == torch.float32
    with pytest.raises(RequestError, match=r"saved as \.safetensors"):
        save_control(tmp_path / "control.bin", trainee)


def test_a_frozen_half_precision_model(tiny_model: LoadedModel) -> None:
    model = copy.deepcopy(tiny_model)
    assert model.unet is not None
    assert model.text is not None
    model.unet.bfloat16()
    model.text.bfloat16()
    trainee = make(model)
    assert next(trainee.control.parameters()).dtype == torch.float32
    trainee(Hinted().batch(0, (0, 1))).sum().backward()
    assert trainee.control.middle_out.weight.grad is not None


def test_bad_input(tiny_model: LoadedModel, tiny_file: Path) -> None:
    with pytest.raises(TrainingError, match=r"hint_channels is \(\); it must be whole numbers above 0"):
        ControlNetSettings(hint_channels=())
    with pytest.raises(
        TrainingError, match=r"hint_channels \(8, 8\) shrink a picture by 2, the autoencoder of tiny by 8"
    ):
        make(tiny_model, ControlNetSettings(hint_channels=(8, 8)))
    with pytest.raises(CheckpointError, match="not a ControlNet"):
        make(tiny_model, ControlNetSettings(control_init=tiny_file))
    trainee = make(tiny_model)
    with pytest.raises(TrainingError, match="hints of 64 x 64 pixels; it has none"):
        trainee(Hinted(without=True).batch(0, (0,)))
    with pytest.raises(TrainingError, match="hints of 64 x 64 pixels; they are 32 x 32"):
        trainee(Hinted(hint_size=32).batch(0, (0,)))
    inpainting = dataclasses.replace(tiny_model.spec, unet=dataclasses.replace(tiny_model.spec.unet, in_channels=9))
    with pytest.raises(TrainingError, match="is for inpainting"):
        make(dataclasses.replace(tiny_model, spec=inpainting))
