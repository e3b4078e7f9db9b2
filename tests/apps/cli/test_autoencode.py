import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel
from inkbloom.pipelines.autoencoder import Autoencoder


def test_there_and_back(run, tiny_model: LoadedModel, tiny_file: Path, tmp_path: Path) -> None:
    picture = Image.effect_noise((70, 64), 50).convert("RGB")
    picture.save(tmp_path / "photo.png")
    outdir = tmp_path / "out"
    arguments = ("autoencode", tmp_path / "photo.png", "--ckpt", tiny_file, "--outdir", outdir, "--device", "cpu")
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Cut to the middle 64 x 64 of 70 x 64 pixels."
    assert lines[1] == "Compression 48 x: 8 x 8 latent points with 4 channels."
    assert lines[2].startswith("PSNR ")
    assert ", SSIM " in lines[2]
    names = ["photo-channels.png", "photo-latent.safetensors", "photo-reconstruction.png"]
    assert sorted(os.listdir(outdir)) == names
    autoencoder = Autoencoder(tiny_model.autoencoder, 0.18215)
    expected = autoencoder.encode(picture.crop((3, 0, 67, 64)))
    assert torch.allclose(load_file(outdir / "photo-latent.safetensors")["latent"], expected, atol=1e-5)

    # The latent alone gives the same picture, and a second run overwrites nothing.
    decoded = ("autoencode", "--decode", outdir / "photo-latent.safetensors", "--ckpt", tiny_file, "--outdir", outdir)
    assert run(*decoded, "--device", "cpu")[0] == 0
    with Image.open(outdir / "photo-latent-decoded.png") as one, Image.open(outdir / names[2]) as other:
        difference = np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int))
        assert difference.max() <= 1  # kernels may round differently from call to call
    assert run(*arguments)[0] == 0
    assert (outdir / "photo-1-reconstruction.png").exists()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"latents": torch.zeros(1, 4, 8, 8)},
            'holds no latent: a tensor "latent" of shape (1, channels, height, width).',
        ),
        ({"latent": torch.zeros(4, 8, 8)}, "holds no latent"),
        ({"latent": torch.full((1, 4, 8, 8), torch.nan)}, "holds numbers that are not finite."),
        ({"latent": torch.zeros(1, 3, 8, 8)}, "has 3 channels, the model 4."),
        (None, "Cannot read a latent from"),
    ],
)
def test_bad_latents(run, tiny_file: Path, tmp_path: Path, tensors: dict | None, message: str) -> None:
    path = tmp_path / "latent.safetensors"
    if tensors is None:
        path.write_text("<html>")
    else:
        save_file(tensors, path)
    outdir = tmp_path / "out"
    code, out, err = run("autoencode", "--decode", path, "--ckpt", tiny_file, "--outdir", outdir, "--device", "cpu")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not outdir.exists()


@pytest.mark.parametrize("arguments", [(), ("photo.png", "--decode", "latent.safetensors")])
def test_one_of_picture_and_latent(run, arguments: tuple[str, ...]) -> None:
    code, _, err = run("autoencode", *arguments)
    assert code == 2
    assert err == (
        "inkbloom: Give either a picture or --decode with a latent file, as in: inkbloom autoencode photo.jpg.\n"
    )
