"""The axes of a plot: A1111's by its names, and every plain field of a request by its own.

An axis is a name and values; a value is what stands at its row or column, and what it changes in a job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any, Literal, get_args, get_origin

from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.batches.jobs import PROVENANCE, Job
from inkbloom.pipelines.batches.values import MOST, read_numbers, split_values
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.text.prompt.styles import Style, apply_styles

Change = Callable[[Job], Job]


@dataclass(frozen=True, kw_only=True)
class Value:
    label: str
    change: Change


@dataclass(frozen=True, kw_only=True)
class Axis:
    name: str = "Nothing"
    values: tuple[Value, ...] = (Value(label="", change=lambda job: job),)
    last: bool = False
    """Whether it changes what other axes have changed before, as styles do with prompts."""


NOTHING = Axis()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What an axis may need to know beside its values."""

    prompt: str
    negative_prompt: str = ""
    styles: Mapping[str, Style] = field(default_factory=dict)


Read = Callable[[str, Setting], list[Value]]

_MAKERS: dict[str, Read] = {}


def read_axis(text: str, setting: Setting) -> Axis:
    """An axis from "NAME: VALUES", such as "Steps: 10-30 (+10)"; names in any case.

    `RequestError` for an unknown name (with the nearest), one that has no meaning here (with the reason), and values
    that are none of it.
    """
    given, colon, values = text.partition(":")
    name = _find(given.strip())
    if name == "Nothing":
        return NOTHING
    if not colon:
        raise RequestError(f'The axis "{text}" must be NAME: VALUES, such as "Steps: 10-30 (+10)".')
    try:
        read = tuple(_MAKERS[name](values.strip(), setting))
    except RequestError as error:
        raise RequestError(f'Axis "{name}": {error}') from None
    if not read:
        raise RequestError(f'Axis "{name}" has no values; give some, as in "{name}: a, b".')
    return Axis(name=name, values=read, last=name == "Styles")


def axis_names() -> list[str]:
    """All names that `read_axis` knows."""
    return ["Nothing", *_MAKERS]


def _find(given: str) -> str:
    by_lower = {name.lower(): name for name in (*axis_names(), *_REFUSED)}
    name = by_lower.get(given.lower()) or by_lower.get(given.lower().replace(" ", "_"))
    if name is None:
        raise RequestError(f'Unknown axis "{given}".{nearest(given, axis_names())}')
    if name in _REFUSED:
        raise RequestError(f'There is no axis "{name}" here: {_REFUSED[name]}.')
    return name


_REFUSED = {
    "Negative Guidance minimum sigma": "A1111 skips every other step there; guidance_interval says exactly where",
    "Beta schedule alpha": "the schedule beta keeps its usual shape of 0.6",
    "Beta schedule beta": "the schedule beta keeps its usual shape of 0.6",
    "Face restore": "faces are restored in `inkbloom upscale`, not while painting",
    "Token merging ratio": "tokens are never merged",
    "Token merging ratio high-res": "tokens are never merged",
    "Always discard next-to-last sigma": "each sampler discards it as its reference does",
    "SGM noise multiplier": "noise is always scaled as in k-diffusion",
    "Refiner checkpoint": "there is no refiner, which belongs to SDXL",
    "Refiner switch at": "there is no refiner, which belongs to SDXL",
    "FP8 mode": "weights are never stored in 8 bits",
}
"""A1111's axes that have no meaning here, and why."""


def _changed(name: str, value: Any) -> Change:
    return lambda job: job.change(**{name: value})


def _numbers(name: str, kind: type[int] | type[float]) -> Read:
    def read(text: str, setting: Setting) -> list[Value]:
        return [Value(label=f"{number:.10g}", change=_changed(name, number)) for number in read_numbers(text, kind)]

    def read_whole(text: str, setting: Setting) -> list[Value]:
        return [Value(label=str(number), change=_changed(name, number)) for number in read_numbers(text, int)]

    return read_whole if kind is int else read


def _words(name: str, known: Mapping[str, Any] | None = None) -> Read:
    """Texts, or those that `known` stands for, by name in any case."""

    def read(text: str, setting: Setting) -> list[Value]:
        values = []
        for word in split_values(text):
            if known is not None and word.lower() not in known:
                raise RequestError(f'"{word}" is no value of it.{nearest(word, known)}')
            change = _changed(name, word if known is None else known[word.lower()])
            change(Job(request=GenerationRequest.model_validate({"prompt": ""})))  # an unknown name is told here
            values.append(Value(label=word, change=change))
        return values

    return read


def _hires(name: str, value: Any) -> Change:
    """A change of the second pass, which must have been asked for."""

    def change(job: Job) -> Job:
        hires = job.request.hires
        if hires is None:
            raise RequestError("there is no second pass to change; ask for one, as by --hires-scale 2.")
        return job.change(hires={**hires.model_dump(), name: value})

    return change


def _of_second_pass(name: str, kind: type[int] | type[str]) -> Read:
    def read(text: str, setting: Setting) -> list[Value]:
        values = read_numbers(text, int) if kind is int else split_values(text)
        return [Value(label=str(value), change=_hires(name, value)) for value in values]

    return read


def _denoising(text: str, setting: Setting) -> list[Value]:
    """The strength of the pass that begins with a picture, which is the second one where there is one."""

    def with_strength(number: float) -> Change:
        return lambda job: (_hires if job.request.hires else _changed)("strength", number)(job)

    return [Value(label=f"{number:.10g}", change=with_strength(number)) for number in read_numbers(text, float)]


def _option(option: str) -> Read:
    def with_option(number: float) -> Change:
        return lambda job: job.change(sampler_options={**job.request.sampler_options, option: number})

    return lambda text, setting: [
        Value(label=f"{number:.10g}", change=with_option(number)) for number in read_numbers(text, float)
    ]


