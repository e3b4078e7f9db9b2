import numpy as np
import pytest
import torch
from PIL import Image

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.catalogue import EDITIONS, OBJECT_NAMES, PLACE_NAMES, UNSEEN
from inkbloom.training.starter.teaching import unseen_renders, unseen_scenes, write_lesson


@pytest.mark.parametrize("index", UNSEEN)
def test_eight_pictures_of_what_no_starter_sees(index):
    name = OBJECT_NAMES[index]
    lesson = unseen_renders(name, 8, seed=1)
    assert len(lesson) == 8
    for picture, caption in lesson:
        assert picture.shape == (3, 128, 128)
        assert picture.dtype == torch.uint8
        assert caption.startswith(f"a {name} ")
    assert len({caption for _, caption in lesson}) == 8
    assert all(index not in edition.objects for edition in EDITIONS.values())


def test_all_places_come_before_one_comes_again():
    scenes = unseen_scenes("teapot", 2 * len(PLACE_NAMES), seed=3)
    assert {scene.place for scene in scenes[: len(PLACE_NAMES)]} == set(PLACE_NAMES)
    assert scenes == unseen_scenes("teapot", 2 * len(PLACE_NAMES), seed=3)


def test_a_lesson_on_disk(tmp_path):
    write_lesson(tmp_path / "lesson", "teapot", 3, word="sks")
    picture, caption = unseen_renders("teapot", 3)[2]
    with Image.open(tmp_path / "lesson" / "02.png") as image:
        assert np.array_equal(np.asarray(image), picture.permute(1, 2, 0).numpy())
    assert (tmp_path / "lesson" / "02.txt").read_text() == caption.replace("teapot", "sks") + "\n"
    assert len(list((tmp_path / "lesson").iterdir())) == 6


def test_known_objects_are_no_lesson():
    with pytest.raises(RequestError, match=r'^"dog" is no object kept back for teaching\. Did you mean "hedgehog"\?$'):
        unseen_renders("dog")
