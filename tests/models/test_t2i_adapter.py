"""T2I-Adapters against diffusers' with the same random weights: relative error at most 1e-5 in float32."""

import diffusers
import pytest
import torch

from inkbloom.checkpoints.control.t2i_adapter import t2i_rows
from inkbloom.checkpoints.diffusers_config import unet_config
from inkbloom.checkpoints.keymap import renamed, unet_rows
from inkbloom.models.t2i_adapter import T2IAdapter, adapter_for
from inkbloom.models.unet import SD1_UNET, UNet, UNetLevel, UNetSpec
from inkbloom.nn.steering import Steering

MAX_ERROR = 1e-5

UNET = UNetSpec(
    levels=(
        UNetLevel(channels=16, num_blocks=2, transformer_depth=1, num_heads=4),
        UNetLevel(channels=32, num_blocks=2, transformer_depth=1, num_heads=4),
        UNetLevel(channels=32, num_blocks=2, transformer_depth=0, num_heads=4),
    ),
    context_dim=24,
    norm_groups=4,
)


def peer_of(adapter: T2IAdapter) -> diffusers.T2IAdapter:
    spec = adapter.spec
    channels = list(spec.level_channels)
    if spec.light:
        assert channels[-1] == channels[-2]
        channels.pop()  # diffusers' light adapter says its last level twice by itself
    peer = diffusers.T2IAdapter(
        in_channels=spec.hint_in_channels,
        channels=channels,
        num_res_blocks=spec.num_blocks,
        downscale_factor=spec.downscale,
        adapter_type="light_adapter" if spec.light else "full_adapter",
    )
    state = adapter.state_dict()
    theirs = renamed(t2i_rows(spec), "diffusers", state)
    peer.load_state_dict({theirs[name]: value for name, value in state.items()})
    return peer


@pytest.mark.parametrize("light", [False, True])
@torch.no_grad()
def test_equal_to_diffusers(light: bool) -> None:
    torch.manual_seed(0)
    adapter = T2IAdapter(adapter_for(UNET, light=light))
    hint = torch.rand(2, 3, 72, 104)
    for ours, theirs in zip(adapter(hint), peer_of(adapter)(hint), strict=True):
        assert ((ours - theirs).norm() / theirs.norm()).item() < MAX_ERROR


@torch.no_grad()
def test_the_steered_unet_is_equal_to_diffusers() -> None:
    torch.manual_seed(0)
    unet, adapter = UNet(UNET), T2IAdapter(adapter_for(UNET))
    x, t, context = torch.randn(2, 4, 9, 13), torch.tensor([3.0, 801.0]), torch.randn(2, 7, 24)
    levels = adapter(torch.rand(1, 3, 72, 104))
    peer = diffusers.UNet2DConditionModel(**{k: v for k, v in unet_config(UNET, 8).items() if k[0] != "_"}).eval()
    state = unet.state_dict()
    theirs = renamed(unet_rows(UNET), "diffusers", state)
    peer.load_state_dict({theirs[name]: value for name, value in state.items()})
    answer = peer(
        x,
        t,
        context,
        down_intrablock_additional_residuals=[each.repeat(2, 1, 1, 1) for each in levels],
        return_dict=False,
    )[0]
    ours = unet(x, t, context, Steering(levels=levels))
    assert ((ours - answer).norm() / answer.norm()).item() < MAX_ERROR
    assert (ours - unet(x, t, context)).norm() / ours.norm() > 0.01


def test_sizes() -> None:
    with torch.device("meta"):
        full, light = (T2IAdapter(adapter_for(SD1_UNET, light=light)) for light in (False, True))
    # The published t2iadapter_*_sd14v1 files hold this number
    assert sum(p.numel() for p in full.parameters()) == 77_369_280
    assert sum(p.numel() for p in light.parameters()) < 20e6
