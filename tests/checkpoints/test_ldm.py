"""Single files: SD 1's real names, what is read off headers, the community's marks, EMA weights, leftovers."""

import dataclasses
import json
import os
import re
import struct
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel, detect, load, save_ldm
from inkbloom.checkpoints.ldm import SPEC_KEY
from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec

Shapes = dict[str, tuple[int, ...]]


def layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def sd1_unet() -> Shapes:
    """Written out from the published file: the channels in and out of each numbered block."""
    out: Shapes = layer("time_embed.0", 1280, 320) | layer("time_embed.2", 1280, 1280)
    out |= layer("input_blocks.0.0", 320, 4, 3, 3) | layer("out.0", 320) | layer("out.2", 4, 320, 3, 3)
    down = {1: (320, 320), 2: (320, 320), 4: (320, 640), 5: (640, 640), 7: (640, 1280), 8: (1280, 1280)}
    down |= {10: (1280, 1280), 11: (1280, 1280)}
    up = {0: (2560, 1280), 1: (2560, 1280), 2: (2560, 1280), 3: (2560, 1280), 4: (2560, 1280), 5: (1920, 1280)}
    up |= {6: (1920, 640), 7: (1280, 640), 8: (960, 640), 9: (960, 320), 10: (640, 320), 11: (640, 320)}
    resnets = {f"input_blocks.{n}.0": io for n, io in down.items()} | {
        f"output_blocks.{n}.0": io for n, io in up.items()
    }
    resnets |= {"middle_block.0": (1280, 1280), "middle_block.2": (1280, 1280)}
    for name, (i, o) in resnets.items():
        out |= layer(f"{name}.in_layers.0", i) | layer(f"{name}.in_layers.2", o, i, 3, 3)
        out |= layer(f"{name}.emb_layers.1", o, 1280)
        out |= layer(f"{name}.out_layers.0", o) | layer(f"{name}.out_layers.3", o, o, 3, 3)
        if i != o:
            out |= layer(f"{name}.skip_connection", o, i, 1, 1)
    attention = {f"input_blocks.{n}.1": down[n][1] for n in (1, 2, 4, 5, 7, 8)} | {"middle_block.1": 1280}
    attention |= {f"output_blocks.{n}.1": up[n][1] for n in range(3, 12)}
    for name, c in attention.items():
        out |= layer(f"{name}.norm", c) | layer(f"{name}.proj_in", c, c, 1, 1) | layer(f"{name}.proj_out", c, c, 1, 1)
        block = f"{name}.transformer_blocks.0"
        for n in (1, 2, 3):
            out |= layer(f"{block}.norm{n}", c)
        for attn, source in (("attn1", c), ("attn2", 768)):
            out |= {f"{block}.{attn}.to_q.weight": (c, c)}
            out |= {f"{block}.{attn}.to_k.weight": (c, source), f"{block}.{attn}.to_v.weight": (c, source)}
            out |= layer(f"{block}.{attn}.to_out.0", c, c)
        out |= layer(f"{block}.ff.net.0.proj", 8 * c, c) | layer(f"{block}.ff.net.2", c, 4 * c)
    for n, c in ((3, 320), (6, 640), (9, 1280)):
        out |= layer(f"input_blocks.{n}.0.op", c, c, 3, 3)
    for name, c in (("2.1", 1280), ("5.2", 1280), ("8.2", 640)):
        out |= layer(f"output_blocks.{name}.conv", c, c, 3, 3)
    return out


def sd1_autoencoder() -> Shapes:
    out = layer("quant_conv", 8, 8, 1, 1) | layer("post_quant_conv", 4, 4, 1, 1)
    out |= (
        layer("encoder.conv_in", 128, 3, 3, 3)
        | layer("encoder.norm_out", 512)
        | layer("encoder.conv_out", 8, 512, 3, 3)
    )
    out |= (
        layer("decoder.conv_in", 512, 4, 3, 3)
        | layer("decoder.norm_out", 128)
        | layer("decoder.conv_out", 3, 128, 3, 3)
    )
    blocks = {"encoder.down.0.block.0": (128, 128), "encoder.down.1.block.0": (128, 256)}
    blocks |= {"encoder.down.2.block.0": (256, 512), "encoder.down.3.block.0": (512, 512)}
    blocks |= {f"encoder.down.{i}.block.1": (c, c) for i, c in enumerate((128, 256, 512, 512))}
    blocks |= {"decoder.up.0.block.0": (256, 128), "decoder.up.1.block.0": (512, 256)}
    blocks |= {f"decoder.up.{i}.block.0": (512, 512) for i in (2, 3)}
    blocks |= {f"decoder.up.{i}.block.{j}": (c, c) for i, c in enumerate((128, 256, 512, 512)) for j in (1, 2)}
    blocks |= {f"{half}.mid.block_{j}": (512, 512) for half, j in product(("encoder", "decoder"), (1, 2))}
    for name, (i, o) in blocks.items():
        out |= layer(f"{name}.norm1", i) | layer(f"{name}.conv1", o, i, 3, 3)
        out |= layer(f"{name}.norm2", o) | layer(f"{name}.conv2", o, o, 3, 3)
        if i != o:
            out |= layer(f"{name}.nin_shortcut", o, i, 1, 1)
    for half in ("encoder", "decoder"):
        out |= layer(f"{half}.mid.attn_1.norm", 512)
        for part in ("q", "k", "v", "proj_out"):
            out |= layer(f"{half}.mid.attn_1.{part}", 512, 512, 1, 1)
    for i, c in enumerate((128, 256, 512)):
        out |= layer(f"encoder.down.{i}.downsample.conv", c, c, 3, 3)
    for i, c in ((1, 256), (2, 512), (3, 512)):
        out |= layer(f"decoder.up.{i}.upsample.conv", c, c, 3, 3)
    return out


