"""`inkbloom inpaint`: every picture of a folder that has a mask beside it, as CompVis's `scripts/inpaint.py`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inkbloom.apps.cli.painting.asking import load_model, paint_request
from inkbloom.apps.cli.painting.editing import EditOptions, MaskedContent, Strength
from inkbloom.apps.cli.painting.options import DryRun, RequestOptions
from inkbloom.apps.cli.painting.planning import tell_request, tell_time
from inkbloom.core.errors import RequestError

_MASK = "_mask.png"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class InpaintOptions(EditOptions):
    strength: Strength = 1.0
    masked_content: MaskedContent = "fill"


def inpaint(
    prompt: Annotated[str, Parameter(name="PROMPT", help="What to paint under the masks.")] = "",
    /,
    *,
    indir: Annotated[Path, Parameter(help="Where NAME.png and NAME_mask.png are.")],
    outdir: Annotated[Path, Parameter(help="Where NAME.png goes.")],
    dry_run: DryRun = False,
    options: RequestOptions = RequestOptions(),
    edit: InpaintOptions = InpaintOptions(),
) -> int:
    """Repaint the masked part of each picture in a folder.

    White of a mask is repainted; the rest stays to the last bit, so the results have the names and sizes of the
    pictures. Models for inpainting and ordinary ones both do. A picture that cannot be used is reported, and the rest
    goes on; the exit code is then 2.

    ```
    inkbloom inpaint --indir photos --outdir filled --steps 50
    inkbloom inpaint "a meadow" --indir photos --outdir filled \\
      --ckpt sd-v1-5-inpainting.ckpt --scale 7.5
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.pipelines.saving import output_folders, save_picture

    pairs = _pairs(indir)
    paint_request(prompt, options, **edit.fields())
    if dry_run:
        return _tell(pairs, prompt, options, edit)
    model = load_model(options)
    failed = 0
    with output_folders(outdir), step_bar("Pictures", len(pairs)) as show:
        for done, (picture, mask) in enumerate(pairs):
            show(done)
            try:
                sources = {"init_image": picture, "mask_image": mask}
                result = model.generate(paint_request(prompt, options, **edit.fields() | sources))
            except RequestError as error:
                print(f"inkbloom: {picture.name}: {error}", file=sys.stderr)
                failed += 1
                continue
            names = (outdir / f"{picture.stem}{f'-{i}' if i else ''}.png" for i in count())
            save_picture(result.images[0], names, result.requests[0], stages=result.stages[0])
    print(f"Inpainted {len(pairs) - failed} of {len(pairs)} pictures into {outdir}.")
    return 2 if failed else 0


def _tell(pairs: list[tuple[Path, Path]], prompt: str, options: RequestOptions, edit: InpaintOptions) -> int:
    """What it would be if all pictures were like the first."""
    sources = {"init_image": pairs[0][0], "mask_image": pairs[0][1]}
    request = paint_request(prompt, options, **edit.fields() | sources)
    tell_request(request, options, len(pairs))
    model = load_model(options)
    tell_time(model, [model.resolve(request)], len(pairs))
    return 0


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Each picture with its mask, by name."""
    try:
        masks = sorted(path for path in folder.iterdir() if path.name.endswith(_MASK))
    except OSError as error:
        raise RequestError(f'Cannot read the folder "{folder}": {error.strerror}.') from None
    if not masks:
        raise RequestError(f'There is no NAME{_MASK} in "{folder}", so nothing says what to repaint.')
    return [(mask.with_name(f"{mask.name.removesuffix(_MASK)}.png"), mask) for mask in masks]
