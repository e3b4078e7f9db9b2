"""What adapter trainings leave behind: files for every other program. Each is written aside, then renamed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from inkbloom.checkpoints.adapters.hypernetworks import save_hypernetwork as write_hypernetwork
from inkbloom.checkpoints.adapters.writing import facts, save_adapter, spell
from inkbloom.training.adapters.embedding import EmbeddingTraining
from inkbloom.training.adapters.hypernetwork import HypernetworkTraining
from inkbloom.training.adapters.lora import LoraTraining


def save_lora(
    path: str | Path,
    trainee: LoraTraining,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write the LoRA as it is now, a .safetensors file in the spelling that its settings ask for.

    The average's weights are written where they are in the trainee. `dtype` None is float32. `metadata` goes before
    kohya's least, which is always there. `OutputError` where it cannot be written, `RequestError` for another ending.
    """
    changes = trainee.changes()
    tensors = spell(changes, trainee.base.spec, trainee.lora.lora_spelling)
    save_adapter(Path(path), tensors, metadata=facts(changes) | dict(metadata or {}), dtype=dtype)


def save_embeddings(
    folder: str | Path, trainee: EmbeddingTraining, metadata: Mapping[str, str] | None = None
) -> list[Path]:
    """Write each word's vectors as `folder`/WORD.safetensors, which is also the name that A1111's prompts know it by.

    The one tensor in it is called as the word: so diffusers takes its token from the file, and others the only tensor.
    float32. `OutputError` where it cannot be written. Returns the files.
    """
    paths = []
    for word, vectors in trainee.vectors().items():
        paths.append(Path(folder) / f"{word}.safetensors")
        save_adapter(paths[-1], {word: vectors}, metadata=dict(metadata or {}))
    return paths


def save_hypernetwork(
    path: str | Path, trainee: HypernetworkTraining, metadata: Mapping[str, str] | None = None, *, step: int = 0
) -> None:
    """Write the hypernetwork as it is now, a .pt file as A1111's; `step` is how long it was trained.

    `OutputError` where it cannot be written, `RequestError` for another ending.
    """
    write_hypernetwork(Path(path), trainee.trained, metadata=dict(metadata or {}), step=step)
