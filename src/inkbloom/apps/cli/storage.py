"""Where the command line keeps things between runs."""

from platformdirs import user_cache_path

from inkbloom.checkpoints.hashes import HashCache


def hash_cache() -> HashCache:
    """The hashes of models, in the user's cache folder."""
    return HashCache(user_cache_path("inkbloom", appauthor=False) / "hashes.json")
