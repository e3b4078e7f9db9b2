"""`inkbloom convert`: a model in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def convert(
    source: Annotated[Path, Parameter(help="A .safetensors or .ckpt file, or a diffusers folder.")],
    target: Annotated[Path, Parameter(help="The new .safetensors or .ckpt file; any other name makes a folder.")],
    /,
    *,
    precision: Annotated[str | None, Parameter(help="float32, float16 or bfloat16. [default: as it is]")] = None,
    use_ema: Annotated[
        bool, Parameter(negative="", show_default=False, help="Take the averaged weights as the U-Net's.")
    ] = False,
    prune: Annotated[
        bool, Parameter(negative="", show_default=False, help="Leave out what only training needs: EMA and leftovers.")
    ] = False,
    overwrite: Annotated[
        bool, Parameter(negative="", show_default=False, help="Replace a model of this name.")
    ] = False,
) -> int:
    """Convert a model between single file and diffusers folder, .ckpt and .safetensors, and precisions.

    ```
    inkbloom convert model.ckpt model.safetensors
    inkbloom convert model.safetensors model-folder
    inkbloom convert model.ckpt small.safetensors --prune --precision float16
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.checkpoints.converting import convert as run

    with step_bar("Converting", None) as show:
        run(
            source,
            target,
            precision=precision,
            use_ema=use_ema,
            prune=prune,
            overwrite=overwrite,
            on_progress=lambda done, total: show(done),
        )
    print(f"Saved {target}.")
    return 0
