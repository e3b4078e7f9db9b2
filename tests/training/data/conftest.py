from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePicture = Callable[..., Path]


@pytest.fixture
def make_picture() -> MakePicture:
    """Write a picture of coloured noise, blurred so that JPEG and resampling keep it; with a caption where given."""

    def make(path: Path, width: int = 64, height: int = 64, seed: int = 0, caption: str | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
        return path

    return make
