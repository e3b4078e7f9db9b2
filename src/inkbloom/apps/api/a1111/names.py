"""How A1111 names models: titles with a hash behind, and lookups by title, name or hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inkbloom.core.errors import RequestError, nearest

if TYPE_CHECKING:
    from inkbloom.apps.service.library import ModelCard
    from inkbloom.apps.service.service import Service


def title(card: ModelCard) -> str:
    """Such as "v1-5-pruned-emaonly.safetensors [6ce0161689]"; without the hash where it is not known yet."""
    return f"{card.name} [{card.hash[:10]}]" if card.hash else card.name


def stem(name: str) -> str:
    """A name as A1111 shows it: without the ending."""
    return name.rpartition(".")[0] or name


def model_name(service: Service, asked: str, kind: str = "checkpoints") -> str:
    """Our name of what is asked for by title, name with or without ending, or hash; `RequestError` if there is none."""
    cards = service.models.list(kind)
    wanted = asked.rpartition(" [")[0] or asked
    for card in cards:
        if wanted in (card.name, stem(card.name)) or (card.hash and asked in (card.hash, card.hash[:10])):
            return card.name
    raise RequestError(f'There is no model "{asked}".{nearest(wanted, [card.name for card in cards])}')
