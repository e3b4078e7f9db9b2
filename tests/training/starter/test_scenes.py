import random
from collections import Counter

import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.atlas import sprite
from inkbloom.training.starter.catalogue import (
    ARRANGEMENTS,
    COLOR_NAMES,
    EDITIONS,
    OBJECT_NAMES,
    PLACE_NAMES,
    SIZES,
    SPOTS,
    STYLE_NAMES,
    UNSEEN,
)
from inkbloom.training.starter.scenes import (
    BASE_SIZE,
    GRID,
    LAYOUTS,
    Placement,
    Scene,
    box,
    is_held_out,
    render,
    sample_scenes,
)

PAINTED = [name for name in PLACE_NAMES if name != "plain"]


def arranged(name: str, *objects: int) -> tuple[Placement, ...]:
    return tuple(Placement(o, "normal", spot) for o, spot in zip(objects, ARRANGEMENTS[name], strict=True))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return sample_scenes(10_000, seed=1)


def test_the_same_seed_gives_the_same_scenes():
    assert sample_scenes(50, seed=3) == sample_scenes(50, seed=3)
    assert sample_scenes(50, seed=3) == sample_scenes(80, seed=3)[:50]
    assert sample_scenes(50, seed=3) != sample_scenes(50, seed=4)


def test_shares_are_those_that_are_promised(scenes):
    def share(condition) -> float:
        return sum(condition(scene) for scene in scenes) / len(scenes)

    for arrangement, expected in (("empty", 0.04), ("one", 0.54), ("pair", 0.23), ("stack", 0.08), ("row", 0.11)):
        assert share(lambda s, a=arrangement: s.arrangement == a) == pytest.approx(expected, abs=0.02)
    assert share(lambda s: s.same) == pytest.approx(0.10, abs=0.01)
    assert share(lambda s: s.style is None) == pytest.approx(0.55, abs=0.02)
    assert share(lambda s: s.place == "plain") == pytest.approx(0.18, abs=0.02)
    places = Counter(scene.place for scene in scenes)
    for name in PAINTED:
        assert places[name] / len(scenes) == pytest.approx(0.82 / 11, abs=0.015)
    single = [scene.placements[0] for scene in scenes if len(scene.placements) == 1]
    sizes = Counter(placement.size for placement in single)
    for size, expected in (("small", 0.18), ("normal", 0.60), ("big", 0.22)):
        assert sizes[size] / len(single) == pytest.approx(expected, abs=0.02)


def test_everything_appears(scenes):
    placements = [placement for scene in scenes for placement in scene.placements]
    assert {placement.object for placement in placements} == set(EDITIONS["small"].objects)
    assert {placement.spot for placement in placements} == set(SPOTS)
    assert {scene.color for scene in scenes} == {*COLOR_NAMES, None}
    assert {scene.style for scene in scenes} == {*STYLE_NAMES, None}
    for scene in scenes:
        if len(scene.placements) > 1:
            assert len(set(scene.objects)) == (1 if scene.same else len(scene.placements))
            assert {placement.size for placement in scene.placements} == {"normal"}


def test_no_starter_ever_sees_the_unseen():
    for edition in EDITIONS.values():
        objects = {o for scene in sample_scenes(4_000, seed=9, edition=edition, held_out=None) for o in scene.objects}
        assert not objects & set(UNSEEN)
        assert objects == set(edition.objects)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_styles_can_be_chosen(layout):
    for styled in (True, False):
        for scene in sample_scenes(20, seed=1, layouts=(layout,), styled=styled):
            assert scene.arrangement == {"two": "pair", "three": "row"}.get(layout, layout)
            assert scene.same == (layout in ("two", "three"))
            assert (scene.style is not None) == styled


def test_sprites_lie_on_the_latent_grid_and_inside_the_picture(scenes):
    boxes = {(s.arrangement, placement.size, box(s, placement)) for s in scenes for placement in s.placements}
    for arrangement, size, (left, top, side) in boxes:
        assert left % GRID == top % GRID == side % GRID == 0
        assert 0 <= left <= BASE_SIZE - side
        assert top >= 0
        assert top + side <= 120
        if arrangement == "one":
            assert top + side == (120 if size == "big" else 112)
            assert side == SIZES[size]
    # Alone: three lefts for each size when centred, two spots more for small and normal. Then pair, stack and row.
    assert len(boxes) == 3 + 3 + 3 + 4 + 2 + 2 + 3


def test_training_and_held_out_share_no_combination(scenes):
    def combination(scene: Scene) -> tuple:
        return scene.place, scene.color, tuple(sorted(scene.objects))

    held_out = sample_scenes(2_000, seed=1, held_out=True)
    assert all(is_held_out(scene) and scene.placements for scene in held_out)
    assert not any(is_held_out(scene) for scene in scenes)
    assert not {combination(scene) for scene in scenes} & {combination(scene) for scene in held_out}


def test_about_a_twelfth_is_held_out():
    pairs = [
        Scene(place, None, arranged("pair", a, b), 0)
        for place in PAINTED
        for a in EDITIONS["small"].objects
        for b in range(a)
    ]
    assert sum(map(is_held_out, pairs)) / len(pairs) == pytest.approx(1 / 12, abs=0.015)


