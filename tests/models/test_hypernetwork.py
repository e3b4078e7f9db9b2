"""Hypernetworks against diffusers' U-Net with the same perceptrons, written again here, in front of its projections."""

import copy
from pathlib import Path

import diffusers
import pytest
import torch
from torch import Tensor, nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import RequestError
from inkbloom.models.hypernetwork import Hypernetwork, HypernetworkSpec, attached, draw_weights, widths


def make(seed: int = 0, **fields: object) -> Hypernetwork:
    torch.manual_seed(seed)
    network = Hypernetwork(HypernetworkSpec(**{"sizes": (32, 64), "activation": "relu", "layer_norm": True, **fields}))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network.requires_grad_(False)


def plain(state: dict[str, Tensor], x: Tensor, strength: float) -> Tensor:
    """Two layers with ReLU between and norms behind both, as A1111's Sequential counts them: 0, 1, 2 and 3, 4."""
    hidden = torch.relu(x @ state["linear.0.weight"].T + state["linear.0.bias"])
    hidden = norm(hidden) * state["linear.2.weight"] + state["linear.2.bias"]
    out = norm(hidden @ state["linear.3.weight"].T + state["linear.3.bias"])
    return x + strength * (out * state["linear.4.weight"] + state["linear.4.bias"])


def norm(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(2)
    return torch.randn(1, 4, 8, 8, generator=draw), torch.tensor([500]), torch.randn(1, 77, 64, generator=draw)


@torch.no_grad()
def test_as_diffusers_with_the_same_perceptrons(tiny_model: LoadedModel, tiny_folder: Path) -> None:
    """Two at once, the second behind the first; 1e-5 of the output's standard deviation."""
    theirs = diffusers.UNet2DConditionModel.from_pretrained(tiny_folder, subfolder="unet", local_files_only=True)
    uses = [(make(0), 0.7), (make(1, sizes=(64,)), -1.2)]
    plain_output = theirs(*inputs()).sample

    def in_front(part: str, size: int):
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
            x = arguments[0]
            for network, strength in uses:
                if size in network.spec.sizes:
                    x = plain(getattr(network, part)[str(size)].state_dict(), x, strength)
            return x

        return hook

    for name, module in theirs.named_modules():
        if name.endswith((".to_k", ".to_v")):
            part = "keys" if name.endswith("to_k") else "values"
            module.register_forward_pre_hook(in_front(part, module.in_features))
    expected = theirs(*inputs()).sample
    unet = tiny_model.unet
    before = unet(*inputs())
    with attached(unet, uses):
        found = unet(*inputs())
    assert (expected - plain_output).std() > 1e-2 * plain_output.std()
    assert (found - expected).square().mean().sqrt() < 1e-5 * expected.std()
    assert torch.equal(unet(*inputs()), before)


@torch.no_grad()
def test_strength_and_precision() -> None:
    perceptron, x = make().keys["32"], torch.randn(2, 5, 32)
    assert torch.equal(perceptron(x, 0.0), x)
    torch.testing.assert_close(perceptron(x, 0.5) - x, 0.5 * (perceptron(x) - x), rtol=1e-5, atol=1e-6)
    half = perceptron(x.half())
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), perceptron(x), rtol=1e-2, atol=1e-2)


def test_widths(tiny_model: LoadedModel) -> None:
    assert widths(tiny_model.unet) == (32, 64)


def test_drawn_weights_do_nearly_nothing(tiny_model: LoadedModel) -> None:
    network = Hypernetwork(HypernetworkSpec(sizes=(64,)))
    draw_weights(network, torch.Generator().manual_seed(3))
    again = copy.deepcopy(network)
    draw_weights(again, torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    x = torch.randn(1, 4, 64)
    assert 0 < (network.keys["64"](x) - x).std() < 0.05


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"activation": "rellu"}, r'^Unknown activation "rellu" of a hypernetwork\. Did you mean "relu"'),
        ({"layer_structure": (1, 2)}, r"^layer_structure \(1, 2\): must be positive numbers"),
        ({"layer_structure": (1, 0, 1)}, r"^layer_structure \(1, 0, 1\): must be positive numbers"),
        ({"sizes": ()}, r"^sizes \(\): must be the widths"),
    ],
)
def test_what_no_hypernetwork_is(fields: dict, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        HypernetworkSpec(**{"sizes": (64,), **fields})
