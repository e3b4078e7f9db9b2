"""Files as they come: every tensor is applied or listed, and what is wrong is said in one line."""

from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import fit, read_adapter
from inkbloom.checkpoints.adapters.fitting import places
from inkbloom.core.errors import CheckpointError, KeyMismatchError, UnsafeCheckpointError
from inkbloom.families.sd1 import SD1

UNET, TEXT = ("attn1.to_q", "conv1"), ("q_proj",)
ATTENTION = "down.1.transformers.0.blocks.0.self_attention.q"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", ("unet", ATTENTION)),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", ("unet", ATTENTION)),
        ("lycoris_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", ("unet", ATTENTION)),
        ("oft_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", ("unet", ATTENTION)),
        ("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", ("unet", ATTENTION)),
        ("lora_unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", ("unet", ATTENTION)),
        ("base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", ("unet", ATTENTION)),
        ("diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q", ("unet", ATTENTION)),
        ("model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q", ("unet", ATTENTION)),
        ("lora_unet_output_blocks_11_0_skip_connection", ("unet", "up.3.resnets.2.skip")),
        ("lora_unet_up_blocks_0_upsamplers_0_conv", ("unet", "up.0.upsample.conv")),
        ("lora_unet_time_embedding_linear_1", ("unet", "time_in")),
        ("lora_unet_middle_block_1_proj_in", ("unet", "mid.transformer.proj_in")),
        ("lora_te_text_model_encoder_layers_11_self_attn_out_proj", ("text", "layers.11.attention.out")),
        ("text_encoder.text_model.encoder.layers.3.mlp.fc1", ("text", "layers.3.fc1")),
        ("text_encoder.encoder.layers.3.mlp.fc1", ("text", "layers.3.fc1")),
        ("cond_stage_model.transformer.text_model.encoder.layers.3.mlp.fc1", ("text", "layers.3.fc1")),
        ("lora_te_text_model_encoder_layers_12_mlp_fc1", None),
        ("lora_unet_down_blocks_9_attentions_0_proj_in", None),
    ],
)
def test_spellings(name: str, place: tuple[str, str] | None) -> None:
    assert places(SD1).find(name) == place


def test_the_25_blocks() -> None:
    blocks = {f"IN{n:02}" for n in range(12)} | {f"OUT{n:02}" for n in range(12)} | {"M00", "BASE"}
    assert set(places(SD1).blocks.values()) == blocks


def test_every_tensor_is_applied_or_listed(make, tiny_model: LoadedModel) -> None:
    tensors = make.kohya(1.0, unet=UNET, text=TEXT)
    strange = {
        "lora_unet_nowhere.lora_up.weight": torch.zeros(2, 2),
        "lora_unet_nowhere.lora_down.weight": torch.zeros(2, 2),
        "lora_unet_conv_in.lora_up.weight": torch.zeros(2, 2),  # its other half is missing
        "lora_unet_mid_block_resnets_0_conv2.reshape_weight": torch.zeros(2),
        "something": torch.zeros(2),
    }
    fitted = fit(read_adapter(make.save(tensors | strange)), tiny_model.spec)
    assert set(fitted.applied) == set(tensors)
    assert set(fitted.not_applied) == set(strange)


def test_a_leaf_in_two_spellings(make, tiny_model: LoadedModel) -> None:
    """One is applied, one is listed."""
    name = "lora_unet_conv_in"
    tensors = {f"{name}.{leaf}.weight": torch.zeros(32, 2, 1, 1) for leaf in ("lora_up", "lora_B")}
    tensors[f"{name}.lora_down.weight"] = torch.zeros(2, 4, 3, 3)
    fitted = fit(read_adapter(make.save(tensors)), tiny_model.spec)
    assert (len(fitted.applied), len(fitted.not_applied)) == (2, 1)
    assert {*fitted.applied, *fitted.not_applied} == tensors.keys()


def test_pickle(make, tiny_model: LoadedModel, tmp_path: Path) -> None:
    tensors = make.kohya(1.0, unet=UNET, text=TEXT)
    torch.save(tensors, tmp_path / "adapter.pt")
    assert set(fit(read_adapter(tmp_path / "adapter.pt"), tiny_model.spec).applied) == set(tensors)


def test_bundled_embeddings(make, tiny_model: LoadedModel) -> None:
    tensors = {
        "bundle_emb.my style.string_to_param.*": torch.ones(2, 64),
        "bundle_emb.other.clip_l": torch.ones(64),
        "bundle_emb.other.clip_g": torch.ones(1, 1280),
    }
    adapter = read_adapter(make.save(tensors))
    assert [(one.name, one.vectors.shape) for one in adapter.embeddings] == [("my style", (2, 64)), ("other", (1, 64))]
    assert fit(adapter, tiny_model.spec).not_applied == ("bundle_emb.other.clip_g",)


def test_a_bundled_embedding_of_another_width(make) -> None:
    adapter = read_adapter(make.save({"bundle_emb.big.string_to_param.*": torch.ones(1, 1024)}))
    with pytest.raises(
        CheckpointError, match=r'^The embedding "big" has vectors 1024 wide \(it is for Stable Diffusion 2'
    ):
        fit(adapter, SD1)