def sd1_text() -> Shapes:
    out: Shapes = {"embeddings.position_ids": (1, 77), "embeddings.token_embedding.weight": (49408, 768)}
    out |= {"embeddings.position_embedding.weight": (77, 768)} | layer("final_layer_norm", 768)
    for i in range(12):
        name = f"encoder.layers.{i}"
        for part in ("q", "k", "v", "out"):
            out |= layer(f"{name}.self_attn.{part}_proj", 768, 768)
        out |= layer(f"{name}.layer_norm1", 768) | layer(f"{name}.layer_norm2", 768)
        out |= layer(f"{name}.mlp.fc1", 3072, 768) | layer(f"{name}.mlp.fc2", 768, 3072)
    return out


def sd1_file(text_prefix: str = "cond_stage_model.transformer.text_model.") -> Shapes:
    return (
        {f"model.diffusion_model.{name}": shape for name, shape in sd1_unet().items()}
        | {f"first_stage_model.{name}": shape for name, shape in sd1_autoencoder().items()}
        | {text_prefix + name: shape for name, shape in sd1_text().items()}
    )


def write_hollow(path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file whose tensors are a hole in the disk: all zeros, but of any size."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + end)
    return path


LEFT_BY_TRAINING: Shapes = dict.fromkeys(("betas", "alphas_cumprod", "sqrt_recip_alphas_cumprod", "logvar"), (1000,))
LEFT_BY_TRAINING |= {"first_stage_model.loss.logvar": (), "cond_stage_model.logit_scale": (), "model_ema.decay": ()}


def test_sd1_has_the_published_names() -> None:
    names = sd1_file()
    assert len(names) == 1131
    assert names["model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] == (320, 768)
    assert names["first_stage_model.decoder.mid.attn_1.q.weight"] == (512, 512, 1, 1)
    assert "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight" in names
    sizes = [sum(torch.Size(s).numel() for s in part().values()) for part in (sd1_unet, sd1_autoencoder, sd1_text)]
    assert sizes == [859_520_964, 83_653_863, 123_060_480 + 77]


@pytest.mark.parametrize("text_prefix", ["cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."])
def test_sd1_is_recognised_and_every_name_is_used(tmp_path: Path, text_prefix: str) -> None:
    path = write_hollow(tmp_path / "v1-5.safetensors", sd1_file(text_prefix) | LEFT_BY_TRAINING)
    assert detect(path) == SD1
    model = load(path)
    assert model.spec == SD1
    assert model.name == "v1-5"
    assert model.unet is not None
    assert model.unet.conv_in.weight.dtype == torch.float16
    assert model.tokenizer is not None
    assert model.tokenizer.vocab_size == 49408


@pytest.mark.parametrize("channels", [9, 8])
def test_inpainting_and_pix2pix_unets_read_more_channels(tmp_path: Path, channels: int) -> None:
    shapes = sd1_file() | {"model.diffusion_model.input_blocks.0.0.weight": (320, channels, 3, 3)}
    assert detect(write_hollow(tmp_path / "x.safetensors", shapes)).unet.in_channels == channels


@pytest.mark.parametrize(
    ("marks", "metadata", "prediction", "zero_snr"),
    [
        ({}, {}, "epsilon", False),
        ({"v_pred": (0,)}, {}, "v_prediction", False),
        ({"v_pred": (0,), "ztsnr": (0,)}, {}, "v_prediction", True),
        ({}, {"modelspec.prediction_type": "v"}, "v_prediction", False),
        ({}, {"modelspec.prediction_type": "epsilon"}, "epsilon", False),
    ],
)
def test_marks_of_the_prediction(
    tmp_path: Path, marks: Shapes, metadata: dict[str, str], prediction: str, zero_snr: bool
) -> None:
    spec = detect(write_hollow(tmp_path / "x.safetensors", sd1_file() | marks, metadata))
    assert (spec.prediction, spec.noise_schedule.zero_terminal_snr) == (prediction, zero_snr)
    assert spec.default_schedule == ("trailing" if zero_snr else "leading")


def test_an_unknown_prediction_in_the_metadata_is_an_error(tmp_path: Path) -> None:
    path = write_hollow(tmp_path / "x.safetensors", sd1_file(), {"modelspec.prediction_type": "flow"})
    with pytest.raises(CheckpointError, match=r'modelspec\.prediction_type is "flow"'):
        detect(path)


def without_metadata(ldm_file: Path, path: Path, change: Callable[[dict], object] = lambda state: None) -> Path:
    """The file as another program would write it."""
    state = load_file(ldm_file)
    change(state)
    save_file(state, path)
    return path


def test_tiny_sizes_are_read_off_the_header(ldm_file: Path, tiny_spec: ModelSpec, tmp_path: Path) -> None:
    assert detect(without_metadata(ldm_file, tmp_path / "x.safetensors")) == tiny_spec


def test_our_own_metadata_says_the_whole_spec(tiny: LoadedModel, tmp_path: Path) -> None:
    spec = dataclasses.replace(
        tiny.spec,
        family="starter",
        latent_scale=0.5,
        default_steps=7,
        unet=dataclasses.replace(tiny.spec.unet, norm_groups=8),
    )
    save_ldm(tmp_path / "x.safetensors", dataclasses.replace(tiny, spec=spec))
    assert detect(tmp_path / "x.safetensors") == spec


def test_damaged_own_metadata_names_file_and_field(ldm_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(load_file(ldm_file), path, {SPEC_KEY: '{"famili": "sd1"}'})
    with pytest.raises(CheckpointError, match=r'x\.safetensors: spec has an unknown field "famili".*"family"'):
        detect(path)


def test_clips_vocabulary_does_not_fit_a_smaller_text_encoder(ldm_file: Path, tmp_path: Path) -> None:
    path = without_metadata(ldm_file, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="knows 514 tokens, its tokenizer 49,408"):
        load(path)


def test_ema_weights_by_choice(ldm_file: Path, tiny: LoadedModel, tmp_path: Path) -> None:
    state = load_file(ldm_file)
    for name, tensor in list(state.items()):
        if name.startswith("model."):
            state["model_ema." + name.removeprefix("model.").replace(".", "")] = tensor + 1
    state |= {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(5)}
    path = tmp_path / "x.safetensors"
    save_file(state, path, {SPEC_KEY: tiny.spec.to_json()})
    assert "model_ema.diffusion_modelinput_blocks00weight" in state
    assert tiny.unet is not None
    for ema in (False, True):
        unet = load(path, components=["unet"], ema=ema).unet
        assert unet is not None
        for name, tensor in tiny.unet.state_dict().items():
            assert torch.equal(unet.state_dict()[name], tensor + 1 if ema else tensor)


def test_ema_asked_and_absent_is_an_error(ldm_file: Path) -> None:
    with pytest.raises(CheckpointError, match="has no EMA weights; load it without ema"):
        load(ldm_file, ema=True)


@pytest.mark.parametrize("prefix", ["first_stage_model.", ""])
def test_an_autoencoder_alone_serves_where_only_that_is_asked(ldm_file: Path, tmp_path: Path, prefix: str) -> None:
    state = load_file(ldm_file)
    alone = {prefix + k.removeprefix("first_stage_model."): t for k, t in state.items() if k.startswith("first_stage")}
    path = tmp_path / "vae.safetensors"
    save_file(alone, path)
    model = load(path, components=["autoencoder"])
    assert model.autoencoder is not None
    assert model.unet is model.text is model.tokenizer is None
    with pytest.raises(CheckpointError, match="holds only the autoencoder of a model; its text encoder and U-Net must"):
        load(path)


def test_missing_extra_and_misshapen_tensors_are_listed(ldm_file: Path, tmp_path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        for i in range(12):
            state[f"model.diffusion_model.more.{i}"] = torch.zeros(1)
        del state["model.diffusion_model.out.2.bias"]
        state["model.diffusion_model.time_embed.2.bias"] = torch.zeros(3)

    path = without_metadata(ldm_file, tmp_path / "x.safetensors", change)
    with pytest.raises(KeyMismatchError) as caught:
        load(path, components=["unet"])
    message = str(caught.value)
    assert "the tensors of the U-Net do not match" in message
    assert "1 missing: out.2.bias;" in message
    assert re.search(r"12 extra: (more\.\d+, ){10}\.\.\.; 1 misshapen", message)
    assert "1 misshapen: time_embed.2.bias [3] instead of [128]" in message
    assert "\n" not in message
    load(path, components=["autoencoder"])  # whose tensors are in order


def test_tensors_of_no_network_are_an_error(ldm_file: Path, tmp_path: Path) -> None:
    state = load_file(ldm_file) | {"depth_model.x": torch.zeros(1)}
    save_file(state, tmp_path / "x.safetensors", {SPEC_KEY: detect(ldm_file).to_json()})
    with pytest.raises(KeyMismatchError, match=r"1 tensors of no network: depth_model\.x"):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 100)}, "100 wide"),
        ({"model.diffusion_model.input_blocks.1.0.out_layers.3.weight": (64, 64, 3, 3)}, "level 0 .* different kinds"),
    ],
)
def test_what_cannot_be_told_is_said(tmp_path: Path, shapes: Shapes, message: str) -> None:
    path = write_hollow(tmp_path / "x.safetensors", sd1_file() | shapes)
    with pytest.raises(CheckpointError, match=rf"x\.safetensors is no Stable Diffusion 1 model: .*{message}"):
        detect(path)
