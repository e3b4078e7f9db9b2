"""Each kind's change against its formula as LyCORIS publishes it, written again here; tolerance 1e-5, float32."""

import math

import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints.adapters.kinds import LowRank, cut
from inkbloom.checkpoints.adapters.reading import read_adapter
from inkbloom.core.errors import RequestError

OUT, IN, RANK, ALPHA = 12, 8, 2, 3.0
SCALE = ALPHA / RANK
NAME = "lora_unet_mid_block_attentions_0_proj_in"

draw = torch.randn


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


@pytest.fixture
def delta(make):
    """The change that a file with one layer of these leaves makes to a weight."""

    def call(weight: Tensor, alpha: float | None = ALPHA, /, **leaves: Tensor) -> Tensor:
        tensors = {f"{NAME}.{leaf.replace('__', '.')}": tensor for leaf, tensor in leaves.items()}
        if alpha is not None:
            tensors[f"{NAME}.alpha"] = torch.tensor(alpha)
        adapter = read_adapter(make.save(tensors))
        assert adapter.unread == ()
        return adapter.layers[NAME].weight.delta(weight)

    return call


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def tucker(core: Tensor, out: Tensor, into: Tensor) -> Tensor:
    """sum over r, s of core[r, s] out[o, r] into[s, i], one kernel position at a time."""
    result = torch.empty(out.shape[0], into.shape[1], *core.shape[2:])
    for h in range(core.shape[2]):
        for w in range(core.shape[3]):
            result[:, :, h, w] = out @ core[:, :, h, w] @ into
    return result


@pytest.mark.parametrize(("alpha", "scale"), [(ALPHA, SCALE), (None, 1.0), (0.0, 1.0)])
def test_alpha(delta, alpha: float | None, scale: float) -> None:
    up, down = draw(OUT, RANK), draw(RANK, IN)
    close(delta(draw(OUT, IN), alpha, lora_up__weight=up, lora_down__weight=down), scale * up @ down)


def test_locon(delta) -> None:
    """The change of a convolution is the composition of its two convolutions."""
    weight, picture = draw(OUT, IN, 3, 3), draw(1, IN, 5, 5)
    up, down = draw(OUT, RANK, 1, 1), draw(RANK, IN, 3, 3)
    found = delta(weight, lora_up__weight=up, lora_down__weight=down)
    expected = SCALE * torch.conv2d(torch.conv2d(picture, down), up)
    torch.testing.assert_close(torch.conv2d(picture, found), expected, rtol=1e-4, atol=1e-4)


def test_locon_with_tucker_mid(delta) -> None:
    up, mid, down = draw(OUT, RANK, 1, 1), draw(RANK, RANK, 3, 3), draw(RANK, IN, 1, 1)
    found = delta(draw(OUT, IN, 3, 3), lora_up__weight=up, lora_mid__weight=mid, lora_down__weight=down)
    close(found, SCALE * tucker(mid, up[..., 0, 0], down[..., 0, 0]))


def test_loha(delta) -> None:
    parts = {"w1_a": draw(OUT, RANK), "w1_b": draw(RANK, IN), "w2_a": draw(OUT, RANK), "w2_b": draw(RANK, IN)}
    found = delta(draw(OUT, IN), **{f"hada_{name}": tensor for name, tensor in parts.items()})
    close(found, SCALE * (parts["w1_a"] @ parts["w1_b"]) * (parts["w2_a"] @ parts["w2_b"]))


def test_loha_with_tucker_cores(delta) -> None:
    a1, b1, a2, b2 = draw(RANK, OUT), draw(RANK, IN), draw(RANK, OUT), draw(RANK, IN)
    t1, t2 = draw(RANK, RANK, 3, 3), draw(RANK, RANK, 3, 3)
    found = delta(draw(OUT, IN, 3, 3), hada_w1_a=a1, hada_w1_b=b1, hada_w2_a=a2, hada_w2_b=b2, hada_t1=t1, hada_t2=t2)
    close(found, SCALE * tucker(t1, a1.T, b1) * tucker(t2, a2.T, b2))


def kron(a: Tensor, b: Tensor) -> Tensor:
    """The definition: block (i, j) is a[i, j] b."""
    return torch.cat([torch.cat([a[i, j] * b for j in range(a.shape[1])], 1) for i in range(a.shape[0])], 0)


