"""`inkbloom info`: how a picture was made, as it tells itself."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

SHOWN = 300
"""Characters of a value that are shown; --raw shows all."""


def info(
    picture: Annotated[Path, Parameter(help="A PNG, JPEG, WebP, AVIF or GIF file.")],
    /,
    *,
    raw: Annotated[bool, Parameter(negative="", show_default=False, help="The text itself, and nothing else.")] = False,
    a1111: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="The text in A1111's form, which other programs understand."),
    ] = False,
) -> int:
    """Say how a picture was made: the program, the prompt, its settings, and our request for the same picture.

    Understands what inkbloom, A1111, Forge, SD.Next, Civitai, ComfyUI, InvokeAI, NovelAI, Fooocus and
    stable-diffusion.cpp write. Lines that begin with "Note" say what was not understood, or has no counterpart here.

    ```
    inkbloom info castle.png
    inkbloom info castle.png --a1111
    ```
    """
    from inkbloom.core.errors import RequestError
    from inkbloom.pipelines.metadata import read_metadata
    from inkbloom.pipelines.metadata.containers import PARAMETERS, USER_COMMENT, read_carried
    from inkbloom.pipelines.metadata.record import shortened

    if a1111:
        texts = read_carried(picture).texts
        text = texts.get(PARAMETERS, texts.get(USER_COMMENT))
        if text is None:
            raise RequestError(f'"{picture}" holds no text in A1111\'s form; "inkbloom info" may find others.')
        print(_printable(text))
        return 0
    found = read_metadata(picture)
    if raw:
        print(_printable(found.raw))
        return 0
    print(f"Program: {_printable(found.program)}")
    for name, text in (("Prompt", found.prompt), ("Negative prompt", found.negative_prompt)):
        if text:
            print(f"{name}: {_printable(text)}")
    for name, value in found.fields.items():
        print(f"  {_printable(name)}: {shortened(_printable(value), SHOWN)}")
    wanted = (
        found.request.model_dump(exclude_defaults=True, exclude={"prompt", "negative_prompt"}) if found.request else {}
    )
    if not wanted.keys() <= found.fields.keys():  # else it is our own picture, and all has been said
        print("Request:")
        for name, value in wanted.items():
            if value == {}:  # a part of the request, with its usual values alone
                value = getattr(found.request, name).model_dump(exclude_none=True)
            print(f"  {name}: {value}")
    if found.stages is not None:
        print(f"Hashes: of {len(found.stages.steps)} steps and the other stages, for: inkbloom verify.")
    for line in found.warnings:
        print(f"Note: {_printable(line)}")
    return 0


def _printable(text: str) -> str:
    """The text with what could control a terminal, or turn the direction of writing, shown by its number instead."""
    return "".join(f"\\u{ord(c):04x}" if _controls(c) else c for c in text.replace("\r\n", "\n"))


def _controls(character: str) -> bool:
    turns = "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    return turns or (unicodedata.category(character) == "Cc" and character not in "\n\t")
