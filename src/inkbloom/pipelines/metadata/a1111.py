"""A1111's text, which its forks (Forge, SD.Next), Civitai, stable-diffusion.cpp and others write too.

    <prompt, of any number of lines>
    Negative prompt: <negative prompt, likewise; none where it is empty>
    Steps: 20, Sampler: Euler a, CFG scale: 7, ...                         the last line: "Key: value" pairs

A value that has a comma, a colon or a line break stands as JSON text; some values are JSON objects or lists, unquoted.
The text cannot tell a prompt's own line "Negative prompt: ..." from the real one, nor keep white space around lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import inkbloom
from inkbloom.pipelines.metadata.editing import EDITING_KEYS, editing_settings, editing_values, seed_values
from inkbloom.pipelines.metadata.names import sampler_name, schedule_name
from inkbloom.pipelines.metadata.record import (
    Metadata,
    make_metadata,
    mapping_of,
    model_name,
    network_tags,
    parse_json,
    short_hash,
    shortened,
    text_of,
)
from inkbloom.pipelines.metadata.resolution import RESOLUTION_KEYS, resolution_settings, resolution_values
from inkbloom.pipelines.request import ResolvedRequest

NEGATIVE = "Negative prompt:"
DEFAULTS = {"Schedule type": "Automatic", "Clip skip": "1", "RNG": "GPU", "Emphasis": "Original"}
"""What a key that is missing stands for."""

_MIN_PAIRS = 3
# A run of key characters up to a colon, from its first letter on. The lookbehind lets each run be tried once, and the
# possessive "++" gives nothing back: so no text takes more than linear time.
_KEY = re.compile(r"(?<![\w \-/])[ \-/]*+(\w[\w \-/]++):\s*+")
_QUOTED = re.compile(r'("(?:\\.|[^\\"])++")\s*+(?:,|\Z)')
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
_JSON_KEYS = ("Hashes", "SDCPP", "Civitai resources", "Civitai metadata")

_HASH_KEYS = {"Lora hashes": "lora:", "TI hashes": "embed:"}
_ETA_KEYS = {"DDIM": "Eta DDIM"}
_OPTION_KEYS = {"s_churn": "Sigma churn", "s_tmin": "Sigma tmin", "s_tmax": "Sigma tmax", "s_noise": "Sigma noise"}
_SIGMA_KEYS = {"sigma_min": "Schedule min sigma", "sigma_max": "Schedule max sigma", "rho": "Schedule rho"}

_READ = {
    *("Steps", "Sampler", "Schedule type", "CFG scale", "CFG rescale", "Seed", "Size"),
    *("Model hash", "Model", "VAE hash", "VAE", "Clip skip", "ENSD", "RNG", "Emphasis", "Eta", "Eta DDIM"),
    *("Hypernet", "Hypernet strength", *_HASH_KEYS),
    *_OPTION_KEYS.values(),
    *_SIGMA_KEYS.values(),
    *EDITING_KEYS,
    *RESOLUTION_KEYS,
}
_HARMLESS = {
    # They describe, or name what the prompt asks for anyway
    *("Version", "User", "App", "Hashes", "Hypernet hash", "Lora weights", "Created Date", "Backend"),
    *("Civitai resources", "Civitai metadata", "SDCPP", "Pipeline", "Operations", "Parser", "Batch size", "Batch pos"),
    *("Metadata Scheme", "Performance", "Template", "Negative Template", "Guidance"),
    *("Script", *(f"{axis} {what}" for axis in "XYZ" for what in ("Type", "Values"))),
}
_KNOWN = _READ | _HARMLESS
_LIKE_COMFYUI = ("ComfyUI", "Fooocus")
"""These programs draw their noise on the CPU, and read prompts by ComfyUI's rules."""


@dataclass(frozen=True, kw_only=True)
class Infotext:
    prompt: str
    negative_prompt: str
    pairs: dict[str, str]
    """As written; empty where there is no line of parameters."""

    def expanded(self) -> dict[str, str]:
        """As A1111 hands them on: missing keys by their defaults, and each `WxH` value also as Key-1 and Key-2."""
        sizes = {key: size for key, value in self.pairs.items() if (size := _SIZE.fullmatch(value))}
        sides = {f"{key}-{side}": size[side] for key, size in sizes.items() for side in (1, 2)}
        return DEFAULTS | self.pairs | sides


