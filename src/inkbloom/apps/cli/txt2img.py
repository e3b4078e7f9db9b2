"""`inkbloom txt2img`: prompts to pictures, with every flag of CompVis's `scripts/txt2img.py`, and modern ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, validators

from inkbloom.apps.cli.models import MODELS
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from PIL.Image import Image

    from inkbloom.apps.cli.templates import Templates
    from inkbloom.pipelines.request import GenerationRequest, OptionValue, ResolvedRequest
    from inkbloom.pipelines.stable_diffusion import StableDiffusion

COMPVIS = Group("As in CompVis's txt2img.py", sort_key=1)
MODERN = Group("More", sort_key=2)

# With both groups a flag is one parameter under all its names, so that giving two of them is an error by itself.


def _flag(*names: str, group: Group, help: str, **settings: Any) -> Parameter:
    """A parameter under all its names; CompVis's underscores may be hyphens too."""
    spelled = [spelling for name in names for spelling in (name, name.replace("_", "-"))]
    return Parameter(name=tuple(dict.fromkeys(spelled)), group=group, help=help, **settings)


def _switch(name: str, *, group: Group, help: str) -> Parameter:
    return _flag(name, group=group, help=help, negative="", show_default=False)


AT_LEAST_1 = validators.Number(gte=1)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Txt2ImgOptions:
    prompt: Annotated[str | None, _flag("--prompt", group=COMPVIS, help="What to paint, if not given plainly.")] = None
    outdir: Annotated[
        Path, _flag("--outdir", group=COMPVIS, help="Where samples/00000.png, ... and grid-0000.png, ... go.")
    ] = Path("outputs/txt2img-samples")
    skip_grid: Annotated[bool, _switch("--skip_grid", group=COMPVIS, help="Write no grid.")] = False
    skip_save: Annotated[bool, _switch("--skip_save", group=COMPVIS, help="Write no single pictures.")] = False
    steps: Annotated[
        int | None,
        _flag("--ddim_steps", "--steps", group=COMPVIS, help="Sampling steps. [default: the model's; 50 for SD 1]"),
    ] = None
    plms: Annotated[bool, _switch("--plms", group=COMPVIS, help="The sampler PLMS.")] = False
    dpm_solver: Annotated[
        bool, _switch("--dpm_solver", group=COMPVIS, help="The sampler DPM-Solver; wins over --plms.")
    ] = False
    laion400m: Annotated[
        bool, _switch("--laion400m", group=COMPVIS, help="Another model family; says which file CompVis takes.")
    ] = False
    fixed_code: Annotated[
        bool, _switch("--fixed_code", group=COMPVIS, help="Start each iteration from the same noise.")
    ] = False
    eta: Annotated[
        float | None,
        _flag(
            "--ddim_eta", "--eta", group=COMPVIS, help="Noise of DDIM and ancestral samplers. [default: the sampler's]"
        ),
    ] = None
    n_iter: Annotated[
        int, _flag("--n_iter", group=COMPVIS, validator=AT_LEAST_1, help="How often to paint n_samples pictures.")
    ] = 2
    height: Annotated[
        int | None, _flag("--H", "--height", group=COMPVIS, help="Pixels. [default: the model's; 512 for SD 1]")
    ] = None
    width: Annotated[
        int | None, _flag("--W", "--width", group=COMPVIS, help="Pixels. [default: the model's; 512 for SD 1]")
    ] = None
    channels: Annotated[
        int | None, _flag("--C", group=COMPVIS, help="Latent channels; must be the model's. [default: the model's]")
    ] = None
    factor: Annotated[
        int | None,
        _flag("--f", group=COMPVIS, help="Pixels a latent point; must be the model's. [default: the model's]"),
    ] = None
    n_samples: Annotated[
        int,
        _flag("--n_samples", "--batch-size", group=COMPVIS, validator=AT_LEAST_1, help="Pictures painted at once."),
    ] = 3
    n_rows: Annotated[
        int,
        _flag("--n_rows", group=COMPVIS, validator=validators.Number(gte=0), help="Grid columns; 0 means n_samples."),
    ] = 0
    scale: Annotated[
        float | None,
        _flag(
            "--scale", "--guidance-scale", group=COMPVIS, help="Guidance; 1 = off. [default: the model's; 7.5 for SD 1]"
        ),
    ] = None
    from_file: Annotated[
        Path | None, _flag("--from-file", group=COMPVIS, help="Prompts, one a line; each is painted n_iter times.")
    ] = None
    config: Annotated[
        Path | None, _flag("--config", group=COMPVIS, help="CompVis YAML of the model. [default: read off the file]")
    ] = None
    ckpt: Annotated[
        Path | None,
        _flag(
            "--ckpt", "--model", group=COMPVIS, help=".safetensors, .ckpt or diffusers folder. [default: the starter]"
        ),
    ] = None
    seed: Annotated[int, _flag("--seed", group=COMPVIS, help="Picture i of the run takes seed + i; -1 = random.")] = 42
    precision: Annotated[
        Literal["full", "autocast"],
        _flag("--precision", group=COMPVIS, help="full = float32; autocast = what suits the device."),
    ] = "autocast"
    negative_prompt: Annotated[str, _flag("--negative-prompt", group=MODERN, help="What to keep away from.")] = ""
    dialect: Annotated[
        Literal["a1111", "comfy", "plain"],
        _flag("--dialect", group=MODERN, help="Whose rules prompts are read by; plain takes all of it for words."),
    ] = "a1111"
    emphasis: Annotated[
        Literal["None", "Ignore", "Original", "No norm"],
        _flag("--emphasis", group=MODERN, help="What (x:1.2) and [x] do in the dialect a1111, by its own names."),
    ] = "Original"
    style: Annotated[
        tuple[str, ...],
        _flag("--style", group=MODERN, negative_iterable="", help="A style to put around the prompts; repeatable."),
    ] = field(default=())
    styles_file: Annotated[
        tuple[Path, ...],
        _flag("--styles-file", group=MODERN, negative_iterable="", help="Where styles are read from; repeatable."),
    ] = (Path("styles.csv"),)
    variants: Annotated[
        bool, _switch("--variants", group=MODERN, help="Choose one of {a|b}, for each picture by its seed.")
    ] = False
    wildcards: Annotated[
        tuple[Path, ...],
        _flag(
            "--wildcards",
            group=MODERN,
            negative_iterable="",
            help="A folder of files for `__name__`; turns on --variants; repeatable.",
        ),
    ] = field(default=())
    models_dir: Annotated[
        Path,
        _flag(
            "--models-dir",
            group=MODERN,
            env_var="INKBLOOM_MODELS",
            help="Where prompts find <lora:NAME:0.8> and embeddings.",
        ),
    ] = MODELS
    lenient: Annotated[
        bool, _switch("--lenient", group=MODERN, help="Unknown names in prompts are a warning, not an error.")
    ] = False
    sampler: Annotated[
        str | None,
        _flag("--sampler", group=MODERN, help='Such as "Euler a" or "DPM++ 2M Karras". [default: the model\'s]'),
    ] = None
    schedule: Annotated[
        str | None, _flag("--schedule", group=MODERN, help="Such as karras. [default: the sampler's or the model's]")
    ] = None
    sampler_option: Annotated[
        tuple[str, ...],
        _flag(
            "--sampler-option", group=MODERN, negative_iterable="", help="NAME=VALUE, such as s_churn=0.5; repeatable."
        ),
    ] = field(default=())
    guidance_rescale: Annotated[
        float, _flag("--guidance-rescale", group=MODERN, help="0 to 1 (Lin et al. 2023); 0 = off.")
    ] = 0.0
    clip_skip: Annotated[int, _flag("--clip-skip", group=MODERN, help="1 = the text encoder's last layer.")] = 1
    noise_source: Annotated[
        str, _flag("--noise-source", group=MODERN, help="cpu, or nv for the noise of CUDA, on any device.")
    ] = "cpu"
    device: Annotated[
        str | None, _flag("--device", group=MODERN, help="cuda, cuda:1, mps or cpu. [default: the best present]")
    ] = None
    dtype: Annotated[
        str | None,
        _flag("--dtype", group=MODERN, help="float32, bfloat16 or float16. [default: what suits the device]"),
    ] = None
    format: Annotated[
        Literal["png", "jpg", "webp", "avif"],
        _flag("--format", group=MODERN, help="Of the single pictures; all carry how they were made."),
    ] = "png"
    privacy: Annotated[
        Literal["full", "without-prompt", "hash-only", "none"],
        _flag("--privacy", group=MODERN, help="How much the pictures tell; `inkbloom verify` needs full."),
    ] = "full"
    ema: Annotated[bool, _switch("--ema", group=MODERN, help="Take the averaged weights of a training checkpoint.")] = (
        False
    )


