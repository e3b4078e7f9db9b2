import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom import GenerationRequest, __version__
from inkbloom.families.sd1 import SD1
from inkbloom.pipelines.metadata.a1111 import infotext, parse_infotext, read_infotext
from inkbloom.pipelines.metadata.record import Metadata
from inkbloom.pipelines.upscaling.settings import HiresPass

# A1111's own way to take the last line apart.
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')

# From A1111's documentation of its parser
EXAMPLE_A = """\
girl with an artist's beret, determined, blue eyes, desert scene, computer monitors, heavy makeup, by Alphonse Mucha \
and Charlie Bowater, ((eyeshadow)), (coquettish), detailed, intricate
Negative prompt: ugly, fat, obese, chubby, (((deformed))), [blurry], bad anatomy, disfigured, poorly drawn face, \
mutation, mutated, (extra_limb), (ugly), (poorly drawn hands), messy drawing
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"""
EXAMPLE_B = """\
1girl,A superstar on stage.,, <lora:LCM_15:1>, <lora:ip-adapter-faceid-plusv2_sd15_lora:1>
Negative prompt: MajicNegative_V2,badhandv4,
Steps: 6, Sampler: LCM, Schedule type: Automatic, CFG scale: 1.5, Seed: 3748719078, Size: 768x1024, Model hash: \
19bbe9faa4, Model: fantasticmix_k2, VAE hash: 07af11b95c, VAE: vae-ft-mse-840000-ema-pruned.safetensors, Clip skip: 2, \
Lora hashes: "LCM_15: aaebf6360f7d, ip-adapter-faceid-plusv2_sd15_lora: a95a0f4bdcb9", TI hashes: "MajicNegative_V2: \
a53884ef726b, badhandv4: 5e40d722fc3d", Downcast alphas_cumprod: True, Version: v1.9.4"""
EXAMPLE_C = (
    "Steps: 25, Sampler: Euler a, CFG scale: 5, Seed: 1529354297, Size: 832x1200, Model hash: 67ab2fd8ec, Model: "
    "ponyDiffusionV6XL_v6StartWithThisOne, VAE hash: 235745af8d, VAE: sdxl_vae.safetensors, Denoising strength: 0.4, "
    "Clip skip: 2, Hires upscale: 1.5, Hires steps: 14, Hires upscaler: 4x-UltraSharp, Lora hashes: "
    '"Alien_Concept_Art: fbfb35629d0a, xl_more_art-full_v1: fe3b4816be83", Emphasis: No norm, Version: '
    "f0.0.17v1.8.0rc-latest-276-g29be1da7"
)


def read(text: str) -> Metadata:
    found = read_infotext(text)
    assert found is not None
    return found


def set_fields(found: Metadata) -> dict:
    assert found.request is not None
    return found.request.model_dump(exclude_defaults=True, exclude={"prompt", "negative_prompt"})


def text_of(**fields) -> str:
    request = GenerationRequest(**{"prompt": "a dog", "seed": 7} | fields).resolved(SD1)
    return infotext(request.model_copy(update={"model": "tiny", "model_hash": "0123456789"}))


def test_example_a() -> None:
    found = read(EXAMPLE_A)
    assert (found.program, found.warnings) == ("A1111", [])
    assert (found.prompt, f"Negative prompt: {found.negative_prompt}") == tuple(EXAMPLE_A.split("\n")[:2])
    assert set_fields(found) == {
        "steps": 20,
        "sampler": "Euler a",
        "guidance_scale": 7.0,
        "seed": 965400086,
        "width": 512,
        "height": 512,
        "noise_source": "nv",
    }


