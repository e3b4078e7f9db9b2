"""`inkbloom upscale`: pictures made larger, A1111's "Extras" and its script "SD upscale"."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from inkbloom.apps.cli.models import MODELS, ModelsDir
from inkbloom.core.errors import InkbloomError, RequestError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from inkbloom.checkpoints.library import Library
    from inkbloom.pipelines.upscaling.extras import Extras

REPAINT = Group("Painted again (SD upscale)", sort_key=2)
FACES = Group("Faces", sort_key=3)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RepaintOptions:
    repaint: Annotated[
        str | None, Parameter(group=REPAINT, help="Paint the enlarged picture again, tile by tile, with this prompt.")
    ] = None
    strength: Annotated[float, Parameter(group=REPAINT, help="How much of it is new, 0 to 1.")] = 0.3
    steps: Annotated[int | None, Parameter(group=REPAINT, help="Sampling steps. [default: the model's]")] = None
    seed: Annotated[int, Parameter(group=REPAINT, help="Of the first tile; it counts up.")] = 42
    repaint_overlap: Annotated[int, Parameter(group=REPAINT, help="Pixels by which tiles overlap.")] = 64
    ckpt: Annotated[
        Path | None, Parameter(name=("--ckpt", "--model"), group=REPAINT, help="What paints. [default: the starter]")
    ] = None


def upscale(
    *sources: Annotated[Path, Parameter(name="IN", help="Pictures, and folders of them.")],
    upscaler: Annotated[
        str, Parameter(help="None, Lanczos, Nearest, Starter, a file, or its name in the models folder; list = all.")
    ] = "Starter",
    scale: Annotated[float | None, Parameter(help="How many times as large. [default: 4]")] = None,
    width: Annotated[int | None, Parameter(help="Pixels to cover, with --height in place of --scale.")] = None,
    height: Annotated[int | None, Parameter(help="Pixels to cover.")] = None,
    crop: Annotated[bool, Parameter(negative="", show_default=False, help="Cut to exactly that size.")] = False,
    max_side: Annotated[int, Parameter(help="The longer side becomes no longer by --scale; 0 = no limit.")] = 0,
    upscaler2: Annotated[str | None, Parameter(name="--upscaler2", help="A second one, mixed in.")] = None,
    visibility2: Annotated[float, Parameter(name="--visibility2", help="How much of the second, 0 to 1.")] = 0.0,
    tile: Annotated[int, Parameter(help="Pixels of the squares that networks see; 0 = the picture whole.")] = 192,
    tile_overlap: Annotated[int, Parameter(help="Pixels by which these overlap.")] = 8,
    faces: Annotated[
        str | None, Parameter(group=FACES, help="A GFPGAN or RestoreFormer file, for pictures of one face.")
    ] = None,
    face_visibility: Annotated[float, Parameter(group=FACES, help="How much of its result, 0 to 1.")] = 1.0,
    repaint: RepaintOptions = RepaintOptions(),
    outdir: Annotated[Path, Parameter(help="Where NAME.png goes.")] = Path("outputs/upscaled"),
    format: Annotated[Literal["png", "jpg", "webp", "avif"], Parameter(help="Of the files.")] = "png",
    device: Annotated[str | None, Parameter(help="cuda, cuda:1, mps or cpu. [default: the best present]")] = None,
    models_dir: ModelsDir = MODELS,
) -> int:
    """Make pictures larger.

    A file that cannot be read is told, and the others go on; the exit code is 2 then. Files of upscalers (ESRGAN,
    RealESRGAN, SwinIR, HAT, DAT, ... in the models folder) need the package spandrel.

    ```
    inkbloom upscale photo.jpg --scale 2
    inkbloom upscale pictures --upscaler Lanczos --width 512 --height 512 --crop
    inkbloom upscale photo.jpg --upscaler "R-ESRGAN 4x+" --upscaler2 Lanczos \\
      --visibility2 0.3
    inkbloom upscale castle.png --scale 4 --repaint "a big castle"
    ```
    """
    from inkbloom.apps.cli.storage import open_library
    from inkbloom.pipelines.device import choose_compute
    from inkbloom.pipelines.saving import output_folders
    from inkbloom.pipelines.upscaling.extras import Extras, Target
    from inkbloom.pipelines.upscaling.upscalers import Tiles, find_upscaler, names

    library = open_library(models_dir)
    if upscaler == "list":
        print("\n".join(names(library)))
        return 0
    files = list(_pictures(sources))
    target = Target(scale=scale, width=width, height=height, crop=crop, max_side=max_side)
    if visibility2 and upscaler2 is None:
        raise RequestError(f"--visibility2 {visibility2:g}: there is no --upscaler2 that could be seen.")
    compute = choose_compute(device, None)
    known = {"library": library, "device": compute.device, "tiles": Tiles(size=tile, overlap=tile_overlap)}
    extras = Extras(
        target=target,
        upscaler=find_upscaler(upscaler, **known),
        second=None if upscaler2 is None else find_upscaler(upscaler2, **known),
        second_visibility=visibility2,
        faces=None if faces is None else _restorer(faces, library, compute.device),
        face_visibility=face_visibility,
    )
    with output_folders(outdir):
        painter = None if repaint.repaint is None else _Painter(repaint, device, library)
        return _work(files, extras, painter, outdir, format)


def _work(files: list[Path], extras: Extras, painter: _Painter | None, outdir: Path, format: str) -> int:
    from inkbloom.pipelines.pictures import open_picture
    from inkbloom.pipelines.saving import save_picture

    failed = 0
    for file in files:
        try:
            picture = open_picture(file)
            made = extras(picture)
            if painter is not None:
                made = painter(made)
        except InkbloomError as error:
            if len(files) == 1:
                raise
            failed += 1
            print(f"inkbloom: {error}", file=sys.stderr)
            continue
        names = (outdir / f"{file.stem}{f'-{i}' if i else ''}.{format}" for i in count())
        path = save_picture(made, names)
        sizes = f"{picture.width} x {picture.height} to {made.width} x {made.height} pixels"
        print(f"Enlarged {file} from {sizes}, saved as {path}.")
    if failed:
        print(f"inkbloom: {failed} of {len(files)} files could not be enlarged.", file=sys.stderr)
    return 2 if failed else 0


def _pictures(sources: tuple[Path, ...]) -> Iterator[Path]:
    """The files given, and those that lie in the folders given, hidden ones aside."""
    if not sources:
        raise RequestError("Give pictures, or folders of them, as in: inkbloom upscale photo.jpg.")
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        inside = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
        if not inside:
            raise RequestError(f'There are no files in the folder "{source}".')
        yield from inside


def _restorer(name: str, library: Library | None, device: torch.device):
    from inkbloom.pipelines.upscaling.foreign import open_face_restorer, restore_faces
    from inkbloom.pipelines.upscaling.upscalers import file_of

    network = open_face_restorer(file_of(name, library), device)
    return lambda picture: restore_faces(picture, network, device)


class _Painter:
    """Paints an enlarged picture again."""

    def __init__(self, options: RepaintOptions, device: str | None, library: Library | None) -> None:
        from inkbloom.pipelines.request import GenerationRequest
        from inkbloom.pipelines.stable_diffusion import StableDiffusion

        assert options.repaint is not None
        self.overlap = options.repaint_overlap
        fields: dict[str, Any] = {"strength": options.strength, "steps": options.steps, "seed": options.seed}
        self.request = GenerationRequest(prompt=options.repaint, **fields)
        self.model = StableDiffusion.load(options.ckpt, device=device, library=library)

    def __call__(self, picture: Image) -> Image:
        from inkbloom.apps.cli.progress import step_bar
        from inkbloom.pipelines.upscaling.repainting import repaint_tiles

        with step_bar("Painting tiles", None) as show:
            return repaint_tiles(
                self.model, picture, self.request, overlap=self.overlap, on_tile=lambda done, total: show(done)
            )