def parse_infotext(text: str) -> Infotext:
    """Take A1111's text apart as A1111 does. Never fails, and takes time in proportion to the text's length.

    The last line holds the parameters where it has three pairs at least; else it belongs to the prompts.
    """
    *lines, last = text.strip().split("\n")
    pairs = _pairs(last)
    if len(pairs) < _MIN_PAIRS:
        lines.append(last)
        pairs = {}
    prompt: list[str] = []
    negative: list[str] = []
    target = prompt
    for line in (line.strip() for line in lines):
        if line.startswith(NEGATIVE):
            target = negative
            line = line.removeprefix(NEGATIVE).strip()
        target.append(line)
    return Infotext(
        prompt="\n".join(prompt).lstrip("\n"), negative_prompt="\n".join(negative).lstrip("\n"), pairs=pairs
    )


def _pairs(line: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while key := _KEY.search(line, position):
        name, start = key[1].strip(), key.end()
        value, position = _value(line, start, may_be_json=name in _JSON_KEYS and name not in found)
        found[name] = value
    return found


def _value(line: str, start: int, *, may_be_json: bool) -> tuple[str, int]:
    """The value that begins at `start`, and where to go on after its comma."""
    if may_be_json and line[start : start + 1] in ("{", "["):  # once for each key, or a hostile line would take long
        try:
            _, end = json.JSONDecoder().raw_decode(line, start)
        except (ValueError, RecursionError):
            pass
        else:
            return line[start:end], end + 1
    quoted = _QUOTED.match(line, start)
    if quoted is not None:
        return _unquoted(quoted[1]), quoted.end()
    comma = line.find(",", start)
    end = len(line) if comma < 0 else comma
    return line[start:end].strip(), end + 1


def _unquoted(text: str) -> str:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_infotext(text: str) -> Metadata | None:
    """What A1111's text says; None where it has no line of parameters, so that it may be any text."""
    parsed = parse_infotext(text)
    if not parsed.pairs:
        return None
    pairs = parsed.pairs
    program = _program(pairs)
    values = parsed.expanded()
    if "RNG" not in pairs and program.startswith(_LIKE_COMFYUI):
        values["RNG"] = "CPU"
    sampler, schedule = values.get("Sampler"), values["Schedule type"]
    if program == "stable-diffusion.cpp" and sampler:
        sampler, _, schedule = sampler.partition(" ")
    eta = "Eta DDIM" if sampler_name(sampler or "").startswith("DDIM") else "Eta"
    options = {name: values.get(key) for name, key in {"eta": eta, **_OPTION_KEYS}.items()}
    told: list[str] = []
    settings: dict[str, Any] = {
        "steps": values.get("Steps"),
        "sampler": sampler_name(sampler) if sampler else None,
        "schedule": _schedule(schedule, sampler),
        "guidance_scale": values.get("CFG scale"),
        "guidance_rescale": values.get("CFG rescale"),
        "seed": values.get("Seed"),
        "width": values.get("Size-1"),
        "height": values.get("Size-2"),
        "model": model_name(values.get("Model")),
        "model_hash": short_hash(values.get("Model hash")),
        "vae": values.get("VAE"),
        "vae_hash": short_hash(values.get("VAE hash")),
        "clip_skip": "1" if values["Clip skip"] in ("0", "-1") else values["Clip skip"],
        "emphasis": values["Emphasis"],
        "eta_noise_seed_delta": values.get("ENSD"),
        "noise_source": "cpu" if values["RNG"].upper() == "CPU" else "nv",
        "sampler_options": {name: value for name, value in options.items() if value is not None},
        **{name: values.get(key) for name, key in _SIGMA_KEYS.items()},
        **editing_settings(values, told),
        **resolution_settings(values),
        "dialect": "comfy" if program.startswith(_LIKE_COMFYUI) else None,
        "a1111_hashes": {
            f"{kind}{name}": digits for key, kind in _HASH_KEYS.items() for name, digits in _named(pairs.get(key, ""))
        },
    }
    warnings = told + [
        f'"{key}: {shortened(pairs[key], 60)}" has no counterpart here.' for key in pairs if key not in _KNOWN
    ]
    prompts = mapping_of((parse_json(pairs.get("SDCPP")) or {}).get("prompt"))  # exact, where the text may not be
    return make_metadata(
        program,
        (text_of(prompts.get("positive")) or parsed.prompt) + _tags(pairs, program, warnings),
        text_of(prompts.get("negative")) or parsed.negative_prompt,
        fields=pairs,
        settings=settings,
        raw=text,
        warnings=warnings,
    )


def _named(listed: str) -> list[tuple[str, str]]:
    """A list such as "film: aaebf6360f7d, ink: a95a0f4bdcb9" taken apart."""
    pairs = (item.partition(":") for item in listed.split(","))
    return [(name.strip(), value.strip()) for name, _, value in pairs if name.strip() and value.strip()]


def _tags(pairs: dict[str, str], program: str, told: list[str]) -> str:
    """Networks that stand beside the prompt: the hypernetwork of A1111's first year, and Fooocus's LoRAs."""
    found = ""
    if "Hypernet" in pairs:
        found += network_tags("hypernet", [(pairs["Hypernet"], pairs.get("Hypernet strength", "1"))], told)
    if program.startswith("Fooocus"):
        found += network_tags("lora", _named(pairs.get("Lora weights", "")), told)
    return found


def _schedule(name: str, sampler: str | None) -> str | None:
    """A combined name such as "DPM++ 2M Karras" says the schedule itself."""
    from inkbloom.sampling.sigmas import split_name

    combined = sampler is not None and split_name(sampler)[1] is not None
    return None if not name or (combined and name == DEFAULTS["Schedule type"]) else schedule_name(name)


def _program(pairs: dict[str, str]) -> str:
    version, app = pairs.get("Version", ""), pairs.get("App", "")
    if version == "stable-diffusion.cpp" or "SDCPP" in pairs:
        return "stable-diffusion.cpp"
    if version.startswith(("Fooocus", "ComfyUI", "inkbloom")):
        return version
    if app:
        return f"{app} {version}".strip()
    if "Civitai resources" in pairs:
        return "Civitai"
    if re.match(r"f\d", version) or "forge" in version.lower() or version == "neo":
        return f"Forge {version}"
    return f"A1111 {version}".strip()


def infotext(
    request: ResolvedRequest, *, with_prompt: bool = True, more: Mapping[str, str | None] = MappingProxyType({})
) -> str:
    """The prompt, "Negative prompt: ..." where there is one, and a last line of "Key: value" pairs in A1111's order.

    A value with a comma, a colon or a line break is written as JSON text. At the end stand the hashes by which
    sharing sites link the model and what the prompt names, as a JSON object. What A1111 has no key for, such as
    guidance rescale, stands only in our record. `more` pairs come before the version.
    """
    lines = [request.prompt] if with_prompt else []
    if request.negative_prompt and with_prompt:
        lines.append(f"{NEGATIVE} {request.negative_prompt}")
    pairs = [
        f"{key}: {_quote(value)}" for key, value in _values(request, with_prompt, more).items() if value is not None
    ]
    model = {} if request.model_hash is None else {"model": request.model_hash}
    if hashes := model | (request.network_hashes if with_prompt else {}):  # their names are words of the prompt
        pairs.append(f"Hashes: {json.dumps(hashes)}")
    return "\n".join([*lines, ", ".join(pairs)])


def _values(
    request: ResolvedRequest, with_prompt: bool, more: Mapping[str, str | None]
) -> dict[str, str | float | None]:
    # A schedule's label is how A1111's drop-down spells it.
    from inkbloom.sampling.sigmas import find_schedule

    options = request.sampler_options
    has_brackets = any(mark in request.prompt + request.negative_prompt for mark in "([")
    return {
        "Steps": request.steps,
        "Sampler": request.sampler,
        "Schedule type": find_schedule(request.schedule).label,
        "CFG scale": request.guidance_scale,
        "Seed": request.seed,
        "Size": f"{request.width}x{request.height}",
        "Model hash": request.model_hash,
        "Model": request.model,
        **seed_values(request),
        "VAE hash": request.vae_hash,
        "VAE": request.vae,
        "Clip skip": request.clip_skip if request.clip_skip > 1 else None,
        "ENSD": request.eta_noise_seed_delta or None,
        **editing_values(request),
        **resolution_values(request, with_prompt=with_prompt),
        "RNG": request.noise_source.upper(),
        **(_hash_lists(request) if with_prompt else {}),
        "Emphasis": request.emphasis if request.emphasis != "Original" and has_brackets else None,
        **{key: getattr(request, name) for name, key in _SIGMA_KEYS.items()},
        _ETA_KEYS.get(request.sampler, "Eta"): options.get("eta"),
        **{key: options.get(name) for name, key in _OPTION_KEYS.items()},
        **{f"ControlNet {i}": unit.infotext() for i, unit in enumerate(request.controls)},
        **more,
        "Version": f"inkbloom {inkbloom.__version__}",
    }


def _hash_lists(request: ResolvedRequest) -> dict[str, str | None]:
    """A1111's lists of LoRAs and embeddings with its hashes of them."""
    hashes = request.a1111_hashes
    lists = {
        key: ", ".join(f"{name.removeprefix(kind)}: {hashes[name]}" for name in hashes if name.startswith(kind))
        for key, kind in _HASH_KEYS.items()
    }
    return {key: listed or None for key, listed in lists.items()}


def _quote(value: str | float) -> str:
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text
