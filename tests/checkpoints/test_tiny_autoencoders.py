import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inkbloom.checkpoints.tiny_autoencoders import load_tiny_decoder, load_tiny_encoder, save_tiny_decoder
from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.models.tiny_autoencoder import TAESD_DECODER, TAESD_ENCODER, TinyDecoder, TinyEncoder, TinySpec

SMALL = TinySpec(channels=4, blocks=(2, 0, 1, 0))
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def decoder() -> TinyDecoder:
    return TinyDecoder(SMALL)


def as_taesd(decoder: TinyDecoder) -> State:
    """The decoder's tensors as a file of TAESD's has them: a clamp is layer 0 there."""
    state = decoder.layers.state_dict()
    return {f"{int(key.split('.', 1)[0]) + 1}.{key.split('.', 1)[1]}": tensor for key, tensor in state.items()}


def assert_the_same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    state = ours.state_dict()
    assert all(torch.equal(state.pop(name), tensor) for name, tensor in theirs.state_dict().items())
    assert not state
    assert not any(parameter.requires_grad for parameter in ours.parameters())


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_taesds_own_files(decoder: TinyDecoder, tmp_path: Path, ending: str) -> None:
    encoder = TinyEncoder(SMALL)
    for network, state in ((decoder, as_taesd(decoder)), (encoder, encoder.layers.state_dict())):
        path = tmp_path / f"{type(network).__name__}{ending}"
        save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    loaded = load_tiny_decoder(tmp_path / f"TinyDecoder{ending}")
    assert loaded.spec == SMALL
    assert_the_same(loaded, decoder)
    assert_the_same(load_tiny_encoder(tmp_path / f"TinyEncoder{ending}"), encoder)


def test_diffusers_folder_and_file(tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    theirs = AutoencoderTiny()
    theirs.save_pretrained(tmp_path)
    for place in (tmp_path, tmp_path / "diffusion_pytorch_model.safetensors"):
        decoder, encoder = load_tiny_decoder(place), load_tiny_encoder(place)
        assert (decoder.spec, encoder.spec) == (TAESD_DECODER, TAESD_ENCODER)
        assert_the_same(decoder, theirs.decoder)
        assert_the_same(encoder, theirs.encoder)


def test_what_is_saved_is_a_file_of_taesd_in_half_precision(decoder: TinyDecoder, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    save_tiny_decoder(tmp_path / "d.safetensors", decoder)
    state = load_file(tmp_path / "d.safetensors")
    assert state.keys() == as_taesd(decoder).keys()
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert_the_same(load_tiny_decoder(tmp_path / "d.safetensors"), copy.deepcopy(decoder).half().float())


def test_what_is_no_such_file_is_told(decoder: TinyDecoder, tmp_path: Path) -> None:
    encoder, other, broken = (tmp_path / f"{name}.safetensors" for name in ("encoder", "other", "broken"))
    save_file(TinyEncoder(SMALL).layers.state_dict(), encoder)
    save_file({"a.weight": torch.zeros(3)}, other)
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors holds no decoder of a tiny autoencoder\."):
        load_tiny_decoder(encoder)
    with pytest.raises(CheckpointError, match=r"other\.safetensors holds no encoder of a tiny autoencoder\."):
        load_tiny_encoder(other)
    state = as_taesd(decoder)
    del state["1.bias"]
    save_file(state | {"a.weight": torch.zeros(3)}, broken)
    with pytest.raises(KeyMismatchError, match=r"not match: 1 missing: layers\.0\.bias; 1 extra: a\.weight"):
        load_tiny_decoder(broken)
    with pytest.raises(CheckpointError, match=r"none\.pth"):
        load_tiny_decoder(tmp_path / "none.pth")
