"""Whole networks: they learn, from a base or from nothing, and only what should learns."""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.families.starter import STARTER
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import ConditioningSettings, checkpoint_blocks
from inkbloom.training.finetune import FinetuneSettings, Finetuning, with_new_unet
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import RunSettings
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings


@dataclass
class Pairs:
    """Two pictures; with `same_step` each step is the first, with the same time steps and noise."""

    same_step: bool = False
    weights: torch.Tensor | None = None
    global_size: int = 2
    steps_per_epoch: int = 1

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        return Batch(
            step=0 if self.same_step else step,
            rows=tuple(rows),
            global_size=2,
            captions=tuple(("a cat", "a dog")[row] for row in rows),
            latents=latents[list(rows)],
            weights=None if self.weights is None else self.weights[list(rows)],
        )


def make(model: LoadedModel, clip_skip: int = 1, **settings: object) -> Finetuning:
    model = copy.deepcopy(model)
    conditioning = ConditioningSettings(clip_skip=clip_skip)
    return Finetuning(
        model, Objective(ObjectiveSettings(), model.spec), FinetuneSettings(**settings), conditioning, seed=3
    )


def job_of(trainee: Finetuning, batches: Pairs, *, rate: float = 2e-3, decay: float = 0.9) -> TraineeJob:
    optimizer = OptimizerSettings(learning_rate=rate, weight_decay=0.0, betas=(0.9, 0.99))
    return TraineeJob.build("finetune", trainee, batches, optimizer, RunSettings(ema_decay=decay))


@pytest.mark.parametrize("new", [False, True], ids=["from its base", "from nothing"])
def test_one_batch_is_overfitted_to_near_zero(tiny_model: LoadedModel, new: bool) -> None:
    """The same time steps and noise again and again: from about 1 to below 0.01."""
    trainee = make(with_new_unet(tiny_model, "base", seed=1) if new else tiny_model, from_nothing=new)
    if not new:
        checkpoint_blocks(trainee.unet)
    job = job_of(trainee, Pairs(same_step=True))
    losses = [job.train_step(step, 4e-3)["loss"] for step in range(40)]
    assert losses[0] > 0.8
    assert losses[-1] < 0.01


def test_only_what_is_chosen_learns(tiny_model: LoadedModel) -> None:
    for chosen in ({"unet"}, {"text"}, {"unet", "text"}):
        trainee = make(tiny_model, train_unet="unet" in chosen, train_text_encoder="text" in chosen)
        before = {name: p.clone() for name, p in trainee.named_parameters()}
        assert {group.name for group in trainee.groups()} == chosen
        learning = {id(p) for group in trainee.groups() for p in group.parameters}
        assert learning == {id(p) for p in trainee.parameters() if p.requires_grad}
        assert learning == {id(p) for p in trainee.trained.parameters()}
        job_of(trainee, Pairs()).train_step(0, 1e-3)
        changed = {name.split(".")[0] for name, p in trainee.named_parameters() if not torch.equal(p, before[name])}
        assert changed == chosen


def test_layers_that_clip_skip_leaves_out_do_not_learn(tiny_model: LoadedModel) -> None:
    trainee = make(tiny_model, clip_skip=2, train_unet=False, train_text_encoder=True)
    job_of(trainee, Pairs()).train_step(0, 1e-3)
    (group,) = trainee.groups()
    learning = set(group.parameters)
    assert learning == set(trainee.trained.parameters()) == {p for p in trainee.parameters() if p.requires_grad}
    assert learning == set(trainee.text.parameters()) - set(trainee.text.layers[1].parameters())
    assert all(p.grad is not None for p in learning)


def test_half_precision_bases_learn_in_single(tiny_model: LoadedModel) -> None:
    model = copy.deepcopy(tiny_model)
    for network in (model.unet, model.text):
        network.half()
    trainee = make(model)
    assert {p.dtype for p in trainee.trained.parameters()} == {torch.float32}
    assert {p.dtype for p in trainee.text.parameters()} == {torch.float16}
    assert trainee(Pairs().batch(0, [0])).isfinite().all()


def test_prior_pictures_count_by_their_weight(tiny_model: LoadedModel) -> None:
    """DreamBooth's loss is that of the subject plus the weight times that of the class; 0 is without."""

    def gradient(weights: list[float]) -> torch.Tensor:
        trainee = make(tiny_model)
        trainee(Pairs(weights=torch.tensor(weights)).batch(0, [0, 1])).sum().backward()
        return trainee.unet.conv_in.weight.grad

    subject, prior = gradient([1.0, 0.0]), gradient([0.0, 1.0])
    assert subject.norm() > 0
    torch.testing.assert_close(gradient([1.0, 0.25]), subject + 0.25 * prior, rtol=1e-4, atol=1e-6)


def test_new_unets(tiny_model: LoadedModel) -> None:
    new = with_new_unet(tiny_model, "starter", seed=1)
    assert new.unet is not None
    assert new.spec.unet == new.unet.spec == dataclasses.replace(STARTER.unet, context_dim=64)
    assert new.text is tiny_model.text
    again, other = (with_new_unet(tiny_model, "base", seed=seed).unet for seed in (1, 2))
    assert torch.equal(again.conv_in.weight, with_new_unet(tiny_model, "base", seed=1).unet.conv_in.weight)
    assert not torch.equal(again.conv_in.weight, other.conv_in.weight)
    with torch.no_grad():
        assert again(torch.randn(1, 4, 8, 8), torch.tensor([5]), torch.randn(1, 77, 64)).std() < 1e-6


def test_the_result_says_what_was_trained(tiny_model: LoadedModel) -> None:
    model = copy.deepcopy(tiny_model)
    settings = ObjectiveSettings(prediction="v_prediction", zero_terminal_snr=True)
    trainee = Finetuning(model, Objective(settings, model.spec), FinetuneSettings())
    result = trainee.result("mine", Path("mine.safetensors"))
    assert (result.name, result.path) == ("mine", Path("mine.safetensors"))
    assert (result.spec.prediction, result.spec.noise_schedule.zero_terminal_snr) == ("v_prediction", True)
    assert result.unet is trainee.unet
    assert result.autoencoder is model.autoencoder


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_unet": False}, "train_unet and train_text_encoder are both off; there is nothing to train."),
        ({"unet_size": "sd15", "from_nothing": True}, 'unet_size is "sd15". Did you mean "sd1"?'),
        ({"unet_size": "sd1"}, "unet_size is sd1, which is for a new U-Net; set from_nothing too."),
    ],
)
def test_what_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(TrainingError) as error:
        FinetuneSettings(**settings)
    assert str(error.value) == message
