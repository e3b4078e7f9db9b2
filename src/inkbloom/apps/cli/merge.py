"""`inkbloom merge`: one checkpoint out of two or three, by A1111's rules and some newer ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

METHOD = Group("Method", sort_key=1)
RESULT = Group("Result", sort_key=2)


def merge(
    a: Annotated[Path, Parameter(help="Model A, a file or diffusers folder; it decides what the result consists of.")],
    b: Annotated[Path | None, Parameter(help="Model B.")] = None,
    c: Annotated[Path | None, Parameter(help="Model C, from which B (or A and B) were trained.")] = None,
    /,
    *,
    method: Annotated[
        str,
        Parameter(
            group=METHOD,
            help="weighted-sum, add-difference, no-interpolation, slerp, cosine-a, cosine-b, ties or dare.",
        ),
    ] = "weighted-sum",
    multiplier: Annotated[
        float | None,
        Parameter(
            name=("--multiplier", "-m"),
            group=METHOD,
            help="How much of B, or of the difference. [default: 0.3; ties 1, dare 0.5]",
        ),
    ] = None,
    blocks: Annotated[
        str | None,
        Parameter(
            group=METHOD,
            help="Multipliers of single blocks, as IN00=0.5,M00=1,OUT=0, or 25 numbers (26 with BASE first).",
        ),
    ] = None,
    density: Annotated[float, Parameter(group=METHOD, help="ties: which share of each difference is kept.")] = 0.2,
    drop: Annotated[float, Parameter(group=METHOD, help="dare: which share of each difference is dropped.")] = 0.9,
    seed: Annotated[int, Parameter(group=METHOD, help="dare: another seed drops others.")] = 0,
    outdir: Annotated[Path | None, Parameter(group=RESULT, help="Where the result goes. [default: beside A]")] = None,
    name: Annotated[
        str | None, Parameter(group=RESULT, help='Its name, without ending. [default: as A1111, "0.7(A) + 0.3(B)"]')
    ] = None,
    vae: Annotated[
        Path | None, Parameter(group=RESULT, help="A file or folder whose autoencoder replaces A's.")
    ] = None,
    discard: Annotated[
        str | None, Parameter(group=RESULT, help="Leave out tensors whose names this regular expression finds.")
    ] = None,
    precision: Annotated[
        str | None, Parameter(group=RESULT, help="float32, float16 or bfloat16. [default: as the models]")
    ] = None,
    overwrite: Annotated[
        bool, Parameter(group=RESULT, negative="", show_default=False, help="Replace a file of this name.")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Write nothing; say how far B is from A in each block.")
    ] = False,
) -> int:
    """Merge checkpoints.

    weighted-sum: A (1 - m) + B m. add-difference: A + (B - C) m. no-interpolation: A, with another precision or
    autoencoder. slerp: along the arc from A to B. cosine-a, cosine-b: B where it is unlike A. ties, dare: C, with what
    A and B learned beyond it. All of it is computed in float32, a tensor at a time.

    The result is always a .safetensors file; its metadata say what it was made of. An inpainting or instruct-pix2pix
    model can be merged with normal ones as A.

    ```
    inkbloom merge a.safetensors b.safetensors -m 0.4
    inkbloom merge a.safetensors b.safetensors c.safetensors \\
      --method add-difference -m 1
    inkbloom merge a.safetensors --method no-interpolation \\
      --vae vae.safetensors --precision float16 --name new
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.apps.cli.storage import hash_cache
    from inkbloom.checkpoints import merging

    recipe = merging.MergeRecipe(
        models=tuple(path for path in (a, b, c) if path is not None),
        method=method,
        multiplier=multiplier,
        blocks=blocks,
        density=density,
        drop=drop,
        seed=seed,
        vae=vae,
        discard=discard,
        precision=precision,
        name=name,
    )
    if dry_run:
        print(f"{'block':7}{'tensors':>8}{'|B - A| / |A|':>16}{'cosine':>10}")
        for one in merging.differences(recipe):
            print(f"{one.block:7}{one.tensors:8}{one.distance:16.4%}{one.cosine:10.6f}")
        return 0
    with step_bar("Merging", None) as show:
        path = merging.merge(
            recipe,
            a.parent if outdir is None else outdir,
            overwrite=overwrite,
            hash_of=hash_cache().sha256,
            on_progress=lambda done, total: show(done),
        )
    print(f"Saved {path}.")
    return 0
