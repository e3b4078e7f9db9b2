"""What we write: bit-identical when read again, the same in every program, whole or not there at all."""

import dataclasses
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from safetensors import safe_open

from inkbloom.checkpoints import LoadedModel, detect, load, save_diffusers, save_ldm
from inkbloom.checkpoints.keymap import COMPONENTS
from inkbloom.core.errors import OutputError, RequestError
from inkbloom.families.spec import ModelSpec
from inkbloom.sampling.schedules import NoiseScheduleSpec


def assert_same(one: LoadedModel, other: LoadedModel, dtype: torch.dtype = torch.float32) -> None:
    assert one.spec == other.spec
    assert one.tokenizer is not None
    assert other.tokenizer is not None
    assert one.tokenizer.encode("a aa b") == other.tokenizer.encode("a aa b")
    for component in COMPONENTS:
        ours, theirs = (getattr(model, component).state_dict() for model in (one, other))
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            assert theirs[name].dtype == dtype
            assert torch.equal(tensor.to(dtype), theirs[name]), name


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
def test_single_file_round_trip(tiny: LoadedModel, tmp_path: Path, suffix: str, dtype: torch.dtype | None) -> None:
    path = tmp_path / f"x{suffix}"
    save_ldm(path, tiny, dtype=dtype)
    assert_same(tiny, load(path), dtype or torch.float32)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_folder_round_trip(tiny: LoadedModel, tmp_path: Path, dtype: torch.dtype | None) -> None:
    save_diffusers(tmp_path / "deep" / "x", tiny, dtype=dtype)
    assert_same(tiny, load(tmp_path / "deep" / "x"), dtype or torch.float32)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x"]


def test_from_one_layout_to_the_other_and_back(ldm_file: Path, tiny: LoadedModel, tmp_path: Path) -> None:
    save_diffusers(tmp_path / "folder", load(ldm_file))
    save_ldm(tmp_path / "back.safetensors", load(tmp_path / "folder"))
    assert_same(tiny, load(tmp_path / "back.safetensors"))


def varied(tiny: LoadedModel) -> LoadedModel:
    spec = dataclasses.replace(
        tiny.spec,
        family="starter",
        prediction="v_prediction",
        latent_scale=0.3,
        noise_schedule=NoiseScheduleSpec(beta_start=0.00085, beta_end=0.012, zero_terminal_snr=True),
        default_schedule="trailing",
        default_guidance_scale=3.5,
    )
    return dataclasses.replace(tiny, spec=spec)


def test_facts_that_differ_from_sd1_come_back(tiny: LoadedModel, tmp_path: Path) -> None:
    model = varied(tiny)
    save_ldm(tmp_path / "x.safetensors", model, metadata={"note": "mine"})
    save_ldm(tmp_path / "x.ckpt", model)
    save_diffusers(tmp_path / "x", model)
    assert detect(tmp_path / "x.safetensors") == detect(tmp_path / "x.ckpt") == detect(tmp_path / "x") == model.spec
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata()["note"] == "mine"
        assert file.metadata()["format"] == "pt"
        assert file.metadata()["modelspec.prediction_type"] == "v"
        assert {"v_pred", "ztsnr"} <= set(file.keys())


def test_the_cosine_schedule_comes_back(tiny: LoadedModel, tmp_path: Path) -> None:
    spec = dataclasses.replace(tiny.spec, noise_schedule=NoiseScheduleSpec(kind="cosine"))
    save_diffusers(tmp_path / "x", dataclasses.replace(tiny, spec=spec))
    assert detect(tmp_path / "x") == spec


def test_diffusers_opens_the_folder(tiny: LoadedModel, tmp_path: Path) -> None:
    """Its whole pipeline, the networks giving what ours give (relative error at most 1e-5)."""
    model = varied(tiny)
    save_diffusers(tmp_path / "x", model)
    peer = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "x", local_files_only=True)
    assert model.text is not None
    assert model.unet is not None
    assert model.autoencoder is not None
    assert model.tokenizer is not None
    scheduler = peer.scheduler.config
    assert (scheduler.prediction_type, scheduler.rescale_betas_zero_snr) == ("v_prediction", True)
    assert (scheduler.timestep_spacing, scheduler.steps_offset, scheduler.set_alpha_to_one) == ("trailing", 1, True)
    alphas = model.spec.noise_schedule.build().alphas_cumprod
    assert torch.allclose(peer.scheduler.alphas_cumprod.double(), alphas, atol=1e-5)
    assert peer.vae.config.scaling_factor == 0.3

    ids = model.tokenizer.encode_padded(["a aa"]).ids
    assert torch.equal(torch.tensor(peer.tokenizer("a aa", padding="max_length").input_ids)[None], ids)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        context = model.text(ids)
        pairs = [
            (context, peer.text_encoder(ids).last_hidden_state),
            (model.unet(x, torch.tensor([500]), context), peer.unet(x, 500, context).sample),
            (model.autoencoder.decode(x), peer.vae.decode(x).sample),
        ]
    for ours, theirs in pairs:
        assert float((ours - theirs).norm() / theirs.norm()) <= 1e-5


