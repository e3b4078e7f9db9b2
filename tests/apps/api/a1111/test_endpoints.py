import base64
import io
import json

import pytest
import torch
from PIL import Image, ImageChops
from safetensors.torch import save_file

PICTURE = {"prompt": "a cat", "width": 64, "height": 64, "steps": 2, "seed": 7}


def b64(size=(64, 64), mode="RGB", color="white") -> str:
    kept = io.BytesIO()
    Image.new(mode, size, color).save(kept, "PNG")
    return base64.b64encode(kept.getvalue()).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_txt2img(running):
    answer = running.post("/sdapi/v1/txt2img", json=PICTURE)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    (image,) = said["images"]
    picture = opened(image)
    assert picture.size == (64, 64)
    assert picture.text["parameters"].startswith("a cat\nSteps: 2, Sampler: Euler")
    assert said["parameters"]["cfg_scale"] == 7.0
    info = json.loads(said["info"])
    assert (info["all_seeds"], info["all_prompts"], info["index_of_first_image"]) == ([7], ["a cat"], 0)
    assert info["infotexts"] == [picture.text["parameters"]]


def test_what_an_infotext_fills_is_told(running):
    text = "a cat\nSteps: 2, Sampler: Heun, CFG scale: 3, Seed: 9, Size: 64x72"
    said = json.loads(running.post("/sdapi/v1/txt2img", json={"infotext": text, "seed": 7}).json()["info"])
    assert (said["prompt"], said["sampler_name"], said["steps"], said["cfg_scale"]) == ("a cat", "Heun", 2, 3)
    assert (said["width"], said["height"], said["seed"]) == (64, 72, 7)


def test_several_pictures_that_are_saved_come_with_a_grid_before_them(running):
    saved = {"batch_size": 2, "save_images": True, "force_task_id": "task(abc)"}
    said = running.post("/sdapi/v1/txt2img", json=PICTURE | saved).json()
    assert [opened(image).size for image in said["images"]] == [(134, 68), (64, 64), (64, 64)]
    info = json.loads(said["info"])
    assert (info["all_seeds"], info["index_of_first_image"], len(info["infotexts"])) == ([7, 8], 1, 3)
    without = running.post("/sdapi/v1/txt2img", json=PICTURE | {"n_iter": 2}).json()
    assert len(without["images"]) == 2
    alone, together = (opened(one["images"][place]) for one, place in ((without, 0), (said, 1)))
    assert ImageChops.difference(alone, together).getextrema() <= ((0, 1),) * 3  # batches round a little otherwise
    task = running.post("/internal/progress", json={"id_task": "task(abc)"}).json()
    assert (task["active"], task["completed"], task["progress"]) == (False, True, 1.0)
    assert running.post("/internal/progress", json={"id_task": "other"}).json()["completed"] is False


def test_img2img_keeps_what_the_mask_keeps(running):
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    kept = io.BytesIO()
    mask.save(kept, "PNG")
    body = PICTURE | {
        "init_images": ["data:image/png;base64," + b64(color="blue")],
        "mask": base64.b64encode(kept.getvalue()).decode(),
        "mask_blur": 0,
        "inpaint_full_res": False,
    }
    answer = running.post("/sdapi/v1/img2img", json=body)
    assert answer.status_code == 200, answer.text
    picture = opened(answer.json()["images"][0]).convert("RGB")
    assert picture.getpixel((60, 30)) == (0, 0, 255)
    assert picture.getpixel((5, 30)) != (0, 0, 255)
    assert answer.json()["parameters"]["init_images"] is None
    assert running.post("/sdapi/v1/img2img", json=body | {"include_init_images": True}).json()["parameters"]["mask"]


def test_extras_and_png_info(running):
    one = running.post("/sdapi/v1/extra-single-image", json={"image": b64(), "upscaler_1": "Lanczos"})
    assert one.status_code == 200, one.text
    assert opened(one.json()["image"]).size == (128, 128)
    sized = {"resize_mode": 1, "upscaling_resize_w": 96, "upscaling_resize_h": 80, "upscaler_1": "Nearest"}
    images = [{"data": b64(), "name": "a"}, {"data": b64((32, 32)), "name": "b"}]
    many = running.post("/sdapi/v1/extra-batch-images", json=sized | {"imageList": images}).json()
    assert [opened(image).size for image in many["images"]] == [(96, 80), (96, 80)]
    painted = running.post("/sdapi/v1/txt2img", json=PICTURE).json()["images"][0]
    told = running.post("/sdapi/v1/png-info", json={"image": painted}).json()
    assert told["info"].startswith("a cat\n")
    assert told["parameters"]["Seed"] == "7"
    assert running.post("/sdapi/v1/png-info", json={"image": b64()}).json()["info"] == ""


