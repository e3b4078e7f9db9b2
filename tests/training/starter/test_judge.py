import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError
from inkbloom.training.autoencoder import to_image
from inkbloom.training.loop import Budget
from inkbloom.training.starter.catalogue import COLOR_NAMES, OBJECTS, PLACE_NAMES
from inkbloom.training.starter.judge import (
    JUDGE_PATH,
    Judge,
    JudgeJob,
    Logits,
    Scores,
    judge_loss,
    measure,
    soften,
    tally,
    train_judge,
)
from inkbloom.training.starter.scenes import Placement, Scene, render, sample_scenes

DOG, CAT, FOX = 0, 1, 4
PAIR = (Placement(DOG, column="left"), Placement(CAT, column="right"))


def _logits(place: str, color: str, *clearest: int) -> Logits:
    """What a judge would say that sees this place and these objects, the first most clearly."""
    logits = Logits(torch.zeros(1, len(PLACE_NAMES)), torch.zeros(1, len(COLOR_NAMES)), torch.zeros(1, len(OBJECTS)))
    logits.place[0, PLACE_NAMES.index(place)] = 1
    logits.color[0, COLOR_NAMES.index(color)] = 1
    for rank, index in enumerate(clearest):
        logits.presence[0, index] = 9 - rank
    return logits


@pytest.mark.parametrize(
    ("scene", "logits", "expected"),
    [
        (Scene("sea", None, (), 0), _logits("sea", "red"), Scores(1, None, None)),
        (Scene("sea", None, (), 0), _logits("snow", "red"), Scores(0, None, None)),
        (Scene("plain", "red", (), 0), _logits("plain", "red"), Scores(1, None, None)),
        (Scene("plain", "red", (), 0), _logits("plain", "blue"), Scores(0, None, None)),
        (Scene("sea", None, (Placement(DOG),), 0), _logits("sea", "red", DOG, CAT), Scores(1, 1, None)),
        (Scene("sea", None, (Placement(DOG),), 0), _logits("sea", "red", CAT, DOG), Scores(1, 0, None)),
        (Scene("sea", None, PAIR, 0), _logits("sea", "red", CAT, DOG), Scores(1, 1, 1)),
        (Scene("sea", None, PAIR, 0), _logits("sea", "red", FOX, DOG), Scores(1, 1, 0)),
        (Scene("sea", None, PAIR, 0), _logits("sea", "red", FOX, CAT), Scores(1, 0, 0)),
    ],
)
def test_what_counts_as_right(scene, logits, expected):
    assert tally(logits, [scene]) == expected


def test_a_judge_is_small():
    count = sum(parameter.numel() for parameter in Judge().parameters())
    assert 600_000 < count < 700_000


def test_the_loss_is_that_of_its_parts():
    scenes = [Scene("plain", "blue", PAIR, 0), Scene("sea", None, (), 0)]
    logits = Logits(torch.zeros(2, len(PLACE_NAMES)), torch.zeros(2, len(COLOR_NAMES)), torch.zeros(2, len(OBJECTS)))
    # Uniform guesses: log of the number of choices; the colour counts for one scene of the two; ln 2 for every object.
    expected = torch.tensor(9.0).log() + torch.tensor(6.0).log() / 2 + len(OBJECTS) * torch.tensor(2.0).log()
    torch.testing.assert_close(judge_loss(logits, scenes), expected)


def test_softening_is_seeded_gentle_and_leaves_its_input():
    images = to_image(render(sample_scenes(6, seed=1)))
    before = images.clone()
    softened = [soften(images, torch.Generator().manual_seed(seed)) for seed in range(8)]
    assert torch.equal(images, before)
    assert torch.equal(softened[3], soften(images, torch.Generator().manual_seed(3)))
    for result in softened:
        assert result.shape == images.shape
        assert 0.02 < (result - images).abs().mean() < 0.35


def test_training_lowers_the_loss_and_can_be_resumed(tmp_path):
    torch.manual_seed(0)
    job = JudgeJob(Judge(), batch_size=6, num_test=6)
    losses = [job.train_step(step, 3e-3)["loss"] for step in range(8)]
    assert losses[-1] < 0.6 * losses[0]
    assert set(job.evaluate()) <= {"scene", "first_object", "both_objects"}

    again = JudgeJob(Judge(), batch_size=6, num_test=6)
    again.load_state_dict(job.state_dict())
    assert again.train_step(8, 1e-3) == job.train_step(8, 1e-3)


def test_train_judge_returns_a_judge_that_is_done(tmp_path):
    judge = train_judge(tmp_path, Budget(steps=1))
    assert not judge.training
    assert not any(parameter.requires_grad for parameter in judge.parameters())


def test_saved_and_loaded_it_judges_the_same(tmp_path):
    torch.manual_seed(0)
    judge = Judge().eval()
    judge.save(tmp_path / "judge.safetensors")
    loaded = Judge.load(tmp_path / "judge.safetensors")
    images = to_image(render(sample_scenes(2, seed=1)))
    # float16 weights: 2^-11 of each value.
    torch.testing.assert_close(loaded(images).presence, judge(images).presence.detach(), atol=5e-3, rtol=5e-3)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        Judge.load(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"stem.weight": torch.zeros(2)}, path)
    with pytest.raises(KeyMismatchError, match=r"other\.safetensors holds no judge: .* more differ\.$"):
        Judge.load(path)


def test_a_scene_for_every_picture():
    with pytest.raises(
        RequestError, match=r"^The judge got 0 pictures and 1 scenes; it needs a scene for each picture, .*\.$"
    ):
        Judge().score(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), [Scene("sea", None, (), 0)])


@pytest.mark.skipif(not JUDGE_PATH.exists(), reason="no judge was trained yet")
def test_the_shipped_judge_knows_true_renders():
    assert JUDGE_PATH.stat().st_size < 2_000_000
    assert all(value.dtype == torch.float16 for value in load_file(JUDGE_PATH).values())
    scores = measure(Judge.load(), num_scenes=192)
    assert scores.scene is not None
    assert scores.first_object is not None
    assert scores.both_objects is not None
    assert min(scores.scene, scores.first_object, scores.both_objects) >= 0.95
