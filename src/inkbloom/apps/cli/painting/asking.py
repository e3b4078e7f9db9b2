"""From the options of a command that paints to prompts, a request and a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkbloom.apps.cli.painting.options import PaintOptions, RequestOptions
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.pipelines.request import GenerationRequest, OptionValue
    from inkbloom.pipelines.stable_diffusion import StableDiffusion


def read_prompts(words: str | None, options: PaintOptions) -> list[str]:
    """The prompts of one iteration."""
    given = {"PROMPT": words, "--prompt": options.prompt, "--from-file": options.from_file}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        what = f"the prompt is given by {' and by '.join(names)}; give it once" if names else "there is no prompt"
        raise RequestError(f'What to paint? {what}, as in: inkbloom txt2img "a big castle".')
    if options.from_file is not None:
        return _prompts_in(options.from_file)
    return [words or options.prompt or ""] * options.n_samples


def _prompts_in(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise RequestError(f'Cannot read the prompts in "{path}": {error.strerror}.') from None
    except UnicodeDecodeError:
        raise RequestError(f'The prompts in "{path}" are not UTF-8 text.') from None
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise RequestError(f'There are no prompts in "{path}"; it should hold one a line.')
    return prompts


def run_request(prompts: list[str], options: PaintOptions, **more: Any) -> GenerationRequest:
    """The request of a whole run; `more` are the fields that a command has beside these."""
    counts = {"num_images": options.n_iter * len(prompts), "batch_size": options.n_samples}
    return paint_request(prompts[0], options, **counts, **more)


def paint_request(prompt: str, options: RequestOptions, **more: Any) -> GenerationRequest:
    """The request of one prompt; `more` are the fields that a command has beside these."""
    from inkbloom.pipelines.request import GenerationRequest

    seed_width, seed_height = options.seed_resize or (None, None)
    fields = {
        "prompt": prompt,
        "negative_prompt": options.negative_prompt,
        "dialect": options.dialect,
        "emphasis": options.emphasis,
        "lora_application": options.lora_application,
        "width": options.width,
        "height": options.height,
        "steps": options.steps,
        "sampler": _sampler(options),
        "schedule": options.schedule,
        "sampler_options": _sampler_options(options),
        "regions": _regions(options.region),
        "guidance_scale": options.scale,
        "guidance_rescale": options.guidance_rescale,
        "clip_skip": options.clip_skip,
        "seed": options.seed,
        "variation_seed": options.variation_seed,
        "variation_strength": options.variation_strength,
        "seed_width": seed_width,
        "seed_height": seed_height,
        "tiling": options.tiling,
        "init_noise": options.noise,
        "watermark": options.watermark,
        "safety_checker": options.safety_checker,
        "noise_source": options.noise_source,
    }
    return GenerationRequest(**fields | more)


def _sampler(options: RequestOptions) -> str | None:
    flag = "--dpm_solver" if options.dpm_solver else "--plms" if options.plms else None
    if flag and options.sampler is not None:
        raise RequestError(f'{flag} and --sampler "{options.sampler}" both name a sampler; give one of them.')
    return {"--dpm_solver": "DPM-Solver", "--plms": "PLMS", None: options.sampler}[flag]


def _sampler_options(options: RequestOptions) -> dict[str, OptionValue]:
    found: dict[str, OptionValue] = {}
    for pair in options.sampler_option:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise RequestError(f'--sampler-option "{pair}": must be NAME=VALUE, such as s_churn=0.5.')
        found[name] = _plain_value(value)
    # CompVis's scripts pass eta 0 to samplers that have none.
    if options.eta is not None and not (options.eta == 0 and (options.plms or options.dpm_solver)):
        found["eta"] = options.eta
    return found


def _regions(texts: tuple[str, ...]) -> list[dict[str, Any]]:
    found = []
    for text in texts:
        part, _, rest = text.partition("=")
        file, colon, blur = rest.rpartition(":")
        if not (colon and blur.replace(".", "", 1).isdecimal()):  # a path may hold colons
            file, blur = rest, "0"
        if not (part.isascii() and part.isdigit() and file):
            raise RequestError(f'--region "{text}": must be PART=MASK, such as 1=left.png or, blurred, 1=left.png:4.')
        found.append({"part": int(part), "image": file, "blur": float(blur)})
    return found


def _plain_value(text: str) -> OptionValue:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def dtype_of(options: RequestOptions) -> str | None:
    """The precision that --precision and --dtype ask for; None: what suits the device."""
    if options.precision == "full" and options.dtype not in (None, "float32"):
        raise RequestError(f"--precision full means float32, but --dtype is {options.dtype}; give one of them.")
    return "float32" if options.precision == "full" else options.dtype


def load_model(options: RequestOptions) -> StableDiffusion:
    """The model that the options name, as `StableDiffusion.load` says."""
    from inkbloom.apps.cli.storage import open_library
    from inkbloom.pipelines.stable_diffusion import StableDiffusion

    model = StableDiffusion.load(
        options.ckpt,
        device=options.device,
        dtype=dtype_of(options),
        ema=options.ema,
        config=options.config,
        vae=options.vae,
        library=open_library(options.models_dir),
        lenient=options.lenient,
    )
    _check_latents(model, options)
    return model


def _check_latents(model: StableDiffusion, options: RequestOptions) -> None:
    facts = {"--C": (options.channels, model.spec.autoencoder.latent_channels)}
    facts["--f"] = (options.factor, model.autoencoder.downscale)
    for flag, (given, own) in facts.items():
        if given not in (None, own):
            raise RequestError(f"{flag} {given}: the model has {own}; leave the flag out.")