def test_lokr(delta) -> None:
    w1, w2 = draw(3, 2), draw(4, 4)
    close(delta(draw(OUT, IN), 100.0, lokr_w1=w1, lokr_w2=w2), kron(w1, w2))  # whole: no scale
    w1_a, w1_b, w2_a, w2_b = draw(3, RANK), draw(RANK, 2), draw(4, RANK), draw(RANK, 4)
    close(delta(draw(OUT, IN), lokr_w1=w1, lokr_w2_a=w2_a, lokr_w2_b=w2_b), SCALE * kron(w1, w2_a @ w2_b))
    close(delta(draw(OUT, IN), lokr_w1_a=w1_a, lokr_w1_b=w1_b, lokr_w2=w2), SCALE * kron(w1_a @ w1_b, w2))


def test_lokr_of_a_convolution(delta) -> None:
    w1, weight = draw(3, 2), draw(OUT, IN, 3, 3)
    w2 = draw(4, 4, 3, 3)
    close(delta(weight, lokr_w1=w1, lokr_w2=w2), kron(w1, w2))
    w2_a, w2_b = draw(4, RANK), draw(RANK, 4 * 9)
    expected = SCALE * kron(w1, (w2_a @ w2_b).reshape(4, 4, 3, 3))
    close(delta(weight, lokr_w1=w1, lokr_w2_a=w2_a, lokr_w2_b=w2_b), expected)
    w2_a, w2_b, t2 = draw(RANK, 4), draw(RANK, 4), draw(RANK, RANK, 3, 3)
    expected = SCALE * kron(w1, tucker(t2, w2_a.T, w2_b))
    close(delta(weight, lokr_w1=w1, lokr_w2_a=w2_a, lokr_w2_b=w2_b, lokr_t2=t2), expected)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_ia3(delta, kernel: tuple[int, ...]) -> None:
    weight, ones = draw(OUT, IN, *kernel), [1] * len(kernel)
    w = draw(OUT) if not kernel else draw(1, OUT, *ones)
    found = delta(weight, None, weight=w, on_input=torch.tensor(0))
    close(found, torch.stack([weight[o] * w.flatten()[o] for o in range(OUT)]))
    w = draw(IN) if not kernel else draw(1, IN, *ones)
    found = delta(weight, None, weight=w, on_input=torch.tensor(1))
    close(found, torch.stack([weight[:, i] * w.flatten()[i] for i in range(IN)], 1))


def test_glora(delta) -> None:
    weight = draw(OUT, IN)
    tall, wide, up, down = draw(IN, RANK), draw(RANK, IN), draw(OUT, RANK), draw(RANK, IN)
    expected = SCALE * (weight @ tall @ wide + up @ down)
    close(delta(weight, a1__weight=tall, a2__weight=wide, b1__weight=up, b2__weight=down), expected)
    close(delta(weight, a1__weight=wide, a2__weight=tall, b1__weight=down, b2__weight=up), expected)  # LyCORIS 1


def test_glora_with_tucker_mid(delta) -> None:
    weight, tall, wide = draw(OUT, IN, 3, 3), draw(IN, RANK), draw(RANK, IN)
    up, mid, down = draw(OUT, RANK), draw(RANK, RANK, 3, 3), draw(RANK, IN)
    found = delta(weight, a1__weight=tall, a2__weight=wide, b1__weight=up, b2__weight=down, bm__weight=mid)
    turned = torch.einsum("oihw, ij -> ojhw", weight, tall @ wide)
    close(found, SCALE * (turned + tucker(mid, up, down)))


def test_set_weight(delta) -> None:
    """ComfyUI's: another weight in place of the old one."""
    weight, other = draw(OUT, IN), draw(OUT, IN)
    close(weight + delta(weight, None, set_weight=other), other)


def rotations(blocks: Tensor) -> Tensor:
    """exp-like Cayley transform by solving R (I - Q) = I + Q."""
    result = []
    for block in blocks:
        q, one = block - block.T, torch.eye(len(block))
        result.append(torch.linalg.solve((one - q).T, (one + q).T).T)
    return torch.block_diag(*result)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_oft(delta, kernel: tuple[int, ...]) -> None:
    weight, blocks = draw(OUT, IN, *kernel), draw(3, 4, 4)
    flat = weight.flatten(1)
    turned = rotations(blocks).T @ flat
    close(delta(weight, None, oft_blocks=blocks), (turned - flat).reshape(weight.shape))
    torch.testing.assert_close(turned.norm(dim=0), flat.norm(dim=0))  # the reference does rotate
    rescale = draw(OUT, 1, *(1 for _ in kernel))
    found = delta(weight, None, oft_blocks=blocks, rescale=rescale)
    close(found, (rescale.reshape(OUT, 1) * turned - flat).reshape(weight.shape))


