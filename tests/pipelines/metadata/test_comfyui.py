import copy
import json
from typing import Any

from inkbloom.pipelines.metadata.comfyui import read_graph
from inkbloom.pipelines.metadata.record import Metadata

# The graph that ComfyUI starts with, as its API takes it
BASIC: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5-pruned.ckpt"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass bottle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}


def read(graph: dict[str, Any]) -> Metadata:
    found = read_graph(json.dumps(graph))
    assert found is not None
    return found


def changed(**nodes: dict[str, Any]) -> dict[str, Any]:
    """The basic graph with other inputs, or with further nodes: n3={"steps": 5}, n10={"class_type": ..., ...}."""
    graph = copy.deepcopy(BASIC)
    for key, change in nodes.items():
        if "class_type" in change:
            graph[key[1:]] = change
        else:
            graph[key[1:]]["inputs"] |= change
    return graph


def test_the_basic_graph() -> None:
    found = read(BASIC)
    assert (found.program, found.prompt, found.negative_prompt) == ("ComfyUI", "a glass bottle", "text, watermark")
    assert found.warnings == []
    assert found.fields["ckpt_name"] == "sd\\v1-5-pruned.ckpt"
    assert found.request.model_dump(exclude_defaults=True, exclude={"prompt", "negative_prompt"}) == {
        "seed": 156680208700286,
        "steps": 20,
        "guidance_scale": 8.0,
        "sampler": "Euler",
        "schedule": "normal",
        "width": 512,
        "height": 768,
        "model": "v1-5-pruned",
        "dialect": "comfy",
    }


def test_webp_puts_a_word_before_it() -> None:
    assert read_graph("prompt:" + json.dumps(BASIC)).prompt == "a glass bottle"


def test_loras_clip_skip_and_linked_values() -> None:
    found = read(
        changed(
            n10={
                "class_type": "LoraLoader",
                "inputs": {"lora_name": "ink.safetensors", "strength_model": 0.8, "model": ["4", 0], "clip": ["4", 1]},
            },
            n11={"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]}},
            n12={"class_type": "PrimitiveString", "inputs": {"value": "a castle"}},
            n13={"class_type": "PrimitiveInt", "inputs": {"value": 7}},
            n3={"model": ["10", 0], "seed": ["13", 0]},
            n6={"clip": ["11", 0], "text": ["12", 0]},
        )
    )
    assert (found.request.prompt, found.request.clip_skip, found.request.seed) == ("a castle <lora:ink:0:0.8>", 2, 7)
    assert found.fields["loras"] == '[["ink.safetensors", 0, 0.8]]'
    assert (found.warnings, found.request.model) == ([], "v1-5-pruned")


def test_several_loras_in_the_order_of_their_nodes() -> None:
    several = {
        "lora_1": {"on": True, "lora": "three.pt", "strength": 0.3, "strengthTwo": 0.1},
        "lora_2": {"on": False, "lora": "off.pt", "strength": 1},
        "lora_3": {"on": True, "lora": "sub/four.pt", "strength": 0.4},
    }
    loader = {"class_type": "LoraLoader", "inputs": {"lora_name": "one.pt", "strength_model": 1, "strength_clip": 1}}
    hostile = {"lora_name": "a:b>.pt", "strength_model": 1, "strength_clip": "x"}
    found = read(
        changed(
            n10={**loader, "inputs": {**loader["inputs"], "model": ["4", 0]}},
            n11={"class_type": "LoraLoaderModelOnly", "inputs": {**hostile, "model": ["10", 0]}},
            n12={"class_type": "Power Lora Loader (rgthree)", "inputs": {**several, "model": ["11", 0]}},
            n3={"model": ["12", 0]},
            n6={"text": "a <lora:glass:1> bottle"},
        )
    )
    assert found.prompt == "a <lora:glass:1> bottle <lora:one:1> <lora:three:0.1:0.3> <lora:four:0.4>"
    assert found.warnings == [
        "The prompt holds tags such as <lora:...>, which are words to ComfyUI and files here.",
        "The lora a:b>.pt cannot stand in a prompt, and is left out.",
    ]


def test_custom_sampling() -> None:
    graph = changed(
        n3={
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["20", 0],
                "guider": ["21", 0],
                "sampler": ["22", 0],
                "sigmas": ["23", 0],
                "latent_image": ["5", 0],
            },
        },
        n20={"class_type": "RandomNoise", "inputs": {"noise_seed": 9}},
        n21={
            "class_type": "CFGGuider",
            "inputs": {"cfg": 6.5, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
        },
        n22={"class_type": "KSamplerSelect", "inputs": {"sampler_name": "dpmpp_2m_sde_gpu"}},
        n23={
            "class_type": "KarrasScheduler",
            "inputs": {"steps": 12, "sigma_max": 14.6, "sigma_min": 0.03, "rho": 5.0},
        },
    )
    request = read(graph).request
    assert (request.seed, request.guidance_scale, request.steps, request.rho) == (9, 6.5, 12, 5.0)
    assert (request.sampler, request.schedule) == ("DPM++ 2M SDE", "karras")
    assert (request.prompt, request.negative_prompt) == ("a glass bottle", "text, watermark")


def test_of_two_passes_the_first_is_read() -> None:
    second = copy.deepcopy(BASIC["3"]) | {}
    second["inputs"] |= {"latent_image": ["31", 0], "steps": 5, "denoise": 0.5}
    upscale = {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1024, "height": 1024}}
    found = read({"30": second, "31": upscale} | BASIC)
    assert (found.request.steps, found.request.width) == (20, 512)
    assert found.warnings == ["The graph samples 2 times; the first pass is read."]


def test_what_has_no_counterpart_is_told() -> None:
    found = read(
        changed(
            n3={"denoise": 0.6, "scheduler": "beta", "sampler_name": "res_multistep", "latent_image": ["40", 0]},
            n6={"text": "a dog"},
            n40={"class_type": "VAEEncode", "inputs": {"pixels": ["41", 0], "vae": ["4", 2]}},
            n41={"class_type": "LoadImage", "inputs": {"image": "x.png"}},
        )
    )
    assert found.warnings[:3] == [
        "The graph starts from a picture, not from an empty latent.",
        "denoise 0.6: it continues a picture, which has no counterpart here.",
        "ComfyUI's schedule \"beta\" spaces time steps; here it spaces sigmas, as A1111's does.",
    ]
    assert found.warnings[3].startswith('Unknown sampler "res_multistep".')
    assert found.request.schedule == "beta"


def test_a_graph_without_a_sampler() -> None:
    found = read({"1": BASIC["4"]})
    assert found.warnings == [
        "The graph has no sampler that we know.",
        "The graph has no text that leads to its sampler.",
    ]


def test_circles_end() -> None:
    found = read(changed(n6={"class_type": "Loop", "inputs": {"a": ["6", 0]}}))
    assert (found.prompt, found.warnings) == ("", ["The graph has no text that leads to its sampler."])
    assert read(changed(n3={"seed": ["3", 0], "steps": [["3"], {}]})).request is not None


def test_other_json_is_not_its() -> None:
    for text in ("", "a dog", "[]", "{}", '{"a": 1}', '{"1": {"inputs": {}}}', '{"1": {"class_type": "KSamp'):
        assert read_graph(text) is None
