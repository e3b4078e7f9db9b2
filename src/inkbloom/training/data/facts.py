"""What only reading a whole picture tells: that it can be read, its content's hash, and how it looks roughly.

The facts are kept in a file of lines, so that a second start reads nothing but the new pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from inkbloom.core.errors import OutputError, RequestError
from inkbloom.core.pictures import as_rgb
from inkbloom.training.data.decoding import decode
from inkbloom.training.data.examples import Example
from inkbloom.training.data.threads import in_threads

OnProgress = Callable[[str, int, int], None]
"""Called with (what is done, how many are done, how many there are)."""

NEAR = 3
"""Pictures are near-duplicates where so many of the 64 bits of their `look` differ at most."""

_BANDS = NEAR + 1
"""Of two hashes that differ in `NEAR` bits, one of so many bands is the same."""


@dataclass(frozen=True)
class Facts:
    sha256: str
    """Of the picture file's bytes, 64 hexadecimal digits."""
    look: int
    """dHash: of each of 8 x 8 places of the grey, shrunken picture, whether it is brighter than its right neighbour."""
    error: str | None = None
    """One line, where the picture, its mask or its hint cannot be decoded to the end."""


def ignore(what: str, done: int, total: int) -> None:
    """An `OnProgress` that does nothing."""


def examine(
    examples: Sequence[Example], store: Path | None, threads: int, on_progress: OnProgress = ignore
) -> list[Facts]:
    """The facts of each example; those in the file `store` hold while the files do not change.

    A damaged line of the store is left out; `OutputError` where new ones cannot be written.
    """
    stored = {} if store is None else _read(store)
    keys = [_key(example) for example in examples]
    new = [i for i, key in enumerate(keys) if key not in stored]
    lines = []
    try:
        found = in_threads(_examine, [examples[i] for i in new], threads)
        for done, (i, facts) in enumerate(zip(new, found, strict=True), 1):
            stored[keys[i]] = facts
            lines.append(json.dumps([keys[i], facts.sha256, facts.look, facts.error]) + "\n")
            on_progress("looking at pictures", done, len(new))
    finally:  # what was found before somebody stopped it is not looked for again
        if store is not None and lines:
            _append(store, lines)
    return [stored[key] for key in keys]


def near_duplicates(looks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Pairs of different values of `looks` that are at most `NEAR` bits apart."""
    bands: dict[tuple[int, int], list[int]] = defaultdict(list)
    width = 64 // _BANDS
    for look in sorted(set(looks)):
        for band in range(_BANDS):
            bands[band, look >> band * width & (1 << width) - 1].append(look)
    pairs = {pair for members in bands.values() for pair in combinations(members, 2)}
    return ((a, b) for a, b in sorted(pairs) if (a ^ b).bit_count() <= NEAR)


def look_of(picture: PILImage.Image) -> int:
    grey = np.asarray(as_rgb(picture).convert("L").resize((9, 8), PILImage.Resampling.BOX)).astype(np.int16)
    return int.from_bytes(np.packbits(grey[:, :-1] > grey[:, 1:]).tobytes())


def _examine(example: Example) -> Facts:
    try:
        sha256 = hashlib.sha256(example.picture.read()).hexdigest()
    except OSError as error:
        return Facts("", 0, f'"{example.name}" cannot be read: {error.strerror}.')
    try:
        look = look_of(decode(example.picture, (9, 8)))
        for other in (example.mask, example.hint):
            if other is not None:
                decode(other, (9, 8))
    except RequestError as error:
        return Facts(sha256, 0, str(error))
    return Facts(sha256, look)


def _append(store: Path, lines: list[str]) -> None:
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with store.open("a", encoding="utf-8") as file:
            file.write("".join(lines))
    except OSError as error:
        raise OutputError(f"{store} cannot be written: {error.strerror}.") from error


def _key(example: Example) -> str:
    blobs = [blob for blob in (example.picture, example.mask, example.hint) if blob is not None]
    return " | ".join(f"{blob} {blob.stamp()}" for blob in blobs)


def _read(store: Path) -> dict[str, Facts]:
    stored = {}
    try:
        lines = store.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    for line in lines:
        try:
            key, sha256, look, error = json.loads(line)
            stored[str(key)] = Facts(str(sha256), int(look), error)
        except (ValueError, TypeError):
            continue
    return stored
