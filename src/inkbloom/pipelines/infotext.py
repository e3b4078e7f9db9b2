"""The text that A1111 writes into its pictures, which other programs and picture sites read."""

import json
from importlib.metadata import version

from inkbloom.pipelines.request import ResolvedRequest

_ETA_KEYS = {"DDIM": "Eta DDIM"}
_OPTION_KEYS = {"s_churn": "Sigma churn", "s_tmin": "Sigma tmin", "s_tmax": "Sigma tmax", "s_noise": "Sigma noise"}


def infotext(request: ResolvedRequest) -> str:
    """The prompt, "Negative prompt: ..." where there is one, and a last line of "Key: value" pairs in A1111's order.

    A value with a comma, a colon or a line break is written as JSON text. What A1111 has no key
    for, such as guidance rescale, stands only in our JSON.
    """
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    pairs = ", ".join(f"{key}: {_quote(value)}" for key, value in _values(request).items() if value is not None)
    return "\n".join([*lines, pairs])


def _values(request: ResolvedRequest) -> dict[str, str | float | None]:
    # A schedule's label is how A1111's drop-down spells it.
    from inkbloom.sampling.sigmas import find_schedule

    options = request.sampler_options
    return {
        "Steps": request.steps,
        "Sampler": request.sampler,
        "Schedule type": find_schedule(request.schedule).label,
        "CFG scale": request.guidance_scale,
        "Seed": request.seed,
        "Size": f"{request.width}x{request.height}",
        "Model hash": request.model_hash,
        "Model": request.model,
        "Clip skip": request.clip_skip if request.clip_skip > 1 else None,
        "ENSD": request.eta_noise_seed_delta or None,
        "RNG": request.noise_source.upper(),
        _ETA_KEYS.get(request.sampler, "Eta"): options.get("eta"),
        **{key: options.get(name) for name, key in _OPTION_KEYS.items()},
        "Schedule max sigma": request.sigma_max,
        "Schedule min sigma": request.sigma_min,
        "Schedule rho": request.rho,
        "Version": f"inkbloom {version('inkbloom')}",
    }


def _quote(value: str | float) -> str:
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text
