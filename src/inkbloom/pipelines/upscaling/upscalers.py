"""What enlarges pictures, by name: filters, the starter's own network, and files of others' networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as PILImage

from inkbloom.checkpoints.library import Library
from inkbloom.checkpoints.upscalers import load_upscaler
from inkbloom.core.errors import CheckpointError, MemoryNeededError, RequestError, nearest
from inkbloom.core.tiles import Tiling, blended
from inkbloom.core.types import Image
from inkbloom.families import starter_upscaler
from inkbloom.models.upscaler import SCALES, Upscaler
from inkbloom.pipelines.memory import is_out_of_memory
from inkbloom.pipelines.pictures import from_pictures, to_pictures
from inkbloom.pipelines.upscaling.foreign import open_foreign
from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS

LANCZOS, NEAREST = PILImage.Resampling.LANCZOS, PILImage.Resampling.NEAREST
STARTER = "Starter"
BUILT_IN = ("None", "Lanczos", "Nearest", STARTER)
KIND = "upscale_models"
A1111_NAMES = {
    "R-ESRGAN 4x+": "RealESRGAN_x4plus",
    "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B",
    "R-ESRGAN 2x+": "RealESRGAN_x2plus",
    "R-ESRGAN General 4xV3": "realesr-general-x4v3",
    "R-ESRGAN General WDN 4xV3": "realesr-general-wdn-x4v3",
    "R-ESRGAN AnimeVideo": "realesr-animevideov3",
}
"""The files that A1111 keeps under these names."""

CPU = torch.device("cpu")
TILE, OVERLAP = 192, 8
"""A1111's, in pixels of the small picture."""
_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Enlarger:
    """Something that enlarges by itself; `enlarge` brings its result to an exact size."""

    name: str
    work: Callable[[PILImage.Image, float], PILImage.Image]
    """The picture, at least as large as before, given how many times larger it should become."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """How a network sees large pictures, in pixels: squares of `size` whose neighbours overlap; 0: whole."""

    size: int = TILE
    overlap: int = OVERLAP

    def __post_init__(self) -> None:
        if self.size < 0 or (self.size and not 16 <= self.size <= 8192):
            raise RequestError(f"A tile of {self.size} pixels: it must be 0 (whole) or from 16 to 8192.")
        if self.size and not 0 <= self.overlap <= self.size // 2:
            raise RequestError(f"A tile overlap of {self.overlap} pixels: it must be from 0 to {self.size // 2}.")


def find_upscaler(
    name: str,
    *,
    library: Library | None = None,
    device: torch.device = CPU,
    tiles: Tiles = Tiles(),
    on_tile: Callable[[], object] = lambda: None,
) -> Enlarger:
    """The upscaler of a name: one of `BUILT_IN`, a file, or its name among the library's; A1111's names work too.
    `on_tile` is called before each tile goes through a network; raise from it to stop.

    Raises `RequestError` with the nearest names for an unknown one, `CheckpointError` for a file that cannot be used.
    """
    match next((known for known in BUILT_IN if known.lower() == name.lower()), None):
        case "None":
            return Enlarger(name="None", work=lambda picture, factor: picture)
        case "Lanczos":
            return Enlarger(name="Lanczos", work=lambda picture, factor: _filtered(picture, factor, LANCZOS))
        case "Nearest":
            return Enlarger(name="Nearest", work=lambda picture, factor: _filtered(picture, factor, NEAREST))
        case "Starter":
            network = load_upscaler(starter_upscaler.FILE)
            assert network is not None
            return _own(STARTER, network, device, tiles, on_tile)
    if name in LATENT_UPSCALERS:
        raise RequestError(f'"{name}" enlarges latents, in a second pass (hires); for pictures take another upscaler.')
    path = file_of(name, library)
    network = load_upscaler(path) if path.suffix == ".safetensors" else None
    if network is not None:
        return _own(path.stem, network, device, tiles, on_tile)
    foreign = open_foreign(path, device)
    if foreign.is_face:
        raise RequestError(f"{path} restores faces ({foreign.architecture}); it is no upscaler.")
    return Enlarger(
        name=path.stem, work=lambda picture, factor: _run(picture, foreign, foreign.scale, device, tiles, on_tile)
    )


def enlarge(picture: PILImage.Image, width: int, height: int, upscaler: Enlarger) -> PILImage.Image:
    """The picture at exactly `width` x `height`: enlarged until it is as large, thrice at most, then by Lanczos."""
    for _ in range(_ROUNDS):
        factor = max(width / picture.width, height / picture.height)
        if factor <= 1:
            break
        before = picture.size
        picture = upscaler.work(picture, factor)
        if picture.size == before:
            break
    return picture if picture.size == (width, height) else picture.resize((width, height), LANCZOS)


def _filtered(picture: PILImage.Image, factor: float, filter: PILImage.Resampling) -> PILImage.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), filter)


def _own(name: str, network: Upscaler, device: torch.device, tiles: Tiles, on_tile: Callable[[], object]) -> Enlarger:
    network = network.to(device)

    def work(picture: PILImage.Image, factor: float) -> PILImage.Image:
        scale = next((each for each in SCALES if each >= factor - 1e-6), SCALES[-1])
        return _run(picture, lambda image: network(image, scale), scale, device, tiles, on_tile)

    return Enlarger(name=name, work=work)


@torch.inference_mode()
def _run(
    picture: PILImage.Image,
    network: Callable[[Image], Image],
    scale: int,
    device: torch.device,
    tiles: Tiles,
    on_tile: Callable[[], object],
) -> PILImage.Image:
    def tile(part: Image) -> Image:
        on_tile()
        return network(part)

    image = from_pictures([picture]).to(device)
    size = tiles.size or max(image.shape[2:])
    tiling = Tiling(size=size, overlap=tiles.overlap if tiles.size else 0)
    try:
        return to_pictures(blended(image, tile, tiling, up=scale))[0]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    raise MemoryNeededError(
        f"Enlarging {picture.width} x {picture.height} pixels {scale} times in tiles of {size} ran out of memory; "
        "choose smaller tiles."
    )


def file_of(name: str, library: Library | None) -> Path:
    """The file itself, or one of the library's upscalers; `RequestError` with the nearest names where there is none."""
    path = Path(name)
    if path.is_file():
        return path
    known = [] if library is None else library.entries(KIND)
    if library is not None and known:
        try:
            return library.find(A1111_NAMES.get(name, name), KIND)
        except CheckpointError as error:
            if "may be" in str(error):
                raise
    if path.suffix and path.parent != Path():
        raise CheckpointError(f"There is no upscaler at {path}.")
    names = [*BUILT_IN, *(entry.name.rpartition(".")[0] for entry in known)]
    raise RequestError(f'Unknown upscaler "{name}".{nearest(name, names)}')


def names(library: Library | None) -> list[str]:
    """All that can be asked for: what is built in, and the library's files."""
    return [*BUILT_IN, *([] if library is None else [entry.name.rpartition(".")[0] for entry in library.entries(KIND)])]
