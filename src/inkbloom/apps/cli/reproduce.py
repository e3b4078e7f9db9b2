"""`inkbloom reproduce`: a picture once more, from what it tells of itself."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inkbloom.apps.cli.models import MODELS, ModelsDir


def reproduce(
    picture: Annotated[Path, Parameter(help="A picture with metadata, of inkbloom or of another program.")],
    /,
    *,
    ckpt: Annotated[
        Path | None, Parameter(name=("--ckpt", "--model"), help="Model file or folder. [default: the starter]")
    ] = None,
    outdir: Annotated[Path, Parameter(help="Where NAME-reproduced.png goes.")] = Path("outputs/reproduced"),
    vae: Annotated[str | None, Parameter(help="The autoencoder's file or name. [default: as the picture says]")] = None,
    config: Annotated[Path | None, Parameter(help="CompVis YAML of the model. [default: read off the file]")] = None,
    device: Annotated[str | None, Parameter(help="cuda, cuda:1, mps or cpu. [default: the picture's]")] = None,
    dtype: Annotated[str | None, Parameter(help="float32, bfloat16 or float16. [default: the picture's]")] = None,
    models_dir: ModelsDir = MODELS,
    lenient: Annotated[
        bool, Parameter(negative="", show_default=False, help="Leave out LoRAs and embeddings that are not there.")
    ] = False,
) -> int:
    """Make a picture again from its metadata.

    Of another program's picture everything is taken over that has a counterpart here; what has not is told, on
    standard error. It will be the same picture only where the programs agree in all the rest.

    ```
    inkbloom reproduce outputs/txt2img-samples/samples/00000.png
    inkbloom reproduce found.png --ckpt model.safetensors --outdir outputs/mine
    ```
    """
    from inkbloom.apps.cli.storage import open_library
    from inkbloom.pipelines.metadata import read_metadata
    from inkbloom.pipelines.saving import output_folders, save_picture
    from inkbloom.pipelines.verification import differences, load_like, paintable, repaint

    metadata = read_metadata(picture)
    request = paintable(metadata)
    model = load_like(
        request,
        ckpt,
        device=device,
        dtype=dtype,
        config=config,
        vae=vae,
        library=open_library(models_dir),
        lenient=lenient,
    )
    with output_folders(outdir):
        result = repaint(model, request, metadata.stages)
        for line in (*metadata.warnings, *differences(model, request, result.request), *result.warnings):
            print(f"inkbloom: {line}", file=sys.stderr)
        names = (outdir / f"{picture.stem}-reproduced{f'-{i}' if i else ''}.png" for i in count())
        saved = save_picture(result.images[0], names, result.requests[0], stages=result.stages[0])
    print(f"Painted the picture of {metadata.program} again (seed {result.seeds[0]}), saved as {saved}.")
    return 0
