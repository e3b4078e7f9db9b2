"""ControlNets against diffusers' with the same random weights: relative error at most 1e-5 in float32."""

import dataclasses

import diffusers
import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints.control.keymap import controlnet_rows
from inkbloom.checkpoints.control.saving import controlnet_config
from inkbloom.checkpoints.diffusers_config import unet_config
from inkbloom.checkpoints.keymap import renamed, unet_rows
from inkbloom.families.starter import STARTER
from inkbloom.models.controlnet import SD1_CONTROLNET, ControlNet, ControlNetSpec
from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.nn.steering import Steering, together

MAX_ERROR = 1e-5


def level(channels: int, depth: int, blocks: int = 1) -> UNetLevel:
    return UNetLevel(channels=channels, num_blocks=blocks, transformer_depth=depth, num_heads=4)


UNETS = {
    "as SD 1": UNetSpec(levels=(level(16, 1, 2), level(32, 1, 2), level(32, 0, 2)), context_dim=24, norm_groups=4),
    "as the starter": UNetSpec(levels=(level(16, 0), level(32, 1), level(48, 1)), context_dim=24, norm_groups=4),
}


@torch.no_grad()
def randomised(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Weights at which no layer is silent, the zero convolutions included."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        scale = 0.1 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
        parameter.normal_(generator=generator).mul_(scale)
        if "norm" in name and name.endswith("weight"):
            parameter.add_(1)
    return module.eval()


def peer_of(control: ControlNet) -> diffusers.ControlNetModel:
    config = {k: v for k, v in controlnet_config(control.control_spec).items() if not k.startswith("_")}
    peer = diffusers.ControlNetModel(**config).eval()
    state = control.state_dict()
    theirs = renamed(controlnet_rows(control.control_spec), "diffusers", state)
    shapes = {name: value.shape for name, value in peer.state_dict().items()}
    peer.load_state_dict({theirs[name]: value.reshape(shapes[theirs[name]]) for name, value in state.items()})
    return peer


def inputs(spec: ControlNetSpec, batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(batch, 4, 8, 12, generator=generator)
    t = torch.tensor([3.0, 801.0])[:batch]
    context = torch.randn(batch, 7, spec.unet.context_dim, generator=generator)
    side = spec.downscale
    hint = torch.rand(batch, spec.hint_in_channels, 8 * side, 12 * side, generator=generator)
    return x, t, context, hint


def error(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("name", UNETS)
@torch.no_grad()
def test_equal_to_diffusers(name: str, pooled: bool) -> None:
    spec = ControlNetSpec(unet=UNETS[name], hint_channels=(8, 12, 12), global_pool=pooled)
    control = randomised(ControlNet(spec), 0)
    assert isinstance(control, ControlNet)
    x, t, context, hint = inputs(spec)
    ours = control(x, t, context, hint)
    skips, middle = peer_of(control)(x, t, context, hint, return_dict=False)
    assert ours.middle is not None
    for mine, theirs in zip((*ours.skips, ours.middle), (*skips, middle), strict=True):
        assert error(mine, theirs) < MAX_ERROR


@pytest.mark.parametrize("name", UNETS)
@torch.no_grad()
def test_the_steered_unet_is_equal_to_diffusers(name: str) -> None:
    spec = ControlNetSpec(unet=UNETS[name], hint_channels=(8, 12, 12))
    control, unet = randomised(ControlNet(spec), 0), randomised(UNet(spec.unet), 1)
    x, t, context, hint = inputs(spec)
    steering = control(x, t, context, hint)
    config = {k: v for k, v in unet_config(spec.unet, 8).items() if not k.startswith("_")}
    peer = diffusers.UNet2DConditionModel(**config).eval()
    state = unet.state_dict()
    names = renamed(unet_rows(spec.unet), "diffusers", state)
    peer.load_state_dict({names[name]: value for name, value in state.items()})
    theirs = peer(
        x,
        t,
        context,
        down_block_additional_residuals=steering.skips,
        mid_block_additional_residual=steering.middle,
        return_dict=False,
    )[0]
    ours = unet(x, t, context, steering)
    assert error(ours, theirs) < MAX_ERROR
    assert error(unet(x, t, context), ours) > 0.1


@torch.no_grad()
def test_a_new_controlnet_changes_nothing() -> None:
    spec = dataclasses.replace(UNETS["as SD 1"], in_channels=9)
    unet = randomised(UNet(spec), 1)
    assert isinstance(unet, UNet)
    control = ControlNet.copy_of(unet)
    assert control.spec.in_channels == 4
    torch.testing.assert_close(control.conv_in.weight, unet.conv_in.weight[:, :4], rtol=0, atol=0)
    x, t, context, hint = inputs(control.control_spec)
    x = torch.cat([x, x, x[:, :1]], dim=1)
    assert torch.equal(unet(x, t, context, control(x, t, context, hint)), unet(x, t, context))


def test_sizes() -> None:
    with torch.device("meta"):
        sd1 = ControlNet(SD1_CONTROLNET)
        starter = ControlNet(ControlNetSpec(unet=STARTER.unet))
    # The published control_sd15 files hold this number
    assert sum(p.numel() for p in sd1.parameters()) == 361_279_120
    assert len(sd1.skips_out) == 12
    assert SD1_CONTROLNET.downscale == 8
    assert sum(p.numel() for p in starter.parameters()) * 2 < 16e6


def test_together() -> None:
    one, two = torch.ones(1), torch.full((1,), 2.0)
    a, b = Steering(skips=(one,), middle=one), Steering(levels=(two,))
    both = together([a, b, a])
    assert (both.skips, both.middle, both.levels) == ((two,), two, (two,))
    assert together([]) == Steering()
