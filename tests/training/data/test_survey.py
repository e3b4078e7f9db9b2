import json
from pathlib import Path
from typing import Any

import pytest

from inkbloom.core.errors import TrainingError
from inkbloom.training.data.buckets import ModelSizes
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.data.survey import Survey, survey

SIZES = ModelSizes(default=64, downscale=8, step=16)


def surveyed(*data: Path, **fields: Any) -> Survey:
    return survey(DataSettings(data=data, **fields), SIZES, seed=0)


def names(result: Survey) -> list[str]:
    return [item.example.picture.path.name for item in result.items]


@pytest.fixture
def broken(tmp_path: Path, make_picture) -> Path:
    """Five pictures: one cut short in the middle, one that is far too thin, and a caption file alone."""
    for seed in range(5):
        make_picture(tmp_path / f"{seed}.png", 80, 80, seed=seed, caption="x")
    path = tmp_path / "2.png"
    path.write_bytes(path.read_bytes()[:-60])
    make_picture(tmp_path / "3.png", 8, 80, seed=3)
    (tmp_path / "alone.txt").write_text("x")
    return tmp_path


def test_broken_files_refuse_the_run(broken: Path) -> None:
    findings = surveyed(broken, no_upscale=True).findings
    expected = [
        f'The caption file "{broken}/alone.txt" has no picture beside it; ',
        f'"{broken}/2.png" cannot be read as a picture: ',
        f'"{broken}/3.png": 8 x 80 pixels are too few for a bucket without enlarging: each side needs 16; ',
    ]
    assert len(findings.errors) == 3
    for error, beginning in zip(findings.errors, expected, strict=True):
        assert error.text.startswith(beginning)
        assert error.text.endswith("; mend or remove it, or leave out such files with skip_broken.")
    with pytest.raises(TrainingError, match=r"alone.txt.+\(2 more: try a dry run with skip_broken\.\)$"):
        findings.refuse()


def test_broken_files_can_be_left_out(broken: Path) -> None:
    result = surveyed(broken, no_upscale=True, skip_broken=True)
    result.findings.refuse()
    assert names(result) == ["0.png", "1.png", "4.png"]
    left_out = [finding.text for finding in result.findings.findings if finding.text.startswith("Left out: ")]
    assert len(left_out) == 3
    assert left_out[0] == f'Left out: The caption file "{broken}/alone.txt" has no picture beside it.'


def test_nothing_left(tmp_path: Path, make_picture) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(TrainingError, match=r'^"[^"]+a.png" is not a picture in a format'):
        surveyed(tmp_path)
    with pytest.raises(TrainingError) as caught:
        surveyed(tmp_path, skip_broken=True)
    assert str(caught.value) == "No picture is left to train on; all were broken, held out or for regularisation."


def test_holding_out(tmp_path: Path, make_picture) -> None:
    for seed in range(10):
        make_picture(tmp_path / f"{seed}.png", seed=seed, caption="x")
    (tmp_path / "copy.png").write_bytes((tmp_path / "5.png").read_bytes())
    result = surveyed(tmp_path, held_out=0.3)
    held = {item.example.picture.path.name for item in result.held_out}
    assert held.isdisjoint(names(result))
    assert len({item.facts.sha256 for item in result.held_out}) == 3
    assert ("copy.png" in held) == ("5.png" in held)
    assert {item.example.picture.path.name for item in surveyed(tmp_path, held_out=0.3).held_out} == held
    make_picture(tmp_path / "new.png", seed=77)
    again = {item.example.picture.path.name for item in surveyed(tmp_path, held_out=0.3).held_out}
    assert len(held & again) >= 2
    assert len(surveyed(tmp_path, held_out=0.01).held_out) >= 1


def test_the_fingerprint_and_the_metadata(tmp_path: Path, make_picture) -> None:
    for seed in range(2):
        make_picture(tmp_path / "3_dog" / f"{seed}.png", seed=seed, caption=f"dog, {'left' if seed else 'right'}")
    result = surveyed(tmp_path, batch_size=2)
    assert surveyed(tmp_path, batch_size=2).fingerprint == result.fingerprint
    metadata = result.metadata()
    assert metadata["ss_num_train_images"] == "6"
    assert metadata["ss_num_batches_per_epoch"] == "3"
    assert metadata["ss_resolution"] == "(64, 64)"
    assert json.loads(metadata["ss_dataset_dirs"]) == {"3_dog": {"n_repeats": 3, "img_count": 2}}
    assert json.loads(metadata["ss_tag_frequency"]) == {"3_dog": {"dog": 2, "left": 1, "right": 1}}
    (tmp_path / "3_dog" / "0.txt").write_text("a cat")
    assert surveyed(tmp_path, batch_size=2).fingerprint != result.fingerprint
