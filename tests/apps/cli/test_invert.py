import re
from pathlib import Path

from PIL import Image as PILImage

QUICK = ("--device", "cpu", "--steps", "3")


def test_noise_reconstruction_and_another_prompt(run, tiny_file: Path, tmp_path: Path) -> None:
    PILImage.radial_gradient("L").resize((64, 64)).convert("RGB").save(tmp_path / "cat.png")
    own = ("--ckpt", tiny_file, "--outdir", tmp_path, *QUICK)
    code, out, err = run("invert", tmp_path / "cat.png", "--prompt", "a cat", *own)
    assert (code, err) == (0, "")
    noise, painted = tmp_path / "cat-noise.safetensors", tmp_path / "cat-reconstruction.png"
    first, second = out.splitlines()
    assert first == f"Saved the noise as {noise} and the picture painted from it as {painted}."
    assert re.fullmatch(r"It is \S+ dB from the given one \(PSNR\); the autoencoder alone \S+ dB\.", second)
    assert run("verify", painted, "--ckpt", tiny_file)[0] == 0
    more = ("--noise", noise, "--sampler", "DDIM", "--scale", "1", "--n_iter", "1", "--n_samples", "1", "--skip_grid")
    assert run("txt2img", "a cat", *own, *more)[0] == 0
    with PILImage.open(painted) as again, PILImage.open(tmp_path / "samples/00000.png") as other:
        assert again.tobytes() == other.tobytes()


def test_bad_input(run, tiny_file: Path, tmp_path: Path) -> None:
    code, _, err = run("invert", tmp_path / "none.png")
    assert (code, err) == (2, f'inkbloom: There is no picture "{tmp_path / "none.png"}".\n')
    PILImage.new("RGB", (64, 64)).save(tmp_path / "a.png")
    code, _, err = run("invert", tmp_path / "a.png", "--sampler", "DPM++ 2M", "--ckpt", tiny_file)
    assert (code, err) == (2, 'inkbloom: Sampler "DPM++ 2M" cannot be run backwards; use DDIM or Euler.\n')
    (tmp_path / "bad.safetensors").write_bytes(b"x")
    code, _, err = run("txt2img", "a cat", "--noise", tmp_path / "bad.safetensors", "--ckpt", tiny_file)
    assert code == 2
    assert err.startswith(f'inkbloom: "{tmp_path / "bad.safetensors"}" is no file of noise')
