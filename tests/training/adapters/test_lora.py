"""LoRA and its kin in training, against peft on the same numbers; one batch is learned by heart."""

import copy
from collections import Counter
from pathlib import Path

import peft
import pytest
import torch
from torch import nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import AdapterUse, applied, read_adapter
from inkbloom.checkpoints.adapters.fitting import places
from inkbloom.checkpoints.adapters.writing import save_adapter, spell
from inkbloom.core.errors import TrainingError
from inkbloom.families.sd1 import SD1
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet
from inkbloom.training.adapters import LoraSettings, LoraTraining
from inkbloom.training.adapters.lora import Size, sizes
from inkbloom.training.denoising import ConditioningSettings, checkpoint_blocks
from tests.training.adapters.conftest import close, learn, make_batch


def names(found: dict[tuple[str, str], Size]) -> set[str]:
    return {f"{component}.{name.removesuffix('.weight')}" for component, name in found}


@pytest.fixture(scope="module")
def sd1() -> LoadedModel:
    with torch.device("meta"):
        text, unet = ClipText(SD1.text), UNet(SD1.unet)
    return LoadedModel(
        spec=SD1, tokenizer=None, text=text, unet=unet, autoencoder=None, name="sd1", path=Path("sd1.safetensors")
    )


def test_layers_of_stable_diffusion_1(sd1: LoadedModel) -> None:
    """As many as in kohya's files: 192 layers of the U-Net, 72 of the text encoder; with convolutions 278."""
    by_network = Counter(component for component, _ in sizes(LoraSettings(), sd1))
    assert by_network == {"unet": 192, "text": 72}
    assert len(sizes(LoraSettings(conv_rank=4, adapt_text_encoder=False), sd1)) == 278
    everything = sum(isinstance(layer, nn.Linear | nn.Conv2d) for layer in sd1.unet.modules())
    assert len(sizes(LoraSettings(targets="full", adapt_text_encoder=False), sd1)) == everything == 282
    assert Counter(component for component, _ in sizes(LoraSettings(targets="attention"), sd1)) == {
        "unet": 16 * 8,
        "text": 48,
    }
    assert Counter(component for component, _ in sizes(LoraSettings(), sd1, clip_skip=2)) == {"unet": 192, "text": 66}


def test_ranks_and_alphas(sd1: LoadedModel) -> None:
    found = sizes(
        LoraSettings(
            rank=8,
            alpha=4.0,
            conv_rank=2,
            conv_alpha=1.0,
            block_ranks={"IN01": 3, "M00": 0, "OUT11": 5},
            block_alphas={"OUT11": 2.5, "IN02": 6.0},
        ),
        sd1,
    )
    blocks = places(SD1).blocks
    assert not any(blocks[place] == "M00" for place in found)
    q = {blocks["unet", name]: size for (_, name), size in found.items() if name.endswith("cross_attention.q.weight")}
    assert q["IN01"] == Size(3, 3)
    assert q["IN02"] == Size(8, 6.0)
    assert q["OUT11"] == Size(5, 2.5)
    assert q["IN04"] == Size(8, 4.0)
    assert found["unet", "down.0.resnets.0.conv1.weight"] == Size(2, 1.0)
    assert found["text", "layers.0.fc1.weight"] == Size(8, 4.0)
    assert sizes(LoraSettings(targets="full", rank=8), sd1)["unet", "conv_in.weight"] == Size(8, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_ranks": {"IN44": 1}}, r'^block_ranks: this model has no block "IN44"\. Did you mean'),
        ({"block_alphas": {"OUT": 1.0}}, r'^block_alphas: this model has no block "OUT"\. Did you mean'),
        (
            {"block_ranks": dict.fromkeys(("BASE", "IN01", "IN03", "M00", "OUT00", "OUT01", "OUT02", "OUT03"), 0)},
            r"^block_ranks leaves all blocks out",
        ),
    ],
)
def test_what_cannot_be_trained(lora, settings: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        lora(**settings)


@pytest.mark.parametrize(("kind", "dora"), [("lora", False), ("lora", True), ("loha", False), ("lokr", False)])
def test_one_batch_is_learned_by_heart(lora, kind: str, dora: bool) -> None:
    """To a hundredth of the first loss, which is the base model's: the adapter begins as nothing."""
    trainee = lora(adapter_kind=kind, dora=dora, rank=8, conv_rank=8, adapt_text_encoder=False)
    base = copy.deepcopy(trainee.unet.state_dict())
    losses = learn(trainee, 40, 1e-2, rows=(0,))
    assert losses[-1] < 1e-2 * losses[0]
    assert all(torch.equal(tensor, base[name]) for name, tensor in trainee.unet.state_dict().items())
    assert {id(p) for p in trainee.parameters() if p.requires_grad} == {id(p) for p in trainee.trained.parameters()}
    grouped = [p for group in trainee.groups() for p in group.parameters]
    assert Counter(map(id, grouped)) == Counter(map(id, trainee.trained.parameters()))


def test_it_begins_as_the_base_and_leaves_it(lora, model: LoadedModel) -> None:
    trainee = lora(conv_rank=4)
    batch = make_batch()
    begun = trainee(batch)
    learn(trainee, 2, 1e-2)
    assert not torch.allclose(trainee(batch), begun)
    trainee.detach()
    assert torch.equal(trainee(batch), begun)
    assert not any(module._forward_hooks for module in model.unet.modules())


@torch.no_grad()
def test_live_merged_and_written_are_one(lora, model: LoadedModel, tiny_model: LoadedModel, tmp_path: Path) -> None:
    """What is trained, what its changes say, and what its file does when it is merged: 1e-5."""
    trainee = lora(conv_rank=4, dora=True, scale_weight_norms=0.5)
    torch.manual_seed(0)
    for parameter in trainee.trained.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape))
    batch = make_batch()
    noised = trainee.objective.noised(batch, 0)
    found = trainee.output(noised.x, noised.t, batch)
    save_adapter(tmp_path / "x.safetensors", spell(trainee.changes(), model.spec, "kohya"), metadata={})
    trainee.detach()
    base = trainee.output(noised.x, noised.t, batch)
    with applied(model, [AdapterUse(file=read_adapter(tmp_path / "x.safetensors"))]) as (fitted,):
        assert not fitted.not_applied
        expected = trainee.output(noised.x, noised.t, batch)
    close(found, expected)
    assert (expected - base).std() > 1e-2 * base.std()


