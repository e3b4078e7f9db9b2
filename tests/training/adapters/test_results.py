"""What trainings write, opened in diffusers, in peft, and here: the same U-Net output, 1e-5 of its deviation."""

import json
from pathlib import Path

import diffusers
import peft
import pytest
import torch
from torch import Tensor, nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import AdapterUse, live, read_adapter, read_embedding, read_hypernetwork
from inkbloom.core.errors import OutputError, RequestError
from inkbloom.training.adapters import (
    EmbeddingSettings,
    EmbeddingTraining,
    HypernetworkSettings,
    HypernetworkTraining,
    save_embeddings,
    save_hypernetwork,
    save_lora,
)
from inkbloom.training.denoising import Denoising
from inkbloom.training.objective import Objective
from tests.training.adapters.conftest import close

PROMPT = "a zqcat in the snow"


@pytest.fixture
def pipeline(tiny_folder: Path) -> diffusers.StableDiffusionPipeline:
    return diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_folder, safety_checker=None, local_files_only=True, requires_safety_checker=False
    )


def inputs() -> tuple[Tensor, Tensor]:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2)), torch.tensor([500])


@torch.no_grad()
def ours(trainee: Denoising) -> Tensor:
    return trainee.unet(*inputs(), trainee.conditioning([PROMPT]))


@torch.no_grad()
def theirs(pipeline: diffusers.StableDiffusionPipeline, unet: nn.Module | None = None) -> Tensor:
    encoded, _ = pipeline.encode_prompt(PROMPT, "cpu", 1, False)
    return (unet or pipeline.unet)(*inputs(), encoded).sample


@torch.no_grad()
def disturbed(trainee: Denoising) -> Denoising:
    """As if it had been trained."""
    torch.manual_seed(0)
    for parameter in trainee.trained.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape))
    return trainee.eval()


@pytest.mark.parametrize(("spelling", "dora"), [("kohya", False), ("peft", False), ("peft", True)])
@pytest.mark.parametrize("conv_rank", [None, 3], ids=["linear", "conv"])
def test_lora_in_diffusers(lora, pipeline, tmp_path: Path, spelling: str, dora: bool, conv_rank: int | None) -> None:
    """But for DoRA in kohya's spelling, whose magnitudes diffusers leaves out with a warning."""
    trainee = disturbed(lora(rank=4, alpha=3.0, conv_rank=conv_rank, dora=dora, lora_spelling=spelling))
    save_lora(tmp_path / "film.safetensors", trainee, {"modelspec.title": "film"})
    found, before = ours(trainee), theirs(pipeline)
    pipeline.load_lora_weights(str(tmp_path), weight_name="film.safetensors")
    close(found, theirs(pipeline))
    assert (found - before).std() > 1e-2 * before.std()
    trainee.detach()
    with live(trainee.base, [AdapterUse(file=read_adapter(tmp_path / "film.safetensors"))]) as (fitted,):
        assert not fitted.not_applied
        close(ours(trainee), found)


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_other_kinds_in_peft(lora, pipeline, tmp_path: Path, kind: str) -> None:
    """diffusers reads neither; peft does, its U-Net is diffusers'. Linear layers."""
    trainee = disturbed(lora(adapter_kind=kind, rank=3, alpha=2.0, targets="attention", adapt_text_encoder=False))
    save_lora(tmp_path / "x.safetensors", trainee)
    config = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}[kind]
    model = peft.get_peft_model(
        pipeline.unet, config(target_modules=["to_q", "to_k", "to_v", "to_out.0"], r=3, alpha=2)
    )
    adapter = read_adapter(tmp_path / "x.safetensors")
    known = {name.replace(".", "_"): name for name, _ in pipeline.unet.named_modules()}
    state = {}
    with torch.no_grad():
        for name in (name for layer in adapter.layers.values() for name in layer.names if "alpha" not in name):
            module, leaf = name.split(".")
            state[f"base_model.model.{known[module.removeprefix('lora_unet_')]}.{leaf}"] = tensor_of(tmp_path, name)
    outcome = peft.set_peft_model_state_dict(model, state)
    assert not outcome.unexpected_keys
    close(ours(trainee), theirs(pipeline, model))


