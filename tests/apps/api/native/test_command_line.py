"""The command line that a request is copied as is read by our own command, and asks for the same."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inkbloom.apps.api.native.command_line import Surroundings, command_line
from inkbloom.apps.cli.control import control_units
from inkbloom.apps.cli.main import app
from inkbloom.apps.cli.painting.asking import read_prompts, run_request
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.request import GenerationRequest

AROUND = Surroundings(picture=lambda source: Path(source.path or ""))

LOADING = {"device", "dtype", "model", "vae", "batch_size"}
"""What the line says to the loader, or what does not change the pictures."""


def read(line: str) -> tuple[GenerationRequest, Any]:
    """The request that the command would make, and its options."""
    program, *words = shlex.split(line)
    assert program == "inkbloom"
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    given = {**bound.arguments}
    from inkbloom.apps.cli.control import ControlOptions
    from inkbloom.apps.cli.img2img import Img2ImgOptions
    from inkbloom.apps.cli.txt2img import Txt2ImgOptions

    usual = {"txt2img": Txt2ImgOptions, "img2img": Img2ImgOptions}[words[0]]
    options = given.get("options") or usual()
    fields: dict[str, Any] = {}
    for section in ("source", "edit", "resolution"):
        if section in given:
            fields |= given[section].fields()
    controls = control_units(given.get("control") or ControlOptions())
    return run_request(read_prompts(given.get("words"), options), options, controls=controls, **fields), options


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 7},
        {"seed": None},
        {"prompt": "", "seed": 2**64 - 1},
        {"prompt": "--help", "negative_prompt": "-1 'x' \"y\" $HOME\n猫", "seed": 1},
        {"num_images": 6, "batch_size": 4, "seed": 3},
        {"sampler": "Euler a", "schedule": "karras", "sampler_options": {"eta": 0.5, "s_noise": 1.0}, "seed": 1},
        {"steps": 3, "width": 128, "height": 64, "guidance_scale": 0.1 + 0.2, "clip_skip": 2, "seed": 1},
        {"variation_seed": 5, "variation_strength": 0.25, "seed_width": 64, "seed_height": 128, "seed": 1},
        {"tiling": "x", "noise_source": "nv", "dialect": "comfy", "guidance_rescale": 0.7, "seed": 1},
        {"emphasis": "No norm", "lora_application": "live", "watermark": True, "safety_checker": True, "seed": 1},
        {"hires": {}, "seed": 1},
        {"hires": {"scale": 1.5, "upscaler": "Lanczos", "steps": 3, "strength": 0.4, "prompt": ""}, "seed": 1},
        {"hires": {"width": 256, "negative_prompt": "-x", "sampler": "Euler"}, "seed": 1},
        {"tiled_diffusion": {"method": "mixture", "size": 64, "overlap": 0.25}, "seed": 1},
        {"regions": [{"part": 2, "image": "a b.png", "blur": 4.0}], "seed": 1},
        {"controls": [{"model": "edges", "image": "a.png"}], "seed": 1},
        {
            "controls": [
                {"model": "edges", "image": "a.png", "preprocessor": "canny", "threshold_a": 50, "threshold_b": 90},
                {"model": "reference_only", "image": "b.png", "weight": 0.5, "end": 0.5, "mode": "control"},
            ],
            "seed": 1,
        },
        {"controls": [{"model": "m", "image": "a.png", "resolution": 128, "mask": "m.png", "resize_mode": "fill"}]},
        {"init_image": "in.png", "strength": 0.0, "step_rule": "exact", "resize_mode": "crop", "seed": 1},
        {
            "init_image": "in.png",
            "mask_image": "-m.png",
            "mask_blur": 0.0,
            "mask_invert": True,
            "seed": 1,
            "mask_soft": True,
            "mask_grow": 0,
            "masked_content": "noise",
            "inpaint_area": "masked",
            "inpaint_padding": 0,
            "match_colors": False,
            "noise_multiplier": 0.9,
            "extra_noise": 0.1,
        },
        {"init_image": "in.png", "outpaint_left": 8, "outpaint_bottom": 64, "image_guidance_scale": 1.2, "seed": 1},
    ],
)
def test_the_line_asks_for_the_same(fields: dict[str, Any]) -> None:
    request = GenerationRequest(**{"prompt": "a cat", "seed": -1} | fields)
    if request.seed is None:
        request = request.model_copy(update={"seed": -1})
    found, options = read(command_line(request, AROUND))
    assert found.model_dump(exclude=LOADING) == request.model_dump(exclude=LOADING)
    assert found.num_images % options.n_samples == 0


def test_it_says_where_models_and_styles_lie(tmp_path: Path) -> None:
    around = replace(
        AROUND,
        checkpoint=tmp_path / "m.safetensors",
        vae="v.pt",
        models_dir=tmp_path,
        styles=("film", "old"),
        styles_file=tmp_path / "styles.csv",
        wildcards=tmp_path / "lists",
        format="webp",
    )
    _, options = read(command_line(GenerationRequest(prompt="a", device="cpu", dtype="float32"), around))
    assert (options.ckpt, options.vae, options.models_dir) == (around.checkpoint, "v.pt", tmp_path)
    assert (options.style, options.styles_file) == (("film", "old"), (around.styles_file,))
    assert (options.wildcards, options.format) == ((around.wildcards,), "webp")
    assert (options.device, options.dtype, options.skip_grid) == ("cpu", "float32", True)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"rho": 5.0}, "rho"),
        ({"guidance_interval": (0.1, 5.0)}, "guidance_interval"),
        ({"eta_noise_seed_delta": 1}, "eta_noise_seed_delta"),
        ({"regions": [{"part": 1, "image": "a.png", "invert": True}]}, "regions"),
        ({"controls": [{"model": "m", "image": "a.png", "style_fidelity": 1.0}]}, "style_fidelity"),
        ({"tiled_diffusion": {"at_once": 1}}, "tiled_diffusion"),
        ({"init_image": "a.png", "tiled_diffusion": {}}, "tiled_diffusion"),
    ],
)
def test_what_no_flag_says_is_told(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(RequestError, match=f"^{name}: the command line has no flag that says this; copy"):
        command_line(GenerationRequest(prompt="a", **fields), AROUND)