LINEAR = "down.0.transformers.0.blocks.0.self_attention.q"
CONV = "mid.resnet1.conv1"


@pytest.mark.parametrize("layer", [LINEAR, CONV])
@pytest.mark.parametrize("kind", ["lora", "dora", "loha", "lokr"])
def test_forward_and_gradients_as_peft(lora, model: LoadedModel, layer: str, kind: str) -> None:
    """One layer under peft's wrapper with our numbers in it: outputs and gradients within 1e-5.

    peft's LoHa and LoKr of convolutions are in Tucker's form, or of other shapes, where ours are not; only the linear
    layer is compared there.
    """
    if layer == CONV and kind in ("loha", "lokr"):
        pytest.skip("peft has another form")
    base = copy.deepcopy(model.unet.get_submodule(layer))
    trainee = lora(adapter_kind=kind.replace("dora", "lora"), dora=kind == "dora", rank=3, alpha=2.0, conv_rank=3)
    ours = trainee._layers["unet", f"{layer}.weight"]
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    configs = {
        "lora": lambda: peft.LoraConfig(target_modules=["0"], r=3, lora_alpha=ours._form.alpha),
        "dora": lambda: peft.LoraConfig(target_modules=["0"], r=3, lora_alpha=ours._form.inner.alpha, use_dora=True),
        "loha": lambda: peft.LoHaConfig(target_modules=["0"], r=3, alpha=2),
        "lokr": lambda: peft.LoKrConfig(target_modules=["0"], r=3, alpha=2),
    }
    theirs = peft.get_peft_model(nn.Sequential(base), configs[kind]()).base_model.model[0]
    pairs = {
        "lora": {"down": "lora_A.default.weight", "up": "lora_B.default.weight"},
        "dora": {
            "down": "lora_A.default.weight",
            "up": "lora_B.default.weight",
            "magnitude": "lora_magnitude_vector.default.weight",
        },
        "loha": {name: f"hada_{name}.default" for name in ("w1_a", "w1_b", "w2_a", "w2_b")},
        "lokr": {name: f"lokr_{name}.default" for name, _ in ours.named_parameters()},
    }[kind]
    with torch.no_grad():
        for name, other in pairs.items():
            there = theirs.get_parameter(other)
            there.copy_(ours.get_parameter(name).reshape(there.shape))
    x = torch.randn(2, 5, 32) if layer == LINEAR else torch.randn(2, 64, 4, 4)
    mine, reference = model.unet.get_submodule(layer)(x), theirs(x)
    torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)
    wanted = torch.randn(mine.shape)
    (mine * wanted).sum().backward()
    (reference * wanted).sum().backward()
    for name, other in pairs.items():
        expected = theirs.get_parameter(other).grad
        found = ours.get_parameter(name).grad.reshape(expected.shape)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_groups(lora) -> None:
    plain = {group.name: group for group in lora(rank=2).groups()}
    assert plain.keys() == {"unet", "text"}
    plus = lora(rank=2, lora_plus_ratio=16.0).groups()
    assert sorted((group.name, group.rate) for group in plus) == [
        ("text", 1.0),
        ("text", 16.0),
        ("unet", 1.0),
        ("unet", 16.0),
    ]
    assert all(p.shape[1] == 2 for group in plus for p in group.parameters if group.rate == 16)  # up: (out, rank, ...)
    assert [group.name for group in lora(adapt_text_encoder=False).groups()] == ["unet"]