def txt2img(
    words: Annotated[str | None, Parameter(name="PROMPT", help="What to paint, in quotation marks.")] = None,
    /,
    *,
    options: Txt2ImgOptions = Txt2ImgOptions(),
) -> int:
    """Paint pictures from a prompt.

    Without --ckpt the starter paints, the small model that comes with inkbloom, with its own size, steps, guidance and
    sampler. Picture i takes the seed + i, whatever the batch: CompVis draws the noise of a whole batch from one stream,
    so only the first picture of a run can begin as CompVis's does.

    ```
    inkbloom txt2img "a big castle under a starry night sky" --seed 7
    inkbloom txt2img "a dog on a beach" --n_iter 1 --n_samples 1 --sampler "Euler a"
    inkbloom txt2img --prompt "an astronaut riding a horse" --plms --ckpt model.ckpt
    inkbloom txt2img --from-file prompts.txt --outdir outputs/mine
    inkbloom txt2img "a (big:1.3) castle, [day:night:0.5]" --negative-prompt "rain" --emphasis "No norm"
    inkbloom txt2img "a {red|blue} __animal__" --wildcards wildcards --style painted
    ```
    """
    prompts = _prompts(words, options)
    request = _request(prompts, options)

    from inkbloom.apps.cli.storage import open_library
    from inkbloom.pipelines.stable_diffusion import StableDiffusion

    model = StableDiffusion.load(
        options.ckpt,
        device=options.device,
        dtype=_dtype(options),
        ema=options.ema,
        config=options.config,
        library=open_library(options.models_dir),
        lenient=options.lenient,
    )
    _check_latents(model, options)
    return _Run(model, model.resolve(request), prompts, options).paint()


