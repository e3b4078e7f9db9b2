import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.pipelines.control.hints import control_picture, hint_of
from inkbloom.pipelines.control.unit import ControlUnit
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.metadata.a1111 import infotext
from inkbloom.pipelines.metadata.own import read_record, to_record
from inkbloom.pipelines.preprocessing import PREPROCESSORS


@pytest.fixture(scope="module")
def model(tiny_file: Path, library: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu", library=library)


def test_the_request_says_what_steered_and_paints_it_again(model: StableDiffusion, hint_picture: Path) -> None:
    unit = ControlUnit(model="one", image=hint_picture, preprocessor="canny", threshold_a=50, mode="prompt", end=0.5)
    result = model.generate("a dog", steps=2, seed=3, num_images=2, controls=[unit])
    (kept,) = result.request.controls
    assert re.fullmatch("[0-9a-f]{10}", kept.model_hash or "")
    assert re.fullmatch("[0-9a-f]{16}", kept.image.sha256 or "")
    read = read_record(to_record(result.requests[1], result.stages[1])).request
    assert read is not None
    assert read.model_dump() == result.requests[1].model_dump()
    assert (
        f'ControlNet 0: "Module: canny, Model: one [{kept.model_hash}], Weight: 1.0, Resize Mode: Crop and Resize, '
        "Threshold A: 50.0, Guidance Start: 0.0, Guidance End: 0.5, Pixel Perfect: True, "
        'Control Mode: My prompt is more important"'
    ) in infotext(result.requests[1])
    again = model.generate(read)
    assert again.images[0].tobytes() == result.images[1].tobytes()
    plain = model.generate(read.model_copy(update={"controls": ()}))
    assert plain.images[0].tobytes() != result.images[1].tobytes()


def test_modes_differ_and_weight_zero_is_nothing(model: StableDiffusion, hint_picture: Path) -> None:
    def latents(**fields: object) -> torch.Tensor:
        unit = ControlUnit(model="one", image=hint_picture, **fields)  # type: ignore[arg-type]
        return model.generate("a dog", steps=2, seed=3, controls=[unit]).latents

    modes = [latents(mode=mode) for mode in ("balanced", "prompt", "control")]
    assert all((a - b).abs().max() > 1e-2 for a, b in zip(modes, modes[1:] + modes[:1], strict=True))
    torch.testing.assert_close(latents(weight=0.0), model.generate("a dog", steps=2, seed=3).latents)


def test_pictures_in_memory(model: StableDiffusion, hint_picture: Path) -> None:
    source = PictureSource.of(PILImage.open(hint_picture))
    by_path, in_memory = (
        model.generate("a dog", steps=1, seed=3, controls=[ControlUnit(model="one", image=image)]).images[0]
        for image in (PictureSource(path=str(hint_picture)), source)
    )
    assert by_path.tobytes() == in_memory.tobytes()


def test_the_control_picture_at_the_painted_size(hint_picture: Path) -> None:
    picture = PILImage.open(hint_picture)
    unit = ControlUnit(model="", image=hint_picture, preprocessor="canny")
    assert control_picture(unit, 64, 64).tobytes() == PREPROCESSORS["canny"](picture).tobytes()
    # Pixel perfect: edges are found at the painted size, so that they are one pixel wide there
    perfect = control_picture(unit, 128, 128)
    assert (
        perfect.tobytes() == PREPROCESSORS["canny"](picture.resize((128, 128), PILImage.Resampling.LANCZOS)).tobytes()
    )
    small = control_picture(unit.model_copy(update={"resolution": 64}), 128, 128)
    assert small.size == (128, 128)
    assert set(np.unique(np.asarray(small))) == {0, 255}
    large = np.asarray(control_picture(unit.model_copy(update={"resolution": 512}), 64, 64))
    assert 0.3 < (large > 0).mean() / (np.asarray(control_picture(unit, 64, 64)) > 0).mean() < 3
    wide = control_picture(ControlUnit(model="", image=hint_picture, resize_mode="fill"), 128, 64)
    assert np.array_equal(np.asarray(wide)[:, 0], np.asarray(wide)[:, 20])


def test_inpaint_hints(hint_picture: Path, model: StableDiffusion, tmp_path: Path) -> None:
    mask = PILImage.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")
    unit = ControlUnit(model="one", image=hint_picture, preprocessor="inpaint_only", mask=tmp_path / "mask.png")
    request = model.resolve(GenerationRequest(prompt=""))
    hint = hint_of(unit, request, None)
    assert (hint[..., :32] == -1).all()
    assert hint[..., 32:].min() >= 0
    with pytest.raises(RequestError, match="the preprocessor inpaint needs a mask"):
        hint_of(unit.model_copy(update={"mask": None}), request, None)


def test_unknown_names(model: StableDiffusion, tiny_file: Path, hint_picture: Path) -> None:
    def refused(expected: str, name: str, by: StableDiffusion = model) -> None:
        with pytest.raises((RequestError, CheckpointError), match=expected):
            by.resolve(GenerationRequest(prompt="", controls=[ControlUnit(model=name, image=hint_picture)]))

    refused('ControlNet: There is no model "on" among the controlnet .* Did you mean "one"', "on")
    refused("is a file of other tensors, not a ControlNet", str(tiny_file))
    alone = StableDiffusion.load(tiny_file, device="cpu")
    refused('There is no ControlNet "one": no such file, and no folder of models', "one", alone)


def test_another_file_or_picture_than_was_meant(model: StableDiffusion, hint_picture: Path, tmp_path: Path) -> None:
    unit = ControlUnit(model="one", image=hint_picture, model_hash="0123456789")
    with pytest.raises(RequestError, match=r'Control "one" has the hash [0-9a-f]{10}, not 0123456789'):
        model.resolve(GenerationRequest(prompt="", controls=[unit]))
    with pytest.raises(RequestError, match='There is no picture "'):
        model.resolve(GenerationRequest(prompt="", controls=[{"model": "one", "image": str(tmp_path / "no.png")}]))


def test_the_networks_used_last_stay(tiny_file: Path, library: Path, hint_picture: Path) -> None:
    model = StableDiffusion.load(tiny_file, device="cpu", library=Library(library))
    names = ["one", "two", *(str(library / name) for name in ("one", "two", "pooled"))]
    for name in (*names, "two"):
        model.resolve(GenerationRequest(prompt="", controls=[ControlUnit(model=name, image=hint_picture)]))
    assert [path.name for path in model.controls._loaded] == ["one", "two", "pooled", "two.safetensors"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"weight": 3}, "weight 3: must be less than or equal to 2."),
        ({"start": 0.5, "end": 0.5}, "start 0.5: must be below end, which is 0.5"),
        ({"mode": "strong"}, "mode 'strong': must be 'balanced', 'prompt' or 'control'."),
        ({"wieght": 1}, 'unknown field "wieght". Did you mean "weight"'),
        ({"preprocessor": "cany"}, 'Unknown preprocessor "cany". Did you mean "canny"'),
        ({"preprocessor": "canny", "threshold_b": -5}, "the high threshold is -5; it must be from 0 to 2040"),
        ({"model": None}, "model None: must be a valid string."),
    ],
)
def test_bad_fields(fields: dict, expected: str, hint_picture: Path) -> None:
    given = {"model": "one", "image": str(hint_picture), **fields}
    with pytest.raises(RequestError, match=re.escape(expected)):
        ControlUnit(**given)
    with pytest.raises(RequestError, match=re.escape(expected)):
        GenerationRequest(prompt="", controls=[given])


def test_what_is_no_unit() -> None:
    with pytest.raises(RequestError, match="controls image is missing"):
        GenerationRequest(prompt="", controls=[{"model": "one"}])
    with pytest.raises(RequestError, match="must be a list of controls, each with model and image"):
        GenerationRequest(prompt="", controls="one")
