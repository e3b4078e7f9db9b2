import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from inkbloom.pipelines.stages import STEPS_KEPT, StageHashes, StageRecorder

CPU = torch.device("cpu")


def recorded(num_steps: int, batch_size: int = 2, dtype: torch.dtype = torch.float32) -> list[StageHashes]:
    recorder = StageRecorder(batch_size, CPU)
    values = torch.arange(batch_size * 3, dtype=dtype).reshape(batch_size, 3)
    recorder.record("tokens", [torch.arange(2 + i) for i in range(batch_size)])
    for stage in ("conditioning", "noise", "sigmas", "latent"):
        recorder.record(stage, values)
    for number in range(1, num_steps + 1):
        recorder.step(number, values + number)
    return recorder.finish([Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(batch_size)])


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def test_the_hashes_are_what_they_are_said_to_be() -> None:
    hashes = recorded(2)[1]
    row = np.array([3, 4, 5])
    assert hashes.tokens == sha(np.arange(3).astype("<i8").tobytes())
    assert hashes.noise == sha(row.astype("<f4").tobytes())
    assert hashes.steps == {n: sha((row + n).astype("<f4").tobytes()) for n in (1, 2)}
    assert hashes.pixels == sha(bytes([1, 0, 0] * 64))
    assert (hashes.batch_size, hashes.place) == (2, 1)
    assert hashes.made_with["torch"] == torch.__version__


def test_numbers_of_any_precision_are_hashed_as_float32() -> None:
    assert (
        recorded(1, dtype=torch.bfloat16)[0].noise == recorded(1)[0].noise == recorded(1, dtype=torch.float64)[0].noise
    )


def test_of_many_steps_some_are_kept() -> None:
    for count, stride in ((STEPS_KEPT, 1), (STEPS_KEPT + 1, 2), (1000, 16)):
        kept = recorded(count, batch_size=1)[0].steps
        assert list(kept) == list(range(stride, count + 1, stride))
        assert len(kept) <= STEPS_KEPT


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({}, None),
        ({"tokens": "0" * 16, "noise": "0" * 16}, "tokens"),
        ({"conditioning": "0" * 16}, "conditioning"),
        ({"noise": "0" * 16}, "initial noise"),
        ({"sigmas": "0" * 16}, "sigmas"),
        ({"steps": {1: "0" * 16}}, "latent after step 1"),
        ({"steps": {}}, "number of steps"),
        ({"latent": "0" * 16}, "last latent"),
        ({"pixels": "0" * 16}, "decode"),
        ({"made_with": {}, "batch_size": 9}, None),
    ],
)
def test_the_first_difference(change: dict, stage: str | None) -> None:
    hashes = recorded(3)[0]
    assert hashes.first_difference(hashes.model_copy(update=change)) == stage


def test_json_comes_back_and_other_json_does_not() -> None:
    hashes = recorded(3)[0]
    assert StageHashes.model_validate_json(hashes.model_dump_json()) == hashes
    for change in ({"tokens": "x"}, {"place": 2}, {"steps": {"a": "0" * 16}}, {"more": 1}, {"latent": "0" * 16 + "\n"}):
        with pytest.raises(ValidationError):
            StageHashes.model_validate(hashes.model_dump() | change)
