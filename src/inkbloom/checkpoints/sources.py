"""The places that models come from, by the words for them: hub:OWNER/NAME, civitai:ID and plain addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from inkbloom.checkpoints.download import Remote, check_address, fetch_json
from inkbloom.core.errors import CheckpointError, RequestError, nearest

WAYS = "hub:OWNER/NAME, hub:OWNER/NAME/FILE, civitai:MODEL, civitai:MODEL@VERSION or https://..."

_FOLDERS = ("", "scheduler", "tokenizer", "text_encoder", "unet", "vae")
_WEIGHTS = (".safetensors", ".ckpt")
_STEMS = {"text_encoder": "model", "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
_KINDS = {
    "Checkpoint": "checkpoints",
    "LORA": "loras",
    "LoCon": "loras",
    "DoRA": "loras",
    "TextualInversion": "embeddings",
    "Hypernetwork": "hypernetworks",
    "VAE": "vae",
    "Controlnet": "controlnet",
    "Upscaler": "upscale_models",
}
"""Civitai's types of models, and our folders."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_OWNER_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Sites:
    """Where the sites are, and what lets us in."""

    hub: str = "https://huggingface.co"
    hub_token: str | None = field(default=None, repr=False)
    civitai: str = "https://civitai.com"
    civitai_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Found:
    """What a word stands for: one file, or the files of one diffusers folder."""

    name: str
    files: list[Remote]
    is_folder: bool = False


def find(word: str, sites: Sites, *, sha256: str | None = None) -> Found:
    """Look up what is to be fetched; the two sites are asked for names and hashes, a plain address is not.

    `sha256` is what a single file must have, where the user knows it. Raises `RequestError` for a word that says none
    of this, `CheckpointError` where the site has no such thing, or several from which to choose.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise RequestError(f'"{sha256}" is no SHA-256; it has 64 hexadecimal digits.')
    site, colon, what = word.partition(":")
    if not colon or site not in ("hub", "civitai", "https", "http"):
        raise RequestError(f'"{word}" is no place for a model; allowed are {WAYS}.')
    if site == "hub":
        found = _find_on_hub(what, sites)
    elif site == "civitai":
        found = _find_on_civitai(what, sites)
    else:
        check_address(word)
        name = safe_name(unquote(PurePosixPath(urlsplit(word).path).name), word)
        found = Found(name, [Remote(url=word, name=name)])
    if sha256 is None:
        return found
    if found.is_folder:
        raise RequestError(f"{word} is a folder of {len(found.files)} files; a SHA-256 is of one.")
    (remote,) = found.files
    if remote.sha256 is not None and remote.sha256 != sha256.lower():
        raise CheckpointError(f"{word} has the SHA-256 {remote.sha256}, not {sha256.lower()}.")
    return Found(found.name, [replace(remote, sha256=sha256.lower())])


def safe_name(name: str, origin: str) -> str:
    """A file's name from elsewhere, as it is; `CheckpointError` where it could lead out of its folder."""
    strange = name in ("", ".", "..") or name.startswith(".") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in name)
    if strange or len(name.encode()) > 200:
        raise CheckpointError(f"{origin} offers a file named {name!r}, which cannot be a file's name here.")
    return name


def _find_on_hub(what: str, sites: Sites) -> Found:
    owner_name, file = "/".join(what.split("/")[:2]), "/".join(what.split("/")[2:])
    if not _OWNER_NAME.fullmatch(owner_name):
        raise RequestError(f'"hub:{what}" does not name a model; it must be hub:OWNER/NAME or hub:OWNER/NAME/FILE.')
    site = sites.hub.rstrip("/")
    hint = "a token in HF_TOKEN, and that the model's terms are accepted"
    answer = fetch_json(f"{site}/api/models/{owner_name}?blobs=true", sites.hub_token, hint)
    listed = _get(answer, "siblings", list, f"hub:{owner_name}")
    entries = {str(entry["rfilename"]): entry for entry in listed if isinstance(entry, dict) and "rfilename" in entry}
    revision = str(answer.get("sha") or "main")

    def remote(path: str) -> Remote:
        stored = entries[path].get("lfs") or {}
        sha256 = stored.get("sha256") if isinstance(stored, dict) else None
        size = entries[path].get("size")
        return Remote(
            url=f"{site}/{owner_name}/resolve/{revision}/{quote(path)}",
            name="/".join(safe_name(part, f"hub:{owner_name}") for part in path.split("/")),
            sha256=sha256.lower() if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
            size=size if isinstance(size, int) else None,
            token=sites.hub_token,
            token_hint=hint,
        )

    if file:
        if file not in entries:
            raise CheckpointError(f'hub:{owner_name} has no file "{file}".{nearest(file, entries)}')
        return Found(safe_name(PurePosixPath(file).name, f"hub:{owner_name}"), [remote(file)])
    if "model_index.json" in entries:
        name = safe_name(owner_name.split("/")[1], f"hub:{owner_name}")
        return Found(name, [remote(path) for path in _folder_files(list(entries))], is_folder=True)
    single = [path for path in entries if path.endswith(_WEIGHTS)]
    if len(single) != 1:
        listing = f"it has {', '.join(sorted(single))}; add one of them" if single else "it has no model file"
        raise CheckpointError(f"hub:{owner_name} is no diffusers folder, and {listing}.")
    return Found(safe_name(PurePosixPath(single[0]).name, f"hub:{owner_name}"), [remote(single[0])])


