"""`inkbloom decode`: latents that were sampled but never became pictures."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inkbloom.apps.cli.models import MODELS, ModelsDir


def decode(
    spool: Annotated[Path, Parameter(help="A spool folder, or one of its files.")],
    /,
    *,
    ckpt: Annotated[
        Path | None, Parameter(name=("--ckpt", "--model"), help="Model file or folder. [default: the starter]")
    ] = None,
    vae: Annotated[
        str | None, Parameter(help="Another autoencoder: its file, or its name in the models folder.")
    ] = None,
    outdir: Annotated[Path, Parameter(help="Where the pictures go.")] = Path("outputs/decoded"),
    config: Annotated[Path | None, Parameter(help="CompVis YAML of the model. [default: read off the file]")] = None,
    device: Annotated[str | None, Parameter(help="cuda, cuda:1, mps or cpu. [default: the latents']")] = None,
    dtype: Annotated[str | None, Parameter(help="float32, bfloat16 or float16. [default: the latents']")] = None,
    models_dir: ModelsDir = MODELS,
) -> int:
    """Paint what an interrupted run has left in its spool.

    Before latents are decoded they are written to the folder `spool` beside the pictures, and removed when those are
    saved. Where decoding failed (memory, a disk that was full, a power cut), it is made up for here; a file is removed
    when its pictures are saved.

    ```
    inkbloom decode outputs/txt2img-samples/spool
    inkbloom decode outputs/plots/0000/spool --ckpt model.safetensors --device cpu
    ```
    """
    from inkbloom.apps.cli.storage import open_library
    from inkbloom.core.errors import RequestError
    from inkbloom.pipelines.saving import output_folders, save_picture
    from inkbloom.pipelines.spool import read_spooled, remove_spooled, spooled
    from inkbloom.pipelines.verification import another_model, load_like

    saved: list[Path] = []
    model = None
    with output_folders(outdir):
        for file in spooled(spool):
            latents, requests = read_spooled(file)
            if model is None:
                library = open_library(models_dir)
                model = load_like(
                    requests[0], ckpt, device=device, dtype=dtype, config=config, vae=vae, library=library
                )
            wrong = another_model(model, requests[0])
            if wrong is not None:
                raise RequestError(f"{wrong} Name the one it was painted with by --ckpt.")
            anywhere = {"device": None, "dtype": None}
            resolved = [model.resolve(request.model_copy(update=anywhere)) for request in requests]
            pictures, warnings = model.painter.decode(resolved, latents)
            for line in warnings:
                print(f"inkbloom: {line}", file=sys.stderr)
            for picture, request in zip(pictures, resolved, strict=True):
                names = (outdir / f"{number:05}.png" for number in count())
                saved.append(save_picture(picture, names, request))
            remove_spooled(file)
    last = f" to {saved[-1].name}" if len(saved) > 1 else ""
    print(f"Decoded {len(saved)} picture{'s' if len(saved) > 1 else ''}, saved as {saved[0]}{last}.")
    return 0
