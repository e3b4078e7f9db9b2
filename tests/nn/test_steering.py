import pytest
import torch

from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.nn.attention import Attention, Beside
from inkbloom.nn.steering import Reference, Steering
from inkbloom.nn.transformer import TransformerBlock

X = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(1)
    return Attention(8, 2)


@torch.no_grad()
def test_what_is_beside_is_attended_to_by_itself(attention: Attention) -> None:
    other = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(2))
    beside = Beside(attention.k(other), attention.v(other), 0.4)
    bias = attention.out.bias
    expected = attention(X) + 0.4 * (attention(X, other) - bias)
    torch.testing.assert_close(attention(X, beside=[beside]), expected)


@torch.no_grad()
def test_a_reference_joins_the_self_attention(attention: Attention) -> None:
    other = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(2))
    tokens: dict[Attention, torch.Tensor] = {}
    collecting = Reference(tokens=tokens, collects=frozenset([attention]))
    assert torch.equal(collecting(attention, other), attention(other))
    looking = attention(X, torch.cat([X, other], dim=1))
    torch.testing.assert_close(Reference(tokens=tokens)(attention, X), looking)
    # An unprompted row is mixed with itself alone, a prompted one is not
    prompted = torch.tensor([0.0, 1.0])[:, None, None]
    mixed = Reference(tokens=tokens, fidelity=0.25, prompted=prompted)(attention, X)
    torch.testing.assert_close(mixed[1], looking[1])
    torch.testing.assert_close(mixed[0], 0.75 * looking[0] + 0.25 * attention(X)[0])
    assert torch.equal(Reference(tokens={})(attention, X), attention(X))


@torch.no_grad()
def test_a_picture_that_refers_to_itself_stays_what_it_is() -> None:
    """Attention over all tokens twice is attention over them once, through the whole U-Net."""
    torch.manual_seed(0)
    levels = (
        UNetLevel(channels=16, num_blocks=1, transformer_depth=1, num_heads=4),
        UNetLevel(channels=32, num_blocks=1, transformer_depth=0, num_heads=4),
    )
    unet = UNet(UNetSpec(levels=levels, context_dim=24, norm_groups=4))
    x, t, context = torch.randn(2, 4, 8, 8), torch.full((2,), 500.0), torch.randn(2, 7, 24)
    blocks = [each.self_attention for each in unet.modules() if isinstance(each, TransformerBlock)]
    tokens: dict[Attention, torch.Tensor] = {}
    plain = unet(x, t, context, Steering(reference=Reference(tokens=tokens, collects=frozenset(blocks))))
    assert len(tokens) == len(blocks) == 4
    torch.testing.assert_close(plain, unet(x, t, context))
    torch.testing.assert_close(unet(x, t, context, Steering(reference=Reference(tokens=tokens))), plain)
    assert (
        unet(x.flip(0), t, context, Steering(reference=Reference(tokens=tokens))) - plain.flip(0)
    ).abs().max() > 1e-3
