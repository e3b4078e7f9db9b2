"""A1111's options that mean something here, under its names: clients read and set them, the settings keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inkbloom.apps.api.a1111.names import model_name, title
from inkbloom.apps.service.service import Service
from inkbloom.apps.service.settings import Settings
from inkbloom.core.errors import RequestError

DEFAULTS: dict[str, Any] = {
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "emphasis": "Original",
    "randn_source": "GPU",
    "eta_noise_seed_delta": 0,
    "tiling": False,
    "img2img_fix_steps": False,
    "img2img_color_correction": False,
    "img2img_extra_noise": 0.0,
    "return_grid": True,
}
"""Those that only its API has, and A1111's values of them. The noise of its GPU is made anywhere by "nv"."""

_PREVIEWS = {"Full": "full", "Approx NN": "tiny", "Approx cheap": "matrix", "TAESD": "tiny"}
_OURS = {"samples_format": "format", "show_progress_every_n_steps": "preview_every"}
"""Settings that both have."""


def read(service: Service) -> dict[str, Any]:
    """All of them, as GET /options answers."""
    settings = service.settings
    default = next((card for card in service.models.list("checkpoints") if card.default), None)
    shown = next((name for name, ours in _PREVIEWS.items() if ours == settings.preview_method), "Approx NN")
    return {
        **DEFAULTS,
        **settings.a1111,
        "sd_model_checkpoint": title(default) if default else None,
        "sd_checkpoint_hash": default.hash if default else None,
        **{theirs: getattr(settings, ours) for theirs, ours in _OURS.items()},
        "live_previews_enable": settings.preview_method != "none",
        "show_progress_type": shown,
    }


def write(service: Service, changes: Mapping[str, Any]) -> None:
    """Change some; those of A1111 that mean nothing here are let pass. `RequestError` for values that cannot be."""
    checked(changes)
    update: dict[str, Any] = {ours: changes[theirs] for theirs, ours in _OURS.items() if theirs in changes}
    if changes.get("sd_model_checkpoint"):
        update["default_model"] = model_name(service, str(changes["sd_model_checkpoint"]))
    method = _preview_method(changes, service.settings)
    if method is not None:
        update["preview_method"] = method
    own = {name: value for name, value in changes.items() if name in DEFAULTS}
    if own:
        update["a1111"] = service.settings.a1111 | own
    if update:
        service.set_settings(update)


def laid_over(service: Service, override: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options of one request: the server's, under the request's own `override_settings`."""
    override = {name: value for name, value in (override or {}).items() if value is not None}
    checked(override)
    if override.get("sd_model_checkpoint"):
        override["sd_model_checkpoint"] = model_name(service, str(override["sd_model_checkpoint"]))
    return {**DEFAULTS, **service.settings.a1111, **override}


def checked(changes: Mapping[str, Any]) -> None:
    """`RequestError` for an option whose value is of another kind than its default."""
    for name, value in changes.items():
        if name not in DEFAULTS:
            continue
        kinds = (int, float) if type(DEFAULTS[name]) in (int, float) else (type(DEFAULTS[name]),)
        if type(value) not in kinds:
            raise RequestError(f"{name} {value!r}: must be {_WORDS[type(DEFAULTS[name])]}.")


_WORDS = {str: "text", bool: "true or false", int: "a number", float: "a number"}


def _preview_method(changes: Mapping[str, Any], settings: Settings) -> str | None:
    """What the two switches for live previews ask for; None where they are not touched."""
    if changes.get("live_previews_enable") is False:
        return "none"
    if "show_progress_type" in changes:
        return _PREVIEWS.get(str(changes["show_progress_type"]), "tiny")
    turned_on = changes.get("live_previews_enable") and settings.preview_method == "none"
    return "tiny" if turned_on else None
