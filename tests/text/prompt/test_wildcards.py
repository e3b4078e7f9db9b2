"""Wildcard folders: which names there are, and that none leads out of them."""

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.wildcards import Wildcards


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "wildcards"
    (root / "food" / "deep").mkdir(parents=True)
    (root / "animals.txt").write_bytes("\ufeffcat\n\n# no\n  dog  \n猫\n".encode())
    (root / "food" / "fruit.txt").write_text("apple\n", encoding="utf-8")
    (root / "food" / "deep" / "fish.txt").write_text("cod\n", encoding="utf-8")
    lists = "warm:\n  red: [rose, 1, {x: y}]\n  n: 5\nbare:\n  - x\n"
    (root / "food" / "more.yaml").write_text(lists, encoding="utf-8")
    return root


def test_names_and_texts(folder):
    wildcards = Wildcards([folder])
    assert wildcards.names == ["animals", "food/bare", "food/deep/fish", "food/fruit", "food/warm/red"]
    assert wildcards.texts("animals") == ("cat", "dog", "猫")
    assert wildcards.texts("food/warm/red") == ("rose", "1")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("animals", ["animals"]),
        ("food/*", ["food/bare", "food/fruit"]),
        ("*/fruit", ["food/fruit"]),
        ("food/**", ["food/bare", "food/deep/fish", "food/fruit", "food/warm/red"]),
        ("**/fish", ["food/deep/fish"]),
        ("**", ["animals", "food/bare", "food/deep/fish", "food/fruit", "food/warm/red"]),
        ("/".join(["**"] * 500), ["animals", "food/bare", "food/deep/fish", "food/fruit", "food/warm/red"]),
        ("an?mals", ["animals"]),
        ("[ab]nimals", ["animals"]),
        ("none", []),
        ("../secret", []),
        ("*/../../secret", []),
        ("/etc/passwd", []),
        ("", []),
    ],
)
def test_patterns(folder, pattern, expected):
    (folder.parent / "secret.txt").write_text("secret", encoding="utf-8")
    assert Wildcards([folder]).find(pattern) == expected


def test_links_lead_nowhere_outside(folder):
    (folder.parent / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "inside.txt").symlink_to(folder / "animals.txt")
    wildcards = Wildcards([folder])
    assert wildcards.find("link") == []
    assert wildcards.texts("inside") == wildcards.texts("animals")


def test_the_first_folder_holds(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "animals.txt").write_text("bird", encoding="utf-8")
    assert Wildcards([other, folder]).texts("animals") == ("bird",)


def test_json(folder):
    (folder / "more.json").write_text('{\n\t"metals": ["iron", "gold"]\n}', encoding="utf-8")
    assert Wildcards([folder]).texts("metals") == ("iron", "gold")


def test_bad_files(folder):
    (folder / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(RequestError, match=r'latin\.txt" is not UTF-8 text; save it as UTF-8\.$'):
        Wildcards([folder]).texts("latin")
    (folder / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(RequestError, match=r'bad\.yaml" is not YAML: '):
        Wildcards([folder]).find("animals*")
    (folder / "bad.yaml").unlink()
    (folder / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(RequestError, match=r'bad\.json" is not JSON: '):
        Wildcards([folder]).find("animals*")
    with pytest.raises(RequestError, match=r'^The wildcard folder ".*none" is not there\.$'):
        Wildcards([folder / "none"]).find("a")
