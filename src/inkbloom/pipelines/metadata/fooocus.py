"""Fooocus's own JSON. Where it is set to write A1111's text, `a1111` reads that."""

from __future__ import annotations

import re
from typing import Any

from inkbloom.pipelines.metadata.names import sampler_name, schedule_name
from inkbloom.pipelines.metadata.record import (
    Metadata,
    make_metadata,
    model_name,
    network_tags,
    parse_json,
    short_hash,
    text_of,
)

_ALSO_PAINTS = ("sharpness", "adm_guidance", "styles", "refiner_model", "adaptive_cfg", "freeu", "vae")
"""Settings that change the picture and that we have not."""
_OFF = ("None", "", "[]", [], None, "Default (model)")


def read_fooocus(text: str) -> Metadata | None:
    """What Fooocus says; None for other JSON or other text. Its full prompt, with the styles filled in, is taken."""
    data = parse_json(text)
    if data is None or not (data.get("metadata_scheme") == "fooocus" or {"base_model", "performance"} <= data.keys()):
        return None
    # Written as a Python tuple: "(1152, 896)"
    size = re.findall(r"\d{1,9}", text_of(data.get("resolution"))[:50])
    clip_skip = data.get("clip_skip")
    warnings = [f"Fooocus's {key} has no counterpart here." for key in _ALSO_PAINTS if data.get(key) not in _OFF]
    prompt = _joined(data.get("full_prompt")) or text_of(data.get("prompt"))
    return make_metadata(
        text_of(data.get("version")) or "Fooocus",
        prompt + network_tags("lora", _loras(data), warnings),
        _joined(data.get("full_negative_prompt")) or text_of(data.get("negative_prompt")),
        fields={key: value for key, value in data.items() if "prompt" not in key},
        settings={
            "steps": data.get("steps"),
            "sampler": sampler_name(text_of(data.get("sampler"))) or None,
            "schedule": schedule_name(text_of(data.get("scheduler"))) or None,
            "guidance_scale": data.get("guidance_scale"),
            "seed": data.get("seed"),
            "width": size[0] if len(size) == 2 else None,
            "height": size[1] if len(size) == 2 else None,
            "clip_skip": clip_skip,
            "model": model_name(data.get("base_model")),
            "model_hash": short_hash(data.get("base_model_hash")),
            "dialect": "comfy",
            "noise_source": "cpu",
        },
        raw=text,
        warnings=warnings,
    )


def _loras(data: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Each with its weight: "loras" is a list of [file, weight, hash]; before, each stood alone as "file : weight"."""
    listed = data.get("loras")
    listed = listed if isinstance(listed, list) else []
    singles = (text_of(data[key]).rpartition(" : ") for key in data if re.fullmatch(r"lora_combined_\d+", key))
    return [
        *((one[0], one[1]) for one in listed if isinstance(one, list) and len(one) > 1),
        *((name, weight) for name, _, weight in singles),
    ]


def _joined(lines: Any) -> str:
    return ", ".join(line for line in lines if isinstance(line, str)) if isinstance(lines, list) else ""
