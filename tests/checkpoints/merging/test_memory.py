"""What a merge needs in memory: a few of the largest tensor in float32, and not the models."""

import dataclasses
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints.keymap import LDM_PREFIX, names
from inkbloom.checkpoints.ldm import SPEC_KEY
from inkbloom.families.sd1 import SD1
from inkbloom.models.unet import UNet

MERGE = """
import sys
from pathlib import Path
from inkbloom.checkpoints.merging import MergeRecipe, merge

def memory(what):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(what))

a, b, small, folder = map(Path, sys.argv[1:])
merge(MergeRecipe(models=(small, small)), folder)  # whatever is needed once, such as imports
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
merge(MergeRecipe(models=(a, b)), folder)
print(memory("VmHWM") - before)
"""


def write_hollow(path: Path, divide: int) -> tuple[int, int]:
    """A U-Net like Stable Diffusion 1's with fewer channels, of zeros that take no disk.

    Returns how many bytes it has, and how many numbers its largest tensor has.
    """
    levels = tuple(dataclasses.replace(level, channels=level.channels // divide) for level in SD1.unet.levels)
    spec = dataclasses.replace(SD1, unet=dataclasses.replace(SD1.unet, levels=levels))
    with torch.device("meta"):
        state = UNet(spec.unet).state_dict()
    header: dict[str, object] = {"__metadata__": {SPEC_KEY: spec.to_json()}}
    end = 0
    for ours, theirs in names("unet", spec, "ldm", state).items():
        start, end = end, end + 2 * state[ours].numel()
        shape = list(state[ours].shape)
        header[LDM_PREFIX["unet"] + theirs] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + end)
    return end, max(tensor.numel() for tensor in state.values())


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_stays_near_the_largest_tensor(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for path in files:
        size, largest = write_hollow(path, divide=5)
    small = tmp_path / "small.safetensors"
    write_hollow(small, divide=10)
    done = subprocess.run(
        [sys.executable, "-c", MERGE, *files, small, tmp_path], capture_output=True, text=True, check=True, timeout=120
    )
    peak = int(done.stdout)
    assert size > 60e6
    # Both in float16 and float32, two products, their sum and what is written
    assert peak < 7 * 4 * largest + 20e6 < size
