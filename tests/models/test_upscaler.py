import pytest
import torch
from torch.nn import functional as F

from inkbloom.models.upscaler import Upscaler, UpscalerSpec


@pytest.mark.parametrize("scale", [2, 4])
def test_begins_as_bicubic(scale: int) -> None:
    image = torch.rand(2, 3, 9, 7)
    made = Upscaler(UpscalerSpec(channels=4, num_blocks=1))(image, scale)
    torch.testing.assert_close(made, F.interpolate(image, scale_factor=scale, mode="bicubic"))


def test_spec_on_disk() -> None:
    spec = UpscalerSpec(channels=8, num_blocks=2)
    assert UpscalerSpec.from_json(spec.to_json()) == spec
    for text in ("{}", "[]", '{"channels": 8, "num_blocks": 0}', "?"):
        with pytest.raises(ValueError, match=r"upscaler|above 0|Expecting"):
            UpscalerSpec.from_json(text)
