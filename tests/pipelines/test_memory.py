import os
import subprocess
import sys

import pytest
import torch

from inkbloom.core.errors import MemoryNeededError
from inkbloom.models.autoencoder import SD1_AUTOENCODER
from inkbloom.models.controlnet import SD1_CONTROLNET, ControlNet
from inkbloom.models.unet import SD1_UNET
from inkbloom.pipelines.memory import (
    available_bytes,
    decode_bytes,
    encode_bytes,
    is_out_of_memory,
    painting_bytes,
    require,
    steering_bytes,
    unet_bytes,
)
from inkbloom.pipelines.request import GenerationRequest
from tests.conftest import TINY

MEASURE = """
from pathlib import Path
import torch
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.pipelines.memory import decode_bytes, encode_bytes, unet_bytes

def measured(work):
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    def resident(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])
    start = resident("VmRSS")
    work()
    return resident("VmHWM") - start

torch.set_num_threads(1)
torch.set_grad_enabled(False)
ae = AutoencoderKL(AutoencoderSpec(level_channels=(32, 64), num_blocks=1)).eval()
levels = (UNetLevel(channels=64, num_blocks=1, transformer_depth=1, num_heads=2),)
unet = UNet(UNetSpec(levels=levels, context_dim=64)).eval()
f32 = torch.float32
x, t, context = torch.randn(2, 4, 96, 96), torch.zeros(2), torch.randn(2, 77, 64)
print(measured(lambda: unet(x, t, context)) / unet_bytes(unet.spec, 96, 96, 2, f32))
print(measured(lambda: ae.encode(torch.randn(1, 3, 128, 1024))) / encode_bytes(ae.spec, 1024, 128, f32))
print(measured(lambda: ae.decode(torch.randn(1, 4, 64, 512))) / decode_bytes(ae.spec, 1024, 128, f32))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="reads the peak of memory from Linux's /proc")
def test_estimates_are_lower_bounds_of_the_measured_peak() -> None:
    # Each large tensor is given back to the system when it is freed, so that none hides in what was there before.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, env=environment)
    for ratio in map(float, done.stdout.split()):
        assert 1.0 <= ratio < 8.0


def test_stable_diffusion_1_at_its_own_size() -> None:
    float32 = torch.float32
    assert decode_bytes(SD1_AUTOENCODER, 512, 512, float32) == 3 * 256 * 512 * 512 * 4
    assert encode_bytes(SD1_AUTOENCODER, 512, 512, float32) == 3 * 128 * 512 * 512 * 4
    assert unet_bytes(SD1_UNET, 64, 64, 2, torch.float16) == 2 * 18 * 320 * 64 * 64 * 2


def test_what_a_controlnet_hands_over() -> None:
    """Counted on one, without its middle."""
    with torch.device("meta"):
        control = ControlNet(SD1_CONTROLNET)
        found = control(torch.zeros(2, 4, 64, 64), torch.zeros(2), torch.zeros(2, 77, 768), torch.zeros(2, 3, 512, 512))
    counted = sum(each.numel() for each in found.skips)
    assert steering_bytes(SD1_UNET, 64, 64, 2, torch.float16) == 2 * counted


def test_what_does_not_fit_is_refused() -> None:
    require(2**30, 2**30, "Painting")
    require(2**50, None, "Painting")
    with pytest.raises(MemoryNeededError) as caught:
        require(3 * 2**30, 2**30, "Painting 1 of 8192 x 8192 pixels at once")
    assert str(caught.value) == (
        "Painting 1 of 8192 x 8192 pixels at once needs at least 3.0 GiB of memory, but 1.0 GiB are free; "
        "choose a smaller size or fewer pictures at once."
    )


def test_available_memory_is_known_here() -> None:
    available = available_bytes(torch.device("cpu"))
    assert available is not None
    assert 2**20 < available < 2**50


def test_running_out_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_painting_needs_what_its_largest_moment_does() -> None:
    def needed(**fields: object) -> int:
        return painting_bytes(TINY, GenerationRequest(prompt="", **fields).resolved(TINY))  # pyright: ignore[reportArgumentType] - any field

    decoding = decode_bytes(TINY.autoencoder, 512, 512, torch.float32)
    guided = unet_bytes(TINY.unet, 64, 64, 2 * 8, torch.float32)
    assert needed(width=512, height=512, num_images=8, batch_size=8) == max(decoding, guided) == guided
    assert needed(width=512, height=512) == decoding
    assert needed(width=256, height=256, hires={"scale": 2}) == decoding
    assert needed(width=256, height=256, guidance_scale=1) == decoding // 4
