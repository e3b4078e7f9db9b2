"""Round trips, told by the bytes of the files."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel, detect, load
from inkbloom.checkpoints.converting import convert
from inkbloom.checkpoints.ldm import SPEC_KEY
from inkbloom.core.errors import CheckpointError, InkbloomError

POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.fixture
def trained(ldm_file: Path, tmp_path: Path) -> Path:
    """As training leaves a file: with averaged weights, leftovers, a mark, and something unknown."""
    state = load_file(ldm_file)
    for name in [name for name in state if name.startswith("model.diff")]:
        state["model_ema." + name.removeprefix("model.").replace(".", "")] = state[name] + 1
    state |= {"model_ema.decay": torch.tensor(0.99), POSITIONS: torch.arange(77)[None], "betas": torch.zeros(3)}
    state |= {"v_pred": torch.zeros(0), "stranger": torch.zeros(1, dtype=torch.int32)}
    path = tmp_path / "trained.safetensors"
    save_file(state, path, metadata(ldm_file))
    return path


def test_single_file_to_folder_and_back(ldm_file: Path, folder: Path, tmp_path: Path) -> None:
    there, back, again = tmp_path / "tiny", tmp_path / "tiny.safetensors", tmp_path / "again"
    convert(ldm_file, there)
    convert(there, back)
    assert back.read_bytes() == ldm_file.read_bytes()
    convert(back, again)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            written = (one / path.relative_to(folder) for one in (there, again))
            assert all(one.read_bytes() == path.read_bytes() for one in written), path


def test_safetensors_to_ckpt_and_back(ldm_file: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "x.ckpt", tmp_path / "x.safetensors"
    convert(ldm_file, there)
    assert torch.load(there, weights_only=True)["state_dict"].keys() == load_file(ldm_file).keys()
    assert detect(there) == detect(ldm_file)
    convert(there, back)
    assert back.read_bytes() == ldm_file.read_bytes()


def test_everything_is_kept(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    convert(trained, path)
    before, after = load_file(trained), load_file(path)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor, after[name])


def test_pruning(trained: Path, ldm_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    convert(trained, path, prune=True)
    assert load_file(path).keys() == load_file(ldm_file).keys() | {"v_pred"}
    assert load(path).spec == detect(trained)


@pytest.mark.parametrize("prune", [False, True])
def test_averaged_weights(trained: Path, tmp_path: Path, prune: bool) -> None:
    path = tmp_path / "x.safetensors"
    convert(trained, path, use_ema=True, prune=prune)
    before, after = load_file(trained), load_file(path)
    assert not any(name.startswith("model_ema") for name in after)
    assert ("betas" in after) != prune
    for name in after:
        added = 1 if name.startswith("model.diff") else 0
        assert torch.equal(after[name], before[name] + added), name


def test_averaged_weights_into_a_folder(trained: Path, tmp_path: Path) -> None:
    pruned, there = tmp_path / "x.safetensors", tmp_path / "x"
    state = load_file(trained)
    del state["stranger"]
    save_file(state, trained, metadata(trained))
    convert(trained, there, use_ema=True)
    convert(trained, pruned, use_ema=True, prune=True)
    one, two = (load(path).unet for path in (there, pruned))
    assert one is not None
    assert two is not None
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["x.safetensors", "x.ckpt", "x"])
def test_precision(ldm_file: Path, tmp_path: Path, name: str) -> None:
    convert(ldm_file, tmp_path / name, precision="float16")
    one, two = load(tmp_path / name), load(ldm_file)
    for module, original in ((one.unet, two.unet), (one.text, two.text), (one.autoencoder, two.autoencoder)):
        assert module is not None
        assert original is not None
        for key, tensor in module.state_dict().items():
            assert tensor.dtype == torch.float16
            assert torch.equal(tensor, original.state_dict()[key].half())


def test_whole_numbers_keep_their_precision(trained: Path, tmp_path: Path) -> None:
    convert(trained, tmp_path / "x.safetensors", precision="bfloat16")
    after = load_file(tmp_path / "x.safetensors")
    assert after[POSITIONS].dtype == torch.int64
    assert after["stranger"].dtype == torch.int32
    assert after["betas"].dtype == torch.bfloat16


def test_a_configuration_goes_along(tiny: LoadedModel, ldm_file: Path, tmp_path: Path) -> None:
    """And what it says stands in the file as well, for when it gets lost."""
    source = tmp_path / "in" / "x.ckpt"
    source.parent.mkdir()
    torch.save({"state_dict": load_file(ldm_file)}, source)
    config = "model: {params: {parameterization: v, scale_factor: 0.5, linear_start: 0.001, linear_end: 0.01}}\n"
    source.with_suffix(".yaml").write_text(config)
    convert(source, source.with_suffix(".safetensors"))  # under its own name, where the YAML serves both
    assert source.with_suffix(".yaml").read_text() == config
    convert(source, tmp_path / "out.safetensors")
    assert (tmp_path / "out.yaml").read_text() == config
    (tmp_path / "out.yaml").unlink()
    spec = detect(tmp_path / "out.safetensors")
    assert spec == detect(source)
    assert (spec.prediction, spec.latent_scale) == ("v_prediction", 0.5)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("x.safetensors", {"use_ema": True}, "has no EMA weights; convert it without them."),
        ("x", {"use_ema": True}, "has no EMA weights"),
        ("x.safetensors", {"precision": "half"}, 'Unknown precision "half".'),
        ("x.pt", {}, 'A single-file model ends in .safetensors or .ckpt, not in ".pt"'),
        ("there.safetensors", {}, "there.safetensors is there already; give another name, or overwrite it."),
        ("there.safetensors/x.safetensors", {}, "x.safetensors cannot be written: "),
    ],
)
def test_errors(ldm_file: Path, tmp_path: Path, target: str, options: dict, message: str) -> None:
    (tmp_path / "there.safetensors").write_text("mine")
    with pytest.raises(InkbloomError) as caught:
        convert(ldm_file, tmp_path / target, **options)
    assert message in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["there.safetensors"]
    assert (tmp_path / "there.safetensors").read_text() == "mine"


def test_overwriting(ldm_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("mine")
    convert(ldm_file, path, overwrite=True)
    assert path.read_bytes() == ldm_file.read_bytes()
    convert(path, path, overwrite=True, precision="float16")  # onto itself
    assert load(path).spec == detect(ldm_file)
    assert SPEC_KEY in metadata(path)


def test_averaged_weights_that_lack_a_tensor(trained: Path, tmp_path: Path) -> None:
    state = load_file(trained)
    del state["model_ema.diffusion_modelout2bias"]
    save_file(state, trained, metadata(trained))
    with pytest.raises(CheckpointError, match=r'The EMA weights of .* lack "model\.diffusion_model\.out\.2\.bias"'):
        convert(trained, tmp_path / "x.safetensors", use_ema=True)


def test_overflow_leaves_nothing(ldm_file: Path, tmp_path: Path) -> None:
    state = load_file(ldm_file)
    state["model.diffusion_model.out.2.bias"] += 1e9
    source = tmp_path / "source.safetensors"
    save_file(state, source)
    with pytest.raises(CheckpointError, match="do not fit F16"):
        convert(source, tmp_path / "x.safetensors", precision="float16")
    assert list(tmp_path.iterdir()) == [source]
