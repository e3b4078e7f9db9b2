import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.sampling.samplers.unipc import unipc


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 4}, "UniPC's order is 4; it must be 1, 2 or 3."),
        ({"variant": "bh3"}, 'Unknown UniPC variant "bh3". Did you mean "bh2" or "bh1"?'),
    ],
)
def test_refuses_other_options(options, message):
    with pytest.raises(RequestError) as caught:
        unipc(lambda x, sigma: x, torch.ones(1, 1, 1, 1), torch.tensor([1.0, 0.0]), **options)
    assert str(caught.value) == message
