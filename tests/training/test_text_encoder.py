"""Contrastive training: the loss by its formula, over processes too; that it learns, and that the result opens."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints.clip_folder import load_text_encoder
from inkbloom.core.errors import TrainingError
from inkbloom.models.clip import Clip
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.batches import Batch
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import RunSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.text_encoder import Contrastive, Retrieval, TextEncoderSettings, save_text_encoder
from inkbloom.training.world import World, full, joined

COLORS = {"red": (1, -1, -1), "green": (-1, 1, -1), "blue": (-1, -1, 1), "white": (1, 1, 1)}
SETTINGS = TextEncoderSettings(
    vocabulary="captions",
    vocabulary_size=560,
    text_width=32,
    text_layers=1,
    text_heads=2,
    text_tokens=12,
    image_width=32,
    image_layers=1,
    image_heads=2,
    patch_size=8,
    embedding_dim=16,
)


class Squares:
    """Eight pictures: a coloured half on black, at the top or at the bottom."""

    global_size = 8
    steps_per_epoch = 1

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        captions, pictures = [], []
        for row in rows:
            color, place = list(COLORS)[row % 4], ("top", "bottom")[row // 4]
            picture = torch.full((3, 16, 16), -1.0)
            half = slice(0, 8) if place == "top" else slice(8, 16)
            picture[:, half] = torch.tensor(COLORS[color]).float()[:, None, None]
            captions.append(f"{color} at the {place}")
            pictures.append(picture)
        pixels = torch.stack(pictures)
        return Batch(step=step, rows=tuple(rows), global_size=8, captions=tuple(captions), pixels=pixels)


def make_trainee() -> Contrastive:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = SETTINGS.tokenizer(Squares().batch(0, range(8)).captions)
        return Contrastive(Clip(SETTINGS.spec(tokenizer, 16)), tokenizer)


def make_job(trainee: Contrastive, world: World | None = None, **settings: Any) -> TraineeJob:
    held_out = Retrieval(trainee, lambda: [Squares().batch(0, range(8))])
    optimizer = OptimizerSettings(**({"weight_decay": 0.0} | settings))
    return TraineeJob.build(
        "text-encoder", trainee, Squares(), optimizer, RunSettings(ema_decay=0.9), evaluation=held_out, world=world
    )


def test_the_loss_is_its_formula() -> None:
    """And transformers' own, on the same weights, within 1e-5."""
    import transformers  # here, since the two processes need it not

    trainee = make_trainee()
    batch = Squares().batch(0, [0, 5, 3])
    losses = trainee(batch)
    clip = trainee.trained
    assert batch.pixels is not None
    ids = trainee.tokenizer.encode_padded(batch.captions, 12).ids
    logits = clip(batch.pixels, ids)
    for i in range(3):
        expected = (-logits.log_softmax(dim=1)[i, i] - logits.log_softmax(dim=0)[i, i]) / 2
        assert torch.allclose(losses[i], expected, rtol=1e-5)
    assert torch.allclose(losses.mean(), transformers.models.clip.modeling_clip.image_text_contrastive_loss(logits.T))
    weighted = Batch(**(vars(batch) | {"weights": torch.tensor([1.0, 0.0, 2.0])}))
    assert torch.allclose(trainee(weighted), losses * torch.tensor([1.0, 0.0, 2.0]))
    assert trainee.metrics["logit_scale"] == pytest.approx(1 / 0.07, rel=1e-5)


def test_similarities_are_never_multiplied_by_more_than_a_hundred() -> None:
    trainee = make_trainee()
    trainee.trained.logit_scale.data.fill_(9.0)
    trainee.eval()(Squares().batch(0, range(8)))
    assert trainee.trained.logit_scale.item() == 9.0
    trainee.train()(Squares().batch(0, range(8)))
    assert trainee.trained.logit_scale.exp().item() == pytest.approx(100.0, rel=1e-5)


def test_one_batch_is_overfitted_and_the_result_opens(tmp_path: Path) -> None:
    trainee = make_trainee()
    job = make_job(trainee)
    assert job.evaluate()["image_to_text"] < 0.8
    losses = [job.train_step(0, 3e-3) for _ in range(100)]
    assert losses[0]["loss"] > 1.5
    assert losses[-1]["loss"] < 0.01
    assert losses[-1]["found"] == 1.0
    assert job.evaluate() == {"image_to_text": 1.0, "text_to_image": 1.0}

    with job.shown():
        save_text_encoder(tmp_path / "clip", trainee, {"note": "mine"})
        expected = trainee.trained.text.token_embedding.weight.detach().clone()
    text, tokenizer = load_text_encoder(tmp_path / "clip")
    assert torch.equal(text.token_embedding.weight, expected)
    assert tokenizer.encode("red at the top") == trainee.tokenizer.encode("red at the top")
    import transformers

    peer = transformers.CLIPModel.from_pretrained(tmp_path / "clip", local_files_only=True).eval()
    batch = Squares().batch(0, range(8))
    ids = tokenizer.encode_padded(batch.captions, 12).ids
    with torch.no_grad():
        logits = peer(input_ids=ids, pixel_values=batch.pixels).logits_per_image
    assert logits.argmax(dim=1).tolist() == list(range(8))


