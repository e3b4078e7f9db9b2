"""Every file that is no model of ours is called by its name, in one line."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inkbloom.checkpoints import detect
from inkbloom.core.errors import CheckpointError


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        detect(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<!DOCTYPE html><html>", "is a web page, not a model"),
        (b"\n <HTML><head>", "is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
            'is a git-lfs pointer, not the model itself; "git lfs',
        ),
        (b"GGUF\x03\x00\x00\x00", "is a GGUF file"),
        (b"\x89PNG\r\n\x1a\n....", "is no file of tensors (it begins with b'\\x89PNG"),
        (b"x", "is no file of tensors (it begins with b'x')"),
        (b"\x80", "is no file of tensors"),
    ],
)
def test_first_bytes(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    assert message in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x10\x00\x00\x00\x00\x00\x00\x00" + b'{"a": [}' + b" " * 8, "is damaged: its header cannot be read"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00" + b'{"a": 1}' + b" " * 8, "is damaged: its header cannot be read"),
        (b"\xff\x00\x00\x00\x00\x00\x00\x00" + b'{"a"', "is truncated: its header alone has 255 bytes, the file 12"),
        (b"\xff" * 8 + b"{", "is damaged: its header says that it is 18,446,744,073,709,551,615 bytes long"),
        (b"nonsense" * 4, "is damaged: it does not begin with the header of a safetensors file"),
    ],
)
def test_damaged_safetensors(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert message in refusal(path)


def test_truncated_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-7])
    assert f"is truncated: it should have {size:,} bytes and has {size - 7:,}" in refusal(path)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"], "a LoRA"),
        (["unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight"], "a LoRA"),
        (["base_model.model.x.lora_A.default.weight"], "a LoRA"),
        (["unet.x.to_q.lora.down.weight"], "a LoRA"),
        (["down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight"], "a LoRA"),
        (["lora_unet_mid_block.hada_w1_a"], "a LoRA"),
        (["lora_unet_mid_block_attn_to_k.weight", "lora_unet_mid_block_attn_to_k.on_input"], "a LoRA"),
        (["lora_unet_mid_block_attn_to_k.a1.weight"], "a LoRA"),
        (["lora_unet_mid_block_attn_to_k.diff"], "a LoRA"),
        (["lora_unet_mid_block_norm.w_norm"], "a LoRA"),
        (["bundle_emb.cat.string_to_param.*"], "a LoRA"),
        (["emb_params"], "a textual-inversion embedding"),
        (["<cat-toy>"], 'a file of 1 unknown tensors, first "<cat-toy>"'),
        (["clip_l", "clip_g"], "a textual-inversion embedding"),
        (["control_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.bias"], "a ControlNet"),
        (["controlnet_cond_embedding.conv_in.weight", "conv_in.weight"], "a ControlNet"),
        (["double_blocks.0.img_attn.proj.weight"], "a Flux model"),
        (["model.diffusion_model.joint_blocks.0.x_block.attn.proj.weight"], "a Stable Diffusion 3 model"),
        (["conditioner.embedders.1.model.ln_final.weight"], "a Stable Diffusion XL model"),
        (["model.diffusion_model.label_emb.0.0.weight"], "a Stable Diffusion XL model"),
        (["conditioner.embedders.0.model.ln_final.weight"], "a Stable Diffusion XL refiner"),
        (["cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"], "a Stable Diffusion 2 model"),
        (["cond_stage_model.roberta.x"], "an AltDiffusion model"),
        (["cond_stage_model.transformer.token_emb.weight"], "a latent diffusion text2img-large model"),
        (["down_blocks.0.resnets.0.norm1.weight"], "a U-Net of a diffusers folder, without its config"),
        (["encoder.down_blocks.0.resnets.0.norm1.weight"], "an autoencoder of a diffusers folder, without its config"),
        (["params_ema.conv_first.weight"], "an upscaler"),
        (["a.b", "c.d"], 'a file of 2 unknown tensors, first "a.b"'),
        ([], "a file without tensors"),
    ],
)
def test_kinds_by_names(tmp_path: Path, names: list[str], kind: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file({name: torch.zeros(2, 3) for name in names}, path)
    message = refusal(path)
    assert f"is {kind}" in message
    assert "which inkbloom cannot use as a model; a model is a Stable Diffusion 1 file" in message


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (
            {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.zeros(1, 768)}, "name": "x"},
            "a textual-inversion",
        ),
        ({"<cat>": torch.zeros(768)}, "a textual-inversion"),
        ({768: [{"linear.0.weight": torch.zeros(1)}], 320: [], "step": 3}, "a hypernetwork"),
        ({"params_ema": {"conv_first.weight": torch.zeros(1)}}, "an upscaler"),
    ],
)
def test_kinds_of_pickles(tmp_path: Path, content: object, kind: str) -> None:
    path = tmp_path / "x.pt"
    torch.save(content, path)
    assert f"is {kind}" in refusal(path)


@pytest.mark.parametrize(("shape", "is_one"), [((768,), True), ((75, 1024), True), ((2, 3), False), ((76, 768), False),
    ((), False), ((0, 768), False), ((1, 1, 768), False)])  # fmt: skip
def test_a_lone_tensor_is_an_embedding_if_shaped_like_one(tmp_path: Path, shape: tuple[int, ...], is_one: bool) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"<cat-toy>": torch.zeros(shape)}, path)
    assert ("is a textual-inversion embedding" in refusal(path)) == is_one


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    assert f"{tmp_path} holds no models" in refusal(tmp_path / "absent.safetensors")
    (tmp_path / "model.safetensors").touch()
    assert 'Did you mean "model.safetensors"?' in refusal(tmp_path / "modle.safetensors")
    assert refusal(tmp_path / "nowhere" / "x.ckpt").endswith("x.ckpt.")


def test_folders(tmp_path: Path) -> None:
    assert "is a folder without model_index.json" in refusal(tmp_path)
    (tmp_path / "a.ckpt").touch()
    assert "It holds the files a.ckpt; give one of them" in refusal(tmp_path)
    (tmp_path / "adapter_config.json").touch()
    assert "is a LoRA (a PEFT folder)" in refusal(tmp_path)


def test_one_part_of_a_diffusers_folder(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").touch()
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").touch()
    assert f"is one part of a model; give the whole folder {tmp_path}" in refusal(tmp_path / "unet")


@pytest.mark.parametrize("pipeline", ["StableDiffusionXLPipeline", "StableDiffusion3Pipeline", "FluxPipeline"])
def test_other_pipelines(tmp_path: Path, pipeline: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    assert f"is a diffusers folder of a {pipeline}" in refusal(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "loop.ckpt"
    path.symlink_to(path)
    assert "There is no model at" in refusal(path)


def test_a_pickle_that_is_no_dictionary_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps([1, 2], 2))
    assert "truncated or damaged" in refusal(path)
