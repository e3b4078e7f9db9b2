"""A batch that is interrupted and painted again with the same tapes is the uninterrupted one, to the bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from inkbloom import StableDiffusion
from inkbloom.core.errors import Stopped
from inkbloom.pipelines.stable_diffusion import Progress, Result
from inkbloom.pipelines.upscaling.settings import HiresPass
from inkbloom.sampling.registry import all_samplers

SMALL = {"prompt": "a [dog:cat:0.5] on [a:the] beach", "width": 64, "height": 64, "steps": 4, "seed": 7}


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


class Counter:
    """Counts the U-Net's calls."""

    def __init__(self, model: StableDiffusion) -> None:
        self.calls = 0
        self._hook = model.unet.register_forward_hook(self._count)

    def _count(self, *called: object) -> None:
        self.calls += 1

    def taken(self) -> int:
        calls, self.calls = self.calls, 0
        return calls

    def remove(self) -> None:
        self._hook.remove()


@pytest.fixture
def counter(model: StableDiffusion) -> Any:
    counter = Counter(model)
    yield counter
    counter.remove()


def stopped_and_resumed(
    model: StableDiffusion, counter: Counter, whole: Result, tapes: Path, stop: int
) -> tuple[Result, list[int], list[int]]:
    """What came of going on; the U-Net's calls in both parts; the steps told when going on."""

    def stopping(progress: Progress) -> None:
        if progress.step == stop:
            raise Stopped

    counter.taken()
    with pytest.raises(Stopped):
        model.paint(whole.requests, on_progress=stopping, tapes=tapes)
    calls, steps = [counter.taken()], []
    result = model.paint(whole.requests, on_progress=lambda progress: steps.append(progress.step), tapes=tapes)
    return result, [*calls, counter.taken()], steps


def assert_the_same(result: Result, whole: Result) -> None:
    assert torch.equal(result.latents, whole.latents)
    assert [image.tobytes() for image in result.images] == [image.tobytes() for image in whole.images]
    assert result.stages == whole.stages


@pytest.mark.parametrize("sampler", all_samplers(), ids=lambda sampler: sampler.name)
def test_every_sampler(model: StableDiffusion, counter: Counter, tmp_path: Path, sampler: Any) -> None:
    counter.taken()
    whole = model.generate(**SMALL, sampler=sampler.name)
    together = counter.taken()
    stop = 2 if sampler.name != "DPM fast" else 1  # which makes two steps of four calls
    result, (before, after), steps = stopped_and_resumed(model, counter, whole, tmp_path, stop)
    assert_the_same(result, whole)
    assert before > 0
    assert after > 0
    assert before + after == together
    assert steps[:stop] == list(range(1, stop + 1))


@pytest.mark.parametrize("stop", [1, 5])
def test_both_passes(model: StableDiffusion, counter: Counter, tmp_path: Path, stop: int) -> None:
    hires = HiresPass(scale=1.5, steps=3, strength=0.6)
    whole = model.generate(**SMALL, hires=hires, num_images=2, batch_size=2)
    together = counter.taken()
    result, (before, after), _ = stopped_and_resumed(model, counter, whole, tmp_path, stop)
    assert_the_same(result, whole)
    assert before + after == together
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pass1-0.tape", "pass2-0.tape"]


def test_each_group_of_a_batch_has_its_tape(model: StableDiffusion, counter: Counter, tmp_path: Path) -> None:
    requests = [
        model.resolve(model.generate(**SMALL | {"prompt": prompt, "steps": 2}).request)
        for prompt in ("a dog", "a dog AND a cat")
    ]
    counter.taken()
    whole = model.paint(requests, first=4)
    together = counter.taken()
    with pytest.raises(Stopped):
        model.paint(requests, first=4, tapes=tmp_path, on_progress=stop_in_the_second)
    before = counter.taken()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pass1-4.tape", "pass1-5.tape"]
    assert_the_same(model.paint(requests, first=4, tapes=tmp_path), whole)
    assert before + counter.taken() == together


def stop_in_the_second(told: Progress) -> None:
    if told.first == 5:
        raise Stopped


def test_another_request_begins_anew(model: StableDiffusion, counter: Counter, tmp_path: Path) -> None:
    dog = model.generate("a dog", steps=2)
    cat = model.generate("a cat", steps=2)
    model.paint(dog.requests, tapes=tmp_path)
    counter.taken()
    assert_the_same(model.paint(cat.requests, tapes=tmp_path), cat)
    assert counter.taken() > 0
    assert_the_same(model.paint(cat.requests, tapes=tmp_path), cat)
    assert counter.taken() == 0
