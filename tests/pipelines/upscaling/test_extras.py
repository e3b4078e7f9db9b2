import pytest
from PIL import Image, ImageChops

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.upscaling.extras import Extras, Target
from inkbloom.pipelines.upscaling.repainting import repaint_tiles
from inkbloom.pipelines.upscaling.upscalers import find_upscaler

LANCZOS, NEAREST = find_upscaler("Lanczos"), find_upscaler("Nearest")


def test_sizes() -> None:
    assert Target().enlarged(30, 20) == (120, 80)
    assert Target(scale=2.5).enlarged(30, 20) == (75, 50)
    assert Target(scale=4, max_side=60).enlarged(30, 20) == (60, 40)
    assert Target(width=64, height=64).enlarged(30, 20) == (96, 64)


def test_a_mixture_of_two_is_cropped_to_the_middle() -> None:
    picture = Image.effect_noise((30, 20), 60).convert("RGB")
    target = Target(width=64, height=64, crop=True)
    made = Extras(target=target, upscaler=LANCZOS, second=NEAREST, second_visibility=0.25)(picture)
    one = picture.resize((96, 64), Image.Resampling.LANCZOS)
    two = picture.resize((96, 64), Image.Resampling.NEAREST)
    expected = Image.blend(one, two, 0.25).crop((16, 0, 80, 64))
    assert ImageChops.difference(made, expected).getbbox() is None


def test_faces_are_mixed_in() -> None:
    picture = Image.new("RGB", (10, 10), (100, 100, 100))
    extras = Extras(
        target=Target(scale=1), upscaler=LANCZOS, faces=lambda face: face.point(lambda v: 200), face_visibility=0.5
    )
    assert extras(picture).getpixel((5, 5)) == (150, 150, 150)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 64}, "--width and --height belong together; give both, or --scale."),
        ({"width": 64, "height": 64, "scale": 2}, "--scale and --width with --height both say a size; give one"),
        ({"crop": True}, "--crop cuts to --width and --height; give them too."),
        ({"scale": 40}, "--scale 40 is out of range; allowed are 0.1 to 16."),
        ({"max_side": 40_000}, "--max-side 40000 is out of range; allowed are 1 to 30000."),
        ({"width": 64, "height": 64, "max_side": 9}, "--max-side limits --scale; leave it out"),
    ],
)
def test_bad_input(fields: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Target(**fields)
    assert str(caught.value).startswith(message)


def test_what_becomes_too_large_is_refused() -> None:
    with pytest.raises(RequestError, match="would become 40000 x 40000; at most 200,000,000 are made"):
        Target(scale=4).enlarged(10_000, 10_000)
    with pytest.raises(RequestError, match=r"--visibility2 1\.5 is out of range"):
        Extras(target=Target(), upscaler=LANCZOS, second_visibility=1.5)


def test_tiles_painted_again(tiny_file) -> None:
    model = StableDiffusion.load(tiny_file, device="cpu", dtype="float32")
    picture = Image.effect_noise((100, 64), 60).convert("RGB")
    told: list[tuple[int, int]] = []
    request = GenerationRequest(prompt="a cat", steps=2, strength=0.5, seed=3)
    made = repaint_tiles(model, picture, request, overlap=16, on_tile=lambda *done: told.append(done))
    assert made.size == (100, 64)
    assert told == [(1, 2), (2, 2)]
    kept = repaint_tiles(model, picture, request.model_copy(update={"strength": 0.0}), overlap=16)
    assert ImageChops.difference(kept, picture).getbbox() is None
