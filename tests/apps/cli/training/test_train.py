"""Each kind of training from the command line, on a tiny model: it runs, and what it leaves behind opens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from safetensors import safe_open

from inkbloom import StableDiffusion
from inkbloom.apps.cli.main import main
from inkbloom.checkpoints import load
from inkbloom.checkpoints.adapters import read_adapter, read_embedding
from inkbloom.checkpoints.autoencoders import load_vq
from inkbloom.checkpoints.clip_folder import load_text_encoder

# TensorBoard's own imports
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures with captions."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        coarse = PILImage.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((64, 64), PILImage.Resampling.BICUBIC).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"a mycat, number {i}", encoding="utf-8")
    return folder


def train(kind: str, pictures: Path, base: Path | None, *more: str, output: Path | None = None) -> int:
    output = output or pictures.parent / "run"
    named = ("--base", str(base)) if base else ()
    common = ("--data", str(pictures), "--output", str(output), "--batch-size", "2", "--steps", "2")
    return main(["train", kind, *common, *named, *more])


def test_lora(pictures: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = pictures.parent / "run"
    more = ("--rank", "2", "--held-out", "0.25", "--sample-every", "1", "--sample-steps", "2", "--tensorboard")
    assert train("lora", pictures, tiny_folder, *more, "--name", "mine") == 0
    told = capsys.readouterr().out
    assert f"The result is {run / 'mine.safetensors'}." in told
    assert "held_out_loss" in told
    assert read_adapter(run / "mine.safetensors").layers
    with safe_open(run / "mine.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_network_dim"] == "2"
    assert metadata["modelspec.title"] == "mine"
    assert {path.name for path in (run / "samples").glob("*.png")} == {f"step-{i:08}-0.png" for i in range(3)}
    assert list((run / "tensorboard").iterdir())


def test_embedding(pictures: Path, tiny_folder: Path) -> None:
    more = ("--trigger-words.mycat", "2", "--sample-every", "2", "--sample-steps", "1")
    assert train("embedding", pictures, tiny_folder, *more) == 0
    assert read_embedding(pictures.parent / "run" / "mycat.safetensors").vectors.shape == (2, 64)


def test_an_embedding_that_no_caption_names(
    pictures: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("embedding", pictures, tiny_folder, "--trigger-words.mydog", "1") == 2
    assert 'no caption names "mydog"; write it into them, or begin all with it' in capsys.readouterr().err


def test_hypernetwork(pictures: Path, tiny_folder: Path) -> None:
    assert train("hypernetwork", pictures, tiny_folder) == 0
    assert (pictures.parent / "run" / "trained.pt").exists()


@pytest.mark.parametrize("more", [(), ("--as-folder",)])
def test_dreambooth(pictures: Path, tiny_folder: Path, more: tuple[str, ...]) -> None:
    assert train("dreambooth", pictures, tiny_folder, "--regularisation-data", str(pictures), *more) == 0
    model = load(pictures.parent / "run" / ("trained" if more else "trained.safetensors"))
    assert model.unet is not None


def test_diffusion_from_nothing(pictures: Path, tiny_folder: Path) -> None:
    assert train("diffusion", pictures, tiny_folder, "--from-nothing", "--caption-dropout", "0.1") == 0
    trained, base = load(pictures.parent / "run" / "trained.safetensors"), load(tiny_folder)
    assert trained.unet is not None
    assert base.unet is not None
    assert trained.unet.spec == base.unet.spec
    assert not torch.equal(trained.unet.conv_in.weight.float(), base.unet.conv_in.weight.float())


def test_all_parts_from_nothing(pictures: Path, tmp_path: Path) -> None:
    """Autoencoder, text encoder, and a U-Net for both: a whole model that nobody else had a part in, and it paints."""
    own = {"autoencoder": tmp_path / "ae", "text-encoder": tmp_path / "te"}
    assert train("autoencoder", pictures, None, *AUTOENCODER, "--resolution", "64", output=own["autoencoder"]) == 0
    assert train("text-encoder", pictures, None, *TEXT_ENCODER, output=own["text-encoder"]) == 0
    first_stage, text_encoder = own["autoencoder"] / "trained.safetensors", own["text-encoder"] / "trained"
    parts = ("--autoencoder", str(first_stage), "--text-encoder", str(text_encoder))
    assert train("diffusion", pictures, None, "--from-nothing", "--resolution", "64", "--as-folder", *parts) == 0
    model = StableDiffusion.load(pictures.parent / "run" / "trained", device="cpu")
    assert (model.spec.text.width, model.autoencoder.downscale) == (32, 2)
    assert model.generate("a mycat", steps=1, width=64, height=64).images[0].size == (64, 64)


def test_own_parts_are_for_new_unets(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("diffusion", pictures, None, "--text-encoder", "here") == 2
    assert "text_encoder is here, which is for a new U-Net; set from_nothing too." in capsys.readouterr().err


def test_controlnet(pictures: Path, tiny_folder: Path) -> None:
    samples = ("--sample-every", "1", "--sample-steps", "1")
    assert train("controlnet", pictures, tiny_folder, "--hint-folder", str(pictures), *samples) == 0
    assert (pictures.parent / "run" / "trained.safetensors").exists()
    # Painted with what was learned so far, on the data's hints
    run = pictures.parent / "run" / "samples"
    assert (run / "models" / "controlnet" / "trained.safetensors").exists()
    assert list(run.glob("step-*.png"))


AUTOENCODER = ("--autoencoder-widths", "8", "--autoencoder-widths", "16", "--autoencoder-norm-groups", "4")


TEXT_ENCODER = (
    *("--text-layers", "1", "--text-width", "32", "--text-heads", "2", "--vocabulary", "captions"),
    *("--image-layers", "1", "--image-width", "32", "--image-heads", "2", "--resolution", "64"),
)


def test_autoencoder(pictures: Path) -> None:
    assert train("autoencoder", pictures, None, *AUTOENCODER, "--resolution", "64", "--adversary-start", "1") == 0
    assert load(pictures.parent / "run" / "trained.safetensors", components=["autoencoder"]).autoencoder is not None


def test_vq_autoencoder(pictures: Path) -> None:
    more = ("--latent-kind", "vq", "--codebook-size", "16", "--resolution", "64", "--adversary-width", "8")
    assert train("autoencoder", pictures, None, *AUTOENCODER, *more) == 0
    assert load_vq(pictures.parent / "run" / "trained.safetensors").spec.codebook_size == 16


def test_text_encoder(pictures: Path) -> None:
    assert train("text-encoder", pictures, None, *TEXT_ENCODER) == 0
    text_encoder, tokenizer = load_text_encoder(pictures.parent / "run" / "trained")
    assert text_encoder.spec.width == 32
    assert tokenizer.vocab_size == text_encoder.spec.vocab_size


def test_a_run_goes_on(pictures: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("lora", pictures, tiny_folder, "--rank", "2") == 0
    assert train("lora", pictures, tiny_folder, "--rank", "2", "--steps", "4", output=pictures.parent / "run") == 2
    assert "--steps" in capsys.readouterr().err  # given twice


def test_another_configuration_is_refused(
    pictures: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("lora", pictures, tiny_folder, "--rank", "2") == 0
    capsys.readouterr()
    assert train("lora", pictures, tiny_folder, "--rank", "4") == 2
    assert "rank" in capsys.readouterr().err


def test_the_plan_writes_nothing(pictures: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("lora", pictures, tiny_folder, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "[lora]\n" in told
    assert "Parameters: " in told
    assert "Memory: about " in told
    assert "2 steps take about" in told
    assert not (pictures.parent / "run").exists()


def test_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "lora", "--steps", "1"]) == 2
    assert "There is no data; name a folder of pictures with --data." in capsys.readouterr().err


def test_no_end(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "lora", "--data", str(pictures)]) == 2
    assert "A training needs a budget" in capsys.readouterr().err


def test_the_output_is_a_file(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("lora", pictures, None, output=pictures / "0.png") == 2
    assert "is a file; give a folder." in capsys.readouterr().err
