import math

import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.sampling.denoiser import Step
from inkbloom.sampling.samplers.moves import add_normal, ancestral_split, churn, drift


class Ones:
    drawn = 0

    def normal(self):
        self.drawn += 1
        return torch.ones(1, 1, 1, 2)


def test_drift_ends_exactly_on_the_target():
    x, target = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3)
    assert torch.equal(drift(x, target, 14.6, 0.0), target)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("sigma", "sigma_next"), [(14.6, 13.9), (4518.0, 0.03), (1.0, 0.999999), (2.0, 0.0)])
def test_ancestral_split_keeps_the_variance(sigma, sigma_next, eta):
    down, up = ancestral_split(sigma, sigma_next, eta)
    assert down**2 + up**2 == pytest.approx(sigma_next**2, rel=1e-14)
    assert up == pytest.approx(eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2), rel=1e-12)


def test_ancestral_split_of_a_giant_step_is_exact():
    """eta = 1: down = sigma'^2 / sigma, which a difference of squares would round away."""
    assert ancestral_split(4518.0, 0.03, 1.0)[0] == pytest.approx(0.03**2 / 4518.0, rel=1e-12)


def test_ancestral_split_cuts_off_more_noise_than_there_is():
    assert ancestral_split(2.0, 1.0, 3.0) == (0.0, 1.0)


def test_churn_raises_the_level_by_at_most_sqrt_2():
    x, sigma = churn(torch.zeros(1, 1, 1, 2), Step(0, 1.0, 0.5), Ones(), 9.0, (0.0, 2.0), 1.5)
    assert sigma == pytest.approx(math.sqrt(2))
    assert torch.allclose(x, torch.full((1, 1, 1, 2), 1.5))


def test_churn_draws_outside_its_interval_too():
    noise = Ones()
    x, sigma = churn(torch.zeros(1, 1, 1, 2), Step(0, 1.0, 0.5), noise, 0.1, (2.0, 3.0), 1.0)
    assert (noise.drawn, sigma) == (1, 1.0)
    assert torch.equal(x, torch.zeros(1, 1, 1, 2))


def test_no_noise_no_draw():
    x = torch.zeros(1, 1, 1, 2)
    assert add_normal(x, None, 0.0) is x
    with pytest.raises(RequestError, match=r"^This sampler draws noise with the options given, but noise=None; pass a"):
        add_normal(x, None, 0.1)
