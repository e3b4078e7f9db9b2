import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from inkbloom import GenerationRequest, __version__
from inkbloom.core.errors import OutputError, RequestError
from inkbloom.families.sd1 import SD1
from inkbloom.pipelines.metadata import FORMATS, read_metadata, write_picture
from inkbloom.pipelines.metadata.containers import read_carried
from inkbloom.pipelines.metadata.own import request_hash
from inkbloom.pipelines.metadata.writing import format_of
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.pipelines.stages import StageHashes

PICTURE = PILImage.effect_noise((64, 64), 50).convert("RGB")
ENDINGS = (".png", ".jpg", ".webp", ".avif")
HASHES = StageHashes(
    **dict.fromkeys(("tokens", "conditioning", "noise", "sigmas", "latent", "pixels"), "0123456789abcdef"),
    steps={1: "0123456789abcdef"},
    batch_size=2,
    place=1,
    made_with={"torch": "2"},
)
HARD = 'a "cat",\nSteps: 1, Sampler: x, Seed: 2\nNegative prompt: no: \\ 猫 🐈‍⬛\n\n  \té'


def resolved(**fields) -> ResolvedRequest:
    request = GenerationRequest(**{"prompt": "a cat", "seed": 7} | fields).resolved(SD1)
    return request.model_copy(update={"model": "tiny", "model_hash": "0123456789"})


def written(folder: Path, ending: str, request: ResolvedRequest | None, **options) -> Path:
    path = folder / f"a{ending}"
    write_picture(PICTURE, path, format=FORMATS[ending], request=request, **options)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_everything_comes_back(tmp_path: Path, ending: str) -> None:
    request = resolved(prompt=HARD, negative_prompt=HARD, sampler="Euler a", guidance_interval=(0.5, 5.0))
    path = written(tmp_path, ending, request, stages=HASHES)
    found = read_metadata(path)
    assert found.program == f"inkbloom {__version__}"
    assert ResolvedRequest(**found.request.model_dump()) == request
    assert (found.stages, found.warnings) == (HASHES, [])
    text = read_carried(path).texts["parameters" if ending == ".png" else "UserComment"]
    assert text.startswith(HARD)
    assert text.endswith('Hashes: {"model": "0123456789"}')


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60) | st.lists(
    st.sampled_from(["Steps: 1, Sampler: a, Seed: 2", "Negative prompt: x", '"', ":", ",", "\\", "🐈", "猫", "\r", ""])
).map("\n".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=12, deadline=None)
@given(prompt=TEXTS, negative=TEXTS)
def test_any_prompt_comes_back(folder: Path, ending: str, prompt: str, negative: str) -> None:
    request = resolved(prompt=prompt, negative_prompt=negative)
    found = read_metadata(written(folder, ending, request))
    assert (found.prompt, found.negative_prompt) == (prompt, negative)


