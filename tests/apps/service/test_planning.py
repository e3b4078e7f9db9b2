import itertools

import pytest

from inkbloom.apps.service import Service
from inkbloom.apps.service.jobs import Progress, UpscaleSpec
from inkbloom.apps.service.planning import Planning
from inkbloom.core.errors import RequestError
from tests.apps.service.conftest import png, spec_of


def _measure(service: Service, seconds: float, **fields) -> None:
    """A job of four steps that took so long for each."""
    planning = Planning(
        service._database, service.models, service.uploads, clock=itertools.count(100.0, seconds).__next__
    )
    for step in range(1, 5):
        planning.saw("j", Progress(stage="working", step=step, steps=4))
    request = spec_of(sampler="DDIM", **fields).request.model_dump(mode="json")
    planning.ended("j", request, "cpu")


def test_time_comes_from_what_was_measured(service: Service) -> None:
    plan = service.plan(spec_of(num_images=3, steps=10))
    assert plan.seconds is None
    assert "not known" in plan.messages[0].text
    assert (plan.fits, plan.device, plan.model, plan.pictures, plan.steps) == (True, "cpu", "starter", 3, 10)
    _measure(service, 0.5)
    plan = service.plan(spec_of(num_images=3, steps=10))
    assert plan.seconds == pytest.approx(0.5 * 10 * 3)
    assert plan.messages == []
    larger = service.plan(spec_of(width=128, steps=10))
    assert larger.seconds == pytest.approx(0.5 * 10 * 2)
    assert "64 x 64 pixels with DDIM" in larger.messages[0].text
    _measure(service, 1.5)
    again = service.plan(spec_of(steps=1)).seconds
    assert again is not None
    assert 0.5 < again < 1.5


def test_what_surely_does_not_fit_is_told(service: Service) -> None:
    small, large = service.plan(spec_of()), service.plan(spec_of(width=8192, height=8192, batch_size=64, num_images=64))
    assert small.fits
    assert not large.fits
    assert small.bytes is not None
    assert large.bytes is not None
    assert large.bytes > 100 * small.bytes
    assert "GiB of memory" in large.messages[0].text


def test_plans_refuse_as_submitting_does(service: Service) -> None:
    with pytest.raises(RequestError, match="clip_skip 9"):
        service.plan(spec_of(clip_skip=9))
    with pytest.raises(RequestError, match=r"^init_image"):
        service.plan(spec_of(init_image="/etc/passwd"))
    upload = service.uploads.add(png())
    assert service.plan(UpscaleSpec(images=(upload.name,))).pictures == 1
    assert service.jobs()[1] == 0


def test_the_size_is_that_of_the_picture_with_its_margins(service: Service) -> None:
    upload = service.uploads.add(png((128, 64)))
    _measure(service, 0.5)
    start = {"init_image": {"path": upload.name}, "width": None, "height": None}
    assert service.plan(spec_of(**start)).seconds == pytest.approx(0.5 * 4 * 2)
    wider = service.plan(spec_of(**start, outpaint_right=64, outpaint_top=61))  # 192 x 128: rounded up to what fits
    assert wider.seconds == pytest.approx(0.5 * 4 * 6)
    assert [(one.key, one.values) for one in wider.messages] == [
        ("other_time", {"width": 64, "height": 64, "sampler": "DDIM"})
    ]
