"""Extraction and resizing against the definition: no product of lower rank is nearer (Eckart & Young 1936)."""

import copy

import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import fit, read_adapter
from inkbloom.checkpoints.adapters.factoring import extract, resize
from inkbloom.checkpoints.adapters.kinds import LowRank
from inkbloom.core.errors import RequestError

UNET, TEXT = ("attn1.to_q", "conv1"), ("q_proj",)


@pytest.fixture
def tuned(tiny_model: LoadedModel) -> LoadedModel:
    """The tiny model with changes of rank 4 in three layers, one of them a 3x3 convolution, and in a bias."""
    unet = copy.deepcopy(tiny_model.unet)
    torch.manual_seed(6)
    with torch.no_grad():
        for name in ("mid.transformer.blocks.0.self_attention.q", "mid.transformer.proj_in", "mid.resnet1.conv1"):
            weight = unet.get_parameter(f"{name}.weight")
            change = torch.randn(weight.shape[0], 4) @ torch.randn(4, weight[0].numel())
            weight += change.reshape(weight.shape)
        unet.conv_in.bias += 1
    return LoadedModel(**{**vars(tiny_model), "unet": unet, "name": "tuned"})


def best(matrix: Tensor, rank: int) -> Tensor:
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    return (u[:, :rank] @ s[:rank].diag() @ v[:rank]).float()


def test_extract_recovers_a_low_rank_difference(tuned: LoadedModel, tiny_model: LoadedModel) -> None:
    found = extract(tuned, tiny_model, rank=4, conv_rank=4)
    assert {name for _, name in found.changes} == {
        "mid.transformer.blocks.0.self_attention.q.weight",
        "mid.transformer.proj_in.weight",
        "mid.resnet1.conv1.weight",
    }
    assert found.kept == pytest.approx(1.0, abs=1e-6)
    for (_, name), change in found.changes.items():
        base = tiny_model.unet.get_parameter(name).detach()
        torch.testing.assert_close(
            base + change.delta(base), tuned.unet.get_parameter(name).detach(), rtol=1e-4, atol=1e-4
        )


def test_extract_is_the_best_of_its_rank(tuned: LoadedModel, tiny_model: LoadedModel) -> None:
    found = extract(tuned, tiny_model, rank=2)
    assert len(found.changes) == 2  # without 3x3 convolutions
    name = "mid.transformer.blocks.0.self_attention.q.weight"
    base, other = (model.unet.get_parameter(name).detach() for model in (tiny_model, tuned))
    torch.testing.assert_close(found.changes["unet", name].delta(base), best(other - base, 2), rtol=1e-4, atol=1e-4)
    assert 0.3 < found.kept < 1


def test_extract_keeps_a_share(tuned: LoadedModel, tiny_model: LoadedModel) -> None:
    found = extract(tuned, tiny_model, rank=64, keep=0.9)
    assert 0.9 <= found.kept < 1
    assert all(change.rank <= 4 for change in found.changes.values())


@pytest.mark.parametrize("kernel", ["conv1", "attn1.to_q"])
def test_resize_is_the_best_of_its_rank(make, tiny_model: LoadedModel, kernel: str) -> None:
    fitted = fit(read_adapter(make.save(make.kohya(1.5, rank=5, unet=(kernel,), text=()))), tiny_model.spec)
    smaller = resize(fitted, rank=2)
    assert smaller.changes.keys() == fitted.changes.keys()
    for parameter, change in smaller.changes.items():
        weight = tiny_model.unet.get_parameter(parameter[1]).detach()
        assert change.rank == change.alpha == 2
        before = fitted.changes[parameter].delta(weight)
        expected = best(before.flatten(1), 2).reshape(weight.shape)
        torch.testing.assert_close(change.delta(weight), expected, rtol=1e-4, atol=1e-4)


def test_resize_of_the_tucker_form_and_of_dora(make, tiny_model: LoadedModel) -> None:
    name, weight = "lora_unet_mid_block_resnets_0_conv1", torch.randn(64, 64, 3, 3)
    tensors = {
        f"{name}.lora_up.weight": torch.randn(64, 4, 1, 1),
        f"{name}.lora_mid.weight": torch.randn(4, 4, 3, 3),
        f"{name}.lora_down.weight": torch.randn(4, 64, 1, 1),
        f"{name}.dora_scale": torch.rand(64, 1, 1, 1),
    }
    fitted = fit(read_adapter(make.save(tensors)), tiny_model.spec)
    ((parameter, change),) = resize(fitted, rank=4).changes.items()
    assert isinstance(change.inner, LowRank)
    assert change.inner.mid is None
    torch.testing.assert_close(change.delta(weight), fitted.changes[parameter].delta(weight), rtol=1e-4, atol=1e-5)


def test_what_cannot_be(make, tuned: LoadedModel, tiny_model: LoadedModel) -> None:
    with pytest.raises(RequestError, match=r"^tiny and tiny do not differ in the layers that a LoRA can change"):
        extract(tiny_model, tiny_model)
    with pytest.raises(RequestError, match=r"^rank 0: must be a whole number from 1 on"):
        extract(tuned, tiny_model, rank=0)
    with pytest.raises(RequestError, match=r"^keep 1\.5: must be above 0 and at most 1"):
        extract(tuned, tiny_model, keep=1.5)
    with pytest.raises(RequestError, match=r"^tuned and tiny are not alike in their text encoder"):
        extract(tuned, LoadedModel(**{**vars(tiny_model), "text": None}))
    full = fit(read_adapter(make.save({"lora_unet_conv_in.diff": torch.zeros(32, 4, 3, 3)})), tiny_model.spec)
    with pytest.raises(RequestError, match="only; the file has layers of the kind difference"):
        resize(full, rank=2)
