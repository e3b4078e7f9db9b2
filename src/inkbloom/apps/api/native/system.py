"""The server itself: its settings, and what it runs on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, create_model

from inkbloom.apps.api.access import Studio
from inkbloom.apps.service.settings import Settings

router = APIRouter(tags=["system"])


class SystemView(BaseModel, frozen=True):
    version: str
    torch: str
    python: str
    platform: str
    devices: list[dict[str, Any]] = Field(description="each with the state of its worker")
    memory: dict[str, Any] = Field(description="of the machine and of its GPUs, in bytes")
    data_dir: str
    models_dir: str | None
    uptime: float = Field(description="seconds")
    cache: dict[str, Any] = Field(description="models in memory, their bytes, and how many they may take")
    disk: dict[str, int] = Field(description="bytes where the data lies")


SettingsChange: type[BaseModel] = create_model(
    "SettingsChange",
    __config__=ConfigDict(extra="forbid"),
    __doc__="The settings that change; the others stay.",
    **{name: (field.annotation, field) for name, field in Settings.model_fields.items()},  # type: ignore[call-overload]
)


@router.get("/settings")
async def get_settings(service: Studio) -> Settings:
    """What the owner of the server has set."""
    return service.settings


@router.put("/settings")
def change_settings(body: SettingsChange, service: Studio) -> Settings:  # type: ignore[valid-type] - made above
    """Change some settings, for all clients."""
    return service.set_settings(body.model_dump(exclude_unset=True))


@router.get("/system")
def get_system(service: Studio) -> SystemView:
    """Versions, devices, memory, folders."""
    return SystemView.model_validate(service.system())
