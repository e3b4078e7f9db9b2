"""Our networks against diffusers' and transformers' with the same random weights: relative error at most 1e-5 in
float32.

The relative error is the norm of the difference over the norm of the peer's output. One file for all three networks,
since they share everything but the peers. That a peer accepts our tensors, none missing and none left over, checks
the key maps besides.
"""

import dataclasses

import diffusers
import pytest
import torch
import transformers
from torch import Tensor, nn

from inkbloom.checkpoints.diffusers_config import folder_configs
from inkbloom.checkpoints.keymap import Component, names
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec
from inkbloom.families.starter import STARTER
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.text.tokenizer import Tokenizer

MAX_ERROR = 1e-5

TEXT = ClipTextSpec(width=24, num_layers=2, num_heads=3, vocab_size=520)


def model_spec(unet: UNetSpec | None = None, autoencoder: AutoencoderSpec | None = None, **text: object) -> ModelSpec:
    unet = unet or UNetSpec(
        levels=(UNetLevel(channels=16, num_blocks=1, transformer_depth=1, num_heads=2),), context_dim=24, norm_groups=4
    )
    autoencoder = autoencoder or AutoencoderSpec(level_channels=(16, 16), num_blocks=1, norm_groups=4)
    clip = dataclasses.replace(TEXT, **text)  # pyright: ignore[reportArgumentType]
    return dataclasses.replace(SD1, unet=unet, autoencoder=autoencoder, text=clip)


def level(channels: int, depth: int, heads: int = 2, blocks: int = 1) -> UNetLevel:
    return UNetLevel(channels=channels, num_blocks=blocks, transformer_depth=depth, num_heads=heads)


UNETS = {
    "attention above, none below, as in SD 1": UNetSpec(
        levels=(level(16, 1, heads=4), level(32, 1, heads=4), level(32, 0, heads=4)), context_dim=24, norm_groups=4
    ),
    "attention below only, two blocks": UNetSpec(
        levels=(level(8, 0, blocks=2), level(16, 1, blocks=2)), context_dim=24, norm_groups=4
    ),
    "deep transformers, linear projections, other heads in each level": UNetSpec(
        levels=(level(16, 1, heads=2), level(24, 2, heads=3)),
        mid_transformer_depth=2,
        context_dim=24,
        norm_groups=8,
        linear_projection=True,
    ),
    "levels of unequal length, nine channels in": UNetSpec(
        levels=(level(8, 1, blocks=1), level(16, 1, blocks=3)), context_dim=24, norm_groups=4, in_channels=9
    ),
    "one level": UNetSpec(levels=(level(16, 1),), context_dim=24, norm_groups=4),
}

AUTOENCODERS = {
    "factor 8": AutoencoderSpec(level_channels=(8, 16, 16, 24), num_blocks=2, norm_groups=4),
    "factor 4, eight channels": AutoencoderSpec(
        level_channels=(16, 8, 8), num_blocks=1, latent_channels=8, norm_groups=8
    ),
    "factor 1": AutoencoderSpec(level_channels=(16,), num_blocks=1, norm_groups=4),
}


def build(kind: type[nn.Module], spec: object, seed: int) -> nn.Module:
    """Our network with weights of a size at which no layer is silent; a fresh one's norms are all 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        module = kind(spec)
    module.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            scale = 0.1 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
            parameter.normal_(generator=generator).mul_(scale)
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1)
    return module.eval()


def peer_of(component: Component, spec: ModelSpec, ours: nn.Module) -> nn.Module:
    """The peer's network, configured as we write it on disk, with our very tensors."""
    folder = {"unet": "unet", "autoencoder": "vae", "text": "text_encoder"}[component]
    tokenizer = Tokenizer.clip() if spec == SD1 else Tokenizer.train(["a"], 514)
    config = folder_configs(spec, tokenizer)[f"{folder}/config.json"]
    with torch.device("meta"):
        if component == "text":
            peer = transformers.CLIPTextModel(transformers.CLIPTextConfig(**config))
        else:
            kind = diffusers.UNet2DConditionModel if component == "unet" else diffusers.AutoencoderKL
            peer = kind.from_config(config)
    state = ours.state_dict()
    theirs = names(component, spec, "diffusers", state)
    # transformers 5 names its modules without the prefix that every file has.
    peer.load_state_dict({theirs[name].removeprefix("text_model."): t for name, t in state.items()}, assign=True)
    if component == "text":
        embeddings = peer.get_submodule("embeddings")
        embeddings.position_ids = torch.arange(spec.text.max_tokens)[None]  # not in the state; born on meta
    return peer.eval()


