import torch

from inkbloom.sampling.guidance import Composition
from inkbloom.sampling.instruct import InstructGuidance
from inkbloom.sampling.prediction import ModelDenoiser
from inkbloom.sampling.schedules import NoiseScheduleSpec

SCHEDULE = NoiseScheduleSpec(beta_start=0.00085, beta_end=0.012).build()


class Fixed:
    """The same conditioning at every step."""

    def __init__(self, *values: float, weights: tuple[float, ...] = (1.0,)) -> None:
        self.composition = Composition(tuple(torch.full((1, 3, 2), value) for value in values), weights)

    def at(self, call: int) -> Composition:
        return self.composition


def denoiser(picture: float) -> ModelDenoiser:
    """A network whose eps is the picture's number plus the conditioning's."""

    def network(x, t, conditioning, *rest):
        return torch.zeros_like(x) + picture + conditioning[:, :1, :1, None]

    return ModelDenoiser(network, SCHEDULE, "epsilon")


def test_the_two_scales_weigh_picture_and_instruction() -> None:
    guidance = InstructGuidance(
        with_picture=denoiser(10.0),
        without_picture=denoiser(1.0),
        cond=Fixed(5.0, 7.0, weights=(1.0, 0.5)),
        uncond=Fixed(2.0),
        scale=3.0,
        image_scale=1.5,
    )
    x, sigma = torch.randn(1, 4, 2, 2), 2.0
    denoised, uncond = guidance.both(x, sigma)
    # Brooks et al. 2023, Eq. 3, with the two parts of the prompt weighed 1 and 0.5
    blank, picture = 1.0 + 2.0, 10.0 + 2.0
    instructed = picture + 1.0 * (15.0 - picture) + 0.5 * (17.0 - picture)
    eps = blank + 1.5 * (picture - blank) + 3.0 * (instructed - picture)
    torch.testing.assert_close(denoised, x - sigma * eps, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(uncond, x - sigma * blank, rtol=1e-5, atol=1e-4)
    assert torch.equal(guidance(x, sigma), denoised)
