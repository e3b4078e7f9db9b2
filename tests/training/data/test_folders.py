import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inkbloom.core.errors import TrainingError
from inkbloom.training.data.examples import Collection
from inkbloom.training.data.folders import collect
from inkbloom.training.data.settings import DataSettings


def collected(*data: Path, **fields: Any) -> Collection:
    return collect(DataSettings(data=data, **fields))


def captions(collection: Collection) -> dict[str, str]:
    return {example.picture.path.name: example.caption for example in collection.examples}


def test_captions_beside_pictures(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "b.png", 30, 20, caption=" a dog \n")
    make_picture(tmp_path / "a.JPG")
    (tmp_path / "a.caption").write_text("\ufeff一只狗", encoding="utf-8")
    make_picture(tmp_path / "deep" / "c.webp")
    make_picture(tmp_path / ".hidden" / "d.png")
    found = collected(tmp_path, default_caption="something")
    assert captions(found) == {"a.JPG": "一只狗", "b.png": "a dog", "c.webp": "something"}
    assert [(e.width, e.height, e.group) for e in found.examples][1:] == [(30, 20, tmp_path.name), (64, 64, "deep")]
    assert found.problems == ()


def test_the_first_ending_counts(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "a.png", caption="text")
    (tmp_path / "a.caption").write_text("caption")
    assert captions(collected(tmp_path)) == {"a.png": "text"}
    assert captions(collected(tmp_path, caption_extensions=(".caption", ".txt"))) == {"a.png": "caption"}


def test_kohyas_folders(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "10_sks dog" / "a.png")
    make_picture(tmp_path / "10_sks dog" / "b.png", caption="running")
    make_picture(tmp_path / "2_cat" / "inner" / "c.png")
    make_picture(tmp_path / "rest" / "d.png")
    found = collected(tmp_path, repeats=3)
    assert captions(found) == {"a.png": "sks dog", "b.png": "running", "c.png": "cat", "d.png": ""}
    assert [example.repeats for example in found.examples] == [30, 30, 6, 3]
    with_trigger = captions(collected(tmp_path, folder_trigger=True))
    assert with_trigger == {"a.png": "sks dog", "b.png": "sks dog, running", "c.png": "cat", "d.png": ""}
    assert [example.repeats for example in collected(tmp_path / "10_sks dog").examples] == [10, 10]


def test_metadata_names_pictures_in_folders_below(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "train" / "a.png", caption="not this")
    make_picture(tmp_path / "b.png")
    lines = [{"file_name": "train/a.png", "text": "a dog"}, {"file_name": "b.png", "caption": "eine Katze"}]
    (tmp_path / "metadata.jsonl").write_text("\n\n".join(map(json.dumps, lines)), encoding="utf-8-sig")
    assert captions(collected(tmp_path)) == {"a.png": "a dog", "b.png": "eine Katze"}


def test_regularisation(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "own" / "a.png")
    make_picture(tmp_path / "class" / "b.png")
    found = collected(tmp_path / "own", regularisation_data=(tmp_path / "class",), regularisation_caption="a dog")
    assert [(e.regularisation, e.caption) for e in found.examples] == [(False, ""), (True, "a dog")]


def test_masks_and_hints_by_name(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "x" / "a.png", 40, 30)
    make_picture(tmp_path / "y" / "a.png", 40, 30)
    make_picture(tmp_path / "b.png", 40, 30)
    make_picture(tmp_path / "masks" / "x" / "a.jpg", 40, 30)
    make_picture(tmp_path / "masks" / "a.png", 40, 30)
    make_picture(tmp_path / "hints" / "b.png", 80, 60)
    found = collected(tmp_path, mask_folder=tmp_path / "masks", hint_folder=tmp_path / "hints")
    names = [(str(e.mask and e.mask.path.relative_to(tmp_path)), e.hint is not None) for e in found.examples]
    assert names == [("None", True), ("masks/x/a.jpg", False), ("masks/a.png", False)]