def test_held_out_depends_on_place_and_objects_only():
    for scene in sample_scenes(300, seed=2, held_out=None, layouts=("pair",)):
        other = Scene(scene.place, scene.color, arranged("stack", *reversed(scene.objects)), 7, "neon")
        assert is_held_out(other) == is_held_out(scene)


def test_the_held_out_combinations_never_change():
    # What was trained on the complement depends on exactly these.
    held_out = {
        place: [name for i, name in enumerate(OBJECT_NAMES[:36]) if is_held_out(Scene(place, None, (Placement(i),), 0))]
        for place in PLACE_NAMES[:8]
    }
    assert held_out == {
        "day": ["penguin", "butterfly", "palm tree", "rocket"],
        "night": ["panda", "house", "snowman"],
        "sunset": ["house"],
        "snow": ["palm tree", "cactus"],
        "beach": ["penguin", "tree"],
        "sea": ["sunflower"],
        "space": ["dog", "tree"],
        "mountains": ["house", "robot"],
    }


def test_a_picture_does_not_depend_on_its_batch():
    scenes = sample_scenes(60, seed=5, held_out=None)
    together = render(scenes)
    assert together.shape == (60, 3, BASE_SIZE, BASE_SIZE)
    assert together.dtype == torch.uint8
    order = list(range(60))
    random.Random(1).shuffle(order)
    for index in order:
        assert torch.equal(render([scenes[index]])[0], together[index]), scenes[index]


def test_a_sprite_is_where_its_box_says():
    for scene in sample_scenes(40, seed=6, layouts=("one",), styled=False):
        empty = Scene(scene.place, scene.color, (), scene.seed)
        changed = (render([scene])[0].int() - render([empty])[0].int()).abs().amax(dim=0) > 0
        left, top, side = box(scene, scene.placements[0])
        assert changed[top : top + side, left : left + side].float().mean() > 0.1
        changed[top : top + side, left : left + side] = False
        assert not changed.any()


def test_at_twice_the_size_the_atlas_itself_is_composited():
    # 256 pixels: a "normal" cell is the atlas's own 128, so that the picture follows from the atlas by one formula.
    scene = Scene("plain", "green", (Placement(OBJECT_NAMES.index("panda")),), 5)
    left, top, side = (2 * pixels for pixels in box(scene, scene.placements[0]))
    rgba = sprite(OBJECT_NAMES.index("panda"))
    background = torch.tensor([0.28, 0.70, 0.34])[:, None, None]
    expected = (background * (1 - rgba[3]) + rgba[:3] * rgba[3]) * 255
    painted = render([scene], size=256)[0, :, top : top + side, left : left + side]
    assert (painted - expected).abs().max() <= 0.51  # rounding to whole numbers


def test_no_scenes_give_no_pictures():
    assert render([]).shape == (0, 3, BASE_SIZE, BASE_SIZE)
    assert sample_scenes(0, seed=1) == []


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Placement(9999), r"^Unknown object number 9999; they go from 0 to \d+\.$"),
        (lambda: Placement(0, "normall"), r'^Unknown size "normall"\. Did you mean "normal".*\?$'),
        (lambda: Placement(0, "big", "centre"), r'^Unknown spot "centre"\. Did you mean "center"\?$'),
        (lambda: Scene("sea", None, (), 0, "neonn"), r'^Unknown style "neonn"\. Did you mean "neon"\?$'),
        (lambda: Scene("beech", None, (), 0), r'^Unknown place "beech"\. Did you mean "beach".*\?$'),
        (lambda: Scene("plain", "blu", (), 0), r'^Unknown colour "blu"\. Did you mean "blue"\?$'),
        (lambda: Scene("plain", None, (), 0), r'^Unknown colour "None"\. Known: red, .*\.$'),
        (lambda: Scene("sea", "blue", (), 0), r'^The place "sea" takes no colour, but "blue" was given\.$'),
        (
            lambda: Scene("sea", None, (Placement(0),) * 2, 0),
            r"^No scene has objects at center, center; several stand at left, right; above, below; left, .*\.$",
        ),
        (lambda: Scene("sea", None, (Placement(0, "big", "above"),), 0), r"^No scene has objects at above; .*\.$"),
        (
            lambda: Scene("sea", None, (Placement(0, "big", "left"), Placement(1, "normal", "right")), 0),
            r'^Several objects do not fit in other sizes than "normal"\.$',
        ),
        (lambda: Scene("sea", None, (), -1), r"^A scene's seed is 0 or more, not -1\.$"),
        (lambda: sample_scenes(1, -2), r"^The seed of scenes is 0 or more, not -2\.$"),
        (lambda: sample_scenes(1, 0, layouts=("too",)), r'^Unknown layout "too"\. Did you mean "two"\?$'),
        (
            lambda: sample_scenes(1, 0, held_out=True, layouts=("empty",)),
            r"^No scene without objects is held out; .*\.$",
        ),
        (lambda: render([], size=100), r"^The size of a rendered scene is a multiple of 32, not 100\.$"),
    ],
)
def test_what_cannot_be_painted_is_said(build, message):
    with pytest.raises(RequestError, match=message):
        build()
