from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import Fit, fit, read_adapter
from inkbloom.checkpoints.adapters.writing import save_adapter, spell
from inkbloom.core.errors import RequestError

UNET, TEXT = ("attn1.to_q", "conv1", "proj_in", "to_out.0"), ("q_proj", "fc2")
CONV = "lora_unet_mid_block_resnets_0_conv1"


def fitted(make, model: LoadedModel, tensors) -> Fit:
    return fit(read_adapter(make.save(tensors)), model.spec)


@pytest.mark.parametrize("alpha", [None, 1.5])
def test_there_and_back(make, tiny_model: LoadedModel, alpha: float | None, tmp_path: Path) -> None:
    """kohya to PEFT to kohya: the same changes; the same numbers too where no alpha has to be multiplied in."""
    tensors = make.kohya(alpha, unet=UNET, text=TEXT)
    before = fitted(make, tiny_model, tensors)
    peft, back = tmp_path / "peft.safetensors", tmp_path / "kohya.safetensors"
    save_adapter(peft, spell(before.changes, tiny_model.spec, "peft"), metadata={"ss_tag": "x"})
    between = fit(read_adapter(peft), tiny_model.spec)
    save_adapter(back, spell(between.changes, tiny_model.spec, "kohya"), metadata=between.adapter.metadata)
    after = read_adapter(back)
    assert after.metadata["ss_tag"] == "x"
    assert {name for layer in after.layers.values() for name in layer.names} == {
        *tensors,
        *(f"{name.split('.')[0]}.alpha" for name in tensors),
    }
    for (component, name), change in fit(after, tiny_model.spec).changes.items():
        weight = getattr(tiny_model, component).get_parameter(name).detach()
        expected = before.changes[component, name].delta(weight)
        torch.testing.assert_close(change.delta(weight), expected, rtol=1e-6, atol=1e-6)
        assert alpha or torch.equal(change.delta(weight), expected)


def test_names(make, tiny_model: LoadedModel) -> None:
    names = set(
        spell(
            fitted(make, tiny_model, make.kohya(2.0, unet=("conv_in",), text=("fc2",))).changes, tiny_model.spec, "peft"
        )
    )
    assert names == {
        f"{module}.{leaf}.weight"
        for leaf in ("lora_A", "lora_B")
        for module in ("unet.conv_in", *(f"text_encoder.text_model.encoder.layers.{n}.mlp.fc2" for n in range(2)))
    }


@pytest.mark.parametrize("spelling", ["kohya", "peft"])
def test_dora(make, tiny_model: LoadedModel, spelling: str) -> None:
    tensors = make.kohya(None, unet=("resnets.0.conv1",), text=("fc2",))
    for name in {name.split(".")[0] for name in tensors}:
        up = tensors[f"{name}.lora_up.weight"]
        tensors[f"{name}.dora_scale"] = torch.rand(up.shape[0], 1, *up.shape[2:])
    before = fitted(make, tiny_model, tensors)
    after = fitted(make, tiny_model, spell(before.changes, tiny_model.spec, spelling))
    for (component, name), change in after.changes.items():
        weight = getattr(tiny_model, component).get_parameter(name).detach()
        assert torch.equal(change.delta(weight), before.changes[component, name].delta(weight))


def test_tucker_form(make, tiny_model: LoadedModel) -> None:
    tensors = {
        f"{CONV}.lora_up.weight": torch.randn(64, 2, 1, 1),
        f"{CONV}.lora_mid.weight": torch.randn(2, 2, 3, 3),
        f"{CONV}.lora_down.weight": torch.randn(2, 64, 1, 1),
        f"{CONV}.alpha": torch.tensor(2.0),
    }
    changes = fitted(make, tiny_model, tensors).changes
    again = spell(changes, tiny_model.spec, "kohya")
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    with pytest.raises(RequestError, match=r"^PEFT has no LoCon in the Tucker form; resizing it makes a plain one"):
        spell(changes, tiny_model.spec, "peft")


def test_what_cannot_be(make, tiny_model: LoadedModel, tmp_path: Path) -> None:
    tensors = make.kohya(None, unet=(), text=("layers.0.mlp.fc2",))
    (name,) = {name.split(".")[0] for name in tensors}
    changes = fitted(make, tiny_model, tensors | {f"{name}.dora_scale": torch.rand(1, 256)}).changes
    with pytest.raises(RequestError, match=r"^PEFT has no DoRA with a magnitude for each input"):
        spell(changes, tiny_model.spec, "peft")
    with pytest.raises(RequestError, match=r'^Unknown spelling "koya"\. Did you mean "kohya"'):
        spell(changes, tiny_model.spec, "koya")
    with pytest.raises(RequestError, match=r'^An adapter file ends in \.safetensors, not in "\.pt"'):
        save_adapter(tmp_path / "x.pt", tensors, metadata={})
    with pytest.raises(RequestError, match=r"^There are no layers to write; the file holds embeddings only\."):
        spell({}, tiny_model.spec, "kohya")