def test_upright_sizes(tmp_path: Path) -> None:
    for orientation in (1, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for ending in ("jpg", "png"):
            Image.new("RGB", (30, 20)).save(tmp_path / f"{orientation}.{ending}", exif=exif)
    sizes = [(example.width, example.height) for example in collected(tmp_path).examples]
    assert sizes == [(30, 20), (30, 20), (20, 30), (20, 30)]


def test_linked_folders_once(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "elsewhere" / "a.png")
    data = tmp_path / "data"
    data.mkdir()
    (data / "5_dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(data)
    (example,) = collected(data).examples
    assert (example.repeats, example.caption) == (5, "dog")


def make_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_tars(tmp_path: Path, make_picture) -> None:
    picture = make_picture(tmp_path / "p.png", 30, 20).read_bytes()
    members = {
        "d/1.png": picture,
        "d/1.txt": b"one",
        "d/2.PNG": picture,
        "d/2.json": json.dumps({"caption": "two"}).encode(),
        "d/2.mask.png": picture,
        "d/3.png": picture,
        "d/3.cls": b"7",
    }
    make_tar(tmp_path / "shards.tar", members)
    found = collected(tmp_path / "shards.tar", default_caption="three")
    assert [example.caption for example in found.examples] == ["one", "two", "three"]
    assert [example.picture.read() for example in found.examples] == [picture] * 3
    assert [example.mask is not None for example in found.examples] == [False, True, False]
    first = found.examples[0]
    assert (first.width, first.height, first.group) == (30, 20, "shards.tar")
    assert first.name == f"{tmp_path / 'shards.tar'}: d/1.png"
    (tmp_path / "p.png").unlink()
    assert len(collected(tmp_path).examples) == 3  # the folder that holds it


def test_problems_are_told_apart(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "good.png", 40, 30)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "alone.txt").write_text("a caption")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "gone.png", "text": "x"}')
    make_picture(tmp_path / "latin.png").with_suffix(".txt").write_bytes("für".encode("latin-1"))
    make_picture(tmp_path / "masked.png", 40, 30)
    make_picture(tmp_path / "m" / "masked.png", 20, 15)
    make_picture(tmp_path / "hinted.png", 40, 30)
    make_picture(tmp_path / "h" / "hinted.png", 40, 40)
    make_tar(tmp_path / "s.tar", {"7.txt": b"caption"})
    found = collected(tmp_path, mask_folder=tmp_path / "m", hint_folder=tmp_path / "h")
    assert [example.picture.path.name for example in found.examples] == ["good.png"]
    assert sorted((problem.kind, problem.text) for problem in found.problems) == sorted(
        [
            (
                "unreadable file",
                f'"{tmp_path}/bad.png" is not a picture in a format that Pillow reads (PNG, JPEG, WebP, ...).',
            ),
            ("unreadable file", f'The caption file "{tmp_path}/latin.txt" is not UTF-8 text.'),
            ("caption without a picture", f'The caption file "{tmp_path}/alone.txt" has no picture beside it.'),
            (
                "caption without a picture",
                f'metadata.jsonl has a caption for "{tmp_path}/gone.png", which is not there.',
            ),
            ("caption without a picture", f'"{tmp_path}/s.tar: 7" has a caption and no picture.'),
            (
                "mask of another size",
                f'The mask "{tmp_path}/m/masked.png" is 20 x 15 pixels, its picture 40 x 30; they must agree.',
            ),
            (
                "hint of another shape",
                f'The hint "{tmp_path}/h/hinted.png" is 40 x 40 pixels, its picture 40 x 30; their shapes must agree.',
            ),
        ]
    )


def test_what_cannot_be_trained_on(tmp_path: Path, make_picture) -> None:
    def refusal(*data: Path, **fields: Any) -> str:
        with pytest.raises(TrainingError) as caught:
            collected(*data, **fields)
        return str(caught.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.md").write_text("x")
    looked = "looked for png, jpg, jpeg, webp, bmp, tif, tiff, avif, gif and tars, in folders below it too."
    assert refusal() == "There is nothing to train on; say where the pictures are: data."
    assert refusal(empty) == f'"{empty}" holds no pictures; {looked}'
    assert refusal(tmp_path / "x") == f'There is no folder or tar "{tmp_path / "x"}" to train on.'
    assert refusal(empty / "notes.md") == f'"{empty / "notes.md"}" is neither a folder nor a tar.'
    assert refusal(empty, mask_folder=tmp_path / "m") == f'mask_folder is "{tmp_path / "m"}"; there is no such folder.'

    (empty / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "x"}\n{"text": "y"}')
    expected = f'Line 2 of {empty / "metadata.jsonl"} must be a JSON object with "file_name" and "text".'
    assert refusal(empty) == expected


@pytest.mark.parametrize("damage", ["cut", "compressed", "none"])
def test_tars_that_cannot_be_read(tmp_path: Path, make_picture, damage: str) -> None:
    picture = make_picture(tmp_path / "p.png").read_bytes()
    path = tmp_path / "a.tar"
    make_tar(path, {"1.png": picture, "2.png": picture})
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: 512 + len(picture) // 2])
    elif damage == "compressed":
        with tarfile.open(path, "w:gz") as tar:
            tar.add(tmp_path / "p.png", "1.png")
    else:
        path.write_bytes(b"no tar" * 200)
    with pytest.raises(TrainingError, match=rf'^"{path}" cannot be read as a tar \(it must not be compressed\): .+\.$'):
        collected(path)
