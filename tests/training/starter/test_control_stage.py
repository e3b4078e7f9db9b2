"""The starter's ControlNet: a step of its training on the shipped starter, and what it is trained on."""

from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.checkpoints.control import load_controlnet
from inkbloom.families import starter
from inkbloom.nn.canny import canny
from inkbloom.training.loop import Budget
from inkbloom.training.starter import control_stage
from inkbloom.training.starter.control_stage import THRESHOLDS, agreement, outlined, train_control
from inkbloom.training.starter.scenes import render, sample_scenes


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load(starter.FOLDER, dtype=torch.float32)


def test_batches(model: LoadedModel) -> None:
    scenes = sample_scenes(6, seed=0)
    data = outlined(model, scenes, 128, seed=1)
    for i, scene in enumerate(scenes):
        assert torch.equal(data.hints[i], canny(render([scene]), *THRESHOLDS[i % 3])[0] > 0)
    whole = data.batch(3, range(6))
    assert whole.latents is not None
    assert whole.hints is not None
    assert (whole.latents.shape, whole.hints.shape) == ((6, 4, 16, 16), (6, 3, 128, 128))
    assert set(whole.hints.unique().tolist()) == {0.0, 1.0}
    part = data.batch(3, (4,))
    assert part.captions == whole.captions[4:5]
    assert part.latents is not None
    assert torch.equal(part.latents[0], whole.latents[4])
    assert data.batch(4, range(6)).captions != whole.captions


def test_a_few_steps(model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_stage, "NUM_HELD_OUT", 2)
    told = []
    path = train_control(model, tmp_path, Budget(steps=2), num_scenes=4, on_progress=told.append)
    assert "held_out_loss" in told[-1].metrics
    assert path.stat().st_size < 16 * 2**20
    assert load_controlnet(path, model.spec).skips_out[0].weight.dtype == torch.float16


def test_agreement() -> None:
    """By hand: of the hint's 4 points 3 are met, of the picture's 6 points 3; a pixel aside counts."""
    hint, found = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    hint[0, 0, 1, 1:5] = 255
    found[0, 0, 2, 0:3] = 255
    found[0, 0, 6, 5:8] = 255
    assert agreement(hint, found) == pytest.approx(2 * (3 / 4) * (3 / 6) / (3 / 4 + 3 / 6))
    assert agreement(hint, hint) == pytest.approx(1.0)
    assert agreement(hint, torch.zeros_like(hint)) == 0
