import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkbloom.training.data.examples import Blob, Example
from inkbloom.training.data.facts import Facts, examine, look_of, near_duplicates


def example(path: Path, mask: Path | None = None) -> Example:
    mask_blob = None if mask is None else Blob(mask)
    return Example(picture=Blob(path), caption="", width=1, height=1, group="", mask=mask_blob)


def test_what_is_found_out(tmp_path: Path, make_picture) -> None:
    good, cut = make_picture(tmp_path / "a.png", seed=1), make_picture(tmp_path / "b.jpg", 200, 200, seed=2)
    cut.write_bytes(cut.read_bytes()[:-200])
    facts = examine([example(good), example(cut), example(good, mask=cut)], None, threads=2)
    assert facts[0] == Facts(hashlib.sha256(good.read_bytes()).hexdigest(), look_of(Image.open(good)))
    assert [fact.error is None for fact in facts] == [True, False, False]
    assert (facts[1].error or "").startswith(f'"{cut}" cannot be read as a picture: ')


def test_the_store_spares_reading_again(tmp_path: Path, make_picture) -> None:
    paths = [make_picture(tmp_path / f"{i}.png", seed=i) for i in range(3)]
    store = tmp_path / "run" / "facts.jsonl"
    seen: list[tuple[str, int, int]] = []

    def facts() -> list[Facts]:
        seen.clear()
        return examine(list(map(example, paths)), store, 2, lambda *news: seen.append(news))

    first = facts()
    assert seen == [("looking at pictures", i, 3) for i in (1, 2, 3)]
    assert facts() == first
    assert seen == []
    make_picture(paths[1], 40, 40, seed=9)
    assert [a == b for a, b in zip(facts(), first, strict=True)] == [True, False, True]
    assert len(seen) == 1
    lines = store.read_text().splitlines()
    store.write_text("\n".join(["no JSON", lines[0][:20], *lines[1:]]) + "\n")
    assert facts()[0] == first[0]
    assert len(seen) == 1
    store.write_bytes(b"\xff\xfe")
    assert facts()[0] == first[0]


def test_dhash() -> None:
    falling = Image.fromarray(np.tile(np.arange(90, 0, -10, dtype=np.uint8), (8, 1)))
    assert look_of(falling) == 2**64 - 1
    assert look_of(falling.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == 0
    one = np.zeros((8, 9), dtype=np.uint8)
    one[0, 0] = one[7, 7] = 9
    assert look_of(Image.fromarray(one)) == 2**63 + 1


@pytest.mark.parametrize("bits", range(6))
def test_near_duplicates_are_all_found(bits: int) -> None:
    """Against every pair by the definition: hashes of which some are `bits` away from others."""
    rng = np.random.default_rng(bits)
    looks = [int(value) for value in rng.integers(0, 2**63, 30)]
    for look in looks[:10]:
        for place in rng.choice(64, bits, replace=False):
            look ^= 1 << int(place)
        looks.append(look)
    unique = sorted(set(looks))
    expected = [(a, b) for i, a in enumerate(unique) for b in unique[i + 1 :] if (a ^ b).bit_count() <= 3]
    assert list(near_duplicates(looks)) == expected
    assert len(expected) == (10 if 0 < bits <= 3 else 0)