def test_example_b() -> None:
    found = read(EXAMPLE_B)
    assert found.program == "A1111 v1.9.4"
    assert found.prompt == "1girl,A superstar on stage.,, <lora:LCM_15:1>, <lora:ip-adapter-faceid-plusv2_sd15_lora:1>"
    assert found.negative_prompt == "MajicNegative_V2,badhandv4,"
    assert found.fields["TI hashes"] == "MajicNegative_V2: a53884ef726b, badhandv4: 5e40d722fc3d"
    assert set_fields(found) == {
        "steps": 6,
        "sampler": "LCM",
        "guidance_scale": 1.5,
        "seed": 3748719078,
        "width": 768,
        "height": 1024,
        "clip_skip": 2,
        "model": "fantasticmix_k2",
        "model_hash": "19bbe9faa4",
        "vae": "vae-ft-mse-840000-ema-pruned.safetensors",
        "vae_hash": "07af11b95c",
        "noise_source": "nv",
        "a1111_hashes": {
            "lora:LCM_15": "aaebf6360f7d",
            "lora:ip-adapter-faceid-plusv2_sd15_lora": "a95a0f4bdcb9",
            "embed:MajicNegative_V2": "a53884ef726b",
            "embed:badhandv4": "5e40d722fc3d",
        },
    }
    assert found.warnings == ['"Downcast alphas_cumprod: True" has no counterpart here.']


def test_example_c_is_of_forge_and_has_no_prompt() -> None:
    found = read(EXAMPLE_C)
    assert found.program == "Forge f0.0.17v1.8.0rc-latest-276-g29be1da7"
    assert (found.prompt, found.negative_prompt) == ("", "")
    assert found.fields["Lora hashes"] == "Alien_Concept_Art: fbfb35629d0a, xl_more_art-full_v1: fe3b4816be83"
    assert (found.request.width, found.request.height, found.request.clip_skip) == (832, 1200, 2)
    assert found.request.emphasis == "No norm"
    assert found.request.hires == HiresPass(scale=1.5, steps=14, upscaler="4x-UltraSharp", strength=0.4)


@pytest.mark.parametrize("text", [EXAMPLE_A, EXAMPLE_B, EXAMPLE_C])
def test_pairs_are_those_of_a1111(text: str) -> None:
    expected = dict(PAIR.findall(text.split("\n")[-1]))
    found = parse_infotext(text).pairs
    assert found == {key: json.loads(value) if value.startswith('"') else value for key, value in expected.items()}


def test_sizes_and_defaults_are_handed_on() -> None:
    values = parse_infotext("a\nSteps: 2, Size: 640x512, Seed: 3").expanded()
    assert values == {
        "Steps": "2",
        "Size": "640x512",
        "Seed": "3",
        "Size-1": "640",
        "Size-2": "512",
        "Schedule type": "Automatic",
        "Clip skip": "1",
        "RNG": "GPU",
        "Emphasis": "Original",
    }


@pytest.mark.parametrize(
    ("text", "program", "fields"),
    [
        ("cat\nSteps: 30, Size: 832x1216, Sampler: DPM++ 2M, Seed: 5, CFG rescale: 0.7, App: SD.Next, Version: cb0eb55",
         "SD.Next cb0eb55",
         {"steps": 30, "width": 832, "height": 1216, "sampler": "DPM++ 2M", "seed": 5, "guidance_rescale": 0.7,
          "noise_source": "nv"}),
        ('cat\nSteps: 8, Sampler: DPM++ 2M Karras, CFG scale: 1, Seed: 12, Size: 832x1216, Clip skip: 2, Created Date: '
         '2024-12-22T01:01:01.0222111Z, Civitai resources: [{"type":"checkpoint","modelName":"N [X], Y"}], '
         'Civitai metadata: {"remixOfId":1}', "Civitai",
         {"steps": 8, "sampler": "DPM++ 2M", "schedule": "karras", "guidance_scale": 1.0, "seed": 12, "width": 832,
          "height": 1216, "clip_skip": 2, "noise_source": "nv"}),
        ("cat\nSteps: 20, CFG scale: 7.000000, Guidance: 3.500000, Eta: 0.000000, Seed: 42, Size: 512x512, Model: "
         "sd-v1-4.ckpt, RNG: cuda, Sampler: dpm++2m karras, Version: stable-diffusion.cpp, SDCPP: "
         '{"prompt":{"positive":"cat\\nSteps: 1","negative":"dog"},"seed":42}', "stable-diffusion.cpp",
         {"steps": 20, "guidance_scale": 7.0, "seed": 42, "width": 512, "height": 512, "model": "sd-v1-4",
          "sampler": "DPM++ 2M", "schedule": "karras", "noise_source": "nv"}),
        ("cat\nSteps: 30, Sampler: Euler a, Seed: 1, Size: 64x64, CFG scale: 4, Version: Fooocus v2.5.5",
         "Fooocus v2.5.5",
         {"steps": 30, "sampler": "Euler a", "seed": 1, "width": 64, "height": 64, "guidance_scale": 4.0,
          "dialect": "comfy"}),
    ],
    ids=["SD.Next", "Civitai", "sd.cpp", "Fooocus"],
)  # fmt: skip
def test_forks(text: str, program: str, fields: dict) -> None:
    found = read(text)
    assert (found.program, found.warnings) == (program, [])
    assert set_fields(found) == fields


