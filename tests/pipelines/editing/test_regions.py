"""A part of the prompt acts where its mask is white: against plain `AND`, against the parts alone, on the starter."""

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.regions import RegionMask
from inkbloom.pipelines.editing.sources import PictureSource

TWO = "a dog AND a red cat :0.7"
QUICK = {"steps": 2, "seed": 3, "guidance_scale": 4.0, "sampler": "Euler"}


def box(*edges: int, size: tuple[int, int] = (64, 64)) -> PictureSource:
    """White between left, top, right and bottom."""
    picture = PILImage.new("L", size)
    picture.paste(255, edges)
    return PictureSource.of(picture)


WHITE, LEFT, RIGHT = box(0, 0, 64, 64), box(0, 0, 32, 64), box(32, 0, 64, 64)


def regions(*masks: PictureSource) -> tuple[RegionMask, ...]:
    return tuple(RegionMask(part=i, image=mask) for i, mask in enumerate(masks, 1))


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Up to rounding: 1e-5 of the largest value."""
    torch.testing.assert_close(found, wanted, atol=1e-5 * wanted.abs().max().item(), rtol=0)


def test_white_masks_are_plain_and(model: StableDiffusion) -> None:
    plain = model.generate(TWO, **QUICK)
    masked = model.generate(TWO, **QUICK, regions=regions(WHITE, WHITE))
    close(masked.latents, plain.latents)
    assert masked.warnings == []


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_each_half_is_what_its_part_alone_would_be(model: StableDiffusion, scale: float) -> None:
    """For a step from the same noise; afterwards the halves see each other."""
    step = QUICK | {"steps": 1, "guidance_scale": scale}
    both = model.generate(TWO, **step, regions=regions(LEFT, RIGHT)).latents
    dog, cat = (model.generate(text, **step).latents for text in ("a dog", "a red cat :0.7"))
    close(both[..., :4], dog[..., :4])
    close(both[..., 4:], cat[..., 4:])
    assert not torch.allclose(dog[..., 4:], cat[..., 4:], atol=1e-2)


def test_a_part_without_a_mask_acts_everywhere(model: StableDiffusion) -> None:
    step = QUICK | {"steps": 1}
    found = model.generate(TWO, **step, regions=[RegionMask(part=2, image=LEFT)]).latents
    both, dog = (model.generate(text, **step).latents for text in (TWO, "a dog"))
    close(found[..., :4], both[..., :4])
    close(found[..., 4:], dog[..., 4:])


def test_one_prompt_in_a_region_leaves_the_rest_unconditional(model: StableDiffusion) -> None:
    step = QUICK | {"steps": 1}
    found = model.generate("a dog", **step, regions=regions(LEFT))
    nothing = model.generate("", **step | {"guidance_scale": 1.0}).latents
    close(found.latents[..., 4:], nothing[..., 4:])
    assert found.warnings == ["The regions leave 50% of the picture to no part of the prompt."]


def test_greys_blur_and_invert(model: StableDiffusion) -> None:
    inverted = [RegionMask(part=1, image=RIGHT, invert=True), RegionMask(part=2, image=LEFT, invert=True)]
    plain = model.generate(TWO, **QUICK, regions=regions(LEFT, RIGHT)).latents
    assert torch.equal(model.generate(TWO, **QUICK, regions=inverted).latents, plain)
    values = np.asarray(RegionMask(part=1, image=LEFT, blur=6.0).values())
    assert values[5, 0] == 255
    assert values[5, 63] == 0
    assert abs(int(values[5, 31]) + int(values[5, 32]) - 255) <= 1
    # A fifth of white is a fifth of the weight
    grey = PictureSource.of(PILImage.new("L", (64, 64), 51))
    weak = model.generate("a dog", **QUICK, regions=regions(grey)).latents
    weighted = model.generate("a dog:0.2", **QUICK).latents
    close(weak, weighted)


def test_masks_go_the_way_of_the_picture(model: StableDiffusion) -> None:
    """Drawn out at its edges, and cut where only an area of it is painted."""
    picture = PictureSource.of(PILImage.effect_noise((80, 66), 90).convert("RGB"))
    padded = model.generate(TWO, **QUICK, init_image=picture, regions=regions(*[box(0, 0, 80, 66, size=(80, 66))] * 2))
    plain = model.generate(TWO, **QUICK, init_image=picture)
    close(padded.latents, plain.latents)

    # Latents that are resized are as the painted size says
    latent = {"init_image": picture, "width": 64, "height": 64, "resize_mode": "latent"}
    left = model.generate(TWO, **QUICK, **latent, regions=regions(WHITE, WHITE))
    close(left.latents, model.generate(TWO, **QUICK, **latent).latents)

    wide = PictureSource.of(PILImage.effect_noise((128, 64), 90).convert("RGB"))
    hole = {"mask_image": box(8, 8, 56, 56, size=(128, 64)), "mask_blur": 0.0, "inpaint_padding": 8}
    area = {"init_image": wide, "inpaint_area": "masked", **hole}
    halves = regions(box(0, 0, 64, 64, size=(128, 64)), box(64, 0, 128, 64, size=(128, 64)))
    left = model.generate(TWO, **QUICK, **area, regions=halves)
    alone = model.generate("a dog", **QUICK, **area)
    close(left.latents, alone.latents)


def test_with_a_second_pass_and_tiles(model: StableDiffusion) -> None:
    larger = {"hires": {"scale": 1.5, "strength": 0.5}}
    white = model.generate(TWO, **QUICK, **larger, regions=regions(WHITE, WHITE))
    close(white.latents, model.generate(TWO, **QUICK, **larger).latents)
    # Of another shape than the first pass: cut as the picture is
    model.generate(TWO, **QUICK, hires={"width": 96, "height": 64}, regions=regions(LEFT, RIGHT))
    wide = {"width": 96, "tiled_diffusion": {"size": 64}}
    mask = box(0, 0, 96, 64, size=(96, 64))
    tiled = model.generate(TWO, **QUICK, **wide, regions=regions(mask, mask)).latents
    close(tiled, model.generate(TWO, **QUICK, **wide).latents)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"regions": regions(box(0, 0, 32, 64, size=(64, 128)))},
            "The mask of region 1 has 64 x 128 pixels, the picture 64 x 64; their proportions must agree.",
        ),
        (
            {"regions": regions(box(0, 0, 0, 0))},
            "The mask of region 1 is empty: no pixel is white, so it acts nowhere.",
        ),
        (
            {"regions": [RegionMask(part=3, image=LEFT)]},
            "Region 3 has no part of the prompt: AND joins 2 of them here.",
        ),
        (
            {"regions": regions(LEFT), "dialect": "comfy"},
            'regions: prompts of the dialect "comfy" have no parts; AND is one of a1111',
        ),
        (
            {"regions": regions(LEFT) + regions(RIGHT)},
            "regions: part 1 has several masks; give each part one",
        ),
        ({"regions": [{"part": 1, "image": "nowhere.png"}]}, 'There is no picture "nowhere.png".'),
        ({"regions": [{"part": 0, "image": "a.png"}]}, "part 0 must be greater than or equal to 1."),
        ({"regions": [{"part": 1, "image": "a.png", "blurr": 1}]}, 'has no field "blurr". Did you mean "blur"?'),
        ({"regions": [{"part": 1}]}, "image is missing."),
        ({"regions": 3}, "regions 3: must be a list of regions, each with part and image."),
    ],
)
def test_bad_regions(model: StableDiffusion, fields: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        model.generate(TWO, **QUICK, **fields)
    assert str(caught.value).removeprefix("regions: ").endswith(message.removeprefix("regions: "))


def test_two_things_land_in_their_halves() -> None:
    """On the starter, by the difference to what either part paints alone."""
    parts = "a panda on the left, in the snow", "a robot on the right, in the snow"
    model = StableDiffusion.load(device="cpu")

    def halves(prompt: str, **more) -> list[np.ndarray]:
        image = model.generate(prompt, seed=7, steps=12, **more).images[0]
        return np.split(np.asarray(image, float), 2, axis=1)

    size = (128, 128)
    masks = regions(box(0, 0, 64, 128, size=size), box(64, 0, 128, 128, size=size))
    painted, panda, robot = halves(" AND ".join(parts), regions=masks), *(halves(part) for part in parts)
    for half, (own, other) in enumerate([(panda, robot), (robot, panda)]):
        near, far = (np.abs(painted[half] - one[half]).mean() for one in (own, other))
        assert near < 0.5 * far