@pytest.mark.parametrize("ending", ENDINGS)
def test_privacy(tmp_path: Path, ending: str) -> None:
    hashes = {"network_hashes": {"lora:secret": "0123456789"}, "a1111_hashes": {"lora:secret": "012345678901"}}
    request = resolved(prompt="secret words", negative_prompt="hidden", steps=11, **hashes)

    def told(privacy) -> tuple[Path, str]:
        path = written(tmp_path, ending, request, stages=HASHES, privacy=privacy)
        texts = read_carried(path).texts
        words = " ".join(texts.values())
        assert "secret" not in words
        assert "hidden" not in words
        assert "abcdef" not in words
        return path, words

    path, words = told("without-prompt")
    assert "Steps: 11" in words
    found = read_metadata(path)
    assert (found.request, found.fields["steps"], found.prompt) == (None, "11", "")
    assert found.warnings == ["The picture was saved without its prompt, so it cannot be painted again."]

    path, words = told("hash-only")
    assert "Steps" not in words
    found = read_metadata(path)
    assert found.fields == {"request_sha256": request_hash(request)}
    assert found.warnings == ["The picture was saved with nothing but the hash of its request."]
    assert request_hash(resolved(prompt="other words", negative_prompt="hidden", steps=11, **hashes)) != request_hash(
        request
    )

    assert told("none")[1] == ""
    with pytest.raises(RequestError, match="does not tell how it was made"):
        read_metadata(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_a_request_nothing_is_told(tmp_path: Path, ending: str) -> None:
    assert read_carried(written(tmp_path, ending, None)).texts == {}


def test_places_of_files_are_private_too(tmp_path: Path) -> None:
    given = tmp_path / "home of somebody" / "given.png"
    given.parent.mkdir()
    PILImage.new("RGB", (64, 64)).save(given)
    control = {"model": "reference_only", "image": str(given)}
    request = resolved(prompt="a dog", init_image=str(given), mask_image=str(given), controls=[control])
    for privacy, told in (("full", True), ("without-prompt", False), ("hash-only", False)):
        path = written(tmp_path, ".png", request, privacy=privacy)
        assert ("somebody" in " ".join(read_carried(path).texts.values())) is told


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r'Unknown privacy "hash"\. Did you mean "hash-only"'):
        written(tmp_path, ".png", resolved(), privacy="hash")
    with pytest.raises(RequestError, match=r'"a\.bmp": pictures are written as \.png, .*, not as "\.bmp"\.'):
        format_of(Path("a.bmp"))
    with pytest.raises(OutputError, match=r"The metadata take [0-9,]+ bytes, and JPEG holds 65,5"):
        written(tmp_path, ".jpg", resolved(prompt="a" * 40_000))
    assert list(tmp_path.iterdir()) == []
    assert len(read_metadata(written(tmp_path, ".webp", resolved(prompt="a" * 40_000))).prompt) == 40_000


def test_jpeg_takes_what_just_fits(tmp_path: Path) -> None:
    sizes = []
    for length in range(20_700, 21_800, 100):
        try:
            written(tmp_path, ".jpg", resolved(prompt="a" * length))
            sizes.append(length)
        except OutputError:
            break
    assert 20_700 <= sizes[-1] < 21_700
    assert len(read_metadata(tmp_path / "a.jpg").prompt) == sizes[-1]


def test_a_damaged_record_gives_way_to_the_text(tmp_path: Path) -> None:
    path = written(tmp_path, ".png", resolved())
    data = path.read_bytes()
    with PILImage.open(path) as file:
        record = file.info["inkbloom"]
    assert json.loads(record)["request"]["prompt"] == "a cat"
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("inkbloom", record[:100])
    notes.add_text("parameters", "a dog\nSteps: 4, Sampler: Euler, Seed: 5, Size: 64x64")
    PICTURE.save(path, pnginfo=notes)
    found = read_metadata(path)
    assert found.prompt == "a dog"
    assert found.warnings[0] == (
        "The inkbloom record in the picture is damaged: it is no JSON object of inkbloom's. Its text in A1111's form "
        "is read instead."
    )
    assert data != path.read_bytes()


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ("{}", "it is no JSON object of inkbloom's."),
        ('{"program": "inkbloom 1", "request": {"prompt": "a", "width": 5}}', "width 5: must be a whole number"),
        ('{"program": "inkbloom 1", "request": {"prompt": "a", "self": 5}}', ""),
        (
            '{"program": "inkbloom 1", "request": {"prompt": "a", "stepps": 5}}',
            'Unknown field "stepps". Did you mean "steps"',
        ),
    ],
)
def test_damaged_records(tmp_path: Path, record: str, line: str) -> None:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("inkbloom", record)
    PICTURE.save(tmp_path / "a.png", pnginfo=notes)
    with pytest.raises(RequestError) as caught:
        read_metadata(tmp_path / "a.png")
    assert str(caught.value).startswith("The inkbloom record in the picture is damaged: ")
    assert line in str(caught.value)