def test_constrained_and_old_oft(delta) -> None:
    weight, blocks = draw(OUT, IN), draw(3, 4, 4)
    norm = (blocks - blocks.mT).norm()
    alpha = float(norm) / 2 / OUT  # the constraint is alpha times the outputs: half of what is there
    close(delta(weight, alpha, oft_blocks=blocks), rotations(blocks / 2).T @ weight - weight)
    close(delta(weight, 4 * alpha, oft_blocks=blocks), rotations(blocks).T @ weight - weight)
    close(delta(weight, None, oft_diag=blocks), torch.block_diag(*blocks).T @ weight - weight)


def test_boft(delta) -> None:
    """Against products of explicit matrices: factor i turns the rows that share all bits of their number but one."""
    size, factors = 4, 2
    weight, blocks = draw(8, IN), draw(factors, 2, size, size)
    expected = weight
    for i in range(factors):
        apart = 2**i * size // 2
        order = [start + half * apart + k for start in range(0, 8, 2 * apart) for k in range(apart) for half in (0, 1)]
        permutation = torch.eye(8)[order]
        expected = permutation.T @ rotations(blocks[i]) @ permutation @ expected
    close(delta(weight, None, oft_blocks=blocks), expected - weight)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_dora(delta, kernel: tuple[int, ...]) -> None:
    weight, up, down = draw(OUT, IN, *kernel), draw(OUT, RANK), draw(RANK, IN, *kernel)
    changed = weight + SCALE * (up @ down.flatten(1)).reshape(weight.shape)
    leaves, ones = {"lora_up__weight": up, "lora_down__weight": down}, [1] * len(kernel)
    magnitude = draw(OUT, 1, *ones)
    expected = torch.stack([magnitude[o].item() * changed[o] / changed[o].norm() for o in range(OUT)])
    close(delta(weight, dora_scale=magnitude, **leaves), expected - weight)
    per_input = draw(1, IN, *ones)
    expected = torch.stack([per_input[0, i].item() * changed[:, i] / changed[:, i].norm() for i in range(IN)], 1)
    close(delta(weight, dora_scale=per_input, **leaves), expected - weight)


def test_differences(make) -> None:
    weight, bias = draw(OUT, IN), draw(OUT)
    adapter = read_adapter(
        make.save({f"{NAME}.diff": weight, f"{NAME}.diff_b": bias, "x_norm.w_norm": bias, "x_norm.b_norm": bias + 1})
    )
    full, norm = adapter.layers[NAME], adapter.layers["x_norm"]
    assert torch.equal(full.weight.delta(torch.zeros(OUT, IN)), weight)
    assert torch.equal(full.bias.delta(torch.zeros(OUT)), bias)
    assert torch.equal(norm.weight.delta(torch.zeros(OUT)), bias)
    assert torch.equal(norm.bias.delta(torch.zeros(OUT)), bias + 1)


def test_cut() -> None:
    """A1111's `dyn`: the first components, with the scale of the whole."""
    lora = LowRank(up=draw(OUT, 4), down=draw(4, IN), alpha=2.0)
    assert cut(lora, 2).rank == 2
    close(cut(lora, 2).delta(draw(OUT, IN)), 0.5 * lora.up[:, :2] @ lora.down[:2])
    close(cut(lora, 9).delta(draw(OUT, IN)), lora.delta(draw(OUT, IN)))


def test_cut_of_a_kind_without_rank(make) -> None:
    adapter = read_adapter(make.save({f"{NAME}.diff": draw(OUT, IN)}))
    with pytest.raises(RequestError, match=r"^A rank of 2 was asked for, but difference has no rank that can be cut"):
        cut(adapter.layers[NAME].weight, 2)


def test_half_precision_is_computed_in_float32(delta) -> None:
    up, down = draw(OUT, RANK).half(), draw(RANK, IN).half()
    found = delta(draw(OUT, IN), lora_up__weight=up, lora_down__weight=down)
    assert found.dtype == torch.float32
    close(found, SCALE * up.float() @ down.float())
    assert math.isfinite(found.sum())
