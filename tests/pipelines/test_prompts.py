"""What the prompt language does to pictures, against the plain calls of encoder and network that it must come to."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.verification import repaint
from inkbloom.sampling.denoiser import Denoiser
from inkbloom.sampling.prediction import ModelDenoiser
from inkbloom.sampling.registry import find_sampler
from inkbloom.text.prompt.emphasis import original

STEPS = 4
SCALE = 7.5


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def latents(model: StableDiffusion, prompt: str, **fields) -> torch.Tensor:
    settings = {"seed": 7, "steps": STEPS, "guidance_scale": SCALE, "sampler": "Euler"} | fields
    return model.generate(prompt, **settings).latents


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def encoded(model: StableDiffusion, *chunks: str) -> torch.Tensor:
    """One chunk after the other, by the encoder alone."""
    ids = model.tokenizer.encode_padded(chunks).ids
    with torch.inference_mode():
        return model.text(ids).flatten(0, 1)[None]


class ByHand(Denoiser):
    """Guidance written out, a network call for each text: `at(n)` says which with what weights at the model call n."""

    def __init__(self, model: StableDiffusion, at) -> None:
        self.model = ModelDenoiser(model.unet, model.spec.noise_schedule.build(), model.spec.prediction)
        self.uncond = encoded(model, "")
        self.at = at
        self.calls = 0

    def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        uncond = self.model(x, sigma, self.uncond)
        guided = uncond
        for weight, cond in self.at(self.calls):
            guided = guided + weight * SCALE * (self.model(x, sigma, cond) - uncond)
        self.calls += 1
        return guided


def by_hand(model: StableDiffusion, at, sampler: str = "Euler") -> torch.Tensor:
    request = model.resolve(GenerationRequest(prompt="", seed=7, steps=STEPS, sampler=sampler))
    sigmas = model.painter.sigmas(request)
    x = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(7))[None] * sigmas[0].item()
    with torch.inference_mode():
        return find_sampler(sampler).function(ByHand(model, at), x, sigmas)


def test_weights_of_1_are_bit_for_bit_nothing(model: StableDiffusion) -> None:
    assert torch.equal(latents(model, "a (dog:1.0)"), latents(model, "a dog"))
    assert torch.equal(latents(model, "a dog # not a cat"), latents(model, "a dog"))


def test_a_plain_prompt_is_the_encoders_own_answer_bit_for_bit(model: StableDiffusion) -> None:
    request = model.resolve(GenerationRequest(prompt="a dog", negative_prompt="rain"))
    (conditions,) = model.prompts.encode([model.prompts.read(request)])
    assert torch.equal(conditions.cond.at(0).conditioning, encoded(model, "a dog"))
    assert torch.equal(conditions.uncond.at(0).conditioning, encoded(model, "rain"))


def test_emphasis(model: StableDiffusion) -> None:
    text = "a (dog:1.5)"
    plain = encoded(model, "a dog")
    weights = torch.ones(1, 77)
    weights[0, 2] = 1.5
    expected = {
        "Original": original(plain, weights),
        "No norm": plain * weights[..., None],
        "Ignore": plain,
        "None": encoded(model, text),
    }
    for emphasis, cond in expected.items():
        found = latents(model, text, emphasis=emphasis)
        assert relative(found, by_hand(model, lambda call, cond=cond: [(1.0, cond)])) < 1e-5
    empty = encoded(model, "")
    comfy = empty + (plain - empty) * weights[..., None]
    assert relative(latents(model, text, dialect="comfy"), by_hand(model, lambda call: [(1.0, comfy)])) < 1e-5
    assert torch.equal(latents(model, text, dialect="plain"), latents(model, text, emphasis="None"))
    assert relative(latents(model, text), latents(model, "a dog")) > 1e-3


def test_long_prompts_are_read_to_their_end(model: StableDiffusion) -> None:
    words = ["dog"] * 75 + ["cat"] * 75 + ["sun"] * 50
    cond = encoded(model, *(" ".join(words[start : start + 75]) for start in (0, 75, 150)))
    expected = by_hand(model, lambda call: [(1.0, cond)])
    assert relative(latents(model, " ".join(words)), expected) < 1e-5
    assert relative(latents(model, " ".join([*words[:-1], "moon"])), expected) > 1e-4
    # The negative prompt may be the longer one
    swapped = latents(model, "", negative_prompt=" ".join(words), guidance_scale=1 - SCALE)
    assert relative(swapped, expected) < 1e-4


@pytest.mark.parametrize(
    ("sampler", "prompt", "is_dog"),
    [
        # A1111 counts calls from 0 and compares them with steps from 1: the first text holds one call longer.
        ("Euler", "a [dog:cat:0.5]", [True, True, True, False]),
        ("Euler", "a [dog:cat:1]", [True, True, False, False]),
        # The first call comes before step 1, and has its option as well
        ("Euler", "a [dog|cat]", [True, True, False, True]),
        # Two calls a step, one for the last: 7 of the 8 that the schedule is made for
        ("Heun", "a [dog:cat:0.5]", [True] * 5 + [False] * 2),
        ("Heun", "a [dog:cat:3]", [True] * 4 + [False] * 3),
    ],
)
def test_prompt_editing_switches(model: StableDiffusion, sampler: str, prompt: str, is_dog: list[bool]) -> None:
    dog, cat = encoded(model, "a dog"), encoded(model, "a cat")
    expected = by_hand(model, lambda call: [(1.0, dog if is_dog[call] else cat)], sampler)
    assert relative(latents(model, prompt, sampler=sampler), expected) < 1e-5


def test_texts_of_a_schedule_may_differ_in_length(model: StableDiffusion) -> None:
    dog, cat = encoded(model, "a dog", ""), encoded(model, "a", "cat")
    expected = by_hand(model, lambda call: [(1.0, dog if call < 3 else cat)])
    assert relative(latents(model, "[a dog:a BREAK cat:2]"), expected) < 1e-5


def test_and_adds_up_the_parts(model: StableDiffusion) -> None:
    dog, cat = encoded(model, "a dog"), encoded(model, "cat")
    expected = by_hand(model, lambda call: [(1.0, dog), (-0.5, cat)])
    assert relative(latents(model, "a dog AND cat :-0.5"), expected) < 1e-5
    assert relative(latents(model, "a dog:0.3"), by_hand(model, lambda call: [(0.3, dog)])) < 1e-5


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM CFG++"])
def test_a_picture_does_not_depend_on_the_prompts_of_its_batch(model: StableDiffusion, sampler: str) -> None:
    prompts = ["a dog", "a [dog|cat]", "dog " * 80, "a dog AND a cat :0.5", "a cat AND a dog :2", "a (sun:1.3)"]
    requests = [
        model.resolve(GenerationRequest(prompt=prompt, seed=3 + i, steps=3, sampler=sampler))
        for i, prompt in enumerate(prompts)
    ]
    seen = []
    batch = model.paint(requests, on_progress=lambda p: seen.append((p.first, len(p.latents), p.num_images)))
    assert batch.requests == requests
    # What is alike in length and weights goes together
    assert list(dict.fromkeys(seen)) == [(0, 2, 6), (2, 1, 6), (3, 1, 6), (4, 1, 6), (5, 1, 6)]
    for request, latent, stages in zip(requests, batch.latents, batch.stages, strict=True):
        assert relative(latent, model.paint([request]).latents[0]) < 1e-5
        # Painted at once with as many as then, even without the others' prompts, it is the same bit for bit
        assert torch.equal(latent, repaint(model, request, stages).latents[0])


def test_each_text_is_encoded_once(model: StableDiffusion) -> None:
    encoded: list[torch.Tensor] = []
    hook = model.text.register_forward_pre_hook(lambda _, arguments: encoded.append(arguments[0]))
    try:
        for _ in range(2):
            model.generate("a [moon|star|moon]", seed=7, num_images=3, batch_size=2)
            model.generate("(a moon:1.2)", negative_prompt="a star", seed=7)
    finally:
        hook.remove()
    assert len({tuple(ids[0].tolist()) for ids in encoded}) == len(encoded) == 2


def test_threads_share_a_model(tiny_file: Path) -> None:
    prompts = ["a [dog|cat]", "[cat:dog:0.5]", "a dog AND a cat", "a (cat:1.3)", "dog " * 80]
    expected = [latents(StableDiffusion.load(tiny_file, device="cpu"), prompt) for prompt in prompts]
    shared = StableDiffusion.load(tiny_file, device="cpu")
    with ThreadPoolExecutor(4) as threads:
        for found, wanted in zip(threads.map(lambda prompt: latents(shared, prompt), prompts), expected, strict=True):
            assert torch.equal(found, wanted)


def test_the_dialect_and_clip_skip_have_encodings_of_their_own(model: StableDiffusion) -> None:
    found = [
        latents(model, "a (big dog)", **fields)
        for fields in ({}, {"dialect": "comfy"}, {"dialect": "plain"}, {"clip_skip": 2})
    ]
    assert all(relative(one, other) > 1e-4 for i, one in enumerate(found) for other in found[:i])
    assert torch.equal(latents(model, "a (big dog)"), found[0])


def test_guidance_1_needs_no_unconditional_answer_but_for_parts(model: StableDiffusion) -> None:
    rows: list[int] = []
    hook = model.unet.register_forward_pre_hook(lambda _, arguments: rows.append(len(arguments[0])))
    try:
        for prompt, count in (("a dog", 1), ("a dog AND a cat", 3), ("a dog :0.5", 2)):
            rows.clear()
            latents(model, prompt, guidance_scale=1.0, steps=1)
            assert sum(rows) == count
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a <lora:film:0.8>", 'LoRA "film" cannot be looked up without a folder of models; give one, or drop the tag.'),
        ("a <lyco:film>", 'LoRA "film" cannot be looked up without a folder of models; give one, or drop the tag.'),
        (
            "a <hypernet:old:1>",
            'Hypernetwork "old" cannot be looked up without a folder of models; give one, or drop the tag.',
        ),
        ("a (dog:1.2.3)", 'The weight in ":1.2.3)" is not a number; write for example (word:1.2).'),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_painted(
    model: StableDiffusion, prompt: str, message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        model.resolve(GenerationRequest(prompt=prompt))
    assert str(caught.value) == message


def test_tags_are_text_in_other_dialects_and_in_the_negative_prompt(model: StableDiffusion) -> None:
    tag = "<lora:film:0.8>"
    assert not torch.equal(latents(model, tag, dialect="plain"), latents(model, "", dialect="plain"))
    assert not torch.equal(latents(model, "", negative_prompt=tag), latents(model, ""))
