"""Embeddings in training: what the text encoder reads, what learns, and that it learns what can be learned."""

import copy

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.training.adapters import EmbeddingSettings, EmbeddingTraining
from inkbloom.training.denoising import ConditioningSettings
from inkbloom.training.objective import Objective
from tests.training.adapters.conftest import learn, make_batch, taught


@pytest.fixture
def embedding(model: LoadedModel, objective: Objective):
    def make(words: dict[str, int], initial: dict[str, str] | None = None, seed: int = 3, chunks: int = 1):
        settings = EmbeddingSettings(trigger_words=words, initial_words=initial or {})
        return EmbeddingTraining(model, objective, settings, ConditioningSettings(caption_chunks=chunks), seed=seed)

    return make


@torch.no_grad()
def test_a_word_that_begins_as_others_reads_as_they_do(embedding) -> None:
    """To the bit, wherever it stands, in either chunk, in any case."""
    trainee = embedding({"zqcat": 2, "zqsnow": 1}, {"zqcat": "castle night", "zqsnow": "beach"}, chunks=2)
    far = "a, " * 40
    new = trainee.conditioning(["a zqcat on the zqsnow", far + "ZQCAT", "a dog"])
    typed = trainee.conditioning(["a castle night on the beach", far + "castle night", "a dog"])
    assert torch.equal(new, typed)
    assert [tuple(vectors.shape) for vectors in trainee.vectors().values()] == [(2, 64), (1, 64)]


def test_beginnings(embedding, model: LoadedModel) -> None:
    """More vectors than tokens repeat them, and differ a little; without initial words it is "*"."""
    trainee = embedding({"zqcat": 5, "zqsnow": 1}, {"zqcat": "castle night"})
    table = model.text.token_embedding.weight.detach()
    castle, night = model.tokenizer.encode("castle night")
    vectors = trainee.vectors()
    assert torch.equal(vectors["zqcat"][:2], table[[castle, night]])
    for place, token in ((2, castle), (3, night), (4, castle)):
        difference = (vectors["zqcat"][place] - table[token]).norm() / table[token].norm()
        assert 0 < difference < 0.05
    assert torch.equal(vectors["zqsnow"], table[model.tokenizer.encode("*")])
    again = embedding({"zqcat": 5}, {"zqcat": "castle night"})
    assert torch.equal(again.vectors()["zqcat"], vectors["zqcat"])


def test_what_a_teacher_knows_is_learned(embedding, model: LoadedModel, objective: Objective) -> None:
    """From "dog" to what the teacher's word does, to a fiftieth of the first loss; all else stays to the bit."""
    teacher = embedding({"zqcat": 1}, {"zqcat": "castle"})
    trainee = embedding({"zqcat": 1}, {"zqcat": "dog"})
    before = copy.deepcopy({"text": model.text.state_dict(), "unet": model.unet.state_dict()})
    losses = learn(trainee, 60, 0.1, taught(teacher, objective, (1,)), (1,))
    assert losses[-1] < 2e-2 * losses[0]
    for name, state in before.items():
        assert all(torch.equal(tensor, state[key]) for key, tensor in getattr(model, name).state_dict().items())
    assert {id(p) for p in trainee.parameters() if p.requires_grad} == {id(p) for p in trainee.trained.parameters()}
    assert [group.name for group in trainee.groups()] == ["text"]


def test_words_learn_from_their_own_examples(embedding) -> None:
    trainee = embedding({"zqcat": 1, "zqother": 1})
    trainee(make_batch()).mean().backward()
    cat, other = trainee.trained
    assert cat.grad is not None
    assert cat.grad.any()
    assert other.grad is None
    assert torch.equal(trainee.vectors()["zqother"], trainee.vectors()["zqcat"])


@pytest.mark.parametrize(
    ("words", "initial", "message"),
    [({"zqcat": 1}, {"zqcat": " "}, r'^initial_words: " " holds no token; give a word that the model knows')],
)
def test_what_is_refused(embedding, words: dict, initial: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        embedding(words, initial)
