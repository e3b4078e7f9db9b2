"""What `load` promises whatever the layout: only what is asked, mapped, cast one by one, told of, stopped."""

import hashlib
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel, file_hash, load, save_ldm
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.core.errors import CheckpointError, RequestError, Stopped


@pytest.fixture(params=["ldm", "diffusers"])
def path(request: pytest.FixtureRequest, ldm_file: Path, folder: Path) -> Path:
    return ldm_file if request.param == "ldm" else folder


@pytest.mark.parametrize("component", ["text", "unet", "autoencoder"])
def test_only_what_is_asked(path: Path, component: str, tiny: LoadedModel) -> None:
    told = []
    model = load(str(path), components=[component], on_progress=lambda done, total: told.append((done, total)))
    absent = {"text", "unet", "autoencoder"} - {component}
    assert all(getattr(model, name) is None for name in absent)
    assert (model.tokenizer is not None) == (component == "text")
    count = len(getattr(tiny, component).state_dict())
    assert told == [(n, count) for n in range(1, count + 1)]
    assert model.name == "tiny"
    assert model.path == path
    assert not getattr(model, component).training


def test_cast_and_placed(path: Path) -> None:
    model = load(path, dtype=torch.bfloat16, device="meta")
    for network in (model.text, model.unet, model.autoencoder):
        assert network is not None
        assert {(p.dtype, p.device.type) for p in network.parameters()} == {(torch.bfloat16, "meta")}


def test_tensors_are_mapped_not_copied(path: Path) -> None:
    """Two loads of a file see the same bytes of it, so what one holds was not read into memory of its own."""
    unet = load(path, components=["unet"]).unet
    assert unet is not None
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        file = path if path.is_file() else path / "unet" / "diffusion_pytorch_model.safetensors"
        ranges = [line.split()[0].split("-") for line in mapped.read_text().splitlines() if line.endswith(str(file))]
        for parameter in unet.parameters():
            assert any(int(a, 16) <= parameter.data_ptr() < int(b, 16) for a, b in ranges)


def test_each_tensor_is_read_once(tiny: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    save_ldm(path, tiny)
    file = open_tensors(path)
    name = next(iter(file.shapes))
    file.take(name)
    with pytest.raises(KeyError):
        file.take(name)


def test_progress_can_stop(path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        load(path, on_progress=stop)


def test_unknown_components(path: Path) -> None:
    with pytest.raises(RequestError, match=r'Unknown component "vae"\. Known: text, unet, autoencoder'):
        load(path, components=["vae"])
    with pytest.raises(RequestError, match='Did you mean "unet"'):
        load(path, components=["u-net"])


def test_file_hash(ldm_file: Path, tmp_path: Path) -> None:
    assert file_hash(ldm_file) == hashlib.sha256(ldm_file.read_bytes()).hexdigest()
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_hash(tmp_path / "abc")[:10] == "ba7816bf8f"  # FIPS 180-2, appendix B.1
    with pytest.raises(CheckpointError, match="x cannot be read: No such file or directory"):
        file_hash(tmp_path / "x")


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_changing_the_weights_leaves_the_file_alone(tiny: LoadedModel, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    save_ldm(path, tiny)
    before = file_hash(path)
    unet = load(path, components=["unet"]).unet
    assert unet is not None
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(1)
    del unet
    assert file_hash(path) == before