def _model(part: Literal["checkpoint", "vae"]) -> Read:
    def loading(name: str) -> Change:
        wanted = None if part == "vae" and name.lower() in ("none", "automatic") else name
        return lambda job: replace(job, **{part: wanted})

    return lambda text, setting: [Value(label=name, change=loading(name)) for name in split_values(text)]


def _search_and_replace(text: str, setting: Setting) -> list[Value]:
    """A1111's Prompt S/R: the first value is looked for in both prompts, and replaced by each of the values."""
    values = split_values(text)
    found = values[:1]
    if found and found[0] not in setting.prompt + "\0" + setting.negative_prompt:
        raise RequestError(f'"{found[0]}", the first value, is not in the prompt, so there is nothing to replace.')

    def replacing(value: str) -> Change:
        return lambda job: job.change(
            prompt=job.request.prompt.replace(values[0], value),
            negative_prompt=job.request.negative_prompt.replace(values[0], value),
        )

    return [Value(label=value, change=replacing(value)) for value in values]


def _order(text: str, setting: Setting) -> list[Value]:
    """A1111's Prompt order: the values stand in the prompt, and change places in every possible order."""
    parts = split_values(text)
    missing = next((part for part in parts if part not in setting.prompt), None)
    if missing is not None:
        raise RequestError(f'"{missing}" is not in the prompt, so it has no place to change.')
    if len(parts) > 7:  # 8! is more than MOST
        raise RequestError(f"{len(parts)} parts have more than {MOST:,} orders; give 7 at most.")

    def ordering(order: tuple[str, ...]) -> Change:
        def change(job: Job) -> Job:
            # The longest first, so that a part that holds another is taken whole
            places = re.compile("|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True)))
            left = list(order)
            return job.change(prompt=places.sub(lambda match: left.pop(0) if left else match[0], job.request.prompt))

        return change

    return [Value(label=", ".join(order), change=ordering(order)) for order in permutations(parts)]


def _styles(text: str, setting: Setting) -> list[Value]:
    """Names of styles; several of one value are joined by "," within quotation marks, and None is no style."""

    def styled(names: list[str]) -> Change:
        def change(job: Job) -> Job:
            prompt, negative = apply_styles(job.request.prompt, job.request.negative_prompt, names, setting.styles)
            return job.change(prompt=prompt, negative_prompt=negative)

        return change

    values = []
    for value in split_values(text):
        names = [] if value.lower() == "none" else [name.strip() for name in value.split(",")]
        apply_styles("", "", names, setting.styles)
        values.append(Value(label=value, change=styled(names)))
    return values


def _size(text: str, setting: Setting) -> list[Value]:
    values = []
    for value in split_values(text):
        sides = re.fullmatch(r"(\d{1,5})\s*[xX×]\s*(\d{1,5})", value)
        if sides is None:
            raise RequestError(f'"{value}" is no size such as 512x768, width first.')
        width, height = int(sides[1]), int(sides[2])
        change: Change = lambda job, width=width, height=height: job.change(width=width, height=height)  # noqa: E731
        values.append(Value(label=value, change=change))
    return values


_MAKERS |= {
    "Seed": _numbers("seed", int),
    "Var. seed": _numbers("variation_seed", int),
    "Var. strength": _numbers("variation_strength", float),
    "Steps": _numbers("steps", int),
    "CFG Scale": _numbers("guidance_scale", float),
    "Image CFG Scale": _numbers("image_guidance_scale", float),
    "Prompt S/R": _search_and_replace,
    "Prompt order": _order,
    "Sampler": _words("sampler"),
    "Checkpoint name": _model("checkpoint"),
    "Sigma Churn": _option("s_churn"),
    "Sigma min": _option("s_tmin"),
    "Sigma max": _option("s_tmax"),
    "Sigma noise": _option("s_noise"),
    "Schedule type": _words("schedule"),
    "Schedule min sigma": _numbers("sigma_min", float),
    "Schedule max sigma": _numbers("sigma_max", float),
    "Schedule rho": _numbers("rho", float),
    "Eta": _option("eta"),
    "Clip skip": _numbers("clip_skip", int),
    "Denoising": _denoising,
    "Hires steps": _of_second_pass("steps", int),
    "Hires sampler": _of_second_pass("sampler", str),
    "Hires upscaler": _of_second_pass("upscaler", str),
    "Initial noise multiplier": _numbers("noise_multiplier", float),
    "Extra noise": _numbers("extra_noise", float),
    "Cond. Image Mask Weight": _numbers("mask_strength", float),
    "VAE": _model("vae"),
    "Styles": _styles,
    "UniPC Order": _option("order"),
    "RNG source": _words("noise_source", {"cpu": "cpu", "nv": "nv"}),
    "Size": _size,
}


def _of_field(name: str) -> Read | None:
    """An axis for a field of plain values: numbers, switches, one of several words, or any text."""
    annotation = GenerationRequest.model_fields[name].annotation
    if get_origin(annotation) in (dict, tuple):
        return None
    kinds = get_args(annotation) if get_origin(annotation) is not None else (annotation,)
    if bool in kinds:
        return _words(name, {"true": True, "false": False})
    for kind in (int, float):
        if kind in kinds:
            return _numbers(name, kind)
    if get_origin(annotation) is Literal:
        return _words(name, {word.lower(): word for word in get_args(annotation)})
    return _words(name) if str in kinds else None


_NO_AXES = {*PROVENANCE, "num_images", "batch_size", *(name.lower().replace(" ", "_") for name in _MAKERS)}
_MAKERS |= {
    name: read
    for name in GenerationRequest.model_fields
    if name not in _NO_AXES and (read := _of_field(name)) is not None
}
