"""InvokeAI: `invokeai_metadata` since version 3, `sd-metadata` before, and the command of its first days in `Dream`."""

from __future__ import annotations

import re
from typing import Any

from inkbloom.pipelines.metadata.names import sampler_name
from inkbloom.pipelines.metadata.record import Metadata, make_metadata, mapping_of, model_name, parse_json, text_of

_FLAGS = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}
_FLAG = re.compile(r"(?<!\S)-([sSWHCA])\s*+(\S++)")
_NEGATIVE = re.compile(r"\[([^\[\]]*)\]")
_ALSO_PAINTS = ("loras", "vae", "controlnets", "ipAdapters", "t2iAdapters", "hrf_enabled", "seamless_x", "seamless_y")
"""Settings that change the picture and that we have not."""


def read_invokeai(text: str) -> Metadata | None:
    """What InvokeAI 3 and later say; None for other JSON or other text."""
    data = parse_json(text)
    if data is None or not {"positive_prompt", "generation_mode", "app_version"} & data.keys():
        return None
    model = mapping_of(data.get("model"))
    warnings = [f"InvokeAI's {key} has no counterpart here." for key in _ALSO_PAINTS if data.get(key)]
    if "txt2img" not in text_of(data.get("generation_mode")) and "generation_mode" in data:
        warnings.append(f"It was made by {text_of(data['generation_mode'])}, not from a prompt alone.")
    return make_metadata(
        f"InvokeAI {text_of(data.get('app_version'))}".strip(),
        text_of(data.get("positive_prompt")),
        text_of(data.get("negative_prompt")),
        fields={key: value for key, value in data.items() if key not in ("positive_prompt", "negative_prompt")},
        settings={
            "steps": data.get("steps"),
            **_sampling(data.get("scheduler")),
            "guidance_scale": data.get("cfg_scale"),
            "guidance_rescale": data.get("cfg_rescale_multiplier"),
            "seed": data.get("seed"),
            "width": data.get("width"),
            "height": data.get("height"),
            "clip_skip": _clip_skip(data.get("clip_skip")),
            "model": model_name(model.get("name") or model.get("model_name")),
            "noise_source": "nv" if data.get("rand_device") == "cuda" else "cpu",
        },
        raw=text,
        warnings=warnings,
    )


def read_sd_metadata(text: str) -> Metadata | None:
    """What InvokeAI 1 and 2 say; None for other JSON or other text."""
    data = parse_json(text)
    image = mapping_of(data.get("image")) if data else {}
    if data is None or "prompt" not in image:
        return None
    prompts = image["prompt"]
    if isinstance(prompts, list):
        prompts = ", ".join(text_of(mapping_of(part).get("prompt")) for part in prompts)
    warnings = []
    if image.get("type") not in (None, "txt2img"):
        warnings.append(f"It was made by {text_of(image['type'])}, not from a prompt alone.")
    warnings += [f"InvokeAI's {key} has no counterpart here." for key in _old_extras(image)]
    return _old(
        f"InvokeAI {text_of(data.get('app_version')).removeprefix('v')}".strip(),
        text_of(prompts),
        {key: value for key, value in image.items() if key != "prompt"},
        model=model_name(data.get("model_weights")),
        raw=text,
        warnings=warnings,
    )


def _old_extras(image: dict[str, Any]) -> list[str]:
    return [
        key
        for key in ("variations", "postprocessing", "hires_fix", "seamless", "threshold", "perlin")
        if image.get(key)
    ]


def read_dream(text: str) -> Metadata | None:
    """What InvokeAI's first command line says, such as `"a cat [dog]" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms`."""
    begin, end = text.find('"'), text.rfind('"')
    flags = {_FLAGS[flag]: value for flag, value in _FLAG.findall(text[end + 1 :])}
    if end <= begin or "steps" not in flags:
        return None
    return _old("InvokeAI", text[begin + 1 : end], flags, model=None, raw=text, warnings=[])


def _old(
    program: str, prompt: str, fields: dict[str, Any], *, model: str | None, raw: str, warnings: list[str]
) -> Metadata:
    """The negative prompt stands in brackets within the prompt."""
    return make_metadata(
        program,
        _NEGATIVE.sub("", prompt).strip(),
        ", ".join(part.strip() for part in _NEGATIVE.findall(prompt)),
        fields=fields,
        settings={
            "guidance_scale": fields.get("cfg_scale"),
            **{name: fields.get(name) for name in ("steps", "seed", "width", "height")},
            **_sampling(fields.get("sampler")),
            "model": model,
            "noise_source": "cpu",
        },
        raw=raw,
        warnings=warnings,
    )


def _sampling(name: Any) -> dict[str, str | None]:
    """InvokeAI's scheduler: a k at the end of its name means Karras's sigmas; else it takes diffusers' leading ones."""
    name = text_of(name)
    plain = name.removesuffix("_k")
    return {
        "sampler": sampler_name(plain) or None,
        "schedule": "karras" if name != plain else "leading" if name else None,
    }


def _clip_skip(layers: Any) -> Any:
    """InvokeAI counts the layers left out, we the last one used."""
    return layers + 1 if isinstance(layers, int) and 0 <= layers < 100 else layers