def test_the_json_of_stable_diffusion_cpp_holds_the_exact_prompts() -> None:
    record = json.dumps({"prompt": {"positive": "a\nNegative prompt: b", "negative": " c"}})
    found = read(f"a\nNegative prompt: b\nNegative prompt:  c\nSteps: 1, Seed: 2, RNG: cpu, SDCPP: {record}")
    assert (found.prompt, found.negative_prompt) == ("a\nNegative prompt: b", " c")
    assert found.request.noise_source == "cpu"


def test_what_cannot_be_used_is_told_and_left_out() -> None:
    found = read(
        "cat\nSteps: none, Sampler: Heun Plus, CFG scale: nan, Seed: 7, Size: 500x500, Eta: 0.5, Clip skip: 99"
    )
    assert set_fields(found) == {"seed": 7, "noise_source": "nv"}
    assert found.warnings == [
        'Unknown sampler "Heun Plus". Did you mean "Heun"? It is left out.',
        "steps 'none': must be a whole number from 1 to 10000. It is left out.",
        "guidance_scale 'nan': must be a finite number. It is left out.",
        "width '500': must be a whole number from 64 to 8192 divisible by 8. It is left out.",
        "height '500': must be a whole number from 64 to 8192 divisible by 8. It is left out.",
        "clip_skip '99': must be a whole number from 1 to 64. It is left out.",
        "eta 0.5: sampler (unknown) has no such option. It is left out.",
    ]


def test_a_schedule_against_the_one_in_the_name() -> None:
    found = read("cat\nSteps: 5, Sampler: DPM++ 2M Karras, Schedule type: Exponential, Seed: 7")
    assert (found.request.sampler, found.request.schedule) == ("DPM++ 2M", "karras")
    assert found.warnings == [
        'sampler "DPM++ 2M Karras" names its schedule, but schedule is "exponential". It is left out.'
    ]


def test_many_unknown_keys_are_told_in_few_lines() -> None:
    found = read("cat\n" + ", ".join(f"Key {i}: x" for i in range(1000)))
    assert (len(found.fields), len(found.warnings)) == (1000, 51)
    assert found.warnings[-1] == "And 950 more like these."


def test_numbers_of_any_length() -> None:
    long = "9" * 5000
    found = read(
        f"cat\nSteps: {long}, Seed: {long}, Clip skip: {long}, Size: {long}x1, Eta: {long}, CFG scale: 1{long}"
    )
    assert set_fields(found) == {"noise_source": "nv"}
    assert len(found.warnings) == 5
    assert max(map(len, found.warnings)) <= 200


def test_options_of_samplers() -> None:
    found = read("cat\nSteps: 5, Sampler: Euler, Seed: 7, Sigma churn: 10, Sigma noise: 1.1, Eta: 0.3")
    assert found.request.sampler_options == {"s_churn": 10.0, "s_noise": 1.1}
    assert found.warnings == ["eta 0.3: sampler Euler has no such option. It is left out."]