def test_lists(client):
    samplers = client.get("/sdapi/v1/samplers").json()
    assert {"Euler a", "DPM++ 2M", "UniPC"} <= {one["name"] for one in samplers}
    assert any("k_euler" in one["aliases"] for one in samplers)
    assert {"karras", "automatic"} <= {one["name"] for one in client.get("/sdapi/v1/schedulers").json()}
    (starter,) = client.get("/sdapi/v1/sd-models").json()
    assert starter["model_name"] == "starter"
    assert {"Lanczos", "Starter"} <= {one["name"] for one in client.get("/sdapi/v1/upscalers").json()}
    assert client.get("/sdapi/v1/latent-upscale-modes").json()[0] == {"name": "Latent"}
    assert client.get("/sdapi/v1/embeddings").json() == {"loaded": {}, "skipped": {}}
    for path in ("sd-vae", "loras", "hypernetworks", "realesrgan-models", "face-restorers", "prompt-styles"):
        assert client.get(f"/sdapi/v1/{path}").json() == [], path
    for path in ("scripts", "script-info", "extensions", "cmd-flags", "memory", "options"):
        assert client.get(f"/sdapi/v1/{path}").status_code == 200, path
    for path in ("checkpoints", "vae", "embeddings", "loras"):
        assert client.post(f"/sdapi/v1/refresh-{path}").status_code == 200
    assert client.get("/sdapi/v1/memory").json()["ram"]["total"] > 0


def test_what_files_are_is_read_off_their_headers(client, service):
    for kind, name in (("loras", "fog.safetensors"), ("loras", "old.pt"), ("upscale_models", "4x-Sharp.pth")):
        (service.models_dir / kind).mkdir(exist_ok=True)
        (service.models_dir / kind / name).write_bytes(b"broken")
    (service.models_dir / "upscale_models" / "RealESRGAN_x2plus.pth").write_bytes(b"broken")
    (service.models_dir / "embeddings").mkdir()
    save_file({"calm": torch.zeros(768)}, service.models_dir / "embeddings" / "calm.safetensors")
    client.post("/sdapi/v1/refresh-loras")
    assert [(one["name"], one["metadata"]) for one in client.get("/sdapi/v1/loras").json()] == [
        ("fog", {}),
        ("old", {}),
    ]
    calm = client.get("/sdapi/v1/embeddings").json()["loaded"]["calm"]
    assert (calm["vectors"], calm["shape"]) == (1, 768)
    scales = {one["name"]: one["scale"] for one in client.get("/sdapi/v1/realesrgan-models").json()}
    assert scales == {"4x-Sharp": 4, "RealESRGAN_x2plus": 2}


def test_options_are_kept(client):
    assert client.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 1
    changes = {
        "CLIP_stop_at_last_layers": 2,
        "sd_model_checkpoint": "starter",
        "live_previews_enable": False,
        "samples_format": "webp",
        "gradio_theme": "x",
    }
    assert client.post("/sdapi/v1/options", json=changes).status_code == 200
    now = client.get("/sdapi/v1/options").json()
    assert (now["CLIP_stop_at_last_layers"], now["samples_format"]) == (2, "webp")
    assert (now["live_previews_enable"], now["sd_model_checkpoint"]) == (False, "starter")
    assert client.get("/api/v1/settings").json()["preview_method"] == "none"
    refused = client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": "two"})
    assert (refused.status_code, refused.json()["detail"]) == (422, "CLIP_stop_at_last_layers 'two': must be a number.")
    unknown = client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "../../etc/passwd"})
    assert (unknown.status_code, unknown.json()["error"]) == (422, "RequestError")


def test_progress_while_nothing_is_done(client):
    said = client.get("/sdapi/v1/progress").json()
    assert (said["progress"], said["state"]["job_count"], said["current_image"]) == (0.0, 0, None)
    assert client.get("/internal/pending-tasks").json() == {"size": 0, "tasks": []}
    assert client.post("/sdapi/v1/interrupt").json() == {}
    assert client.post("/sdapi/v1/skip").json() is None


def test_controlnet(client):
    assert client.get("/controlnet/version").json()["version"] >= 2
    modules = client.get("/controlnet/module_list").json()["module_list"]
    assert {"none", "canny", "invert"} <= set(modules)
    assert "model_list" in client.get("/controlnet/model_list").json()
    assert client.get("/controlnet/control_types").json()["control_types"]["All"]["module_list"] == modules
    assert client.get("/controlnet/settings").json()["control_net_unit_count"] > 0
    detected = client.post(
        "/controlnet/detect", json={"controlnet_module": "invert", "controlnet_input_images": [b64()]}
    )
    assert detected.status_code == 200, detected.text
    nothing = client.post("/controlnet/detect", json={"controlnet_module": "invert", "controlnet_input_images": []})
    assert (nothing.status_code, "controlnet_input_images" in nothing.json()["detail"]) == (422, True)
    (image,) = detected.json()["images"]
    assert opened(image).convert("RGB").getpixel((3, 3)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("txt2img", {"sampler_name": "nope"}, 422, "nope"),
        ("txt2img", {"steps": "many"}, 422, "steps"),
        ("txt2img", {"width": 1_000_000}, 422, "width 1000000"),
        ("txt2img", {"override_settings": {"sd_model_checkpoint": "x"}}, 422, 'There is no model "x"'),
        ("img2img", {"init_images": ["!!"]}, 422, "The picture is no base64."),
        ("img2img", {"init_images": ["aGVsbG8="]}, 422, "image"),
        ("img2img", {"init_images": ["https://example.org/a.png"]}, 422, "nothing is fetched from the network"),
        ("extra-single-image", {"image": b64(), "upscaler_1": "../x"}, 422, "../x"),
        ("extra-single-image", {"image": b64(), "gfpgan_visibility": 1}, 422, "no gfpgan file"),
    ],
)
def test_errors_have_a1111s_shape(client, path, body, status, message):
    answer = client.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said.keys() == {"error", "detail", "body", "errors"}
    assert message in said["detail"]
