"""What the owner of a server sets, for all its clients; preferences of a page stay in the page."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from inkbloom.pipelines.settings import Settings as Checked


class Settings(Checked, frozen=True):
    """Kept in the database. Constructing it checks each field; `RequestError` says what is wrong."""

    default_model: str | None = Field(None, description="of jobs that name none; None: as the server was started")
    format: Literal["png", "jpg", "webp", "avif"] = Field("png", description="of pictures, where a job names none")
    privacy: Literal["full", "without-prompt", "hash-only", "none"] = Field(
        "full", description="how much pictures tell of how they were made"
    )
    preview_method: Literal["none", "matrix", "tiny", "full"] = Field(
        "tiny", description="how a picture at work is shown"
    )
    preview_every: int = Field(
        0, ge=0, le=1000, description="steps from one preview to the next; 0: so many that they take hardly any time"
    )
    keep_steps: bool = Field(True, description="keep the previews of all steps, as a filmstrip")
    memory_budget_gb: float | None = Field(
        None, gt=0, description="for models in memory; None: half of the machine's memory"
    )
    most_queued: int = Field(10_000, ge=1, le=1_000_000, description="jobs that may wait")
    lenient: bool = Field(False, description="names unknown to a prompt are a warning, not an error")
    a1111: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="options of A1111's API that the page has no settings for"
    )