def test_rows_are_trained_alike_in_any_batch(lora) -> None:
    """Dropouts follow from seed, step and row, so parts of a batch are parts of the whole; within 1e-5."""
    conditioning = ConditioningSettings(caption_chunks=2)
    trainee = lora(rank_dropout=0.3, channel_dropout=0.2, module_dropout=0.2, conv_rank=4, conditioning=conditioning)
    with torch.no_grad():
        for parameter in trainee.trained.parameters():
            parameter.add_(0.1)
    whole = trainee(make_batch())
    parts = torch.cat([trainee(make_batch(rows)) for rows in ((0, 1), (2,), (3,))])
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(trainee(make_batch(step=1)), whole, rtol=1e-2)
    assert torch.equal(trainee.eval()(make_batch()), trainee.eval()(make_batch()))


def test_gradient_checkpointing_changes_nothing(lora) -> None:
    trainee = lora(conv_rank=4, rank_dropout=0.3)
    trainee(make_batch()).mean().backward()
    expected = [p.grad.clone() for p in trainee.trained.parameters()]
    trainee.zero_grad(set_to_none=True)
    for network in (trainee.unet, trainee.text):
        checkpoint_blocks(network)
    trainee(make_batch()).mean().backward()
    for parameter, gradient in zip(trainee.trained.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_base_in_half_precision(model: LoadedModel, objective, dtype: torch.dtype) -> None:
    """The adapter stays float32, the loss near float32's: 5 %."""
    expected = LoraTraining(copy.deepcopy(model), objective, LoraSettings(conv_rank=4), seed=3)(make_batch())
    model.unet.to(dtype)
    model.text.to(dtype)
    trainee = LoraTraining(model, objective, LoraSettings(conv_rank=4), seed=3)
    losses = trainee(make_batch())
    losses.mean().backward()
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, expected, rtol=0.05, atol=0)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in trainee.trained.parameters())


def test_autocast(lora) -> None:
    trainee = lora(adapter_kind="loha", conv_rank=4)
    expected = trainee(make_batch())
    with torch.autocast("cpu", torch.bfloat16):
        losses = trainee(make_batch())
    losses.mean().backward()
    torch.testing.assert_close(losses, expected, rtol=0.05, atol=0)


@pytest.mark.parametrize("kind", ["lora", "lokr"])
def test_going_on_with_a_lora(lora, model: LoadedModel, tmp_path: Path, kind: str) -> None:
    """Layers, kinds, ranks, alphas and numbers are the file's."""
    first = lora(adapter_kind=kind, dora=True, rank=3, alpha=1.5, targets="attention", adapt_text_encoder=False)
    learn(first, 2, 1e-2)
    expected = first(make_batch())
    first.detach()
    path = tmp_path / "first.safetensors"
    save_adapter(path, spell(first.changes(), model.spec, "kohya"), metadata={})
    second = lora(start_from=path)
    assert second.changes().keys() == first.changes().keys()
    for place, change in first.changes().items():
        weight = getattr(model, place[0]).get_parameter(place[1]).detach()
        again = second.changes()[place]
        assert (again.kind, again.rank, again.alpha) == (change.kind, change.rank, change.alpha)
        assert torch.equal(again.delta(weight), change.delta(weight))
    assert torch.equal(second(make_batch()), expected)


def test_what_training_cannot_go_on_with(lora, tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {f"{name}.diff": torch.zeros(64, 64, 1, 1)}
    save_adapter(tmp_path / "full.safetensors", tensors, metadata={})
    with pytest.raises(
        TrainingError, match=r"^start_from: .*full\.safetensors holds 1 parts that training cannot go on"
    ):
        lora(start_from=tmp_path / "full.safetensors")
