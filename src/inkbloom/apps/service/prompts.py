"""What the page asks about prompts: their tokens, the names that complete them, styles and wildcards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.library import Models
from inkbloom.core.errors import CheckpointError, RequestError, nearest
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.text.prompt.networks import take_networks
from inkbloom.text.prompt.styles import Style, read_styles, write_styles
from inkbloom.text.prompt.wildcards import Wildcards

if TYPE_CHECKING:
    from inkbloom.text.prompt.inspection import Inspection

_KINDS = {"lora": "loras", "hypernet": "hypernetworks"}
_MOST = 100
"""Names that complete a text."""
_CHUNK = 75


class Prompts:
    def __init__(self, folder: DataFolder, models: Models) -> None:
        self._folder, self._models = folder, models

    def styles(self) -> list[dict[str, str]]:
        return [
            {"name": one.name, "prompt": one.prompt, "negative_prompt": one.negative_prompt}
            for one in self._styles().values()
        ]

    def save_styles(self, styles: Sequence[Mapping[str, str]]) -> None:
        """Replace all; `RequestError` for a name twice, an empty one, or one that begins like a comment."""
        fresh = [Style(**one) for one in styles]
        names = [one.name for one in fresh]
        for name in names:
            if not name.strip() or name.startswith("#") or names.count(name) > 1:
                raise RequestError(f'styles "{name}": each needs a name of its own, which does not begin with #.')
        write_styles(self._folder.styles, fresh)

    def check_styles(self, names: Iterable[str]) -> None:
        """`RequestError` for one that is not there."""
        known = self._styles() if names else {}
        for name in names:
            if name not in known:
                raise RequestError(
                    f'styles "{name}": unknown.' + (nearest(name, known) if known else " There are none.")
                )

    def check_networks(self, request: GenerationRequest) -> None:
        """`RequestError` for a LoRA or hypernetwork in the prompts that the library does not have."""
        if request.dialect != "a1111":
            return
        for field in ("prompt", "negative_prompt"):
            for network in take_networks(getattr(request, field), lambda _: None, others_are_text=True)[1]:
                try:
                    self._models.check(network.name, _KINDS[network.kind], field)
                except CheckpointError as error:
                    raise RequestError(str(error)) from None

    def wildcards(self) -> list[str]:
        return Wildcards((self._folder.wildcards,)).names

    def complete(self, text: str) -> list[dict[str, str]]:
        """Names with the text in them, those that begin with it first: {"kind", "name", "insert"}."""
        wanted = text.lower()
        found = [
            *(("lora", name, f"<lora:{name}:1>") for name in self._stems("loras")),
            *(("hypernet", name, f"<hypernet:{name}:1>") for name in self._stems("hypernetworks")),
            *(("embedding", name, name) for name in self._stems("embeddings")),
            *(("style", name, name) for name in self._styles()),
            *(("wildcard", name, f"__{name}__") for name in self.wildcards()),
        ]
        fitting = [one for one in found if wanted in one[1].lower()]
        fitting.sort(key=lambda one: (not one[1].lower().startswith(wanted), one[1].lower()))
        return [{"kind": kind, "name": name, "insert": insert} for kind, name, insert in fitting[:_MOST]]

    def inspect(self, prompt: str, negative_prompt: str, model: str | None, dialect: str, steps: int) -> dict[str, Any]:
        """Both prompts as the model would read them; what could not be found is told in "messages"."""
        from inkbloom.pipelines.adapters import LibraryEmbeddings, RowCounts
        from inkbloom.text.prompt.chunks import Chunker
        from inkbloom.text.prompt.inspection import inspect
        from inkbloom.text.prompt.parsing import parse
        from inkbloom.text.prompt.schedule import Timeline
        from inkbloom.text.tokenizer import Tokenizer

        fields = {"prompt": prompt, "negative_prompt": negative_prompt, "dialect": dialect, "steps": steps}
        request = GenerationRequest(**fields)
        folder = self._models.path(model) / "tokenizer"
        messages: list[str] = []
        try:
            self.check_networks(request)
        except RequestError as error:
            messages.append(str(error))
        chunker = Chunker(
            tokenizer=Tokenizer.from_folder(folder) if folder.is_dir() else Tokenizer.clip(),
            dialect=request.dialect,
            embeddings=RowCounts(LibraryEmbeddings(self._models.library())),
            on_unknown=messages.append,
        )

        def seen(text: str, *, negative: bool) -> dict[str, Any]:
            parsed = parse(
                text,
                timeline=Timeline(steps=steps),
                dialect=request.dialect,
                emphasis=request.emphasis,
                negative=negative,
                on_unknown=messages.append,
            )
            return _shown(inspect(parsed, chunker))

        return {
            "prompt": seen(request.prompt, negative=False),
            "negative_prompt": seen(request.negative_prompt, negative=True),
            "messages": list(dict.fromkeys(messages)),
        }

    def _styles(self) -> dict[str, Style]:
        return read_styles([self._folder.styles]) if self._folder.styles.exists() else {}

    def _stems(self, kind: str) -> list[str]:
        return [card.name.rpartition(".")[0].rpartition("/")[2] for card in self._models.list(kind)]


def _shown(inspection: Inspection) -> dict[str, Any]:
    from dataclasses import asdict

    shown = asdict(inspection)
    lengths = [phase.num_tokens for part in inspection.parts for phase in part.phases]
    chunks = [max(1, len(phase.chunks)) for part in inspection.parts for phase in part.phases]
    return {**shown, "tokens": max(lengths, default=0), "capacity": _CHUNK * max(chunks, default=1)}
