import math

import pytest
import torch

from inkbloom.sampling.samplers.ddim import ddim, ddim_cfgpp


class Guided:
    """Guided and unconditional answers that differ."""

    def __call__(self, x, sigma):
        return self.both(x, sigma)[0]

    def both(self, x, sigma):
        return torch.tanh(x) + 0.3, torch.tanh(x)


def test_cfgpp_in_the_variance_preserving_frame():
    """x' = sqrt(a') x0_guided + sqrt(1 - a') eps_uncond (Chung et al. 2024, Algorithm 2), a = 1 / (1 + sigma^2)."""
    sigma, sigma_next = 3.0, 1.2
    x = torch.tensor([[[[1.5, -0.4]]]], dtype=torch.float64)
    a, a_next = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
    guided, uncond = Guided().both(x, sigma)
    eps = (x * math.sqrt(a) - math.sqrt(a) * uncond) / math.sqrt(1 - a)
    expected = (math.sqrt(a_next) * guided + math.sqrt(1 - a_next) * eps) / math.sqrt(a_next)
    sigmas = torch.tensor([sigma, sigma_next], dtype=torch.float64)
    assert ddim_cfgpp(Guided(), x, sigmas).tolist()[0][0][0] == pytest.approx(expected.tolist()[0][0][0], rel=1e-14)
    assert not torch.allclose(ddim(Guided(), x, sigmas), expected)
