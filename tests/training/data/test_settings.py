import dataclasses
from pathlib import Path
from typing import Any

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.training.data.settings import DataSettings


def test_the_defaults_are_allowed() -> None:
    assert dataclasses.replace(DataSettings(), data=(Path("x"),)).data == (Path("x"),)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"caption_dropout": 1.5}, "caption_dropout is 1.5; it must be from 0 to 1."),
        ({"tag_dropout": float("nan")}, "tag_dropout is nan; it must be from 0 to 1."),
        ({"prior_weight": -1.0}, "prior_weight is -1.0; it must be at least 0."),
        ({"held_out": 1.0}, "held_out is 1.0; it must be from 0 to below 1."),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1."),
        ({"bucket_step": 0}, "bucket_step is 0; it must be at least 1."),
        ({"keep_tags": -1}, "keep_tags is -1; it must be at least 0."),
        ({"caption_extensions": ("txt",)}, 'caption_extensions has "txt"; an ending begins with a dot, as ".txt".'),
        ({"caption_replacements": ("dog",)}, 'caption_replacements has "dog"; each is written as "old=new".'),
        ({"tag_separator": ""}, 'tag_separator is empty; it must be at least one character, such as ",".'),
        (
            {"resolution_height": 64},
            "resolution_height is given without resolution; both are needed, width and height.",
        ),
        (
            {"mask_folder": Path("m"), "alpha_mask": True},
            "mask_folder and alpha_mask are both given; masks come from one of them.",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        DataSettings(**fields)
    assert str(caught.value) == message
