import math
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.families.starter import STARTER
from inkbloom.training.data.buckets import Buckets, Fit, ModelSizes, bucket_sizes
from inkbloom.training.data.settings import DataSettings

EIGHT = "a multiple of 8, by which the model shrinks pictures"
SD1 = ModelSizes(default=512, downscale=8, step=64)


def buckets(sizes: ModelSizes = SD1, **fields: Any) -> Buckets:
    return Buckets(DataSettings(**fields), sizes)


def test_kohyas_list_for_512() -> None:
    """Worked by hand: for each width the largest height with width * height <= 262,144."""
    tall = [(256, 832), (256, 896), (256, 960), (256, 1024), (320, 704), (320, 768), (384, 640), (448, 576)]
    expected = sorted([*tall, (512, 512), *((b, a) for a, b in tall)])
    assert bucket_sizes((512, 512), 256, 1024, 64) == expected
    assert buckets().sizes == expected  # and these are the defaults


def test_the_square_is_there_though_no_width_leads_to_it() -> None:
    """From 256 in steps of 64 for 500 x 500: the root's square is 448."""
    assert (448, 448) in bucket_sizes((500, 500), 256, 1024, 64)


def test_the_defaults_follow_the_model() -> None:
    sizes = ModelSizes.of(STARTER)
    assert (sizes.default, sizes.downscale, sizes.step) == (128, 8, 32)
    # 128 * 128 = 16,384: width 64 -> 256, 96 -> 170 -> 160, 128 -> 128, 160 -> 102 -> 96, 192 -> 85 -> 64 ...
    wide = [(160, 96), (192, 64), (224, 64), (256, 64)]
    assert buckets(sizes).sizes == sorted([*wide, (128, 128), *((b, a) for a, b in wide)])


@pytest.mark.parametrize(
    ("picture", "bucket", "resized"),
    [
        ((512, 512), (512, 512), (512, 512)),
        # 1.5 lies between 448 x 576 turned (1.2857) and 640 x 384 (1.6667): nearer to the latter. Wide side fits.
        ((3000, 2000), (640, 384), (640, 427)),
        # 1.7778 against 1.6667 and 768 x 320 (2.4), 704 x 320 (2.2): the bucket is narrower, so the height fits.
        ((1920, 1080), (640, 384), (683, 384)),
        # 0.75 against 448 / 576 = 0.7778: the bucket is wider, so the width fits: 448 * 4 / 3 = 597.33.
        ((300, 400), (448, 576), (448, 597)),
        # A bucket's own size stays as it is, though 256 x 832 and others are near.
        ((256, 896), (256, 896), (256, 896)),
    ],
)
def test_pictures_go_to_the_nearest_shape(
    picture: tuple[int, int], bucket: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert buckets().fit(*picture) == Fit(bucket, resized)


@pytest.mark.parametrize(
    ("picture", "bucket", "resized"),
    [
        # Small pictures stay, cut to multiples.
        ((300, 400), (256, 384), (300, 400)),
        # 1.5: 627.07 x 418.05. Width first: 576, 384 (1.5 exactly); height first: 384, 576 (1.5). A tie goes to height.
        ((3000, 2000), (576, 384), (576, 384)),
        # 1.7778: 682.67 x 384. Width first: 640, 360 -> 320 (2.0); height first: 384, 682.67 -> 640 (1.6667): nearer.
        ((1920, 1080), (640, 384), (683, 384)),
    ],
)
def test_kohyas_rule_without_enlarging(
    picture: tuple[int, int], bucket: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert buckets(no_upscale=True).fit(*picture) == Fit(bucket, resized)


def test_one_size_without_buckets() -> None:
    one = buckets(buckets=False, resolution=96, resolution_height=64)
    assert one.sizes == [(96, 64)]
    assert one.fit(100, 100) == Fit((96, 64), (96, 96))
    assert one.fit(100, 100).cropped == pytest.approx(1 / 3)


@hypothesis.given(width=st.integers(1, 4000), height=st.integers(1, 4000), no_upscale=st.booleans())
def test_every_picture_covers_its_bucket(width: int, height: int, no_upscale: bool) -> None:
    plan = buckets(no_upscale=no_upscale)
    try:
        fit = plan.fit(width, height)
    except RequestError:
        assert no_upscale
        assert min(width, height) < 64 or max(width / height, height / width) > 16
        return
    for resized, side in zip(fit.resized, fit.bucket, strict=True):
        assert resized >= side > 0
        assert side % 64 == 0
    assert 0.0 <= fit.cropped < 1.0
    if no_upscale:
        assert fit.resized[0] <= width
        assert fit.resized[1] <= height
        assert math.prod(fit.bucket) <= 512 * 512
    else:
        assert fit.bucket in plan.sizes
        nearest = min(abs(w / h - width / height) for w, h in plan.sizes)
        if (width, height) not in plan.sizes:
            assert abs(fit.bucket[0] / fit.bucket[1] - width / height) == nearest


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"resolution": 500},
            f"resolution is 500; it must be {EIGHT}, such as 496 or 504.",
        ),
        (
            {"resolution": 512, "resolution_height": 4},
            f"resolution_height is 4; it must be {EIGHT}, such as 8.",
        ),
        (
            {"bucket_step": 20},
            f"bucket_step is 20; it must be {EIGHT}, such as 16 or 24.",
        ),
        ({"min_bucket": 200}, "min_bucket is 200; it must be a multiple of 64, the bucket_step, such as 192 or 256."),
        (
            {"min_bucket": 576},
            "Buckets go from min_bucket 576 to max_bucket 1024; the resolution 512 x 512 must lie within.",
        ),
        (
            {"buckets": False, "no_upscale": True},
            "no_upscale makes buckets of the pictures' own sizes; it needs buckets = true.",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        buckets(**fields)
    assert str(caught.value) == message


def test_a_picture_of_which_nothing_would_be_left() -> None:
    expected = "40 x 900 pixels are too few for a bucket without enlarging: each side needs 64."
    with pytest.raises(RequestError) as caught:
        buckets(no_upscale=True).fit(40, 900)
    assert str(caught.value) == expected
