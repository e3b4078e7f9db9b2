from pathlib import Path

import pytest
import torch

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.control.unit import REFERENCE, ControlUnit


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def test_a_reference_steers_by_its_weight(model: StableDiffusion, hint_picture: Path) -> None:
    def latents(*units: ControlUnit, **fields: int) -> torch.Tensor:
        return model.generate("a dog", steps=2, seed=3, controls=units, **fields).latents

    def unit(**fields: float) -> ControlUnit:
        return ControlUnit(model=REFERENCE, image=hint_picture, **fields)  # type: ignore[arg-type]

    plain, whole = latents(), latents(unit())
    assert (whole - plain).abs().max() > 1e-3
    torch.testing.assert_close(latents(unit(weight=0.0)), plain)
    assert (latents(unit(weight=0.3)) - whole).abs().max() > 1e-3
    assert (latents(unit(style_fidelity=1.0)) - whole).abs().max() > 1e-3
    # A picture does not depend on those painted with it
    both = latents(unit(), num_images=2, batch_size=2)
    torch.testing.assert_close(both[:1], whole, atol=1e-4, rtol=1e-4)


def test_one_reference_is_enough(model: StableDiffusion, hint_picture: Path) -> None:
    units = [ControlUnit(model=REFERENCE, image=hint_picture)] * 2
    with pytest.raises(RequestError, match='Only one control can be "reference_only"'):
        model.resolve(GenerationRequest(prompt="", controls=units))
