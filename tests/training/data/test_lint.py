from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inkbloom.core.errors import TrainingError
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.data.buckets import ModelSizes
from inkbloom.training.data.lint import Finding, Findings
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.data.survey import Survey, survey

SIZES = ModelSizes(default=64, downscale=8, step=16)


def surveyed(*data: Path, tokenizer: Tokenizer | None = None, **fields: Any) -> Survey:
    return survey(DataSettings(data=data, **fields), SIZES, seed=0, tokenizer=tokenizer)


def found(result: Survey) -> list[tuple[str, str, str]]:
    return [(finding.level, finding.kind, finding.text) for finding in result.findings.findings]


def test_nothing_to_say(tmp_path: Path, make_picture) -> None:
    for seed in range(4):
        make_picture(tmp_path / "2_dog" / f"{seed}.png", seed=seed, caption="a dog")
    result = surveyed(tmp_path, tokenizer=Tokenizer.clip())
    assert result.findings.lines() == [
        "pictures: 4, for regularisation: 0, held out: 0",
        "  2_dog: 4 x 2",
        "samples an epoch: 8, batch size: 4, steps: 2, buckets: 1",
        "  64 x 64: pictures: 4, steps: 2, cropped: 0%",
    ]
    result.findings.refuse()


def test_duplicates(tmp_path: Path, make_picture) -> None:
    first = make_picture(tmp_path / "a.png", seed=1, caption="x")
    (tmp_path / "b.png").write_bytes(first.read_bytes())
    Image.open(first).resize((80, 80)).save(tmp_path / "c.jpg")
    make_picture(tmp_path / "d.png", seed=2)
    for name in "bcd":
        (tmp_path / f"{name}.txt").write_text("x")
    a, b, c = (str(tmp_path / name) for name in ("a.png", "b.png", "c.jpg"))
    assert found(surveyed(tmp_path)) == [
        ("warning", "duplicates", f"The same file: {a}, {b}."),
        ("warning", "near-duplicates", f"These look nearly the same: {a}, {c}."),
    ]


def test_sizes(tmp_path: Path, make_picture) -> None:
    make_picture(tmp_path / "tiny.png", 20, 20, seed=1, caption="x")
    make_picture(tmp_path / "thin.png", 400, 64, seed=2, caption="x")
    tiny, waste = found(surveyed(tmp_path, batch_size=1))
    expected = f"1 picture has to be enlarged more than 2 times: {tmp_path / 'tiny.png'} (20 x 20)."
    assert tiny == ("warning", "tiny pictures", expected)
    # 128 x 32 is the thinnest bucket: of 400 x 64 it keeps 4 / 6.25.
    expected = f"1 picture has 20% or more cropped away: {tmp_path / 'thin.png'} (36%)."
    assert waste == ("warning", "bucket waste", expected)


def test_captions(tmp_path: Path, make_picture) -> None:
    long = " ".join(["dog"] * 76)
    make_picture(tmp_path / "a.png", seed=1, caption=long)
    make_picture(tmp_path / "b.png", seed=2, caption="{a|" + long + "}")
    make_picture(tmp_path / "c.png", seed=3, caption="")
    make_picture(tmp_path / "d.png", seed=4)
    a, b, c, d = (tmp_path / f"{name}.png" for name in "abcd")
    empty = ("warning", "empty captions", f"2 pictures have no caption, or an empty one: {c}, {d}.")
    assert found(surveyed(tmp_path)) == [empty]
    text = f"2 captions have more than the 75 tokens that are read: {a} (76), {b} (76)."
    with_tokens = surveyed(tmp_path, tokenizer=Tokenizer.clip(), caption_wildcards=True)
    assert found(with_tokens) == [empty, ("warning", "long captions", text)]
    # As it is read where nothing is chosen: braces and bar are tokens too, and so is what is put before.
    prefixed = surveyed(tmp_path, tokenizer=Tokenizer.clip(), caption_prefix="sks")
    text = f"2 captions have more than the 75 tokens that are read: {a} (77), {b} (81)."
    assert found(prefixed) == [("warning", "long captions", text)]


def test_masks_and_hints_that_are_missing(tmp_path: Path, make_picture) -> None:
    for seed in range(5):
        make_picture(tmp_path / "data" / f"{seed}.png", seed=seed, caption="x")
    make_picture(tmp_path / "parts" / "0.png")
    result = surveyed(tmp_path / "data", mask_folder=tmp_path / "parts", hint_folder=tmp_path / "parts", batch_size=1)
    names = ", ".join(str(tmp_path / "data" / f"{seed}.png") for seed in (1, 2, 3))
    assert found(result) == [
        ("error", "missing hints", f"4 pictures have no hint of the same name: {names} and 1 more."),
        ("warning", "missing masks", f"4 pictures have no mask of the same name and count whole: {names} and 1 more."),
    ]
    assert len(result.findings.findings[0].names) == 4
    with pytest.raises(TrainingError, match=r"^4 pictures have no hint"):
        result.findings.refuse()


def test_uneven_buckets(tmp_path: Path, make_picture) -> None:
    for seed in range(3):
        make_picture(tmp_path / f"{seed}.png", seed=seed, caption="x")
    make_picture(tmp_path / "wide.png", 96, 64, seed=9, caption="x")
    result = surveyed(tmp_path, batch_size=2)
    text = (
        "Buckets do not divide by the batch size of 2: to fill batches, an epoch shows 2 samples more than the 4 there "
        "are; a smaller batch or fewer buckets would help."
    )
    assert found(result) == [("warning", "uneven buckets", text)]
    assert result.findings.summary[-2:] == (
        "  64 x 64: pictures: 3, steps: 2, cropped: 0%",
        "  80 x 48: pictures: 1, steps: 1, cropped: 9%",
    )


def test_refusing_counts_the_rest() -> None:
    error = Finding("error", "x", "This is wrong.")
    Findings((), (Finding("warning", "x", "Odd."),)).refuse()
    with pytest.raises(TrainingError, match=r"^This is wrong\.$"):
        Findings((), (error,)).refuse()
    with pytest.raises(TrainingError, match=r"^This is wrong\. \(2 more: try a dry run with skip_broken\.\)$"):
        Findings((), (error, error, error)).refuse()
