import pytest

from inkbloom.apps.api.a1111.fields import Img2Img, Txt2Img
from inkbloom.apps.api.a1111.options import DEFAULTS
from inkbloom.apps.api.a1111.translating import generation_request, to_request
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.upscaling.settings import HiresPass

INFOTEXT = """a cat, blue
Negative prompt: dog
Steps: 6, Sampler: LCM, CFG scale: 1.5, Seed: 374, Size: 768x1024, Clip skip: 2, Version: v1.9.4"""


def translated(body, **settings):
    return to_request(generation_request(body, {**DEFAULTS, **settings}, lambda text: f"upload:{text}"))


def test_defaults_are_those_of_a1111s_api_and_not_of_its_page():
    request = translated(Txt2Img(prompt="a cat"))
    assert (request.steps, request.sampler, request.guidance_scale, request.seed) == (50, "Euler", 7.0, -1)
    assert (request.width, request.height, request.num_images, request.schedule) == (512, 512, 1, None)
    assert (request.noise_source, request.emphasis, request.clip_skip) == ("nv", "Original", 1)
    edited = translated(Img2Img(prompt="a cat", init_images=["a"], mask="b"))
    assert (edited.strength, edited.masked_content, edited.inpaint_area) == (0.75, "fill", "masked")
    assert (edited.inpaint_padding, edited.mask_blur, edited.mask_soft) == (0, 4, False)


def test_pictures_are_stored_and_named():
    request = translated(Img2Img(init_images=["a"], mask="b", inpainting_mask_invert=1, mask_blur=7, mask_round=False))
    assert request.init_image is not None
    assert request.mask_image is not None
    assert (request.init_image.path, request.mask_image.path) == ("upload:a", "upload:b")
    assert (request.mask_invert, request.mask_blur, request.mask_soft) == (True, 7, True)


@pytest.mark.parametrize(("number", "mode"), [(0, "stretch"), (1, "crop"), (2, "fill"), (3, "latent")])
def test_resize_modes_by_number(number, mode):
    assert translated(Img2Img(init_images=["a"], resize_mode=number)).resize_mode == mode


def test_batches_are_pictures_in_all():
    request = translated(Txt2Img(batch_size=3, n_iter=2))
    assert (request.num_images, request.batch_size) == (6, 3)


def test_samplers_with_the_schedule_in_their_name_or_beside_it():
    assert translated(Txt2Img(sampler_name="DPM++ 2M Karras")).schedule == "karras"
    assert translated(Txt2Img(sampler_name="DPM++ 2M", scheduler="Karras")).schedule == "karras"
    assert translated(Txt2Img(sampler_index="Heun", scheduler="Automatic")).sampler == "Heun"


def test_options_of_samplers_that_have_none_are_left_out():
    assert translated(Txt2Img(sampler_name="Euler a", eta=0.5, s_churn=1.0)).sampler_options == {"eta": 0.5}


def test_a_largest_sigma_of_0_is_none():
    churned = translated(Txt2Img(sampler_name="Euler", s_churn=1.0, s_tmin=0, s_tmax=0)).sampler_options
    assert churned == {"s_churn": 1.0, "s_tmin": 0}
    assert translated(Txt2Img(sampler_name="Euler", s_tmax=9)).sampler_options == {"s_tmax": 9}


def test_variations_and_resized_seeds():
    request = translated(Txt2Img(subseed=5, subseed_strength=0.3, seed_resize_from_w=256, seed_resize_from_h=320))
    assert (request.variation_seed, request.variation_strength) == (5, 0.3)
    assert (request.seed_width, request.seed_height) == (256, 320)


def test_a_second_pass():
    body = Txt2Img(enable_hr=True, hr_second_pass_steps=9, hr_sampler_name="Heun", denoising_strength=0.5)
    assert translated(body).hires == HiresPass(scale=2.0, upscaler="Latent", steps=9, strength=0.5, sampler="Heun")
    resized = translated(Txt2Img(enable_hr=True, hr_resize_x=1024, hr_upscaler="Lanczos")).hires
    assert resized is not None
    assert (resized.width, resized.height, resized.upscaler, resized.strength) == (1024, None, "Lanczos", 0.75)
    old = translated(Txt2Img(enable_hr=True, firstphase_width=256, firstphase_height=192, width=512, height=384))
    assert (old.width, old.height) == (256, 192)
    assert old.hires is not None
    assert (old.hires.width, old.hires.height) == (512, 384)


def test_settings_of_the_request():
    request = translated(
        Txt2Img(), CLIP_stop_at_last_layers=2, randn_source="CPU", eta_noise_seed_delta=31337, emphasis="No norm"
    )
    assert (request.clip_skip, request.noise_source, request.eta_noise_seed_delta) == (2, "cpu", 31337)
    assert request.emphasis == "No norm"
    assert translated(Txt2Img(), sd_vae="nice.safetensors").vae == "nice.safetensors"
    assert translated(Txt2Img(), sd_vae="None").vae is None
    assert translated(Img2Img(init_images=["a"]), img2img_fix_steps=True).step_rule == "exact"


def test_an_infotext_fills_what_is_not_given():
    request = translated(Txt2Img(infotext=INFOTEXT, steps=9))
    assert (request.prompt, request.negative_prompt, request.steps) == ("a cat, blue", "dog", 9)
    assert (request.sampler, request.guidance_scale, request.seed) == ("LCM", 1.5, 374)
    assert (request.width, request.height) == (768, 1024)


def test_control_units_come_with_the_request():
    scripts = {"ControlNet": {"args": [{"module": "reference_only"}]}}
    (made,) = translated(Img2Img(init_images=["a"], alwayson_scripts=scripts)).controls
    assert (made.image.path, made.model, made.preprocessor) == ("upload:a", "reference_only", "none")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Txt2Img(restore_faces=True), "restore_faces: faces are restored in the extras"),
        (Txt2Img(refiner_checkpoint="xl"), "refiner_checkpoint: there are no refiners"),
        (Txt2Img(s_min_uncond=1.0), "s_min_uncond: steps without guidance"),
        (Txt2Img(script_name="x/y/z plot"), 'script_name "x/y/z plot": scripts are not run here'),
        (Txt2Img(alwayson_scripts={"ADetailer": {}}), 'alwayson_scripts: there is no script "ADetailer"'),
        (Txt2Img(firstpass_image="a"), "firstpass_image: the second pass begins with what the first one painted"),
        (Img2Img(init_images=["a"], latent_mask="b"), "latent_mask: a mask is given in pixels"),
        (Txt2Img(hr_checkpoint_name="other", enable_hr=True), "hr_checkpoint_name: the second pass"),
        (Img2Img(), "init_images: give the picture to start from"),
        (Img2Img(init_images=["a", "b"]), "init_images: 2 were given"),
        (Img2Img(init_images=["a"], mask="b", mask_blur_x=1), "mask_blur_x and mask_blur_y"),
        (Txt2Img(sampler_name="Eular"), 'Did you mean "Euler"'),
        (Txt2Img(width=63), "width 63: must be a whole number from 64"),
        (Txt2Img(cfg_scale=float("inf")), "cfg_scale inf: must be a finite number"),
        (Txt2Img(infotext="nothing of the kind"), "infotext: it says no prompt"),
    ],
)
def test_what_cannot_be_done_is_said_by_a1111s_names(body, message):
    with pytest.raises(RequestError) as caught:
        translated(body)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