def _prompts(words: str | None, options: Txt2ImgOptions) -> list[str]:
    """The prompts of one iteration."""
    if options.laion400m:
        raise RequestError(
            "--laion400m means CompVis's text2img-large (models/ldm/text2img-large/model.ckpt), another family with a "
            "BERT text encoder, which inkbloom does not know; leave the flag out, or name a Stable Diffusion file with "
            "--ckpt."
        )
    given = {"PROMPT": words, "--prompt": options.prompt, "--from-file": options.from_file}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        what = f"the prompt is given by {' and by '.join(names)}; give it once" if names else "there is no prompt"
        raise RequestError(f'What to paint? {what}, as in: inkbloom txt2img "a big castle".')
    if options.from_file is not None:
        return _read_prompts(options.from_file)
    return [words or options.prompt or ""] * options.n_samples


def _read_prompts(path: Path) -> list[str]:
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


def _request(prompts: list[str], options: Txt2ImgOptions) -> GenerationRequest:
    from inkbloom.pipelines.request import GenerationRequest

    return GenerationRequest(
        prompt=prompts[0],
        negative_prompt=options.negative_prompt,
        dialect=options.dialect,
        emphasis=options.emphasis,
        width=options.width,
        height=options.height,
        steps=options.steps,
        sampler=_sampler(options),
        schedule=options.schedule,
        sampler_options=_sampler_options(options),
        guidance_scale=options.scale,
        guidance_rescale=options.guidance_rescale,
        clip_skip=options.clip_skip,
        seed=options.seed,
        num_images=options.n_iter * len(prompts),
        batch_size=options.n_samples,
        noise_source=options.noise_source,  # type: ignore[arg-type] - the request checks it, and says what is allowed
    )


def _sampler(options: Txt2ImgOptions) -> str | None:
    flag = "--dpm_solver" if options.dpm_solver else "--plms" if options.plms else None
    if flag and options.sampler is not None:
        raise RequestError(f'{flag} and --sampler "{options.sampler}" both name a sampler; give one of them.')
    return {"--dpm_solver": "DPM-Solver", "--plms": "PLMS", None: options.sampler}[flag]


def _sampler_options(options: Txt2ImgOptions) -> dict[str, OptionValue]:
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


def _plain_value(text: str) -> OptionValue:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _templates(options: Txt2ImgOptions) -> Templates:
    from inkbloom.apps.cli.templates import Templates
    from inkbloom.text.prompt.wildcards import Wildcards

    wildcards = Wildcards(options.wildcards) if options.variants or options.wildcards else None
    return Templates(style=options.style, styles_file=options.styles_file, wildcards=wildcards)


def _dtype(options: Txt2ImgOptions) -> str | None:
    if options.precision == "full" and options.dtype not in (None, "float32"):
        raise RequestError(f"--precision full means float32, but --dtype is {options.dtype}; give one of them.")
    return "float32" if options.precision == "full" else options.dtype


def _check_latents(model: StableDiffusion, options: Txt2ImgOptions) -> None:
    facts = {"--C": (options.channels, model.spec.autoencoder.latent_channels)}
    facts["--f"] = (options.factor, model.autoencoder.downscale)
    for flag, (given, own) in facts.items():
        if given not in (None, own):
            raise RequestError(f"{flag} {given}: the model has {own}; leave the flag out.")


