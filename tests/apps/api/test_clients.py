"""Programs written for A1111's and OpenAI's servers, unchanged, against ours: two libraries, and what others send."""

import asyncio
import base64
import io
import threading
import time

import httpx
import openai
import pytest
import torch
import webuiapi
from PIL import Image, ImageChops
from safetensors.torch import save_file

USER, PASSWORD, TOKEN = "painter", "ink", "a-long-token"
SMALL = {"width": 64, "height": 64}
SECONDS = 120


@pytest.fixture(scope="module")
def server(start_studio, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for kind in ("loras", "embeddings"):
        (models / kind).mkdir()
    said = {"ss_output_name": "Fog", "ss_tag_frequency": '{"fog": {"fog": 8}}'}
    save_file({"lora_unet_x.alpha": torch.zeros(1)}, models / "loras" / "fog-v1.safetensors", said)
    save_file({"emb_params": torch.zeros(3, 128)}, models / "embeddings" / "calm.safetensors")
    (models / "embeddings" / "broken.safetensors").write_bytes(b"no tensors")
    options = ("--api-auth", f"{USER}:{PASSWORD}", "--token", TOKEN, "--models-dir", str(models))
    running = start_studio(tmp_path_factory.mktemp("studio") / "data", *options)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(server):
    url = httpx.URL(server.url)
    api = webuiapi.WebUIApi(host=url.host, port=url.port, steps=2, username=USER, password=PASSWORD)
    yield api
    api.session.close()


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, auth=(USER, PASSWORD), timeout=SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def oai(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client:
        yield client


def scene(hole=None) -> Image.Image:
    """Blue with a white square, and transparent in `hole`."""
    picture = Image.new("RGBA", (64, 64), "blue")
    picture.paste("white", (20, 20, 44, 44))
    if hole:
        picture.paste((0, 0, 0, 0), hole)
    return picture


def png(picture: Image.Image) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()


def b64(picture: Image.Image) -> str:
    return base64.b64encode(png(picture)).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def left_half() -> Image.Image:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    return mask


class TestWebuiapi:
    def test_txt2img(self, api):
        made = api.txt2img(prompt="a cat", negative_prompt="a dog", seed=7, cfg_scale=4, styles=["None"], **SMALL)
        assert made.image.size == (64, 64)
        assert made.info["all_seeds"] == [7]
        assert made.info["infotexts"] == [made.image.text["parameters"]]
        assert (made.parameters["steps"], made.parameters["sampler_name"]) == (2, "Euler a")
        again = api.png_info(made.image)
        assert again.info == made.image.text["parameters"]
        assert (again.parameters["Sampler"], again.parameters["Size-1"]) == ("Euler a", "64")

    @pytest.mark.filterwarnings("ignore:BasicAuth is deprecated", "ignore:The 'auth' parameter")  # in the client
    def test_txt2img_without_blocking(self, api):
        async def both():
            asked = [api.txt2img(prompt="a cat", seed=seed, use_async=True, **SMALL) for seed in (1, 2)]
            return await asyncio.gather(*asked)

        assert [made.info["seed"] for made in asyncio.run(both())] == [1, 2]

    def test_grids_come_where_pictures_are_saved(self, api):
        asked = {"prompt": "a cat", "seed": 7, "batch_size": 2, **SMALL}
        assert [one.size for one in api.txt2img(**asked).images] == [(64, 64)] * 2
        saved = api.txt2img(save_images=True, **asked)
        assert [one.size for one in saved.images] == [(134, 68), (64, 64), (64, 64)]
        assert saved.info["index_of_first_image"] == 1
        assert api.txt2img(send_images=False, **asked).images == []

    @pytest.mark.parametrize("upscaler", [webuiapi.HiResUpscaler.Latent, webuiapi.HiResUpscaler.Lanczos])
    def test_a_second_pass(self, api, upscaler):
        made = api.txt2img(prompt="a cat", enable_hr=True, hr_scale=1.5, hr_upscaler=upscaler, **SMALL)
        assert made.image.size == (96, 96)
        assert f"Hires upscaler: {upscaler.value}" in made.info["infotexts"][0]

    def test_img2img_with_a_mask(self, api):
        source = scene().convert("RGB")
        made = api.img2img(
            images=[source], mask_image=left_half(), mask_blur=0, inpaint_full_res=False, prompt="a cat", **SMALL
        )
        difference = ImageChops.difference(made.image.convert("RGB"), source)
        assert difference.crop((32, 0, 64, 64)).getbbox() is None
        assert difference.crop((0, 0, 32, 64)).getbbox() is not None
        assert made.parameters["init_images"] is None
        kept = api.img2img(images=[source], include_init_images=True, denoising_strength=0.5, **SMALL)
        assert kept.parameters["init_images"] == [webuiapi.b64_img(source)]

    def test_extras(self, api):
        one = api.extra_single_image(scene(), upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5)
        assert one.image.size == (96, 96)
        many = api.extra_batch_images([scene(), scene()], upscaler_1="Nearest", upscaling_resize=2)
        assert [image.size for image in many.images] == [(128, 128)] * 2

    def test_control_units(self, api):
        assert api.controlnet_version() >= 2
        assert "canny" in api.controlnet_module_list()
        (model,) = api.controlnet_model_list()
        assert model == "starter-canny"
        (edges,) = api.controlnet_detect([scene()], module="canny").images
        assert edges.convert("L").getextrema() == (0, 255)
        (inverted,) = api.controlnet_detect([scene()], module="invert").images  # it has no thresholds; 64 is sent
        assert inverted.convert("RGB").getpixel((0, 0)) == (255, 255, 0)
        unit = webuiapi.ControlNetUnit(image=scene(), module="canny", model=model, resize_mode="Just Resize")
        lines = webuiapi.ControlNetUnit(module="invert", model=model)  # it reads the picture that is begun with

        def asked(*units):
            # Dictionaries of its own: the client keeps units in the one that is its default
            return {"prompt": "a cat", "seed": 7, "controlnet_units": units, "alwayson_scripts": {}, **SMALL}

        steered = api.txt2img(**asked(unit))
        assert "Module: canny, Model: starter-canny" in steered.info["infotexts"][0]
        assert ImageChops.difference(steered.image, api.txt2img(**asked()).image).getbbox() is not None
        assert len(api.img2img(images=[scene()], **asked(lines)).images) == 1

    def test_lists(self, api):
        assert {"Euler a", "DPM++ 2M"} <= set(api.util_get_sampler_names())
        assert {"automatic", "karras"} <= set(api.util_get_scheduler_names())
        assert api.util_get_model_names() == ["starter"]
        assert api.refresh_checkpoints() is None
        assert {"None", "Lanczos"} <= {one["name"] for one in api.get_upscalers()}
        assert api.get_latent_upscale_modes()[0] == {"name": "Latent"}
        (lora,) = api.get_loras()
        assert lora == {
            "name": "fog-v1",
            "alias": "Fog",
            "path": "fog-v1.safetensors",
            "metadata": {"ss_output_name": "Fog", "ss_tag_frequency": {"fog": {"fog": 8}}},
        }
        embeddings = api.get_embeddings()
        assert (embeddings["loaded"]["calm"]["vectors"], embeddings["loaded"]["calm"]["shape"]) == (3, 128)
        assert list(embeddings["skipped"]) == ["broken"]
        assert api.get_memory()["ram"]["total"] > 0
        for listed in (api.get_sd_vae, api.get_hypernetworks, api.get_face_restorers, api.get_realesrgan_models):
            assert listed() == []
        assert api.get_prompt_styles() == []
        assert api.get_cmd_flags()["api"] is True
        assert "controlnet" in api.get_scripts()["txt2img"]

    def test_options(self, api, capsys):
        assert api.set_options({"CLIP_stop_at_last_layers": 2, "a_setting_of_another_version": 1}) is None
        assert api.get_options()["CLIP_stop_at_last_layers"] == 2
        api.set_options({"CLIP_stop_at_last_layers": 1})
        api.util_set_model("Starter")
        assert api.util_get_current_model() == "starter"
        assert "model changed to starter" in capsys.readouterr().out

    def test_progress_rises_until_it_is_interrupted(self, api, http):
        task = {"prompt": "a cat", "steps": 40, "n_iter": 3, "force_task_id": "task(x)", **SMALL}
        answers = []
        painting = threading.Thread(target=lambda: answers.append(http.post("/sdapi/v1/txt2img", json=task)))
        painting.start()
        url = f"{api.baseurl.partition('/sdapi')[0]}/internal/progress"
        seen, told = [], {}
        end = time.monotonic() + SECONDS
        while (not seen or seen[-1] < 0.05 or told["live_preview"] is None) and time.monotonic() < end:
            at, told = api.get_progress(), api.session.post(url, json={"id_task": "task(x)"}).json()
            if at["state"]["sampling_steps"]:
                seen.append(at["progress"])
            time.sleep(0.02)
        assert api.interrupt() == {}
        painting.join(SECONDS)
        assert seen == sorted(seen)
        assert 0.05 <= seen[-1] < 1
        assert at["state"]["job_count"] == 3
        assert (told["active"], told["queued"], told["completed"]) == (True, False, False)
        assert opened(at["current_image"]).size == (64, 64)
        assert opened(told["live_preview"].partition(",")[2]).size == (64, 64)
        assert answers[0].status_code == 200
        assert len(answers[0].json()["images"]) < 3
        api.util_wait_for_ready(check_interval=0.05)

    def test_skipping_leaves_one_out(self, api, http):
        task = {"prompt": "a cat", "seed": 7, "steps": 40, "n_iter": 2, **SMALL}
        answers = []
        painting = threading.Thread(target=lambda: answers.append(http.post("/sdapi/v1/txt2img", json=task)))
        painting.start()
        end = time.monotonic() + SECONDS
        while not api.get_progress()["state"]["sampling_step"] and time.monotonic() < end:
            time.sleep(0.01)
        assert api.skip() is None
        painting.join(SECONDS)
        assert len(answers[0].json()["images"]) == 1
        assert '"all_seeds": [8]' in answers[0].json()["info"]

    def test_errors_say_why(self, api):
        with pytest.raises(RuntimeError) as caught:
            api.txt2img(sampler_name="Eular", **SMALL)
        assert caught.value.args[0] == 422
        assert 'Did you mean \\"Euler\\"' in caught.value.args[1]
        with pytest.raises(RuntimeError, match="Pictures are not described here"):
            api.interrogate(scene())

    def test_who_has_no_password_is_not_let_in(self, server):
        url = httpx.URL(server.url)
        stranger = webuiapi.WebUIApi(host=url.host, port=url.port)
        with pytest.raises(RuntimeError, match="401"):
            stranger.txt2img(prompt="a cat", **SMALL)
        stranger.session.close()


class TestOpenAI:
    @pytest.mark.parametrize("model", ["dall-e-3", "gpt-image-2", "starter"])
    def test_generate(self, oai, model):
        made = oai.images.generate(prompt="a cat", model=model, size="64x64", quality="high", extra_body={"steps": 2})
        assert opened(made.data[0].b64_json).size == (64, 64)

    def test_generate_with_addresses(self, oai, server):
        made = oai.images.generate(
            prompt="a cat", n=2, size="64x64", response_format="url", style=None, user="me", extra_body={"steps": 2}
        )
        for one in made.data:
            file = httpx.get(one.url, headers={"Authorization": f"Bearer {TOKEN}"})
            assert Image.open(io.BytesIO(file.content)).size == (64, 64)

    @pytest.mark.parametrize("several", [False, True])
    def test_edit(self, oai, several):
        image = png(scene(hole=(0, 0, 16, 64)))
        made = oai.images.edit(image=[image] if several else image, prompt="a cat", extra_body={"steps": 2, "seed": 7})
        picture = opened(made.data[0].b64_json).convert("RGB")
        assert picture.getpixel((32, 32)) == (255, 255, 255)
        assert picture.getpixel((4, 32)) != (0, 0, 0)

    @pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # at OpenAI; not here
    def test_create_variation(self, oai):
        made = oai.images.create_variation(image=png(scene()), n=2, extra_body={"steps": 2})
        assert [opened(one.b64_json).size for one in made.data] == [(64, 64)] * 2

    def test_models(self, oai):
        assert [one.id for one in oai.models.list()] == ["starter"]
        assert oai.models.retrieve("starter").owned_by == "inkbloom"
        with pytest.raises(openai.NotFoundError, match='There is no model "start"'):
            oai.models.retrieve("start")

    def test_errors(self, oai, server):
        with pytest.raises(openai.UnprocessableEntityError, match="WIDTHxHEIGHT") as caught:
            oai.images.generate(prompt="a cat", size="large")
        assert (caught.value.param, caught.value.type) == ("size", "invalid_request_error")
        for refused in ({"stream": True}, {"background": "transparent"}):
            with pytest.raises(openai.UnprocessableEntityError, match=next(iter(refused))):
                oai.images.generate(prompt="a cat", **refused)
        with pytest.raises(openai.UnprocessableEntityError, match="image: 2 were given"):
            oai.images.edit(image=[png(scene()), png(scene())], prompt="a cat")
        with pytest.raises(openai.AuthenticationError, match="needs its token"):
            oai.with_options(api_key="wrong").images.generate(prompt="a cat")


SILLY_TAVERN = {
    "url": "http://127.0.0.1:7860",
    "auth": "painter:ink",
    "prompt": "a cat",
    "negative_prompt": "",
    "sampler_name": "DPM++ 2M",
    "scheduler": "automatic",
    "steps": 2,
    "cfg_scale": 7,
    **SMALL,
    "restore_faces": False,
    "enable_hr": False,
    "hr_upscaler": "Latent",
    "hr_scale": 2,
    "hr_additional_modules": [],
    "denoising_strength": 0.7,
    "hr_second_pass_steps": 0,
    "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": None},
    "override_settings_restore_afterwards": True,
    "clip_skip": 1,
    "save_images": True,
    "send_images": True,
    "do_not_save_grid": False,
    "do_not_save_samples": False,
}
KOBOLD_LITE = {
    "prompt": "a cat",
    "negative_prompt": "",
    "sampler_name": "k_euler_a",
    "seed": -1,
    "batch_size": 1,
    "n_iter": 1,
    "steps": 2,
    "cfg_scale": 7,
    **SMALL,
    "do_not_save_samples": True,
    "do_not_save_grid": True,
    "enable_hr": False,
    "eta": 0,
    "s_churn": 0,
    "s_tmax": 0,
    "s_tmin": 0,
    "s_noise": 1,
    "override_settings": {
        "sd_model_checkpoint": "starter",
        "eta_noise_seed_delta": 0.0,
        "CLIP_stop_at_last_layers": 1.0,
        "ddim_discretize": "uniform",
        "img2img_fix_steps": False,
        "sd_hypernetwork": "None",
        "inpainting_mask_weight": 1.0,
        "initial_noise_multiplier": 1.0,
        "comma_padding_backtrack": 20.0,
    },
}
PHOTOSHOP = {
    "prompt": "a cat",
    "negative_prompt": "",
    "steps": 2,
    "sampler_name": "Euler a",
    "cfg_scale": 7,
    "seed": "-1",
    "batch_size": 1,
    **SMALL,
    "selection_info": {"left": 0, "right": 64},
    "uniqueDocumentId": "7",
    "use_prompt_shortcut": False,
    "backend_type": "Auto1111",
    "alwayson_scripts": {
        "controlnet": {
            "args": [
                {
                    "enabled": True,
                    "input_image": b64(scene()),
                    "mask": "",
                    "module": "canny",
                    "model": "starter-canny",
                    "weight": 1.0,
                    "resize_mode": "Scale to Fit (Inner Fit)",
                    "lowvram": None,
                    "processor_res": 64,
                    "threshold_a": None,
                    "threshold_b": None,
                    "guidance_start": 0,
                    "guidance_end": 1,
                    "guessmode": None,
                    "control_mode": None,
                    "pixel_perfect": False,
                }
            ]
        }
    },
}
INPAINTING = {
    "init_images": [f"data:image/png;base64,{b64(scene())}"],
    "mask": f"data:image/png;base64,{b64(left_half())}",
    "mask_blur": 0,
    "mask_expansion": 0,
    "inpainting_fill": 2,
    "inpaint_full_res": True,
    "inpaint_full_res_padding": 16,
    "denoising_strength": 0.7,
    "image_cfg_scale": 1.5,
    "inpainting_mask_invert": 0,
}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("txt2img", SILLY_TAVERN, id="SillyTavern"),
        pytest.param("txt2img", KOBOLD_LITE, id="KoboldAI Lite"),
        pytest.param(
            "img2img",
            KOBOLD_LITE | {"init_images": [b64(scene())], "denoising_strength": 0.6},
            id="KoboldAI Lite, from a picture",
        ),
        pytest.param(
            "txt2img",
            {"prompt": "a cat", "batch_size": 1, **SMALL, "steps": 2, "cfg_scale": 7, "scheduler": "Karras"},
            id="Open WebUI",
        ),
        pytest.param("txt2img", PHOTOSHOP, id="Photoshop's plugin"),
        pytest.param("img2img", PHOTOSHOP | INPAINTING, id="Photoshop's plugin, a mask"),
    ],
)
def test_what_others_send(http, path, body):
    answer = http.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    (image,) = answer.json()["images"]
    assert opened(image).size == (64, 64)


def test_what_others_ask_before(http):
    """SillyTavern puts latent upscalers behind the first upscaler; Photoshop's plugin shows each module's sliders."""
    assert http.get("/sdapi/v1/upscalers").json()[0]["name"] == "None"
    assert http.get("/sdapi/v1/progress?skip_current_image=false").json()["progress"] == 0.0
    assert http.get("/internal/ping").json() == {}
    details = http.get("/controlnet/module_list?alias_names=1").json()["module_detail"]
    assert [slider["value"] for slider in details["canny"]["sliders"]] == [512, 100, 200]
    assert details["none"] == {"model_free": False, "sliders": []}
    model = http.get("/sdapi/v1/options").json()["sd_model_checkpoint"]  # Open WebUI sets it where it is another
    assert http.post("/sdapi/v1/options", json={"sd_model_checkpoint": model}).status_code == 200
