"""`inkbloom autoencode`: a picture through the autoencoder and back, or a latent to its picture."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.core.types import Latent
    from inkbloom.pipelines.autoencoder import Autoencoder

LATENT_KEY = "latent"


def autoencode(
    picture: Annotated[Path | None, Parameter(help="A PNG, JPEG, WebP, ... file.")] = None,
    /,
    *,
    ckpt: Annotated[
        Path | None,
        Parameter(
            name=("--ckpt", "--model"),
            help="Model file or folder; only its autoencoder is read. [default: the starter]",
        ),
    ] = None,
    decode: Annotated[Path | None, Parameter(help="Decode this latent file instead of a picture.")] = None,
    outdir: Annotated[Path, Parameter(help="Where the files go.")] = Path("outputs/autoencode"),
    config: Annotated[Path | None, Parameter(help="CompVis YAML of the model. [default: read off the file]")] = None,
    device: Annotated[str | None, Parameter(help="cuda, cuda:1, mps or cpu. [default: the best present]")] = None,
    dtype: Annotated[str | None, Parameter(help="float32, or float16 for half the memory on a GPU.")] = None,
) -> int:
    """Send a picture through the autoencoder and back.

    Writes NAME-reconstruction.png, the scaled latent as NAME-latent.safetensors (under the key "latent"), and its
    channels as NAME-channels.png, and prints the compression factor, PSNR and SSIM. The picture is turned upright, put
    on white where it is transparent, and cut to its middle where its sides do not divide by 8.

    ```
    inkbloom autoencode photo.jpg
    inkbloom autoencode photo.jpg --ckpt model.safetensors --outdir outputs/mine
    inkbloom autoencode --decode outputs/autoencode/photo-latent.safetensors
    ```
    """
    if (picture is None) == (decode is None):
        raise RequestError(
            "Give either a picture or --decode with a latent file, as in: inkbloom autoencode photo.jpg."
        )

    from inkbloom.pipelines.device import choose_compute
    from inkbloom.pipelines.saving import output_folders
    from inkbloom.pipelines.stable_diffusion import load_autoencoder

    compute = choose_compute(device, dtype)
    if decode is not None:
        latent = _read_latent(decode)
        autoencoder = load_autoencoder(ckpt, compute, config=config)
        _check_channels(latent, autoencoder, decode)
        with output_folders(outdir):
            return _decode(latent, autoencoder, outdir, decode.stem)

    from inkbloom.pipelines.pictures import open_picture

    assert picture is not None
    opened = open_picture(picture)
    autoencoder = load_autoencoder(ckpt, compute, config=config)
    with output_folders(outdir):
        return _round_trip(opened, autoencoder, outdir, picture.stem)


def _decode(latent: Latent, autoencoder: Autoencoder, outdir: Path, stem: str) -> int:
    from inkbloom.pipelines.pictures import to_pictures
    from inkbloom.pipelines.saving import save_picture

    picture = to_pictures(autoencoder.decode(latent))[0]
    path = save_picture(picture, _names(outdir, stem, "-decoded.png"))
    print(f"Saved the picture of {picture.width} x {picture.height} pixels as {path}.")
    return 0


def _round_trip(original, autoencoder: Autoencoder, outdir: Path, stem: str) -> int:
    from inkbloom.checkpoints.saving import write_safetensors
    from inkbloom.pipelines.pictures import crop_to_multiple, latent_channels, to_pictures
    from inkbloom.pipelines.quality import psnr, ssim
    from inkbloom.pipelines.saving import save_new, save_picture

    picture = crop_to_multiple(original, autoencoder.downscale)
    if picture.size != original.size:
        print(f"Cut to the middle {picture.width} x {picture.height} of {original.width} x {original.height} pixels.")
    latent = autoencoder.encode(picture).cpu()
    reconstruction = to_pictures(autoencoder.decode(latent))[0]
    facts = {"latent_scale": str(autoencoder.latent_scale)}
    saved = [
        save_picture(reconstruction, _names(outdir, stem, "-reconstruction.png")),
        save_new(
            lambda path: write_safetensors(path, {LATENT_KEY: latent}, metadata=facts),
            _names(outdir, stem, "-latent.safetensors"),
        ),
        save_picture(latent_channels(latent, autoencoder.downscale), _names(outdir, stem, "-channels.png")),
    ]
    _, channels, height, width = latent.shape
    print(f"Compression {autoencoder.compression():g} x: {width} x {height} latent points with {channels} channels.")
    print(f"PSNR {psnr(picture, reconstruction):.2f} dB, SSIM {ssim(picture, reconstruction):.4f}.")
    print(f"Saved {', '.join(str(path) for path in saved)}.")
    return 0


def _names(folder: Path, stem: str, ending: str):
    """NAME-ending, then NAME-1-ending, ..."""
    yield folder / f"{stem}{ending}"
    for number in count(1):
        yield folder / f"{stem}-{number}{ending}"


def _read_latent(path: Path) -> Latent:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RequestError(f'Cannot read a latent from "{path}": {error}.') from None
    latent = tensors.get(LATENT_KEY)
    if latent is None or latent.dim() != 4 or len(latent) != 1 or not latent.is_floating_point() or not latent.numel():
        raise RequestError(f'"{path}" holds no latent: a tensor "{LATENT_KEY}" of shape (1, channels, height, width).')
    if not latent.isfinite().all():
        raise RequestError(f'The latent in "{path}" holds numbers that are not finite.')
    return latent.float()


def _check_channels(latent: Latent, autoencoder: Autoencoder, path: Path) -> None:
    channels = autoencoder.network.spec.latent_channels
    if latent.shape[1] != channels:
        raise RequestError(f'The latent in "{path}" has {latent.shape[1]} channels, the model {channels}.')
