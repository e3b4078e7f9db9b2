import contextlib
import io
import json
import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.metadata import read_metadata
from inkbloom.pipelines.metadata.containers import MAX_TEXT, user_comment

PICTURE = PILImage.effect_noise((64, 64), 50).convert("RGB")
TEXT = "猫 a cat 🐈\nNegative prompt: rain\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 7, Size: 64x64"


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    """A picture with further chunks before its pixels."""
    buffer = io.BytesIO()
    PICTURE.save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def saved(path: Path, **options) -> Path:
    PICTURE.save(path, **options)
    return path


def exif(tag: int, value: bytes | str, *, inner: bool = True) -> bytes:
    found = PILImage.Exif()
    target = found.get_ifd(ExifTags.IFD.Exif) if inner else found
    target[tag] = value
    return found.tobytes()


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + TEXT.encode("utf-16-be"),
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + TEXT.encode("utf-16"),
        b"UNICODE\0" + TEXT.encode(),
        b"ASCII\0\0\0" + TEXT.encode(),
        b"\0" * 8 + TEXT.encode(),
        TEXT.encode(),
    ],
    ids=["big", "little", "marked", "mistaken utf-8", "ascii", "unnamed", "none"],
)
@pytest.mark.parametrize("ending", [".jpg", ".webp", ".avif"])
def test_user_comments(tmp_path: Path, comment: bytes, ending: str) -> None:
    assert user_comment(comment) == TEXT
    path = saved(tmp_path / f"a{ending}", exif=exif(ExifTags.Base.UserComment, comment))
    found = read_metadata(path)
    assert (found.prompt, found.negative_prompt, found.request.seed) == ("猫 a cat 🐈", "rain", 7)


def test_png_chunks_of_each_kind(tmp_path: Path) -> None:
    raw = TEXT.encode()
    chunks = {
        "international": png_chunk(b"iTXt", b"parameters\0\0\0\0\0" + raw),
        "compressed international": png_chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(raw)),
        "utf-8 where Latin-1 should be": png_chunk(b"tEXt", b"parameters\0" + raw),
        "compressed": png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(raw)),
    }
    for name, chunk in chunks.items():
        path = tmp_path / "a.png"
        path.write_bytes(png(chunk))
        assert read_metadata(path).prompt == "猫 a cat 🐈", name


def test_latin_1_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(
        png(png_chunk(b"tEXt", b"parameters\0" + TEXT.replace("猫", "é").replace("🐈", "").encode("latin-1")))
    )
    assert read_metadata(path).prompt == "é a cat"


def test_chunks_behind_the_pixels(tmp_path: Path) -> None:
    data = png()
    path = tmp_path / "a.png"
    path.write_bytes(data[:-12] + png_chunk(b"iTXt", b"parameters\0\0\0\0\0" + TEXT.encode()) + data[-12:])
    assert read_metadata(path).prompt == "猫 a cat 🐈"


def test_comments_of_gif_and_jpeg(tmp_path: Path) -> None:
    for name in ("a.gif", "a.jpg"):
        assert read_metadata(saved(tmp_path / name, comment=TEXT.encode())).prompt == "猫 a cat 🐈"


def test_fooocus_writes_plain_exif(tmp_path: Path) -> None:
    text = '{"metadata_scheme": "fooocus", "prompt": "a cat", "seed": "5", "version": "Fooocus v2.5.5"}'
    path = saved(tmp_path / "a.jpg", exif=exif(ExifTags.Base.UserComment, text, inner=False))
    assert (read_metadata(path).program, read_metadata(path).request.seed) == ("Fooocus v2.5.5", 5)


def test_comfyui_writes_webp(tmp_path: Path) -> None:
    graph = 'prompt:{"1": {"class_type": "KSampler", "inputs": {"seed": 5}}}'
    assert (
        read_metadata(saved(tmp_path / "a.webp", exif=exif(ExifTags.Base.Model, graph, inner=False))).program
        == "ComfyUI"
    )


