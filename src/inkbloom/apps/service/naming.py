"""What a spec names, looked up before it is queued, and turned into what a worker can open when it is begun.

Pictures become uploads, so that nothing a client does later takes them away; models become the one name that means
them; everything else, a path above all, is refused with the field that says it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from inkbloom.apps.service.datasets import Datasets
from inkbloom.apps.service.folders import DataFolder, check_name
from inkbloom.apps.service.gallery import Gallery
from inkbloom.apps.service.jobs import GenerateSpec, MergeSpec, PlotSpec, Spec, TrainSpec, UpscaleSpec, VerifySpec
from inkbloom.apps.service.library import FILTERS, REFERENCE, Models
from inkbloom.apps.service.messages import Run
from inkbloom.apps.service.prompts import Prompts
from inkbloom.apps.service.queue import Taken
from inkbloom.apps.service.refusals import UnknownError
from inkbloom.apps.service.uploads import PREFIX, Uploads, with_sources
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.request import RANDOM_SEEDS, GenerationRequest
from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS

if TYPE_CHECKING:
    from PIL.Image import Image

_PICTURE = "picture:"


class Naming:
    def __init__(
        self,
        folder: DataFolder,
        uploads: Uploads,
        gallery: Gallery,
        models: Models,
        datasets: Datasets,
        prompts: Prompts,
    ) -> None:
        self._folder, self._uploads, self._gallery = folder, uploads, gallery
        self._models, self._datasets, self._prompts = models, datasets, prompts

    def checked(self, spec: Spec, default_model: str | None, *, lenient: bool) -> Spec:
        """The spec with seed, model and uploads in it. Raises `RequestError` or `CheckpointError`, the field first."""
        match spec:
            case GenerateSpec() | PlotSpec():
                if isinstance(spec, GenerateSpec):
                    self._prompts.check_styles(spec.styles)
                request = self._checked(spec.request, default_model, lenient=lenient)
                return spec.model_copy(update={"request": request})
            case UpscaleSpec():
                for field in ("upscaler", "upscaler2", "faces"):
                    self._check_upscaler(getattr(spec, field), field)
                images = tuple(self._stored(name, f"images {number}") for number, name in enumerate(spec.images))
                return spec.model_copy(update={"images": images})
            case MergeSpec():
                return self._merge(spec)
            case TrainSpec():
                check_name(spec.name, "name")
                with _field("dataset"):
                    self._datasets.path(spec.dataset)
                return spec.model_copy(
                    update={"model": self._models.check(_first(spec.model, default_model), "checkpoints", "model")}
                )
            case VerifySpec():
                with _field("picture"):
                    self._gallery.file(spec.picture)
                return spec

    def run(self, taken: Taken, done: Sequence[int]) -> Run:
        """What a worker is told of a job; `RequestError` where something that it needs has gone."""
        folder, _, stem = taken.stem.rpartition("/")
        spec = self._uploads.resolved(taken.spec)
        more: dict[str, Any] = {}
        match spec["kind"]:
            case "upscale":
                spec["images"] = [str(self._uploads.open(name.removeprefix(PREFIX))) for name in spec["images"]]
            case "train":
                spec["dataset"] = str(self._datasets.path(spec["dataset"]))
            case "verify":
                more["picture"] = str(self._gallery.file(spec["picture"]))
        return Run(
            do="run",
            job=taken.id,
            spec=spec,
            folder=str(self._folder.outputs / folder),
            stem=stem,
            format=taken.format,
            spool=str(self._folder.spool / taken.id),
            done=[*done],
            skip=[*taken.skipped],
            **more,
        )

    def spec_of(self, request: dict[str, Any]) -> GenerateSpec:
        """The spec that paints a gallery picture again."""
        return GenerateSpec.model_validate({"request": request})

    def picture(self, source: str, field: str) -> Image:
        """The picture of a client's name for one, as 8-bit RGB."""
        from inkbloom.pipelines.pictures import open_picture

        return open_picture(self._uploads.open(self._stored(source, field).removeprefix(PREFIX)))

    def _checked(self, request: GenerationRequest, default_model: str | None, *, lenient: bool) -> GenerationRequest:
        if request.init_noise is not None:
            raise RequestError("init_noise: files of noise cannot be named here; leave it out.")
        check = self._models.check
        fields = request.model_dump(mode="json")
        fields["model"] = check(_first(request.model, default_model), "checkpoints", "model")
        if request.vae is not None:
            fields["vae"] = check(request.vae, "vae", "vae")
        for number, unit in enumerate(fields["controls"]):
            if unit["model"] != REFERENCE:
                unit["model"] = check(unit["model"], "controlnet", f"controls {number} model")
        if request.hires is not None and request.hires.upscaler not in LATENT_UPSCALERS:
            self._check_upscaler(request.hires.upscaler, "hires upscaler")
        if not lenient:
            self._prompts.check_networks(request)
        fields["seed"] = _drawn(request.seed)
        if request.variation_strength:
            fields["variation_seed"] = _drawn(request.variation_seed)
        fields = with_sources(fields, self._stored)
        return GenerationRequest(**fields)

    def _stored(self, name: str, field: str) -> str:
        """The upload that a client's name of a picture means."""
        if name.startswith(PREFIX):
            with _field(field):
                return PREFIX + self._uploads.open(name.removeprefix(PREFIX)).stem
        if name.startswith(_PICTURE):
            number = name.removeprefix(_PICTURE)
            if not (number.isascii() and number.isdigit() and len(number) < 19):
                raise RequestError(f'{field} "{name[:80]}": a picture of the gallery is named like picture:12.')
            with _field(field):
                return self._uploads.add(self._gallery.file(int(number)).read_bytes(), field).name
        if name.startswith("data:"):
            return self._uploads.add_data_url(name, field).name
        raise RequestError(f'{field} "{name[:80]}": upload the picture first, and name it upload:ID, or picture:ID.')

    def _check_upscaler(self, name: str | None, field: str) -> None:
        from inkbloom.pipelines.upscaling.upscalers import A1111_NAMES

        if name is None or (field != "faces" and name.lower() in map(str.lower, FILTERS)):
            return
        self._models.check(A1111_NAMES.get(name, name), "upscale_models", field)

    def _merge(self, spec: MergeSpec) -> MergeSpec:
        if spec.name is not None:
            check_name(spec.name, "name")
        models = tuple(self._models.check(name, "checkpoints", "models") or "starter" for name in spec.models)
        vae = None if spec.vae is None else self._models.check(spec.vae, "vae", "vae")
        return spec.model_copy(update={"models": models, "vae": vae})


@contextmanager
def _field(name: str) -> Iterator[None]:
    """What a field names and is not there makes the request wrong, not its address."""
    try:
        yield
    except UnknownError as error:
        message = str(error)
        if not message.startswith(name):
            message = f"{name}: {message[0].lower()}{message[1:]}"
        raise RequestError(message) from None


def _first(name: str | None, default: str | None) -> str | None:
    return default if name is None else name


def _drawn(seed: int | None) -> int:
    return secrets.randbelow(RANDOM_SEEDS) if seed in (None, -1) else seed