class _Run:
    """One run of the command: batch after batch is painted and saved, so that what was finished is kept."""

    def __init__(
        self, model: StableDiffusion, request: ResolvedRequest, prompts: list[str], options: Txt2ImgOptions
    ) -> None:
        self.model = model
        self.request = request
        self.prompts = prompts
        self.options = options
        self.templates = _templates(options)
        self.samples = options.outdir / "samples"
        self.pictures: list[Image] = []
        self.saved: list[Path] = []

    def paint(self) -> int:
        from inkbloom.apps.cli.progress import step_bar
        from inkbloom.pipelines.saving import numbered, prepare_folder, save_picture

        batches = list(self._batches())
        if not self.options.skip_save:
            prepare_folder(self.samples)
        if not self.options.skip_grid:
            prepare_folder(self.options.outdir)
        warned: set[str] = set()
        started = time.monotonic()
        try:
            with step_bar("Painting", self._total_steps()) as show:
                for batch in batches:
                    result = self.model.paint(
                        batch,
                        on_progress=lambda p: show(p.first * self.request.steps + p.step * len(p.latents)),
                        first=len(self.pictures),
                        num_images=self.request.num_images,
                    )
                    self.pictures += result.images
                    for line in result.warnings:
                        if line not in warned:
                            print(f"inkbloom: {line}", file=sys.stderr)
                            warned.add(line)
                    if self.options.skip_save:
                        continue
                    for picture, single, stages in zip(result.images, result.requests, result.stages, strict=True):
                        pattern = f"{{:05}}.{self.options.format}"
                        names = numbered(self.samples, pattern, len(list(self.samples.iterdir())))
                        path = save_picture(picture, names, single, stages=stages, privacy=self.options.privacy)
                        self.saved.append(path)
        except KeyboardInterrupt:
            kept = f" {len(self.saved)} of {self.request.num_images} pictures are kept in {self.samples}."
            print(f"inkbloom: stopped.{kept if self.saved else ''}", file=sys.stderr)
            return 130
        grid = None if self.options.skip_grid else self._save_grid()
        self._report(grid, time.monotonic() - started)
        return 0

    def _batches(self) -> Iterator[list[ResolvedRequest]]:
        """In CompVis's order: all prompts, n_samples at a time, in each iteration. Seeds count up with the pictures.

        The prompts are read here once, so that what is wrong with any of them is told before the first is painted.
        """
        number = 0
        for _ in range(self.options.n_iter):
            for first in range(0, len(self.prompts), self.options.n_samples):
                batch = []
                for place, prompt in enumerate(self.prompts[first : first + self.options.n_samples]):
                    seed = self.request.seed + (place if self.options.fixed_code else number)
                    prompt, negative = self.templates.fill(prompt, self.request.negative_prompt, seed)
                    texts = {"prompt": prompt, "negative_prompt": negative}
                    own = {**texts, "seed": seed, "num_images": 1, "batch_size": 1}
                    batch.append(type(self.request)(**self.request.model_dump() | own))
                    self.model.prompts.read(batch[-1])
                    number += 1
                yield batch

    def _total_steps(self) -> int | None:
        """Each picture's counted, since those of a batch may have to be painted one after the other."""
        from inkbloom.sampling.registry import find_sampler

        counted = find_sampler(self.request.sampler).calls_per_step > 0
        return self.request.num_images * self.request.steps if counted else None

    def _save_grid(self) -> Path:
        from inkbloom.pipelines.pictures import make_grid
        from inkbloom.pipelines.saving import numbered, save_picture

        grid = make_grid(self.pictures, self.options.n_rows or self.options.n_samples)
        # CompVis counts the entries of the folder but for `samples`.
        others = [entry for entry in self.options.outdir.iterdir() if entry != self.samples]
        return save_picture(grid, numbered(self.options.outdir, "grid-{:04}.png", len(others)))

    def _report(self, grid: Path | None, seconds: float) -> None:
        count = len(self.pictures)
        parts = [f"painted {count} picture{'s' if count > 1 else ''} in {seconds:.1f} s"]
        if self.saved:
            last = f" to {self.saved[-1].name}" if count > 1 else ""
            parts.append(f"saved as {self.saved[0]}{last}")
        if grid is not None:
            parts.append(f"the grid as {grid}")
        line = ", ".join(parts)
        print(f"{line[0].upper()}{line[1:]} (seed {self.request.seed}).")