def test_a_text_beside(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    assert read_metadata(path).prompt == "猫 a cat 🐈"
    (tmp_path / "a.txt").write_text("a caption for training", encoding="utf-8")
    with pytest.raises(RequestError, match="does not tell how it was made"):
        read_metadata(path)


def test_metadata_that_were_cut_off(tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("parameters", "a cat\nNegative prompt: rain\nSteps: 4, Samp")
    found = read_metadata(saved(tmp_path / "a.png", pnginfo=notes))
    assert found.warnings == ["There is no line of parameters; the metadata may have been cut off."]
    assert (found.prompt, found.negative_prompt) == ("a cat", "rain\nSteps: 4, Samp")


def fails(path: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read_metadata(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_picture(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("hello")
    assert fails(tmp_path / "none.png") == f'There is no picture "{tmp_path}/none.png".'
    assert fails(tmp_path) == f'"{tmp_path}" is a folder, not a picture.'
    assert fails(text) == f'"{text}" is not a picture in a format that Pillow reads (PNG, JPEG, WebP, ...).'
    assert fails(saved(tmp_path / "plain.png")) == (
        f'"{tmp_path}/plain.png" does not tell how it was made: it holds no metadata of inkbloom, A1111 and its kin, '
        "ComfyUI, InvokeAI, NovelAI or Fooocus."
    )


def test_a_picture_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png()[:3000])
    assert re.search(r"cannot be read as a picture: .*truncated.*\.$", fails(path))


def test_a_compressed_text_that_swells(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(50_000_000)))))
    assert "cannot be read as a picture: Decompressed data too large" in fails(path)


def test_ten_megabytes_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(png_chunk(b"tEXt", b"parameters\0" + b"a" * 10_000_000)))
    assert fails(path) == f'"{path}": the text "parameters" has 10,000,000 characters; at most {MAX_TEXT:,} are read.'


@pytest.mark.parametrize("depth", [800, 900, 930, 960, 990, 100_000])
@pytest.mark.parametrize("key", ["parameters", "inkbloom", "invokeai_metadata"])
def test_deep_nesting(tmp_path: Path, key: str, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    fields = f'"seed": {deep}, "steps": {deep}, "metadata_scheme": "fooocus", "app_version": "3"'
    text = f'{{"program": "inkbloom 1", "request": {{"prompt": "a", "seed": {deep}}}, {fields}}}'
    read_or_refuse(saved(tmp_path / "a.png", pnginfo=notes_of(key, text)))


def notes_of(key: str, text: str) -> PngInfo:
    notes = PngInfo()
    notes.add_text(key, text)
    return notes


def test_too_many_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    )
    assert "has too many pixels" in fails(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read_or_refuse(path: Path) -> None:
    """Any other error fails the test."""
    with contextlib.suppress(RequestError):
        assert read_metadata(path).program


@settings(max_examples=150, deadline=None)
@given(data=st.data(), ending=st.sampled_from([".png", ".jpg", ".webp", ".gif"]))
def test_damaged_files_are_read_or_refused(folder: Path, data: st.DataObject, ending: str) -> None:
    path = folder / f"a{ending}"
    if ending == ".png":
        content = png(png_chunk(b"tEXt", b"parameters\0" + TEXT.encode()))
    elif ending == ".gif":
        content = saved(path, comment=TEXT.encode()).read_bytes()
    else:
        comment = exif(ExifTags.Base.UserComment, b"UNICODE\0" + TEXT.encode("utf-16-be"))
        content = saved(path, exif=comment).read_bytes()
    start = data.draw(st.integers(0, min(400, len(content))))
    hostile = content[:start] + data.draw(st.binary(max_size=8)) + content[start + data.draw(st.integers(0, 8)) :]
    path.write_bytes(hostile)
    read_or_refuse(path)


@settings(max_examples=200, deadline=None)
@given(
    key=st.sampled_from(["parameters", "inkbloom", "prompt", "invokeai_metadata", "sd-metadata", "Dream", "Comment"]),
    text=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["class_type", "inputs", "image", "prompt", "program", "request", "1", "stages", "seed"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ).map(json.dumps)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
)
def test_texts_of_any_kind_are_read_or_refused(folder: Path, key: str, text: str) -> None:
    notes = PngInfo()
    notes.add_itxt(key, text)
    notes.add_text("Software", "NovelAI")
    read_or_refuse(saved(folder / "b.png", pnginfo=notes))
