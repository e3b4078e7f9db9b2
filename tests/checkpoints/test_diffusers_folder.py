"""Diffusers folders: those of diffusers itself, shards, variants, old names, and fields that we cannot follow."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel, detect, load
from inkbloom.checkpoints.keymap import COMPONENTS
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec

UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
SCHEDULER = "scheduler/scheduler_config.json"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A folder of another program: without our own file."""
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "inkbloom.json").unlink()
    return tmp_path / "model"


def change(path: Path, **fields: object) -> None:
    values = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))


def assert_loads_as(model: LoadedModel, path: Path) -> None:
    loaded = load(path)
    for component in COMPONENTS:
        ours, theirs = (getattr(one, component).state_dict() for one in (model, loaded))
        for name, tensor in ours.items():
            assert torch.equal(tensor, theirs[name]), name


def test_spec_is_read_off_the_configurations(copy: Path, tiny_spec: ModelSpec) -> None:
    assert detect(copy) == tiny_spec


def test_a_folder_that_diffusers_wrote(copy: Path, tiny: LoadedModel, tmp_path: Path) -> None:
    """`save_pretrained` of the peers' classes, with all their fields; transformers 5 writes names without a prefix."""
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(copy, local_files_only=True)
    pipeline.save_pretrained(tmp_path / "theirs")
    assert detect(tmp_path / "theirs") == tiny.spec
    assert_loads_as(tiny, tmp_path / "theirs")


def test_shards(copy: Path, tiny: LoadedModel) -> None:
    unet = copy / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(unet)
    unet.unlink()
    files: dict[str, dict[str, torch.Tensor]] = {"a.safetensors": {}, "b.safetensors": {}}
    for i, (name, tensor) in enumerate(state.items()):
        files["ab"[i % 2] + ".safetensors"][name] = tensor
    for file, part in files.items():
        save_file(part, copy / "unet" / file)
    where = {name: file for file, part in files.items() for name in part}
    index = copy / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert_loads_as(tiny, copy)

    (copy / "unet" / "b.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"There is no model at .*b\.safetensors"):
        detect(copy)
    shutil.copy(copy / "unet" / "a.safetensors", copy / "unet" / "b.safetensors")
    with pytest.raises(CheckpointError, match="is in two shards"):
        detect(copy)


def test_variants(copy: Path, tiny: LoadedModel) -> None:
    for folder, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        file = copy / folder / f"{stem}.safetensors"
        file.rename(copy / folder / f"{stem}.fp16.safetensors")
    assert_loads_as(tiny, copy)
    (copy / "unet" / "diffusion_pytorch_model.fp16.safetensors").rename(
        copy / "unet" / "diffusion_pytorch_model.non_ema.safetensors"
    )
    with pytest.raises(
        CheckpointError, match=r"unet has no weights; it needs diffusion_pytorch_model\.safetensors, its"
    ):
        load(copy)


def test_pickles_and_the_autoencoders_old_names(copy: Path, tiny: LoadedModel) -> None:
    for folder, old in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        file = next((copy / folder).glob("*.safetensors"))
        state = load_file(file)
        file.unlink()
        for new_name, old_name in ("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"):
            if folder == "vae":
                state = {
                    name.replace(f"attentions.0.{new_name}.", f"attentions.0.{old_name}."): t
                    for name, t in state.items()
                }
        # The oldest files write this attention as convolutions here too.
        state = {n: t[:, :, None, None] if n.endswith("query.weight") else t for n, t in state.items()}
        if folder == "text_encoder":
            state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        torch.save(state, copy / folder / f"{'pytorch_model' if folder == 'text_encoder' else old}.bin")
    assert_loads_as(tiny, copy)


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        (UNET, {"act_fn": "gelu"}, r"unet/config\.json: act_fn is 'gelu'; it must be 'silu' or 'swish'"),
        (UNET, {"class_embed_type": "timestep"}, "class_embed_type is 'timestep'; it must be None"),
        (UNET, {"down_block_types": ["AttnDownBlock2D", "DownBlock2D"]}, r"\(not AttnDownBlock2D\)"),
        (UNET, {"up_block_types": ["UpBlock2D", "UpBlock2D"]}, "the mirror image of down_block_types"),
        (
            UNET,
            {"attention_head_dim": [8, 8, 8]},
            r"attention_head_dim is \[8, 8, 8\]; it must be a whole number above 0, or 2",
        ),
        (UNET, {"attention_head_dim": 5}, r"unet\.levels\[0\]\.num_heads is 5; it must divide the width 32"),
        (UNET, {"cross_attention_dim": ...}, r'unet/config\.json lacks the field "cross_attention_dim"'),
        (UNET, {"cross_attention_dim": 96}, "reads text vectors 96 wide, but the text encoder's are 64 wide"),
        (UNET, {"sample_size": "big"}, "sample_size is 'big'; it must be a whole number above 0"),
        (UNET, {"block_out_channels": 32}, "block_out_channels is 32; it must be a list with items of type int"),
        (
            VAE,
            {"down_block_types": ["DownEncoderBlock2D"]},
            "down_block_types is .*; it must be DownEncoderBlock2D, 4 times",
        ),
        (VAE, {"shift_factor": 0.1}, "shift_factor is 0.1; it must be None or 0.0"),
        (VAE, {"scaling_factor": "x"}, "scaling_factor is 'x'; it must be a number"),
        (TEXT, {"hidden_act": "relu"}, r'hidden_act is "relu"\. Did you mean "gelu"\?'),
        (TEXT, {"intermediate_size": 100}, "intermediate_size is 100; it must be 4 times hidden_size, 256"),
        (TEXT, {"hidden_size": 1024, "hidden_act": "gelu"}, "is a Stable Diffusion 2 model"),
        (SCHEDULER, {"beta_schedule": "laplace"}, 'beta_schedule is "laplace"'),
        (SCHEDULER, {"prediction_type": "flow"}, 'prediction_type is "flow"'),
        (SCHEDULER, {"trained_betas": [0.1]}, r"trained_betas is \[0.1\]; it must be None"),
        (SCHEDULER, {"beta_end": 2.0}, "needed is 0 < start <= end < 1"),
        (SCHEDULER, {"beta_start": "a"}, "beta_start is 'a'; it must be a number"),
        ("model_index.json", {"_class_name": ...}, 'lacks the field "_class_name"'),
    ],
)
def test_fields_that_we_cannot_follow(copy: Path, file: str, fields: dict[str, object], message: str) -> None:
    change(copy / file, **fields)
    with pytest.raises(CheckpointError, match=message) as caught:
        detect(copy)
    assert str(copy) in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"prediction_type": ..., "rescale_betas_zero_snr": ...}, lambda s: (s.prediction, s.noise_schedule)),
        ({"timestep_spacing": "leading"}, lambda s: s.default_schedule),
    ],
)
def test_fields_that_old_schedulers_lack(
    copy: Path, fields: dict[str, object], read: Callable[[ModelSpec], object]
) -> None:
    change(copy / SCHEDULER, **fields)
    assert read(detect(copy)) == read(SD1)


