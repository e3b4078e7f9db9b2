"""`inkbloom img2img`: from a picture, with every flag of CompVis's `scripts/img2img.py`, and modern ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inkbloom.apps.cli.control import ControlOptions, control_units
from inkbloom.apps.cli.painting.asking import read_prompts, run_request
from inkbloom.apps.cli.painting.editing import EditOptions, SourceOptions
from inkbloom.apps.cli.painting.options import Iterations, OutDir, PaintOptions, Samples
from inkbloom.apps.cli.painting.running import run


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Img2ImgOptions(PaintOptions):
    outdir: OutDir = Path("outputs/img2img-samples")
    n_iter: Iterations = 1
    n_samples: Samples = 2


def img2img(
    words: Annotated[str | None, Parameter(name="PROMPT", help="What to paint, in quotation marks.")] = None,
    /,
    *,
    options: Img2ImgOptions = Img2ImgOptions(),
    source: SourceOptions = SourceOptions(),
    edit: EditOptions = EditOptions(),
    control: ControlOptions = ControlOptions(),
) -> int:
    """Paint from a picture; repaint a part of it; extend it.

    Without --W and --H the result has the picture's own size, whatever that is. Where there is a mask, everything
    outside it (and its blur) stays as it is to the last bit. Models for inpainting and for instructions are known by
    themselves. CompVis's script runs strength * steps (--step-rule diffusers) at a guidance of 5 (--scale 5).

    ```
    inkbloom img2img "a dog" --init-img photo.jpg --strength 0.6
    inkbloom img2img "a red hat" --init-img photo.jpg --mask hat.png
    inkbloom img2img "a tiny face" --init-img photo.jpg --mask face.png \\
      --area masked --masked-content noise --W 512 --H 512
    inkbloom img2img "the sea" --init-img photo.jpg --outpaint right=128 \\
      --strength 0.9
    inkbloom img2img "make it winter" --init-img photo.jpg \\
      --ckpt instruct-pix2pix.safetensors --image-guidance-scale 1.5
    ```
    """
    prompts = read_prompts(words, options)
    fields = source.fields() | edit.fields()
    request = run_request(prompts, options, controls=control_units(control), **fields)
    return run(request, prompts, options)
