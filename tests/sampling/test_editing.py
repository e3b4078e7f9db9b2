import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.sampling.editing import DifferentialDenoiser, MaskedDenoiser, latent_mask, schedule_steps
from inkbloom.sampling.samplers.euler import euler


@pytest.mark.parametrize(
    ("rule", "strength", "expected"),
    [
        ("a1111", 0.75, (20, 16)),  # A1111: t_enc = int(min(strength, 0.999) * steps), t_enc + 1 steps
        ("a1111", 1.0, (20, 20)),
        ("a1111", 0.01, (20, 1)),
        ("exact", 0.75, (26, 20)),  # A1111's "fix steps": int(steps / min(strength, 0.999))
        ("exact", 1.0, (20, 20)),
        ("diffusers", 0.75, (20, 15)),
        ("diffusers", 1.0, (20, 20)),
        ("diffusers", 0.01, (20, 1)),
    ],
)
def test_steps_of_a_strength(rule, strength: float, expected: tuple[int, int]) -> None:
    assert schedule_steps(20, strength, rule) == expected


@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from(["a1111", "exact", "diffusers"]))
def test_a_schedule_holds_the_steps_that_run(steps: int, strength: float, rule) -> None:
    if strength and steps / strength > 1e6:
        return
    whole, running = schedule_steps(steps, strength, rule)
    assert running <= whole
    assert (running == 0) == (strength == 0)


@pytest.mark.parametrize(
    ("strength", "rule", "message"),
    [
        (1.5, "a1111", "Strength 1.5 is out of range; allowed are 0 (keep the picture) to 1 (all new)."),
        (math.nan, "a1111", "Strength nan is out of range"),
        (0.5, "exakt", 'Unknown step rule "exakt". Did you mean "exact"?'),
    ],
)
def test_bad_strengths(strength: float, rule, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        schedule_steps(20, strength, rule)
    assert str(caught.value).startswith(message)


def test_a_latent_point_moves_with_any_pixel_under_it() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 15, 16] = 0.4
    small = latent_mask(mask, 8)
    assert small[0, 0].nonzero().tolist() == [[1, 2]]
    assert small.max() == mask.max()
    assert latent_mask(mask, 8, grow=1).count_nonzero() == 9


class Towards:
    """A guided denoiser that always believes in one picture."""

    def __init__(self, picture: torch.Tensor) -> None:
        self.picture = picture

    def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return self.picture

    def both(self, x: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
        return self.picture, -self.picture


SIGMAS = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5, 0.0])


def test_what_is_kept_stays_on_its_own_noise() -> None:
    torch.manual_seed(0)
    init, other, noise = torch.randn(3, 2, 4, 6, 6)
    mask = (torch.rand(1, 1, 6, 6) > 0.5).float()
    denoise = MaskedDenoiser(inner=Towards(other), init=init, mask=mask)
    kept = (mask == 0).expand_as(init)

    def on_step(step, x, denoised) -> None:
        expected = init + step.sigma_next * noise
        torch.testing.assert_close(x[kept], expected[kept], rtol=0, atol=1e-5)

    x = euler(denoise, init + SIGMAS[0] * noise, SIGMAS, on_step=on_step)
    assert torch.equal(x[kept], init[kept])
    assert torch.equal(x[~kept], other[~kept])
    assert torch.equal(denoise.both(init, 1.0)[1][~kept], -other[~kept])


def test_a_soft_mask_keeps_a_place_until_its_share_of_the_steps_is_left() -> None:
    init, other = torch.zeros(1, 4, 1, 4), torch.ones(1, 4, 1, 4)
    mask = torch.tensor([0.0, 0.4, 0.6, 1.0]).view(1, 1, 1, 4)
    denoise = DifferentialDenoiser(inner=Towards(other), init=init, mask=mask, sigmas=SIGMAS)
    seen = [denoise(init, sigma)[0, 0, 0].tolist() for sigma in SIGMAS[:-1].tolist()]
    # 5, 4, 3, 2, 1 of 5 steps are left
    assert seen == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]]