def test_what_the_scheduler_says(copy: Path) -> None:
    change(copy / SCHEDULER, prediction_type="sample", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    spec = detect(copy)
    assert (spec.prediction, spec.default_schedule) == ("sample", "trailing")
    assert spec.noise_schedule.zero_terminal_snr


def test_heads_are_attention_head_dim_unless_named_plainly(copy: Path) -> None:
    change(copy / UNET, attention_head_dim=4)
    assert [level.num_heads for level in detect(copy).unet.levels] == [4, 4]
    change(copy / UNET, num_attention_heads=[2, 8])
    assert [level.num_heads for level in detect(copy).unet.levels] == [2, 8]


@pytest.mark.parametrize("name", [UNET, VAE, TEXT, SCHEDULER])
def test_missing_and_broken_configurations(copy: Path, name: str) -> None:
    (copy / name).write_text("{")
    with pytest.raises(CheckpointError, match=rf"{name} cannot be read"):
        detect(copy)
    (copy / name).write_text("[]")
    with pytest.raises(CheckpointError, match=rf"{name} holds a list; it must be an object"):
        detect(copy)
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=rf"lacks the file .*{name}"):
        detect(copy)


def test_our_own_file_must_agree(folder: Path, tiny_spec: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "model"
    shutil.copytree(folder, path)
    own = dataclasses.replace(tiny_spec, family="starter", default_steps=3)
    (path / "inkbloom.json").write_text(own.to_json())
    assert detect(path) == own
    (path / "inkbloom.json").write_text(dataclasses.replace(own, latent_scale=1.0).to_json())
    with pytest.raises(
        CheckpointError, match=r"inkbloom\.json: latent_scale disagrees with the configurations beside it"
    ):
        detect(path)
    (path / "inkbloom.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r'inkbloom\.json: spec lacks the field "family"'):
        detect(path)


def test_a_folder_has_neither_ema_nor_another_configuration(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="has no EMA weights"):
        load(folder, ema=True)
    with pytest.raises(RequestError, match=r"has its own configuration; leave v1\.yaml out"):
        load(folder, config="v1.yaml")


def test_only_a_text_model_is_a_text_encoder(copy: Path) -> None:
    transformers.CLIPVisionConfig().save_pretrained(copy / "text_encoder")
    with pytest.raises(CheckpointError, match="model_type is 'clip_vision_model'; it must be 'clip_text_model'"):
        detect(copy)
