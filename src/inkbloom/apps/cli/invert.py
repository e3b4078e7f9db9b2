"""`inkbloom invert`: the noise of a given picture."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from inkbloom.apps.cli.painting.asking import load_model, paint_request
from inkbloom.apps.cli.painting.options import RequestOptions


def invert(
    picture: Annotated[Path, Parameter(help="The picture.")],
    /,
    *,
    prompt: Annotated[str, Parameter(help="What it shows.")] = "",
    outdir: Annotated[Path, Parameter(help="Where NAME-noise.safetensors and NAME-reconstruction.png go.")] = Path(
        "outputs/inverted"
    ),
    rounds: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=100), help="Corrections of each step, a call each.")
    ] = 2,
    options: RequestOptions = RequestOptions(),
) -> int:
    """Find the noise from which a sampler paints a given picture, and paint it again.

    The samplers DDIM (the default) and Euler run backwards; guidance is off unless --scale is given. It says how near
    the picture painted again comes (PSNR), and how near the autoencoder alone. With the same sampler, steps and
    guidance, `txt2img --noise` then paints the picture under another prompt.

    ```
    inkbloom invert cat.png --prompt "a cat on the beach" --steps 30
    inkbloom txt2img "a dog on the beach" --steps 30 --scale 1 \\
      --sampler DDIM --noise outputs/inverted/cat-noise.safetensors
    ```
    """
    from inkbloom.pipelines import inversion
    from inkbloom.pipelines.editing.sources import NoiseSource
    from inkbloom.pipelines.pictures import open_picture
    from inkbloom.pipelines.saving import output_folders, save_new, save_picture

    given, request = open_picture(picture), paint_request(prompt, options)
    model = load_model(options)
    with output_folders(outdir):
        found = inversion.invert(model, given, request, rounds=rounds)
        names = (outdir / f"{picture.stem}-noise{f'-{i}' if i else ''}.safetensors" for i in count())
        noise = save_new(found.save, names)
        result = inversion.repaint(model, found, NoiseSource(path=str(noise), sha256=None))
        names = (outdir / f"{picture.stem}-reconstruction{f'-{i}' if i else ''}.png" for i in count())
        painted = save_picture(result.images[0], names, result.requests[0], stages=result.stages[0])
    again, ceiling = inversion.errors(found, result.images[0])
    print(f"Saved the noise as {noise} and the picture painted from it as {painted}.")
    print(f"It is {again:.1f} dB from the given one (PSNR); the autoencoder alone {ceiling:.1f} dB.")
    return 0
