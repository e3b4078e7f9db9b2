"""Assembly, with an encoder so plain that every number can be told: each token's vector is (id, id + 1) / 1000."""

import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt import conditioning
from inkbloom.text.prompt.chunks import Chunker
from inkbloom.text.prompt.conditioning import PromptEncoder, pad_with_empty, repeat_last
from inkbloom.text.prompt.emphasis import original, toward
from inkbloom.text.prompt.parsing import parse
from inkbloom.text.prompt.schedule import Timeline
from inkbloom.text.tokenizer import Tokenizer

CLIP = Tokenizer.clip()
TEN = Timeline(steps=10)


class PlainEncoder:
    def __init__(self):
        self.calls = []

    def __call__(self, ids, embeddings):
        assert ids.shape == (1, 77)
        self.calls.append((ids, embeddings))
        return torch.stack([ids, ids + 1], dim=-1) / 1000


def make(dialect="a1111", **settings):
    return PromptEncoder(Chunker(tokenizer=CLIP, dialect=dialect, **settings), PlainEncoder())


def raw(*texts):
    return torch.cat([make().encode(CLIP.encode_padded([text]).ids, ()) for text in texts], dim=1)


def test_a_plain_prompt():
    step = make()(parse("a cat", timeline=TEN)).at(0)
    assert step.weights == (1.0,)
    assert torch.equal(step.conditioning, raw("a cat"))


def test_chunks_follow_each_other_on_the_token_axis():
    step = make()(parse("a BREAK cat", timeline=TEN)).at(0)
    torch.testing.assert_close(step.conditioning, raw("a", "cat"), rtol=1e-6, atol=0)


def test_the_schedule_is_looked_up_as_a1111_counts():
    encoder = make()
    scheduled = encoder(parse("[a:cat:3]", timeline=TEN))
    calls = len(encoder.encode.calls)
    found = [scheduled.at(step).conditioning for step in range(12)]
    assert all(torch.allclose(rows, raw("a"), rtol=1e-6) for rows in found[:4])
    assert all(torch.allclose(rows, raw("cat"), rtol=1e-6) for rows in found[4:])
    assert len(encoder.encode.calls) == calls == 2


def test_alternation_encodes_each_text_once():
    encoder = make()
    scheduled = encoder(parse("[a|cat]", timeline=TEN))
    assert len(encoder.encode.calls) == 2
    assert torch.allclose(scheduled.at(1).conditioning, raw("a"), rtol=1e-6)
    assert torch.allclose(scheduled.at(2).conditioning, raw("cat"), rtol=1e-6)


def test_texts_of_one_schedule_get_empty_chunks():
    scheduled = make()(parse("[a:a BREAK cat:3]", timeline=TEN, emphasis="No norm"))
    assert torch.equal(scheduled.at(0).conditioning, raw("a", ""))
    assert torch.equal(scheduled.at(9).conditioning, raw("a", "cat"))


def test_original_emphasis_takes_its_mean_over_the_whole_schedule():
    scheduled = make()(parse("[a:(cat:2):3]", timeline=TEN))
    z = torch.cat([raw("a"), raw("cat")])
    weights = torch.ones(2, 77)
    weights[1, 1] = 2
    expected = original(z, weights)
    torch.testing.assert_close(scheduled.at(0).conditioning, expected[:1], rtol=1e-6, atol=0)
    torch.testing.assert_close(scheduled.at(9).conditioning, expected[1:], rtol=1e-6, atol=0)


@pytest.mark.parametrize("mode", ["None", "Ignore"])
def test_modes_without_weights(mode):
    text = "a (cat:2)"
    step = make()(parse(text, timeline=TEN, emphasis=mode)).at(0)
    assert torch.equal(step.conditioning, raw(text if mode == "None" else "a cat"))


def test_parts_of_different_length_repeat_the_last_vector():
    step = make()(parse("a BREAK cat AND dog :0.5", timeline=TEN, emphasis="No norm")).at(0)
    assert step.weights == (1.0, 0.5)
    assert torch.equal(step.conditioning[:1], raw("a", "cat"))
    assert torch.equal(step.conditioning[1:, :77], raw("dog"))
    assert torch.equal(step.conditioning[1, 77:], raw("dog")[0, -1:].expand(77, -1))


def test_comfy_goes_toward_the_empty_prompt():
    step = make("comfy")(parse("a (cat:2)", timeline=TEN, dialect="comfy")).at(0)
    weights = torch.ones(1, 77)
    weights[0, 2] = 2
    assert torch.equal(step.conditioning, toward(raw("a cat"), weights, raw("")))


def test_embeddings_reach_the_encoder():
    encoder = make(embeddings={"emb": 2})
    encoder(parse("a emb", timeline=TEN))
    ((ids, rows),) = encoder.encode.calls
    assert ids[0, :4].tolist() == [49406, 320, 0, 0]
    assert [(row.index, row.name, row.row) for row in rows] == [(2, "emb", 0), (3, "emb", 1)]


def test_encoded_chunks_are_remembered_and_forgotten(monkeypatch):
    monkeypatch.setattr(conditioning, "CACHED_CHUNKS", 2)
    encoder = make()
    for text, calls in [("a", 1), ("(a:1.5)", 1), ("cat", 2), ("a", 2), ("dog", 3), ("a", 3), ("cat", 4)]:
        encoder(parse(text, timeline=TEN))
        assert len(encoder.encode.calls) == calls, text


def test_dialects_must_agree():
    with pytest.raises(RequestError, match=r'^The prompt was read in .* "plain", the chunker is for "a1111"\.$'):
        make()(parse("a", timeline=TEN, dialect="plain"))


def test_lengths():
    short, long = raw("a"), raw("a", "cat")
    assert torch.equal(repeat_last(short, 77), short)
    assert torch.equal(repeat_last(short, 80)[:, 77:], short[:, -1:].expand(-1, 3, -1))
    assert torch.equal(pad_with_empty(short, 154, make().empty()), raw("a", ""))
    assert torch.equal(pad_with_empty(long, 154, make().empty()), long)
