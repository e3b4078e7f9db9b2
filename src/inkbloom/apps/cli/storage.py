"""Where the command line keeps things between runs."""

from pathlib import Path

from platformdirs import user_cache_path

from inkbloom.apps.cli.models import MODELS
from inkbloom.checkpoints.hashes import HashCache
from inkbloom.checkpoints.library import Library


def hash_cache() -> HashCache:
    """The hashes of models, in the user's cache folder."""
    return HashCache(user_cache_path("inkbloom", appauthor=False) / "hashes.json")


def open_library(models_dir: Path) -> Library | None:
    """The models folder; None where nobody named one and the usual one is not there."""
    return None if models_dir == MODELS and not models_dir.is_dir() else Library(models_dir)
