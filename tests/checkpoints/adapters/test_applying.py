from pathlib import Path

import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.checkpoints.adapters import AdapterUse, Merger, applied, fit, read_adapter
from inkbloom.core.errors import CheckpointError, RequestError

UNET, TEXT = ("attn1.to_q", "conv1", "time_emb_proj"), ("q_proj",)


@pytest.fixture
def adapter(make):
    return read_adapter(make.save(make.kohya(1.0, unet=UNET, text=TEXT)))


def state(model: LoadedModel) -> dict[str, Tensor]:
    tensors = {f"text.{name}": tensor for name, tensor in model.text.state_dict().items()}
    return tensors | {f"unet.{name}": tensor for name, tensor in model.unet.state_dict().items()}


def copied(model: LoadedModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state(model).items()}


def changed(model: LoadedModel, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in state(model).items() if not torch.equal(tensor, before[name])}


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_undone_exactly(adapter, tiny_file: Path, dtype: torch.dtype) -> None:
    model = load(tiny_file, components=("text", "unet"), dtype=dtype)
    before, places = copied(model), {name: tensor.data_ptr() for name, tensor in state(model).items()}
    with applied(model, [AdapterUse(file=adapter), AdapterUse(file=adapter, unet_weight=-0.3)]):
        assert len(changed(model, before)) == len(fit(adapter, model.spec).changes)
    assert all(same_bits(tensor, before[name]) for name, tensor in state(model).items())
    assert {name: tensor.data_ptr() for name, tensor in state(model).items()} == places


def test_undone_after_an_error(adapter, tiny_model: LoadedModel) -> None:
    before = copied(tiny_model)
    with pytest.raises(ZeroDivisionError), applied(tiny_model, [AdapterUse(file=adapter)]):
        raise ZeroDivisionError
    assert changed(tiny_model, before) == set()


def test_weights_of_networks_apart(adapter, tiny_model: LoadedModel) -> None:
    before = copied(tiny_model)
    with applied(tiny_model, [AdapterUse(file=adapter, text_weight=0.0)]):
        assert {name.split(".")[0] for name in changed(tiny_model, before)} == {"unet"}
    with applied(tiny_model, [AdapterUse(file=adapter, unet_weight=0.0)]):
        assert {name.split(".")[0] for name in changed(tiny_model, before)} == {"text"}


def test_several_add_up_in_any_order(make, tiny_model: LoadedModel) -> None:
    """w + 0.5 a + 2 b, both from the original weights; 1e-6 of their size."""
    one = read_adapter(make.save(make.kohya(1.0, unet=UNET, text=TEXT), name="one"))
    two = read_adapter(make.save(make.kohya(None, unet=UNET, text=TEXT), name="two"))
    uses = [AdapterUse(file=one, text_weight=0.5, unet_weight=0.5), AdapterUse(file=two, text_weight=2, unet_weight=2)]
    before = copied(tiny_model)
    changes = [fit(file, tiny_model.spec).changes for file in (one, two)]
    with applied(tiny_model, uses):
        for (component, name), change in changes[0].items():
            base = before[f"{component}.{name}"]
            expected = base + 0.5 * change.delta(base) + 2 * changes[1][component, name].delta(base)
            torch.testing.assert_close(state(tiny_model)[f"{component}.{name}"], expected, rtol=1e-6, atol=1e-6)
        first = copied(tiny_model)
    with applied(tiny_model, uses[::-1]):
        for name, tensor in state(tiny_model).items():
            torch.testing.assert_close(tensor, first[name], rtol=1e-6, atol=1e-6)


def test_blocks(adapter, tiny_model: LoadedModel) -> None:
    before = copied(tiny_model)
    off = {"BASE": 0.0, "IN01": 0.0, "OUT00": 0.0, "OUT01": 0.0, "OUT02": 0.0, "OUT03": 0.0}
    with applied(tiny_model, [AdapterUse(file=adapter, blocks=off)]):
        parts = {name.rsplit(".", 2)[0] for name in changed(tiny_model, before)}
        assert {part.split(".")[1] for part in parts} == {"down", "mid"}
        assert not any(part.startswith("unet.down.0") for part in parts)
    with applied(tiny_model, [AdapterUse(file=adapter, blocks={"M00": 0.5})]):
        name = "mid.resnet1.conv1.weight"
        base = before[f"unet.{name}"]
        expected = base + 0.5 * fit(adapter, tiny_model.spec).changes["unet", name].delta(base)
        torch.testing.assert_close(tiny_model.unet.get_parameter(name).data, expected)


def test_unknown_block(adapter, tiny_model: LoadedModel) -> None:
    with (
        pytest.raises(RequestError, match=r'^This model has no block "IN44"\. Did you mean "IN0'),
        applied(tiny_model, [AdapterUse(file=adapter, blocks={"IN44": 0.5})]),
    ):
        pass


def test_rank(make, tiny_model: LoadedModel) -> None:
    """With the first of three components alone, it is the LoRA of rank 1 and a third of the alpha."""
    tensors = make.kohya(3.0, unet=UNET, text=TEXT)
    whole = read_adapter(make.save(tensors, name="whole"))
    first = {
        name: torch.tensor(1.0) if tensor.ndim == 0 else tensor[:, :1] if "lora_up" in name else tensor[:1]
        for name, tensor in tensors.items()
    }
    with applied(tiny_model, [AdapterUse(file=whole, rank=1)]):
        cut = copied(tiny_model)
    with applied(tiny_model, [AdapterUse(file=read_adapter(make.save(first, name="first")))]):
        assert changed(tiny_model, cut) == set()


def test_remembered(adapter, tiny_model: LoadedModel) -> None:
    """The same set again costs nothing: the very same tensors go in."""
    merger, before = Merger(tiny_model), copied(tiny_model)
    parameter = tiny_model.unet.get_parameter("mid.resnet1.conv1.weight")
    with merger.applied([AdapterUse(file=adapter)]):
        place = parameter.data_ptr()
    with merger.applied([AdapterUse(file=adapter)]):
        assert parameter.data_ptr() == place
    with merger.applied([AdapterUse(file=adapter, unet_weight=0.9)]):
        assert parameter.data_ptr() != place
    assert changed(tiny_model, before) == set()


def test_network_that_is_not_loaded(adapter, tiny_file: Path) -> None:
    model = load(tiny_file, components=("unet",))
    with (
        pytest.raises(RequestError, match=r"^The adapter changes the text encoder, which was not loaded\."),
        applied(model, [AdapterUse(file=adapter)]),
    ):
        pass
    with applied(model, [AdapterUse(file=adapter, text_weight=0)]) as (fitted,):
        assert fitted.not_applied == ()


def test_not_finite(adapter, tiny_file: Path) -> None:
    model = load(tiny_file, components=("text", "unet"), dtype=torch.float16)
    before = copied(model)
    with (
        pytest.raises(
            CheckpointError, match=r"of the U-Net does not stay finite in torch\.float16; a file is damaged, or"
        ),
        applied(model, [AdapterUse(file=adapter, text_weight=0, unet_weight=1e9)]),
    ):
        pass
    assert changed(model, before) == set()
