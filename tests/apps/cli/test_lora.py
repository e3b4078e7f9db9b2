"""`inkbloom lora` on the tiny model: what it prints, writes and refuses."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel

MODULE = "lora_unet_mid_block_attentions_0_proj_in"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    path = tmp_path / "style.safetensors"
    tensors = {
        f"{MODULE}.lora_up.weight": torch.randn(64, 4, 1, 1),
        f"{MODULE}.lora_down.weight": torch.randn(4, 64, 1, 1),
        f"{MODULE}.alpha": torch.tensor(2.0),
        "lora_te_text_model_encoder_layers_0_mlp_fc1.diff": torch.ones(256, 64),
        "nothing": torch.zeros(1),
    }
    save_file(tensors, path, {"ss_output_name": "style"})
    return path


@pytest.fixture
def lora(adapter: Path, tmp_path: Path) -> Path:
    """Of the adapter what LoRA can say."""
    path = tmp_path / "lora.safetensors"
    save_file({name: tensor for name, tensor in load_file(adapter).items() if MODULE in name}, path)
    return path


def delta(path: Path) -> torch.Tensor:
    tensors = load_file(path)
    up, down = (tensors[f"{MODULE}.lora_{side}.weight"].float().flatten(1) for side in ("up", "down"))
    return float(tensors[f"{MODULE}.alpha"]) / len(down) * up @ down


def test_show(run, adapter: Path, tiny_file: Path) -> None:
    code, out, _ = run("lora", "show", adapter, "--model", tiny_file)
    assert code == 0
    first, _, text, middle, left = out.splitlines()
    assert first == f"{adapter}: 2 layers; of its tensors 4 are applied, 1 are not."
    assert text.split() == ["TEXT", "1", "128", "-", "-", "difference"]
    assert middle.split() == ["M00", "1", f"{delta(adapter).norm():.4g}", "4", "2", "LoRA"]
    assert left == "not applied: 'nothing'"


def test_apply(run, adapter: Path, tiny_file: Path, tiny_model: LoadedModel, tmp_path: Path) -> None:
    """The new file differs in two tensors, by the changes with their weights; text:U-Net as in a prompt."""
    output = tmp_path / "new.safetensors"
    code, out, _ = run("lora", "apply", tiny_file, f"{adapter}:0.5:2", "-o", output)
    assert code == 0
    assert out == f"{adapter}: 1 tensors were not applied, first 'nothing'.\nSaved {output}.\n"
    before, after = load_file(tiny_file), load_file(output)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    projection = "model.diffusion_model.middle_block.1.proj_in.weight"
    layer = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
    assert changed == {projection, layer}
    torch.testing.assert_close(
        (after[projection] - before[projection]).flatten(1), 2 * delta(adapter), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(after[layer] - before[layer], torch.full((256, 64), 0.5), rtol=1e-5, atol=1e-5)


def test_apply_to_blocks(run, adapter: Path, tiny_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.safetensors"
    assert run("lora", "apply", tiny_file, adapter, "-o", output, "--blocks", "M00=0,BASE=0")[0] == 0
    before, after = load_file(tiny_file), load_file(output)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_extract(run, tiny_file: Path, tiny_model: LoadedModel, adapter: Path, lora: Path, tmp_path: Path) -> None:
    """What was merged comes out again, to float32's precision of the merged file."""
    merged, target = tmp_path / "merged.safetensors", tmp_path / "extracted.safetensors"
    assert run("lora", "apply", tiny_file, lora, "-o", merged)[0] == 0
    code, out, _ = run("lora", "extract", merged, tiny_file, target, "--rank", "4", "--precision", "float32")
    assert (code, out) == (0, f"Saved {target}: 1 layers with 100.0% of their difference.\n")
    torch.testing.assert_close(delta(target), delta(lora), rtol=1e-4, atol=1e-4)


def test_resize(run, tiny_file: Path, lora: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.safetensors"
    code, out, _ = run("lora", "resize", lora, target, "--rank", "2", "--model", tiny_file)
    assert code == 0
    assert out.startswith(f"Saved {target}: 1 layers with ")
    tensors = load_file(target)
    assert tensors[f"{MODULE}.lora_down.weight"].shape == (2, 64, 1, 1)
    assert tensors[f"{MODULE}.lora_down.weight"].dtype == torch.float16
    u, s, v = torch.linalg.svd(delta(lora))
    torch.testing.assert_close(delta(target), u[:, :2] * s[:2] @ v[:2], rtol=1e-2, atol=1e-2)


def test_convert(run, tiny_file: Path, lora: Path, tmp_path: Path) -> None:
    peft, back = tmp_path / "peft.safetensors", tmp_path / "back.safetensors"
    assert run("lora", "convert", lora, peft, "--to", "peft", "--model", tiny_file)[0] == 0
    assert set(load_file(peft)) == {f"unet.mid_block.attentions.0.proj_in.lora_{side}.weight" for side in "AB"}
    code, out, _ = run("lora", "convert", peft, back, "--to", "kohya", "--model", tiny_file)
    assert (code, out) == (0, f"Saved {back}: 1 layers.\n")
    torch.testing.assert_close(delta(back), delta(lora))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("show", "none.safetensors"), "There is no model at none.safetensors"),
        (("show", "{adapter}"), "does not fit this model, whose tensor there is ["),
        (("apply", "{model}", "-o", "new.safetensors"), "Name the adapters, as in: inkbloom lora apply"),
        (("apply", "{model}", "{adapter}", "-o", "{lora}"), "is there already; give another name, or --overwrite."),
        (("apply", "{model}", "{adapter}:nan", "-o", "new.safetensors"), 'The weight "nan" must be a finite number'),
        (
            ("apply", "{model}", "{adapter}", "-o", "new.safetensors", "--blocks", "XX=1"),
            'This model has no block "XX"',
        ),
        (("apply", "{model}", "{lora}", "-o", "new.safetensors", "--rank", "0"), "rank 0: must be a whole number"),
        (("apply", "{model}", "{adapter}", "-o", "new.safetensors", "--rank", "2"), "difference has no rank that can"),
        (
            ("resize", "{adapter}", "new.safetensors", "--rank", "2", "--model", "{model}"),
            "layers of the kind difference",
        ),
        (("convert", "{lora}", "new.pt", "--to", "peft", "--model", "{model}"), "An adapter file ends in .safetensors"),
        (("convert", "{lora}", "new.safetensors", "--to", "x", "--model", "{model}"), 'Unknown spelling "x".'),
        (("extract", "{model}", "{model}", "new.safetensors"), "do not differ in the layers that a LoRA can change"),
    ],
)
def test_bad_input(
    run, arguments, line: str, adapter: Path, lora: Path, tiny_file: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {"adapter": adapter, "lora": lora, "model": tiny_file}
    code, out, err = run("lora", *(argument.format(**paths) for argument in arguments))
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("new*"))
