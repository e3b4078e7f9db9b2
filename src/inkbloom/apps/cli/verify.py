"""`inkbloom verify`: whether a picture can be made again, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inkbloom.apps.cli.models import MODELS, ModelsDir

DIFFERS = 1
"""The exit code of a picture that was made again, but not the same."""


def verify(
    picture: Annotated[Path, Parameter(help="A picture with metadata.")],
    /,
    *,
    ckpt: Annotated[
        Path | None, Parameter(name=("--ckpt", "--model"), help="Model file or folder. [default: the starter]")
    ] = None,
    vae: Annotated[str | None, Parameter(help="The autoencoder's file or name. [default: as the picture says]")] = None,
    config: Annotated[Path | None, Parameter(help="CompVis YAML of the model. [default: read off the file]")] = None,
    device: Annotated[str | None, Parameter(help="cuda, cuda:1, mps or cpu. [default: the picture's]")] = None,
    dtype: Annotated[str | None, Parameter(help="float32, bfloat16 or float16. [default: the picture's]")] = None,
    models_dir: ModelsDir = MODELS,
) -> int:
    """Make a picture again and compare.

    Exits with 0 where it is the same, with 1 where it is not, and then names the first stage that differs: the tokens,
    the conditioning, the initial noise, the sigmas, the latent after a step, the decoding. On one machine, with one
    version of inkbloom and of PyTorch, it is the same bit for bit.

    ```
    inkbloom verify outputs/txt2img-samples/samples/00000.png
    inkbloom verify found.jpg --ckpt model.safetensors
    ```
    """
    from inkbloom.apps.cli.storage import open_library
    from inkbloom.pipelines.metadata import read_metadata
    from inkbloom.pipelines.verification import load_like, paintable
    from inkbloom.pipelines.verification import verify as compare

    model = load_like(
        paintable(read_metadata(picture)),
        ckpt,
        device=device,
        dtype=dtype,
        config=config,
        vae=vae,
        library=open_library(models_dir),
    )
    verdict = compare(model, picture)
    print(verdict.explanation)
    for line in verdict.notes:
        print(f"Note: {line}")
    return 0 if verdict.same else DIFFERS
