"""A folder of models, as A1111 or ComfyUI lays it out, and the names by which its files are asked for.

Kinds of models have ComfyUI's names: checkpoints, vae, loras, ... A root may be that of either program, its `models`
folder, or a plain folder of checkpoints. An `extra_model_paths.yaml` in the root adds ComfyUI's extra places.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inkbloom.checkpoints.adapters.cards import SUFFIXES as CARDS
from inkbloom.checkpoints.adapters.cards import is_card
from inkbloom.checkpoints.foreign import missing
from inkbloom.checkpoints.hashes import HashCache, old_hash
from inkbloom.core.errors import CheckpointError, RequestError, nearest

EXTRA_PATHS = "extra_model_paths.yaml"

_A1111: dict[str, tuple[str, ...]] = {
    "checkpoints": ("Stable-diffusion",),
    "vae": ("VAE",),
    "loras": ("Lora", "LyCORIS"),
    "embeddings": ("embeddings",),
    "hypernetworks": ("hypernetworks",),
    "controlnet": ("ControlNet",),
    "upscale_models": ("ESRGAN", "RealESRGAN", "DAT", "HAT", "SwinIR", "ScuNET", "GFPGAN"),
    "vae_approx": ("VAE-approx", "VAE-taesd"),
}
_COMFYUI: dict[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "diffusers": ("diffusers",),
    "vae": ("vae",),
    "loras": ("loras",),
    "embeddings": ("embeddings",),
    "hypernetworks": ("hypernetworks",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "upscale_models": ("upscale_models",),
    "vae_approx": ("vae_approx",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("diffusion_models", "unet"),
}

KINDS = tuple(_COMFYUI)

# What ComfyUI called them before
_OLD_KINDS = {"clip": "text_encoders", "unet": "diffusion_models", "t2i_adapter": "controlnet"}

_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft")
_PARTIAL = ".part"
# A1111 keeps autoencoders beside their checkpoints by such names
_BESIDE = re.compile(r"\.vae\.[^.]+\Z", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{64}")
_TITLE = re.compile(r"(.+) \[([0-9a-f]+)\]")


@dataclass(frozen=True)
class Entry:
    """A file, or a diffusers folder."""

    kind: str
    name: str
    """Its path below the folder of its kind, with "/" on every system."""
    path: Path


class Library:
    """The models below one root. `CheckpointError` where the root is no folder or its extra paths cannot be read."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise CheckpointError(f"There is no folder of models at {self.root}.")
        self.folders = _folders(self.root)

    def home(self, kind: str) -> Path:
        """Where a new model of this kind belongs: the first folder of its kind, or one that is still to be made."""
        check_kind(kind)
        return next(iter(self.folders.get(kind, ())), self.root / kind)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """All models, or those of one kind, by kind and name; hidden and partial files are none."""
        if kind is not None:
            check_kind(kind)
        return [
            Entry(one, path.relative_to(folder).as_posix(), path)
            for one in KINDS
            if kind in (None, one)
            for folder in self._places(one)
            for path in _models_in(folder)
            if _belongs(path, one, folder in self.folders.get(one, ()))
        ]

    def _places(self, kind: str) -> list[Path]:
        """The folders to look through for a kind; autoencoders may lie among the checkpoints, too."""
        own = self.folders.get(kind, [])
        return [*own, *self.folders.get("checkpoints", [])] if kind == "vae" else own

    def find(self, name: str, kind: str | None = "checkpoints", *, cache: HashCache | None = None) -> Path:
        """The model of this name, as A1111 resolves it.

        A name is a path below the kind's folder, a file's name, either without its ending, any of them with a hash
        behind ("model [6ce0161689]"), or a hash alone: the SHA-256, its first 10 digits, or the old 8 digits. Case
        does not matter where that leaves one file; `kind` None looks through all of them. SHA-256 hashes are only
        those that `cache` knows.

        Raises `CheckpointError` with the nearest names where there is none, or all where there are several.
        """
        entries = self.entries(kind)
        titled = _TITLE.fullmatch(name)
        wanted = titled[1] if titled else name
        for same in (str, str.lower):
            found = [one for one in entries if same(wanted) in map(same, _spellings(one))]
            if titled and len(found) > 1:
                found = [one for one in found if _has_hash(one, titled[2], cache)]
            if found:
                break
        else:
            found = [one for one in entries if _HEX.fullmatch(name.lower()) and _has_hash(one, name.lower(), cache)]
        if not found:
            known = nearest(name, [_spellings(one)[1] for one in entries]) if entries else " There are none at all."
            raise CheckpointError(f'There is no model "{name}" among the {kind or "models"} of {self.root}.{known}')
        if len(found) > 1:
            raise CheckpointError(f'"{name}" may be {" or ".join(one.name for one in found)}; give the whole name.')
        return found[0].path


