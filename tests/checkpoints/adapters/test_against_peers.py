"""Adapters in kohya's, diffusers' and PEFT's spelling, against diffusers and peft on the same files.

Root mean square within 1e-5 of the outputs' standard deviation (measured: 1.4e-6 at most).
"""

import json
import re
from pathlib import Path

import diffusers
import peft
import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import AdapterUse, applied, fit, read_adapter
from inkbloom.checkpoints.adapters.kinds import InputRotation
from inkbloom.checkpoints.adapters.writing import save_adapter, spell

ATTENTION = ("attn1.to_", "attn2.to_")
TRANSFORMER = (*ATTENTION, "ff.net", "proj_in", "proj_out")
CONVOLUTIONS = ("conv1", "conv2", "time_emb_proj", "conv_shortcut", "downsamplers", "upsamplers")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@pytest.fixture
def pipeline(tiny_folder: Path) -> diffusers.StableDiffusionPipeline:
    return diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_folder, safety_checker=None, local_files_only=True, requires_safety_checker=False
    )


@torch.no_grad()
def outputs(text, unet) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(0, 49408, (1, 77), generator=generator)
    latent = torch.randn(1, 4, 8, 8, generator=generator)
    context = torch.randn(1, 77, 64, generator=generator)
    encoded, noise = text(ids), unet(latent, torch.tensor([500]), context)
    return getattr(encoded, "last_hidden_state", encoded), getattr(noise, "sample", noise)


def compare(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor], base: tuple[Tensor, Tensor]) -> None:
    for mine, reference, without in zip(ours, theirs, base, strict=True):
        assert (reference - without).std() > 1e-3 * without.std()  # there is something to compare
        assert (mine - reference).square().mean().sqrt() < 1e-5 * reference.std()


def merged(model: LoadedModel, path: Path) -> tuple[Tensor, Tensor]:
    with applied(model, [AdapterUse(file=read_adapter(path))]) as (fit,):
        assert fit.not_applied == ()
        return outputs(model.text, model.unet)


@pytest.mark.parametrize("alpha", [None, 1.5])
@pytest.mark.parametrize("unet", [TRANSFORMER, (*TRANSFORMER, *CONVOLUTIONS)], ids=["lora", "locon"])
def test_kohya_as_diffusers(make, pipeline, tiny_model: LoadedModel, alpha: float | None, unet) -> None:
    path = make.save(make.kohya(alpha, unet=unet, text=TEXT))
    base = outputs(pipeline.text_encoder, pipeline.unet)
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    compare(merged(tiny_model, path), outputs(pipeline.text_encoder, pipeline.unet), base)


@pytest.mark.parametrize("use_dora", [False, True], ids=["lora", "dora"])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_file_of_diffusers(pipeline, tiny_model: LoadedModel, tmp_path: Path, use_dora: bool, use_rslora: bool) -> None:
    """A LoRA that diffusers itself wrote, whose alpha is in the metadata alone."""
    base = outputs(pipeline.text_encoder, pipeline.unet)
    settings = {"r": 3, "lora_alpha": 5, "use_dora": use_dora, "use_rslora": use_rslora, "init_lora_weights": False}
    torch.manual_seed(3)
    unet = peft.LoraConfig(target_modules=["to_q", "to_out.0", "ff.net.2", "proj_in", "conv2"], **settings)
    text = peft.LoraConfig(target_modules=["q_proj", "fc1"], **settings)
    pipeline.unet.add_adapter(unet)
    pipeline.text_encoder.add_adapter(text)
    layers = {
        "unet_lora_layers": peft.get_peft_model_state_dict(pipeline.unet, adapter_name="default"),
        "text_encoder_lora_layers": peft.get_peft_model_state_dict(pipeline.text_encoder, adapter_name="default"),
    }
    pipeline.save_lora_weights(
        tmp_path, **layers, unet_lora_adapter_metadata=plain(unet), text_encoder_lora_adapter_metadata=plain(text)
    )
    compare(merged(tiny_model, tmp_path), outputs(pipeline.text_encoder, pipeline.unet), base)


def plain(config: peft.LoraConfig) -> dict:
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr", "whole lokr"])
def test_folder_of_peft(pipeline, tiny_model: LoadedModel, tmp_path: Path, kind: str) -> None:
    base = outputs(pipeline.text_encoder, pipeline.unet)
    torch.manual_seed(4)
    targets = {"target_modules": ["to_k", "ff.net.2"], "r": 2}
    config = {
        "lora": lambda: peft.LoraConfig(
            **targets, lora_alpha=3, alpha_pattern={"attn2.to_k": 7}, init_lora_weights=False
        ),
        "loha": lambda: peft.LoHaConfig(**targets, alpha=3, init_weights=False),
        "lokr": lambda: peft.LoKrConfig(**targets, alpha=3, init_weights=False),
        "whole lokr": lambda: peft.LoKrConfig(**targets | {"r": 32}, alpha=3, init_weights=False),
    }[kind]()
    model = peft.get_peft_model(pipeline.unet, config)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == kind.split()[-1].upper()
    theirs = outputs(pipeline.text_encoder, model)
    compare(merged(tiny_model, tmp_path)[1:], theirs[1:], base[1:])


