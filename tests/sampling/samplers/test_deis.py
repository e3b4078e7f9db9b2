import math

import pytest

from inkbloom.sampling.samplers.deis import _moments


@pytest.mark.parametrize("end", [-0.01, -0.5, -6.0])
def test_moments_are_integrals_of_powers_times_exp(end):
    """Against the midpoint rule with 20000 intervals."""
    count = 20000
    places = [end * (i + 0.5) / count for i in range(count)]
    for power, moment in enumerate(_moments(end, 3)):
        total = sum(u**power * math.exp(u) for u in places) * end / count
        assert moment == pytest.approx(total, rel=1e-6)
