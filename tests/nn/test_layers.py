"""The shared layers against PyTorch's and diffusers' own, to 1e-6 in float32; one file, since each is a few lines."""

import math

import diffusers.models.embeddings as peer
import pytest
import torch
from torch import Tensor, nn

from inkbloom.nn.attention import Attention
from inkbloom.nn.blocks import Downsample, ResnetBlock, Upsample
from inkbloom.nn.embeddings import sinusoidal_embedding
from inkbloom.nn.transformer import GatedFeedForward, SpatialTransformer


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_equals_torchs(causal: bool) -> None:
    torch.manual_seed(0)
    ours = Attention(12, 3, qkv_bias=True)
    peer_attention = nn.MultiheadAttention(12, 3, batch_first=True)
    peer_attention.in_proj_weight.data = torch.cat([ours.q.weight, ours.k.weight, ours.v.weight])
    peer_attention.in_proj_bias.data = torch.cat([ours.q.bias, ours.k.bias, ours.v.bias])
    peer_attention.out_proj = ours.out
    x = draw(2, 5, 12)
    mask = nn.Transformer.generate_square_subsequent_mask(5) if causal else None
    with torch.inference_mode():
        expected, _ = peer_attention(x, x, x, attn_mask=mask, need_weights=False)
        assert close(ours(x, causal=causal), expected)


def test_cross_attention_reads_the_context() -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2, context_dim=6)
    x, context = draw(1, 3, 8), draw(1, 4, 6)
    assert attention(x, context).shape == (1, 3, 8)
    assert not close(attention(x, context), attention(x, context + 1))
    assert close(attention(x, context), attention(x, context.flip(1)))  # a set, not a sequence


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="num_heads must divide the width 10, got 3"):
        Attention(10, 3)


@pytest.mark.parametrize("dim", [2, 32, 320])
def test_sinusoidal_embedding_equals_diffusers(dim: int) -> None:
    t = torch.tensor([0.0, 1.0, 500.5, 999.0])
    expected = peer.get_timestep_embedding(t, dim, flip_sin_to_cos=True, downscale_freq_shift=0)
    assert torch.allclose(sinusoidal_embedding(t, dim), expected, rtol=0, atol=1e-4)  # angles up to 999 in float32


def test_sinusoidal_embedding_keeps_neighbours_apart_in_low_precision() -> None:
    embedding = sinusoidal_embedding(torch.tensor([998, 999]), 32)
    assert embedding.dtype == torch.float32
    assert float(embedding[0, 0]) == pytest.approx(math.cos(998), abs=1e-5)


def test_resnet_block() -> None:
    torch.manual_seed(0)
    block = ResnetBlock(4, 8, norm_groups=2, eps=1e-5, time_dim=6)
    x, time = draw(2, 4, 5, 5), draw(2, 6)
    assert block(x, time).shape == (2, 8, 5, 5)
    assert not close(block(x, time), block(x, time + 1))
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    assert close(block(x, time), block.skip(x))  # nothing but the residual path
    assert isinstance(ResnetBlock(4, 4, norm_groups=2, eps=1e-5).skip, nn.Identity)


@pytest.mark.parametrize("pad_all", [False, True])
@pytest.mark.parametrize(("size", "half"), [(8, 4), (7, None)])
def test_downsample(pad_all: bool, size: int, half: int | None) -> None:
    out = Downsample(2, pad_all=pad_all)(draw(1, 2, size, size))
    assert out.shape[2] == (half or (4 if pad_all else 3))


def test_upsample_doubles_or_matches() -> None:
    torch.manual_seed(0)
    up = Upsample(2)
    x = draw(1, 2, 3, 3)
    doubled = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert close(up(x), up.conv(doubled))
    assert close(up(x, torch.Size((6, 6))), up(x))
    assert up(x, torch.Size((5, 7))).shape == (1, 2, 5, 7)


def test_gated_feed_forward() -> None:
    torch.manual_seed(0)
    layer = GatedFeedForward(4)
    x = draw(1, 3, 4)
    hidden, gate = (x @ layer.widen.weight.T + layer.widen.bias).split(16, dim=-1)
    gelu = 0.5 * gate * (1 + torch.erf(gate / math.sqrt(2)))
    assert close(layer(x), layer.narrow(hidden * gelu))


def test_spatial_transformer_projects_alike_by_convolutions_and_linear_layers() -> None:
    torch.manual_seed(0)
    conv, linear = (
        SpatialTransformer(8, 2, depth=2, context_dim=6, norm_groups=2, linear_projection=kind)
        for kind in (False, True)
    )
    state = {name: t.flatten(1) if t.ndim == 4 else t for name, t in conv.state_dict().items()}
    linear.load_state_dict(state)
    x, context = draw(2, 8, 3, 5), draw(2, 4, 6)
    assert close(conv(x, context), linear(x, context))
