"""What A1111's API has and this one does not do: each endpoint says so, and what to do instead."""

from __future__ import annotations

from fastapi import APIRouter

from inkbloom.apps.api.a1111.errors import ANSWERS, A1111Route, Refused

_TRAINING = 'Trainings are jobs here: POST /api/v1/jobs with the kind "train".'
_STOPPING = "A client cannot stop this server; end it where it was started."
REFUSED = {
    "/sdapi/v1/interrogate": (501, "Pictures are not described here; that needs BLIP or DeepBooru."),
    "/sdapi/v1/create/embedding": (501, _TRAINING),
    "/sdapi/v1/create/hypernetwork": (501, _TRAINING),
    "/sdapi/v1/train/embedding": (501, _TRAINING),
    "/sdapi/v1/train/hypernetwork": (501, _TRAINING),
    "/sdapi/v1/server-kill": (403, _STOPPING),
    "/sdapi/v1/server-restart": (403, _STOPPING),
    "/sdapi/v1/server-stop": (403, _STOPPING),
    "/controlnet/render_openpose_json": (501, "Poses are not drawn here; send the drawn pose as the unit's image."),
}
"""What is answered, whatever is sent."""

router = APIRouter(tags=["A1111: not here"], responses=ANSWERS, route_class=A1111Route)


def _refuse(path: str, status: int, message: str) -> None:
    name = f"a1111_{path.rpartition('/v1/')[2].strip('/').replace('/', '_').replace('-', '_')}"

    @router.post(path, summary="Not here", name=name, operation_id=name)
    def refuse() -> None:
        raise Refused(status, "NotImplemented" if status == 501 else "Forbidden", message)


for _path, (_status, _message) in REFUSED.items():
    _refuse(_path, _status, _message)
