"""Fooocus, NovelAI, InvokeAI: what their pictures hold, in the form that their own code writes."""

import json

import pytest

from inkbloom.pipelines.metadata.fooocus import read_fooocus
from inkbloom.pipelines.metadata.invokeai import read_dream, read_invokeai, read_sd_metadata
from inkbloom.pipelines.metadata.novelai import read_novelai
from inkbloom.pipelines.metadata.record import Metadata


def set_fields(found: Metadata) -> dict:
    return found.request.model_dump(exclude_defaults=True, exclude={"prompt", "negative_prompt"})


def test_fooocus() -> None:
    data = {
        "adm_guidance": "(1.5, 0.8, 0.3)",
        "base_model": "juggernautXL_v8Rundiffusion",
        "base_model_hash": "aeb7e9e689",
        "clip_skip": 2,
        "full_negative_prompt": ["(worst quality)"],
        "full_prompt": ["a cat", "cinematic still a cat"],
        "guidance_scale": 4.0,
        "loras": [["offset", 0.1, "4852686128"]],
        "metadata_scheme": "fooocus",
        "negative_prompt": "",
        "performance": "Speed",
        "prompt": "a cat",
        "refiner_model": "None",
        "refiner_switch": 0.5,
        "resolution": "(1152, 896)",
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "seed": "4159895726312427221",
        "sharpness": 2.0,
        "steps": 30,
        "styles": "['Fooocus V2']",
        "vae": "Default (model)",
        "version": "Fooocus v2.5.5",
    }
    found = read_fooocus(json.dumps(data))
    assert found.program == "Fooocus v2.5.5"
    assert (found.prompt, found.negative_prompt) == (
        "a cat, cinematic still a cat <lora:offset:0.1>",
        "(worst quality)",
    )
    assert set_fields(found) == {
        "steps": 30,
        "sampler": "DPM++ 2M SDE",
        "schedule": "karras",
        "guidance_scale": 4.0,
        "clip_skip": 2,
        "seed": 4159895726312427221,
        "width": 1152,
        "height": 896,
        "model": "juggernautXL_v8Rundiffusion",
        "model_hash": "aeb7e9e689",
        "dialect": "comfy",
    }
    left_out = ("sharpness", "adm_guidance", "styles")
    assert found.warnings == [f"Fooocus's {key} has no counterpart here." for key in left_out]


def test_fooocus_of_earlier_versions() -> None:
    data = {"base_model": "x", "performance": "Speed", "prompt": "a cat", "lora_combined_1": "ink.safetensors : 0.5"}
    assert read_fooocus(json.dumps(data)).prompt == "a cat <lora:ink:0.5>"


NOVELAI = {
    "steps": 28,
    "sampler": "k_euler_ancestral",
    "seed": 1234567890,
    "strength": 0.69,
    "noise": 0.2,
    "scale": 11.0,
    "uc": "lowres, bad anatomy",
}


def test_novelai_of_the_first_version() -> None:
    texts = {"Software": "NovelAI", "Source": "Stable Diffusion 1D44365E", "Description": "{masterpiece}, a cat"}
    found = read_novelai(json.dumps(NOVELAI), texts, (512, 768))
    assert found.program == "NovelAI Stable Diffusion 1D44365E"
    assert (found.prompt, found.negative_prompt) == ("{masterpiece}, a cat", "lowres, bad anatomy")
    assert set_fields(found) == {
        "steps": 28,
        "sampler": "Euler a",
        "seed": 1234567890,
        "guidance_scale": 11.0,
        "width": 512,
        "height": 768,
        "clip_skip": 2,
        "eta_noise_seed_delta": 31337,
        "noise_source": "nv",
    }
    assert found.warnings == ["NovelAI weighs words in { } by 1.05; here they are part of the prompt's own language."]


def test_novelai_of_later_versions_and_in_webp() -> None:
    comment = NOVELAI | {
        "prompt": "a cat",
        "width": 832,
        "height": 1216,
        "noise_schedule": "karras",
        "cfg_rescale": 0.2,
        "v4_prompt": {"caption": {"base_caption": "a cat, standing", "char_captions": []}},
    }
    outer = {"Comment": json.dumps(comment), "Software": "NovelAI", "Description": "a cat", "Source": "NovelAI V4.5"}
    found = read_novelai(json.dumps(outer), {}, (64, 64))
    assert (found.program, found.prompt, found.warnings) == ("NovelAI NovelAI V4.5", "a cat, standing", [])
    assert (found.request.width, found.request.schedule, found.request.guidance_rescale) == (832, "karras", 0.2)


