"""What the service works on: a job's description as it was asked for, and what is known of it since.

A job's `spec` says what to do, in pydantic models that the page, the API and the queue share. In them a picture is
named by a text: `upload:ID` of an uploaded one, `picture:ID` of one in the gallery, or a data URL, which becomes an
upload. Paths do not occur: a client can only name what the service gave it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from inkbloom.pipelines.request import GenerationRequest


class State(StrEnum):
    """queued -> running -> done | failed | cancelled; a held job waits until it is released, then queues again."""

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class _Spec(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    pass


class GenerateSpec(_Spec, frozen=True):
    """Paint pictures."""

    kind: Literal["generate"] = "generate"
    request: GenerationRequest
    styles: tuple[str, ...] = Field(default=(), description="names of styles whose texts go around the prompts")
    variants: bool = Field(default=False, description="fill {a|b} and __wildcards__, another choice for each seed")
    format: Literal["png", "jpg", "webp", "avif"] | None = Field(default=None, description="None: as the settings say")


class UpscaleSpec(_Spec, frozen=True):
    """Make finished pictures larger, as A1111's Extras."""

    kind: Literal["upscale"] = "upscale"
    images: tuple[str, ...] = Field(min_length=1, max_length=1000, description="pictures, each by its name")
    scale: float | None = Field(default=None, ge=0.1, le=16, description="None: 4, where there is no size")
    width: int | None = Field(default=None, ge=1, le=30_000, description="pixels, with height in place of scale")
    height: int | None = Field(default=None, ge=1, le=30_000, description="pixels")
    crop: bool = Field(default=False, description="cut to exactly the size")
    max_side: int = Field(default=0, ge=0, le=30_000, description="the longer side at most; 0: as long as it will")
    upscaler: str = Field(default="Starter", description="its name")
    upscaler2: str | None = Field(default=None, description="mixed with the first")
    visibility2: float = Field(default=0.0, ge=0, le=1, description="how much of it")
    faces: str | None = Field(default=None, description="a face restorer of the library")
    face_visibility: float = Field(default=1.0, ge=0, le=1, description="how much of its result")
    format: Literal["png", "jpg", "webp", "avif"] | None = Field(default=None, description="None: as the settings say")


class PlotSpec(_Spec, frozen=True):
    """The same request under all combinations of the values of up to three axes."""

    kind: Literal["plot"] = "plot"
    request: GenerationRequest
    x: str = Field(default="Nothing", description='such as "Steps: 10-30 (+10)"')
    y: str = "Nothing"
    z: str = "Nothing"
    vary_seeds: tuple[Literal["x", "y", "z"], ...] = ()
    legend: bool = Field(default=True, description="labels around the drawn grid")
    margin: int = Field(default=0, ge=0, le=500, description="pixels between the pictures of the drawn grid")


class MergeSpec(_Spec, frozen=True):
    """One checkpoint out of others; or, `compare`d, how far they are apart block by block."""

    kind: Literal["merge"] = "merge"
    models: tuple[str, ...] = Field(min_length=1, max_length=3, description="A, B, C by their names")
    method: str = "weighted-sum"
    multiplier: float | None = None
    blocks: str | None = None
    density: float = Field(default=0.2, ge=0, le=1)
    drop: float = Field(default=0.9, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    vae: str | None = None
    discard: str | None = None
    precision: Literal["float32", "float16", "bfloat16"] | None = None
    name: str | None = Field(default=None, description="of the result, without ending")
    compare: bool = Field(default=False, description="write nothing; tell how B differs from A")


class TrainSpec(_Spec, frozen=True):
    """A training, by the fields of `inkbloom train KIND`; the data is a data set of the service."""

    kind: Literal["train"] = "train"
    training: Literal["lora", "embedding", "dreambooth", "diffusion", "hypernetwork", "controlnet"]
    name: str = Field(min_length=1, max_length=100, description="of the result, and of the run")
    dataset: str = Field(description="the name of a data set")
    model: str | None = Field(default=None, description="the model that is taught; None: the default one")
    fields: dict[str, Any] = Field(default_factory=dict, description="of the recipe, flat, such as rank or steps")


TRAINING_DATASETS = {"regularisation_data": tuple[str, ...], "mask_folder": str | None, "hint_folder": str | None}
"""Fields of trainings that name data sets of the service, with their types."""
TRAINING_MODELS = {
    "start_from": "loras",
    "control_init": "controlnet",
    "text_encoder": "checkpoints",
    "autoencoder": "vae",
}
"""Fields of trainings that name models of the library, with their kinds."""


class VerifySpec(_Spec, frozen=True):
    """Paint a picture of the gallery again and compare it bit for bit."""

    kind: Literal["verify"] = "verify"
    picture: int = Field(ge=1, description="its number in the gallery")


Spec = Annotated[
    GenerateSpec | UpscaleSpec | PlotSpec | MergeSpec | TrainSpec | VerifySpec, Field(discriminator="kind")
]


class Progress(BaseModel, frozen=True):
    """How far a running job is. All numbers count from 0 to what is the whole."""

    stage: Literal["waiting", "loading", "working", "saving"] = "waiting"
    done: float = Field(default=0.0, ge=0, le=1, description="the part of the whole job")
    picture: int = Field(default=0, description="the one at work, from 0")
    pictures: int = Field(default=0, description="of the whole job; 0 where it makes none")
    step: int = Field(default=0, description="of the picture at work, or of the training")
    steps: int | None = Field(default=None, description="of it in all; None where that is not known")
    seconds_left: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict, description="of a training")


def with_texts(value: Any) -> Any:
    """A dumped request with its pictures as clients name them: "upload:ID" in place of {"path": "upload:ID", ...}.

    One without a name stays an object with its hash, so that nobody takes it for none.
    """
    if isinstance(value, dict):
        if value.get("path") is not None and value.keys() <= {"path", "sha256"}:
            return value["path"]
        return {name: with_texts(part) for name, part in value.items()}
    return [with_texts(part) for part in value] if isinstance(value, list) else value


Told = Annotated[dict[str, Any], AfterValidator(with_texts)]
"""A dumped request or spec, as clients see it."""


class Failure(BaseModel, frozen=True):
    type: str = Field(description='such as "MemoryNeededError", or "WorkerLost"')
    message: str


class Picture(BaseModel, frozen=True):
    """One picture of the gallery."""

    id: int
    job: str | None = Field(description="the job that made it")
    index: int = Field(description="its place in the job, from 0")
    role: Literal["picture", "grid", "sample"] = "picture"
    width: int
    height: int
    seed: int | None = None
    filename: str
    created: datetime
    favourite: bool = False
    prompt: str = ""
    request: Told | None = Field(
        default=None,
        description="what paints it alone; None where it was not painted, and in lists and events of jobs",
    )
    warnings: list[str] = Field(default_factory=list)


class Job(BaseModel, frozen=True):
    """A job as clients see it."""

    id: str
    kind: str
    state: State
    title: str
    priority: int = 0
    place: int | None = Field(default=None, description="how many are before it; None where it does not wait")
    spec: Told = Field(description="as asked for, the seed drawn")
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    progress: Progress = Progress()
    pictures: list[Picture] = Field(default_factory=list)
    result: dict[str, Any] | None = Field(default=None, description="of a merge, a training, a verification, a plot")
    error: Failure | None = None
    warnings: list[str] = Field(default_factory=list)
    attempts: int = Field(default=0, description="how often a worker began it")
    client: str | None = Field(default=None, description="who asked, in the client's own words")
    preview_step: int | None = Field(default=None, description="the step of the newest preview, where there is one")