def test_captions_of_the_same_words_count_as_found() -> None:
    trainee = make_trainee()
    batch = Squares().batch(0, [2, 2, 2])
    assert Retrieval(trainee, lambda: [batch])() == {"image_to_text": 1.0, "text_to_image": 1.0}
    assert Retrieval(trainee, list)() == {}


def test_the_text_tower_can_have_a_rate_of_its_own() -> None:
    trainee = make_trainee()
    job = make_job(trainee, learning_rate=1e-3, text_learning_rate=1e-4)
    assert [group["rate"] for group in job.learner.optimizer.param_groups] == pytest.approx([0.1, 1.0])
    owned = sum(len(group["params"]) for group in job.learner.optimizer.param_groups)
    assert owned == len(list(trainee.trained.parameters()))


def test_what_it_cannot_learn_from() -> None:
    trainee = make_trainee()
    whole = vars(Squares().batch(0, range(8)))
    for fields, message in [
        ({"pixels": None}, r"^A contrastive training needs pixels; this data gives latents\.$"),
        ({"loss_masks": torch.ones(8, 1, 2, 2)}, r"leave mask_folder and alpha_mask out\.$"),
        (
            {"pixels": torch.zeros(8, 3, 16, 24)},
            r"^The pictures are 24 x 16 pixels, the image tower reads 16 x 16; set resolution to 16 and buckets to f",
        ),
    ]:
        with pytest.raises(TrainingError, match=message):
            trainee(Batch(**(whole | fields)))
    with pytest.raises(
        TrainingError, match=r"^A contrastive training needs two pictures or more at once; accumulation"
    ):
        trainee(Squares().batch(0, [0]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocabulary": "clop"}, r'^vocabulary is "clop"\. Did you mean "clip"\?$'),
        ({"vocabulary_size": 500}, r"^vocabulary_size is 500; it must be at least 514\.$"),
        ({"image_layers": 0}, r"^image_layers is 0; it must be at least 1\.$"),
        ({"text_heads": 7}, r"^text_heads is 7; it must divide text_width, 768\.$"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_settings(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        TextEncoderSettings(**fields)


def test_sizes() -> None:
    """By default the text tower is Stable Diffusion 1's."""
    tokenizer = TextEncoderSettings().tokenizer([])
    assert tokenizer is Tokenizer.clip()
    with torch.device("meta"):
        clip = Clip(TextEncoderSettings().spec(tokenizer, 224))
    assert sum(p.numel() for p in clip.text.parameters()) == 123_060_480
    with pytest.raises(TrainingError, match=r"^patch_size is 16; it must divide the resolution, 100\.$"):
        TextEncoderSettings().spec(tokenizer, 100)


def gradients(world: World) -> dict[str, Tensor]:
    """After one step of SGD at rate 1 without momentum: what the weights lost."""
    trainee = make_trainee()
    before = {name: p.detach().clone() for name, p in trainee.trained.named_parameters()}
    job = make_job(trainee, world, optimizer="sgd", betas=(0.0, 0.0), max_grad_norm=0.0)
    job.train_step(0, 1.0)
    return {name: before[name] - full(p.detach()) for name, p in trainee.trained.named_parameters()}


def test_two_processes_contrast_all_pairs(tmp_path: Path, in_two_processes: Callable[[str, Path], None]) -> None:
    """The gradient is that of one process with the whole batch, within 1e-6 of numbers up to 1."""
    in_two_processes(__file__, tmp_path)
    alone = gradients(World())
    for strategy in ("ddp", "fsdp"):
        theirs = torch.load(tmp_path / f"{strategy}.pt", weights_only=True)
        for name, gradient in alone.items():
            assert torch.allclose(gradient, theirs[name], atol=1e-6, rtol=1e-4), (strategy, name)


if __name__ == "__main__":
    with joined() as ddp:
        for world in (ddp, replace(ddp, strategy="fsdp", smallest_block=1)):
            found = gradients(world)
            if world.main:
                torch.save(found, Path(sys.argv[1]) / f"{world.strategy}.pt")
        with pytest.raises(TrainingError, match=r"^batch_size is 7; .* on 2 processes needs a multiple of 2\.$"):
            make_trainee()(replace(Squares().batch(0, [0, 1]), global_size=7))
