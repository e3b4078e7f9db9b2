"""Adapters beside the weights give what merged ones give: 1e-5 of an output's standard deviation, float32."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.checkpoints.adapters import AdapterUse, applied, live, read_adapter
from inkbloom.checkpoints.adapters.kinds import (
    Decomposed,
    Difference,
    GeneralLowRank,
    Hadamard,
    InputRotation,
    Kronecker,
    LowRank,
    Replacement,
    Rotation,
    Scale,
    tensors_of,
    with_tensors,
)
from inkbloom.checkpoints.adapters.live import add_to_output, addition, bias_addition
from inkbloom.core.errors import CheckpointError, RequestError

UNET = ("attn1.to_", "attn2.to_", "ff.net", "proj_in", "conv1", "conv2", "time_emb_proj", "downsamplers")
TEXT = ("q_proj", "fc1")
draw = torch.randn


@torch.no_grad()
def outputs(model: LoadedModel) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(0, 49408, (1, 77), generator=generator)
    latent, context = draw(1, 4, 8, 8, generator=generator), draw(1, 77, 64, generator=generator)
    dtype = model.unet.conv_in.weight.dtype
    return model.text(ids), model.unet(latent.to(dtype), torch.tensor([500]), context.to(dtype))


def close(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float = 1e-5) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (a - b).float().square().mean().sqrt() < tolerance * b.float().std()


@pytest.fixture
def files(make) -> list:
    """A LoCon, and a file of other kinds with biases and norms."""
    locon = make.save(make.kohya(1.5, unet=UNET, text=TEXT), name="locon")
    root = "lora_unet_mid_block_"
    others = {
        f"{root}attentions_0_proj_out.hada_w1_a": draw(64, 2),
        f"{root}attentions_0_proj_out.hada_w1_b": 0.2 * draw(2, 64),
        f"{root}attentions_0_proj_out.hada_w2_a": draw(64, 2),
        f"{root}attentions_0_proj_out.hada_w2_b": 0.2 * draw(2, 64),
        f"{root}resnets_0_conv1.oft_blocks": 0.1 * draw(16, 4, 4),
        f"{root}resnets_0_norm1.w_norm": 0.3 * draw(64),
        f"{root}resnets_0_norm1.b_norm": 0.3 * draw(64),
        f"{root}attentions_0_transformer_blocks_0_norm1.w_norm": 0.3 * draw(64),
        f"{root}resnets_1_conv1.diff_b": 0.3 * draw(64),
        "lora_te_text_model_encoder_layers_0_mlp_fc2.diff_b": 0.3 * draw(64),
        "lora_te_text_model_embeddings_token_embedding.diff": 0.3 * draw(49408, 64),
        "lora_te_text_model_encoder_layers_0_layer_norm1.set_weight": draw(64),
    }
    return [read_adapter(locon), read_adapter(make.save(others, name="others"))]


@pytest.mark.parametrize(("text", "unet"), [(1.0, 1.0), (0.5, -0.8), (0.0, 2.0)])
def test_live_as_merged(files, tiny_model: LoadedModel, text: float, unet: float) -> None:
    uses = [AdapterUse(file=file, text_weight=text, unet_weight=unet) for file in files]
    plain = outputs(tiny_model)
    before = {name: tensor.clone() for name, tensor in tiny_model.unet.state_dict().items()}
    with applied(tiny_model, uses):
        expected = outputs(tiny_model)
    with live(tiny_model, uses) as fits:
        assert all(not fitted.not_applied for fitted in fits)
        assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_model.unet.state_dict().items())
        found = outputs(tiny_model)
    close(found, expected)
    assert (expected[1] - plain[1]).std() > 1e-2 * plain[1].std()
    assert all(torch.equal(a, b) for a, b in zip(outputs(tiny_model), plain, strict=True))


def test_blocks_and_ranks(files, tiny_model: LoadedModel) -> None:
    use = AdapterUse(file=files[0], blocks={"M00": 0.3, "BASE": 0.5}, rank=2)
    with applied(tiny_model, [use]):
        expected = outputs(tiny_model)
    with live(tiny_model, [use]):
        close(outputs(tiny_model), expected)


def test_half_precision(files, tiny_file: Path) -> None:
    """bfloat16 has 8 bits; both ways round differently, each about as far from float32."""
    model = load(tiny_file, components=("text", "unet"), dtype=torch.bfloat16)
    uses = [AdapterUse(file=file) for file in files]
    with applied(model, uses):
        expected = outputs(model)
    with live(model, uses):
        found = outputs(model)
    close(found, expected, 0.05)
    assert found[1].dtype == torch.bfloat16


def test_undone_after_an_error(files, tiny_model: LoadedModel) -> None:
    plain = outputs(tiny_model)
    with pytest.raises(ZeroDivisionError), live(tiny_model, [AdapterUse(file=files[0])]):
        raise ZeroDivisionError
    assert all(torch.equal(a, b) for a, b in zip(outputs(tiny_model), plain, strict=True))


def test_what_cannot_be_applied(make, files, tiny_model: LoadedModel, tiny_file: Path) -> None:
    tensors = make.kohya(1.0, unet=("conv1",), text=())
    name = next(iter(tensors))
    tensors[name][0] = torch.inf
    broken = AdapterUse(file=read_adapter(make.save(tensors, name="broken")))
    with (
        pytest.raises(
            CheckpointError, match=r"^The adapter's tensors for .* are not finite in torch\.float32; its file"
        ),
        live(tiny_model, [broken]),
    ):
        pass
    with (
        pytest.raises(RequestError, match=r'^This model has no block "IN44"'),
        live(tiny_model, [AdapterUse(file=files[0], blocks={"IN44": 1.0})]),
    ):
        pass
    model = load(tiny_file, components=("unet",))
    with (
        pytest.raises(RequestError, match=r"^The adapter changes the text encoder, which was not loaded\."),
        live(model, [AdapterUse(file=files[0])]),
    ):
        pass
    assert not any(module._forward_hooks for module in model.unet.modules())


LAYERS = {
    "linear": (lambda: nn.Linear(8, 12), (3, 8)),
    "conv": (lambda: nn.Conv2d(8, 12, 3, stride=2, padding=1), (2, 8, 6, 6)),
}
CHANGES = {
    "LoRA": lambda w: LowRank(up=draw(12, 2), down=draw(2, *w.shape[1:]), alpha=1.0),
    "LoHa": lambda w: Hadamard(
        w1_a=draw(12, 2), w1_b=draw(2, w[0].numel()), w2_a=draw(12, 2), w2_b=draw(2, w[0].numel())
    ),
    "LoKr": lambda w: Kronecker(w1=(draw(3, 2), draw(2, 2)), w2=draw(4, 4, *w.shape[2:]), alpha=3.0),
    "(IA)^3": lambda w: Scale(w=draw(12), on_input=False),
    "GLoRA": lambda w: GeneralLowRank(first=draw(8, 2), second=draw(2, 8), up=draw(12, 2), down=draw(2, *w.shape[1:])),
    "OFT": lambda w: Rotation(blocks=draw(3, 4, 4)),
    "OFT of inputs": lambda w: InputRotation(upper=draw(w[0].numel() // 4, 6)),
    "difference": lambda w: Difference(difference=draw(w.shape)),
    "replacement": lambda w: Replacement(value=draw(w.shape)),
    "DoRA": lambda w: Decomposed(
        inner=LowRank(up=draw(12, 2), down=draw(2, *w.shape[1:])), magnitude=draw(12), per_input=False
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("layer", LAYERS)
@torch.no_grad()
def test_every_kind_on_a_layer(layer: str, kind: str) -> None:
    """Against the layer with the changed weight in it; 1e-4, the weights are larger than in a network."""
    torch.manual_seed(6)
    make, shape = LAYERS[layer]
    module, x = make(), draw(shape)
    change = CHANGES[kind](module.weight)
    weight = module.weight + change.delta(module.weight)
    if isinstance(module, nn.Linear):
        expected = F.linear(x, weight, module.bias)
    else:
        expected = F.conv2d(x, weight, module.bias, stride=2, padding=1)
    handle = add_to_output(module, lambda layer, x: addition(layer, x, change))
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)
    handle.remove()
    assert not torch.allclose(module(x), expected, atol=1e-2)


def test_a_mask_acts_between_the_two_steps_of_lora() -> None:
    module, x = nn.Linear(8, 12), draw(3, 8)
    lora = LowRank(up=draw(12, 2), down=draw(2, 8))
    found = addition(module, x, lora, lambda hidden: hidden * torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(found, 2 * (x @ lora.down[1:].T) @ lora.up[:, 1:].T)
    difference = Difference(difference=draw(12, 8))
    found = addition(module, x, difference, lambda added: added * 3)
    torch.testing.assert_close(found, 3 * x @ difference.difference.T)


def test_bias_of_a_convolution() -> None:
    module = nn.Conv2d(2, 3, 1)
    assert bias_addition(module, Difference(difference=torch.ones(3))).shape == (3, 1, 1)


@pytest.mark.parametrize("kind", CHANGES)
def test_tensors_by_name(kind: str) -> None:
    change = CHANGES[kind](draw(12, 8))
    tensors = tensors_of(change)
    doubled = tensors_of(with_tensors(change, {name: 2 * tensor for name, tensor in tensors.items()}))
    assert doubled.keys() == tensors.keys()
    assert all(torch.equal(doubled[name], 2 * tensor) for name, tensor in tensors.items())