def assert_equal(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert theirs.std() > 1e-2  # the peer says something at all
    assert float((ours - theirs).norm() / theirs.norm()) <= MAX_ERROR


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def check_unet(spec: ModelSpec, height: int, width: int) -> None:
    ours = build(UNet, spec.unet, 0)
    peer = peer_of("unet", spec, ours)
    x = draw(2, spec.unet.in_channels, height, width)
    t = torch.tensor([999, 3])
    context = draw(2, 7, spec.unet.context_dim)
    with torch.inference_mode():
        assert_equal(ours(x, t, context), peer(x, t, context).sample)


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (9, 7)], ids=str)
@pytest.mark.parametrize("unet", UNETS.values(), ids=UNETS.keys())
def test_unet_equals_diffusers(unet: UNetSpec, size: tuple[int, int]) -> None:
    check_unet(model_spec(unet), *size)


@pytest.mark.parametrize("autoencoder", AUTOENCODERS.values(), ids=AUTOENCODERS.keys())
def test_autoencoder_equals_diffusers(autoencoder: AutoencoderSpec) -> None:
    unet = UNetSpec(
        levels=(level(16, 1),),
        context_dim=24,
        norm_groups=4,
        in_channels=autoencoder.latent_channels,
        out_channels=autoencoder.latent_channels,
    )
    check_autoencoder(model_spec(unet, autoencoder), 24, 40)


def check_autoencoder(spec: ModelSpec, height: int, width: int) -> None:
    ours = build(AutoencoderKL, spec.autoencoder, 0)
    peer = peer_of("autoencoder", spec, ours)
    image = draw(2, 3, height, width).clamp(-1, 1)
    with torch.inference_mode():
        encoded, theirs = ours.encode(image), peer.encode(image).latent_dist
        assert_equal(encoded.mean, theirs.mean)
        assert_equal(encoded.log_variance, theirs.logvar)
        assert_equal(encoded.kl(), theirs.kl())
        noise = draw(*encoded.mean.shape)
        assert_equal(encoded.sample(noise), theirs.mean + theirs.std * noise)
        assert_equal(ours.decode(noise), peer.decode(noise).sample)


@pytest.mark.parametrize("skip_layers", [0, 1])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("tokens", [77, 9, 1])
def test_text_encoder_equals_transformers(activation: str, tokens: int, skip_layers: int) -> None:
    check_text(model_spec(activation=activation), tokens, skip_layers)


def check_text(spec: ModelSpec, tokens: int, skip_layers: int) -> None:
    ours = build(ClipText, spec.text, 0)
    peer = peer_of("text", spec, ours)
    ids = torch.randint(spec.text.vocab_size, (2, tokens), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        out = peer(ids, output_hidden_states=True)
        expected = peer.get_submodule("final_layer_norm")(out.hidden_states[-1 - skip_layers])
        if skip_layers == 0:
            assert_equal(out.last_hidden_state, expected)
        assert_equal(ours(ids, skip_layers=skip_layers), expected)


def test_starter_equals_peers() -> None:
    check_unet(STARTER, 16, 16)
    check_autoencoder(STARTER, 32, 32)
    check_text(STARTER, 77, 0)


@pytest.mark.full
def test_sd1_unet_equals_diffusers() -> None:
    check_unet(SD1, 16, 24)


@pytest.mark.full
def test_sd1_autoencoder_equals_diffusers() -> None:
    check_autoencoder(SD1, 64, 128)


@pytest.mark.full
def test_sd1_text_encoder_equals_transformers() -> None:
    check_text(SD1, 77, 0)


def test_sd1_sizes() -> None:
    """The published parameter counts, and shapes through the full networks, without memory."""
    with torch.device("meta"):
        unet, autoencoder, text = UNet(SD1.unet), AutoencoderKL(SD1.autoencoder), ClipText(SD1.text)
        counts = [sum(p.numel() for p in module.parameters()) for module in (unet, autoencoder, text)]
        context = text(torch.zeros(2, 77, dtype=torch.long))
        assert context.shape == (2, 77, 768)
        assert unet(torch.zeros(2, 4, 64, 64), torch.zeros(2), context).shape == (2, 4, 64, 64)
        latent = autoencoder.encode(torch.zeros(1, 3, 512, 512)).mean
        assert latent.shape == (1, 4, 64, 64)
        assert autoencoder.decode(latent).shape == (1, 3, 512, 512)
    assert counts == [859_520_964, 83_653_863, 123_060_480]
