"""`inkbloom models`: what models there are, what is in them, whether they are safe and whole, and new ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from inkbloom.core.errors import CheckpointError, RequestError

if TYPE_CHECKING:
    from inkbloom.checkpoints.sources import Sites

models = App(name="models", help="Look at models, check them, and fetch new ones.", help_format="markdown")

ModelsDir = Annotated[
    Path,
    Parameter(
        name="--models-dir",
        env_var="INKBLOOM_MODELS",
        help="The folder of A1111 or ComfyUI, its models folder, or a folder of checkpoints.",
    ),
]
Kind = Annotated[str | None, Parameter(help="checkpoints, vae, loras, embeddings, ... [default: all]")]
MODELS = Path("models")

_SHOWN = 60  # characters of a metadata value


@models.command(name="list")
def list_(*, kind: Kind = None, models_dir: ModelsDir = MODELS) -> int:
    """List the models in the models folder: kind, size and name, with the hash where it is known.

    ```
    inkbloom models list --models-dir ~/stable-diffusion-webui
    ```
    """
    from inkbloom.apps.cli.storage import hash_cache
    from inkbloom.checkpoints.library import Library

    library, cache = Library(models_dir), hash_cache()
    entries = library.entries(kind)
    for one in entries:
        known = cache.known(one.path) if one.path.is_file() else None
        title = f"{one.name} [{known[:10]}]" if known else one.name
        print(f"{one.kind:16}{_size(one.path):>10}  {title}")
    if not entries:
        print(f"There are no models in {models_dir}.")
    return 0


@models.command
def show(
    name: Annotated[str, Parameter(help="A file, a diffusers folder, or a name.")], /, *, models_dir: ModelsDir = MODELS
) -> int:
    """Say what a model is: family, networks, precision, hashes, leftovers of training, metadata.

    ```
    inkbloom models show model.safetensors
    ```
    """
    from inkbloom.apps.cli.storage import hash_cache
    from inkbloom.checkpoints.inspection import inspect
    from inkbloom.checkpoints.loading import LABELS

    path = _resolve(name, models_dir)
    contents = inspect(path)
    facts = {
        "path": str(path),
        "size": _size(path),
        "is": contents.what,
        "tensors": f"{contents.tensors:,}",
        "precision": ", ".join(f"{kind} ({count:,})" for kind, count in contents.precisions.items()),
    }
    if path.is_file():
        hashes = hash_cache().hashes(path)
        facts |= {"sha256": hashes.sha256, "AutoV2": hashes.autov2, "old hash": hashes.old}
    if contents.spec is not None:
        spec = contents.spec
        facts |= {
            "networks": ", ".join(LABELS[component] for component in contents.components),
            "predicts": spec.prediction,
            "input": f"{spec.unet.in_channels} channels",
            "trained at": f"{spec.default_size} x {spec.default_size}",
            "EMA weights": "yes" if contents.has_ema else "no",
            "leftovers": _some(contents.leftovers),
        }
    facts |= {f"metadata {key}": _short(text) for key, text in sorted(contents.metadata.items())}
    for key, text in facts.items():
        print(f"{key + ':':14} {text}")
    return 0


@models.command
def scan(*names: Annotated[str, Parameter(help="Files, or folders to go through.")]) -> int:
    """Look for code in model files without running any; the exit code is 2 where one is not safe.

    ```
    inkbloom models scan downloads/
    ```
    """
    from inkbloom.checkpoints.inspection import scan as look
    from inkbloom.checkpoints.library import model_files

    if not names:
        raise RequestError("Name the files or folders to scan, as in: inkbloom models scan downloads.")
    unsafe = 0
    for path in [path for name in names for path in model_files(Path(name))]:
        found = look(path)
        unsafe += not found.safe
        print(f"{'safe' if found.safe else 'NOT SAFE':9} {found.finding}")
    return 2 if unsafe else 0


@models.command
def verify(
    name: Annotated[str, Parameter(help="A file, a diffusers folder, or a name.")],
    /,
    *,
    sha256: Annotated[
        str | None, Parameter(help="What the file's SHA-256, or the first digits of it, must be.")
    ] = None,
    models_dir: ModelsDir = MODELS,
) -> int:
    """Read a whole model: are all tensors there, of the right shapes, and all numbers finite?

    ```
    inkbloom models verify model.safetensors --sha256 6ce0161689
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.checkpoints.inspection import verify as check
    from inkbloom.checkpoints.loading import file_hash

    path = _resolve(name, models_dir)
    if sha256 is not None:
        if not path.is_file():
            raise RequestError(f"{path} is a folder; a SHA-256 is of one file.")
        # Read anew, for the cache would not see a bit that changed by itself
        found = file_hash(path)
        if not sha256 or not found.startswith(sha256.lower()):
            raise CheckpointError(f'{path} has the SHA-256 {found}, which does not begin with "{sha256}".')
    with step_bar("Reading", None) as progress:
        count = check(path, on_progress=lambda done, total: progress(done))
    print(f"{path} is whole: {count:,} tensors, all numbers finite{', and the hash fits' if sha256 else ''}.")
    return 0


@models.command(name="hash")
def hash_(
    *names: Annotated[str, Parameter(help="Files, or names in the models folder.")], models_dir: ModelsDir = MODELS
) -> int:
    """Print SHA-256, AutoV2 hash and A1111's old hash of files.

    ```
    inkbloom models hash model.safetensors
    ```
    """
    from inkbloom.apps.cli.storage import hash_cache

    if not names:
        raise RequestError("Name the files to hash, as in: inkbloom models hash model.safetensors.")
    cache = hash_cache()
    for path in [_resolve(name, models_dir) for name in names]:
        if path.is_dir():
            raise RequestError(f"{path} is a folder; a hash is of one file.")
        hashes = cache.hashes(path)
        print(f"{hashes.sha256}  {hashes.autov2}  {hashes.old}  {path}")
    return 0


@models.command
def get(
    place: Annotated[str, Parameter(help="hub:OWNER/NAME[/FILE], civitai:MODEL[@VERSION] or https://...")],
    /,
    *,
    kind: Annotated[
        str | None, Parameter(help="Which folder it goes into. [default: what the site says, or checkpoints]")
    ] = None,
    sha256: Annotated[str | None, Parameter(help="What its SHA-256 must be, where the site does not say.")] = None,
    outdir: Annotated[Path | None, Parameter(help="Where it goes. [default: its folder in the models folder]")] = None,
    models_dir: ModelsDir = MODELS,
) -> int:
    """Fetch a model; a transfer that broke off is continued by the same command.

    HF_ENDPOINT names a mirror of the hub, CIVITAI_ENDPOINT one of Civitai; HF_TOKEN and CIVITAI_TOKEN let you in.

    ```
    inkbloom models get hub:owner/name
    inkbloom models get hub:owner/name/model.safetensors
    inkbloom models get civitai:4384@128713
    ```
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.checkpoints.download import fetch, fetch_folder
    from inkbloom.checkpoints.library import Library, check_kind
    from inkbloom.checkpoints.sources import find

    if kind is not None:
        check_kind(kind)
    found = find(place, _sites(), sha256=sha256)
    if outdir is None:
        home = kind or found.files[0].kind
        outdir = Library(models_dir).home(home) if models_dir.is_dir() else models_dir / home
    target = outdir / found.name
    with step_bar("Fetching MB", None) as progress:
        on_bytes = lambda done, total: progress(done // 1_000_000)  # noqa: E731
        if found.is_folder:
            fetch_folder(found.files, target, on_bytes=on_bytes)
        else:
            fetch(found.files[0], target, on_bytes=on_bytes)
    verified = all(one.sha256 for one in found.files if one.name.endswith((".safetensors", ".ckpt", ".pt", ".bin")))
    print(f"Saved {target}{'; its hash is as promised' if verified else '; nobody promised a hash'}.")
    return 0


def _sites() -> Sites:
    from inkbloom.checkpoints.sources import Sites

    default = Sites()
    return Sites(
        hub=os.environ.get("HF_ENDPOINT") or default.hub,
        hub_token=os.environ.get("HF_TOKEN") or None,
        civitai=os.environ.get("CIVITAI_ENDPOINT") or default.civitai,
        civitai_token=os.environ.get("CIVITAI_TOKEN") or None,
    )


def _resolve(name: str, models_dir: Path) -> Path:
    """A path that is there, else a name in the models folder."""
    from inkbloom.apps.cli.storage import hash_cache
    from inkbloom.checkpoints.foreign import missing
    from inkbloom.checkpoints.library import Library

    path = Path(name)
    if path.exists():
        return path
    if not models_dir.is_dir():
        raise missing(path)
    return Library(models_dir).find(name, None, cache=hash_cache())


def _size(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.1f} MB"


def _some(names: tuple[str, ...]) -> str:
    return f"{len(names)}, {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else "none"


def _short(text: str) -> str:
    """Metadata on one line; control characters of a hostile file do not reach the terminal."""
    shown = json.dumps(text, ensure_ascii=False)[1:-1] if not text.isprintable() else text
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}... ({len(text):,} characters)"
