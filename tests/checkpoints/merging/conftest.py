"""Three small models of one family, as files that any program could have written."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]
Write = Callable[..., Path]

POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
ALONE = "model.diffusion_model.out.2.bias"
"""What C lacks."""


@pytest.fixture(scope="session")
def write(ldm_file: Path) -> Write:
    """Write the tiny model with noise of this seed added, after `change` has seen it."""
    with safe_open(ldm_file, "pt") as file:
        facts = file.metadata()

    def write_model(
        path: Path,
        seed: int,
        change: Callable[[State], object] = lambda state: None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        generator = torch.Generator().manual_seed(seed)
        state = load_file(ldm_file)
        if seed:
            state = {name: t + 0.02 * torch.randn(t.shape, generator=generator) for name, t in state.items()}
        state[POSITIONS] = torch.arange(77)[None] + seed
        state["betas"] = torch.full((3,), float(seed))
        change(state)
        save_file(state, path, facts | (metadata or {}))
        return path

    return write_model


@pytest.fixture(scope="session")
def abc(write: Write, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A, B (which has a tensor more) and their origin C (which has one less). Do not change them."""
    folder = tmp_path_factory.mktemp("abc")
    return (
        write(folder / "a.safetensors", 1),
        write(folder / "b.safetensors", 2, lambda state: state.update({"model.more": torch.ones(2)})),
        write(folder / "c.safetensors", 0, lambda state: state.pop(ALONE)),
    )
