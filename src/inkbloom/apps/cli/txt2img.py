"""`inkbloom txt2img`: prompts to pictures, with every flag of CompVis's `scripts/txt2img.py`, and modern ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from inkbloom.apps.cli.control import ControlOptions, control_units
from inkbloom.apps.cli.painting.asking import read_prompts, run_request
from inkbloom.apps.cli.painting.options import COMPVIS, PaintOptions, switch
from inkbloom.apps.cli.painting.resolution import ResolutionOptions
from inkbloom.apps.cli.painting.running import run
from inkbloom.core.errors import RequestError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Txt2ImgOptions(PaintOptions):
    laion400m: Annotated[
        bool, switch("--laion400m", group=COMPVIS, help="Another model family; says which file CompVis takes.")
    ] = False


def txt2img(
    words: Annotated[str | None, Parameter(name="PROMPT", help="What to paint, in quotation marks.")] = None,
    /,
    *,
    options: Txt2ImgOptions = Txt2ImgOptions(),
    control: ControlOptions = ControlOptions(),
    resolution: ResolutionOptions = ResolutionOptions(),
) -> int:
    """Paint pictures from a prompt.

    Without --ckpt the starter paints, the small model that comes with inkbloom, with its own size, steps, guidance and
    sampler. Picture i takes the seed + i, whatever the batch: CompVis draws the noise of a whole batch from one stream,
    so only the first picture of a run can begin as CompVis's does.

    ```
    inkbloom txt2img "a big castle under a starry night sky" --seed 7
    inkbloom txt2img "a dog" --n_iter 1 --n_samples 1 --sampler "Euler a"
    inkbloom txt2img --prompt "an astronaut on a horse" --plms --ckpt model.ckpt
    inkbloom txt2img --from-file prompts.txt --outdir outputs/mine
    inkbloom txt2img "a (big:1.3) castle, [day:night:0.5]" \\
      --negative-prompt "rain" --emphasis "No norm"
    inkbloom txt2img "a {red|blue} __animal__" --wildcards lists --style painted
    inkbloom txt2img "a castle" --control canny.safetensors \\
      --control-image photo.jpg --control-preprocessor canny
    inkbloom txt2img "a castle" --hires-scale 2 --hires-upscaler Starter
    inkbloom txt2img "a castle" --ckpt model.safetensors --dry-run
    ```
    """
    if options.laion400m:
        raise RequestError(
            "--laion400m means CompVis's text2img-large (models/ldm/text2img-large/model.ckpt), another family with a "
            "BERT text encoder, which inkbloom does not know; leave the flag out, or name a Stable Diffusion file with "
            "--ckpt."
        )
    prompts = read_prompts(words, options)
    request = run_request(prompts, options, controls=control_units(control), **resolution.fields())
    return run(request, prompts, options)
