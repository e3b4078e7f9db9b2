"""`inkbloom interpolate`: a moving picture from one prompt or seed to another."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from inkbloom.apps.cli.painting.asking import load_model, paint_request
from inkbloom.apps.cli.painting.options import RequestOptions


def interpolate(
    prompt: Annotated[str, Parameter(name="PROMPT", help="What the first picture shows.")],
    to: Annotated[str | None, Parameter(name="TO", help="What the last one shows. [default: the same]")] = None,
    /,
    *,
    to_seed: Annotated[int | None, Parameter(help="The last picture's seed. [default: --seed]")] = None,
    frames: Annotated[int, Parameter(help="How many pictures, the first and the last included.")] = 16,
    seconds: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=3600), help="How long it lasts.")] = 2.0,
    back: Annotated[bool, Parameter(negative="", help="Go back to the first picture, without painting again.")] = False,
    out: Annotated[Path, Parameter(help="A .gif, .webp (exact) or .mp4 (needs ffmpeg).")] = Path("outputs/between.gif"),
    options: RequestOptions = RequestOptions(),
) -> int:
    """Paint the way between two prompts, two seeds or both.

    The noise goes along great circles, the prompts' conditionings straight; every picture is painted in full. A file
    that is there is not overwritten but gets a sibling with a number.

    ```
    inkbloom interpolate "a cat on the beach" "a dog on the beach" --seed 7
    inkbloom interpolate "a castle" --seed 7 --to-seed 8 --frames 24 \\
      --back --out castles.webp
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.pipelines.interpolation import interpolate, movie_format, save_movie
    from inkbloom.pipelines.saving import output_folders, save_new

    format = movie_format(out)
    request = paint_request(prompt, options)
    model = load_model(options)
    way = interpolate(model, request, to_prompt=to, to_seed=to_seed, frames=frames)
    painted = []
    with output_folders(out.parent):
        with step_bar("Pictures", frames) as show:
            for picture in way:
                painted.append(picture)
                show(len(painted))
        shown = painted + painted[-2:0:-1] if back else painted
        names = (out.with_stem(f"{out.stem}{f'-{i}' if i else ''}") for i in count())
        saved = save_new(lambda path: save_movie(shown, path, format, seconds=seconds), names)
    print(f"Painted {len(painted)} pictures, saved as {saved}.")
    return 0
