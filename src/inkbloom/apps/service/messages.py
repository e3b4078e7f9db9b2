"""What the server's process and a worker's process say to each other: plain dicts over a pipe, typed here.

The server decides where everything lies; a worker paints, saves to the paths it was given, and tells. Nothing here is
heavy: the server imports this file, never the worker's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

Role = Literal["picture", "grid", "sample"]


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """What a worker is started with: `Process(target=inkbloom.apps.service.worker.main, args=(connection, config))`."""

    device: str
    """Such as cpu or cuda:0."""
    data: Path
    """The root of the data folder; the worker's lock and the runs of trainings lie there."""
    models_dir: Path | None
    """The folder of models; None: there is none, and the starter alone is known."""
    memory_budget: int
    """Bytes that models may take together while none of them paints; the one in use is always kept."""
    settings: dict[str, Any] = field(default_factory=dict)
    """`Settings.model_dump(mode="json")`; `{"do": "settings"}` replaces it."""
    threads: int | None = None
    """Of torch; None: as many as torch takes by itself."""


# Server to worker


class Run(TypedDict):
    """Do a job. It ends with exactly one of `Done`, `Cancelled` and `Failed`.

    Answers to `Run` are told in the order of the work; while one job runs, another `Run` waits for its end.
    """

    do: Literal["run"]
    job: str
    spec: dict[str, Any]
    """`Spec.model_dump(mode="json")`, the seed drawn and the model named (None: the starter). Pictures are paths:
    `init_image` and its like as `{"path": ...}`, `images` of an upscaling as texts; `dataset` of a training is the path
    of its folder. Names of models stay names."""
    folder: str
    """Where the pictures go; it need not be there."""
    stem: str
    """With which their names begin: see `place`."""
    format: str
    """Of the pictures, one of png, jpg, webp, avif."""
    spool: str
    """A folder for what is kept between two attempts at the job. The server removes it when the job has ended; the
    worker leaves tapes there only of pictures that are not finished."""
    done: list[int]
    """Pictures that are saved already, by their index; they are not made again, nor told. Samples and the drawn grid
    of a plot are made whenever their turn comes."""
    skip: list[int]
    """Pictures that are left out, by their index."""
    picture: NotRequired[str]
    """Of a verification: the file."""


class Cancel(TypedDict):
    """Stop a job within one step, or leave out one of its pictures, be it at work or not begun; what is saved stays.

    A whole job answers `Cancelled`, when its turn comes where it has not begun; of an unknown one nothing is said.
    """

    do: Literal["cancel"]
    job: str
    picture: int | None


class Load(TypedDict):
    """Bring a model into memory; answered by `Models`, or by `Failed` with the job "" where it cannot be had."""

    do: Literal["load"]
    model: str


class Unload(TypedDict):
    """Drop all models from memory; answered by `Models`."""

    do: Literal["unload"]


class Configure(TypedDict):
    """Holds from the next job on."""

    do: Literal["settings"]
    settings: dict[str, Any]


class Stop(TypedDict):
    """End the process, and stop what runs within one step: its tape stays in the spool, and no end of it is told."""

    do: Literal["stop"]


ToWorker = Run | Cancel | Load | Unload | Configure | Stop


# Worker to server


class Ready(TypedDict):
    """Once, when the process can work."""

    tell: Literal["ready"]
    device: str
    dtype: str


class Moved(TypedDict):
    """How far the job is, at most twenty times a second: the fields of `jobs.Progress`."""

    tell: Literal["progress"]
    job: str
    progress: dict[str, Any]


class Previewed(TypedDict):
    """A picture as it is after a step."""

    tell: Literal["preview"]
    job: str
    picture: int
    step: int
    image: bytes
    """JPEG."""


class Saved(TypedDict):
    """A picture lies whole at its path."""

    tell: Literal["picture"]
    job: str
    index: int
    role: Role
    path: str
    width: int
    height: int
    seed: int | None
    request: dict[str, Any] | None
    """What paints it alone."""
    warnings: list[str]


class Resulted(TypedDict):
    """What came of a job beside pictures; before its `Done`, and what is told last holds.

    plot, before the first picture: {axes: [{name, values}], cells: [{place: [x, y, z], index}]}. merge: {model, files},
    compared: {blocks: [{block, tensors, distance, cosine}]}, None for what is infinite or undefined. train, at the
    beginning and the end: {files, log, sample_prompts, sample_every}; sample i of step s has the index s / sample_every
    * len(sample_prompts) + i. verify: {same, explanation, notes}.
    """

    tell: Literal["result"]
    job: str
    result: dict[str, Any]


class Done(TypedDict):
    tell: Literal["done"]
    job: str
    warnings: list[str]


class Cancelled(TypedDict):
    tell: Literal["cancelled"]
    job: str


class Failed(TypedDict):
    """The job has failed, and the worker is ready for the next."""

    tell: Literal["failed"]
    job: str
    type: str
    """The name of the error's class, such as MemoryNeededError."""
    message: str


class LoadedModel(TypedDict):
    name: str
    bytes: int


class Models(TypedDict):
    """The models in memory, the newest used last; told whenever that changes."""

    tell: Literal["models"]
    loaded: list[LoadedModel]
    bytes: int


ToServer = Ready | Moved | Previewed | Saved | Resulted | Done | Cancelled | Failed | Models


def place(run: Run, index: int, role: Role = "picture") -> Path:
    """Where a picture of a job lies: `FOLDER/STEM-III.FORMAT`, and `STEM-grid-III`, `STEM-sample-III` (as .png).

    It depends on the job alone, so that a picture made twice is one file.
    """
    middle, ending = ("", run["format"]) if role == "picture" else (f"{role}-", "png")
    return Path(run["folder"]) / f"{run['stem']}-{middle}{index:03d}.{ending}"