def test_other_facts_in_diffusers_words(folder: Path) -> None:
    scheduler = diffusers.DDIMScheduler.from_pretrained(folder / "scheduler").config
    assert (scheduler.timestep_spacing, scheduler.steps_offset, scheduler.set_alpha_to_one) == ("leading", 1, False)
    assert (scheduler.prediction_type, scheduler.clip_sample) == ("epsilon", False)
    text = transformers.CLIPTextConfig.from_pretrained(folder / "text_encoder")
    assert (text.bos_token_id, text.eos_token_id, text.pad_token_id) == (512, 513, 513)


def test_the_same_model_gives_the_same_bytes(tiny: LoadedModel, ldm_file: Path, tmp_path: Path) -> None:
    save_ldm(tmp_path / "tiny.safetensors", tiny)
    assert (tmp_path / "tiny.safetensors").read_bytes() == ldm_file.read_bytes()


def test_an_autoencoder_can_be_saved_alone(tiny: LoadedModel, tmp_path: Path) -> None:
    alone = dataclasses.replace(tiny, unet=None, text=None, tokenizer=None)
    save_ldm(tmp_path / "x.safetensors", alone)
    assert load(tmp_path / "x.safetensors", components=["autoencoder"]).autoencoder is not None
    with pytest.raises(RequestError, match="needs a whole model; this one lacks its text encoder, U-Net"):
        save_diffusers(tmp_path / "x", alone)
    with pytest.raises(RequestError, match="lacks its tokenizer"):
        save_diffusers(tmp_path / "x", dataclasses.replace(tiny, tokenizer=None))


def test_what_diffusers_cannot_say(tiny: LoadedModel, tiny_spec: ModelSpec, tmp_path: Path) -> None:
    levels = tuple(dataclasses.replace(level, transformer_depth=1) for level in tiny_spec.unet.levels)
    unet = dataclasses.replace(tiny_spec.unet, levels=levels, mid_transformer_depth=2)
    with pytest.raises(RequestError, match="last level and middle differ in transformer depth: 1 and 2"):
        save_diffusers(tmp_path / "x", dataclasses.replace(tiny, spec=dataclasses.replace(tiny_spec, unet=unet)))


def test_wrong_requests(tiny: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r'ends in .safetensors or .ckpt, not in ".gguf"'):
        save_ldm(tmp_path / "x.gguf", tiny)
    with pytest.raises(RequestError, match=r"cannot be saved as torch.int8; allowed are torch.float32, torch.float16"):
        save_ldm(tmp_path / "x.safetensors", tiny, dtype=torch.int8)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_replaced_other_folders_are_not(tiny: LoadedModel, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "x")
    (tmp_path / "x" / "stale").touch()
    save_diffusers(tmp_path / "x", varied(tiny))
    assert not (tmp_path / "x" / "stale").exists()
    assert detect(tmp_path / "x").family == "starter"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").touch()
    with pytest.raises(OutputError, match="photos is a folder with other things in it"):
        save_diffusers(tmp_path / "photos", tiny)
    (tmp_path / "photos").rename(tmp_path / "photos.ckpt")
    with pytest.raises(OutputError, match=r"photos\.ckpt is a folder with other things in it"):
        save_ldm(tmp_path / "photos.ckpt", tiny)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Files of this process end at 100,000 bytes, the way a full disk or a quota ends them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["x.safetensors", "x.ckpt", "x"])
def test_a_full_disk_leaves_nothing_half_written(tiny: LoadedModel, tmp_path: Path, full_disk: None, name: str) -> None:
    with pytest.raises(OutputError, match=rf"{name} cannot be written: .+"):
        save_diffusers(tmp_path / name, tiny) if name == "x" else save_ldm(tmp_path / name, tiny)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tiny: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for save, name in ((save_ldm, "x.safetensors"), (save_diffusers, "x")):
        with pytest.raises(OutputError, match=r"cannot be written: (Not a directory|File exists)"):
            save(tmp_path / "file" / name, tiny)
