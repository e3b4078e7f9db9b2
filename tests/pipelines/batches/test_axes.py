import pytest

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.axes import Setting, axis_names, read_axis
from inkbloom.pipelines.batches.jobs import Job
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.text.prompt.styles import Style

PROMPT = "a red cat and a big red dog"
SETTING = Setting(prompt=PROMPT, styles={"ink": Style("ink", "ink of {prompt}", "photo")})


def jobs(axis: str, **fields) -> list[Job]:
    base = Job(request=GenerationRequest(prompt=PROMPT, **fields))
    return [value.change(base) for value in read_axis(axis, SETTING).values]


@pytest.mark.parametrize(
    ("axis", "field", "values"),
    [
        ("Steps: 10-30 (+10)", "steps", [10, 20, 30]),
        ("cfg scale: 1, 7.5", "guidance_scale", [1, 7.5]),
        ("Seed: 3", "seed", [3]),
        ("Var. strength: 0-1 [3]", "variation_strength", [0, 0.5, 1]),
        ("Sampler: Euler a, DPM++ 2M", "sampler", ["Euler a", "DPM++ 2M"]),
        ("Schedule type: Karras", "schedule", ["karras"]),
        ("Denoising: 0.5", "strength", [0.5]),
        ("RNG source: NV, cpu", "noise_source", ["nv", "cpu"]),
        ("mask_invert: true, False", "mask_invert", [True, False]),
        ("masked content: fill", "masked_content", ["fill"]),
        ("Negative prompt: \"rain, snow\", fog", "negative_prompt", ["rain, snow", "fog"]),
        ("Prompt S/R: red, blue", "prompt", [PROMPT, PROMPT.replace("red", "blue")]),
        ("Styles: None, ink", "prompt", [PROMPT, f"ink of {PROMPT}"]),
        (
            "Prompt order: red cat, dog",
            "prompt",
            ["a red cat and a big red dog", "a dog and a big red red cat"],
        ),
    ],
)  # fmt: skip
def test_an_axis_changes_its_field(axis: str, field: str, values: list) -> None:
    assert [getattr(job.request, field) for job in jobs(axis)] == values


def test_options_of_samplers_stand_beside_those_that_are_there() -> None:
    (job,) = jobs("Sigma Churn: 0.5", sampler_options={"s_noise": 1.1})
    assert job.request.sampler_options == {"s_noise": 1.1, "s_churn": 0.5}


def test_models_and_sizes() -> None:
    assert [job.checkpoint for job in jobs("Checkpoint name: a.ckpt, b")] == ["a.ckpt", "b"]
    assert [job.vae for job in jobs("VAE: None, c.pt")] == [None, "c.pt"]
    assert [(job.request.width, job.request.height) for job in jobs("Size: 64x128")] == [(64, 128)]


def test_the_second_pass() -> None:
    hires = {"hires": {"scale": 2}}
    assert [job.request.hires and job.request.hires.steps for job in jobs("Hires steps: 3, 4", **hires)] == [3, 4]
    assert [job.request.hires and job.request.hires.strength for job in jobs("Denoising: 0.4", **hires)] == [0.4]
    (job,) = jobs("Hires upscaler: Latent (nearest)", **hires)
    assert job.request.hires
    assert (job.request.hires.upscaler, job.request.hires.scale, job.request.strength) == ("Latent (nearest)", 2, None)
    with pytest.raises(RequestError, match="there is no second pass to change; ask for one, as by --hires-scale 2"):
        jobs("Hires steps: 3")


def test_the_negative_prompt_is_searched_too() -> None:
    setting = Setting(prompt="a cat", negative_prompt="rain")
    _, second = read_axis("Prompt S/R: rain, snow", setting).values
    request = second.change(Job(request=GenerationRequest(prompt="a cat", negative_prompt="rain"))).request
    assert (request.prompt, request.negative_prompt) == ("a cat", "snow")


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("Stps: 1", 'Unknown axis "Stps". Did you mean "Steps" or "Styles"'),
        ("Steps", 'The axis "Steps" must be NAME: VALUES, such as "Steps: 10-30 (+10)".'),
        ("Steps:", 'Axis "Steps" has no values; give some, as in "Steps: a, b".'),
        ("Steps: ten", 'Axis "Steps": "ten" is no whole number, nor a range such as 10-30 (+10) or 1-10 [5].'),
        ("Sampler: Eulr", 'Axis "Sampler": Unknown sampler "Eulr". Did you mean'),
        ("FP8 mode: Enable", 'There is no axis "FP8 mode" here: weights are never stored in 8 bits.'),
        ("Prompt S/R: fox, cat", '"fox", the first value, is not in the prompt, so there is nothing to replace.'),
        ("Prompt order: cat, fox", '"fox" is not in the prompt, so it has no place to change.'),
        ("RNG source: GPU", '"GPU" is no value of it.'),
        ("Size: big", '"big" is no size such as 512x768, width first.'),
        ("Styles: inc", 'Unknown style "inc". Did you mean "ink"?'),
    ],
)
def test_what_is_no_axis_is_told(axis: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        read_axis(axis, SETTING)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_axis_of_a1111_is_known_or_refused_with_a_reason() -> None:
    listed = """Nothing, Seed, Var. seed, Var. strength, Steps, Hires steps, CFG Scale, Image CFG Scale, Prompt S/R,
        Prompt order, Sampler, Hires sampler, Checkpoint name, Negative Guidance minimum sigma, Sigma Churn, Sigma min,
        Sigma max, Sigma noise, Schedule type, Schedule min sigma, Schedule max sigma, Schedule rho,
        Beta schedule alpha, Beta schedule beta, Eta, Clip skip, Denoising, Initial noise multiplier, Extra noise,
        Hires upscaler, Cond. Image Mask Weight, VAE, Styles, UniPC Order, Face restore, Token merging ratio,
        Token merging ratio high-res, Always discard next-to-last sigma, SGM noise multiplier, Refiner checkpoint,
        Refiner switch at, RNG source, FP8 mode, Size"""
    for name in (name.strip() for name in listed.split(",")):
        if name not in axis_names():
            with pytest.raises(RequestError, match=r'There is no axis ".*" here: \w+'):
                read_axis(f"{name}: 1", SETTING)
