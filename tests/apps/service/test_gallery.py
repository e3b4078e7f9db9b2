import time

import pytest
from PIL import Image

from inkbloom.apps.service import DataFolder, Service
from inkbloom.apps.service.refusals import UnknownError
from inkbloom.core.errors import RequestError
from tests.apps.service.conftest import png


def _found(service: Service, query: str, **filters) -> list[int]:
    return [one.id for one in service.gallery.search(query, filters=filters, order="oldest")[0]]


@pytest.fixture
def three(painted) -> tuple[int, int, int]:
    return (
        painted("a cat on the beach", seed=42, steps=20, guidance_scale=3.5),
        painted("星空下的大城堡 100% <lora:film:0.8>", seed=2**63 + 5, steps=30, sampler="Euler a", width=128),
        painted("a big dog", seed=43, steps=8, negative_prompt="blurry cat", model="portrait"),
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2]),
        ("cat", [0, 2]),
        ("CAT beach", [0]),
        ('"on the beach"', [0]),
        ('"the on"', []),
        ("星空下", [1]),
        ("城堡", [1]),  # shorter than three letters
        ("堡", [1]),
        ("100%", [1]),
        ("0%", [1]),
        ("%", [1]),
        ("_", []),
        ("seed:42", [0]),
        (f"seed:{2**63 + 5}", [1]),
        ("seed:>42", [1, 2]),
        ("steps:>8 steps:<=20", [0]),
        ("size:128x64", [1]),
        ("width:>64", [1]),
        ("model:portrait", [2]),
        ("model:star sampler:ddim", [0]),
        ('sampler:"Euler a"', [1]),
        ("lora:film", [1]),
        ("guidance:>=3.5", [0]),
        ("cfg:3.5", [0]),
        ("negative:blurry", [2]),
        ("clip_skip:1", [0, 1, 2]),
        ("watermark:yes", []),
        ("watermark:no", [0, 1, 2]),
        ("favourite:no", [0, 1, 2]),
        ("from:2020-01-01", [0, 1, 2]),
        ("to:2020-01-01", []),
        ('a" OR "b', []),
        ("NEAR( * ^", []),
    ],
)
def test_pictures_are_found(service: Service, three, query: str, expected: list[int]) -> None:
    assert _found(service, query) == [three[i] for i in expected]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("smapler:x", 'q: unknown field "smapler".*Did you mean "sampler"'),
        ("steps:>many", 'steps "many": must be a number'),
        ("width:wide", 'width "wide": must be a number'),
        ("size:big", 'size "big": must be like 512x768'),
        ("favourite:maybe", 'favourite "maybe": must be yes or no'),
        ("from:yesterday", 'from "yesterday": must be a day'),
        ("a " * 60, "60 words; at most 50"),
    ],
)
def test_what_cannot_be_looked_for_is_said(service: Service, query: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        service.gallery.search(query)


def test_filters_and_pages_in_both_orders(service: Service, three) -> None:
    a, b, c = three
    service.gallery.favourite(b, True)
    assert _found(service, "", favourite=True) == [b]
    assert _found(service, "favourite:no") == [a, c]
    assert _found(service, "", model="starter", sampler=None) == [a, b]
    page, total = service.gallery.search("", limit=2)
    assert ([one.id for one in page], total) == ([c, b], 3)
    page, total = service.gallery.search("", limit=2, before=b)
    assert ([one.id for one in page], total) == ([a], 3)
    assert [one.id for one in service.gallery.search("", order="oldest", before=a)[0]] == [b, c]


def test_a_picture_is_there_once_however_often_it_is_told(service: Service, painted) -> None:
    id = painted(job="j")
    assert painted(job="j") == id
    assert service.gallery.search()[1] == 1


def test_files_thumbnails_and_deleting(service: Service, folder: DataFolder, three) -> None:
    path = service.gallery.file(three[0])
    assert path.is_file()
    assert service.gallery.picture(three[0]).seed == 42
    small = service.gallery.thumbnail(three[0])
    with Image.open(small) as file:
        assert file.format == "WEBP"
    service.gallery.delete(three[0])
    assert not path.exists()
    assert not small.exists()
    assert _found(service, "beach") == []
    for ask in (service.gallery.picture, service.gallery.file, service.gallery.thumbnail, service.gallery.delete):
        with pytest.raises(UnknownError, match=f"There is no picture {three[0]}"):
            ask(three[0])
    with pytest.raises(UnknownError):
        service.gallery.picture(2**70)
    service.gallery.file(three[1]).unlink()
    with pytest.raises(UnknownError, match="There is no file"):
        service.gallery.file(three[1])


def test_changes_are_told(service: Service, three) -> None:
    last = service.events.last
    service.gallery.favourite(three[0], True)
    service.gallery.delete(three[0])
    told = service.events.since(last)
    assert [event.type for event in told] == ["picture", "picture"]
    assert told[0].data["favourite"]
    assert told[1].data == {"id": three[0], "deleted": True}


def test_days_are_whole(service: Service, three) -> None:
    today = time.strftime("%Y-%m-%d")
    assert len(_found(service, f"from:{today} to:{today}")) == 3


def test_paths_are_not_told(service: Service, painted) -> None:
    upload = service.uploads.add(png())
    own, foreign = service.uploads.open(upload.id), "/home/somebody/photo.png"
    one = service.gallery.picture(painted(init_image=str(own), strength=0.5))
    assert one.request is not None
    assert one.request["init_image"] == upload.name
    other = service.gallery.picture(painted(init_image=foreign))
    assert other.request is not None
    assert other.request["init_image"]["path"] is None


def test_the_starter_has_the_name_that_the_library_gives_it(service: Service, painted) -> None:
    number = painted("a cat", model="starter_model")  # as the pipeline calls it
    request = service.gallery.picture(number).request
    assert request is not None
    assert request["model"] == "starter"
    assert _found(service, "model:starter") == [number]
    assert service.reproduce(number).spec["request"]["model"] is None
