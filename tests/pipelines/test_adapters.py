"""LoRAs and embeddings by name in prompts, against models into which the same was merged by hand."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inkbloom import StableDiffusion
from inkbloom.apps.cli.main import main
from inkbloom.checkpoints import file_hash
from inkbloom.checkpoints.adapters.hypernetworks import save_hypernetwork
from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError, Stopped
from inkbloom.models.hypernetwork import Hypernetwork, HypernetworkSpec, attached
from inkbloom.pipelines.metadata.a1111 import infotext, parse_infotext
from inkbloom.text.prompt.networks import Network, take_networks
from inkbloom.text.prompt.unknown import refuse

SETTINGS = {"seed": 7, "steps": 3, "guidance_scale": 3.0, "sampler": "Euler"}
UNET, TEXT = "lora_unet_mid_block_attentions_0_proj_in", "lora_te_text_model_encoder_layers_0_mlp_fc1"


def make_lora(path: Path, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    tensors = {
        f"{UNET}.lora_up.weight": torch.randn(64, 4, 1, 1, generator=draw),
        f"{UNET}.lora_down.weight": torch.randn(4, 64, 1, 1, generator=draw),
        f"{TEXT}.diff": 0.2 * torch.randn(256, 64, generator=draw),
    }
    save_file(tensors, path)


def make_hypernetwork(path: Path, sizes: tuple[int, ...]) -> None:
    torch.manual_seed(len(sizes))
    network = Hypernetwork(HypernetworkSpec(sizes=sizes, activation="relu"))
    save_hypernetwork(path, network, metadata={})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for kind in ("loras", "embeddings", "hypernetworks"):
        (root / kind).mkdir()
    make_lora(root / "loras/film.safetensors", 1)
    make_lora(root / "loras/other.safetensors", 2)
    save_file({"emb_params": torch.ones(2, 768)}, root / "embeddings/wide768.safetensors")
    for name, sizes in (("wave", (32, 64)), ("swirl", (64,)), ("wide", (768,))):
        make_hypernetwork(root / f"hypernetworks/{name}.pt", sizes)
    return root


@pytest.fixture(scope="module")
def model(tiny_file: Path, root: Path) -> StableDiffusion:
    model = StableDiffusion.load(tiny_file, device="cpu")
    ids = model.tokenizer.encode("castle night")
    vectors = model.text.token_embedding.weight.detach()[ids].clone()
    save_file({"emb_params": vectors}, root / "embeddings/zqcastle.safetensors")
    return StableDiffusion.load(tiny_file, device="cpu", library=root)


def weights(model: StableDiffusion) -> dict[str, torch.Tensor]:
    networks = {"text": model.text, "unet": model.unet}
    return {f"{n}.{k}": v.clone() for n, network in networks.items() for k, v in network.state_dict().items()}


def assert_untouched(model: StableDiffusion, before: dict[str, torch.Tensor]) -> None:
    after = weights(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("tag", "use"), [("film:0.8", ":0.8"), ("film:0.5:2", ":0.5:2"), ("film:te=0:unet=1", ":0:1")])
def test_a_tag_is_the_merged_model(model, tiny_file: Path, root: Path, tmp_path: Path, tag: str, use: str) -> None:
    merged = tmp_path / "merged.safetensors"
    assert main(["lora", "apply", str(tiny_file), f"{root / 'loras/film.safetensors'}{use}", "-o", str(merged)]) == 0
    before = weights(model)
    plain = model.generate("a dog", **SETTINGS).latents
    found = model.generate(f"a dog <lora:{tag}>", **SETTINGS).latents
    assert_untouched(model, before)
    expected = StableDiffusion.load(merged, device="cpu").generate("a dog", **SETTINGS).latents
    assert (found - expected).norm() / expected.norm() < 1e-5
    assert (found - plain).norm() / plain.norm() > 1e-3
    assert torch.equal(model.generate("a dog", **SETTINGS).latents, plain)  # no chunk of the merged encoder is left


def test_live_is_the_merged_picture(model: StableDiffusion) -> None:
    """1e-5 of the latents' norm; the weights stay as they are meanwhile, and no chunk of one is taken for the other."""
    before = weights(model)
    merged = model.generate("a dog <lora:film:0.8> <lora:other:0.3>", **SETTINGS).latents

    def watch(progress) -> None:
        assert_untouched(model, before)

    prompt = "a dog <lora:film:0.8> <lora:other:0.3>"
    live = model.generate(prompt, lora_application="live", on_progress=watch, **SETTINGS)
    assert live.request.lora_application == "live"
    assert (live.latents - merged).norm() / merged.norm() < 1e-5
    assert torch.equal(model.generate(prompt, **SETTINGS).latents, merged)


