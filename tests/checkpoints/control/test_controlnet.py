import dataclasses
import json
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import load_controlnet, open_control, save_controlnet, save_controlnet_folder
from inkbloom.core.errors import CheckpointError, OutputError, RequestError
from inkbloom.models.controlnet import ControlNet, ControlNetSpec


@pytest.fixture(scope="module")
def control(tiny_model: LoadedModel) -> ControlNet:
    assert tiny_model.unet is not None
    torch.manual_seed(3)
    control = ControlNet.copy_of(
        tiny_model.unet, ControlNetSpec(unet=tiny_model.unet.spec, hint_channels=(8, 16, 16, 24))
    )
    with torch.no_grad():
        for parameter in control.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return control


def same(a: ControlNet, b: ControlNet) -> bool:
    return a.control_spec == b.control_spec and all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_the_original_layout(tiny_model: LoadedModel, control: ControlNet, tmp_path: Path) -> None:
    path = tmp_path / "control.safetensors"
    save_controlnet(path, control, metadata={"modelspec.title": "edges"})
    file = open_control(path)
    assert (file.kind, file.layout, file.is_difference) == ("ControlNet", "ldm", False)
    assert file.part.file.metadata["modelspec.title"] == "edges"
    assert same(load_controlnet(path, tiny_model.spec), control)
    names = load_file(path).keys()
    assert {"control_model.zero_convs.0.0.weight", "control_model.middle_block_out.0.bias"} <= names
    assert {"control_model.input_hint_block.14.weight", "control_model.time_embed.0.weight"} <= names


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_names_without_prefix_and_whole_models(
    tiny_model: LoadedModel, control: ControlNet, tmp_path: Path, ending: str
) -> None:
    save_controlnet(tmp_path / "control.safetensors", control)
    tensors = load_file(tmp_path / "control.safetensors")
    path = tmp_path / f"other{ending}"
    if ending == ".pth":
        torch.save({name.removeprefix("control_model."): value for name, value in tensors.items()}, path)
    else:
        save_file({**tensors, "model.diffusion_model.out.2.bias": torch.zeros(4)}, path)
    assert same(load_controlnet(path, tiny_model.spec), control)


def test_diffusers_opens_the_folder_and_we_what_it_writes(
    tiny_model: LoadedModel, control: ControlNet, tmp_path: Path
) -> None:
    save_controlnet_folder(tmp_path / "ours", control)
    peer = diffusers.ControlNetModel.from_pretrained(tmp_path / "ours", local_files_only=True)
    assert same(load_controlnet(tmp_path / "ours", tiny_model.spec), control)
    peer.save_pretrained(tmp_path / "theirs")
    assert same(load_controlnet(tmp_path / "theirs", tiny_model.spec), control)
    single = tmp_path / "theirs" / "diffusion_pytorch_model.safetensors"
    assert same(load_controlnet(single, tiny_model.spec), control)


def test_pooling_is_read(tiny_model: LoadedModel, control: ControlNet, tmp_path: Path) -> None:
    save_controlnet(tmp_path / "control_shuffle.safetensors", control)
    assert load_controlnet(tmp_path / "control_shuffle.safetensors", tiny_model.spec).control_spec.global_pool
    (tmp_path / "control_shuffle.yaml").write_text("model: {params: {only_mid_control: False}}")
    assert not load_controlnet(tmp_path / "control_shuffle.safetensors", tiny_model.spec).control_spec.global_pool
    pooled = ControlNet(dataclasses.replace(control.control_spec, global_pool=True))
    save_controlnet_folder(tmp_path / "pooled", pooled)
    assert load_controlnet(tmp_path / "pooled", tiny_model.spec).control_spec.global_pool


def test_differences_are_added(tiny_model: LoadedModel, control: ControlNet, tmp_path: Path) -> None:
    assert tiny_model.unet is not None
    base = tiny_model.unet.state_dict()
    less = ControlNet(control.control_spec)
    less.load_state_dict({n: v - base[n] if n in base else v for n, v in control.state_dict().items()})
    save_controlnet(tmp_path / "whole.safetensors", less)
    path = tmp_path / "difference.safetensors"
    save_file({**load_file(tmp_path / "whole.safetensors"), "difference": torch.zeros(1)}, path)
    found = load_controlnet(path, tiny_model.spec, unet=tiny_model.unet)
    for ours, wanted in zip(found.state_dict().values(), control.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-6)
    with pytest.raises(CheckpointError, match="holds differences, which need the U-Net"):
        load_controlnet(path, tiny_model.spec)


def test_another_family(tiny_model: LoadedModel, control: ControlNet, tmp_path: Path) -> None:
    def refused(spec: object, expected: str, path: Path = tmp_path / "control.safetensors") -> None:
        with pytest.raises(CheckpointError, match=expected):
            load_controlnet(path, spec)  # type: ignore[arg-type]

    save_controlnet(tmp_path / "control.safetensors", control)
    unet, text = tiny_model.spec.unet, tiny_model.spec.text
    wide = dataclasses.replace(
        tiny_model.spec,
        unet=dataclasses.replace(unet, context_dim=128),
        text=dataclasses.replace(text, width=128),
    )
    refused(wide, 'for another model than "sd1": it reads text vectors 64 wide, the model\'s are 128 wide')
    more = dataclasses.replace(unet, levels=(unet.levels[0], dataclasses.replace(unet.levels[1], num_blocks=2)))
    refused(dataclasses.replace(tiny_model.spec, unet=more), "another model .* it lacks ")
    heads = dataclasses.replace(unet, levels=tuple(dataclasses.replace(one, num_heads=4) for one in unet.levels))
    save_controlnet_folder(tmp_path / "folder", control)
    refused(dataclasses.replace(tiny_model.spec, unet=heads), "it has 8 attention heads", tmp_path / "folder")


def test_what_is_no_controlnet(tiny_model: LoadedModel, tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    for name, expected in {
        "lora_controlnet": "is a Control-LoRA, which cannot be used yet",
        "lora_unet_mid.lora_down.weight": "is a LoRA .* not a ControlNet",
        "some.thing": "is a file of other tensors, not a ControlNet",
    }.items():
        save_file({name: torch.zeros(1)}, path)
        with pytest.raises(CheckpointError, match=expected):
            open_control(path)
    with pytest.raises(CheckpointError, match="is a file of other tensors, not a ControlNet"):
        open_control(tiny_file)
    with pytest.raises(CheckpointError, match="There is no model at"):
        open_control(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match=r"without config\.json"):
        open_control(tmp_path)
    save_file({"body.0.block1.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"another kind of control \(T2I-Adapter\)"):
        load_controlnet(path, tiny_model.spec)


def test_bgr_is_refused(tiny_model: LoadedModel, control: ControlNet, tmp_path: Path) -> None:
    save_controlnet_folder(tmp_path / "bgr", control)
    config = json.loads((tmp_path / "bgr" / "config.json").read_text())
    (tmp_path / "bgr" / "config.json").write_text(json.dumps(config | {"controlnet_conditioning_channel_order": "bgr"}))
    with pytest.raises(CheckpointError, match='channel_order is "bgr"; it must be "rgb"'):
        load_controlnet(tmp_path / "bgr", tiny_model.spec)


def test_what_cannot_be_written(control: ControlNet, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r'saved as \.safetensors, not as "\.ckpt"'):
        save_controlnet(tmp_path / "control.ckpt", control)
    (tmp_path / "some.txt").write_text("")
    with pytest.raises(OutputError, match="with other things in it"):
        save_controlnet_folder(tmp_path, control)
