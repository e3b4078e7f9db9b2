import random
from pathlib import Path

import pytest
import torch

from inkbloom.core.errors import OutputError, Stopped
from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.registry import all_samplers
from inkbloom.sampling.tape import Tape, TapedDenoiser

SHAPE = (1, 2, 3, 5)


def open_tape(path: Path, key="key", shape=SHAPE, dtype=torch.float32):
    return Tape(path, key, shape, dtype)


class Counted:
    """The exact denoiser of two points; counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, sigma):
        self.calls += 1
        return torch.tanh(x / sigma**2)

    def both(self, x, sigma):
        return self(x, sigma), x / (1 + sigma**2)


def run(sampler, denoise, stop_after=None):
    noise = ImageNoise([7], SHAPE[1:])
    sigmas = torch.tensor([14.6, 9.0, 5.0, 3.0, 1.5, 0.7, 0.2, 0.0], dtype=torch.float64)
    latents = []

    def on_step(step, x, denoised):
        latents.append(x)
        if len(latents) == stop_after:
            raise Stopped

    more = {"noise": noise} if sampler.stochastic else {}
    sampler.function(denoise, noise.initial() * 14.6, sigmas, on_step=on_step, **more)
    return latents


@pytest.mark.parametrize("sampler", all_samplers(), ids=lambda sampler: sampler.name)
def test_every_sampler_goes_on_to_the_bit_and_asks_only_what_is_left(sampler, tmp_path):
    whole = Counted()
    expected = run(sampler, whole)
    stop = random.Random(sampler.name).randint(1, len(expected) - 1) if len(expected) > 1 else 1
    first, second = Counted(), Counted()
    with open_tape(tmp_path / "t") as tape, pytest.raises(Stopped):
        run(sampler, TapedDenoiser(inner=first, tape=tape), stop_after=stop)
    with open_tape(tmp_path / "t") as tape:
        assert tape.calls == first.calls > 0
        latents = run(sampler, TapedDenoiser(inner=second, tape=tape))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(latents, expected, strict=True))
    assert first.calls + second.calls == whole.calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_answers_come_back_as_they_were(dtype, tmp_path):
    one, two = torch.randn(2, *SHAPE).to(dtype)
    with open_tape(tmp_path / "folder" / "t", dtype=dtype) as tape:
        tape.append((one,))
        tape.append((two, one.mT.contiguous().mT))  # of other strides
    with open_tape(tmp_path / "folder" / "t", dtype=dtype) as tape:
        assert tape.calls == 2
        assert torch.equal(tape.read(0)[0], one)
        assert [torch.equal(a, b) for a, b in zip(tape.read(1), (two, one), strict=True)] == [True, True]
        tape.remove()
    assert list((tmp_path / "folder").iterdir()) == []


def test_what_is_torn_or_damaged_is_cut_off(tmp_path):
    path, latents = tmp_path / "t", torch.randn(3, *SHAPE)
    with open_tape(path) as tape:
        for latent in latents[:2]:
            tape.append((latent,))
    whole = path.read_bytes()
    record = 1 + latents[0].nbytes + 4
    for cut in (1, 4, record - 1):
        path.write_bytes(whole[:-cut])
        with open_tape(path) as tape:
            assert tape.calls == 1
            assert path.stat().st_size == len(whole) - record
            tape.append((latents[2],))
        with open_tape(path) as tape:
            assert [torch.equal(tape.read(i)[0], latents[j]) for i, j in ((0, 0), (1, 2))] == [True, True]
    damaged = bytearray(whole)
    damaged[-10] ^= 1
    path.write_bytes(damaged)
    with open_tape(path) as tape:
        assert tape.calls == 1


@pytest.mark.parametrize("other", [{"key": "other"}, {"shape": (2, *SHAPE[1:])}, {"dtype": torch.float64}])
def test_a_tape_of_another_run_is_begun_anew(other, tmp_path):
    with open_tape(tmp_path / "t") as tape:
        tape.append((torch.zeros(SHAPE),))
    with open_tape(tmp_path / "t", **other) as tape:
        assert tape.calls == 0
    with open_tape(tmp_path / "t") as tape:
        assert tape.calls == 0


def test_a_record_is_with_the_system_before_the_next_call(tmp_path):
    with open_tape(tmp_path / "t") as tape:
        tape.append((torch.zeros(SHAPE),))
        size = (tmp_path / "t").stat().st_size
        tape.append((torch.zeros(SHAPE),))
        assert (tmp_path / "t").stat().st_size == size + 1 + 4 * 30 + 4


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "t").mkdir()
    with pytest.raises(OutputError, match=r'Cannot write the tape ".*/t": Is a directory\.'):
        open_tape(tmp_path / "t")
