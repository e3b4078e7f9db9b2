"""The options that commands which paint from prompts share: every flag of CompVis's scripts, and modern ones."""

# Annotations stay real objects here: those of inherited options are read from other modules.

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, validators

from inkbloom.apps.cli.models import MODELS

COMPVIS = Group("As in CompVis's script", sort_key=1)
MODERN = Group("More", sort_key=2)
SEEDS = Group("Seeds and seams", sort_key=5)

AT_LEAST_1 = validators.Number(gte=1)

# With both groups a flag is one parameter under all its names, so that giving two of them is an error by itself.


def flag(*names: str, group: Group, help: str, **settings: Any) -> Parameter:
    """A parameter under all its names; CompVis's underscores may be hyphens too."""
    spelled = [spelling for name in names for spelling in (name, name.replace("_", "-"))]
    return Parameter(name=tuple(dict.fromkeys(spelled)), group=group, help=help, **settings)


def switch(name: str, *, group: Group, help: str) -> Parameter:
    return flag(name, group=group, help=help, negative="", show_default=False)


DryRun = Annotated[
    bool, switch("--dry-run", group=MODERN, help="Say what would be painted, whether it fits and how long it takes.")
]
OutDir = Annotated[
    Path, flag("--outdir", group=COMPVIS, help="Where samples/00000.png, ... and grid-0000.png, ... go.")
]
Iterations = Annotated[
    int, flag("--n_iter", group=COMPVIS, validator=AT_LEAST_1, help="How often to paint n_samples pictures.")
]
Samples = Annotated[
    int, flag("--n_samples", "--batch-size", group=COMPVIS, validator=AT_LEAST_1, help="Pictures painted at once.")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """What decides a picture beside its prompt, and the model that paints it."""

    steps: Annotated[
        int | None,
        flag("--ddim_steps", "--steps", group=COMPVIS, help="Sampling steps. [default: the model's; 50 for SD 1]"),
    ] = None
    plms: Annotated[bool, switch("--plms", group=COMPVIS, help="The sampler PLMS.")] = False
    dpm_solver: Annotated[
        bool, switch("--dpm_solver", group=COMPVIS, help="The sampler DPM-Solver; wins over --plms.")
    ] = False
    eta: Annotated[
        float | None,
        flag(
            "--ddim_eta", "--eta", group=COMPVIS, help="Noise of DDIM and ancestral samplers. [default: the sampler's]"
        ),
    ] = None
    height: Annotated[
        int | None, flag("--H", "--height", group=COMPVIS, help="Pixels. [default: the model's; 512 for SD 1]")
    ] = None
    width: Annotated[
        int | None, flag("--W", "--width", group=COMPVIS, help="Pixels. [default: the model's; 512 for SD 1]")
    ] = None
    channels: Annotated[
        int | None, flag("--C", group=COMPVIS, help="Latent channels; must be the model's. [default: the model's]")
    ] = None
    factor: Annotated[
        int | None,
        flag("--f", group=COMPVIS, help="Pixels a latent point; must be the model's. [default: the model's]"),
    ] = None
    scale: Annotated[
        float | None,
        flag(
            "--scale", "--guidance-scale", group=COMPVIS, help="Guidance; 1 = off. [default: the model's; 7.5 for SD 1]"
        ),
    ] = None
    config: Annotated[
        Path | None, flag("--config", group=COMPVIS, help="CompVis YAML of the model. [default: read off the file]")
    ] = None
    ckpt: Annotated[
        Path | None,
        flag(
            "--ckpt", "--model", group=COMPVIS, help=".safetensors, .ckpt or diffusers folder. [default: the starter]"
        ),
    ] = None
    vae: Annotated[
        str | None,
        flag("--vae", group=MODERN, help="Another autoencoder: its file, or its name in the models folder."),
    ] = None
    seed: Annotated[int, flag("--seed", group=COMPVIS, help="Picture i of the run takes seed + i; -1 = random.")] = 42
    precision: Annotated[
        Literal["full", "autocast"],
        flag("--precision", group=COMPVIS, help="full = float32; autocast = what suits the device."),
    ] = "autocast"
    negative_prompt: Annotated[str, flag("--negative-prompt", group=MODERN, help="What to keep away from.")] = ""
    dialect: Annotated[
        Literal["a1111", "comfy", "plain"],
        flag("--dialect", group=MODERN, help="Whose rules prompts are read by; plain takes all of it for words."),
    ] = "a1111"
    emphasis: Annotated[
        Literal["None", "Ignore", "Original", "No norm"],
        flag("--emphasis", group=MODERN, help="What (x:1.2) and [x] do in the dialect a1111, by its own names."),
    ] = "Original"
    lora_application: Annotated[
        Literal["merge", "live"],
        flag("--lora-application", group=MODERN, help="Merge LoRAs into the weights, or keep them live beside them."),
    ] = "merge"
    models_dir: Annotated[
        Path,
        flag(
            "--models-dir",
            group=MODERN,
            env_var="INKBLOOM_MODELS",
            help="Where prompts find <lora:NAME:0.8> and embeddings.",
        ),
    ] = MODELS
    lenient: Annotated[
        bool, switch("--lenient", group=MODERN, help="Unknown names in prompts are a warning, not an error.")
    ] = False
    sampler: Annotated[
        str | None,
        flag("--sampler", group=MODERN, help='Such as "Euler a" or "DPM++ 2M Karras". [default: the model\'s]'),
    ] = None
    schedule: Annotated[
        str | None, flag("--schedule", group=MODERN, help="Such as karras. [default: the sampler's or the model's]")
    ] = None
    sampler_option: Annotated[
        tuple[str, ...],
        flag(
            "--sampler-option", group=MODERN, negative_iterable="", help="NAME=VALUE, such as s_churn=0.5; repeatable."
        ),
    ] = field(default=())
    region: Annotated[
        tuple[str, ...],
        flag(
            "--region",
            group=MODERN,
            negative_iterable="",
            help="PART=MASK[:blur]: where the prompt's part 1, 2, ... acts, as AND joins them; white acts; repeatable.",
        ),
    ] = field(default=())
    guidance_rescale: Annotated[
        float, flag("--guidance-rescale", group=MODERN, help="0 to 1 (Lin et al. 2023); 0 = off.")
    ] = 0.0
    clip_skip: Annotated[int, flag("--clip-skip", group=MODERN, help="1 = the text encoder's last layer.")] = 1
    noise_source: Annotated[
        str, flag("--noise-source", group=MODERN, help="cpu, or nv for the noise of CUDA, on any device.")
    ] = "cpu"
    device: Annotated[
        str | None, flag("--device", group=MODERN, help="cuda, cuda:1, mps or cpu. [default: the best present]")
    ] = None
    dtype: Annotated[
        str | None,
        flag("--dtype", group=MODERN, help="float32, bfloat16 or float16. [default: what suits the device]"),
    ] = None
    ema: Annotated[bool, switch("--ema", group=MODERN, help="Take the averaged weights of a training checkpoint.")] = (
        False
    )
    watermark: Annotated[
        bool, switch("--watermark", group=MODERN, help="Add CompVis's invisible watermark; from 256 x 256 pixels on.")
    ] = False
    safety_checker: Annotated[
        bool,
        switch("--safety_checker", group=MODERN, help="Blacken unsafe pictures; for folders that have a checker."),
    ] = False
    variation_seed: Annotated[
        int | None, flag("--variation-seed", group=SEEDS, help="Of the noise to go towards. [default: random]")
    ] = None
    variation_strength: Annotated[
        float, flag("--variation-strength", group=SEEDS, help="How far, 0 to 1; then the variation seed counts up.")
    ] = 0.0
    seed_resize: Annotated[
        tuple[int, int] | None,
        flag("--seed-resize", group=SEEDS, help="WIDTH HEIGHT: noise as of that size, set into the middle."),
    ] = None
    tiling: Annotated[
        Literal["none", "x", "y", "both"],
        flag("--tiling", group=SEEDS, help="Along which axes the picture repeats without a seam."),
    ] = "none"
    noise: Annotated[
        Path | None, flag("--noise", group=SEEDS, help="Start from the noise that `inkbloom invert` found.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PaintOptions(RequestOptions):
    """What all commands that paint prompts in runs are told; a command's own class adds to it, with own defaults."""

    dry_run: DryRun = False
    prompt: Annotated[str | None, flag("--prompt", group=COMPVIS, help="What to paint, if not given plainly.")] = None
    outdir: OutDir = Path("outputs/txt2img-samples")
    skip_grid: Annotated[bool, switch("--skip_grid", group=COMPVIS, help="Write no grid.")] = False
    skip_save: Annotated[bool, switch("--skip_save", group=COMPVIS, help="Write no single pictures.")] = False
    fixed_code: Annotated[
        bool, switch("--fixed_code", group=COMPVIS, help="Start each iteration from the same noise.")
    ] = False
    n_iter: Iterations = 2
    n_samples: Samples = 3
    n_rows: Annotated[
        int,
        flag("--n_rows", group=COMPVIS, validator=validators.Number(gte=0), help="Grid columns; 0 means n_samples."),
    ] = 0
    from_file: Annotated[
        Path | None, flag("--from-file", group=COMPVIS, help="Prompts, one a line; each is painted n_iter times.")
    ] = None
    style: Annotated[
        tuple[str, ...],
        flag("--style", group=MODERN, negative_iterable="", help="A style to put around the prompts; repeatable."),
    ] = field(default=())
    styles_file: Annotated[
        tuple[Path, ...],
        flag("--styles-file", group=MODERN, negative_iterable="", help="Where styles are read from; repeatable."),
    ] = (Path("styles.csv"),)
    variants: Annotated[
        bool, switch("--variants", group=MODERN, help="Choose one of {a|b}, for each picture by its seed.")
    ] = False
    wildcards: Annotated[
        tuple[Path, ...],
        flag(
            "--wildcards",
            group=MODERN,
            negative_iterable="",
            help="A folder of files for `__name__`; turns on --variants; repeatable.",
        ),
    ] = field(default=())
    format: Annotated[
        Literal["png", "jpg", "webp", "avif"],
        flag("--format", group=MODERN, help="Of the single pictures; all carry how they were made."),
    ] = "png"
    privacy: Annotated[
        Literal["full", "without-prompt", "hash-only", "none"],
        flag("--privacy", group=MODERN, help="How much the pictures tell; `inkbloom verify` needs full."),
    ] = "full"
