import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import fit, read_adapter
from inkbloom.checkpoints.adapters.inspecting import summarise


def test_summary(make, tiny_model: LoadedModel) -> None:
    tensors = make.kohya(1.0, unet=("mid_block.resnets", "conv_in"), text=("fc1",))
    tensors["lora_unet_mid_block_attentions_0_proj_in.diff"] = torch.ones(64, 64, 1, 1)
    fitted = fit(read_adapter(make.save(tensors)), tiny_model.spec)
    text, first, middle = summarise(fitted, tiny_model.spec)
    assert (text.block, text.layers, text.kinds, text.ranks, text.alphas) == ("TEXT", 2, ("LoRA",), (3,), (1.0,))
    assert (first.block, middle.block) == ("IN00", "M00")
    assert middle.kinds == ("LoCon", "LoRA", "difference")
    squares = 64**2 + sum(
        (tensors[f"{name}.lora_up.weight"].flatten(1) @ tensors[f"{name}.lora_down.weight"].flatten(1)).square().sum()
        / 9
        for name in {name.split(".")[0] for name in tensors if "mid_block_resnets" in name}
    )
    assert middle.norm == pytest.approx(squares.item() ** 0.5, rel=1e-5)


def test_norm_that_needs_the_model(make, tiny_model: LoadedModel) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {f"{name}.weight": torch.full((64,), 0.5), f"{name}.on_input": torch.tensor(1)}
    fitted = fit(read_adapter(make.save(tensors)), tiny_model.spec)
    assert summarise(fitted, tiny_model.spec)[0].norm is None
    weight = tiny_model.unet.get_parameter("mid.transformer.proj_in.weight")
    assert summarise(fitted, tiny_model.spec, tiny_model)[0].norm == pytest.approx(0.5 * weight.norm().item(), rel=1e-5)