def test_invokeai_since_version_3() -> None:
    data = {
        "app_version": "3.3.0post3",
        "generation_mode": "txt2img",
        "positive_prompt": "landscape",
        "width": 768,
        "negative_prompt": "low quality",
        "height": 432,
        "seed": 356120443,
        "rand_device": "cpu",
        "cfg_scale": 7.5,
        "steps": 50,
        "scheduler": "dpmpp_2m_sde_k",
        "clip_skip": 0,
        "controlnets": [],
        "loras": [],
        "model": {"model_name": "amixx_3Prunedfp16", "base_model": "sd-1", "model_type": "main"},
        "vae": {"model_name": "sd-vae-ft-mse", "base_model": "sd-1"},
    }
    found = read_invokeai(json.dumps(data))
    assert (found.program, found.prompt, found.negative_prompt) == ("InvokeAI 3.3.0post3", "landscape", "low quality")
    assert set_fields(found) == {
        "steps": 50,
        "sampler": "DPM++ 2M SDE",
        "schedule": "karras",
        "guidance_scale": 7.5,
        "seed": 356120443,
        "width": 768,
        "height": 432,
        "model": "amixx_3Prunedfp16",
    }
    assert found.warnings == ["InvokeAI's vae has no counterpart here."]
    newer = data | {"scheduler": "euler_a", "clip_skip": 1, "model": {"name": "dreamer", "key": "1"}, "vae": None}
    request = read_invokeai(json.dumps(newer)).request
    assert (request.sampler, request.schedule, request.clip_skip, request.model) == ("Euler a", "leading", 2, "dreamer")


def test_invokeai_before_version_3() -> None:
    image = {
        "steps": 50,
        "cfg_scale": 12,
        "threshold": 0,
        "perlin": 0,
        "height": 768,
        "width": 512,
        "seed": 2502935700,
        "seamless": False,
        "hires_fix": False,
        "type": "txt2img",
        "postprocessing": None,
        "sampler": "k_euler_a",
        "variations": [],
        "prompt": [{"prompt": "a robot reading [blurry, text]", "weight": 1.0}],
    }
    data = {"model_weights": "analog", "app_id": "invoke-ai/InvokeAI", "app_version": "v2.2.4", "image": image}
    found = read_sd_metadata(json.dumps(data))
    assert (found.program, found.prompt) == ("InvokeAI 2.2.4", "a robot reading")
    assert found.negative_prompt == "blurry, text"
    assert found.warnings == []
    assert set_fields(found) == {
        "steps": 50,
        "sampler": "Euler a",
        "schedule": "leading",
        "guidance_scale": 12.0,
        "seed": 2502935700,
        "width": 512,
        "height": 768,
        "model": "analog",
    }


def test_the_dream_command() -> None:
    found = read_dream('"a "lonely" robot [text]" -s 50 -S 1618033988 -W 512 -H 640 -C 7.5 -A k_lms')
    assert (found.prompt, found.negative_prompt) == ('a "lonely" robot', "text")
    assert set_fields(found) == {
        "steps": 50,
        "seed": 1618033988,
        "width": 512,
        "height": 640,
        "guidance_scale": 7.5,
        "sampler": "LMS",
        "schedule": "leading",
    }


@pytest.mark.parametrize("text", ["", "a dog", "[]", "{}", '{"prompt": 1}', '{"image": 5}', "{" * 100_000, '"a" -s'])
def test_other_texts_are_not_theirs(text: str) -> None:
    assert read_fooocus(text) is None
    assert read_invokeai(text) is None
    assert read_sd_metadata(text) is None
    assert read_dream(text) is None
    assert read_novelai(text, {}, (64, 64)) is None


@pytest.mark.parametrize("value", [None, True, -1, 1e400, "x", [], {}, [[]], {"name": []}])
def test_values_of_any_kind_are_told_or_taken(value: object) -> None:
    keys = ("seed", "steps", "cfg_scale", "width", "scheduler", "model", "clip_skip", "positive_prompt", "app_version")
    data = {"positive_prompt": "a"} | dict.fromkeys(keys, value)
    assert read_invokeai(json.dumps(data)).program.startswith("InvokeAI")
    fooocus = {"metadata_scheme": "fooocus"} | dict.fromkeys(
        ("full_prompt", "resolution", "sampler", "loras", "seed"), value
    )
    assert read_fooocus(json.dumps(fooocus)) is not None
