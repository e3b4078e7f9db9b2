"""What becomes of a typed prompt before it is read: variants and wildcards are chosen, then styles put around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from inkbloom.text.prompt.styles import Style, apply_styles, read_styles
from inkbloom.text.prompt.unknown import OnUnknown, refuse
from inkbloom.text.prompt.variants import random_prompt
from inkbloom.text.prompt.wildcards import Wildcards


@dataclass(frozen=True, kw_only=True)
class Templates:
    style: Sequence[str] = ()
    """The names of the styles to apply, in this order."""
    styles_file: Sequence[Path] = ()
    """Read where there is a style to apply."""
    wildcards: Wildcards | None
    """None leaves `{a|b}` and `__name__` as text."""
    on_unknown: OnUnknown = refuse

    def fill(self, prompt: str, negative_prompt: str, seed: int) -> tuple[str, str]:
        """The prompt and the negative prompt that are painted; `seed` chooses in both.

        `RequestError` for a damaged template or styles file; unknown names are told to `on_unknown`.
        """
        if self.wildcards is not None:
            prompt = random_prompt(prompt, seed, self.wildcards, self.on_unknown)
            negative_prompt = random_prompt(negative_prompt, seed, self.wildcards, self.on_unknown)
        return apply_styles(prompt, negative_prompt, self.style, self._styles, self.on_unknown)

    @cached_property
    def _styles(self) -> dict[str, Style]:
        return read_styles(self.styles_file) if self.style else {}
