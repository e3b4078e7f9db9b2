"""Measure the memory of a 2048 x 2048 picture: python scripts/upscaling_memory.py [decode|paint] SIDE [whole].

decode: Stable Diffusion 1's autoencoder, random weights. paint: a step of the starter's U-Net with guidance. Both in
tiles, or whole. The peak is that of the process beyond what it had with the networks loaded (Linux).
"""

import sys
import time
from pathlib import Path

import torch

from inkbloom.families.starter import STARTER
from inkbloom.models.autoencoder import SD1_AUTOENCODER, AutoencoderKL
from inkbloom.models.unet import UNet
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.sampling.tiling import TiledModel


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def main(what: str, side: int, whole: bool) -> None:
    points = side // 8
    if what == "decode":
        autoencoder = Autoencoder(AutoencoderKL(SD1_AUTOENCODER).eval(), 0.18215, tile=None if whole else 512)
        latent = torch.randn(1, 4, points, points)

        def work() -> object:
            return autoencoder.decode(latent)
    else:
        unet = UNet(STARTER.unet).eval()
        model = unet if whole else TiledModel(network=unet, size=16, overlap=8)
        x, t, conditioning = (
            torch.randn(2, 4, points, points),
            torch.ones(2),
            torch.randn(2, 77, STARTER.unet.context_dim),
        )

        def work() -> object:
            return model(x, t, conditioning)

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = resident("VmRSS"), time.monotonic()
    with torch.inference_mode():
        work()
    seconds = time.monotonic() - started
    print(f"{what} {side} x {side}, {'whole' if whole else 'tiled'}: ", end="")
    print(f"{(resident('VmHWM') - before) / 2**30:.2f} GiB, {seconds:.0f} s")


main(sys.argv[1], int(sys.argv[2]), "whole" in sys.argv[3:])