def check_kind(kind: str) -> None:
    """`RequestError` with the nearest kinds for one that there is not."""
    if kind not in KINDS:
        raise RequestError(f'Unknown kind of model "{kind}".{nearest(kind, KINDS)}')


def _belongs(path: Path, kind: str, in_its_folder: bool) -> bool:
    """Whether a file found in a folder is of the kind that is asked for."""
    if path.suffix.lower() in CARDS:
        return kind == "embeddings" and not _is_preview(path) and is_card(path)
    beside = bool(_BESIDE.search(path.name))
    return beside or in_its_folder if kind == "vae" else not (beside and kind == "checkpoints")


def _is_preview(path: Path) -> bool:
    """A picture of what the file of its name does, such as cat.png or cat.preview.png beside cat.pt."""
    stem = path.stem.removesuffix(".preview")
    return path.stem != stem or any(path.with_name(stem + suffix).exists() for suffix in _SUFFIXES)


def _spellings(entry: Entry) -> tuple[str, ...]:
    stemmed = entry.name if entry.path.is_dir() else entry.name.rpartition(".")[0]
    return entry.name, stemmed, entry.name.rpartition("/")[2], stemmed.rpartition("/")[2]


def _has_hash(entry: Entry, digits: str, cache: HashCache | None) -> bool:
    if entry.path.is_dir():
        return False
    known = cache.known(entry.path) if cache else None
    return (known is not None and known.startswith(digits)) or (len(digits) == 8 and old_hash(entry.path) == digits)


def model_files(path: Path) -> list[Path]:
    """The file itself, or all files with a model's ending in a folder; `CheckpointError` where nothing is."""
    if not path.exists():
        raise missing(path)
    if path.is_file():
        return [path]
    return sorted(one for one in path.rglob("*") if one.is_file() and one.name.lower().endswith(_SUFFIXES))


def _models_in(folder: Path) -> list[Path]:
    """Files with the ending of a model or card, and diffusers folders, but not the files in these, at any depth."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        if "model_index.json" in files:
            found.append(Path(place))
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not name.endswith(_PARTIAL))
        endings = (*_SUFFIXES, *CARDS)
        found += [Path(place, name) for name in files if name.lower().endswith(endings) and name[0] != "."]
    return sorted(found)


def _folders(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for layout in (_A1111, _COMFYUI):
        for kind, names in layout.items():
            bases = [root / "models", root]
            if kind == "embeddings" and root.name == "models":
                bases.append(root.parent)  # where A1111 has them, beside the models
            places = [base / name for base in bases for name in names]
            _add(found, kind, places)
    extra = root / EXTRA_PATHS
    if extra.is_file():
        for kind, places, first in _read_extra(extra):
            _add(found, kind, places, first=first)
    return found or {"checkpoints": [root]}


def _add(found: dict[str, list[Path]], kind: str, places: Iterable[Path], *, first: bool = False) -> None:
    known = found.setdefault(kind, [])
    for place in reversed([*places]) if first else places:
        # The same folder may be spelled twice where the file system does not tell cases apart
        if place.is_dir() and not any(place.samefile(other) for other in known):
            known.insert(0 if first else len(known), place)
    if not known:
        del found[kind]


def _read_extra(path: Path) -> list[tuple[str, list[Path], bool]]:
    """The kinds and folders of ComfyUI's file: sections of a `base_path` and, for each kind, paths below it by line.

    Those of a section that says `is_default: true` go before the root's own.
    """
    try:
        sections = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(sections, dict):
        raise CheckpointError(f"{path} holds a {type(sections).__name__}; it must hold sections of paths.")
    found = []
    for title, section in sections.items():
        if section is None:
            continue
        if not isinstance(section, dict):
            raise CheckpointError(f'{path}: the section "{title}" must hold paths, not {section!r}.')
        base = path.parent / _expanded(path, title, "base_path", section.get("base_path", "."))
        for key, value in section.items():
            kind = _OLD_KINDS.get(key, key)
            if kind in KINDS:  # the others are settings, and kinds that we have no use for
                lines = str(_expanded(path, title, key, value)).splitlines()
                places = [Path(os.path.normpath(base / line.strip())) for line in lines if line.strip()]
                found.append((kind, places, section.get("is_default") is True))
    return found


def _expanded(path: Path, title: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise CheckpointError(f"{path}: {title}.{key} is {value!r}; it must be a path.")
    return os.path.expandvars(os.path.expanduser(value))
