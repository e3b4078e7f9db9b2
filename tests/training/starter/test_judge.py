import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError
from inkbloom.training.autoencoder import to_image
from inkbloom.training.loop import Budget
from inkbloom.training.starter.catalogue import ARRANGEMENTS, COLOR_NAMES, PLACE_NAMES, STYLE_NAMES, UNSEEN
from inkbloom.training.starter.judge import (
    JUDGE_PATH,
    KNOWN,
    Judge,
    JudgeJob,
    Reading,
    Scores,
    judge_loss,
    measure,
    soften,
    tally,
    train_judge,
)
from inkbloom.training.starter.scenes import Placement, Scene, render, sample_scenes
from inkbloom.training.starter.teaching import unseen_scenes

DOG, CAT, FOX = 0, 1, 4
PAIR = (Placement(DOG, spot="left"), Placement(CAT, spot="right"))
STACK = (Placement(DOG, spot="above"), Placement(CAT, spot="below"))
ROW = (Placement(DOG, spot="left"), Placement(CAT), Placement(FOX, spot="right"))
TWO_DOGS = (Placement(DOG, spot="left"), Placement(DOG, spot="right"))


def _blank(count: int = 1) -> Reading:
    return Reading(
        torch.zeros(count, len(PLACE_NAMES)),
        torch.zeros(count, len(COLOR_NAMES)),
        torch.zeros(count, len(STYLE_NAMES) + 1),
        torch.zeros(count, len(ARRANGEMENTS)),
        torch.zeros(count, len(KNOWN)),
        torch.zeros(count, len(KNOWN), 8, 8),
        torch.zeros(count, 256),
    )


def _reading(seen: Scene, *clearest: int) -> Reading:
    """What a judge would say that sees this scene, or else these objects, the first most clearly."""
    reading = _blank()
    reading.place[0, PLACE_NAMES.index(seen.place)] = 1
    reading.color[0, COLOR_NAMES.index(seen.color or "red")] = 1
    reading.style[0, (None, *STYLE_NAMES).index(seen.style)] = 1
    reading.arrangement[0, list(ARRANGEMENTS).index(seen.arrangement)] = 1
    for rank, index in enumerate(clearest or dict.fromkeys(seen.objects)):
        reading.presence[0, index] = 9 - rank
    columns = {"left": slice(0, 3), "center": slice(3, 5), "right": slice(5, 8)}
    rows = {"above": slice(0, 4), "below": slice(4, 8)}
    for placement in seen.placements:
        reading.where[0, placement.object, rows.get(placement.spot, slice(0, 8)), columns.get(placement.spot)] = 1
    return reading


def _sea(*placements: Placement, style: str | None = None) -> Scene:
    return Scene("sea", None, placements, 0, style)


NONE3 = (None, None, None)


@pytest.mark.parametrize(
    ("scene", "seen", "expected"),
    [
        (_sea(), _sea(), Scores(1, 1, NONE3, None, None)),
        (_sea(), Scene("snow", None, (), 0), Scores(0, 1, NONE3, None, None)),
        (_sea(), _sea(style="neon"), Scores(1, 0, NONE3, None, None)),
        (Scene("plain", "red", (), 0), Scene("plain", "red", (), 0), Scores(1, 1, NONE3, None, None)),
        (Scene("plain", "red", (), 0), Scene("plain", "blue", (), 0), Scores(0, 1, NONE3, None, None)),
        (
            Scene("plain", "red", (), 0, "sepia"),
            Scene("plain", "blue", (), 0, "sepia"),
            Scores(1, 1, NONE3, None, None),
        ),
        (_sea(Placement(DOG)), _sea(Placement(DOG)), Scores(1, 1, (1, None, None), None, None)),
        (_sea(Placement(DOG)), _sea(Placement(CAT)), Scores(1, 1, (0, None, None), None, None)),
        (_sea(*PAIR), _sea(*PAIR), Scores(1, 1, (None, 1, None), 1, None)),
        (
            _sea(*PAIR),
            _sea(Placement(CAT, spot="left"), Placement(DOG, spot="right")),
            Scores(1, 1, (None, 1, None), 0, None),
        ),
        (_sea(*PAIR), _sea(*STACK), Scores(1, 1, (None, 1, None), 0, None)),
        (_sea(*STACK), _sea(*STACK), Scores(1, 1, (None, 1, None), 1, None)),
        (_sea(*ROW), _sea(*ROW), Scores(1, 1, (None, None, 1), 1, None)),
        (_sea(*ROW), _sea(*PAIR), Scores(1, 1, (None, None, 0), 0, None)),
        (_sea(*TWO_DOGS), _sea(*TWO_DOGS), Scores(1, 1, NONE3, None, 1)),
        (_sea(*TWO_DOGS), _sea(Placement(DOG)), Scores(1, 1, NONE3, None, 0)),
    ],
)
def test_what_counts_as_right(scene, seen, expected):
    assert tally(_reading(seen), [scene]) == expected


def test_the_clearest_objects_are_those_that_count():
    assert tally(_reading(_sea(*PAIR), CAT, DOG, FOX), [_sea(*PAIR)]).objects == (None, 1, None)
    assert tally(_reading(_sea(*PAIR), CAT, FOX, DOG), [_sea(*PAIR)]).objects == (None, 0, None)
    assert tally(_reading(_sea(Placement(DOG)), CAT, DOG), [_sea(Placement(DOG))]).objects == (0, None, None)


def test_a_judge_is_small():
    count = sum(parameter.numel() for parameter in Judge().parameters())
    assert 650_000 < count < 750_000


def test_the_loss_is_that_of_its_parts():
    scenes = [Scene("plain", "blue", PAIR, 0), Scene("sea", None, (), 0)]
    # Uniform guesses: log of the number of choices; the colour counts for one scene of the two; ln 2 for every object,
    # once for the picture and eight times for the mean over its points.
    expected = sum(torch.tensor(float(n)).log() for n in (12, 7, 5)) + torch.tensor(6.0).log() / 2
    expected = expected + (1 + 8) * len(KNOWN) * torch.tensor(2.0).log()
    torch.testing.assert_close(judge_loss(_blank(2), scenes), expected)


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
    assert losses[-1] < 0.8 * losses[0]
    assert {"scene", "style"} <= set(job.evaluate())

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
    scores = measure(Judge.load(), num_scenes=256)
    one, two, three = scores.objects
    assert all(part is not None and part >= 0.95 for part in (scores.scene, scores.style, one, two)), scores
    assert all(part is not None and part >= 0.9 for part in (scores.positions, scores.counts)), scores
    assert three is not None
    assert three >= 0.75, scores  # of few, and the hardest


@pytest.mark.skipif(not JUDGE_PATH.exists(), reason="no judge was trained yet")
@pytest.mark.parametrize("name", ["hedgehog", "teapot"])
def test_the_shipped_judge_knows_what_no_starter_has_seen(name):
    scenes = unseen_scenes(name, 12, seed=4)
    one = Judge.load().score(render(scenes), scenes).objects[0]
    assert one is not None
    assert one >= 11 / 12
    assert set(UNSEEN) <= set(KNOWN)
