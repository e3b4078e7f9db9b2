"""Finished pictures made larger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL.Image import Image

from inkbloom.apps.service.jobs import UpscaleSpec
from inkbloom.apps.service.worker.errand import Errand
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.pictures import open_picture
from inkbloom.pipelines.upscaling.extras import Extras, Target
from inkbloom.pipelines.upscaling.foreign import open_face_restorer, restore_faces
from inkbloom.pipelines.upscaling.upscalers import Enlarger, file_of, find_upscaler


def upscale(errand: Errand) -> None:
    """A picture that cannot be enlarged is a warning where there are others."""
    spec = UpscaleSpec(**errand.run["spec"])
    count = len(spec.images)
    errand.progress("loading", pictures=count)
    extras = _extras(errand, spec)
    failed = []
    for index, name in enumerate(spec.images):
        errand.progress("working", index / count, picture=index, pictures=count)
        if index in errand.done | errand.left_out:
            continue
        try:
            made = extras(open_picture(Path(name)))
        except RequestError as error:
            failed.append(error)
            errand.warn([f"Picture {index + 1}: {error}"])
            continue
        errand.keep(made, index)
    if len(failed) == count:
        raise failed[0]


def _extras(errand: Errand, spec: UpscaleSpec) -> Extras:
    library, device = errand.models.library, errand.models.compute.device

    def find(name: str) -> Enlarger:
        return find_upscaler(name, library=library, device=device, on_tile=errand.check)

    if spec.visibility2 and spec.upscaler2 is None:
        raise RequestError(f"visibility2 {spec.visibility2:g}: there is no upscaler2 that could be seen.")
    return Extras(
        target=Target(scale=spec.scale, width=spec.width, height=spec.height, crop=spec.crop, max_side=spec.max_side),
        upscaler=find(spec.upscaler),
        second=None if spec.upscaler2 is None else find(spec.upscaler2),
        second_visibility=spec.visibility2,
        faces=None if spec.faces is None else _restorer(errand, spec.faces),
        face_visibility=spec.face_visibility,
    )


def _restorer(errand: Errand, name: str) -> Callable[[Image], Image]:
    device = errand.models.compute.device
    network = open_face_restorer(file_of(name, errand.models.library), device)
    return lambda picture: restore_faces(picture, network, device)
