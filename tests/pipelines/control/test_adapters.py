"""T2I-Adapters and IP-Adapters at work, against diffusers' pipelines on the same weights: latents to 1e-4 of their
standard deviation."""

from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from PIL import Image as PILImage
from safetensors.torch import load_file, save_file

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import load_image_encoder, load_ip_adapter
from inkbloom.checkpoints.control.ip_adapter import ip_rows
from inkbloom.checkpoints.keymap import renamed
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.models.ip_adapter import IPAdapter, IPAdapterSpec, cross_attentions
from inkbloom.pipelines.control.hints import clip_image
from inkbloom.pipelines.control.unit import ControlUnit

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MAX_ERROR = 1e-4
PROMPT, NEGATIVE, STEPS, SEED = "a big castle", "rain", 10, 7
ASKED = {"negative_prompt": NEGATIVE, "num_inference_steps": STEPS, "guidance_scale": 7.5, "output_type": "latent"}


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


@pytest.fixture(scope="module")
def ip_folder(tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/ip.safetensors, models/ip.bin and models/image_encoder, as IP-Adapter's own repository has them."""
    root = tmp_path_factory.mktemp("ip")
    assert tiny_model.unet is not None
    widths = tuple(attention.q.out_features for attention in cross_attentions(tiny_model.unet))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        adapter = IPAdapter(IPAdapterSpec(image_dim=16, context_dim=64, attention_widths=widths))
        config = transformers.CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
            projection_dim=16,
            hidden_act="gelu",
        )
        encoder = transformers.CLIPVisionModelWithProjection(config)
        for parameter in encoder.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    state = adapter.state_dict()
    theirs = renamed(ip_rows(adapter.spec), "ldm", state)
    tensors = {theirs[name]: value for name, value in state.items()}
    (root / "models").mkdir()
    save_file(tensors, root / "models" / "ip.safetensors")
    nested: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        nested[part][rest] = value
    torch.save(nested, root / "models" / "ip.bin")
    encoder.save_pretrained(root / "models" / "image_encoder")
    return root


def error(model: StableDiffusion, unit: ControlUnit | None, theirs: torch.Tensor) -> float:
    controls = [] if unit is None else [unit]
    result = model.generate(
        PROMPT, negative_prompt=NEGATIVE, steps=STEPS, guidance_scale=7.5, seed=SEED, sampler="DDIM", controls=controls
    )
    return ((result.latents - theirs).square().mean().sqrt() / theirs.std()).item()


def load_peer(kind: type, folder: Path, **parts: object) -> object:
    pipeline = kind.from_pretrained(
        folder, safety_checker=None, requires_safety_checker=False, local_files_only=True, **parts
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_t2i_adapter(model: StableDiffusion, tiny_folder: Path, hint_picture: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    adapter = diffusers.T2IAdapter(channels=[32, 64], num_res_blocks=2)
    adapter.save_pretrained(tmp_path)
    pipeline = load_peer(diffusers.StableDiffusionAdapterPipeline, tiny_folder, adapter=adapter)
    theirs = pipeline(  # type: ignore[operator]
        PROMPT,
        image=PILImage.open(hint_picture),
        adapter_conditioning_scale=0.8,
        generator=torch.Generator("cpu").manual_seed(SEED),
        **ASKED,
    ).images
    unit = ControlUnit(model=str(tmp_path), image=hint_picture, weight=0.8)
    assert error(model, unit, theirs) < MAX_ERROR
    assert error(model, None, theirs) > 0.01


@pytest.mark.parametrize("file", ["ip.safetensors", "ip.bin"])
def test_ip_adapter(model: StableDiffusion, tiny_folder: Path, ip_folder: Path, hint_picture: Path, file: str) -> None:
    pipeline = load_peer(diffusers.StableDiffusionPipeline, tiny_folder)
    pipeline.load_ip_adapter(str(ip_folder), subfolder="models", weight_name=file)  # type: ignore[attr-defined]
    pipeline.set_ip_adapter_scale(0.7)  # type: ignore[attr-defined]
    theirs = pipeline(  # type: ignore[operator]
        PROMPT,
        ip_adapter_image=PILImage.open(hint_picture),
        generator=torch.Generator("cpu").manual_seed(SEED),
        **ASKED,
    ).images
    unit = ControlUnit(model=str(ip_folder / "models" / file), image=hint_picture, weight=0.7)
    assert error(model, unit, theirs) < MAX_ERROR
    assert error(model, None, theirs) > 0.01


def test_the_image_encoder_is_transformers(ip_folder: Path, hint_picture: Path) -> None:
    """From the picture's file on: preprocessing exactly but for rounding, vectors to 1e-5."""
    folder = ip_folder / "models" / "image_encoder"
    peer = transformers.CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True)
    picture = PILImage.open(hint_picture).crop((0, 0, 64, 50))
    values = transformers.CLIPImageProcessor(size=28, crop_size=28)(picture, return_tensors="pt").pixel_values
    image = clip_image(picture, 28)
    torch.testing.assert_close(image, values, atol=2e-2, rtol=0)
    with torch.no_grad():
        ours, theirs = load_image_encoder(folder)(image), peer(image).image_embeds
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-5


def test_what_an_ip_adapter_cannot(model: StableDiffusion, ip_folder: Path, hint_picture: Path, tmp_path: Path) -> None:
    file = ip_folder / "models" / "ip.safetensors"
    for field in ({"mode": "prompt"}, {"preprocessor": "canny"}):
        unit = ControlUnit(model=str(file), image=hint_picture, **field)  # type: ignore[arg-type]
        with pytest.raises(RequestError, match="is an IP-Adapter, which looks at the picture itself"):
            model.resolve(GenerationRequest(prompt="", controls=[unit]))
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match=r"whose image encoder must lie in the folder .*image_encoder"):
        model.resolve(GenerationRequest(prompt="", controls=[ControlUnit(model=str(alone), image=hint_picture)]))
    save_file({"image_proj.latents": torch.zeros(1)}, alone)
    with pytest.raises(CheckpointError, match="is an IP-Adapter Plus, which cannot be used yet"):
        load_ip_adapter(alone, model.unet)
    tensors = load_file(file)
    tensors.pop("ip_adapter.1.to_k_ip.weight")
    save_file(tensors, alone)
    with pytest.raises(CheckpointError, match=r"do not match: 1 missing: ip_adapter\.1\.to_k_ip\.weight"):
        load_ip_adapter(alone, model.unet)
