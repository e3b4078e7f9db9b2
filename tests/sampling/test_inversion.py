import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.sampling.inversion import invert
from inkbloom.sampling.samplers.euler import euler

SIGMAS = torch.tensor([14.6, 7.0, 3.0, 1.2, 0.5, 0.2, 0.03])


def gaussian(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The exact denoiser of data of unit variance."""
    return x / (1 + sigma**2)


def curved(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Data at -1 and 1."""
    return torch.tanh(x / sigma**2)


@pytest.mark.parametrize("end", [SIGMAS, torch.cat([SIGMAS, torch.zeros(1)])], ids=["above 0", "to 0"])
def test_one_round_is_exact_on_a_gaussian(end: torch.Tensor) -> None:
    """Where each step more than halves sigma: relative error 1e-4."""
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 14.6
    reached = euler(gaussian, x, end)
    found = invert(gaussian, reached, end, rounds=1)
    assert (found - x).norm() < 1e-4 * x.norm()


@pytest.mark.parametrize("rule", ["ddim", "euler"])
def test_the_ode_is_followed_in_the_limit(rule) -> None:
    """On a Gaussian the probability-flow ODE scales x by sqrt(1 + sigma^2) (Karras et al. 2022); 3 % at 400 steps."""
    sigmas = torch.linspace(1, 0, 401, dtype=torch.float64) ** 3 * 14.6
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    assert invert(gaussian, x, sigmas, rule=rule).item() == pytest.approx((1 + 14.6**2) ** 0.5, rel=0.03)


def test_rounds_bring_it_nearer() -> None:
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * 3
    sigmas = torch.linspace(3, 0.6, 13)
    reached = euler(curved, x, sigmas)
    errors = [(invert(curved, reached, sigmas, rounds=rounds) - x).norm() / x.norm() for rounds in (0, 1, 30)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]
    assert errors[2] < 1e-3


def test_steps_are_told_upwards_and_the_input_stays() -> None:
    x, told = torch.randn(1, 1, 2, 2), []
    before = x.clone()
    invert(gaussian, x, SIGMAS, on_step=lambda step, x, denoised: told.append((step.sigma, step.sigma_next)))
    assert told[0] == pytest.approx((0.03, 0.2))
    assert told[-1] == pytest.approx((7.0, 14.6))
    assert torch.equal(x, before)


def test_unknown_rules() -> None:
    with pytest.raises(RequestError, match=r'Unknown inversion rule "dim"\. Did you mean "ddim"'):
        invert(gaussian, torch.zeros(1), SIGMAS, rule="dim")
