import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom import GenerationRequest
from inkbloom.core.errors import RequestError
from inkbloom.families.sd1 import SD1
from inkbloom.families.starter import STARTER
from inkbloom.pipelines.request import RANDOM_SEEDS
from inkbloom.text.prompt.chunks import Dialect
from inkbloom.text.prompt.parsing import Emphasis


def test_the_model_fills_what_was_left_open() -> None:
    request = GenerationRequest(prompt="a dog").resolved(SD1)
    assert (request.width, request.height, request.steps, request.guidance_scale) == (512, 512, 50, 7.5)
    assert (request.sampler, request.schedule) == ("DDIM", "leading")
    assert 0 <= request.seed < RANDOM_SEEDS


def test_what_was_asked_stays() -> None:
    asked = {"width": 64, "height": 128, "steps": 3, "sampler": "Euler", "schedule": "karras", "guidance_scale": 0.0}
    request = GenerationRequest(prompt="a dog", seed=0, **asked).resolved(SD1)
    assert asked.items() <= request.model_dump().items()
    assert request.seed == 0


@pytest.mark.parametrize("seed", [None, -1])
def test_random_seeds_differ(seed: int | None) -> None:
    request = GenerationRequest(prompt="", seed=seed)
    assert len({request.resolved(SD1).seed for _ in range(4)}) > 1


@pytest.mark.parametrize(
    ("sampler", "schedule", "found"),
    [
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "karras")),
        ("k_euler_a", None, ("Euler a", "uniform")),
        ("DPM++ 2M", None, ("DPM++ 2M", "karras")),
        ("DPM++ 2M", "Automatic", ("DPM++ 2M", "karras")),
        ("dpm++ 2m", "SGM Uniform", ("DPM++ 2M", "sgm_uniform")),
        ("Euler Karras", "karras", ("Euler", "karras")),
        (None, "karras", ("DDIM", "karras")),
    ],
)
def test_names_of_sampler_and_schedule(sampler: str | None, schedule: str | None, found: tuple[str, str]) -> None:
    request = GenerationRequest(prompt="", sampler=sampler, schedule=schedule).resolved(SD1)
    assert (request.sampler, request.schedule) == found


@pytest.mark.parametrize("sampler", [None, "Euler a", "PLMS", "DPM++ 2M"])
def test_zero_terminal_snr_keeps_its_schedule(sampler: str | None) -> None:
    assert GenerationRequest(prompt="", sampler=sampler).resolved(STARTER).schedule == "trailing"


def test_one_request_for_each_picture() -> None:
    request = GenerationRequest(prompt="a dog", seed=5, num_images=3).resolved(SD1)
    assert [(single.seed, single.num_images) for single in request.singles()] == [(5, 1), (6, 1), (7, 1)]


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    scale=st.floats(allow_nan=False, allow_infinity=False),
    seed=st.integers(0, 2**64 - 1),
)
def test_json_round_trip(prompt: str, scale: float, seed: int) -> None:
    request = GenerationRequest(prompt=prompt, guidance_scale=scale, seed=seed, sampler_options={"eta": 0.5})
    assert GenerationRequest.from_json(request.model_dump_json()) == request


def test_a_resolved_request_is_a_request_again() -> None:
    resolved = GenerationRequest(prompt="a dog", seed=1).resolved(SD1)
    assert GenerationRequest.from_json(resolved.model_dump_json()).resolved(SD1) == resolved


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "prompt is missing."),
        ({"prompt": 5}, "prompt 5: must be text."),
        ({"width": 500}, "width 500: must be a whole number from 64 to 8192 divisible by 8."),
        ({"height": 8}, "height 8: must be a whole number from 64 to 8192 divisible by 8."),
        ({"steps": 0}, "steps 0: must be a whole number from 1 to 10000."),
        ({"steps": 10_001}, "steps 10001: must be a whole number from 1 to 10000."),
        ({"steps": 2.5}, "steps 2.5: must be a whole number from 1 to 10000."),
        ({"guidance_scale": float("nan")}, "guidance_scale nan: must be a finite number."),
        ({"guidance_rescale": 2}, "guidance_rescale 2: must be a number from 0 to 1."),
        ({"sigma_max": 0}, "sigma_max 0: must be a finite number above 0."),
        ({"seed": -2}, "seed -2: must be a whole number from -1 to 18446744073709551615."),
        ({"dialect": "a1112"}, "dialect 'a1112': must be a1111 or comfy or plain."),
        ({"emphasis": "no norm"}, "emphasis 'no norm': must be None or Ignore or Original or No norm."),
        ({"noise_source": "gpu"}, "noise_source 'gpu': must be cpu or nv."),
        ({"dtype": "int8"}, "dtype 'int8': must be float32 or bfloat16 or float16."),
        ({"sampler": "Eule"}, 'Unknown sampler "Eule". Did you mean "Euler"'),
        ({"schedule": "karas"}, 'Unknown schedule "karas". Did you mean "karras"'),
        (
            {"sampler": "Euler Karras", "schedule": "beta"},
            'sampler "Euler Karras" names its schedule, but schedule is "beta"',
        ),
        (
            {"sampler_options": {"eta": [1]}},
            "sampler_options eta [1]: must be finite numbers, true, false or text, by name.",
        ),
        (
            {"guidance_interval": (3, 1)},
            "guidance_interval (3.0, 1.0): the first sigma must be at least 0 and below the second",
        ),
        ({"promt": "x"}, 'Unknown field "promt". Did you mean "prompt"'),
        ({"prompt": "a\0b"}, "prompt holds a NUL character, which cannot be written into a picture"),
        ({"prompt": "\udcff"}, "prompt is not valid Unicode; was it written in another encoding than UTF-8?"),
    ],
)
def test_bad_fields(fields: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest(**({"prompt": "a dog"} if fields and "promt" not in fields else {}) | fields)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": 2**64 - 1, "num_images": 2}, "with 2 pictures the last exceeds"),
        ({"clip_skip": 13}, "clip_skip 13: must be from 1 to 12, the text encoder's layers."),
        ({"sampler_options": {"etta": 1.0}}, 'Sampler "DDIM" has no option "etta". Did you mean "eta"'),
        ({"sampler_options": {"eta": "much"}}, "sampler_options eta 'much': must be a finite number"),
        ({"sampler_options": {"eta": float("nan")}}, "sampler_options eta nan: must be finite numbers"),
        ({"sampler": "PLMS", "sampler_options": {"eta": 1.0}}, 'Sampler "PLMS" has no option "eta".'),
    ],
)
def test_what_the_model_cannot_do(fields: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest(prompt="a dog", **fields).resolved(SD1)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "The request is not JSON"), ("[]", "must be a JSON object, got list")]
)
def test_bad_json(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        GenerationRequest.from_json(text)


def test_the_choices_are_those_of_the_prompt_language() -> None:
    fields = GenerationRequest.model_fields
    assert get_args(fields["dialect"].annotation) == get_args(Dialect)
    assert get_args(fields["emphasis"].annotation) == get_args(Emphasis)


def test_the_order_of_fields_on_disk() -> None:
    fields = list(json.loads(GenerationRequest(prompt="").resolved(SD1).model_dump_json()))
    assert fields == list(GenerationRequest.model_fields)
