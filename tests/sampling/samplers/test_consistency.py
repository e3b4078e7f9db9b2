import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.sampling.samplers.consistency import tcd


@pytest.mark.parametrize("gamma", [-0.1, 1.5])
def test_tcd_refuses_another_gamma(gamma):
    with pytest.raises(RequestError) as caught:
        tcd(lambda x, sigma: x, torch.ones(1, 1, 1, 1), torch.tensor([1.0, 0.0]), gamma=gamma)
    assert str(caught.value) == f"TCD's gamma is {gamma}; it must be between 0 and 1."
