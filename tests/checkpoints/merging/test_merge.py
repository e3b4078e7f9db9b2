"""A1111's rules on whole files, each against tensors computed here."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel, detect, file_hash, load, save_diffusers, save_ldm
from inkbloom.checkpoints.hashes import old_hash
from inkbloom.checkpoints.ldm import SPEC_KEY
from inkbloom.checkpoints.merging import MergeRecipe, differences, merge
from inkbloom.core.errors import CheckpointError, InkbloomError, KeyMismatchError, OutputError, RequestError

Abc = tuple[Path, Path, Path]
State = dict[str, torch.Tensor]
Write = Callable[..., Path]

IN_CONV = "model.diffusion_model.input_blocks.0.0.weight"
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
ALONE = "model.diffusion_model.out.2.bias"

CONFIG = """
model:
  params: {parameterization: v, scale_factor: 0.18215, linear_start: 0.00085, linear_end: 0.012}
"""


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert (found.double() - expected.double()).abs().max() <= 1e-6


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_weighted_sum(abc: Abc, tmp_path: Path) -> None:
    path = merge(MergeRecipe(models=abc[:2]), tmp_path)
    assert path == tmp_path / "0.7(a) + 0.3(b).safetensors"
    assert list(tmp_path.iterdir()) == [path]
    a, b, found = map(load_file, (*abc[:2], path))
    assert found.keys() == a.keys()  # and not what B alone has
    for name, tensor in found.items():
        if name in (POSITIONS, "betas"):
            assert torch.equal(tensor, a[name])
        else:
            close(tensor, 0.7 * a[name].double() + 0.3 * b[name].double())
    assert load(path).spec == detect(abc[0])


def test_add_difference(abc: Abc, tmp_path: Path) -> None:
    path = merge(MergeRecipe(models=abc, method="add-difference", multiplier=1.0), tmp_path)
    assert path.name == "a + 1.0(b - c).safetensors"
    a, b, c, found = map(load_file, (*abc, path))
    assert torch.equal(found[ALONE], a[ALONE])
    for name in c.keys() - {POSITIONS, "betas"}:
        close(found[name], a[name].double() + b[name].double() - c[name].double())


@pytest.mark.parametrize("method", ["slerp", "cosine-a", "cosine-b", "ties", "dare"])
def test_other_methods_make_models(abc: Abc, tmp_path: Path, method: str) -> None:
    models = abc if method in ("ties", "dare") else abc[:2]
    path = merge(MergeRecipe(models=models, method=method), tmp_path)
    found, a = load_file(path), load_file(abc[0])
    assert all(tensor.isfinite().all() for tensor in found.values())
    assert not torch.equal(found[IN_CONV], a[IN_CONV])
    assert load(path).spec == detect(abc[0])


def test_no_interpolation_keeps_the_numbers(abc: Abc, tmp_path: Path) -> None:
    path = merge(MergeRecipe(models=abc[:1], method="no-interpolation"), tmp_path)
    assert path.name == "a.safetensors"
    a, found = map(load_file, (abc[0], path))
    assert found.keys() == a.keys()
    assert all(torch.equal(found[name], a[name]) for name in a)


def test_blocks(abc: Abc, tmp_path: Path) -> None:
    recipe = MergeRecipe(models=abc[:2], blocks="IN00=1,M00=0", multiplier=0.5, name="blocks")
    a, b, found = map(load_file, (*abc[:2], merge(recipe, tmp_path)))
    close(found[IN_CONV], b[IN_CONV])
    for name in a:
        if "middle_block" in name:
            close(found[name], a[name])
        elif "first_stage" in name or "output_blocks" in name:
            close(found[name], (a[name].double() + b[name].double()) / 2)


def test_averaged_weights_are_in_the_blocks_of_their_originals(write: Write, tmp_path: Path) -> None:
    def with_ema(state: State) -> None:
        for name in [name for name in state if name.startswith("model.diff")]:
            state["model_ema." + name.removeprefix("model.").replace(".", "")] = state[name] + 1

    files = (write(tmp_path / "a.safetensors", 1, with_ema), write(tmp_path / "b.safetensors", 2, with_ema))
    recipe = MergeRecipe(models=files, blocks="IN00=1", multiplier=0.0, name="x")
    a, b, found = map(load_file, (*files, merge(recipe, tmp_path)))
    averaged = "model_ema.diffusion_modelinput_blocks00weight"
    close(found[averaged], b[averaged])
    other = "model_ema.diffusion_modelout2weight"
    close(found[other], a[other])


def test_old_names_of_the_text_encoder_meet_new_ones(abc: Abc, write: Write, tmp_path: Path) -> None:
    def rename(state: State) -> None:
        for name in [name for name in state if ".text_model." in name]:
            state[name.replace(".text_model.", ".")] = state.pop(name)

    old = write(tmp_path / "old.safetensors", 1, rename)
    paths = [merge(MergeRecipe(models=(one, abc[1]), name="x"), tmp_path / one.stem) for one in (abc[0], old)]
    new_way, old_way = map(load_file, paths)
    assert new_way.keys() == old_way.keys()
    assert all(torch.equal(new_way[name], old_way[name]) for name in new_way)


def test_the_arithmetic_is_in_float32(write: Write, tmp_path: Path) -> None:
    """Of float16 files: rounded once at the end, as from float64, where A1111 rounds at every step."""

    def half(state: State) -> None:
        state |= {name: tensor.half() for name, tensor in state.items() if tensor.is_floating_point()}

    files = [write(tmp_path / f"{name}.safetensors", seed, half) for name, seed in (("a", 1), ("b", 2))]
    a, b, found = map(load_file, (*files, merge(MergeRecipe(models=tuple(files), multiplier=0.7), tmp_path)))
    exact = (0.3 * a[IN_CONV].double() + 0.7 * b[IN_CONV].double()).half()
    naive = 0.3 * a[IN_CONV] + 0.7 * b[IN_CONV]
    assert found[IN_CONV].dtype == torch.float16
    # Within one unit in the last place of the true result, and nearer to it on the whole than float16 arithmetic
    assert (found[IN_CONV] == exact).float().mean() > 0.999
    assert (naive == exact).float().mean() < 0.95


def test_precisions(abc: Abc, write: Write, tmp_path: Path) -> None:
    def to(dtype: torch.dtype) -> Callable[[State], object]:
        return lambda state: state.update({n: t.to(dtype) for n, t in state.items() if t.is_floating_point()})

    half, brain = (write(tmp_path / f"{d}.safetensors", 3, to(d)) for d in (torch.float16, torch.bfloat16))
    for models, asked, expected in (
        ((half, half), None, torch.float16),
        ((half, brain), None, torch.float32),
        ((half, abc[1]), None, torch.float32),
        ((abc[0], abc[1]), "float16", torch.float16),
        ((abc[0], half), "bfloat16", torch.bfloat16),
    ):
        path = merge(MergeRecipe(models=models, precision=asked, name="x"), tmp_path, overwrite=True)
        found = load_file(path)
        assert found[IN_CONV].dtype == expected
        assert found[POSITIONS].dtype == torch.int64
        assert found["betas"].dtype == (expected if asked else load_file(models[0])["betas"].dtype)


@pytest.mark.parametrize(
    ("channels", "suffix", "flag"),
    [(9, ".inpainting", "is_inpainting"), (8, ".instruct-pix2pix", "is_instruct_pix2pix")],
)
def test_models_of_more_channels(
    abc: Abc, write: Write, tiny: LoadedModel, tmp_path: Path, channels: int, suffix: str, flag: str
) -> None:
    def widen(state: State) -> None:
        state[IN_CONV] = torch.cat([state[IN_CONV], torch.ones(32, channels - 4, 3, 3)], 1)

    spec = dataclasses.replace(tiny.spec, unet=dataclasses.replace(tiny.spec.unet, in_channels=channels))
    wide = write(tmp_path / "wide.safetensors", 3, widen, {SPEC_KEY: spec.to_json()})
    path = merge(MergeRecipe(models=(wide, *abc[1:]), method="add-difference", name="new", multiplier=1.0), tmp_path)
    assert path.name == f"new{suffix}.safetensors"
    a, b, c, found = map(load_file, (wide, *abc[1:], path))
    close(found[IN_CONV][:, :4], a[IN_CONV][:, :4].double() + b[IN_CONV].double() - c[IN_CONV].double())
    assert torch.equal(found[IN_CONV][:, 4:], a[IN_CONV][:, 4:])
    assert json.loads(metadata(path)["sd_merge_recipe"])[flag] is True
    assert detect(path).unet.in_channels == channels
    assert differences(MergeRecipe(models=(wide, abc[1])))

    both = merge(MergeRecipe(models=(wide, wide), name="both"), tmp_path)
    close(load_file(both)[IN_CONV], a[IN_CONV])
    kind = "an inpainting" if channels == 9 else "an instruct-pix2pix"
    with pytest.raises(RequestError, match=f"a normal one; to merge them, A must be {kind} model"):
        merge(MergeRecipe(models=(abc[0], wide)), tmp_path)
    with pytest.raises(RequestError, match=f"as B and C their U-Nets read 4 and {channels} channels"):
        merge(MergeRecipe(models=(wide, abc[1], wide), method="add-difference"), tmp_path)


@pytest.mark.parametrize("alone", [True, False])
def test_baking_an_autoencoder(abc: Abc, tmp_path: Path, alone: bool) -> None:
    a, other = load_file(abc[0]), load_file(abc[1])
    vae = abc[1]
    if alone:
        prefix = "first_stage_model."
        bare = {name.removeprefix(prefix): tensor for name, tensor in other.items() if name.startswith(prefix)}
        vae = tmp_path / "vae.safetensors"
        save_file(bare | {"loss.logvar": torch.zeros(1)}, vae)
    recipe = MergeRecipe(models=abc[:1], method="no-interpolation", vae=vae, name="x")
    found = load_file(merge(recipe, tmp_path))
    assert found.keys() == a.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, (other if name.startswith("first_stage") else a)[name])


def test_discarding(abc: Abc, tmp_path: Path) -> None:
    path = merge(MergeRecipe(models=abc[:2], discard=r"^first_stage|betas", name="x"), tmp_path)
    kept = load_file(path).keys()
    assert {name for name in load_file(abc[0]) if not name.startswith("first_stage") and name != "betas"} == kept


def test_recipe_and_parents_in_the_metadata(abc: Abc, write: Write, tmp_path: Path) -> None:
    facts = {"modelspec.author": "me", "modelspec.hash_sha256": "0x1", "modelspec.title": "B"}
    b = write(tmp_path / "b.safetensors", 2, metadata=facts)
    first = merge(MergeRecipe(models=(abc[0], b), multiplier=0.25, blocks="M00=1", precision="float16"), tmp_path)
    sha = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (abc[0], b, first, abc[2])]
    written = metadata(first)
    assert written["modelspec.author"] == "me"
    assert "modelspec.hash_sha256" not in written
    assert written["modelspec.title"] == first.stem == "0.75(a) + 0.25(b)"
    assert written["modelspec.merged_from"] == "a, b"
    recipe = json.loads(written["sd_merge_recipe"])
    assert recipe == {
        "type": "inkbloom",
        "primary_model_hash": sha[0],
        "secondary_model_hash": sha[1],
        "tertiary_model_hash": None,
        "interp_method": "Weighted sum",
        "multiplier": 0.25,
        "save_as_half": True,
        "custom_name": "",
        "config_source": 0,
        "bake_in_vae": "None",
        "discard_weights": "",
        "is_inpainting": False,
        "is_instruct_pix2pix": False,
        "precision": "float16",
        "vae_hash": None,
        "blocks": {"M00": 1.0},
    }
    parent = {"name": "a.safetensors", "legacy_hash": old_hash(abc[0]), "sd_merge_recipe": None}
    assert json.loads(written["sd_merge_models"])[sha[0]] == parent

    second = merge(MergeRecipe(models=(first, b, abc[2]), method="dare", seed=5, name="second"), tmp_path)
    written = metadata(second)
    grandparents = json.loads(written["sd_merge_models"])
    assert grandparents.keys() == set(sha)
    assert grandparents[sha[2]]["sd_merge_recipe"] == recipe
    assert {"drop": 0.9, "seed": 5}.items() <= json.loads(written["sd_merge_recipe"]).items()


def test_the_same_inputs_give_the_same_bytes(abc: Abc, tmp_path: Path) -> None:
    recipe = MergeRecipe(models=abc, method="dare")
    first, second = (merge(recipe, tmp_path / name) for name in ("x", "y"))
    assert first.read_bytes() == second.read_bytes()
    other = merge(MergeRecipe(models=abc, method="dare", seed=1), tmp_path / "z")
    assert other.read_bytes() != first.read_bytes()


def test_a_configuration_beside_a_model_goes_along(abc: Abc, write: Write, tmp_path: Path) -> None:
    a, b = (write(tmp_path / f"{name}.safetensors", seed) for name, seed in (("a", 1), ("b", 2)))
    for one in (a, b):
        one.with_suffix(".yaml").write_text(CONFIG)
    b.with_suffix(".yaml").write_text(a.with_suffix(".yaml").read_text() + "# b\n")
    path = merge(MergeRecipe(models=(a, b)), tmp_path)
    assert path.with_name(f"{path.stem}.yaml").read_text() == a.with_suffix(".yaml").read_text()
    assert detect(path).prediction == "v_prediction"
    path.unlink()
    with pytest.raises(OutputError, match=r"0\.7\(a\) \+ 0\.3\(b\)\.yaml is there already"):
        merge(MergeRecipe(models=(a, b)), tmp_path)
    a.with_suffix(".yaml").unlink()
    with pytest.raises(RequestError, match="cannot be merged: they predict epsilon and v_prediction"):
        merge(MergeRecipe(models=(a, b)), tmp_path)


def test_differences(abc: Abc) -> None:
    a, b = map(load_file, abc[:2])
    found = {one.block: one for one in differences(MergeRecipe(models=abc[:2]))}
    assert list(found) == ["BASE", "IN00", "IN01", "IN02", "IN03", "IN04", "IN05", "M00"] + [
        f"OUT0{n}" for n in range(6)
    ]
    names = [name for name in a if ".middle_block." in name]
    one, two = (torch.cat([state[name].flatten().double() for name in names]) for state in (a, b))
    assert found["M00"].tensors == len(names)
    assert found["M00"].distance == pytest.approx(((two - one).norm() / one.norm()).item(), rel=1e-9)
    assert found["M00"].cosine == pytest.approx(torch.cosine_similarity(one, two, dim=0).item(), rel=1e-9)
    for same in differences(MergeRecipe(models=(abc[0], abc[0]))):
        assert same.distance == 0
        assert same.cosine == pytest.approx(1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("family", "other", "they are of the families sd1 and other"),
        ("prediction", "v_prediction", "they predict epsilon and v_prediction"),
        ("latent_scale", 0.5, "their latent scales are 0.18215 and 0.5"),
    ],
)
def test_unlike_models(
    abc: Abc, write: Write, tiny: LoadedModel, tmp_path: Path, field: str, value: object, message: str
) -> None:
    spec = dataclasses.replace(tiny.spec, **{field: value})
    other = write(tmp_path / "other.safetensors", 2, metadata={SPEC_KEY: spec.to_json()})
    with pytest.raises(RequestError, match=rf"a\.safetensors and .*other\.safetensors cannot be merged: {message}\.$"):
        merge(MergeRecipe(models=(abc[0], other)), tmp_path)


def test_other_sizes_and_tokenizers(abc: Abc, write: Write, tmp_path: Path) -> None:
    def narrow(state: State) -> None:
        for name, tensor in state.items():
            if tensor.dim() == 2 and tensor.shape[1] == 64 and ".attn2.to_" in name:
                state[name] = tensor[:, :60].contiguous()

    with pytest.raises(InkbloomError):
        merge(MergeRecipe(models=(abc[0], write(tmp_path / "n.safetensors", 2, narrow))), tmp_path)
    words = {"inkbloom.tokenizer.vocab": "{}", "inkbloom.tokenizer.merges": ""}
    other = write(tmp_path / "words.safetensors", 2, metadata=words)
    with pytest.raises(RequestError, match="cannot be merged: their tokenizers differ"):
        merge(MergeRecipe(models=(abc[0], other)), tmp_path)
    misshapen = write(tmp_path / "m.safetensors", 2, lambda state: state.update({ALONE: torch.zeros(5)}))
    with pytest.raises(
        KeyMismatchError, match=rf'"{ALONE}" is \[4\] in .*a\.safetensors and \[5\] in .*m\.safetensors'
    ):
        merge(MergeRecipe(models=(abc[0], misshapen)), tmp_path)


def test_foreign_files(abc: Abc, tiny: LoadedModel, tmp_path: Path) -> None:
    lora, vae = tmp_path / "lora.safetensors", tmp_path / "vae.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(1)}, lora)
    save_ldm(vae, dataclasses.replace(tiny, unet=None, text=None, tokenizer=None))
    for path, message in (
        (tmp_path, "is a folder without model_index.json, so not a diffusers model"),
        (lora, "is a LoRA"),
        (vae, "has no U-Net, so it cannot be merged"),
        (tmp_path / "nothing.safetensors", "There is no model at"),
    ):
        with pytest.raises(InkbloomError, match=message):
            merge(MergeRecipe(models=(abc[0], path)), tmp_path)
    with pytest.raises(CheckpointError, match="is a LoRA"):
        merge(MergeRecipe(models=abc[:2], vae=lora), tmp_path)


def test_diffusers_folders(abc: Abc, write: Write, tmp_path: Path) -> None:
    files = abc[0], write(tmp_path / "b.safetensors", 2)
    folders = tuple(tmp_path / path.stem for path in files)
    for path, folder in zip(files, folders, strict=True):
        save_diffusers(folder, load(path))
    expected = load_file(merge(MergeRecipe(models=files, vae=files[1], name="x"), tmp_path))
    for a, b, vae in ((folders[0], files[1], files[1]), (files[0], folders[1], folders[1]), (*folders, folders[1])):
        path = merge(MergeRecipe(models=(a, b), vae=vae, name="x"), tmp_path, overwrite=True)
        found = load_file(path)
        assert all(torch.equal(found[name], expected[name]) for name in found)
        # All that is missing is what no network needs
        assert expected.keys() - found.keys() <= {POSITIONS, "betas"}
        assert load(path).spec == detect(abc[0])
    again = merge(MergeRecipe(models=folders), tmp_path)
    assert again.name == "0.7(a) + 0.3(b).safetensors"
    assert metadata(again)["modelspec.merged_from"] == "a, b"
    recipe = json.loads(metadata(again)["sd_merge_recipe"])
    assert recipe["primary_model_hash"] == file_hash(folders[0] / "unet" / "diffusion_pytorch_model.safetensors")


def test_shards_and_predictions(write: Write, tiny: LoadedModel, tmp_path: Path) -> None:
    model = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, prediction="v_prediction"))
    save_diffusers(tmp_path / "v", model)
    unet = tmp_path / "v" / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(unet)
    unet.unlink()
    names = sorted(state)
    shards = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for shard, inside in shards.items():
        save_file({name: state[name] for name in inside}, unet.parent / shard)
    weight_map = {name: shard for shard, inside in shards.items() for name in inside}
    index = unet.with_name(f"{unet.name}.index.json")
    index.write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    path = merge(MergeRecipe(models=(tmp_path / "v",), method="no-interpolation", name="x"), tmp_path)
    assert "v_pred" in load_file(path)
    found, expected = load(path), load(tmp_path / "v")
    assert found.spec.prediction == "v_prediction"
    assert all(torch.equal(t, expected.unet.state_dict()[name]) for name, t in found.unet.state_dict().items())


def test_what_is_there_already_stays(abc: Abc, tmp_path: Path) -> None:
    recipe = MergeRecipe(models=abc[:2], name="x")
    path = tmp_path / "x.safetensors"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"x\.safetensors is there already; give another name, or overwrite it"):
        merge(recipe, tmp_path)
    assert path.read_text() == "mine"
    assert load(merge(recipe, tmp_path, overwrite=True)).spec == detect(abc[0])


def test_nothing_is_left_of_a_merge_that_fails(write: Write, tmp_path: Path) -> None:
    def large(state: State) -> None:
        state[ALONE] = torch.full((4,), 1e6)

    files = tuple(write(tmp_path / f"{seed}.safetensors", seed, large) for seed in (1, 2))
    before = set(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match=rf'"{ALONE}" has numbers as large as 1e\+06, which do not fit F16'):
        merge(MergeRecipe(models=files, precision="float16"), tmp_path)
    with pytest.raises(RequestError, match=r'Nothing is left of .* without what "." finds'):
        merge(MergeRecipe(models=files, discard="."), tmp_path)
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        merge(MergeRecipe(models=files), files[0] / "folder")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "add-difference"}, r"The method add-difference takes 3 models (A, B and C); 2 were given."),
        ({"models": (Path("a"),)}, "The method weighted-sum takes 2 models (A and B); 1 were given."),
        ({"method": "no-interpolation"}, "The method no-interpolation takes 1 model (A); 2 were given."),
        ({"multiplier": 1.5}, "The multiplier is 1.5; for weighted-sum it must be from 0 to 1."),
        ({"multiplier": float("nan")}, "The multiplier is nan; for weighted-sum it must be from 0 to 1."),
        ({"density": 0}, "The density is 0; it must be above 0 and at most 1."),
        ({"drop": 1}, "The drop rate is 1; it must be at least 0 and below 1."),
        ({"precision": "fp16"}, 'Unknown precision "fp16". Did you mean "float16"'),
        ({"discard": "("}, '"(" is no regular expression: '),
        ({"name": "../x"}, '"../x" is no name for a file; it must not be empty or hold a path.'),
    ],
)
def test_recipes_that_cannot_be(changes: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        MergeRecipe(**{"models": (Path("a"), Path("b"))} | changes)
    assert str(caught.value).startswith(message)


def test_block_multipliers_beyond_a_mix(abc: Abc, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="A block's multiplier must be from 0 to 1 for weighted-sum"):
        merge(MergeRecipe(models=abc[:2], blocks="M00=2"), tmp_path)


def test_pickles_merge_too(abc: Abc, tmp_path: Path) -> None:
    pickled = tmp_path / "b.ckpt"
    torch.save({"state_dict": load_file(abc[1]), **metadata(abc[1])}, pickled)
    paths = [
        merge(MergeRecipe(models=(abc[0], one), name=one.stem), tmp_path / one.suffix) for one in (abc[1], pickled)
    ]
    expected, found = map(load_file, paths)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
