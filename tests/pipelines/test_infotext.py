import json
import re

import pytest

from inkbloom import GenerationRequest, __version__
from inkbloom.families.sd1 import SD1
from inkbloom.pipelines.infotext import infotext

# How A1111 reads the last line.
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def text_of(**fields) -> str:
    request = GenerationRequest(**{"prompt": "a dog", "seed": 7} | fields).resolved(SD1)
    return infotext(request.model_copy(update={"model": "tiny", "model_hash": "0123456789"}))


def test_the_order_and_spelling_of_a1111() -> None:
    text = text_of(
        prompt="a dog,\nrunning",
        negative_prompt="rain",
        sampler="DPM++ 2M",
        steps=20,
        guidance_scale=7.0,
        clip_skip=2,
        eta_noise_seed_delta=31337,
        sigma_max=14.0,
    )
    assert text.split("\n") == [
        "a dog,",
        "running",
        "Negative prompt: rain",
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 512x512, "
        "Model hash: 0123456789, Model: tiny, Clip skip: 2, ENSD: 31337, RNG: CPU, Schedule max sigma: 14, "
        f"Version: inkbloom {__version__}",
    ]


def test_what_is_usual_is_left_out() -> None:
    assert text_of() == (
        "a dog\nSteps: 50, Sampler: DDIM, Schedule type: Leading, CFG scale: 7.5, Seed: 7, Size: 512x512, "
        f"Model hash: 0123456789, Model: tiny, RNG: CPU, Version: inkbloom {__version__}"
    )


@pytest.mark.parametrize(
    ("fields", "pair"),
    [
        ({"sampler": "DDIM", "sampler_options": {"eta": 0.5}}, "Eta DDIM: 0.5"),
        ({"sampler": "Euler a", "sampler_options": {"eta": 0.25}}, "Eta: 0.25"),
        ({"sampler": "Euler", "sampler_options": {"s_churn": 10, "s_noise": 1.1}}, "Sigma churn: 10, Sigma noise: 1.1"),
        ({"noise_source": "nv"}, "RNG: NV"),
        ({"sampler": "Euler Karras", "sigma_min": 0.1, "sigma_max": 10.0, "rho": 5.0},
         "Schedule max sigma: 10, Schedule min sigma: 0.1, Schedule rho: 5"),
    ],
)  # fmt: skip
def test_options(fields: dict, pair: str) -> None:
    assert f", {pair}, Version: " in text_of(**fields)


def test_values_with_marks_are_quoted_and_read_back_as_a1111_does() -> None:
    request = GenerationRequest(prompt="a dog", seed=7).resolved(SD1)
    text = infotext(request.model_copy(update={"model": 'my: "best", model'}))
    pairs = dict(PAIR.findall(text.split("\n")[-1]))
    assert json.loads(pairs["Model"]) == 'my: "best", model'
    assert pairs["Size"] == "512x512"
