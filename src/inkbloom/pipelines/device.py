"""Where to compute, and in which numbers."""

from dataclasses import dataclass
from typing import Literal

import torch

from inkbloom.core.errors import RequestError, nearest

DtypeName = Literal["float32", "bfloat16", "float16"]

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

BF16_CAPABILITY = (8, 0)
"""From this CUDA compute capability on the hardware multiplies bfloat16 itself."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """A device with the numbers that each part of the model uses there."""

    device: torch.device
    dtype: torch.dtype
    """Of the text encoder and the U-Net."""
    autoencoder_dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def choose_compute(device: str | None = None, dtype: str | None = None) -> Compute:
    """The device and dtype asked for, or the fitting ones; None or "auto" leaves either to us.

    The device is CUDA, else Apple's MPS, else the CPU. On CUDA the U-Net runs in bfloat16 where the hardware has it,
    else in float16; on MPS in float16; on the CPU in float32, for the pictures of the references. The autoencoder runs
    in float32, but on CUDA in float16, which is finer than bfloat16, unless float32 was asked for.
    `RequestError` for a device that is unknown or absent, and for an unknown dtype.
    """
    where = _find_device(device)
    if dtype in (None, "auto"):
        number = _fitting_dtype(where)
    elif dtype in DTYPES:
        number = DTYPES[dtype]
    else:
        raise RequestError(f'Unknown dtype "{dtype}".{nearest(dtype, ["auto", *DTYPES])}')
    halves = where.type == "cuda" and number is not torch.float32
    return Compute(device=where, dtype=number, autoencoder_dtype=torch.float16 if halves else torch.float32)


def devices() -> list[str]:
    """What this machine has, the best first."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def _find_device(name: str | None) -> torch.device:
    present = devices()
    if name in (None, "auto"):
        return torch.device(present[0])
    wanted = "cuda:0" if name == "cuda" else "cpu" if name == "cpu:0" else name
    if wanted not in present:
        raise RequestError(f'Device "{name}" is not on this machine. Present: {", ".join(present)}.')
    return torch.device(wanted)


def _fitting_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= BF16_CAPABILITY
        return torch.bfloat16 if native else torch.float16
    return torch.float16 if device.type == "mps" else torch.float32
