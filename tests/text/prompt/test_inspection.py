"""What a person is shown agrees with what the encoder is given at each step."""

import pytest
import torch

from inkbloom.text.prompt.chunks import Chunker
from inkbloom.text.prompt.conditioning import ScheduledConditioning, ScheduledPart
from inkbloom.text.prompt.inspection import TokenView, inspect
from inkbloom.text.prompt.parsing import parse
from inkbloom.text.prompt.schedule import Timeline
from inkbloom.text.tokenizer import Tokenizer

CLIP = Tokenizer.clip()
TEN = Timeline(steps=10)


def test_tokens_networks_and_embeddings():
    prompt = parse("a (cat:1.5) emb BREAK b <lora:x:1> AND dog :2", timeline=TEN)
    seen = inspect(prompt, Chunker(tokenizer=CLIP, embeddings={"emb": 1, "other": 2}))
    first, second = seen.parts
    assert first.phases[0].chunks == (
        (TokenView(320, "a", 1.0), TokenView(2368, "cat", 1.5), TokenView(0, "emb[0]", 1.0, is_embedding=True)),
        (TokenView(321, "b", 1.0),),
    )
    assert first.phases[0].num_tokens == 4
    assert (second.weight, second.phases[0].text) == (2.0, " dog")
    assert [network.name for network in seen.networks] == ["x"]
    assert seen.embeddings == ("emb",)


@pytest.mark.parametrize(
    "text",
    ["[a:b:3]", "[a|b]", "[a|b||]c", "[a:b:0]", "[a:b:9]", "[a:b:10]", "[a:[b:c:5]:2]", "x", "[a:a:3]"],
)
def test_phases_are_what_at_finds(text):
    prompt = parse(text, timeline=TEN)
    (part,) = inspect(prompt, Chunker(tokenizer=CLIP)).parts
    shown = [phase.text for phase in part.phases for _ in range(phase.first_step, phase.last_step + 1)]
    texts = list(dict.fromkeys(entry.text for entry in prompt.parts[0].schedule))
    rows = tuple((e.until_step, torch.full((1, 1, 1), texts.index(e.text))) for e in prompt.parts[0].schedule)
    scheduled = ScheduledConditioning((ScheduledPart(1.0, rows),))
    assert shown == [texts[scheduled.at(step).conditioning.item()] for step in range(10)]
    assert [phase.first_step for phase in part.phases[1:]] == [phase.last_step + 1 for phase in part.phases[:-1]]
    assert all(a.text != b.text for a, b in zip(part.phases, part.phases[1:], strict=False))
