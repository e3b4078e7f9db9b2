import math

import pytest
import torch

from inkbloom.core.errors import InkbloomError
from inkbloom.sampling.samplers.dpm import dpm_adaptive, dpm_fast


def half(x, sigma):
    return x / 2


@pytest.mark.parametrize("sampler", [dpm_fast, dpm_adaptive])
def test_one_step_to_0_is_an_euler_step(sampler):
    """The only positive sigma is the start: the range would be empty, and noise would be handed back."""
    x = torch.ones(1, 1, 1, 2)
    assert torch.equal(sampler(half, x, torch.tensor([5.0, 0.0])), x / 2)


@pytest.mark.parametrize("sampler", [dpm_fast, dpm_adaptive])
def test_stops_at_the_smallest_positive_sigma(sampler):
    steps = []
    x = torch.ones(1, 1, 1, 2)
    sampler(half, x, torch.tensor([5.0, 2.0, 0.5, 0.0]), eta=0.0, on_step=lambda step, *_: steps.append(step))
    assert (steps[0].sigma, steps[-1].sigma_next) == (5.0, 0.5)


def test_adaptive_does_not_wait_for_a_broken_model():
    with pytest.raises(InkbloomError) as caught:
        dpm_adaptive(lambda x, sigma: x * math.nan, torch.ones(1, 1, 1, 2), torch.tensor([5.0, 0.5, 0.0]), eta=0.0)
    assert str(caught.value) == "DPM adaptive cannot choose a step: the model answers with NaN at sigma 5."
