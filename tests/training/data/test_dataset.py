import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.training.batches import Batch
from inkbloom.training.data.buckets import ModelSizes
from inkbloom.training.data.dataset import Dataset
from inkbloom.training.data.latents import LatentEncoder
from inkbloom.training.data.loader import join
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.data.survey import survey

SIZES = ModelSizes(default=32, downscale=8, step=16)


def dataset(*data: Path, seed: int = 0, encoder: LatentEncoder | None = None, **fields: Any) -> Dataset:
    found = survey(DataSettings(data=data, **fields), SIZES, seed=seed)
    return Dataset(found, encoder)


def encoder(model: LoadedModel, folder: Path | None = None) -> LatentEncoder:
    assert model.autoencoder is not None
    return LatentEncoder(model.autoencoder, 0.5, folder)


def same(a: Batch, b: Batch) -> bool:
    def equal(x: object, y: object) -> bool:
        return torch.equal(x, y) if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor) else x == y

    return all(equal(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(Batch))


@pytest.fixture
def pictures(tmp_path: Path, make_picture) -> Path:
    """Six squares and two wide ones, each with its number as its caption."""
    for number in range(8):
        make_picture(tmp_path / "data" / f"{number}.png", 48 if number > 5 else 32, 32, number, caption=str(number))
    return tmp_path / "data"


def test_pixels(pictures: Path) -> None:
    data = dataset(pictures, batch_size=2)
    assert (data.global_size, data.steps_per_epoch) == (2, 4)
    for step in range(4):
        batch = data.batch(step, [0, 1])
        assert batch.latents is None
        assert batch.weights is None
        assert batch.loss_masks is None
        assert batch.pixels is not None
        for pixels, caption, name in zip(batch.pixels, batch.captions, data.names(step, [0, 1]), strict=True):
            assert name == str(pictures / f"{caption}.png")
            if int(caption) < 6:
                assert pixels.shape == (3, 32, 32)
                expected = np.asarray(Image.open(name))
                assert np.array_equal(((pixels + 1) * 127.5).round().byte().movedim(0, -1).numpy(), expected)  # h w c
    assert Counter(c for step in range(4) for c in data.batch(step, [0, 1]).captions) == Counter(map(str, range(8)))


EVERYTHING = {"flip": True, "random_crop": True, "tag_shuffling": True, "tag_dropout": 0.3, "caption_dropout": 0.2}


def test_all_chance_is_in_step_and_row(pictures: Path, tiny_model: LoadedModel) -> None:
    """Any step first, rows alone or together, another object: the same batch to the bit."""
    for number in range(8):
        (pictures / f"{number}.txt").write_text(f"{number}, a, b, c")
    fields = {"batch_size": 4, "seed": 5, **EVERYTHING}
    first = dataset(pictures, encoder=encoder(tiny_model), **fields)
    batches = [first.batch(step, range(4)) for step in range(5)]
    again = dataset(pictures, encoder=encoder(tiny_model), **fields)
    for step in (4, 1, 3):
        assert same(again.batch(step, range(4)), batches[step])
        assert same(join([again.batch(step, [0, 1, 2]), again.batch(step, [3])]), batches[step])
        assert not same(
            dataset(pictures, encoder=encoder(tiny_model), **{**fields, "seed": 6}).batch(step, range(4)), batches[step]
        )
    assert not same(dataclasses.replace(batches[0], step=3), batches[3])


def test_the_cache_changes_nothing(pictures: Path, tmp_path: Path, tiny_model: LoadedModel) -> None:
    kept = dataset(pictures, batch_size=2, flip=True, encoder=encoder(tiny_model, tmp_path / "cache"))
    news: list[tuple[str, int, int]] = []
    kept.prepare(on_progress=lambda *args: news.append(args))
    assert news == [("encoding pictures", i, 16) for i in range(1, 17)]
    news.clear()
    kept.prepare(on_progress=lambda *args: news.append(args))
    assert news == []
    made = dataset(pictures, batch_size=2, flip=True, encoder=encoder(tiny_model))
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    for step in range(8):
        assert same(kept.batch(step, [0, 1]), made.batch(step, [0, 1]))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")} == files


def test_latents_are_drawn_as_the_autoencoder_says(pictures: Path, tiny_model: LoadedModel) -> None:
    """Over 200 draws of one picture, mean and standard deviation lie within 6 standard errors of the posterior's."""
    (pictures / "0.txt").write_text("x")
    for number in range(1, 8):
        (pictures / f"{number}.png").unlink()
        (pictures / f"{number}.txt").unlink()
    data = dataset(pictures, batch_size=200, encoder=encoder(tiny_model))
    draws = data.batch(0, range(200)).latents
    mean_only = dataset(pictures, batch_size=200, encoder=encoder(tiny_model), sample_latents=False)
    mean = mean_only.batch(0, [0]).latents
    assert draws is not None
    assert mean is not None
    assert tiny_model.autoencoder is not None
    with torch.no_grad():
        picture = torch.from_numpy(np.array(Image.open(pictures / "0.png"))).movedim(-1, 0)[None]  # b c h w
        posterior = tiny_model.autoencoder.encode(picture / 127.5 - 1)
    assert torch.allclose(mean, posterior.mean * 0.5, atol=1e-6)
    deviation = 0.5 * torch.exp(0.5 * posterior.log_variance)
    assert ((draws.mean(0) - mean[0]).abs() < 6 * deviation[0] / 200**0.5 + 1e-6).all()
    assert ((draws.std(0) / deviation[0] - 1).abs() < 6 / 400**0.5).all()


def test_flips_and_crops(tmp_path: Path, make_picture) -> None:
    path = make_picture(tmp_path / "a.png", 40, 32)
    whole = torch.from_numpy(np.array(Image.open(path))).movedim(-1, 0)  # c h w
    data = dataset(tmp_path, batch_size=64, buckets=False, flip=True, random_crop=True)
    pixels = data.batch(0, range(64)).pixels
    assert pixels is not None
    seen = Counter()
    for image in ((pixels + 1) * 127.5).round().byte():
        places = [
            (left, mirrored)
            for left in range(9)
            for mirrored in (False, True)
            if torch.equal(image.flip(2) if mirrored else image, whole[:, :, left : left + 32])
        ]
        assert len(places) == 1
        seen.update(places)
    assert {left for left, _ in seen} == set(range(9))
    assert 16 < sum(count for (_, mirrored), count in seen.items() if mirrored) < 48


def test_masks_hints_and_weights(tmp_path: Path, make_picture) -> None:
    for number in range(2):
        make_picture(tmp_path / "own" / f"{number}.png", 32, 32, number, caption=f"own{number}")
        make_picture(tmp_path / "hints" / f"{number}.png", 64, 64, 10 + number)
    make_picture(tmp_path / "class" / "9.png", 32, 32, 5, caption="class")
    make_picture(tmp_path / "hints" / "9.png", 32, 32, 11)
    Image.new("L", (32, 32), 51).save(tmp_path / "own" / "m.png")
    (tmp_path / "masks").mkdir()
    (tmp_path / "own" / "m.png").rename(tmp_path / "masks" / "0.png")
    data = dataset(
        tmp_path / "own",
        batch_size=4,
        regularisation_data=(tmp_path / "class",),
        prior_weight=0.25,
        mask_folder=tmp_path / "masks",
        hint_folder=tmp_path / "hints",
    )
    assert data.steps_per_epoch == 1
    batch = data.batch(0, range(4))
    assert Counter(batch.captions) == {"own0": 1, "own1": 1, "class": 2}
    assert batch.weights is not None
    assert batch.loss_masks is not None
    assert batch.hints is not None
    assert batch.hints.shape == (4, 3, 32, 32)
    assert batch.loss_masks.shape == (4, 1, 4, 4)
    for caption, weight, mask in zip(batch.captions, batch.weights, batch.loss_masks, strict=True):
        assert weight == (0.25 if caption == "class" else 1.0)
        assert torch.allclose(mask, torch.tensor(0.2 if caption == "own0" else 1.0))


def test_what_is_held_out(pictures: Path, tiny_model: LoadedModel) -> None:
    data = dataset(pictures, batch_size=2, held_out=0.5, encoder=encoder(tiny_model), caption_dropout=1.0)
    batches = list(data.held_out())
    held = [caption for batch in batches for caption in batch.captions]
    assert len(set(held)) == len(held) == 4
    trained = {name for step in range(20) for name in data.names(step, [0, 1])}
    assert trained.isdisjoint(str(pictures / f"{number}.png") for number in held)
    assert all(same(a, b) for a, b in zip(batches, data.held_out(), strict=True))
    assert set(data.batch(0, [0, 1]).captions) == {""}

    alone = [data.held_out.batch(step, [0]) for step in range(data.held_out.steps_per_epoch)]
    assert sorted(batch.captions[0] for batch in alone) == sorted(held)
    assert {batch.global_size for batch in alone} == {1}
    latents = {
        c: z
        for batch in batches
        if batch.latents is not None
        for c, z in zip(batch.captions, batch.latents, strict=True)
    }
    for batch in alone:
        assert batch.latents is not None
        assert torch.equal(batch.latents[0], latents[batch.captions[0]])


def test_two_processes_fill_one_cache(pictures: Path, tmp_path: Path, tiny_model: LoadedModel) -> None:
    for rank in range(2):
        data = dataset(pictures, encoder=encoder(tiny_model, tmp_path / "cache"))
        data.prepare(rank=rank, world=2)
        assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 4 * (rank + 1)


def test_what_is_refused(pictures: Path, tmp_path: Path, tiny_model: LoadedModel) -> None:
    with pytest.raises(RequestError) as refused:
        dataset(pictures, random_crop=True, encoder=encoder(tiny_model, tmp_path))
    expected = "random_crop sees another part each time, so latents cannot be kept: set cache_latents to false."
    assert str(refused.value) == expected
    (pictures / "alone.txt").write_text("x")
    with pytest.raises(TrainingError, match="has no picture beside it"):
        dataset(pictures)


def test_a_picture_that_vanishes_is_named(pictures: Path) -> None:
    data = dataset(pictures, batch_size=2)
    name = data.names(0, [1])[0]
    Path(name).unlink()
    with pytest.raises(RequestError) as caught:
        data.batch(0, [0, 1])
    assert str(caught.value) == f'There is no picture "{name}".'
