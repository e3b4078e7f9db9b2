import dataclasses
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import load_t2i_adapter, open_control
from inkbloom.checkpoints.control.t2i_adapter import t2i_rows
from inkbloom.checkpoints.keymap import renamed
from inkbloom.core.errors import CheckpointError
from inkbloom.models.t2i_adapter import T2IAdapter, adapter_for


def write(path: Path, adapter: T2IAdapter) -> None:
    """In the original layout."""
    state = adapter.state_dict()
    theirs = renamed(t2i_rows(adapter.spec), "ldm", state)
    save_file({theirs[name]: value for name, value in state.items()}, path)


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_original_layout(tiny_model: LoadedModel, tmp_path: Path, light: bool, channels: int) -> None:
    torch.manual_seed(0)
    spec = dataclasses.replace(adapter_for(tiny_model.spec.unet, light=light), hint_in_channels=channels)
    adapter = T2IAdapter(spec)
    write(tmp_path / "adapter.safetensors", adapter)
    assert open_control(tmp_path / "adapter.safetensors").kind == "T2I-Adapter"
    found = load_t2i_adapter(tmp_path / "adapter.safetensors", tiny_model.spec)
    assert found.spec == spec
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), adapter.parameters(), strict=True))


def test_the_original_names(tiny_model: LoadedModel) -> None:
    full, light = (
        {row.ours: row.ldm for row in t2i_rows(adapter_for(tiny_model.spec.unet, light=one))} for one in (False, True)
    )
    assert full["levels.1.blocks.0.conv1"] == "body.2.block1"
    assert full["levels.1.conv_in"] == "body.2.in_conv"
    assert light["levels.1.blocks.3.conv2"] == "body.1.body.3.block2"


def test_diffusers_folder(tiny_model: LoadedModel, tmp_path: Path) -> None:
    peer = diffusers.T2IAdapter(channels=[32, 64], num_res_blocks=2)
    peer.save_pretrained(tmp_path)
    found = load_t2i_adapter(tmp_path, tiny_model.spec)
    hint = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(found(hint), peer(hint), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_another_model(tiny_model: LoadedModel, tmp_path: Path) -> None:
    wide = dataclasses.replace(adapter_for(tiny_model.spec.unet), level_channels=(32, 96))
    write(tmp_path / "wide.safetensors", T2IAdapter(wide))
    with pytest.raises(CheckpointError, match=r"the T2I-Adapter for such a model do not match: .* body\.2"):
        load_t2i_adapter(tmp_path / "wide.safetensors", tiny_model.spec)
    more = dataclasses.replace(wide, level_channels=(32, 64, 64))
    write(tmp_path / "more.safetensors", T2IAdapter(more))
    with pytest.raises(CheckpointError, match="do not match: 2 missing"):
        load_t2i_adapter(tmp_path / "more.safetensors", tiny_model.spec)
