"""The built page is in the package, whole, and asks nothing of other hosts."""

import re

import pytest

from inkbloom.apps.web import DIST

INDEX = (DIST / "index.html").read_text()
ASSETS = sorted((DIST / "assets").iterdir())


def test_index_names_files_that_are_there() -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', INDEX)
    assert len(named) >= 3
    for path in named:
        assert path.startswith("./")
        assert (DIST / path).is_file()


def test_index_holds_no_script_or_style_of_its_own() -> None:
    """The page's Content-Security-Policy allows scripts from files alone."""
    assert "<style" not in INDEX
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", INDEX))
    assert not re.search(r"\son\w+=", INDEX)


def test_every_asset_carries_a_hash_and_none_is_a_source_map() -> None:
    for asset in ASSETS:
        assert re.fullmatch(r".+-[\w-]{8}\.(js|css|woff2|svg|png)", asset.name), asset.name


@pytest.mark.parametrize("asset", [path for path in ASSETS if path.suffix == ".css"], ids=lambda path: path.name)
def test_styles_load_nothing_from_other_hosts(asset) -> None:
    text = asset.read_text()
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", text)
