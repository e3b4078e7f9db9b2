import dataclasses
import json
import re

import pytest

from inkbloom.core.errors import CheckpointError
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec
from inkbloom.families.starter import FOLDER, STARTER
from inkbloom.sampling.schedules import NoiseScheduleSpec


@pytest.mark.parametrize("spec", [SD1, STARTER], ids=lambda spec: spec.family)
def test_json_round_trip(spec: ModelSpec) -> None:
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_facts() -> None:
    assert SD1.latent_scale == 0.18215
    assert float(SD1.noise_schedule.build().betas[0]) == pytest.approx(0.00085, rel=1e-9)
    assert STARTER.autoencoder.downscale == 8
    assert STARTER.noise_schedule.zero_terminal_snr
    assert FOLDER.parent.name == "families"


def test_the_names_on_disk_stay() -> None:
    """Every program that reads our files depends on these; new fields need a default."""
    fields = {
        "family", "unet", "autoencoder", "text", "latent_scale", "prediction", "noise_schedule", "default_size",
        "default_sampler", "default_schedule", "default_steps", "default_guidance_scale",
    }  # fmt: skip
    value = json.loads(SD1.to_json())
    assert value.keys() == fields
    assert value["unet"]["levels"][0] == {"channels": 320, "num_blocks": 2, "transformer_depth": 1, "num_heads": 8}
    assert value["unet"].keys() - {"levels"} == {
        "mid_transformer_depth", "context_dim", "in_channels", "out_channels", "norm_groups", "linear_projection",
    }  # fmt: skip
    assert value["autoencoder"].keys() == {"level_channels", "num_blocks", "latent_channels", "norm_groups"}
    assert value["text"].keys() == {"width", "num_layers", "num_heads", "vocab_size", "max_tokens", "activation"}
    assert value["noise_schedule"].keys() == {"kind", "beta_start", "beta_end", "timesteps", "zero_terminal_snr"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": "eps"}, 'prediction is "eps". Did you mean "epsilon"?'),
        ({"latent_scale": 0.0}, "latent_scale is 0.0; it must be a finite number above 0."),
        ({"latent_scale": float("nan")}, "latent_scale is nan"),
        ({"default_size": 100}, "default_size is 100; it must be a multiple of 8, by which the autoencoder shrinks."),
        ({"default_steps": 0}, "default_steps is 0; it must be at least 1."),
        (
            {"text": dataclasses.replace(SD1.text, width=24)},
            "reads text vectors 768 wide, but the text encoder's are 24",
        ),
        ({"text": dataclasses.replace(SD1.text, num_heads=7)}, "text.num_heads is 7; it must divide the width 768."),
        (
            {"unet": dataclasses.replace(SD1.unet, in_channels=3)},
            "latents have 4 channels, but the U-Net reads 3 and pre",
        ),
        ({"unet": dataclasses.replace(SD1.unet, out_channels=8)}, "reads 4 and predicts 8."),
        (
            {"unet": dataclasses.replace(SD1.unet, norm_groups=33)},
            "unet.norm_groups is 33; it must divide the width 320.",
        ),
        ({"unet": dataclasses.replace(SD1.unet, norm_groups=0)}, "unet.norm_groups is 0"),
        ({"autoencoder": dataclasses.replace(SD1.autoencoder, norm_groups=3)}, "autoencoder.norm_groups is 3"),
        ({"noise_schedule": NoiseScheduleSpec()}, "noise_schedule leaves its betas open"),
    ],
)
def test_a_spec_that_cannot_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)):
        dataclasses.replace(SD1, **change)  # pyright: ignore[reportArgumentType]


def changed(path: str, value: object) -> str:
    """SD 1's JSON with the field at a dotted path changed, or taken away where `value` is ..."""
    root = json.loads(SD1.to_json())
    *parents, last = path.split(".")
    there = root
    for name in parents:
        there = there[name]
    if value is ...:
        del there[last]
    else:
        there[last] = value
    return json.dumps(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "The model's spec is not JSON"),
        ("[]", "spec is []; it must be an object."),
        (changed("unet", 3), "spec.unet is 3; it must be an object."),
        (changed("unet.levels", ...), 'spec.unet lacks the field "levels".'),
        (changed("unet.depth", 1), 'spec.unet has an unknown field "depth".'),
        (changed("unet.levels", 3), "spec.unet.levels is 3; it must be a list."),
        (changed("unet.levels", [3]), "spec.unet.levels[0] is 3; it must be an object."),
        (changed("unet.context_dim", 768.5), "spec.unet.context_dim is 768.5; it must be int."),
        (changed("unet.linear_projection", 1), "spec.unet.linear_projection is 1; it must be bool."),
        (changed("latent_scale", True), "spec.latent_scale is True; it must be float."),
        (changed("latent_scale", "1"), "spec.latent_scale is '1'; it must be float."),
        (changed("text.activation", "relu"), "spec.text.activation is 'relu'; it must be 'quick_gelu', 'gelu'."),
        (changed("noise_schedule.beta_start", "a"), "spec.noise_schedule.beta_start is 'a'; it must be float | None."),
        (changed("noise_schedule.timesteps", 1), "spec.noise_schedule: A noise schedule of 1 time steps is too short"),
    ],
)
def test_json_that_is_no_spec(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)):
        ModelSpec.from_json(text)


def test_defaults_may_be_left_out_and_whole_numbers_are_numbers() -> None:
    assert ModelSpec.from_json(changed("unet.norm_groups", ...)) == SD1
    assert ModelSpec.from_json(changed("latent_scale", 1)).latent_scale == 1