@pytest.mark.parametrize("kind", ["oft", "exact oft", "shared oft", "ia3"])
def test_other_kinds_of_peft(pipeline, tiny_model: LoadedModel, tmp_path: Path, kind: str) -> None:
    """On linear layers: PEFT's own forward of OFT ignores a convolution's padding."""
    base = outputs(pipeline.text_encoder, pipeline.unet)
    torch.manual_seed(4)
    targets = ["to_k", "to_out.0", "ff.net.2"]
    config = {
        "oft": lambda: peft.OFTConfig(target_modules=targets, oft_block_size=8, r=0, init_weights=False),
        "exact oft": lambda: peft.OFTConfig(
            target_modules=targets, oft_block_size=8, r=0, use_cayley_neumann=False, init_weights=False
        ),
        "shared oft": lambda: peft.OFTConfig(
            target_modules=targets, oft_block_size=8, r=0, block_share=True, init_weights=False
        ),
        "ia3": lambda: peft.IA3Config(
            target_modules=[*targets, "conv1", "conv2"],
            feedforward_modules=["ff.net.2", "conv2"],
            init_ia3_weights=False,
        ),
    }[kind]()
    model = peft.get_peft_model(pipeline.unet, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "oft_R" in name:
                parameter.normal_(std=0.1)
            if "ia3_l" in name:
                parameter.normal_(1.0, 0.3)
    model.save_pretrained(tmp_path)
    compare(merged(tiny_model, tmp_path)[1:], outputs(pipeline.text_encoder, model)[1:], base[1:])


@pytest.mark.parametrize("neumann_terms", range(1, 8))
def test_sums_of_rotations_as_peft(neumann_terms: int) -> None:
    torch.manual_seed(4)
    layer = torch.nn.Linear(8, 6)
    config = peft.OFTConfig(
        target_modules=["0"], oft_block_size=4, r=0, num_cayley_neumann_terms=neumann_terms, init_weights=False
    )
    model = peft.get_peft_model(torch.nn.Sequential(layer), config)
    theirs = model.base_model.model[0]
    torch.nn.init.normal_(theirs.oft_R["default"].weight, std=0.2)
    change = InputRotation(upper=theirs.oft_R["default"].weight.detach(), neumann_terms=neumann_terms)
    weight = layer.weight.detach()
    expected = weight @ theirs.get_delta_weight("default").detach().T
    torch.testing.assert_close(weight + change.delta(weight), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Adapter 'default'")  # PEFT takes these biases for damaged matrices
@pytest.mark.parametrize("bias", ["lora", "all"])
def test_biases_of_peft(pipeline, tiny_model: LoadedModel, tmp_path: Path, bias: str) -> None:
    base = outputs(pipeline.text_encoder, pipeline.unet)
    torch.manual_seed(4)
    config = peft.LoraConfig(
        target_modules=["to_out.0", "ff.net.2"],
        r=2,
        lora_alpha=3,
        init_lora_weights=False,
        lora_bias=bias == "lora",
        bias="all" if bias == "all" else "none",
    )
    model = peft.get_peft_model(pipeline.unet, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and (bias == "all" or "lora_B" in name):
                parameter.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(tmp_path)
    compare(merged(tiny_model, tmp_path)[1:], outputs(pipeline.text_encoder, model)[1:], base[1:])


def test_old_attention_processors(make, pipeline, tiny_model: LoadedModel) -> None:
    """diffusers' spelling of 2023: `attn1.processor.to_q_lora.up.weight`, with and without "unet."."""
    tensors = make.lora(make.weights("unet", *ATTENTION), 3, up="lora.up.weight", down="lora.down.weight")
    old = re.compile(r"\.(to_[qkv]|to_out)(?:\.0)?\.lora\.")
    tensors = {old.sub(r".processor.\1_lora.", name): tensor for name, tensor in tensors.items()}
    base = outputs(pipeline.text_encoder, pipeline.unet)
    path = make.save({f"unet.{name}": tensor for name, tensor in tensors.items()})
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    theirs = outputs(pipeline.text_encoder, pipeline.unet)
    compare(merged(tiny_model, path)[1:], theirs[1:], base[1:])
    compare(merged(tiny_model, make.save(tensors, name="bare"))[1:], theirs[1:], base[1:])


def test_diffusers_opens_what_we_convert(make, pipeline, tiny_model: LoadedModel, tmp_path: Path) -> None:
    path = make.save(make.kohya(1.5, unet=(*TRANSFORMER, *CONVOLUTIONS), text=TEXT))
    changes = fit(read_adapter(path), tiny_model.spec).changes
    save_adapter(tmp_path / "peft.safetensors", spell(changes, tiny_model.spec, "peft"), metadata={})
    base = outputs(pipeline.text_encoder, pipeline.unet)
    pipeline.load_lora_weights(str(tmp_path), weight_name="peft.safetensors")
    compare(merged(tiny_model, path), outputs(pipeline.text_encoder, pipeline.unet), base)


def test_weights_apart_as_diffusers(make, pipeline, tiny_model: LoadedModel) -> None:
    path = make.save(make.kohya(1.5, unet=TRANSFORMER, text=TEXT))
    base = outputs(pipeline.text_encoder, pipeline.unet)
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="one")
    pipeline.set_adapters("one", adapter_weights={"unet": 0.5, "text_encoder": -0.7})
    use = AdapterUse(file=read_adapter(path), text_weight=-0.7, unet_weight=0.5)
    with applied(tiny_model, [use]):
        compare(outputs(tiny_model.text, tiny_model.unet), outputs(pipeline.text_encoder, pipeline.unet), base)
