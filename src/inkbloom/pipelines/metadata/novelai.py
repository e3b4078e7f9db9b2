"""NovelAI: `Software: NovelAI`, the prompt as `Description`, the settings as JSON in `Comment`.

In WebP all of this stands as one JSON object in EXIF's UserComment; hidden in pixels (`stealth`), too.
"""

from __future__ import annotations

from collections.abc import Mapping

from inkbloom.pipelines.metadata.containers import COMMENT, SOFTWARE
from inkbloom.pipelines.metadata.names import sampler_name, schedule_name
from inkbloom.pipelines.metadata.record import Metadata, make_metadata, mapping_of, parse_json, text_of

CLIP_SKIP, ENSD = 2, 31337
"""What NovelAI's pictures need elsewhere, as A1111 sets it for them."""


def read_novelai(text: str, texts: Mapping[str, str], size: tuple[int, int]) -> Metadata | None:
    """What NovelAI says; None for other JSON or other text. `size` stands in where the settings have none."""
    data = parse_json(text)
    if data is not None and COMMENT in data:
        texts = {name: value for name, value in data.items() if isinstance(value, str)}
        data = parse_json(texts.get(COMMENT))
    if data is None or texts.get(SOFTWARE) != "NovelAI":
        return None
    prompt = _caption(data.get("v4_prompt")) or text_of(data.get("prompt")) or texts.get("Description", "")
    warnings = []
    if any(mark in prompt for mark in "{}"):
        warnings.append("NovelAI weighs words in { } by 1.05; here they are part of the prompt's own language.")
    if data.get("request_type") not in (None, "PromptGenerateRequest"):
        warnings.append(f"It was made from a picture (NovelAI's {text_of(data['request_type'])}), which we have not.")
    return make_metadata(
        f"NovelAI {texts.get('Source', '')}".strip(),
        prompt,
        _caption(data.get("v4_negative_prompt")) or text_of(data.get("uc")),
        fields={key: value for key, value in data.items() if key not in ("prompt", "uc") and not key.startswith("v4_")},
        settings={
            "steps": data.get("steps"),
            "sampler": sampler_name(text_of(data.get("sampler"))) or None,
            "schedule": schedule_name(text_of(data.get("noise_schedule"))) or None,
            "guidance_scale": data.get("scale"),
            "guidance_rescale": data.get("cfg_rescale"),
            "seed": data.get("seed"),
            "width": data.get("width", size[0]),
            "height": data.get("height", size[1]),
            "clip_skip": CLIP_SKIP,
            "eta_noise_seed_delta": ENSD,
            "noise_source": "nv",
        },
        raw=text,
        warnings=warnings,
    )


def _caption(prompt: object) -> str:
    return text_of(mapping_of(mapping_of(prompt).get("caption")).get("base_caption"))
