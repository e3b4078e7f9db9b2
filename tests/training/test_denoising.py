"""The trainee that all diffusion trainings share: its texts against the pipeline's, its step against diffusers'."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import diffusers
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.text.prompt.chunks import Chunker, EmbeddingRow
from inkbloom.text.prompt.conditioning import PromptEncoder
from inkbloom.text.prompt.parsing import parse
from inkbloom.text.prompt.schedule import Timeline
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import CHECKPOINTED, ConditioningSettings, Denoising, checkpoint_blocks
from inkbloom.training.objective import Objective, ObjectiveSettings

LONG = ", ".join(f"a {color} castle of {i} towers" for i in range(12) for color in ("red", "blue"))
CAPTIONS = ("a cat", "", "a (very:1.3) big [castle]", LONG)


def denoising(model: LoadedModel, objective: ObjectiveSettings | None = None, **settings: object) -> Denoising:
    """With all of the U-Net learning."""
    model = copy.deepcopy(model)
    trainee = Denoising(
        model, Objective(objective or ObjectiveSettings(), model.spec), ConditioningSettings(**settings), seed=3
    )
    trainee.trained = trainee.unet.requires_grad_(True)
    return trainee


def make_batch(rows: tuple[int, ...] = (0, 1, 2)) -> Batch:
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))[list(rows)]
    captions = tuple(CAPTIONS[row] for row in rows)
    return Batch(step=2, rows=rows, global_size=3, captions=captions, latents=latents)


def pipelines_encoding(trainee: Denoising, caption: str, *, weighted: bool) -> torch.Tensor:
    dialect = "a1111" if weighted else "plain"

    def encode(ids: torch.Tensor, embeddings: Sequence[EmbeddingRow], /) -> torch.Tensor:
        return trainee.text(ids)

    encoder = PromptEncoder(Chunker(tokenizer=trainee.tokenizer, dialect=dialect), encode)
    prompt = parse(caption, timeline=Timeline(steps=1, second_order=False), dialect=dialect)
    return encoder(prompt).at(0).conditioning


@pytest.mark.parametrize("weighted", [False, True])
@torch.no_grad()
def test_captions_are_encoded_as_the_pipeline_encodes_prompts(tiny_model: LoadedModel, weighted: bool) -> None:
    """As far as the chunks go; what is missing is filled up with the empty caption. 1e-5: batches round otherwise."""
    trainee = denoising(tiny_model, caption_chunks=3, weighted_captions=weighted)
    ours = trainee.conditioning(CAPTIONS)
    assert ours.shape == (4, 3 * 77, 64)
    empty = pipelines_encoding(trainee, "", weighted=False)
    for row, caption in zip(ours, CAPTIONS, strict=True):
        theirs = pipelines_encoding(trainee, caption, weighted=weighted)
        theirs = torch.cat([theirs, *[empty] * 3], dim=1)[0, : 3 * 77]
        torch.testing.assert_close(row, theirs, atol=1e-5, rtol=1e-5)
    brackets = trainee.conditioning(["a (very:1.3) big [castle]", "a very big castle"])
    assert not torch.allclose(brackets[0], brackets[1])


@torch.no_grad()
def test_long_captions_are_cut_and_clip_skip_takes_an_earlier_layer(tiny_model: LoadedModel) -> None:
    trainee = denoising(tiny_model, clip_skip=2)
    ids = trainee.tokenizer.encode_padded(CAPTIONS[:2] + CAPTIONS[3:], 77).ids
    torch.testing.assert_close(
        trainee.conditioning(CAPTIONS[:2] + CAPTIONS[3:]), trainee.text(ids, skip_layers=1), atol=1e-5, rtol=1e-5
    )


def test_examples_do_not_depend_on_their_micro_batch(tiny_model: LoadedModel) -> None:
    trainee = denoising(tiny_model)
    whole = trainee(make_batch())
    assert whole.shape == (3,)
    parts = torch.cat([trainee(make_batch(rows)) for rows in ((0,), (1, 2))])
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=0)
    assert all(p.grad is None for p in trainee.parameters())
    whole.mean().backward()
    assert {name for name, p in trainee.named_parameters() if p.grad is not None} == {
        name for name, _ in trainee.named_parameters() if not name.startswith("text")
    }


def test_masks_and_weights_of_the_batch_count(tiny_model: LoadedModel) -> None:
    trainee = denoising(tiny_model)
    plain = trainee(make_batch())
    masks, weights = torch.full((3, 1, 8, 8), 0.5), torch.tensor([0.0, 1.0, 3.0])
    weighed = trainee(dataclasses.replace(make_batch(), loss_masks=masks, weights=weights))
    torch.testing.assert_close(weighed, plain * 0.5 * weights)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_step_equals_diffusers(tiny_model: LoadedModel, tiny_folder: Path, prediction: str) -> None:
    """The same weights, latents, noise and text vectors: the loss to 1e-5, its gradient to 1e-4 of its norm."""
    trainee = denoising(tiny_model, ObjectiveSettings(prediction=prediction))
    batch = make_batch()
    noised = trainee.objective.noised(batch, trainee.seed)
    trainee(batch).mean().backward()

    unet = diffusers.UNet2DConditionModel.from_pretrained(tiny_folder, subfolder="unet", local_files_only=True)
    scheduler = diffusers.DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    x = scheduler.add_noise(batch.latents, noised.noise, noised.t)
    velocity = scheduler.get_velocity(batch.latents, noised.noise, noised.t)
    predicted = unet(x, noised.t, trainee.conditioning(batch.captions)).sample
    loss = F.mse_loss(predicted, noised.noise if prediction == "epsilon" else velocity)
    loss.backward()

    torch.testing.assert_close(trainee(batch).mean(), loss, rtol=1e-5, atol=0)
    for ours, theirs in (
        (trainee.unet.conv_in, unet.conv_in),
        (trainee.unet.mid.resnet1.conv1, unet.mid_block.resnets[0].conv1),
    ):
        assert (ours.weight.grad - theirs.weight.grad).norm() < 1e-4 * theirs.weight.grad.norm()
    norms = [sum(p.grad.square().sum() for p in network.parameters()).sqrt() for network in (trainee.unet, unet)]
    torch.testing.assert_close(*norms, rtol=1e-4, atol=0)


def test_checkpointing_changes_no_gradient_and_keeps_less(tiny_model: LoadedModel) -> None:
    trainee = denoising(tiny_model)
    trainee.text.requires_grad_(True)
    trainee(make_batch()).mean().backward()
    expected = {name: p.grad.clone() for name, p in trainee.named_parameters()}
    trainee.zero_grad()
    plain = saved_bytes(trainee)

    checkpoint_blocks(trainee)
    assert saved_bytes(trainee) < 0.5 * plain
    twin = copy.deepcopy(trainee)  # its blocks are its own
    with torch.no_grad():
        [p.zero_() for p in trainee.parameters()]
    twin(make_batch()).mean().backward()
    for name, parameter in twin.named_parameters():
        assert torch.equal(parameter.grad, expected[name]), name
    assert sum(isinstance(block, CHECKPOINTED) for block in twin.modules()) > 8


def saved_bytes(trainee: nn.Module) -> int:
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {p.untyped_storage().data_ptr() for p in trainee.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        losses = trainee(make_batch())
    del losses
    return sum(size for place, size in kept.items() if place not in weights)


def test_frozen_networks_may_be_half_precision(tiny_model: LoadedModel) -> None:
    trainee = denoising(tiny_model)
    whole = trainee(make_batch())
    trainee.unet.bfloat16()
    trainee.text.bfloat16()
    half = trainee(make_batch())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=0.05, atol=0)


def test_models_that_cannot_be_trained(tiny_model: LoadedModel) -> None:
    objective = Objective(ObjectiveSettings(), tiny_model.spec)
    without = dataclasses.replace(tiny_model, text=None)
    with pytest.raises(TrainingError) as error:
        Denoising(without, objective)
    assert str(error.value) == "tiny.safetensors lacks a U-Net or a text encoder; a diffusion training needs both."
    spec = dataclasses.replace(tiny_model.spec, unet=dataclasses.replace(tiny_model.spec.unet, in_channels=9))
    with pytest.raises(TrainingError) as error:
        Denoising(dataclasses.replace(tiny_model, spec=spec), objective)
    assert str(error.value) == (
        "tiny.safetensors is for inpainting: its U-Net reads 9 channels, and not only the latents' 4; "
        "train a model that is not."
    )
    with pytest.raises(TrainingError) as error:
        Denoising(tiny_model, objective, ConditioningSettings(clip_skip=3))
    assert str(error.value) == "clip_skip is 3; this model's text encoder has 2 layers."
    with pytest.raises(TrainingError) as error:
        ConditioningSettings(caption_chunks=0)
    assert str(error.value) == "caption_chunks is 0; it must be at least 1."