def tensor_of(folder: Path, name: str) -> Tensor:
    from safetensors import safe_open

    with safe_open(folder / "x.safetensors", "pt") as file:
        return file.get_tensor(name)


def test_metadata_of_a_lora(lora, tmp_path: Path) -> None:
    """kohya's least is there by itself; what is given goes before it."""
    path = tmp_path / "x.safetensors"
    save_lora(path, lora(rank=4, alpha=2.0), {"ss_base_model_version": "mine"})
    found = read_adapter(path).metadata
    assert found["ss_network_dim"] == "4"
    assert found["ss_network_alpha"] == "2.0"
    assert found["ss_network_module"] == "networks.lora"
    assert found["ss_base_model_version"] == "mine"
    save_lora(path, lora(adapter_kind="loha", conv_rank=4), dtype=torch.float16)
    adapter = read_adapter(path)
    assert adapter.metadata["ss_network_module"] == "lycoris.kohya"
    assert json.loads(adapter.metadata["ss_network_args"]) == {"algo": "loha"}
    assert adapter.metadata["ss_network_dim"] == "Dynamic"
    assert next(iter(adapter.layers.values())).weight.w1_a.dtype == torch.float16
    with pytest.raises(RequestError, match=r'^An adapter file ends in \.safetensors, not in "\.pt"'):
        save_lora(tmp_path / "x.pt", lora())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save_lora(tmp_path / "file" / "x.safetensors", lora())


def test_embeddings_in_diffusers(model: LoadedModel, objective: Objective, pipeline, tmp_path: Path) -> None:
    """Whose token is the word, without being told; and as A1111 reads it, by the file's name."""
    settings = EmbeddingSettings(trigger_words={"zqcat": 3, "zqother": 1})
    trainee = disturbed(EmbeddingTraining(model, objective, settings))
    paths = save_embeddings(tmp_path / "embeddings", trainee, {"modelspec.title": "cat"})
    assert [path.name for path in paths] == ["zqcat.safetensors", "zqother.safetensors"]
    found, before = ours(trainee), theirs(pipeline)
    for path in paths:
        pipeline.load_textual_inversion(str(path))
    close(found, theirs(pipeline))
    assert (found - before).std() > 1e-3 * before.std()
    again = read_embedding(paths[0])
    assert again.name == "zqcat"
    assert torch.equal(again.vectors, trainee.vectors()["zqcat"])


def test_hypernetworks_on_diffusers(model: LoadedModel, objective: Objective, pipeline, tmp_path: Path) -> None:
    """Which has none of its own: the file's tensors, read by PyTorch alone, in front of its projections."""
    trainee = disturbed(HypernetworkTraining(model, objective, HypernetworkSettings(activation="tanh")))
    save_hypernetwork(tmp_path / "wave.pt", trainee, {"modelspec.title": "wave"}, step=12)
    found, before = ours(trainee), theirs(pipeline)
    content = torch.load(tmp_path / "wave.pt", weights_only=True)
    assert content["step"] == 12
    assert content["modelspec.title"] == "wave"

    def in_front(state: dict[str, Tensor]):
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
            x = arguments[0]
            hidden = torch.tanh(x @ state["linear.0.weight"].T + state["linear.0.bias"])
            return x + hidden @ state["linear.2.weight"].T + state["linear.2.bias"]

        return hook

    for name, module in pipeline.unet.named_modules():
        if name.endswith((".to_k", ".to_v")):
            keys, values = content[module.in_features]
            module.register_forward_pre_hook(in_front(keys if name.endswith("to_k") else values))
    close(found, theirs(pipeline))
    assert (found - before).std() > 1e-2 * before.std()
    again = read_hypernetwork(tmp_path / "wave.pt").network
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), trainee.trained.parameters(), strict=True))
