"""A job: a request with the model that is to paint it; and what other programs call a request's fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.request import GenerationRequest, OptionValue

PROVENANCE = frozenset({"model", "model_hash", "vae", "vae_hash", "network_hashes", "a1111_hashes", "device", "dtype"})
"""Fields that say what painted a picture; a job has its own place for the model, and `model` and `vae` mean that."""

_NAMES = {
    "negative": "negative_prompt",
    "cfg_scale": "guidance_scale",
    "scale": "guidance_scale",
    "sampler_name": "sampler",
    "sampler_index": "sampler",
    "scheduler": "schedule",
    "subseed": "variation_seed",
    "subseed_strength": "variation_strength",
    "seed_resize_from_w": "seed_width",
    "seed_resize_from_h": "seed_height",
    "denoising_strength": "strength",
    "initial_noise_multiplier": "noise_multiplier",
    "image_cfg_scale": "image_guidance_scale",
    "n_iter": "num_images",
    "sd_model": "model",
    "ckpt": "model",
    "checkpoint": "model",
    "w": "width",
    "h": "height",
}
"""A1111's names (of its API, and of lines in "Prompts from file or textbox") and CompVis's, as far as ours differ."""

_OPTIONS = ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise")
_REFUSED = {
    "restore_faces": "faces are restored in `inkbloom upscale`, not while painting",
    "outpath_samples": "the folder of a batch is given once, by --outdir",
    "outpath_grids": "the folder of a batch is given once, by --outdir",
    "do_not_save_samples": "a batch is there to save its pictures",
    "do_not_save_grid": "a batch makes no grid; leave it out",
    "prompt_for_display": "nothing is displayed; leave it out",
    "styles": "styles go around all prompts of a batch, by --style",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    request: GenerationRequest
    origin: str = ""
    """Where it was asked for, as messages name it: "line 3", "cat.png", "Steps: 10"."""
    checkpoint: str | None = None
    """The file or the name of its model; None: the one of the whole batch."""
    vae: str | None = None
    """The same for an autoencoder of another file."""
    stem: str | None = None
    """The name of its file without the ending; None: a number."""
    place: tuple[int, ...] | None = None
    """Its cell in a plot: x, y, z, from 0."""

    def change(self, **fields: Any) -> Job:
        """The same with other fields of its request, checked; `RequestError` as `GenerationRequest` raises it."""
        return replace(self, request=GenerationRequest(**dict(self.request) | fields))


def job_of(row: Mapping[str, Any], base: Mapping[str, Any], origin: str) -> Job:
    """The job of a row: fields by our names or by A1111's, over the `base` fields of the whole batch.

    Texts are read as what the field is: "20" as steps, "true" as a switch, JSON as sampler options or controls. A value
    of None or "" is one not given. `RequestError` names the origin.
    """
    fields: dict[str, Any] = dict(base)
    options: dict[str, OptionValue] = {}
    load: dict[str, str] = {}
    try:
        for key, value in row.items():
            name = key.strip().lower().replace("-", "_").replace(" ", "_")
            name = _NAMES.get(name, name)
            if value is None or value == "":
                continue
            if name in ("model", "vae"):
                load[name] = str(value)
            elif name in _OPTIONS:
                options[name] = _number(key, value)
            elif name in _REFUSED:
                raise RequestError(f'"{key}" cannot be given for one picture: {_REFUSED[name]}.')
            else:
                fields[_known(key, name)] = _read(name, value)
        given = fields.get("sampler_options") or {}
        if options and isinstance(given, dict):
            fields["sampler_options"] = given | options
        request = GenerationRequest(**fields)
    except RequestError as error:
        raise RequestError(f"{origin}: {error}") from None
    return Job(request=request, origin=origin, checkpoint=load.get("model"), vae=load.get("vae"))


def _known(key: str, name: str) -> str:
    allowed = [field for field in GenerationRequest.model_fields if field not in PROVENANCE]
    if name not in allowed:
        raise RequestError(f'Unknown field "{key}".{nearest(name, [*allowed, *_NAMES, *_OPTIONS, "model", "vae"])}')
    return name


def _number(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise RequestError(f"{key} {value!r}: must be a number.") from None


def _read(name: str, value: Any) -> Any:
    if isinstance(value, bool) or str(value).lower() in ("true", "false"):
        if name == "tiling":  # a switch elsewhere, an axis here
            return "both" if str(value).lower() == "true" else "none"
        return value
    if isinstance(value, str) and name not in ("prompt", "negative_prompt") and value[0] in "[{":
        try:
            return json.loads(value)
        except ValueError as error:
            raise RequestError(f"{name} {value!r} begins as JSON but is none: {error}.") from None
    return value


def read_text(path: Path) -> str:
    """A file of UTF-8 text, with or without a byte order mark; `RequestError` where it cannot be read or is empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestError(f'"{path}" cannot be read: {error.strerror}.') from None
    except UnicodeDecodeError:
        raise RequestError(f'"{path}" is not UTF-8 text.') from None
    if not text.strip():
        raise RequestError(f'"{path}" is empty; it should hold requests, one a line.')
    return text


class Mistakes:
    """Collects what is wrong with single rows, so that it is told at once."""

    SHOWN = 3

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[str] = []

    def add(self, error: RequestError) -> None:
        self._found.append(str(error).rstrip("."))

    def tell(self) -> None:
        """`RequestError` with the first of them, if there were any."""
        if self._found:
            more = len(self._found) - self.SHOWN
            shown = "; ".join(self._found[: self.SHOWN])
            raise RequestError(f"{self._path}: {shown}{f'; and {more} more' if more > 0 else ''}.")