def _folder_files(paths: list[str]) -> list[str]:
    """Of a diffusers folder what we read: configurations and tokenizer, and each network's weights once."""
    chosen = []
    for folder in _FOLDERS:
        inside = [path for path in paths if str(PurePosixPath(path).parent) == (folder or ".")]
        names = {PurePosixPath(path).name: path for path in inside}
        chosen += [path for name, path in names.items() if name.endswith((".json", ".txt")) and ".index." not in name]
        stem = _STEMS.get(folder)
        if stem is None:
            continue
        for weights in ("safetensors", "bin"):
            stem = "pytorch_model" if (folder, weights) == ("text_encoder", "bin") else stem
            index = f"{stem}.{weights}.index.json"
            shards = sorted(name for name in names if re.fullmatch(rf"{stem}-\d+-of-\d+\.{weights}", name))
            variants = sorted(name for name in names if re.fullmatch(rf"{stem}\.(?!non_ema)\w+\.{weights}", name))
            whole = [name for name in (f"{stem}.{weights}", *variants) if name in names][:1]
            found = whole or ([index, *shards] if index in names else [])
            if found:
                chosen += [names[name] for name in found]
                break
    return chosen


def _find_on_civitai(what: str, sites: Sites) -> Found:
    model, at, version = what.partition("@")
    if not model.isdigit() or (at and not version.isdigit()):
        raise RequestError(
            f'"civitai:{what}" does not name a model; it must be civitai:MODEL or civitai:MODEL@VERSION.'
        )
    site, hint = sites.civitai.rstrip("/"), "a token in CIVITAI_TOKEN"
    answer = fetch_json(f"{site}/api/v1/models/{model}", sites.civitai_token, hint)
    versions = [one for one in _get(answer, "modelVersions", list, f"civitai:{what}") if isinstance(one, dict)]
    if version:
        chosen = [one for one in versions if str(one.get("id")) == version]
        if not chosen:
            known = ", ".join(str(one.get("id")) for one in versions)
            raise CheckpointError(f"civitai:{model} has no version {version}. Known: {known}.")
    else:
        chosen = versions[:1]  # the newest
    files = [one for entry in chosen for one in entry.get("files") or [] if isinstance(one, dict)]
    files = [one for one in files if str(one.get("name", "")).endswith((*_WEIGHTS, ".pt", ".bin"))]
    if not files:
        raise CheckpointError(f"civitai:{what} has no model file.")
    file = next((one for one in files if one.get("primary")), files[0])
    hashes = file.get("hashes")
    sha256 = hashes.get("SHA256") if isinstance(hashes, dict) else None
    name = safe_name(_get(file, "name", str, f"civitai:{what}"), f"civitai:{what}")
    url = _get(file, "downloadUrl", str, f"civitai:{what}")
    remote = Remote(
        url=url,
        name=name,
        sha256=sha256.lower() if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
        token=sites.civitai_token if urlsplit(url).netloc == urlsplit(site).netloc else None,
        token_hint=hint,
        kind=_KINDS.get(str(answer.get("type")), "checkpoints"),
    )
    return Found(name, [remote])


def _get(answer: Any, key: str, kind: type, origin: str) -> Any:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise CheckpointError(f'{origin}: the site\'s answer lacks "{key}".')
    return value