def test_other_texts_are_not_its() -> None:
    for text in ("", "a dog", "a dog\nSteps: 20, Sampler: Euler", "Canon EOS: 5D"):
        assert read_infotext(text) is None


def test_a_fake_line_in_the_prompt_is_a_part_of_it() -> None:
    fake = "Steps: 1, Sampler: Heun, CFG scale: 1, Seed: 1"
    found = read(text_of(prompt=f"a dog\n{fake}", negative_prompt=fake))
    assert (found.prompt, found.negative_prompt) == (f"a dog\n{fake}", fake)
    assert (found.request.steps, found.request.seed) == (50, 7)


def test_the_order_and_spelling_of_a1111() -> None:
    text = text_of(
        prompt="a dog,\nrunning",
        negative_prompt="rain",
        sampler="DPM++ 2M",
        steps=20,
        guidance_scale=7.0,
        clip_skip=2,
        eta_noise_seed_delta=31337,
        sigma_max=14.0,
    )
    assert text.split("\n") == [
        "a dog,",
        "running",
        "Negative prompt: rain",
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 512x512, "
        "Model hash: 0123456789, Model: tiny, Clip skip: 2, ENSD: 31337, RNG: CPU, Schedule max sigma: 14, "
        f'Version: inkbloom {__version__}, Hashes: {{"model": "0123456789"}}',
    ]


def test_what_is_usual_is_left_out() -> None:
    assert text_of() == (
        "a dog\nSteps: 50, Sampler: DDIM, Schedule type: Leading, CFG scale: 7.5, Seed: 7, Size: 512x512, Model hash: "
        f'0123456789, Model: tiny, RNG: CPU, Version: inkbloom {__version__}, Hashes: {{"model": "0123456789"}}'
    )


@pytest.mark.parametrize(
    ("fields", "pair"),
    [
        ({"sampler": "DDIM", "sampler_options": {"eta": 0.5}}, "Eta DDIM: 0.5"),
        ({"sampler": "Euler a", "sampler_options": {"eta": 0.25}}, "Eta: 0.25"),
        ({"sampler": "Euler", "sampler_options": {"s_churn": 10, "s_noise": 1.1}}, "Sigma churn: 10, Sigma noise: 1.1"),
        ({"noise_source": "nv"}, "RNG: NV"),
        ({"emphasis": "No norm", "negative_prompt": "(rain)"}, "RNG: CPU, Emphasis: No norm"),
        ({"a1111_hashes": {"lora:a b": "aaebf6360f7d", "embed:x": "a53884ef726b", "lora:c": "a95a0f4bdcb9"}},
         'RNG: CPU, Lora hashes: "a b: aaebf6360f7d, c: a95a0f4bdcb9", TI hashes: "x: a53884ef726b"'),
        ({"sampler": "Euler Karras", "sigma_min": 0.1, "sigma_max": 10.0, "rho": 5.0},
         "Schedule min sigma: 0.1, Schedule max sigma: 10, Schedule rho: 5"),
    ],
)  # fmt: skip
def test_what_we_write_we_read(fields: dict, pair: str) -> None:
    text = text_of(**fields)
    assert f", {pair}, Version: " in text
    found = read(text)
    assert (found.program, found.warnings) == (f"inkbloom {__version__}", [])
    for name, value in (
        GenerationRequest(prompt="", **fields).model_dump(exclude_defaults=True, exclude={"prompt"}).items()
    ):
        assert getattr(found.request, name) == value


def test_values_with_marks_are_quoted_and_read_back_as_a1111_does() -> None:
    request = GenerationRequest(prompt="a dog", seed=7).resolved(SD1)
    text = infotext(request.model_copy(update={"model": 'my: "best", model'}))
    assert json.loads(dict(PAIR.findall(text.split("\n")[-1]))["Model"]) == 'my: "best", model'
    assert parse_infotext(text).pairs["Model"] == 'my: "best", model'


