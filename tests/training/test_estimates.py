"""What a training will need, against what it does need."""

import copy

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.profiler import ProfilerActivity, profile

from inkbloom.checkpoints import LoadedModel
from inkbloom.training.adapters.lora import LoraTraining
from inkbloom.training.adapters.settings import LoraSettings
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import Denoising, checkpoint_blocks
from inkbloom.training.estimates import estimate, seconds_per_step
from inkbloom.training.finetune import FinetuneSettings, Finetuning
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings, build_optimizer

BATCH = Batch(
    step=0, rows=(0, 1, 2, 3), global_size=4, captions=("a", "b", "c", "d"), latents=torch.randn(4, 4, 24, 24)
)
ADAMW = OptimizerSettings()


def make(model: LoadedModel, kind: str = "unet") -> Denoising:
    model = copy.deepcopy(model)
    objective = Objective(ObjectiveSettings(), model.spec)
    if kind == "lora":
        return LoraTraining(
            model, objective, LoraSettings(targets="attention", adapt_text_encoder=False, rank_dropout=0.1)
        )
    trainee = Finetuning(model, objective, FinetuneSettings(train_text_encoder=kind == "checkpointed"))
    if kind == "checkpointed":
        checkpoint_blocks(trainee)
    return trainee


def measured_peak(trainee: Denoising, autocast: torch.dtype | None) -> int:
    """What PyTorch's profiler sees allocated at most in a step, beyond what was there before."""

    def step() -> None:
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            loss = trainee(BATCH).mean()
        loss.backward()

    step()
    trainee.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    now = peak = 0
    for event in sorted(profiled.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


@pytest.mark.parametrize(
    ("kind", "autocast"), [("unet", None), ("unet", torch.bfloat16), ("checkpointed", None), ("lora", None)], ids=str
)
def test_activations_are_those_of_a_real_step(tiny_model: LoadedModel, kind: str, autocast: torch.dtype | None) -> None:
    """Within 5 %; measured: 1 %."""
    trainee = make(tiny_model, kind)
    guess = estimate(trainee, BATCH, ADAMW, autocast=autocast)
    assert all(p.grad is None and not isinstance(p, FakeTensor) for p in trainee.parameters())
    assert guess.bytes_activations == pytest.approx(measured_peak(trainee, autocast), rel=0.05)


def test_weights_average_and_optimizer_are_counted(tiny_model: LoadedModel) -> None:
    trainee = make(tiny_model)
    trainee.text.half()
    unet, text = (sum(p.numel() for p in network.parameters()) for network in (trainee.unet, trainee.text))
    for optimizer, each in ((ADAMW, 8), (OptimizerSettings(optimizer="lion"), 4)):
        guess = estimate(trainee, BATCH, optimizer, averaged=optimizer is ADAMW)
        assert (guess.parameters, guess.trained) == (unet + text, unet)
        assert (guess.bytes_weights, guess.bytes_average) == (4 * unet + 2 * text, 4 * unet * (optimizer is ADAMW))
        assert guess.bytes_optimizer == pytest.approx(each * unet, rel=1e-3)
    trainee(BATCH).mean().backward()
    real = build_optimizer(trainee.groups(), ADAMW)
    real.step()
    state = sum(part.nbytes for each in real.state.values() for part in each.values())
    assert 8 * unet == pytest.approx(state, rel=1e-3)


def test_checkpointing_and_accumulation_show(tiny_model: LoadedModel) -> None:
    trainee = make(tiny_model)
    plain = estimate(trainee, BATCH, ADAMW)
    twice = estimate(trainee, BATCH, ADAMW, accumulation=4)
    gradients = 4 * plain.trained
    assert plain.bytes_activations < twice.bytes_activations <= plain.bytes_activations + gradients
    checkpoint_blocks(trainee)
    less = estimate(trainee, BATCH, ADAMW)
    assert less.bytes_activations < 0.6 * plain.bytes_activations
    assert 1.2 * plain.flops < less.flops < 1.4 * plain.flops
    assert plain.bytes_in_all == (
        plain.bytes_weights + plain.bytes_average + plain.bytes_optimizer + plain.bytes_activations
    )


def test_a_step_is_timed(tiny_model: LoadedModel) -> None:
    trainee = make(tiny_model)
    assert 0 < seconds_per_step(trainee, BATCH) < 60
    assert all(p.grad is None for p in trainee.parameters())
