"""Folders as A1111 and ComfyUI have them; the files in them are empty, since names are all that matters."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inkbloom.checkpoints.adapters.cards import TEXT_KEY
from inkbloom.checkpoints.hashes import HashCache, old_hash
from inkbloom.checkpoints.library import Library, model_files
from inkbloom.core.errors import CheckpointError, RequestError

A1111 = {
    "models/Stable-diffusion/v1-5.safetensors": "checkpoints",
    "models/Stable-diffusion/anime/any.ckpt": "checkpoints",
    "models/VAE/mse.pt": "vae",
    "models/Lora/cat.safetensors": "loras",
    "models/LyCORIS/dog.safetensors": "loras",
    "embeddings/bad.pt": "embeddings",
    "models/hypernetworks/h.pt": "hypernetworks",
    "models/ControlNet/canny.pth": "controlnet",
    "models/ESRGAN/4x.pth": "upscale_models",
}
COMFYUI = {
    "models/checkpoints/v1-5.safetensors": "checkpoints",
    "models/diffusers/tiny/model_index.json": "diffusers",
    "models/vae/mse.safetensors": "vae",
    "models/loras/cat.safetensors": "loras",
    "models/embeddings/bad.pt": "embeddings",
    "models/clip/l.safetensors": "text_encoders",
    "models/unet/x.safetensors": "diffusion_models",
}


def lay_out(root: Path, files: dict[str, str]) -> set[tuple[str, Path]]:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    is_index = "model_index.json".__eq__
    return {(kind, (root / name).parent if is_index(Path(name).name) else root / name) for name, kind in files.items()}


def found(library: Library) -> set[tuple[str, Path]]:
    return {(one.kind, one.path) for one in library.entries()}


@pytest.mark.parametrize("files", [A1111, COMFYUI])
@pytest.mark.parametrize("inside", [False, True])
def test_both_layouts_from_both_roots(tmp_path: Path, files: dict[str, str], inside: bool) -> None:
    expected = lay_out(tmp_path, files)
    lay_out(tmp_path, {"models/Stable-diffusion/half.safetensors.part": "", "models/checkpoints/.hidden.ckpt": ""})
    assert found(Library(tmp_path / "models" if inside else tmp_path)) == expected


def test_autoencoders_beside_their_checkpoints(tmp_path: Path) -> None:
    beside = "models/Stable-diffusion/anime/any.vae.pt"
    expected = lay_out(tmp_path, A1111 | {beside: "vae"})
    library = Library(tmp_path)
    assert found(library) == expected
    assert library.find("any") == tmp_path / "models/Stable-diffusion/anime/any.ckpt"
    assert library.find("any.vae.pt", "vae") == tmp_path / beside


def test_embedding_cards(tmp_path: Path) -> None:
    expected = lay_out(tmp_path, A1111)
    content = base64.b64encode(json.dumps({"name": "cat", "string_to_param": {}}).encode()).decode()
    notes = PngInfo()
    notes.add_text(TEXT_KEY, content)
    folder, picture = tmp_path / "embeddings", Image.new("RGB", (8, 8), "red")
    for name in ("cat.png", "bad.png", "cat.preview.png"):
        picture.save(folder / name, pnginfo=notes)
    picture.save(folder / "photo.png")
    picture.save(tmp_path / "models/Stable-diffusion/v1-5.png", pnginfo=notes)
    # Neither previews of other files nor pictures that hold nothing
    library = Library(tmp_path)
    assert found(library) == expected | {("embeddings", folder / "cat.png")}
    picture.save(folder / "photo.png", pnginfo=notes)
    assert library.find("photo", "embeddings") == folder / "photo.png"


def test_a_plain_folder_holds_checkpoints(tmp_path: Path) -> None:
    assert found(Library(tmp_path)) == set()
    expected = lay_out(tmp_path, {"a.safetensors": "checkpoints", "deep/b.ckpt": "checkpoints"})
    lay_out(tmp_path, {"notes.txt": "", "tiny/unet/model.safetensors": "", "tiny/model_index.json": ""})
    assert found(Library(tmp_path)) == expected | {("checkpoints", tmp_path / "tiny")}


def test_extra_model_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (comfy := tmp_path / "comfy").mkdir()
    expected = lay_out(tmp_path / "webui", A1111) | lay_out(comfy, COMFYUI)
    expected |= lay_out(tmp_path / "more", {"x.safetensors": "checkpoints"})
    monkeypatch.setenv("MORE", str(tmp_path / "more"))
    (comfy / "extra_model_paths.yaml").write_text(
        """
# as ComfyUI's example has it
a1111:
    base_path: ../webui/
    is_default: true
    checkpoints: models/Stable-diffusion
    configs: models/Stable-diffusion
    vae: models/VAE
    loras: |
         models/Lora
         models/LyCORIS
    upscale_models: |
         models/ESRGAN
         models/RealESRGAN
    embeddings: embeddings
    hypernetworks: models/hypernetworks
    controlnet: models/ControlNet
    custom_nodes: nodes
