"""The VQ autoencoder against diffusers' (relative error at most 1e-5), its losses by hand, its way through files."""

from pathlib import Path

import diffusers
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from inkbloom.checkpoints.autoencoders import load_first_stage, load_vq, save_autoencoder
from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.vq import VectorQuantizer, VQModel, VQSpec, perplexity

SPEC = VQSpec(level_channels=(8, 16), num_blocks=1, latent_channels=3, norm_groups=4, codebook_size=32)


@pytest.fixture
def model() -> VQModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VQModel(SPEC).eval()
        # Codes as far apart as the latents are, so that many are used
        torch.nn.init.normal_(model.quantize.embedding.weight, std=0.5)
    return model


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def equal(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).norm() <= 1e-5 * theirs.norm())


@torch.no_grad()
def test_it_equals_diffusers(model: VQModel, tmp_path: Path) -> None:
    save_autoencoder(tmp_path / "vq", model, latent_scale=0.5, size=16)
    peer = diffusers.VQModel.from_pretrained(tmp_path / "vq", local_files_only=True)
    assert peer.config.scaling_factor == 0.5
    image = draw(2, 3, 16, 24).clamp(-1, 1)
    latent = model.encode(image)
    assert equal(latent, peer.encode(image).latents)
    assert equal(model.decode(latent), peer.decode(latent).sample)
    assert model.quantize(latent).indices.unique().numel() > 4


def test_losses_and_gradients_equal_diffusers(model: VQModel) -> None:
    """With `legacy=False`, which weighs the terms as the paper does."""
    peer = diffusers.models.autoencoders.vae.VectorQuantizer(32, 3, beta=0.25, legacy=False)
    peer.embedding.weight = torch.nn.Parameter(model.quantize.embedding.weight.detach().clone())
    z, their_z = draw(2, 3, 4, 6).requires_grad_(), draw(2, 3, 4, 6).requires_grad_()
    ours = model.quantize(z)
    codes, loss, (_, _, indices) = peer(their_z)
    assert torch.equal(ours.indices.flatten(), indices)
    assert equal(ours.latent, codes)
    assert torch.allclose(ours.codebook_loss.mean() + 0.25 * ours.commitment_loss.mean(), loss, rtol=1e-5, atol=0)
    (ours.latent.square().sum() + ours.codebook_loss.mean() + 0.25 * ours.commitment_loss.mean()).backward()
    (codes.square().sum() + loss).backward()
    for mine, theirs in ((z, their_z), (model.quantize.embedding.weight, peer.embedding.weight)):
        assert mine.grad is not None
        assert equal(mine.grad, theirs.grad)


def test_two_codes_by_hand() -> None:
    quantizer = VectorQuantizer(2, 1)
    quantizer.embedding.weight.data = torch.tensor([[0.0], [1.0]])
    z = torch.tensor([0.25, 0.75, 1.5, -1.0]).view(1, 1, 2, 2).requires_grad_()
    quantized = quantizer(z)
    assert quantized.indices.flatten().tolist() == [0, 1, 1, 0]
    assert quantized.latent.flatten().tolist() == [0, 1, 1, 0]
    assert quantized.commitment_loss.tolist() == pytest.approx([(0.0625 + 0.0625 + 0.25 + 1.0) / 4])
    (gradient,) = torch.autograd.grad((quantized.latent * torch.arange(4.0).view(1, 1, 2, 2)).sum(), z)
    assert gradient.flatten().tolist() == [0, 1, 2, 3]


def test_perplexity() -> None:
    assert perplexity(torch.tensor([[3, 3], [3, 3]]), 8) == pytest.approx(1.0)
    assert perplexity(torch.arange(8), 8) == pytest.approx(8.0)


def test_a_file_has_the_ldm_layout_and_comes_back(model: VQModel, tmp_path: Path) -> None:
    path = tmp_path / "vq.safetensors"
    save_autoencoder(path, model, latent_scale=1.0, size=16, metadata={"note": "mine"})
    with safe_open(path, "pt") as file:
        keys = set(file.keys())
        assert file.metadata()["note"] == "mine"
        assert list(file.get_slice("decoder.mid.attn_1.q.weight").get_shape()) == [16, 16, 1, 1]
        whole = {f"first_stage_model.{name}": file.get_tensor(name) for name in keys}
    assert {
        "quantize.embedding.weight",
        "quant_conv.weight",
        "post_quant_conv.bias",
        "encoder.down.0.block.0.norm1.weight",
    } <= keys
    again = load_vq(path)
    assert again.spec == SPEC
    image = draw(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(again.decode(again.encode(image)), model.decode(model.encode(image)))

    save_file(whole, tmp_path / "whole.safetensors", metadata={"inkbloom.norm_groups": "4"})
    assert load_vq(tmp_path / "whole.safetensors").spec == SPEC
    assert isinstance(load_first_stage(tmp_path / "whole.safetensors"), VQModel)


def test_either_kind_opens(tiny_file: Path, tiny_folder: Path) -> None:
    for path in (tiny_file, tiny_folder):
        assert isinstance(load_first_stage(path), AutoencoderKL)


def test_other_files(model: VQModel, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(
        CheckpointError, match=r'is no VQ autoencoder: it lacks the tensor "quantize\.embedding\.weight"'
    ):
        load_vq(tmp_path / "a.safetensors")
    save_file({"quantize.embedding.weight": torch.zeros(4, 3)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r'is no VQ autoencoder: it lacks the tensor "decoder\.conv_in\.weight"'):
        load_vq(tmp_path / "a.safetensors")
    save_autoencoder(tmp_path / "vq.safetensors", model, latent_scale=1.0, size=16)
    with safe_open(tmp_path / "vq.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name != "quant_conv.bias"}  # noqa: SIM118
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"norm_groups is 32; it must divide all of \(8, 16\)\."):
        load_vq(tmp_path / "a.safetensors")
    save_file(tensors, tmp_path / "a.safetensors", metadata={"inkbloom.norm_groups": "4"})
    with pytest.raises(KeyMismatchError, match=r"VQ autoencoder do not match: 1 missing: quant_conv\.bias\."):
        load_vq(tmp_path / "a.safetensors")
