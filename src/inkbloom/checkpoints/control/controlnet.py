"""Opening a ControlNet for the model that it is to steer: the original layout, diffusers', and difference files.

What a file does not say (the number of heads, the groups of norms) is the model's, whose way down it copies.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import yaml
from torch import Tensor

from inkbloom.checkpoints.control.keymap import controlnet_rows
from inkbloom.checkpoints.control.opening import ControlFile, open_control
from inkbloom.checkpoints.keymap import fits, renamed
from inkbloom.core.errors import CheckpointError
from inkbloom.families.spec import ModelSpec
from inkbloom.models.controlnet import SD1_CONTROLNET, ControlNet, ControlNetSpec
from inkbloom.models.unet import UNet

_CONTEXT = ".attn2.to_k.weight"
_FIRST_HINT = {"ldm": "input_hint_block.0.weight", "diffusers": "controlnet_cond_embedding.conv_in.weight"}


def load_controlnet(
    source: str | Path | ControlFile,
    model: ModelSpec,
    *,
    unet: UNet | None = None,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
) -> ControlNet:
    """The ControlNet in a file or diffusers folder, for a model of this spec; `dtype` None keeps the file's.

    `unet` is the model's, without LoRAs; a difference file is added to it, others do not need it. Raises
    `CheckpointError` for a file that cannot be read, is something else or is for another model.
    """
    file = source if isinstance(source, ControlFile) else open_control(source)
    if file.kind != "ControlNet":
        raise CheckpointError(f"{file.path} holds another kind of control ({file.kind}), not a ControlNet.")
    if file.is_difference and unet is None:
        raise CheckpointError(f"{file.path} holds differences, which need the U-Net that they are added to.")
    spec = _read_spec(file, model)
    with torch.device("meta"):
        control = ControlNet(spec)
    shapes = {name: tuple(tensor.shape) for name, tensor in control.state_dict().items()}
    theirs = renamed(controlnet_rows(spec), file.layout, shapes)
    _check(file, {there: shapes[ours] for ours, there in theirs.items()}, model)

    base = unet.state_dict() if file.is_difference and unet is not None else {}
    state: dict[str, Tensor] = {}
    for ours, there in theirs.items():
        tensor = file.part.file.take(file.part.names[there]).reshape(shapes[ours])
        if ours in base:
            plain = base[ours].to("cpu", torch.float32)
            plain = plain[:, : spec.unet.in_channels] if ours == "conv_in.weight" else plain
            tensor = plain + tensor.float()
        state[ours] = tensor.to(device=device, dtype=dtype)
    control.load_state_dict(state, assign=True)
    return control.eval().requires_grad_(False)


def _read_spec(file: ControlFile, model: ModelSpec) -> ControlNetSpec:
    convs = sum(_is_hint(name) and len(file.part.shape(name)) == 4 for name in file.part.names)
    # Every second convolution keeps a width: convs 1, 3, ..., the last of which leaves the encoder
    if file.layout == "ldm":
        keeping = [f"input_hint_block.{2 * i}.weight" for i in range(1, convs, 2)]
    else:
        keeping = [f"controlnet_cond_embedding.blocks.{i - 1}.weight" for i in range(1, convs - 1, 2)]
        keeping.append("controlnet_cond_embedding.conv_out.weight")
    widths = tuple(file.part.shape(name)[1] for name in keeping if name in file.part.names)
    order = file.config.get("controlnet_conditioning_channel_order", "rgb")
    if order != "rgb":
        raise CheckpointError(f'{file.path}: controlnet_conditioning_channel_order is "{order}"; it must be "rgb".')
    channels = model.autoencoder.latent_channels
    return ControlNetSpec(
        unet=replace(model.unet, in_channels=channels, out_channels=channels),
        hint_channels=widths or SD1_CONTROLNET.hint_channels,
        hint_in_channels=file.part.shape(_FIRST_HINT[file.layout])[1],
        global_pool=_is_pooled(file),
    )


def _is_hint(name: str) -> bool:
    return name.startswith(("input_hint_block.", "controlnet_cond_embedding."))


def _is_pooled(file: ControlFile) -> bool:
    """Said by diffusers' configuration, by the YAML beside an original file, or by its name, as A1111 goes by."""
    if file.config:
        return bool(file.config.get("global_pool_conditions", False))
    beside = file.path.with_suffix(".yaml")
    if not beside.is_file():
        return "shuffle" in file.path.stem
    try:
        content = yaml.safe_load(beside.read_text(encoding="utf-8"))
        return bool(content["model"]["params"].get("global_average_pooling", False))
    except (OSError, yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{beside} cannot be read as the configuration of a ControlNet: {error}.") from error


def _check(file: ControlFile, wanted: dict[str, tuple[int, ...]], model: ModelSpec) -> None:
    """`CheckpointError` where the file's tensors are not those `wanted`."""
    names = file.part.names
    width = next((file.part.shape(name)[1] for name in names if name.endswith(_CONTEXT)), None)
    reason = None
    if width is not None and width != model.unet.context_dim:
        reason = f"it reads text vectors {width} wide, the model's are {model.unet.context_dim} wide"
    for name in (*wanted, *names):
        if reason:
            break
        if name not in names:
            reason = f"it lacks {name}"
        elif name not in wanted:
            reason = f"{name} has no place in the model's U-Net"
        elif not fits(file.part.shape(name), wanted[name]):
            reason = f"{name} has the shape {list(file.part.shape(name))}, not {list(wanted[name])}"
    heads = file.config.get("num_attention_heads") or file.config.get("attention_head_dim")
    own = [level.num_heads for level in model.unet.levels]
    if heads is not None and (heads if isinstance(heads, list) else [heads] * len(own)) != own:
        reason = reason or f"it has {heads} attention heads, the model {own}"
    if reason:
        raise CheckpointError(f'{file.path} is a ControlNet for another model than "{model.family}": {reason}.')
