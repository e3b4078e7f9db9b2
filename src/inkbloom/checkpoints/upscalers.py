"""Our own upscaler as a file: safetensors, its spec in the metadata."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.models.upscaler import Upscaler, UpscalerSpec

SPEC_KEY = "inkbloom.upscaler"


def save_upscaler(path: str | Path, network: Upscaler, *, title: str) -> None:
    """Write the network in float16. `OutputError` where the file cannot be written."""
    facts = {
        SPEC_KEY: network.spec.to_json(),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "inkbloom-upscaler",
        "modelspec.title": title,
    }
    write_whole(
        Path(path), lambda place: write_safetensors(place, network.state_dict(), dtype=torch.float16, metadata=facts)
    )


def load_upscaler(path: str | Path) -> Upscaler | None:
    """The network of a file, float32 on the CPU; None where the file is another program's.

    Raises `CheckpointError` for a file that cannot be read, `KeyMismatchError` where its tensors are not those of its
    spec.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(SPEC_KEY)
            if text is None:
                return None
            network = Upscaler(UpscalerSpec.from_json(text))
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
        network.load_state_dict(state)
    except FileNotFoundError:
        raise CheckpointError(f"There is no upscaler at {path}.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or damaged: {' '.join(str(error).split())}.") from None
    except RuntimeError as error:
        raise KeyMismatchError(f"{path} does not hold its upscaler: {' '.join(str(error).split())}.") from None
    return network.eval().requires_grad_(False)