def test_the_order_of_what_prompts_name() -> None:
    text = text_of(
        prompt="(a dog)",
        sampler="Euler a Karras",
        sampler_options={"eta": 0.5},
        emphasis="No norm",
        rho=5.0,
        clip_skip=2,
        a1111_hashes={"lora:LCM_15": "aaebf6360f7d", "embed:badhandv4": "5e40d722fc3d"},
        network_hashes={"lora:LCM_15": "21895f3ba9", "embed:badhandv4": "5e40d722fc"},
    )
    assert text.split("\n")[1] == (
        "Steps: 50, Sampler: Euler a, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 512x512, "
        'Model hash: 0123456789, Model: tiny, Clip skip: 2, RNG: CPU, Lora hashes: "LCM_15: aaebf6360f7d", '
        'TI hashes: "badhandv4: 5e40d722fc3d", Emphasis: No norm, Schedule rho: 5, Eta: 0.5, '
        f"Version: inkbloom {__version__}, "
        'Hashes: {"model": "0123456789", "lora:LCM_15": "21895f3ba9", "embed:badhandv4": "5e40d722fc"}'
    )


def test_a_hypernetwork_of_the_first_year_becomes_a_tag() -> None:
    line = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Hypernet: anime(3f5c)"
    found = read(f"a cat\n{line}, Hypernet hash: 3f5c, Hypernet strength: 0.6")
    assert (found.request.prompt, found.warnings) == ("a cat <hypernet:anime(3f5c):0.6>", [])
    assert read(f"a cat\n{line}").prompt == "a cat <hypernet:anime(3f5c):1>"
    found = read('a cat\nSteps: 2, Sampler: LMS, Seed: 1, Hypernet: "a:b"')
    assert (found.prompt, found.warnings) == ("a cat", ["The hypernet a:b cannot stand in a prompt, and is left out."])


def test_fooocus_keeps_its_loras_beside_the_prompt() -> None:
    weights = ", ".join(f"lora{i}: 0.5" for i in range(60))
    found = read('a cat\nSteps: 2, Sampler: LMS, Seed: 1, Lora weights: "ink: 0.1, x: 0", Version: Fooocus v2.5.5')
    assert (found.prompt, found.request.dialect) == ("a cat <lora:ink:0.1>", "comfy")
    found = read(f'a cat\nSteps: 2, Sampler: LMS, Seed: 1, Lora weights: "{weights}", Version: Fooocus v2.5.5')
    assert (found.prompt.count("<lora:"), len(found.warnings)) == (50, 10)


def test_sharing_sites_find_the_hash() -> None:
    assert json.loads(parse_infotext(text_of()).pairs["Hashes"]) == {"model": "0123456789"}


LINES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40).map(str.strip)


@given(lines=st.lists(LINES.filter(lambda line: line and not line.startswith("Negative prompt:")), max_size=4))
def test_prompts_of_plain_lines_survive_in_the_text(lines: list[str]) -> None:
    found = read(text_of(prompt="\n".join(lines), negative_prompt="a cat"))
    assert (found.prompt, found.negative_prompt) == ("\n".join(lines), "a cat")


@given(st.text(st.sampled_from('aS:, "\\\n-/x1{}[]é'), max_size=60), st.booleans())
def test_any_text_can_be_read(text: str, with_pairs: bool) -> None:
    read_infotext(f"{text}\nSteps: 1, Seed: {text}, Size: 1x1, {text}" if with_pairs else text)


@pytest.mark.parametrize("unit", ["word ", "ab: ", 'ab: "', 'ab: "x', "ab: {", "Hashes: [", '\\"', "\n", "-", ",", "("])
def test_ten_megabytes_take_no_long_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    parse_infotext(text)
    assert time.process_time() - started < 10  # linear: a second or two; quadratic would take hours
