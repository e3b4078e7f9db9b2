"""CLIP whole against transformers' `CLIPModel`, through the folder that we write: equal within 1e-5."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.clip_folder import load_clip, load_text_encoder, save_clip
from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.models.clip import Clip, ClipSpec, ClipVisionSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.text.tokenizer import Tokenizer

CAPTIONS = ["a red square", "a blue circle on the left", "abc"]
TOKENIZER = Tokenizer.train(CAPTIONS, 530)
SPEC = ClipSpec(
    text=ClipTextSpec(width=32, num_layers=2, num_heads=2, vocab_size=TOKENIZER.vocab_size, max_tokens=24),
    vision=ClipVisionSpec(image_size=32, patch_size=8, width=48, num_layers=2, num_heads=3, activation="gelu"),
    embedding_dim=20,
    end_token=TOKENIZER.eos_id,
)


@pytest.fixture
def clip() -> Clip:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Clip(SPEC).eval()


@pytest.fixture
def folder(clip: Clip, tmp_path: Path) -> Path:
    save_clip(tmp_path / "clip", clip, TOKENIZER, metadata={"note": "mine"})
    return tmp_path / "clip"


def inputs() -> tuple[Tensor, Tensor]:
    image = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return image, TOKENIZER.encode_padded(CAPTIONS, 24).ids


@torch.no_grad()
def test_it_equals_transformers(clip: Clip, folder: Path) -> None:
    peer = transformers.CLIPModel.from_pretrained(folder, local_files_only=True).eval()
    image, ids = inputs()
    out = peer(input_ids=ids, pixel_values=image)
    assert out.logits_per_image.std() > 1e-2
    assert torch.allclose(clip(image, ids), out.logits_per_image, rtol=1e-5, atol=1e-5)
    assert torch.allclose(clip.image_vectors(image), out.image_embeds, rtol=1e-5, atol=1e-6)
    assert torch.allclose(clip.text_vectors(ids), out.text_embeds, rtol=1e-5, atol=1e-6)

    text = transformers.CLIPTextModel.from_pretrained(folder, local_files_only=True).eval()
    assert torch.allclose(clip.text(ids), text(ids).last_hidden_state, rtol=1e-5, atol=1e-5)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    assert torch.equal(torch.tensor(tokenizer(CAPTIONS, padding="max_length").input_ids), ids)


def test_it_comes_back(clip: Clip, folder: Path) -> None:
    again, tokenizer = load_clip(folder)
    assert again.spec == SPEC
    assert tokenizer.encode("a red square") == TOKENIZER.encode("a red square")
    for name, tensor in clip.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    save_clip(folder, clip, TOKENIZER, dtype=torch.float16, metadata={})  # replaces what stands there
    assert {tensor.dtype for tensor in load_clip(folder)[0].state_dict().values()} == {torch.float16}


def test_a_text_encoder_from_either_kind_of_model(
    clip: Clip, folder: Path, tiny_model: LoadedModel, tiny_folder: Path
) -> None:
    text, tokenizer = load_text_encoder(folder)
    assert torch.equal(text.token_embedding.weight, clip.text.token_embedding.weight)
    assert tokenizer.vocab_size == TOKENIZER.vocab_size
    text, tokenizer = load_text_encoder(tiny_folder)
    assert tiny_model.text is not None
    assert torch.equal(text.token_embedding.weight, tiny_model.text.token_embedding.weight)
    assert tokenizer.vocab_size == 49408


def test_what_cannot_be_followed(folder: Path, tmp_path: Path) -> None:
    config = folder / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | {"model_type": "bert"}))
    with pytest.raises(CheckpointError, match=r"config\.json: model_type is 'bert'; it must be 'clip'\."):
        load_clip(folder)
    config.write_text(json.dumps(values | {"vision_config": values["vision_config"] | {"num_hidden_layers": 1}}))
    with pytest.raises(KeyMismatchError, match=r"the tensors of the CLIP model do not match: 16 extra: vision_model"):
        load_clip(folder)
    config.write_text(json.dumps(values | {"text_config": 3}))
    with pytest.raises(CheckpointError, match=r"text_config is 3; it must be an object\."):
        load_clip(folder)