def test_hypernetworks(model: StableDiffusion) -> None:
    """Several at once, in order, against the same put in by hand; to the bit."""
    plain = model.generate("a dog", **SETTINGS).latents
    found = model.generate("a dog <hypernet:wave:0.8> <hypernet:swirl>", **SETTINGS)
    files = [model.adapters.uses(found_networks(), refuse).hypernetworks[name].file for name in ("wave", "swirl")]
    with attached(model.unet, [(files[0].network, 0.8), (files[1].network, 1.0)]):
        expected = model.generate("a dog", **SETTINGS).latents
    assert torch.equal(found.latents, expected)
    assert (found.latents - plain).norm() / plain.norm() > 1e-3
    assert torch.equal(model.generate("a dog", **SETTINGS).latents, plain)
    assert list(found.request.network_hashes) == ["hypernet:wave", "hypernet:swirl"]
    assert found.request.network_hashes["hypernet:wave"] == files[0].sha256[:10]


def found_networks() -> tuple[Network, ...]:
    return take_networks("<hypernet:wave:0.8> <hypernet:swirl>")[1]


def test_hypernetworks_that_cannot_be_used(model: StableDiffusion, tiny_file: Path) -> None:
    with pytest.raises(RequestError, match=r'^Hypernetwork: There is no model "wav" among the hypernetworks .* "wave"'):
        model.generate("a dog <hypernet:wav>", **SETTINGS)
    with pytest.raises(
        KeyMismatchError, match=r"is a hypernetwork for widths of 768; this model's attention has 32, 64"
    ):
        model.generate("a dog <hypernet:wide>", **SETTINGS)
    with pytest.raises(RequestError, match=r'^Hypernetwork "wave" cannot be looked up without a folder of models'):
        StableDiffusion.load(tiny_file, device="cpu").generate("<hypernet:wave>", **SETTINGS)


def test_each_picture_has_its_own_loras(model: StableDiffusion) -> None:
    prompts = ["a dog <lora:film:0.8>", "a dog", "a dog <lora:other:0.8>"]
    alone = [model.generate(prompt, **SETTINGS) for prompt in prompts]
    batch = model.paint([one.request for one in alone])
    for latents, one in zip(batch.latents, alone, strict=True):
        assert (latents - one.latents[0]).norm() / latents.norm() < 1e-5
    assert [list(request.network_hashes) for request in batch.requests] == [["lora:film"], [], ["lora:other"]]


def test_weights_are_undone_after_a_stop_and_an_error(model: StableDiffusion) -> None:
    before = weights(model)

    def stop(progress) -> None:
        during = weights(model)
        assert sum(not torch.equal(during[name], before[name]) for name in before) == 2
        raise Stopped

    assert model.generate("a dog <lora:film>", on_progress=stop, **SETTINGS).stopped
    assert_untouched(model, before)

    def fail(progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.generate("a dog <lora:film>", on_progress=fail, **SETTINGS)
    assert_untouched(model, before)


@pytest.mark.parametrize(("prompt", "dialect"), [("a ZQCastle sky", "a1111"), ("a embedding:zqcastle sky", "comfy")])
def test_an_embedding_is_its_vectors(model: StableDiffusion, prompt: str, dialect: str) -> None:
    found = model.generate(prompt, dialect=dialect, **SETTINGS)
    typed = model.generate("a castle night sky", dialect=dialect, **SETTINGS)
    assert (found.latents - typed.latents).norm() / typed.latents.norm() < 1e-6
    assert list(found.request.network_hashes) == ["embed:zqcastle"]
    with pytest.raises(CheckpointError, match=r'^The embedding "wide768" has vectors 768 wide'):
        model.generate("a wide768", **SETTINGS)


def test_hashes_in_the_record(model: StableDiffusion, root: Path) -> None:
    request = model.generate("a dog <lora:film:0.8> zqcastle", **SETTINGS).request
    hashes = json.loads(parse_infotext(infotext(request)).pairs["Hashes"])
    assert hashes == {
        "model": model.hash,
        "lora:film": file_hash(root / "loras/film.safetensors")[:10],
        "embed:zqcastle": file_hash(root / "embeddings/zqcastle.safetensors")[:10],
    }
    assert "film" not in infotext(request, with_prompt=False)
    other = request.model_copy(update={"network_hashes": {"lora:film": "0123456789"}})
    with pytest.raises(RequestError, match=r'^network_hashes "0123456789": lora:film has "'):
        model.generate(other)


def test_unknown_names(model: StableDiffusion, tiny_file: Path, root: Path) -> None:
    with pytest.raises(
        RequestError, match=r'^LoRA: There is no model "flim" among the loras of .* Did you mean "film"'
    ):
        model.generate("a dog <lora:flim>", **SETTINGS)
    with pytest.raises(RequestError, match=r'^Unknown embedding "zqcastel"\. Did you mean "zqcastle"'):
        model.generate("a embedding:zqcastel", dialect="comfy", **SETTINGS)
    with pytest.raises(RequestError, match=r'^LoRA "film" cannot be looked up without a folder of models'):
        StableDiffusion.load(tiny_file, device="cpu").generate("<lora:film>", **SETTINGS)
    lenient = StableDiffusion.load(tiny_file, device="cpu", library=root, lenient=True)
    (line,) = lenient.generate("a dog <lora:flim>", **SETTINGS).warnings
    assert line.startswith('LoRA: There is no model "flim"')
    (line,) = lenient.generate("a embedding:zqcastel", dialect="comfy", **SETTINGS).warnings
    assert line.startswith('Unknown embedding "zqcastel"')
