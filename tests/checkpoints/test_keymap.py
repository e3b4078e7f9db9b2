import diffusers.loaders.single_file_utils as peer
import pytest
import torch
from torch import nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.diffusers_config import folder_configs
from inkbloom.checkpoints.keymap import COMPONENTS, Component, as_on_disk, fits, modern, names, rows
from inkbloom.families.sd1 import SD1
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet

LAYOUTS = ("ldm", "diffusers")


def networks(model: LoadedModel) -> dict[Component, nn.Module]:
    return {component: getattr(model, component) for component in COMPONENTS}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tensor_has_one_name_of_its_own(layout: str) -> None:
    with torch.device("meta"):
        modules = {"unet": UNet(SD1.unet), "autoencoder": AutoencoderKL(SD1.autoencoder), "text": ClipText(SD1.text)}
    for component, module in modules.items():
        ours = list(module.state_dict())
        theirs = names(component, SD1, layout, ours)
        assert list(theirs) == ours
        assert len(set(theirs.values())) == len(ours)


def test_every_row_is_of_a_layer_or_of_one_that_a_block_may_lack() -> None:
    with torch.device("meta"):
        modules = {"unet": UNet(SD1.unet), "autoencoder": AutoencoderKL(SD1.autoencoder), "text": ClipText(SD1.text)}
    for component, module in modules.items():
        there = {name for name, _ in module.named_modules()} | set(module.state_dict())
        absent = {row.ours for row in rows(component, SD1)} - there
        assert not absent


@pytest.mark.parametrize("component", ["unet", "autoencoder"])
def test_both_layouts_agree_with_the_peers_conversion(component: Component, tiny: LoadedModel) -> None:
    """diffusers turns LDM's names and shapes into its own: the very ones that we write in its layout."""
    state = networks(tiny)[component].state_dict()
    ldm, other = (names(component, tiny.spec, layout, state) for layout in LAYOUTS)
    single_file = {ldm[name]: as_on_disk(tensor, ldm[name]) for name, tensor in state.items()}
    configs = folder_configs(tiny.spec, tiny.tokenizer)
    if component == "unet":
        prefixed = {f"model.diffusion_model.{name}": tensor for name, tensor in single_file.items()}
        converted = peer.convert_ldm_unet_checkpoint(prefixed, configs["unet/config.json"])
    else:
        prefixed = {f"first_stage_model.{name}": tensor for name, tensor in single_file.items()}
        converted = peer.convert_ldm_vae_checkpoint(prefixed, configs["vae/config.json"])
    assert converted.keys() == {other[name] for name in state}
    for name, tensor in state.items():
        assert torch.equal(converted[other[name]], tensor), name


def test_text_names_are_those_of_clip(tiny: LoadedModel) -> None:
    theirs = names(
        "text", tiny.spec, "ldm", ["position_embedding", "layers.1.attention.out.bias", "layers.0.fc1.weight"]
    )
    assert list(theirs.values()) == [
        "text_model.embeddings.position_embedding.weight",
        "text_model.encoder.layers.1.self_attn.out_proj.bias",
        "text_model.encoder.layers.0.mlp.fc1.weight",
    ]


@pytest.mark.parametrize(
    ("component", "old", "new"),
    [
        ("text", "embeddings.token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
        ("text", "final_layer_norm.bias", "text_model.final_layer_norm.bias"),
        ("text", "text_model.final_layer_norm.bias", "text_model.final_layer_norm.bias"),
        ("autoencoder", "encoder.mid_block.attentions.0.query.bias", "encoder.mid_block.attentions.0.to_q.bias"),
        (
            "autoencoder",
            "decoder.mid_block.attentions.0.proj_attn.weight",
            "decoder.mid_block.attentions.0.to_out.0.weight",
        ),
        ("unet", "conv_in.weight", "conv_in.weight"),
    ],
)
def test_old_spellings(component: Component, old: str, new: str) -> None:
    assert modern(component, old) == new


@pytest.mark.parametrize(
    ("shape", "ours", "same"),
    [
        ((3, 4), (3, 4), True),
        ((3, 4, 1, 1), (3, 4), True),
        ((3, 4), (3, 4, 1, 1), True),
        ((3, 4, 3, 3), (3, 4), False),
        ((4, 3, 1, 1), (3, 4), False),
        ((3,), (3, 1), False),
        ((3, 4, 1), (3, 4), False),
    ],
)
def test_a_1x1_convolution_fits_a_linear_layer(shape: tuple[int, ...], ours: tuple[int, ...], same: bool) -> None:
    assert fits(shape, ours) is same