def test_none_fits(make, tiny_model: LoadedModel) -> None:
    adapter = read_adapter(
        make.save(
            {"lora_unet_no.lora_up.weight": torch.zeros(2, 2), "lora_unet_no.lora_down.weight": torch.zeros(2, 2)}
        )
    )
    with pytest.raises(
        CheckpointError, match=r'fits nothing in this model \(sd1\): none of its 1 layers, first "lora_un'
    ):
        fit(adapter, tiny_model.spec)


@pytest.mark.parametrize(
    ("name", "width", "family"),
    [
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048, "Stable Diffusion XL"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280, "Stable Diffusion XL"),
        ("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 1024, r"Stable Diffusion 2 \(text 1024 w"),
        ("lora_unet_double_blocks_0_img_attn_qkv", 3072, "a transformer model such as Flux or Stable Diffusion 3"),
        ("lora_transformer_transformer_blocks_0_attn_to_q", 1536, "a transformer model such as Flux or Stable"),
    ],
)
def test_another_family(make, name: str, width: int, family: str) -> None:
    tensors = {f"{name}.lora_up.weight": torch.zeros(320, 2), f"{name}.lora_down.weight": torch.zeros(2, width)}
    with pytest.raises(
        KeyMismatchError, match=rf"is an adapter for {family}.*cannot be used with this model \(sd1, text 768 wide"
    ):
        fit(read_adapter(make.save(tensors)), SD1)


def test_misshapen(make, tiny_model: LoadedModel) -> None:
    tensors = make.kohya(1.0, unet=UNET, text=TEXT)
    name = "lora_unet_mid_block_resnets_0_conv1"
    tensors[f"{name}.lora_down.weight"] = torch.zeros(3, 63, 3, 3)
    with pytest.raises(
        KeyMismatchError, match=rf'"{name}" \(LoCon\) does not fit this model, whose tensor there is \[64, 64, 3'
    ):
        fit(read_adapter(make.save(tensors)), tiny_model.spec)


@pytest.mark.parametrize("shapes", [((2, 0), (0, 2)), ((2,), (2,)), ((2, 3), (2, 2))])
def test_damaged_shapes(make, tiny_model: LoadedModel, shapes: tuple[tuple[int, ...], ...]) -> None:
    up, down = shapes
    name = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    path = make.save({f"{name}.lora_up.weight": torch.zeros(up), f"{name}.lora_down.weight": torch.zeros(down)})
    with pytest.raises(CheckpointError, match="does not fit this model"):
        fit(read_adapter(path), tiny_model.spec)


def test_twice_in_one_place(make, tiny_model: LoadedModel) -> None:
    tensors = {
        f"{name}.{leaf}": torch.zeros(shape)
        for name in ("lora_unet_conv_in", "lora_unet_input_blocks_0_0")
        for leaf, shape in (("lora_up.weight", (32, 2, 1, 1)), ("lora_down.weight", (2, 4, 3, 3)))
    }
    with pytest.raises(KeyMismatchError, match='"lora_unet_input_blocks_0_0" is the second layer in one place'):
        fit(read_adapter(make.save(tensors)), tiny_model.spec)


def test_truncated(make) -> None:
    path = make.save(make.kohya(1.0, unet=UNET, text=TEXT))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is truncated"):
        read_adapter(path)


def test_other_files(tiny_file: Path, make, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a file without one tensor of a known kind of adapter; an adapter is"):
        read_adapter(tiny_file)
    with pytest.raises(CheckpointError, match="is a textual-inversion embedding; an adapter is a LoRA"):
        read_adapter(make.save({"emb_params": torch.zeros(1, 64)}))
    with pytest.raises(
        CheckpointError, match=r"is a folder without an adapter; it would hold adapter_model\.safetensors"
    ):
        read_adapter(tmp_path)
    with pytest.raises(CheckpointError, match="There is no model at"):
        read_adapter(tmp_path / "none.safetensors")


def test_damaged_configurations(make, tmp_path: Path) -> None:
    tensors = make.kohya(None, unet=UNET, text=())
    with pytest.raises(CheckpointError, match="its lora_adapter_metadata cannot be read: "):
        read_adapter(make.save(tensors, {"lora_adapter_metadata": "{"}))
    make.save(tensors, name="adapter_model")
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(
        CheckpointError, match=r"adapter_config\.json cannot be read: it holds a list instead of an object"
    ):
        read_adapter(tmp_path)


def test_an_alpha_of_several_numbers(make) -> None:
    tensors = make.kohya(None, unet=UNET, text=())
    name = next(iter(tensors)).split(".")[0] + ".alpha"
    with pytest.raises(CheckpointError, match=rf"{name} has the shape \[2\]; it is one number"):
        read_adapter(make.save(tensors | {name: torch.ones(2)}))


def test_code_is_refused(tmp_path: Path) -> None:
    torch.save({"x.lora_up.weight": print}, tmp_path / "bad.pt")
    with pytest.raises(UnsafeCheckpointError, match="was refused, because loading it could run code"):
        read_adapter(tmp_path / "bad.pt")
