"""CompVis' YAML files, as data."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from inkbloom.checkpoints import detect
from inkbloom.checkpoints.compvis_config import apply_config
from inkbloom.core.errors import CheckpointError
from inkbloom.families.sd1 import SD1
from inkbloom.sampling.schedules import NoiseScheduleSpec

V1_INFERENCE = """
model:
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    num_timesteps_cond: 1
    log_every_t: 200
    timesteps: 1000
    first_stage_key: "jpg"
    cond_stage_key: "txt"
    image_size: 64
    channels: 4
    conditioning_key: crossattn
    scale_factor: 0.18215
    use_ema: False
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        image_size: 32
        in_channels: 4
        out_channels: 4
        model_channels: 320
        attention_resolutions: [ 4, 2, 1 ]
        num_res_blocks: 2
        channel_mult: [ 1, 2, 4, 4 ]
        num_heads: 8
        use_spatial_transformer: True
        transformer_depth: 1
        context_dim: 768
        use_checkpoint: True
        legacy: False
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig:
          double_z: true
          z_channels: 4
          resolution: 256
          in_channels: 3
          out_ch: 3
          ch: 128
          ch_mult: [1, 2, 4, 4]
          num_res_blocks: 2
          attn_resolutions: []
          dropout: 0.0
    cond_stage_config:
      target: os.system
"""


def config(path: Path, **params: object) -> Path:
    """The published file, with some of `model.params` changed; `unet__x` stands for `unet_config.params.x`."""
    content = yaml.safe_load(V1_INFERENCE)
    there = content["model"]["params"]
    for name, value in params.items():
        if name.startswith("unet__"):
            there["unet_config"]["params"][name.removeprefix("unet__")] = value
        elif name.startswith("vae__"):
            there["first_stage_config"]["params"]["ddconfig"][name.removeprefix("vae__")] = value
        else:
            there[name] = value
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_published_file_says_what_we_know(tmp_path: Path) -> None:
    assert apply_config(config(tmp_path / "v1.yaml"), SD1) == SD1


def test_what_tensors_cannot_tell(tmp_path: Path) -> None:
    path = config(
        tmp_path / "x.yaml",
        parameterization="v",
        scale_factor=0.5,
        linear_start="1e-4",
        linear_end=0.02,
        beta_schedule="sqrt_linear",
        timesteps=500,
        unet__num_heads=-1,
        unet__num_head_channels=64,
    )
    spec = apply_config(path, SD1)
    assert (spec.prediction, spec.latent_scale) == ("v_prediction", 0.5)
    assert spec.noise_schedule == NoiseScheduleSpec(kind="linear", beta_start=1e-4, beta_end=0.02, timesteps=500)
    assert [level.num_heads for level in spec.unet.levels] == [5, 10, 20, 20]


def test_absent_fields_have_compvis_defaults(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("model: {target: x}")
    schedule = NoiseScheduleSpec(kind="scaled_linear", beta_start=1e-4, beta_end=0.02)
    assert apply_config(path, SD1) == dataclasses.replace(SD1, latent_scale=1.0, noise_schedule=schedule)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"unet__context_dim": 1024},
            r"x\.yaml: model\.params\.unet_config\.params\.context_dim is 1024; it must be 768",
        ),
        ({"unet__channel_mult": [1, 2, 4]}, r"channel_mult is \[1, 2, 4\]; it must be \[1, 2, 4, 4\]"),
        ({"unet__use_spatial_transformer": False}, "use_spatial_transformer is False; it must be True"),
        ({"unet__num_heads": 7}, r"unet\.levels\[0\]\.num_heads is 7; it must divide the width 320"),
        ({"unet__num_heads": "8"}, "num_heads is '8'; it must be of type int"),
        (
            {"unet__num_heads": -1, "unet__num_head_channels": 48},
            "num_head_channels is 48; it must be a divisor of 320",
        ),
        ({"vae__ch": 64}, r"model\.params\.first_stage_config\.params\.ddconfig\.ch is 64; it must be 128"),
        ({"parameterization": "flow"}, r'model\.params\.parameterization is "flow"\.'),
        ({"beta_schedule": "lineal"}, 'beta_schedule is "lineal". Did you mean "linear"'),
        ({"scale_factor": "big"}, r"model\.params\.scale_factor is 'big'; it must be a number"),
        ({"scale_factor": 0}, r"x\.yaml: latent_scale is 0\.0"),
        ({"linear_end": 3}, "needed is 0 < start <= end < 1"),
        ({"unet_config": 3}, "cannot be read, because the field before it holds 3"),
    ],
)
def test_errors_name_the_field(tmp_path: Path, params: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        apply_config(config(tmp_path / "x.yaml", **params), SD1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML: could not determine a constructor"),
        ("just text", 'the field "model" is missing'),
        ("model: 3", 'the field "model" is missing'),
    ],
)
def test_files_of_something_else(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=message) as caught:
        apply_config(path, SD1)
    assert "\n" not in str(caught.value)


def test_a_missing_configuration(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"The configuration .*x\.yaml cannot be read: No such file"):
        apply_config(tmp_path / "x.yaml", SD1)


def test_the_file_beside_a_checkpoint_is_used(ldm_file: Path, tmp_path: Path) -> None:
    shutil.copy(ldm_file, tmp_path / "tiny.safetensors")
    text = "model: {params: {parameterization: v, scale_factor: 0.18215, linear_start: 0.00085, linear_end: 0.012}}"
    (tmp_path / "tiny.yaml").write_text(text)
    assert detect(tmp_path / "tiny.safetensors").prediction == "v_prediction"
    (tmp_path / "other.yaml").write_text(text.replace("ization: v", "ization: x0"))
    assert detect(tmp_path / "tiny.safetensors", config=tmp_path / "other.yaml").prediction == "sample"