other:
    checkpoints: $MORE
empty:
"""
    )
    assert found(Library(comfy)) == expected


def test_extra_paths_by_default(tmp_path: Path) -> None:
    lay_out(tmp_path, {"checkpoints/a.safetensors": "", "one/b.safetensors": "", "two/c.safetensors": ""})
    text = "x:\n  checkpoints: |\n    one\n    two\n"
    (tmp_path / "extra_model_paths.yaml").write_text(text, encoding="utf-8")
    assert Library(tmp_path).home("checkpoints") == tmp_path / "checkpoints"
    (tmp_path / "extra_model_paths.yaml").write_text(f"{text}  is_default: true", encoding="utf-8")
    library = Library(tmp_path)
    assert library.home("checkpoints") == tmp_path / "one"
    assert [one.name for one in library.entries()] == ["b.safetensors", "c.safetensors", "a.safetensors"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "extra_model_paths.yaml cannot be read: while parsing"),
        ("- a", "extra_model_paths.yaml holds a list; it must hold sections of paths."),
        ("a: b", "the section \"a\" must hold paths, not 'b'."),
        ("a: {checkpoints: 3}", "a.checkpoints is 3; it must be a path."),
    ],
)
def test_wrong_extra_paths(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        Library(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names(tmp_path: Path) -> None:
    lay_out(tmp_path, A1111)
    library = Library(tmp_path)
    folder = tmp_path / "models/Stable-diffusion"
    sha256 = hashlib.sha256(b"models/Stable-diffusion/anime/any.ckpt").hexdigest()
    cache = HashCache(tmp_path / "hashes.json")
    cache.sha256(folder / "anime/any.ckpt")
    names = ("anime/any.ckpt", "anime/any", "any.ckpt", "any", "ANY", "any [0123456789]", sha256, sha256[:10])
    for name in names:
        assert library.find(name, cache=cache) == folder / "anime/any.ckpt"
    assert library.find("cat", "loras") == tmp_path / "models/Lora/cat.safetensors"
    assert library.find("cat", None) == tmp_path / "models/Lora/cat.safetensors"
    with pytest.raises(CheckpointError, match=f'There is no model "{sha256}"'):
        library.find(sha256)  # which no cache knows


def test_the_old_hash_finds_a_model(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(bytes(0x100000) + b"something")
    assert Library(tmp_path).find(old_hash(path)) == path


def test_names_of_several_models(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a/x.ckpt": "", "b/x.ckpt": "", "b/X.safetensors": ""})
    library, cache = Library(tmp_path), HashCache(tmp_path / "hashes.json")
    with pytest.raises(CheckpointError, match=r'"x\.ckpt" may be a/x\.ckpt or b/x\.ckpt; give the whole name\.'):
        library.find("x.ckpt")
    assert library.find("X") == tmp_path / "b/X.safetensors"  # the case decides where it can
    assert library.find("a/x") == tmp_path / "a/x.ckpt"
    digits = cache.sha256(tmp_path / "b/x.ckpt")[:10]
    assert library.find(f"x.ckpt [{digits}]", cache=cache) == tmp_path / "b/x.ckpt"


def test_unknown_names_and_kinds(tmp_path: Path) -> None:
    lay_out(tmp_path, A1111)
    library = Library(tmp_path)
    with pytest.raises(CheckpointError, match=r'no model "v1-6" among the checkpoints .* Did you mean "v1-5"\?'):
        library.find("v1-6")
    with pytest.raises(CheckpointError, match="There are none at all"):
        library.find("x", "text_encoders")
    for call in (library.entries, library.home):
        with pytest.raises(RequestError, match=r'Unknown kind of model "lora"\. Did you mean "loras"'):
            call("lora")
    with pytest.raises(CheckpointError, match=r"There is no folder of models at .*nowhere"):
        Library(tmp_path / "nowhere")


def test_where_new_models_belong(tmp_path: Path) -> None:
    lay_out(tmp_path, A1111)
    assert Library(tmp_path).home("loras") == tmp_path / "models/Lora"
    assert Library(tmp_path).home("text_encoders") == tmp_path / "text_encoders"


def test_files_to_scan(tmp_path: Path) -> None:
    lay_out(tmp_path, COMFYUI | {"models/diffusers/tiny/unet/x.bin": ""})
    files = model_files(tmp_path)
    assert tmp_path / "models/diffusers/tiny/unet/x.bin" in files
    assert len(files) == len(COMFYUI)
    assert model_files(tmp_path / "models/diffusers/tiny/model_index.json")
    with pytest.raises(CheckpointError, match="There is no model at"):
        model_files(tmp_path / "nothing")
